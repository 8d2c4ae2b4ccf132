#!/usr/bin/perl

# Failing allocations and writes: each allocation of a worker during a request with
# an API token or a client's JWT, each allocation and each write of the command.
# No request is granted by mistake, and the store has its state before a change or
# after it.
#
# Requirements: store-faults, allocation-failures.

use v5.36;

use lib 't/lib';

use AuthToken::FailAlloc;
use AuthToken::Test;
use File::Compare qw(compare);
use File::Copy qw(copy);
use File::Temp ();
use AuthToken::Export;
use JSON::PP ();
use List::Util qw(max min);
use Time::HiRes qw(time);

# libasan must be loaded first, and has the same wrappers
plan skip_all => 'preloads a library, which conflicts with sanitizers' if $ENV{AT_SANITIZE};

my $temp  = File::Temp->newdir('at-faults-XXXXXXXX', TMPDIR => 1);
chmod 0755, "$temp";

open my $compiler, '|-', qw(gcc -O1 -fPIC -shared -Wall -Wextra -Werror -fno-builtin -x c - -ldl -o),
     "$temp/fail_write.so" or die "gcc: $!\n";
print $compiler <DATA>;
close $compiler or die "gcc: $?\n";

# the environment of a command whose write $n fails in this way
sub fail_write ($how, $n) {
    unlink "$temp/came";
    return { LD_PRELOAD => "$temp/fail_write.so", AT_FAIL_HOW => $how, AT_FAIL_N => $n, AT_FAIL_CAME => "$temp/came" };
}

# --- a server with all kinds of records -------------------------------------

my %client = (key => key('rsa2'), header => { kid => 'c' });

sub client_token ($id) {
    return token(%client, claims => { iss => 'https://clients.example', appid => $id });
}

my %text = map { $_ => sprintf 'token-%s-%s', $_, 'z' x 30 }
           qw(plain user role expired disabled far scope ceiling nobody denied blocked off norole);

my $long = 'x' x 200;           # long enough for a separate allocation

my $s = start(<<'CONF', files => {
    %%ISSUER%%
    %%ISSUER clients: issuer https://clients.example; key_file %%DIR%%/rsa2.pem; client_claim appid; rights role;%%
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_cache off;       # no request ends early

    request_pool_size    512;
    connection_pool_size 512;
    proxy_set_header X-User  $auth_token_user;
    proxy_set_header X-Extra $auth_token_client;
    proxy_set_header X-Scope $auth_token_role;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main clients;

        location /      { proxy_pass %%UPSTREAM%%; }
        location /scope { auth_token_require_scope Identity.User.Read; proxy_pass %%UPSTREAM%%; }
        location /api   { auth_token_endpoints %%DIR%%/endpoints.tsv; proxy_pass %%UPSTREAM%%; }
    }
CONF
    'rsa2.pem' => key('rsa2')->pem,
    'endpoints.tsv' => "GET /api/ListUsers Identity.User.Read\nGET /api/AddUser Identity.User.ReadWrite\n",
}, env => fail_alloc_env(),
   prepare => AuthToken::Store->prepare(sub ($store) {
    my @read = (scope => ['Identity.User.Read']);
    my $token = sub ($id, %o) { { id => $id, token => $text{$id}, description => $long, %o } };

    $store->import_records(
        roles => [
            { name => 'users',  grant => ['Identity.*', "x$long"], deny => ["y$long"] },
            { name => 'denied', grant => ['*'], deny => ["y$long", 'Identity.*'] },
            { name => 'blocked', grant => ['*'], blocked_endpoints => ["/$long", 'ListUsers'] },
        ],
        users => [
            { username => 'jane', scope => ["x$long", 'Identity.User.Read'] },
            { username => 'poor', scope => ["x$long", 'read'] },
            { username => 'gone', scope => ['Identity.User.Read'], enabled => \0 },
        ],
        clients => [
            { id => 'good',    issuers => ['clients'], role => 'users', ip_ranges => ['127.0.0.0/8'] },
            { id => 'reader',  issuers => ['clients'], role => 'readonly' },
            { id => 'bad',     issuers => ['clients'], role => 'denied' },
            { id => 'roleless', issuers => ['clients'] },
            { id => 'far',     issuers => ['clients'], role => 'superadmin', ip_ranges => ['192.0.2.1'] },
            { id => 'off',     issuers => ['clients'], role => 'superadmin', enabled => \0 },
            { id => 'foreign', issuers => [$long, 'other'], role => 'superadmin' },
        ],
        tokens => [
            $token->('plain', @read),
            $token->('user', @read, user => 'jane'),
            $token->('role', role => 'users', ip_ranges => ['192.0.2.0/24', '127.0.0.0/8']),
            $token->('expired', @read, expires => 1000),
            $token->('disabled', @read, enabled => \0),
            $token->('far', @read, ip_ranges => ['192.0.2.0/24', '192.0.3.0/24']),
            $token->('scope', scope => ["Identity.User.Read$long", 'Identity.User.Rea']),
            $token->('ceiling', @read, user => 'poor'),
            $token->('nobody', @read, user => 'unknown'),
            $token->('off', @read, user => 'gone'),
            $token->('denied', role => 'denied', @read),
            $token->('blocked', role => 'blocked'),
            $token->('norole', role => 'unknown'),
        ]);
    }), good => ['/', api_token => $text{plain}]);

