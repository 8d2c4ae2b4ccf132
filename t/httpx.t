#!/usr/bin/perl

# The token endpoints with a client like that of IP Fabric: t/httpx/client.py uses
# Debian's python3-httpx, TLS (the cookies are Secure) and a cookie jar.
#
# Requirements: login-response, refresh, logout, login-failure,
#   upstream-headers.

use v5.36;

use lib 't/lib';

use AuthToken::Certificate;
use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();

my %tls = AuthToken::Certificate::all();

my $s = start(issuer_conf(main => 'access_token expires=2s cookie_expires=1h;') . <<'CONF',
    # the API, without user management
    server {
        listen %%LISTEN3%%;
        default_type application/json;

        location = /api/version { return 200 '{"apiVersion":"v6.0","releaseVersion":"6.0.8+1"}'; }
        location = /api/v6.0/users/me {
            return 200 '{"username":"$http_x_user","cookie":"$http_cookie$http_authorization"}';
        }
        location = /api/v6.0/tables/management/snapshots {
            return 200 '{"data":[{"id":"12dd8c61","status":"done"}],"length":"$http_content_length"}';
        }
        location = /api/v6.0/snapshots { return 200 '[{"id":"12dd8c61"}]'; }
        location / { return 500; }
    }

    server {
        listen %%LISTEN2%% ssl;
        ssl_certificate     %%DIR%%/tls.crt;
        ssl_certificate_key %%DIR%%/tls.key;

        auth_token on;
        auth_token_accept api_token bearer basic cookie;
        auth_token_endpoints %%DIR%%/endpoints.tsv prefix=ipfabric;

        proxy_set_header X-API-Token   "";
        proxy_set_header Authorization "";
        proxy_set_header Cookie        "";
        proxy_set_header X-User        $auth_token_user;

        location / { proxy_pass http://%%LISTEN3%%; }
        location = /api/version { auth_token off; proxy_pass http://%%LISTEN3%%; }
        location = /api/v6.0/users/me { auth_token_endpoints off; proxy_pass http://%%LISTEN3%%; }
        location = /api/v6.0/auth/login  { auth_token_login main; }
        location = /api/auth/token       { auth_token_refresh main; }
        location = /api/v6.0/auth/logout { auth_token_logout main; }
    }

    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    files => {
        'ca.pem'        => AuthToken::Certificate::ca(),
        'tls.crt'       => $tls{good}{cert},
        'tls.key'       => $tls{good}{key},
        'endpoints.tsv' => AuthToken::Log->new("$AuthToken::Server::ROOT/conf-examples/ipfabric/endpoints.tsv")->content,
    },
    prepare => prepare_users(users => [user_record('jane',
        scope => ['GET /snapshots', 'POST /tables/management/snapshots'])]));

# --- login, requests, refresh, logout ---------------------------------------

# runs the client; returns its output by step
sub walk () {
    my $dir = $s->dir;
    open my $in, '>', "$dir/client.in" or die "$dir/client.in: $!\n";
    print $in "jane\n$AuthToken::Local::PASSWORD\n";
    close $in;

    my $url = 'https://127.0.0.1:' . $s->port(2);
    my @lines = qx(/usr/bin/python3 $AuthToken::Server::ROOT/t/httpx/client.py $url $dir/ca.pem <$dir/client.in 2>$dir/client.err);
    is $?, 0, 'the client succeeds' or diag AuthToken::Log->new("$dir/client.err")->content;

    my (%step, @order);
    for my $step (map { JSON::PP->new->utf8->decode($_) } @lines) {
        my $name = $step->{step};
        $name .= " $order[-1]" if $name eq 'after it';
        $step{$name} = $step;
        push @order, $name;
    }
    AuthToken::Token::secret($_) for ($step{end}{secrets} // [])->@*;
    return \%step;
}

my $step = walk();

# requests of a step as "GET path 200 [names of cookies]"
sub calls ($name) {
    my $path = sub ($call) { $call =~ s{ /api/}{ }r };
    return [map { $path->($_->{call}) . " $_->{status} [@{[sort $_->{cookies}->@*]}]" } ($step->{$name}{calls} // [])->@*];
}

sub body ($name) { return JSON::PP->new->decode($step->{$name}{body}) }

is_deeply calls('version'), ['GET version 200 []'], 'the version without a credential';
is body('version')->{apiVersion}, 'v6.0', 'the version is that of the API';

is_deeply calls('wrong'), ['POST v6.0/auth/login 401 []'], 'a wrong password: the client does not refresh';
is body('wrong')->{code}, 'API_INVALID_CREDENTIALS', 'a wrong password: the code';

is_deeply calls('login'), ['POST v6.0/auth/login 200 []'], 'login';
my $jar = $step->{login}{jar};
is_deeply [map { "$_ $jar->{$_}{path}" } sort keys %$jar], ['accessToken /', 'refreshToken /api/auth/token'],
    'the jar accepts both cookies';
ok $jar->{$_}{secure}, "$_ is Secure" for sort keys %$jar;
cmp_ok abs($jar->{refreshToken}{left} - 86400), '<', 5, 'the cookie of the refresh token expires in a day';
cmp_ok abs($jar->{accessToken}{left} - 3600), '<', 5,
       'cookie_expires: the cookie of the access token expires later than the token';

is_deeply calls('me'), ['GET v6.0/users/me 200 [accessToken]'], 'a request with the cookie of the access token';
is_deeply body('me'), { username => 'jane', cookie => '' }, 'the API receives the user and no cookie';
is_deeply calls('table'), ['POST v6.0/tables/management/snapshots 200 [accessToken]'], 'POST without an Origin';
is body('table')->{length}, $step->{table}{calls}[0]{length}, 'POST: the API receives the body';
is_deeply calls('snapshots'), ['GET v6.0/snapshots 200 [accessToken]'], 'a granted endpoint';
is_deeply calls('settings'), ['GET v6.0/snapshots/12dd8c61/settings 403 [accessToken]'],
          'an endpoint that is not granted: the client does not refresh';
is body('settings')->{code}, 'API_INSUFFICIENT_RIGHTS', 'an endpoint that is not granted: the code';

for my $name ('expired', 'expired again') {
    is_deeply calls($name), ['GET v6.0/snapshots 401 [accessToken]',
                             'POST auth/token 200 [accessToken refreshToken]',
                             'GET v6.0/snapshots 200 [accessToken]'], "$name: one refresh, one retry";
    is $step->{$name}{calls}[1]{length}, 0, "$name: the refresh has an empty body";
    is_deeply calls("after it $name"), ['GET v6.0/users/me 200 [accessToken]'], "$name: the next request needs no refresh";
}
is scalar $step->{end}{secrets}->@*, 6, 'one login and two refreshes issue six tokens';

is_deeply calls('logout'), ['POST v6.0/auth/logout 200 [accessToken]'], 'logout';
is_deeply body('logout'), { success => JSON::PP::true }, 'logout: the body';
is_deeply $step->{logout}{jar}, {}, 'logout: the jar is empty';
is_deeply calls('after logout'), ['GET v6.0/snapshots 401 []'], 'after logout the client cannot refresh';

# --- cookies that expire with the token -------------------------------------

# This is the default and the behaviour of IP Fabric.  The jar drops the cookie, so
# that the client sends no expired token and does not refresh.
$s->configure($s->{text} =~ s/ cookie_expires=1h//r);
$s->disconnect;
$s->reload;
$step = walk();

cmp_ok abs($step->{login}{jar}{accessToken}{left} - 2), '<=', 1.5, 'Max-Age is the lifetime of the token';
is_deeply calls('expired'), ['GET v6.0/snapshots 401 []'], 'the jar does not send an expired cookie';

done;
