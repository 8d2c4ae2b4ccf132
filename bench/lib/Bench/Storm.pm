package Bench::Storm;

# The effect of many logins on other requests: the 99th percentile of the latency of
# requests with a token, without logins and while every connection of another client logs
# in to the same worker process, half of them with a wrong password.

use v5.36;

use Bench::Rounds qw(median);
use List::Util qw(max sum0);

our $LEAST  = 1_000;            # microseconds that always meet the goal
our $FACTOR = 3;

# cases, seconds (of a run, at least 3, as hashes only get otherwise unused CPU time)
sub new ($class, %o) { bless { %o, seconds => max(3, $o{seconds}), samples => [] }, $class }

# Alternates runs without and with logins.  The client sleeps between requests, as the
# worker process does; only then the core is free for hashing.
sub measure ($self, $rounds) {
    my $cases  = $self->{cases};
    my $server = $cases->server('own-login');
    $server->start if !$server->{pid};
    my $port   = $server->port('login');
    my $calm   = $cases->load('calm');

    # fills the verification cache
    $calm->send($port, 1);

    for (1 .. $rounds) {
        my $idle   = $self->_p99($calm, $port);
        my @storms = map { my $load = $cases->load($_); [$load, $load->begin($port, idle => 1)] } qw(storm wrong_storm);
        my $storm  = $self->_p99($calm, $port);
        my @ended  = map { my ($load, $run) = @$_; $load->end($run) } @storms;

        $ended[0]{refused} and die "a correct password was refused\n";
        $ended[1]{refused} == $ended[1]{requests} or die "a wrong password was accepted\n";

        push $self->{samples}->@*, { idle => $idle, storm => $storm,
                                     logins => sum0(map { $_->{requests} / $_->{seconds} } @ended) };
    }
}

sub _p99 ($self, $load, $port) {
    my $run = $load->run($port, $self->{seconds}, idle => 1);
    $run->{refused} and die "a token was refused\n";
    return $run->{p99};
}

# medians of the rounds: idle, storm, limit (microseconds), logins (a second); met
sub result ($self) {
    my %r = map { my $key = $_; ($key => median(map { $_->{$key} } $self->{samples}->@*)) }
            qw(idle storm logins);
    my $limit = max($LEAST, $FACTOR * $r{idle});

    return { %r, limit => $limit, met => $r{storm} <= $limit };
}

1;
