#!/usr/bin/perl

# Addresses: auth_token_allow, and where the address of a request comes from
#.  Lists of clients need a store.
#
# Requirements: address-match, address-edges, address-syntax, address-mapped,
#   address-forwarded, address-proxy-protocol, address-many-ranges,
#   address-per-request, address-client-and-location.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use Socket qw(AF_INET AF_INET6 inet_pton inet_ntop);

my $issuer = '%%ISSUER%%';

my @files = ('rsa.pem' => key('rsa')->pem);

# --- ranges -----------------------------------------------------------------

# What a list says of addresses: + those that it holds, - those that it does not.
# None is 255.255.255.255, which realip takes for no address at all.
my @lists = (
    ['an address',      '1.1.1.1',
        '+1.1.1.1 -1.1.1.0 -1.1.1.2 -1.1.1.11 -11.1.1.1 -::1.1.1.1 -2001:db8::1'],
    ['host bits set',   '12.34.56.78/24',
        '+12.34.56.78 +12.34.56.0 +12.34.56.1 +12.34.56.255 -12.34.55.255 -12.34.57.0'
        . ' -12.34.57.1'],
    ['an IPv6 address', '2001:db8::1',
        '+2001:db8::1 +2001:DB8:0:0:0:0:0:1 -2001:db8:: -2001:db8::2 -1.1.1.1'
        . ' -2001:db8:0:1::1'],
    ['an IPv6 range',   '2001:db8::/32',
        '+2001:db8:: +2001:db8:ffff:ffff:ffff:ffff:ffff:ffff +2001:db8::1'
        . ' -2001:db7:ffff:ffff:ffff:ffff:ffff:ffff -2001:db9:: -2001:db9::1'],
    ['IPv6 host bits',  '2001:db8::ffff/64',
        '+2001:db8::1 +2001:db8::ffff:ffff:ffff:ffff -2001:db8:0:1:: -2001:db7::'],
    ['loopback',        '::1',           '+::1 -:: -::2 -127.0.0.1 -0.0.0.1'],
    ['several',         '10.0.0.0/8 192.168.0.0/16 172.16.0.0/12 fc00::/7',
        '+10.0.102.126 +192.168.1.1 +172.16.5.4 +172.31.255.255 +fd12::1 -172.32.0.1'
        . ' -11.0.0.0 -9.255.255.255 -fe00:: -192.169.0.0'],
    ['one in another',  '10.0.0.0/8 10.1.0.0/16 10.1.2.3',
        '+10.1.2.3 +10.1.2.4 +10.2.0.0 +10.0.0.0 +10.255.255.255 -11.0.0.0'],
    ['neighbours',      '10.0.0.0/9 10.128.0.0/9',
        '+10.0.0.0 +10.127.255.255 +10.128.0.0 +10.255.255.255 -11.0.0.0 -9.255.255.255'],

    ['0.0.0.0/0',       '0.0.0.0/0',
        '+0.0.0.0 +255.255.255.254 +1.2.3.4 +::ffff:1.2.3.4 -::1 -:: -2001:db8::1'],
    ['::/0',            '::/0',
        '+::1 +:: +ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -1.2.3.4 -0.0.0.0'
        . ' -::ffff:1.2.3.4'],
    ['both',            '0.0.0.0/0 ::/0', '+1.2.3.4 +::1 +::ffff:1.2.3.4'],
    ['/1',              '128.0.0.0/1',
        '+128.0.0.0 +255.255.255.254 -127.255.255.255 -0.0.0.0'],
    ['/31',             '1.2.3.4/31',    '+1.2.3.4 +1.2.3.5 -1.2.3.3 -1.2.3.6'],
    ['/32',             '1.2.3.4/32',    '+1.2.3.4 -1.2.3.5 -1.2.3.3'],
    ['IPv6 /1',         '8000::/1',      '+8000:: +fe80::1 -7fff::1 -::1'],
    ['/127',            '2001:db8::3/127',
        '+2001:db8::2 +2001:db8::3 -2001:db8::1 -2001:db8::4'],
    ['/128',            '2001:db8::1/128', '+2001:db8::1 -2001:db8:: -2001:db8::2'],
    ['/63 and /65',     '2001:db8:0:2::/63 2001:db8:1::/65',
        '+2001:db8:0:2:: +2001:db8:0:3:ffff:ffff:ffff:ffff -2001:db8:0:4::'
        . ' -2001:db8:0:1:ffff:ffff:ffff:ffff +2001:db8:1:0:7fff:ffff:ffff:ffff'
        . ' -2001:db8:1:0:8000::'],
    ['255.255.255.255', '255.255.255.255', '-255.255.255.254 -::'],
    ['0.0.0.0',         '0.0.0.0',       '+0.0.0.0 -0.0.0.1 -:: -::1'],
    ['0.0.0.0/32',      '0.0.0.0/32',    '+0.0.0.0 -0.0.0.1'],
    ['::',              '::',            '+:: -::1 -0.0.0.0'],

    ['IPv4 rule',       '1.1.1.1',       '+::ffff:1.1.1.1 +::ffff:101:101'
        . ' -::ffff:1.1.1.2 -::1.1.1.1 -64:ff9b::1.1.1.1 -2002:101:101::'
        . ' -::ffff:0:1.1.1.1 -1:0:0:0:0:ffff:101:101'],
    ['IPv4 range',      '1.0.0.0/8',     '+::ffff:1.2.3.4 -::ffff:2.0.0.0 -::1.2.3.4'],
    ['mapped rule',     '::ffff:1.1.1.1', '+1.1.1.1 +::ffff:1.1.1.1 -1.1.1.2'
        . ' -::1.1.1.1'],
    ['mapped /120',     '::ffff:1.2.3.0/120', '+1.2.3.0 +1.2.3.255 -1.2.4.0 -1.2.2.255'],
    ['all mapped',      '::ffff:0:0/96',
        '+1.2.3.4 +255.255.255.254 +0.0.0.0 +::ffff:1.2.3.4 -::1 -::1.2.3.4'
        . ' -::fffe:ffff:ffff'],
    ['a compatible rule', '::1.1.1.1',   '+::1.1.1.1 +::101:101 -1.1.1.1 -::ffff:1.1.1.1'],
    ['NAT64',           '64:ff9b::/96',  '+64:ff9b::1.1.1.1 -1.1.1.1'],
);

