#!/bin/sh
# The entry point of the image: makes the store where there is none, imports the
# JSON file that is mounted, and becomes nginx; arguments are nginx's.
#
# With a file, what it holds is all that the store holds: what the command had
# added is removed, and a token that is in the file no more is revoked.  A file
# that is wrong ends it.
#
# Environment:
#   AUTH_TOKEN_STORE   the store (lmdb:/var/lib/auth-token)
#   AUTH_TOKEN_IMPORT  the file (/etc/nginx/auth_token/store.jsonl)

set -eu

AUTH_TOKEN_STORE=${AUTH_TOKEN_STORE:-lmdb:/var/lib/auth-token}
export AUTH_TOKEN_STORE

file=${AUTH_TOKEN_IMPORT:-/etc/nginx/auth_token/store.jsonl}

if [ ! -e "${AUTH_TOKEN_STORE#lmdb:}/data.mdb" ]; then
    auth-token init >/dev/null
fi

if [ -n "${AUTH_TOKEN_IMPORT-}" ] || [ -e "$file" ]; then
    auth-token import --replace "$file" >&2
fi

exec nginx -e stderr -g 'daemon off;' "$@"
