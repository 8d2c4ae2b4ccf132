#!/usr/bin/perl

# The test fixtures: the module accepts the tokens and keys of a certified OpenID
# provider, and the key server fails as requested.

use v5.36;

use lib 't/lib';

use AuthToken::Provider;
use AuthToken::Test;
use Crypt::JWT qw(decode_jwt);
use JSON::PP ();
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical;

# --- tokens of the provider -------------------------------------------------

my $plain = '11111111-2222-3333-4444-555555555555';
my $entra = '99999999-8888-7777-6666-555555555555';
my $api   = 'https://api.example/';
my $graph = "api://$entra";

my $p = AuthToken::Provider->start(
    path      => '/tenant/v2.0',
    resources => { $api => $api, $graph => $entra },
    clients   => [
        { id => $plain },
        { id => $entra, header => { typ => 'JWT' },
          claims => { ver => '2.0', azp => $entra, tid => 'tenant', roles => ['read'],
                      client_id => undef, jti => undef } },
    ],
);

# header and payload of a token as hashes
sub read_token ($token) { map { $json->decode($_) } (parts($token))[0, 1] }

my $token = $p->token(client => $plain, resource => $api);
my ($header, $claims) = read_token($token);

is_deeply $header, { alg => 'RS256', typ => 'at+jwt', kid => 'rsa' }, 'JOSE header';
is $claims->{aud}, $api, 'aud is the resource';
is $claims->{iss}, $p->issuer, 'iss';
is $claims->{client_id}, $plain, 'client_id';
is $claims->{exp} - $claims->{iat}, 3600, 'lifetime';
cmp_ok abs($claims->{iat} - time), '<', 10, 'iat';

($header, $claims) = read_token($p->token(client => $entra, scope => "$graph/.default"));
delete @$claims{qw(iat exp)};
is_deeply [$header, $claims],
    [{ alg => 'RS256', typ => 'JWT', kid => 'rsa' },
     { iss => $p->issuer, aud => $entra, sub => $entra, azp => $entra, ver => '2.0',
       tid => 'tenant', roles => ['read'] }], 'a token as Entra issues it, by a scope';

is eval { $p->token(client => $plain, resource => 'https://other.example/') }, undef, 'token() dies without a token';

# --- keys of the provider ---------------------------------------------------

sub kids ($jwks = $p->jwks) { [sort map { $_->{kid} } $json->decode($jwks)->{keys}->@*] }
sub kid_of_new () { (read_token($p->token(client => $plain, resource => $api)))[0]{kid} }

my $jwks = $p->jwks;
is_deeply kids($jwks), ['rsa'], 'one published key';
is_deeply [grep { exists $json->decode($jwks)->{keys}[0]{$_} } qw(d p q dp dq qi)], [],
    'only the public key';

my $discovery = $json->decode($p->fetch($p->issuer . '/.well-known/openid-configuration')->{body});
is_deeply [$discovery->@{qw(issuer jwks_uri token_endpoint)}],
    [$p->issuer, $p->jwks_uri, $p->token_uri], 'discovery';

sub verified ($token, $jwks) {
    return eval { decode_jwt(token => $token, kid_keys => $jwks, accepted_alg => 'RS256',
                             verify_exp => 1, verify_iss => $p->issuer) };
}

