#!/usr/bin/perl

# Memory of the workers at full load: all kinds of credentials and of refusals, logins,
# refreshes, logouts and the other token endpoints, without a pause.  The private memory
# of a worker does not grow.  MINUTES is the duration (0.2), after up to ten minutes in
# which caches, pools and the session database reach their size.
#
# Requirements: memory-at-load.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Local;
use AuthToken::Test;
use List::Util qw(max min sum0);
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(sleep time);

my $minutes = $ENV{MINUTES} || 0.2;
my $warm_up = min(10, $minutes / 3);
my $batch   = 16;               # requests sent at once

$AuthToken::Client::TIMEOUT = 60;

# --- server -----------------------------------------------------------------

my $secret = 'canary-client-secret';
my $zones  = 'password failures=1000000/1m per_address=1000000';

my $s = start(issuer_conf(main => "$zones; refresh_token grace=5s;") . <<'CONF' . api_conf('main', 'apps') . '}',
    %%ISSUER apps: issuer https://apps.example; audience api; client_claim appid; rights role; signing_key %%DIR%%/old.pem;
                   password failures=1000000/1m per_address=1000000;%%
    auth_token_cache 64k;
    auth_token_issuer other { issuer https://other.example; audience api; key_file %%DIR%%/keys.json;
                              algorithms RS256 ES256 EdDSA; }
    server {
        listen %%LISTEN%%;
        keepalive_requests 1000000000;
        access_log off;
        auth_token on;
        auth_token_trust main other;
        auth_token_accept bearer cookie api_token;
        location / { empty_gif; }
        location /good { proxy_pass %%UPSTREAM%%; }
        location /basic { auth_token_accept basic; empty_gif; }
        location /apps { auth_token_trust apps; empty_gif; }
        location /scope { auth_token_require_scope all read write; empty_gif; }
        location /far { auth_token_allow 192.0.2.0/24; empty_gif; }
        location /api/ { auth_token_endpoints %%DIR%%/endpoints prefix=/api; empty_gif; }
        location = /info { auth_token_session_info main; }
        location = /metadata { auth_token_metadata apps token_endpoint=/oauth/token; }
CONF
    workers => 2, log_level => 'notice',
    files => { 'keys.json' => '{"keys":[' . join(',', map { key($_)->jwk(kid => $_) } qw(rsa p256 ed25519)) . ']}',
               endpoints   => "GET /devices/:id read\nGET /version Public\nGET /admin admin\n" },
    prepare => prepare_users(
        users   => [user_record('jane', issuers => ['main']), user_record('joe', issuers => ['main'])],
        clients => [{ id => 'app', name => 'app', role => 'readonly', enabled => \1, issuers => ['apps'],
                      secret_hashes => [hash_of($secret)] }],
        tokens  => [(map { { id => "t$_", token => api($_), scope => ['read'] } } 1 .. 40),
                    { id => 'old', token => api('old'), scope => ['read'], expires => 1 },
                    { id => 'far', token => api('far'), scope => ['read'], ip_ranges => ['192.0.2.0/24'] }]));

sub api ($id) { 'full-load-' . $id x 32 }

# --- requests ---------------------------------------------------------------

my $inv   = '401 API_INVALID_ACCESS_TOKEN';
my $later = time + 60 * $minutes + 7200;

sub by ($key, %claims) {
    my %alg = (rsa => 'RS256', p256 => 'ES256', ed25519 => 'EdDSA', rsa2 => 'RS256');
    return token(key => key($key), alg => $alg{$key}, header => { kid => $key },
                 claims => { iss => 'https://other.example', iat => time, exp => $later, %claims });
}

my $forged = by('rsa') =~ s/(.)(?=.{20}\z)/$1 eq 'A' ? 'B' : 'A'/er;
my %form   = (method => 'POST', headers => ['Content-Type: application/x-www-form-urlencoded']);
my %json   = (method => 'POST', headers => ['Content-Type: application/json']);
my $login  = '/api/v6.1/auth/login';

# name, expected result, path, options of the request
my @rows = (
    (map { my $key = $_; map { ["bearer $key", 200, '/', token => by($key, username => "u$_")] } 1 .. 40 }
         qw(rsa p256 ed25519)),
    (map { ['cookie', 200, '/', cookie => 'a=b; accessToken=' . by('p256', username => "c$_")] } 1 .. 40),
    (map { ['API token', 200, '/', api_token => api($_)] } 1 .. 40),
    (map { ['Basic', 200, '/basic', auth => basic($_)] } ('jane', 'joe') x 10),
    (map { ['endpoint', 200, "/api/devices/$_", token => by('ed25519')] } 1 .. 10),
    ['public',          200, '/api/version'],
    ['scopes',          200, '/scope', token => by('p256')],
    ['scope',           '403 API_INSUFFICIENT_RIGHTS', '/scope', api_token => api(1)],
    ['address',         '403 API_IP_NOT_ALLOWED', '/far', token => by('p256')],
    ['own address',     '403 API_IP_NOT_ALLOWED', '/', api_token => api('far')],
    ['origin',          '403 API_ORIGIN_NOT_ALLOWED', '/', method => 'POST', body => '',
                        cookie => 'accessToken=' . by('p256'), headers => ['Origin: https://evil.example']],
    ['endpoint scope',  '403 API_INSUFFICIENT_RIGHTS', '/api/admin', token => by('p256')],
    ['no endpoint',     '403 API_ENDPOINT_NOT_FOUND', '/api/none', token => by('p256')],
    ['client',          '403 API_CLIENT_DISABLED', '/apps', token => token(key => key('rsa2'),
                        claims => { iss => 'https://apps.example', appid => 'unknown', exp => $later })],
    ['none',            $inv, '/'],
    ['malformed',       $inv, '/', token => 'x.y.z'],
    ['forged',          $inv, '/', token => $forged],
    ['unknown key',     $inv, '/', token => by('rsa2')],
    ['expired',         '401 API_EXPIRED_ACCESS_TOKEN', '/', token => by('rsa', exp => 1)],
    ['audience',        $inv, '/', token => by('rsa', aud => 'web')],
    ['issuer',          $inv, '/', token => by('rsa', iss => 'https://evil.example')],
    ['two credentials', $inv, '/', token => by('rsa'), api_token => api(1)],
    ['two cookies',     $inv, '/', cookie => 'accessToken=' . by('rsa') . '; accessToken=x'],
    ['unknown API token', '401 API_INVALID_API_TOKEN', '/', api_token => api('z')],
    ['expired API token', '401 API_EXPIRED_API_TOKEN', '/', api_token => api('old')],
    ['JWK Set',         200, '/keys'],
    ['metadata',        200, '/metadata'],
    ['no session',      $inv, '/info'],
    ['unknown refresh token', '401 API_INVALID_REFRESH_TOKEN', '/api/auth/token', %json, body => '{"refreshToken":"xyz"}'],
    ['bad JSON',        '400 API_BAD_REQUEST', $login, %json, body => '{"username":'],
    ['bad form',        '400 invalid_request', '/oauth/token', %form, body => 'grant_type'],
    ['GET login',       '405 API_BAD_REQUEST', $login],
);

# status and code of a response
sub result ($answer) {
    return 'closed' if !$answer;
    return "$answer->{status} $1" if $answer->{body} =~ /\A\{"(?:code|error)":"(\w+)"/ && $answer->{status} != 200;
    return $answer->{status};
}

# --- clients ----------------------------------------------------------------

# the rows in random order, and API tokens that do not exist
sub send_rows ($n) {
    my (%count, @wrong);
    my $connection = $s->connect;
    my @bytes = map { my (undef, undef, $path, @options) = @$_; request_bytes($path, @options) } @rows;
    srand $n;

    until (-e $s->dir . '/stop' || @wrong > 5) {
        my $close;
        my @i = map { int rand @rows } 2 .. $batch;
        $connection->send(join '', @bytes[@i], request_bytes('/', api_token => 'random' . rand() . 'x' x 20));

        for (@rows[@i], ['random', '401 API_INVALID_API_TOKEN']) {
            my ($name, $expected) = @$_;
            my $answer = $connection->response;
            my $result = result($answer);
            push @wrong, "$name: $result" if $result ne $expected;
            $count{$name}++;

            # nginx closes the connection after a response with 400
            $close = $result =~ /^400/ and last;
        }
        $connection = $s->connect if $close || rand() < 0.01;
    }
    return { count => \%count, wrong => \@wrong };
}

# whole sessions: login, use, two refreshes, logout; a token of a client; wrong passwords
sub hold_sessions ($n) {
    my (%count, @wrong);
    my $user = $n % 2 ? 'jane' : 'joe';
    my $is = sub ($name, $answer, $expected) {
        my $result = result($answer);
        $count{$name}++;
        push @wrong, "$name: $result" if $result ne $expected;
        return $answer;
    };

    until (-e $s->dir . '/stop' || @wrong > 5) {
        my %cookies = cookies($is->('login', login($s, $user), 200));
        $is->('session info', $s->request('/info', cookie => "accessToken=$cookies{accessToken}"), 200);
        for (1 .. 2) {
            %cookies = cookies($is->('refresh', refresh($s, $cookies{refreshToken}), 200));
            $is->('issued token', $s->request('/', token => $cookies{accessToken}), 200);
        }
        $is->('logout', logout($s, cookie => "refreshToken=$cookies{refreshToken}"), 200);
        $is->('refresh after logout', refresh($s, $cookies{refreshToken}), '401 API_INVALID_REFRESH_TOKEN');

        my $auth = 'Basic ' . encode_base64("app:$secret", '');
        my $answer = $is->('client token', $s->request('/oauth/token', %form, auth => $auth,
                                                       body => 'grant_type=client_credentials'), 200);
        my ($token) = $answer->{body} =~ /"access_token":"([^"]+)"/;
        $is->('issued client token', $s->request('/apps', token => $token // ''), 200);
        $is->('wrong secret', $s->request('/oauth/token', %form, auth => "${auth}YQ==",
                                          body => 'grant_type=client_credentials'), '401 invalid_client');
        $is->('wrong password', login($s, $user, "wrong$$"), '401 API_INVALID_CREDENTIALS');
    }
    return { count => \%count, wrong => \@wrong };
}

# --- memory -----------------------------------------------------------------

# private memory of each worker in bytes
sub memory () {
    return map { AuthToken::Log->new("/proc/$_/status")->content =~ /^RssAnon:\s+(\d+) kB/m ? 1024 * $1 : () }
           $s->workers;
}

# the slope of the regression line of values that are a minute apart
sub slope (@values) {
    my $x = (@values - 1) / 2;
    my $y = sum0(@values) / @values;
    my $sum = sum0 map { ($_ - $x) ** 2 } 0 .. $#values;
    return $sum && sum0(map { ($_ - $x) * ($values[$_] - $y) } 0 .. $#values) / $sum;
}

# For each worker, the smallest value of each minute: hashes of passwords need
# megabytes while they are computed.
sub sample ($minutes) {
    my (@minimum, $from);
    my $until = ($from = time) + 60 * $minutes;

    while (time < $until) {
        my $minute = int((time - $from) / 60);
        my @now = memory();
        for my $i (0 .. $#now) {
            $minimum[$i][$minute] = min($now[$i], $minimum[$i][$minute] // $now[$i]);
        }
        sleep 0.2;
    }
    return @minimum;
}

my @workers = $s->workers;
my $load = AuthToken::Load->start($s, \@rows, clients => 5, client => sub ($n) {
    return $n <= 3 ? send_rows($n) : hold_sessions($n);
});
my @warm = sample($warm_up);
my @minimum = sample($minutes);
my ($count, $wrong) = $load->end;

is_deeply $wrong, [], 'every response is correct';
is_deeply [$s->workers], \@workers, 'no worker has exited';

my %names = map { $_->[0] => 1 } @rows;
is_deeply [grep { !$count->{$_} } sort keys %names], [], 'each request of the list was sent';
cmp_ok $count->{$_} // 0, '>', 0, "$_ was sent" for 'login', 'refresh', 'logout', 'client token', 'wrong password';

my @slopes = map { int slope(@$_) } @minimum;
my $grown  = max 0, map { max(@$_) - $_->[0] } @minimum;
cmp_ok $grown, '<', 1 << 20, "no worker has grown by more than $grown bytes" if !$ENV{AT_SANITIZE};
if ($minutes >= 10) {
    cmp_ok max(@slopes), '<', 1024, "growth of the workers in bytes per minute: @slopes";
    note 'memory in KiB, by worker and minute: ', join ' ', map { $_ >> 10 } @$_ for @minimum;
}

my $total = sum0 values %$count;
note "result: full load: $minutes minutes, $total requests, $count->{login} logins, $count->{refresh} refreshes, "
   . 'no wrong verdict; private memory of a worker up to ' . (max(map { @$_ } @minimum) >> 10)
   . ' KiB, growth up to ' . max(0, @slopes) . ' bytes per minute';

done;
