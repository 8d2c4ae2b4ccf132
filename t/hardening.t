#!/usr/bin/perl

# The ELF files of module and command have the protections of Debian's hardening flags.
#
# Requirements: hardening.

use v5.36;

use lib 't/lib';

use AuthToken::Server;
use Test::More;

my $build = $AuthToken::Server::BUILD;

plan skip_all => 'sanitizers replace these protections' if $ENV{AT_SANITIZE};
plan skip_all => 'readelf is not installed' if system('readelf --version >/dev/null 2>&1') != 0;

for my $name ('auth-token', 'ngx_http_auth_token_module.so') {
    my $headers = `readelf -hldW '$build/$name'`;
    my $symbols = `readelf -W --dyn-syms '$build/$name'`;
    is $?, 0, "$name: readelf reads it";

    like $headers, qr/^ *Type: +DYN/m, "$name: its code is position-independent";
    like $headers, qr/\(FLAGS_1\).* PIE/, "$name: it is a position-independent executable" if $name !~ /\.so/;
    like $headers, qr/^ *GNU_RELRO /m, "$name: relocations are read-only after the start";
    like $headers, qr/\(FLAGS_1\).* NOW/, "$name: all symbols are bound at the start";
    like $headers, qr/^ *GNU_STACK .* RW +0x/m, "$name: the stack is not executable";
    unlike $headers, qr/\(TEXTREL\)|\(RPATH\)|\(RUNPATH\)/, "$name: no relocation of code, no path of libraries";
    unlike $headers, qr/^ *LOAD .* RWE /m, "$name: no memory is writable and executable";
    like $symbols, qr/\b__stack_chk_fail\b/, "$name: functions check the stack";
    like $symbols, qr/\b__(?:memcpy|vsnprintf)_chk\b/, "$name: copies check their bounds (_FORTIFY_SOURCE)";
}

done_testing;
