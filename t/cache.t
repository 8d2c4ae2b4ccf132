#!/usr/bin/perl

# The cache of verified credentials, seen through nginx: for whom an entry is,
# when it ends, what is never in it, what is checked each time.
# CACHE_FLOOD says how many bad credentials come (20,000).
#
# Requirements: cache-key, cache-invalidation, cache-spelling, cache-negative,
#   exp-boundary, variable-control-characters, cache-policy,
#   variables-and-logging, internal-redirects, cache-expiry, key-rotation,
#   cache-full, process-models.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use POSIX ();
use Time::HiRes qw(time sleep);

my $flood = $ENV{CACHE_FLOOD} || ($ENV{AT_SANITIZE} ? 4_000 : 20_000);
my $stats = 'hits=$auth_token_cache_hits misses=$auth_token_cache_misses '
          . 'evictions=$auth_token_cache_evictions entries=$auth_token_cache_entries '
          . 'bytes=$auth_token_cache_bytes';

my $conf = <<'CONF';
    auth_token_issuer a {
        issuer   https://issuer.example;
        audience api;
        algorithms RS256 EdDSA;
        key_file %%DIR%%/rsa.pem;
        key_file %%DIR%%/ed.pem;
    }
    auth_token_issuer b {
        issuer   https://issuer.example;
        audience other;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer c {
        issuer   https://c.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer late {
        issuer   https://issuer.example;
        audience api;
        leeway   1s;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer young {
        issuer   https://issuer.example;
        audience api;
        max_age  2s;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer clients {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/live.pem;
        client_claim appid;
    }
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
             'live.pem' => key('rsa')->pem,
             'rows' => "GET /rows/:id read\nPOST /rows/:id admin\n");

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

sub says ($s, $path, $expected, $name, %o) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = ask($s, $path, %o);
    return is $got, $expected, $name;
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
    return is of_each($s, $path, %o), "$expected, $expected", $name;
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
});

# hit and miss, and what is said of them
{
    my $token = good_token();

    my ($first, $answer) = ask($s, '/a', token => $token);
    is $first, '200 MISS', 'the first time it is verified';
    like $answer->header('X-Time'), qr/\A[0-9]+\.[0-9]{6}\z/, 'which took some time';
    cmp_ok $answer->header('X-Time'), '<', 1, 'in seconds';
    cmp_ok $answer->header('X-Time'), '>', 0, 'of which there was some';

    my ($again, $hit) = ask($s, '/a', token => $token);
    is $again, '200 HIT', 'and then remembered';
    is $hit->header('X-Time'), undef, 'in no time';

    (my $none, $answer) = ask($s, '/a');
    is $none, "401 $inv", 'without a credential it is neither';
    is $answer->header('X-Time'), undef, 'nor takes any time';

    ($none, $answer) = ask($s, '/a', token => 'a.b.c');
    is $none, "401 $inv MISS", 'a bad one is looked for';
    is ask($s, '/a', token => 'a.b.c'), "401 $inv MISS", 'and is not kept';

    my $old = stats($s);
    ask($s, '/a', token => $token) for 1 .. 10;
    my $new = stats($s);
    is $new->{hits} - $old->{hits}, 10, 'hits are counted';
    is $new->{misses}, $old->{misses}, 'misses are not';
    ask($s, '/a', token => good_token()) for 1 .. 3;
    my $more = stats($s);
    is $more->{misses} - $new->{misses}, 3, 'misses are counted';
    is $more->{entries} - $new->{entries}, 3, 'and entries';
    cmp_ok $more->{bytes}, '>', $new->{bytes} + 3 * length $token, 'and bytes';
    is $more->{evictions}, 0, 'nothing was evicted';
}

