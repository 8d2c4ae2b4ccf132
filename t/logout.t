#!/usr/bin/perl

# Logout: revokes the session of an access token or of a refresh token.
#
# Requirements: logout, session-persistence.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();

my $s = start(issuer_conf() . <<'CONF' . api_conf() . '    }',
    %%ISSUER second: issuer https://second.example; signing_key %%DIR%%/old.pem; access_token expires=1s;%%
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

sub is_logged_out ($answer, $name) {
    is $answer->{status}, 200, "$name";
    is $answer->{body}, '{"success":true}', "$name: the body says so";
    is $answer->header('Cache-Control'), 'no-store', "$name: the response is not cacheable";
    is_deeply [$answer->all('Set-Cookie')],
              ["accessToken=; Max-Age=0; Path=/; $never; $flags",
               "refreshToken=; Max-Age=0; Path=/api/auth/token; $never; $flags"], "$name: the cookies are cleared";
}

sub is_revoked ($token, $name) {
    # both workers
    for my $n (1, 2) {
        is_refused refresh($s, $token, new => 1), invalid_refresh_token => "$name: the refresh token is revoked, $n";
    }
}

# --- credentials that log out ----------------------------------------------------------------

my $session = fresh();
my $other   = fresh('john');
is_logged_out logout($s, token => $session->{accessToken}), 'a bearer token';
is_revoked $session->{refreshToken}, 'a bearer token';
granted $s, '/x', 'the access token remains valid until it expires', token => $session->{accessToken};
is_logged_out logout($s, token => $session->{accessToken}), 'a second logout';

$session = fresh();
is_logged_out logout($s, cookie => "accessToken=$session->{accessToken}"), 'the cookie of the access token';
is_revoked $session->{refreshToken}, 'the cookie of the access token';

$session = fresh();
is_logged_out logout($s, cookie => "refreshToken=$session->{refreshToken}"), 'the cookie of the refresh token';
is_revoked $session->{refreshToken}, 'the cookie of the refresh token';

$session = fresh();
my %next = cookies(refresh($s, $session->{refreshToken}));
is_logged_out logout($s, token => $session->{accessToken}), 'the access token from before a refresh';
is_revoked $next{refreshToken}, 'the access token from before a refresh';

$session = fresh();
%next = cookies(refresh($s, $session->{refreshToken}));
is_logged_out logout($s, token => $next{accessToken}, body => '{"x":1}', headers => ['Content-Type: application/json']),
       'the access token from after a refresh, and a body';
is_revoked $next{refreshToken}, 'the access token from after a refresh';

my @same = map { fresh() } 1 .. 5;
my %by = map { $_->{accessToken} => 1 } @same;
is_logged_out logout($s, token => $_), 'several logins within a second' for keys %by;
is_revoked $_->{refreshToken}, 'several logins within a second' for @same;

is_logged_out logout($s, token => fresh()->{accessToken}), 'one of two users';
is refresh($s, $other->{refreshToken})->{status}, 200, 'the session of another user remains';

$session = fresh();
is_logged_out $s->request('/off/logout', method => 'POST', token => $session->{accessToken}), 'with "auth_token_local off"';

# --- credentials that do not ------------------------------------------------------------

is_refused logout($s), no_token => 'no token';
is_refused logout($s, token => 'x'), invalid_token => 'a malformed access token';
is_refused logout($s, token => AuthToken::Token::token(key => key('rsa2'))), invalid_token => 'an access token of another key';
is_refused logout($s, token => $session->{refreshToken}),
    invalid_token => 'a refresh token as a bearer token';
is_refused logout($s, cookie => 'accessToken=x'), invalid_token => 'a malformed cookie';
is_refused logout($s, cookie => "accessToken=$session->{accessToken}; accessToken=$session->{accessToken}"),
           invalid_token => 'two cookies of an access token';
is_logged_out logout($s, cookie => 'refreshToken=' . 'A' x 80), 'an unknown refresh token gets the same response';

my %second = cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, at => '/second/login'));
is_refused logout($s, token => $second{accessToken}), invalid_token => 'an access token of another issuer';
await_true(sub {
    $s->request('/second/logout', method => 'POST', token => $second{accessToken})->{body} =~ /EXPIRED/
        or do { %second = cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, at => '/second/login'));
                select undef, undef, undef, 1.2; 0 } }, 'an access token that expires');
is_refused $s->request('/second/logout', method => 'POST', token => $second{accessToken}), expired_token => 'an expired access token';
is post_json($s, '/second/token', { refreshToken => $second{refreshToken} })->{status}, 200,
   'a logout with an expired access token revokes no session';

for my $method (qw(GET PUT HEAD)) {
    my $got = logout($s, method => $method, token => $session->{accessToken});
    is_refused $got, method_not_allowed => "$method gets 405", head => $method eq 'HEAD';
    is $got->header('Allow'), 'POST', "$method gets Allow: POST";
}

$session = fresh();
is_refused logout($s, cookie => "accessToken=$session->{accessToken}", headers => [$_]), origin_not_allowed => "a request with $_"
    for 'Origin: https://evil.example', 'Sec-Fetch-Site: same-site';
is refresh($s, $session->{refreshToken})->{status}, 200, 'a refused logout revokes no session';

# --- a reload -------------------------------------------------

$session = fresh();
$s->reload;
is_logged_out logout($s, token => $session->{accessToken}), 'a session from before a reload';
is_revoked $session->{refreshToken}, 'a session from before a reload';

# --- the session database is removed -----------------------------------------------

# an operator may do so to end all sessions while nginx runs
$session = fresh();
my $files = $s->dir . '/state/data/sessions';
unlink glob "$files/*" and rmdir $files or die "$files: $!";

await_true(sub { -s "$files/data.mdb" }, 'a new database');
await_true(sub { 2 == (() = $s->errors->content =~ /session database was replaced, reopening: /g) }, 'both workers reopened it');
is_revoked $session->{refreshToken}, 'a session of the removed database';

for my $n (1 .. 6) {
    $session = { cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1)) };
    my $again = refresh($s, $session->{refreshToken}, new => 1);
    is $again->{status}, 200, "all workers use the new database, $n";
}

done;
