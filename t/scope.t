#!/usr/bin/perl

# Scopes that a location requires: any and all, by variables, by method,
# inherited; and who passes them as an administrator.
#
# Requirements: scope-claim, claim-types, inheritance.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub issuer ($name, $more = '') {
    return <<"CONF";
    auth_token_issuer $name {
        issuer   https://issuer.example;
        audience $name;
        key_file %%DIR%%/rsa.pem;
        $more
    }
CONF
}

my $issuers = join '', issuer('main'),
    issuer('nested',  'scope_claim realm_access.roles;'),
    issuer('dotted',  'scope_claim "https://api\\.example/roles";'),
    issuer('noadmin', 'admin_claim off;'),
    issuer('root',    'admin_claim root;'),
    issuer('deep',    'admin_claim a.b.root; scope_claim a.b.scope;');

my $s = start($issuers . <<'CONF', files => { 'rsa.pem' => key('rsa')->pem });
    # each method its scope; a method that is not in the list is nobody's
    map $request_method $by_method {
        GET      read;
        HEAD     read;
        POST     write;
        DELETE   "write delete";
        OPTIONS  "";
        PUT      " ";
        default  "";
    }
    # a default that nobody has
    map $uri $by_path {
        ~^/path/open  read;
        ~^/path/fine  write;
        default       nobodys;
    }
    auth_token_claim $department department;

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main nested dotted noadmin root deep;

        location /       { proxy_pass %%UPSTREAM%%; }
        location /read   { auth_token_require_scope read;           proxy_pass %%UPSTREAM%%; }
        location /all    { auth_token_require_scope all read write; proxy_pass %%UPSTREAM%%; }
        location /both   { auth_token_require_scope read write;     proxy_pass %%UPSTREAM%%; }
        location /string { auth_token_require_scope "read write";   proxy_pass %%UPSTREAM%%; }
        location /any    { auth_token_require_scope any read write; proxy_pass %%UPSTREAM%%; }
        location /anystring { auth_token_require_scope any "read  write"; proxy_pass %%UPSTREAM%%; }
        location /spaces { auth_token_require_scope "  read   write "; proxy_pass %%UPSTREAM%%; }
        location /words  { auth_token_require_scope all "any" "off"; proxy_pass %%UPSTREAM%%; }

        location /method { auth_token_require_scope $by_method;     proxy_pass %%UPSTREAM%%; }
        location /path   { auth_token_require_scope $by_path;       proxy_pass %%UPSTREAM%%; }
        location /query  { auth_token_require_scope $arg_scope;     proxy_pass %%UPSTREAM%%; }
        location /text   { auth_token_require_scope "api.$arg_scope"; proxy_pass %%UPSTREAM%%; }
        location /two    { auth_token_require_scope read $arg_scope; proxy_pass %%UPSTREAM%%; }
        location /anytwo { auth_token_require_scope any read $arg_scope; proxy_pass %%UPSTREAM%%; }
        location /claim  { auth_token_require_scope $department;    proxy_pass %%UPSTREAM%%; }

        location /in {
            auth_token_require_scope read;
            location /in/herited { proxy_pass %%UPSTREAM%%; }
            location /in/off     { auth_token_require_scope off; proxy_pass %%UPSTREAM%%; }
            location /in/other   { auth_token_require_scope delete; proxy_pass %%UPSTREAM%%; }
            location /in/mode    { auth_token_require_scope any delete write; proxy_pass %%UPSTREAM%%; }
            location /in/deeper {
                auth_token_require_scope any a b;
                location /in/deeper/still { auth_token_realm x; proxy_pass %%UPSTREAM%%; }
            }
            proxy_pass %%UPSTREAM%%;
        }
        location /limited {
            auth_token_require_scope read;
            limit_except GET { auth_token_require_scope write; }
            proxy_pass %%UPSTREAM%%;
        }
    }
CONF

sub with (@scope) { good_token(aud => 'main', scope => [@scope]) }

sub may ($path, $name, $token, %o) { granted $s, $path, $name, token => $token, %o }

