#!/usr/bin/perl

# conf-examples: each configuration starts with only paths, ports and addresses changed,
# grants and refuses as its comments say, and passes no credential to the upstream, and no
# identity but the verified one.

use v5.36;

use lib 't/lib';
use AuthToken::Certificate;
use AuthToken::Http2 qw(over_tls);
use AuthToken::Local qw(cookies);
use AuthToken::Provider;
use AuthToken::Source;
use AuthToken::Test;
use Digest::SHA ();
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();

# Debian's users do not have nginx in their path
$ENV{PATH} .= ':/usr/sbin';

my $examples = "$AuthToken::Server::ROOT/conf-examples";
my @confs    = sort map { s{^\Q$examples\E/}{}r } glob "$examples/{,*/,*/*/}*.conf";

# the test of each configuration
my %tested = (
    'jwt/nginx.conf'         => \&jwt,
    'allow-list/nginx.conf'  => \&allow_list,
    'json-log/nginx.conf'    => \&json_log,
    'mixed/nginx.conf'       => \&mixed,
    'issuers/nginx.conf'     => \&issuers,
    'scopes/nginx.conf'      => \&scopes,
    'ipfabric/nginx.conf'    => \&ipfabric,
    'ipfabric-proxy/nginx.conf' => \&ipfabric_proxy,
    'cipp/nginx.conf'        => \&cipp,
    'cipp-proxy/nginx.conf'  => \&cipp_proxy,
    'entra/nginx.conf'       => \&entra,
    'client-credentials/nginx.conf' => \&client_credentials,
    'oidc/nginx.conf'        => \&oidc,
    'docker/nginx.conf'      => \&docker,
    'docker/conf.d/api.conf' => \&docker,
);

my $temp     = tempdir('at-examples-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $owner    = $$;
chmod 0711, $temp;                      # the workers read in it
my $upstream = upstream();
my $s;                                  # the server under test

END {
    local $?;
    if ($$ == $owner) {
        $s->stop if $s;
        kill 'KILL', $upstream->{pid};
        waitpid $upstream->{pid}, 0;
    }
}

is_deeply \@confs, [sort keys %tested], 'every example has a test';

my %named = map { $_ => 1 } slurp("$examples/README.md") =~ m{\]\(([\w-]+/nginx\.conf)\)}g;
is_deeply [sort keys %named], [grep { m{/nginx\.conf$} } @confs], 'every example is in the README';

# values that several examples use
my $away = '127.0.0.2';
my @post = (method => 'POST', body => '{}');
my ($reports, $desk, $auto, $off) = qw(0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6 a94f6e02-81c3-4b5d-b7e6-3f2a1d0c9b8e
    5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5 e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4);
my ($contoso, $fabrikam) = qw(d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69 7c9e6679-7425-40de-944b-e07fc1f90ae7);

# the bodies that CIPP sends
my $no     = 'Access to this CIPP API endpoint is not allowed, ';
my $client = "${no}the API Client does not have the required permission";
my $page   = 'You do not have permission to view this directory or page.';
my $nobody = 'Access denied: unable to resolve roles for the authenticated principal';

my %done;
for my $name (sort keys %tested) {
    my $test = $tested{$name};
    subtest $name =~ s{/.*}{}r => $test if !$done{$test}++;
}

done_testing;

# --- the examples -----------------------------------------------------------

sub jwt () {
    begin('jwt');

    check({},
        [granted => '/api/v6.1/snapshots', 'a valid token', user => 'jane', token => good_token()],
        [granted => '/', 'POST', user => 'jane', token => good_token(), @post],
        [granted => '/', 'a user whose name has a line feed',
         token => good_token(username => "jane\nX-User: root")],
        [no_token => '/', 'no credential', reason => 'no_credential'],
        [no_token => '/', 'a cookie is not accepted', cookie => 'accessToken=' . good_token()],
        [no_token => '/', 'a password is not accepted', auth => 'Basic amFuZTpzZWNyZXQ='],
        [expired_token => '/', 'an expired token', token => good_token(exp => time - 1)],
        [invalid_token => '/', 'another key', reason => 'bad_signature', token => token(key => key('rsa2'))],
        [invalid_token => '/', 'an unsigned token', reason => 'malformed',
         token => raw_token('{"alg":"none"}', '{}', undef, 'none')],
        [invalid_token => '/', 'HS256 with the public key', reason => 'bad_alg',
         token => token(key => key('rsa')->pem, alg => 'HS256')],
        [invalid_token => '/', 'another issuer', reason => 'issuer_mismatch',
         token => good_token(iss => 'https://other')],
        [invalid_token => '/', 'another audience', reason => 'audience_mismatch',
         token => good_token(aud => 'other')]);

    my @marked = $s->{text} =~ /^.*# (?:.* )?(\d+)$/mg;
    is "@marked", '1 2 3 4 5 6 7 8 9 10', 'the ten lines that matter are numbered';
    end();
}

sub json_log () {
    begin('json-log');

    my $user = "J\x{f6}rg \"\\ ', user";
    granted_as('/x?token=secret', 'a granted request', user => 'jane', token => good_token());
    refused_as(insufficient_scope => '/admin/y', 'a name with quotes', token => good_token(username => $user));
    refused_as(insufficient_scope => '/admin/y', 'a long name', token => good_token(username => 'x' x 5000));
    refused_as(invalid_token => "/\xff\xc3(", 'a path that is not UTF-8', token => token(key => key('rsa2')));
    refused_as(no_token => '/"\\/%22', 'a path with quotes');

    my $old = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port) or die "connect: $!\n";
    print $old "GET /old\r\n";
    my @rest = <$old>;

    my $json  = JSON::PP->new->utf8;
    my @lines = map { eval { $json->decode($_) } // diag "not JSON: $_" } split /\n/, slurp($s->dir . '/access.log');
    is_deeply [map { ref } @lines], [('HASH') x 6], 'each line of the access log is a JSON object';
    is_deeply [map { $_->{path} } @lines], ['/x', '/admin/y', '/admin/y', '', '/"\\/%22', '/old'], 'paths without the query';
    is_deeply [map { $_->{reason} } @lines], [qw(ok insufficient_scope insufficient_scope bad_signature no_credential no_credential)],
        'the reasons';
    is_deeply [map { $_->{user} } @lines], ['jane', ('') x 5], 'only a granted request has a user';
    is_deeply [map { $_->{subject} } @lines], ['jane', $user, 'x' x 5000, '', '', ''], 'subjects, also of refused requests';
    is_deeply [map { $_->{status} } @lines], [qw(200 403 403 401 401 401)], 'the statuses';
    is_deeply [sort keys $lines[-1]->%*], [sort keys $lines[0]->%*], 'every line has the same members';
    unlike slurp($s->dir . '/access.log'), qr/secret/, 'the query is not logged';
    end();
}

sub allow_list () {
    begin('allow-list');

    check({},
        [granted => '/', 'a listed address'],
        [granted => '/', 'a token is ignored', token => 'anything'],
        [address_not_allowed => '/', 'another address', from => $away, reason => 'address_not_allowed'],
        [address_not_allowed => '/', 'another address with a valid token', from => $away,
         token => good_token()],
        [address_not_allowed => '/', 'X-Forwarded-For of an untrusted peer is ignored', from => $away,
         headers => ['X-Forwarded-For: 127.0.0.1']],
        [granted => '/admin/', 'the list of the location'],
        [address_not_allowed => '/admin/', 'the list of the location', from => $away],
        [granted => '/health', 'a public location', from => $away]);

    # a changed list applies after a reload
    $s->write('etc/auth_token/allowed.txt', "127.0.0.0/30\n");
    check({ from => $away }, [address_not_allowed => '/', 'before the reload']);
    $s->disconnect;
    $s->reload;
    check({ from => $away }, [granted => '/', 'after the reload'],
        [address_not_allowed => '/admin/', 'the list of the location is unchanged']);

    # the load balancer is trusted: a local address replaces it here
    reconfigure(sub { s/198\.51\.100\.10/127.0.0.3/ });
    check({ from => '127.0.0.3' },
        [granted => '/', 'an address that the load balancer reports',
         headers => ['X-Forwarded-For: 127.0.0.1']],
        [address_not_allowed => '/', 'another address that it reports',
         headers => ['X-Forwarded-For: 203.0.113.77']]);

    for my $bad ('127.0.0.1/33', '127.0.0', '# nothing') {
        $s->write('etc/auth_token/allowed.txt', "$bad\n");
        my ($status, $output) = $s->check;
        ok $status && $output =~ /\[emerg\].*allowed\.txt/, "nginx -t refuses a list with '$bad'";
    }

    end(alarm => qr/\[emerg\] .*allowed\.txt/);
}

