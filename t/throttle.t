#!/usr/bin/perl

# The limit on failed passwords: failures are counted for each pair of name and
# address in all workers, and a throttled request gets no hash.
#
# Requirements: throttle, login-flood, address-flood, zone-exhaustion.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use Time::HiRes ();

my $s = start(issuer_conf(main => 'password failures=5/1m;') . <<'CONF' . api_conf() . '    }',
    %%ISSUER brief: issuer https://brief.example; signing_key %%DIR%%/old.pem; password failures=2/2s;%%
    server {
        listen %%LISTEN%%;
        listen [::1]:%%PORT%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer basic;
        location / { proxy_pass %%UPSTREAM%%; }
        location = /brief/login { auth_token_login brief; }
CONF
    workers => 2,
    prepare => prepare_users(users => [
        map { user_record($_, issuers => [qw(main brief)]) } qw(jane john jack judy six)]));

sub wrong ($user, %o) { return login($s, $user, 'canary-wrong', new => 1, %o) }

# --- number of failures -----------------------------------------------------

is_refused wrong('jane'), invalid_credentials => "failure $_" for 1 .. 5;
is_refused login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1),
           too_many_requests => "the right password after five failures, in any worker, $_" for 1 .. 4;

my $answer = wrong('jane');
is_refused $answer, too_many_requests => 'a wrong password after five failures';
cmp_ok $answer->header('Retry-After'), '<=', 60, 'Retry-After is within the interval';
is_refused $s->request('/x', auth => basic('jane'), new => 1),
    too_many_requests => 'Basic after five failures of login';

is login($s, 'john')->{status}, 200, 'another user is not throttled';
is login($s, 'jane', $AuthToken::Local::PASSWORD, from => '127.0.0.9')->{status}, 200, 'another address is not throttled';

is_refused wrong('unknown'), invalid_credentials => "failure $_ of an unknown user" for 1 .. 5;
is_refused wrong('unknown'), too_many_requests => 'an unknown user after five failures';

is_refused wrong('john'), invalid_credentials => "failure $_ before a success" for 1 .. 4;
is login($s, 'john')->{status}, 200, 'a success after four failures';
is_refused wrong('john'), invalid_credentials => "failure $_ after a success" for 1 .. 4;

$s->request('/x', auth => basic('jack', 'canary-wrong')) for 1 .. 5;
is_refused login($s, 'jack'), too_many_requests => 'login after five failures of Basic';

# --- IPv6 -------------------------------------------------------------------

SKIP: {
    eval { $s->connect(host => '::1') } or skip 'no IPv6', 1;
    wrong('six', to => '::1') for 1 .. 5;
    is_refused login($s, 'six', $AuthToken::Local::PASSWORD, to => '::1'), too_many_requests => 'login over IPv6 after five failures';
}

# --- interval ---------------------------------------------------------------

sub brief ($password) {
    return post_json($s, '/brief/login', { username => 'judy', password => $password }, new => 1);
}
brief('canary-wrong') for 1, 2;
$answer = brief($AuthToken::Local::PASSWORD);
is_refused $answer, too_many_requests => 'after failures=2/2s';
cmp_ok $answer->header('Retry-After'), '<=', 2, 'Retry-After is at most the interval of 2s';
select undef, undef, undef, $answer->header('Retry-After') + 0.2;
is brief($AuthToken::Local::PASSWORD)->{status}, 200, 'the right password is accepted after the interval';

$s->reload;
is_refused login($s, 'jane'), too_many_requests => 'counted before a reload';

# --- concurrent failures ----------------------------------------------------

my @all = map { my $c = $s->connect; $c->send(request_bytes('/api/v6.1/auth/login', method => 'POST',
                    headers => ['Content-Type: application/json'],
                    body => qq({"username":"burst","password":"canary-$_"}))); $c } 1 .. 60;
my @answers = map { $_->response } @all;
my $hashed = grep { $_->{status} == 401 } @answers;
cmp_ok $hashed, '<=', 7, 'passwords that wait behind five failures are not hashed';
cmp_ok $hashed, '>=', 5, 'the first five passwords are hashed';
is scalar(grep { $_->{status} == 429 } @answers), 60 - $hashed, 'the others get 429';

# --- random names ------------------------------------------------------------

# each address has its share of the queue, and a limit for all names together
my $limited = start(issuer_conf(main => 'password per_address=5;') . <<'CONF' . api_conf() . '    }',
    server {
        listen %%LISTEN%%;
        listen [::1]:%%PORT%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer basic;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    prepare => prepare_users(users => [map { user_record($_, issuers => ['main']) } qw(jane john)]));

sub attempt ($name, %o) { login($limited, $name, 'canary-wrong', new => 1, from => '127.0.0.9', %o) }

is login($limited, 'jane', $AuthToken::Local::PASSWORD, from => '127.0.0.9')->{status}, 200, "login $_ is no failure" for 1 .. 7;
is_refused attempt("name$_"), invalid_credentials => "name $_ of an address" for 1 .. 5;
$answer = attempt('name6');
is_refused $answer, too_many_requests => 'a further name';
cmp_ok $answer->header('Retry-After'), '<=', 60, 'Retry-After is within the minute';
is_refused $limited->request('/x', auth => basic('jane'), new => 1, from => '127.0.0.9'),
    too_many_requests => 'Basic from that address';
is login($limited, 'jane', $AuthToken::Local::PASSWORD, from => '127.0.0.8')->{status}, 200, 'another address may log in';

my $crowd = start(issuer_conf(main => 'password per_address=1000000;') . <<'CONF' . api_conf() . '    }',
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    prepare => prepare_users(users => [user_record('jane', issuers => ['main'])]));

my @crowd = map { my $c = $crowd->connect(from => '127.0.0.9');
                  $c->send(request_bytes('/api/v6.1/auth/login', method => 'POST', headers => ['Content-Type: application/json'],
                                         body => qq({"username":"name$_","password":"canary-wrong"}))); $c } 1 .. 150;
my $before = Time::HiRes::time();
is login($crowd, 'jane', $AuthToken::Local::PASSWORD, new => 1)->{status}, 200, 'a login while 150 requests of another address wait';
my $own = Time::HiRes::time() - $before;
@answers = map { $_->response } @crowd;
my $all = Time::HiRes::time() - $before;
my $judged = grep { $_->{status} == 401 } @answers;
# some passwords are hashed while the last requests arrive
cmp_ok $judged, '<', 60, 'an address does not have the whole queue of 64';
cmp_ok $judged, '>=', 30, 'but has half of it';
is scalar(grep { $_->{status} == 429 } @answers), 150 - $judged, 'the others get 429';
cmp_ok $own, '<', $all / 4, 'the login does not wait for the other address';

done;
