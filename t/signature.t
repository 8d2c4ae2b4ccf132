#!/usr/bin/perl

# Signatures: valid ones, and one or two of each kind of attack; t/unit/jwt_test.c and
# crypto_test.c have the others.
#
# Requirements: signature-valid, signature-bit-flip, signature-shape,
#   signature-of-another-token, alg-none, alg-hmac-with-public-key,
#   alg-mix-up, ecdsa-shape, header-embedded-key, header-kid.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use IO::Socket::INET;
use Math::BigInt;

sub jwks (@keys) { '{"keys":[' . join(',', @keys) . ']}' }

my $s = start(<<'CONF', files => {
    %%ISSUER rsa:%%
    %%ISSUER sizes: key_file %%DIR%%/rsa3072.pem; key_file %%DIR%%/rsa4096.pem;%%
    %%ISSUER algs: algorithms RS256 RS384 RS512 PS256 PS384 PS512;%%
    %%ISSUER es256: key_file %%DIR%%/p256.pem; algorithms ES256;%%
    %%ISSUER es: key_file %%DIR%%/ec.jwks; algorithms ES256 ES384 EdDSA RS256;%%
    %%ISSUER es512: key_file %%DIR%%/ed.jwks; algorithms ES512 Ed25519;%%
    %%ISSUER es384: key_file %%DIR%%/p384.pem; algorithms ES256 ES384;%%
    %%ISSUER kids: key_file %%DIR%%/kids.jwks; algorithms RS256 RS512 ES256;%%
    auth_token_trust rsa;
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        auth_token on;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /sizes  { auth_token_trust sizes; proxy_pass %%UPSTREAM%%; }
        location /algs   { auth_token_trust algs;  proxy_pass %%UPSTREAM%%; }
        location /es     { auth_token_trust es;    proxy_pass %%UPSTREAM%%; }
        location /es256  { auth_token_trust es256; proxy_pass %%UPSTREAM%%; }
        location /es384  { auth_token_trust es384; proxy_pass %%UPSTREAM%%; }
        location /es512  { auth_token_trust es512; proxy_pass %%UPSTREAM%%; }
        location /kids   { auth_token_trust kids;  proxy_pass %%UPSTREAM%%; }
    }
CONF
    (map { ("$_.pem" => key($_)->pem) } qw(rsa rsa3072 rsa4096 p256 p384)),
    'ec.jwks'   => jwks(map { key($_)->jwk } qw(p256 p384 ed25519)),
    'ed.jwks'   => jwks(key('p521')->jwk, key('ed25519')->jwk(alg => 'EdDSA')),
    'kids.jwks' => jwks(key('rsa')->jwk(kid => 'one'), key('rsa2')->jwk(kid => 'two'),
                        key('p256')->jwk(kid => 'curve'),
                        key('rsa3')->jwk(kid => 'rs512', alg => 'RS512')),
});

sub inv ($path, $reason, $name, $token) {
    refused $s, $path, invalid_token => $name, token => $token, defined $reason ? (reason => $reason) : ();
}

# nginx reports an error left in the queue of OpenSSL as [alert] at the next TLS
# handshake.
sub handshake ($name) {
    my ($answer) = http2($s, ['/good', { port => 2, token => good_token(), tag => next_tag }]);
    is_granted $answer, "a TLS handshake after $name";
}

# --- valid signatures -------------------------------------------------------

granted $s, '/api', 'RS256, 2048 bits', token => good_token();
granted $s, '/sizes', "RS256, $_", token => token(key => key($_)) for 'rsa3072', 'rsa4096';
granted $s, '/algs', $_, token => token(alg => $_) for qw(RS256 RS384 RS512 PS256 PS384 PS512);
granted $s, '/es', $_->[0], token => token(alg => $_->[0], key => key($_->[1]))
    for ['ES256', 'p256'], ['ES384', 'p384'], ['EdDSA', 'ed25519'];
granted $s, '/es512', $_->[0], token => token(alg => $_->[0], key => key($_->[1]))
    for ['ES512', 'p521'], ['Ed25519', 'ed25519'];
