#!/usr/bin/perl

# API tokens: X-API-Token against the store; beside bearer tokens and cookies;
# their owners, roles, ranges, expiry; what is shown of them.
#
# Requirements: store-hashes-only, store-decisions, store-expiry,
#   duplicate-credential-headers, header-name-variants, multiple-credentials,
#   api-token-syntax, address-client-and-location, compare-in-constant-time,
#   store-change-is-immediate.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use Digest::SHA qw(sha256_hex);
use List::Util qw(uniq);
use Time::HiRes qw(time sleep);

my $issuer = '%%ISSUER%%';

my %t;                                  # the tokens, by their ids

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
        location /near/read {
            auth_token_allow 127.0.0.0/29;
            auth_token_require_scope read;
            proxy_pass %%UPSTREAM%%;
        }
        location /plain-only { auth_token_accept api_token; auth_token_require_scope read; proxy_pass %%UPSTREAM%%; }
        location /any-of {
            satisfy any;
            allow 127.0.0.9;
            deny all;
            auth_token_accept api_token;
            proxy_pass %%UPSTREAM%%;
        }
    }
CONF
    files   => { 'rsa.pem' => key('rsa')->pem },
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

            # more than one thing wrong with it
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
my $unknown = secret(join '', map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[rand 62] } 1 .. 32);
my $jwt     = good_token();
my $forged  = token(key => key('rsa2'));

# --- what the store holds ---------------------------------------------------

{
    my $bytes  = AuthToken::Log->new($store->path . '/data.mdb')->content;
    my $export = $store->ok('export');

    is_deeply [grep { index($bytes, $t{$_}) >= 0 } sort keys %t], [], 'no token is in the store';
    is_deeply [grep { index($export, $t{$_}) >= 0 } sort keys %t], [], 'nor in an export';
    is_deeply [grep { index($export, sha256_hex($t{$_})) < 0 } sort keys %t], [],
              'their SHA-256 are';

    my @made = map { $t{$_} } grep { $_ ne 'own' } keys %t;
    is_deeply [grep { !/\A[A-Za-z0-9_-]{32,}\z/ } @made], [], '32 characters or more';
    is scalar(uniq @made), scalar @made, 'no two are equal';

    is_deeply [grep { index($store->ok('token', 'show', $_) . $store->ok('token', 'list'), $t{$_}) >= 0 }
               qw(good own)], [], 'a token is shown once';
}

# --- found, unknown, expired, disabled --------------------------------------

my @body = (qq({"code":"API_EXPIRED_API_TOKEN","message":"Expired API Token"}),
            qq({"code":"API_INVALID_API_TOKEN","message":"Invalid API Token"}));
{
    my @answers = map { $s->request('/api', api_token => $_, tag => next_tag) }
                  $t{past}, $unknown;
    is $answers[$_]{body}, $body[$_], "the documented body, $_" for 0, 1;
    is $answers[$_]{status}, 401, "its status, $_" for 0, 1;
    is $answers[$_]->header('Content-Type'), 'application/json', "its type, $_" for 0, 1;
}

admits $_, '/api', "$_" for qw(good read both never later own any);
refused $s, '/api', TINV => 'unknown', api_token => $unknown, reason => 'unknown_api_token';
refuses 'past', '/api', TEXP => 'expired', reason => 'expired_api_token';
refuses 'off', '/api', DISABLED => 'disabled', reason => 'disabled_client';
refuses 'of_jack', '/api', DISABLED => 'its owner is disabled', reason => 'disabled_user';
refuses 'far', '/api', ADDR => 'address', reason => 'address_not_allowed';
refuses 'good', '/read', SCOPE => 'scope', reason => 'insufficient_scope';

# the order of the checks
refuses 'past_off', '/read', TEXP => 'expired, disabled, far, no scope';
refuses 'past_jack', '/read', TEXP => 'expired, its owner disabled, far, no scope';
refuses 'off_far', '/read', DISABLED => 'disabled, far, no scope', reason => 'disabled_client';
refuses 'off_jack', '/read', DISABLED => 'disabled, its owner, too', reason => 'disabled_client';
refuses 'jack_far', '/read', DISABLED => 'its owner disabled, far, no scope', reason => 'disabled_user';
refuses 'far_no_scope', '/read', ADDR => 'far, no scope';

