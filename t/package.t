#!/usr/bin/perl

# Debian's packages: built, checked by lintian, and installed in a fresh Debian with the words of
# docs/install.md; upgraded, removed and purged while nginx answers requests.
#
# Requirements: debian-packages, fresh-debian.

use v5.36;

use lib 't/lib';
use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Token qw(key token);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my $root = $AuthToken::Server::ROOT;

my ($release) = content('/etc/os-release') =~ /^VERSION_CODENAME=(\w+)$/m;
plan skip_all => 'packages are not sanitized' if $ENV{AT_SANITIZE};
plan skip_all => 'only root can install packages in a directory' if $> != 0;
plan skip_all => 'no namespaces for mounts, processes and network'
    if system('unshare --mount --pid --net --fork true 2>/dev/null') != 0;

my $temp   = tempdir('at-package-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $debian = "$temp/debian";
my $module = 'libnginx-mod-http-auth-token';
my $tools  = 'auth-token-tools';

# the make that runs this test must not influence the make below
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

my ($init, $clients);
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
END {
    local $?;
    kill 'KILL', grep { defined } $init, $clients;
    1 while wait != -1;
}

# --- the packages -----------------------------------------------------------

# at the same time: a Debian to install them in
my $download = background("$root/t/lib/debian-root", $release, $debian);
my $build    = background('make', '-C', $root, 'deb', "DEB=$temp/deb");

waitpid $download, 0;
my $downloaded = $? == 0;
waitpid $build, 0;
is $?, 0, 'make deb builds packages' or BAIL_OUT(content("$temp/$build.log"));

my @debs = map { glob "$temp/deb/${_}_*.deb" } $module, $tools;
is scalar(@debs), 2, 'make deb builds the packages of module and command';
is_deeply [glob "$temp/deb/$module*.deb"], [$debs[0]], 'the pattern of the documentation matches one package';

my ($lint, $lint_text) = run('lintian', '--allow-root', '--fail-on', 'error', @debs);
is $lint, 0, 'lintian reports no errors' or diag $lint_text;

like output('dpkg-deb', '-f', $debs[0], 'Depends'), qr/\bnginx-abi-[\d.]+-\d+\b/, "the module depends on nginx's ABI";
my %files = map { $_ => join ' ', output('dpkg-deb', '-c', $_) =~ m{ \.(/\S+)$}mg } @debs;
like $files{$debs[0]}, qr{(?:^| )\Q$_\E(?: |$)}, "the module's package has $_"
    for '/usr/lib/nginx/modules/ngx_http_auth_token_module.so', '/var/lib/nginx/auth_token/', '/etc/nginx/auth_token/',
        '/usr/share/nginx/modules-available/mod-http-auth-token.conf',
        (map { "/usr/share/man/man5/ngx_http_auth_token_$_.5.gz" } qw(directives variables errors)),
        "/usr/share/doc/$module/examples/jwt/nginx.conf", "/usr/share/doc/$module/install.md";
like $files{$debs[1]}, qr{(?:^| )\Q$_\E(?: |$)}, "the command's package has $_"
    for qw(/usr/bin/auth-token /usr/share/man/man1/auth-token.1.gz /usr/share/bash-completion/completions/auth-token);

if (!$downloaded) {
    diag content("$temp/$download.log");
    note 'packages are not installed: no Debian could be downloaded';
    done_testing;
    exit;
}

# --- a fresh Debian ---------------------------------------------------------

my $text = content("$root/docs/install.md");
my ($section) = $text =~ /^## Debian packages\n(.*?)^## /ms;
my $promise = "From a fresh Debian 12: `apt install ./$module*.deb`, five lines of configuration, reload, and calls are authenticated.";
ok index($section =~ tr/\n/ /r, $promise) >= 0, 'the documentation says what follows';
my ($install, $reload) = $section =~ /^ *```sh\n *(.*?)\n *```/msg;
my ($file, $conf)      = $section =~ m{`(/etc/nginx/conf\.d/\S+)`.*?^ *```nginx\n(.*?)^ *```}ms;
$conf =~ s/^   //mg;
is $conf =~ tr/\n//, 5, 'the configuration has five lines';

ok !-e "$debian/usr/sbin/nginx", 'the fresh Debian has no nginx';
system('cp', @debs, "$debian/srv/") == 0 or die "cp: $?\n";

# downloads need the network of this machine; everything else is in a separate one
($ENV{DEBIAN_FRONTEND}, $ENV{LC_ALL}) = qw(noninteractive C.UTF-8);
my ($fetched, $fetch_text) = run('chroot', $debian, 'sh', '-c',
    "apt-get update -qq && apt-get install -qq --download-only -o APT::Sandbox::User=root /srv/*.deb curl");
if ($fetched != 0) {
    diag $fetch_text;
    note 'packages are not installed: their dependencies could not be downloaded';
    done_testing;
    exit;
}

# stands for an init system: services are started
spew("$debian/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n");
chmod 0755, "$debian/usr/sbin/policy-rc.d";

start_debian();
start_provider();

my ($installed, $install_text) = in_debian("echo y | $install");
is $installed, 0, $install or diag $install_text;
is readlink "$debian/etc/nginx/modules-enabled/50-mod-http-auth-token.conf",
    '/usr/share/nginx/modules-available/mod-http-auth-token.conf', 'the module is enabled';
my $master = master();
ok $master, "nginx was started by Debian's package";
like content("/proc/$master/maps"), qr/ngx_http_auth_token_module\.so$/m, 'nginx was reloaded with the module';

trust_provider();
spew("$debian$file", $conf);
my ($reloaded, $reload_text) = in_debian($reload);
is $reloaded, 0, $reload or diag $reload_text;

my %claims = (iss => 'https://login.example.com', exp => time + 3600);
my $good = token(header => { kid => 'rsa' }, claims => \%claims);
my $far  = token(header => { kid => 'rsa' }, claims => { %claims, aud => 'other' });
ok eval { AuthToken::Log::await_true(sub { request($good) =~ / 200 / }, 'keys of the provider') },
    'a call with a token of the provider is granted' or diag request($good), content("$debian/var/log/nginx/error.log");
like request($good), qr/^hello, Authorization: ""$/m, 'the API sees no token';
like request(), qr/^HTTP.* 401 .*"API_INVALID_ACCESS_TOKEN"/s, 'a call without a token is refused';
like request($far), qr/^HTTP.* 401 /, 'a call with a token for another audience is refused';

ok -s "$debian/var/lib/nginx/auth_token/key", 'the state directory is in use';

# --- the command ------------------------------------------------------------

is +(in_debian("apt-get install -qq ./${tools}_*.deb"))[0], 0, 'the package of the command is installed';
is +(in_debian('auth-token init --group www-data'))[0], 0, 'the command makes a store';
my ($api_token) = (in_debian('auth-token token create --id ci'))[1] =~ /^token +(\S+)$/m;
ok defined $api_token, 'the command makes an API token';
is +(in_debian('auth-token key generate --out /etc/nginx/auth_token/app'))[0], 0, 'the command makes a key';

spew("$debian/etc/nginx/conf.d/store.conf", "auth_token_store lmdb:/var/lib/auth-token;\n");
in_debian($reload);
ok eval { AuthToken::Log::await_true(sub { request(undef, "X-API-Token: $api_token") =~ / 200 / }, 'the store') },
    'a call with an API token is granted';

# --- upgrade, removal, purge under load -------------------------------------

begin_load();

my @new = map { upgraded($_) } @debs;
my ($upgraded, $upgrade_text) = in_debian("apt-get install -qq @new");
is $upgraded, 0, 'both packages are upgraded' or diag $upgrade_text;
is output('chroot', $debian, 'dpkg-query', '-W', '-f', '${Version}', $_) =~ s/.*-//r, 2, "$_ has the new version"
    for $module, $tools;
ok eval { AuthToken::Log::await_true(sub { master() && master() != $master }, 'a new master') },
    'a new master process was started';
$master = master();
unlike content("/proc/$master/maps"), qr/ngx_http_auth_token_module\.so \(deleted\)/,
    'the new master process has loaded the new module';
like request(undef, "X-API-Token: $api_token"), qr/^HTTP.* 200 /, 'the store is kept by the upgrade';

is +(in_debian("apt-get remove -qq $module $tools"))[0], 0, 'both packages are removed';
ok !-e "$debian/usr/lib/nginx/modules/ngx_http_auth_token_module.so", 'the module is removed';
ok !-l "$debian/etc/nginx/modules-enabled/50-mod-http-auth-token.conf", 'the module is disabled';
ok -s "$debian/var/lib/nginx/auth_token/key", 'removal keeps the state directory';

# its configuration is still there: a reload fails, and the old processes continue
like request($good), qr/^HTTP.* 200 /, 'nginx still grants calls with a valid token';
like request(), qr/^HTTP.* 401 /, 'nginx still refuses calls without a token';

is +(in_debian("apt-get install -qq @new"))[0], 0, 'both packages are installed again';
ok -l "$debian/etc/nginx/modules-enabled/50-mod-http-auth-token.conf", 'the module is enabled again';

is +(in_debian("apt-get purge -qq $module $tools"))[0], 0, 'both packages are purged';
ok !-e "$debian$_", "purge removes $_"
    for qw(/var/lib/nginx/auth_token /etc/nginx/modules-enabled/50-mod-http-auth-token.conf.removed);
ok -e "$debian$_", "purge keeps $_, which the administrator made"
    for qw(/var/lib/auth-token/data.mdb /etc/nginx/auth_token/app);

my ($requests, @failed) = end_load();
cmp_ok $requests, '>', 100, 'requests were sent all the time';
is_deeply \@failed, [], 'every one of them got the right response';

unlink "$debian$file", "$debian/etc/nginx/conf.d/store.conf";
is +(in_debian('service nginx restart'))[0], 0, 'without the directives nginx starts without the module';
unlike content("$debian/var/log/nginx/error.log"), qr/\[(?:alert|crit)\]/, 'no alarm is logged';

done_testing;

# --- helpers ----------------------------------------------------------------

sub content ($path) {
    open my $fh, '<:raw', $path or return '';
    local $/;
    return <$fh> // '';
}

sub spew ($path, $text) {
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
}

# runs a command whose output is in a file with the number of its process
sub background (@command) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$temp/$$.log" or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    exec @command or POSIX::_exit(127);
}