sub may_not ($path, $name, $token, %o) {
    refused $s, $path, SCOPE => $name, token => $token, reason => 'insufficient_scope', %o;
}

$s->{good} = ['/good', token => with()];

# --- all, any, none ---------------------------------------------------------

for my $path (qw(/all /both /string /spaces)) {
    may $path, "$path, both", with('read', 'write');
    may $path, "$path, more", with('x', 'write', 'y', 'read', 'z');
    may_not $path, "$path, one", with('read');
    may_not $path, "$path, the other", with('write');
    may_not $path, "$path, nothing", with();
    may_not $path, "$path, both in one string of the array", with('read write');
    may $path, "$path, both in one string", good_token(aud => 'main', scope => 'read write');
}
for my $path (qw(/any /anystring)) {
    may $path, "$path, both", with('read', 'write');
    may $path, "$path, one", with('read');
    may $path, "$path, the other", with('write');
    may_not $path, "$path, another", with('delete');
    may_not $path, "$path, nothing", with();
}

may '/words', 'the words of the directive as scopes', with('any', 'off');
may_not '/words', 'the words of the directive as scopes', with('any');

may_not '/read', "$_->[0]", with($_->[1]) for
    ['another case', 'Read'], ['a prefix', 'rea'], ['a longer one', 'reads'],
    ['a wildcard', '*'], ['all', 'all'], ['any', 'any'], ['off', 'off'], ['empty', ''],
    ['a space', ' '], ['a space in front', ' read'], ['a comma', 'read,write'],
    ['a tab behind', "read\t"], ['NFKC of it', "re\x{ff41}d"], ['percent', '%'];

may '/', 'no scope is required', with();
refused $s, '/read', NONE => 'nobody has no scope';
refused $s, '/read', INV => 'nor has a bad token', token => token(key => key('rsa2'));
refused $s, '/read', EXP => 'nor an expired one',
        token => good_token(aud => 'main', exp => 1);

# --- forms and places of the claim ------------------------------------------

may '/read', 'a nested claim', good_token(aud => 'nested', scope => GONE,
    realm_access => { roles => ['read'] });
may '/both', 'a nested claim, a string', good_token(aud => 'nested',
    scope => GONE, realm_access => { roles => 'write read' });
may_not '/read', 'a nested claim, the plain one does not count',
    good_token(aud => 'nested', scope => ['read']);
may_not '/read', "a nested claim, $_->[0]",
    good_token(aud => 'nested', scope => ['read'], realm_access => $_->[1]) for
    ['no such member', {}], ['no object', 'roles'], ['an array', ['roles', 'read']],
    ['one level more', { realm_access => { roles => ['read'] } }];
may_not '/read', 'a nested claim, its path as a name',
    good_token(aud => 'nested', 'realm_access.roles' => ['read']);
may '/read', 'a name with dots',
    good_token(aud => 'dotted', scope => GONE, 'https://api.example/roles' => ['read']);

# --- administrators ---------------------------------------------------------

my @admin = (isAdmin => $true, scope => []);

may $_, "isAdmin at $_", good_token(aud => 'main', @admin)
    for qw(/read /all /any /words /path /method /in/other /limited);
may_not '/query', 'isAdmin, but an empty variable', good_token(aud => 'main', @admin);
may_not '/two', 'isAdmin, one empty variable', good_token(aud => 'main', @admin);
may_not '/anytwo', 'isAdmin, one empty variable of any', good_token(aud => 'main', @admin);
may_not '/method', "isAdmin, $_, which no one may", good_token(aud => 'main', @admin),
    method => $_ for qw(PATCH PUT OPTIONS);

may_not '/read', "isAdmin $_->[0]", good_token(aud => 'main', scope => [], isAdmin => $_->[1])
    for ['false', $false], ['a string', 'true'], ['1', 1], ['null', undef],
        ['an array', [$true]], ['an object', { isAdmin => $true }];
may_not '/read', 'ISADMIN', good_token(aud => 'main', scope => [], isAdmin => GONE,
    ISADMIN => $true);

