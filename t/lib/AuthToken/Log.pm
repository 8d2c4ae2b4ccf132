package AuthToken::Log;

# A log file that grows: what is new in it, and the wait for a line.

use v5.36;

use Time::HiRes qw(time sleep);

our $TIMEOUT = 10;

sub new ($class, $path) {
    return bless { path => $path, partial => '' }, $class;
}

# the complete lines since the last call, without their ends
sub lines ($self) {
    if (!$self->{fh}) {
        open $self->{fh}, '<:raw', $self->{path} or return;
    }

    my $n = sysread $self->{fh}, $self->{partial}, 1 << 20,
                    length $self->{partial};
    return if !$n;

    my @lines = split /\n/, $self->{partial}, -1;
    $self->{partial} = pop @lines;

    return (@lines, $n == 1 << 20 ? $self->lines : ());
}

# Reads on until a new line matches, and returns it; all lines before it count
# as read.  Dies after a while.
sub await ($self, $pattern, $what = "a line like $pattern") {
    my $found;

    await_true(sub {
        $found //= (grep { /$pattern/ } $self->lines)[0];
    }, "$what in $self->{path}");

    return $found;
}

# the whole file as it is now
sub content ($self) {
    open my $fh, '<:raw', $self->{path} or return '';
    local $/;
    return <$fh> // '';
}

# polls until $check is true, for a bounded time; returns what it returned
sub await_true ($check, $what, $timeout = $TIMEOUT) {
    my $until = time + $timeout;
    my $pause = 0.0005;

    while (1) {
        my $result = $check->();
        return $result if $result;
        die "waited in vain for $what\n" if time > $until;

        sleep $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
}


package AuthToken::Log::Tagged;

# A log of requests: each line is a tag, a tab, and a JSON object.  The harness
# gives each request a tag (X-Test); that of a request without one is empty.

use v5.36;

use JSON::PP ();

our $TIMEOUT = 5;

sub new ($class, $path) {
    return bless { log => AuthToken::Log->new($path), records => {} }, $class;
}

# how many requests with this tag have been logged so far
sub count ($self, $tag) {
    $self->_read;
    return scalar(($self->{records}{$tag} // [])->@*);
}

# waits until they are $n or more, in vain for a bounded time only; their count
sub await ($self, $tag, $n = 1) {
    eval {
        AuthToken::Log::await_true(sub { $self->count($tag) >= $n }, 'it',
                                   $TIMEOUT);
    };
    return $self->count($tag);
}

# the objects of this tag as hashes, strings as the bytes that were logged
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
