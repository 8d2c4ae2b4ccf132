#!/usr/bin/perl

# Beside nginx's other access modules: "satisfy", allow and deny, auth_basic,
# auth_request, auth_delay.
#
# Requirements: satisfy, auth-delay.

use v5.36;

use FindBin qw($Bin);
use lib "$Bin/lib";

use AuthToken::Test;
use Time::HiRes qw(time);

# --- the tables of truth ----------------------------------------------------

my $basic = 'auth_basic closed; auth_basic_user_file %%DIR%%/passwords;';

# what the other module does: its directives, what the client sends for it, the
# status it answers with (200 where it grants) and its challenge
my @others = (
    ['allow',          'allow all;', undef, 200],
    ['deny',           'deny all;', undef, 403],
    ['basic, right',   $basic, 'Authorization: Basic dXNlcjpyaWdodA==', 200],
    ['basic, wrong',   $basic, 'Authorization: Basic dXNlcjp3cm9uZw==', 401,
                       'Basic realm="closed"'],
    ['basic, nothing', $basic, undef, 401, 'Basic realm="closed"'],
    ['request, 204',   'auth_request /verdict/204;', undef, 200],
    ['request, 401',   'auth_request /verdict/401;', undef, 401],
    ['request, 403',   'auth_request /verdict/403;', undef, 403],
    ['request, 500',   'auth_request /verdict/500;', undef, 500],
);

# Our verdicts: the location's name, the token, the status, code and message,
# challenge.  The 503 is a 401 that the operator has made one.
my $bad   = token(key => key('rsa2'));
my @inv   = ('API_INVALID_ACCESS_TOKEN', 'Invalid JWT Access Token');
my @ours  = (
    ['good', '',    good_token(), 200],
    ['401',  '',    $bad, 401, @inv, 'Bearer realm="api", error="invalid_token"'],
    ['none', '',    undef, 401, 'API_INVALID_ACCESS_TOKEN', 'Missing Access Token',
                    'Bearer realm="api"'],
    ['403',  '',    good_token(scope => ['other']), 403, 'API_INSUFFICIENT_RIGHTS',
                    'Insufficient Rights', 'Bearer realm="api", error="insufficient_scope"'],
    ['503',  '503', $bad, 503, @inv],
);

# With "all" the first refusal counts, and we are asked first.  With "any" a
# failure of the other comes before a 401 before a 403.
sub status ($satisfy, $ours, $other) {
    return $ours != 200 ? $ours : $other   if $satisfy eq 'all';
    return 200                             if $ours == 200 || $other == 200;
    return $other                          if $other == 500;
    return $ours == 401 || $other == 401 ? 401 : $ours;
}

sub expected ($satisfy, $ours, $other) {
    my (undef, undef, undef, $code, $name, $message, $challenge) = @$ours;
    my $status = status($satisfy, $code, $other->[3]);

    return { status => 200, body => $AuthToken::Upstream::BODY, challenges => '' }
        if $status == 200;

    my $is_ours = $status == $code;
    my @challenges = (
        $satisfy eq 'any' || $code == 200 ? $other->[4] // () : (),
        $is_ours                          ? $challenge  // () : (),
    );

    return { status => $status, challenges => join(' + ', @challenges),
             body => $is_ours ? qq({"code":"$name","message":"$message"})
                              : 'a page of nginx' };
}

sub found ($answer) {
    my $body = $answer->{body};
    return { status => $answer->{status},
             challenges => join(' + ', $answer->all('WWW-Authenticate')),
             body => $body =~ m{<hr><center>nginx/[\d.]+</center>} ? 'a page of nginx'
                                                                   : $body };
}

# --- the server -------------------------------------------------------------

my $locations = '';

for my $satisfy ('all', 'any') {
    for my $i (0 .. $#others) {
        $locations .= <<"CONF";
        location /$satisfy/$i/ {
            satisfy $satisfy; $others[$i][1]
            proxy_pass %%UPSTREAM%%;

            location /$satisfy/$i/503/ {
                auth_token_error API_INVALID_ACCESS_TOKEN status=503;
                proxy_pass %%UPSTREAM%%;
            }
        }
CONF
    }
}

