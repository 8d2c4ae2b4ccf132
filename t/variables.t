#!/usr/bin/perl

# Variables: their values, and the requests and phases in which they are set.
#
# Requirements: variable-control-characters, variable-text, variable-types,
#   variable-names, variable-scope, variable-memory.

use v5.36;
use utf8;

use lib 't/lib';

use AuthToken::Test;
use Digest::SHA qw(sha256_hex);
use Encode qw(encode_utf8);

my @variables = map { "\$auth_token_$_" }
                qw(status reason method issuer user scope subject fingerprint);
my $all  = join '|', @variables;
my $long = 'n' x 200;

my $s = start(<<"CONF", files => {
    %%ISSUER main: algorithms RS256 EdDSA; key_file %%DIR%%/rsa.pem; key_file %%DIR%%/ed25519.pem;%%
    %%ISSUER other: issuer https://other.example; user_claim id;%%

    auth_token_max_length 32k;

    auth_token_claim \$tenant  org.tenant;
    auth_token_claim \$of_main main org.tenant;
    auth_token_claim \$of_other other org.tenant;
    auth_token_claim \$dotted  org\\.tenant;
    auth_token_claim \$slashed "a\\\\\\\\b";
    auth_token_claim \$dashed  x-y;
    auth_token_claim \$url     https://example\\.com/roles.a\\.b;
    auth_token_claim \$upper   TenantId;
    auth_token_claim \$deep    1.2.3.4.5.6.7.8;
    auth_token_claim \$item    list.0;
    auth_token_claim \$empty_name 'org. ';

    map \$auth_token_user \$mapped { volatile; jane her; john his; '' none; default another; }
    map \$auth_token_user \$kept   { jane her; '' none; default another; }
    limit_req_zone \$auth_token_user zone=users:1m rate=1r/m;

    proxy_set_header X-User  \$auth_token_user;
    proxy_set_header X-Extra '$all';
    large_client_header_buffers 4 32k;
    keepalive_requests 100000;

    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        http2_max_concurrent_streams 200;
        auth_token on;
        auth_token_trust main;

        location / { proxy_pass %%UPSTREAM%%; }

        location /claim {
            proxy_set_header X-User \$auth_token_user;
            proxy_set_header X-Extra \$auth_token_claim_value;
            proxy_pass %%UPSTREAM%%;
        }
        location /case { proxy_set_header X-Extra \$auth_token_claim_TenantID; proxy_pass %%UPSTREAM%%; }
        location /paths {
            proxy_set_header X-Extra '\$tenant|\$of_main|\$of_other|\$dotted|\$slashed|\$dashed|\$url|\$upper|\$deep|\$item|\$empty_name|\$auth_token_claim_$long';
            auth_token_trust main other;
            proxy_pass %%UPSTREAM%%;
        }

        # before the access phase
        location /early {
            set \$early \$auth_token_user;
            set \$condition no;
            if (\$auth_token_user) { set \$condition yes; }
            proxy_set_header X-Extra '\$early|\$condition|\$mapped|\$auth_token_user';
            proxy_pass %%UPSTREAM%%;

            location /early/scope { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
            location /early/any {
                set \$early '\$auth_token_user \$mapped \$kept';
                proxy_set_header X-Extra '\$early|\$auth_token_user|\$mapped|\$kept';
                satisfy any;
                allow all;
                auth_token_require_scope admin;
                proxy_pass %%UPSTREAM%%;
            }
            location /early/other {
                set \$early \$auth_token_user;
                proxy_set_header X-Extra '\$early|\$auth_token_user|\$auth_token_issuer';
                auth_token_trust other;
                proxy_pass %%UPSTREAM%%;
            }
            location /early/status {
                set \$early '[\$auth_token_status\$auth_token_reason]';
                proxy_set_header X-Extra '\$early|\$auth_token_status|\$auth_token_reason';
                proxy_pass %%UPSTREAM%%;
            }
        }
        location /limited { limit_req zone=users; proxy_pass %%UPSTREAM%%; }
        location /rewrite {
            rewrite ^/rewrite/out/ /off/ last;
            rewrite ^/rewrite/to/(.*) /\$auth_token_user/\$1 break;
            proxy_pass %%UPSTREAM%%;
        }

        location /scope  { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        location /off    { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /other  { auth_token_trust other; proxy_pass %%UPSTREAM%%; }
        location /none   { auth_token_accept none; auth_token_allow 127.0.0.0/8; proxy_pass %%UPSTREAM%%; }

        # after another module has granted, or refused
        location /either {
            satisfy any;
            allow all;
            proxy_pass %%UPSTREAM%%;
            location /either/scope { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        }
        location /either/basic {
            satisfy any;
            auth_token_accept cookie;
            auth_basic x; auth_basic_user_file users;
            proxy_pass %%UPSTREAM%%;
        }
        location /both   { deny all; proxy_pass %%UPSTREAM%%; }

        # after internal redirects
        location /redirect {
            location /redirect/try    { try_files /nothing /scope/read; }
            location /redirect/trynone { try_files /nothing \@named; }
            location /redirect/gone   { error_page 404 = /off/gone; root %%DIR%%/html; }
            location /redirect/gone/on { error_page 404 = /x; root %%DIR%%/html; }
            location /redirect/gone/scope { error_page 404 = /scope; root %%DIR%%/html; }
            location /redirect/refused { error_page 401 403 = /off; proxy_pass %%UPSTREAM%%; }
            location /redirect/named   { error_page 401 403 = \@named; proxy_pass %%UPSTREAM%%; }
            location /redirect/next    { error_page 401 403 = /other; proxy_pass %%UPSTREAM%%; }
            location /redirect/accel/ { proxy_pass http://unix:%%DIR%%/accel.sock:/; }
        }
        location \@named { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /scope/read { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }

        # subrequests
        location /ssi    { ssi on; alias %%DIR%%/ssi; default_type text/html; }
        location /offssi { auth_token off; ssi on; alias %%DIR%%/ssi; default_type text/html; }
        location /asked  { auth_request /check; proxy_pass %%UPSTREAM%%; }
        location /check  { proxy_pass %%UPSTREAM%%; }
        location /mirrored { mirror /mirror; proxy_pass %%UPSTREAM%%; }
        location /mirror { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN3%%;
        location / { proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen unix:%%DIR%%/accel.sock;
        access_log off;
        location / {
            if (\$uri ~ ^/(.*)) { set \$to /\$1; }
            add_header X-Accel-Redirect \$to;
            return 200;
        }
    }
CONF
    'rsa.pem' => key('rsa')->pem,
    'ed25519.pem' => key('ed25519')->pem,
    'users' => "basil:{PLAIN}secret\n",
    'ssi' => '<!--#include virtual="/off/one" --><!--#include virtual="/scope/two" -->',
});

my $good  = good_token();
my $other = good_token(iss => 'https://other.example');
my $bad   = token(key => key('rsa2'));
my $old   = good_token(exp => 1);

# the X-Extra of the request to the upstream, or undef without such a request
sub extra ($path, %o) {
    my $tag = next_tag;
    $s->request($path, %o, tag => $tag);
    my ($hit) = hits($s, $tag);
    return $hit ? $hit->{http_x_extra} : undef;
}

sub shows ($path, $expected, $name, %o) { is extra($path, %o), $expected, $name }

sub fingerprint ($token) { substr sha256_hex($token), 0, 12 }

# --- values of each variable ------------------------------------------------

my $jane = 'OK|ok|bearer|main|jane|read write|jane|' . fingerprint($good);

shows '/', $jane, 'a good token', token => $good;
for (['jane|a|jane',     'one scope',                  scope => 'a'],
     ['jane|b a b|jane', 'repeated scopes',            scope => '  b   a b '],
     ['|read write|me',  'a sub without a user claim', username => GONE, sub => 'me'],
     ['jane||jane',      'no scope',                   scope => []])
{
    my ($expected, $name, %claims) = @$_;
    my $token = good_token(%claims);
    shows '/', "OK|ok|bearer|main|$expected|" . fingerprint($token), $name, token => $token;
}
shows '/none', 'OK|ok||||||', 'auth_token_accept none', token => $bad;
shows '/other', 'OK|ok|bearer|other|1108612|read write|1108612|' . fingerprint($other),
    'another issuer, another user claim', token => $other;

my %anonymous = (status => '', reason => '', method => '', issuer => '', user => '', scope => '',
              subject => '', fingerprint => '', client => '', role => '', endpoint => '');

# the variables in the log phase, for a request with this token
sub logged ($path, $expected, $name, $token = undef, %o) {
    my $tag = next_tag;
    $s->request($path, token => $token, %o, tag => $tag);
    $expected = { fingerprint => fingerprint($token), %$expected } if defined $token && %$expected;
    is_deeply decision($s, $tag), { %anonymous, %$expected }, "$name, in the log phase";
}

my $invalid = 'API_INVALID_ACCESS_TOKEN';
my %granted = (status => 'OK', reason => 'ok', method => 'bearer', issuer => 'main',
               user => 'jane', scope => 'read write', subject => 'jane');
my %no_scope = (status => 'API_INSUFFICIENT_RIGHTS', reason => 'insufficient_scope', subject => 'jane');

logged '/', \%granted, 'granted', $good;
logged '/', { status => $invalid, reason => 'no_credential' }, 'no credential';
logged '/', { status => $invalid, reason => 'bad_signature' }, 'a bad token', $bad;
logged '/', { status => 'API_EXPIRED_ACCESS_TOKEN', reason => 'expired', subject => 'jane' }, 'an old token', $old;
logged '/', { status => $invalid, reason => 'issuer_mismatch' }, 'another issuer', $other;
logged '/scope', \%no_scope, 'another scope', $good;
logged '/off', {}, 'auth_token off', $good;
logged '/x', {}, 'a server without the module', $good, port => 3;
logged '/either', { status => $invalid, reason => 'bad_signature' }, 'satisfy any', $bad;

# --- values of claims -------------------------------------------------------

sub value ($json) { good_token(value => \encode_utf8($json)) }

for (
    ['"text"', 'text'],              ['""', ''],                  ['null', ''],
    ['true', 'true'],                ['false', 'false'],
    ['0', '0'],                      ['7', '7'],                  ['-7', '-7'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['1.5', '1.5'],                  ['1e2', '1e2'],            ['1e300', '1e300'],
    ['18446744073709551615', '18446744073709551615'], ['1.10', '1.10'], ['-0', '-0'], ['1E+400', '1E+400'],
    ['[18446744073709551615, 1.0]', '[18446744073709551615,1.0]'],
    ['"\u0000"', ''],                ['"a\u0000b"', ''],          ['["a\u0000"]', ''],
    ['{"a\u0000":1}', ''],
    ['[]', '[]'],                    ['{}', '{}'],
    ['{"b":{"c":[1]},"a":"x"}', '{"b":{"c":[1]},"a":"x"}'],
    ['"7"', '7'],                    ['"null"', 'null'],          ['"[]"', '[]'],
    ['"a b"', 'a b'],                ['"a,b;c=d"', 'a,b;c=d'],    ['"\\"quoted\\""', '"quoted"'],
    ['"%0d%0aX-User: root"', '%0d%0aX-User: root'],
    ['"$auth_token_user"', '$auth_token_user'],
    ['"</script>"', '</script>'],
    ['"Jörg 😀"', encode_utf8('Jörg 😀')],
    ['"J\\u00f6rg"', encode_utf8('Jörg')],
    ['["a\\nb"]', '["a\\nb"]'],      ['{"a\\r\\n":1}', '{"a\\r\\n":1}'],
    ['["\\u007f"]', ''],             # DEL is not escaped in JSON
    ['"' . 'x' x 8192 . '"', 'x' x 8192],
    ['" a"', ''], ['"a "', ''], ['" "', ''], ['"  a  b  "', ''],
) {
    my ($json, $expected) = @$_;
    is extra('/claim', token => value($json)), $expected, encode_utf8('claim ' . substr $json, 0, 40);
}

is extra('/claim', token => good_token()), '', 'a missing claim';
refused $s, '/claim', invalid_token => "claim value $_", token => value($_), reason => 'bad_payload'
    for '"\ud800"', '01';

for my $c (1 .. 31, 127) {
    my $escaped = sprintf '\u%04x', $c;
    my $name = sprintf '0x%02x', $c;

    for my $text ($escaped, "a${escaped}X-User: root") {
        my $tag = next_tag;
        is_granted $s->request('/claim', token => value("\"$text\""), tag => $tag), "$name in a claim";
        my ($hit) = hits($s, $tag);
        is $hit->{http_x_extra}, '', "$name: empty";
        is $hit->{http_x_user}, 'jane', "$name: other headers are unchanged";
    }
}

# control characters and spaces in other variables
for (['username', 'user'], ['scope', 'scope']) {
    my ($claim, $variable) = @$_;
    for my $text ("a\nb", "\r", "a\x7f", ' a', 'a ') {
        next if $claim eq 'scope' && $text =~ /^ | $/;      # split at spaces
        my $tag = next_tag;
        my $answer = $s->request('/', token => good_token($claim => $text), tag => $tag);
        is_granted $answer, "a token with an unsafe $claim";
        my $got = decision($s, $tag);
        is $got->{$variable}, '', "\$auth_token_$variable is empty";
        is $got->{subject}, '', '$auth_token_subject is empty' if $claim eq 'username';
    }
}

# --- names and paths --------------------------------------------------------

sub paths ($expected, $name, %claims) {
    my @order = qw(tenant of_main of_other dotted slashed dashed url upper deep item empty_name long);
    shows '/paths', join('|', map { $_ // '' } @$expected{@order}), $name, token => good_token(%claims);
}

paths {}, 'none of the claims';
paths { tenant => 'a', of_main => 'a' }, 'a nested claim', org => { tenant => 'a' };
paths { tenant => 'a', of_other => 'a' }, 'a nested claim of the other issuer', org => { tenant => 'a' },
      iss => 'https://other.example';
paths { dotted => 'a' }, 'a dot in a name', 'org.tenant' => 'a';
paths { dotted => 'b', tenant => 'a', of_main => 'a' }, 'a dot in a name and a nested claim', 'org.tenant' => 'b',
      org => { tenant => 'a' };
paths { slashed => 'a' }, 'a backslash', 'a\\b' => 'a';
paths { dashed => 'a' }, 'a dash', 'x-y' => 'a';
paths { url => 'a' }, 'a URL', 'https://example.com/roles' => { 'a.b' => 'a' };
paths { upper => 'a' }, 'several cases', TenantId => 'a', tenantid => 'b', TENANTID => 'c';
paths {}, 'another case', tenantid => 'a';
paths { deep => 'x' }, 'eight levels', 1 => { 2 => { 3 => { 4 => { 5 => { 6 => { 7 => { 8 => 'x' } } } } } } };
paths {}, 'seven levels', 1 => { 2 => { 3 => { 4 => { 5 => { 6 => { 7 => 8 } } } } } };
paths { item => 'a' }, 'an object with a numeric name', list => { 0 => 'a' };
paths {}, 'a path through a string', org => 'tenant';
paths { tenant => '{"a":1}', of_main => '{"a":1}' }, 'a path to an object', org => { tenant => { a => 1 } };
paths { long => 'x' }, 'a name of 200 bytes', $long => 'x';
paths {}, 'a name of 201 bytes', "${long}n" => 'x';

shows '/case', $_->[1], $_->[0], token => good_token($_->[2]->%*) for
    ['another case',       'a', { tenantId => 'a' }],
    ['lower case before other cases', 'a', { tenantid => 'a', tenantId => 'b', TENANTID => 'c' }],
    ['two other cases', '',  { tenantId => 'a', TENANTID => 'b' }],
    ['another name',    '',  { tenant_id => 'a' }];

conf_fails "%%ISSUER%% map \$uri \$x { default a; }\nauth_token_claim \$x a; # here\n", 'x', 'a variable of a map';
conf_fails "auth_token_claim \$x main a; # here\n%%ISSUER%%", 'main', 'an issuer that is defined later';

# --- before the access phase ------------------------------------------------

shows '/early', 'jane|yes|her|jane', 'set, if and map before the access phase', token => $good;
shows '/early', 'john|yes|his|john', 'another user', token => good_token(username => 'john');
shows '/early', '|no|none|', 'a token without a user', token => good_token(username => GONE);
is extra('/early/scope', token => $good), undef, 'an insufficient scope is refused after "set"';
# nginx keeps the value of a map during a request, unless it is volatile
shows '/early/any', 'jane her her||none|her', 'a valid token with an insufficient scope, granted by another module',
    token => $good;
shows '/early/any', 'none none||none|none', "$_->[0], granted by another module", token => $_->[1]
    for ['a bad token', $bad], ['an old token', $old], ['no token', undef], ['another issuer', $other];
shows '/early/any', 'jane her her|jane|her|her', 'a valid token with the scope',
    token => good_token(scope => ['admin']);
shows '/early/other', '1108612|1108612|other', 'a location that trusts another issuer',
    token => $other;
is extra('/early/other', token => $good), undef, 'a location that trusts another issuer refuses a token of the first';
shows '/early/status', '[]|OK|ok', 'no status before the access phase', token => $good;
logged '/early/scope', \%no_scope, 'visible before the access phase, then refused', $good;

granted $s, '/limited', 'limit_req by user: the first request', token => $good;
my $limited = $s->request('/limited', token => $good, tag => 'limited');
is $limited->{status}, 503, 'limit_req by user: the second request is limited';
unlike $limited->{body}, qr/"code"/, 'limit_req by user: the page of nginx';
is_deeply decision($s, 'limited'), { %anonymous, subject => 'jane', fingerprint => fingerprint($good) },
    'limit_req by user: no user in the log';

my $rewritten = next_tag;
$s->request('/rewrite/to/x', token => $good, tag => $rewritten);
is((hits($s, $rewritten))[0]{uri}, '/jane/x', '$auth_token_user in a rewrite');
shows '/rewrite/out/x', '|||||||', 'a rewrite to a location with auth_token off', token => $good;

# --- satisfy, internal redirects --------------------------------------------

my ($b, $n) = map { "$invalid|$_" } 'bad_signature||||||' . fingerprint($bad),
                                    'no_credential||||||';
my $c = 'API_INSUFFICIENT_RIGHTS|insufficient_scope|||||jane|' . fingerprint($good);

shows '/either', $jane, 'satisfy any: a good token', token => $good;
shows '/either', $b, 'satisfy any: a bad token', token => $bad;
shows '/either', $n, 'satisfy any: no token';
shows '/either/scope', $c, 'satisfy any: an insufficient scope', token => $good;
shows '/either/basic', "$invalid|bad_signature||||||" . fingerprint($bad),
    'satisfy any: a bad token, granted by auth_basic', auth => 'Basic YmFzaWw6c2VjcmV0',
    cookie => "accessToken=$bad";
shows '/either/basic', $jane =~ s/bearer/cookie/r, 'satisfy any: a good token, refused by auth_basic',
    auth => 'Basic YmFzaWw6d3Jvbmc=', cookie => "accessToken=$good";
is extra('/both', token => $good), undef, 'satisfy all: another module refuses';
logged '/both', \%granted, 'satisfy all: another module refuses', $good;

shows '/redirect/try', $jane, 'try_files to a protected location', token => $good;
is extra('/redirect/try', token => good_token(scope => ['x'])), undef,
    'try_files to a location with another scope';
shows '/redirect/trynone', $jane, 'try_files to a named location', token => $good;
is extra('/redirect/trynone', token => $bad), undef, 'try_files of a refused request';
shows '/redirect/gone/x', $jane, 'error_page of a granted request', token => $good;
shows '/redirect/gone/on/x', $jane, 'error_page to a protected location', token => $good;
is extra('/redirect/gone/scope/x', token => $good), undef, 'error_page to a location with another scope';
logged '/redirect/gone/scope/x', \%no_scope, 'error_page to a location with another scope', $good;
shows "/redirect/$_", $b, "error_page of a refusal, $_", token => $bad for 'refused', 'named';
shows "/redirect/$_", $n, "error_page of a refusal, $_, no token" for 'refused', 'named';
shows '/redirect/next', 'OK|ok|bearer|other|1108612|read write|1108612|' . fingerprint($other),
    'refused, then granted in the location of error_page', token => $other;

shows '/redirect/accel/off', $jane, 'X-Accel-Redirect', token => $good;
shows '/redirect/accel/x', $jane, 'X-Accel-Redirect to a protected location', token => $good;
is extra('/redirect/accel/scope', token => $good), undef, 'X-Accel-Redirect to a location with another scope';
is extra('/redirect/accel/other', token => $good), undef,
    'X-Accel-Redirect to a location that trusts another issuer';
shows '/redirect/accel/either/scope', $c, 'X-Accel-Redirect to a location where another module grants',
    token => $good;
is extra('/redirect/accel/off', token => $bad), undef, 'X-Accel-Redirect of a refused request';

# --- subrequests ------------------------------------------------------------

sub subrequests ($path, $n, %o) {
    my $tag = next_tag;
    my $answer = $s->request($path, %o, tag => $tag);
    $s->upstream->hits->await($tag, $n);
    return ($answer, map { "$_->{uri} $_->{http_x_user}" } hits($s, $tag));
}

{
    my ($answer, @seen) = subrequests('/ssi', 2, token => $good);
    is $answer->{status}, 200, 'SSI';
    is_deeply [sort @seen], ['/off/one jane', '/scope/two jane'],
        'subrequests show the user of the main request';

    ($answer, @seen) = subrequests('/ssi', 0, token => $bad);
    is_refused $answer, invalid_token => 'SSI';
    is_deeply \@seen, [], 'a refused request has no subrequests';

    for (['good', $good], ['bad', $bad]) {
        (undef, @seen) = subrequests('/offssi', 2, token => $_->[1]);
        is_deeply [sort @seen], ['/off/one ', '/scope/two '],
            "subrequests of an open request show no user, $_->[0] token";
    }

    ($answer, @seen) = subrequests('/asked', 2, token => $good);
    is_granted $answer, 'auth_request';
    is_deeply [sort @seen], ['/asked jane', '/check jane'], 'auth_request';

    ($answer, @seen) = subrequests('/asked', 0, token => $bad);
    is_refused $answer, invalid_token => 'auth_request';
    is_deeply \@seen, [], 'a refused request has no subrequest of auth_request';

    (undef, @seen) = subrequests('/mirrored', 2, token => $good);
    is_deeply [sort @seen], ['/mirror jane', '/mirrored jane'], 'mirror';
}

# --- many users on one connection -------------------------------------------

my @people = map {
    [$_, token(alg => 'EdDSA', key => key('ed25519'), claims => { username => $_, sub => $_ })]
} map { "user$_" } 1 .. 300;

# user, token and status: some of the requests are refused
sub mixed ($i) {
    my ($user, $token) = $people[$i * 7 % @people]->@*;
    my $altered = $token =~ s/(....)\z/$1 eq 'AAAA' ? 'BAAA' : 'AAAA'/er;
    return $i % 5 == 3 ? ['', $altered, 401] : $i % 11 == 5 ? ['', undef, 401] : [$user, $token, 200];
}

# each request has the status, the upstream request and the log line of its user
sub each_is_right ($name, $rows, $tags, $answers) {
    my @wrong = grep {
        my ($hit)  = hits($s, $tags->[$_]);
        my $logged = decision($s, $tags->[$_]);
        my ($user, $token, $status) = $rows->[$_]->@*;

        $answers->[$_]{status} != $status || ($hit ? 200 : 401) != $status
            || ($hit && $hit->{http_x_user} ne $user)
            || $logged->{user} ne $user || $logged->{subject} ne $user
            || $logged->{fingerprint} ne (defined $token ? fingerprint($token) : '');
    } 0 .. $#$rows;
    is_deeply \@wrong, [], $name;
}

for my $round (0 .. 9) {
    my @rows = map { mixed($round * 300 + $_) } 0 .. 299;
    my @tags = map { next_tag } @rows;
    my (undef, @answers) = exchange($s,
        join('', map { request_bytes('/', token => $rows[$_][1], tag => $tags[$_]) } 0 .. $#rows),
        heads => [(0) x @rows]);

    each_is_right("300 requests of many users on one connection, $round", \@rows, \@tags, \@answers);
}

{
    my @rows = map { mixed($_) } 0 .. 399;
    my @tags = map { next_tag } @rows;
    my @answers = http2($s, map {
        ['/', { port => 2, tag => $tags[$_], token => $rows[$_][1] }]
    } 0 .. $#rows);

    each_is_right('400 streams of many users on one connection', \@rows, \@tags, \@answers);
}

done;
