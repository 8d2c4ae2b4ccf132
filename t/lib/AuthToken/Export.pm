package AuthToken::Export;

=head1 NAME

AuthToken::Export - the export format of the command auth-token: JSON Lines

=head1 SYNOPSIS

    my $text = export_text(users => [{ username => 'bob' }], tokens => [...]);
    is_deeply export_records($text)->{users}, [...];

=head1 DESCRIPTION

C<export_text> makes a file for C<auth-token import> from lists of records by the
plural of their kind.  C<export_records> parses what C<auth-token export> prints
into such lists.

=cut

use v5.36;

use Exporter qw(import);
use JSON::PP ();

our @EXPORT = qw(export_records export_text);

my @kinds  = qw(role user client token);
my $coder  = JSON::PP->new->utf8->canonical;
my $header = '{"format":"auth-token","version":1}';

sub export_text (%records) {
    return join '', "$header\n", map {
        my $type = $_;
        map { $coder->encode({ type => $type, %$_ }) . "\n" } ($records{"${type}s"} // [])->@*;
    } @kinds;
}

sub export_records ($text) {
    my ($first, @lines) = split /\n/, $text;
    my %records = map { ("${_}s" => []) } @kinds;

    die "not an export: $first\n" if $coder->decode($first)->{format} ne 'auth-token';

    for (map { $coder->decode($_) } @lines) {
        push $records{delete($_->{type}) . 's'}->@*, $_;
    }
    return \%records;
}

1;
