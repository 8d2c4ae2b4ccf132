package AuthToken::Steps;

# Tests whose steps are a script for node with packages of t/package.json.  The script reads
# its configuration from a file of JSON, and prints a line of JSON for each check: its name and
# the values that must be equal.

use v5.36;

use AuthToken::Server;
use AuthToken::Token qw(secret);
use Carp qw(croak);
use Exporter qw(import);
use JSON::PP ();
use Test::More;

our @EXPORT = qw(run_steps);

my $json = JSON::PP->new->utf8;

# Runs the script with this configuration, and with "modules", the directory of the node
# packages, and "command", the beginning of a command that changes the store of the server.
# Returns the last line, whose "secrets" must not appear in any log.
sub run_steps ($s, $script, %config) {
    my $modules = $ENV{AT_NODE} || "$AuthToken::Server::ROOT/build/node";
    my $dir     = $s->dir;
    my $step    = {};

    croak "$modules not found: run make test-deps" if !-e "$modules/installed";

    $s->write('steps.json', $json->encode({
        modules => $modules,
        command => ["$AuthToken::Server::BUILD/auth-token", '--store', "lmdb:$dir/store"],
        %config,
    }));

    # node 18 has Web Crypto only with this option
    open my $output, '-|', 'node', '--experimental-global-webcrypto', "$AuthToken::Server::ROOT/$script", "$dir/steps.json"
        or die "node: $!\n";
    while (my $line = <$output>) {
        $step = $json->decode($line);
        is_deeply $step->{got}, $step->{expected}, $step->{name} if defined $step->{name};
    }
    close $output;
    is $?, 0, 'all steps were taken';

    secret($_) for ($step->{secrets} // [])->@*;
    return $step;
}

1;
