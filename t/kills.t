#!/usr/bin/perl

# Workers that are killed under load: at any time, while they hold the lock of a shared
# memory zone, and in the middle of a write transaction of the session database.  Each
# request gets the right verdict, waiting requests continue, no session is lost, the
# master process does not grow.  KILLS is the number of kills (24).
#
# Requirements: worker-kills, refresh-crash, session-persistence.

use v5.36;

use lib 't/lib';

use AuthToken::FailCall;
use AuthToken::Load;
use AuthToken::Local;
use AuthToken::Test;
use Fcntl qw(SEEK_SET);
use Time::HiRes qw(sleep);

no warnings 'portable';         # addresses have 64 bits

plan skip_all => 'preloads a library, as the sanitizers do' if $ENV{AT_SANITIZE};

my $kills = $ENV{KILLS} || 24;
my $clients = 3;

my $s = start(issuer_conf(main => 'password failures=1000000/1m; refresh_token grace=60s;') . <<'CONF' . api_conf('main') . '}',
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location / { proxy_pass %%UPSTREAM%%; }
        location /scope { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
CONF
    workers => 2, env => fail_call_env(),
    prepare => prepare_users(users => [user_record('jane', issuers => ['main'])],
                             tokens => [{ id => 't1', token => 'kills-' . 'x' x 32, scope => ['read'] }]));

my $token  = { cookies(login($s)) }->{accessToken};
my $forged = $token =~ s/(.)(?=.{20}\z)/$1 eq 'A' ? 'B' : 'A'/er;
my $api    = 'kills-' . 'x' x 32;

# requests without a tag must not reach the upstream
my @rows = (
    ['token',     '/',      [token => $token, tag => 'load'],   '200'],
    ['API token', '/',      [api_token => $api, tag => 'load'], '200'],
    ['forged',    '/',      [token => $forged],     '401 API_INVALID_ACCESS_TOKEN'],
    ['unknown',   '/',      [api_token => 'y' x 40], '401 API_INVALID_API_TOKEN'],
    ['scope',     '/scope', [token => $token],      '403 API_INSUFFICIENT_RIGHTS'],
);

# resident memory of the master process in KiB: private, and shared (zones)
sub memory () {
    my $status = AuthToken::Log->new('/proc/' . $s->pid . '/status')->content;
    return map { $status =~ /^$_:\s+(\d+) kB/m } qw(RssAnon RssShmem);
}

# --- ways to kill -----------------------------------------------------------

my %killed;

sub kill_worker ($victim) { kill 'KILL', $victim; return $victim }

# A worker holds the locks of all zones when it is killed.  A lock is the first word of a
# zone: the process id of the holder, or 0.
sub kill_with_lock ($victim) {
    kill 'STOP', $victim;
    open my $memory, '+<:raw:unix', "/proc/$victim/mem" or die "/proc/$victim/mem: $!\n";

    for (split /\n/, AuthToken::Log->new("/proc/$victim/maps")->content) {
        my ($address) = m{\A([0-9a-f]+)-\S+ rw-s .* /dev/zero \(deleted\)\z} or next;
        sysseek $memory, hex $address, SEEK_SET;
        sysread $memory, my $word, 8;
        next if unpack('q', $word) != 0;
        sysseek $memory, hex $address, SEEK_SET;
        syswrite $memory, pack 'q', $victim;
        $killed{locks}++;
    }
    return kill_worker($victim);
}

# the next session write kills its worker, at one of its system calls
sub kill_in_transaction ($n, @workers) {
    arm_call(-1, 'write sync', 1 + $n % 4, kill => 1);
    for (1 .. 5) {
        eval { login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1) };
        my %now = map { $_ => 1 } $s->workers;
        my ($victim) = grep { !$now{$_} } @workers or next;
        disarm_call();
        return $victim;
    }
    disarm_call();
    return;
}

# --- kills under load -------------------------------------------------------

expect_log $s, qr/exited on signal 9/;
expect_log $s, qr/shared memory zone "[^"]*" was locked by \d+/;

my $beside = AuthToken::Load->start($s, \@rows, clients => $clients, cut => 1, pause => 0.01,
                                    seconds => 60 + 3 * $kills);
my $session = { cookies(login($s)) }->{refreshToken};
my ($lost, $missing, $half, $half_shared) = (0, 0);

for my $n (1 .. $kills) {
    my @workers = $s->workers;
    my $victim = $workers[rand @workers];
    my $how = (qw(any lock any transaction))[$n % 4];

    if ($how eq 'transaction') {
        $victim = kill_in_transaction($n / 4, @workers);
    } else {
        sleep 0.02 * rand;
        $how eq 'lock' ? kill_with_lock($victim) : kill_worker($victim);
    }
    if (!$victim) {
        $missing++;
        next;
    }

    $killed{$how}++;
    await_true(sub {
        my @now = $s->workers;
        @now == 2 && !grep { $_ == $victim } @now;
    }, 'another worker', 30);
    delete $s->{connections};

    # a session survives, and its token has one successor
    if ($n % 10 == 0) {
        my $answer = refresh($s, $session, new => 1);
        $lost++ if $answer->{status} != 200;
        $session = { cookies($answer) }->{refreshToken} // $session;
    }
    ($half, $half_shared) = memory() if $n == int($kills / 2);
}

my ($own, $shared) = memory();
my ($count, $wrong) = $beside->end;

is_deeply $wrong, [], 'under load: every response is correct';
cmp_ok $count->{"$_->[0] $_->[3]"} // 0, '>', 0, "under load: $_->[0] was requested" for @rows;
cmp_ok(($count->{failed} // 0) + ($count->{cut} // 0), '<=', 2 * $clients * $kills,
       'only requests of a killed worker have no response');
is $lost, 0, 'a session is valid after kills';
is $missing, 0, 'a write transaction reaches the call that kills';
cmp_ok $killed{locks} // 0, '>', 0, 'locks were held';
cmp_ok $own - $half, '<', 1024, 'the master process has grown by ' . ($own - $half) . ' KiB in the second half';
cmp_ok $shared - $half_shared, '<', 1024, 'zones have grown by ' . ($shared - $half_shared) . ' KiB in the second half';

is ask($s, $_, new => 1), $_->[3], "afterwards: $_->[0]" for @rows;
is login($s)->{status}, 200, 'afterwards: a login';

# t/campaign/run records this line
note "result: worker kills: $kills kills, $killed{any} at any time, $killed{lock} with locks, $killed{transaction} in a transaction; "
   . 'no wrong verdict, no lost session';

done;
