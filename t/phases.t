#!/usr/bin/perl

# The access phase and the other phases of nginx: internal redirects, subrequests,
# inheritance of directives, variables before the access phase.
#
# Requirements: internal-redirects, phases-before-access, inheritance,
#   unprotected-locations, variables-and-logging, head-and-preflight.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

my $issuers = <<'CONF';
    %%ISSUER%%
    %%ISSUER other: issuer https://other.example;%%
CONF

my $s = start($issuers . <<'CONF');
    limit_req_zone $auth_token_user zone=users:1m rate=1r/m;
    limit_req_zone $tier zone=tiers:1m rate=1r/m;
    map $auth_token_user $tier { jane gold; bob silver; default ""; }
    map $auth_token_claim_id $id_of_map { default "<$auth_token_claim_id>"; }
    auth_token_claim $department department;
    log_format early escape=json '$http_x_test\t{"early":"$early","mapped":"$id_of_map",'
                     '"user":"$auth_token_user","claim":"$department"}';

    # an application that redirects with X-Accel-Redirect
    server {
        listen unix:%%DIR%%/app.sock;
        access_log off;
        location / { add_header X-Accel-Redirect $arg_to; return 200 "redirect\n"; }
    }

    server {
        listen %%LISTEN%%;
        auth_token_trust main;
        default_type text/plain;

        location /good { auth_token on; proxy_pass %%UPSTREAM%%; }

        # redirects from an open to a protected location
        location /open/ {
            location /open/try       { try_files /nothing /guarded; }
            location /open/try-named { try_files /nothing @guarded; }
            location /open/last      { rewrite ^ /guarded last; }
            location /open/twice     { rewrite ^ /open/last last; }
            location /open/error     { error_page 404 = /guarded; try_files /nothing =404; }
            location /open/named     { error_page 404 = @guarded; try_files /nothing =404; }
            location /open/accel     { proxy_pass http://unix:%%DIR%%/app.sock:/; }
            location = /open/index/  { root %%DIR%%/html; index index.html; }
            location = /open/index/index.html { auth_token on; root %%DIR%%/html; }
        }
        location = /guarded { auth_token on; proxy_pass %%UPSTREAM%%; }
        location @guarded   { auth_token on; proxy_pass %%UPSTREAM%%; }

        # redirects from a protected location
        location /closed/ {
            auth_token on;
            root %%DIR%%/html;

            location /closed/file      { }
            location /closed/list/     { autoindex on; }
            location /closed/try       { try_files /nothing @free; }
            location /closed/try-file  { try_files $uri/x /closed/file =404; }
            location /closed/break     { rewrite ^ /closed/file break; }
            location /closed/alias     { alias %%DIR%%/html/closed/file; }
            location /closed/empty     { empty_gif; }
            location /closed/status    { stub_status; }
            location /closed/dav/      { dav_methods PUT DELETE MKCOL; create_full_put_path on; }
            location /closed/accel     { proxy_pass http://unix:%%DIR%%/app.sock:/; }
            location /closed/internal  { internal; proxy_pass %%UPSTREAM%%; }
        }
        location @free     { proxy_pass %%UPSTREAM%%; }
        location = /free   { proxy_pass %%UPSTREAM%%; }
        location = /hidden { internal; proxy_pass %%UPSTREAM%%; }
        location = /scoped { auth_token on; auth_token_require_scope never; proxy_pass %%UPSTREAM%%; }
        location = /other { auth_token on; auth_token_trust other; proxy_pass %%UPSTREAM%%; }
        location = /cookie { auth_token on; auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location = /bearer-else-cookie { auth_token on; error_page 401 = /cookie; proxy_pass %%UPSTREAM%%; }

        # requests that the access phase does not see
        location = /return   { auth_token on; return 200 "returned <$auth_token_user>\n"; }
        location = /away     { auth_token on; rewrite ^ /free last; }
        location = /ssi      { ssi on; ssi_types *; root %%DIR%%/html; }
        location = /addition { addition_types *; add_after_body /closed/file; root %%DIR%%/html; }
        location = /asking   { auth_request /guarded-answer; proxy_pass %%UPSTREAM%%; }
        location = /guarded-answer { auth_token on; proxy_pass %%UPSTREAM%%; }
        location = /mirrored { auth_token on; mirror /copy; proxy_pass %%UPSTREAM%%; }
        location = /copy     { auth_token on; auth_token_require_scope never; proxy_pass %%UPSTREAM%%; }

        # inheritance
        location /except  { limit_except GET { auth_token on; }  proxy_pass %%UPSTREAM%%; }
        location /only    { auth_token on; limit_except GET { auth_token off; } proxy_pass %%UPSTREAM%%; }
        location /except-deny { auth_token on; limit_except GET { deny all; } proxy_pass %%UPSTREAM%%; }
        location /if {
            auth_token on;
            if ($arg_x) { proxy_pass %%UPSTREAM%%; }
            if ($arg_y) { set $y 1; }
            proxy_pass %%UPSTREAM%%;
        }
        location ~ ^/regex/(?<name>[a-z]+)$ { auth_token on; proxy_pass %%UPSTREAM%%; }
        location ~* \.(jpg|png)$ { proxy_pass %%UPSTREAM%%; }
        location ^~ /pictures/   { auth_token on; proxy_pass %%UPSTREAM%%; }

        # variables before the access phase
        set $early "";
        location /early {
            auth_token on;
            auth_token_require_scope read;
            access_log %%DIR%%/early.log early;
            set $early "$auth_token_user$auth_token_scope$auth_token_issuer$auth_token_method$auth_token_claim_id$department$auth_token_status$auth_token_reason";
            add_header X-Early "[$early]" always;
            add_header X-Mapped "[$id_of_map]" always;
            proxy_pass %%UPSTREAM%%;
        }
        location /early/off   { auth_token on; access_log off; proxy_pass %%UPSTREAM%%; }
        location /early/none  { add_header X-Early "[$auth_token_user$auth_token_status$department]";
                                proxy_pass %%UPSTREAM%%; }
        location /early/if {
            auth_token on;
            if ($auth_token_user = jane) { return 200 "jane\n"; }
            proxy_pass %%UPSTREAM%%;
        }
        limit_req_status 429;
        location /limited { auth_token on; limit_req zone=users; proxy_pass %%UPSTREAM%%; }
        location /tiered  { auth_token on; limit_req zone=tiers; proxy_pass %%UPSTREAM%%; }
        location /preflight {
            auth_token on;
            auth_token_preflight on;
            auth_token_require_scope never;
            add_header X-User "[$auth_token_user$auth_token_claim_id$auth_token_fingerprint]";
            proxy_pass %%UPSTREAM%%;

            location /preflight/again { try_files /nothing @guarded; }
        }
    }

    # directives of the server
    server {
        listen %%LISTEN2%%;
        auth_token on;
        auth_token_trust main;
        auth_token_require_scope read;
        auth_token_allow 127.0.0.1;
        auth_token_realm inherited;
        auth_token_error API_INSUFFICIENT_RIGHTS message=No;
        auth_token_error_format problem;

        location /  { proxy_pass %%UPSTREAM%%; }
        location /off {
            auth_token off;
            proxy_pass %%UPSTREAM%%;
            location /off/on { auth_token on; proxy_pass %%UPSTREAM%%; }
        }
        location /trust  { auth_token_trust main other; proxy_pass %%UPSTREAM%%; }
        location /scope  { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location /allow  { auth_token_allow 127.0.0.2; proxy_pass %%UPSTREAM%%; }
        location /realm  { auth_token_realm own; proxy_pass %%UPSTREAM%%; }
        location /format { auth_token_error_format json; proxy_pass %%UPSTREAM%%; }
        location /accept { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /error  { auth_token_error API_IP_NOT_ALLOWED status=404; proxy_pass %%UPSTREAM%%; }
        location /nested/ {
            auth_token_realm nested;
            location /nested/deep/ {
                location ~ \.json$ { proxy_pass %%UPSTREAM%%; }
                location = /nested/deep/open { auth_token off; proxy_pass %%UPSTREAM%%; }
            }
        }
    }
CONF

my $html = $s->dir . '/html';
mkdir "$html/$_" for qw(closed closed/list closed/dav open open/index);
chmod 0777, "$html/closed/dav";
$s->write('html/closed/file',      "a file\n");
$s->write('html/closed/list/one',  "one\n");
$s->write('html/open/index/index.html', "an index\n");
$s->write('html/ssi',              "before <!--#include virtual=\"/closed/file\" --> behind\n");
$s->write('html/addition',         "before\n");

my $good  = good_token();
my $bad   = token(key => key('rsa2'));
my $other = good_token(iss => 'https://other.example');

# the response is a file
my %file = (hit => 0, expect => { body => "a file\n" });

# --- redirects from an open to a protected location -------------------------

for my $name (qw(try try-named last twice error named accel?to=/guarded accel?to=@guarded)) {
    my $path = "/open/$name";
    check_requests $s, {},
        [granted       => $path, $path, token => $good],
        [no_token      => $path, $path],
        [invalid_token => $path, $path, token => $bad],
        [expired_token => $path, "$path, HEAD", method => 'HEAD', token => good_token(exp => 1)];
}
check_requests $s, {},
    [granted  => '/open/index/', 'index', token => $good, hit => 0, expect => { body => "an index\n" }],
    [no_token => '/open/index/', 'index'],
    [no_token => '/open/index/index.html', 'the file of index'];

# --- redirects from a protected to an open location -------------------------

check_requests $s, {}, map { ([no_token => $_, $_], [invalid_token => $_, $_, token => $bad]) } map { "/closed/$_" }
    qw(file list/ list try try-file break alias empty status dav/new accel?to=/free);
granted $s, "/closed/$_", "/closed/$_", token => $good, %file for qw(file try-file break alias);
granted $s, '/closed/try', '/closed/try', token => $good;

like $s->request('/closed/list/', token => $good)->{body}, qr/href="one"/, 'autoindex';
is $s->request('/closed/list', token => $good)->{status}, 301, 'a directory without a slash is redirected';
refused $s, '/closed/list/../file', no_token => 'dot segments in a path';

check_requests $s, {},
    [no_token      => '/closed/dav/new', 'PUT', method => 'PUT', body => "x\n"],
    [invalid_token => '/closed/dav/new', 'PUT', method => 'PUT', body => "x\n", token => $bad],
    [invalid_token => '/closed/dav/new/', 'MKCOL', method => 'MKCOL', token => $bad];
is_deeply [glob "$html/closed/dav/*"], [], 'refused requests write no file';
is $s->request('/closed/dav/new', method => 'PUT', body => "x\n", token => $good)->{status}, 201,
   'PUT with a good token';
refused $s, '/closed/dav/new', invalid_token => 'DELETE', method => 'DELETE', token => $bad;
ok -e "$html/closed/dav/new", 'a refused request deletes no file';

refused_by_nginx $s, $_, 404, "the internal location $_", token => $good
    for '/hidden', '/closed/internal';

# --- redirects between protected locations ----------------------------------

my @to = map { "/closed/accel?to=$_" } '/free', '/hidden', '@free', '/guarded', '/closed/internal';
granted $s, $_, $_, token => $good, decision => { user => 'jane', issuer => 'main' } for @to;

check_requests $s, {},
    [insufficient_scope => '/closed/accel?to=/scoped', 'the second location requires a scope', token => $good,
     reason => 'insufficient_scope'],
    [issuer_mismatch => '/closed/accel?to=/other', 'the second location trusts another issuer', token => $good],
    [issuer_mismatch => '/closed/accel?to=/other', 'the first location trusts another issuer', token => $other],
    [granted => '/open/accel?to=/other', 'the first location is open, the second one trusts another issuer',
     token => $other, decision => { issuer => 'other' }],
    [no_token => '/closed/accel?to=/cookie', 'the second location accepts cookies only', token => $good],
    [granted => '/closed/accel?to=/cookie', 'the second location accepts cookies only, a cookie and a token',
     token => $good, cookie => 'accessToken=' . good_token(username => 'bob'),
     decision => { user => 'bob', method => 'cookie' }],
    [granted => '/bearer-else-cookie', 'a bad token, then a good cookie in the page of error_page',
     token => $bad, cookie => "accessToken=$good",
     decision => { status => 'OK', user => 'jane', method => 'cookie' }],
    [invalid_token => '/bearer-else-cookie', 'a bad token, then a bad cookie in the page of error_page',
     token => $bad, cookie => "accessToken=$bad"];

# --- requests that the access phase does not see ----------------------------

for (['<>', undef], ['<>', $bad], ['<jane>', $good]) {
    my ($user, $token) = @$_;
    granted $s, '/return', "return runs before the access phase, user $user", token => $token,
            hit => 0, expect => { body => "returned $user\n" };
}
check_requests $s, {},
    [granted => '/away', 'rewrite last leaves the location before the access phase', decision => { user => '' }],
    [granted => '/ssi', 'a subrequest of SSI', hit => 0, expect => { body => "before a file\n behind\n" }],
    [granted => '/addition', 'a subrequest of add_after_body', hit => 0, expect => { body => "before\na file\n" }],
    [granted => '/asking', 'a subrequest of auth_request', hit => 2],
    [granted => '/mirrored', 'a subrequest of mirror', token => $good, hit => 2],
    [invalid_token => '/mirrored', 'a refused request is not mirrored', token => $bad];

# --- limit_except, if, locations --------------------------------------------

granted $s, '/except', "limit_except GET, $_", method => $_ for qw(GET HEAD);
for my $method (qw(POST OPTIONS FOO)) {
    check_requests $s, { method => $method },
        [no_token => '/except', "limit_except GET, $method"],
        [granted  => '/except', "limit_except GET, $method", token => $good],
        [granted  => '/only', "limit_except GET off, $method"];
}
refused $s, '/except', no_token => 'limit_except GET, POST, method override', method => 'POST',
        headers => ['X-HTTP-Method-Override: GET'], body => 'x';
refused $s, '/only', no_token => "limit_except GET off, $_", method => $_ for qw(GET HEAD);
granted $s, '/except-deny', 'limit_except deny, GET', token => $good;
refused_by_nginx $s, '/except-deny', 403, 'limit_except deny, POST', token => $good, method => 'POST';

for my $path (map { "/if$_" } '', '?x=1', '?y=1', '?x=1&y=1') {
    check_requests $s, {},
        [granted       => $path, "if in $path", token => $good],
        [no_token      => $path, "if in $path"],
        [invalid_token => $path, "if in $path", token => $bad];
}

check_requests $s, {},
    [no_token => '/regex/name', 'a location with a regular expression'],
    [granted  => '/regex/name', 'a location with a regular expression', token => $good],
    [no_token => '/pictures/a.png', 'a ^~ location before an open regular expression'],
    [granted  => '/a.png', 'an open location with a regular expression'];

# --- inheritance ------------------------------------------------------------

sub problem ($status, $code, $message) {
    my %title = (401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found');
    return (status => $status, type => 'application/problem+json', realm => 'inherited',
            body => qq({"type":"about:blank","title":"$title{$status}","status":$status,)
                  . qq("detail":"$message","code":"$code"}));
}

my %inv   = problem(401, 'API_INVALID_ACCESS_TOKEN', 'Invalid JWT Access Token');
my %none  = problem(401, 'API_INVALID_ACCESS_TOKEN', 'Missing Access Token');
my %scope = problem(403, 'API_INSUFFICIENT_RIGHTS', 'No');
my %addr  = problem(403, 'API_IP_NOT_ALLOWED', 'Client IP Address Not Allowed');

my $narrow = good_token(scope => ['other'], department => 'it');
$s->{good} = ['/good'];

# what differs from the directives of the server: from, an address, and realm
sub inherits ($path, $what, %differs) {
    my $far   = { port => 2, good => 0 };
    my $near  = { %$far, from => $differs{from} // '127.0.0.1' };
    my %realm = $differs{realm} ? (realm => $differs{realm}) : ();

    granted $s, $path, $what, token => $good, %$near;
    check_requests $s, $near,
        [invalid_token => $path, "$what: the realm is inherited", token => $bad, expect => { %inv, %realm }],
        [no_token => $path, "$what: auth_token_accept is inherited", expect => { %none, %realm }],
        [insufficient_scope => $path, "$what: scope and message are inherited", token => $narrow,
         expect => { %scope, %realm }];
    refused $s, $path, address_not_allowed => "$what: the address list is inherited", token => $good, %$far,
            from => '127.0.0.9', expect => \%addr;
}

inherits('/', 'location /');
inherits('/trust', 'another auth_token_trust');
inherits('/scope', 'another auth_token_require_scope');
inherits('/allow', 'another auth_token_allow', from => '127.0.0.2');
inherits('/realm', 'another auth_token_realm', realm => 'own');
inherits('/nested/deep/x.json', 'a nested regular expression', realm => 'nested');
inherits('/off/on', 'auth_token on within auth_token off');

check_requests $s, { port => 2, good => 0 },
    [granted => '/trust', 'another auth_token_trust, its issuer', token => $other],
    [invalid_token => '/', 'an issuer that the server does not trust', token => $other, expect => \%inv],
    [insufficient_scope => '/scope', 'another auth_token_require_scope, the scope of the server',
     token => good_token(scope => ['read']), expect => \%scope],
    [address_not_allowed => '/allow', 'another auth_token_allow, an address of the server', token => $good,
     expect => \%addr],
    [insufficient_scope => '/format', 'another auth_token_error_format: the message is inherited',
     token => $narrow, expect => { realm => 'inherited', message => 'No' }],
    [no_token => '/accept', 'auth_token_accept cookie, a bearer token', token => $good, expect => \%none],
    [granted => '/accept', 'auth_token_accept cookie', cookie => "accessToken=$good"],
    [insufficient_scope => '/accept', 'auth_token_accept cookie: the scope is inherited',
     cookie => "accessToken=$narrow", expect => \%scope],
    (map { [granted => $_, "auth_token off at $_"] } '/off', '/nested/deep/open'),

    # as with any array of nginx, one directive of a location hides all of the server
    [address_not_allowed => '/error', 'auth_token_error of a location', token => $good, from => '127.0.0.9',
     expect => { problem(404, 'API_IP_NOT_ALLOWED', 'Client IP Address Not Allowed') }],
    [insufficient_scope => '/error', 'auth_token_error of a location hides that of the server', token => $narrow,
     expect => { problem(403, 'API_INSUFFICIENT_RIGHTS', 'Insufficient Rights') }];

# --- variables before the access phase --------------------------------------

# name, token, X-Early, X-Mapped: an identity is visible before the access phase, but not
# after a refusal
my @early = (
    ['good',    good_token(department => 'it'), '[janeread writemainbearer1108612it]', '[<1108612>]'],
    ['nothing', undef, '[]', '[<>]'],
    ['bad',     $bad, '[]', '[<>]'],
    ['old',     good_token(exp => 1), '[]', '[<>]'],
    ['foreign', $other, '[]', '[<>]'],
    ['insufficient scope', $narrow, '[janeothermainbearer1108612it]', '[<>]'],
);
my $log = AuthToken::Log::Tagged->new($s->dir . '/early.log');

for (@early) {
    my ($name, $token, @expected) = @$_;
    my $tag    = next_tag;
    my $answer = $s->request('/early', token => $token, tag => $tag);
    is_deeply [map { $answer->header($_) } qw(X-Early X-Mapped)], \@expected, "set and map, token: $name";

    $log->await($tag);
    my ($record) = $log->records($tag);
    is_deeply [$record->@{qw(user claim)}], $name eq 'good' ? ['jane', 'it'] : ['', ''],
        "log_format, user and claim, token: $name";
}
refused $s, '/early', insufficient_scope => 'a valid token with an insufficient scope', token => $narrow,
        decision => undef;

granted $s, '/early/off', 'access_log off', token => $good;
refused $s, '/early/off', invalid_token => 'access_log off', token => $bad, decision => undef;

is $s->request('/early/none', token => $good, tag => next_tag)->header('X-Early'), '[]',
   'a location without auth_token shows no identity';
check_requests $s, {},
    [granted => '/early/if', 'if, a good token', token => $good, hit => 0, expect => { body => "jane\n" }],
    [granted => '/early/if', 'if, a token of another user', token => good_token(username => 'bob')],
    [invalid_token => '/early/if', 'if, a bad token for jane', token => $bad],
    [invalid_token => '/early/if', 'if, an unsigned token for jane', token => token(alg => 'none', key => '')];

# --- limit_req by user ------------------------------------------------------

for my $path ('/limited', '/tiered') {
    granted $s, $path, "$path, jane", token => $good;
    refused_by_nginx $s, $path, 429, "$path, jane, another token", token => good_token(id => 'another');
    granted $s, $path, "$path, bob", token => good_token(username => 'bob');

    # requests without a valid token are not counted
    refused $s, $path, invalid_token => "$path, a bad token, $_", token => $bad for 1, 2;
    refused $s, $path, no_token => "$path, no token, $_" for 1, 2;
}
granted $s, '/limited', '/limited, eve', token => good_token(username => 'eve');

# --- preflights -------------------------------------------------------------

my @preflight = (method => 'OPTIONS', headers => [
    'Origin: https://a.example', 'Access-Control-Request-Method: POST']);

is $s->request('/preflight', @preflight, token => $good, tag => next_tag)->header('X-User'), '[]',
   'a preflight with a token shows no identity';
granted $s, '/preflight', 'a preflight with a bad token', @preflight, token => $bad,
        decision => { status => 'OK', user => '', method => '', subject => '' };
check_requests $s, {},
    [insufficient_scope => '/preflight', 'the request after a preflight', method => 'POST', token => $good],
    [no_token => '/preflight/again', 'a preflight, redirected to a location without auth_token_preflight',
     @preflight],
    [no_token => '/closed/file', 'a preflight in a location without auth_token_preflight', @preflight];

# --- without directives -----------------------------------------------------

my $plain = <<'CONF';
    absolute_redirect off;
    server {
        listen %%LISTEN%%;
        default_type text/plain;
        gzip on;
        gzip_types *;
        gzip_min_length 1;
        error_page 404 /page;
        root %%DIR%%/html;

        location /       { }
        location /proxy  { proxy_pass %%UPSTREAM%%; }
        location /401    { return 401; }
        location /403    { return 403 "forbidden\n"; }
        location /503    { return 503; }
        location /basic  { auth_basic closed; auth_basic_user_file %%DIR%%/passwords; }
        location /deny   { deny all; }
        location /any    { satisfy any; deny all; auth_basic closed; auth_basic_user_file %%DIR%%/passwords; }
        location /ssi    { ssi on; ssi_types *; }
        location /page   { return 404 "page\n"; }
        location /auth   { auth_request /401; }
        location /list/  { autoindex on; }
    }
CONF

sub plain_server ($load, $more = '') {
    my $p = start($more . $plain, load => $load, good => ['/proxy', auth => 'x'],
                  files => { passwords => "user:{PLAIN}x\n" });
    mkdir $p->dir . '/html/list';
    $p->write('html/file', 'a file of some length, ' x 20);
    $p->write('html/ssi', '<!--#include virtual="/file" --><!--#echo var="auth_token_user" -->');
    $p->write("html/list/$_", 'x') for 'a', 'b';
    utime 1_700_000_000, 1_700_000_000, glob($p->dir . '/html/*'), glob($p->dir . '/html/list/*');
    return $p;
}

my @servers = (plain_server(0), plain_server(1), plain_server(1, $issuers));
my @requests = (
    (map { my $path = $_; map { [$path, $_->@*] }
           [], [method => 'HEAD'], [token => $bad], [http => '1.0'],
           [headers => ['Accept-Encoding: gzip', 'Range: bytes=1-3']] }
         qw(/file /proxy /401 /403 /503 /basic /deny /any /ssi /nothing /auth /list /list/ /page)),
    ['/file', headers => ['If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT']],
    ['/file', headers => ['Range: bytes=0-1,3-4,100000-']],
    ['/file', headers => ['Range: bytes=100000-']],
    ['/file', headers => ['Accept-Encoding: gzip']],
    ['/file', method => 'POST', body => 'x' x 5000],
    ['/file', method => 'OPTIONS', headers => ['Origin: https://a', 'Access-Control-Request-Method: GET']],
    ['/proxy', method => 'POST', body => 'x' x 5000],
    ['/basic', auth => 'Basic dXNlcjp4'],
    ['/any', auth => 'Basic dXNlcjp4'],
    ['/%', close => 1], ['/..', close => 1],
    ['/file', method => 'TRACE'],
);

sub bytes_of ($p, $path, %o) {
    my $answer = $p->request($path, %o);
    my $text = $answer->{raw_head} . "\n" . $answer->{body};
    $text =~ s/^Date: [^\r]+\r\n//m or die "no Date";
    return $text =~ s/boundary=\K\d+|^--\d+//gmr;
}

my @different;
for my $request (@requests) {
    my ($path, %o) = @$request;
    my ($without, @with) = map { bytes_of($_, $path, %o) } @servers;
    push @different, "$path @{[ %o ]}: $_" for grep { $_ ne $without } @with;
}
is_deeply \@different, [], 'the module without directives changes no response';
cmp_ok scalar @requests, '>', 70, 'more than 70 requests are compared';
$_->{untagged} = $_->upstream->hits->count('') for @servers;

done;
