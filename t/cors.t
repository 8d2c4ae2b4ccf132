#!/usr/bin/perl

# "auth_token_cors": pages of listed origins may send requests with credentials and read
# the responses; preflight requests are answered without a credential.
#
# Requirements: head-and-preflight, error-http, inheritance.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;

my $s = start(issuer_conf() . <<'CONF' . api_conf() . '    }',
    server {
        listen 127.0.0.1:%%PORT3%%;
        location /plain { return 200 "plain\n"; }
        location /own {
            add_header Access-Control-Allow-Origin https://upstream.example;
            add_header Access-Control-Allow-Credentials false;
            add_header Vary Accept;
            return 200 "own\n";
        }
        location /credentials { add_header access-control-allow-credentials true; return 200 "x\n"; }
        location /fails { return 502 "fails\n"; }
    }
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_accept bearer cookie basic;
        auth_token_cors https://app.example http://[2001:db8::1]:8080;

        location /        { proxy_pass %%UPSTREAM%%; }
        location /far     { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /scope   { auth_token_require_scope nothing; proxy_pass %%UPSTREAM%%; }
        location /open    { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /other   { auth_token_cors https://other.example; proxy_pass %%UPSTREAM%%; }
        location /ports   { auth_token_cors https://app.example:443 http://app.example:80 https://other.example:80; proxy_pass %%UPSTREAM%%; }
        location /off     { auth_token_cors off; proxy_pass %%UPSTREAM%%; }
        location /off/pass { auth_token_cors off; auth_token_preflight on; proxy_pass %%UPSTREAM%%; }
        location /pass    { auth_token_preflight on; proxy_pass %%UPSTREAM%%; }
        location /strict  { limit_except GET { auth_token_require_scope nothing; } proxy_pass %%UPSTREAM%%; }
        location /denied  { deny all; proxy_pass %%UPSTREAM%%; }
        location /page    { error_page 401 = @page; proxy_pass %%UPSTREAM%%; }
        location @page    { auth_token_cors off; return 401 "page\n"; }
        location /plain       { proxy_pass http://127.0.0.1:%%PORT3%%; }
        location /own         { proxy_pass http://127.0.0.1:%%PORT3%%; }
        location /credentials { proxy_pass http://127.0.0.1:%%PORT3%%; }
        location /fails       { proxy_pass http://127.0.0.1:%%PORT3%%; }
        location /missing     { return 404; }
CONF
    prepare => prepare_users(users => [user_record('jane')]));

my $app  = 'https://app.example';
my $good = good_token();

my @cors = map { "Access-Control-$_" } qw(Allow-Origin Allow-Credentials Expose-Headers Allow-Methods Allow-Headers Max-Age);

# the fields of CORS in a response; Vary is always among them
sub cors_of ($answer) {
    return join ' | ', map { my $name = $_; map { "$name: $_" } $answer->all($name) } @cors, 'Vary';
}

sub readable ($origin, $vary = 'Origin') {
    return "Access-Control-Allow-Origin: $origin | Access-Control-Allow-Credentials: true | "
         . "Access-Control-Expose-Headers: Date, Retry-After, WWW-Authenticate | Vary: $vary";
}

sub answers ($path, $status, $expected, $name, %o) {
    my $answer = $s->request($path, %o);
    is "$answer->{status} " . cors_of($answer), "$status $expected", $name;
    return $answer;
}

# --- responses --------------------------------------------------------------

sub from ($origin) { (headers => ["Origin: $origin"]) }

answers '/', 200, readable($app), 'a response', token => $good, tag => next_tag, from $app;
answers '/plain', 200, readable($_), "the origin $_", token => $good, from $_
    for $app, 'http://[2001:db8::1]:8080';
answers '/plain', 401, readable($app), 'a refusal, 401', from $app;
answers '/scope', 403, readable($app), 'a refusal, 403', token => $good, from $app;
answers '/far', 403, readable($app), 'a refusal by the address', token => $good, from $app;
answers '/page', 401, readable($app), 'a refusal with a page of "error_page"', from $app;
answers '/missing', 404, readable($app), 'an error of nginx', from $app;
answers '/fails', 502, readable($app), 'an error of the upstream', token => $good, from $app;
answers '/open', 200, readable($app), 'where "auth_token" is off', tag => next_tag, from $app;
answers '/other', 401, readable('https://other.example'), 'a list of a location', from 'https://other.example';

my $login = answers '/api/v6.1/auth/login', 200, readable($app), 'a login', method => 'POST',
    body => qq({"username":"jane","password":"$AuthToken::Local::PASSWORD"}),
    headers => ["Origin: $app", 'Sec-Fetch-Site: cross-site', 'Content-Type: application/json'];
my %cookie = cookies($login);
answers '/api/v6.1/auth/login', 401, readable($app), 'a wrong password', method => 'POST',
    body => '{"username":"jane","password":"canary-no"}',
    headers => ["Origin: $app", 'Content-Type: application/json'];
answers '/api/auth/token', 200, readable($app), 'a refresh', method => 'POST', body => '', from($app),
    cookie => "refreshToken=$cookie{refreshToken}";
answers '/keys', 200, readable($app), 'the JWK Set', from $app;

# --- other origins ----------------------------------------------------------

for my $origin ('https://evil.example', 'https://app.example.evil.example', 'https://xapp.example', 'http://app.example',
                'https://app.example:443', 'https://app.example:8443', 'https://app.example/', 'null', '*', '',
                'https://app.exampl', 'https://app.example https://evil.example', 'https://app.example, https://evil.example')
{
    answers '/plain', 200, 'Vary: Origin', "the origin '$origin'", token => $good, from $origin;
    answers '/plain', 401, 'Vary: Origin', "the origin '$origin', a refusal", from $origin;
}
answers '/plain', 200, 'Vary: Origin', 'no origin', token => $good;
answers '/plain', 401, 'Vary: Origin', 'two origins', headers => ["Origin: $app", "Origin: https://evil.example"];
answers '/other', 401, 'Vary: Origin', 'an origin of the outer list only', from $app;
answers '/off', 401, '', '"auth_token_cors off"', from $app;

answers '/ports', 401, readable($_), "$_, configured with its default port", from $_ for $app, 'http://app.example', 'https://other.example:80';
answers '/ports', 401, 'Vary: Origin', "$_, another port", from $_ for 'https://other.example', 'http://app.example:443';

# --- fields of the upstream -------------------------------------------------

answers '/own', 200, 'Access-Control-Allow-Origin: https://upstream.example | Access-Control-Allow-Credentials: false | '
    . 'Vary: Accept', 'an upstream with its own CORS fields', token => $good, from $app;
answers '/credentials', 200, readable($app) =~ s/ \| (Access-Control-Allow-C[^|]*) \|/ | $1 |/r,
    'an upstream that allows credentials only', token => $good, from $app;

# --- preflight requests -----------------------------------------------------

sub preflight ($origin, $method = 'PUT', @fields) {
    return (method => 'OPTIONS', headers => [defined $origin ? "Origin: $origin" : (),
        defined $method ? "Access-Control-Request-Method: $method" : (),
        map { "Access-Control-Request-Headers: $_" } @fields]);
}

sub allowed ($origin, $method, $fields = undef) {
    return readable($origin) =~ s/Vary/
        join ' | ', "Access-Control-Allow-Methods: $method",
                    defined $fields ? "Access-Control-Allow-Headers: $fields" : (),
                    'Access-Control-Max-Age: 600', 'Vary'/er;
}

for my $path ('/', '/far', '/scope', '/open', '/pass', '/strict', '/denied', '/page',
              '/api/v6.1/auth/login', '/api/auth/token', '/api/v6.1/auth/logout', '/keys')
{
    my $answer = answers $path, 204, allowed($app, 'PUT', 'authorization,content-type'), "a preflight to $path",
        preflight($app, 'PUT', 'authorization,content-type');
    is $answer->{body}, '', "a preflight to $path: no body";
    is_deeply [$answer->all('WWW-Authenticate')], [], "a preflight to $path: no challenge";
}
answers '/', 204, allowed($app, 'DELETE'), 'a preflight without header names', preflight($app, 'DELETE');
answers '/other', 204, allowed('https://other.example', 'PUT'), 'a preflight, the list of a location',
    preflight('https://other.example');

answers '/', 401, 'Vary: Origin', "a preflight of $_", preflight($_)
    for 'https://evil.example', 'null', 'https://app.example.evil.example', 'http://app.example';
answers '/api/auth/token', 405, 'Vary: Origin', 'a preflight to a token endpoint, another origin',
    preflight('https://evil.example');
answers '/', 401, readable($app), 'OPTIONS without Access-Control-Request-Method', preflight($app, undef);
answers '/', 401, 'Vary: Origin', 'OPTIONS without Origin', preflight(undef);
answers '/', 401, readable($app), 'GET with the fields of a preflight', preflight($app), method => 'GET';
answers '/off', 401, '', 'a preflight with "auth_token_cors off"', preflight($app);
granted $s, '/pass', 'a preflight of another origin is passed on by "auth_token_preflight"',
    preflight('https://evil.example');
granted $s, '/off/pass', 'a preflight is passed on where "auth_token_cors" is off', preflight($app);

# --- the origin check -------------------------------------------------------

for my $row (['a cookie' => cookie => "accessToken=$cookie{accessToken}"], ['Basic' => auth => basic('jane')]) {
    my ($name, @credential) = @$row;

    granted $s, '/good', "$name, POST from a listed origin", method => 'POST', body => '', @credential,
        headers => ["Origin: $app", 'Sec-Fetch-Site: cross-site'];
    refused $s, '/other', origin_not_allowed => "$name, POST from an origin of the outer list", method => 'POST',
        body => '', @credential, headers => ["Origin: $app"], good => 0;
    refused $s, '/good', origin_not_allowed => "$name, POST from another origin", method => 'POST',
        body => '', @credential, headers => ['Origin: https://evil.example'];
}
is logout($s, cookie => "accessToken=$cookie{accessToken}", headers => ['Origin: https://evil.example'])->{status},
   403, 'a logout from another origin';
is logout($s, cookie => "accessToken=$cookie{accessToken}", headers => ["Origin: $app"])->{status},
   200, 'a logout from a listed origin';

done;