may_not '/read', 'admin_claim off', good_token(aud => 'noadmin', @admin);
may '/read', 'admin_claim root', good_token(aud => 'root', @admin, root => $true);
may_not '/read', 'admin_claim root, isAdmin', good_token(aud => 'root', @admin);
may_not '/read', 'admin_claim root, false',
    good_token(aud => 'root', @admin, root => $false);
may '/read', 'a nested admin_claim',
    good_token(aud => 'deep', scope => [], a => { b => { root => $true } });
may_not '/read', 'a nested admin_claim, elsewhere',
    good_token(aud => 'deep', scope => [], root => $true, b => { root => $true });
may '/read', 'a scope beside a nested admin_claim',
    good_token(aud => 'deep', a => { b => { root => $false, scope => 'read' } });

# the claims of one issuer's rules say nothing under another's
may_not '/read', 'the admin_claim of another issuer',
    good_token(aud => 'main', scope => [], root => $true, isAdmin => $false);

# --- by variables -----------------------------------------------------------

may '/method', 'GET', with('read');
may '/method', 'HEAD', with('read'), method => 'HEAD';
may '/method', 'POST', with('write'), method => 'POST', body => '';
may '/method', 'DELETE', with('write', 'delete'), method => 'DELETE';
may_not '/method', 'GET of one who may write', with('write');
may_not '/method', 'POST of one who may read', with('read'), method => 'POST', body => '';
may_not '/method', 'DELETE of one who may write', with('write'), method => 'DELETE';
may_not '/method', "$_, which no one may", with('read', 'write', 'delete', '', ' '),
    method => $_ for qw(OPTIONS PUT PATCH FOO);
may_not '/method', "$_ does not change the method", with('write'),
    headers => ["$_: POST"]
    for 'X-HTTP-Method-Override', 'X-Method-Override', 'X-HTTP-Method';

may '/path/open', 'a path', with('read');
may_not '/path/open', 'a path, another scope', with('write');
may_not '/path/else', 'a path that is not in the map', with('read', 'write');

may '/query?scope=read', 'a variable', with('read');
may_not '/query?scope=write', 'a variable, another', with('read');
may_not "/query$_", "an empty variable, '$_'", with('read', '')
    for '', '?scope=', '?other=read', '?scope', '?scope=&scope=read';
may '/text?scope=read', 'text and variable', with('api.read');
may_not '/text', 'text and an empty variable', with('api.read');
may '/two?scope=write', 'two, one a variable', with('read', 'write');
may_not '/two?scope=write', 'two, one a variable that is not there', with('read');
may_not '/two', 'two, one an empty variable', with('read', 'write');
may_not '/anytwo', 'any of two, one an empty variable', with('read');
may '/anytwo?scope=write', 'any of two, one a variable', with('write');
may '/claim', 'a claim', good_token(aud => 'main', scope => ['it'], department => 'it');
may_not '/claim', 'a claim, another',
    good_token(aud => 'main', scope => ['it'], department => 'hr');
may_not '/claim', 'a claim that is not there', with('it');

# --- inheritance ------------------------------------------------------------

may '/in/herited', 'inherited', with('read');
may_not '/in/herited', 'inherited', with('write');
may '/in/off', 'off in a child', with();
refused $s, '/in/off', NONE => 'off in a child is not auth_token off';
may '/in/other', 'replaced in a child', with('delete');
may_not '/in/other', "the parent's does not count", with('read');
may '/in/mode', 'any in a child', with('write');
may_not '/in/mode', 'any in a child', with('read');
may "/in/deeper/still", "the mode is inherited with the list, $_", with($_) for qw(a b);
may_not '/in/deeper/still', 'the mode is inherited with the list', with('read'),
    expect => { realm => 'x' };

may '/limited', 'limit_except GET, GET', with('read');
may '/limited', 'limit_except GET, HEAD', with('read'), method => 'HEAD';
may '/limited', 'limit_except GET, POST', with('write'), method => 'POST', body => '';
may_not '/limited', 'limit_except GET, POST', with('read'), method => 'POST', body => '';
may_not '/limited', 'limit_except GET, GET', with('write');

done;
