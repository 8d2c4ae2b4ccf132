#!/usr/bin/perl

# Required scopes: all and any, with variables, by method, inherited; scope claims;
# administrators.
#
# Requirements: scope-claim, claim-types, inheritance.

use v5.36;

use lib 't/lib';

use AuthToken::Test;
use JSON::PP ();

my ($true, $false) = (JSON::PP::true, JSON::PP::false);

my $s = start(<<'CONF', good => ['/good', token => with()]);
    %%ISSUER main: audience main;%%
    %%ISSUER nested: audience nested; scope_claim realm_access.roles;%%
    %%ISSUER dotted: audience dotted; scope_claim "https://api\.example/roles";%%
    %%ISSUER noadmin: audience noadmin; admin_claim off;%%
    %%ISSUER root: audience root; admin_claim root;%%
    %%ISSUER deep: audience deep; admin_claim a.b.root; scope_claim a.b.scope;%%
    # a scope for each method; an empty value refuses other methods
    map $request_method $by_method {
        GET      read;
        HEAD     read;
        POST     write;
        DELETE   "write delete";
        OPTIONS  "";
        PUT      " ";
        default  "";
    }
    # a default scope that no token has
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
        location /optional { auth_token_require_scope "read $arg_scope"; proxy_pass %%UPSTREAM%%; }
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

sub claims (%claims) { good_token(aud => 'main', scope => [], %claims) }
sub with (@scope) { claims(scope => \@scope) }

sub may ($path, $name, $token, %o) { granted $s, $path, $name, token => $token, %o }

sub may_not ($path, $name, $token, %o) {
    refused $s, $path, insufficient_scope => $name, token => $token, reason => 'insufficient_scope', %o;
}

# --- all, any, none ---------------------------------------------------------

for my $path (qw(/all /both /string /spaces)) {
    may $path, "$path: both scopes are granted", with('read', 'write');
    may $path, "$path: additional scopes do not matter", with('x', 'write', 'y', 'read', 'z');
    may_not $path, "$path: the first scope alone is refused", with('read');
    may_not $path, "$path: the second scope alone is refused", with('write');
    may_not $path, "$path: no scope is refused", with();
    may_not $path, "$path: an array item with a space is one scope", with('read write');
    may $path, "$path: a string with both scopes is granted", claims(scope => 'read write');
}
for my $path (qw(/any /anystring)) {
    may $path, "$path: both scopes are granted", with('read', 'write');
    may $path, "$path: the first scope is granted", with('read');
    may $path, "$path: the second scope is granted", with('write');
    may_not $path, "$path: another scope is refused", with('delete');
    may_not $path, "$path: no scope is refused", with();
}

may '/words', '"any" and "off" are scopes after the first parameter', with('any', 'off');
may_not '/words', 'both of them are required', with('any');

may_not '/read', "the scope read is not granted by $_->[0]", with($_->[1]) for
    ['another case', 'Read'], ['a prefix', 'rea'], ['a longer one', 'reads'],
    ['a wildcard', '*'], ['all', 'all'], ['any', 'any'], ['off', 'off'], ['empty', ''],
    ['a space', ' '], ['a space at its beginning', ' read'], ['a comma', 'read,write'],
    ['a tab at its end', "read\t"], ['NFKC of it', "re\x{ff41}d"], ['percent', '%'];

may '/', 'a location without required scopes is granted', with();
refused $s, '/read', no_token => 'a request without a credential is 401';
refused $s, '/read', invalid_token => 'a forged token is 401', token => token(key => key('rsa2'));
refused $s, '/read', expired_token => 'an expired token is 401', token => good_token(aud => 'main', exp => 1);

# --- forms and places of the claim ------------------------------------------

my @nested = (aud => 'nested', scope => GONE);

may '/read', 'a nested scope claim is read', claims(@nested, realm_access => { roles => ['read'] });
may '/both', 'a nested scope claim may be a string', claims(@nested, realm_access => { roles => 'write read' });
may_not '/read', 'the default claim does not count beside scope_claim', claims(aud => 'nested', scope => ['read']);
may_not '/read', "a nested scope claim: $_->[0]",
    good_token(aud => 'nested', scope => ['read'], realm_access => $_->[1]) for
    ['no such member', {}], ['no object', 'roles'], ['an array', ['roles', 'read']],
    ['one level more', { realm_access => { roles => ['read'] } }];
may_not '/read', 'a claim whose name is the path is not the nested claim',
    claims(aud => 'nested', 'realm_access.roles' => ['read']);
may '/read', 'a scope claim with dots in its name is read',
    good_token(aud => 'dotted', scope => GONE, 'https://api.example/roles' => ['read']);

# --- administrators ---------------------------------------------------------

my @admin = (isAdmin => $true);

may $_, "an administrator is granted $_", claims(@admin)
    for qw(/read /all /any /words /path /method /in/other /limited);
may_not '/query', 'an empty variable refuses an administrator', claims(@admin);
may_not '/two', 'one empty variable of two refuses an administrator', claims(@admin);
may_not '/anytwo', 'any: one empty variable refuses an administrator', claims(@admin);
may_not '/method', "a method with an empty scope refuses an administrator, $_", claims(@admin),
    method => $_ for qw(PATCH PUT OPTIONS);

