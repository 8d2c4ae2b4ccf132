#!/usr/bin/perl

# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause

# Each fuzz target runs its corpus and then new inputs for FUZZ_SECONDS (1).

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));
my $build = $ENV{AT_BUILD} || "$root/build";
my $seconds = $ENV{FUZZ_SECONDS} // 1;

# libFuzzer takes 0 seconds as no limit
my @limit = $seconds > 0 ? "-max_total_time=$seconds" : '-runs=0';

plan skip_all => 'the fuzz targets are sanitized already' if $ENV{AT_SANITIZE};

my ($dir) = grep { -d } "$build/fuzz", "$build/../fuzz", "$root/build/fuzz";
my @sources = sort glob "$root/t/fuzz/*_fuzz.c";

plan tests => 1 + @sources;
ok(@sources >= 8, 'there are fuzz targets');

for my $source (@sources) {
    my $name = basename($source, '.c');
    my $noun = $name =~ s/_fuzz$//r;
    my $fuzzer = defined $dir ? "$dir/$name" : $name;

    if (!-x $fuzzer) {
        fail("$name is built (make fuzzers)");
        next;
    }

    my $new = tempdir(CLEANUP => 1);
    mkdir "$new/corpus";

    is(run($fuzzer, '-timeout=10', '-rss_limit_mb=2048', "-artifact_prefix=$new/", @limit,
        '-max_len=16384', "$new/corpus", "$root/t/fuzz/corpus/$noun"), 0,
        "$noun: the corpus, and $seconds seconds");
}


# the exit status of the command; its output is shown if it failed
sub run
{
    my (@command) = @_;

    my $pid = open(my $out, '-|') // die "cannot fork: $!";

    if (!$pid) {
        open(STDERR, '>&', \*STDOUT);
        exec(@command) or exit(127);
    }

    my @said = <$out>;
    close $out;

    if ($?) {
        my $from = @said > 30 ? @said - 30 : 0;
        diag(@said[$from .. $#said]);
    }

    return $?;
}
