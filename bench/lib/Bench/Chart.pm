package Bench::Chart;

# Both tables as one SVG picture.  Its own background makes it readable on light and dark pages:
# t/docs.t checks the contrast.

use v5.36;


use List::Util qw(max min);
use POSIX ();

my %colour = (background => '#ffffff', text => '#24292f', line => '#57606a', own => '#0969da', other => '#6e7781');

my ($WIDTH, $LABEL) = (860, 300);
my $MARGIN          = 16;
my ($BAR, $GROUP)   = (18, 30);

# rows, found, series, as Bench::Report has them
sub new ($class, %o) { bless { %o, y => 0, out => '' }, $class }

sub svg ($self) {
    $self->_bars;
    $self->_panels;

    my ($width, $height) = map { $_ + 2 * $MARGIN } $WIDTH, $self->{y};
    return <<"END";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="-$MARGIN -$MARGIN $width $height" width="$width" height="$height" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" fill="$colour{text}">
<title>What authentication costs, and how the cost grows</title>
<rect x="-$MARGIN" y="-$MARGIN" width="$width" height="$height" rx="8" fill="$colour{background}"/>
$self->{out}</svg>
END
}

# --- elements ---------------------------------------------------------------

sub _add ($self, $text) { $self->{out} .= "$text\n" }

sub _text ($self, $x, $y, $text, %o) {
    $text =~ s/&/&amp;/g;
    $text =~ s/</&lt;/g;
    my $more = join '', map { qq( $_="$o{$_}") } sort keys %o;
    $self->_add(sprintf '<text x="%.1f" y="%.1f"%s>%s</text>', $x, $y, $more, $text);
}

sub _line ($self, $x1, $y1, $x2, $y2, $opacity = 0.3) {
    $self->_add(sprintf '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-opacity="%s"/>',
                $x1, $y1, $x2, $y2, $colour{line}, $opacity);
}

sub _log10 ($x) { log($x) / log(10) }

# the shortest form of a number
sub _short ($x) {
    return $x >= 1e6 ? $x / 1e6 . 'M' : $x >= 1e4 || $x >= 1e3 && $x % 1e3 == 0 ? $x / 1e3 . 'k' : "$x";
}

# --- bars -------------------------------------------------------------------

my ($LOW, $HIGH) = (0.1, 1_000);

sub _x ($value) {
    my $share = (_log10(max($value, $LOW)) - _log10($LOW)) / (_log10($HIGH) - _log10($LOW));
    return $LABEL + min($share, 1) * ($WIDTH - $LABEL - 70);
}

sub _groups ($self) {
    my (@order, %rows);

    for my $row (grep { defined $_->{group} && $self->{found}{$_->{name}} } $self->{rows}->@*) {
        push @order, $row->{group} if !$rows{$row->{group}};
        push $rows{$row->{group}}->@*, $row;
    }

    return map { [$_, $rows{$_}] } @order;
}

sub _bars ($self) {
    my @groups = $self->_groups or return;
    my $extra  = sub ($row) { $self->{found}{$row->{name}}{extra} };

    $self->_text(0, 18, 'CPU time a request above nginx alone, microseconds, logarithmic',
                 'font-size' => 15, 'font-weight' => 600);

    my $top = $self->{y} = 44;
    my $bars = $self->{out};
    $self->{out} = '';

    for my $group (@groups) {
        my ($title, $rows) = @$group;
        $self->{y} += $GROUP - $BAR;
        $self->_text(0, $self->{y} + 13, $title, 'font-weight' => 600);
        $self->{y} += $BAR;
        $self->_bar($_, $extra->($_)) for sort { $extra->($a) <=> $extra->($b) } @$rows;
    }

    my $rest = $self->{out};
    $self->{out} = $bars;
    for my $tick (0.1, 1, 10, 100, 1_000) {
        $self->_line(_x($tick), $top + 4, _x($tick), $self->{y} + 4);
        $self->_text(_x($tick), $top, $tick, 'text-anchor' => 'middle');
    }
    $self->{out} .= $rest;
    $self->{y} += 20;
}

sub _bar ($self, $row, $value) {
    my $y = $self->{y};
    my $x = _x($value);

    $self->_text($LABEL - 8, $y + 13, $row->{label}, 'text-anchor' => 'end',
                 $row->{own} ? (fill => $colour{own}) : ());
    $self->_add(sprintf '<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2" fill="%s"/>',
                $LABEL, $y + 3, max($x - $LABEL, 1), $BAR - 5,
                $row->{own} ? $colour{own} : $colour{other});
    $self->_text($x + 6, $y + 13, sprintf $value >= 9.95 ? '%.0f' : '%.2f', $value);
    $self->{y} += $BAR;
}

