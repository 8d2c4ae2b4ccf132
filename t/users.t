#!/usr/bin/perl

# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause

# The command for users and their passwords: from a terminal, a file, an import.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Command;
use AuthToken::Export;
use AuthToken::Terminal;
use JSON::PP;
use POSIX qw(:signal_h);
use Test::More;

my $guid = qr/\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/;
my $most = 511;
my $size = "a password has 1 to $most bytes, without NUL";

sub export () { ok_out('export') }

# a user's record as exports have it, hash included
sub record ($name) {
    my ($user) = grep { $_->{username} eq $name } export_records(export)->{users}->@*;
    return $user;
}

sub hash_of ($name) { record($name)->{password_hash} }

sub fits ($password, $hash) { crypt($password, $hash) eq $hash }

fresh;

# --- passwords from standard input and files ----------------------------------

my $secret = "correct horse \xc3\xa4 battery";

my $said = ok_out({ in => "$secret\n" }, 'user', 'create', 'jane', '--scope', 'read', '--issuer', 'main');
like $said, qr/^password +yes$/m, 'a user with a password is created';
unlike $said, qr/horse|\$y\$/, 'neither the password nor its hash is shown';
like hash_of('jane'), qr/\A\$y\$j/, 'the hash is yescrypt';
ok fits($secret, hash_of('jane')), 'the hash is that of the password';
like record('jane')->{id}, $guid, 'the user gets a GUID as id';
is index(slurp("$store/data.mdb"), 'horse'), -1, 'the password is not in the store';
unlike ok_out('user', @$_), qr/\$y\$/, "user $_->[0] shows no hash" for ['show', 'jane'], ['list'];
is ok_json('user', 'show', 'jane')->{password}, JSON::PP::true, 'user show says that there is a password';

is ok_json({ in => 'x' }, 'user', 'create', 'ida', '--id', '1001')->{id}, '1001', '--id sets the id';
ok fits('x', hash_of('ida')), 'a password of one byte without a line end is accepted';

for (["line end of another system\r\n", 'line end of another system'], [" blanks \t\n", " blanks \t"],
     ["\xff\xfe\n", "\xff\xfe"], ['x' x $most . "\n", 'x' x $most])
{
    my ($in, $password) = @$_;
    my $name = length $password > 40 ? 'the longest' : $password =~ s/[^ -~]/?/gr;
    ok_out({ in => $in }, 'user', 'passwd', 'ida');
    ok fits($password, hash_of('ida')), "the password is used unchanged: \"$name\"";
}

my $before = export;
for (['', $size], ["\n", $size], ['x' x ($most + 1), $size], ["a\0b\n", $size],
     ["one\ntwo\n", 'a password is one line, but there are more'],
     ["one\n\n", 'a password is one line, but there are more'],
     ['x' x 5000, 'standard input is larger than 4096 bytes'])
{
    my ($in, $sentence) = @$_;
    my $name = length($in) . ' bytes, ' . substr $in =~ s/[^ -~]/?/gr, 0, 8;
    fails run({ in => $in }, @$_), 1, $sentence, "@$_, $name"
        for ['user', 'create', 'new'], ['user', 'passwd', 'jane'];
}
is export, $before, 'nothing was changed';

spew 'password', "from a file\n";
ok_out('user', 'create', 'file', '--password-file', 'password');
ok fits('from a file', hash_of('file')), '--password-file reads a file';
ok_out({ in => "dash\n" }, 'user', 'passwd', 'file', '--password-file', '-');
ok fits('dash', hash_of('file')), '--password-file - reads standard input';
fails run('user', 'passwd', 'file', '--password-file', 'nowhere'), 1,
    'cannot open "nowhere": No such file or directory', 'a missing password file';
ok fits('dash', hash_of('file')), 'a missing password file changes nothing';

isnt hash_of('jane'), do {
    ok_out({ in => "$secret\n" }, 'user', 'passwd', 'jane');
    hash_of('jane');
}, 'the same password gets another salt';

# --- users without a password; errors before a password is read ---------------

is ok_json('user', 'create', 'tool', '--no-password', '--scope', 'read')->{password}, JSON::PP::false,
    '--no-password creates a user without a password';
is hash_of('tool'), undef, 'a user without a password has no hash';
like record('tool')->{id}, $guid, 'a user without a password gets a GUID';

my $jane = record('jane');
$said = ok_json('user', 'passwd', 'jane', '--no-password');
is $said->{password}, JSON::PP::false, 'passwd --no-password removes the password';
is_deeply record('jane'), { %$jane, password_hash => undef }, 'passwd --no-password changes nothing else';
$said = ok_json({ in => 'again' }, 'user', 'passwd', 'jane');
is $said->{password}, JSON::PP::true, 'passwd sets a password again';
is_deeply { record('jane')->%*, password_hash => undef }, { %$jane, password_hash => undef },
    'passwd changes nothing else';
