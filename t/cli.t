#!/usr/bin/perl

# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause

# The command auth-token: command line, help, keys and tokens.  CryptX, Crypt::JWT and
# the command openssl check the results independently.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Command;
use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url);
use POSIX qw(strftime);
use Test::More;

use Crypt::JWT qw(decode_jwt encode_jwt);
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;

###############################################################################
# tools

sub files { return join ' ', sort glob "$_[0]*" }

sub part {
    my ($token, $n) = @_;
    return decode_base64url((split /\./, $token)[$n]);
}

sub b64json { return encode_base64url(JSON::PP->new->canonical->encode($_[0])) }

my @issuer = ('--issuer', 'https://ipf.example', '--audience', 'api');

sub verify {
    my ($token, $key, @args) = @_;
    return run({ in => $token }, 'jwt', 'verify', '--key', $key, @issuer, @args);
}

sub refused {
    my ($token, $key, $reason, @args) = @_;
    my $code = $reason eq 'expired' || $reason eq 'too_old'
        ? 'API_EXPIRED_ACCESS_TOKEN' : 'API_INVALID_ACCESS_TOKEN';
    my $name = 'refused, ' . pop @args;
    my $r = verify($token, $key, @args);

    reports($r, 1, "refused: $reason ($code)", $name);
    like($r->{out}, qr/\Averdict +refused\nreason +$reason\ncode +$code\n/,
        "$name: the report has verdict, reason and code");
    unlike($r->{out}, qr/claims|scopes|^user/m, "$name: the claims are not printed");
}

###############################################################################
# the command line

fails(run(), 2, 'missing command, see "auth-token help"', 'no command');
like(ok_out('--version'), qr/\Aauth-token \d+\.\d+\.\d+\n\z/, '--version prints the version');
is(ok_out('--help'), ok_out('help'), '--help and help print the same');

for (
    [ 'unknown command "frob", see "auth-token help"', 'frob' ],
    [ 'unknown command "tokn": did you mean "token"?', 'tokn' ],
    [ 'unknown command "exprot": did you mean "export"?', 'exprot' ],
    [ 'incomplete command "key", see "auth-token help key"', 'key' ],
    [ 'unknown command "key frob", see "auth-token help key"', 'key', 'frob' ],
    [ 'unknown command "key gen": did you mean "key generate"?', 'key', 'gen' ],
    [ 'unknown command, see "auth-token help"', 'eyJhbGciOiJSUzI1NiJ9.e30.AA' ],
    [ 'unknown option "--frob", see "auth-token help"', '--frob' ],
    [ 'unknown option "--frob", see "auth-token help init"', 'init', '--frob=secret' ],
    [ 'unknown option "--scpoe": did you mean "--scope"?', 'token', 'create', '--scpoe', 'x' ],
    [ 'unknown option "--password": did you mean "--password-file"?', 'user',
        'create', 'x', '--password=secret' ],
    [ 'unknown option "-p": options are spelled out and begin with two dashes',
        'user', 'create', 'x', '-psecret' ],
    [ 'option "--json" takes no value', 'export', '--json=1' ],
    [ 'option "--admin" takes no value', 'user', 'create', 'x', '--admin=1' ],
    [ 'option "--store" requires a value', '--store' ],
    [ 'option "--out" requires a value', 'key', 'generate', '--out' ],
    [ 'option "--out" is duplicate', 'key', 'generate', '--out', 'x', '--out', 'y' ],
    [ 'too many arguments: use "auth-token user passwd USERNAME [OPTION...]"',
        'user', 'passwd', 'jane', 'secret' ],
    [ 'too many arguments: use "auth-token init [OPTION...]"', 'init', 'x' ],
    [ 'missing argument: use "auth-token token revoke ID [OPTION...]"', 'token', 'revoke' ],
    [ 'missing option "--key"', 'jwt', 'verify' ],
) {
    my ($sentence, @args) = @$_;
    fails(run(@args), 2, $sentence, "the command line is invalid: @args");
}

fails(run('--store', "lmdb:$dir/none", 'token', 'show', '--', '--help'), 1,
    qr/".*none\/data\.mdb": .*/, 'arguments after -- are not options');

###############################################################################
# help, the manual page and the completion list every command and option

my $page = slurp("$AuthToken::Server::BUILD/auth-token.1");
my $complete = "$AuthToken::Server::BUILD/auth-token.bash";
my $help = ok_out('help');
my @commands = map { s/ +/ /r } $help =~ /^  (\w+(?: *[a-z]+(?:-[a-z]+)?)?)  +\w.*$/mg;

is(scalar @commands, 35, 'help lists all commands') or diag(join ', ', @commands);

# what bash offers for the last word
sub completes {
    my $list = join ' ', map { qq("$_") } 'auth-token', @_;
    my $offered = `bash -c 'source $complete
        COMP_WORDS=($list); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1))
        _auth_token auth-token "\${COMP_WORDS[COMP_CWORD]}" \\
            "\${COMP_WORDS[COMP_CWORD-1]}"
        printf "%s " "\${COMPREPLY[@]}"'`;
    return join ' ', sort split ' ', $offered;
}

