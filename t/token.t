#!/usr/bin/perl

# The text of a token: its parts, their base64url, their JSON.  One or two tokens for each
# reason; t/unit/jwt_test.c, base64url_test.c and json_test.c have all the others.
#
# Requirements: token-empty, token-parts, token-empty-part, base64-padding,
#   base64-foreign-bytes, base64-standard-alphabet, base64-spare-bits,
#   base64-length, header-json, payload-json, json-duplicates, json-nul,
#   json-utf8, json-depth, json-members, json-numbers, token-length, header-alg, header-typ,
#   header-crit, header-zip-enc, token-json-serialization, naughty-strings.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();

my $issuer = <<'CONF';
    %%ISSUER%%
    %%ISSUER at: typ at+jwt;%%
    %%ISSUER bare: typ absent;%%
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

# the default length limit, and the maximum
my $s   = start($issuer . $server);
my $big = start($issuer . '    auth_token_max_length 64k;' . $server);

my $rs256  = '{"alg":"RS256"}';
my $claims = (parts(good_token()))[1];
(my $members = $claims) =~ s/\A\{|\}\z//g;

sub inv ($reason, $name, $token, %o) {
    refused $s, '/api', invalid_token => $name, token => $token,
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

refused $s, '/api', invalid_token => "'$_'", auth => $_ for 'Bearer', 'Bearer ', 'bearer     ';

{
    my $good = good_token();
    my ($h, $p, $sig) = split /\./, $good;

    inv('malformed', $_->[0], $_->[1]) for
        ['two parts',      "$h.$p"],
        ['four parts',     "$good.AAAA"],
        ['a trailing dot', "$good."],
        ['a leading dot',  ".$good"],
        ['8,000 dots',     '.' x 8000],
        ['a JWE of five parts', join '.', b64u('{"alg":"RSA-OAEP","enc":"A256GCM"}'),
                                map { b64u($_ x 32) } 'k', 'i', 'c', 't'],
        ['no signature',   "$h.$p."],
        ['no header, with a valid signature', signed(".$p")],
        ['no payload, with a valid signature', signed("$h.")],
        ['flattened JSON serialization', qq({"payload":"$p","protected":"$h","signature":"$sig"})],
        ['general JSON serialization',
         qq({"payload":"$p","signatures":[{"protected":"$h","signature":"$sig"}]})];
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
    inv('malformed', "'$_->[0]' after the $part[$n]", with_part($n, $_->[1])) for
        map { my $end = $_; [$end, sub ($part) { $part . $end }] } '=', '==', "\x80";
    inv('malformed', "$_->[0] inside the $part[$n]",
        with_part($n, sub ($part) { substr($part, 0, 8) . $_->[1] . substr($part, 8) })) for
        ['a space', ' '], ['0x01', "\x01"], ['0xff', "\xff"], ['a dot', '.'];

    # a line's end ends the header, and with it the token
    inv($n < 2 ? 'malformed' : undef, "an end of line inside the $part[$n]",
        with_part($n, sub ($part) { substr($part, 0, 4) . "\r\n" . substr($part, 4) }));

    inv('malformed', "a $part[$n] with a length of 1 modulo 4",
        with_part($n, sub ($part) { $part . 'A' x ((5 - length $part) % 4) }));

    # the last character has 4 unused bits that must be zero
    my ($header, $payload) = map { $_ . ' ' x ((4 - length) % 3) } $rs256, $claims;
    inv('malformed', "an unused bit in the $part[$n]",
        with_part($n, sub ($part) { $part =~ s/(.)\z/$1 =~ tr{AQgw}{BRhx}r/er }, $header, $payload));
}

granted $s, '/api', 'nginx removes a space at the end of the token', token => good_token() . ' ';

# each part has both characters
{
    my $header  = '{"alg":"RS256","x":"?????~~~~~"}';
    my $payload = qq({"x":"?????~~~~~",$members});
    my $text;

    do { $text = raw_token($header, "$payload" . ' ' x rand 99) }
        until 3 == grep { /-/ && /_/ } split /\./, $text;

    granted $s, '/api', '- and _', token => $text;

    my ($h, $p, $sig) = split /\./, $text;
    inv('malformed', '+ and / in the header',    signed($h =~ tr{-_}{+/}r . ".$p"));
    inv('malformed', '+ and / in the payload',   signed("$h." . $p =~ tr{-_}{+/}r));
    inv('malformed', '+ and / in the signature', "$h.$p." . $sig =~ tr{-_}{+/}r);
}

# --- JSON -------------------------------------------------------------------

header_inv('bad_header', "header $_", $_) for '[]', '{', $rs256 . 'x', "\xef\xbb\xbf$rs256",
    '{"alg":"none","alg":"RS256"}', '{"alg":"RS256","\u0061lg":"none"}', "$rs256\0",
    '{"alg":"RS256","x":"\ud800"}', qq({"alg":"RS256","x":"\xc0\xaf"});
header_inv('bad_alg', '{}', '{}');

payload_inv('bad_payload', "payload $_", $_) for '[]', '{', $claims . 'x', "\xef\xbb\xbf$claims",
    qq({$members,"exp":1}), qq({$members,"\\u0065xp":1}), "{$members,\"x\":[{\"a\":1,\"a\":1}]}", "$claims\0",
    qq({$members,"x":"\\ud800"}), qq({$members,"x":"a\0b"}), qq({$members,"x":"\xed\xa0\x80"});
payload_inv('issuer_mismatch', '{}', '{}');

granted $s, '/api', 'white space in header and payload',
        token => raw_token(" \t\r\n{ \"alg\"\t:\r\n \"RS256\" } \n", " \t\r\n{ \n$members\r} \n");

# nested arrays; the object around them is a level, too
sub nested ($levels) { '"x":' . '[' x $levels . ']' x $levels }

# $n members, including $members
sub crowd ($n, $there) { join ',', map { qq("m$_":0) } 1 .. $n - $there }

my $count = keys %{ JSON::PP::decode_json($claims) };

granted $big, '/api', $_->[0], token => raw_token($_->[1], $_->[2]) for
    ['a header of depth 512',  '{"alg":"RS256",' . nested(511) . '}', $claims],
    ['a payload of depth 512', $rs256, "{$members," . nested(511) . '}'],
    ['1,000 members in the header',  '{"alg":"RS256",' . crowd(1000, 1) . '}', $claims],
    ['4,000 members in the payload', $rs256, "{$members," . crowd(4000, $count) . '}'],
    ['a string of 40 KiB', $rs256, "{$members,\"x\":\"" . 'a' x 40_960 . '"}'];
refused $big, '/api', invalid_token => $_->[0], reason => $_->[1], token => raw_token($_->[2], $_->[3]) for
    ['a header of depth 513', 'too_complex', '{"alg":"RS256",' . nested(512) . '}', $claims],
    ['a payload of depth 513', 'too_complex', $rs256, "{$members," . nested(512) . '}'],
    ['9,000 open objects', 'too_complex', $rs256, '{"a":' x 9000],
    ['the last of 4,000 members is a duplicate', 'bad_payload', $rs256,
     "{$members," . crowd(4000, $count) . ',"m1":0}'],
    ['arrays 100,000 deep', 'too_long', $rs256, "{$members," . nested(100_000) . '}'],
    ['a header of depth 9,000', 'too_complex', '{"alg":"RS256",' . nested(9_000) . '}', $claims];

# unusual JSON in claims that nothing uses
granted $s, '/api', "unused claim $_", token => raw_token($rs256, "{$members,$_}") for
    '"uid":18446744073709551615', '"uid":-9223372036854775809', '"n":1e400', '"n":[1e999,-1e999]',
    '"n":123456789012345678901234567890.5', '"x":"\u0000"', '"x":["a\u0000b",{"c\u0000":null}]', '"x":null',
    '"\u0000":{"":[]}';

# 126 clients of Keycloak, 9 KB
granted $s, '/api', '126 clients in resource_access', token => raw_token($rs256,
    "{$members,\"resource_access\":{" . join(',', map { qq("client-application-$_":{"roles":["view","manage","audit"]}) } 1 .. 126) . '}}');

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

granted $s, '/api', '16,384 bytes', token => sized(16_384);
inv('too_long', '16,385 bytes', sized(16_385));
inv('too_long', '64 KiB of one letter', 'A' x 65_536);
granted $big, '/api', '64 KiB', token => sized(65_536);
refused $big, '/api', invalid_token => '64 KiB and 1', reason => 'too_long', token => sized(65_537);
refused $big, '/api', invalid_token => '200 KiB', reason => 'too_long',
        token => 'A' x 100_000 . '.' . 'A' x 100_000 . '.AAAA';

# --- members of the header --------------------------------------------------

header_inv('bad_alg', "alg in $_", $_) for
    '{"typ":"JWT"}', map { qq({"alg":$_}) } 'null', '["RS256"]', '"rs256"', '"RS256 "', '"HS256"', '"none"';
inv('bad_alg', "$_ is not listed", token(alg => $_)) for 'RS384', 'PS256';

sub typ ($text) { raw_token(qq({"alg":"RS256","typ":$text}), $claims) }

granted $s, '/api', "typ $_", token => typ($_) for '"jwt"', '"AT+JWT"', '"application/at+jwt"';
inv('bad_typ', "typ $_", typ($_)) for '"JWE"', '""', '"application/jwt"', '123', 'null';

granted $s, '/at', 'only at+jwt is accepted', token => typ('"at+jwt"');
refused $s, '/at', invalid_token => "$_->[0], only at+jwt is accepted", token => $_->[1],
        reason => 'bad_typ' for
    ['JWT', typ('"JWT"')], ['no typ', raw_token($rs256, $claims)],
    ['application/at+jwt', typ('"application/at+jwt"')];
granted $s, '/bare', 'only a missing typ is accepted', token => raw_token($rs256, $claims);
refused $s, '/bare', invalid_token => 'JWT, only a missing typ is accepted', token => typ('"JWT"'),
        reason => 'bad_typ';

header_inv('bad_crit', "header member $_", qq({"alg":"RS256",$_})) for
    '"crit":["exp"]', '"crit":null', '"crit":["b64"],"b64":true', '"b64":false', '"zip":"DEF"', '"enc":null';
granted $s, '/api', "header member $_", token => raw_token(qq({"alg":"RS256",$_}), $claims) for
    '"cty":"JWT"', '"cty":7';
{
    # RFC 7797: the payload is not encoded, and is base64url all the same
    my $header = b64u('{"alg":"RS256","b64":false,"crit":["b64"]}');
    inv('bad_crit', 'a raw payload', signed("$header.AAAA"));
    inv(undef, 'a raw JSON payload', signed("$header.$claims"));
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

        refused $s, '/api', expired_token => "naughty string $i, expired", reason => 'expired',
                token => good_token(sub => $string, username => $string, exp => 1);
    }
}

done;