# what is refused says whose it was, in the log alone
refuses $_->[0], '/api', $_->[1] => "the subject of $_->[0]",
    decision => { subject => $_->[2], user => '', client => '', method => '', scope => '',
                  fingerprint => substr sha256_hex($t{$_->[0]}), 0, 12 } for
    ['past', TEXP => 'past'], ['off', DISABLED => 'off'], ['of_jack', DISABLED => 'jack'],
    ['far', ADDR => 'far'];
refused $s, '/api', TINV => 'the subject of nobody', api_token => $unknown,
    decision => { subject => '', fingerprint => substr sha256_hex($unknown), 0, 12 };

# --- expiry, to the millisecond ---------------------------------------------

{
    my $start  = int(time * 1000) + 1_500;          # what the import may take
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
    is_deeply \@wrong, [], 'expired from its millisecond on, and not before';
    is scalar(keys %seen), 16, 'each was seen good, and expired';
}

$store->import_records(tokens => [
    { id => 'e9',  token => $t{e9}  = '9' x 40, expires => 253402300799999 },
    { id => 'e0',  token => $t{e0}  = '0' x 40, expires => 0 },
    { id => 'e1',  token => $t{e1}  = '1' x 40, expires => 1 },
    { id => 'nil', token => $t{nil} = 'n' x 40, expires => undef },
    { id => 'not', token => $t{not} = 'm' x 40 },
]);
admits $_, '/api', "expires $_" for qw(e9 nil not);
refuses $_, '/api', TEXP => "expires $_" for qw(e0 e1);

for my $row (['negative', -1], ['a string', '4102444800000'], ['the year 99999', 3093527980800000],
             ['a fraction', 4102444800000.5], ['true', JSON::PP::true], ['a list', [1]])
{
    my ($name, $expires) = @$row;
    ok !eval {
        $store->import_records(tokens => [{ id => 'bad', token => 'b' x 40, expires => $expires }]);
        1;
    }, "expires $name: the record is refused";
}
refused $s, '/api', TINV => 'and is not there', api_token => 'b' x 40;

# --- the header -------------------------------------------------------------

for my $names (['X-API-Token', 'X-API-Token'], ['X-API-Token', 'x-api-token'],
               ['x-ApI-tOKEN', 'X-API-TOKEN'])
{
    my ($one, $other) = @$names;
    refused $s, $_->[0], TINV => "two, $one and $other, $_->[1] at $_->[0]",
            headers => ["$one: $_->[2]", "$other: $_->[3]"], reason => 'several_api_tokens',
            expect => { scheme => $_->[0] eq '/only' ? 'ApiKey' : 'Bearer' } for
        map { my $path = $_;
              ([$path, 'equal', $good, $good], [$path, 'the first good', $good, $unknown],
               [$path, 'the second good', $unknown, $good], [$path, 'both bad', $unknown, 'x'],
               [$path, 'the first empty', '', $good], [$path, 'the second empty', $good, ''],
               [$path, 'another good one', $good, $t{both}]) } '/api', '/only';
}
refused $s, '/api', TINV => 'three', headers => [("X-API-Token: $good") x 3];
refused $s, '/api', TINV => 'two in one', api_token => "$good, $good", reason => 'unknown_api_token';
refused $s, '/api', INV => 'two, beside a bearer token', token => $jwt,
        headers => [("X-API-Token: $good") x 2], reason => 'several_credentials';
refused $s, '/bearer', NONE => 'two where none is accepted',
        headers => [("X-API-Token: $good") x 2];