sub mixed () {
    my $hash = crypt 'open sesame', '$6$saltsalt$';
    my $page = slurp("$examples/mixed/html/errors/forbidden.html");
    begin('mixed', files => { htpasswd => "operator:$hash\n", 'html/errors/forbidden.html' => $page });
    my @forged   = (token => token(key => key('rsa2')));
    my @expired  = (token => good_token(exp => 1));
    my @password = (auth => 'Basic ' . encode('operator:open sesame'));

    # /api/: a token or an address, /status/: a token or a password, /reports/: a token and an address
    check({ from => $away },
        [granted => '/api/', 'a token', user => 'jane', token => good_token()],
        [granted => '/api/', 'the address of the monitoring system', from => '127.0.0.9'],
        [no_token => '/api/', 'neither token nor address'],
        [invalid_token => '/api/', 'an invalid token', @forged, reason => 'bad_signature'],
        [expired_token => '/api/', 'an expired token', @expired],
        [granted => '/status/', 'a token', user => 'jane', token => good_token()],
        [granted => '/status/', 'a password', user => 'operator', @password],
        [granted => '/status/', 'a token without a name', token => good_token(username => GONE)],
        [granted => '/reports/', 'token and address', from => undef, user => 'jane', token => good_token()],
        [no_token => '/reports/', 'the address alone', from => undef]);

    for (['nothing'], ['a wrong password', auth => 'Basic ' . encode('operator:no')],
         ['an invalid token', @forged])
    {
        my ($name, @credential) = @$_;
        my $answer = unforwarded('/status/', $name, qr/401/, @credential);
        my $challenges = join ' | ', $answer->all('WWW-Authenticate');
        like $challenges, qr/Basic realm="operators"/, "/status/: $name: the challenge of auth_basic";
        like $challenges, qr/Bearer realm="api"/, "/status/: $name: the challenge of the module";
    }
    unforwarded('/reports/', 'the token alone', qr/40[13]/, from => $away, token => good_token());
    unforwarded('/reports/', 'neither', qr/40[13]/, from => $away);

    # browsers
    my $answer = unforwarded('/app/page?a=1', 'without the cookie', qr/302/);
    is $answer->header('Location'), '/login?next=/app/page?a=1', '/app/: redirects to the login';
    is $answer->header('WWW-Authenticate'), undef, '/app/: has no challenge';
    unforwarded('/app/', 'an expired token redirects to the login', qr/302/,
                cookie => "accessToken=$expired[1]");

    $answer = unforwarded('/app/', 'a token without the scope', qr/403/, cookie => 'accessToken=' . good_token());
    is $answer->{body}, $page, '/app/: the error page is sent';
    is $answer->header('Content-Type'), 'text/html', '/app/: the error page is HTML';
    unforwarded('/errors/forbidden.html', 'the error page is internal', qr/404/);

    check({},
        [granted => '/app/', 'the cookie', user => 'jane',
         cookie => 'accessToken=' . good_token(scope => ['app'])],
        [granted => '/login', 'the login is public'],
        [no_token => '/elsewhere', 'a path that matches no location']);
    end();
}

sub issuers () {
    my %corp = (iss => 'https://login.corp.example', aud => 'api');
    my %billing = (%corp, aud => 'https://billing.corp.example', scope => ['billing']);
    my %partner = (iss => 'https://id.partner.example', aud => 'corp-api', sub => 'pat', username => 'jane',
                   tenant => 'north', realm_access => { roles => ['orders'] }, isAdmin => \'true');

    begin('issuers', files => {
        'corp.pem'     => key('rsa')->pem,
        'partner.jwks' => '{"keys":[' . key('p256')->jwk(kid => 'p1', alg => 'ES256', use => 'sig') . ']}',
    });

    my $corp    = sub (%o) { (token => good_token(%corp, %o)) };
    my $billing = sub (%o) { (token => good_token(%billing, %o)) };
    my $partner = sub (%o) {
        (token => token(claims => { %partner, %o }, key => key('p256'), alg => 'ES256', header => { kid => 'p1' }));
    };
    my @corp    = (user => 'jane', issuer => 'corp');
    my @partner = (user => 'pat', issuer => 'partner', tenant => 'north');
    my @late    = (exp => time - 10);

    check({},
        [granted => '/api/', 'a token of corp', @corp, $corp->()],
        [granted => '/api/', 'the second audience', @corp, $corp->(aud => 'https://api.corp.example')],
        [invalid_token => '/api/', 'a token for billing', $billing->(), reason => 'audience_mismatch'],
        [invalid_token => '/api/', 'a token of the partner', $partner->()],
        [granted => '/billing/', 'a token for billing', user => 'jane', issuer => 'corp-billing',
         $billing->()],
        [invalid_token => '/billing/', 'a token of corp', $corp->(), reason => 'audience_mismatch'],
        [invalid_token => '/billing/', 'a token of the partner', $partner->()],
        [insufficient_scope => '/billing/', 'a token without the scope', $billing->(scope => [])],
        [granted => '/shared/', 'a token of corp', @corp, $corp->()],
        [granted => '/shared/', 'a token of the partner', @partner, $partner->()],
        [invalid_token => '/shared/', 'a token for billing', $billing->()],
        [insufficient_scope => '/shared/', 'isAdmin of the partner is ignored',
         $partner->(realm_access => { roles => ['other'] })],
        [granted => '/shared/', 'isAdmin of corp', @corp, $corp->(scope => [], isAdmin => \'true')],
        # key, iss and aud belong together
        [invalid_token => '/shared/', 'the key of corp and the issuer of the partner',
         reason => 'bad_alg',
         token => good_token(%partner)],
        [invalid_token => '/shared/', 'the key of the partner and the issuer of corp',
         reason => 'bad_alg',
         $partner->(%corp)],
        [granted => '/shared/', 'only the partner has a leeway: its token', @partner, $partner->(@late)],
        [expired_token => '/shared/', 'only the partner has a leeway: a token of corp', $corp->(@late)],
        [unavailable => '/elsewhere', 'a path that matches no location', reason => 'misconfigured',
         $corp->()]);

    end(log => [qr{"GET /shared/ HTTP/1.1" 200 partner/pat ok$}m,
        qr{"GET /billing/ HTTP/1.1" 401 .* audience_mismatch$}m]);
}

sub scopes () {
    begin('scopes');

    my $user  = 0;
    my $token = sub (@scopes) { (token => good_token(scope => [@scopes], username => 'u' . ++$user)) };
    my $good  = sub (@scopes) {
        my @token = $token->(@scopes);
        return (@token, user => "u$user", id => '1108612', scope => "@scopes");
    };
    my %realm = (realm => 'snapshots');

    # a scope for each method
    for (['GET', 'read'], ['POST', 'write'], ['PUT', 'write'], ['PATCH', 'write'], ['DELETE', 'write', 'delete']) {
        my ($method, @needed) = @$_;
        my %needed = map { $_ => 1 } @needed;
        my @others = grep { !$needed{$_} } qw(read write delete);

        check({ method => $method, $method =~ /^P/ ? (body => 'x') : () },
            [granted => '/api/x', "$method with @needed", $good->(@needed)],
            [insufficient_scope => '/api/x', "$method with @others", %realm, $token->(@others),
             reason => 'insufficient_scope']);
    }
    check({ %realm, method => $_ },
        [insufficient_scope => '/api/x', "$_ is refused with every scope", $token->(qw(read write delete))],
        [insufficient_scope => '/api/x', "$_ is refused with isAdmin",
         token => good_token(isAdmin => \'true', username => "admin$_")]) for qw(OPTIONS PURGE PROPFIND);
    is ask('/api/x', method => 'HEAD', $token->('read'))->{status}, 200, 'HEAD with read';

    # cookies and the origin of their requests
    my (undef, $cookie, @cookie) = $good->(qw(read write));
    unshift @cookie, cookie => "accessToken=$cookie";
    my @cross  = (headers => ['Origin: https://evil.example']);
    my $origin = 'Origin: https://127.0.0.1:' . $s->port;
    my $app    = ['Origin: https://app.example', 'Sec-Fetch-Site: cross-site'];

    check(\%realm,
        [insufficient_scope => '/api/x', 'DELETE with write alone', method => 'DELETE', $token->('write')],
        [no_token => '/api/x', 'no credential'],
        [expired_token => '/api/x', 'an expired token', token => good_token(exp => 1)],
        [invalid_token => '/api/x', 'a token signed by another key', token => token(key => key('rsa2'))],
        [granted => '/api/me', 'a token without scopes', $good->()],
        [no_token => '/api/me', 'no credential'],
        [granted => '/api/settings/', 'both scopes', $good->(qw(read settings))],
        [insufficient_scope => '/api/settings/', 'only the scope of the method', $token->('read')],
        [insufficient_scope => '/api/settings/', 'only the scope of the location', $token->('settings')],
        [granted => '/api/x', 'a cookie', @cookie],
        [granted => '/api/x', 'a POST from this origin', @cookie, @post, headers => [$origin]],
        [granted => '/api/x', 'a POST from the application', @cookie, @post, headers => $app],
        [granted => '/api/x', 'a GET from another site', @cookie, @cross],
        [origin_not_allowed => '/api/x', 'a POST from another site', reason => 'origin_not_allowed', @cookie,
         @post, @cross],
        [granted => '/api/x', 'a bearer token from another site', $good->('write'), @post, @cross]);

    # each user has a rate limit, and each address without a valid token
    my @busy   = (from => '127.0.0.5', token => good_token(username => 'busy'));
    my @calm   = (token => good_token(username => 'calm'));
    my @forged = (from => '127.0.0.6', token => token(key => key('rsa2')));

    my %busy = many(90, @busy);
    is_deeply [grep { !/^(?:200|429)$/ } keys %busy], [], 'a busy user: 200 or 429';
    cmp_ok $busy{200}, '>=', 41, 'a busy user: requests within the burst are granted';
    cmp_ok $busy{429}, '>=', 1, 'a busy user: further requests get 429';
    is_deeply {many(1, @calm, from => '127.0.0.5')}, { 200 => 1 }, 'another user of that address is not limited';

    my %forged = many(90, @forged);
    is_deeply [grep { !/^(?:401|429)$/ } keys %forged], [], 'forged tokens: 401 or 429';
    cmp_ok $forged{429}, '>=', 1, 'forged tokens: further requests get 429';
    is_deeply {many(1, @calm, from => '127.0.0.6')}, { 200 => 1 }, 'a valid token from that address is not limited';

    end(log => [
        qr{"GET /api/x HTTP/2.0" 200 user="u1" subject="u1" reason="ok" token="[0-9a-f]{12}"$}m,
        qr{"GET /api/x HTTP/2.0" 403 user="-" subject="u2" reason="insufficient_scope" token="[0-9a-f]{12}"$}m,
        qr{"GET /api/x HTTP/2.0" 401 user="-" subject="-" reason="no_credential" token="-"$}m]);
}

