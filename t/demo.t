#!/usr/bin/perl

# make demo: every response is as expected, a wrong response is reported, the printed
# commands work, and stopping it leaves no process.

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

my $dir  = "$temp/directory of the demo";
my $port = AuthToken::Server::_free_port();

$ENV{AT_BUILD}  = $build;
$ENV{AT_NGINX}  = AuthToken::Server::script($temp);
$ENV{DEMO_DIR}  = $dir;
$ENV{DEMO_PORT} = $port;
delete @ENV{qw(DEMO_EXPECT_WRONG MAKEFLAGS MAKELEVEL MFLAGS)};

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my %seen;                       # every process of the demo and when it began, as
                                # process ids are reused

END {
    local $?;
    demo('stop') if -d $dir;
    kill 'KILL', living();
}

# --- dependencies -----------------------------------------------------------

{
    my ($named) = read_file("$root/demo/run") =~ /^    for tool in (.*); do$/m;
    my ($demo)  = read_file("$root/deps.sh") =~ /^    demo\)\n(.*?);;/ms;

    # base64 belongs to coreutils, which every system has; nginx is a build dependency
    ok $demo =~ /\b\Q$_\E\b/, "deps.sh demo installs $_"
        for grep { !/nginx|base64/ } split ' ', $named;
}

# --- the first run ----------------------------------------------------------

my ($status, $output) = demo('run');
is $status, 0, 'every response is as expected: exit code 0' or diag $output;

# the first run has reported leaks of the command; the check takes as long as all the rest
$ENV{ASAN_OPTIONS} = 'detect_leaks=0';

my @verdicts = $output =~ /^   (ok|WRONG)$/mg;
my $calls    = @verdicts;

is_deeply \@verdicts, [('ok') x $calls], 'each response is reported as ok';
like $output, qr/^All \Q$calls\E responses are as expected\.\n\z/m, 'the last line reports the number of responses';

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

like $output, qr[^\ {3}HTTP/1\.1\ \Q$body{$_}\E\n (?:\ {3}WWW-Authenticate:.*\n)* \n
                   \ {3}\{"code":"API_[A-Z_]+","message":"\Q$_\E"\}\n]mx, "the output shows the refusal: $_"
    for sort keys %body;

like $output, qr/^   reason in the log: $_$/m, "the output shows the reason: $_"
    for qw(no_credential expired bad_signature malformed bad_alg audience_mismatch insufficient_scope
           address_not_allowed expired_api_token unknown_api_token disabled_client
           unknown_client endpoint_not_granted wrong_password revoked_session);