granted $s, '/es256', 'ES256 from a PEM file', token => token(alg => 'ES256', key => key('p256'));

# --- one bit ----------------------------------------------------------------

{
    my $good  = good_token();
    my @parts = parts($good);

    for (['header', 0, 2], ['payload', 1, 9], ['signature', 2, 0], ['signature', 2, 255]) {
        my ($part, $n, $i) = @$_;
        my @changed = @parts;
        substr($changed[$n], $i, 1) ^.= "\1";
        inv('/api', $n ? 'bad_signature' : undef, "a bit of byte $i of the $part",
            join '.', map { b64u($_) } @changed);
    }

    inv('/api', undef, "without character $_", substr($good, 0, $_) . substr($good, $_ + 1))
        for 0, 100, length($good) - 1;
    granted $s, '/api', 'the token itself', token => $good;
}
handshake('signature-bit-flip');

# --- signatures of other shapes ---------------------------------------------

sub number ($bytes)   { Math::BigInt->from_bytes($bytes) }
sub bytes ($n, $size) { substr "\0" x $size . $n->to_bytes, -$size }

{
    my $n = number(key('rsa')->number('n'));
    my ($text, $sig) = good_token() =~ /\A(.*)\.(.*)\z/;
    $sig = unb64u($sig);

    inv('/api', 'bad_signature', $_->[0], "$text." . b64u($_->[1])) for
        ['all zero',  "\0" x 256],           ['one byte', "\0"],
        ['255 bytes', substr $sig, 0, 255],  ['a leading zero byte', "\0$sig"],
        ['twice',     $sig . $sig],          ['s + n', bytes(number($sig) + $n, 257)],
        ['n + 1',     bytes($n + 1, 256)],   ['reversed', scalar reverse $sig],
        ['the hash alone', "\0" x 224 . 'h' x 32];
}
handshake('signature-shape');

# --- of another token -------------------------------------------------------

{
    my @a = split /\./, good_token(id => 'a');
    my @b = split /\./, good_token(id => 'b', isAdmin => \'true');
    my @c = split /\./, token(header => { x => 1 });

    inv('/api', 'bad_signature', "$_->[0]", join '.', $_->[1]->@*) for
        ["another token's signature", [$a[0], $a[1], $b[2]]],
        ["another token's payload",   [$a[0], $b[1], $a[2]]],
        ["another token's header",    [$c[0], $a[1], $a[2]]],
        ['a token of another key',    [split /\./, token(key => key('rsa2'))]];
}

# --- none -------------------------------------------------------------------

{
    my ($h, $p, $sig) = split /\./, good_token();

    for my $none ('none', 'nOnE', '') {
        my $text = b64u(qq({"alg":"$none","typ":"JWT"})) . ".$p";

        inv('/algs', 'malformed', "'$none' without a signature", "$text.");
        inv('/algs', 'bad_alg', "'$none' with the old signature", "$text.$sig");
        inv('/algs', 'bad_alg', "'$none' with AA", "$text.AA");
        inv('/algs', 'bad_alg', "'$none' with a signature over that", signed($text));
    }
}

# --- HMAC with public data as key -------------------------------------------

for (['the PEM file', key('rsa')->pem], ['the JWK', key('rsa')->jwk],
     ['the JWK with a kid', key('rsa')->jwk(kid => 'one')], ['an empty string', ''], ['secret', 'secret'])
{
    my ($name, $secret) = @$_;

    inv('/algs', 'bad_alg', "$_ with $name as key", token(alg => $_, key => $secret)) for qw(HS256 HS512);
    inv('/algs', undef, "an HMAC with $name as key, named RS256",
        token(alg => 'HS256', key => $secret, header => { alg => 'RS256' }));
}

# --- a signature with the name of another algorithm -------------------------

# a token of this algorithm and key, whose header names an algorithm
sub by ($alg, $key, $says = $alg) { token(alg => $alg, key => key($key), header => { alg => $says }) }

inv('/algs', 'bad_signature', "a $_->[0] signature named $_->[1]", by($_->[0], 'rsa', $_->[1]))
    for ['RS512', 'RS256'], ['PS256', 'RS256'], ['PS256', 'PS512'];

