#!/usr/bin/perl

# Installation: the files and directories of make install and make uninstall, and the
# private keys of a container that does not run as root.
#
# Requirements: installed-files, mounted-secrets.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Cwd qw(getcwd);
use File::Temp qw(tempdir);

my $temp = tempdir(CLEANUP => 1);
my $root = getcwd();

# --- make install and make uninstall ----------------------------------------

SKIP: {
    my @make = ('make', '-C', $root, 'SANITIZE=' . ($ENV{AT_SANITIZE} || 0));
    skip 'not everything is built', 1 if system(join ' ', @make, '-q', 'all', '>/dev/null 2>&1') != 0;

    my @places = qw(/usr/bin/auth-token /usr/lib/nginx/modules/ngx_http_auth_token_module.so
                    /usr/share/bash-completion/completions/auth-token /usr/share/man/man1/auth-token.1);
    my $run = sub (@arguments) { system join ' ', @make, @arguments, "DESTDIR=$temp", '>/dev/null 2>&1' };

    is $run->('install'), 0, 'make install succeeds';
    is_deeply [grep { !-f "$temp$_" } @places], [], 'make install copies module, command, manual page and completion';
    ok -d "$temp/etc/nginx/auth_token", 'make install creates the directory of keys';
    ok -d "$temp/var/lib/nginx", 'make install creates the parent of the state directory';

    my $key = "$temp/etc/nginx/auth_token/app";
    is system("$temp/usr/bin/auth-token key generate --type ed25519 --out $key >/dev/null"), 0,
        'key generate writes into the directory of keys';

    chmod 0700, "$temp/etc/nginx/auth_token";
    is $run->('install'), 0, 'make install succeeds again';
    is sprintf('%04o', (stat "$temp/etc/nginx/auth_token")[2] & 07777), '0700',
        'make install keeps the mode of an existing directory';

    is $run->('uninstall'), 0, 'make uninstall succeeds';
    is_deeply [grep { -e "$temp$_" } @places], [], 'make uninstall removes the installed files';
    ok -f $key, 'make uninstall keeps keys';
    is $run->('uninstall'), 0, 'make uninstall succeeds if nothing is installed';

    unlink glob "$key*";
    $run->('uninstall');
    ok !-e "$temp/etc/nginx/auth_token", 'make uninstall removes an empty directory of keys';
}

# --- signing keys of a nginx that does not run as root ----------------------

SKIP: {
    skip 'only root can change users', 1 if $> != 0;

    my ($user, $group) = (getpwnam 'www-data')[2, 3];
    my $other = getgrnam 'daemon';

    my $s = AuthToken::Server->new(<<'CONF', files => { 'sign.pem' => key('rsa')->private_pem });
    %%ISSUER main: signing_key %%DIR%%/sign.pem;%%
    auth_token_state_path %%DIR%%/state;
    server {
        listen %%LISTEN%%;
        location = /jwks { auth_token_jwks main; }
    }
CONF
    my $module = $s->dir . '/module.so';
    system('cp', "$AuthToken::Server::BUILD/ngx_http_auth_token_module.so", $module) == 0 or die "cp: $?\n";
    my $text = AuthToken::Log->new($s->conf_file)->content =~ s/^load_module \K.*(?=;)/$module/mr;
    my $key = $s->dir . '/sign.pem';
    $s->write('nginx.conf', $text);
    my $by_root = $AuthToken::Server::NGINX;

    # owner, group and mode of the file; whether www-data and root accept it
    for (['a mounted Secret',                       0,     $group, 0440, 1, 0],
         ['a file of root with write access',       0,     $group, 0640, 1, 0],
         ['a file of the user for its group',       $user, $group, 0440, 1, 0],
         ['a file of the user',                     $user, $group, 0400, 1, 0],
         ['a file of root',                         0,     $group, 0400, 0, 1],
         ['a file that another group can read',     0,     $other, 0440, 0, 0],
         ['a file that the group can write',        0,     $group, 0460, 0, 0],
         ['a file that all users can read',         0,     $group, 0444, 0, 0],
         ['a file of another user for the group',   1,     $group, 0440, 0, 0])
    {
        my ($name, $owner, $gid, $mode, @accepted) = @$_;
        system 'chown', '-R', $user, $s->dir;
        chown $owner, $gid, $key or die "chown: $!";
        chmod $mode, $key or die "chmod: $!";

        for my $as_root (0, 1) {
            my $wrapper = "$temp/nginx-$as_root";
            open my $fh, '>', $wrapper or die;
            print $fh "#!/bin/sh\nexec ", $as_root ? '' : 'setpriv --reuid=www-data --regid=www-data --init-groups ',
                  "'$by_root' \"\$@\"\n";
            close $fh;
            chmod 0755, $wrapper;
            chmod 0755, $temp;
            local $AuthToken::Server::NGINX = $wrapper;

            my ($status, $output) = $s->check;
            my $who = $as_root ? 'root' : 'www-data';
            if ($accepted[$as_root]) {
                is $status, 0, "$name: accepted for $who" or diag $output;
            }
            else {
                isnt $status, 0, "$name: refused for $who";
                like $output, qr/"signing_key".*(?:must be readable only by|Permission denied)/, "$name: the message for $who";
            }
        }
    }
}

done;
