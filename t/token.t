#!/usr/bin/perl

# The text of a token: its parts, their base64url, their JSON.
#
# Requirements: token-empty, token-parts, token-empty-part, base64-padding,
#   base64-foreign-bytes, base64-standard-alphabet, base64-spare-bits,
#   base64-length, header-json, payload-json, json-duplicates, json-nul,
#   json-utf8, json-depth, json-members, token-length, header-alg, header-typ,
#   header-crit, header-zip-enc, token-json-serialization, json-test-suite,
#   naughty-strings.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use JSON::PP ();

my $issuer = <<'CONF';
    %%ISSUER%%
    auth_token_issuer at {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        typ      at+jwt;
    }
    auth_token_issuer bare {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        typ      absent;
    }
CONF

my $server = <<'CONF';
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 512k;
        auth_token on;
        auth_token_trust main;
        proxy_set_header X-User $auth_token_user;

        location /     { proxy_pass %%UPSTREAM%%; }
        location /at   { auth_token_trust at; proxy_pass %%UPSTREAM%%; }
        location /bare { auth_token_trust bare; proxy_pass %%UPSTREAM%%; }
    }
CONF

my %o = (files => { 'rsa.pem' => key('rsa')->pem });

# the default length limit, and the maximum
my $s   = start($issuer . $server, %o);
my $big = start($issuer . '    auth_token_max_length 64k;' . $server, %o);

my $rs256  = '{"alg":"RS256"}';
my $claims = (parts(good_token()))[1];
(my $members = $claims) =~ s/\A\{|\}\z//g;

sub inv ($reason, $name, $token, %o) {
    refused $s, '/api', INV => $name, token => $token,
            defined $reason ? (reason => $reason) : (), %o;
}

# a valid token with another header or payload
sub header_inv ($reason, $name, $text) {
    inv($reason, "$name in the header", raw_token($text, $claims));
}

sub payload_inv ($reason, $name, $text) {
    inv($reason, "$name in the payload", raw_token($rs256, $text));
}

granted $s, '/api', 'a good token', token => good_token();
granted $s, '/api', 'a good token with a minimal header', token => raw_token($rs256, $claims);

# --- parts ------------------------------------------------------------------

refused $s, '/api', INV => "'$_'", auth => $_ for 'Bearer', 'Bearer ', 'bearer     ';

{
    my $good = good_token();
    my ($h, $p, $sig) = split /\./, $good;
    my $cut = $sig =~ s/(..)(?=..)/$1./gr;

    inv('malformed', "$_->[0]", $_->[1]) for
        ['one part',            $h],
        ['two parts',           "$h.$p"],
        ['the last two parts',     "$p.$sig"],
        ['four parts',          "$good.AAAA"],
        ['a trailing dot',       "$good."],
        ['two trailing dots',    "$good.."],
        ['a leading dot',     ".$good"],
        ['two dots in the middle', "$h..$p.$sig"],
        ['a dot in the signature',    "$h.$p." . substr($sig, 0, 99) . '.' . substr($sig, 99)],
        ['a signature in pieces', "$h.$p.$cut"],
        ['five parts',          "$h.$p.$sig.$p.$sig"],
        ['a JWE of five parts', join '.', b64u('{"alg":"RSA-OAEP","enc":"A256GCM"}'),
                                map { b64u($_ x 32) } 'k', 'i', 'c', 't'],
        ['..', '..'], ['....', '....'], ['.', '.'], ['8,000 dots', '.' x 8000];

    inv('malformed', "$_->[0]", $_->[1]) for
        ['no header',    ".$p.$sig"],
        ['no payload',   "$h..$sig"],
        ['no signature', "$h.$p."],
        ['no header, with a valid signature', signed(".$p")],
        ['no payload, with a valid signature', signed("$h.")];
}

# --- base64url --------------------------------------------------------------

# A good token with a change in one part.  The signature is made after the change
# of header or payload, so that the change alone makes the token invalid.
sub with_part ($n, $change, $header = $rs256, $payload = $claims) {
    my @parts = (b64u($header), b64u($payload));
    $parts[$n] = $change->($parts[$n]) if $n < 2;

    my $text = join '.', @parts;
    return signed($text) if $n < 2;
    return "$text." . $change->(b64u(sign($text, key('rsa'), 'RS256')));
}

my @part = ('header', 'payload', 'signature');

