#!/usr/bin/perl

# Log lines and headers to the upstream: one log line for each refusal, at a level
# that depends on the cause, without a credential.
#
# Requirements: no-secrets-in-logs, nginx-own-lines, log-lines,
#   config-errors-hide-keys, upstream-headers, log-level.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Time::HiRes ();
use Digest::SHA qw(sha256_hex);

my %files = ('rsa.pem' => key('rsa')->pem,
             'named.json' => '{"keys":[' . key('rsa')->jwk(kid => 'one') . ']}');

my $conf = <<'CONF';
    %%ISSUER main: user_claim username optional;%%
    %%ISSUER other: audience other;%%
    %%ISSUER named: key_file %%DIR%%/named.json;%%
    auth_token_claim $canary main canary;
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 32k;
        auth_token on;
        auth_token_trust main;

        proxy_set_header X-User  $auth_token_user;
        proxy_set_header X-Scope $auth_token_scope;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept cookie bearer; proxy_pass %%UPSTREAM%%; }
        location /scope  { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }
        location /kid    { auth_token_trust named; proxy_pass %%UPSTREAM%%; }
        location /far    { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /open   { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /any    { auth_token_accept none; auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
        location /page   { error_page 401 403 /scope/page; proxy_pass %%UPSTREAM%%; }
        location /named  { error_page 401 403 = @open; proxy_pass %%UPSTREAM%%; }
        location @open   { auth_token off; proxy_pass %%UPSTREAM%%; }
        location /two    { satisfy any; deny all; proxy_pass %%UPSTREAM%%; }
        location /either { satisfy any; allow all; proxy_pass %%UPSTREAM%%; }
        location /delay  { auth_delay 10ms; proxy_pass %%UPSTREAM%%; }
        location /strip  {
            proxy_set_header Authorization "";
            proxy_set_header Cookie "";
            auth_token_accept cookie bearer;
            proxy_pass %%UPSTREAM%%;
        }
    }
    server {
        listen %%LISTEN2%%;
        auth_token on;
        location /good  { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
    }
CONF

my $good = good_token();
my $bad  = token(key => key('rsa2'));
my $old  = good_token(exp => 1);

sub fingerprint ($token) { substr sha256_hex($token), 0, 12 }

# a refusal: facts in quotes, each escaped and of at most 128 bytes before "..."
my $VALUE = qr/"(?!(?:[^"]){132})(?:[^"\\]|\\x[0-9a-f]{2})*"/;
my $LINE  = qr/\Aauth_token: (?=.{0,1024}\z)\d{3} API_\w+(?: \(satisfy any\))?, reason: \w+, credential: "[\w ]*", subject: $VALUE(?:, [A-Za-z ()]+: $VALUE)*\z/;

# the module's messages since the last call: level, message, whole line
sub messages ($s) {
    return map { /\[(\w+)\] \d+#\d+: (?:\*\d+ )?(auth_token.*?)(?:, client: (?!.*, client: ).*)?\z/
                 ? [$1, $2, $_] : () } $s->errors->lines;
}

# --- refusals ---------------------------------------------------------------

my $s = start($conf, files => \%files);

# reason, path, name, options
my @refusals = (
    [no_credential => '/', 'no credential'],
    [bad_signature => '/', 'a bad signature', token => $bad],
    [malformed     => '/', 'text that is not a token', token => 'canary-abc'],
    [malformed     => '/', 'half a token', token => $good =~ s/\..*//r],
    [malformed     => '/', 'a token and a control character', token => "$good\x01"],
    [malformed     => '/', 'a token in quotes', token => qq("$good")],
    [too_long      => '/', 'a long token', token => good_token(more => 'canary-' x 1800)],
    [expired       => '/', 'an old token', token => $old],
    [issuer_mismatch   => '/', 'another issuer', token => good_token(iss => 'https://other')],
    [audience_mismatch => '/', 'another audience', token => good_token(aud => ['first', 'second'])],
    [unknown_kid   => '/kid', 'another kid', token => token(header => { kid => 'two' })],
    [bad_alg       => '/', 'another alg', token => token(header => { alg => 'HS256' })],
    [bad_typ       => '/', 'another typ', token => token(header => { typ => 'canary-typ' })],
    [no_credential => '/', 'Basic', auth => 'Basic amFuZTpjYW5hcnktcGFzcw=='],
    [no_credential => '/', 'an unknown scheme', auth => "Canary $good"],
    [no_credential => '/', 'a cookie', cookie => "accessToken=$good"],
    [no_credential => '/', 'an API token', headers => ["X-API-Token: canary-$good"]],
    [several_credentials => '/cookie', 'two cookies', cookie => "accessToken=$good; accessToken=$bad"],
    [bad_signature       => '/cookie', 'a bad cookie', cookie => "accessToken=$bad"],
    [origin_not_allowed  => '/cookie', 'another origin', method => 'POST', body => $good,
     cookie => "accessToken=$good", headers => ['Origin: http://evil.example']],
    [insufficient_scope  => '/scope', 'another scope', token => $good],
    [address_not_allowed => '/far', 'another address', token => $good],
    [bad_signature       => '/delay', 'auth_delay', token => $bad],
);

check_requests $s, { good => 0 }, map { [@$_, reason => $_->[0]] } @refusals;

# with "satisfy any" the status is that of nginx's deny
push @refusals, [bad_signature => '/two', 'satisfy any', token => $bad];
$s->errors->lines;

for (@refusals) {
    my ($reason, $path, $name, %o) = @$_;

    $s->request($path, %o, tag => 'refused');
    my @lines = messages($s);

    is @lines, 1, "$name: one log line";
    my ($level, $text, $line) = $lines[0]->@*;

    is $level, 'info', "$name: level info";
    like $text, qr/\Aauth_token: \d{3} API_\w+\b.*\breason: $reason\b/, "$name: the reason";
    like $line, qr/, client: 127\.0\.0\.1, server: .*, request: "/, "$name: the request";
    like $text, $LINE, "$name: the form of a line";
    unlike $text, qr/[^\x20-\x7e]/, "$name: printable characters only";

    my $token = $o{cookie} ? $o{cookie} =~ s/accessToken=//r : $o{token};
    $reason !~ /^(?:no_credential|several_credentials)$/
        ? like($text, qr/\b${\ fingerprint($token)}\b/, "$name: the fingerprint")
        : unlike($text, qr/\b[0-9a-f]{12}\b/, "$name: no fingerprint");

    $reason =~ /^(?:expired|origin_not_allowed|insufficient_scope|address_not_allowed)$/
        ? like($text, qr/\bjane\b/, "$name: the subject")
        : unlike($text, qr/\bjane\b/, "$name: no subject");
}

# refused again, or granted, in the location of error_page
for (['/page', 'a protected page', next_tag], ['/named', 'an open page', 'named']) {
    my ($path, $name, $tag) = @$_;
    $s->request($path, token => $bad, tag => $tag);
    is scalar(messages($s)), 1, "$name: one log line";
}
$s->request('/either', token => $bad, tag => 'either');
is_deeply [grep { $_->[0] ne 'info' } messages($s)], [],
    'satisfy any, granted by another module: no line above info';

$s->request($_, token => $good, tag => 'granted') for '/', '/cookie', '/either';
$s->request('/any', tag => 'granted');
$s->request('/open', token => $bad, tag => 'granted');
is_deeply [messages($s)], [], 'granted requests are not logged';

# a server that does not choose one of two issuers
refused $s, '/x', unavailable => 'an incomplete configuration', port => 2, token => $good,
        reason => 'misconfigured', good => 0;
$s->request('/x', port => 2, token => $good, tag => 'operator');
is((messages($s))[0][0], 'error', 'an incomplete configuration is logged at level error');

# --- names chosen by users --------------------------------------------------

my @hostile = (
    ['CR LF',        "jane\r\n2026/01/01 00:00:00 [forged] 1#1: x"],
    ['LF',           "\njane\n"],        ['CR',      "jane\rjane"],
    ['ESC',          "\e[2J\e]0;x\a"],   ['quotes',  'a", subject: "root'],
    ['a backslash',  '\x41\\'],          ['a tab',   "a\tb"],
    ['DEL',          "\x7f"],            ['0x80',    "\x{80}\x{85}\x{9b}31m"],
    ['UTF-8',        "J\x{f6}rg \x{1f600} \x{202e}evil"], ['a percent sign', '%s%n%V%*s'],
    ['a comma',      'jane, client: 9.9.9.9'], ['long',   'x' x 5000],
    ['long, not ASCII', "\x{ff}" x 1500],  ['of 64 bytes', 'y' x 64],
    ['of 65 bytes', 'y' x 65],         ['an escape at the end', 'y' x 63 . "\n"],
);

for (@hostile) {
    my ($what, $user) = @$_;

    for my $claim ('username', 'sub') {
        my $name = "$claim with $what";
        my $token = good_token(username => GONE, $claim => $user);
        refused $s, '/scope', insufficient_scope => $name, token => $token, good => 0,
                reason => 'insufficient_scope';

        $s->request('/scope', token => $token, tag => 'hostile');
        my @lines = messages($s);
        is @lines, 1, "$name: one log line";

        my (undef, $text, $line) = $lines[0]->@*;
        like $text, $LINE, "$name: the quotes are escaped, the value is truncated";
        unlike $line, qr/[^\x20-\x7e]/, "$name: printable characters only";
    }
}

unlike $s->errors->content, qr/^\S+ \S+ \[forged\]/m, 'no log line is forged';
unlike $s->access->{log}->content, qr/[^\x20-\x7e\t\n\x80-\xff]/,
    'the access log has no control character';

{
    my $before = -s $s->dir . '/error.log';
    exchange($s, join('', map { request_bytes('/', token => $_ % 2 ? $bad : 'A' x 8000) } 1 .. 400),
             heads => [(0) x 400]);
    my $size = (-s $s->dir . '/error.log') - $before;
    cmp_ok $size / 400 * 100_000, '<', 50_000_000, '100,000 bad requests write less than 50 MB';
}

# --- nginx itself -----------------------------------------------------------

my @two = (headers => [map { "Authorization: Bearer $_" } $good, $bad]);
{
    $s->errors->lines;
    refused_by_nginx $s, '/', 400, 'two Authorization headers', @two;

    my @lines = grep { /\Q${\ substr $good, -20}\E/ } $s->errors->lines;
    is @lines, 1, 'two Authorization headers: the token is in one line';
    like $lines[0], qr/\[info\].*client sent duplicate header line/,
         'two Authorization headers: that line is written by nginx at level info';
}

# --- headers to the upstream ------------------------------------------------

{
    my @forged = map { "$_: root" } 'X-User', 'x-user', 'X-Scope', 'X_User', 'X_Scope',
                                    'X-USER', 'X-User ' =~ s/ //r;

    for my $row (['/', 'a named user', 'jane', 'read write', token => $good],
                 ['/', 'no user', '', 'read write', token => good_token(username => GONE)],
                 ['/', 'a user with a line feed', '', 'read write', token => good_token(username => "a\nX-User: root")],
                 ['/', 'a user that is a number', '7', 'read write', token => good_token(username => 7)],
                 ['/', 'no scope', 'jane', '', token => good_token(scope => [])],
                 ['/any', 'no credential where none is accepted', '', ''],
                 ['/either', 'no credential, satisfy any', '', ''],
                 ['/either', 'a bad token, satisfy any', '', '', token => $bad],
                 ['/either', 'an old token, satisfy any', '', '', token => $old],
                 ['/open', 'auth_token off', '', '', token => $good])
    {
        my ($path, $name, $user, $scope, %o) = @$row;
        my $tag = next_tag;

        my $answer = $s->request($path, %o, headers => \@forged, tag => $tag);
        is_granted $answer, $name;
        my ($hit) = hits($s, $tag);
        is $hit->{http_x_user}, $user, "$name: X-User is set by nginx";
        is $hit->{http_x_scope}, $scope, "$name: X-Scope is set by nginx";
    }

    for (['/cookie', 'passed on', "Bearer $good", "accessToken=$good"],
         ['/strip', 'removed by proxy_set_header', '', ''])
    {
        my ($path, $name, @expected) = @$_;
        my $tag = next_tag;
        $s->request($path, token => $good, cookie => "accessToken=$good", tag => $tag);
        my ($hit) = hits($s, $tag);
        is $hit->{http_authorization}, $expected[0], "Authorization is $name";
        is $hit->{http_cookie}, $expected[1], "the cookie is $name";
    }
}

# --- log levels -------------------------------------------------------------

{
    my $quiet = start($conf, files => \%files, log_level => 'notice');

    for (grep { $_->[1] ne '/two' } @refusals) {
        my ($reason, $path, $name, %o) = @$_;
        refused $quiet, $path, $reason => "log level notice, $name", %o, log => 0, good => 0,
            decision => { reason => $reason };
    }
    refused_by_nginx $quiet, '/', 400, 'log level notice, two Authorization headers', @two;
    refused $quiet, '/x', unavailable => 'log level notice, an incomplete configuration', port => 2,
            token => $good, reason => 'misconfigured', good => 0;

    unlike $quiet->errors->content, qr/\Q${\ substr $good, -20}\E/,
        'log level notice: no line contains a token';
}

# --- auth_token_log_level ---------------------------------------------------

{
    my $levels = <<'CONF';
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        location /         { proxy_pass %%UPSTREAM%%; }
        location /warn     { auth_token_log_level warn; proxy_pass %%UPSTREAM%%; }
        location /notice   { auth_token_log_level notice; proxy_pass %%UPSTREAM%%; }
        location /info     { auth_token_log_level info; proxy_pass %%UPSTREAM%%; }
        location /any      { satisfy any; deny all; proxy_pass %%UPSTREAM%%; }
        location /allowed  { satisfy any; allow all; proxy_pass %%UPSTREAM%%; }
        location /page     { satisfy any; deny all; error_page 401 =200 /empty; }
        location /missing  { satisfy any; allow all; }
        location = /empty  { auth_token off; return 204; }
    }
CONF
    my $s = start($levels, files => \%files, log_level => 'info', default_log_level => 1);

    for (['/', 'error'], ['/warn', 'warn'], ['/notice', 'notice'], ['/info', 'info']) {
        my ($path, $level) = @$_;
        $s->request($path, token => $bad, tag => 'level');
        is_deeply [map { $_->[0] } messages($s)], [$level], "$path: a refusal is logged at level $level";
    }
    for my $path ('/any', '/page') {
        $s->request($path, token => $bad, tag => 'level');
        is_deeply [map { $_->[0] } messages($s)], ['error'],
            "$path: a refusal by all modules of satisfy any is logged at level error";
    }
    for my $path ('/allowed', '/missing') {
        $s->request($path, token => $bad, tag => 'level');
        is_deeply [messages($s)], [], "$path: a request that another module grants is not logged";
    }

    # a flood within one second: wait for its beginning
    my $flood = sub ($path, $n) {
        my $second = int Time::HiRes::time();   # time() is some milliseconds late
        select undef, undef, undef, 0.01 while int(Time::HiRes::time()) == $second;
        exchange($s, join('', map { request_bytes($path, token => $bad) } 1 .. $n), heads => [(0) x $n]);
        return messages($s);
    };
    my @lines = $flood->('/', 400);
    cmp_ok scalar(@lines), '>=', 100, 'a flood of refusals: the first 100 lines of a second are logged';
    cmp_ok scalar(@lines), '<', 400, 'a flood of refusals: the others are suppressed';

    sleep 1;
    $s->request('/', token => $bad, tag => 'level');
    push @lines, messages($s);
    my $suppressed = 0;
    $suppressed += $_->[1] =~ /, suppressed: (\d+)\z/ ? $1 : 0 for @lines;
    is @lines + $suppressed, 401, 'the lines after a flood state how many refusals were suppressed';

    is scalar($flood->('/info', 400)), 400, 'level info: each refusal of a flood is logged';

    conf_fails $levels =~ s/level warn;/level debug;/r,
        qr/invalid value "debug"/, 'auth_token_log_level of another level', files => \%files;
}

# At level debug nginx itself prints headers and variables; the module must not.
# done() does not check the log of this server.
{
    my $debug = AuthToken::Server->new($conf, files => \%files, log_level => 'debug')->start;
    my @tokens = map { { @$_[3 .. $#$_] }->{token} // () } @refusals;

    eval {
        for (@refusals) {
            my (undef, $path, undef, %o) = @$_;
            $debug->request($path, %o, tag => 'debug');
        }
        $debug->request($_, token => $good, tag => 'debug') for '/', '/cookie', '/either';
    };
    is $@, '', 'log level debug: all requests are answered';
    ok $debug->stop, 'log level debug: nginx stops';

    my @ours = grep { /: (?:\*\d+ )?auth_token/ } split /\n/, $debug->errors->content;
    is @ours, @refusals, 'log level debug: one line of the module for each refusal';
    is_deeply [grep { /\[debug\]/ } @ours], [], 'log level debug: the module writes no debug lines';

    my $parts = join '|', map { quotemeta substr $_, $_ =~ /\./ ? rindex($_, '.') + 1 : 0, 30 }
                          grep { length > 30 } @tokens, $good;
    is_deeply [grep { /$parts|canary-/ } map { s/, client: .*//r } @ours], [],
        'log level debug: no line of the module contains a part of a token';
}

# --- errors in key files ----------------------------------------------------

my $secret = "canary-secret-of-a-file";
my $private = key('rsa')->private_pem;
my ($d) = $private =~ /\n([A-Za-z0-9+\/]{64})\n/;

for (
    ['a private key', $private],
    ['PEM that is not a key', "-----BEGIN PUBLIC KEY-----\n$secret\n-----END PUBLIC KEY-----\n"],
    ['neither PEM nor JSON', $secret],
    ['broken JSON', "{\"keys\":[\"$secret\""],
    ['no key set', "{\"$secret\":1}"],
    ['a bad key in a set', "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"$secret\",\"e\":\"AQAB\"}]}"],
    ['a secret in a set', "{\"keys\":[{\"kty\":\"oct\",\"k\":\"$secret\"}]}"],
    ['a private key in a set', '{"keys":[' . key('rsa')->jwk(d => $secret) . ']}'],
    ['a kid with a line feed', '{"keys":[' . key('rsa')->jwk(kid => "\nforged", kty => $secret) . ']}'])
{
    my ($name, $content) = @$_;
    my $server = AuthToken::Server->new($conf, files => { %files, 'rsa.pem' => $content });
    my ($status, $output) = $server->check;

    isnt $status, 0, "$name: nginx -t fails";
    like $output, qr/\[emerg\].*key_file.*\/rsa\.pem\b.*in \S+nginx\.conf:\d+$/m,
        "$name: the message names the file";
    unlike $output, qr/canary|\Q$d\E|^forged/m, "$name: the message does not quote the file";
}

# a key file that is replaced while nginx runs
$s->write('rsa.pem', $private);
my $line = $s->errors->await(qr/auth_token: key file not loaded, previous keys stay in use/);
like $line, qr{\[error\].*/rsa\.pem\b}, 'a replaced key file: the message names the file';
unlike $line, qr/\Q$d\E/, 'a replaced key file: the message does not quote it';

$s->write('rsa.pem', "{\"keys\":[{\"kty\":\"oct\",\"k\":\"$secret\"},"
    . key('rsa')->jwk(d => $secret, kid => 'x') . ',' . key('rsa')->jwk . "]}");
$s->errors->await(qr/auth_token: .*keys replaced, .*keys: 1,/);

my @ignored = grep { /key \d+ is ignored/ } split /\n/, $s->errors->content;
ok @ignored >= 2, 'ignored keys are logged';
is_deeply [grep { !/\[warn\].*rsa\.pem/ || /canary/ } @ignored], [],
          'messages on ignored keys do not quote them';
unlike $s->errors->content, qr/\Q$d\E/, 'the log does not contain the private key';

done;
