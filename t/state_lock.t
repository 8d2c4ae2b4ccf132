#!/usr/bin/perl

# The lock of the state directory: one server at a time, except for the new binary of
# an upgrade.
#
# Requirements: state-lock.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Server;
use AuthToken::Test;
use Sys::Hostname qw(hostname);

my $host = hostname;

sub conf ($state) {
    return issuer_conf('main') =~ s{%%DIR%%/state}{$state}r . <<'CONF' . api_conf() . '    }';
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
}

my @users = (users => [user_record('jane', issuers => ['main'])]);

# a server with the state directory of another one
sub server ($state) {
    my $s = AuthToken::Server->new(conf($state));
    prepare_users(@users)->($s);
    return $s;
}

# the error of a server that does not start
sub fails_to_start ($s) {
    ok !eval { $s->start; 1 }, 'a second server does not start';
    return $@;
}

sub names ($state, $pid) {
    return qr/\[emerg\].* "auth_token_state_path": "\Q$state\E" is in use by another server, process $pid on host "\Q$host\E": use a directory/;
}

my $first = start(conf('%%DIR%%/state'), workers => 2, prepare => prepare_users(@users));
my $state = $first->dir . '/state';
is login($first)->{status}, 200, 'the first server issues tokens';
is sprintf('%o', 07777 & (stat "$state/lock")[2]), '600', 'the lock has mode 0600';

my $second = server($state);
like fails_to_start($second), names($state, $first->pid), 'the error names the process and the host';

my ($code, $output) = $second->check;
is $code, 0, 'nginx -t does not need the lock';
($code) = $first->check;
is $code, 0, 'nginx -t of the server that has it';

is login($first)->{status}, 200, 'the first server still issues tokens';
$first->reload;
is login($first)->{status}, 200, 'a reload keeps the lock';
like fails_to_start($second), names($state, $first->pid), 'a second server does not start after a reload';

# a worker process that is killed, and its successor, do not release the lock
kill 'KILL', $first->workers;
eventually('new worker processes', sub { 2 == (() = $first->workers) && eval { login($first)->{status} == 200 } });
like fails_to_start($second), names($state, $first->pid), 'a second server does not start after kills of workers';
expect_log $first, qr/exited on signal 9/;

# a reload with the directory of another server
{
    my $other = server('%%DIR%%/state');
    $other->start;
    my $path = $other->conf_file;
    my $text = AuthToken::Log->new($path)->content;
    $other->write('nginx.conf', $text =~ s{auth_token_state_path \K\S+}{$state;}r);
    $other->reload;
    like $other->errors->content, names($state, $first->pid), 'a reload with the directory of another server is logged';
    is login($other)->{status}, 503, 'and no tokens are issued';

    $other->write('nginx.conf', $text);
    $other->reload;
    is login($other)->{status}, 200, 'a reload with its directory again';
    $other->stop;
}

$first->stop;
ok eval { $second->start; 1 }, 'the second server starts when the first has ended' or diag $@;
is login($second)->{status}, 200, 'and issues tokens';

# all processes are killed
kill 'KILL', $second->pid, $second->workers;
waitpid $second->pid, 0;
delete $second->{pid};

# --- a binary upgrade, and a daemon -----------------------------------------

{
    my $s   = server('%%DIR%%/state');
    my $old = $s->launch('daemon on;');
    my $own = $s->dir . '/state';
    my $other = server($own);

    eventually('the lock names the master process', sub {
        AuthToken::Log->new("$own/lock")->content eq "$old $host\n" });
    like fails_to_start($other), names($own, $old), 'a second server';

    kill 'USR2', $old;
    my $new = $s->master($old);
    eventually('the new binary issues tokens', sub { eval { login($s)->{status} == 200 } });
    like fails_to_start($other), qr/is in use by another server, process (?:$old|$new) on/, 'a second server beside both';

    kill 'QUIT', $old;
    eventually('the old master process ends', sub { AuthToken::Server::ended($old) });
    delete $s->{connections};
    is login($s)->{status}, 200, 'the new master process alone';
    like fails_to_start($other), names($own, $new), 'a second server beside the new master process';

    kill 'HUP', $new;
    eventually('a reload of the new master process', sub { eval { login($s)->{status} == 200 } });

    kill 'USR2', $new;
    my $third = $s->master($new);
    eventually('a second upgrade', sub { eval { login($s)->{status} == 200 } });
    kill 'QUIT', $third;
    eventually('a rollback', sub { AuthToken::Server::ended($third) });
    delete $s->{connections};
    like fails_to_start($other), qr/is in use by another server/, 'a second server after the rollback';

    kill 'TERM', $new;
    eventually('the server ends', sub { AuthToken::Server::ended($new) });
    ok eval { $other->start; 1 }, 'a second server starts now' or diag $@;
    $other->stop;
}

done;