{
    my @rows = (
        ['one', undef, api_token => $good],
        ['two, equal', TINV => headers => [("X-API-Token: $good") x 2]],
        ['two, the first good', TINV => headers => ["x-api-token: $good", "x-api-token: $unknown"]],
        ['two, the second good', TINV => headers => ["x-api-token: $unknown", "x-api-token: $good"]],
        ['unknown', TINV => api_token => $unknown],
        ['expired', TEXP => api_token => $t{past}],
        ['disabled', DISABLED => api_token => $t{off}],
        ['beside a bearer token', INV => api_token => $good, token => $jwt],
        ['none', 'NONE'],
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

for my $name ('X_API_Token', 'X_API-Token', 'X-API_Token', 'X.API.Token', 'XAPIToken',
              'X-API-Tokens', 'X-API-Toke', 'API-Token', 'X-Api-Key', 'X-My-Key')
{
    refused $s, '/only', TNONE => "$name", headers => ["$name: $good"];
    granted $s, '/only', "a bad $name beside a good token", api_token => $good,
            headers => ["$name: $unknown"];
    refused $s, '/only', TINV => "a good $name beside a bad token", api_token => $unknown,
            headers => ["$name: $good"], expect => { scheme => 'ApiKey' };
}
granted $s, '/only', "$_", headers => ["$_: $good"]
    for 'x-api-token', 'X-API-TOKEN', 'X-Api-Token';
refused $s, "/only?$_=x", TNONE => "$_ in the query"
    for 'X-API-Token', 'x_api_token', 'api_token', 'token';
refused $s, '/only', TNONE => 'a cookie', cookie => "X-API-Token=$good; api_token=$good";
refused $s, '/only', TNONE => 'a bearer token', auth => "Bearer $good";
refused $s, '/api', INV => 'an API token as a bearer token', auth => "Bearer $good";
refused $s, '/api', TINV => 'a JWT as an API token', api_token => $jwt;

# --- api_token=HEADER -------------------------------------------------------

for my $path ('/named', '/named/under') {
    my @e = $path eq '/named' ? () : (expect => { realm => 'a realm' });
    granted $s, $path, "api_token=HEADER at $path", headers => ["X-My-Key: $good"],
            decision => { method => 'api_token', client => 'good' };
    granted $s, $path, "api_token=HEADER at $path, in capitals", headers => ["X-MY-KEY: $good"];
    refused $s, $path, NONE => "api_token=HEADER at $path, X-API-Token", api_token => $good, @e;
    refused $s, $path, NONE => "api_token=HEADER at $path, a like one", @e,
            headers => ["X-My.Key: $good", "X_My_Key: $good"];
    granted $s, $path, "api_token=HEADER at $path, X-API-Token beside it", api_token => $unknown,
            headers => ["X-My-Key: $good"];
    granted $s, $path, "api_token=HEADER at $path, X-API-Token beside a JWT", api_token => $unknown,
            token => $jwt, decision => { method => 'bearer' };
    refused $s, $path, INV => "api_token=HEADER at $path, and a JWT", token => $jwt, @e,
            headers => ["X-My-Key: $good"], reason => 'several_credentials';
    refused $s, $path, TINV => "api_token=HEADER at $path, twice", @e,
            headers => ["X-My-Key: $good", "x-my-key: $good"];
}
granted $s, '/named/plain', 'api_token in a child', api_token => $good;
refused $s, '/named/plain', TNONE => 'api_token in a child', headers => ["X-My-Key: $good"];
granted $s, '/named/author', 'api_token=Authorization', auth => $good;
refused $s, '/named/author', TINV => 'api_token=Authorization, with a scheme',
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

        # where both are accepted: exactly one may be there
        my $sign = $a ne 'none' && $b ne 'none' ? 'INV'
                 : $a eq 'bad' ? 'TINV' : $b eq 'bad' ? 'INV'
                 : $a eq 'good' || $b eq 'good' ? undef : 'NONE';
        my @reason = $a ne 'none' && $b ne 'none' ? (reason => 'several_credentials') : ();

        for my $path ('/api', '/all') {
            defined $sign ? refused($s, $path, $sign => "$name at $path", @both, @reason)
                          : granted($s, $path, "$name at $path", @both);

            # a cookie beside a header is neither read nor judged
            next if $path eq '/all' && $a eq 'none' && $b eq 'none';
            for my $c (qw(good bad)) {
                defined $sign
                    ? refused($s, $path, $sign => "$name, cookie $c at $path", @both, @reason, $cookie{$c}->@*)
                    : granted($s, $path, "$name, cookie $c at $path", @both, $cookie{$c}->@*);
            }
        }

        # where one is, the other is not judged
        $a eq 'good' ? granted($s, '/only', "$name at /only", @both)
                     : refused($s, '/only', ($a eq 'bad' ? 'TINV' : 'TNONE'), "$name at /only", @both,
                               expect => { scheme => 'ApiKey' });
        $b eq 'good' ? granted($s, '/bearer', "$name at /bearer", @both)
                     : refused($s, '/bearer', ($b eq 'bad' ? 'INV' : 'NONE'), "$name at /bearer", @both);
    }

    # API token and cookie
    for my $c (qw(none good bad)) {
        my @both = ($api{$a}->@*, $cookie{$c}->@*);
        my $name = "API token $a, cookie $c";
        my $sign = $a eq 'bad' ? 'TINV' : $a eq 'good' || $c eq 'good' ? undef
                 : $c eq 'bad' ? 'INV' : 'NONE';
        my $kind = $a eq 'none' ? 'cookie' : 'api_token';

        for my $path ('/cookie', '/all') {
            defined $sign ? refused($s, $path, $sign => "$name at $path", @both)
                          : granted($s, $path, "$name at $path", @both, decision => { method => $kind });
        }
    }
}
refused $s, '/api', INV => 'an empty API token beside a bearer token', api_token => '',
        token => $jwt, reason => 'several_credentials';
