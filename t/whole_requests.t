#!/usr/bin/perl

# Random whole requests to a real nginx: methods, paths, header fields, one or several
# credentials of all kinds, valid, invalid or mutated, to locations with different
# requirements.  Each verdict must be that of a model of the documentation, and no
# request of mutated bytes is granted without a valid credential.  REQUESTS is their
# number (6,000), SEED repeats a run.
#
# Requirements: whole-requests.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Local;
use AuthToken::Test;
use List::Util qw(shuffle sum0);

my $requests = $ENV{REQUESTS} || 6000;
my $seed     = $ENV{SEED} || time;
my $clients  = 3;
my $batch    = 16;              # requests sent at once

$AuthToken::Client::TIMEOUT = 60;

note "SEED=$seed";
srand $seed;

sub one_of (@values) { $values[rand @values] }
sub chance ($part) { rand() < $part }

# --- server -----------------------------------------------------------------

# what a location accepts and requires; by default everything from everybody
my @issuers   = qw(main other);
my @kinds     = qw(bearer cookie api_token basic);
my %locations = (
    '/any'     => {},
    (map { ("/$_" => { accept => [$_] }) } @kinds),
    '/headers' => { accept => [qw(bearer api_token)] },
    '/browser' => { accept => [qw(cookie basic)] },
    '/main'    => { trust => ['main'] },
    '/other'   => { trust => ['other'], accept => [qw(bearer cookie)] },
    '/read'    => { require => [any => 'read', 'admin'] },
    '/both'    => { require => [all => 'read', 'write'] },
    '/far'     => { allow => '192.0.2.1' },
    '/near'    => { allow => '127.0.0.1' },
    '/near/read' => { allow => '127.0.0.1', require => [any => 'read'] },
    '/list'    => { list => 1 },
    '/list/near' => { list => 1, allow => '127.0.0.1', trust => ['main'] },
);

# METHOD PATH => SCOPE of the endpoint list, below its prefix
my %endpoints = ('GET /devices' => 'read', 'GET /devices/1' => 'read', 'POST /devices' => 'write',
                 'DELETE /devices/1' => 'admin', 'GET /me' => 'Authenticated', 'GET /version' => 'Public');
