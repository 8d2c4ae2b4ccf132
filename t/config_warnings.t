#!/usr/bin/perl

# Configurations that nginx accepts, but that cannot work as they look: nginx -t warns
# and names the remedy.  Configurations that do work cause no warning.
#
# Requirements: configuration-errors.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;

my %files = ('rsa.pem' => key('rsa')->pem);

sub issuer ($more = '') {
    my $store = $more && 'auth_token_store lmdb:%%DIR%%/store; auth_token_state_path %%DIR%%/state;';
    return <<"CONF";
    $store
    auth_token_issuer main {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        $more
    }
CONF
}

sub in_server ($lines, $issuer = issuer()) { "$issuer server { listen %%LISTEN%%; $lines }" }

my $silent = qr/\A(?!.*\[(?:warn|emerg)\])/s;

sub silent ($text, $name) { conf_ok $text, "no warning: $name", files => \%files, prepare => prepare_users(), says => $silent }
sub warns ($text, $pattern, $name) {
    conf_ok $text, $name, files => \%files, prepare => prepare_users(), says => qr/\[warn\] [^\n]*$pattern/;
}

# --- "return" is run before the access phase ----------------------------------

sub no_effect ($level, $name, $status) {
    return qr/"auth_token" has no effect in $level "\Q$name\E": "return $status" answers first\. Use "try_files /;
}

my $on = 'auth_token on;';
for my $row (['return 204;', 204], ['return 200;', 200], ['return 200 "ok";', 200], ['return 200 $auth_token_user;', 200],
             ['set $x 1; return 204;', 204], ['set $x "$uri $host"; return 201;', 201],
             ['if ($arg_x) { return 403; } return 200;', 200], ['if (-f /x) { set $y 1; } return 299;', 299],
             ['rewrite ^/v1/(.*)$ /$1; return 204;', 204], ['return 204; proxy_pass %%UPSTREAM%%;', 204])
{
    my ($lines, $status) = @$row;
    warns in_server("location = /validate { $on $lines }"), no_effect('location', '/validate', $status), $lines;
    warns in_server("$on location /in { $lines }"), no_effect('location', '/in', $status), "$lines, inherited";
}
warns in_server("$on return 204;"), no_effect('server', '', 204), 'return in a server';
warns in_server('location ~ ^/x { auth_token on; return 204; }'), no_effect('location', '^/x', 204), 'a regular expression';

silent in_server("location /x { $_ }"), $_ for
    "$on proxy_pass %%UPSTREAM%%;", 'return 204;', 'auth_token off; return 204;', "$on return 403;", "$on return 404 x;",
    "$on return 301 https://a.example/;", "$on return https://a.example/;", "$on return 444;",
    "$on if (\$arg_x) { return 204; } proxy_pass %%UPSTREAM%%;", "$on break; return 204;", "$on internal; return 200;",
    "$on set \$x 1; proxy_pass %%UPSTREAM%%;", "$on rewrite ^ /y last;", "$on try_files /none =204;";
silent in_server("$on location /x { try_files /none \@x; } location \@x { return 204; }"), 'return in a named location';
silent in_server("$on location /x { limit_except GET { auth_token_require_scope x; } proxy_pass %%UPSTREAM%%; }"),
    'limit_except';
{
    my $s = start(<<'CONF');
        %%ISSUER%%
        server {
            listen %%LISTEN%%;
            auth_token on;
            location = /good { proxy_pass %%UPSTREAM%%; }
            location = /validate { try_files /none @validated; }
            location @validated { return 204; }
        }
CONF
    is $s->request('/validate')->{status}, 401, 'the remedy protects the location';
    is $s->request('/validate', token => good_token())->{status}, 204, 'the remedy answers a good token';
}

# --- token endpoints --------------------------------------------------------

sub refresh_in ($location, $more = '') {
    return in_server("location $location { auth_token_refresh main; }", issuer("signing_key %%DIR%%/sign.pem; $more"));
}

sub no_cookie ($location, $path) {
    return qr/"auth_token_refresh" gets no cookie in location "\Q$location\E": the path of the cookie is "\Q$path\E"\. Use "refresh_token path=\Q$location\E"/;
}

warns refresh_in("= $_"), no_cookie($_, '/api/auth/token'), "auth_token_refresh in $_"
    for '/auth/refresh', '/api/auth/tokens', '/api/auth', '/api/v6.1/auth/token', '/';
warns refresh_in($_), no_cookie($_, '/api/auth/token'), "auth_token_refresh in the prefix $_"
    for '/auth/', '/api/auth/tokens/', '/api/b';
