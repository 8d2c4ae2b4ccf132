#!/usr/bin/perl

# Refresh: one token has one successor, also with parallel uses and crashes.
# All parallel uses get it.
#
# Requirements: refresh, refresh-reuse, refresh-race, refresh-crash,
#   refresh-expiry, session-persistence, session-fixation,
#   refresh-after-change, token-endpoint-paths, refresh-one-code,
#   login-failure, issued-token.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Store;
use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $rounds = $ENV{AT_SANITIZE} ? 100 : 1000;

my $conf = issuer_conf(main => 'refresh_token grace=10s per_minute=100000;') . <<'CONF' . api_conf() . '    }';
    %%ISSUER quick: issuer https://quick.example; signing_key %%DIR%%/old.pem kid=old;
        access_token expires=10m cookie=at;
        refresh_token grace=0 expires=15m length=64 cookie=rt path=/quick/token;%%
    %%ISSUER aged: issuer https://aged.example; signing_key %%DIR%%/old.pem; refresh_token grace=0 max=5s;%%
    %%ISSUER brief: issuer https://brief.example; signing_key %%DIR%%/old.pem; refresh_token expires=1s;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main quick;
        auth_token_accept bearer cookie;
        location / { proxy_pass %%UPSTREAM%%; }
        location = /quick/login { auth_token_login quick; }
        location = /quick/token { auth_token_refresh quick; }
        location = /aged/login  { auth_token_login aged; }
        location = /aged/token  { auth_token_refresh aged; }
        location = /brief/login { auth_token_login brief; }
        location = /brief/token { auth_token_refresh brief; }
        location = /off/token   { auth_token_local off; auth_token_refresh main; }
CONF

my $s = start($conf, workers => 2,
    prepare => prepare_users(users => [map { user_record($_, issuers => [qw(main quick brief aged)]) }
                                       qw(jane john jack judy gone), 'x" y']));

sub fresh (@login) { return { cookies(login($s, @login)) } }

# --- the response --------------------------------------------------------

my $first  = fresh('jane');
my $answer = refresh($s, $first->{refreshToken});

is $answer->{status}, 200, 'a refresh token in the body gets 200';
is $answer->{body}, '{}', 'the body has no tokens';
is $answer->header('Cache-Control'), 'no-store', 'the response is not cacheable';

my @set = $answer->all('Set-Cookie');
like $set[0], qr{\AaccessToken=[\w.-]+; Max-Age=1800; Path=/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict\z},
     'the cookie of the access token';
like $set[1], qr{\ArefreshToken=[A-Za-z0-9]{80}; Max-Age=86400; Path=/api/auth/token; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict\z},
     'the cookie of the refresh token';

my %next = cookies($answer);
isnt $next{refreshToken}, $first->{refreshToken}, 'the refresh token is a new one';
granted $s, '/x', 'the new access token', token => $next{accessToken}, decision => { user => 'jane' };

# a request without a body parameter
sub by_cookie ($cookie, %o) { $s->request('/api/auth/token', method => 'POST', cookie => $cookie, %o) }

$answer = by_cookie("refreshToken=$next{refreshToken}; accessToken=$first->{accessToken}", body => '');
is $answer->{status}, 200, 'a refresh token in the cookie, with an empty body';
%next = cookies($answer);

$answer = by_cookie("refreshToken=$next{refreshToken}");
is $answer->{status}, 200, 'a refresh token in the cookie, without a body';
%next = cookies($answer);

for my $body ('{}', "{ }\n") {
    $answer = by_cookie("refreshToken=$next{refreshToken}", body => $body, headers => ['Content-Type: application/json']);
    is $answer->{status}, 200, 'a refresh token in the cookie, with an empty object of ' . length($body) . ' bytes';
    %next = cookies($answer);
}

$answer = refresh($s, $next{refreshToken}, cookie => "refreshToken=$next{refreshToken}");
is $answer->{status}, 200, 'the same refresh token in body and cookie';
%next = cookies($answer);

sub rinv ($answer, $reason, $name) {
    is_refused $answer, invalid_refresh_token => $name;
    ok scalar(grep { /reason: $reason,/ } $s->errors->lines), "$name: the log says $reason";
}

my $other = fresh('john');
rinv refresh($s, $next{refreshToken}, cookie => "refreshToken=$other->{refreshToken}"), 'several_refresh_tokens',
     'different refresh tokens in body and cookie';
rinv by_cookie("refreshToken=$next{refreshToken}; refreshToken=$next{refreshToken}"), 'several_refresh_tokens',
     'two cookies of a refresh token';
