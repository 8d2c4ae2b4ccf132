#!/usr/bin/perl

# Attacks that reviews of the module found, each with a positive control.
#
# Requirements: path-templates, nbf-iat, store-change-is-immediate, key-file.

use v5.36;

use lib 't/lib';

use AuthToken::Store;
use AuthToken::Test;
use Time::HiRes qw(time);

my $main = '%%ISSUER%%';

my $issuers = $main . <<'CONF';
    %%ISSUER apps: audience apps; client_claim azp; rights role; delegated off;%%
    %%ISSUER both: audience both; client_claim azp; rights role;%%
CONF

my %files = (
    'rsa.pem'       => key('rsa')->pem,
    'endpoints.tsv' => <<'TSV',
GET  /pub/:any          Public
*    /pub/admin         admins
*    /pub/:any/more     admins
GET  /pub/admin/:what   Authenticated
TSV
);

my $s = start("$issuers auth_token_store lmdb:%%DIR%%/store;" . <<'CONF',
    limit_req_zone $auth_token_client zone=slow:1m rate=1r/s;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main apps both;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /scope  { auth_token_require_scope X.Y.Read; proxy_pass %%UPSTREAM%%; }
        location /pub    { auth_token_endpoints %%DIR%%/endpoints.tsv; proxy_pass %%UPSTREAM%%; }
        location /slow   { limit_req zone=slow burst=2; proxy_pass %%UPSTREAM%%; }
    }
CONF
    files   => \%files,
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->ok(qw(client create app --role readonly --issuer apps --issuer both));
    }));

# --- a token of a user where only clients are accepted ----------------------

my %app = (aud => 'apps', azp => 'app', scope => GONE);

granted $s, '/scope', 'a client', token => good_token(%app);
refused $s, '/scope', insufficient_scope => 'a user of that client, by scp', reason => 'delegated',
        token => good_token(%app, scp => 'user_impersonation');
refused $s, '/scope', insufficient_scope => 'a user of that client, by idtyp', reason => 'delegated',
        token => good_token(%app, idtyp => 'user');
granted $s, '/scope', 'idtyp app', token => good_token(%app, idtyp => 'app');
granted $s, '/scope', 'a user where delegated tokens are accepted',
        token => good_token(%app, aud => 'both', scp => 'user_impersonation');

# --- a literal "*" after a parameter in an endpoint path ---------------------

granted $s, '/pub/else', 'a public endpoint';
refused $s, '/pub/admin', no_token => 'anonymous is denied for a more specific endpoint';
refused $s, '/pub/admin', insufficient_scope => 'the more specific endpoint requires its scope',
        token => good_token(),
        reason => 'endpoint_not_granted';
granted $s, '/pub/admin', 'the more specific endpoint with its scope', token => good_token(scope => ['admins']);
granted $s, '/pub/admin/more', 'the leftmost literal decides', token => good_token();

# --- a WebSocket that another site opens ------------------------------------

my @cookie = (cookie => 'accessToken=' . good_token());
granted $s, '/cookie', 'a GET by cookie from another origin',
        @cookie, headers => ['Origin: https://evil.example'];
granted $s, '/cookie', 'a handshake from this origin', @cookie, headers => ['Upgrade: websocket'];
refused $s, '/cookie', origin_not_allowed => 'a handshake from another origin',
        @cookie, headers => ['Upgrade: websocket', 'Origin: https://evil.example'];
refused $s, '/cookie', origin_not_allowed => 'a handshake that the browser marks as cross-site',
        @cookie, headers => ['Upgrade: websocket', 'Sec-Fetch-Site: cross-site'];

# --- a token of the current second ------------------------------------------

granted $s, '/', 'nbf is a fraction of the current second',
        token => good_token(nbf => time, iat => time);
refused $s, '/', invalid_token => 'nbf in two seconds', reason => 'not_yet_valid',
        token => good_token(nbf => time + 2);

# --- revoked while limit_req delays the request -----------------------------

{
    my ($made) = $s->{store}->ok(qw(--json token create --id late));
    my $token  = secret($made =~ /"token": *"([^"]+)"/ ? $1 : die $made);

    granted $s, '/slow', 'the first request', api_token => $token, good => 0;

    my $tag = next_tag;
    my $c   = $s->connect;
    my $start = time;
    $c->send(request_bytes('/slow', api_token => $token, tag => $tag));
    $s->{store}->ok(qw(token revoke late));
    my $answer = $c->response;

    cmp_ok time - $start, '>', 0.3, 'the second request was delayed';
    is $answer->{status}, 401, 'the second request is refused: revoked meanwhile';
    is scalar(hits $s, $tag), 0, 'the second request did not reach the upstream';
}

# --- configurations ---------------------------------------------------------

my $server = 'server { listen %%LISTEN%%; ';

for my $directive ('auth_token_allow 10.0.0.0/8;', 'auth_token_require_scope read;') {
    conf_ok "$main $server location / {\n$directive\n} }", "off, but $directive",
        files => \%files, says => qr/\[warn\] .*"auth_token" is off: .*nginx\.conf:\d+/;
}

conf_fails "auth_token_issuer main {\nissuer i; audience a; key_file %%DIR%%/open.pem; # here\n}",
    qr/"[^"]*open\.pem" is writable by all users/, 'a key file writable by all users',
    files => { 'open.pem' => key('rsa')->pem },
    prepare => sub ($s) { chmod 0666, $s->dir . '/open.pem' };

for my $word (qw(public PUBLIC authenticated)) {
    conf_fails "$main $server location / { auth_token on;\n"
        . "auth_token_endpoints %%DIR%%/slip.tsv; # here\n} }",
        qr/line 1: invalid scope "$word"/, "the scope $word in an endpoint list",
        files => { %files, 'slip.tsv' => "GET /x $word\n" };
}

done;
