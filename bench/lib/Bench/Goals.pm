package Bench::Goals;

# What the project asks of its speed, held against what was measured.

use v5.36;

use List::Util qw(min);

our $CACHE = 16 * 1024;         # KiB, the default of auth_token_cache

# what is compared with each other
our @RANGES = map { "auth_token_allow, ranges, $_" } 10_000, 1;

my %little = map { $_ => 1 } 'auth_token, same token', 'auth_token, same API token',
                             'auth_token, one of a million at random', @RANGES;

# of some rows those whose goal is a small difference, and what they are compared with
sub of_little ($class, @rows) {
    my %want = map { $_->{name} => 1, $_->{of} => 1 } grep { $little{$_->{name}} } @rows;
    return grep { $want{$_->{name}} } @rows;
}

# found and instructions: results by the names of rows; verify (microseconds);
# ranges (microseconds of 10,000 above one); memory (own and nginx, each rss and pss
# in KiB); peers: names of the rows that verify each token once; storm: what
# Bench::Storm found
sub new ($class, %o) { bless { %o }, $class }

# what a row costs above another, or nothing
sub _extra ($self, $name) { ($self->{found}{$name} // {})->{extra} }

sub _instructions ($self, $name, $of) {
    my ($one, $other) = map { $self->{instructions}{$_} } $name, $of;
    return defined $one && defined $other ? $one - $other : undef;
}

# a number that must not be more than a limit; where it was not measured, nobody knows
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

    return { goal => 'Each token once: ahead of every other in the table',
             measured => defined $own && defined $best
                         ? sprintf('%+.1f us, the next %+.1f us', $own, $best) : 'not measured',
             met => defined $own && defined $best ? $own < $best : undef };
}

sub _bad ($self) {
    my ($bad, $good) = map { ($self->{found}{"auth_token, $_"} // {})->{cpu} }
                       'bad signature', 'each token once';

    return { goal => 'A bad signature: no dearer than a good one',
             measured => defined $bad && defined $good
                         ? sprintf('%.1f us a request, %.1f us', $bad, $good) : 'not measured',
             met => defined $bad && defined $good ? $bad <= $good : undef };
}

# the instructions say it surely
sub _ranges ($self) {
    my ($many, $one) = @RANGES;
    my $more = $self->_instructions($many, $one);

    return _at_most('10,000 ranges: at most 0.1 us above a single one', $self->{ranges}, 0.1,
                    '%+.2f us' . (defined $more ? sprintf ', %+.0f instructions', $more : ''));
}

sub _storm ($self) {
    my $s = $self->{storm};

    return { goal => 'A login storm: p99 of requests with a token at most 1 ms, or 3 x that without'
                     . ($s ? sprintf(', %.2f ms', $s->{limit} / 1e3) : ''),
             measured => $s ? sprintf('%.2f ms, without %.2f ms, at %.0f logins/s',
                                      $s->{storm} / 1e3, $s->{idle} / 1e3, $s->{logins}) : 'not measured',
             met => $s ? $s->{met} : undef };
}

sub all ($self) {
    my $memory = $self->{memory};

    return (
        $self->_cheap('Same token', 'auth_token, same token', 'nginx'),
        $self->_cheap('Same API token', 'auth_token, same API token', 'nginx, X-API-Token'),
        $self->_once('Each token once', 'auth_token, each token once', 1.4),
        $self->_once('Each token once, 1 KiB of claims', 'auth_token, 1 KiB of claims, each token once',
                     1.8),
        $self->_ahead,
        $self->_bad,
        (map { _at_most(ucfirst("$_: at most 3 us above return 401"), $self->_extra("auth_token, $_"), 3,
                        '%+.2f us') } 'malformed', 'wrong alg', 'unknown kid'),
        _at_most('One of a million API tokens at random: at most 3 us above nginx',
                 $self->_extra('auth_token, one of a million at random'), 3, '%+.2f us'),
        $self->_ranges,
        _at_most('Memory of a worker with a full cache: at most 16 MiB + 10 % above nginx',
                 $memory ? ($memory->{own}{rss} - $memory->{nginx}{rss}) / 1024 : undef,
                 1.1 * $CACHE / 1024, '%+.1f MiB'),
        $self->_storm,
    );
}

1;