my $locations = '';
for my $i (0 .. $#lists) {
    $locations .= "location = /list$i { auth_token_allow $lists[$i][1];"
                . " auth_token_accept none; proxy_pass %%UPSTREAM%%; }\n"
                . "location = /token$i { auth_token_allow $lists[$i][1];"
                . " proxy_pass %%UPSTREAM%%; }\n";
}

# --- 10,000 ranges ----------------------------------------------------------

srand 20240229;

sub random_address ($bits) { pack 'N*', map { int rand 2**32 } 1 .. $bits / 32 }

# Prefixes as strings of 0 and 1, by family and length: an oracle that has
# nothing in common with a binary search.
my %prefix;

my @ranges = map {
    my $bits  = $_ % 2 ? 32 : 128;
    my $len   = $bits == 32 ? 9 + int rand 24 : 17 + int rand 112;
    my $bytes = random_address($bits);
    $prefix{$bits}{$len}{substr unpack('B*', $bytes), 0, $len} = 1;
    [$bits, $len, $bytes];
} 1 .. 10_000;

sub text ($bits, $bytes) { inet_ntop($bits == 32 ? AF_INET : AF_INET6, $bytes) }

sub oracle ($bits, $bytes) {
    my $string = unpack 'B*', $bytes;
    return !!grep { $prefix{$bits}{$_}{substr $string, 0, $_} } keys $prefix{$bits}->%*;
}

my $big = "# 10,000 ranges, a third of them with host bits\n" . join '', map {
    my ($bits, $len, $bytes) = @$_;
    my $whole = substr(unpack('B*', $bytes), 0, $len);
    $bytes = pack 'B*', $whole . '0' x ($bits - $len) if rand() > 0.3;
    text($bits, $bytes) . "/$len" . (rand() < 0.1 ? "  # comment\n" : "\n");
} @ranges;

