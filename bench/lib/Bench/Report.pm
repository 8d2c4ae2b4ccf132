package Bench::Report;

# Tables as Markdown that is also readable in a terminal.

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(table number);

# with commas between thousands
sub number ($n) {
    my $text = sprintf '%.0f', $n;
    1 while $text =~ s/\A(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

# Formats rows of cells; the first row is the head.  The first column, or the first $left
# columns, are left-aligned, the others right-aligned.
sub table ($rows, %o) {
    my $left = $o{left} // 1;
    my @width;

    for my $row (@$rows) {
        for my $i (0 .. $#$row) {
            $width[$i] = length $row->[$i] if length $row->[$i] > ($width[$i] // 3);
            $width[$i] //= 3;
        }
    }

    my @lines = map {
        my $row = $_;
        '| ' . join(' | ', map { sprintf $_ < $left ? "%-$width[$_]s" : "%$width[$_]s", $row->[$_] }
                           0 .. $#width) . ' |';
    } @$rows;

    my $rule = '| ' . join(' | ', map { $_ < $left ? '-' x $width[$_] : '-' x ($width[$_] - 1) . ':' }
                                  0 .. $#width) . ' |';
    splice @lines, 1, 0, $rule;

    return join '', map { "$_\n" } @lines;
}

sub _signed ($x) {
    return sprintf abs $x >= 99.5 ? '%+.0f' : abs $x >= 9.95 ? '%+.1f' : '%+.2f', $x;
}

# the first table: groups of rows, each with the row to compare with
sub _comparison ($self) {
    my @cells = ['us above nginx', 'low .. high', 'of nginx\'s requests/s', 'requests/s', 'us a request',
                 'core busy', 'instructions'];
    unshift $cells[0]->@*, 'server, credential';
    my $n = 0;

    for my $row ($self->{rows}->@*) {
        my $r = $self->{found}{$row->{name}} or next;
        my $i = $self->{instructions}{$row->{name}};

        push @cells, ["**$row->{title}**", ('') x 7] if $row->{title};
        push @cells, [
            $row->{name},
            defined $r->{extra}
                ? (_signed($r->{extra}), _signed($r->{low}) . ' .. ' . _signed($r->{high}),
                   sprintf '%.3f', $r->{ratio})
                : ('', '', ''),
            number($r->{rate}), sprintf('%.2f', $r->{cpu}), sprintf('%.2f', $r->{busy}),
            defined $i ? number($i) : '',
        ];
    }

    return table(\@cells);
}

# the second table: one table for each series
sub _growth ($self) {
    my $text = '';

    for my $series ($self->{series}->@*) {
        my @points = grep { $self->{found}{$_->{row}{name}} } $series->{points}->@* or next;
        my @found  = map { $self->{found}{$_->{row}{name}} } @points;

        $text .= table([
            [$series->{x}, map { number($_->{x}) } @points],
            ["$series->{name}: us above nginx", map { _signed($_->{extra}) } @found],
            ['requests/s', map { number($_->{rate}) } @found],
            ['of nginx\'s requests/s', map { sprintf '%.3f', $_->{ratio} } @found],
        ]) . "\n";
    }

    return $text;
}

sub _goals ($self) {
    return table([
        ['goal', 'measured', 'met'],
        map { [$_->{goal}, $_->{measured}, defined $_->{met} ? $_->{met} ? 'yes' : '**no**' : '?'] }
            $self->{goals}->@*,
    ], left => 3);
}

# rows, found, series, instructions, goals, facts (pairs), notes, verify, picture
sub new ($class, %o) { bless { %o }, $class }

sub text ($self) {
    my $facts = join '', map { "- $_->[0]: $_->[1]\n" } $self->{facts}->@*;
    my $notes = join '', map { "- $_\n" } $self->{notes}->@*;

    return <<"END";
# Speed

Written by `make bench`. [README.md](README.md) explains the method.

![What authentication costs]($self->{picture})

$facts
## Goals

@{[ $self->_goals ]}
## Comparison with nginx and with other servers

Medians of the rounds. "us" is CPU time of user and system in microseconds for one request. Every row is compared with nginx
alone, in the same round and with requests of the same bytes; "nginx, once more" shows the noise. "low .. high" are the lowest
and the highest value of the rounds.

@{[ $self->_comparison ]}
## Growth

@{[ $self->_growth ]}
## Notes

$notes
END
}

1;
