package Bench::Refresh;

# Refreshes of many sessions in parallel, each of which is a synced write: requests per
# second and the 99th percentile of the latency, with two worker processes.

use v5.36;

use Bench::Rounds qw(median);
use File::Temp ();
use HTTP::Tiny;

our $SESSIONS = 64;
our $LEAST    = 1_500;          # a second
our $LATENCY  = 60_000;         # microseconds

# cases, seconds (of a run), root (of the repository)
sub new ($class, %o) { bless { %o, samples => [] }, $class }

sub measure ($self, $rounds) {
    my $server = $self->{cases}->server('own-refresh');
    $server->start if !$server->{pid};
    my $base = 'http://127.0.0.1:' . $server->port('login');

    for (1 .. $rounds) {
        my $file = $self->_log_in($base);
        my $time = ($self->{seconds} < 1 ? 1 : int $self->{seconds}) . 's';
        my @output = do {
            open my $pipe, '-|', 'wrk', '-t1', "-c$SESSIONS", "-d$time", '-s', "$self->{root}/bench/lua/refresh.lua",
                $base, '--', '/token', $file->filename or die "wrk: $!\n";
            <$pipe>;
        };
        my ($good, $bad, undef, $p99, $us) = split ' ', $output[-1];
        $bad and die "$bad refreshes failed\n";
        push $self->{samples}->@*, { rate => $good / $us * 1e6, p99 => $p99 };
    }
}

# a file with the refresh token of each session
sub _log_in ($self, $base) {
    my $file = File::Temp->new;
    my $http = HTTP::Tiny->new;

    # wrk makes one request that it does not send
    for (0 .. $SESSIONS) {
        my $response = $http->post("$base/login", { headers => { 'Content-Type' => 'application/json' },
                                                    content => $self->{cases}->login_body });
        my ($token) = map { /refreshToken=(\w+)/ } $response->{headers}{'set-cookie'}->@*
            or die "a login failed: $response->{status}\n";
        say $file $token;
    }
    $file->flush or die "$file: $!\n";

    return $file;
}

# medians of the rounds: rate, p99 (microseconds); met
sub result ($self) {
    my %r = map { my $key = $_; ($key => median(map { $_->{$key} } $self->{samples}->@*)) } qw(rate p99);

    return { %r, met => $r{rate} >= $LEAST && $r{p99} <= $LATENCY };
}

1;
