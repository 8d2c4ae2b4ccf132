#!/usr/bin/perl

# What the log line of a refusal states: the actual and the required issuer, audience,
# scope, address and key, escaped and truncated, and nothing else of a token before its
# signature is verified.
#
# Requirements: refusal-facts, no-secrets-in-logs, log-lines.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

my $conf = <<'CONF';
    %%ISSUER main: algorithms RS256 ES256; leeway 1s;%%
    %%ISSUER wide: audience first second; issuer https://wide https://wider;%%
    %%ISSUER named: key_file %%DIR%%/named.json; issuer https://named; typ at+jwt;%%
    %%ISSUER clients: client_claim azp; issuer https://clients; audience clients any; rights token;%%
    auth_token_max_length 65536;
    auth_token_store lmdb:%%DIR%%/store;
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 128k;
        auth_token on;
        auth_token_trust main;
        set $kind write;

        location /         { proxy_pass %%UPSTREAM%%; }
        location /wide     { auth_token_trust main wide; proxy_pass %%UPSTREAM%%; }
        location /named    { auth_token_trust main named; proxy_pass %%UPSTREAM%%; }
        location /clients  { auth_token_trust clients; proxy_pass %%UPSTREAM%%; }
        location /far      { auth_token_allow 192.0.2.0/24 2001:db8::1; proxy_pass %%UPSTREAM%%; }
        location /none     { auth_token_accept none; auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /scope    { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        location /scopes   { auth_token_require_scope any admin $kind; proxy_pass %%UPSTREAM%%; }
        location /of-user  { auth_token_require_scope $auth_token_user.write; proxy_pass %%UPSTREAM%%; }
        location /empty    { auth_token_require_scope $arg_none; proxy_pass %%UPSTREAM%%; }
        location /list     { auth_token_endpoints %%DIR%%/list prefix=/list; proxy_pass %%UPSTREAM%%; }
        location /cookie   { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /either   { satisfy any; deny all; auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
    }
CONF

my %t;
my $s = start($conf,
    files => { 'named.json' => '{"keys":[' . join(',', map { key('rsa')->jwk(kid => $_) } 'one', "t\"wo") . ']}',
               'list'       => "GET /devices/:id devices.read\nGET /blocked devices.read\n" },
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->user('jane', scope => ['read']);
        $store->role('ops', grant => ['devices.*'], deny => ['admin']);
        $store->client('robot', issuer => ['clients'], allow => ['192.0.2.0/24', '2001:db8::/32']);
        $store->client('other', issuer => ['main']);
        $t{far}   = $store->token('far', allow => '10.0.0.0/8');
        $t{jane}  = $store->token('janes', user => 'jane', scope => ['admin']);
        $t{role}  = $store->token('roles', role => 'ops', scope => ['read']);
        }));

my $iss = json_claim('iss');

sub json_claim ($name) { (parts(good_token()))[1] =~ /"$name":"([^"]*)"/ ? $1 : die }

# the facts of the only log line since the last call
sub facts_of ($path, %o) {
    $s->errors->lines;
    $s->request($path, %o, tag => 'refused');
    my @lines = map { /auth_token: (\d.*?), client: 127\.0\.0\.1, server: / ? $1 : () } $s->errors->lines;
    return @lines == 1 ? $lines[0] =~ s/\A.*?, subject: "[^"]*",? ?//r : "lines: @lines";
}

sub states ($path, $facts, $name, %o) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is facts_of($path, %o), $facts, $name;
}

# --- JWT --------------------------------------------------------------------

my $good = good_token();
my ($header, $payload, $signature) = split /\./, $good;

states '/', qq(issuer: "https://evil", expected issuer: "$iss"), 'another issuer: both are named',
    token => good_token(iss => 'https://evil');
states '/wide', qq(issuer: "https://evil", expected issuer: "$iss https://wide https://wider"),
    'another issuer: the issuers of all trusted blocks are named', token => good_token(iss => 'https://evil');
