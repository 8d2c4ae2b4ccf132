package AuthToken::Terminal;

=head1 NAME

AuthToken::Terminal - runs the command in a pseudo-terminal

=head1 SYNOPSIS

    my $t = AuthToken::Terminal->start({}, 'user', 'passwd', 'bob');
    $t->await(qr/New password: /);
    ok !$t->echoes, 'the password is not shown';
    $t->type("secret\n");
    my $r = $t->finish;         # {rc}: see AuthToken::Command, {out}: the screen

=head1 DESCRIPTION

C<start HOW, ARGUMENT...> runs the command in the foreground of a terminal, as a
shell does.  HOW may have C<before> (code called in the new process).  C<await
REGEX> waits for new text on the screen, C<type> presses keys, including ^C and
^Z.  C<await_stop> waits until the command is stopped, C<resume> continues it like
the shell's C<fg>.  C<kill SIGNAL> sends it a signal.  C<echoes> tells whether the
terminal shows input, also after the command has ended.

=cut

use v5.36;

use AuthToken::Command qw($command);
use AuthToken::Log;
use Fcntl qw(O_NOCTTY O_RDWR);
use POSIX qw(:sys_wait_h :termios_h);

# of Linux
my $TIOCGPTN   = 0x80045430;
my $TIOCSPTLCK = 0x40045431;

# both ends of a pseudo-terminal
sub _terminal () {
    sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!\n";
    my ($number, $unlocked) = (pack('i', 0)) x 2;
    ioctl $master, $TIOCSPTLCK, $unlocked or die "unlock: $!\n";
    ioctl $master, $TIOCGPTN, $number or die "number: $!\n";

    my $path = '/dev/pts/' . unpack 'i', $number;
    sysopen my $slave, $path, O_RDWR | O_NOCTTY or die "$path: $!\n";
    return ($master, $slave, $path);
}

# runs the command in the foreground
sub _command ($how, @arguments) {
    POSIX::setpgid(0, 0);
    $SIG{TTOU} = 'IGNORE';
    POSIX::tcsetpgrp(0, $$);
    # nohup and background jobs of a shell ignore some of them
    $SIG{$_} = 'DEFAULT' for qw(TTOU TSTP HUP INT QUIT TERM);
    $how->{before}->() if $how->{before};
    exec { $command } AuthToken::Command::words(@arguments) or POSIX::_exit(127);
}

# A shell with one job: it writes the process id, "stopped", and the exit status,
# and continues the job for each line that it reads.
sub _shell ($how, $path, $from, $to, @arguments) {
    POSIX::setsid();
    open STDIN, '+<', $path;            # becomes the controlling terminal
    open STDOUT, '>&', \*STDIN;
    open STDERR, '>&', \*STDIN;
    $SIG{TTOU} = $SIG{HUP} = 'IGNORE';
    $to->autoflush(1);

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        $SIG{TTOU} = $SIG{HUP} = 'DEFAULT';
        _command($how, @arguments);
    }
    print $to "$pid\n";

    # a process that still exists after waitpid() reported it is stopped
    my $status;
    while (waitpid($pid, WUNTRACED) == $pid) {
        $status = $?;
        last if waitpid($pid, WNOHANG) != 0;
        print $to "stopped\n";
        <$from> // last;
        POSIX::tcsetpgrp(0, $pid);
        CORE::kill 'CONT', -$pid;
    }
    print $to "$status\n";
}

sub start ($class, $how, @arguments) {
    my ($master, $slave, $path) = _terminal();
    pipe my $shell_in, my $fg or die "pipe: $!\n";
    pipe my $status_in, my $shell_out or die "pipe: $!\n";

    my $shell = fork // die "fork: $!\n";
    if (!$shell) {
        close $_ for $master, $slave, $fg, $status_in;
        eval { _shell($how, $path, $shell_in, $shell_out, @arguments) };
        POSIX::_exit(0);
    }

    $fg->autoflush(1);
    chomp(my $pid = <$status_in>);

    return bless { master => $master, slave => $slave, fg => $fg, status_in => $status_in, shell => $shell,
                   pid => $pid, screen => '', seen => 0, arguments => "@arguments" }, $class;
}

# reads the available output
sub _read ($self) {
    my $bits = '';
    vec($bits, fileno $self->{master}, 1) = 1;
    while (select my $ready = $bits, undef, undef, 0) {
        sysread $self->{master}, my $bytes, 4096 or last;
        $self->{screen} .= $bytes;
    }
}

sub await ($self, $regex) {
    AuthToken::Log::await_true(sub {
        $self->_read;
        pos($self->{screen}) = $self->{seen};
        $self->{screen} =~ /$regex/g ? ($self->{seen} = pos $self->{screen}) : 0;
    }, "$regex on the screen", 20);
    return $self;
}

sub type ($self, $keys) { syswrite $self->{master}, $keys; return $self }
sub kill ($self, $signal) { CORE::kill $signal, $self->{pid}; return $self }

sub echoes ($self) {
    my $termios = POSIX::Termios->new;
    $termios->getattr(fileno $self->{slave}) // die "getattr: $!\n";
    return $termios->getlflag & ECHO;
}

sub await_stop ($self) {
    my $line = readline $self->{status_in};
    return $line eq "stopped\n";
}

sub resume ($self) { print { $self->{fg} } "fg\n"; return $self }

# waits for the end of the command
sub finish ($self) {
    my $wait;
    AuthToken::Log::await_true(sub {
        my $bits = '';
        $self->_read;
        vec($bits, fileno $self->{status_in}, 1) = 1;
        select($bits, undef, undef, 0) && defined($wait = readline $self->{status_in});
    }, 'the end of the command', 30);

    close $self->{fg};
    waitpid $self->{shell}, 0;
    $self->_read;

    my %r = (rc => AuthToken::Command::status($wait), out => $self->{screen} =~ s/\r\n/\n/gr);
    AuthToken::Command::watch($self->{arguments}, $r{rc}, $r{out});
    return \%r;
}

1;
