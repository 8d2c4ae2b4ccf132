#!/usr/bin/perl

# The OAuth token endpoint, its metadata and the JWK Set with openid-client, a certified client
# for node, over TLS.  t/openid_client/main.js has the steps.
#
# Requirements: issued-token.

use v5.36;

use lib 't/lib';

use AuthToken::Certificate;
use AuthToken::Local;
use AuthToken::Steps;
use AuthToken::Test;
use JSON::PP ();

my %tls = AuthToken::Certificate::all();

my $secret = { reports => 'canary-secret', disabled => 'canary-secret',
               special => "canary: client+secret&2=%/\x{e4}" };

sub client ($id) {
    utf8::encode(my $bytes = $secret->{$id});
    return { id => $id, role => 'reader', issuers => [qw(main tenant)], secret_hashes => [hash_of($bytes)],
             enabled => $id eq 'disabled' ? JSON::PP::false : JSON::PP::true };
}

my $s = start(<<'CONF',
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;

    auth_token_issuer main {
        issuer       https://127.0.0.1:%%PORT2%%;
        audience     api api://api;
        client_claim appid;
        rights       role;
        signing_key  %%DIR%%/sign.pem;
        access_token expires=1h;
    }

    auth_token_issuer tenant {
        issuer       https://127.0.0.1:%%PORT2%%/tenant;
        audience     api;
        client_claim appid;
        rights       role;
        signing_key  %%DIR%%/sign.pem;
    }

    server {
        listen %%LISTEN2%% ssl;
        ssl_certificate     %%DIR%%/tls.crt;
        ssl_certificate_key %%DIR%%/tls.key;

        auth_token on;
        auth_token_trust main;

        location = /oauth/token { auth_token_oauth main; }
        location = /oauth/keys  { auth_token_jwks main; }
        location = /.well-known/oauth-authorization-server {
            auth_token_metadata main token_endpoint=/oauth/token jwks_uri=/oauth/keys;
        }
        location = /tenant/token { auth_token_oauth tenant; }
        location = /.well-known/oauth-authorization-server/tenant {
            auth_token_metadata tenant token_endpoint=/tenant/token;
        }

        location /       { proxy_pass %%UPSTREAM%%; }
        location /read/  { auth_token_require_scope Api.Read; proxy_pass %%UPSTREAM%%; }
        location /write/ { auth_token_require_scope Api.ReadWrite; proxy_pass %%UPSTREAM%%; }
    }

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    good  => ['/good', token => 'set later'],
    files => { 'ca.pem'  => AuthToken::Certificate::ca(),
               'tls.crt' => $tls{good}{cert},
               'tls.key' => $tls{good}{key} },
    prepare => prepare_users(
        roles   => [{ name => 'reader', grant => ['Api.Read'] }],
        clients => [map { client($_) } sort keys %$secret]));

local $ENV{NODE_EXTRA_CA_CERTS} = $s->dir . '/ca.pem';
my $last = run_steps $s, 't/openid_client/main.js', issuer => 'https://127.0.0.1:' . $s->port(2), secrets => $secret;

$s->{good} = ['/good', token => $last->{secrets}[0]];
$s->{untagged} += $last->{hits};

done;
