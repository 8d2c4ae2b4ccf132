#!/usr/bin/perl

# Installation: the files and directories of make install and make uninstall, a new
# version of the module, and keys that a container mounts.
#
# Requirements: installed-files, mounted-secrets, module-upgrade.

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
    is_deeply [grep { -e "$temp$_" } '/etc/nginx/auth_token', '/usr/lib/nginx'], [],
        'make uninstall removes empty directories of keys and modules';
}

# --- a new version of the module --------------------------------------------

sub module_in ($s) {
    my $module = $s->dir . '/module.so';
    system('cp', "$AuthToken::Server::BUILD/ngx_http_auth_token_module.so", $module) == 0 or die "cp: $?\n";
    $s->write('nginx.conf', content($s->conf_file) =~ s/^load_module \K.*(?=;)/$module/mr);
}

sub content ($path) { AuthToken::Log->new($path)->content }

{
    my $s = AuthToken::Server->new(<<'CONF');
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_realm before;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    module_in($s);
    my $realm = sub {
        my $answer = $s->request('/', new => 1, tag => next_tag);
        return $answer->header("WWW-Authenticate") =~ /realm="(\w+)"/ ? $1 : "";
    };
    my $old = $s->launch('daemon on;');
    is $realm->(), 'before', 'the old version answers';

    # the new version has another name for a directive
    my $new = content($s->dir . '/module.so') =~ s/auth_token_realm\0/auth_token_reamm\0/gr
              =~ s{nginx-auth-token/\K[^\0]+}{'9' x length $&}gre;
    $s->write('module.so', $new);
    $s->write('nginx.conf', content($s->conf_file) =~ s/auth_token_realm before/auth_token_reamm after/r);
    is +($s->check)[0], 0, 'nginx -t uses the new version of the module';

    kill 'HUP', $old;
    ok eval { $s->errors->await(qr/\[emerg\].* unknown directive "auth_token_reamm"/) }, 'a reload uses the old version';
    is $realm->(), 'before', 'the old version answers after a reload';
    unlike content($s->dir . '/error.log'), qr{nginx-auth-token/9}, 'the log does not name the new version';

    kill 'USR2', $old;
    my $master = $s->master($old);
    kill 'QUIT', $old;
    eventually 'QUIT ends the old master', sub { AuthToken::Server::ended($old) }, 20;
    is $realm->(), 'after', 'after USR2 the new version answers';
    ok eval { $s->errors->await(qr{\[notice\].* nginx-auth-token/9+$}) }, 'the log names the new version';

    kill 'QUIT', $master;
    eventually 'QUIT ends the new master', sub { AuthToken::Server::ended($master) }, 20;
}

# --- a mounted Secret -------------------------------------------------------

# Kubernetes replaces the directory of a mounted Secret by renaming a link to it.
sub mount_secret ($s, $version, %files) {
    my $dir = $s->dir . '/secret';
    my $old = readlink "$dir/..data";

    $s->write("secret/..$version/$_", $files{$_}) for keys %files;
    chmod 0600, "$dir/..$version/sign.pem";
    symlink "..$version", "$dir/..data_tmp" or die "symlink: $!\n";
    rename "$dir/..data_tmp", "$dir/..data" or die "rename: $!\n";
    symlink "..data/$_", "$dir/$_" for keys %files;
    system 'rm', '-r', "$dir/$old" if defined $old;
}

{
    my %key = (1 => key('rsa'), 2 => key('rsa2'));
    my %version = map { $_ => { 'keys.pem' => $key{$_}->pem, 'sign.pem' => $key{$_}->private_pem } } keys %key;

    my $s = start(<<'CONF', prepare => sub ($s) { mount_secret($s, 1, $version{1}->%*) });
    %%ISSUER main: key_file %%DIR%%/secret/keys.pem;%%
    %%ISSUER local: issuer https://local.example; signing_key %%DIR%%/secret/sign.pem; %%
    auth_token_state_path %%DIR%%/state;
    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main;
        location /      { proxy_pass %%UPSTREAM%%; }
        location = /jwks { auth_token_jwks local; }
    }
CONF
    my $status = sub ($n) { $s->request('/', new => 1, tag => next_tag, token => token(key => $key{$n}))->{status} };
    my $jwks = sub { $s->request('/jwks', new => 1, tag => next_tag)->{body} };

    is_deeply [map { $status->($_) } 1, 2], [200, 401], 'a mounted Secret: the tokens of its key are granted';
    my $first = $jwks->();

    mount_secret($s, 2, $version{2}->%*);
    eventually 'a changed Secret: the tokens of the new key are granted', sub { $status->(2) == 200 };
    is $status->(1), 401, 'a changed Secret: the tokens of the old key are refused';

    is $jwks->(), $first, 'a changed Secret: the signing key stays until a reload';
    $s->reload;
    isnt $jwks->(), $first, 'a changed Secret: a reload reads the signing key';

    mount_secret($s, 3, $version{1}->%*);
    eventually 'a Secret that is changed again: the first key is used', sub { $status->(1) == 200 };
}

# --- signing keys of a nginx that does not run as root ----------------------

# setfacl -m g:GID:r
sub allow_group ($path, $gid) {
    my $any = 0xffffffff;
    my $acl = pack 'V (v v V)5', 2, 1, 4, $any, 4, 4, $any, 8, 4, $gid, 16, 4, $any, 32, 0, $any;
    return system('python3', '-c', 'import os, sys; os.setxattr(sys.argv[1], "system.posix_acl_access", bytes.fromhex(sys.argv[2]))',
                  $path, unpack 'H*', $acl) == 0;
}

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
    module_in($s);
    my $key = $s->dir . '/sign.pem';
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
         ['a file of another user for the group',   1,     $group, 0440, 0, 0],
         ['a file without access',                  $user, $group, 0000, 0, 0],
         ['a file that the group can execute',      0,     $group, 0450, 0, 0],
         ['a file with an access control list',     0,     $group, 0440, 0, 0, $other])
    {
        my ($name, $owner, $gid, $mode, @accepted) = @$_;
        unlink $key;
        $s->write('sign.pem', key('rsa')->private_pem);
        system 'chown', '-R', $user, $s->dir;
        chown $owner, $gid, $key or die "chown: $!";
        chmod $mode, $key or die "chmod: $!";
        if (defined $accepted[2] && !allow_group($key, $accepted[2])) {
            diag "$name: skipped, the file system has none";
            next;
        }

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
