package Bench::Server;

# A server under test: a configuration from a template of bench/conf, a process on one core,
# its ports, its CPU time and memory.

use v5.36;

use Bench::Process qw(spawn await free_port slurp spew cpu_time memory descendants);
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX ();

our $CORE = 0;

# Options: conf (template), command (@CONF@ is replaced by the configuration), values (for
# @NAME@ in the template; @name@ is a port of that name), unpinned.
sub new ($class, $name, %o) {
    return bless { name => $name, %o }, $class;
}

sub name ($self) { $self->{name} }
sub port ($self, $name) { $self->{ports}{$name} // die "$self->{name} has no port $name\n" }

# the directory of this server, @SELF@, is below that of the run, @DIR@
sub start ($self) {
    my $dir = "$self->{values}{DIR}/$self->{name}";
    make_path($dir);

    my $template = slurp($self->{conf});
    my %values   = ($self->{values}->%*, SELF => $dir);

    $template =~ s/@([A-Z]+)@/$values{$1} \/\/ die "$self->{conf}: $1 is not known\n"/ge
        for 1, 2;
    my %names = map { $_ => 1 } $template =~ /@([a-z]\w*)@/g;
    $self->{ports} = { free_port([keys %names]) };
    $template =~ s/@([a-z]\w*)@/$self->{ports}{$1}/g;

    spew("$dir/conf", $template);
    $self->{output} = "$dir/output";

    my @command = map { s/\@CONF\@/$dir\/conf/gr } $self->{command}->@*;
    unshift @command, 'taskset', '-c', $CORE if !$self->{unpinned};
    $self->{pid} = spawn($self->{output}, @command);

    $self->_await_ports;

    return $self;
}

sub _await_ports ($self) {
    for my $port (values $self->{ports}->%*) {
        await("$self->{name} to listen", 60, sub {
            $self->_ended and die "$self->{name} did not start: ", slurp($self->{output}), "\n";
            IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        });
    }
}

sub _ended ($self) {
    return 1 if !$self->{pid};
    return if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid};
    return delete $self->{pid};
}

sub stop ($self) {
    return if !$self->{pid};

    # nginx may miss a signal that arrives between its check and its wait
    eval { await("$self->{name} to end", 10, sub { kill 'TERM', $self->{pid}; $self->_ended }); 1 }
        and return;

    kill 'KILL', -$self->{pid};
    waitpid delete $self->{pid}, 0;
}

sub restart ($self) {
    $self->stop;
    return $self->start;
}

# CPU time of all its processes, in nanoseconds
sub cpu ($self) { cpu_time(descendants($self->{pid})) }

# memory of its worker, the last of its processes
sub memory_of_worker ($self) { memory((descendants($self->{pid}))[-1]) }

1;
