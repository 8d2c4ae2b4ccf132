#!/usr/bin/perl

# Access tokens only: the documented tokens of identity providers, and the members that
# tell the kind of a token.  t/unit/jwt_test.c has all combinations of these members.
#
# Requirements: token-kinds, token-binding.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();

my $json = JSON::PP->new->utf8->canonical;

# NAME.json: the block for the provider, and tokens with the expected results
my %providers = map {
    my ($name) = m{([^/]+)\.json\z};
    ($name => $json->decode(AuthToken::Log->new($_)->content));
} glob "$AuthToken::Server::ROOT/t/data/provider-tokens/*.json";

# a location for a block, which has the name of the location and the RSA key
sub location ($name, @lines) {
    my $lines = join '', map { "    $_;\n" } @lines;
    return ("auth_token_issuer $name {\n    key_file %%DIR%%/rsa.json;\n$lines}\n",
            "location /$name/ { auth_token_trust $name; proxy_pass %%UPSTREAM%%; }\n");
}

my (@blocks, @locations);
sub add (@arguments) {
    my ($block, $location) = location(@arguments);
    push @blocks, $block;
    push @locations, $location;
}

for my $name (sort keys %providers) {
    my @lines = $providers{$name}{block}->@*;
    my @other = grep { !/^token_kind/ } @lines;

    add($name, @lines);
    add("$name-other", @other, @other == @lines ? 'token_kind any' : ());
}

my @own = ('issuer https://issuer.example', 'audience api');
add('default', @own);
add('strict',  @own, 'token_kind access', 'cnf refuse');
add('any',     @own, 'token_kind any');
add('unbound', @own, 'cnf ignore');
add('at',      @own, 'typ at+jwt');

my $s = start(join('', @blocks) . <<"CONF", good => ['/default/'],
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 32k;
        auth_token on;
        @locations
    }
CONF
    files => { 'rsa.json' => '{"keys":[' . key('rsa')->jwk . ']}' });

# --- tokens of providers ----------------------------------------------------

# the token now; %more are further claims
sub provided ($token, %more) {
    my %payload = ($token->{payload}->%*, %more);
    my $later   = time - $payload{iat};

    $payload{$_} += $later for grep { defined $payload{$_} } qw(iat nbf exp auth_time);
    return raw_token($json->encode($token->{header}), $json->encode(\%payload));
}

sub check ($path, $result, $token, $name, %more) {
    my $text = provided($token, %more);

    $result eq 'ok' ? granted($s, $path, $name, token => $text)
                    : refused($s, $path, $result => $name, token => $text);
}

for my $provider (sort keys %providers) {
    for my $token ($providers{$provider}{tokens}->@*) {
        my ($name, $result) = $token->@{qw(name result)};

        check "/$provider/", $result, $token, $name;
        check "/$provider-other/", $token->{access} // 'ok', $token, "$name, the other token_kind";

        next if $result ne 'ok';

        granted $s, "/$provider/", "the user in the $name", token => provided($token),
                decision => { user => $token->{user} };
        check "/$provider/", 'unproven', $token, "$name, bound to a key", cnf => { jkt => 'x' };
        check "/$provider/", 'expired', $token, "$name, expired", exp => $token->{payload}{iat} - 1;
        check "/$provider/", 'issuer_mismatch', $token, "$name, another iss", iss => 'https://other.example';
    }
}

# Keycloak lists the roles of every client: 126 clients, 9 KB
my %clients = map { ("client-application-$_" => { roles => ['view', 'manage', 'audit'] }) } 1 .. 126;
check '/keycloak/', 'ok', $providers{keycloak}{tokens}[0], '126 clients in resource_access',
      resource_access => \%clients;

# --- members ----------------------------------------------------------------

for my $row (['nonce', nonce => 'n', scope => GONE], ['at_hash', at_hash => 'h'], ['c_hash', c_hash => 'h'],
             ['an empty at_hash', at_hash => ''], ['typ ID', typ => 'ID'], ['typ id', typ => 'id'],
             ['typ Refresh', typ => 'Refresh'], ['typ Offline', typ => 'Offline'], ['typ Logout', typ => 'Logout'],
             ['token_use id', token_use => 'id'], ['token_use Access', token_use => 'Access'],
             ['an empty token_use', token_use => ''], ['events', events => {}])
{
    my ($name, %claims) = @$row;

    refused $s, $_, wrong_kind => "$name at $_", token => good_token(%claims) for '/default/', '/strict/';
    granted $s, '/any/', "$name, token_kind any", token => good_token(%claims);
}

for my $row (['typ Bearer', typ => 'Bearer', scope => GONE], ['typ DPoP', typ => 'DPoP', scope => GONE],
             ['scope', scope => ''], ['scp', scope => GONE, scp => 'read'])
{
    my ($name, %claims) = @$row;
    granted $s, '/default/', "nonce and $name", token => good_token(nonce => 'n', %claims);
}
granted $s, $_, "nonce in a token with header typ at+jwt, at $_",
        token => token(header => { typ => 'at+jwt' }, claims => { nonce => 'n', scope => GONE }) for '/default/', '/at/';
refused $s, '/at/', bad_typ => 'the header typ comes first', token => good_token(nonce => 'n', scope => GONE);

granted $s, '/default/', "$_->[0] $_->[1]", token => good_token($_->[0] => \$_->[1]) for
    ['token_use', '"access"'], ['events', '["login"]'], ['events', '"x"'], ['events', 'null'], ['typ', '"Bearer"'],
    ['typ', '"JWT"'], ['typ', '7'], ['typ', 'null'], ['amr', '["pwd"]'], ['auth_time', '1'], ['sid', '"s"'];

# --- bound tokens -----------------------------------------------------------

for my $cnf ('{"jkt":"x"}', '{"x5t#S256":"x"}', '{"jwk":{}}', '{"kid":"x"}', '{}', '[]', '""', 'false') {
    refused $s, $_, unproven => "cnf $cnf at $_", token => good_token(cnf => \$cnf) for '/default/', '/any/';
    granted $s, '/unbound/', "cnf $cnf, cnf ignore", token => good_token(cnf => \$cnf);
}
granted $s, '/default/', 'cnf null', token => good_token(cnf => \'null');

# --- configuration ----------------------------------------------------------

conf_fails "auth_token_issuer x { $_->[0]; # here\n }", qr/$_->[1]/, $_->[0] for
    ['token_kind', 'invalid number of arguments in "token_kind"'],
    ['token_kind id', 'invalid value "id" in "token_kind": use "access" or "any"'],
    ['token_kind any any', 'invalid number of arguments in "token_kind"'],
    ['cnf on', 'invalid value "on" in "cnf": use "refuse" or "ignore"'];
conf_fails "auth_token_issuer x { $_->[0] $_->[1]; $_->[0] $_->[1]; # here\n }", qr/"$_->[0]" directive is duplicate/,
    "$_->[0] twice" for ['token_kind', 'any'], ['cnf', 'ignore'];

done;
