#
# Requirements: exp-small, no-credential.
package AuthToken::Test;

=head1 NAME

AuthToken::Test - behaviour of the module, seen through a real nginx

=head1 SYNOPSIS

    use lib 't/lib';
    use AuthToken::Test;

    my $s = start(<<'CONF');
        %%ISSUER%%
        server {
            listen %%LISTEN%%;
            auth_token on;
            location / { proxy_pass %%UPSTREAM%%; }
        }
    CONF

    granted $s, '/api', 'good token', token => good_token();
    refused $s, '/api', expired_token => 'exp 0', token => good_token(exp => 0),
            reason => 'expired';
    refused $s, '/api', no_token => 'no credential';

    done;

=head1 WHAT EACH ASSERTION PROVES

C<granted>: 200, the upstream's body, exactly one hit of the upstream, no
challenge.  C<refused>: status, headers and body byte for byte as documented for
the outcome (I<no_token> and others, below), one line in the error log, empty
variables, no hit of the upstream; then a plain good request, on the same connection and
on a new one, is granted.  That request goes to C</good>, which the configuration must
grant to a valid token from any address; C<< start(..., good => [PATH, OPTIONS]) >> names
another.  C<< start(..., prepare => CODE) >> calls CODE with the server before it
starts, for example to create a store (AuthToken::Store).

C<done> ends the file: no [alert], [emerg] or [crit] line, no dead worker, no
sanitizer report, no part of any minted token in any log, no unexpected hit of the
upstream.

Options of a request are those of AuthToken::Client::request_bytes and connect;
C<< expect => { } >> changes the expected response, see expectation() below.  For
exact bytes on a new connection: C<< $s->connect->send(...) >>,
C<< ->response >>, then C<is_granted> or C<is_refused> with the response, and
C<hits> for the upstream.

Configurations: C<conf_ok TEXT, NAME> and C<conf_fails TEXT, REGEX, NAME> run
C<nginx -t>.  The error must name the line that ends in "# here".

Environment: AT_BUILD, AT_NGINX, AT_SANITIZE (see AuthToken::Server), AT_KEEP=1 (keep
directories).

=cut

use v5.36;

use AuthToken::Client qw(request_bytes);
use AuthToken::Http2;
use AuthToken::Log;
use AuthToken::Server;
use AuthToken::Store;
use AuthToken::Token;
use Carp qw(croak);
use Exporter qw(import);
use Test::More;

our @EXPORT = (
    qw(start granted refused refused_by_nginx check_requests is_granted is_refused exchange
       hits decision next_tag outcome_of expect_log await_true eventually conf_ok conf_fails done request_bytes
       http2),
    @Test::More::EXPORT, @AuthToken::Token::EXPORT,
);

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output todo_output);

# a signal must not leave a running server
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

my @servers;

END { local $?; $_->stop for grep { $_ } @servers }

# Starts an nginx with these directives in its http block.  Options are those of
# AuthToken::Server::new, good, and prepare.
sub start ($conf, %o) {
    my $s = AuthToken::Server->new($conf, %o);
    push @servers, $s;
    $o{prepare}->($s) if $o{prepare};

    $s->{good}      = delete $o{good} // ['/good'];
    $s->{refused}   = [];           # tags of requests that must not arrive
    $s->{untagged}  = 0;            # hits without a tag that were expected
    $s->{expected}  = [];           # patterns of log lines

    return $s->start;
}

# --- expected responses -------------------------------------------------------

my $invalid = 'Invalid JWT Access Token';

