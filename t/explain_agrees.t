#!/usr/bin/perl

# auth-token explain agrees with the running nginx on random requests: locations, kinds
# of credentials, faults of tokens, addresses, methods and origins.  EXPLAINS is their
# number, EXPLAIN_SEED repeats a run.
#
# Requirements: explain-agrees.

use v5.36;

use lib 't/lib';

use AuthToken::Explain;
use AuthToken::Store;
use AuthToken::Test;

my $n    = $ENV{EXPLAINS} // ($ENV{AT_SANITIZE} ? 150 : 500);
my $seed = $ENV{EXPLAIN_SEED} // time ^ $$;
srand $seed;
note "EXPLAIN_SEED=$seed";

sub one (@list) { $list[rand @list] }

my $conf = <<'CONF';
    %%ISSUER main: client_claim client; rights both;%%
    %%ISSUER other: issuer https://other.example; audience other api; typ JWT; max_age 10m; leeway 5s;%%
    auth_token_issuer users {
        issuer https://issuer.example;
        audience users;
        key_file %%DIR%%/second.pem;
        algorithms RS256 ES384;
        token_kind any;
        scope_claim permissions;
    }
    auth_token_store lmdb:%%DIR%%/store;
    map $arg_scope $required { default ""; ~^[a-z]+$ $arg_scope; }
    auth_token_trust main other;
    auth_token on;
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        set_real_ip_from 127.0.0.9;
        real_ip_header X-Forwarded-For;
        auth_token_accept bearer api_token;

        location / { proxy_pass %%UPSTREAM%%; }
        location /users/ { auth_token_trust users main other; auth_token_accept bearer basic cookie; proxy_pass %%UPSTREAM%%; }
        location /scope/ {
            auth_token_require_scope read write;
            proxy_pass %%UPSTREAM%%;
            location /scope/any/ { auth_token_require_scope any admin $required; proxy_pass %%UPSTREAM%%; }
            location ~ /address { auth_token_allow 127.0.0.2 127.0.0.3; proxy_pass %%UPSTREAM%%; }
        }
        location /limit/ { limit_except GET { auth_token_require_scope admin; } proxy_pass %%UPSTREAM%%; }
        location /if/ { set $x 1; if ($arg_scope = read) { set $x 2; } proxy_pass %%UPSTREAM%%; }
        location /endpoints/ { auth_token_endpoints %%DIR%%/endpoints prefix=/endpoints; proxy_pass %%UPSTREAM%%; }
        location /none/ { auth_token_accept none; auth_token_allow 127.0.0.2; proxy_pass %%UPSTREAM%%; }
        location /off/ { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /any/ { satisfy any; allow 127.0.0.3; deny all; proxy_pass %%UPSTREAM%%; }
        location /any/changed/ { satisfy any; deny all; auth_token_error API_INVALID_ACCESS_TOKEN status=404; proxy_pass %%UPSTREAM%%; }
        location /preflight/ { auth_token_preflight on; auth_token_accept cookie bearer; auth_token_cookie_origin https://app.example;
                               proxy_pass %%UPSTREAM%%; }
        location /rewrite/ { rewrite ^/rewrite(/.*)$ $1 last; }
        location /page/ { error_page 401 403 /off/page; proxy_pass %%UPSTREAM%%; }
        location /changed/ { auth_token_error API_INSUFFICIENT_RIGHTS status=404; auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN%%;
        server_name second.example;
        auth_token_trust users;
        auth_token_accept bearer api_token=x-key;
        auth_token_allow 127.0.0.1;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF

my $s = start($conf, good => ['/off/good'],
    files => {
        'second.pem' => '{"keys":[' . key('rsa2')->jwk(kid => 'a') . ',' . key('p384')->jwk(kid => 'b') . ']}',
        endpoints    => "GET /devices/:id devices.read\n* /status Public\nGET /me Authenticated\nPOST /devices write\n",
    },
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->role('limited', grant => ['devices.*', 'read'], deny => ['devices.delete'], block => ['GET /me']);
        $store->client('one', issuer => 'main', role => 'limited');
        $store->client('two', issuer => ['main', 'other'], role => 'superadmin', allow => ['127.0.0.2', '10.0.0.0/8']);
        $store->client('off', issuer => 'main', role => 'limited', disabled => 1);
        $store->client('elsewhere', issuer => 'other', role => 'limited');
        $store->role('gone', grant => ['*']);
        $store->client('missing', issuer => 'main', role => 'gone');
        $store->ok('role', 'delete', 'gone');
        $store->user('jane', scope => ['read'], password => "right\n");
        $store->user('joe', scope => ['read'], disabled => 1, password => "right\n");
    }));

