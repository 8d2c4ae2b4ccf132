#!/usr/bin/perl

# Bearer tokens and cookies in HTTP requests: headers, methods, versions, bodies,
# request targets.
#
# Requirements: no-credential, duplicate-credential-headers,
#   header-name-variants, bearer-scheme, authorization-syntax,
#   header-control-characters, token-in-query-or-body, http-versions,
#   head-and-preflight, unknown-methods, refused-request-body,
#   request-target-forms, cookie-syntax.

use v5.36;

use lib 't/lib';

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

        location /none  { auth_token_accept none; auth_token_allow 127.0.0.0/8; proxy_pass %%UPSTREAM%%; }
        location /mixed { auth_token_accept bearer cookie; proxy_pass %%UPSTREAM%%; }
        location /preflight {
            auth_token_preflight on;
            proxy_pass %%UPSTREAM%%;
            location /preflight/near {
                auth_token_allow 127.0.0.0/8;
                auth_token_accept none;
                proxy_pass %%UPSTREAM%%;
            }
            location /preflight/far { auth_token_allow 192.0.2.0/24; proxy_pass %%UPSTREAM%%; }
        }
    }
CONF

my $good = good_token();
my $bad  = token(key => key('rsa2'));
my $old  = good_token(exp => 1);

# --- no credential ----------------------------------------------------------

check_requests $s, {},
    (map { [no_credential => $_, "no credential at $_"] } qw(/api /cookie /session /mixed)),
    [no_token => '/realm', 'no credential, a quoted realm', expect => { realm => 'a "quoted\\ realm' }],
    [no_token => '/api', 'an empty Authorization', auth => ''],
    [granted  => '/none', 'no credential where none is accepted'],
    [granted  => '/none', 'a bad token where none is accepted', token => $bad],
    [granted  => '/open', 'a bad token where auth_token is off', token => $bad];

# --- names of header fields -------------------------------------------------

refused_by_nginx $s, '/api', 400, "two Authorization headers, $_->[0]",
    headers => [map { "Authorization: Bearer $_" } $_->[1]->@*] for
    ['equal', [$good, $good]], ['the first is good', [$good, $bad]], ['the second is good', [$bad, $good]];

my @twice   = (headers => [("Authorization: Bearer $good") x 2]);
my ($twice) = http2($s, ['/api', { port => 2, tag => next_tag, @twice }]);
is $twice->{status}, 400, 'two Authorization headers, HTTP/2';

for my $name ('X_API_Token', 'X.API.Token', 'X-API-Token', 'Authorisation',
              'Authorization_', 'X-Authorization', 'Proxy-Authorization', 'Http_Authorization')
{
    refused $s, '/api', no_token => "a token in $name", headers => ["$name: Bearer $good"];
    granted $s, '/api', "a bad token in $name beside a good token", token => $good,
            headers => ["$name: Bearer $bad"];
}
granted $s, '/api', "a token in $_", headers => ["$_: Bearer $good"]
    for 'authorization', 'AUTHORIZATION', 'aUtHoRiZaTiOn';

# --- the value of Authorization ---------------------------------------------

granted $s, '/api', "'$_'", auth => "$_$good"
    for 'bearer ', 'BEARER ', 'BeArEr ', 'Bearer  ', 'Bearer        ', '  Bearer ';
granted $s, '/api', 'spaces after the token', auth => "Bearer $good   ";

refused $s, '/api', invalid_token => $_->[0], auth => $_->[1] for
    ['a tab',              "Bearer\t$good"],   ['a tab after the space', "Bearer \t$good"],
    ['a tab in front',     "\tBearer $good"],  ['a tab after the token',     "Bearer $good\t"],
    ['a tab and a space',  "Bearer\t $good"],  ['a tab and a space after the token', "Bearer $good\t "];

refused $s, '/api', malformed => $_->[0], auth => $_->[1] for
    ['two in a list', "Bearer $good, Bearer $good"], ['two tokens', "Bearer $good $good"],
    ['Bearer twice',  "Bearer Bearer $good"],        ['a parameter', "Bearer $good;x"],
    ['b64token=',     "Bearer token=$good"],         ['quotes',      "Bearer \"$good\""];
refused $s, '/api', no_token => $_->[0], auth => $_->[1] for
    ['Token',     "Token $good"],   ['Basic',       "Basic $good"],
    ['Negotiate', "Negotiate $good"], ['no scheme', $good],
    ['no space',  "Bearer$good"],   ['a colon',     "Bearer: $good"],
    ['Basic first', "Basic YTpi, Bearer $good"], ['equals', "Bearer=$good"];