refused $s, '/api', INV => 'an empty bearer token beside an API token', api_token => $good,
        auth => 'Bearer', reason => 'several_credentials';
granted $s, '/api', 'Basic beside an API token', api_token => $good, auth => 'Basic YTpi';
granted $s, '/api', 'an empty Authorization beside an API token', api_token => $good, auth => '';
granted $s, '/cookie', 'two cookies beside an API token', api_token => $good,
        cookie => "accessToken=$jwt; accessToken=$forged";
granted $s, '/cookie', 'an API token from another origin, a cookie beside it', method => 'POST',
        body => '', api_token => $good, cookie => "accessToken=$jwt",
        headers => ['Origin: https://evil.example'];

# --- the text ---------------------------------------------------------------

refused $s, '/only', TINV => "$_->[0]", api_token => $_->[1], reason => 'unknown_api_token',
        expect => { scheme => 'ApiKey' } for
    ['empty', ''], ['spaces', '     '], ['one byte', 'x'], ['4,096 bytes', 'x' x 4096],
    ['4,097 bytes', 'x' x 4097], ['8,000 bytes', 'y' x 8000],
    ['UTF-8', "\xc3\xa9" x 16], ['0xff', "\xff" x 32], ['0x01', "\x01" x 32],
    ['a byte more', "${good}x"], ['a byte in front', "x$good"], ['a byte less', substr $good, 0, -1],
    ['half of it', substr $good, 0, length($good) / 2], ['without its first byte', substr $good, 1],
    ['in another case', $good =~ tr/A-Za-z/a-zA-Z/r], ['in lower case', lc "$good"],
    ['twice', $good x 2], ['backwards', scalar reverse $good],
    ['a tab behind', "$good\t"], ['a tab in front', "\t$good"], ['0xff behind', "$good\xff"],
    ['0x01 behind', "$good\x01"], ['in quotes', "\"$good\""], ['with a scheme', "Bearer $good"],
    ['ApiKey', "ApiKey $good"], ['a comma behind', "$good,"], ['encoded', '%' . unpack 'H*', $good],
    ['its SHA-256', sha256_hex($good)], ['the bytes of it', pack('H*', sha256_hex($good)) =~ s/[\0\r\n]/x/gr],
    ['its id', 'good'], ['*', '*'];
granted $s, '/only', 'spaces around it', headers => ["X-API-Token:    $good   "];
granted $s, '/only', 'no space in front', headers => ["X-API-Token:$good"];
granted $s, '/only', 'every character of an own one', api_token => $t{own};
refused_by_nginx $s, '/only', 400, 'NUL', headers => ["X-API-Token: $good\0"];
refused_by_nginx $s, '/only', 400, 'a folded line', headers => ['X-API-Token:', " $good"];

# --- nothing tells how near a guess was -------------------------------------

