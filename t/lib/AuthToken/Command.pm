package AuthToken::Command;

=head1 NAME

AuthToken::Command - runs the command auth-token and tests its output

=head1 SYNOPSIS

    use lib 't/lib';
    use AuthToken::Command;

    fresh;                                          # a new store
    ok_out('user', 'create', 'bob', '--no-password');
    is ok_json('user', 'show', 'bob')->{enabled}, JSON::PP::true, 'a new user is enabled';
    fails run('user', 'show', 'joe'), 1, 'no such user "joe"', 'an unknown user is an error';

    no_sanitizer_report;
    done_testing();

=head1 DESCRIPTION

The module changes to a temporary directory, C<$dir>, which is removed when the
test ends, and sets the environment of all runs.  C<$command> is the path of the
command, C<$root> that of the sources.

C<run HOW, ARGUMENT...> runs the command with the store C<$store>, a name in
C<$dir>, or without C<--store> if that is undef.  HOW is an optional hash: C<in>
(text on standard input), C<from> (a file instead of it), C<to> (a file that
receives standard output; undef closes it), C<before> (code called in the new
process).  It returns a hash: C<rc> (exit code, or "signal N"), C<out>, C<err>.
C<spawn> starts a run and C<finish> waits for it.

C<ok_out> and C<ok_json> take the same arguments, test that the command succeeds
without a message on standard error, and return its output.  C<fails RUN, RC,
SENTENCE, NAME> tests the exit code, the one sentence on standard error, and that
nothing was printed; C<reports> is the same without the last.

C<no_sanitizer_report> tests that no sanitizer reported an error in any run.  Every
fourth run is also checked for memory leaks.

=cut

use v5.36;

use AuthToken::Server;
use Exporter qw(import);
use Fcntl qw(S_IMODE);
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;

our @EXPORT = qw($command $dir $root $store
                 reports fails finish fresh json mode no_sanitizer_report ok_json ok_out run serial
                 slurp spawn spew);

our $root    = $AuthToken::Server::ROOT;
our $command = "$AuthToken::Server::BUILD/auth-token";
our $dir     = tempdir('at-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
our $store;

my @reports;                              # messages of sanitizers
my $serial = 0;

BAIL_OUT("no $command: make command") if !-x $command;

chdir $dir or die "chdir: $!\n";
END { chdir '/' }

umask 0027;

delete $ENV{AUTH_TOKEN_STORE};
$ENV{LC_ALL}        = 'C';
$ENV{ASAN_OPTIONS}  = 'exitcode=99';
$ENV{UBSAN_OPTIONS} = 'halt_on_error=1:exitcode=99';

# --- files ------------------------------------------------------------------

# a unique number, for names
sub serial () { ++$serial }

# undef if there is no such file
sub slurp ($path) {
    open my $fh, '<:raw', $path or return undef;
    local $/;
    return scalar(<$fh>) // '';
}

# returns the path
sub spew ($path, $text) {
    open my $fh, '>:raw', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
    return $path;
}

sub mode ($path) { sprintf '%04o', S_IMODE((stat $path)[2]) }
sub json ($text) { JSON::PP->new->utf8->decode($text) }

# --- runs -------------------------------------------------------------------

# the arguments of exec()
sub words (@arguments) {
    return ('auth-token', defined $store ? ('--store', "lmdb:$dir/$store") : (), @arguments);
}

sub spawn {
    my ($how, @arguments) = ref $_[0] ? @_ : ({}, @_);
    my $n  = serial;
    my $to = exists $how->{to} ? $how->{to} : "out.$n";
    my $in = $how->{from} // spew("in.$n", $how->{in} // '');

    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        open STDIN, '<', $in or die;
        open STDERR, '>', "err.$n" or die;
        if (defined $to) { open STDOUT, '>', $to or die }
        else             { close STDOUT }
        $how->{before}->() if $how->{before};
        # the leak check takes as long as all the rest
        $ENV{ASAN_OPTIONS} .= ':detect_leaks=0' if $n % 4;
        exec { $command } words(@arguments) or die;
    }

    return { pid => $pid, n => $n, to => $to, arguments => "@arguments" };
}

# the exit code, or "signal N"
sub status ($wait) { $wait & 127 ? 'signal ' . ($wait & 127) : $wait >> 8 }

# remembers the report of a sanitizer
sub watch ($arguments, $rc, $said) {
    push @reports, "$arguments: $said" if $rc eq '99' || $said =~ /Sanitizer|runtime error/;
}

sub finish ($run) {
    waitpid $run->{pid}, 0;

    my $to = $run->{to} // '';
    my %r  = (rc  => status($?), err => slurp("err.$run->{n}"),
              out => $to eq "out.$run->{n}" ? slurp($to) : '');
    watch($run->{arguments}, $r{rc}, $r{err});

    return \%r;
}

sub run { finish(spawn(@_)) }

# --- tests ------------------------------------------------------------------

sub reports ($r, $rc, $sentence, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $wanted = ref $sentence ? $sentence : quotemeta $sentence;

    is $r->{rc}, $rc, "$name: exit code $rc";
    like $r->{err}, qr/\Aauth-token: $wanted\n\z/, "$name: sentence";
    is $r->{err} =~ tr/\n//, 1, "$name: one line";
}

sub fails ($r, $rc, $sentence, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    reports($r, $rc, $sentence, $name);
    is $r->{out}, '', "$name: nothing is printed";
}

sub ok_out {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = run(@_);

    is "$r->{rc}$r->{err}", '0', 'succeeds: ' . substr join(' ', grep { !ref } @_), 0, 60;
    return $r->{out};
}

sub ok_json {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return json(ref $_[0] ? ok_out(shift, '--json', @_) : ok_out('--json', @_));
}

# creates a store for the following runs
sub fresh () {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $store = 'store.' . serial;
    return ok_out('init');
}

sub no_sanitizer_report () {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is join("\n", @reports), '', 'no sanitizer reported an error';
}

1;
