#!/usr/bin/perl

# Damaged and truncated files of the store and of the session database: nginx starts,
# no worker process dies again and again, requests that do not need the file are served,
# no request is granted by mistake, users can log in again.
#
# Requirements: store-damaged, session-persistence.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Test;
use JSON::PP ();
use Time::HiRes qw(sleep time);

my $page = 4096;
my ($stores, $sessions, $others) = map { $_ * ($ENV{AT_DAMAGES} // 1) } 10, 12, 18;

my %text = map { $_ => AuthToken::Token::secret("token-$_-" . 'x' x 30) } qw(good off);

my $conf = issuer_conf(main => 'password failures=1000000/1m; refresh_token per_user=10000 per_minute=1000000;') . <<'CONF' . api_conf() . '    }';
    auth_token_cache off;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        auth_token_accept api_token bearer cookie;
        add_header X-Pid $pid;
        location / { proxy_pass %%UPSTREAM%%; }
        location /public { auth_token off; proxy_pass %%UPSTREAM%%; }
CONF

my $s = start($conf,
    workers => 4,
    prepare => prepare_users(
        users  => [user_record('jane', issuers => ['main'])],
        tokens => [{ id => 'good', token => $text{good}, scope => ['read'] },
                   { id => 'off', token => $text{off}, scope => ['read'], enabled => JSON::PP::false },
                   map { { id => "t$_", token => sprintf('filler-%030d', $_), scope => ['read'] } } 1 .. 400]));

my $store    = $s->{store}->path . '/data.mdb';
my $database = $s->dir . '/state/data/sessions/data.mdb';

sub content ($path) { AuthToken::Log->new($path)->content }

# the file of another content, with its owner and mode, as "cp -p" and "mv" make it
sub replace ($path, $bytes) {
    my @st = stat $path or die "$path: $!\n";
    open my $fh, '>', "$path.new" or die "$path.new: $!\n";
    syswrite($fh, $bytes) == length $bytes or die "$path.new: $!\n";
    close $fh;
    chown @st[4, 5], "$path.new";
    chmod $st[2] & 07777, "$path.new";
    rename "$path.new", $path or die "$path: $!\n";
}

# in the same file
sub clear_flags ($path, @pages) {
    open my $fh, '+<', $path or die "$path: $!\n";
    for (@pages) {
        sysseek $fh, $_ * $page + 10, 0;
        syswrite($fh, "\0\0") == 2 or die "$path: $!\n";
    }
    close $fh;
}

sub said_of ($name, %o) { ask($s, [$name, '/', [api_token => $text{$name}, tag => 'damage']], new => 1, %o) }
sub lines ($pattern)    { grep { /$pattern/ } split /\n/, $s->errors->content }
sub deaths ()           { scalar lines(qr/exited on signal/) }

my $gone      = '503 API_UNAVAILABLE';
my $disabled  = '403 API_CLIENT_DISABLED';
my $refused   = qr/store not available, requests that need it are refused: /;
my $replaced  = qr/session database replaced by an empty one/;

# the results of requests that need the store; wrong grants fail the test
sub check_store ($name, @allowed) {
    my @got = (said_of('good'), said_of('off'));
    my %allowed = map { $_ => 1 } @allowed;
    ok $allowed{"@got"}, "$name: API tokens get " . join ', ', @got;
    return $got[0];
}

sub check_others ($name) {
    is ask($s, ['public', '/public', [tag => 'damage']], new => 1), '200', "$name: another location is served";
    is ask($s, ['jwt', '/', [token => good_token(), tag => 'damage']], new => 1), '200', "$name: a JWT is granted";
}

is said_of('good'), '200', 'an API token is granted';
is said_of('off'), $disabled, 'a disabled API token is refused';
is login($s)->{status}, 200, 'a user logs in';

my $sound = content($store);
my @pages = 2 .. length($sound) / $page - 1;

# the number of pages of trees, whose header has this flag
my @used = grep { my $flags = unpack 'x10 v', substr $sound, $_ * $page, 16; $flags == 1 || $flags == 2 } @pages;
cmp_ok scalar(@used), '>', 20, 'the store has pages: ' . @used;

sub with_damaged_headers ($bytes, @numbers) {
    substr $bytes, $_ * $page + 10, 4, "\xff\xff\xff\x7f" for @numbers;
    return $bytes;
}

my $broken = with_damaged_headers($sound, @used);

# --- the store -------------------------------------------------------------

# the worker processes, once all of them have started
sub await_workers () {
    my @pids;
    await_true(sub { 4 == (@pids = $s->workers) }, 'four worker processes', 10);
    return \@pids;
}

sub restart () {
    $s->stop;
    $s->start;
    return await_workers();
}

{
    replace($store, $broken);
    my ($code, $output) = $s->check;
    is $code, 0, 'nginx -t accepts a damaged store';
    like $output, qr/$refused"\Q$store\E" is damaged, page \d+: .*: restore it from a backup/,
        'and names the file, the page and the remedy';

    my $before  = lines($refused);
    my $workers = restart();
    is_deeply [map { said_of('good') } 1 .. 8], [($gone) x 8], 'API tokens get 503';
    check_others('a damaged store');
    sleep 2.2;
    is_deeply [$s->workers], $workers, 'no worker process died';
    is lines($refused) - $before, 1, 'one line in the log';

    replace($store, $sound);
    eventually('the store is restored', sub { said_of('good') eq '200' && said_of('off') eq $disabled });
    is_deeply [$s->workers], $workers, 'without a new worker process';

    # while nginx runs
    $before = lines($refused);
    replace($store, $broken);
    eventually('a damaged file replaces the store', sub { 8 == grep { said_of('good') eq $gone } 1 .. 8 });
    check_others('a damaged file replaces the store');
    sleep 1.2;
    is_deeply [$s->workers], $workers, 'no worker process died';

    # the damaged file is not read every second
    sleep 2.2;
    is lines($refused) - $before, 1, 'one line in the log for all worker processes';

    $s->reload;
    await_workers();
    is said_of('good'), $gone, 'a reload with a damaged store succeeds';
    replace($store, $sound);
    eventually('the store is restored after the reload', sub { 8 == grep { said_of('good') eq '200' } 1 .. 8 });

    # the same file: LMDB finds that its pages have no type
    $before = lines($refused);
    clear_flags($store, @used);
    is said_of('good'), $gone, 'a store is damaged in place: an API token gets 503';
    eventually('a store is damaged in place: a line in the log', sub { lines($refused) > $before });
    check_others('a store is damaged in place');
    sleep 1.2;
    is lines($refused) - $before, 1, 'one line in the log for all worker processes';
    replace($store, $sound);
    eventually('the store is restored', sub { 8 == grep { said_of('good') eq '200' } 1 .. 8 });
    is deaths(), 0, 'no worker process died';
}

# the headers of the meta pages
for my $meta (0, 1) {
    for my $offset (0, 10) {
        my $bytes = $sound;
        substr $bytes, $meta * $page + $offset, 2, "\x55\x55";
        replace($store, $bytes);

        my $before = lines($refused);
        my $workers = restart();
        is said_of('good'), $gone, "meta page $meta, offset $offset: an API token gets 503";
        check_others("meta page $meta, offset $offset");
        sleep 1.2;
        is_deeply [$s->workers], $workers, 'no worker process died';
        is lines($refused) - $before, 1, 'one line in the log';
    }
}
replace($store, $sound);
eventually('the store is restored', sub { 8 == grep { said_of('good') eq '200' } 1 .. 8 });

# --- truncated files -----------------------------------------------------------

sub pid_of_answer () { $s->request('/', api_token => $text{good}, new => 1)->header('X-Pid') }

# no request: the worker processes find it themselves
for my $size (0, $page) {
    eventually("$size bytes: each worker process has read the store",
               sub { 4 == keys { map { $_ => 1 } grep { defined } map { pid_of_answer() } 1 .. 40 }->%* });
    truncate $store, $size or die "truncate: $!\n";
    sleep 1.2;
    replace($store, $sound);
    eventually("$size bytes: the store is restored", sub { 8 == grep { said_of('good') eq '200' } 1 .. 8 });
    is deaths(), 0, "the store is truncated to $size bytes without a request: no worker process died";
}

# --- truncated files, under load -----------------------------------------------

my @rows = (['good', '/', [api_token => $text{good}, tag => 'damage'], '200', $gone],
            ['off', '/', [api_token => $text{off}, tag => 'damage'], $disabled, $gone],
            ['jwt', '/', [token => good_token(), tag => 'damage'], '200'],
            ['public', '/public', [tag => 'damage'], '200']);

for my $size (0, $page, 3 * $page, int(length($sound) / 2) & ~($page - 1)) {
    my $before = deaths();
    my $load = AuthToken::Load->start($s, \@rows, clients => 4, cut => 1);

    sleep 0.5;
    truncate $store, $size or die "truncate: $!\n";
    eventually("the store is truncated to $size bytes", sub { said_of('good') eq $gone });
    sleep 1.5;
    replace($store, $sound);
    eventually("$size bytes: the store is restored", sub { 8 == grep { said_of('good') eq '200' } 1 .. 8 });

    my ($count, $wrong) = $load->end;
    is_deeply $wrong, [], "$size bytes: no wrong response under load";
    cmp_ok $count->{'good 200'}, '>', 0, "$size bytes: there was load";
    cmp_ok deaths() - $before, '<=', 1, "$size bytes: at most one worker process died: " . (deaths() - $before);
}

# --- the session database --------------------------------------------------------

sub check_sessions ($name) {
    my $answer = login($s);
    is $answer->{status}, 200, "$name: a user logs in";
    my %cookies = cookies($answer);
    is refresh($s, $cookies{refreshToken})->{status}, 200, "$name: and refreshes";
    return $answer->{status} == 200 ? $cookies{refreshToken} : '';
}

{
    my $before = lines($replaced);
    my $sound  = content($database);
    my @used   = grep { unpack('x10 v', substr $sound, $_ * $page, 16) =~ /\A[12]\z/ } 2 .. length($sound) / $page - 1;

    $s->stop;
    replace($database, with_damaged_headers($sound, @used));
    $s->start;
    my $workers = await_workers();

    check_sessions('a damaged session database');
    is lines($replaced) - $before, 1, 'one line in the log';
    like +(lines($replaced))[-1],
         qr/\[error\].*all users must log in again: "\Q$database\E" is damaged, page \d+: .*; it was renamed to "\S+sessions\.damaged"/,
         'it names the file and its new name';
    ok -s $s->dir . '/state/data/sessions.damaged/data.mdb', 'the damaged file is kept';
    is_deeply [$s->workers], $workers, 'no worker process died';

    # while nginx runs
    replace($database, with_damaged_headers($sound, @used));
    sleep 3.2;
    check_sessions('a damaged file replaces the session database');
    is_deeply [$s->workers], $workers, 'no worker process died';

    # the same file: LMDB finds that its pages have no type
    $before = lines($replaced);
    my @tree = grep { unpack('x10 v', substr content($database), $_ * $page, 16) =~ /\A[12]\z/ } 2 .. (-s $database) / $page - 1;
    clear_flags($database, @tree);
    is login($s)->{status}, 503, 'a session database is damaged in place: a login gets 503';
    eventually('a session database is damaged in place: a user logs in', sub { 8 == grep { login($s)->{status} == 200 } 1 .. 8 });
    check_sessions('a session database is damaged in place');
    is_deeply [$s->workers], $workers, 'no worker process died';
    is lines($replaced) - $before, 1, 'one line in the log';
}

for my $size (0, $page, 3 * $page, -1) {
    my $before = deaths();
    my $load = AuthToken::Load->start($s, \@rows, clients => 4, client => sub ($n) {
        my (%count, @wrong, $token);
        my $until = time + 3;

        while (time < $until) {
            my $answer = eval { $token ? refresh($s, $token, new => 1) : login($s, 'jane', $AuthToken::Local::PASSWORD, new => 1) };
            my $status = $answer ? $answer->{status} : 0;
            delete $s->{connections};
            $count{$status}++;
            push @wrong, "status $status" if $status !~ /^(?:0|200|401|503)$/;
            $token = $status == 200 ? { cookies($answer) }->{refreshToken} : undef;
        }
        return { count => \%count, wrong => \@wrong };
    });

    sleep 1;
    truncate $database, $size < 0 ? int((-s $database) / 2) & ~($page - 1) : $size or die "truncate: $!\n";
    my ($count, $wrong) = $load->end;

    is_deeply $wrong, [], "sessions, $size bytes: no wrong response under load";
    cmp_ok $count->{200}, '>', 10, "sessions, $size bytes: there was load";
    eventually("sessions, $size bytes: a user logs in", sub { login($s)->{status} == 200 });
    check_sessions("sessions, $size bytes");
    cmp_ok deaths() - $before, '<=', 1, "sessions, $size bytes: at most one worker process died: " . (deaths() - $before);
}

# --- a full disk --------------------------------------------------------------

for my $size (qw(1100k 200k 12k)) {
    SKIP: {
        my $f = AuthToken::Server->new($conf);
        prepare_users(users => [user_record('jane', issuers => ['main'])])->($f);
        my $dir = $f->dir . '/state';
        mkdir $dir, 0755;
        skip 'no file system of a limited size', 5
            if system("mount -t tmpfs -o size=$size,mode=755 tmpfs $dir 2>/dev/null") != 0;

        $f->start;
        my %seen;
        for (1 .. 1000) {
            my $status = login($f)->{status};
            last if ++$seen{$status} > 3 && $status == 503;
        }
        is_deeply [grep { !/^(?:200|503)$/ } keys %seen], [], "a disk of $size: logins succeed or get 503";
        cmp_ok $seen{503} // 0, '>', 3, "a disk of $size: it is full";
        like $f->errors->content, qr/No space left on device/, "a disk of $size: the log says so";
        unlike $f->errors->content, qr/Input\/output error|exited on signal/, "a disk of $size: no other error";

        system("mount -o remount,size=20m $dir") == 0 or die "mount: $?\n";
        eventually("a disk of $size: logins succeed when there is space", sub { login($f)->{status} == 200 });

        $f->stop;
        system "umount $dir";
    }
}

# --- random damages ----------------------------------------------------------------

my $seed = $ENV{AT_SEED} // 1;
srand $seed;
note "seed $seed";

sub any_page ($bytes) { int rand length($bytes) / $page }

my %damage = (
    header => sub ($b) {
        my $at = any_page($b) * $page;
        substr $b, $at + int rand 16, 1, chr int rand 256 for 1, 2;
        return $b;
    },
    bytes => sub ($b) { substr $b, rand length $b, 1, chr int rand 256 for 1 .. 20; return $b },
    zeros => sub ($b) { substr $b, any_page($b) * $page, $page, "\0" x $page; return $b },
    swap  => sub ($b) {
        my ($x, $y) = map { $_ * $page } any_page($b), any_page($b);
        my $kept = substr $b, $x, $page;
        substr $b, $x, $page, substr $b, $y, $page;
        substr $b, $y, $page, $kept;
        return $b;
    },
    meta  => sub ($b) { substr $b, int(rand 2) * $page + rand 152, 1, chr int rand 256 for 1, 2; return $b },
    short => sub ($b) { substr $b, 0, rand length $b },
);

my @kinds = sort grep { $_ ne 'header' } keys %damage;

for my $row ((map { ['store', 'header'] } 1 .. $stores), (map { ['sessions', 'header'] } 1 .. $sessions),
             (map { [$_ % 2 ? 'store' : 'sessions', $kinds[$_ / 2 % @kinds]] } 1 .. $others))
{
    my ($which, $kind) = @$row;
    my $path = $which eq 'store' ? $store : $database;
    my $name = "$which, $kind";
    state $n = 0;
    $name .= ' ' . ++$n;

    # a truncated store is an error of the configuration
    my $running = $which eq 'store' && $kind =~ /short|meta/;
    my $before  = deaths();

    $s->stop if !$running;
    replace($path, $damage{$kind}->($which eq 'store' ? $sound : content($path)));
    $running ? sleep 1.3 : ($s->start, await_workers());

    # a record that is not readable is damaged or missing
    check_store($name, "200 $disabled", "$gone $gone", "401 API_INVALID_API_TOKEN $disabled",
                '200 401 API_INVALID_API_TOKEN', "200 $gone", "$gone $disabled",
                '401 API_INVALID_API_TOKEN 401 API_INVALID_API_TOKEN');
    check_others($name);

    if ($which eq 'sessions') {
        eventually("$name: a user logs in", sub { login($s)->{status} == 200 });
        check_sessions($name);
    }
    is deaths(), $before, "$name: no worker process died";

    if ($which eq 'store') {
        replace($store, $sound);
        eventually("$name: the store is restored", sub { said_of('good') eq '200' });
    }
}

$s->{untagged} = $s->upstream->hits->count('');
push $s->{expected}->@*, qr/exited on signal/ if deaths();

done;
