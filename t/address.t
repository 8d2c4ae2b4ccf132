#!/usr/bin/perl

# auth_token_allow, and the client address behind proxies (realip, PROXY protocol).
#
# Requirements: address-match, address-edges, address-syntax, address-mapped,
#   address-forwarded, address-proxy-protocol, address-many-ranges,
#   address-per-request, address-client-and-location.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Socket qw(AF_INET AF_INET6 inet_pton);

my $issuer = '%%ISSUER%%';
my $pass   = 'proxy_pass %%UPSTREAM%%;';
my $none   = "auth_token_accept none; $pass";

# --- ranges -----------------------------------------------------------------

# Lists and addresses: + is in the list, - is not.  t/unit/cidr_test.c has more.
my @lists = (
    ['an address',      '1.1.1.1',
        '+1.1.1.1 +::ffff:1.1.1.1 -1.1.1.0 -1.1.1.2 -::1.1.1.1 -64:ff9b::1.1.1.1 -2001:db8::1'],
    ['host bits set',   '12.34.56.78/24',
        '+12.34.56.78 +12.34.56.0 +12.34.56.255 -12.34.55.255 -12.34.57.0'],
    ['an IPv6 address', '2001:db8::1',
        '+2001:db8::1 +2001:DB8:0:0:0:0:0:1 -2001:db8:: -2001:db8::2 -1.1.1.1'],
    ['an IPv6 range',   '2001:db8::ffff/64',
        '+2001:db8:: +2001:db8::ffff:ffff:ffff:ffff -2001:db8:0:1:: -2001:db7::'],
    ['several ranges',  '10.0.0.0/8 192.168.0.0/16 172.16.0.0/12 fc00::/7',
        '+10.0.102.126 +192.168.1.1 +172.31.255.255 +fd12::1 -172.32.0.1 -11.0.0.0 -fe00::'],
    ['0.0.0.0/0',       '0.0.0.0/0', '+0.0.0.0 +255.255.255.254 +::ffff:1.2.3.4 -::1 -2001:db8::1'],
    ['::/0',            '::/0',
        '+::1 +ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -1.2.3.4 -::ffff:1.2.3.4'],
    ['an IPv4-mapped range', '::ffff:1.2.3.0/120', '+1.2.3.0 +1.2.3.255 -1.2.4.0 -::1.2.3.4'],
);

my $locations = '';
for my $i (0 .. $#lists) {
    $locations .= "location = /list$i { auth_token_allow $lists[$i][1]; $none }\n"
                . "location = /token$i { auth_token_allow $lists[$i][1]; $pass }\n";
}

# --- 10,000 ranges ----------------------------------------------------------

my $big = join '', map { sprintf "10.%d.%d.0/25  # comment\n", $_ >> 8, $_ & 255 } 0 .. 9_999;

# --- the server -----------------------------------------------------------

