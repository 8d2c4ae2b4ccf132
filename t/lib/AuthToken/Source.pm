package AuthToken::Source;

=head1 NAME

AuthToken::Source - a server of keys that misbehaves when it is told to

=head1 SYNOPSIS

    my $source = AuthToken::Source->start(keys => ['rsa', 'rsa2']);

    my $s = start(<<"CONF", files => { 'ca.pem' => $source->ca });
        auth_token_issuer main {
            issuer   https://issuer.example;
            audience api;
            jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;
        }
        ...
    CONF

    $source->await_hits('/jwks', 1);
    granted $s, '/', 'a key of the source', token => token(header => { kid => 'rsa' });

    $source->mode('500');
    $source->mode('slow', path => '/jwks', seconds => 2);
    $source->certificate('other_ca');
    $source->keys('rsa2');
    is $_->{method}, 'GET' for $source->requests('/jwks');

=head1 WHAT RUNS

One process of node with two listeners on 127.0.0.1: HTTPS, C<url(PATH)>, whose
certificate of C<127.0.0.1> and C<localhost> is of the CA in C<ca_file>, and plain
HTTP, C<plain_url(PATH)>.  Both serve the same documents under the same modes.
It is told what to do by its standard input, and ends with it.  AuthToken::Provider
is a Source whose documents come from an OpenID provider.

=head1 METHODS

=over

=item start(OPTIONS)

C<keys>: names of AuthToken::Token::key for C</jwks>, C<['rsa']>; their C<kid> is their
name.  C<documents>: path => text, in place of or beside C</jwks> and
C</.well-known/openid-configuration>, which names C<base> as the issuer and C<url('/jwks')>.
Anything else is 404.

=item stop, start

C<< $source->stop >> ends the process: connections are refused.  C<< $source->start >>
starts it again on the same ports with the same documents, in mode good, and
counts from 0.

=item base, url(PATH), plain_url(PATH), port, plain_port

C<base> is C<https://127.0.0.1:PORT>.

=item ca, ca_file

The CA's certificate as PEM text, and a file of it that anybody may read.

=item keys(NAME...), serve(PATH, TEXT, OPTIONS), withhold(PATH)

Other keys at C</jwks>; another document (C<type>, C<application/json>; C<headers>, a hash);
none any more.

=item mode(NAME, OPTIONS)

From the next request on.  C<path>: for this path only (it goes before a mode without);
C<times>: for so many requests only, then good again.  Other options by mode:

    good              the document; headers => { 'Cache-Control' => ... }, type => ...
    404, 500, 301 ..  any status, with the document as the body (204, 304: none); headers
    redirect          to => URL, status (302)
    redirect_plain    302 to plain_url of the same path, which has the document
    redirect_chain    302, hops (20) times, to the same path, then the document
    hang              no answer, until release()
    slow              the answer after seconds (2)
    reset             half of the body, then RST
    cut               half of the body, then the end, with the whole Content-Length
    chunked           in chunks of bytes (64)
    chunked_cut       the same without the last chunk
    http10            HTTP/1.0, no length, ended by the end of the connection
    gzip              Content-Encoding: gzip, whatever was asked for
    gzip_bomb         the same, 64 MiB of blanks behind the document
    html              a page, text/html, 200
    empty             200, no byte
    size              the document with blanks behind it, bytes long in all;
                      chunked => 1 for no Content-Length
    endless           the document and blanks without an end
    drip              a byte of the body each milliseconds (100)
    drip_head         a byte of the head each milliseconds (100)
    headers           bytes (100000) of headers before the document
    garbage           bytes that are not HTTP

and of the whole server, before any request:

    refused           nobody listens
    silent            connections are taken and not answered, not even the handshake
    reset_connection  connections are reset at once

C<mode('good')> ends all of them, and what hangs is answered.

=item release

Answers what hangs.

=item certificate(NAME)

For new connections; open ones are closed.  C<good>, C<other_ca> (right name, unknown CA),
C<other_host> (right CA, C<other.example>), C<expired>, C<self_signed>.

=item hits(PATH), requests(PATH), await_hits(PATH, N), connections, open_connections, forget

