#!/usr/bin/perl

# Signatures that take long to verify (ES384, ES512, RSA of more than 4096 bits): a thread
# verifies them while the request waits, so that forged ones do not delay other requests.
#
# Requirements: slow-signatures, cache-invalidation, fetch-request-body.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

my @names = qw(p384 p521 rsa5120);
my %alg   = (p384 => 'ES384', p521 => 'ES512', rsa5120 => 'RS512', p256 => 'ES256');

sub jwks (@jwks) { '{"keys":[' . join(',', @jwks) . ']}' }

my $s = start(<<'CONF', good => ['/other'], files => {
    %%ISSUER slow: audience slow; algorithms ES384 ES512 RS512 ES256; key_file %%DIR%%/slow.jwks;%%
    %%ISSUER nameless: audience nameless; algorithms ES384; key_file %%DIR%%/nameless.jwks;%%
    %%ISSUER second: audience second; algorithms ES384; key_file %%DIR%%/second.jwks;%%
    %%ISSUER other:%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust slow nameless second other;
        add_header X-Cache $auth_token_cache_status always;
        location /          { proxy_pass %%UPSTREAM%%; }
        location /other     { auth_token_trust other; proxy_pass %%UPSTREAM%%; }
        location /early     { set $early $auth_token_user; add_header X-Early "[$early]" always;
                              proxy_pass %%UPSTREAM%%; }
        location /any       { satisfy any; allow 127.0.0.9; deny all; proxy_pass %%UPSTREAM%%; }
        location /try       { error_page 401 = @public; proxy_pass %%UPSTREAM%%; }
        location /time      { add_header X-Time $auth_token_verify_time always; proxy_pass %%UPSTREAM%%; }
        location @public    { auth_token off; proxy_pass %%UPSTREAM%%; }
    }
CONF
    'slow.jwks'     => jwks(map { key($_)->jwk(kid => $_) } @names, 'p256'),
    'nameless.jwks' => jwks(map { key($_)->jwk } qw(p384b p384c p384d)),
    'second.jwks'   => jwks(key('p384e')->jwk),
});

sub signed_by ($name, $aud = 'slow', %claims) {
    my $alg = $alg{ $name =~ s/\A(p\d+)[b-z]\z/$1/r };
    return token(key => key($name), alg => $alg, claims => { aud => $aud, %claims },
                 $aud eq 'slow' ? (header => { kid => $name }) : ());
}

# the same token with another signature of the same length
sub forged ($token) {
    my ($text, $signature) = $token =~ /\A(.*\.)([^.]*)\z/s;
    my $bytes = unb64u($signature);
    substr($bytes, 20, 1) ^.= "\1";
    return $text . b64u($bytes);
}

# --- verdicts ---------------------------------------------------------------

for my $name (@names, 'p256') {
    my $token = signed_by($name);
    my $short = $token =~ s/\.[^.]*\z/'.' . b64u('x' x 64 . ($name eq 'p256' ? 'x' : ''))/er;

    granted $s, '/', "$name, the first request", token => $token, decision => { user => 'jane', issuer => 'slow' };
    is $s->request('/', token => $token, tag => next_tag)->header('X-Cache'), 'HIT', "$name: the result is cached";
    check_requests $s, {},
        [granted       => '/', "$name, POST", token => signed_by($name), method => 'POST', body => 'x' x 100_000,
         headers => ['Content-Type: text/plain']],
        [granted       => '/', "$name, HEAD", token => signed_by($name), method => 'HEAD'],
        [bad_signature => '/', "$name, a forged signature", token => forged($token)],
        [bad_signature => '/', "$name, a forged signature, again", token => forged($token)],
        [bad_signature => '/', "$name, a short signature", token => $short],
        [expired       => '/', "$name, an expired token", token => signed_by($name, 'slow', exp => 1)],
        [bad_signature => '/any', "$name, satisfy any", token => forged($token), decision => undef],
        [granted       => '/any', "$name, satisfy any, by the address", token => forged($token), from => '127.0.0.9'],
        [granted       => '/try', "$name, error_page to an open location", token => forged($token)];

    my $early = signed_by($name);
    is $s->request('/early', token => $early, tag => next_tag)->header('X-Early'), '[jane]',
        "$name: the identity before the access phase is verified at once";
    is $s->request('/early', token => forged($early), tag => next_tag)->header('X-Early'), '[]',
        "$name: no identity of a forged token before the access phase";
    like $s->request('/time', token => signed_by($name, 'slow', id => 'time'), tag => next_tag)->header('X-Time'),
        qr/\A0\.\d{6}\z/, "$name: \$auth_token_verify_time";
}

