#!/usr/bin/perl

# Signals under load: reload with keys that change, reload of what is broken,
# reopening of logs, binary upgrade; nginx's other ways to run.  RELOADS says how many times (200).
#
# Requirements: reload, signals, reload-with-errors, process-models,
#   key-change-by-reload.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Load;
use AuthToken::Test;
use Carp qw(croak);
use POSIX ();

my $reloads = $ENV{RELOADS} || ($ENV{AT_SANITIZE} ? 30 : 200);

# --- keys -------------------------------------------------------------------

# A key that stays, one that comes and goes, one that never was there.
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

my $conf = <<'CONF';
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/keys.json;
    }
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_accept bearer cookie;
        location /      { proxy_pass %%UPSTREAM%%; }
        location /scope { auth_token_require_scope other; proxy_pass %%UPSTREAM%%; }
        location /far   { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
    }
CONF

# --- load -------------------------------------------------------------------

sub minted (%o) { token(header => { kid => 'a' }, key => $a, %o) }

my $old = 'API_EXPIRED_ACCESS_TOKEN';
my $inv = 'API_INVALID_ACCESS_TOKEN';

# name, path, credential, and the one answer to it, or either of two
my @load = (
    ['good',     '/',      [token  => minted()], '200'],
    ['cookie',   '/',      [cookie => 'accessToken=' . minted()], '200'],
    ['stranger', '/',      [token  => minted(key => $stranger)], "401 $inv"],
    ['none',     '/',      [], "401 $inv"],
    ['expired',  '/',      [token  => minted(claims => { exp => 1 })], "401 $old"],
    ['scope',    '/scope', [token  => minted()], '403 API_INSUFFICIENT_RIGHTS'],
    ['address',  '/far',   [token  => minted()], '403 API_IP_NOT_ALLOWED'],
    ['rotating', '/',      [token  => minted(key => $b, header => { kid => 'b' })],
                           '200', "401 $inv"],
);
my %load = map { $_->[0] => $_ } @load;

# what the clients found, and that the upstream saw exactly what was granted
sub is_right ($s, $count, $wrong, $name) {
    is_deeply $wrong, [], "$name: no wrong answer, and none missing";

    for my $row (@load) {
        my ($kind) = @$row;
        cmp_ok scalar(grep { /^$kind / } keys %$count), '>=', 1, "$name: $kind was asked for";
    }

    $s->{untagged} += $count->{$_} for grep { / 200$/ } keys %$count;
    is $s->upstream->hits->await('', $s->{untagged}), $s->{untagged},
       "$name: the upstream saw what was granted";
}

sub rss ($pid) {
    my ($kb) = AuthToken::Log->new("/proc/$pid/status")->content =~ /^VmRSS:\s+(\d+) kB/m;
    return $kb;
}

# --- reloads ----------------------------------------------------------------

