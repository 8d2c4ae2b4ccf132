#!/usr/bin/perl

# Rate limits of nginx that are keyed by variables of the module: whose rate a request
# uses up before the access phase.
#
# Requirements: limits-by-identity, limits-by-claimed-user.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;
use MIME::Base64 qw(encode_base64);

my @variables = qw(client user subject role scope method issuer claim_id);

# a zone for each variable, and a location that limits by it to one request a minute
my $zones = join '', map { "limit_req_zone \$auth_token_$_ zone=$_:1m rate=1r/m;\n" } @variables;
my $locations = join '', map { "location /$_ { limit_req zone=$_; proxy_pass %%UPSTREAM%%; }\n" } @variables;

my %api_token;

my $s = start($zones . <<'CONF' . $locations . '    }', prepare => \&prepare);
    limit_req_status 429;
    auth_token_store lmdb:%%DIR%%/store;
    %%ISSUER main: %%
    %%ISSUER apps: audience apps; client_claim appid; scope_claim scope; rights both;%%
    %%ISSUER roles: audience roles; client_claim appid; rights role;%%

    auth_token_claim $named_claim id;
    limit_req_zone $named_claim zone=named_claim:1m rate=1r/m;
    limit_req_zone $auth_token_client zone=delayed:1m rate=30r/m;
    map $auth_token_client $mapped { default $auth_token_client; }
    limit_req_zone $mapped zone=mapped:1m rate=1r/m;

    # of docs/operations.md
    map $auth_token_claimed_user $basic_user_and_address {
        ""      "";
        default $auth_token_claimed_user$binary_remote_addr;
    }
    limit_req_zone $basic_user_and_address zone=basic:1m rate=1r/m;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main apps roles;
        auth_token_accept bearer api_token cookie;

        location /good        { proxy_pass %%UPSTREAM%%; }
        location /named_claim { limit_req zone=named_claim; proxy_pass %%UPSTREAM%%; }
        location /mapped      { limit_req zone=mapped; proxy_pass %%UPSTREAM%%; }
        location /delayed     { limit_req zone=delayed burst=3; proxy_pass %%UPSTREAM%%; }
        location /near        { auth_token_allow 127.0.0.2; limit_req zone=client; proxy_pass %%UPSTREAM%%; }
        location /scoped      { auth_token_require_scope never; limit_req zone=client; proxy_pass %%UPSTREAM%%; }
        location /set         { set $names "$auth_token_client"; proxy_pass %%UPSTREAM%%; }

        location /basic {
            auth_token_accept basic bearer;
            set $names "$auth_token_user|$auth_token_claimed_user";
            proxy_pass %%UPSTREAM%%;

            location /basic/limited { limit_req zone=basic; proxy_pass %%UPSTREAM%%; }
            location /basic/any     { set $names "$auth_token_user|$auth_token_claimed_user";
                                      satisfy any; allow all; proxy_pass %%UPSTREAM%%; }
        }
        location /bearer { set $names "$auth_token_user|$auth_token_claimed_user"; proxy_pass %%UPSTREAM%%; }

        add_header X-Early "[$names]" always;
        add_header X-Late "[$auth_token_user|$auth_token_claimed_user]" always;
CONF

sub prepare ($s) {
    my $slow = hash_of($AuthToken::Local::PASSWORD, '$y$j9T$abcdefghijklmnop');
    AuthToken::Store->prepare(sub ($store) {
        my %client = (issuer => 'apps', role => 'editor');

        $store->import_records(users => [map { user_record($_, password_hash => $slow) } 'jane', 'bob', 'owner']);
        $store->client('near', %client, allow => '127.0.0.2');
        $store->client($_, %client) for qw(off location cookie expired scoped delayed);
        $store->client('role-less', issuer => 'roles');
        $api_token{ranges}  = $store->token('ranges', scope => 'read', allow => '127.0.0.2');
        $api_token{off}     = $store->token('t-off', scope => 'read');
        $api_token{owned}   = $store->token('owned', scope => 'read', user => 'owner');
    })->($s);
}

my $store = $s->{store};

# a JWT of that client
sub of ($client, %claims) { good_token(aud => 'apps', appid => $client, id => "id-$client", %claims) }

# The caller has not used up its rate of one request a minute: a request is granted, and
# the next one is not.
sub has_rate ($path, $name, %o) {
    granted $s, $path, "$name, the first request of the legitimate caller", %o;
    refused_by_nginx $s, $path, 429, "$name, its second request", %o;
}

# --- addresses --------------------------------------------------------------

for my $path (map { "/$_" } @variables, qw(named_claim mapped)) {
    refused $s, $path, address_not_allowed => "$path, a stolen token from another address, $_",
            token => of('near'), decision => undef for 1, 2;
    has_rate $path, $path, token => of('near'), from => '127.0.0.2';
}

for (['127.0.0.1', '[]'], ['127.0.0.2', '[near]']) {
    my ($from, $early) = @$_;
    is $s->request('/set', token => of('near'), from => $from, tag => next_tag)->header('X-Early'), $early,
        "the client before the access phase, from $from";
}

refused $s, '/near', address_not_allowed => "outside the ranges of the location, $_", token => of('location')
    for 1, 2;
has_rate '/near', 'the ranges of the location', token => of('location'), from => '127.0.0.2';

