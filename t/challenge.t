#!/usr/bin/perl

# The challenges of a 401: by default the accepted kinds of credentials, else the schemes of
# "auth_token_challenge"; Basic only where a browser may ask for a password.
#
# Requirements: error-challenge, basic-syntax, inheritance.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Test;

my @kinds = qw(bearer cookie api_token basic);
my (%accept, $locations);

# every combination of accepted kinds
for my $bits (1 .. 15) {
    my @accepted = map { $bits & 1 << $_ ? $kinds[$_] : () } 0 .. 3;
    $accept{"/accept/$bits"} = \@accepted;
    $locations .= "location = /accept/$bits { auth_token_accept @accepted; proxy_pass %%UPSTREAM%%; }\n";
}

my $s = start(issuer_conf() . <<"CONF", prepare => prepare_users(users => [user_record('jane')]));
    server {
        listen %%LISTEN%%;
        auth_token on;
        $locations
        location /good { proxy_pass %%UPSTREAM%%; }

        location /all/ {
            auth_token_accept bearer cookie api_token basic;
            location = /all/basic     { auth_token_challenge basic; proxy_pass %%UPSTREAM%%; }
            location = /all/bearer    { auth_token_challenge bearer; proxy_pass %%UPSTREAM%%; }
            location = /all/api_token { auth_token_challenge api_token; proxy_pass %%UPSTREAM%%; }
            location = /all/two       { auth_token_challenge basic bearer; proxy_pass %%UPSTREAM%%; }
            location = /all/three     { auth_token_challenge api_token basic bearer; proxy_pass %%UPSTREAM%%; }
            location = /all/off       { auth_token_challenge basic; auth_token_local off; proxy_pass %%UPSTREAM%%; }
            location = /all/limit {
                limit_except GET { auth_token_challenge basic; }
                proxy_pass %%UPSTREAM%%;
            }
        }
        location /set/ {
            auth_token_challenge basic;
            auth_token_accept basic cookie;
            location /set/in/         { proxy_pass %%UPSTREAM%%; }
            location /set/in/changed/ { auth_token_challenge bearer; proxy_pass %%UPSTREAM%%; }
            location = /set/bearer    { auth_token_accept bearer; proxy_pass %%UPSTREAM%%; }
        }
        location = /basic/off { auth_token_accept basic; auth_token_local off; proxy_pass %%UPSTREAM%%; }
        location = /scope {
            auth_token_accept bearer api_token basic;
            auth_token_require_scope write;
            proxy_pass %%UPSTREAM%%;
        }
        location = /login { auth_token_accept basic cookie; auth_token_challenge basic; auth_token_login main; }
    }
CONF

my %scheme = (bearer => 'Bearer realm="api"', api_token => 'ApiKey realm="api"', basic => \$AuthToken::Local::BASIC);

sub text (@kinds) { join ' + ', map { my $text = $scheme{$_}; ref $text ? $$text : $text } @kinds }

sub challenges_are ($path, $expected, $name, %o) {
    my $answer = $s->request($path, %o);
    is "$answer->{status} " . join(' + ', $answer->all('WWW-Authenticate')), '401 ' . text(@$expected), $name;
}

# --- the default ------------------------------------------------------------

for my $path (sort keys %accept) {
    my %accepted = map { $_ => 1 } $accept{$path}->@*;
    my @tokens   = ($accepted{bearer} || $accepted{cookie} ? 'bearer' : (), $accepted{api_token} ? 'api_token' : ());
    my @all      = (@tokens, $accepted{basic} && !$accepted{cookie} ? 'basic' : ());
    my $name     = "accept $accept{$path}->@*";

    challenges_are $path, \@all, $name;
    challenges_are $path, \@all, "$name, a navigation", headers => ['Sec-Fetch-Mode: navigate'];
    challenges_are $path, @tokens ? \@tokens : ['bearer'], "$name, a script", headers => ['Sec-Fetch-Mode: cors'];
}

# --- auth_token_challenge ---------------------------------------------------

for my $row (['/all/basic' => 'basic'], ['/all/bearer' => 'bearer'], ['/all/api_token' => 'api_token'],
             ['/all/two' => 'bearer', 'basic'], ['/all/three' => 'bearer', 'api_token', 'basic'],
             ['/all/off' => 'bearer'], ['/all/limit' => 'bearer', 'api_token'],
             ['/set/in/' => 'basic'], ['/set/in/changed/' => 'bearer'], ['/set/bearer' => 'bearer'],
             ['/basic/off' => 'bearer'])
{
    my ($path, @expected) = @$row;
    challenges_are $path, \@expected, $path;
}
challenges_are '/all/limit', ['basic'], '/all/limit, POST', method => 'POST', body => '';
challenges_are '/login', ['bearer'], 'a token endpoint never offers Basic', method => 'POST',
    headers => ['Content-Type: application/json'], body => '{"username":"jane","password":"canary-no"}';

# --- requests of scripts ----------------------------------------------------

challenges_are '/all/basic', ['bearer'], "Sec-Fetch-Mode '$_'", headers => ["Sec-Fetch-Mode: $_"]
    for 'cors', 'no-cors', 'same-origin', 'websocket', 'Navigate', 'navigate, cors', 'nested-navigate', '';
challenges_are '/all/basic', ['bearer'], 'two fields Sec-Fetch-Mode, one of them of a script',
    headers => ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Mode: cors'];
challenges_are '/all/basic', ['bearer'], 'a script on http, where browsers send no Sec-Fetch-Mode',
    headers => ['X-Requested-With: XMLHttpRequest'];
challenges_are '/all/two', ['bearer'], 'a script, Bearer is offered as well', headers => ['Sec-Fetch-Mode: cors'];
challenges_are '/all/basic', ['bearer'], 'a wrong password of a script', auth => basic('jane', 'canary-no'),
    headers => ['Sec-Fetch-Mode: cors'];
challenges_are '/all/basic', ['basic'], 'a wrong password of a navigation', auth => basic('jane', 'canary-no'),
    headers => ['Sec-Fetch-Mode: navigate'];

# --- errors -----------------------------------------------------------------

is_deeply [$s->request('/scope', token => good_token(scope => []))->all('WWW-Authenticate')],
    ['Bearer realm="api", error="insufficient_scope"'], 'a 403 has one challenge';
is_deeply [$s->request('/scope', token => token(key => key('rsa2')))->all('WWW-Authenticate')],
    ['Bearer realm="api", error="invalid_token"', text('api_token'), text('basic')],
    'only Bearer has the parameter "error"';

done;
