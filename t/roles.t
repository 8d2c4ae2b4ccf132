#!/usr/bin/perl

# Roles with the endpoint lists of CIPP and IP Fabric: built-in, stored and random
# roles compared with an implementation in Perl; scopes by id and by text.
#
# Requirements: path-templates, path-methods, store-decisions.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Digest::SHA qw(sha1_hex);

my $examples = "$AuthToken::Server::ROOT/conf-examples";

# [method, path, scope] of each line
sub rows ($path) {
    return map { [split] } grep { /\S/ && !/^#/ }
           split /\n/, AuthToken::Log->new($path)->content;
}

# without the endpoints for every caller
my @cipp     = grep { $_->[2] ne 'Authenticated' } rows("$examples/cipp/endpoints.tsv");
my @ipfabric = grep { ($_->[2] // '') =~ /\A[0-9a-f]{40}\z/ } rows("$examples/ipfabric/endpoints.tsv");

is scalar @cipp, 645, 'the list of CIPP has 645 endpoints with a permission';
is_deeply [grep { $_->[0] ne '*' } @cipp], [], 'CIPP ignores the method: each line is for every method';
is scalar @ipfabric, 538, 'the list of IP Fabric has 538 endpoints with the id of a scope';

# a method that programs send to an endpoint of CIPP
sub method_of ($scope) { $scope =~ /Write\z/ ? 'POST' : 'GET' }

# --- the expected decision --------------------------------------------------

my @base = ('CIPP.SuperAdmin.*', 'CIPP.Admin.*', 'CIPP.AppSettings.*');

# grant, deny, blocked
my %role = (
    readonly   => [['*.Read'], [@base]],
    editor     => [['*.Read', '*.ReadWrite'], [@base, 'Tenant.Standards.ReadWrite']],
    admin      => [['*'], ['CIPP.SuperAdmin.*']],
    superadmin => [['*'], []],

    # stored roles
    identity   => [['Identity.*']],
    rw         => [['Exchange.Mailbox.ReadWrite', 'tenant.standards.readwrite']],
    rd         => [['Exchange.Mailbox.Read']],
    but        => [['*'], ['*.ReadWrite', 'CIPP.*']],
    nothing    => [],
    denied     => [[], ['*']],
    both       => [['*'], ['*']],
    stars      => [['**.*.*Write', 'C*P.Core.R*d'], ['*.*App*.*']],
    blocked    => [['*'], ['Tenant.*'], ['listusers', 'AddUser/', '/api/ListGroups', '* /api/ListLogs',
                                         '* /api/addalert', 'ExecCIPP', 'api', '/api', '*', 'List*',
                                         'PublicPing', 'GET /api/AddBaseline']],
);

{
    srand 1;
    my @words = map { split /\./, $_->[2] } @cipp;
    my $word  = sub { my $w = $words[rand @words];
                      rand() < 0.4 ? '*' : rand() < 0.2 ? substr($w, 0, 3) . '*' : rand() < 0.3 ? lc $w : $w };
    my $pattern = sub { join '.', map { $word->() } 1 .. 1 + rand 3 };

    $role{"made$_"} = [[map { $pattern->() } 1 .. 6], [map { $pattern->() } 1 .. rand 3],
                       [map { $cipp[rand @cipp][1] =~ s{.*/}{}r } 1 .. 40]] for 1 .. 6;
}

sub glob_matches ($pattern, $text) {
    my $regex = join '.*', map { quotemeta } split /\*/, $pattern, -1;
    return $text =~ /\A$regex\z/is;
}

sub any_matches ($patterns, @texts) {
    return scalar grep { my $p = $_; grep { glob_matches($p, $_) } @texts } @$patterns;
}

# the expected reason for an endpoint, "ok" if it is granted
sub expected_reason ($role, $method, $path, $scope) {
    return 'ok' if $scope eq 'Public';

    my ($grant, $deny, $blocked) = map { $_ // [] } $role->@[0 .. 2];
    my $text = "$method $path";
    my $last = $path =~ s{.*/}{}r;

    my @names = ($scope, sha1_hex($text), $text);
    return 'endpoint_not_granted' if any_matches($deny, @names);
    return 'endpoint_not_granted'
        if !any_matches($grant, @names, map { "${_}Write" } grep { /\.Read\z/i } @names);

    # a missing grant is reported before a block, as in CIPP
    return 'blocked_endpoint' if grep {
        my $name = lc s{(?<=.)/\z}{}r;
        grep { lc eq $name } $last, $path, $text;
    } @$blocked;

    return 'ok';
}

# --- the server -------------------------------------------------------------

my (%t, %by_id, %by_text);

my $conf = <<'CONF' . join '', map { my ($port, $issuer, $list) = @$_; <<"CONF" }
    %%ISSUER main: client_claim appid; rights role;%%
    %%ISSUER ipf: audience ipf;%%
    auth_token_store lmdb:%%DIR%%/store;
CONF
    server {
        listen %%LISTEN$port%%;
        auth_token on;
        auth_token_trust $issuer;
        auth_token_endpoints $examples/$list;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
CONF
    ['', 'main', 'cipp/endpoints.tsv ignore_case'], [2, 'main', 'cipp/endpoints.tsv'],
    [3, 'ipf', 'ipfabric/endpoints.tsv prefix=ipfabric'];

my $s = start($conf, prepare => AuthToken::Store->prepare(sub ($store) {
        for my $name (sort keys %role) {
            my ($grant, $deny, $blocked) = map { $_ // [] } $role{$name}->@[0 .. 2];
            $store->role($name, grant => $grant, deny => $deny, block => $blocked)
                if $name !~ /\A(?:readonly|editor|admin|superadmin)\z/;

            $t{$name} = $store->token("t-$name", role => $name);
            $store->client("c-$name", role => $name, issuer => 'main');
        }

        my $n = 0;
        my $token = sub ($scope) {
            my $text = secret(sprintf '%04d%s', ++$n, join '', map { ('a' .. 'z')[rand 26] } 1 .. 36);
            return { id => "s$n", token => $text, scope => [$scope] };
        };
        my @tokens;
        for my $row (@ipfabric) {
            my ($method, $path, $id) = @$row;
            push @tokens, $token->($id), $token->("$method $path");
            ($by_id{"$method $path"}, $by_text{"$method $path"}) = map { $_->{token} } @tokens[-2, -1];
        }
        $store->import_records(tokens => \@tokens);
    }));
$s->{good} = ['/good', api_token => $t{superadmin}];
my @exact = (port => 2);
my @ipf   = (port => 3);

# sends a request; the reason of its response
sub reason ($path, %o) {
    my $answer = $s->request($path, %o, tag => my $tag = next_tag);
    my $code   = $answer->{body} =~ /\A\{"code":"(\w+)"/ ? $1 : '';

    return 'ok' if $answer->{status} == 200 && $answer->{body} eq $AuthToken::Upstream::BODY;
    push $s->{refused}->@*, $tag;
    return 'none' if $answer->{status} == 401 && $code eq 'API_INVALID_ACCESS_TOKEN';
    return "$answer->{status} $answer->{body}"
        if $answer->{status} != 403 || $code !~ /\AAPI_(?:INSUFFICIENT_RIGHTS|ENDPOINT_NOT_FOUND)\z/;

    # the reason is in the log
    my ($line) = $s->errors->await(qr/auth_token/);
    return $line =~ /\b(blocked_endpoint|unknown_endpoint|endpoint_not_granted|no_role|insufficient_scope)\b/ ? $1 : $line;
}

# --- CIPP: every endpoint, every role ---------------------------------------

for my $name (sort keys %role) {
    my $jwt = good_token(appid => "c-$name", scope => [], isAdmin => \'false');

    for (['an API token', api_token => $t{$name}], ['a client', token => $jwt]) {
        my ($who, @credential) = @$_;
        next if $who eq 'a client' && $name =~ /^made[2-9]/;
        my (%count, @wrong);

        for my $row (@cipp) {
            my $path     = $row->[1];
            my $method   = method_of($row->[2]);
            my $expected = expected_reason($role{$name}, @$row);
            my $got = reason($path, method => $method, @credential, $method eq 'POST' ? (body => '') : ());

            $count{$got}++;
            push @wrong, "$method $path: $got, not $expected" if $got ne $expected;
        }
        splice @wrong, 10 if @wrong > 10;
        is_deeply \@wrong, [], "$who with the role $name: "
            . join ', ', map { "$count{$_} $_" } sort keys %count;
    }
}

# the number of endpoints of each built-in role, computed from the list
{
    my %granted;
    for my $name (qw(readonly editor admin superadmin)) {
        $granted{$name} = grep { expected_reason($role{$name}, @$_) eq 'ok' } @cipp;
    }
    my $base = qr/\ACIPP\.(?:SuperAdmin|Admin|AppSettings)\./;
    is_deeply \%granted, {
        readonly   => scalar(grep { $_->[2] eq 'Public' || $_->[2] =~ /\.Read\z/ && $_->[2] !~ $base } @cipp),
        editor     => scalar(grep { $_->[2] !~ $base && $_->[2] ne 'Tenant.Standards.ReadWrite' } @cipp),
        admin      => scalar(grep { $_->[2] !~ /\ACIPP\.SuperAdmin\./ } @cipp),
        superadmin => 645,
    }, 'each built-in role is granted the right number of endpoints';
}

# --- CIPP: unknown endpoints ------------------------------------------------

sub refuses ($path, $reason, $name, %o) {
    refused $s, $path, $reason => $name, api_token => $t{superadmin}, %o;
}

refuses $_, 'unknown_endpoint', "superadmin is refused the unknown path $_"
    for '/', '/api', '/api/', '/api/NoSuchEndpoint', '/api/ListUsers/', '/api/ListUsers/x', '/ListUsers',
        '/api/ListUser', '/api/ListUserss', '/x/api/ListUsers', '/api/api/ListUsers', '/api/$batch';
for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS)) {
    granted $s, $_, "superadmin is granted $_ by $method", method => $method, api_token => $t{superadmin},
            $method =~ /^P/ ? (body => '') : () for '/api/ListTenants', '/api/AddUser';
    refused $s, '/api/AddUser', endpoint_not_granted => "readonly is refused /api/AddUser by $method",
            method => $method, api_token => $t{readonly}, $method =~ /^P/ ? (body => '') : ();
}
granted $s, '/api/me', "every caller is granted /api/me: the role $_", api_token => $t{$_}
    for qw(readonly superadmin nothing denied);
refused $s, '/api/me', no_token => '/api/me requires a credential';

for my $row (@cipp[map { $_ * 13 } 0 .. 40]) {
    my (undef, $path, $scope) = @$row;
    my $method = method_of($scope);
    my $mixed = join '', map { rand() < 0.5 ? uc : lc } split //, $path;
    next if $mixed eq $path;

    my @o = (method => $method, api_token => $t{superadmin}, $method eq 'POST' ? (body => '') : ());
    granted $s, $mixed, "ignore_case: $method $mixed is granted", @o, decision => { endpoint => "* $path" };
    refused $s, $mixed, unknown_endpoint => "without ignore_case: $method $mixed is refused", @o, @exact;
    granted $s, $path, "without ignore_case: $method $path is granted", @o, @exact;
    refused $s, $mixed, insufficient_scope => "ignore_case: $method $mixed is refused to a role without it", method => $method,
            api_token => $t{nothing}, reason => 'endpoint_not_granted' if $scope ne 'Public';
}

for my $path ('/api/listusers', '/API/LISTUSERS', '/api/ListUsers') {
    refused $s, $path, insufficient_scope => "a blocked endpoint is refused: $path", api_token => $t{blocked},
            reason => 'blocked_endpoint';
}
granted $s, $_->[1], "a public endpoint needs no credential: $_->[1]",
        decision => { user => '', client => '', role => '', method => '', scope => '' }
    for grep { $_->[2] eq 'Public' } @cipp;
granted $s, '/api/PublicPing', 'a role cannot block a public endpoint', api_token => $t{blocked};

# --- IP Fabric: every scope by its id and text ------------------------------

my %known = map { ("$_->[0] $_->[1]" => $_) } @ipfabric;

is_deeply [grep { sha1_hex("$_->[0] $_->[1]") ne $_->[2] } @ipfabric], [], 'each scope id is the SHA-1 of its endpoint';

for my $version ('', '/v6.1', '/v7') {
    my @wrong;
    my $n = 0;

    for my $i (0 .. $#ipfabric) {
        my ($method, $template) = $ipfabric[$i]->@*;
        my $row  = "$method $template";
        my $next = join ' ', $ipfabric[($i + 7) % @ipfabric]->@[0, 1];
        my $path = "/api$version" . $template =~ s{:\w+}{'p' . $n++}ger;
        my @o    = (@ipf, method => $method, $method eq 'GET' ? () : (body => ''));

        for (['id', $by_id{$row}, 'ok'], ['text', $by_text{$row}, 'ok'],
             ["another's id", $by_id{$next}, 'endpoint_not_granted'], ["another's text", $by_text{$next}, 'endpoint_not_granted'])
        {
            my ($what, $token, $expected) = @$_;
            next if $version && $what =~ /text/;
            my $got = reason($path, @o, api_token => $token);
            push @wrong, "$method $path by $what: $got" if $got ne $expected;
        }
    }
    splice @wrong, 10 if @wrong > 10;
    is_deeply \@wrong, [], "every endpoint of IP Fabric under /api$version by id and by text";
}

# by JWT; an administrator is granted every endpoint, but no unknown path
my $id = $known{'GET /snapshots'}[2];
granted $s, '/api/v6.1/snapshots', "a JWT with the scope $_ is granted", @ipf, token => good_token(aud => 'ipf', scope => [$_])
    for $id, 'GET /snapshots';
refused $s, '/api/v6.1/snapshots', insufficient_scope => "a JWT with the scope $_ is refused", @ipf, reason => 'endpoint_not_granted',
        token => good_token(aud => 'ipf', scope => [$_])
    for uc $id, "$id ", 'GET  /snapshots', 'get /snapshots', '/snapshots', 'GET /snapshots/', '*', 'GET *',
        'GET /api/v6.1/snapshots', substr($id, 0, 39), substr($id, 0, 39) . '?';
granted $s, '/api/v6.1/snapshots', 'an administrator is granted an endpoint', @ipf, token => good_token(aud => 'ipf', scope => [], isAdmin => \'true');
refused $s, '/api/v6.1/no-such', unknown_endpoint => 'an administrator is refused an unknown path', @ipf,
        token => good_token(aud => 'ipf', scope => [], isAdmin => \'true');

done;