rinv $s->request('/api/auth/token', method => 'POST', body => ''), 'no_refresh_token', 'no refresh token';
rinv post_json($s, '/api/auth/token', '{}'), 'no_refresh_token', 'an empty object without a cookie';
rinv refresh($s, $_), 'unknown_refresh_token', 'unknown refresh token: ' . substr($_, 0, 10)
    for 'x', '', 'A' x 80, 'A' x 2000, "$next{refreshToken}A", substr($next{refreshToken}, 1), "\x{1}\"\\",
        lc $next{refreshToken}, $next{accessToken};
rinv refresh($s, $first->{refreshToken}), 'rotated_refresh_token', 'a used refresh token within the grace';
rinv post_json($s, '/quick/token', { refreshToken => $next{refreshToken} }), 'refresh_token_issuer_mismatch',
     'a refresh token of another issuer';
rinv post_json($s, '/off/token', { refreshToken => $next{refreshToken} }), 'refresh_disabled',
     'a refresh with "auth_token_local off"';

is refresh($s, $next{refreshToken})->{status}, 200, 'refused requests do not use up the refresh token';
is refresh($s, $other->{refreshToken})->{status}, 200, 'nor the refresh token of another user';

is_refused post_json($s, '/api/auth/token', $_->[1]), bad_request => "body: $_->[0]"
    for ['array' => '[]'], ['number' => '{"refreshToken":1}'],
        ['an unknown member' => '{"refreshToken":"x","y":1}'], ['a duplicate member' => '{"refreshToken":"x","refreshToken":"x"}'];
is_refused $s->request('/api/auth/token', method => 'GET'), method_not_allowed => 'GET gets 405';
is_refused post_json($s, '/api/auth/token', '{"refreshToken":"x"}', headers => ['Origin: https://evil.example']),
           origin_not_allowed => 'another origin is refused';

isnt post_json($s, $_, { refreshToken => $next{refreshToken} })->{status}, 200, "$_ is not the endpoint"
    for '/api/v6.1/auth/token', '/api/auth/token/', '/API/auth/token', '/api/auth/token;x';

# --- settings of an issuer block ----------------------------------------------

# a login with another issuer block
sub login_at ($path, $user = 'jane') { login($s, $user, $AuthToken::Local::PASSWORD, at => $path) }

my $quick = login_at('/quick/login');
my %quick = cookies($quick);
@set = $quick->all('Set-Cookie');
like $set[0], qr{\Aat=[\w.-]+; Max-Age=600; Path=/; }, 'name and lifetime of the cookie of the access token';
like $set[1], qr{\Art=[A-Za-z0-9]{64}; Max-Age=900; Path=/quick/token; }, 'name, length, lifetime and path of the cookie of the refresh token';
is claims_of($quick{at})->{iss}, 'https://quick.example', 'the access token has the issuer of its block';
granted $s, '/x', 'the access token is signed with the key of its block', token => $quick{at}, decision => { issuer => 'quick' };

my %second = cookies(post_json($s, '/quick/token', { refreshToken => $quick{rt} }));
$s->errors->lines;
rinv post_json($s, '/quick/token', { refreshToken => $quick{rt} }), 'reused_refresh_token', 'a reused refresh token';
rinv post_json($s, '/quick/token', { refreshToken => $second{rt} }), 'revoked_session', 'the latest refresh token of a session with a reuse';

# the name of a user, as in the log
for (['jane', 'jane'], ['x" y', 'x\x22 y']) {
    my ($user, $logged) = @$_;
    my %again = cookies(login_at('/quick/login', $user));
    cookies(post_json($s, '/quick/token', { refreshToken => $again{rt} }));
    $s->errors->lines;
    post_json($s, '/quick/token', { refreshToken => $again{rt} });
    my @lines = grep { /refresh token reuse detected, session revoked, user: "\Q$logged\E"/ } $s->errors->lines;
    is scalar @lines, 1, "a reuse is logged once, for the user $logged";
    like $lines[0], qr/\[warn\]/, "a reuse is logged as a warning, for the user $logged";
}

# an expired session is removed periodically: its refresh token is unknown then
my $why = '';
for (1 .. 4) {
    my %brief = cookies(login_at('/brief/login'));
    select undef, undef, undef, 1.1;
    $s->errors->lines;
    is_refused post_json($s, '/brief/token', { refreshToken => $brief{refreshToken} }), invalid_refresh_token => 'an expired refresh token';
    ($why) = map { /reason: (\w+),/ } $s->errors->lines;
    last if $why ne 'unknown_refresh_token';
}
is $why, 'expired_refresh_token', 'an expired refresh token: the log says expired_refresh_token';

