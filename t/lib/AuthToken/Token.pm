package AuthToken::Token;

# Keys and tokens: valid tokens with the claims of IP Fabric, and any header and
# payload bytes with any signature.

use v5.36;

use Carp qw(croak);
use Crypt::Mac::HMAC qw(hmac);
use Crypt::PK::ECC;
use Crypt::PK::Ed25519;
use Crypt::PK::RSA;
use Exporter qw(import);
use File::Path qw(make_path);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url encode_base64);

our @EXPORT = qw(b64u unb64u key sign signed raw_token token good_token json
                 parts der_integer der_sequence rsa_public_pem pem GONE
                 secret unwatched secrets no_secrets);

our $KEYS;                      # the directory in which keys are kept

sub b64u ($bytes)  { encode_base64url($bytes) }
sub unb64u ($text) { decode_base64url($text) }

# --- secrets ----------------------------------------------------------------

# Every signed text is a credential: no log may contain a part of it.
my (@secrets, @no_secrets);

sub secrets ()    { @secrets }

# registers another credential and returns it
sub secret ($text) {
    state %known;
    push @secrets, $text if !$known{$text}++;
    return $text;
}
sub no_secrets () { @no_secrets }

# registers a text that nginx itself logs, such as a URI, as not secret
sub unwatched ($code) {
    my $token = $code->();
    push @no_secrets, pop @secrets;
    return $token;
}

# --- keys -------------------------------------------------------------------

# A private key by its name: rsa, rsa2 .. (2048 bits), rsa3072, rsa1024e3, p256,
# p256b, p384, p521, secp256k1, ed25519; generated once and kept with the build.
# An object with pem (the public key), private_pem, jwk(%members), sign.
sub key ($name) {
    state %keys;
    return $keys{$name} //= _load($name);
}

my %curve = (p256 => 'P-256', p384 => 'P-384', p521 => 'P-521', secp256k1 => 'secp256k1');

sub _load ($name) {
    my $file = "$KEYS/$name.pem";
    _generate($name, $file);

    my $class = $name =~ /^rsa/ ? 'RSA' : $name =~ /^ed/ ? 'Ed25519' : 'ECC';
    return bless { name => $name, type => $class,
                   pk => "Crypt::PK::$class"->new($file) },
                 'AuthToken::Token::Key';
}

