#!/usr/bin/perl

# The module together with nginx's other access modules: "satisfy", "allow" and
# "deny", "auth_basic", "auth_request", "auth_delay".
#
# Requirements: satisfy, auth-delay.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Time::HiRes qw(time);

# --- expected responses -----------------------------------------------------

my $basic = 'auth_basic closed; auth_basic_user_file %%DIR%%/passwords;';

# the other module: name, directives, header of the request, status (200: it
# grants), challenge
my @others = (
    ['allow',          'allow all;', undef, 200],
    ['deny',           'deny all;', undef, 403],
    ['basic, right',   $basic, 'Authorization: Basic dXNlcjpyaWdodA==', 200],
    ['basic, wrong',   $basic, 'Authorization: Basic dXNlcjp3cm9uZw==', 401, 'Basic realm="closed"'],
    ['basic, nothing', $basic, undef, 401, 'Basic realm="closed"'],
    ['request, 204',   'auth_request /verdict/204;', undef, 200],
    (map { ["request, $_", "auth_request /verdict/$_;", undef, $_] } 401, 403, 500),
);

# this module: name, location, token, status, code, message, challenge.  The 503
# is a 401 changed by "auth_token_error".
my $bad   = token(key => key('rsa2'));
my @inv   = ('API_INVALID_ACCESS_TOKEN', 'Invalid JWT Access Token');
my @verdicts = (
    ['good', '',    good_token(), 200],
    ['401',  '',    $bad, 401, @inv, 'Bearer realm="api", error="invalid_token"'],
    ['none', '',    undef, 401, 'API_INVALID_ACCESS_TOKEN', 'Missing Access Token',
                    'Bearer realm="api"'],
    ['403',  '',    good_token(scope => ['other']), 403, 'API_INSUFFICIENT_RIGHTS',
                    'Insufficient Rights', 'Bearer realm="api", error="insufficient_scope"'],
    ['503',  '503', $bad, 503, @inv],
);

# "all": the first refusal counts, and this module runs first.
# "any": 500 counts before 401 before any other refusal.
sub status ($satisfy, $this, $other) {
    return $this != 200 ? $this : $other   if $satisfy eq 'all';
    return 200                             if $this == 200 || $other == 200;
    return $other                          if $other == 500;
    return $this == 401 || $other == 401 ? 401 : $this;
}

sub expected ($satisfy, $verdict, $other) {
    my (undef, undef, undef, $code, $name, $message, $challenge) = @$verdict;
    my $status = status($satisfy, $code, $other->[3]);
    return { status => 200, body => $AuthToken::Upstream::BODY, challenges => '' } if $status == 200;

    my @challenges = ($satisfy eq 'any' || $code == 200 ? $other->[4] : undef,
                      $status == $code ? $challenge : undef);
    return { status => $status, challenges => join(' + ', grep { defined } @challenges),
             body => $status == $code ? qq({"code":"$name","message":"$message"}) : 'a page of nginx' };
}

sub found ($answer) {
    my $body = $answer->{body};
    return { status => $answer->{status},
             challenges => join(' + ', $answer->all('WWW-Authenticate')),
             body => $body =~ m{<hr><center>nginx/[\d.]+</center>} ? 'a page of nginx' : $body };
}

# --- the server -------------------------------------------------------------

my $error     = 'auth_token_error API_INVALID_ACCESS_TOKEN status=503;';
my $locations = '';

for my $satisfy ('all', 'any') {
    $locations .= <<"CONF" for 0 .. $#others;
        location /$satisfy/$_/ {
            satisfy $satisfy; $others[$_][1]
            proxy_pass %%UPSTREAM%%;
            location /$satisfy/$_/503/ { $error proxy_pass %%UPSTREAM%%; }
        }
CONF
}

