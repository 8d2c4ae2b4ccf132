#!/usr/bin/perl

# Failing system calls: each open, read, write, rename, sync, mmap, getrandom and reading of
# the clock fails in turn, alone or with all later ones, in twelve flows; allocations in the
# flows that other tests do not cover.  Nothing is granted by mistake, no process dies,
# the next request succeeds.  t/faults.t, t/local_faults.t and t/store_faults.t do the same
# with the allocations of requests.
#
# Requirements: allocation-failures, failing-calls.

use v5.36;

use lib 't/lib';

use AuthToken::FailAlloc;
use AuthToken::FailCall;
use AuthToken::Local;
use AuthToken::Source;
use AuthToken::Test;
use List::Util qw(max min);

plan skip_all => 'preloads a library, as the sanitizers do' if $ENV{AT_SANITIZE};

my $source = AuthToken::Source->start(keys => ['rsa3']);
my $secret = 'canary-client-secret';
my $api    = 'calls-' . 'x' x 32;
my %preload = map { fail_call_env()->%*, fail_alloc_env()->%* } 1;
$preload{LD_PRELOAD} = join ' ', map { $_->{LD_PRELOAD} } fail_call_env(), fail_alloc_env();

my $s = start(issuer_conf(main => 'password failures=1000000/1m; refresh_token grace=60s;')
    . <<"KEYS" . <<'CONF' . api_conf('main', 'apps') . '    }',
    %%ISSUER keys: issuer https://keys.example; jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem pause=1s;%%
KEYS
    %%ISSUER rs: issuer https://rs.example;%%
    %%ISSUER es: issuer https://es.example; algorithms ES256; key_file %%DIR%%/p256.pem;%%
    %%ISSUER apps: audience apps; issuer https://apps.example; password failures=1000000/1m; client_claim appid; rights role; signing_key %%DIR%%/sign.pem;%%
    auth_token_cache off;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main rs es keys;
        auth_token_accept bearer cookie basic api_token;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    files => { 'ca.pem' => $source->ca, 'p256.pem' => key('p256')->pem }, env => \%preload,
    good => ['/', token => token(claims => { iss => 'https://rs.example' })],
    prepare => prepare_users(
        users   => [user_record('jane', issuers => ['main'])],
        tokens  => [{ id => 't1', token => $api, scope => ['read'] }],
        clients => [{ id => 'c1', issuers => ['apps'], role => 'readonly', secret_hashes => [hash_of($secret)] }]));

sub flip ($token) { $token =~ s/(.)(?=.{20}\z)/$1 eq 'A' ? 'B' : 'A'/er }