# keys without kid are tried one after the other
for my $name (qw(p384b p384c p384d)) {
    granted $s, '/', "no kid, $name", token => signed_by($name, 'nameless'), decision => { issuer => 'nameless' };
}
granted $s, '/', 'no kid, the key of another issuer block', token => signed_by('p384e', 'second'),
    decision => { issuer => 'second' };
refused $s, '/', bad_signature => 'no kid, an unknown key', token => signed_by('p384f', 'nameless');
refused $s, '/', audience_mismatch => 'the key of one issuer block, the audience of another',
    token => signed_by('p384e', 'nameless');

# --- many at once -----------------------------------------------------------

my ($pid) = $s->workers;

# CPU time of the event loop and of the threads, in nanoseconds
sub cpu_time () {
    my ($loop, $threads) = (0, 0);
    for my $file (glob "/proc/$pid/task/*/schedstat") {
        my ($time) = split ' ', AuthToken::Log->new($file)->content;
        $file =~ m{/\Q$pid\E/schedstat} ? ($loop += $time) : ($threads += $time);
    }
    return ($loop, $threads);
}

# opens connections with one request each
sub send_all (@tokens) {
    return map { my $c = $s->connect; $c->send(request_bytes('/', token => $_, tag => next_tag)); $c } @tokens;
}

sub statuses (@open) {
    my %n;
    $n{ $_->response->{status} }++ for @open;
    return \%n;
}

SKIP: {
    skip 'no /proc/PID/schedstat', 2 if !-r "/proc/$pid/schedstat";

    my $forged = forged(signed_by('p384'));
    my @old    = cpu_time;
    is_deeply statuses(send_all(($forged) x 300)), { 401 => 300 }, 'a flood of forged tokens is refused';
    my @new    = cpu_time;
    note sprintf '%.1f ms of the event loop, %.1f ms of threads', map { ($new[$_] - $old[$_]) / 1e6 } 0, 1;
    cmp_ok $new[0] - $old[0], '<', $new[1] - $old[1], 'threads verify them, not the event loop';
}

my @valid = map { signed_by($names[$_ % 3], 'slow', id => "many-$_") } 1 .. 60;
is_deeply statuses(send_all(map { ($_, forged($_)) } @valid)), { 200 => 60, 401 => 60 },
    'valid and forged tokens at the same time';

my @open = send_all(map { signed_by('p384', 'slow', id => "gone-$_") } 1 .. 100);
$_->close for @open;
granted $s, '/', 'after clients that have gone', token => signed_by('p521');

my $statuses = statuses(send_all((forged(signed_by('p384'))) x 900));
is join(' ', sort keys %$statuses), '401 429', 'more than 512 waiting signatures get 429';
granted $s, '/', 'after the flood', token => signed_by('p384', 'slow', id => 'after');

# --- keys that change while a signature is verified --------------------------

for my $round (1 .. 3) {
    my @waiting = send_all(map { signed_by('p384', 'slow', id => "round-$round-$_") } 1 .. 50);
    $s->write('slow.jwks', jwks(map { key($_)->jwk(kid => $_) } $round == 3 ? 'p256' : @names, 'rsa' . (1 + $round)));
    my $found = statuses(@waiting);
    is_deeply [grep { !/200|401/ } keys %$found], [], "keys that change, round $round";
    eventually "the new keys are used, round $round",
        sub { $s->errors->content =~ /(?:keys replaced, issuer: "slow".*){$round}/s };
}
refused $s, '/', invalid_token => 'a key that was removed', token => signed_by('p384', 'slow', id => 'removed');

$s->reload;
granted $s, '/other', 'after a reload', token => good_token();

done;
