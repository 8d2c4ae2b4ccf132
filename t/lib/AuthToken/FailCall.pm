package AuthToken::FailCall;

# System calls of one process that fail on demand, or that end it: the library
# t/lib/fail_call.c is preloaded, and a shared file says which ones fail.

use v5.36;

use AuthToken::FailAlloc ();
use AuthToken::Server;
use Errno ();
use Exporter qw(import);
use File::Temp ();

our @EXPORT = qw(fail_call_env arm_call disarm_call %CALLS);

our %CALLS = (open => 0x01, read => 0x02, write => 0x04, rename => 0x08, sync => 0x10, mmap => 0x20,
              getrandom => 0x40, clock => 0x80);

my $control;

# the environment of a server whose system calls can be made to fail
sub fail_call_env () {
    my $library = AuthToken::FailAlloc::preload_library('fail_call');

    if (!$control) {
        $control = File::Temp->new(TEMPLATE => 'at-call-XXXXXXXX', TMPDIR => 1);
        chmod 0666, $control->filename;
        _write((0) x 7);
    }
    return { LD_PRELOAD => $library, AT_FAIL_CALL => $control->filename };
}

# pid, calls, n, lasting, error, count, failed
sub _write (@fields) { sysseek $control, 0, 0; syswrite $control, pack 'q<7', @fields }

# From now on call n of these kinds, by this process (-1: by all), fails with EIO,
# and with lasting => 1 all further ones.  With kill => 1 it ends the process.  n 0
# only counts.
sub arm_call ($pid, $kinds, $n, %o) {
    my $calls = 0;
    $calls |= $CALLS{$_} for split / /, $kinds;
    _write($pid, $calls, $n, $o{lasting} ? 1 : 0, $o{kill} ? 0 : Errno::EIO(), 0, 0);
}

# ends the failures; returns how many calls there were, and how many failed
sub disarm_call () {
    sysseek $control, 0, 0;
    sysread $control, my $bytes, 56;
    _write((0) x 7);
    return (unpack 'q<7', $bytes)[5, 6];
}

1;