# --- panels -----------------------------------------------------------------

my ($COLUMNS, $PANEL, $HEIGHT) = (3, 270, 190);

sub _panels ($self) {
    my @series = grep { $_->{points}->@* > 1 } map { $self->_measured($_) } $self->{series}->@*;
    return if !@series;

    $self->_text(0, $self->{y} + 18, 'How the cost grows', 'font-size' => 15, 'font-weight' => 600);
    $self->{y} += 34;

    my $top = $self->{y};
    for my $i (0 .. $#series) {
        $self->_panel($series[$i], ($i % $COLUMNS) * ($PANEL + 25),
                      $top + int($i / $COLUMNS) * ($HEIGHT + 30));
    }
    $self->{y} = $top + int(($#series + $COLUMNS) / $COLUMNS) * ($HEIGHT + 30);
}

# a series of measured points; two lines if x is the number of worker processes
sub _measured ($self, $series) {
    my @points = grep { $self->{found}{$_->{row}{name}} } $series->{points}->@*;
    my $of     = sub ($key, $which) { [map { $self->{found}{$_->{$which}{name}}{$key} } @points] };

    return {
        %$series, points => \@points,
        $series->{x} eq 'workers'
            ? (unit => 'requests/s', lines => [[$colour{other}, $of->('rate', 'plain'), 'nginx'],
                                               [$colour{own}, $of->('rate', 'row'), 'auth_token']])
            : (unit => 'us', lines => [[$colour{own}, $of->('extra', 'row')]]),
    };
}

# the smallest of 1, 2, 5, 10, 20 ... that is not below a value
sub _nice ($value) {
    my $power = 10 ** POSIX::floor(_log10(max($value, 0.1)));
    return (grep { $_ >= $value } map { $_ * $power } 1, 2, 5, 10)[0];
}

sub _panel ($self, $series, $left, $top) {
    my @x     = map { $_->{x} } $series->{points}->@*;
    my $high  = _nice(max(1, map { $_->[1]->@* } $series->{lines}->@*));
    my ($x0, $x1, $y0, $y1) = ($left + 34, $left + $PANEL - 12, $top + $HEIGHT - 34, $top + 38);
    my $span  = _log10($x[-1] / $x[0]);
    my $at_x  = sub ($x) { $x0 + _log10($x / $x[0]) / $span * ($x1 - $x0) };
    my $at_y  = sub ($y) { $y0 - max($y, 0) / $high * ($y0 - $y1) };

    $self->_text($left, $top + 12, $series->{name}, 'font-weight' => 600);
    $self->_text($left, $top + 26, $series->{unit}, 'font-size' => 11);

    for my $y (0, $high / 2, $high) {
        $self->_line($x0, $at_y->($y), $x1, $at_y->($y));
        $self->_text($x0 - 5, $at_y->($y) + 4, _short($y), 'text-anchor' => 'end', 'font-size' => 11);
    }

    $self->_text($at_x->($_), $y0 + 15, _short($_), 'text-anchor' => 'middle', 'font-size' => 11) for @x;
    $self->_text(($x0 + $x1) / 2, $y0 + 30, $series->{x}, 'text-anchor' => 'middle', 'font-size' => 11);

    for my $line ($series->{lines}->@*) {
        my ($colour, $values, $name) = @$line;
        my @at = map { [$at_x->($x[$_]), $at_y->($values->[$_])] } 0 .. $#x;

        $self->_add(sprintf '<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>', $colour,
                    join ' ', map { sprintf '%.1f,%.1f', @$_ } @at);
        $self->_add(sprintf '<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', @$_, $colour) for @at;
        $self->_name_line($name, $colour, $at[0], $at[-1], $y0) if defined $name;
    }
}

# labels: the other line's above its beginning, the module's below its end
sub _name_line ($self, $name, $colour, $first, $last, $bottom) {
    my %font = (fill => $colour, 'font-size' => 11);

    return $self->_text($first->[0] + 6, $first->[1] - 8, $name, %font) if $colour ne $colour{own};

    $self->_text($last->[0], $last->[1] + ($last->[1] + 18 < $bottom ? 16 : -8), $name, %font,
                 'text-anchor' => 'end');
}

1;
