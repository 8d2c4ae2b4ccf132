#!/usr/bin/perl

# Basic authentication in the access phase: a password is hashed once, and the result
# is cached until it expires or the store changes.
#
# Requirements: no-credential, basic-syntax, login-failure, login-timing,
#   login-flood, cache-expiry, cache-invalidation, bearer-scheme,
#   fetch-request-body, multiple-credentials, reload.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Test;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my @also = ($AuthToken::Local::BASIC);

sub slow ($password) { hash_of($password, '$y$j9T$' . 'abcdefghijklmnop') }

my $s = start(issuer_conf(main => 'password remember=2s failures=1000/1m;') . <<'CONF' . '    }',
    limit_req_zone $auth_token_user zone=users:64k rate=1000r/s;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_accept bearer basic cookie api_token;
        auth_token_challenge bearer basic;
        location /       { proxy_pass %%UPSTREAM%%; }
        location /read   { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /write  { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location /near   { auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
        location /alone  { auth_token_accept basic; proxy_pass %%UPSTREAM%%; }
        location /listed { auth_token_cookie_origin https://evil.example; proxy_pass %%UPSTREAM%%; }
        location /off    { auth_token_local off; proxy_pass %%UPSTREAM%%; }
        location /bearer { auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
        location /early  { limit_req zone=users burst=9; proxy_pass %%UPSTREAM%%; }
        location /body   { proxy_pass %%UPSTREAM%%; }
        location /any {
            satisfy any;
            allow 127.0.0.9;
            deny all;
            proxy_pass %%UPSTREAM%%;
        }
        location /again  { error_page 404 = @other; proxy_pass %%UPSTREAM%%; }
CONF
    prepare => prepare_users(users => [
        user_record('jane'), user_record('root', is_admin => $true, scope => []),
        user_record('u', password_hash => hash_of('p'), scope => ['read']),
        user_record('gone', enabled => $false), user_record('idle', scope => []),
        user_record('colon', password_hash => hash_of('canary:with:colons')),
        user_record("gr\xfc\xdfe", password_hash => hash_of("canary-\xc3\xa4")),
        user_record('slow', password_hash => slow($AuthToken::Local::PASSWORD)),
        map { user_record("slow$_", password_hash => slow($AuthToken::Local::PASSWORD)) } 1 .. 30,
    ]),
    good => ['/good', auth => basic('jane')]);

# --- granted ----------------------------------------------------------------

granted $s, '/read', 'name and password', auth => basic('jane'),
        decision => { status => 'OK', method => 'basic', user => 'jane', issuer => '', scope => 'read', fingerprint => '' };
granted $s, '/read', 'a cached password', auth => basic('jane'),
        decision => { method => 'basic', user => 'jane' };
granted $s, '/write', 'an administrator', auth => basic('root');
refused $s, '/write', insufficient_scope => 'a scope that the user does not have', auth => basic('jane');
granted $s, '/read', 'name and password of one character', auth => 'Basic dTpw', decision => { user => 'u' };
granted $s, '/read', 'the scheme in any case', auth => 'bAsIc dTpw';
granted $s, '/read', 'two spaces after the scheme', auth => 'Basic  dTpw';
granted $s, '/read', 'colons in the password', auth => basic('colon', 'canary:with:colons');
granted $s, '/read', 'name and password in UTF-8', auth => basic("gr\xc3\xbc\xc3\x9fe", "canary-\xc3\xa4"),
        decision => { user => "gr\xc3\xbc\xc3\x9fe" };
granted $s, '/near', 'an address that the location allows', auth => basic('jane');
refused $s, '/near', address_not_allowed => 'another address', auth => basic('jane'), from => '127.0.0.9';
granted $s, '/early', 'with limit_req by $auth_token_user', auth => basic('jane');
granted $s, '/any', 'satisfy any, by the address', from => '127.0.0.9';
granted $s, '/any', 'satisfy any, by the password', auth => basic('slow');
granted $s, '/body', 'a body during hashing', method => 'POST', body => 'x' x 100_000,
        auth => basic('slow30'), headers => ['Content-Type: text/plain'];

# --- refused ----------------------------------------------------------------

my %long = (name => 'a' x 300, password => 'b' x 600);

for (['no colon' => encode_base64('jane', '')], ['colon only' => encode_base64(':', '')],
     ['no name' => encode_base64(':canary-x', '')], ['NUL' => encode_base64("ja\0ne:canary-x", '')],
     ['a control character' => encode_base64("jane:\x01", '')], ['DEL' => encode_base64("jane:\x7f", '')],
     ['bad base64' => '!!!!'], ['no padding' => encode_base64('jane:x1', '') =~ s/=+\z//r],
     ['too much padding' => 'dTpw===='], ['spare bits' => 'dTp='], ['base64url' => encode_base64("j:\xff\xfe\xff", '') =~ tr{+/}{-_}r],
     ['empty' => ''], ['a space inside' => 'dT pw'], ['2 KiB and more' => encode_base64("jane:" . 'x' x 2100, '')]) {
    my ($name, $value) = @$_;
    refused $s, '/read', bad_basic => $name, auth => "Basic $value", expect => { also => \@also };
}

for (['a wrong password' => 'wrong_password', 'jane', 'canary-wrong'], ['an unknown user' => 'unknown_user', 'unknown'],
     ['a disabled user' => 'locked_user', 'gone'], ['an empty password' => 'wrong_password', 'jane', ''],
     ['a password in another case' => 'wrong_password', 'jane', uc $AuthToken::Local::PASSWORD],
     ['a name in another case' => 'unknown_user', 'Jane'],
     ['a name of 300 bytes' => 'unknown_user', 'a' x 300],
     ['a password of 600 bytes' => 'wrong_password', 'jane', 'b' x 600]) {
    my ($name, $reason, $user, $password) = @$_;
    refused $s, '/read', invalid_credentials => $name,
            auth => basic($user, $password // $AuthToken::Local::PASSWORD),
            reason => $reason, expect => { also => \@also };
}

refused $s, '/read', no_scopes => 'a user without scopes', auth => basic('idle');
refused $s, '/off', login_disabled => 'auth_token_local off', auth => basic('jane');
refused $s, '/read', no_token => 'no credential', expect => { also => \@also };
is_deeply [$s->request('/alone')->all('WWW-Authenticate')], \@also, 'only a Basic challenge where only Basic is accepted';
refused $s, '/bearer', no_token => 'Basic where it is not accepted', auth => basic('jane');
refused $s, '/read', several_credentials => 'Basic beside an API token', auth => basic('jane'),
        api_token => 'x' x 32, expect => { also => \@also };
granted $s, '/read', 'Basic beside a cookie', auth => basic('jane'), cookie => 'accessToken=x';
refused $s, '/read', invalid_token => 'the credential of Basic as a bearer token',
        auth => 'Bearer ' . encode_base64('jane:x', ''), expect => { also => \@also };

# --- requests of other sites ------------------------------------------------

# a browser attaches the password by itself, as it does with a cookie
my @evil = (auth => basic('jane'), headers => ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site']);

refused $s, '/read', origin_not_allowed => "$_ from another site", @evil, method => $_, body => '' for qw(POST PUT DELETE);
refused $s, '/read', origin_not_allowed => "POST, $_", auth => basic('jane'), method => 'POST', body => '', headers => [$_]
    for 'Origin: https://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-site';
refused $s, '/alone', origin_not_allowed => 'POST from another site where only Basic is accepted',
        @evil, method => 'POST', body => '';
refused $s, '/read', origin_not_allowed => 'a WebSocket from another site', auth => basic('jane'),
        headers => ['Origin: https://evil.example', 'Upgrade: websocket'];
granted $s, '/read', "$_ from another site", @evil, method => $_ for qw(GET HEAD);
granted $s, '/read', 'POST from this site', auth => basic('jane'), method => 'POST', body => '',
        headers => ['Origin: http://localhost', 'Sec-Fetch-Site: same-origin'];
granted $s, '/read', 'POST of a program', auth => basic('jane'), method => 'POST', body => '';
granted $s, '/listed', 'POST from a listed origin', @evil, method => 'POST', body => '';

# --- cached results ---------------------------------------------------------

my $store = $s->{store};
granted $s, '/read', 'the first request', auth => basic('slow1');
$store->import_records(users => [user_record('slow1', enabled => $false)]);
refused $s, '/read', locked_user => 'a user after being disabled', auth => basic('slow1'),
        expect => { also => \@also };
$store->import_records(users => [user_record('slow1', password_hash => hash_of('canary-other'))]);
refused $s, '/read', invalid_credentials => 'the old password after a change', auth => basic('slow1'),
        expect => { also => \@also };
granted $s, '/read', 'the new password after a change', auth => basic('slow1', 'canary-other');

$store->import_records(users => [user_record('jane', scope => ['write'])]);
granted $s, '/write', 'a scope that has been added', auth => basic('jane');
$store->import_records(users => [user_record('jane')]);

# --- concurrent requests ----------------------------------------------------

# requests with tokens do not wait for hashes
my @busy = map { my $c = $s->connect; $c->send(request_bytes('/read', auth => basic("slow$_"))); $c } 2 .. 29;
my $token = good_token();
granted $s, '/read', "a token while passwords are hashed, request $_", token => $token for 1 .. 3;
my @answers = map { $_->response } @busy;
is scalar(grep { $_->{status} == 200 } @answers), 28, 'all passwords are checked';
$s->{untagged} += 28;

my @gone = map { my $c = $s->connect; $c->send(request_bytes('/read', auth => basic('slow', "canary-$_"))); $c } 1 .. 40;
$_->close for @gone;
granted $s, '/read', 'passwords of closed connections cause no delay', auth => basic('slow');

my @flood = map { my $c = $s->connect; $c->send(request_bytes('/read', auth => basic('slow', "canary-flood-$_"))); $c }
            1 .. 120;
@answers = map { $_->response } @flood;
my @many = grep { $_->{status} == 429 } @answers;
cmp_ok scalar @many, '>=', 1, 'a full queue';
is_refused $many[0], too_many_requests => 'a full queue';
is scalar(grep { $_->{status} == 401 } @answers), 120 - @many, 'the others are judged';

# --- reload, end ------------------------------------------------------------

my @last = map { my $c = $s->connect; $c->send(request_bytes('/read', auth => basic('slow', "canary-last-$_"))); $c } 1 .. 20;
$s->reload(wait => 0);
is scalar(grep { $_ && $_->{status} == 401 } map { scalar eval { $_->response } } @last), 20,
   'an exiting worker answers waiting requests';

conf_fails <<'CONF', qr/"auth_token_accept" with "basic" requires "auth_token_store"/, 'without a store';
    server { listen %%LISTEN%%; location / {
        auth_token on;
        auth_token_accept basic;    # here
    } }
CONF

done;
