package AuthToken::Provider;

=head1 NAME

AuthToken::Provider - a certified OpenID provider on loopback

=head1 SYNOPSIS

    my $client = '11111111-2222-3333-4444-555555555555';

    my $provider = AuthToken::Provider->start(
        resources => { 'https://api.example/' => 'https://api.example/' },
        clients   => [{ id => $client, claims => { ver => '2.0', azp => $client } }],
    );

    my $s = start(<<"CONF", files => { 'ca.pem' => $provider->ca });
        %%ISSUER main: issuer @{[$provider->issuer]}; audience https://api.example/;
            jwks_uri @{[$provider->jwks_uri]} ca_file=%%DIR%%/ca.pem;%%
        ...
    CONF

    granted $s, '/', 'a token of the provider',
            token => $provider->token(client => $client, resource => 'https://api.example/');

    $provider->rotate('rsa2');
    $provider->await_hits('/jwks', 2);
    $provider->mode('html', path => '/jwks');
    $provider->stop;

=head1 DESCRIPTION

C<oidc-provider> (npm), which deps.sh installs beside the build, behind the listeners of an
AuthToken::Source, whose methods work here, too.  A document of C<serve> takes precedence
over a response of the provider; C<keys> are the signing keys.

=head1 METHODS

=over

=item start(OPTIONS)

C<keys>: names of RSA keys of AuthToken::Token (C<['rsa']>), which are also their C<kid>.
All of them are published, the first one signs.

C<path>: the path of the issuer, for example C</TENANT/v2.0>.  C<issuer>: the value of
C<iss>, instead of C<base> and C<path>.

C<resources>: the resources of token requests, URI => audience.

C<clients>: a list of hashes with C<id>; C<secret> (default: random);
C<resource>, the default of token requests (the only resource; without one the token is
opaque); C<claims> and C<header>, which are added to the payload and the header of tokens,
undef to remove a member.  Tokens as Entra issues them:

    header => { typ => 'JWT' },
    claims => { ver => '2.0', azp => $id, tid => $tenant, oid => $oid, sub => $oid,
                client_id => undef, jti => undef, roles => ['api.read'] }

=item issuer, jwks_uri, token_uri, jwks

C<jwks> requests the published JWK Set and returns its text; the request is counted.

=item token(OPTIONS)

Returns a token for client credentials, or dies.  C<client>: the id (default: the first one);
C<resource>; C<scope>, where C<RESOURCE/.default> selects a resource.  The token must not
appear in any log.

=item publish(NAME), sign_with(NAME), withdraw(NAME), rotate(NAME, OPTIONS)

Adds a key to the published set; selects the signing key; removes a key that is not the
signing key.  C<rotate> publishes a key, signs with it and withdraws the others unless
C<< keep => 1 >>.  Existing tokens do not change.

=back

=cut

use v5.36;

use parent 'AuthToken::Source';

use AuthToken::Token qw(key secret);
use Carp qw(croak);
use JSON::PP ();

my $json = JSON::PP->new->utf8->canonical;

sub _new ($class, %o) {
    my $self = $class->SUPER::_new(%o);

    $self->{keys}    = [($o{keys} // ['rsa'])->@*];
    $self->{sign}    = $self->{keys}[0];
    $self->{clients} = [map { { secret => secret(join '', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 40), %$_ } }
                        ($o{clients} // [])->@*];

    return $self;
}

sub _ready ($self) { $self->_provide }

# replaces the provider by one with the current configuration
sub _provide ($self) {
    my $o = $self->{options};
    my $modules = $ENV{AT_NODE} || "$AuthToken::Server::ROOT/build/node";

    croak "$modules not found: run make test-deps" if !-e "$modules/installed";

    $self->_tell(provider => {
        modules   => $modules,
        issuer    => $self->issuer,
        path      => $o->{path} // '',
        resources => $o->{resources} // {},
        clients   => $self->{clients},
        sign      => $self->{sign},
        keys      => [map { $self->_private_jwk($_) } $self->{keys}->@*],
    });

    return $self;
}

sub _private_jwk ($self, $name) {
    my $jwk = key($name)->{pk}->export_key_jwk('private', 1);
    return { %$jwk, kid => $name, use => 'sig', $name =~ /^rsa/ ? (alg => 'RS256') : () };
}

# --- addresses ------------------------------------------------------------------

sub issuer ($self)        { $self->{options}{issuer} // $self->_mount }
sub jwks_uri ($self)      { $self->_mount . '/jwks' }
sub token_uri ($self)     { $self->_mount . '/token' }

sub _mount ($self) { $self->base . ($self->{options}{path} // '') }

sub jwks ($self) { $self->fetch($self->jwks_uri)->{body} }

# --- tokens -----------------------------------------------------------------

sub token ($self, %o) {
    my ($client) = grep { !defined $o{client} || $_->{id} eq $o{client} } $self->{clients}->@*;
    my $answer = $self->fetch($self->token_uri, form => {
        grant_type => 'client_credentials', client_id => $client->{id}, client_secret => $client->{secret},
        map { defined $o{$_} ? ($_ => $o{$_}) : () } qw(resource scope),
    });

    my $members = eval { $json->decode($answer->{body}) } // {};
    return secret($members->{access_token} // croak "no token: $answer->{body}");
}

# --- keys ---------------------------------------------------------------------

sub publish ($self, $name) {
    push $self->{keys}->@*, $name if !grep { $_ eq $name } $self->{keys}->@*;
    return $self->_provide;
}

sub sign_with ($self, $name) {
    croak "$name is not published" if !grep { $_ eq $name } $self->{keys}->@*;
    $self->{sign} = $name;
    return $self->_provide;
}

sub withdraw ($self, $name) {
    croak "$name is the signing key" if $self->{sign} eq $name;
    $self->{keys} = [grep { $_ ne $name } $self->{keys}->@*];
    return $self->_provide;
}

sub rotate ($self, $name, %o) {
    $self->{keys} = [$name, $o{keep} ? grep { $_ ne $name } $self->{keys}->@* : ()];
    $self->{sign} = $name;
    return $self->_provide;
}

1;
