package AuthToken::Load;

=head1 NAME

AuthToken::Load - clients that send requests continuously and check each response

=head1 SYNOPSIS

    use AuthToken::Load;

    my @rows = (['good', '/', [token => good_token()], '200'],
                ['none', '/', [], '401 API_INVALID_ACCESS_TOKEN']);

    is ask($s, $rows[0], new => 1), '200', 'a single request';

    my $load = AuthToken::Load->start($s, \@rows, clients => 4);
    ...                                         # reload the server, for example
    my ($count, $wrong) = $load->end;
    is_deeply $wrong, [], 'every response was as expected';

=head1 DESCRIPTION

A row is a name, a path, a credential (options of a request), and the expected
results, as C<said> returns them: C<200> for the response of the upstream, else
the status and the code; C<failed: WHY> without a response.

C<start> sends the rows in turn, from C<clients> processes (3), on a keepalive
connection and sometimes on a new one.  It ends after C<seconds> (180), after six
wrong results and with the test.  It sleeps C<pause> seconds after every four
requests.  With C<client>, each process calls this code with its number instead, and
returns its result: a hash of count and wrong.  With C<cut>, for workers that are killed, a missing response is not
wrong, and a request that gets 502 is sent once more.

C<end> stops the clients.  It returns the number of results, by "NAME RESULT" and,
with C<cut>, "failed" or "cut" (502); and a list of the wrong results.  C<wait> does the
same once the clients have ended by themselves.

=cut

use v5.36;

use AuthToken::Upstream;
use Exporter qw(import);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(ask said);

# a response in one or two words
sub said ($answer) {
    return '200' if $answer->{status} == 200 && $answer->{body} eq $AuthToken::Upstream::BODY
                 && !defined $answer->header('WWW-Authenticate');
    return "$answer->{status} $1" if $answer->{body} =~ /\A\{"code":"(\w+)","message":"[\w ]+"\}\z/;
    return "$answer->{status} $answer->{body}";
}

# sends the request of a row; further options as of request()
sub ask ($s, $row, %o) {
    my (undef, $path, $credential) = @$row;
    my $answer = eval { $s->request($path, @$credential, %o) };

    return said($answer) if $answer;
    delete $s->{connections};
    return "failed: $@";
}

# a client process; returns its report
sub _client ($s, $rows, $first, %o) {
    my (%count, @wrong);
    my $until  = time + ($o{seconds} // 180);
    my $parent = getppid;
    delete $s->{connections};

    for (my $n = $first; ; $n++) {
        my $row = $rows->[$n % @$rows];
        my ($name, undef, undef, @right) = @$row;
        my $got = ask($s, $row, $n % 47 == 0 ? (new => 1) : ());

        # the same workers serve the upstream: a worker that was killed may have
        # been the upstream of this request
        if ($o{cut} && $got =~ /\A502\b/) {
            $count{cut}++;
            $got = ask($s, $row, new => 1);
        }

        if ($o{cut} && $got =~ /\Afailed/) {
            $count{failed}++;
        } else {
            $count{"$name $got"}++;
            push @wrong, "$name: $got" if !grep { $_ eq $got } @right;
        }

        last if @wrong > 5;
        last if $n % 10 == 0 && (-e $o{stop} || time > $until || getppid != $parent);
        sleep $o{pause} if $o{pause} && $n % 4 == 0;
    }

    return { count => \%count, wrong => \@wrong };
}

sub start ($class, $s, $rows, %o) {
    my $self = bless { stop => $s->dir . '/stop', pipes => [] }, $class;

    for my $i (1 .. $o{clients} // 3) {
        pipe my $from, my $to or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";

        if (!$pid) {
            my $client = $o{client} // sub ($n) { _client($s, $rows, $n, %o, stop => $self->{stop}) };
            my $report = eval { $client->($i) }
                         // { count => {}, wrong => ["$@"] };
            print {$to} JSON::PP->new->encode($report);
            close $to;
            POSIX::_exit(0);
        }

        close $to;
        push $self->{pipes}->@*, [$pid, $from];
    }

    return $self;
}

sub end ($self) {
    open my $fh, '>', $self->{stop} or die "$self->{stop}: $!\n";
    my @result = $self->wait;
    unlink $self->{stop};
    return @result;
}

sub wait ($self) {
    my (%count, @wrong);

    for ($self->{pipes}->@*) {
        my ($pid, $from) = @$_;
        local $/;
        my $report = JSON::PP->new->decode(<$from> || '{"count":{},"wrong":["no report"]}');
        waitpid $pid, 0;
        push @wrong, $report->{wrong}->@*;
        $count{$_} += $report->{count}{$_} for keys $report->{count}->%*;
    }

    return (\%count, \@wrong);
}

1;
