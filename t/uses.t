#!/usr/bin/perl

# Use counters of API tokens: counted by the workers, written some seconds later to
# the session database, shown by the command.
#
# Requirements: zone-exhaustion, signals, state-as-owner.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
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

await_true(sub { my ($rc) = $s->{store}->run('token', 'show', 'busy', '--state', $state); $rc == 0 },
           'the session database');
is_deeply [uses('busy')], [0, undef], 'an unused API token has count 0 and no time';

my $before = time;
granted $s, '/x', "use $_", api_token => $text{busy}, new => $_ % 2 for 1 .. 20;
refused $s, '/write', insufficient_scope => 'a request without the required scope is refused',
        api_token => $text{refused}, expect => { scheme => 'ApiKey' };

await_true(sub { (uses('busy'))[0] == 20 }, 'the counter', 10);
my ($count, $last) = uses('busy');
is $count, 20, '20 requests to two workers are counted';
cmp_ok $last / 1000, '>=', $before, 'the last use is not before the requests';
cmp_ok $last / 1000, '<=', time, 'the last use is in milliseconds';
is_deeply [uses('refused')], [0, undef], 'a refused request is not counted';

granted $s, '/x', 'a use before a reload', api_token => $text{busy};
$s->reload;
is((uses('busy'))[0], 21, 'an exiting worker writes its counters');

like $s->{store}->ok('token', 'show', 'busy', '--state', $state), qr/^use_count +21$/m, 'token show prints the counter';
my $list = JSON::PP->new->decode($s->{store}->ok('token', 'list', '--json', '--state', $state));
is { map { $_->{id} => $_->{use_count} } $list->{tokens}->@* }->{busy}, 21, 'token list has the counter';
unlike $s->{store}->ok('token', 'show', 'busy'), qr/use_count/, 'without --state, token show prints no counter';

my ($status, undef, $err) = $s->{store}->run('token', 'show', 'busy', '--state', $s->dir . '/nowhere');
is $status, 1, 'a missing state directory is an error';
like $err, qr/No such file/, 'the error says that it is missing';
ok !-e $s->dir . '/nowhere', 'the state directory is not created';

# --- files that the workers' user can write ---------------------------------

my $database = "$state/data/sessions/data.mdb";
my $bytes = AuthToken::Log->new($database)->content;

SKIP: {
    skip 'only root can become the owner', 2 if $> != 0;
    chmod 0700, $state;
    ($status, undef, $err) = $s->{store}->run('token', 'show', 'busy', '--state', $state);
    is $status, 1, 'root reads the session database as the user of the workers';
    like $err, qr/\Q$database\E|lock\.mdb": Permission denied/, 'who needs access to it';
    chmod 0755, $state;
}

$s->stop;

for my $damage (['damaged pages', qr/data\.mdb" is damaged, page \d+: /,
                 substr($bytes, 0, 8192) . "\xff" x (length($bytes) - 8192)],
                ['a truncated file', qr/data\.mdb" is truncated to 12288 of/, substr $bytes, 0, 12288],
                ['an empty file', qr/data\.mdb" is not a database/, ''])
{
    my ($name, $pattern, $content) = @$damage;
    $s->write('state/data/sessions/data.mdb', $content);
    ($status, undef, $err) = $s->{store}->run('token', 'show', 'busy', '--state', $state);
    is $status, 1, "$name: token show fails";
    like $err, $pattern, "$name: with the cause";
}

done;