# for whom an entry is
{
    my $api   = good_token();
    my $other = good_token(aud => 'other');

    says($s, '/a', '200 MISS', 'one audience', token => $api);
    says($s, '/a', '200 HIT', 'again', token => $api);
    says($s, '/b', "401 $inv MISS", 'elsewhere it is refused', token => $api);
    says($s, '/c', "401 $inv MISS", 'by another issuer, too', token => $api);
    says($s, '/b', "401 $inv MISS", 'again and again', token => $api);
    says($s, '/a', '200 HIT', 'and is good where it was', token => $api);

    says($s, '/b', '200 MISS', 'the other way round', token => $other);
    says($s, '/b', '200 HIT', 'again', token => $other);
    says($s, '/a', "401 $inv MISS", 'elsewhere it is refused', token => $other);

    my $refused = good_token();
    says($s, '/b', "401 $inv MISS", 'first refused', token => $refused);
    says($s, '/a', '200 MISS', 'then good', token => $refused);
    says($s, '/b', "401 $inv MISS", 'and refused', token => $refused);

    says($s, '/ab', '200 MISS', 'a longer list is another one', token => $api);
    says($s, '/ba', '200 MISS', 'and so is one in another order', token => $api);
    says($s, '/good', '200 HIT', 'an equal list is the same', token => $api);

    says($s, '/cookie', '200 MISS', 'a cookie is another kind', cookie => "accessToken=$api");
    says($s, '/cookie', '200 HIT', 'again', cookie => "accessToken=$api");
    says($s, '/cookie', "401 $inv", 'it is no bearer', token => $api);
    says($s, '/key', "401 $tinv MISS", 'nor an API token', api_token => $api);
    says($s, '/key', '200 MISS', 'an API token', api_token => $t{plain});
    says($s, '/key', '200 HIT', 'again', api_token => $t{plain});
    says($s, '/a', "401 $inv MISS", 'is no bearer', token => $t{plain});
    says($s, '/cookie', "401 $inv MISS", 'nor a cookie', cookie => "accessToken=$t{plain}");
    says($s, '/b', '200 HIT', 'and is for no issuer', api_token => $t{plain});
}

# what is shown of a remembered identity is what was shown of it at first
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

        is "$miss, $hit", '200 MISS, 200 HIT', "$name";
        is $second->header('X-Claims'), $first->header('X-Claims'), "$name: equal variables";
        like $first->header('X-Claims'), qr/bearer|api_token/, "$name: which are there";
    }

    my (undef, $answer) = ask($s, '/a', token => good_token(%claims));
    like $answer->header('X-Claims'), qr/\Aacme\|\{.*\}\|\[.*\]\|jane\|\d+\|z read a write read s30 /,
         'scopes are in their order';
}

# what is asked anew
{
    my $token = good_token();
    my $scope = 'API_INSUFFICIENT_RIGHTS';
    my $addr  = 'API_IP_NOT_ALLOWED';

    ask($s, '/a', token => $token);
    says($s, '/scope', "403 $scope HIT", 'the scope', token => $token);
    says($s, '/far', "403 $addr HIT", 'the address', token => $token);
    says($s, '/near', "403 $addr HIT", 'this one', token => $token);
    says($s, '/near', '200 HIT', 'and that one', token => $token, from => '127.0.0.2');
    says($s, '/near', "403 $addr HIT", 'this one again', token => $token);
    says($s, '/rows/1', '200 HIT', 'a method', token => $token);
    says($s, '/rows/1', "403 $scope HIT", 'another method', token => $token, method => 'POST', body => '');
    says($s, '/rows/1', '200 HIT', 'the first method', token => $token);

    says($s, '/key', '200 MISS', 'the ranges of a record', api_token => $t{near}, from => '127.0.0.2');
    says($s, '/key', '200 HIT', 'again', api_token => $t{near}, from => '127.0.0.2');
    says($s, '/key', "403 $addr HIT", 'from elsewhere', api_token => $t{near});
    says($s, '/key', '200 HIT', 'from there', api_token => $t{near}, from => '127.0.0.2');
}

# before the access phase, and under satisfy
{
    my $token = good_token();

    says($s, '/early', '200 MISS', 'used early', token => $token);
    my ($said, $answer) = ask($s, '/early', token => $token);
    is $said, '200 HIT', 'used early, again';
    is $answer->header('X-Early'), 'yes', 'the same identity';
    (undef, $answer) = ask($s, '/early', token => "${token}A");
    is $answer->header('X-Early'), 'no', 'and none of a bad one';

    says($s, '/any', '200 HIT', 'satisfy any', token => $token);
    says($s, '/any', "401 $inv MISS", 'satisfy any, a bad one', token => "${token}A");
    says($s, '/free', '200 HIT', 'another one grants', token => $token);
    like ask($s, '/free', token => "${token}A"), qr/\A200/, 'whoever it is';
}

