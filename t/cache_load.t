#!/usr/bin/perl

# Four workers that read while one process writes: tokens are revoked, disabled
# and expire, clients and keys change, and no worker grants anything a moment
# later; those who do not change are never refused.  CACHE_REQUESTS
# says how many requests come beside (100,000), CACHE_SEED repeats a run.
#
# Requirements: cache-invalidation, cache-concurrency.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

my $requests = $ENV{CACHE_REQUESTS} || ($ENV{AT_SANITIZE} ? 10_000 : 100_000);
my $rounds   = $ENV{AT_SANITIZE} ? 12 : 40;
my $seed     = $ENV{CACHE_SEED} || time ^ $$;
my $workers  = 4;
my $batch    = 24;                  # requests that are under way on a connection
srand $seed;

my $conf = <<'CONF';
    auth_token_cache 64k;
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        algorithms EdDSA;
        key_file %%DIR%%/steady.pem;
        key_file %%DIR%%/changing.pem;
        client_claim appid;
    }
    auth_token_store lmdb:%%DIR%%/store;

    server {
        listen %%LISTEN%% reuseport;
        auth_token on;
        keepalive_requests 100000000;

        # the answer itself says whose it is
        location /      { try_files /none @who; }
        location /write { auth_token_require_scope X.ReadWrite; try_files /none @who; }
        location @who   { auth_token_require_scope off;
                          add_header X-Cache $auth_token_cache_status always;
                          return 200 "$auth_token_client $auth_token_user"; }

        location /up    { proxy_pass %%UPSTREAM%%; }
        location = /pid   { auth_token off; return 200 "$pid"; }
        location = /stats { auth_token off; return 200 "$auth_token_cache_misses $auth_token_cache_evictions"; }
    }
CONF

my %t;                              # tokens by what becomes of them
my $n_each = $rounds;

sub by ($key, %claims) {
    return token(alg => 'EdDSA', key => key($key), claims => {
        username => "user of $claims{appid}", %claims });
}

my $s = start($conf, workers => $workers, good => ['/up', api_token => sprintf 'steady-%032d', 1],
    files => { map { ("$_->[0].pem" => key($_->[1])->pem) } ['steady', 'ed25519'], ['changing', 'ed25519b'] },
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->client('always', role => 'editor');
        $store->client('reader', role => 'readonly');
        $store->client('never', role => 'editor', disabled => 1);
        $store->client("off-$_", role => 'editor') for 1 .. 8;
        $store->user('joe', scope => ['X.ReadWrite']);
        $store->import_records(tokens => [
            (map { { id => "revoke-$_", token => sprintf('revoke-%032d', $_) } } 1 .. $n_each),
            (map { { id => "steady-$_", token => sprintf('steady-%032d', $_), scope => ['X.ReadWrite'] } } 1 .. 40),
        ]);
        $t{owned} = $store->token('owned', user => 'joe', scope => ['X.ReadWrite']);
    }));

# --- beside: who is never changed -------------------------------------------

my $inv = '401 API_INVALID_ACCESS_TOKEN';

# name, path, credential, what the answer must be
my @steady = (
    (map { ["API token $_", '/write', [api_token => sprintf 'steady-%032d', $_], "200 steady-$_ "] } 1 .. 40),
    (map { ["client $_", '/write', [token => by('ed25519', appid => 'always', username => "u$_")],
            "200 always u$_"] } 1 .. 40),
    ['reader',  '/write', [token => by('ed25519', appid => 'reader')], '403 API_INSUFFICIENT_RIGHTS'],
    ['reads',   '/',      [token => by('ed25519', appid => 'reader')], '200 reader user of reader'],
    ['never',   '/',      [token => by('ed25519', appid => 'never')], '403 API_CLIENT_DISABLED'],
    ['forged',  '/',      [token => by('ed25519d', appid => 'always')], $inv],
    ['expired', '/',      [token => by('ed25519', appid => 'always', exp => 1)], '401 API_EXPIRED_ACCESS_TOKEN'],
    ['unknown', '/',      [api_token => 'unknown' x 5], '401 API_INVALID_API_TOKEN'],
    ['nobody',  '/',      [], $inv],
);

sub said ($answer) {
    return 'closed' if !$answer;
    return "$answer->{status} $answer->{body}" if $answer->{status} == 200;
    return "$answer->{status} " . ($answer->{body} =~ /"code":"(\w+)"/ ? $1 : $answer->{body});
}