warns refresh_in('= /b', 'refresh_token path=/a;'), no_cookie('/b', '/a'), 'another path of the cookie';
silent refresh_in($_->[0], $_->[1] // ''), "auth_token_refresh in $_->[0]" for
    ['= /api/auth/token'], ['/api/auth/token'], ['/api/auth/'], ['/'], ['= /api/auth/token/x'], ['~ ^/refresh$'],
    ['= /a/b', 'refresh_token path=/a;'], ['= /a/b', 'refresh_token path=/a/;'], ['= /x', 'refresh_token path=/;'];

my $endpoint = qr/"auth_token_preflight" has no effect beside "auth_token_login", .*Use "auth_token_cors"/;
my $signing  = issuer('signing_key %%DIR%%/sign.pem;');
warns in_server('location = /login { auth_token_login main; auth_token_preflight on; }', $signing), $endpoint,
    'auth_token_preflight in a token endpoint';
silent in_server("$_ location = /login { auth_token_login main; }", $signing), "$_, inherited by a token endpoint"
    for 'auth_token_preflight on;', 'auth_token_cors https://a.example;';

warns in_server("location = /login { auth_token_login main; $_ }", $signing),
    qr/"auth_token_login" has no effect in location "\/login": "return 200" answers first in /, "auth_token_login and $_"
    for 'return 200;', 'return 200 x;', 'set $x 1; return 200;';
silent in_server("location = /login { auth_token_login main; $_ }", $signing), "auth_token_login and $_"
    for 'if ($arg_x) { return 200; }', 'return 403;', 'if ($arg_x) { proxy_pass %%UPSTREAM%%; }',
        'limit_except POST { deny all; }';
conf_fails in_server("location = /login { $_->[0]\n$_->[1] # here\n}", $signing),
    qr/"auth_token_login" directive conflicts with another content handler of the location in /, "auth_token_login: $_->[2]",
    files => \%files, prepare => prepare_users(), where => 0
    for ['auth_token_login main;', 'proxy_pass %%UPSTREAM%%;', 'then proxy_pass'],
        ['proxy_pass %%UPSTREAM%%;', 'auth_token_login main;', 'after proxy_pass'],
        ['auth_token_login main;', 'empty_gif;', 'then empty_gif'];

# --- directives inside the location of a token endpoint ------------------------

{
    my $s = start(<<"CONF", files => \%files, prepare => prepare_users());
        @{[ issuer("signing_key %%DIR%%/sign.pem; client_claim appid; rights role;") =~ s/main/app/r ]}
        %%ISSUER%%
        server {
            listen %%LISTEN%%;
            auth_token on;
            auth_token_trust main;

            location /good { proxy_pass %%UPSTREAM%%; }
            location = /keys   { auth_token_jwks app; if (\$arg_x) { set \$y 1; } limit_except GET { deny all; } }
            location = /closed { auth_token_jwks app; auth_token on; if (\$arg_x) { set \$y 1; } }
            location = /meta   { auth_token_metadata app token_endpoint=https://a.example/; if (\$arg_x) { set \$y 1; } }
            location = /login  { auth_token_login app; if (\$arg_x) { set \$y 1; } limit_except POST { allow all; } }
            location = /other  { auth_token_login app; if (\$arg_x) { proxy_pass %%UPSTREAM%%; } }
            location /api/ {
                auth_token_jwks app;
                location /api/data { proxy_pass %%UPSTREAM%%; }
                location /api/open { auth_token off; proxy_pass %%UPSTREAM%%; }
                location /api/keys { auth_token_jwks app; }
            }
        }
CONF
    sub status ($s, @o) { $s->request(@o)->{status} }

    for my $query ('', '?x=1') {
        like $s->request("/keys$query")->{body}, qr/"keys"/, "auth_token_jwks with if$query";
        like $s->request("/meta$query")->{body}, qr/"token_endpoint"/, "auth_token_metadata with if$query";
        is status($s, "/keys$query", method => 'POST', body => ''), 403, "limit_except beside auth_token_jwks$query";
        is status($s, "/login$query", method => 'POST', body => '{"username":"jane","password":"wrong"}',
                  headers => ['Content-Type: application/json']), 401, "auth_token_login with if$query";
        is status($s, "/login$query"), 405, "limit_except does not remove the token endpoint$query";
        is status($s, "/closed$query"), 401, "auth_token on in the location of a token endpoint$query";
        is status($s, "/closed$query", token => good_token()), 200, "the same with a token$query";
    }
    refused $s, '/other?x=1', no_token => 'proxy_pass in an if of a token endpoint is protected', reason => 'no_credential';
    refused $s, '/api/data', no_token => 'a location inside of a token endpoint is protected', reason => 'no_credential';
    granted $s, '/api/data', 'it takes a token', token => good_token();
    granted $s, '/api/open', 'a location inside of a token endpoint that is off';
    is status($s, $_), 200, "$_ is open" for '/api/', '/api/keys';
}

# --- variables --------------------------------------------------------------

# as many as another module may add: nginx alone warns at 30
silent issuer() . join("\n", map { "map \$uri \$variable_of_another_module_$_ { default 1; }" } 1 .. 20)
       . ' log_format x "$auth_token_user $auth_token_status $auth_token_claim_x";', 'many variables';
conf_fails in_server($_), qr/the duplicate "auth_token_user" variable/, $_, files => \%files, where => 0
    for 'set $auth_token_user x;', 'set $AUTH_TOKEN_USER x;';
conf_fails issuer() . 'map $uri $auth_token_user { default x; }', qr/the duplicate "auth_token_user" variable/,
    'a map of a variable of the module', files => \%files, where => 0;
conf_fails issuer() . "log_format x \"\$$_\";", qr/unknown "$_" variable/, "\$$_", files => \%files, where => 0
    for 'auth_token_usr', 'auth_token_', 'auth_token_users', 'auth_token_claim_', 'auth_token';
silent issuer() . $_ . ' log_format x "$auth_token_mine";', $_
    for 'map $uri $auth_token_mine { default x; }', 'auth_token_claim $auth_token_mine sub;';

done;