sub run (@command) {
    my $pid = background(@command);
    waitpid $pid, 0;
    return ($?, content("$temp/$pid.log"));
}

sub output (@command) { (run(@command))[1] }

# A process in its own namespaces for mounts, processes and network, the parent of all that is
# started there.
sub start_debian () {
    my $init_text = q{
        system 'ip', 'link', 'set', 'lo', 'up';
        system 'mount', '-t', 'proc', 'proc', "$ARGV[0]/proc";
        $SIG{CHLD} = 'IGNORE';
        sleep 10 while 1;
    };
    my $outside = background('unshare', '--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc',
                             $^X, '-e', $init_text, $debian);
    $init = $outside;
    AuthToken::Log::await_true(sub { inside() && -e "/proc/@{[inside()]}/root$debian/proc/1/stat" }, 'namespaces');
}

# the first process in the namespaces, as seen from outside
sub inside () { content("/proc/$init/task/$init/children") =~ /(\d+)/ && $1 }

sub in_namespace (@command) { ('nsenter', '-t', inside(), '-m', '-p', '-n', '--', @command) }

# a shell command in the fresh Debian, in the directory of the packages
sub in_debian ($command) {
    return run(in_namespace('env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LC_ALL=C.UTF-8',
                            'DEBIAN_FRONTEND=noninteractive', 'chroot', $debian, 'sh', '-c', "cd /srv && $command"));
}

