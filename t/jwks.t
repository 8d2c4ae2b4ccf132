#!/usr/bin/perl

# Key sources: "jwks_uri" and "discovery", every way in which a key source can fail,
# and how a worker process handles its responses.
#
# Requirements: early-fetch, key-limit, configuration-errors, fetch-failures,
#   fetch-cold-start, fetch-protocols, fetch-request-body, fetch-request,
#   fetch-several-sets, fetch-flood, key-rotation, cache-invalidation,
#   fetch-own-location, fetch-media-types, fetch-stored-keys.

use v5.36;

use lib 't/lib';

use AuthToken::Certificate;
use AuthToken::Source qw(log_has);
use AuthToken::Test;
use IO::Socket::INET;
use List::Util qw(max);
use POSIX ();
use Time::HiRes qw(sleep time);

my $source = AuthToken::Source->start(keys => ['rsa']);
my @ca     = ('ca.pem' => $source->ca, 'rsa.pem' => key('rsa')->pem);

my $ca     = 'ca_file=%%DIR%%/ca.pem';

sub block ($name, $lines) { "%%ISSUER $name: $lines\n%%\n" }

# Starts a server with these issuer blocks, and "file" with a key file.  $trust: path =>
# the issuers that the location trusts.
sub start_with ($blocks, $trust, %o) {
    my $locations = join '', map { "location $_ { auth_token_trust $trust->{$_}; proxy_pass %%UPSTREAM%%; }\n" }
                    sort keys %$trust;
    return start(<<"CONF", files => { @ca }, good => ['/served'], %o);
    auth_token_state_path %%DIR%%/state;
    $blocks
    %%ISSUER file:%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        add_header X-Keys \$auth_token_keys always;
        location / { auth_token_trust file; proxy_pass %%UPSTREAM%%; }
        $locations
    }
CONF
}