# the second, and the millisecond, at which an entry ends
sub ends ($name, $path, $ends, $code, @credential) {
    my (%seen, @wrong);
    my $until = $ends + 3;

    while (1) {
        my $before = time;
        my $said   = ask($s, $path, @credential);
        my $after  = time;

        $seen{$said}++;
        push @wrong, "$said, asked " . ($before - $ends) . ' s behind its end'
            if $said =~ /\A200/ && $before >= $ends;
        push @wrong, "$said, answered " . ($ends - $after) . ' s before its end'
            if $said !~ /\A200/ && $after < $ends;

        last if $said !~ /\A200/ || $before > $until;
        sleep 0.002 if $ends - $after > 0.1;
    }

    is_deeply \@wrong, [], "$name: neither before nor behind its end";
    cmp_ok $seen{'200 HIT'} // 0, '>', 10, "$name: it was remembered";
    is $seen{"401 $code MISS"}, 1, "$name: the next request is told that it has expired";
    says($s, $path, "401 $code MISS", "$name: and the one behind it", @credential);
}

ends('exp', '/a', int(time) + 2, $exp, token => good_token(exp => int(time) + 2));
ends('exp with a leeway', '/late', int(time) + 2, $exp, token => good_token(exp => int(time) + 1));
{
    my $at = int((time + 1.5) * 1000) + 7;
    my $text = 'expiring-' . join '', 'a' .. 'z';
    $s->{store}->import_records(tokens => [{ id => 'brief', token => $text, expires => $at }]);
    ends('an API token to the millisecond', '/key', $at / 1000, 'API_EXPIRED_API_TOKEN', api_token => $text);
}

# max_age holds for the whole second in which it is reached
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
    is $after->{$_}, $before->{$_}, "$_ are what they were" for qw(hits evictions entries bytes);
    is $after->{misses} - $before->{misses}, $n, 'each is a miss';
    is_deeply [map { scalar ask($s, '/a', token => $_) } @good], [('200 HIT') x @good],
              'the good ones are all remembered';
    says($s, '/key', '200 HIT', 'the API token, too', api_token => $t{plain});
}