refused_by_nginx $s, '/api', 400, $_->[0], headers => $_->[1] for
    ['a folded line',          ['Authorization: Bearer', " $good"]],
    ['a folded line, tab',     ['Authorization: Bearer', "\t$good"]],
    ['space before the colon', ["Authorization : Bearer $good"]],
    ['NUL',                    ["Authorization: Bearer $good\0"]],
    ['a bare CR',              ["Authorization: Bearer\r$good"]],
    ['a control character in the name', ["Author\x01ization: Bearer $good"]];
refused $s, '/api', malformed => sprintf('0x%02x after the token', $_), token => $good . chr
    for 0x01, 0x0b, 0x7f, 0x80, 0xff;
refused $s, '/api', malformed => sprintf('0x%02x before the token', $_), token => chr($_) . $good
    for 0x01, 0xff;
granted $s, '/api', 'lines that end with a bare LF',
        bytes => request_bytes('/api', token => $good, tag => 'lf') =~ s/\r//gr, hit => 0;

# --- tokens outside of Authorization ----------------------------------------

{
    my $public = unwatched(sub { good_token() });

    refused $s, "/api?$_=$public", no_token => "$_ in the query"
        for 'access_token', 'token', 'jwt', 'accessToken', 'Authorization';
    check_requests $s, {},
        [no_token => '/api', 'access_token in a form', method => 'POST', body => "access_token=$good",
         headers => ['Content-Type: application/x-www-form-urlencoded']],
        [no_token => '/api', 'access_token in JSON', method => 'POST', body => qq({"access_token":"$good"}),
         headers => ['Content-Type: application/json']],
        [no_token => '/api', 'a cookie where cookies are not accepted', cookie => "accessToken=$good"];
    refused_by_nginx $s, "http://user:$public\@localhost/api", 400, 'a token in the authority';
}

# --- versions and pipelines -------------------------------------------------

{
    my ($connection) = exchange($s, "GET /api\r\n", heads => []);
    like $connection->rest, qr/\A(?:\{"code":"API_INVALID_ACCESS_TOKEN".*\})?\z/, 'HTTP/0.9';

    ($connection) = exchange($s, "GET /open\r\n", heads => [], hits => 1);
    like $connection->rest, qr/protected/, 'HTTP/0.9 where auth_token is off';
}

for my $http ('1.0', '1.1') {
    check_requests $s, { http => $http },
        [granted  => '/api', "HTTP/$http", token => $good],
        [granted  => '/api', "HTTP/$http, close", token => $good, close => 1],
        [no_token => '/api', "HTTP/$http"],
        [expired_token => '/api', "HTTP/$http, close", token => $old, close => 1],
        [invalid_token => '/api', "HTTP/$http, keep-alive", token => $bad,
         headers => ['Connection: keep-alive']];
}

my @post  = (method => 'POST', body => 'GET /api HTTP/1.1' x 1000);
my @mixed = (['good',    undef,  token => $good],
             ['bad',     'invalid_token',  token => $bad],
             ['expired', 'expired_token',  token => $old],
             ['none',    'no_token'],
             ['a bad POST', 'invalid_token', token => $bad, @post],
             ['a good POST', undef, token => $good, @post],
             ['a bad HEAD', 'invalid_token', token => $bad, method => 'HEAD'],
             ['a good HEAD', undef, token => $good, method => 'HEAD']);

