#!/usr/bin/perl

# Failed passwords: counted for a name and an address together, over all workers,
# before the next hash.
#
# Requirements: login-timing, throttle, login-flood, zone-exhaustion.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();
use Time::HiRes qw(time);

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $yescrypt = hash_of($AuthToken::Local::PASSWORD, '$y$j9T$abcdefghijklmnop');

my $s = start(issuer_conf(main => 'password failures=5/1m;') . <<'CONF' . api_conf() . '    }',
    auth_token_issuer brief {
        issuer https://brief.example;
        audience api;
        signing_key %%DIR%%/old.pem;
        password failures=2/2s;
    }
    auth_token_issuer open {
        issuer https://open.example;
        audience api;
        signing_key %%DIR%%/old.pem;
        password failures=1000000/1m;
    }
    server {
        listen %%LISTEN%%;
        listen [::1]:%%PORT%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer basic;
        location / { proxy_pass %%UPSTREAM%%; }
        location = /brief/login { auth_token_login brief; }
        location = /open/login { auth_token_login open; }
CONF
    workers => 2,
    prepare => prepare_users(users => [
        (map { user_record($_, issuers => [qw(main brief open)]) } qw(jane john jack judy six)),
        user_record('slow', password_hash => $yescrypt, issuers => ['open']),
        user_record('gone', password_hash => $yescrypt, enabled => $false, issuers => ['open']),
    ]));

sub wrong ($user, %o) { return login($s, $user, 'canary-wrong', new => 1, %o) }

# --- how many ---------------------------------------------------------------

is_refused wrong('jane'), CRED => "failure $_" for 1 .. 5;
is_refused login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1), MANY => "after it, in any worker, $_" for 1 .. 4;

my $answer = wrong('jane');
is_refused $answer, MANY => 'with a wrong one, too';
cmp_ok $answer->header('Retry-After'), '<=', 60, 'not for ever';
is_refused $s->request('/x', auth => basic('jane'), new => 1), MANY => 'Basic counts the same';

is login($s, 'john')->{status}, 200, 'another user';
is login($s, 'jane', $AuthToken::Local::PASSWORD, from => '127.0.0.9')->{status}, 200, 'another address';

is_refused wrong('nobody'), CRED => "an unknown user, failure $_" for 1 .. 5;
is_refused wrong('nobody'), MANY => 'an unknown user is counted alike';

is_refused wrong('john'), CRED => "a success clears: failure $_" for 1 .. 4;
is login($s, 'john')->{status}, 200, 'a success';
is_refused wrong('john'), CRED => "after a success: failure $_" for 1 .. 4;

$s->request('/x', auth => basic('jack', 'canary-wrong')) for 1 .. 5;
is_refused login($s, 'jack'), MANY => 'failures of Basic count for login';

# --- IPv6 -------------------------------------------------------------------

SKIP: {
    eval { $s->connect(host => '::1') } or skip 'no IPv6', 1;
    wrong('six', to => '::1') for 1 .. 5;
    is_refused login($s, 'six', $AuthToken::Local::PASSWORD, to => '::1'), MANY => 'over IPv6';
}

# --- how long ---------------------------------------------------------------

sub brief ($password) {
    return post_json($s, '/brief/login', { username => 'judy', password => $password }, new => 1);
}
brief('canary-wrong') for 1, 2;
$answer = brief($AuthToken::Local::PASSWORD);
is_refused $answer, MANY => 'two failures';
cmp_ok $answer->header('Retry-After'), '<=', 2, 'two seconds at most';
select undef, undef, undef, $answer->header('Retry-After') + 0.2;
is brief($AuthToken::Local::PASSWORD)->{status}, 200, 'when its time is over';

$s->reload;
is_refused login($s, 'jane'), MANY => 'after a reload, still';

# --- many at once -----------------------------------------------------------

my @all = map { my $c = $s->connect; $c->send(request_bytes('/api/v6.1/auth/login', method => 'POST',
                    headers => ['Content-Type: application/json'],
                    body => qq({"username":"burst","password":"canary-$_"}))); $c } 1 .. 60;
my @answers = map { $_->response } @all;
my $judged = grep { $_->{status} == 401 } @answers;
cmp_ok $judged, '<=', 7, 'what waited behind five failures is not hashed any more';
cmp_ok $judged, '>=', 5, 'what did not is';
is scalar(grep { $_->{status} == 429 } @answers), 60 - $judged, 'the others are told when to come again';

# --- ---------------------------------------------------------------------

sub open_login ($user) {
    my $start = time;
    my $got = post_json($s, '/open/login', { username => $user, password => 'canary-wrong' });
    return (time - $start, $got->{body});
}

my (%times, %bodies);
my $tries = $ENV{AT_SANITIZE} ? 5 : 40;

for my $try (1 .. $tries) {
    for my $user (qw(slow gone none)) {
        my ($time, $body) = open_login($user);
        push $times{$user}->@*, $time;
        $bodies{$body}++;
    }
}

is scalar keys %bodies, 1, 'one answer for all';
my %median = map { my @t = sort { $a <=> $b } $times{$_}->@*; $_ => $t[@t / 2] } keys %times;
note join ', ', map { sprintf '%s %.2f ms', $_, 1000 * $median{$_} } sort keys %median;

# of 2,000 tries the medians are within 2 %; of these few, and beside other tests, less
for my $user (qw(gone none)) {
    cmp_ok abs($median{$user} / $median{slow} - 1), '<', 0.25, "$user takes as long as slow" if !$ENV{AT_SANITIZE};
}

done;
