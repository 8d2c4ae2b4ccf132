#!/usr/bin/perl

# Loading: the distribution's nginx loads the module, or says why it cannot.
#
# Requirements: module-loading.

use v5.36;

use lib 't/lib';

use AuthToken::Server;
use File::Temp qw(tempdir);
use Test::More;

my $module = "$AuthToken::Server::BUILD/ngx_http_auth_token_module.so";
my $nginx  = $ENV{AT_NGINX} // 'nginx';

plan skip_all => 'a sanitized module needs its library loaded first' if $ENV{AT_SANITIZE};

my $dir = tempdir('at-load-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

# the output of nginx -t for a configuration that loads this file
sub load ($so) {
    open my $conf, '>', "$dir/nginx.conf" or die $!;
    print $conf "load_module $so;\npid $dir/pid;\nerror_log stderr;\n",
                "events {}\nhttp { access_log off; }\n";
    close $conf or die $!;

    my $said = `$nginx -t -p $dir -c $dir/nginx.conf 2>&1 </dev/null`;
    return ($? >> 8, $? & 127, $said);
}

my ($status, $signal, $said) = load($module);
is $status, 0, 'the nginx of the distribution loads the module' or diag $said;

my $bytes = AuthToken::Log->new($module)->content;
my ($signature) = $bytes =~ /\0(8,4,8,[01]{20,})\0/;
ok defined $signature, 'the module has the signature of its build';

my %broken = (
    'built for other options' => $bytes =~ s/\Q$signature\E/$signature =~ tr{01}{10}r/er,
    'empty' => '',
);

for my $name (sort keys %broken) {
    open my $so, '>:raw', "$dir/broken.so" or die $!;
    print $so $broken{$name};
    close $so or die $!;

    ($status, $signal, $said) = load("$dir/broken.so");
    is "$status $signal", '1 0', "$name: refused without a crash";
    like $said, qr/\[emerg\].*broken\.so.*nginx\.conf:1/s, "$name: and nginx says why";
}

done_testing;