for my $n (0 .. 2) {
    for my $pad ('=', '==', '====') {
        inv('malformed', "'$pad' after the $part[$n]",
            with_part($n, sub ($part) { $part . $pad }));
    }

    for my $c (' ', "\t", "\x01", "\x7f", "\x80", "\xff", '!', '"', '%', '.') {
        inv('malformed', "'$c' inside the $part[$n]",
            with_part($n, sub ($part) { substr($part, 0, 8) . $c . substr($part, 8) }));

        # nginx strips spaces from the end of a header
        next if $n == 2 && $c eq ' ';
        inv('malformed', "'$c' at the end of the $part[$n]",
            with_part($n, sub ($part) { $part . $c }));
    }

    # a line's end ends the header, and with it the token
    for my $end ("\n", "\r\n") {
        inv($n < 2 ? 'malformed' : undef, "an end of line inside the $part[$n]",
            with_part($n, sub ($part) { substr($part, 0, 4) . $end . substr($part, 4) }));
    }

    inv('malformed', "a $part[$n] with a length of 1 modulo 4",
        with_part($n, sub ($part) { $part . 'A' x ((5 - length $part) % 4) }));
}

granted $s, '/api', 'nginx removes a space at the end of the token',
        token => good_token() . ' ';

# each part has both characters
{
    my $header  = '{"alg":"RS256","x":"?????~~~~~"}';
    my $payload = qq({"x":"?????~~~~~",$members});
    my $plain   = sub ($part) { $part };
    my $text;

    do { $text = with_part(2, $plain, $header, "$payload" . ' ' x rand 99) }
        until 3 == grep { /-/ && /_/ } split /\./, $text;

    granted $s, '/api', '- and _', token => $text;

    my ($h, $p, $sig) = split /\./, $text;
    for (['+', sub ($part) { $part =~ tr/-/+/r }],
         ['/', sub ($part) { $part =~ tr{_}{/}r }],
         ['+ and /', sub ($part) { $part =~ tr{-_}{+/}r }],
         ['one + among -', sub ($part) { $part =~ s/-/+/r }])
    {
        my ($what, $change) = @$_;
        inv('malformed', "$what in the header",  signed($change->($h) . ".$p"));
        inv('malformed', "$what in the payload", signed("$h." . $change->($p)));
        inv('malformed', "$what in the signature", "$h.$p." . $change->($sig));
    }
}

# the last character of a part has 2 or 4 unused bits that must be zero
{
    my @alphabet = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');
    my %value; @value{@alphabet} = 0 .. 63;

    for my $n (0 .. 2) {
        for my $length (2, 3) {
            next if $n == 2 && $length == 3;        # 256 bytes: 4 spare bits
            my ($header, $payload) = ($rs256, $claims);
            $header  .= ' ' while length(b64u($header))  % 4 != $length;
            $payload .= ' ' while length(b64u($payload)) % 4 != $length;

            granted $s, '/api', "$length last characters, no unused bits",
                    token => raw_token($header, $payload);

            for my $bits (1 .. ($length == 2 ? 15 : 3)) {
                inv('malformed', "unused bits $bits in the $part[$n]",
                    with_part($n, sub ($part) {
                        $part =~ s/(.)\z/$alphabet[$value{$1} + $bits]/r;
                    }, $header, $payload));
            }
        }
    }
}

# --- JSON -------------------------------------------------------------------

my $utf16 = join '', map { "$_\0" } split //, $rs256;

header_inv('bad_header', "header $_", $_) for
    '[]', '"RS256"', 'null', '7', ' ', '{', '{"alg":"RS256"', '{alg:"RS256"}',
    "{'alg':'RS256'}", '[{"alg":"RS256"}]', $rs256 . 'x', "$rs256 $rs256",
    "$rs256,", '{"alg":"RS256",}', "\xef\xbb\xbf$rs256", $utf16, "\xff\xfe$utf16",
    '{"alg":"RS256"/**/}', "{\"alg\":\"RS256\",\"x\":\"\t\"}", '{"alg":"RS256","x":01}';
header_inv('bad_alg', '{}', '{}');

granted $s, '/api', 'white space around and inside the header',
        token => raw_token(" \t\r\n{ \"alg\"\t:\r\n \"RS256\" } \n", $claims);

