#!/usr/bin/perl

# CIPP's API end to end: a provider issues tokens and publishes keys as Entra does, nginx
# fetches the keys, and the command manages the clients.
#
# Requirements: audience, store-decisions, store-change-is-immediate,
#   address-client-and-location, jwk-purpose, key-rotation, path-templates,
#   scope-claim.

use v5.36;

use lib 't/lib';

use AuthToken::Provider;
use AuthToken::Test;
use JSON::PP ();

my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';
my $reader = '0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6';
my $desk   = '5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5';
my $user   = 'a94f6e02-81c3-4b5d-b7e6-3f2a1d0c9b8e';
my $json   = JSON::PP->new->utf8->canonical;

# an app registration, with the claims of Entra's tokens of version 2.0
sub registration ($id, %more) {
    return { id => $id, header => { typ => 'JWT' },
             claims => { ver => '2.0', azp => $id, azpacr => '1', tid => $tenant, oid => "object-of-$id",
                         uti => 'u', client_id => undef, jti => undef, scope => undef, %more } };
}

my $p = AuthToken::Provider->start(
    path      => "/$tenant/v2.0",
    resources => { map { ("api://$_" => $_) } $reader, $desk, $user },
    clients   => [registration($reader), registration($desk), registration($user, scp => 'user_impersonation')],
);
my $template = $p->issuer =~ s/\Q$tenant\E/{tenantid}/r;
my $jwks     = "/$tenant/v2.0/jwks";

# keys as Entra publishes them: without alg, with x5t and the issuer of each key
sub publish () {
    $p->withhold($jwks);
    my $set = $json->decode($p->jwks);
    for ($set->{keys}->@*) {
        delete $_->{alg};
        @$_{qw(use x5t issuer)} = ('sig', $_->{kid}, $template);
    }
    $p->serve($jwks, $json->encode($set));
}
publish;

# a token that the client requested for itself, by a scope
sub from_entra ($id) { $p->token(client => $id, scope => "api://$id/.default") }

# --- nginx ------------------------------------------------------------------

my $s = start(<<"CONF",
    auth_token_issuer entra {
        issuer       @{[$p->issuer]};
        audience     clients;
        client_claim entra;
        jwks_uri     @{[$p->jwks_uri]} ca_file=%%DIR%%/ca.pem;
    }
    %%ISSUER good:%%
    auth_token_store      lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;

    auth_token on;
    auth_token_trust     entra;
    auth_token_endpoints $AuthToken::Server::ROOT/conf-examples/cipp/endpoints.tsv ignore_case;

    server {
        listen %%LISTEN%%;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_trust good; auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
CONF
    files   => { 'ca.pem' => $p->ca, 'rsa.pem' => key('rsa2')->pem },
    good    => ['/good', token => token(key => key('rsa2'))],
    prepare => AuthToken::Store->prepare,
);
my $store = $s->{store};
$s->errors->await(qr/keys replaced, issuer: "entra", keys: 1, url: /);

sub may ($token, $path, $name, %o) { granted $s, $path, "$name, $path", token => $token, %o }
sub may_not ($token, $path, $reason, $name, %o) {
    refused $s, $path, $reason => "$name, $path", token => $token, reason => $reason, %o;
}

my @post = (method => 'POST', body => '{}');

# --- a client is created, disabled and enabled ------------------------------

my $token = from_entra($reader);
is_deeply [($json->decode((parts $token)[1]))->@{qw(iss aud azp ver tid)}], [$p->issuer, $reader, $reader, '2.0', $tenant],
    'the provider issues tokens as Entra does';

may_not $token, '/api/ListUsers', unknown_client => 'a client that is not in the store';

like $store->ok('client', 'create', uc $reader, '--name', 'reports', '--role', 'readonly', '--allow', '127.0.0.2',
                '--allow', '127.0.0.64/26', '--issuer', 'entra'), qr/^id +\U$reader\E$/m, 'client create prints the id';
may $token, '/api/ListUsers', 'a request from its address', from => '127.0.0.2',
    decision => { client => uc $reader, role => 'readonly', issuer => 'entra', user => "object-of-$reader" };
may $token, '/api/ListUsers', 'a request from its range', from => '127.0.0.100';
may_not $token, '/api/ListUsers', address_not_allowed => 'a request from another address', from => $_
    for '127.0.0.1', '127.0.0.3', '127.0.0.128';
may_not $token, '/api/AddUser', endpoint_not_granted => 'an endpoint that its role does not grant', @post,
    from => '127.0.0.2';
granted $s, '/api/PublicPing', 'a public endpoint needs no token';

$store->ok('client', 'disable', $reader);
may_not $_, '/api/ListUsers', disabled_client => 'after client disable', from => '127.0.0.2'
    for $token, from_entra($reader);
$store->ok('client', 'enable', $reader);
may $token, '/api/ListUsers', 'after client enable', from => '127.0.0.2';

# --- a custom role of CIPP --------------------------------------------------

$store->ok('import', '--cipp', '--issuer', 'entra', '-', { input => $json->encode([
    { PartitionKey => 'CustomRoles', RowKey => 'helpdesk', Permissions => '{"a":"Identity.User.ReadWrite"}',
      AllowedTenants => '"AllTenants"', BlockedTenants => '', BlockedEndpoints => '"ExecOffboardUser"' },
    { PartitionKey => 'ApiClients', RowKey => $desk, AppName => 'service desk', Role => 'helpdesk', IPRange => 'Any',
      Enabled => JSON::PP::true },
    { PartitionKey => 'ApiClients', RowKey => $user, AppName => 'for users', Role => 'admin', IPRange => '',
      Enabled => JSON::PP::true },
]) });

my $helps = from_entra($desk);
may $helps, '/api/EditUser', 'a custom role', @post;
may_not $helps, '/api/ExecOffboardUser', blocked_endpoint => 'a blocked endpoint', @post;
may_not from_entra($user), '/api/ListUsers', delegated => 'a token on behalf of a user';

# --- keys -------------------------------------------------------------------

# a token for the audience of another client is invalid
may_not $p->token(client => $desk, scope => "api://$reader/.default"), '/api/ListUsers',
    audience_mismatch => 'a token for another client';

# the provider changes its key: the first token with it causes a fetch
$p->rotate('rsa3');
publish;
my $fresh = from_entra($desk);
my $first = $s->request('/api/ListUsers', token => $fresh, tag => my $tag = next_tag);
push $s->{refused}->@*, $tag if $first->{status} != 200;
$s->errors->await(qr/keys replaced, issuer: "entra", keys: 1, url: /);
may $fresh, '/api/ListUsers', 'a token of the new key';
may_not $helps, '/api/ListUsers', unknown_kid => 'a token of the removed key';

$p->stop;
done();
