#!/usr/bin/perl

# The layout: the order of folders, one place for each library, exported symbols, installed
# files, a test for every requirement, and the tests that docs/checklists.md names.
# t/lint checks the text of the sources.

use v5.36;

use lib 't/lib';

use AuthToken::Log;
use AuthToken::Server;
use File::Find qw(find);
use File::Temp qw(tempdir);
use Test::More;

my $root  = $AuthToken::Server::ROOT;
my $build = $AuthToken::Server::BUILD;

sub content ($path) { AuthToken::Log->new("$root/$path")->content }

# the files below some directories whose names match, as paths from the root
sub files ($pattern, @directories) {
    my @found;
    find({ no_chdir => 1, wanted => sub {
        push @found, substr $_, 1 + length $root if -f && /$pattern/;
    } }, grep { -d } map { "$root/$_" } @directories);
    return sort @found;
}

# the lines that match, as file:line: text
sub grep_in ($pattern, @files) {
    my @found;
    for my $file (@files) {
        my $n = 0;
        for (split /\n/, content($file)) {
            $n++;
            push @found, "$file:$n: $_" if /$pattern/;
        }
    }
    return \@found;
}

my @core = files(qr/\.[ch]\z/, 'src/core');
my @cli  = files(qr/\.[ch]\z/, 'src/cli');
my @http = files(qr/\.[ch]\z/, 'src/http');

cmp_ok scalar @$_, '>', 5, 'there are sources' for \@core, \@cli, \@http;

# --- trees ------------------------------------------------------------------

is_deeply grep_in(qr/ngx_/i, @core), [], 'src/core uses no name of nginx';
is_deeply grep_in(qr/ngx_/i, @cli), [], 'src/cli uses no name of nginx';
is_deeply grep_in(qr{^\s*#\s*include\s*["<](?:openssl/|jansson|lmdb|curl/|jwt\.h|crypt\.h)}, @http),
          [], 'src/http includes no header of a library';
is_deeply grep_in(qr/\b(?:json_(?:object|array|string|integer|load|decref)|EVP_|RSA_|ERR_|mdb_|curl_)\w*\s*\(/,
                  @http), [], 'src/http calls no function of a library';

# Folders depend on each other in one direction: a folder may include itself and
# the folders before it in this list, and no others.
my @order = (
    [core => qw(base json authz jose fetch store session)],
    [cli  => qw(terminal record commands)],
    [http => qw(base worker store keys request access token metrics conf explain)],
);

for (@order) {
    my ($floor, @folders) = @$_;
    my %rank = map { $folders[$_] => $_ } 0 .. $#folders;
    my @wrong;

    for my $file (files(qr/\.[ch]\z/, "src/$floor")) {
        my ($folder) = $file =~ m{\Asrc/$floor/(\w+)/} or next;
        ok exists $rank{$folder}, "$file is in a listed folder" or next;

        for (content($file) =~ /^\s*#\s*include\s*"([^"]+)"/mg) {
            my ($to_floor, $to) = split m{/};
            push @wrong, "$file: $_" unless
                $to_floor eq $floor ? exists $rank{$to} && $rank{$to} <= $rank{$folder}
                                    : $to_floor eq 'core';
        }
    }

    is_deeply \@wrong, [], "src/$floor: folders include only folders before them" or diag join "\n", @wrong;
}

# one header, one place
for my $row (['jwt.h', 'jose/at_mint.c'], ['crypt.h', 'session/at_password.c'], ['curl/curl.h', 'fetch/at_fetch.c'],
          ['lmdb.h', 'store/at_lmdb.h'])
{
    my ($header, $place) = @$row;
    my $found = grep_in(qr/^\s*#\s*include\s*[<"]\Q$header\E[">]/, @core, @cli, @http);
    is_deeply [grep { !m{\Asrc/core/$place:} } @$found], [], "$header is included by $place alone";
}

# --- the module -------------------------------------------------------------

my $module = "$build/ngx_http_auth_token_module.so";
my @exported = map { (split)[2] } qx(nm -D --defined-only $module);
is_deeply [sort @exported],
          [qw(ngx_http_auth_token_module ngx_module_names ngx_module_order ngx_modules)],
          'the module exports the symbols that nginx needs, and no others';

# --- make install -----------------------------------------------------------

SKIP: {
    -e "$build/auth-token" or skip "$build/auth-token is not built", 3;

    my $dir = tempdir('at-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    local $ENV{MAKEFLAGS} = '';
    my $output = qx(umask 077; make -C $root -o all install DESTDIR=$dir BUILD=$build 2>&1);
    is $?, 0, 'make install' or diag $output;

    my %found;
    find({ no_chdir => 1, wanted => sub {
        $found{substr $_, length $dir} = sprintf '%04o', (stat)[2] & 07777 if -f || -l;
    } }, $dir);

    is_deeply \%found, {
        '/usr/lib/nginx/modules/ngx_http_auth_token_module.so' => '0644',
        '/usr/bin/auth-token'                                  => '0755',
        '/usr/share/man/man1/auth-token.1'                     => '0644',
        '/usr/share/bash-completion/completions/auth-token'    => '0644',
    }, 'make install: files and their modes';

    my @closed;
    find({ no_chdir => 1, wanted => sub {
        push @closed, $_ if -d && $_ ne $dir && ((stat)[2] & 0755) != 0755;
    } }, $dir);
    is_deeply \@closed, [], 'make install: directories are open to all';
}

# --- requirements -----------------------------------------------------------

my %required = map { $_ => 1 } content('t/requirements.md') =~ /^\| `([a-z0-9-]+)` \|/mg;
cmp_ok scalar keys %required, '>', 100, 'there is a list of requirements';

my %proven;
for my $file (grep { $_ ne 't/layers.t' } files(qr/\.(?:t|c|pm|h)\z/, 't')) {
    my ($list) = content($file) =~ /^(?:#| \*) Requirements:\s(.*?)\.$/ms or next;
    for (split /,\s*/, $list =~ s/^(?:#| \*)\s*//mgr =~ s/\n/ /gr) {
        push @{ $proven{$_} }, $file;
        ok $required{$_}, "$file: $_ is a requirement";
    }
}

is_deeply [grep { !$proven{$_} } sort keys %required], [], 'every requirement has its test';

# each row of the tables: a test that exists, unless the row says that there is none
for my $row (content('docs/checklists.md') =~ /^\| ((?:[\d.]+|ASVS)[^\n]*) \|$/mg) {
    my ($number, $requirement, $how, $test) = split / \|(?: |\z)/, $row;
    my ($file, $text) = ($test // '') =~ m{\A`(t/[\w./-]+)`: "([^"]+)"\z};

    if (defined $file) {
        ok -f "$root/$file" && index(content($file), $text) >= 0, "checklists, $number: $file has: $text";
    } else {
        like "$test$how", qr/\A(?:\*\*not met\*\*|do not apply|not required)/, "checklists, $number: a reason without a test";
    }
}

done_testing();
