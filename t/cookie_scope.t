#!/usr/bin/perl

# The attributes of the cookies that a login sets and a logout clears: "domain" and
# "samesite" of access_token and refresh_token.
#
# Requirements: configuration-errors.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;

my %tokens = (
    main  => ['', ''],
    site  => ['domain=example.com samesite=lax', 'samesite=none domain=.api.example.com path=/'],
    mixed => ['samesite=strict cookie=__Host-a', 'samesite=lax domain=localhost'],
);

# the expected attributes after Expires
my %expected = (
    main  => ['accessToken /; HttpOnly; Secure; SameSite=Strict',
              'refreshToken /api/auth/token; HttpOnly; Secure; SameSite=Strict'],
    site  => ['accessToken /; HttpOnly; Secure; SameSite=Lax; Domain=example.com',
              'refreshToken /; HttpOnly; Secure; SameSite=None; Domain=.api.example.com'],
    mixed => ['__Host-a /; HttpOnly; Secure; SameSite=Strict',
              'refreshToken /api/auth/token; HttpOnly; Secure; SameSite=Lax; Domain=localhost'],
);

my @names = sort keys %tokens;
my $store = "auth_token_store lmdb:%%DIR%%/store;\nauth_token_state_path %%DIR%%/state;\n";

sub block ($name, $access, $refresh) {
    my $more = ($access ? "access_token $access; " : '') . ($refresh ? "refresh_token $refresh; " : '');
    return "%%ISSUER $name: signing_key %%DIR%%/sign.pem; $more\n%%\n";
}

my $locations = join '', map { <<"CONF" } @names;
    location = /$_/login  { auth_token_login $_; }
    location = /$_/logout { auth_token_logout $_; }
CONF

my $s = start($store . join('', map { block($_, $tokens{$_}->@*) } @names) . <<"CONF",
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location / { proxy_pass %%UPSTREAM%%; }
        $locations
    }
CONF
    prepare => prepare_users(users => [map { user_record("jane-$_", issuers => [@names]) } @names]));

sub attributes ($answer) {
    return map { /\A([\w-]+)=([^;]*); Max-Age=\d+; Path=([^;]+); Expires=[^;]+(; .*)\z/
                     ? (secret($2) && "$1 $3$4") : $_ } $answer->all('Set-Cookie');
}

for my $name (@names) {
    my $login   = login($s, "jane-$name", $AuthToken::Local::PASSWORD, at => "/$name/login");
    my ($token) = ($login->all('Set-Cookie'))[0] =~ /=([^;]*)/;

    is_deeply [attributes($login)], $expected{$name}, "$name: a login";

    my $logout = $s->request("/$name/logout", method => 'POST', body => '', token => secret($token));
    is_deeply [map { /\A([\w-]+)=; Max-Age=0; Path=([^;]+); Expires=[^;]+(; .*)\z/ ? "$1 $2$3" : $_ }
               $logout->all('Set-Cookie')], $expected{$name}, "$name: a logout clears the same cookies";
}

# --- configuration errors ---------------------------------------------------

my @files = (files => { 'sign.pem' => key('rsa')->private_pem });

for my $directive ('access_token', 'refresh_token') {
    for my $value ('samesite=Strict', 'samesite=off', 'samesite=', 'samesite', 'domain=', 'domain=.', 'domain=a..b',
                   'domain=..a', 'domain=a.', 'domain=https://a.example', 'domain=a.example:80', 'domain=a,b',
                   '"domain=a b"', '"domain=a;b"', 'domain=$host', 'domain=a_b', 'domain=a/b')
    {
        conf_fails "auth_token_issuer main {\nissuer x;\naudience y;\n$directive $value; # here\n}",
            qr/invalid value "\Q@{[ $value =~ tr{"}{}dr ]}\E" in "$directive"/, "$directive $value", @files;
    }
    for my $value ('samesite=lax', 'domain=a.example') {
        conf_fails "auth_token_issuer main {\nissuer x;\naudience y;\n$directive $value $value; # here\n}",
            qr/duplicate value "\Q$value\E" in "$directive"/, "$directive $value twice", @files;
    }
}

for ('access_token cookie=__Host-a domain=a.example', 'refresh_token cookie=__Host-a',
     'refresh_token cookie=__Host-a path=/ domain=a.example', 'access_token cookie=__HOST-a domain=a.example',
     'refresh_token cookie=__host-a', 'access_token cookie=__Host-Http-a domain=a.example')
{
    my ($cookie) = /cookie=(\S+)/;
    conf_fails "auth_token_issuer main {\nissuer x;\naudience y;\nkey_file %%DIR%%/rsa.pem;\n$_;\n} # here\n",
        qr{the cookie "$cookie" of "auth_token_issuer main" requires "path=/" and no "domain"}, $_,
        files => { 'rsa.pem' => key('rsa')->pem };
}

done;
