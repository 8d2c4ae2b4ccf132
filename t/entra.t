#!/usr/bin/perl

# Tokens of Microsoft Entra, versions 1.0 and 2.0: client, audience, issuer of the key,
# and delegated tokens of users.
#
# Requirements: expired-and-forged, audience, issuer, scope-claim,
#   store-decisions, store-change-is-immediate, store-faults, jwk-members,
#   jwk-purpose, cache-key, nbf-iat, signature-of-another-token, claim-types,
#   token-without-kid, key-rotation.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';
my $other  = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
my $own    = '0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6';
my $second = '5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5';
my $off    = 'e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4';
my $unknown = '00000000-0000-4000-8000-000000000000';

sub v1 ($tid = $tenant) { "https://sts.windows.net/$tid/" }
sub v2 ($tid = $tenant) { "https://login.microsoftonline.com/$tid/v2.0" }

# --- keys as in the two documents of Entra ----------------------------------

sub certificate ($key) {
    my $file = "$AuthToken::Server::BUILD/test-keys/entra-$$.pem";
    open my $out, '>', $file or die "$file: $!\n";
    print $out $key->private_pem;
    close $out;
    my $der = do {
        open my $in, '-|', 'openssl', 'req', '-x509', '-new', '-sha256', '-subj', '/CN=accounts.example',
             '-days', '2', '-key', $file, '-outform', 'DER' or die "openssl: $!\n";
        binmode $in;
        local $/;
        <$in>;
    };
    unlink $file;
    return encode_base64($der, '');
}

# without alg, with x5t equal to kid
sub entra_key ($name, $kid, %members) {
    return key($name)->jwk(use => 'sig', kid => $kid, x5t => $kid, %members);
}

my $template = 'https://login.microsoftonline.com/{tenantid}/v2.0';
my $x5c      = [certificate(key('rsa'))];
my $v1_keys  = [entra_key('rsa', 'k1', x5c => $x5c), entra_key('rsa2', 'k2')];
my $v2_keys  = [entra_key('rsa', 'k1', x5c => $x5c, issuer => $template),
                entra_key('rsa3', 'k3', issuer => $template),
                entra_key('rsa4', 'k4', issuer => v2($other)),
                entra_key('rsa5', 'k5', x5c => $x5c),               # of another key
                key('p256')->jwk(kid => 'k6', use => 'sig', issuer => $template)];

sub set (@keys) { '{"keys":[' . join(',', @keys) . ']}' }

# --- the server -------------------------------------------------------------

sub issuer ($name, $more) {
    return <<"CONF";
    auth_token_issuer $name {
        issuer     @{[v1]} @{[v2]};
        key_file   %%DIR%%/v1.jwks;
        key_file   %%DIR%%/v2.jwks;
        algorithms RS256 ES256;
        $more
    }
CONF
}

my %block = (
    own       => 'audience clients; client_claim entra;',
    any       => 'audience clients any; client_claim entra;',
    beside    => 'audience clients https://cipp.example; client_claim entra;',
    literal   => "audience api://$own; client_claim entra;",
    delegated => 'audience clients; client_claim entra; delegated on;',
    scoped    => 'audience clients; client_claim entra; delegated on; scope_claim scp; user_claim upn optional; rights both;',
    admin     => 'audience clients; client_claim entra; admin_claim isAdmin; delegated off;',
    plain     => 'audience clients; client_claim azp appid; rights role;',
    foreign   => 'audience clients any; client_claim entra;',
);
my $locations = join '', map {
    "location /$_ { auth_token_trust $_; proxy_pass %%UPSTREAM%%;"
    . " location /$_/read { auth_token_require_scope X.Read; proxy_pass %%UPSTREAM%%; } }\n"
} sort keys %block;

