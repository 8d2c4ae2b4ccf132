#!/bin/sh
# Installs the packages that building, the demo, tests and the benchmark need.
#
#   ./deps.sh [list] build|demo|test|dev|package|matrix|image|bench|haproxy|apache|njs ...
#
# With list it prints the names of the packages instead.
#
# It does nothing, and needs no rights, if all of them are installed.

set -eu

# the directory of the tests, and that of their node packages
root=$(cd "$(dirname "$0")" && pwd)
test_dir=$root/t
node_dir=${AT_NODE:-$root/build/node}

packages=
tests=

has_node() {
    command -v npm >/dev/null \
        && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
}

list=
if [ "${1-}" = list ]; then
    list=1
    shift
fi

for group in "$@"; do
    case $group in
    build)
        packages="$packages gcc make libc6-dev nginx nginx-dev libssl-dev
                  libcurl4-openssl-dev libjansson-dev libjwt-dev liblmdb-dev
                  libcrypt-dev libxxhash-dev"
        ;;
    demo)
        packages="$packages curl openssl"
        ;;
    test)
        packages="$packages curl openssl perl libcryptx-perl libcrypt-jwt-perl
                  clang libclang-rt-14-dev libasan8 libubsan1 strace mandoc
                  wrk python3-httpx chromium prometheus
                  dpkg-dev debhelper lowdown lintian mmdebstrap docker-compose"
        # Debian's npm conflicts with a node from another source
        has_node || packages="$packages nodejs npm"
        tests=1
        ;;
    # make analyze, valgrind and tsan
    dev)
        packages="$packages clang-tidy clang-tools libtsan2 valgrind"
        ;;
    package)
        packages="$packages dpkg-dev debhelper lowdown"
        ;;
    matrix)
        packages="$packages mmdebstrap curl libpcre2-dev zlib1g-dev"
        ;;
    image)
        packages="$packages ca-certificates dash"
        ;;
    bench)
        packages="$packages openssl perl wrk valgrind"
        ;;
    # servers to compare with; the benchmark works without them
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
        echo "usage: $0 build|demo|test|dev|package|matrix|image|bench|haproxy|apache|njs ..." >&2
        exit 2
        ;;
    esac
done

if [ -n "$list" ]; then
    # shellcheck disable=SC2086
    echo $packages
    exit
fi

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    [ "$state" = installed ] || missing="$missing $package"
done

install_packages() {
    echo "installing:$missing"

    # keep nginx's package from starting a server
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

    return $status
}

# Installs the versions of the lock file and checks their digests.  A copy of that file in
# the directory means that the installation is complete.
install_node_packages() {
    ! cmp -s "$test_dir/package-lock.json" "$node_dir/installed" || return 0

    has_node || { echo "$0: node 18 or newer with npm is required" >&2; return 1; }
    echo "installing: the node packages of $test_dir/package.json, into $node_dir"

    mkdir -p "$node_dir"
    cp "$test_dir/package.json" "$test_dir/package-lock.json" "$node_dir/"

    # without a home directory npm needs another place for its cache
    [ -w "${HOME:-/nonexistent}" ] || export npm_config_cache="$node_dir/cache"

    (cd "$node_dir" && npm ci --ignore-scripts --no-audit --no-fund \
        --no-update-notifier --loglevel=error >/dev/null)
    rm -rf "$node_dir/cache"
    cp "$test_dir/package-lock.json" "$node_dir/installed"
}

if [ -n "$missing" ]; then
    install_packages
fi

if [ -n "$tests" ]; then
    install_node_packages
fi
