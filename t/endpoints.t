#!/usr/bin/perl

# Endpoint lists: the endpoint of a request, prefixes, spellings of paths, methods,
# endpoints without a scope, inheritance, errors.
#
# Requirements: path-spellings, path-ambiguous, path-merge-slashes,
#   path-at-upstream, path-templates, path-methods, inheritance,
#   path-client-headers, internal-redirects.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Digest::SHA qw(sha1_hex);
use JSON::PP ();
use Time::HiRes qw(time);

my $rows = <<'ROWS';
# a comment, then an empty line

GET     /things                   things.read
GET     /things/:id               things.read
GET     /things/special           things.special     # a comment
GET     /things/:id/parts/:part   parts.read
GET     /things/special/parts/one parts.one
POST    /things                   things.write
POST	/things/:id	things.write
*       /any                      any.any
GET     /any                      any.get
*       /any/:id                  any.any
GET     /sha
DELETE  /sha/:key/of/:other
GET     /me                       Authenticated
*       /me/all                   Authenticated
GET     /public                   Public
GET     /public/:id               Public
POST    /hook/:name               Public
*       /open                     Public
GET     /admin                    admin
GET     /slash/                   things.read
GET     /caf\xc3\xa9              things.read
GET     /a-b_c.d~e                things.read
GET     /Case                     things.read
FOO-BAR /custom                      things.read
GET     /twice                    scope.of.one
GET     /old                      things.special
ROWS
$rows =~ s/\\x(..)/chr hex $1/ge;

my $main = '%%ISSUER%%';

# ports and their list
my %list = (3 => 'rows.tsv prefix=/api;', 4 => 'rows.tsv ignore_case prefix=ipfabric;', 5 => 'rows.tsv; merge_slashes off;');
my $servers = join '', map { <<"CONF" } sort keys %list;
    server {
        listen %%LISTEN$_%%;
        large_client_header_buffers 4 16k;
        auth_token on;
        auth_token_endpoints $list{$_}
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
    }
CONF

my $s = start("$main auth_token_store lmdb:%%DIR%%/store; $servers" . <<'CONF',
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 16k;
        auth_token on;
        auth_token_endpoints rows.tsv;

        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
        location /old/ { rewrite ^/old/(.*)$ /things/$1 last; }
        location /twice { auth_token_require_scope things.read; proxy_pass %%UPSTREAM%%; }
        location /other {
            auth_token_endpoints other.tsv;
            location /other/under { proxy_pass %%UPSTREAM%%; }
            location /other/off   { auth_token_endpoints off; proxy_pass %%UPSTREAM%%; }
            proxy_pass %%UPSTREAM%%;
        }
    }
    # client headers are replaced by variables before and after the access phase
    server {
        listen %%LISTEN2%%;
        auth_token on;
        auth_token_endpoints rows.tsv;
        auth_token_allow 127.0.0.0/29;

        set $early $auth_token_user;
        proxy_set_header X-User $auth_token_user;
        proxy_set_header X-Extra $early;

        location /     { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token_endpoints off; auth_token_allow any; proxy_pass %%UPSTREAM%%; }
        location /open { auth_token_allow 127.0.0.3; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN6%%;
        auth_token on;
        location / { auth_token_endpoints rows.tsv prefix=/v1/deep; proxy_pass %%UPSTREAM%%; }
        location /good { proxy_pass %%UPSTREAM%%; }
        location /limited {
            auth_token_endpoints off;
            limit_except GET { auth_token_endpoints limited.tsv; }
            proxy_pass %%UPSTREAM%%;
        }
        location /any-of {
            auth_token_endpoints limited.tsv;
            satisfy any; allow 127.0.0.9; deny all;
            proxy_pass %%UPSTREAM%%;
        }
        location /preflight { auth_token_preflight on; auth_token_endpoints limited.tsv; proxy_pass %%UPSTREAM%%; }
        location /again {
            auth_token_preflight on;
            auth_token_endpoints again.tsv;
            try_files $uri /again/me;
            location = /again/me { proxy_pass %%UPSTREAM%%; }
        }
        location /fallback {
            auth_token_preflight on;
            auth_token_endpoints again.tsv;
            proxy_intercept_errors on;
            error_page 405 /fallback/me;
            proxy_pass http://%%LISTEN7%%;
        }
        location /big { auth_token_endpoints big.tsv; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN7%%;
        access_log off;
        location = /fallback/open { return 405; }
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    files   => {
        'rows.tsv'    => $rows,
        'other.tsv'   => "GET /other other.read\r\nGET /other/under Public\r\n",
        'limited.tsv' => "POST /limited limited.write\nGET /any-of things.read\nGET /preflight things.read",
        'again.tsv'   => join('', map { "* $_/open Public\nGET $_/me Authenticated\n" } '/again', '/fallback'),
        'big.tsv'     => join('', map { "GET /big/$_/:x/row/$_ big.$_\n" } 1 .. 5000),
    },
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->role('blocked', grant => '*', block => ['me', '/me/all', 'GET /admin', 'special']);
        $store->role('no-things', grant => '*', deny => 'things.*');
    }));
