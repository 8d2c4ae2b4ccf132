#!/usr/bin/perl

# Clients and roles of CIPP: rows of its tables are imported, requests are authorized by
# them, and refusals in the format "text" have CIPP's sentences.
#
# Requirements: store-decisions, import-atomic, store-change-is-immediate,
#   error-codes, error-escaping, address-match, address-syntax,
#   address-client-and-location, path-templates, path-ambiguous, audience,
#   exp-small, scope-claim.

use v5.36;

use lib 't/lib';

use AuthToken::Export;
use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';

sub guid ($n) { sprintf '%08d-0000-4000-8000-000000000000', $n }
sub text ($value) { JSON::PP->new->utf8->canonical->allow_nonref->encode($value) }

# a row of a table, as in a backup of CIPP
sub client ($n, %columns) {
    return { PartitionKey => 'ApiClients', RowKey => guid($n), AppName => "client $n",
             Role => 'readonly', IPRange => '', Enabled => $true, MCPAllowed => $false,
             table => 'ApiClients', %columns };
}

sub role ($name, %columns) {
    return { PartitionKey => 'CustomRoles', RowKey => $name, Permissions => '{}',
             AllowedTenants => '["AllTenants"]', BlockedTenants => '', BlockedEndpoints => '',
             table => 'CustomRoles', %columns };
}

my $helpdesk = text({ IdentityUser => 'Identity.User.ReadWrite', IdentityGroup => 'Identity.Group.Read',
                      CIPPCore => 'CIPP.Core.None', TenantAlert => undef, Empty => '' });
my @rows = (
    { PartitionKey => 'ScheduledTask', RowKey => 'x', Command => '{"a":[1,{"b":[]}]}', table => 'ScheduledTasks' },
    role('helpdesk', Permissions => $helpdesk, BlockedEndpoints => '["ExecOffboardUser","listgroups"]'),
    role('one-block', Permissions => '{"a":"Identity.User.Read"}', BlockedEndpoints => '"ListUsers"'),
    role('cipp-api', Permissions => { a => 'CIPP.Core.Read' }, BlockedEndpoints => 'null'),
    role('tenants', Permissions => '{"a":"Identity.User.Read"}', AllowedTenants => '["contoso.com"]'),
    client(1),
    client(2, Role => 'editor', IPRange => '["127.0.0.2","127.0.0.16/28"]', 'Enabled@odata.type' => 'Edm.Boolean',
           'odata.etag' => 'W/"1"', etag => 'x', ETag => 'y', Timestamp => '2026-01-01T00:00:00Z'),
    client(3, Role => 'helpdesk', IPRange => '"127.0.0.3"'),
    client(4, Role => 'admin', Enabled => $false),
    client(5, Role => ''),
    client(6, Role => 'no-such-role'),
    client(7, Role => 'superadmin', Enabled => 'True', IPRange => 'Any', MCPAllowed => 'True'),
    client(8, Role => 'one-block', Enabled => 'false'),
    client(9, Role => 'one-block', IPRange => '[]'),
    client(10, Role => 'Admin', IPRange => '["any","192.0.2.1"]'),
    client(11, Role => 'tenants'),
    client(12, Role => "caf\x{e9} '<b>'"),
);

