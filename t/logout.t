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
    %%ISSUER aged: issuer https://aged.example; signing_key %%DIR%%/old.pem; max_age 1s;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie;
        location = /aged/login    { auth_token_login aged; }
        location = /aged/token    { auth_token_refresh aged; }
        location = /aged/logout   { auth_token_logout aged; }
        location / { proxy_pass %%UPSTREAM%%; }
        location = /second/login  { auth_token_login second; }
        location = /second/token  { auth_token_refresh second; }
        location = /second/logout { auth_token_logout second; }
        location = /info          { auth_token_session_info main; }
        location = /off/logout    { auth_token_local off; auth_token_logout main; }
CONF
    workers => 2,
    prepare => prepare_users(users => [(map { user_record($_, issuers => [qw(main second aged)]) } qw(jane john)),
                                       user_record('judy', issuers => ['main']),
                                       user_record("gr\xfc\"\\x", issuers => ['main'], scope => ['a"b', 'read'])]));

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

for ('', '{}', '{"x":1}', 'x=1') {
    $session = fresh();
    is_logged_out logout($s, token => $session->{accessToken}, body => $_, headers => ['Content-Type: application/json']),
        "the body '$_'";
}

$session = fresh();
is_logged_out post_json($s, '/api/v6.1/auth/logout', { refreshToken => $session->{refreshToken} }), 'a refresh token in the body';
is_revoked $session->{refreshToken}, 'a refresh token in the body';

$session = fresh();
is_logged_out post_json($s, '/api/v6.1/auth/logout', { refreshToken => $session->{refreshToken} },
                        cookie => "refreshToken=$session->{refreshToken}; accessToken=x"), 'a refresh token in body and cookie';
is_revoked $session->{refreshToken}, 'a refresh token in body and cookie';

$session = fresh();
is_refused post_json($s, '/api/v6.1/auth/logout', { refreshToken => $session->{refreshToken} }, cookie => 'refreshToken=x'),
    invalid_refresh_token => 'different refresh tokens in body and cookie';
is refresh($s, $session->{refreshToken})->{status}, 200, 'they revoke no session';

# --- session information -------------------------------------------------------------------

sub info (%o) {
    my $got = $s->request('/info', %o);
    return ($got, eval { JSON::PP->new->utf8->decode($got->{body}) });
}

my $time = time;
$session = fresh();
for (['a cookie', cookie => "accessToken=$session->{accessToken}"], ['a bearer token', token => $session->{accessToken}]) {
    my ($name, @how) = @$_;
    my ($got, $info) = info(@how);
    is $got->{status}, 200, "session information: $name";
    is $got->header('Cache-Control'), 'no-store', "session information: $name: not cacheable";
    is_deeply [sort keys %$info], [qw(access_expires scopes session_expires user)], "session information: $name: the members";
    is_deeply [@$info{qw(user scopes)}], ['jane', ['read']], "session information: $name: user and scopes";
    is $info->{access_expires}, claims_of($session->{accessToken})->{exp}, "session information: $name: the expiry of the access token";
    ok abs($info->{session_expires} - $time - 86400) <= 3, "session information: $name: the expiry of the session";
}

my $odd = "gr\xfc\"\\x";
my ($got, $info) = info(token => fresh($odd)->{accessToken});
is_deeply [@$info{qw(user scopes)}], ["gr\xfc\"\\x", ["a\"b", 'read']], 'session information is valid JSON for any user and scope';

is_refused +(info())[0], no_token => 'session information without a token';
is_refused +(info(token => 'x'))[0], invalid_token => 'session information with a malformed token';
is_refused +(info(token => $session->{accessToken}, method => 'POST', body => ''))[0], method_not_allowed => 'session information by POST';
is_refused +(info(token => AuthToken::Token::token(claims => { exp => time - 3600 })))[0], expired_token => 'session information with an expired token';
is_refused +(info(token => AuthToken::Token::token()))[0], invalid_refresh_token => 'session information for a token without a session';
logout($s, token => $session->{accessToken});
is_refused +(info(token => $session->{accessToken}))[0], invalid_refresh_token => 'session information after a logout';

