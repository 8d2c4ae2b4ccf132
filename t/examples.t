#!/usr/bin/perl

# conf-examples: each configuration starts with only paths, ports and addresses changed,
# grants and refuses as its comments say, and passes no credential to the upstream, and no
# identity but the verified one.

use v5.36;

use lib 't/lib';
use AuthToken::Local qw(cookies);
use AuthToken::Provider;
use AuthToken::Source;
use AuthToken::Test;
use Digest::SHA ();
use File::Basename qw(dirname);
use File::Find ();
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();

# Debian's users do not have nginx in their path
$ENV{PATH} .= ':/usr/sbin';

my $examples = "$AuthToken::Server::ROOT/conf-examples";

# the test of each configuration; every .conf of the directory must be in this list
my %tested = (
    'jwt/nginx.conf'         => \&jwt,
    'allow-list/nginx.conf'  => \&allow_list,
    'mixed/nginx.conf'       => \&mixed,
    'issuers/nginx.conf'     => \&issuers,
    'scopes/nginx.conf'      => \&scopes,
    'ipfabric/nginx.conf'    => \&ipfabric,
    'cipp/nginx.conf'        => \&cipp,
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

is_deeply [confs()], [sort keys %tested], 'every example has a test';

{
    my $readme = slurp("$examples/README.md");
    my %named  = map { $_ => 1 } $readme =~ m{\]\(([\w-]+/nginx\.conf)\)}g;
    is_deeply [sort keys %named], [grep { m{/nginx\.conf$} } confs()],
        'every example is in the README';
}

my %done;
for my $name (sort keys %tested) {
    my $test = $tested{$name};
    subtest $name =~ s{/.*}{}r => $test if !$done{$test}++;
}

done_testing;

# --- the examples -----------------------------------------------------------

sub jwt () {
    begin('jwt', files => { 'etc/auth_token/issuer.pem' => key('rsa')->pem });

    granted_as('/api/v6.1/snapshots', 'a valid token', user => 'jane', token => good_token());
    granted_as('/', 'POST', user => 'jane', token => good_token(), method => 'POST', body => 'x');
    granted_as('/', 'a user whose name has a line feed', user => undef,
             token => good_token(username => "jane\nX-User: root"));

    refused_as(no_token => '/', 'no credential', reason => 'no_credential');
    refused_as(no_token => '/', 'a cookie is not accepted', cookie => 'accessToken=' . good_token());
    refused_as(no_token => '/', 'a password is not accepted', auth => 'Basic amFuZTpzZWNyZXQ=');
    refused_as(expired_token => '/', 'an expired token', token => good_token(exp => time - 1));
    refused_as(invalid_token => '/', 'a token signed by another key', reason => 'bad_signature',
               token => token(key => key('rsa2')));
    refused_as(invalid_token => '/', 'an unsigned token', reason => 'malformed',
               token => raw_token('{"alg":"none"}', '{}', undef, 'none'));
    refused_as(invalid_token => '/', 'HS256 with the public key', reason => 'bad_alg',
               token => token(key => key('rsa')->pem, alg => 'HS256'));
    refused_as(invalid_token => '/', 'a token of another issuer', reason => 'issuer_mismatch',
               token => good_token(iss => 'https://other.example'));
    refused_as(invalid_token => '/', 'a token for another audience', reason => 'audience_mismatch',
               token => good_token(aud => 'other'));

    ten_lines();
    end();
}

# the example numbers the ten lines that matter
sub ten_lines () {
    my @marked = $s->{text} =~ /^.*# (?:.* )?(\d+)$/mg;
    is "@marked", '1 2 3 4 5 6 7 8 9 10', 'ten lines are marked';
}

sub allow_list () {
    begin('allow-list',
          files => { 'etc/auth_token/allowed.txt' => slurp("$examples/allow-list/allowed.txt") });

    granted_as('/', 'a listed address', user => undef);
    granted_as('/', 'a token is ignored', user => undef, token => 'anything');
    refused_as(address_not_allowed => '/', 'another address', from => '127.0.0.2',
               reason => 'address_not_allowed');
    refused_as(address_not_allowed => '/', 'another address with a valid token', from => '127.0.0.2',
               token => good_token());
    refused_as(address_not_allowed => '/', 'X-Forwarded-For of an untrusted peer is ignored',
               from => '127.0.0.2', headers => ['X-Forwarded-For: 127.0.0.1']);

    granted_as('/admin/', 'the list of the location', user => undef);
    refused_as(address_not_allowed => '/admin/', 'the list of the location', from => '127.0.0.2');
    granted_as('/health', 'a public location', user => undef, from => '127.0.0.2');

    # a changed list applies after a reload
    $s->write('etc/auth_token/allowed.txt', "127.0.0.0/30\n");
    refused_as(address_not_allowed => '/', 'before the reload', from => '127.0.0.2');
    $s->disconnect;
    $s->reload;
    granted_as('/', 'after the reload', user => undef, from => '127.0.0.2');
    refused_as(address_not_allowed => '/admin/', 'the list of the location is unchanged',
               from => '127.0.0.2');

    # the load balancer is trusted: a local address replaces it here
    reconfigure(sub { s/198\.51\.100\.10/127.0.0.3/ });
    granted_as('/', 'an address that the load balancer reports', user => undef, from => '127.0.0.3',
             headers => ['X-Forwarded-For: 127.0.0.1']);
    refused_as(address_not_allowed => '/', 'another address that the load balancer reports',
               from => '127.0.0.3',
               headers => ['X-Forwarded-For: 203.0.113.77']);

    for my $bad ('127.0.0.1/33', '127.0.0', '# nothing') {
        $s->write('etc/auth_token/allowed.txt', "$bad\n");
        my ($status, $output) = $s->check;
        ok $status && $output =~ /\[emerg\].*allowed\.txt/, "nginx -t refuses a list with '$bad'";
    }

    end(qr/\[emerg\] .*allowed\.txt/);
}