# the statuses of $n requests without pauses, and how many have it
sub many ($n, %o) {
    my %seen;
    $seen{$_->{status}}++ for over_tls($s, (['/api/x', \%o]) x $n);
    return %seen;
}

sub ipfabric () {
    my @ids  = qw(dashboards cleanup former last-year);
    my %text = map { $_ => secret("$_-" . '0' x 32) } @ids;
    my $n    = 0;
    begin('ipfabric', store => { map { ++$n x 64 => $text{$_} } @ids });

    my $store = $s->{store};
    my $list  = '/api/v6.1/snapshots';
    my $table = '/api/v6.1/tables/inventory/devices';
    my @dash  = (api_token => $text{dashboards});
    my @clean = (api_token => $text{cleanup}, method => 'DELETE');
    my $jwt   = sub (%o) { good_token(iss => 'https://ipfabric.example', aud => 'ipfabric', %o) };
    my $id    = '79ab4b0754b069399464a23c222725111915f8f9';

    check({},
        (map { [granted => $_, 'a scope given as id', user => 'jane', @dash] } $list, '/api/v7/snapshots', '/api/v10/snapshots', '/api/v10.2/snapshots', '/api/snapshots'),
        [granted => $table, 'a scope given as text', user => 'jane', @dash, @post],
        # what IP Fabric's Python client requests when it starts
        (map { [granted => @$_, user => 'jane', @dash] } ['/api/v6.0/users/me', 'the user'], [$list, 'the snapshots'],
             ['/api/v6.0/tables/management/snapshots', 'their table', @post]),
        [granted => $list, 'HEAD counts as GET', @dash, method => 'HEAD'],
        [endpoint_not_found => $table, 'another method', @dash, reason => 'unknown_endpoint'],
        [endpoint_not_found => '/api/v6.1//snapshots', 'an ambiguous path', @dash,
         reason => 'unknown_endpoint'],
        [address_not_allowed => $list, 'an address outside of the ranges', @dash, from => $away,
         reason => 'address_not_allowed'],
        # a token of an administrator has the scopes of the token only
        [granted => "$list/1", 'DELETE with its scope', user => 'operator', @clean, from => $away],
        [insufficient_scope => $list, 'DELETE without its scope', @clean, reason => 'endpoint_not_granted'],
        [client_disabled => $list, 'a disabled API token', api_token => $text{former},
         reason => 'disabled_client'],
        [expired_api_token => $list, 'an expired API token', api_token => $text{'last-year'},
         reason => 'expired_api_token'],
        [invalid_api_token => $list, 'an unknown API token', api_token => 'x' x 32,
         reason => 'unknown_api_token'],
        [no_token => $list, 'no credential', reason => 'no_credential'],
        [invalid_token => $list, 'an API token and a JWT', @dash, token => $jwt->(),
         reason => 'several_credentials'],
        [granted => $list, 'a JWT, scope as text', user => 'jane',
         token => $jwt->(scope => ['GET /snapshots'])],
        [granted => $list, 'a cookie, scope as id', user => 'jane',
         cookie => 'accessToken=' . $jwt->(scope => [$id])],
        [granted => $list, 'a JWT of an administrator', user => 'jane',
         token => $jwt->(scope => [], isAdmin => \'true')],
        # public endpoints, and endpoints for every valid credential
        [granted => '/api/version', 'the version is public'],
        [granted => '/api/version', 'HEAD of the version is public', method => 'HEAD'],
        [no_token => '/api/version', 'another method is not', @post],
        [endpoint_not_found => '/api/version', 'another method is not an endpoint', @dash, @post],
        (map { [granted => $_, 'every valid credential', user => 'jane', @dash] }
             qw(/api/v6.1/users/me /api/users/me /api/v6.1/users/me/scopes/api /api/oas/openapi-extended.json
                /api/static/oas/openapi-fe.json)),
        (map { [no_token => $_, 'no credential'] } qw(/api/v6.1/users/me /api/oas/openapi-extended.json)),
        # "me" is a user like any other for these methods
        (map { [insufficient_scope => '/api/v6.0/users/me', "$_ of the caller itself", @dash, method => $_, body => '{}',
                reason => 'endpoint_not_granted'] } qw(PATCH DELETE)),
        [endpoint_not_found => '/api/v6.0/users/me', 'PUT of the caller itself', @dash, method => 'PUT', body => '{}'],
        [endpoint_not_found => '/api/v6.0/no-such', 'an unknown endpoint', reason => 'unknown_endpoint',
         token => $jwt->(isAdmin => \'true')],
        [granted => '/api/v6.0/jobs', 'an administrator', user => 'jane', token => $jwt->(isAdmin => \'true')],
        [insufficient_scope => '/api/v6.0/jobs', 'another user', @dash, reason => 'endpoint_not_granted'],
        # long bodies
        [granted => '/api/v6.0/snapshots/upload', 'a snapshot of 3 MB', user => 'jane',
         token => $jwt->(scope => ['POST /snapshots/upload']), method => 'POST', body => 'x' x 3_000_000],
        [insufficient_scope => '/api/v6.0/snapshots/upload', 'a snapshot without the scope', @dash,
         method => 'POST', body => 'x' x 3_000_000, reason => 'endpoint_not_granted']);
    my $large = unforwarded($table, 'a body of 21 MB', qr/413/, @dash, method => 'POST', body => 'x' x (21 << 20));
    is $large->{body}, '{"code":"API_BAD_REQUEST","message":"Request Body Too Large"}', 'the response is JSON';
    is $large->header('Content-Type'), 'application/json', 'its type is that of JSON';

    waits_10_minutes($list, @dash);
    ambiguous_paths($list, token => $jwt->(isAdmin => \'true'));

    # changed while nginx runs
    $store->update('token', 'dashboards', scope => ['DELETE /snapshots/:key', 'GET /snapshots/:key']);
    check({}, [granted => "$list/1", 'after token update', user => 'jane', @dash]);
    $store->ok('user', 'disable', 'jane');
    check({}, [client_disabled => '/api/v6.1/users/me', 'after user disable', @dash, reason => 'disabled_user']);
    $store->ok('token', 'enable', 'former');
    check({}, [granted => $list, 'after token enable', user => 'operator', api_token => $text{former}]);
    $store->ok('token', 'revoke', 'former');
    check({}, [invalid_api_token => $list, 'after token revoke', api_token => $text{former}]);

    token_api();
    end(log => [qr{"GET $list HTTP/1.1" 200 user="jane" token="dashboards" endpoint="GET /snapshots" reason="ok"$}m]);
}

