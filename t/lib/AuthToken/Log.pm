package AuthToken::Log;

# A growing log file: its new lines, and waiting for a line.

use v5.36;

use Time::HiRes qw(time sleep);

our $TIMEOUT = 10;

sub new ($class, $path) {
    return bless { path => $path, partial => '' }, $class;
}

# the complete lines since the last call, without line ends
sub lines ($self) {
    if (!$self->{fh}) {
        open $self->{fh}, '<:raw', $self->{path} or return;
    }

    my $n = sysread $self->{fh}, $self->{partial}, 1 << 20, length $self->{partial};
    return if !$n;

    my @lines = split /\n/, $self->{partial}, -1;
    $self->{partial} = pop @lines;

    return (@lines, $n == 1 << 20 ? $self->lines : ());
}

# Reads until a new line matches, and returns it; the lines before it count as
# read.  Dies after a timeout.
sub await ($self, $pattern, $what = "a line like $pattern") {
    my $found;

    await_true(sub {
        $found //= (grep { /$pattern/ } $self->lines)[0];
    }, "$what in $self->{path}");

    return $found;
}

# the content of the file
sub content ($self) {
    open my $fh, '<:raw', $self->{path} or return '';
    local $/;
    return <$fh> // '';
}

# Polls until $check returns true, up to the timeout; returns that value.
sub await_true ($check, $what, $timeout = $TIMEOUT) {
    my $until = time + $timeout;
    my $pause = 0.0005;

    while (1) {
        my $result = $check->();
        return $result if $result;
        die "timed out waiting for $what\n" if time > $until;

        sleep $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
}


package AuthToken::Log::Tagged;

# A log of requests: each line is a tag, a tab, and a JSON object.  The harness
# gives each request a tag (X-Test); without one the tag is empty.

use v5.36;

use JSON::PP ();

our $TIMEOUT = 5;

sub new ($class, $path) {
    return bless { log => AuthToken::Log->new($path), records => {} }, $class;
}

# number of requests logged with this tag
sub count ($self, $tag) {
    $self->_read;
    return scalar(($self->{records}{$tag} // [])->@*);
}

# Waits until there are $n or more, up to the timeout; returns their number.
sub await ($self, $tag, $n = 1) {
    eval {
        AuthToken::Log::await_true(sub { $self->count($tag) >= $n }, 'it', $TIMEOUT);
    };
    return $self->count($tag);
}

# the objects of this tag as hashes; strings are the logged bytes
sub records ($self, $tag) {
    $self->_read;
    return map { JSON::PP->new->decode($_) }
               ($self->{records}{$tag} // [])->@*;
}

sub _read ($self) {
    for ($self->{log}->lines) {
        my ($tag, $record) = split /\t/, $_, 2;
        push $self->{records}{$tag}->@*, $record;
    }
}

1;