# outcome => status, code, message, error= of the challenge
my %outcome = (
    no_token               => [401, 'API_INVALID_ACCESS_TOKEN', 'Missing Access Token', ''],
    invalid_token          => [401, 'API_INVALID_ACCESS_TOKEN', $invalid, 'invalid_token'],
    expired_token          => [401, 'API_EXPIRED_ACCESS_TOKEN', 'Expired JWT Access Token', 'invalid_token'],
    no_api_token           => [401, 'API_INVALID_API_TOKEN', 'Missing API Token', ''],
    invalid_api_token      => [401, 'API_INVALID_API_TOKEN', 'Invalid API Token', ''],
    expired_api_token      => [401, 'API_EXPIRED_API_TOKEN', 'Expired API Token', ''],
    insufficient_scope     => [403, 'API_INSUFFICIENT_RIGHTS', 'Insufficient Rights', 'insufficient_scope'],
    endpoint_not_found     => [403, 'API_ENDPOINT_NOT_FOUND', 'Endpoint Not Found', undef],
    address_not_allowed    => [403, 'API_IP_NOT_ALLOWED', 'Client IP Address Not Allowed', undef],
    client_disabled        => [403, 'API_CLIENT_DISABLED', 'API Client Unknown Or Disabled', undef],
    origin_not_allowed     => [403, 'API_ORIGIN_NOT_ALLOWED', 'Origin Not Allowed', undef],
    invalid_credentials    => [401, 'API_INVALID_CREDENTIALS', 'Invalid Credentials', ''],
    invalid_refresh_token  => [401, 'API_INVALID_REFRESH_TOKEN', 'Invalid Refresh Token', ''],
    bad_request            => [400, 'API_BAD_REQUEST', 'Bad Request', undef],
    method_not_allowed     => [405, 'API_BAD_REQUEST', 'Method Not Allowed', undef],
    content_too_large      => [413, 'API_BAD_REQUEST', 'Content Too Large', undef],
    unsupported_media_type => [415, 'API_BAD_REQUEST', 'Unsupported Media Type', undef],
    too_many_requests      => [429, 'API_TOO_MANY_REQUESTS', 'Too Many Requests', undef],
    unavailable            => [503, 'API_UNAVAILABLE', 'Authentication Unavailable', undef],
);