# the first and last address of ranges, their neighbours, and any others
sub step ($bytes, $by) {
    my @bytes = unpack 'C*', $bytes;
    for my $i (reverse 0 .. $#bytes) {
        $bytes[$i] += $by;
        last if $bytes[$i] >= 0 && $bytes[$i] <= 255;
        $bytes[$i] &= 255;
    }
    return pack 'C*', @bytes;
}

my @sample = map {
    my ($bits, $len, $bytes) = $ranges[$_ * 33]->@*;
    my $whole = substr(unpack('B*', $bytes), 0, $len);
    my $first = pack 'B*', $whole . '0' x ($bits - $len);
    my $last  = pack 'B*', $whole . '1' x ($bits - $len);
    ([$bits, $first], [$bits, $last], [$bits, step($first, -1)], [$bits, step($last, 1)],
     [$bits, $bytes], [$bits, random_address($bits)]);
} 0 .. 249;

# --- one server for it all --------------------------------------------------

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

        location / { proxy_pass %%UPSTREAM%%; }
        $locations
        keepalive_requests 10000;

        location = /near  { auth_token_allow 127.0.0.0/8; proxy_pass %%UPSTREAM%%; }
        location = /six   { auth_token_allow ::1; proxy_pass %%UPSTREAM%%; }
        location = /world { auth_token_allow 0.0.0.0/0 ::/0; proxy_pass %%UPSTREAM%%; }
        location = /none  { auth_token_accept none; auth_token_allow 127.0.0.0/8;
                            proxy_pass %%UPSTREAM%%; }
        location = /big   { auth_token_accept none; auth_token_allow file=big;
                            proxy_pass %%UPSTREAM%%; }
        location = /file  { auth_token_accept none; auth_token_allow file=%%DIR%%/ranges 9.9.9.9;
                            proxy_pass %%UPSTREAM%%; }
        location = /crlf  { auth_token_accept none; auth_token_allow file=crlf;
                            proxy_pass %%UPSTREAM%%; }
        location = /scope { auth_token_allow 192.0.2.1; auth_token_require_scope admin;
                            proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN6%%;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from 10.0.0.0/8;
        real_ip_header X-Forwarded-For;
        real_ip_recursive on;
        location /       { auth_token_allow 1.2.3.4; proxy_pass %%UPSTREAM%%; }
        location = /good { proxy_pass %%UPSTREAM%%; }
    }
    # addresses of any kind, with all of their bytes
    server {
        listen %%LISTEN7%% proxy_protocol;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
        proxy_set_header X-Extra \$remote_addr;
        location / { proxy_pass %%UPSTREAM%%; }
        $locations
    }
    server {
        listen %%LISTEN3%%;
        listen unix:%%DIR%%/real.sock;
        auth_token on;
        auth_token_allow 192.0.2.0/24 2001:db8::/32;

        set_real_ip_from unix:;
        real_ip_header X-Real-IP;

        location /       { proxy_pass %%UPSTREAM%%; }
        location = /good { auth_token_allow any; proxy_pass %%UPSTREAM%%; }

        location /inner/      { auth_token_realm inner; proxy_pass %%UPSTREAM%%; }
        location /inner/any/  { auth_token_allow any; proxy_pass %%UPSTREAM%%; }
        location /inner/other/ {
            auth_token_allow 127.0.0.1;
            location /inner/other/same/ { proxy_pass %%UPSTREAM%%; }
            location /inner/other/any/  { auth_token_allow any; proxy_pass %%UPSTREAM%%; }
            proxy_pass %%UPSTREAM%%;
        }
        location /two/ {
            auth_token_allow 127.0.0.1;
            auth_token_allow 192.0.2.1 127.0.0.3;
            proxy_pass %%UPSTREAM%%;
        }
        location /method/ {
            auth_token_allow any;
            limit_except GET { auth_token_allow 127.0.0.1; }
            proxy_pass %%UPSTREAM%%;
        }
    }
    server {
        listen %%LISTEN4%% proxy_protocol;
        listen unix:%%DIR%%/proxy.sock proxy_protocol;
        auth_token on;
        location /        { proxy_pass %%UPSTREAM%%; }
        location = /near  { auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
        location = /listed { auth_token_allow 192.0.2.1 2001:db8::1; proxy_pass %%UPSTREAM%%; }
    }
    server {
        listen %%LISTEN5%% proxy_protocol;
        listen unix:%%DIR%%/realproxy.sock proxy_protocol;
        auth_token on;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from unix:;
        real_ip_header proxy_protocol;
        location /        { proxy_pass %%UPSTREAM%%; }
        location = /near  { auth_token_allow 127.0.0.1; proxy_pass %%UPSTREAM%%; }
        location = /listed { auth_token_allow 192.0.2.1 2001:db8::1; proxy_pass %%UPSTREAM%%; }
        location = /none  { auth_token_allow 127.0.0.1 192.0.2.1; auth_token_accept none;
                            proxy_pass %%UPSTREAM%%; }
    }
CONF
    @files,
    big    => $big,
    ranges => "# of the office\n\n 10.0.0.0/8 # all of it\n\t2001:db8::/32\t\n#1.1.1.1\n8.8.8.8",
    crlf   => "# of Windows\r\n10.0.0.0/8\r\n\r\n 192.0.2.1 \r\n",
});

