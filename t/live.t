#!/usr/bin/perl

# Changes of the store by the command while two workers are under load: the next
# request to each worker sees each change.  LIVE_CHANGES is their number (400).
#
# Requirements: store-change-is-immediate, cache-invalidation.

use v5.36;

use lib 't/lib';

use AuthToken::Load qw(said);
use AuthToken::Test;
use Time::HiRes qw(time);

my $changes = $ENV{LIVE_CHANGES} || ($ENV{AT_SANITIZE} ? 50 : 400);
my $seed    = $ENV{LIVE_SEED} || time ^ $$;
srand $seed;

my @slots = 1 .. 12;                    # API tokens that change
my @pairs = 1 .. 4;                     # clients that change

my $conf = <<'CONF';
    %%ISSUER main: client_claim appid; rights role;%%
    auth_token_store lmdb:%%DIR%%/store;

    server {
        listen %%LISTEN%% reuseport;
        auth_token on;
        keepalive_requests 1000000;

        location /      { proxy_pass %%UPSTREAM%%; }
        location /read  { auth_token_require_scope X.Read; proxy_pass %%UPSTREAM%%; }
        location /write { auth_token_require_scope X.ReadWrite; proxy_pass %%UPSTREAM%%; }

        # the process that answers
        location = /pid { auth_token off; return 200 "$pid"; }
    }
CONF

# --- requests and expected answers ------------------------------------------

# Expected records: text, enabled, allow (an address or ""), scope, role; undef if the
# record does not exist.
my (%token, %client, %user);
my %ops = (grant => 'X.Read');

my %of_role = (readonly => ['X.Read'], editor => ['X.Read', 'X.ReadWrite'], '' => []);