is +(verified($token, $jwks) // {})->{aud}, $api, 'Crypt::JWT verifies the token with these keys' or diag $@;
is verified($token, AuthToken::Source->jwk_set('rsa2')), undef, 'Crypt::JWT rejects it with other keys';

$p->publish('rsa2');
is_deeply [kids(), kid_of_new()], [['rsa', 'rsa2'], 'rsa'], 'a published key does not sign';
$p->sign_with('rsa2');
is_deeply [kids(), kid_of_new()], [['rsa', 'rsa2'], 'rsa2'], 'sign_with selects the signing key';
$p->withdraw('rsa');
is_deeply [kids(), kid_of_new()], [['rsa2'], 'rsa2'], 'a withdrawn key';
$p->rotate('rsa3', keep => 1);
is_deeply [kids(), kid_of_new()], [['rsa2', 'rsa3'], 'rsa3'], 'rotation keeps the old key';
$p->rotate('rsa');
is_deeply [kids(), kid_of_new()], [['rsa'], 'rsa'], 'rotation replaces all keys';

my $kept = $p->base;
ok $p->stop, 'stop';
is $p->fetch($p->jwks_uri)->{exit}, 7, 'connections are refused after stop';
$p->start;
is_deeply [$p->base, kids()], [$kept, ['rsa']], 'start uses the same port and keys';

# --- granted by the module --------------------------------------------------

my $s = start(<<"CONF", files => { 'provider.jwks' => $p->jwks }, good => ['/', token => $token]);
    %%ISSUER provider: issuer @{[$p->issuer]}; audience $api; user_claim client_id; key_file %%DIR%%/provider.jwks;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF

granted $s, '/', 'a token of the provider', token => $token,
        decision => { user => $plain, issuer => 'provider' };
refused $s, '/', invalid_token => 'a token for another resource', reason => 'audience_mismatch',
        token => $p->token(client => $entra, resource => $graph);

$p->rotate('rsa2', keep => 1);
my $next = $p->token(client => $plain, resource => $api);
refused $s, '/', invalid_token => 'a token with a new key', token => $next, reason => 'unknown_kid';

$s->write('provider.jwks', $p->jwks);
$s->errors->await(qr/keys replaced, .*file: .*provider\.jwks/);
granted $s, '/', 'a token with a new key after the key file has changed', token => $next;

# --- modes ------------------------------------------------------------------

my $source = AuthToken::Source->start(keys => ['rsa', 'rsa2']);
my $set    = AuthToken::Source->jwk_set('rsa', 'rsa2');

# Exit code of curl, status and length of the body (-1: that of the JWK Set).  jwks.t proves
# each mode by the log line of the module.
sub answers ($name, $exit, $status, $length, $mode, %o) {
    my $curl = delete $o{curl};

    $source->mode($mode, %o);
    my $answer = $source->fetch('/jwks', curl => [$curl // ()]);

    is_deeply [$answer->{exit}, $answer->{status}, length $answer->{body}],
              [$exit, $status, $length < 0 ? length $set : $length], $name
        or diag explain $answer;

    return $answer;
}

my $answer = answers('good, with headers', 0, 200, -1, 'good', type => 'text/plain',
                     headers => { 'Cache-Control' => 'max-age=5' });
is $answer->{body}, $set, 'good: the body';
like $answer->{head}, qr{^Content-Type: text/plain\r\n.*^Cache-Control: max-age=5\r$}ms, 'good: the headers';

answers('status 500', 0, 500, -1, 500);
answers('status 304', 0, 304, 0, 304);
$answer = answers('redirect', 0, 307, 128, 'redirect', to => 'file:///etc/passwd', status => 307);
like $answer->{head}, qr{^Location: file:///etc/passwd\r$}m, 'Location';
answers('redirect to http', 0, 302, 128, 'redirect_plain');
answers('a followed redirect', 0, 200, -1, 'redirect_plain', curl => 'location');
answers('a chain of redirects', 0, 200, -1, 'redirect_chain', hops => 3, curl => 'location');

answers('hang', 28, undef, 0, 'hang', curl => 'max-time = 0.1');
answers('drip', 0, 200, -1, 'drip', milliseconds => 1);
answers('drip_head', 0, 200, -1, 'drip_head', milliseconds => 1);
answers('reset', 56, 200, int((1 + length $set) / 2), 'reset');
$answer = answers('HTTP/1.0', 0, 200, -1, 'http10');
like $answer->{head}, qr{\AHTTP/1\.0 200 (?!.*Content-Length)}s, 'no Content-Length';

answers('gzip, decoded by curl', 0, 200, -1, 'gzip', curl => 'compressed');
$answer = $source->fetch('/jwks');
like $answer->{head}, qr/^Content-Encoding: gzip\r$/m, 'gzip without Accept-Encoding';
answers('gzip_bomb, decoded by curl', 0, 200, 16 << 20, 'gzip_bomb', curl => 'compressed');
cmp_ok length $source->fetch('/jwks')->{body}, '<', 100_000, 'gzip_bomb, encoded';

$answer = answers('size', 0, 200, 262_145, 'size', bytes => 262_145);
is $json->decode($answer->{body})->{keys}->@*, 2, 'the keys and spaces';
$answer = answers('chunked', 0, 200, 5 << 20, 'size', bytes => 5 << 20, chunked => 1);
unlike $answer->{head}, qr/Content-Length/i, 'no Content-Length';
$answer = answers('long headers', 0, 200, -1, 'headers');
cmp_ok length $answer->{head}, '>', 100_000, 'headers of 100,000 bytes';
answers('silent', 28, undef, 0, 'silent', curl => 'max-time = 0.1');
answers('good again', 0, 200, -1, 'good');

is eval { $source->mode('nonsense'); 1 }, undef, 'an unknown mode is an error';

# --- certificates -----------------------------------------------------------

for (qw(other_ca other_host expired self_signed)) {
    $source->certificate($_);
    answers($_, 60, undef, 0, 'good');
    is $source->fetch('/jwks', curl => ['insecure'])->{status}, 200, "$_, not verified";
}
$source->certificate('good');
answers('the right certificate', 0, 200, -1, 'good');

# --- paths, times, requests -------------------------------------------------

$source->mode('404', path => '/other')->serve('/other', "{}\n", type => 'text/x');
is join(' ', map { $source->fetch($_)->{status} } qw(/jwks /other)), '200 404', 'a mode for one path';
$source->mode('good', path => '/other');
is $source->fetch('/other')->{body}, "{}\n", 'another document';
$source->withhold('/other');
is $source->fetch('/other')->{status}, 404, 'a removed document';
is $json->decode($source->fetch('/.well-known/openid-configuration')->{body})->{jwks_uri},
   $source->url('/jwks'), 'discovery';
$source->keys('rsa3');
is_deeply kids($source->fetch('/jwks')->{body}), ['rsa3'], 'replaced keys';

$source->forget;
is_deeply [$source->hits, $source->requests], [0], 'forget resets the counters';
$source->fetch('/jwks?x=1', headers => ['Authorization: Bearer nothing'], form => { a => 'b' });
is_deeply [$source->hits('/jwks'), $source->hits('/other'), $source->hits], [1, 0, 1], 'one hit';

my ($request) = $source->requests('/jwks');
is_deeply [$request->@{qw(method query http body)}], ['POST', 'x=1', '1.1', 3],
    'the recorded request';
is_deeply [grep { $_->[0] eq 'Authorization' } $request->{headers}->@*],
    [['Authorization', 'Bearer nothing']], 'the recorded headers';

# --- hang ----------- -------------------------------------------------------

$source->mode('hang');
my $waiting = AuthToken::Client->connect(port => $source->plain_port);
$waiting->send(request_bytes('/jwks'));
is $source->await_hits('/jwks', 2), 2, 'the request is counted';
ok !$waiting->_read, 'hang: no response';
$source->mode('good');
is $waiting->response->{status}, 200, 'mode good responds to a request that hangs';

$p->mode('html', path => '/tenant/v2.0/jwks');
is length $p->jwks, 128, 'modes of the provider';
is kid_of_new(), 'rsa2', 'other paths of the provider';
$p->mode('gzip', path => '/tenant/v2.0/jwks');
like $p->jwks, qr/\A\x1f\x8b/, 'a mode applied to the response of the provider';

done;
