#!/usr/bin/perl

# API tokens: the header X-API-Token, other credentials in the same request, owners,
# roles, address ranges, expiry, variables.
#
# Requirements: store-hashes-only, store-decisions, store-expiry,
#   duplicate-credential-headers, header-name-variants, multiple-credentials,
#   api-token-syntax, address-client-and-location, compare-in-constant-time,
#   store-change-is-immediate.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use Digest::SHA qw(sha256_hex);
use List::Util qw(uniq);
use Time::HiRes qw(time sleep);

my $issuer = '%%ISSUER%%';

my %t;                                  # the API tokens, by id

my $s = start("$issuer auth_token_store lmdb:%%DIR%%/store;" . <<'CONF',
    server {
        listen %%LISTEN%%;
        listen %%LISTEN2%% ssl http2;
        %%TLS%%

        large_client_header_buffers 4 16k;
        underscores_in_headers on;
        auth_token on;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /only   { auth_token_accept api_token; proxy_pass %%UPSTREAM%%; }
        location /bearer { auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
        location /cookie { auth_token_accept api_token cookie; proxy_pass %%UPSTREAM%%; }
        location /all    { auth_token_accept cookie bearer api_token; proxy_pass %%UPSTREAM%%; }

        location /named {
            auth_token_accept api_token=X-My-Key bearer;
            proxy_pass %%UPSTREAM%%;
            location /named/under  { auth_token_realm "a realm"; proxy_pass %%UPSTREAM%%; }
            location /named/plain  { auth_token_accept api_token; proxy_pass %%UPSTREAM%%; }
            location /named/author { auth_token_accept api_token=AUTHORIZATION; proxy_pass %%UPSTREAM%%; }
        }

        location /read   { auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /write  { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location /both   { auth_token_require_scope read write; proxy_pass %%UPSTREAM%%; }
        location /any    { auth_token_require_scope any read write; proxy_pass %%UPSTREAM%%; }
        location /x.read { auth_token_require_scope X.Y.Read; proxy_pass %%UPSTREAM%%; }
        location /x.write { auth_token_require_scope X.Y.ReadWrite; proxy_pass %%UPSTREAM%%; }
        location /cipp   { auth_token_require_scope CIPP.Admin.Read; proxy_pass %%UPSTREAM%%; }

        location /near   { auth_token_allow 127.0.0.0/29; proxy_pass %%UPSTREAM%%; }
        location /near/read { auth_token_allow 127.0.0.0/29; auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /plain-only { auth_token_accept api_token; auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /any-of { satisfy any; allow 127.0.0.9; deny all; auth_token_accept api_token; proxy_pass %%UPSTREAM%%; }
    }
CONF
    prepare => AuthToken::Store->prepare(sub ($store) {
        $store->user('jane', scope => ['read', 'X.Y.Read']);
        $store->user('root', admin => 1);
        $store->user('idle');
        $store->user('gone', scope => ['read']);
        $store->user('jack', disabled => 1, scope => ['read', 'write']);
        $store->role('ops', grant => ['re*', 'X.*'], deny => ['*ad', 'write']);
        $store->role('lost', grant => ['*'], deny => ['write']);

        my %token = (
            good     => [],
            read     => [scope => ['read']],
            both     => [scope => ['read', 'write']],
            off      => [scope => ['read'], disabled => 1],
            past     => [scope => ['read'], expires => 'now-1s'],
            never    => [scope => ['read'], expires => 'never'],
            later    => [scope => ['read'], expires => '1d'],

            of_jane  => [user => 'jane', scope => ['read', 'write']],
            of_root  => [user => 'root', scope => ['read']],
            bare     => [user => 'root'],
            of_idle  => [user => 'idle', scope => ['read']],
            of_jack  => [user => 'jack', scope => ['read']],
            of_gone  => [user => 'gone', scope => ['read']],

            reader   => [role => 'ReadOnly', scope => ['write']],
            admin    => [role => 'admin'],
            ops      => [role => 'OPS', scope => ['read', 'write', 'X.Y.Read']],
            lost     => [role => 'lost', scope => ['read', 'write']],
            janes    => [role => 'superadmin', user => 'jane'],

            one      => [scope => ['read'], allow => '127.0.0.2'],
            net      => [allow => ['127.0.0.4/30', '2001:db8::/32']],
            far      => [allow => '192.0.2.0/24'],
            all_of_4 => [allow => '0.0.0.0/0'],
            only_6   => [allow => '::/0'],
            any      => [allow => 'any'],

            # several reasons to refuse it
            past_off     => [expires => 'now-1d', disabled => 1, allow => '192.0.2.1'],
            past_jack    => [expires => 'now-1d', user => 'jack', allow => '192.0.2.1'],
            off_far      => [disabled => 1, allow => '192.0.2.1'],
            jack_far     => [user => 'jack', allow => '192.0.2.1'],
            off_jack     => [user => 'jack', disabled => 1],
            far_no_scope => [allow => '192.0.2.1'],
        );
        $t{$_} = $store->token($_, $token{$_}->@*) for sort keys %token;
        $t{own} = $store->token('own', text => 'abcdefghijklmnopqrstuvwxyz/+=.,0123456789');
    }));
my $store = $s->{store};

sub admits ($id, $path, $name, %o) { granted $s, $path, $name, api_token => $t{$id}, %o }

sub refuses ($id, $path, $sign, $name, %o) {
    refused $s, $path, $sign => $name, api_token => $t{$id}, %o;
}

my $good    = $t{good};
# its last character differs from that of the good one
my $unknown = secret(join('', map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[rand 62] } 1 .. 31)
                     . ($good =~ /a\z/ ? 'b' : 'a'));
my $jwt     = good_token();
my $forged  = token(key => key('rsa2'));

# --- only hashes are stored -------------------------------------------------

{
    my $bytes  = AuthToken::Log->new($store->path . '/data.mdb')->content;
    my $export = $store->ok('export');

    is_deeply [grep { index($bytes, $t{$_}) >= 0 } sort keys %t], [], 'the store contains no API token';
    is_deeply [grep { index($export, $t{$_}) >= 0 } sort keys %t], [], 'an export contains no API token';
    is_deeply [grep { index($export, sha256_hex($t{$_})) < 0 } sort keys %t], [],
              'an export contains the SHA-256 of each API token';

    my @made = map { $t{$_} } grep { $_ ne 'own' } keys %t;
    is_deeply [grep { !/\A[A-Za-z0-9_-]{32,}\z/ } @made], [], 'generated API tokens have 32 characters or more';
    is scalar(uniq @made), scalar @made, 'generated API tokens differ';

    is_deeply [grep { index($store->ok('token', 'show', $_) . $store->ok('token', 'list'), $t{$_}) >= 0 }
               qw(good own)], [], 'token show and token list do not show the API token';
}

# --- found, unknown, expired, disabled --------------------------------------

my @body = (qq({"code":"API_EXPIRED_API_TOKEN","message":"Expired API Token"}));
admits $_, '/api', "API token $_ is accepted" for qw(good read both never later own any);
refused $s, '/api', unknown_api_token => 'an unknown API token', api_token => $unknown;
refuses 'past', '/api', expired_api_token => 'an expired API token', reason => 'expired_api_token';
refuses 'off', '/api', disabled_client => 'a disabled API token';
refuses 'of_jack', '/api', disabled_user => 'an API token of a disabled user';
refuses 'far', '/api', address_not_allowed => 'an API token from another address',
    reason => 'address_not_allowed';
refuses 'good', '/read', insufficient_scope => 'an API token without the required scope',
    reason => 'insufficient_scope';

# the first reason in this order is reported: expiry, disabled, address, scope
refuses 'past_off', '/read', expired_api_token => 'expired, disabled, other address, no scope: expired';
refuses 'off_far', '/read', disabled_client => 'disabled, other address, no scope: disabled';
refuses 'off_jack', '/read', disabled_client => 'disabled, disabled user: disabled';
refuses 'jack_far', '/read', disabled_user => 'disabled user, other address, no scope: disabled user';
refuses 'far_no_scope', '/read', address_not_allowed => 'other address, no scope: address';

# only the log names the subject of a refused API token
refuses $_->[0], '/api', $_->[1] => "the log names the subject of $_->[0]",
    decision => { subject => $_->[2], user => '', client => '', method => '', scope => '',
                  fingerprint => substr sha256_hex($t{$_->[0]}), 0, 12 } for
    ['past', expired_api_token => 'past'], ['off', client_disabled => 'off'],
        ['of_jack', client_disabled => 'jack'],
    ['far', address_not_allowed => 'far'];
refused $s, '/api', invalid_api_token => 'an unknown API token has no subject', api_token => $unknown,
    decision => { subject => '', fingerprint => substr sha256_hex($unknown), 0, 12 };

# --- expiry, to the millisecond ---------------------------------------------

{
    my $start  = int(time * 1000) + 1_500;          # time for the import
    my %expiry = map { ("ms$_" => $start + $_ * 37) } 0 .. 7;

    $store->import_records(tokens => [map {
        my $n = $_;
        { id => $n, token => $t{$n} = join('', map { ('a' .. 'z')[rand 26] } 1 .. 40),
          expires => $expiry{$n} };
    } sort keys %expiry]);

    my (%seen, @wrong);
    while (time * 1000 < $start + 450) {
        for my $id (sort keys %expiry) {
            my $before = time * 1000;
            my $answer = $s->request('/api', api_token => $t{$id}, tag => my $tag = next_tag);
            my $after  = time * 1000;
            my $got    = $answer->{status} == 200 ? 'good'
                       : $answer->{body} eq $body[0] ? 'expired' : $answer->{body};

            push @wrong, "$id: $got" if $got !~ /^(?:good|expired)\z/;
            push @wrong, "$id: expired " . ($expiry{$id} - $after) . ' ms too early'
                if $got eq 'expired' && int($after) < $expiry{$id};
            push @wrong, "$id: good " . ($before - $expiry{$id}) . ' ms too late'
                if $got eq 'good' && $before >= $expiry{$id};

            $seen{"$id $got"} = 1;
            push $s->{refused}->@*, $tag if $got ne 'good';
        }
        sleep 0.001;
    }
    is_deeply \@wrong, [], 'each API token expires at its millisecond, not before';
    is scalar(keys %seen), 16, 'each API token was seen valid and expired';
}

$store->import_records(tokens => [
    { id => 'e9',  token => $t{e9}  = '9' x 40, expires => 253402300799999 },
    { id => 'e0',  token => $t{e0}  = '0' x 40, expires => 0 },
    { id => 'e1',  token => $t{e1}  = '1' x 40, expires => 1 },
    { id => 'nil', token => $t{nil} = 'n' x 40, expires => undef },
    { id => 'not', token => $t{not} = 'm' x 40 },
]);
admits $_, '/api', "an API token that expires at $_ is valid" for qw(e9 nil not);
refuses $_, '/api', expired_api_token => "an API token that expires at $_ is expired" for qw(e0 e1);

for my $row (['negative', -1], ['a string', '4102444800000'], ['the year 99999', 3093527980800000],
             ['a fraction', 4102444800000.5], ['true', JSON::PP::true], ['a list', [1]])
{
    my ($name, $expires) = @$row;
    ok !eval {
        $store->import_records(tokens => [{ id => 'bad', token => 'b' x 40, expires => $expires }]);
        1;
    }, "a record with an expiry that is $name is rejected";
}
refused $s, '/api', invalid_api_token => 'a rejected record is not stored', api_token => 'b' x 40;

# --- the header -------------------------------------------------------------

for my $names (['X-API-Token', 'X-API-Token'], ['X-API-Token', 'x-api-token'],
               ['x-ApI-tOKEN', 'X-API-TOKEN'])
{
    my ($one, $other) = @$names;
    refused $s, $_->[0], several_api_tokens => "two headers, $one and $other, $_->[1] at $_->[0]",
            headers => ["$one: $_->[2]", "$other: $_->[3]"],
            expect => { scheme => $_->[0] eq '/only' ? 'ApiKey' : 'Bearer' } for
        map { my $path = $_;
              ([$path, 'equal', $good, $good], [$path, 'the first good', $good, $unknown],
               [$path, 'the second good', $unknown, $good], [$path, 'both bad', $unknown, 'x'],
               [$path, 'the first empty', '', $good], [$path, 'the second empty', $good, ''],
               [$path, 'another good one', $good, $t{both}]) } '/api', '/only';
}
refused $s, '/api', invalid_api_token => 'three headers', headers => [("X-API-Token: $good") x 3];
refused $s, '/api', unknown_api_token => 'two API tokens in one header', api_token => "$good, $good";
refused $s, '/api', several_credentials => 'two headers and a bearer token', token => $jwt,
        headers => [("X-API-Token: $good") x 2];
refused $s, '/bearer', no_token => 'two headers where API tokens are not accepted',
        headers => [("X-API-Token: $good") x 2];

{
    my @rows = (
        ['a valid API token', undef, api_token => $good],
        ['two equal headers', invalid_api_token => headers => [("X-API-Token: $good") x 2]],
        ['two headers, the first valid',
         invalid_api_token => headers => ["x-api-token: $good", "x-api-token: $unknown"]],
        ['two headers, the second valid',
         invalid_api_token => headers => ["x-api-token: $unknown", "x-api-token: $good"]],
        ['an unknown API token', invalid_api_token => api_token => $unknown],
        ['an expired API token', expired_api_token => api_token => $t{past}],
        ['a disabled API token', client_disabled => api_token => $t{off}],
        ['an API token and a bearer token', invalid_token => api_token => $good, token => $jwt],
        ['no credential', 'no_token'],
    );
    my @answers = http2($s, map {
        my (undef, undef, %o) = @$_;
        ['/api', { %o, port => 2, tag => next_tag }];
    } @rows);

    for my $i (0 .. $#rows) {
        my ($what, $sign) = $rows[$i]->@*;
        defined $sign ? is_refused($answers[$i], $sign, "HTTP/2, $what")
                      : is_granted($answers[$i], "HTTP/2, $what");
    }
}

for my $name ('X_API_Token', 'X.API.Token', 'X-API-Tokens', 'API-Token', 'X-My-Key')
{
    refused $s, '/only', no_api_token => "the header $name is ignored", headers => ["$name: $good"];
    granted $s, '/only', "a valid API token and an unknown one in $name", api_token => $good,
            headers => ["$name: $unknown"];
    refused $s, '/only', invalid_api_token => "an unknown API token and a valid one in $name",
            api_token => $unknown, headers => ["$name: $good"], expect => { scheme => 'ApiKey' };
}
granted $s, '/only', "the header $_", headers => ["$_: $good"]
    for 'x-api-token', 'X-API-TOKEN', 'X-Api-Token';
refused $s, "/only?$_=x", no_api_token => "the parameter $_ in the query is ignored"
    for 'X-API-Token', 'x_api_token', 'api_token', 'token';
refused $s, '/only', no_api_token => 'an API token in a cookie is ignored',
        cookie => "X-API-Token=$good; api_token=$good";
refused $s, '/only', no_api_token => 'an API token as a bearer token is ignored', auth => "Bearer $good";
refused $s, '/api', invalid_token => 'an API token as a bearer token', auth => "Bearer $good";
refused $s, '/api', invalid_api_token => 'a JWT as an API token', api_token => $jwt;

# --- api_token=HEADER -------------------------------------------------------

for my $path ('/named', '/named/under') {
    my @e = $path eq '/named' ? () : (expect => { realm => 'a realm' });
    granted $s, $path, "api_token=HEADER at $path", headers => ["X-My-Key: $good"],
            decision => { method => 'api_token', client => 'good' };
    granted $s, $path, "api_token=HEADER at $path, in upper case", headers => ["X-MY-KEY: $good"];
    refused $s, $path, no_token => "api_token=HEADER at $path, X-API-Token is ignored", api_token => $good,
            @e;
    refused $s, $path, no_token => "api_token=HEADER at $path, similar headers are ignored", @e,
            headers => ["X-My.Key: $good", "X_My_Key: $good"];
    granted $s, $path, "api_token=HEADER at $path, with X-API-Token", api_token => $unknown,
            headers => ["X-My-Key: $good"];
    granted $s, $path, "api_token=HEADER at $path, X-API-Token with a JWT", api_token => $unknown,
            token => $jwt, decision => { method => 'bearer' };
    refused $s, $path, several_credentials => "api_token=HEADER at $path, with a JWT", token => $jwt, @e,
            headers => ["X-My-Key: $good"];
    refused $s, $path, invalid_api_token => "api_token=HEADER at $path, twice", @e,
            headers => ["X-My-Key: $good", "x-my-key: $good"];
}
granted $s, '/named/plain', 'api_token in a child', api_token => $good;
refused $s, '/named/plain', no_api_token => 'api_token in a child', headers => ["X-My-Key: $good"];
granted $s, '/named/author', 'api_token=Authorization', auth => $good;
refused $s, '/named/author', invalid_api_token => 'api_token=Authorization, with a scheme',
        auth => "Bearer $good", expect => { scheme => 'ApiKey' };

# --- several credentials ----------------------------------------------------

my %api = (none => [], good => [api_token => $good], bad => [api_token => $unknown]);
my %jwt = (none => [], good => [token => $jwt], bad => [token => $forged]);
my %cookie = (none => [], good => [cookie => "accessToken=$jwt"],
              bad => [cookie => "accessToken=$forged"]);

for my $a (qw(none good bad)) {
    for my $b (qw(none good bad)) {
        my @both = ($api{$a}->@*, $jwt{$b}->@*);
        my $name = "API token $a, bearer token $b";

        # if both are accepted, exactly one is allowed
        my $sign = $a ne 'none' && $b ne 'none' ? 'invalid_token'
                 : $a eq 'bad' ? 'invalid_api_token' : $b eq 'bad' ? 'invalid_token'
                 : $a eq 'good' || $b eq 'good' ? undef : 'no_token';
        my @reason = $a ne 'none' && $b ne 'none' ? (reason => 'several_credentials') : ();

        for my $path ('/api', '/all') {
            defined $sign ? refused($s, $path, $sign => "$name at $path", @both, @reason)
                          : granted($s, $path, "$name at $path", @both);

            # a cookie is ignored if there is a header
            next if $path eq '/all' && $a eq 'none' && $b eq 'none';
            for my $c (qw(good bad)) {
                defined $sign
                    ? refused($s, $path, $sign => "$name, cookie $c at $path", @both, @reason, $cookie{$c}->@*)
                    : granted($s, $path, "$name, cookie $c at $path", @both, $cookie{$c}->@*);
            }
        }

        # if one is accepted, the other is ignored
        $a eq 'good' ? granted($s, '/only', "$name at /only", @both)
                     : refused($s, '/only', ($a eq 'bad' ? 'invalid_api_token' : 'no_api_token'),
                               "$name at /only", @both,
                               expect => { scheme => 'ApiKey' });
        $b eq 'good' ? granted($s, '/bearer', "$name at /bearer", @both)
                     : refused($s, '/bearer', ($b eq 'bad' ? 'invalid_token' : 'no_token'),
                               "$name at /bearer", @both);
    }

    # API token and cookie
    for my $c (qw(none good bad)) {
        my @both = ($api{$a}->@*, $cookie{$c}->@*);
        my $name = "API token $a, cookie $c";
        my $sign = $a eq 'bad' ? 'invalid_api_token' : $a eq 'good' || $c eq 'good' ? undef
                 : $c eq 'bad' ? 'invalid_token' : 'no_token';
        my $kind = $a eq 'none' ? 'cookie' : 'api_token';

        for my $path ('/cookie', '/all') {
            defined $sign ? refused($s, $path, $sign => "$name at $path", @both)
                          : granted($s, $path, "$name at $path", @both, decision => { method => $kind });
        }
    }
}
refused $s, '/api', several_credentials => 'an empty API token and a bearer token', api_token => '',
        token => $jwt;
refused $s, '/api', several_credentials => 'an empty bearer token and an API token', api_token => $good,
        auth => 'Bearer';
granted $s, '/api', 'Basic and an API token', api_token => $good, auth => 'Basic YTpi';
granted $s, '/api', 'an empty Authorization and an API token', api_token => $good, auth => '';
granted $s, '/cookie', 'two cookies and an API token', api_token => $good,
        cookie => "accessToken=$jwt; accessToken=$forged";
granted $s, '/cookie', 'an API token and a cookie from another origin', method => 'POST',
        body => '', api_token => $good, cookie => "accessToken=$jwt",
        headers => ['Origin: https://evil.example'];

# --- syntax -----------------------------------------------------------------

refused $s, '/only', unknown_api_token => "$_->[0]", api_token => $_->[1],
        expect => { scheme => 'ApiKey' } for
    ['empty', ''], ['spaces', '     '], ['one byte', 'x'], ['4,096 bytes', 'x' x 4096],
    ['4,097 bytes', 'x' x 4097], ['8,000 bytes', 'y' x 8000],
    ['0xff', "\xff" x 32], ['0x01', "\x01" x 32],
    ['an extra byte at the end', "${good}x"], ['an extra byte at the beginning', "x$good"],
    ['without its last byte', substr $good, 0, -1], ['without its first byte', substr $good, 1],
    ['in another case', $good =~ tr/A-Za-z/a-zA-Z/r], ['with a trailing tab', "$good\t"],
    ['in quotes', "\"$good\""], ['with a scheme', "Bearer $good"], ['with a trailing comma', "$good,"],
    ['its SHA-256', sha256_hex($good)], ['its id', 'good'], ['*', '*'];
granted $s, '/only', 'spaces around an API token', headers => ["X-API-Token:    $good   "];
granted $s, '/only', 'no space before an API token', headers => ["X-API-Token:$good"];
granted $s, '/only', 'all characters of a chosen API token', api_token => $t{own};
refused_by_nginx $s, '/only', 400, 'NUL', headers => ["X-API-Token: $good\0"];
refused_by_nginx $s, '/only', 400, 'a folded line', headers => ['X-API-Token:', " $good"];

# --- the answer does not depend on the guess --------------------------------

{
    my %answers;
    for my $guess ($unknown, map { substr($good, 0, $_) . substr $unknown, $_ } 1, 8, 16, 31) {
        my $answer = $s->request('/only', api_token => secret($guess), tag => my $tag = next_tag);
        push $s->{refused}->@*, $tag;
        $answers{$answer->{raw_head} =~ s/^Date: .*\r\n//mr . $answer->{body}} = 1;
    }
    is scalar keys %answers, 1, 'all wrong API tokens get the same answer';
}

# --- challenges -------------------------------------------------------------

my @api_key = (expect => { scheme => 'ApiKey' });

refused $s, '/only', no_api_token => 'ApiKey, no token', reason => 'no_api_token';
refused $s, '/only', invalid_api_token => 'ApiKey, unknown', api_token => $unknown, @api_key;
refuses 'past', '/only', expired_api_token => 'ApiKey, expired', @api_key;
refuses 'good', '/plain-only', insufficient_scope => 'ApiKey, scope', @api_key;
refuses 'far', '/only', address_not_allowed => 'ApiKey, address';
refuses 'off', '/only', client_disabled => 'ApiKey, disabled';
refused $s, '/api', no_token => 'Bearer where both are accepted';
refused $s, '/api', invalid_api_token => 'Bearer, and no error=, where both are accepted',
        api_token => $unknown;

admits 'good', '/any-of', 'satisfy any: the API token is accepted';
granted $s, '/any-of', 'satisfy any: the address is accepted', api_token => $unknown, from => '127.0.0.9';
refused $s, '/any-of', invalid_api_token => 'satisfy any: neither is accepted', api_token => $unknown,
        @api_key, decision => undef;
refused $s, '/any-of', no_api_token => 'satisfy any: no credential', decision => undef;

# --- scopes, owners, roles --------------------------------------------------

admits $_->[0], $_->[1], "$_->[0] at $_->[1]" for
    map { my $id = shift @$_; map { [$id, $_] } @$_ }
    ['read', qw(/read /any)], ['both', qw(/read /write /both /any)],
    ['of_jane', qw(/read /any)], ['of_root', '/read'], ['bare', '/api'],
    ['reader', qw(/write /any /x.read)], ['admin', qw(/read /both /x.write /cipp)],
    ['ops', '/x.write'], ['janes', qw(/read /any /x.read)];

refuses $_->[0], $_->[1], insufficient_scope => "$_->[0] at $_->[1]", reason => 'insufficient_scope' for
    map { my $id = shift @$_; map { [$id, $_] } @$_ }
    ['good', qw(/read /write /both /any /x.read)], ['read', qw(/write /both)],
    ['of_jane', qw(/write /both /x.read)],          # at most her scopes, and not all of them
    ['of_root', qw(/write /x.read)],                # an administrator's API token is not an administrator
    ['bare', qw(/read /any)], ['of_idle', qw(/read /any)],
    ['reader', qw(/read /both /x.write /cipp)],
    ['ops', qw(/read /write /any /x.read)],         # a deny overrides the token's scopes
    ['janes', qw(/write /both /x.write)];
admits 'of_idle', '/api', 'an owner without scopes, if no scope is required';

admits 'lost', '/read', 'a role of the store and scopes';
refuses 'lost', '/write', insufficient_scope => 'a scope that the role denies';
$store->ok('role', 'delete', 'lost');
refuses 'lost', $_, no_role => "a deleted role denies all, at $_"
    for '/api', '/read', '/write';
$store->role('lost', grant => ['read']);
admits 'lost', $_, "the role is created again, at $_" for '/api', '/read', '/write';

admits 'of_gone', '/read', 'an API token of an existing user';
{
    my ($status) = $store->run('user', 'delete', 'gone');
    $status == 0 ? refuses('of_gone', '/read', client_disabled => 'an API token of a deleted user', reason => 'disabled_user')
                 : admits('of_gone', '/read', 'a user with API tokens cannot be deleted');
}
$store->update('user', 'jane', scope => ['write']);
admits 'of_jane', '/write', 'the owner gets the scope write';
refuses 'of_jane', '/read', insufficient_scope => 'the owner loses the scope read';
$store->ok('user', 'disable', 'jane');
refuses $_, '/write', disabled_user => "the owner of $_ is disabled"
    for qw(of_jane janes);
$store->ok('user', 'enable', 'jane');
admits 'of_jane', '/write', 'the owner is enabled again';

# --- changes ----------------------------------------------------------------

$store->ok('token', 'disable', 'both');
refuses 'both', '/api', client_disabled => 'after disable';
$store->ok('token', 'enable', 'both');
admits 'both', '/api', 'after enable';
$store->ok('token', 'revoke', 'both');
refuses 'both', '/api', invalid_api_token => 'after revoke';
$t{new} = $store->token('both', scope => ['read']);
admits 'new', '/read', 'a new API token with the id of a revoked one';
refuses 'both', '/read', invalid_api_token => 'the revoked API token remains revoked';

# --- ranges of the token, and of the location -------------------------------

admits 'one', '/api', 'an allowed address', from => '127.0.0.2';
admits 'one', '/near/read', 'an address in both lists', from => '127.0.0.2';
refuses 'one', $_, address_not_allowed => "another address at $_", from => '127.0.0.3'
    for qw(/api /near /near/read /read);
admits 'net', '/near', "$_", from => $_ for '127.0.0.4', '127.0.0.5', '127.0.0.7';
refuses 'net', '/near', address_not_allowed => "$_ is in the ranges of the location only", from => $_
    for '127.0.0.1', '127.0.0.2', '127.0.0.3';
refuses 'net', '/near', address_not_allowed => 'an address in neither list', from => '127.0.0.8', good => 0;
refuses 'good', '/near', address_not_allowed => "an address outside of the ranges of the location",
    from => '127.0.0.8', good => 0;
admits $_, '/near', "$_ from an address in the ranges of the location", from => '127.0.0.6'
    for qw(good any all_of_4 own);
refuses 'only_6', '/api', address_not_allowed => 'an IPv4 address with IPv6 ranges only';
refuses 'off_far', '/near', client_disabled => 'a disabled API token is reported before its address',
    from => '127.0.0.8', good => 0;
refuses 'one', '/api', address_not_allowed => 'X-Forwarded-For is ignored',
    headers => ['X-Forwarded-For: 127.0.0.2'];

$store->update('token', 'one', allow => '127.0.0.3');
admits 'one', '/api', 'after a change of the ranges, the new address', from => '127.0.0.3';
refuses 'one', '/api', address_not_allowed => 'after a change of the ranges, the old address',
    from => '127.0.0.2';
$store->update('token', 'one', allow => 'any');
admits 'one', '/api', 'after the ranges are removed, any address', from => '127.0.0.2';

# --- variables --------------------------------------------------------------

sub shows ($id, %members) {
    return (decision => { status => 'OK', reason => 'ok', method => 'api_token', issuer => '',
                          client => $id, user => '', role => '', scope => '', subject => $id,
                          endpoint => '', fingerprint => substr(sha256_hex($t{$id}), 0, 12), %members });
}

admits $_->[0], '/api', "variables, $_->[0]", shows($_->@*) for
    ['good'], ['later', scope => 'read'], ['of_root', user => 'root', subject => 'root', scope => 'read'],
    ['of_jane', user => 'jane', subject => 'jane', scope => 'read write'],
    ['reader', role => 'ReadOnly', scope => 'write'], ['admin', role => 'admin'],
    ['ops', role => 'OPS', scope => 'read write X.Y.Read'];
admits 'good', '/all', 'variables with a cookie in the request', shows('good'), cookie => "accessToken=$jwt";

# --- credentials that are accepted by default -------------------------------

{
    my $server = <<'CONF';
    server {
        listen %%LISTEN%%;
        auth_token on;
        location / { proxy_pass %%UPSTREAM%%; }
    }
CONF
    my $token;
    my $only = start("auth_token_store lmdb:%%DIR%%/store; $server",
        prepare => AuthToken::Store->prepare(sub ($store) { $token = $store->token('t') }));
    $only->{good} = ['/good', api_token => $token];

    granted $only, '/', 'by default with a store only, an API token is accepted', api_token => $token;
    granted $only, '/', 'by default with a store only, a JWT is ignored', api_token => $token,
            token => $forged;
    refused $only, '/', no_api_token => 'by default with a store only, a JWT is not accepted', token => $jwt;
    refused $only, '/', no_api_token => 'by default with a store only, no credential';
    refused $only, '/', invalid_api_token => "by default with a store only, an API token of another store",
            api_token => $good, @api_key;

    my $jwts = start("$issuer $server");
    granted $jwts, '/', 'by default with an issuer only, a JWT is accepted', token => $jwt;
    granted $jwts, '/', 'by default with an issuer only, an API token is ignored', token => $jwt,
            api_token => $unknown;
    refused $jwts, '/', no_token => 'by default with an issuer only, an API token is not accepted',
            api_token => $good;

    my @store = (prepare => sub ($s) { AuthToken::Store->new($s->dir) });

    my $with  = 'auth_token_store lmdb:%%DIR%%/store;';
    my $accept = sub ($before, $kinds) { "$before server { listen %%LISTEN%%;\nauth_token_accept $kinds; # here\n}" };

    conf_fails $accept->($_->@[0, 1]), $_->[2], "auth_token_accept $_->[1]" . ($_->[0] ? '' : ', no store'), @store for
        ['', 'api_token', qr/requires "auth_token_store"/],
        [$issuer, 'bearer api_token=X-Key', qr/requires "auth_token_store"/],
        [$with, 'api_token bearer', qr/requires "auth_token_issuer"/],
        [$with, 'api_token api_token=X-Key', qr/duplicate value "api_token=X-Key"/],
        map { [$with, $_, qr/invalid value "\Q$_\E"|duplicate value/] }
            'api_token=', 'API_TOKEN', 'api_token=X:Key', 'api_token=X(Key)', 'api_tokens';
    conf_ok $accept->("$with auth_token on;", 'api_token'), 'api_token with a store', @store;
}

done;
