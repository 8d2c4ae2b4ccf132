package AuthToken::Campaign;

=head1 NAME

AuthToken::Campaign - results of the long tests, in t/campaign/results.md

=head1 SYNOPSIS

    use AuthToken::Campaign;

    record('coverage', 'lines 96.1 %, branches 88.0 %');
    my ($old) = recorded('fuzz: token') =~ /(\d+) executions/;

=head1 DESCRIPTION

The file has one line for each part: part, date, commit and result.  A new result of a
part replaces the old one.  A commit that ends in "+" has uncommitted changes.

=cut

use v5.36;

use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use POSIX qw(strftime);

our @EXPORT = qw(record recorded commit $ROOT $RELEVANT);

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
my $file = "$ROOT/t/campaign/results.md";

# Files in which an error would grant a request: verification, claims, addresses,
# scopes, store lookup, sessions and cache.
our $RELEVANT = qr{\A src/core/ (?:
      jose/at_(?:jwt|jwt_claims|jwk|key|keyset|jose|pem|key_text|ed25519|entra)\.c
    | json/ | base/at_(?:base64url|crypto|str|bytes)\.c
    | authz/ | store/at_(?:store|lmdb|account)\.c
    | session/ )
    | \A src/http/access/ngx_at_(?:access|policy|basic)\.c }x;

sub _lines () {
    open my $fh, '<:utf8', $file or die "$file: $!\n";
    return <$fh>;
}

# the id of the commit that is checked out
sub commit () {
    chomp(my $id = `git -C $ROOT rev-parse --short=9 HEAD`);
    my $changed = `git -C $ROOT status --porcelain --untracked-files=no -- src t Makefile config ':!t/campaign/results.md'`;
    return $id . ($changed ? '+' : '');
}

# the recorded result of a part, or an empty string
sub recorded ($part) {
    for (_lines()) {
        return $1 if /\A\| \Q$part\E \| [^|]* \| [^|]* \| (.*) \|$/;
    }
    return '';
}

sub record ($part, $result) {
    open my $lock, '<', $file or die "$file: $!\n";
    flock $lock, LOCK_EX or die "$file: $!\n";

    my @lines = grep { !/\A\| \Q$part\E \|/ } _lines();
    my $row   = sprintf "| %s | %s | %s | %s |\n", $part, strftime('%Y-%m-%d', gmtime), commit(), $result;
    my ($end) = grep { $lines[$_] =~ /\A\|---/ } 0 .. $#lines;
    die "$file: no table\n" if !defined $end;

    my @rows = sort $row, grep { /\A\|/ } splice @lines, $end + 1;
    open my $fh, '>:utf8', "$file.new" or die "$file.new: $!\n";
    print $fh @lines, @rows;
    close $fh or die "$file.new: $!\n";
    rename "$file.new", $file or die "$file: $!\n";
    print "$part: $result\n";
}

1;
