#!/usr/bin/perl

# Prometheus, from the packages of the distribution, scrapes nginx: each alert rule and
# each query of the dashboard and of the documentation is evaluated, and finds data.
#
# Requirements: metrics-prometheus.

use v5.36;

use lib 't/lib';

use AuthToken::Local;
use AuthToken::Log;
use AuthToken::Metrics;
use AuthToken::Server;
use AuthToken::Source;
use AuthToken::Store;
use AuthToken::Test;
use AuthToken::Token qw(key);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();

grep { -x "$_/prometheus" } split /:/, $ENV{PATH} or plan skip_all => 'prometheus is not installed: make test-deps';

my $contrib = "$AuthToken::Server::ROOT/contrib/prometheus";

# --- a server with every metric -----------------------------------------------

my $source = AuthToken::Source->start(keys => ['rsa']);
my %text;
my $s = start(<<"CONF" . api_conf() . '    }', files => { 'ca.pem' => $source->ca }, workers => 2,
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_state_path %%DIR%%/state;
    %%ISSUER main: signing_key %%DIR%%/sign.pem; password failures=2/1m;%%
    %%ISSUER fetched: issuer https://fetched.example; jwks_uri @{[$source->url('/jwks')]} ca_file=%%DIR%%/ca.pem;%%

    server {
        listen %%LISTEN%%;
        auth_token on;
        auth_token_trust main fetched;
        auth_token_accept bearer api_token;
        location / { proxy_pass %%UPSTREAM%%; }
        location /write { auth_token_require_scope write; proxy_pass %%UPSTREAM%%; }
        location = /good { auth_token off; proxy_pass %%UPSTREAM%%; }
        location = /metrics { auth_token off; auth_token_metrics; }
CONF
    prepare => sub ($s) {
        prepare_users(users => [user_record('jane', issuers => ['main'])])->($s);
        $text{$_} = $s->{store}->token($_, scope => 'read') for 'program', "quote\" back\\slash \xc3\xa9";
    });
$s->errors->await(qr/keys replaced, issuer: "fetched"/);

sub traffic () {
    granted $s, '/x', 'an API token', api_token => $_, new => 1 for values %text;
    granted $s, '/x', 'a bearer token', token => token(key => key('rsa'), header => { kid => 'rsa' },
        claims => { iss => 'https://fetched.example', jti => rand });
    $s->request('/x', new => 1);
    $s->request('/write', api_token => $text{program}, new => 1);
    login($s);
    login($s, 'jane', 'wrong', from => '127.0.0.7') for 1 .. 3;
}

# --- the text format, as promtool reads it; Prometheus reads OpenMetrics ------

traffic();
my $page = $s->request('/metrics')->{body};
open my $promtool, '|-', "promtool check metrics >$s->{dir}/promtool 2>&1" or die "promtool: $!\n";
print $promtool $page;
close $promtool;
is AuthToken::Log->new("$s->{dir}/promtool")->content, '', 'promtool finds no fault in the text format';

# --- Prometheus -----------------------------------------------------------------

sub free_port () {
    IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)->sockport;
}

my $port = free_port();
my $dir  = "$s->{dir}/prometheus";
mkdir $dir or die "$dir: $!\n";
$s->write('prometheus/prometheus.yml', <<"YAML");
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: ["$contrib/auth-token-alerts.yml"]
scrape_configs:
- job_name: auth_token
  static_configs: [{ targets: ["127.0.0.1:@{[$s->port]}"] }]
YAML

my $pid = fork // die "fork: $!\n";
if (!$pid) {
    open STDOUT, '>', "$dir/log";
    open STDERR, '>&', \*STDOUT;
    exec 'prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data",
         "--web.listen-address=127.0.0.1:$port" or POSIX::_exit(127);
}
END { if ($pid) { local $?; kill 'KILL', $pid; waitpid $pid, 0 } }

