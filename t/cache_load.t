#!/usr/bin/perl

# Four workers under load while one process writes to the store: tokens are revoked
# or expire, clients, users and keys change, and the next request of every worker is
# refused; credentials that do not change are always granted.  CACHE_REQUESTS is the
# number of parallel requests (100,000); CACHE_SEED repeats a run.
#
# Requirements: cache-invalidation, cache-concurrency.

use v5.36;

use lib 't/lib';

use AuthToken::Load ();
use AuthToken::Test;
use Time::HiRes qw(time sleep);

my $requests = $ENV{CACHE_REQUESTS} || ($ENV{AT_SANITIZE} ? 10_000 : 100_000);
my $rounds   = $ENV{AT_SANITIZE} ? 12 : 40;
my $seed     = $ENV{CACHE_SEED} || time ^ $$;
my $workers  = 4;
my $batch    = 24;                  # pipelined requests on a connection
srand $seed;

my $conf = <<'CONF';
    auth_token_cache 64k;
    %%ISSUER main:
        algorithms EdDSA; key_file %%DIR%%/steady.pem; key_file %%DIR%%/changing.pem; client_claim appid; rights role;%%
    auth_token_store lmdb:%%DIR%%/store;

    server {
        listen %%LISTEN%% reuseport;
        auth_token on;
        keepalive_requests 100000000;

        # the response names client and user
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

my $owned;                          # an API token whose owner is disabled

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
            (map { { id => "revoke-$_", token => sprintf('revoke-%032d', $_) } } 1 .. $rounds),
            (map { { id => "steady-$_", token => sprintf('steady-%032d', $_), scope => ['X.ReadWrite'] } } 1 .. 40),
        ]);
        $owned = $store->token('owned', user => 'joe', scope => ['X.ReadWrite']);
    }));

# --- parallel requests with credentials that do not change ------------------

my $inv = '401 API_INVALID_ACCESS_TOKEN';

# name, path, credential, expected response
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
    ['anonymous', '/',      [], $inv],
);

sub said ($answer) {
    return 'closed' if !$answer;
    return "$answer->{status} $answer->{body}" if $answer->{status} == 200;
    return "$answer->{status} " . ($answer->{body} =~ /"code":"(\w+)"/ ? $1 : $answer->{body});
}

sub parallel ($i, $count) {
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
        # another connection may reach another worker
        $connection = $s->connect if rand() < 0.02;
    }

    return { wrong => \@wrong, count => { %seen, left => $count > 0 ? $count : 0 } };
}

# --- one connection to each worker ------------------------------------------

my %to;                             # connections by process id

for (1 .. 1000) {
    my $connection = $s->connect;
    $connection->send(request_bytes('/pid'));
    $to{$connection->response->{body}} //= $connection;
    last if keys %to == $workers;
}
is scalar(keys %to), $workers, 'there is a connection to each worker';

# sends to all workers before it reads a response
sub ask ($path, @credential) {
    my @connections = map { $to{$_} } sort keys %to;
    $_->send(request_bytes($path, @credential)) for @connections;
    return map { my $answer = $_->response; [said($answer), $answer->header('X-Cache') // ''] } @connections;
}

my (@stale, @lost, %checks);

# Cached by each worker, made invalid by $end, refused by each worker at once.
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
my $load  = AuthToken::Load->start($s, [], client => sub ($i) { parallel($i, int($requests / 3)) });
my $begun = time;
my @keys  = qw(ed25519b ed25519c);
my $events = 0;
my $disabled = '403 API_CLIENT_DISABLED';

for my $n (1 .. $rounds) {
    my $client = 'off-' . (1 + $n % 8);
    my $jwt    = by('ed25519', appid => $client, username => "round $n");

    ends("revoked token, round $n", '/', [api_token => sprintf 'revoke-%032d', $n], '401 API_INVALID_API_TOKEN',
         sub { $store->ok('token', 'revoke', "revoke-$n") });

    ends("disabled client, round $n", '/write', [token => $jwt], $disabled, sub { $store->ok('client', 'disable', $client) });
    $store->ok('client', 'enable', $client);
    ends("role, round $n", '/write', [token => $jwt], '403 API_INSUFFICIENT_RIGHTS',
         sub { $store->update('client', $client, role => 'readonly') });
    $store->update('client', $client, role => 'editor');

    ends("disabled owner, round $n", '/write', [api_token => $owned], $disabled, sub { $store->ok('user', 'disable', 'joe') });
    $store->ok('user', 'enable', 'joe');
    $events += 4;

    # a token expires
    if ($n % 8 == 1) {
        my $exp = int(time + 1.4);
        ends("expired token, round $n", '/', [token => by('ed25519', appid => 'always', exp => $exp)],
             '401 API_EXPIRED_ACCESS_TOKEN', sub { sleep 0.001 while time < $exp });
        $events++;
    }

    # a key is replaced
    if ($n % 8 == 2) {
        for my $client ('always', 'reader') {
            ends("removed key, $client, round $n", '/', [token => by($keys[0], appid => $client, username => "key $n")],
                 $inv, sub { new_key($keys[1]) });
            @keys = reverse @keys;
            $events++;
        }
    }

    last if @stale > 5 || @lost > 5;
}
my $took = time - $begun;

my ($seen, $wrong) = $load->end;
my $left = delete $seen->{left};

is_deeply \@stale, [], "after $events changes under load none of $workers workers grants the old credential";
is_deeply \@lost, [], 'no credential is refused before its change';
is_deeply $wrong, [], "$workers workers give right responses to credentials that do not change";
is $left, 0, "all $requests requests were sent";
cmp_ok $checks{HIT} // 0, '>', $events, 'changed credentials were cached before';
cmp_ok $seen->{200}, '>', $requests / 2, 'most parallel requests were granted';

# the named location authorizes again, so that hits are ambiguous; misses are not
my %sum;
for (sort keys %to) {
    $to{$_}->send(request_bytes('/stats'));
    my ($misses, $evictions) = split / /, $to{$_}->response->{body};
    $sum{misses}    += $misses;
    $sum{evictions} += $evictions;
}
cmp_ok $sum{misses}, '>', $seen->{401} + $rounds * $workers, 'changes cause verifications';
cmp_ok $sum{misses}, '<', $seen->{401} + $seen->{403} + $seen->{200}, 'most requests hit the cache';
cmp_ok $sum{evictions}, '>', 10, 'the cache was full';
is_deeply [$s->workers], [sort { $a <=> $b } keys %to], 'no worker was replaced';

note sprintf 'seed %s, %.1f s: %d changes, %s; parallel: %s', $seed, $took, $events,
     join(', ', map { "$checks{$_} $_" } sort keys %checks),
     join(', ', map { "$seen->{$_} x $_" } sort keys %$seen) . "; $sum{misses} misses, $sum{evictions} evictions";

$_->close for values %to;
done;