may_not '/read', "isAdmin as $_->[0] is not an administrator", claims(isAdmin => $_->[1])
    for ['false', $false], ['a string', 'true'], ['1', 1], ['null', undef],
        ['an array', [$true]], ['an object', { isAdmin => $true }];
may_not '/read', 'ISADMIN is another claim', claims(isAdmin => GONE, ISADMIN => $true);

may_not '/read', 'admin_claim off ignores isAdmin', claims(aud => 'noadmin', @admin);
may '/read', 'admin_claim root makes an administrator', claims(aud => 'root', @admin, root => $true);
may_not '/read', 'admin_claim root ignores isAdmin', claims(aud => 'root', @admin);
may_not '/read', 'admin_claim root is false', claims(aud => 'root', @admin, root => $false);
may '/read', 'a nested admin_claim makes an administrator', claims(aud => 'deep', a => { b => { root => $true } });
may_not '/read', 'a claim at another place is not the nested admin_claim',
    claims(aud => 'deep', root => $true, b => { root => $true });
may '/read', 'a nested scope claim beside a nested admin_claim',
    claims(aud => 'deep', a => { b => { root => $false, scope => 'read' } });
may_not '/read', 'the admin_claim of another issuer does not count', claims(root => $true, isAdmin => $false);

# --- by variables -----------------------------------------------------------

may '/method', 'GET with its scope is granted', with('read');
may '/method', 'HEAD with its scope is granted', with('read'), method => 'HEAD';
my @post = (method => 'POST', body => '');

may '/method', 'POST with its scope is granted', with('write'), @post;
may '/method', 'DELETE with both scopes is granted', with('write', 'delete'), method => 'DELETE';
may_not '/method', 'GET with the scope of POST is refused', with('write');
may_not '/method', 'POST with the scope of GET is refused', with('read'), @post;
may_not '/method', 'DELETE with one of two scopes is refused', with('write'), method => 'DELETE';
may_not '/method', "a method with an empty scope is refused, $_", with('read', 'write', 'delete', '', ' '),
    method => $_ for qw(OPTIONS PUT PATCH FOO);
may_not '/method', "$_ does not change the method", with('write'), headers => ["$_: POST"]
    for 'X-HTTP-Method-Override', 'X-Method-Override', 'X-HTTP-Method';

may '/path/open', 'a scope by path is granted', with('read');
may_not '/path/open', 'a scope by path: another scope is refused', with('write');
may_not '/path/else', 'a scope by path: the default is refused', with('read', 'write');

may '/query?scope=read', 'a scope from a variable is granted', with('read');
may_not '/query?scope=write', 'a scope from a variable: another scope is refused', with('read');
may_not "/query$_", "an empty variable is refused, query '$_'", with('read', '')
    for '', '?scope=', '?other=read', '?scope', '?scope=&scope=read';
may '/text?scope=read', 'a scope of text and variable is granted', with('api.read');
may_not '/text', 'a scope of text and an empty variable is refused', with('api.read');
may '/optional', 'the space before an empty variable is ignored', with('read');
may '/two?scope=write', 'a scope and a variable: both are granted', with('read', 'write');
may_not '/two?scope=write', 'a scope and a variable: the variable is not granted', with('read');
may_not '/two', 'a scope and an empty variable are refused', with('read', 'write');
may_not '/anytwo', 'any of a scope and an empty variable is refused', with('read');
may '/anytwo?scope=write', 'any of a scope and a variable is granted', with('write');
may '/claim', 'a scope from a claim is granted', claims(scope => ['it'], department => 'it');
may_not '/claim', 'a scope from a claim: another value is refused', claims(scope => ['it'], department => 'hr');
may_not '/claim', 'a scope from a missing claim is refused', with('it');

# --- inheritance ------------------------------------------------------------

may '/in/herited', 'a location inherits the required scope', with('read');
may_not '/in/herited', 'the inherited scope is required', with('write');
may '/in/off', '"off" cancels the inherited scope', with();
refused $s, '/in/off', no_token => '"off" still requires a credential';
may '/in/other', 'a location replaces the inherited scope', with('delete');
may_not '/in/other', 'the replaced scope does not count', with('read');
may '/in/mode', 'a location replaces the mode by any', with('write');
may_not '/in/mode', 'other scopes are refused in mode any', with('read');
may "/in/deeper/still", "the mode any is inherited, $_", with($_) for qw(a b);
may_not '/in/deeper/still', 'other scopes are refused in the inherited mode', with('read'),
    expect => { realm => 'x' };

may '/limited', 'limit_except GET: GET with its scope', with('read');
may '/limited', 'limit_except GET: HEAD with the scope of GET', with('read'), method => 'HEAD';
may '/limited', 'limit_except GET: POST with its scope', with('write'), @post;
may_not '/limited', 'limit_except GET: POST with the scope of GET is refused', with('read'), @post;
may_not '/limited', 'limit_except GET: GET with the scope of POST is refused', with('write');

done;
