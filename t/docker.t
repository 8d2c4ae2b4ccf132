#!/usr/bin/perl

# Dockerfile and compose.yaml, without a container engine: the steps agree with the Makefile and
# deps.sh, .dockerignore excludes nothing that is needed, the entry point makes and fills the store
# and runs nginx under its user.  As root, the image and the services of compose.yaml run in
# separate directories and a separate network.
#
# Requirements: container-image.

use v5.36;

use lib 't/lib';
use AuthToken::Server;
use AuthToken::Token qw(key good_token);
use CPAN::Meta::YAML;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use AuthToken::Export;
use JSON::PP ();
use POSIX ();
use Test::More;

# Debian's users do not have nginx in their path
$ENV{PATH} .= ':/usr/sbin';

my $root  = $AuthToken::Server::ROOT;
my $build = $AuthToken::Server::BUILD;

my $temp = tempdir('at-docker-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $temp;

# the make that runs this test must not influence the make below
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
my @make = ('make', '-C', $root, '--no-print-directory', $ENV{AT_SANITIZE} ? 'SANITIZE=1' : ());

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my ($server, $inside, @started);
END {
    local $?;
    kill 'KILL', @started;
    if ($server) {
        kill 'KILL', -$server;
        waitpid $server, 0;
    }
}

my @stages = stages();

# --- the steps --------------------------------------------------------------

is scalar(@stages), 2, 'the Dockerfile has two stages';
my ($first, $second) = @stages;

is $first->{FROM}[0], 'debian:12 AS build', 'the first stage begins with Debian 12';
is_deeply $second->{FROM}, ['scratch'], 'the second stage begins with nothing';
is_deeply $first->{RUN}, ['./deps.sh build image', 'make', 'make install DESTDIR=/out', 'packaging/image /out /image'],
    'the first stage installs dependencies, builds, installs, and makes the root directory of the image';
is_deeply $first->{COPY}, ['deps.sh .', '. .'], 'the first stage copies this directory';

my ($deps) = output(@make, '-n', 'deps') =~ /^(\S+ \S+)/m;
is "$deps image", $first->{RUN}[0], 'make deps installs the same group of packages';
like output('sed', '-n', '/^demo:/,/^$/p', "$root/Makefile"), qr/^\t\Q$deps\E\b/m,
    'make demo installs the same group of packages';

# -p prints the rules, -q prevents building
like output(@make, '-pq'), qr/^\.DEFAULT_GOAL := all$/m, 'make without a target is make all';

# --- installed files --------------------------------------------------------

my @files = map { "$build/$_" } qw(ngx_http_auth_token_module.so auth-token);
my %installed = installed();

is_deeply [sort keys %installed],
    [qw(/usr/bin/auth-token
        /usr/lib/nginx/modules/ngx_http_auth_token_module.so
        /usr/share/bash-completion/completions/auth-token
        /usr/share/man/man1/auth-token.1)],
    'make install installs module, command, completion and manual page';

my $conf = slurp("$root/conf-examples/docker/nginx.conf");
my ($module) = $conf =~ /^load_module (\S+);$/m;
ok $installed{$module}, 'the configuration loads the installed module';

# --- build context ----------------------------------------------------------

my @context = context();
is_deeply [grep { /^(?:\.git|build|t|bench)\b/ } @context], [],
    'the context has no history, no built files and no tests';

# make -n runs lines with $(MAKE)
make_path("$temp/context/build/nginx");
system 'cp', '-R', '--', (map { "$root/$_" } @context), "$temp/context";

my $plan = output('make', '-C', "$temp/context", 'MAKE=true', '-n', 'all', 'install',
                  'DESTDIR=/out');
is $?, 0, 'the context is sufficient for make' or diag $plan;
ok -e "$temp/context/$_", "$_ is in the context"
    for qw(deps.sh docs/auth-token.1.in packaging/image), map { (split ' ')[0] } grep { !/^--from/ }
       $second->{COPY}->@*;

# --- how it runs ------------------------------------------------------------

is_deeply $second->{USER}, ['www-data'], 'the user is unprivileged';
is_deeply $second->{EXPOSE}, ['8080'], 'the port is exposed';
is_deeply $second->{STOPSIGNAL}, ['SIGQUIT'], 'stopping the container does not drop a request';
is_deeply $second->{COPY}, ['--from=build /image/ /',
                            'conf-examples/docker/nginx.conf /etc/nginx/nginx.conf',
                            'conf-examples/docker/conf.d/ /etc/nginx/conf.d/',
                            'conf-examples/docker/entrypoint.sh /usr/bin/nginx-auth-token'],
    'the configuration and the entry point are copied';

my ($store) = ($second->{VOLUME} // [''])->[0];
like slurp("$root/packaging/image"), qr/^store=\Q$store\E$/m, 'the store is a volume that the image has';

my $api = slurp("$root/conf-examples/docker/conf.d/api.conf");
like $api, qr/^    listen 8080;$/m, 'the configuration listens on the exposed port';

like $api, qr/^auth_token_store lmdb:\Q$store\E;$/m, 'the configuration uses the store in the volume';

my $script = "$root/conf-examples/docker/entrypoint.sh";
ok -x $script, 'the entry point is executable';
is_deeply [JSON::PP->new->decode($second->{ENTRYPOINT}[0])->@*], ['nginx-auth-token'], 'the entry point is run by its name';

my $port  = AuthToken::Server::_free_port();
my $user  = $> == 0 ? 'www-data' : '';
my $image = "$temp/image";

prepare();

my @entry = "$image/bin/nginx-auth-token";
my ($status, $output) = run(@entry, '-t');
is $status, 0, 'nginx -t succeeds' or diag $output;
my @written = map { s{^\Q$image\E}{}r } split /\n/, output('find', $image, '-mindepth', '1');
is_deeply [grep { !m{^/(?:etc|bin|tmp|stdout|stderr|sanitizer|var(?:/lib(?:$|/auth-token)|$))} } @written],
    [], 'only /tmp and the store are written';
is sprintf('%04o', (stat "$image/var/lib/auth-token/data.mdb")[2] & 07777), '0640', 'the entry point has made the store';

# without a file of records
$server = begin(@entry);
is status_of('/'), 401, "nginx runs as $user and requires a token";
ok eval { AuthToken::Log->new("$image/stdout")->await(
          qr/"GET \/ HTTP\/1.1" 401 user="-" client="-" reason="no_credential"$/) },
    'the access log is written to standard output';
like slurp("$image/stderr"), qr/ auth_token: 401 /, 'the error log is written to standard error';

# without an upstream a granted request gets 502
my $passed = 502;
is status_of('/', token => good_token()), $passed, 'a request with a valid JWT is granted';

my ($live) = command('token', 'create', '--id', 'live') =~ /^token +(\S+)$/m;
is status_of('/', api_token => $live), $passed, 'an API token made by the command is granted';
command('token', 'disable', 'live');
is status_of('/', api_token => $live), 403, 'an API token disabled by the command is refused';
command('token', 'enable', 'live');
ended();

$server = begin(@entry);
is status_of('/', api_token => $live), $passed, 'the store is kept after the end of the container';
ended();

# with a file of records: the store has these and no others
my %text = map { $_ => "$_-" . '0' x 32 } qw(one two);
my $json = "$image/etc/nginx/auth_token/store.jsonl";

sub mount (@ids) {
    spew($json, export_text(tokens => [map { { id => $_, token => $text{$_} } } @ids]));
}

mount(qw(one two));
$server = begin(@entry);
is status_of('/', api_token => $text{$_}), $passed, "the API token $_ of the mounted file is granted" for qw(one two);
is status_of('/', api_token => $live), 401, 'an API token that is not in the file is removed';
like slurp("$image/stderr"), qr/^tokens +2 added, 0 changed, 0 unchanged, 1 removed; 2 unrestricted$/m,
    'the import is logged';
ended();

mount('two');
$server = begin(@entry);
is status_of('/', api_token => $text{one}), 401, 'an API token removed from the file is revoked';
is status_of('/', api_token => $text{two}), $passed, 'the other API token is kept';
ended();

# an invalid or missing file ends the container
for my $row (['a truncated file', sub { spew($json, substr slurp($json), 0, 40) }],
             ['an unreadable file', sub { mount('two'); chmod 0, $json }, $user],
             ['a missing file', sub { unlink $json; $ENV{AUTH_TOKEN_IMPORT} = "$image/no.json" }])
{
    my ($name, $break, $if) = @$row;
    next if defined $if && !$if;
    $break->();
    my ($status, $output) = run(@entry);
    isnt $status, 0, "$name: the container does not start";
    like $output, qr/^auth-token: .*(?:store|no)\.json/m, "$name: the message names the file";
}
delete $ENV{AUTH_TOKEN_IMPORT};

$server = begin(@entry);
is status_of('/', api_token => $text{two}), $passed, 'the store is unchanged after these errors';
ended();

# the only warning: all processes have one user
my $errors = slurp("$image/stderr");
my @warnings = $errors =~ /^(.*\[warn\].*)$/mg;
ok @warnings, 'nginx warns about its user';
is_deeply [grep { !/worker processes could write .* nginx runs as a single user \(\d+\)/ } @warnings], [],
    'no other warning is logged';
unlike $errors, qr/\[(?:alert|crit|emerg)\]|Sanitizer|runtime error/, 'the error log has no alarm';
my $logs = $errors . slurp("$image/stdout") =~ s/^token .*\n//mr;
is_deeply [grep { index($logs, $_) >= 0 } $live, values %text, 'eyJ'], [], 'no log contains a token';
is_deeply [glob "$temp/sanitizer/*"], [], 'no sanitizer report';

# --- compose.yaml -----------------------------------------------------------

{
    my ($status, $text) = of('docker-compose', '-f', "$root/compose.yaml", 'config', '-q');
    is $status, 0, 'docker-compose accepts compose.yaml' or diag $text;
}

# --- the image --------------------------------------------------------------

SKIP: {
    skip 'only root can run the image, not sanitized', 1 if $> != 0 || $ENV{AT_SANITIZE};
    skip 'not everything is built', 1 if !-d "$temp/out";
    skip 'no namespaces for mounts, processes and network', 1
        if system('unshare --mount --pid --net --fork true 2>/dev/null') != 0;

    my ($status, $text) = of('sh', '-c', "cd $root && packaging/image $temp/out $temp/root");
    is $status, 0, 'the root directory of the image is made' or diag $text;
    my ($size) = output('du', '-sm', "$temp/root") =~ /^(\d+)/;
    cmp_ok $size, '<', 40, "the image is small: $size MB";
    ok !-e "$temp/root/usr/bin/$_", "the image has no $_" for qw(apt perl gcc env);
    ok -s "$temp/root/var/lib/dpkg/status.d/$_", "the image lists its package $_" for qw(libssl3 libcurl4 nginx libc6 ca-certificates);

    my $compose = CPAN::Meta::YAML->read_string(slurp("$root/compose.yaml"))->[0];
    is_deeply [sort keys $compose->%*], ['services', 'volumes'], 'compose.yaml has services and volumes';
    my %service = $compose->{services}->%*;
    is_deeply [sort keys %service], ['api', 'nginx'], 'compose.yaml starts nginx and an API';
    my @known = qw(build depends_on entrypoint image ports read_only tmpfs volumes);
    for my $name (sort keys %service) {
        is_deeply [grep { my $key = $_; !grep { $_ eq $key } @known } keys $service{$name}->%*], [], "$name: known keys";
        for my $volume ($service{$name}{volumes}->@*) {
            my ($from, $to) = split /:/, $volume;
            ok $from =~ m{^\./} ? -d "$root/$from" : exists $compose->{volumes}{$from}, "$name: the volume $from exists";
        }
    }
    is_deeply $service{nginx}{ports}, ['127.0.0.1:8080:8080'], 'the port of the image is published on loopback';

    # one network; each service has its directory
    my $outside = as_root('unshare', '--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc',
                        'sh', '-c', 'ip link set lo up; exec sleep 600');
    push @started, $outside;
    AuthToken::Log::await_true(sub { $inside = (split ' ', children($outside))[0] }, 'namespaces');

    for my $name (qw(api nginx)) {
        my $dir = "$temp/$name";
        system('cp', '-a', "$temp/root", $dir) == 0 or die "cp: $?\n";
        system('mkdir', '-p', "$dir/dev", "$dir/proc/self") == 0 or die "mkdir: $?\n";
        system('mknod', '-m', '666', "$dir/dev/null", 'c', '1', '3') == 0 or die "mknod: $?\n";
        spew("$dir/dev/$_", '') for qw(stdout stderr);
        chmod 0666, "$dir/dev/stdout", "$dir/dev/stderr";
        spew("$dir/etc/hosts", "127.0.0.1 localhost api\n");
        for (grep { !/^--from/ } $second->{COPY}->@*) {
            my ($from, $to) = split ' ';
            system("cp -R $root/$from" . (-d "$root/$from" ? '.' : '') . " $dir$to") == 0 or die "cp: $?\n";
        }
        for (map { [split /:/] } grep { m{^\./} } $service{$name}{volumes}->@*) {
            system("rm -rf $dir$_->[1]; cp -R $root/$_->[0] $dir$_->[1]") == 0 or die "cp: $?\n";
        }
        my @entry = $service{$name}{entrypoint} ? $service{$name}{entrypoint}->@* : ('nginx-auth-token');
        push @started, as_root(in_service($name, @entry));
    }

    my $call = sub (@headers) {
        output('nsenter', '-t', $inside, '-n', 'curl', '-sS', '-i', '--max-time', '10',
               (map { ('-H', $_) } @headers), 'http://127.0.0.1:8080/');
    };
    ok eval { AuthToken::Log::await_true(sub { $call->() =~ / 401 / }, 'nginx') },
        'without a token the response is 401' or diag slurp("$temp/services.log");

    my ($step) = slurp("$root/compose.yaml") =~ /^#   docker compose exec nginx (auth-token .*)$/m;
    my ($token) = output(in_service('nginx', split ' ', $step)) =~ /^token +(\S+)$/m;
    ok defined $token, 'auth-token in the container makes an API token';
    like $call->("X-API-Token: $token"), qr/^HTTP\S+ 200 .*\{"client":"me","scope":"read"\}$/s,
        'with the token the example API answers with the identity of the caller';

    unlike slurp("$temp/services.log"), qr/\[(?:alert|crit|emerg)\]/, 'no alarm is logged';

    kill 'KILL', @started;
    waitpid $_, 0 for @started;
    @started = ();
}

done_testing;

# --- the Dockerfile ---------------------------------------------------------

# the stages; each is a hash of instruction => list of arguments
sub stages () {
    my $text = slurp("$root/Dockerfile");
    $text =~ s/^\s*#.*\n//mg;
    $text =~ s/\\\n\s*/ /g;

    my @stages;
    for (grep { /\S/ } split /\n/, $text) {
        my ($instruction, $arguments) = /^([A-Z]+) +(.*?) *$/ or die "Dockerfile: $_\n";
        push @stages, {} if $instruction eq 'FROM';
        push $stages[-1]{$instruction}->@*, $arguments =~ s/  +/ /gr;
    }
    return @stages;
}

# names that .dockerignore does not exclude
sub context () {
    my @lines = grep { /\S/ && !/^#/ } split /\n/, slurp("$root/.dockerignore");
    is shift @lines, '*', '.dockerignore excludes everything first';
    my @names = map { /^!([\w.-]+)$/ ? $1 : die ".dockerignore: $_\n" } @lines;
    ok -e "$root/$_", "$_, which .dockerignore includes, exists" for @names;
    return @names;
}

# --- files and packages -----------------------------------------------------

# The files of make install, or of make -n install if not everything is built.
sub installed () {
    my $out = "$temp/out";
    my $done;

    if (system(join ' ', @make, '-q', 'all', '>/dev/null 2>&1') == 0) {
        $done = output(@make, 'install', "DESTDIR=$out");
        is $?, 0, 'make install' or diag $done;
        return map { s/^\Q$out\E//r => 1 } split /\n/, output('find', $out, '-type', 'f');
    }

    $done = output(@make, '-n', 'install', "DESTDIR=$out");
    # the target is a directory or a new name
    return map { m{^install -m \d+ (?:\S*/)?(\S+) \Q$out\E(\S+/)?(\S*)$}
                     ? ($2 . (length $3 ? $3 : $1) => 1) : () }
           split /\n/, $done;
}

# --- running the image ------------------------------------------------------

# a directory with the files of the image; the user owns /tmp and the store
sub prepare () {
    make_path(map { "$image/$_" } qw(etc/nginx/conf.d etc/nginx/auth_token tmp bin var/lib/auth-token));
    mkdir "$temp/sanitizer";
    chmod 01777, "$image/tmp", "$temp/sanitizer";

    # as in the second stage
    chmod 02750, "$image$store";
    chown +(getpwnam $user)[2, 3], "$image$store" if $user;

    # an idle worker process does not free its connections (ngx_event_process_init)
    spew("$temp/lsan.supp", slurp("$root/t/lib/lsan.supp") . "leak:^ngx_alloc\$\n");

    my $replace = sub ($text) {
        $text =~ s{(/usr/lib/nginx/modules/)|(/(?:etc/nginx|tmp)/|\Q$store\E)}{$1 ? "$image/bin/" : "$image$2"}ge;
        $text =~ s{listen 8080;}{listen 127.0.0.1:$port;}g;
        $text =~ s{127\.0\.0\.1:9000}{127.0.0.1:1}g;
        return $text;
    };

    spew("$image/etc/nginx/nginx.conf", $replace->($conf));
    spew("$image/etc/nginx/conf.d/api.conf", $replace->($api));
    spew("$image/etc/nginx/auth_token/issuer.pem", key('rsa')->pem);

    spew("$image/bin/nginx-auth-token", $replace->(slurp($script)));
    chomp(my $nginx = output('sh', '-c', "command -v $AuthToken::Server::NGINX"));
    spew("$image/bin/nginx", "#!/bin/sh\nexec $nginx \"\$@\"\n");

    # the user may have no access to the build directory
    for my $file (@files) {
        system('cp', $file, "$image/bin/") == 0 or die "cp $file: $?\n";
    }
    chmod 0755, glob "$image/bin/*";

    # as a container runtime does
    for (qw(stdout stderr)) {
        spew("$image/$_", '');
        chown scalar(getpwnam $user), -1, "$image/$_" if $user;
    }
}

# docker exec
sub command (@arguments) {
    my $before = length slurp("$image/stdout");
    my $pid = begin("$image/bin/auth-token", @arguments);
    waitpid $pid, 0;
    is $?, 0, "auth-token @arguments";
    return substr slurp("$image/stdout"), $before;
}

sub ended () {
    kill 'QUIT', $server;
    waitpid $server, 0;
    is $?, 0, 'it ends when it is asked to';
    undef $server;
}

# runs a command as the user of the image, in its own process group
sub begin (@command) {
    my @where = $command[0] =~ /nginx/ ? ('-p', $image, '-c', "$image/etc/nginx/nginx.conf") : ();

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    POSIX::setsid();
    %ENV = (%ENV, AuthToken::Server::_sanitizer({ dir => $temp }),
            PATH => "$image/bin:$ENV{PATH}", AUTH_TOKEN_STORE => "lmdb:$image$store",
            LSAN_OPTIONS => "suppressions=$temp/lsan.supp:print_suppressions=0");
    open STDIN, '<', '/dev/null';

    if ($user) {
        my ($uid, $gid) = (getpwnam $user)[2, 3];
        $) = $( = $gid;
        $) = "$gid $gid";
        POSIX::setgid($gid);
        POSIX::setuid($uid);
    }

    open STDOUT, '>>', "$temp/image/stdout" or POSIX::_exit(126);
    open STDERR, '>>', "$temp/image/stderr" or POSIX::_exit(126);
    exec { $command[0] } @command, @where or POSIX::_exit(127);
}

sub run (@command) {
    my $pid = begin(@command);
    waitpid $pid, 0;
    return ($? >> 8 || $?, slurp("$temp/image/stderr"));
}

sub status_of ($path, %o) {
    AuthToken::Log::await_true(sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
            || waitpid($server, POSIX::WNOHANG()) != 0;
    }, 'nginx to listen');

    my $connection = AuthToken::Client->connect(port => $port);
    $connection->send(AuthToken::Client::request_bytes($path, close => 1, %o));
    return $connection->response->{status};
}

# --- services of compose.yaml -----------------------------------------------

sub children ($pid) { -e "/proc/$pid/task/$pid/children" ? slurp("/proc/$pid/task/$pid/children") : '' }

sub as_root (@command) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$temp/services.log" or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    exec @command or POSIX::_exit(127);
}

# a command in the directory of a service, as the user of the image
sub in_service ($name, @command) {
    return ('nsenter', '-t', $inside, '-m', '-p', '-n', '--', 'chroot', '--userspec=www-data', "$temp/$name",
            @command);
}

# --- helpers ----------------------------------------------------------------

# status and output of a command
sub of (@command) {
    my $text = output('sh', '-c', 'exec "$@" 2>&1', 'sh', @command);
    return ($?, $text);
}


sub output (@command) {
    my $pid = open my $pipe, '-|' // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    local $/;
    my $text = <$pipe> // '';
    close $pipe;
    return $text;
}

sub slurp ($path) {
    open my $fh, '<:raw', $path or die "$path: $!\n";
    local $/;
    return <$fh> // '';
}

sub spew ($path, $text) {
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh or die "$path: $!\n";
}
