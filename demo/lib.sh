# What demo/run and demo/stop share: where the demo is, and its process.
# Sourced by them; $demo is the directory of this file.
# shellcheck shell=sh

AT_BUILD=${AT_BUILD:-$demo/../build}
AT_BUILD=$(cd "$AT_BUILD" 2>/dev/null && pwd) || {
    echo "$0: there is no build yet: run make first" >&2
    exit 2
}

dir=${DEMO_DIR:-$AT_BUILD/demo}
case $dir in
/*) ;;
*)  dir=$PWD/$dir ;;
esac

# a path as one would type it here
short() {
    printf '%s' "${1#"$PWD"/}"
}

# The process of the demo's nginx, or nothing.  A number alone proves nothing:
# the pid file may be of a process that ended long ago.
demo_pid() {
    [ -s "$dir/nginx.pid" ] || return 0
    read -r pid <"$dir/nginx.pid"

    if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" \
        | grep -qF -- "-c $dir/nginx.conf"
    then
        echo "$pid"
    fi
}

# the pid file goes when the last worker has ended
demo_stop() {
    pid=$(demo_pid)

    if [ -n "$pid" ]; then
        kill -TERM "$pid"

        tries=100
        while [ -n "$(demo_pid)" ]; do
            tries=$((tries - 1))
            if [ $tries = 0 ]; then
                echo "$0: process $pid does not end" >&2
                return 1
            fi
            sleep 0.1
        done
    fi

    rm -f "$dir/nginx.pid"
}