{
    my %answers;
    for my $guess ($unknown, map { substr($good, 0, $_) . substr $unknown, $_ } 1, 8, 16, 31) {
        my $answer = $s->request('/only', api_token => secret($guess), tag => my $tag = next_tag);
        push $s->{refused}->@*, $tag;
        $answers{$answer->{raw_head} =~ s/^Date: .*\r\n//mr . $answer->{body}} = 1;
    }
    is scalar keys %answers, 1, 'one answer to all wrong tokens';
}

# --- challenges -------------------------------------------------------------

my @api_key = (expect => { scheme => 'ApiKey' });

refused $s, '/only', TNONE => 'ApiKey, no token', reason => 'no_api_token';
refused $s, '/only', TINV => 'ApiKey, unknown', api_token => $unknown, @api_key;
refuses 'past', '/only', TEXP => 'ApiKey, expired', @api_key;
refuses 'good', '/plain-only', SCOPE => 'ApiKey, scope', @api_key;
refuses 'far', '/only', ADDR => 'ApiKey, address';
refuses 'off', '/only', DISABLED => 'ApiKey, disabled';
refused $s, '/api', NONE => 'Bearer where both are accepted';
refused $s, '/api', TINV => 'Bearer, and no error=, where both are accepted', api_token => $unknown;

admits 'good', '/any-of', 'satisfy any, by token';
granted $s, '/any-of', 'satisfy any, by address', api_token => $unknown, from => '127.0.0.9';
refused $s, '/any-of', TINV => 'satisfy any, by neither', api_token => $unknown, @api_key, decision => undef;
refused $s, '/any-of', TNONE => 'satisfy any, nothing', decision => undef;

# --- scopes, owners, roles --------------------------------------------------

admits $_->[0], $_->[1], "$_->[0] at $_->[1]" for
    map { my $id = shift @$_; map { [$id, $_] } @$_ }
    ['read', qw(/read /any)], ['both', qw(/read /write /both /any)],
    ['of_jane', qw(/read /any)], ['of_root', '/read'], ['bare', '/api'],
    ['reader', qw(/write /any /x.read)], ['admin', qw(/read /both /x.write /cipp)],
    ['ops', '/x.write'], ['janes', qw(/read /any /x.read)];

refuses $_->[0], $_->[1], SCOPE => "$_->[0] at $_->[1]", reason => 'insufficient_scope' for
    map { my $id = shift @$_; map { [$id, $_] } @$_ }
    ['good', qw(/read /write /both /any /x.read)], ['read', qw(/write /both)],
    ['of_jane', qw(/write /both /x.read)],          # her ceiling; not her rights
    ['of_root', qw(/write /x.read)],                # an administrator's token is none
    ['bare', qw(/read /any)], ['of_idle', qw(/read /any)],
    ['reader', qw(/read /both /x.write /cipp)],
    ['ops', qw(/read /write /any /x.read)],         # a deny wins over the token's scopes
    ['janes', qw(/write /both /x.write)];
admits 'of_idle', '/api', 'an owner without any scope, where none is required';

admits 'lost', '/read', 'a role of the store, and scopes';
refuses 'lost', '/write', SCOPE => 'what that role denies';
$store->ok('role', 'delete', 'lost');
refuses 'lost', $_, SCOPE => "a role that is gone denies all, at $_", reason => 'no_role'
    for '/api', '/read', '/write';
$store->role('lost', grant => ['read']);
admits 'lost', $_, "and is there again, at $_" for '/api', '/read', '/write';

admits 'of_gone', '/read', 'an owner who is there';
{
    my ($status) = $store->run('user', 'delete', 'gone');
    $status == 0 ? refuses('of_gone', '/read', DISABLED => 'an owner who is gone', reason => 'disabled_user')
                 : admits('of_gone', '/read', 'an owner who could not go');
}
$store->update('user', 'jane', scope => ['write']);
admits 'of_jane', '/write', 'the owner may write from now on';
refuses 'of_jane', '/read', SCOPE => 'and not read any more';
$store->ok('user', 'disable', 'jane');
refuses $_, '/write', DISABLED => "the owner of $_ is disabled", reason => 'disabled_user'
    for qw(of_jane janes);
$store->ok('user', 'enable', 'jane');
admits 'of_jane', '/write', 'and enabled again';

# --- in small: live ---------------------------------------------------------

$store->ok('token', 'disable', 'both');
refuses 'both', '/api', DISABLED => 'disabled';
$store->ok('token', 'enable', 'both');
admits 'both', '/api', 'enabled';
$store->ok('token', 'revoke', 'both');
refuses 'both', '/api', TINV => 'revoked';
$t{new} = $store->token('both', scope => ['read']);
admits 'new', '/read', 'a new one of its id';
refuses 'both', '/read', TINV => 'the old one stays out';

# --- ranges of the token, and of the location -------------------------------

admits 'one', '/api', 'its address', from => '127.0.0.2';
admits 'one', '/near/read', 'its address, within the ranges of the location', from => '127.0.0.2';
refuses 'one', $_, ADDR => "another address at $_", from => '127.0.0.3'
    for qw(/api /near /near/read /read);
admits 'net', '/near', "$_", from => $_ for '127.0.0.4', '127.0.0.5', '127.0.0.7';
refuses 'net', '/near', ADDR => "$_ is in the location's ranges alone", from => $_
    for '127.0.0.1', '127.0.0.2', '127.0.0.3';
refuses 'net', '/near', ADDR => 'in neither', from => '127.0.0.8', good => 0;
refuses 'good', '/near', ADDR => "outside the location's ranges", from => '127.0.0.8', good => 0;
admits $_, '/near', "$_, in the location's ranges", from => '127.0.0.6' for qw(good any all_of_4 own);
refuses 'only_6', '/api', ADDR => 'IPv6 alone';
refuses 'off_far', '/near', DISABLED => 'disabled is told before the address', from => '127.0.0.8', good => 0;
refuses 'one', '/api', ADDR => 'X-Forwarded-For is nothing', headers => ['X-Forwarded-For: 127.0.0.2'];

$store->update('token', 'one', allow => '127.0.0.3');
admits 'one', '/api', 'its new address', from => '127.0.0.3';
refuses 'one', '/api', ADDR => 'its old address', from => '127.0.0.2';
$store->update('token', 'one', allow => 'any');
admits 'one', '/api', 'any address', from => '127.0.0.2';

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
admits 'good', '/all', 'variables, a cookie beside it', shows('good'), cookie => "accessToken=$jwt";

# --- what is accepted by default --------------------------------------------

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

    granted $only, '/', 'the default with a store alone', api_token => $token;
    granted $only, '/', 'the default with a store alone, a JWT is not judged', api_token => $token,
            token => $forged;
    refused $only, '/', TNONE => 'the default with a store alone, a JWT', token => $jwt;
    refused $only, '/', TNONE => 'the default with a store alone, nothing';
    refused $only, '/', TINV => "the default with a store alone, another store's", api_token => $good,
            @api_key;

    my $jwts = start("$issuer $server");
    granted $jwts, '/', 'the default with an issuer alone', token => $jwt;
    granted $jwts, '/', 'the default with an issuer alone, an API token is not judged', token => $jwt,
            api_token => $unknown;
    refused $jwts, '/', NONE => 'the default with an issuer alone, an API token', api_token => $good;

    my @store = (prepare => sub ($s) { AuthToken::Store->new($s->dir) });

    conf_fails <<'CONF', qr/requires "auth_token_store"/, 'api_token without a store', @store;
        server {
            listen %%LISTEN%%;
            auth_token_accept api_token; # here
        }
CONF
    conf_fails "$issuer " . <<'CONF', qr/requires "auth_token_store"/, 'api_token=X without a store', @store;
        server {
            listen %%LISTEN%%;
            auth_token on;
            auth_token_accept bearer api_token=X-Key; # here
        }
CONF
    conf_fails <<'CONF', qr/requires "auth_token_issuer"/, 'bearer with a store alone', @store;
        auth_token_store lmdb:%%DIR%%/store;
        server {
            listen %%LISTEN%%;
            auth_token_accept api_token bearer; # here
        }
CONF
    conf_fails <<"CONF", qr/invalid value "\Q$_\E"|duplicate value/, "auth_token_accept $_", @store
        auth_token_store lmdb:%%DIR%%/store;
        server {
            listen %%LISTEN%%;
            auth_token_accept $_; # here
        }
CONF
        for 'api_token=', 'API_TOKEN', 'api_token=X:Key', 'api_token=X(Key)', 'api_tokens';
    conf_fails <<'CONF', qr/duplicate value "api_token=X-Key"/, 'auth_token_accept api_token api_token=X', @store;
        auth_token_store lmdb:%%DIR%%/store;
        server {
            listen %%LISTEN%%;
            auth_token_accept api_token api_token=X-Key; # here
        }
CONF
    conf_ok <<'CONF', 'api_token with a store', @store;
        auth_token_store lmdb:%%DIR%%/store;
        server {
            listen %%LISTEN%%;
            auth_token on;
            auth_token_accept api_token;
        }
CONF
}

done;