states '/', qq(expected issuer: "$iss"), 'no issuer: the expected one is named', token => good_token(iss => GONE);
states '/', qq(issuer: "$iss", audience: "other", expected audience: "api"), 'another audience: both are named',
    token => good_token(aud => 'other');
states '/', qq(issuer: "$iss", audience: "one two", expected audience: "api"), 'several audiences are named',
    token => good_token(aud => ['one', 'two']);
states '/', qq(issuer: "$iss", expected audience: "api"), 'no audience: the expected one is named',
    token => good_token(aud => GONE);
states '/wide', 'issuer: "https://wider", audience: "api", expected audience: "first second"',
    'the audiences of the block with the issuer of the token are named', token => good_token(iss => 'https://wider');
states '/clients', 'issuer: "https://clients", audience: "no-client", expected audience: "clients any"',
    'audiences that are clients', token => good_token(iss => 'https://clients', azp => 'robot', aud => 'no-client');
states '/', qq(issuer: "$iss", alg: "HS256", expected alg: "RS256 ES256"), 'another algorithm: both are named',
    token => token(header => { alg => 'HS256' });
states '/', qq(issuer: "$iss", expected alg: "RS256 ES256"), 'no algorithm: the expected ones are named',
    token => token(header => { alg => GONE });
states '/named', 'issuer: "https://named", expected typ: "at+jwt"', 'another typ: the expected ones are named',
    token => token(header => { typ => 'canary-typ' }, claims => { iss => 'https://named' });
states '/named', 'issuer: "https://named", kid: "th\x22ree", expected kid: "one t\x22wo"',
    'another kid: those of the keys are named, escaped',
    token => token(header => { typ => 'at+jwt', kid => 'th"ree' }, claims => { iss => 'https://named' });
states '/', qq(issuer: "$iss", alg: "RS256", kid: "two"), 'a bad signature: algorithm and kid are named',
    token => token(header => { kid => 'two' }, key => key('rsa2'));
states '/cookie', qq(issuer: "$iss", alg: "RS256"), 'a bad signature in a cookie',
    cookie => 'accessToken=' . token(key => key('rsa2'));
like facts_of('/', token => good_token(exp => 12.5, iat => 3)),
    qr/\Aissuer: "\Q$iss\E", iat: "3", exp: "12\.5", now: "\d{10}"\z/, 'an expired token: the times are named';
like facts_of('/', token => good_token(nbf => 4e9)),
    qr/\Aissuer: "\Q$iss\E", nbf: "4000000000", (?:iat: "\d+", )?exp: "\d+", now: "\d{10}"\z/,
    'a token that is not yet valid: the times are named';
states '/', '', 'text that is not a token: nothing is named', token => 'canary-abc';
states '/', '', 'a part of a token: nothing is named', token => "$header.$payload";

# --- before a signature is verified ----------------------------------------

my %unused = (sub => 'canary-sub', username => 'canary-user', scope => ['canary-scope'], aud => 'canary-aud',
              azp => 'canary-azp', exp => 1);
for (['a bad signature', {}, {}], ['another issuer', {}, { iss => 'https://evil' }],
     ['another algorithm', { alg => 'HS512' }, {}], ['another kid', { kid => 'x' }, { iss => 'https://named' }],
     ['crit', { crit => ['canary-crit'] }, {}], ['another typ', { typ => 'canary-typ' }, {}])
{
    my ($name, $header, $claims) = @$_;
    my $token = token(header => { typ => 'at+jwt', cty => 'canary-cty', %$header }, key => key('rsa2'),
                      claims => { %unused, %$claims });
    unlike facts_of('/named', token => $token), qr/canary/, "$name: no other value of the token is named";
}

# --- hostile values ---------------------------------------------------------

