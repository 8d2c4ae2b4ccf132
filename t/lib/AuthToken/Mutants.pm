package AuthToken::Mutants;

# Changes of C sources for t/campaign/mutate: one operator, condition, constant or return
# of one line.

use v5.36;

use Exporter qw(import);

our @EXPORT = qw(mutants);

my %operator = ('==' => '!=', '!=' => '==', '<=' => '<', '>=' => '>', ' < ' => ' <= ',
                ' > ' => ' >= ', '&&' => '||', '||' => '&&');

# All mutants of a file: hashes of name, file, line and text (of the changed line).
# Names are different: another mutant with the same lines has a number.
sub mutants ($file) {
    my (@found, %seen, $comment);
    my $function = 'data';
    my @source = do { open my $fh, '<', $file or die "$file: $!\n"; <$fh> };

    for my $n (0 .. $#source) {
        my $text = $source[$n];
        $function = $1 if $text =~ /\A(\w+)\(/;

        # comments, strings and characters become spaces
        my $code = $text =~ s{("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|/\*.*?\*/)}{' ' x length $1}ger;
        $comment = 1 if $code =~ s{/\*.*}{}s;
        $comment = 0 if $comment && $text =~ m{\*/};
        next if $comment || $code !~ /\A +\S/ || $code =~ /\*\/|\A *(?:static|const|case) |\A *\* /;

        my $add = sub ($at, $length, $new) {
            my $changed = $text;
            substr $changed, $at, $length, $new;
            my $name = "$file, $function: " . trim($text) . ' -> ' . trim($changed);
            my $times = ++$seen{$name};
            $name .= " ($times)" if $times > 1;
            push @found, { name => $name, file => $file, line => $n + 1, text => $changed };
        };

        $add->($-[0], length $&, $operator{$&}) while $code =~ /==|!=|<=|>=| [<>] |&&|\|\|/g;
        $add->($-[1], length $1, '!(' . substr($text, $-[1], length $1) . ')')
            if $code =~ /\A *(?:\} else )?if \((.*)\) \{$/;
        $add->($-[0], length $&, $& ? $& == 1 ? 0 : $& + 1 : 1) while $code =~ /(?<![\w.])\d+(?!\w)/g;
        # the last return of a function has no statement behind it
        $add->($-[1], length $1, ';') if $code =~ /\A {8,}(return\b.*;)$/;
    }
    return @found;
}

sub trim ($text) { $text =~ s/\A\s+|\s+\z//gr =~ s/\s+/ /gr }

1;
