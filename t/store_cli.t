#!/usr/bin/perl

# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Requirements: store-hashes-only, address-match, store-expiry, import-atomic,
#   store-files, store-faults, export-file.

# The command auth-token and its store.  t/store_faults.t has failing writes.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Command;
use AuthToken::Export;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $sanitized = $ENV{AT_SANITIZE};
$store = 's';

# reasons that several messages have in common
my $use_range = 'use an address or a range such as 192.0.2.0/24';
my $use_bytes = 'use 1 to 255 bytes without control characters';
my $use_long  = 'use 1 to 4096 bytes without control characters';
my $use_scope = 'use a scope pattern such as "Identity.*.Read"';
my $use_hash  = 'use a hash of yescrypt, bcrypt or SHA-512 whose cost is not too high';
my $use_lines = 'not a JSON object in UTF-8 without duplicate members';
my $use_flag  = '"enabled" is neither true nor false';
my $not_token = 'not a token of 32 to 4096 printable characters without spaces';
my $full      = 'cannot write to standard output: No space left on device';

sub text { return JSON::PP->new->utf8->canonical->encode($_[0]) }
sub export { return ok_out('export') }

sub import_text ($text, @args) { run({ in => $text }, 'import', '-', @args) }

# the command with these arguments fails, and names the cause
sub refuses ($rc, $sentence, @args) {
    fails(run(@args), $rc, $sentence, substr "@args", 0, 60);
}

# --- selection of the store ---------------------------------------------------

refuses 2, 'invalid value "" in "--store": use lmdb:PATH', '--store', '', 'check';
refuses 2, 'invalid value "lmdb:" in "--store": use lmdb:PATH', '--store=lmdb:', 'check';
refuses 2, 'invalid value "/tmp" in "--store": use lmdb:PATH', 'check', '--store', '/tmp';
refuses 1, qq("$dir/s/data.mdb": No such file or directory; create a store with: auth-token )
           . "init --store lmdb:$dir/s", 'check';

$ENV{AUTH_TOKEN_STORE} = "lmdb:$dir/env";
is(system("$command init >/dev/null"), 0, 'init uses AUTH_TOKEN_STORE');
ok(-f "$dir/env/data.mdb", 'the store of AUTH_TOKEN_STORE is created');
is(system("$command --store=lmdb:$dir/env2 init >/dev/null"), 0,
    '--store overrides AUTH_TOKEN_STORE');
ok(-f "$dir/env2/data.mdb", 'the store of --store is created');
delete $ENV{AUTH_TOKEN_STORE};

# --- init ---------------------------------------------------------------------

my $said = ok_json('init');
is($said->{path}, "$dir/s", 'init reports the path');
is(mode('s'), '2750', 'init sets the mode of the directory');
is(mode('s/data.mdb'), '0640', 'init sets the mode of data.mdb, with any umask');
is(mode('s/lock.mdb'), '0660', 'init sets the mode of lock.mdb');
refuses 1, qq("$dir/s" already contains a store), 'init';
refuses 1, 'no such group "no-such"', qw(init --group no-such);
refuses 1, 'no such user "no-such"', qw(init --owner no-such);
refuses 2, 'invalid value "99999999999" in "--owner": use a number from 0 to 4294967294',
        qw(init --owner 99999999999);

