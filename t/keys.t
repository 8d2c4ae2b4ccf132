#!/usr/bin/perl

# Key files: accepted contents, contents that nginx -t rejects, and changes of a file
# while nginx runs.
#
# Requirements: key-file, rsa-strength, jwk-members, jwk-purpose, jwk-set,
#   token-without-kid, key-rotation, key-change-by-reload.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();
use Math::BigInt;
use POSIX qw(mkfifo);
use Time::HiRes qw(time);

my $rsa = key('rsa');
my $pem = $rsa->pem;

# --- key files in PEM -------------------------------------------------------

sub conf ($algorithms = 'RS256') {
    return "%%ISSUER main: algorithms $algorithms; key_file %%DIR%%/test.key;%%\n"
         . 'server { listen %%LISTEN%%; auth_token on; location / { proxy_pass %%UPSTREAM%%; } }';
}

# nginx -t rejects the content, and the error names the file
sub bad_key ($name, $content, $pattern = qr//, %o) {
    conf_fails conf($o{algorithms} // 'RS256'), qr/test\.key.*$pattern|$pattern.*test\.key/, $name,
               files => { 'test.key' => $content };
}

sub good_key ($name, $content, %o) {
    conf_ok conf($o{algorithms} // 'RS256'), $name, files => { 'test.key' => $content }, says => $o{says};
}

sub output_of ($command) {
    my $out = qx($command 2>/dev/null);
    length $out or die "$command failed\n";
    return $out;
}

my $file = "$AuthToken::Token::KEYS/rsa.pem";
my $certificate = output_of("openssl req -x509 -new -key $file -subj /CN=test -days 30");
my $pkcs1       = output_of("openssl rsa -in $file -RSAPublicKey_out");
my $encrypted   = output_of("openssl pkcs8 -topk8 -in $file -v2 aes128 -passout pass:secret");
my $explicit    = key('p256')->{pk}->export_key_pem('public');

# t/unit/jwk_test.c has the other contents of PEM files
bad_key('an empty file', '', qr/empty/);
bad_key('a certificate and a PEM', $certificate . $pem);
bad_key('a private key', $rsa->private_pem, qr/private/);
bad_key('an encrypted private key', $encrypted);
bad_key('DER of a certificate', output_of("openssl x509 -outform DER <<'PEM'\n${certificate}PEM\n"));
bad_key('a PEM with a changed letter', $pem =~ s/MII/MIJ/r);
bad_key('a PEM with other bytes behind the key', pem('PUBLIC KEY', $rsa->der . 'more'));
bad_key('another kind of PEM', pem('X509 CRL', $rsa->der));
bad_key('10 MB', $pem . "#\n" x (5 << 20));
bad_key('explicit curve parameters instead of a named curve', $explicit, qr//, algorithms => 'ES256');

good_key('a public key', $pem);
good_key('a chain of certificates', $certificate . output_of("openssl req -x509 -new -key $file -subj /CN=ca -days 30"));
bad_key('certificates and a private key', $certificate x 2 . $rsa->private_pem, qr/private/);
good_key('PKCS#1', $pkcs1);
good_key('a certificate with its text', output_of("openssl x509 -text <<'PEM'\n${certificate}PEM\n"));

# paths that are not readable regular files
for (['a missing file',    sub ($path) { }],
     ['a directory',       sub ($path) { mkdir $path or die }],
     ['a FIFO',            sub ($path) { mkfifo($path, 0644) or die }],
     ['a device',          sub ($path) { symlink '/dev/zero', $path or die }],
     ['a link to itself',  sub ($path) { symlink $path, $path or die }],
     ['a path through a file', sub ($path) { symlink 'nginx.conf/x', $path or die }])
{
    my ($what, $make) = @$_;
    conf_fails conf(), qr/test\.key/, $what, prepare => sub ($server) { $make->($server->dir . '/test.key') };
}

# the master process reads it as root; worker processes cannot see changes
if ($> == 0) {
    my $server = AuthToken::Server->new(conf(), files => { 'test.key' => $pem });
    chmod 0600, $server->dir . '/test.key';
    $server->start;
    like eval { $server->errors->await(qr/\[warn\].*test\.key/) } // $@, qr/\[warn\]/,
         'a file that worker processes cannot read causes a warning';
    is $server->request('/', token => good_token())->{status}, 200, 'its keys are used';
    $server->stop;
}

# --- RSA numbers ------------------------------------------------------------

{
    my $n  = $rsa->number('n');
    my $n4 = Math::BigInt->from_bytes(key('rsa4096')->number('n'));
    my $n8 = $n4 * Math::BigInt->from_bytes(key('rsa4096b')->number('n'));

    my $key = sub ($n, $e) { rsa_public_pem(der_integer($n), der_integer($e)) };
    my $e   = "\1\0\1";

    # t/unit/crypto_test.c has the other sizes and exponents
    bad_key("$_ bits", key("rsa$_")->pem, qr/bits/) for 1024, 2047;
    bad_key('e = 3', key('rsa2048e3')->pem);
    bad_key('an exponent of 256 bytes', $key->($n, "\1" . "\0" x 255 . "\1"));
    bad_key('a modulus that is even', $key->($n ^. ("\0" x 255 . "\1"), $e));
    bad_key("a modulus with the factor $_->[0]", $key->(
        Math::BigInt->from_bytes($n)->bdiv(8)->bmul($_->[0])->binc($_->[1])->to_bytes, $e)) for [30, 3], [30, 15];
    bad_key('a negative modulus', rsa_public_pem(der_integer($n, raw => 1), der_integer($e)));
    bad_key('a negative e', rsa_public_pem(der_integer($n), der_integer("\x80\0\1", raw => 1)));
    bad_key('a modulus of 0', $key->("\0", $e));

    good_key('e = 2^32 - 1', $key->($n, "\xff\xff\xff\xff"));
    good_key('8192 bits', $key->($n8->to_bytes, $e));
}

bad_key("$_ for ES256", key($_)->pem, qr//, algorithms => 'ES256') for qw(p521 rsa p384 ed25519);
bad_key('P-256 for RS256', key('p256')->pem);

# --- JSON Web Key Sets ------------------------------------------------------

sub jwks (@keys) { '{"keys":[' . join(',', @keys) . ']}' }

my $jwk = $rsa->jwk(kid => 'one');
my %jwk = JSON::PP::decode_json($jwk)->%*;

# an unusable key is ignored; a JWK Set needs at least one usable key
sub left_out ($name, $bad, $algorithms = 'RS256', $good = $jwk) {
    bad_key("$name, alone", jwks($bad), qr//, algorithms => $algorithms);
    good_key("$name, beside a good one", jwks($bad, $good), algorithms => $algorithms,
             says => qr/\[warn\].*test\.key/);
}

# t/unit/jwk_test.c has the other members
good_key('a set of one', jwks($jwk));
left_out("kty $_", $rsa->jwk(kty => \$_)) for 'null', '["RSA"]';
left_out("n $_->[0]", $rsa->jwk(n => $_->[1])) for
    ['in the standard alphabet',  $jwk{n} =~ tr{-_}{+/}r . ($jwk{n} =~ /[-_]/ ? '' : '+/')],
    ['an array', [$jwk{n}]], ['as e', $jwk{e}],
    # hex is base64url of another number, which may look like a modulus if it is odd
    ['as hex', unpack('H*', $rsa->number('n')) =~ s/.\z/0/r];
left_out("e $_", $rsa->jwk(e => $_)) for 'AA=QAB', $jwk{n};
good_key("n and e $_->[0]", jwks($rsa->jwk(n => b64u($_->[1] . $rsa->number('n')) . $_->[2], e => $_->[3]))) for
    ['with a leading zero byte', "\0", '', 'AAEAAQ'], ['with padding', '', '==', 'AQAB='],
    ['with zero bytes and padding', "\0" x 5, '====', 'AAAAAAABAAE='];
good_key('null and empty members', jwks($rsa->jwk(map { ($_ => \'null') } qw(d p q dp dq qi k use alg kid x5u x5t)) =~
    s/\}\z/,"x5c":[],"key_ops":[],"oth":[],"crv":""}/r));
left_out('the private key', $rsa->{pk}->export_key_jwk('private'));
left_out("key_ops $_", $rsa->jwk(key_ops => \$_)) for '[null]', '{}';
left_out("use $_", $rsa->jwk(use => \$_)) for '{}', '["sig"]';
bad_key('use enc, alone', jwks($rsa->jwk(use => 'enc')));
good_key('use enc, beside a good one', jwks($rsa->jwk(use => 'enc'), $jwk));
left_out('kty oct', '{"kty":"oct","alg":"RS256","k":"' . b64u('s' x 64) . '"}');
left_out("$_->[0]", $_->[1], 'ES256', key('p256')->jwk) for
    ['a P-384 key called P-256', key('p384')->jwk(crv => 'P-256')], ['kty RSA', key('p256')->jwk(kty => 'RSA')];

bad_key("$_->[0]", $_->[1]) for
    ['{}', '{}'], ['no key', '{"keys":[]}'], ['keys an object', '{"keys":{}}'],
    ['keys a string', '{"keys":"x"}'], ['a key instead of a set', $jwk],
    ['keys that are not objects', '{"keys":[null,7,"x",[]]}'],
    ['keys twice', '{"keys":[],"keys":[' . $jwk . ']}'],
    ['a member of a key twice', jwks($jwk =~ s/\A\{/{"kty":"oct",/r)],
    ['trailing data', jwks($jwk) . 'x'], ['cut', substr jwks($jwk), 0, -1],
    ['HTML', "<!DOCTYPE html><html><body>404 Not Found</body></html>\n"],
    ['deep', '{"keys":' . '[' x 5000 . ']' x 5000 . '}'];
good_key('a byte order mark', "\xef\xbb\xbf" . jwks($jwk));
good_key('a byte order mark and PEM', "\xef\xbb\xbf" . $pem =~ s/\n/\r\n/gr);
good_key('surrounding white space', "\n \t" . jwks($jwk) . "\r\n\n");
good_key('other members of the set', '{"x":1,"keys":[' . $jwk . '],"y":{}}');

# --- selection of keys ------------------------------------------------------

my @many = ('p256', map { "p256$_" } 'b' .. 'k');      # eleven keys

sub issuer ($name, $algorithms, @files) {
    my $lines = join ' ', map { "key_file %%DIR%%/$_;" } @files;
    return "%%ISSUER $name: algorithms $algorithms; $lines%%\n";
}

my %files = (
    'rsa.pem'     => $pem,
    'rsa2.pem'    => key('rsa2')->pem,
    'pkcs1.pem'   => $pkcs1,
    'cert.pem'    => $certificate,
    'one.jwks'    => jwks($jwk),
    'twin.jwks'   => jwks($rsa->jwk(kid => 'k'), key('rsa2')->jwk(kid => 'k')),
    'mixed.jwks'  => jwks('{"kty":"oct","kid":"s","k":"' . b64u('s' x 64) . '"}',
                          '{"kty":"RSA","kid":"bad","n":"AQAB","e":"AQAB"}', 'null',
                          key('rsa2')->jwk(kid => 'enc', use => 'enc'),
                          $rsa->jwk(kid => 'one')),
    'named.jwks'  => jwks($rsa->jwk(kid => 'one'), key('rsa2')->jwk, key('rsa3')->jwk(kid => '3')),
    'nine.jwks'   => jwks(map { key($_)->jwk } @many[0 .. 8]),
    'a.jwks'      => jwks(map { key($_)->jwk } @many[0 .. 3]),
    'b.jwks'      => jwks(map { key($_)->jwk } @many[4 .. 7]),
    'c.jwks'      => jwks(map { key($_)->jwk } @many[8 .. 10]),
    'thousand.jwks' => jwks((map { $rsa->jwk(kid => "k$_") } 1 .. 127),
                            key('rsa2')->jwk(kid => 'k128'), key('rsa3')->jwk(kid => 'k129'),
                            map { $rsa->jwk(kid => "k$_") } 130 .. 1000),
    'odd.jwks'    => jwks($rsa->jwk(kid => \'"h\u00e9 \u0022"'), key('rsa2')->jwk(kid => 'k' x 1024)),
    'live.pem'    => $pem,
    'live.jwks'   => jwks($jwk),
    'second.pem'  => key('rsa2')->pem,
);

my @issuers = (
    (map { issuer($_, 'RS256', "$_.pem") } qw(rsa pkcs1 cert live)),
    (map { issuer($_, 'RS256', "$_.jwks") } qw(one twin mixed named thousand odd)),
    issuer('both', 'RS256', 'rsa.pem', 'rsa2.pem'),
    (map { issuer($_, 'ES256', "$_.jwks") } qw(nine a b c)),
    issuer('livejwks', 'RS256', 'live.jwks'),
    issuer('livetwo', 'RS256', 'live.pem', 'second.pem'),
);

sub location ($path, @trust) { "location $path { auth_token_trust @trust; proxy_pass %%UPSTREAM%%; }\n" }

my $s = start(join('', @issuers, <<'CONF', location('/', 'rsa'), location('/abc', qw(a b c)),
    server {
        listen %%LISTEN%%;
        auth_token on;
CONF
    (map { location("/$_", $_) } qw(pkcs1 cert one twin mixed named thousand odd both nine live
                                    livejwks livetwo)), '}'), files => \%files);

sub by ($name, $kid = undef, %o) {
    return token(key => key($name), %o, defined $kid ? (header => { kid => $kid }) : ());
}

check_requests $s, {}, [granted => "/$_", "a token by the key in $_", token => good_token()],
    [bad_signature => "/$_", "a token by another key, $_", token => by('rsa3')]
    for qw(pkcs1 cert one mixed both);
granted $s, '/both', 'a token by the second key file', token => by('rsa2');

granted $s, '/twin', "two keys with the same kid, $_", token => by($_, 'k') for 'rsa', 'rsa2';
granted $s, '/named', "no kid, by the key $_", token => by($_) for 'rsa', 'rsa2', 'rsa3';
check_requests $s, {},
    [granted => '/mixed', 'the good key of a mixed set', token => by('rsa', 'one')],
    [bad_alg => '/mixed', 'the HMAC secret of a mixed set',
     token => token(alg => 'HS256', key => 's' x 64, header => { kid => 's' })],
    (map { [unknown_kid => '/mixed', "kid of an ignored key: $_", token => by('rsa2', $_)] } qw(s bad enc)),
    [granted => '/thousand', 'the 128th of 1,000 keys', token => by('rsa2', 'k128')],
    [unknown_kid => '/thousand', 'the 129th of 1,000 keys', token => by('rsa3', 'k129')],
    [granted => '/odd', 'a kid with a space, a quote and a letter in UTF-8',
     token => token(header => { kid => \'"h\u00e9\u0020\""' })],
    [granted => '/odd', 'a kid of 1,024 bytes', token => by('rsa2', 'k' x 1024)],
    [bad_kid => '/odd', 'a kid of 1,025 bytes', token => by('rsa2', 'k' x 1025)],
    [granted => '/one', 'no kid, a set of one', token => by('rsa')],
    [granted => '/named', 'the kid of its key', token => by('rsa3', '3')],
    [granted => '/named', 'an unknown kid, signed by the key without kid', token => by('rsa2', 'x')],
    [bad_signature => '/named', 'an unknown kid, signed by a key with another kid', token => by('rsa', 'x')],
    [unknown_kid => '/one', 'an unknown kid, all keys have a kid', token => by('rsa', 'x')],
    [granted => '/', 'any kid, the key is in a PEM file', token => by('rsa', 'x')];

sub es256 ($name) { by($name, undef, alg => 'ES256') }

granted $s, '/nine', "no kid, key $_ of nine", token => es256($many[$_ - 1]) for 1 .. 8;
refused $s, '/nine', too_many_keys => 'no kid, the last key of nine', token => es256($many[8]);
granted $s, '/abc', "key $_ of three issuers", token => es256($many[$_ - 1]) for 1 .. 11;

# --- files that change ------------------------------------------------------

# waits until the response to this token has the status
sub becomes ($path, $token, $status, $name) {
    my $start = time;

    eventually $name, sub { $s->request($path, token => $token, tag => next_tag)->{status} == $status }, 5;
    cmp_ok time - $start, '<', 2, "$name, within two seconds";
}

# replaced by a file of the same size
granted $s, '/live', 'the first key', token => by('rsa');
granted $s, '/livetwo', 'the first key, of two', token => by('rsa');
$s->write('live.pem', key('rsa2')->pem);
becomes('/live', by('rsa2'), 200, 'a replaced file is loaded');
refused $s, '/live', bad_signature => 'the previous key is removed', token => by('rsa');
becomes('/livetwo', by('rsa'), 401, 'the previous key is removed, two key files');
granted $s, '/livetwo', 'the keys of the other file stay', token => by('rsa2');
granted $s, '/', 'the keys of other issuers stay', token => by('rsa');

# a chain of certificates
$s->errors->lines;
$s->write('second.pem', $certificate . output_of(
    "openssl req -x509 -new -key $AuthToken::Token::KEYS/rsa2.pem -subj /CN=ca -days 30"));
like eval { $s->errors->await(qr/second\.pem" has 2 certificates, the first one is used/) } // $@, qr/\[info\]/,
     'the first of two certificates is used: logged';
$s->write('second.pem', key('rsa2')->pem);

# in place, and back within a second
$s->errors->lines;
open my $fh, '+<', $s->dir . '/live.pem' or die "live.pem: $!";
print $fh key('rsa3')->pem;
close $fh;
becomes('/live', by('rsa3'), 200, 'a file that is written in place is loaded');
$s->write('live.pem', $pem);
becomes('/live', by('rsa'), 200, 'the first key is loaded again');

# Waits until the worker has checked all files, by two changes of another file: the
# first one may be noticed in the middle of a check.
sub await_check () {
    state $n = 0;
    for my $change (1, 2) {
        $s->errors->lines;
        $s->write('live.jwks', jwks($rsa->jwk(kid => 'one', x => $n++)));
        $s->errors->await(qr/keys replaced, .*file: .*live\.jwks/);
    }
}

sub keeps ($what, $change) {
    $s->errors->lines;
    $change->($s->dir . '/live.pem');
    my $line = eval { $s->errors->await(qr/live\.pem/) } // $@;
    like $line, qr/\[(?:error|warn)\].*live\.pem/, "$what: logged";
    granted $s, '/live', "$what: the previous key stays in use", token => by('rsa');
    refused $s, '/live', invalid_token => "$what: another key is refused", token => by('rsa2');
}

# the same error is logged once
for (['garbage', "garbage\n"], ['a private key', key('rsa2')->private_pem],
     ['a weak key', key('rsa1024')->pem], ['half a file', substr $pem, 0, 200])
{
    my ($what, $content) = @$_;
    keeps($what, sub ($file) { $s->write('live.pem', $content) });
}
keeps('a removed file', sub ($file) { unlink $file });
# removed, restored and removed again: logged again
for my $time ('again', 'once more') {
    $s->write('live.pem', $pem);
    await_check();
    keeps("a file that is removed $time", sub ($file) { unlink $file });
}
keeps('a directory', sub ($file) { mkdir $file });
rmdir $s->dir . '/live.pem';
keeps('a file that worker processes cannot read', sub ($file) {
    $s->write('aside', key('rsa2')->pem);
    chmod 0600, $s->dir . '/aside';
    rename $s->dir . '/aside', $file;
}) if $> == 0;
unlink $s->dir . '/live.pem';
keeps('a FIFO', sub ($file) { mkfifo($file, 0644) });
unlink $s->dir . '/live.pem';

$s->write('live.pem', key('rsa2')->pem);
becomes('/live', by('rsa2'), 200, 'a valid file after all errors');

# key rotation by kid
$s->write('live.jwks', jwks($jwk, key('rsa2')->jwk(kid => 'two')));
becomes('/livejwks', by('rsa2', 'two'), 200, 'a new kid is accepted');
granted $s, '/livejwks', 'the old kid beside it', token => by('rsa', 'one');
$s->write('live.jwks', jwks(key('rsa2')->jwk(kid => 'two')));
becomes('/livejwks', by('rsa', 'one'), 401, 'a withdrawn kid is refused');
granted $s, '/livejwks', 'the new kid stays', token => by('rsa2', 'two');
$s->write('live.jwks', jwks(key('rsa2')->jwk(kid => 'two'), $jwk));
becomes('/livejwks', by('rsa', 'one'), 200, 'the old kid is accepted again');

# --- reload -----------------------------------------------------------------

$s->write('rsa.pem', key('rsa2')->pem);
$s->{good_token} = by('rsa2');
$s->reload;
granted $s, '/', 'the new key after a reload', token => by('rsa2');
refused $s, '/', bad_signature => 'the old key after a reload', token => by('rsa');

# an invalid file at a reload: the previous configuration stays in use
expect_log $s, qr/\[emerg\].*rsa\.pem/;
$s->write('rsa.pem', 'garbage');
$s->reload(fails => 1);
granted $s, '/', 'the previous key after a failed reload', token => by('rsa2');
refused $s, '/', invalid_token => 'another key after a failed reload', token => by('rsa');

done;
