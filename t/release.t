#!/usr/bin/perl

# A release: one version everywhere, a reproducible source archive with its bill of materials and
# checksums, and one clear sentence if nginx has no threads.
#
# Requirements: one-version, source-archive, threads-required.

use v5.36;

use lib 't/lib';
use AuthToken::Server;
use Digest::SHA;
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use Test::More;

my $root = $AuthToken::Server::ROOT;
my $temp = tempdir('at-release-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

# the make that runs this test must not influence the make below
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

# --- the version ------------------------------------------------------------

my ($version) = content("$root/src/core/base/at_version.h") =~ /^#define AT_VERSION  "(\d+\.\d+\.\d+)"$/m;
ok $version, 'at_version.h has the version';
is output("$AuthToken::Server::BUILD/auth-token", '--version'), "auth-token $version\n", 'the command prints this version';
like content("$root/CHANGES.md"), qr/\A# Changes\n\n## \Q$version\E \(\d{4}-\d\d-\d\d\)$/m, 'CHANGES.md begins with this version and its date';
my ($minor) = $version =~ /^(\d+\.\d+)/;
like content("$root/SECURITY.md"), qr/^\| \Q$minor\E \| yes \|$/m, 'SECURITY.md supports this version';

my @others = grep { !m{^src/core/base/at_version\.h:} }
             split /\n/, output('git', '-C', $root, 'grep', '-nF', qq("$version"), '--', 'src', 'Makefile', 'config', 'debian', 'packaging');
is_deeply \@others, [], 'no other file of the program has the version';

# --- the source archive -----------------------------------------------------

SKIP: {
    skip 'this is not a clone', 1 if !-e "$root/.git";

    my %built;
    for my $n (1, 2) {
        my $clone = "$temp/clone$n";
        run('git', 'clone', '-q', $root, $clone);
        umask($n == 1 ? 0022 : 0077);
        local $ENV{TZ} = $n == 1 ? 'UTC' : 'Asia/Tokyo';
        local $ENV{LC_ALL} = $n == 1 ? 'C' : 'C.UTF-8';
        my ($status, $text) = run('make', '-C', $clone, 'dist');
        is $status, 0, "make dist, build $n" or diag $text;
        $built{$n} = { map { m{([^/]+)$} => sha256($_) } glob "$clone/build/dist/*" };
    }
    umask 0022;

    my $name = "nginx-auth-token-$version";
    is_deeply [sort keys $built{1}->%*], ['SHA256SUMS', "$name.spdx.json", "$name.tar.gz"],
        'make dist writes archive, bill of materials and checksums';
    is_deeply $built{1}, $built{2}, 'two builds are identical';

    my $dist = "$temp/clone1/build/dist";
    is +(run('sh', '-c', "cd $dist && sha256sum -c --strict SHA256SUMS"))[0], 0, 'the checksums are right';

    run('tar', '-x', '-f', "$dist/$name.tar.gz", '-C', $temp);
    my @files = split /\n/, output('sh', '-c', "cd $temp/$name && find . -type f -o -type l | sed 's,^./,,' | LC_ALL=C sort");
    my @committed = split /\n/, output('sh', '-c', "cd $temp/clone1 && git -c core.quotePath=false ls-files | LC_ALL=C sort");
    is_deeply \@files, [sort @committed, 'debian/changelog'], 'the archive has the committed files, and debian/changelog';
    is output('dpkg-parsechangelog', '-l', "$temp/$name/debian/changelog", '-S', 'Version'), "$version-1\n",
        "the version of Debian's packages is that of the archive";

    bill_of_materials("$dist/$name.spdx.json", "$name.tar.gz", $built{1}{"$name.tar.gz"});

    spew("$temp/clone1/CHANGES.md", 'changed');
    my ($status, $text) = run('make', '-C', "$temp/clone1", 'dist');
    isnt $status, 0, 'make dist refuses changes that are not committed';
    like $text, qr/^make dist: commit your changes first$/m, 'make dist says so';
}

# SPDX 2.3: the members that every document, package and relationship must have
sub bill_of_materials ($file, $archive, $sha256) {
    my $bill = decode_json(content($file));
    is $bill->{spdxVersion}, 'SPDX-2.3', 'the bill of materials is SPDX 2.3';
    is $bill->{dataLicense}, 'CC0-1.0', 'the bill of materials has the licence that SPDX demands';
    is $bill->{SPDXID}, 'SPDXRef-DOCUMENT', 'the bill of materials has its identifier';
    like $bill->{documentNamespace}, qr{^https://[^#]+$}, 'the bill of materials has a name space';
    like $bill->{creationInfo}{created}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'the bill of materials has a time';
    like $bill->{creationInfo}{creators}[0], qr/^Tool: /, 'the bill of materials names its author';

    my %known = map { $_->{SPDXID} => $_ } $bill->{packages}->@*;
    for my $package (values %known) {
        my @missing = grep { !defined $package->{$_} } qw(name SPDXID versionInfo downloadLocation licenseDeclared copyrightText);
        is_deeply \@missing, [], "$package->{name} has all members";
        like $package->{SPDXID}, qr/^SPDXRef-[A-Za-z0-9.-]+$/, "$package->{name} has a valid identifier";
    }
    my @ends = map { $_->@{qw(spdxElementId relatedSpdxElement)} } $bill->{relationships}->@*;
    is_deeply [grep { !$known{$_} && $_ ne 'SPDXRef-DOCUMENT' } @ends], [], 'all relations are between packages of the bill';

    my $own = $known{'SPDXRef-nginx-auth-token'};
    is $own->{packageFileName}, $archive, 'the bill names the archive';
    is_deeply $own->{checksums}, [{ algorithm => 'SHA256', checksumValue => $sha256 }], 'the bill has the checksum of the archive';

    my %named = map { lc $_->{name} => 1 } values %known;
    my %library = (crypto => 'openssl', crypt => 'libxcrypt', curl => 'libcurl', jansson => 'jansson', lmdb => 'lmdb', jwt => 'libjwt', m => 'glibc');
    my ($linked) = content("$root/config") =~ /^ngx_module_libs="(-l[^"]*)"$/m;
    ok $named{$library{$_}}, "the bill has the library -l$_" for $linked =~ /-l(\w+)/g;
}

# --- nginx without threads --------------------------------------------------

{
    my ($arguments) = output('sh', '-c', "$AuthToken::Server::NGINX -V 2>&1") =~ /^(configure arguments: .*)$/m;
    spew("$temp/nginx", "#!/bin/sh\ncat >&2 <<'END'\n" . $arguments =~ s/ --with-threads\b//r . "\nEND\n");
    chmod 0755, "$temp/nginx";

    my ($status, $text) = run('make', '-s', '-C', $root, 'module', "BUILD_ROOT=$temp/build", "NGINX=$temp/nginx");
    isnt $status, 0, 'a module for a nginx without threads is not built';
    is $text =~ s/^(?:configuring|make).*\n//mgr, "auth_token: nginx must be configured with --with-threads\n",
        'one sentence says that nginx needs threads';
}

done_testing;

# --- helpers ----------------------------------------------------------------

sub content ($path) {
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$fh> // '';
}

sub spew ($path, $text) {
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
}

sub sha256 ($path) { Digest::SHA->new(256)->addfile($path, 'b')->hexdigest }

sub run (@command) {
    open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die "@command: $!\n";
    local $/;
    my $text = <$pipe> // '';
    close $pipe;
    return ($?, $text);
}

sub output (@command) { (run(@command))[1] }
