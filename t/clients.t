#!/usr/bin/perl

# Clients: a JWT names its client in client_claim, and the client's record in the store
# grants.
#
# Requirements: store-decisions, store-change-is-immediate,
#   address-client-and-location, claim-types, scope-claim,
#   rights-of-clients.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub issuer ($name, $more) { "%%ISSUER $name: audience $name; $more%%\n" }

my $issuers = join '', issuer(main   => 'client_claim appid; rights role;'),
    issuer(second => 'client_claim azp appid; user_claim sub; rights role;'),
    issuer(scoped => 'client_claim appid; scope_claim scp; admin_claim isAdmin;'),
    issuer(both   => 'client_claim appid; rights both; scope_claim scope; admin_claim off;'),
    issuer(default => 'client_claim appid; admin_claim off;'),
    issuer(token  => 'client_claim appid; rights token; scope_claim scp; admin_claim root;'),
    issuer(nested => 'client_claim ctx.app.id; admin_claim root; rights role;'), issuer(plain  => '');

my $guid  = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $other = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

my $s = start("$issuers auth_token_store lmdb:%%DIR%%/store;" . <<'CONF',
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main second scoped both default token nested plain;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /first  { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
        location /read   { auth_token_require_scope X.Y.Read; proxy_pass %%UPSTREAM%%; }
        location /write  { auth_token_require_scope X.Y.ReadWrite; proxy_pass %%UPSTREAM%%; }
        location /admin  { auth_token_require_scope CIPP.Admin.Read; proxy_pass %%UPSTREAM%%; }
        location /super  { auth_token_require_scope CIPP.SuperAdmin.Read; proxy_pass %%UPSTREAM%%; }
        location /plain  { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /near   { auth_token_allow 127.0.0.0/29; proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /any-of { satisfy any; allow 127.0.0.9; deny all; proxy_pass %%UPSTREAM%%; }
    }
CONF
    prepare => AuthToken::Store->prepare(sub ($store) {
        my %of_main = (issuer => 'main');

        $store->role('ops', grant => 'X.*', deny => '*.ReadWrite');
        $store->role('read', grant => 'read');
        $store->role($_) for 'nothing', 'no-such-role';

        $store->client($guid, %of_main, role => 'readonly', name => 'reader');
        $store->client($_->[0], issuer => [qw(main second scoped both default token nested)], $_->@[1 .. $#$_]) for
            ['editor', role => 'editor'], ['admin', role => 'Admin'],
            ['superadmin', role => 'SUPERADMIN'], ['ops', role => 'OPS'],
            ['reads', role => 'read'], ['nothing', role => 'nothing'],
            ['none'], ['ghost', role => 'no-such-role'],
            ['off', role => 'editor', disabled => 1, allow => '192.0.2.1'],
            ['one', role => 'editor', allow => '127.0.0.2'],
            ['net', role => 'editor', allow => ['127.0.0.4/30', '2001:db8::/32']],
            ['far', role => 'editor', allow => '192.0.2.0/24'],
            ['far-ghost', role => 'no-such-role', allow => '192.0.2.0/24'];
        $store->client($other, issuer => ['second'], role => 'editor');
        $store->client('MiXeD', %of_main, role => 'editor');
        $store->client('two', issuer => ['second', 'main'], role => 'editor');
        $store->client('homeless', role => 'editor');
        $store->client('x' x 255, %of_main, role => 'editor');
        $store->client("caf\xc3\xa9", %of_main, role => 'editor');
        $store->ok('role', 'delete', 'no-such-role');
    }));
my $store = $s->{store};
$s->{good} = ['/good', token => good_token(aud => 'plain')];

# a JWT of that client and issuer; its own scopes and isAdmin must not grant
sub of ($client, %claims) {
    my $issuer = delete $claims{aud} // 'main';
    return good_token(aud => $issuer, appid => $client, scope => ['*', 'X.Y.Read', 'X.Y.ReadWrite'],
                      isAdmin => $true, %claims);
}

sub may ($client, $path, $name, %o) {
    granted $s, $path, "$name, $client at $path", token => of($client, ($o{claims} // {})->%*), %o;
}

sub may_not ($client, $path, $reason, $name, %o) {
    refused $s, $path, $reason => "$name, $client at $path", reason => $reason,
            token => of($client, ($o{claims} // {})->%*), %o;
}

# --- existing, enabled, of this issuer --------------------------------------

may $guid, '/', 'an existing client', decision => { client => $guid, role => 'readonly', issuer => 'main',
                                          user => 'jane', method => 'bearer', status => 'OK' };
may 'two', '/', "a client of two issuers, $_", claims => { aud => $_, $_ eq 'second' ? (azp => 'two') : () }
    for qw(main second);
may_not 'two', '/', client_issuer_mismatch => "a client of two issuers, $_", claims => { aud => $_ }
    for 'scoped';
may_not $_, '/', unknown_client => 'an unknown client'
    for '11111111-2222-3333-4444-555555555555', 'x', substr($guid, 0, -1), "${guid}0", "{$guid}",
        'x' x 256, 'x' x 511, 'x' x 512, 'x' x 3000, 'reader', 'main', '*', '%', " $guid", "$guid ",
        "api://$guid", "cafe";
may_not 'off', '/', disabled_client => 'a disabled client';
may_not $other, '/', client_issuer_mismatch => 'a client of another issuer';
may_not $guid, '/', client_issuer_mismatch => 'a JWT of another issuer', claims => { aud => 'second' };
may_not 'homeless', '/', client_issuer_mismatch => 'a client without issuers, with several issuers',
    claims => { aud => $_ } for qw(main second);
may $other, '/', 'a client of the second issuer', claims => { aud => 'second', azp => $other, appid => GONE },
    decision => { client => $other, issuer => 'second', user => '' };

# client ids are case-insensitive (ASCII)
may $_, '/', 'a client id in another case', decision => { client => $guid } for uc $guid, ucfirst $guid,
    $guid =~ s/f/F/r;
may $_, '/', 'a client id in another case', decision => { client => 'MiXeD' } for 'mixed', 'MIXED', 'MiXeD',
    'mIxEd';
may 'x' x 255, '/', 'a long client id';
may 'X' x 255, '/', 'a long client id in upper case';
granted $s, '/', 'a client id in UTF-8', token => of("caf\x{e9}");
refused $s, '/', unknown_client => 'a client id in UTF-8 in upper case', token => of("CAF\x{c9}");

# --- a JWT without a client id ----------------------------------------------

for my $row (['missing', GONE], ['empty', ''], ['null', undef], ['a number', 7], ['true', $true],
             ['an array', [$guid]], ['an object', { id => $guid }])
{
    refused $s, $_, bad_claim => "the client claim is $row->[0], at $_", token => of($row->[1]) for '/',
            '/read';
}
refused $s, '/', bad_claim => 'another claim names the client',
        token => of(GONE, azp => $guid, client_id => $guid, sub => $guid, APPID => $guid);

# the first existing claim of several counts
granted $s, '/', 'the first of two client claims counts', token => of('off', aud => 'second', azp => $other),
        decision => { client => $other };
refused $s, '/', disabled_client => 'the first of two client claims names a disabled client',
        token => of($other, aud => 'second', azp => 'off');
granted $s, '/', 'the second client claim counts if the first is missing',
        token => of($other, aud => 'second'), decision => { client => $other };
refused $s, '/', bad_claim => 'the first client claim is not a string',
        token => of($other, aud => 'second', azp => $_) for undef, 7, [$other], '';

granted $s, '/', 'a nested client claim',
        token => of(GONE, aud => 'nested', ctx => { app => { id => 'editor' } }),
        decision => { client => 'editor' };
refused $s, '/', bad_claim => 'a missing nested client claim',
        token => of('editor', aud => 'nested', ctx => $_) for {}, { app => 'editor' }, { id => 'editor' },
            [{ app => { id => 'editor' } }];

# without client_claim, clients are not looked up
granted $s, '/plain', 'an issuer without client_claim', token => good_token(aud => 'plain', appid => 'off'),
        decision => { client => '', role => '', user => 'jane' };

# --- signature and claims come first ----------------------------------------

may_not 'off', '/', expired => 'an expired JWT of a disabled client', claims => { exp => 1 };
may_not 'unknown', '/', expired => 'an expired JWT of an unknown client', claims => { exp => 1 };
may_not GONE, '/', expired => 'an expired JWT without a client', claims => { exp => 1 };
may_not 'off', '/', audience_mismatch => 'a JWT for another audience', claims => { aud => 'other' };
refused $s, '/', bad_signature => 'a forged JWT of a disabled client',
        token => token(key => key('rsa2'), claims => { aud => 'main', appid => 'off' });
refused $s, '/first', audience_mismatch => 'a JWT of an issuer that the location does not trust',
        token => of($other, aud => 'second', azp => $other);

# --- roles ------------------------------------------------------------------

may_not 'none', $_, no_role => 'a client without a role' for '/', '/read', '/super';
may_not 'ghost', $_, no_role => 'a missing role' for '/', '/read', '/super';
may_not 'ghost', '/', no_role => 'a missing role, with a scope claim',
    claims => { aud => 'scoped', scp => 'X.Y.Read' };
may 'nothing', '/', 'a role without grants';
may_not 'nothing', '/read', insufficient_scope => 'a role without grants';

my %may = (
    $guid      => [1, 0, 0, 0, 0],          # /read /write /admin /super /plain
    editor     => [1, 1, 0, 0, 0],
    admin      => [1, 1, 1, 0, 1],
    superadmin => [1, 1, 1, 1, 1],
    ops        => [1, 0, 0, 0, 0],
    reads      => [0, 0, 0, 0, 1],
);
for my $client (sort keys %may) {
    for my $i (0 .. 4) {
        my $path = (qw(/read /write /admin /super /plain))[$i];
        $may{$client}[$i] ? may($client, $path, 'role')
                          : may_not($client, $path, insufficient_scope => 'role');
    }
}

# neither isAdmin nor the scopes of the JWT grant
for my $claims ({ isAdmin => $true }, { scope => ['CIPP.Admin.Read', 'X.Y.ReadWrite', 'read'] },
                { scope => 'CIPP.Admin.Read read', roles => ['admin', 'superadmin'] },
                { scp => 'CIPP.Admin.Read X.Y.ReadWrite read', role => 'superadmin' })
{
    may_not $guid, $_, insufficient_scope => 'claims do not grant', claims => $claims
        for '/write', '/admin', '/plain';
}
may $guid, '/read', 'a JWT without scopes', claims => { scope => GONE, isAdmin => GONE };
may_not 'one', '/read', address_not_allowed => 'isAdmin does not bypass address ranges';
may_not 'editor', $_, insufficient_scope => 'admin_claim does not grant to a client',
    claims => { aud => 'nested', root => $true, ctx => { app => { id => 'editor' } } } for '/admin', '/super';

# by default both the scopes and the role must grant
for my $row (['both', 'X.Y.ReadWrite X.Y.Read', 1, 1], ['the one', 'X.Y.Read', 1, 0],
             ['the other', 'X.Y.ReadWrite', 0, 1], ['none', '', 0, 0], ['no', GONE, 0, 0],
             ['a list', ['X.Y.Read'], 1, 0], ['all', '*', 0, 0], ['another case', 'x.y.read', 0, 0],
             ['the plain claim of', GONE, 0, 0])
{
    my ($name, $scp, $read, $write) = @$row;
    my %claims = (aud => 'scoped', scp => $scp, isAdmin => GONE);

    for (['/read', $read], ['/write', $write]) {
        my ($path, $yes) = @$_;
        $yes ? may('editor', $path, "$name scope", claims => \%claims)
             : may_not('editor', $path, insufficient_scope => "$name scope",
                       claims => \%claims);
    }
    may_not 'ops', '/write', insufficient_scope => "$name scope, the role denies", claims => \%claims;
    may_not 'nothing', '/read', insufficient_scope => "$name scope, the role has none", claims => \%claims;
}

# admin_claim belongs to the rights of the token
may 'superadmin', '/plain', 'isAdmin stands for every scope of the JWT', claims => { aud => 'scoped', scp => GONE };
may_not 'editor', '/admin', insufficient_scope => 'isAdmin does not replace the role',
    claims => { aud => 'scoped', scp => GONE };
may_not 'ops', '/write', insufficient_scope => 'isAdmin does not overrule the role, which denies',
    claims => { aud => 'scoped', scp => GONE };

# a default that is written out changes nothing
for my $aud (qw(both default)) {
    for my $scope ('X.Y.Read', ['X.Y.Read']) {
        may 'editor', '/read', "rights by $aud", claims => { aud => $aud, scope => $scope };
        may_not 'editor', '/write', insufficient_scope => "rights by $aud, the token lacks the scope",
            claims => { aud => $aud, scope => $scope };
    }
    may_not $_, '/write', insufficient_scope => "rights by $aud, the role lacks the scope",
        claims => { aud => $aud, scope => 'X.Y.ReadWrite' } for qw(ops nothing reads);
    may_not 'editor', '/read', insufficient_scope => "rights by $aud, no scopes",
        claims => { aud => $aud, scope => GONE };
    may 'none', '/read', "rights by $aud, a record without a role does not restrict",
        claims => { aud => $aud, scope => 'X.Y.Read' }, decision => { client => 'none', role => '' };
    may_not 'none', '/write', insufficient_scope => "rights by $aud, a record without a role",
        claims => { aud => $aud, scope => 'X.Y.Read' };
    may_not 'ghost', $_, no_role => "rights by $aud, the record names a missing role",
        claims => { aud => $aud, scope => 'X.Y.Read' } for '/', '/read';
    may_not 'one', '/read', address_not_allowed => "rights by $aud, the address ranges apply",
        claims => { aud => $aud, scope => 'X.Y.Read' };
    may_not 'off', '/', disabled_client => "rights by $aud, the record is disabled",
        claims => { aud => $aud, scope => 'X.Y.Read' };
}

# rights token: the record has address ranges, but its role does not count
for my $client (qw(ops nothing none ghost editor)) {
    my %o = (claims => { aud => 'token', scp => 'X.Y.ReadWrite' });
    may $client, '/write', 'the scopes of the token', %o, decision => { client => $client, role => '' };
    may_not $client, '/read', insufficient_scope => 'the scopes of the token', %o;
}
may_not 'superadmin', '/super', insufficient_scope => 'the role does not grant with "rights token"',
    claims => { aud => 'token', scp => GONE };
may 'nothing', '/super', 'admin_claim with "rights token"', claims => { aud => 'token', scp => GONE, root => $true };
may 'one', '/read', 'an allowed address, with scopes of the token', from => '127.0.0.2',
    claims => { aud => 'token', scp => 'X.Y.Read' };
may_not 'one', '/read', address_not_allowed => 'another address, with scopes of the token',
    claims => { aud => 'token', scp => 'X.Y.Read' };
may_not $_->[0], '/', $_->[1] => 'the record decides with "rights token"', claims => { aud => 'token', scp => 'X.Y.Read' }
    for ['off', 'disabled_client'], ['unknown', 'unknown_client'], [$other, 'client_issuer_mismatch'];

# --- ranges -----------------------------------------------------------------

may 'one', '/', 'an allowed address', from => '127.0.0.2';
may 'one', '/near', 'an address in both lists', from => '127.0.0.2';
may_not 'one', $_, address_not_allowed => 'another address', from => '127.0.0.3' for '/', '/near', '/read';
may 'net', '/near', "$_", from => $_ for '127.0.0.4', '127.0.0.7';
may_not 'net', '/near', address_not_allowed =>
    "$_ is in the ranges of the location only", from => $_
    for '127.0.0.1', '127.0.0.3';
may_not 'net', '/near', address_not_allowed => 'an address in neither list', from => '127.0.0.8', good => 0;
may_not 'editor', '/near', address_not_allowed => "an address outside of the ranges of the location",
    from => '127.0.0.8', good => 0;
may 'editor', '/', 'a client without ranges', from => '127.0.0.8';
may_not 'off', '/near', disabled_client => 'a disabled client is reported before its address',
    from => '127.0.0.8', good => 0;
may_not 'off', '/', disabled_client => 'a disabled client is reported before its address';
may_not 'far', '/read', address_not_allowed => 'the address is reported before the scope';
may_not 'far', '/super', address_not_allowed => 'the address is reported before the scope';
may_not 'far-ghost', '/', address_not_allowed => 'the address is reported before the role';
may_not 'one', '/', address_not_allowed => 'X-Forwarded-For is ignored',
    headers => ['X-Forwarded-For: 127.0.0.2'];

# --- cookies, satisfy any ---------------------------------------------------

granted $s, '/cookie', 'a client by cookie', cookie => 'accessToken=' . of($guid),
        decision => { method => 'cookie', client => $guid };
refused $s, '/cookie', disabled_client => 'a disabled client by cookie', cookie => 'accessToken=' . of('off');
may $guid, '/any-of', 'satisfy any: the client is accepted';
granted $s, '/any-of', 'satisfy any: the address is accepted', token => of('off'), from => '127.0.0.9';
refused $s, '/any-of', client_disabled => 'satisfy any: neither is accepted', token => of('off'),
        decision => undef;

# --- variables of a refused request -----------------------------------------

may_not $_->[0], $_->[1], $_->[2] => 'variables name only the subject',
    decision => { client => '', user => '', role => '', issuer => '', method => '', scope => '',
                  subject => $_->[3] } for
    ['off', '/', disabled_client => 'off'],
    ['far', '/', address_not_allowed => 'far'],
    ['OPS', '/write', insufficient_scope => 'OPS'];

# --- changes ----------------------------------------------------------------

for my $round (1, 2) {
    $store->ok('client', 'disable', uc $guid);
    may_not $guid, '/read', disabled_client => "after disable, $round";
    $store->ok('client', 'enable', $guid);
    may $guid, '/read', "after enable, $round";
}
$store->update('client', $guid, role => 'editor');
may $guid, '/write', 'after a change of the role';
$store->ok('client', 'update', $guid, '--no-role');
may_not $guid, '/', no_role => 'after the role is removed from the client';
$store->update('client', $guid, role => 'ops');
may $guid, '/read', 'a role of the store grants';
$store->role('ops', grant => 'X.*', deny => 'X.Y.Read');
may_not $guid, '/read', insufficient_scope => 'after a change of the role record';
$store->ok('role', 'delete', 'ops');
may_not $guid, '/', no_role => 'after the role is deleted';
$store->update('client', $guid, role => 'readonly', issuer => 'second');
may_not $guid, '/', client_issuer_mismatch => 'after a change of the issuers';
$store->update('client', $guid, issuer => 'main', allow => '127.0.0.2');
may_not $guid, '/', address_not_allowed => 'after a change of the ranges';
$store->update('client', $guid, allow => 'any');
may $guid, '/', 'after the ranges are removed';
$store->ok('client', 'delete', $guid);
may_not $guid, '/', unknown_client => 'after the client is deleted';
$store->client($guid, issuer => 'main', role => 'readonly');
may $guid, '/read', 'after the client is created again';

# --- one issuer -------------------------------------------------------------

{
    my $only = start(issuer(main => 'client_claim appid;') . <<'CONF',
    auth_token_store lmdb:%%DIR%%/store;
    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
        prepare => AuthToken::Store->prepare(sub ($store) {
            $store->client('homeless', role => 'readonly');
            $store->client('main', role => 'readonly', issuer => 'main');
            $store->client('other', role => 'readonly', issuer => 'other');
        }));
    $only->{good} = ['/good', token => of('main')];

    granted $only, '/', 'a client without issuers, with one issuer', token => of('homeless');
    granted $only, '/', 'a client of the only issuer', token => of('main');
    refused $only, '/', client_issuer_mismatch => 'a client of another issuer than the only one',
            token => of('other');
}

# --- docs/providers.md ------------------------------------------------------

# Each block of "Address ranges per client, scopes from the token" as it is written, for
# the documented access token of the provider.
{
    my ($section) = AuthToken::Log->new("$AuthToken::Server::ROOT/docs/providers.md")->content
        =~ /^## Address ranges per client, scopes from the token\n(.*?)^## /ms;
    my %block = map { /auth_token_issuer (\w+) / ? ($1 => $_) : () } $section =~ /^```nginx\n(.*?)^```/msg;
    is_deeply [sort keys %block], [qw(auth0 keycloak okta)], 'docs/providers.md shows three providers';

    # the claim that names the client, a scope that its token has, one that it lacks
    my %of = (auth0 => ['azp', 'orders:read', 'email'], keycloak => ['azp', 'email', 'orders:read'],
              okta => ['cid', 'flights', 'orders:read']);

    for my $provider (sort keys %block) {
        my ($claim, $has, $lacks) = $of{$provider}->@*;
        my $file    = "$AuthToken::Server::ROOT/t/data/provider-tokens/$provider.json";
        my %payload = JSON::PP::decode_json(AuthToken::Log->new($file)->content)->{tokens}[0]{payload}->%*;
        my $client  = $payload{$claim};
        my $audience = ref $payload{aud} ? $payload{aud}[0] : $payload{aud};

        my $conf = $block{$provider} =~ s/(\bissuer +)\S+;/$1$payload{iss};/r
            =~ s/(\baudience +)\S+;/$1$audience;/r =~ s/discovery +on;/key_file %%DIR%%\/rsa.json;/r
            =~ s{lmdb:\S+;}{lmdb:%%DIR%%/store;}r;

        my $p = start($conf . <<"CONF", files => { 'rsa.json' => '{"keys":[' . key('rsa')->jwk . ']}' },
            server {
                listen %%LISTEN%%;
                auth_token on;
                location /       { auth_token_require_scope $has; proxy_pass %%UPSTREAM%%; }
                location /lacks/ { auth_token_require_scope $lacks; proxy_pass %%UPSTREAM%%; }
            }
CONF
            prepare => AuthToken::Store->prepare(sub ($store) {
                $store->client($client, issuer => $provider, allow => '127.0.0.2');
            }));
        my $token = sub (%more) {
            token(claims => { (map { ($_ => GONE) } qw(scope username isAdmin id)), %payload,
                              exp => time + 600, iat => time, %more });
        };
        $p->{good} = ['/', token => $token->(), from => '127.0.0.2'];

        granted $p, '/', "$provider: address and scope", token => $token->(), from => '127.0.0.2',
                decision => { client => $client, role => '', issuer => $provider };
        for (['/', address_not_allowed => 'another address', from => '127.0.0.3'],
             ['/lacks/', insufficient_scope => 'a scope that the token lacks', from => '127.0.0.2'])
        {
            my ($path, $reason, $name, @from) = @$_;
            refused $p, $path, $reason => "$provider: $name", token => $token->(), @from, good => 0;
        }
        refused $p, '/', unknown_client => "$provider: another client", good => 0,
                token => $token->($claim => 'another'), from => '127.0.0.2';
    }
}

# --- configuration ----------------------------------------------------------

my $server = 'server { listen %%LISTEN%%; auth_token on; }';
sub with_claim ($claim) { "%%ISSUER main:\nclient_claim $claim; # here\n%%\n" }

conf_fails with_claim('appid') . $server,
    qr/"client_claim" of "auth_token_issuer main" requires "auth_token_store"/, 'client_claim without a store';
conf_fails with_claim($_) . "auth_token_store lmdb:%%DIR%%/store; $server", qr/client_claim/, "client_claim $_",
    prepare => AuthToken::Store->prepare for '', '""', 'a..b', '.a', 'a.';

done;
