package AuthToken::Upstream;

# The API behind the server under test: a server block of the same nginx on a
# Unix socket, which logs every request.

use v5.36;

use AuthToken::Log;

our $BODY = "the protected resource\n";

# request headers that are logged as http_host and so on
my @headers = qw(host authorization cookie x_api_token apikey x_user x_consumer_username x_scope x_extra
                 x_forwarded_for x_original_uri content_length);

sub new ($class, $dir) {
    return bless {
        dir  => $dir,
        hits => AuthToken::Log::Tagged->new("$dir/hits.log"),
    }, $class;
}

# directives of the http block; proxy_pass http://upstream reaches the server
sub conf ($self) {
    my $members = join ',', map { qq("http_$_":"\$http_$_") } @headers;
    (my $body = $BODY) =~ s/\n/\\n/;

    return <<"CONF";
    log_format hits escape=json
        '\$http_x_test\\t{"request":"\$request","method":"\$request_method",'
        '"raw_uri":"\$request_uri","uri":"\$uri",$members}';
    upstream upstream {
        server unix:$self->{dir}/upstream.sock;
    }
    server {
        listen unix:$self->{dir}/upstream.sock;
        access_log $self->{dir}/hits.log hits;
        ignore_invalid_headers off;
        underscores_in_headers on;
        merge_slashes off;
        large_client_header_buffers 4 128k;
        location / { return 200 "$body"; }
    }
CONF
}

# the logged requests
sub hits ($self) { $self->{hits} }

1;
