package AuthToken::Http2;

# HTTP/2 by curl: several requests as streams of one connection.  It uses TLS, as
# Debian's curl needs it for parallel streams; so nginx also logs an [alert] if
# the module leaves errors in OpenSSL's queue.

use v5.36;

use AuthToken::Client;
use Exporter qw(import);
use File::Basename qw(dirname);

our @EXPORT    = qw(http2);
our @EXPORT_OK = qw(over_tls);

# The responses to requests, in order.  A request is [path, options]; options are
# method, token, auth, api_token, cookie (a value or a list), headers, body and tag of
# request_bytes, from (a source address), and http ("1.1" for over_tls).
sub http2 ($server, @requests) {
    my @answers = over_tls($server, @requests);
    $_->{http} eq '2' or die "no HTTP/2 response: $_->{raw_head}\n" for @answers;
    return @answers;
}

# the same with the version of HTTP that the server selects
sub over_tls ($server, @requests) {
    my $dir = $server->dir . '/http2';
    mkdir $dir;

    my $conf = join "next\n", map { _conf($server, $dir, $_, $requests[$_]->@*) }
                              0 .. $#requests;
    $server->write('http2/conf', $conf);

    system "curl --config $dir/conf --parallel --parallel-max 200 >$dir/output 2>&1";

    return map {
        _answer("$dir/$_", ($requests[$_][1] // {})->{method})
    } 0 .. $#requests;
}

sub _conf ($server, $dir, $n, $path, $o = {}) {
    my @cookies = ref $o->{cookie} ? $o->{cookie}->@* : defined $o->{cookie} ? $o->{cookie} : ();

    my @headers = (
        defined $o->{tag}   ? "X-Test: $o->{tag}" : (),
        defined $o->{token} ? "Authorization: Bearer $o->{token}" : (),
        defined $o->{auth}  ? "Authorization: $o->{auth}" : (),
        defined $o->{api_token} ? "X-API-Token: $o->{api_token}" : (),
        (map { "Cookie: $_" } @cookies),
        ($o->{headers} // [])->@*,
    );

    unlink "$dir/$n.head", "$dir/$n.body";

    return join "\n",
        "url = " . _quoted('https://127.0.0.1:' . $server->port($o->{port} // '') . $path),
        'http' . ($o->{http} // 2), 'insecure', 'path-as-is', 'silent', 'show-error',
        'globoff', 'noproxy = "*"', 'max-time = 20',
        ($o->{method} // '') eq 'HEAD' ? 'head' : 'request = ' . _quoted($o->{method} // 'GET'),
        (map { 'header = ' . _quoted($_) } @headers, 'Expect:'),
        defined $o->{from} ? "interface = \"$o->{from}\"" : (),
        defined $o->{body} ? 'data-binary = ' . _quoted('@' . $server->write("http2/$n.data", $o->{body})) : (),
        "dump-header = \"$dir/$n.head\"", "output = \"$dir/$n.body\"", '';
}

sub _quoted ($text) { '"' . ($text =~ s/(["\\])/\\$1/gr) . '"' }

sub _answer ($file, $method) {
    my $head = AuthToken::Log->new("$file.head")->content;
    my $body = AuthToken::Log->new("$file.body")->content;

    my ($http, $status, $rest) = $head =~ m{\AHTTP/(\S+) (\d{3})[^\r]*\r\n(.*?)\r\n\z}s
        or die "no response: $head\n", AuthToken::Log->new(dirname($file) . '/output')->content;

    return bless {
        http => $http, status => $status, raw_head => $head, kept => 1,
        body => ($method // '') eq 'HEAD' ? '' : $body,
        headers => [map { /\A([^:]+): ?(.*)\z/ ? [$1, $2] : die "header: $_\n" }
                    split /\r\n/, $rest],
    }, 'AuthToken::Client::Response';
}

1;
