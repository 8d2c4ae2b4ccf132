package Bench::Rounds;

# Measures rows in rounds, each row once a round, so that disturbances of the machine affect
# all rows.  Results are medians of the differences and ratios of two rows of one round.

use v5.36;

use Exporter qw(import);
use List::Util qw(max);

our @EXPORT_OK = qw(median);

sub median (@values) {
    my @sorted = sort { $a <=> $b } @values;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# cases (servers and loads), seconds (of a run)
sub new ($class, %o) { bless { %o, samples => {} }, $class }

# Measures each row $rounds times.
sub measure ($self, $rounds, @rows) {
    for my $round (1 .. $rounds) {
        # forwards and backwards, so that no row always follows the same other row
        my @order = $round % 2 ? @rows : reverse @rows;
        push $self->{samples}{$_->{name}}->@*, $self->_sample($_) for @order;
        $self->{after_round}->($round) if $self->{after_round};
    }
}

# $rounds additional rounds of $seconds each, without progress messages.
sub measure_more ($self, $rounds, $seconds, @rows) {
    local @$self{qw(seconds after_round)} = ($seconds, undef);
    $self->measure($rounds, @rows);
}

sub _sample ($self, $row) {
    my $server = $self->{cases}->server($row->{server});
    my $load   = $self->{cases}->load($row->{load});

    $server->restart if $row->{fresh};

    my $port   = $server->port($row->{port});
    my $before = $server->cpu;
    my $run    = $load->run($port, max($self->{seconds}, $row->{least} // 0), unpinned => $row->{unpinned});
    my $cpu    = $server->cpu - $before;

    my $wrong = $row->{status} < 400 ? $run->{refused} : $run->{requests} - $run->{refused};
    die "$row->{name}: $wrong of $run->{requests} responses have the wrong status\n" if $wrong;

    $self->{after_run}->($row, $server, $run) if $self->{after_run};

    return {
        cpu  => $cpu / 1e3 / $run->{requests},          # microseconds a request
        rate => $run->{requests} / $run->{seconds},
        busy => $cpu / 1e9 / $run->{seconds},           # of a core
    };
}

# microseconds of one row above another, for each round; empty if one was not measured
sub differences ($self, $name, $of) {
    my ($one, $other) = map { $self->{samples}{$_} // return } $name, $of;
    return map { $one->[$_]{cpu} - $other->[$_]{cpu} } 0 .. $#$one;
}

# The result of a row: cpu, rate, busy; and compared with another row extra, low, high
# (microseconds) and ratio (of rates).  Empty if it was not measured.
sub result ($self, $row) {
    my @samples = ($self->{samples}{$row->{name}} // return)->@*;
    my %result  = map { my $key = $_; ($key => median(map { $_->{$key} } @samples)) }
                  qw(cpu rate busy);

    if (defined $row->{of}) {
        my @of    = $self->{samples}{$row->{of}}->@*;
        my @extra = sort { $a <=> $b } $self->differences($row->{name}, $row->{of});

        @result{qw(extra low high)} = (median(@extra), @extra[0, -1]);
        $result{ratio} = median(map { $samples[$_]{rate} / $of[$_]{rate} } 0 .. $#samples);
    }

    return \%result;
}

1;
