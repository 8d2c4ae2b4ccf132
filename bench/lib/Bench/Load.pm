package Bench::Load;

# Requests of one kind, by wrk: as many as it gets answered in a while, over kept
# connections; or a few of them, one after the other.

use v5.36;

use Bench::Process ();
use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);

our $CORE        = 1;
our $CONNECTIONS = 32;
our $PRELOAD     = '';          # that of spin.c

my $script = dirname(__FILE__) . '/../../lua/requests.lua';

# Options: path ("/"), header (up to its value), file (of values, a line each, or
# number:FORMAT), lines (how many of them count), order (cycle, random, once).
sub new ($class, %o) {
    return bless { path => '/', header => '', file => '', lines => 1, order => 'cycle', %o }, $class;
}

# Runs wrk for so many seconds, or until each value was sent once.  Returns
# requests, seconds, and refused (those answered with 400 or more); dies where a
# request failed in any other way.
sub run ($self, $port, $seconds, %o) {
    my @command = (
        $o{unpinned} ? () : ('taskset', '-c', $CORE),
        'wrk', '-t1', "-c$CONNECTIONS", '-d60s', '--timeout', '20s', '-s', $script, "http://127.0.0.1:$port", '--',
        map { $self->{$_} } qw(path header file lines order),
    );

    my $pid = open my $pipe, '-|' // die "fork: $!\n";

    if (!$pid) {
        POSIX::setpgid(0, 0);
        $ENV{LD_PRELOAD} = $PRELOAD if !$o{unpinned};
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    my $text = _until($pipe, 30, qr/^begin$/m);
    $text .= _until($pipe, $seconds);
    kill 'INT', $pid;
    $text .= _until($pipe, 20);
    close $pipe;

    $text =~ /^bench: requests (\d+) microseconds (\d+) status (\d+) other (\d+)$/m && !$4 && $1
        or die "wrk failed: $text\n";

    return { requests => $1, seconds => $2 / 1e6, refused => $3 };
}

# what comes until a pattern, the end, or for so many seconds
sub _until ($pipe, $seconds, $pattern = undef) {
    my $until  = time + $seconds;
    my $select = IO::Select->new($pipe);
    my $text   = '';

    while ((my $left = $until - time) > 0) {
        $select->can_read($left) or last;
        sysread $pipe, $text, 4096, length $text or last;
        last if $pattern && $text =~ $pattern;
    }

    return $text;
}

# --- one by one -------------------------------------------------------------

# the first $n values
sub _values ($self, $n) {
    if ($self->{file} =~ /\Anumber:(.*)/) {
        my $format = $1 or return ('') x $n;
        return map { sprintf $format, $_ % $self->{lines} + 1 } 0 .. $n - 1;
    }

    return ('') x $n if $self->{file} eq '';

    open my $file, '<', $self->{file} or die "$self->{file}: $!\n";
    my @lines;
    while (@lines < $n && @lines < $self->{lines} && defined(my $line = <$file>)) {
        chomp $line;
        push @lines, $line;
    }

    return map { $lines[$_ % @lines] } 0 .. $n - 1;
}

# Sends $n requests over one connection, and returns their statuses as a hash.
sub send ($self, $port, $n = 1) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60)
                 // die "no connection: $!\n";
    my %statuses;

    for my $value ($self->_values($n)) {
        my $header = $self->{header} eq '' ? '' : "$self->{header}$value\r\n";
        print $socket "GET $self->{path} HTTP/1.1\r\nHost: bench\r\n$header\r\n";
        $statuses{_answer($socket)}++;
    }

    return \%statuses;
}

# the status of an answer that has a length, or no body
sub _answer ($socket) {
    my $status = (<$socket> // '') =~ m{\AHTTP/1\.\d (\d+)} ? $1 : die "no answer\n";
    my $length = 0;

    while (defined(my $line = <$socket>)) {
        last if $line =~ /\A\r?\n\z/;
        $length = $1 if $line =~ /\AContent-Length: *(\d+)/i;
    }

    read $socket, my $body, $length if $length;

    return $status;
}

1;