# a change of the user ends the session before its access token expires
for (['disabled', [enabled => JSON::PP::false]], ['with another password', [password_hash => hash_of('canary-changed')]],
     ['of another issuer', [issuers => ['second']]], ['deleted'])
{
    my ($name, $change) = @$_;
    my $before = fresh('judy');
    is +(info(token => $before->{accessToken}))[0]{status}, 200, "session information: before the user is $name";
    $change ? $s->{store}->import_records(users => [user_record('judy', issuers => ['main'], @$change)])
            : $s->{store}->ok('user', 'delete', 'judy');
    is_refused +(info(token => $before->{accessToken}))[0], invalid_refresh_token => "session information: a user $name";
    $s->{store}->import_records(users => [user_record('judy', issuers => ['main'])]);
    my $status = $name eq 'of another issuer' ? 200 : 401;
    is +(info(token => $before->{accessToken}))[0]{status}, $status, "session information: a user $name, and as before again";
}

# --- credentials that do not ------------------------------------------------------------

is_refused logout($s), no_token => 'no token';
is_refused logout($s, token => 'x'), invalid_token => 'a malformed access token';
is_refused logout($s, token => AuthToken::Token::token(key => key('rsa2'))), invalid_token => 'an access token of another key';
is_refused logout($s, token => $session->{refreshToken}),
    invalid_token => 'a refresh token as a bearer token';
# only "exp" is ignored, and only for a token of a session
my %past = (exp => time - 60, iat => time - 120);
is_refused logout($s, token => AuthToken::Token::token(claims => {%past})), expired_token => 'an expired access token without a session';
for (['another issuer', claims => { %past, iss => 'https://second.example' }], ['another audience', claims => { %past, aud => 'x' }],
     ['another key', key => key('rsa2'), claims => {%past}], ['no issuer', claims => { %past, iss => undef }],
     ['another kind', claims => { %past, at_hash => 'x' }], ['a bound key', claims => { %past, cnf => { jkt => 'x' } }])
{
    my ($name, @token) = @$_;
    is_refused logout($s, token => AuthToken::Token::token(@token)), invalid_token => "an expired access token, $name";
}
is_refused logout($s, token => AuthToken::Token::token(claims => { %past, nbf => time + 60 })), invalid_token =>
    'an expired access token that is not valid yet';

is_refused logout($s, cookie => 'accessToken=x'), invalid_token => 'a malformed cookie';
is_refused logout($s, cookie => "accessToken=$session->{accessToken}; accessToken=$session->{accessToken}"),
           invalid_token => 'two cookies of an access token';
is_logged_out logout($s, cookie => 'refreshToken=' . 'A' x 80), 'an unknown refresh token gets the same response';

my %second = cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, at => '/second/login'));
is_refused logout($s, token => $second{accessToken}), invalid_token => 'an access token of another issuer';
select undef, undef, undef, 1.2;
my %renewed = %second;
for (1, 2) {
    %renewed = cookies(post_json($s, '/second/token', { refreshToken => $renewed{refreshToken} }));
    select undef, undef, undef, 1.1;
}
is_refused $s->request('/second/logout', method => 'POST', token => $second{accessToken}),
    expired_token => 'an expired access token before the two latest';
my %latest = cookies(post_json($s, '/second/token', { refreshToken => $renewed{refreshToken} }));
ok $latest{refreshToken}, 'a logout with it revokes no session';

my @cookie = (method => 'POST', cookie => "accessToken=$renewed{accessToken}");
is_refused $s->request('/second/logout', @cookie, headers => ['Origin: https://evil.example']),
    origin_not_allowed => 'an expired access token from another origin';
my $expired = $s->request('/second/logout', @cookie);
is $expired->{status}, 200, 'an expired access token, one of the two latest';
is scalar(grep { /Max-Age=0/ } $expired->all('Set-Cookie')), 2, 'an expired access token: the cookies are cleared';
is_refused post_json($s, '/second/token', { refreshToken => $latest{refreshToken} }),
    invalid_refresh_token => 'an expired access token revokes the session';
$s->errors->lines;
is_refused $s->request('/second/logout', @cookie), expired_token => 'a second logout with an expired access token';
is scalar(grep { /\[info\].*logout ended no session, user: "jane"/ } $s->errors->lines), 1, 'a logout that ended no session is logged, at "auth_token_log_level"';

# the age of an access token is limited
my %aged = cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, at => '/aged/login'));
select undef, undef, undef, 2.1;
is $s->request('/aged/logout', method => 'POST', token => $aged{accessToken})->{status}, 200, 'an access token older than "max_age"';
is_refused post_json($s, '/aged/token', { refreshToken => $aged{refreshToken} }),
    invalid_refresh_token => 'an access token older than "max_age" revokes the session';
is_refused $s->request('/aged/logout', method => 'POST', token => $aged{accessToken}), expired_token => 'a second logout with it';

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