sub mixed () {
    my $hash = crypt 'open sesame', '$6$saltsalt$';
    begin('mixed', files => {
        'etc/auth_token/issuer.pem' => key('rsa')->pem,
        'etc/auth_token/htpasswd'   => "operator:$hash\n",
        'etc/auth_token/html/errors/forbidden.html' =>
            slurp("$examples/mixed/html/errors/forbidden.html"),
    });
    my $away = '127.0.0.2';

    # a token or an address
    granted_as('/api/', 'a token', user => 'jane', token => good_token(), from => $away);
    granted_as('/api/', 'the address of the monitoring system', user => undef, from => '127.0.0.9');
    refused_as(no_token => '/api/', 'neither token nor address', from => $away);
    refused_as(invalid_token => '/api/', 'an invalid token', token => token(key => key('rsa2')),
               from => $away, reason => 'bad_signature');
    refused_as(expired_token => '/api/', 'an expired token', token => good_token(exp => 1), from => $away);

    # a token or a password
    my $password = 'Basic ' . encode('operator:open sesame');
    granted_as('/status/', 'a token', user => 'jane', token => good_token());
    granted_as('/status/', 'a password', user => 'operator', auth => $password);
    granted_as('/status/', 'a token without a name', user => undef,
             token => good_token(username => GONE));

    for (['nothing'], ['a wrong password', auth => 'Basic ' . encode('operator:no')],
         ['an invalid token', token => token(key => key('rsa2'))])
    {
        my ($name, %o) = @$_;
        my $answer = ask('/status/', %o);
        is $answer->{status}, 401, "/status/: $name";
        like join(' | ', $answer->all('WWW-Authenticate')), qr/Basic realm="operators"/,
            "/status/: $name: the challenge of auth_basic";
        like join(' | ', $answer->all('WWW-Authenticate')), qr/Bearer realm="api"/,
            "/status/: $name: the challenge of the module";
        is $answer->{reached}, 0, 'the request does not reach the upstream';
    }

    # a token and an address
    granted_as('/reports/', 'token and address', user => 'jane', token => good_token());
    refused_as(no_token => '/reports/', 'the address alone');
    for (['the token alone', token => good_token()], ['neither'])
    {
        my ($name, %o) = @$_;
        my $answer = ask('/reports/', %o, from => $away);
        like $answer->{status}, qr/^40[13]$/, "/reports/: $name";
        is $answer->{reached}, 0, 'the request does not reach the upstream';
    }

    # browsers
    granted_as('/app/', 'the cookie', user => 'jane',
             cookie => 'accessToken=' . good_token(scope => ['app']));

    my $answer = ask('/app/page?a=1');
    is $answer->{status}, 302, '/app/: a request without the cookie';
    is $answer->header('Location'), '/login?next=/app/page?a=1', '/app/: redirects to the login';
    is $answer->header('WWW-Authenticate'), undef, '/app/: has no challenge';
    is $answer->{reached}, 0, 'the request does not reach the upstream';

    $answer = ask('/app/', cookie => 'accessToken=' . good_token(exp => 1));
    is $answer->{status}, 302, '/app/: an expired token redirects to the login';

    $answer = ask('/app/', cookie => 'accessToken=' . good_token());
    is $answer->{status}, 403, '/app/: a token without the scope';
    is $answer->{body}, slurp("$examples/mixed/html/errors/forbidden.html"), '/app/: the error page is sent';
    is $answer->header('Content-Type'), 'text/html', '/app/: the error page is HTML';
    is $answer->{reached}, 0, 'the request does not reach the upstream';

    granted_as('/login', 'the login is public', user => undef);
    is ask('/errors/forbidden.html')->{status}, 404, 'the error page is internal';

    refused_as(no_token => '/elsewhere', 'a path that matches no location');

    end();
}

sub issuers () {
    my %corp = (iss => 'https://login.corp.example', aud => 'api');
    my %billing = (%corp, aud => 'https://billing.corp.example', scope => ['billing']);
    my %partner = (iss => 'https://id.partner.example', aud => 'corp-api', sub => 'pat',
                   username => 'jane', tenant => 'north',
                   realm_access => { roles => ['orders'] }, isAdmin => \'true');
    my $kid = { kid => 'p1' };

    begin('issuers', files => {
        'etc/auth_token/corp.pem'     => key('rsa')->pem,
        'etc/auth_token/partner.jwks' =>
            '{"keys":[' . key('p256')->jwk(kid => 'p1', alg => 'ES256', use => 'sig') . ']}',
    });

    my $partner = sub (%o) {
        token(claims => { %partner, %o }, key => key('p256'), alg => 'ES256', header => $kid);
    };
    my %as_corp    = (user => 'jane', issuer => 'corp');
    my %as_billing = (user => 'jane', issuer => 'corp-billing');
    my %as_partner = (user => 'pat', issuer => 'partner', tenant => 'north');

    # which location trusts which block
    granted_as('/api/', 'a token of corp', %as_corp, token => good_token(%corp));
    granted_as('/api/', 'a token for the second audience', %as_corp,
             token => good_token(%corp, aud => 'https://api.corp.example'));
    refused_as(invalid_token => '/api/', 'a token for billing', token => good_token(%billing), reason => 'audience_mismatch');
    refused_as(invalid_token => '/api/', 'a token of the partner', token => $partner->());

    granted_as('/billing/', 'a token for billing', %as_billing, token => good_token(%billing));
    refused_as(invalid_token => '/billing/', 'a token of corp', token => good_token(%corp), reason => 'audience_mismatch');
    refused_as(invalid_token => '/billing/', 'a token of the partner', token => $partner->());
    refused_as(insufficient_scope => '/billing/', 'a token without the scope',
               token => good_token(%billing, scope => []));

    granted_as('/shared/', 'a token of corp', %as_corp, token => good_token(%corp));
    granted_as('/shared/', 'a token of the partner', %as_partner, token => $partner->());
    refused_as(invalid_token => '/shared/', 'a token for billing', token => good_token(%billing));
    refused_as(insufficient_scope => '/shared/', 'isAdmin of the partner is ignored',
               token => $partner->(realm_access => { roles => ['other'] }));
    granted_as('/shared/', 'isAdmin of corp', %as_corp,
             token => good_token(%corp, scope => [], isAdmin => \'true'));

    # key, iss and aud belong together
    refused_as(invalid_token => '/shared/', 'the key of corp and the issuer of the partner', reason => 'issuer_mismatch',
               token => good_token(%partner));
    refused_as(invalid_token => '/shared/', 'the key of the partner and the issuer of corp', reason => 'issuer_mismatch',
               token => $partner->(%corp));

    # only the partner has a leeway
    my %late = (exp => time - 10);
    granted_as('/shared/', 'a token of the partner within the leeway', %as_partner, token => $partner->(%late));
    refused_as(expired_token => '/shared/', 'an expired token of corp', token => good_token(%corp, %late));

    refused_as(unavailable => '/elsewhere', 'a path that matches no location', reason => 'misconfigured',
               token => good_token(%corp));

    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /shared/ HTTP/1.1" 200 partner/pat ok$}m, 'the access log of a granted request';
    like $log, qr{"GET /billing/ HTTP/1.1" 401 .* audience_mismatch$}m, 'the access log of a refused request';

    end();
}

