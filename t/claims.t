#!/usr/bin/perl

# Claims of a token with a valid signature: time, audience, issuer, scope.
#
# Requirements: exp-boundary, exp-small, exp-type, exp-range,
#   expired-and-forged, nbf-iat, audience, issuer, claim-types, json-nul,
#   json-numbers, scope-claim, scope-literal.

use v5.36;

use lib 't/lib';

use AuthToken::Test;

sub issuer ($name, $lines) { "%%ISSUER $name: $lines%%\n" }

sub location ($path, $issuer, $more = '') {
    return "location $path { auth_token_trust $issuer; $more proxy_pass %%UPSTREAM%%; }\n";
}

my @issuers = (
    issuer('main',   ''),
    issuer('lee',    'leeway 5s;'),
    issuer('longest', 'leeway 3650d;'),
    issuer('age',    'max_age 60s;'),
    issuer('agelee', 'max_age 60s; leeway 5s;'),
    issuer('two',    'audience other api;'),
    issuer('any',    'audience any;'),
    issuer('noadmin', 'admin_claim off;'),
    issuer('root',   'admin_claim realm.root;'),
    issuer('paths',  'user_claim profile.name; scope_claim realm_access.roles;'),
    issuer('sub', 'user_claim sub;'),
    issuer('required', 'user_claim user_id required;'),
    issuer('optional', 'user_claim user_id optional;'),
    issuer('several', 'issuer https://issuer.example https://other.example;'),
);

my @locations = (
    location('/', 'main'),
    (map { location("/$_", $_) } qw(lee longest age agelee two any several paths sub required optional)),
    location('/read',  'main', 'auth_token_require_scope read;'),
    location('/both',  'main', 'auth_token_require_scope read write;'),
    location('/all',   'main', 'auth_token_require_scope all read write;'),
    location('/either', 'main', 'auth_token_require_scope any write read;'),
    location('/pattern', 'main', 'auth_token_require_scope "re*d";'),
    location('/dynamic', 'main', 'auth_token_require_scope "$arg_scope";'),
    location('/noadmin', 'noadmin', 'auth_token_require_scope read;'),
    location('/root', 'root', 'auth_token_require_scope read;'),
    location('/roles', 'paths', 'auth_token_require_scope read;'),
);

