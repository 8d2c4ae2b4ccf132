#!/usr/bin/perl

# auth-token explain with fetched keys: it uses those that the running nginx has stored,
# if it can read them, and changes nothing in the state directory.
#
# Requirements: explain, explain-private.

use v5.36;

use lib 't/lib';

use AuthToken::Explain;
use AuthToken::Source;
use AuthToken::Test;
use Time::HiRes ();

my $source = AuthToken::Source->start(keys => ['rsa']);

my $s = start(<<"CONF", files => { 'ca.pem' => $source->ca }, good => ['/good', token => token(header => { kid => 'rsa' })]);
    auth_token_state_path %%DIR%%/state;
    %%ISSUER main: jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;%%
    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
        location /good { auth_token off; proxy_pass %%UPSTREAM%%; }
    }
CONF

my %good = (token => token(header => { kid => 'rsa' }));
$source->await_hits('/jwks', 1);
eventually 'nginx grants with the fetched key', sub { $s->request('/', %good, tag => next_tag)->{status} == 200 };

# name, size and time of each file of the state directory
sub state_files () {
    my @files = sort glob $s->dir . '/state/* ' . $s->dir . '/state/data/*';
    return { map { $_ => join ' ', (Time::HiRes::stat($_))[4, 5, 7, 9] } @files };
}

my $before = state_files;
my $hits   = $source->requests('/jwks');

explains $s, '/', 'granted', 'the stored keys are used', %good;
explains $s, '/', 'bad_signature', 'a token of another key', token => token(key => key('rsa2'), header => { kid => 'rsa' }),
         failed => { step => qr/^key$/, directives => qr/jwks_uri https:/ };
explains $s, '/', 'unknown_kid', 'a token of a key that is not published', token => token(key => key('rsa2'), header => { kid => 'new' }),
         failed => { actual => qr/kid: "new", expected kid: "rsa"/ };

SKIP: {
    $> == 0 or skip 'only root can change to another user', 2;

    my $directory = $s->dir;
    system "cp $AuthToken::Server::BUILD/auth-token $directory/command && chmod 755 $directory/command";
    my $file   = $s->write('good', "$good{token}\n");
    my $output = qx(setpriv --reuid=65534 --regid=65534 --clear-groups $directory/command explain --conf @{[$s->conf_file]} --prefix $directory --nginx @{[explain_nginx($s)]} --url / --bearer $file 2>&1);
    is $? >> 8, 1, 'another user cannot read the stored keys: the outcome is not known' or diag $output;
    like $output, qr{fetched keys are not known: .*state/key.*Permission denied}, 'the message names the file';
}

is_deeply state_files, $before, 'no file of the state directory has changed';
is scalar $source->requests('/jwks'), scalar $hits, 'nothing was fetched';

done;