sub role_has ($role, $scope) {
    # X.ReadWrite covers X.Read
    my @scopes = $role ne 'ops' ? $of_role{$role}->@*
               : ($ops{grant} // '') eq 'X.ReadWrite' ? ('X.Read', 'X.ReadWrite')
               : defined $ops{grant} ? 'X.Read' : ();
    return scalar grep { $_ eq $scope } @scopes;
}

my %refusal = (unknown  => '401 API_INVALID_API_TOKEN',  disabled => '403 API_CLIENT_DISABLED',
               address  => '403 API_IP_NOT_ALLOWED',     scope    => '403 API_INSUFFICIENT_RIGHTS',
               expired  => '401 API_EXPIRED_API_TOKEN');

my %wanted = ('/' => undef, '/read' => 'X.Read', '/write' => 'X.ReadWrite');

sub token_verdict ($r, $path) {
    my $scope = $wanted{$path};

    return $refusal{unknown}  if !$r;
    return $refusal{expired}  if $r->{expired};
    return $refusal{disabled} if !$r->{enabled};
    return $refusal{disabled} if $r->{user} ne '' && !$user{$r->{user}}{enabled};
    return $refusal{address}  if $r->{allow} !~ /\A(?:|127\.0\.0\.1)\z/;
    return $refusal{scope}    if $r->{role} eq 'ops' && !defined $ops{grant};
    return 200                if !defined $scope;
    return $refusal{scope}    if !role_has($r->{role}, $scope) && !grep { $_ eq $scope } $r->{scope}->@*;
    return $refusal{scope}    if $r->{user} ne '' && !grep { $_ eq $scope } $user{$r->{user}}{scope}->@*;
    return 200;
}

sub client_verdict ($r, $path) {
    return $refusal{disabled} if !$r || !$r->{enabled};
    return $refusal{address}  if $r->{allow} !~ /\A(?:|127\.0\.0\.1)\z/;
    return $refusal{scope}    if $r->{role} eq '' || ($r->{role} eq 'ops' && !defined $ops{grant});
    return 200                if !defined $wanted{$path};
    return role_has($r->{role}, $wanted{$path}) ? 200 : $refusal{scope};
}

# --- connections to each worker ---------------------------------------------

# Opens a connection to each worker; again after a reload.
sub reach ($s) {
    my %workers = map { $_ => 1 } $s->workers;
    my %found;

    for (1 .. 400) {
        my $connection = $s->connect;
        my $pid = eval { $connection->send(request_bytes('/pid')); $connection->response->{body} } or next;
        $found{$pid} //= $connection;
        last if keys %found >= 2 && !grep { !$found{$_} } keys %workers;
    }
    return $s->{reach} = \%found;
}

# The answers of both workers to one request, which is sent to both first.
sub ask ($s, $path, %o) {
    $s->{reach} //= reach($s);
    my $bytes = request_bytes($path, %o);

    my @got = eval {
        $_->send($bytes) for values $s->{reach}->%*;
        map { my $answer = $_->response or die "closed\n"; said($answer) } values $s->{reach}->%*;
    };
    return @got if @got;

    # the worker has exited: a request without any answer is sent again
    $s->{reach} = reach($s);
    return map {
        $_->send($bytes);
        my $answer = $_->response;
        $answer ? said($answer) : 'closed';
    } values $s->{reach}->%*;
}

# --- changes ----------------------------------------------------------------

sub pick (@list) { $list[rand @list] }

my @texts = map { secret(join '', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 40) } 0 .. 400;

# Disables or enables a record, or changes its address list or its role.  Returns a description.
sub alter ($store, $noun, $id, $r, $what) {
    if ($what eq 'enabled') {
        my $verb = $r->{enabled} ? 'disable' : 'enable';
        $store->ok($noun, $verb, $id);
        $r->{enabled} = !$r->{enabled};
        return "$verb $id";
    }
    if ($what eq 'allow') {
        $r->{allow} = pick(grep { $_ ne $r->{allow} } '', '127.0.0.1', '192.0.2.1', '127.0.0.2');
        $store->update($noun, $id, allow => $r->{allow} eq '' ? 'any' : $r->{allow});
        return "range of $id";
    }
    $r->{role} = pick('readonly', 'editor', '', $noun eq 'client' && defined $ops{grant} ? 'ops' : ());
    $r->{role} ne '' ? $store->update($noun, $id, role => $r->{role})
                     : $store->ok($noun, 'update', $id, '--no-role');
    return "role of $id";
}

# One random change: runs the command, changes the expected record, and returns a
# description and the slot.
sub change ($s, $n) {
    my $store = $s->{store};
    my $what  = rand;

    if ($what < 0.62) {
        my $slot = pick(@slots);
        my $id   = "slot-$slot";
        my $r    = $token{$slot};

        if (!$r) {
            my %r = (enabled => rand() < 0.8 ? 1 : 0, allow => pick('', '', '127.0.0.1', '192.0.2.1'),
                     scope => [pick([], ['X.Read'], ['X.Read', 'X.ReadWrite'])->@*],
                     role => pick('', '', 'readonly', 'editor', defined $ops{grant} ? 'ops' : ''),
                     user => pick('', '', '', 'jane'), text => undef);
            $r{text} = $store->token($id, text => pick(@texts) . sprintf('-%06d', $n), scope => $r{scope},
                $r{enabled} ? () : (disabled => 1), $r{allow} ne '' ? (allow => $r{allow}) : (),
                $r{role} ne '' ? (role => $r{role}) : (), $r{user} ne '' ? (user => $r{user}) : ());
            $token{$slot} = \%r;
            return ("create $id", $slot, $r{text});
        }

        my $how = $r->{expired} ? 0.85 : rand;
        if ($how < 0.2) {
            $store->ok('token', 'revoke', $id);
            my $text = $r->{text};
            $token{$slot} = undef;
            return ("revoke $id", $slot, $text);
        }
        if ($how >= 0.8 && $how < 0.9) {
            $r->{expired} = !$r->{expired};
            $store->update('token', $id, expires => $r->{expired} ? 'now-1s' : pick('never', '1h'));
            return ("expiry of $id", $slot, $r->{text});
        }
        my $changed = alter($store, 'token', $id, $r, $how < 0.6 ? 'enabled' : $how < 0.8 ? 'allow' : 'role');
        return ($changed, $slot, $r->{text});
    }

    if ($what < 0.85) {
        my $slot = pick(@pairs);
        my $id   = "client-$slot";
        my $r    = $client{$slot};
        my $how  = rand;

        if (!$r) {
            $client{$slot} = { enabled => 1, allow => '', role => 'readonly' };
            $store->client($id, role => 'readonly');
            return ("create $id", undef, undef, $slot);
        }
        if ($how < 0.15) {
            $store->ok('client', 'delete', $id);
            $client{$slot} = undef;
            return ("delete $id", undef, undef, $slot);
        }
        my $changed = alter($store, 'client', $id, $r, $how < 0.55 ? 'enabled' : $how < 0.75 ? 'allow' : 'role');
        return ($changed, undef, undef, $slot);
    }

    if ($what < 0.93) {
        if (rand() < 0.5) {
            $user{jane}{scope} = pick(['X.Read'], ['X.ReadWrite'], ['X.Read', 'X.ReadWrite']);
            $store->update('user', 'jane', scope => $user{jane}{scope});
            return ('scopes of jane');
        }
        return alter($store, 'user', 'jane', $user{jane}, 'enabled');
    }

    $ops{grant} = pick(grep { ($_ // '') ne ($ops{grant} // '') } 'X.Read', 'X.ReadWrite', undef);
    defined $ops{grant} ? $store->role('ops', grant => $ops{grant}) : $store->ok('role', 'delete', 'ops');
    return ('role ops');
}

# --- load, with records that never change -----------------------------------

my $jwt = good_token(appid => 'always', scope => []);
my @load;

sub make ($store) {
    $store->user('jane', scope => ['X.Read', 'X.ReadWrite']);
    $store->user('joe', scope => ['X.Read']);
    $user{jane} = { enabled => 1, scope => ['X.Read', 'X.ReadWrite'] };
    $store->role('ops', grant => $ops{grant} = 'X.Read');
    %token = %client = ();

    my $good = $store->token('always', scope => ['X.Read'], role => 'editor');
    my $near = $store->token('near', allow => '127.0.0.0/24', user => 'joe', scope => ['X.Read']);
    $store->client('always', role => 'editor');
    $store->client('never', role => 'editor', disabled => 1);

    @load = (
        ['good token',   '/write', [api_token => $good], '200'],
        ['near token',   '/read',  [api_token => $near], '200'],
        ['good client',  '/write', [token => $jwt], '200'],
        ['unknown',      '/',      [api_token => secret('u' x 32)], $refusal{unknown}],
        ['expired',      '/',      [api_token => $store->token('old', expires => 'now-1d')], $refusal{expired}],
        ['disabled',     '/',      [api_token => $store->token('off', disabled => 1)], $refusal{disabled}],
        ['far',          '/',      [api_token => $store->token('far', allow => '192.0.2.1')], $refusal{address}],
        ['scope',        '/write', [api_token => $near], $refusal{scope}],
        ['off client',   '/',      [token => good_token(appid => 'never')], $refusal{disabled}],
        ['no client',    '/',      [token => good_token(appid => 'nobody')], $refusal{disabled}],
        ['nobody',       '/',      [], '401 API_INVALID_ACCESS_TOKEN'],
    );
}

# --- rounds -----------------------------------------------------------------

# Makes $count changes, and calls $between->($n) before each.
sub round ($name, $count, $between, %o) {
    my $s = start($conf, workers => 2, prepare => AuthToken::Store->prepare(\&make));
    $s->{good} = ['/', api_token => $load[0][2][1]];
    my %jwt = map { $_ => good_token(appid => "Client-$_", scope => ['X.Read', 'X.ReadWrite']) } @pairs;

    # the pause leaves processor time to the changes
    my $beside = AuthToken::Load->start($s, \@load, pause => 0.002, %o);
    my (%done, %verdicts, @wrong, %pids);
    my ($asked, $slowest) = (0, 0);
    my $start = time;

    for my $n (1 .. $count) {
        $between->($s, $n);

        my ($what, $slot, $text, $pair) = eval { change($s, $n) };
        if (!defined $what) {
            push @wrong, "change $n: $@";
            last;
        }
        $done{$what =~ s/ .*//r}++;

        my $check = sub ($who, $path, $expected, @credential) {
            my @got = ask($s, $path, @credential);
            $asked += @got;
            $verdicts{$_}++ for @got;
            $s->{untagged} += grep { $_ eq '200' } @got;
            $pids{$_}++ for keys $s->{reach}->%*;
            push @wrong, map { "$n, $what: $who at $path: $_, not $expected" } grep { $_ ne $expected } @got;
            push @wrong, "$n: only " . @got . ' workers were asked' if @got < 2;
        };

        # the changed record, in both workers
        for my $path (pick('/', '/read', '/write'), pick('/read', '/write')) {
            $check->("token $slot", $path, token_verdict($token{$slot}, $path), api_token => $text) if defined $text;
            $check->("client $pair", $path, client_verdict($client{$pair}, $path), token => $jwt{$pair})
                if defined $pair;
        }

        # after a change of an owner or a role, all records that refer to it
        if (!defined $text && !defined $pair) {
            for my $i (grep { $token{$_} && ($token{$_}{user} ne '' || $token{$_}{role} eq 'ops') } @slots) {
                my $path = pick('/read', '/write');
                $check->("token $i", $path, token_verdict($token{$i}, $path), api_token => $token{$i}{text});
            }
            for my $i (grep { $client{$_} && $client{$_}{role} eq 'ops' } @pairs) {
                my $path = pick('/', '/read');
                $check->("client $i", $path, client_verdict($client{$i}, $path), token => $jwt{$i});
            }
        }
        last if @wrong > 5;
    }
    my $took = time - $start;

    # all records in the end
    for my $slot (grep { $token{$_} } @slots) {
        for my $path (sort keys %wanted) {
            my $expected = token_verdict($token{$slot}, $path);
            my @got = ask($s, $path, api_token => $token{$slot}{text});
            $s->{untagged} += grep { $_ eq '200' } @got;
            push @wrong, map { "in the end: token $slot at $path: $_, not $expected" } grep { $_ ne $expected } @got;
        }
    }

    my ($answers, $failed) = $beside->end;
    my $requests = 0;
    $requests += $_ for values %$answers;

    is_deeply \@wrong, [], "$name: the next request of each worker sees each of $count changes";
    is_deeply $failed, [], "$name: requests for unchanged records get the right answers";
    cmp_ok scalar(keys %pids), '>=', 2, "$name: both workers got requests";
    for my $kind (map { $_->[0] } @load) {
        ok scalar(grep { /^$kind / } keys %$answers), "$name: the load had requests with $kind";
    }
    cmp_ok scalar(keys %verdicts), '>=', 5, "$name: at least five kinds of answers" if $count >= 100;

    like $s->{store}->ok('check'), qr/./, "$name: the store is sound";

    # the upstream saw granted requests only; a killed worker may not have answered some
    $s->{untagged} += $answers->{$_} for grep { / 200$/ } keys %$answers;
    if ($o{cut}) {
        $s->{untagged} = $s->upstream->hits->count('');
    } else {
        is $s->upstream->hits->await('', $s->{untagged}), $s->{untagged},
           "$name: the upstream got granted requests only";
    }

    note sprintf '%s: seed %s, %.1f s, %d checks, %d requests beside; %s; %s; %s', $name, $seed, $took, $asked,
         $requests, join(', ', map { "$done{$_} $_" } sort keys %done),
         join(', ', map { "$verdicts{$_} x $_" } sort keys %verdicts), 'failed: ' . ($answers->{failed} // 0);

    $_->close for values(($s->{reach} // {})->%*);
    return $s;
}

round('under load', $changes, sub { });

round('with reloads in between', int($changes / 5) || 1, sub ($s, $n) {
    return if $n % 8;
    delete $s->{reach};
    $s->reload;
});

{
    my $killed = 0;
    my $s = round('with workers killed in between', int($changes / 5) || 1, sub ($s, $n) {
        return if $n % 8;
        my @old = $s->workers;
        kill 'KILL', my $victim = $old[rand @old];
        $killed++;

        await_true(sub {
            my @now = $s->workers;
            @now == @old && !grep { $_ == $victim } @now;
        }, 'another worker', 20);
        delete $s->{reach};
    }, cut => 1);

    expect_log $s, qr/\[alert\] .*worker process \d+ exited on signal 9/;
    cmp_ok $killed, '>', 0, 'workers were killed';
}

done;