refused $s, '/client', address_not_allowed => "outside the ranges of an API token, $_",
        api_token => $api_token{ranges} for 1, 2;
has_rate '/client', 'the ranges of an API token', api_token => $api_token{ranges}, from => '127.0.0.2';

# --- state ------------------------------------------------------------------

sub after_refusals ($reason, $name, $refused, $fix, @legitimate) {
    refused $s, '/client', $reason => "$name, $_", @$refused for 1, 2;
    $fix->();
    has_rate '/client', $name, @legitimate;
}

my @off = (token => of('off'));
$store->ok('client', 'disable', 'off');
after_refusals 'disabled_client', 'a disabled client', \@off, sub { $store->ok('client', 'enable', 'off') }, @off;

my @role_less = (token => of('role-less', aud => 'roles'));
after_refusals 'no_role', 'a client without a role', \@role_less,
    sub { $store->update('client', 'role-less', role => 'editor') }, @role_less;

after_refusals 'expired', 'an expired token', [token => of('expired', exp => time - 1)], sub { },
    token => of('expired');

# limit_req delays the second request for two seconds
granted $s, '/delayed', 'a token at the first of two requests', token => of('delayed');
refused $s, '/delayed', expired => 'a token that expires while limit_req delays the request',
    token => of('delayed', exp => time + 1);

my @cookie = (cookie => 'accessToken=' . of('cookie'), method => 'POST', body => '');
after_refusals 'origin_not_allowed', 'a cookie of another site',
    [@cookie, headers => ['Origin: https://evil.example']], sub { }, @cookie;

my @t_off = (api_token => $api_token{off});
$store->ok('token', 'disable', 't-off');
after_refusals 'disabled_client', 'a disabled API token', \@t_off, sub { $store->ok('token', 'enable', 't-off') },
    @t_off;

my @owned = (api_token => $api_token{owned});
$store->ok('user', 'disable', 'owner');
after_refusals 'disabled_user', 'an API token of a disabled user', \@owned,
    sub { $store->ok('user', 'enable', 'owner') }, @owned;

# the sender is the legitimate caller: requests that lack a scope count
refused $s, '/scoped', insufficient_scope => 'a scope that the client does not have', token => of('scoped');
refused_by_nginx $s, '/scoped', 429, 'a scope that the client does not have, again', token => of('scoped');

# --- $auth_token_claimed_user -----------------------------------------------

# X-Early and X-Late
sub shows ($path, $early, $late, $name, %o) {
    my $answer = $s->request($path, %o, tag => next_tag);
    is_deeply [map { $answer->header($_) } qw(X-Early X-Late)], ["[$early]", "[$late]"], $name;
}

shows '/basic', '|jane', '|', 'a wrong password', auth => basic('jane', 'canary-wrong');
shows '/basic', '|unknown', '|', 'an unknown user', auth => basic('unknown');
shows '/basic', '| jane ', '|', 'a name with spaces', auth => basic(' jane ');
shows '/basic', '|jane', 'jane|', 'the first request with a password', auth => basic('jane');
shows '/basic', 'jane|jane', 'jane|', 'a cached password', auth => basic('jane');
shows '/basic', '|', '|', "$_->[0]", auth => "Basic $_->[1]" for
    ['no colon', encode_base64('jane', '')], ['no name', encode_base64(':canary-x', '')],
    ['a line feed', encode_base64("jane\n:canary-x", '')], ['bad base64', '!!!'],
    ['2 KiB', encode_base64('jane:' . 'x' x 2100, '')];
shows '/basic', '|', '|', 'no credential';
shows '/basic', 'jane|', 'jane|', 'a bearer token', token => good_token();
shows '/bearer', '|', '|', 'Basic is not accepted', auth => basic('jane');
shows '/basic/any', '|jane', '|', 'satisfy any: another module grants', auth => basic('jane', 'canary-wrong');

# Sends the credentials at once, and returns how many responses have each status.
sub statuses ($path, %o) {
    my @auth = @{ delete $o{auths} };
    my @open = map { my $c = $s->connect(%o); $c->send(request_bytes($path, auth => $_, tag => next_tag)); $c } @auth;
    my %n;
    $n{ $_->response->{status} }++ for @open;
    return \%n;
}

my @wrong = map { basic('bob', "canary-wrong-$_") } 1 .. 10;
is_deeply statuses('/basic/limited', auths => \@wrong), { 401 => 1, 429 => 9 },
    'ten parallel wrong passwords of a user: one is checked';
is_deeply statuses('/basic/limited', auths => [(basic('jane')) x 10]), { 200 => 1, 429 => 9 },
    'ten parallel requests of another user: one is granted';
is_deeply statuses('/basic/limited', auths => [(basic('bob')) x 10], from => '127.0.0.2'), { 200 => 1, 429 => 9 },
    'the same user from another address has a separate rate';
is_deeply statuses('/basic/limited', auths => [map { basic($_) } 'eve ', ' eve', 'Eve']), { 401 => 3 },
    'each name has a separate rate';
is_deeply statuses('/basic/limited', auths => [map { basic("eve$_") } ' ', ' ']), { 429 => 2 },
    'a name that ends in a space is limited';
granted $s, '/basic/limited', "a bearer token is not limited, $_", token => good_token() for 1, 2;

done;
