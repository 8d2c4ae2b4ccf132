#!/usr/bin/perl

# auth-token explain: the report on each step, outcomes outside of the module, and what
# the private process does not do.
#
# Requirements: explain, explain-private.

use v5.36;

use lib 't/lib';

use AuthToken::Explain;
use AuthToken::Store;
use AuthToken::Test;

my $conf = <<'CONF';
    %%ISSUER%%
    %%ISSUER second: issuer https://second.example; audience other; max_age 60s; typ at+jwt;%%
    auth_token_issuer clients {
        issuer https://clients.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        client_claim azp;
    }
    auth_token_store lmdb:%%DIR%%/store;
    map $arg_scope $required { default ""; read read; }
    limit_req_zone $uri zone=one:1m rate=1r/m;
    server {
        listen %%LISTEN%% default_server;
        listen %%LISTEN2%% ssl;
        listen unix:%%DIR%%/api.sock;
        listen %%LISTEN4%% http2;
        %%TLS%%
        auth_token on;
        auth_token_trust main second clients;
        auth_token_accept bearer api_token basic cookie;
        set_real_ip_from 127.0.0.9;
        real_ip_header X-Forwarded-For;
        proxy_pass_request_body off;

        location / { proxy_pass %%UPSTREAM%%; }
        location /scope/ {
            auth_token_require_scope any admin write;
            proxy_pass %%UPSTREAM%%;
            location /scope/nested/ { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
            location ~ \.png$ { proxy_pass %%UPSTREAM%%; }
        }
        location /variable/ { auth_token_require_scope $required; proxy_pass %%UPSTREAM%%; }
        location /address/ { auth_token_allow 127.0.0.2 10.0.0.0/8; proxy_pass %%UPSTREAM%%; }
        location /endpoints/ {
            auth_token_endpoints %%DIR%%/endpoints prefix=/endpoints;
            proxy_pass %%UPSTREAM%%;
        }
        location /off/ { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /any/ { satisfy any; allow 127.0.0.3; deny all; proxy_pass %%UPSTREAM%%; }
        location /all/ { deny all; proxy_pass %%UPSTREAM%%; }
        location /return/ { return 418; }
        location /named/ { error_page 401 = @login; proxy_pass %%UPSTREAM%%; }
        location @login { auth_token off; return 200 "login"; }
        location /rewrite/ { rewrite ^/rewrite(/.*)$ $1 last; }
        location /if/ { if ($arg_x) { return 404; } proxy_pass %%UPSTREAM%%; }
        location /limit/ { limit_except GET { auth_token_require_scope admin; } proxy_pass %%UPSTREAM%%; }
        location /request/ { auth_request /verdict; proxy_pass %%UPSTREAM%%; }
        location /verdict { internal; auth_token off; proxy_pass %%UPSTREAM%%; }
        location /internal/ { internal; proxy_pass %%UPSTREAM%%; }
        location /tls/ { if ($scheme = http) { return 301 https://localhost$uri; } proxy_pass %%UPSTREAM%%; }
        location /rate/ { limit_req zone=one; proxy_pass %%UPSTREAM%%; }
        error_page 404 /missing.html;
    }
    server {
        listen %%LISTEN%%;
        server_name second.example;
        auth_token on;
        auth_token_trust main;
        auth_token_accept api_token=x-key;
        location / { proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN3%% proxy_protocol;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
        auth_token on;
        auth_token_trust main;
        location / { auth_token_allow 10.0.0.0/8; proxy_pass %%UPSTREAM%%; }
    }
CONF

my $s = start($conf,
    files   => { endpoints => "GET /devices/:id devices.read\nGET /status Public\nGET /me Authenticated\n" },
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->ok('client', 'create', 'known', '--issuer', 'clients', '--role', 'editor');
        $store->ok('client', 'create', 'off', '--issuer', 'clients', '--role', 'editor', '--disabled');
        $store->ok('client', 'create', 'elsewhere', '--issuer', 'other', '--role', 'editor');
        $store->ok('client', 'create', 'far', '--issuer', 'clients', '--role', 'editor', '--allow', '10.9.0.0/16');
        $store->ok('user', 'create', 'jane', '--scope', 'read', { input => "right\n" });
        $store->ok('user', 'create', 'joe', '--scope', 'read', '--disabled', { input => "right\n" });
    }));
my $store = $s->{store};
my $key   = $store->token('ci', scope => ['write']);
my $old   = $store->token('old', expires => '2020-01-01');

sub client_token ($id) { good_token(iss => 'https://clients.example', azp => $id) }

# --- granted ----------------------------------------------------------------

my $report = report_on($s, '/scope/', token => good_token());
is $report->{outcome}, 'granted', 'a good token is granted';
is $report->{rc}, 0, 'the exit code of a grant is 0';
is_deeply [map { $_->{result} } $report->{auth_token}{steps}->@*],
          [('passed') x $report->{auth_token}{steps}->@*], 'each step of a grant has passed';
is_deeply [map { $_->{step} } $report->{auth_token}{steps}->@*],
          [qw(credential issuer key claims address scope)], 'the steps of a JWT';
like $report->{blocks}[-1]{text}, qr{\Alocation /scope/\z}, 'the report names the selected location';
like step($report, 'issuer')->{actual}, qr{"https://issuer\.example"}, 'the report shows the iss of the token';
is step($report, 'scope')->{directives}[0]{text}, 'auth_token_require_scope any admin write',
   'the report quotes the directive that states a requirement';

my $line = $s->line(1 + ($conf =~ /\A(.*?)auth_token_require_scope any/s ? $1 =~ tr/\n// : 0));
is step($report, 'scope')->{directives}[0]{position}, $s->conf_file . ":$line",
   'the report has the file and the line of the directive';
is report_on($s, '/scope/a.png', token => good_token())->{blocks}[-1]{text}, 'location ~ \.png$',
   'a nested regular expression is the selected location';

# --- each step --------------------------------------------------------------

my $now = time;

for (
    ['no_credential', '/', {}, { step => qr/^credential$/, directives => qr/auth_token_accept bearer/ }],
    ['malformed', '/', { token => 'a.b' }, { step => qr/^credential$/, actual => qr/^bearer [0-9a-f]{12}$/ }],
    ['bad_alg', '/', { token => token(alg => 'HS256', key => 'secret') },
        { step => qr/^key$/, actual => qr/alg: "HS256", expected alg: "RS256"/ }],
    ['issuer_mismatch', '/', { token => good_token(iss => 'https://evil.example') },
        { step => qr/^issuer$/, actual => qr/evil\.example/, directives => qr{auth_token_trust.*issuer https://issuer\.example} }],
    ['bad_signature', '/', { token => token(key => key('rsa2')) }, { step => qr/^key$/, directives => qr/key_file/ }],
    ['unknown_kid', '/', { token => token(header => { kid => 'new' }, key => key('rsa2')) },
        { step => qr/^key$/, actual => qr/kid: "new", expected kid: "old"/ }],
    ['audience_mismatch', '/', { token => good_token(aud => ['x', 'y']) },
        { step => qr/^claims$/, actual => qr/audience: "x y", expected audience: "api"/, directives => qr/audience api/, change => qr/audience/ }],
    ['audience_mismatch', '/', { token => token(header => { typ => 'at+jwt' }, claims => { iss => 'https://second.example' }) },
        { step => qr/^claims$/, directives => qr/\Aaudience other/ }],
    ['bad_typ', '/', { token => good_token(iss => 'https://second.example') },
        { step => qr/^key$/, actual => qr/expected typ: ".*at\+jwt"/, directives => qr/typ at\+jwt/ }],
    ['expired', '/', { token => good_token(exp => $now - 60) }, { step => qr/^claims$/, actual => qr/exp: "\d+", now: "\d+"/ }],
    ['too_old', '/', { token => token(header => { typ => 'at+jwt' },
        claims => { iss => 'https://second.example', aud => 'other', iat => $now - 600 }) }, { directives => qr/max_age 60s/ }],
    ['unknown_client', '/', { token => client_token('unknown') },
        { step => qr/^client$/, actual => qr/subject: "unknown"/, directives => qr/client_claim azp/, change => qr/client create/ }],
    ['disabled_client', '/', { token => client_token('off') }, { step => qr/^client$/, change => qr/enable/ }],
    ['client_issuer_mismatch', '/', { token => client_token('elsewhere') }, { step => qr/^client$/, change => qr/--issuer/ }],
    ['address_not_allowed', '/', { token => client_token('far') },
        { step => qr/^address$/, actual => qr{address: "127\.0\.0\.1", allowed by record: "10\.9\.0\.0/16"} }],
    ['address_not_allowed', '/address/', { token => good_token(), from => '127.0.0.1' },
        { step => qr/^address$/, directives => qr{auth_token_allow 127\.0\.0\.2 10\.0\.0\.0/8}, change => qr/set_real_ip_from/ }],
    ['insufficient_scope', '/scope/', { token => good_token(scope => ['other']) },
        { step => qr/^scope$/, actual => qr/scope: "other", required scope \(any\): "admin write"/ }],
    ['insufficient_scope', '/scope/nested/', { token => good_token() }, { directives => qr/auth_token_require_scope admin at/ }],
    ['insufficient_scope', '/variable/', { token => good_token() }, { actual => qr/required scope: ""/, change => qr/an empty value is never granted/ }],
    ['insufficient_scope', '/limit/', { token => good_token(), method => 'DELETE' }, { directives => qr/auth_token_require_scope admin/ }],
    ['unknown_endpoint', '/endpoints/none', { token => good_token() }, { step => qr/^endpoint$/, directives => qr/auth_token_endpoints/ }],
    ['endpoint_not_granted', '/endpoints/devices/1', { token => good_token() },
        { requirement => qr{"GET /devices/:id", line 1 of the endpoint list}, actual => qr/required scope: "devices\.read"/ }],
    ['unknown_api_token', '/', { api_token => 'nonsense' }, { step => qr/^credential$/, directives => qr/auth_token_store/ }],
    ['expired_api_token', '/', { api_token => $old }, { step => qr/^credential$/, change => qr/--expires/ }],
    ['several_credentials', '/', { api_token => $key, token => good_token() }, { step => qr/^credential$/ }],
    ['origin_not_allowed', '/', { cookie => 'accessToken=' . good_token(), method => 'POST', headers => ['Origin: https://evil.example'] },
        { step => qr/^origin$/ }],
) {
    my ($reason, $path, $request, $failed) = @$_;
    if ($reason eq 'unknown_kid') {                     # only keys with another kid
        $s->write('rsa.pem', '{"keys":[' . key('rsa')->jwk(kid => 'old') . ']}');
        eventually 'the key file was read again', sub { report_on($s, '/', token => good_token())->{outcome} eq 'granted' };
    }
    explains $s, $path, $reason, "$path: $reason", %$request, failed => $failed;
}
$s->write('rsa.pem', key('rsa')->pem);

explains $s, '/scope/', 'granted', 'an API token', api_token => $key;
explains $s, '/', 'granted', 'a cookie', cookie => 'accessToken=' . good_token();
explains $s, '/', 'granted', 'a known client', token => client_token('known');
explains $s, '/endpoints/status', 'granted', 'a public endpoint needs no credential';
explains $s, '/', 'granted', 'an API token in the configured field', host => 'second.example',
         args => ['--secret-header', 'x-key:' . $s->write('key', "$key\n")];
explains $s, '/', 'granted', '--user is granted as if the password were right', user => 'jane';
explains $s, '/', 'unknown_user', '--user with an unknown name', user => 'stranger', failed => { change => qr/user create/ };
explains $s, '/', 'locked_user', '--user with a disabled user', user => 'joe';
explains $s, '/', 'wrong_password', 'Basic with a wrong password', auth => 'Basic amFuZTp3cm9uZw==';

# --- the connection ---------------------------------------------------------

explains $s, '/address/', 'granted', 'an address of the ranges', token => good_token(), from => '10.2.3.4';
explains $s, '/address/', 'granted', 'X-Forwarded-For of a trusted proxy', token => good_token(), from => '127.0.0.9',
         headers => ['X-Forwarded-For: 10.2.3.4'];
explains $s, '/address/', 'address_not_allowed', 'a client of a unix socket has no address', token => good_token(),
         path => $s->dir . '/api.sock';
explains $s, '/', 'granted', 'a listener with the PROXY protocol', token => good_token(), port => $s->port(3),
         args => ['--proxy-protocol', '10.2.3.4'];
explains $s, '/', 'answered', 'without the header nginx closes such a connection', token => good_token(), port => $s->port(3);
explains $s, '/', 'granted', 'a listener for HTTP/2 only', token => good_token(), port => $s->port(4);
{
    my $found = report_on($s, '/', token => good_token(), port => $s->port(3));
    unlike "$found->{out}$found->{err}", qr/Bearer|eyJ/, 'the report does not quote the request that nginx cannot read';
}
explains $s, 'https://localhost:' . $s->port(2) . '/tls/', 'granted', 'an https URL selects a TLS listener', token => good_token();
explains $s, 'http://localhost:' . $s->port . '/tls/', 'answered', 'a plain URL is redirected', token => good_token();
like report_on($s, 'http://localhost:1/', token => good_token())->{err}, qr/no such listener/, 'a port without a listener is an error';

# --- outcomes outside of the module -----------------------------------------

for (
    ['granted',  '/off/', undef, '"auth_token off" is reported', qr/"off"/],
    ['answered', '/return/', 418, '"return" answers before the access phase'],
    ['answered', '/if/?x=1', 404, '"return" in an "if"', qr/if \(\$arg_x\)/],
    ['answered', '/internal/', undef, 'a location for internal requests, with an "error_page"'],
    ['answered', '/%zz', 400, 'a request that nginx does not parse'],
    ['refused',  '/all/', 403, '"deny" of nginx', qr/access forbidden by rule/],
    ['unknown',  '/request/', undef, '"auth_request" depends on a response', qr/subrequest/],
    ['granted',  '/rewrite/scope/', undef, 'a rewritten request', qr{location /scope/}],
    ['granted',  '/rate/', undef, 'a request within a limit'],
) {
    my ($outcome, $path, $status, $name, $text) = @$_;
    my $found = report_on($s, $path, token => good_token());
    is $found->{outcome}, $outcome, $name or diag $found->{err}, $found->{out};
    is $found->{status}, $status, "$name: status" if defined $status;
    like $found->{out}, $text, "$name: text" if $text;
}

explains $s, '/named/', 'no_credential', 'a refusal with an "error_page"';
explains $s, '/any/', 'granted', '"satisfy any": nginx grants what the module refuses', from => '127.0.0.3';
explains $s, '/any/', 'no_credential', '"satisfy any": no module grants';
is report_on($s, '/any/')->{rc}, 3, 'the exit code of a refusal is 3';
is report_on($s, '/request/', token => good_token())->{rc}, 1, 'the exit code of an unknown outcome is 1';

# --- arguments --------------------------------------------------------------

for (['--url', "/a\r\nX-API-Token: x"], ['--url', 'a b'], ['--url', 'http://u@h/'], ['--url', 'http:///'], ['--method', "GET /\r\n"],
     ['--header', "X: a\r\nCookie: b"], ['--header', 'Authorization: Basic x'], ['--header', 'x-api-token: x'], ['--header', ": x"],
     ['--secret-header', 'X'], ['--user', 'a:b'], ['--proxy-protocol', "1.2.3.4\r\n"], ['--bearer', good_token()])
{
    my @arguments = $_->[0] eq '--url' ? @$_ : ('--url', '/', @$_);
    my ($rc, $out, $err) = AuthToken::Explain::run($s, '--conf', $s->conf_file, @arguments);
    is "$rc:$out", '2:', "invalid $_->[0]: exit code 2" or diag $err;
}

my ($rc, $out, $err) = AuthToken::Explain::run($s, '--conf', $s->conf_file, '--url', '/', '--prefix', $s->dir,
                                               '--bearer', $s->write('lines', "a\r\nX-API-Token: $key\n"));
is "$rc:$out", '1:', 'a token file with two lines is refused';
unlike $err, qr/\Q$key/, 'the message does not show it';

($rc, $out, $err) = explain_text($s, '/scope/', token => good_token(scope => ["\e[31m\x{1}", "\x{e9}"]));
is $rc, 3, 'the text report of a refusal';
unlike $out, qr/[^\x20-\x7e\n\x80-\xff]/, 'the text report has no control character';
like $out, qr/^scope +failed$/m, 'the text report marks the step that failed';
like $out, qr/^  stated by +auth_token_require_scope any admin write  \(\S+:\d+\)$/m, 'the text report has the line of the directive';

# --- what the process does not do -------------------------------------------

my $other = $s->write('unloaded.conf', <<"CONF");
pid @{[$s->dir]}/unloaded.pid;
error_log @{[$s->dir]}/unloaded.log;
events { }
http { server { listen 127.0.0.1:@{[$s->port(9)]}; } }
CONF
($rc, $out, $err) = AuthToken::Explain::run($s, '--conf', $other, '--url', '/', '--prefix', $s->dir,
                                            '--nginx', explain_nginx($s));
is $rc, 1, 'a configuration that does not load the module is not started';
like $err, qr/does not load the module/, 'the message says so';
ok !-e $s->dir . '/unloaded.pid' && !-e $s->dir . '/unloaded.log', 'no file was created for it';

{
    local $ENV{AUTH_TOKEN_EXPLAIN} = 99;
    my $output = qx(@{[explain_nginx($s)]} -p @{[$s->dir]} -c @{[$s->conf_file]} 2>&1);
    isnt $?, 0, 'nginx does not start with the variable of the command, but without its socket';
    like $output, qr/invalid "AUTH_TOKEN_EXPLAIN" in the environment/, 'the message names the variable';
    is system("@{[explain_nginx($s)]} -t -q -p @{[$s->dir]} -c @{[$s->conf_file]}"), 0, 'nginx -t ignores it';
}

my $private = $s->write('private.conf', <<"CONF");
load_module $AuthToken::Server::BUILD/ngx_http_auth_token_module.so;
pid @{[$s->dir]}/private/pid;
error_log @{[$s->dir]}/private/error.log;
events { }
http {
    access_log @{[$s->dir]}/private/access.log;
    client_body_temp_path @{[$s->dir]}/private/body;
    auth_token_issuer main { issuer https://issuer.example; audience api; jwks_uri https://issuer.example/keys; }
    auth_token_state_path @{[$s->dir]}/private/state;
    server { listen 127.0.0.1:@{[$s->port]}; auth_token on; location / { return 200; } location /x { proxy_pass http://127.0.0.1:1; } }
}
CONF
mkdir $s->dir . '/private';
($rc, $out, $err) = AuthToken::Explain::run($s, '--conf', $private, '--url', '/x', '--prefix', $s->dir,
                        '--nginx', explain_nginx($s), '--bearer', $s->write('bearer', good_token() . "\n"));
is $rc, 1, 'keys that only the running nginx knows: the outcome is not known' or diag $out, $err;
like $out, qr/^outcome +unknown/m, 'the report says so';
is_deeply [glob $s->dir . '/private/*'], [], 'no log, pid file, directory or state was created, on the port of the running nginx';

granted $s, '/good', 'the running nginx', token => good_token();
done;
