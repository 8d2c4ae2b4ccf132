package Bench::Machine;

# The machine and the versions of all programs, so that a reader can repeat the measurement.

use v5.36;

use Bench::Process qw(output slurp);

my %package = (
    haproxy => ['haproxy'],
    apache  => ['apache2', 'libapache2-mod-oauth2', 'libapache2-mod-auth-openidc'],
    njs     => ['libnginx-mod-http-js'],
);

sub _version ($name) {
    my ($version) = output('dpkg-query', '-W', '-f', '${db:Status-Status} ${Version}', $name)
                    =~ /\Ainstalled (\S+)/;
    return $version;
}

# the installed other servers, and a reason for each missing one
sub others ($class) {
    my (@here, %missing);

    for my $name (sort keys %package) {
        my @missing = grep { !_version($_) } $package{$name}->@*;
        if (@missing) {
            $missing{$name} = join(', ', @missing) . (@missing > 1 ? ' are' : ' is') . ' not installed';
        } else {
            push @here, $name;
        }
    }

    return (\@here, \%missing);
}

# pairs of a name and a text
sub facts ($class, $nginx, @others) {
    my ($model)  = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)$/m;
    my ($mhz)    = slurp('/proc/cpuinfo') =~ /^cpu MHz\s*:\s*(\d+)/m;
    my ($memory) = slurp('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m;
    my ($flags)  = slurp('/proc/cpuinfo') =~ /^flags\s*:\s*(.*)$/m;
    my ($system) = slurp('/etc/os-release') =~ /^PRETTY_NAME="(.*)"$/m;
    my $cores    = () = slurp('/proc/cpuinfo') =~ /^processor/mg;

    my @has = grep { ($flags // '') =~ /\b$_\b/ } qw(sha_ni avx2 avx512ifma hypervisor);
    my @versions = map { "$_ " . _version($_) }
                   grep { _version($_) } 'wrk', 'valgrind', map { $package{$_}->@* } @others;

    return (
        [processor => sprintf '%s, %d MHz, %d cores; %s', $model // 'unknown', $mhz // 0, $cores, "@has"],
        [memory    => sprintf '%.0f GiB', $memory / (1 << 20)],
        [system    => "$system, Linux " . (split ' ', slurp('/proc/version'))[2]],
        [load      => 'of the machine before: ' . (split ' ', slurp('/proc/loadavg'))[0]],
        [nginx     => output($nginx, '-v') =~ s{.*nginx/}{}sr =~ s/\s+\z//r
                      . (_version('nginx') ? ' (' . _version('nginx') . ')' : '')],
        [OpenSSL   => _version('libssl3') // output('openssl', 'version') =~ s/\s+\z//r],
        [others    => join ', ', @versions],
    );
}

# the commit and whether the tree has changes; empty outside of a repository
sub commit ($class, $root) {
    my ($text, $status) = output('git', '-C', $root, 'describe', '--always', '--dirty',
                                 '--exclude', '*');
    chomp $text;
    return $status == 0 ? $text : 'not known';
}

1;
