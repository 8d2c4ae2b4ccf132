#!/usr/bin/perl

# Configuration errors: nginx -t reports each of them with the file, the line, the
# directive and the value, and creates no file.
#
# Requirements: configuration-errors, module-loading.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

my %files = (
    'rsa.pem'    => key('rsa')->pem,
    'ca.pem'     => "-----BEGIN CERTIFICATE-----\n",
    'ranges'     => "# office\n192.0.2.0/24\n\n  2001:db8::/32 # cloud\r\n",
    'empty'      => "# no range\n\n",
    'nothing'    => '',
    'bad-range'  => "192.0.2.1\n\n192.0.2.256\n",
    'part.conf'  => "issuer https://issuer.example;\naudience api;\n",
    'wrong.conf' => "issuer https://issuer.example;\ncolour red;\n",
);

my $long = 'x' x 10_000;

sub issuer ($name = 'main', $more = '') {
    return <<"CONF";
    auth_token_issuer $name {
        issuer   https://issuer.example;
        audience api;
        key_file %%DIR%%/rsa.pem;
        $more
    }
CONF
}

sub location ($lines, $before = issuer()) {
    return <<"CONF";
    $before
    server {
        listen %%LISTEN%%;
        location / {
$lines
        }
    }
CONF
}

sub block ($lines) {
    return "    auth_token_issuer main {\n$lines\n    }\n";
}

# a complete block with these lines; the last one is wrong
sub in_block ($lines) {
    return block("issuer https://issuer.example;\naudience api;\n"
               . "key_file %%DIR%%/rsa.pem;\n$lines");
}

sub fails ($text, $pattern, $name, %o) {
    conf_fails $text, $pattern, "$name", files => \%files, %o;
}

sub works ($text, $name, %o) {
    conf_ok $text, "$name", files => \%files, %o;
}

sub quoted ($value) { quotemeta($value) =~ s/\Q@{[ quotemeta '%%DIR%%' ]}\E/\\S+/r }
sub wrong_value ($value, $directive) { qr/invalid value "@{[ quoted($value) ]}" in "$directive"/ }
sub duplicate_value ($value, $directive) { qr/duplicate value "@{[ quoted($value) ]}" in "$directive"/ }

# --- every directive of a location ------------------------------------------

# a valid value, invalid values with the error message; one: takes one value; again:
# may be repeated
my $count = qr/invalid number of arguments in "%s" directive/;