ok_out('user', 'update', 'jane', '--scope', 'write');
ok fits('again', hash_of('jane')), 'update keeps the password';
ok_out('user', $_, 'jane') for qw(disable enable);
ok fits('again', hash_of('jane')), 'disable and enable keep the password';

$before = export;
for ([2, '"--password-file" and "--no-password" are mutually exclusive', 'user', 'create', 'x', '--no-password',
      '--password-file', 'password'],
     [2, '"--password-file" and "--no-password" are mutually exclusive', 'user', 'passwd', 'jane', '--no-password',
      '--password-file', 'password'],
     [2, 'option "--password-file" is duplicate', 'user', 'passwd', 'jane', ('--password-file', 'password') x 2],
     [2, 'missing argument: use "auth-token user create USERNAME [OPTION...]"', 'user', 'create', '--admin'],
     [2, 'missing argument: use "auth-token user passwd USERNAME [OPTION...]"', 'user', 'passwd'],
     [2, 'too many arguments: use "auth-token user passwd USERNAME [OPTION...]"', 'user', 'passwd', 'jane', 'secret'],
     (map { [2, 'unknown option "--password": did you mean "--password-file"?', 'user', @$_] } ['create', 'x', '--password=secret'], ['passwd', 'jane', '--password', 'secret']),
     [2, 'the value of "--scope" is empty', 'user', 'create', 'x', '--scope', ''],
     [2, 'the value of "--id" is empty', 'user', 'create', 'x', '--id', '', '--scope', ''],
     [2, 'the value of "--issuer" is not UTF-8', 'user', 'create', 'x', '--issuer', "\xff"],
     [2, 'invalid value "a?b" in "username": use 1 to 255 bytes without control characters', 'user', 'create', "a\nb"],
     [1, 'user "jane" already exists', 'user', 'create', 'jane'],
     [1, 'no such user "nobody"', 'user', 'passwd', 'nobody'],
     [1, 'no such user "nobody"', 'user', 'passwd', 'nobody', '--no-password'])
{
    my ($rc, $sentence, @arguments) = @$_;

    # reading this pipe would block
    pipe my $from, my $to or die;
    my $run = spawn({ before => sub { open STDIN, '<&', $from or die; alarm 20 } }, @arguments);
    fails finish($run), $rc, $sentence, "@arguments[1 .. $#arguments], before it is read";
}
is export, $before, 'nothing was changed';

# --- the command explains the effect of a change ------------------------------

like ok_out({ in => 'next' }, 'user', 'passwd', 'jane'),
    qr/^password +yes\n\nSessions of the user end at their next refresh\.\n\z/m, 'passwd explains its effect';
my $end = qr/API tokens and logins of the user are refused from now on\.\nSessions end at their next refresh, access tokens when they expire\.\n/;
like ok_out('user', 'disable', 'ida'), qr/\Auser ida is disabled\n\n$end\z/, 'disable explains its effect';
is ok_out('user', 'enable', 'ida'), "user ida is enabled\n", 'enable reports success';
like ok_out('user', 'delete', 'ida'), qr/\Auser ida is deleted\n\n$end\z/, 'delete explains its effect';
is_deeply ok_json('user', 'delete', 'file'), { username => 'file', deleted => JSON::PP::true },
    'JSON output has no explanation';

fails run({ in => 'x', to => '/dev/full' }, 'user', 'create', 'full'), 1,
    'cannot write to standard output: No space left on device; the change was made', 'create with a full output device';
ok fits('x', hash_of('full')), 'the user is created, as the error says';

# --- import and export --------------------------------------------------------

my %hash = (
    yescrypt => hash_of('jane'),
    bcrypt   => crypt('imported', '$2b$05$abcdefghijklmnopqrstuu'),
    old      => crypt('imported', '$2a$05$abcdefghijklmnopqrstuu'),
    php      => crypt('imported', '$2y$05$abcdefghijklmnopqrstuu'),
    sha512   => crypt('imported', '$6$rounds=1000$saltstring$'),
    plain512 => crypt('imported', '$6$saltstring$'),
);

sub import_users ($how, @users) { run({ in => export_text(users => \@users) }, 'import', '-', @$how) }