for my $command (@commands) {
    my @words = split ' ', $command;
    my $usage = ok_out('help', @words);
    is(ok_out(@words, '--help'), $usage, "$command: help and --help are the same");
    like($usage, qr/\Ausage: auth-token $command [^\n]*\[OPTION\.\.\.\]\n/, "$command: usage");

    my @options = sort { $a cmp $b } $usage =~ /^  (--[a-z-]+)/mg;
    my ($section) = $page =~ /^\.Ss $command\n(.*?)(?=^\.S[sh])/ms;
    my @missing = grep { $section !~ /^\.It Fl \Q@{[substr $_, 1]}\E\b/m }
        grep { !/^--(?:store|json|help)$/ } @options;
    is("@missing", '', "$command: the manual page has all options");

    my @start = @words == 2 ? ($words[0], substr $words[1], 0, 3) : substr $words[0], 0, 3;
    like(completes(@start), qr/(?:^| )$words[-1](?: |\z)/, "$command: bash completes it");
    is(completes(@words, '--'), "@options", "$command: bash completes its options");
}

is(completes('key', 'generate', '--type', ''), 'ec ed25519 rsa',
    'bash completes the choices of a value');

SKIP: {
    my $lint = `mandoc -Tlint -Wwarning $AuthToken::Server::BUILD/auth-token.1 2>&1`;
    skip 'no mandoc', 1 if $? == -1 || $? >> 8 == 127;
    is(join('', grep { !/mandoc\.db/ } split /^/, $lint), '',
        'mandoc has no warning about the manual page');
}

###############################################################################
# key generate

my $out = ok_out('key', 'generate', '--out', 'rsa');
my ($kid) = $out =~ /^kid +(\S+)$/m;

is($out =~ s/ +/ /gr, "kid $kid\nprivate_key rsa\npublic_key rsa.pub\n"
    . "jwks rsa.jwks\n", 'key generate prints the key id and the paths');
is(files('rsa'), 'rsa rsa.jwks rsa.pub', 'key generate writes three files');
is(mode('rsa'), '0600', 'the private key is readable by its owner only');
is(mode('rsa.pub'), '0644', 'the mode of the public key does not depend on the umask');
is(mode('rsa.jwks'), '0644', 'the JWK Set is readable by all');
like(slurp('rsa'), qr/\A-----BEGIN PRIVATE KEY-----\n/, 'the private key is PKCS#8');
like(slurp('rsa.pub'), qr/\A-----BEGIN PUBLIC KEY-----\n/, 'the public key is SubjectPublicKeyInfo');

# each type of key, checked by CryptX, openssl and RFC 7638
my @kinds = (
    [ 'rsa', [], 'RSA', 'RS256', 'Crypt::PK::RSA', qr/2048 bit/ ],
    [ 'rsa3', ['--bits', 3072, '--alg', 'PS384'], 'RSA', 'PS384', 'Crypt::PK::RSA', qr/3072 bit/ ],
    [ 'p256', ['--type', 'ec'], 'EC', 'ES256', 'Crypt::PK::ECC', qr/P-256/ ],
    [ 'p384', ['--type', 'ec', '--curve', 'P-384'], 'EC', 'ES384', 'Crypt::PK::ECC', qr/P-384/ ],
    [ 'p521', ['--type', 'ec', '--curve', 'P-521'], 'EC', 'ES512', 'Crypt::PK::ECC', qr/P-521/ ],
    [ 'ed2', ['--type', 'ed25519', '--alg', 'Ed25519'], 'OKP', 'Ed25519', 'Crypt::PK::Ed25519', qr/ED25519/ ],
    [ 'ed', ['--type', 'ed25519'], 'OKP', 'EdDSA', 'Crypt::PK::Ed25519', qr/ED25519/ ],
);

for (@kinds) {
    my ($name, $args, $kty, $alg, $class, $text) = @$_;

    my $said = $name eq 'rsa' ? { kid => $kid }
        : json(ok_out('--json', 'key', 'generate', @$args, '--out', $name));
    my $jwk = json(slurp("$name.jwks"))->{keys}[0];

    is($jwk->{kty} . $jwk->{alg} . $jwk->{use}, $kty . $alg . 'sig',
        "$name: the JWK has kty, alg and use");
    is(join(' ', sort keys %$jwk), $kty eq 'RSA' ? 'alg e kid kty n use'
        : $kty eq 'EC' ? 'alg crv kid kty use x y' : 'alg crv kid kty use x',
        "$name: the JWK has public members only");
    is($jwk->{kid}, $said->{kid}, "$name: the kid of the JWK is printed");
    my $members = { map { $_ => $jwk->{$_} }
        grep { !/^(alg|kid|use)$/ } keys %$jwk };
    is($jwk->{kid}, encode_base64url(Digest::SHA::sha256(
        JSON::PP->new->canonical->encode($members))),
        "$name: the kid is the thumbprint of RFC 7638");
    my $pem = slurp("$name.pub");
    my $pk = $class->new(\$pem);
    is($pk->export_key_jwk_thumbprint('SHA256'), $jwk->{kid},
        "$name: CryptX computes the same thumbprint") if $kty ne 'OKP';
    my $private = slurp($name);
    is($class->new(\$private)->export_key_jwk('public', 1)->{$kty eq 'RSA'
        ? 'n' : 'x'}, $jwk->{$kty eq 'RSA' ? 'n' : 'x'}, "$name: the private key belongs to the JWK");
    like(`openssl pkey -in $name -noout -text 2>&1`, $text, "$name: openssl reports the type");
    is(`openssl pkey -in $name -pubout 2>&1`, $pem, "$name: openssl derives the same public key");
}