# the process of nginx's master, as seen from outside
sub master () {
    my ($pid) = map { /(\d+)/ } -e "$debian/run/nginx.pid" ? content("$debian/run/nginx.pid") : ();
    return if !$pid;
    my ($found) = map { m{/proc/(\d+)/} } grep { content($_) =~ /^NSpid:\s+\d+\s+$pid$/m } glob '/proc/[0-9]*/status';
    return $found;
}

# https://login.example.com, and the API behind nginx
sub start_provider () {
    my $issuer = 'https://login.example.com';
    mkdir "$temp/provider";
    mkdir "$temp/provider/.well-known";
    spew("$temp/provider/.well-known/openid-configuration", qq({"issuer":"$issuer","jwks_uri":"$issuer/jwks"}));
    spew("$temp/provider/jwks", '{"keys":[' . key('rsa')->jwk(kid => 'rsa') . ']}');
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=login.example.com',
        '-addext', 'subjectAltName=DNS:login.example.com', '-keyout', "$temp/key.pem", '-out', "$temp/crt.pem");
    chmod 0755, $temp;
    spew("$temp/provider.conf", <<"CONF");
        pid $temp/provider.pid;
        error_log $temp/provider.log;
        events {}
        http {
            access_log off;
            server {
                listen 127.0.0.1:443 ssl;
                ssl_certificate     $temp/crt.pem;
                ssl_certificate_key $temp/key.pem;
                default_type application/json;
                root $temp/provider;
            }
            server {
                listen 127.0.0.1:9000;
                return 200 'hello, Authorization: "\$http_authorization"\n';
            }
        }