sub is_mixed ($answer, $row, $name) {
    my ($what, $sign, %o) = @$row;
    my @head = (head => ($o{method} // '') eq 'HEAD');

    defined $sign ? is_refused($answer, $sign, "$name, $what", @head)
                  : is_granted($answer, "$name, $what", @head);
}

{
    my @rows = map { $mixed[$_ * 5 % @mixed] } 0 .. 55;
    my @options = map { { @$_[2 .. $#$_] } } @rows;
    my (undef, @answers) = exchange($s, join('', map { request_bytes('/api', %$_) } @options),
        heads => [map { ($_->{method} // '') eq 'HEAD' } @options],
        hits => scalar grep { !defined $_->[1] } @rows);

    is_mixed($answers[$_], $rows[$_], "pipelined $_") for 0 .. $#rows;
}

{
    # curl adds no body to an explicit method
    my @rows = map { $mixed[$_ * 3 % @mixed] } 0 .. 99;
    my @tags = map { next_tag } @rows;
    my @answers = http2($s, map { my $row = $rows[$_];
        ['/api', { @$row[2 .. $#$row], port => 2, tag => $tags[$_] }] } 0 .. $#rows);

    is_mixed($answers[$_], $rows[$_], "HTTP/2 stream $_") for 0 .. $#rows;

    my @wrong = grep { hits($s, $tags[$_]) != !defined $rows[$_][1] } 0 .. $#rows;
    is_deeply \@wrong, [], 'only the good streams reach the upstream';
}

# --- methods ----------------------------------------------------------------

refused $s, '/api', invalid_token => "method $_", method => $_, token => $bad
    for qw(HEAD OPTIONS PUT DELETE PATCH PROPFIND FOO);
refused $s, '/api', no_token => "no token, method $_", method => $_ for qw(HEAD OPTIONS FOO);
granted $s, '/api', "method $_", method => $_, token => $good
    for qw(HEAD OPTIONS PUT DELETE PATCH PROPFIND FOO);

my @preflight = (method => 'OPTIONS',
                 headers => ['Origin: https://evil.example',
                             'Access-Control-Request-Method: POST', 'X-User: admin']);

check_requests $s, { @preflight },
    [no_token => '/api', 'a preflight'],
    [granted  => '/preflight', 'a preflight where preflights are allowed'],
    [granted  => '/preflight/near', 'a preflight from a listed address'],
    [address_not_allowed => '/preflight/far', 'a preflight from another address',
     reason => 'address_not_allowed'],
    [no_token => '/preflight', 'OPTIONS without the headers of a preflight', headers => []],
    (map { [no_token => '/preflight', "OPTIONS with $_ alone", headers => ["$_: POST"]] }
         'Origin', 'Access-Control-Request-Method'),
    [no_token => '/preflight', 'GET with the headers of a preflight', method => 'GET'];

my $tag = next_tag;
$s->request('/preflight', @preflight, tag => $tag);
is((hits($s, $tag))[0]{http_x_user}, '', 'the X-User of a preflight is not passed on');

# nginx 1.31 supports CONNECT for proxies and refuses it as a bad request elsewhere
my ($minor) = `$AuthToken::Server::NGINX -v 2>&1` =~ m{/1\.(\d+)\.};
refused_by_nginx $s, '/api', 405, 'method TRACE', method => 'TRACE', token => $good, good => 0;
refused_by_nginx $s, '/api', ($minor // 0) >= 31 ? 400 : 405, 'method CONNECT', method => 'CONNECT',
                 token => $good, good => 0;

# --- bodies -----------------------------------------------------------------

{
    my (undef, $answer) = exchange($s, request_bytes('/api', method => 'POST', headers => [
        'Content-Length: 1000', 'Expect: 100-continue']));
    is_refused $answer, no_token => 'Expect: 100-continue, before the body is sent';

    (undef, $answer) = exchange($s, request_bytes('/api', method => 'POST', token => $bad, headers => [
        'Content-Length: 1000000000']) . 'x' x 100_000);
    is_refused $answer, invalid_token => 'a Content-Length of 1 GB, before the body is sent';
}

refused $s, '/api', invalid_token => "a body of $_ bytes", token => $bad, method => 'POST',
        body => 'x' x $_ for 1, 8192, 1 << 20;
refused $s, '/api', invalid_token => 'a chunked body', token => $bad, method => 'POST',
        bytes => request_bytes('/api', token => $bad, method => 'POST',
            headers => ['Transfer-Encoding: chunked']) . "5\r\nhello\r\n0\r\n\r\n",
        decision => undef;

# --- request targets --------------------------------------------------------

for my $row (['absolute form of another host', 'http://other.example/api'],
             ['absolute form with a port', 'http://localhost:99/api'],
             ['another Host', '/api', host => 'other.example'],
             ['no Host', '/api', host => undef, http => '1.0'])
{
    my ($name, $path, %o) = @$row;
    check_requests $s, \%o, [granted => $path, $name, token => $good],
        [invalid_token => $path, $name, token => $bad], [no_token => $path, $name];
}

# --- cookies ----------------------------------------------------------------

granted $s, '/cookie', "cookie: $_->[0]", cookie => $_->[1] for
    ['no other cookie', "accessToken=$good"],
    ['the last one',    "a=b; accessToken=$good"],
    ['in the middle',   "a=b; accessToken=$good; c=d"],
    ['no spaces',       "a=b;accessToken=$good;c=d"],
    ['many spaces',     "a=b;   accessToken=$good  ;  c=d"],
    ['odd neighbours',  "=; ;;a; =b; \"x; accessToken=$good; \$Version=1"],
    ['a longer name before',  "xaccessToken=$bad; accessToken=$good"],
    ['a longer name after it',  "accessToken=$good; accessTokenx=$bad"],
    ['names in another case', "accesstoken=$bad; accessToken=$good; ACCESSTOKEN=$bad"],
    ['in a value',      "a=accessToken=$bad; accessToken=$good"];

refused $s, '/cookie', no_token => "cookie: $_->[0]", cookie => $_->[1] for
    ['a longer name',   "xaccessToken=$good"], ['a suffix after the name', "accessTokenx=$good"],
    ['another case',    "accesstoken=$good"],  ['another name', "token=$good"],
    ['a space in the name',   "access Token=$good"], ['a space after the name', "accessToken =$good"],
    ['quotes around the name', "\"accessToken\"=$good"],
    ['no value',        'accessToken'],        ['an empty Cookie', ''],
    ['within a value',  "a=accessToken=$good"], ['refreshToken', "refreshToken=$good"];

refused $s, '/cookie', invalid_token => "cookie: $_->[0]", cookie => $_->[1] for
    ['an empty value',  'accessToken='],       ['an empty value before others', 'accessToken=; a=b'],
    ['quotes',          "accessToken=\"$good\""], ['a space inside', "accessToken=$good x"],
    ['a space before the value', "accessToken= x$good"], ['a comma', "accessToken=$good, a=b"],
    ['an equals sign',  "accessToken=$good="], ['Bearer', "accessToken=Bearer $good"],
    ['URL encoding',    'accessToken=' . $good =~ s/\./%2E/gr],
    ['0x01',            "accessToken=$good\x01"], ['0xff', "accessToken=$good\xff"],
    ['8 KB',            'accessToken=' . 'A' x 8000], ['9 KB', 'accessToken=' . 'A' x 9000];

refused $s, '/cookie', several_credentials => "two cookies, $_->[0]",
        cookie => "accessToken=$_->[1]; accessToken=$_->[2]" for
    ['equal', $good, $good], ['the first is good', $good, $bad], ['the second is good', $bad, $good],
    ['the second is empty', $good, ''], ['the first is empty', '', $good];

my $cookie = "accessToken=$good";
check_requests $s, {},
    [several_credentials => '/cookie', 'two cookies in two headers', headers => [("Cookie: $cookie") x 2]],
    [granted => '/cookie', 'one cookie, three headers',
     headers => ['Cookie: a=b', "Cookie: $cookie", 'Cookie: c=d']],
    [expired_token => '/cookie', 'an expired cookie', cookie => "accessToken=$old"],
    [invalid_token => '/cookie', 'a bad cookie', cookie => "accessToken=$bad"],
    [no_token => '/cookie', 'a bearer token where only cookies are accepted', token => $good],
    [granted => '/cookie', 'a cookie beside a bad bearer token that is not accepted',
     cookie => $cookie, token => $bad],

    [granted  => '/session', 'a configured name', cookie => "session=$good; accessToken=$bad"],
    [no_token => '/session', 'the default name where another one is configured', cookie => $cookie],

    [granted => '/mixed', 'a cookie where both are accepted', cookie => $cookie, decision => { method => 'cookie' }],
    [granted => '/mixed', 'a token where both are accepted', token => $good, decision => { method => 'bearer' }],
    [granted => '/mixed', 'a bad cookie beside a good token', token => $good, cookie => "accessToken=$bad"],
    [bad_signature => '/mixed', 'a good cookie beside a bad token', token => $bad, cookie => $cookie],
    [invalid_token => '/mixed', 'a good cookie beside an empty token', auth => 'Bearer', cookie => $cookie],
    [granted => '/mixed', 'a good cookie beside Basic', auth => 'Basic YTpi', cookie => $cookie],
    [granted => '/mixed', 'two cookies beside a good token', token => $good,
     cookie => "accessToken=$bad; accessToken=$bad"];

{
    my @rows = (['one cookie', undef, "accessToken=$good"],
                ['one of three headers', undef, ['a=b', "accessToken=$good", 'c=d']],
                ['two cookies', 'invalid_token', ["accessToken=$good", "accessToken=$good"]],
                ['a bad cookie', 'invalid_token', ['a=b', "accessToken=$bad"]],
                ['other cookies', 'no_token', ['a=b', 'c=d']]);
    my @answers = http2($s, map { ['/cookie', { port => 2, tag => next_tag, cookie => $_->[2] }] } @rows);
    is_mixed($answers[$_], [$rows[$_]->@[0, 1]], 'HTTP/2') for 0 .. $#rows;
}

done;