fresh;
my $r = import_users([], map { { username => $_, password_hash => $hash{$_} } } sort keys %hash);
is "$r->{rc}$r->{err}", '0', 'hashes of all supported kinds are imported';
is hash_of($_), $hash{$_}, "the $_ hash is unchanged" for sort keys %hash;
like ok_out('user', 'list'), qr/^enabled   no     sha512$/m, 'imported users are listed';
like ok_out('check'), qr/^store +sound$/m, 'the store with imported users is sound';

my $text = export;
fresh;
is run({ in => $text }, 'import', '--replace', '-')->{rc}, 0, 'an export can be imported';
is export, $text, 'the export of the import is equal';

my $hash = $hash{yescrypt};
for (['a password', 'imported'], ['an MD5 hash', crypt('imported', '$1$abcdefgh$')],
     ['a SHA-256 hash', crypt('imported', '$5$saltstring$')], ['a DES hash', crypt('imported', 'ab')],
     ['a truncated yescrypt hash', substr $hash, 0, -1], ['a hash with an extra byte', "$hash."], ['a hash after a space', " $hash"],
     ['a hash with a line end', "$hash\n"], ['a prefix of a hash', '$y$'], ['a hash without a salt', '$y$j9T$$' . 'x' x 43],
     ['a hash with another prefix', $hash =~ s/\A.y/\$x/r], ['a truncated bcrypt hash', substr $hash{bcrypt}, 0, 59],
     ['a truncated SHA-512 hash', substr $hash{sha512}, 0, -1], ['a disabled hash', "!$hash"], ['a failure text of crypt()', '*0'],
     ['a number', 1], ['a list', [$hash]])
{
    my ($name, $wrong) = @$_;
    my $what = ref $wrong || $wrong eq '1' ? '"password_hash" is not a string'
        : 'invalid value in "password_hash": use a hash of yescrypt, bcrypt or SHA-512 whose cost is not too high';
    $r = import_users(['--replace'], { username => 'a' }, { username => 'b', password_hash => $wrong });
    fails $r, 1, qr/-: line 3: $what; nothing was changed/, "import: $name";
    unlike $r->{err}, qr/imported/, "$name is not shown";
}
is export, $text, 'nothing was changed';

is import_users([], { username => 'none', password_hash => $_ })->{rc}, 0, 'a user without a password is imported'
    for undef, '';
is hash_of('none'), undef, 'an imported user without a password has no hash';

# an invalid hash in the store is damage
{
    my $data = slurp("$store/data.mdb");
    ok $data =~ s/\$2b\$05\$/\$2b\$0x\$/g, 'the file has a bcrypt hash to damage';
    my $home = $store;
    mkdir $store = 'damaged', 0700 or die;
    system('cp', '-r', "$home/.", $store) == 0 or die;
    spew "$store/data.mdb", $data;
    $r = run('check');
    is $r->{rc}, 1, 'check fails with an invalid hash';
    like $r->{out}, qr/^damages +user "bcrypt": invalid value in "password_hash": use a hash of yescrypt, bcrypt or SHA-512 whose cost is not too high$/m,
        'check names the user with the invalid hash';
    unlike $r->{out} . $r->{err}, qr/\$2b/, 'check does not show the hash';
    $store = $home;
}

# --- passwords from a terminal ------------------------------------------------

fresh;
ok_out('user', 'create', 'tty', '--no-password');

sub passwd (%how) { AuthToken::Terminal->start(\%how, 'user', 'passwd', 'tty') }
sub new_one ($t) { $t->await(qr/New password: /) }
sub again ($t) { $t->await(qr/Retype new password: /) }

my $t = passwd;
new_one($t);
ok !$t->echoes, 'the terminal does not echo the password';
$t->type("first\n");
again($t);
ok !$t->echoes, 'the terminal does not echo the second password';
$t->type("first\n");
$r = $t->finish;
is $r->{rc}, 0, 'a typed password is accepted' or diag $r->{out};
ok $t->echoes, 'the terminal is restored';
unlike $r->{out}, qr/first/, 'the password was not shown';
like $r->{out}, qr/\ANew password: \nRetype new password: \nusername +tty\n/, 'the prompts and the result were shown';
ok fits('first', hash_of('tty')), 'the hash is that of the typed password';

# erase and kill keys, and other control characters
$t = passwd;
new_one($t)->type("a\x7fb \xc3\xa9\t!\n");
again($t)->type("xx\x15b \xc3\xa9\t!\n");
is $t->finish->{rc}, 0, 'the erase and kill keys of the terminal work';
ok fits("b \xc3\xa9\t!", hash_of('tty')), 'other characters are part of the password';

# input before the prompt is dropped
$t = AuthToken::Terminal->start({ before => sub { select undef, undef, undef, 0.2 } }, 'user', 'passwd', 'tty')
    ->type("too early\n");