my $s = start(join('', map({ issuer($_, $block{$_}) } sort keys %block), <<"CONF"),
    auth_token_issuer tenant {
        issuer       @{[v1 $other]} @{[v2 $other]};
        audience     clients;
        client_claim entra;
        key_file     %%DIR%%/v1.jwks;
        key_file     %%DIR%%/v2.jwks;
    }
    auth_token_issuer only-v2 {
        issuer       @{[v1]} @{[v2]};
        audience     clients;
        client_claim entra;
        key_file     %%DIR%%/v2.jwks;
    }
    auth_token_issuer lax {
        issuer   @{[v1]};
        audience any;
        key_file %%DIR%%/v1.jwks;
    }
    %%ISSUER free: key_file %%DIR%%/v1.jwks;%%
    auth_token_store lmdb:%%DIR%%/store;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_accept bearer cookie;
        auth_token_trust own;
        $locations
        location /good    { auth_token_trust free; proxy_pass %%UPSTREAM%%; }
        location /two     { auth_token_trust own tenant; proxy_pass %%UPSTREAM%%; }
        location /only-v2 { auth_token_trust only-v2; proxy_pass %%UPSTREAM%%; }
        location /lax     { auth_token_trust any lax; proxy_pass %%UPSTREAM%%; }
        location /blind   { auth_token_trust any free; proxy_pass %%UPSTREAM%%; }
    }
CONF
    files   => { 'v1.jwks' => set(@$v1_keys), 'v2.jwks' => set(@$v2_keys) },
    prepare => AuthToken::Store->prepare(sub ($store) {
        my @all = (issuer => [grep { $_ ne 'foreign' } sort keys %block, 'tenant', 'only-v2']);
        $store->client($own, @all, role => 'readonly');
        $store->client($second, @all, role => 'editor');
        $store->client($off, @all, role => 'admin', disabled => 1);
    }));
my $store = $s->{store};

# --- tokens -----------------------------------------------------------------

