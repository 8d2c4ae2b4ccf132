#!/usr/bin/perl

# The session database under load: limits of a user and of a session, a full
# database, made-up tokens, key sources that do not answer, a clock that is set.
#
# Requirements: session-limits, session-database-full, logout-flood,
#   fetch-independence, session-clock.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Source qw(log_has);
use AuthToken::Store;
use AuthToken::Test;
use AuthToken::Token qw(key);
use File::Temp ();
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $SERVER = <<'CONF';
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie;
        location / { proxy_pass %%UPSTREAM%%; }
CONF

sub start_with ($directives, %o) {
    return start(issuer_conf(main => $directives) . $SERVER . api_conf() . '    }',
                 prepare => prepare_users(users => [map { user_record($_, issuers => ['main']) } qw(jane john)]), %o);
}

# builds t/lib/NAME.c
sub preloaded ($name) {
    my $library = "$AuthToken::Server::BUILD/$name.so";
    system('gcc', '-O1', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror', '-o', $library,
           "$AuthToken::Server::ROOT/t/lib/$name.c", '-ldl') == 0 or die "gcc: $?\n";
    return $library;
}

sub reasons ($s) { return map { /reason: (\w+),/ ? $1 : () } $s->errors->lines }

# --- limits ------------------------------------------------------------------

my $s = start_with('refresh_token per_user=2 per_minute=3 grace=0;', workers => 2);

my ($first, $second, $third) = map { { cookies(login($s)) } } 1 .. 3;
my $other = { cookies(login($s, 'john')) };
$s->errors->lines;
is_refused refresh($s, $first->{refreshToken}, new => 1), invalid_refresh_token => 'a third login ends the oldest session';
is +(reasons($s))[0], 'unknown_refresh_token', 'its refresh token is unknown';
is refresh($s, $_->{refreshToken})->{status}, 200, 'another session remains' for $second, $other;

my $token = $third->{refreshToken};
for (1 .. 3) {
    my %next = cookies(refresh($s, $token, new => 1));
    $token = $next{refreshToken};
}
$s->errors->lines;
my $answer = refresh($s, $token, new => 1);
is_refused $answer, too_many_requests => 'the fourth refresh within a minute';
cmp_ok $answer->header('Retry-After'), '<=', 61, 'Retry-After is within the minute';
cmp_ok $answer->header('Retry-After'), '>', 30, 'and not much shorter';
is +(reasons($s))[0], 'too_many_refreshes', 'the log has the reason';
is_refused refresh($s, $third->{refreshToken}), invalid_refresh_token => 'a reuse is detected all the same';

# --- logout with made-up tokens ------------------------------------------------

my @sent = map {
    my $c = $s->connect;
    $c->send(request_bytes('/api/v6.1/auth/logout', method => 'POST', headers => ['Content-Type: application/json'],
                           body => '{"refreshToken":"' . "x$_" x 20 . '"}')) for 1;
    $c
} 1 .. 200;
my %status;
$status{ $_->response->{status} }++ for @sent;
is_deeply \%status, { 200 => 200 }, 'many logouts with made-up refresh tokens get 200';
is scalar(grep { /\[(?:error|crit|alert)\]/ } $s->errors->lines), 0, 'none of them is an error in the log';

# --- a full database -------------------------------------------------------------

SKIP: {
    skip 'preloads a library, as the sanitizers do', 1 if $ENV{AT_SANITIZE};

    local @ENV{qw(LD_PRELOAD AT_MAP_SIZE)} = (preloaded('small_map'), 2048 * 1024);
    my $full = start_with('refresh_token per_user=10000 grace=0;');
    delete local @ENV{qw(LD_PRELOAD AT_MAP_SIZE)};

    my ($logins, $last, $pair) = (0);
    for (1 .. 8000) {
        my $try = login($full, 'jane');
        $last = $try->{status};
        last if $last != 200;
        $logins++;
        $pair = { cookies($try) };
    }
    is $last, 503, "a login gets 503 when the database is full, after $logins logins";
    is refresh($full, $pair->{refreshToken})->{status}, 503, 'so does a refresh';
    granted $full, '/x', 'access tokens are valid', token => $pair->{accessToken};
    is login($full, 'john')->{status}, 503, 'another login gets 503';

    my @lines;
    await_true(sub { push @lines, $full->errors->lines; grep { /most sessions/ } @lines }, 'the warning', 10);
    is scalar(grep { /\[error\].* auth_token: session database is full, no login and no refresh until sessions expire: "/ } @lines), 1,
       'a full database is logged once';
    my @warnings = grep { /\[warn\].* auth_token: session database is \d+% full, most sessions: (\d+), user: "jane", path: "/ } @lines;
    is scalar @warnings, 1, 'a warning names the user with most sessions';
    expect_log $full, qr/503/;
}

# --- key sources that do not answer ------------------------------------------------

my $silent = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1') or die $!;
my $url = 'http://127.0.0.1:' . $silent->sockport;

my $slow = start(issuer_conf() . join('', map { <<"CONF" } 1 .. 63) . $SERVER . api_conf() . '    }',
    auth_token_issuer slow$_ { issuer https://slow$_.example; audience api; jwks_uri $url/$_; }
CONF
    prepare => prepare_users(users => [user_record('jane', issuers => ['main'])]));

sleep 1.2;
my $begin = time;
my $session = { cookies(login($slow)) };
is refresh($slow, $session->{refreshToken})->{status}, 200, 'a refresh while 63 key sources are silent';
cmp_ok time - $begin, '<', 3, 'login and refresh do not wait for them';

# --- a clock that is set --------------------------------------------------------------

SKIP: {
    skip 'preloads a library, as the sanitizers do', 1 if $ENV{AT_SANITIZE};

    my $source  = AuthToken::Source->start(keys => ['rsa']);
    my $clock   = File::Temp->new;
    syswrite $clock, pack 'q', 0;
    my $set = sub ($seconds) { sysseek $clock, 0, 0; syswrite $clock, pack 'q', $seconds };

    local @ENV{qw(LD_PRELOAD AT_CLOCK_FILE)} = (preloaded('set_clock'), $clock->filename);
    my $moved = start(issuer_conf() . <<"CONF" . $SERVER =~ s/trust main/trust main fetched/r . api_conf() . '    }',
    %%ISSUER fetched: issuer https://fetched.example; jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;%%
CONF
        files => { 'ca.pem' => $source->ca },
        prepare => prepare_users(users => [user_record('jane', issuers => ['main'])]));
    delete local @ENV{qw(LD_PRELOAD AT_CLOCK_FILE)};

    my $token = token(key => key('rsa'), header => { kid => 'rsa' },
                      claims => { iss => 'https://fetched.example', exp => int(time) + 10 * 86400 });
    ok log_has($moved, qr/keys replaced, issuer: "fetched"/), 'the first keys are used';
    my $pair = { cookies(login($moved)) };

    for (['ahead', 25 * 3600], ['back', 0]) {
        my ($name, $seconds) = @$_;
        $set->($seconds);
        sleep 1;
        granted $moved, '/x', "the clock is set $name: keys stay in use", token => $token;
        $moved->reload;
        sleep 2.5;              # workers clean when they start
        granted $moved, '/x', "the clock is set $name: keys stay in use after a reload", token => $token;
    }
    is refresh($moved, $pair->{refreshToken})->{status}, 200, 'sessions were not removed';
}

done;
