#!/usr/bin/perl

# make demo: it shows what it should, its verdict can be trusted, and nothing is
# left of it when it is stopped.

use v5.36;

use lib 't/lib';
use AuthToken::Server;
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;

my $root  = $AuthToken::Server::ROOT;
my $build = $AuthToken::Server::BUILD;

my $temp = tempdir('at-demo-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $temp;

my $dir  = "$temp/its own directory";
my $port = free_port();

$ENV{AT_BUILD}  = $build;
$ENV{AT_NGINX}  = nginx();
$ENV{DEMO_DIR}  = $dir;
$ENV{DEMO_PORT} = $port;
delete @ENV{qw(DEMO_EXPECT_WRONG MAKEFLAGS MAKELEVEL MFLAGS)};

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my %seen;                       # every process of the demo there ever was, and when
                                # it began, as numbers of processes come again

END {
    local $?;
    demo('stop') if -d $dir;
    kill 'KILL', living();
}

# --- what it needs ----------------------------------------------------------

{
    my ($named) = read_file("$root/demo/run") =~ /^    for tool in (.*); do$/m;
    my ($demo)  = read_file("$root/deps.sh") =~ /^    demo\)\n(.*?);;/ms;

    # base64 is of coreutils, which is essential; nginx is built for
    ok $demo =~ /\b\Q$_\E\b/, "deps.sh demo installs $_"
        for grep { !/nginx|base64/ } split ' ', $named;
}

# --- as expected ------------------------------------------------------------

my ($status, $output) = demo('run');
is $status, 0, 'every answer is as expected' or diag $output;

# what leaks in the command was seen by now; it takes as long as all the rest
$ENV{ASAN_OPTIONS} = 'detect_leaks=0';

my @verdicts = $output =~ /^   (ok|WRONG)$/mg;
my $calls    = @verdicts;

is_deeply \@verdicts, [('ok') x $calls], 'and it says so of each';
like $output, qr/^All \Q$calls\E answers are as expected\.\n\z/m, 'and in the end';

my %body = (
    'Missing Access Token'          => '401 Unauthorized',
    'Expired JWT Access Token'      => '401 Unauthorized',
    'Invalid JWT Access Token'      => '401 Unauthorized',
    'Insufficient Rights'           => '403 Forbidden',
    'Client IP Address Not Allowed' => '403 Forbidden',
    'Expired API Token'             => '401 Unauthorized',
    'Invalid API Token'             => '401 Unauthorized',
    'API Client Unknown Or Disabled' => '403 Forbidden',
    'Invalid Credentials'           => '401 Unauthorized',
    'Invalid Refresh Token'         => '401 Unauthorized',
);

like $output, qr[^\ {3}HTTP/1\.1\ \Q$body{$_}\E\n (?:\ {3}WWW-Authenticate:.*\n)? \n
                   \ {3}\{"code":"API_[A-Z_]+","message":"\Q$_\E"\}\n]mx, "shown: $_"
    for sort keys %body;

like $output, qr/^   reason in the log: $_$/m, "shown: $_"
    for qw(no_credential expired bad_signature malformed bad_alg audience scope
           address expired_api_token unknown_api_token disabled_client
           unknown_client endpoint wrong_password rotated_refresh_token revoked_session);

