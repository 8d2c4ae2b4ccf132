package AuthToken::Server;

# A stock nginx with the module loaded: its directory, configuration, ports,
# process and logs.

use v5.36;

use AuthToken::Client;
use AuthToken::Log;
use AuthToken::Token ();
use AuthToken::Upstream;
use Carp qw(croak);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOMAXCONN);
use Time::HiRes qw(time sleep);

our $ROOT  = File::Spec->rel2abs(dirname(__FILE__) . '/../../..');
our $BUILD = File::Spec->rel2abs($ENV{AT_BUILD} || "$ROOT/build");
our $NGINX = $ENV{AT_NGINX} || 'nginx';

$BUILD = File::Spec->canonpath($BUILD);

# shared by all test files
$AuthToken::Token::KEYS = "$BUILD/test-keys";

my $module = "$BUILD/ngx_http_auth_token_module.so";

# --- configuration ----------------------------------------------------------

# Options: files (name => content, written into the directory before), main,
# events, http (directives for those levels), workers, load (0: without the
# module), log_level, env (of the process).
sub new ($class, $conf, %o) {
    my $dir = tempdir('at-XXXXXXXX', TMPDIR => 1, CLEANUP => !$ENV{AT_KEEP});
    chmod 0755, $dir;

    my $self = bless {
        dir      => $dir,
        owner    => $$,
        text     => $conf,
        options  => \%o,
        ports    => {},
        upstream => AuthToken::Upstream->new($dir),
        errors   => AuthToken::Log->new("$dir/error.log"),
        access   => AuthToken::Log::Tagged->new("$dir/access.log"),
    }, $class;

    mkdir "$dir/$_" for qw(html sanitizer);
    chmod 01777, "$dir/sanitizer";

    my $files = $o{files} // {};
    $self->write($_, $files->{$_}) for sort keys %$files;
    $self->configure($conf);

    return $self;
}

sub dir ($self)      { $self->{dir} }
sub upstream ($self) { $self->{upstream} }
sub errors ($self)   { $self->{errors} }
sub access ($self)   { $self->{access} }
sub conf_file ($self) { "$self->{dir}/nginx.conf" }

# Writes a file of the directory to a temporary file and renames it; makes its directory.
sub write ($self, $name, $content) {
    my $path = "$self->{dir}/$name";

    make_path(dirname($path));
    open my $fh, '>:raw', "$path.new" or croak "$path: $!";
    print $fh $content;
    close $fh or croak "$path: $!";
    rename "$path.new", $path or croak "$path: $!";

    return $path;
}