my ($worker) = $s->workers;

# --- allocations of a worker ------------------------------------------------

# name, path, whether it must be refused, options
my @requests = (
    (map { (["a valid API token, $_", '/scope', 0, api_token => $text{$_}],
            ["a valid API token, $_, endpoint list", '/api/ListUsers', 0, api_token => $text{$_}]) }
         qw(plain user role)),
    (map { ["a valid client, $_", '/api/ListUsers', 0, token => client_token($_)] } qw(good reader)),

    ['an unknown API token',     '/', 1, api_token => 'z' x 32],
    (map { ["API token $_", '/', 1, api_token => $text{$_}] } qw(expired disabled far nobody off)),
    (map { ["API token $_, required scope", '/scope', 1, api_token => $text{$_}] } qw(scope ceiling denied norole)),
    (map { ["API token $_, endpoint list", '/api/ListUsers', 1, api_token => $text{$_}] }
         qw(scope ceiling denied blocked norole)),
    (map { ["a refused client, $_", '/api/ListUsers', 1, token => client_token($_)] }
         qw(bad roleless far off foreign unknown)),
    ['a read-only client that writes', '/api/AddUser', 1, token => client_token('reader')],
    ['a client without a role', '/', 1, token => client_token('roleless')],
);

# the status and the body, or 0 and the error
sub try_once ($path, %o) {
    my $answer = eval {
        my $connection = $s->connect;
        $connection->send(request_bytes($path, close => 1, %o));
        $connection->response;
    };
    return ($answer ? $answer->{status} : 0, $answer ? $answer->{body} : $@);
}

sub untagged () {
    my $n = $s->upstream->hits->count('') - $s->{untagged};
    $s->{untagged} += $n;
    return $n;
}

my %identity = (
    http_x_user  => { map { $_ => 1 } '', 'jane' },
    http_x_scope => { map { $_ => 1 } '', 'users', 'readonly' },
    http_x_extra => { map { $_ => 1 } '', qw(plain user role good reader) },
);

my ($tag, %seen) = (0);