my $good = good_token();
my $bad  = token(key => key('rsa2'));

sub v2 ($command, $family, $addresses) {
    return "\r\n\r\n\0\r\nQUIT\n" . pack('CCn', 0x20 | $command, $family, length $addresses)
         . $addresses;
}

sub four ($from) { inet_pton(AF_INET, $from) . inet_pton(AF_INET, '127.0.0.1') . pack 'nn', 9, 80 }
sub six ($from)  { inet_pton(AF_INET6, $from) . inet_pton(AF_INET6, '::1') . pack 'nn', 9, 80 }

# from an address that is not ours: by realip's header, by the PROXY protocol
sub as ($address) { (headers => ["X-Forwarded-For: $address"]) }

sub by ($address) {
    return (port => 7, new => 1, preface =>
            $address =~ /:/ ? v2(1, 0x21, six($address)) : v2(1, 0x11, four($address)));
}

# first that it is these addresses that the lists are asked for
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

    is_deeply \@wrong, [], 'the addresses of the lists are those of the requests';
}

for my $i (0 .. $#lists) {
    my ($name, $ranges, $addresses) = $lists[$i]->@*;

    for (split ' ', $addresses) {
        my ($sign, $address) = /\A([+-])(.*)\z/;

        if ($sign eq '+') {
            granted $s, "/list$i", "$name: $address", by($address);
            granted $s, "/token$i", "$name: $address, token", by($address), token => $good;
            refused $s, "/token$i", INV => "$name: $address, bad token", by($address),
                    token => $bad, good => 0;
        } else {
            refused $s, "/list$i", ADDR => "$name: $address", by($address),
                    reason => 'address_not_allowed', good => 0;
            refused $s, "/token$i", ADDR => "$name: $address, token", by($address),
                    token => $good, reason => 'address_not_allowed';
        }
    }
}

