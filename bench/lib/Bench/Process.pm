package Bench::Process;

# Runs programs, and reads the kernel's figures of running processes.

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

# Starts a program and redirects its output to a file.
sub spawn ($out, @command) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    exec { $command[0] } @command or POSIX::_exit(127);
}

# standard output and error of a program; in list context also its status
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

# polls until $check returns a true value, and returns it; dies after a timeout
sub await ($what, $seconds, $check) {
    my $until = time + $seconds;

    while (1) {
        my $result = $check->();
        return $result if $result;
        die "waited in vain for $what\n" if time > $until;
        sleep 0.005;
    }
}

# all sockets stay bound until all ports are known, so that they differ
sub free_port ($names) {
    my %socket = map {
        $_ => IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)
              // die "no free port: $!\n";
    } @$names;

    return map { $_ => $socket{$_}->sockport } keys %socket;
}

# --- figures of the kernel --------------------------------------------------

# a process and all its descendants
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

# resident and proportional set size of a process, in KiB
sub memory ($pid) {
    my ($rss, $pss) = map { slurp("/proc/$pid/smaps_rollup") =~ /^$_:\s+(\d+) kB/m }
                      qw(Rss Pss);
    return { rss => $rss, pss => $pss };
}

1;
