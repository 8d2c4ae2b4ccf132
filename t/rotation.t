#!/usr/bin/perl

# Key sources during operation: key rotation under load, an unreachable provider at the
# start of nginx, a hanging fetch at the exit of a worker, killed workers, floods of
# unknown keys.  The provider is a certified implementation of OpenID Connect.
#
# Requirements: key-rotation, key-change-by-reload, fetch-flood,
#   early-fetch, fetch-and-clients, cache-invalidation, worker-killed, reload-with-errors.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Provider;
use AuthToken::Source qw(log_has);
use AuthToken::Test;
use File::Path qw(make_path remove_tree);
use Time::HiRes qw(sleep time);

my $audience = 'https://api.example/';
my $client   = '11111111-2222-3333-4444-555555555555';

my $provider = AuthToken::Provider->start(
    keys      => ['rsa'],
    resources => { $audience => $audience },
    clients   => [{ id => $client }],
);
my $source = AuthToken::Source->start(keys => ['rsa']);
my @ca     = ('ca.pem' => $provider->ca, 'rsa.pem' => key('rsa')->pem);

sub of ($name, %o) { token(%o, key => key($name), header => { kid => $name, ($o{header} // {})->%* }) }
# a token of the provider with a kid that it does not publish
sub unknown ($name) { of($name, claims => { iss => $provider->issuer, aud => $audience }) }
sub issued () { $provider->token(client => $client, resource => $audience) }

sub block ($uri, $parameters = '') {
    return "%%ISSUER main: jwks_uri $uri ca_file=%%DIR%%/ca.pem pause=1s $parameters;%%\n";
}

my $server = <<'CONF';
        %%ISSUER file:%%
        server {
            listen %%LISTEN%%;
            auth_token on;
            add_header X-Keys $auth_token_keys always;
            location / { auth_token_trust main; proxy_pass %%UPSTREAM%%; }
            location /served { auth_token_trust file; proxy_pass %%UPSTREAM%%; }
        }
CONF

my $state = "auth_token_state_path %%DIR%%/state;\n";
my @o = (files => { @ca }, good => ['/served']);

# how many times the workers have replaced keys
sub replaced ($s) { scalar(() = $s->errors->content =~ /keys replaced, issuer: "main", keys: \d+,/g) }

sub await_replaced ($s, $n, $timeout = 20) {
    return eval { await_true(sub { replaced($s) >= $n }, "keys to be replaced $n times", $timeout) };
}

sub number ($s, $name) {
    my ($n) = ($s->request('/', token => 'x')->header('X-Keys') // '') =~ /$name=(-?\d+)/;
    return $n // -1;
}

# --- the lease of a killed worker, which expires during the other tests ------

my $hanging = AuthToken::Source->start(keys => ['rsa']);
$hanging->mode('hang');
my $killed = start($state . block($hanging->url('/jwks')) . $server, @o, workers => 2);
$hanging->await_hits('/jwks', 1);
my $killed_at = time;
expect_log $killed, qr/exited on signal 9/;
kill 'KILL', $killed->workers;
await_true(sub { (() = $killed->errors->content =~ /start worker process/g) >= 4 }, 'new workers');
$hanging->mode('good');

# --- rotation under load ----------------------------------------------------

{
    my $s = start($state . <<"CONF" . $server, @o, workers => 2);
        %%ISSUER main: issuer @{[$provider->issuer]}; audience $audience; discovery on ca_file=%%DIR%%/ca.pem pause=1s;%%
CONF
    await_replaced($s, 2);
    my $old = issued();
    granted $s, '/', 'a token of the provider', token => $old;

    my $hits = $provider->hits('/jwks');
    is $hits, 1, 'one request for both workers';

    # providers publish the next key before they use it
    my @load = (['old', '/', [token => $old, tag => 'load'], '200']);
    my $beside = AuthToken::Load->start($s, \@load, clients => 2, pause => 0.001);

    $provider->publish('rsa2');
    $provider->sign_with('rsa2');
    my $new = issued();

    my $began = time;
    await_true(sub { ask($s, ['new', '/', [token => $new, tag => next_tag]]) eq '200' }, 'the new key');
    cmp_ok time - $began, '<', 3, 'a new key is accepted within three seconds';
    await_replaced($s, 4);

    my ($count, $wrong) = $beside->end;
    is_deeply $wrong, [], 'no valid token is refused during the rotation';
    cmp_ok $count->{'old 200'}, '>', 100, 'the load sent more than 100 requests';
    is $provider->hits('/jwks'), $hits + 1, 'one more request to the provider';

    # both keys are valid; then the old key is withdrawn, until the next fetch
    $beside = AuthToken::Load->start($s, [@load, ['new', '/', [token => $new, tag => 'load'], '200']],
                                     clients => 2, pause => 0.001);
    sleep 0.5;
    ($count, $wrong) = $beside->end;
    is_deeply $wrong, [], 'both keys are accepted';

    $beside = AuthToken::Load->start($s, [['new', '/', [token => $new, tag => 'load'], '200'],
                                          ['old', '/', [token => $old, tag => 'load'], '200',
                                           '401 API_INVALID_ACCESS_TOKEN']],
                                     clients => 2, pause => 0.001);
    $provider->withdraw('rsa');
    $s->request('/', token => unknown('rsa3'));
    ok await_replaced($s, 6), 'both workers use the new set';

    my %said;
    $said{ask($s, ['old', '/', [token => $old, new => 1]])}++ for 1 .. 50;
    is_deeply \%said, { '401 API_INVALID_ACCESS_TOKEN' => 50 },
        'a withdrawn key is refused although its token was cached';
    ($count, $wrong) = $beside->end;
    is_deeply $wrong, [], 'the new key was accepted all the time';
    $s->errors->lines;
    refused $s, '/', invalid_token => 'a withdrawn key', token => $old, reason => 'unknown_kid';
    cmp_ok $provider->hits('/jwks'), '<=', $hits + 3, 'the number of fetches is bounded';

    $provider->publish('rsa');
    $s->request('/', token => unknown('rsa4'));
    await_replaced($s, 8);
    granted $s, '/', 'the old key is accepted again', token => $old;
}

# --- an unreachable provider ------------------------------------------------

my $kept;
{
    $source->mode('good');
    $source->keys('rsa', 'rsa2');
    my $conf = $state . block($source->url('/jwks')) . $server;
    my $s = start($conf, @o);
    await_replaced($s, 1);

    $source->stop;
    my $restart = sub () {
        $s->stop;
        unlink $s->dir . '/upstream.sock';
        $s->write('error.log', '');
        $s->{errors} = AuthToken::Log->new($s->dir . '/error.log');
        $s->start;
    };

    $restart->();
    granted $s, '/', 'a restart while the provider is unreachable', token => of('rsa2');
    ok log_has($s, qr/keys not fetched, previous keys stay in use, issuer: "main".*cannot fetch /), 'the log reports it';

    # a file that another program of the workers' user wrote is not used
    my ($file) = glob $s->dir . '/state/data/keys-*';
    my $sealed = AuthToken::Log->new($file)->content;
    for my $row (['another key', sub { $_[0] =~ s/"kid":"rsa2"/"kid":"rsa9"/r }],
                 ['cut', sub { substr $_[0], 0, 100 }], ['empty', sub { '' }],
                 ['another time', sub { $_[0] =~ s/^(.{32})\d{10}/${1}9999999999/rs }])
    {
        my ($what, $change) = @$row;
        my $changed = $change->($sealed);
        isnt $changed, $sealed, "$what: another file";
        $s->write('state/data/' . $file =~ s{.*/}{}r, $changed);
        chown +(getpwnam 'www-data')[2, 3], $file if $> == 0;

        $restart->();
        refused $s, '/', unavailable => "a stored set that was changed: $what", token => of('rsa2'),
                reason => 'unavailable';
        like $s->errors->content, qr/\[error\].*"\Q$file\E" is (?:truncated|damaged)\b/, "$what: the log names the file";
    }

    $source->start;
    ok log_has($s, qr/keys replaced, issuer: "main", keys: 2,/, 40), 'the file is created again when the provider is reachable';
    granted $s, '/', 'a token with fetched keys', token => of('rsa2');

    # an older copy has a valid seal
    ok log_has($s, qr/keys replaced, issuer: "main", keys: 2,/), 'the previous set';
    $sealed = AuthToken::Log->new($file)->content;
    sleep 1.1;
    $source->keys('rsa2');
    $s->request('/', token => of('rsa3', header => { kid => 'older' }));
    ok log_has($s, qr/keys replaced, issuer: "main", keys: 1,/), 'a key is withdrawn';
    $s->write('state/data/' . $file =~ s{.*/}{}r, $sealed);
    chown +(getpwnam 'www-data')[2, 3], $file if $> == 0;
    $source->mode('500');
    $s->reload;
    refused $s, '/', unavailable => 'an older copy of the set: a withdrawn key is refused',
            token => of('rsa'), reason => 'unavailable', new => 1;
    like $s->errors->content, qr/\[error\].*"\Q$file\E": keys are older than the last/, 'the log reports it';
    $source->mode('good');
    $source->keys('rsa', 'rsa2');

    # sealed files are useless without the state key
    unlink $s->dir . '/state/key';
    $source->stop;
    $restart->();
    refused $s, '/', unavailable => 'another state key', token => of('rsa2'), reason => 'unavailable';
    $source->start;
}

# --- a flood ----------------------------------------------------------------

{
    my $s = start($state . block($source->url('/jwks'), 'refresh=1h') . $server, @o, workers => 2);
    await_replaced($s, 2);
    $source->forget;

    my $n       = $ENV{AT_SANITIZE} ? 5_000 : 100_000;
    my ($header, $payload, $signature) = split /\./, of('rsa');
    my $kid = 0;
    my $request = sub ($end) {
        $kid++;
        return request_bytes('/', token => b64u(qq({"alg":"RS256","typ":"JWT","kid":"k$kid"$end))
                                           . ".$payload.$signature");
    };

    # seconds for 500 requests with tokens of one kind
    my $connection = $s->connect;
    my $batch = sub ($end) {
        my $began = time;
        my $left  = 500;
        while ($left > 0) {
            $connection->send(join '', map { $request->($end) } 1 .. $left);
            for (1 .. $left) {
                my $answer = $connection->response;
                die "status $answer->{status}\n" if $answer->{status} != 401;
                $left--;
                if (!$answer->{kept}) {
                    $connection = $s->connect;
                    last;
                }
            }
        }
        return time - $began;
    };

    # by turns, so that a busy machine slows down both kinds
    my $began = time;
    my ($cost, $plain) = (0, 0);
    for (1 .. $n / 500) {
        $cost  += $batch->('}');
        $plain += $batch->(',}');
    }
    my $most = 2 + int(time - $began);
    cmp_ok $source->hits('/jwks'), '<=', $most, "$n unknown kids: at most one request per second";
    cmp_ok $source->await_hits('/jwks', 1), '>=', 1, 'unknown kids: at least one request';

    note sprintf '%.1f us an unknown kid, %.1f us a malformed token, client and all',
         $cost / $n * 1e6, $plain / $n * 1e6;
    cmp_ok $cost, '<', 2 * $plain + 1, 'an unknown kid is not slower than a malformed token';
    granted $s, '/', 'a valid token during the flood', token => of('rsa');
}

# --- the only key has no kid and is replaced --------------------------------

{
    my $publish = sub ($name) { $source->serve('/single', '{"keys":[' . key($name)->jwk . ']}') };
    my $forged = sub (%o) { token(key => key('rsa4'), %o) };
    $publish->('rsa');
    my $s = start($state . block($source->url('/single'), 'refresh=1h') . $server, @o);
    await_replaced($s, 1);
    granted $s, '/', 'a token without kid', token => token();

    $publish->('rsa2');
    refused $s, '/', bad_signature => 'a token without kid, signed by the next key', token => token(key => key('rsa2'));
    ok await_replaced($s, 2), 'a failed signature requests a fetch';
    granted $s, '/', 'the next key', token => token(key => key('rsa2'));

    # the same limits as for an unknown kid
    my ($hits, $began) = ($source->hits('/single'), time);
    while (time - $began < 2.5) {
        $s->request('/', token => $_) for $forged->(), $forged->(claims => { iss => 'x' }, header => { x => next_tag });
    }
    is $source->hits('/single'), $hits, 'no fetch for the same header within a minute, nor for an unknown issuer';

    $began = time;
    while (time - $began < 2.5) {
        $s->request('/', token => $forged->(header => { x => next_tag }));
    }
    my $most = 1 + int(time - $began);
    cmp_ok $source->hits('/single') - $hits, '<=', $most, 'forged tokens with new headers: at most one fetch per second';
    granted $s, '/', 'a valid token afterwards', token => token(key => key('rsa2'));
}

# --- a hanging fetch at the exit of a worker --------------------------------

for my $row (['HUP', sub ($s) { $s->reload }], ['QUIT', sub ($s) { $s->stop }]) {
    my ($signal, $leave) = @$row;

    $source->mode('good');
    my $s = start($state . block($source->url('/jwks')) . $server, @o);
    await_replaced($s, 1);

    $source->mode('hang');
    my $hits = $source->hits('/jwks');
    $s->request('/', token => of('rsa3'));
    $source->await_hits('/jwks', $hits + 1);

    my $began = time;
    $leave->($s);
    cmp_ok time - $began, '<', $ENV{AT_SANITIZE} ? 4 : 2, "$signal during a hanging fetch: the worker exits at once";

    next if $signal ne 'HUP';
    $source->await_hits('/jwks', $hits + 2);
    pass 'the new worker fetches';
    granted $s, '/', 'a token after the reload, with the previous keys', token => of('rsa2');
    $source->mode('good');
}

# --- another key source after a reload --------------------------------------

{
    $source->mode('good');
    $source->serve('/others', AuthToken::Source->jwk_set('rsa3'));
    my $s = start($state . block($source->url('/jwks')) . $server, @o, workers => 2);
    await_replaced($s, 2);
    granted $s, '/', 'a key of the first key source', token => of('rsa');

    $s->configure($state . block($source->url('/others')) . $server);
    $s->reload;
    await_replaced($s, 4);
    refused $s, '/', invalid_token => 'a key of the first key source after the reload', token => of('rsa'), reason => 'unknown_kid',
            new => 1;
    granted $s, '/', 'a key of the second key source', token => of('rsa3');

    # an invalid configuration changes nothing
    $s->configure($state . block('http://issuer.example/') . $server);
    $s->reload(fails => 1);
    expect_log $s, qr/\[emerg\].*"jwks_uri"/;
    granted $s, '/', 'after an invalid configuration', token => of('rsa3');

    my $hits = $source->await_hits('/others', 2);           # requested by the previous kid
    $s->configure($state . block($source->url('/others')) . $server);
    $s->reload for 1 .. 5;
    is $source->hits('/others'), $hits, 'a reload fetches nothing';
    granted $s, '/', 'after five reloads', token => of('rsa3');
}

# --- workers are killed -----------------------------------------------------

{
    my $s = start($state . block($source->url('/jwks'), 'refresh=1s') . $server, @o, workers => 2);
    expect_log $s, qr/exited on signal 9/;
    await_replaced($s, 2);

    for (1 .. ($ENV{AT_SANITIZE} ? 10 : 40)) {
        my @workers = $s->workers;
        kill 'KILL', $workers[rand @workers] if @workers;
        sleep 0.05;
        $s->disconnect;
        my $status = eval { $s->request('/served', token => of('rsa'), tag => next_tag)->{status} } // 'cut';
        die "status $status\n" if $status ne '200' && $status ne 'cut';
    }

    $s->disconnect;
    my $fetches = number($s, 'fetches');
    eventually 'keys are fetched after many workers were killed', sub { number($s, 'fetches') > $fetches }, 20;
    granted $s, '/', 'a token with fetched keys', token => of('rsa');
}

# the lease of the first test
{
    ok log_has($killed, qr/keys replaced, issuer: "main", keys: 1,/, 30), 'another worker gets the lease';
    cmp_ok time - $killed_at, '>', 9, 'after the lease has expired';
    is $hanging->hits('/jwks'), 2, 'by one request';
    await_replaced($killed, 2);
    granted $killed, '/', 'all workers use the keys', token => of('rsa');
}

done;