my $store = $s->{store};

my (%t, $n);

# an API token with these scopes and options
sub with ($scopes, %o) {
    my $key = join '|', @$scopes, map { "$_=$o{$_}" } sort keys %o;
    return $t{$key} //= $store->token('t' . ++$n, scope => $scopes, %o);
}

# an endpoint that is granted by $scope and by no other scope of @all
my @all = qw(things.read things.special things.write parts.read parts.one any.any any.get admin other.read);

sub is_endpoint ($path, $row, $scope, $name, %o) {
    granted $s, $path, "$name: $path is granted with $scope", api_token => with([$scope]), %o,
            decision => { endpoint => $row, method => 'api_token' };
    refused $s, $path, endpoint_not_granted => "$name: $path is refused with other scopes", %o,
            api_token => with([grep { $_ ne $scope } @all]);
}

sub is_unknown ($path, $name, %o) {
    refused $s, $path, unknown_endpoint => "$name: $path is not in the list", api_token => with(\@all), %o;
    refused $s, $path, unknown_endpoint => "$name: $path is refused to an administrator",
            token => good_token(isAdmin => JSON::PP::true, scope => \@all), %o;
    refused $s, $path, no_token => "$name: $path requires a credential", %o;
}

# --- the endpoint of a path -------------------------------------------------

is_endpoint $_->[0], $_->[1], $_->[2], 'endpoint' for
    ['/things',                       'GET /things', 'things.read'],
    ['/things?x=/admin',              'GET /things', 'things.read'],
    ['/things?',                      'GET /things', 'things.read'],
    ['/things?x=..;%2f',              'GET /things', 'things.read'],
    ['/things/7',                     'GET /things/:id', 'things.read'],
    ['/things/specia',                'GET /things/:id', 'things.read'],
    ['/things/specials',              'GET /things/:id', 'things.read'],
    ['/things/SPECIAL',               'GET /things/:id', 'things.read'],
    ['/things/:id',                   'GET /things/:id', 'things.read'],
    ['/things/a%20b',                 'GET /things/:id', 'things.read'],
    ['/things/*',                     'GET /things/:id', 'things.read'],
    ['/things/special',               'GET /things/special', 'things.special'],
    ['/things/7/parts/1',             'GET /things/:id/parts/:part', 'parts.read'],
    ['/things/7/parts/one',           'GET /things/:id/parts/:part', 'parts.read'],
    # the literal leads to no endpoint, so the parameter matches
    ['/things/special/parts/two',     'GET /things/:id/parts/:part', 'parts.read'],
    ['/things/special/parts/one',     'GET /things/special/parts/one', 'parts.one'],
    ['/any',                          'GET /any', 'any.get'],
    ['/any/1',                        '* /any/:id', 'any.any'],
    ['/slash/',                       'GET /slash/', 'things.read'],
    ['/caf%C3%A9',                    "GET /caf\xc3\xa9", 'things.read'],
    ["/caf\xc3\xa9",                  "GET /caf\xc3\xa9", 'things.read'],
    ['/a-b_c.d~e',                    'GET /a-b_c.d~e', 'things.read'],
    ['/Case',                         'GET /Case', 'things.read'],
    ['http://localhost/things',       'GET /things', 'things.read'],
    ['http://other.example/things/7?q', 'GET /things/:id', 'things.read'];

is_endpoint '/any', '* /any', 'any.any', "any method, $_", method => $_, body => ''
    for qw(POST PUT DELETE OPTIONS PATCH FOO);