my $s = start(<<"CONF", files => {
    $issuer

    server {
        listen %%LISTEN%%;
        listen [::]:%%PORT2%% ipv6only=off;
        listen unix:%%DIR%%/client.sock;
        auth_token on;
        proxy_set_header X-User \$auth_token_user;

        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;

        location / { $pass }
        $locations
        keepalive_requests 10000;

        location = /near  { auth_token_allow 127.0.0.0/8; $pass }
        location = /six   { auth_token_allow ::1; $pass }
        location = /world { auth_token_allow 0.0.0.0/0 ::/0; $pass }
        location = /none  { auth_token_allow 127.0.0.0/8; $none }
        location = /big   { auth_token_allow file=big; $none }
        location = /file  { auth_token_allow file=%%DIR%%/ranges 9.9.9.9; $none }
        location = /crlf  { auth_token_allow file=crlf; $none }
        location = /scope { auth_token_allow 192.0.2.1; auth_token_require_scope admin; $pass }
    }
    server {
        listen %%LISTEN6%%;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from 10.0.0.0/8;
        real_ip_header X-Forwarded-For;
        real_ip_recursive on;
        location /       { auth_token_allow 1.2.3.4; $pass }
        location = /good { $pass }
    }
    # the PROXY protocol sets any client address
    server {
        listen %%LISTEN7%% proxy_protocol;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
        proxy_set_header X-Extra \$remote_addr;
        location / { $pass }
        $locations
    }
    server {
        listen %%LISTEN3%%;
        listen unix:%%DIR%%/real.sock;
        auth_token on;
        auth_token_allow 192.0.2.0/24 2001:db8::/32;

        set_real_ip_from unix:;
        real_ip_header X-Real-IP;

        location /       { $pass }
        location = /good { auth_token_allow any; $pass }

        location /inner/      { auth_token_realm inner; $pass }
        location /inner/any/  { auth_token_allow any; $pass }
        location /inner/other/ {
            auth_token_allow 127.0.0.1;
            location /inner/other/same/ { $pass }
            location /inner/other/any/  { auth_token_allow any; $pass }
            $pass
        }
        location /two/ { auth_token_allow 127.0.0.1; auth_token_allow 192.0.2.1 127.0.0.3; $pass }
        location /method/ { auth_token_allow any; limit_except GET { auth_token_allow 127.0.0.1; } $pass }
    }
    server {
        listen %%LISTEN4%% proxy_protocol;
        listen unix:%%DIR%%/proxy.sock proxy_protocol;
        auth_token on;
        location /        { $pass }
        location = /near  { auth_token_allow 127.0.0.1; $pass }
        location = /listed { auth_token_allow 192.0.2.1 2001:db8::1; $pass }
    }
    server {
        listen %%LISTEN5%% proxy_protocol;
        listen unix:%%DIR%%/realproxy.sock proxy_protocol;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from unix:;
        real_ip_header proxy_protocol;
        location /        { $pass }
        location = /near  { auth_token_allow 127.0.0.1; $pass }
        location = /listed { auth_token_allow 192.0.2.1 2001:db8::1; $pass }
        location = /none  { auth_token_allow 127.0.0.1 192.0.2.1; $none }
    }
CONF
    big    => $big,
    ranges => "# of the office\n\n 10.0.0.0/8 # all of it\n\t2001:db8::/32\t\n#1.1.1.1\n8.8.8.8",
    crlf   => "# of Windows\r\n10.0.0.0/8\r\n\r\n 192.0.2.1 \r\n 192.0.2.9 \r",
});

my $good = good_token();
my $bad  = token(key => key('rsa2'));

sub v2 ($command, $family, $addresses) {
    return "\r\n\r\n\0\r\nQUIT\n" . pack('CCn', 0x20 | $command, $family, length $addresses)
         . $addresses;
}

sub four ($from) { inet_pton(AF_INET, $from) . inet_pton(AF_INET, '127.0.0.1') . pack 'nn', 9, 80 }
sub six ($from)  { inet_pton(AF_INET6, $from) . inet_pton(AF_INET6, '::1') . pack 'nn', 9, 80 }

# requests from another address: by X-Forwarded-For, by the PROXY protocol
sub as ($address) { (headers => ["X-Forwarded-For: $address"]) }

sub by ($address) {
    return (port => 7, new => 1, preface =>
            $address =~ /:/ ? v2(1, 0x21, six($address)) : v2(1, 0x11, four($address)));
}