SKIP: {
    skip 'only root can change owners', 4 if $> != 0;
    $store = 'owned';
    is_deeply(ok_json('init', '--owner', 'daemon', '--group', '33'),
        { path => "$dir/owned", owner => 'daemon',
            group => (getgrgid 33)[0] // '33' }, 'init reports owner and group');
    for ('owned', 'owned/data.mdb', 'owned/lock.mdb') {
        is(join(':', (stat)[4, 5]), getpwnam('daemon') . ':33', "init sets the owner of $_");
    }
    $store = 's';
}

like(ok_out('--store', "lmdb:$dir/told", 'init'), qr/--group sets another/,
    'init without --group prints a hint');

my $sound = qr/^store +sound$/m;
like(ok_out('check'), $sound, 'an empty store is sound');
is(export(), qq({"format":"auth-token","version":1,"records":0}\n),
    'an empty store is exported as a header line');

# --- role ---------------------------------------------------------------------

$said = ok_json('role', 'set', 'Ops', '--grant', '*.Read', '--grant', 'X.*',
    '--deny', 'CIPP.*', '--block', 'ListUsers');
is_deeply([ @$said{qw(name grant deny blocked_endpoints)} ],
    [ 'Ops', [ '*.Read', 'X.*' ], [ 'CIPP.*' ], [ 'ListUsers' ] ], 'role set creates a role');
my $created = $said->{created};
sleep 1.1;
$said = ok_json('role', 'set', 'OPS', '--grant', 'Y.Read');
is_deeply([ @$said{qw(name grant deny)} ], [ 'OPS', [ 'Y.Read' ], [] ],
    'role set replaces a role, case-insensitively');
is($said->{created}, $created, 'role set keeps the time of creation');
is(scalar @{ok_json('role', 'list')->{roles}}, 1, 'role set does not create a second role');
refuses 2, qq(invalid value "$_" in "name": a built-in role cannot be changed), 'role', 'set', $_
    for qw(readonly Editor ADMIN superadmin);
refuses 2, qq(invalid value "a b" in "grant": $use_scope), 'role', 'set', 'x', '--grant', 'a b';
refuses 2, qq(invalid value in "name": $use_bytes), 'role', 'set', 'x' x 256;
refuses 2, qq(invalid value "a?b" in "name": $use_bytes), 'role', 'set', "a\nb";
refuses 1, 'no such role "nope"', qw(role show nope);

# --- user ---------------------------------------------------------------------

$said = ok_json('user', 'create', '--no-password', 'bob', '--id', '7', '--scope', 'read',
    '--scope', 'GET /devices', '--issuer', 'main');
is_deeply([ @$said{qw(username id scope issuers enabled is_admin password)} ],
    [ 'bob', '7', [ 'read', 'GET /devices' ], [ 'main' ], JSON::PP::true,
    JSON::PP::false, JSON::PP::false ], 'user create creates a user');
refuses 1, 'user "bob" already exists', qw(user create --no-password bob);
ok_out('user', 'create', '--no-password', 'Bob', '--admin', '--disabled');
is(ok_json('user', 'show', 'Bob')->{is_admin}, JSON::PP::true, 'usernames are case-sensitive');
$said = ok_json('user', 'update', 'Bob', '--no-admin', '--scope', 'write');
is_deeply([ @$said{qw(is_admin scope enabled)} ], [ JSON::PP::false,
    [ 'write' ], JSON::PP::false ], 'user update changes nothing else');
is(ok_json('user', 'enable', 'Bob')->{enabled}, JSON::PP::true, 'user enable enables a user');
like(ok_out('user', 'disable', 'Bob'), qr/^user Bob is disabled$/m, $_)
    for 'user disable disables a user', 'user disable succeeds twice';
like(ok_out('user', 'delete', 'Bob'), qr/^user Bob is deleted$/m, 'user delete deletes a user');
refuses 1, 'no such user "Bob": did you mean "bob"?', qw(user delete Bob);
refuses 2, 'no change given, see "auth-token help user update"', qw(user update bob);
refuses 2, '"--admin" and "--no-admin" are mutually exclusive', qw(user update bob --admin --no-admin);
refuses 2, qq(invalid value "" in "username": $use_bytes), 'user', 'create', '--no-password', '';
refuses 2, 'the value of "--scope" is empty', 'user', 'create', '--no-password', 'x', '--scope', '';
refuses 2, 'the value of "username" is not UTF-8', 'user', 'create', '--no-password', "\xff";

# --- token --------------------------------------------------------------------

my $out = ok_out('token', 'create', '--user', 'bob', '--role', 'ops',
    '--scope', 'read', '--allow', '12.34.56.78/24', '--allow', '2001:DB8::1',
    '--expires', '2030-12-31', '--description', 'for backup');
my ($token) = $out =~ /^token +(\S+)$/m;
my ($id) = $out =~ /^id +(\S+)$/m;

like($token, qr/\A[A-Za-z0-9]{32}\z/, 'a generated API token has 32 letters and digits');
like($id, qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/,
    'a generated id is a GUID');
like($out, qr/^ip_ranges +12\.34\.56\.0\/24\n +2001:db8::1\n/m, 'host bits are cleared');
like($out, qr/^expires +2030-12-31T00:00:00Z$/m, 'the expiry is printed');

my $bytes = slurp("$store/data.mdb");
is(index($bytes, $token), -1, 'the store does not contain the API token');
isnt(index($bytes, pack('H*', sha256_hex($token))), -1, 'the store contains its SHA-256');

$out = ok_out('token', 'show', $id);
unlike($out, qr/\Q$token\E|@{[sha256_hex($token)]}/, 'token show prints neither');
$said = ok_json('token', 'show', $id);
is(join(' ', sort keys %$said), 'created description enabled expires id ip_ranges role scope '
    . 'unrestricted user', 'token show --json has neither');
is($said->{expires}, 1924905600000, 'JSON has the expiry in milliseconds');
is($said->{unrestricted}, JSON::PP::false, 'an API token with ranges is not unrestricted');

$said = ok_json('token', 'create', '--id', 't1', '--scope', 'a');
is($said->{unrestricted}, JSON::PP::true, 'an API token without ranges is unrestricted');
is($said->{expires}, undef, 'an API token without expiry has null');
like(ok_out('token', 'create', '--id', 't2'), qr/^ip_ranges +unrestricted$/m,
    'the text output says unrestricted');
like(ok_out('token', 'create', '--id', 't3', '--allow', 'any'),
    qr/^ip_ranges +unrestricted$/m, '--allow any is unrestricted');

my %seen;
$seen{ok_json('token', 'create')->{token}}++ for 1 .. 5;
is(scalar keys %seen, 5, 'generated API tokens differ');

# existing API tokens
my $own = 'An-existing-token-of-32-letters!';
$out = ok_out({ in => "$own\n" }, 'token', 'create', '--id', 'own', '--token-file', '-');
unlike($out, qr/^token|\Q$own\E/m, 'a token from a file is not shown');
like(export(), qr/"sha256":"@{[sha256_hex($own)]}"/, 'an export has its SHA-256');
spew('own', $own);
refuses 1, 'this token already exists with the id "own"', qw(token create --token-file own);
refuses 1, 'token "own" already exists', qw(token create --id own);
fails(run({ in => $_ }, 'token', 'create', '--token-file', '-'), 1,
    "the file in \"--token-file\" is $not_token", 'no token: ' . substr($_, 0, 8))
    for '', 'short', 'x' x 31, ('x' x 32) . ' y', "\0" x 40, 'x' x 4097,
    "\xc3\xa4" x 20;
refuses 2, 'the name of a file is expected, not a key, a token or claims: arguments must not hold secrets',
        'token', 'create', '--token-file', '{"secret"';

refuses 2, 'the value of "--allow" is empty', 'token', 'create', '--allow', '';
refuses 2, qq(invalid value "1.2.3.4/33" in "ip_ranges": $use_range),
        qw(token create --allow 10.0.0.1 --allow 1.2.3.4/33);
refuses 2, qq(invalid value "010.0.0.1" in "ip_ranges": $use_range),
        qw(token create --allow 010.0.0.1 --allow any);

for my $bad ('90', '', 'x', '30', '2030-13-01', '2030-12-31T', '-1d', '9999y',
    '1767225600000', '2030-12-31 x', 'now-', 'Never')
{
    refuses 2, qq(invalid value "$bad" in "--expires": use a duration such as 90d, a time such as 2030-12-31 )
            . 'or 1924905600, or never', 'token', 'create', '--expires', $bad;
}

for (['90d', 90 * 86400], ['1h30m', 5400], ['now+1h', 3600], ['now-1h', -3600])
{
    my $now = int time;
    my $got = ok_json('token', 'create', '--expires', $_->[0])->{expires};
    ok(abs($got / 1000 - $now - $_->[1]) <= 2, "expires $_->[0]");
}

is(ok_json('token', 'create', '--expires', $_->[0])->{expires}, $_->[1],
    "expires $_->[0]")
    for ['1924905600', 1924905600000], ['2030-12-31T01:02:03Z', 1924909323000];

refuses 1, 'no such user "nobody"', qw(token create --user nobody);
refuses 1, 'no such role "nothing"', qw(token create --role nothing);
refuses 2, 'the value of "--user" is empty', 'token', 'create', '--user', '';
is(ok_json('token', 'create', '--id', 'built-in', '--role', 'ReadOnly')
    ->{role}, 'ReadOnly', 'built-in role');

# changes
$said = ok_json('token', 'update', 't1', '--allow', '::1', '--scope', 'b',
    '--scope', 'c', '--expires', '1h');
is_deeply([ @$said{qw(ip_ranges scope)} ], [ [ '::1' ], [ 'b', 'c' ] ],
    'token update changes ranges and scopes');
is(ok_json('token', 'show', 't1')->{scope}[1], 'c', 'the change is stored');
is_deeply(ok_json('token', 'update', 't1', '--allow', 'Any')->{ip_ranges}, [],
    '--allow any removes the ranges');
$said = ok_json('token', 'update', 't1', '--no-scope', '--user', 'bob', '--expires', 'never');
is_deeply([ @$said{qw(scope user expires)} ], [ [], 'bob', undef ],
    'token update clears and sets members');
is(ok_json('token', 'update', 't1', '--no-user')->{user}, undef, '--no-user removes the user');
refuses 2, 'the value of "--allow" is empty', 'token', 'update', 't1', '--allow', '';
refuses 1, 'no such token "nope"', qw(token update nope --no-user);
is(ok_out('token', 'disable', 't1'), "token t1 is disabled\n", 'token disable reports success');
is(ok_json('token', 'show', 't1')->{enabled}, JSON::PP::false, 'the API token is disabled');
is(ok_out('token', 'enable', 't1'), "token t1 is enabled\n", 'token enable reports success');
is(ok_out('token', 'revoke', 't1'), "token t1 is revoked\n", 'token revoke reports success');
refuses 1, 'no such token "t1"', qw(token show t1);
like(ok_out('check'), $sound, 'the store is sound');

ok_out('token', 'update', 't2', '--expires', 'now-1h');
$out = ok_out('token', 'list');
like($out, qr/^expired   \S+Z  unrestricted  t2$/m, 'token list shows an expired API token');
like($out, qr/^enabled   2030-12-31T00:00:00Z  2             \Q$id\E$/m,
    'token list shows an enabled API token');
like(ok_out('token', 'show', 't2'), qr/^expired +yes$/m, 'token show says that an API token is expired');

# a secret that cannot be printed is not stored
my $before = export();
fails(run({ to => '/dev/full' }, @$_), 1, $full, "a full output device: @$_")
    for ['token', 'create'], ['client', 'create', 'full', '--secret'];
is(export(), $before, 'without output, no secret is stored');
fails(run({ to => '/dev/full' }, 'token', 'update', 't2', '--scope', 'full'), 1,
    "$full; the change was made", 'a full output device: token update');
is(ok_json('token', 'show', 't2')->{scope}[0], 'full', 'a change without a secret is stored');
fails(run({ to => '/dev/full' }, 'export'), 1, $full, 'a full output device: export');

# --- client -------------------------------------------------------------------

my $guid = '0A1B2C3D-0000-4000-8000-00000000ABCD';
$said = ok_json('client', 'create', $guid, '--name', 'Power BI', '--role',
    'readonly', '--issuer', 'entra', '--allow', '1.1.1.1', '--secret');
like($said->{secret}, qr/\A[A-Za-z0-9]{32}\z/, 'a generated secret has 32 letters and digits');
is($said->{id}, $guid, 'the id is kept as given');
is($said->{secrets}, 1, 'the client has one secret');
my $first = $said->{secret};
is(ok_json('client', 'show', lc $guid)->{name}, 'Power BI', 'client ids are case-insensitive');
refuses 1, 'client "' . lc($guid) . '" already exists', 'client', 'create', lc $guid;
refuses 2, 'use either an ID or "--generate"', qw(client create);
refuses 2, 'use either an ID or "--generate"', qw(client create x --generate);
like(ok_json('client', 'create', '--generate')->{id}, qr/\A[0-9a-f-]{36}\z/,
    'a generated client id is a GUID');

sub hashes {
    my ($client) = grep { $_->{id} eq $guid } @{export_records(export())->{clients}};
    return @{$client->{secret_hashes}};
}

sub fits { return crypt($_[0], $_[1]) eq $_[1] }

my @old = hashes();
is(scalar @old, 1, 'the client has one hash');
like($old[0], qr/\A\$y\$/, 'the hash is yescrypt');
ok(fits($first, $old[0]), 'the hash is that of the secret');
is(index(slurp("$store/data.mdb"), $first), -1, 'the store does not contain the secret');

my $second = ok_json('client', 'rotate-secret', $guid)->{secret};
my @both = hashes();
ok(@both == 2 && fits($second, $both[0]) && $both[1] eq $old[0],
    'rotate-secret keeps the old secret after the new one');
my $third = ok_json('client', 'rotate-secret', $guid)->{secret};
@both = hashes();
ok(@both == 2 && fits($third, $both[0]) && fits($second, $both[1]),
    'rotate-secret keeps at most two secrets');
ok_out('client', 'rotate-secret', $guid, '--drop-old');
is(scalar(my @one = hashes()), 1, '--drop-old removes the old secrets');
$out = ok_out('client', 'show', $guid);
unlike($out, qr/\$y\$/, 'client show prints no hash');
like($out, qr/^secrets +1$/m, 'client show prints the number of secrets');
refuses 1, 'no such client "nope"', qw(client rotate-secret nope);
$said = ok_json('client', 'update', $guid, '--no-role', '--allow', '10.0.0.0/8', '--no-issuer');
is_deeply([ @$said{qw(role ip_ranges issuers secrets)} ],
    [ undef, [ '10.0.0.0/8' ], [], 1 ], 'client update changes members');
is(ok_json('client', 'disable', uc $guid)->{enabled}, JSON::PP::false,
    'client disable, with an id in upper case');
ok_out('client', 'enable', $guid);
is_deeply(ok_json('client', 'delete', $guid), { id => $guid,
    deleted => JSON::PP::true }, 'client delete reports success');

# --- export and import --------------------------------------------------------

ok_out('client', 'create', 'c', '--secret', '--allow', '::/0', '--name', "\"q\\ \xc3\xa4");
my $text = export();
my $doc = export_records($text);
is(join(' ', map { $_->{id} } @{$doc->{tokens}}),
    join(' ', sort map { $_->{id} } @{$doc->{tokens}}), 'an export is sorted by id');
is(export(), $text, 'two exports are equal');

{
    umask 0;
    is(ok_out('export', '--out', 'backup'), '', 'export --out prints nothing');
    is(slurp('backup'), $text, 'export --out writes the export');
    is(mode('backup'), '0600', 'a file of export --out has mode 0600');

    is(ok_out('export', '--out', '-'), $text, 'export --out - writes to standard output');
    ok(!-e '-', 'export --out - creates no file');

    chmod 0644, 'backup';
    ok_out('export', '--out', 'backup');
    is(mode('backup'), '0600', 'export --out replaces a file of another mode');

    symlink 'backup', 'link-to-backup' or die;
    fails(run('export', '--out', 'link-to-backup'), 1, '"link-to-backup" is not a regular file',
        'export --out does not follow a link');
    fails(run('export', '--out', '/dev/full'), 1, '"/dev/full" is not a regular file',
        'export --out does not replace a device');
    fails(run('export', '--out', 'no/such'), 1, 'cannot create "no/such": No such file or directory',
        'export --out to a missing directory is an error');

    spew('backup', 'previous');
    my $limit = sub {
        $SIG{XFSZ} = 'IGNORE';
        exec 'prlimit', '--fsize=200', $command, '--store', "lmdb:$dir/$store", 'export', '--out', 'backup';
    };
    fails(run({ before => $limit }, 'export'), 1, 'cannot write the export: File too large',
        'export --out to a full disk is an error');
    is(slurp('backup'), 'previous', 'a failed export keeps the previous file');
    is(join(' ', glob 'backup.*'), '', 'a failed export leaves no temporary file');
    unlink 'backup', 'link-to-backup';
    umask 022;
}

sub counts {
    my ($r) = @_;
    is("$r->{rc}$r->{err}", '0', 'the import succeeds');
    my $c = json($r->{out});
    return join ' ', map { my $k = $_; map { "$k $_ $c->{$k}{$_}" }
        grep { $_ ne 'unrestricted' && $c->{$k}{$_} } sort keys %{$c->{$k}} }
        qw(roles users clients tokens);
}

my $n = @{$doc->{tokens}};
is(counts(import_text($text, '--json')), 'roles unchanged 1 users unchanged 1 '
    . "clients unchanged 2 tokens unchanged $n", 'an import of the export changes nothing');

my $source = $store;
fresh();
is(counts(import_text($text, '--replace', '--json')), "roles added 1 users "
    . "added 1 clients added 2 tokens added $n", 'an import into an empty store adds all');
is(export(), $text, 'the export of the import is equal');
like(ok_out('check'), $sound, 'the imported store is sound');

my @less = @{$doc->{tokens}}[1 .. $n - 1];
$less[0] = { %{$less[0]}, description => 'other' };
my $less = export_text(%$doc, tokens => \@less, clients => []);
is(counts(import_text($less, '--json')), 'roles unchanged 1 users unchanged 1 tokens changed 1 tokens unchanged '
    . ($n - 2), 'an import changes a record and removes none');
is(counts(import_text($less, '--json', '--replace')),
    'roles unchanged 1 users unchanged 1 clients removed 2 tokens removed 1 tokens unchanged '
    . ($n - 1), 'import --replace removes records');
like(ok_out('check'), $sound, 'sound');
like(import_text($text, '--replace')->{out}, qr/^clients +2 added, 0 changed, 0 unchanged, 0 removed; 1 unrestricted\n/m,
    'the import prints counts');
is(export(), $text, 'import --replace restores the export');

# optional members
fresh();
is(counts(import_text(export_text(
    tokens => [ { id => 'a', token => 'y' x 32 },
        { id => 'b', sha256 => uc sha256_hex('z'), ip_ranges => 'ANY' } ],
    users => [ { username => 'u' } ]), '--json')),
    'users added 1 tokens added 2', 'an import without optional members');
$doc = export_records(export());
is($doc->{tokens}[0]{sha256}, sha256_hex('y' x 32), 'an imported API token is hashed');
is($doc->{tokens}[1]{sha256}, sha256_hex('z'), 'a SHA-256 in upper case is accepted');
is($doc->{tokens}[0]{expires}, undef, 'a missing expiry is never');
$created = $doc->{tokens}[0]{created};
ok(abs($created / 1000 - time) < 60, 'a missing time of creation is now');
is(counts(import_text(export_text(tokens => [ { id => 'a', token => 'y' x 32 } ]),
    '--json')), 'tokens unchanged 1', 'a second import keeps the time of creation');

# another API token for an id, another id for an API token
is(counts(import_text(export_text(tokens => [ { id => 'a', token => 'w' x 32 } ]),
    '--json')), 'tokens changed 1', 'another API token for an id is a change');
$doc = export_records(export());
is($doc->{tokens}[0]{sha256}, sha256_hex('w' x 32), 'the id has the other API token');
is($doc->{tokens}[0]{created}, $created, 'the time of creation is kept');
like(ok_out('check'), $sound, 'sound');
fails(import_text(export_text(tokens => [ { id => 'x', token => 'w' x 32 } ])), 1,
    '-: line 2: this token already exists with the id "a"; nothing was changed',
    'a token of another id');
is(counts(import_text(export_text(tokens => [ { id => 'b', token => 'w' x 32 },
    { id => 'a', sha256 => sha256_hex('z') } ]), '--json', '--replace')),
    'users removed 1 tokens added 1 tokens changed 1', 'import --replace swaps ids');
is(join(' ', map { "$_->{id}=$_->{sha256}" } @{export_records(export())->{tokens}}),
    'a=' . sha256_hex('z') . ' b=' . sha256_hex('w' x 32), 'the ids are swapped');
like(ok_out('check'), $sound, 'sound');

# CIPP's rows
fresh();
my @rows = (
    [ '', [] ], [ undef, [] ], [ 'Any', [] ], [ '"Any"', [] ], [ '[]', [] ],
    [ '["Any"]', [] ], [ '["1.1.1.1","any"]', [] ], [ '1.1.1.1', ['1.1.1.1'] ],
    [ '"1.1.1.1"', ['1.1.1.1'] ], [ '["1.1.1.1","2001:db8::/32"]',
        [ '1.1.1.1', '2001:db8::/32' ] ], [ ['12.34.56.78/24'],
        ['12.34.56.0/24'] ],
);
ok_out({ in => text([ map { { PartitionKey => 'ApiClients', RowKey => "c$_",
    AppName => 'n', Role => 'readonly', IPRange => $rows[$_][0],
    Enabled => JSON::PP::true, MCPAllowed => 'True' } } 0 .. $#rows ]) }, 'import', '--cipp', '-');
for (0 .. $#rows) {
    my $c = ok_json('client', 'show', "c$_");
    is_deeply([ @$c{qw(ip_ranges name role enabled)} ], [ $rows[$_][1], 'n',
        'readonly', JSON::PP::true ], 'IPRange ' . text([ $rows[$_][0] ]));
}
ok_out({ in => text([ { PartitionKey => 'ApiClients', RowKey => 'bare' } ]) },
    'import', '--cipp', '-');
$said = ok_json('client', 'show', 'bare');
is("$said->{role} $said->{enabled}", 'cipp-api 0', 'a row without members has the defaults of CIPP');
like(ok_out('check'), qr/^warnings +client "bare": no such role "cipp-api"$/m,
    'check warns of a missing role');

# --- a file with an error changes nothing -------------------------------------

fresh();
ok_out({ in => $text }, 'import', '-');

my %good = (id => 'new', token => 'v' x 32);
my $hash = '$6$' . 'x' x 8 . '$' . 'y' x 86;
# by kind of record
my @bad = (
    tokens => [
        [ { %good, ip_ranges => ['::', '1.2.3.4/33'] }, qq(invalid value "1.2.3.4/33" in "ip_ranges": $use_range) ],
        [ { %good, ip_ranges => ['Any', 'x'] }, qq(invalid value "x" in "ip_ranges": $use_range) ],
        [ { %good, ip_ranges => [''] }, qq(invalid value "" in "ip_ranges": $use_range) ],
        [ { %good, ip_ranges => '1.2.3.4' }, '"ip_ranges" is neither an array nor "any"' ],
        [ { %good, ip_ranges => [4] }, '"ip_ranges" has an entry that is not a string' ],
        [ { %good, ip_range => [] }, 'unknown member "ip_range"' ],
        [ { %good, enabled => 1 }, $use_flag ],
        [ { %good, enabled => 'true' }, $use_flag ],
        [ { %good, scope => 'read' }, '"scope" is not an array' ],
        [ { %good, scope => [''] }, qq(invalid value "" in "scope": $use_long) ],
        [ { %good, scope => ['x' x 4097] }, qq(invalid value in "scope": $use_long) ],
        (map { [ { %good, expires => $_ },
                 '"expires" is not a time in milliseconds since the epoch, up to the year 9999' ] }
             -1, '1924905600000', 1.5, 253402300800000, JSON::PP::true, []),
        [ { token => 'v' x 32 }, '"id" is missing' ],
        [ { id => 'new' }, '"sha256" is missing' ],
        [ { %good, id => '' }, qq(invalid value "" in "id": $use_bytes) ],
        [ { %good, id => 7 }, '"id" is not a string' ],
        [ { %good, id => 'x' x 256 }, qq(invalid value in "id": $use_bytes) ],
        [ { %good, id => "a\n" }, qq(invalid value "a?" in "id": $use_bytes) ],
        [ { %good, description => 'x' x 4097 }, 'invalid value in "description": use at most 4096 bytes' ],
        [ { %good, sha256 => 'a' x 64 }, '"token" and "sha256" are mutually exclusive' ],
        [ { id => 'new', sha256 => 'a' x 63 }, '"sha256" is not a SHA-256 of 64 hex digits' ],
        [ { id => 'new', sha256 => 'g' x 64 }, '"sha256" is not a SHA-256 of 64 hex digits' ],
        [ { id => 'new', token => 'short' }, qq("token" is $not_token) ],
        [ { id => 't2', token => 'v' x 32 }, 'duplicate token "t2"' ],
        [ { id => 'new', sha256 => sha256_hex($own) }, 'the token is the same as that of "own"' ],
    ],
    clients => [
        [ { id => 'C' }, 'duplicate client "C"' ],
        [ { RowKey => 'x' }, 'unknown member "RowKey"' ],
        [ { id => 'x', secret_hashes => ['a secret'] }, qq(invalid value in "secret_hashes": $use_hash) ],
        [ { id => 'x', secret_hashes => [($hash) x 3] }, '"secret_hashes" has more than 2 entries' ],
    ],
    users => [
        [ { username => 'x', password_hash => 'password' }, qq(invalid value in "password_hash": $use_hash) ],
        [ { username => 'x', is_admin => 'yes' }, '"is_admin" is neither true nor false' ],
        [ { username => 'bob' }, 'duplicate user "bob"' ],
    ],
    roles => [
        [ { name => 'Admin' }, 'invalid value "Admin" in "name": a built-in role cannot be changed' ],
        [ { name => 'x', grant => ['a b'] }, qq(invalid value "a b" in "grant": $use_scope) ],
        [ { name => 'x', deny => [''] }, qq(invalid value "" in "deny": $use_scope) ],
    ],
);

while (my ($table, $rows) = splice @bad, 0, 2) {
    for (@$rows) {
        my ($record, $sentence) = @$_;
        my $wrong = export_records($text);
        push @{$wrong->{$table}}, $record;
        my $line = 1;
        for (qw(roles users clients tokens)) {
            $line += @{$wrong->{$_}};
            last if $_ eq $table;
        }

        # the other records would be changes
        $_->{created}++ for @{$wrong->{tokens}}[0 .. 1];
        fails(import_text(export_text(%$wrong)), 1, "-: line $line: $sentence; nothing was changed",
            substr text($record), 0, 50);
    }
}

is(export(), $text, 'imports with errors change nothing');

my $header = qq({"format":"auth-token","version":1}\n);

for (
    [ '', 'the file is empty' ],
    [ '{}', 'line 1: "format" is not "auth-token"' ],
    [ '[]', "line 1: $use_lines" ],
    [ "\xef\xbb\xbf\xef\xbb\xbf$header", "line 1: $use_lines" ],
    [ '{"version":1}', 'line 1: "format" is not "auth-token"' ],
    [ '{"format":"auth-token"}', 'line 1: "version" is not 1' ],
    [ '{"format":"auth-token","version":2}', 'line 1: "version" is not 1' ],
    [ '{"format":"auth-token","version":1,"x":1}',
        'line 1: the header has a member other than "format", "version" and "records"' ],
    [ '{"format":"auth-token","version":1,"records":-1}', 'line 1: "records" is not a number of records' ],
    [ '{"format":"auth-token","version":1,"records":1}',
        'the header announces 1 records, but there are 0: the file is incomplete' ],
    [ "$header$header", 'line 2: "type" is missing or not a string' ],
    [ $header . '{"type":"frob"}', 'line 2: invalid value "frob" in "type": use role, user, client or token' ],
    [ $header . '{"type":"user"}', 'line 2: "username" is missing' ],
    (map { [ "$header$_", "line 2: $use_lines" ] }
        '{"type":"user","username":"a"} {}', qq({"type":"user",\n"username":"a"}),
        qq({"type":"user","username":"a\0b"}), qq({"type":"user","username":"a"}\0),
        '{"type":"user","username":"a\u0000b"}', qq({"type":"user","username":"\xff"})),
    [ qq($header\n{"type":"user","username":"a","username":"b"}), "line 3: $use_lines" ],
    [ $header . '{"type":"user","username":"' . 'a' x 1100000 . '"}', 'line 2: longer than 1 MiB' ],
) {
    my ($wrong, $sentence) = @$_;
    fails(import_text($wrong), 1, "-: $sentence; nothing was changed",
        'import of ' . (substr($wrong, 0, 40) =~ s/[^ -~]/?/gr));
}

is(import_text("\xef\xbb\xbf$text")->{rc}, 0, 'a byte order mark is accepted');

for my $len (map { $_ * 97 } 1 .. length($text) / 97) {
    next if $len >= length($text) - 1;
    my $r = import_text(substr($text, 0, $len), '--replace');
    isnt($r->{rc}, 0, "a file truncated to $len bytes is rejected") if $r->{rc} eq '0';
}

is(export(), $text, 'a truncated file changes nothing');
refuses 1, 'cannot open "/nonexistent": No such file or directory', qw(import /nonexistent);
refuses 1, "$dir: cannot read: Is a directory; nothing was changed", 'import', $dir;

# --- killed commands, a full disk, concurrent commands ------------------------

sub many {
    my ($path, $n, %more) = @_;
    open my $fh, '>', $path or die;
    print $fh $header;
    for (1 .. $n) {
        printf $fh '{"type":"token","id":"t%d","sha256":"%s","scope":["read"],'
            . '"ip_ranges":["10.%d.%d.0/24"],"created":1700000000000}' . "\n",
            $_, sha256_hex($_), $_ >> 8 & 255, $_ & 255;
    }
    print $fh $more{end} // '';
    close $fh;
}

my $n_many = $sanitized ? 20000 : 100000;
many('many', $n_many);
many('wrong', $n_many, end => qq({"type":"token","id":"t1"}\n));

fails(run('import', '--replace', 'wrong'), 1, 'wrong: line '
    . ($n_many + 2) . ': "sha256" is missing; nothing was changed', 'an error in the last record');
is(export(), $text, 'an error in the last record changes nothing');

# the kill comes at any time of an import; one that ended before is undone
my $start = time;
ok_out('import', '--replace', 'many');
my $duration = time - $start;
my $whole = export();
is(import_text($text, '--replace')->{rc}, 0, 'the export is imported again');
is(export(), $text, 'the store is as before');

my ($killed, @partial) = 0;
for (1 .. 60) {
    my $p = spawn('import', '--replace', 'many');
    sleep rand $duration;
    kill 9, $p->{pid};
    $killed++ if finish($p)->{rc} eq 'signal 9';

    my $now = export();
    push @partial, $now if $now ne $text && $now ne $whole;
    import_text($text, '--replace') if $now ne $text;
    last if $killed == 8;
}
is($killed, 8, 'eight imports are killed');
is(scalar @partial, 0, 'a killed import changes all or nothing');
is(export(), $text, 'the store is as before');
like(ok_out('check'), $sound, 'the store is sound');

my $r = finish(do {
    my $home = $store;
    $store = 'never';
    my $p = spawn({ before => sub {
        exec 'prlimit', '--fsize=4096', $command, '--store', "lmdb:$dir/never", 'init';
    } }, 'unused');
    $store = $home;
    $p;
});
is($r->{rc}, 1, 'init fails with a limit of the file size');
ok(!-e 'never', 'a failed init leaves no files');

my @both_pids = map { spawn('token', 'create', '--id', "two$_") } 1 .. 20;
is(join('', map { finish($_)->{rc} } @both_pids), '0' x 20, 'twenty concurrent commands succeed');
is(scalar(grep { $_->{id} =~ /^two/ } @{ok_json('token', 'list')->{tokens}}),
    20, 'all their changes are stored');
@both_pids = map { spawn('token', 'create', '--id', 'same') } 1 .. 8;
is(join('', sort map { finish($_)->{rc} } @both_pids), '01111111',
    'one of eight concurrent creations of an id succeeds');

# --- a large store ------------------------------------------------------------

fresh();
like(ok_out('import', 'many'), qr/^tokens +$n_many added, 0 changed, 0 unchanged, 0 removed$/m,
    "$n_many API tokens are imported");
is(counts(run('--json', 'import', '--replace', 'many')),
    "tokens unchanged $n_many", 'a second import changes nothing');
ok_out({ in => $text }, 'import', '--replace', '-');
is(export(), $text, 'import --replace removes most of the store');
like(ok_out('check'), $sound, 'the store is sound and not taken for truncated');

# a progress bar at a terminal only
SKIP: {
    skip 'no script', 2 if system('script --version >/dev/null 2>&1') != 0;
    fresh();
    my $shown = `script -qec '$command --store lmdb:$dir/$store import many' /dev/null </dev/null`;
    like($shown, qr/\r\[#+ *\] +\d+%  \d+ records/, 'the import shows a progress bar');
    like($shown, qr/\r\e\[Ktokens|\e\[Kroles/, 'the progress bar is removed');
}

# --- damage -------------------------------------------------------------------

fresh();
ok_out({ in => $text }, 'import', '-');

sub damage {
    my ($what, $sentence, $code) = @_;
    my $home = $store;
    my $copy = 'damaged.' . serial;
    system("cp -r $store $copy") == 0 or die;
    $store = $copy;
    $code->("$dir/$store/data.mdb");
    my $r = run('check');
    is($r->{rc}, 1, "check fails: $what");
    like($r->{err}, $sentence, "the error names the cause: $what");
    $store = $home;
}

damage('a truncated data.mdb', qr/is truncated/, sub { truncate $_[0], 3 * 4096 });
damage('an empty data.mdb', qr/is not a database of this version of LMDB/, sub { truncate $_[0], 0 });
damage('a data.mdb that all users can write', qr/chmod/, sub { chmod 0666, $_[0] });
damage('a damaged record', qr/the store is damaged/, sub {
    my $data = slurp($_[0]);
    my $at = index($data, 'for backup');
    die if $at < 0;
    # old copies of the page too
    $data =~ s/for backup/for b\xffckup/g;
    spew($_[0], $data);
});

damage('damaged pages', qr/data\.mdb" is damaged, page \d+: /, sub {
    my $data = slurp($_[0]);
    substr($data, 3 * 4096, length($data) - 3 * 4096) = "\xff" x (length($data) - 3 * 4096);
    spew($_[0], $data);
});

# the record of the API token "alpha" has another id
for (['gamma', 'disable', 'alpha'], ['delta', 'create', '--id', 'delta', '--token-file', 'alpha']) {
    my ($id, @command) = @$_;
    my $home = $store;
    fresh();
    spew('alpha', 'a' x 32);
    ok_out('token', 'create', '--id', 'alpha', '--token-file', 'alpha');
    ok_out('token', 'create', '--id', 'gamma');
    (my $data = slurp("$dir/$store/data.mdb")) =~ s/\x05alpha/\x05$id/g or die;
    spew("$dir/$store/data.mdb", $data);

    my $before = export();
    is(run('token', @command)->{err},
        qq(auth-token: the store is damaged: the id "$id" refers to another token or to none\n),
        "token $command[0] reports the damage");
    is(export(), $before, "token $command[0] does not remove or replace another API token");
    $store = $home;
}

ok_out('user', 'delete', 'bob');
ok_out('role', 'delete', 'ops');
$said = ok_json('check');
is($said->{store}, 'sound', 'names of missing records are not damage');
my @told = sort grep { !/: no role/ } @{$said->{warnings}};
is(scalar @told, 2, 'check warns of names of missing records');
like($told[1], qr/\Atoken "\Q$id\E": no such user "bob"\z/, 'the warning has the name');
is_deeply([ sort grep { /: no role,/ } @{$said->{warnings}} ],
    [ map { "client \"$_->{id}\": no role, so the client has no rights" }
        sort { $a->{id} cmp $b->{id} } grep { !defined $_->{role} }
        @{export_records(export())->{clients}} ], 'check warns of a client without a role');
is_deeply([ @$said{qw(roles users clients tokens)} ], [ 0, 0, 2, $n ], 'check counts the records');

no_sanitizer_report;

done_testing();