is_endpoint '/things', 'POST /things', 'things.write', 'method POST', method => 'POST', body => '';
is_endpoint '/custom', 'FOO-BAR /custom', 'things.read', 'method FOO-BAR', method => 'FOO-BAR';

is_unknown $_, 'endpoint' for
    '/', '/nothing', '/thing', '/thingss', '/things/', '/things/7/', '/things/7/parts', '/things/7/parts/',
    '/things/7/parts/1/2', '/things/7/x/1', '/slash', '/case', '/me/', '/x/things', '/any/1/2', '/admin/x',
    '/public/1/2', '/public/', '/hook/x', '/THINGS';

# --- scopes by id, by text, by name -----------------------------------------

for my $row ('GET /sha', 'DELETE /sha/:key/of/:other', 'GET /things/special') {
    my ($method, $template) = split / /, $row;
    my $path = $template =~ s/:\w+/x/gr;
    my $id   = sha1_hex($row);

    granted $s, $path, "$row is granted by $_->[0]", method => $method, api_token => with([$_->[1]]),
            decision => { endpoint => $row } for ['its id', $id], ['its text', $row];
    refused $s, $path, endpoint_not_granted => "$row is not granted by $_->[0]", method => $method, api_token => with([$_->[1]]) for
        ['its id in capitals', uc $id], ['a part of its id', substr $id, 0, 39], ['another id', sha1_hex("$row ")],
        ['its text in lower case', lc $row], ['its path', $template], ['its method', $method], ['*', '*'],
        ['the path itself', "$method $path" eq $row ? 'x' : "$method $path"], ['Public', 'Public'],
        ['Authenticated', 'Authenticated'];
}
granted $s, '/sha', 'a JWT with the id as scope', token => good_token(scope => [sha1_hex('GET /sha')]);
granted $s, '/sha', 'a JWT with the text as scope', token => good_token(scope => ['GET /sha']);
refused $s, '/sha', endpoint_not_granted => 'a JWT with the text in a scope string, which is two scopes',
        token => good_token(scope => 'GET /sha');
granted $s, '/sha', 'an administrator is granted every endpoint',
        token => good_token(isAdmin => JSON::PP::true, scope => []);

# together with auth_token_require_scope
granted $s, '/twice', 'a token with the scopes of location and endpoint',
        api_token => with(['things.read', 'scope.of.one']);
refused $s, '/twice', endpoint_not_granted => 'a token with only the scope of the location',
        api_token => with(['things.read']);
refused $s, '/twice', insufficient_scope => 'a token with only the scope of the endpoint',
        api_token => with(['scope.of.one']), reason => 'insufficient_scope';

# --- methods ----------------------------------------------------------------

granted $s, $_->[0], "HEAD $_->[0] is treated as GET", method => 'HEAD', api_token => with([$_->[2]]),
        decision => { endpoint => $_->[1] } for
    ['/things', 'GET /things', 'things.read'], ['/things/special', 'GET /things/special', 'things.special'],
    ['/any', 'GET /any', 'any.get'], ['/any/1', '* /any/:id', 'any.any'];
refused $s, '/things/special', endpoint_not_granted => 'HEAD requires the scope of GET', method => 'HEAD',
        api_token => with(['things.read']);
granted $s, '/public', 'HEAD of a public endpoint', method => 'HEAD';
is_unknown '/things/special', "method $_", method => $_ for qw(PUT DELETE PATCH OPTIONS FOO);
is_unknown '/admin', "method $_", method => $_ for qw(POST PUT HEADS GETS);
is_unknown '/hook/x', 'HEAD of an endpoint for POST', method => 'HEAD';

for my $header ('X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-Method', '_method') {
    refused $s, '/admin', unknown_endpoint => "$header does not change the method to GET", method => 'POST',
            body => '', headers => ["$header: GET"], api_token => with(\@all);
    refused $s, '/things', endpoint_not_granted => "$header does not change the method to POST",
            headers => ["$header: POST"], api_token => with(['things.write']);
    refused $s, '/hook/x', no_token => "$header does not lead to a public endpoint",
            headers => ["$header: POST"];
}
for my $header ('X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Forwarded-Prefix') {
    refused $s, '/admin', endpoint_not_granted => "$header does not change the path",
            headers => ["$header: /things"], api_token => with(['things.read']);
    refused $s, '/admin', no_token => "$header does not lead to a public path",
            headers => ["$header: /public"];
}

