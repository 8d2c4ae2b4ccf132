#!/usr/bin/perl

# Uses of API tokens: counted in the workers, written some seconds later, shown
# by the command (issue: use counters; ).
#
# Requirements: zone-exhaustion, signals.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Store;
use AuthToken::Test;
use JSON::PP ();

my %text;
my $s = start(<<'CONF',
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;
    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
        location /write { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
    }
CONF
    workers => 2,
    prepare => AuthToken::Store->prepare(sub ($store) {
        $text{$_} = $store->token($_, scope => 'read') for qw(busy quiet refused);
    }),
    good => ['/good', api_token => 'set later']);

$s->{good} = ['/good', api_token => $text{quiet}];
my $state = $s->dir . '/state';

sub uses ($id) {
    my $shown = JSON::PP->new->decode($s->{store}->ok('token', 'show', $id, '--json', '--state', $state));
    return ($shown->{use_count}, $shown->{last_used});
}

AuthToken::Log::await_true(sub { my ($rc) = $s->{store}->run('token', 'show', 'busy', '--state', $state); $rc == 0 },
                           'the environment');
is_deeply [uses('busy')], [0, undef], 'never used';

my $before = time;
granted $s, '/x', "use $_", api_token => $text{busy}, new => $_ % 2 for 1 .. 20;
refused $s, '/write', SCOPE => 'what is refused', api_token => $text{refused}, expect => { scheme => 'ApiKey' };

AuthToken::Log::await_true(sub { (uses('busy'))[0] == 20 }, 'the count', 10);
my ($count, $last) = uses('busy');
is $count, 20, 'all of them, over two workers';
cmp_ok $last / 1000, '>=', $before, 'the last one';
cmp_ok $last / 1000, '<=', time, 'it is in milliseconds';
is_deeply [uses('refused')], [0, undef], 'what was refused is no use';

granted $s, '/x', 'one more', api_token => $text{busy};
$s->reload;
is((uses('busy'))[0], 21, 'a worker that ends writes what it has counted');

like $s->{store}->ok('token', 'show', 'busy', '--state', $state), qr/^use_count +21$/m, 'for people';
my $list = JSON::PP->new->decode($s->{store}->ok('token', 'list', '--json', '--state', $state));
is { map { $_->{id} => $_->{use_count} } $list->{tokens}->@* }->{busy}, 21, 'in a list';
unlike $s->{store}->ok('token', 'show', 'busy'), qr/use_count/, 'not where it is not asked for';

my ($status, undef, $err) = $s->{store}->run('token', 'show', 'busy', '--state', $s->dir . '/nowhere');
is $status, 1, 'another directory';
like $err, qr/No such file/, 'says so';
ok !-e $s->dir . '/nowhere', 'and makes nothing';

done;