# the "data" of a response of its API; undef if it does not respond yet
sub get ($path, %argument) {
    my $query = join '&', map { "$_=" . $argument{$_} =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger } sort keys %argument;
    my $client = eval { AuthToken::Client->connect(port => $port) } or return undef;
    $client->send("GET /api/v1/$path?$query HTTP/1.0\r\nHost: localhost\r\n\r\n");
    my $answer = eval { $client->response } or return undef;
    my $json = eval { JSON::PP->new->utf8->decode($answer->{body}) } or return undef;
    return $json->{status} eq 'success' ? $json->{data} : { error => $json->{error} };
}

# a query finds data once there are two scrapes
sub found ($expression) {
    my $data = get('query', query => $expression) or return 0;
    die "$expression: $data->{error}\n" if defined $data->{error};
    return scalar $data->{result}->@*;
}

eventually 'Prometheus scrapes nginx' => sub {
    my $data = get('targets') or return 0;
    grep { $_->{health} eq 'up' } $data->{activeTargets}->@*;
}, 60;

my $data = get('targets');
is $data->{activeTargets}[0]{lastError}, '', 'without an error' if $data;

# a rate needs two scrapes before and after a change
traffic();
eventually 'the counters have increased' => sub { found('rate(auth_token_endpoint_requests_total{reason="throttled"}[1m]) > 0') }, 30;

# --- dashboard -------------------------------------------------------------------

my $dashboard = JSON::PP->new->utf8->decode(AuthToken::Log->new("$contrib/auth-token-dashboard.json")->content);
my $n = 0;

for my $panel ($dashboard->{panels}->@*) {
    for my $target (($panel->{targets} // [])->@*) {
        my $query = $target->{expr} =~ s/\$__rate_interval/1m/gr =~ s/\$instance/.*/gr;
        eventually "dashboard: $panel->{title}: $target->{legendFormat}" => sub { found($query) }, 30;
        $n++;
    }
}
cmp_ok $n, '>', 20, 'the dashboard has queries';

# --- documentation -------------------------------------------------------------------

my $operations = AuthToken::Log->new("$AuthToken::Server::ROOT/docs/operations.md")->content;

for my $query (map { /^\| .*\? \| `([^`]*auth_token_[^`]*)` \|/ ? $1 : () } split /\n/, $operations) {
    eventually "documentation: $query" => sub { found($query) }, 30;
}

my %exported = map { $_->{name} =~ s/_(?:bucket|sum|count)\z//r => 1 } AuthToken::Metrics->scrape($s)->{samples}->@*;
my ($table)  = $operations =~ /^\| metric \| labels .*?\n(.*?)\n\n/ms;
my @names    = map { /`(\w+)`/g } map { (split /\|/)[1] } split /\n/, $table;
is_deeply [sort @names], [sort keys %exported], 'every metric is documented, and every documented metric exists';

# --- rules ---------------------------------------------------------------------------

my @rules = map { $_->{rules}->@* } get('rules')->{groups}->@*;
cmp_ok scalar @rules, '>', 10, 'there are rules';

for my $rule (@rules) {
    is "$rule->{health} " . ($rule->{lastError} // ''), 'ok ', "$rule->{name}: is evaluated";

    my @unknown = grep { !$exported{$_ =~ s/_bucket\z//r} } $rule->{query} =~ /auth_token_(\w+)/g;
    is_deeply \@unknown, [], "$rule->{name}: nginx has its metrics";
}

is system("promtool test rules $contrib/auth-token-alerts.test.yml >$dir/rules 2>&1"), 0,
   'each alert fires when it must, and not otherwise'
    or diag AuthToken::Log->new("$dir/rules")->content;

my @tested = AuthToken::Log->new("$contrib/auth-token-alerts.test.yml")->content =~ /# (AuthToken\w+)/g;
is_deeply [sort keys %{{ map { $_ => 1 } @tested }}], [sort map { $_->{name} } @rules], 'a test for each rule';

done;
