#!/usr/bin/perl

# Roles over the real catalogues: CIPP's four built-in roles and made ones, IP
# Fabric's scopes by id and by text, against oracles in Perl.
#
# Requirements: path-templates, path-methods, store-decisions.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use Digest::SHA qw(sha1_hex);

my $examples = "$AuthToken::Server::ROOT/conf-examples";

# [method, path, scope], of a file that the module reads, or of its origin
sub rows ($path) {
    return map { [split] } grep { /\S/ && !/^#/ }
           split /\n/, AuthToken::Log->new($path)->content;
}

my @cipp     = rows("$examples/cipp/endpoints.tsv");
my @ipfabric = rows("$examples/ipfabric/endpoints.tsv");

is scalar @cipp, 645, "CIPP's catalogue is whole";
is scalar @ipfabric, 537, "IP Fabric's catalogue is whole";

# --- the oracle of roles ----------------------------------------------------

my @base = ('CIPP.SuperAdmin.*', 'CIPP.Admin.*', 'CIPP.AppSettings.*');

# grant, deny, blocked
my %role = (
    readonly   => [['*.Read'], [@base]],
    editor     => [['*.Read', '*.ReadWrite'], [@base, 'Tenant.Standards.ReadWrite']],
    admin      => [['*'], ['CIPP.SuperAdmin.*']],
    superadmin => [['*'], []],

    # of the store
    identity   => [['Identity.*']],
    rw         => [['Exchange.Mailbox.ReadWrite', 'tenant.standards.readwrite']],
    rd         => [['Exchange.Mailbox.Read']],
    but        => [['*'], ['*.ReadWrite', 'CIPP.*']],
    nothing    => [],
    denied     => [[], ['*']],
    both       => [['*'], ['*']],
    stars      => [['**.*.*Write', 'C*P.Core.R*d'], ['*.*App*.*']],
    blocked    => [['*'], ['Tenant.*'], ['listusers', 'AddUser/', '/api/ListGroups', 'GET /api/ListLogs',
                                         'post /api/AddAlert', 'ExecCIPP', 'api', '/api', '*', 'List*',
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

# the reason of the answer to a row, "ok" for a good one
sub oracle ($role, $method, $path, $scope) {
    return 'ok' if $scope eq 'Public';

    my ($grant, $deny, $blocked) = map { $_ // [] } $role->@[0 .. 2];
    my $text = "$method $path";
    my $last = $path =~ s{.*/}{}r;

    my @names = ($scope, sha1_hex($text), $text);
    return 'endpoint_not_granted' if any_matches($deny, @names);
    return 'endpoint_not_granted'
        if !any_matches($grant, @names, map { "${_}Write" } grep { /\.Read\z/i } @names);

    # what is not granted is told first, as CIPP does
    return 'blocked_endpoint' if grep {
        my $name = lc s{(?<=.)/\z}{}r;
        grep { lc eq $name } $last, $path, $text;
    } @$blocked;

    return 'ok';
}

# --- the server -------------------------------------------------------------

my (%t, %by_id, %by_text, %by_next);

my $conf = <<'CONF';
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        client_claim appid;
    }
    auth_token_issuer ipf {
        issuer   https://issuer.example;
        audience ipf;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_store lmdb:%%DIR%%/store;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_endpoints EXAMPLES/cipp/endpoints.tsv ignore_case;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN2%%;
        auth_token on;
        auth_token_trust main;
        auth_token_endpoints EXAMPLES/cipp/endpoints.tsv;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN3%%;
        auth_token on;
        auth_token_trust ipf;
        auth_token_endpoints EXAMPLES/ipfabric/endpoints.tsv prefix=ipfabric;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
CONF
$conf =~ s/EXAMPLES/$examples/g;

my $s = start($conf, files => { 'rsa.pem' => key('rsa')->pem },
    prepare => AuthToken::Store->prepare(sub ($store) {
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

# a request, and the reason of the answer
sub reason ($path, %o) {
    my $answer = $s->request($path, %o, tag => my $tag = next_tag);
    my $code   = $answer->{body} =~ /\A\{"code":"(\w+)"/ ? $1 : '';

    return 'ok' if $answer->{status} == 200 && $answer->{body} eq $AuthToken::Upstream::BODY;
    push $s->{refused}->@*, $tag;
    return 'none' if $answer->{status} == 401 && $code eq 'API_INVALID_ACCESS_TOKEN';
    return "$answer->{status} $answer->{body}"
        if $answer->{status} != 403 || $code ne 'API_INSUFFICIENT_RIGHTS';

    # the log says which of the reasons
    my ($line) = $s->errors->await(qr/auth_token/);
    return $line =~ /\b(blocked_endpoint|unknown_endpoint|endpoint_not_granted|no_role|insufficient_scope)\b/ ? $1 : $line;
}

# --- CIPP: every row, every role --------------------------------------------

for my $name (sort keys %role) {
    my $jwt = good_token(appid => "c-$name", scope => [], isAdmin => \'false');

    for (['an API token', api_token => $t{$name}], ['a client', token => $jwt]) {
        my ($who, @credential) = @$_;
        next if $who eq 'a client' && $name =~ /^made[2-9]/;
        my (%count, @wrong);

        for my $row (@cipp) {
            my ($method, $path) = @$row;
            my $expected = oracle($role{$name}, @$row);
            my $got = reason($path, method => $method, @credential, $method eq 'POST' ? (body => '') : ());

            $count{$got}++;
            push @wrong, "$method $path: $got, not $expected" if $got ne $expected;
        }
        splice @wrong, 10 if @wrong > 10;
        is_deeply \@wrong, [], "$who with the role $name: "
            . join ', ', map { "$count{$_} $_" } sort keys %count;
    }
}

# numbers from CIPP's own list, as a second opinion of the oracle
{
    my %granted;
    for my $name (qw(readonly editor admin superadmin)) {
        $granted{$name} = grep { oracle($role{$name}, @$_) eq 'ok' } @cipp;
    }
    my $base = qr/\ACIPP\.(?:SuperAdmin|Admin|AppSettings)\./;
    is_deeply \%granted, {
        readonly   => scalar(grep { $_->[2] eq 'Public' || $_->[2] =~ /\.Read\z/ && $_->[2] !~ $base } @cipp),
        editor     => scalar(grep { $_->[2] !~ $base && $_->[2] ne 'Tenant.Standards.ReadWrite' } @cipp),
        admin      => scalar(grep { $_->[2] !~ /\ACIPP\.SuperAdmin\./ } @cipp),
        superadmin => 645,
    }, 'how many endpoints each built-in role may call';
}

# --- CIPP: what is in no row ------------------------------------------------

sub refuses ($path, $reason, $name, %o) {
    refused $s, $path, SCOPE => $name, reason => $reason, api_token => $t{superadmin}, %o;
}

refuses $_, 'unknown_endpoint', "superadmin at $_"
    for '/', '/api', '/api/', '/api/NoSuchEndpoint', '/api/ListUsers/', '/api/ListUsers/x', '/ListUsers',
        '/api/ListUser', '/api/ListUserss', '/x/api/ListUsers', '/api/api/ListUsers', '/api/$batch';
refuses '/api/ListUsers', 'unknown_endpoint', "superadmin, $_", method => $_
    for qw(POST PUT DELETE PATCH OPTIONS FOO);
refuses '/api/AddUser', 'unknown_endpoint', "superadmin, $_", method => $_ for qw(GET HEAD PUT);

for my $row (@cipp[map { $_ * 13 } 0 .. 40]) {
    my ($method, $path, $scope) = @$row;
    my $odd = join '', map { rand() < 0.5 ? uc : lc } split //, $path;
    next if $odd eq $path;

    my @o = (method => $method, api_token => $t{superadmin}, $method eq 'POST' ? (body => '') : ());
    granted $s, $odd, "ignore_case, $method $odd", @o, decision => { endpoint => "$method $path" };
    refused $s, $odd, SCOPE => "case counts, $method $odd", @o, @exact, reason => 'unknown_endpoint';
    granted $s, $path, "case counts, $method $path", @o, @exact;
    refused $s, $odd, SCOPE => "ignore_case, what a role may not, $method $odd", method => $method,
            api_token => $t{nothing}, reason => 'endpoint_not_granted' if $scope ne 'Public';
}

for my $path ('/api/listusers', '/API/LISTUSERS', '/api/ListUsers') {
    refused $s, $path, SCOPE => "a blocked endpoint, $path", api_token => $t{blocked},
            reason => 'blocked_endpoint';
}
granted $s, $_->[1], "Public: $_->[1]", method => $_->[0],
        decision => { user => '', client => '', role => '', method => '', scope => '' }
    for grep { $_->[2] eq 'Public' } @cipp;
granted $s, '/api/PublicPing', 'Public, though the role has it blocked', api_token => $t{blocked};

# --- IP Fabric: every scope by its id and text ------------------------------

my %known = map { ("$_->[0] $_->[1]" => $_) } @ipfabric;

is_deeply [grep { sha1_hex("$_->[0] $_->[1]") ne $_->[2] } @ipfabric], [], 'each id is the SHA-1 of its row';

# the row for a path, by all rows: of those that match the one with the first
# literal where others have a parameter
sub row_of ($method, $path) {
    my @segments = split m{/}, $path, -1;
    my @found = grep {
        my @t = split m{/}, $_->[1], -1;
        $_->[0] eq $method && @t == @segments
            && !grep { $t[$_] =~ /^:/ ? $segments[$_] eq '' : $t[$_] ne $segments[$_] } 0 .. $#t;
    } @ipfabric;
    my ($best) = sort { $a->[1] =~ s{:[^/]+}{\x7f}gr cmp $b->[1] =~ s{:[^/]+}{\x7f}gr } @found;
    return $best;
}

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
    is_deeply \@wrong, [], "IP Fabric's rows under /api$version";
}

# literals beside parameters
{
    my (@wrong, $overlaps);
    for my $row (@ipfabric) {
        my ($method, $template) = @$row;
        next if $template =~ /:/;

        for my $other (grep { $_->[0] eq $method && $_->[1] =~ /:/ } @ipfabric) {
            my $regex = $other->[1] =~ s{:\w+}{[^/]+}gr;
            next if $template !~ m{\A$regex\z};

            $overlaps++;
            my @o = (@ipf, method => $method, $method eq 'GET' ? () : (body => ''));
            my $path = "/api/v6.0$template";
            push @wrong, "oracle: $template" if row_of($method, $template) != $row;
            push @wrong, "$method $template" if reason($path, @o, api_token => $by_id{"$method $template"}) ne 'ok';
            push @wrong, "$method $template by $other->[1]"
                if reason($path, @o, api_token => $by_id{"$method $other->[1]"}) ne 'endpoint_not_granted';
        }
    }
    is_deeply \@wrong, [], "a literal beats a parameter, $overlaps overlaps";
    cmp_ok $overlaps, '>', 0, 'there are some';
}

# half a literal and half a parameter, by the oracle
{
    my (@wrong, $found, $missed) = ();
    ($found, $missed) = (0, 0);
    my @methods = qw(GET POST DELETE PATCH PUT);
    my @words   = map { grep { length && !/^:/ } split m{/}, $_->[1] } @ipfabric;

    for (1 .. 1500) {
        my ($method, $template) = $ipfabric[rand @ipfabric]->@*;
        my $path = $template =~ s{:\w+}{rand() < 0.6 ? $words[rand @words] : 'k' . int rand 99}ger;
        $path =~ s{/[^/]+(/|\z)}{'/' . $words[rand @words] . $1}e if rand() < 0.1;
        $method = $methods[rand @methods] if rand() < 0.2;

        my $row = row_of($method, $path);
        my @o   = (@ipf, method => $method, $method eq 'GET' ? () : (body => ''));
        my $got = reason("/api/v6.3$path", @o, api_token => $by_id{$row ? "$row->[0] $row->[1]" : 'GET /snapshots'});

        $row ? $found++ : $missed++;
        push @wrong, "$method $path: $got" if $got ne ($row ? 'ok' : 'unknown_endpoint');
    }
    is_deeply \@wrong, [], "random paths: $found of a row, $missed of none";
}

# by JWT, too; isAdmin passes every row, and no path without one
my $id = $known{'GET /snapshots'}[2];
granted $s, '/api/v6.1/snapshots', "a JWT with $_", @ipf, token => good_token(aud => 'ipf', scope => [$_])
    for $id, 'GET /snapshots';
refused $s, '/api/v6.1/snapshots', SCOPE => "a JWT with $_", @ipf, reason => 'endpoint_not_granted',
        token => good_token(aud => 'ipf', scope => [$_])
    for uc $id, "$id ", 'GET  /snapshots', 'get /snapshots', '/snapshots', 'GET /snapshots/', '*', 'GET *',
        'GET /api/v6.1/snapshots', substr($id, 0, 39), $by_id{'GET /snapshots'};
granted $s, '/api/v6.1/snapshots', 'isAdmin', @ipf, token => good_token(aud => 'ipf', scope => [], isAdmin => \'true');
refused $s, '/api/v6.1/no-such', SCOPE => 'isAdmin, a path in no row', @ipf, reason => 'unknown_endpoint',
        token => good_token(aud => 'ipf', scope => [], isAdmin => \'true');

done;
