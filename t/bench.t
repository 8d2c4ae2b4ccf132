#!/usr/bin/perl

# make bench: it runs, checks all responses, writes both tables and the
# picture, and leaves no files and processes.  The measured speed is not tested.

use v5.36;

use lib 't/lib';
use AuthToken::Log;
use AuthToken::Server;
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;

my $root  = $AuthToken::Server::ROOT;
my $build = $AuthToken::Server::BUILD;

my $temp = tempdir('at-bench-test-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $temp;
mkdir "$temp/$_" or die "$temp/$_: $!\n" for qw(keep out run);
chmod 0755, "$temp/run";

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

sub content ($path) { AuthToken::Log->new($path)->content }

# the make that runs this test must not influence the make below
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
delete @ENV{grep { /^BENCH_/ } keys %ENV};

my @sanitize = $ENV{AT_SANITIZE} ? ('SANITIZE=1') : ();
if (grep { !-e "$build/bench/$_" } qw(mint verify smallmap.so spin.so)) {
    is system("make -C $root @sanitize benchers >$temp/make.log 2>&1"), 0, 'make benchers'
        or BAIL_OUT(content("$temp/make.log"));
}

%ENV = (%ENV, AT_BUILD => $build, AT_NGINX => AuthToken::Server::script($temp), TMPDIR => "$temp/run",
        BENCH_OUT => "$temp/out", BENCH_KEEP => "$temp/keep", BENCH_ROUNDS => 1, BENCH_SECONDS => 0.5,
        BENCH_DISTINCT => 200, BENCH_SMALL => 1, BENCH_VALGRIND => 0);

sub bench ($only) {
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        $ENV{BENCH_ONLY} = $only;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$temp/output";
        open STDERR, '>&', \*STDOUT;
        exec "$root/bench/run" or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    return ($?, content("$temp/output"));
}

# rows of the tables with a matching first cell
sub cells ($text, $pattern) {
    return map { [map { s/\A\s+|\s+\z//gr } split /\|/, $_ =~ s/\A\||\|\z//gr] }
           grep { /\A\| *(?:$pattern) *\|/ } split /\n/, $text;
}

my $number = qr/[+-]?[\d,]+(?:\.\d+)?/;

# --- tables -----------------------------------------------------------------

# every kind of server and load that needs no additional package
my @names = ('auth_token, same token', 'auth_token, each token once', 'auth_token, bad signature',
             'auth_token, wrong alg', 'auth_token, same API token', 'auth_basic, PLAIN',
             'auth_token, Basic, remembered', 'auth_request');
my $only  = '^(?:' . join('|', @names, 'auth_token, login', 'login storm', 'parallel refresh', 'auth_token_allow', 'nginx, once more') . ')$';

my ($status, $output) = bench($only);
is $status, 0, 'the benchmark runs' or diag $output;

my $text = content("$temp/out/results.md");
ok length $text && index($output, $text) >= 0, 'the written report is also printed';

for my $name (@names, 'auth_token_allow', 'nginx, once more') {
    my ($row) = cells($text, quotemeta $name);
    ok $row, "the table has the row $name" or next;

    my (undef, $extra, $range, $ratio, $rate, $cpu, $busy) = @$row;
    like "$extra $range $ratio $rate $cpu $busy",
        qr/\A[+-][\d.]+ [+-][\d.]+ \.\. [+-][\d.]+ $number $number $number $number\z/,
        "$name: all columns are numbers";
    cmp_ok $rate =~ tr/,//dr, '>', 0, "$name: requests were answered";
    cmp_ok $cpu, '>', 0, "$name: CPU time was measured";
}

# the selected rows bring the rows that they are compared with
is_deeply [map { $_->[0] } cells($text, 'nginx(?:, .*)?')],
    ['nginx', 'nginx, once more', 'nginx, other token each time', 'nginx, return 401',
     'nginx, X-API-Token', 'nginx, no credential', 'nginx, Basic'], 'the rows to compare with are measured, too';
is_deeply [cells($text, 'HAProxy.*')], [], 'rows that were not selected are not measured';

# not compared: nginx alone has no login
my ($login) = cells($text, 'auth_token, login');
like join(' ', ($login // [])->@[4 .. 6]), qr/\A$number $number $number\z/, 'the row of logins has its numbers';

my ($ranges) = cells($text, 'auth_token_allow: us above nginx');
ok $ranges && @$ranges == 3 && !grep({ !/\A[+-][\d.]+\z/ } @$ranges[1, 2]), 'the second table has the series of ranges';

# --- goals ------------------------------------------------------------------

my @goals = cells($text, '[A-Z1][^|]*');
cmp_ok scalar @goals, '>', 12, 'the report lists the goals';
is_deeply [grep { $_->[2] !~ /\A(?:yes|\*\*no\*\*|\?)\z/ } @goals], [], 'each goal is met, not met or unknown';
is_deeply [grep { ($_->[1] eq 'not measured') != ($_->[2] eq '?') } @goals], [],
    'a goal is unknown if it was not measured';
my ($once) = grep { $_->[0] =~ /\AEach token once: at most 1\.3 x EVP_PKEY_verify .*, $number us\z/ } @goals;
like +($once // [])->[1], qr/\A[+-]$number us\z/, 'the goal of new tokens has its measured value';

my ($storm) = grep { $_->[0] =~ /\AA login storm: / } @goals;
like +($storm // [])->[0], qr/ at most 1 ms, or 3 x the p99 without logins, $number ms\z/, 'login storm: the limit';
like +($storm // [])->[1], qr/\A$number ms, without logins $number ms, at $number logins\/s\z/, 'login storm: the measured value';

# --- the picture ------------------------------------------------------------

my $svg = content("$temp/out/results.svg");
like $svg, qr{\A<svg [^<>]*>\n<title>[^<>]*</title>\n.*</svg>\n\z}s, 'the picture is an SVG document';
is_deeply [grep { !m{\A(?:<(?:text|rect|line|polyline|circle) [^<>]*(?:/>|>[^<>&]*</text>))\z} }
           grep { !m{\A</?(?:svg|title)\b} } split /\n/, $svg], [], 'the picture is well-formed';
is scalar(() = $svg =~ /<rect /g), @names + 2, 'the picture has a background, and a bar for each row';
is scalar(() = $svg =~ /<polyline /g), 1, 'the picture has a line for the series';

# --- wrong responses --------------------------------------------------------

my ($tokens) = grep { /-\d+\z/ } glob "$temp/keep/tokens-*";
ok $tokens, 'the tokens are kept for the next run' or BAIL_OUT($output);
{
    my $good = content($tokens);
    open my $fh, '>', $tokens or die "$tokens: $!\n";
    print $fh $good =~ s/^(.*\..*\.)./$1-/mgr;
    close $fh;
}

($status, $output) = bench('^auth_token, same token$');
isnt $status, 0, 'a refused token that should be valid ends the benchmark';
like $output, qr/^auth_token, same token: 401 for same$/m, 'the message names the row and the status';

# --- files and processes ----------------------------------------------------

is_deeply [glob "$temp/run/*"], [], 'no file is left';
is_deeply [grep { content($_) =~ /\Q$temp\E/ } grep { !m{/$$/} } glob '/proc/[0-9]*/cmdline'], [],
    'no process is left';
is_deeply [map { content($_) } glob "$temp/sanitizer/*"], [], 'no sanitizer report';

done_testing();
