#!/usr/bin/perl

# Login: a user name and a password for an access token and a refresh token.
#
# Requirements: login-response, issued-token, login-request, login-failure,
#   session-fixation, login-timing, refresh.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();
use Time::HiRes qw(time);
use Time::Local qw(timegm);

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $path = '/api/v6.1/auth/login';

my $s = start(issuer_conf() . <<'CONF' . api_conf() . '    }',
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_accept bearer cookie basic api_token;
        location / { proxy_pass %%UPSTREAM%%; }
        location /read { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /admin { auth_token_require_scope none; proxy_pass %%UPSTREAM%%; }
        location /off/login { auth_token_local off; auth_token_login main; }
        location /off/ { auth_token_local off; proxy_pass %%UPSTREAM%%; }
        location /origin { auth_token_login main; auth_token_cookie_origin https://app.example; }
        location = /mirrored { mirror /mirror; auth_token_login main; }
        location = /mirror { internal; auth_token_login main; }
        location /text { auth_token_error_format text; auth_token_login main; }
        location /over { auth_token_error API_INVALID_CREDENTIALS status=403 message=No; auth_token_login main; }
CONF
    prepare => prepare_users(users => [
        user_record('jane', scope => ['read', 'write']),
        user_record('root', is_admin => $true, scope => []),
        user_record('idle', scope => []),
        user_record('gone', enabled => $false),
        user_record('mute', password_hash => undef),
        user_record('other', issuers => ['elsewhere']),
        user_record("gr\xfc\xdfe"),
    ], tokens => [{ id => 't1', token => 'an-api-token-of-32-characters-or-more', enabled => $true }]),
    good => ['/good', auth => basic('jane')]);

# --- the response --------------------------------------------------------

my $before = time;
my $answer = login($s);
my $after  = time;

is $answer->{status}, 200, 'a login with the right password gets 200';
is $answer->{body}, '{}', 'the body has no tokens';
is $answer->header('Cache-Control'), 'no-store', 'the response is not cacheable';
is $answer->header('Content-Type'), 'application/json', 'the response is JSON';

my $date = qr/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT/;
my $flags = 'HttpOnly; Secure; SameSite=Strict';
my @set   = $answer->all('Set-Cookie');

is scalar @set, 2, 'a login sets two cookies';
like $set[0], qr{\AaccessToken=[\w-]+\.[\w-]+\.[\w-]+; Max-Age=1800; Path=/; Expires=$date; $flags\z},
     'the cookie of the access token';
like $set[1], qr{\ArefreshToken=[A-Za-z0-9]{80}; Max-Age=86400; Path=/api/auth/token; Expires=$date; $flags\z},
     'the cookie of the refresh token';

my %month = do { my $n = 0; map { $_ => $n++ } qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec) };
for (['accessToken', 1800, $set[0]], ['refreshToken', 86400, $set[1]]) {
    my ($name, $age, $cookie) = @$_;
    my ($d, $m, $y, $h, $min, $sec) = $cookie =~ /Expires=\w+, (\d+) (\w+) (\d+) (\d+):(\d+):(\d+)/;
    my $expires = timegm($sec, $min, $h, $d, $month{$m}, $y);
    cmp_ok abs($expires - $age - $before), '<', 2 + $after - $before, "$name: Expires agrees with Max-Age";
}

my %cookie = cookies($answer);
my ($header) = AuthToken::Token::parts($cookie{accessToken});
my $claims = claims_of($cookie{accessToken});

is_deeply [sort keys %$claims], [qw(aud exp iat id isAdmin iss scope username)], 'the claims of an access token';
is_deeply { %$claims{qw(aud id isAdmin iss scope username)} },
          { aud => 'api', id => 'id-jane', isAdmin => $false, iss => 'https://issuer.example',
            scope => ['read', 'write'], username => 'jane' }, 'the values of the claims';
is $claims->{exp} - $claims->{iat}, 1800, 'an access token is valid for half an hour';
is JSON::PP->new->decode($header)->{alg}, 'RS256', 'an access token is signed with RS256';

# --- the use of the tokens ----------------------------------------------------------

granted $s, '/read', 'an access token as a bearer token', token => $cookie{accessToken},
        decision => { user => 'jane', method => 'bearer', issuer => 'main', scope => 'read write' };
granted $s, '/read', 'an access token in the cookie', cookie => "accessToken=$cookie{accessToken}",
        decision => { user => 'jane', method => 'cookie' };
refused $s, '/read', invalid_token => 'a refresh token as a bearer token', token => $cookie{refreshToken};

my %admin = cookies(login($s, 'root'));
is claims_of($admin{accessToken})->{isAdmin}, $true, 'an administrator has the claim isAdmin';
granted $s, '/admin', 'an administrator has every scope', token => $admin{accessToken};
granted $s, '/read', 'a user name with non-ASCII letters', token => { cookies(login($s, "gr\xfc\xdfe")) }->{accessToken};

isnt { cookies(login($s)) }->{refreshToken}, $cookie{refreshToken}, 'each login gets another refresh token';

my %sent = cookies(login($s, 'root', $AuthToken::Local::PASSWORD,
                         cookie => "accessToken=$cookie{accessToken}; refreshToken=$cookie{refreshToken}"));
is claims_of($sent{accessToken})->{username}, 'root', 'a login ignores the access token of the request';
isnt $sent{refreshToken}, $cookie{refreshToken}, 'a login ignores the refresh token of the request';

# --- refusals ---------------------------------------------------------------

for ([unknown => 'nobody'], [wrong_password => 'jane', 'canary-wrong'],
     [locked_user => 'gone'], [wrong_password => 'gone', 'canary-wrong'], [wrong_password => 'mute'],
     [user_issuer_mismatch => 'other'], [unknown => ''], [wrong_password => 'jane', ''],
     [wrong_password => 'jane', 'x' x 600], [wrong_password => 'jane', 'canary-open-sesame '])
{
    my ($reason, $user, $password) = @$_;
    is_refused login($s, $user, $password // $AuthToken::Local::PASSWORD),
        invalid_credentials => "$reason: '$user'";
}

is_refused login($s, 'idle'), insufficient_scope => 'a user without scopes, with the right password';
is_refused login($s, 'idle', 'canary-wrong'), invalid_credentials => 'a user without scopes, with a wrong password';

is_refused login($s, 'jane', $AuthToken::Local::PASSWORD, at => '/off/login'),
           invalid_credentials => 'a login with "auth_token_local off"';
refused $s, '/off/', invalid_credentials => 'Basic with "auth_token_local off"', auth => basic('jane'),
        reason => 'login_disabled';
granted $s, '/off/', 'an API token with "auth_token_local off"', api_token => 'an-api-token-of-32-characters-or-more';
granted $s, '/off/', 'an access token with "auth_token_local off"', token => $cookie{accessToken};

my $good = { username => 'jane', password => $AuthToken::Local::PASSWORD };
my $text = JSON::PP->new->canonical->encode($good);

for my $method (qw(GET PUT HEAD DELETE)) {
    my $got = post_json($s, $path, $good, method => $method);
    is_refused $got, method_not_allowed => "$method gets 405", head => $method eq 'HEAD';
    is $got->header('Allow'), 'POST', "$method gets Allow: POST";
}

is_refused post_json($s, $path, $text, untyped => 1, headers => ["Content-Type: $_"]),
           unsupported_media_type => "media type '$_'"
    for 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'json', '';
is_refused post_json($s, $path, $text, untyped => 1), unsupported_media_type => 'no media type';
is_refused post_json($s, $path, $text, headers => ['Content-Encoding: gzip']), unsupported_media_type => 'a compressed body';
is post_json($s, $path, $good, untyped => 1, headers => ['Content-Type: Application/JSON; charset=utf-8'])->{status},
   200, 'a media type with a parameter';

my $pw = $AuthToken::Local::PASSWORD;
is_refused post_json($s, $path, $_->[1]), bad_request => "body: $_->[0]" for
     [empty => ''], ['not JSON' => 'x'], [array => '[]'], [string => '"x"'], [null => 'null'], ['no members' => '{}'],
     ['no password' => '{"username":"jane"}'], ['no username' => qq({"password":"$pw"})],
     ['an unknown member' => qq({"username":"jane","password":"$pw","x":1})],
     ['a duplicate member' => qq({"username":"jane","username":"jane","password":"$pw"})],
     ['a duplicate member, escaped' => qq({"username":"jane","\\u0075sername":"jane","password":"$pw"})],
     ['a number' => '{"username":"jane","password":1}'], ['an array' => '{"username":["jane"],"password":"x"}'],
     ['null' => '{"username":"jane","password":null}'], ['NUL' => "{\"username\":\"ja\\u0000ne\",\"password\":\"$pw\"}"],
     ['a raw NUL' => qq({"username":"jane","password":"$pw"}) . "\0"], ['text after the object' => "$text {}"],
     ['deep' => '{"username":' . '[' x 2000 . '}'], ['not UTF-8' => qq({"username":"\xff","password":"$pw"})],
     ['BOM' => "\xef\xbb\xbf$text"];

my $large = $text . ' ' x (8192 - length $text);
is post_json($s, $path, $large)->{status}, 200, 'a body of 8 KiB';
is_refused post_json($s, $path, "$large "), content_too_large => 'a body of 8 KiB and a byte';
is_refused $s->request($path, new => 1, bytes => "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       . "Content-Length: 900000\r\n\r\n"), content_too_large => 'a Content-Length of 900,000';

sub chunked (@chunks) {
    return "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
           . join '', map { sprintf "%x\r\n%s\r\n", length, $_ } @chunks, '';
}
is $s->request($path, bytes => chunked($text))->{status}, 200, 'a chunked body';
is $s->request($path, bytes => chunked(split //, $text))->{status}, 200, 'a body with a chunk for each byte';
is_refused $s->request($path, new => 1, bytes => chunked('x' x 5000, 'y' x 5000)), content_too_large => 'a chunked body of 10,000 bytes';
is_refused $s->request($path, new => 1, bytes => chunked(('x' x 5000) x 20)), content_too_large => 'a chunked body that nginx writes to a file';

my $slow = $s->connect;
my $bytes = request_bytes($path, method => 'POST', body => $text, headers => ['Content-Type: application/json']);
$slow->send($_) for split //, $bytes;
is $slow->response->{status}, 200, 'a request that arrives byte by byte';

is_refused post_json($s, $path, $good, headers => [$_]), origin_not_allowed => "a request with $_"
    for 'Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', 'Origin: null';
is post_json($s, '/origin', $good, headers => ['Origin: https://app.example', 'Sec-Fetch-Site: cross-site'])->{status},
   200, 'an allowed origin';

my $over = post_json($s, '/over', { username => 'jane', password => 'canary-wrong' });
is $over->{status}, 403, '"auth_token_error" sets the status of a refusal';
like $over->{body}, qr/"No"/, '"auth_token_error" sets the message of a refusal';
is post_json($s, '/text', { username => 'jane', password => 'canary-wrong' })->header('Content-Type'), 'text/plain',
   'the location sets the format of a refusal';

# --- clients that close the connection ---------------------------------------------------

for (1 .. 20) {
    my $c = $s->connect;
    $c->send($bytes);
    $c->close;
}
is login($s)->{status}, 200, 'closed connections do not delay a login';

# --- subrequests ------------------------------------------------------------

is post_json($s, '/mirrored', $good)->{status}, 200, 'a login with a subrequest that is a login, too';
ok $s->errors->await(qr/token endpoint in a subrequest while another token endpoint is active: "\/mirror"/),
   'the subrequest is refused and logged';

# --- an access token that is too long -----------------------------------------

$s->{store}->import_records(users => [user_record('many', scope => [map { sprintf '%040d', $_ } 1 .. 300])]);
is_refused login($s, 'many'), unavailable => 'a user with more scopes than fit into an access token';
ok $s->errors->await(qr/access token has \d+ bytes, more than "auth_token_max_length"/), 'the log says that the access token is too long';

# browsers drop a cookie whose name and value have more than 4096 bytes
for (['large', 70, 1], ['usual', 60, 0]) {
    my ($user, $scopes, $lines) = @$_;
    $s->{store}->import_records(users => [user_record($user, scope => [map { sprintf '%040d', $_ } 1 .. $scopes])]);
    my $login = login($s, $user);
    is $login->{status}, 200, "a login with $scopes scopes";
    is length(join '=', ($login->all('Set-Cookie'))[0] =~ /\A(\w+)=([^;]+)/) > 4096, $lines == 1, "a cookie of $scopes scopes";
    is scalar(grep { /\[error\].* the cookie "accessToken" has \d{4} bytes, browsers ignore more than 4096/ } $s->errors->lines),
       $lines, "a cookie of $scopes scopes: lines in the log";
}

# --- address space ----------------------------------------------------------

SKIP: {
    skip 'a sanitizer needs more address space', 1 if $ENV{AT_SANITIZE};

    my $nginx = $AuthToken::Server::NGINX;
    $nginx = (grep { -x } map { "$_/$nginx" } split /:/, "$ENV{PATH}:/usr/sbin")[0] if $nginx !~ m{/};
    my $wrapper = $s->write('limited-nginx', "#!/bin/sh\nulimit -v 3000000\nexec '$nginx' \"\$@\"\n");
    chmod 0755, $wrapper;
    local $AuthToken::Server::NGINX = $wrapper;

    my $limited = start(issuer_conf() . '    server { listen %%LISTEN%%; location / { proxy_pass %%UPSTREAM%%; }' . api_conf() . '    }',
        prepare => prepare_users(users => [user_record('jane')]));
    is login($limited)->{status}, 200, 'limited address space: a login';
    is scalar(grep { /\[warn\].* auth_token: address space is limited, session database mapped with \d+M: "/ } $limited->errors->lines),
       1, 'limited address space: the log states the size of the map of sessions, once';
    $limited->stop;
}

# --- configuration ----------------------------------------------------------

conf_fails issuer_conf() . <<"CONF", $_->[1], $_->[2], prepare => prepare_users() for
    server { listen %%LISTEN%%; location / {
        $_->[0]    # here
    } }
CONF
    ['auth_token_login nobody;', qr/no such issuer "nobody" in "auth_token_login"/, 'an unknown issuer'],
    ["auth_token_login main;\n auth_token_logout main;", qr/the location already is a token endpoint/,
     'two token endpoints in a location'];

conf_fails issuer_conf(main => "access_token $_;    # here") . '    server { listen %%LISTEN%%; }',
    qr/use "expires=TIME" \(1s to 10y\), "cookie_expires=TIME"/, "access_token $_", prepare => prepare_users()
    for 'cookie_expires=0', 'cookie_expires=x', 'expires=0', 'cookie=', 'keep=1h';

conf_fails issuer_conf(main => 'algorithms ES256;') . '    server { listen %%LISTEN%%; }',
    qr/"signing_key" of "auth_token_issuer main": "\S+" requires RS256 in "algorithms"/, 'a signing key whose algorithm the issuer block does not allow',
    prepare => prepare_users();

# longer times would overflow when multiplied or added
conf_fails issuer_conf(main => "\n$_; # here\n"), qr/invalid value ".*to 10y\)/, $_, prepare => prepare_users()
    for 'access_token expires=11y', 'access_token expires=9000000000000000000', 'access_token expires=0',
        'refresh_token expires=9000000000000000000', 'password remember=9000000000000000000',
        'password failures=1/9000000000000000000', 'password failures=0/1s';

done;