How many requests for the path came (of all paths without one), the query being no
part of it, and C<< scheme => 'http' >> for those of the plain listener alone; they
themselves (the last 1000) as hashes: scheme, method, path, query, http, headers (a list
of [name, value]), body (its length); waits until there are N, and returns how many.
Connections taken so far, and those still open.  C<forget> begins to count anew.

=item fetch(URL or PATH, OPTIONS)

By curl, trusting the CA alone: a hash of exit (curl's), status, head, body.
C<method>, C<headers>, C<form> (a hash), C<curl> (further options).

=back

=cut

use v5.36;

use AuthToken::Certificate;
use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Token qw(key);
use Carp qw(croak);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time);

our $TIMEOUT = 20;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @running;

END { local $?; $_->stop for splice @running }

# --- process ----------------------------------------------------------------

sub start ($self, %o) {
    $self = $self->_new(%o) if !ref $self;
    croak 'it runs already' if $self->{pid};

    my $dir = $self->{dir};
    pipe my $in, my $commands and pipe my $replies, my $out or die "pipe: $!\n";

    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<&', $in;
        open STDOUT, '>&', $out;
        open STDERR, '>>', "$dir/node.log";
        $ENV{NODE_ENV} = 'test';
        exec 'node', "$AuthToken::Server::ROOT/t/provider/main.js" or do {
            print STDERR "node: $!\n";
            POSIX::_exit(127);
        };
    }

    $commands->autoflush(1);
    $self->@{qw(pid owner commands replies partial)} = ($pid, $$, $commands, $replies, '');
    push @running, $self;

    my $ports = $self->_tell(start => $self->_config);
    $self->{ports} = [$ports->@{qw(port plain_port)}];

    return $self->_ready;
}

sub _new ($class, %o) {
    my $dir = tempdir('at-source-XXXXXXXX', TMPDIR => 1, CLEANUP => !$ENV{AT_KEEP});
    chmod 0755, $dir;

    my $self = bless { dir => $dir, options => \%o, documents => {} }, $class;

    open my $fh, '>', $self->ca_file or die $self->ca_file . ": $!\n";
    print $fh $self->ca;
    close $fh;

    return $self;
}

sub _config ($self) {
    return {
        ports        => $self->{ports} // [],
        certificates => { AuthToken::Certificate::all() },
        documents    => $self->{documents},
    };
}

