package AuthToken::Store;

# A store in the directory of a server, created and changed with the command, as
# an operator does.

use v5.36;

use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Token qw(secret);
use AuthToken::Export;
use JSON::PP ();
use POSIX ();

# The option "prepare" of AuthToken::Test::start: creates the store %%DIR%%/store,
# keeps it as $s->{store} and calls $fill with it.
sub prepare ($class, $fill = sub { }) {
    return sub ($s) {
        $s->{store} = $class->new($s->dir);
        $fill->($s->{store});
    };
}

# Workers run as www-data where the test runs as root.
sub new ($class, $dir, $name = 'store') {
    my $self = bless { dir => $dir, path => "$dir/$name" }, $class;

    $self->ok('init', $> == 0 ? ('--group', 'www-data') : ());

    return $self;
}

sub path ($self) { $self->{path} }

# Runs the command.  The last argument may be a hash: input (standard input), to (a file
# for the output), env, before (called in the new process), limit (of the file size).
# Returns the exit code (a negative signal), standard output and standard error.
sub run ($self, @arguments) {
    my %o    = ref $arguments[-1] ? (pop @arguments)->%* : ();
    my %file = map { $_ => "$self->{dir}/command-$$.$_" } qw(in out err);

    if (defined $o{input}) {
        open my $fh, '>:raw', $file{in} or die "$file{in}: $!\n";
        print $fh $o{input};
        close $fh;
    }

    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        open STDIN, '<', defined $o{input} ? $file{in} : '/dev/null';
        open STDOUT, '>', $o{to} // $file{out};
        open STDERR, '>', $file{err};
        # leaks of the command are tested in t/cli.t
        $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (), 'detect_leaks=0';
        %ENV = (%ENV, ($o{env} // {})->%*);
        $o{before}->() if $o{before};
        exec defined $o{limit} ? ('prlimit', "--fsize=$o{limit}") : (),
             "$AuthToken::Server::BUILD/auth-token", '--store', "lmdb:$self->{path}", @arguments
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my $status = $? & 127 ? -($? & 127) : $? >> 8;
    my ($out, $err) = map { AuthToken::Log->new($file{$_})->content } qw(out err);
    unlink values %file;

    return ($status, $out, $err);
}

# Runs the command and returns its output; dies if it fails.
sub ok ($self, @arguments) {
    my ($status, $out, $err) = $self->run(@arguments);

    return $out if $status == 0;
    die 'auth-token ', join(' ', grep { !ref } @arguments), ": $status $err\n";
}

# --- records ----------------------------------------------------------------

# Options are those of the command: a list repeats the option, a flag is 1.

my %flag = map { $_ => 1 } qw(disabled admin secret generate);

sub _options (%o) {
    return map {
        my ($name, $value) = ($_, $o{$_});
        $flag{$name} ? ($value ? "--$name" : ())
                     : map { ("--$name" => $_) } ref $value ? @$value : $value;
    } sort keys %o;
}

# Creates an API token and returns its text, which no log may contain.  text =>
# TEXT imports that token instead of generating one.
sub token ($self, $id, %o) {
    my $text = delete $o{text};

    my $out = $self->ok('token', 'create', '--id', $id, _options(%o),
                        defined $text ? ('--token-file', '-', { input => $text }) : ());

    return secret($text) if defined $text;
    $out =~ /^token +(\S+)$/m or die "no token: $out\n";
    return secret($1);
}

sub client ($self, $id, %o) { $self->ok('client', 'create', $id, _options(%o)) }

# without a password, unless password => TEXT is given
sub user ($self, $name, %o) {
    my $password = delete $o{password};

    return $self->ok('user', 'create', $name, _options(%o), defined $password
                     ? ('--password-file', '-', { input => $password }) : '--no-password');
}

sub role ($self, $name, %o) { $self->ok('role', 'set', $name, _options(%o)) }

# changes a record: update('token', 't1', scope => ['read'])
sub update ($self, $noun, $name, %o) {
    return $self->ok($noun, 'update', $name, _options(%o));
}

# Imports records: lists of hashes by kind, in the form of an export.
sub import_records ($self, %records) {
    secret($_->{token}) for grep { defined $_->{token} } ($records{tokens} // [])->@*;

    return $self->ok('import', '-', {
        input => export_text(%records),
    });
}

1;
