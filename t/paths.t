#!/usr/bin/perl

# Paths without an endpoint list: each spelling of a URI is subject to the location
# that nginx chooses, and the upstream receives the bytes that the client sent.
#
# Requirements: path-spellings, path-ambiguous, path-merge-slashes,
#   path-at-upstream, path-client-headers.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

# Two sets of locations: one is protected and proxies; the other returns its name.
my @locations = (['/admin',           'admin'],
                 ['= /exact',         'exact'],
                 ['~ \.secret$',      'regex'],
                 ['^~ /static/',      'static'],
                 ['/public/',         'public'],
                 ['/ADMIN-2',         'upper'],
                 ['/',                'root']);

my $protected = join '', map {
    my ($pattern, $name) = @$_;
    my $rule = $name eq 'public' ? 'auth_token off;' : "auth_token_require_scope $name;";
    "location $pattern { $rule proxy_set_header X-Extra $name; proxy_pass %%UPSTREAM%%; }\n";
} @locations;

my $named = join '', map { "location $_->[0] { return 200 $_->[1]; }\n" } @locations;

my $s = start(<<"CONF");
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        auth_token on;

        location = /good { proxy_pass %%UPSTREAM%%; }

        # proxy_pass with a URI: the upstream receives the normalized path
        location /normal/ { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%/v1/; }
        $protected
    }
    server {
        listen %%LISTEN3%%;
        access_log off;
        location = /good { return 200 good; }
        location /normal/ { return 200 normal; }
        $named
    }
    server {
        listen %%LISTEN4%%;
        merge_slashes off;
        auth_token on;
        location = /good { proxy_pass %%UPSTREAM%%; }
        $protected
    }
    server {
        listen %%LISTEN5%%;
        merge_slashes off;
        access_log off;
        $named
    }
CONF

my %token = map { $_->[1] => good_token(scope => [$_->[1]]) } @locations;

# the location that nginx chooses without the module
sub choice ($path, $port) {
    return $s->request($path, port => $port)->{body};
}

# $path is subject to the location $name only: it is refused without a token and with
# the scopes of all other locations; with its own scope the upstream receives $raw.
# Options: raw, port (4), and options of a request.
sub has_rule ($path, $name, $what, %o) {
    my $port = $o{port} // '';
    my $raw  = delete $o{raw} // $path =~ s{\Ahttp://[^/]+}{}r;

    is choice($path, $port eq 4 ? 5 : 3), $name, "$what: nginx chooses $name";

    my $tag = next_tag;

    if ($name eq 'public') {
        granted $s, $path, "$what: a public location", %o;

    } else {
        refused $s, $path, no_token => "$what: a credential is required", %o, reason => 'no_credential';
        refused $s, $path, insufficient_scope => "$what: the scopes of other locations are refused", %o,
            reason => 'insufficient_scope', token => good_token(
                scope => [grep { $_ ne $name } map { $_->[1] } @locations]);
        granted $s, $path, "$what: the scope $name is granted", %o, token => $token{$name};
    }

    $s->request($path, %o, token => $token{$name}, tag => $tag);
    my ($hit) = hits($s, $tag);
    is $hit->{raw_uri}, $raw, "$what: the upstream receives the path unchanged";
    is $hit->{http_x_extra}, $name, "$what: the request comes from the location $name";
}

# --- other spellings of /admin ----------------------------------------------

my @admin = ('/admin', '//admin', '///admin', '/x/../admin', '/x/%2e%2e/admin',
    '/x/..%2fadmin', '/x%2f..%2fadmin', '/%61dmin', '/%61%64%6d%69%6e', '/./admin',
    '/%2fadmin', '/%2Fadmin', '/x/.%2e/admin', '/x/%2E./admin', '/x/y/../../admin',
    '/public/../admin', '/public/%2e%2e/admin', '/public/..%2fadmin', '/public//../admin',
    '/public/./../admin', '/public/x/../../admin', '/static/../admin', '/exact/../admin',
    '/admin?x', '/admin?', '/admin?/../public/', '/admin?x=/public/', '/admin/',
    '/admin/.', '/admin/..%2fadmin', '/admin//', '/admin/public/', '/admin%2f',
    '/admin%3f', '/admin%23', '/adm%69n/%2e', '/admin/../admin', '/admin%2f..%2fadmin',
    '/x/..//admin', '/admin/x/..', '/administrator', '/admin-2');

