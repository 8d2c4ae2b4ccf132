# Copyright (C) the nginx-auth-token authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of auth-token for bash.  Commands and options are what its --help
# says, so that there is nothing here to be kept in step.

_auth_token_commands()
{
    "$1" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  //p' | cut -c 1-21
}

_auth_token_options()
{
    "$@" --help 2>/dev/null \
        | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
    echo --help
}

# what stands behind an option
_auth_token_value()
{
    case $1 in
    --key | --claims | --out | --token-file | --password-file)
        COMPREPLY=($(compgen -f -- "$2")) ;;
    --state)
        COMPREPLY=($(compgen -d -- "$2")) ;;
    --store)
        COMPREPLY=($(compgen -P lmdb: -d -- "${2#lmdb:}")) ;;
    --group)
        COMPREPLY=($(compgen -g -- "$2")) ;;
    --owner)
        COMPREPLY=($(compgen -u -- "$2")) ;;
    --role)
        COMPREPLY=($(compgen -W 'readonly editor admin superadmin' -- "$2")) ;;
    --type)
        COMPREPLY=($(compgen -W 'rsa ec ed25519' -- "$2")) ;;
    --curve)
        COMPREPLY=($(compgen -W 'P-256 P-384' -- "$2")) ;;
    --expires)
        COMPREPLY=($(compgen -W 'never 24h 30d 90d 1y' -- "$2")) ;;
    --allow)
        COMPREPLY=($(compgen -W any -- "$2")) ;;
    *)
        return 1 ;;
    esac
}

_auth_token()
{
    local command=$1 current=$2 previous=$3 noun= verb= word i commands

    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}

        case $word in
        --store) ((i++)) ;;
        -*) ;;
        *)
            if [ -z "$noun" ]; then
                noun=$word
            elif [ -z "$verb" ]; then
                verb=$word
            fi ;;
        esac
    done

    commands=$(_auth_token_commands "$command")

    if [ -z "$noun" ]; then
        case $previous in
        --store) _auth_token_value --store "$current"; return ;;
        esac

        COMPREPLY=($(compgen -W "$(cut -d ' ' -f 1 <<<"$commands" | sort -u)
            --store --json --help --version" -- "$current"))
        return
    fi

    # a noun that is all of the command has no word behind it
    if grep -q "^$noun *\$" <<<"$commands"; then
        verb=

    elif [ -z "$verb" ]; then
        COMPREPLY=($(compgen -W "$(sed -n "s/^$noun  *//p" <<<"$commands")" \
            -- "$current"))
        return
    fi

    _auth_token_value "$previous" "$current" && return

    case $current in
    -*)
        COMPREPLY=($(compgen -W "$(_auth_token_options "$command" "$noun" \
            ${verb:+"$verb"})" -- "$current")) ;;
    *)
        case $noun$verb in
        import | jwtverify) COMPREPLY=($(compgen -f -- "$current")) ;;
        esac ;;
    esac
}

complete -o filenames -o nosort -F _auth_token auth-token 2>/dev/null \
    || complete -o filenames -F _auth_token auth-token
