#!/usr/bin/perl

# Cookies and cross-site requests: the origin of an unsafe request with a cookie
# must be this one or a listed one, over HTTP/1.1, TLS and HTTP/2.  The syntax of
# cookies is tested in http.t.
#
# Requirements: cookie-syntax.

use v5.36;

use lib 't/lib';

use AuthToken::Http2 qw(over_tls);
use AuthToken::Test;

my $s = start(<<'CONF');
    %%ISSUER%%
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%
        large_client_header_buffers 4 32k;
        auth_token on;
        auth_token_accept cookie bearer;

        location / { proxy_pass %%UPSTREAM%%; }

        location /named/    { auth_token_accept cookie=__Host-t; proxy_pass %%UPSTREAM%%; }
        location /strange/  { auth_token_accept cookie=a.b|c; proxy_pass %%UPSTREAM%%; }
        location /bearer/   { auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
        location /far/      { auth_token_allow 192.0.2.1; proxy_pass %%UPSTREAM%%; }
        location /scope/    { auth_token_require_scope admin; proxy_pass %%UPSTREAM%%; }

        location /listed/ {
            auth_token_cookie_origin https://ui.example http://[2001:db8::1]:8080
                                     https://UI-2.example:8443;
            proxy_pass %%UPSTREAM%%;
            location /listed/in/    { proxy_pass %%UPSTREAM%%; }
            location /listed/other/ { auth_token_cookie_origin https://other.example; proxy_pass %%UPSTREAM%%; }
        }
    }
CONF

my $good = good_token();
my $bad  = token(key => key('rsa2'));
my $tls  = $s->port(2);

# an unsafe request with a good cookie and these headers
sub post (@headers) {
    return (method => 'POST', body => '', cookie => "accessToken=$good", headers => \@headers);
}

# the same with another Host
sub to ($host, @headers) { (post(@headers), host => $host) }

# --- without TLS: host and port ---------------------------------------------

granted $s, '/x', "Host $_->[0], Origin $_->[1]", to($_->[0], "Origin: $_->[1]") for
    ['a.example', 'http://a.example'],           ['A.Example', 'http://a.example'],
    ['a.example', 'HTTP://A.EXAMPLE'],           ['a.example:80', 'http://a.example'],
    ['a.example', 'http://a.example:80'],        ['a.example:8080', 'http://a.example:8080'],
    ['a.example:', 'http://a.example'],          ['127.0.0.1', 'http://127.0.0.1'],
    ['127.0.0.1:81', 'http://127.0.0.1:81'],     ['[::1]', 'http://[::1]'],
    ['[::1]:81', 'http://[::1]:81'],             ['[::1]:80', 'http://[::1]'],
    ['xn--bcher-kva.example', 'http://xn--bcher-kva.example'],
    ['a.example:443', 'http://a.example:443'],   ['a', 'http://a'];

refused $s, '/x', origin_not_allowed => "Host $_->[0], Origin $_->[1]", to($_->[0], "Origin: $_->[1]"),
        reason => 'origin_not_allowed' for
    ['a.example', 'https://a.example'],          ['a.example:443', 'https://a.example'],
    ['a.example:443', 'https://a.example:443'],  ['a.example', 'http://a.example:8080'],
    ['a.example:8080', 'http://a.example'],      ['a.example:8080', 'http://a.example:80'],
    ['a.example:8080', 'http://a.example:8081'], ['a.example', 'http://b.a.example'],
    ['b.a.example', 'http://a.example'],         ['a.example', 'http://a.exampl'],
    ['a.example', 'http://a.example.evil.example'], ['a.example', 'http://xa.example'],
    ['a.example', 'http://a.example@evil.example'],
    ['a.example', 'http://a.example:80@evil.example'],
    ['a.example', 'http://a.example:80@evil.example:80'],
    ['a.example', 'http://a.example:@evil.example:80'],
    ['a.example', 'http://evil.example/a.example'],
    ['a.example', 'http://evil.example#a.example'],
    ['a.example', 'http://user@a.example'],      ['a.example', 'http://a.example/'],
    ['a.example', 'http://a.example?'],          ['a.example', 'http://a.example:80/'],
    ['a.example', 'http://a.example:'],          ['a.example', 'http://a.example:+80'],
    ['a.example', 'http://a.example:80 '  . 'x'], ['a.example', 'http://a.example:0x50'],
    ['a.example', 'http://a.example:4294967376'], ['a.example', 'http://a.example:65616'],
    ['a.example', 'http://a.example:99999999999999999999'],
    ['a.example', 'http://a.example:-80'],       ['a.example', 'http://a.example:80:80'],
    ['a.example', 'a.example'],                  ['a.example', '//a.example'],
    ['a.example', 'http:a.example'],             ['a.example', 'http:/a.example'],
    ['a.example', 'http:///a.example'],          ['a.example', 'ws://a.example'],
    ['a.example', 'file://a.example'],           ['a.example', 'null'],
    ['a.example', 'NULL'],                       ['a.example', '*'],
    ['a.example', 'http://'],                    ['a.example', 'http'],
    ['a.example', 'chrome-extension://abc'],     ['a.example', 'http://a.example, http://a.example'],
    ['a.example', 'http://a.example http://a.example'],
    ['a.example', "http://a.example\x01"],       ['a.example', "\thttp://a.example"],
    ['a.example', "http://a.example\t"],         ['a.example', "http://a.example\xff"],
    ['a.example', 'x' x 5000],                   ['127.0.0.1', 'http://localhost'],
    ['localhost', 'http://127.0.0.1'],           ['[::1]', 'http://::1'],
    ['[::1]:81', 'http://[::1]'],                ['[::1]', 'http://[::1]:81'],
    ['[::1]', 'http://[::1].evil.example'],      ['[::1]', 'http://[::1'],
    ['80', 'http://evil.example:80'],            ['a.example:80', 'http://evil.example:80'];

{
    my @post = post('Origin: http://localhost');
    granted $s, '/x', 'HTTP/1.0 with a Host', @post, http => '1.0';
    refused $s, '/x', origin_not_allowed => 'HTTP/1.0 without a Host', @post, http => '1.0', host => undef;
    refused $s, '/x', origin_not_allowed => 'HTTP/1.0 without a Host, an empty Origin',
            post('Origin: http://'), http => '1.0', host => undef;
    granted $s, '/x', 'HTTP/1.0 without Host and Origin', post(), http => '1.0', host => undef;
    refused $s, 'http://b.example/x', origin_not_allowed => 'absolute form: Host is ignored',
            to('a.example', 'Origin: http://a.example');
    refused $s, '/x', origin_not_allowed => "$_ is ignored", to('a.example', 'Origin: http://b.example',
            "$_: b.example") for 'X-Forwarded-Host', 'X-Forwarded-Server', 'X-Host', 'X_Host';
    refused $s, '/x', origin_not_allowed => "$_ is ignored", to('a.example', 'Origin: https://a.example',
            $_) for 'X-Forwarded-Proto: https', 'X-Forwarded-Scheme: https', 'X-Forwarded-Ssl: on';
    granted $s, '/x', 'Referer is ignored', post('Referer: http://evil.example/');
}

# --- Sec-Fetch-Site ---------------------------------------------------------

granted $s, '/x', 'the same Origin and Sec-Fetch-Site: same-origin',
        post('Origin: http://localhost', 'Sec-Fetch-Site: same-origin');
granted $s, '/x', "Sec-Fetch-Site: $_", post("Sec-Fetch-Site: $_") for 'same-origin', ' same-origin ';
refused $s, '/x', origin_not_allowed => "Sec-Fetch-Site: $_", post("Sec-Fetch-Site: $_") for
    'cross-site', 'same-site', 'none', 'Same-Origin', 'same-origin, cross-site', '', 'x',
    'same-origi', 'same-originx', '"same-origin"', "same-origin\t", 'same-origin;x';
refused $s, '/x', origin_not_allowed => 'Sec-Fetch-Site twice, one cross-site',
        post(map { "Sec-Fetch-Site: $_" } @$_) for
    ['same-origin', 'cross-site'], ['cross-site', 'same-origin'];
refused $s, '/x', origin_not_allowed => 'the same Origin, but Sec-Fetch-Site: cross-site',
        post('Origin: http://localhost', 'Sec-Fetch-Site: cross-site');
refused $s, '/x', origin_not_allowed => 'Sec-Fetch-Site: same-origin, but another Origin',
        post('Origin: http://evil.example', 'Sec-Fetch-Site: same-origin');
refused $s, '/x', origin_not_allowed => "two Origins, $_->[0]", post(map { "Origin: $_" } $_->[1]->@*) for
    ['the first is another', ['http://evil.example', 'http://localhost']],
    ['the second is another', ['http://localhost', 'http://evil.example']];

# --- requests that are checked ----------------------------------------------

my @evil = ('Origin: http://evil.example', 'Sec-Fetch-Site: cross-site');

refused $s, '/x', origin_not_allowed => "$_ from another site", post(@evil), method => $_
    for qw(POST PUT PATCH DELETE PROPFIND MKCOL COPY MOVE LOCK FOO);
granted $s, '/x', "$_ from another site", post(@evil), method => $_ for qw(GET HEAD OPTIONS);
granted $s, '/x', 'a bearer token', post(@evil), cookie => undef, token => $good;
granted $s, '/x', 'a bearer token beside a cookie', post(@evil), token => $good;
granted $s, '/bearer/', 'a bearer token where cookies are not accepted', post(@evil), token => $good;
refused $s, '/bearer/', no_token => 'a cookie where cookies are not accepted', post(@evil);
refused $s, '/x', bad_signature => 'a bad cookie from another site', post(@evil),
        cookie => "accessToken=$bad";
refused $s, '/x', no_token => 'no cookie', post(@evil), cookie => 'a=b';
refused $s, '/x', origin_not_allowed => "X-HTTP-Method-Override: $_",
        post(@evil, "X-HTTP-Method-Override: $_")
    for 'GET', 'HEAD';
refused $s, '/far/', origin_not_allowed => 'another origin and another address', post(@evil);
refused $s, '/scope/', origin_not_allowed => 'another origin and an insufficient scope', post(@evil);
refused $s, '/x', origin_not_allowed => 'an administrator from another site', post(@evil),
        cookie => 'accessToken=' . good_token(isAdmin => \'true');

# --- auth_token_cookie_origin -----------------------------------------------

granted $s, "/listed/$_", "a listed origin at /listed/$_", post('Origin: https://ui.example', 'Sec-Fetch-Site: cross-site')
    for '', 'in/';
granted $s, '/listed/', "the listed origin $_", post("Origin: $_") for
    'http://[2001:db8::1]:8080', 'https://ui-2.example:8443', 'HTTPS://UI.EXAMPLE', 'http://localhost';
refused $s, '/listed/', origin_not_allowed => "the unlisted origin $_", post("Origin: $_") for
    'http://ui.example', 'https://ui.example:443', 'https://ui.example:8443', 'https://ui-2.example',
    'https://ui.example.evil', 'https://xui.example', 'https://ui.example/', 'https://ui.exampl',
    'https://ui.example https://ui-2.example:8443', 'http://[2001:db8::1]', 'null';
refused $s, '/listed/', origin_not_allowed => 'a listed origin and another one',
        post('Origin: https://ui.example',
        'Origin: https://evil.example');
refused $s, '/listed/', origin_not_allowed => 'Sec-Fetch-Site: cross-site without an Origin',
        post('Sec-Fetch-Site: cross-site');
granted $s, '/listed/other/', 'an origin of a nested list', post('Origin: https://other.example');
refused $s, '/listed/other/', origin_not_allowed => 'an origin of the outer list only',
        post('Origin: https://ui.example');
refused $s, '/x', origin_not_allowed => 'a listed origin in a location without a list', post('Origin: https://ui.example');

# --- names of cookies -------------------------------------------------------

for my $row (['/named/', '__Host-t'], ['/strange/', 'a.b|c']) {
    my ($path, $name) = @$row;
    granted $s, $path, "cookie=$name", cookie => "accessToken=$bad; $name=$good; x=y";
    refused $s, $path, invalid_token => "cookie=$name, a bad token",
            cookie => "accessToken=$good; $name=$bad";
    refused $s, $path, several_credentials => "cookie=$name, two cookies",
            cookie => "$name=$good; $name=$good";
    refused $s, $path, no_token => "cookie=$name, a cookie named '$_'", cookie => "$_=$good"
        for 'accessToken', lc "x$name", uc $name, "x$name", "${name}x", substr($name, 0, -1), '';
    refused $s, $path, no_token => "cookie=$name, a bearer token", token => $good;
}
refused $s, '/strange/', no_token => 'a name is not a regular expression',
        cookie => "aXb|c=$good; a.b=$good; c=$good";

# --- TLS and HTTP/2 ---------------------------------------------------------

# Host (:authority), Origin, 1 if granted over TLS
my @secure = (
    ["localhost:$tls", "https://localhost:$tls", 1], ['a.example', 'https://a.example', 1],
    ['a.example', 'https://a.example:443', 1],       ['a.example:443', 'https://a.example', 1],
    ['A.Example', 'https://a.example', 1],           ['[::1]:444', 'https://[::1]:444', 1],
    ['a.example', 'HTTPS://A.EXAMPLE', 1],           ["127.0.0.1:$tls", "https://127.0.0.1:$tls", 1],
    ['a.example', 'http://a.example', 0],            ['a.example', 'http://a.example:443', 0],
    ['a.example:80', 'http://a.example', 0],         ['a.example:80', 'https://a.example', 0],
    ['a.example', 'https://a.example:80', 0],        ["localhost:$tls", 'https://localhost', 0],
    ['localhost', "https://localhost:$tls", 0],      ['a.example', 'https://b.example', 0],
    ['a.example', 'https://a.example@b.example', 0], ['a.example', 'null', 0],
    ['a.example', 'https://a.example:443@b.example:443', 0], ['a.example', 'https://a.example/', 0],
    ['a.example', 'https://b.a.example', 0],
);

for (@secure) {
    my ($host, $origin, $granted) = @$_;
    my $tag = next_tag;
    my $name = "TLS, Host $host, Origin $origin";
    my ($answer) = over_tls($s, ['/x', { port => 2, post("Host: $host", "Origin: $origin"), http => '1.1', tag => $tag }]);

    $granted ? is_granted($answer, $name) : is_refused($answer, origin_not_allowed => $name);
    is $s->upstream->hits->count($tag), $granted, "$name: hits";
}

{
    my @rows = ((map { [$_->[2], host => $_->[0], headers => ["Origin: $_->[1]"]] } @secure),
        [1, headers => []],
        [1, headers => ['Sec-Fetch-Site: same-origin']],
        [0, headers => ['Sec-Fetch-Site: same-site']],
        [0, headers => ["Origin: https://127.0.0.1:$tls", 'Sec-Fetch-Site: cross-site']],
        [0, headers => ["Origin: https://127.0.0.1:$tls", 'Origin: https://evil.example']]);
    my @tags = map { next_tag } @rows;

    my @answers = http2($s, map {
        my ($granted, %o) = $rows[$_]->@*;
        ['/x', { port => 2, method => 'POST', tag => $tags[$_], cookie => "accessToken=$good",
                 headers => [defined $o{host} ? "Host: $o{host}" : (), $o{headers}->@*] }];
    } 0 .. $#rows);

    for my $i (0 .. $#rows) {
        my ($granted, %o) = $rows[$i]->@*;
        my $name = join ', ', 'HTTP/2', $o{host} // (), $o{headers}->@*;

        $granted ? is_granted($answers[$i], $name) : is_refused($answers[$i], origin_not_allowed => $name);
        is $s->upstream->hits->count($tags[$i]), $granted, "$name: hits";
    }
}

# --- unusual cookies --------------------------------------------------------

{
    my $dir = "$AuthToken::Server::ROOT/t/data/http-state";
    my %values;

    for my $file (glob "$dir/*-{test,expected}") {
        for (split /\r?\n/, AuthToken::Log->new($file)->content) {
            my ($value) = /\A(?:Set-)?Cookie2?: ?(.*)\z/i or next;
            $values{$value} = 1 if $value !~ /[\0\r\n]/;
        }
    }
    my @values = sort keys %values;
    cmp_ok scalar @values, '>', 200, 'cookies of http-state: ' . @values;

    for my $row (['before a good token', 200, map { "$_; accessToken=$good" } @values],
                 ['after a good token', 200, map { "accessToken=$good; $_" } @values],
                 ['alone', 401, @values],
                 ['as the value of the cookie', 401, map { "accessToken=$_" } @values],
                 ['with the name of the cookie in front', 401, map { "accessToken$_" } @values],
                 ['as the name of a good token', 401, map { s/=.*//sr . "=$good" } grep { !/\A\s*accessToken\s*=/ } @values],
                 ['around a bad token', 401, map { "$_; accessToken=$bad; $_" } @values])
    {
        my ($name, $status, @cookies) = @$row;
        my (undef, @answers) = exchange($s, join('', map { request_bytes('/x', cookie => $_) } @cookies),
                                        heads => [(0) x @cookies], hits => $status == 200 ? scalar @cookies : 0);

        my @wrong = grep { !$answers[$_] || $answers[$_]{status} != $status } 0 .. $#cookies;
        is_deeply [map { "$cookies[$_] " . ($answers[$_] ? $answers[$_]{status} : 'closed') } @wrong], [],
            "cookies of http-state $name: status $status";
    }
}

done;
