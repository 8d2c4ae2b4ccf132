package Bench::Instructions;

# User-space instructions of a request, counted by valgrind's callgrind: the difference of two
# runs, which removes the start of the server.  Repeatable; valgrind's processor has no SHA-NI
# and no AVX-512.

use v5.36;

use Bench::Process qw(slurp);

our @COUNTS = (20, 1_020);

# Counts a row of Bench::Cases, with a new server for each run.  preload: the built smallmap.c.
sub of_row ($class, $cases, $row, $preload) {
    local $ENV{LD_PRELOAD} = $preload;
    my @totals = map { _total($cases, $row, $_) } @COUNTS;
    return ($totals[1] - $totals[0]) / ($COUNTS[1] - $COUNTS[0]);
}

sub _total ($cases, $row, $count) {
    my $server = $cases->another($row->{server});
    my $log    = "$server->{values}{DIR}/callgrind.log";

    # a single process, with a directory that differs from the server's
    $server->{name} = 'callgrind';
    my @command = map { s/daemon off;/daemon off; master_process off;/r } $server->{command}->@*;
    $server->{command} = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null',
                          "--log-file=$log", @command];
    $server->start;

    my $statuses = eval { $cases->load($row->{load})->send($server->port($row->{port}), $count) };
    my $error = $@;
    $server->stop;

    die "$row->{name} under valgrind: $error" if !$statuses;
    ($statuses->{$row->{status}} // 0) == $count
        or die "$row->{name} under valgrind: ", join(' ', %$statuses), "\n";

    slurp($log) =~ /Collected : (\d+)/ or die "callgrind did not count: ", slurp($log), "\n";
    return $1;
}

1;
