#!/usr/bin/perl

# Documentation: every configuration in README and docs passes nginx -t, the quickstarts, the
# guide for clients of a provider and the migrated configurations work as written, every link leads to a file and a heading, and
# the reference covers every directive, variable, code and reason, and no others.

use v5.36;

use lib 't/lib';
use AuthToken::Provider;
use AuthToken::Source;
use AuthToken::Store;
use AuthToken::Test;
use File::Basename qw(dirname);

# Debian's users do not have nginx in their path
$ENV{PATH} .= ':/usr/sbin';

my $root  = $AuthToken::Server::ROOT;
my $build = $AuthToken::Server::BUILD;

my @pages = map { substr $_, 1 + length $root }
            map { glob "$root/$_" } qw(*.md docs/*.md docs/*/*.md conf-examples/*.md bench/README.md t/*.md);
my %text  = map { $_ => AuthToken::Log->new("$root/$_")->content } @pages;

my $password = 'canary-open-sesame';

# --- links ------------------------------------------------------------------

# headings as GitHub makes anchors of them
sub anchors ($page) {
    my $prose = $text{$page} =~ s/^```.*?^```$//msgr;
    return map { lc =~ s/[^\w\- ]//gr =~ tr/ /-/r } map { s/\[([^\]]*)\]\([^)]*\)/$1/gr } $prose =~ /^#+ (.*)$/mg;
}

for my $page (@pages) {
    my $prose = $text{$page} =~ s/^```.*?^```$//msgr =~ s/`[^`\n]*`//gr;
    my @broken;

    for my $link ($prose =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ m{\Ahttps?://};
        my ($file, $anchor) = $link =~ /\A([^#]*)#?(.*)\z/;
        my $target = $file eq '' ? $page : resolved(dirname($page) . "/$file");

        push @broken, $link if !-e "$root/$target";
        push @broken, $link if $anchor ne '' && !grep { $_ eq $anchor } anchors($target);
    }

    is_deeply \@broken, [], "$page: every link leads somewhere";
}

sub resolved ($path) {
    1 while $path =~ s{(?:^|/)\K(?!\.\.?/)[^/]+/\.\./}{} || $path =~ s{(?:^|/)\K\./}{};
    return $path =~ s{/\z}{}r;
}

{
    my $readme = $text{'README.md'};
    cmp_ok $readme =~ tr/\n//, '<=', 180, 'README has at most 180 lines';
    like $readme, qr/\(\Q$_\E\)/, "README links $_" for grep { m{^docs/\w+\.md$} } @pages;
}

# --- pictures ---------------------------------------------------------------

# the relative luminance of a colour (WCAG 2.2)
sub luminance ($colour) {
    my @linear = map { $_ <= 0.04045 ? $_ / 12.92 : (($_ + 0.055) / 1.055) ** 2.4 } map { hex($_) / 255 } $colour =~ /[0-9a-f]{2}/g;
    return 0.2126 * $linear[0] + 0.7152 * $linear[1] + 0.0722 * $linear[2];
}

sub contrast (@colours) {
    my ($dark, $light) = sort { $a <=> $b } map { luminance($_) } @colours;
    return ($light + 0.05) / ($dark + 0.05);
}

# A page may be light or dark: each picture has a background, and text that is readable on it
# and on the boxes.
for my $file ($text{'README.md'} =~ /!\[[^\]]+\]\(([\w\/.]+\.svg)\)/g) {
    my $svg = AuthToken::Log->new("$root/$file")->content;
    my ($size, $default) = $svg =~ /\A<svg [^>]*viewBox="([^"]+)"[^>]* fill="(#[0-9a-f]{6})">/;
    my ($box, $background) = $svg =~ /<\/title>\n<rect ([^>]*) fill="(#[0-9a-f]{6})"\/>/;

    is join(' ', $box =~ /\b(?:x|y|width|height)="([^"]+)"/g), $size, "$file: the background covers the picture";

    my %text  = map { $_ => 1 } $default, $svg =~ /<text [^>]*fill="(#[0-9a-f]{6})"/g;
    my %boxes = map { $_ => 1 } $background, $svg =~ /<rect [^>]*fill="(#[0-9a-f]{6})" stroke=/g;
    my @weak  = grep { contrast(split ' ') < 4.5 } map { my $text = $_; map { "$text $_" } sort keys %boxes } sort keys %text;
    is_deeply \@weak, [], "$file: the contrast of text is at least 4.5";
}

# --- reference --------------------------------------------------------------

my $source = join "\n", map { AuthToken::Log->new($_)->content } source_files("$root/src");

sub source_files ($dir) { map { -d ? source_files($_) : /\.[ch]\z/ ? $_ : () } glob "$dir/*" }

# the strings in the table of the sources whose declaration begins with this pattern
sub table ($begins, $string) {
    my ($body) = $source =~ /$begins[^{]*\{(.*?)^\};/ms or die "no table $begins\n";
    return sort $body =~ /$string/g;
}

sub column ($page, $pattern) { sort $text{"docs/$page.md"} =~ /^\| `($pattern)` \|/mg }

{
    my @sections = split /^## /m, $text{'docs/directives.md'};
    shift @sections;
    my @names = map { /\A(\w+)\n/ ? $1 : () } @sections;
    my @inner = map { /\A(\w+)\n/ ? $1 : () } map { my @s = split /^### /m; shift @s; @s } @sections;

    is_deeply [sort @names], [table('ngx_at_commands\[\]', qr/\{ ngx_string\("(\w+)"\)/)],
        'every directive has its section, and every section its directive';
    is_deeply [sort @inner], [grep { $_ ne 'include' }
                              table('ngx_at_issuer_commands\[\]', qr/\{ ngx_string\("(\w+)"\)/)],
        'every directive of the issuer block has its section, and every section its directive';

    for (map { /^##/m ? split /^### /m : $_ } @sections) {
        my ($name) = /\A(\w+)\n/;
        like $_, qr/\A\w+\n\n- Syntax: `$name .*\n- Default: .*\n- Context: .*\n\n/, "$name: Syntax, Default, Context";
        like $_, qr/^```nginx/m, "$name: an example";
    }
}

# A string of the module is the name of a variable if nginx accepts it as one.
{
    my @documented = map { s/NAME/sub/r } column('variables', '\$auth_token_\w+');
    my %known      = map { $_ => 1 } @documented;
    my $module     = AuthToken::Log->new("$build/ngx_http_auth_token_module.so")->content;
    my @others     = grep { !$known{$_}++ } map { "\$$_" } $module =~ /\0(auth_token_[a-z_]+[a-z])(?=\0)/g;
    my $conf       = sub (@names) { 'server { listen %%LISTEN%%; ' . join('', map { "set \$value $_; " } @names) . '}' };

    conf_ok($conf->(@documented), 'every documented variable exists');
    conf_fails($conf->($_), qr/unknown "\w+" variable/, "$_ is not an undocumented variable", where => 0) for sort @others;
}

{
    my ($verdicts) = $source =~ /at_verdicts\[AT_VERDICTS\][^{]*\{(.*?)^\};/ms;
    my @reasons = grep { $_ ne 'ok' } $verdicts =~ /\(\s*"([a-z_]+)"/g;
    is_deeply [column('errors', '[a-z_]+')], [sort @reasons], 'every reason has its row, and every row its reason';

    my ($codes) = $source =~ /at_codes\[AT_CODES\][^{]*\{(.*?)^\};/ms;
    my %known;
    $known{"API_$1"} = [$2, $3] while $codes =~ /AT_CODE\((\w+), (\d+), "([^"]+)"/g;
    is_deeply [column('errors', 'API_\w+')], [sort keys %known], 'every code has its row, and every row its code';
    like $text{'docs/errors.md'}, qr/^\| `$_` \| [^|]*\b$known{$_}[0]\b[^|]* \| [^|]*\Q$known{$_}[1]\E[^|]* \|/m,
        "$_: status and message" for sort keys %known;
}

# --- messages that are quoted -----------------------------------------------

# In the table of log lines an ellipsis stands for what differs: the rest is in the sources.
{
    my $literals = $source =~ s{/\*.*?\*/}{}gsr;
    my $strings  = join "\n", map { s/"\s*"//gr =~ s/\\"/"/gr } $literals =~ /"((?:[^"\\\n]|\\.|"\s*")*)"/g;

    for my $line ($text{'docs/operations.md'} =~ /^\| (?:notice|warn|error|crit|alert) \| `([^`]+)` \|/mg) {
        my @unknown = grep { /\w/ && index($strings, $_) < 0 } split /\.\.\./, $line;
        is_deeply \@unknown, [], "operations: is logged: $line";
    }
}

# --- commands ---------------------------------------------------------------

{
    my %help;
    my $help = sub (@words) { $help{"@words"} //= do { my $h = qx($build/auth-token @words --help 2>&1); $? ? '' : $h } };

    for my $page (grep { m{^(?:README\.md|docs/\w+\.md|conf-examples/README\.md)$} } @pages) {
        my @lines = map { s/\\\n\s*/ /gr } map { split /(?<!\\)\n/ } $text{$page} =~ /^```(?:sh|)\n(.*?)^```$/msg;
        push @lines, $text{$page} =~ /`(auth-token [a-z][^`]*)`/g;

        for my $line (@lines) {
            for my $command ($line =~ /(?:^|[ (])(auth-token (?:[^'"#|<>)]|'[^']*'|"[^"]*")*)/g) {
                my @words   = grep { defined && /\A[a-z]/ } (split ' ', $command)[1, 2];
                my @options = map { s/=.*//r } $command =~ /(?<= )(--[a-z-]+)/g;
                next if !@words;
                my $found = $help->(@words) || $help->($words[0]);
                my @unknown = grep { index($found, $_) < 0 && !/--(?:store|json|help)\z/ } @options;
                ok $found ne '' && !@unknown, "$page: the command knows: $command" or diag "unknown: @unknown";
            }
        }
    }
}

{
    my $makefile = AuthToken::Log->new("$root/Makefile")->content;
    my %target   = map { $_ => 1 } map { split ' ' } $makefile =~ /^([a-z][a-z -]*):/mg;
    my @named    = map { /^make((?: +[A-Z_]+=\S+| +[a-z-]+)*)/mg } map { $text{$_} =~ /^```sh\n(.*?)^```$/msg } @pages;

    ok $target{$_}, "make $_ exists" for sort keys %{{ map { $_ => 1 } grep { /^[a-z]/ } map { split ' ' } @named }};
}

# --- configurations ---------------------------------------------------------

# what a block of each kind lacks: it is put around it
my $issuers = <<'CONF';
auth_token_issuer main {
    issuer   https://issuer.example;
    audience api;
    key_file /etc/nginx/auth_token/main.jwks;
}
auth_token_issuer app {
    issuer      https://app.example.com;
    audience    app;
    signing_key /etc/nginx/auth_token/app;
}
CONF
my $store = "auth_token_store lmdb:/var/lib/auth-token;\n";

my %around = (
    http => sub ($block) {
        return join '', $block =~ /auth_token_issuer|server \{/ ? '' : $issuers,
            $block =~ /auth_token_store/ ? '' : $store, $block;
    },
    server => sub ($block) {
        my $trust = $block =~ /auth_token_trust/ ? '' : 'auth_token_trust main;';
        return "$issuers${store}server {\nlisten 8080;\n$trust\n$block}\n";
    },
    location => sub ($block) {
        return "$issuers${store}server {\nlisten 8080;\nauth_token_trust main;\nauth_token on;\nlocation / {\n$block}\n}\n";
    },
    issuer => sub ($block) {
        my $keys = $block =~ /^(?:key_file|jwks_uri|discovery|signing_key)\b/m ? ''
                 : "key_file /etc/nginx/auth_token/main.jwks;\n";
        my $iss  = $block =~ /^issuer\b/m   ? '' : "issuer https://login.example.com;\n";
        my $aud  = $block =~ /^audience\b/m ? '' : "audience api;\n";
        return "${store}auth_token_issuer main {\n$iss$aud$keys$block}\n";
    },
);

# replaces paths, ports and the upstream by those of the test
sub placed ($text) {
    $text =~ s{modules/(?=ngx_http_auth_token)}{$build/}g;
    $text =~ s{/etc/nginx/auth_token/}{%%DIR%%/}g;
    $text =~ s{/var/lib/auth-token}{%%DIR%%/store}g;
    $text =~ s{/var/lib/nginx/auth_token}{%%DIR%%/state}g;
    $text =~ s{/var/(?:log/nginx|www)/}{%%DIR%%/}g;
    $text =~ s{/etc/nginx/}{%%DIR%%/}g;
    $text =~ s{\bssl_certificate\s+\S+;}{%%TLS%%}g;
    $text =~ s{\bssl_certificate_key\s+\S+;}{}g;
    $text =~ s{^(\s*listen\s+)\d+}{$1%%LISTEN%%}mg;
    $text =~ s{http://127\.0\.0\.1:9000}{%%UPSTREAM%%}g;
    $text = "auth_token_state_path %%DIR%%/state;\n$text"
        if $text =~ /server \{|auth_token_issuer/ && $text !~ /auth_token_state_path/;
    return $text;
}

# the files that a configuration names, by their use
sub files ($text) {
    my %file;
    while ($text =~ /%%DIR%%\/([\w.-]+)/g) {
        my $name = $1;
        next if $name =~ /\A(?:store|state|access\.log|error\.log)\z/;
        $file{$name} = $name =~ /\.jwks?\z|\.json\z/ ? jwks($name =~ /v2|next/ ? 'rsa2' : 'rsa')
                     : $name =~ /\.tsv\z/ ? "GET /devices devices.read\n"
                     : $name =~ /\.txt\z/ ? "192.0.2.0/24\n"
                     : $name =~ /\.pem\z/ ? key('rsa2')->pem : undef;
    }
    $file{$_} = key('rsa')->private_pem for $text =~ /signing_key\s+%%DIR%%\/([\w.-]+)/g;
    $file{$_} //= key('rsa')->pem for $text =~ /key_file\s+%%DIR%%\/([\w.-]+)/g;
    delete @file{grep { !defined $file{$_} } keys %file};
    return \%file;
}

sub jwks ($name) { '{"keys":[' . key($name)->jwk . ']}' }

sub prepare ($text) {
    return sub ($s) {
        chmod 0600, $s->dir . "/$_" for $text =~ /signing_key\s+%%DIR%%\/([\w.-]+)/g;
        AuthToken::Store->new($s->dir) if $text =~ /auth_token_store/;
    };
}

for my $page (grep { $_ ne 'CONTRIBUTING.md' } @pages) {
    my $n = 0;
    while ($text{$page} =~ /^```nginx *(\w*)\n(.*?)^```$/msg) {
        my ($kind, $block) = ($1 || 'http', $2);
        my ($first) = $block =~ /^\s*(\S.*?)\s*\{?$/m;
        my $name = "$page, block " . ++$n . ": $first";

        if ($kind eq 'main') {
            conf_ok('', $name, load => 0, main => placed($block));
            next;
        }

        my $around = $around{$kind} or do { fail "$name: no such kind of block: $kind"; next };
        my $conf = placed($around->($block));
        conf_ok($conf, $name, files => files($conf), prepare => prepare($conf));
    }
    ok $n > 0, "$page has configurations" if $page =~ m{^(?:README|docs/(?:quickstart|providers|ipfabric|cipp))\.md$};
}

# --- the quickstarts, as typed ----------------------------------------------

# the blocks of a page, or of its section
sub blocks ($page, $language, $section = undef) {
    my $part = $text{$page};
    ($part) = $part =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms or die "no section $section\n" if defined $section;
    return $part =~ /^```$language\n(.*?)^```$/msg;
}

# runs the commands of a block in the directory of the server; returns their output
sub typed ($s, $block) {
    my $dir = $s->dir;
    my $output = '';

    for my $line (grep { /\S/ } split /(?<!\\)\n/, $block) {
        my $command = $line =~ s/ +#.*//gr;
        next if $command =~ /^(?:curl|nginx|make|mkdir)\b/;
        $command =~ s{/etc/nginx/auth_token/}{$dir/}g;
        $command =~ s{>(?=\w)}{>$dir/};
        $command =~ s/ --group www-data// if $> != 0;
        $command .= ' --password-file -' if $command =~ /user create/;
        $output .= qx(export PATH=$build:\$PATH AUTH_TOKEN_STORE=lmdb:$dir/store ASAN_OPTIONS=detect_leaks=0; echo $password | $command 2>&1);
        is $?, 0, "as typed: " . ($line =~ s{\\\n\s*}{}gr) or diag $output;
    }
    return $output;
}

# a server by the first configuration of a section, prepared by its commands
sub quickstart ($page, $section, @shell) {
    my ($conf) = blocks($page, 'nginx', $section);
    my $output = '';
    $conf =~ s/listen 443 ssl;/listen 8080;/;
    $conf =~ s/^\s*ssl_\w+.*\n//mg;
    my $s = start(placed($conf), good => ['/none'], prepare => sub ($s) { $output .= typed($s, $_) for @shell });
    return ($s, $output);
}

{
    my ($s) = quickstart('README.md', 'Protect an API with JWTs', (blocks('README.md', 'sh', 'Protect an API with JWTs'))[0]);
    chomp(my $token = AuthToken::Log->new($s->dir . '/token')->content);

    granted $s, '/api/', 'README: the token that was made is accepted', token => $token;
    is $s->request('/api/', token => "${token}x")->{status}, 401, 'README: a changed token is refused';
    is $s->request('/api/')->{status}, 401, 'README: a request without a token is refused';
    $s->stop;
}

{
    my ($s, $output) = quickstart('README.md', 'Protect an API with API tokens',
                                  (blocks('README.md', 'sh', 'Protect an API with API tokens'))[0]);
    my ($token) = $output =~ /^token\s+(\w{32})$/m or diag $output;

    granted $s, '/api/', 'README: the API token is accepted', api_token => $token;
    typed($s, (blocks('README.md', 'sh', 'Protect an API with API tokens'))[1]);
    is $s->request('/api/', api_token => $token)->{status}, 403, 'README: disabled, it is refused';
    $s->stop;
}

{
    my ($s) = quickstart('docs/quickstart.md', '2. Configure nginx',
                         (blocks('docs/quickstart.md', 'sh', '1. Make the store, a signing key and a user'))[0]);
    my ($shown) = blocks('docs/quickstart.md', '', '3. Try it');
    my %json = (method => 'POST', headers => ['Content-Type: application/json']);
    my ($body) = $shown =~ /-d '(\{.*?\})'/;

    my $login = $s->request('/api/auth/login', %json, body => $body =~ s/open sesame/$password/r);
    is $login->{status}, 200, 'quickstart: login';
    my %cookie = map { /^(\w+)=([^;]*)/ } $login->all('Set-Cookie');
    for my $set ($login->all('Set-Cookie')) {
        my ($name, $attributes) = $set =~ /^(\w+)=[^;]*; (.*?; )Expires/;
        like $shown, qr/^Set-Cookie: $name=\S+; \Q$attributes\E/m, "quickstart: the cookie $name as shown";
    }

    granted $s, '/api/', 'quickstart: a request with the cookie', cookie => "accessToken=$cookie{accessToken}";
    is $s->request('/api/')->{status}, 401, 'quickstart: a request without a credential is refused';
    is $s->request('/api/auth/login', %json, body => '{"username":"jane","password":"no"}')->{status}, 401,
        'quickstart: a wrong password';
    is $s->request('/')->{status} == 401, '', 'quickstart: pages are public';

    my $refresh = $s->request('/api/auth/token', method => 'POST', cookie => "refreshToken=$cookie{refreshToken}");
    is $refresh->{status}, 200, 'quickstart: refresh';
    my %next = map { /^(\w+)=([^;]*)/ } $refresh->all('Set-Cookie');
    my $again = $s->request('/api/auth/token', method => 'POST', cookie => "refreshToken=$cookie{refreshToken}");
    is_deeply [$again->all('Set-Cookie')], [$refresh->all('Set-Cookie')], 'quickstart: a parallel refresh gets the same tokens';

    my $logout = $s->request('/api/auth/logout', method => 'POST', cookie => "accessToken=$next{accessToken}");
    is $logout->{body}, '{"success":true}', 'quickstart: logout';
    is $s->request('/api/auth/token', method => 'POST', cookie => "refreshToken=$next{refreshToken}")->{status}, 401,
        'quickstart: the session has ended';
    $s->stop;
}

# an OpenID provider by discovery, and address ranges for each client
{
    my $api      = 'https://api.example.com';
    my $section  = 'Address ranges for each client';
    my $provider = AuthToken::Provider->start(path => '/realms/main', resources => { $api => $api },
        clients => [map { { id => $_, claims => { azp => $_ } } } qw(reports dashboard stranger)]);
    my $token = sub ($client) { $provider->token(client => $client, resource => $api) };

    my ($conf)  = blocks('docs/providers.md', 'nginx', $section);
    my ($shell) = blocks('docs/providers.md', 'sh', $section);
    $conf  =~ s{https://id\.example\.com/realms/main}{$provider->issuer}ge;
    $conf  =~ s{discovery +on}{discovery on ca_file=%%DIR%%/ca.pem};
    $shell =~ s{192\.0\.2\.0/24}{127.0.0.2} && $shell =~ s{198\.51\.100\.7}{127.0.0.3} or die "other ranges in $section\n";

    my $s = start(placed($conf), good => ['/none'], files => { 'ca.pem' => $provider->ca },
                  prepare => sub ($s) { typed($s, $shell) });
    $s->errors->await(qr/keys replaced, issuer: "provider"/);

    granted $s, '/', 'providers: a client from its range', token => $token->('reports'), from => '127.0.0.2';
    granted $s, '/', 'providers: another client from its range', token => $token->('dashboard'), from => '127.0.0.3';
    is $s->request('/', token => $token->($_->[0]), from => $_->[1])->{status}, 403, "providers: $_->[0] from $_->[1]"
        for ['reports', '127.0.0.3'], ['dashboard', '127.0.0.2'], ['stranger', '127.0.0.2'];
    $s->stop;
    $provider->stop;
}

# --- migration --------------------------------------------------------------

# a server by the configuration with this module
sub migrated ($section, %o) {
    my ($conf) = blocks('docs/migration.md', 'nginx', $section);
    $conf = $o{change}->($conf) if $o{change};
    $conf = placed($conf);
    my %files = (files($conf)->%*, ($o{files} // {})->%*);
    return start($conf, good => ['/none'], files => \%files, prepare => $o{prepare});
}

my %of_docs = (iss => 'https://login.example.com', aud => 'https://api.example.com');
sub documented (%claims) { token(header => { kid => 'rsa' }, claims => { %of_docs, %claims }) }

{
    my $source = AuthToken::Source->start(keys => ['rsa']);
    my $s = migrated('nginx Plus: auth_jwt', files => { 'ca.pem' => $source->ca }, change => sub ($conf) {
        my $url = $source->url('/jwks');
        $conf =~ s{jwks_uri\s+\S+;}{jwks_uri $url ca_file=%%DIR%%/ca.pem;} or die 'no jwks_uri';
        return $conf;
    });
    $s->errors->await(qr/keys replaced, issuer: "main"/);

    my $tag = next_tag;
    is_granted $s->request('/products/', token => documented(sub => 'jane'), tag => $tag), 'migration, nginx Plus: a token';
    is((hits($s, $tag))[0]{http_x_user}, 'jane', 'migration, nginx Plus: the user is the claim sub');
    granted $s, '/products/', 'migration, nginx Plus: a cookie', cookie => 'session=' . documented();
    for (['another audience', 401, aud => 'x'], ['another issuer', 401, iss => 'x'], ['no scope', 403, scope => []],
         ['six seconds after exp', 401, exp => time - 6])
    {
        my ($name, $status, %claims) = @$_;
        is $s->request('/products/', token => documented(%claims))->{status}, $status, "migration, nginx Plus: $name";
    }
    granted $s, '/products/', 'migration, nginx Plus: the leeway', token => documented(exp => time - 2);
    like $s->request('/products/')->header('WWW-Authenticate'), qr/realm="products"/, 'migration, nginx Plus: the realm';
    $s->stop;
    $source->stop;
}

{
    my $s = migrated('nginx-auth-jwt of kjdev');
    my $with = sub ($sub, @roles) {
        return token(header => { typ => 'at+jwt' }, claims => { %of_docs, sub => $sub, realm_access => { roles => \@roles } });
    };

    granted $s, '/', "migration, nginx-auth-jwt: the role $_", token => $with->('jane', $_, 'x') for 'reader', 'admin';
    for (['another role', 403, $with->('jane', 'x')], ['a locked user', 403, $with->('3f0c8e1a-jane', 'reader')],
         ['another typ', 401, documented()])
    {
        my ($name, $status, $token) = @$_;
        is $s->request('/', token => $token)->{status}, $status, "migration, nginx-auth-jwt: $name";
    }
    $s->stop;
}

{
    my $section = 'A service behind auth_request';
    my ($list)  = grep { /METHOD/ } blocks('docs/migration.md', '', $section);
    my $s = migrated($section, files => { 'endpoints.tsv' => $list });

    granted $s, '/api/devices', 'migration, auth_request: the scope of the endpoint', token => documented(scope => 'devices.read');
    is $s->request("/api/$_->[0]", token => documented(scope => $_->[1]))->{status}, 403, "migration, auth_request: $_->[2]"
        for ['devices', 'read', 'another scope'], ['users', 'devices.read', 'a path that is not listed'];
    is $s->request('/api/devices')->{status}, 401, 'migration, auth_request: no credential';
    $s->stop;
}

{
    my ($kong)  = blocks('docs/migration.md', '', 'Kong: key-auth');
    my ($shell) = blocks('docs/migration.md', 'sh', 'Kong: key-auth');
    my ($key)   = $kong =~ /- key: (\w+)/;
    my $s = migrated('Kong: key-auth', prepare => sub ($s) { typed($s, $shell) });

    my $tag    = next_tag;
    my $answer = $s->request('/api/x', headers => ["apikey: $key"], tag => $tag);
    is_granted $answer, 'migration, Kong: the key of a consumer';
    my ($hit) = hits($s, $tag);
    is $hit->{http_x_consumer_username}, 'reports', 'migration, Kong: the upstream gets the name of the consumer';
    is $hit->{http_apikey} // '', '', 'migration, Kong: the upstream does not get the key';
    is $s->request("/api/$_->[0]", headers => $_->[1])->{status}, 401, "migration, Kong: $_->[2]"
        for ['x', ["apikey: x$key"], 'another key'], ["x?apikey=$key", [], 'the key in the query'], ['x', [], 'no key'];
    $s->stop;
}

done_testing;
