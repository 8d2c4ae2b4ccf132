#!/usr/bin/perl

# What the logs and the upstream are told: never a credential, one line a refusal,
# at the level of whose fault it is.
#
# Requirements: no-secrets-in-logs, nginx-own-lines, log-lines,
#   config-errors-hide-keys, upstream-headers.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use Digest::SHA qw(sha256_hex);

my %files = ('rsa.pem' => key('rsa')->pem,
             'named.json' => '{"keys":[' . key('rsa')->jwk(kid => 'one') . ']}');

my $conf = <<'CONF';
    %%ISSUER%%
    auth_token_issuer other {
        issuer   https://issuer.example;
        audience other;
        key_file %%DIR%%/rsa.pem;
    }
    auth_token_issuer named {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/named.json;
    }
    auth_token_claim $canary main canary;
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 16k;
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
        location /any    { auth_token_accept none; auth_token_allow 127.0.0.1;
                           proxy_pass %%UPSTREAM%%; }
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
my $long = good_token(more => 'canary-' x 1200);

sub fingerprint ($token) { substr sha256_hex($token), 0, 12 }

# the messages of ours since the last call, without what nginx adds to them
sub messages ($s) {
    return map { /\[(\w+)\] \d+#\d+: (?:\*\d+ )?(auth_token.*?)(?:, client: (?!.*, client: ).*)?\z/
                 ? [$1, $2, $_] : () } $s->errors->lines;
}

# --- what each kind of refusal says -----------------------------------------

my $s = start($conf, files => \%files);