# the time since the login
{
    my $lifetime = sub ($answer) { (map { /^refreshToken=.*; Max-Age=(\d+);/ ? $1 : () } $answer->all('Set-Cookie'))[0] };
    my $answer   = login_at('/aged/login');
    my $start    = time;
    is $lifetime->($answer), 5, 'the cookie of the refresh token does not outlive the maximum';

    my @lifetimes;
    while ($answer->{status} == 200 && time < $start + 20) {
        push @lifetimes, $lifetime->($answer);
        select undef, undef, undef, 0.4;
        my %aged = cookies($answer);
        $s->errors->lines;
        $answer = post_json($s, '/aged/token', { refreshToken => $aged{refreshToken} });
    }
    is_refused $answer, invalid_refresh_token => 'no refresh extends a session beyond its maximum';
    like join("\n", $s->errors->lines), qr/reason: (?:expired|unknown)_refresh_token,/, 'its refresh token has expired';
    cmp_ok scalar @lifetimes, '>', 2, 'it could be refreshed before';
    is_deeply \@lifetimes, [sort { $b <=> $a } @lifetimes], 'the cookies live until the end of the session';
}

# --- changes of the user -------------------------------------------------------

my %session = map { $_ => fresh($_) } qw(jack judy gone john);
my $store = $s->{store};

$store->import_records(users => [user_record('jack', issuers => ['main'], scope => ['other']),
                                 user_record('judy', issuers => ['main'], password_hash => hash_of('canary-changed')),
                                 user_record('gone', issuers => ['main'], enabled => $false),
                                 user_record('john', issuers => ['quick'])]);

$s->errors->lines;
rinv refresh($s, $session{$_->[0]}{refreshToken}), 'changed_user', "a refresh $_->[1]"
    for [judy => 'after a change of the password'], [gone => 'by a disabled user'],
        [john => 'by a user with another issuer since the login'];
my %reduced = cookies(refresh($s, $session{jack}{refreshToken}));
is_deeply claims_of($reduced{accessToken})->{scope}, ['other'], 'a refresh uses the current scopes of the user';

$store->import_records(users => [user_record('gone', issuers => ['main'])]);
$s->errors->lines;
rinv refresh($s, $session{gone}{refreshToken}), 'changed_user', 'a refresh by a user, disabled and enabled again';
is refresh($s, fresh('gone')->{refreshToken})->{status}, 200, 'the user can log in again';

# a change that is undone before the next refresh
for (['disabled and enabled', [enabled => $false], []],
     ['with another password and the old one', [password_hash => hash_of('canary-changed')], []],
     ['with a change of scopes only', [scope => ['other']], [], 200])
{
    my ($name, $change, $undo, $status) = @$_;
    my $before = fresh('gone')->{refreshToken};
    $store->import_records(users => [user_record('gone', issuers => ['main'], @$_)]) for $change, $undo;
    $s->errors->lines;
    $status ? is refresh($s, $before)->{status}, 200, "a refresh by a user, $name"
            : rinv refresh($s, $before), 'changed_user', "a refresh by a user, $name, without a refresh between";
}
my $deleted = fresh('gone')->{refreshToken};
$store->ok('user', 'delete', 'gone');
$store->import_records(users => [user_record('gone', issuers => ['main'])]);
$s->errors->lines;
rinv refresh($s, $deleted), 'changed_user', 'a refresh by a user, deleted and created again with the same password';

$store->import_records(users => [user_record('jack', issuers => ['main'], scope => [])]);
is_refused refresh($s, $reduced{refreshToken}), insufficient_scope => 'a refresh by a user without scopes';

# --- concurrent requests -----------------------------------------------------------

sub refresh_bytes ($token) {
    return request_bytes('/api/auth/token', method => 'POST', headers => ['Content-Type: application/json'],
                         body => qq({"refreshToken":"$token"}));
}

# sends a request on each of n connections, then reads the responses
sub at_once ($n, $token) {
    my $bytes = refresh_bytes($token);
    state @connections;
    push @connections, $s->connect while @connections < $n;
    $_->send($bytes) for @connections[0 .. $n - 1];
    return map { $_->response } @connections[0 .. $n - 1];
}

my $token = fresh('jane')->{refreshToken};
my ($one, $granted, $tries) = (0, 0, 0);

for my $round (1 .. $rounds) {
    my $n = 2 + $round % ($round % 50 ? 7 : 49);
    my @answers = at_once($n, $token);
    my @good = grep { $_->{status} == 200 } @answers;
    $tries += $n;
    $granted += @good;
    last if !@good;
    my %pairs = map { my %c = cookies($_); ("$c{accessToken} $c{refreshToken}" => $c{refreshToken}) } @good;
    $one++ if keys %pairs == 1;
    ($token) = values %pairs;
}

