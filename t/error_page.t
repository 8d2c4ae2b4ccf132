#!/usr/bin/perl

# "error_page" replaces the response to a refused request.
#
# Requirements: error-page.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

my $bad    = token(key => key('rsa2'));
my $narrow = good_token(scope => ['other']);

# location /in/NAME and its directives
my %in = (
    'uri' =>                'error_page 401 /page;',
    'file' =>               'error_page 401 /pages/401.html;',
    'missing' =>            'error_page 401 /pages/nothing;',
    '200' =>                'error_page 401 =200 /page;',
    '403' =>                'error_page 401 =403 /page;',
    'as-is' =>              'error_page 401 = /teapot;',
    'again' =>              'error_page 401 = /again;',
    'named' =>              'error_page 401 @page;',
    'named200' =>           'error_page 401 =200 @page;',
    'guarded' =>            'error_page 401 /guarded;',
    'guarded200' =>         'error_page 401 =200 /guarded;',
    'at-guarded' =>         'error_page 401 = @guarded;',
    'closed' =>             'error_page 401 = @closed;',
    'self' =>               'error_page 401 = /in/self;',
    'url' =>                'error_page 401 https://login.example/?from=$uri;',
    'url301' =>             'error_page 401 =301 https://login.example/;',
    'app' =>                'error_page 401 = @app;',
    'other' =>              'error_page 403 503 /page;',
    'scope' =>              'error_page 403 /page; auth_token_require_scope read;',
    '401to503' =>           'error_page 503 /page; STATUS_503;',
    'any' =>                'error_page 401 /page; satisfy any; deny all;',
    'any403' =>             'error_page 403 /page; satisfy any; deny all; STATUS_503;',
    'any503' =>             'error_page 503 /page; satisfy any; deny all; STATUS_503;',
    'text' =>               'error_page 401 = @page; auth_token_error_format text; auth_token_realm another;',
    'recursive/' =>         'recursive_error_pages on; error_page 401 = /recursive/a;',
    'recursive/guarded' =>  'recursive_error_pages on; error_page 401 = /recursive/guarded;',
    'loop/' =>              'recursive_error_pages on; error_page 401 = /in/loop/;',
);
my $in = join '', map { "location /in/$_ { $in{$_} proxy_pass %%UPSTREAM%%; }\n" } sort keys %in;
$in =~ s/STATUS_503/auth_token_error API_INVALID_ACCESS_TOKEN status=503/g;

