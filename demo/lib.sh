# Shared by demo/run and demo/stop, which source it: the directory of the demo and its
# nginx process.  $demo is the directory of this file.
# shellcheck shell=sh

AT_BUILD=${AT_BUILD:-$demo/../build}
AT_BUILD=$(cd "$AT_BUILD" 2>/dev/null && pwd) || {
    echo "$0: the module is not built: run make first" >&2
    exit 2
}

dir=${DEMO_DIR:-$AT_BUILD/demo}
case $dir in
/*) ;;
*)  dir=$PWD/$dir ;;
esac

# a path relative to the current directory, if it is below it
short() {
    printf '%s' "${1#"$PWD"/}"
}

# Prints the id of the demo's nginx process, or nothing.  The command line is compared,
# because the id in an old pid file may belong to another process now.
demo_pid() {
    [ -s "$dir/nginx.pid" ] || return 0
    read -r pid <"$dir/nginx.pid"

    if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" \
        | grep -qF -- "-c $dir/nginx.conf"
    then
        echo "$pid"
    fi
}

# nginx removes the pid file when its last worker process has ended
demo_stop() {
    pid=$(demo_pid)

    if [ -n "$pid" ]; then
        kill -TERM "$pid"

        tries=100
        while [ -n "$(demo_pid)" ]; do
            tries=$((tries - 1))
            if [ $tries = 0 ]; then
                echo "$0: process $pid did not end within 10 seconds" >&2
                return 1
            fi
            sleep 0.1
        done
    fi

    rm -f "$dir/nginx.pid"
}