my $s = start(join('', @issuers, <<'CONF', @locations, '}'));
    auth_token_max_length 64k;
    server {
        listen %%LISTEN%%;
        large_client_header_buffers 4 128k;
        auth_token on;
CONF

sub ok_at ($path, $name, %claims) {
    granted $s, $path, $name, token => good_token(%claims);
}

sub inv_at ($path, $reason, $name, %claims) {
    refused $s, $path, invalid_token => $name, token => good_token(%claims),
            defined $reason ? (reason => $reason) : ();
}

sub exp_at ($path, $reason, $name, %claims) {
    refused $s, $path, expired_token => $name, token => good_token(%claims), reason => $reason;
}

sub scope_at ($path, $name, %claims) {
    refused $s, $path, insufficient_scope => $name, token => good_token(%claims),
            reason => 'insufficient_scope';
}

sub show ($value) {
    return !ref $value      ? "'$value'"
         : ref $value eq 'ARRAY' ? '[' . join(',', map { ref ? '..' : "'$_'" } @$value) . ']'
         : defined $$value  ? substr $$value, 0, 40 : 'missing';
}

# --- exp --------------------------------------------------------------------

ok_at('/', "exp $$_", exp => $_) for \'4102444800.5', \'41024448E2', \'253402300799';
ok_at('/', 'exp in 30 seconds', exp => time + 30);
exp_at('/', 'expired', 'exp now', exp => time);
ok_at('/lee', 'exp a second ago, leeway 5', exp => time - 1);
exp_at('/lee', 'expired', 'exp 5 seconds ago, leeway 5', exp => time - 5);

exp_at('/', 'expired', "exp $$_", exp => $_) for \'0', \'-1', \'1e-400', \'-9223372036854775808', \'1.5';
exp_at('/longest', 'expired', "exp $$_, ten years of leeway", exp => $_)
    for \'0', \'-9223372036854775808';
inv_at('/', 'bad_claim', 'exp ' . show($_), exp => $_) for GONE, \'null', \'false', '4102444800', '', \'[4102444800]';

for my $path ('/', '/longest') {
    inv_at($path, 'bad_claim', "exp $$_ at $path", exp => $_) for \'253402300800', \'9223372036854775807', \'1e308';
    inv_at($path, 'bad_claim', "exp $$_ at $path", exp => $_)
        for \'9223372036854775808', \'18446744073709551615', \'1e999', \'-1e999';
    inv_at($path, 'bad_payload', "exp $$_ at $path", exp => $_) for \'NaN', \'5.';
}
ok_at('/longest', 'the last second of 9999 and ten years of leeway', exp => 253402300799);

refused $s, '/', bad_signature => 'expired, signed by another key',
        token => token(key => key('rsa2'), claims => { exp => 1 });
inv_at('/', 'audience_mismatch', 'expired, wrong aud', exp => 1, aud => 'x');
inv_at('/', 'bad_claim', 'expired, scope of a wrong type', exp => 1, scope => \'7');
inv_at('/', 'not_yet_valid', 'expired and not yet valid', exp => 1, nbf => 4102444800);
refused $s, '/read', expired => 'expired, required scope missing', token => good_token(exp => 1, scope => []);

# --- nbf and iat ------------------------------------------------------------

ok_at('/', 'nbf now', nbf => time);
inv_at('/', 'not_yet_valid', 'nbf in 30 seconds', nbf => time + 30);
ok_at('/lee', 'nbf in 5 seconds, leeway 5', nbf => time + 5);
inv_at('/lee', 'not_yet_valid', 'nbf in 30 seconds, leeway 5', nbf => time + 30);
for my $claim ('nbf', 'iat') {
    inv_at('/', 'bad_claim', "$claim " . show($_), $claim => $_) for '0', \'null', \'253402300800';
}

ok_at('/', 'iat ' . show($_), iat => $_) for GONE, \'-1', \(time + 3600);
ok_at('/age', 'iat 50 seconds ago, max_age 60', iat => time - 50);
exp_at('/age', 'too_old', 'iat 62 seconds ago, max_age 60', iat => time - 62);
inv_at('/age', 'not_yet_valid', 'iat in 30 seconds, max_age 60', iat => time + 30);
inv_at('/age', 'bad_claim', 'no iat, max_age 60', iat => GONE);
ok_at('/agelee', 'iat 62 seconds ago, max_age 60, leeway 5', iat => time - 62);
ok_at('/agelee', 'iat in 4 seconds, max_age 60, leeway 5', iat => time + 4);
exp_at('/agelee', 'too_old', 'iat 70 seconds ago, max_age 60, leeway 5', iat => time - 70);

# --- audience and issuer ----------------------------------------------------

ok_at('/', 'aud ' . show($_), aud => $_) for 'api', ['x', 'api'];
ok_at('/two', 'aud ' . show($_) . ', two accepted', aud => $_) for 'other', 'api', ['x', 'other'];
inv_at('/', 'audience_mismatch', 'aud ' . show($_), aud => $_)
    for GONE, [], 'API', 'apix', 'api x', '*', ['apix', 'ap'], \'"api\u00a0"';
inv_at('/', 'bad_claim', 'aud ' . show($_), aud => $_) for \'["api",7]', \'{"api":1}', \'null';
# U+0000 in a claim that is used
inv_at('/', 'bad_claim', "U+0000 in $_->[0]", @$_) for
    [aud => \'"api\u0000"'], [aud => \'["api","x\u0000"]'],
    [sub => \'"jane\u0000"'], [username => \'"jane\u0000"'], [username => \'"\u0000"'],
    [scope => \'"read\u0000"'], [scope => \'["read","\u0000"]'], [isAdmin => \'"\u0000"'],
    [exp => \'"\u0000"'], [nbf => \'"\u0000"'], [iat => \'"\u0000"'];
ok_at('/any', 'aud ' . show($_) . ', any accepted', aud => $_) for GONE, 'whatever', ['x', 'y'], [];
inv_at('/any', 'bad_claim', 'aud ' . show($_) . ', any accepted', aud => $_) for \'7', \'["x",7]';

ok_at('/several', "iss $_, both accepted", iss => $_)
    for 'https://issuer.example', 'https://other.example';
inv_at('/', 'issuer_mismatch', 'iss ' . show($_), iss => $_)
    for GONE, 'https://issuer.example/', 'https://Issuer.example', 'https://other.example', '*';
inv_at('/', 'issuer_mismatch', 'iss ' . show($_), iss => $_)
    for ['https://issuer.example'], \'null', \'"https://issuer.example\u0000"';
ok_at('/', 'iss with JSON escapes', iss => \'"https:\/\/issuer\u002eexample"');

# --- user and administrator -------------------------------------------------

sub is_user ($path, $name, $user, %claims) {
    granted $s, $path, $name, token => good_token(%claims), decision => { user => $user };
}

is_user('/', 'a token with sub',     'jane', sub => 'subject');
is_user('/', 'a token without username', '', username => GONE);
is_user('/', "username $$_", '', username => $_) for \'{}', \'""', \'true', \'null', \'[7]';
is_user('/', "username $$_", $$_, username => $_) for \'7', \'12345', \'-1', \'1.50', \'18446744073709551615';

my $warning = qr/no user in a token, \$auth_token_user is empty, issuer: "main"/;
ok $s->errors->await($warning), 'a token without a user is logged';
is scalar(() = $s->errors->content =~ /$warning/g), 1, 'tokens without a user are logged once for the issuer';
is_user('/required', 'a required user', 'jane', user_id => 'jane');
is_user('/required', 'a required user that is a number', '12345', user_id => \'12345');
inv_at('/required', 'bad_claim', 'a required user, user_id ' . show($_), user_id => $_)
    for GONE, '', \'null', \'true', \'["jane"]', \'{}', \'" jane"', \'"jane "', \'"ja\\nne"', \'"\\u007f"', ' ';
is_user('/optional', 'an optional user', '', user_id => $_) for GONE, \'null';
unlike $s->errors->content, qr/no user in a token.*issuer: "(?!main|sub)/, 'an optional user is not missed in the log';

is_user('/paths', 'a nested user claim', 'joe', profile => \'{"name":"joe"}');
is_user('/', "sub $$_ beside username", 'jane', sub => $_) for \'7', \'null', \'true', \'["jane"]';
is_user('/sub', "user_claim sub, sub $$_", $$_, sub => $_) for \'12345', \'18446744073709551616', \'-7', \'1e400';
is_user('/sub', "user_claim sub, sub $$_", '', sub => $_) for \'null', \'false', \'[12345]';

my @no = (scope => []);
ok_at('/read', 'isAdmin true passes every scope', @no, isAdmin => \'true');
scope_at('/read', 'isAdmin ' . show($_), @no, isAdmin => $_) for \'false', 'true', \'1', \'[true]', GONE;
scope_at('/noadmin', 'isAdmin true, admin_claim off', @no, isAdmin => \'true');
ok_at('/root', 'another admin claim', @no, realm => \'{"root":true}');
scope_at('/root', 'isAdmin if another admin claim is configured', @no, isAdmin => \'true');
refused $s, '/read', expired => 'an expired admin', token => good_token(isAdmin => \'true', exp => 1);

# --- scope ------------------------------------------------------------------

ok_at('/read', 'scope ' . show($_), scope => $_) for ['x', 'read'], 'write read', ' read', ['', 'read'];
scope_at('/read', 'scope ' . show($_), scope => $_)
    for GONE, [], '', ['readonly'], 'reader writer', "read\twrite", 'read,write', ['READ'], ['read write'],
        ['read '], 'x.read';
inv_at('/read', 'bad_claim', 'scope ' . show($_), scope => $_) for \'["read",7]', \'{"read":1}', \'null';

{
    my @many = ('a') x 9_999;
    ok_at('/read', '10,000 scopes, the last one is required', scope => [@many, 'read']);
    scope_at('/read', '10,000 scopes, none is required', scope => [@many, 'b']);
}

ok_at('/both', 'two required scopes, both present', scope => ['write', 'x', 'read']);
scope_at("/$_->[0]", "two required scopes, only $_->[1] present", scope => [$_->[1]])
    for map { my $path = $_; map { [$path, $_] } 'read', 'write', 'readwrite', 'x' } 'both', 'all';
ok_at('/either', "one of two scopes required, $_ present", scope => $_) for 'read', 'write';
scope_at('/either', 'one of two scopes required, none present', scope => ['x']);

ok_at('/dynamic?scope=read', 'a required scope by variable', scope => 'read');
scope_at('/dynamic?scope=admin', 'a required scope by variable is missing', scope => 'read');
scope_at("/dynamic$_", 'an empty variable denies', scope => 'read') for '', '?scope=', '?scope';
scope_at('/dynamic', 'an empty variable denies, scope ""', scope => ['']);

ok_at('/roles', 'a nested scope claim', realm_access => \'{"roles":["read"]}');
scope_at('/roles', 'scope if another scope claim is configured', scope => ['read']);
scope_at('/roles', 'a path through ' . $$_, realm_access => $_)
    for \'["roles"]', \'"roles"', \'null', \'{"role":["read"]}';

scope_at('/read', 'scope ' . show($_), scope => $_) for ['*'], ['re*'], ['.*'], ['rea[d]'], ['read|x'], '**';
scope_at('/pattern', "the required scope re*d and $_", scope => [$_]) for 'read', 'red', 're', '*';
ok_at('/pattern', 'the required scope re*d and re*d', scope => ['re*d']);

done;
