#!/usr/bin/perl

# conf-examples: each configuration starts as it stands, but for paths, ports and
# the upstream's address, admits and refuses as its comments say, and gives the
# upstream no credential and no identity but the verified one.

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

# what each one is tested by; every .conf of the directory must be in here
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

is_deeply [confs()], [sort keys %tested], 'every example is tested here';

{
    my $readme = slurp("$examples/README.md");
    my %named  = map { $_ => 1 } $readme =~ m{\]\(([\w-]+/nginx\.conf)\)}g;
    is_deeply [sort keys %named], [grep { m{/nginx\.conf$} } confs()],
        'and is in the README';
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

    admitted('/api/v6.1/snapshots', 'a good token', user => 'jane', token => good_token());
    admitted('/', 'POST', user => 'jane', token => good_token(), method => 'POST', body => 'x');
    admitted('/', 'a user whose name is no header', user => undef,
             token => good_token(username => "jane\nX-User: root"));

    refused_as(NONE => '/', 'no credential', reason => 'no_credential');
    refused_as(NONE => '/', 'a cookie is not asked for',
               cookie => 'accessToken=' . good_token());
    refused_as(NONE => '/', 'nor a password', auth => 'Basic amFuZTpzZWNyZXQ=');
    refused_as(EXP => '/', 'expired', token => good_token(exp => time - 1));
    refused_as(INV => '/', 'signed by another', reason => 'bad_signature',
               token => token(key => key('rsa2')));
    refused_as(INV => '/', 'unsigned', reason => 'malformed',
               token => raw_token('{"alg":"none"}', '{}', undef, 'none'));
    refused_as(INV => '/', 'HS256 with the public key', reason => 'bad_alg',
               token => token(key => key('rsa')->pem, alg => 'HS256'));
    refused_as(INV => '/', 'of another issuer', reason => 'issuer_mismatch',
               token => good_token(iss => 'https://other.example'));
    refused_as(INV => '/', 'for another API', reason => 'audience_mismatch',
               token => good_token(aud => 'other'));

    ten_lines();
    end();
}

# the lines that the example says matter are ten, and are enough
sub ten_lines () {
    my @marked = $s->{text} =~ /^.*# (?:.* )?(\d+)$/mg;
    is "@marked", '1 2 3 4 5 6 7 8 9 10', 'ten lines are marked';
}

