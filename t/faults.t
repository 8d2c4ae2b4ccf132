#!/usr/bin/perl

# Failing memory allocations: each allocation of a request fails in turn, alone
# or with all later ones.  An invalid token is never granted, a valid token is
# granted or gets 5xx, the worker process survives, the next request succeeds.
#
# Requirements: allocation-failures, variable-memory, exp-boundary, exp-small,
#   cache-full.

use v5.36;

use lib 't/lib';

use AuthToken::FailAlloc;
use AuthToken::Http2 qw(over_tls);
use AuthToken::Test;

# libasan must be loaded first and replaces the same functions
plan skip_all => 'preloads a library, as the sanitizers do' if $ENV{AT_SANITIZE};

# The pools are as small as nginx allows, so that most allocations from a pool
# call malloc().
my $s = start(<<'CONF', files => {
    %%ISSUER main: algorithms RS256 PS256 ES256 EdDSA; key_file %%DIR%%/keys.json;%%
    %%ISSUER other: issuer https://other.example;%%
    auth_token_claim $tenant org.tenant;
    auth_token_cache off;
    map $auth_token_user $needed { jane read; default ''; }

    request_pool_size    512;
    connection_pool_size 512;
    proxy_set_header X-User  $auth_token_user;
    proxy_set_header X-Scope $auth_token_scope;
    proxy_set_header X-Extra $tenant;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl;
        %%TLS%%
        auth_token on;
        auth_token_trust main;

        location /        { proxy_pass %%UPSTREAM%%; }
        location /scope   { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        location /mapped  { auth_token_require_scope $needed; proxy_pass %%UPSTREAM%%; }
        location /long    { auth_token_require_scope administrators-all;
                            proxy_pass %%UPSTREAM%%; }
        location /far     { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /both    { auth_token_trust other main; proxy_pass %%UPSTREAM%%; }
        location /cookie  { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /problem { auth_token_error_format problem; proxy_pass %%UPSTREAM%%; }
        location /early   { set $early $auth_token_user; proxy_set_header X-Extra $early;
                            proxy_pass %%UPSTREAM%%; }
        location /any     { satisfy any; deny all; proxy_pass %%UPSTREAM%%; }
        location /page    { error_page 401 403 500 503 /scope; proxy_pass %%UPSTREAM%%; }
    }
CONF
    'keys.json' => '{"keys":[' . join(',', key('rsa')->jwk(kid => 'rsa'),
        key('rsa2')->jwk(kid => 'rsa2'), key('p256')->jwk(kid => 'p256'),
        key('ed25519')->jwk(kid => 'ed25519')) . ']}',
}, env => fail_alloc_env());

my ($worker) = $s->workers;

# --- requests ---------------------------------------------------------------

my $claims = { org => { tenant => 'acme' }, more => { map { ("m$_" => [1 .. 5]) } 1 .. 5 } };
my $good   = token(claims => $claims);

my $long   = {
    org      => { tenant => join '', 'a' .. 'z', 0 .. 9, 'A' .. 'Z' },
    username => join('', 'A' .. 'Z', 'a' .. 'z', 0 .. 9),
    scope    => [join '', 0 .. 9, 'a' .. 'z', 'A' .. 'Z'],
};
my %right = (
    http_x_user  => { map { $_ => 1 } '', 'jane', $long->{username} },
    http_x_scope => { map { $_ => 1 } '', 'read write', $long->{scope}[0] },
    http_x_extra => { map { $_ => 1 } '', 'acme', 'jane', $long->{org}{tenant} },
);

sub flip ($token) { $token =~ s/(.)(?=.{20}\z)/$1 eq 'A' ? 'B' : 'A'/er }

my $none = join '.', (split /\./, token(header => { alg => 'none' }))[0, 1], 'AA';
my $hmac = token(alg => 'HS256', key => key('rsa')->pem);

# name, path, options; bad: never granted
my @requests = (
    ['a good token',            '/',        0, token => $good],
    ['a good token of PS256',   '/',        0, token => token(alg => 'PS256', claims => $claims)],
    ['a good token of ES256',   '/',        0, token => token(alg => 'ES256', key => key('p256'),
                                                              header => { kid => 'p256' })],
    ['a good token of EdDSA',   '/',        0, token => token(alg => 'EdDSA', key => key('ed25519'))],
    ['a good token, two issuers', '/both',  0, token => $good],
    ['a good cookie',           '/cookie',  0, cookie => "accessToken=$good"],
    ['a good token, used early', '/early',  0, token => $good],
    ['a good token, satisfy any', '/any',   0, token => $good],
    ['a good token of long claims', '/',    0, token => token(claims => $long)],
    ['a good token, a long user', '/',      0, token => token(claims => {
        %$claims, username => $long->{username} })],
    ['a good token, a long claim', '/',     0, token => token(claims => {
        %$claims, org => $long->{org} })],
    ['a good token, a scope by map', '/mapped', 0, token => $good],

    ['a bad signature',         '/',        1, token => flip($good)],
    ['another key',             '/',        1, token => token(key => key('rsa3072'))],
    ['another key, two issuers', '/both',   1, token => token(key => key('rsa3072'))],
    ['alg none',                '/',        1, token => $none],
    ['alg none, no signature',  '/',        1, token => $none =~ s/AA\z//r],
    ['HMAC with the public key', '/',       1, token => $hmac],
    ['ES256 of zeros',          '/',        1, token => join '.', (split /\./,
        token(alg => 'ES256', key => key('p256'), header => { kid => 'p256' }))[0, 1],
        b64u("\0" x 64)],
    ['a bad signature of EdDSA', '/',       1, token => token(alg => 'EdDSA',
                                                              key => key('ed25519b'))],
    ['an expired one',          '/',        1, token => good_token(exp => 1)],
    ['without exp',             '/',        1, token => good_token(exp => GONE)],
    ['another audience',        '/',        1, token => good_token(aud => 'x')],
    ['another issuer',          '/',        1, token => good_token(iss => 'https://other.example')],
    ['an empty payload',        '/',        1, token => raw_token(json(alg => 'RS256'), '{}')],
    # a parser that cannot copy a text must not read beyond its end
    (map { ["a header of escapes behind $_ bytes", '/', 1, token => raw_token(
        '{"alg":"RS256","x":"' . 'a' x $_ . '\\\\\\"\\n\\u0041\\""}', '{}', key('rsa3072'))] } 12 .. 16),
    (map { ["a header that ends behind $_ bytes", '/', 1, token => raw_token(
        '{"alg":"RS256","x":"' . 'a' x $_ . '"}', '{}', key('rsa3072'))] } 13 .. 15, 29 .. 31),
    ['duplicate members',       '/',        1, token => raw_token(
        '{"alg":"none","alg":"RS256"}', (parts $good)[1])],
    ['another scope',           '/scope',   1, token => $good],
    # a buffer that cannot grow must not lose a byte and so make another scope
    (map { ["a scope that is one without its byte $_", '/long', 1, token => good_token(scope =>
        [substr('administrators-all', 0, $_) . '!' . substr 'administrators-all', $_])] }
        13 .. 17),
    ['a scope that is an object', '/scope', 1, token => good_token(scope => { admin => 1 })],
    ['a scope by map',          '/mapped',  1, token => good_token(scope => ['write'])],
    ['no user for the map',     '/mapped',  1, token => good_token(username => 'john')],
    ['another address',         '/far',     1, token => $good],
    ['no credential',           '/',        1],
    ['two cookies',             '/cookie',  1, cookie => "accessToken=$good; accessToken=$good"],
    ['a bad cookie',            '/cookie',  1, cookie => 'accessToken=' . flip($good)],
    ['a bad token, problem+json', '/problem', 1, token => flip($good)],
    ['a bad token, used early', '/early',   1, token => flip($good)],
    ['a bad token, satisfy any', '/any',    1, token => flip($good)],
    ['a bad token, error_page', '/page',    1, token => flip($good)],
);

# Sends a request on a new connection: its status (0: closed), body and response.
sub try_once ($path, %o) {
    my $answer = eval {
        my $connection = $s->connect;
        $connection->send(request_bytes($path, close => 1, %o));
        my $r = $connection->response;
        $connection->close;
        $r;
    };
    return ($answer ? $answer->{status} : 0, $answer ? $answer->{body} : $@, $answer);
}

# The status and the number of allocations of a request without failures.  The
# least of three counts, as the worker may have read key files meanwhile.
sub without_failures ($path, $credential) {
    my ($status, @counts);
    for (1 .. 3) {
        my @o = $credential->();
        arm($worker, 0, 0);
        ($status) = try_once($path, @o, tag => 'warm');
        push @counts, (disarm())[0];
    }
    return ($status, (sort { $a <=> $b } @counts)[0]);
}

# the number of new requests to the upstream without a tag
sub untagged () {
    my $n = $s->upstream->hits->count('') - $s->{untagged};
    $s->{untagged} += $n;
    return $n;
}

my $tag = 0;
my %seen;           # the statuses of valid tokens

REQUEST:
for (@requests) {
    my ($name, $path, $is_bad, %o) = @$_;
    my ($right, $allocations) = without_failures($path, sub { %o });

    is $right == 200 ? 0 : 1, $is_bad, "$name, without failures: $right";
    cmp_ok $allocations, '>', 10, "$name: $allocations allocations";
    cmp_ok $allocations, '<', 2000, "$name: fewer than 2000 allocations";

    for my $lasting (0, 1) {
        my (@granted, @wrong, @unfit, $hung);
        my $mode = $lasting ? 'from then on' : 'once';
        my $failures = 0;

        for my $n (1 .. $allocations + 2) {
            my $id = 'faults-' . ++$tag;

            arm($worker, $n, $lasting);
            my ($status, $body, $answer) = try_once($path, %o, tag => $id);
            my (undef, $failed) = disarm();

            $failures++ if $failed;
            $seen{$status}++ if !$is_bad && $name !~ /PS256|EdDSA/;
            $hung++ if $body =~ /waited in vain/;

            if ($is_bad) {
                push @granted, "$n: $status"
                    if $status =~ /^[23]/ || $body =~ /protected/
                       || $s->upstream->hits->count($id) || untagged();
                push @wrong, "$n: $status" if $status != 0 && $status != $right && $status !~ /^5/;
            } else {
                push @wrong, "$n: $status" if $status !~ /^(?:0|200|5\d\d)$/;
                untagged();

                # a header that could not be made is missing, and not another
                my ($hit) = hits($s, $id);
                push @unfit, map { "$n: $_ $hit->{$_}" }
                             grep { $hit && !$right{$_}{$hit->{$_}} } sort keys %right;
            }

            # an error body is complete or missing
            push @wrong, "$n: $body" if $body =~ /\A\{/ && $body !~ /\A\{"(?:code|type)":.*"\}\z/;

            last if $hung;
        }

        is_deeply \@granted, [], "$name, $mode: never granted";
        {
            # OpenSSL 3.0 reports a digest without memory, in PSS and Ed25519,
            # as a bad signature
            local $TODO = 'OpenSSL reports missing memory as a bad signature'
                if !$lasting && $name =~ /good.*(?:PS256|EdDSA)/;
            is_deeply \@wrong, [], "$name, $mode: refused for its reason or with 5xx";
        }
        is_deeply \@unfit, [], "$name, $mode: headers are right or missing" if !$is_bad;
        ok !$hung, "$name, $mode: every request ends";
        # timers of the worker may take one of the failures
        cmp_ok $failures, '>=', $allocations * 0.9 - 1, "$name, $mode: $failures failures";

        # only this process has failing allocations
        if (join(' ', $s->workers) ne $worker) {
            fail "$name, $mode: the worker process died";
            last REQUEST;
        }

        is_deeply [(try_once('/', token => $good, tag => 'after'))[0],
                   (try_once('/', token => flip($good), tag => 'after'))[0]], [200, 401],
            "$name, $mode: the next requests succeed";
    }
}

is_deeply [$s->workers], [$worker], 'the worker process survived';

cmp_ok $seen{503} // 0, '>', 50, 'failures get 503';
is $seen{401} // 0, 0, 'and a valid token never gets 401';

# --- with the cache ---------------------------------------------------------

# A new credential for each request: an identity that is incomplete must not be
# cached, and a cached identity must be complete.

my $plain = $s;         # without the cache
my $n_api = 600;
my @api;

my $store = AuthToken::Store->prepare(sub ($store) {
    $store->role('ops', grant => ['X.*', map { "Y$_.Read" } 1 .. 30], deny => 'Z.*');
    $store->client('c1', role => 'ops', issuer => 'clients',
                   allow => ['127.0.0.0/8', '2001:db8::/32']);
    @api = map { sprintf 'cached-%032d', $_ } 1 .. $n_api;
    $store->import_records(tokens => [map { {
        id => "api-$_", token => $api[$_ - 1], scope => [map { "s$_" } 1 .. 12], role => 'ops',
        ip_ranges => ['127.0.0.0/8', '::1'] } } 1 .. $n_api]);
});

my %keep = (env => fail_alloc_env(), files => { 'p256.pem' => key('p256')->pem });

$s = start(<<'CONF', %keep, prepare => $store, good => ['/', token => token(alg => 'ES256', key => key('p256'))]);
    auth_token_cache 64k;
    %%ISSUER main: algorithms ES256; key_file %%DIR%%/p256.pem;%%
    %%ISSUER clients: issuer https://clients.example; algorithms ES256; key_file %%DIR%%/p256.pem; client_claim appid; rights role;%%
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_claim $tenant org.tenant;

    request_pool_size    512;
    connection_pool_size 512;
    proxy_set_header X-User  $auth_token_subject;
    proxy_set_header X-Scope $auth_token_scope;
    proxy_set_header X-Extra $tenant;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main clients;
        add_header X-Cache $auth_token_cache_status always;

        location /      { proxy_pass %%UPSTREAM%%; }
        location /early { set $early $auth_token_user; proxy_pass %%UPSTREAM%%; }
        location /far   { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location = /stats { auth_token off; return 200 "$auth_token_cache_entries $auth_token_cache_bytes"; }
    }
CONF
($worker) = $s->workers;

sub es256 ($key, %claims) {
    state $n = 0;
    return (token => token(alg => 'ES256', key => key($key), claims => { jti => ++$n, %claims }));
}

my @next = @api;
my @scopes = map { "s$_" } 1 .. 20;
my $tenant = join '', 'a' .. 'z';

# name, path, status, what makes another credential, whether it is the same each
# time; then what the upstream is told, if not nothing
my @flows = (
    ['a token', '/', 200, sub { es256('p256', org => { tenant => $tenant }, scope => \@scopes) }, 0,
     jane => "@scopes", $tenant],
    ['a token, used early', '/early', 200, sub { es256('p256') }, 0, jane => 'read write', ''],
    ['a client', '/', 200, sub { es256('p256', iss => 'https://clients.example', appid => 'C1') }, 0,
     C1 => 'read write', ''],
    ['an API token', '/', 200, sub { (api_token => shift @next) }, 0, qr/\Aapi-\d+\z/ => "@scopes[0 .. 11]", ''],
    ['a cached token', '/', 200, undef, 1, jane => "@scopes", $tenant],
    ['a cached token at another location', '/far', 403, undef, 1],
    ['a forged token', '/', 401, sub { es256('p256b') }, 0],
    ['an unknown client', '/', 403, sub { es256('p256', iss => 'https://clients.example', appid => 'C2') }, 0],
    ['an unknown API token', '/', 401, sub { state $n = 0; (api_token => sprintf 'unknown-%032d', ++$n) }, 0],
);

for (@flows) {
    my ($name, $path, $right, $make, $same, @told) = @$_;
    my @one = es256('p256', org => { tenant => $tenant }, scope => \@scopes);
    $make //= sub { @one };

    (try_once('/', @one, tag => 'warm')) if $same;
    my ($status, $allocations) = without_failures($path, $make);
    is $status, $right, "cached: $name, without failures";

    # headers of the upstream request that are wrong, or missing unless they may be
    my $unfit = sub ($hit, $may_miss) {
        my @got = map { $hit->{"http_x_$_"} } $hit ? qw(user scope extra) : ();
        return map { "$got[$_], not $told[$_]" }
               grep { $got[$_] !~ /\A$told[$_]\z/ && !($may_miss && $got[$_] eq '') } keys @got;
    };

    for my $lasting (0, 1) {
        my (@wrong, @unfit, %next);
        my $failures = 0;
        my $mode = $lasting ? 'from then on' : 'once';

        for my $n (1 .. $allocations + 2) {
            my $id = 'cached-' . ++$tag;
            my @credential = $make->();

            arm($worker, $n, $lasting);
            my ($status) = try_once($path, @credential, tag => $id);
            my (undef, $failed) = disarm();
            $failures++ if $failed;
            push @wrong, "$n: $status" if $status != 0 && $status != $right && $status !~ /^5/;

            my ($hit) = hits($s, $id);
            push @wrong, "$n: the upstream was hit" if $right != 200 && ($hit || untagged());
            untagged();
            push @unfit, map { "$n: $_" } $unfit->($hit, 1);

            # the same credential again, without failures: a full cache keeps an
            # API token at its second use
            for my $time (1 .. 3) {
                my $after = 'cached-after-' . ++$tag;
                my ($again, undef, $answer) = try_once($path, @credential, tag => $after);
                push @wrong, "$n, again: $again" if $again != $right;
                $next{$answer->header('X-Cache') . $time}++ if $answer;

                $s->upstream->hits->await($after, 1) if $again == 200;
                my ($whole) = hits($s, $after);
                push @unfit, map { "$n, again: $_" } $unfit->($whole, 0);
            }
        }

        is_deeply \@wrong, [], "cached: $name, $mode: as expected or 5xx, and as expected the next time";
        is_deeply \@unfit, [], "cached: $name, $mode: headers are right or missing, and right the next time";
        cmp_ok $failures, '>=', $allocations * 0.8, "cached: $name, $mode: $failures failures";
        is $next{$right == 200 || $same ? 'HIT3' : 'MISS3'}, $allocations + 2,
           "cached: $name, $mode: " . ($right == 200 || $same ? 'cached in the end' : 'never cached');
    }

    my ($entries, $bytes) = split / /, (try_once('/stats'))[1];
    cmp_ok $bytes, '<=', 65536, "cached: $name: $entries entries in $bytes bytes";
}

is_deeply [$s->workers], [$worker], 'cached: the worker process survived';

for my $server ($plain, $s) {
    # nginx logs each failed allocation as [emerg]
    expect_log $server, qr/\[emerg\] .*(?:malloc|posix_memalign|memalign)\(.*failed \(12: /;
    # nginx evaluates a variable twice, for its length and for its text, and notices
    # if only the second succeeds
    expect_log $server, qr/\[alert\] .*no buffer space in script copy/;
    expect_log $server, qr/\[crit\] .* auth_token: 503 API_UNAVAILABLE\b.* reason: failed\b/;
}
$s = $plain;

# --- TLS: the OpenSSL error queue is empty for the next connection --------

{
    my @statuses = map { (over_tls($s, ['/', { port => 2, http => '1.1', token => $_, tag => 'tls' }]))[0]{status} }
                   $good, flip($good), $good, $none, $good;
    is "@statuses", '200 401 200 401 200', 'TLS connections succeed after invalid tokens';
}

done;
