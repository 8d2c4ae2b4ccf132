package Bench::Process;

# Programs that are run and waited for, and numbers of the kernel about those that
# go on.

use v5.36;

use Exporter qw(import);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(run output spawn await free_port slurp spew cpu_time memory descendants);

sub slurp ($path) {
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$file> // '';
}

sub spew ($path, $text) {
    open my $file, '>:raw', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
}

# Begins a program whose output goes to a file.
sub spawn ($out, @command) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    exec { $command[0] } @command or POSIX::_exit(127);
}

# what a program prints, to both of its outputs; in list context its status, too
sub output (@command) {
    my $pid = open my $pipe, '-|' // die "fork: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    my $text = do { local $/; <$pipe> // '' };
    close $pipe;

    return wantarray ? ($text, $?) : $text;
}

sub run (@command) {
    my ($text, $status) = output(@command);
    $status == 0 or die "$command[0] failed: $text\n";
    return $text;
}

# polls until $check is true; returns what it returned, and dies after a while
sub await ($what, $seconds, $check) {
    my $until = time + $seconds;

    while (1) {
        my $result = $check->();
        return $result if $result;
        die "waited in vain for $what\n" if time > $until;
        sleep 0.005;
    }
}

# they stay bound until all are known, so that no two are the same
sub free_port ($names) {
    my %socket = map {
        $_ => IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)
              // die "no free port: $!\n";
    } @$names;

    return map { $_ => $socket{$_}->sockport } keys %socket;
}

# --- the kernel's numbers ---------------------------------------------------

# a process and all that came of it
sub descendants ($pid) {
    my %children;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my ($child, $parent) = (<$file> // '') =~ /\A(\d+) \(.*\) \S (\d+)/ or next;
        push $children{$parent}->@*, $child;
    }

    my @found = $pid;
    for (my $i = 0; $i < @found; $i++) {
        push @found, ($children{$found[$i]} // [])->@*;
    }

    return @found;
}

# CPU time in nanoseconds, of user and system, of all threads of processes
sub cpu_time (@pids) {
    my $sum = 0;

    for my $file (map { glob "/proc/$_/task/*/schedstat" } @pids) {
        my ($time) = slurp($file) =~ /\A(\d+)/ or die "$file cannot be understood\n";
        $sum += $time;
    }

    return $sum;
}

# in KiB: what a process has in memory, and its share of it
sub memory ($pid) {
    my ($rss, $pss) = map { slurp("/proc/$pid/smaps_rollup") =~ /^$_:\s+(\d+) kB/m }
                      qw(Rss Pss);
    return { rss => $rss, pss => $pss };
}

1;
