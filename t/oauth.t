#!/usr/bin/perl

# The OAuth token endpoint (RFC 6749), for clients of the store, and the JWK Set
# endpoint.
#
# Requirements: login-request, login-timing, throttle, issued-token,
#   token-timing.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use Crypt::JWT qw(decode_jwt);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

my $guid   = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $secret = 'canary-client-secret-1';
my $newer  = 'canary client+secret&2=%';

sub client ($id, %o) {
    return { id => $id, name => $id, role => 'readonly', enabled => $true,
             secret_hashes => [hash_of($secret), hash_of($newer)], %o };
}

my $s = start(issuer_conf(main => <<'MORE') . <<'CONF' . api_conf('main', 'main') . '    }',
        audience    api api://api-app;
        client_claim appid;
        rights role;
        signing_key %%DIR%%/old.pem kid=old;
        access_token expires=1h;
        password failures=5/1m;
MORE
    %%ISSUER own: issuer https://own.example/tenant/; audience clients; client_claim appid; rights role; signing_key %%DIR%%/old.pem;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main own;
        auth_token_realm clients;
        location / { proxy_pass %%UPSTREAM%%; }
        location /read { auth_token_require_scope X.Y.Read; proxy_pass %%UPSTREAM%%; }
        location /write { auth_token_require_scope X.Y.ReadWrite; proxy_pass %%UPSTREAM%%; }
        location = /own/token { auth_token_oauth own; }
        location = /own/keys { auth_token_jwks own; }
        location = /own/metadata { auth_token_metadata own token_endpoint=/own/token; }
        location = /.well-known/oauth-authorization-server {
            auth_token_metadata main token_endpoint=/oauth/token jwks_uri=https://keys.example/keys;
        }
        location = /problem/oauth/token { auth_token_error_format problem; auth_token_oauth main; }
        location = /text/oauth/token { auth_token_error_format text; auth_token_oauth main; }
CONF
    prepare => prepare_users(clients => [client($guid, issuers => [qw(main own)]),
                                         client('off', enabled => $false, issuers => ['main']),
                                         client('foreign', issuers => ['elsewhere']),
                                         client('mute', secret_hashes => [], issuers => ['main']),
                                         client('single', secret_hashes => [hash_of($secret)], issuers => ['main']),
                                         client('flood', issuers => ['main'])]),
    good => ['/good', token => 'set later']);

sub escaped ($text) { $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger }

sub ask ($fields, %o) {
    my $path = delete $o{path} // '/oauth/token';
    my $server = delete $o{server};
    my $body = $fields;
    if (ref $fields) {
        my %all = (grant_type => 'client_credentials', %$fields);
        $body = join '&', map { "$_=" . escaped($all{$_}) } sort keys %all;
    }
    my $got  = ($server // $s)->request($path, method => 'POST', %o, body => $body,
                           headers => ['Content-Type: application/x-www-form-urlencoded', ($o{headers} // [])->@*]);
    $got->{json} = eval { JSON::PP->new->decode($got->{body}) };
    AuthToken::Token::secret(token_of($got)) if token_of($got);
    return $got;
}

sub token_of ($answer) { $answer->{json} && $answer->{json}{access_token} }

# --- a token ----------------------------------------------------------------

my @valid  = (client_id => $guid, client_secret => $secret);
my $answer = ask({ @valid });

is $answer->{status}, 200, 'client id and secret in the body get 200';
is $answer->header('Cache-Control'), 'no-store', 'the response is not cacheable';
is $answer->header('Pragma'), 'no-cache', 'the response has Pragma: no-cache (RFC 6749 section 5.1)';
is $answer->header('Content-Type'), 'application/json', 'the response is JSON';
is_deeply [sort keys $answer->{json}->%*], [qw(access_token expires_in token_type)], 'the members of the response';
is $answer->{json}{token_type}, 'Bearer', 'the token type is Bearer';
is $answer->{json}{expires_in}, 3600, 'expires_in is the lifetime in seconds';
is_deeply [$answer->all('Set-Cookie')], [], 'no cookies are set';

$s->{good} = ['/good', token => token_of($answer)];
my $claims = claims_of(token_of($answer));
is_deeply [sort keys %$claims], [qw(appid aud exp iat iss sub ver)], 'the claims of a client token';
is_deeply { %$claims{qw(appid aud iss sub ver)} },
          { appid => $guid, aud => 'api', iss => 'https://issuer.example', sub => $guid, ver => '1.0' }, 'the values of the claims';
is $claims->{exp} - $claims->{iat}, 3600, 'the claim exp agrees with expires_in';

granted $s, '/read', 'a client token has the permissions of the role', token => token_of($answer),
        decision => { client => $guid, role => 'readonly', issuer => 'main' };
refused $s, '/write', insufficient_scope => 'a client token has no other permission', token => token_of($answer), expect => { realm => 'clients' };

my $basic = 'Basic ' . encode_base64("$guid:$secret", '');
is ask({}, auth => $basic)->{status}, 200, 'client id and secret in a Basic credential';
is ask({ client_id => $guid }, auth => $basic)->{status}, 200, 'Basic with the same client_id in the body';
is ask({ client_id => $guid, client_secret => $newer })->{status}, 200, 'the second secret of a client';
is ask({ client_id => uc $guid, client_secret => $secret })->{status}, 200, 'client ids are case-insensitive';
is claims_of(token_of(ask({ client_id => uc $guid, client_secret => $secret })))->{appid}, $guid, 'the token has the client id as in the store';

my $encoded = encode_base64(join(':', map { escaped($_) } $guid, $newer), '');
is ask({}, auth => "Basic $encoded")->{status}, 200, 'Basic of form-encoded id and secret (RFC 6749 section 2.3.1)';

for (['api://api-app/.default' => 'api://api-app'], ["api://$guid/.default" => 'api'],
     ['api://api/.default' => 'api'], ['' => 'api'],
     ['api/.default' => 'api'], ["$guid/.default" => 'api'], [uc($guid) . '/.default' => 'api'],
     ['api-app/.default' => 'api://api-app'])
{
    my ($scope, $audience) = @$_;
    my $got = ask({ @valid, scope => $scope });
    is $got->{status}, 200, "scope '$scope'";
    is claims_of(token_of($got))->{aud}, $audience, "scope '$scope': aud";
}

my $own = ask({ @valid }, path => '/own/token');
is claims_of(token_of($own))->{aud}, "api://$guid", 'with "audience clients" the audience is api://CLIENT';
granted $s, '/read', 'a token with the audience api://CLIENT', token => token_of($own), decision => { issuer => 'own' };

# --- PowerShell -------------------------------------------------------------

# An example of the CIPP documentation with other URLs: the bytes that
# Invoke-RestMethod sends.  PowerShell 7 escapes in upper case and sends a GET
# with -ContentType with an empty body; Windows PowerShell 5.1 escapes in lower
# case and waits for "100 Continue" before it sends the body.  The order of the
# parameters differs, as a PowerShell hash table has none.
{
    my $ps = 'canary.Secret-~with_(8)*chars!';
    $s->{store}->import_records(clients => [client($guid, secret_hashes => [hash_of($ps)], issuers => [qw(main own)])]);

    my $host = '127.0.0.1:' . $s->port;
    my %agent = (7 => 'Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22631; en-US) PowerShell/7.4.1',
                 5 => 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.2506');

    for my $version (7, 5) {
        my $case  = $version == 7 ? '%%%02X' : '%%%02x';
        my %body  = (client_id => $guid, client_secret => $ps, scope => "api://$guid/.default",
                     grant_type => 'client_credentials');
        my @order = $version == 7 ? qw(grant_type scope client_id client_secret) : qw(scope client_secret grant_type client_id);
        my $body  = join '&', map { "$_=" . $body{$_} =~ s/([^A-Za-z0-9\-_.!*()])/sprintf $case, ord $1/ger } @order;
        my $lines = sub (@lines) { join '', map { "$_\r\n" } @lines, '' };

        my $c = $s->connect;
        my @post = ('POST /own/token HTTP/1.1', "Host: $host", "User-Agent: $agent{$version}",
                    'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body);
        if ($version == 7) {
            $c->send($lines->(@post[0, 1, 2], 'Accept-Encoding: gzip, deflate, br', @post[3, 4]) . $body);
        } else {
            $c->send($lines->($post[0], @post[2, 3, 1, 4], 'Expect: 100-continue', 'Connection: Keep-Alive'));
            is $c->response->{status}, 100, "PowerShell $version gets 100 Continue";
            $c->send($body);
        }
        my $answer = $c->response;
        my $json   = eval { JSON::PP->new->decode($answer->{body}) } // {};
        is $answer->{status}, 200, "PowerShell $version gets a token";
        AuthToken::Token::secret($json->{access_token} // '-');

        my $tag = next_tag;
        $c->send($lines->('GET /read HTTP/1.1', $post[1], "Authorization: Bearer $json->{access_token}", $post[2],
            "X-Test: $tag", 'Content-Type: application/json', $version == 7 ? 'Content-Length: 0' : ()));
        is_granted $c->response, "PowerShell $version is granted with the token";
        is hits($s, $tag), 1, "PowerShell $version reaches the upstream";
    }

    $s->{store}->import_records(clients => [client($guid, issuers => [qw(main own)])]);
}

# --- errors -----------------------------------------------------------------

sub is_error ($answer, $error, $name, $header = 0) {
    my $status = $error eq 'invalid_client' ? 401 : 400;
    is $answer->{status}, $status, "$name: $status";
    my $json = JSON::PP->new->decode($answer->{body});
    is $json->{error}, $error, "$name: $error";
    like $json->{error_description}, qr/\A[\x20-\x21\x23-\x5b\x5d-\x7e]+\z/, "$name: a description (RFC 6749 section 5.2)";
    is $answer->header('Cache-Control'), 'no-store', "$name: the response is not cacheable";
    is $answer->header('WWW-Authenticate'),
       $status == 401 && $header ? 'Basic realm="clients", charset="UTF-8"' : undef,
       "$name: a challenge only to a client that used the Authorization header";
}

my $start = "grant_type=client_credentials&client_id=$guid";
for ([invalid_client => 'a wrong secret', { client_id => $guid, client_secret => 'canary-wrong' }],
     [invalid_client => 'an unknown client', { client_id => 'nobody', client_secret => $secret }],
     [invalid_client => 'a disabled client', { client_id => 'off', client_secret => $secret }],
     [invalid_client => 'a client of another issuer', { client_id => 'foreign', client_secret => $secret }],
     [invalid_client => 'a client without secrets', { client_id => 'mute', client_secret => $secret }],
     [invalid_client => 'an empty secret', { client_id => 'mute', client_secret => '' }],
     [invalid_client => 'a secret of another client', { client_id => 'single', client_secret => $newer }],
     [invalid_client => 'no client credentials', {}],
     [invalid_client => 'invalid base64', {}, auth => 'Basic !!!'],
     [invalid_client => 'a wrong secret in Basic', {}, auth => 'Basic ' . encode_base64("$guid:canary-wrong", '')],
     [invalid_client => 'an unknown client in Basic', {}, auth => 'Basic ' . encode_base64("nobody:$secret", '')],
     [invalid_request => 'a secret in the body and a Basic credential', { client_secret => $secret }, auth => $basic],
     [invalid_request => 'different client ids', { client_id => 'other' }, auth => $basic],
     [invalid_request => 'a bearer token', {}, token => 'x'],
     [invalid_request => 'no grant_type', 'client_id=x&client_secret=y'],
     [invalid_request => 'an empty body', ''],
     [invalid_request => 'a duplicate parameter', "$start&client_id=$guid&client_secret=x"],
     [invalid_request => 'an invalid escape', 'grant_type=client_credentials&client_id=%zz&client_secret=x'],
     [invalid_request => 'a NUL', "$start&client_secret=%00"],
     [invalid_request => 'a body of 9,000 bytes', 'x' x 9000],
     [invalid_request => 'an empty grant_type', { @valid, grant_type => '' }],
     [invalid_request => 'two grant types', "$start&client_secret=x&grant_type=client_credentials"],
     [invalid_request => 'two scopes', "$start&client_secret=x&scope=&scope=api%2F.default"],
     [invalid_request => 'a duplicate parameter, once escaped', "$start&client_secret=x&client%5Fsecret=y"],
     [invalid_request => 'an incomplete escape', "$start&client_secret=%4"],
     [invalid_client => 'an empty client id in Basic', {}, auth => 'Basic ' . encode_base64(":$secret", '')],
     [invalid_client => 'an empty secret in Basic', {}, auth => 'Basic ' . encode_base64("$guid:", '')],
     [invalid_client => 'Basic without a colon', {}, auth => 'Basic ' . encode_base64($guid, '')],
     [invalid_client => 'a NUL in Basic', {}, auth => 'Basic ' . encode_base64("$guid:%00", '')],
     [invalid_client => 'an invalid escape in Basic', {}, auth => 'Basic ' . encode_base64("$guid:100%", '')],
     [invalid_client => 'a client assertion', { client_assertion => 'x', client_assertion_type => 'urn:x' }],
     (map { [unsupported_grant_type => "the grant type $_", { @valid, grant_type => $_ }] }
          'password', 'Client_Credentials', 'client_credentials ', 'client_credentials client_credentials',
          'urn:ietf:params:oauth:grant-type:token-exchange'),
     map { [invalid_scope => "scope $_", { @valid, scope => $_ }] } 'read', 'api://other/.default', "api://$guid",
         '/.default', 'api:///.default', "api://$guid/.default x", '.default', 'other/.default', 'api://api://api/.default',
         $guid, "$guid.default", "https://$guid/.default", "x$guid/.default")
{
    my ($error, $name, $fields, @o) = @$_;
    is_error ask($fields, @o), $error, $name, scalar @o;
}
for my $type ('application/json', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencodedx', 'text/plain', '') {
    is_error $s->request('/oauth/token', method => 'POST', body => "$start&client_secret=$secret",
                         headers => ["Content-Type: $type"]), 'invalid_request', "the media type '$type'";
}
is_error $s->request("/oauth/token?$start&client_secret=x", method => 'POST', body => ''),
         'invalid_request', 'parameters in the query';
is_error $s->request('/oauth/token', method => 'POST', body => "$start&client_secret=$secret",
                     headers => ['Content-Type: application/x-www-form-urlencoded', 'Content-Encoding: gzip']),
         'invalid_request', 'a compressed body';
for my $type ('application/x-www-form-urlencoded; charset=UTF-8', 'application/x-www-form-urlencoded;charset=utf-8',
              'Application/X-WWW-Form-URLEncoded', "application/x-www-form-urlencoded ; charset=\"utf-8\"")
{
    is $s->request('/oauth/token', method => 'POST', body => "$start&client_secret=$secret",
                   headers => ["Content-Type: $type"])->{status}, 200, "the media type '$type'";
}
is ask({}, auth => "$_ " . encode_base64("$guid:$secret", ''))->{status}, 200, "the scheme '$_'" for 'basic', 'BASIC', 'Basic ';
is ask({ client_id => '', client_secret => '' }, auth => $basic)->{status}, 200, 'Basic with empty members in the body';
is ask("&&$start&client_secret=$secret&")->{status}, 200, 'empty parameters are ignored';
is ask("$start&client_secret=" . ($newer =~ s/([^A-Za-z0-9 ])/sprintf '%%%02x', ord $1/ger =~ tr/ /+/r))->{status}, 200,
   'a space as "+"';
is ask({}, auth => 'Basic ' . encode_base64("$guid:" . ($newer =~ s/([^A-Za-z0-9 ])/sprintf '%%%02x', ord $1/ger =~ tr/ /+/r), ''))->{status},
   200, 'a space as "+" in Basic';
is_deeply { map { (ask({ client_id => $_, client_secret => 'canary-wrong' })->{body} => 1) } $guid, qw(off foreign mute nobody) },
          { '{"error":"invalid_client","error_description":"client unknown or disabled, or wrong secret"}' => 1 },
          'the description does not reveal which clients exist';
is ask({ @valid, more => 'x' })->{status}, 200, 'unknown parameters are ignored';
is_refused $s->request('/oauth/token'), method_not_allowed => 'GET gets 405';
for my $format ('', '/problem', '/text') {
    for my $method (qw(GET HEAD PUT)) {
        my $got = $s->request("$format/oauth/token", method => $method);
        is $got->{status}, 405, "$method of $format/oauth/token gets 405";
        is $got->header('Allow'), 'POST', "$method of $format/oauth/token gets Allow: POST";
    }
    like $s->request("$format/oauth/token")->{body}, qr/Method Not Allowed/, "GET of $format/oauth/token: the message";
}

# --- metadata (RFC 8414) ----------------------------------------------------

my $metadata = $s->request('/.well-known/oauth-authorization-server');
is $metadata->{status}, 200, 'the metadata';
is $metadata->header('Content-Type'), 'application/json', 'the metadata is JSON';
is_deeply JSON::PP->new->decode($metadata->{body}),
          { issuer => 'https://issuer.example', token_endpoint => 'https://issuer.example/oauth/token',
            jwks_uri => 'https://keys.example/keys', response_types_supported => [],
            grant_types_supported => ['client_credentials'],
            token_endpoint_auth_methods_supported => ['client_secret_basic', 'client_secret_post'] },
          'the members of the metadata: a path is on the host of the issuer';
is_refused $s->request('/.well-known/oauth-authorization-server', method => 'POST', body => ''), method_not_allowed => 'POST of the metadata gets 405';
is JSON::PP->new->decode($s->request('/own/metadata')->{body})->{token_endpoint}, 'https://own.example/own/token',
   'an issuer with a path, and no jwks_uri';

# --- throttling --------------------------------------------------------------

ask({ client_id => $_, client_secret => 'canary-wrong' }) for qw(flood Flood FLOOD fLOOD flOOD);
my $flood = ask({ client_id => 'flood', client_secret => $secret });
is $flood->{status}, 429, 'a client gets 429 after five failures, in upper or lower case';
like $flood->header('Retry-After'), qr/\A[1-9]\d?\z/, '429 has Retry-After';
is ask({ @valid })->{status}, 200, 'failures of one client do not affect another';
is ask({ client_id => 'flood', client_secret => $secret }, from => '127.0.0.9')->{status}, 200, 'failures of one address do not affect another';

# --- the secret is changed --------------------------------------------------

$s->{store}->import_records(clients => [client('single', secret_hashes => [hash_of('canary-third')], issuers => ['main'])]);
is_error ask({ client_id => 'single', client_secret => $secret }), 'invalid_client', 'a removed secret';
is ask({ client_id => 'single', client_secret => 'canary-third' })->{status}, 200, 'the secret that replaces it';

# --- the JWK Set endpoint ---------------------------------------------------------

my $keys = $s->request('/keys');
is $keys->{status}, 200, 'the JWK Set';
is $keys->header('Content-Type'), 'application/json', 'the JWK Set is JSON';
is $keys->header('Cache-Control'), 'public, max-age=300', 'the JWK Set may be cached';

my $set = JSON::PP->new->decode($keys->{body});
is_deeply [keys %$set], ['keys'], 'the JWK Set has the member keys';
is scalar $set->{keys}->@*, 2, 'the JWK Set has both keys';
is_deeply [map { join ' ', sort keys %$_ } $set->{keys}->@*], [('alg e kid kty n use') x 2], 'keys have no private member';
is $set->{keys}[1]{kid}, 'old', 'a configured kid';
is $set->{keys}[0]{n}, JSON::PP->new->decode(key('rsa')->jwk)->{n}, 'the modulus of the key';
my $payload = eval { decode_jwt(token => token_of($answer), kid_keys => $set, accepted_alg => 'RS256') };
is $payload && $payload->{appid}, $guid, 'another implementation verifies the token with the JWK Set';
like $set->{keys}[0]{kid}, qr/\A[\w-]{43}\z/, 'without a configured kid it is the thumbprint (RFC 7638)';
is $s->request('/keys', method => 'HEAD')->{status}, 200, 'HEAD gets 200';
is_refused $s->request('/keys', method => 'POST', body => ''), method_not_allowed => 'POST gets 405';

# --- signing keys of other types --------------------------------------------

{
    my %alg    = (p256 => 'ES256', p384 => 'ES384', p521 => 'ES512');
    my @curves = sort keys %alg;
    my $users  = prepare_users(clients => [client($guid, issuers => \@curves)]);

    my $t = start("auth_token_store lmdb:%%DIR%%/store;\nauth_token_state_path %%DIR%%/state;\n" . join('', map {
        "%%ISSUER $_: issuer https://$_.example; client_claim appid; algorithms $alg{$_}; signing_key %%DIR%%/$_.key;%%\n"
    } @curves) . 'server { listen %%LISTEN%%; auth_token on;' . join('', map {
        "location /$_/ { auth_token_trust $_; proxy_pass %%UPSTREAM%%; }
         location = /$_/token { auth_token_oauth $_; } location = /$_/keys { auth_token_jwks $_; }\n"
    } @curves) . '}', prepare => sub ($server) {
        $users->($server);
        chmod 0600, $server->write("$_.key", named_curve($_)) for @curves;
    }, good => ['/', token => 'set later']);

    for my $curve (@curves) {
        my $got = ask({ @valid }, path => "/$curve/token", server => $t);
        $t->{good} = ["/$curve/", token => token_of($got)];
        granted $t, "/$curve/", "a token of a signing key on $curve", token => token_of($got);
        my $jwks = JSON::PP->new->decode($t->request("/$curve/keys")->{body});
        is $jwks->{keys}[0]{alg}, $alg{$curve}, "$curve: the algorithm of the published key";
        ok eval { decode_jwt(token => token_of($got), kid_keys => $jwks, accepted_alg => $alg{$curve}) },
            "$curve: another implementation verifies the token";
    }
}

# the private key as OpenSSL writes it: CryptX writes the parameters of the curve
sub named_curve ($name) {
    key($name);
    local (@ARGV, $/) = "$AuthToken::Token::KEYS/$name.pem";
    return scalar <>;
}

# --- configuration ----------------------------------------------------------

for (['audience clients; client_claim appid;', 'token_endpoint=oauth', qr/invalid value "token_endpoint=oauth".*use/, 'a relative path'],
     ['audience clients; client_claim appid;', 'token_endpoint=//evil.example/', qr/invalid value/, 'a path that begins with two slashes'],
     ['audience clients; client_claim appid;', 'token_endpoint=http://api.example/token', qr/invalid value/, 'http'],
     ['audience clients; client_claim appid;', 'jwks_uri=/keys', qr/"auth_token_metadata" requires "token_endpoint=URL"/, 'no token endpoint'],
     ['issuer name; audience clients; client_claim appid;', 'token_endpoint=/token',
      qr/requires an https URL without a query in "issuer" of "auth_token_issuer main"/, 'an issuer that is not a URL'])
{
    my ($block, $parameter, $error, $name) = @$_;
    conf_fails issuer_conf(main => $block) . <<"CONF", $error, "metadata: $name", prepare => prepare_users();
    server { listen %%LISTEN%%; location / {
        auth_token_metadata main $parameter;    # here
    } }
CONF
}

conf_fails issuer_conf() . <<'CONF', qr/"auth_token_oauth" requires "client_claim" in "auth_token_issuer main"/, 'client credentials for an issuer without client_claim',
    server { listen %%LISTEN%%; location / {
        auth_token_oauth main;    # here
    } }
CONF
    prepare => prepare_users();

done;
