#!/usr/bin/perl

# Tokens in the two shapes that Microsoft Entra has: which client they name, for
# whom they are, whose the key is, and what becomes of users'.
#
# Requirements: expired-and-forged, audience, issuer, scope-claim,
#   store-decisions, store-change-is-immediate, store-faults, jwk-members,
#   jwk-purpose, cache-key, nbf-iat, signature-of-another-token, claim-types,
#   token-without-kid, key-rotation.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';
my $other  = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
my $own    = '0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6';
my $second = '5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5';
my $off    = 'e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4';
my $nobody = '00000000-0000-4000-8000-000000000000';

sub v1 ($tid = $tenant) { "https://sts.windows.net/$tid/" }
sub v2 ($tid = $tenant) { "https://login.microsoftonline.com/$tid/v2.0" }

# --- keys, as the two documents have them -----------------------------------

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

# no alg, and x5t is kid
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
    scoped    => 'audience clients; client_claim entra; delegated on; scope_claim scp; user_claim upn;',
    admin     => 'audience clients; client_claim entra; admin_claim isAdmin; delegated off;',
    plain     => 'audience clients; client_claim azp appid;',
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
    auth_token_issuer free {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/v1.jwks;
    }
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

# what both shapes have; further or other claims, key and header as in token()
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
sub not_at ($path, $token, $sign, $reason, $name, %o) {
    refused $s, $path, $sign => "$name, at $path", token => $token, reason => $reason, %o;
}

# --- the two shapes ---------------------------------------------------------

for my $v (1, 2) {
    ok_at '/own', entra($v, $own), "version $v", client => $own, issuer => 'own', role => 'readonly',
        user => 'an-object', subject => $own, method => 'bearer';
    ok_at '/own/read', entra($v, $own), "version $v, by its role";
    ok_at '/own', entra($v, uc $own), "version $v, the client in capitals", client => $own;
    ok_at '/own', entra($v, $own, claims => { aud => $_ }), "version $v, aud $_"
        for $own, "api://$own", uc $own, 'api://' . uc $own;
    not_at '/own', entra($v, $own, claims => { aud => $_ }), INV => 'audience_mismatch', "version $v, aud $_"
        for "API://$own", "api://$own/", "api:$own", "https://$own", "{$own}", substr($own, 1), "${own}0", "api://$second",
            $second, $nobody, 'https://cipp.example', '00000003-0000-0000-c000-000000000000', '';
    ok_at '/own', entra($v, $own, claims => { aud => ['x', $own] }), "version $v, a list";
    not_at '/own', entra($v, $own, claims => { aud => [$own, 7] }), INV => 'bad_claim', "version $v, a list with a number";
    not_at '/own', entra($v, $own, claims => { aud => $_ }), INV => 'audience_mismatch', "version $v, no aud" for GONE, [];
    granted $s, '/own', "version $v, by cookie", cookie => 'accessToken=' . entra($v, $own);

    my ($claim, $wrong) = $v == 1 ? qw(appid azp) : qw(azp appid);
    ok_at '/own', entra($v, $own, claims => { $wrong => uc $own }), "version $v, both and the same";
    not_at '/own', entra($v, $own, claims => { $wrong => $second }), INV => 'bad_claim', "version $v, both and different";
    not_at '/own', entra($v, $own, claims => { $claim => GONE, $wrong => $own }), INV => 'bad_claim',
        "version $v, the claim of the other version";
    not_at '/own', entra($v, $own, claims => { $claim => $_ }), INV => 'bad_claim', "version $v, no client"
        for GONE, '', 7, undef, [$own], { id => $own };
    not_at '/own', entra($v, $own, claims => { $claim => GONE, $wrong => GONE, sub => $own, client_id => $own }),
        INV => 'bad_claim', "version $v, a client in other claims";
    ok_at '/own', entra($v, $own, claims => { ver => GONE }), "version $v without ver", client => $own;
    not_at '/own', entra($v, $own, claims => { ver => $_ }), INV => 'bad_claim', "another version of $v"
        for '3.0', '1', '', ' 1.0', 1, 2.0, undef, ['1.0'];

    # the issuer of a version goes with either, as an API's manifest may ask for
    not_at '/own', entra($v, $own, claims => { iss => v1 . 'x' }), INV => 'issuer_mismatch', "version $v, another issuer";
    not_at '/own', entra($v, $own, tid => $other), INV => 'issuer_mismatch', "version $v, another tenant";
    not_at '/own', entra($v, $own, claims => { tid => $_ }), INV => 'bad_claim',
        "version $v, tid of another" for $other, 'common', '', 7, undef, [$tenant];

    # order: what is invalid is never told to be expired
    not_at '/own', entra($v, $own, claims => { exp => 1 }), EXP => 'expired', "version $v";
    not_at '/own', entra($v, $off, claims => { exp => 1 }), EXP => 'expired', "version $v, disabled";
    not_at '/own', entra($v, $own, claims => { exp => 1, aud => $second }), INV => 'audience_mismatch', "version $v, for another";
    not_at '/own', entra($v, $own, claims => { exp => 1, $claim => GONE }), INV => 'bad_claim', "version $v, no client";
    not_at '/own', entra($v, $own, claims => { nbf => time + 60 }), INV => 'not_yet_valid', "version $v";
    not_at '/own', entra($v, $own, key => 'rsa2'), INV => 'bad_signature', "version $v";

    # the store: 403, whatever it is of
    not_at '/own', entra($v, $off), DISABLED => 'disabled_client', "version $v, disabled: its own audience";
    not_at '/own', entra($v, $nobody), DISABLED => 'unknown_client', "version $v, unknown: its own audience";
    not_at '/foreign', entra($v, $own), DISABLED => 'client_issuer_mismatch', "version $v, of other issuers";
}
not_at '/only-v2', entra(2, $own, claims => { tid => $_ }), INV => 'key_issuer_mismatch', 'no tid to fill in'
    for GONE, 'common', 7, $other;