{
    my @right = map { oracle($_->[0], $_->[1]) } @sample;
    my $inside = grep { $_ } @right;
    cmp_ok $inside, '>', 700, 'of the sample many are in a range';
    cmp_ok @sample - $inside, '>', 400, 'and many are not';

    my (undef, @answers) = exchange($s,
        join('', map { request_bytes('/big', as(text(@$_))) } @sample),
        heads => [map { 0 } @sample], hits => $inside);

    my @wrong = grep { ($answers[$_]{status} == 200) != $right[$_] } 0 .. $#sample;
    is_deeply [map { text($sample[$_]->@*) . " $answers[$_]{status}" } @wrong], [],
        '10,000 ranges: ' . @sample . ' addresses as an oracle has them';
    is_deeply [grep { $answers[$_]{status} !~ /^(?:200|403)$/ } 0 .. $#sample], [],
        'each is one or the other';
}

# --- whose turn it is -------------------------------------------------------

refused $s, '/scope', ADDR => 'the address comes before the scope', token => $good;
refused $s, '/scope', SCOPE => 'and the scope behind it', token => $good, as('192.0.2.1');
refused $s, '/scope', NONE => 'the credential comes before the address';
refused $s, '/scope', INV => 'and a bad one, too', token => $bad;
refused $s, '/scope', ADDR => 'an admin passes no list', as('192.0.2.2'),
        token => good_token(isAdmin => \'true');

granted $s, '/none', 'accept none: in the list';
granted $s, '/none', 'accept none: no token is read', token => $bad,
        decision => { status => 'OK', user => '', method => '', fingerprint => '' };
refused $s, '/none', ADDR => 'accept none: outside', as('1.2.3.4');
refused $s, '/none', ADDR => 'accept none: outside, a good token', as('1.2.3.4'),
        token => $good;

# --- dual-stack listeners ---------------------------------------------------

granted $s, '/near', '127.0.0.1 through [::]', port => 2, token => $good;
granted $s, '/none', '127.0.0.9 through [::]', port => 2, from => '127.0.0.9';
refused $s, '/six', ADDR => '127.0.0.1 through [::], a list of IPv6', port => 2,
        token => $good;
granted $s, '/six', '::1', port => 2, to => '::1', token => $good;
refused $s, '/near', ADDR => '::1, a list of IPv4', port => 2, to => '::1',
        token => $good;
granted $s, '/world', '::1, both families', port => 2, to => '::1', token => $good;

# --- realip -----------------------------------------------------------------

{
    my $i = 0;      # the list of 1.1.1.1
    granted $s, "/list$i", "$_->[0]", headers => $_->[1] for
        ['one of two',       ['X-Forwarded-For: 9.9.9.9, 1.1.1.1']],
        ['the second header', ['X-Forwarded-For: 9.9.9.9', 'X-Forwarded-For: 1.1.1.1']],
        ['a port',           ['X-Forwarded-For: 1.1.1.1:99']],
        ['no space',         ['X-Forwarded-For: 9.9.9.9,1.1.1.1']],
        ['spaces',           ['X-Forwarded-For:   1.1.1.1   ']],
        ['garbage before',   ['X-Forwarded-For: garbage, 1.1.1.1']];

    refused $s, "/list$i", ADDR => "$_->[0]", headers => $_->[1] for
        ['the first of two', ['X-Forwarded-For: 1.1.1.1, 9.9.9.9']],
        ['the first header', ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 9.9.9.9']],
        ['garbage',          ['X-Forwarded-For: 1.1.1.1 garbage']],
        ['garbage behind',   ['X-Forwarded-For: 1.1.1.1, garbage']],
        ['empty',            ['X-Forwarded-For:']],
        ['a host name',      ['X-Forwarded-For: localhost']],
        ['quotes',           ['X-Forwarded-For: "1.1.1.1"']],
        ['another header',   ['X-Real-IP: 1.1.1.1']],
        ['another header',   ['Forwarded: for=1.1.1.1']],
        ['another header',   ['X-Client-IP: 1.1.1.1']],
        ['another header',   ['True-Client-IP: 1.1.1.1']],
        ['another header',   ['CF-Connecting-IP: 1.1.1.1']],
        ['unix:',            ['X-Forwarded-For: unix:']],
        ['four more bytes',  ['X-Forwarded-For: 1.1.1.1.1']];

    refused $s, "/list$i", ADDR => 'a peer that is not trusted', as('1.1.1.1'),
            from => '127.0.0.2';
    refused $s, '/near', ADDR => 'a trusted peer speaks for another', as('1.1.1.1'),
            token => $good;
    granted $s, '/near', 'what is no address leaves the peer its own',
            as('fe80::1%eth0'), token => $good;
    granted $s, '/near', 'a peer that is not trusted keeps its own', as('1.1.1.1'),
            from => '127.0.0.2', token => $good;
}

granted $s, '/x', 'recursive', port => 6, token => $good,
        as('9.9.9.9, 1.2.3.4, 10.0.0.1, 10.0.0.2');
refused $s, '/x', ADDR => 'recursive, the last that is not trusted',
        port => 6, token => $good, as('1.2.3.4, 9.9.9.9, 10.0.0.1');

# --- another address on the same connection ---------------------------------

{
    my @addresses = map { $_ % 3 ? '1.1.1.1' : '1.1.1.2' } 1 .. 60;
    my (undef, @answers) = exchange($s,
        join('', map { request_bytes('/token0', as($_), token => $good) } @addresses),
        heads => [map { 0 } @addresses], hits => 40);

    for my $i (0 .. $#addresses) {
        my $name = "request $i of a connection, $addresses[$i]";
        $addresses[$i] eq '1.1.1.1' ? is_granted($answers[$i], $name)
                                    : is_refused($answers[$i], ADDR => $name);
    }
}

# --- unix sockets -----------------------------------------------------------

{
    my @unix = (path => $s->dir . '/client.sock', token => $good);

    granted $s, '/x', 'a unix socket, no list', @unix;
    refused $s, $_, ADDR => "a unix socket, $_", @unix for '/near', '/six', '/world';
    refused $s, '/none', ADDR => 'a unix socket, accept none', @unix;
    refused $s, '/near', ADDR => 'a unix socket that is not trusted', @unix,
            as('127.0.0.1');

    my @real = (path => $s->dir . '/real.sock', token => $good);
    refused $s, '/x', ADDR => 'a trusted unix socket, no header', @real;
    granted $s, '/x', 'a trusted unix socket', @real, headers => ['X-Real-IP: 192.0.2.7'];
    granted $s, '/x', 'a trusted unix socket, IPv6', @real,
            headers => ['X-Real-IP: 2001:db8::7'];
    refused $s, '/x', ADDR => 'a trusted unix socket, another', @real,
            headers => ['X-Real-IP: 192.0.3.7'];
    refused $s, '/x', ADDR => 'a trusted unix socket, garbage', @real,
            headers => ['X-Real-IP: 192.0.2.x'];
}

# --- the PROXY protocol -----------------------------------------------------

# whose address counts: that of the header, or that of the connection
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

    granted $s, '/near', "$name without realip", @how, port => 4;
    refused $s, '/listed', ADDR => "$name without realip", @how, port => 4;

    my ($right, $wrong) = $whose eq 'header' ? ('/listed', '/near') : ('/near', '/listed');
    granted $s, $right, "$name with realip: that of the $whose", @how, port => 5;
    refused $s, $wrong, ADDR => "$name with realip: not the other", @how, port => 5;
    refused $s, $right, INV => "$name with realip: a bad token", @how, port => 5,
            token => $bad;
}

for my $row (['proxy', 'v1 TCP4', $headers[0][1], 0], ['realproxy', 'v1 TCP4', $headers[0][1], 1],
             ['realproxy', 'v1 UNKNOWN', $headers[2][1], 0],
             ['realproxy', 'v2 LOCAL', $headers[7][1], 0])
{
    my ($socket, $name, $preface, $known) = @$row;
    my @how = (path => $s->dir . "/$socket.sock", preface => $preface, new => 1, token => $good);

    granted $s, '/x', "$socket.sock $name, no list", @how;
    refused $s, '/near', ADDR => "$socket.sock $name, a list", @how;
    $known ? granted($s, '/listed', "$socket.sock $name", @how)
           : refused($s, '/listed', ADDR => "$socket.sock $name", @how);
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

    # a header that is cut has nothing behind it
    my $request = $name =~ /cut|length|CR/ ? '' : request_bytes('/none', tag => 'proxy');
    my $connection = $s->connect(port => 5);
    $connection->send($preface . $request);
    $connection->finish;
    is eval { $connection->rest } // 'reset', '', "$name: closed without an answer";
    is $s->upstream->hits->count('proxy'), 0, "$name: the upstream was not hit";
}

# --- files ------------------------------------------------------------------

granted $s, '/file', "a file: $_", as($_)
    for '10.0.0.1', '10.255.255.255', '2001:db8::1', '8.8.8.8', '9.9.9.9';
refused $s, '/file', ADDR => "a file: $_", as($_), good => 0
    for '1.1.1.1', '8.8.8.9', '11.0.0.0', '2001:db9::';
granted $s, '/crlf', "a file with CR LF: $_", as($_) for '10.1.2.3', '192.0.2.1';
refused $s, '/crlf', ADDR => "a file with CR LF: $_", as($_) for '192.0.2.2', '127.0.0.1';

# --- inheritance ------------------------------------------------------------

# 127.0.0.1 is in no list of that server, 192.0.2.1 does not come from here
{
    my @how = (port => 3, token => $good);

    refused $s, '/x', ADDR => 'the list of the server', @how;
    refused $s, '/inner/', ADDR => 'is inherited', @how, expect => { realm => 'inner' };
    granted $s, '/inner/any/', 'any cancels it', @how;
    granted $s, '/inner/other/', 'another takes its place', @how;
    refused $s, '/inner/other/', ADDR => 'whole', @how, from => '127.0.0.2';
    granted $s, '/inner/other/same/', 'and is inherited, too', @how;
    refused $s, '/inner/other/same/', ADDR => 'as it stands', @how, from => '127.0.0.2';
    granted $s, '/inner/other/any/', 'and cancelled', @how, from => '127.0.0.2';
    granted $s, '/two/', 'two directives: the first', @how;
    granted $s, '/two/', 'two directives: the second', @how, from => '127.0.0.3';
    refused $s, '/two/', ADDR => 'two directives: neither', @how, from => '127.0.0.2';
    granted $s, '/method/', 'limit_except: GET', @how, from => '127.0.0.2';
    refused $s, '/method/', ADDR => 'limit_except: POST', @how, from => '127.0.0.2',
            method => 'POST', body => '';
    granted $s, '/method/', 'limit_except: POST from the list', @how, method => 'POST',
            body => '';
}

# --- configurations ---------------------------------------------------------

sub conf ($allow, %o) {
    my $accept = $o{accept} // 'bearer';
    return "$issuer server { listen %%LISTEN%%; location / { auth_token on;\n"
         . "auth_token_accept $accept;\n$allow\n} }";
}

conf_fails conf("auth_token_allow '$_'; # here"), quotemeta($_), "'$_'", files => { @files }
    for '1.2.3.4/33', '::/129', '1.2.3.4/-1', '1.2.3.4/+8', '1.2.3.4/', '1.2.3.4/08',
        '1.2.3.4/8x', '1.2.3.4/ 8', '/8', '1.2.3', '1..2.3', '1.2.3.', '...', '010.0.0.1',
        '0x7f.1', '1.2.3.4.5', '256.1.1.1', '1.2.3.4/255.255.255.0', 'fe80::1%eth0', ':::',
        '1::2::3', '12345::', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4,5.6.7.8', '', 'Any', 'ANY', '*',
        'all', 'none', 'localhost', '[::1]', '1.2.3.4:80', '1.2.3.4-1.2.3.9', '!1.2.3.4',
        '1.2.3.4/24/8', '1.2.3.4/99999999999999999999', "1.2.3.4\t", '::ffff:1.2.3',
        '::ffff:1.2.3.4/129', '1', 'unix:', '$remote_addr', 'File=x';

conf_fails conf("auth_token_allow $_->[1]; # here"), $_->[2], $_->[0], files => { @files } for
    ['a bad one behind a good one', '1.2.3.4 1.2.3.4/33', '1\.2\.3\.4/33'],
    ['no file',          'file=',              'not a regular file'],
    ['no argument',      '',                   'number of arguments'],
    ['any and another',  'any 1.2.3.4',        'any'],
    ['another and any',  '1.2.3.4 any',        'any'],
    ['any twice',        'any any',            'any'],
    ['any, then another', "any;\nauth_token_allow 1.2.3.4", 'any'],
    ['another, then any', "1.2.3.4;\nauth_token_allow any", 'any'];

conf_fails conf('auth_token_allow file=ranges; # here'), $_->[2], "a file: $_->[0]",
           files => { @files, ranges => $_->[1] } for
    ['a bad line',         "1.1.1.1\n# x\n\n1.1.1.256\n2.2.2.2\n", '1\.1\.1\.256.*/ranges:4\b'],
    ['a bad first line',   "x\n1.1.1.1\n",          '/ranges:1\b'],
    ['a bad last line',    "1.1.1.1\n2.2.2.2/33",   '/ranges:2\b'],
    ['two on a line',      "1.1.1.1 2.2.2.2\n",     '/ranges:1\b'],
    ['a comma',            "1.1.1.1,\n",            '/ranges:1\b'],
    ['a semicolon',        "1.1.1.1;\n",            '/ranges:1\b'],
    ['any',                "any\n",                 '/ranges:1\b'],
    ['a file in it',       "file=other\n",          '/ranges:1\b'],
    ['a NUL byte',         "1.1.1.1\n1.1.1.2\0\n",  '/ranges:2\b'],
    ['a NUL byte alone',   "1.1.1.1\n\0\n",         '/ranges:2\b'],
    ['a byte order mark',  "\xef\xbb\xbf1.1.1.1\n", '/ranges:1\b'],
    ['UTF-16',             "\xff\xfe1\0.\0",        '/ranges:1\b'],
    ['CR alone',           "1.1.1.1\r2.2.2.2\r",    '/ranges:1\b'],
    ['empty',              '',                      '/ranges'],
    ['comments alone',     "# 1.1.1.1\n\n  # x\n",  '/ranges'],
    ['blank',              " \n\r\n\t\n",           '/ranges'];

conf_fails conf('auth_token_allow file=ranges; # here'), '/ranges', "a file: $_->[0]",
           files => { @files }, prepare => $_->[1] for
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
           =~ s/any; # here/any;/r, 'auth_token_allow', 'accept none without a list',
           files => { @files };

conf_ok conf("auth_token_allow $_->[1];"), $_->[0], files => { @files }, says => $_->[2] for
    ['host bits are warned of',      '12.34.56.78/24', qr/\[warn\].*12\.34\.56\.78\/24.*:\d+$/m],
    ['IPv6 host bits, too',          '2001:db8::1/64', qr/\[warn\].*2001:db8::1\/64.*:\d+$/m],
    ['mapped host bits, too',        '::ffff:1.2.3.4/120', qr/\[warn\].*::ffff:1\.2\.3\.4\/120/],
    ['0.0.0.0/0 is warned of',       '0.0.0.0/0', qr/\[warn\].*0\.0\.0\.0\/0.*IPv4.*:\d+$/m],
    ['::/0, too',                    '::/0', qr/\[warn\].*::\/0.*IPv6.*:\d+$/m],
    ['::ffff:0:0/96 is all of IPv4', '::ffff:0:0/96', qr/\[warn\].*::ffff:0:0\/96.*IPv4/],
    ['1.2.3.4/0 is both',            '1.2.3.4/0',
     qr/\[warn\].*1\.2\.3\.4\/0.*\n.*\[warn\].*1\.2\.3\.4\/0/];

{
    my $quiet = AuthToken::Server->new(
        conf('auth_token_allow 10.0.0.0/8 0.0.0.0 255.255.255.255 1.2.3.4 1.2.3.4/32'
             . ' ::1/128 2001:db8::/32 ::ffff:1.2.3.0/120; auth_token_allow 1.2.3.4;'), files => { @files });
    my ($status, $output) = $quiet->check;
    is $status, 0, 'ranges without a slip are accepted';
    unlike $output, qr/\[warn\].*(?:bits|matches every)/, 'and not warned of';
}

done;