my @directives = (
    [auth_token => 'on', one => 1, wrong => [
        map { [$_ => qr/invalid value "\Q$_\E" in "auth_token" directive/] }
            'yes', '1', 'true', '$arg_on', 'On?', '']],
    [auth_token_accept => 'bearer', wrong => [
        (map { [$_ => wrong_value($_, 'auth_token_accept')] }
             'none=1', 'token', 'Bearer', 'Cookie', '$arg_kind', 'cookie=', 'bearer=x',
             'digest', '', ',', 'any', 'api_token=$arg_apikey', 'api_token=$http_x_key', 'api_token=x$y', 'cookie=$cookie_a',
             'api_token=', 'cookie=${a}'),
        ['bearer bearer' => duplicate_value('bearer', 'auth_token_accept')],
        ['cookie cookie=x' => duplicate_value('cookie=x', 'auth_token_accept')],
        ['"cookie=a b"' => wrong_value('cookie=a b', 'auth_token_accept')],
        ['"cookie=a;b"' => wrong_value('cookie=a;b', 'auth_token_accept')],
        (map { ["cookie=$_" => wrong_value("cookie=$_", 'auth_token_accept')] } 'a=b', 'a,b', 'a/b', "\x7f"),
        ['none cookie' => qr/"auth_token_accept" directive cannot combine "none" with other values/],
        ['none bearer' => qr/"auth_token_accept" directive cannot combine "none" with other values/],
        ['bearer none' => qr/"auth_token_accept" directive cannot combine "none" with other values/]]],
    [auth_token_challenge => 'bearer', wrong => [
        (map { [$_ => wrong_value($_, 'auth_token_challenge')] }
             'Basic', 'cookie', 'none', 'off', 'digest', '$arg_scheme', 'bearer=x', 'basic,bearer'),
        ['basic basic' => duplicate_value('basic', 'auth_token_challenge')]]],
    [auth_token_trust => 'main', wrong => [
        ['main main' => duplicate_value('main', 'auth_token_trust')],
        (map { [$_ => qr/no such issuer "\Q$_\E" in "auth_token_trust"/] }
             'unknown', 'Main', '$arg_issuer', 'mai', '')]],
    [auth_token_require_scope => 'read', wrong => [
        ['any' => qr/"auth_token_require_scope" directive requires at least one scope/],
        ['all' => qr/"auth_token_require_scope" directive requires at least one scope/],
        ['off read' => qr/"auth_token_require_scope" directive cannot combine "off"/],
        ['read ""' => wrong_value('', 'auth_token_require_scope')],
        ['""' => wrong_value('', 'auth_token_require_scope')],
        ['"${arg_x"' => qr/the closing bracket in "arg_x" variable is missing/],
        ['$' => qr/invalid variable name/]]],
    [auth_token_allow => '192.0.2.1', again => 1, wrong => [
        (map { [$_ => wrong_value($_, 'auth_token_allow')] }
             '$remote_addr', 'localhost', 'Any', 'all', '192.0.2.1/33', '192.0.2.256',
             '::1/129', '192.0.2.1-9', 'unix:', 'File=x', '010.0.0.1', ''),
        ['192.0.2.2 192.0.2.1/33' => wrong_value('192.0.2.1/33', 'auth_token_allow')],
        ['any any' => qr/"auth_token_allow" directive cannot combine "any" with other values/],
        ['any 192.0.2.1' => qr/"auth_token_allow" directive cannot combine "any" with other values/],
        ['192.0.2.1 any' => wrong_value('any', 'auth_token_allow')],
        ['file=' => qr/"auth_token_allow": /],
        ['file=%%DIR%%/missing' => qr/"auth_token_allow": .*missing/],
        ['file=%%DIR%%' => qr/"auth_token_allow": .*directory|"auth_token_allow": .*file/],
        ['file=%%DIR%%/empty' => qr{no address range in "\S+/empty"}],
        ['file=%%DIR%%/nothing' => qr{no address range in "\S+/nothing"}],
        ['file=%%DIR%%/bad-range' => qr{invalid address range "192\.0\.2\.256" in \S+/bad-range:3}]]],
    [auth_token_realm => 'api', one => 1, wrong => [
        [qq("a\nb") => qr/invalid value "a$/, where => 0],
        [qq("a\x01b") => qr/invalid value "a\x01b" in "auth_token_realm"/],
        ['"${arg_x"' => qr/the closing bracket in "arg_x" variable is missing/],
        ['$' => qr/invalid variable name/],
        [qq("a\x7fb") => qr/invalid value "a\x7fb" in "auth_token_realm"/]]],
    [auth_token_error => 'API_IP_NOT_ALLOWED status=404', wrong => [
        ['API_IP_NOT_ALLOWED' => $count],
        ['API_IP_NOT_ALLOWED status=404 message=x more' => $count],
        ['OK status=404' => wrong_value('OK', 'auth_token_error')],
        ['API_NONE status=404' => wrong_value('API_NONE', 'auth_token_error')],
        ['api_ip_not_allowed status=404' => wrong_value('api_ip_not_allowed', 'auth_token_error')],
        ['"" status=404' => wrong_value('', 'auth_token_error')],
        ['$arg_code status=404' => wrong_value('$arg_code', 'auth_token_error')],
        (map { ["API_IP_NOT_ALLOWED status=$_" => wrong_value("status=$_", 'auth_token_error')] }
             0, 100, 200, 204, 302, 399, 408, 444, 494 .. 499, 600, 1000, -1, '', 'x',
             '$arg_status', '4294967697', '99999999999999999999'),
        ['API_IP_NOT_ALLOWED status=404 status=403' => duplicate_value('status=403', 'auth_token_error')],
        ['API_IP_NOT_ALLOWED message=a message=b' => duplicate_value('message=b', 'auth_token_error')],
        ['API_IP_NOT_ALLOWED colour=red' => wrong_value('colour=red', 'auth_token_error')],
        [qq(API_IP_NOT_ALLOWED "message=a\x01") => qr/invalid value "message=.*in "auth_token_error"/],
        [qq(API_IP_NOT_ALLOWED "message=\xff") => qr/invalid value "message=.*in "auth_token_error"/],
        [qq(API_IP_NOT_ALLOWED "message=\xed\xa0\x80") => qr/invalid value "message=.*in "auth_token_error"/],
        [qq(API_IP_NOT_ALLOWED "message=\xc0\xaf") => qr/invalid value "message=.*in "auth_token_error"/],
        [qq(API_IP_NOT_ALLOWED "message=\xe2\x82") => qr/invalid value "message=.*in "auth_token_error"/]]],
    [auth_token_error_format => 'text', one => 1, wrong => [
        map { [$_ => qr/invalid value "\Q$_\E" in "auth_token_error_format": use "json", "problem" or "text" in /] }
            'xml', 'jsonp', 'JSON', '$arg_format', '']],
    [auth_token_log_level => 'warn', one => 1, wrong => [
        map { [$_ => qr/invalid value "\Q$_\E" in "auth_token_log_level": use "info", "notice", "warn" or "error" in /] }
            'debug', 'crit', 'off', 'Warn', 'errors', '$arg_level', '']],
    (map { my $name = $_; [$name => 'on', one => 1, wrong => [
        map { [$_ => qr/invalid value "\Q$_\E" in "$name" directive/] } 'yes', '$arg_on', '']] }
        'auth_token_preflight', 'auth_token_local'),
    (map { my $name = $_; [$name => 'https://ui.example', wrong => [
        (map { [$_ => wrong_value($_, $name)] }
             'ui.example', '*', 'https://', 'https://*.example', 'https://ui.example/',
             'ftp://ui.example', '$http_origin', 'null', 'HTTPS://ui.example',
             'https://a@ui.example', 'https://ui.example?x', 'https://ui.example#x', 'http:/a',
             'https://a.example,https://b.example', 'https://$host', 'Off', '', 'https://a.example:', 'https://a.example:0',
             'https://a.example:65536', 'https://a.example:x', 'https://:443', 'https://[::1', 'https://::1',
             'https://[::g]', "https://b\xc3\xbccher.example", 'https://.example'),
        ['https://a.example https://a.example:443' => duplicate_value('https://a.example', $name)],
        ['"https://a b"' => wrong_value('https://a b', $name)],
        ['https://a.example https://a.example' =>
            duplicate_value('https://a.example', $name)],
        ['off https://a.example' => qr/"$name" directive cannot combine "off" with other values/],
        ['https://a.example off' => wrong_value('off', $name)]]] } 'auth_token_cookie_origin', 'auth_token_cors'),
);

for my $row (@directives) {
    my ($name, $value, %o) = @$row;
    my $arguments = qr/invalid number of arguments in "$name" directive/;
    my $again = $name eq 'auth_token_error'
        ? duplicate_value('API_IP_NOT_ALLOWED', $name) : qr/"$name" directive is duplicate/;

    works location("$name $value;"), "$name: $value";
    fails location("$name; # here"), $arguments, "$name: no value";
    fails location("$name $value $value; # here"), $arguments, "$name: two values" if $o{one};
    fails location("$name $value;\n$name $value; # here"), $again, "$name: twice" if !$o{again};
    works location("$name $value;\n$name $value;"), "$name: twice" if $o{again};
    fails location("$name $long; # here"), qr/too long (?:parameter|value)/, "$name: 10,000 characters",
          where => 0;
    fails location("$name { } # here"), qr/directive "$name" is not terminated by ";"/, "$name: a block";

    for my $wrong ($o{wrong}->@*) {
        my ($text, $pattern, %more) = @$wrong;
        $pattern = $arguments if $pattern eq $count;
        my $quoted = $text eq '' ? '""' : $text;
        my $on = $name eq 'auth_token' ? '' : 'auth_token on;';
        fails location("$on\n$name $quoted; # here"), $pattern,
              "$name: '" . ($text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger) . "'", %more;
    }

    # contexts where it is not allowed
    my $here = qr/"$name" directive is not allowed here/;
    fails location("if (\$arg_x) {\n$name $value; # here\n}"), $here, "$name in if";
    fails "upstream x {\n$name $value; # here\n}", $here, "$name in upstream";
    fails issuer(), $here, "$name outside of http", main => "$name $value;";
    fails in_block("$name $value; # here"),
          qr/unknown directive "$name" in "auth_token_issuer"/, "$name in an issuer";

    # contexts where it is allowed
    my $in_http = $name eq 'auth_token_log_level' ? '' : "$name $value;";    # the harness sets it
    works issuer() . "$in_http server { $name $value;"
        . " location / { limit_except GET { $name $value; } } }",
        "$name in http, server, limit_except";
}

works location('auth_token_allow any;'), 'auth_token_allow any';
fails location("auth_token_allow any;\nauth_token_allow 192.0.2.1; # here"),
      qr/cannot combine "any" with other values/, 'auth_token_allow any, then more';
fails location("auth_token_allow any;\nauth_token_allow any; # here"),
      qr/cannot combine "any" with other values/, 'auth_token_allow any, twice';
fails location("auth_token_allow 192.0.2.1;\nauth_token_allow any; # here"),
      qr/cannot combine "any" with other values/, 'auth_token_allow more, then any';
works location('auth_token_allow file=%%DIR%%/ranges 192.0.2.1;'), 'auth_token_allow file=';
works location('auth_token_accept bearer cookie=session;'), 'auth_token_accept, two kinds';
works location('auth_token_error API_IP_NOT_ALLOWED message= status=599;'), 'an empty message';
fails location('auth_token_require_scope $undefined_variable;'),
      qr/unknown "undefined_variable" variable/, 'an unknown variable', where => 0;
fails location('auth_tokens on; # here'), qr/unknown directive "auth_tokens"/,
      'an unknown directive';

# --- directives of http -----------------------------------------------------

works "auth_token_max_length $_;" . issuer(), "auth_token_max_length $_"
    for 1, 8192, '8k', '64k', 65536;
fails "auth_token_max_length $_->[0]; # here\n" . issuer(), $_->[1],
      "auth_token_max_length $_->[0]" for
    ['', qr/invalid number of arguments in "auth_token_max_length"/],
    ['1k 2k', qr/invalid number of arguments in "auth_token_max_length"/],
    (map { [$_, qr/"auth_token_max_length"/] }
         0, 65537, '65k', '1m', -1, 'x', '1.5k', '$arg_x', '""', '99999999999999999999');
fails "auth_token_max_length 1k;\nauth_token_max_length 1k; # here",
      qr/"auth_token_max_length" directive is duplicate/, 'auth_token_max_length twice';

my %claim = (
    '$x sub'         => undef,
    '$x main sub'    => undef,
    '$x a.b.c'       => undef,
    '$x "a b"'       => undef,
    '$x a\\\\.b'     => undef,
    ''               => qr/invalid number of arguments in "auth_token_claim"/,
    '$x'             => qr/invalid number of arguments in "auth_token_claim"/,
    '$x main sub y'  => qr/invalid number of arguments in "auth_token_claim"/,
    'x sub'          => wrong_value('x', 'auth_token_claim'),
    '$ sub'          => wrong_value('$', 'auth_token_claim'),
    '"" sub'         => wrong_value('', 'auth_token_claim'),
    '$x unknown sub' => wrong_value('unknown', 'auth_token_claim'),
    '$x ""'          => wrong_value('', 'auth_token_claim'),
    '$x a..b'        => wrong_value('a..b', 'auth_token_claim'),
    '$x .a'          => wrong_value('.a', 'auth_token_claim'),
    '$x a.'          => wrong_value('a.', 'auth_token_claim'),
    '$x a\b'         => wrong_value('a\b', 'auth_token_claim'),
    '$host a'        => qr/the duplicate "host" variable/,
    '$x a.b.c.d.e.f.g.h.i' => wrong_value('a.b.c.d.e.f.g.h.i', 'auth_token_claim'),
    '$uri sub'       => qr/the duplicate "uri" variable/,
    '$auth_token_user sub' => qr/the duplicate "auth_token_user" variable/,
);
for my $arguments (sort keys %claim) {
    my $text = issuer() . "auth_token_claim $arguments; # here\n";
    defined $claim{$arguments}
        ? fails($text, $claim{$arguments}, "auth_token_claim $arguments")
        : works($text, "auth_token_claim $arguments");
}
fails issuer() . "auth_token_claim \$x sub;\nauth_token_claim \$$_ id; # here",
      qr/duplicate "[xX]" variable|invalid value "x" in "auth_token_claim"/, "auth_token_claim \$x and \$$_" for 'x', 'X';
fails issuer() . "auth_token_claim \$x sub;\n" . location("set \$x 1; # here", ''),
      qr/the duplicate "x" variable/, 'set of a claim variable';
fails location('set $x 1;') . "auth_token_claim \$x sub; # here",
      qr/duplicate|invalid value/, 'auth_token_claim of a variable that set defines';
fails issuer() . "auth_token_claim \$x sub;\nmap \$uri \$x { # here\ndefault 1; }",
      qr/the duplicate "x" variable/, 'map of a claim variable';
fails location("$_; # here"), qr/directive is not allowed here/, "$_ in a location"
    for 'auth_token_claim $x sub', 'auth_token_max_length 1k', 'auth_token_issuer x { }';

# --- the block --------------------------------------------------------------

for my $missing (qw(issuer audience key_file)) {
    my @lines = grep { !/\A$missing / } 'issuer x;', 'audience api;', 'key_file %%DIR%%/rsa.pem;';
    fails block(join "\n", @lines) =~ s/\}\n\z/} # here\n/r,
          qr/no "$missing.*in "auth_token_issuer main"/, "an issuer without $missing";
}
fails "auth_token_issuer main { } # here\n", qr/no "issuer" in "auth_token_issuer main"/, 'an empty block';
fails "auth_token_issuer main; # here\n", qr/directive "auth_token_issuer" has no opening "\{"/,
      'no block';
fails "auth_token_issuer { # here\n}", qr/invalid number of arguments in "auth_token_issuer"/,
      'a block without a name';
fails "auth_token_issuer a b { # here\n}", qr/invalid number of arguments in "auth_token_issuer"/,
      'a block with two names';
fails issuer() . "auth_token_issuer main { # here\n issuer x; audience y; key_file %%DIR%%/rsa.pem; }",
      duplicate_value('main', 'auth_token_issuer'), 'two blocks of one name';
fails "auth_token_issuer $_->[0] { # here\n}", wrong_value($_->[1], 'auth_token_issuer'),
      "the name $_->[0]"
    for ['""', ''], ['"a b"', 'a b'], ['a/b', 'a/b'], ['$x', '$x'], ["\xc3\xbc", "\xc3\xbc"],
        ['a' x 65, 'a' x 65], ['"a\\"b"', 'a"b'];
works issuer('a' x 64) . issuer('0') . issuer('A-b_c.D'), 'names';
fails block('issuer x; audience y; key_file %%DIR%%/rsa.pem;') =~ s/\}\n\z//r,
      qr/unexpected end of file, expecting "\}"/, 'a block without an end';

my %in_block = (
    'colour red'        => qr/unknown directive "colour" in "auth_token_issuer"/,
    'jwks_url https://issuer.example' => qr/unknown directive "jwks_url"/,
    'Issuer x'          => qr/unknown directive "Issuer"/,
    'issuer x'          => qr/"issuer" directive is duplicate/,
    'audience x'        => qr/"audience" directive is duplicate/,
    'key_file %%DIR%%/rsa.pem' => qr/duplicate value "\S+rsa\.pem" in "key_file"/,
    'key_file %%DIR%%/missing' => qr{"key_file" of "auth_token_issuer main": .*/missing},
    'key_file %%DIR%%'  => qr/"key_file" of "auth_token_issuer main": /,
    'key_file %%DIR%%/nothing' => qr/"key_file" of "auth_token_issuer main": /,
    'key_file ""'       => wrong_value('', 'key_file'),
    'key_file a b'      => qr/invalid number of arguments in "key_file" directive/,
    'key_file $uri'     => qr/"key_file" of "auth_token_issuer main": .*\$uri/,
    (map { ("algorithms $_" => wrong_value($_ eq '""' ? '' : $_, 'algorithms')) }
         'HS256', 'HS384', 'HS512', 'none', 'NONE', 'rs256', 'RS257', 'RS256,RS384', 'ES256K',
         '$x', '""', 'any'),
    'algorithms RS256 none' => wrong_value('none', 'algorithms'),
    'algorithms'        => qr/invalid number of arguments in "algorithms" directive/,
    (map { my $d = $_; map { ("$d $_" => wrong_value($_ eq '""' ? '' : $_, $d)) }
           'x', '-1', '1.5', '$x', '""', '1x', '99999999999999999999s' } 'leeway', 'max_age'),
    'leeway'            => qr/invalid number of arguments in "leeway" directive/,
    'leeway 1s 2s'      => qr/invalid number of arguments in "leeway" directive/,
    'max_age'           => qr/invalid number of arguments in "max_age" directive/,
    (map { my $d = $_; ("$d" => qr/invalid number of arguments in "$d" directive/,
                        "$d a b" => $d eq 'user_claim' ? qr/invalid value "b" in "user_claim": use "required" or "optional"/
                                    : qr/invalid number of arguments in "$d" directive/,
                        "$d \"\"" => wrong_value('', $d), "$d a..b" => wrong_value('a..b', $d)) }
         'user_claim', 'scope_claim', 'admin_claim'),
    'typ'               => qr/invalid number of arguments in "typ" directive/,
    'typ ""'            => wrong_value('', 'typ'),
    'issuer { }'        => qr/unexpected "\{"/,
    'include'           => qr/invalid number of arguments in "include" directive/,
    'include a b'       => qr/invalid number of arguments in "include" directive/,
    'include %%DIR%%/missing' => qr{open\(\) "\S+/missing" failed},
);
fails in_block($_ eq 'issuer { }' ? "issuer { # here\n}" : "$_; # here"), $in_block{$_}, "in an issuer: $_"
    for sort keys %in_block;

fails block("issuer ''; # here\naudience api;\nkey_file %%DIR%%/rsa.pem;"), wrong_value('', 'issuer'),
      'issuer: empty';
fails block("issuer; # here\n"), qr/invalid number of arguments in "issuer" directive/, 'issuer: no value';
fails block("issuer x;\naudience $_->[0]; # here\n"), $_->[1], "audience: $_->[0]" for
    ['', qr/invalid number of arguments in "audience" directive/],
    ['""', wrong_value('', 'audience')],
    ['any api', qr/"audience" directive cannot combine "any" with other values/],
    ['api any', qr/"audience" directive cannot combine "any" with other values/],
    ['any clients', qr/"audience" directive cannot combine "any" with other values/],
    ['clients clients', qr/"audience" directive must have "clients" before other values/],
    ['api clients', qr/"audience" directive must have "clients" before other values/],
    ['clients api any', qr/"audience" directive cannot combine "any" with other values/],
    ['clients any any', qr/"audience" directive cannot combine "any" with other values/],
    ['clients ""', wrong_value('', 'audience')];

# "audience clients" requires client_claim, which requires a store
my $client_claim = "issuer x;\nkey_file %%DIR%%/rsa.pem;\n";
fails block($client_claim . "audience $_; # here\n"),
      qr/"audience clients" requires "client_claim" in "auth_token_issuer main" in /,
      "audience $_ without client_claim" for 'clients', 'clients any', 'clients api';
fails block($client_claim . "audience clients;\nclient_claim $_; # here\n"),
      qr/"client_claim" of "auth_token_issuer main" requires "auth_token_store" in /,
      "client_claim $_ without a store" for 'appid', 'azp appid', 'entra';
fails block("issuer x;\nclient_claim $_; # here\n"), qr/"client_claim" directive cannot combine "entra" with other values/,
      "client_claim $_" for 'entra appid', 'azp entra', 'entra entra';

# directives whose value is a word of a list
my %words = (
    delegated  => '"on" or "off"',
    rights     => '"role", "token" or "both"',
    token_kind => '"access" or "any"',
    cnf        => '"refuse" or "ignore"',
);
for my $name (sort keys %words) {
    my ($first) = $words{$name} =~ /"(\w+)"/;

    fails block("$name $_; # here"), qr/invalid value "\Q@{[ $_ eq '""' ? '' : $_ ]}\E" in "$name": use $words{$name} in /,
          "in an issuer: $name $_" for 'yes', uc $first, "$first,$first", "${first}s", 'none', '$arg_x', '""';
    fails block("$name $first;\n$name $first; # here"), qr/"$name" directive is duplicate/, "in an issuer: $name twice";
    fails block("$name$_; # here"), qr/invalid number of arguments in "$name" directive/, "in an issuer: $name$_"
        for '', " $first $first";
}

# directives with parameters
my %parameters = (
    access_token  => [qw(expires=1h cookie_expires=2h cookie=a domain=a.example samesite=lax)],
    refresh_token => [qw(expires=1h length=64 grace=1s cookie=b path=/ domain=a.example samesite=none)],
    password      => [qw(remember=1m failures=5/1m)],
    'jwks_uri https://issuer.example/keys' =>
        ['refresh=1h', 'max_stale=1d', 'pause=1m', "ca_file=%%DIR%%/ca.pem", 'proxy=http://127.0.0.1:3128'],
    'discovery on' => ['refresh=1h', 'max_stale=1d', 'pause=1m', "ca_file=%%DIR%%/ca.pem", 'proxy=http://127.0.0.1:3128'],
);
for my $directive (sort keys %parameters) {
    my ($name) = split / /, $directive;
    my @all    = $parameters{$directive}->@*;

    works "auth_token_state_path %%DIR%%/state;\n" . in_block("$directive @all;"), "in an issuer: $directive, all parameters";
    works "auth_token_state_path %%DIR%%/state;\n" . in_block("$directive @{[ reverse @all ]};"),
          "in an issuer: $directive, all parameters in another order";

    for my $parameter (@all) {
        fails in_block("$directive @all $parameter; # here"), duplicate_value($parameter, $name),
              "in an issuer: $directive, $parameter twice";
        fails in_block("$directive $_; # here"), wrong_value($_, $name), "in an issuer: $directive $_"
            for $parameter =~ s/=.*//r, ucfirst $parameter, "x$parameter";
    }
    fails in_block("$directive colour=red; # here"), wrong_value('colour=red', $name), "in an issuer: $directive colour=red";
}

fails block("issuer x;\naudience api;\nkey_file %%DIR%%/rsa.pem;\ndelegated off; # here\n"),
      qr/"delegated off" requires "client_claim" in "auth_token_issuer main" in /, 'delegated off without client_claim';
works in_block('delegated on;'), 'delegated on without client_claim';

fails in_block($_->[0]) =~ s/\}\n\z/} # here\n/r,
      qr/"access_token" and "refresh_token" have the same cookie "$_->[1]" in "auth_token_issuer main" in /, $_->[0]
    for ['refresh_token cookie=accessToken;', 'accessToken'], ['access_token cookie=refreshToken;', 'refreshToken'],
        ['access_token cookie=a; refresh_token path=/ cookie=a;', 'a'];

# token endpoints
for my $name (map { "auth_token_$_" } qw(login refresh logout session_info oauth jwks metadata)) {
    my $endpoint = $name eq 'auth_token_metadata' ? "$name main token_endpoint=/token" : "$name main";
    my $here     = qr/"$name" directive is not allowed here/;

    fails location("$name; # here"), qr/invalid number of arguments in "$name" directive/, "$name: no value";
    fails location("$endpoint more more; # here"), qr/invalid number of arguments in "$name" directive/, "$name: more values";
    fails location("$endpoint;\n$endpoint; # here"), qr/"$name" directive is not allowed: the location already is a token endpoint/,
          "$name: twice";
    fails location($endpoint =~ s/main/$_/r . '; # here'), qr/no such issuer "\Q@{[ $_ eq '""' ? '' : $_ ]}\E" in "$name" in /,
          "$name: the issuer $_" for 'unknown', 'Main', '$arg_x', '""';
    fails location("$endpoint; # here"), qr/"$name" requires "signing_key" in "auth_token_issuer main" in /,
          "$name: an issuer without a signing key";
    fails location("$_;\n$endpoint; # here"), qr/"$name" directive conflicts with another content handler of the location in /,
          "$name: after $_" for 'proxy_pass http://127.0.0.1:9000', 'empty_gif', 'stub_status';
    fails "$endpoint; # here", $here, "$name in http";
    fails "server {\n$endpoint; # here\n}", $here, "$name in server";
    fails location("if (\$arg_x) {\n$endpoint; # here\n}"), $here, "$name in if";
    fails location("limit_except GET {\n$endpoint; # here\n}"), $here, "$name in limit_except";
    fails in_block("$endpoint; # here"), qr/unknown directive "$name" in "auth_token_issuer"/, "$name in an issuer";
}

fails block("issuer x;\naudience api;\nkey_file %%DIR%%/rsa.pem;\nrights $_; # here\n"),
      qr/"rights" requires "client_claim" in "auth_token_issuer main" in /, "rights $_ without client_claim"
    for qw(role token both);
for my $directive ('leeway 5s', 'max_age 1h', 'user_claim sub', 'scope_claim scp',
                   'admin_claim off', 'typ at+jwt absent', 'algorithms RS256 ES256 EdDSA PS512')
{
    my ($name) = split / /, $directive;
    works in_block("$directive;"), "in an issuer: $directive";
    fails in_block("$directive;\n$directive; # here"), qr/"$name" directive is duplicate/,
          "in an issuer: $name twice";
}
fails in_block("leeway $long; # here"), qr/too long parameter/, 'in an issuer: 10,000 characters', where => 0;

works block("include %%DIR%%/part.conf;\nkey_file %%DIR%%/rsa.pem;"), 'include in an issuer';
fails block("include %%DIR%%/wrong.conf;\nkey_file %%DIR%%/rsa.pem;"),
      qr{unknown directive "colour" in "auth_token_issuer" in \S+/wrong\.conf:2$},
      'an error in a file that an issuer block includes', where => 0;

# --- directives that depend on each other -----------------------------------

my $two = issuer('one') . issuer('two');

works '', 'no directive of the module';
works location('auth_token off;', ''), 'auth_token off and no issuer';
works location('auth_token on; auth_token_accept none; auth_token_allow ::1;', ''),
      'only address ranges, no issuer';
fails location("auth_token on; # here", ''),
      qr/"auth_token" requires "auth_token_issuer" or "auth_token_store"/, 'no issuer';
fails "server {\nauth_token on; # here\nlocation / { }\n}",
      qr/"auth_token" requires "auth_token_issuer" or "auth_token_store"/, 'no issuer, in a server';
fails location("auth_token_accept $_; # here", ''),
      qr/"auth_token_accept" with "bearer" or "cookie" requires "auth_token_issuer"/,
      "no issuer, $_ is accepted" for 'bearer', 'cookie', 'bearer cookie';
fails location("auth_token_accept $_; # here"), qr/"auth_token_accept"/,
      "auth_token_accept $_ without a store" for 'api_token', 'basic', 'bearer api_token';
fails location("auth_token on;\nauth_token_trust unknown; # here\n"),
      qr/no such issuer "unknown" in "auth_token_trust"/, 'an unknown issuer';
fails location("auth_token_trust main; # here\n", ''),
      qr/no such issuer "main" in "auth_token_trust"/, 'an unknown issuer, auth_token off';

works location('auth_token on; auth_token_trust one two;', $two), 'two trusted issuers';
fails location("auth_token on; # here", $two),
      qr/"auth_token" requires "auth_token_trust"/, 'two issuers, no trust';
fails "$two auth_token on; # here\nserver { location / { } }",
      qr/"auth_token" requires "auth_token_trust"/,
      'two issuers, no trust, inherited from http';
fails location("limit_except GET {\nauth_token on; # here\n}", $two),
      qr/"auth_token" requires "auth_token_trust"/,
      'two issuers, no trust, in limit_except';
fails "$two server {\nauth_token on; # here\n" . ' location /a { auth_token_trust one; }'
    . ' location /b { } }', qr/"auth_token" requires "auth_token_trust"/,
      'two issuers, trust in one of two locations';
works "$two server { auth_token on; location /a { auth_token_trust one; } }",
      'two issuers, trust in all locations';
works "$two server { auth_token on; location /a { auth_token off; } }", 'two issuers, a location off';
works location('auth_token on; auth_token_accept none; auth_token_allow ::1;', $two),
      'two issuers, accept none';

for my $more ('', 'auth_token_allow any;') {
    fails location("auth_token on; # here\nauth_token_accept none; $more"),
          qr/"auth_token_accept none" requires "auth_token_allow"/,
          "accept none without a list, '$more'";
}
fails "server { auth_token_allow 192.0.2.1;\nlocation / { auth_token_allow any; auth_token_accept none;\n"
    . "auth_token on; # here\n} }",
      qr/"auth_token_accept none" requires "auth_token_allow"/, 'accept none, the inherited list is cancelled by any';
works 'server { auth_token_allow 192.0.2.1; location / { auth_token_accept none; auth_token on; } }',
      'accept none, the list is inherited';
fails location("auth_token on; # here\nauth_token_accept none; auth_token_allow ::1;"
             . 'auth_token_require_scope read;'),
      qr/"auth_token_accept none" cannot be combined with "auth_token_require_scope"/,
      'accept none and a scope';
fails "server { auth_token_require_scope read;\nlocation / {\nauth_token on; # here\n"
    . 'auth_token_accept none; auth_token_allow ::1; } }',
      qr/cannot be combined with "auth_token_require_scope"/, 'accept none and an inherited scope';
works 'server { auth_token_require_scope read; location / { auth_token on; auth_token_accept none;'
    . ' auth_token_allow ::1; auth_token_require_scope off; } }',
      'accept none and an inherited scope that is off';
works location('auth_token_accept none; auth_token_require_scope read;'),
      'accept none and a scope, auth_token off';

# --- another nginx ----------------------------------------------------------

{
    my $module = AuthToken::Log->new(
        "$AuthToken::Server::BUILD/ngx_http_auth_token_module.so")->content;
    my $other  = $module =~ s/\b8,4,8,[01]+?\K([01])(?=[01]*\0)/1 - $1/er;
    my $load   = 'load_module %%DIR%%/%s;';

    isnt $other, $module, 'the signature of the module is found';
    conf_ok '', 'this module', load => 0, main => $load =~ s/%s/module.so/r,
        files => { 'module.so' => $module };
    conf_fails '', qr/module "\S+other\.so" is not binary compatible/,
        'a module of an nginx with other build options is not loaded', load => 0,
        main => $load =~ s/%s/other.so/r, files => { 'other.so' => $other };
    conf_fails '', qr/module "ngx_http_auth_token_module" is already loaded/,
        'the module twice', main => $load =~ s/%s/module.so/r, files => { 'module.so' => $module };
    conf_fails 'auth_token on; # here', qr/unknown directive "auth_token"/,
        'no module', load => 0;
}

# --- a server that leaves a required directive to its locations --------------

{
    my $s = start(<<"CONF", files => \%files);
    $two
    server {
        listen %%LISTEN%%;
        auth_token on;
        location /good  { auth_token_trust one; proxy_pass %%UPSTREAM%%; }
        location /none/ { auth_token_accept none; auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
        location = /off { auth_token off; proxy_pass %%UPSTREAM%%; }
    }
    # no location at all
    server {
        listen %%LISTEN2%%;
        auth_token on;
        auth_token_accept none;
        auth_token_preflight on;
    }
CONF

    for my $token (undef, good_token(), token(key => key('rsa2'))) {
        refused $s, $_, unavailable => "a location without auth_token_trust, $_", token => $token,
                reason => 'misconfigured' for '/', '/else', '/offside', '/nonesuch';
        refused $s, '/', unavailable => 'a server without locations', token => $token, port => 2,
                reason => 'misconfigured', good => 0;
    }
    refused $s, '/', unavailable => 'a server without locations, a preflight', port => 2,
            method => 'OPTIONS', reason => 'misconfigured', good => 0,
            headers => ['Origin: https://a.example', 'Access-Control-Request-Method: GET'];

    my @lines = grep { /misconfigured/ } split /\n/, $s->errors->content;
    is scalar(grep { !/\[error\]/ } @lines), 0, 'each of them is logged as an error';
    granted $s, '/good', 'a location with auth_token_trust', token => good_token();
    granted $s, '/none/', 'a location that accepts none';
    granted $s, '/off', 'a location that is off';
}

done;
