#!/usr/bin/perl

# Memory that fails on the way of the token API, each allocation in turn, in the
# worker and in its threads: what is wrong is never granted, a request is never
# left hanging, a refresh token never has two successors.
#
# Requirements: allocation-failures, refresh-crash, session-persistence.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Test;
use File::Temp ();
use JSON::PP ();

# libasan must come first, and has wrappers of its own
plan skip_all => 'preloads a library, as the sanitizers do' if $ENV{AT_SANITIZE};

my $library = $AuthToken::Server::BUILD . '/fail_alloc.so';
my $source  = "$Bin/lib/fail_alloc.c";

if (!-e $library || -M $library > -M $source) {
    system('gcc', '-O1', '-g', '-fPIC', '-shared', '-Wall', '-Wextra', '-Werror',
           '-fno-builtin', '-o', "$library.$$", $source) == 0 or die "gcc: $?\n";
    rename "$library.$$", $library or die "$library: $!\n";
}

my $control = File::Temp->new(TEMPLATE => 'at-alloc-XXXXXXXX', TMPDIR => 1);
print $control "\0" x 40;
$control->flush;
chmod 0666, $control->filename;

my $secret = 'canary-client-secret';

my $s = start(issuer_conf(main => 'password failures=1000000/1m; refresh_token grace=60s;') . <<'CONF' . api_conf('main', 'apps') . '    }',
    auth_token_issuer apps {
        issuer       https://issuer.example;
        audience     apps;
        password     failures=1000000/1m;
        client_claim appid;
        signing_key  %%DIR%%/sign.pem;
    }
    auth_token_cache off;
    request_pool_size    512;
    connection_pool_size 512;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept bearer cookie basic;
        location / { proxy_pass %%UPSTREAM%%; }
CONF
    prepare => prepare_users(
        users   => [user_record('jane', issuers => ['main']),
                    user_record('gone', issuers => ['main'], enabled => JSON::PP::false)],
        clients => [{ id => 'c1', issuers => ['apps'], role => 'readonly', enabled => JSON::PP::true,
                      secret_hashes => [hash_of($secret)] }]),
    env => { LD_PRELOAD => $library, AT_FAIL_ALLOC => $control->filename });

my ($worker) = $s->workers;

# pid, n, lasting, count, failed
sub arm ($n, $lasting) { _write($worker, $n, $lasting, 0, 0) }
sub disarm ()          { my @now = _read(); _write(0, 0, 0, 0, 0); return @now[3, 4] }

sub _write (@fields) { sysseek $control, 0, 0; syswrite $control, pack 'q<5', @fields }
sub _read () { sysseek $control, 0, 0; sysread $control, my $bytes, 40; return unpack 'q<5', $bytes }

sub try_once ($bytes) {
    my $answer = eval {
        my $c = $s->connect;
        $c->send($bytes);
        my $r = $c->response;
        $c->close;
        $r;
    };
    cookies($answer) if $answer;
    return ($answer ? $answer->{status} : 0, $answer ? $answer->{body} : $@, $answer);
}