CONF
    my ($status, $text) = run(in_namespace($AuthToken::Server::NGINX, '-c', "$temp/provider.conf"));
    die $text if $status != 0;
}

# name and certificate of the provider, as the Internet would have them
sub trust_provider () {
    spew("$debian/etc/hosts", "127.0.0.1 localhost login.example.com\n");
    system('cp', "$temp/crt.pem", "$debian/usr/local/share/ca-certificates/login.crt") == 0 or die "cp: $?\n";
    is +(in_debian('update-ca-certificates'))[0], 0, 'the certificate of the provider is trusted';
}

# the response to a call
sub request ($token = undef, @headers) {
    push @headers, "Authorization: Bearer $token" if defined $token;
    return output(in_namespace('curl', '-sS', '-i', '--max-time', '10', (map { ('-H', $_) } @headers),
                               'http://127.0.0.1:8080/'));
}

# the same package with another version
sub upgraded ($deb) {
    my $dir = "$temp/new";
    my ($name) = $deb =~ m{([^/_]+)_[^/]*\z};
    system('rm', '-rf', $dir);
    system('dpkg-deb', '-R', $deb, $dir) == 0 or die "dpkg-deb: $?\n";
    spew("$dir/DEBIAN/control", content("$dir/DEBIAN/control") =~ s/^Version: .*-\K1$/2/mr);
    system("dpkg-deb -Znone -b $dir $debian/srv/$name-2.deb >/dev/null") == 0 or die "dpkg-deb: $?\n";
    return "./$name-2.deb";
}

# Sends calls with and without a token, until a file exists; writes their number and wrong responses.
sub begin_load () {
    $clients = background(in_namespace($^X, '-MIO::Socket::INET', '-e', q{
        my ($stop, $token) = @ARGV;
        my ($n, %expected) = (0, 200 => "Authorization: Bearer $token\r\n", 401 => '');
        until (-e $stop) {
            for my $status (200, 401) {
                my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:8080', Timeout => 10)
                    or print("cannot connect: $!\n"), next;
                print $socket "GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n$expected{$status}\r\n";
                my $line = <$socket> // 'nothing';
                $n++;
                print "$status expected: $line\n" if $line !~ / $status /;
            }
            select undef, undef, undef, 0.02;
        }
        print "requests: $n\n";
    }, "$temp/stop", $good));
}

sub end_load () {
    spew("$temp/stop", '');
    waitpid $clients, 0;
    my @lines = split /\n/, content("$temp/$clients.log");
    undef $clients;
    my ($n) = map { /^requests: (\d+)$/ } @lines;
    return ($n // 0, grep { !/^requests: / } @lines);
}