is(json(slurp('p384.jwks'))->{keys}[0]{crv}, 'P-384', 'the JWK of an EC key names the curve');

$out = json(ok_out('key', 'generate', '--json', '--type', 'ec', '--kid',
    'my-key.1', '--out', "$dir/named"));
is_deeply($out, { kid => 'my-key.1', private_key => "$dir/named",
    public_key => "$dir/named.pub", jwks => "$dir/named.jwks" },
    '--json prints the key id and the paths');
is(json(slurp('named.jwks'))->{keys}[0]{kid}, 'my-key.1', '--kid sets the kid of the JWK');

# existing files
my $before = slurp('rsa');
fails(run('key', 'generate', '--out', 'rsa'), 1,
    'cannot create "rsa": File exists', 'an existing private key is not overwritten');
is(slurp('rsa'), $before, 'the existing private key is unchanged');

for my $suffix ('', '.pub', '.jwks') {
    spew("one$suffix", 'mine');
    fails(run('key', 'generate', '--type', 'ec', '--out', 'one'), 1,
        "cannot create \"one$suffix\": File exists", "an existing one$suffix is an error");
    is(files('one'), "one$suffix", 'no other file remains');
    is(slurp("one$suffix"), 'mine', 'the existing file is unchanged');
    unlink "one$suffix";
}

symlink 'elsewhere', 'link' or die;
for (
    [ 'link', 'File exists', 'a dangling link is an error' ],
    [ 'no/such', 'no such directory; create it with: install -d "no"', 'a missing directory is an error' ],
    [ "a\nb/c", 'no such directory; create it with: install -d "a?b"', 'control characters in a path are shown as question marks' ],
) {
    my ($path, $reason, $name) = @$_;
    my $shown = $path =~ s/\n/?/r;
    fails(run('key', 'generate', '--type', 'ec', '--out', $path), 1, qq(cannot create "$shown": $reason), $name);
}
is(files('elsewhere'), '', 'a dangling link is not followed');

for my $to ('/dev/full', undef) {
    my $name = defined $to ? 'full disk' : 'closed output';
    fails(run({ to => $to }, 'key', 'generate', '--type', 'ec', '--out',
        'full'), 1, qr/cannot write to standard output: .+/, $name);
    is(files('full'), '', "$name: no file remains");
}

my $bits  = '"--bits": use a number from 0 to 32767';
my $no_alg = 'in "--alg": it does not fit the type of the key';

for (
    [ 'missing option "--out"' ],
    [ 'invalid value "" in "--out": use the path of a new file', '' ],
    [ 'invalid value "dsa" in "--type": use rsa, ec or ed25519', 'x', '--type', 'dsa' ],
    (map { [ qq(invalid value "$_" in "--bits": use 2048, 3072 or 4096), 'x', '--bits', $_ ] } 1024, 8192),
    (map { [ qq(invalid value "$_" in $bits), 'x', '--bits', $_ ] } '2048 ', '-2048', '', '18446744073709553664'),
    [ '"--bits" requires "--type rsa"', 'x', '--type', 'ec', '--bits', 2048 ],
    [ '"--curve" requires "--type ec"', 'x', '--curve', 'P-256' ],
    [ 'invalid value "P-224" in "--curve": use P-256, P-384 or P-521', 'x', '--type', 'ec', '--curve', 'P-224' ],
    (map { [ qq(invalid value "$_" $no_alg), 'x', '--alg', $_ ] } 'ES256', 'HS256', 'none'),
    [ qq(invalid value "ES384" $no_alg), 'x', '--type', 'ec', '--alg', 'ES384' ],
    map { [ qq(invalid value "$_" in "--kid": use 1 to 1024 bytes of UTF-8), 'x', '--kid', $_ ] }
        '', "\xff"
) {
    my ($sentence, @args) = @$_;
    unshift @args, '--out' if @args;
    fails(run('key', 'generate', @args), 2, $sentence, 'key generate ' . substr("@args", 0, 40));
}

is(files('x'), '', 'an invalid command line creates no file');

###############################################################################
# jwt sign

my @id = ('--claim', 'iss=https://ipf.example', '--claim', 'aud=api');
my @seed = (@id, '--claim', 'id=1001', '--claim', 'username=jdoe', '--claim-json', 'isAdmin=false',
    '--claim-json', 'scope=["devices.read","snapshots.read"]');
my $rsa_pub = slurp('rsa.pub');

my $start = time;
my $seed = ok_out('jwt', 'sign', '--key', 'rsa', @seed);
my $end = time;

like($seed, qr/\A[\w-]+\.[\w-]+\.[\w-]+\n\z/, 'jwt sign prints a token and a line end');
chomp $seed;

is_deeply(json(part($seed, 0)), { alg => 'RS256', typ => 'JWT' }, 'the default header has alg and typ');

my ($claims) = decode_jwt(token => $seed, key => \$rsa_pub,
    accepted_alg => 'RS256', verify_exp => 1, decode_header => 0);

is(join(' ', sort keys %$claims), 'aud exp iat id isAdmin iss scope username',
    'the token has the given claims, exp and iat');
is(ref $claims->{scope}, 'ARRAY', '--claim-json keeps an array');
like(part($seed, 1), qr/"isAdmin":false/, '--claim-json keeps a boolean');
like(part($seed, 1), qr/"id":"1001"/, '--claim makes a string');
ok($claims->{iat} >= $start && $claims->{iat} <= $end, 'iat is now by default');
is($claims->{exp} - $claims->{iat}, 1800, 'exp is in 30 minutes by default');

