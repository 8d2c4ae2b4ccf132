#!/usr/bin/perl

# Credentials as HTTP carries them: Authorization, cookies, methods, versions
# (rows H, for bearer tokens and cookies).
#
# Requirements: no-credential, duplicate-credential-headers,
#   header-name-variants, bearer-scheme, authorization-syntax,
#   header-control-characters, token-in-query-or-body, http-versions,
#   head-and-preflight, unknown-methods, refused-request-body,
#   request-target-forms, cookie-syntax.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;

my $s = start(<<'CONF');
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%

        large_client_header_buffers 4 32k;
        client_max_body_size 0;
        underscores_in_headers on;

        auth_token on;
        proxy_set_header X-User $auth_token_user;

        location /        { proxy_pass %%UPSTREAM%%; }
        location /cookie  { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /session { auth_token_accept cookie=session; proxy_pass %%UPSTREAM%%; }
        location /open    { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /realm   { auth_token_realm 'a "quoted\\ realm'; proxy_pass %%UPSTREAM%%; }

        location /none {
            auth_token_accept none;
            auth_token_allow  127.0.0.0/8;
            proxy_pass %%UPSTREAM%%;
        }
        location /mixed {
            auth_token_accept bearer cookie;
            proxy_pass %%UPSTREAM%%;
        }
        location /listed {
            auth_token_accept cookie bearer;
            auth_token_cookie_origin https://ui.example https://ui.example:8443;
            proxy_pass %%UPSTREAM%%;
        }
        location /preflight {
            auth_token_preflight on;
            proxy_pass %%UPSTREAM%%;
        }
        location /preflight/near {
            auth_token_preflight on;
            auth_token_allow 127.0.0.0/8;
            auth_token_accept none;
            proxy_pass %%UPSTREAM%%;
        }
        location /preflight/far {
            auth_token_preflight on;
            auth_token_allow 192.0.2.0/24;
            proxy_pass %%UPSTREAM%%;
        }
    }
CONF

my $good = good_token();
my $bad  = token(key => key('rsa2'));
my $old  = good_token(exp => 1);

my %inv = (reason => 'malformed');

# --- no credential ----------------------------------------------------------

refused $s, '/api', NONE => 'no credential', reason => 'no_credential';
refused $s, "/$_", NONE => "no credential at /$_", reason => 'no_credential'
    for qw(cookie session mixed);
refused $s, '/realm', NONE => 'the realm', expect => { realm => 'a "quoted\\ realm' };
refused $s, '/api', NONE => 'an empty Authorization', auth => '';
granted $s, '/none', 'none is accepted';
granted $s, '/none', 'none is accepted, nor read', token => $bad;
granted $s, '/open', 'auth_token off', token => $bad;

# --- names of headers -------------------------------------------------------

refused_by_nginx $s, '/api', 400, "two Authorization headers, $_->[0]",
    headers => [map { "Authorization: Bearer $_" } $_->[1]->@*] for
    ['equal', [$good, $good]], ['the first good', [$good, $bad]],
    ['the second good', [$bad, $good]];

{
    my ($answer) = http2($s, ['/api', { port => 2, tag => next_tag, headers => [
        map { "Authorization: Bearer $_" } $good, $good] }]);
    is $answer->{status}, 400, 'two Authorization headers, HTTP/2';
}

for my $name ('X_API_Token', 'X.API.Token', 'X-API-Token', 'Authorisation',
              'Authorization_', 'X-Authorization', 'Proxy-Authorization', 'Http_Authorization')
{
    refused $s, '/api', NONE => "$name", headers => ["$name: Bearer $good"];
    granted $s, '/api', "$name beside a good token", token => $good,
            headers => ["$name: Bearer $bad"];
}
granted $s, '/api', "$_", headers => ["$_: Bearer $good"]
    for 'authorization', 'AUTHORIZATION', 'aUtHoRiZaTiOn';

# --- the value of Authorization ---------------------------------------------

granted $s, '/api', "'$_'", auth => "$_$good"
    for 'bearer ', 'BEARER ', 'BeArEr ', 'Bearer  ', 'Bearer        ', '  Bearer ';
granted $s, '/api', 'spaces behind', auth => "Bearer $good   ";

refused $s, '/api', INV => "$_->[0]", auth => $_->[1] for
    ['a tab',              "Bearer\t$good"],   ['a tab behind the space', "Bearer \t$good"],
    ['a tab in front',     "\tBearer $good"],  ['a tab behind',     "Bearer $good\t"],
    ['a tab and a space',  "Bearer\t $good"],  ['a tab and a space behind', "Bearer $good\t "];

refused $s, '/api', INV => "$_->[0]", auth => $_->[1], %inv for
    ['two in a list',      "Bearer $good, Bearer $good"],
    ['two tokens',         "Bearer $good $good"],
    ['two tokens, comma',  "Bearer $good,$good"],
    ['Bearer twice',       "Bearer Bearer $good"],
    ['a parameter',        "Bearer $good;x"],
    ['a realm',            "Bearer realm=\"x\""],
    ['b64token=',          "Bearer token=$good"],
    ['quotes',             "Bearer \"$good\""],
    ['angle brackets',     "Bearer <$good>"];
refused $s, '/api', NONE => "$_->[0]", auth => $_->[1] for
    ['Token',     "Token $good"],   ['Basic',       "Basic $good"],
    ['Negotiate', "Negotiate $good"], ['no scheme', $good],
    ['Digest',    "Digest username=\"a\", response=\"$good\""],
    ['no space',  "Bearer$good"],   ['a colon',     "Bearer: $good"],
    ['JWT',       "JWT $good"],     ['Basic first', "Basic YTpi, Bearer $good"],
    ['equals',    "Bearer=$good"],  ['DPoP',        "DPoP $good"];

refused_by_nginx $s, '/api', 400, "$_->[0]", headers => $_->[1] for
    ['a folded line',          ['Authorization: Bearer', " $good"]],
    ['a folded line, tab',     ['Authorization: Bearer', "\t$good"]],
    ['space before the colon', ["Authorization : Bearer $good"]],
    ['NUL',                    ["Authorization: Bearer $good\0"]],
    ['a bare CR',              ["Authorization: Bearer\r$good"]],
    ['a control character in the name', ["Author\x01ization: Bearer $good"]];
refused $s, '/api', INV => sprintf('0x%02x behind the token', $_), %inv,
        token => $good . chr for 0x01, 0x08, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f, 0x80, 0xa0, 0xff;
refused $s, '/api', INV => sprintf('0x%02x before the token', $_), %inv,
        token => chr($_) . $good for 0x01, 0x0b, 0x7f, 0xa0, 0xff;
granted $s, '/api', 'bare LF at the ends of lines',
        bytes => request_bytes('/api', token => $good, tag => 'lf') =~ s/\r//gr, hit => 0;

# --- places where no token is read ------------------------------------------

{
    my $public = unwatched(sub { good_token() });

    refused $s, "/api?$_=$public", NONE => "$_ in the query"
        for 'access_token', 'token', 'jwt', 'accessToken', 'Authorization';
    refused $s, '/api', NONE => 'access_token in a form', method => 'POST',
            headers => ['Content-Type: application/x-www-form-urlencoded'],
            body => "access_token=$good";
    refused $s, '/api', NONE => 'in JSON', method => 'POST',
            headers => ['Content-Type: application/json'],
            body => qq({"access_token":"$good"});
    refused $s, '/api', NONE => 'a cookie where none is accepted',
            cookie => "accessToken=$good";
    refused_by_nginx $s, "http://user:$public\@localhost/api", 400, 'in the authority';
}

# --- versions and pipelines -------------------------------------------------

{
    my ($connection) = exchange($s, "GET /api\r\n", heads => []);
    like $connection->rest, qr/\A(?:\{"code":"API_INVALID_ACCESS_TOKEN".*\})?\z/,
         'HTTP/0.9';

    ($connection) = exchange($s, "GET /open\r\n", heads => [], hits => 1);
    like $connection->rest, qr/protected/, 'HTTP/0.9 where auth_token is off';
}

for my $http ('1.0', '1.1') {
    granted $s, '/api', "HTTP/$http", http => $http, token => $good;
    granted $s, '/api', "HTTP/$http, close", http => $http, token => $good, close => 1;
    refused $s, '/api', NONE => "HTTP/$http", http => $http;
    refused $s, '/api', INV => "HTTP/$http", http => $http, token => $bad;
    refused $s, '/api', EXP => "HTTP/$http, close", http => $http, token => $old,
            close => 1;
    refused $s, '/api', INV => "HTTP/$http, keep-alive", http => $http, token => $bad,
            headers => ['Connection: keep-alive'];
}

my @mixed = (['good',    undef,  token => $good],
             ['bad',     'INV',  token => $bad],
             ['expired', 'EXP',  token => $old],
             ['none',    'NONE'],
             ['a bad POST', 'INV', token => $bad, method => 'POST', body => 'x' x 3000],
             ['a good POST', undef, token => $good, method => 'POST', body => 'x' x 3000],
             ['a bad HEAD', 'INV', token => $bad, method => 'HEAD'],
             ['a good HEAD', undef, token => $good, method => 'HEAD']);

sub is_mixed ($answer, $row, $name) {
    my ($what, $sign, %o) = @$row;
    my @head = (head => ($o{method} // '') eq 'HEAD');

    defined $sign ? is_refused($answer, $sign, "$name, $what", @head)
                  : is_granted($answer, "$name, $what", @head);
}

{
    my @rows = map { $mixed[$_ * 5 % @mixed] } 0 .. 55;
    my $hits = grep { !defined $_->[1] } @rows;

    my (undef, @answers) = exchange($s,
        join('', map { my (undef, undef, %o) = @$_; request_bytes('/api', %o) } @rows),
        heads => [map { my (undef, undef, %o) = @$_; ($o{method} // '') eq 'HEAD' } @rows],
        hits => $hits);

    is_mixed($answers[$_], $rows[$_], "pipelined $_") for 0 .. $#rows;
}

{
    # curl makes no body of its own beside an explicit method
    my @rows = map { $mixed[$_ * 3 % @mixed] } 0 .. 99;
    my @tags = map { next_tag } @rows;
    my @answers = http2($s, map {
        my (undef, undef, %o) = $rows[$_]->@*;
        ['/api', { %o, port => 2, tag => $tags[$_] }];
    } 0 .. $#rows);

    is_mixed($answers[$_], $rows[$_], "stream $_ of HTTP/2") for 0 .. $#rows;

    my @wrong = grep { hits($s, $tags[$_]) != !defined $rows[$_][1] } 0 .. $#rows;
    is_deeply \@wrong, [], 'the upstream was hit by the good streams alone';
}

# --- methods ----------------------------------------------------------------

for my $row (['NONE'], ['INV', token => $bad], ['EXP', token => $old]) {
    my ($sign, %o) = @$row;
    refused $s, '/api', $sign => "$_", method => $_, %o
        for qw(HEAD OPTIONS PUT DELETE PATCH PROPFIND FOO);
}
granted $s, '/api', "$_", method => $_, token => $good
    for qw(HEAD OPTIONS PUT DELETE PATCH PROPFIND FOO);

my @preflight = (method => 'OPTIONS',
                 headers => ['Origin: https://evil.example',
                             'Access-Control-Request-Method: POST', 'X-User: admin']);

refused $s, '/api', NONE => 'a preflight', @preflight;
granted $s, '/preflight', 'a preflight where they pass', @preflight;
granted $s, '/preflight/near', 'one from a listed address', @preflight;
refused $s, '/preflight/far', ADDR => 'one from another address', @preflight,
        reason => 'address';
refused $s, '/preflight', NONE => 'OPTIONS that is no preflight', method => 'OPTIONS';
refused $s, '/preflight', NONE => "OPTIONS with $_ alone", method => 'OPTIONS',
        headers => ["$_: POST"] for 'Origin', 'Access-Control-Request-Method';
refused $s, '/preflight', NONE => 'a GET that looks like one', @preflight,
        method => 'GET';
{
    my $tag = next_tag;
    $s->request('/preflight', @preflight, tag => $tag);
    my ($hit) = hits($s, $tag);
    is $hit->{http_x_user}, '', 'identity headers of the client are taken off it';
}

refused_by_nginx $s, '/api', 405, "$_", method => $_, token => $good, good => 0
    for 'TRACE', 'CONNECT';

# --- bodies -----------------------------------------------------------------

{
    my $connection = $s->connect;
    $connection->send(request_bytes('/api', method => 'POST', headers => [
        'Content-Length: 1000', 'Expect: 100-continue']));
    is_refused $connection->response, NONE => 'Expect: 100-continue is answered at once';

    $connection = $s->connect;
    $connection->send(request_bytes('/api', method => 'POST', token => $bad, headers => [
        'Content-Length: 1000000000']) . 'x' x 100_000);
    is_refused $connection->response, INV => '1 GB announced';
}

refused $s, '/api', INV => "a body of $_ bytes", token => $bad, method => 'POST',
        body => 'x' x $_ for 1, 8192, 1 << 20;
refused $s, '/api', INV => 'a chunked body', token => $bad, method => 'POST',
        bytes => request_bytes('/api', token => $bad, method => 'POST',
            headers => ['Transfer-Encoding: chunked']) . "5\r\nhello\r\n0\r\n\r\n",
        decision => undef;

{
    my (undef, @answers) = exchange($s, join('', map {
        request_bytes('/api', method => 'POST', body => 'GET /api HTTP/1.1' x 1000,
                      token => $_)
    } $bad, $good, $bad, $good), heads => [0, 0, 0, 0], hits => 2);

    is_refused $answers[0], INV => 'pipelined bodies, 1';
    is_granted $answers[1], 'pipelined bodies, 2';
    is_refused $answers[2], INV => 'pipelined bodies, 3';
    is_granted $answers[3], 'pipelined bodies, 4';
}

# --- where a request says it goes -------------------------------------------

for my $row (['absolute form', 'http://localhost/api'],
             ['absolute form of another host', 'http://other.example/api'],
             ['absolute form with a port', 'http://localhost:99/api'],
             ['another Host', '/api', host => 'other.example'],
             ['a Host with a port', '/api', host => 'localhost:99'],
             ['an address as Host', '/api', host => '127.0.0.1'],
             ['no Host', '/api', host => undef, http => '1.0'])
{
    my ($name, $path, %o) = @$row;
    granted $s, $path, "$name", token => $good, %o;
    refused $s, $path, INV => "$name", token => $bad, %o;
    refused $s, $path, NONE => "$name", %o;
}

# --- cookies ----------------------------------------------------------------

granted $s, '/cookie', "'$_->[0]'", cookie => $_->[1] for
    ['alone',           "accessToken=$good"],
    ['the last',        "a=b; accessToken=$good"],
    ['the first',       "accessToken=$good; a=b"],
    ['the middle',      "a=b; accessToken=$good; c=d"],
    ['no spaces',       "a=b;accessToken=$good;c=d"],
    ['many spaces',     "a=b;   accessToken=$good  ;  c=d"],
    ['odd neighbours',  "=; ;;a; =b; \"x; accessToken=$good; \$Version=1"],
    ['a longer name before',  "xaccessToken=$bad; accessToken=$good"],
    ['a longer name behind',  "accessToken=$good; accessTokenx=$bad"],
    ['another case',    "accesstoken=$bad; accessToken=$good; ACCESSTOKEN=$bad"],
    ['in a value',      "a=accessToken=$bad; accessToken=$good"],
    ['in quotes before', "a=\"b\"; accessToken=$good"];

refused $s, '/cookie', NONE => "'$_->[0]'", cookie => $_->[1] for
    ['a longer name',   "xaccessToken=$good"], ['a name that goes on', "accessTokenx=$good"],
    ['another case',    "accesstoken=$good"],  ['another name', "token=$good"],
    ['a space in it',   "access Token=$good"], ['a space behind it', "accessToken =$good"],
    ['quotes around it', "\"accessToken\"=$good"],
    ['no value',        'accessToken'],        ['an empty Cookie', ''],
    ['within a value',  "a=accessToken=$good"], ['refreshToken', "refreshToken=$good"];

refused $s, '/cookie', INV => "'$_->[0]'", cookie => $_->[1] for
    ['an empty value',  'accessToken='],       ['an empty one, then others', 'accessToken=; a=b'],
    ['quotes',          "accessToken=\"$good\""], ['a space inside', "accessToken=$good x"],
    ['a space in front', "accessToken= x$good"], ['a comma', "accessToken=$good, a=b"],
    ['an equals sign',  "accessToken=$good="], ['Bearer', "accessToken=Bearer $good"],
    ['URL encoding',    'accessToken=' . $good =~ s/\./%2E/gr],
    ['0x01',            "accessToken=$good\x01"], ['0xff', "accessToken=$good\xff"],
    ['8 KB',            'accessToken=' . 'A' x 8000], ['9 KB', 'accessToken=' . 'A' x 9000];

refused $s, '/cookie', INV => "two, $_->[0]", reason => 'several_credentials',
        cookie => "accessToken=$_->[1]; accessToken=$_->[2]" for
    ['equal', $good, $good], ['the first good', $good, $bad], ['the second good', $bad, $good],
    ['one empty', $good, ''], ['the first empty', '', $good];

refused $s, '/cookie', INV => 'two in two headers', reason => 'several_credentials',
        headers => ["Cookie: accessToken=$good", "Cookie: accessToken=$good"];
granted $s, '/cookie', 'two headers, one of it',
        headers => ['Cookie: a=b', "Cookie: accessToken=$good", 'Cookie: c=d'];
refused $s, '/cookie', EXP => 'expired', cookie => "accessToken=$old";
refused $s, '/cookie', INV => 'bad', cookie => "accessToken=$bad";
refused $s, '/cookie', NONE => 'a bearer token where cookies are accepted',
        token => $good;
granted $s, '/cookie', 'a bad bearer token where cookies are accepted',
        cookie => "accessToken=$good", token => $bad;

granted $s, '/session', 'another name', cookie => "session=$good; accessToken=$bad";
refused $s, '/session', NONE => 'another name', cookie => "accessToken=$good";

granted $s, '/mixed', 'a cookie where both are accepted',
        cookie => "accessToken=$good", decision => { method => 'cookie' };
granted $s, '/mixed', 'a token where both are accepted', token => $good,
        decision => { method => 'bearer' };
granted $s, '/mixed', 'a bad cookie beside a good token', token => $good,
        cookie => "accessToken=$bad";
refused $s, '/mixed', INV => 'a good cookie beside a bad token', token => $bad,
        cookie => "accessToken=$good", reason => 'bad_signature';
refused $s, '/mixed', INV => 'a good cookie beside an empty token', auth => 'Bearer',
        cookie => "accessToken=$good";
granted $s, '/mixed', 'a good cookie beside Basic', auth => 'Basic YTpi',
        cookie => "accessToken=$good";
granted $s, '/mixed', 'two cookies beside a good token', token => $good,
        cookie => "accessToken=$bad; accessToken=$bad";

{
    my @rows = (['one', undef, "accessToken=$good"],
                ['crumbs', undef, ['a=b', "accessToken=$good", 'c=d']],
                ['two', 'INV', ["accessToken=$good", "accessToken=$good"]],
                ['a bad one', 'INV', ['a=b', "accessToken=$bad"]],
                ['none', 'NONE', ['a=b', 'c=d']]);
    my @answers = http2($s, map {
        ['/cookie', { port => 2, tag => next_tag, cookie => $_->[2] }]
    } @rows);

    for my $i (0 .. $#rows) {
        my ($what, $sign) = $rows[$i]->@*;
        defined $sign ? is_refused($answers[$i], $sign, "HTTP/2, $what")
                      : is_granted($answers[$i], "HTTP/2, $what");
    }
}

{
    my $dir = "$AuthToken::Server::ROOT/t/data/http-state";
    my @files = sort glob "$dir/*-{test,expected}";
    is scalar @files, 444, 'the tests of http-state are all there';

    for my $file (@files) {
        my ($name) = $file =~ m{([^/]+)\z};

        for my $line (split /\r?\n/, AuthToken::Log->new($file)->content) {
            my ($value) = $line =~ /\A(?:Set-)?Cookie: ?(.*)\z/ or next;
            next if $value =~ /[\0\r]/;

            granted $s, '/cookie', "$name before", cookie => "$value; accessToken=$good";
            granted $s, '/cookie', "$name behind", cookie => "accessToken=$good; $value";
        }
    }
}

# --- cookies that another site makes a browser send -------------------------

my @cookie = (cookie => "accessToken=$good");

granted $s, '/mixed', "a cookie with $_->[0]", method => 'POST', body => '', @cookie,
        headers => $_->[1] for
    ['neither header',   []],
    ['its own Origin',   ['Origin: http://localhost']],
    ['its own Origin in capitals', ['Origin: HTTP://LOCALHOST']],
    ['the default port', ['Origin: http://localhost:80']],
    ['Sec-Fetch-Site: same-origin', ['Sec-Fetch-Site: same-origin']],
    ['both',             ['Origin: http://localhost', 'Sec-Fetch-Site: same-origin']];

refused $s, '/mixed', ORIGIN => "a cookie with $_->[0]", method => 'POST', body => '',
        @cookie, headers => $_->[1], reason => 'origin' for
    ['another Origin',   ['Origin: http://evil.example']],
    ['another scheme',   ['Origin: https://localhost']],
    ['another port',     ['Origin: http://localhost:8080']],
    ['a subdomain',      ['Origin: http://www.localhost']],
    ['a longer host',    ['Origin: http://localhost.evil.example']],
    ['a user part',      ['Origin: http://localhost@evil.example']],
    ['a user part and port', ['Origin: http://localhost:80@evil.example:80']],
    ['a path',           ['Origin: http://localhost/']],
    ['null',             ['Origin: null']],
    ['an empty Origin',  ['Origin:']],
    ['two origins',      ['Origin: http://localhost', 'Origin: http://evil.example']],
    ['two in one',       ['Origin: http://localhost http://evil.example']],
    ['same-site',        ['Sec-Fetch-Site: same-site']],
    ['cross-site',       ['Sec-Fetch-Site: cross-site']],
    ['none',             ['Sec-Fetch-Site: none']],
    ['another case',     ['Sec-Fetch-Site: Same-Origin']],
    ['its own Origin and cross-site',
     ['Origin: http://localhost', 'Sec-Fetch-Site: cross-site']];

refused $s, '/mixed', ORIGIN => "a cookie, another Origin, $_", method => $_, @cookie,
        headers => ['Origin: http://evil.example'] for qw(PUT PATCH DELETE FOO PROPFIND);
granted $s, '/mixed', "a cookie, another Origin, $_", method => $_, @cookie,
        headers => ['Origin: http://evil.example'] for qw(GET HEAD OPTIONS);
granted $s, '/mixed', 'a bearer token, another Origin', method => 'POST', body => '',
        token => $good, headers => ['Origin: http://evil.example', 'Sec-Fetch-Site: cross-site'];
granted $s, '/listed', "a cookie with the listed $_", method => 'POST', body => '', @cookie,
        headers => ["Origin: $_", 'Sec-Fetch-Site: cross-site']
    for 'https://ui.example', 'https://ui.example:8443';
refused $s, '/listed', ORIGIN => "a cookie with the unlisted $_", method => 'POST',
        body => '', @cookie, headers => ["Origin: $_"]
    for 'http://ui.example', 'https://ui.example:443', 'https://ui.example.evil', 'https://ui';
refused $s, '/mixed', INV => 'a bad cookie, another Origin', method => 'POST', body => '',
        cookie => "accessToken=$bad", headers => ['Origin: http://evil.example'];

done;
