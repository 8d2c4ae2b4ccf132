package AuthToken::Source;

=head1 NAME

AuthToken::Source - a key server that fails on request

=head1 SYNOPSIS

    my $source = AuthToken::Source->start(keys => ['rsa', 'rsa2']);

    my $s = start(<<"CONF", files => { 'ca.pem' => $source->ca });
        %%ISSUER main: jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;%%
        ...
    CONF

    $source->await_hits('/jwks', 1);
    granted $s, '/', 'a fetched key', token => token(header => { kid => 'rsa' });

    $source->mode('slow', path => '/jwks', seconds => 2);
    $source->certificate('other_ca');
    $source->keys('rsa2');
    is $_->{method}, 'GET' for $source->requests('/jwks');

=head1 DESCRIPTION

A node process with two listeners on 127.0.0.1 that serve the same documents: HTTPS,
C<url(PATH)>, with a certificate for C<127.0.0.1> and C<localhost> by the CA in
C<ca_file>, and HTTP, C<plain_url(PATH)>.  The process reads commands from its standard
input and ends when that is closed.  AuthToken::Provider is a subclass whose documents
come from an OpenID provider.

=head1 METHODS

=over

=item start(OPTIONS)

C<keys>: names of AuthToken::Token::key for C</jwks> (C<['rsa']>), which are also their
C<kid>.  C<documents>: path => text, in addition to C</jwks> and
C</.well-known/openid-configuration>, whose issuer is C<base>.  Other paths get 404.

=item stop, start

C<stop> ends the process: connections are refused.  C<start> starts it again with the same
ports and documents, in mode good, with new counters.

=item base, url(PATH), plain_url(PATH), port, plain_port

C<base> is C<https://127.0.0.1:PORT>.

=item ca, ca_file

The CA certificate in PEM, and a file with it that all users can read.

=item keys(NAME...), serve(PATH, TEXT, OPTIONS), withhold(PATH)

Replaces the keys of C</jwks>; adds a document (C<type>, C<application/json>; C<headers>, a
hash); removes a document.

=item mode(NAME, OPTIONS)