# openssl, from the bytes alone
my ($signed, $signature) = $seed =~ /\A(.*)\.(.*)\z/;
spew('signed', $signed);
spew('signature', decode_base64url($signature));
like(`openssl dgst -sha256 -verify rsa.pub -signature signature signed 2>&1`,
    qr/Verified OK/, 'openssl verifies the signature');

# the algorithms that libjwt can sign with, and the others
for (['RS256', 'rsa'], ['RS384', 'rsa'], ['RS512', 'rsa'], ['ES256', 'p256'], ['ES384', 'p384'],
    ['ES512', 'p521'])
{
    my ($alg, $key) = @$_;
    my $token = ok_out({ in => slurp($key) }, 'jwt', 'sign', '--key', '-',
        '--alg', $alg, '--kid', "kid-$alg", @id);
    chomp $token;
    my $pem = slurp("$key.pub");
    is_deeply(json(part($token, 0)), { alg => $alg, typ => 'JWT',
        kid => "kid-$alg" }, "$alg: the header has alg and kid");
    ok(eval { decode_jwt(token => $token, key => \$pem, accepted_alg => $alg) },
        "$alg: Crypt::JWT verifies the token") or diag($@);
    is(verify($token, "$key.pub", '--algorithms', $alg)->{rc}, 0,
        "$alg: jwt verify accepts the token");
}

for (['p256', 'ES256'], ['p384', 'ES384'], ['p521', 'ES512']) {
    my ($key, $alg) = @$_;
    is(json(part(ok_out('jwt', 'sign', '--key', $key, @id), 0))->{alg}, $alg,
        "$key signs with $alg by default");
}

my $lengths = join ' ', map {
    length decode_base64url((split /\./,
        run('jwt', 'sign', '--key', 'p256', @id)->{out})[2]) } 1 .. 16;
is($lengths, join(' ', (64) x 16), 'ECDSA signatures have the full length of r and s');

for (
    [ 'cannot sign with "rsa": unsupported algorithm "PS256": use RS256, RS384, RS512, ES256, ES384 or ES512',
        'signing with PS256', 'rsa', '--alg', 'PS256' ],
    [ 'key "ed": key of type ED25519: use an RSA, P-256, P-384 or P-521 key', 'signing with an Ed25519 key', 'ed' ],
    [ 'cannot sign with "rsa": the key does not fit "ES256"', 'another key type', 'rsa', '--alg', 'ES256' ],
    [ 'cannot sign with "p384": the key does not fit "ES256"', 'another curve', 'p384', '--alg', 'ES256' ],
) {
    my ($sentence, $name, @args) = @$_;
    fails(run('jwt', 'sign', '--key', @args), 1, $sentence, "$name is an error");
}

for my $alg ('none', 'HS256', 'rs256', 'ES521', '') {
    fails(run('jwt', 'sign', '--key', 'rsa', '--alg', $alg), 2,
        qq(invalid value "$alg" in "--alg": use RS256, RS384, RS512, ES256, ES384 or ES512), "alg '$alg'");
}

# claims of a file and of options
spew('claims.json', '{"big": 9007199254740993, "real": 1.0, "minus": -1.25,'
    . '"small": 1.1e-300, "nested": {"a": [null, true]}, "iat": 7,"text": "\u00e9\ud83d\ude00"}');
my $token = ok_out('jwt', 'sign', '--key', 'rsa', '--claims', 'claims.json',
    '--claim', 'empty=', '--claim', 'eq=a=b', '--claim-json', 'n= 12 ',
    '--claim-json', 's="x"', '--expires', '1h30m', '--not-before', 'now-1m');
my $payload = part($token, 1);

for ('"big":9007199254740993', '"real":1.0', '"minus":-1.25',
    '"nested":{"a":[null,true]}', '"empty":""', '"eq":"a=b"', '"n":12',
    '"s":"x"', '"iat":7')
{
    like($payload, qr/\Q$_\E[,}]/, "the claim $_ is kept");
}

cmp_ok(json($payload)->{small}, '==', 1.1e-300, 'a real number keeps its value');
is(json($payload)->{text}, "\x{e9}\x{1f600}", 'escaped characters are decoded');
is(json($payload)->{exp} - json($payload)->{nbf}, 5460, '--expires and --not-before set exp and nbf');

$token = ok_out({ in => '{"a":1}' }, 'jwt', 'sign', '--key', 'rsa', '--claims',
    '-', '--no-expires', '--issued-at', 'now');
is(join(' ', sort keys %{json(part($token, 1))}), 'a iat',
    '--claims reads standard input, --no-expires omits exp');

$out = json(ok_out('--json', 'jwt', 'sign', '--key', 'rsa', @id));
is(join(' ', sort keys %$out), 'alg claims kid token', '--json prints token, alg, kid and claims');
is($out->{kid}, undef, 'kid is null by default');
is($out->{alg}, 'RS256', 'alg is the one used');
is_deeply($out->{claims}, json(part($out->{token}, 1)), '--json prints the claims of the token');

# a long token: longer than any line of a base64 encoder
$token = ok_out('jwt', 'sign', '--key', 'rsa', @id, '--claim', 'long=' . 'x' x 5000);
is(verify($token, 'rsa.pub')->{rc}, 0, 'a token with a long claim is accepted');

