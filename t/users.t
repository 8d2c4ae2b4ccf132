#!/usr/bin/perl

# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause

# Users and their passwords, by the command: typed, from files, imported.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Command;
use AuthToken::Export;
use AuthToken::Terminal;
use JSON::PP;
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

###############################################################################
# from standard input, and files

my $secret = "correct horse \xc3\xa4 battery";

my $said = ok_out({ in => "$secret\n" }, 'user', 'create', 'jane', '--scope', 'read', '--issuer', 'main');
like $said, qr/^password +yes$/m, 'there is a password';
unlike $said, qr/horse|\$y\$/, 'neither it nor its hash is shown';
like hash_of('jane'), qr/\A\$y\$j/, 'yescrypt';
ok fits($secret, hash_of('jane')), 'of the very bytes';
like record('jane')->{id}, $guid, 'an id of its own: a GUID';
is index(slurp("$store/data.mdb"), 'horse'), -1, 'the password is not in the store';
unlike ok_out('user', @$_), qr/\$y\$/, "no hash: user $_->[0]" for ['show', 'jane'], ['list'];
is ok_json('user', 'show', 'jane')->{password}, JSON::PP::true, 'but that there is one';

is ok_json({ in => 'x' }, 'user', 'create', 'ida', '--id', '1001')->{id}, '1001', 'an id that is given';
ok fits('x', hash_of('ida')), 'one byte, and no line end';

for (["line end of another system\r\n", 'line end of another system'], [" blanks \t\n", " blanks \t"],
     ["\xff\xfe\n", "\xff\xfe"], ['x' x $most . "\n", 'x' x $most])
{
    my ($in, $password) = @$_;
    my $name = length $password > 40 ? 'the longest' : $password =~ s/[^ -~]/?/gr;
    ok_out({ in => $in }, 'user', 'passwd', 'ida');
    ok fits($password, hash_of('ida')), "as it is: \"$name\"";
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
ok fits('from a file', hash_of('file')), '--password-file';
ok_out({ in => "dash\n" }, 'user', 'passwd', 'file', '--password-file', '-');
ok fits('dash', hash_of('file')), '--password-file -';
fails run('user', 'passwd', 'file', '--password-file', 'nowhere'), 1,
    'cannot open "nowhere": No such file or directory', 'no such file';
ok fits('dash', hash_of('file')), 'and the password stays';

isnt hash_of('jane'), do {
    ok_out({ in => "$secret\n" }, 'user', 'passwd', 'jane');
    hash_of('jane');
}, 'the same password, another salt';

###############################################################################
# without a password; what is wrong is said before it is read

is ok_json('user', 'create', 'tool', '--no-password', '--scope', 'read')->{password}, JSON::PP::false,
    '--no-password';
is hash_of('tool'), undef, 'none';
like record('tool')->{id}, $guid, 'a GUID too';

my $jane = record('jane');
$said = ok_json('user', 'passwd', 'jane', '--no-password');
is $said->{password}, JSON::PP::false, 'taken away';
is_deeply record('jane'), { %$jane, password_hash => undef }, 'and nothing else';
$said = ok_json({ in => 'again' }, 'user', 'passwd', 'jane');
is $said->{password}, JSON::PP::true, 'and given back';
is_deeply { record('jane')->%*, password_hash => undef }, { %$jane, password_hash => undef },
    'and nothing else';
ok_out('user', 'update', 'jane', '--scope', 'write');
ok fits('again', hash_of('jane')), 'an update leaves it';
ok_out('user', $_, 'jane') for qw(disable enable);
ok fits('again', hash_of('jane')), 'and so do disable and enable';

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

    # a pipe that nobody writes to: to read it would take for ever
    pipe my $from, my $to or die;
    my $run = spawn({ before => sub { open STDIN, '<&', $from or die; alarm 20 } }, @arguments);
    fails finish($run), $rc, $sentence, "@arguments[1 .. $#arguments], before it is read";
}
is export, $before, 'nothing was changed';

###############################################################################
# what a change means is said

like ok_out({ in => 'next' }, 'user', 'passwd', 'jane'),
    qr/^password +yes\n\nSessions of the user end at their next refresh\.\n\z/m, 'passwd';
