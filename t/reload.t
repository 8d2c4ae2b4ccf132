#!/usr/bin/perl

# Signals under load: reload with changing keys, reload of invalid configurations,
# reopening of logs, binary upgrade; process models of nginx.  The master process and the
# shared memory zones do not grow.  RELOADS is the number of reloads (200), UPGRADES that
# of binary upgrades (1).
#
# Requirements: reload, signals, reload-with-errors, process-models,
#   key-change-by-reload.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Local;
use AuthToken::Test;
use Carp qw(croak);

my $reloads  = $ENV{RELOADS} || ($ENV{AT_SANITIZE} ? 30 : 200);
my $upgrades = $ENV{UPGRADES} || 1;

# --- keys -------------------------------------------------------------------

# a key that stays, a key that is added and removed, an unknown key
my ($a, $b, $stranger) = map { key($_) } qw(rsa rsa2 rsa3);

sub jwks (%keys) {
    return '{"keys":[' . join(',', map { $keys{$_}->jwk(kid => $_) } sort keys %keys) . "]}\n";
}

my %set = (one => jwks(a => $a), two => jwks(a => $a, b => $b));

sub in_place ($s, $name, $content) {
    my $path = $s->dir . "/$name";
    open my $fh, '>:raw', $path or croak "$path: $!";
    syswrite $fh, $content;
    close $fh or croak "$path: $!";
}

# --- configuration ----------------------------------------------------------

