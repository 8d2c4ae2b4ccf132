package Bench::Storm;

# What a storm of logins does to others: how long the slowest of a hundred requests
# with a token takes, while all is quiet, and while as many logins as there are
# connections want their passwords hashed by the same worker, half of them wrong.

use v5.36;

use Bench::Rounds qw(median);
use List::Util qw(max sum0);

our $LEAST  = 1_000;            # microseconds that nobody minds
our $FACTOR = 3;

# cases, seconds (of a run; three at least, as hashes take what is left over)
sub new ($class, %o) { bless { %o, seconds => max(3, $o{seconds}), samples => [] }, $class }

# Quiet and storm take turns.  The client sleeps between requests, as the worker
# does: only then does its core go to what hashes.
sub measure ($self, $rounds) {
    my $cases  = $self->{cases};
    my $server = $cases->server('own-login');
    $server->start if !$server->{pid};
    my $port   = $server->port('login');
    my $calm   = $cases->load('calm');

    # remembered from now on, in either case
    $calm->send($port, 1);

    for (1 .. $rounds) {
        my $idle   = $self->_p99($calm, $port);
        my @storms = map { my $load = $cases->load($_); [$load, $load->begin($port, idle => 1)] } qw(storm wrong_storm);
        my $storm  = $self->_p99($calm, $port);
        my @ended  = map { my ($load, $run) = @$_; $load->end($run) } @storms;

        $ended[0]{refused} and die "a right password was refused in the storm\n";
        $ended[1]{refused} == $ended[1]{requests} or die "a wrong password was taken in the storm\n";

        push $self->{samples}->@*, { idle => $idle, storm => $storm,
                                     logins => sum0(map { $_->{requests} / $_->{seconds} } @ended) };
    }
}

sub _p99 ($self, $load, $port) {
    my $run = $load->run($port, $self->{seconds}, idle => 1);
    $run->{refused} and die "a token was refused in the storm\n";
    return $run->{p99};
}

# idle, storm and limit (microseconds), logins (a second), met; medians of the rounds
sub result ($self) {
    my %r = map { my $key = $_; ($key => median(map { $_->{$key} } $self->{samples}->@*)) }
            qw(idle storm logins);
    my $limit = max($LEAST, $FACTOR * $r{idle});

    return { %r, limit => $limit, met => $r{storm} <= $limit };
}

1;
