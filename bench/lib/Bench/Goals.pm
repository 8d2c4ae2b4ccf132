package Bench::Goals;

# The project's goals for speed, compared with the measured values.

use v5.36;

use List::Util qw(min);

# two rows that are compared with each other
our @RANGES = map { "auth_token_allow, ranges, $_" } 10_000, 1;

my %small = map { $_ => 1 } 'auth_token, same token', 'auth_token, same API token',
                             'auth_token with metrics, same token',
                             'auth_token with metrics, same API token',
                             'auth_token, one of a million at random', @RANGES;

# the rows with a goal for a small difference, and the rows that they are compared with
sub of_small_differences ($class, @rows) {
    my %want = map { $_->{name} => 1, $_->{of} => 1 } grep { $small{$_->{name}} } @rows;
    return grep { $want{$_->{name}} } @rows;
}

# found and instructions: results by the names of rows; verify (microseconds);
# ranges (microseconds of 10,000 ranges above one); memory (own and nginx, each rss and
# pss in KiB); peers: names of the rows that verify each token once; storm: result of
# Bench::Storm
sub new ($class, %o) { bless { %o }, $class }

# cost of a row above the row that it is compared with; undef if not measured
sub _extra ($self, $name) { ($self->{found}{$name} // {})->{extra} }

sub _instructions ($self, $name, $of) {
    my ($one, $other) = map { $self->{instructions}{$_} } $name, $of;
    return defined $one && defined $other ? $one - $other : undef;
}

# a value with an upper limit; met is undef if it was not measured
sub _at_most ($goal, $value, $limit, $format) {
    return { goal => $goal, measured => defined $value ? sprintf $format, $value : 'not measured',
             met => defined $value && defined $limit ? $value <= $limit : undef };
}

sub _cheap ($self, $what, $row, $of) {
    my $ratio = ($self->{found}{$row} // {})->{ratio};

    return (
        _at_most("$what: at most 0.6 us above nginx", $self->_extra($row), 0.6, '%+.2f us'),
        _at_most("$what: at most 8,000 instructions above nginx", $self->_instructions($row, $of),
                 8_000, '%+.0f'),
        { goal => "$what: at least 0.93 of the requests per second of nginx",
          measured => defined $ratio ? sprintf '%.2f', $ratio : 'not measured',
          met => defined $ratio ? $ratio >= 0.93 : undef },
    );
}

sub _once ($self, $what, $row, $factor) {
    my $limit = defined $self->{verify} ? $factor * $self->{verify} : undef;
    return _at_most(sprintf('%s: at most %.1f x EVP_PKEY_verify above nginx%s', $what, $factor,
                            defined $limit ? sprintf(', %.1f us', $limit) : ''),
                    $self->_extra($row), $limit, '%+.1f us');
}

sub _ahead ($self) {
    my $own  = $self->_extra('auth_token, each token once');
    my $best = min grep { defined } map { $self->_extra($_) } $self->{peers}->@*;

    return { goal => 'Each token once: less than every other server and module in the table',
             measured => defined $own && defined $best
                         ? sprintf('%+.1f us, the next %+.1f us', $own, $best) : 'not measured',
             met => defined $own && defined $best ? $own < $best : undef };
}

sub _bad ($self) {
    my ($bad, $good) = map { ($self->{found}{"auth_token, $_"} // {})->{cpu} }
                       'bad signature', 'each token once';

    return { goal => 'A bad signature: at most the cost of a good one',
             measured => defined $bad && defined $good
                         ? sprintf('%.1f us a request, %.1f us', $bad, $good) : 'not measured',
             met => defined $bad && defined $good ? $bad <= $good : undef };
}

# the number of instructions is repeatable
sub _ranges ($self) {
    my ($many, $one) = @RANGES;
    my $more = $self->_instructions($many, $one);

    return _at_most('10,000 ranges: at most 0.3 us above a single one', $self->{ranges}, 0.3,
                    '%+.2f us' . (defined $more ? sprintf ', %+.0f instructions', $more : ''));
}

# the number of instructions is repeatable
sub _metrics ($self, $what) {
    my ($with, $without) = ("auth_token with metrics, same $what", "auth_token, same $what");
    my $more = $self->_instructions($with, $without);

    return _at_most("Metrics, same $what: at most 0.1 us above the same without metrics", $self->_extra($with), 0.1,
                    '%+.2f us' . (defined $more ? sprintf ', %+.0f instructions', $more : ''));
}

sub _storm ($self) {
    my $s = $self->{storm};

    return { goal => 'A login storm: p99 of requests with a token at most 1 ms, or 3 x the p99 without logins'
                     . ($s ? sprintf(', %.2f ms', $s->{limit} / 1e3) : ''),
             measured => $s ? sprintf('%.2f ms, without logins %.2f ms, at %.0f logins/s',
                                      $s->{storm} / 1e3, $s->{idle} / 1e3, $s->{logins}) : 'not measured',
             met => $s ? $s->{met} : undef };
}

sub _refresh ($self) {
    my $r = $self->{refresh};

    return { goal => '64 clients refresh in parallel, 2 workers: at least 1,500 a second, p99 at most 60 ms',
             measured => $r ? sprintf('%.0f a second, p99 %.0f ms', $r->{rate}, $r->{p99} / 1e3) : 'not measured',
             met => $r ? $r->{met} : undef };
}

sub all ($self) {
    my $memory = $self->{memory};

    return (
        $self->_cheap('Same token', 'auth_token, same token', 'nginx'),
        $self->_cheap('Same API token', 'auth_token, same API token', 'nginx, X-API-Token'),
        $self->_metrics('token'),
        $self->_metrics('API token'),
        $self->_once('Each token once', 'auth_token, each token once', 1.3),
        $self->_once('Each token once, 1 KiB of claims', 'auth_token, 1 KiB of claims, each token once',
                     1.7),
        $self->_ahead,
        $self->_bad,
        (map { _at_most(ucfirst("$_: at most 3 us above return 401"), $self->_extra("auth_token, $_"), 3,
                        '%+.2f us') } 'malformed', 'wrong alg', 'unknown kid',
            'unknown issuer'),
        _at_most('Each token once: three issuers at most 1 us above one',
                 $self->_extra('auth_token, three issuers, each token once'), 1, '%+.2f us'),
        _at_most('One of a million API tokens at random: at most 3 us above nginx',
                 $self->_extra('auth_token, one of a million at random'), 3, '%+.2f us'),
        $self->_ranges,
        _at_most('Memory of a worker process with a full cache of 16 MiB: at most 24 MiB above nginx',
                 $memory ? ($memory->{own}{rss} - $memory->{nginx}{rss}) / 1024 : undef,
                 24, '%+.1f MiB'),
        $self->_storm,
        $self->_refresh,
    );
}

1;
