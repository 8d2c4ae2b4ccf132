package AuthToken::Client;

# A connection to an HTTP/1.x server.  Sends bytes unchanged and reads responses
# more strictly than a browser; dies on a malformed response.

use v5.36;

use Exporter qw(import);
use IO::Handle;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY inet_pton pack_sockaddr_in6 SOCK_STREAM);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(request_bytes);

our $TIMEOUT = 10;

my $token_char = qr/[!#\$%&'*+.^_`|~0-9A-Za-z-]/;

# --- requests ---------------------------------------------------------------

# The bytes of a request.  Options: method, http ("1.0"; "" is HTTP/0.9, without
# Host), host (undef: no header), token (Bearer), auth (value of Authorization),
# api_token (X-API-Token), cookie (value of Cookie), headers (lines without line
# ends), body, close, tag.
sub request_bytes ($path, %o) {
    my $method = $o{method} // 'GET';
    my $http   = $o{http}   // '1.1';
    my $host   = exists $o{host} ? $o{host} : 'localhost';

    my @lines = ("$method $path HTTP/$http");
    push @lines, "Host: $host"                  if defined $host;
    push @lines, "X-Test: $o{tag}"              if defined $o{tag};
    push @lines, "Authorization: Bearer $o{token}" if defined $o{token};
    push @lines, "Authorization: $o{auth}"      if defined $o{auth};
    push @lines, "X-API-Token: $o{api_token}"   if defined $o{api_token};
    push @lines, "Cookie: $o{cookie}"           if defined $o{cookie};
    push @lines, ($o{headers} // [])->@*;
    push @lines, 'Connection: close'            if $o{close};
    push @lines, 'Content-Length: ' . length $o{body} if defined $o{body};

    return join("\r\n", @lines, '', '') . ($o{body} // '');
}

# --- connections ------------------------------------------------------------

# Options: port, host (an address of either family, 127.0.0.1), from (source
# address), path (of a Unix socket, instead of the others), preface (bytes to
# send first, such as a PROXY protocol header).
sub connect ($class, %o) {
    my ($family, $to) = _address($o{path}, $o{host} // '127.0.0.1', $o{port});

    socket(my $fh, $family, SOCK_STREAM, 0) or die "socket: $!\n";

    if (defined $o{from}) {
        my (undef, $from) = _address(undef, $o{from}, 0);
        bind($fh, $from) or die "bind to $o{from}: $!\n";
    }

    CORE::connect($fh, $to) or die "connect: $!\n";

    setsockopt($fh, IPPROTO_TCP, TCP_NODELAY, 1) if $family != AF_UNIX;
    $fh->blocking(0);

    my $self = bless { fh => $fh, buffer => '', eof => 0 }, $class;
    $self->send($o{preface}) if defined $o{preface};

    return $self;
}

sub _address ($path, $host, $port) {
    return (AF_UNIX, pack_sockaddr_un($path)) if defined $path;

    return (AF_INET6, pack_sockaddr_in6($port, inet_pton(AF_INET6, $host))) if $host =~ /:/;

    return (AF_INET, pack_sockaddr_in($port, inet_pton(AF_INET, $host)));
}

# Sends all bytes and reads meanwhile, as a server may respond early.  Returns the
# number of bytes sent: fewer if the server closed the connection.
sub send ($self, $bytes) {
    my $sent  = 0;
    my $until = time + $TIMEOUT;
    local $SIG{PIPE} = 'IGNORE';

    while ($sent < length $bytes) {
        my $n = syswrite $self->{fh}, $bytes, 1 << 20, $sent;

        if (defined $n) {
            $sent += $n;
            next;
        }

        return $sent if !$!{EAGAIN} && !$!{EINTR};
        die "the server takes no more bytes\n" if time > $until;

        $self->_wait(0.1, 'write');
        $self->_read if !$self->{eof};
    }

    return $sent;
}

sub finish ($self) { shutdown $self->{fh}, 1 }

sub close ($self) { CORE::close($self->{fh}) }

# whether the server closed the connection and no data is left
sub closed ($self) {
    $self->_read if !$self->{eof};
    return $self->{eof} && $self->{buffer} eq '';
}

# Waits until the server closes; returns the data received until then.
sub rest ($self) {
    $self->_need('the end of the connection') while !$self->{eof};
    return delete($self->{buffer}) . ($self->{buffer} = '');
}

# --- responses ----------------------------------------------------------------

# The next response, or undef if the server closed without one.  With head => 1
# it is the response to HEAD.  A hash: status, reason, http, headers (a list of
# [name, value]), body, raw_head, kept (whether the connection stays open).
sub response ($self, %o) {
    while ($self->{buffer} !~ /\r\n\r\n/) {
        return undef if $self->{eof} && $self->{buffer} eq '';
        $self->_need('the end of a header');
    }

    $self->{buffer} =~ s/\A(.*?\r\n)\r\n//s;
    my $r = _parse_head($1);

    my $length  = _single($r, 'Content-Length');
    my $coding  = _single($r, 'Transfer-Encoding');
    my $connection = lc(_single($r, 'Connection') // '');

    $r->{kept} = $r->{http} eq '1.1' ? $connection ne 'close' : $connection eq 'keep-alive';

    if ($o{head} || $r->{status} =~ /^1|^204$|^304$/) {
        $r->{body} = '';

    } elsif (defined $coding) {
        die "unknown Transfer-Encoding $coding\n" if $coding ne 'chunked';
        die "Transfer-Encoding beside Content-Length\n" if defined $length;
        $r->{body} = $self->_chunked;

    } elsif (defined $length) {
        die "Content-Length: $length\n" if $length !~ /\A(?:0|[1-9][0-9]*)\z/;
        $r->{body} = $self->_take($length, 'a body');

    } else {
        die "neither a length nor an end\n" if $r->{kept};
        $r->{body} = $self->rest;
    }

    return bless $r, 'AuthToken::Client::Response';
}

sub _parse_head ($head) {
    my ($line, @lines) = split /\r\n/, $head, -1;
    pop @lines;

    my ($http, $status, $reason) =
        $line =~ m{\AHTTP/(1\.[01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e]*))?\z}
        or die "status line: $line\n";

    my @headers = map {
        /\A($token_char+): ?([\t\x20-\x7e\x80-\xff]*?)\s*\z/ or die "header line: $_\n";
        [$1, $2];
    } @lines;

    return { http => $http, status => $status, reason => $reason,
             headers => \@headers, raw_head => $head };
}

sub _single ($r, $name) {
    my @values = AuthToken::Client::Response::all($r, $name);
    die "several $name\n" if @values > 1;
    return $values[0];
}

sub _chunked ($self) {
    my $body = '';

    while (1) {
        my ($size) = $self->_line =~ /\A([0-9a-fA-F]{1,8})\z/ or die "size of a chunk\n";
        last if hex $size == 0;

        $body .= $self->_take(hex $size, 'a chunk');
        $self->_line eq '' or die "end of a chunk\n";
    }

    $self->_line eq '' or die "a trailer\n";
    return $body;
}

sub _line ($self) {
    $self->_need('the end of a line') while $self->{buffer} !~ /\r\n/;
    $self->{buffer} =~ s/\A(.*?)\r\n//s;
    return $1;
}

sub _take ($self, $n, $what) {
    $self->_need($what) while length $self->{buffer} < $n;
    return substr $self->{buffer}, 0, $n, '';
}

# --- reading ----------------------------------------------------------------

# one read that must return bytes, or end of file where that is expected
sub _need ($self, $what) {
    die "the server closed before $what\n" if $self->{eof};

    my $until = time + $TIMEOUT;
    while (!$self->_read) {
        die "timed out waiting for $what\n" if time > $until;
        $self->_wait(1, 'read');
    }
}

# reads available data; true if there was any, or end of file
sub _read ($self) {
    my $n = sysread $self->{fh}, $self->{buffer}, 1 << 16, length $self->{buffer};

    return 0 if !defined $n && ($!{EAGAIN} || $!{EINTR});

    $self->{eof} = 1 if !$n;
    return 1;
}

sub _wait ($self, $seconds, $for) {
    vec(my $read  = '', fileno $self->{fh}, 1) = 1;
    vec(my $write = '', fileno $self->{fh}, 1) = $for eq 'write';
    select $read, $write, undef, $seconds;
}


package AuthToken::Client::Response;

# all values of a header, in order
sub all ($r, $name) {
    return map { $_->[1] } grep { lc $_->[0] eq lc $name } $r->{headers}->@*;
}

# the value of a header, undef if it is missing; several values joined
sub header ($r, $name) {
    my @values = all($r, $name);
    return @values ? join(', ', @values) : undef;
}

1;