new_one($t)->type("in time\n");
again($t)->type("in time\n");
is $t->finish->{rc}, 0, 'a password typed after the prompt is accepted';
ok fits('in time', hash_of('tty')), 'input before the prompt is dropped';

$t = passwd(before => sub { open STDERR, '>', 'errors' or die });
new_one($t)->type("kept\n");
again($t)->type("kept\n");
is $t->finish->{rc}, 0, 'passwd works with standard error in a file';
is slurp('errors'), '', 'the prompt is shown at the terminal only';

$t = AuthToken::Terminal->start({}, 'user', 'create', 'made', '--scope', 'read', '--password-file', '-');
new_one($t)->type("new\n");
again($t)->type("new\n");
is $t->finish->{rc}, 0, 'user create reads the password from the terminal for -';
ok fits('new', hash_of('made')), 'the user has the typed password';

$before = export;

$t = passwd;
new_one($t)->type("one\n");
again($t)->type("two\n");
$r = $t->finish;
is $r->{rc}, 1, 'two different passwords are an error';
like $r->{out}, qr/^auth-token: the two passwords differ; nothing was changed\n\z/m, 'the error says that the passwords differ';
ok $t->echoes, 'the terminal is restored';

for (['an empty line', "\n"], ['end of file', "\x04"], ['a long line', 'x' x 600 . "\n"]) {
    my ($name, $keys) = @$_;
    $t = passwd;
    new_one($t)->type($keys);
    again($t)->type($keys);
    $r = $t->finish;
    is $r->{rc}, 1, "$name is rejected";
    like $r->{out}, qr/^auth-token: $size\n\z/m, "$name: the error names the limits";
    ok $t->echoes, 'the terminal is restored';
}

like AuthToken::Terminal->start({}, 'user', 'passwd', 'nobody')->finish->{out},
    qr/\Aauth-token: no such user "nobody"\n\z/, 'a missing user gets no prompt';
like AuthToken::Terminal->start({}, 'user', 'create', 'new', '--scope', '')->finish->{out},
    qr/\Aauth-token: the value of "--scope" is empty\n\z/, 'a usage error gets no prompt';

# signals at both prompts, from the keyboard and from other processes
for my $second (0, 1) {
    for (['^C', "\x03", 'signal 2'], ['^\\', "\x1c", 'signal 3'], [TERM => '', 'signal 15'],
         [HUP => '', 'signal 1'], [INT => '', 'signal 2'])
    {
        my ($name, $keys, $rc) = @$_;
        my $where = $second ? 'second prompt' : 'first prompt';

        $t = passwd;
        new_one($t);
        again($t->type("first\n")) if $second;
        $t->type('half');
        $keys ne '' ? $t->type($keys) : $t->kill($name);
        is $t->finish->{rc}, $rc, "$name at the $where ends the command";
        ok $t->echoes, "$name at the $where: the terminal is restored";
    }
}

is export, $before, 'failed and killed commands change nothing';

# ^Z and fg
$t = passwd;
new_one($t)->type("half\x1a");
ok $t->await_stop, '^Z stops the command';
ok $t->echoes, 'the shell gets a restored terminal';
$t->resume;
new_one($t);
ok !$t->echoes, 'after fg, the terminal does not echo';
$t->type("whole\n");
again($t)->type("\x1a");
ok $t->await_stop, '^Z stops the command at the second prompt';
again($t->resume)->type("whole\n");
is $t->finish->{rc}, 0, 'the command continues after fg';
ok fits('whole', hash_of('tty')), 'the password is the one typed after fg';
ok $t->echoes, 'the terminal is restored';

# ignored signals stay ignored, as nohup(1) requires, and blocked ones stay blocked
for ([ignored => sub { $SIG{HUP} = $SIG{INT} = 'IGNORE' }],
     [blocked => sub { sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGHUP, SIGINT)) }])
{
    my ($state, $before) = @$_;
    $t = passwd(before => $before);
    new_one($t);
    my ($caught) = slurp("/proc/$t->{pid}/status") =~ /^SigCgt:\s+[0-9a-f]*([0-9a-f])$/m;
    is hex($caught) & 3, 0, "$state signals have no handler";
    $t->kill('HUP')->type("\x03")->type("$state\n");
    again($t)->type("$state\n");
    $r = $t->finish;
    is $r->{rc}, 0, "the command succeeds in spite of $state signals";
    like $r->{out}, qr/\ANew password: \nRetype new password: \nusername/, "$state signals do not repeat a prompt";
    ok fits($state, hash_of('tty')), 'the password is the typed one';
}

like ok_out('check'), qr/^store +sound$/m, 'the store is sound';

no_sanitizer_report;
done_testing();