# --- Authenticated ----------------------------------------------------------

granted $s, '/me', "Authenticated grants $_->[0]", $_->@[1, 2], decision => { endpoint => 'GET /me' } for
    ['a token without a scope', api_token => with([])], ['a token with a scope', api_token => with(['x'])],
    ['a JWT without a scope', token => good_token(scope => [])], ['a JWT', token => good_token()],
    ['a token whose role grants nothing', api_token => with([], role => 'no-things')];
granted $s, '/me/all', "Authenticated grants any method, $_", method => $_, api_token => with([])
        for qw(GET HEAD POST DELETE);
refused $s, '/me', no_token => 'Authenticated requires a credential';
refused $s, '/me', invalid_api_token => 'Authenticated refuses an unknown API token',
        api_token => 'unknown-' x 4;
refused $s, '/me', invalid_token => 'Authenticated refuses a forged JWT', token => token(key => key('rsa2'));
refused $s, '/me', expired_api_token => 'Authenticated refuses an expired API token',
        api_token => with([], expires => 'now-1s');
refused $s, '/me', client_disabled => 'Authenticated refuses a disabled API token',
        api_token => with([], disabled => 1);
refused $s, '/me', address_not_allowed => 'Authenticated refuses an address outside the ranges',
        api_token => with([], allow => '192.0.2.1');
is_unknown '/me', 'Authenticated for another method', method => 'POST';

# --- roles ------------------------------------------------------------------

my @blocked = (api_token => with(\@all, role => 'blocked'));
refused $s, $_, blocked_endpoint => "a role that blocks $_", @blocked
    for '/me', '/me/all', '/admin', '/things/special';
granted $s, $_, "a role that blocks other endpoints than $_", @blocked for '/things', '/any',
        '/things/7/parts/1';
granted $s, '/public', 'a role does not affect a public endpoint', @blocked;
refused $s, '/things', endpoint_not_granted => 'a deny of the role precedes the scopes of a token',
        api_token => with(\@all, role => 'no-things');
granted $s, '/admin', 'the role grants another endpoint', api_token => with([], role => 'no-things');

# --- Public -----------------------------------------------------------------

my %anonymous = (method => '', user => '', client => '', issuer => '', role => '', scope => '', subject => '',
              fingerprint => '', status => 'OK');