sub scopes () {
    my $pem = slurp_tls();
    begin('scopes', tls => 1, files => {
        'etc/auth_token/issuer.pem' => key('rsa')->pem,
        'etc/auth_token/tls.crt'    => $pem,
        'etc/auth_token/tls.key'    => $pem,
    });

    my $user  = 0;
    my $token = sub (@scopes) { good_token(scope => [@scopes], username => 'u' . ++$user) };
    my $as    = sub (@scopes) { (user => "u$user", id => '1108612', scope => "@scopes") };
    my %realm = (realm => 'snapshots');

    # a scope for each method
    for (['GET', 'read'], ['POST', 'write'], ['PUT', 'write'], ['PATCH', 'write'],
         ['DELETE', 'write', 'delete'])
    {
        my ($method, @needed) = @$_;
        my %o = (method => $method, $method =~ /^P/ ? (body => 'x') : ());
        my $good = $token->(@needed);

        granted_as('/api/x', "$method with @needed", $as->(@needed), token => $good, %o);

        my @others = grep { my $o = $_; !grep { $_ eq $o } @needed } qw(read write delete);
        refused_as(insufficient_scope => '/api/x', "$method with @others", %o, %realm,
                   token => $token->(@others), reason => 'insufficient_scope');
    }

    my $head = ask('/api/x', method => 'HEAD', token => $token->('read'));
    is $head->{status}, 200, 'HEAD with read';
    refused_as(insufficient_scope => '/api/x', 'DELETE with write alone', method => 'DELETE', %realm,
               token => $token->('write'));

    for my $method (qw(OPTIONS PURGE PROPFIND)) {
        refused_as(insufficient_scope => '/api/x', "$method is refused with every scope",
                   method => $method, %realm,
                   token => $token->(qw(read write delete)));
        refused_as(insufficient_scope => '/api/x', "$method is refused with isAdmin", method => $method,
                   %realm, token => good_token(isAdmin => \'true', username => "admin$method"));
    }

    refused_as(no_token => '/api/x', 'no credential', %realm);
    refused_as(expired_token => '/api/x', 'an expired token', token => good_token(exp => 1), %realm);
    refused_as(invalid_token => '/api/x', 'a token signed by another key',
               token => token(key => key('rsa2')), %realm);

    # locations with other requirements
    my $nothing = $token->();
    granted_as('/api/me', 'a token without scopes', $as->(), token => $nothing);
    refused_as(no_token => '/api/me', 'no credential', %realm);
    my $settings = $token->(qw(read settings));
    granted_as('/api/settings/', 'both scopes', $as->(qw(read settings)), token => $settings);
    refused_as(insufficient_scope => '/api/settings/', 'only the scope of the method', %realm,
               token => $token->('read'));
    refused_as(insufficient_scope => '/api/settings/', 'only the scope of the location', %realm,
               token => $token->('settings'));

    # cookies and the origin of their requests
    my $cookie = 'accessToken=' . $token->(qw(read write));
    my %cookie = (cookie => $cookie, $as->(qw(read write)));
    my %post   = (%cookie, method => 'POST', body => 'x');
    my $own    = 'Origin: https://127.0.0.1:' . $s->port;

    granted_as('/api/x', 'a cookie', %cookie);
    granted_as('/api/x', 'a POST from this origin', %post, headers => [$own]);
    granted_as('/api/x', 'a POST from the application', %post,
             headers => ['Origin: https://app.example', 'Sec-Fetch-Site: cross-site']);
    granted_as('/api/x', 'a GET from another site', %cookie, headers => ['Origin: https://evil.example']);
    refused_as(origin_not_allowed => '/api/x', 'a POST from another site', reason => 'origin_not_allowed',
               %post, headers => ['Origin: https://evil.example']);
    my $bearer = $token->('write');
    granted_as('/api/x', 'a bearer token from another site', $as->('write'), token => $bearer,
             method => 'POST', body => 'x', headers => ['Origin: https://evil.example']);

    # the access log has the user and no token
    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /api/x HTTP/2.0" 200 user="u1" subject="u1" reason="ok" token="[0-9a-f]{12}"$}m,
        'the access log of a granted request';
    like $log, qr{"GET /api/x HTTP/2.0" 403 user="-" subject="u2" reason="insufficient_scope" token="[0-9a-f]{12}"$}m,
        'the access log of a refused request';
    like $log, qr{"GET /api/x HTTP/2.0" 401 user="-" subject="-" reason="no_credential" token="-"$}m,
        'the access log of a request without a credential';

    limits();
    end();
}

# each user has a rate limit, and each address without a valid token
sub limits () {
    my $busy = good_token(username => 'busy');
    my $calm = good_token(username => 'calm');

    my @busy = many(90, $busy, '127.0.0.5');
    is_deeply [grep { !/^(?:200|429)$/ } @busy], [], 'a busy user: 200 or 429';
    cmp_ok scalar(grep { $_ == 200 } @busy), '>=', 41, 'a busy user: requests within the burst are granted';
    cmp_ok scalar(grep { $_ == 429 } @busy), '>=', 1, 'a busy user: further requests get 429';

    my @same = many(1, $calm, '127.0.0.5');
    is "@same", '200', 'another user of the same address is not limited';

    my @forged = many(90, token(key => key('rsa2')), '127.0.0.6');
    is_deeply [grep { !/^(?:401|429)$/ } @forged], [], 'forged tokens: 401 or 429';
    cmp_ok scalar(grep { $_ == 429 } @forged), '>=', 1, 'forged tokens: further requests get 429';

    my @there = many(1, $calm, '127.0.0.6');
    is "@there", '200', 'a valid token from the same address is not limited';
}

sub ipfabric () {
    my %text = map { $_ => secret("$_-" . '0' x 32) } qw(dashboards cleanup former last-year);
    my $n = 0;

    my $pem = slurp_tls();
    begin('ipfabric', tls => 1, store => { map { ++$n x 64 => $text{$_} } qw(dashboards cleanup former last-year) },
          files => {
              'etc/auth_token/signing'       => key('rsa')->private_pem,
              'etc/auth_token/endpoints.tsv' => slurp("$examples/ipfabric/endpoints.tsv"),
              'etc/auth_token/tls.crt'       => $pem,
              'etc/auth_token/tls.key'       => $pem,
          });
    my $store  = $s->{store};
    my $away   = '127.0.0.2';
    my $jwt    = sub (%o) { good_token(iss => 'https://ipfabric.example', aud => 'ipfabric', %o) };
    my @dash   = (api_token => $text{dashboards});
    my @clean  = (api_token => $text{cleanup});
    my @delete = (method => 'DELETE');

    # a scope as an id, and as a text
    for my $path ('/api/v6.1/snapshots', '/api/v7/snapshots', '/api/snapshots') {
        granted_as($path, 'a scope given as id', user => 'jane', @dash);
    }
    granted_as('/api/v6.1/tables/inventory/devices', 'a scope given as text', user => 'jane', @dash,
             method => 'POST', body => '{}');
    granted_as('/api/v6.1/snapshots', 'HEAD counts as GET', @dash, method => 'HEAD');
    refused_as(insufficient_scope => '/api/v6.1/tables/inventory/devices', 'another method', @dash, reason => 'unknown_endpoint');
    refused_as(insufficient_scope => '/api/v6.1//snapshots', 'an ambiguous path', @dash,
               reason => 'unknown_endpoint');
    refused_as(address_not_allowed => '/api/v6.1/snapshots', 'an address outside of the ranges', @dash, from => $away, reason => 'address_not_allowed');

    # a token of an administrator has the scopes of the token only
    granted_as('/api/v6.1/snapshots/1', 'DELETE with its scope', user => 'operator', @clean, @delete, from => $away);
    refused_as(insufficient_scope => '/api/v6.1/snapshots', 'DELETE without its scope', @clean, @delete, reason => 'endpoint_not_granted');

    refused_as(client_disabled => '/api/v6.1/snapshots', 'a disabled API token', api_token => $text{former}, reason => 'disabled_client');
    refused_as(expired_api_token => '/api/v6.1/snapshots', 'an expired API token', api_token => $text{'last-year'}, reason => 'expired_api_token');
    refused_as(invalid_api_token => '/api/v6.1/snapshots', 'an unknown API token', api_token => 'x' x 32, reason => 'unknown_api_token');
    refused_as(no_token => '/api/v6.1/snapshots', 'no credential', reason => 'no_credential');
    refused_as(invalid_token => '/api/v6.1/snapshots', 'an API token and a JWT', @dash, token => $jwt->(),
               reason => 'several_credentials');

    # JWTs
    granted_as('/api/v6.1/snapshots', 'a JWT with a scope as text', user => 'jane', token => $jwt->(scope => ['GET /snapshots']));
    granted_as('/api/v6.1/snapshots', 'a cookie with a scope as id', user => 'jane',
             cookie => 'accessToken=' . $jwt->(scope => ['79ab4b0754b069399464a23c222725111915f8f9']));
    granted_as('/api/v6.1/snapshots', 'a JWT of an administrator', user => 'jane',
             token => $jwt->(scope => [], isAdmin => \'true'));

    # public endpoints, and endpoints for every valid credential
    granted_as('/api/version', 'the version is public', user => undef);
    refused_as(insufficient_scope => '/api/v6.1/version', 'a versioned path is not', @dash);
    granted_as($_, 'every valid credential', user => 'jane', @dash) for qw(/api/v6.1/users/me /api/users/me /api/v6.1/users/me/scopes/api);
    refused_as(no_token => '/api/v6.1/users/me', 'no credential');

    # changed while nginx runs
    $store->update('token', 'dashboards', scope => ['DELETE /snapshots/:key', 'GET /snapshots/:key']);
    granted_as('/api/v6.1/snapshots/1', 'after token update', user => 'jane', @dash);
    $store->ok('user', 'disable', 'jane');
    refused_as(client_disabled => '/api/v6.1/users/me', 'after user disable', @dash,
               reason => 'disabled_user');
    $store->ok('token', 'enable', 'former');
    granted_as('/api/v6.1/snapshots', 'after token enable', user => 'operator', api_token => $text{former});
    $store->ok('token', 'revoke', 'former');
    refused_as(invalid_api_token => '/api/v6.1/snapshots', 'after token revoke', api_token => $text{former});

    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /api/v6.1/snapshots HTTP/1.1" 200 user="jane" token="dashboards" endpoint="GET /snapshots" reason="ok"$}m,
        'the access log of a granted request';

    token_api();
    end();
}

