#!/usr/bin/perl

# The files of the store: errors of nginx -t and the commands that fix them, which
# processes open them, killed workers, and a store that is removed, replaced,
# restored, truncated, full or read-only while nginx runs.
#
# Requirements: import-atomic, store-removed, store-reload, store-faults,
#   signals, store-files, reload-with-errors, worker-killed, process-models,
#   limited-address-space, network-file-system.

use v5.36;

use lib 't/lib';

# mounts of this test are private and end with its last process
BEGIN {
    if ($> == 0 && !exists $ENV{AT_MOUNTS}) {
        my $can = system('unshare -m true 2>/dev/null') == 0;
        $ENV{AT_MOUNTS} = $can;
        exec 'unshare', '-m', '--propagation', 'private', $^X, $0, @ARGV if $can;
    }
}

use AuthToken::Export;
use AuthToken::Local;
use AuthToken::Test;
use File::Copy qw(copy);
use POSIX ();
use Time::HiRes qw(time sleep);

my $is_root = $> == 0;
my $mounts  = delete $ENV{AT_MOUNTS};
my $hurry   = $ENV{AT_SANITIZE};

# reuseport spreads the connections over the workers
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

# --- errors of nginx -t, and their fixes ------------------------------------

sub make_server () {
    my $s = AuthToken::Server->new($conf);
    AuthToken::Store->prepare->($s);
    return $s;
}

# the message about the store, and its position in the configuration
sub said ($output, $level = 'emerg') {
    my ($text, $file, $line) =
        $output =~ /^.*\[$level\] .*"auth_token_store": (.*) in (\S+):(\d+)$/m or return;
    return ($text, "$file:$line");
}