{
    my $s = start($conf, workers => 2, files => { 'keys.json' => $set{two} },
                  good => ['/', token => $load{good}[2][1]]);
    my $beside = AuthToken::Load->start($s, \@load, clients => 4);
    my $half;

    my $asks = sub ($kind, $expected, $name) {
        my $got = ask($s, $load{$kind}, new => 1, tag => next_tag);
        is $got, $expected, $name if $got ne $expected;
        return $got eq $expected;
    };

    my @broken = (
        ['a cut file',    sub { $s->write('keys.json', substr $set{two}, 0, 300) }],
        ['an empty file', sub { in_place($s, 'keys.json', '') }],
        ['no file',       sub { unlink $s->dir . '/keys.json' }],
        ['no issuer',     sub { $s->configure($conf =~ s/auth_token_issuer.*?\}//sr) }],
        ['a mistake',     sub { $s->configure($conf =~ s/audience api/audience/r) }],
        ['another list',  sub { $s->configure($conf =~ s/192\.0\.2\.1/192.0.2.256/r) }],
    );
    my ($right, $asked) = (0, 0);
    my $every = int($reloads / @broken) || 1;

    for my $n (1 .. $reloads) {
        my $set = $n % 4 < 2 ? 'one' : 'two';
        $n % 2 ? $s->write('keys.json', $set{$set}) : in_place($s, 'keys.json', $set{$set});
        $s->reload;

        $asked += 3;
        $right += $asks->('good', '200', "reload $n: a good token");
        $right += $asks->('stranger', "401 $inv", "reload $n: a bad one");
        $right += $asks->('rotating', $set eq 'two' ? '200' : "401 $inv",
                          "reload $n: the key that comes and goes");

        $s->signal('USR1') if $n % 20 == 10;
        $half = rss($s->pid) if $n == int($reloads / 2) || $n == 1;

        # what -t refuses changes nothing
        if ($n % $every == 0 && @broken) {
            my ($what, $break) = (shift @broken)->@*;
            my @workers = $s->workers;

            $break->();
            my ($status) = $s->check;
            isnt $status, 0, "$what: nginx -t finds it";
            $s->reload(fails => 1);
            is_deeply [$s->workers], \@workers, "$what: the workers go on";
            is ask($s, $load{good}, tag => next_tag, new => 1), '200', "$what: a good token";
            is ask($s, $load{stranger}, tag => next_tag, new => 1), "401 $inv", "$what: a bad one";

            $s->configure($conf);
            $s->write('keys.json', $set{one});
        }
    }
    expect_log $s, qr/\[emerg\]/;

    # another number of workers, another limit, while they are at it
    $s->configure("auth_token_max_length 4k;\n$conf");
    $s->reload;

    is $right, $asked, "$reloads reloads: right at once after each";

    my $grown = rss($s->pid) - $half;
    cmp_ok $grown, '<', 1024, "the master has not grown since half of them ($grown KiB)"
        if !$ENV{AT_SANITIZE};

    my ($count, $wrong) = $beside->end;
    is_right($s, $count, $wrong, 'under load');
    cmp_ok $count->{'rotating 200'} // 0, '>', 0, 'the rotating key was there';
    cmp_ok $count->{"rotating 401 $inv"} // 0, '>', 0, 'and it was gone';

    my $total = 0;
    $total += $_ for values %$count;
    note "$total requests during $reloads reloads";
}

# --- other ways to run ------------------------------------------------------

# what must not be left behind
my (@launched, $test);
BEGIN { $test = $$ }

END { if ($$ == $test) { local $?; kill 'TERM', grep { kill 0, $_ } @launched } }

# a new binary is not looked for in the path
sub whole_path ($command) {
    return $command if $command =~ m{/};
    my ($found) = grep { -x } map { "$_/$command" } split /:/, $ENV{PATH};
    return $found // die "no $command\n";
}

# Starts an nginx that the harness would not wait for, and returns its process;
# the caller ends it.
sub launch ($s, $globals, $daemon = 0) {
    local $AuthToken::Server::NGINX = whole_path($AuthToken::Server::NGINX);
    my $pid = $s->_spawn($s->dir . '/output', ['-g', $globals]);

    AuthToken::Log::await_true(sub {
        die $s->output, $s->errors->content if !$daemon && waitpid($pid, POSIX::WNOHANG()) == $pid;
        eval { $s->connect->close; 1 };
    }, 'nginx to listen', 30);

    if ($daemon) {
        waitpid $pid, 0;
        $pid = pid_in($s, 'nginx.pid');
    }

    push @launched, $pid;
    return $s->{pid} = $pid;
}

# the process that a file names, and that is not this one
sub pid_in ($s, $name, $not = 0) {
    return AuthToken::Log::await_true(sub {
        my ($pid) = AuthToken::Log->new($s->dir . "/$name")->content =~ /\A(\d+)\n/;
        ($pid // $not) != $not && $pid;
    }, $name);
}

# tells the old master to start a new one; that one's process
sub upgrade ($s, $old) {
    kill 'USR2', $old;
    my $new = pid_in($s, 'nginx.pid', $old);
    push @launched, $new;
    is pid_in($s, 'nginx.pid.oldbin'), $old, 'USR2: the old one stands aside';
    return $new;
}

sub gone ($pid) {
    return eval {
        AuthToken::Log::await_true(sub {
            waitpid($pid, POSIX::WNOHANG());
            !kill 0, $pid;
        }, "the end of $pid", 20);
    };
}

sub is_quiet ($s, $name) {
    my @alarms = grep { /\[(?:alert|emerg|crit)\]|exited on signal|Sanitizer|runtime error/ }
                 split /\n/, $s->errors->content . $s->output;
    is_deeply [@alarms, $s->reports], [], "$name: nothing alarming in the log";
}

# all kinds of requests, in one process
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
    my $daemon = $globals =~ /daemon on/ ? 1 : 0;
    my $text = $name eq 'aio threads' ? "aio threads;\n$conf" : $conf;

    my $s = AuthToken::Server->new($text, workers => $workers, events => $events,
                                   files => { 'keys.json' => $set{two} });
    my $pid = launch($s, $daemon ? $globals : "daemon off; $globals", $daemon);
    verdicts($s, "$name");

    # and the key file is watched there
    $s->write('keys.json', $set{one});
    is AuthToken::Log::await_true(sub {
        my $got = ask($s, $load{rotating}, tag => next_tag, new => 1);
        $got ne '200' && $got;
    }, 'the key to be gone', 10), "401 $inv", "$name: a key that is gone";
    is ask($s, $load{good}, tag => next_tag), '200', "$name: one that is not";

    delete $s->{connections};
    delete $s->{pid};
    kill 'QUIT', $pid;
    ok gone($pid), "$name: QUIT";
    is_quiet($s, "$name");
}

# --- binary upgrade, and its signals ----------------------------------------

{
    my $s = AuthToken::Server->new($conf, workers => 2, files => { 'keys.json' => $set{two} });
    $s->{untagged} = 0;
    my $old = launch($s, 'daemon on;', 1);
    my $beside = AuthToken::Load->start($s, \@load, clients => 3);

    # forth and back
    my $new = upgrade($s, $old);
    my $workers_of = sub ($pid) {
        local $s->{pid} = $pid;
        my @workers = $s->workers;
        return scalar @workers;
    };
    AuthToken::Log::await_true(sub { $workers_of->($new) == 2 }, 'the new workers', 20);

    kill 'WINCH', $old;
    AuthToken::Log::await_true(sub { $workers_of->($old) <= 1 }, 'the end of the old workers', 20);
    verdicts($s, 'WINCH, the new one alone');

    kill 'HUP', $old;
    AuthToken::Log::await_true(sub { $workers_of->($old) >= 3 }, 'the old workers', 20);
    kill 'QUIT', $new;
    ok gone($new), 'HUP and QUIT: the new one has gone';
    verdicts($s, 'back to the old one');
    AuthToken::Log::await_true(sub { !-e $s->dir . '/nginx.pid.oldbin' }, 'the old name', 20);

    # forth for good
    $new = upgrade($s, $old);
    AuthToken::Log::await_true(sub { $workers_of->($new) == 2 }, 'the new workers', 20);
    kill 'WINCH', $old;
    kill 'QUIT', $old;
    ok gone($old), 'QUIT: the old one has gone';
    verdicts($s, 'the new one for good');

    kill 'USR1', $new;
    verdicts($s, 'USR1');

    my ($count, $wrong) = $beside->end;
    is_right($s, $count, $wrong, 'under load');

    delete $s->{connections};
    delete $s->{pid};
    kill 'TERM', $new;
    ok gone($new), 'TERM';
    is_quiet($s, 'signals');
}

done;
