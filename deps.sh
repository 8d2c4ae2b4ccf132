#!/bin/sh
# Installs by name what building, the demo, tests and the benchmark need.
#
#   ./deps.sh build|demo|test|bench|haproxy|apache|njs ...
#
# Does nothing, and needs no rights, where all of it is there already.

set -eu

# the OpenID provider of the tests, and where it is installed
root=$(cd "$(dirname "$0")" && pwd)
provider=$root/t/provider
node_dir=${AT_NODE:-$root/build/node}

packages=
tests=

node_is_there() {
    command -v npm >/dev/null \
        && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
}

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
                  wrk python3-httpx"
        # beside a node from elsewhere Debian's npm cannot be installed
        node_is_there || packages="$packages nodejs npm"
        tests=1
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

install_packages() {
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

    return $status
}

# Exactly what the lock file names, by its digests; a copy of that file beside it
# says that it is all there.
install_provider() {
    ! cmp -s "$provider/package-lock.json" "$node_dir/installed" || return 0

    node_is_there || { echo "$0: node 18 or later and its npm are needed" >&2; return 1; }
    echo "installing: oidc-provider, into $node_dir"

    mkdir -p "$node_dir"
    cp "$provider/package.json" "$provider/package-lock.json" "$node_dir/"

    # a user without a home has no place for its cache either
    [ -w "${HOME:-/nonexistent}" ] || export npm_config_cache="$node_dir/cache"

    (cd "$node_dir" && npm ci --ignore-scripts --no-audit --no-fund \
        --no-update-notifier --loglevel=error >/dev/null)
    rm -rf "$node_dir/cache"
    cp "$provider/package-lock.json" "$node_dir/installed"
}

if [ -n "$missing" ]; then
    install_packages
fi

if [ -n "$tests" ]; then
    install_provider
fi