sub here ($s) {
    my ($before) = $conf =~ /\A(.*?)# here$/ms;
    return $s->conf_file . ':' . $s->line(1 + ($before =~ tr/\n//));
}

# runs a command like an operator
sub as_typed ($command) {
    local $ENV{PATH} = "$AuthToken::Server::BUILD:$ENV{PATH}";
    return system('sh', '-c', "$command >/dev/null");
}

sub is_bad ($s, $pattern, $name) {
    my ($status, $output) = $s->check;
    my ($text, $where) = said($output);

    isnt $status, 0, "$name: nginx -t fails";
    like $text // $output, $pattern, "$name: the error names the cause";
    is $where, here($s), "$name: the error names the line";
    unlike $text // '', qr/\.\.\z/, "$name: the error is not cut off";
    return $text // '';
}

# nginx -t succeeds, and a worker uses the store
sub is_fine ($s, $name) {
    my ($status, $output) = $s->check;
    is $status, 0, "$name: nginx -t succeeds" or diag $output;
    # with a single user, nginx -t warns
    unlike $output, $is_root ? qr/auth_token_store/ : qr/\[emerg\]/, "$name: no message about the store";

    my $token = $s->{store}->token("t$$-" . next_tag);
    $s->start;
    is answer($s, $token), '200', "$name: a worker uses the store";
    $s->stop;
    is_deeply [grep { !/\[emerg\]/ } $s->alarms], [], "$name: no alert in the log";
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

# only a backup helps
for my $row (
    ['a truncated data.mdb', sub ($p) { truncate "$p/data.mdb", 3 * 4096 }, qr/is truncated to 12288 of \d+ bytes: restore it from a backup/],
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
    ['a data.mdb that all users can write', sub ($p) { chmod 0646, "$p/data.mdb" }, qr/written by users other than its owner/],
    ['a lock.mdb that all users can write', sub ($p) { chmod 0666, "$p/lock.mdb" }, qr/written by users other than its owner/],
    ['a directory that all users can write', sub ($p) { chmod 02777, $p }, qr/written by users other than its owner/],
    ['a data.mdb that the group can write', sub ($p) { chmod 0660, "$p/data.mdb" }, qr/written by users other than its owner/],
    ['a directory that the group can write', sub ($p) { chmod 02770, $p }, qr/written by users other than its owner/],
);

my @worker = $is_root ? (getpwnam 'www-data')[2, 3] : ();

# owners matter only with two users
push @mendable, (
    ['a data.mdb that a worker owns', sub ($p) { chown $worker[0], -1, "$p/data.mdb" }, qr/could write/],
    ['a directory that a worker owns', sub ($p) { chown $worker[0], -1, $p }, qr/could write/],
    ['a store that a worker owns', sub ($p) { chown @worker, $p, glob "$p/*" }, qr/could write/],
    ['a data.mdb that workers cannot read', sub ($p) { chmod 0600, "$p/data.mdb" }, qr/cannot use/],
    ['a lock.mdb that workers cannot write', sub ($p) { chmod 0640, "$p/lock.mdb" }, qr/cannot use/],
    ['a directory that workers cannot enter', sub ($p) { chmod 0700, $p }, qr/cannot use/],
    ['a store of another group', sub ($p) { chown 0, 0, $p, glob "$p/*" }, qr/cannot use/],
    ['a parent directory that workers cannot enter', sub ($p) { chmod 0700, $p =~ s{/store\z}{}r },
     qr/cannot reach .* through its parent directory/],
) if $is_root;

for my $row (@mendable) {
    my ($name, $break, $pattern) = @$row;
    my $s = make_server();
    my $p = $s->{store}->path;

    is +($s->check)[0], 0, "$name: nginx -t succeeds before";
    $break->($p);

    my $text = is_bad($s, $pattern, $name);
    my ($command) = $text =~ /(?:fix|create a store) with: (.*)\z/;
    is as_typed($command // 'false'), 0, "$name: the command in the error succeeds";
    is_fine($s, "$name, fixed by the command");
}

# a supplementary group of the workers' user
SKIP: {
    skip 'requires mounts', 1 if !$mounts;

    my $s = make_server();
    my $p = $s->{store}->path;
    chown 0, 54321, $p, glob "$p/*";
    chmod 02750, $p;
    is_bad($s, qr/cannot use/, 'a group of which the workers are not members');

    my $groups = AuthToken::Log->new('/etc/group')->content;
    my $file   = $s->write('group', $groups . "at-readers:x:54321:www-data\n");
    chmod 0644, $file;
    system('mount', '--bind', $file, '/etc/group') == 0 or die "mount: $?\n";
    is_fine($s, 'a supplementary group of the workers');
    system 'umount', '/etc/group';
}

{
    my $s = make_server();
    my $p = $s->{store}->path;
    rename $p, "$p.real";
    symlink 'store.real', $p;
    is_fine($s, 'a symbolic link to the store');
}

# if nginx runs as a single user, that user may own the store, with a warning
SKIP: {
    skip 'only root can change users', 1 if !$is_root;

    my $s = AuthToken::Server->new($conf =~ s/ reuseport//r);

    # www-data may have no access to the build directory
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
    is $status, 0, 'single user: nginx -t succeeds';
    my ($text, $where) = said($output, 'warn');
    like $text, qr/worker processes could write .* runs as a single user \($worker[0]\)/,
        'single user: nginx -t warns';
    ok defined $where, 'single user: the warning names the line';

    $s->start;
    is answer($s, $token), '200', 'single user: a worker uses the store';
    $s->stop;

    chmod 0646, "$p/data.mdb";
    isnt +($s->check)[0], 0, 'single user: a store that others can write is an error';
}

# the address space of a process may be limited
SKIP: {
    skip 'a sanitizer needs more address space', 1 if $hurry;

    my $s = AuthToken::Server->new($conf);
    my $limited = sub ($program) {
        my $wrapper = $s->write('limited-' . $program =~ s{.*/}{}r, "#!/bin/sh\nulimit -v 3000000\nexec '$program' \"\$@\"\n");
        chmod 0755, $wrapper;
        return $wrapper;
    };
    my $command = $limited->("$AuthToken::Server::BUILD/auth-token");
    my $path = $s->dir . '/store';
    is system("$command --store lmdb:$path init @{[$is_root ? '--group www-data' : '']} >/dev/null"), 0,
        'limited address space: the command creates a store';
    $s->{store} = bless { dir => $s->dir, path => $path }, 'AuthToken::Store';
    my $token = $s->{store}->token('t1');
    like `$command --store lmdb:$path token list`, qr/t1/, 'limited address space: the command reads the store';

    my $nginx = $AuthToken::Server::NGINX;
    $nginx = (grep { -x } map { "$_/$nginx" } split /:/, "$ENV{PATH}:/usr/sbin")[0] if $nginx !~ m{/};
    local $AuthToken::Server::NGINX = $limited->($nginx);
    $s->start;
    is answer($s, $token), '200', 'limited address space: a worker uses the store';
    like $s->errors->content, qr/\[warn\].* auth_token: address space is limited, store mapped with \d{3,4}M: "\Q$path\E"/,
        'limited address space: the log states the size of the map';
    $s->{store}->ok('token', 'disable', 't1');
    is answer($s, $token), '403 API_CLIENT_DISABLED', 'limited address space: a change is seen';
    $s->stop;
}

# LMDB's locks do not work on a network file system
SKIP: {
    skip 'a sanitizer must be loaded first', 1 if $hurry;

    my $s = AuthToken::Server->new(
        $conf =~ s{%%ISSUER%%}{%%ISSUER main: signing_key %%DIR%%/sign.pem;%%}r
              =~ s{(?=server \{)}{auth_token_state_path %%DIR%%/state; }r
              =~ s{(?=location /good)}{location = /api/v6.1/auth/login { auth_token_login main; } }r);
    prepare_users(users => [user_record('jane')])->($s);
    my $library = $s->dir . '/network_fs.so';
    system('gcc', '-O1', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror', '-o', $library,
           "$AuthToken::Server::ROOT/t/lib/network_fs.c") == 0 or die "gcc: $?\n";
    local @ENV{qw(LD_PRELOAD AT_NETWORK_PATH)} = ($library, '/store');

    for (['6969', 'NFS'], ['517b', 'SMB'], ['ff534d42', 'SMB'], ['fe534d42', 'SMB']) {
        (local $ENV{AT_NETWORK_TYPE}, my $name) = @$_;
        is_bad($s, qr/\/store\S*" is on a network file system of type $name, .*: use a local file system/, "a store on $name");

        my $command = "$AuthToken::Server::BUILD/auth-token --store lmdb:" . $s->{store}->path;
        for my $arguments ('token list', 'export', 'role set x --grant y') {
            like `$command $arguments 2>&1`, qr/is on a network file system of type $name/,
                "auth-token $arguments: a store on $name";
        }
        like `$command-2 init 2>&1`, qr/is on a network file system of type $name/, "auth-token init: a directory on $name";
    }

    @ENV{qw(AT_NETWORK_PATH AT_NETWORK_TYPE)} = ('/state', '6969');
    mkdir $s->dir . '/state' or die "state: $!";
    my ($status, $output) = $s->check;
    isnt $status, 0, 'a state directory on NFS: nginx -t fails';
    like $output, qr/\[emerg\] "auth_token_state_path": "\S+\/state" is on a network file system of type NFS, .*: use a local file system, required by/,
        'a state directory on NFS: the error names it';

    local $ENV{AT_NETWORK_TYPE} = 'ef53';
    is +($s->check)[0], 0, 'another file system: nginx -t succeeds';
}

# "user" may follow "http": before it is known, missing access is a warning
SKIP: {
    skip 'only root can change users', 1 if !$is_root;

    my $s = make_server();
    my $text = content($s->conf_file);
    my ($user) = $text =~ /^(user .*\n)/m;

    $s->write('nginx.conf', $text =~ s/^user .*\n//r);
    my ($status, $output) = $s->check;
    is $status, 0, 'without "user": nginx -t succeeds';
    like +(said($output, 'warn'))[0], qr/worker processes .* cannot use/, 'without "user": nginx -t warns';

    $s->write('nginx.conf', $text =~ s/^(user .*\n)(.*)/$2$1/sr);
    is +($s->check)[0], 0, '"user" after "http": nginx -t succeeds';

    chmod 0646, $s->{store}->path . '/data.mdb';
    isnt +($s->check)[0], 0, 'a store that all users can write is an error in any case';
}

# --- processes that open the store ------------------------------------------

# number of environments of a process, by its maps; the two meta pages have another map
sub mapped ($pid, $name = 'data.mdb') {
    no warnings 'portable';
    my @sizes = map { /\A(\w+)-(\w+) / ? hex($2) - hex $1 : () }
                grep { m{/\Q$name\E(?: \(deleted\))?$} } split /\n/, content("/proc/$pid/maps");
    return scalar grep { $name ne 'data.mdb' || $_ > 2 * POSIX::sysconf(POSIX::_SC_PAGESIZE()) } @sizes;
}

sub has_open ($pid) {
    return grep { (readlink($_) // '') =~ /\.mdb/ } glob "/proc/$pid/fd/*";
}

# LMDB's reader table, as pairs of a process and its transaction: 64 bytes each after
# a header of 128
sub readers ($s) {
    my $table = content($s->{store}->path . '/lock.mdb');
    return grep { $_->[0] } map { [reverse unpack 'QL', substr $table, 128 + 64 * $_, 12] }
                            0 .. unpack('L', substr $table, 56, 4) - 1;
}

sub slots ($s) { map { $_->[0] } readers($s) }

SKIP: {
    skip 'a sanitizer cannot be traced', 1 if $hurry;

    my $s = make_server();
    my $trace = $s->dir . '/trace';
    my $wrapper = $s->write('traced', "#!/bin/sh\nexec strace -f -o '$trace' -e trace=open,openat"
                          . " '$AuthToken::Server::NGINX' \"\$@\"\n");
    chmod 0755, $wrapper;

    local $AuthToken::Server::NGINX = $wrapper;
    is +($s->check)[0], 0, 'nginx -t succeeds under strace';

    my @opened = grep { /\.mdb"/ } split /\n/, content($trace);
    ok @opened, 'nginx -t opens data.mdb';
    is_deeply [grep { !/data\.mdb", O_RDONLY\|/ } @opened], [], 'nginx -t opens no other file of the store, and only for reading';
}

# each worker opens the store once, also after reloads
{
    my $s = start($conf, workers => 2, prepare => AuthToken::Store->prepare);
    my $token = $s->{store}->token('t1');

    for my $round (0 .. 20) {
        $s->reload if $round;

        # a new worker may still be opening it
        my @wrong;
        eval { await_true(sub {
            @wrong = grep { mapped($_) != 1 || mapped($_, 'lock.mdb') != 1 } $s->workers;
            !@wrong;
        }, 'the store to be open') };
        is_deeply \@wrong, [], "reload $round: each worker has one environment" if @wrong || $round % 10 == 0;
        is_deeply [mapped($s->pid), has_open($s->pid)], [0], "reload $round: the master has none"
            if mapped($s->pid) || has_open($s->pid) || $round % 10 == 0;

        my $got = answer($s, $token);
        is $got, '200', "reload $round: the store is used" if $got ne '200' || $round % 10 == 0;
    }

    answer($s, $token) for 1 .. 40;
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'after 20 reloads, each worker has one reader slot';

    # a kept snapshot prevents that its pages are reused
    my $holds = sub { grep { $_->[1] != ~0 } readers($s) };
    my $let_go = sub ($name) {
        $s->{store}->ok('token', $_, 't1') for qw(disable enable);
        eventually $name, sub { !$holds->() };
    };

    answer($s, $token) for 1 .. 20;
    ok scalar $holds->(), 'workers keep a snapshot';
    $let_go->('workers release the snapshot after a change');

    my $slow = $s->connect;
    $slow->send(AuthToken::Client::request_bytes('/', method => 'POST', api_token => $token,
        headers => ['Content-Length: 10', 'Expect: 100-continue']));
    is $slow->response->{status}, 100, 'a request keeps its worker busy';

    my @leaving = $s->workers;
    $s->signal('HUP');
    await_true(sub { 3 == (() = $s->workers) }, 'an exiting worker');
    ok scalar $holds->(), 'the exiting worker keeps a snapshot';
    $let_go->('the exiting worker releases the snapshot after a change');
    $slow->close;
    await_true(sub { !grep { my $w = $_; grep { $_ == $w } @leaving } $s->workers }, 'the old worker to end');

    # a store that nginx -t rejects
    my $path    = $s->{store}->path;
    my @workers = $s->workers;
    chmod 0646, "$path/data.mdb";
    $s->reload(fails => 1);
    is_deeply [$s->workers], \@workers, 'after a failed reload, the old workers remain';
    is answer($s, $token), '200', 'the old workers use the store';
    chmod 0640, "$path/data.mdb";
    expect_log $s, qr/\[emerg\].*written by users other than its owner/;

    my $pairs = $hurry ? 15 : 100;
    my ($right, $asked) = (0, 0);

    for my $round (1 .. $pairs) {
        my @old = $s->workers;
        kill 'KILL', @old;
        await_true(sub {
            my %now = map { $_ => 1 } $s->workers;
            keys %now == 2 && !grep { $now{$_} } @old;
        }, 'new workers');
        $asked += 2;
        $right += (answer($s, $token) eq '200') + (answer($s, 'x' x 32) =~ /^401 /);
    }

    is $right, $asked, "" . 2 * $pairs . ' workers are killed, each request gets the right answer';
    answer($s, $token) for 1 .. 40;
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'no slot of a killed worker is left';
    unlike $s->errors->content, qr/MDB_|store "/, 'no message about the store is logged';
    expect_log $s, qr/exited on signal 9/;

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
    is answer($s, $token), '403 API_CLIENT_DISABLED', 'after 20 killed commands, a change is seen';
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'no slot of a killed command is left';
}

# --- replaced while nginx runs ----------------------------------------------

# Sends requests on new connections until all answers are $after for longer than the
# second between two checks of a worker.  Only $before, $after and API_UNAVAILABLE are
# allowed, and the change must be seen soon.
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
    is_deeply \@other, [], "$name: no wrong answer";
    cmp_ok $last, '<', $limit, sprintf '%s: %s after %.2f s', $name, $after, $last;
}

my $gone = '503 API_UNAVAILABLE';
my $none = '401 API_INVALID_API_TOKEN';
my $off  = '403 API_CLIENT_DISABLED';

# log lines about an unusable store
sub complaints ($s) {
    return grep { /store not available, requests that need it are refused/ } split /\n/, $s->errors->content;
}

{
    my $s = start($conf, workers => 2, prepare => AuthToken::Store->prepare);
    my $store = $s->{store};
    my $path  = $store->path;
    my $dir   = $s->dir;
    my ($one, $two) = map { $store->token($_) } qw(t1 t2);

    my $copy = sub ($from, $to) { system('cp', '-a', $from, $to) == 0 or die "cp: $?\n" };

    is answer($s, $one), '200', 'an API token is accepted';

    # removed
    my $before = complaints($s);
    rename "$path/data.mdb", "$dir/kept";
    settles($s, $one, '200', $gone, 'data.mdb is removed');
    refused $s, '/', unavailable => 'data.mdb is removed: an API token gets 503', api_token => $one, reason => 'unavailable';
    refused $s, '/', unavailable => 'data.mdb is removed: an unknown API token gets 503', api_token => 'x' x 32, reason => 'unavailable';
    refused $s, '/', no_token => 'data.mdb is removed: no credential gets 401', reason => 'no_credential';
    granted $s, '/', 'data.mdb is removed: a JWT is accepted', token => good_token();
    granted $s, '/good', 'data.mdb is removed: a location for JWTs works', token => good_token();
    sleep 2.2;
    is complaints($s) - $before, 1, 'the error is logged once, not by each worker';
    like +(complaints($s))[-1], qr/\[error\].*data\.mdb": No such file/, 'the error names the missing file';

    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'data.mdb is restored');
    is scalar(() = $s->errors->content =~ /store available again: "\Q$path\E"/g), 1,
        'one worker logs that the store is open';

    # renamed
    rename $path, "$path.away";
    settles($s, $one, '200', $gone, 'the directory is renamed');
    rename "$path.away", $path;
    settles($s, $one, $gone, '200', 'the directory is renamed back');

    # another store replaces it
    {
        my $other = AuthToken::Store->new($dir, 'other');
        my $three = $other->token('t3');
        rename $path, "$path.away";
        rename $other->path, $path;
        settles($s, $one, '200', $none, 'another store replaces it: an API token of the first store');
        settles($s, $three, $none, '200', 'another store replaces it: an API token of the new store');
        rename $path, "$dir/other";
        rename "$path.away", $path;
        settles($s, $three, '200', $none, 'the first store is back: an API token of the other');
        settles($s, $one, $none, '200', 'the first store is back: an API token of it');
    }

    # A backup has a lower transaction number: with the number of lock.mdb, its last
    # transaction would not be seen.
    for my $n (1 .. 3) {
        $store->ok('token', 'disable', 't1');
        $copy->("$path/data.mdb", "$dir/backup");
        $store->ok('token', $_ % 2 ? 'enable' : 'disable', 't1') for 1 .. 2 * $n - 1;
        $store->ok('token', 'disable', 't2') if $n == 2;
        settles($s, $one, $off, '200', "backup $n: before");

        rename "$dir/backup", "$path/data.mdb";
        settles($s, $one, '200', $off, "backup $n: its last change is seen");
        $store->ok('token', 'enable', 't1');
        is answer($s, $one), '200', "backup $n: a new change is seen";
    }
    is answer($s, $two), '200', 'the backup is used completely';

    # a copy with an odd and an even number of changes: there are two meta pages
    for my $n (1, 2) {
        system 'mkdir', '-m', '2750', "$dir/aside";
        $copy->("$path/data.mdb", "$dir/aside");
        $copy->("$path/lock.mdb", "$dir/aside");
        my $aside = bless { %$store, path => "$dir/aside" }, 'AuthToken::Store';
        $aside->ok('token', 'disable', 't2') if $n == 2;
        $aside->ok('token', 'disable', 't1');

        rename "$dir/aside/data.mdb", "$path/data.mdb";
        system 'rm', '-r', "$dir/aside";
        settles($s, $one, '200', $off, "a copy with $n more changes: the last is seen");
        $store->ok('token', 'enable', $_) for qw(t1 t2);
        is answer($s, $one), '200', "a copy with $n more changes: a new change is seen";
    }

    # cp over data.mdb, without requests meanwhile
    $copy->("$path/data.mdb", "$dir/backup");
    $store->ok('token', 'disable', $_) for qw(t2 t1);
    is answer($s, $one), $off, 'before the copy';
    system "cp $dir/backup $path/data.mdb";
    settles($s, $one, $off, '200', 'cp over data.mdb: the first API token');
    settles($s, $two, $off, '200', 'cp over data.mdb: the second API token');

    # truncated
    $copy->("$path/data.mdb", "$dir/kept");
    $before = complaints($s);
    truncate "$path/data.mdb", 5 * 4096;
    await_true(sub { complaints($s) == $before + 1 }, 'a worker to see the truncation');
    refused $s, '/', unavailable => 'data.mdb is truncated: an API token gets 503', api_token => $one, reason => 'unavailable';
    granted $s, '/', 'data.mdb is truncated: a JWT is accepted', token => good_token();
    like +(complaints($s))[-1], qr/is truncated to 20480 of \d+ bytes/, 'the error says that it is truncated';
    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'data.mdb is restored from a backup');

    $copy->("$path/data.mdb", "$dir/kept");
    $s->write('store/data.mdb', "no store\n" x 10_000);
    settles($s, $one, '200', $gone, 'another file in place of data.mdb');
    rename "$dir/kept", "$path/data.mdb";
    settles($s, $one, $gone, '200', 'data.mdb is restored from a backup');

    # with another lock.mdb, writers would not know the readers
    $copy->("$path/lock.mdb", "$dir/kept");
    unlink "$path/lock.mdb";
    settles($s, $one, '200', $gone, 'lock.mdb is removed');
    my ($status, undef, $err) = $store->run('token', 'disable', 't1');
    is $status, 1, 'without lock.mdb, the command changes nothing';
    my ($command) = $err =~ /fix with: (.*)$/m;
    is as_typed($command // 'false'), 0, 'the command in the error succeeds';
    chown 0, $worker[1], "$path/lock.mdb" if $is_root;
    settles($s, $one, $gone, '200', 'lock.mdb is created again');
    $store->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'a change with the new lock.mdb is seen';
    $store->ok('token', 'enable', 't1');

    is_deeply [grep { mapped($_) != 1 } $s->workers], [], 'each worker still has one environment';
    is_deeply [sort { $a <=> $b } slots($s)], [$s->workers], 'each worker still has one reader slot';

    # growth
    my $n = 0;
    for my $round (1 .. 5) {
        my @records = map { my $id = ++$n; { id => "many-$id", token => sprintf('%032d', $id), scope => ['read'] } }
                      1 .. ($hurry ? 1_000 : 5_000);
        $store->ok('import', '-', { input => export_text(tokens => \@records) });
        my @ids = (1, int rand(@records) + $n - $#records, $n);
        is_deeply [map { answer($s, sprintf '%032d', $_) } @ids], [('200') x 3],
            "$n more API tokens are found at once";
    }
    settles($s, $one, '200', '200', 'the store has grown');
}

# --- binary upgrade ---------------------------------------------------------

{
    my $s = make_server();
    my ($one, $two) = map { $s->{store}->token($_) } qw(t1 t2);

    my $old = $s->launch('daemon on;');
    is answer($s, $one), '200', 'before the upgrade';

    kill 'USR2', $old;
    my $new = $s->master($old);
    await_true(sub { 1 == (() = $s->workers($new)) }, 'the new worker', 20);

    # two masters, with a worker each
    my @both = (grep({ $_ != $new } $s->workers($old)), $s->workers($new));
    is scalar @both, 2, 'two masters have a worker each';
    await_true(sub { mapped($both[1]) }, 'the new worker to open the store');
    is_deeply [map { mapped($_) } $old, $new, @both], [0, 0, 1, 1], 'each worker has one environment, the masters none';
    $s->{store}->ok('token', 'disable', 't2');
    is_deeply [map { answer($s, $two) } 1 .. 20], [($off) x 20], 'both workers see a change';

    kill 'WINCH', $old;
    kill 'QUIT', $old;
    eventually 'the old master exits', sub { AuthToken::Server::ended($old) }, 20;
    is answer($s, $one), '200', 'the new worker uses the store';
    $s->{store}->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'the new worker sees a change';
    is_deeply [slots($s)], [$s->workers($new)], 'the reader slot of the old worker is released';

    kill 'QUIT', $new;
    eventually 'the new master exits', sub { AuthToken::Server::ended($new) }, 20;
    is_deeply [$s->alarms], [], 'binary upgrade: no alert in the log';
}

# without a master process, nginx reloads in the process that has the store open
# (and serves nothing after that)
{
    my $s = make_server();
    my $token = $s->{store}->token('t1');
    my $pid = $s->launch('master_process off;');

    is answer($s, $token), '200', 'a single process uses the store';
    for my $n (1 .. 5) {
        $s->errors->lines;
        kill 'HUP', $pid;
        $s->errors->await(qr/using the "epoll" event method/);
        is mapped($pid), 1, "reload $n: one environment";
    }
    is_deeply [slots($s)], [$pid], 'a single process has one reader slot';

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

# --- file systems -----------------------------------------------------------

my $mounted;
my $owner = $$;
END { if ($mounted && $$ == ($owner // 0)) { local $?; system 'umount', '-l', $mounted } }

SKIP: {
    skip 'requires mounts', 1 if !$mounts;

    # full
    my $s = start($conf, workers => 2, prepare => sub ($s) {
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
    is $status, 1, 'the import fails on a full file system';
    # LMDB reports a short write as EIO
    like $err, qr/(?:No space left on device|Input\/output error); nothing was changed/, 'the error names the cause';
    is $store->ok('export'), $export, 'a failed import changes nothing';
    is answer($s, $one), '200', 'after a failed import, workers use the store';
    is answer($s, sprintf '%032d', 1), $none, 'after a failed import, its records are not found';
    settles($s, $two, '200', '200', 'the file system is full');

    system('mount', '-o', 'remount,size=64m', $mounted) == 0 or die "mount: $?\n";
    $store->ok('token', 'disable', 't1');
    is answer($s, $one), $off, 'with more space, a change is seen';
    like $store->ok('check'), qr/^store +sound$/m, 'the store is sound';

    # read-only
    system("mount --bind $mounted $mounted && mount -o remount,ro,bind $mounted") == 0
        or die "mount: $?\n";
    ($status, $out, $err) = $store->run('token', 'disable', 't2');
    is $status, 1, 'the command fails on a read-only file system';
    like $err, qr/Read-only file system/, 'the error says that it is read-only';
    is answer($s, $two), '200', 'read-only: workers use the store';

    ($status, $out) = $s->check;
    is $status, 0, 'read-only: nginx -t succeeds';
    my ($text, $where) = said($out, 'warn');
    like $text, qr/read-only file system, where LMDB reads without locks/, 'read-only: nginx -t warns';
    is $where, here($s), 'read-only: the warning names the line';
    $s->reload;
    is_deeply [map { answer($s, $_) } $one, $two], [$off, '200'], 'read-only: new workers use the store';
    is_deeply [grep { mapped($_) != 1 } $s->workers], [], 'read-only: each worker has one environment';

    system('umount', '-l', $mounted) == 0 or die "umount: $?\n";
    $s->reload;
    $store->ok('token', 'disable', 't2');
    is answer($s, $two), $off, 'writable again: a change is seen';
}

done;
