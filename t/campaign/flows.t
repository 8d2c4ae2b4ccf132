#!/usr/bin/perl

# Ten flows, each with a credential that is granted and one that is refused, and a reload.
# They run under valgrind and ThreadSanitizer (make valgrind, make tsan): t/lib reports what
# these find, and the flows are too slow there for the other tests.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Source;
use AuthToken::Test;

$AuthToken::Client::TIMEOUT = $AuthToken::Log::TIMEOUT = 100;

my $source = AuthToken::Source->start(keys => ['rsa3']);
my $secret = 'canary-client-secret';
my $api    = 'flows-' . 'x' x 32;

my $s = start(issuer_conf() . <<"KEYS" . <<'CONF' . api_conf('main', 'apps') . '    }',
    %%ISSUER fetched: issuer https://keys.example; jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem pause=1s;%%
KEYS
    %%ISSUER rs: issuer https://rs.example;%%
    %%ISSUER es: issuer https://es.example; algorithms ES256; key_file %%DIR%%/p256.pem;%%
    %%ISSUER slow: issuer https://slow.example; algorithms ES384; key_file %%DIR%%/p384.pem;%%
    %%ISSUER apps: audience apps; issuer https://apps.example; client_claim appid; rights role; signing_key %%DIR%%/sign.pem;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main rs es slow fetched;
        auth_token_accept bearer cookie basic api_token;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    files => { 'ca.pem' => $source->ca, map { ("$_.pem" => key($_)->pem) } qw(p256 p384) },
    good => ['/', token => token(claims => { iss => 'https://rs.example' })],
    prepare => prepare_users(
        users   => [user_record('jane', issuers => ['main'])],
        tokens  => [{ id => 't1', token => $api, scope => ['read'] }],
        clients => [{ id => 'c1', issuers => ['apps'], role => 'readonly', secret_hashes => [hash_of($secret)] }]));

sub issued ($iss, %o) { token(claims => { iss => "https://$iss.example" }, %o) }

sub session () { return { cookies(login($s)) } }

sub statuses ($name, $expected, @responses) {
    is_deeply [map { $_->{status} } @responses], $expected, $name;
}

sub client ($secret) {
    return $s->request('/oauth/token', method => 'POST', headers => ['Content-Type: application/x-www-form-urlencoded'],
                       body => "grant_type=client_credentials&client_id=c1&client_secret=$secret");
}

sub flows ($when) {
    granted $s, '/', "$when: RS256", token => issued('rs');
    refused $s, '/', invalid_token => "$when: RS256, another key", token => issued('rs', key => key('rsa2'));

    granted $s, '/', "$when: ES256", token => issued('es', alg => 'ES256', key => key('p256'));
    refused $s, '/', invalid_token => "$when: ES256, another algorithm", token => issued('es');

    granted $s, '/', "$when: ES384, verified in a thread", token => issued('slow', alg => 'ES384', key => key('p384'));

    granted $s, '/', "$when: API token", api_token => $api;
    refused $s, '/', invalid_api_token => "$when: unknown API token", api_token => 'z' x 40;

    granted $s, '/', "$when: Basic", auth => basic('jane');
    statuses("$when: Basic, wrong password", [401], $s->request('/', auth => basic('jane', 'canary-wrong'), tag => next_tag));

    statuses("$when: login, right and wrong password", [200, 401], login($s), login($s, 'jane', 'canary-wrong'));

    statuses("$when: refresh, known and unknown token", [200, 401],
             refresh($s, session()->{refreshToken}), refresh($s, 'A' x 80));

    my $session = session();
    statuses("$when: logout, and a refresh of the ended session", [200, 401],
             logout($s, token => $session->{accessToken}), refresh($s, $session->{refreshToken}));

    statuses("$when: OAuth, right and wrong secret", [200, 401], client($secret), client('canary-wrong'));
}

flows('first');

# --- rotation of keys, and a reload -----------------------------------------

sub key_is_used ($name) {
    my $token = issued('keys', key => key($name), header => { kid => $name });
    eventually "the key $name is used", sub { $s->request('/', token => $token, tag => next_tag)->{status} == 200 }, 60;
}

key_is_used('rsa3');
$source->keys('rsa3', 'rsa2');
key_is_used('rsa2');

$s->write('p256.pem', key('p256b')->pem);
my $next = issued('es', alg => 'ES256', key => key('p256b'));
eventually 'the key of a replaced file is used', sub { $s->request('/', token => $next, tag => next_tag)->{status} == 200 }, 60;
$s->write('p256.pem', key('p256')->pem);

$s->reload;
flows('after a reload');

done;