# the outcome of a reason; "insufficient_scope" and others are names of both
my %outcome_of = (
    map { my ($outcome, @reasons) = @$_; map { ($_ => $outcome) } @reasons }
    [invalid_token => qw(several_credentials too_long malformed bad_header bad_crit bad_typ bad_alg bad_kid
                         unknown_kid no_key bad_signature too_complex bad_payload bad_claim issuer_mismatch
                         key_issuer_mismatch audience_mismatch too_many_keys wrong_kind unproven
                         not_yet_valid)],
    [no_token            => qw(no_credential)],
    [expired_token       => qw(expired too_old)],
    [invalid_api_token   => qw(several_api_tokens unknown_api_token)],
    [client_disabled     => qw(unknown_client client_issuer_mismatch disabled_client disabled_user)],
    [endpoint_not_found  => qw(unknown_endpoint)],
    [insufficient_scope  => qw(delegated no_role endpoint_not_granted blocked_endpoint no_scopes)],
    [invalid_credentials => qw(bad_basic unknown_user locked_user wrong_password login_disabled)],
);
sub outcome_of ($reason) { $outcome_of{$reason} // $reason }

# The expected refusal.  Options: status, code, message, body, type, realm, error
# ("" for a challenge without error=, undef for no challenge), scheme (of the
# challenge: ApiKey where only API tokens are accepted), also (further challenges).
sub expectation ($outcome, %o) {
    my $row = $outcome{$outcome} or croak "unknown outcome: $outcome";
    my ($status, $code, $message, $error) = @$row;

    my %e = (status => $status, code => $code, message => $message, error => $error, realm => 'api',
             scheme => $outcome eq 'no_api_token' ? 'ApiKey' : 'Bearer', type => 'application/json', %o);
    $e{body} //= qq({"code":"$e{code}","message":"$e{message}"});

    return \%e;
}

sub _wrong_refusal ($answer, $e, %o) {
    my @wrong;
    my $is = sub ($what, $got, $expected) {
        push @wrong, "$what: " . _show($got) . ', not ' . _show($expected)
            if ($got // "\0") ne ($expected // "\0");
    };

    $is->('status', $answer->{status}, $e->{status});
    $is->('body', $answer->{body}, $o{head} ? '' : $e->{body});
    $is->('Content-Type', $answer->header('Content-Type'), $e->{type});
    $is->('Content-Length', $answer->header('Content-Length'), length $e->{body});
    $is->('Cache-Control', $answer->header('Cache-Control'), 'no-store');
    $is->('Retry-After', $answer->header('Retry-After'),
          $e->{status} == 503 ? 1 : undef) if $e->{code} ne 'API_TOO_MANY_REQUESTS';
    push @wrong, _wrong_limits($answer) if $e->{code} eq 'API_TOO_MANY_REQUESTS';
    $is->($_, $answer->header($_), undef)
        for qw(Transfer-Encoding Content-Encoding ETag Last-Modified
               Accept-Ranges Set-Cookie Location);

    # a location with several kinds of credentials; t/challenge.t tests all combinations
    my @challenges = $answer->all('WWW-Authenticate');
    @challenges = grep { !/\AApiKey realm="[^"]*"\z/ } @challenges
        if $e->{status} == 401 && @challenges > 1 && $e->{scheme} ne 'ApiKey';
    my @also = $e->{also} ? splice @challenges, 1 : ();
    $is->('further challenges', "@also", join ' ', ($e->{also} // [])->@*);
    if (!defined $e->{error}) {
        push @wrong, "a challenge: @challenges" if @challenges;
    } elsif (@challenges != 1) {
        push @wrong, 'challenges: ' . @challenges;
    } else {
        push @wrong, _wrong_challenge($challenges[0], $e);
    }

    return @wrong;
}

# Retry-After in seconds and X-RateLimit-Reset as a time must agree; the response
# may have waited before it was read
sub _wrong_limits ($answer) {
    my ($after, $left, $reset) = map { $answer->header($_) // '' }
        qw(Retry-After X-RateLimit-Remaining X-RateLimit-Reset);
    return if $after =~ /\A[1-9][0-9]*\z/ && $left eq '0'
           && $reset =~ /\A[0-9]+\z/ && $reset - time - $after <= 2
           && time + $after - $reset <= 60;
    return "Retry-After: $after, X-RateLimit-Remaining: $left, X-RateLimit-Reset: $reset";
}

# RFC 6750 section 3: the scheme and its attributes, each once and quoted
sub _wrong_challenge ($text, $e) {
    my ($list) = $text =~ /\A$e->{scheme} (.*)\z/ or return "challenge $text";
    my %found;

    while ($list =~ /\G(?:\A|, )([a-z_]+)="((?:[^"\\]|\\.)*)"/gc) {
        return "$1 twice in the challenge $text" if exists $found{$1};
        $found{$1} = $2;
    }

    return "challenge $text" if (pos $list // 0) < length $list;

    my %expected = (realm => $e->{realm} =~ s/(["\\])/\\$1/gr,
                    $e->{error} ne '' ? (error => $e->{error}) : ());

    # optional beside an error
    delete @found{qw(error_description scope)} if $e->{error} ne '';

    return if join('|', map { "$_=$found{$_}" } sort keys %found)
           eq join('|', map { "$_=$expected{$_}" } sort keys %expected);
    return "challenge $text";
}

# options: status, body, head
sub _wrong_grant ($answer, %o) {
    my @wrong;

    my $status = $o{status} // 200;
    push @wrong, "status $answer->{status}, body " . _show($answer->{body})
        if $answer->{status} != $status;

    my $body = $o{head} ? '' : $o{body} // $AuthToken::Upstream::BODY;
    push @wrong, 'body ' . _show($answer->{body}) if $answer->{body} ne $body;

    my @challenges = $answer->all('WWW-Authenticate');
    push @wrong, "a challenge on a grant: @challenges" if @challenges;

    return @wrong;
}

sub _show ($value) {
    return 'nothing' if !defined $value;
    my $text = substr $value, 0, 200;
    $text =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    return "'$text'";
}

sub _verdict ($name, @wrong) {
    local $Test::Builder::Level = $Test::Builder::Level + 2;
    my $ok = ok(!@wrong, $name =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger);
    diag "    $_" for map { chomp; $_ } @wrong;
    return $ok;
}

# --- assertions -------------------------------------------------------------

my $ours = qr/\[(\w+)\] \d+\#\d+: \*\d+ auth_token\b/;

sub next_tag () { state $tag = 0; return ++$tag }

# Options of the request, and hit (how many are expected, 1), decision (a hash of
# variables), expect (a hash of status and body).
sub granted ($s, $path, $name, %o) {
    my $tag = next_tag;
    my @wrong;

    _watch(%o);
    eval {
        my $answer = $s->request($path, %o, tag => $tag);
        my $hits   = $o{hit} // 1;

        @wrong = _wrong_grant($answer, _head(%o), ($o{expect} // {})->%*);
        push @wrong, _wrong_hits($s, $tag, $hits);
        push @wrong, _wrong_decision($s, $tag, $o{decision}) if $o{decision};
    };
    push @wrong, $@ if $@;

    return _verdict("$name: granted", @wrong);
}

# The outcome, or the reason of one: invalid_token, or bad_signature.
# Options of the request, and expect (those of expectation), reason, log (how many
# log lines of the module, 1), decision (a hash of variables, or undef to skip them), good
# (0: no good request afterwards).
sub refused ($s, $path, $outcome, $name, %o) {
    my $e   = expectation(outcome_of($outcome), ($o{expect} // {})->%*);
    my $tag = next_tag;
    my @wrong;

    $o{reason} //= $outcome if $outcome_of{$outcome};
    _watch(%o);
    push $s->{refused}->@*, $tag;
    $s->errors->lines;

    my $answer = eval { $s->request($path, %o, tag => $tag) };
    return _verdict("$name: refused with $e->{code}", $@) if !$answer;

    eval {
        @wrong = _wrong_refusal($answer, $e, _head(%o));

        push @wrong, 'the upstream was hit' if $s->upstream->hits->count($tag);
        push @wrong, _wrong_lines($o{reason}, $o{log} // 1, $s->errors->lines);

        my $anonymous = { status => $e->{code}, method => '', issuer => '',
                       user => '', client => '', role => '', scope => '', endpoint => '',
                       defined $o{reason} ? (reason => $o{reason}) : () };
        push @wrong, _wrong_decision($s, $tag, $o{decision} // $anonymous)
            if !exists $o{decision} || $o{decision};

        push @wrong, _wrong_after($s, $answer, %o) if $o{good} // 1;
    };
    push @wrong, $@ if $@;

    return _verdict("$name: refused with $e->{code}", @wrong);
}

# Rows of outcome ("granted", or one of refused), path, name and options, in addition
# to the common ones.
sub check_requests ($s, $common, @rows) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for (@rows) {
        my ($outcome, $path, $name, %o) = @$_;
        $outcome eq 'granted' ? granted($s, $path, $name, %$common, %o)
                              : refused($s, $path, $outcome, $name, %$common, %o);
    }
}

# A request that nginx itself refuses, with its own page.
sub refused_by_nginx ($s, $path, $status, $name, %o) {
    my $tag = next_tag;
    _watch(%o);
    push $s->{refused}->@*, $tag;

    my @wrong;
    eval {
        my $answer = $s->request($path, %o, tag => $tag);
        push @wrong, "status $answer->{status}" if $answer->{status} != $status;
        push @wrong, 'the upstream was hit' if $s->upstream->hits->count($tag);
        push @wrong, 'a body of the module' if $answer->{body} =~ /"code"/;
        push @wrong, _wrong_after($s, $answer, %o) if $o{good} // 1;
    };
    push @wrong, $@ if $@;

    return _verdict("$name: refused by nginx with $status", @wrong);
}

# an API token that is sent must not appear in a log
sub _watch (%o) { secret($o{api_token}) if defined $o{api_token} }

sub _head (%o) { (head => ($o{method} // '') eq 'HEAD') }

# For a response that the test already has; options as in expect, and head.
sub is_granted ($answer, $name, %o) {
    return _verdict("$name: granted", $answer ? _wrong_grant($answer, %o) : 'no response');
}

sub is_refused ($answer, $outcome, $name, %o) {
    my $e = expectation($outcome, %o);

    return _verdict("$name: refused with $e->{code}",
                    $answer ? _wrong_refusal($answer, $e, %o) : 'no response');
}

# Sends exact bytes on a new connection, and returns the connection and as many
# responses as heads has elements (1 for a HEAD request).  hits is the number of
# untagged requests that must reach the upstream.
sub exchange ($s, $bytes, %o) {
    my $connection = $s->connect(map { defined $o{$_} ? ($_ => $o{$_}) : () }
                                 qw(port from path preface));
    my $hits = $o{hits} // 0;

    $connection->send($bytes);
    my @answers = map { $connection->response(head => $_) } ($o{heads} // [0])->@*;

    $s->{untagged} += $hits;
    $s->upstream->hits->await('', $s->{untagged});

    return ($connection, @answers);
}

sub await_true { goto &AuthToken::Log::await_true }

# passes if $check returns true within the time
sub eventually ($name, $check, $timeout = 10) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(eval { await_true($check, $name, $timeout) }, $name) || diag $@;
}

# requests with this tag that reached the upstream: hashes of request, http_host ...
sub hits ($s, $tag) { $s->upstream->hits->records($tag) }

# the variables of the request with this tag, as a hash
sub decision ($s, $tag) {
    $s->access->await($tag);
    return ($s->access->records($tag))[-1];
}

# Expects a log line that would otherwise fail the test.
sub expect_log ($s, $pattern) { push $s->{expected}->@*, $pattern }

sub _wrong_hits ($s, $tag, $expected) {
    my $hits = $s->upstream->hits->await($tag, $expected);
    return $hits == $expected ? () : "hits of the upstream: $hits, not $expected";
}

sub _wrong_decision ($s, $tag, $expected) {
    my $got = decision($s, $tag) or return 'not in the access log';
    return map {
        my $value = $got->{$_} // '';
        $value eq $expected->{$_} ? ()
            : "\$auth_token_$_: " . _show($value) . ', not ' . _show($expected->{$_});
    } sort keys %$expected;
}

sub _wrong_lines ($reason, $expected, @lines) {
    my @ours = grep { /$ours/ } @lines;

    return ('lines in the log: ' . @ours . ", not $expected", @ours) if @ours != $expected;
    return "the log does not say $reason: $ours[0]"
        if defined $reason && @ours && $ours[0] !~ /\b\Q$reason\E\b/;
    return;
}

# the next plain good request, on the same connection and on a new one
sub _wrong_after ($s, $answer, %o) {
    my ($path, %good) = $s->{good}->@*;
    $good{token} //= $s->{good_token} //= good_token()
        if !grep { defined $good{$_} } qw(auth cookie api_token);

    my %same = map { defined $o{$_} ? ($_ => $o{$_}) : () }
               qw(port from path preface to);
    my @wrong;

    if ($answer->{kept} && !$o{new}) {
        my $tag  = next_tag;
        my $next = $s->request($path, %good, %same, tag => $tag);

        push @wrong, 'the connection was closed' if $next->{connection} != $answer->{connection};
        push @wrong, map { "next on the connection: $_" }
            _wrong_grant($next), _wrong_hits($s, $tag, 1);
    }

    my $tag  = next_tag;
    my $next = $s->request($path, %good, %same, new => 1, tag => $tag);
    push @wrong, map { "next on a new connection: $_" }
        _wrong_grant($next), _wrong_hits($s, $tag, 1);

    return @wrong;
}

# --- configurations ---------------------------------------------------------

sub conf_ok ($text, $name, %o) {
    my ($wrong, $status, $output) = _check($text, %o);

    return _verdict("$name: accepted", @$wrong, ($status // -1) != 0 ? _shown($output) : (),
        $o{says} && $output !~ $o{says} ? ("it does not say $o{says}", _shown($output)) : ());
}

# The message must match, and name the file and the line that ends in "# here", if
# there is one.  where => 0: no position is required.
sub conf_fails ($text, $pattern, $name, %o) {
    my ($wrong, $status, $output, $s) = _check($text, %o);
    my @wrong = @$wrong;

    push @wrong, 'accepted' if defined $status && $status == 0;

    my ($emerg) = grep { /\[emerg\]/ && /$pattern/ } split /\n/, $output;
    push @wrong, "no [emerg] like $pattern:", _shown($output) if !defined $emerg;

    if (defined $emerg && ($o{where} // 1)) {
        my $before = $text =~ /\A(.*?)# here$/ms ? $1 : undef;
        my $line   = defined $before ? $s->line(1 + ($before =~ tr/\n//)) : '\d+';
        my $file   = quotemeta $s->conf_file;
        push @wrong, "not at $file:$line: $emerg" if $emerg !~ /in $file:$line$/;
    }

    return _verdict("$name: rejected by nginx -t", @wrong);
}

sub _check ($text, %o) {
    my $s = AuthToken::Server->new($text, %o);
    $o{prepare}->($s) if $o{prepare};

    my $before = _files($s);
    my ($status, $output) = $s->check;
    my @wrong;

    push @wrong, 'nginx -t did not end' if !defined $status;
    push @wrong, map { "left $_" } grep { !$before->{$_} } sort keys _files($s)->%*;
    push @wrong, 'sanitizer', $s->reports if $s->reports;
    push @wrong, 'a secret is shown' if _leaks($output);

    return (\@wrong, $status, $output, $s);
}

# files that nginx -t left behind, without its own
sub _files ($s) {
    my @found = glob $s->dir . '/*';
    return { map { $_ => 1 }
             grep { !m{/(?:[a-z]+\.log|nginx\.pid|[a-z_]+_temp)\z} } @found };
}

sub _shown ($output) { map { "  $_" } split /\n/, $output }

# --- the end of a file ------------------------------------------------------

# lines at level info in which nginx itself prints a header (documented)
my $core_shows = qr/client sent (?:duplicate|too long|invalid) header line/;

my $alarm = join '|', '\[(?:alert|emerg|crit)\]', 'exited on signal',
                      'exited with (?:fatal )?code [^0]', 'core dumped',
                      '(?:Address|Leak)Sanitizer', 'runtime error:';

sub done () {
    for my $s (@servers) {
        my $good = eval { [_wrong_after($s, { kept => 0 })] } // [$@];
        _verdict('in the end a good request is granted', @$good) if $s->pid && $s->{good}[0];

        my $hits = $s->upstream->hits;
        _verdict('nothing refused reached the upstream',
            map { $hits->count($_) ? "request $_" : () } $s->{refused}->@*);

        my $untagged = $hits->count('');
        _verdict('the upstream got nothing else',
            $untagged == $s->{untagged} ? ()
            : "$untagged hits without a tag, not $s->{untagged}");

        _verdict('nginx ended when it was asked to', $s->stop ? () : 'killed');

        my @lines = split /\n/, $s->errors->content . $s->output;
        _verdict('no alarm in the log', _alarms($s, @lines));
        _verdict('no report of a sanitizer', $s->reports);
        # nginx appends the raw request line to the module's message
        _verdict('lines of ours are plain text',
            grep { /[^\t\x20-\x7e]/ } map { s/\A.*\K, client: .*//r } grep { /auth_token/ } @lines);
        _verdict('no credential in any log', _leaks(
            grep({ !/$core_shows/ } @lines),
            map { AuthToken::Log->new($s->dir . "/$_")->content }
                qw(access.log combined.log)));
    }

    @servers = ();
    done_testing();
}

sub _alarms ($s, @lines) {
    my @expected = $s->{expected}->@*;
    my @wrong;

    for my $line (grep { /$alarm/ } @lines) {
        push @wrong, $line if !grep { $line =~ $_ } @expected;
    }

    for my $pattern (@expected) {
        push @wrong, "no line like $pattern" if !grep { /$pattern/ } @lines;
    }

    return @wrong > 10 ? @wrong[0 .. 9] : @wrong;
}

# Any 20 characters of a token that are in the text, and any canary.
sub _leaks (@text) {
    my $text    = join "\n", @text;
    my $secrets = join "\n", secrets();
    my $public  = join "\n", no_secrets();

    my %runs = map { $_ => 1 } $text =~ /[A-Za-z0-9_-]{20,}/g;
    my @leaks;

    for my $run (grep { index($public, $_) < 0 } keys %runs) {
        for my $i (0 .. length($run) - 20) {
            next if index($secrets, substr $run, $i, 20) < 0;
            push @leaks, "part of a token: $run";
            last;
        }
    }

    push @leaks, "a canary: $1" if $text =~ /(.{0,40}canary-.{0,40})/;
    return @leaks > 5 ? @leaks[0 .. 4] : @leaks;
}

1;
