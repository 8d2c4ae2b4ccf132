#!/usr/bin/perl

# Failing memory allocations of token endpoints, each in turn, in the event loop
# and in threads: a wrong password or token is never granted, every request
# ends, a refresh token never has two successors.
#
# Requirements: allocation-failures, refresh-crash, session-persistence.

use v5.36;

use lib 't/lib';

use AuthToken::FailAlloc;
use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();

# libasan must be loaded first and replaces the same functions
plan skip_all => 'preloads a library, as the sanitizers do' if $ENV{AT_SANITIZE};

my $secret = 'canary-client-secret';

my $s = start(issuer_conf(main => 'password failures=1000000/1m; refresh_token grace=60s;') . <<'CONF' . api_conf('main', 'apps') . '    }',
    %%ISSUER apps: audience apps; password failures=1000000/1m; client_claim appid; rights role; signing_key %%DIR%%/sign.pem;%%
    auth_token_cache off;
    request_pool_size    512;
    connection_pool_size 512;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie basic;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    prepare => prepare_users(
        users   => [user_record('jane', issuers => ['main']),
                    user_record('gone', issuers => ['main'], enabled => JSON::PP::false)],
        clients => [{ id => 'c1', issuers => ['apps'], role => 'readonly', enabled => JSON::PP::true,
                      secret_hashes => [hash_of($secret)] }]),
    env => fail_alloc_env());

my ($worker) = $s->workers;


sub try_once ($bytes) {
    my $answer = eval {
        my $c = $s->connect;
        $c->send($bytes);
        my $r = $c->response;
        $c->close;
        $r;
    };
    cookies($answer) if $answer;
    return ($answer ? $answer->{status} : 0, $answer ? $answer->{body} : $@, $answer);
}

sub post ($path, $body, %o) {
    return request_bytes($path, method => 'POST', close => 1, body => $body,
                         headers => ['Content-Type: ' . ($o{type} // 'application/json')], %o);
}

my $pw = $AuthToken::Local::PASSWORD;
sub session () { return { cookies(login($s)) } }

# name, whether it must be refused, a function that makes a request
my @requests = (
    ['login', 0, sub { post('/api/v6.1/auth/login', qq({"username":"jane","password":"$pw"})) }],
    ['login, wrong', 1, sub { post('/api/v6.1/auth/login', '{"username":"jane","password":"canary-wrong"}') }],
    ['login, unknown', 1, sub { post('/api/v6.1/auth/login', qq({"username":"nobody","password":"$pw"})) }],
    ['login, disabled', 1, sub { post('/api/v6.1/auth/login', qq({"username":"gone","password":"$pw"})) }],
    ['refresh', 0, sub { post('/api/auth/token', '{"refreshToken":"' . session()->{refreshToken} . '"}') }],
    ['refresh, unknown', 1, sub { post('/api/auth/token', '{"refreshToken":"' . 'A' x 80 . '"}') }],
    ['logout', 0, sub { post('/api/v6.1/auth/logout', '', token => session()->{accessToken}) }],
    ['logout, bad', 1, sub { post('/api/v6.1/auth/logout', '', token => 'a.b.c') }],
    ['client', 0, sub { post('/oauth/token', "grant_type=client_credentials&client_id=c1&client_secret=$secret",
                             type => 'application/x-www-form-urlencoded') }],
    ['client, wrong', 1, sub { post('/oauth/token', 'grant_type=client_credentials&client_id=c1&client_secret=x',
                                    type => 'application/x-www-form-urlencoded') }],
    ['Basic', 0, sub { request_bytes('/x', close => 1, auth => basic('jane'), tag => 'basic') }],
    ['Basic, wrong', 1, sub { request_bytes('/x', close => 1, auth => basic('jane', 'canary-wrong'), tag => 'wrong') }],
    ['keys', 0, sub { request_bytes('/keys', close => 1) }],
);

my $only = $ENV{AT_ONLY} // '.';

for (grep { $_->[0] =~ /$only/ } @requests) {
    my ($name, $is_bad, $make) = @$_;

    my @counts = map { my $b = $make->(); arm($worker, 0, 0); try_once($b); (disarm())[0] } 1 .. 3;
    my ($most) = sort { $b <=> $a } @counts;
    my ($right) = try_once($make->());

    is $right == 200 ? 0 : 1, $is_bad, "$name, without failures: $right";
    cmp_ok $most, '>', 5, "$name: more than 5 allocations: $most";

    for my $lasting (0, 1) {
        my (@granted, @wrong, @twice, $failures, $hung) = ();
        my %seen;

        # a signature has thousands of allocations, which t/unit/grant_test.c
        # covers: try some of them
        for (my $n = 1; $n <= $most + 2; $n += $n > 150 ? 19 : 1) {
            my $bytes = $make->();
            arm($worker, $n, $lasting);
            my ($status, $body, $answer) = try_once($bytes);
            my (undef, $failed) = disarm();

            if ((my ($now) = $s->workers) && !grep { $_ == $worker } $s->workers) {
                fail "$name, point $n, lasting $lasting: the worker process died";
                last;
            }

            $failures++ if $failed;
            $hung++ if $body =~ /waited in vain/;
            $seen{$status}++;
            push @granted, "$n: $status" if $is_bad && $status =~ /^[23]/;
            push @wrong, "$n: $status $body" if $status !~ /^(?:0|5\d\d|$right)$/;

            # both cookies or none
            if ($name eq 'login' || $name eq 'refresh') {
                my @set = $answer ? $answer->all('Set-Cookie') : ();
                push @wrong, "$n: cookies: " . @set if @set != ($status == 200 ? 2 : 0);
            }
            if ($name eq 'refresh') {
                my ($old) = $bytes =~ /"refreshToken":"(\w+)"/;
                # a repeated request gets the successor whose response was lost
                my %next = map { $_ && $_->{status} == 200 ? ({ cookies($_) }->{refreshToken} => 1) : () }
                               $answer, refresh($s, $old);
                push @twice, $n if 1 < grep { refresh($s, $_)->{status} == 200 } keys %next;
            }
        }

        my $mode = $lasting ? 'from then on' : 'once';
        cmp_ok $failures // 0, '>', 3, "$name, $mode: more than 3 allocations failed";
        is_deeply \@granted, [], "$name, $mode: never granted";
        is_deeply [@wrong[0 .. ($#wrong > 4 ? 4 : $#wrong)]], [], "$name, $mode: the usual response, or 5xx";
        is_deeply \@twice, [], "$name, $mode: at most one successor";
        is $hung // 0, 0, "$name, $mode: every request ends";
        is_deeply [$s->workers], [$worker], "$name, $mode: the worker process survives";
        note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
    }
}

is login($s)->{status}, 200, 'a login succeeds afterwards';
granted $s, '/x', 'Basic succeeds afterwards', auth => basic('jane');

# nginx logs failed allocations at these levels
my @alarms = grep { /\[(?:alert|emerg)\]/ } split /\n/, $s->errors->content;
is_deeply [grep { !/(?:malloc|memalign|calloc|pthread_create|thread)/ } @alarms], [], 'alerts are about memory only';

# a job keeps the error text beside its result
my @failed = map { /auth_token: ((?:session|access token) not \w+: .*)/ ? $1 : () } split /\n/, $s->errors->content;
cmp_ok scalar(grep { /^session not revoked: / } @failed), '>', 0, 'a logout that fails is logged';
is_deeply [grep { /: , client:/ } @failed], [], 'a job that fails is logged with its error';

$s->disconnect;
$s->stop;
is_deeply [grep { /exited on signal/ } split /\n/, $s->errors->content], [], 'no worker process died';
done_testing;
