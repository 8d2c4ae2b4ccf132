#!/usr/bin/perl

# Logout: by the access token, and by the refresh token where it is sent.
#
# Requirements: logout, session-persistence.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Test;
use JSON::PP ();

my $s = start(issuer_conf() . <<'CONF' . api_conf() . '    }',
    auth_token_issuer second {
        issuer https://second.example;
        audience api;
        signing_key %%DIR%%/old.pem;
        access_token expires=1s;
    }
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie;
        location / { proxy_pass %%UPSTREAM%%; }
        location = /second/login  { auth_token_login second; }
        location = /second/token  { auth_token_refresh second; }
        location = /second/logout { auth_token_logout second; }
        location = /off/logout    { auth_token_local off; auth_token_logout main; }
CONF
    workers => 2,
    prepare => prepare_users(users => [map { user_record($_, issuers => [qw(main second)]) } qw(jane john)]));

my $flags = 'HttpOnly; Secure; SameSite=Strict';
my $never = 'Expires=Thu, 01 Jan 1970 00:00:00 GMT';

sub fresh ($user = 'jane') { return { cookies(login($s, $user)) } }

sub is_out ($answer, $name) {
    is $answer->{status}, 200, "$name";
    is $answer->{body}, '{"success":true}', "$name: says so";
    is $answer->header('Cache-Control'), 'no-store', "$name: not to be stored";
    is_deeply [$answer->all('Set-Cookie')],
              ["accessToken=; Max-Age=0; Path=/; $never; $flags",
               "refreshToken=; Max-Age=0; Path=/api/auth/token; $never; $flags"], "$name: the cookies are cleared";
}

sub is_dead ($token, $name) {
    # each worker is asked
    for my $n (1, 2) {
        is_refused refresh($s, $token, new => 1), RINV => "$name: dead, $n", scheme => 'Bearer';
    }
}

# --- by what ----------------------------------------------------------------

my $session = fresh();
my $other   = fresh('john');
is_out logout($s, token => $session->{accessToken}), 'by Bearer';
is_dead $session->{refreshToken}, 'by Bearer';
granted $s, '/x', 'the access token lives on', token => $session->{accessToken};
is_out logout($s, token => $session->{accessToken}), 'a second time';

$session = fresh();
is_out logout($s, cookie => "accessToken=$session->{accessToken}"), 'by the cookie';
is_dead $session->{refreshToken}, 'by the cookie';

$session = fresh();
is_out logout($s, cookie => "refreshToken=$session->{refreshToken}"), 'by the refresh cookie';
is_dead $session->{refreshToken}, 'by the refresh cookie';

$session = fresh();
my %next = cookies(refresh($s, $session->{refreshToken}));
is_out logout($s, token => $session->{accessToken}), 'by the access token before the last refresh';
is_dead $next{refreshToken}, 'by the one before';

$session = fresh();
%next = cookies(refresh($s, $session->{refreshToken}));
is_out logout($s, token => $next{accessToken}, body => '{"x":1}', headers => ['Content-Type: application/json']),
       'by the one after, with a body';
is_dead $next{refreshToken}, 'by the one after';

my @same = map { fresh() } 1 .. 5;
my %by = map { $_->{accessToken} => 1 } @same;
is_out logout($s, token => $_), 'logins within a second' for keys %by;
is_dead $_->{refreshToken}, 'logins within a second' for @same;

is_out logout($s, token => fresh()->{accessToken}), 'of nobody else';
is refresh($s, $other->{refreshToken})->{status}, 200, 'another user\'s session lives';

$session = fresh();
is_out $s->request('/off/logout', method => 'POST', token => $session->{accessToken}), 'where local authentication is off';

# --- by what not ------------------------------------------------------------

is_refused logout($s), NONE => 'without a token';
is_refused logout($s, token => 'x'), INV => 'with a bad one';
is_refused logout($s, token => AuthToken::Token::token(key => key('rsa2'))), INV => 'with one of another key';
is_refused logout($s, token => $session->{refreshToken}), INV => 'with a refresh token';
is_refused logout($s, cookie => 'accessToken=x'), INV => 'with a bad cookie';
is_refused logout($s, cookie => "accessToken=$session->{accessToken}; accessToken=$session->{accessToken}"),
           INV => 'with two cookies';
is_out logout($s, cookie => 'refreshToken=' . 'A' x 80), 'an unknown refresh token tells nothing';

my %second = cookies(post_json($s, '/second/login', { username => 'jane', password => $AuthToken::Local::PASSWORD }));
is_refused logout($s, token => $second{accessToken}), INV => 'with one of another issuer';
AuthToken::Log::await_true(sub {
    $s->request('/second/logout', method => 'POST', token => $second{accessToken})->{body} =~ /EXPIRED/
        or do { %second = cookies(post_json($s, '/second/login', { username => 'jane',
                                            password => $AuthToken::Local::PASSWORD }));
                select undef, undef, undef, 1.2; 0 } }, 'an access token that expires');
is_refused $s->request('/second/logout', method => 'POST', token => $second{accessToken}), EXP => 'with an expired one';
is post_json($s, '/second/token', { refreshToken => $second{refreshToken} })->{status}, 200,
   'what is expired ends nothing';

for my $method (qw(GET PUT HEAD)) {
    my $got = logout($s, method => $method, token => $session->{accessToken});
    is_refused $got, BAD => "$method", status => 405, message => 'Method Not Allowed', head => $method eq 'HEAD';
    is $got->header('Allow'), 'POST', "$method: Allow";
}

$session = fresh();
is_refused logout($s, cookie => "accessToken=$session->{accessToken}", headers => [$_]), ORIGIN => "$_"
    for 'Origin: https://evil.example', 'Sec-Fetch-Site: same-site';
is refresh($s, $session->{refreshToken})->{status}, 200, 'they ended nothing';

# --- a restart, a full disk -------------------------------------------------

$session = fresh();
$s->reload;
is_out logout($s, token => $session->{accessToken}), 'after a reload';
is_dead $session->{refreshToken}, 'after a reload';

# --- the sessions are removed -----------------------------------------------

# by an operator, perhaps, who wants everybody out, while nginx runs
$session = fresh();
my $files = $s->dir . '/state/data/sessions';
unlink glob "$files/*" and rmdir $files or die "$files: $!";

AuthToken::Log::await_true(sub { -s "$files/data.mdb" }, 'new ones');
AuthToken::Log::await_true(sub { 2 == (() = $s->errors->content =~ /session database was replaced, reopening: /g) }, 'both workers');
is_dead $session->{refreshToken}, 'what was removed';

for my $n (1 .. 6) {
    $session = { cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1)) };
    my $again = refresh($s, $session->{refreshToken}, new => 1);
    is $again->{status}, 200, "the workers have the same ones again, $n";
}

done;