my $end = qr/API tokens and logins of the user are refused from now on\.\nSessions end at their next refresh, access tokens when they expire\.\n/;
like ok_out('user', 'disable', 'ida'), qr/\Auser ida is disabled\n\n$end\z/, 'disable';
is ok_out('user', 'enable', 'ida'), "user ida is enabled\n", 'enable';
like ok_out('user', 'delete', 'ida'), qr/\Auser ida is deleted\n\n$end\z/, 'delete';
is_deeply ok_json('user', 'delete', 'file'), { username => 'file', deleted => JSON::PP::true },
    'but not in JSON';

fails run({ in => 'x', to => '/dev/full' }, 'user', 'create', 'full'), 1,
    'cannot write to standard output: No space left on device; the change was made', 'full: create';
ok fits('x', hash_of('full')), 'as it says';

###############################################################################
# import and export

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
is "$r->{rc}$r->{err}", '0', 'import of all kinds of hashes';
is hash_of($_), $hash{$_}, "$_, as it came" for sort keys %hash;
like ok_out('user', 'list'), qr/^enabled   no     sha512$/m, 'they are users';
like ok_out('check'), qr/^store +sound$/m, 'and sound';

my $text = export;
fresh;
is run({ in => $text }, 'import', '--replace', '-')->{rc}, 0, 'an export comes back';
is export, $text, 'as it was, hashes and all';