sub allow_list () {
    begin('allow-list',
          files => { 'etc/auth_token/allowed.txt' => slurp("$examples/allow-list/allowed.txt") });

    admitted('/', 'from a listed address', user => undef);
    admitted('/', 'a token does not matter', user => undef, token => 'anything');
    refused_as(ADDR => '/', 'from another', from => '127.0.0.2', reason => 'address_not_allowed');
    refused_as(ADDR => '/', 'nor does it here', from => '127.0.0.2', token => good_token());
    refused_as(ADDR => '/', 'who says where he comes from is not believed',
               from => '127.0.0.2', headers => ['X-Forwarded-For: 127.0.0.1']);
    admitted('/', 'nor is it held against him', user => undef,
             headers => ['X-Forwarded-For: 203.0.113.1']);

    admitted('/admin/', 'the inner list', user => undef);
    refused_as(ADDR => '/admin/', 'the inner list', from => '127.0.0.2');
    admitted('/health', 'open to all', user => undef, from => '127.0.0.2');

    # the list counts from the next reload on
    $s->write('etc/auth_token/allowed.txt', "127.0.0.0/30\n");
    refused_as(ADDR => '/', 'before the reload', from => '127.0.0.2');
    $s->disconnect;
    $s->reload;
    admitted('/', 'after the reload', user => undef, from => '127.0.0.2');
    refused_as(ADDR => '/admin/', 'the inner list is its own', from => '127.0.0.2');
    refused_as(ADDR => '/', 'beyond the range', from => '127.0.0.4');

    # the balancer is believed: put ours in its place
    reconfigure(sub { s/198\.51\.100\.10/127.0.0.3/ });
    admitted('/', 'of the balancer', user => undef, from => '127.0.0.3',
             headers => ['X-Forwarded-For: 127.0.0.1']);
    refused_as(ADDR => '/', 'of the balancer', from => '127.0.0.3',
               headers => ['X-Forwarded-For: 203.0.113.77']);

    for my $bad ('127.0.0.1/33', '127.0.0', '# nothing') {
        $s->write('etc/auth_token/allowed.txt', "$bad\n");
        my ($status, $output) = $s->check;
        ok $status && $output =~ /\[emerg\].*allowed\.txt/, "a list of '$bad' is not taken";
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
    admitted('/api/', 'a token', user => 'jane', token => good_token(), from => $away);
    admitted('/api/', 'the monitoring', user => undef, from => '127.0.0.9');
    admitted('/api/', 'the monitoring, with a bad token', user => undef,
             from => '127.0.0.9', token => token(key => key('rsa2')));
    refused_as(NONE => '/api/', 'neither', from => $away);
    refused_as(INV => '/api/', 'a bad token', token => token(key => key('rsa2')),
               from => $away, reason => 'bad_signature');
    refused_as(EXP => '/api/', 'an expired token', token => good_token(exp => 1), from => $away);

    # a token or a password
    my $password = 'Basic ' . encode('operator:open sesame');
    admitted('/status/', 'a token', user => 'jane', token => good_token());
    admitted('/status/', 'a password', user => 'operator', auth => $password);
    admitted('/status/', 'a token without a name', user => undef,
             token => good_token(username => GONE));

    for (['nothing'], ['a wrong password', auth => 'Basic ' . encode('operator:no')],
         ['a bad token', token => token(key => key('rsa2'))])
    {
        my ($name, %o) = @$_;
        my $answer = ask('/status/', %o);
        is $answer->{status}, 401, "/status/: $name";
        like join(' | ', $answer->all('WWW-Authenticate')), qr/Basic realm="operators"/,
            'and is asked for a password';
        like join(' | ', $answer->all('WWW-Authenticate')), qr/Bearer realm="api"/,
            'or a token';
        is $answer->{reached}, 0, 'the upstream does not hear of it';
    }

    # a token and an address
    admitted('/reports/', 'both', user => 'jane', token => good_token());
    refused_as(NONE => '/reports/', 'the address alone');
    for (['the token alone', token => good_token()], ['neither'])
    {
        my ($name, %o) = @$_;
        my $answer = ask('/reports/', %o, from => $away);
        like $answer->{status}, qr/^40[13]$/, "/reports/: $name";
        is $answer->{reached}, 0, 'the upstream does not hear of it';
    }

    # browsers
    admitted('/app/', 'the cookie', user => 'jane',
             cookie => 'accessToken=' . good_token(scope => ['app']));

    my $answer = ask('/app/page?a=1');
    is $answer->{status}, 302, '/app/: without the cookie';
    is $answer->header('Location'), '/login?next=/app/page?a=1', 'to the login';
    is $answer->header('WWW-Authenticate'), undef, 'without a challenge';
    is $answer->{reached}, 0, 'the upstream does not hear of it';

    $answer = ask('/app/', cookie => 'accessToken=' . good_token(exp => 1));
    is $answer->{status}, 302, '/app/: with an expired one to the login, too';

    $answer = ask('/app/', cookie => 'accessToken=' . good_token());
    is $answer->{status}, 403, '/app/: without the scope';
    is $answer->{body}, slurp("$examples/mixed/html/errors/forbidden.html"), 'a page';
    is $answer->header('Content-Type'), 'text/html', 'of HTML';
    is $answer->{reached}, 0, 'the upstream does not hear of it';

    admitted('/login', 'the login is open', user => undef);
    is ask('/errors/forbidden.html')->{status}, 404, 'the page is not for asking';

    refused_as(NONE => '/elsewhere', 'what no location matches');

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

    # where each of them counts
    admitted('/api/', 'corp', %as_corp, token => good_token(%corp));
    admitted('/api/', 'its other name', %as_corp,
             token => good_token(%corp, aud => 'https://api.corp.example'));
    admitted('/api/', 'a claim of the partner\'s', %as_corp,
             token => good_token(%corp, tenant => 'north'));
    refused_as(INV => '/api/', 'billing', token => good_token(%billing), reason => 'audience_mismatch');
    refused_as(INV => '/api/', 'partner', token => $partner->());

    admitted('/billing/', 'billing', %as_billing, token => good_token(%billing));
    refused_as(INV => '/billing/', 'corp', token => good_token(%corp), reason => 'audience_mismatch');
    refused_as(INV => '/billing/', 'partner', token => $partner->());
    refused_as(SCOPE => '/billing/', 'without the scope',
               token => good_token(%billing, scope => []));

    admitted('/shared/', 'corp', %as_corp, token => good_token(%corp));
    admitted('/shared/', 'partner', %as_partner, token => $partner->());
    refused_as(INV => '/shared/', 'billing', token => good_token(%billing));
    refused_as(SCOPE => '/shared/', 'an administrator of the partner is none here',
               token => $partner->(realm_access => { roles => ['other'] }));
    refused_as(SCOPE => '/shared/', 'the claim scope is not the partner\'s',
               token => $partner->(realm_access => GONE, scope => ['orders']));
    admitted('/shared/', 'an administrator of corp', %as_corp,
             token => good_token(%corp, scope => [], isAdmin => \'true'));

    # key, iss and aud belong together
    refused_as(INV => '/shared/', 'corp\'s key, the partner\'s name', reason => 'issuer_mismatch',
               token => good_token(%partner));
    refused_as(INV => '/shared/', 'the partner\'s key, corp\'s name', reason => 'issuer_mismatch',
               token => $partner->(%corp));
    refused_as(INV => '/shared/', 'the partner\'s key, corp\'s audience', reason => 'audience_mismatch',
               token => $partner->(aud => 'api'));
    refused_as(INV => '/shared/', 'a third key',
               token => token(claims => \%corp, key => key('rsa2')));

    # the leeway is the partner's alone
    my %late = (exp => time - 10);
    admitted('/shared/', 'the partner\'s clock', %as_partner, token => $partner->(%late));
    refused_as(EXP => '/shared/', 'corp\'s clock', token => good_token(%corp, %late));

    refused_as(FAIL => '/elsewhere', 'what no location matches', reason => 'misconfigured',
               token => good_token(%corp));

    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /shared/ HTTP/1.1" 200 partner/pat ok$}m, 'the log: a grant';
    like $log, qr{"GET /billing/ HTTP/1.1" 401 .* audience$}m, 'the log: a refusal';

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

        admitted('/api/x', "$method with @needed", $as->(@needed), token => $good, %o);

        my @others = grep { my $o = $_; !grep { $_ eq $o } @needed } qw(read write delete);
        refused_as(SCOPE => '/api/x', "$method with @others", %o, %realm,
                   token => $token->(@others), reason => 'insufficient_scope');
    }

    my $head = ask('/api/x', method => 'HEAD', token => $token->('read'));
    is $head->{status}, 200, 'HEAD with read';
    refused_as(SCOPE => '/api/x', 'DELETE with write alone', method => 'DELETE', %realm,
               token => $token->('write'));

    for my $method (qw(OPTIONS PURGE PROPFIND)) {
        refused_as(SCOPE => '/api/x', "$method: nobody", method => $method, %realm,
                   token => $token->(qw(read write delete)));
        refused_as(SCOPE => '/api/x', "$method: no administrator either", method => $method,
                   %realm, token => good_token(isAdmin => \'true', username => "admin$method"));
    }

    refused_as(NONE => '/api/x', 'no credential', %realm);
    refused_as(EXP => '/api/x', 'expired', token => good_token(exp => 1), %realm);
    refused_as(INV => '/api/x', 'forged', token => token(key => key('rsa2')), %realm);

    # locations of their own
    my $nothing = $token->();
    admitted('/api/me', 'whoever is known', $as->(), token => $nothing);
    refused_as(NONE => '/api/me', 'who is not known', %realm);
    my $settings = $token->(qw(read settings));
    admitted('/api/settings/', 'both scopes', $as->(qw(read settings)), token => $settings);
    refused_as(SCOPE => '/api/settings/', 'the method\'s alone', %realm,
               token => $token->('read'));
    refused_as(SCOPE => '/api/settings/', 'the location\'s alone', %realm,
               token => $token->('settings'));
    refused_as(SCOPE => '/api/settings/', 'an unknown method', method => 'PURGE', %realm,
               token => $token->(qw(read settings)));

    # cookies, and where their requests come from
    my $cookie = 'accessToken=' . $token->(qw(read write));
    my %cookie = (cookie => $cookie, $as->(qw(read write)));
    my %post   = (%cookie, method => 'POST', body => 'x');
    my $own    = 'Origin: https://127.0.0.1:' . $s->port;

    admitted('/api/x', 'a cookie', %cookie);
    admitted('/api/x', 'a POST that no browser makes', %post);
    admitted('/api/x', 'a POST of this origin', %post, headers => [$own]);
    admitted('/api/x', 'a POST of the application', %post,
             headers => ['Origin: https://app.example', 'Sec-Fetch-Site: cross-site']);
    admitted('/api/x', 'a GET of elsewhere', %cookie, headers => ['Origin: https://evil.example']);
    refused_as(ORIGIN => '/api/x', 'a POST of elsewhere', reason => 'origin_not_allowed',
               %post, headers => ['Origin: https://evil.example']);
    refused_as(ORIGIN => '/api/x', 'a POST of another port',
               %post, headers => ['Origin: https://127.0.0.1:1']);
    refused_as(ORIGIN => '/api/x', 'a POST from a sibling', %post,
               headers => ['Sec-Fetch-Site: same-site']);
    my $bearer = $token->('write');
    admitted('/api/x', 'a bearer token of elsewhere', $as->('write'), token => $bearer,
             method => 'POST', body => 'x', headers => ['Origin: https://evil.example']);

    # the log says who, and gives no token away
    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /api/x HTTP/2.0" 200 user="u1" subject="u1" reason="ok" token="[0-9a-f]{12}"$}m,
        'the log: a grant';
    like $log, qr{"GET /api/x HTTP/2.0" 403 user="-" subject="u2" reason="scope" token="[0-9a-f]{12}"$}m,
        'the log: a refusal';
    like $log, qr{"GET /api/x HTTP/2.0" 401 user="-" subject="-" reason="no_credential" token="-"$}m,
        'the log: nobody';

    limits();
    end();
}

