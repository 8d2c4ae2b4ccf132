#!/usr/bin/perl

# A store of a million API tokens: limits of time and memory for the import, each
# token is found, and nginx starts, reloads and uses memory as with an empty store,
# except for the time that the check of the pages takes.
# AT_BIG=0 uses a hundred thousand.
#
# Requirements: store-size.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use POSIX ();
use Time::HiRes qw(time);

plan skip_all => 'a sanitizer changes times and sizes' if $ENV{AT_SANITIZE};

my $n = $ENV{AT_BIG} // 1 ? 1_000_000 : 100_000;

my $conf = <<'CONF';
    %%ISSUER%%
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_cache off;                       # the test measures memory without it
    server {
        listen %%LISTEN%%;
        auth_token on;
        keepalive_requests 100000;
        location /     { proxy_pass %%UPSTREAM%%; }
        location /need { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
    }
CONF

sub begin () {
    return start($conf, workers => 2, log_level => 'error', prepare => AuthToken::Store->prepare);
}

# the harness waits for a notice, which this log level does not write
{
    no warnings 'redefine';
    *AuthToken::Server::_ready = sub ($self) {
        return await_true(sub {
            return 'ended' if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
            my @workers = $self->workers;
            @workers == 2 && eval { $self->connect->close; 1 };
        }, 'nginx to start', 30) ne 'ended';
    };
}

my $full  = begin();
my $empty = begin();

# --- import -----------------------------------------------------------------

sub token_of ($i) { sprintf 'token-%026d', $i }

my $file = $full->dir . '/tokens.jsonl';
{
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh qq({"format":"auth-token","version":1}\n);
    for my $i (1 .. $n) {
        print $fh '{"type":"token","id":"id-', $i, '","token":"', token_of($i), '","description":"number ', $i,
            '","scope":["read","write"],"ip_ranges":["127.0.0.0/8","2001:db8::/32"],',
            '"expires":', 4_000_000_000_000 + $i, "}\n";
    }
    close $fh or die "$file: $!\n";
}
note sprintf '%d tokens, %.0f MiB of JSON', $n, (-s $file) / (1 << 20);

# Runs the command: exit code, output, CPU seconds, peak memory in MiB.
sub measured ($store, @arguments) {
    my $out   = $full->dir . '/out';
    my $begin = processor();
    my $pid   = fork // die "fork: $!\n";

    if (!$pid) {
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        exec "$AuthToken::Server::BUILD/auth-token", '--store', 'lmdb:' . $store->path, @arguments
            or POSIX::_exit(127);
    }

    my ($peak, $status) = (0);
    await_true(sub {
        my ($kb) = AuthToken::Log->new("/proc/$pid/status")->content =~ /^VmHWM:\s+(\d+) kB/m;
        $peak = $kb if ($kb // 0) > $peak;
        $status = $? if waitpid($pid, POSIX::WNOHANG()) == $pid;
        defined $status;
    }, "@arguments", 300);

    return ($status, AuthToken::Log->new($out)->content, processor() - $begin, $peak / 1024);
}

# CPU seconds of all ended children
sub processor () { return [times]->[2] + [times]->[3] }

my $store = $full->{store};
{
    my ($status, $out, $seconds, $peak) = measured($store, 'import', $file);
    is $status, 0, 'a million API tokens are imported' or BAIL_OUT($out);
    like $out, qr/^tokens +$n added, 0 changed, 0 unchanged, 0 removed$/m, 'the import reports the number';
    cmp_ok $peak, '<', 700, sprintf 'the import takes %.0f MiB', $peak;
    cmp_ok $seconds, '<', 45, sprintf 'the import takes %.1f s', $seconds;
}
note sprintf 'data.mdb: %.0f MiB', (-s $store->path . '/data.mdb') / (1 << 20);

{
    my $size = -s $store->path . '/data.mdb';
    my ($status, $out, $seconds, $peak) = measured($store, 'import', $file);
    like $out, qr/^tokens +0 added, 0 changed, $n unchanged, 0 removed$/m, 'a second import changes nothing';
    cmp_ok $peak, '<', 700, sprintf 'the second import takes %.0f MiB and %.1f s', $peak, $seconds;
    cmp_ok -s $store->path . '/data.mdb', '<=', $size + (8 << 20), 'the second import does not grow data.mdb';
}
unlink $file;

# --- lookups ----------------------------------------------------------------

sub status ($s, $token, $path = '/') {
    return $s->request($path, api_token => $token, tag => next_tag)->{status};
}

{
    my @some = (1, 2, $n - 1, $n, map { 1 + int rand $n } 1 .. 2_000);
    is_deeply [grep { status($full, token_of($_), '/need') != 200 } @some], [],
        '2,000 random API tokens are found, with their scopes';
    is_deeply [grep { status($full, token_of($_)) != 401 } 0, $n + 1], [], 'other API tokens are not found';

    my $one = 1 + int rand $n;
    granted $full, '/need', 'a random API token is granted', api_token => token_of($one),
        decision => { status => 'OK', client => "id-$one", scope => 'read write' };

    like $store->ok('token', 'show', "id-$one"), qr/^description +number $one$/m, 'the command finds an API token by its id';
    $store->ok('token', 'disable', "id-$one");
    refused $full, '/', client_disabled => 'a disabled API token is refused', api_token => token_of($one), log => 0, reason => 'disabled_client';
    $store->ok('token', 'revoke', "id-$one");
    refused $full, '/', invalid_api_token => 'a revoked API token is refused', api_token => token_of($one),
            log => 0;
}

# --- the same speed as with an empty store ----------------------------------

sub median (@values) { (sort { $a <=> $b } @values)[$#values / 2] }

sub taken ($times, $code) {
    return median(map { my $begin = time; $code->(); time - $begin } 1 .. $times);
}

sub as_fast ($name, $times, $slack, $code) {
    my ($with, $without) = map { my $s = $_; taken($times, sub { $code->($s) }) } $full, $empty;
    cmp_ok $with, '<', 1.5 * $without + $slack,
        sprintf '%s: %.1f ms, empty %.1f ms', $name, 1000 * $with, 1000 * $without;
}

my $few = $empty->{store}->token('one', text => token_of(1), scope => 'read');

# pages are checked at start: 0.1 s for 100 MB, and twice that on a busy machine
my $check = 0.2 * (-s $full->{store}->path . '/data.mdb') / 100e6;

as_fast('nginx -t', 7, 0.03 + $check, sub ($s) { ($s->check)[0] == 0 or die });
as_fast('a reload until the old workers have exited', 7, 0.1 + $check, sub ($s) { $s->disconnect; $s->reload });
as_fast('a request', 300, 0.001, sub ($s) { status($s, token_of(1)) == 200 or die });
as_fast('a stop and a start', 5, 0.1 + $check, sub ($s) { $s->stop; $s->start });
as_fast('a change', 15, 0.02, sub ($s) {
    $s->{store}->update('token', $s == $full ? 'id-7' : 'one', description => next_tag);
});

# --- memory -----------------------------------------------------------------

# private memory: the mapped store is shared page cache
sub private_memory ($pid) {
    my ($kb) = AuthToken::Log->new("/proc/$pid/status")->content =~ /^RssAnon:\s+(\d+) kB/m;
    return $kb;
}

sub store_memory ($pid) {
    my ($map) = AuthToken::Log->new("/proc/$pid/smaps")->content
        =~ m{^(\S+ \S+ \S+ \S+ \d+ +\S+/store/data\.mdb\n(?:[A-Z][^\n]*\n)*)}m;
    return map { my ($kb) = ($map // '') =~ /^$_:\s+(\d+) kB/m; $kb } qw(Rss Pss Private_Dirty Shared_Dirty);
}

{
    for my $i (1 .. 3_000) {
        status($full, token_of(1 + int rand $n), '/');
        status($empty, token_of(1), '/');
        $_->disconnect for $i % 100 ? () : ($full, $empty);
    }

    my ($big)   = sort { $b <=> $a } map { private_memory($_) } $full->workers;
    my ($small) = sort { $b <=> $a } map { private_memory($_) } $empty->workers;
    cmp_ok $big, '<', $small + 1024, "a worker uses $big KiB of private memory, $small KiB with an empty store";
    cmp_ok private_memory($full->pid), '<', private_memory($empty->pid) + 512,
        'the master uses the same private memory';

    for my $worker ($full->workers) {
        my ($rss, $pss, @dirty) = store_memory($worker);
        ok defined $rss, "worker $worker maps the store: $rss KiB resident, its share $pss KiB" or next;
        is_deeply \@dirty, [0, 0], "worker $worker has not written to the map";
    }
}

done;