REQUEST:
for (@requests) {
    my ($name, $path, $is_bad, %o) = @$_;

    my ($right, @counts);
    for (1 .. 3) {
        arm($worker, 0, 0);
        ($right) = try_once($path, %o, tag => 'faults-warm');
        push @counts, (disarm())[0];
    }
    my ($allocations) = sort { $a <=> $b } @counts;
    like $right, $is_bad ? qr/^40[13]$/ : qr/^200$/, "$name: $right without a failure, $allocations allocations";

    for my $lasting (0, 1) {
        my (@granted, @wrong, @unfit);
        my $mode = $lasting ? 'lasting failures' : 'one failure';

        for my $n (1 .. $allocations + 2) {
            my $id = 'faults-' . ++$tag;

            arm($worker, $n, $lasting);
            my ($status, $body) = try_once($path, %o, tag => $id);
            disarm();

            if ($is_bad) {
                push @granted, "$n: $status"
                    if $status =~ /^[23]/ || $body =~ /protected/
                       || $s->upstream->hits->count($id) || untagged();
                push @wrong, "$n: $status" if $status != 0 && $status != $right && $status !~ /^5/;
            } else {
                $seen{$status}++;
                push @wrong, "$n: $status" if $status !~ /^(?:0|200|5\d\d)$/;
                untagged();

                my ($hit) = hits($s, $id);
                push @unfit, map { "$n: $_ $hit->{$_}" }
                             grep { $hit && !$identity{$_}{$hit->{$_}} } sort keys %identity;
            }

            push @wrong, "$n: $body" if $body =~ /\A\{/ && $body !~ /\A\{"code":".*"\}\z/;
        }

        is_deeply \@granted, [], "$name, $mode: no request is granted";
        is_deeply \@wrong, [], "$name, $mode: each answer is the right one or a 5xx";
        is_deeply \@unfit, [], "$name, $mode: the identity is right or missing" if !$is_bad;

        if (join(' ', $s->workers) ne $worker) {
            fail "$name, $mode: the worker died";
            last REQUEST;
        }
    }

    is_deeply [(try_once('/scope', api_token => $text{plain}, tag => 'after'))[0],
               (try_once('/scope', api_token => $text{scope}, tag => 'after'))[0]], [200, 403],
        "$name: the next requests get the right answers";
}

cmp_ok $seen{503} // 0, '>', 30, 'failures are answered with 503';
is_deeply [grep { /^4/ } keys %seen], [], 'a valid credential never gets a 4xx';
expect_log $s, qr/\[emerg\] .*(?:malloc|posix_memalign|memalign)\(.*failed \(12: /;
expect_log $s, qr/\[crit\] .* auth_token: 503 API_UNAVAILABLE\b.* reason: failed\b/;

# the check each second must not close the store because an allocation failed
{
    my $refused = qr/store not available, requests that need it are refused/;
    my $before  = () = $s->errors->content =~ /$refused/g;

    # each check, of the store and of two key files, has failures
    arm($worker, 1, 1);
    await_true(sub { failed_allocations() >= 6 }, 'checks without memory');
    disarm();

    is ((try_once('/scope', api_token => $text{plain}, tag => 'looked-at'))[0], 200,
        'the store stays open when its check fails without memory');
    is scalar(() = $s->errors->content =~ /$refused/g), $before, 'the failed check is not logged as a lost store';
}

# allocations fail while the store is opened: no request is granted, and the store is
# opened when memory is available
{
    my $path = $s->{store}->path;
    my ($closed, $back) = (0, 0);
    my @steps = map { $_ * 3 - 2 } 1 .. 5;

    for my $n (@steps) {
        rename $path, "$path.away";
        $s->errors->await(qr/store not available, requests that need it are refused/);
        arm($worker, $n, 1);
        rename "$path.away", $path;

        my $granted = sub { (try_once('/scope', api_token => $text{plain}, tag => 'opening'))[0] == 200 };
        await_true(sub { failed_allocations() || $granted->() }, 'an attempt to open the store');
        my ($status) = try_once('/scope', api_token => $text{scope}, tag => 'opening');
        $closed += $status =~ /^[45]|^0/;
        disarm();
        $back += !!await_true($granted, 'the store');
    }
    is $closed, @steps, 'no request is granted while the store cannot be opened';
    is $back, @steps, 'the store is opened when memory is available';
    untagged();
}

is_deeply [$s->workers], [$worker], 'the worker has not been replaced';

# --- the command ------------------------------------------------------------

my $records = 20;
my $import = export_text(
    roles   => [map { { name => "role-$_", grant => ["a.$_"] } } 1 .. 5],
    users   => [map { { username => "user-$_", scope => ["s.$_"] } } 1 .. 5],
    clients => [{ id => 'c1', role => 'role-1' }],
    tokens  => [{ id => 'kept', sha256 => '0' x 64, enabled => \0, description => 'changed', scope => ['other'] },
                map { { id => "id-$_", sha256 => sprintf('%064x', $_), user => 'user-1', scope => ['a' x 100] } }
                    1 .. $records],
);

sub fresh ($name) {
    system 'rm', '-rf', "$temp/$name";
    my $store = AuthToken::Store->new("$temp", $name);
    $store->import_records(users  => [{ username => 'jane', id => '1' }],
                           tokens => [{ id => 'kept', sha256 => '0' x 64, scope => ['read'] },
                                      { id => 'old', sha256 => 'f' x 64, created => 1000 }]);
    return $store;
}

# the export without times and random hashes
sub state_of ($store) {
    return $store->ok('export') =~ s/"created":\d+/"created":0/gr =~ s/"\$y\$[^"]+"/"hash"/gr;
}

sub state_is ($store, $before, $after) {
    my $now = state_of($store);
    return $now eq $before ? 'before' : $now eq $after ? 'after' : 'neither';
}

sub input_of ($noun, @) { $noun eq 'import' ? $import : "a password\n" }

# a store, and its state before and after the change
sub changes ($name, @arguments) {
    my $store  = fresh($name);
    my $before = state_of($store);
    my ($status, undef, $err) = $store->run(@arguments, { input => input_of(@arguments) });
    die $err if $status;
    my $after = state_of($store);
    die 'no change' if $after eq $before;
    return (fresh($name), $before, $after);
}

# Runs the command with a fault at each step that $next returns for the last one.
# $fault returns the options of step n, $came whether the fault happened.
sub each_fault ($name, $arguments, $next, $fault, $came, $may = qr/(?!)/) {
    my ($store, $before, $after) = changes('each', @$arguments);
    my $data = $store->path . '/data.mdb';
    copy($data, "$temp/pristine") or die "$data: $!\n";

    my (@wrong, %count);
    my $faults = 0;

    for (my $n = 1; defined $n; $n = $next->($n)) {
        my ($status, $out, $err) = $store->run(@$arguments, { input => input_of(@$arguments), $fault->($n)->%* });
        my $is = compare($data, "$temp/pristine") == 0 ? 'before' : state_is($store, $before, $after);

        push @wrong, "$n: the store is as $is, status $status, $err"
            if $is eq 'neither' || $status == 0 && $is ne 'after' || $status > 0 && $is ne 'before';
        # gcov needs memory when the process ends
        push @wrong, "$n: status $status" if $status !~ /^[01]$/ && $status !~ $may
                                          && !($ENV{AT_COVERAGE} && $status == -11);
        push @wrong, "$n: no error message" if $status == 1 && $err !~ /\Aauth-token: .+\n\z/;

        $count{$status}++;
        last if !$came->($n, $status);
        $faults++;
        copy("$temp/pristine", $data) or die "$data: $!\n" if $is ne 'before';
    }

    is_deeply \@wrong, [], "$name: the state is the old or the new one, as the exit code says";
    cmp_ok $faults, '>=', 3, "$name: $faults faults, " . join ', ', map { "$count{$_} times $_" } sort keys %count;
    like $store->ok('check'), qr/^store +sound$/m, "$name: the store is sound";
}

my @import  = ('import', '-');
my @replace = ('import', '--replace', '-');
my @disable = ('token', 'disable', 'kept');
my @create  = ('user', 'create', 'joe', '--id', '7', '--scope', 'read');
my @passwd  = ('user', 'passwd', 'jane');

# Allocations: all of the first and the last, a sample of the thousands in the middle,
# where OpenSSL initializes.  OpenSSL crashes on some of them.
for my $row (['import', 101, @replace], ['a change', 101, @disable], ['a user', 151, @create],
             ['a password', 151, @passwd])
{
    my ($name, $step, @arguments) = @$row;

    my $env = fail_alloc_env();
    my ($store) = changes('each', @arguments);
    $store->run(@arguments, { input => input_of(@arguments), env => $env, before => sub { arm($$, 0, 0) } });
    my ($total) = disarm();

    for my $lasting (0, 1) {
        my $mode = $lasting ? 'lasting failures' : 'one failure';
        each_fault("$name without memory, $mode", \@arguments,
            sub ($n) { $n < 60 || $n > $total - 200 ? $n + 1 : min($n + $step, max($n + 1, $total - 199)) },
            sub ($n) { return { env => $env, before => sub { arm($$, $n, $lasting) } } },
            sub ($n, $status) { (disarm())[1] },
            $name =~ /^(?:import|a user)$/ ? qr/^-11$/ : qr/(?!)/);
    }
}

# each write, sync and change of size fails, or the process is killed before or after
for my $row (['import', @replace], ['a change', @disable], ['a password', @passwd]) {
    my ($name, @arguments) = @$row;

    for my $how (qw(EIO ENOSPC short kill-before kill-after)) {
        each_fault("$name, $how", \@arguments, sub ($n) { $n + 1 },
            sub ($n) { return { env => fail_write($how, $n) } },
            sub ($n, $status) { -e "$temp/came" },
            $how =~ /kill/ ? qr/^-9$/ : qr/(?!)/);
    }
}

# a limit of the file size, with SIGXFSZ and without
{
    my ($store, $before, $after) = changes('limit', @import);
    my $size = -s $store->path . '/data.mdb';
    my (@wrong, %count);

    for my $signal (qw(DEFAULT IGNORE)) {
        for my $pages (0 .. 40) {
            my ($status, undef, $err) = $store->run(@import, { input => $import, limit => $pages * 4096,
                before => sub { $SIG{XFSZ} = $signal } });
            my $is = state_is($store, $before, $after);
            $count{$is}++;
            push @wrong, "$signal, $pages pages: status $status, as $is, $err"
                if $is ne ($status ? 'before' : 'after') || ($signal eq 'IGNORE' && $status !~ /^[01]$/);
            ($store, $before, $after) = changes('limit', @import) if $is ne 'before';
        }
    }
    is_deeply \@wrong, [], 'with a limit of the file size, the state is the old or the new one';
    cmp_ok $count{$_} // 0, '>', 0, "the limit was hit $_ the commit" for qw(before after);
}

# a token whose text could not be written to the output must not be created
{
    my $store  = fresh('full');
    my $before = state_of($store);

    for my $row (['token', 'create', '--id', 'new'], ['client', 'create', 'new', '--secret'],
                 ['export'], ['token', 'list'], ['check'])
    {
        my ($status, undef, $err) = $store->run(@$row, { to => '/dev/full' });
        is $status, 1, "@$row fails on a full output device";
        like $err, qr/No space left on device/, 'the error names the cause';
    }

    is state_of($store), $before, 'nothing was created';
    like $store->ok('check'), qr/^store +sound$/m, 'the store is sound';
}

# --- a command that is killed while nginx runs ------------------------------

# After a kill between the write of a commit and the update of lock.mdb, workers have
# to close and reopen the store.
{
    my $store = $s->{store};
    my ($wrong, $longest, $n) = (0, 0, 0);
    my $on = 1;

    while (++$n < 50) {
        my $verb = $on ? 'disable' : 'enable';
        $store->run('token', $verb, 'plain', { env => fail_write($n % 2 ? 'kill-after' : 'kill-before',
                                                                 1 + int(($n - 1) / 2)) });

        # the time of two checks
        my ($begin, $last, %seen) = (time, 0);
        while (time - $begin < 2.6) {
            my ($status) = try_once('/scope', api_token => $text{plain}, tag => 'killed');
            $seen{$status}++;
            $last = time - $begin if $status !~ /^(?:200|403)$/;
            $wrong++ if $status !~ /^(?:200|403|503)$/;
            select undef, undef, undef, 0.01;
        }
        $longest = $last if $last > $longest;

        my $shown = $store->ok('token', 'show', 'plain') =~ /^enabled +yes$/m ? 200 : 403;
        my ($status) = try_once('/scope', api_token => $text{plain}, tag => 'killed');
        $wrong++ if $status != $shown;
        $on = $shown == 200;

        last if !-e "$temp/came";
    }

    is $wrong, 0, 'after a killed command, workers have the old or the new state, at last that of the store';
    cmp_ok $n, '>=', 5, 'the command was killed ' . ($n - 1) . ' times';
    cmp_ok $longest, '<', 2.2, sprintf 'workers answer again after %.1f s', $longest;
    $store->ok('token', 'enable', 'plain');
    untagged();
}

done;

__DATA__
/* for LD_PRELOAD: the n-th write, sync or change of size of a regular file fails */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int  n;

/* 0: no fault, 1: fail with errno set, 2: write half, 3: kill afterwards */
static int
fault(int fd)
{
    int          came;
    struct stat  st;
    const char  *how = getenv("AT_FAIL_HOW");

    if (how == NULL || fd < 3 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0
        || ++n != atoi(getenv("AT_FAIL_N")))
    {
        return 0;
    }

    came = open(getenv("AT_FAIL_CAME"), O_CREAT|O_WRONLY, 0600);
    close(came);

    if (strcmp(how, "kill-before") == 0) {
        raise(SIGKILL);
    }

    if (strcmp(how, "kill-after") == 0) {
        return 3;
    }

    if (strcmp(how, "short") == 0) {
        return 2;
    }

    errno = strcmp(how, "EIO") == 0 ? EIO : ENOSPC;
    return 1;
}

#define REAL(name)  ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

#define WRAP(call, half)                                                      \
    __typeof__(call) rc;                                                      \
    int              what = fault(fd);                                        \
    if (what == 1) {                                                          \
        return -1;                                                            \
    }                                                                         \
    rc = what == 2 ? (half) : (call);                                         \
    if (what == 3) {                                                          \
        raise(SIGKILL);                                                       \
    }                                                                         \
    return rc;

ssize_t
pwrite(int fd, const void *buf, size_t size, off_t offset)
{
    WRAP(REAL(pwrite)(fd, buf, size, offset), REAL(pwrite)(fd, buf, size / 2, offset))
}

ssize_t
write(int fd, const void *buf, size_t size)
{
    WRAP(REAL(write)(fd, buf, size), REAL(write)(fd, buf, size / 2))
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    WRAP(REAL(pwritev)(fd, iov, count, offset), REAL(pwritev)(fd, iov, 1, offset) / 2)
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
    WRAP(REAL(writev)(fd, iov, count), REAL(writev)(fd, iov, 1) / 2)
}

int
fdatasync(int fd)
{
    WRAP(REAL(fdatasync)(fd), (errno = EIO, -1))
}

int
fsync(int fd)
{
    WRAP(REAL(fsync)(fd), (errno = EIO, -1))
}

int
ftruncate(int fd, off_t size)
{
    WRAP(REAL(ftruncate)(fd, size), (errno = EIO, -1))
}

/* off64_t is off_t */
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off64_t) __attribute__((alias("pwritev")));
int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));