# path, sign, reason, name, options; subject and fingerprint where there are any
my @refusals = (
    ['/',       'NONE',  'no_credential',       'no credential'],
    ['/',       'INV',   'bad_signature',       'a bad signature', token => $bad],
    ['/',       'INV',   'malformed',           'no token', token => 'canary-abc'],
    ['/',       'INV',   'malformed',           'half a token', token => $good =~ s/\..*//r],
    ['/',       'INV',   'malformed',           'a token and a byte', token => "$good\x01"],
    ['/',       'INV',   'malformed',           'a token, quotes', token => qq("$good")],
    ['/',       'INV',   'too_long',            'a long token', token => $long],
    ['/',       'EXP',   'expired',             'an old token', token => $old],
    ['/',       'INV',   'issuer',              'another issuer',
                token => good_token(iss => 'canary-issuer')],
    ['/',       'INV',   'audience',            'another audience',
                token => good_token(aud => 'canary-audience')],
    ['/kid',    'INV',   'unknown_kid',         'another kid',
                token => token(header => { kid => 'canary-kid' })],
    ['/',       'INV',   'bad_alg',             'another alg',
                token => token(header => { alg => 'canary-alg' })],
    ['/',       'INV',   'bad_typ',             'another typ',
                token => token(header => { typ => 'canary-typ' })],
    ['/',       'NONE',  'no_credential',       'Basic', auth => 'Basic amFuZTpjYW5hcnktcGFzcw=='],
    ['/',       'NONE',  'no_credential',       'an unknown scheme', auth => "Canary $good"],
    ['/',       'NONE',  'no_credential',       'a cookie', cookie => "accessToken=$good"],
    ['/',       'NONE',  'no_credential',       'an API token',
                headers => ["X-API-Token: canary-$good"]],
    ['/cookie', 'INV',   'several_credentials', 'two cookies',
                cookie => "accessToken=$good; accessToken=$bad"],
    ['/cookie', 'INV',   'bad_signature',       'a bad cookie', cookie => "accessToken=$bad"],
    ['/cookie', 'ORIGIN', 'origin',             'another origin', method => 'POST', body => $good,
                cookie => "accessToken=$good", headers => ['Origin: http://evil.example']],
    ['/scope',  'SCOPE', 'scope',               'another scope', token => $good],
    ['/far',    'ADDR',  'address',             'another address', token => $good],
    ['/two',    'INV',   'bad_signature',       'satisfy any', token => $bad, sign => 403],
    ['/delay',  'INV',   'bad_signature',       'auth_delay', token => $bad],
);

for (@refusals) {
    my ($path, $sign, $reason, $name, %o) = @$_;
    delete $o{sign} and next;       # nginx's deny has the last word there

    refused $s, $path, $sign => "$name", %o, reason => $reason, good => 0;
}

$s->errors->lines;

for (@refusals) {
    my ($path, $sign, $reason, $name, %o) = @$_;
    delete $o{sign};

    $s->request($path, %o, tag => 'refused');
    my @lines = messages($s);

    is @lines, 1, "$name: one line";
    my ($level, $text, $line) = $lines[0]->@*;

    is $level, 'info', "$name: at the level of a client's fault";
    like $text, qr/\Aauth_token: \d{3} API_\w+\b.*\breason: $reason\b/, "$name: says why";
    like $line, qr/, client: 127\.0\.0\.1, server: .*, request: "/, "$name: and of which request";
    cmp_ok length $text, '<=', 512, "$name: short";
    unlike $text, qr/[^\x20-\x7e]/, "$name: printable";

    my ($token) = $o{cookie} ? ($reason eq 'several_credentials' ? undef
                                : $o{cookie} =~ s/accessToken=//r)
                : $o{token};
    undef $token if $reason eq 'no_credential';
    defined $token
        ? like($text, qr/\b${\ fingerprint($token)}\b/, "$name: the fingerprint")
        : unlike($text, qr/\b[0-9a-f]{12}\b/, "$name: no fingerprint");

    my $named = $reason =~ /^(?:expired|origin|scope|address)$/;
    is $text =~ /\bjane\b/ ? 1 : 0, $named ? 1 : 0,
        $named ? "$name: names the subject" : "$name: names nobody";
}

# a request that is refused once more on its way to a page, or granted there
for my $row (['/page', 'a page that is refused, too'], ['/named', 'a page that is open']) {
    my ($path, $name) = @$row;
    my $tag = $path eq '/named' ? 'named' : next_tag;
    $s->request($path, token => $bad, tag => $tag);
    is scalar(messages($s)), 1, "$name: one line";
}
$s->request('/either', token => $bad, tag => 'either');
is_deeply [grep { $_->[0] ne 'info' } messages($s)], [],
    'satisfy any, another grants: nothing above info';

$s->request($_, token => $good, tag => 'granted') for '/', '/cookie', '/either';
$s->request('/any', tag => 'granted');
$s->request('/open', token => $bad, tag => 'granted');
is_deeply [messages($s)], [], 'a grant says nothing';

# whose fault: a server that leaves open whom to trust
{
    refused $s, '/x', FAIL => 'an operator\'s fault', port => 2, token => $good,
            reason => 'misconfigured', good => 0;
    $s->request('/x', port => 2, token => $good, tag => 'operator');
    my @lines = messages($s);
    is $lines[0][0], 'error', 'an operator\'s fault is an error';
}

# --- what issuers let users choose ------------------------------------------

my @hostile = (
    ['CR LF',        "jane\r\n2026/01/01 00:00:00 [forged] 1#1: x"],
    ['LF',           "\njane\n"],        ['CR',      "jane\rjane"],
    ['ESC',          "\e[2J\e]0;x\a"],   ['quotes',  'a", subject: "root'],
    ['a backslash',  '\x41\\'],          ['a tab',   "a\tb"],
    ['DEL',          "\x7f"],            ['0x80',    "\x{80}\x{85}\x{9b}31m"],
    ['UTF-8',        "J\x{f6}rg \x{1f600} \x{202e}evil"], ['a percent sign', '%s%n%V%*s'],
    ['a comma',      'jane, client: 9.9.9.9'], ['long',   'x' x 5000],
    ['long, hostile', "\x{ff}" x 1500],  ['as long as it may be', 'y' x 64],
    ['longer by one', 'y' x 65],         ['an escape at the end', 'y' x 63 . "\n"],
);

for (@hostile) {
    my ($name, $user) = @$_;

    for my $claim ('username', 'sub') {
        my $token = good_token(username => GONE, $claim => $user);
        refused $s, '/scope', SCOPE => "$claim with $name", token => $token, good => 0,
                decision => { reason => 'scope', user => '', status => 'API_INSUFFICIENT_RIGHTS' };

        $s->request('/scope', token => $token, tag => 'hostile');
        my @lines = messages($s);
        is @lines, 1, "$claim with $name: one line";

        my $text = $lines[0][1];
        cmp_ok length $text, '<=', 512, "$claim with $name: short";
        unlike $lines[0][2], qr/[^\x20-\x7e]/, "$claim with $name: printable";
        like $text, qr/, subject: "(?:[^"\\]|\\x[0-9a-f]{2})*"\z/,
            "$claim with $name: within its quotes";
    }
}