has_rule $_, admin => "$_" for @admin;

has_rule 'http://other/admin', admin => 'http://other/admin', raw => '/admin';
has_rule 'http://localhost//x/../admin', admin => 'an absolute URI with dot segments',
         raw => '//x/../admin';
has_rule 'HTTP://other/%61dmin', admin => 'an absolute URI with a scheme in capitals', raw => '/%61dmin';
has_rule '/admin#f', admin => '/admin#f';
has_rule '/x/../admin#/public/', admin => '/x/../admin#/public/';
has_rule 'http://other', root => 'an absolute URI without a path', raw => '/';

refused_by_nginx $s, $_, 400, "nginx refuses $_" for
    '/../admin', '/x/../../admin', '/%2e%2e/admin', '/..%2fadmin', '/%00', '/admin%00',
    '/%', '/admin%', '/%zz', '/%u0061dmin', 'admin', '*', '/admin%0', 'http:///admin';

# --- paths that an upstream may read as /admin, but nginx does not ----------

has_rule $_->[0], $_->[1], "$_->[0]" for
    ['/ADMIN', 'root'],              ['/Admin', 'root'],
    ['/x/..;/admin', 'root'],        ['/x/..;x=1/admin', 'root'],
    ['/;/admin', 'root'],            ['/x\..\admin', 'root'],
    ['/\admin', 'root'],             ['/x/..\admin', 'root'],
    ['/%5cadmin', 'root'],           ['/x/..%5cadmin', 'root'],
    ['/x/%252e%252e/admin', 'root'], ['/x/..%252fadmin', 'root'],
    ['/%2561dmin', 'root'],          ['/%c0%ae%c0%ae/admin', 'root'],
    ['/%c0%afadmin', 'root'],        ['/%ef%bc%8fadmin', 'root'],
    ['/..%2e/admin', 'root'],        ['/.../admin', 'root'],
    ['/.admin', 'root'],             ['/%20/admin', 'root'],
    ['/%09/admin', 'root'],          ['/%0a/admin', 'root'],
    ['/admin;x=1', 'admin'],         ['/admin%3bx', 'admin'],
    ['/admin%5c..', 'admin'],        ['/admin%20', 'admin'],
    ['/admin.', 'admin'],            ['/admin%ff', 'admin'],
    ['/admin%2500', 'admin'],        ['/admin%09', 'admin'],
    ['/admin%0a', 'admin'],          ['/admin%0d%0aX-User:%20root', 'admin'],
    ['/admin/..;/public/', 'admin'], ['/admin\..\public', 'admin'],
    ['/admin/..%5cpublic/', 'admin'], ['/admin/%252e%252e/public/', 'admin'],
    ['/public/..;/admin', 'public'], ['/public/..%5cadmin', 'public'],
    ['/public/%252e%252e/admin', 'public'];

# one more byte leaves an exact location and a regular expression
has_rule $_->[0], $_->[1], "$_->[0]" for
    ['/exact', 'exact'],             ['/x/../exact', 'exact'],
    ['/exac%74', 'exact'],           ['//exact', 'exact'],
    ['/exact?x', 'exact'],           ['/exact#x', 'exact'],
    ['/exact/', 'root'],             ['/exact%0a', 'root'],
    ['/exact%20', 'root'],           ['/exact.', 'root'],
    ['/exact;x', 'root'],            ['/Exact', 'root'],
    ['/exact%2f', 'root'],           ['/exact%3f', 'root'],
    ['/a.secret', 'regex'],          ['/admin/a.secret', 'regex'],
    ['/public/a.secret', 'regex'],   ['/a%2esecret', 'regex'],
    ['/a.secre%74', 'regex'],        ['/x/../a.secret?y', 'regex'],
    ['/a.secret%0a', 'regex'],       # $ matches before a last line feed
    ['/a.secret/', 'root'],          ['/a.secret;', 'root'],
    ['/a.SECRET', 'root'],           ['/a.secret%20', 'root'],
    ['/public/a.secret%20', 'public'],
    ['/static/a.secret', 'static'],  ['/x/../static/a.secret', 'static'],
    ['/ADMIN-2', 'upper'],           ['/admin-2/', 'admin'];