for my $name (qw(GOOD EXPIRED TAMPERED UNSIGNED CONFUSED READER)) {
    my $call = index $output, qq("Authorization: Bearer \$$name");
    my $made = $output =~ /^   (?:\$ $name=\$\(|# $name: )/m ? $-[0] : -1;
    ok 0 <= $made && $made < $call, "\$$name: the output shows how it was made, then a request with it";
}

for my $name (qw(API_TOKEN OLD_TOKEN)) {
    my $call = index $output, qq("X-API-Token: \$$name");
    my $made = $output =~ /^   \$ $name=\$\(\S*auth-token token create .*\)$/m ? $-[0] : -1;
    ok 0 <= $made && $made < $call, "\$$name: the output shows how it was made, then a request with it";
}

# tokens of responses, and the requests that use them
for my $row ([SESSION => accessToken => 'Cookie: accessToken='], [REFRESH => refreshToken => 'Cookie: refreshToken='],
             [NEXT_SESSION => accessToken => 'Cookie: accessToken='],
             [NEXT_REFRESH => refreshToken => 'Cookie: refreshToken='],
             [PROGRAM => access_token => 'Authorization: Bearer '])
{
    my ($name, $what, $header) = @$row;
    my $given = index $output, "   # $name: the $what of this response\n";
    my $call  = index $output, qq("$header\$$name");
    ok 0 <= $given && $given < $call, "\$$name: the output shows its response, then a request with it";
}
for my $cookie ('accessToken=...; Max-Age=1800; Path=/; Expires=', 'refreshToken=...; Max-Age=86400; Path=/api/auth/token; Expires=',
                'accessToken=; Max-Age=0;', 'refreshToken=; Max-Age=0;')
{
    like $output, qr/^   Set-Cookie: \Q$cookie\E/m, "the output shows the cookie $cookie";
}
like $output, qr/^   \{"access_token":"\.\.\.",/m, 'the token of client credentials is printed as dots';

# changes of a record while nginx runs, and the statuses of requests with its credential
for my $row (['API_TOKEN', 'token', 'backup', 'disable 403 enable 200 revoke 401'],
             ['CLIENT', 'client', '[0-9a-f-]{36}', 'disable 403 enable 200'])
{
    my ($name, $noun, $id, $expected) = @$row;
    my ($rest) = $output =~ /^(   \$ \S*auth-token $noun disable .*)/ms;
    my @steps;

    while ($rest =~ /^   \$ (?:\S*auth-token $noun (\w+) $id$|curl .*\$$name"\n   HTTP\/1.1 (\d+))/mg) {
        push @steps, $1 // $2;
    }
    is "@steps", $expected, "\$$name: changes and statuses are $expected";
}

unlike $output, qr/\beyJ/, 'no JWT is printed';
my @tokens = read_file("$dir/tokens") =~ /^\w+='(.+)'$/mg;
cmp_ok scalar @tokens, '>=', 10, 'the tokens are in the file for the shell';
is_deeply [grep { index($output, $_) >= 0 } @tokens], [], 'no token of that file is printed';
unlike $output, qr/\e/, 'no colours, because the output is not a terminal';

# --- the running server -----------------------------------------------------

my @first = processes();
cmp_ok scalar @first, '>=', 2, 'nginx keeps running: master and worker process';

is mode("$dir/$_"), '0600', "only its owner can read $_" for qw(tokens keys/issuer);
is mode("$dir/store/data.mdb"), '0640', 'only its owner can write the store';

my ($line) = $output =~ /^   \$ (curl -i \S+ -H "Authorization: Bearer \$MINE")$/m;
my ($mint) = $output =~ /^   \$ (MINE=.*)$/m;
my ($made) = $output =~ /^   \$ (MY_TOKEN=.*)$/m;
my ($with) = $output =~ /^   \$ (curl -i \S+ -H "X-API-Token: \$MY_TOKEN")$/m;
my ($dot)  = $output =~ /^   \$ (\. .*tokens.*)$/m;

like as_typed($dot, 'curl -i ' . url('me') . ' -H "Authorization: Bearer $GOOD"'),
    qr/200 OK.*"user":"jane"/s, 'a shell gets the tokens from that file';
like as_typed($mint, $line), qr/200 OK.*"user":"john"/s, 'the printed command makes another token';
like as_typed($dot, $made, $with), qr/200 OK.*"user":"jane"/s, 'the printed command makes an API token';
like as_typed($dot, "$build/auth-token token list"), qr/^expired .* old$/m,
    'the command finds the store of the demo';

like $output, qr/^   \$ DEMO_DIR='\Q$dir\E' make demo-stop$/m, 'the output shows how to stop it';

# --- wrong responses ---------------------------------------------------------

# It also starts again while it is running.  Sanitized, one run is enough: the script is the same.
if (!$ENV{AT_SANITIZE}) {
    my @what = ('2:body', 3, '4:status', '25:log', $calls);
    my @n    = map { s/:.*//r } @what;

    local $ENV{DEMO_EXPECT_WRONG} = "@what";
    my ($status, $output) = demo('run');

    is $status, 1, 'unexpected responses: exit code 1';
    is_deeply [grep { ($output =~ /^   (ok|WRONG)$/mg)[$_ - 1] eq 'WRONG' } 1 .. $calls],
        \@n, 'exactly these responses are reported as wrong';
    like $output, qr/^WRONG responses: @n of $calls\n\z/m, 'the last line lists them';
    processes();
}

for my $what ('1:nothing', '3 x', '3:4', '3:4:log') {
    local $ENV{DEMO_EXPECT_WRONG} = $what;
    my ($status) = demo('run');
    is $status, 2, "DEMO_EXPECT_WRONG=$what is invalid: exit code 2";
}

# --- failing to start -------------------------------------------------------

{
    local $ENV{DEMO_DIR} = "$temp/another";
    my ($status, $output) = demo('run');
    is $status, 2, 'the port is in use: exit code 2';
    like $output, qr/port $port is in use/, 'the message names the port';
}

{
    mkdir "$temp/home";
    open my $fh, '>', "$temp/home/letter";

    local $ENV{DEMO_DIR} = "$temp/home";
    my ($status, $output) = demo('run');
    is $status, 2, 'the directory contains other files: exit code 2';
    ok -e "$temp/home/letter", 'they are not removed';
}

like as_typed("curl -i " . url('me')), qr/ 401 /, 'the running demo still answers';

# --- stopping ---------------------------------------------------------------

($status, $output) = demo('stop');
is $status, 0, 'demo/stop: exit code 0';
like $output, qr/is stopped/, 'it reports that the demo is stopped';
# the master removes its pid file before it ends, and LeakSanitizer runs after that
eval { AuthToken::Log::await_true(sub { !living() }, 'the processes to end') };
is_deeply [living()], [], 'no process of any run is left';

($status, $output) = demo('stop');
is $status, 0, 'demo/stop without a running demo: exit code 0';
like $output, qr/No demo is running/, 'it reports that no demo is running';

my $bystander = fork // die "fork: $!\n";
exec 'sleep', '60' if !$bystander;
write_file("$dir/nginx.pid", "$bystander\n");
demo('stop');
ok is_alive($bystander), 'another process with the id of the pid file is not stopped';
kill 'KILL', $bystander;
waitpid $bystander, 0;

# a port that another process takes is not an error: the next one is tried
unlike read_file("$dir/error.log")
           =~ s/^.*\[emerg\].* bind\(\) to .* failed .*\n//mgr
           =~ s/^.*\[emerg\].*still could not bind\(\).*\n//mgr,
    qr/\[(?:alert|crit|emerg)\]|exited on signal|AddressSanitizer|runtime error/,
    'the error log has no alert';
is_deeply [glob "$temp/sanitizer/*"], [], 'no sanitizer report';

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

# runs lines in a shell, and returns their output
sub as_typed (@lines) {
    open my $pipe, '-|', 'sh', '-c', join("\n", 'exec 2>/dev/null', @lines) or die "sh: $!\n";
    local $/;
    return <$pipe>;
}

# the processes of the demo; also recorded in %seen
sub processes () {
    open my $fh, '<', "$dir/nginx.pid" or return;
    chomp(my $master = <$fh> // return);

    my @found = grep { is_alive($_) } $master, AuthToken::Server::workers({ pid => $master });
    $seen{$_} = is_alive($_) || $seen{$_} || -1 for @found;
    return @found;
}

# the start time of a process in ticks, or 0 if it has ended
sub is_alive ($pid) {
    open my $fh, '<', "/proc/$pid/stat" or return 0;
    return (<$fh> // '') =~ /\) [^ZX] (?:\S+ ){18}(\d+) / ? $1 : 0;
}

# recorded processes that still run
sub living () { grep { is_alive($_) == $seen{$_} } keys %seen }

sub mode ($path) { sprintf '%04o', (stat $path)[2] & 07777 }

sub read_file ($path) { AuthToken::Log->new($path)->content }

sub write_file ($path, $text) {
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh;
}
