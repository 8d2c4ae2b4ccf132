package Bench::Cases;

# The measurements as data: servers, loads, and the rows of the tables.  A row is a server,
# one of its ports, a load, the status that each response must have, and the row to compare
# with, whose requests have the same bytes.

use v5.36;

use Bench::Load;
use Bench::Material;
use Bench::Process qw(slurp);
use Bench::Server;
use MIME::Base64 qw(encode_base64);

our $BYTES  = 774;
our $LONG   = 1764;             # with a payload of 1 KiB
our $STORE  = 1_000_000;
our $RANGES = 1_000;

my @STORES    = (1_000, 10_000, 100_000, 1_000_000);
my @RANGES    = (1, 10, 100, 1_000, 10_000, 100_000);
my @TEMPLATES = (1, 10, 100, 1_000, 10_000);
my @SIZES     = (774, 1024, 2048, 4096, 8192);

# material, conf (directory of templates), values (for all templates), nginx (binary), small
# (for t/bench.t: small sizes)
sub new ($class, %o) {
    my $self = bless { %o }, $class;

    if ($o{small}) {
        $STORE = 1_000;
        @STORES = (100, 1_000);
        @RANGES = (1, 1_000);
        @TEMPLATES = (1, 10);
        @SIZES = (774, 2048);
    }

    return $self;
}

# --- servers ----------------------------------------------------------------