is $granted, $tries, "2 to 50 concurrent requests get 200, in each of $rounds rounds";
is $one, $rounds, 'all of them get the same pair of tokens';
my $final = fresh('jane')->{refreshToken};
my @pair = map { { cookies(refresh($s, $final, new => 1)) } } 1 .. 4;
is_deeply $pair[$_], $pair[0], "a repeated request over a new connection gets the same pair, $_" for 1 .. 3;
is refresh($s, $pair[0]{refreshToken})->{status}, 200, 'the pair is valid';
$s->errors->lines;
rinv refresh($s, $final), 'rotated_refresh_token', 'a repeated request after the first use of the successor';

%session = (jane => fresh('jane'), judy => fresh('judy', 'canary-changed'));
refresh($s, $_->{refreshToken}) for values %session;
logout($s, token => $session{jane}{accessToken});
$s->errors->lines;
rinv refresh($s, $session{jane}{refreshToken}), 'revoked_session', 'a repeated request after a logout';
$store->import_records(users => [user_record('judy', issuers => ['main'])]);
rinv refresh($s, $session{judy}{refreshToken}), 'changed_user', 'a repeated request after a change of the password';

# --- races with a logout and with a reuse ------------------------------------------

# sends requests at once, one per connection
sub race (@requests) {
    my @c = map { $s->connect } @requests;
    $c[$_]->send($requests[$_]) for 0 .. $#requests;
    return map { $_->response } @c;
}

sub at_path ($path, $token) { refresh_bytes($token) =~ s{/api/auth/token}{$path}r }

my %alive = (logout => 0, reuse => 0);
my ($ended, $most) = (0, 0);

for my $round (1 .. 30) {
    my $now = fresh('jane');
    my @requests = (refresh_bytes($now->{refreshToken}), at_path('/api/v6.1/auth/logout', $now->{refreshToken}));
    my ($answer, $logout) = $round % 2 ? race(@requests) : reverse race(reverse @requests);
    my %got = cookies($answer);
    $ended++ if $logout->{status} == 200;
    $alive{logout} += grep { refresh($s, $_)->{status} == 200 } grep { length } $now->{refreshToken}, $got{refreshToken};

    # without a grace, a second use is a reuse
    my %copied = cookies(login_at('/quick/login'));
    my @good = grep { $_->{status} == 200 } race((at_path('/quick/token', $copied{rt})) x (2 + $round % 5));
    $most = @good if $most < @good;
    $alive{reuse} += grep { post_json($s, '/quick/token', { refreshToken => $_ })->{status} == 200 }
                     $copied{rt}, map { my %c = cookies($_); $c{rt} } @good;
}

is $ended, 30, 'a logout at the same time as a refresh succeeds';
is $most, 1, 'without a grace, one of several parallel uses gets a pair';
is_deeply \%alive, { logout => 0, reuse => 0 }, 'no refresh token is valid after a logout, or after a reuse, at the same time';

# --- a reload ---------------------------------------------------------------

my $kept = fresh('jane')->{refreshToken};
%quick = cookies(login_at('/quick/login'));
select undef, undef, undef, 1.1;
$s->configure($conf =~ s/expires=15m/expires=15m max=1s/r);
$s->reload;
is refresh($s, $kept)->{status}, 200, 'a refresh token is valid after a reload';
$s->errors->lines;
rinv post_json($s, '/quick/token', { refreshToken => $quick{rt} }), 'expired_refresh_token',
     'a login that is older than a maximum that was set later';

# --- worker processes that are killed ----------------------------------------------------------

expect_log $s, qr/exited on signal 9/;
my %rounds;                     # by the number of valid successors

for my $round (1 .. 20) {
    my $now = fresh('jane')->{refreshToken};
    my $c = $s->connect;
    my @workers = $s->workers;
    $c->send(refresh_bytes($now));
    select undef, undef, undef, 0.0005 * ($round % 10);
    kill KILL => @workers;
    my $got = eval { $c->response };
    await_true(sub { my @now = $s->workers; @now == 2 && !grep { my $w = $_; grep { $_ == $w } @workers } @now },
               'new worker processes');

    # a repeated request gets the successor whose response was lost
    my %tokens = map { $_->{status} == 200 ? ({ cookies($_) }->{refreshToken} => 1) : () } refresh($s, $now), $got // ();
    $rounds{ scalar grep { refresh($s, $_)->{status} == 200 } keys %tokens }++;
    is login($s)->{status}, 200, "a login after the workers were killed, round $round" if $round % 5 == 0;
}

is_deeply \%rounds, { 1 => 20 }, 'a refresh token has one valid successor, also if its response was lost';

done;
