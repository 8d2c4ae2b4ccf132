#!/usr/bin/perl

# The application of docs/quickstart.md in headless Chromium: the pages and the configuration
# are those of the document, with short lifetimes.  t/browser/main.js has the steps.
#
# Requirements: refresh, logout.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use JSON::PP ();

my $root    = $AuthToken::Server::ROOT;
my $modules = $ENV{AT_NODE} || "$root/build/node";
my $lived   = 3;                    # seconds that an access token is valid

-x '/usr/bin/chromium' or die "Chromium not found: run make deps\n";

# --- the document -----------------------------------------------------------

my $page = AuthToken::Log->new("$root/docs/quickstart.md")->content;

# the first block of a language in a section
sub block ($language, $section) {
    my ($text) = $page =~ /^## \Q$section\E\n.*?^```$language\n(.*?)^```$/ms or die "$section: no $language\n";
    return $text;
}

my $conf = block(nginx => '2. Configure nginx');
my ($certificate) = block(sh => '2. Configure nginx') =~ /^(openssl .*?[^\\])\n/ms;

$conf =~ s/listen 443 ssl;/listen %%LISTEN%% ssl;/;
$conf =~ s{http://127\.0\.0\.1:9000}{http://%%LISTEN3%%};
$conf =~ s/access_token /access_token expires=${lived}s /;
for ($conf, $certificate) {
    s{/etc/nginx/auth_token/}{%%DIR%%/keys/}g;
    s{/var/lib/auth-token}{%%DIR%%/store};
    s{/var/www/}{%%DIR%%/};
}

# --- the server -------------------------------------------------------------

my $s = start("include /etc/nginx/mime.types;\nauth_token_state_path %%DIR%%/state;\n$conf" . <<'CONF',
    # the API
    server {
        listen %%LISTEN3%%;
        default_type text/plain;
        location / { return 200 "user: $http_x_user, credentials: $http_authorization$http_cookie"; }
    }

    ssl_certificate     %%DIR%%/keys/tls.crt;
    ssl_certificate_key %%DIR%%/keys/tls.key;

    # pages of other origins, and a location that accepts Basic
    server {
        listen %%LISTEN2%% ssl;
        default_type text/html;

        proxy_set_header Authorization "";
        proxy_set_header X-User        $auth_token_user;

        location / { return 200 "<title>another origin</title>"; }
        location = /basic  { auth_token on; auth_token_accept basic; proxy_pass http://%%LISTEN3%%; }
    }

    server {
        listen %%LISTEN4%%;
        location / { auth_token on; auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
    }
CONF
    good    => ['/good', port => 4, token => good_token(iss => 'https://app.example.com', aud => 'app')],
    files   => { 'app/index.html' => block(html => 'A single-page application'),
                 'app/app.js'     => block(js => 'A single-page application') },
    prepare => sub ($s) {
        chmod 0600, $s->write('keys/app', key('rsa')->private_pem);
        qx(@{[$certificate =~ s/%%DIR%%/$s->dir/ger]} 2>&1);
        prepare_users(users => [user_record('jane')])->($s);
    });

# --- the browser ------------------------------------------------------------

my $dir = $s->dir;
chomp(my $spki = qx(openssl x509 -in $dir/keys/tls.crt -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64));

$s->write('browser.json', JSON::PP->new->encode({
    modules  => $modules,
    port     => $s->port,
    foreign  => $s->port(2),
    spki     => $spki,
    password => $AuthToken::Local::PASSWORD,
    command  => ["$AuthToken::Server::BUILD/auth-token", '--store', "lmdb:$dir/store"],
}));

open my $steps, '-|', "node $root/t/browser/main.js $dir/browser.json" or die "node: $!\n";
while (my $line = <$steps>) {
    my $step = JSON::PP->new->utf8->decode($line);
    AuthToken::Token::secret($_) for ($step->{secrets} // [])->@*;
    is_deeply $step->{got}, $step->{expected}, $step->{name} if defined $step->{name};
}
close $steps;
is $?, 0, 'the steps have been completed';

done;
