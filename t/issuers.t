#!/usr/bin/perl

# Several issuers: which of them a location trusts, which of their keys are tried,
# which requirements apply to a token.
#
# Requirements: jwk-set, issuer-selection, key-selection, key-limit, token-without-kid,
#   nbf-iat.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

sub jwks (@keys) { '{"keys":[' . join(',', @keys) . ']}' }

my @all_algorithms = qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519);

# eight keys that come before the tested key
my @others = map { key("p256$_")->jwk } 'b' .. 'i';

my $blocks = '';
sub block ($name, @lines) { $blocks .= "auth_token_issuer $name { " . join(' ', @lines) . " }\n" }
sub iss ($name) { "issuer https://$name.example;" }

# one tenant with two APIs: same keys and iss, different audiences
block 'api',     'issuer https://issuer.example;', 'audience api;', 'key_file %%DIR%%/rsa.json;';
block 'web',     'issuer https://issuer.example;', 'audience web web2;', 'key_file %%DIR%%/rsa.json;';
# issuers with other keys
block 'second',  iss('second'), 'audience api;', 'key_file %%DIR%%/rsa2.json;', 'user_claim id;';
block 'foreign', iss('foreign'), 'audience api;', 'key_file %%DIR%%/rsa3.pem;';
block 'two',     iss('two'), 'audience any;', 'key_file %%DIR%%/rsa.json;', 'key_file %%DIR%%/rsa2.json;',
                 'key_file %%DIR%%/rsa3.pem;';
