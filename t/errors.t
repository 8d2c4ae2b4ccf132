#!/usr/bin/perl

# Responses to refused requests: status, headers and body in each format, with
# "auth_token_error", and after nginx's filters.
#
# Requirements: error-codes, error-challenge, error-escaping, basic-syntax,
#   error-http, error-keep-alive.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();

# code => status, message, message in the format text
my $denied = 'Access to this CIPP API endpoint is not allowed, ';
my $hidden = 'You do not have permission to view this directory or page.';

my %table = (
    API_EXPIRED_ACCESS_TOKEN => [401, 'Expired JWT Access Token', $hidden],
    API_INVALID_ACCESS_TOKEN => [401, 'Invalid JWT Access Token', $hidden],
    API_INSUFFICIENT_RIGHTS  => [403, 'Insufficient Rights',
        "${denied}the user does not have the required permission"],
    API_IP_NOT_ALLOWED       => [403, 'Client IP Address Not Allowed',
        "${denied}the API Client does not have the required permission"],
    API_ORIGIN_NOT_ALLOWED   => [403, 'Origin Not Allowed', 'Origin Not Allowed'],
    API_UNAVAILABLE          => [503, 'Authentication Unavailable', 'Authentication Unavailable'],
);
my @codes = sort keys %table;

# code => a request that gets it: outcome, path, options
my $bad    = token(key => key('rsa2'));
my $good   = good_token();
my $narrow = good_token(scope => []);
my $old    = good_token(exp => 1);

my %request = (
    API_EXPIRED_ACCESS_TOKEN => [expired_token => '/api', token => $old],
    API_INVALID_ACCESS_TOKEN => [invalid_token => '/api', token => $bad],
    API_INSUFFICIENT_RIGHTS  => [insufficient_scope => '/scope', token => $narrow],
    API_IP_NOT_ALLOWED       => [address_not_allowed => '/address', token => $good],
    API_ORIGIN_NOT_ALLOWED   => [origin_not_allowed => '/api', cookie => "accessToken=$good",
        method => 'POST', body => 'x=1', headers => ['Origin: https://evil.example']],
    API_UNAVAILABLE          => [unavailable => '/', token => $good],
);

# --- the server -------------------------------------------------------------