for my $name (qw(GOOD EXPIRED TAMPERED UNSIGNED CONFUSED READER)) {
    my $call = index $output, qq("Authorization: Bearer \$$name");
    my $made = $output =~ /^   (?:\$ $name=\$\(|# $name: )/m ? $-[0] : -1;
    ok 0 <= $made && $made < $call, "\$$name: how it was made, then a call with it";
}

for my $name (qw(API_TOKEN OLD_TOKEN)) {
    my $call = index $output, qq("X-API-Token: \$$name");
    my $made = $output =~ /^   \$ $name=\$\(\S*auth-token token create .*\)$/m ? $-[0] : -1;
    ok 0 <= $made && $made < $call, "\$$name: how it was made, then a call with it";
}

# what an answer gives, and what comes of it
for my $row ([SESSION => accessToken => 'Cookie: accessToken='], [REFRESH => refreshToken => 'Cookie: refreshToken='],
             [NEXT_SESSION => accessToken => 'Cookie: accessToken='],
             [NEXT_REFRESH => refreshToken => 'Cookie: refreshToken='],
             [PROGRAM => access_token => 'Authorization: Bearer '])
{
    my ($name, $what, $header) = @$row;
    my $given = index $output, "   # $name: the $what of this answer\n";
    my $call  = index $output, qq("$header\$$name");
    ok 0 <= $given && $given < $call, "\$$name: which answer had it, then a call with it";
}
for my $cookie ('accessToken=...; Max-Age=1800; Path=/; Expires=', 'refreshToken=...; Max-Age=86400; Path=/api/auth/token; Expires=',
                'accessToken=; Max-Age=0;', 'refreshToken=; Max-Age=0;')
{
    like $output, qr/^   Set-Cookie: \Q$cookie\E/m, "shown: $cookie";
}
like $output, qr/^   \{"access_token":"\.\.\.",/m, 'shown: the token of client credentials, without the token';

# what becomes of a record while nginx runs: its changes, and the answers to calls
# with the same credential
for my $row (['API_TOKEN', 'token', 'backup', 'disable 403 enable 200 revoke 401'],
             ['CLIENT', 'client', '[0-9a-f-]{36}', 'disable 403 enable 200'])
{
    my ($name, $noun, $id, $expected) = @$row;
    my ($rest) = $output =~ /^(   \$ \S*auth-token $noun disable .*)/ms;
    my @steps;

    while ($rest =~ /^   \$ (?:\S*auth-token $noun (\w+) $id$|curl .*\$$name"\n   HTTP\/1.1 (\d+))/mg) {
        push @steps, $1 // $2;
    }
    is "@steps", $expected, "\$$name: $expected";
}

unlike $output, qr/\beyJ/, 'no token is printed';
my @tokens = read_file("$dir/tokens") =~ /^\w+='(.+)'$/mg;
cmp_ok scalar @tokens, '>=', 10, 'all are kept';
is_deeply [grep { index($output, $_) >= 0 } @tokens], [], 'none is printed, no API token either';
unlike $output, qr/\e/, 'no colours, as it is no terminal';

# --- what it leaves ---------------------------------------------------------

my @first = processes();
cmp_ok scalar @first, '>=', 2, 'nginx is left running: master and worker';

is mode("$dir/$_"), '0600', "$_ is its owner's" for qw(tokens keys/issuer);
is mode("$dir/store/data.mdb"), '0640', 'the store is written by its owner alone';

my ($line) = $output =~ /^   \$ (curl -i \S+ -H "Authorization: Bearer \$MINE")$/m;
my ($mint) = $output =~ /^   \$ (MINE=.*)$/m;
my ($made) = $output =~ /^   \$ (MY_TOKEN=.*)$/m;
my ($with) = $output =~ /^   \$ (curl -i \S+ -H "X-API-Token: \$MY_TOKEN")$/m;
my ($dot)  = $output =~ /^   \$ (\. .*tokens.*)$/m;

like as_typed($dot, 'curl -i ' . url('me') . ' -H "Authorization: Bearer $GOOD"'),
    qr/200 OK.*"user":"jane"/s, 'the tokens can be had in a shell';
like as_typed($mint, $line), qr/200 OK.*"user":"john"/s,
    'a further token is made as it says';
like as_typed($dot, $made, $with), qr/200 OK.*"user":"jane"/s, 'and an API token';
like as_typed($dot, "$build/auth-token token list"), qr/^expired .* old$/m,
    'the store is there for the command';

like $output, qr/^   \$ DEMO_DIR='\Q$dir\E' make demo-stop$/m, 'how to stop it';

# --- its verdict can be trusted ---------------------------------------------

# Each of these also begins anew over one that is running.  Sanitized, a demo takes
# four times as long, and the script is the same.
my %cases = ('one refused' => ['3'], 'the last' => [$calls],
             'some' => ['2:body', '4:status', '25:log', $calls]);

for my $name ($ENV{AT_SANITIZE} ? () : sort keys %cases) {
    my @what = $cases{$name}->@*;
    my @n    = map { s/:.*//r } @what;

    local $ENV{DEMO_EXPECT_WRONG} = "@what";
    my ($status, $output) = demo('run');

    is $status, 1, "wrong expectation of $name: exit code 1";
    is_deeply [grep { ($output =~ /^   (ok|WRONG)$/mg)[$_ - 1] eq 'WRONG' } 1 .. $calls],
        \@n, 'those calls are said to be wrong, and no other';
    like $output, qr/^WRONG answers: @n, of $calls\n\z/m, 'and in the end';
    processes();
}

for my $what ($calls + 1, '1:nothing', '3 x', '3:4', '3:4:log') {
    local $ENV{DEMO_EXPECT_WRONG} = $what;
    my ($status) = demo('run');
    is $status, 2, "DEMO_EXPECT_WRONG=$what means nothing: exit code 2";
}

# --- once more, beginnings that fail ----------------------------------------

is_deeply [processes()], [], 'a demo that failed is not left running';
is_deeply [living()], [], 'nor any of those before';

($status, $output) = demo('run');
is $status, 0, 'it runs again';
processes();

{
    local $ENV{DEMO_DIR} = "$temp/another";
    my ($status, $output) = demo('run');
    is $status, 2, 'a port that is in use: exit code 2';
    like $output, qr/port $port is in use/, 'and it is named';
}

{
    mkdir "$temp/home";
    open my $fh, '>', "$temp/home/letter";

    local $ENV{DEMO_DIR} = "$temp/home";
    my ($status, $output) = demo('run');
    is $status, 2, "a directory that is not the demo's: exit code 2";
    ok -e "$temp/home/letter", 'it is left alone';
}

like as_typed("curl -i " . url('me')), qr/ 401 /, 'the one that runs is not disturbed';

# --- the end ----------------------------------------------------------------

($status, $output) = demo('stop');
is $status, 0, 'it is stopped';
like $output, qr/is stopped/, 'and says so';
# the master has no file any more before it has ended, and a sanitizer looks for leaks then
eval { AuthToken::Log::await_true(sub { !living() }, 'the processes to end') };
is_deeply [living()], [], 'no process is left';

($status, $output) = demo('stop');
is $status, 0, 'stopping it once more';
like $output, qr/No demo is running/, 'does nothing';

my ($bystander) = spawn('sleep', '60');
write_file("$dir/nginx.pid", "$bystander\n");
demo('stop');
ok is_alive($bystander), 'nor to a process that has the number meanwhile';
kill 'KILL', $bystander;
waitpid $bystander, 0;

# a port that another process takes in between is tried again with the next one
unlike read_file("$dir/error.log")
           =~ s/^.*\[emerg\].* bind\(\) to .* failed .*\n//mgr
           =~ s/^.*\[emerg\].*still could not bind\(\).*\n//mgr,
    qr/\[(?:alert|crit|emerg)\]|exited on signal|AddressSanitizer|runtime error/,
    'no alarm in the log';
is_deeply [glob "$temp/sanitizer/*"], [], 'no report of a sanitizer';

done_testing();

# --- helpers ----------------------------------------------------------------

# exit code and output of demo/run or demo/stop
sub demo ($what) {
    my $pid = open my $pipe, '-|' // die "fork: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec "$root/demo/$what" or POSIX::_exit(127);
    }

    local $/;
    my $output = <$pipe>;
    close $pipe;

    return ($? >> 8, $output);
}

sub url ($name) { "http://127.0.0.1:$port/api/v6.1/$name" }

# the output of lines typed into a shell
sub as_typed (@lines) {
    open my $pipe, '-|', 'sh', '-c', join("\n", 'exec 2>/dev/null', @lines) or die "sh: $!\n";
    local $/;
    return <$pipe>;
}

sub spawn (@command) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    exec @command or POSIX::_exit(127);
}

# the demo's processes as they are now; remembers them
sub processes () {
    open my $fh, '<', "$dir/nginx.pid" or return;
    chomp(my $master = <$fh> // return);

    my @found = grep { is_alive($_) } $master, children($master);
    $seen{$_} = is_alive($_) || $seen{$_} || -1 for @found;
    return @found;
}

sub children ($parent) {
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $stat or next;
        my ($pid, $ppid) = (<$fh> // '') =~ /\A(\d+) \(.*\) \S (\d+)/ or next;
        push @found, $pid if $ppid == $parent;
    }
    return @found;
}

# when it began, in ticks; a zombie is not
sub is_alive ($pid) {
    open my $fh, '<', "/proc/$pid/stat" or return 0;
    return (<$fh> // '') =~ /\) [^ZX] (?:\S+ ){18}(\d+) / ? $1 : 0;
}

# those of the demo that there are still
sub living () { grep { is_alive($_) == $seen{$_} } keys %seen }

sub mode ($path) { sprintf '%04o', (stat $path)[2] & 07777 }

sub read_file ($path) { AuthToken::Log->new($path)->content }

sub write_file ($path, $text) {
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh;
}

sub free_port () { AuthToken::Server::_free_port() }

# nginx, or with sanitizers a script that has them loaded into it, alone
sub nginx () {
    return $AuthToken::Server::NGINX if !$ENV{AT_SANITIZE};

    mkdir "$temp/sanitizer";
    chmod 01777, "$temp/sanitizer";

    my %env = AuthToken::Server::_sanitizer({ dir => $temp });
    my $set = join ' ', map { "$_='$env{$_}'" } sort keys %env;

    write_file("$temp/nginx", "#!/bin/sh\nexec env $set $AuthToken::Server::NGINX \"\$@\"\n");
    chmod 0755, "$temp/nginx";
    return "$temp/nginx";
}