my $hash = $hash{yescrypt};
for (['a password', 'imported'], ['of MD5', crypt('imported', '$1$abcdefgh$')],
     ['of SHA-256', crypt('imported', '$5$saltstring$')], ['of DES', crypt('imported', 'ab')],
     ['cut', substr $hash, 0, -1], ['and more', "$hash."], ['a space in front', " $hash"],
     ['a line end', "$hash\n"], ['a prefix', '$y$'], ['without a salt', '$y$j9T$$' . 'x' x 43],
     ['of another prefix', $hash =~ s/\A.y/\$x/r], ['cut, bcrypt', substr $hash{bcrypt}, 0, 59],
     ['cut, SHA-512', substr $hash{sha512}, 0, -1], ['disabled', "!$hash"], ['failed', '*0'],
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

is import_users([], { username => 'none', password_hash => $_ })->{rc}, 0, 'import: no password'
    for undef, '';
is hash_of('none'), undef, 'is none';

# a hash that is none is damage
{
    my $data = slurp("$store/data.mdb");
    ok $data =~ s/\$2b\$05\$/\$2b\$0x\$/g, 'a hash is damaged';
    my $home = $store;
    mkdir $store = 'damaged', 0700 or die;
    system('cp', '-r', "$home/.", $store) == 0 or die;
    spew "$store/data.mdb", $data;
    $r = run('check');
    is $r->{rc}, 1, 'check: exit code';
    like $r->{out}, qr/^damages +user "bcrypt": invalid value in "password_hash": use a hash of yescrypt, bcrypt or SHA-512 whose cost is not too high$/m,
        'check: which one';
    unlike $r->{out} . $r->{err}, qr/\$2b/, 'and does not show it';
    $store = $home;
}

###############################################################################
# at a terminal

fresh;
ok_out('user', 'create', 'tty', '--no-password');

sub passwd (%how) { AuthToken::Terminal->start(\%how, 'user', 'passwd', 'tty') }
sub new_one ($t) { $t->await(qr/New password: /) }
sub again ($t) { $t->await(qr/Retype new password: /) }

my $t = passwd;
new_one($t);
ok !$t->echoes, 'the terminal does not show what is typed';
$t->type("first\n");
again($t);
ok !$t->echoes, 'nor the second time';
$t->type("first\n");
$r = $t->finish;
is $r->{rc}, 0, 'a password is typed' or diag $r->{out};
ok $t->echoes, 'the terminal is as it was';
unlike $r->{out}, qr/first/, 'it was never on the screen';
like $r->{out}, qr/\ANew password: \nRetype new password: \nusername +tty\n/, 'what was';
ok fits('first', hash_of('tty')), 'it is that';

# a password with the bytes of a terminal's keys
$t = passwd;
new_one($t)->type("a\x7fb \xc3\xa9\t!\n");
again($t)->type("xx\x15b \xc3\xa9\t!\n");
is $t->finish->{rc}, 0, 'keys that correct are those of the terminal';
ok fits("b \xc3\xa9\t!", hash_of('tty')), 'and the others are taken as they are';

# what went before the question is no answer
$t = AuthToken::Terminal->start({ before => sub { select undef, undef, undef, 0.2 } }, 'user', 'passwd', 'tty')
    ->type("too early\n");
new_one($t)->type("in time\n");
again($t)->type("in time\n");
is $t->finish->{rc}, 0, 'typed too early';
ok fits('in time', hash_of('tty')), 'is dropped';

# somebody looks at a log of errors, and at a terminal
$t = passwd(before => sub { open STDERR, '>', 'errors' or die });
new_one($t)->type("kept\n");
again($t)->type("kept\n");
is $t->finish->{rc}, 0, 'standard error is a file';
is slurp('errors'), '', 'the question is asked at the terminal';

$t = AuthToken::Terminal->start({}, 'user', 'create', 'made', '--scope', 'read', '--password-file', '-');
new_one($t)->type("new\n");
again($t)->type("new\n");
is $t->finish->{rc}, 0, 'a user is created, and - is the terminal too';
ok fits('new', hash_of('made')), 'with the password';

$before = export;

$t = passwd;
new_one($t)->type("one\n");
again($t)->type("two\n");
$r = $t->finish;
is $r->{rc}, 1, 'two that differ';
like $r->{out}, qr/^auth-token: the two passwords differ; nothing was changed\n\z/m, 'are told so';
ok $t->echoes, 'the terminal is as it was';

for (['nothing', "\n"], ['its end', "\x04"], ['too much', 'x' x 600 . "\n"]) {
    my ($name, $keys) = @$_;
    $t = passwd;
    new_one($t)->type($keys);
    again($t)->type($keys);
    $r = $t->finish;
    is $r->{rc}, 1, "$name is typed";
    like $r->{out}, qr/^auth-token: $size\n\z/m, "$name is no password";
    ok $t->echoes, 'the terminal is as it was';
}

like AuthToken::Terminal->start({}, 'user', 'passwd', 'nobody')->finish->{out},
    qr/\Aauth-token: no such user "nobody"\n\z/, 'who is not there is not asked about';
like AuthToken::Terminal->start({}, 'user', 'create', 'new', '--scope', '')->finish->{out},
    qr/\Aauth-token: the value of "--scope" is empty\n\z/, 'nor what is wrong anyway';

# signals, from the keyboard and from elsewhere, at both questions
for my $second (0, 1) {
    for (['^C', "\x03", 'signal 2'], ['^\\', "\x1c", 'signal 3'], [TERM => '', 'signal 15'],
         [HUP => '', 'signal 1'], [INT => '', 'signal 2'])
    {
        my ($name, $keys, $rc) = @$_;
        my $where = $second ? 'the second time' : 'the first time';

        $t = passwd;
        new_one($t);
        again($t->type("first\n")) if $second;
        $t->type('half');
        $keys ne '' ? $t->type($keys) : $t->kill($name);
        is $t->finish->{rc}, $rc, "$name, $where, ends it";
        ok $t->echoes, "$name, $where: the terminal is as it was";
    }
}

is export, $before, 'nothing was changed by any of it';

# ^Z, and the shell's fg
$t = passwd;
new_one($t)->type("half\x1a");
ok $t->await_stop, '^Z stops it';
ok $t->echoes, 'and the shell has its terminal';
$t->resume;
new_one($t);
ok !$t->echoes, 'which is hidden once more';
$t->type("whole\n");
again($t)->type("\x1a");
ok $t->await_stop, '^Z the second time';
again($t->resume)->type("whole\n");
is $t->finish->{rc}, 0, 'it goes on';
ok fits('whole', hash_of('tty')), 'with what was typed after that';
ok $t->echoes, 'the terminal is as it was';

# nohup's: a signal that is ignored is
$t = passwd(before => sub { $SIG{HUP} = $SIG{INT} = 'IGNORE' });
new_one($t);
my ($caught) = slurp("/proc/$t->{pid}/status") =~ /^SigCgt:\s+[0-9a-f]*([0-9a-f])$/m;
is hex($caught) & 3, 0, 'signals that are ignored stay so';
$t->kill('HUP')->type("\x03")->type("deaf\n");
again($t)->type("deaf\n");
$r = $t->finish;
is $r->{rc}, 0, 'signals that are ignored';
like $r->{out}, qr/\ANew password: \nRetype new password: \nusername/, 'ask nothing anew';
ok fits('deaf', hash_of('tty')), 'change nothing';

###############################################################################

like ok_out('check'), qr/^store +sound$/m, 'the store is sound';

no_sanitizer_report;
done_testing();