# a user has a limit of his own, and so has an address without a good token
sub limits () {
    my $busy = good_token(username => 'busy');
    my $calm = good_token(username => 'calm');

    my @busy = many(90, $busy, '127.0.0.5');
    is_deeply [grep { !/^(?:200|429)$/ } @busy], [], 'a busy user: 200 or 429';
    cmp_ok scalar(grep { $_ == 200 } @busy), '>=', 41, 'some calls are served';
    cmp_ok scalar(grep { $_ == 429 } @busy), '>=', 1, 'too many are not';

    my @same = many(1, $calm, '127.0.0.5');
    is "@same", '200', 'another user at the same address is not held up';

    my @forged = many(90, token(key => key('rsa2')), '127.0.0.6');
    is_deeply [grep { !/^(?:401|429)$/ } @forged], [], 'forged tokens: 401 or 429';
    cmp_ok scalar(grep { $_ == 429 } @forged), '>=', 1, 'too many are not looked at further';

    my @there = many(1, $calm, '127.0.0.6');
    is "@there", '200', 'who has a good one is not held up by his neighbours';
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

    # what a token may, by the id of a scope and by its text
    for my $path ('/api/v6.1/snapshots', '/api/v7/snapshots', '/api/snapshots') {
        admitted($path, 'by the id', user => 'jane', @dash);
    }
    admitted('/api/v6.1/tables/inventory/devices', 'by the text', user => 'jane', @dash,
             method => 'POST', body => '{}');
    admitted('/api/v6.1/snapshots', 'HEAD is a GET', @dash, method => 'HEAD');
    refused_as(SCOPE => '/api/v6.1/tables/inventory/devices', 'another method', @dash, reason => 'unknown_endpoint');
    refused_as(SCOPE => '/api/v6.1/snapshots/1', 'what the user may and the token not', @dash,
               reason => 'endpoint_not_granted');
    refused_as(SCOPE => '/api/v6.1/nothing', 'what is in no row', @clean, reason => 'unknown_endpoint');
    refused_as(SCOPE => '/api/v6.1//snapshots', 'an odd spelling', @dash, reason => 'unknown_endpoint');
    refused_as(ADDR => '/api/v6.1/snapshots', 'from another address', @dash, from => $away, reason => 'address_not_allowed');

    # an administrator's token has what it was given, and no more
    admitted('/api/v6.1/snapshots/1', 'DELETE', user => 'operator', @clean, @delete, from => $away);
    refused_as(SCOPE => '/api/v6.1/snapshots', 'DELETE of all', @clean, @delete, reason => 'endpoint_not_granted');

    refused_as(DISABLED => '/api/v6.1/snapshots', 'disabled', api_token => $text{former}, reason => 'disabled_client');
    refused_as(TEXP => '/api/v6.1/snapshots', 'expired', api_token => $text{'last-year'}, reason => 'expired_api_token');
    refused_as(TINV => '/api/v6.1/snapshots', 'unknown', api_token => 'x' x 32, reason => 'unknown_api_token');
    refused_as(NONE => '/api/v6.1/snapshots', 'nothing', reason => 'no_credential');
    refused_as(INV => '/api/v6.1/snapshots', 'a token and a JWT', @dash, token => $jwt->(),
               reason => 'several_credentials');

    # JWTs
    admitted('/api/v6.1/snapshots', 'a JWT, by the text', user => 'jane', token => $jwt->(scope => ['GET /snapshots']));
    admitted('/api/v6.1/snapshots', 'a cookie, by the id', user => 'jane',
             cookie => 'accessToken=' . $jwt->(scope => ['79ab4b0754b069399464a23c222725111915f8f9']));
    admitted('/api/v6.1/snapshots', 'a JWT of an administrator', user => 'jane',
             token => $jwt->(scope => [], isAdmin => \'true'));
    refused_as(SCOPE => '/api/v6.1/snapshots', 'a JWT without the scope', token => $jwt->(), reason => 'endpoint_not_granted');

    # for all, and for those who are known
    admitted('/api/version', 'the version, without a token', user => undef);
    refused_as(SCOPE => '/api/v6.1/version', 'not so its neighbour', @dash);
    admitted($_, 'whoever is known', user => 'jane', @dash) for qw(/api/v6.1/users/me /api/users/me /api/v6.1/users/me/scopes/api);
    refused_as(NONE => '/api/v6.1/users/me', 'who is not');
    refused_as(SCOPE => '/api/v6.1/users/me/x', 'not what is below it', @dash, reason => 'unknown_endpoint');

    # changed while nginx runs
    $store->update('token', 'dashboards', scope => ['DELETE /snapshots/:key', 'GET /snapshots/:key']);
    admitted('/api/v6.1/snapshots/1', 'another scope, at once', user => 'jane', @dash);
    refused_as(SCOPE => '/api/v6.1/snapshots/1', 'but not beyond the user', @dash, @delete, reason => 'endpoint_not_granted');
    $store->update('user', 'jane', scope => ['GET /snapshots']);
    refused_as(SCOPE => '/api/v6.1/snapshots/1', 'nor beyond what is left to him', @dash, reason => 'endpoint_not_granted');
    $store->ok('user', 'disable', 'jane');
    refused_as(DISABLED => '/api/v6.1/users/me', 'a user who is disabled', @dash, reason => 'disabled_user');
    $store->ok('token', 'enable', 'former');
    admitted('/api/v6.1/snapshots', 'a token that was enabled', user => 'operator', api_token => $text{former});
    $store->ok('token', 'revoke', 'former');
    refused_as(TINV => '/api/v6.1/snapshots', 'and revoked', api_token => $text{former});

    my $log = slurp($s->dir . '/access.log');
    like $log, qr{"GET /api/v6.1/snapshots HTTP/1.1" 200 user="jane" token="dashboards" endpoint="GET /snapshots" reason="ok"$}m,
        'the log: a grant';

    token_api();
    end();
}

