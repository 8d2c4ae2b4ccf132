#!/usr/bin/perl

# Refusals reveal nothing but their code, neither in their bytes nor in their
# duration.  The duration may show whether a kid is known, because key sets are
# public.  It must not depend on the position of a wrong byte in a signature, nor
# on whether a user exists.
#
# Requirements: token-timing, login-timing, secret-timing.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use List::Util qw(max min);
use Time::HiRes qw(time);

my $s = start(<<'CONF', files => {
    %%ISSUER main: key_file %%DIR%%/keys.json;%%
    server {
        listen %%LISTEN%%;
        keepalive_requests 100000;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    'keys.json' => '{"keys":[' . key('rsa')->jwk(kid => 'one') . ']}',
}, good => ['/good', token => token(header => { kid => 'one' })]);

sub kid ($kid, %o) { token(header => { kid => $kid }, %o) }

# --- bytes ------------------------------------------------------------------

my $good = kid('one');
my ($head, $sign) = $good =~ /\A(.*\.)([^.]*)\z/;

my %invalid = (
    'an unknown kid'             => kid('two'),
    'an unknown kid, wrong key'  => kid('two', key => key('rsa2')),
    'a wrong key'                => kid('one', key => key('rsa2')),
    'a wrong first byte'         => $head . b64u(chr(1 ^ ord unb64u($sign)) . substr unb64u($sign), 1),
    'a wrong last byte'          => $head . b64u(substr(unb64u($sign), 0, -1)
                                    . chr(1 ^ ord substr unb64u($sign), -1)),
    'a signature of zeros'       => $head . b64u("\0" x 256),
    'a signature too short'      => $head . b64u("\1" x 255),
    'no signature'               => $head,
    'expired, wrong key'         => kid('one', key => key('rsa2'), claims => { exp => 1 }),
    'expired, unknown kid'       => kid('two', claims => { exp => 1 }),
    'expired, another audience'  => kid('one', claims => { exp => 1, aud => 'x' }),
    'another audience'           => kid('one', claims => { aud => 'x' }),
    'another issuer'             => kid('one', claims => { iss => 'x' }),
    'another issuer, admin'      => kid('one', claims => { iss => 'x', isAdmin => \'true' }),
    'not yet valid'              => kid('one', claims => { nbf => time + 1000 }),
    'another alg'                => token(header => { alg => 'ES256', kid => 'one' }),
    'alg none'                   => token(header => { alg => 'none', kid => 'one' }),
    'another typ'                => token(header => { typ => 'x', kid => 'one' }),
    'a kid with a path'          => kid('../../etc/passwd'),
    'an empty object'            => signed('e30.e30'),
    'junk'                       => 'junk',
);

# the whole response without its date
sub bytes ($answer) {
    return $answer->{raw_head} =~ s/^Date: .*?\r\n//mr . "\r\n" . $answer->{body};
}

my $expected = bytes($s->request('/', token => $invalid{'a wrong key'}, tag => next_tag));

for my $name (sort keys %invalid) {
    my @token = (token => $invalid{$name});
    refused $s, '/', invalid_token => $name, @token;

    @token = (@token, tag => next_tag);
    is bytes($s->request('/', @token)), $expected, "$name: the same bytes as for a wrong key";
    is bytes($s->request('/', @token, new => 1, method => 'POST', body => 'x')), $expected,
       "$name: the same bytes for a POST on a new connection";
}

# only the holder of an otherwise valid token learns that it has expired
refused $s, '/', expired_token => 'expired', token => kid('one', claims => { exp => 1 });

my @expired = map { kid('one', claims => { exp => $_ }) } 1, 0, -1, time - 1;
my %bytes   = map { bytes($s->request('/', tag => next_tag, token => $_)) => 1 } @expired;
is scalar(keys %bytes), 1, 'the time since the expiry does not change the bytes';

# --- duration: tokens -------------------------------------------------------

# Requests of all kinds alternate, so that other load slows down all of them, and
# the median ignores outliers.
sub median (@values) { (sort { $a <=> $b } @values)[@values / 2] }

# the seconds until the 401, and its body
sub timed ($connection, $request) {
    my $begin = time;
    $connection->send($request);
    my $answer = $connection->response;
    my $taken  = time - $begin;
    die "status $answer->{status}\n" if $answer->{status} != 401;
    return ($taken, $answer->{body});
}

{
    my @rows = ('an unknown kid', 'a wrong key', 'a wrong first byte', 'a wrong last byte',
                'a signature of zeros');
    my %request = map { $_ => request_bytes('/', token => $invalid{$_}, tag => 'clock') } @rows;
    my $connection = $s->connect;
    my %taken;

    for my $round (1 .. 150) {
        push $taken{$_}->@*, (timed($connection, $request{$_}))[0] for @rows;
    }

    my %median = map { $_ => median($taken{$_}->@*) } @rows;
    my @sorted = sort { $a <=> $b } values %median;
    note map { sprintf "%-22s %.0f us\n", $_, $median{$_} * 1e6 } @rows;

    cmp_ok $sorted[-1] - $sorted[0], '<', 0.005, 'the medians of all refusals are within 5 ms';
}

# --- duration: users --------------------------------------------------------

# A hash of the cost that the command uses takes about 20 ms: few requests are
# enough to notice that one is missing.
{
    my $tries = $ENV{AT_TIMING_TRIES} || 15;
    my $hash  = hash_of($AuthToken::Local::PASSWORD, '$y$j9T$' . 'abcdefghijklmnop');

    my $local = start(issuer_conf(main => 'password failures=1000000/1s per_address=1000000;') . <<'CONF' . api_conf() . '    }',
    server {
        listen %%LISTEN%%;
        keepalive_requests 100000;
        auth_token on;
        auth_token_accept bearer basic;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
        prepare => prepare_users(users => [
            user_record('jane', password_hash => $hash), user_record('mute', password_hash => undef),
            user_record('gone', password_hash => $hash, enabled => \0),
            user_record('idle', password_hash => $hash, scope => []),
        ]),
        good => ['/good', token => good_token()]);

    my $connection = $local->connect;

    # names of equal length, wrong passwords
    my %login = map {
        my $body = sprintf '{"username":"%s","password":"canary-wrong"}', $_;
        ($_ => request_bytes('/api/v6.1/auth/login', method => 'POST', body => $body,
                             headers => ['Content-Type: application/json']))
    } qw(jane none gone mute);
    my %basic = map { $_ => request_bytes('/', auth => basic($_, 'canary-wrong'), tag => 'clock') } qw(jane none);

    # With few requests the minimum is more stable than the median.  Other load delays
    # some requests, so the measurement is repeated until the minima agree; the minimum
    # of a user whose password is not hashed stays lower.
    my ($bound, $of, $which) = $tries >= 2000 ? (0.02, \&median, 'median') : (0.6, \&min, 'least');

    for (['login', \%login, $tries], ['Basic', \%basic, min($tries, 15)]) {
        my ($what, $request, $tries) = @$_;
        my (%taken, %bodies, %took);

        for my $round (1 .. 10 * $tries) {
            for my $name ($round % 2 ? sort keys %$request : reverse sort keys %$request) {
                my ($seconds, $body) = timed($connection, $request->{$name});
                push $taken{$name}->@*, $seconds;
                $bodies{$body} = 1;
            }

            next if $round % $tries;
            %took = map { $_ => $of->($taken{$_}->@*) } keys %taken;
            last if $which eq 'median' || !grep { abs($_ / $took{jane} - 1) >= $bound } values %took;
        }

        is scalar keys %bodies, 1, "$what: the same body for all users";
        note sprintf "result: timing: medians of %s of known, unknown and disabled users: at most %.2f %% apart\n", $what,
            100 * max(map { abs($_ / $took{jane} - 1) } values %took) if $which eq 'median';
        note map { sprintf "%s, %-5s %.3f ms, %s of %d\n", $what, $_, $took{$_} * 1e3, $which,
                   scalar $taken{$_}->@* } sort keys %took;

        for my $name (grep { $_ ne 'jane' } sort keys %took) {
            cmp_ok abs($took{$name} / $took{jane} - 1), '<', $bound,
                "$what: '$name' takes as long as an existing user, within " . 100 * $bound . ' %';
        }
    }
}

# --- comparisons of secrets -------------------------------------------------

# t/campaign/dudect.c, which make campaign runs with more measurements
SKIP: {
    my $dudect = "$AuthToken::Server::BUILD/dudect";
    skip 'dudect is not built', 1 if !-x $dudect;
    skip 'the sanitizers check each access to memory', 1 if $ENV{AT_SANITIZE};
    my $output = `$dudect 50000`;
    is $?, 0, 'comparisons with a secret take the same time wherever a guess is wrong' or diag $output;
}

done;
