package Bench::Material;

# Input of servers and clients: a key, tokens, stores, address lists, endpoint lists.  Key and
# tokens are kept between runs; everything is made at its first use.

use v5.36;

use Bench::Process qw(run spawn slurp spew);
use File::Path qw(make_path);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 decode_base64url encode_base64url);
use Time::HiRes qw(time);

# Directories: build, dir (of this run), keep (of kept files).  distinct: number of tokens of
# "each token once".
sub new ($class, %o) {
    my $self = bless { %o }, $class;

    make_path($self->{keep});
    $self->_key;

    return $self;
}

sub distinct ($self) { $self->{distinct} }

# --- keys and tokens --------------------------------------------------------

sub _key ($self) {
    my ($keep, $dir) = $self->@{qw(keep dir)};

    run("$self->{build}/auth-token", qw(key generate --kid bench --out), "$keep/key")
        if !-e "$keep/key.jwks";

    # worker processes may have no access to the build directory
    spew("$dir/key$_", slurp("$keep/key$_")) for qw(.pub .jwks);
}

sub private_key ($self) { "$self->{keep}/key" }

# as a JWK, for configurations that contain it
sub public_jwk ($self) {
    my $json = JSON::PP->new->canonical;
    return $json->encode($json->decode(slurp("$self->{keep}/key.jwks"))->{keys}[0]);
}

# SubjectPublicKeyInfo in base64
sub public_key ($self) {
    return slurp("$self->{keep}/key.pub") =~ s/-----[^-]+-----|\s//gr;
}

# a file of $n different tokens of $length bytes
sub tokens ($self, $bytes, $count) {
    my $file = "$self->{keep}/tokens-$bytes-$count";
    return $file if -e $file;

    my $begin = time;

    # one half on each core
    my $half = int($count / 2);
    my @half = ([1, $half, "$file.1"], [1 + $half, $count - $half, "$file.2"]);
    my @pids = map {
        my ($first, $n, $out) = @$_;
        spawn($out, "$self->{build}/bench/mint", $self->private_key, $bytes, $first, $n);
    } @half;

    for my $i (0, 1) {
        waitpid $pids[$i], 0;
        $? == 0 or die slurp($half[$i][2]), "\n";
    }

    spew("$file.new", join '', map { slurp($_->[2]) } @half);
    unlink map { $_->[2] } @half;
    rename "$file.new", $file or die "$file: $!\n";
    say sprintf '%d tokens of %d bytes: %.0f s', $count, $bytes, time - $begin;

    return $file;
}

# The same tokens with a defect, by its name, and the same length.
my %spoil = (
    # one character of the signature changed
    signature => sub ($token) {
        substr($token, -100, 1) =~ tr/A-Za-z0-9_\-/B-ZAb-za1-90\-_/;
        return $token;
    },
    alg => sub ($token) { _reheaded($token, sub ($json) { $json =~ s/RS256/HS256/r }) },
    kid => sub ($token) { _reheaded($token, sub ($json) { $json =~ s/bench/other/r }) },
    # of another issuer
    iss => sub ($token) {
        my ($header, $payload, $signature) = split /\./, $token;
        my $claims = decode_base64url($payload) =~ s/issuer\.example/others.example/r;
        return join '.', $header, encode_base64url($claims), $signature;
    },
    # a truncated header
    form => sub ($token) { _reheaded($token, sub ($json) { $json =~ s/\}\z/,/r }) },
);

sub _reheaded ($token, $change) {
    my ($header, $rest) = split /\./, $token, 2;
    return encode_base64url($change->(decode_base64url($header))) . ".$rest";
}

sub spoilt ($self, $how, $bytes, $count) {
    my $file = $self->tokens($bytes, $count);
    my $code = $spoil{$how} // die "no such way: $how\n";

    spew("$file-$how", join '', map { $code->($_) . "\n" } split /\n/, slurp($file))
        if !-e "$file-$how";

    return "$file-$how";
}

our $PASSWORD = 'bench-password-0123456789';

# --- stores -----------------------------------------------------------------

our $API_TOKEN = 'bench-token-%020d';

