#!/usr/bin/perl

# JWK Sets of 1 MiB: threads parse them, so that requests of other issuers do not wait.
# The CPU time of the event loop is measured, which does not depend on other processes.
#
# Requirements: key-limit, large-keys.

use v5.36;

use lib 't/lib';

use AuthToken::Source;
use AuthToken::Test;

my $number = 5600;                      # of P-384 keys in 1 MiB
my $limit  = ($ENV{AT_SANITIZE} ? 15 : 5) * 1e6;   # nanoseconds of the event loops, for a change

plan skip_all => 'no /proc/PID/schedstat' if !-r "/proc/$$/schedstat";

sub large_set ($kid) {
    my $jwk = key('p384')->jwk(kid => 'k');
    return '{"keys":[' . join(',', key('p384')->jwk(kid => $kid), ($jwk) x ($number - 1)) . ']}';
}

my $source = AuthToken::Source->start;
$source->serve('/jwks', large_set('first'));
$source->mode('gzip', path => '/jwks');

my $url = $source->url('/jwks');
my $s   = start(<<"CONF", workers => 2, good => ['/other'], files => { 'ca.pem' => $source->ca,
    auth_token_state_path %%DIR%%/state;
    %%ISSUER fetched: audience fetched; algorithms ES384; jwks_uri $url ca_file=%%DIR%%/ca.pem refresh=1s;%%
    %%ISSUER file: audience file; algorithms ES384; key_file %%DIR%%/large.jwks;%%
    %%ISSUER other:%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust fetched file other;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    'large.jwks' => large_set('first') });

sub token_of ($issuer, $kid) {
    return token(key => key('p384'), alg => 'ES384', header => { kid => $kid }, claims => { aud => $issuer });
}

# CPU time of the event loop and of the threads of all workers, in nanoseconds
sub cpu_time () {
    my ($loop, $threads) = (0, 0);
    for my $pid ($s->workers) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            my ($time) = split ' ', AuthToken::Log->new($file)->content;
            $file =~ m{/\Q$pid\E/schedstat} ? ($loop += $time) : ($threads += $time);
        }
    }
    return ($loop, $threads);
}

sub replaced ($issuer) { return scalar(() = $s->errors->content =~ /keys replaced, issuer: "$issuer", keys: 128,/g) }

eventually 'both workers have the first keys', sub { replaced('fetched') == 2 };

my %change = (
    fetched => sub ($kid) { $source->serve('/jwks', large_set($kid)) },
    file    => sub ($kid) { $s->write('large.jwks', large_set($kid)) },
);

for my $issuer (sort keys %change) {
    granted $s, '/', "$issuer, the first keys", token => token_of($issuer, 'first');

    for my $kid ('second', 'third') {
        my $n   = replaced($issuer);
        my @old = cpu_time;
        $change{$issuer}->($kid);
        eventually "$issuer, $kid keys: both workers use them", sub { replaced($issuer) == $n + 2 };
        my @new = cpu_time;
        note sprintf '%s: %.2f ms of the event loops, %.2f ms of threads', $issuer,
            map { ($new[$_] - $old[$_]) / 1e6 } 0, 1;

        cmp_ok $new[0] - $old[0], '<', $limit, "$issuer, $kid keys: the event loops do not parse them";
        cmp_ok $new[1] - $old[1], '>', $limit, "$issuer, $kid keys: threads parse them";
        granted $s, '/', "$issuer, $kid keys", token => token_of($issuer, $kid);
    }
    refused $s, '/', invalid_token => "$issuer, the first keys after a change", token => token_of($issuer, 'first');
}

granted $s, '/', 'another issuer', token => good_token();

done;
