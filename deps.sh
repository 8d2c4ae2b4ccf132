#!/bin/sh
# Installs by name what building, the demo, tests and the benchmark need.
#
#   ./deps.sh build|demo|test|bench|haproxy|apache|njs ...
#
# Does nothing, and needs no rights, where all of it is there already.

set -eu

packages=

for group in "$@"; do
    case $group in
    build)
        packages="$packages gcc make libc6-dev nginx nginx-dev libssl-dev
                  libjansson-dev libjwt-dev liblmdb-dev libcrypt-dev"
        ;;
    demo)
        packages="$packages curl openssl"
        ;;
    test)
        packages="$packages curl openssl perl libcryptx-perl libcrypt-jwt-perl
                  clang libclang-rt-14-dev libasan8 libubsan1 strace mandoc
                  wrk"
        ;;
    bench)
        packages="$packages openssl perl wrk valgrind"
        ;;
    # what the benchmark compares with: it does without one that is not to be had
    haproxy)
        packages="$packages haproxy"
        ;;
    apache)
        packages="$packages apache2 libapache2-mod-oauth2
                  libapache2-mod-auth-openidc"
        ;;
    njs)
        packages="$packages libnginx-mod-http-js"
        ;;
    *)
        echo "usage: $0 build|demo|test|bench|haproxy|apache|njs ..." >&2
        exit 2
        ;;
    esac
done

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    [ "$state" = installed ] || missing="$missing $package"
done

[ -n "$missing" ] || exit 0

echo "installing:$missing"

# nginx's package starts the server of the machine: not wanted here
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    made=1
fi

status=0
apt-get update -qq || true
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null || status=$?

[ -z "$made" ] || rm -f $policy

exit $status
