package AuthToken::Metrics;

# The page of "auth_token_metrics", read as Prometheus reads it.

use v5.36;

use Carp qw(croak);

our $OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5';

# Options are those of request(), and at (the path).
sub scrape ($class, $s, %o) {
    my $answer = $s->request(delete $o{at} // '/metrics', new => 1, %o);
    croak "status $answer->{status}" if $answer->{status} != 200;
    return $class->parse($answer->{body});
}

# Dies for a line that is neither a sample nor a comment, and for a second sample with
# the same labels.
sub parse ($class, $text) {
    my (%seen, @samples, %type);

    for my $line (split /\n/, $text) {
        $type{$1} = $2 if $line =~ /\A# TYPE (\S+) (\S+)\z/;
        next if $line =~ /\A# /;

        my ($name, $list, $value) = $line =~ /\Aauth_token_(\w+)(?:\{(.*)\})? (\S+)\z/
            or croak "not a sample: $line";
        my %label;
        if (defined $list) {
            $list =~ /\A(?:(\w+)="((?:[^"\\]|\\.)*)"(?:,|\z)(?{ $label{$1} = $2 }))+\z/
                or croak "labels: $line";
        }
        croak "twice: $line" if $seen{join '|', $name, map { "$_=$label{$_}" } sort keys %label}++;
        push @samples, { name => $name, label => \%label, value => $value };
    }

    return bless { text => $text, samples => \@samples, type => \%type }, $class;
}

sub text ($self) { $self->{text} }

# name => type of the families
sub types ($self) { $self->{type}->%* }

# the samples with this name and these labels
sub samples ($self, $name, %label) {
    return grep {
        my $sample = $_;
        $sample->{name} eq $name && !grep { ($sample->{label}{$_} // '') ne $label{$_} } keys %label
    } $self->{samples}->@*;
}

# their sum; undef without a sample
sub value ($self, $name, %label) {
    my @found = map { $_->{value} } $self->samples($name, %label) or return undef;
    my $sum = 0;
    $sum += $_ for @found;
    return $sum;
}

1;