sub beside ($i, $count) {
    my (%seen, @wrong);
    my $connection = $s->connect;
    my $until = time + 240;

    srand $seed + $i;
    while ($count > 0 && time < $until && @wrong < 5) {
        my @rows = map { $steady[rand @steady] } 1 .. $batch;
        $connection->send(join '', map { request_bytes($_->[1], $_->[2]->@*) } @rows);

        for my $row (@rows) {
            my $answer = $connection->response;
            my $got    = said($answer);
            push @wrong, "$row->[0]: $got, not $row->[3]" if $got ne $row->[3];
            $seen{said($answer) =~ s/ .*//r}++;
        }

        $count -= $batch;
        # each process of ours has a worker, and in time another one
        $connection = $s->connect if rand() < 0.02;
    }

    return { wrong => \@wrong, seen => \%seen, left => $count };
}

sub start_beside ($n) {
    my @pipes;

    for my $i (1 .. $n) {
        pipe my $from, my $to or die "pipe: $!";
        my $pid = fork // die "fork: $!";

        if (!$pid) {
            my $report = eval { beside($i, int($requests / $n)) } // { wrong => ["$@"] };
            print {$to} JSON::PP->new->encode($report);
            close $to;
            POSIX::_exit(0);
        }

        close $to;
        push @pipes, [$pid, $from];
    }

    return @pipes;
}

# --- to each worker ---------------------------------------------------------

my %to;                             # connections by processes

for (1 .. 1000) {
    my $connection = $s->connect;
    $connection->send(request_bytes('/pid'));
    $to{$connection->response->{body}} //= $connection;
    last if keys %to == $workers;
}
is scalar(keys %to), $workers, 'each worker is asked';

# all are asked before any answer is read
sub ask ($path, @credential) {
    my @connections = map { $to{$_} } sort keys %to;
    $_->send(request_bytes($path, @credential)) for @connections;
    return map { my $answer = $_->response; [said($answer), $answer->header('X-Cache') // ''] } @connections;
}

my (@stale, @lost, %checks);

# Remembered by each worker, ended by $end, and refused by each at once.
sub ends ($name, $path, $credential, $expected, $end) {
    for my $got (ask($path, @$credential), ask($path, @$credential)) {
        push @lost, "$name: $got->[0]" if $got->[0] !~ /\A200 /;
        $checks{$got->[1]}++;
    }

    $end->();

    for my $got (ask($path, @$credential), ask($path, @$credential)) {
        push @stale, "$name: $got->[0]" if $got->[0] ne $expected;
        $checks{ended}++;
    }
}

sub new_key ($key) {
    $s->errors->lines;
    $s->write('changing.pem', key($key)->pem);
    my %told;
    AuthToken::Log::await_true(sub {
        $told{$_}++ for map { /(\d+)#\d+: .*keys replaced, .*file: ".*changing\.pem"/ ? $1 : () } $s->errors->lines;
        keys %told == $workers;
    }, 'each worker to read the key', 20);
}

my $store = $s->{store};
my @pipes = start_beside(3);
my $begun = time;
my @keys  = qw(ed25519b ed25519c);
my $events = 0;

for my $n (1 .. $rounds) {
    my $client   = 'off-' . (1 + $n % 8);
    my $disabled = '403 API_CLIENT_DISABLED';
    my $jwt      = by('ed25519', appid => $client, username => "round $n");

    ends("revoked, $n", '/', [api_token => sprintf 'revoke-%032d', $n], '401 API_INVALID_API_TOKEN',
         sub { $store->ok('token', 'revoke', "revoke-$n") });

    ends("disabled, $n", '/write', [token => $jwt], $disabled, sub { $store->ok('client', 'disable', $client) });
    $store->ok('client', 'enable', $client);
    ends("role, $n", '/write', [token => $jwt], '403 API_INSUFFICIENT_RIGHTS',
         sub { $store->update('client', $client, role => 'readonly') });
    $store->update('client', $client, role => 'editor');

    ends("user, $n", '/write', [api_token => $t{owned}], $disabled, sub { $store->ok('user', 'disable', 'joe') });
    $store->ok('user', 'enable', 'joe');
    $events += 4;

    # an expiry, to the second
    if ($n % 8 == 1) {
        my $exp = int(time + 1.4);
        ends("expired, $n", '/', [token => by('ed25519', appid => 'always', exp => $exp)],
             '401 API_EXPIRED_ACCESS_TOKEN', sub { sleep 0.001 while time < $exp });
        $events++;
    }

    # a key goes, and another one comes
    if ($n % 8 == 2) {
        my $gone = by($keys[0], appid => 'always', username => "key $n");
        ends("key, $n", '/', [token => $gone], $inv, sub { new_key($keys[1]) });
        @keys = reverse @keys;
        ends("key again, $n", '/', [token => by($keys[0], appid => 'reader', username => "key $n")], $inv,
             sub { new_key($keys[1]) });
        @keys = reverse @keys;
        $events += 2;
    }

    last if @stale > 5 || @lost > 5;
}
my $took = time - $begun;

my (@wrong, %seen);
my $left = 0;
for (@pipes) {
    my ($pid, $from) = @$_;
    local $/;
    my $report = JSON::PP->new->decode(<$from> || '{"wrong":["no report"]}');
    waitpid $pid, 0;
    push @wrong, $report->{wrong}->@*;
    $seen{$_} += $report->{seen}{$_} for keys(($report->{seen} // {})->%*);
    $left += $report->{left} > 0 ? $report->{left} : 0 for grep { defined $_->{left} } $report;
}

is_deeply \@stale, [], "$events ends under load: not one grant behind them, in $workers workers";
is_deeply \@lost, [], 'and none before them was refused';
is_deeply \@wrong, [], "one writes, $workers read: no wrong answer to those who do not change";
is $left, 0, "in $requests requests";
cmp_ok $checks{HIT} // 0, '>', $events, 'those that ended were remembered';
cmp_ok $seen{200}, '>', $requests / 2, 'most of them were granted';

# @who asks a second time: a hit says nothing there, but a miss does
my %sum;
for (sort keys %to) {
    $to{$_}->send(request_bytes('/stats'));
    my ($misses, $evictions) = split / /, $to{$_}->response->{body};
    $sum{misses}    += $misses;
    $sum{evictions} += $evictions;
}
cmp_ok $sum{misses}, '>', $seen{401} + $rounds * $workers, 'many were verified anew';
cmp_ok $sum{misses}, '<', $seen{401} + $seen{403} + $seen{200}, 'and more were remembered';
cmp_ok $sum{evictions}, '>', 10, 'in a cache that is full';
is_deeply [$s->workers], [sort { $a <=> $b } keys %to], 'the workers are who they were';

note sprintf 'seed %s, %.1f s: %d ends, %s; beside: %s', $seed, $took, $events,
     join(', ', map { "$checks{$_} $_" } sort keys %checks),
     join(', ', map { "$seen{$_} x $_" } sort keys %seen) . "; $sum{misses} misses, $sum{evictions} evictions";

$_->close for values %to;
done;
