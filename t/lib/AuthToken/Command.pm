package AuthToken::Command;

=head1 NAME

AuthToken::Command - the command auth-token, run as an operator does

=head1 SYNOPSIS

    use lib 't/lib';
    use AuthToken::Command;

    fresh;                                          # a new store
    ok_out('user', 'create', 'bob', '--no-password');
    is ok_json('user', 'show', 'bob')->{enabled}, JSON::PP::true, 'enabled';
    fails run('user', 'show', 'joe'), 1, 'there is no user "joe"', 'nobody';

    not_blotted;
    done_testing();

=head1 DESCRIPTION

Using it changes to a directory of its own, C<$dir>, which goes when the test
ends, and sets the environment that all runs have.  C<$command> is the path of
the command, C<$root> that of the sources.

C<run HOW, ARGUMENT...> runs the command on C<$store>, a name in C<$dir>; on no
store in particular where that is undef, as at first.  HOW, which may be left out,
is a hash: C<in> (text on standard input), C<from> (a file in place of it), C<to>
(a file in place of what is read back; undef for a closed one), C<before> (code
called in the new process).  It returns a hash: C<rc> (exit code, or "signal N"),
C<out>, C<err>.  C<spawn> and C<finish> are its two halves.

C<ok_out> and C<ok_json> take the same, test that it works in silence, and return
what was printed.  C<fails RUN, RC, SENTENCE, NAME> tests exit code, the one
sentence on standard error, and that nothing was printed; C<complains> is the
same without the last.

C<not_blotted> tests, in the end, that no sanitizer complained in any run; leaks are
looked for in every fourth.

=cut

use v5.36;

use AuthToken::Server;
use Exporter qw(import);
use Fcntl qw(S_IMODE);
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;

our @EXPORT = qw($command $dir $root $store
                 complains fails finish fresh json mode not_blotted ok_json ok_out run serial
                 slurp spawn spew);

our $root    = $AuthToken::Server::ROOT;
our $command = "$AuthToken::Server::BUILD/auth-token";
our $dir     = tempdir('at-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
our $store;

my @blots;                              # what a sanitizer said
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

# a number that nobody had before, for names
sub serial () { ++$serial }

# undef where there is none
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

# what is executed: a list
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
        # to look for leaks takes as long as all the rest
        $ENV{ASAN_OPTIONS} .= ':detect_leaks=0' if $n % 4;
        exec { $command } words(@arguments) or die;
    }

    return { pid => $pid, n => $n, to => $to, arguments => "@arguments" };
}

# an exit code, or "signal N", of what wait() sets
sub status ($wait) { $wait & 127 ? 'signal ' . ($wait & 127) : $wait >> 8 }

# remembers a report of a sanitizer in what a run said
sub watch ($arguments, $rc, $said) {
    push @blots, "$arguments: $said" if $rc eq '99' || $said =~ /Sanitizer|runtime error/;
}

sub finish ($run) {
    waitpid $run->{pid}, 0;

    my $to = $run->{to} // '';
    my %r  = (rc  => status($?),
              err => slurp("err.$run->{n}"),
              out => $to eq "out.$run->{n}" ? slurp($to) : '');
    watch($run->{arguments}, $r{rc}, $r{err});

    return \%r;
}

sub run { finish(spawn(@_)) }

# --- tests ------------------------------------------------------------------

sub complains ($r, $rc, $sentence, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $wanted = ref $sentence ? $sentence : quotemeta $sentence;

    is $r->{rc}, $rc, "$name: exit code $rc";
    like $r->{err}, qr/\Aauth-token: $wanted\n\z/, "$name: sentence";
    is $r->{err} =~ tr/\n//, 1, "$name: one line";
}

sub fails ($r, $rc, $sentence, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    complains($r, $rc, $sentence, $name);
    is $r->{out}, '', "$name: nothing is printed";
}

sub ok_out {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = run(@_);

    is "$r->{rc}$r->{err}", '0', 'works: ' . substr join(' ', grep { !ref } @_), 0, 60;
    return $r->{out};
}

sub ok_json {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return json(ref $_[0] ? ok_out(shift, '--json', @_) : ok_out('--json', @_));
}

# a store of its own from here on
sub fresh () {
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $store = 'store.' . serial;
    return ok_out('init');
}

sub not_blotted () {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is join("\n", @blots), '', 'no sanitizer complained';
}

1;