# a server for the requests above
sub server ($name, $directives = '') {
    return <<"CONF";
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        server_name $name;
        auth_token on;
        $directives

        # the server is incomplete: it does not choose one of two issuers
        location /good { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
        location /api     { auth_token_trust main; auth_token_accept bearer cookie; proxy_pass %%UPSTREAM%%; }
        location /scope   { auth_token_trust main; auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /address { auth_token_trust main; auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
    }
CONF
}

# characters with a meaning in JSON, HTML, printf() or nginx's configuration
my $message = qq(He said: "no" \\ or /so/, <b>\$uri</b> & %s {} ; # \xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xab \xe2\x80\xa8);
my $quoted  = $message =~ s/(["\\])/\\$1/gr;

sub overrides ($parameter) { join "\n", map { "auth_token_error $_ $parameter;" } @codes }

my @statuses = (400 .. 407, 409 .. 418, 421 .. 426, 428 .. 431, 443, 451, 493,
                500 .. 508, 510, 511, 599);

my $statuses = join '', map { <<"CONF" } @statuses;
        location /status/$_ {
            auth_token_trust main;
            auth_token_error API_INVALID_ACCESS_TOKEN status=$_;
            proxy_pass %%UPSTREAM%%;
        }
CONF

my $filters = <<'CONF';
        gzip on;
        gzip_types *;
        gzip_min_length 1;
        gzip_vary on;
        gunzip on;
        ssi on;
        sub_filter API CHANGED;
        sub_filter_once off;
        add_after_body  /good;
        add_before_body /good;
        charset utf-8;
        expires 1h;
        etag on;
        add_header X-Who "[$auth_token_user$auth_token_scope$auth_token_issuer$auth_token_claim_id]" always;
        add_header X-Why "$auth_token_status $auth_token_reason $auth_token_subject" always;
CONF

my $s = start(join("\n",
    'lingering_timeout 100ms;',
    "%%ISSUER main: user_claim username optional;%%\n%%ISSUER other:%%",
    server('localhost', $statuses . <<'CONF'),
        client_header_buffer_size 8k;
        large_client_header_buffers 4 32k;
        location / { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
        location /lingering { auth_token_trust main; lingering_close always; proxy_pass %%UPSTREAM%%; }
        location /realm1 { auth_token_trust main; auth_token_realm ''; }
        location /realm2 { auth_token_trust main; auth_token_realm 'a "b" \\c, d="e"'; }
        location /realm3 { auth_token_trust main; auth_token_realm 'é$uri'; }
        location /realm4 { auth_token_trust main; auth_token_realm $host; }
        location /masked {
            auth_token_trust main;
            auth_token_error API_INSUFFICIENT_RIGHTS status=401;
            auth_token_error API_IP_NOT_ALLOWED status=404 message=;
            auth_token_error API_INVALID_ACCESS_TOKEN status=403;
            auth_token_require_scope read;
            location /masked/address { auth_token_allow 192.0.2.1; }
            location /masked/address401 {
                auth_token_allow 192.0.2.1;
                auth_token_error API_IP_NOT_ALLOWED status=401;
            }
        }
CONF
    server('json',     'auth_token_error_format json;'),
    server('problem',  'auth_token_error_format problem;'),
    server('text',     'auth_token_error_format text;'),
    server('message',  overrides(qq("message=$quoted"))),
    server('mproblem', 'auth_token_error_format problem;'
                       . overrides(qq("message=$quoted" status=418))),
    server('mtext',    'auth_token_error_format text;' . overrides(qq("message=$quoted"))),
    server('status',   overrides('status=404')),
    server('filters',  $filters),
));

sub refused_as ($code, $host, $name, %o) {
    my ($sign, $path, %options) = $request{$code}->@*;

    # the default server has a complete location /
    $host = 'json' if $host eq 'localhost' && $sign eq 'unavailable';
    refused $s, $path, $sign => "$name, $code", host => $host, %options, %o;
}

# --- headers and body -------------------------------------------------------

for my $code (@codes) {
    my ($status, $message) = $table{$code}->@*;
    my $body = qq({"code":"$code","message":"$message"});

    refused_as $code, $_, "$_", expect => { status => $status, body => $body }
        for 'localhost', 'json';
}
refused $s, '/api', no_token => 'no credential',
    expect => { body => '{"code":"API_INVALID_ACCESS_TOKEN","message":"Missing Access Token"}' };

{
    my $answer = $s->request('/api', token => $bad);
    my $head = $answer->{raw_head} =~ s/^(Server|Date): \S.*?\r\n//gmr;

    is $head, join("\r\n", 'HTTP/1.1 401 Unauthorized', 'Content-Type: application/json',
        'Content-Length: 72', 'Connection: keep-alive', 'Cache-Control: no-store',
        'WWW-Authenticate: Bearer realm="api", error="invalid_token"', ''), 'all headers of a 401';
    is $answer->{body}, '{"code":"API_INVALID_ACCESS_TOKEN",'
                      . '"message":"Invalid JWT Access Token"}', 'the body of a 401';

    $answer = $s->request('/', host => 'json', token => $good);
    $head = $answer->{raw_head} =~ s/^(Server|Date): \S.*?\r\n//gmr;

    is $head, join("\r\n", 'HTTP/1.1 503 Service Temporarily Unavailable',
        'Content-Type: application/json', 'Content-Length: 65',
        'Connection: keep-alive', 'Cache-Control: no-store', 'Retry-After: 1', ''),
        'all headers of a 503';
}

# --- formats ----------------------------------------------------------------

my %phrase = (401 => 'Unauthorized', 403 => 'Forbidden', 503 => 'Service Unavailable');

for my $code (@codes) {
    my ($status, $message, $text) = $table{$code}->@*;

    refused_as $code, 'problem', 'problem', expect => {
        type => 'application/problem+json',
        body => qq({"type":"about:blank","title":"$phrase{$status}","status":$status,)
              . qq("detail":"$message","code":"$code"}) };
    refused_as $code, 'text', 'text', expect => { type => 'text/plain', body => $text };
}
refused $s, '/api', no_token => 'text, no credential', host => 'text',
    expect => { type => 'text/plain', body => $hidden };
refused $s, '/api', no_token => 'problem, no credential, HEAD', host => 'problem',
    method => 'HEAD', expect => {
        type => 'application/problem+json',
        body => '{"type":"about:blank","title":"Unauthorized","status":401,'
              . '"detail":"Missing Access Token","code":"API_INVALID_ACCESS_TOKEN"}' };

# --- auth_token_error -------------------------------------------------------

my $escaped = $message =~ s/(["\\])/\\$1/gr;

for my $code (@codes) {
    my $body = qq({"code":"$code","message":"$escaped"});
    is_deeply eval { JSON::PP->new->decode($body) }, { code => $code, message => $message },
              "$code: the message with special characters is one JSON string";

    refused_as $code, 'message', 'message', expect => { body => $body };
    refused_as $code, 'mtext', 'message, text',
        expect => { type => 'text/plain', body => $message };
    refused_as $code, 'mproblem', 'message and status, problem', expect => {
        status => 418, error => undef, type => 'application/problem+json',
        body => qq({"type":"about:blank","title":"Error","status":418,)
              . qq("detail":"$escaped","code":"$code"}) };
    refused_as $code, 'status', 'status 404', expect => { status => 404, error => undef };
}

for my $status (@statuses) {
    refused $s, "/status/$status", invalid_token => "status $status", token => $bad,
        expect => { status => $status, error => $status == 401 ? 'invalid_token' : undef };
    refused $s, "/status/$status", invalid_token => "status $status, HEAD", token => $bad, method => 'HEAD',
        expect => { status => $status, error => $status == 401 ? 'invalid_token' : undef };
}

my %narrow = (token => $narrow);
refused $s, '/masked', insufficient_scope => 'a 403 changed to 401 has a challenge', %narrow,
    expect => { status => 401 };
refused $s, '/masked', invalid_token => 'a 401 changed to 403 has no challenge', token => $bad,
    expect => { status => 403, error => undef };
refused $s, '/masked', no_token => 'a 401 changed to 403 has no challenge, no credential',
    expect => { status => 403, error => undef };
refused $s, '/masked/address', address_not_allowed => 'an empty message', token => $good,
    expect => { status => 404, message => '' };
refused $s, '/masked/address401', address_not_allowed => 'an address error changed to 401 has a challenge',
        token => $good, expect => { status => 401, error => '' };

# --- Basic where it is not accepted -----------------------------------------

refused $s, '/api', no_token => "Basic $_->[0]", auth => "Basic $_->[1]" for
    ['u:p', 'dTpw'], ['no colon', 'dXA='], ['a colon alone', 'Og=='], ['nothing', ''],
    ['NUL', 'AAAAOgA='], ['control characters', 'AQI6Aw=='], ['UTF-8', 'w7w6w7w='],
    ['no padding', 'dTpwcA'], ['bad base64', '!!!!'], ['300 bytes', 'YWFh' x 100];

# --- realms -----------------------------------------------------------------

refused $s, '/realm1', no_token => 'an empty realm', expect => { realm => '' };
refused $s, '/realm2', no_token => 'a realm with quotes', expect => { realm => 'a "b" \\c, d="e"' };
refused $s, '/realm3', invalid_token => 'a realm with UTF-8 and a variable', token => $bad,
    expect => { realm => "\xc3\xa9/realm3" };
refused $s, '/realm3/%0d%0aX-Injected:%20a%22%5c%7fb', no_token => 'a realm with an injected line',
    expect => { realm => "\xc3\xa9/realm3/X-Injected: a\"\\b" };
refused $s, '/realm4', no_token => 'a realm with the name of the host', expect => { realm => 'localhost' };

# --- input is not reflected -------------------------------------------------

{
    my $file = "$AuthToken::Server::ROOT/t/data/naughty-strings/blns.json";
    my $strings = JSON::PP->new->utf8->decode(AuthToken::Log->new($file)->content);
    is scalar @$strings, 515, 'all naughty strings are found';

    for my $i (0 .. $#$strings) {
        my $bytes = $strings->[$i];
        utf8::encode($bytes);

        my $encoded = $bytes =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
        my $header  = $bytes =~ s/[\0\r\n]/ /gr;
        my $path    = $bytes =~ m{\.\.|\0} ? '' : $encoded;
        my @once    = (good => $i % 50 == 0);

        refused $s, "/api/$path?$encoded", invalid_token => "naughty $i in the URI", token => $bad, @once;
        refused $s, '/api', no_token => "naughty $i in headers", @once,
            headers => ["User-Agent: $header", "X-User: $header"];
        refused $s, '/api', no_token => "naughty $i in Authorization", @once, auth => "x $header";
        refused $s, '/api', invalid_token => "naughty $i as kid", @once,
            token => token(header => { kid => $strings->[$i] }, key => key('rsa2'));
        refused $s, '/scope', insufficient_scope => "naughty $i as user and scope", @once,
            token => good_token(username => $strings->[$i], scope => [$strings->[$i]]);
    }
}

refused $s, "/api$_", no_token => 'bytes in the URI' for
    '/%ff%fe', '/%22%5c%0d%0aX-Injected:%201', '/</script>', '/"\\';

# --- versions, conditional requests, filters --------------------------------

for my $code (@codes) {
    my ($sign, undef, %o) = $request{$code}->@*;

    refused_as $code, 'localhost', 'HTTP/1.0', http => '1.0';
    refused_as $code, 'localhost', 'HEAD', method => 'HEAD' if $sign ne 'origin_not_allowed';
    refused_as $code, 'localhost', 'a browser', headers => [
        ($o{headers} // [])->@*, 'Accept: text/html', 'Accept-Encoding: gzip, br',
        'Accept-Charset: utf-16', 'Accept-Language: fr', 'Range: bytes=0-3',
        'If-None-Match: *', 'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
        'If-Match: "x"', 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
        'If-Range: "x"', 'TE: trailers, deflate'];
    refused_as $code, 'localhost', 'an old browser', close => 1, headers => [
        ($o{headers} // [])->@*, 'User-Agent: Mozilla/4.0 (compatible; MSIE 5.5)'];
    refused_as $code, 'filters', 'filters';
    refused_as $code, 'filters', 'filters and compression', headers => [
        ($o{headers} // [])->@*, 'Accept-Encoding: gzip', 'Range: bytes=0-3'];
}

{
    my $answer = $s->request('/scope', host => 'filters', token => $narrow);
    is $answer->header('X-Who'), '[]', 'add_header: no identity';
    is $answer->header('X-Why'), 'API_INSUFFICIENT_RIGHTS insufficient_scope jane', 'add_header: the reason';

    $answer = $s->request('/api', host => 'filters', token => $bad);
    is $answer->header('X-Who'), '[]', 'add_header: no identity of a bad token';
    is $answer->header('X-Why'), 'API_INVALID_ACCESS_TOKEN bad_signature',
       'add_header: the reason for a bad token';
}

{
    my ($connection) = exchange($s, "GET /api\r\n", heads => []);
    is $connection->rest, '{"code":"API_INVALID_ACCESS_TOKEN","message":"Missing Access Token"}',
       'HTTP/0.9: the body without headers';
}

{
    my @answers = http2($s, map {
        my (undef, $path, %o) = $request{$_}->@*;
        my $host = $path eq '/' ? 'json' : 'localhost';
        my @o = (port => 2, %o, tag => next_tag);
        delete local $o{body};
        ([$path, { @o, headers => [($o{headers} // [])->@*, "Host: $host"] }],
         [$path, { @o, method => 'HEAD', headers => ["Host: $host"] }])
    } grep { !/ORIGIN/ } @codes);

    for my $code (grep { !/ORIGIN/ } @codes) {
        my $sign = $request{$code}[0];
        is_refused shift @answers, $sign, "HTTP/2, $code";
        is_refused shift @answers, $sign, "HTTP/2, HEAD, $code", head => 1;
    }
}

# --- pipelined requests -----------------------------------------------------

{
    my @rows = map {
        my ($sign, $path, %o) = $request{$_}->@*;
        ([$sign, request_bytes($path, host => 'json', %o)],
         [$sign, request_bytes($path, host => 'json', %o, method => 'POST',
                               body => 'GET /api HTTP/1.1' x 400)],
         [$sign, request_bytes($path, host => 'json', %o, method => 'POST', body => undef,
                    headers => [($o{headers} // [])->@*, 'Transfer-Encoding: chunked'])
                 . "5\r\nhello\r\n0\r\n\r\n"],
         [undef, request_bytes('/good', token => $good)]);
    } grep { !/ORIGIN/ } @codes;

    my (undef, @answers) = exchange($s, join('', map { $_->[1] } @rows),
        heads => [(0) x @rows], hits => scalar grep { !defined $_->[0] } @rows);

    for my $i (0 .. $#rows) {
        my ($sign) = $rows[$i]->@*;
        defined $sign ? is_refused($answers[$i], $sign, "pipelined $i")
                      : is_granted($answers[$i], "pipelined $i");
    }
}

refused $s, '/lingering', invalid_token => 'lingering_close always, 1 MB', method => 'POST',
    token => $bad, body => 'x' x (1 << 20), close => 1;

done;