{
    # PSS with a salt that is not as long as the hash: RFC 7518 section 3.5
    my $text = join '.', map { b64u($_) } '{"alg":"PS256"}', (parts(good_token()))[1];

    for my $salt (0, 222) {
        my $sig = key('rsa')->{pk}->sign_message($text, 'SHA256', 'pss', $salt);
        inv('/algs', 'bad_signature', "PS256 with a salt of $salt bytes", "$text." . b64u($sig));
    }
}
handshake('alg-mix-up');

# --- elliptic curves --------------------------------------------------------

{
    my $token = token(alg => 'ES256', key => key('p256'));
    my ($text, $sig) = $token =~ /\A(.*)\.(.*)\z/;
    $sig = unb64u($sig);

    inv('/es256', 'bad_signature', $_->[0], "$text." . b64u($_->[1])) for
        ['r = s = 0', "\0" x 64],
        ['r and s exchanged', substr($sig, 32) . substr($sig, 0, 32)],
        ['DER', key('p256')->{pk}->sign_message($text, 'SHA256')],
        ['63 bytes', substr $sig, 0, 63], ['65 bytes', "$sig\0"], ['96 bytes', $sig . "\0" x 32];
    granted $s, '/es256', 'the token itself', token => $token;
}

inv('/es256', 'bad_signature', "ES256 by a key on $_", by('ES256', $_)) for qw(p384 p521 secp256k1 p256b);
inv('/es384', 'no_key', 'ES256 by the P-384 key of the set', by('ES256', 'p384'));
granted $s, '/es384', 'ES384 by the P-384 key of the set', token => by('ES384', 'p384');
inv('/es', 'bad_signature', 'ES384 by the P-256 key of the set', by('ES384', 'p256'));
inv('/es', 'bad_alg', 'ES512 by the P-256 key of the set', by('ES512', 'p256'));
inv('/es', 'bad_alg', 'ES512', by('ES512', 'p521'));
inv('/es512', 'bad_signature', "ES512 by a key on $_", by('ES512', $_)) for qw(p521b p384);
inv('/es512', 'bad_alg', 'EdDSA where only Ed25519 is accepted', by('EdDSA', 'ed25519'));
inv('/es', 'bad_alg', 'Ed25519 where only EdDSA is accepted', by('Ed25519', 'ed25519'));
inv('/es', 'bad_alg', 'ES256K', by('ES256', 'secp256k1', 'ES256K'));
inv('/es', 'no_key', 'RS256 if all keys have other types', good_token());
inv('/es', 'bad_signature', 'EdDSA by another key', by('EdDSA', 'ed25519b'));
inv('/es', 'bad_signature', 'an ECDSA signature named EdDSA', by('ES256', 'p256', 'EdDSA'));
{
    my $token = token(alg => 'EdDSA', key => key('ed25519'));
    my ($text, $sig) = $token =~ /\A(.*)\.(.*)\z/;
    my $l = Math::BigInt->from_hex('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed');
    my ($r, $t) = unpack 'a32 a32', unb64u($sig);

    # RFC 8032 section 5.1.7: S must be less than the order; it is little-endian
    my $more = reverse bytes(number(scalar reverse $t) + $l, 32);
    inv('/es', 'bad_signature', "EdDSA $_->[0]", "$text." . b64u($_->[1])) for
        ['with S + L', $r . $more], ['with S = 0', $r . "\0" x 32],
        ['with R = identity and S = 0', "\1" . "\0" x 63], ['of 65 bytes', "$r$t\0"];
    granted $s, '/es', 'the token itself', token => $token;
}
handshake('ecdsa-shape');

# --- keys in the header of the token ----------------------------------------