# %%PORT%% (and %%PORT2%% ...) is a free port, %%LISTEN%% is 127.0.0.1:%%PORT%%,
# %%DIR%% the server's directory, %%UPSTREAM%% the URL for proxy_pass, %%TLS%%
# the directives for a certificate and its key, %%ISSUER%% the issuer block "main"
# for the tokens of good_token(), and %%ISSUER NAME: DIRECTIVE;...%%, up to the end of
# a line, a block with other directives.
sub expand ($self, $text) {
    $text =~ s/%%ISSUER%%/$self->_issuer/ge;
    $text =~ s/%%ISSUER (\S+):(.*?)%%$/$self->_issuer($1, $2)/gmse;
    $text =~ s/%%TLS%%/_tls()/ge;
    $text =~ s/%%LISTEN(\d*)%%/127.0.0.1:%%PORT$1%%/g;
    $text =~ s/%%PORT(\d*)%%/$self->port($1)/ge;
    $text =~ s/%%DIR%%/$self->{dir}/g;
    $text =~ s{%%UPSTREAM%%}{http://upstream}g;
    croak "unknown placeholder $1" if $text =~ /(%%\w+%%)/;
    return $text;
}

sub _issuer ($self, $name = 'main', $lines = '') {
    my $has  = sub ($directives) { $lines =~ /(?:\A|;)\s*(?:$directives) / };
    my $text = ($has->('issuer') ? '' : ' issuer https://issuer.example;')
             . ($has->('audience') ? '' : ' audience api;')
             . ($has->('key_file|jwks_uri|discovery|signing_key') ? '' : ' key_file %%DIR%%/rsa.pem;');
    $self->write('rsa.pem', AuthToken::Token::key('rsa')->pem)
        if $text =~ /rsa\.pem/ && !-e "$self->{dir}/rsa.pem";

    # on one line, so that the lines of a configuration keep their numbers
    return "auth_token_issuer $name {$text$lines }";
}

sub _tls () {
    my $file = "$AuthToken::Token::KEYS/tls.pem";

    AuthToken::Token::make_once($file, sub ($aside) {
        system "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost"
             . " -days 3650 -keyout $aside.key -out $aside >$aside.log 2>&1"
             . " && cat $aside.key >>$aside";
        unlink "$aside.key", "$aside.log";
    });

    return "ssl_certificate $file; ssl_certificate_key $file;";
}

# Writes the configuration, which the next start or reload reads.
sub configure ($self, $conf) {
    my %o = $self->{options}->%*;
    my $dir = $self->{dir};
    my $load = $o{load} // 1;

    croak "$module: not found; run make first" if $load && !-e $module;

    # the access log has the decision, by the module's variables
    my @decision = map { qq("$_":"\$auth_token_$_") }
                   qw(status reason method issuer user client role scope endpoint
                      subject fingerprint);
    my $members = join ',', $load ? @decision : ();

    my $text = join '',
        $> == 0 ? "user www-data;\n" : '',
        $load ? "load_module $module;\n" : '',
        'worker_processes ', $o{workers} // 1, ";\n",
        "pid $dir/nginx.pid;\n",
        "error_log $dir/error.log ", $o{log_level} // 'info', ";\n",
        _sanitizer_env(),
        $o{main} // '', "\n",
        "events { worker_connections 1024; ", $o{events} // '', " }\n",
        "http {\n",
        (map { "    ${_}_temp_path $dir/${_}_temp;\n" }
             qw(client_body proxy fastcgi uwsgi scgi)),
        "    root $dir/html;\n",
        "    log_format test escape=json '\$http_x_test\\t{$members}';\n",
        "    access_log $dir/access.log test;\n",
        "    access_log $dir/combined.log;\n",
        # each refusal is logged: lines at level info are not suppressed
        $load && !$o{default_log_level} ? "    auth_token_log_level info;\n" : '',
        $self->{upstream}->conf;

    $self->{first_line} = 1 + ($text =~ tr/\n//);
    $self->write('nginx.conf', $self->expand("$text$conf}\n"));
    $self->{text} = $conf;
}

# the line of nginx.conf of a line of the given text, from 1
sub line ($self, $n) { $self->{first_line} + $n - 1 }

# --- ports ------------------------------------------------------------------

sub port ($self, $name = '') { $self->{ports}{$name} //= _free_port() }

sub _free_port () {
    my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0,
                                      Listen => 1) or die "no free port: $!\n";
    return $probe->sockport;
}

# --- process ----------------------------------------------------------------

# Starts nginx and waits until it answers.  Tries other ports if another process
# took one of them.
sub start ($self) {
    for my $attempt (1 .. 5) {
        $self->{pid} = $self->_spawn("$self->{dir}/output", ['-g', 'daemon off;']);

        return $self if $self->_ready;

        my $log = $self->{errors}->content . $self->output;
        last if $log !~ /bind\(\) to .* failed \(98/;

        $self->{ports} = {};
        unlink map { "$self->{dir}/$_" } qw(error.log upstream.sock);
        $self->{errors} = AuthToken::Log->new("$self->{dir}/error.log");
        $self->configure($self->{text});
    }

    die "nginx did not start:\n" . $self->output . $self->{errors}->content;
}

# takes the arguments of nginx and additions to its environment
sub _spawn ($self, $output, $arguments, %env) {
    my @command = ($self->_valgrind, $NGINX, '-p', $self->{dir}, '-c', $self->conf_file,
                   '-e', "$self->{dir}/error.log", @$arguments);

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    # the child must not run END blocks or destructors of the test
    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $output;
    open STDERR, '>&', \*STDOUT;
    %ENV = (%ENV, $self->_sanitizer, ($self->{options}{env} // {})->%*, %env);
    exec { $command[0] } @command or do {
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    };
}

# true when nginx listens and its worker has started, false when it has exited
sub _ready ($self) {
    AuthToken::Log::await_true(sub {
        return 'ended' if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
        return $self->{errors}->content =~ /start worker process \d+\n/;
    }, 'nginx to start', 30) ne 'ended' or return $self->{pid} = 0;

    return 1;
}

sub pid ($self) { $self->{pid} }

# what nginx printed
sub output ($self) { AuthToken::Log->new("$self->{dir}/output")->content }

# process ids of the workers of the master process, oldest first
sub workers ($self, $master = $self->{pid} || -1) {
    my @pids;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $stat or next;
        my ($pid, $ppid) = (<$fh> // '') =~ /\A(\d+) \(.*\) \S (\d+)/ or next;
        push @pids, $pid if $ppid == $master;
    }
    return sort { $a <=> $b } @pids;
}

sub signal ($self, $name) {
    kill $name, $self->{pid} or die "kill $name: $!\n";
}

# Reloads the configuration and waits until the old workers have exited.  With
# fails => 1 waits for the log line that says why the old one stays in use.
sub reload ($self, %o) {
    my @old = $self->workers;
    $self->{errors}->lines;

    $self->signal('HUP');
    return $self->{errors}->await(qr/\[emerg\]/) if $o{fails};

    AuthToken::Log::await_true(sub {
        my %now = map { $_ => 1 } $self->workers;
        return !grep { $now{$_} } @old;
    }, 'the old workers to end', 30);

    return;
}

# Starts nginx with these global directives ("daemon off" if there is no "daemon on")
# and returns its process id.  The caller ends it; the end of the test does at the latest.
my @launched;
my $test = $$;
END { if ($$ == $test) { local $?; kill 'TERM', grep { kill 0, $_ } @launched } }

sub launch ($self, $globals = '') {
    my $daemon = $globals =~ /daemon on/;
    # nginx starts a new binary by its full path
    local $NGINX = $NGINX =~ m{/} ? $NGINX : (grep { -x } map { "$_/$NGINX" } split /:/, "$ENV{PATH}:/usr/sbin")[0];
    my $pid = $self->_spawn("$self->{dir}/output", ['-g', $daemon ? $globals : "daemon off; $globals"]);

    AuthToken::Log::await_true(sub {
        die $self->output, $self->{errors}->content if !$daemon && ended($pid);
        eval { $self->connect->close; 1 };
    }, 'nginx to listen', 30);

    if ($daemon) {
        waitpid $pid, 0;
        return $self->master;
    }
    push @launched, $pid;
    return $pid;
}

# the process id in nginx.pid, once it differs from $old
sub master ($self, $old = 0) {
    my $pid = AuthToken::Log::await_true(sub {
        my ($now) = AuthToken::Log->new("$self->{dir}/nginx.pid")->content =~ /\A(\d+)\n/;
        ($now // $old) != $old && $now;
    }, 'nginx.pid');
    push @launched, $pid;
    return $pid;
}

sub ended ($pid) { waitpid($pid, POSIX::WNOHANG()); return !kill 0, $pid }

# lines of the log that report a fault, and reports of sanitizers
sub alarms ($self) {
    return (grep({ /\[(?:alert|emerg|crit)\]|exited on signal|Sanitizer|runtime error/ }
                 split /\n/, $self->{errors}->content . $self->output), $self->reports);
}

# closes the kept connections
sub disconnect ($self) {
    $_->close for values %{ delete $self->{connections} // {} };
}

# Stops nginx, and returns true if it exited in time.
sub stop ($self) {
    return 1 if !$self->{pid} || $self->{owner} != $$;

    my $pid = delete $self->{pid};
    my $ended = sub { waitpid($pid, POSIX::WNOHANG()) != 0 };

    $self->disconnect;

    kill 'QUIT', $pid;
    return 1 if eval { AuthToken::Log::await_true($ended, 'nginx to exit', 20) };

    kill 'TERM', $pid;
    return 0 if eval { AuthToken::Log::await_true($ended, 'nginx to exit', 5) };

    # the workers are in the process group of the master
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    return 0;
}

# Runs nginx -t, without a terminal and for a bounded time.  Returns its exit
# code (undef after a timeout) and its output.
sub check ($self, $timeout = 20) {
    my $output = "$self->{dir}/check";
    my $pid = $self->_spawn($output, ['-t'], $self->_hurried);
    my $status;

    eval {
        AuthToken::Log::await_true(sub {
            $status = $? if waitpid($pid, POSIX::WNOHANG()) == $pid;
            defined $status;
        }, 'nginx -t', $timeout);
    };

    if (!defined $status) {
        kill 'KILL', -$pid;
        waitpid $pid, 0;
    }

    my $text = AuthToken::Log->new($output)->content;
    unlink $output;
    return (defined $status ? $status >> 8 || $status : undef, $text);
}

# --- requests ---------------------------------------------------------------

# A new connection; options as in AuthToken::Client.
sub connect ($self, %o) {
    $o{port} = $self->port($o{port} // '') if !defined $o{path};
    return AuthToken::Client->connect(%o);
}

# Sends a request and returns its response.  Options are those of request_bytes
# and connect, and new => 1 (a new connection).  By default connections are kept
# per source and destination.  bytes => TEXT is sent unchanged.
sub request ($self, $path, %o) {
    my %to    = map { defined $o{$_} ? ($_ => $o{$_}) : () } qw(port from path preface);
    $to{host} = $o{to} if defined $o{to};
    my $name  = join '|', map { "$_=$to{$_}" } sort keys %to;
    my $kept  = $self->{connections} //= {};

    my $old   = $o{new} ? undef : delete $kept->{$name};
    $old = undef if $old && $old->closed;
    my $connection = $old // $self->connect(%to);

    my $bytes  = $o{bytes} // AuthToken::Client::request_bytes($path, %o);
    my $sent   = $connection->send($bytes);
    my $answer = $connection->response(head => ($o{method} // '') eq 'HEAD');

    # nginx closes idle connections on a reload: retry on a new one
    return $self->request($path, %o, new => 1) if !$answer && $old;
    die "closed without a response\n" if !$answer;

    $answer->{connection} = $connection;
    $kept->{$name} = $connection if $answer->{kept} && $sent == length $bytes && !$o{new};

    return $answer;
}

# --- sanitizers and valgrind ------------------------------------------------

# AT_SANITIZE is 1 (AddressSanitizer and UBSan), "thread" (ThreadSanitizer), or "valgrind",
# which runs a module that is not sanitized.
my $sanitize = $ENV{AT_SANITIZE} || 0;
my $preload  = $sanitize eq 'valgrind' ? '' : join ' ', map {
    chomp(my $path = qx(gcc -print-file-name=$_));
    $path =~ m{/} or die "$_ is not installed\n";
    $path;
} $sanitize eq 'thread' ? 'libtsan.so' : $sanitize ? qw(libasan.so libubsan.so) : ();

sub _valgrind ($self) {
    return $sanitize eq 'valgrind' ? ("$ROOT/t/lib/valgrind", "--log-file=$self->{dir}/sanitizer/%p") : ();
}

sub _sanitizer ($self) {
    if ($sanitize eq 'valgrind') {
        require AuthToken::FailAlloc;
        return (LD_PRELOAD => AuthToken::FailAlloc::preload_library('small_map'), AT_MAP_SIZE => 1 << 30);
    }
    return if !$preload;

    my $log = "log_path=$self->{dir}/sanitizer/report";

    # nginx and libraries are not built with ThreadSanitizer, which does not know how
    # they protect their own memory
    return (
        LD_PRELOAD   => $preload,
        TSAN_OPTIONS => "$log:ignore_noninstrumented_modules=1:history_size=4:handle_sigbus=0:"
                      . "suppressions=$ROOT/t/lib/tsan.supp:print_suppressions=0",
    ) if $sanitize eq 'thread';

    return (
        LD_PRELOAD    => $preload,
        # LeakSanitizer would follow thread-local storage of an unloaded library,
        # such as libcurl, to an unmapped address.  A worker that reads a truncated file
        # ends with SIGBUS, which nginx reports.
        ASAN_OPTIONS  => "$log:detect_leaks=1:detect_odr_violation=0:intercept_tls_get_addr=0:handle_sigbus=0:"
                       . 'strict_string_checks=0',
        LSAN_OPTIONS  => "suppressions=$ROOT/t/lib/lsan.supp:print_suppressions=0",
        UBSAN_OPTIONS => "$log:print_stacktrace=1",
    );
}

# A script in this directory that runs nginx, with the sanitizers loaded.
sub script ($dir) {
    mkdir "$dir/sanitizer";
    chmod 01777, "$dir/sanitizer";

    my %env = _sanitizer({ dir => $dir });
    open my $fh, '>', "$dir/nginx" or die "$dir/nginx: $!\n";
    print $fh "#!/bin/sh\nPATH=\$PATH:/usr/sbin\n", (map { "export $_='$env{$_}'\n" } sort keys %env),
        "exec $NGINX \"\$@\"\n";
    close $fh;
    chmod 0755, "$dir/nginx";
    return "$dir/nginx";
}

# Leak detection doubles the time of nginx -t, which runs hundreds of times: only
# every fourth run has it.
my $checks = 0;

sub _hurried ($self) {
    my %env = $self->_sanitizer;
    return $checks++ % 4 && $env{ASAN_OPTIONS} ? (ASAN_OPTIONS => "$env{ASAN_OPTIONS}:detect_leaks=0") : ();
}

# environment variables that a new binary (USR2) inherits
sub _sanitizer_env () {
    return '' if !$preload;
    return join '', map { "env $_;\n" }
           qw(LD_PRELOAD ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS);
}

# reports of the sanitizers and valgrind, which also creates files for no report
sub reports ($self) {
    return grep { $_ ne '' } map { AuthToken::Log->new($_)->content }
           glob "$self->{dir}/sanitizer/*";
}

1;
