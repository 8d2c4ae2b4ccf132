#!/usr/bin/perl

# The verification cache: which requests an entry serves, when it becomes invalid,
# what is never stored, and what is checked for each request.  CACHE_FLOOD is the
# number of bad credentials in a flood (20,000).
#
# Requirements: cache-key, cache-invalidation, cache-spelling, cache-negative,
#   exp-boundary, variable-control-characters, cache-policy,
#   variables-and-logging, internal-redirects, cache-expiry, key-rotation,
#   rights-of-clients, cache-full, process-models.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use POSIX ();
use Time::HiRes qw(time sleep);

my $flood = $ENV{CACHE_FLOOD} || ($ENV{AT_SANITIZE} ? 4_000 : 20_000);
my $stats = 'hits=$auth_token_cache_hits misses=$auth_token_cache_misses '
          . 'evictions=$auth_token_cache_evictions entries=$auth_token_cache_entries '
          . 'bytes=$auth_token_cache_bytes';

my $conf = <<'CONF';
    %%ISSUER a: algorithms RS256 EdDSA; key_file %%DIR%%/rsa.pem; key_file %%DIR%%/ed.pem;%%
    %%ISSUER b: audience other;%%
    %%ISSUER c: issuer https://c.example;%%
    %%ISSUER late: leeway 1s;%%
    %%ISSUER young: max_age 2s;%%
    %%ISSUER by_role: audience rights; client_claim appid; rights role;%%
    %%ISSUER by_token: audience rights; client_claim appid; rights token;%%
    %%ISSUER by_both: audience rights; client_claim appid; rights both;%%
    %%ISSUER by_none: audience rights; user_claim appid;%%
    %%ISSUER clients: key_file %%DIR%%/live.pem; client_claim appid; rights role;%%
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_claim $tenant org.tenant;
    auth_token_claim $org    org;
    auth_token_claim $list   list;

    map $auth_token_user $known { default no; jane yes; }
    limit_req_zone $auth_token_client zone=clients:1m rate=1r/s;

    server {
        listen %%LISTEN%% reuseport;
        auth_token on;
        auth_token_trust a;
        keepalive_requests 100000000;
        add_header X-Cache  $auth_token_cache_status always;
        add_header X-Time   $auth_token_verify_time  always;
        add_header X-Claims '$tenant|$org|$list|$auth_token_claim_username|$auth_token_claim_exp|$auth_token_scope|$auth_token_user|$auth_token_issuer|$auth_token_client|$auth_token_role|$auth_token_method|$auth_token_subject' always;
        large_client_header_buffers 4 32k;

        location /good   { proxy_pass %%UPSTREAM%%; }
        location /a      { proxy_pass %%UPSTREAM%%; }
        location /b      { auth_token_trust b;     proxy_pass %%UPSTREAM%%; }
        location /c      { auth_token_trust c;     proxy_pass %%UPSTREAM%%; }
        location /ab     { auth_token_trust a b;   proxy_pass %%UPSTREAM%%; }
        location /ba     { auth_token_trust b a;   proxy_pass %%UPSTREAM%%; }
        location /late   { auth_token_trust late;  proxy_pass %%UPSTREAM%%; }
        location /young  { auth_token_trust young; proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept cookie; proxy_pass %%UPSTREAM%%; }
        location /key    { auth_token_accept api_token; proxy_pass %%UPSTREAM%%; }
        location /client { auth_token_trust clients; proxy_pass %%UPSTREAM%%; }
        location /role   { auth_token_trust clients; auth_token_require_scope X.ReadWrite;
                           proxy_pass %%UPSTREAM%%; }

        location /by_role  { auth_token_trust by_role;  auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /by_token { auth_token_trust by_token; auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /by_both  { auth_token_trust by_both;  auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /by_none  { auth_token_trust by_none;  auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }

        location /scope  { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        location /far    { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /near   { auth_token_allow 127.0.0.2; proxy_pass %%UPSTREAM%%; }
        location /rows   { auth_token_endpoints %%DIR%%/rows; proxy_pass %%UPSTREAM%%; }

        location /early  { set $early $known; add_header X-Early $early always;
                           add_header X-Cache $auth_token_cache_status always;
                           proxy_pass %%UPSTREAM%%; }
        location /slow   { auth_token_trust clients; limit_req zone=clients burst=5;
                           proxy_pass %%UPSTREAM%%; }
        location /any    { satisfy any; deny all;  proxy_pass %%UPSTREAM%%; }
        location /free   { satisfy any; allow all; proxy_pass %%UPSTREAM%%; }

        location = /pid   { auth_token off; return 200 "$pid"; }
        location = /stats { auth_token off; return 200 "STATS"; }
    }
CONF
$conf =~ s/STATS/$stats/;

my %files = ('rsa.pem' => key('rsa')->pem, 'ed.pem' => key('ed25519')->pem,
             'live.pem' => key('rsa')->pem, 'rows' => "GET /rows/:id read\nPOST /rows/:id admin\n");

sub serve (%o) {
    return start($o{conf} // $conf, files => \%files,
                 prepare => AuthToken::Store->prepare($o{fill} // sub { }), %o);
}

# --- asking -----------------------------------------------------------------

# what an answer says: 200 HIT, or 401 API_... MISS
sub words ($answer) {
    return 'closed' if !$answer;
    return join ' ', $answer->{status}, $answer->{body} =~ /"code":"(\w+)"/,
                     $answer->header('X-Cache') // ();
}

sub ask ($s, $path, %o) {
    my $tag    = next_tag;
    my $answer = $s->request($path, %o, tag => $tag);

    push $s->{refused}->@*, $tag if $answer->{status} != 200;
    return wantarray ? (words($answer), $answer) : words($answer);
}

# the answers to as many requests as are expected
sub says ($s, $path, $expected, $name, %o) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is join(', ', map { scalar ask($s, $path, %o) } split /, /, $expected), $expected, $name;
}

sub stats ($s) {
    return { $s->request('/stats')->{body} =~ /(\w+)=(\d+)/g };
}

# The answers of each worker to one request.
sub of_each ($s, $path, %o) {
    $s->{reach} //= do {
        my %found;
        for (1 .. 400) {
            my $connection = $s->connect;
            $connection->send(request_bytes('/pid'));
            $found{$connection->response->{body}} //= $connection;
            last if keys %found == 2;
        }
        \%found;
    };

    return join ', ', map {
        my $tag = next_tag;
        $_->send(request_bytes($path, %o, tag => $tag));
        my $answer = $_->response;
        push $s->{refused}->@*, $tag if !$answer || $answer->{status} != 200;
        words($answer);
    } map { $s->{reach}{$_} } sort keys $s->{reach}->%*;
}

sub all_say ($s, $path, $expected, $name, %o) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @expected = split /, /, $expected;
    return is join('; ', map { of_each($s, $path, %o) } @expected), join('; ', map { "$_, $_" } @expected), $name;
}

my $inv  = 'API_INVALID_ACCESS_TOKEN';
my $exp  = 'API_EXPIRED_ACCESS_TOKEN';
my $tinv = 'API_INVALID_API_TOKEN';

# --- one worker -------------------------------------------------------------

my %t;

my $s = serve(fill => sub ($store) {
    $store->user('joe', scope => ['read']);
    $t{plain} = $store->token('plain', scope => ['read', 'write']);
    $t{owned} = $store->token('owned', scope => ['read'], user => 'joe');
    $t{near}  = $store->token('near', allow => '127.0.0.2');
    $store->client('c1', role => 'editor', issuer => 'clients');
    $store->client('c2', role => 'editor', issuer => 'clients');
    $store->role('reads', grant => 'read');
    $store->role('writes', grant => 'write');
    $store->client($_->[0], issuer => ['by_role', 'by_token', 'by_both'], $_->@[1 .. $#$_])
        for ['reads', role => 'reads'], ['writes', role => 'writes'], ['bare'];
});

# a miss, a hit, and their variables
{
    my $token = good_token();

    my ($first, $answer) = ask($s, '/a', token => $token);
    is $first, '200 MISS', 'the first request verifies the token';
    like $answer->header('X-Time'), qr/\A[0-9]+\.[0-9]{6}\z/, '$auth_token_verify_time is set';
    cmp_ok $answer->header('X-Time'), '<', 1, '$auth_token_verify_time is in seconds';
    cmp_ok $answer->header('X-Time'), '>', 0, '$auth_token_verify_time is not 0';

    my ($again, $hit) = ask($s, '/a', token => $token);
    is $again, '200 HIT', 'the second request hits the cache';
    is $hit->header('X-Time'), undef, '$auth_token_verify_time is empty after a hit';

    (my $none, $answer) = ask($s, '/a');
    is $none, "401 $inv", 'a request without a credential is neither hit nor miss';
    is $answer->header('X-Time'), undef, '$auth_token_verify_time is empty without a credential';

    ($none, $answer) = ask($s, '/a', token => 'a.b.c');
    is $none, "401 $inv MISS", 'a bad token is a miss';
    is ask($s, '/a', token => 'a.b.c'), "401 $inv MISS", 'a bad token is not stored';

    my $old = stats($s);
    ask($s, '/a', token => $token) for 1 .. 10;
    my $new = stats($s);
    is $new->{hits} - $old->{hits}, 10, 'hits are counted';
    is $new->{misses}, $old->{misses}, 'a hit is not counted as a miss';
    ask($s, '/a', token => good_token()) for 1 .. 3;
    my $more = stats($s);
    is $more->{misses} - $new->{misses}, 3, 'misses are counted';
    is $more->{entries} - $new->{entries}, 3, 'entries are counted';
    cmp_ok $more->{bytes}, '>', $new->{bytes} + 3 * length $token, 'bytes are counted';
    is $more->{evictions}, 0, 'nothing was evicted';
}

# an entry serves one credential, kind and list of issuers
{
    my $api   = good_token();
    my $other = good_token(aud => 'other');

    says($s, '/a', '200 MISS, 200 HIT', 'a token for one audience', token => $api);
    says($s, '/b', "401 $inv MISS", 'it is refused where another audience is required', token => $api);
    says($s, '/c', "401 $inv MISS", 'it is refused where another issuer is trusted', token => $api);
    says($s, '/b', "401 $inv MISS", 'it is refused there again', token => $api);
    says($s, '/a', '200 HIT', 'it still hits where it was valid', token => $api);

    says($s, '/b', '200 MISS, 200 HIT', 'a token for the other audience', token => $other);
    says($s, '/a', "401 $inv MISS", 'it is refused where the first audience is required', token => $other);

    my $refused = good_token();
    says($s, '/b', "401 $inv MISS", 'a token is first refused', token => $refused);
    says($s, '/a', '200 MISS', 'then verified where it is valid', token => $refused);
    says($s, '/b', "401 $inv MISS", 'and refused again', token => $refused);

    says($s, '/ab', '200 MISS', 'a longer list of issuers is another list', token => $api);
    says($s, '/ba', '200 MISS', 'another order of issuers is another list', token => $api);
    says($s, '/good', '200 HIT', 'an equal list of issuers is the same list', token => $api);

    says($s, '/cookie', '200 MISS, 200 HIT', 'a cookie is another kind of credential', cookie => "accessToken=$api");
    says($s, '/cookie', "401 $inv", 'a bearer token is not accepted there', token => $api);
    says($s, '/key', "401 $tinv MISS", 'the token is not an API token', api_token => $api);
    says($s, '/key', '200 MISS, 200 HIT', 'an API token is verified', api_token => $t{plain});
    says($s, '/a', "401 $inv MISS", 'an API token is not a bearer token', token => $t{plain});
    says($s, '/cookie', "401 $inv MISS", 'an API token is not a cookie', cookie => "accessToken=$t{plain}");
    says($s, '/b', '200 HIT', 'an API token hits under any list of issuers', api_token => $t{plain});
}

# the same token under each value of "rights": no entry grants what another block refuses
{
    my @paths = qw(/by_role /by_token /by_both /by_none);

    # client, scope; then the status at /by_role, /by_token, /by_both and /by_none
    for my $row (['reads', 'write', 1, 0, 0, 0], ['writes', 'read', 0, 1, 0, 1], ['reads', 'read', 1, 1, 1, 1],
                 ['bare', 'read', 0, 1, 1, 1], ['bare', 'write', 0, 0, 0, 0], ['unknown', 'read', 0, 0, 0, 1])
    {
        my ($client, $scope, @granted) = @$row;

        for my $order ([0 .. 3], [3, 2, 1, 0], [1, 3, 0, 2]) {
            my $token = good_token(aud => 'rights', appid => $client, scope => $scope);

            for my $round (1, 2) {
                for my $i (@$order) {
                    my $answer = ask($s, $paths[$i], token => $token);
                    $granted[$i] ? is($answer, '200 ' . ($round == 1 ? 'MISS' : 'HIT'),
                                      "client $client, scope $scope: granted at $paths[$i], round $round")
                                 : like($answer, qr/\A403 API_\w+ /,
                                        "client $client, scope $scope: refused at $paths[$i], round $round");
                }
            }
        }
    }
}

# variables are the same after a hit as after the verification
{
    my %claims = (org => { tenant => 'acme', deep => [1, { x => 'y' }] },
                  list => ['b', 'a', 'c', 1.5, \1, 'a'],
                  scope => ['z', 'read', 'a', 'write', 'read', map { "s$_" } reverse 1 .. 30]);

    for my $row (['a token', '/a', token => good_token(%claims)],
                 ['scopes in one string', '/a', token => good_token(%claims, scope => 'z  b a b')],
                 ['few scopes', '/a', token => good_token(%claims, scope => ['z', 'a', 'b'])],
                 ['no scope', '/a', token => good_token(scope => GONE)],
                 ['no user', '/a', token => good_token(username => GONE, sub => 'me')],
                 ['a user of spaces', '/a', token => good_token(username => ' jane')],
                 ['a client', '/client', token => good_token(appid => 'C1', %claims)],
                 ['an API token', '/key', api_token => $t{owned}])
    {
        my ($name, $path, %o) = @$row;
        my ($miss, $first) = ask($s, $path, %o);
        my ($hit, $second) = ask($s, $path, %o);

        is "$miss, $hit", '200 MISS, 200 HIT', "$name: a miss, then a hit";
        is $second->header('X-Claims'), $first->header('X-Claims'), "$name: equal variables";
        like $first->header('X-Claims'), qr/bearer|api_token/, "$name: the variables are set";
    }

    my (undef, $answer) = ask($s, '/a', token => good_token(%claims));
    like $answer->header('X-Claims'), qr/\Aacme\|\{.*\}\|\[.*\]\|jane\|\d+\|z read a write read s30 /,
         'scopes keep their order';
}

# address, scope and method are checked for each request
{
    my $token = good_token();
    my $scope = 'API_INSUFFICIENT_RIGHTS';
    my $addr  = 'API_IP_NOT_ALLOWED';

    ask($s, '/a', token => $token);
    says($s, '/scope', "403 $scope HIT", 'a missing scope refuses a cached token', token => $token);
    says($s, '/far', "403 $addr HIT", 'an address list refuses a cached token', token => $token);
    says($s, '/near', "403 $addr HIT", 'an address outside the list is refused', token => $token);
    says($s, '/near', '200 HIT', 'an address in the list is granted', token => $token, from => '127.0.0.2');
    says($s, '/near', "403 $addr HIT", 'the first address is refused again', token => $token);
    says($s, '/rows/1', '200 HIT', 'an endpoint grants its method', token => $token);
    says($s, '/rows/1', "403 $scope HIT", 'an endpoint refuses another method', token => $token, method => 'POST', body => '');
    says($s, '/rows/1', '200 HIT', 'the first method is granted again', token => $token);

    says($s, '/key', '200 MISS, 200 HIT', 'an API token with address ranges is verified', api_token => $t{near}, from => '127.0.0.2');
    says($s, '/key', "403 $addr HIT", 'it is refused outside its ranges', api_token => $t{near});
    says($s, '/key', '200 HIT', 'it hits again from its ranges', api_token => $t{near}, from => '127.0.0.2');
}

# before the access phase, and under satisfy
{
    my $token = good_token();

    says($s, '/early', '200 MISS', 'a token is verified before the access phase', token => $token);
    my ($said, $answer) = ask($s, '/early', token => $token);
    is $said, '200 HIT', 'the second request hits before the access phase';
    is $answer->header('X-Early'), 'yes', 'the variable has the identity';
    (undef, $answer) = ask($s, '/early', token => "${token}A");
    is $answer->header('X-Early'), 'no', 'the variable is empty for a bad token';

    says($s, '/any', '200 HIT', 'satisfy any: a cached token grants', token => $token);
    says($s, '/any', "401 $inv MISS", 'satisfy any: a bad token is refused', token => "${token}A");
    says($s, '/free', '200 HIT', 'satisfy any: a cached token where an address grants', token => $token);
    like ask($s, '/free', token => "${token}A"), qr/\A200/, 'satisfy any: a bad token where an address grants';
}

# requests until the response changes: an entry ends exactly at $ends
sub ends ($name, $path, $ends, $code, @credential) {
    my (%seen, @wrong);
    my $until = $ends + 3;

    while (1) {
        my $before = time;
        my $said   = ask($s, $path, @credential);
        my $after  = time;

        $seen{$said}++;
        push @wrong, "$said, asked " . ($before - $ends) . ' s after its expiry'
            if $said =~ /\A200/ && $before >= $ends;
        push @wrong, "$said, answered " . ($ends - $after) . ' s before its expiry'
            if $said !~ /\A200/ && $after < $ends;

        last if $said !~ /\A200/ || $before > $until;
        sleep 0.002 if $ends - $after > 0.1;
    }

    is_deeply \@wrong, [], "$name: the token is refused exactly from its expiry on";
    cmp_ok $seen{'200 HIT'} // 0, '>', 10, "$name: it was cached";
    is $seen{"401 $code MISS"}, 1, "$name: one response says that it has expired";
    says($s, $path, "401 $code MISS", "$name: so does the next response", @credential);
}

ends('exp', '/a', int(time) + 2, $exp, token => good_token(exp => int(time) + 2));
ends('exp with a leeway', '/late', int(time) + 2, $exp, token => good_token(exp => int(time) + 1));
{
    my $at = int((time + 1.5) * 1000) + 7;
    my $text = 'expiring-' . join '', 'a' .. 'z';
    $s->{store}->import_records(tokens => [{ id => 'brief', token => $text, expires => $at }]);
    ends('an API token that expires at a millisecond', '/key', $at / 1000, 'API_EXPIRED_API_TOKEN', api_token => $text);
}

# max_age includes the second in which it is reached
{
    my $iat = int time;
    ends('max_age', '/young', $iat + 3, $exp, token => good_token(iat => $iat, exp => $iat + 100));
}

# a flood of bad credentials
{
    my @good = map { good_token() } 1 .. 50;
    ask($s, '/a', token => $_) for @good;
    ask($s, '/key', api_token => $t{plain});

    my $before = stats($s);
    my ($header, $payload, $signature) = split /\./, good_token();
    my $connection = $s->connect;
    my ($n, $batch, %seen) = (0, 50);

    while ($n < $flood) {
        $connection->send(join '', map {
            my $i = $n + $_;
            my $other = sprintf '%010d', $i;
            $i % 5 == 0 ? request_bytes('/a', token => "$header.$payload." . $other . substr $signature, 10)
          : $i % 5 == 1 ? request_bytes('/a', token => "$header.$other.$signature")
          : $i % 5 == 2 ? request_bytes('/a', token => "$other.$payload.$signature")
          : request_bytes('/key', api_token => "bad-$other-" . 'x' x 30);
        } 1 .. $batch);
        $seen{words($connection->response)}++ for 1 .. $batch;
        $n += $batch;
    }

    is_deeply [sort keys %seen], ["401 $inv MISS", "401 $tinv MISS"], "$n bad credentials are refused"
        or diag explain \%seen;
    my $after = stats($s);
    is $after->{$_}, $before->{$_}, "bad credentials do not change the number of $_" for qw(hits evictions entries bytes);
    is $after->{misses} - $before->{misses}, $n, 'each bad credential is a miss';
    is_deeply [map { scalar ask($s, '/a', token => $_) } @good], [('200 HIT') x @good],
              'valid tokens are still cached';
    says($s, '/key', '200 HIT', 'the API token is still cached', api_token => $t{plain});
}

# other spellings of a cached token
{
    my $token = good_token();
    my @parts = split /\./, $token;
    my %spelling;
    my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_';

    for my $i (0 .. 2) {
        my $with = sub ($part) { join '.', map { $_ == $i ? $part : $parts[$_] } 0 .. 2 };

        $spelling{"padding of part $i: $_"} = $with->($parts[$i] . $_) for '=', '==', 'A', '%3D', "\t=", '.';
        $spelling{"a space in part $i"} = $with->(substr($parts[$i], 0, 9) . ' ' . substr $parts[$i], 9);
        $spelling{"+ in part $i"} = $with->($parts[$i] =~ tr{-_}{+/}r) if $parts[$i] =~ /[-_]/;
        $spelling{"another alphabet in part $i"} = $with->($parts[$i] =~ s/\A../+\//r);

        # the last character has spare bits if the length is 2 or 3 modulo 4
        my $spare = { 2 => 15, 3 => 3 }->{length($parts[$i]) % 4} // 0;
        my $last  = index $alphabet, substr $parts[$i], -1;
        $spelling{"spare bits $_ of part $i"} = $with->(substr($parts[$i], 0, -1) . substr $alphabet, $last | $_, 1)
            for 1 .. $spare;
    }
    $spelling{'a cut signature'} = substr $token, 0, -1;
    $spelling{'another case'}    = lc $token;

    says($s, '/a', '200 MISS', 'the token is verified', token => $token);
    my $entries = stats($s)->{entries};

    my @wrong;
    for my $name (sort keys %spelling) {
        my $said = ask($s, '/a', token => $spelling{$name});
        push @wrong, "$name: $said" if $said !~ /\A401 $inv(?: MISS)?\z/;
    }
    is_deeply \@wrong, [], keys(%spelling) . ' other spellings are refused';
    cmp_ok scalar(grep { /spare/ } keys %spelling), '>=', 3, 'spare bits are among them';
    is stats($s)->{entries}, $entries, 'no other spelling is stored';

    says($s, '/a', '200 HIT', 'the token itself still hits', token => $token);
    says($s, '/a', '200 HIT', 'the scheme is not part of the key', auth => "bearer $token");
}

# the client changes while a request is delayed after its verification
{
    my $token = good_token(appid => 'c2');
    says($s, '/client', '200 MISS', 'the token of a client is verified', token => $token);
    like ask($s, '/slow', token => $token), qr/\A200 HIT/, 'it is cached';

    my $connection = $s->connect;
    my $tag = next_tag;
    push $s->{refused}->@*, $tag;
    $s->errors->lines;
    $connection->send(request_bytes('/slow', token => $token, tag => $tag));
    $s->errors->await(qr/delaying request/);
    $s->{store}->ok('client', 'disable', 'c2');

    is words($connection->response), '403 API_CLIENT_DISABLED MISS',
       'a client that is disabled while its request is delayed is refused';
}

# --- two workers and changes ------------------------------------------------

my $two = serve(workers => 2, fill => sub ($store) {
    $store->user('joe', scope => ['X.Read']);
    $store->role('ops', grant => 'X.*');
    $t{revoked} = $store->token('revoked');
    $t{owned2}  = $store->token('owned2', user => 'joe', scope => ['X.Read']);
    $t{steady}  = $store->token('steady');
    $store->client("c$_", role => 'editor', issuer => 'clients') for 1 .. 3;
    $store->client('c4', role => 'ops', issuer => 'clients');
});
$two->{good} = ['/a'];

# a credential cached by both workers changes: both notice at their next request
sub changes ($name, $path, $credential, $change, $then) {
    of_each($two, $path, @$credential);
    all_say($two, $path, '200 HIT', "$name: both workers have it cached", @$credential);
    $change->($two->{store});
    all_say($two, $path, "$then MISS", "$name: the next request of each worker", @$credential);
    all_say($two, $path, $then eq '200' ? '200 HIT' : "$then MISS", "$name: so does the next response",
            @$credential);
}

{
    my %c = map { ("c$_" => [token => good_token(appid => "c$_")]) } 1 .. 4;
    my $disabled = '403 API_CLIENT_DISABLED';
    my $rights   = '403 API_INSUFFICIENT_RIGHTS';

    changes('a revoked API token', '/key', [api_token => $t{revoked}],
            sub ($store) { $store->ok('token', 'revoke', 'revoked') }, "401 $tinv");
    changes('a disabled API token', '/key', [api_token => $t{steady}],
            sub ($store) { $store->ok('token', 'disable', 'steady') }, $disabled);
    $two->{store}->ok('token', 'enable', 'steady');
    changes('a disabled user', '/key', [api_token => $t{owned2}],
            sub ($store) { $store->ok('user', 'disable', 'joe') }, $disabled);
    changes('a disabled client', '/client', $c{c1},
            sub ($store) { $store->ok('client', 'disable', 'c1') }, $disabled);
    changes('a deleted client', '/client', $c{c2},
            sub ($store) { $store->ok('client', 'delete', 'c2') }, $disabled);

    # the role is part of the cached identity
    all_say($two, '/role', '200 MISS, 200 HIT', 'a built-in role grants', $c{c3}->@*);
    $two->{store}->update('client', 'c3', role => 'readonly');
    all_say($two, '/role', "$rights MISS, $rights HIT", 'another role refuses', $c{c3}->@*);

    all_say($two, '/role', '200 MISS, 200 HIT', 'a role of the store grants', $c{c4}->@*);
    $two->{store}->role('ops', grant => 'X.Read');
    all_say($two, '/role', "$rights MISS", 'a role that grants less refuses', $c{c4}->@*);
    $two->{store}->ok('role', 'delete', 'ops');
    all_say($two, '/role', "$rights MISS", 'a deleted role refuses', $c{c4}->@*);
}

# a JWT does not depend on the store if no client is required
{
    my $token = good_token();
    all_say($two, '/a', '200 MISS', 'a JWT without a client is verified', token => $token);
    $two->{store}->ok('token', 'disable', 'steady');
    all_say($two, '/a', '200 HIT', 'a change of the store does not affect it', token => $token);
    $two->{store}->ok('token', 'enable', 'steady');
}

# keys
sub new_keys ($key) {
    $two->errors->lines;
    $two->write('live.pem', $key->pem);
    my %told;
    AuthToken::Log::await_true(sub {
        $told{$_}++ for map { /(\d+)#\d+: .*keys replaced, .*file: ".*live\.pem"/ ? $1 : () } $two->errors->lines;
        keys %told == 2;
    }, 'both workers to read the key');
}

{
    my %by = map { $_ => [token => token(key => key($_), claims => { appid => 'c3' })] } qw(rsa rsa2);
    my $free = good_token();

    of_each($two, '/client', $by{rsa}->@*);
    of_each($two, '/a', token => $free);
    all_say($two, '/client', '200 HIT', 'both workers have a token of the key cached', $by{rsa}->@*);
    new_keys(key('rsa2'));
    all_say($two, '/client', "401 $inv MISS", 'a token of a removed key is refused', $by{rsa}->@*);
    all_say($two, '/client', '200 MISS, 200 HIT', 'a token of the new key is verified', $by{rsa2}->@*);
    all_say($two, '/a', '200 MISS', 'a token of an unchanged key is verified again', token => $free);

    new_keys(key('rsa'));
    all_say($two, '/client', "401 $inv MISS", 'the second key is removed', $by{rsa2}->@*);
    all_say($two, '/client', '200 MISS', 'a token of the first key is valid again', $by{rsa}->@*);
}

# The transaction number can precede the visibility of a commit.  strace delays the
# end of each write of the command; requests meanwhile see the state before.
SKIP: {
    skip 'strace is not installed, or this is a sanitizer build', 8
        if $ENV{AT_SANITIZE} || system('strace -V >/dev/null 2>&1') != 0;

    my @held = (api_token => $two->{store}->token('held'));
    all_say($two, '/key', '200 MISS', 'a token before a slow commit', @held);

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        my @command = ('strace', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64', '-e',
                       'inject=pwrite64:delay_exit=400000', "$AuthToken::Server::BUILD/auth-token",
                       '--store', 'lmdb:' . $two->{store}->path, qw(token disable held));
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    # during the commit the token is either enabled or disabled
    my (%seen, $ended);
    until ($ended) {
        $seen{$_}++ for split /, /, of_each($two, '/key', @held);
        $ended = waitpid $pid, POSIX::WNOHANG();
    }

    is $? >> 8, 0, 'the commit succeeded';
    ok $seen{'200 MISS'}, 'requests during the commit were not cached';
    is_deeply [grep { !/\A(?:200|403 API_CLIENT_DISABLED) / } sort keys %seen], [],
              'requests during the commit get one of two responses';
    all_say($two, '/key', "403 API_CLIENT_DISABLED MISS", "request $_ after a slow commit is refused", @held) for 1 .. 4;
}

# the store is replaced by an older copy, then removed
{
    my $path  = $two->{store}->path;
    my $await = sub ($expected, @credential) {
        return eval { AuthToken::Log::await_true(sub {
            of_each($two, '/key', @credential) eq "$expected, $expected";
        }, $expected) } // $@;
    };

    $two->{store}->ok('token', 'enable', 'steady');
    system('cp', '-a', $path, "$path.old") == 0 or die 'cp';
    my $later = $two->{store}->token('later');
    $two->{store}->ok('token', 'disable', 'steady');

    all_say($two, '/key', '200 MISS, 200 HIT', 'a token of the newer store is verified', api_token => $later);
    all_say($two, '/key', '403 API_CLIENT_DISABLED MISS', 'another token is disabled in the newer store',
            api_token => $t{steady});

    rename $path, "$path.new" or die "rename: $!";
    rename "$path.old", $path or die "rename: $!";
    is $await->("401 $tinv MISS", api_token => $later), 1, 'a token that the older copy lacks is refused';
    is $await->('200 HIT', api_token => $t{steady}), 1, 'a token that the older copy has enabled is granted';

    # the transaction numbers of both stores may be equal
    $two->{store}->ok('token', 'revoke', 'steady');
    all_say($two, '/key', "401 $tinv MISS", 'a change of the older copy applies', api_token => $t{steady});
    all_say($two, '/key', "401 $tinv MISS", 'the other token stays refused', api_token => $later);

    rename $path, "$path.old" or die "rename: $!";
    is $await->('503 API_UNAVAILABLE MISS', api_token => $later), 1, 'without a store API tokens get 503';
    rename "$path.new", $path or die "rename: $!";
    is $await->('200 HIT', api_token => $later), 1, 'the newer store is back: its token is granted';
    is $await->('403 API_CLIENT_DISABLED MISS', api_token => $t{steady}), 1, 'the newer store is back: its token is disabled';
}

# a reload under another configuration
{
    my $token = good_token();
    all_say($two, '/a', '200 MISS, 200 HIT', 'a token before a reload', token => $token);

    delete $two->{reach};
    $two->configure($conf =~ s/ISSUER a:\K/ audience changed;/r);
    $two->reload;
    all_say($two, '/a', "401 $inv MISS", 'after a reload with another audience it is refused', token => $token);

    delete $two->{reach};
    $two->configure($conf);
    $two->reload;
    all_say($two, '/a', '200 MISS', 'after a reload with the first audience it is verified again', token => $token);
}
$_->close for values(($two->{reach} // {})->%*);

# --- a small cache ----------------------------------------------------------

{
    my @records = map { { id => "t$_", token => sprintf('token-%06d-%s', $_, 'abcdefghij' x 2),
                          scope => ["s$_"], enabled => $_ % 7 ? \1 : \0 } } 1 .. 1500;
    my @jwts = map { [$_, token(alg => 'EdDSA', key => key('ed25519'), claims => {
                     username => "user-$_", scope => [map { "s$_" } 1 .. $_ * 13 % 90] })] } 1 .. 300;

    my $small = serve(conf => "auth_token_cache 64k;\n$conf", fill => sub ($store) {
        $store->import_records(tokens => \@records);
    });

    my (@wrong, %seen);
    srand 1;
    for my $n (1 .. 4000) {
        if ($n % 2) {
            my $i = 1 + int rand($n % 8 == 1 ? 15 : @records);
            my ($said, $answer) = ask($small, '/key', api_token => sprintf 'token-%06d-%s', $i, 'abcdefghij' x 2);
            my $right = $i % 7 ? qr/\A200 (?:HIT|MISS)\z/ : qr/\A403 API_CLIENT_DISABLED MISS\z/;
            push @wrong, "t$i: $said" if $said !~ $right;
            push @wrong, "t$i: " . $answer->header('X-Claims')
                if $i % 7 && $answer->header('X-Claims') !~ /\|s$i\|\|\|t$i\|/;
            $seen{$said}++;
        } else {
            my ($i, $token) = $jwts[rand @jwts]->@*;
            my ($said, $answer) = ask($small, '/a', token => $token);
            push @wrong, "user-$i: $said" if $said !~ /\A200/;
            push @wrong, "user-$i: " . $answer->header('X-Claims')
                if $answer->header('X-Claims') !~ /\|user-$i\|/;
            $seen{$said}++;
        }
        last if @wrong > 5;
    }

    is_deeply \@wrong, [], 'a full cache: every response belongs to its credential';
    cmp_ok $seen{'200 HIT'}, '>', 100, 'a full cache has hits';
    my $now = stats($small);
    cmp_ok $now->{bytes}, '<=', 65536, 'a full cache stays within its size';
    cmp_ok $now->{evictions}, '>', 500, 'a full cache evicts entries';
    cmp_ok $now->{entries}, '>', 10, 'a full cache has entries';

    # an entry that is used between all others stays
    my $hot = good_token();
    ask($small, '/a', token => $hot);
    my %hot;
    for my $n (1 .. 300) {
        ask($small, '/a', token => $jwts[$n % @jwts][1]);
        $hot{ask($small, '/a', token => $hot)}++;
    }
    is_deeply \%hot, { '200 HIT' => 300 }, 'an entry in use is not evicted';
}

# verification is timed only if the variable is configured or was used before
{
    my $page = serve(conf => <<'CONF', files => { %files,
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        add_header X-Cache $auth_token_cache_status;
        location / { ssi on; default_type text/html; root %%DIR%%/; }
        location /good { proxy_pass %%UPSTREAM%%; }
    }
CONF
        'page.html' => '[<!--#echo var="auth_token_verify_time" -->]' });

    my ($first, $next) = map { $page->request('/page.html', token => good_token(claims => { jti => $_ })) } 1, 2;
    is "$first->{status} $first->{body}", '200 [(none)]', 'the first use of $auth_token_verify_time in a page is empty';
    like "$next->{status} $next->{body}", qr/\A200 \[0\.\d{6}\]\z/, 'later uses have a value';
    is $_->header('X-Cache'), 'MISS', 'both requests verified their token' for $first, $next;
}

# without a cache, and without a master process
{
    my $off   = serve(conf => "auth_token_cache off;\n$conf");
    my $token = good_token();

    says($off, '/a', '200', 'off: $auth_token_cache_status is empty', token => $token) for 1 .. 2;
    my (undef, $answer) = ask($off, '/a', token => $token);
    like $answer->header('X-Time'), qr/\A\d+\.\d{6}\z/, 'off: each request verifies the token';
    is $off->request('/stats')->{body}, 'hits= misses= evictions= entries= bytes=', 'off: the counters are empty';
}

{
    my $one = AuthToken::Server->new($conf, files => \%files);
    AuthToken::Store->prepare->($one);
    my $pid   = $one->_spawn($one->dir . '/output', ['-g', 'daemon off; master_process off;']);
    my $token = good_token();

    is eval { AuthToken::Log::await_true(sub {
        eval { words($one->request('/a', token => $token, new => 1)) } // '' eq '200 MISS';
    }, 'an answer') && words($one->request('/a', token => $token)) } // $@, '200 HIT',
       'the cache works without a master process';

    $one->disconnect;
    kill 'QUIT', $pid;
    waitpid $pid, 0;
    is $?, 0, 'the process exits normally';
    is_deeply [$one->reports], [], 'the sanitizer reports nothing';
}

# a store that no request has read yet: a token that depends on keys only is cached,
# and is verified once if a variable is used before the access phase
{
    my $unread = serve(conf => <<'CONF', fill => sub ($store) { $store->token('t1') });
    %%ISSUER any: issuer https://any.example; audience clients any; client_claim appid; rights role;%%
    %%ISSUER%%
    auth_token_store lmdb:%%DIR%%/store;
    limit_req_zone $auth_token_user zone=users:1m rate=10000r/s;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main any;
        add_header X-Cache $auth_token_cache_status always;
        location /good    { proxy_pass %%UPSTREAM%%; }
        location /limited { limit_req zone=users burst=1000 nodelay; proxy_pass %%UPSTREAM%%; }
    }
CONF

    for my $when ('before the store was read', 'after a change of the store') {
        my $token = good_token();
        says($unread, '/good', '200 MISS, 200 HIT', "a token without a client is verified $when", token => $token);
        says($unread, '/limited', '200 MISS', "a token is verified once $when", token => good_token());
        $unread->{store}->ok('token', 'disable', 't1');
    }
}

# --- configuration ----------------------------------------------------------

conf_ok "auth_token_cache $_;", "auth_token_cache $_ is valid" for qw(off 64k 65536 16m 100M 32768m);

conf_fails "auth_token_cache $_; # here\n", qr/"auth_token_cache"/, "auth_token_cache $_ is an error"
    for qw(63k 65535 32769m 0 -1 1g on OFF 16mm 1.5m k ""), '99999999999999999999';

conf_fails "auth_token_cache; # here\n", qr/invalid number of arguments in "auth_token_cache"/,
           'auth_token_cache without a size';
conf_fails "auth_token_cache 1m 2m; # here\n", qr/invalid number of arguments in "auth_token_cache"/,
           'auth_token_cache with two sizes';
conf_fails "auth_token_cache 1m;\nauth_token_cache 1m; # here\n",
           qr/"auth_token_cache" directive is duplicate/, 'auth_token_cache twice';
conf_fails "auth_token_cache off;\nauth_token_cache off; # here\n",
           qr/"auth_token_cache" directive is duplicate/, 'auth_token_cache off twice';
conf_fails "server {\nauth_token_cache 1m; # here\n}\n", qr/"auth_token_cache" directive is not allowed here/,
           'auth_token_cache in a server block';

done;