my $s = start(<<"CONF",
    auth_token_issuer entra {
        issuer       https://sts.windows.net/$tenant/ https://login.microsoftonline.com/$tenant/v2.0;
        audience     clients;
        client_claim entra;
        key_file     %%DIR%%/keys.jwks;
    }
    auth_token_store lmdb:%%DIR%%/store;
    auth_token on;
    auth_token_accept bearer;
    auth_token_endpoints $AuthToken::Server::ROOT/conf-examples/cipp/endpoints.tsv ignore_case;

    server {
        listen %%LISTEN%%;
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
        location / { proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN2%%;
        auth_token_error_format text;
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
        location / { proxy_pass %%UPSTREAM%%; }
        location /scoped {
            auth_token_endpoints off;
            auth_token_require_scope \$arg_scope;
        }
        location /own-words {
            auth_token_error API_ENDPOINT_NOT_FOUND "message=Ask the help desk";
        }
    }
CONF
    files   => { 'keys.jwks' => '{"keys":[' . key('rsa')->jwk(kid => 'k1') . ']}' },
    prepare => AuthToken::Store->prepare,
);
my $store = $s->{store};

# --- the import -------------------------------------------------------------

my @cipp = ('import', '--cipp', '-');
my $out  = $store->ok(@cipp, { input => text(\@rows) });

is $out =~ s/  +/ /gr, <<'OUT', 'an import prints added and ignored records, and limits that are not enforced';
roles 4 added, 0 changed, 0 unchanged, 0 removed
users 0 added, 0 changed, 0 unchanged, 0 removed
clients 12 added, 0 changed, 0 unchanged, 0 removed; 10 unrestricted
tokens 0 added, 0 changed, 0 unchanged, 0 removed
ignored 1
warnings role "tenants": CIPP limits it to some tenants, which the module does not enforce: the API must enforce it
OUT

my $json = JSON::PP->new->utf8->decode($store->ok('--json', @cipp, { input => text(\@rows) }));
is_deeply [$json->{clients}{unchanged}, $json->{roles}{unchanged}, $json->{ignored}, scalar $json->{warnings}->@*],
    [12, 4, 1, 1], 'a second import changes nothing; --json prints the same';

sub export () { export_records($store->ok('export')) }
sub by ($list, $key) { return { map { $_->{$key} => $_ } @$list } }

my $roles   = by(export->{roles}, 'name');
my $clients = by(export->{clients}, 'id');
is_deeply [sort $roles->{helpdesk}{grant}->@*],
    ['CIPP.Core.None', 'Identity.Group.Read', 'Identity.User.ReadWrite'], 'the granted permissions are the values of Permissions';
is_deeply $roles->{helpdesk}{blocked_endpoints}, ['ExecOffboardUser', 'listgroups'], 'BlockedEndpoints may be a list';
is_deeply $roles->{'one-block'}{blocked_endpoints}, ['ListUsers'], 'BlockedEndpoints may be a string';
is_deeply $roles->{'cipp-api'}, { name => 'cipp-api', grant => ['CIPP.Core.Read'], deny => [],
    blocked_endpoints => [], created => $roles->{'cipp-api'}{created} }, 'Permissions and BlockedEndpoints may be JSON values instead of JSON text';
is_deeply [map { $clients->{guid $_}{enabled} ? 1 : 0 } 1 .. 12], [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1], 'Enabled may be a boolean or the text of one';
is_deeply [map { $clients->{guid $_}{ip_ranges} } 1, 2, 3, 7, 9, 10],
    [[], ['127.0.0.2', '127.0.0.16/28'], ['127.0.0.3'], [], [], []], 'IPRange may be empty, a list, a string or contain Any';
is $clients->{guid 5}{role}, 'cipp-api', 'an empty role is the role cipp-api';

# roles that CIPP limits to some tenants
for my $row (['["AllTenants"]', '', 0], ['"AllTenants"', '[]', 0], [['AllTenants', 'x'], undef, 0],
             ['["alltenants"]', 'null', 0], ['', '', 1], [undef, '', 1], ['[]', '', 1], ['["x"]', '', 1],
             ['[{"value":"AllTenants"}]', '', 1], ['["AllTenants"]', '["x"]', 1], ['["AllTenants"]', '"x"', 1],
             ['["AllTenants"]', '{"type":"Group"}', 1])
{
    my ($allowed, $blocked, $warned) = @$row;
    my $said = JSON::PP->new->utf8->decode($store->ok('--json', @cipp, { input => text([
        role('t', AllowedTenants => $allowed, BlockedTenants => $blocked)]) }));
    is scalar(($said->{warnings} // [])->@*), $warned,
        'AllowedTenants and BlockedTenants ' . text([$allowed, $blocked]) . ($warned ? ' cause a warning' : ' cause no warning');
}
{
    my $row = role('t');
    delete @$row{qw(AllowedTenants BlockedTenants)};
    like $store->ok(@cipp, { input => text([$row]) }), qr/^warnings +role "t": /m, 'a role without these columns causes a warning';
}
$store->ok('role', 'delete', 't');

# --issuer and --replace
like $store->ok('import', '--cipp', '--issuer', 'a', '--issuer', 'b', '-', { input => text([client(20), client(21)]) }),
    qr/^clients +2 added/m, '--issuer may be repeated';
is_deeply [map { $_->{issuers} } by(export->{clients}, 'id')->@{guid(20), guid(21)}], [(['a', 'b']) x 2], '--issuer sets the issuers of each client';
$store->user('jane');
$store->token('t1', user => 'jane');
like $store->ok(@cipp, '--replace', { input => text(\@rows) }),
    qr/^users +0 added, 0 changed, 0 unchanged, 0 removed\nclients +0 added, 0 changed, 12 unchanged, 2 removed.*^tokens +.* 0 removed$/ms,
    '--replace removes clients and roles, not users and tokens';
is_deeply [map { scalar export->{$_}->@* } qw(roles users clients tokens)], [4, 1, 12, 1], '--replace has removed these clients only';

# what CIPP accepts, too
{
    my @spellings = (' 203.0.113.0/24 ', "\t192.0.2.1\r\n", '[2001:db8::1]', '[2001:db8::]/32', 'fe80::1%eth0', ' [fe80::%1]/10');
    my @given = (client(40, IPRange => text(\@spellings)), client(41, IPRange => text(' 192.0.2.7')), client(42, IPRange => ' 192.0.2.8 '),
                 client(43, IPRange => '[" any "]'), client(44, IPRange => text('[2001:db8::2]')),
                 client(45, RowKey => ''), client(46, RowKey => undef), role(''),
                 client(47, AppName => undef, Role => undef, Enabled => undef, IPRange => undef, Timestamp => { DateTime => 'x' }),
                 map({ client($_, Colour => 'x', LastUsed => 7) } 48, 49), role('known', Colour => { a => [1] }));
    my $said = $store->ok(@cipp, { input => "\xef\xbb\xbf" . text(\@given) });
    my $clients = by(export->{clients}, 'id');

    is_deeply $clients->{guid 40}{ip_ranges}, ['203.0.113.0/24', '192.0.2.1', '2001:db8::1', '2001:db8::/32', 'fe80::1', 'fe80::/10'],
        'ranges may have spaces around them, and brackets and a zone';
    is_deeply [map { $clients->{guid $_}{ip_ranges} } 41 .. 44], [['192.0.2.7'], ['192.0.2.8'], [], ['2001:db8::2']],
        'a single range likewise';
    like $said, qr/^clients +8 added.*^ignored +3$/ms, 'rows with an empty RowKey are ignored';
    my %warned;
    $warned{$_}++ for $said =~ /((?:row|unknown).* ignored)$/mg;
    is_deeply \%warned, { map { $_ => 1 } map({ qq(row of $_ with an empty "RowKey" ignored) } qw(ApiClients CustomRoles)),
        map { "unknown column $_ ignored" } '"Colour" of ApiClients', '"LastUsed" of ApiClients', '"Colour" of CustomRoles' },
        'unknown columns and empty keys cause a warning each, once';
    is_deeply [$clients->{guid 47}->@{qw(name role enabled ip_ranges)}], ['', 'cipp-api', $false, []], 'null is an absent column';

    $store->ok('client', 'delete', guid $_) for 40 .. 44, 47 .. 49;
    $store->ok('role', 'delete', 'known');
}

# CIPP splits long columns, and PowerShell reads their names in any case
{
    my @ranges = map { "192.0.2.$_" } 1 .. 200;
    my @parts  = unpack '(a1000)*', text(\@ranges);
    my $split  = client(40, SplitOverProps => '[{"OriginalHeader":"IPRange"}]', map { ("IPRange_Part$_" => $parts[$_]) } 0 .. $#parts);
    delete $split->{IPRange};
    my $other = client(41, iprange => '"192.0.2.1"');
    delete $other->{IPRange};
    my $role = role('split', BlockedEndpoints_Part0 => '["ListUs', BlockedEndpoints_Part1 => 'ers"]');
    delete $role->{BlockedEndpoints};
    unlike $store->ok(@cipp, { input => text([$split, $other, $role]) }), qr/warnings/, 'columns in parts and in another case are known';
    my $clients = by(export->{clients}, 'id');
    is_deeply $clients->{guid 40}{ip_ranges}, \@ranges, 'the parts of IPRange are joined';
    is_deeply $clients->{guid 41}{ip_ranges}, ['192.0.2.1'], 'a column in another case restricts, too';
    is_deeply by(export->{roles}, 'name')->{split}{blocked_endpoints}, ['ListUsers'], 'the parts of BlockedEndpoints are joined';
    $store->ok('client', 'delete', guid $_) for 40, 41;
    $store->ok('role', 'delete', 'split');
}

# many unknown columns, each with a warning
{
    my $start = time;
    my ($status, $said) = $store->run(@cipp, { input => text([client(30, map { ("column $_" => $_) } 1 .. 20_000)]) });
    is $status, 0, 'a row with 20,000 unknown columns';
    is scalar(() = $said =~ /unknown column "column \d+" of ApiClients ignored/g), 20_000, 'each is warned of';
    cmp_ok time - $start, '<', 10, 'this takes less than 10 seconds';
    $store->ok('client', 'delete', guid 30);
}

# An invalid row might be a restriction: nothing is imported.
my $before = $store->ok('export');
sub bad ($name, $pattern, @given) {
    my ($status, $said, $err) = $store->run(@cipp, { input => ref $given[0] ? text([client(30), @given]) : $given[0] });
    is $status, 1, "$name: exit code 1";
    like $err, $pattern, "$name: the message says why";
    is $said, '', "$name: nothing is printed";
    is $store->ok('export'), $before, "$name: nothing is changed";
}

bad "an IPRange $_->[0]", qr/row 2: .*"IPRange".*; nothing was changed/s, client(31, IPRange => $_->[1])
    for ['with an invalid entry', '["1.2.3.4","1.2.3.4/33"]'], ['with an invalid address', '"999.1.1.1"'],
        ['with an empty prefix', '1.2.3.4/'], ['with leading zeros', '010.0.0.1'], ['with a short form', '127.1'],
        ['that is not JSON', '["1.2.3.4"'], ['with Any and an invalid entry', '["Any","x"]'], ['that is a number', 7],
        ['that is an object', {}], ['that is a list of lists', '[["1.2.3.4"]]'], ['with null in a list', '[null]'],
        ['with a space', '1.2.3.4 /24'], ['with an empty entry', '["1.2.3.4",""]'],
        ['with brackets around IPv4', '[1.2.3.4]'], ['with one bracket', '"[2001:db8::1"'], ['with a port', '"[2001:db8::1]:443"'],
        ['that is too long', '2001:db8::1%' . 'x' x 100 . '/' . '1' x 60], ['that is true', $true];
bad "a column Enabled $_->[0]", qr/"Enabled"/, client(31, Enabled => $_->[1])
    for ['that is another word', 'yes'], ['that is a number', 1], ['that is empty', ''], ['that is a list', []];
bad "a column Permissions $_->[0]", qr/row 2: .*"Permissions"/, role('bad', Permissions => $_->[1])
    for ['that is not JSON', '{'], ['that is a list', '["X.Read"]'], ['with a star', '{"a":"*"}'],
        ['with a star within', '{"a":"Identity.*.Read"}'], ['with a space', '{"a":"Identity User"}'],
        ['with a number', '{"a":1}'], ['that is a string', '"X.Read"'], ['with a duplicate member', '{"a":"X","a":"Y"}'];
bad "a column BlockedEndpoints $_->[0]", qr/"BlockedEndpoints"/, role('bad', BlockedEndpoints => $_->[1])
    for ['that is not JSON', 'ListUsers'], ['with objects', '[{"value":"ListUsers"}]'], ['with an empty entry', '["ListUsers",""]'],
        ['that is a number', '7'];
bad "a column $_ that is not JSON", qr/"$_" is not JSON/, role('bad', $_ => '["x"') for 'AllowedTenants', 'BlockedTenants';
bad 'a role with a built-in name', qr/a built-in role cannot be changed/, role('Editor');
bad 'a duplicate client', qr/row 3: duplicate client/, client(31), client(31);
bad 'a duplicate client in another case', qr/row 3: duplicate client/, client(31, RowKey => 'ABC'), client(31, RowKey => 'abc');
bad 'an IPRange with a NUL byte', qr/; nothing was changed/, client(31, IPRange => "1.2.3.4\0");
bad 'several invalid ranges', qr/row 2: invalid value "1\.2\.3\.4\/33" in "IPRange"
.*row 2: invalid value 7 in "IPRange"
.*row 4: invalid value "x\\u0007" in "IPRange"
.*: invalid values in "IPRange": use addresses, or ranges such as 192\.0\.2\.0\/24; nothing was changed$/,
    client(31, IPRange => ['192.0.2.1', '1.2.3.4/33', 7]), client(32), client(33, IPRange => "x\a");
bad 'an invalid range in JSON text', qr/row 2: invalid value "\[2001:db8::\/32\]" in "IPRange"\n.*invalid values/, client(31, IPRange => text('[2001:db8::/32]'));
bad 'an invalid range before another error', qr/row 2: .*"IPRange"\n.*row 3: .*"Enabled".*; nothing was changed/,
    client(31, IPRange => 'x'), client(32, Enabled => 'yes');
for my $row (['without its first part', { IPRange_Part1 => '"]' }, qr/"IPRange_Part0" is missing/],
             ['without a part in the middle', { IPRange_Part0 => '["192.0.2.1",', IPRange_Part2 => '"192.0.2.2"]' }, qr/"IPRange_Part1" is missing/],
             ['without its end', { IPRange_Part0 => '["192.0.2.1",' }, qr/"IPRange"/],
             ['with a part that is a number', { IPRange_Part0 => 7 }, qr/"IPRange_Part0" is not a string/],
             ['with a part of another name', { IPRange_Part => '[]' }, qr/"IPRange_Part0" is not a string/],
             ['whose parts are in another case', { iprange_part0 => '[]' }, qr/"IPRange_Part0" is not a string/],
             ['beside its parts', { IPRange => '', IPRange_Part0 => '["192.0.2.1"]' }, qr/column "IPRange" is duplicate/],
             ['in two cases', { IPRange => '', IPRANGE => '"192.0.2.1"' }, qr/column "IPRange" is duplicate/],
             ['in a row of several', { OriginalEntityId => guid(31), PartIndex => 0 }, qr/CIPP has split this row into several rows/])
{
    my ($name, $columns, $error) = @$row;
    my $client = client(31);
    delete $client->{IPRange};
    bad "an IPRange $name", qr/row 2: .*$error.*; nothing was changed/s, { %$client, %$columns };
}
bad 'a row without RowKey', qr/"RowKey" is missing/, { PartitionKey => 'ApiClients', AppName => 'x' };
bad 'a truncated file', qr/not a JSON array/, substr text([client(30)]), 0, -2;
bad 'an export of the store', qr/not a JSON array/, export_text();
bad 'a file with rows of other tables only', qr/no row of ApiClients or CustomRoles/, '[{"PartitionKey":"x","RowKey":"y"}]';
bad 'a file without rows', qr/no row of ApiClients or CustomRoles/, $_ for '[]', '[{}]';
bad 'a second list after the first', qr/not a JSON array/, '[] []';
bad 'a row that is not an object', qr/row 1: not a JSON object/, '[7]';
{
    my ($status, undef, $err) = $store->run('import', '--issuer', 'a', '-', { input => export_text() });
    is "$status $err", qq(2 auth-token: "--issuer" requires "--cipp"\n), '--issuer without --cipp is a usage error';
}

# --- secrets ----------------------------------------------------------------

for my $row ([1], [2], [2], [1, '--drop-old'], [2]) {
    my ($left, @options) = @$row;
    my $old = by(export->{clients}, 'id')->{guid 1}{secret_hashes};
    my ($secret) = $store->ok('client', 'rotate-secret', guid(1), @options) =~ /^secret +(\S+)$/m;
    my $new = by(export->{clients}, 'id')->{guid 1}{secret_hashes};

    is crypt(secret($secret), $new->[0]), $new->[0], "rotate-secret @options: the new one comes first";
    is_deeply [$new->@[1 .. $#$new]], [$left == 2 ? $old->[0] : ()],
        $left == 2 ? 'the latest previous secret stays valid'
                   : '--drop-old removes the previous secrets, as CIPP does';
}

# --- requests ---------------------------------------------------------------

# a token as Entra issues it in version 1.0: no scope, no user
sub of ($n, %claims) {
    return token(header => { kid => 'k1', x5t => 'k1' }, claims => {
        iss => "https://sts.windows.net/$tenant/", aud => 'api://' . guid($n), appid => guid($n), ver => '1.0',
        tid => $tenant, oid => 'o', sub => 'o', (map { $_ => GONE } qw(id scope username isAdmin)), %claims });
}
$s->{good} = ['/good', token => of(7)];

my @post   = (method => 'POST', body => '{}');
my $denied = 'Access to this CIPP API endpoint is not allowed, ';
my %says = (
    invalid_token      => 'You do not have permission to view this directory or page.',
    expired_token      => 'You do not have permission to view this directory or page.',
    no_token     => 'You do not have permission to view this directory or page.',
    address_not_allowed     => "${denied}the API Client does not have the required permission",
    client_disabled => "${denied}the API Client does not have the required permission",
);

# refused as JSON and in the format "text"
sub may_not ($n, $path, $reason, $name, %o) {
    my $says = delete $o{says} // $says{outcome_of($reason)};
    my $token = delete $o{token} // of($n);

    refused $s, $path, $reason => "$name, client $n at $path", reason => $reason, token => $token, %o;
    refused $s, $path, $reason => "$name, client $n at $path, format text", reason => $reason,
            token => $token, %o, port => 2, expect => { type => 'text/plain', body => $says };
}

sub may ($n, $path, $name, %o) {
    granted $s, $path, "$name, client $n at $path", token => of($n), %o, $_ == 2 ? (port => 2) : () for 1, 2;
}

sub base ($role, $permission) {
    return (says => "${denied}the '$role' base role does not have the required permission: $permission");
}
sub custom ($permission) { (says => "${denied}you do not have the required permission: $permission") }
sub blocked ($role, $endpoint) { (says => "${denied}the custom role '$role' has blocked this endpoint: $endpoint") }
my %no_role = (says => "${denied}the user does not have the required permission");

# built-in roles
may 1, '/api/ListUsers', 'the role readonly',
    decision => { client => guid(1), role => 'readonly', user => 'o' };
may 1, '/API/LISTusers', 'endpoints in another case';
may_not 1, '/api/AddUser', endpoint_not_granted => 'the role readonly', @post,
    base(readonly => 'Identity.User.ReadWrite');
may_not 1, '/api/adduser', endpoint_not_granted => 'the role readonly and another case', @post,
    base(readonly => 'Identity.User.ReadWrite');
may_not 1, '/api/ListCIPPUsers', endpoint_not_granted => 'an exclusion of readonly',
    base(readonly => 'CIPP.SuperAdmin.Read');
may 2, '/api/AddUser', 'the role editor', @post, from => '127.0.0.2';
may_not 2, '/api/ExecStandardsRun', endpoint_not_granted => 'an exclusion of editor', @post,
    from => '127.0.0.17', good => 0, base(editor => 'Tenant.Standards.ReadWrite');
may 10, '/api/ExecStandardsRun', 'the role admin', @post;
may_not 10, '/api/ListCIPPUsers', endpoint_not_granted => 'an exclusion of admin, spelled as in the store',
    base(Admin => 'CIPP.SuperAdmin.Read');
may 7, '/api/ListCIPPUsers', 'the role superadmin';

# custom roles
my @home = (from => '127.0.0.3', good => 0);
may 3, '/api/EditUser', 'a custom role', @post, from => '127.0.0.3';
may 3, '/api/ListUsers', 'ReadWrite covers Read', from => '127.0.0.3';
may_not 3, '/api/ListStandards', endpoint_not_granted => 'a permission outside of a custom role', @home,
    custom('Tenant.Standards.Read');
may_not 3, '/api/AddGroup', endpoint_not_granted => 'Read does not cover ReadWrite', @home, @post,
    custom('Identity.Group.ReadWrite');
may_not 3, '/api/ExecOffboardUser', blocked_endpoint => 'a blocked endpoint', @home, @post,
    blocked(helpdesk => 'ExecOffboardUser');
may_not 3, '/api/execoffboarduser', blocked_endpoint => 'a blocked endpoint in another case', @home, @post,
    blocked(helpdesk => 'ExecOffboardUser');
may_not 3, '/api/ListGroups', blocked_endpoint => 'an endpoint that is blocked in another case', @home,
    blocked(helpdesk => 'ListGroups');
may_not 9, '/api/ListUsers', blocked_endpoint => 'the only blocked endpoint',
    blocked('one-block' => 'ListUsers');
may_not 5, '/api/ListUsers', endpoint_not_granted => 'the role cipp-api of a client without role',
    custom('Identity.User.Read');
may_not 6, '/api/ListUsers', no_role => 'an unknown role', %no_role;
may_not 12, '/api/ListUsers', no_role => 'an unknown role with special characters', %no_role;
$store->role("caf\xc3\xa9 '<b>'", grant => 'X.Read', block => 'ListUsers');
may_not 12, '/api/ListUsers', endpoint_not_granted => 'a role with special characters',
    custom('Identity.User.Read');
$store->role("caf\xc3\xa9 '<b>'", grant => '*', block => 'ListUsers');
may_not 12, '/api/ListUsers', blocked_endpoint => 'its name is not escaped',
    blocked("caf\xc3\xa9 '<b>'" => 'ListUsers');
may 11, '/api/ListUsers', 'a role that CIPP limits to tenants is not limited here';

# unknown endpoints and public ones
my %none = (says => 'Endpoint not found');
may_not $_, '/api/NoSuchEndpoint', unknown_endpoint => 'an unknown endpoint', %none
    for 1, 7;
may_not 7, '/api/ListUsers/', unknown_endpoint => 'a trailing slash', %none;
may_not 7, '/api/%4cistUsers', unknown_endpoint => 'an encoded letter', %none;
may_not 7, "/api/NoSuch<script>$_", unknown_endpoint =>
    'a path with markup is not repeated', %none
    for '', '%3cb%3e', '?a=<b>';
granted $s, '/api/PublicPing', 'a public endpoint needs no token', hit => 1, port => 2;
refused $s, '/api/ListUsers', no_credential => 'a request without a token', port => 2,
        expect => { type => 'text/plain', body => $says{no_token} };

# a required scope may come from the request: it is not repeated
refused $s, '/scoped?scope=%3cscript%3e',
        insufficient_scope => 'a required scope with markup is not repeated', reason => 'insufficient_scope',
        token => of(1), port => 2,
        expect => { type => 'text/plain', body => "${denied}the user does not have the required permission" };
refused $s, '/own-words/x', unknown_endpoint => 'auth_token_error replaces the sentence', token => of(1),
        port => 2, expect => { type => 'text/plain', body => 'Ask the help desk' };

# addresses, disabled clients, invalid tokens
may_not 2, '/api/ListUsers', address_not_allowed => 'an address outside of the ranges';
may_not 3, '/api/NoSuchEndpoint', address_not_allowed => 'the address is checked before the endpoint';
may 2, '/api/ListUsers', 'the last address of a range', from => '127.0.0.31';
may_not 2, '/api/ListUsers', address_not_allowed => 'the address after a range', from => '127.0.0.32',
    good => 0;
may_not 4, '/api/ListUsers', disabled_client => 'a disabled client';
may_not 8, '/api/ListUsers', disabled_client => 'a client disabled by the text false';
may_not 99, '/api/ListUsers', unknown_client => 'a client that is not in the store';
may_not 1, '/api/ListUsers', audience_mismatch => 'a token for another client', token => of(1, aud => 'api://' . guid 2);
may_not 1, '/api/ListUsers', expired => 'an expired token', token => of(1, exp => 1);
may_not 4, '/api/ListUsers', expired => 'an expired token of a disabled client', token => of(4, exp => 1);
may_not 1, '/api/ListUsers', delegated => 'a token on behalf of a user',
    token => of(1, scp => 'user_impersonation'), says => 'Access denied: unable to resolve roles for the authenticated principal';

# --- changes apply to the next request --------------------------------------

# t/clients.t disables and enables clients
$store->ok(@cipp, { input => text([role('helpdesk', Permissions => '{"a":"Identity.Group.Read"}')]) });
may_not 3, '/api/EditUser', endpoint_not_granted => 'after the import of another role', @home, @post,
    custom('Identity.User.ReadWrite');
may 3, '/api/ListGroups', 'after the import of a role without blocked endpoints', from => '127.0.0.3';
$store->ok(@cipp, { input => text([client(3, Role => 'helpdesk', IPRange => '"127.0.0.9"')]) });
may_not 3, '/api/ListGroups', address_not_allowed => 'after the import of another range', @home;
may 3, '/api/ListGroups', 'after the import of another range', from => '127.0.0.9';
$store->ok('client', 'delete', guid 3);
may_not 3, '/api/ListGroups', unknown_client => 'after client delete', from => '127.0.0.9', good => 0;

done();