for my $port ('', 2) {
    my @o = (port => $port, decision => \%anonymous);
    granted $s, $_->[0], "Public grants $_->[1], port $port", @o, $_->@[2 .. $#$_] for
        ['/public', 'a request without a credential'],
        ['/public', 'a HEAD request', method => 'HEAD'],
        ['/public?x=y', 'a path with a query'],
        ['/public/7', 'a path with a parameter'],
        ['/hook/x', 'a POST request', method => 'POST', body => 'x'],
        ['/public', 'a valid API token', api_token => with(\@all)],
        ['/public', 'a valid JWT', token => good_token()],
        ['/public', 'an administrator', token => good_token(isAdmin => JSON::PP::true)],
        ['/public', 'an unknown token', api_token => 'unknown-' x 4],
        ['/public', 'an expired token', api_token => with([], expires => 'now-1s')],
        ['/public', 'a disabled API token', api_token => with([], disabled => 1)],
        ['/public', 'an API token from another address', api_token => with([], allow => '192.0.2.1')],
        ['/public', 'a forged JWT', token => token(key => key('rsa2'))],
        ['/public', 'two kinds of credentials', api_token => with([]), token => good_token()],
        ['/public', 'two API tokens', headers => ['X-API-Token: a', 'X-API-Token: b']],
        ['/public', 'an empty API token', api_token => ''];
}
granted $s, '/open', "Public for any method grants $_", method => $_, decision => \%anonymous
    for qw(GET HEAD POST PUT DELETE OPTIONS PATCH FOO);

is_unknown $_->[0], "Public is not for $_->[1]", $_->@[2 .. $#$_] for
    ['/public', 'another method', method => 'POST', body => ''], ['/public', 'DELETE', method => 'DELETE'],
    ['/hook/x', 'another method'], ['/public/7/8', 'a longer path'], ['/publi', 'a shorter path'],
    ['/Public', 'another case'];

# client headers do not name a user at a public endpoint
for my $credential ([token => good_token()], [api_token => with(\@all)], []) {
    my $tag = next_tag;
    $s->request('/public', port => 2, @$credential, headers => ['X-User: admin', 'X-Extra: admin'], tag => $tag);
    $s->upstream->hits->await($tag);
    my ($hit) = hits($s, $tag);
    is $hit->{http_x_user}, '', 'Public: the variable has no user' . ($credential->[0] ? ", with $credential->[0]" : '');
    is $hit->{http_x_extra}, '', 'Public: the early variable has no user' . ($credential->[0] ? ", with $credential->[0]" : '');
}
{
    my $tag = next_tag;
    $s->request('/things', port => 2, token => good_token(scope => ['things.read']), tag => $tag);
    $s->upstream->hits->await($tag);
    my ($hit) = hits($s, $tag);
    is "$hit->{http_x_user} $hit->{http_x_extra}", 'jane jane', 'another endpoint: both variables have the user';
}

# address lists apply to public endpoints
refused $s, '/public', address_not_allowed => 'Public: an address outside the list is refused', port => 2,
        from => '127.0.0.8', reason => 'address_not_allowed';
refused $s, '/public', address_not_allowed => 'Public: a valid API token does not help outside the list',
        port => 2, from => '127.0.0.8', reason => 'address_not_allowed', api_token => with([]);
refused $s, '/open', address_not_allowed => 'Public: an address outside a list of one address is refused',
        port => 2, from => '127.0.0.2', reason => 'address_not_allowed';
granted $s, '/open', 'Public: an address in the list is granted', port => 2, from => '127.0.0.3';

# --- spellings --------------------------------------------------------------

# t/unit/path_test.c has the other spellings
my @spellings = (
    # nginx reads these as /NAME, an upstream may not
    '//NAME', '/x/../NAME', '/x/%2e%2e/NAME', '/x/..%2fNAME', '/./NAME', '/NAME/.', '/NAME#f', '/NAME%2f',
    # nginx reads these as another path, an upstream may read /NAME
    '/NAME;', '/NAME%3b', '/x/..;/NAME', '/x\\..\\NAME', '/NAME%5c..', '/x/%252e%252e/NAME', '/%c0%ae%c0%ae/NAME',
    '/NAME%20', '/NAME.', '/NAME%ff', '/NAME%0a', '/NAME%c2%a0/..', "/NAME\x7f", '/%ef%bc%8fNAME', '/NAME/', '/NAME%',
);

# the request is refused by nginx or by the module
sub never ($path, $name, %o) {
    my @wrong;
    for (['no credential'], ['a token', api_token => with(\@all)],
         ['an administrator', token => good_token(isAdmin => JSON::PP::true, scope => \@all)])
    {
        my ($who, @credential) = @$_;
        my $tag = next_tag;
        push $s->{refused}->@*, $tag;
        my $answer = $s->request($path, @credential, %o, tag => $tag);
        my $code   = $answer->{body} =~ /"code":"(\w+)"/ ? $1 : '';
        my $right  = $answer->{status} == 400 && $code eq ''
                  || ($who eq 'no credential' ? "$answer->{status} $code" eq '401 API_INVALID_ACCESS_TOKEN'
                                       : "$answer->{status} $code" eq '403 API_ENDPOINT_NOT_FOUND');
        push @wrong, "$who: $answer->{status} $answer->{body}" if !$right;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is "@wrong", '', $name =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger;
}

for my $spelling (@spellings) {
    for my $name ('admin', 'public', 'me', 'things', 'open') {
        my $path = $spelling =~ s/NAME/$name/gr;
        never $path, "'$path' is refused";
        never $path, "'$path' is refused with merge_slashes off", port => 5;
    }
    for my $name ('public', 'admin') {
        my $path = '/api' . $spelling =~ s/NAME/$name/gr;
        never $path, "'$path' is refused with prefix=/api", port => 3;
        never $path, "'$path' is refused with prefix=ipfabric", port => 4;
    }
}
for my $name ('admin', 'public') {
    for my $encoded ('%61', '%41', '%70') {
        my $letter = chr hex substr $encoded, 1;
        my $path = "/$name" =~ s/\Q$letter\E/$encoded/r;
        never $path, "'$path' is refused" if $path ne "/$name";
    }
    never $_, "'$_' is refused" for uc "/$name", ucfirst $name eq $name ? () : '/' . ucfirst $name,
        "/" . ($name =~ s/(.)\z/sprintf '%%%02x', ord $1/er);
}
never "/things/x$_/parts/1", "'$_' inside a parameter is refused" for '%2f', ';', '%5c', '%00', '%25', '.';
never "/things/$_/parts/1", "'$_' as a parameter is refused" for '', '..', '%2e', '%20';
granted $s, '/admin?x', 'the query is not part of the path', api_token => with(['admin']);
granted $s, 'http://other/admin', 'the host is not part of the path', api_token => with(['admin']);
refused $s, $_, endpoint_not_granted => "$_ requires the scope of /admin", api_token => with(['things.read'])
    for '/admin?x', '/admin?', '/admin?/things', 'http://other/admin', 'http://other/admin?things';

# --- the path at the upstream -----------------------------------------------

for my $path ('/things/7', '/things/a%20b', '/things/%C3%A9', "/things/\xc3\xa9", '/things/7?x=%2e%2e', '/things/a+b&c=d,e!f',
              '/things/%e2%82%ac', '/things/@', '/things/a:b')
{
    my $tag = next_tag;
    my $answer = $s->request($path, api_token => with(['things.read']), tag => $tag);
    is $answer->{status}, 200, 'granted: ' . $path =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger;
    $s->upstream->hits->await($tag);
    my ($hit) = hits($s, $tag);
    is $hit->{raw_uri}, $path, 'the upstream receives the path unchanged';
}

# after a rewrite the new path decides, and the original path must be plain
granted $s, '/old/7', 'a rewrite leads to another endpoint', api_token => with(['things.read']),
        decision => { endpoint => 'GET /things/:id' };
refused $s, '/old/special', endpoint_not_granted => 'a rewrite leads to an endpoint that is not granted',
        api_token => with(['things.read']);
never "/old/$_", "a rewrite of the ambiguous path $_ is refused" for '7;', '%2e%2e/admin', '/7', '7/', '7%2f',
    '../public;', './7';

# --- prefixes ---------------------------------------------------------------

is_endpoint "/api$_->[0]", $_->[1], $_->[2], 'prefix=/api', port => 3 for
    ['/things', 'GET /things', 'things.read'], ['/things/7?x', 'GET /things/:id', 'things.read'],
    ['/slash/', 'GET /slash/', 'things.read'];
granted $s, '/api/public', 'prefix=/api: a public endpoint', port => 3, decision => \%anonymous;
is_unknown $_, 'prefix=/api', port => 3 for
    '/', '/api', '/api/', '/things', '/public', '/apis/things', '/ap/things', '/api/api/things', '/API/things',
    '/api/v6/things', '/x/api/things', '/apithings', '/apipublic', '/api.things';
is_endpoint '/v1/deep/things', 'GET /things', 'things.read', 'a longer prefix', port => 6;
is_unknown $_, 'a longer prefix', port => 6 for '/v1/things', '/deep/things', '/v1/deepthings', '/v1/deep',
    '/v1/deep/';

is_endpoint "$_/things/7", 'GET /things/:id', 'things.read', 'prefix=ipfabric', port => 4 for
    '/api', '/api/v6', '/api/v6.1', '/api/v6.10', '/api/v0.0', '/api/v7.123456', '/API/V6.1', '/Api/v6', '/api/v10',
    '/api/v10.2', '/api/v123.45';
is_endpoint '/api/V6/THINGS/Special', 'GET /things/special', 'things.special', 'prefix=ipfabric, ignore_case',
    port => 4;
is_endpoint '/api/v6/case', 'GET /Case', 'things.read', 'prefix=ipfabric, ignore_case', port => 4;
granted $s, $_, "prefix=ipfabric: the public endpoint $_", port => 4, decision => \%anonymous
    for '/api/v6.1/public', '/api/public', '/api/v6/PUBLIC/x';
is_unknown $_, 'prefix=ipfabric', port => 4 for
    '/things', '/v6/things', '/v6.1/public', '/api/v/things', '/api/v66./things', '/api/v6.1.2/things',
    '/api/v6.x/things', '/api/v6x/things', '/api/6.1/things', '/api/w6.1/things', '/api/v6.1/v6.1/things',
    '/api/v6.1/api/things', '/api/v6,1/things', '/api/v6.1', '/api/v6.1/', '/api/v-6/things', '/api/v6-1/things';

# --- inheritance, off, other levels -----------------------------------------

granted $s, '/other', 'a location with another list', api_token => with(['other.read']),
        decision => { endpoint => 'GET /other' };
refused $s, '/other', endpoint_not_granted => 'the scopes of the other list are required',
        api_token => with(['things.read']);
granted $s, '/other/under', 'a nested location inherits the list: a public endpoint', decision => \%anonymous;
refused $s, '/other/under', no_token => 'a nested location inherits the list: another method',
        method => 'POST', body => '';
refused $s, '/other/under/x', unknown_endpoint => 'a nested location inherits the list: an unknown endpoint',
        api_token => with(\@all);
granted $s, $_, "auth_token_endpoints off grants $_", api_token => with([]), decision => { endpoint => '', method => 'api_token' }
    for '/other/off', '/other/off/x', '/other/off;x', '/good';
refused $s, '/other/off', no_token => 'auth_token_endpoints off still requires a credential';

granted $s, '/limited', 'limit_except: GET needs no scope', port => 6, api_token => with([]);
granted $s, '/limited', 'limit_except: POST with the scope', port => 6, method => 'POST', body => '',
        api_token => with(['limited.write']);
refused $s, '/limited', endpoint_not_granted => 'limit_except: POST without the scope', port => 6,
        method => 'POST', body => '', api_token => with(\@all);
refused $s, '/limited', unknown_endpoint => 'limit_except: PUT is not in the list', port => 6,
        method => 'PUT', body => '', api_token => with(\@all);

granted $s, '/any-of', 'satisfy any: granted by the list', port => 6, api_token => with(['things.read']);
granted $s, '/any-of', 'satisfy any: granted by the address', port => 6, from => '127.0.0.9';
granted $s, '/any-of/x', 'satisfy any: an unknown endpoint is granted by the address', port => 6,
        from => '127.0.0.9';
refused $s, '/any-of/x', unknown_endpoint => 'satisfy any: an unknown endpoint is refused', port => 6,
        api_token => with(['things.read']), decision => undef;

my @preflight = (headers => ['Origin: https://ui.example', 'Access-Control-Request-Method: POST']);

granted $s, '/preflight', 'a CORS preflight needs no endpoint', port => 6, method => 'OPTIONS', @preflight,
        decision => \%anonymous;
refused $s, '/preflight', no_token => 'OPTIONS without CORS headers is refused', port => 6,
        method => 'OPTIONS';

# --- internal redirects -----------------------------------------------------

# from a public endpoint to another one: authorized again, in the same location
for my $path ('/again/open', '/fallback/open') {
    granted $s, $path, "$path redirects: a valid token is granted", port => 6, api_token => with([]),
            decision => { method => 'api_token', endpoint => 'GET ' . $path =~ s/open/me/r },
            expect => { status => $path =~ /again/ ? 200 : 405 };
    refused $s, $path, no_token => "$path redirects: a credential is required", port => 6, decision => undef;
    refused $s, $path, invalid_api_token => "$path redirects: an unknown token is refused", port => 6,
            decision => undef, api_token => 'unknown-' x 4;
}

# the same after a CORS preflight
granted $s, '/fallback/open', 'a preflight redirects: a valid token is granted', port => 6,
        method => 'OPTIONS', api_token => with([]), expect => { status => 405 }, @preflight;
refused $s, '/fallback/open', no_token => 'a preflight redirects: a credential is required', port => 6,
        method => 'OPTIONS', @preflight, decision => undef;

# --- many endpoints, long paths ---------------------------------------------

granted $s, '/big/4999/x/row/4999', 'one of 5,000 endpoints', port => 6, api_token => with(['big.4999']),
        decision => { endpoint => 'GET /big/4999/:x/row/4999' };
refused $s, '/big/4999/x/row/4998', unknown_endpoint => 'none of 5,000 endpoints', port => 6,
        api_token => with(['big.4999']);
for my $path ('/things/' . 'x' x 7900, '/things' . '/x' x 3900, '/x' x 3900, '/things/special/parts' . '/one' x 1900) {
    my $start = time;
    my $sign  = $path =~ m{^/things/x+\z} ? undef : 'unknown_endpoint';
    for (1 .. 20) {
        my $answer = $s->request($path, api_token => with(['things.read']), tag => my $tag = next_tag);
        push $s->{refused}->@*, $tag if $answer->{status} != 200;
        is $answer->{status}, $sign ? 403 : 200, 'a path of 7,900 bytes' if $_ == 1;
    }
    cmp_ok time - $start, '<', 2, '20 requests take less than two seconds';
}

# --- reload -----------------------------------------------------------------

refused $s, '/new', unknown_endpoint => 'an endpoint before a reload adds it', api_token => with(\@all);
$s->write('rows.tsv', "${rows}GET /new Authenticated\n" =~ s/^GET\s+\/public .*\n//mr);
$s->reload;
granted $s, '/new', 'an endpoint after a reload added it', api_token => with(\@all);
refused $s, '/public', no_token => 'an endpoint after a reload removed it';
$s->write('rows.tsv', "GET things Public\n");
$s->reload(fails => 1);
expect_log $s, qr/\[emerg\].*rows\.tsv.*line 1/;
granted $s, '/new', 'a failed reload keeps the list: the new endpoint', api_token => with(\@all);
refused $s, '/public', no_token => 'a failed reload keeps the list: the removed endpoint';

# --- configuration errors ---------------------------------------------------

sub conf ($arguments, $more = '') {
    return "$main server {\n listen %%LISTEN%%;\n auth_token on;\n $more\n auth_token_endpoints $arguments; # here\n}\n";
}

sub fails ($text, $pattern, $name, $arguments = 'rows.tsv') {
    conf_fails conf($arguments), $pattern, $name, files => { defined $text ? ('rows.tsv' => $text) : () };
}

fails undef, qr/rows\.tsv.*No such file/, 'a missing file';
fails undef, qr/auth_token_endpoints/, 'a directory', '%%DIR%%/html';
fails "# nothing\n\n", qr/no endpoint in the file/, 'a file without endpoints';
fails "GET /a b\nGET /a c\n", qr/line 2: "GET \/a" is duplicate, see line 1/, 'a duplicate endpoint';
fails "GET /a/:b x\n\nGET /a/:c x\n", qr/line 3: .* is duplicate, see line 1/, 'a duplicate endpoint with other parameter names';
fails "GET /a\nGET /A\n", qr/line 2: .* is duplicate, see line 1/, 'a duplicate endpoint with ignore_case', 'rows.tsv ignore_case';
fails "\nGET /a b c\n", qr/line 2: unexpected "c" after the scope/, 'a line of four words';
fails "GET a\n", qr/line 1: invalid path/, 'a path without a slash';
fails "GET /a\0\n", qr/line 1: a control character/, 'a NUL byte';
fails "GET /a\n", qr/invalid value "$_->[0]"/, "the option $_->[1]", "rows.tsv $_->[1]" for
    ['prefix=', 'prefix='], ['prefix=api', 'prefix=api'], ['prefix=\/', 'prefix=/'], ['ignorecase', 'ignorecase'],
    ['prefix=\/b', 'prefix=/a prefix=/b'], ['ignore_case', 'ignore_case ignore_case'], ['off', 'off'];
fails "GET /a\n", qr/prefix/, "the option prefix=$_", "rows.tsv 'prefix=$_'" for '/api/', '/a//b', '/a;b', '/a%20', '/..';
fails "GET /a\n", qr/cannot combine "off"/, 'off with another option', 'off ignore_case';
conf_fails conf('rows.tsv', 'auth_token_endpoints rows.tsv;'), qr/is duplicate/, 'the directive twice',
    files => { 'rows.tsv' => "GET /a\n" };
conf_fails conf('off', 'auth_token_endpoints rows.tsv;'), qr/is duplicate/, 'the directive twice, with off',
    files => { 'rows.tsv' => "GET /a\n" };
conf_fails <<'CONF', qr/"auth_token_accept none" cannot be combined with "auth_token_endpoints"/, 'a list with "auth_token_accept none"',
    server {
        listen %%LISTEN%%;
        auth_token_accept none;
        auth_token_allow 127.0.0.1;
        auth_token_endpoints rows.tsv;
        location / {
            auth_token on; # here
        }
    }
CONF
    files => { 'rows.tsv' => "GET /a\n" };
conf_ok conf('rows.tsv prefix=/a/b ignore_case'), 'both options are valid',
    files => { 'rows.tsv' => "GET /a\r\n\tPOST\t/b\tc\t#d" };

done;