payload_inv('bad_payload', "payload $_", $_) for
    '[]', '[{}]', "[$claims]", '"exp"', 'null', '7', ' ', '{', substr($claims, 0, -1),
    $claims . 'x', "$claims $claims", "$claims,", "\xef\xbb\xbf$claims",
    join('', map { "$_\0" } split //, $claims), "{$members,}", "{$members,'a':1}";
payload_inv('issuer_mismatch', '{}', '{}');

granted $s, '/api', 'white space around and inside the payload',
        token => raw_token($rs256, " \t\r\n{ \n$members\r} \n");

header_inv('bad_header', "header $_", $_) for
    '{"alg":"none","alg":"RS256"}', '{"alg":"RS256","alg":"HS256"}',
    '{"alg":"RS256","alg":"RS256"}', '{"alg":"RS256","\u0061lg":"none"}',
    '{"alg":"RS256","kid":"a","kid":"b"}', '{"alg":"RS256","typ":"JWT","typ":"JWT"}',
    '{"alg":"RS256","crit":[],"crit":["x"]}', '{"alg":"RS256","x":{"a":1,"a":2}}';

payload_inv('bad_payload', "$_ twice", qq({$members,"$_":1})) for
    'exp', 'iss', 'aud', 'scope', '\u0065xp', 'e\u0078p';
payload_inv('bad_payload', "$_ twice", qq({"$_":1,$members,"$_":1})) for
    'nbf', 'sub', 'anything';
payload_inv('bad_payload', "$_->[0]", "{$members,$_->[1]}") for
    ['a duplicate nested member', '"x":{"a":1,"a":1}'],
    ['a deeply nested duplicate',  '"x":[[{"y":{"a":1,"b":2,"a":3}}]]'];

for (['after the object',       "%s\0"],
     ['after it, with trailing data',     "%s\0{}"],
     ['before the object',  "\0%s"])
{
    my ($where, $form) = @$_;
    header_inv('bad_header',   "NUL $where", sprintf $form, $rs256);
    payload_inv('bad_payload', "NUL $where", sprintf $form, $claims);
}

for (["NUL in a string",    qq("x":"a\0b")], ["NUL in a name",    qq("x\0y":1)],
     ['\u0000 in a string', '"x":"a\u0000b"'], ['\u0000 in a name', '"x\u0000y":1'])
{
    my ($what, $member) = @$_;
    header_inv('bad_header',   "$what", qq({"alg":"RS256",$member}));
    payload_inv('bad_payload', "$what", "{$members,$member}");
}

for (['0xff', "\xff"], ['overlong', "\xc0\xaf"], ['a lone surrogate', '\ud800'],
     ['a lone low surrogate', '\udc00'], ['CESU-8', "\xed\xa0\x80\xed\xb0\x80"],
     ['a truncated sequence', "\xe2\x82"], ['beyond Unicode', "\xf4\x90\x80\x80"])
{
    my ($what, $bytes) = @$_;
    header_inv('bad_header',   "$what", qq({"alg":"RS256","x":"a$bytes"}));
    payload_inv('bad_payload', "$what", qq({$members,"x":"a$bytes"}));
    payload_inv('bad_payload', "$what at the end", qq({$members,"x":"$bytes));
}

# nested arrays; the object around them is a level, too
sub nested ($levels) { '"x":' . '[' x $levels . ']' x $levels }

granted $s, '/api', 'header of depth 8',
        token => raw_token('{"alg":"RS256",' . nested(7) . '}', $claims);
header_inv('bad_header', 'depth 9', '{"alg":"RS256",' . nested(8) . '}');
granted $s, '/api', 'payload of depth 32',
        token => raw_token($rs256, "{$members," . nested(31) . '}');
payload_inv('bad_payload', "depth $_", "{$members," . nested($_ - 1) . '}') for 33, 2047;
payload_inv('bad_payload', 'objects of depth 33',
    "{$members,\"x\":" . '{"a":' x 31 . '{}' . '}' x 32);

refused $big, '/api', INV => "$_->[0]", reason => $_->[1],
        token => raw_token($rs256, $_->[2]) for
    ['8,000 open arrays',         'bad_payload', '[' x 8000],
    ['8,000 open arrays in an object', 'bad_payload', "{$members,\"x\":" . '[' x 8000],
    ['20,000 open objects',       'bad_payload', '{"a":' x 9000],
    ['arrays 20,000 deep',        'bad_payload', "{$members," . nested(20_000) . '}'],
    ['arrays 100,000 deep',       'too_long',    "{$members," . nested(100_000) . '}'];
refused $big, '/api', INV => 'a header of depth 9,000', reason => 'bad_header',
        token => raw_token('{"alg":"RS256",' . nested(9_000) . '}', $claims);

# $n members, including $members
sub crowd ($n, $there) { join ',', map { qq("m$_":0) } 1 .. $n - $there }

my $count = keys %{ JSON::PP::decode_json($claims) };

granted $s, '/api', '256 members',
        token => raw_token($rs256, "{$members," . crowd(256, $count) . '}');
payload_inv('bad_payload', '257 members', "{$members," . crowd(257, $count) . '}');
payload_inv('bad_payload', '257 members in all objects',
    "{$members,\"x\":{" . crowd(256, $count) . '}}');
granted $s, '/api', '64 members',
        token => raw_token('{"alg":"RS256",' . crowd(64, 1) . '}', $claims);
header_inv('bad_header', '65 members', '{"alg":"RS256",' . crowd(65, 1) . '}');

granted $big, '/api', 'a string of 8 KiB',
        token => raw_token($rs256, "{$members,\"x\":\"" . 'a' x 8192 . '"}');
refused $big, '/api', INV => "$_->[0]", reason => 'bad_payload',
        token => raw_token($rs256, "{$members,$_->[1]}") for
    ['a longer string', '"x":"' . 'a' x 8193 . '"'],
    ['a longer name',   '"' . 'a' x 8193 . '":0'],
    ['a string of 40 KiB', '"x":"' . 'a' x 40_000 . '"'];

# --- length -----------------------------------------------------------------

# a good token of exactly $n bytes, without a long string
sub sized ($n) {
    my $pad = $n - length signed(b64u($rs256) . '.' . b64u($claims));

    for my $extra (0 .. 2) {
        my $header  = $rs256 . ' ' x $extra;
        my $payload = $claims . ' ' x int($pad * 3 / 4 - $extra);
        my $missing = $n - length(b64u($header)) - length(b64u($payload)) - 2 - 342;

        $payload .= ' ' x int($missing * 3 / 4) if $missing > 0;
        my $token = raw_token($header, $payload);
        return $token if length $token == $n;

        $token = raw_token($header, "$payload ");
        return $token if length $token == $n;
    }

    die "no token of $n bytes\n";
}

granted $s, '/api', '8,192 bytes', token => sized(8192);
inv('too_long', '8,193 bytes', sized(8193));
inv('too_long', '64 KiB of one letter', 'A' x 65_536);
granted $big, '/api', '64 KiB', token => sized(65_536);
refused $big, '/api', INV => '64 KiB and 1', reason => 'too_long',
        token => sized(65_537);
refused $big, '/api', INV => '200 KiB', reason => 'too_long',
        token => 'A' x 100_000 . '.' . 'A' x 100_000 . '.AAAA';

# --- members of the header --------------------------------------------------

header_inv('bad_alg', "alg in $_", $_) for
    '{"typ":"JWT"}', map { qq({"alg":$_}) }
    'null', '256', 'true', '["RS256"]', '{"RS256":1}', '""', '" RS256"', '"RS256 "',
    '"rs256"', '"Rs256"', '"HS256"', '"none"', '"RS"', '"RS2567"', '"RSA256"',
    '"1.2.840.113549.1.1.11"', '"RS256,none"', '"ES256"', '"PS256"', '"EdDSA"';
header_inv('bad_header', 'RS256\u0000', '{"alg":"RS256\u0000"}');
refused $big, '/api', INV => '10 KB',
        token => raw_token('{"alg":"' . 'RS256' x 2000 . '"}', $claims);

inv('bad_alg', "$_ is not listed", token(alg => $_)) for 'RS384', 'RS512', 'PS256';
inv('bad_alg', 'EdDSA is not listed', token(alg => 'EdDSA', key => key('ed25519')));

sub typ ($text) { raw_token(qq({"alg":"RS256","typ":$text}), $claims) }

granted $s, '/api', "typ $_", token => typ($_) for
    '"JWT"', '"jwt"', '"Jwt"', '"at+jwt"', '"AT+JWT"', '"application/at+jwt"';
inv('bad_typ', "typ $_", typ($_)) for
    '"JWE"', '"JOSE"', '"JOSE+JSON"', '""', '"JWT "', '"application/jwt"', '"secevent+jwt"',
    '"dpop+jwt"', '123', 'null', 'true', '["JWT"]', '{}';

granted $s, '/at', 'only at+jwt is accepted', token => typ('"at+jwt"');
refused $s, '/at', INV => "$_->[0], only at+jwt is accepted", token => $_->[1],
        reason => 'bad_typ' for
    ['JWT', typ('"JWT"')], ['no typ', raw_token($rs256, $claims)],
    ['application/at+jwt', typ('"application/at+jwt"')];
granted $s, '/bare', 'only a missing typ is accepted', token => raw_token($rs256, $claims);
refused $s, '/bare', INV => 'JWT, only a missing typ is accepted', token => typ('"JWT"'),
        reason => 'bad_typ';

header_inv('bad_crit', "header member $_", qq({"alg":"RS256",$_})) for
    '"crit":["exp"]', '"crit":["x"],"x":1', '"crit":[]', '"crit":"exp"', '"crit":null',
    '"crit":["b64"],"b64":true', '"crit":["b64"],"b64":false', '"b64":true', '"b64":false',
    '"b64":null';
{
    # RFC 7797: the payload is not encoded, and is base64url all the same
    my $header = b64u('{"alg":"RS256","b64":false,"crit":["b64"]}');
    inv('bad_crit', 'a raw payload', signed("$header.AAAA"));
    inv(undef, 'a raw JSON payload', signed("$header.$claims"));
}

header_inv('bad_crit', "header member $_", qq({"alg":"RS256",$_})) for
    '"zip":"DEF"', '"enc":"A256GCM"', '"zip":null', '"enc":null';
granted $s, '/api', "header member $_", token => raw_token(qq({"alg":"RS256",$_}), $claims) for
    '"cty":"JWT"', '"cty":7';

{
    my ($h, $p, $sig) = split /\./, good_token();
    inv('malformed', "$_->[0] JSON serialisation", $_->[1]) for
        ['flattened', qq({"payload":"$p","protected":"$h","signature":"$sig"})],
        ['general',
         qq({"payload":"$p","signatures":[{"protected":"$h","signature":"$sig"}]})];
}

# --- JSONTestSuite ----------------------------------------------------------

{
    my $dir = "$AuthToken::Server::ROOT/t/data/json-test-suite";

    # what RFC 8259 allows and one reading does not
    my $ambiguous = qr/\Ay_(?:object_duplicated_key(?:_and_value)?
                           |object_escaped_null_in_key|string_null_escape)\.json\z/x;

    opendir my $dh, $dir or die "$dir: $!";
    my @files = sort grep { /\.json\z/ } readdir $dh;
    is scalar @files, 318, 'all files of JSONTestSuite';

    for my $file (@files) {
        my $text = AuthToken::Log->new("$dir/$file")->content;

        # as a payload it is refused: it has no exp
        refused $big, '/api', INV => "$file", token => raw_token($rs256, $text);

        # as a claim among good ones it is judged by itself
        my $token = raw_token($rs256, qq({$members,"x":$text}));

        if ($file =~ /\Ay_/ && $file !~ $ambiguous) {
            granted $big, '/api', "$file as a claim", token => $token;

        } elsif ($file !~ /\Ai_/) {
            refused $big, '/api', INV => "$file as a claim", token => $token;

        } else {
            my $answer = $big->request('/api', token => $token, tag => next_tag);
            like $answer->{status}, qr/\A(?:200|401)\z/, "$file as a claim";
        }
    }
}

# --- naughty strings --------------------------------------------------------

{
    my $file = "$AuthToken::Server::ROOT/t/data/naughty-strings/blns.json";

    my $strings = JSON::PP::decode_json(AuthToken::Log->new($file)->content);
    is scalar @$strings, 515, 'all naughty strings';

    for my $i (0 .. $#$strings) {
        my $string = $strings->[$i];

        # a name that would change in a header field is left empty
        utf8::encode(my $bytes = $string);
        my $user = $bytes =~ /[\x00-\x1f\x7f]|\A | \z/ ? '' : $bytes;

        my $tag    = next_tag;
        my $answer = $s->request('/api', tag => $tag,
                                 token => good_token(sub => $string, username => $string));
        my ($hit)  = hits($s, $tag);

        is_granted $answer, "naughty string $i";
        is $hit->{http_x_user}, $user, "naughty string $i as \$auth_token_user";

        refused $s, '/api', EXP => "naughty string $i, expired", reason => 'expired',
                token => good_token(sub => $string, username => $string, exp => 1);
    }
}

done;