my @paths = (qw(/devices /devices/1 /me /version), '', qw(/none /devices/ /devices/1/x /Devices));
my @ambiguous = qw(/devices%2f1 //devices/1 /x/../devices/1 /./devices /devices;x);

sub location ($path) {
    my $l = $locations{$path};
    my @lines = ('auth_token_accept ' . join(' ', ($l->{accept} // \@kinds)->@*),
                 'auth_token_trust ' . join(' ', ($l->{trust} // \@issuers)->@*));
    push @lines, "auth_token_require_scope @{$l->{require}}" if $l->{require};
    push @lines, "auth_token_allow $l->{allow}" if $l->{allow};
    push @lines, "auth_token_endpoints %%DIR%%/endpoints prefix=$path" if $l->{list};
    return "        location $path { " . join('', map { "$_; " } @lines) . "empty_gif; }\n";
}

my @records = (
    { id => 'read',  scope => ['read'] },
    { id => 'all',   scope => [qw(read write admin)] },
    { id => 'none',  scope => [] },
    { id => 'near',  scope => ['read'], ip_ranges => ['127.0.0.1'] },
    { id => 'far',   scope => ['read'], ip_ranges => ['192.0.2.0/24'] },
    { id => 'old',   scope => ['read'], expires => 1 },
    { id => 'off',   scope => ['read'], enabled => \0 },
);
my %users = (jane => ['read'], joe => ['read', 'write']);

my $s = start(<<'CONF' . join('', map { location($_) } sort keys %locations) . '}',
    auth_token_store lmdb:%%DIR%%/store;
    %%ISSUER main: algorithms RS256; password failures=1000000/1m per_address=1000000;%%
    auth_token_issuer other { issuer https://other.example; audience api; key_file %%DIR%%/p256.pem;
                              algorithms ES256; }
    server {
        listen %%LISTEN%%;
        keepalive_requests 1000000000;
        access_log off;
        auth_token on;
        auth_token_trust main other;
        location /good { proxy_pass %%UPSTREAM%%; }
CONF
    workers => 2, log_level => 'notice', good => ['/good', token => good_token()],
    files => { 'p256.pem' => key('p256')->pem,
               endpoints  => join '', map { "$_ $endpoints{$_}\n" } sort keys %endpoints },
    prepare => prepare_users(
        users  => [map { user_record($_, scope => $users{$_}, issuers => ['main']) } sort keys %users],
        tokens => [map { { %$_, token => api($_->{id}) } } @records]));

sub api ($id) { 'whole-requests-' . substr $id x 32, 0, 32 }

# --- credentials ------------------------------------------------------------

# kind, text (value of its header field or cookie), code of a refusal, and for a valid
# one issuer, scopes and range
my (@valid, @invalid);

my $later = time + 7200;
my $inv   = 'API_INVALID_ACCESS_TOKEN';
my %by    = (main  => { key => 'rsa',  alg => 'RS256', iss => 'https://issuer.example' },
             other => { key => 'p256', alg => 'ES256', iss => 'https://other.example' });

sub jwt ($issuer, %o) {
    my $by = $by{$issuer};
    return token(key => key($o{key} // $by->{key}), alg => $o{alg} // $by->{alg}, header => $o{header} // {},
                 claims => { iss => $by->{iss}, exp => $later, $o{claims} ? $o{claims}->%* : () });
}

sub credential ($text, %o) { push(($o{code} ? \@invalid : \@valid)->@*, { %o, text => $text }) }

for my $issuer (@issuers) {
    for my $scope ([], ['read'], ['write'], ['read', 'write'], ['admin']) {
        credential(jwt($issuer, claims => { scope => $scope }), kind => 'jwt', issuer => $issuer, scope => $scope)
            for 1 .. 5;
    }
    my $other = $issuer eq 'main' ? 'other' : 'main';
    credential($_, kind => 'jwt', code => $inv) for
        jwt($issuer, claims => { nbf => time + 7200 }), jwt($issuer, claims => { aud => 'web' }),
        jwt($issuer, claims => { iss => 'https://evil.example' }), jwt($issuer, claims => { exp => GONE }),
        jwt($issuer, claims => { iss => $by{$other}{iss} }), jwt($issuer, header => { typ => 'x' }),
        jwt($issuer, claims => { nonce => 'n', scope => GONE }), jwt($issuer, claims => { cnf => {} }),
        jwt($issuer, header => { crit => ['b64'] }), jwt($issuer, key => $issuer eq 'main' ? 'rsa2' : 'p256b'),
        jwt($issuer, claims => { scope => 7 }),
        raw_token('{"alg":"none"}', '{}', undef, 'none');
    credential(jwt($issuer, claims => { exp => 1 }), kind => 'jwt', issuer => $issuer,
               code => 'API_EXPIRED_ACCESS_TOKEN');
}

my %code = (old => 'API_EXPIRED_API_TOKEN', off => 'API_CLIENT_DISABLED');
credential(api($_->{id}), kind => 'api_token', scope => $_->{scope}, range => $_->{ip_ranges}[0],
           code => $code{$_->{id}}) for @records;
credential(api('unknown'), kind => 'api_token', code => 'API_INVALID_API_TOKEN');

credential(basic($_) =~ s/^Basic //r, kind => 'basic', issuer => 'main', scope => $users{$_}) for sort keys %users;
credential(basic(@$_) =~ s/^Basic //r, kind => 'basic', code => 'API_INVALID_CREDENTIALS')
    for ['jane', 'wrong'], ['nobody'], ['jane', ''];

# A text of other bytes is never valid.  Every character is one of a header field and
# of a cookie, and is not removed with white space.
my @bytes = grep { !/[;,"\\]/ } map { chr } 0x21 .. 0x7e;

sub mutated ($credential) {
    my $text = $credential->{text};
    my $at   = int rand length $text;

    for (0 .. rand 3) {
        my $what = int rand 6;
        $what == 0 ? substr($text, $at, 1) = one_of(@bytes)
      : $what == 1 ? substr($text, $at, 0) = one_of(@bytes)
      : $what == 2 ? substr($text, $at, 1) = ''
      : $what == 3 ? $text = substr $text, 0, 1 + $at
      : $what == 4 ? $text = substr($text, 0, $at) . substr one_of(@valid)->{text}, $at % 20
      :              substr($text, $at, 1) ^.= ' ';
        $text =~ tr/\x21-\x7e//cd;
        $text =~ tr/;,"\\//d;
        $at = int rand(length($text) || 1);
    }
    return $credential if $text eq '' || grep { $_->{text} eq $text } @valid, @invalid;

    # a changed hash of a password costs a thread some time: only malformed ones
    return $credential if $credential->{kind} eq 'basic';
    return { kind => $credential->{kind}, text => $text,
             code => $credential->{kind} eq 'jwt' ? $inv : 'API_INVALID_API_TOKEN' };
}

# --- requests ---------------------------------------------------------------

my @noise = ('Accept: */*', 'X-Request-Id: 7', 'X_API_Token: ' . api('all'), 'Authorization: Digest x',
             'Cookie: other=1; accesstoken=x', 'Proxy-Authorization: Bearer x', 'X-API-Tokens: x',
             'Referer: https://a.example/', 'Range: bytes=0-1', 'Expect: x');

# the letters of a text, each in any case
sub any_case ($text) { $text =~ s/([a-z])/chance(0.5) ? uc $1 : lc $1/gier }

# the header line of a credential, which is put into its "as"
sub line ($c) {
    $c->{as} = $c->{kind} ne 'jwt' ? $c->{kind} : chance(0.7) ? 'bearer' : 'cookie';
    my $name  = $c->{as} eq 'cookie' ? 'Cookie' : $c->{as} eq 'api_token' ? 'X-API-Token' : 'Authorization';
    my $value = $c->{as} eq 'bearer' ? any_case('bearer') . ' ' . $c->{text}
              : $c->{as} eq 'basic'  ? any_case('basic') . ' ' . $c->{text}
              : $c->{as} eq 'cookie' ? one_of('', 'a=b; ') . "accessToken=$c->{text}" . one_of('', '; c=d')
              :                        $c->{text};
    return any_case($name) . ':' . one_of('', ' ', '  ') . $value . one_of('', '', ' ');
}

# Returns a hash: bytes, head (of a request with HEAD), and what the model needs:
# location, method, path below it, credentials, origin.
sub random_request () {
    my $place = one_of(sort keys %locations);
    my $is_listed = $locations{$place}{list};
    my $path  = $is_listed ? chance(0.1) ? one_of(@ambiguous) : one_of(@paths) : one_of('', '/x');

    # nginx refuses a second Authorization field
    my ($authorization, @credentials, @lines) = (0);
    for (1 .. one_of(0, (1) x 14, 2, 2, 2, 3)) {
        my $c = one_of(chance(0.55) ? @valid : @invalid);
        $c = $valid[0] if $c->{kind} eq 'basic' && $c->{code} && chance(0.9);   # hashing takes time
        $c = { chance(0.25) ? mutated($c)->%* : %$c };
        my $line = line($c);
        next if $c->{as} =~ /bearer|basic/ && $authorization++;
        push @credentials, $c;
        push @lines, $line;
    }
    push @lines, grep { chance(0.1) && !($authorization && /^Authorization/) } @noise;

    my $method = one_of(('GET') x 12, 'HEAD', qw(POST POST POST DELETE PUT OPTIONS));
    my $origin = chance(0.2) ? one_of('http://localhost', 'https://evil.example', 'null') : undef;
    push @lines, "Origin: $origin" if defined $origin;
    push @lines, 'Content-Length: 0' if $method =~ /^P/;

    return { place => $place, path => $path, method => $method, credentials => \@credentials, origin => $origin,
             head  => $method eq 'HEAD',
             bytes => join "\r\n", "$method $place$path HTTP/1.1", shuffle('Host: localhost', @lines), '', '' };
}

# --- the model --------------------------------------------------------------

sub in_range ($address, $range) {
    return 1 if !defined $range;
    return $range eq '127.0.0.1' && $address eq $range;
}

# "granted", or the code of the refusal
sub expected ($r, $address) {
    my $l = $locations{$r->{place}};

    # the endpoint; GET covers HEAD
    my $scope;
    if ($l->{list}) {
        my $method = $r->{head} ? 'GET' : $r->{method};
        $scope = $endpoints{"$method $r->{path}"} // '' if !grep { $_ eq $r->{path} } @ambiguous;
        $scope //= '';
        if ($scope eq 'Public') {
            return in_range($address, $l->{allow}) ? 'granted' : 'API_IP_NOT_ALLOWED';
        }
    }

    # one credential of an accepted kind; a cookie only without the others
    my %accept = map { $_ => 1 } ($l->{accept} // \@kinds)->@*;
    my @found = grep { $accept{$_->{as}} } $r->{credentials}->@*;
    my @headers = grep { $_->{as} ne 'cookie' } @found;
    @found = @headers if @headers;
    @found = grep { $_->{as} ne 'basic' } @found if grep { $_->{as} eq 'bearer' } @found;

    my $only_api = keys %accept == 1 && $accept{api_token};
    return $only_api ? 'API_INVALID_API_TOKEN' : $inv if !@found;
    if (@found > 1) {
        return (grep { $_->{as} ne 'api_token' } @found) ? $inv : 'API_INVALID_API_TOKEN';
    }

    # authentication
    my ($c) = @found;
    my %trust = map { $_ => 1 } ($l->{trust} // \@issuers)->@*;
    return $inv if $c->{kind} eq 'jwt' && defined $c->{issuer} && !$trust{$c->{issuer}};
    return $c->{code} if $c->{code};

    # authorization
    if ($c->{as} =~ /cookie|basic/ && $r->{method} !~ /^(?:GET|HEAD|OPTIONS)$/
        && defined $r->{origin} && $r->{origin} ne 'http://localhost')
    {
        return 'API_ORIGIN_NOT_ALLOWED';
    }
    return 'API_IP_NOT_ALLOWED' if !in_range($address, $l->{allow}) || !in_range($address, $c->{range});

    my %has = map { $_ => 1 } $c->{scope}->@*;
    if (my ($mode, @required) = ($l->{require} // [])->@*) {
        my $n = grep { $has{$_} } @required;
        return 'API_INSUFFICIENT_RIGHTS' if $n < ($mode eq 'all' ? @required : 1);
    }
    if ($l->{list}) {
        return 'API_ENDPOINT_NOT_FOUND' if $scope eq '';
        return 'API_INSUFFICIENT_RIGHTS' if $scope ne 'Authenticated' && !$has{$scope};
    }
    return 'granted';
}

my %status = (API_INVALID_ACCESS_TOKEN => 401, API_EXPIRED_ACCESS_TOKEN => 401, API_INVALID_API_TOKEN => 401,
              API_EXPIRED_API_TOKEN => 401, API_INVALID_CREDENTIALS => 401, map { ($_ => 403) } qw(
              API_CLIENT_DISABLED API_ORIGIN_NOT_ALLOWED API_IP_NOT_ALLOWED API_INSUFFICIENT_RIGHTS
              API_ENDPOINT_NOT_FOUND));

# The verdict of a response.  The handler behind the module answers 405 to POST, and an
# answer to HEAD has no code.
sub verdict ($answer, $expected) {
    return 'closed' if !$answer;
    return $expected if $answer->{body} eq '' && $answer->{status} == ($status{$expected} // 0);
    return $1 if $answer->{body} =~ /\A\{"code":"(\w+)"/ && $answer->{status} == ($status{$1} // 0);
    return $answer->{status} =~ /^(?:200|206|405)$/ ? 'granted' : "$answer->{status} $answer->{body}";
}

# --- clients ----------------------------------------------------------------

# Changes some bytes of a request that has no valid credential, and sends it alone.
# Returns an error if it is granted.
sub send_mutated_bytes ($r) {
    my $bytes = $r->{bytes};
    substr $bytes, rand length $bytes, one_of(0, 1, 1, 2), one_of('', chr rand 256, one_of(" ", "\t", ':', "\r\n", '/'))
        for 0 .. rand 4;

    my $connection = $s->connect;
    $connection->send($bytes);
    $connection->finish;
    my $answer = $connection->rest;
    return $answer =~ m{\AHTTP/1\.1 (?:20\d|405) } ? "granted: $bytes" : undef;
}

sub send_requests ($n) {
    my (%count, @wrong, %connections);
    my $left = int($requests / $clients);
    srand $seed + $n;

    while ($left > 0 && @wrong < 5 && !-e $s->dir . '/stop') {
        my $address = one_of('127.0.0.1', '127.0.0.2');
        my @requests = map { random_request() } 1 .. $batch;
        my $connection = $connections{$address} //= $s->connect(from => $address);

        $connection->send(join '', map { $_->{bytes} } @requests);
        for my $r (@requests) {
            my $expected = expected($r, $address);
            my $answer   = eval { $connection->response(head => $r->{head}) };
            my $verdict  = $@ || verdict($answer, $expected);
            $count{$expected}++;
            push @wrong, "$verdict instead of $expected from $address: $r->{bytes}" if $verdict ne $expected;
        }
        $left -= $batch;
        delete $connections{$address} if chance(0.02) || @wrong;

        my ($invalid) = grep { my $r = $_; !grep { !$_->{code} } $r->{credentials}->@* } @requests;
        next if !$invalid || $invalid->{path} eq '/version' || chance(0.8);
        $count{'mutated bytes'}++;
        $left--;
        push @wrong, send_mutated_bytes($invalid) // ();
    }
    return { count => \%count, wrong => \@wrong };
}

my $load = AuthToken::Load->start($s, [], clients => $clients, client => \&send_requests);
my ($count, $wrong) = $load->wait;

is_deeply $wrong, [], 'each verdict is that of the model' or diag join "\n", @$wrong;
cmp_ok $count->{$_} // 0, '>', 0, "requests: $_" for 'granted', 'mutated bytes', sort keys %status;

my $total = sum0 values %$count;
note "result: whole requests: $total requests, $count->{granted} granted, no wrong verdict";
note join ', ', map { "$_ $count->{$_}" } sort keys %$count;

done;