my $s = start(<<'CONF' . "$in    }\n");
    %%ISSUER%%

    # an application that responds to refused requests
    server {
        listen unix:%%DIR%%/app.sock;
        access_log off;
        location /app/401 { add_header WWW-Authenticate App always; return 401 "app 401\n"; }
        location /app/404 { return 404 "app 404\n"; }
        location /app/200 { return 200 "app $http_x_user\n"; }
    }

    # error_page at the level of the server
    server {
        listen %%LISTEN2%%;
        auth_token on;
        error_page 401 /401;
        error_page 403 =200 /403;

        location /          { proxy_pass %%UPSTREAM%%; }
        location = /401     { internal; auth_token off; return 200 "page 401\n"; }
        location = /403     { internal; auth_token off; return 200 "page 403\n"; }
        location /scope     { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /replaced  { error_page 401 =200 @replaced; proxy_pass %%UPSTREAM%%; }
        location /open      { auth_token off; proxy_pass %%UPSTREAM%%; }
        location @replaced  { auth_token off; return 200 "replaced\n"; }
    }

    server {
        listen %%LISTEN%%;
        listen %%LISTEN3%% ssl http2;
        %%TLS%%
        auth_token on;

        location /good   { proxy_pass %%UPSTREAM%%; }
        location /pages/ { auth_token off; }
        location = /page {
            auth_token off;
            add_header X-Reason "[$auth_token_reason] [$auth_token_user]" always;
            return 200 "page\n";
        }
        location = /teapot { auth_token off; return 418 "teapot\n"; }
        location = /again  { auth_token off; return 401; }
        location @page     { auth_token off; return 200 "named\n"; }
        location @closed   { return 200 "rewrite comes first\n"; }
        location @guarded  { proxy_pass %%UPSTREAM%%; }
        location /guarded  { proxy_pass %%UPSTREAM%%; }
        location @app      {
            auth_token off;
            proxy_set_header X-User "[$auth_token_user]";
            proxy_pass http://unix:%%DIR%%/app.sock;
        }
        location /app/        { error_page 401 403 = @app;     proxy_pass %%UPSTREAM%%; }
        location = /recursive/a {
            recursive_error_pages on;
            auth_token off;
            error_page 404 =200 /page;
            try_files /nothing =404;
        }
        location = /recursive/guarded {
            recursive_error_pages on;
            error_page 401 =200 /page;
            proxy_pass %%UPSTREAM%%;
        }
CONF

mkdir $s->dir . '/html/pages';
$s->write('html/pages/401.html', "<p>please log in</p>\n");

my $challenge = 'Bearer realm="api", error="invalid_token"';

# The request is refused with a page of "error_page", whose status and body are
# sent.  The challenge is added if the page keeps the status of the refusal.
# Nothing reaches the upstream, and the connection stays usable.
sub page ($path, $status, $body, $challenge, $name, %o) {
    my $head   = ($o{method} // '') eq 'HEAD';
    my $tag    = next_tag;
    my $answer = $s->request($path, token => $bad, %o, tag => $tag);

    is_deeply [$answer->{status}, $answer->{body}, [$answer->all('WWW-Authenticate')],
               $answer->header('Cache-Control'), $answer->header('Retry-After')],
              [$status, $head ? '' : $body, [defined $challenge ? $challenge : ()], undef, undef],
              "$name";
    is $s->upstream->hits->count($tag), 0, "$name: the upstream is not hit";

    granted $s, '/good', "$name: next on the connection", token => good_token(),
            $o{port} ? (port => $o{port}) : ()
        if $answer->{kept};

    return $answer;
}

# --- pages ------------------------------------------------------------------

for my $method (qw(GET HEAD POST)) {
    my @o = (method => $method, $method eq 'POST' ? (body => 'x' x 5000) : ());

    page('/in/uri',      401, "page\n", $challenge, "error_page 401 /page, $method", @o);
    page('/in/200',      200, "page\n", undef, "error_page 401 =200, $method", @o);
    page('/in/403',      403, "page\n", undef, "error_page 401 =403, $method", @o);
    page('/in/as-is',    418, "teapot\n", undef, "error_page 401 = /teapot, $method", @o);
    page('/in/named',    401, "named\n", $challenge, "error_page 401 \@page, $method", @o);
    page('/in/named200', 200, "named\n", undef, "error_page 401 =200 \@page, $method", @o);
    page('/in/any',      401, "page\n", $challenge, "error_page 401, satisfy any, $method", @o);
}

page('/in/uri', 401, "page\n", $challenge, "error_page, HTTP/1.0", http => '1.0');
page('/in/uri', 401, "page\n", $challenge, "error_page, Connection: close", close => 1);

my $answer = page('/in/uri', 401, "page\n", $challenge, 'variables of the page');
is $answer->header('X-Reason'), '[bad_signature] []', 'the page sees the reason and no identity';
is $answer->header('Content-Type'), 'text/plain', 'the Content-Type of the page';

$answer = page('/in/file', 401, "<p>please log in</p>\n", $challenge, 'a static file');
is $answer->header('Content-Type'), 'text/html', 'the Content-Type of the file';
is $answer->header('Content-Length'), 21, 'the Content-Length of the file';

page('/in/uri', 401, "page\n", 'Bearer realm="api"', 'error_page, no credential', token => undef);
page('/in/uri', 401, "page\n", $challenge, 'error_page, an expired token', token => good_token(exp => 1));
page('/in/text', 200, "named\n", undef, 'error_page = @page with another error format');

{
    my $answer = page('/in/url', 302, undef, undef, 'a URL', method => 'HEAD');
    is $answer->header('Location'), 'https://login.example/?from=/in/url', 'a URL: Location';

    $answer = $s->request('/in/url', token => $bad);
    like $answer->{body}, qr/302 Found/, 'a URL: the body of nginx';

    $answer = page('/in/url301', 301, undef, undef, 'a URL =301', method => 'HEAD');
    is $answer->header('Location'), 'https://login.example/', 'a URL =301: Location';
}

# a missing page, and a page that returns 401
for my $row (['/in/missing', 404], ['/in/again', 401]) {
    my ($path, $status) = @$row;
    my $answer = $s->request($path, token => $bad);
    is $answer->{status}, $status, "$path: status";
    like $answer->{body}, qr/nginx/, "$path: the page of nginx";
    is_deeply [$answer->all('WWW-Authenticate')], [$status == 401 ? $challenge : ()],
              "$path: challenge";
}

# --- pages for 403 and 503 --------------------------------------------------

page('/in/scope', 403, "page\n", 'Bearer realm="api", error="insufficient_scope"',
     'error_page 403', token => $narrow);
refused $s, '/in/scope', invalid_token => 'a bad token where error_page is for 403', token => $bad;
refused $s, '/in/other', invalid_token => 'a bad token where error_page is for 403 and 503', token => $bad;

page('/in/401to503', 503, "page\n", undef, 'error_page 503');

# under "satisfy any" the module returns 403 to nginx in place of 503
page('/in/any403', 403, "page\n", undef, 'satisfy any, error_page 403, status=503');
refused $s, '/in/any503', unavailable => 'satisfy any, error_page 503, status=503',
        token => $bad, expect => { code => 'API_INVALID_ACCESS_TOKEN',
                                   message => 'Invalid JWT Access Token' };

# --- protected pages --------------------------------------------------------

# the page is refused, too, without a loop or a second log line
refused $s, "/in/$_", invalid_token => "a protected page, $_", token => $bad
    for qw(guarded guarded200 at-guarded self);

page('/in/closed', 200, "rewrite comes first\n", undef, '"return" in a protected page');

page('/in/recursive/', 200, "page\n", undef, 'recursive_error_pages');
page('/in/recursive/guarded', 200, "page\n", undef, 'recursive_error_pages with a protected page');

{
    my $tag    = next_tag;
    my $answer = $s->request('/in/loop/', token => $bad, tag => $tag);
    is $answer->{status}, 500, 'a loop: nginx returns 500';
    is_deeply [$answer->all('WWW-Authenticate')], [], 'a loop: no challenge';
    is $s->upstream->hits->count($tag), 0, 'a loop: the upstream is not hit';
    granted $s, '/good', 'the next request after a loop', token => good_token();
}

granted $s, "/in/$_", "a good token at /in/$_", token => good_token()
    for qw(uri 200 403 named url guarded self any any503 scope recursive/ loop/);

# --- an application behind a named location ---------------------------------

page('/app/200', 200, "app []\n", undef, 'an application, status 200');
page('/app/404', 404, "app 404\n", undef, 'an application, status 404');

{
    my $answer = $s->request('/app/401', token => $bad);
    is_deeply [$answer->{status}, $answer->{body}], [401, "app 401\n"],
              'an application, status 401: its body';
    is_deeply [grep { /App/ } $answer->all('WWW-Authenticate')], ['App'],
              'an application, status 401: its challenge';
}

# --- error_page of the server -----------------------------------------------

page('/x', 401, "page 401\n", $challenge, 'error_page 401 of the server', port => 2);
page('/scope', 200, "page 403\n", undef, 'error_page 403 =200 of the server', port => 2, token => $narrow);
page('/replaced', 200, "replaced\n", undef, 'error_page of a location', port => 2);
page('/scope', 401, "page 401\n", $challenge, 'error_page 401 of the server, a location with a scope', port => 2);
granted $s, '/open', 'auth_token off', port => 2;

# --- HTTP/2 -----------------------------------------------------------------

{
    my @answers = http2($s, map { ["/in/$_", { port => 3, token => $bad }] }
                            qw(uri 200 named url guarded));

    is_deeply [map { $_->{status} } @answers], [401, 200, 401, 302, 401], 'HTTP/2: status';
    is_deeply [map { scalar $_->all('WWW-Authenticate') } @answers], [1, 0, 1, 0, 1],
              'HTTP/2: challenge';
    is_deeply [map { $_->{body} } @answers[0 .. 2]], ["page\n", "page\n", "named\n"],
              'HTTP/2: body';
    is_refused $answers[4], invalid_token => 'HTTP/2: a protected page';
}

done;