for my $t (['90', 90], ['90s', 90], ['2m', 120], ['1h 30m', 5400],
    ['1d12h', 129600], ['1w', 604800], ['1M', 2592000], ['1y', 31536000],
    ['0', 0], ['1h30', 3630])
{
    my $c = json(part(run('jwt', 'sign', '--key', 'p256', '--expires', $t->[0])->{out}, 1));
    is($c->{exp} - $c->{iat}, $t->[1], "duration $t->[0]");
}

for ('', '-1', '+1', '1.5', '30x', 'm', '30m1h', '1m1m', '1s1', ' 1', '1ms',
    '9223372036854775807', '18446744073709551617', '8034y', "1\n")
{
    fails(run('jwt', 'sign', '--key', 'p256', '--expires', $_), 2,
        qr/invalid value "[^"]*" in "--expires": (?:use a duration such as 90, 30m or 1h30m|the year 9999 is the last one)/,
        'duration "' . s/\n/\\n/r . '"');
}

for (['1767225600', 1767225600], ['0', 0], ['253402300799', 253402300799]) {
    is(json(part(run('jwt', 'sign', '--key', 'p256', '--issued-at',
        $_->[0])->{out}, 1))->{iat}, $_->[1], "time $_->[0]");
}

for ('', '-1', '1.5', 'now+', 'now-', 'now 1', 'NOW', 'now--1', 'now-100y',
    'now+8034y', '253402300800', 'tomorrow')
{
    fails(run('jwt', 'sign', '--key', 'p256', '--issued-at', $_), 2,
        qq(invalid value "$_" in "--issued-at": use a time such as 1767225600, now or now-30m),
        "time \"$_\"");
}

spew('dup.json', '{"a":1,"\u0061":2}');
spew('array.json', '[1]');
spew('nul.json', "{\"a\":1}\0");
spew('deep.json', '{"a":' . '[' x 600 . ']' x 600 . '}');

for (
    (map { [ $_, qq("$_" is not a JSON object without duplicate members) ] } qw(dup.json array.json nul.json -)),
    [ 'deep.json', qr/cannot sign with "rsa": claims .* at most 512 levels/ ],
    [ 'none.json', 'cannot open "none.json": No such file or directory' ],
    [ '.', '"." is not a regular file' ],
) {
    my ($file, $sentence) = @$_;
    fails(run('jwt', 'sign', '--key', 'rsa', '--claims', $file), 1, $sentence, "claims of $file");
}

for (
    [ 'missing option "--key"' ],
    [ 'option "--key" is duplicate', '--key', 'rsa', '--key', 'p256' ],
    [ 'standard input can be read only once', '--claims', '-', '--key', '-' ],
    [ 'claim "a" is duplicate', '--claim', 'a=1', '--claim', 'a=2' ],
    [ 'claim "a" is duplicate', '--claim', 'a=1', '--claim-json', 'a=2' ],
    [ 'claim "iat" is duplicate', '--claims', 'claims.json', '--issued-at', 'now' ],
    [ 'claim "big" is duplicate', '--claims', 'claims.json', '--claim', 'big=' ],
    [ 'claim "exp" is duplicate', '--claim-json', 'exp=1', '--expires', '1m' ],
    [ 'claim "nbf" is duplicate', '--claim-json', 'nbf=1', '--not-before', 'now' ],
    [ '"--no-expires" is given, but the claims have "exp"', '--claim-json', 'exp=1', '--no-expires' ],
    [ '"--expires" and "--no-expires" are mutually exclusive', '--expires', '1m', '--no-expires' ],
    (map { [ 'invalid value in "--claim": use NAME=VALUE', '--claim', $_ ] } 'a', '=a'),
    [ 'invalid value in "--claim-json": use NAME=VALUE', '--claim-json', '{"a":1}' ],
    (map { [ 'invalid value of claim "a"', '--claim-json', "a=$_" ] }
        '', '{', '1 2', '1,"b":2', '{"b":1,"b":2}', '1e999', '0x1'),
    [ 'invalid value of claim "a"', '--claim', "a=\xff" ],
    [ 'invalid value "" in "--kid": use 1 to 1024 bytes of UTF-8', '--kid', '' ],
) {
    my ($sentence, @args) = @$_;
    unshift @args, '--key', 'rsa' unless grep { $_ eq '--key' } @args or $sentence =~ /--key/;
    fails(run({ in => '{}' }, 'jwt', 'sign', @args), 2, $sentence,
        'jwt sign ' . ("@args" =~ s/[^ -~]/?/gr));
}

fails(run('jwt', 'sign', '--key', 'rsa',
    map { ('--claim', "a$_=" . 'x' x 8000) } 1 .. 7), 1,
    'cannot sign with "rsa": token is longer than 65536 bytes', 'a token longer than the limit is not signed');

# unusable keys
system 'openssl genrsa -out weak 1024 2>/dev/null';
system 'openssl pkey -in rsa -aes128 -passout pass:secret -out locked 2>/dev/null';
system 'openssl ecparam -name secp256k1 -genkey -noout -out koblitz 2>/dev/null';
system 'openssl ecparam -name prime256v1 -genkey -out params 2>/dev/null';
system 'openssl pkey -in rsa -traditional -out pkcs1 2>/dev/null';
spew('both', slurp('rsa') . slurp('p256'));
spew('empty', '');
spew('junk', "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");