# login, refresh and logout of the same example
sub token_api () {
    my $secret = 'canary-open-sesame';
    my $v      = '/api/v6.0';
    my @json   = (method => 'POST', headers => ['Content-Type: application/json']);
    my $login  = sub ($user, $path = "$v/auth/login") {
        my $answer = ask($path, @json, body => qq({"username":"$user","password":"$secret"}));
        return ($answer, cookies($answer));
    };
    my @basic = (auth => 'Basic ' . encode("jane:$secret"));

    $s->{store}->ok('user', 'enable', 'jane');
    $s->{store}->ok('user', 'passwd', $_, '--password-file', '-', { input => $secret }) for qw(jane operator);

    my $flags = qr/Expires=\w{3}, .* GMT; HttpOnly; Secure; SameSite=Strict/;
    for my $path ("$v/auth/login", '/api/v7/auth/login', '/api/auth/login') {
        my ($answer, %cookie) = $login->('jane', $path);

        is "$answer->{status} $answer->{body} $answer->{reached}", '200 {} 0', "$path: login, no token in the body";
        my ($access, $refresh) = sort $answer->all('Set-Cookie');
        like $access, qr{\AaccessToken=[^;]+; Max-Age=86400; Path=/; $flags\z}, "$path: the access token";
        like $refresh, qr{\ArefreshToken=[^;]+; Max-Age=86400; Path=/api/auth/token; $flags\z}, "$path: the refresh token";
        check({}, [granted => "$v/snapshots", 'the cookie of the login', user => 'jane',
                   cookie => "accessToken=$cookie{accessToken}"]);
    }

    my (undef, %jane)     = $login->('jane');
    my (undef, %operator) = $login->('operator');
    check({},
        [invalid_credentials => "$v/auth/login", 'a wrong password', @json, reason => 'wrong_password',
         body => '{"username":"jane","password":"canary-no"}'],
        [insufficient_scope => "$v/snapshots", 'a scope that the user does not have',
         token => $jane{accessToken}, @post,
         reason => 'endpoint_not_granted'],
        [granted => "$v/snapshots", 'an administrator', user => 'operator', token => $operator{accessToken},
         @post],
        [granted => "$v/snapshots", 'Basic', user => 'jane', @basic]);
    unforwarded("$v/auth/login", 'GET is refused', qr/405/);

    # refresh by cookie and by body; the refresh token is used up
    my $both = sub (%c) { (method => 'POST', cookie => "refreshToken=$c{refreshToken}; accessToken=$c{accessToken}") };
    my %next = cookies(unforwarded('/api/auth/token', 'by the cookie with an empty body', qr/200/, $both->(%jane)));
    is_deeply { cookies(unforwarded('/api/auth/token', 'again at once, as by another tab', qr/200/, $both->(%jane))) },
        \%next, 'a parallel refresh gets the same pair';
    my %last = cookies(unforwarded('/api/auth/token', 'by the body', qr/200/, @json,
                                   body => qq({"refreshToken":"$next{refreshToken}"})));
    for my $path ("$v/auth/token", '/api/v10.2/auth/token') {
        my $answer = unforwarded($path, 'refresh has no versioned path', qr/404/, $both->(%last));
        is $answer->{body}, '{"code":"API_NOT_FOUND","message":"Requested Resource Not Found"}', "$path: the body";
        is $answer->header('Content-Type'), 'application/json', "$path: the body is JSON";
        is $answer->header('Set-Cookie'), undef, "$path: no cookie";
    }

    check({}, [expired_token => "$v/snapshots", 'a cookie whose token has expired says so', user => undef,
               cookie => 'accessToken=' . good_token(iss => 'https://ipfabric.example', aud => 'ipfabric', exp => 1)]);

    my $logout = unforwarded("$v/auth/logout", 'logout', qr/200/, method => 'POST', token => $last{accessToken});
    is $logout->{body}, '{"success":true}', 'logout by the access token';
    is scalar(grep { /\A(?:access|refresh)Token=[^;]*; Max-Age=0; / } $logout->all('Set-Cookie')), 2,
        'both cookies are cleared';
    check({}, [invalid_refresh_token => '/api/auth/token', 'the refresh token after logout', $both->(%last)]);

    reconfigure(sub { s/# (auth_token_local off;)/$1/ });
    is +($login->('jane'))[0]->{status}, 401, 'auth_token_local off: login is refused';
    check({},
        [invalid_credentials => "$v/snapshots", 'auth_token_local off: Basic is refused', @basic,
         reason => 'login_disabled'],
        [granted => "$v/snapshots", 'auth_token_local off: a JWT is accepted', user => 'jane',
         token => $last{accessToken}]);
}

sub base_role ($role, $permission) { "${no}the '$role' base role does not have the required permission: $permission" }

sub cipp () {
    my ($help, $editor) = ($auto, $desk);
    my $other  = '00000000-0000-4000-8000-000000000000';
    my $keys   = sub (@more) { '{"keys":[' . key('rsa')->jwk(kid => 'k1', use => 'sig', @more) . ']}' };

    begin('cipp', store => {}, files => {
        'entra-v1.jwks' => $keys->(),
        'entra-v2.jwks' => $keys->(issuer => 'https://login.microsoftonline.com/{tenantid}/v2.0'),
    });
    my $store = $s->{store};

    # tokens as Entra issues them, of both versions: without scope and user
    my $token = sub ($client, %o) {
        return (token => token(header => { kid => 'k1' }, claims => {
            iss => "https://sts.windows.net/$contoso/", aud => "api://$client", appid => $client, ver => '1.0',
            tid => $contoso, (map { $_ => GONE } qw(id scope username isAdmin)), %o }));
    };
    my @v2 = $token->($reports, iss => "https://login.microsoftonline.com/$contoso/v2.0", ver => '2.0',
                      appid => GONE, azp => $reports);
    my @read = (client => $reports, role => 'readonly');
    my @help = (client => $help, role => 'helpdesk');
    my $list = '/api/ListUsers';

    check({ type => 'text/plain', says => $page },
        [granted => $list, 'the role readonly', @read, $token->($reports)],
        [granted => $list, 'a token of version 2.0', @read, @v2],
        [granted => '/API/listusers', 'an endpoint in another case', @read, $token->($reports)],
        [granted => $list, 'a client id in another case', @read,
         $token->(uc $reports, aud => "api://$reports")],
        [insufficient_scope => '/api/AddUser', 'an endpoint that readonly does not grant', $token->($reports),
         @post,
         reason => 'endpoint_not_granted', says => base_role(readonly => 'Identity.User.ReadWrite')],
        [endpoint_not_found => '/api/NoSuchThing', 'an unknown endpoint', $token->($reports),
         reason => 'unknown_endpoint', status => 404, says => 'Endpoint not found'],
        [granted => '/api/me', 'every client', @read, $token->($reports)],
        (map { [granted => $list, "the method $_", @help, $token->($help), method => $_, /^P/ ? (body => '{}') : ()] }
             qw(GET POST PUT PATCH DELETE OPTIONS)),
        [address_not_allowed => $list, 'an address outside of the ranges', $token->($reports), from => $away,
         says => $client,
         reason => 'address_not_allowed'],
        # a custom role: ReadWrite covers Read, and one endpoint is blocked
        [granted => '/api/EditUser', 'a custom role', @help, $token->($help), @post, from => $away],
        [granted => $list, 'ReadWrite covers Read', @help, $token->($help)],
        [insufficient_scope => '/api/ExecOffboardUser', 'a blocked endpoint', $token->($help), @post,
         reason => 'blocked_endpoint', says => "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser"],
        # the role editor, with address ranges
        [granted => '/api/AddUser', 'the role editor', client => $editor, role => 'editor', $token->($editor),
         @post],
        [insufficient_scope => '/api/ExecStandardsRun', 'an endpoint that editor excludes', $token->($editor),
         @post,
         reason => 'endpoint_not_granted', says => base_role(editor => 'Tenant.Standards.ReadWrite')],
        [address_not_allowed => '/api/AddUser', 'an address outside of the ranges', $token->($editor), @post,
         from => $away,
         says => $client],
        [client_disabled => $list, 'a disabled client', $token->($off), reason => 'disabled_client',
         says => $client],
        [client_disabled => $list, 'an unknown client', reason => 'unknown_client', says => $client,
         $token->($other, aud => "api://$reports")],
        [invalid_token => $list, 'a token for an unknown client', reason => 'audience_mismatch',
         $token->($reports, aud => "api://$other")],
        [invalid_token => $list, 'a token of another tenant', reason => 'issuer_mismatch',
         $token->($reports, iss => 'https://sts.windows.net/other/')],
        [invalid_token => $list, 'another tenant in tid', reason => 'bad_claim',
         $token->($reports, tid => $fabrikam)],
        [insufficient_scope => $list, 'a token on behalf of a user', reason => 'delegated', says => $nobody,
         $token->($reports, scp => 'user_impersonation')],
        [expired_token => $list, 'an expired token', $token->($reports, exp => 1)],
        [invalid_token => $list, 'another key',
         token => token(key => key('rsa2'), header => { kid => 'k1' })],
        [no_token => $list, 'no credential'],
        [insufficient_scope => '/api/AddUser', 'rights in the token are ignored', @post,
         reason => 'endpoint_not_granted',
         says => base_role(readonly => 'Identity.User.ReadWrite'),
         $token->($reports, scope => ['Identity.User.ReadWrite'], isAdmin => \'true')],
        [granted => '/api/PublicPing', 'a public endpoint']);

    trusts($list, client => $reports, $token->($reports));
    trusts('/api/PublicPing', client => undef);
    waits_10_minutes($list, $token->($reports));
    ambiguous_paths($list, $token->($reports));

    # changed while nginx runs
    my %text = (type => 'text/plain', says => $client);
    $store->ok('client', 'disable', $reports);
    check(\%text, [client_disabled => $list, 'after client disable', $token->($reports), reason => 'disabled_client']);
    $store->ok('client', 'enable', $reports);
    $store->update('client', $reports, role => 'superadmin', allow => 'any');
    check({ client => $reports, role => 'superadmin', from => $away },
        [granted => '/api/ExecCippFunction', 'after client enable and update', $token->($reports), @post],
        [granted => '/api/ListTenants', 'GET by a superadmin', $token->($reports)],
        [granted => '/API/ME', 'in upper case', $token->($reports)]);
    $store->ok('role', 'delete', 'helpdesk');
    check({ %text, says => "${no}the user does not have the required permission" },
        [insufficient_scope => '/api/ListGroups', 'after role delete', $token->($help), reason => 'no_role']);

    end(log => [
        qr{"GET $list HTTP/1.1" 200 client="$reports" role="readonly" subject="$reports" reason="ok"$}m]);
}

# The PowerShell example of CIPP's documentation with another host in its URLs; t/oauth.t has
# the exact bytes that it sends.
sub client_credentials () {
    begin('client-credentials', store => {});

    my $rotate = sub ($id) {
        $s->{store}->ok('client', 'rotate-secret', $id) =~ /^secret +(\S+)$/m or die "no secret\n";
        return secret($1);
    };
    my %secret = map { $_ => $rotate->($_) } $reports, $auto, $off;

    # $AuthBody of that example, as Invoke-RestMethod -Method POST -Body sends it
    my $ask = sub ($id, $secret) {
        my $answer = ask("/$contoso/oauth2/v2.0/token", method => 'POST',
            headers => ['Content-Type: application/x-www-form-urlencoded'],
            body => "client_id=$id&client_secret=$secret&scope=api%3A%2F%2F$id%2F.default&grant_type=client_credentials");
        my $token = eval { JSON::PP->new->decode($answer->{body})->{access_token} };
        return ($answer, $token ? secret($token) : undef);
    };

    my ($answer, $token) = $ask->($reports, $secret{$reports});
    is "$answer->{status} $answer->{reached}", '200 0', 'a token is issued';
    is AuthToken::Local::claims_of($token)->{aud}, "api://$reports", 'the audience is the client';
    check({ type => 'text/plain' },
        # $AuthHeader of that example, with -ContentType
        [granted => '/api/ListLogs', 'a request with the token', client => $reports, role => 'readonly',
         headers => ["Authorization: Bearer $token", 'Content-Type: application/json', 'Content-Length: 0']],
        [insufficient_scope => '/api/AddUser', 'an endpoint that its role does not grant', @post,
         token => $token,
         reason => 'endpoint_not_granted', says => base_role(readonly => 'Identity.User.ReadWrite')],
        [address_not_allowed => '/api/ListLogs', 'an address outside of the ranges', from => $away,
         says => $client,
         token => $token]);

    trusts('/api/ListLogs', client => $reports, token => $token);
    waits_10_minutes('/api/ListLogs', token => $token);

    for (['the secret of another client', $auto, $secret{$reports}], ['a disabled client', $off, $secret{$off}]) {
        my ($name, @client) = @$_;
        my ($refused) = $ask->(@client);
        like "$refused->{status} $refused->{body}", qr/\A401 \{"error":"invalid_client",/, $name;
    }

    # two secrets are valid during a rotation
    for (['the last secret', $secret{$auto}], ['the new one', $rotate->($auto)]) {
        my ($name, $secret) = @$_;
        my ($answer, $token) = $ask->($auto, $secret);
        is $answer->{status}, 200, "$name is good";
        check({}, [granted => '/api/AddUser', "$name: a request with its token", client => $auto, role => 'editor',
                   token => $token, @post]);
    }
    like ask('/discovery/keys')->{body}, qr/\A\{"keys":\[\{.*"kty":"RSA"/, 'the JWK Set is published';
    my $metadata = JSON::PP->new->decode(ask('/.well-known/oauth-authorization-server')->{body});
    is_deeply [$metadata->@{qw(issuer jwks_uri)}], ['https://api.example.com/', 'https://api.example.com/discovery/keys'], 'the metadata';
    my $found = unforwarded($metadata->{token_endpoint} =~ s{^https://api\.example\.com}{}r, 'the token endpoint of the metadata', qr/200/,
        method => 'POST', headers => ['Content-Type: application/x-www-form-urlencoded'], auth => 'Basic ' . encode("$auto:$secret{$auto}"),
        body => 'grant_type=client_credentials');
    secret(JSON::PP->new->decode($found->{body})->{access_token});

    end();
}

# key documents as Microsoft publishes them: version 2.0 with the issuer of each key
sub microsoft () {
    return AuthToken::Source->start(documents => { map {
        my ($tid, $name) = @$_;
        my $set = sub (%more) { '{"keys":[' . key($name)->jwk(kid => $name, x5t => $name, use => 'sig', %more) . ']}' };
        ("/$tid/discovery/keys"      => $set->(),
         "/$tid/discovery/v2.0/keys" => $set->(issuer => 'https://login.microsoftonline.com/{tenantid}/v2.0'))
    } [$contoso, 'rsa'], [$fabrikam, 'rsa3'] });
}

# changes the configuration in $_: its keys are those of microsoft()
sub from_microsoft ($microsoft) {
    s{(jwks_uri +)https://login\.microsoftonline\.com(\S+);}
     {$1 . $microsoft->base . "$2 ca_file=/etc/nginx/auth_token/ca.pem;"}ge;
}

# CIPP trusts these headers: they must be those of nginx, whatever the client sends
sub trusts ($path, %o) {
    my $client = delete $o{client};
    my $answer = ask($path, %o, headers => ["x-ms-client-principal: mallory", "X-Ms-Client-Principal-Name: $off",
                                            'X-MS-CLIENT-PRINCIPAL-IDP: github', 'X-Forwarded-For: 192.0.2.1, 127.0.0.9',
                                            'Connection: x-ms-client-principal-idp, x-forwarded-for']);
    my %got;
    push $got{lc $1}->@*, $2 while $answer->{body} =~ /^(x-ms-[\w-]+|x-forwarded-for): (.*?)\r?$/gmi;

    unlike $answer->{body}, qr/^Connection: .*(?:x-|,)/mi, "$path: they are not named as hop-by-hop headers";
    is_deeply \%got, {
        'x-ms-client-principal-idp' => ['aad'],
        'x-ms-original-url'         => [original_url($path)],
        'x-forwarded-for'           => ['127.0.0.1'],
        $client ? ('x-ms-client-principal-name' => [$client]) : (),
    }, "$path: the headers that CIPP trusts";
}

# Calls of these products take up to 10 minutes; nginx waits 60 seconds unless it is told
# otherwise.  Here each minute is a tenth of a second.
sub waits_10_minutes ($path, %o) {
    my $slow = $path . ($path =~ /\?/ ? '&' : '?');
    reconfigure(sub { s/(proxy_(?:read|send)_timeout +)10m;/${1}1000ms;/g });
    is ask("${slow}wait=0.2", %o)->{status}, 200, 'a call that takes 2 minutes';
    my $late = ask("${slow}wait=1.5", %o);
    is $late->{status}, 504, 'nginx does not wait much longer';
    is $late->{body}, '{"code":"API_UNAVAILABLE","message":"No Response From The API"}', 'the response is JSON' if $s->conf =~ /\@no_response/;
    reconfigure(sub { s/(proxy_(?:read|send)_timeout +)1000ms;/${1}10m;/g });
}

# other spellings of a granted path, which the API might read as another one
sub ambiguous_paths ($path, %o) {
    my ($dir, $name) = $path =~ m{(.*/)(.*)};
    my ($first, @rest) = split //, $name;
    my $escape = sprintf '%%%02x', ord $first;

    for ("$dir/$name", "$dir./$name", "${dir}x/../$name", "${dir}x/%2e%2e/$name", "${dir}x%2f..%2f$name",
         "$path/", "$path//", "$path.", "$path%20", "$path%00", "$path%00.json", "$path;x=1", "$path%3bx", "$path%3Fx", "$path%23",
         "$path%5c", "${dir}x%5c..%5c$name", "$dir$escape" . join('', @rest), "$dir%25" . substr($escape, 1) . join('', @rest),
         "$path%c0%af", "$path%0d%0aX:mallory", "$path%e2%80%8b", "$path\\", "/x/..$path", "/$path", "$path/..%2f$name",
         $dir =~ s{/api/}{/api/%2e/}r . $name, $dir =~ s{/api}{/%61pi}r . $name)
    {
        my $answer = ask($_, %o);
        like "$answer->{status} $answer->{reached}", qr/\A(?:400|403|404) 0\z/, "$_: an ambiguous path is refused";
    }
}

sub original_url ($path) { 'https://' . ($s->conf =~ /server_name (\S+);/)[0] . $path }

sub entra () {
    my $microsoft = microsoft();

    begin('entra', store => {}, files => { 'ca.pem' => $microsoft->ca },
          change => sub { from_microsoft($microsoft) });
    all_workers_have(1, map { ("\\S+/$_/discovery/keys", "\\S+/$_/discovery/v2\\.0/keys") } $contoso, $fabrikam);
    my $store = $s->{store};

    my $token = sub ($version, $tid, $client, %o) {
        my $key = delete $o{key} // ($tid eq $contoso ? 'rsa' : 'rsa3');
        return (token => token(key => key($key), header => { kid => $key }, claims => {
            (map { $_ => GONE } qw(id scope username isAdmin)), tid => $tid,
            $version == 1
                ? (ver => '1.0', iss => "https://sts.windows.net/$tid/", aud => "api://$client", appid => $client)
                : (ver => '2.0', iss => "https://login.microsoftonline.com/$tid/v2.0", aud => $client, azp => $client),
            %o }));
    };
    my %text  = (type => 'text/plain');
    my @first = (issuer => 'contoso', client => $reports, role => 'readonly');
    my @other = (issuer => 'fabrikam', client => $desk, role => 'helpdesk');
    my $list  = '/api/ListUsers';
    my $third = '11111111-2222-3333-4444-555555555555';

    check(\%text,
        [granted => $list, "version $_, the first tenant", @first, $token->($_, $contoso, $reports)],
        [granted => $list, "version $_, the second tenant", @other, $token->($_, $fabrikam, $desk)],
        [client_disabled => $list, "version $_, a client of the other tenant", says => $client,
         $token->($_, $contoso, $desk), reason => 'client_issuer_mismatch'],
        [invalid_token => $list, "version $_, a third tenant", says => $page, reason => 'issuer_mismatch',
         $token->($_, $third, $reports, key => 'rsa')],
        [invalid_token => $list, "version $_, a key of the other tenant", says => $page,
         reason => 'unknown_kid',
         $token->($_, $contoso, $reports, key => 'rsa4')],
        [insufficient_scope => $list, "version $_, a user", says => $nobody, reason => 'delegated',
         $token->($_, $contoso, $reports, scp => 'x')]) for 1, 2;

    trusts($list, client => $desk, $token->(2, $fabrikam, $desk));
    waits_10_minutes($list, $token->(2, $fabrikam, $desk));

    my @admin = $token->(2, $contoso, $auto);
    check(\%text,
        [granted => $list, 'an audience of another client, first tenant', @first,
         $token->(1, $contoso, $reports, aud => "api://$auto")],
        [invalid_token => $list, 'an audience of another client, second tenant',
         reason => 'audience_mismatch', says => $page,
         $token->(1, $fabrikam, $desk, aud => "api://$off")],
        [address_not_allowed => $list, 'an address outside of the ranges', $token->(1, $contoso, $reports),
         from => $away,
         reason => 'address_not_allowed', says => $client],
        [insufficient_scope => '/api/ExecOffboardUser', 'a blocked endpoint', $token->(2, $fabrikam, $desk),
         @post,
         reason => 'blocked_endpoint', says => "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser"],
        [address_not_allowed => '/api/execapiclient', 'an address outside of the office', @admin, @post,
         reason => 'address_not_allowed', says => $client]);

    reconfigure(sub { s/198\.51\.100\.0/127.0.0.0/ });
    ambiguous_paths('/api/ExecApiClient', @admin, @post);
    my $new = '00000000-1111-2222-3333-444444444444';
    check(\%text,
        [granted => '/api/ExecApiClient', 'an address of the office', issuer => 'contoso', client => $auto,
         role => 'superadmin', @admin, @post],
        [invalid_token => '/api/ExecApiClient', 'a token of the second tenant', $token->(2, $fabrikam, $desk),
         @post,
         reason => 'issuer_mismatch', says => $page],
        [client_disabled => $list, 'an unknown client', $token->(1, $contoso, $new),
         reason => 'unknown_client', says => $client]);

    # the commands in the comment of the example
    my @commands = $s->{text} =~ /^#   auth-token ((?:client|import --cipp) .*?)(?: +#.*)?$/mg;
    is scalar(@commands), 2, 'the comment has two commands for clients';
    $store->ok(map { s/CLIENT-ID/$new/r } split / /, $commands[0] =~ s{192\.0\.2\.0/24}{127.0.0.1}r);
    check({}, [granted => $list, 'after client create', issuer => 'contoso', client => $new, role => 'readonly',
               $token->(1, $contoso, $new)]);
    $store->ok('client', 'delete', $new);
    $store->ok((map { s/backup\.json/-/r } split / /, $commands[1]), { input => JSON::PP->new->utf8->encode([
        { PartitionKey => 'ApiClients', RowKey => $new, AppName => 'n', Role => 'editor', IPRange => '"127.0.0.1"',
          Enabled => 'True', table => 'ApiClients' }]) });
    check({}, [granted => $list, 'after import --cipp', issuer => 'contoso', client => $new, role => 'editor',
               $token->(2, $contoso, $new)]);

    end(log => [qr{" 200 tenant="fabrikam" client="$desk" role="helpdesk" subject="$desk" reason="ok"$}m]);
    $microsoft->stop;
}

sub oidc () {
    my %roles = map { sprintf('application-%03d', $_) => { roles => [qw(view-profile manage-account)] } } 1 .. 126;
    my ($api, $other) = ('https://api.example.com', 'https://other.example.com');
    my $p = AuthToken::Provider->start(
        path      => '/realms/main',
        resources => { $api => $api, $other => $other },
        clients   => [map { { id => $_->[0], claims => { scope => $_->[1], preferred_username => 'jane',
                                                         realm_access => { roles => ['clerk'] },
                                                         $_->[0] eq 'roles' ? (resource_access => \%roles) : () } } }
                      ['reads', 'openid orders:read'], ['writes', 'orders:read orders:write'], ['neither',
                       'openid'], ['roles', 'openid orders:read']],
    );

    begin('oidc', files => { 'ca.pem' => $p->ca }, change => sub {
        s{https://id\.example\.com/realms/main}{$p->issuer}ge;
        s{(discovery +on);}{$1 ca_file=/etc/nginx/auth_token/ca.pem;};
    });
    all_workers_have(1, '.*');

    my $token = sub ($client, $resource = $api) { (token => $p->token(client => $client, resource => $resource)) };
    my @reads = (user => 'jane', scope => 'openid orders:read');
    my @old   = $token->('reads');

    check({},
        [granted => '/orders', 'a token with the scope', @reads, @old],
        [granted => '/orders', 'both scopes', user => 'jane', scope => 'orders:read orders:write',
         $token->('writes'), @post],
        [granted => '/orders', 'a token of 9 KB with the roles of 126 clients', @reads, $token->('roles')],
        [insufficient_scope => '/orders', 'POST with the scope for reading', @old, @post,
         reason => 'insufficient_scope'],
        [insufficient_scope => '/orders', 'a token without the scope', $token->('neither'),
         reason => 'insufficient_scope'],
        [invalid_token => '/orders', 'a token for another API', $token->('reads', $other),
         reason => 'audience_mismatch'],
        [no_token => '/orders', 'no credential'],
        [invalid_token => '/orders', 'forged', reason => 'bad_signature',
         token => token(key => key('rsa2'), header => { kid => 'rsa' }, claims => { iss => $p->issuer, aud => $api })]);
    like ask('/orders', @old)->{body}, qr/^X-Roles: \["clerk"\]\r?$/m, 'the API gets the roles';

    # the provider changes its key
    $p->rotate('rsa3', keep => 1);
    my @new = $token->('reads');
    ask('/orders', @new);
    all_workers_have(2, '.*');
    check({}, [granted => '/orders', 'a token of the new key', @reads, @new],
        [granted => '/orders', 'a token of the old key', @reads, @old]);

    end(log => [qr/ 403 "jane" insufficient_scope$/m]);
    $p->stop;
}

# A stand-in for a product: TLS, and only requests that $checks do not refuse reach the upstream.
sub product ($host, $checks) {
    my %certificate = AuthToken::Certificate::all();
    my $files = sub ($name) { ('tls.crt' => $certificate{$name}{cert}, 'tls.key' => $certificate{$name}{key}) };

    my $product = AuthToken::Server->new(<<"CONF", load => 0, files => { $files->('products') });
        server {
            listen %%LISTEN%% ssl;
            ssl_certificate     %%DIR%%/tls.crt;
            ssl_certificate_key %%DIR%%/tls.key;
            client_max_body_size 50m;
            keepalive_timeout 75;

            if (\$ssl_server_name != $host) { return 421 "server name of TLS"; }
            if (\$http_host != $host)       { return 421 "Host"; }
            $checks
            location / {
                proxy_pass http://127.0.0.1:$upstream->{port};
                proxy_set_header Host \$http_host;
                proxy_set_header Upgrade "\$http_upgrade \$http_connection";
            }
        }
CONF
    $product->{replace_certificate} = sub ($name) {
        my %new = $files->($name);
        $product->write($_, $new{$_}) for sort keys %new;
        $product->reload;
    };
    return $product->start;
}

# the example in front of the product, which has the certificate of the test's CA
sub begin_proxy ($name, $host, $product, %o) {
    my $change = delete $o{change};
    begin($name, %o,
        files  => { 'ca.pem' => AuthToken::Certificate::ca(), ($o{files} // {})->%* },
        change => sub {
            s{server( +)\Q$host\E:443}{"server$1" . '127.0.0.1:' . $product->port}e or die "no upstream\n";
            s{/etc/ssl/certs/ca-certificates\.crt}{/etc/nginx/auth_token/ca.pem};
            # nginx never frees the sessions that it keeps: LeakSanitizer would report them
            s{(proxy_ssl_verify +)}{proxy_ssl_session_reuse off; $1} if $ENV{AT_SANITIZE};
            $change->() if $change;
        });
}

# without a valid certificate of the product no request and no credential is sent
sub needs_certificate ($product, $path, %o) {
    is ask($path, %o)->{status}, 200, 'the certificate of the product is valid';

    for my $name (qw(other_host other_ca expired self_signed)) {
        $product->{replace_certificate}->($name);
        my $answer = ask($path, %o);
        is "$answer->{status} $answer->{reached}", '502 0', "$name: nothing is sent to another certificate";
    }
    $product->{replace_certificate}->('products');
    is ask($path, %o)->{status}, 200, 'the certificate of the product is valid again';
}

sub ipfabric_proxy () {
    my ($programs, $browsers) = map { [$_] } 'Host: api.ipfabric.example', 'Host: ipfabric.example';
    my %text = map { $_ => secret("$_-" . '0' x 32) } qw(cmdb former);

    # an API token, or a user's credential; never both
    my $product = product('ipfabric.internal.example', <<"CONF");
            set \$kinds "";
            if (\$http_x_api_token)   { set \$kinds "\${kinds}t"; }
            if (\$http_authorization) { set \$kinds "\${kinds}a"; }
            if (\$cookie_accessToken) { set \$kinds "\${kinds}c"; }
            if (\$kinds !~ "^[tac]?\$")                        { return 400 "several credentials: \$kinds"; }
            if (\$http_x_api_token !~ "^(|\Q$text{cmdb}\E)\$") { return 401 "unknown API token"; }
            if (\$http_x_forwarded_for !~ "^127[.0-9]+\$")     { return 403 "address"; }
CONF
    begin_proxy('ipfabric-proxy', 'ipfabric.internal.example', $product,
        store  => { 1 x 64 => $text{cmdb}, 2 x 64 => $text{former} },
        change => sub { s/198\.51\.100\.7/127.0.0.1/; s{192\.0\.2\.0/24}{127.0.0.2} });
    $s->{store}->update('token', 'cmdb', allow => '127.0.0.1');

    my @cmdb = (headers => $programs, api_token => $text{cmdb});
    my $list = '/api/v6.10/snapshots';
    my $passed = sub ($name, $pattern, $path, %o) {
        my $answer = ask($path, %o);
        is "$answer->{status} $answer->{reached}", '200 1', "$name: passed on" or diag $answer->{body};
        like $answer->{body}, $pattern, "$name: the credential arrives";
        unlike $answer->{body}, qr/mallory/, "$name: no forged header arrives";
    };

    $passed->('a registered API token', qr/^X-API-Token: \Q$text{cmdb}\E\r?$/mi, $list, @cmdb);
    $passed->('an API token with a cookie', qr/\A(?!.*^Cookie:)/msi, $list, @cmdb, cookie => 'accessToken=x');
    $passed->('the version', qr/\AGET \/api\/version /, '/api/version', headers => $programs);
    $passed->('the table of snapshots', qr/\APOST /, '/api/v6.0/tables/management/snapshots', @cmdb, @post);

    check({ headers => $programs, scheme => 'ApiKey' },
        [no_api_token => $list, 'no API token'],
        [no_api_token => $list, 'a cookie of IP Fabric', cookie => 'accessToken=' . good_token()],
        [invalid_api_token => $list, 'an API token that is not registered', api_token => 'x' x 32],
        [address_not_allowed => $list, 'another address', api_token => $text{cmdb}, from => $away],
        [client_disabled => $list, 'a disabled API token', api_token => $text{former}],
        [insufficient_scope => "$list/1", 'a scope that the record does not have', api_token => $text{cmdb}, method => 'DELETE'],
        [endpoint_not_found => '/api/v6.10/no-such', 'an unknown endpoint', api_token => $text{cmdb}]);

    # browsers
    my @user = (headers => $browsers, from => $away);
    $passed->('a cookie', qr/^Cookie: .*accessToken=abc/mi, $list, @user, cookie => 'accessToken=abc');
    $passed->('a password', qr/^Authorization: Basic eDp5\r?$/mi, $list, @user, auth => 'Basic eDp5');
    $passed->('an API token is removed', qr/\A(?!.*^X-API-Token:)/msi, $list, @user, api_token => $text{cmdb});
    check({ headers => $browsers }, [address_not_allowed => $list, 'a cookie from another address', cookie => 'accessToken=abc']);

    $passed->('a WebSocket', qr/^Upgrade: websocket upgrade\r?$/mi, '/ws', from => $away, http => '1.1',
              headers => [@$browsers, 'Upgrade: websocket', 'Connection: Upgrade']);

    my $upload = ask('/api/v7.0/snapshots/upload', @user, cookie => 'accessToken=abc', method => 'POST', body => 'x' x 3_000_000);
    is "$upload->{status} $upload->{reached}", '200 1', 'a snapshot of 3 MB is passed on';
    $upload = ask('/api/v7.0/snapshots/upload', headers => $programs, api_token => $text{cmdb}, method => 'POST', body => 'x' x 3_000_000);
    is "$upload->{status} $upload->{reached}", '403 0', 'a snapshot without the scope is not';
    unlike $s->errors->content, qr/buffered to a temporary file/, 'no body is written to a file';

    waits_10_minutes($list, @cmdb);
    ambiguous_paths($list, @cmdb);
    needs_certificate($product, $list, @cmdb);
    end(alarm => qr/\[(?:error|crit)\]/, log => [qr{"GET $list HTTP/2?[.0-9]*" 200 token="cmdb" endpoint="GET /snapshots" reason="ok"$}m]);
    $product->stop;
}

sub cipp_proxy () {
    my $microsoft = microsoft();

    # Azure: a token.  CIPP: a client of "aad" with an id, no user, an address.
    my $product = product('cipp.azurewebsites.net', <<'CONF');
            if ($http_authorization !~ "^Bearer eyJ") { return 401 "token"; }
            if ($http_x_ms_client_principal)          { return 403 "user"; }
            if ($http_x_ms_client_principal_idp != aad) { return 403 "provider"; }
            if ($http_x_ms_client_principal_name !~ "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$") { return 403 "name"; }
            if ($http_x_forwarded_for != 127.0.0.1)   { return 403 "address"; }
            if ($http_x_ms_original_url !~ "^https://cipp\.example\.com/api/") { return 403 "URL"; }
            if ($http_cookie)                         { return 400 "cookie"; }
CONF
    begin_proxy('cipp-proxy', 'cipp.azurewebsites.net', $product, store => {},
        files  => { 'ca.pem' => AuthToken::Certificate::ca() . $microsoft->ca },
        change => sub { from_microsoft($microsoft) });
    all_workers_have(1, map { "\\S+/$contoso/discovery/$_" } 'keys', 'v2\.0/keys');

    my $token = sub ($client, %o) {
        return (token => token(key => key('rsa'), header => { kid => 'rsa' }, claims => {
            (map { $_ => GONE } qw(id scope username isAdmin)), tid => $contoso, ver => '1.0', appid => $client,
            iss => "https://sts.windows.net/$contoso/", aud => "api://$client", %o }));
    };
    my $list   = '/api/ListUsers?tenantFilter=contoso.com';
    my @forged = (headers => ['X-Forwarded-For: 192.0.2.1', "x-ms-client-principal-name: $off", 'x-ms-client-principal: e30=']);

    for ([GET => $list], [POST => '/api/ListTenants'], [GET => '/api/me']) {
        my ($method, $path) = @$_;
        my $answer = ask($path, $token->($reports), @forged, method => $method, $method eq 'POST' ? (body => '{}') : ());
        is "$answer->{status} $answer->{reached}", '200 1', "$method $path: CIPP accepts the request" or diag $answer->{body};
        like $answer->{body}, qr/^Authorization: Bearer eyJ/m, "$path: the token arrives";
        like $answer->{body}, qr/^x-ms-client-principal-name: $reports\r?$/m, "$path: the client is that of the token";
        unlike $answer->{body}, qr/mallory|$off/, "$path: no forged header arrives";
    }

    check({ type => 'text/plain' },
        [address_not_allowed => $list, 'an address outside of the ranges', $token->($reports), from => $away, says => $client],
        [client_disabled => $list, 'a disabled client', $token->($off), says => $client],
        [invalid_token => $list, 'another key', says => $page, token => token(key => key('rsa2'), header => { kid => 'rsa' })],
        [no_token => $list, 'no token', says => $page, headers => ["x-ms-client-principal-name: $reports"]],
        [endpoint_not_found => '/api/NoSuchThing', 'an unknown endpoint', $token->($reports), status => 404,
         says => 'Endpoint not found']);

    waits_10_minutes($list, $token->($reports));
    ambiguous_paths('/api/ListUsers', $token->($reports));
    needs_certificate($product, $list, $token->($reports));
    end(alarm => qr/\[(?:error|crit)\]/);
    $_->stop for $product, $microsoft;
}

sub docker () {
    begin('docker', store => undef, confs => ['conf.d/api.conf']);

    check({},
        [granted => '/', 'a valid token', user => 'jane', token => good_token()],
        [granted => '/', 'an API token', api_token => $s->{store}->token('t1')],
        [invalid_api_token => '/', 'an unknown API token', api_token => 'x' x 32],
        [no_token => '/', 'no credential'],
        [expired_token => '/', 'an expired token', token => good_token(exp => 1)],
        [invalid_token => '/', 'a token signed by another key', token => token(key => key('rsa2'))]);

    unlink $s->dir . '/etc/auth_token/issuer.pem';
    my ($status, $output) = $s->check;
    ok $status && $output =~ /\[emerg\].*issuer\.pem/, 'nginx -t refuses a missing key';

    end(alarm => qr/\[emerg\] .*cannot open .*issuer\.pem/,
        log => [qr/ 200 user="jane" client="-" reason="ok"$/m, qr/ 200 user="-" client="t1" reason="ok"$/m]);
}

# --- the server under test --------------------------------------------------

# Starts the example.  Files of /etc/nginx/auth_token that the option files does not
# have are copied from the examples, or are keys of the test.
sub begin ($name, %o) {
    my $text  = slurp("$examples/$name/nginx.conf");
    my ($tls) = AuthToken::Server::_tls() =~ /ssl_certificate (\S+);/;
    my %files = ('issuer.pem' => key('rsa')->pem, signing => key('rsa')->private_pem,
                 'tls.crt' => slurp($tls), 'tls.key' => slurp($tls), ($o{files} // {})->%*);

    for ($text =~ m{/etc/nginx/auth_token/([\w.-]+)[; ]}g) {
        my ($file) = grep { -f } map { "$examples/$_" } "$name/$_", $name =~ /ipfabric/ ? "ipfabric/$_" : "cipp/$_";
        $files{$_} //= slurp($file) if $file;
    }
    $o{files} = { map { ("etc/auth_token/$_" => $files{$_}) } keys %files };

    $s = Example->new($text, %o, name => $name, tls => scalar($text =~ /ssl_certificate/),
                      upstream_port => $upstream->{port}, env => { leaks() });
    is_deeply [$s->foreign], [], 'the configuration uses only the directory of the test';
    make_store("$examples/$name/store.jsonl", $o{store}) if exists $o{store};
    chmod 0600, map { $s->dir . "/etc/auth_token/$_" } qw(signing tls.key);
    $s->start;
}

# A store with the records of the file; the hashes of API tokens are replaced by those of
# known tokens.  Undef: an empty store.
sub make_store ($file, $token_of) {
    $s->{store} = AuthToken::Store->new($s->dir);
    return if !defined $token_of;

    my $unchanged = AuthToken::Store->new($s->dir, 'unchanged');
    $unchanged->ok('import', $file);
    is_deeply [grep { /^(?:warnings|damages) +[^- ]/ } split /\n/, $unchanged->ok('check')], [],
        'store.jsonl can be imported unchanged';

    my $text = slurp($file);
    unlike $text, qr/"token":/, 'store.jsonl contains no API token';

    my @placeholders = $text =~ /"sha256": "(\w+)"/g;
    is_deeply [sort @placeholders], [sort keys %$token_of], 'all hashes in store.jsonl are placeholders';
    $text =~ s/"sha256": "(\w+)"/'"sha256": "' . Digest::SHA::sha256_hex($token_of->{$1}) . '"'/ge;
    $s->{store}->ok('import', '-', { input => $text });
}

# changes the example and reloads
sub reconfigure ($change) {
    my $text = $s->{text};
    $change->() for $text;
    isnt $text, $s->{text}, 'the configuration was changed';
    $s->configure($text);
    $s->disconnect;
    $s->reload;
}

# Options: log, patterns of the access log, and alarm, a pattern of expected alarms.
sub end (%o) {
    my $expected = $o{alarm} // qr/(?!)/;
    ok $s->stop, 'nginx ends after QUIT';

    my @lines = split /\n/, $s->errors->content . $s->output;
    my @alarms = grep {
        /\[(?:alert|crit|emerg)\]|exited on signal|exited with|Sanitizer|runtime error/
            && !/exited with code 0$/ && !/$expected/
    } @lines;
    is_deeply \@alarms, [], 'the error log has no alarm';
    is_deeply [$s->reports], [], 'no sanitizer report';

    my $access = slurp($s->dir . '/access.log');
    like $access, $_, "the access log matches $_" for ($o{log} // [])->@*;

    my $text = join "\n", @lines, $access;
    is_deeply [grep { index($text, substr $_, -40) >= 0 } secrets()], [], 'no log contains a token';
    unlike $text, qr/canary-/, 'no log contains an unused claim';

    undef $s;
}

# waits until both worker processes have $n keys of each matching URL
sub all_workers_have ($n, @urls) {
    for my $url (@urls) {
        AuthToken::Log::await_true(sub {
            my %has = map { $_ => 1 }
                $s->errors->content =~ / (\d+)#\d+: auth_token: keys replaced, .*keys: $n, url: "$url"/g;
            return 2 == grep { $has{$_} } $s->workers;
        }, "all workers to have the keys of $url");
    }
}

# --- requests ---------------------------------------------------------------

sub identity () { qw(X-User X-User-Id X-Issuer X-Scope X-Tenant X-Client X-Role) }

# Sent with every request: all headers that the example sets, with forged values; twice, and
# also with underscores, which some servers read like hyphens.
sub spoofs () {
    my %set = map { $_ => 1 } $s->conf =~ /proxy_set_header (\S+)/g;
    delete @set{qw(Authorization Cookie Host Connection Upgrade)};
    delete $set{'X-API-Token'} if takes_api_tokens();
    my @names = map { ($_, lc, /-/ ? tr/-/_/r : ()) } sort keys %set;
    return map { /Token/i ? "$_: canary-api-token" : "$_: mallory" } @names;
}

# whether the example accepts API tokens; otherwise the header must be removed
sub takes_api_tokens () {
    return $s->conf =~ /auth_token_accept[^;]*\bapi_token/
        || $s->conf =~ /auth_token_store/ && $s->conf !~ /auth_token_accept/;
}

# sends a request; the member reached of the response counts requests to the upstream
sub ask ($path, %o) {
    my @headers = (($o{headers} // [])->@*, spoofs());
    my $cookie  = join '; ', grep { defined } $o{cookie}, 'other=canary-cookie';

    my $before = -s $upstream->{log};
    %o = (%o, headers => \@headers, cookie => $cookie);
    my ($answer) = $s->{options}{tls} ? over_tls($s, [$path, \%o]) : $s->request($path, %o);
    $answer->{reached} = (-s $upstream->{log}) - $before;

    return $answer;
}

# a request that does not reach the upstream
sub unforwarded ($path, $name, $status, %o) {
    my $answer = ask($path, %o);
    like $answer->{status}, qr/^$status$/, "$path: $name";
    is $answer->{reached}, 0, "$path: $name: the request does not reach the upstream";
    return $answer;
}

# Rows of outcome, path, name and options, in addition to the common ones.
sub check ($common, @rows) {
    for (@rows) {
        my ($sign, @row) = @$_;
        splice @row, 2, 0, %$common;
        $sign eq 'granted' ? granted_as(@row) : refused_as($sign, @row);
    }
}

# Options: those of a request; user, id, issuer, scope, tenant, client, role: the expected
# value of the header of that name at the upstream.
sub granted_as ($path, $name, %o) {
    my %expected;
    for (identity()) {
        my $option = lc s/^X-(?:User-)?//r;
        $expected{$_} = $o{$option} if defined $o{$option} && $o{$option} ne '';
    }

    my $answer = ask($path, %o);
    my @wrong;

    push @wrong, "status $answer->{status}: $answer->{body}" if $answer->{status} != 200;
    push @wrong, "requests to the upstream: $answer->{reached}" if $answer->{reached} != 1;
    push @wrong, "the upstream got: $1"
        if $answer->{body} =~ /^((?:X.API.Token|Authorization|Cookie)[ \t]*:.*)/mi
        || $answer->{body} =~ /(.*(?:canary|mallory|eyJ).*)/;

    my @got  = $answer->{body} =~ /^(X-(?:User|User-Id|Issuer|Scope|Tenant|Client|Role): .*?)\r?$/mg;
    my @want = map { "$_: $expected{$_}" } keys %expected;
    push @wrong, "identity headers at the upstream: [@{[sort @got]}], not [@{[sort @want]}]"
        if join('|', sort @got) ne join('|', sort @want);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok !@wrong, "$path: $name: granted" or diag map { "    $_\n" } @wrong;
}

# Options: those of a request, reason, realm, type, says (the expected body)
sub refused_as ($sign, $path, $name, %o) {
    $s->errors->lines;
    my $answer = ask($path, %o);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $o{body} = $o{says} // $o{body};
    is_refused($answer, $sign, "$path: $name", realm => $o{realm} // 'api',
               (map { defined $o{$_} && $o{type} ? ($_ => $o{$_}) : () } qw(body type status)),
               $o{scheme} ? (scheme => $o{scheme}) : ());
    is $answer->{reached}, 0, 'the request does not reach the upstream';

    my @ours = grep { / auth_token: / } $s->errors->lines;
    is scalar(grep { / \[error\] / } @ours), 1, 'the refusal is logged in one line, at Debian\'s default level';
    like $ours[0], qr/ reason: \Q$o{reason}\E,/, "the reason is $o{reason}" if defined $o{reason};
}

# --- the upstream -----------------------------------------------------------

# Answers each request with its head, after the seconds in the argument wait, and appends a
# byte to a log.
sub upstream () {
    my $log = "$temp/upstream.log";
    open my $touch, '>', $log or die "$log: $!\n";
    close $touch;

    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
                                       Listen => 64) or die "no free port: $!\n";
    my $pid = fork // die "fork: $!\n";
    return { pid => $pid, port => $socket->sockport, log => $log } if $pid;

    # ends together with its parent
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    $SIG{PIPE} = 'IGNORE';

    while (getppid == $owner) {
        vec(my $ready = '', fileno $socket, 1) = 1;
        select($ready, undef, undef, 1) > 0 or next;
        my $client = $socket->accept or next;

        my $got = '';
        1 while $got !~ /\r\n\r\n/ && sysread $client, $got, 1 << 16, length $got;
        my ($head, $body) = split /\r\n\r\n/, $got, 2;
        next if !defined $body;
        my $length = $head =~ /^Content-Length: (\d+)/mi ? $1 : 0;
        1 while $length > length $body && sysread $client, $body, 1 << 16, length $body;

        open my $fh, '>>', $log;
        syswrite $fh, '.';
        close $fh;

        select undef, undef, undef, $1 if $head =~ /\A\S+ \S*[?&]wait=([0-9.]+)/;

        my $answer = $head =~ /^HEAD / ? '' : $head;
        syswrite $client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
                        . 'Content-Length: ' . length($head) . "\r\n\r\n$answer";
        close $client;
    }

    POSIX::_exit(0);
}

# --- helpers ----------------------------------------------------------------

# An idle worker process does not free its connections (ngx_event_process_init): a leak of
# nginx.  The module allocates from pools, src/core by malloc(), neither by ngx_alloc().
sub leaks () {
    open my $fh, '>', "$temp/lsan.supp" or die "$temp/lsan.supp: $!\n";
    print $fh slurp("$AuthToken::Server::ROOT/t/lib/lsan.supp"), "leak:^ngx_alloc\$\n";
    close $fh;
    return (LSAN_OPTIONS => "suppressions=$temp/lsan.supp:print_suppressions=0");
}

sub slurp ($path) {
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$fh> // '';
}

sub encode ($text) { MIME::Base64::encode_base64($text, '') }

# A server with the configuration of an example, whose paths, ports and upstream are replaced.
package Example;

use parent -norequire, 'AuthToken::Server';

sub configure ($self, $conf) {
    my $o = $self->{options};

    $self->{text} = $conf;
    $self->write("etc/$_", $self->replaced(main::slurp("$examples/$o->{name}/$_")))
        for ($o->{confs} // [])->@*;

    my $text = $self->replaced($conf);

    if ($text !~ /_temp_path/) {
        my $paths = join ' ', map { "${_}_temp_path " . $self->dir . "/${_}_temp;" }
                    qw(client_body proxy fastcgi uwsgi scgi);
        $text =~ s/^http \{\n/http {\n    $paths\n/m;
    }

    $self->write('nginx.conf', $text);
}

sub replaced ($self, $text) {
    my $upstream = $self->{options}{upstream_port};
    my $dir      = $self->dir;

    my %place = (
        '/usr/lib/nginx/modules/' => "$AuthToken::Server::BUILD/",
        '/etc/nginx/'             => "$dir/etc/",
        '/var/log/nginx/'         => "$dir/",
        '/run/nginx.pid'          => "$dir/nginx.pid",
        '/tmp/'                   => "$dir/",
        '/var/lib/auth-token'     => "$dir/store",
        '/var/lib/nginx/auth_token' => "$dir/state",
        '/dev/stdout'             => "$dir/access.log",
        'error_log stderr'        => "error_log $dir/error.log",
    );
    my $places = join '|', map { quotemeta } sort keys %place;

    $self->{options}{change}->() for $self->{options}{change} ? $text : ();

    $text =~ s/($places)/$place{$1}/g;
    $text =~ s/^(error_log \S+);/$1 notice;/m;         # with the line that says that nginx has started
    $text =~ s/127\.0\.0\.1:9000\b/127.0.0.1:$upstream/g;
    $text =~ s/^(\s*listen +)\d+/$1 . '127.0.0.1:' . $self->port/gme;
    $text =~ s/^(worker_processes) auto;/$1 2;/m;
    $text =~ s/^user www-data;$//m if $> != 0;
    $text =~ s/^http \{\n/http {\n    auth_token_state_path $dir\/state;\n/m if $text =~ /ca_file=|auth_token_login/;

    # the user of the Docker image
    $text = "user www-data;\n$text" if $> == 0 && $text =~ /^http \{/m && $text !~ /^user /m;

    return $text;
}

# the text of all configuration files
sub conf ($self) {
    return join '', map { main::slurp($_) } $self->conf_file, glob $self->dir . '/etc/conf.d/*.conf';
}

# paths outside of the directory of the server
sub foreign ($self) {
    my $text = $self->conf =~ s/#.*//gr;
    $text =~ s/\Q$_\E[\w\/]*//g for $self->dir, $AuthToken::Server::BUILD;
    return $text =~ m{(?<![\w.])(/(?:etc|usr|var|run|tmp|dev|srv|opt|home)/\S*)}g;
}