sub post ($path, $body, %o) {
    return request_bytes($path, method => 'POST', close => 1, body => $body,
                         headers => ['Content-Type: ' . ($o{type} // 'application/json')], %o);
}

my $pw = $AuthToken::Local::PASSWORD;
sub session () { return { cookies(login($s)) } }

# name, whether it is never granted, the bytes of a request (made anew each time)
my @requests = (
    ['login', 0, sub { post('/api/v6.1/auth/login', qq({"username":"jane","password":"$pw"})) }],
    ['login, wrong', 1, sub { post('/api/v6.1/auth/login', '{"username":"jane","password":"canary-wrong"}') }],
    ['login, unknown', 1, sub { post('/api/v6.1/auth/login', qq({"username":"nobody","password":"$pw"})) }],
    ['login, disabled', 1, sub { post('/api/v6.1/auth/login', qq({"username":"gone","password":"$pw"})) }],
    ['refresh', 0, sub { post('/api/auth/token', '{"refreshToken":"' . session()->{refreshToken} . '"}') }],
    ['refresh, unknown', 1, sub { post('/api/auth/token', '{"refreshToken":"' . 'A' x 80 . '"}') }],
    ['logout', 0, sub { post('/api/v6.1/auth/logout', '', token => session()->{accessToken}) }],
    ['logout, bad', 1, sub { post('/api/v6.1/auth/logout', '', token => 'a.b.c') }],
    ['client', 0, sub { post('/oauth/token', "grant_type=client_credentials&client_id=c1&client_secret=$secret",
                             type => 'application/x-www-form-urlencoded') }],
    ['client, wrong', 1, sub { post('/oauth/token', 'grant_type=client_credentials&client_id=c1&client_secret=x',
                                    type => 'application/x-www-form-urlencoded') }],
    ['Basic', 0, sub { request_bytes('/x', close => 1, auth => basic('jane'), tag => 'basic') }],
    ['Basic, wrong', 1, sub { request_bytes('/x', close => 1, auth => basic('jane', 'canary-wrong'), tag => 'wrong') }],
    ['keys', 0, sub { request_bytes('/keys', close => 1) }],
);

my $only = $ENV{AT_ONLY} // '.';

for (grep { $_->[0] =~ /$only/ } @requests) {
    my ($name, $is_bad, $make) = @$_;

    my @counts = map { my $b = $make->(); arm(0, 0); try_once($b); (disarm())[0] } 1 .. 3;
    my ($most) = sort { $b <=> $a } @counts;
    my ($right) = try_once($make->());

    is $right == 200 ? 0 : 1, $is_bad, "$name, undisturbed: $right";
    cmp_ok $most, '>', 5, "$name: $most allocations";

    for my $lasting (0, 1) {
        my (@granted, @wrong, @twice, $failures, $hung) = ();
        my %seen;

        # of the thousands of a signature, which unit/grant_test.c tries all, some
        for (my $n = 1; $n <= $most + 2; $n += $n > 150 ? 19 : 1) {
            my $bytes = $make->();
            arm($n, $lasting);
            my ($status, $body, $answer) = try_once($bytes);
            my (undef, $failed) = disarm();

            if ((my ($now) = $s->workers) && !grep { $_ == $worker } $s->workers) {
                fail "$name, point $n, lasting $lasting: the worker died";
                last;
            }

            $failures++ if $failed;
            $hung++ if $body =~ /waited in vain/;
            $seen{$status}++;
            push @granted, "$n: $status" if $is_bad && $status =~ /^[23]/;
            push @wrong, "$n: $status $body" if $status !~ /^(?:0|5\d\d|$right)$/;

            # both, or no cookie at all
            if ($name eq 'login' || $name eq 'refresh') {
                my @set = $answer ? $answer->all('Set-Cookie') : ();
                push @wrong, "$n: cookies: " . @set if @set != ($status == 200 ? 2 : 0);
            }
            if ($name eq 'refresh') {
                my ($old) = $bytes =~ /"refreshToken":"(\w+)"/;
                my $good = refresh($s, $old)->{status} == 200 ? 1 : 0;
                my $new  = $answer && $status == 200 ? { cookies($answer) }->{refreshToken} : undef;
                $good++ if defined $new && refresh($s, $new)->{status} == 200;
                push @twice, $n if $good > 1;
            }
        }

        my $mode = $lasting ? 'from then on' : 'once';
        cmp_ok $failures // 0, '>', 3, "$name, $mode: they failed";
        is_deeply \@granted, [], "$name, $mode: never granted";
        is_deeply [@wrong[0 .. ($#wrong > 4 ? 4 : $#wrong)]], [], "$name, $mode: as it is, or failed";
        is_deeply \@twice, [], "$name, $mode: one successor at most";
        is $hung // 0, 0, "$name, $mode: none is left hanging";
        is_deeply [$s->workers], [$worker], "$name, $mode: the worker lives";
        note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
    }
}

is login($s)->{status}, 200, 'the next login is fine';
granted $s, '/x', 'so is Basic', auth => basic('jane');

# allocations that fail are told at these levels
my @alarms = grep { /\[(?:alert|emerg)\]/ } split /\n/, $s->errors->content;
is_deeply [grep { !/(?:malloc|memalign|calloc|pthread_create|thread)/ } @alarms], [], 'no alarm but of memory';

# a job keeps the error text beside its result
my @failed = map { /auth_token: ((?:session|access token) not \w+: .*)/ ? $1 : () } split /\n/, $s->errors->content;
cmp_ok scalar(grep { /^session not revoked: / } @failed), '>', 0, 'a logout that fails is logged';
is_deeply [grep { /: , client:/ } @failed], [], 'a job that fails is logged with its error';

$s->disconnect;
$s->stop;
is_deeply [grep { /exited on signal/ } split /\n/, $s->errors->content], [], 'no worker died';
done_testing;
