package AuthToken::Load;

=head1 NAME

AuthToken::Load - clients that keep a server busy, and look at every answer

=head1 SYNOPSIS

    use AuthToken::Load;

    my @rows = (['good', '/', [token => good_token()], '200'],
                ['none', '/', [], '401 API_INVALID_ACCESS_TOKEN']);

    is ask($s, $rows[0], new => 1), '200', 'one of them, by hand';

    my $load = AuthToken::Load->start($s, \@rows, clients => 4);
    ...                                         # what is done to the server
    my ($count, $wrong) = $load->end;
    is_deeply $wrong, [], 'no wrong answer, and none missing';

=head1 DESCRIPTION

A row is a name, a path, a credential (options of a request), and the answers that
are right, as C<said> has them: C<200> for the upstream's own, else the status and
the code, C<failed: WHY> for none.

C<start> takes the rows by turns, in C<clients> processes (3), each on a kept
connection, and now and then on a new one.  It is bounded: by C<seconds> (180), by
six wrong answers, by the end of the test.  C<< pause => SECONDS >> is between every
four requests; C<< cut => 1 >> is for where workers are killed: no answer is not
wrong then, and a 502 is asked again, once.

C<end> ends them.  It returns how many answers of each kind there were, by "NAME
ANSWER" and, of those that were cut, "failed" or (502) "cut"; and a list of the
wrong ones.

=cut

use v5.36;

use AuthToken::Upstream;
use Exporter qw(import);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(ask said);

# what an answer says, in a word or two
sub said ($answer) {
    return '200' if $answer->{status} == 200 && $answer->{body} eq $AuthToken::Upstream::BODY
                 && !defined $answer->header('WWW-Authenticate');
    return "$answer->{status} $1" if $answer->{body} =~ /\A\{"code":"(\w+)","message":"[\w ]+"\}\z/;
    return "$answer->{status} $answer->{body}";
}

# asks for a row: options are those of a request
sub ask ($s, $row, %o) {
    my (undef, $path, $credential) = @$row;
    my $answer = eval { $s->request($path, @$credential, %o) };

    return said($answer) if $answer;
    delete $s->{connections};
    return "failed: $@";
}

# the work of one
sub _client ($s, $rows, $first, %o) {
    my (%count, @wrong);
    my $until  = time + ($o{seconds} // 180);
    my $parent = getppid;
    delete $s->{connections};

    for (my $n = $first; ; $n++) {
        my $row = $rows->[$n % @$rows];
        my ($name, undef, undef, @right) = @$row;
        my $got = ask($s, $row, $n % 47 == 0 ? (new => 1) : ());

        # the upstream is served by the same workers: the one that was killed may
        # have been the other end
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
            my $report = eval { _client($s, $rows, $i, %o, stop => $self->{stop}) }
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
    my (%count, @wrong);
    open my $fh, '>', $self->{stop} or die "$self->{stop}: $!\n";

    for ($self->{pipes}->@*) {
        my ($pid, $from) = @$_;
        local $/;
        my $report = JSON::PP->new->decode(<$from> || '{"count":{},"wrong":["no report"]}');
        waitpid $pid, 0;
        push @wrong, $report->{wrong}->@*;
        $count{$_} += $report->{count}{$_} for keys $report->{count}->%*;
    }

    unlink $self->{stop};
    return (\%count, \@wrong);
}

1;