# a store of $n API tokens; group may read it
sub store ($self, $count) {
    my $store = "$self->{dir}/store-$count";
    return $store if -e $store;

    my $begin = time;

    my @command = ("$self->{build}/auth-token", '--store', "lmdb:$store");
    run(@command, 'init', defined $self->{group} ? ('--group', $self->{group}) : ());

    my $file = "$store.jsonl";
    open my $out, '>', $file or die "$file: $!\n";
    print $out qq({"format":"auth-token","version":1}\n);
    for my $i (1 .. $count) {
        print $out qq({"type":"token","id":"id-$i","token":"), sprintf($API_TOKEN, $i),
            qq(","scope":["read","write"],"ip_ranges":["127.0.0.0/8"]}\n);
    }
    close $out or die "$file: $!\n";

    run(@command, 'import', $file);
    unlink $file;
    say sprintf 'a store of %d API tokens: %.0f s', $count, time - $begin if $count >= 100_000;

    return $store;
}

# A store with one user.  The hash is a yescrypt hash as user create makes it, or for
# t/bench.t a cheap one.
sub users ($self, $small) {
    my $store = "$self->{dir}/users";
    return $store if -e $store;

    my @command = ("$self->{build}/auth-token", '--store', "lmdb:$store");
    run(@command, 'init', defined $self->{group} ? ('--group', $self->{group}) : ());

    my $hash = crypt $PASSWORD, $small ? '$6$rounds=1000$bench$' : '$y$j9T$benchbenchbench1';
    spew("$store.jsonl", qq({"format":"auth-token","version":1}\n) . JSON::PP->new->encode(
        { type => 'user', username => 'bench', scope => ['read'], password_hash => $hash }));
    run(@command, 'import', "$store.jsonl");
    unlink "$store.jsonl";

    return $store;
}

# --- lists ------------------------------------------------------------------

# ranges that are not adjacent, and the loopback address
sub _ranges ($count) {
    my @others = map {
        my $n = 0x0b000000 + ($_ * 2 << 8);             # 11.0.0.0/24, 11.0.2.0/24 ...
        $n += 0x01000000 if $n >= 0x7f000000;
        join('.', unpack 'C4', pack 'N', $n) . '/24';
    } 1 .. $count - 1;

    splice @others, @others / 2, 0, '127.0.0.0/8';
    return @others;
}

# form: text, or one of nginx's directives
my %form = (
    text  => sub ($range) { $range },
    geo   => sub ($range) { "$range 1;" },
    allow => sub ($range) { "allow $range;" },
);

sub ranges ($self, $count, $form = 'text') {
    my $file = "$self->{dir}/ranges-$count.$form";
    spew($file, join '', map { $form{$form}->($_) . "\n" } _ranges($count)) if !-e $file;
    return $file;
}

# $n lines, each with a parameter; and a path that matches the middle one
sub endpoint_path ($class) { '/api/row00000/42/detail' }

sub endpoints ($self, $count) {
    my $file = "$self->{dir}/endpoints-$count";
    my $half = int($count / 2);
    my @rows = map { sprintf "GET /api/row%05d/:id/detail read\n", ($_ + $half) % $count }
               0 .. $count - 1;
    spew($file, join '', @rows);
    return $file;
}

# --- for nginx's other modules ----------------------------------------------

# files in the directory of the run that the other configurations name
sub others ($self) {
    my $dir = $self->{dir};

    spew("$dir/keys.map", join '', map { sprintf qq("$API_TOKEN" 1;\n), $_ } 1 .. 1_000);
    run(qw(openssl req -x509 -new -subj /CN=bench -days 36500 -key), $self->private_key,
        '-out', "$dir/key.crt");
    spew("$dir/users.plain", "bench:{PLAIN}$PASSWORD\n");
    spew("$dir/users.apr1", 'bench:' . run('openssl', 'passwd', '-apr1', $PASSWORD));
    spew("$dir/empty.gif", decode_base64('R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='));
    spew("$dir/jwt.js", slurp($self->{script}) =~ s/\@KEY\@/$self->public_key/er);
}

1;
