#!/usr/bin/perl

# auth_token_metrics: every counter and gauge, both formats, worker processes that are
# replaced, killed, or change in number.
#
# Requirements: metrics-decisions, metrics-clients, metrics-workers, metrics-gauges,
#   metrics-format, metrics-access.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Metrics;
use AuthToken::Source;
use AuthToken::Store;
use AuthToken::Test;
use AuthToken::Token qw(key);
use JSON::PP ();
use Time::HiRes qw(sleep);

sub metrics ($s, %o) { AuthToken::Metrics->scrape($s, %o) }

my %text;
my $s = start(<<'CONF' . api_conf('main', 'app') . '    }',
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;
    %%ISSUER main: signing_key %%DIR%%/sign.pem; password failures=3/1m;%%
    %%ISSUER partner: issuer https://partner.example; client_claim azp; rights role;%%
    %%ISSUER app: issuer https://app.example; signing_key %%DIR%%/sign.pem; client_claim client_id; rights role;%%

    server {
        listen %%LISTEN2%%;
        location = /metrics { auth_token_metrics clients=2; }
        location = /protected {
            auth_token on;
            auth_token_trust partner;
            auth_token_metrics;
        }
        location = /denied { deny all; auth_token_metrics; }
        location = /get { limit_except GET { deny all; } auth_token_metrics; }
        location = /if { if ($arg_x) { set $y 1; } auth_token_metrics; }
    }

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust partner;
        auth_token_accept bearer api_token basic;
        auth_token_challenge bearer;
        location / { proxy_pass %%UPSTREAM%%; }
        location /both { auth_token_trust main partner; proxy_pass %%UPSTREAM%%; }
        location /write { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location /teapot { auth_token_require_scope write; auth_token_error API_INSUFFICIENT_RIGHTS status=451; proxy_pass %%UPSTREAM%%; }
        location /any { satisfy any; allow all; auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location /try { try_files /nothing /write; }
        location /login-here { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
        location /off { auth_token off; proxy_pass %%UPSTREAM%%; }
CONF
    workers => 2,
    prepare => sub ($s) {
        prepare_users(users => [user_record('jane', issuers => ['main'])],
                      roles => [{ name => 'reader', grant => ['read'] }],
                      clients => [map { { id => $_, issuers => ['partner'], role => 'reader' } }
                                  'reports', "qu\"ote\\ \x{e9}"])->($s);
        $text{$_} = $s->{store}->token($_, scope => 'read') for qw(first second third);
        $s->{store}->token('soon', scope => 'read', expires => '3d');
        $s->{store}->token('later', scope => 'read', expires => '9d');
    },
    good => ['/off']);

my %page = (port => 2);
sub now (%o) { metrics($s, %page, %o) }

# a request is counted after its response: the page that has a sum, or a later one
sub now_with ($sum, $name, %labels) {
    my $page;
    eval { await_true(sub { $page = now(); ($page->value($name, %labels) // 0) >= $sum }, $name) };
    return $page;
}

sub partner ($client = 'reports', %claims) {
    return token(key => key('rsa'), claims => { iss => 'https://partner.example', azp => $client, %claims });
}

# --- decisions --------------------------------------------------------------

is now()->value('decisions_total'), undef, 'nothing was decided before the first request';

granted $s, '/x', 'a bearer token', token => partner();
granted $s, '/both', 'two issuers', token => partner();
granted $s, '/x', 'an API token', api_token => $text{first} for 1 .. 3;
refused $s, '/x', no_token => 'no credential';
refused $s, '/x', expired_token => 'an expired token', token => partner('reports', exp => 1000);
refused $s, '/x', issuer_mismatch => 'another issuer', token => good_token(iss => 'https://none.example');
refused $s, '/write', insufficient_scope => 'a scope is missing', token => partner();
refused $s, '/x', unknown_client => 'an unknown client', token => partner('nobody');
is $s->request('/teapot', token => partner())->{status}, 451, 'another status by auth_token_error';
is $s->request('/try', token => partner())->{status}, 403, 'an internal redirect is checked again';
granted $s, '/any', 'another module grants', token => partner();
granted $s, '/off', 'auth_token is off';

# each request is one line of the access log, with the same code and reason
sub logged ($s) {
    my %n;
    for (split /\n/, AuthToken::Log->new($s->dir . '/access.log')->content) {
        my ($json) = /\t(\{.*\})\z/ or next;
        my $record = JSON::PP->new->utf8->decode($json);
        $n{"$record->{status} $record->{reason}"}++ if length $record->{status};
    }
    return \%n;
}

sub counted ($page, @names) {
    my %n;
    $n{"$_->{label}{code} $_->{label}{reason}"} += $_->{value} for map { $page->samples($_) } @names;
    return \%n;
}

my $page = now_with(13, 'decisions_total');
is_deeply counted($page, 'decisions_total'), logged($s), 'the access log has the same decisions';
is $page->value('decisions_total', status => 'granted', credential => 'bearer', issuer => 'partner', reason => 'ok'), 2,
    'granted bearer tokens of an issuer';
is $page->value('decisions_total', status => 'granted', credential => 'api_token', issuer => ''), 3, 'granted API tokens';
is $page->value('decisions_total', status => 401, code => 'API_EXPIRED_ACCESS_TOKEN', reason => 'expired', issuer => 'partner'), 1,
    'an expired token is counted for its issuer';
is $page->value('decisions_total', status => 451, reason => 'insufficient_scope'), 1, 'the status of auth_token_error';
is $page->value('decisions_total', status => 'granted', reason => 'insufficient_scope'), 1, 'a refusal that was overruled';
is $page->value('decisions_total', reason => 'no_credential', credential => 'none', issuer => ''), 1, 'no credential';
is $page->value('other_requests_total'), 0, 'no request is without its labels';

# --- clients ------------------------------------------------------------------

is_deeply { map { join('/', $_->{label}->@{qw(type client decision)}) => $_->{value} } $page->samples('client_decisions_total') },
    { 'client/reports/granted' => 3, 'client/reports/refused' => 3, 'api_token/first/granted' => 3 },
    'decisions about a client and an API token; unknown clients are not counted';

granted $s, '/x', 'a third one', api_token => $text{second};
granted $s, '/x', 'a fourth one', token => partner("qu\"ote\\ \x{e9}");
my @others = ('client_decisions_total', type => 'other', client => 'other');
is now_with(2, @others)->value(@others), 2, 'those after the first two are others';

# --- token endpoints ------------------------------------------------------------

my %session = cookies(login($s));
refresh($s, $session{refreshToken});
login($s, 'jane', 'wrong') for 1 .. 4;
$s->request('/keys');
$s->request('/api/v6.1/auth/login');

$page = now_with(1, 'endpoint_requests_total', endpoint => 'login', status => 405);
is $page->value('endpoint_requests_total', endpoint => 'login', status => 200, reason => 'ok', issuer => 'main'), 1, 'a login';
is $page->value('endpoint_requests_total', endpoint => 'login', reason => 'wrong_password'), 3, 'failed logins';
is $page->value('endpoint_requests_total', endpoint => 'login', status => 405), 1, 'a login with GET';
is $page->value('endpoint_requests_total', endpoint => 'refresh', status => 200), 1, 'a refresh';
is $page->value('endpoint_requests_total', endpoint => 'jwks', status => 200), 1, 'a JWK Set';
is $page->value('throttled_requests_total', reason => 'throttled'), 1, 'a throttled login';
is $page->value('throttled_requests_total', reason => 'busy'), 0, 'a counter that has not counted is 0';
is counted($page, 'decisions_total')->{'OK ok'}, 7, 'token endpoints make no decision about access';

my $oauth = $s->request('/oauth/token', method => 'POST', auth => basic('none', 'none'),
    headers => ['Content-Type: application/x-www-form-urlencoded'], body => 'grant_type=client_credentials');
my @refused = ('endpoint_requests_total', endpoint => 'oauth', status => $oauth->{status}, reason => 'unknown_client');
is now_with(1, @refused)->value(@refused), 1,
    'a refused OAuth request';

# --- time of verifications -----------------------------------------------------

granted $s, '/login-here', 'a password', auth => basic('jane'), from => '127.0.0.9';
$page = now_with(1, 'verify_duration_seconds_count', credential => 'basic');
is $page->value('verify_duration_seconds_count', credential => 'basic'), 1, 'the time of a password';
is $page->value('verify_duration_seconds_bucket', credential => 'basic', le => '+Inf'), 1, 'the last bucket has all';
cmp_ok $page->value('verify_duration_seconds_sum', credential => 'basic'), '>', 0, 'a sum of seconds';
for my $kind (qw(bearer api_token)) {
    my @buckets = map { $_->{value} } $page->samples('verify_duration_seconds_bucket', credential => $kind);
    is_deeply \@buckets, [sort { $a <=> $b } @buckets], "$kind: buckets are cumulative";
    cmp_ok $buckets[-1], '>', 0, "$kind: a time";
    is $buckets[-1], $page->value('verify_duration_seconds_count', credential => $kind), "$kind: the count is the last bucket";
}

# workers publish their gauges every second
$page = now_with(1, 'cache_entries');
cmp_ok $page->value("cache_${_}_total"), '>', 0, "cache: $_" for qw(hits misses);
is $page->value('cache_evictions_total'), 0, 'cache: evictions';
cmp_ok $page->value("cache_$_"), '>', 0, "cache: $_" for qw(entries bytes);
is $page->value('queued_jobs', queue => $_), 0, "no job waits: $_" for qw(passwords signatures);

# --- gauges -----------------------------------------------------------------------

is $page->value('issuer_keys', issuer => $_), 1, "keys of $_" for qw(main partner);
is $page->value('store_available'), 1, 'the store is available';
is_deeply { map { $_->{label}{kind} => $_->{value} } $page->samples('store_records') },
    { api_token => 5, client => 2, user => 1, role => 1 }, 'records of the store by kind';
cmp_ok $page->value('store_age_seconds'), '<', 60, 'age of the store';
is $page->value('session_database_available'), 1, 'the session database is available';
cmp_ok $page->value('session_database_usage_ratio'), '<', 0.5, 'use of the map';
eventually 'API tokens that expire within 7 days' => sub { (now()->value('store_expiring_api_tokens') // -1) == 1 };
eventually 'live sessions' => sub { (now()->value('sessions') // -1) == 1 };

my $revision = now()->value('store_revision');
$s->{store}->token('also-soon', scope => 'read', expires => '1d');
eventually 'API tokens that expire, after a change' => sub { now()->value('store_expiring_api_tokens') == 2 };
cmp_ok now()->value('store_revision'), '>', $revision, 'the revision has increased';
%session = cookies(login($s, 'jane', $AuthToken::Local::PASSWORD, from => '127.0.0.8'));
eventually 'a second session' => sub { now()->value('sessions') == 2 };
logout($s, cookie => "accessToken=$session{accessToken}", from => '127.0.0.8');
eventually 'a revoked session does not count' => sub { now()->value('sessions') == 1 };

# --- worker processes -----------------------------------------------------------------

sub totals ($page) {
    my %n;
    $n{$_->{name}} += $_->{value}
        for grep { $_->{name} =~ /\A(?:decisions|client_decisions|endpoint_requests|cache_\w+)_total\z|_count\z/ } $page->{samples}->@*;
    return \%n;
}

my $before = totals(now());
is_deeply totals(now()), $before, "all workers show the same counters, $_" for 1 .. 6;

$s->reload;
is_deeply totals(now()), $before, 'a reload keeps the counters';
is now()->value('workers'), 2, 'two workers';

expect_log $s, qr/exited on signal 9/;
kill KILL => ($s->workers)[0];
$s->errors->await(qr/exited on signal 9/);
eventually 'a killed worker is replaced' => sub { 2 == (() = $s->workers) };
is_deeply totals(now()), $before, 'a killed worker loses no counter';

for my $n (3, 1) {
    $s->{options}{workers} = $n;
    $s->configure($s->{text});
    $s->reload;
    granted $s, '/x', "with $n workers, request $_", api_token => $text{first}, new => 1 for 1 .. 6;
    $before->{$_} += 6 for qw(decisions_total client_decisions_total);
    my $after = totals(now_with($before->{decisions_total}, 'decisions_total'));
    is $after->{$_}, $before->{$_}, "$n workers: $_" for qw(decisions_total client_decisions_total endpoint_requests_total);
    eventually "$n workers" => sub { now()->value('workers') == $n };
}

# --- the response -----------------------------------------------------------------------

my $answer = $s->request('/metrics', %page);
is $answer->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8', 'the type of Prometheus';
is $answer->header('Cache-Control'), 'no-store', 'the page is not cached';
$answer = $s->request('/metrics', %page, headers => ["Accept: $AuthToken::Metrics::OPENMETRICS"]);
is $answer->header('Content-Type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8', 'the type of OpenMetrics';
like $answer->{body}, qr/\n# EOF\n\z/, 'OpenMetrics ends with EOF';
my %type = AuthToken::Metrics->parse($answer->{body})->types;
is $type{auth_token_decisions}, 'counter', 'OpenMetrics: the name of a counter is without _total';
is $s->request('/metrics', %page, method => 'HEAD')->{status}, 200, 'HEAD';
is $s->request('/metrics', %page, method => $_, body => 'x' x 1000)->{status}, 405, $_ for qw(POST PUT DELETE);

is $s->request('/protected', %page)->{status}, 401, 'auth_token on protects the page';
is $s->request('/protected', %page, token => partner())->{status}, 200, 'a valid token opens it';
is $s->request('/denied', %page)->{status}, 403, 'deny';
is $s->request('/get', %page)->{status}, 200, 'with limit_except';
is $s->request('/get', %page, method => 'POST', body => '')->{status}, 403, 'limit_except denies';
is $s->request('/if?x=1', %page)->{status}, 200, 'with "if"';

# --- fetched keys ------------------------------------------------------------------------

my $source  = AuthToken::Source->start(keys => ['rsa', 'rsa2']);
my $fetched = start(<<"CONF", files => { 'ca.pem' => $source->ca }, workers => 2);
    auth_token_state_path %%DIR%%/state;
    %%ISSUER fetched: issuer https://fetched.example; jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;%%
    %%ISSUER down: issuer https://down.example; jwks_uri http://127.0.0.1:1/jwks pause=1;%%
    server {
        listen %%LISTEN%%;
        location = /metrics { auth_token_metrics clients=0; }
        location = /good { proxy_pass %%UPSTREAM%%; }
    }
CONF

eventually 'fetched keys' => sub { metrics($fetched)->value('issuer_keys', issuer => 'fetched') == 2 };
eventually 'failed fetches' => sub { metrics($fetched)->value('issuer_key_fetch_failures_total', issuer => 'down') > 1 };
$page = metrics($fetched);
is $page->value('issuer_key_fetches_total', issuer => 'fetched'), 1, 'one worker has fetched';
is $page->value('issuer_key_fetch_failures_total', issuer => 'fetched'), 0, 'without a failure';
cmp_ok $page->value('issuer_keys_age_seconds', issuer => 'fetched'), '<', 30, 'age of the keys';
cmp_ok $page->value('issuer_next_key_fetch_seconds', issuer => 'fetched'), '>', 30, 'time of the next fetch';
is $page->value('issuer_keys', issuer => 'down'), 0, 'an issuer without keys';
is $page->value('issuer_keys_age_seconds', issuer => 'down'), undef, 'has no age';
is $page->value('store_available'), undef, 'without a store, metrics of a store are missing';

# --- many issuers -------------------------------------------------------------------------

my $many = start(join('', map { "    %%ISSUER i$_: issuer https://i$_.example;%%\n" } 1 .. 40) . <<"CONF");
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust @{[map { "i$_" } 1 .. 40]};
        location / { proxy_pass %%UPSTREAM%%; }
        location = /metrics { auth_token off; auth_token_metrics; }
        location = /good { auth_token off; proxy_pass %%UPSTREAM%%; }
    }
CONF

granted $many, '/x', "issuer $_", token => good_token(iss => "https://i$_.example") for 1 .. 40;
$page = metrics($many);
is scalar(grep { $page->value('decisions_total', status => 'granted', issuer => "i$_") == 1 } 1 .. 40), 40, 'decisions of 40 issuers';
is $page->value('other_requests_total'), 0, 'each of them has a counter';

# --- a truncated store ---------------------------------------------------------------------

my $truncated = start(<<'CONF', good => ['/good'], prepare => AuthToken::Store->prepare);
    auth_token_store lmdb:%%DIR%%/store;
    server {
        listen %%LISTEN%%;
        location = /metrics { auth_token_metrics; }
        location = /good { proxy_pass %%UPSTREAM%%; }
    }
CONF

eventually 'a count of API tokens' => sub { defined metrics($truncated)->value('store_expiring_api_tokens') };
sleep 2.1;    # the pause until the next count
expect_log $truncated, qr/store not available/;
truncate $truncated->{store}->path . '/data.mdb', 4096 or die "truncate: $!\n";
eventually 'a truncated store is not available' => sub { metrics($truncated)->value('store_available') == 0 };
$truncated->errors->await(qr/store not available/);
unlike $truncated->errors->content, qr/exited on signal/, 'no thread reads it';

# --- the configuration --------------------------------------------------------------------

sub location ($text) { "server { listen %%LISTEN%%; location / { $text } }" }

conf_ok(location('auth_token_metrics;'), 'the default');
conf_ok(location("auth_token_metrics clients=$_;"), "clients=$_") for 0, 1000;
conf_fails(location("auth_token_metrics $_;"), qr/invalid value "$_" in "auth_token_metrics"/, $_)
    for 'clients=1001', 'clients=-1', 'clients=', 'clients=x', 'client=1';
conf_fails(location('auth_token_metrics; auth_token_metrics;'), qr/"auth_token_metrics" directive is duplicate/, 'twice');
conf_fails(location('empty_gif; auth_token_metrics;'),
    qr/"auth_token_metrics" directive conflicts with another content handler of the location/, 'another handler');
conf_fails("auth_token_metrics; server { }", qr/"auth_token_metrics" directive is not allowed here/, 'in the http block');

done;
