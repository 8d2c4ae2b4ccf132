#!/usr/bin/perl

# The application of docs/quickstart.md in headless Chromium, with the pages and the
# configuration of the document and short lifetimes.  t/browser/main.js has the steps.
#
# Requirements: refresh, logout.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Steps;
use AuthToken::Test;

my $lifetime = 3;                   # of an access token, in seconds

-x '/usr/bin/chromium' or die "Chromium not found: run make test-deps\n";

# --- the document -----------------------------------------------------------

my $page = AuthToken::Log->new("$AuthToken::Server::ROOT/docs/quickstart.md")->content;

# the first block of a language in a section
sub block ($language, $section) {
    my ($text) = $page =~ /^## \Q$section\E\n.*?^```$language\n(.*?)^```$/ms or die "$section: no $language\n";
    return $text;
}

my $conf = block(nginx => '2. Configure nginx');
my ($certificate) = block(sh => '2. Configure nginx') =~ /^(openssl .*?[^\\])\n/ms;

$conf =~ s/listen 443 ssl;/listen %%LISTEN%% ssl;/;
$conf =~ s{http://127\.0\.0\.1:9000}{http://%%LISTEN3%%};
$conf =~ s/access_token /access_token expires=${lifetime}s /;
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

    # pages of other origins, and locations that accept Basic
    server {
        listen %%LISTEN2%% ssl;
        default_type text/html;

        proxy_set_header Authorization "";
        proxy_set_header X-User        $auth_token_user;

        location / { return 200 "<title>another origin</title>"; }
        location = /basic  { auth_token on; auth_token_accept basic; proxy_pass http://%%LISTEN3%%; }
        location = /either {
            auth_token           on;
            auth_token_accept    basic cookie;
            auth_token_challenge basic bearer;
            proxy_pass           http://%%LISTEN3%%;
        }
    }

    # an API for pages of another origin
    server {
        listen %%LISTEN2%% ssl;
        server_name api.example.com;

        auth_token        on;
        auth_token_accept cookie;
        auth_token_cors   https://other.example.com;

        proxy_set_header Cookie "";
        proxy_set_header X-User $auth_token_user;

        location /               { proxy_pass http://%%LISTEN3%%; }
        location = /auth/login   { auth_token_login app; }
        location = /api/auth/token { auth_token_refresh app; }
        location = /auth/logout  { auth_token_logout app; }
    }

    # a trial on http
    server {
        listen %%LISTEN5%%;
        auth_token        on;
        auth_token_accept cookie;
        proxy_set_header Cookie "";
        proxy_set_header X-User $auth_token_user;
        location /api/               { proxy_pass http://%%LISTEN3%%; }
        location = /api/auth/login   { auth_token_login   app; }
        location = /api/auth/token   { auth_token_refresh app; }
        location = /api/auth/logout  { auth_token_logout  app; }
        location = /api/auth/session { auth_token_session_info app; }
        location / { auth_token off; root %%DIR%%/app; }
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

# the digest of the public key, by which Chromium trusts the certificate
chomp(my $spki = qx(openssl x509 -in $dir/keys/tls.crt -pubkey -noout |
                    openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64));

run_steps $s, 't/browser/main.js',
    port     => $s->port,
    foreign  => $s->port(2),
    plain    => $s->port(5),
    spki     => $spki,
    password => $AuthToken::Local::PASSWORD;

done;