# with a store, a session database and the zones of passwords and of key sources
my $conf = issuer_conf(local => 'password failures=1000000/1m; refresh_token grace=60s;') . <<'CONF' . api_conf('local') . '}';
    %%ISSUER main: key_file %%DIR%%/keys.json;%%
    auth_token_issuer idle { issuer https://idle.example; audience api; jwks_uri http://127.0.0.1:9/; }
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie api_token;
        location /      { proxy_pass %%UPSTREAM%%; }
        location /scope { auth_token_require_scope other; proxy_pass %%UPSTREAM%%; }
        location /far   { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
CONF

my $api     = 'reload-' . 'x' x 33;
my $prepare = prepare_users(users => [user_record('jane', issuers => ['local'])],
                            tokens => [{ id => 't1', token => $api, scope => ['read'] }]);

# --- load -------------------------------------------------------------------

sub minted (%o) { token(header => { kid => 'a' }, key => $a, %o) }

my $old = 'API_EXPIRED_ACCESS_TOKEN';
my $inv = 'API_INVALID_ACCESS_TOKEN';

# name, path, credential, and one or two correct responses
my @load = (
    ['good',     '/',      [token  => minted()], '200'],
    ['API token', '/',     [api_token => $api], '200'],
    ['cookie',   '/',      [cookie => 'accessToken=' . minted()], '200'],
    ['stranger', '/',      [token  => minted(key => $stranger)], "401 $inv"],
    ['none',     '/',      [], "401 $inv"],
    ['unknown',  '/',      [api_token => 'y' x 40], '401 API_INVALID_API_TOKEN'],
    ['expired',  '/',      [token  => minted(claims => { exp => 1 })], "401 $old"],
    ['scope',    '/scope', [token  => minted()], '403 API_INSUFFICIENT_RIGHTS'],
    ['address',  '/far',   [token  => minted()], '403 API_IP_NOT_ALLOWED'],
    ['rotating', '/',      [token  => minted(key => $b, header => { kid => 'b' })],
                           '200', "401 $inv"],
);
my %load = map { $_->[0] => $_ } @load;

# all responses were correct, and the upstream got exactly the granted requests
sub is_right ($s, $count, $wrong, $name) {
    is_deeply $wrong, [], "$name: all responses are correct, none is missing";

    for my $row (@load) {
        my ($kind) = @$row;
        cmp_ok scalar(grep { /^$kind / } keys %$count), '>=', 1, "$name: $kind was requested";
    }

    $s->{untagged} += $count->{$_} for grep { / 200$/ } keys %$count;
    is $s->upstream->hits->await('', $s->{untagged}), $s->{untagged},
       "$name: the upstream got the granted requests";
}

# resident memory in KiB: private, and shared (zones)
sub memory ($pid) {
    my $status = AuthToken::Log->new("/proc/$pid/status")->content;
    return map { $status =~ /^$_:\s+(\d+) kB/m } qw(RssAnon RssShmem);
}

# Returns the growth between two measurements of memory() as text.
sub flat ($from, $to, $name) {
    my ($private, $zones) = map { my $grown = $to->[$_] - $from->[$_]; $grown > 0 ? $grown : 0 } 0, 1;
    if (!$ENV{AT_SANITIZE}) {
        cmp_ok $private, '<', 1024, "$name: the master process has grown by $private KiB";
        cmp_ok $zones, '<', 1024, "$name: zones have grown by $zones KiB";
    }
    return "master process up to $to->[0] KiB, grown by up to $private KiB; "
         . "zones up to $to->[1] KiB, grown by up to $zones KiB";
}

# --- reloads ----------------------------------------------------------------

{
    my $s = start($conf, workers => 2, files => { 'keys.json' => $set{two} }, prepare => $prepare,
                  good => ['/', token => $load{good}[2][1]]);
    my $beside = AuthToken::Load->start($s, \@load, clients => 4, seconds => 180 + 2 * $reloads);
    my @half;

    my $asks = sub ($kind, $expected, $name) {
        my $got = ask($s, $load{$kind}, new => 1, tag => next_tag);
        is $got, $expected, $name if $got ne $expected;
        return $got eq $expected;
    };

    my @broken = (
        ['a cut file',    sub { $s->write('keys.json', substr $set{two}, 0, 300) }],
        ['an empty file', sub { in_place($s, 'keys.json', '') }],
        ['no file',       sub { unlink $s->dir . '/keys.json' }],
        ['no issuer',     sub { $s->configure($conf =~ s/%%ISSUER main.*//r) }],
        ['no audience',     sub { $s->configure($conf =~ s/(?=key_file)/audience; /r) }],
        ['a wrong address',  sub { $s->configure($conf =~ s/192\.0\.2\.1/192.0.2.256/r) }],
    );
    my ($right, $asked) = (0, 0);
    my $every = int($reloads / @broken) || 1;

    for my $n (1 .. $reloads) {
        my $set = $n % 4 < 2 ? 'one' : 'two';
        $n % 2 ? $s->write('keys.json', $set{$set}) : in_place($s, 'keys.json', $set{$set});
        $s->reload;

        $asked += 3;
        $right += $asks->('good', '200', "reload $n: a valid token");
        $right += $asks->('stranger', "401 $inv", "reload $n: an invalid token");
        $right += $asks->('rotating', $set eq 'two' ? '200' : "401 $inv",
                          "reload $n: the rotating key");

        $s->signal('USR1') if $n % 20 == 10;
        @half = memory($s->pid) if $n == int($reloads / 2) || $n == 1;

        # an invalid configuration changes nothing
        if ($n % $every == 0 && @broken) {
            my ($what, $break) = (shift @broken)->@*;
            my @workers = $s->workers;

            $break->();
            my ($status) = $s->check;
            isnt $status, 0, "$what: nginx -t fails";
            $s->reload(fails => 1);
            is_deeply [$s->workers], \@workers, "$what: the same workers";
            is ask($s, $load{good}, tag => next_tag, new => 1), '200', "$what: a valid token";
            is ask($s, $load{stranger}, tag => next_tag, new => 1), "401 $inv", "$what: an invalid token";

            $s->configure($conf);
            $s->write('keys.json', $set{one});
        }
    }
    expect_log $s, qr/\[emerg\]/;

    # another limit
    $s->configure("auth_token_max_length 4k;\n$conf");
    $s->reload;

    is $right, $asked, "$reloads reloads: correct at once after each";

    my $memory = flat(\@half, [memory($s->pid)], 'the second half of the reloads');

    my ($count, $wrong) = $beside->end;
    is_right($s, $count, $wrong, 'under load');
    cmp_ok $count->{'rotating 200'} // 0, '>', 0, 'the rotating key was accepted';
    cmp_ok $count->{"rotating 401 $inv"} // 0, '>', 0, 'the rotating key was refused';

    my $total = 0;
    $total += $_ for values %$count;
    note "result: reloads: $reloads reloads, $total requests, no wrong verdict; in the second half of a run: $memory";
}

# --- process models ---------------------------------------------------------

# starts a new master process by a signal to the old one, and returns it
sub upgrade ($s, $old) {
    kill 'USR2', $old;
    my $new = $s->master($old);
    is AuthToken::Log->new($s->dir . '/nginx.pid.oldbin')->content, "$old\n", 'USR2 renames the file of the old process id';
    return $new;
}

# all kinds of requests
sub verdicts ($s, $name) {
    delete $s->{connections};
    for my $row (@load) {
        my ($kind, undef, undef, @right) = @$row;
        my $expected = $kind eq 'rotating' ? '200' : $right[0];
        is ask($s, $row, tag => next_tag), $expected, "$name: $kind";
    }
}

for my $row (['one worker', 1, ''], ['two workers', 2, ''],
             ['accept_mutex', 2, '', 'accept_mutex on;'],
             ['no master process', 1, 'master_process off;'],
             ['no master process, but a daemon', 1, 'master_process off; daemon on;'],
             ['aio threads', 2, ''])
{
    my ($name, $workers, $globals, $events) = @$row;
    my $text = $name eq 'aio threads' ? "aio threads;\n$conf" : $conf;

    my $s = AuthToken::Server->new($text, workers => $workers, events => $events,
                                   files => { 'keys.json' => $set{two} });
    $prepare->($s);
    my $pid = $s->launch($globals);
    verdicts($s, $name);

    # workers check the key file
    $s->write('keys.json', $set{one});
    is await_true(sub {
        my $got = ask($s, $load{rotating}, tag => next_tag, new => 1);
        $got ne '200' && $got;
    }, 'the key to be removed', 10), "401 $inv", "$name: a removed key";
    is ask($s, $load{good}, tag => next_tag), '200', "$name: a remaining key";

    $s->disconnect;
    kill 'QUIT', $pid;
    eventually "$name: QUIT", sub { AuthToken::Server::ended($pid) }, 20;
    is_deeply [$s->alarms], [], "$name: no alert in the log";
}

# --- binary upgrade ---------------------------------------------------------

{
    my $s = AuthToken::Server->new($conf, workers => 2, files => { 'keys.json' => $set{two} });
    $s->{untagged} = 0;
    $prepare->($s);
    my $old = $s->launch('daemon on;');
    my $beside = AuthToken::Load->start($s, \@load, clients => 3, seconds => 180 + 20 * $upgrades);

    # upgrade and rollback
    my $new = upgrade($s, $old);
    my $workers_of = sub ($pid) { scalar(my @workers = $s->workers($pid)) };
    my $ends = sub ($pid, $name) { eventually $name, sub { AuthToken::Server::ended($pid) }, 20 };
    await_true(sub { $workers_of->($new) == 2 }, 'the new workers', 20);

    kill 'WINCH', $old;
    await_true(sub { $workers_of->($old) <= 1 }, 'the end of the old workers', 20);
    verdicts($s, 'WINCH: only the new process');

    kill 'HUP', $old;
    await_true(sub { $workers_of->($old) >= 3 }, 'the old workers', 20);
    kill 'QUIT', $new;
    $ends->($new, 'HUP and QUIT: the new process ends');
    verdicts($s, 'rollback to the old process');
    await_true(sub { !-e $s->dir . '/nginx.pid.oldbin' }, 'the old process id file to be removed', 20);

    # upgrades without rollback
    my @first;
    for my $n (1 .. $upgrades) {
        $new = upgrade($s, $old);
        await_true(sub { $workers_of->($new) == 2 }, 'the new workers', 20);
        kill 'WINCH', $old;
        kill 'QUIT', $old;
        $ends->($old, "upgrade $n: the old process ends");
        verdicts($s, "upgrade $n: only the new process");
        @first = memory($new) if $n == 1;
        $old = $new;
    }
    my $memory = flat(\@first, [memory($new)], "after $upgrades upgrades");

    kill 'USR1', $new;
    verdicts($s, 'USR1');

    my ($count, $wrong) = $beside->end;
    is_right($s, $count, $wrong, 'under load');

    $s->disconnect;
    kill 'TERM', $new;
    $ends->($new, 'TERM');
    is_deeply [$s->alarms], [], 'signals: no alert in the log';
    my $total = 0;
    $total += $_ for values %$count;
    note "result: binary upgrades: $upgrades upgrades, $total requests, no wrong verdict; since the first of a run: $memory";
}

done;
