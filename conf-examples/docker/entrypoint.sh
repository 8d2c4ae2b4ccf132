#!/bin/sh
# The entry point of the image: makes the store if it does not exist, imports the mounted
# file of records, and runs nginx.  Arguments are passed to nginx.
#
# After the import the store has the records of the file and no others: a token that was
# removed from the file is revoked.  An invalid file ends the container.
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