# a token of either version; claims, key and kid can be replaced
sub entra ($version, $client, %o) {
    my $tid    = $o{tid} // $tenant;
    my $kid    = $o{kid} // 'k1';
    my %shape  = $version == 1
        ? (ver => '1.0', iss => v1($tid), aud => "api://$client", appid => $client, appidacr => '1')
        : (ver => '2.0', iss => v2($tid), aud => $client, azp => $client, azpacr => '1');

    return token(key => key($o{key} // 'rsa'), $o{alg} ? (alg => $o{alg}) : (),
        header => { kid => $kid, $version == 1 ? (x5t => $kid) : () },
        claims => { nbf => time - 60, tid => $tid, oid => 'an-object', sub => 'an-object', uti => 'u', idp => v1($tid),
                    (map { $_ => GONE } qw(id scope username isAdmin)), %shape, ($o{claims} // {})->%* });
}

sub ok_at ($path, $token, $name, %decision) {
    granted $s, $path, "$name, at $path", token => $token, keys %decision ? (decision => \%decision) : ();
}
sub not_at ($path, $token, $reason, $name, %o) {
    refused $s, $path, $reason => "$name, at $path", token => $token, reason => $reason, %o;
}

# --- the two versions -------------------------------------------------------

for my $v (1, 2) {
    ok_at '/own', entra($v, $own), "version $v", client => $own, issuer => 'own', role => 'readonly',
        user => 'an-object', subject => $own, method => 'bearer';
    ok_at '/own/read', entra($v, $own), "version $v, the scope of its role";
    ok_at '/own', entra($v, uc $own), "version $v, the client id in upper case", client => $own;
    ok_at '/own', entra($v, $own, claims => { aud => $_ }), "version $v, aud $_"
        for $own, "api://$own", uc $own, 'api://' . uc $own;
    not_at '/own', entra($v, $own, claims => { aud => $_ }), audience_mismatch =>
        "version $v, aud $_"
        for "API://$own", "api://$own/", "api:$own", "https://$own", "{$own}", substr($own, 1), "${own}0", "api://$second",
            $second, $unknown, 'https://cipp.example', '00000003-0000-0000-c000-000000000000', '';
    ok_at '/own', entra($v, $own, claims => { aud => ['x', $own] }), "version $v, a list";
    not_at '/own', entra($v, $own, claims => { aud => [$own, 7] }),
        bad_claim => "version $v, a list with a number";
    not_at '/own', entra($v, $own, claims => { aud => $_ }), audience_mismatch => "version $v, no aud"
        for GONE, [];
    granted $s, '/own', "version $v, by cookie", cookie => 'accessToken=' . entra($v, $own);

    my ($claim, $wrong) = $v == 1 ? qw(appid azp) : qw(azp appid);
    ok_at '/own', entra($v, $own, claims => { $wrong => uc $own }), "version $v, both client claims, equal";
    not_at '/own', entra($v, $own, claims => { $wrong => $second }),
        bad_claim => "version $v, both client claims, different";
    not_at '/own', entra($v, $own, claims => { $claim => GONE, $wrong => $own }),
        bad_claim => "version $v, only the client claim of the other version";
    not_at '/own', entra($v, $own, claims => { $claim => $_ }), bad_claim =>
        "version $v, no client"
        for GONE, '', 7, undef, [$own], { id => $own };
    not_at '/own',
        entra($v, $own, claims => { $claim => GONE, $wrong => GONE, sub => $own, client_id => $own }),
        bad_claim => "version $v, a client in other claims";
    ok_at '/own', entra($v, $own, claims => { ver => GONE }), "version $v without ver", client => $own;
    not_at '/own', entra($v, $own, claims => { ver => $_ }), bad_claim =>
        "another version of $v"
        for '3.0', '1', '', ' 1.0', 1, 2.0, undef, ['1.0'];

    # either version is accepted with the issuer of the other one
    not_at '/own', entra($v, $own, claims => { iss => v1 . 'x' }),
        issuer_mismatch => "version $v, another issuer";
    not_at '/own', entra($v, $own, tid => $other), issuer_mismatch => "version $v, another tenant";
    not_at '/own', entra($v, $own, claims => { tid => $_ }), bad_claim => "version $v, tid of another"
        for $other, 'common', '', 7, undef, [$tenant];

    # order of checks: an invalid token is never reported as expired
    not_at '/own', entra($v, $own, claims => { exp => 1 }), expired => "version $v";
    not_at '/own', entra($v, $off, claims => { exp => 1 }), expired => "version $v, disabled";
    not_at '/own', entra($v, $own, claims => { exp => 1, aud => $second }),
        audience_mismatch => "version $v, for another";
    not_at '/own', entra($v, $own, claims => { exp => 1, $claim => GONE }),
        bad_claim => "version $v, no client";
    not_at '/own', entra($v, $own, claims => { nbf => time + 60 }), not_yet_valid => "version $v";
    not_at '/own', entra($v, $own, key => 'rsa2'), bad_signature => "version $v";

    # clients in the store: 403
    not_at '/own', entra($v, $off), disabled_client => "version $v, a disabled client";
    not_at '/own', entra($v, $unknown), unknown_client => "version $v, an unknown client";
    not_at '/foreign', entra($v, $own), client_issuer_mismatch => "version $v, a client of other issuers";
}
not_at '/only-v2', entra(2, $own, claims => { tid => $_ }), key_issuer_mismatch => 'a key with an issuer template, no usable tid'
    for GONE, 'common', 7, $other;
ok_at '/own', entra(1, $own, claims => { tid => GONE }), 'a key without an issuer, no tid';

# --- audiences of clients ---------------------------------------------------

for my $v (1, 2) {
    for my $aud ($second, "api://$second", uc $second, 'api://' . uc $second, $off, "api://$off") {
        my $token = entra($v, $own, claims => { aud => $aud });
        ok_at '/any', $token, "any client's audience, $aud", client => $own, role => 'readonly';
        not_at '/own', $token, audience_mismatch => "another client's audience, $aud";
        ok_at '/any', $token, "granted again, $aud";
    }
    not_at '/any', entra($v, $own, claims => { aud => $_ }), audience_mismatch => "an audience of no client, $_"
        for $unknown, "api://$unknown", 'https://cipp.example', "api://$second/", '*', '', 'x' x 600;
    not_at '/any', entra($v, $off, claims => { aud => $own }),
        disabled_client => 'a disabled client with the audience of another';
    not_at '/any', entra($v, $unknown), unknown_client => 'an unknown client, its own audience';
    not_at '/any', entra($v, $own, claims => { aud => $second, exp => 1 }),
        expired => 'expired, for another client';
    not_at '/any', entra($v, $own, claims => { aud => $unknown, exp => 1 }),
        audience_mismatch => 'expired, an audience of no client';

    ok_at '/beside', entra($v, $own, claims => { aud => $_ }), "audience clients and a literal, $_"
        for 'https://cipp.example', "api://$own";
    not_at '/beside', entra($v, $own, claims => { aud => $second }),
        audience_mismatch => 'audience clients and a literal, another client';
    ok_at '/literal', entra($v, $second, claims => { aud => "api://$own" }), 'a literal audience', client => $second;
    not_at '/literal', entra($v, $second, claims => { aud => $_ }), audience_mismatch => "a literal audience, $_"
        for "api://$second", $own, "api://\U$own";
}

# with other client claims, the first claim of a token counts
ok_at '/plain', entra(1, $own, claims => { ver => '9' }), 'client_claim azp appid', client => $own;
not_at '/plain', entra(1, $own, claims => { azp => $second }),
    audience_mismatch => 'the first claim is the client';

# a change of the store is effective with the next request
{
    my $token = entra(1, $own, claims => { aud => "api://$unknown" });
    for my $round (1, 2) {
        not_at '/any', $token, audience_mismatch => "no such client, $round";
        $store->client($unknown, role => 'readonly', disabled => 1);
        ok_at '/any', $token, "the client exists, $round";
        $store->ok('client', 'delete', $unknown);
    }
    not_at '/any', $token, audience_mismatch => 'the client is deleted';

    # then another issuer matches
    for my $round (1, 2) {
        ok_at '/lax', $token, "the second issuer matches, $round", issuer => 'lax' for 1, 2;
        $store->client($unknown, role => 'readonly');
        ok_at '/lax', $token, "the first issuer matches, $round", issuer => 'any', client => $own for 1, 2;
        $store->ok('client', 'delete', $unknown);
    }
}

# --- users ------------------------------------------------------------------

for my $row ([scp => 'user_impersonation'], [scp => ''], [scp => undef], [idtyp => 'user'], [idtyp => 7]) {
    my ($claim, $value) = @$row;
    my $shown = defined $value ? "'$value'" : 'null';
    for my $v (1, 2) {
        my $token = entra($v, $own, claims => { $claim => $value, upn => 'jane' });
        not_at $_, $token, delegated => "version $v, $claim $shown" for '/own', '/admin';
        ok_at '/delegated', $token, "version $v, $claim $shown, delegated on", client => $own,
            user => 'an-object';
    }
}
ok_at '/own', entra($_, $own, claims => { idtyp => 'app' }), "version $_, idtyp app" for 1, 2;
ok_at '/own', entra($_, $own, claims => { roles => ['X'] }), "version $_, roles" for 1, 2;
not_at '/own', entra(1, $off, claims => { scp => 'x' }),
    delegated => 'a delegated token of a disabled client';
not_at '/own', entra(1, $own, claims => { scp => 'x', exp => 1 }), expired => 'an expired delegated token';
ok_at '/scoped/read', entra(2, $own, claims => { scp => 'X.Read', upn => 'jane' }),
    'role and token have the scope', user => 'jane';
not_at '/scoped/read', entra(2, $own, claims => { scp => 'Y.Read' }),
    insufficient_scope => 'only the role has the scope';

# no claim makes a client an administrator, even with admin_claim
$store->role('nothing');
$store->update('client', $own, role => 'nothing');
not_at $_, entra(1, $own, claims => { isAdmin => \'true', scope => ['X.Read'] }), insufficient_scope => 'isAdmin'
    for '/own/read', '/admin/read';
$store->update('client', $own, role => 'readonly');

# --- keys -------------------------------------------------------------------

ok_at '/own', entra(2, $own, kid => 'k3', key => 'rsa3'), 'a key with an issuer template';
ok_at '/own', entra($_, $own, kid => 'k2', key => 'rsa2'), "a key without an issuer, version $_" for 1, 2;
ok_at '/own', entra(2, $own, kid => 'k6', key => 'p256', alg => 'ES256'), 'an EC key';
not_at '/own', entra(1, $own, kid => 'k3', key => 'rsa3'), key_issuer_mismatch => 'a key of version 2 for a token of version 1';
not_at '/own', entra($_, $own, kid => 'k4', key => 'rsa4'), key_issuer_mismatch => "the key of another tenant, version $_"
    for 1, 2;
not_at '/own', entra(2, $own, kid => 'k4', key => 'rsa4', claims => { tid => $other }),
    key_issuer_mismatch => 'the key of another tenant, with its tid';
not_at '/own', entra(2, $own, kid => 'k4', key => 'rsa4', claims => { exp => 1 }),
    key_issuer_mismatch => 'the key of another tenant, expired';
not_at '/own', entra(2, $own, kid => 'k5', key => 'rsa5'),
    unknown_kid => 'a key with the certificate of another key';
expect_log $s, qr/v2\.jwks": key 4 is ignored, kid: "k5": "x5c" is for another key/;
not_at '/own', entra(2, $own, kid => 'k7'), unknown_kid => 'an unknown kid';
ok_at '/only-v2', entra(2, $own), 'only the key document of version 2';
not_at '/only-v2', entra(1, $own),
    key_issuer_mismatch => 'only the key document of version 2, a token of version 1';

# two tenants: iss selects the issuer block
for my $v (1, 2) {
    ok_at '/two', entra($v, $own), "the first tenant, version $v", issuer => 'own';
    ok_at '/two', entra($v, $own, tid => $other), "the second tenant, version $v", issuer => 'tenant';
    ok_at '/two', entra(2, $own, tid => $other, kid => 'k4', key => 'rsa4'),
        'a key that only the second tenant has', issuer => 'tenant';
    not_at '/two', entra($v, $own, tid => $unknown), issuer_mismatch => "a third tenant, version $v";
}

# a change of the issuer of a key is effective at once
{
    my $token = entra(2, $own, kid => 'k3', key => 'rsa3');
    my @moved = map { s/\{tenantid\}/$other/r } @$v2_keys;
    for my $round (1, 2) {
        ok_at '/own', $token, "a key of this tenant, $round";
        $s->write('v2.jwks', set(@moved));
        $s->errors->await(qr/keys replaced, issuer: "only-v2", keys: \d+, file: "\S+v2\.jwks"/);
        not_at '/own', $token, key_issuer_mismatch => "a key of another tenant, $round";
        $s->write('v2.jwks', set(@$v2_keys));
        $s->errors->await(qr/keys replaced, issuer: "only-v2", keys: \d+, file: "\S+v2\.jwks"/);
    }
}

# --- a missing store --------------------------------------------------------

{
    my $path = $store->path;
    my $asks = entra(1, $own, claims => { aud => "api://$second" });
    rename $path, "$path.away" or die "$path: $!\n";
    $s->errors->await(qr/auth_token: store not available/);

    not_at '/any', $asks, unavailable => 'a client cannot be looked up';
    not_at '/any', entra(1, $own, claims => { aud => $second, exp => 1 }),
        unavailable => 'an expired token, the client cannot be looked up';
    not_at '/blind', $asks, unavailable => 'the client cannot be looked up, a second issuer';
    not_at '/own', entra(1, $own), unavailable => 'the client of the token cannot be looked up';
    not_at '/any', entra(1, $own, key => 'rsa2'), bad_signature => 'a forged token needs no lookup';
    not_at '/any', entra(1, $own, claims => { aud => [] }),
        audience_mismatch => 'a token without audience needs no lookup';

    rename "$path.away", $path or die "$path: $!\n";
    $s->errors->await(qr/auth_token: store available again/);
    ok_at '/any', $asks, 'the store is available again';
}

done();
