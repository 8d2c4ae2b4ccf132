package AuthToken::Explain;

# auth-token explain for the configuration of a server, and its comparison with the
# decision of the running nginx.

use v5.36;

use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Test;
use Exporter qw(import);
use JSON::PP ();
use POSIX ();

our @EXPORT = qw(explain_nginx report_on explain_text explains step agrees agreement);

# the nginx for the command, with the sanitizers of the module
sub explain_nginx ($s) { $s->{explain_nginx} //= AuthToken::Server::script($s->dir) }

# The arguments for a request as in AuthToken::Client::request_bytes and connect, with
# files for its credentials.  Further options: args (a list of arguments), user.
sub arguments ($s, $path, %o) {
    my @arguments = ('--conf', $s->conf_file, '--prefix', $s->dir, '--nginx', explain_nginx($s),
                     '--url', $path, '--from', $o{path} ? 'unix:' : $o{from} // '127.0.0.1');
    my $n = 0;
    my $file = sub ($text) { $s->write('explain-' . $n++, "$text\n") };

    push @arguments, '--to', $o{path} ? "unix:$o{path}" : '127.0.0.1:' . ($o{port} // $s->port) if $path =~ m{^/};
    push @arguments, '--method', $o{method}                                  if defined $o{method};
    push @arguments, '--bearer', $file->($o{token})                          if defined $o{token};
    push @arguments, '--api-token', $file->($o{api_token})                   if defined $o{api_token};
    push @arguments, '--secret-header', 'Cookie:' . $file->($o{cookie})      if defined $o{cookie};
    push @arguments, '--secret-header', 'Authorization:' . $file->($o{auth}) if defined $o{auth};
    push @arguments, '--header', "Host: $o{host}"                            if defined $o{host};
    push @arguments, '--user', $o{user}                                      if defined $o{user};
    push @arguments, map { ('--header', $_) } ($o{headers} // [])->@*;

    return (@arguments, ($o{args} // [])->@*);
}

# runs the command; returns exit code, standard output and standard error
sub run ($s, @arguments) {
    my $base = $s->dir . "/explain-$$";
    my $pid  = fork // die "fork: $!\n";

    if (!$pid) {
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', "$base.out";
        open STDERR, '>', "$base.err";
        exec "$AuthToken::Server::BUILD/auth-token", 'explain', @arguments or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my @found = ($? & 127 ? -($? & 127) : $? >> 8,
                 map { AuthToken::Log->new("$base.$_")->content } qw(out err));
    unlink "$base.out", "$base.err";

    return @found;
}

# the report as a hash, with rc (the exit code) and err
sub report_on ($s, $path, %o) {
    my ($rc, $out, $err) = run($s, '--json', arguments($s, $path, %o));
    my $report = eval { JSON::PP->new->utf8->decode($out) } // { outcome => 'no report' };

    return { %$report, rc => $rc, err => $err, out => $out };
}

sub explain_text ($s, $path, %o) { run($s, arguments($s, $path, %o)) }

# a step of a report; an empty hash: the report does not have it
sub step ($report, $name) {
    return (grep { $_->{step} eq $name } (($report->{auth_token} // {})->{steps} // [])->@*)[0] // {};
}

# The report has this outcome ("granted", or a reason), and at the failed step
# these members, given as regular expressions.
sub explains ($s, $path, $expected, $name, %o) {
    my $members = delete $o{failed} // {};
    my $report  = report_on($s, $path, %o);
    my $module  = $report->{auth_token} // {};
    my $failed  = (grep { $_->{result} eq 'failed' } ($module->{steps} // [])->@*)[0] // {};
    my $outcome = $report->{outcome} eq 'refused' ? $module->{reason} : $report->{outcome};
    my %text    = (%$failed, directives => join '; ', map { "$_->{text} at $_->{position}" }
                                                      ($failed->{directives} // [])->@*);

    my @wrong = $outcome ne $expected ? "outcome $outcome" : ();
    push @wrong, map { "$_: " . ($text{$_} // 'nothing') }
                 grep { ($text{$_} // '') !~ $members->{$_} } sort keys %$members;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(!@wrong, $name) || diag join "\n", @wrong, $report->{err}, $report->{out};
}

# '' if the report agrees with the decision on the same request by nginx, else
# the difference.  outcomes: a hash that counts the reasons.
sub agreement ($s, $path, %o) {
    my $tag    = next_tag;
    my $counts = delete $o{outcomes} // {};
    my $answer = $s->request($path, %o, tag => $tag);
    my $found  = decision($s, $tag);
    my $report = report_on($s, $path, %o);
    my $reason = ($report->{auth_token} // {})->{reason} // '';

    # $auth_token_reason stays that of the module if "satisfy any" grants
    my $expected = $answer->{status} == 200 ? 'granted' : 'refused';
    my $status   = $report->{status} // 200;
    $counts->{$expected eq 'granted' ? 'granted' : $found->{reason}}++;

    my @wrong = $report->{outcome} ne $expected ? "explain: $report->{outcome}, nginx: $expected" : ();
    push @wrong, "explain: $status, nginx: $answer->{status}" if $status != $answer->{status};
    push @wrong, "explain: $reason, nginx: $found->{reason}"
        if $found->{reason} ne $reason && !($found->{reason} eq '' && $reason eq 'off');

    return join '; ', @wrong, @wrong ? $report->{err} : ();
}

sub agrees ($s, $path, $name, %o) {
    my $difference = agreement($s, $path, %o);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($difference eq '', $name) || diag $difference;
}

1;