sub post ($path, $body, %o) {
    return request_bytes($path, method => 'POST', close => 1, body => $body,
                         headers => ['Content-Type: ' . ($o{type} // 'application/json')], %o);
}

sub get (%o) { request_bytes('/', close => 1, tag => 'calls', %o) }

sub status_of ($bytes) {
    my $answer = eval { my $c = $s->connect; $c->send($bytes); $c->response } or return 0;
    cookies($answer);
    return $answer->{status};
}

my $rs = token(claims => { iss => 'https://rs.example' });
my $es = token(alg => 'ES256', key => key('p256'), claims => { iss => 'https://es.example' });
my $fetched = token(key => key('rsa3'), header => { kid => 'rsa3' }, claims => { iss => 'https://keys.example' });
my $rotated = token(key => key('rsa2'), header => { kid => 'rsa2' }, claims => { iss => 'https://keys.example' });
my $login = '{"username":"jane","password":"%s"}';
my $form = 'application/x-www-form-urlencoded';

# A failed write of a meta page makes a database unusable until it is opened again.
sub settles ($bytes, $right) {
    return eval { await_true(sub { status_of($bytes) == $right }, 'success', 5) };
}

my $login_bytes = post('/api/v6.1/auth/login', sprintf $login, $AuthToken::Local::PASSWORD);

# the cookies of a new session
sub pair () {
    settles($login_bytes, 200);
    return { cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1)) };
}

my $points = 0;         # failures that happened
my $kinds = join ' ', sort keys %CALLS;

sub alive ($name, $worker) {
    return 1 if join(' ', $s->workers) eq $worker;
    fail "$name: the worker process died";
    return 0;
}

# --- requests ---------------------------------------------------------------

# name, expected status, a function that makes the request
my @requests = (
    ['RS256',         200, sub { get(token => $rs) }],
    ['RS256, forged', 401, sub { get(token => flip($rs)) }],
    ['ES256',         200, sub { get(token => $es) }],
    ['ES256, forged', 401, sub { get(token => flip($es)) }],
    ['API token',     200, sub { get(api_token => $api) }],
    ['API token, unknown', 401, sub { get(api_token => 'z' x 40) }],
    ['Basic',         200, sub { get(auth => basic('jane')) }],
    ['Basic, wrong',  401, sub { get(auth => basic('jane', 'canary-wrong')) }],
    ['login',         200, sub { post('/api/v6.1/auth/login', sprintf $login, $AuthToken::Local::PASSWORD) }],
    ['login, wrong',  401, sub { post('/api/v6.1/auth/login', sprintf $login, 'canary-wrong') }],
    ['refresh',       200, sub { post('/api/auth/token', '{"refreshToken":"' . pair()->{refreshToken} . '"}') }],
    ['refresh, unknown', 401, sub { post('/api/auth/token', '{"refreshToken":"' . 'A' x 80 . '"}') }],
    ['logout',        200, sub { post('/api/v6.1/auth/logout', '', token => pair()->{accessToken}) }],
    ['OAuth',         200, sub { post('/oauth/token', "grant_type=client_credentials&client_id=c1&client_secret=$secret", type => $form) }],
    ['OAuth, wrong',  401, sub { post('/oauth/token', 'grant_type=client_credentials&client_id=c1&client_secret=x', type => $form) }],
);

my ($worker) = $s->workers;

REQUEST:
for (@requests) {
    my ($name, $right, $make) = @$_;
    my (@wrong, $came);
    is status_of($make->()), $right, "$name, without failures";

    for my $kind (sort keys %CALLS) {
        my $bytes = $make->();
        arm_call($worker, $kind, 0);
        status_of($bytes);
        my ($most) = disarm_call();

        for my $lasting (0, 1) {
            for my $n (1 .. min($most + 1, 60)) {
                $bytes = $make->();
                arm_call($worker, $kind, $n, lasting => $lasting);
                my $status = status_of($bytes);
                $came += !!(disarm_call())[1];
                push @wrong, "$kind $n: $status" if $status !~ /^(?:0|5\d\d|$right)$/;
                alive("$name, $kind $n", $worker) or last REQUEST;
            }
        }
    }

    $points += $came // 0;
    is_deeply \@wrong, [], "$name: " . ($came // 0) . ' failing calls, the right response or 5xx';
    is status_of(get(token => $rs)), 200, "$name: the next request succeeds";
    ok settles($login_bytes, 200), "$name: a login succeeds within seconds";
}

# --- keys -------------------------------------------------------------------

sub eventually_200 ($token) {
    my $end = time + 20;
    while (time < $end) {
        return 1 if status_of(get(token => $token)) == 200;
        select undef, undef, undef, 0.05;
    }
    return 0;
}

ok eventually_200($fetched), 'a fetched key is used';
# nginx logs what fails at these levels
expect_log $s, qr/\[(?:emerg|alert|crit)\]|worker process \d+ exited with code 2/;

# The new workers of a reload fetch the first keys; later the source has another key.
for my $flow ('first keys', 'rotation', 'reload') {
    my (@wrong, $came);

    for my $kind ((sort keys %CALLS), 'memory') {
        for my $n ($kind eq 'memory' ? (map { 40 * $_ } 1 .. 12) : 1 .. 4) {
            my $name = "$flow, $kind $n";
            my @old = $s->workers;
            my $log = '';

            if ($flow eq 'rotation') {
                $source->keys('rsa3');
                $s->reload;
                eventually_200($fetched) or push @wrong, "$name: no first key";
                $source->keys('rsa3', 'rsa2');
            } elsif ($flow eq 'first keys') {
                unlink glob $s->dir . '/state/data/*.json';
            }

            $kind eq 'memory' ? arm(-1, $n, 0) : arm_call(-1, $kind, $n);
            if ($flow eq 'rotation') {
                status_of(get(token => $rotated));
            } else {
                $s->errors->lines;
                $s->signal('HUP');
                await_true(sub {
                    my %now = map { $_ => 1 } $s->workers;
                    $log .= join "\n", $s->errors->lines;
                    !(grep { $now{$_} } @old) || $log =~ /\[emerg\]/;
                }, 'the reload', 30);
            }
            select undef, undef, undef, 0.05;
            my (undef, $failed) = $kind eq 'memory' ? disarm() : disarm_call();
            $came += !!$failed;

            # As in nginx itself, a worker that cannot begin exits, and stays away.  If the
            # state directory cannot be opened, logins fail until the next reload.
            my $status = status_of(get(token => flip($rs)));
            my $down = $status == 0 && $kind =~ /getrandom|memory/;
            push @wrong, "$name: the log does not say why no worker starts"
                if $down && $kind eq 'getrandom'
                && $s->errors->content !~ /auth_token: worker process cannot start: no random bytes/;
            push @wrong, "$name: a forged token gets $status" if !$down && $status !~ /^(?:401|5..)$/;
            $s->reload if $down || $log =~ /\[emerg\]/;
            push @wrong, "$name: no request succeeds" if !eventually_200($flow eq 'rotation' ? $rotated : $fetched);
        }
    }

    $points += $came // 0;
    is_deeply \@wrong, [], "$flow: " . ($came // 0) . ' failures, no wrong grant, requests succeed afterwards';
}

# --- configuration ----------------------------------------------------------

{
    my (@wrong, $came);

    for my $kind ((sort keys %CALLS), 'memory') {
        $kind eq 'memory' ? arm(-1, 0, 0) : arm_call(-1, $kind, 0);
        my ($status, $text) = $s->check;
        my ($most) = $kind eq 'memory' ? disarm() : disarm_call();
        push @wrong, "$kind: $status without failures: $text" if $status != 0;

        for (my $n = 1; $n <= $most; $n += max 1, int $most / 25) {
            $kind eq 'memory' ? arm(-1, $n, 0) : arm_call(-1, $kind, $n);
            ($status, $text) = $s->check;
            $came += !!($kind eq 'memory' ? disarm() : disarm_call())[1];
            next if $status == 127 && $text =~ /cannot allocate memory for thread-local data/;   # the C library's end
            push @wrong, "$kind $n: $status $text" if $status !~ /^[01]$/ || $status && $text !~ /\[emerg\]|memory|failed/;
        }
    }

    $points += $came // 0;
    is_deeply \@wrong, [], "nginx -t: " . ($came // 0) . ' failures, a valid result or an error message';
}

is_deeply [grep { /exited on signal/ } split /\n/, $s->errors->content], [], 'no worker process died';
cmp_ok $points, '>', 120, "$points failures in 12 flows";
note "result: failing calls: $points points in 12 flows, no grant, no crash";

done;
