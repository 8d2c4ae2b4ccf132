package AuthToken::FailAlloc;

# Memory allocations of one process that fail on demand: the library
# t/lib/fail_alloc.c is preloaded, and a shared file says which ones fail.

use v5.36;

use AuthToken::Server;
use Exporter qw(import);
use File::Temp ();

our @EXPORT = qw(fail_alloc_env arm disarm failed_allocations);

my $control;

# compiles t/lib/NAME.c for LD_PRELOAD, and returns the path of the library
sub preload_library ($name) {
    my $library = "$AuthToken::Server::BUILD/$name.so";
    my $source  = "$AuthToken::Server::ROOT/t/lib/$name.c";

    if (!-e $library || -M $library > -M $source) {
        system('gcc', '-O1', '-g', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror', '-fno-builtin',
               '-o', "$library.$$", $source) == 0 or die "gcc: $?\n";
        rename "$library.$$", $library or die "$library: $!\n";
    }
    return $library;
}

# the environment of a server whose allocations can be made to fail
sub fail_alloc_env () {
    my $library = preload_library('fail_alloc');

    if (!$control) {
        $control = File::Temp->new(TEMPLATE => 'at-alloc-XXXXXXXX', TMPDIR => 1);
        chmod 0666, $control->filename;
        _write(0, 0, 0, 0, 0);
    }
    return { LD_PRELOAD => $library, AT_FAIL_ALLOC => $control->filename };
}

# pid, n, lasting, count, failed
sub _write (@fields) { sysseek $control, 0, 0; syswrite $control, pack 'q<5', @fields }
sub _read () { sysseek $control, 0, 0; sysread $control, my $bytes, 40; return unpack 'q<5', $bytes }

# from now on allocation n of the process (-1: of all) fails, and with $lasting all further
# ones; n 0 only counts
sub arm ($pid, $n, $lasting) { _write($pid, $n, $lasting, 0, 0) }

# how many allocations have failed
sub failed_allocations () { return (_read())[4] }

# ends the failures; returns how many allocations there were, and how many failed
sub disarm () {
    my @fields = _read();
    _write(0, 0, 0, 0, 0);
    return @fields[3, 4];
}

1;
