package Bench::Load;

# Requests of one kind: by wrk, as many as possible in some seconds over keep-alive
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
our $PRELOAD     = '';          # the built spin.c

my $script = dirname(__FILE__) . '/../../lua/requests.lua';

# Options: path ("/"), header (without its value), file (of values, one a line, or
# number:FORMAT), lines (how many of them are used), order (cycle, random, once),
# method (GET), body, pause (milliseconds between requests of a connection),
# connections.
sub new ($class, %o) {
    return bless { path => '/', header => '', file => '', lines => 1, order => 'cycle', method => 'GET',
                   body => '', pause => 0, connections => $CONNECTIONS, %o }, $class;
}

# Runs wrk for some seconds, or until each value was sent once.  Returns requests, seconds,
# refused (responses with a status of 400 or more) and p99 (microseconds).  Dies if a request
# failed in another way.  Options: unpinned, idle (wrk may sleep).
sub run ($self, $port, $seconds, %o) {
    my $run = $self->begin($port, %o);
    $run->{text} .= _until($run->{pipe}, $seconds);
    return $self->end($run);
}

# the same in two steps: returns after the first request; waits for the end
sub begin ($self, $port, %o) {
    my @command = (
        $o{unpinned} ? () : ('taskset', '-c', $CORE),
        'wrk', '-t1', "-c$self->{connections}", '-d60s', '--timeout', '20s', '-s', $script,
        "http://127.0.0.1:$port", '--', map { $self->{$_} } qw(path header file lines order method body pause),
    );

    my $pid = open my $pipe, '-|' // die "fork: $!\n";

    if (!$pid) {
        POSIX::setpgid(0, 0);
        $ENV{LD_PRELOAD} = $PRELOAD if !$o{unpinned} && !$o{idle};
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    return { pid => $pid, pipe => $pipe, text => _until($pipe, 30, qr/^begin$/m) };
}

sub end ($self, $run) {
    kill 'INT', $run->{pid};
    my $text = $run->{text} . _until($run->{pipe}, 20);
    close $run->{pipe};

    $text =~ /^bench: requests (\d+) microseconds (\d+) status (\d+) other (\d+) p99 (\d+)$/m && !$4 && $1
        or die "wrk failed: $text\n";

    return { requests => $1, seconds => $2 / 1e6, refused => $3, p99 => $5 };
}

# reads until a pattern, the end of the output, or a timeout
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

# --- single requests ----------------------------------------------------------

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
        print $socket "$self->{method} $self->{path} HTTP/1.1\r\nHost: bench\r\n$header\r\n$self->{body}";
        $statuses{_answer($socket)}++;
    }

    return \%statuses;
}

# the status of a response with a Content-Length, or without a body
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