sub _nginx ($self, $name, $conf, %o) {
    return Bench::Server->new($name, unpinned => $o{unpinned}, conf => "$self->{conf}/$conf",
        command => [$self->{nginx}, '-e', "$self->{values}{DIR}/error.log", '-c', '@CONF@',
                    '-g', 'daemon off;'],
        values  => { $self->{values}->%*, WORKERS => 1, REUSEPORT => '', ($o{values} // {})->%* });
}

sub _own ($self, $name, %o) {
    my $m = $self->{material};
    return $self->_nginx($name, 'own.conf', %o, values => {
        STORE => $m->store($o{store} // $self->_smallest), RANGES => $m->ranges($RANGES), SERVERS => '',
        ($o{values} // {})->%* });
}

sub _smallest ($self) { $STORES[0] }

# one server block for each number; its port is NAME_NUMBER
sub _blocks ($name, $numbers, $text) {
    return join "\n", map {
        "server { listen 127.0.0.1:\@${name}_$_\@; auth_token on; " . $text->($_)
        . ' location / { empty_gif; } }';
    } @$numbers;
}

my %server = (
    'nginx'        => sub ($self) { $self->_nginx('nginx', 'plain.conf') },
    'own'          => sub ($self) { $self->_own('own', store => $STORE) },
    # any location with metrics makes all requests be counted
    'own-metrics'  => sub ($self) {
        $self->_own('own-metrics', store => $STORE, values => {
            SERVERS => 'server { listen 127.0.0.1:@metrics@; location / { auth_token_metrics; } }' })
    },
    'own-fresh'    => sub ($self) { $self->_own('own-fresh') },
    'own-login'    => sub ($self) {
        $self->_nginx('own-login', 'login.conf', values => {
            STORE => $self->{material}->users($self->{small}), KEY => $self->{material}->private_key })
    },
    'own-refresh'  => sub ($self) {
        $self->_nginx('own-refresh', 'login.conf', unpinned => 1, values => {
            STORE => $self->{material}->users($self->{small}), KEY => $self->{material}->private_key, WORKERS => 2 })
    },
    'nginx-others' => sub ($self) { $self->_nginx('nginx-others', 'nginx.conf') },
    'njs'          => sub ($self) { $self->_nginx('njs', 'njs.conf') },
    'haproxy'      => sub ($self) {
        Bench::Server->new('haproxy', conf => "$self->{conf}/haproxy.cfg", values => $self->{values},
            command => ['haproxy', '-db', '-f', '@CONF@'])
    },
    'apache'       => sub ($self) {
        Bench::Server->new('apache', conf => "$self->{conf}/apache.conf", values => $self->{values},
            command => ['apache2', '-D', 'FOREGROUND', '-f', '@CONF@'])
    },
    'nginx-2'      => sub ($self) {
        $self->_nginx('nginx-2', 'plain.conf', unpinned => 1,
            values => { WORKERS => 2, REUSEPORT => 'reuseport' })
    },
    'own-2'        => sub ($self) {
        $self->_own('own-2', unpinned => 1, values => { WORKERS => 2, REUSEPORT => 'reuseport' })
    },
    'own-ranges'   => sub ($self) {
        my $m = $self->{material};
        $self->_own('own-ranges', values => {
            SERVERS => _blocks('ranges', \@RANGES, sub ($n) {
                'auth_token_accept none; auth_token_allow file=' . $m->ranges($n) . ';' }) })
    },
    'own-endpoints' => sub ($self) {
        my $m = $self->{material};
        $self->_own('own-endpoints', values => {
            SERVERS => _blocks('endpoints', \@TEMPLATES, sub ($n) {
                'auth_token_accept bearer; auth_token_endpoints ' . $m->endpoints($n) . ';' }) })
    },
    map { my $n = $_; ("own-store-$n" => sub ($self) { $self->_own("own-store-$n", store => $n) }) }
        100, 1_000, 10_000, 100_000, 1_000_000,
);

# the server with this name, created once and not started
sub server ($self, $name) {
    return $self->{servers}{$name} //= $self->another($name);
}

# another server of the same kind
sub another ($self, $name) {
    my $server = $server{$name}->($self);
    push $self->{made}->@*, $server;
    return $server;
}

sub stop_all ($self) { $_->stop for ($self->{made} // [])->@* }

# --- loads ------------------------------------------------------------------

my $bearer = 'Authorization: Bearer ';

sub _tokens ($self, $file, %o) {
    return Bench::Load->new(header => $bearer, file => $file, %o);
}

sub _api ($n, $order) {
    return Bench::Load->new(header => 'X-API-Token: ', file => "number:$Bench::Material::API_TOKEN",
        lines => $n, order => $order);
}

my %load = (
    same => sub ($self, $n = $BYTES) {
        $self->_tokens($self->{material}->tokens($n, $self->_many($n)))
    },
    once => sub ($self, $n = $BYTES) {
        $self->_tokens($self->{material}->tokens($n, $self->_many($n)), order => 'once',
            lines => $self->_many($n))
    },
    many => sub ($self, $n = $BYTES) {
        $self->_tokens($self->{material}->tokens($n, $self->_many($n)), lines => $self->_many($n))
    },
    path => sub ($self) {
        $self->_tokens($self->{material}->tokens($BYTES, $self->_many($BYTES)),
            path => Bench::Material->endpoint_path)
    },
    api    => sub ($self, $n = 1) { _api($n, 'cycle') },
    random => sub ($self, $n = $STORE) { _api($n, 'random') },
    none   => sub ($self) { Bench::Load->new },
    basic  => sub ($self) { _basic($Bench::Material::PASSWORD) },
    wrong_basic => sub ($self) { _basic(scalar reverse $Bench::Material::PASSWORD) },
    login       => sub ($self) { _login($Bench::Material::PASSWORD) },
    wrong_login => sub ($self) { _login(scalar reverse $Bench::Material::PASSWORD) },
    # half of all connections each, and a few with occasional requests
    storm       => sub ($self) { _login($Bench::Material::PASSWORD, connections => $Bench::Load::CONNECTIONS / 2) },
    wrong_storm => sub ($self) {
        _login(scalar(reverse $Bench::Material::PASSWORD), connections => $Bench::Load::CONNECTIONS / 2)
    },
    calm        => sub ($self) {
        $self->_tokens($self->{material}->tokens($BYTES, $self->_many($BYTES)), pause => 1, connections => 4)
    },
    wrong_api   => sub ($self) {
        Bench::Load->new(header => 'X-API-Token: ', file => 'number:bench-tokem-%020d')
    },
    map { my $how = $_; ("bad_$how" => sub ($self) {
        $self->_tokens($self->{material}->spoilt($how, $BYTES, $self->_many($BYTES)),
            lines => $self->_many($BYTES))
    }) } qw(signature alg kid iss form),
);

sub _basic ($password) {
    return Bench::Load->new(header => 'Authorization: Basic '
        . encode_base64("bench:$password", ''), file => 'number:');
}

sub login_body ($self, $password = $Bench::Material::PASSWORD) { qq({"username":"bench","password":"$password"}) }

sub _login ($password, %o) {
    my $body = __PACKAGE__->login_body($password);
    return Bench::Load->new(path => '/login', method => 'POST', body => $body, file => 'number:',
        header => "Content-Type: application/json\r\nContent-Length: " . length $body, %o);
}

# fewer long tokens, as each must be signed
sub _many ($self, $bytes) {
    my $n = $self->{material}->distinct;
    return $bytes == $BYTES ? $n : $bytes == $LONG ? $n / 2 : int($n / 5);
}

# the load with this name, with ":N" appended if it has a number
sub load ($self, $name) {
    my ($kind, $n) = split /:/, $name;
    return $self->{loads}{$name} //= $load{$kind}->($self, $n // ());
}

# --- rows -------------------------------------------------------------------

# name, server, port, load, status, and: of (the name of the row to compare with),
# fresh (restart the server for each run), title (of a group, with its first row), refuse (a
# load that must be refused, checked at the start), peer (another server that verifies each
# token), own, group and label (in the picture), least (seconds of a run)
sub _row ($name, $server, $port, $load, $status, %o) {
    return { name => $name, server => $server, port => $port, load => $load, status => $status, %o };
}

my @own = (
    _row('nginx', 'nginx', 'plain', 'same', 200,
        title => 'A bearer token: RS256, 2048-bit key, 774 bytes'),
    _row('nginx, once more', 'nginx', 'plain', 'same', 200, of => 'nginx'),
    _row('nginx, other token each time', 'nginx', 'plain', 'many', 200, of => 'nginx'),
    _row('auth_token, same token', 'own', 'jwt', 'same', 200, of => 'nginx', refuse => 'bad_signature',
        own => 1,
        group => 'Same bearer token', label => 'auth_token'),
    _row('auth_token with metrics, same token', 'own-metrics', 'jwt', 'same', 200,
        of => 'auth_token, same token', own => 1),
    _row('auth_token, each token once', 'own-fresh', 'jwt', 'once', 200,
        of => 'nginx, other token each time', fresh => 1, own => 1,
        group => 'Each bearer token once', label => 'auth_token'),
    _row('auth_token, three issuers, each token once', 'own-fresh', 'three', 'once', 200,
        of => 'auth_token, each token once', fresh => 1, own => 1),
    _row('auth_token, bad signature', 'own', 'jwt', 'bad_signature', 401, of => 'nginx', own => 1,
        group => 'Bad signature', label => 'auth_token'),

    _row('nginx, 1 KiB of claims', 'nginx', 'plain', "many:$LONG", 200,
        title => 'The same with 1 KiB of claims, 1,764 bytes'),
    _row('auth_token, 1 KiB of claims, each token once', 'own-fresh', 'jwt', "once:$LONG", 200,
        of => 'nginx, 1 KiB of claims', fresh => 1, own => 1),

    _row('nginx, return 401', 'nginx', 'refuse', 'many', 401, title => 'Refused before a signature is verified'),
    _row('auth_token, malformed', 'own', 'jwt', 'bad_form', 401, of => 'nginx, return 401', own => 1,
        group => 'Refused early, above return 401', label => 'auth_token, malformed'),
    _row('auth_token, wrong alg', 'own', 'jwt', 'bad_alg', 401, of => 'nginx, return 401', own => 1,
        group => 'Refused early, above return 401', label => 'auth_token, wrong alg'),
    _row('auth_token, unknown kid', 'own', 'jwt', 'bad_kid', 401, of => 'nginx, return 401', own => 1,
        group => 'Refused early, above return 401', label => 'auth_token, unknown kid'),
    _row('auth_token, unknown issuer', 'own', 'jwt', 'bad_iss', 401, of => 'nginx, return 401', own => 1,
        group => 'Refused early, above return 401', label => 'auth_token, unknown issuer'),

    _row('nginx, X-API-Token', 'nginx', 'plain', 'api', 200, title => 'An API token, in a store of a million'),
    _row('auth_token, same API token', 'own', 'api', 'api', 200, of => 'nginx, X-API-Token',
        refuse => 'wrong_api', own => 1,
        group => 'API token', label => 'auth_token, same token'),
    _row('auth_token with metrics, same API token', 'own-metrics', 'api', 'api', 200,
        of => 'auth_token, same API token', own => 1),
    _row('nginx, X-API-Token at random', 'nginx', 'plain', 'random', 200),
    _row('auth_token, one of a million at random', 'own', 'api', 'random', 200,
        of => 'nginx, X-API-Token at random', own => 1,
        group => 'API token', label => 'auth_token, one of a million at random'),
    _row('map of 1,000 keys', 'nginx-others', 'map', 'api', 200, of => 'nginx, X-API-Token',
        refuse => 'wrong_api',
        group => 'API token', label => 'map of 1,000 keys'),

    _row('nginx, no credential', 'nginx', 'plain', 'none', 200, title => '1,000 address ranges'),
    _row('auth_token_allow', 'own', 'ranges', 'none', 200, of => 'nginx, no credential', own => 1,
        group => '1,000 ranges', label => 'auth_token_allow'),
    _row('geo', 'nginx-others', 'geo', 'none', 200, of => 'nginx, no credential',
        group => '1,000 ranges', label => 'geo'),
    _row('allow, deny', 'nginx-others', 'allow', 'none', 200, of => 'nginx, no credential',
        group => '1,000 ranges', label => 'allow, deny'),

    _row('nginx, Basic', 'nginx', 'plain', 'basic', 200, title => 'A password'),
    _row('auth_basic, PLAIN', 'nginx-others', 'basic_plain', 'basic', 200, of => 'nginx, Basic',
        refuse => 'wrong_basic',
        group => 'Password', label => 'auth_basic, PLAIN'),
    _row('auth_basic, apr1', 'nginx-others', 'basic_apr1', 'basic', 200, of => 'nginx, Basic',
        refuse => 'wrong_basic',
        group => 'Password', label => 'auth_basic, apr1'),
    _row('auth_token, Basic, remembered', 'own-login', 'login', 'basic', 200, of => 'nginx, Basic',
        refuse => 'wrong_basic', own => 1,
        group => 'Password', label => 'auth_token, Basic, remembered'),
    # a hash takes long: a short run would count only a few
    _row('auth_token, login', 'own-login', 'login', 'login', 200, refuse => 'wrong_login', least => 1),
);

# the three rows of every other server that verifies tokens
sub _three ($name, $server, $port) {
    return (
        _row("$name, same token", $server, $port, 'same', 200, of => 'nginx', refuse => 'none',
            group => 'Same bearer token', label => $name),
        _row("$name, each token once", $server, $port, 'once', 200,
            of => 'nginx, other token each time', fresh => 1, peer => 1,
            group => 'Each bearer token once', label => $name),
        _row("$name, bad signature", $server, $port, 'bad_signature', 401, of => 'nginx',
            group => 'Bad signature', label => $name),
    );
}

my %others = (
    nginx => [
        _row('auth_request', 'nginx-others', 'auth_request', 'same', 200, of => 'nginx', refuse => 'none',
            title => 'A bearer token: other servers and modules',
            group => 'Same bearer token', label => 'auth_request to a local service'),
    ],
    haproxy => [ _three('HAProxy jwt_verify', 'haproxy', 'jwt') ],
    njs     => [ _three('njs, WebCrypto', 'njs', 'jwt') ],
    apache  => [
        _row('Apache', 'apache', 'plain', 'same', 200, of => 'nginx'),
        _three('Apache mod_auth_openidc', 'apache', 'openidc'),
        _three('Apache mod_oauth2', 'apache', 'oauth2'),
    ],
);

# rows of the first table; @others: the other servers that are installed
sub rows ($self, @others) {
    return (@own, map { $others{$_}->@* } 'nginx', @others);
}

# series of the second table: x (its unit), name, and points (each a row and its x)
sub series ($self) {
    my %plain;

    my $point = sub ($x, $name, $server, $port, $load, $like, %o) {
        my ($other, $of) = $o{unpinned} ? ('nginx-2', "nginx, 2 workers") : ('nginx', "nginx, $like");
        $plain{$of} //= _row($of, $other, 'plain', $like, 200, unpinned => $o{unpinned});
        return { x => $x, plain => $plain{$of},
                 row => _row("$name, $x", $server, $port, $load, 200, of => $of, %o) };
    };

    my $series = sub ($x, $name, $numbers, $code) {
        return { x => $x, name => $name, points => [map { $point->($_, "$name, $x", $code->($_)) } @$numbers] };
    };

    return (
        $series->('API tokens in the store', 'API token, one of all at random', \@STORES,
            sub ($n) { ("own-store-$n", 'api', "random:$n", "random:$STORES[-1]") }),
        $series->('ranges', 'auth_token_allow', \@RANGES,
            sub ($n) { ('own-ranges', "ranges_$n", 'none', 'none') }),
        $series->('lines of the endpoint list, same bearer token', 'auth_token_endpoints', \@TEMPLATES,
            sub ($n) { ('own-endpoints', "endpoints_$n", 'path', 'path') }),
        $series->('bytes of the token', 'same bearer token', \@SIZES,
            sub ($n) { ('own-fresh', 'jwt', "same:$n", "many:$n") }),
        $series->('bytes of the token', 'each bearer token once', \@SIZES,
            sub ($n) { ('own-fresh', 'jwt', "once:$n", "many:$n", fresh => 1) }),
        $series->('workers', 'same bearer token', [1, 2],
            sub ($n) { $n == 1 ? ('own', 'jwt', 'same', 'same')
                               : ('own-2', 'jwt', 'same', 'same', unpinned => 1) }),
    );
}

1;