sub _generate ($name, $file) {
    my @how;

    if ($name =~ /\Arsa(\d{3,})?(?:e(\d+))?[2-9b-z]?\z/) {
        @how = (RSA => "rsa_keygen_bits:" . ($1 // 2048), defined $2 ? "rsa_keygen_pubexp:$2" : ());
    } elsif ($name =~ /\A(p256|p384|p521|secp256k1)[b-z]?\z/) {
        @how = (EC => "ec_paramgen_curve:$curve{$1}", 'ec_param_enc:named_curve');
    } elsif ($name =~ /\Aed25519[b-z]?\z/) {
        @how = ('ED25519');
    } else {
        croak "no such key: $name";
    }

    my ($algorithm, @options) = @how;
    make_once($file, sub ($aside) {
        system 'openssl', 'genpkey', '-quiet', '-algorithm', $algorithm,
               (map { ('-pkeyopt', $_) } @options), '-out', $aside;
    });
}

# Creates a file with $make unless it exists.  Of several test files at a time the
# first one wins.
sub make_once ($file, $make) {
    return if -e $file;

    my $aside = "$file.$$";
    make_path($KEYS);
    $make->($aside);
    -s $aside or die "cannot create $file\n";
    link $aside, $file;
    unlink $aside;
}

# --- tokens -----------------------------------------------------------------

# The signature of $bytes by an algorithm of RFC 7518 or RFC 8037.  The key is an
# object of key(), the secret for HS*, ignored for none.
sub sign ($bytes, $key, $alg) {
    $alg eq 'none'        and return '';
    # HMAC pads an empty key with zero bytes; CryptX refuses an empty one
    $alg =~ /\AHS(\d+)\z/ and return hmac("SHA$1", $key eq '' ? "\0" : $key, $bytes);
    $alg =~ /\ARS(\d+)\z/ and return $key->{pk}->sign_message($bytes, "SHA$1", 'v1.5');
    $alg =~ /\APS(\d+)\z/ and return $key->{pk}->sign_message($bytes, "SHA$1", 'pss', $1 / 8);
    $alg =~ /\AES(\d+)\z/ and return $key->{pk}->sign_message_rfc7518($bytes, "SHA$1");
    $alg =~ /\AEd(?:DSA|25519)\z/ and return $key->{pk}->sign_message($bytes);

    croak "unknown alg: $alg";
}

# a text followed by a dot and its signature
sub signed ($text, $key = key('rsa'), $alg = 'RS256') {
    my $token = $text . '.' . b64u(sign($text, $key, $alg));
    push @secrets, $token;
    return $token;
}

# any bytes as header and payload, signed
sub raw_token ($header, $payload, @key_and_alg) {
    return signed(b64u($header) . '.' . b64u($payload), @key_and_alg);
}

# decoded header, payload and signature of a token
sub parts ($token) { map { unb64u($_) } split /\./, $token, -1 }

use constant GONE => \undef;

# Members in order as JSON text.  A value that is a reference to a string is raw
# JSON (\'1e999'); GONE removes the member.
sub json (@members) {
    my @text;

    while (my ($name, $value) = splice @members, 0, 2) {
        next if ref $value eq 'SCALAR' && !defined $$value;
        push @text, _text($name) . ':' . (ref $value eq 'SCALAR' ? $$value : _text($value));
    }

    return '{' . join(',', @text) . '}';
}

sub _text ($value) {
    return JSON::PP->new->allow_nonref->canonical->utf8->encode($value);
}

# Options: header and claims (hashes of differences from a valid token), key, alg
# (of the signature, and of the header unless header has another).
sub token (%o) {
    my $alg = $o{alg} // 'RS256';
    my $header  = _merge([alg => $alg, typ => 'JWT'], $o{header} // {});
    my $payload = _merge([_claims()], $o{claims} // {});

    return raw_token(json(@$header), json(@$payload), $o{key} // key('rsa'), $alg);
}

# a valid token with changed claims
sub good_token (%claims) { token(claims => \%claims) }

# the claims of IP Fabric, and a canary that no log may contain
sub _claims () {
    my $now = time;
    return (id => '1108612', exp => $now + 1800, iat => $now,
            scope => ['read', 'write'], username => 'jane', isAdmin => \'false',
            aud => 'api', iss => 'https://issuer.example',
            canary => 'canary-' . join '', map { ('a' .. 'z')[rand 26] } 1 .. 12);
}

sub _merge ($members, $changes) {
    my %changes = %$changes;
    my @merged;

    while (my ($name, $value) = splice @$members, 0, 2) {
        push @merged, $name, exists $changes{$name} ? delete $changes{$name} : $value;
    }

    return [@merged, map { ($_ => $changes{$_}) } sort keys %changes];
}

# --- DER --------------------------------------------------------------------

# Minimal DER, for RSA keys that no tool generates.

sub _der ($tag, $content) {
    my $n = length $content;
    my $length = $n < 128 ? chr $n : $n < 256 ? "\x81" . chr $n : "\x82" . pack 'n', $n;
    return chr($tag) . $length . $content;
}

# an INTEGER of big-endian bytes; unchanged if raw is set
sub der_integer ($bytes, %o) {
    if (!$o{raw}) {
        $bytes =~ s/\A\0+(?=.)//s;
        $bytes = "\0$bytes" if ord $bytes >= 128;
    }
    return _der(0x02, $bytes);
}

sub der_sequence (@parts) { _der(0x30, join '', @parts) }

sub pem ($type, $der) {
    return "-----BEGIN $type-----\n" . (encode_base64($der, '') =~ s/(.{1,64})/$1\n/gr)
         . "-----END $type-----\n";
}

# SubjectPublicKeyInfo of the DER integers n and e
sub rsa_public_pem ($n, $e) {
    my $rsa = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    return pem('PUBLIC KEY', der_sequence(
        der_sequence($rsa), _der(0x03, "\0" . der_sequence($n, $e))));
}


package AuthToken::Token::Key;

my %public = (RSA => 'public_x509', ECC => 'public_short', Ed25519 => 'public');

sub name ($self)        { $self->{name} }
sub pem ($self)         { $self->{pk}->export_key_pem($public{$self->{type}}) }
sub der ($self)         { $self->{pk}->export_key_der($public{$self->{type}}) }
sub private_pem ($self) { $self->{pk}->export_key_pem('private') }

# the public key as JWK text, with additional or replaced members
sub jwk ($self, %members) {
    my $jwk = $self->{pk}->export_key_jwk('public', 1);
    delete $jwk->{kid};
    return AuthToken::Token::json(
        AuthToken::Token::_merge([map { ($_ => $jwk->{$_}) } sort keys %$jwk], \%members)->@*);
}

# a number of an RSA key (n, e, d ...) as bytes
sub number ($self, $name) {
    my $hex = lc $self->{pk}->key2hash->{$name eq 'n' ? 'N' : $name};
    return pack 'H*', length($hex) % 2 ? "0$hex" : $hex;
}

1;