# what can be served once the port is known
sub _ready ($self) {
    return $self if $self->{documents}{'/jwks'};

    $self->serve('/.well-known/openid-configuration', $json->encode({
        issuer => $self->base, jwks_uri => $self->url('/jwks'),
    }));
    $self->keys(($self->{options}{keys} // ['rsa'])->@*);

    my $documents = $self->{options}{documents} // {};
    $self->serve($_, $documents->{$_}) for sort CORE::keys %$documents;

    return $self;
}

# Ends it; true if it ended by itself and in time.
sub stop ($self) {
    return 1 if !$self->{pid} || $self->{owner} != $$;

    my $pid = delete $self->{pid};
    my $ended = sub { waitpid($pid, POSIX::WNOHANG()) != 0 };

    @running = grep { $_ != $self } @running;
    delete $self->@{qw(commands replies)};

    kill 'TERM', $pid;
    return 1 if eval { AuthToken::Log::await_true($ended, 'its end', 5) };

    kill 'KILL', $pid;
    waitpid $pid, 0;
    return 0;
}

sub pid ($self) { $self->{pid} }

# --- where ------------------------------------------------------------------

sub port ($self)       { $self->{ports}[0] }
sub plain_port ($self) { $self->{ports}[1] }
sub base ($self)       { 'https://127.0.0.1:' . $self->port }
sub ca ($self)         { AuthToken::Certificate::ca() }
sub ca_file ($self)    { "$self->{dir}/ca.pem" }

sub url ($self, $path)       { $self->base . $path }
sub plain_url ($self, $path) { 'http://127.0.0.1:' . $self->plain_port . $path }

# --- commands ---------------------------------------------------------------

# the text of a key set
sub jwk_set ($class, @names) {
    return '{"keys":[' . join(',', map {
        key($_)->jwk(kid => $_, use => 'sig', /^rsa/ ? (alg => 'RS256') : ())
    } @names) . ']}';
}

sub keys ($self, @names) { $self->serve('/jwks', $self->jwk_set(@names)) }

sub serve ($self, $path, $text, %o) {
    $self->{documents}{$path} = { %o, text => $text };
    $self->_tell(serve => { %o, path => $path, text => $text });
    return $self;
}

sub withhold ($self, $path) {
    delete $self->{documents}{$path};
    $self->_tell(withhold => { path => $path });
    return $self;
}

sub mode ($self, $name, %o) {
    $self->_tell(mode => { %o, name => "$name" });
    return $self;
}

sub release ($self) { $self->_tell(release => {}) }

sub certificate ($self, $name) {
    $self->_tell(certificate => { name => $name });
    return $self;
}

# A command and its reply: a line of JSON each.  Dies of what is wrong with it.
sub _tell ($self, $command, $arguments) {
    croak 'it does not run' if !$self->{pid};
    local $SIG{PIPE} = 'IGNORE';

    print { $self->{commands} } $json->encode({ %$arguments, do => $command }), "\n";
    my $reply = $json->decode($self->_line($command));

    croak "$command: $reply->{error}" if defined $reply->{error};
    return $reply;
}

sub _line ($self, $command) {
    my $until = time + $TIMEOUT;

    while ($self->{partial} !~ /\n/) {
        vec(my $bits = '', fileno $self->{replies}, 1) = 1;
        my $n = select($bits, undef, undef, $until - time) > 0
              ? sysread $self->{replies}, $self->{partial}, 1 << 16, length $self->{partial}
              : 0;
        next if $n || $!{EINTR} && time < $until;

        die "no reply to $command:\n" . AuthToken::Log->new("$self->{dir}/node.log")->content;
    }

    my ($line, $rest) = split /\n/, $self->{partial}, 2;
    $self->{partial} = $rest;
    return $line;
}

# --- what came --------------------------------------------------------------

sub hits ($self, $path = undef, %o) {
    return $self->_tell(hits => { %o, path => $path })->{hits};
}

sub requests ($self, $path = undef, %o) {
    return $self->_tell(requests => { %o, path => $path })->{requests}->@*;
}

sub await_hits ($self, $path, $n, %o) {
    my $hits;
    AuthToken::Log::await_true(sub { ($hits = $self->hits($path, %o)) >= $n },
                               "$n requests for $path");
    return $hits;
}

sub connections ($self)      { $self->_tell(connections => {})->{taken} }
sub open_connections ($self) { $self->_tell(connections => {})->{open} }

sub forget ($self) {
    $self->_tell(forget => {});
    return $self;
}

# --- a client ---------------------------------------------------------------

# What may be secret is in a file, not on the command line.
sub fetch ($self, $url, %o) {
    my $aside = "$self->{dir}/fetch-$$";
    my $form  = $o{form};

    my %options = (
        url => $url =~ m{\A/} ? $self->url($url) : $url,
        cacert => $self->ca_file, noproxy => '*', 'max-time' => 20,
        'dump-header' => "$aside.head", output => "$aside.body",
        defined $o{method} ? (request => $o{method}) : (),
    );

    open my $fh, '>', "$aside.conf" or die "$aside.conf: $!\n";
    chmod 0600, "$aside.conf";
    print $fh map { "$_\n" } 'silent', 'globoff', 'path-as-is',
        (map { "$_ = " . _quoted($options{$_}) } sort CORE::keys %options),
        (map { 'header = ' . _quoted($_) } ($o{headers} // [])->@*),
        (map { 'data = ' . _quoted(_encoded($_) . '=' . _encoded($form->{$_})) }
             sort CORE::keys(%{ $form // {} })),
        ($o{curl} // [])->@*;
    close $fh;

    my $exit = system 'curl', '-q', '--config', "$aside.conf";
    my ($head, $body) = map { AuthToken::Log->new("$aside.$_")->content } qw(head body);
    unlink map { "$aside.$_" } qw(conf head body);

    # of several answers the last one
    my ($status) = $head =~ m{.*^HTTP/\S+ (\d+)}ms;
    return { exit => $exit >> 8, status => $status, head => $head, body => $body };
}

sub _quoted ($text) { '"' . ($text =~ s/(["\\])/\\$1/gr) . '"' }

sub _encoded ($text) { $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger }

1;