my $s = start(<<'CONF' . "$locations}\n", files => { passwords => "user:{PLAIN}right\n" });
    %%ISSUER%%

    # an application that refuses requests, or redirects to another location
    server {
        listen unix:%%DIR%%/app.sock;
        access_log off;
        add_header WWW-Authenticate 'App realm="app"' always;
        location /401 { return 401 "app 401\n"; }
        location /403 { return 403 "app 403\n"; }
        location /404 { return 404 "app 404\n"; }
        location /503 { return 503 "app 503\n"; }
        location /second { add_header X-Accel-Redirect /second; return 200; }
    }

    server {
        listen %%LISTEN%%;

        auth_token on;
        auth_token_accept bearer cookie;
        auth_token_require_scope read;
        add_header X-User "[$auth_token_user$auth_token_scope$auth_token_claim_id]" always;

        location / { proxy_pass %%UPSTREAM%%; }

        location = /verdict/204 { internal; return 204; }
        location = /verdict/401 { internal; return 401; }
        location = /verdict/403 { internal; return 403; }
        location = /verdict/500 { internal; return 500; }

        location /app/     { proxy_pass http://unix:%%DIR%%/app.sock:/; }
        location /any/app/ { satisfy any; allow all; proxy_pass http://unix:%%DIR%%/app.sock:/; }
        location /any/app/failing/ {
            auth_token_error API_INVALID_ACCESS_TOKEN status=503;
            satisfy any; allow all;
            proxy_pass http://unix:%%DIR%%/app.sock:/;
        }
        location /any/app/page/ {
            satisfy any; allow all;
            proxy_intercept_errors on;
            error_page 401 403 404 /page;
            proxy_pass http://unix:%%DIR%%/app.sock:/;
        }
        location /any/file/ { satisfy any; allow all; }
        location = /page { auth_token off; return 200 "a page\n"; }
        location = /second {
            internal;
            auth_token_require_scope admin;
            satisfy any; allow all;
            proxy_pass %%UPSTREAM%%;
        }

        location /delay/     { auth_delay 500ms; proxy_pass %%UPSTREAM%%; }
        location /delay/any/ { auth_delay 500ms; satisfy any; deny all; proxy_pass %%UPSTREAM%%; }
CONF

# --- two modules ------------------------------------------------------------

my $anonymous = { user => '', scope => '', method => '', issuer => '' };
my $jane   = { user => 'jane', scope => 'read write', method => 'cookie', issuer => 'main' };

for my $satisfy ('all', 'any') {
    for my $i (0 .. $#others) {
        for my $verdict (@verdicts) {
            my $other = $others[$i];
            my ($name, $location, $token) = @$verdict;
            my $expected = expected($satisfy, $verdict, $other);
            my $tag = next_tag;

            # a cookie, because auth_basic reads Authorization
            my $answer = $s->request("/$satisfy/$i/$location/", tag => $tag,
                defined $token   ? (cookie => "accessToken=$token") : (),
                defined $other->[2] ? (headers => [$other->[2]]) : ());
            my $decision = decision($s, $tag);

            my $identity = $name eq 'good' ? $jane : $anonymous;
            my $user = $name eq 'good' ? 'janeread write1108612' : '';

            is_deeply [found($answer), $s->upstream->hits->count($tag),
                       { map { $_ => $decision->{$_} } keys %$identity },
                       $answer->header('X-User')],
                      [$expected, $expected->{status} == 200 ? 1 : 0, $identity, "[$user]"],
                      "satisfy $satisfy, token: $name, other module: $other->[0]";
        }
    }
}

# a refusal of this module has its headers and body, even if another module ran after it
my %renamed = (expect => { code => $inv[0], message => $inv[1] });
check_requests $s, {},
    [invalid_token => '/all/0/', 'satisfy all, a bad token, allow', token => $bad],
    [invalid_token => '/all/1/', 'satisfy all, a bad token, deny', token => $bad],
    [invalid_token => '/any/1/', 'satisfy any, a bad token, deny', token => $bad],
    [no_token => '/any/1/', 'satisfy any, no credential, deny'],
    [insufficient_scope => '/any/1/', 'satisfy any, no scope, deny', token => good_token(scope => [])],
    [unavailable => '/any/1/503/', 'satisfy any, a bad token with status=503, deny', token => $bad, %renamed],
    [unavailable => '/any/7/503/', 'satisfy any, a bad token with status=503, auth_request 403',
     token => $bad, %renamed],
    [unavailable => '/any/1/503/', 'satisfy any, a bad token with status=503, deny, HEAD',
     token => $bad, %renamed, method => 'HEAD'],
    [granted => '/any/0/', 'satisfy any, allow, HEAD', method => 'HEAD'],
    [granted => '/any/5/', 'satisfy any, a bad token, auth_request 204', token => $bad];

# --- refusals of the application --------------------------------------------

for my $status (401, 403, 404, 503) {
    for (['/app', 'all, granted', good_token()], ['/any/app', 'any, granted by this module', good_token()],
         ['/any/app', 'any, granted by another module'],
         ['/any/app', 'any, a bad token, granted by another module', $bad],
         ['/any/app/failing', 'any, a bad token with status=503, granted by another module', $bad])
    {
        my ($path, $name, $token) = @$_;
        my $answer = $s->request("$path/$status", token => $token, tag => next_tag);
        $name = "satisfy $name, then $status of the application";
        is_deeply found($answer), { status => $status, body => "app $status\n", challenges => 'App realm="app"' }, $name;
        is $answer->header('Cache-Control'), undef, "$name: no header of this module";
    }
}

is_deeply found($s->request('/any/file/nothing', token => $bad)),
          { status => 404, body => 'a page of nginx', challenges => '' },
          'satisfy any, granted by another module, then a missing file';

for my $status (401, 403, 404) {
    my $answer = $s->request("/any/app/page/$status", token => $bad);
    is_deeply [$answer->{status}, $answer->{body}], [$status, "a page\n"],
              "satisfy any, granted by another module, then an error_page for $status";
    is join(' + ', grep { /Bearer/ } $answer->all('WWW-Authenticate')), '',
       "satisfy any, granted by another module, then an error_page for $status: no challenge";
}

# the second location must not show the identity that the first one granted
granted $s, '/app/second', 'satisfy any, granted by another module after a redirect',
        token => good_token(), decision => { %$anonymous, reason => 'insufficient_scope' };

# --- auth_delay -------------------------------------------------------------

for (['/delay/', $bad, 401], ['/delay/', good_token(), 200], ['/delay/', good_token(scope => []), 403],
     ['/delay/any/', $bad, 401], ['/delay/any/', good_token(), 200])
{
    my ($path, $token, $status) = @$_;
    my $from = time;
    is $s->request($path, token => $token, tag => next_tag)->{status}, $status, "$status at $path";
    my $elapsed = time - $from;
    $status == 401 ? cmp_ok($elapsed, '>=', 0.49, "401 is delayed at $path")
                   : cmp_ok($elapsed, '<', 0.4, "$status is not delayed at $path");
}

refused $s, '/delay/', invalid_token => 'auth_delay', token => $bad;
refused $s, '/delay/any/', invalid_token => 'auth_delay, satisfy any', token => $bad;

# a client that closes the connection during the delay
my $closing = $s->connect;
$closing->send(request_bytes('/delay/', token => $bad));
$closing->close;
granted $s, '/good', 'the next request after a client that did not wait', token => good_token();

done;
