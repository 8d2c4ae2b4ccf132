#!/usr/bin/perl

# Clients of issuers: a JWT with client_claim names one, and its record in the
# store says what it may do.
#
# Requirements: store-decisions, store-change-is-immediate,
#   address-client-and-location, claim-types, scope-claim.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub issuer ($name, $more) {
    return <<"CONF";
    auth_token_issuer $name {
        issuer   https://issuer.example;
        audience $name;
        key_file %%DIR%%/rsa.pem;
        $more
    }
CONF
}

my $issuers = join '',
    issuer(main   => 'client_claim appid;'),
    issuer(second => 'client_claim azp appid; user_claim sub;'),
    issuer(scoped => 'client_claim appid; scope_claim scp; admin_claim isAdmin;'),
    issuer(nested => 'client_claim ctx.app.id; admin_claim root;'),
    issuer(plain  => '');

my $guid  = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $other = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

my $s = start("$issuers auth_token_store lmdb:%%DIR%%/store;" . <<'CONF',
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main second scoped nested plain;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /first  { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
        location /read   { auth_token_require_scope X.Y.Read; proxy_pass %%UPSTREAM%%; }
        location /write  { auth_token_require_scope X.Y.ReadWrite; proxy_pass %%UPSTREAM%%; }
        location /admin  { auth_token_require_scope CIPP.Admin.Read; proxy_pass %%UPSTREAM%%; }
        location /super  { auth_token_require_scope CIPP.SuperAdmin.Read; proxy_pass %%UPSTREAM%%; }
        location /plain  { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /near   { auth_token_allow 127.0.0.0/29; proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /any-of {
            satisfy any;
            allow 127.0.0.9;
            deny all;
            proxy_pass %%UPSTREAM%%;
        }
    }
CONF
    files   => { 'rsa.pem' => key('rsa')->pem },
    prepare => AuthToken::Store->prepare(sub ($store) {
        my %of_main = (issuer => 'main');

        $store->role('ops', grant => 'X.*', deny => '*.ReadWrite');
        $store->role('read', grant => 'read');
        $store->role($_) for 'nothing', 'no-such-role';

        $store->client($guid, %of_main, role => 'readonly', name => 'reader');
        $store->client($_->[0], issuer => [qw(main second scoped nested)], $_->@[1 .. $#$_]) for
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

# a token of that client and issuer; what the token says of itself gives nothing
sub of ($client, %claims) {
    my $issuer = delete $claims{aud} // 'main';
    return good_token(aud => $issuer, appid => $client, scope => ['*', 'X.Y.Read', 'X.Y.ReadWrite'],
                      isAdmin => $true, %claims);
}

sub may ($client, $path, $name, %o) {
    granted $s, $path, "$name, $client at $path", token => of($client, ($o{claims} // {})->%*), %o;
}

sub may_not ($client, $path, $sign, $reason, $name, %o) {
    refused $s, $path, $sign => "$name, $client at $path", reason => $reason,
            token => of($client, ($o{claims} // {})->%*), %o;
}

# --- known, enabled, of this issuer -----------------------------------------

may $guid, '/', 'known', decision => { client => $guid, role => 'readonly', issuer => 'main',
                                          user => 'jane', method => 'bearer', status => 'OK' };
may 'two', '/', "of two issuers, $_", claims => { aud => $_, $_ eq 'second' ? (azp => 'two') : () }
    for qw(main second);
may_not 'two', '/', DISABLED => 'client_issuer_mismatch', "of two issuers, $_", claims => { aud => $_ }
    for 'scoped';
may_not $_, '/', DISABLED => 'unknown_client', 'unknown'
    for '11111111-2222-3333-4444-555555555555', 'x', substr($guid, 0, -1), "${guid}0", "{$guid}",
        'x' x 256, 'x' x 511, 'x' x 512, 'x' x 3000, 'reader', 'main', '*', '%', " $guid", "$guid ",
        "api://$guid", "cafe";
may_not 'off', '/', DISABLED => 'disabled_client', 'disabled';
may_not $other, '/', DISABLED => 'client_issuer_mismatch', 'of another issuer';
may_not $guid, '/', DISABLED => 'client_issuer_mismatch', 'of another issuer', claims => { aud => 'second' };
may_not 'homeless', '/', DISABLED => 'client_issuer_mismatch', 'of no issuer, where there are several',
    claims => { aud => $_ } for qw(main second);
may $other, '/', 'of the second', claims => { aud => 'second', azp => $other, appid => GONE },
    decision => { client => $other, issuer => 'second', user => '' };

# the case of an id means nothing
may $_, '/', 'case', decision => { client => $guid } for uc $guid, ucfirst $guid, $guid =~ s/f/F/r;
may $_, '/', 'case', decision => { client => 'MiXeD' } for 'mixed', 'MIXED', 'MiXeD', 'mIxEd';
may 'x' x 255, '/', 'a long id';
may 'X' x 255, '/', 'a long id in capitals';
granted $s, '/', 'an id in UTF-8', token => of("caf\x{e9}");
refused $s, '/', DISABLED => 'an id in UTF-8, in capitals', token => of("CAF\x{c9}"),
        reason => 'unknown_client';

# --- a token that names none ------------------------------------------------

for my $row (['missing', GONE], ['empty', ''], ['null', undef], ['a number', 7], ['true', $true],
             ['an array', [$guid]], ['an object', { id => $guid }])
{
    refused $s, $_, INV => "the claim is $row->[0], at $_", reason => 'bad_claim',
            token => of($row->[1]) for '/', '/read';
}
refused $s, '/', INV => 'another claim names it', reason => 'bad_claim',
        token => of(GONE, azp => $guid, client_id => $guid, sub => $guid, APPID => $guid);

# of several names the first one that is there counts
granted $s, '/', 'the first of two', token => of('off', aud => 'second', azp => $other),
        decision => { client => $other };
refused $s, '/', DISABLED => 'the first of two is disabled', reason => 'disabled_client',
        token => of($other, aud => 'second', azp => 'off');
granted $s, '/', 'the second, as the first is not there', token => of($other, aud => 'second'),
        decision => { client => $other };
refused $s, '/', INV => 'the first is no string', reason => 'bad_claim',
        token => of($other, aud => 'second', azp => $_) for undef, 7, [$other], '';

# a claim within others
granted $s, '/', 'a nested claim', token => of(GONE, aud => 'nested', ctx => { app => { id => 'editor' } }),
        decision => { client => 'editor' };
refused $s, '/', INV => 'a nested claim that is not there', reason => 'bad_claim',
        token => of('editor', aud => 'nested', ctx => $_) for {}, { app => 'editor' }, { id => 'editor' },
            [{ app => { id => 'editor' } }];

# an issuer without client_claim knows no clients
granted $s, '/plain', 'no client_claim', token => good_token(aud => 'plain', appid => 'off'),
        decision => { client => '', role => '', user => 'jane' };

# --- signature and claims come first ----------------------------------------

may_not 'off', '/', EXP => 'expired', 'expired, of a disabled client', claims => { exp => 1 };
may_not 'unknown', '/', EXP => 'expired', 'expired, of an unknown client', claims => { exp => 1 };
may_not GONE, '/', EXP => 'expired', 'expired, of no client', claims => { exp => 1 };
may_not 'off', '/', INV => 'audience_mismatch', 'another audience', claims => { aud => 'other' };
refused $s, '/', INV => 'forged, of a disabled client', reason => 'bad_signature',
        token => token(key => key('rsa2'), claims => { aud => 'main', appid => 'off' });
refused $s, '/first', INV => 'of an issuer that is not trusted here', reason => 'audience_mismatch',
        token => of($other, aud => 'second', azp => $other);

# --- roles ------------------------------------------------------------------

may_not 'none', $_, SCOPE => 'no_role', 'no role' for '/', '/read', '/super';
may_not 'ghost', $_, SCOPE => 'no_role', 'a role that is not there' for '/', '/read', '/super';
may_not 'ghost', '/', SCOPE => 'no_role', 'a role that is not there, a scope claim',
    claims => { aud => 'scoped', scp => 'X.Y.Read' };
may 'nothing', '/', 'a role that grants nothing';
may_not 'nothing', '/read', SCOPE => 'insufficient_scope', 'a role that grants nothing';

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
                          : may_not($client, $path, SCOPE => 'insufficient_scope', 'role');
    }
}

# neither isAdmin nor scopes of the token give a client anything
for my $claims ({ isAdmin => $true }, { scope => ['CIPP.Admin.Read', 'X.Y.ReadWrite', 'read'] },
                { scope => 'CIPP.Admin.Read read', roles => ['admin', 'superadmin'] },
                { scp => 'CIPP.Admin.Read X.Y.ReadWrite read', role => 'superadmin' })
{
    may_not $guid, $_, SCOPE => 'insufficient_scope', 'the token says otherwise', claims => $claims
        for '/write', '/admin', '/plain';
}
may $guid, '/read', 'a token without scopes', claims => { scope => GONE, isAdmin => GONE };
may_not 'one', '/read', ADDR => 'address_not_allowed', 'isAdmin passes no range';
may_not 'editor', $_, SCOPE => 'insufficient_scope', 'a nested issuer with its own admin_claim',
    claims => { aud => 'nested', root => $true, ctx => { app => { id => 'editor' } } } for '/admin', '/super';

# with a scope claim of its own both must allow
for my $row (['both', 'X.Y.ReadWrite X.Y.Read', 1, 1], ['the one', 'X.Y.Read', 1, 0],
             ['the other', 'X.Y.ReadWrite', 0, 1], ['none', '', 0, 0], ['no', GONE, 0, 0],
             ['a list', ['X.Y.Read'], 1, 0], ['all', '*', 0, 0], ['another case', 'x.y.read', 0, 0],
             ['the plain claim of', GONE, 0, 0])
{
    my ($name, $scp, $read, $write) = @$row;
    my %claims = (aud => 'scoped', scp => $scp);

    for (['/read', $read], ['/write', $write]) {
        my ($path, $yes) = @$_;
        $yes ? may('editor', $path, "$name scope", claims => \%claims)
             : may_not('editor', $path, SCOPE => 'insufficient_scope', "$name scope", claims => \%claims);
    }
    may_not 'ops', '/write', SCOPE => 'insufficient_scope', "$name scope, the role denies", claims => \%claims;
    may_not 'nothing', '/read', SCOPE => 'insufficient_scope', "$name scope, the role has none", claims => \%claims;
}
may_not 'superadmin', '/plain', SCOPE => 'insufficient_scope', 'isAdmin is no scope of a client',
    claims => { aud => 'scoped', scp => 'X.Y.Read' };

# --- ranges -----------------------------------------------------------------

may 'one', '/', 'its address', from => '127.0.0.2';
may 'one', '/near', 'its address, in both', from => '127.0.0.2';
may_not 'one', $_, ADDR => 'address_not_allowed', 'another address', from => '127.0.0.3' for '/', '/near', '/read';
may 'net', '/near', "$_", from => $_ for '127.0.0.4', '127.0.0.7';
may_not 'net', '/near', ADDR => 'address_not_allowed', "$_ is in the location's ranges alone", from => $_
    for '127.0.0.1', '127.0.0.3';
may_not 'net', '/near', ADDR => 'address_not_allowed', 'in neither', from => '127.0.0.8', good => 0;
may_not 'editor', '/near', ADDR => 'address_not_allowed', "outside the location's", from => '127.0.0.8', good => 0;
may 'editor', '/', 'no ranges', from => '127.0.0.8';
may_not 'off', '/near', DISABLED => 'disabled_client', 'disabled is told before the address',
    from => '127.0.0.8', good => 0;
may_not 'off', '/', DISABLED => 'disabled_client', 'disabled is told before the address';
may_not 'far', '/read', ADDR => 'address_not_allowed', 'address is told before the scope';
may_not 'far', '/super', ADDR => 'address_not_allowed', 'address is told before the scope';
may_not 'far-ghost', '/', ADDR => 'address_not_allowed', 'address is told before the role';
may_not 'one', '/', ADDR => 'address_not_allowed', 'X-Forwarded-For is nothing', headers => ['X-Forwarded-For: 127.0.0.2'];

# --- cookies, satisfy any ---------------------------------------------------

granted $s, '/cookie', 'a client by cookie', cookie => 'accessToken=' . of($guid),
        decision => { method => 'cookie', client => $guid };
refused $s, '/cookie', DISABLED => 'a disabled client by cookie', reason => 'disabled_client',
        cookie => 'accessToken=' . of('off');
may $guid, '/any-of', 'satisfy any, by client';
granted $s, '/any-of', 'satisfy any, by address', token => of('off'), from => '127.0.0.9';
refused $s, '/any-of', DISABLED => 'satisfy any, by neither', token => of('off'), decision => undef;

# --- what a refused one shows -----------------------------------------------

may_not $_->[0], $_->[1], $_->[2] => $_->[3], 'the subject',
    decision => { client => '', user => '', role => '', issuer => '', method => '', scope => '',
                  subject => $_->[4] } for
    ['off', '/', DISABLED => 'disabled_client', 'off'],
    ['far', '/', ADDR => 'address_not_allowed', 'far'],
    ['OPS', '/write', SCOPE => 'insufficient_scope', 'OPS'];

# --- in small: live ---------------------------------------------------------

for my $round (1, 2) {
    $store->ok('client', 'disable', uc $guid);
    may_not $guid, '/read', DISABLED => 'disabled_client', "disabled, $round";
    $store->ok('client', 'enable', $guid);
    may $guid, '/read', "enabled, $round";
}
$store->update('client', $guid, role => 'editor');
may $guid, '/write', 'another role';
$store->ok('client', 'update', $guid, '--no-role');
may_not $guid, '/', SCOPE => 'no_role', 'no role any more';
$store->update('client', $guid, role => 'ops');
may $guid, '/read', 'a role of the store';
$store->role('ops', grant => 'X.*', deny => 'X.Y.Read');
may_not $guid, '/read', SCOPE => 'insufficient_scope', 'that role denies it now';
$store->ok('role', 'delete', 'ops');
may_not $guid, '/', SCOPE => 'no_role', 'that role is gone';
$store->update('client', $guid, role => 'readonly', issuer => 'second');
may_not $guid, '/', DISABLED => 'client_issuer_mismatch', 'another issuer';
$store->update('client', $guid, issuer => 'main', allow => '127.0.0.2');
may_not $guid, '/', ADDR => 'address_not_allowed', 'a range';
$store->update('client', $guid, allow => 'any');
may $guid, '/', 'no range any more';
$store->ok('client', 'delete', $guid);
may_not $guid, '/', DISABLED => 'unknown_client', 'deleted';
$store->client($guid, issuer => 'main', role => 'readonly');
may $guid, '/read', 'and there again';

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
        files   => { 'rsa.pem' => key('rsa')->pem },
        prepare => AuthToken::Store->prepare(sub ($store) {
            $store->client('homeless', role => 'readonly');
            $store->client('main', role => 'readonly', issuer => 'main');
            $store->client('other', role => 'readonly', issuer => 'other');
        }));
    $only->{good} = ['/good', token => of('main')];

    granted $only, '/', 'of no issuer, where there is one', token => of('homeless');
    granted $only, '/', 'of the only one', token => of('main');
    refused $only, '/', DISABLED => 'of another than the only one', token => of('other'),
            reason => 'client_issuer_mismatch';
}

# --- configuration ----------------------------------------------------------

my @files = (files => { 'rsa.pem' => key('rsa')->pem });
my $server = "server { listen %%LISTEN%%; auth_token on; }\n";

conf_fails <<"CONF", qr/"client_claim" of "auth_token_issuer main" requires "auth_token_store"/,
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        client_claim appid; # here
    }
    $server
CONF
    'client_claim without a store', @files;

conf_fails <<"CONF", qr/client_claim/, "client_claim $_", @files,
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        client_claim $_; # here
    }
    auth_token_store lmdb:%%DIR%%/store;
    $server
CONF
    prepare => AuthToken::Store->prepare for '', '""', 'a..b', '.a', 'a.';

done;