# a log reader must not be made to see a line that nginx never wrote
unlike $s->errors->content, qr/^\S+ \S+ \[forged\]/m, 'no line is forged';
unlike $s->access->{log}->content, qr/[^\x20-\x7e\t\n\x80-\xff]/,
    'the access log has no control character';

{
    my $before = -s $s->dir . '/error.log';
    my (undef, @answers) = exchange($s,
        join('', map { request_bytes('/', token => $_ % 2 ? $bad : 'A' x 8000) } 1 .. 400),
        heads => [(0) x 400]);
    my $size = (-s $s->dir . '/error.log') - $before;
    cmp_ok $size / 400 * 100_000, '<', 50_000_000,
        '100,000 bad requests would write less than 50 MB';
}

# --- what the core says -----------------------------------------------------

{
    $s->errors->lines;
    my @two = (headers => [map { "Authorization: Bearer $_" } $good, $bad]);
    refused_by_nginx $s, '/', 400, 'two Authorization headers', @two;

    my @lines = grep { /\Q${\ substr $good, -20}\E/ } $s->errors->lines;
    is @lines, 1, 'shown in one line at level info';
    like $lines[0], qr/\[info\].*client sent duplicate header line/, 'which is the core\'s';
}

# --- what the upstream is told ----------------------------------------------

{
    my @forged = map { "$_: root" } 'X-User', 'x-user', 'X-Scope', 'X_User', 'X_Scope',
                                    'X-USER', 'X-User ' =~ s/ //r;

    for my $row (['/', 'a named user', 'jane', 'read write', token => $good],
                 ['/', 'no user', '', 'read write', token => good_token(username => GONE)],
                 ['/', 'a user with a line feed', '', 'read write',
                  token => good_token(username => "a\nX-User: root")],
                 ['/', 'a user of no string', '', 'read write',
                  token => good_token(username => 7)],
                 ['/', 'no scope', 'jane', '', token => good_token(scope => [])],
                 ['/any', 'nobody', '', ''],
                 ['/either', 'nobody, by satisfy any', '', ''],
                 ['/either', 'a bad token, by satisfy any', '', '', token => $bad],
                 ['/either', 'an old token, by satisfy any', '', '', token => $old],
                 ['/open', 'nobody, where it is off', '', '', token => $good])
    {
        my ($path, $name, $user, $scope, %o) = @$row;
        my $tag = next_tag;

        my $answer = $s->request($path, %o, headers => \@forged, tag => $tag);
        is_granted $answer, "$name";
        my ($hit) = hits($s, $tag);
        is $hit->{http_x_user}, $user, "$name: X-User is not the client's";
        is $hit->{http_x_scope}, $scope, "$name: X-Scope, neither";
    }

    my $tag = next_tag;
    $s->request('/cookie', token => $good, cookie => "accessToken=$good", tag => $tag);
    my ($hit) = hits($s, $tag);
    is $hit->{http_authorization}, "Bearer $good", 'a credential goes on as it came';
    is $hit->{http_cookie}, "accessToken=$good", 'a cookie, too';

    $tag = next_tag;
    $s->request('/strip', token => $good, cookie => "accessToken=$good", tag => $tag);
    ($hit) = hits($s, $tag);
    is $hit->{http_authorization}, '', 'unless the operator strips it';
    is $hit->{http_cookie}, '', 'both';
}

# --- levels of the log ------------------------------------------------------

{
    my $quiet = start($conf, files => \%files, log_level => 'notice');

    for (@refusals) {
        my ($path, $sign, $reason, $name, %o) = @$_;
        next if $o{sign};
        refused $quiet, $path, $sign => "at notice, $name", %o, log => 0, good => 0,
            decision => { reason => $reason };
    }
    refused_by_nginx $quiet, '/', 400, 'two Authorization headers, at notice',
        headers => [map { "Authorization: Bearer $_" } $good, $bad];
    refused $quiet, '/x', FAIL => 'an operator\'s fault, at notice', port => 2,
            token => $good, reason => 'misconfigured', good => 0;

    unlike $quiet->errors->content, qr/\Q${\ substr $good, -20}\E/,
        'at notice no line shows a token';
}