# another spelling of a remembered token
{
    my $token = good_token();
    my @parts = split /\./, $token;
    my %odd;
    my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_';

    for my $i (0 .. 2) {
        my $with = sub ($part) { join '.', map { $_ == $i ? $part : $parts[$_] } 0 .. 2 };

        $odd{"padding of part $i: $_"} = $with->($parts[$i] . $_) for '=', '==', 'A', '%3D', "\t=", '.';
        $odd{"a space in part $i"} = $with->(substr($parts[$i], 0, 9) . ' ' . substr $parts[$i], 9);
        $odd{"+ in part $i"} = $with->($parts[$i] =~ tr{-_}{+/}r) if $parts[$i] =~ /[-_]/;
        $odd{"another alphabet in part $i"} = $with->($parts[$i] =~ s/\A../+\//r);

        # of two or three characters behind the last four, some bits are spare
        my $spare = { 2 => 15, 3 => 3 }->{length($parts[$i]) % 4} // 0;
        my $last  = index $alphabet, substr $parts[$i], -1;
        $odd{"spare bits $_ of part $i"} = $with->(substr($parts[$i], 0, -1) . substr $alphabet, $last | $_, 1)
            for 1 .. $spare;
    }
    $odd{'a cut signature'} = substr $token, 0, -1;
    $odd{'another case'}    = lc $token;

    says($s, '/a', '200 MISS', 'the token itself', token => $token);
    my $entries = stats($s)->{entries};

    my @wrong;
    for my $name (sort keys %odd) {
        my $said = ask($s, '/a', token => $odd{$name});
        push @wrong, "$name: $said" if $said !~ /\A401 $inv(?: MISS)?\z/;
    }
    is_deeply \@wrong, [], '' . keys(%odd) . ' other spellings are refused';
    cmp_ok scalar(grep { /spare/ } keys %odd), '>=', 3, 'with spare bits, too';
    is stats($s)->{entries}, $entries, 'and none is kept';

    says($s, '/a', '200 HIT', 'the token itself, again', token => $token);
    says($s, '/a', '200 HIT', 'the scheme is no part of it', auth => "bearer $token");
}

# what was found early has changed while the request had to wait
{
    my $token = good_token(appid => 'c2');
    says($s, '/client', '200 MISS', 'a client', token => $token);
    like ask($s, '/slow', token => $token), qr/\A200 HIT/, 'it is remembered';

    my $connection = $s->connect;
    my $tag = next_tag;
    push $s->{refused}->@*, $tag;
    $s->errors->lines;
    $connection->send(request_bytes('/slow', token => $token, tag => $tag));
    $s->errors->await(qr/delaying request/);
    $s->{store}->ok('client', 'disable', 'c2');

    is words($connection->response), '403 API_CLIENT_DISABLED MISS',
       'a client that is disabled while its request waits is refused';
}

# --- two workers, and what changes ------------------------------------------

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

# remembered in both; changed; and at once in both what is right now
sub changes ($name, $path, $credential, $change, $then) {
    of_each($two, $path, @$credential);
    all_say($two, $path, '200 HIT', "$name: remembered by both", @$credential);
    $change->($two->{store});
    all_say($two, $path, "$then MISS", "$name: the next request", @$credential);
    all_say($two, $path, $then eq '200' ? '200 HIT' : "$then MISS", "$name: and the one behind it",
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
    changes('a client that is deleted', '/client', $c{c2},
            sub ($store) { $store->ok('client', 'delete', 'c2') }, $disabled);

    # what a role grants is found with the identity
    all_say($two, '/role', '200 MISS', 'a role', $c{c3}->@*);
    all_say($two, '/role', '200 HIT', 'a role, remembered', $c{c3}->@*);
    $two->{store}->update('client', 'c3', role => 'readonly');
    all_say($two, '/role', "$rights MISS", 'another role', $c{c3}->@*);
    all_say($two, '/role', "$rights HIT", 'another role, remembered: rights are judged anew', $c{c3}->@*);

    all_say($two, '/role', '200 MISS', 'a role of the store', $c{c4}->@*);
    all_say($two, '/role', '200 HIT', 'a role of the store, remembered', $c{c4}->@*);
    $two->{store}->role('ops', grant => 'X.Read');
    all_say($two, '/role', "$rights MISS", 'the role grants less', $c{c4}->@*);
    $two->{store}->ok('role', 'delete', 'ops');
    all_say($two, '/role', "$rights MISS", 'the role is gone', $c{c4}->@*);
}

# a JWT that is held to no client does not depend on the store
{
    my $token = good_token();
    all_say($two, '/a', '200 MISS', 'a token of no client', token => $token);
    $two->{store}->ok('token', 'disable', 'steady');
    all_say($two, '/a', '200 HIT', 'a change of the store leaves it', token => $token);
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
    all_say($two, '/client', '200 HIT', 'a key: remembered by both', $by{rsa}->@*);
    new_keys(key('rsa2'));
    all_say($two, '/client', "401 $inv MISS", 'its key is gone: refused', $by{rsa}->@*);
    all_say($two, '/client', '200 MISS', 'the new key', $by{rsa2}->@*);
    all_say($two, '/client', '200 HIT', 'is remembered', $by{rsa2}->@*);
    all_say($two, '/a', '200 MISS', 'a token of another key is verified again', token => $free);

    new_keys(key('rsa'));
    all_say($two, '/client', "401 $inv MISS", 'the second key is gone', $by{rsa2}->@*);
    all_say($two, '/client', '200 MISS', 'the first one is back', $by{rsa}->@*);
}

# A commit can be seen in the file before it counts: each write of the command ends
# late, and whoever is asked for meanwhile is read as it was before.
SKIP: {
    skip 'no strace, or a sanitizer that does not like it', 8
        if $ENV{AT_SANITIZE} || system('strace -V >/dev/null 2>&1') != 0;

    my @held = (api_token => $two->{store}->token('held'));
    all_say($two, '/key', '200 MISS', 'before a slow commit', @held);

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        my @command = ('strace', '-qq', '-o', '/dev/null', '-e', 'trace=pwrite64', '-e',
                       'inject=pwrite64:delay_exit=400000', "$AuthToken::Server::BUILD/auth-token",
                       '--store', 'lmdb:' . $two->{store}->path, qw(token disable held));
        exec { $command[0] } @command or POSIX::_exit(127);
    }

    # while it is under way it is as if it had not begun, or as if it were over
    my (%seen, $ended);
    until ($ended) {
        $seen{$_}++ for split /, /, of_each($two, '/key', @held);
        $ended = waitpid $pid, POSIX::WNOHANG();
    }

    is $? >> 8, 0, 'it was committed';
    ok $seen{'200 MISS'}, 'somebody was asked for while it was seen, and did not count';
    is_deeply [grep { !/\A(?:200|403 API_CLIENT_DISABLED) / } sort keys %seen], [],
              'and was given one of the two answers';
    all_say($two, '/key', "403 API_CLIENT_DISABLED MISS", "after a slow commit, $_", @held) for 1 .. 4;
}

# the store's place taken by an older copy, or by nothing
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

    all_say($two, '/key', '200 MISS', 'a token of the newer store', api_token => $later);
    all_say($two, '/key', '200 HIT', 'is remembered', api_token => $later);
    all_say($two, '/key', '403 API_CLIENT_DISABLED MISS', 'another one is disabled there',
            api_token => $t{steady});

    rename $path, "$path.new" or die "rename: $!";
    rename "$path.old", $path or die "rename: $!";
    is $await->("401 $tinv MISS", api_token => $later), 1, 'an older copy: it is unknown, and refused';
    is $await->('200 HIT', api_token => $t{steady}), 1, 'and the other one is good as it was';

    # the numbers of the two stores may come to the same
    $two->{store}->ok('token', 'revoke', 'steady');
    all_say($two, '/key', "401 $tinv MISS", 'a change of the older one', api_token => $t{steady});
    all_say($two, '/key', "401 $tinv MISS", 'the later one stays unknown', api_token => $later);

    rename $path, "$path.old" or die "rename: $!";
    is $await->('503 API_UNAVAILABLE MISS', api_token => $later), 1, 'no store: nobody';
    rename "$path.new", $path or die "rename: $!";
    is $await->('200 HIT', api_token => $later), 1, 'the newer one is back';
    is $await->('403 API_CLIENT_DISABLED MISS', api_token => $t{steady}), 1, 'all of it';
}