for (
    [ 'weak', 'RSA key of 1024 bits: use 2048 to 8192 bits' ],
    [ 'locked', 'private key is encrypted' ],
    [ 'koblitz', 'EC key on secp256k1: use P-256, P-384 or P-521' ],
    [ 'both', 'more than one private key' ],
    [ 'rsa.pub', 'no private key in PEM format' ],
    [ 'rsa.jwks', 'no private key in PEM format' ],
    [ 'empty', 'no private key in PEM format' ],
    [ 'junk', 'no private key in PEM format' ],
) {
    my ($file, $sentence) = @$_;
    fails(run({ in => "secret\n" }, 'jwt', 'sign', '--key', $file), 1,
        "key \"$file\": $sentence", "key $file");
}

ok_out('jwt', 'sign', '--key', $_) for qw(pkcs1 params);

fails(run('jwt', 'sign', '--key', 'none'), 1,
    'cannot open "none": No such file or directory', 'a missing key file is an error');

for my $how ('jwt sign', 'jwt sign --json') {
    fails(run({ to => '/dev/full' }, split(/ /, $how), '--key', 'rsa'), 1,
        'cannot write to standard output: No space left on device',
        "a full disk is an error of $how");
}

###############################################################################
# jwt verify: good tokens

$out = verify($seed, 'rsa.pub')->{out};
my $exp = $claims->{exp};

is($out =~ s/^(\w*) +/$1 /mgr, "verdict ok\nreason ok\nuser jdoe\nsubject jdoe\n"
    . "admin no\nscopes devices.read\n snapshots.read\nexpires "
    . strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $exp) . "\nclaims "
    . part($seed, 1) . "\nwarnings -\n", 'report');

spew('token', "$seed\n");
spew('token.crlf', "$seed\r\n");

for (
    [ 'a PEM file', 'token', @issuer, '--key', 'rsa.pub' ],
    [ 'a JWK Set', 'token', @issuer, '--key', 'rsa.jwks' ],
    [ 'a token with CR LF', 'token.crlf', @issuer, '--key', 'rsa.jwks' ],
    [ 'a path with a directory', './token', @issuer, '--key', 'rsa.pub' ],
    [ 'the token on standard input', '-', @issuer, '--key', 'rsa.pub' ],
    [ 'any audience by --any-audience', '-', '--issuer', $issuer[1], '--any-audience', '--key', 'rsa.pub' ],
    [ 'repeated keys, issuers and audiences', '-', '--key', 'rsa3.pub', '--key', 'rsa.pub', '--issuer', 'x',
        @issuer, '--audience', 'y' ],
) {
    my ($name, @args) = @$_;
    is(run({ in => $seed }, 'jwt', 'verify', @args)->{rc}, 0, "$name is accepted");
}
is(run({ in => $rsa_pub }, 'jwt', 'verify', '--key', '-', @issuer, 'token')->{rc}, 0, '--key reads standard input');

$out = json(verify($seed, 'rsa.pub', '--json')->{out});
is_deeply($out, { verdict => 'ok', reason => 'ok', user => 'jdoe',
    subject => 'jdoe', admin => JSON::PP::false, warnings => [],
    scopes => ['devices.read', 'snapshots.read'], expires => $exp,
    claims => $claims }, '--json prints the whole verdict');

# tokens of other signers
for (['PS256', 'rsa'], ['PS384', 'rsa'], ['PS512', 'rsa3'], ['RS256', 'rsa'],
    ['ES256', 'p256'], ['ES384', 'p384'], ['ES512', 'p521'], ['EdDSA', 'ed'])
{
    my ($alg, $key) = @$_;
    my $pem = slurp($key);
    my $pk = $alg eq 'EdDSA' ? Crypt::PK::Ed25519->new(\$pem) : \$pem;
    my $t = encode_jwt(payload => { iss => 'https://ipf.example', aud => 'api',
        exp => time + 60, scope => 'a b' }, alg => $alg, key => $pk);

    for my $form ($key eq 'rsa' && $alg ne 'RS256' ? 'pub' : qw(pub jwks)) {
        next if $key eq 'rsa3' && $form eq 'jwks';
        my $o = verify($t, "$key.$form", '--json', '--algorithms', $alg);
        is($o->{rc}, 0, "$alg of Crypt::JWT is accepted with $key.$form");
        is("@{json($o->{out})->{scopes}}", 'a b', 'a scope string is split at spaces');
    }

    refused($t, "$key.pub", 'bad_alg', "$alg is refused unless --algorithms lists it")
        if $alg =~ /^PS/ && $key eq 'rsa';
}

# paths of claims
my $nested = ok_out('jwt', 'sign', '--key', 'rsa', @id, '--claim-json',
    'who={"name":"ann","root":true,"may":["x"]}', '--claim-json', 'isAdmin=true');
$out = json(verify($nested, 'rsa.pub', '--json', '--user-claim', 'who.name',
    '--scope-claim', 'who.may', '--admin-claim', 'who.root')->{out});
is("$out->{user} @{$out->{scopes}}", 'ann x', '--user-claim and --scope-claim are paths');
ok($out->{admin}, '--admin-claim is a path');
ok(json(verify($nested, 'rsa.pub', '--json')->{out})->{admin}, 'isAdmin marks an administrator by default');
ok(!json(verify($nested, 'rsa.pub', '--json', '--admin-claim',
    'off')->{out})->{admin}, '--admin-claim off: no administrators');

