package AuthToken::Local;

# A server that issues tokens: users with passwords in its store, signing keys,
# the token endpoints at the paths of IP Fabric, and requests to them.

use v5.36;

use AuthToken::Store;
use AuthToken::Token qw(key secret);
use Exporter qw(import);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

our @EXPORT = qw(issuer_conf api_conf prepare_users user_record post_json login
                 refresh logout cookies basic claims_of hash_of);

our $PASSWORD = 'canary-open-sesame';

# the challenge of Basic, next to that of bearer tokens
our $BASIC = 'Basic realm="api", charset="UTF-8"';

# an issuer block with a signing key; $more is added to it
sub issuer_conf ($name = 'main', $more = '') {
    return <<"CONF";
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;
    %%ISSUER $name: signing_key %%DIR%%/sign.pem; $more
%%
CONF
}

# the locations of the token endpoints; $clients names the issuer of the OAuth
# token endpoint
sub api_conf ($name = 'main', $clients = '') {
    my $oauth = $clients && "location = /oauth/token { auth_token_oauth $clients; }";
    return <<"CONF";
        location = /api/v6.1/auth/login  { auth_token_login $name; }
        location = /api/auth/token       { auth_token_refresh $name; }
        location = /api/v6.1/auth/logout { auth_token_logout $name; }
        $oauth
        location = /keys                 { auth_token_jwks $name; }
CONF
}

# a hash of crypt(5), by default a cheap one
sub hash_of ($password, $setting = '$6$rounds=1000$saltsalt$') { crypt $password, $setting }

sub user_record ($name, %o) {
    my $true = JSON::PP::true;
    return { username => $name, id => "id-$name", enabled => $true, scope => ['read'],
             password_hash => hash_of($PASSWORD), %o };
}

# for the option "prepare" of start(): writes keys and a store with the records
sub prepare_users (%records) {
    return sub ($s) {
        for my $name (qw(sign old)) {
            my $file = $s->write("$name.pem", key($name eq 'sign' ? 'rsa' : 'rsa2')->private_pem);
            chmod 0600, $file;
        }
        AuthToken::Store->prepare(sub ($store) { $store->import_records(%records) })->($s);
    };
}

sub _json ($data) { JSON::PP->new->utf8->canonical->encode($data) }

# options as of request(); body is a hash or a text
sub post_json ($s, $path, $body, %o) {
    my $headers = delete $o{headers} // [];
    push @$headers, 'Content-Type: application/json' if !$o{untyped};
    return $s->request($path, method => 'POST', %o, headers => $headers,
                       body => ref $body ? _json($body) : $body);
}

# options as of request(), and at (another path)
sub login ($s, $user = 'jane', $password = $PASSWORD, %o) {
    my $path = delete $o{at} // '/api/v6.1/auth/login';
    my $answer = post_json($s, $path, { username => $user, password => $password }, %o);
    cookies($answer);
    return $answer;
}

# sends the refresh token in the body
sub refresh ($s, $token, %o) {
    my $answer = post_json($s, '/api/auth/token', { refreshToken => $token }, %o);
    cookies($answer);
    return $answer;
}

sub logout ($s, %o) {
    return $s->request('/api/v6.1/auth/logout', method => 'POST', body => '', %o);
}

# name => value of the cookies of a response; logs must not contain the values
sub cookies ($answer) {
    return map { /\A(\w+)=([^;]*);/ ? ($1 => length $2 ? secret($2) : '') : () }
           $answer->all('Set-Cookie');
}

sub basic ($user, $password = $PASSWORD) {
    return 'Basic ' . secret(encode_base64("$user:$password", ''));
}

# the claims of a token, not verified
sub claims_of ($token) {
    return JSON::PP->new->utf8->decode((AuthToken::Token::parts($token))[1]);
}

1;
