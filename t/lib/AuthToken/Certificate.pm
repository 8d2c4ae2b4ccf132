package AuthToken::Certificate;

# A certification authority, and valid and invalid certificates of servers on loopback.
# They are created once and stored beside the build.

use v5.36;

use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Token ();
use Carp qw(croak);
use POSIX ();

# name => CA, subjectAltName, days
my %how = (
    good        => ['ca',  'IP:127.0.0.1,DNS:localhost', 3650],
    other_ca    => ['ca2', 'IP:127.0.0.1,DNS:localhost', 3650],
    other_host  => ['ca',  'DNS:other.example',          3650],
    products    => ['ca',  'DNS:ipfabric.internal.example,DNS:cipp.azurewebsites.net', 3650],
    expired     => ['ca',  'IP:127.0.0.1,DNS:localhost', -1],
    self_signed => [undef, 'IP:127.0.0.1,DNS:localhost', 3650],
);

# the CA certificate
sub ca () { _part(_ca('ca'), 'CERTIFICATE') }

# all certificates: name => { cert, key }
sub all () {
    return map {
        my $file = _leaf($_);
        ($_ => { cert => _part($file, 'CERTIFICATE'), key => _part($file, 'PRIVATE KEY') });
    } sort keys %how;
}

sub _part ($file, $what) {
    my ($part) = AuthToken::Log->new($file)->content
        =~ /^(-----BEGIN \Q$what\E-----\n.*?^-----END \Q$what\E-----\n)/ms
        or croak "$file: no $what";
    return $part;
}

sub _ca ($name) {
    return _made("tls-$name", sub ($aside) {
        _openssl($aside, qw(req -x509 -new -days 3650), '-key', $aside, '-subj', "/CN=test $name",
                 '-addext', 'basicConstraints=critical,CA:TRUE',
                 '-addext', 'keyUsage=critical,keyCertSign');
    });
}

sub _leaf ($name) {
    my ($ca, $names, $days) = $how{$name}->@*;

    my @subject = ('-subj', "/CN=test $name", '-addext', "subjectAltName=$names");
    return _made("tls-$name", sub ($aside) {
        return _openssl($aside, qw(req -x509 -new -days), $days, @subject, '-key', $aside)
            if !defined $ca;

        my $file = _ca($ca);
        _openssl("$aside.csr", qw(req -new), @subject, '-key', $aside);
        _openssl($aside, qw(x509 -req -copy_extensions copyall -days), $days,
                 '-in', "$aside.csr", '-CA', $file, '-CAkey', $file,
                 '-set_serial', '0x1' . unpack 'H*', $name);
        unlink "$aside.csr";
    });
}

# a file with a private key, to which $certify appends a certificate
sub _made ($name, $certify) {
    my $file = "$AuthToken::Token::KEYS/$name.pem";

    AuthToken::Token::make_once($file, sub ($aside) {
        _openssl($aside, qw(genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256));
        $certify->($aside);
    });

    return $file;
}

# appends the standard output of openssl to the file
sub _openssl ($file, @arguments) {
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        open STDOUT, '>>', $file;
        open STDERR, '>', "$file.log";
        exec 'openssl', @arguments or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    croak "openssl @arguments: " . AuthToken::Log->new("$file.log")->content if $?;
    unlink "$file.log";
}

1;
