#!/usr/bin/perl

# The test library: each of its checks fails when it should.  The server is nginx
# without the module, with responses that are right or wrong in one point.

use v5.36;

use lib 't/lib';

use Test::Tester;
use AuthToken::Test;

$AuthToken::Log::Tagged::TIMEOUT = 0.3;      # for waits that time out

my $body      = '{"code":"API_INVALID_ACCESS_TOKEN","message":"Invalid JWT Access Token"}';
my $challenge = 'Bearer realm="api", error="invalid_token"';

sub location ($path, %o) {
    %o = (status => 401, type => 'application/json', cache => 'no-store',
          challenges => [$challenge], body => $body, more => '', %o);

    my $headers = join ' ', map { "add_header WWW-Authenticate '$_' always;" }
                            $o{challenges}->@*;
    $headers .= " add_header Cache-Control $o{cache} always;" if $o{cache};
    return "location $path { default_type $o{type}; $headers $o{more} "
         . "return $o{status} '$o{body}'; }\n";
}

my @locations = (
    location('/right'),
    location('/right-with-scope', challenges => ["$challenge, scope=\"read\""]),
    location('/status',    status => 403),
    location('/code',      body => $body =~ s/INVALID/EXPIRED/r),
    location('/member',    body => $body =~ s/\}/,"x":1}/r),
    location('/newline',   body => "$body\\n"),
    location('/empty',     body => ''),
    location('/type',      type => 'text/html'),
    location('/cache',     cache => 'private'),
    location('/caches',    more => 'add_header Cache-Control no-cache always;'),
    location('/etag',      more => 'add_header ETag x always;'),
    location('/retry',     more => 'add_header Retry-After 1 always;'),
    location('/challenge', challenges => []),
    location('/twice',     challenges => [$challenge, $challenge]),
    location('/realm',     challenges => [$challenge =~ s/"api"/"other"/r]),
    location('/error',     challenges => ['Bearer realm="api"']),
    location('/token',     challenges => [$challenge =~ s/"invalid_token"/invalid_token/r]),
    location('/attribute', challenges => ["$challenge, realm=\"api\""]),
    location('/basic',     challenges => ['Basic realm="api"']),
    location('/close',     more => 'keepalive_timeout 0;'),
);