# keys with the same kid, without kid, more than are tried
block 'same',    iss('same'), 'audience api;', 'key_file %%DIR%%/same.json;';
block 'nameless', iss('nameless'), 'audience api;', 'key_file %%DIR%%/nameless.json;';
block 'seven',   iss('keys'), 'audience api;', 'algorithms ES256;', 'key_file %%DIR%%/seven.json;';
block 'eight',   iss('keys'), 'audience api;', 'algorithms ES256;', 'key_file %%DIR%%/eight.json;';
block 'eight2',  iss('keys'), 'audience api;', 'algorithms ES256;', 'key_file %%DIR%%/eight2.json;';
block 'nine',    iss('keys'), 'audience api;', 'algorithms ES256;', 'key_file %%DIR%%/nine.json;';
block 'last',    iss('keys'), 'audience api;', 'algorithms ES256;', 'key_file %%DIR%%/last.json;';
# requirements
block 'cert',    iss('cert'), 'audience api;', 'key_file %%DIR%%/cert.json;';
# providers whose tokens have no kid, each with its own iss and key
my @partners = map { "p256$_" } 'b' .. 'm';
block "partner-$_", iss("partner-$_"), 'audience api;', 'algorithms ES256;', "key_file %%DIR%%/$_.pem;" for @partners;
# providers with the same kid
block "kid$_",   iss("kid$_"), 'audience api;', "key_file %%DIR%%/kid$_.json;" for 1, 2;
# providers with five keys each
block "five$_",  iss("five$_"), 'audience api;', "key_file %%DIR%%/five$_.json;" for 1, 2;
block 'lenient', iss('lenient'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'leeway 60s;';
block 'fresh',   iss('fresh'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'max_age 1m;';
block 'fresh2',  iss('fresh2'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'max_age 1m;', 'leeway 30s;';
block 'typed',   iss('typed'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'typ at+jwt;';
block 'absent',  iss('absent'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'typ absent;';
block 'either',  iss('either'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'typ absent X;';
block 'anyone',  iss('anyone'), 'audience any;', 'key_file %%DIR%%/rsa.json;';
block 'many',    'issuer a b c;', 'audience x y z;', 'key_file %%DIR%%/rsa.json;';
block 'claims',  iss('claims'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'user_claim who.name;',
                 'scope_claim realm_access.roles;', 'admin_claim realm_access.root;';
block 'noadmin', iss('noadmin'), 'audience api;', 'key_file %%DIR%%/rsa.json;', 'admin_claim off;';
block "alg-$_",  iss('alg'), 'audience api;', "algorithms $_;", 'key_file %%DIR%%/every.json;'
    for @all_algorithms;
block 'every',   iss('alg'), 'audience api;', "algorithms @all_algorithms;",
                 'key_file %%DIR%%/every.json;';

my @names = $blocks =~ /^auth_token_issuer (\S+)/mg;
my ($x5t, $x5t256) = map { b64u(chr($_) x $_) } 20, 32;
my $locations = join '', map {
    my $inner = $_ eq 'second' ? 'location /second/in/ { proxy_pass %%UPSTREAM%%; }' : '';
    "location /$_/ { auth_token_trust $_; proxy_pass %%UPSTREAM%%; $inner }\n";
} @names;

my $s = start(<<"CONF", files => {
    $blocks
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust api;
        proxy_set_header X-Extra \$auth_token_issuer;

        location / { proxy_pass %%UPSTREAM%%; }
        $locations
        location /api-web/   { auth_token_trust api web; proxy_pass %%UPSTREAM%%; }
        location /web-api/   { auth_token_trust web api; proxy_pass %%UPSTREAM%%; }
        location /all/       { auth_token_trust foreign second web api; proxy_pass %%UPSTREAM%%; }
        location /typed-api/ { auth_token_trust typed api; proxy_pass %%UPSTREAM%%; }
        location /api-typed/ { auth_token_trust api typed; proxy_pass %%UPSTREAM%%; }
        location /sixteen/   { auth_token_trust eight eight2; proxy_pass %%UPSTREAM%%; }
        location /17/        { auth_token_trust eight eight2 last; proxy_pass %%UPSTREAM%%; }
        location /partners/  { auth_token_trust @{[map { "partner-$_" } @partners]}; proxy_pass %%UPSTREAM%%; }
        location /kids/      { auth_token_trust kid1 kid2; proxy_pass %%UPSTREAM%%; }
        location /abc/       { auth_token_trust five1 five2 foreign; proxy_pass %%UPSTREAM%%; }
        location /cab/       { auth_token_trust foreign five1 five2; proxy_pass %%UPSTREAM%%; }
        location /acb/       { auth_token_trust five1 foreign five2; proxy_pass %%UPSTREAM%%; }
        location /scope/     { auth_token_trust claims noadmin api; auth_token_require_scope boss;
                               proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN2%%;
        auth_token on;
        location /good { auth_token_trust api; proxy_pass %%UPSTREAM%%; }
        location /x    { auth_token_trust web; proxy_pass %%UPSTREAM%%; }
        location /open { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /list { auth_token_accept none; auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
    }
CONF
    'rsa.json'      => jwks(key('rsa')->jwk(kid => 'one')),
    'rsa2.json'     => jwks(key('rsa2')->jwk(kid => 'two')),
    'rsa3.pem'      => key('rsa3')->pem,
    'same.json'     => jwks(key('rsa')->jwk(kid => 'one'), key('rsa2')->jwk(kid => 'one'),
                            key('rsa3')->jwk(kid => 'other')),
    'nameless.json' => jwks(key('rsa')->jwk, key('rsa2')->jwk, key('rsa3')->jwk(kid => 'three')),
    'seven.json'    => jwks(@others[0 .. 6], key('p256')->jwk),
    'eight.json'    => jwks(@others, key('p256')->jwk(kid => 'late')),
    'eight2.json'   => jwks((map { key("p256$_")->jwk } 'j' .. 'q'), key('p256')->jwk(kid => 'late')),
    'nine.json'     => jwks(@others, key('p256')->jwk),
    'five1.json'    => jwks(map { key("rsa$_")->jwk(kid => "k$_") } 5 .. 9),
    'five2.json'    => jwks(map { key("rsa$_")->jwk } 5 .. 9),
    'kid1.json'     => jwks(key('rsa')->jwk(kid => '1')),
    'kid2.json'     => jwks(key('rsa2')->jwk(kid => '1'), key('rsa3')->jwk(kid => "\x{2713} 2")),
    'cert.json'     => jwks(key('rsa2')->jwk(kid => 'a'), key('rsa')->jwk(kid => 'b', x5t => $x5t, 'x5t#S256' => $x5t256)),
    (map { ("$_.pem" => key($_)->pem) } @partners),
    'last.json'     => jwks(key('p256')->jwk(kid => 'late')),
    'every.json'    => jwks(map { key($_)->jwk(kid => $_) } qw(rsa p256 p384 p521 ed25519)),
});

sub by ($name, %o) {
    my %claims = (iss => "https://$name.example", ($o{claims} // {})->%*);
    return token(%o, claims => \%claims);
}

# granted, and the upstream gets the name of the issuer
sub by_issuer ($path, $issuer, $name, $token) {
    granted $s, $path, $name, token => $token, decision => { issuer => $issuer };
    my $tag = next_tag;
    $s->request($path, token => $token, tag => $tag);
    my ($hit) = hits($s, $tag);
    is $hit->{http_x_extra}, $issuer, "$name: the upstream gets issuer $issuer";
}

sub refused_for ($path, $reason, $name, $token, $sign = 'invalid_token') {
    refused $s, $path, $sign => $name, token => $token, reason => $reason;
}

# --- trusted issuers --------------------------------------------------------

my $api = token();
my $web = token(claims => { aud => 'web' });
my $second = by('second', key => key('rsa2'));
my $foreign = by('foreign', key => key('rsa3'));

by_issuer '/x', api => 'the issuer that the server trusts', $api;
by_issuer '/web/', web => 'another audience, another block', $web;
by_issuer '/web/', web => 'its second audience', token(claims => { aud => ['x', 'web2'] });
refused_for '/x', audience_mismatch => 'a token of the other API', $web;
refused_for '/web/', audience_mismatch => 'a token of this API at the other', $api;
by_issuer '/api-web/', api => 'both, the first', $api;
by_issuer '/api-web/', web => 'both, the second', $web;
by_issuer '/web-api/', api => 'both, the other order', $api;
by_issuer '/web-api/', web => 'both, the other order', $web;
by_issuer '/api-web/', api => 'a token for both: the first block', token(claims => { aud => ['web', 'api'] });
by_issuer '/web-api/', web => 'a token for both: the first block', token(claims => { aud => ['web', 'api'] });
refused_for '/api-web/', audience_mismatch => 'a token for neither', token(claims => { aud => 'x' });
refused_for '/web-api/', expired => 'expired for the second issuer', token(claims => { exp => 1 }),
    'expired_token';
refused_for '/web-api/', expired => 'expired for the first issuer', token(claims => { exp => 1, aud => 'web' }), 'expired_token';
refused_for '/web-api/', audience_mismatch => 'expired for neither', token(claims => { exp => 1, aud => 'x' });

by_issuer '/second/', second => 'another block with another key', $second;
by_issuer '/second/in/', second => 'inherited', $second;
by_issuer '/foreign/', foreign => 'a key without kid', $foreign;
by_issuer '/all/', $_->[0] => 'four trusted issuers', $_->[1]
    for ['api', $api], ['web', $web], ['second', $second], ['foreign', $foreign];

refused_for '/x', issuer_mismatch => 'a token of an issuer that is not trusted', $second;
refused_for '/x', issuer_mismatch => 'a token of an issuer that is not trusted, with its kid', by('second', key => key('rsa2'), header => { kid => 'two' });
refused_for '/second/in/', issuer_mismatch => 'an issuer that only the level above trusts', $api;
refused_for '/second/', bad_signature => 'iss of one issuer, key of another', by('second');
refused_for '/x', issuer_mismatch => 'key of one issuer, iss of another', by('second', key => key('rsa'));
refused_for '/all/', bad_signature => 'both trusted: key of one, iss of the other', $_ for
    by('second'), by('foreign'), token(key => key('rsa2')), token(key => key('rsa3')),
    by('second', key => key('rsa3')), by('foreign', key => key('rsa2'));
refused_for '/all/', audience_mismatch => 'both trusted: key and iss of one, audience of another',
    by('second', key => key('rsa2'), claims => { aud => 'web' });
refused_for '/all/', bad_signature => 'an unknown key', token(key => key('rsa3072'));

for my $path ('/', '/y') {
    refused $s, $path, unavailable => "no trusted issuer is configured: $path", port => 2, token => $api,
            reason => 'misconfigured';
}
granted $s, '/good', 'a location with a trusted issuer', port => 2, token => $api;
refused $s, '/x', invalid_token => 'a location that trusts another issuer', port => 2, token => $api, reason => 'audience_mismatch';
granted $s, '/open', 'auth_token off needs no trusted issuer', port => 2;
granted $s, '/list', 'accept none needs no trusted issuer', port => 2;

# --- keys -------------------------------------------------------------------

sub kid ($kid, $iss, $key, %o) { by($iss, header => { kid => $kid }, key => key($key), %o) }

by_issuer '/same/', same => "two keys of one kid: $_", kid('one', 'same', $_) for 'rsa', 'rsa2';
refused_for '/same/', bad_signature => 'the key of another kid', kid('one', 'same', 'rsa3');
refused_for '/same/', bad_signature => 'the kid of another key', kid('other', 'same', 'rsa');
refused_for '/same/', unknown_kid => "kid $_", kid($_, 'same', 'rsa') for 'two', 'ONE', 'on', 'onee', 'other2';
by_issuer '/same/', same => "no kid, three keys: $_", by('same', key => key($_)) for 'rsa', 'rsa2', 'rsa3';
refused_for '/same/', bad_signature => 'no kid, none of the keys', by('same', key => key('rsa3072'));

by_issuer '/nameless/', nameless => "any kid, keys without one: $_", kid('x', 'nameless', $_) for 'rsa', 'rsa2';
refused_for '/nameless/', bad_signature => 'any kid, a key with another', kid('x', 'nameless', 'rsa3');
by_issuer '/nameless/', nameless => 'its kid', kid('three', 'nameless', 'rsa3');
by_issuer '/nameless/', nameless => 'its kid, a key without', kid('three', 'nameless', 'rsa');
by_issuer '/nameless/', nameless => "no kid: $_", by('nameless', key => key($_)) for 'rsa', 'rsa2', 'rsa3';

by_issuer '/two/', two => "keys of several files: $_", by('two', key => key($_)) for 'rsa', 'rsa2', 'rsa3';
by_issuer '/two/', two => 'of several files, by kid', kid('two', 'two', 'rsa2');
refused_for '/two/', bad_signature => 'of several files, the kid of another', kid('one', 'two', 'rsa2');

my @es = (key => key('p256'), alg => 'ES256');
by_issuer '/seven/', seven => 'without kid, eight keys are tried', by('keys', @es);
refused_for '/eight/', too_many_keys => 'without kid, the ninth key is not tried', by('keys', @es);
by_issuer '/eight/', eight => 'with kid, the ninth key is tried', by('keys', @es, header => { kid => 'late' });
refused_for '/nine/', too_many_keys => "nine keys without kid: $_", by('keys', @es, header => { kid => $_ }) for GONE, 'x';
by_issuer '/sixteen/', eight2 => 'without kid, sixteen keys of two blocks are tried', by('keys', alg => 'ES256', key => key('p256q'));
by_issuer '/17/', last => 'without kid, the seventeenth key is tried', by('keys', @es);
by_issuer '/17/', eight => 'with kid, the first block with this kid', by('keys', @es, header => { kid => 'late' });
by_issuer '/last/', last => 'without kid, the only key is tried', by('keys', @es);

# the order of auth_token_trust and the keys of other providers do not matter
by_issuer '/partners/', "partner-$_" => "twelve partners without kid: $_", by("partner-$_", alg => 'ES256', key => key($_)) for @partners;
refused_for '/partners/', bad_signature => 'the key of another partner', by("partner-$partners[0]", alg => 'ES256', key => key($partners[1]));
for my $path ('/abc/', '/cab/', '/acb/') {
    by_issuer $path, foreign => "three providers, a token without kid, $path", $foreign;
    by_issuer $path, five1 => "three providers, a kid, $path", by('five1', key => key('rsa9'), header => { kid => "k9" });
    by_issuer $path, five2 => "three providers, keys without kid, $path", by('five2', key => key('rsa9'));
}

by_issuer '/kids/', "kid$_->[0]" => "two providers with the same kid: $_->[0]", kid('1', "kid$_->[0]", $_->[1])
    for [1, 'rsa'], [2, 'rsa2'];
refused_for '/kids/', bad_signature => 'two providers with the same kid: the key of the other', kid('1', $_->[0], $_->[1])
    for ['kid1', 'rsa2'], ['kid2', 'rsa'];
by_issuer '/kids/', kid2 => 'a kid with a space and a character beyond Latin-1', kid("\x{2713} 2", 'kid2', 'rsa3');

by_issuer '/cert/', cert => "an unknown kid, but a thumbprint: $_->[0]", kid('x', 'cert', 'rsa', header => { kid => 'x', @$_ })
    for ['x5t', $x5t], ['x5t#S256', $x5t256];
by_issuer '/cert/', cert => 'a thumbprint without kid', by('cert', header => { x5t => $x5t });
refused_for '/cert/', unknown_kid => 'another thumbprint', by('cert', header => { kid => 'x', x5t => b64u('x' x 20) });
refused_for '/cert/', bad_signature => 'the thumbprint of another key', by('cert', key => key('rsa2'), header => { kid => 'x', x5t => $x5t });

like $s->errors->content, qr/\[warn\] .*"auth_token_issuer nine" has 9 keys without "kid" for one algorithm, only 8 of them are tried in \S+:\d+/,
    'nginx -t warns about more keys without kid than are tried';
unlike $s->errors->content, qr/"auth_token_issuer (?!nine)\S+" has \d+ keys/, 'and only then';

# --- requirements ----------------------------------------------------------------

my $now = time;

by_issuer '/lenient/', lenient => "leeway: exp $_", by('lenient', claims => { exp => $now + $_ }) for -50, -1, 1;
refused_for '/lenient/', expired => "leeway: exp $_", by('lenient', claims => { exp => $now + $_ }), 'expired_token' for -60, -61, -1000;
by_issuer '/lenient/', lenient => "leeway: nbf $_", by('lenient', claims => { nbf => $now + $_ }) for 50, 1, -1;
refused_for '/lenient/', not_yet_valid => "leeway: nbf $_", by('lenient', claims => { nbf => $now + $_ }) for 75, 1000;
refused_for '/x', expired => 'no leeway', token(claims => { exp => $now - 1 }), 'expired_token';
refused_for '/x', not_yet_valid => 'no leeway', token(claims => { nbf => $now + 20 });

by_issuer '/fresh/', fresh => "max_age: iat $_", by('fresh', claims => { iat => $now + $_ }) for -45, -1, 0;
refused_for '/fresh/', too_old => "max_age: iat $_", by('fresh', claims => { iat => $now + $_ }), 'expired_token' for -61, -1000;
refused_for '/fresh/', not_yet_valid => 'max_age: iat in the future', by('fresh', claims => { iat => $now + 20 });
refused_for '/fresh/', bad_claim => 'max_age: no iat', by('fresh', claims => { iat => GONE });
refused_for '/fresh/', bad_claim => 'max_age: iat is a string', by('fresh', claims => { iat => "$now" });
by_issuer '/fresh2/', fresh2 => "max_age and leeway: iat $_", by('fresh2', claims => { iat => $now + $_ }) for -75, 15;
refused_for '/fresh2/', too_old => 'max_age and leeway', by('fresh2', claims => { iat => $now - 91 }),
    'expired_token';
by_issuer '/x', api => 'no max_age: iat does not matter', token(claims => { iat => $_ }) for 1, $now + 10_000;

# header members, and whether blocks take them: default, typ at+jwt, absent, absent X
for my $row (['no typ', GONE, 1, 0, 1, 1], ['JWT', 'JWT', 1, 0, 0, 0], ['jwt', 'jwt', 1, 0, 0, 0],
             ['at+jwt', 'at+jwt', 1, 1, 0, 0], ['AT+JWT', 'AT+JWT', 1, 1, 0, 0],
             ['application/at+jwt', 'application/at+jwt', 1, 0, 0, 0],
             ['absent', 'absent', 0, 0, 0, 0], ['X', 'X', 0, 0, 0, 1], ['x', 'x', 0, 0, 0, 1],
             ['empty', '', 0, 0, 0, 0], ['a number', 7, 0, 0, 0, 0], ['null', undef, 0, 0, 0, 0],
             ['a list', ['at+jwt'], 0, 0, 0, 0], ['a prefix', 'at', 0, 0, 0, 0],
             ['a space', 'at+jwt ', 0, 0, 0, 0])
{
    my ($name, $typ, @taken) = @$row;
    my @blocks = (['/x', 'api', 'issuer'], ['/typed/', 'typed', 'typed'],
                  ['/absent/', 'absent', 'absent'], ['/either/', 'either', 'either']);
    for my $i (0 .. 3) {
        my ($path, $block, $iss) = $blocks[$i]->@*;
        my $token = by($iss, header => { typ => $typ });
        $taken[$i] ? by_issuer($path, $block, "typ $name at $block", $token)
                   : refused_for($path, bad_typ => "typ $name at $block", $token);
    }
}

by_issuer "/$_/", typed => "typ of the matching block: $_", by('typed', header => { typ => 'at+jwt' }) for 'typed-api', 'api-typed';
by_issuer "/$_/", api => "typ of the matching block: $_", $api for 'typed-api', 'api-typed';
refused_for "/$_/", bad_typ => "typ of the matching block: $_, JWT of the other", by('typed') for 'typed-api', 'api-typed';

by_issuer '/many/', many => "iss $_->[0], aud $_->[1]", token(claims => { iss => $_->[0], aud => $_->[1] })
    for ['a', 'x'], ['b', 'y'], ['c', 'z'], ['c', ['w', 'x']];
refused_for '/many/', issuer_mismatch => "iss $_", token(claims => { iss => $_, aud => 'x' }) for 'x', 'ab', 'A', '', 'a b', 'a,b';
refused_for '/many/', audience_mismatch => "aud $_", token(claims => { iss => 'a', aud => $_ }) for 'a', 'X', '', 'x y', 'any';
refused_for '/many/', issuer_mismatch => 'iss is not a string', token(claims => { iss => $_, aud => 'x' }) for ['a'], 7, undef, { a => 1 }, GONE;
refused_for '/many/', issuer_mismatch => 'an unknown iss, forged', token(key => key('rsa2'), claims => { iss => 'x', aud => 'x' });

by_issuer '/anyone/', anyone => 'audience any', by('anyone', claims => { aud => $_ }) for 'x', ['y', 'z'], GONE, [];
refused_for '/anyone/', bad_claim => 'audience any, but aud has a wrong type', by('anyone', claims => { aud => $_ }) for 7, undef, { a => 1 }, [7];
refused_for '/x', audience_mismatch => 'the audience "any" where another one is required', token(claims => { aud => 'any' });

{
    my %claims = (who => { name => 'kate' }, realm_access => { roles => ['boss'] },
                  username => 'mallory', scope => ['boss'], isAdmin => \'true');
    granted $s, '/scope/', 'claims by path', token => by('claims', claims => \%claims),
            decision => { user => 'kate', scope => 'boss', issuer => 'claims' };
    refused_for '/scope/', insufficient_scope => 'the claim "scope" is ignored with scope_claim',
        by('claims', claims => { %claims, realm_access => {} }), 'insufficient_scope';
    granted $s, '/scope/', 'an admin by path', token => by('claims', claims => {
        %claims, realm_access => \'{"root":true}' }), decision => { scope => '' };
    refused_for '/scope/', insufficient_scope => "not an admin by path: $_", by('claims', claims => {
        %claims, realm_access => \qq({"root":$_}) }), 'insufficient_scope' for 'false', '1', '"true"', 'null', '["true"]', '{}';
    granted $s, '/scope/', 'isAdmin', token => token(claims => { isAdmin => \'true' });
    refused_for '/scope/', insufficient_scope => 'admin_claim off',
        by('noadmin', claims => { isAdmin => \'true' }), 'insufficient_scope';
}

# --- algorithms -------------------------------------------------------------

my %key = ((map { ("RS$_" => 'rsa', "PS$_" => 'rsa') } 256, 384, 512),
           ES256 => 'p256', ES384 => 'p384', ES512 => 'p521',
           EdDSA => 'ed25519', Ed25519 => 'ed25519');

for my $alg (@all_algorithms) {
    my @how = (alg => $alg, key => key($key{$alg}));

    by_issuer "/alg-$alg/", "alg-$alg" => "$alg, no kid", by('alg', @how);
    by_issuer "/alg-$alg/", "alg-$alg" => "$alg, its kid", by('alg', @how, header => { kid => $key{$alg} });
    by_issuer '/every/', every => "$alg where all algorithms are accepted", by('alg', @how);
    refused_for "/alg-$alg/", bad_signature => "$alg, another payload", do {
        my @parts = split /\./, by('alg', @how);
        join '.', $parts[0], b64u(json(exp => $now + 99, aud => 'api', iss => 'https://alg.example',
                                       username => 'root', isAdmin => \'true')), $parts[2];
    };
    refused_for "/alg-$_/", bad_alg => "$alg where $_ is accepted", by('alg', @how)
        for grep { $_ ne $alg } @all_algorithms;
    refused_for "/alg-$_/", bad_signature => "$alg with the header of $_", by('alg', @how, header => { alg => $_ })
        for grep { $_ ne $alg && $key{$_} eq $key{$alg} && !/\AEd/ } @all_algorithms;
    refused_for '/every/', bad_signature => "$alg with the header of $_", by('alg', @how, header => { alg => $_ })
        for grep { $_ ne $alg && $key{$_} eq $key{$alg} && !/\AEd/ } @all_algorithms;
}

refused_for '/every/', bad_alg => "alg $_", by('alg', header => { alg => $_ })
    for 'none', 'HS256', 'ES521', 'ES256K', 'rs256', 'EDDSA', 'Ed448', 'RSA-OAEP', '';

# --- configurations ---------------------------------------------------------

my %files = ('rsa.pem' => key('rsa')->pem);
my $two = join '', map { <<"CONF" } 'one', 'other';
auth_token_issuer $_ { issuer $_; audience api; key_file %%DIR%%/rsa.pem; }
CONF

conf_fails "$two server { location / { $_->[1] } }", $_->[2], $_->[0], files => \%files for
    ['two issuers without auth_token_trust', "auth_token on; # here\n",              'auth_token_trust'],
    ['an unknown issuer',  "auth_token on;\nauth_token_trust ghost; # here\n", 'ghost'],
    ['an unknown issuer beside another', "auth_token on;\nauth_token_trust one ghost; # here\n", 'ghost'],
    ['another case',       "auth_token on;\nauth_token_trust One; # here\n", 'One'],
    ['a duplicate issuer',          "auth_token on;\nauth_token_trust one one; # here\n", 'duplicate'],
    ['the directive twice', "auth_token_trust one;\nauth_token_trust other; # here\n", 'duplicate'],
    ['no name',            "auth_token_trust; # here\n", 'number of arguments'];
conf_fails "$two auth_token_issuer one { # here\n issuer x; audience x; key_file %%DIR%%/rsa.pem; }",
    'one', 'two blocks with the same name', files => \%files;
conf_ok "$two server { auth_token on; location / { auth_token_trust one; } }",
    'auth_token_trust in the location', files => \%files;
conf_ok "auth_token_trust other; $two server { auth_token on; location / { } }",
    'auth_token_trust before the issuer block', files => \%files;

done;