my $store = $s->{store};
my @api_tokens = ('nonsense',
    $store->token('writer', scope => ['read', 'write']),
    $store->token('limited', role => 'limited'),
    $store->token('owned', scope => ['read', 'write', 'admin'], user => 'jane'),
    $store->token('of-joe', scope => ['read'], user => 'joe'),
    $store->token('near', scope => ['read'], allow => ['127.0.0.2']),
    $store->token('old', scope => ['read'], expires => '2020-01-01'),
    $store->token('off', scope => ['read'], disabled => 1));

# a JWT that differs from a valid one in at most two respects
my %faults = (
    iss      => sub { one('https://issuer.example', 'https://other.example', 'https://evil.example', GONE, 7) },
    aud      => sub { one('api', 'other', 'users', ['x', 'api'], 'x', GONE, { a => 1 }) },
    exp      => sub { time + one(-4000, 4000, 1800) },
    nbf      => sub { time + one(-100, 100) },
    iat      => sub { time + one(-100, -4000, 100) },
    client   => sub { one('one', 'two', 'off', 'elsewhere', 'missing', 'unknown', GONE, 7) },
    scope    => sub { one(['read'], 'read write', ['admin'], 'devices.read read', GONE, 7, []) },
    permissions => sub { one(['read', 'write'], 'admin') },
    isAdmin  => sub { one(\'true', \'false', 'true') },
    username => sub { one('bob', GONE, "b\x{e9}", 12) },
    token_use => sub { one('access', 'id') },
    cnf      => sub { { jkt => 'x' } },
);

sub random_jwt () {
    my %claims = (client => one('one', 'two'), aud => one('api', 'api', 'users'));
    $claims{$_} = $faults{$_}->() for map { one(sort keys %faults) } 1 .. rand 2.2;

    my %header = rand() < 0.2 ? (kid => one('a', 'b', 'c')) : ();
    $header{typ} = one('JWT', 'at+jwt', 'ID', GONE) if rand() < 0.2;
    my @key = rand() < 0.1 ? (key => key('p384'), alg => 'ES384') : (key => key(one('rsa', 'rsa', 'rsa', 'rsa2')));

    my $token = token(claims => \%claims, header => \%header, @key);
    $token = secret(substr $token, 0, -4) if rand() < 0.03;
    $token =~ s/\./../                    if rand() < 0.02;
    return $token;
}

my @paths = qw(/ /users/x /scope/x /scope/any/x /scope/a/address /limit/x /if/x /endpoints/devices/1 /endpoints/devices
               /endpoints/status /endpoints/me /endpoints/none /endpoints/a%2fb /none/x /off/x /any/x /any/changed/x /preflight/x
               /rewrite/scope/x /rewrite/users/x /page/x /changed/x //scope//x /scope/../users/x);

my %passwords = (right => 'amFuZTpyaWdodA==', wrong => 'amFuZTp3cm9uZw==', locked => 'am9lOnJpZ2h0', bad => 'eA==');

sub random_request () {
    my $path = one(@paths) . (rand() < 0.3 ? '?scope=' . one('read', 'admin', '') : '');
    my %o    = (from => one('127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.9'));

    $o{method} = one('POST', 'DELETE', 'HEAD', 'OPTIONS') if rand() < 0.3;
    $o{host}   = 'second.example'                           if rand() < 0.15;

    my $kind = rand;
    if ($kind < 0.6)     { $o{token}     = random_jwt() }
    elsif ($kind < 0.75) { $o{api_token} = one(@api_tokens) }
    elsif ($kind < 0.83) { $o{cookie}    = 'accessToken=' . random_jwt() }
    elsif ($kind < 0.88) { $o{auth}      = 'Basic ' . one(values %passwords) }
    elsif ($kind < 0.92) { $o{token} = random_jwt(); $o{api_token} = one(@api_tokens) }

    my @headers;
    push @headers, 'Origin: ' . one('https://app.example', 'http://localhost', 'https://evil.example') if rand() < 0.2;
    push @headers, 'Access-Control-Request-Method: GET'                                                if rand() < 0.1;
    push @headers, 'X-Forwarded-For: ' . one('127.0.0.2', '127.0.0.3', '10.0.0.1', 'x')               if rand() < 0.2;
    $o{headers} = \@headers if @headers;

    return ($path, %o);
}

my (@differences, %outcomes);
for (1 .. $n) {
    my ($path, %o) = random_request();
    my $difference = agreement($s, $path, %o, outcomes => \%outcomes);
    push @differences, "$path " . join(' ', map { "$_=" . (ref $o{$_} ? "@{$o{$_}}" : $o{$_}) } sort keys %o) . ": $difference"
        if $difference ne '';
    last if @differences == 5;
}
is_deeply \@differences, [], "$n random requests: outcome, status and reason are those of nginx";
note join ', ', map { "$_: $outcomes{$_}" } sort keys %outcomes;
cmp_ok scalar keys %outcomes, '>', 15, 'the requests have different outcomes' if $n >= 150;

print "# result: explain: $n random requests with the outcome of the running nginx\n" if !@differences;
done;