my %files = ('rsa.pem' => key('rsa')->pem, passwords => "user:{PLAIN}right\n");

my $s = start(<<'CONF' . "$locations}\n", files => \%files);
    %%ISSUER%%

    # contents that refuse by themselves, and one that sends elsewhere
    server {
        listen unix:%%DIR%%/own.sock;
        access_log off;
        add_header WWW-Authenticate 'Own realm="own"' always;
        location /401 { return 401 "own 401\n"; }
        location /403 { return 403 "own 403\n"; }
        location /404 { return 404 "own 404\n"; }
        location /503 { return 503 "own 503\n"; }
        location /second { add_header X-Accel-Redirect /second; return 200; }
    }

    server {
        listen %%LISTEN%%;

        auth_token on;
        auth_token_accept bearer cookie;
        auth_token_require_scope read;
        add_header X-User "[$auth_token_user$auth_token_scope$auth_token_claim_id]" always;

        location / { proxy_pass %%UPSTREAM%%; }

        location = /verdict/204 { internal; return 204; }
        location = /verdict/401 { internal; return 401; }
        location = /verdict/403 { internal; return 403; }
        location = /verdict/500 { internal; return 500; }

        location /own/     { proxy_pass http://unix:%%DIR%%/own.sock:/; }
        location /any/own/ { satisfy any; allow all; proxy_pass http://unix:%%DIR%%/own.sock:/; }
        location /any/own/failing/ {
            auth_token_error API_INVALID_ACCESS_TOKEN status=503;
            satisfy any; allow all;
            proxy_pass http://unix:%%DIR%%/own.sock:/;
        }
        location /any/own/page/ {
            satisfy any; allow all;
            proxy_intercept_errors on;
            error_page 401 403 404 /page;
            proxy_pass http://unix:%%DIR%%/own.sock:/;
        }
        location /any/file/ { satisfy any; allow all; }
        location = /page { auth_token off; return 200 "a page\n"; }
        location = /second {
            internal;
            auth_token_require_scope nobodys;
            satisfy any; allow all;
            proxy_pass %%UPSTREAM%%;
        }

        location /delay/     { auth_delay 500ms; proxy_pass %%UPSTREAM%%; }
        location /delay/any/ {
            auth_delay 500ms;
            satisfy any; deny all;
            proxy_pass %%UPSTREAM%%;
        }
CONF

# --- two modules ------------------------------------------------------------

my $nobody = { user => '', scope => '', method => '', issuer => '' };
my $jane   = { user => 'jane', scope => 'read write', method => 'cookie',
               issuer => 'main' };

for my $satisfy ('all', 'any') {
    for my $i (0 .. $#others) {
        for my $ours (@ours) {
            my $other = $others[$i];
            my ($name, $where, $token) = @$ours;
            my $expected = expected($satisfy, $ours, $other);
            my $tag = next_tag;

            # a cookie, as Authorization is the other module's
            my $answer = $s->request("/$satisfy/$i/$where/", tag => $tag,
                defined $token   ? (cookie => "accessToken=$token") : (),
                defined $other->[2] ? (headers => [$other->[2]]) : ());
            my $decision = decision($s, $tag);

            my $who  = $name eq 'good' ? $jane : $nobody;
            my $user = $name eq 'good' ? 'janeread write1108612' : '';

            is_deeply [found($answer), $s->upstream->hits->count($tag),
                       { map { $_ => $decision->{$_} } keys %$who },
                       $answer->header('X-User')],
                      [$expected, $expected->{status} == 200 ? 1 : 0, $who, "[$user]"],
                      "satisfy $satisfy, ours $name, $other->[0]";
        }
    }
}

# what is ours is so to the letter, whatever was asked after it
refused $s, '/all/0/', INV => 'all, 401 before allow', token => $bad;
refused $s, '/all/1/', INV => 'all, 401 before deny', token => $bad;
refused $s, '/any/1/', INV => 'any, 401 before deny', token => $bad;
refused $s, '/any/1/', NONE => 'any, nothing before deny';
refused $s, '/any/1/', SCOPE => 'any, 403 before deny',
        token => good_token(scope => []);
refused $s, '/any/1/503/', FAIL => 'any, 503 before deny', token => $bad,
        expect => { code => $inv[0], message => $inv[1] };
refused $s, '/any/7/503/', FAIL => 'any, 503 before a request of 403', token => $bad,
        expect => { code => $inv[0], message => $inv[1] };
refused $s, '/any/1/503/', FAIL => 'any, 503, HEAD', token => $bad, method => 'HEAD',
        expect => { code => $inv[0], message => $inv[1] };
granted $s, '/any/0/', 'any, allow, HEAD', method => 'HEAD';
granted $s, '/any/5/', 'any, a request of 204, a bad token', token => $bad;

# --- contents that refuse ---------------------------------------------------

sub own ($path, $status, $name, %o) {
    my $answer = $s->request($path, %o, tag => next_tag);
    is_deeply found($answer), { status => $status, body => "own $status\n",
                                challenges => 'Own realm="own"' }, $name;
    is $answer->header('Cache-Control'), undef, "$name, no header of ours";
}

for my $status (401, 403, 404, 503) {
    own("/own/$status", $status, "all, granted, then $status of the content",
        token => good_token());
    own("/any/own/$status", $status, "any, granted by us, then $status",
        token => good_token());
    own("/any/own/$status", $status, "any, granted by another, then $status");
    own("/any/own/$status", $status, "any, a bad token, then $status", token => $bad);
    own("/any/own/failing/$status", $status, "any, our 503, then $status",
        token => $bad);
}

is_deeply found($s->request('/any/file/nothing', token => $bad)),
          { status => 404, body => 'a page of nginx', challenges => '' },
          'any, granted by another, then a file that is not there';

for my $status (401, 403, 404) {
    my $answer = $s->request("/any/own/page/$status", token => $bad);
    is_deeply [$answer->{status}, $answer->{body}], [$status, "a page\n"],
              "any, granted by another, then $status intercepted";
    is join(' + ', grep { /Bearer/ } $answer->all('WWW-Authenticate')), '',
       "any, granted by another, then $status intercepted: no challenge of ours";
}

# the identity that the first location granted is nobody's in the second
granted $s, '/own/second', 'any, granted by another after a redirect',
        token => good_token(), decision => { %$nobody, reason => 'scope' };

# --- auth_delay -------------------------------------------------------------

sub elapsed ($path, %o) {
    my $from = time;
    my $answer = $s->request($path, %o, tag => next_tag);
    return ($answer->{status}, time - $from);
}

for my $path ('/delay/', '/delay/any/') {
    my ($status, $elapsed) = elapsed($path, token => $bad);
    is $status, 401, "401 at $path";
    cmp_ok $elapsed, '>=', 0.49, "it comes late at $path";

    ($status, $elapsed) = elapsed($path, token => good_token());
    is $status, 200, "200 at $path";
    cmp_ok $elapsed, '<', 0.4, "it comes at once at $path";
}

my ($status, $elapsed) = elapsed('/delay/', token => good_token(scope => []));
is $status, 403, '403';
cmp_ok $elapsed, '<', 0.4, 'it comes at once';

refused $s, '/delay/', INV => 'a late refusal is a whole one', token => $bad;
refused $s, '/delay/any/', INV => 'a late refusal is a whole one, any', token => $bad;

# a client that has gone meanwhile takes nothing with it
{
    my $connection = $s->connect;
    $connection->send(request_bytes('/delay/', token => $bad));
    $connection->close;
}
granted $s, '/good', 'after a client that did not wait', token => good_token();

done;