{
    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 9,
                                       Blocking => 0) or die "listen: $!\n";
    my $url    = 'http://127.0.0.1:' . $silent->sockport;
    my $jwk    = key('rsa2')->jwk;

    for (['jwk',  { jwk => \$jwk }],
         ['jwk and kid', { jwk => \key('rsa2')->jwk(kid => 'x'), kid => 'x' }],
         ['jku',  { jku => "$url/jwks.json" }],
         ['x5u',  { x5u => "$url/cert.pem" }],
         ['x5c',  { x5c => ['MIIB' . 'A' x 40] }],
         ['x5t',  { x5t => 'A' x 27, 'x5t#S256' => 'A' x 43 }],
         ['all',  { jwk => \$jwk, jku => $url, x5u => $url, x5c => [], x5t => 'A' }],
         ['jwk of a wrong type', { jwk => 7, jku => [], x5c => \'null' }])
    {
        my ($what, $header) = @$_;
        inv('/api', 'bad_signature', "$what of the attacker, with a signature of the attacker",
            token(header => $header, key => key('rsa2')));
        granted $s, '/api', "$what of the attacker, signed by our key", token => token(header => $header);
    }

    ok !$silent->accept, 'no connection to the address in the token';
}

# --- kid --------------------------------------------------------------------

granted $s, '/kids', "kid $_->[0]",
    token => token(header => { kid => $_->[0] }, key => key($_->[1]), alg => $_->[2]) for
    ['one', 'rsa', 'RS256'], ['two', 'rsa2', 'RS256'], ['one', 'rsa', 'RS512'],
    ['rs512', 'rsa3', 'RS512'], ['curve', 'p256', 'ES256'];

my @kids = (
    '"../../../../dev/null"', '"/dev/null"', '"/etc/passwd"', '"file:///etc/passwd"',
    '"http://127.0.0.1/"', '"\' OR \'1\'=\'1"', '"$(id)"', '"one%00"', '"one\r\nX-Evil: 1"',
    '" one"', '"ONE"', '"*"', '"one,two"', '"\u2028"', '"\u001b[31m"',
);

# records the files that the worker opens and its connections
my $strace = qx(strace -V 2>/dev/null) ? strace(($s->workers)[0]) : undef;

inv('/kids', undef, "kid $_", token(header => { kid => \$_ })) for @kids;
inv('/kids', 'bad_kid', "kid $_", token(header => { kid => \$_ }))
    for '1', '"' . 'k' x 1025 . '"', '{}';
inv('/kids', 'unknown_kid', "kid $_", token(header => { kid => \$_ }))
    for '"three"', '"' . 'k' x 1024 . '"', '"one "', '"h\u00e9"';
inv('/kids', 'bad_signature', 'the kid of another key', token(header => { kid => 'two' }));
inv('/kids', 'unknown_kid', "the kid of a key for another alg, $_", token(header => { kid => $_ }))
    for 'curve', 'rs512';
inv('/kids', 'unknown_kid', 'RS256 with the kid of a key for RS512',
    token(header => { kid => 'rs512' }, key => key('rsa3')));
inv('/kids', 'bad_signature', 'RS256 by a key for RS512 without kid', token(key => key('rsa3')));

SKIP: {
    skip 'strace cannot attach', 1 if !$strace;
    is_deeply [$strace->()], [], 'the worker opened no file and made no connection';
}
handshake('header-kid');

# Traces a process.  Returns a function that ends the trace and returns the files
# that were opened.
sub strace ($pid) {
    my $dir = $s->dir;
    my $tracer = fork // die "fork: $!\n";

    if (!$tracer) {
        open STDERR, '>', "$dir/strace.log";
        exec 'strace', '-p', $pid, '-e', 'trace=open,openat,execve,connect,creat',
             '-o', "$dir/strace";
        die "strace: $!\n";
    }

    my $log = AuthToken::Log->new("$dir/strace.log");
    await_true(sub { $log->content =~ /attached|not permitted|ptrace/ }, 'strace');

    my $end = sub {
        kill 'INT', $tracer;
        waitpid $tracer, 0;

        # but for the upstream of good requests, and key files that may change
        return grep { /\w\(/ && !m{"\Q$dir\E/(?:upstream\.sock|\w+\.(?:pem|jwks))"} }
               AuthToken::Log->new("$dir/strace")->lines;
    };

    return $end if $log->content =~ /attached/;
    $end->();
    return;
}

done;