# the cookies of a response: name => value, and name => attributes
sub set_cookies ($answer) {
    my %value = cookies($answer);
    return \%value, { map { /\A(\w+)=[^;]*; (.*)\z/ ? ($1 => $2) : () } $answer->all('Set-Cookie') };
}

# login, refresh and logout of the same example
sub token_api () {
    my $store  = $s->{store};
    my $secret = 'canary-open-sesame';
    my $v      = '/api/v6.0';
    my %json   = (method => 'POST', headers => ['Content-Type: application/json']);
    my $login  = sub ($user, $password, $path = "$v/auth/login") {
        return ask($path, %json, body => qq({"username":"$user","password":"$password"}));
    };

    $store->ok('user', 'enable', 'jane');
    $store->ok('user', 'passwd', $_, '--password-file', '-', { input => $secret }) for qw(jane operator);

    my $flags = qr/HttpOnly; Secure; SameSite=Strict/;
    for my $path ("$v/auth/login", '/api/v7/auth/login', '/api/auth/login') {
        my $answer = $login->('jane', $secret, $path);
        my ($value, $with) = set_cookies($answer);

        is $answer->{status}, 200, "$path: login";
        is $answer->{body}, '{}', "$path: no token in the body";
        is $answer->{reached}, 0, "$path: the upstream does not hear of it";
        like $with->{accessToken}, qr{\AMax-Age=1800; Path=/; Expires=\w{3}, .* GMT; $flags\z}, "$path: the cookie of the access token";
        like $with->{refreshToken}, qr{\AMax-Age=86400; Path=/api/auth/token; Expires=\w{3}, .* GMT; $flags\z},
            "$path: the cookie of the refresh token";
        granted_as("$v/snapshots", 'the cookie of the login', user => 'jane', cookie => "accessToken=$value->{accessToken}");
    }

    refused_as(invalid_credentials => "$v/auth/login", 'a wrong password', %json, body => '{"username":"jane","password":"canary-no"}',
               reason => 'wrong_password');
    my $get = ask("$v/auth/login");
    is "$get->{status} $get->{reached}", '405 0', 'GET is refused';

    my ($value) = set_cookies($login->('jane', $secret));
    refused_as(insufficient_scope => "$v/snapshots", 'a scope that the user does not have',
               token => $value->{accessToken},
               method => 'POST', body => '{}', reason => 'endpoint_not_granted');

    my ($admin) = set_cookies($login->('operator', $secret));
    granted_as("$v/snapshots", 'the access token of an administrator', user => 'operator', token => $admin->{accessToken},
             method => 'POST', body => '{}');

    # Basic
    granted_as("$v/snapshots", 'Basic', user => 'jane', auth => 'Basic ' . encode("jane:$secret"));

    # refresh by cookie and by body; the refresh token is used up
    my $both = sub ($v) { "refreshToken=$v->{refreshToken}; accessToken=$v->{accessToken}" };
    my $refresh = ask('/api/auth/token', method => 'POST', cookie => $both->($value));
    my ($next)  = set_cookies($refresh);
    is "$refresh->{status} $refresh->{reached}", '200 0', 'refresh by the cookie with an empty body';
    refused_as(invalid_refresh_token => '/api/auth/token', 'the used refresh token', method => 'POST', cookie => $both->($value),
               scheme => 'Bearer');

    $refresh = ask('/api/auth/token', %json, body => qq({"refreshToken":"$next->{refreshToken}"}));
    my ($third) = set_cookies($refresh);
    is $refresh->{status}, 200, 'refresh by the body';
    is ask("$v/auth/token", method => 'POST', cookie => $both->($third))->{status}, 403, 'refresh has no versioned path';

    # logout
    my $logout = ask("$v/auth/logout", method => 'POST', token => $third->{accessToken});
    my ($none, $with) = set_cookies($logout);
    is "$logout->{status} $logout->{body} $logout->{reached}", '200 {"success":true} 0', 'logout by the access token';
    like $with->{$_}, qr/\AMax-Age=0; /, "$_ is cleared" for qw(accessToken refreshToken);
    refused_as(invalid_refresh_token => '/api/auth/token', 'the refresh token after logout', method => 'POST', cookie => $both->($third));

    # auth_token_local off, as in the comment of the example
    reconfigure(sub { s/# (auth_token_local off;)/$1/ });
    is $login->('jane', $secret)->{status}, 401, 'auth_token_local off: login is refused';
    refused_as(invalid_credentials => "$v/snapshots", 'auth_token_local off: Basic is refused', auth => 'Basic ' . encode("jane:$secret"), reason => 'login_disabled');
    granted_as("$v/snapshots", 'auth_token_local off: a JWT is accepted', user => 'jane', token => $third->{accessToken});
}

sub cipp () {
    my ($reports, $desk, $editor, $off) = qw(0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6
        5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5 a94f6e02-81c3-4b5d-b7e6-3f2a1d0c9b8e
        e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4);
    my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';

    begin('cipp', store => {}, files => {
        'etc/auth_token/entra-v1.jwks' => '{"keys":[' . key('rsa')->jwk(kid => 'k1', use => 'sig') . ']}',
        'etc/auth_token/entra-v2.jwks' => '{"keys":[' . key('rsa')->jwk(kid => 'k1', use => 'sig',
            issuer => 'https://login.microsoftonline.com/{tenantid}/v2.0') . ']}',
        'etc/auth_token/endpoints.tsv' => slurp("$examples/cipp/endpoints.tsv"),
    });
    my $store = $s->{store};

    # tokens as Entra issues them, of both versions: without scope and user
    my $token = sub ($client, %o) {
        return token(header => { kid => 'k1' }, claims => {
            iss => "https://sts.windows.net/$tenant/", aud => "api://$client", appid => $client, ver => '1.0',
            tid => $tenant,
            (map { $_ => GONE } qw(id scope username isAdmin)), %o });
    };
    my $v2 = sub ($client) {
        return $token->($client, iss => "https://login.microsoftonline.com/$tenant/v2.0", ver => '2.0',
                        appid => GONE, azp => $client);
    };
    my @post  = (method => 'POST', body => '{}');
    my $away  = '127.0.0.2';
    my %read  = (client => $reports, role => 'readonly');
    my %help  = (client => $desk, role => 'helpdesk');

    # bodies as CIPP sends them
    my $no    = 'Access to this CIPP API endpoint is not allowed, ';
    my %text  = map { $_ => { type => 'text/plain', says => 'You do not have permission to view this directory or page.' } }
                qw(no_token invalid_token expired_token);
    $text{insufficient_scope} = { type => 'text/plain',
                                 says => "${no}the user does not have the required permission" };
    $text{$_}    = { type => 'text/plain', says => "${no}the API Client does not have the required permission" }
        for qw(address_not_allowed client_disabled);
    my $refused = sub ($sign, $path, $name, %o) { refused_as($sign, $path, $name, $text{$sign}->%*, %o) };
    my $base    = sub ($role, $permission) {
        return (type => 'text/plain',
                says => "${no}the '$role' base role does not have the required permission: $permission");
    };
    my $custom  = sub ($permission) {
        return (type => 'text/plain', says => "${no}you do not have the required permission: $permission");
    };

    # the role readonly
    granted_as('/api/ListUsers', 'the role readonly', %read, token => $token->($reports));
    granted_as('/api/ListUsers', 'a token of version 2.0', %read, token => $v2->($reports));
    granted_as('/API/listusers', 'an endpoint in another case', %read, token => $token->($reports));
    granted_as('/api/ListUsers', 'a client id in another case', %read, token => $token->(uc $reports, aud => "api://$reports"));
    $refused->(insufficient_scope => '/api/AddUser', 'an endpoint that readonly does not grant', token => $token->($reports), @post, reason => 'endpoint_not_granted',
               $base->(readonly => 'Identity.User.ReadWrite'));
    $refused->(insufficient_scope => '/api/NoSuchThing', 'an unknown endpoint', token => $token->($reports), reason => 'unknown_endpoint',
               type => 'text/plain', says => 'Endpoint not found');
    $refused->(address_not_allowed => '/api/ListUsers', 'an address outside of the ranges', token => $token->($reports), from => $away,
               reason => 'address_not_allowed');

    # a custom role: ReadWrite covers Read, and one endpoint is blocked
    granted_as('/api/EditUser', 'a custom role', %help, token => $token->($desk), @post, from => $away);
    granted_as('/api/ListUsers', 'ReadWrite covers Read', %help, token => $token->($desk));
    $refused->(insufficient_scope => '/api/ExecOffboardUser', 'a blocked endpoint',
               token => $token->($desk), @post,
               reason => 'blocked_endpoint', type => 'text/plain',
               says => "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser");

    # the role editor, with address ranges
    granted_as('/api/AddUser', 'the role editor', client => $editor, role => 'editor', token => $token->($editor), @post);
    $refused->(insufficient_scope => '/api/ExecStandardsRun', 'an endpoint that editor excludes', token => $token->($editor), @post,
               reason => 'endpoint_not_granted', $base->(editor => 'Tenant.Standards.ReadWrite'));
    $refused->(address_not_allowed => '/api/AddUser', 'an address outside of the ranges', token => $token->($editor), @post, from => $away);

    $refused->(client_disabled => '/api/ListUsers', 'a disabled client', token => $token->($off), reason => 'disabled_client');
    $refused->(client_disabled => '/api/ListUsers', 'an unknown client', reason => 'unknown_client',
               token => $token->('00000000-0000-4000-8000-000000000000', aud => "api://$reports"));
    $refused->(invalid_token => '/api/ListUsers', 'a token for an unknown client',
               reason => 'audience_mismatch',
               token => $token->($reports, aud => 'api://00000000-0000-4000-8000-000000000000'));
    $refused->(invalid_token => '/api/ListUsers', 'a token of another tenant', reason => 'issuer_mismatch',
               token => $token->($reports, iss => 'https://sts.windows.net/other/'));
    $refused->(invalid_token => '/api/ListUsers', 'a token with another tenant in tid', reason => 'bad_claim',
               token => $token->($reports, tid => '11111111-2222-3333-4444-555555555555'));
    $refused->(insufficient_scope => '/api/ListUsers', 'a token on behalf of a user', reason => 'delegated', type => 'text/plain',
               token => $token->($reports, scp => 'user_impersonation'),
               says => 'Access denied: unable to resolve roles for the authenticated principal');
    $refused->(expired_token => '/api/ListUsers', 'an expired token', token => $token->($reports, exp => 1));
    $refused->(invalid_token => '/api/ListUsers', 'a token signed by another key', token => token(key => key('rsa2'), header => { kid => 'k1' }));
    $refused->(no_token => '/api/ListUsers', 'no credential');

    # rights in the token are ignored
    $refused->(insufficient_scope => '/api/AddUser', 'a scope in the token is ignored', @post, reason => 'endpoint_not_granted',
               $base->(readonly => 'Identity.User.ReadWrite'),
               token => $token->($reports, scope => ['Identity.User.ReadWrite'], isAdmin => \'true'));

    granted_as('/api/PublicPing', 'a public endpoint');

    # changed while nginx runs
    $store->ok('client', 'disable', $reports);
    $refused->(client_disabled => '/api/ListUsers', 'after client disable', token => $token->($reports), reason => 'disabled_client');
    $store->ok('client', 'enable', $reports);
    $store->update('client', $reports, role => 'superadmin', allow => 'any');
    granted_as('/api/ExecCippFunction', 'after client enable and update', client => $reports, role => 'superadmin',
             token => $token->($reports), @post, from => $away);
    $store->ok('role', 'delete', 'helpdesk');
    $refused->(insufficient_scope => '/api/ListGroups', 'after role delete', token => $token->($desk), reason => 'no_role');

    like slurp($s->dir . '/access.log'),
        qr{"GET /api/ListUsers HTTP/1.1" 200 client="$reports" role="readonly" subject="$reports" reason="ok"$}m, 'the log';

    end();
}

# The PowerShell example of CIPP's documentation with another host in its URLs; t/oauth.t has
# the exact bytes that it sends.
sub client_credentials () {
    my ($reports, $auto, $off) = qw(0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6
        5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5 e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4);
    my $tenant = 'd6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69';
    my $pem    = slurp_tls();

    begin('client-credentials', tls => 1, store => {}, files => {
        'etc/auth_token/signing'       => key('rsa')->private_pem,
        'etc/auth_token/endpoints.tsv' => slurp("$examples/cipp/endpoints.tsv"),
        'etc/auth_token/tls.crt'       => $pem,
        'etc/auth_token/tls.key'       => $pem,
    });
    my $store  = $s->{store};
    my $rotate = sub ($id) {
        $store->ok('client', 'rotate-secret', $id) =~ /^secret +(\S+)$/m or die "no secret\n";
        return secret($1);
    };
    my %secret = map { $_ => $rotate->($_) } $reports, $auto, $off;

    # $AuthBody of that example, as Invoke-RestMethod -Method POST -Body sends it
    my $ask = sub ($id, $secret, %o) {
        my $answer = ask("/$tenant/oauth2/v2.0/token", method => 'POST',
            headers => ['Content-Type: application/x-www-form-urlencoded'],
            body => "client_id=$id&client_secret=$secret&scope=api%3A%2F%2F$id%2F.default&grant_type=client_credentials",
            %o);
        my $json = eval { JSON::PP->new->decode($answer->{body}) } // {};
        secret($json->{access_token}) if $json->{access_token};
        return ($answer, $json);
    };
    # $AuthHeader of that example, with -ContentType
    my $with = sub ($json) {
        return (headers => ["Authorization: Bearer $json->{access_token}", 'Content-Type: application/json',
                            'Content-Length: 0']);
    };

    my ($answer, $json) = $ask->($reports, $secret{$reports});
    is "$answer->{status} $answer->{reached}", '200 0', 'a token is issued';
    is AuthToken::Local::claims_of($json->{access_token})->{aud}, "api://$reports", 'the audience is the client';
    granted_as('/api/ListLogs', 'a request with the token', client => $reports, role => 'readonly', $with->($json));
    my $no = 'Access to this CIPP API endpoint is not allowed, ';
    refused_as(insufficient_scope => '/api/AddUser', 'an endpoint that its role does not grant', type => 'text/plain', method => 'POST', body => '{}',
               token => $json->{access_token}, reason => 'endpoint_not_granted',
               says => "${no}the 'readonly' base role does not have the required permission: Identity.User.ReadWrite");
    refused_as(address_not_allowed => '/api/ListLogs', 'an address outside of the ranges', type => 'text/plain', from => '127.0.0.2',
               says => "${no}the API Client does not have the required permission", token => $json->{access_token});

    my ($own) = $ask->($auto, $secret{$reports});
    is "$own->{status} $own->{body}", '401 {"error":"invalid_client"}', 'the secret of another client';
    ($own) = $ask->($off, $secret{$off});
    is "$own->{status} $own->{body}", '401 {"error":"invalid_client"}', 'a disabled client';

    # two secrets are valid during a rotation
    my $newer = $rotate->($auto);
    for ([$secret{$auto}, 'the last secret'], [$newer, 'the new one']) {
        my ($secret, $name) = @$_;
        my ($answer, $json) = $ask->($auto, $secret);
        is $answer->{status}, 200, "$name is good";
        granted_as('/api/AddUser', "$name: a request with its token", client => $auto, role => 'editor', token => $json->{access_token},
                 method => 'POST', body => '{}');
    }
    my $keys = ask('/discovery/keys');
    like $keys->{body}, qr/\A\{"keys":\[\{.*"kty":"RSA"/, 'the JWK Set is published';

    end();
}

sub entra () {
    my ($reports, $auto, $desk, $off) = qw(0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6
        5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5 a94f6e02-81c3-4b5d-b7e6-3f2a1d0c9b8e
        e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4);
    my ($contoso, $fabrikam) = qw(d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69 7c9e6679-7425-40de-944b-e07fc1f90ae7);

    # key documents as Microsoft publishes them: version 2.0 with the issuer of each key
    my $microsoft = AuthToken::Source->start(documents => { map {
        my ($tid, $name) = @$_;
        my $set = sub (%more) { '{"keys":[' . key($name)->jwk(kid => $name, x5t => $name, use => 'sig', %more) . ']}' };
        ("/$tid/discovery/keys"      => $set->(),
         "/$tid/discovery/v2.0/keys" => $set->(issuer => 'https://login.microsoftonline.com/{tenantid}/v2.0'))
    } [$contoso, 'rsa'], [$fabrikam, 'rsa3'] });

    begin('entra', store => {}, ca => $microsoft->ca,
          change => sub { s{(jwks_uri +)https://login\.microsoftonline\.com(\S+);}
                           {$1 . $microsoft->base . "$2 ca_file=/etc/nginx/ca.pem;"}ge },
          files => { 'etc/auth_token/endpoints.tsv' => slurp("$examples/cipp/endpoints.tsv"),
                     'etc/ca.pem' => $microsoft->ca });
    all_workers_have("\\S+/$_/discovery/keys", "\\S+/$_/discovery/v2\\.0/keys") for $contoso, $fabrikam;
    my $store = $s->{store};

    my $token = sub ($version, $tid, $client, %o) {
        my $key = $o{key} // ($tid eq $contoso ? 'rsa' : 'rsa3');
        return token(key => key($key), header => { kid => $key }, claims => {
            (map { $_ => GONE } qw(id scope username isAdmin)), tid => $tid,
            $version == 1
                ? (ver => '1.0', iss => "https://sts.windows.net/$tid/", aud => "api://$client", appid => $client)
                : (ver => '2.0', iss => "https://login.microsoftonline.com/$tid/v2.0", aud => $client, azp => $client),
            ($o{claims} // {})->%* });
    };
    my $no      = 'Access to this CIPP API endpoint is not allowed, ';
    my $client  = "${no}the API Client does not have the required permission";
    my $page    = 'You do not have permission to view this directory or page.';
    my $refused = sub ($sign, $path, $says, $name, %o) {
        refused_as($sign, $path, $name, type => 'text/plain', says => $says, %o);
    };
    my @post  = (method => 'POST', body => '{}');
    my %first = (issuer => 'contoso', client => $reports, role => 'readonly');
    my %other = (issuer => 'fabrikam', client => $desk, role => 'helpdesk');

    for my $v (1, 2) {
        granted_as('/api/ListUsers', "version $v, the first tenant", %first, token => $token->($v, $contoso, $reports));
        granted_as('/api/ListUsers', "version $v, the second tenant", %other, token => $token->($v, $fabrikam, $desk));
        $refused->(client_disabled => '/api/ListUsers', $client, "version $v, a client of the other tenant",
                   token => $token->($v, $contoso, $desk), reason => 'client_issuer_mismatch');
        $refused->(invalid_token => '/api/ListUsers', $page, "version $v, a token of a third tenant", reason => 'issuer_mismatch',
                   token => $token->($v, '11111111-2222-3333-4444-555555555555', $reports, key => 'rsa'));
        $refused->(invalid_token => '/api/ListUsers', $page, "version $v, a token signed by a key of the other tenant", reason => 'unknown_kid',
                   token => $token->($v, $contoso, $reports, key => 'rsa4'));
        $refused->(insufficient_scope => '/api/ListUsers', 'Access denied: unable to resolve roles for the authenticated principal',
                   "version $v, a user", token => $token->($v, $contoso, $reports, claims => { scp => 'x' }),
                   reason => 'delegated');
    }
    granted_as('/api/ListUsers', 'an audience of another client, first tenant', %first,
             token => $token->(1, $contoso, $reports, claims => { aud => "api://$auto" }));
    $refused->(invalid_token => '/api/ListUsers', $page, 'an audience of another client, second tenant', reason => 'audience_mismatch',
               token => $token->(1, $fabrikam, $desk, claims => { aud => "api://$off" }));
    $refused->(address_not_allowed => '/api/ListUsers', $client, 'an address outside of the ranges', token => $token->(1, $contoso, $reports),
               from => '127.0.0.2', reason => 'address_not_allowed');
    $refused->(insufficient_scope => '/api/ExecOffboardUser', "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser",
               'blocked', token => $token->(2, $fabrikam, $desk), @post, reason => 'blocked_endpoint');

    # additional address ranges
    my @admin = (token => $token->(2, $contoso, $auto));
    $refused->(address_not_allowed => '/api/execapiclient', $client, 'an address outside of the office', @admin, @post, reason => 'address_not_allowed');
    reconfigure(sub { s/198\.51\.100\.0/127.0.0.0/ });
    granted_as('/api/ExecApiClient', 'an address of the office', issuer => 'contoso', client => $auto, role => 'superadmin', @admin, @post);
    $refused->(invalid_token => '/api/ExecApiClient', $page, 'a token of the second tenant', token => $token->(2, $fabrikam, $desk), @post,
               reason => 'unknown_kid');

    # the commands in the comment of the example
    my $new = '00000000-1111-2222-3333-444444444444';
    $refused->(client_disabled => '/api/ListUsers', $client, 'an unknown client', token => $token->(1, $contoso, $new),
               reason => 'unknown_client');
    my @commands = slurp("$examples/entra/nginx.conf") =~ /^#   auth-token ((?:client|import --cipp) .*?)(?: +#.*)?$/mg;
    is scalar(@commands), 2, 'the comment has two commands for clients';
    $store->ok(map { s/CLIENT-ID/$new/r } split / /, $commands[0] =~ s{192\.0\.2\.0/24}{127.0.0.1}r);
    granted_as('/api/ListUsers', 'after client create', issuer => 'contoso', client => $new, role => 'readonly',
             token => $token->(1, $contoso, $new));
    $store->ok('client', 'delete', $new);
    $store->ok((map { s/backup\.json/-/r } split / /, $commands[1]), { input => JSON::PP->new->utf8->encode([
        { PartitionKey => 'ApiClients', RowKey => $new, AppName => 'n', Role => 'editor', IPRange => '"127.0.0.1"',
          Enabled => 'True', table => 'ApiClients' }]) });
    granted_as('/api/ListUsers', 'after import --cipp', issuer => 'contoso', client => $new, role => 'editor',
             token => $token->(2, $contoso, $new));

    like slurp($s->dir . '/access.log'),
        qr{" 200 tenant="fabrikam" client="$desk" role="helpdesk" subject="$desk" reason="ok"$}m, 'the log';

    end();
    $microsoft->stop;
}

sub oidc () {
    my $api = 'https://api.example.com';
    my $p   = AuthToken::Provider->start(
        path      => '/realms/main',
        resources => { $api => $api, 'https://other.example.com' => 'https://other.example.com' },
        clients   => [map { { id => $_->[0], claims => { scope => $_->[1], preferred_username => 'jane',
                                                         realm_access => { roles => ['clerk'] } } } }
                      ['reads', 'openid orders:read'], ['writes', 'orders:read orders:write'], ['neither', 'openid']],
    );

    begin('oidc', files => { 'etc/ca.pem' => $p->ca }, change => sub {
        s{https://id\.example\.com/realms/main}{$p->issuer}ge;
        s{(discovery +on);}{$1 ca_file=/etc/nginx/ca.pem;};
    });
    all_workers_have('.*');

    my $token = sub ($client, $resource = $api) { $p->token(client => $client, resource => $resource) };
    my @post  = (method => 'POST', body => 'x');

    granted_as('/orders', 'a token with the scope', user => 'jane', scope => 'openid orders:read', token => $token->('reads'));
    granted_as('/orders', 'a token with both scopes', user => 'jane', scope => 'orders:read orders:write', token => $token->('writes'), @post);
    refused_as(insufficient_scope => '/orders', 'POST with the scope for reading', token => $token->('reads'), @post, reason => 'insufficient_scope');
    refused_as(insufficient_scope => '/orders', 'a token without the scope', token => $token->('neither'), reason => 'insufficient_scope');
    refused_as(invalid_token => '/orders', 'a token for another API', token => $token->('reads', 'https://other.example.com'), reason => 'audience_mismatch');
    refused_as(no_token => '/orders', 'no credential');
    refused_as(invalid_token => '/orders', 'forged', reason => 'bad_signature',
               token => token(key => key('rsa2'), header => { kid => 'rsa' }, claims => { iss => $p->issuer, aud => $api }));
    like ask('/orders', token => $token->('reads'))->{body}, qr/^X-Roles: \["clerk"\]\r?$/m, 'the API gets the roles';

    # the provider changes its key
    my $old = $token->('reads');
    $p->rotate('rsa3', keep => 1);
    my $new   = $token->('reads');
    my $first = ask('/orders', token => $new);
    all_workers_have('.*', 2);
    granted_as('/orders', 'a token of the new key', user => 'jane', scope => 'openid orders:read', token => $new);
    granted_as('/orders', 'a token of the old key', user => 'jane', scope => 'openid orders:read', token => $old);

    like slurp($s->dir . '/access.log'), qr/ 403 "jane" insufficient_scope$/m, 'the access log of a refused request';

    end();
    $p->stop;
}

sub docker () {
    begin('docker', store => undef, files => { 'etc/auth_token/issuer.pem' => key('rsa')->pem },
          confs => ['conf.d/api.conf']);

    granted_as('/', 'a valid token', user => 'jane', token => good_token());
    granted_as('/', 'an API token', user => undef, api_token => $s->{store}->token('t1'));
    refused_as(invalid_api_token => '/', 'an unknown API token', api_token => 'x' x 32);
    refused_as(no_token => '/', 'no credential');
    refused_as(expired_token => '/', 'an expired token', token => good_token(exp => 1));
    refused_as(invalid_token => '/', 'a token signed by another key', token => token(key => key('rsa2')));

    like slurp($s->dir . '/access.log'), qr/ 200 user="jane" client="-" reason="ok"$/m, 'the access log of a JWT';
    like slurp($s->dir . '/access.log'), qr/ 200 user="-" client="t1" reason="ok"$/m, 'the access log of an API token';

    unlink $s->dir . '/etc/auth_token/issuer.pem';
    my ($status, $output) = $s->check;
    ok $status && $output =~ /\[emerg\].*issuer\.pem/, 'nginx -t refuses a missing key';

    end(qr/\[emerg\] .*cannot open .*issuer\.pem/);
}

# --- the server under test --------------------------------------------------

sub begin ($name, %o) {
    $s = Example->new(slurp("$examples/$name/nginx.conf"), %o, name => $name,
                      upstream_port => $upstream->{port}, env => { leaks() });
    is_deeply [$s->foreign], [], 'the configuration uses only the directory of the test';
    make_store("$examples/$name/store.jsonl", $o{store}) if exists $o{store};
    chmod 0600, grep { -e } map { $s->dir . "/etc/auth_token/$_" } qw(signing tls.key);
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

# log lines that match $expected are not alarms
sub end ($expected = qr/(?!)/) {
    ok $s->stop, 'nginx ends after QUIT';

    my @lines = split /\n/, $s->errors->content . $s->output;
    my @alarms = grep {
        /\[(?:alert|crit|emerg)\]|exited on signal|exited with|Sanitizer|runtime error/
            && !/exited with code 0$/ && !/$expected/
    } @lines;
    is_deeply \@alarms, [], 'the error log has no alarm';
    is_deeply [$s->reports], [], 'no sanitizer report';

    my $text = join "\n", @lines, slurp($s->dir . '/access.log');
    is_deeply [grep { index($text, substr $_, -40) >= 0 } secrets()], [], 'no log contains a token';
    unlike $text, qr/canary-/, 'no log contains an unused claim';

    undef $s;
}

# waits until each worker process has the keys of the matching URLs
sub all_workers_have ($url, @more) {
    my $n       = @more && $more[-1] =~ /\A\d+\z/ ? pop @more : 1;
    my $master  = $s->pid;
    my @workers = split ' ', slurp("/proc/$master/task/$master/children");

    for my $source ($url, @more) {
        AuthToken::Log::await_true(sub {
            my %has = map { $_ => 1 } $s->errors->content =~ / (\d+)#\d+: auth_token: keys replaced, .*keys: $n, url: "$source"/g;
            return @workers == grep { $has{$_} } @workers;
        }, "all workers to have the keys of $source");
    }
}

# --- requests ---------------------------------------------------------------

sub identity () { qw(X-User X-User-Id X-Issuer X-Scope X-Tenant X-Client X-Role) }

# Sent with every request: all headers that the example sets, with forged values.
sub spoofs () {
    my %set = map { $_ => 1 } $s->conf =~ /proxy_set_header (\S+)/g;
    delete @set{qw(Authorization Cookie)};
    delete $set{'X-API-Token'} if takes_api_tokens();
    return map { /Token/ ? "$_: canary-api-token" : "$_: mallory" } sort keys %set;
}

# whether the example accepts API tokens; otherwise the header must be removed
sub takes_api_tokens () {
    return $s->conf =~ /auth_token_store/ && $s->conf !~ /auth_token_accept(?![^;]*api_token)/;
}

# whether a 401 has an additional challenge for Basic; token endpoints have none
sub takes_passwords ($path) {
    return $s->conf =~ /auth_token_accept[^;]*\bbasic\b/ && $path !~ m{/auth/};
}

# sends a request; the member reached of the response counts requests to the upstream
sub ask ($path, %o) {
    my @headers = (($o{headers} // [])->@*, spoofs());
    my $cookie  = join '; ', grep { defined } $o{cookie}, 'other=canary-cookie';

    my $before = -s $upstream->{log};
    my $answer = $s->{tls} ? by_curl($path, %o, headers => \@headers, cookie => $cookie)
                           : $s->request($path, %o, headers => \@headers, cookie => $cookie);
    $answer->{reached} = (-s $upstream->{log}) - $before;

    return $answer;
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
               takes_passwords($path) && $answer->{status} == 401 ? (also => ['Basic realm="api", charset="UTF-8"']) : (),
               map { defined $o{$_} && $o{type} ? ($_ => $o{$_}) : () } qw(body type));
    is $answer->{reached}, 0, 'the request does not reach the upstream';

    my @ours = grep { / auth_token: / } $s->errors->lines;
    is scalar(@ours), 1, 'the refusal is logged in one line';
    like $ours[0], qr/ reason: \Q$o{reason}\E,/, "the reason is $o{reason}" if defined $o{reason};
}

# one request by curl, because AuthToken::Client has no TLS
sub by_curl ($path, %o) {
    my @headers = ($o{headers}->@*, "Cookie: $o{cookie}",
                   (map { "Authorization: $_" } grep { defined } $o{auth}),
                   (map { "Authorization: Bearer $_" } grep { defined } $o{token}),
                   (map { "X-API-Token: $_" } grep { defined } $o{api_token}));

    my @conf = (
        'url = ' . quoted('https://127.0.0.1:' . $s->port . $path),
        'silent', 'show-error', 'insecure', 'path-as-is', 'globoff', 'noproxy = "*"',
        'max-time = 20', 'dump-header = ' . quoted("$temp/head"),
        'output = ' . quoted("$temp/body"),
        ($o{method} // '') eq 'HEAD' ? 'head' : 'request = ' . quoted($o{method} // 'GET'),
        (map { 'header = ' . quoted($_) } @headers),
        (map { 'interface = ' . quoted($_) } grep { defined } $o{from}),
        defined $o{body} ? 'data-binary = ' . quoted($o{body}) : (),
    );

    unlink "$temp/head", "$temp/body";
    run_curl(@conf);

    my ($line, @lines) = split /\r\n/, slurp("$temp/head");
    my ($status) = ($line // '') =~ m{^HTTP/\S+ (\d+)} or die "no answer by curl\n";

    return bless {
        status  => $status,
        body    => -e "$temp/body" ? slurp("$temp/body") : '',
        headers => [map { [/^([^:]+): ?(.*)$/] } @lines],
    }, 'AuthToken::Client::Response';
}

# the statuses of $n requests without pauses
sub many ($n, $token, $from) {
    my $url = quoted('https://127.0.0.1:' . $s->port . '/api/x');
    my @request = ("url = $url", 'silent', 'insecure', 'noproxy = "*"',
                   'interface = ' . quoted($from), 'max-time = 20',
                   'header = ' . quoted("Authorization: Bearer $token"),
                   'output = /dev/null', 'write-out = "%{http_code}\n"');

    my @conf = map { (@request, 'next') } 1 .. $n;
    pop @conf;

    return split /\n/, run_curl(@conf);
}

sub run_curl (@conf) {
    open my $fh, '>', "$temp/curl" or die "$temp/curl: $!\n";
    print $fh map { "$_\n" } @conf;
    close $fh;

    open my $pipe, '-|', 'curl', '-q', '--config', "$temp/curl" or die "curl: $!\n";
    local $/;
    my $output = <$pipe> // '';
    close $pipe;
    return $output;
}

sub quoted ($text) { '"' . ($text =~ s/(["\\])/\\$1/gr) . '"' }

# --- the upstream -----------------------------------------------------------

# Answers each request with its head, and appends a byte to a log.
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

# a certificate and its key in one file
sub slurp_tls () {
    my ($file) = AuthToken::Server::_tls() =~ /ssl_certificate (\S+);/;
    return slurp($file);
}

sub confs () {
    my @found;
    File::Find::find({ no_chdir => 1, wanted => sub {
        push @found, s{^\Q$examples\E/}{}r if /\.conf\z/;
    } }, $examples);
    return sort @found;
}

# A server with the configuration of an example, whose paths, ports and upstream are replaced.
package Example;

use parent -norequire, 'AuthToken::Server';

sub configure ($self, $conf) {
    my $o = $self->{options};

    $self->{text} = $conf;
    $self->{tls}  = $o->{tls};
    main::make_path(map { $self->dir . "/etc/$_" }
                        qw(auth_token/html/errors conf.d));

    $self->SUPER::write("etc/$_", $self->replaced(main::slurp("$examples/$o->{name}/$_")))
        for ($o->{confs} // [])->@*;

    my $text = $self->replaced($conf);

    if ($text !~ /_temp_path/) {
        my $paths = join ' ', map { "${_}_temp_path " . $self->dir . "/${_}_temp;" }
                    qw(client_body proxy fastcgi uwsgi scgi);
        $text =~ s/^http \{\n/http {\n    $paths\n/m;
    }

    $self->SUPER::write('nginx.conf', $text);
}

sub write ($self, $name, $content) {
    main::make_path(main::dirname($self->dir . "/$name"));
    return $self->SUPER::write($name, $content);
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
    $text =~ s/127\.0\.0\.1:9000\b/127.0.0.1:$upstream/g;
    $text =~ s/^(\s*listen )\d+/$1 . '127.0.0.1:' . $self->port/gme;
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
