#!/usr/bin/perl

# A store is replaced, and the check of its pages takes three seconds, as that of a
# store of several GB: no request waits for it, and requests use the old store until
# the check ends.
#
# Requirements: store-damaged.

use v5.36;

use lib 't/lib';

use AuthToken::Load;
use AuthToken::Test;
use File::Temp ();
use List::Util qw(max);
use Time::HiRes qw(time);

plan skip_all => 'preloads a library, which conflicts with sanitizers' if $ENV{AT_SANITIZE};

my $seconds = 3;

my $temp = File::Temp->newdir;
chmod 0755, $temp;
{
    open my $fh, '>', "$temp/slow.c" or die "$temp/slow.c: $!\n";
    print $fh <DATA>;
    close $fh;
    system('gcc', '-O1', '-fPIC', '-shared', '-o', "$temp/slow.so", "$temp/slow.c") == 0 or die "gcc: $?\n";
}

my %text = map { $_ => AuthToken::Token::secret("token-$_-" . 'x' x 30) } qw(kept new);

sub import_tokens ($store, @ids) {
    $store->import_records(tokens => [map { { id => $_, token => $text{$_} } } @ids]);
}

my $conf = <<'CONF';
    %%ISSUER%%
    auth_token_store lmdb:%%DIR%%/store;
    auth_token_cache off;
    server {
        listen %%LISTEN%%;
        keepalive_requests 1000000;
        location /      { auth_token on; proxy_pass %%UPSTREAM%%; }
        location /plain { return 204; }
    }
CONF

my $s = start($conf,
    workers => 1,
    env     => { LD_PRELOAD => "$temp/slow.so", AT_SLOW_CHECK => "$temp/slow", AT_SLOW_SECONDS => $seconds },
    prepare => AuthToken::Store->prepare(sub ($store) { import_tokens($store, 'kept') }));

my $other = AuthToken::Store->new($s->dir, 'other');
import_tokens($other, 'kept', 'new');

sub new_token_gets () { ask($s, ['new', '/', [api_token => $text{new}, tag => 'replace']], new => 1) }

is new_token_gets(), '401 API_INVALID_API_TOKEN', 'the old store does not have the new token';

{ open my $fh, '>', "$temp/slow" or die "$temp/slow: $!\n" }
rename $other->path . '/data.mdb', $s->{store}->path . '/data.mdb' or die "rename: $!\n";

my (%longest, %results);
my $begin = time;
my $next  = 0;
my $new;

until ($new || time > $begin + 60) {
    for (['store', '/', api_token => $text{kept}, tag => 'replace'], ['no store', '/plain']) {
        my ($name, $path, @options) = @$_;
        my $sent   = time;
        my $answer = $s->request($path, @options);

        $results{"$name: $answer->{status}"}++;
        $longest{$name} = max $longest{$name} // 0, time - $sent;
    }
    if (time > $next) {
        $new  = new_token_gets() eq '200';
        $next = time + 0.1;
    }
}

ok $new, 'the new store is used';
cmp_ok time - $begin, '>', $seconds, 'after its check';
is_deeply [sort keys %results], ['no store: 204', 'store: 200'], 'all requests are served in the meantime';
cmp_ok $longest{$_}, '<', $seconds / 2, "$_: no request waits for the check" for sort keys %longest;

$s->{untagged} = $s->upstream->hits->count('');

done;

__DATA__
/* for LD_PRELOAD: a check of pages begins with this call */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char  *file;
static unsigned     seconds;

/* worker processes have no environment */
static void __attribute__((constructor))
begin(void)
{
    file = strdup(getenv("AT_SLOW_CHECK"));
    seconds = (unsigned) atoi(getenv("AT_SLOW_SECONDS"));
}

int
posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
    (void) fd, (void) offset, (void) len, (void) advice;

    if (access(file, F_OK) == 0) {
        (void) sleep(seconds);
    }

    return 0;
}