ok_at '/own', entra(1, $own, claims => { tid => GONE }), 'no tid';

# --- whose audiences --------------------------------------------------------

for my $v (1, 2) {
    for my $aud ($second, "api://$second", uc $second, 'api://' . uc $second, $off, "api://$off") {
        my $token = entra($v, $own, claims => { aud => $aud });
        ok_at '/any', $token, "any client's audience, $aud", client => $own, role => 'readonly';
        not_at '/own', $token, INV => 'audience_mismatch', "another client's audience, $aud";
        ok_at '/any', $token, "granted again, $aud";
    }
    not_at '/any', entra($v, $own, claims => { aud => $_ }), INV => 'audience_mismatch', "nobody's audience, $_"
        for $nobody, "api://$nobody", 'https://cipp.example', "api://$second/", '*', '', 'x' x 600;
    not_at '/any', entra($v, $off, claims => { aud => $own }), DISABLED => 'disabled_client',
        'a disabled client with the audience of another';
    not_at '/any', entra($v, $nobody), DISABLED => 'unknown_client', 'an unknown client, its own audience';
    not_at '/any', entra($v, $own, claims => { aud => $second, exp => 1 }), EXP => 'expired', 'expired, for another client';
    not_at '/any', entra($v, $own, claims => { aud => $nobody, exp => 1 }), INV => 'audience_mismatch', 'expired, for nobody';

    ok_at '/beside', entra($v, $own, claims => { aud => $_ }), "a literal beside clients, $_"
        for 'https://cipp.example', "api://$own";
    not_at '/beside', entra($v, $own, claims => { aud => $second }), INV => 'audience_mismatch', 'a literal beside clients';
    ok_at '/literal', entra($v, $second, claims => { aud => "api://$own" }), 'a literal alone', client => $second;
    not_at '/literal', entra($v, $second, claims => { aud => $_ }), INV => 'audience_mismatch', "a literal alone, $_"
        for "api://$second", $own, "api://\U$own";
}

# with client claims of another kind it is the first that is there
ok_at '/plain', entra(1, $own, claims => { ver => '9' }), 'clients with plain claims', client => $own;
not_at '/plain', entra(1, $own, claims => { azp => $second }), INV => 'audience_mismatch', 'the first claim is the client';

# what the store says of an audience counts for the next request
{
    my $token = entra(1, $own, claims => { aud => "api://$nobody" });
    for my $round (1, 2) {
        not_at '/any', $token, INV => 'audience_mismatch', "no such client, $round";
        $store->client($nobody, role => 'readonly', disabled => 1);
        ok_at '/any', $token, "there is one, $round";
        $store->ok('client', 'delete', $nobody);
    }
    not_at '/any', $token, INV => 'audience_mismatch', 'and no more';

    # whose it is may be another's, then
    for my $round (1, 2) {
        ok_at '/lax', $token, "of the second issuer, $round", issuer => 'lax' for 1, 2;
        $store->client($nobody, role => 'readonly');
        ok_at '/lax', $token, "of the first, $round", issuer => 'any', client => $own for 1, 2;
        $store->ok('client', 'delete', $nobody);
    }
}

# --- users ------------------------------------------------------------------

for my $row ([scp => 'user_impersonation'], [scp => ''], [scp => undef], [idtyp => 'user'], [idtyp => 7]) {
    my ($claim, $value) = @$row;
    my $shown = defined $value ? "'$value'" : 'null';
    for my $v (1, 2) {
        my $token = entra($v, $own, claims => { $claim => $value, upn => 'jane' });
        not_at $_, $token, SCOPE => 'delegated', "version $v, $claim $shown" for '/own', '/admin';
        ok_at '/delegated', $token, "version $v, $claim $shown, delegated on", client => $own, user => 'an-object';
    }
}
ok_at '/own', entra($_, $own, claims => { idtyp => 'app' }), "version $_, idtyp app" for 1, 2;
ok_at '/own', entra($_, $own, claims => { roles => ['X'] }), "version $_, roles" for 1, 2;
not_at '/own', entra(1, $off, claims => { scp => 'x' }), SCOPE => 'delegated', 'of a disabled client';
not_at '/own', entra(1, $own, claims => { scp => 'x', exp => 1 }), EXP => 'expired', 'expired';
ok_at '/scoped/read', entra(2, $own, claims => { scp => 'X.Read', upn => 'jane' }), 'both allow', user => 'jane';
not_at '/scoped/read', entra(2, $own, claims => { scp => 'Y.Read' }), SCOPE => 'insufficient_scope', 'the scopes do not';