Changes the responses from the next request on.  C<path>: only for this path, which takes
precedence.  Other options by mode:

    good              the document; headers => { 'Cache-Control' => ... }, type => ...
    404, 500, 301 ..  this status with the document as the body (204, 304: none); headers
    redirect          to => URL, status (302)
    redirect_plain    302 to plain_url of the same path, which serves the document
    redirect_chain    302 to the same path for hops (20) times, then the document
    hang              no response until mode('good')
    slow              a response after seconds (2)
    reset             half of the body, then RST
    http10            HTTP/1.0 without a length, ends with the connection
    gzip              Content-Encoding: gzip, even without Accept-Encoding
    gzip_bomb         gzip of the document and 16 MiB of spaces
    choosy            the document; 406 unless Accept has application/jwk-set+json or */*
    html              200 with a page, text/html
    size              the document, padded with spaces to bytes;
                      chunked => 1 for no Content-Length
    endless           the document and spaces without an end
    drip              a byte of the body every milliseconds (100)
    drip_head         a byte of the response head every milliseconds (100)
    headers           bytes (100000) of headers before the document

Modes of the whole server, before it reads a request:

    refused           no listener
    silent            accepts connections, never responds, not even to a handshake
    reset_connection  resets connections after accept

C<mode('good')> ends all modes and responds to requests that hang.

=item certificate(NAME)

Selects the certificate of new connections and closes open ones: C<good>, C<other_ca>
(unknown CA), C<other_host> (for C<other.example>), C<expired>, C<self_signed>.

=item hits(PATH), requests(PATH), await_hits(PATH, N), forget

C<hits>: the number of requests for the path without its query, or for all paths.
C<requests>: the last 1000 of them as hashes with method, path, query, http, headers (a list
of [name, value]) and body (its length).  C<await_hits> waits for N requests and returns their number.
C<forget> resets the counters.

=item fetch(URL or PATH, OPTIONS)

Runs curl with the CA as its only trust anchor.  Returns a hash of exit (of curl), status,
head and body.  Options: C<headers>, C<form> (a hash), C<curl> (configuration lines).

=item log_has(SERVER, PATTERN, TIMEOUT)

Waits until the error log of an AuthToken::Server matches the pattern; false after the
timeout (20 seconds).  Exported on request.

=back

=cut

use v5.36;

use AuthToken::Certificate;
use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Token qw(key);
use Carp qw(croak);
use Exporter qw(import);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time);

our $TIMEOUT = 20;
our @EXPORT_OK = qw(log_has);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @running;

END { local $?; $_->stop for splice @running }

# --- process ----------------------------------------------------------------

sub start ($self, %o) {
    $self = $self->_new(%o) if !ref $self;
    croak 'already running' if $self->{pid};

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

# the documents that contain the port
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

# true if the process ended without SIGKILL
sub stop ($self) {
    return 1 if !$self->{pid} || $self->{owner} != $$;

    my $pid = delete $self->{pid};
    my $ended = sub { waitpid($pid, POSIX::WNOHANG()) != 0 };

    @running = grep { $_ != $self } @running;
    delete $self->@{qw(commands replies)};

    kill 'TERM', $pid;
    return 1 if eval { AuthToken::Log::await_true($ended, 'the end of the key server', 5) };

    kill 'KILL', $pid;
    waitpid $pid, 0;
    return 0;
}

sub pid ($self) { $self->{pid} }

# --- addresses ------------------------------------------------------------------

sub port ($self)       { $self->{ports}[0] }
sub plain_port ($self) { $self->{ports}[1] }
sub base ($self)       { 'https://127.0.0.1:' . $self->port }
sub ca ($self)         { AuthToken::Certificate::ca() }
sub ca_file ($self)    { "$self->{dir}/ca.pem" }

sub url ($self, $path)       { $self->base . $path }
sub plain_url ($self, $path) { 'http://127.0.0.1:' . $self->plain_port . $path }

# --- commands ---------------------------------------------------------------

# a JWK Set as text
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

sub certificate ($self, $name) {
    $self->_tell(certificate => { name => $name });
    return $self;
}

# Sends a command and returns the reply: one line of JSON each.  Dies of an error reply.
sub _tell ($self, $command, $arguments) {
    croak 'not running' if !$self->{pid};
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

# --- requests --------------------------------------------------------------

sub hits ($self, $path = undef) { $self->_tell(hits => { path => $path })->{hits} }

sub requests ($self, $path = undef) { $self->_tell(requests => { path => $path })->{requests}->@* }

sub await_hits ($self, $path, $n) {
    my $hits;
    AuthToken::Log::await_true(sub { ($hits = $self->hits($path)) >= $n }, "$n requests for $path");
    return $hits;
}

sub forget ($self) {
    $self->_tell(forget => {});
    return $self;
}

# --- tests -----------------------------------------------------------------

sub log_has ($server, $pattern, $timeout = 20) {
    return eval {
        AuthToken::Log::await_true(sub { $server->errors->content =~ $pattern }, "$pattern", $timeout);
    };
}

# --- a client ---------------------------------------------------------------

# The configuration is in a file because a command line is visible to all users.
sub fetch ($self, $url, %o) {
    my $aside = "$self->{dir}/fetch-$$";
    my $form  = $o{form};

    my %options = (
        url => $url =~ m{\A/} ? $self->url($url) : $url,
        cacert => $self->ca_file, noproxy => '*', 'max-time' => 20,
        'dump-header' => "$aside.head", output => "$aside.body",
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

    # the last response, after redirects
    my ($status) = $head =~ m{.*^HTTP/\S+ (\d+)}ms;
    return { exit => $exit >> 8, status => $status, head => $head, body => $body };
}

sub _quoted ($text) { '"' . ($text =~ s/(["\\])/\\$1/gr) . '"' }

sub _encoded ($text) { $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger }

1;