# the cookies that an answer sets: name => value, and name => its attributes
sub set_cookies ($answer) {
    my %value = cookies($answer);
    return \%value, { map { /\A(\w+)=[^;]*; (.*)\z/ ? ($1 => $2) : () } $answer->all('Set-Cookie') };
}

# login, refresh and logout of the same example, by passwords
sub token_api () {
    my $store  = $s->{store};
    my $secret = 'canary-open-sesame';
    my $v      = '/api/v6.0';
    my %json   = (method => 'POST', headers => ['Content-Type: application/json']);
    my $login  = sub ($user, $password, $path = "$v/auth/login") {
        return ask($path, %json, body => qq({"username":"$user","password":"$password"}));
    };

    $store->ok('user', 'enable', 'jane');
    is $login->('jane', $secret)->{status}, 401, 'without a password no login';
    $store->ok('user', 'passwd', $_, '--password-file', '-', { input => $secret }) for qw(jane operator);

    my $flags = qr/HttpOnly; Secure; SameSite=Strict/;
    for my $path ("$v/auth/login", '/api/v7/auth/login', '/api/auth/login') {
        my $answer = $login->('jane', $secret, $path);
        my ($value, $with) = set_cookies($answer);

        is $answer->{status}, 200, "$path: login";
        is $answer->{body}, '{}', "$path: no token in the body";
        is $answer->{reached}, 0, "$path: the upstream does not hear of it";
        like $with->{accessToken}, qr{\AMax-Age=1800; Path=/; Expires=\w{3}, .* GMT; $flags\z}, "$path: one cookie";
        like $with->{refreshToken}, qr{\AMax-Age=86400; Path=/api/auth/token; Expires=\w{3}, .* GMT; $flags\z},
            "$path: the other";
        admitted("$v/snapshots", 'with the cookie', user => 'jane', cookie => "accessToken=$value->{accessToken}");
    }

    refused_as(CRED => "$v/auth/login", 'a wrong password', %json, body => '{"username":"jane","password":"canary-no"}',
               reason => 'wrong_password');
    my $get = ask("$v/auth/login");
    is "$get->{status} $get->{reached}", '405 0', 'GET is no login';

    my ($value) = set_cookies($login->('jane', $secret));
    admitted("$v/users/me", 'as a bearer', user => 'jane', token => $value->{accessToken});
    refused_as(SCOPE => "$v/snapshots", 'no more than the user', token => $value->{accessToken},
               method => 'POST', body => '{}', reason => 'endpoint_not_granted');

    my ($admin) = set_cookies($login->('operator', $secret));
    admitted("$v/snapshots", 'an administrator', user => 'operator', token => $admin->{accessToken},
             method => 'POST', body => '{}');

    # by Basic
    admitted("$v/snapshots", 'Basic', user => 'jane', auth => 'Basic ' . encode("jane:$secret"));
    refused_as(CRED => "$v/snapshots", 'Basic, a wrong password', auth => 'Basic ' . encode('jane:canary-no'));

    # the refresh token is used up; without a body, and in it
    my $both = sub ($v) { "refreshToken=$v->{refreshToken}; accessToken=$v->{accessToken}" };
    my $refresh = ask('/api/auth/token', method => 'POST', cookie => $both->($value));
    my ($next)  = set_cookies($refresh);
    is "$refresh->{status} $refresh->{reached}", '200 0', 'refresh by the cookies, and an empty body';
    isnt $next->{refreshToken}, $value->{refreshToken}, 'another refresh token';
    admitted("$v/snapshots", 'the new access token', user => 'jane', token => $next->{accessToken});
    refused_as(RINV => '/api/auth/token', 'the old refresh token', method => 'POST', cookie => $both->($value),
               scheme => 'Bearer');
    refused_as(RINV => '/api/auth/token', 'none', method => 'POST');

    $refresh = ask('/api/auth/token', %json, body => qq({"refreshToken":"$next->{refreshToken}"}));
    my ($third) = set_cookies($refresh);
    is $refresh->{status}, 200, 'refresh by the body';
    is ask("$v/auth/token", method => 'POST', cookie => $both->($third))->{status}, 403, 'not with a version';

    # the end
    my $logout = ask("$v/auth/logout", method => 'POST', token => $third->{accessToken});
    my ($none, $with) = set_cookies($logout);
    is "$logout->{status} $logout->{body} $logout->{reached}", '200 {"success":true} 0', 'logout by the bearer';
    like $with->{$_}, qr/\AMax-Age=0; /, "$_ is cleared" for qw(accessToken refreshToken);
    refused_as(RINV => '/api/auth/token', 'after logout', method => 'POST', cookie => $both->($third));

    # the switch that the example speaks of
    reconfigure(sub { s/# (auth_token_local off;)/$1/ });
    is $login->('jane', $secret)->{status}, 401, 'local authentication off: no login';
    refused_as(CRED => "$v/snapshots", 'nor Basic', auth => 'Basic ' . encode("jane:$secret"), reason => 'login_disabled');
    admitted("$v/snapshots", 'but tokens', user => 'jane', token => $third->{accessToken});
    my $api = $store->token('late', user => 'jane', scope => ['GET /snapshots']);
    admitted("$v/snapshots", 'and API tokens', user => 'jane', api_token => $api);
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

    # as Entra makes them, in either version: without scope, without a user
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

    # bodies of the real one
    my $no    = 'Access to this CIPP API endpoint is not allowed, ';
    my %text  = map { $_ => { type => 'text/plain', says => 'You do not have permission to view this directory or page.' } }
                qw(NONE INV EXP);
    $text{SCOPE} = { type => 'text/plain', says => "${no}the user does not have the required permission" };
    $text{$_}    = { type => 'text/plain', says => "${no}the API Client does not have the required permission" }
        for qw(ADDR DISABLED);
    my $refused = sub ($sign, $path, $name, %o) { refused_as($sign, $path, $name, $text{$sign}->%*, %o) };
    my $base    = sub ($role, $permission) {
        return (type => 'text/plain',
                says => "${no}the '$role' base role does not have the required permission: $permission");
    };
    my $custom  = sub ($permission) {
        return (type => 'text/plain', says => "${no}you do not have the required permission: $permission");
    };

    # read-only
    admitted('/api/ListUsers', 'readonly reads', %read, token => $token->($reports));
    admitted('/api/ListUsers', 'version 2.0', %read, token => $v2->($reports));
    admitted('/API/listusers', 'in any case', %read, token => $token->($reports));
    admitted('/api/ListUsers', 'the id too', %read, token => $token->(uc $reports, aud => "api://$reports"));
    $refused->(SCOPE => '/api/AddUser', 'and does not write', token => $token->($reports), @post, reason => 'endpoint_not_granted',
               $base->(readonly => 'Identity.User.ReadWrite'));
    $refused->(SCOPE => '/api/ListCIPPUsers', 'nor what is the super administrator\'s',
               token => $token->($reports), reason => 'endpoint_not_granted', $base->(readonly => 'CIPP.SuperAdmin.Read'));
    $refused->(SCOPE => '/api/NoSuchThing', 'nor what is in no row', token => $token->($reports), reason => 'unknown_endpoint',
               type => 'text/plain', says => 'Endpoint not found');
    $refused->(ADDR => '/api/ListUsers', 'from another address', token => $token->($reports), from => $away,
               reason => 'address_not_allowed');

    # a role of its own: ReadWrite covers Read, and one endpoint is blocked
    admitted('/api/EditUser', 'a custom role', %help, token => $token->($desk), @post, from => $away);
    admitted('/api/ListUsers', 'which covers Read', %help, token => $token->($desk));
    admitted('/api/ListGroups', 'and more', %help, token => $token->($desk));
    $refused->(SCOPE => '/api/ExecOffboardUser', 'but one of its endpoints', token => $token->($desk), @post,
               reason => 'blocked_endpoint', type => 'text/plain',
               says => "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser");
    $refused->(SCOPE => '/api/ListStandards', 'and not the rest', token => $token->($desk), reason => 'endpoint_not_granted',
               $custom->('Tenant.Standards.Read'));

    # CIPP's own row
    admitted('/api/AddUser', 'a row of CIPP', client => $editor, role => 'editor', token => $token->($editor), @post);
    $refused->(SCOPE => '/api/ExecStandardsRun', 'an editor has no standards', token => $token->($editor), @post,
               reason => 'endpoint_not_granted', $base->(editor => 'Tenant.Standards.ReadWrite'));
    $refused->(ADDR => '/api/AddUser', 'and its ranges', token => $token->($editor), @post, from => $away);

    $refused->(DISABLED => '/api/ListUsers', 'disabled', token => $token->($off), reason => 'disabled_client');
    $refused->(DISABLED => '/api/ListUsers', 'unknown', reason => 'unknown_client',
               token => $token->('00000000-0000-4000-8000-000000000000', aud => "api://$reports"));
    $refused->(INV => '/api/ListUsers', 'for a client that is not listed', reason => 'audience_mismatch',
               token => $token->($reports, aud => 'api://00000000-0000-4000-8000-000000000000'));
    $refused->(INV => '/api/ListUsers', 'of another tenant', reason => 'issuer_mismatch',
               token => $token->($reports, iss => 'https://sts.windows.net/other/'));
    $refused->(INV => '/api/ListUsers', 'with another tenant in tid', reason => 'bad_claim',
               token => $token->($reports, tid => '11111111-2222-3333-4444-555555555555'));
    $refused->(SCOPE => '/api/ListUsers', 'a user\'s', reason => 'delegated', type => 'text/plain',
               token => $token->($reports, scp => 'user_impersonation'),
               says => 'Access denied: unable to resolve roles for the authenticated principal');
    $refused->(INV => '/api/ListUsers', 'without a client', token => $token->($reports, appid => GONE));
    $refused->(EXP => '/api/ListUsers', 'expired', token => $token->($reports, exp => 1));
    $refused->(INV => '/api/ListUsers', 'forged', token => token(key => key('rsa2'), header => { kid => 'k1' }));
    $refused->(NONE => '/api/ListUsers', 'nothing');

    # what the token says of rights means nothing
    $refused->(SCOPE => '/api/AddUser', 'a scope in the token', @post, reason => 'endpoint_not_granted',
               $base->(readonly => 'Identity.User.ReadWrite'),
               token => $token->($reports, scope => ['Identity.User.ReadWrite'], isAdmin => \'true'));

    admitted('/api/PublicPing', 'public');
    admitted('/api/PublicPing', 'public, with whatever token', token => 'nonsense');
    $refused->(NONE => '/api/PublicPing', 'by its method alone', method => 'PUT');

    # changed while nginx runs
    $store->ok('client', 'disable', $reports);
    $refused->(DISABLED => '/api/ListUsers', 'disabled live', token => $token->($reports), reason => 'disabled_client');
    $store->ok('client', 'enable', $reports);
    $store->update('client', $reports, role => 'superadmin', allow => 'any');
    admitted('/api/ExecCippFunction', 'enabled, another role, any address', client => $reports, role => 'superadmin',
             token => $token->($reports), @post, from => $away);
    $store->role('helpdesk', grant => ['Identity.Group.Read']);
    $refused->(SCOPE => '/api/EditUser', 'the role is another', token => $token->($desk), @post, reason => 'endpoint_not_granted',
               $custom->('Identity.User.ReadWrite'));
    $store->ok('role', 'delete', 'helpdesk');
    $refused->(SCOPE => '/api/ListGroups', 'the role is gone', token => $token->($desk), reason => 'no_role');

    like slurp($s->dir . '/access.log'),
        qr{"GET /api/ListUsers HTTP/1.1" 200 client="$reports" role="readonly" subject="$reports" reason="ok"$}m, 'the log';

    end();
}

# The seed's PowerShell, with another host in its URLs; t/oauth.t has the very
# bytes that it sends.
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

    # $AuthBody of the seed, as Invoke-RestMethod -Method POST -Body has it
    my $ask = sub ($id, $secret, %o) {
        my $answer = ask("/$tenant/oauth2/v2.0/token", method => 'POST',
            headers => ['Content-Type: application/x-www-form-urlencoded'],
            body => "client_id=$id&client_secret=$secret&scope=api%3A%2F%2F$id%2F.default&grant_type=client_credentials",
            %o);
        my $json = eval { JSON::PP->new->decode($answer->{body}) } // {};
        secret($json->{access_token}) if $json->{access_token};
        return ($answer, $json);
    };
    # $AuthHeader of the seed, and -ContentType
    my $with = sub ($json) {
        return (headers => ["Authorization: Bearer $json->{access_token}", 'Content-Type: application/json',
                            'Content-Length: 0']);
    };

    my ($answer, $json) = $ask->($reports, $secret{$reports});
    is "$answer->{status} $answer->{reached}", '200 0', 'a token';
    is "$json->{token_type} $json->{expires_in}", 'Bearer 3600', 'of its kind, for an hour';
    is $answer->header('Cache-Control'), 'no-store', 'not to be stored';
    is AuthToken::Local::claims_of($json->{access_token})->{aud}, "api://$reports", 'for its own audience';
    admitted('/api/ListLogs', 'and the call', client => $reports, role => 'readonly', $with->($json));
    my $no = 'Access to this CIPP API endpoint is not allowed, ';
    refused_as(SCOPE => '/api/AddUser', 'no more than its role', type => 'text/plain', method => 'POST', body => '{}',
               token => $json->{access_token}, reason => 'endpoint_not_granted',
               says => "${no}the 'readonly' base role does not have the required permission: Identity.User.ReadWrite");
    refused_as(ADDR => '/api/ListLogs', 'from another address', type => 'text/plain', from => '127.0.0.2',
               says => "${no}the API Client does not have the required permission", token => $json->{access_token});

    my ($own) = $ask->($auto, $secret{$reports});
    is "$own->{status} $own->{body}", '401 {"error":"invalid_client"}', 'the secret of another';
    ($own) = $ask->($off, $secret{$off});
    is "$own->{status} $own->{body}", '401 {"error":"invalid_client"}', 'a client that is disabled';

    # two secrets while one takes the place of the other
    my $newer = $rotate->($auto);
    for ([$secret{$auto}, 'the last secret'], [$newer, 'the new one']) {
        my ($secret, $name) = @$_;
        my ($answer, $json) = $ask->($auto, $secret);
        is $answer->{status}, 200, "$name is good";
        admitted('/api/AddUser', "$name: the call", client => $auto, role => 'editor', token => $json->{access_token},
                 method => 'POST', body => '{}');
    }
    $store->ok('client', 'disable', $reports);
    refused_as(DISABLED => '/api/ListLogs', 'disabled, and its token still good', type => 'text/plain',
               says => "${no}the API Client does not have the required permission", token => $json->{access_token});

    my $keys = ask('/discovery/keys');
    like $keys->{body}, qr/\A\{"keys":\[\{.*"kty":"RSA"/, 'its keys are published';
    is ask('/x/../api/oauth2/token', method => 'POST')->{status}, 401, 'no other path is the endpoint';

    end();
}

sub entra () {
    my ($reports, $auto, $desk, $off) = qw(0c5e2f14-7a3b-4d8e-9f61-b2a7c3d4e5f6
        5b1d9c37-2e6f-4a80-8c94-d0e1f2a3b4c5 a94f6e02-81c3-4b5d-b7e6-3f2a1d0c9b8e
        e7c8b9a0-d1f2-4e3c-a4b5-69788796a5b4);
    my ($contoso, $fabrikam) = qw(d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69 7c9e6679-7425-40de-944b-e07fc1f90ae7);

    # Microsoft's documents: the same keys, in that of version 2.0 with their issuer
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
        admitted('/api/ListUsers', "version $v, the first tenant", %first, token => $token->($v, $contoso, $reports));
        admitted('/api/ListUsers', "version $v, the second tenant", %other, token => $token->($v, $fabrikam, $desk));
        $refused->(DISABLED => '/api/ListUsers', $client, "version $v, a client of the other tenant",
                   token => $token->($v, $contoso, $desk), reason => 'client_issuer_mismatch');
        $refused->(INV => '/api/ListUsers', $page, "version $v, a third tenant", reason => 'issuer_mismatch',
                   token => $token->($v, '11111111-2222-3333-4444-555555555555', $reports, key => 'rsa'));
        $refused->(INV => '/api/ListUsers', $page, "version $v, a key of the other tenant", reason => 'unknown_kid',
                   token => $token->($v, $contoso, $reports, key => 'rsa4'));
        $refused->(DISABLED => '/api/ListUsers', $client, "version $v, disabled", reason => 'disabled_client',
                   token => $token->($v, $fabrikam, $off));
        $refused->(SCOPE => '/api/ListUsers', 'Access denied: unable to resolve roles for the authenticated principal',
                   "version $v, a user", token => $token->($v, $contoso, $reports, claims => { scp => 'x' }),
                   reason => 'delegated');
    }
    admitted('/api/ListUsers', 'for any client of the first tenant', %first,
             token => $token->(1, $contoso, $reports, claims => { aud => "api://$auto" }));
    $refused->(INV => '/api/ListUsers', $page, 'not of the second', reason => 'audience_mismatch',
               token => $token->(1, $fabrikam, $desk, claims => { aud => "api://$off" }));
    $refused->(ADDR => '/api/ListUsers', $client, 'from another address', token => $token->(1, $contoso, $reports),
               from => '127.0.0.2', reason => 'address_not_allowed');
    $refused->(SCOPE => '/api/ExecOffboardUser', "${no}the custom role 'helpdesk' has blocked this endpoint: ExecOffboardUser",
               'blocked', token => $token->(2, $fabrikam, $desk), @post, reason => 'blocked_endpoint');

    # the office
    my @admin = (token => $token->(2, $contoso, $auto));
    $refused->(ADDR => '/api/execapiclient', $client, 'not from the office', @admin, @post, reason => 'address_not_allowed');
    reconfigure(sub { s/198\.51\.100\.0/127.0.0.0/ });
    admitted('/api/ExecApiClient', 'from the office', issuer => 'contoso', client => $auto, role => 'superadmin', @admin, @post);
    $refused->(INV => '/api/ExecApiClient', $page, 'the second tenant', token => $token->(2, $fabrikam, $desk), @post,
               reason => 'unknown_kid');

    # live, by the commands that stand above it
    my $new = '00000000-1111-2222-3333-444444444444';
    $refused->(DISABLED => '/api/ListUsers', $client, 'unknown', token => $token->(1, $contoso, $new),
               reason => 'unknown_client');
    my @commands = slurp("$examples/entra/nginx.conf") =~ /^#   auth-token ((?:client|import --cipp) .*?)(?: +#.*)?$/mg;
    is scalar(@commands), 2, 'two commands besides those of the store';
    $store->ok(map { s/CLIENT-ID/$new/r } split / /, $commands[0] =~ s{192\.0\.2\.0/24}{127.0.0.1}r);
    admitted('/api/ListUsers', 'created', issuer => 'contoso', client => $new, role => 'readonly',
             token => $token->(1, $contoso, $new));
    $store->ok('client', 'delete', $new);
    $store->ok((map { s/backup\.json/-/r } split / /, $commands[1]), { input => JSON::PP->new->utf8->encode([
        { PartitionKey => 'ApiClients', RowKey => $new, AppName => 'n', Role => 'editor', IPRange => '"127.0.0.1"',
          Enabled => 'True', table => 'ApiClients' }]) });
    admitted('/api/ListUsers', 'imported from CIPP', issuer => 'contoso', client => $new, role => 'editor',
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

    admitted('/orders', 'the scope', user => 'jane', scope => 'openid orders:read', token => $token->('reads'));
    admitted('/orders', 'both scopes', user => 'jane', scope => 'orders:read orders:write', token => $token->('writes'), @post);
    refused_as(SCOPE => '/orders', 'to read is not to write', token => $token->('reads'), @post, reason => 'insufficient_scope');
    refused_as(SCOPE => '/orders', 'without the scope', token => $token->('neither'), reason => 'insufficient_scope');
    refused_as(INV => '/orders', 'for another API', token => $token->('reads', 'https://other.example.com'), reason => 'audience_mismatch');
    refused_as(NONE => '/orders', 'no credential');
    refused_as(INV => '/orders', 'forged', reason => 'bad_signature',
               token => token(key => key('rsa2'), header => { kid => 'rsa' }, claims => { iss => $p->issuer, aud => $api }));
    like ask('/orders', token => $token->('reads'))->{body}, qr/^X-Roles: \["clerk"\]\r?$/m, 'roles are told to the API';

    # the provider's next key
    my $old = $token->('reads');
    $p->rotate('rsa3', keep => 1);
    my $new   = $token->('reads');
    my $first = ask('/orders', token => $new);
    all_workers_have('.*', 2);
    admitted('/orders', 'a new key', user => 'jane', scope => 'openid orders:read', token => $new);
    admitted('/orders', 'and the old one', user => 'jane', scope => 'openid orders:read', token => $old);

    like slurp($s->dir . '/access.log'), qr/ 403 "jane" scope$/m, 'the log';

    end();
    $p->stop;
}

sub docker () {
    begin('docker', store => undef, files => { 'etc/auth_token/issuer.pem' => key('rsa')->pem },
          confs => ['conf.d/api.conf']);

    admitted('/', 'a good token', user => 'jane', token => good_token());
    admitted('/', 'an API token', user => undef, api_token => $s->{store}->token('t1'));
    refused_as(TINV => '/', 'an unknown one', api_token => 'x' x 32);
    refused_as(NONE => '/', 'no credential');
    refused_as(EXP => '/', 'expired', token => good_token(exp => 1));
    refused_as(INV => '/', 'forged', token => token(key => key('rsa2')));

    like slurp($s->dir . '/access.log'), qr/ 200 user="jane" client="-" reason="ok"$/m, 'the log';
    like slurp($s->dir . '/access.log'), qr/ 200 user="-" client="t1" reason="ok"$/m, 'an API token';

    unlink $s->dir . '/etc/auth_token/issuer.pem';
    my ($status, $output) = $s->check;
    ok $status && $output =~ /\[emerg\].*issuer\.pem/, 'without a key it does not start';

    end(qr/\[emerg\] .*cannot open .*issuer\.pem/);
}

# --- the server under test --------------------------------------------------

sub begin ($name, %o) {
    $s = Example->new(slurp("$examples/$name/nginx.conf"), %o, name => $name,
                      upstream_port => $upstream->{port}, env => { leaks() });
    is_deeply [$s->foreign], [], 'no path of this machine is left in it';
    make_store("$examples/$name/store.jsonl", $o{store}) if exists $o{store};
    chmod 0600, grep { -e } map { $s->dir . "/etc/auth_token/$_" } qw(signing tls.key);
    $s->start;
}

# A store of what the file has, as it stands but for the hashes: of those tokens
# are known here.  Undef: an empty one.
sub make_store ($file, $token_of) {
    $s->{store} = AuthToken::Store->new($s->dir);
    return if !defined $token_of;

    my $as_it_stands = AuthToken::Store->new($s->dir, 'as-it-stands');
    $as_it_stands->ok('import', $file);
    is_deeply [grep { /^(?:warning|damage)/ } split /\n/, $as_it_stands->ok('check')], [],
        'store.jsonl is imported as it stands';

    my $text = slurp($file);
    unlike $text, qr/"token":/, 'no token is in it that somebody knows';

    my @placeholders = $text =~ /"sha256": "(\w+)"/g;
    is_deeply [sort @placeholders], [sort keys %$token_of], 'and all hashes are placeholders';
    $text =~ s/"sha256": "(\w+)"/'"sha256": "' . Digest::SHA::sha256_hex($token_of->{$1}) . '"'/ge;
    $s->{store}->ok('import', '-', { input => $text });
}

# the same example with a change, from the next reload on
sub reconfigure ($change) {
    my $text = $s->{text};
    $change->() for $text;
    isnt $text, $s->{text}, 'the configuration is another';
    $s->configure($text);
    $s->disconnect;
    $s->reload;
}

# lines like $expected are no alarm: nginx -t was to say them
sub end ($expected = qr/(?!)/) {
    ok $s->stop, 'nginx ends when it is asked to';

    my @lines = split /\n/, $s->errors->content . $s->output;
    my @alarms = grep {
        /\[(?:alert|crit|emerg)\]|exited on signal|exited with|Sanitizer|runtime error/
            && !/exited with code 0$/ && !/$expected/
    } @lines;
    is_deeply \@alarms, [], 'no alarm in the log';
    is_deeply [$s->reports], [], 'no report of a sanitizer';

    my $text = join "\n", @lines, slurp($s->dir . '/access.log');
    is_deeply [grep { index($text, substr $_, -40) >= 0 } secrets()], [],
        'no token in any log';
    unlike $text, qr/canary-/, 'no claim either that nobody asked for';

    undef $s;
}

# waits until each worker has the keys of sources whose URLs match
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

# what a client might send to be taken for another, with every request: all of
# the headers that the example sets
sub spoofs () {
    my %set = map { $_ => 1 } $s->conf =~ /proxy_set_header (\S+)/g;
    delete @set{qw(Authorization Cookie)};
    delete $set{'X-API-Token'} if takes_api_tokens();
    return map { /Token/ ? "$_: canary-api-token" : "$_: mallory" } sort keys %set;
}

# where they are no credential, one must not pass
sub takes_api_tokens () {
    return $s->conf =~ /auth_token_store/ && $s->conf !~ /auth_token_accept(?![^;]*api_token)/;
}

# a 401 has a challenge more, then, but not where the token API answers
sub takes_passwords ($path) {
    return $s->conf =~ /auth_token_accept[^;]*\bbasic\b/ && $path !~ m{/auth/};
}

# the answer; its member reached says how many requests came to the upstream
sub ask ($path, %o) {
    my @headers = (($o{headers} // [])->@*, spoofs());
    my $cookie  = join '; ', grep { defined } $o{cookie}, 'other=canary-cookie';

    my $before = -s $upstream->{log};
    my $answer = $s->{tls} ? by_curl($path, %o, headers => \@headers, cookie => $cookie)
                           : $s->request($path, %o, headers => \@headers, cookie => $cookie);
    $answer->{reached} = (-s $upstream->{log}) - $before;

    return $answer;
}

# Options: those of a request; user, id, issuer, scope, tenant, client, role: what
# the upstream is to get in the header of that name.
sub admitted ($path, $name, %o) {
    my %expected;
    for (identity()) {
        my $option = lc s/^X-(?:User-)?//r;
        $expected{$_} = $o{$option} if defined $o{$option} && $o{$option} ne '';
    }

    my $answer = ask($path, %o);
    my @wrong;

    push @wrong, "status $answer->{status}: $answer->{body}" if $answer->{status} != 200;
    push @wrong, "the upstream was reached $answer->{reached} times"
        if $answer->{reached} != 1;
    push @wrong, "the upstream got: $1"
        if $answer->{body} =~ /^((?:X.API.Token|Authorization|Cookie)[ \t]*:.*)/mi
        || $answer->{body} =~ /(.*(?:canary|mallory|eyJ).*)/;

    my @got  = $answer->{body} =~ /^(X-(?:User|User-Id|Issuer|Scope|Tenant|Client|Role): .*?)\r?$/mg;
    my @want = map { "$_: $expected{$_}" } keys %expected;
    push @wrong, "the upstream knows [@{[sort @got]}], not [@{[sort @want]}]"
        if join('|', sort @got) ne join('|', sort @want);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok !@wrong, "$path: $name: admitted" or diag map { "    $_\n" } @wrong;
}

# Options: those of a request, reason, realm, type, says (the body of the answer)
sub refused_as ($sign, $path, $name, %o) {
    $s->errors->lines;
    my $answer = ask($path, %o);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $o{body} = $o{says} // $o{body};
    is_refused($answer, $sign, "$path: $name", realm => $o{realm} // 'api',
               takes_passwords($path) && $answer->{status} == 401 ? (also => ['Basic realm="api", charset="UTF-8"']) : (),
               map { defined $o{$_} && $o{type} ? ($_ => $o{$_}) : () } qw(body type));
    is $answer->{reached}, 0, 'the upstream does not hear of it';

    my @ours = grep { / auth_token: / } $s->errors->lines;
    is scalar(@ours), 1, 'one line in the log';
    like $ours[0], qr/ reason: \Q$o{reason}\E,/, "the reason is $o{reason}"
        if defined $o{reason};
}

# one request by curl, as our client has no TLS
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

# the statuses of as many requests, quick after each other
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

# Answers each request with its head as it came, and adds a byte to a log.
sub upstream () {
    my $log = "$temp/upstream.log";
    open my $touch, '>', $log or die "$log: $!\n";
    close $touch;

    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
                                       Listen => 64) or die "no free port: $!\n";
    my $pid = fork // die "fork: $!\n";
    return { pid => $pid, port => $socket->sockport, log => $log } if $pid;

    # it is of no use without its parent
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

# A worker that had nothing to do, of which there are some as an example has
# several, ends without its connections: nginx's own (ngx_event_process_init).
# The module allocates by pools, its core by malloc, neither by ngx_alloc.
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

# a certificate and its key, in one
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


# A server whose configuration is the example's, with the paths, ports and the
# upstream of the test in place of the operator's.
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

    # the image is run by that user
    $text = "user www-data;\n$text" if $> == 0 && $text =~ /^http \{/m && $text !~ /^user /m;

    return $text;
}

# all of the configuration's text
sub conf ($self) {
    return join '', map { main::slurp($_) } $self->conf_file, glob $self->dir . '/etc/conf.d/*.conf';
}

# what still is outside the server's directory
sub foreign ($self) {
    my $text = $self->conf =~ s/#.*//gr;
    $text =~ s/\Q$_\E[\w\/]*//g for $self->dir, $AuthToken::Server::BUILD;
    return $text =~ m{(?<![\w.])(/(?:etc|usr|var|run|tmp|dev|srv|opt|home)/\S*)}g;
}