# control characters of claims
my $evil = ok_out('jwt', 'sign', '--key', 'rsa', @id, '--claim-json',
    'username="a\u001b[2J\u009b1m\u007f\n"');
$out = verify($evil, 'rsa.pub')->{out};
unlike($out, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/, 'control characters of a claim are not printed');
like($out, qr/^user +a\?\[2J\?1m\?\?$/m, 'control characters of a claim are printed as question marks');

###############################################################################
# jwt verify: refused tokens

my ($h, $p, $s) = split /\./, $seed;

refused("$seed\n", 'rsa.pub', 'expired', '--at', 'now+31m', 'the token has expired');
refused($seed, 'rsa.pub', 'expired', '--at', $exp, 'a token expires at exp');
is(verify($seed, 'rsa.pub', '--at', $exp - 1)->{rc}, 0, 'a token is valid one second before exp');
is(verify($seed, 'rsa.pub', '--at', $exp + 59, '--leeway', '1m')->{rc}, 0,
    '--leeway extends the validity');
refused($seed, 'rsa.pub', 'expired', '--at', $exp + 60, '--leeway', '1m',
    'a token expires at exp plus leeway');

$out = verify($seed, 'rsa.pub', '--json', '--at', 'now+1h');
is_deeply(json($out->{out}), { verdict => 'refused', reason => 'expired',
    code => 'API_EXPIRED_ACCESS_TOKEN', status => 401, subject => 'jdoe',
    warnings => [] }, '--json prints reason, code and status of a refusal');
reports($out, 1, 'refused: expired (API_EXPIRED_ACCESS_TOKEN)', '--json keeps the error on standard error');

my %changed = %$claims;
$changed{isAdmin} = JSON::PP::true;
my $forged = b64json(\%changed);

my $text     = b64json({ alg => 'HS256', typ => 'JWT' }) . ".$p";
my $unsigned = b64json({ alg => 'none', typ => 'JWT' }) . ".$p";

for (
    [ bad_signature => 'the payload was changed', "$h.$forged.$s" ],
    [ bad_signature => 'the signature was changed', "$h.$p." . $s =~ s/^(.{9})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er ],
    [ malformed => 'the signature is empty', "$h.$p." ],
    [ malformed => 'there are two parts', "$h.$p" ],
    [ malformed => 'a space comes first', " $seed" ],
    [ too_long => 'the token is too long', 'x' x 16_385 ],
    [ bad_alg => 'alg none', "$unsigned.$s" ],
    [ malformed => 'alg none without a signature', "$unsigned." ],
    [ bad_alg => 'HS256 with the public key as the secret', "$text." . encode_base64url(hmac_sha256($text, $rsa_pub)) ],
) {
    my ($reason, $name, $token) = @$_;
    refused($token, 'rsa.pub', $reason, $name);
}
refused($seed, 'rsa3.pub', 'bad_signature', 'the key is another one');

sub signed (@args) { ok_out('jwt', 'sign', '--key', 'rsa', @args) }

refused(signed(@id, '--no-expires'), 'rsa.pub', 'bad_claim', 'exp is missing');
refused(signed('--claim', 'aud=api'), 'rsa.pub', 'issuer_mismatch', 'iss is missing');
refused(signed('--claim', 'iss=https://ipf.example', '--claim', 'aud=apix'),
    'rsa.pub', 'audience_mismatch', 'aud is another one');
refused(signed(@id, '--not-before', 'now+1h'), 'rsa.pub', 'not_yet_valid', 'nbf is in the future');
refused(signed(@id, '--issued-at', 'now-2h'), 'rsa.pub', 'too_old',
    '--max-age', '1h', 'the token is older than --max-age');
my %typed = (payload => { iss => 'https://ipf.example', aud => 'api',
    exp => time + 600 }, alg => 'RS256', key => \$before);
my $event = encode_jwt(%typed, extra_headers => { typ => 'secevent+jwt' });

refused($event, 'rsa.pub', 'bad_typ', 'typ is not accepted');
for (
    [ '--typ adds an accepted typ', $event, '--typ', 'absent', '--typ', 'secevent+jwt' ],
    [ 'at+jwt is accepted by default', encode_jwt(%typed, extra_headers => { typ => 'at+jwt' }) ],
    [ '--typ absent accepts a token without typ', encode_jwt(%typed), '--typ', 'absent' ],
) {
    my ($name, $token, @args) = @$_;
    is(verify($token, 'rsa.pub', @args)->{rc}, 0, $name);
}
refused($seed, 'rsa.pub', 'bad_typ', '--typ', 'absent', 'typ is not absent');
refused(signed(@id, '--kid', 'x'), 'rsa.jwks', 'unknown_kid', 'no key has this kid');

for (
    [ wrong_kind => '--any-kind', 'nonce="n"' ], [ wrong_kind => '--any-kind', 'typ="ID"' ],
    [ wrong_kind => '--any-kind', 'events={}' ], [ unproven => '--ignore-cnf', 'cnf={"jkt":"x"}' ],
) {
    my ($reason, $option, $claim) = @$_;
    my $token = signed(@id, '--claim-json', $claim);
    refused($token, 'rsa.pub', $reason, "a token with $claim is refused");
    is(verify($token, 'rsa.pub', $option)->{rc}, 0, "$option accepts a token with $claim");
}
for ('', 'username=null', 'username=["jdoe"]') {
    my $token = signed(@id, $_ ? ('--claim-json', $_) : ());
    is(verify($token, 'rsa.pub')->{rc}, 0, "a token without a user is accepted: '$_'");
    refused($token, 'rsa.pub', 'bad_claim', '--require-user', "--require-user refuses '$_'");
}
is(json(verify(signed(@id, '--claim-json', 'username=12345'), 'rsa.pub', '--json', '--require-user')->{out})->{user},
    '12345', 'the text of a number is the user');

my $long = signed(@id, '--claim', 'x=' . 'x' x 20_000);
refused($long, 'rsa.pub', 'too_long', 'a token is too long by default');
is(verify($long, 'rsa.pub', '--max-length', 32768)->{rc}, 0, '--max-length accepts a longer token');
refused($long, 'rsa.pub', 'too_long', '--max-length', 20_000, 'a token is longer than --max-length');

is(verify(signed(@id, '--kid', $kid), 'rsa.jwks')->{rc}, 0, '--kid sets the kid of the JWK');

###############################################################################
# jwt verify: the command line and the keys

my @rsa = ('--key', 'rsa.pub', @issuer);

for (
    [ 'missing option "--issuer"', '--key', 'rsa.pub', '--audience', 'api' ],
    [ 'missing option "--audience" or "--any-audience"', '--key', 'rsa.pub', '--issuer', 'x' ],
    [ '"--audience" and "--any-audience" are mutually exclusive', @rsa, '--any-audience' ],
    [ 'standard input can be read only once', '--key', '-', @issuer ],
    [ 'invalid value "-1" in "--leeway": use a duration such as 90, 30m or 1h30m', @rsa, '--leeway', '-1' ],
    [ 'invalid value "then" in "--at": use a time such as 1767225600, now or now-30m', @rsa, '--at', 'then' ],
    [ 'invalid value "65537" in "--max-length": use a number from 0 to 65536', @rsa, '--max-length', 65537 ],
    [ 'invalid value "a..b" in "--user-claim": use the path of a claim such as realm_access.roles',
        @rsa, '--user-claim', 'a..b' ],
    (map { [ qq(invalid value "$_" in "--algorithms": use RS256, RS384, RS512, PS256, PS384, PS512, ES256, )
        . 'ES384, ES512, EdDSA and Ed25519, separated by commas', @rsa, '--algorithms', $_ ] }
        'none', 'HS256', 'rs256', '', 'RS256,', ',RS256', 'RS256, ES256'),
) {
    my ($sentence, @args) = @$_;
    fails(run({ in => $rsa_pub }, 'jwt', 'verify', @args), 2, $sentence,
        'jwt verify ' . substr("@args", 0, 70));
}

system 'openssl pkey -in weak -pubout -out weak.pub 2>/dev/null';

for (
    [ 'weak.pub', qr/key "weak.pub": .*1024.*/ ],
    [ 'rsa', qr/key "rsa": .*private key.*/ ],
    [ 'empty', qr/key "empty": .+/ ],
    [ 'ed.pub', qr/key "ed.pub": .+/ ],
    [ 'none.pub', 'cannot open "none.pub": No such file or directory' ],
) {
    fails(verify($seed, @$_[0]), 1, @$_[1], "key $_->[0]");
}

# a warning names each key that is ignored
my $set = json(slurp('rsa.jwks'));
push @{$set->{keys}}, { kty => 'oct', k => 'c2VjcmV0' };
spew('mixed.jwks', JSON::PP->new->encode($set));
$out = verify($seed, 'mixed.jwks', '--json');
is($out->{rc}, 0, 'a JWK Set with an unusable key is accepted');
my $warnings = json($out->{out})->{warnings};
is(scalar @$warnings, 1, 'an unusable key causes one warning');
like($warnings->[0], qr/\Amixed.jwks: /, 'the warning names the file');
unlike($out->{out}, qr/c2VjcmV0/, 'the warning does not show the key');
like(verify($seed, 'mixed.jwks')->{out}, qr/^warnings +mixed.jwks: /m,
    'the warning is printed without --json too');

spew('none.jwks', JSON::PP->new->encode({ keys => [map { { $set->{keys}[0]->%*, kid => $_, e => 'Aw' } } qw(a b)] }));
like(verify($seed, 'none.jwks')->{err}, qr/none\.jwks: key 1 .*kid: "a".*\n.*none\.jwks: key 2 .*\n.*no usable key/,
    'without a usable key, the errors name each key and why it is ignored');

# arguments that are secrets
my $no_secret = 'the name of a file is expected, not a key, a token or claims: '
    . 'arguments must not hold secrets';

for (
    [ 'a token', 'verify', '--key', 'rsa.pub', @issuer, $seed ],
    [ 'a public key', 'verify', '--key', $rsa_pub, @issuer, 'token' ],
    [ 'a private key', 'sign', '--key', $before ],
    [ 'an object of claims', 'sign', '--key', 'rsa', '--claims', '{"a":1}' ],
) {
    my ($what, @args) = @$_;
    fails(run('jwt', @args), 2, $no_secret, "$what as an argument is refused and not shown");
}

for my $json ('', '--json') {
    for my $at ('now', 'now+1h') {
        fails(run({ in => $seed, to => '/dev/full' }, 'jwt', 'verify', '--key',
            'rsa.pub', @issuer, '--at', $at, $json || ()), 1,
            'cannot write to standard output: No space left on device',
            "a full disk is an error of jwt verify $json --at $at");
    }
}

###############################################################################

no_sanitizer_report;

done_testing();
