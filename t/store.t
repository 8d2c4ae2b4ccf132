#!/usr/bin/perl

# The store's files: what nginx -t says of them and how that is mended, who opens
# them, and what happens to them while nginx runs: workers that die, a store that
# is removed, replaced, restored, cut, full or read-only.
#
# Requirements: import-atomic, store-removed, store-reload, store-faults,
#   signals, store-files, reload-with-errors, worker-killed, process-models.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

# what is mounted here is seen by nobody else, and goes with the last process
BEGIN {
    if ($> == 0 && !exists $ENV{AT_MOUNTS}) {
        my $can = system('unshare -m true 2>/dev/null') == 0;
        $ENV{AT_MOUNTS} = $can;
        exec 'unshare', '-m', '--propagation', 'private', $^X, $0, @ARGV if $can;
    }
}

use AuthToken::Export;
use AuthToken::Test;
use File::Copy qw(copy);
use POSIX ();
use Time::HiRes qw(time sleep);

my $is_root = $> == 0;
my $mounts  = delete $ENV{AT_MOUNTS};
my $hurry   = $ENV{AT_SANITIZE};

# each worker gets its share of the connections
my $conf = <<'CONF';
    %%ISSUER%%
    auth_token_store lmdb:%%DIR%%/store;    # here
    server {
        listen %%LISTEN%% reuseport;
        auth_token on;
        location /     { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
    }
CONF

my %files = ('rsa.pem' => key('rsa')->pem);

# --- what nginx -t says, and what mends it ----------------------------------

sub make_server () {
    my $s = AuthToken::Server->new($conf, files => \%files);
    AuthToken::Store->prepare->($s);
    return $s;
}

# what was said of the store, and where; the level is that of the line
sub said ($output, $level = 'emerg') {
    my ($text, $file, $line) =
        $output =~ /^.*\[$level\] .*"auth_token_store": (.*) in (\S+):(\d+)$/m or return;
    return ($text, "$file:$line");
}

sub here ($s) {
    my ($before) = $conf =~ /\A(.*?)# here$/ms;
    return $s->conf_file . ':' . $s->line(1 + ($before =~ tr/\n//));
}

# as an operator types it, who has the command in his path
sub as_typed ($command) {
    local $ENV{PATH} = "$AuthToken::Server::BUILD:$ENV{PATH}";
    return system('sh', '-c', "$command >/dev/null");
}

sub is_bad ($s, $pattern, $name) {
    my ($status, $output) = $s->check;
    my ($text, $where) = said($output);

    isnt $status, 0, "$name: nginx -t fails";
    like $text // $output, $pattern, 'it says what is wrong';
    is $where, here($s), 'and where';
    unlike $text // '', qr/\.\.\z/, 'to the end';
    return $text // '';
}

# The store works: nginx -t is content, and a worker grants what is in it.
sub is_fine ($s, $name) {
    my ($status, $output) = $s->check;
    is $status, 0, "$name: nginx -t" or diag $output;
    # where there is one user, he is warned that he could write it
    unlike $output, $is_root ? qr/auth_token_store/ : qr/\[emerg\]/, 'without a word';

    my $token = $s->{store}->token("t$$-" . next_tag);
    $s->start;
    is answer($s, $token), '200', 'and the store is used';
    $s->stop;
    is_deeply [alarms($s)], [], 'nothing alarming in the log';
}

sub alarms ($s) {
    return (grep({ /\[(?:alert|crit)\]|exited on signal|Sanitizer|runtime error/ }
                 split /\n/, $s->errors->content . $s->output), $s->reports);
}

sub answer ($s, $token, %o) {
    my $answer = eval {
        $s->request('/', new => 1, tag => next_tag, api_token => $token, %o);
    } or return "failed: $@";

    return $answer->{status} if $answer->{status} == 200;
    return "$answer->{status} $1" if $answer->{body} =~ /\A\{"code":"(\w+)","message":"[\w ]+"\}\z/;
    return "$answer->{status} $answer->{body}";
}

sub content ($path) { AuthToken::Log->new($path)->content }

sub write_to ($path, $content) {
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $content;
    close $fh;
}

# what no command can mend, but a copy
for my $row (
    ['data.mdb that was cut', sub ($p) { truncate "$p/data.mdb", 3 * 4096 }, qr/is truncated to 12288 of \d+ bytes: restore it from a backup/],
    ['an empty data.mdb', sub ($p) { truncate "$p/data.mdb", 0 }, qr/is not a database of this version of LMDB/],
    ['another file as data.mdb', sub ($p) { write_to("$p/data.mdb", 'x' x 100_000) }, qr/is not a database of this version of LMDB/],
    ['a directory as data.mdb', sub ($p) { unlink "$p/data.mdb"; mkdir "$p/data.mdb" }, qr/is not a regular file/],
    ['a FIFO as data.mdb', sub ($p) { unlink "$p/data.mdb"; POSIX::mkfifo("$p/data.mdb", 0640) }, qr/is not a regular file/],
    ['a device as data.mdb', sub ($p) { unlink "$p/data.mdb"; symlink '/dev/zero', "$p/data.mdb" }, qr/is not a regular file/],
    ['a file as the store', sub ($p) { system 'rm', '-r', $p; write_to($p, '') }, qr/Not a directory/],
) {
    my ($name, $break, $pattern) = @$row;
    my $s = make_server();
    $break->($s->{store}->path);
    is_bad($s, $pattern, $name);
}

my @mendable = (
    ['no store', sub ($p) { system 'rm', '-r', $p }, qr/No such file or directory; create a store with/],
    ['no data.mdb', sub ($p) { system "rm $p/*.mdb" }, qr/No such file or directory; create a store with/],
    ['no lock.mdb', sub ($p) { unlink "$p/lock.mdb" }, qr/lock\.mdb": No such file/],
    ['everybody may write data.mdb', sub ($p) { chmod 0646, "$p/data.mdb" }, qr/written by users other than its owner/],
    ['everybody may write lock.mdb', sub ($p) { chmod 0666, "$p/lock.mdb" }, qr/written by users other than its owner/],
    ['everybody may write the directory', sub ($p) { chmod 02777, $p }, qr/written by users other than its owner/],
    ['the group may write data.mdb', sub ($p) { chmod 0660, "$p/data.mdb" }, qr/written by users other than its owner/],
    ['the group may write the directory', sub ($p) { chmod 02770, $p }, qr/written by users other than its owner/],
);

my @worker = $is_root ? (getpwnam 'www-data')[2, 3] : ();

# whom files belong to means nothing where there is one user
push @mendable, (
    ['data.mdb is a worker\'s own', sub ($p) { chown $worker[0], -1, "$p/data.mdb" }, qr/could write/],
    ['the directory is a worker\'s own', sub ($p) { chown $worker[0], -1, $p }, qr/could write/],
    ['all of it is a worker\'s own', sub ($p) { chown @worker, $p, glob "$p/*" }, qr/could write/],
    ['data.mdb is not readable', sub ($p) { chmod 0600, "$p/data.mdb" }, qr/cannot use/],
    ['lock.mdb is not writable', sub ($p) { chmod 0640, "$p/lock.mdb" }, qr/cannot use/],
    ['the directory is not searchable', sub ($p) { chmod 0700, $p }, qr/cannot use/],
    ['of another group', sub ($p) { chown 0, 0, $p, glob "$p/*" }, qr/cannot use/],
    ['a directory above is closed', sub ($p) { chmod 0700, $p =~ s{/store\z}{}r },
     qr/cannot reach .* through its parent directory/],
) if $is_root;

for my $row (@mendable) {
    my ($name, $break, $pattern) = @$row;
    my $s = make_server();
    my $p = $s->{store}->path;

    is +($s->check)[0], 0, "$name: before";
    $break->($p);

    my $text = is_bad($s, $pattern, $name);
    my ($command) = $text =~ /(?:fix|create a store) with: (.*)\z/;
    is as_typed($command // 'false'), 0, 'the command that it names';
    is_fine($s, 'mended');
}

# O7 a group that the user of the workers has beside his own
SKIP: {
    skip 'it takes mounts', 1 if !$mounts;

    my $s = make_server();
    my $p = $s->{store}->path;
    chown 0, 54321, $p, glob "$p/*";
    chmod 02750, $p;
    is_bad($s, qr/cannot use/, 'a group that the workers have not');

    my $groups = AuthToken::Log->new('/etc/group')->content;
    my $file   = $s->write('group', $groups . "at-readers:x:54321:www-data\n");
    chmod 0644, $file;
    system('mount', '--bind', $file, '/etc/group') == 0 or die "mount: $?\n";
    is_fine($s, 'O7 a group that they have beside their own');
    system 'umount', '/etc/group';
}

# symbolic links lead where they lead
{
    my $s = make_server();
    my $p = $s->{store}->path;
    rename $p, "$p.real";
    symlink 'store.real', $p;
    is_fine($s, 'a link to the store');
}

# where nginx is not root's, its one user may own the store, and is told so
SKIP: {
    skip 'only root is more than one user', 1 if !$is_root;

    my $s = AuthToken::Server->new($conf =~ s/ reuseport//r, files => \%files);

    # www-data may not be let into the directory that the module was built in
    my $module = $s->dir . '/module.so';
    system('cp', "$AuthToken::Server::BUILD/ngx_http_auth_token_module.so", $module) == 0
        or die "cp: $?\n";
    $s->write('nginx.conf', AuthToken::Log->new($s->conf_file)->content
                            =~ s/^user .*//mr =~ s/^load_module \K.*(?=;)/$module/mr);
    AuthToken::Store->prepare->($s);
    my $p = $s->{store}->path;
    my $token = $s->{store}->token('t1');
    system 'chown', '-R', 'www-data:www-data', $s->dir;

    my $wrapper = $s->write('as-www-data', "#!/bin/sh\nexec setpriv --reuid=www-data"
                    . " --regid=www-data --init-groups '$AuthToken::Server::NGINX' \"\$@\"\n");
    chmod 0755, $wrapper;
    local $AuthToken::Server::NGINX = $wrapper;

    my ($status, $output) = $s->check;
    is $status, 0, 'one user: nginx -t';
    my ($text, $where) = said($output, 'warn');
    like $text, qr/worker processes could write .* runs as a single user \($worker[0]\)/,
        'warns';
    ok defined $where, 'and says where';

    $s->start;
    is answer($s, $token), '200', 'and the store is used';
    $s->stop;

    chmod 0646, "$p/data.mdb";
    isnt +($s->check)[0], 0, 'others who could write it are no matter of warning';
}

# without "user" workers are another's; as that may stand behind, it is a warning
SKIP: {
    skip 'only root has another user for them', 1 if !$is_root;

    my $s = make_server();
    my $text = content($s->conf_file);
    my ($user) = $text =~ /^(user .*\n)/m;

    $s->write('nginx.conf', $text =~ s/^user .*\n//r);
    my ($status, $output) = $s->check;
    is $status, 0, 'without user: nginx -t';
    like +(said($output, 'warn'))[0], qr/worker processes .* cannot use/, 'warns';

    $s->write('nginx.conf', $text =~ s/^(user .*\n)(.*)/$2$1/sr);
    is +($s->check)[0], 0, 'user behind all else: nginx -t';

    chmod 0646, $s->{store}->path . '/data.mdb';
    isnt +($s->check)[0], 0, 'what is wrong with any user is no matter of warning';
}

# --- who opens them ---------------------------------------------------------

# how often a process has the file mapped
# how many environments a process has, by their maps; the two meta pages may be mapped
# once more
sub mapped ($pid, $name = 'data.mdb') {
    no warnings 'portable';
    my @sizes = map { /\A(\w+)-(\w+) / ? hex($2) - hex $1 : () }
                grep { m{/\Q$name\E(?: \(deleted\))?$} } split /\n/, content("/proc/$pid/maps");
    return scalar grep { $name ne 'data.mdb' || $_ > 2 * POSIX::sysconf(POSIX::_SC_PAGESIZE()) } @sizes;
}

sub has_open ($pid) {
    return grep { (readlink($_) // '') =~ /\.mdb/ } glob "/proc/$pid/fd/*";
}

# LMDB's table of readers, as pairs of a process and the transaction that it reads:
# 64 bytes each behind the first 128, which say how many count
sub readers ($s) {
    my $table = content($s->{store}->path . '/lock.mdb');
    return grep { $_->[0] } map { [reverse unpack 'QL', substr $table, 128 + 64 * $_, 12] }
                            0 .. unpack('L', substr $table, 56, 4) - 1;
}

sub slots ($s) { map { $_->[0] } readers($s) }

SKIP: {
    skip 'the sanitizer does not like to be traced', 1 if $hurry;

    my $s = make_server();
    my $trace = $s->dir . '/trace';
    my $wrapper = $s->write('traced', "#!/bin/sh\nexec strace -f -o '$trace' -e trace=open,openat"
                          . " '$AuthToken::Server::NGINX' \"\$@\"\n");
    chmod 0755, $wrapper;

    local $AuthToken::Server::NGINX = $wrapper;
    is +($s->check)[0], 0, 'nginx -t, traced';

    my @opened = grep { /\.mdb"/ } split /\n/, content($trace);
    ok @opened, 'looks at the store';
    is_deeply [grep { !/data\.mdb", O_RDONLY\|/ } @opened], [], 'reading data.mdb alone';
}

# only workers, each once, however often they are renewed
{
    my $s = start($conf, files => \%files, workers => 2, prepare => AuthToken::Store->prepare);
    my $token = $s->{store}->token('t1');

    for my $round (0 .. 20) {
        $s->reload if $round;

        # one that was started a moment ago is at it still
        my @wrong;
        eval { AuthToken::Log::await_true(sub {
            @wrong = grep { mapped($_) != 1 || mapped($_, 'lock.mdb') != 1 } $s->workers;
            !@wrong;
        }, 'the store to be open') };
        is_deeply \@wrong, [], "reload $round: each worker has one environment" if @wrong || $round % 10 == 0;
        is_deeply [mapped($s->pid), has_open($s->pid)], [0], "reload $round: the master has none"
            if mapped($s->pid) || has_open($s->pid) || $round % 10 == 0;

        my $got = answer($s, $token);
        is $got, '200', "reload $round: it is used" if $got ne '200' || $round % 10 == 0;
    }

    answer($s, $token) for 1 .. 40;
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], '20 reloads: a slot for each worker, no more';

    # an old snapshot would keep what is written from taking the place of what it replaces
    my $holds = sub { grep { $_->[1] != ~0 } readers($s) };
    my $let_go = sub ($name) {
        $s->{store}->ok('token', 'enable', 't1');
        is eval { AuthToken::Log::await_true(sub { !$holds->() }, 'workers that let go') } // $@, 1, $name;
    };

    answer($s, $token) for 1 .. 20;
    ok scalar $holds->(), 'what was read is held';
    $let_go->('until something has changed');

    my $slow = $s->connect;
    $slow->send(AuthToken::Client::request_bytes('/', method => 'POST', api_token => $token,
        headers => ['Content-Length: 10', 'Expect: 100-continue']));
    is $slow->response->{status}, 100, 'a request that takes its time';

    my @leaving = $s->workers;
    $s->signal('HUP');
    AuthToken::Log::await_true(sub { 3 == (() = $s->workers) }, 'a worker that cannot leave yet');
    ok scalar $holds->(), 'its worker, which is to leave, holds what it has read';
    $let_go->('and lets go of it like the others');
    $slow->close;
    AuthToken::Log::await_true(sub { !grep { my $w = $_; grep { $_ == $w } @leaving } $s->workers },
                               'the old worker to end');

    # a store that nginx -t refuses
    my $path    = $s->{store}->path;
    my @workers = $s->workers;
    chmod 0646, "$path/data.mdb";
    $s->reload(fails => 1);
    is_deeply [$s->workers], \@workers, 'a reload of what is refused: the old workers go on';
    is answer($s, $token), '200', 'with the store that they have';
    chmod 0640, "$path/data.mdb";
    expect_log $s, qr/\[emerg\].*written by users other than its owner/;

    # workers that are killed, while they work
    my $pairs = $hurry ? 15 : 100;
    my ($right, $asked) = (0, 0);

    for my $round (1 .. $pairs) {
        my @old = $s->workers;
        kill 'KILL', @old;
        AuthToken::Log::await_true(sub {
            my %now = map { $_ => 1 } $s->workers;
            keys %now == 2 && !grep { $now{$_} } @old;
        }, 'new workers');
        $asked += 2;
        $right += (answer($s, $token) eq '200') + (answer($s, 'x' x 32) =~ /^401 /);
    }

    is $right, $asked, "" . 2 * $pairs . ' workers killed: right verdicts all the time';
    answer($s, $token) for 1 .. 40;
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'no slot of a dead one is left';
    unlike $s->errors->content, qr/MDB_|store "/, 'and nothing is said of the store';
    expect_log $s, qr/exited on signal 9/;

    # a command that is killed leaves nothing either
    for (1 .. 20) {
        my $pid = fork // die;
        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            exec "$AuthToken::Server::BUILD/auth-token", '--store', "lmdb:$path", 'check' or POSIX::_exit(127);
        }
        select undef, undef, undef, 0.0005 * $_;
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    $s->{store}->ok('token', 'disable', 't1');
    is answer($s, $token), '403 API_CLIENT_DISABLED', 'killed commands: a change is one';
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'and leave no slot';
}

# --- replaced while nginx runs ----------------------------------------------

# Asks, each time on a new connection, until there was one answer alone for more
# than the second in which each worker has had a look; no answer may be another
# than those of before and after, and of the time between, which must be short.
sub settles ($s, $token, $before, $after, $name) {
    my ($begin, $last, %seen) = (time, 0);
    my $limit = $hurry ? 4 : 2.2;

    while (1) {
        my $got = answer($s, $token);
        my $now = time - $begin;

        $seen{$got}++;
        $last = $now if $got ne $after;
        last if $now - $last > 1.3 || $now > 10;
        sleep 0.002;
    }

    my @other = grep { $_ ne $before && $_ ne $after && $_ ne '503 API_UNAVAILABLE' } keys %seen;
    is_deeply \@other, [], "$name: no other answer";
    cmp_ok $last, '<', $limit, sprintf '%s: %s for good after %.2f s', $name, $after, $last;
}

my $gone = '503 API_UNAVAILABLE';
my $none = '401 API_INVALID_API_TOKEN';
my $off  = '403 API_CLIENT_DISABLED';

# lines that tell of a store that cannot be used
sub complaints ($s) {
    return grep { /store not available, requests that need it are refused/ } split /\n/, $s->errors->content;
}

{
    my $s = start($conf, files => \%files, workers => 2, prepare => AuthToken::Store->prepare);
    my $store = $s->{store};
    my $path  = $store->path;
    my $dir   = $s->dir;
    my ($one, $two) = map { $store->token($_) } qw(t1 t2);

    my $copy = sub ($from, $to) { system('cp', '-a', $from, $to) == 0 or die "cp: $?\n" };

    is answer($s, $one), '200', 'before all that';

    # removed
    my $before = complaints($s);
    rename "$path/data.mdb", "$dir/kept";
    settles($s, $one, '200', $gone, 'data.mdb removed');
    refused $s, '/', FAIL => 'removed', api_token => $one, reason => 'unavailable';
    refused $s, '/', FAIL => 'an unknown token, too', api_token => 'x' x 32, reason => 'unavailable';
    refused $s, '/', NONE => 'no credential', reason => 'no_credential';
    granted $s, '/', 'a JWT goes on', token => good_token();
    granted $s, '/good', 'where there are JWTs alone', token => good_token();
    sleep 2.2;
    is complaints($s) - $before, 2, 'each worker says so once, not every second';
    like +(complaints($s))[-1], qr/\[error\].*data\.mdb": No such file/, 'and what is missing';

    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'back again');
    is scalar(() = $s->errors->content =~ /store available again: "\Q$path\E"/g), 2,
        'and each says that';

    # renamed
    rename $path, "$path.away";
    settles($s, $one, '200', $gone, 'the directory renamed');
    rename "$path.away", $path;
    settles($s, $one, $gone, '200', 'and back');

    # a second directory in its place, made aside
    {
        my $other = AuthToken::Store->new($dir, 'other');
        my $three = $other->token('t3');
        rename $path, "$path.away";
        rename $other->path, $path;
        settles($s, $one, '200', $none, 'another store in its place: the old token');
        settles($s, $three, $none, '200', 'the new one');
        rename $path, "$dir/other";
        rename "$path.away", $path;
        settles($s, $three, '200', $none, 'the first one again: the other\'s token');
        settles($s, $one, $none, '200', 'its own');
    }

    # An older copy: transactions are counted from less on.  Its last one is what
    # an old count would not see.
    for my $n (1 .. 3) {
        $store->ok('token', 'disable', 't1');
        $copy->("$path/data.mdb", "$dir/backup");
        $store->ok('token', $_ % 2 ? 'enable' : 'disable', 't1') for 1 .. 2 * $n - 1;
        $store->ok('token', 'disable', 't2') if $n == 2;
        settles($s, $one, $off, '200', "an older copy, $n: before");

        rename "$dir/backup", "$path/data.mdb";
        settles($s, $one, '200', $off, "an older copy, $n: what it has last");
        $store->ok('token', 'enable', 't1');
        is answer($s, $one), '200', 'and a change is one';
    }
    is answer($s, $two), '200', 'an older copy: all of it';

    # A copy that was changed aside, by an odd and an even number
    for my $n (1, 2) {
        system 'mkdir', '-m', '2750', "$dir/aside";
        $copy->("$path/data.mdb", "$dir/aside");
        $copy->("$path/lock.mdb", "$dir/aside");
        my $aside = bless { %$store, path => "$dir/aside" }, 'AuthToken::Store';
        $aside->ok('token', 'disable', 't2') if $n == 2;
        $aside->ok('token', 'disable', 't1');

        rename "$dir/aside/data.mdb", "$path/data.mdb";
        system 'rm', '-r', "$dir/aside";
        settles($s, $one, '200', $off, "a copy with $n changes more: its last");
        $store->ok('token', 'enable', $_) for qw(t1 t2);
        is answer($s, $one), '200', 'and a change is one';
    }

    # a copy over it, as cp does, where nobody asks meanwhile
    $copy->("$path/data.mdb", "$dir/backup");
    $store->ok('token', 'disable', $_) for qw(t2 t1);
    is answer($s, $one), $off, 'a copy over it: before';
    system "cp $dir/backup $path/data.mdb";
    settles($s, $one, $off, '200', 'a copy over it');
    settles($s, $two, $off, '200', 'a copy over it: all of it');

    # cut
    $copy->("$path/data.mdb", "$dir/kept");
    $before = complaints($s);
    truncate "$path/data.mdb", 5 * 4096;
    AuthToken::Log::await_true(sub { complaints($s) == $before + 2 }, 'both to see that it was cut');
    refused $s, '/', FAIL => 'cut', api_token => $one, reason => 'unavailable';
    granted $s, '/', 'a JWT goes on', token => good_token();
    like +(complaints($s))[-1], qr/is truncated to 20480 of \d+ bytes/, 'and says so';
    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'restored');

    # something else
    $copy->("$path/data.mdb", "$dir/kept");
    $s->write('store/data.mdb', "no store\n" x 10_000);
    settles($s, $one, '200', $gone, 'another file in its place');
    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'restored');

    # with another lock.mdb writers would know nothing of those who read
    $copy->("$path/lock.mdb", "$dir/kept");
    unlink "$path/lock.mdb";
    settles($s, $one, '200', $gone, 'lock.mdb removed');
    my ($status, undef, $err) = $store->run('token', 'disable', 't1');
    is $status, 1, 'and no command changes it';
    my ($command) = $err =~ /fix with: (.*)$/m;
    is as_typed($command // 'false'), 0, 'the command that is named';
    chown 0, $worker[1], "$path/lock.mdb" if $is_root;
    settles($s, $one, $gone, '200', 'lock.mdb made anew');
    $store->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'and a change is one';
    $store->ok('token', 'enable', 't1');

    is_deeply [grep { mapped($_) != 1 } $s->workers], [], 'after all that: one environment a worker';
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'and one slot';

    # a store that grows under them
    my $n = 0;
    for my $round (1 .. 5) {
        my @records = map { my $id = ++$n; { id => "many-$id", token => sprintf('%032d', $id), scope => ['read'] } }
                      1 .. ($hurry ? 1_000 : 5_000);
        $store->ok('import', '-', { input => export_text(tokens => \@records) });
        my @ids = (1, int rand(@records) + $n - $#records, $n);
        is_deeply [map { answer($s, sprintf '%032d', $_) } @ids], [('200') x 3],
            "$n tokens more, at once";
    }
    settles($s, $one, '200', '200', 'a store that grew');
}

# --- binary upgrade ---------------------------------------------------------

my @launched;
my $owner = $$;
END { if ($$ == ($owner // 0)) { local $?; kill 'KILL', grep { kill 0, $_ } @launched } }

sub pid_in ($s, $name, $not = 0) {
    return AuthToken::Log::await_true(sub {
        my ($pid) = content($s->dir . "/$name") =~ /\A(\d+)\n/;
        ($pid // $not) != $not && $pid;
    }, $name);
}

sub gone ($pid) {
    return eval {
        AuthToken::Log::await_true(sub {
            waitpid($pid, POSIX::WNOHANG());
            !kill 0, $pid;
        }, "the end of $pid", 20);
    };
}

sub workers_of ($s, $pid) {
    local $s->{pid} = $pid;
    my @workers = $s->workers;
    return @workers;
}

sub launch ($s, $globals) {
    my $pid = $s->_spawn($s->dir . '/output', ['-g', $globals]);
    push @launched, $pid;
    AuthToken::Log::await_true(sub { eval { $s->connect->close; 1 } }, 'nginx to listen', 30);
    return $pid;
}

{
    my $s = make_server();
    my ($one, $two) = map { $s->{store}->token($_) } qw(t1 t2);

    local $AuthToken::Server::NGINX = $AuthToken::Server::NGINX =~ m{/} ? $AuthToken::Server::NGINX
        : (grep { -x } map { "$_/$AuthToken::Server::NGINX" } split /:/, "$ENV{PATH}:/usr/sbin")[0];

    waitpid launch($s, 'daemon on;'), 0;
    my $old = pid_in($s, 'nginx.pid');
    push @launched, $old;
    is answer($s, $one), '200', 'before the upgrade';

    kill 'USR2', $old;
    my $new = pid_in($s, 'nginx.pid', $old);
    push @launched, $new;
    AuthToken::Log::await_true(sub { (my @workers = workers_of($s, $new)) == 1 }, 'the new worker', 20);

    # two masters, with a worker each
    my @both = (grep({ $_ != $new } workers_of($s, $old)), workers_of($s, $new));
    is scalar @both, 2, 'two workers of two masters';
    AuthToken::Log::await_true(sub { mapped($both[1]) }, 'it to open the store');
    is_deeply [map { mapped($_) } $old, $new, @both], [0, 0, 1, 1], 'each has one environment';
    $s->{store}->ok('token', 'disable', 't2');
    is_deeply [map { answer($s, $two) } 1 .. 20], [($off) x 20], 'a change counts in both';

    kill 'WINCH', $old;
    kill 'QUIT', $old;
    ok gone($old), 'the old one has gone';
    is answer($s, $one), '200', 'the new one has the store';
    $s->{store}->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'and sees changes';
    is_deeply [slots($s)], [workers_of($s, $new)], 'the old one\'s slot is free';

    kill 'QUIT', $new;
    ok gone($new), 'QUIT';
    is_deeply [alarms($s)], [], 'nothing alarming in the log';
}

# nginx itself serves nothing after a HUP there, but it reads its
# configuration anew in the process that has the store open
{
    my $s = make_server();
    my $token = $s->{store}->token('t1');
    my $pid = launch($s, 'daemon off; master_process off;');

    is answer($s, $token), '200', 'no master process';
    for my $n (1 .. 5) {
        $s->errors->lines;
        kill 'HUP', $pid;
        $s->errors->await(qr/using the "epoll" event method/);
        is mapped($pid), 1, "reload $n: one environment";
    }
    is_deeply [slots($s)], [$pid], 'and one slot';

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

# --- file systems -----------------------------------------------------------

my $mounted;
END { if ($mounted && $$ == ($owner // 0)) { local $?; system 'umount', '-l', $mounted } }

SKIP: {
    skip 'it takes mounts', 1 if !$mounts;

    # full
    my $s = start($conf, files => \%files, workers => 2, prepare => sub ($s) {
        $mounted = $s->dir . '/store';
        mkdir $mounted;
        system('mount', '-t', 'tmpfs', '-o', 'size=2m', 'none', $mounted) == 0 or die "mount: $?\n";
        AuthToken::Store->prepare->($s);
    });
    my $store = $s->{store};
    my ($one, $two) = map { $store->token($_) } qw(t1 t2);
    my $export = $store->ok('export');

    my @records = map { { id => "many-$_", token => sprintf('%032d', $_), scope => ['read'] } } 1 .. 20_000;
    my ($status, $out, $err) = $store->run('import', '-', {
        input => export_text(tokens => \@records) });
    is $status, 1, 'a full file system: the import fails';
    # LMDB says so of a write that was short
    like $err, qr/(?:No space left on device|Input\/output error); nothing was changed/, 'and says so';
    is $store->ok('export'), $export, 'nothing was changed';
    is answer($s, $one), '200', 'and the workers go on';
    is answer($s, sprintf '%032d', 1), $none, 'without what did not come to be';
    settles($s, $two, '200', '200', 'for good');

    system('mount', '-o', 'remount,size=64m', $mounted) == 0 or die "mount: $?\n";
    $store->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'with more of it a change is one';
    like $store->ok('check'), qr/^store +sound$/m, 'the store is sound';

    # read-only
    system("mount --bind $mounted $mounted && mount -o remount,ro,bind $mounted") == 0
        or die "mount: $?\n";
    ($status, $out, $err) = $store->run('token', 'disable', 't2');
    is $status, 1, 'read-only: no change';
    like $err, qr/Read-only file system/, 'and it says so';
    is answer($s, $two), '200', 'the workers go on';

    ($status, $out) = $s->check;
    is $status, 0, 'nginx -t goes on, too';
    my ($text, $where) = said($out, 'warn');
    like $text, qr/read-only file system, where LMDB reads without locks/, 'but warns';
    is $where, here($s), 'and says where';
    $s->reload;
    is_deeply [map { answer($s, $_) } $one, $two], [$off, '200'], 'new workers have it, too';
    is_deeply [grep { mapped($_) != 1 } $s->workers], [], 'once';

    system('umount', '-l', $mounted) == 0 or die "umount: $?\n";
    $s->reload;
    $store->ok('token', 'disable', 't2');
    is answer($s, $two), $off, 'writable again: a change is one';
}

done;
