package AuthToken::Terminal;

=head1 NAME

AuthToken::Terminal - the command at a terminal, with a hand on the keyboard

=head1 SYNOPSIS

    my $t = AuthToken::Terminal->start({}, 'user', 'passwd', 'bob');
    $t->await(qr/New password: /);
    ok !$t->echoes, 'what is typed is not shown';
    $t->type("secret\n");
    my $r = $t->finish;         # rc as of AuthToken::Command, out: the screen

=head1 DESCRIPTION

C<start HOW, ARGUMENT...> runs the command of AuthToken::Command as a shell does:
in the foreground of a terminal that it shares with that shell.  HOW has
C<before> (code called in the new process).  C<await REGEX> waits for what the
screen shows beyond what was awaited before, C<type> presses keys, of which ^C and
^Z do what they do.  C<await_stop> waits until the command is stopped, C<resume>
is the shell's C<fg>.  C<kill SIGNAL> sends one to the command.  C<echoes> says
whether the terminal shows what is typed, also after the end.

=cut

use v5.36;

use AuthToken::Command qw($command);
use AuthToken::Log;
use Fcntl qw(O_NOCTTY O_RDWR);
use POSIX qw(:sys_wait_h :termios_h);

# of Linux
my $TIOCGPTN   = 0x80045430;
my $TIOCSPTLCK = 0x40045431;

# both ends: the keyboard and screen, and the terminal that programs see
sub _terminal () {
    sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!\n";
    my ($number, $unlocked) = (pack('i', 0)) x 2;
    ioctl $master, $TIOCSPTLCK, $unlocked or die "unlock: $!\n";
    ioctl $master, $TIOCGPTN, $number or die "number: $!\n";

    my $path = '/dev/pts/' . unpack 'i', $number;
    sysopen my $slave, $path, O_RDWR | O_NOCTTY or die "$path: $!\n";
    return ($master, $slave, $path);
}

# the command, in the foreground
sub _command ($how, @arguments) {
    POSIX::setpgid(0, 0);
    $SIG{TTOU} = 'IGNORE';
    POSIX::tcsetpgrp(0, $$);
    $SIG{TTOU} = 'DEFAULT';
    $how->{before}->() if $how->{before};
    exec { $command } AuthToken::Command::words(@arguments) or POSIX::_exit(127);
}

# A shell of one job: it tells the job's process, "stopped", and its status, and
# brings it back at each line that it is told.
sub _shell ($how, $path, $from, $to, @arguments) {
    POSIX::setsid();
    open STDIN, '+<', $path;            # which makes it the session's
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

    # one that is still there when waitpid() has told of it is stopped
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
    pipe my $told, my $shell_out or die "pipe: $!\n";

    my $shell = fork // die "fork: $!\n";
    if (!$shell) {
        close $_ for $master, $slave, $fg, $told;
        eval { _shell($how, $path, $shell_in, $shell_out, @arguments) };
        POSIX::_exit(0);
    }

    $fg->autoflush(1);
    chomp(my $pid = <$told>);

    return bless { master => $master, slave => $slave, fg => $fg, told => $told, shell => $shell,
                   pid => $pid, screen => '', seen => 0, arguments => "@arguments" }, $class;
}

# what there is to read by now
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
    my $line = readline $self->{told};
    return $line eq "stopped\n";
}

sub resume ($self) { print { $self->{fg} } "fg\n"; return $self }

# its end, and all that the screen has shown
sub finish ($self) {
    my $wait;
    AuthToken::Log::await_true(sub {
        my $bits = '';
        $self->_read;
        vec($bits, fileno $self->{told}, 1) = 1;
        select($bits, undef, undef, 0) && defined($wait = readline $self->{told});
    }, 'the end of the command', 30);

    close $self->{fg};
    waitpid $self->{shell}, 0;
    $self->_read;

    my %r = (rc => AuthToken::Command::status($wait), out => $self->{screen} =~ s/\r\n/\n/gr);
    AuthToken::Command::watch($self->{arguments}, $r{rc}, $r{out});
    return \%r;
}

1;