# the server sees the addresses that the tests mean
{
    my %address = map { s/^[+-]//r => 1 } map { split ' ', $_->[2] } @lists;
    my @wrong;

    for my $address (sort keys %address) {
        my $tag = next_tag;
        $s->request('/', by($address), token => $good, tag => $tag);
        $s->upstream->hits->await($tag);

        my ($hit) = hits($s, $tag);
        my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
        my $got = inet_pton($family, $hit->{http_x_extra} // '') // '';
        push @wrong, $address if $got ne inet_pton($family, $address);
    }

    is_deeply \@wrong, [], 'the PROXY protocol sets the client address';
}

for my $i (0 .. $#lists) {
    my ($name, $ranges, $addresses) = $lists[$i]->@*;

    for (split ' ', $addresses) {
        my ($sign, $address) = /\A([+-])(.*)\z/;

        if ($sign eq '+') {
            granted $s, "/list$i", "$name: $address is in the list", by($address);
            granted $s, "/token$i", "$name: $address is in the list, with a token", by($address),
                    token => $good;
            refused $s, "/token$i", invalid_token => "$name: $address is in the list, with a bad token",
                    by($address), token => $bad, good => 0;
        } else {
            refused $s, "/list$i", address_not_allowed => "$name: $address is not in the list", by($address),
                    reason => 'address_not_allowed', good => 0;
            refused $s, "/token$i", address_not_allowed => "$name: $address is not in the list, with a token",
                    by($address), token => $good, reason => 'address_not_allowed';
        }
    }
}

granted $s, '/big', "one of 10,000 ranges contains $_", as($_) for '10.0.0.0', '10.5.5.127', '10.39.15.1';
refused $s, '/big', address_not_allowed => "none of 10,000 ranges contains $_", as($_)
    for '10.5.5.128', '10.39.16.0', '9.255.255.255', '2001:db8::1';

# --- order of the checks ----------------------------------------------------

refused $s, '/scope', address_not_allowed => 'the address is checked before the scope', token => $good;
refused $s, '/scope', insufficient_scope => 'the scope is checked after the address', token => $good,
        as('192.0.2.1');
refused $s, '/scope', no_token => 'the credential is checked before the address';
refused $s, '/scope', invalid_token => 'a bad token is refused before the address is checked', token => $bad;
refused $s, '/scope', address_not_allowed => 'the address list applies to an administrator', as('192.0.2.2'),
        token => good_token(isAdmin => \'true');

granted $s, '/none', 'accept none: an address in the list is granted';
granted $s, '/none', 'accept none: a token is ignored', token => $bad,
        decision => { status => 'OK', user => '', method => '', fingerprint => '' };
refused $s, '/none', address_not_allowed => 'accept none: an address outside the list is refused',
        as('1.2.3.4');
refused $s, '/none', address_not_allowed => 'accept none: a valid token does not help outside the list',
        as('1.2.3.4'), token => $good;

# --- dual-stack listeners ---------------------------------------------------

granted $s, '/near', 'an IPv4 client of a dual-stack listener is in an IPv4 list', port => 2, token => $good;
granted $s, '/none', 'an IPv4 client of a dual-stack listener, accept none', port => 2, from => '127.0.0.9';
refused $s, '/six', address_not_allowed => 'an IPv4 client of a dual-stack listener is not in an IPv6 list',
        port => 2, token => $good;
granted $s, '/six', '::1 is in an IPv6 list', port => 2, to => '::1', token => $good;
refused $s, '/near', address_not_allowed => '::1 is not in an IPv4 list', port => 2, to => '::1',
        token => $good;
granted $s, '/world', '::1 is in a list of both families', port => 2, to => '::1', token => $good;

# --- realip -----------------------------------------------------------------

{
    my $i = 0;      # the list of 1.1.1.1
    granted $s, "/list$i", "X-Forwarded-For counts: $_->[0]", headers => $_->[1] for
        ['the last of two',       ['X-Forwarded-For: 9.9.9.9, 1.1.1.1']],
        ['the second header', ['X-Forwarded-For: 9.9.9.9', 'X-Forwarded-For: 1.1.1.1']],
        ['a port',           ['X-Forwarded-For: 1.1.1.1:99']],
        ['no space',         ['X-Forwarded-For: 9.9.9.9,1.1.1.1']],
        ['spaces',           ['X-Forwarded-For:   1.1.1.1   ']],
        ['garbage before',   ['X-Forwarded-For: garbage, 1.1.1.1']];

    refused $s, "/list$i", address_not_allowed => "X-Forwarded-For does not count: $_->[0]",
            headers => $_->[1] for
        ['the first of two', ['X-Forwarded-For: 1.1.1.1, 9.9.9.9']],
        ['the first header', ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 9.9.9.9']],
        ['garbage',          ['X-Forwarded-For: 1.1.1.1 garbage']],
        ['garbage at the end',  ['X-Forwarded-For: 1.1.1.1, garbage']],
        ['empty',            ['X-Forwarded-For:']],
        ['a host name',      ['X-Forwarded-For: localhost']],
        ['quotes',           ['X-Forwarded-For: "1.1.1.1"']],
        ['another header',   ['X-Real-IP: 1.1.1.1']],
        ['another header',   ['Forwarded: for=1.1.1.1']],
        ['unix:',            ['X-Forwarded-For: unix:']],
        ['four more bytes',  ['X-Forwarded-For: 1.1.1.1.1']];

    refused $s, "/list$i", address_not_allowed => 'X-Forwarded-For of an untrusted peer is ignored',
            as('1.1.1.1'), from => '127.0.0.2';
    refused $s, '/near', address_not_allowed => 'X-Forwarded-For of a trusted peer replaces its address',
            as('1.1.1.1'), token => $good;
    granted $s, '/near', 'an invalid X-Forwarded-For leaves the address of the peer', as('fe80::1%eth0'),
            token => $good;
    granted $s, '/near', 'an untrusted peer keeps its address', as('1.1.1.1'), from => '127.0.0.2',
            token => $good;
}

granted $s, '/x', 'real_ip_recursive: the last untrusted address counts', port => 6, token => $good,
        as('9.9.9.9, 1.2.3.4, 10.0.0.1, 10.0.0.2');
refused $s, '/x', address_not_allowed => 'real_ip_recursive: an earlier address does not count', port => 6,
        token => $good, as('1.2.3.4, 9.9.9.9, 10.0.0.1');

# --- another address on the same connection ---------------------------------

{
    my @addresses = map { $_ % 3 ? '1.1.1.1' : '1.1.1.2' } 1 .. 60;
    my (undef, @answers) = exchange($s,
        join('', map { request_bytes('/token0', as($_), token => $good) } @addresses),
        heads => [map { 0 } @addresses], hits => 40);

    for my $i (0 .. $#addresses) {
        my $name = "request $i of a connection, $addresses[$i]";
        $addresses[$i] eq '1.1.1.1' ? is_granted($answers[$i], $name)
                                    : is_refused($answers[$i], address_not_allowed => $name);
    }
}

# --- unix sockets -----------------------------------------------------------

{
    my @unix = (path => $s->dir . '/client.sock', token => $good);

    granted $s, '/x', 'a client of a unix socket is granted without a list', @unix;
    refused $s, $_, address_not_allowed => "a client of a unix socket is not in the list of $_", @unix
            for '/near', '/six', '/world';
    refused $s, '/none', address_not_allowed => 'a client of a unix socket is not in a list, accept none',
            @unix;
    refused $s, '/near', address_not_allowed => 'X-Forwarded-For of an untrusted unix socket is ignored',
            @unix, as('127.0.0.1');

    my @real = (path => $s->dir . '/real.sock', token => $good);
    refused $s, '/x', address_not_allowed => 'a trusted unix socket without X-Real-IP is not in a list',
            @real;
    granted $s, '/x', 'X-Real-IP of a trusted unix socket counts', @real, headers => ['X-Real-IP: 192.0.2.7'];
    granted $s, '/x', 'an IPv6 X-Real-IP of a trusted unix socket counts', @real,
            headers => ['X-Real-IP: 2001:db8::7'];
    refused $s, '/x', address_not_allowed => 'X-Real-IP of a trusted unix socket outside the list', @real,
            headers => ['X-Real-IP: 192.0.3.7'];
    refused $s, '/x', address_not_allowed => 'an invalid X-Real-IP of a trusted unix socket', @real,
            headers => ['X-Real-IP: 192.0.2.x'];
}

# --- the PROXY protocol -----------------------------------------------------

# which address counts with realip: of the PROXY header or of the connection
my @headers = (
    ['v1 TCP4',          "PROXY TCP4 192.0.2.1 127.0.0.1 9 80\r\n", 'header'],
    ['v1 TCP6',          "PROXY TCP6 2001:db8::1 ::1 9 80\r\n",     'header'],
    ['v1 UNKNOWN',       "PROXY UNKNOWN\r\n",                       'connection'],
    ['v1 UNKNOWN, addresses', "PROXY UNKNOWN 192.0.2.1 127.0.0.1 9 80\r\n", 'connection'],
    ['v2 TCP4',          v2(1, 0x11, four('192.0.2.1')),            'header'],
    ['v2 TCP6',          v2(1, 0x21, six('2001:db8::1')),           'header'],
    ['v2 TCP4 and TLV',  v2(1, 0x11, four('192.0.2.1') . "\x01\0\x02h2"), 'header'],
    ['v2 LOCAL',         v2(0, 0x00, ''),                           'connection'],
    ['v2 LOCAL, addresses', v2(0, 0x11, four('192.0.2.1')),         'connection'],
    ['v2 UNSPEC',        v2(1, 0x00, ''),                           'connection'],
    ['v2 UNIX',          v2(1, 0x31, "\0" x 216),                   'connection'],
    ['v1 no address',    "PROXY TCP4 999.0.2.1 127.0.0.1 9 80\r\n", 'connection'],
    ['v1 mapped',        "PROXY TCP6 ::ffff:192.0.2.1 ::1 9 80\r\n", 'header'],
    ['v2 mapped',        v2(1, 0x21, six('::ffff:192.0.2.1')),      'header'],
);

for (@headers) {
    my ($name, $preface, $whose) = @$_;
    my @how = (token => $good, preface => $preface, new => 1);

    granted $s, '/near', "$name without realip: the connection counts", @how, port => 4;
    refused $s, '/listed', address_not_allowed => "$name without realip: the header does not count", @how,
            port => 4;

    my ($right, $wrong) = $whose eq 'header' ? ('/listed', '/near') : ('/near', '/listed');
    granted $s, $right, "$name with realip: the $whose counts", @how, port => 5;
    refused $s, $wrong, address_not_allowed => "$name with realip: only the $whose counts", @how, port => 5;
    refused $s, $right, invalid_token => "$name with realip: a bad token", @how, port => 5, token => $bad;
}

for my $row (['proxy', 'v1 TCP4', $headers[0][1], 0], ['realproxy', 'v1 TCP4', $headers[0][1], 1],
             ['realproxy', 'v1 UNKNOWN', $headers[2][1], 0],
             ['realproxy', 'v2 LOCAL', $headers[7][1], 0])
{
    my ($socket, $name, $preface, $known) = @$row;
    my @how = (path => $s->dir . "/$socket.sock", preface => $preface, new => 1, token => $good);

    granted $s, '/x', "$socket.sock, $name: granted without a list", @how;
    refused $s, '/near', address_not_allowed => "$socket.sock, $name: the connection is not in a list", @how;
    $known ? granted($s, '/listed', "$socket.sock, $name: the header counts", @how)
           : refused($s, '/listed',
                     address_not_allowed => "$socket.sock, $name: the header does not count", @how);
}

for (['v1 cut',             'PROXY TCP4 192.0.2.1 127.'],
     ['v1 CR alone',        "PROXY TCP4 192.0.2.1 127.0.0.1 9 80\r"],
     ['v1 without an end',  'PROXY TCP4 ' . 'x' x 200 . "\n"],
     ['v1 another family',  "PROXY TCP9 192.0.2.1 127.0.0.1 9 80\r\n"],
     ['v1 in small letters', "proxy tcp4 192.0.2.1 127.0.0.1 9 80\r\n"],
     ['v2 cut',             substr v2(1, 0x11, four('192.0.2.1')), 0, 20],
     ['v2 cut early',       substr v2(1, 0x11, four('192.0.2.1')), 0, 13],
     ['v2 of another version', "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"],
     ['v2 too short a length', "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04" . "\xc0\0\x02\x01"],
     ['v2 too long a length',  "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" . four('192.0.2.1')],
     ['no header',          ''])
{
    my ($name, $preface) = @$_;

    # no request follows a truncated header
    my $request = $name =~ /cut|length|CR/ ? '' : request_bytes('/none', tag => 'proxy');
    my $connection = $s->connect(port => 5);
    $connection->send($preface . $request);
    $connection->finish;
    is eval { $connection->rest } // 'reset', '', "$name: the connection is closed without a response";
    is $s->upstream->hits->count('proxy'), 0, "$name: the upstream is not reached";
}

# --- files ------------------------------------------------------------------

granted $s, '/file', "$_ is in the file", as($_)
    for '10.0.0.1', '10.255.255.255', '2001:db8::1', '8.8.8.8', '9.9.9.9';
refused $s, '/file', address_not_allowed => "$_ is not in the file", as($_), good => 0
    for '1.1.1.1', '8.8.8.9', '11.0.0.0', '2001:db9::';
granted $s, '/crlf', "$_ is in the file with CR LF", as($_) for '10.1.2.3', '192.0.2.1', '192.0.2.9';
refused $s, '/crlf', address_not_allowed => "$_ is not in the file with CR LF", as($_) for '192.0.2.2',
        '127.0.0.1';

# --- inheritance ------------------------------------------------------------

# 127.0.0.1 is not in the list of that server
{
    my @how = (port => 3, token => $good);

    refused $s, '/x', address_not_allowed => 'the list of the server applies', @how;
    refused $s, '/inner/', address_not_allowed => 'a location inherits the list', @how,
            expect => { realm => 'inner' };
    granted $s, '/inner/any/', '"any" cancels the inherited list', @how;
    granted $s, '/inner/other/', 'a list in a location replaces the inherited one', @how;
    refused $s, '/inner/other/', address_not_allowed => 'the replaced list does not apply', @how,
            from => '127.0.0.2';
    granted $s, '/inner/other/same/', 'a nested location inherits the replacement', @how;
    refused $s, '/inner/other/same/',
            address_not_allowed => 'a nested location inherits only the replacement', @how,
            from => '127.0.0.2';
    granted $s, '/inner/other/any/', '"any" cancels the replacement', @how, from => '127.0.0.2';
    granted $s, '/two/', 'two directives: the first one applies', @how;
    granted $s, '/two/', 'two directives: the second one applies', @how, from => '127.0.0.3';
    refused $s, '/two/', address_not_allowed => 'two directives: other addresses are refused', @how,
            from => '127.0.0.2';
    granted $s, '/method/', 'a list in limit_except does not apply to GET', @how, from => '127.0.0.2';
    refused $s, '/method/', address_not_allowed => 'a list in limit_except applies to POST', @how,
            from => '127.0.0.2', method => 'POST', body => '';
    granted $s, '/method/', 'a POST from the list in limit_except is granted', @how, method => 'POST',
            body => '';
}

# --- configurations ---------------------------------------------------------

sub conf ($allow, %o) {
    my $accept = $o{accept} // 'bearer';
    return "$issuer server { listen %%LISTEN%%; location / { auth_token on;\n"
         . "auth_token_accept $accept;\n$allow\n} }";
}

# t/config.t has the other errors of the directive
conf_fails conf('auth_token_allow file=ranges; # here'), $_->[2], "a file of ranges: $_->[0] is an error",
           files => { ranges => $_->[1] } for
    ['a bad line',         "1.1.1.1\n# x\n\n1.1.1.256\n2.2.2.2\n", '1\.1\.1\.256.*/ranges:4\b'],
    ['a bad last line',    "1.1.1.1\n2.2.2.2/33",   '/ranges:2\b'],
    ['two ranges on a line',      "1.1.1.1 2.2.2.2\n",     '/ranges:1\b'],
    ['any',                "any\n",                 '/ranges:1\b'],
    ['file= in a file',       "file=other\n",          '/ranges:1\b'],
    ['a NUL byte',         "1.1.1.1\n1.1.1.2\0\n",  '/ranges:2\b'],
    ['a byte order mark',  "\xef\xbb\xbf1.1.1.1\n", '/ranges:1\b'],
    ['CR as line end',           "1.1.1.1\r2.2.2.2\r",    '/ranges:1\b'],
    ['only comments',     "# 1.1.1.1\n\n  # x\n",  '/ranges'];

conf_fails conf('auth_token_allow file=ranges; # here'), '/ranges', "a file of ranges: $_->[0] is an error",
           prepare => $_->[1] for
    ['missing',            sub ($c) { }],
    ['a directory',        sub ($c) { mkdir $c->dir . '/ranges' }],
    ['a FIFO',             sub ($c) { system 'mkfifo', $c->dir . '/ranges' }],
    ['a device',           sub ($c) { symlink '/dev/zero', $c->dir . '/ranges' }],
    ['a loop',             sub ($c) { symlink 'ranges', $c->dir . '/ranges' }],
    ['too large',          sub ($c) {
        open my $fh, '>', $c->dir . '/ranges' or die;
        truncate $fh, 1 << 30;
    }];

conf_fails conf('auth_token_allow any; # here', accept => 'none') =~ s/auth_token on;\K/ # here/r
           =~ s/any; # here/any;/r, 'auth_token_allow', '"auth_token_accept none" requires a list';

conf_ok conf("auth_token_allow $_->[1];"), $_->[0], says => $_->[2] for
    ['host bits cause a warning',      '12.34.56.78/24', qr/\[warn\].*12\.34\.56\.78\/24.*:\d+$/m],
    ['IPv6 host bits cause a warning',          '2001:db8::1/64', qr/\[warn\].*2001:db8::1\/64.*:\d+$/m],
    ['host bits of a mapped range cause a warning',        '::ffff:1.2.3.4/120', qr/\[warn\].*::ffff:1\.2\.3\.4\/120/],
    ['0.0.0.0/0 causes a warning',       '0.0.0.0/0', qr/\[warn\].*0\.0\.0\.0\/0.*IPv4.*:\d+$/m],
    ['::/0 causes a warning',                    '::/0', qr/\[warn\].*::\/0.*IPv6.*:\d+$/m],
    ['::ffff:0:0/96 is every IPv4 address', '::ffff:0:0/96', qr/\[warn\].*::ffff:0:0\/96.*IPv4/],
    ['1.2.3.4/0 causes two warnings',            '1.2.3.4/0',
     qr/\[warn\].*1\.2\.3\.4\/0.*\n.*\[warn\].*1\.2\.3\.4\/0/];

{
    my $quiet = AuthToken::Server->new(
        conf('auth_token_allow 10.0.0.0/8 0.0.0.0 255.255.255.255 1.2.3.4 1.2.3.4/32'
             . ' ::1/128 2001:db8::/32 ::ffff:1.2.3.0/120; auth_token_allow 1.2.3.4;'));
    my ($status, $output) = $quiet->check;
    is $status, 0, 'usual ranges are valid';
    unlike $output, qr/\[warn\].*(?:bits|matches every)/, 'usual ranges cause no warning';
}

done;