# a token signed by a key of the key source, with its kid
sub of ($name, %o) { token(%o, key => key($name), header => { kid => $name, ($o{header} // {})->%* }) }

# --- configuration ----------------------------------------------------------

{
    my $url = $source->url('/jwks');
    my $conf = sub ($line, %o) {
        return ($o{state} // 'auth_token_state_path %%DIR%%/state;') . "\n" . ($o{http} // '')
             . block('main', $line) . 'server { listen %%LISTEN%%; auth_token on; }';
    };
    my $fails = sub ($line, $pattern, %o) {
        conf_fails $conf->("$line; # here", %o), $pattern, "$line", files => { @ca }, %o;
    };
    my $value = sub ($value, $directive = 'jwks_uri') {
        qr/invalid value "\Q$value\E" in "$directive"/;
    };

    conf_ok $conf->("jwks_uri $url $ca;"), 'one key source', files => { @ca };
    conf_ok $conf->("jwks_uri $url refresh=30m max_stale=2d $ca proxy=http://127.0.0.1:3128 pause=5s;"),
            'all parameters', files => { @ca };
    conf_ok $conf->("jwks_uri $url; jwks_uri $url/2; key_file %%DIR%%/rsa.pem;"), 'two key sources and a key file',
            files => { @ca };
    conf_ok $conf->('jwks_uri http://127.0.0.1:1/; jwks_uri http://[::1]/; discovery on;'),
            'http URLs of loopback addresses, and discovery';
    conf_ok $conf->("discovery off; jwks_uri $url;"), 'discovery off';
    conf_ok $conf->("jwks_uri $url;", http => 'auth_token_thread_pool default;'), 'the default thread pool';
    conf_ok $conf->("jwks_uri $url;", http => 'auth_token_thread_pool keys;'), 'another thread pool',
            main => 'thread_pool keys threads=2;';
    is $source->hits, 0, 'nginx -t fetches nothing';

    $fails->("jwks_uri $_", $value->($_))
        for 'http://issuer.example/jwks', 'http://localhost/jwks', 'ftp://issuer.example/', 'jwks',
            '/jwks', 'https://', 'https://u:p@issuer.example/', 'https://issuer.example/#x',
            'file:///etc/passwd', 'https://issuer.example:0/';
    $fails->("jwks_uri \"$_\"", $value->($_)) for '', 'https://issuer.example/a b';
    $fails->("jwks_uri $url $_", $value->($_))
        for 'refresh=0', 'refresh=', 'refresh=x', 'refresh=-1', 'refresh=400d', 'max_stale=0',
            'pause=0', 'pause=x', 'refresh', 'size=1m', 'on', 'proxy=', 'proxy=proxy:3128',
            'proxy=http://u:p@proxy:3128', 'proxy=socks5://proxy', 'ca_file=';
    $fails->("jwks_uri $url ca_file=$_", qr/"jwks_uri": .*"$_"/) for '/nonexistent/ca.pem', '/dev/null';
    $fails->("jwks_uri $url ca_file=%%DIR%%/rsa.pem", qr{no PEM certificate in "\S+/rsa\.pem"});
    $fails->("jwks_uri $url refresh=1m refresh=1m", qr/duplicate value "refresh=1m" in "jwks_uri"/);
    $fails->("jwks_uri $url refresh=2h max_stale=1h",
             qr/"jwks_uri" directive requires "max_stale" to be at least "refresh"/);
    $fails->("jwks_uri $url refresh=5s pause=6s",
             qr/"jwks_uri" directive requires "pause" to be at most "refresh"/);
    $fails->("jwks_uri $url; jwks_uri $url", qr/duplicate value "\Q$url\E" in "jwks_uri"/);
    $fails->('jwks_uri', qr/invalid number of arguments in "jwks_uri"/);
    $fails->('discovery', qr/invalid number of arguments in "discovery"/);
    $fails->("discovery $_", $value->($_, 'discovery')) for 'yes', 'https://issuer.example', 'ON';
    $fails->('discovery off refresh=1h', $value->('off', 'discovery'));
    $fails->('discovery on refresh=x', $value->('refresh=x', 'discovery'));
    $fails->('discovery on; discovery on', qr/"discovery" directive is duplicate/);

    for my $issuer ('issuer.example', 'http://issuer.example', 'https://issuer.example?x') {
        conf_fails 'auth_token_state_path %%DIR%%/state;'
            . "auth_token_issuer main { audience api; discovery on; # here\nissuer $issuer; }",
            qr/"discovery" of "auth_token_issuer main" with "\Q$issuer\E"/, "discovery of $issuer";
    }

    conf_fails "auth_token_issuer main { issuer x; audience api; \n} # here\n",
        qr/no "key_file", "jwks_uri", "discovery" or "signing_key" in "auth_token_issuer/, 'a block without keys';

    my $many = join '', map { block("i$_", "jwks_uri $url;") } 1 .. 64;
    my $state = "auth_token_state_path %%DIR%%/state;\n";
    conf_ok $state . $many, '64 key sources';
    conf_fails $state . $many . block('more', "jwks_uri $url; # here"), qr/exceeds the limit of 64 key sources/, '65 key sources';

    # the state directory
    conf_fails $conf->("jwks_uri $url; # here", state => 'auth_token_state_path %%DIR%%/no/state;'),
        qr{"auth_token_state_path": cannot write to "\S+/no"}, 'the parent of the state directory is missing';
    conf_fails $conf->("jwks_uri $url; # here"), qr/"auth_token_state_path": .*chmod go-w/,
        'a state directory that other users can write', prepare => sub ($s) {
            mkdir $s->dir . '/state';
            chmod 0777, $s->dir . '/state';
        };
    conf_fails $conf->("jwks_uri $url; # here"), qr/"auth_token_state_path": .*32 bytes/,
        'a truncated state key', prepare => sub ($s) {
            mkdir $s->dir . '/state';
            $s->write('state/key', 'x');
        };
    conf_ok $conf->('key_file %%DIR%%/rsa.pem;', state => 'auth_token_state_path /nonexistent/x;'),
        'a state directory that no directive needs', files => { @ca };
    conf_fails "auth_token_state_path a;\nauth_token_state_path b; # here\n",
        qr/"auth_token_state_path" directive is duplicate/, 'auth_token_state_path twice';
    conf_fails "auth_token_state_path \"\"; # here\n", qr/invalid value "" in "auth_token_state_path"/,
        'an empty path';
    conf_fails "auth_token_thread_pool a;\nauth_token_thread_pool b; # here\n",
        qr/"auth_token_thread_pool" directive is duplicate/, 'auth_token_thread_pool twice',
        main => 'thread_pool a threads=1; thread_pool b threads=1;';
    conf_fails "auth_token_thread_pool missing; # here\n", qr/unknown thread pool "missing"/,
        'an unknown thread pool';
    is $source->hits, 0, 'nginx -t has fetched nothing';
}

# --- responses --------------------------------------------------------------

# name => [mode, options, error in the log; without an error the keys are used];
# t/unit/fetch_test.c has more
my %answers = (
    good          => ['good', {}],
    slow          => ['slow', { seconds => 1 }],
    http10        => ['http10', {}],
    gzip          => ['gzip', {}],
    redirect      => ['redirect', { to => $source->url('/jwks') }],
    redirects     => ['redirect_chain', { hops => 3 }],
    from_http     => ['redirect', { to => $source->url('/jwks') }],
    http_loop     => ['redirect', { to => $source->plain_url('/jwks') }, qr/"http" not supported/],
    cap           => ['size', { bytes => 1048576 }],
    choosy        => ['choosy', {}],
    text          => ['good', { type => 'text/plain' }],
    octets        => ['good', { type => 'application/octet-stream' }],
    label         => ['good', { type => 'text/html; charset=utf-8' }],
    mark          => ['good', {}],

    404           => ['404', {}, qr/status 404/],
    500           => ['500', {}, qr/status 500/],
    304           => ['304', {}, qr/status 304/],
    302           => ['302', {}, qr/status 302/],
    plain         => ['redirect_plain', {}, qr/"http" not supported/],
    chain         => ['redirect_chain', { hops => 4 }, qr/redirects/],
    hang          => ['hang', {}, qr/timed out/],
    reset         => ['reset', {}, qr/reset|transfer closed/i],
    gzip_bomb     => ['gzip_bomb', {}, qr/larger than 1 MiB/],
    html          => ['html', {}, qr/HTML or XML/],
    large         => ['size', { bytes => 1048577, chunked => 1 }, qr/larger than 1 MiB/],
    endless       => ['endless', {}, qr/larger than 1 MiB/],
    drip          => ['drip', {}, qr/timed out/],
    drip_head     => ['drip_head', {}, qr/timed out/],
    headers       => ['headers', {}, qr/headers|Too large/i],
);

# documents that are not usable JWK Sets
my %documents = (
    none          => ['{}', qr/keys/],
    page          => ['<html>', qr/HTML or XML/],
    pem           => [key('rsa')->pem, qr/invalid JSON/],
    weak          => ['{"keys":[' . key('rsa1024')->jwk(kid => 'rsa') . ']}', qr/\S/],
    secret        => ['{"keys":[{"kty":"oct","k":"AAAA","kid":"rsa"}]}', qr/\S/],
);

my @names = sort(keys %answers, keys %documents);
my @fail  = grep { $documents{$_} || $answers{$_}[2] } @names;
my @work  = grep { !$documents{$_} && !$answers{$_}[2] } @names;

my $set = AuthToken::Source->jwk_set('rsa', 'rsa2');
my %good = (map { ("/$_" => $set) } @names);

# from_http and http_loop are URLs of loopback addresses without TLS
sub url_of ($name) { $name =~ /http_|_http/ ? $source->plain_url("/$name") : $source->url("/$name") }

# all of them fail as described, or all of them work
sub behave ($bad) {
    $source->mode('good');
    $source->serve('/jwks', $set);
    for my $name (@names) {
        $source->serve("/$name", $bad && $documents{$name} ? $documents{$name}[0] : $set);
        $source->mode($answers{$name}[0], path => "/$name", $answers{$name}[1]->%*)
            if $bad && $answers{$name};
    }
    $source->serve('/mark', "\x{feff}$set");
    return;
}

behave(1);

my $s = start_with(join('', map({ block($_, "jwks_uri @{[url_of($_)]} $ca pause=1s refresh=10m;") } @names),
                   block('both', "key_file %%DIR%%/rsa.pem; jwks_uri @{[$source->url('/endless')]} $ca;")),
    { map({ ("/$_/" => $_) } @names), '/both/' => 'both', '/pair/' => 'good http10' }, workers => 2);

# the numbers of $auth_token_keys
sub keys_of ($server, $path) {
    my $text = $server->request($path)->header('X-Keys') // '';
    return { $text =~ /(\w+)=(-?\d+)/g };
}

# requests do not wait for the first fetch, which times out after five seconds
{
    my $longest = 0;
    my $timed = sub ($ask) {
        my $began = time;
        $ask->();
        $longest = max($longest, time - $began);
    };

    my %status;
    $timed->(sub { $status{$s->request('/hang/', token => of('rsa'))->{status}}++ }) for 1 .. 100;
    is_deeply \%status, { 503 => 100 }, 'all requests before the first keys are refused';
    is $source->await_hits('/hang', 1), 1, 'one request to the key source';

    my @o = (token => of('rsa'), good => 0);
    $timed->(sub { refused $s, '/hang/', unavailable => 'HEAD during the fetch', method => 'HEAD', @o });
    $timed->(sub { refused $s, '/hang/', unavailable => 'POST during the fetch', method => 'POST', body => 'x' x 100_000, @o });
    cmp_ok $longest, '<', 2.5, 'none of them waits';
}

for my $name (@work) {
    ok log_has($s, qr/(?:keys replaced, issuer: "$name", keys: 2,.*){2}/s), "$name: both workers use the keys";
    granted $s, "/$name/", "$name", token => of('rsa2');
}

for my $name (@fail) {
    my $says = $documents{$name} ? $documents{$name}[1] : $answers{$name}[2];
    ok log_has($s, qr/\[error\].*keys not fetched, no keys available, issuer: "$name"/), "$name: the keys are not used";
    my ($line) = $s->errors->content =~ /keys not fetched, .*issuer: "$name", (.*)/;
    like $line // '', $says, "$name: the log names the cause";
    like $line // '', qr{"\Q@{[url_of($name)]}\E"}, "$name: the log names the URL";
    refused $s, "/$name/", unavailable => "$name", token => of('rsa'), reason => 'unavailable';
}

granted $s, '/both/', 'a key of a file beside a key source without keys', token => of('rsa');
refused $s, '/both/', unavailable => 'an unknown key while a key source has no keys', token => of('rsa2'),
        reason => 'unavailable';

is $source->hits('/good'), 1, 'one request for both workers';
is_deeply { keys_of($s, '/good/')->%*, age => 0 },
    { keys => 2, age => 0, fetches => 1, failures => 0 }, '$auth_token_keys';
like $s->request('/pair/')->header('X-Keys'),
    qr/\Agood:keys=2,age=\d+,fetches=\d+,failures=\d+ http10:keys=2,\S+\z/, '$auth_token_keys of two issuers';
is $s->request('/')->header('X-Keys'), 'file:keys=1', '$auth_token_keys without a key source';

# the request contains nothing of a client's request
{
    my ($request) = $source->requests('/good');
    is $request->{method}, 'GET', 'method';
    is $request->{body}, 0, 'no body';
    is_deeply [sort map { lc $_->[0] } $request->{headers}->@*],
        [qw(accept accept-encoding host user-agent)], 'headers';
    is((grep { lc $_->[0] eq 'accept' } $request->{headers}->@*)[0][1],
        'application/jwk-set+json, application/json;q=0.9, */*;q=0.1', 'Accept');
}

# an unknown kid
{
    granted $s, '/good/', 'no kid, the first of two', token => token(key => key('rsa'));
    granted $s, '/good/', 'no kid, the second of two', token => token(key => key('rsa2'));
    refused $s, '/good/', invalid_token => 'no kid, another key', token => token(key => key('rsa3')),
            reason => 'bad_signature';
    refused $s, '/good/', invalid_token => 'a kid of another key',
            token => of('rsa', header => { kid => 'rsa2' }), reason => 'bad_signature';
    granted $s, '/pair/', 'two issuers, two key sources', token => of('rsa');
}

# --- recovery and another failure -------------------------------------------

behave(0);
for my $name (@fail) {
    ok log_has($s, qr/keys replaced, issuer: "$name", keys: 2,/, 40), "$name: the keys are used after recovery";
}
log_has($s, qr/(?:keys replaced, issuer: "$_".*){2}/s) for @fail;
granted $s, "/$_/", "$_, after recovery", token => of('rsa2') for @fail;
like $s->errors->content, qr/keys fetched again, issuer: "500"/, 'the log reports the recovery';

behave(1);
my %before = map { $_ => keys_of($s, "/$_/") } @fail;
$s->request("/$_/", token => of('rsa3')) for @fail;             # with an unknown kid
for my $name (@fail) {
    eventually "$name: fetched early, fails",
        sub { keys_of($s, "/$name/")->{failures} > $before{$name}{failures} }, 20;
    is keys_of($s, "/$name/")->{keys}, 2, "$name: the previous keys stay in use";
    granted $s, "/$name/", "$name, with the previous keys", token => of('rsa');
}

# --- an unknown kid ---------------------------------------------------------

behave(0);
{
    my $hits = $source->hits('/good');
    $s->request('/good/', token => of('rsa3', header => { kid => 'x' })) for 1 .. 20;
    is $source->await_hits('/good', $hits + 1), $hits + 1, 'an unknown kid causes one request';
    sleep 1.6;
    $s->request('/good/', token => of('rsa3', header => { kid => 'x' })) for 1 .. 20;
    sleep 0.6;
    is $source->hits('/good'), $hits + 1, 'the same header causes no other request';

    $source->serve('/good', AuthToken::Source->jwk_set('rsa2', 'rsa3'));
    is $s->request('/good/', token => of('rsa3'))->{status}, 401, 'the first token of a new key is refused';
    eventually 'the new key is accepted after a fetch',
        sub { $s->request('/good/', token => of('rsa3'), tag => next_tag)->{status} == 200 }, 4;
    is $source->hits('/good'), $hits + 2, 'there was one fetch';
    log_has($s, qr/(?:keys replaced, issuer: "good", keys: 2.*){4}/s);
    refused $s, '/good/', invalid_token => 'a key that was removed', token => of('rsa'), new => 1,
            reason => 'unknown_kid';
}

# --- an unknown kid beside other keys ---------------------------------------

# another issuer block, or a key without kid, must not prevent the fetch
{
    my $other = AuthToken::Source->start(keys => ['rsa']);
    $other->mode('hang');
    my $uri = "jwks_uri @{[$source->url('/beside')]} $ca pause=1s;";
    $source->serve('/beside', AuthToken::Source->jwk_set('rsa'));

    my $t = start_with(block('main', $uri) . block('both', "key_file %%DIR%%/rsa.pem; $uri")
                       . block('hang', "jwks_uri @{[$other->url('/jwks')]} $ca;"),
        { '/blocks' => 'main file', '/nameless' => 'both', '/no-keys' => 'main hang' });
    log_has($t, qr/keys replaced, issuer: "$_", keys: 1,/) for qw(main both);
    my @new = ('rsa2', 'rsa3', 'rsa4');

    for my $path (qw(/blocks /nameless /no-keys)) {
        my $name = shift @new;
        $source->serve('/beside', AuthToken::Source->jwk_set('rsa', $name));
        eventually "$path: a new key is fetched early",
            sub { $t->request($path, token => of($name), tag => next_tag)->{status} == 200 }, 5;
    }

    my $hits = $source->hits('/beside');
    sleep 1.2;
    refused $t, '/blocks', expired_token => 'an expired token of the key file', reason => 'expired',
            token => of('rsa', header => { kid => 'x' }, claims => { exp => 0 });
    sleep 1.2;
    is $source->hits('/beside'), $hits, 'a token with a known key causes no fetch';
    $other->stop;
}

# --- keys that are left out -------------------------------------------------

{
    my $rsa  = key('rsa');
    my @keys = ($rsa->jwk(kid => 'rsa'), $rsa->jwk(kid => \'"h\u00e9 \n"', x5c => ['AAAA']),
                key('rsa2')->jwk(kid => 'enc', use => 'enc'), key('rsa1024')->jwk, key('p256')->jwk(kid => 'ec'),
                key('rsa2')->jwk(kid => 'rsa2', x5c => [], key_ops => [], d => \'null'));
    my $url = $source->url('/odd');
    my $serve = sub (@more) { $source->serve('/odd', '{"keys":[' . join(',', @keys, @more) . ']}') };

    $serve->();
    $source->serve('/damaged', '{"keys":[' . $keys[1] . ']}');
    $source->serve('/nine', '{"keys":[' . join(',', map { key("rsa$_")->jwk } '', 2 .. 9) . ']}');
    my $t = start_with(block('odd', "jwks_uri $url $ca refresh=1s;")
                       . block('nine', "jwks_uri @{[$source->url('/nine')]} $ca refresh=1s;")
                       . block('damaged', "jwks_uri @{[$source->url('/damaged')]} $ca pause=1s;"),
                       { '/odd' => 'odd', '/nine' => 'nine', '/damaged' => 'damaged' }, workers => 2);

    ok log_has($t, qr/(?:keys replaced, issuer: "odd", keys: 2,.*){2}/s), 'both workers use the usable keys';
    granted $t, '/odd', "beside keys that are left out: $_", token => of($_) for 'rsa', 'rsa2';

    my $lines = sub { grep { /"\Q$url\E": / } split /\n/, $t->errors->content };
    $source->await_hits('/odd', 3);
    my @lines = $lines->();
    is scalar @lines, 3, 'one line for each key that is left out, except encryption keys';
    like $lines[0], qr/\[warn\].*: key 2 is ignored, kid: "h\\xc3\\xa9 \\x0a": "x5c" is not a valid certificate/, 'a damaged x5c';
    like $lines[1], qr/\[warn\].*: key 4 is ignored: RSA key of 1024 bits/, 'a key without kid';
    like $lines[2], qr/\[warn\].*: key 5 is ignored, kid: "ec": no accepted algorithm/, 'a key of another type';
    ok log_has($t, qr/"\S+\/damaged": key 1 is ignored, kid: "h.*x5c/), 'the only key is left out: logged';

    my $replaced = sub { scalar(() = $t->errors->content =~ /keys replaced, issuer: "odd"/g) };
    is $replaced->(), 2, 'both workers have loaded the keys once';
    $source->serve('/odd', qq({ "generated": $_, "keys": [ ) . join(', ', @keys) . ' ] }') for 1, 2;
    $source->await_hits('/odd', $source->hits('/odd') + 2);
    is scalar($lines->()), 3, 'a document with the same keys causes no other lines';
    is $replaced->(), 2, 'and is not loaded again';

    # a fetched set of more keys without kid than are tried
    $source->await_hits('/nine', 3);
    ok log_has($t, qr/(?:\[warn\][^\n]*"auth_token_issuer nine" has 9 keys without "kid".*){2}/s), 'nine keys without kid: logged';
    is scalar(() = $t->errors->content =~ /"auth_token_issuer nine" has/g), 2, 'once by each worker';
    granted $t, '/nine', 'the eighth of nine keys without kid', token => token(key => key('rsa8'));
    refused $t, '/nine', invalid_token => 'the ninth of nine keys without kid', token => token(key => key('rsa9')),
            reason => 'too_many_keys';

    # the workers read nothing else
    my $stored = join '', map { AuthToken::Log->new($_)->content } glob $t->dir . '/state/data/keys-*';
    like $stored, qr/"kid":"rsa2"/, 'the usable keys are stored';
    unlike $stored, qr/x5c|"ec"|"enc"/, 'no other keys are stored';

    # as many keys of another type as fit into a document
    my $many = 6100;
    $serve->((key('p384')->jwk) x $many);
    ok log_has($t, qr/"\Q$url\E": @{[$many - 122]} further keys are ignored: only the first 128 are examined/),
        'a large set: logged';
    granted $t, '/odd', 'the first keys of a large set', token => of('rsa2');
    is scalar(grep { /key \d+ is ignored: no accepted algorithm/ } $lines->()), 122,
        'a large set: one line for each key that is examined';
}

# --- TLS and connection failures --------------------------------------------

{
    my $tls = AuthToken::Source->start(keys => ['rsa']);
    my $uri = $tls->url('/jwks');

    my $t = start_with(block('one', "jwks_uri $uri $ca pause=1s;") . block('system', "jwks_uri $uri;"),
                       { '/one/' => 'one', '/system/' => 'system' });

    ok log_has($t, qr/keys replaced, issuer: "one", keys: 1,/), 'the CA of ca_file is trusted';
    ok log_has($t, qr/keys not fetched, no keys available, issuer: "system".*certificate/), 'without ca_file the system CAs are trusted';
    refused $t, '/system/', unavailable => 'an unknown CA', token => of('rsa');

    my $n = 0;
    my $fails = sub ($name, $says) {
        my $from = length $t->errors->content;
        my $line;
        $t->request('/one/', token => of('rsa3', header => { kid => 'k' . $n++ }));

        eventually "$name: fetched early, fails",
            sub { ($line) = substr($t->errors->content, $from) =~ /keys not fetched, .*issuer: "one", (.*)/ }, 15;
        like $line // '', $says, "$name: the log names the cause";
        granted $t, '/one/', "$name: the previous keys stay in use", token => of('rsa');
    };

    for my $row (['other_ca', qr/certificate/], ['other_host', qr/no alternative certificate|does not match/],
                 ['expired', qr/expired/], ['self_signed', qr/certificate/]) {
        $tls->certificate($row->[0]);
        $fails->("certificate $row->[0]", $row->[1]);
    }
    $tls->certificate('good');

    $tls->mode('reset_connection');
    $fails->('connection reset', qr/reset|SSL|error|connect/i);
    $tls->mode('silent');
    $fails->('no response', qr/timed? ?out/i);
    $tls->mode('refused');
    $fails->('connection refused', qr/refused|connect/i);
    $tls->mode('good');

    my $before = keys_of($t, '/one/')->{fetches};
    $tls->keys('rsa2');
    $t->request('/one/', token => of('rsa2'));
    ok log_has($t, qr/keys replaced, issuer: "one", keys: 1,.*keys replaced, issuer: "one", keys: 1,/s, 15), 'recovery';
    granted $t, '/one/', 'a key that is new after recovery', token => of('rsa2');
    refused $t, '/one/', invalid_token => 'the previous key after recovery', token => of('rsa'), reason => 'unknown_kid';
    $tls->stop;
}

# --- discovery --------------------------------------------------------------

{
    my $base = $source->base;
    my $doc = sub (%members) {
        my %all = (jwks_uri => $source->url('/jwks'), %members);
        return '{' . join(',', map { qq("$_":"$all{$_}") } sort keys %all) . '}';
    };

    # name => [issuer, document, error in the log]
    my %rows = (
        root     => ['', $doc->(issuer => $base)],
        path     => ['/tenant/v2.0', $doc->(issuer => "$base/tenant/v2.0")],
        slash    => ['/slash/', $doc->(issuer => "$base/slash/")],
        other    => ['/other', $doc->(issuer => "$base/another"), qr{another issuer: \S+/another}],
        case     => ['/case', $doc->(issuer => "$base/CASE"), qr/another issuer/],
        plain    => ['/plain', $doc->(issuer => "$base/plain", jwks_uri => 'http://issuer.example/'),
                     qr/"jwks_uri"/],
        keys     => ['/keys', AuthToken::Source->jwk_set('rsa'), qr/"issuer"/],
        page     => ['/page', '<html>', qr/HTML or XML/],
        list     => ['/list', '[]', qr/not a JSON object/],
        missing  => ['/missing', undef, qr/status 404/],
        nowhere  => ['/nowhere', $doc->(issuer => "$base/nowhere", jwks_uri => $source->url("/nothing-here")),
                     qr{"\S+/nothing-here": the response has status 404}],
    );

    $source->mode('good');
    $source->keys('rsa', 'rsa2');
    for my $row (grep { defined $_->[1] } values %rows) {
        $source->serve($row->[0] =~ s{/\z}{}r . '/.well-known/openid-configuration', $row->[1]);
    }

    my $blocks = join '', map { block($_, "issuer $base$rows{$_}[0] urn:another; discovery on $ca pause=1s;") }
                 sort keys %rows;
    my $t = start_with("auth_token_thread_pool keys;\n$blocks", { map { ("/$_/" => $_) } keys %rows },
                       main => "thread_pool keys threads=2;\n");

    for my $name (sort keys %rows) {
        my ($path, undef, $says) = $rows{$name}->@*;
        my $token = of('rsa', claims => { iss => $base . $path });

        if ($says) {
            ok log_has($t, qr/keys not fetched, no keys available, issuer: "$name"/), "discovery, $name: the keys are not used";
            my ($line) = $t->errors->content =~ /keys not fetched, .*issuer: "$name", (.*)/;
            like $line // '', $says, "discovery, $name: the log names the cause";
            refused $t, "/$name/", unavailable => "discovery, $name", token => $token;

        } else {
            ok log_has($t, qr/keys replaced, issuer: "$name", keys: 2,/), "discovery, $name: the keys are used";
            granted $t, "/$name/", "discovery, $name", token => $token;
        }
    }
}

# --- times ------------------------------------------------------------------

{
    $source->serve("/$_", $set) for qw(cache stale dead half);
    $source->mode('good', path => '/cache', headers => { 'Cache-Control' => 'max-age=86400' });

    my %more = (cache => 'refresh=2s', stale => 'refresh=1s max_stale=3s', half => 'refresh=4s max_stale=4s',
                dead => 'proxy=http://127.0.0.1:1 pause=1s');
    my $t = start_with(join('', map({ block($_, "jwks_uri @{[$source->url(qq(/$_))]} $ca $more{$_};") } sort keys %more),
                       block('self', 'jwks_uri http://127.0.0.1:%%PORT%%/self/keys pause=1s;')),
        { map { ("/$_/" => $_) } qw(cache stale dead self) }, workers => 2);

    ok log_has($t, qr/(?:keys replaced, issuer: "stale", keys: 2,.*){2}/s), 'both workers use the keys';
    granted $t, '/stale/', 'fresh keys', token => of('rsa');
    $source->mode('500', path => '/stale');

    ok log_has($t, qr/issuer: "dead", .*(?:proxy|connect)/i), 'an unreachable proxy';
    is $source->hits('/dead'), 0, 'an unreachable proxy is not bypassed';
    ok log_has($t, qr{issuer: "self", .*/self/keys": the response has status 401}),
       'a JWK Set behind auth_token cannot be fetched';
    refused $t, '/self/', unavailable => 'a JWK Set behind auth_token: refused', token => of('rsa');
    cmp_ok keys_of($t, '/self/')->{fetches}, "<", 8, 'the requests to itself are bounded';

    ok log_has($t, qr/(?:keys older than "max_stale" removed, issuer: "stale".*){2}/s), 'stale keys are removed';
    refused $t, '/stale/', unavailable => 'stale keys', token => of('rsa'), reason => 'unavailable', new => 1;
    is keys_of($t, '/stale/')->{keys}, 0, '$auth_token_keys without stale keys';

    $source->mode('good', path => '/stale');
    ok log_has($t, qr/(?:keys replaced, issuer: "stale", keys: 2,.*){4}/s), 'new keys after stale ones';
    granted $t, '/stale/', 'new keys', token => of('rsa'), new => 1;

    $source->await_hits('/cache', 2);
    cmp_ok $source->hits('/cache'), '<', 8, '"refresh" limits a longer max-age';
    granted $t, '/cache/', 'the same keys', token => of('rsa');
    is scalar(() = $t->errors->content =~ /keys replaced, issuer: "cache"/g), 2, 'unchanged keys are loaded once by each worker';

    $source->await_hits('/half', 3);
    unlike $t->errors->content, qr/keys older than "max_stale" removed, issuer: "half"/, 'the next keys are fetched before the current ones are stale';
    unlike $t->errors->content, qr/issuer: "dead".*after \d/, 'the error text is the same each time';
}

# --- a proxy ----------------------------------------------------------------

{
    my $log = AuthToken::Server->new('')->dir . '/proxy.log';
    my ($pid, $port) = proxy($log);
    $source->serve('/proxied', $set);

    my $t = start_with(block('main', "jwks_uri @{[$source->url('/proxied')]} $ca proxy=http://127.0.0.1:$port;"),
                       { '/main/' => 'main' });
    ok log_has($t, qr/keys replaced, issuer: "main", keys: 2,/), 'keys are fetched through a proxy';
    granted $t, '/main/', 'a key that was fetched through a proxy', token => of('rsa');
    like AuthToken::Log->new($log)->content, qr/\ACONNECT 127\.0\.0\.1:@{[$source->port]} /,
         'the proxy has connected to the key source';

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

# a proxy for CONNECT: its process and its port
sub proxy ($log) {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!\n";
    my $pid = fork // die "fork: $!\n";
    return ($pid, $listener->sockport) if $pid;

    alarm 60;
    $SIG{PIPE} = 'IGNORE';
    while (my $client = $listener->accept) {
        my $head = '';
        sysread $client, $head, 4096, length $head until $head =~ /\r\n\r\n\z/;
        open my $fh, '>>', $log;
        print $fh $head;
        close $fh;

        my ($to) = $head =~ /\ACONNECT (\S+) /;
        my $server = IO::Socket::INET->new(PeerAddr => $to) or next;
        syswrite $client, "HTTP/1.1 200 OK\r\n\r\n";
        tunnel($client, $server);
    }
    POSIX::_exit(0);
}

sub tunnel (@ends) {
    while (1) {
        my $bits = '';
        vec($bits, fileno $_, 1) = 1 for @ends;
        select(my $ready = $bits, undef, undef, 10) > 0 or return;
        for my $i (0, 1) {
            next if !vec $ready, fileno $ends[$i], 1;
            sysread($ends[$i], my $bytes, 65536) or return;
            syswrite $ends[1 - $i], $bytes;
        }
    }
}

done;