# no claim makes a client an administrator, not even one that is asked for
$store->role('nothing');
$store->update('client', $own, role => 'nothing');
not_at $_, entra(1, $own, claims => { isAdmin => \'true', scope => ['X.Read'] }), SCOPE => 'insufficient_scope', 'isAdmin'
    for '/own/read', '/admin/read';
$store->update('client', $own, role => 'readonly');

# --- keys -------------------------------------------------------------------

ok_at '/own', entra(2, $own, kid => 'k3', key => 'rsa3'), 'a key of the tenant, by template';
ok_at '/own', entra($_, $own, kid => 'k2', key => 'rsa2'), "a key of no issuer, version $_" for 1, 2;
ok_at '/own', entra(2, $own, kid => 'k6', key => 'p256', alg => 'ES256'), 'a key of another kind';
not_at '/own', entra(1, $own, kid => 'k3', key => 'rsa3'), INV => 'key_issuer_mismatch', 'the key of version 2 for version 1';
not_at '/own', entra($_, $own, kid => 'k4', key => 'rsa4'), INV => 'key_issuer_mismatch', "the key of another tenant, version $_"
    for 1, 2;
not_at '/own', entra(2, $own, kid => 'k4', key => 'rsa4', claims => { tid => $other }), INV => 'key_issuer_mismatch',
    'the key of another tenant, with its tid';
not_at '/own', entra(2, $own, kid => 'k4', key => 'rsa4', claims => { exp => 1 }), INV => 'key_issuer_mismatch',
    'the key of another tenant, expired';
not_at '/own', entra(2, $own, kid => 'k5', key => 'rsa5'), INV => 'unknown_kid', 'a key with the certificate of another';
expect_log $s, qr/v2\.jwks": key 4 is ignored: "x5c" is for another key/;
not_at '/own', entra(2, $own, kid => 'k7'), INV => 'unknown_kid', 'an unknown kid';
ok_at '/only-v2', entra(2, $own), 'the document of version 2 alone';
not_at '/only-v2', entra(1, $own), INV => 'key_issuer_mismatch', 'which does not serve version 1';

# two tenants: the block that a token is of is that of its issuer
for my $v (1, 2) {
    ok_at '/two', entra($v, $own), "the first tenant, version $v", issuer => 'own';
    ok_at '/two', entra($v, $own, tid => $other), "the second tenant, version $v", issuer => 'tenant';
    ok_at '/two', entra(2, $own, tid => $other, kid => 'k4', key => 'rsa4'), 'a key of the second tenant alone',
        issuer => 'tenant';
    not_at '/two', entra($v, $own, tid => $nobody), INV => 'issuer_mismatch', "a third tenant, version $v";
}

# a key that becomes another issuer's is so for the next request
{
    my $token = entra(2, $own, kid => 'k3', key => 'rsa3');
    my @moved = map { s/\{tenantid\}/$other/r } @$v2_keys;
    for my $round (1, 2) {
        ok_at '/own', $token, "of this tenant, $round";
        $s->write('v2.jwks', set(@moved));
        $s->errors->await(qr/keys replaced, issuer: "only-v2", keys: \d+, file: "\S+v2\.jwks"/);
        not_at '/own', $token, INV => 'key_issuer_mismatch', "of another, $round";
        $s->write('v2.jwks', set(@$v2_keys));
        $s->errors->await(qr/keys replaced, issuer: "only-v2", keys: \d+, file: "\S+v2\.jwks"/);
    }
}

# --- the store is gone ------------------------------------------------------

{
    my $path = $store->path;
    my $asks = entra(1, $own, claims => { aud => "api://$second" });
    rename $path, "$path.away" or die "$path: $!\n";
    $s->errors->await(qr/auth_token: store not available/);

    not_at '/any', $asks, FAIL => 'unavailable', 'a client cannot be looked up';
    not_at '/any', entra(1, $own, claims => { aud => $second, exp => 1 }), FAIL => 'unavailable', 'nor for an expired one';
    not_at '/blind', $asks, FAIL => 'unavailable', 'nor is it the word of another issuer';
    not_at '/own', entra(1, $own), FAIL => 'unavailable', 'its own';
    not_at '/any', entra(1, $own, key => 'rsa2'), INV => 'bad_signature', 'a forged one is no question';
    not_at '/any', entra(1, $own, claims => { aud => [] }), INV => 'audience_mismatch', 'nor one for nobody';

    rename "$path.away", $path or die "$path: $!\n";
    $s->errors->await(qr/auth_token: store available again/);
    ok_at '/any', $asks, 'and it is back';
}

done();