my $s = start(join('', <<'CONF', @locations, '}'), load => 0);
    server {
        listen %%LISTEN%%;
        location /good { proxy_pass %%UPSTREAM%%; }
        location /twice-as-good { mirror /good; proxy_pass %%UPSTREAM%%; }
        location /challenged-good {
            add_header WWW-Authenticate 'Bearer realm="api"';
            proxy_pass %%UPSTREAM%%;
        }
        location /quiet { return 200 "the protected resource\n"; }
        location /not-ours { return 400; }
CONF

# the verdict of one assertion on this
sub verdict ($assertion) {
    my (undef, $result) = run_tests($assertion);
    return $result->{ok};
}

my @plain = (decision => undef, log => 0);

ok  verdict(sub { granted $s, '/good', 'x' }), 'a grant';
ok !verdict(sub { granted $s, '/right', 'x' }), 'a refused request is not a grant';
ok !verdict(sub { granted $s, '/quiet', 'x' }), 'a grant without a hit of the upstream fails';
ok !verdict(sub { granted $s, '/twice-as-good', 'x' }), 'a grant with two hits of the upstream fails';
ok !verdict(sub { granted $s, '/challenged-good', 'x' }), 'a grant with a challenge fails';

ok  verdict(sub { refused $s, $_, invalid_token => 'x', @plain }), "a refusal: $_"
    for '/right', '/right-with-scope', '/close';
ok  verdict(sub { refused $s, '/right', invalid_token => 'x', @plain, method => 'HEAD' }),
    'a refusal of HEAD';
ok !verdict(sub { refused $s, $_, invalid_token => 'x', @plain }), "a refusal: $_"
    for '/status', '/code', '/member', '/newline', '/empty', '/type', '/cache', '/caches',
        '/etag', '/retry', '/challenge', '/twice', '/realm', '/error', '/token', '/attribute',
        '/basic', '/not-ours';
ok !verdict(sub { refused $s, '/right', $_ => 'x', @plain }), "a refusal: not $_"
    for 'no_token', 'expired_token', 'insufficient_scope', 'address_not_allowed', 'unavailable';
ok !verdict(sub { refused $s, '/right', invalid_token => 'x', decision => undef }),
    'a refusal: no line in the log';

{
    local $s->{good} = ['/quiet'];
    ok !verdict(sub { refused $s, '/right', invalid_token => 'x', @plain }),
       'a refusal: the next good request does not reach the upstream';
    local $s->{good} = ['/right'];
    ok !verdict(sub { refused $s, '/right', invalid_token => 'x', @plain }),
       'a refusal: the next good request is refused';
}

ok  verdict(sub { refused_by_nginx $s, '/not-ours', 400, 'x' }), 'a refusal by nginx';
ok !verdict(sub { refused_by_nginx $s, '/right', 401, 'x' }), 'a refusal by nginx: ours';

# malformed responses
for my $row (['two lengths', "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"],
             ['a cut body', "Content-Length: 9\r\n\r\nx"], ['no length', "\r\nx"],
             ['a length and chunks',
              "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
             ['a wrong chunk', "Transfer-Encoding: chunked\r\n\r\n2\r\nx\r\n0\r\n\r\n"],
             ['a header without a colon', "Foo\r\nContent-Length: 0\r\n\r\n"])
{
    my ($what, $bytes) = @$row;
    socketpair my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0
        or die "socketpair: $!";
    syswrite $theirs, "HTTP/1.1 200 OK\r\n$bytes";
    close $theirs;

    my $client = bless { fh => $ours, buffer => '', eof => 0 }, 'AuthToken::Client';
    ok !eval { $client->response }, "a response with $what is refused";
}

# the end of a file
{
    my $token = good_token();
    my ($part) = $token =~ /\.(.*)\./;

    ok !AuthToken::Test::_leaks('a plain line', 'eyJhbGci'), 'no leak';
    ok  AuthToken::Test::_leaks("x=$token"), 'a leak: the token';
    ok  AuthToken::Test::_leaks('x ' . substr($part, 30, 24)), 'a leak: 24 characters of it';
    ok  AuthToken::Test::_leaks(unb64u($part)), 'a leak: its canary';

    for my $line ('[alert] 1#1: x', '[crit] 1#1: x', '[emerg] 1#1: x',
                  'worker process 7 exited on signal 11', 'worker process 7 exited with code 2',
                  '==1==ERROR: AddressSanitizer: x', 'a.c:1:2: runtime error: x')
    {
        ok AuthToken::Test::_alarms($s, $line), "an alarm: $line";
    }
    ok !AuthToken::Test::_alarms($s, 'worker process 7 exited with code 0', '[error] x'),
       'no alarm';
}

my $conf = <<'CONF';
    server {
        listen %%LISTEN%%;
        frobnicate on;      # here
    }
CONF

my @bare = (load => 0);

ok  verdict(sub { conf_fails $conf, qr/frobnicate/, 'x', @bare }), 'a wrong configuration';
ok !verdict(sub { conf_fails $conf, qr/other/, 'x', @bare }), 'another message';
ok !verdict(sub { conf_fails "\n$conf" =~ s/# here//r =~ s/;/; # here/r, qr/frobnicate/, 'x',
                  @bare }), 'another line';
ok !verdict(sub { conf_ok $conf, 'x', @bare }), 'not a good configuration';
$conf =~ s/frobnicate.*//;
ok  verdict(sub { conf_ok $conf, 'x', @bare }), 'a good configuration';
ok !verdict(sub { conf_fails $conf, qr/./, 'x', @bare }), 'not a wrong configuration';

# what it found wrong on purpose is not wrong at the end
@$s{'refused', 'untagged'} = ([], $s->upstream->hits->count(''));

done;