my $VALUE = qr/"(?!(?:[^"]){132})(?:[^"\\]|\\x[0-9a-f]{2})*"/;
my $FACTS = qr/\A(?:[A-Za-z ()]+: $VALUE(?:, |\z))+\z/;

for (['control bytes', join '', map { chr } 0x01 .. 0x1f, 0x7f], ['a line', "x\n2026/01/01 00:00:00 [forged] 1#1: x"],
     ['quotes', '", expected issuer: "'], ['UTF-8', "\x{e9}\x{202e}\x{1f600}"], ['formats', '%s%n%V%*s'],
     ['64k', 'x' x 40_000], ['64k of control bytes', "\x01" x 7_000], ['64k, not ASCII', "\x{e9}" x 7_000])
{
    my ($name, $value) = @$_;

    for ([iss => '/', {}, { iss => $value }], [kid => '/named', { typ => 'at+jwt', kid => $value }, { iss => 'https://named' }],
         [alg => '/', { alg => $value }, {}], [aud => '/', {}, { aud => [$value, $value] }],
         [iss => '/', {}, { iss => [$value] }], [nbf => '/', {}, { nbf => 4e9, iat => 7, sub => $value, username => $value }])
    {
        my ($member, $path, $header, $claims) = @$_;
        my $facts = facts_of($path, token => token(header => $header, claims => $claims));
        like $facts, $FACTS, "$member with $name is escaped and truncated" if $facts ne '';
        cmp_ok length $facts, '<=', 1024, "$member with $name: the length of the line is limited";
    }
}

my $deep = '{"iss":' . '[' x 600 . ']' x 600 . '}';
states '/', '', 'a payload that is nested too deeply: nothing is named',
    token => raw_token('{"alg":"RS256"}', $deep, key('rsa2'), 'RS256');
unlike $s->errors->content, qr/^\S+ \S+ \[alert\] 1#1: forged/m, 'no log line is forged';

# --- addresses --------------------------------------------------------------

states '/far', 'address: "127.0.0.1", allowed by location: "192.0.2.0/24 2001:db8::1"',
    'an address outside the ranges of the location', token => $good;
states '/none', 'address: "127.0.0.1", allowed by location: "192.0.2.1"', 'the same without a credential';
states '/', 'address: "127.0.0.1", allowed by record: "10.0.0.0/8"', 'an address outside the ranges of an API token',
    api_token => $t{far};
for my $time ('first', 'second', 'third') {
    states '/clients', 'address: "127.0.0.1", allowed by record: "192.0.2.0/24 2001:db8::/32"',
        "an address outside the ranges of a client, the $time time",
        token => good_token(iss => 'https://clients', azp => 'robot', aud => 'robot', canary => 'x');
}

states '/clients', 'address: "127.0.0.1", allowed by record: "192.0.2.0/24 2001:db8::/32"',
    'a client is no API token, also if its id is written in another case',
    token => good_token(iss => 'https://clients', azp => 'ROBOT', aud => 'robot');

# --- scopes and endpoints ---------------------------------------------------

states '/scope', 'scope: "read write", required scope: "admin"', 'a missing scope', token => $good;
states '/scopes', 'scope: "", required scope (any): "admin write"', 'no scope, any of several is required',
    token => good_token(scope => []);
states '/of-user', 'scope: "read write", required scope: "jane.write"', 'a required scope with a variable of the caller',
    token => $good;
states '/empty', 'scope: "read write", required scope: ""', 'an empty requirement', token => $good;
states '/scope', 'API token: "janes", scope: "admin", scope of owner: "read", required scope: "admin"',
    'a scope that the owner of the API token lacks', api_token => $t{jane};
states '/scope', 'role: "ops", scope: "read", required scope: "admin"', 'a role that denies', api_token => $t{role};
states '/list/devices/7', 'endpoint: "GET /devices/:id", scope: "read write", required scope: "devices.read"',
    'an endpoint without its scope', token => $good;
states '/either', 'scope: "read write", required scope: "admin"', 'satisfy any', token => $good;

# --- clients and API tokens -------------------------------------------------

states '/clients', 'issuer block: "clients"', 'a client of another issuer block',
    token => good_token(iss => 'https://clients', azp => 'other', aud => 'other');
is facts_of('/', api_token => 'canary-unknown'), '', 'an unknown API token: nothing is named';

done;
