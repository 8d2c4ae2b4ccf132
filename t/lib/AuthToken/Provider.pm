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
        auth_token_issuer main {
            issuer   @{[$provider->issuer]};
            audience https://api.example/;
            jwks_uri @{[$provider->jwks_uri]} ca_file=%%DIR%%/ca.pem;
        }
        ...
    CONF

    granted $s, '/', 'a token of the provider',
            token => $provider->token(client => $client, resource => 'https://api.example/');

    $provider->rotate('rsa2');
    $provider->await_hits('/jwks', 2);
    $provider->mode('html', path => '/jwks');
    $provider->stop;

=head1 WHAT RUNS

C<oidc-provider> (npm), which deps.sh installs beside the build, behind the listeners
of an AuthToken::Source: all that is there, C<mode>, C<certificate>, C<hits>,
C<requests>, C<serve>, C<fetch>, C<stop>, C<start>, C<ca_file>, works here.  A document that is
served goes before what the provider answers; C<keys> here are those that it signs with.

=head1 METHODS

=over

=item start(OPTIONS)

C<keys>: names of RSA keys of AuthToken::Token, C<['rsa']>; they are published, the first
one signs.  Their C<kid> is their name.

C<path>: where it is mounted, as C</TENANT/v2.0>; C<issuer>, C<base> and C<path>, may be set to
any other value of C<iss>.

C<resources>: what clients may ask tokens for, URI => audience.

C<clients>: a list of hashes.  C<id>; C<secret> (one is made); C<ttl> in seconds (3600);
C<resource>, of a request that names none (the only one; without any the token is an
opaque one); C<claims> and C<header>: members of the token's
payload and header besides, or in place of, those of the provider, undef to leave one
out.  These tokens have the shape of Entra's:

    header => { typ => 'JWT' },
    claims => { ver => '2.0', azp => $id, tid => $tenant, oid => $oid, sub => $oid,
                client_id => undef, jti => undef, roles => ['api.read'] }

=item issuer, jwks_uri, discovery_uri, token_uri, jwks

The values, and the text of the key set as it is published now (by a request, which
counts).

=item token(OPTIONS)

A token by client credentials; dies if it is refused.  C<client>: its id (that of the first
one); C<resource>; C<scope>, where C<RESOURCE/.default> names a resource, too; C<secret>, another
one; C<auth>: C<post> (default) or C<basic>.  No log may show it.

=item ask(OPTIONS)

The same request: the answer as a hash of status and the members of its JSON.

=item client(HASH)

A client more, or in place of that of its id.

=item publish(NAME), sign_with(NAME), withdraw(NAME), rotate(NAME, OPTIONS)

A further key in the set, not used; another key to sign with; a key less in the set, which
cannot be the one that signs.  C<rotate> publishes, signs with it, and withdraws the
others unless C<< keep => 1 >>.  Tokens that were made stay as they are.

=back

=cut

use v5.36;

use parent 'AuthToken::Source';

use AuthToken::Token qw(key secret);
use Carp qw(croak);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my $json = JSON::PP->new->utf8->canonical;

sub _new ($class, %o) {
    my $self = $class->SUPER::_new(%o);

    $self->{keys}    = [($o{keys} // ['rsa'])->@*];
    $self->{sign}    = $self->{keys}[0];
    $self->{clients} = [];
    $self->_keep_client($_) for ($o{clients} // [])->@*;

    return $self;
}

sub _ready ($self) { $self->_provide }

# has the process make a provider of what is configured now
sub _provide ($self) {
    my $o = $self->{options};
    my $modules = $ENV{AT_NODE} || "$AuthToken::Server::ROOT/build/node";

    croak "$modules: not there; run make deps first" if !-e "$modules/installed";

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

# --- where ------------------------------------------------------------------

sub issuer ($self)        { $self->{options}{issuer} // $self->_mount }
sub jwks_uri ($self)      { $self->_mount . '/jwks' }
sub token_uri ($self)     { $self->_mount . '/token' }
sub discovery_uri ($self) { $self->_mount . '/.well-known/openid-configuration' }

sub _mount ($self) { $self->base . ($self->{options}{path} // '') }

sub jwks ($self) { $self->fetch($self->jwks_uri)->{body} }

# --- tokens -----------------------------------------------------------------

sub token ($self, %o) {
    my $answer = $self->ask(%o);
    return $answer->{access_token}
        // croak 'no token: ', $json->encode($answer);
}

sub ask ($self, %o) {
    my $clients = $self->{clients};
    my ($client) = grep { !defined $o{client} || $_->{id} eq $o{client} } @$clients;
    my $id    = $o{client} // $client->{id};
    my $proof = $o{secret} // ($client // {})->{secret} // croak "no such client: $id";
    my $basic = ($o{auth} // 'post') eq 'basic';

    my $answer = $self->fetch($self->token_uri,
        headers => [$basic ? 'Authorization: Basic '
            . encode_base64(join(':', map { AuthToken::Source::_encoded($_) } $id, $proof), '') : ()],
        form => {
            grant_type => 'client_credentials',
            (map { defined $o{$_} ? ($_ => $o{$_}) : () } qw(resource scope)),
            $basic ? () : (client_id => $id, client_secret => $proof),
        });

    my $members = eval { $json->decode($answer->{body}) } // {};
    secret($members->{access_token}) if defined $members->{access_token};

    return { %$members, status => $answer->{status} };
}

# --- clients and keys -------------------------------------------------------

sub _keep_client ($self, $client) {
    my %client = (secret => join('', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 40), %$client);

    @{ $self->{clients} } = grep { $_->{id} ne $client{id} } $self->{clients}->@*;
    push $self->{clients}->@*, \%client;
    secret($client{secret});
}

sub client ($self, $client) {
    $self->_keep_client($client);
    return $self->_provide;
}

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
    croak "$name signs" if $self->{sign} eq $name;
    $self->{keys} = [grep { $_ ne $name } $self->{keys}->@*];
    return $self->_provide;
}

sub rotate ($self, $name, %o) {
    $self->{keys} = [$name, $o{keep} ? grep { $_ ne $name } $self->{keys}->@* : ()];
    $self->{sign} = $name;
    return $self->_provide;
}

1;