# --- merge_slashes off ------------------------------------------------------

# //admin is another path then, and is subject to another location
has_rule $_->[0], $_->[1], "$_->[0]", port => 4 for
    ['/admin', 'admin'],      ['/admin//', 'admin'],     ['/admin//x', 'admin'],
    ['//admin', 'root'],      ['//admin//', 'root'],     ['/%2fadmin', 'root'],
    ['/x//../../admin', 'admin'],                        ['/./admin', 'admin'],
    ['//public/', 'root'],    ['/public//', 'public'],   ['//exact', 'root'],
    ['/public//../admin', 'public'],                     ['//static/a.secret', 'regex'];

# --- proxy_pass with a URI --------------------------------------------------

{
    my $admin = good_token(scope => ['admin']);

    for my $row (['/normal/a', '/v1/a'],            ['/normal//a', '/v1/a'],
                 ['/normal/x/../a', '/v1/a'],       ['/normal/%61', '/v1/a'],
                 ['//normal/./a', '/v1/a'],         ['/normal/a#f', '/v1/a'],
                 ['/normal/x%2f..%2fa', '/v1/a'],   ['/normal/a%2fb', '/v1/a/b'],
                 ['/normal/a?b=/../c', '/v1/a?b=/../c'],
                 ['/normal/a%20b', '/v1/a%20b'])
    {
        my ($path, $seen) = @$row;

        is choice($path, 3), 'normal', "$path: nginx chooses the location";
        refused $s, $path, no_token => "$path: a credential is required";
        refused $s, $path, insufficient_scope => "$path: another scope is refused", token => $token{root};

        my $tag = next_tag;
        $s->request($path, token => $admin, tag => $tag);
        my ($hit) = hits($s, $tag);
        is $hit->{raw_uri}, $seen, "$path: the upstream receives the normalized path";
    }

    # nginx encodes a decoded line feed again
    my $tag = next_tag;
    $s->request('/normal/a%0d%0aX-User:%20root', token => $admin, tag => $tag);
    my ($hit) = hits($s, $tag);
    is $hit->{raw_uri}, '/v1/a%0D%0AX-User:%20root', 'an encoded line feed is encoded at the upstream';
    is $hit->{http_x_user}, '', 'an encoded line feed adds no header';
}

# --- headers that name another path -----------------------------------------

my @headers = ('X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri',
    'X-Forwarded-Path', 'X-Forwarded-Prefix', 'X-Request-URI', 'X-Accel-Redirect',
    'X-Auth-Request-Redirect', 'Forwarded', 'Referer', 'Destination');

for my $name (@headers) {
    refused $s, '/admin', no_token => "$name: /public/ does not make /admin public", headers => ["$name: /public/"];
    refused $s, '/admin', insufficient_scope => "$name: /public/ does not change the scope of /admin", token => $token{root},
            headers => ["$name: /public/"];
    granted $s, '/public/', "$name: /admin", headers => ["$name: /admin"];
    granted $s, '/x', "$name: /admin", headers => ["$name: /admin"], token => $token{root};
}

refused $s, '/admin', insufficient_scope => "$_ does not change the method", token => $token{root}, method => 'POST', body => '',
        headers => ["$_: GET"]
    for 'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override';

# --- HTTP/2 -----------------------------------------------------------------

{
    my @paths = grep { !/[\\#]/ } @admin;
    my @answers = http2($s, map {
        my $path = $_;
        map { [$path, { port => 2, tag => next_tag, token => $_ }] }
            undef, $token{root}, $token{admin};
    } @paths);

    for my $path (@paths) {
        my ($none, $other, $own) = splice @answers, 0, 3;
        is_refused $none, no_token => "HTTP/2 $path: a credential is required";
        is_refused $other, insufficient_scope => "HTTP/2 $path: another scope is refused";
        is_granted $own, "HTTP/2 $path: the scope is granted";
    }
}

done;
