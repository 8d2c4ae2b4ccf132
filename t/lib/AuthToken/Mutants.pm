package AuthToken::Mutants;

# Changes of C sources for t/campaign/mutate: one operator, condition, constant or return
# of one line.

use v5.36;

use Exporter qw(import);

our @EXPORT = qw(mutants);

my %operator = ('==' => '!=', '!=' => '==', '<=' => '<', '>=' => '>', ' < ' => ' <= ',
                ' > ' => ' >= ', '&&' => '||', '||' => '&&');

# All mutants of a file: hashes of file, function, line, text (of the changed line), old
# and new (both lines without superfluous spaces).
sub mutants ($file) {
    my (@found, $comment);
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
            push @found, { file => $file, function => $function, line => $n + 1, text => $changed,
                           old => trim($text), new => trim($changed) };
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