# a reload under another configuration
{
    my $token = good_token();
    all_say($two, '/a', '200 MISS', 'before a reload', token => $token);
    all_say($two, '/a', '200 HIT', 'remembered', token => $token);

    delete $two->{reach};
    $two->configure($conf =~ s/audience api;/audience changed;/r);
    $two->reload;
    all_say($two, '/a', "401 $inv MISS", 'after it, another audience', token => $token);

    delete $two->{reach};
    $two->configure($conf);
    $two->reload;
    all_say($two, '/a', '200 MISS', 'the first one again: nothing was kept', token => $token);
}
$_->close for values(($two->{reach} // {})->%*);

# --- a small one ------------------------------------------------------------

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

    is_deeply \@wrong, [], 'a full one: right answers, each of its own';
    cmp_ok $seen{'200 HIT'}, '>', 100, 'some of them remembered';
    my $now = stats($small);
    cmp_ok $now->{bytes}, '<=', 65536, 'in no more bytes than it may have';
    cmp_ok $now->{evictions}, '>', 500, 'others were driven out';
    cmp_ok $now->{entries}, '>', 10, 'and it is used';

    # what is asked for between all of them stays
    my $hot = good_token();
    ask($small, '/a', token => $hot);
    my %hot;
    for my $n (1 .. 300) {
        ask($small, '/a', token => $jwts[$n % @jwts][1]);
        $hot{ask($small, '/a', token => $hot)}++;
    }
    is_deeply \%hot, { '200 HIT' => 300 }, 'what is in use stays';
}

# the time is taken for a configuration that names it, or once a page has
{
    my $page = serve(conf => <<'CONF', files => { %files,
    auth_token_issuer a {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
    }
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
    is "$first->{status} $first->{body}", '200 [(none)]', 'nobody has asked for the time';
    like "$next->{status} $next->{body}", qr/\A200 \[0\.\d{6}\]\z/, 'it is there from then on';
    is $_->header('X-Cache'), 'MISS', 'both were verified' for $first, $next;
}

# off, and one process
{
    my $off   = serve(conf => "auth_token_cache off;\n$conf");
    my $token = good_token();

    says($off, '/a', '200', 'off: no word of a cache', token => $token) for 1 .. 2;
    my (undef, $answer) = ask($off, '/a', token => $token);
    like $answer->header('X-Time'), qr/\A\d+\.\d{6}\z/, 'off: each time it is verified';
    is $off->request('/stats')->{body}, 'hits= misses= evictions= entries= bytes=', 'off: no numbers';
}

{
    my $one = AuthToken::Server->new($conf, files => \%files);
    AuthToken::Store->prepare->($one);
    my $pid   = $one->_spawn($one->dir . '/output', ['-g', 'daemon off; master_process off;']);
    my $token = good_token();

    is eval { AuthToken::Log::await_true(sub {
        eval { words($one->request('/a', token => $token, new => 1)) } // '' eq '200 MISS';
    }, 'an answer') && words($one->request('/a', token => $token)) } // $@, '200 HIT',
       'without a master process';

    $one->disconnect;
    kill 'QUIT', $pid;
    waitpid $pid, 0;
    is $?, 0, 'it ends';
    is_deeply [$one->reports], [], 'no report of a sanitizer';
}

# a store that has a part in it and that nobody has read: a token of keys alone is
# remembered, and is verified once where somebody asks before the access phase
{
    my $unread = serve(conf => <<'CONF', fill => sub ($store) { $store->token('t1') });
    auth_token_issuer a {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer any {
        issuer   https://any.example;
        audience clients any;
        client_claim appid;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_store lmdb:%%DIR%%/store;
    limit_req_zone $auth_token_user zone=users:1m rate=10000r/s;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust a any;
        add_header X-Cache $auth_token_cache_status always;
        location /good    { proxy_pass %%UPSTREAM%%; }
        location /limited { limit_req zone=users burst=1000 nodelay; proxy_pass %%UPSTREAM%%; }
    }
CONF

    for my $when ('before anybody has read the store', 'after a change of it') {
        my $token = good_token();
        says($unread, '/good', '200 MISS', "a token of keys alone, $when", token => $token);
        says($unread, '/good', '200 HIT', "is remembered, $when", token => $token);
        says($unread, '/limited', '200 MISS', "one is verified once, $when", token => good_token());
        $unread->{store}->ok('token', 'disable', 't1');
    }
}

# --- configuration ----------------------------------------------------------

conf_ok "auth_token_cache $_;", "auth_token_cache $_" for qw(off 64k 65536 16m 100M 32768m);

conf_fails "auth_token_cache $_; # here\n", qr/"auth_token_cache"/, "auth_token_cache $_"
    for qw(63k 65535 32769m 0 -1 1g on OFF 16mm 1.5m k ""), '99999999999999999999';

conf_fails "auth_token_cache; # here\n", qr/invalid number of arguments in "auth_token_cache"/,
           'no size';
conf_fails "auth_token_cache 1m 2m; # here\n", qr/invalid number of arguments in "auth_token_cache"/,
           'two sizes';
conf_fails "auth_token_cache 1m;\nauth_token_cache 1m; # here\n",
           qr/"auth_token_cache" directive is duplicate/, 'twice';
conf_fails "auth_token_cache off;\nauth_token_cache off; # here\n",
           qr/"auth_token_cache" directive is duplicate/, 'off, twice';
conf_fails "server {\nauth_token_cache 1m; # here\n}\n", qr/"auth_token_cache" directive is not allowed here/,
           'in a server block';

done;
