#!/usr/bin/perl

# The token API as IP Fabric's own client uses it: over TLS, as the cookies are
# Secure, with a jar that decides by itself which cookie goes where and until when
#.  The client is t/httpx/client.py, by Debian's python3-httpx.
#
# Requirements: login-response, refresh, logout, login-failure,
#   upstream-headers.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Certificate;
use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();

my %tls = AuthToken::Certificate::all();

my $s = start(issuer_conf(main => 'access_token expires=2s cookie_expires=1h;') . <<'CONF',
    # the API: it knows nothing of users
    server {
        listen %%LISTEN3%%;
        default_type application/json;

        location = /api/version {
            return 200 '{"apiVersion":"v6.0","releaseVersion":"6.0.8+1"}';
        }
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
        location = /api/v6.0/users/me {
            auth_token_endpoints off;
            proxy_pass http://%%LISTEN3%%;
        }
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

# --- the walk ---------------------------------------------------------------

# what the client printed, by its steps
sub walk () {
    my $dir = $s->dir;
    open my $in, '>', "$dir/client.in" or die "$dir/client.in: $!\n";
    print $in "jane\n$AuthToken::Local::PASSWORD\n";
    close $in;

    my $url = 'https://127.0.0.1:' . $s->port(2);
    my @lines = qx(/usr/bin/python3 $Bin/httpx/client.py $url $dir/ca.pem <$dir/client.in 2>$dir/client.err);
    is $?, 0, 'the client came to its end' or diag AuthToken::Log->new("$dir/client.err")->content;

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

# calls as "GET /path 200 [names of cookies]"
sub calls ($name) {
    my $path = sub ($call) { $call =~ s{ /api/}{ }r };
    return [map { $path->($_->{call}) . " $_->{status} [@{[sort $_->{cookies}->@*]}]" } ($step->{$name}{calls} // [])->@*];
}

sub body ($name) { return JSON::PP->new->decode($step->{$name}{body}) }

is_deeply calls('version'), ['GET version 200 []'], 'the version without a credential';
is body('version')->{apiVersion}, 'v6.0', 'which the API says';

is_deeply calls('wrong'), ['POST v6.0/auth/login 401 []'], 'a wrong password: no refresh';
is body('wrong')->{code}, 'API_INVALID_CREDENTIALS', 'and its code';

is_deeply calls('login'), ['POST v6.0/auth/login 200 []'], 'login';
my $jar = $step->{login}{jar};
is_deeply [map { "$_ $jar->{$_}{path}" } sort keys %$jar], ['accessToken /', 'refreshToken /api/auth/token'],
    'the jar takes both cookies';
ok $jar->{$_}{secure}, "$_ is Secure" for sort keys %$jar;
cmp_ok abs($jar->{refreshToken}{left} - 86400), '<', 5, 'the refresh token is kept for a day';
cmp_ok abs($jar->{accessToken}{left} - 3600), '<', 5, 'cookie_expires: the access token longer than it is good';

is_deeply calls('me'), ['GET v6.0/users/me 200 [accessToken]'], 'the cookie only';
is_deeply body('me'), { username => 'jane', cookie => '' }, 'the API is told who it is, and gets no cookie';
is_deeply calls('table'), ['POST v6.0/tables/management/snapshots 200 [accessToken]'], 'POST, without an Origin';
is body('table')->{length}, $step->{table}{calls}[0]{length}, 'with its body';
is_deeply calls('snapshots'), ['GET v6.0/snapshots 200 [accessToken]'], 'the list';
is_deeply calls('settings'), ['GET v6.0/snapshots/12dd8c61/settings 403 [accessToken]'], '403: no refresh';
is body('settings')->{code}, 'API_INSUFFICIENT_RIGHTS', 'and its code';

for my $name ('expired', 'expired again') {
    is_deeply calls($name), ['GET v6.0/snapshots 401 [accessToken]',
                             'POST auth/token 200 [accessToken refreshToken]',
                             'GET v6.0/snapshots 200 [accessToken]'], "$name: one refresh, one retry";
    is $step->{$name}{calls}[1]{length}, 0, "$name: by an empty body";
    is_deeply calls("after it $name"), ['GET v6.0/users/me 200 [accessToken]'], "$name: then as before";
}
is scalar $step->{end}{secrets}->@*, 6, 'three times two tokens';

is_deeply calls('logout'), ['POST v6.0/auth/logout 200 [accessToken]'], 'logout';
is_deeply body('logout'), { success => JSON::PP::true }, 'its answer';
is_deeply $step->{logout}{jar}, {}, 'the jar is empty';
is_deeply calls('after logout'), ['GET v6.0/snapshots 401 []'], 'no refresh after it';

# --- a cookie that ends with its token --------------------------------------

# As IP Fabric's cookies do, which is the default: the jar drops it in time, so that
# nothing says to such a client that a token has expired.
$s->configure($s->{text} =~ s/ cookie_expires=1h//r);
$s->disconnect;
$s->reload;
$step = walk();

cmp_ok abs($step->{login}{jar}{accessToken}{left} - 2), '<=', 1.5, 'Max-Age is the life of the token';
is_deeply calls('expired'), ['GET v6.0/snapshots 401 []'], 'then the jar sends none';

done;