# At debug the core itself prints each header and variable; the lines of ours are
# the same as ever.  This server is not one of those that done() looks at.
{
    my $debug = AuthToken::Server->new($conf, files => \%files, log_level => 'debug')->start;
    my @tokens = map { { @$_[4 .. $#$_] }->{token} // () } @refusals;

    eval {
        for (@refusals) {
            my ($path, undef, undef, undef, %o) = @$_;
            delete $o{sign};
            $debug->request($path, %o, tag => 'debug');
        }
        $debug->request($_, token => $good, tag => 'debug') for '/', '/cookie', '/either';
    };
    is $@, '', 'at debug all is answered';
    ok $debug->stop, 'at debug nginx ended when it was asked to';

    my @ours = grep { /: (?:\*\d+ )?auth_token/ } split /\n/, $debug->errors->content;
    is @ours, @refusals, 'at debug there are as many lines of ours as at info';
    is_deeply [grep { /\[debug\]/ } @ours], [], 'and none of them at that level';

    my $parts = join '|', map { quotemeta substr $_, $_ =~ /\./ ? rindex($_, '.') + 1 : 0, 30 }
                          grep { length > 30 } @tokens, $good;
    is_deeply [grep { /$parts|canary-/ } map { s/, client: .*//r } @ours], [],
        'at debug no line of ours has a part of a token';
}

# --- errors of the configuration --------------------------------------------

my $secret = "canary-secret-of-a-file";
my $private = key('rsa')->private_pem;
my ($d) = $private =~ /\n([A-Za-z0-9+\/]{64})\n/;

for my $row (
    ['a private key',       $private],
    ['junk in PEM',         "-----BEGIN PUBLIC KEY-----\n$secret\n-----END PUBLIC KEY-----\n"],
    ['no PEM at all',       $secret],
    ['no JSON',             "{\"keys\":[\"$secret\""],
    ['no key set',          "{\"$secret\":1}"],
    ['a bad key in a set',  "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"$secret\",\"e\":\"AQAB\"}]}"],
    ['a secret in a set',   "{\"keys\":[{\"kty\":\"oct\",\"k\":\"$secret\"}]}"],
    ['a private key in a set', '{"keys":[' . key('rsa')->jwk(d => $secret) . ']}'],
    ['a kid',               '{"keys":[' . key('rsa')->jwk(kid => "\n$secret", kty => $secret) . ']}'])
{
    my ($name, $content) = @$row;
    my $server = AuthToken::Server->new($conf, files => { %files, 'rsa.pem' => $content });
    my ($status, $output) = $server->check;

    isnt $status, 0, "$name: refused";
    like $output, qr/\[emerg\].*key_file.*\/rsa\.pem\b.*in \S+nginx\.conf:\d+$/m,
        "$name: names the file";
    unlike $output, qr/canary|\Q$d\E/, "$name: shows nothing of it";
}

# the same while it runs
{
    $s->write('rsa.pem', $private);
    my $line = $s->errors->await(qr/auth_token: .*the last good keys stay/);
    like $line, qr{\[error\].*/rsa\.pem\b}, 'while it runs: names the file';
    unlike $line, qr/\Q$d\E/, 'while it runs: shows nothing of it';

    $s->write('rsa.pem', "{\"keys\":[{\"kty\":\"oct\",\"k\":\"$secret\"},"
        . key('rsa')->jwk(d => $secret, kid => 'x') . ',' . key('rsa')->jwk . "]}");
    $s->errors->await(qr/auth_token: .*has 1 new keys/);

    my @left = grep { /left out/ } split /\n/, $s->errors->content;
    ok @left >= 2, 'keys that are left out are told';
    is_deeply [grep { !/\[warn\].*rsa\.pem/ || /canary/ } @left], [], 'without their content';
    unlike $s->errors->content, qr/\Q$d\E/, 'nothing of the private key is in the log';
}

done;
