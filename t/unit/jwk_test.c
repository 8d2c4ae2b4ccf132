/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: key-file, import-atomic, jwk-members, jwk-numbers, jwk-set,
 *   jwk-purpose, header-kid, rfc-vectors.
 */

#include <malloc.h>
#include <unistd.h>

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_keyset.h"
#include "core/jose/at_key.h"
#include "data.h"
#include "sign.h"
#include "tap.h"


#define ALL       ((1u << AT_ALGS) - 1)
#define RS256     at_alg_bit(AT_RS256)

#define TEXT      at_str("eyJhbGciOiJ4In0.e30")


static EVP_PKEY  *rsa, *rsa2, *p256, *p384, *p521, *ed;

static struct {
    unsigned      n;
    char          text[512];
} warned;

static at_error_t  err;


static void
warn(void *data, const char *text)
{
    if (data != &warned || strchr(text, '\n') != NULL) {
        ok(0, "a warning is one line, with the data of the caller");
    }

    warned.n++;
    (void) snprintf(warned.text, sizeof(warned.text), "%s", text);
}


/* parses a heap copy of exactly the size of the text */
static at_keyset_t *
parse(at_str_t text, unsigned algs)
{
    at_keyset_t  *set;
    char         *copy = exact_copy(text);

    memset(&warned, 0, sizeof(warned));
    memset(&err, 0, sizeof(err));
    ERR_clear_error();

    set = at_keyset_parse((at_str_t) { copy, text.len }, algs, warn, &warned,
                          &err);
    free(copy);

    if (ERR_peek_error() != 0) {
        ok(0, "the error queue is empty");
    }

    if (set == NULL && (err.text[0] == '\0' || strchr(err.text, '\n'))) {
        ok(0, "an error message is one line");
    }

    if (set != NULL && (set->n == 0 || set->n > AT_KEYSET_KEYS_MAX)) {
        ok(0, "a set has 1 to 128 keys");
    }

    return set;
}


/* a JWK Set of a list of keys */
static at_str_t
jwks(const char *list)
{
    return str(json("{'keys':[%s]}", list));
}


/* whether the only key is pkey and has no kid */
static void
is_key(const char *name, at_str_t text, EVP_PKEY *pkey, at_alg_e alg)
{
    at_keyset_t  *set = parse(text, ALL);

    if (ok(set != NULL && set->n == 1, "%s: %s", name,
           set ? warned.text : err.text))
    {
        ok(set->keys[0].kid.len == 0, "%s: no kid", name);
        is_int(at_key_verify(set->keys[0].key, alg, TEXT,
                             sign_alg(pkey, alg, TEXT)), AT_SIGNATURE_VALID,
               "%s: it is the key", name);
        is_int(warned.n, 0, "%s: no warning", name);
    }

    at_keyset_free(set);
}


/* a thumbprint of the certificate is kept if it has the length of its hash */
static void
test_thumbprints(void)
{
    size_t        i;
    at_keyset_t  *set;

    static const struct {
        const char  *text;
        const char  *kept;
    } cases[] = {
        { "-KI3Q9nNR7bRofxmeZoXqbHZGew", "-KI3Q9nNR7bRofxmeZoXqbHZGew" },
        { "", "" },
        { "-KI3Q9nNR7bRofxmeZoXqbHZGe", "" },
        { "-KI3Q9nNR7bRofxmeZoXqbHZGewA", "" },
        { "-KI3Q9nNR7bRofxmeZoXqbHZGe+", "" },
        { "-KI3Q9nNR7bRofxmeZoXqbHZGewAAAAAAAAAAAAAAAA", "" },
        { "-KI3Q9nNR7bRofxmeZoXqbHZGewAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "" },
    };

    for (i = 0; i < N(cases); i++) {
        set = parse(jwks(jwk(rsa, format(",'x5t':'%s'", cases[i].text))), ALL);

        is_bytes(str(set ? set->keys[0].x5t : "no key"), str(cases[i].kept),
                 "x5t \"%s\"", cases[i].text);
        at_keyset_free(set);
    }
}


/* the number of keys; 0: refused */
static size_t
count(at_str_t text, unsigned algs)
{
    at_keyset_t  *set = parse(text, algs);
    size_t        n = set ? set->n : 0;

    at_keyset_free(set);

    return n;
}


static at_str_t
join(at_str_t a, at_str_t b)
{
    char  *out = sign_alloc(a.len + b.len);

    memcpy(out, a.data, a.len);
    memcpy(out + a.len, b.data, b.len);

    return (at_str_t) { out, a.len + b.len };
}


static at_str_t
crlf(at_str_t text)
{
    size_t   i, n = 0;
    char    *out = sign_alloc(2 * text.len);

    for (i = 0; i < text.len; i++) {
        n += (size_t) sprintf(out + n, text.data[i] == '\n' ? "\r%c" : "%c",
                              text.data[i]);
    }

    return (at_str_t) { out, n };
}


/* the neutral element: each signature with R = S*B is valid for it */
static EVP_PKEY *
ed25519_identity(void)
{
    unsigned char  point[32] = { 1 };
    EVP_PKEY      *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                      point, sizeof(point));

    must(pkey != NULL, "no key");
    sign_keep(NULL, pkey);

    return pkey;
}


static void
test_certificates(void)
{
    at_keyset_t  *set;

    set = parse(join(pem_certificate(rsa), pem_certificate(rsa2)), ALL);
    is_int(set ? set->certificates : 0, 2, "the certificates are counted");
    at_keyset_free(set);

    set = parse(pem_public(rsa), ALL);
    is_int(set ? set->certificates : 1, 0, "a public key has no certificate");
    at_keyset_free(set);
}


static void
test_pem_taken(void)
{
    size_t    i;
    at_str_t  pem = pem_public(rsa);

    const struct {
        const char *name; at_str_t text; EVP_PKEY *pkey; at_alg_e alg;
    } cases[] = {
        { "SubjectPublicKeyInfo", pem, rsa, AT_RS256 },
        { "PKCS#1", pem_pkcs1(rsa), rsa, AT_RS256 },
        { "a certificate", pem_certificate(rsa), rsa, AT_PS256 },
        { "an EC key", pem_public(p256), p256, AT_ES256 },
        { "a P-384 key", pem_public(p384), p384, AT_ES384 },
        { "a P-521 key", pem_public(p521), p521, AT_ES512 },
        { "a certificate of an EC key", pem_certificate(p384), p384,
          AT_ES384 },
        { "an Ed25519 key", pem_public(ed), ed, AT_EDDSA },
        { "an Ed25519 key for Ed25519", pem_public(ed), ed, AT_ED25519 },
        { "a certificate of Ed25519", pem_certificate(ed), ed, AT_EDDSA },
        { "CR LF", crlf(pem), rsa, AT_RS256 },
        { "comments before", join(at_str("# the key of 2026\n\n"), pem), rsa,
          AT_RS256 },
        { "comments behind", join(pem, at_str("# that was it\n")), rsa,
          AT_RS256 },
        { "spaces before", join(at_str(" \r\n\t\n"), pem), rsa, AT_RS256 },
        { "a byte order mark", join(at_str("\xef\xbb\xbf"), pem), rsa,
          AT_RS256 },
        { "a byte order mark and a certificate",
          join(at_str("\xef\xbb\xbf"), crlf(pem_certificate(rsa))), rsa,
          AT_RS256 },
        { "no newline at the end", { pem.data, pem.len - 1 }, rsa, AT_RS256 },
        { "two certificates: the first, the leaf",
          join(pem_certificate(rsa), pem_certificate(rsa2)), rsa, AT_RS256 },
        { "three certificates of other types",
          join(pem_certificate(p256), join(at_str("\n# the issuer\n"),
               join(pem_certificate(rsa2), pem_certificate(ed)))), p256,
          AT_ES256 },
    };

    for (i = 0; i < N(cases); i++) {
        is_key(cases[i].name, cases[i].text, cases[i].pkey, cases[i].alg);
    }
}


static void
test_pem_refused(void)
{
    size_t    i;
    at_str_t  public = pem_public(rsa);
    char     *huge = memset(sign_alloc(10 * 1024 * 1024), 'A',
                            10 * 1024 * 1024);

    const struct { const char *name; at_str_t text; const char *says; }
    cases[] = {
        { "empty", at_str(""), "empty" },
        { "the empty view", { NULL, 0 }, "empty" },
        { "blank", at_str(" \r\n\t "), "empty" },
        { "a byte order mark", at_str("\xef\xbb\xbf\n"), "empty" },
        { "words", at_str("no key\n"), "" },
        { "a NUL byte", at_str("\0"), "" },
        { "two PEMs", join(public, pem_public(rsa2)), "more than one" },
        { "the same PEM twice", join(public, public), "more than one" },
        { "a certificate and a public key",
          join(pem_certificate(rsa), public), "more than one" },
        { "a public key and a certificate",
          join(public, pem_certificate(rsa)), "more than one" },
        { "a certificate and half of another one",
          join(pem_certificate(rsa),
               at_str("-----BEGIN CERTIFICATE-----\nAAAA\n")), "block 2" },
        { "public and private", join(public, pem_private(rsa, NULL)),
          "private" },
        { "certificates and a private key",
          join(pem_certificate(rsa),
               join(pem_certificate(rsa2), pem_private(rsa, NULL))),
          "private" },
        { "a public key and half of another one",
          join(public, at_str("-----BEGIN PUBLIC KEY-----\nAAAA\n")), "" },
        { "a private key", pem_private(rsa, NULL), "private" },
        { "a private EC key", pem_private(p256, NULL), "private" },
        { "a private key of old", pem_traditional(rsa), "private" },
        { "a private EC key of old", pem_traditional(p256), "private" },
        { "an encrypted key", pem_private(rsa, "secret"), "private" },
        { "DER", der_public(rsa), "" },
        { "half a PEM", { public.data, public.len / 2 }, "" },
        { "a PEM without its last line", { public.data, public.len - 26 },
          "" },
        { "10 MB of letters", { huge, 10 * 1024 * 1024 }, "" },
        { "empty base64", at_str("-----BEGIN PUBLIC KEY-----\n"
                                 "-----END PUBLIC KEY-----\n"), "" },
        { "invalid base64", at_str("-----BEGIN PUBLIC KEY-----\nAAAA\n"
                                   "-----END PUBLIC KEY-----\n"), "" },
        { "other end lines", at_str("-----BEGIN PUBLIC KEY-----\nAAAA\n"
                                    "-----END CERTIFICATE-----\n"), "" },
        { "a parameter file", at_str("-----BEGIN EC PARAMETERS-----\n"
                                     "BggqhkjOPQMBBw==\n"
                                     "-----END EC PARAMETERS-----\n"), "" },
        { "RSA of 1024 bits", pem_public(key_rsa(1024)), "bits" },
        { "Ed25519 of low order", pem_public(ed25519_identity()),
          "low order" },
        { "secp256k1", pem_public(key_ec("secp256k1")), "" },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(count(cases[i].text, ALL), 0, "%s", cases[i].name);
        ok(strstr(err.text, cases[i].says) != NULL, "%s: says '%s'",
           cases[i].name, err.text);
    }

    is_int(count(public, at_alg_bit(AT_ES256)), 0,
           "an RSA key if only ES256 is accepted");
}


/* a truncated file is invalid, or has the whole key */
static void
test_pem_cut(EVP_PKEY *pkey)
{
    size_t        i, taken = 0, other = 0;
    at_keyset_t  *set, *whole;
    at_str_t      text = pem_public(pkey);

    whole = parse(text, ALL);

    for (i = 0; i < text.len; i++) {
        set = parse((at_str_t) { text.data, i }, ALL);

        if (set) {
            taken++;
            other += memcmp(at_key_digest(set->keys[0].key),
                            at_key_digest(whole->keys[0].key), AT_SHA256_LEN)
                     != 0;
        }

        at_keyset_free(set);
    }

    ok(taken <= 1, "a truncated file is valid only without the last newline");
    is_int(other, 0, "a truncated file never has another key");

    at_keyset_free(whole);
}


static char *
rsa_jwk(const char *n, const char *e)
{
    return format("{'kty':'RSA','n':'%s','e':'%s'}", n, e);
}


static char *
ec_jwk(const char *crv, const char *x, const char *y)
{
    return format("{'kty':'EC','crv':'%s','x':'%s','y':'%s'}", crv, x, y);
}


static char *
zeros_before(size_t n, const char *text)
{
    return b64(join((at_str_t) { sign_alloc(n), n }, unb64(text)));
}


/* without the zero bytes at its beginning; "" for zero */
static char *
without_zeros(const char *text)
{
    at_str_t  raw = unb64(text);

    while (raw.len && raw.data[0] == 0) {
        raw.data++;
        raw.len--;
    }

    return b64(raw);
}


/* a key with a coordinate that begins with a zero byte */
static EVP_PKEY *
key_with_short_x(const char *curve, size_t len)
{
    at_str_t   raw;
    EVP_PKEY  *pkey;

    do {
        pkey = key_ec(curve);
        raw = unb64(jwk_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, len));
    } while (raw.data[0] != 0);

    return pkey;
}


static char *
standard_alphabet(const char *text)
{
    size_t   i;
    char    *out = format("%s", text);

    for (i = 0; out[i]; i++) {
        out[i] = out[i] == '-' ? '+' : out[i] == '_' ? '/' : out[i];
    }

    return out;
}


static char *
url_alphabet(const char *text)
{
    size_t   i;
    char    *out = format("%s", text);

    for (i = 0; out[i]; i++) {
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    }

    return out;
}


/* the largest of the members that share a bit is changed */
static char *
other_point(const char *text)
{
    at_str_t  raw = unb64(text);

    ((char *) (uintptr_t) raw.data)[raw.len - 1] ^= 1;

    return b64(raw);
}


static void
test_jwk_taken(void)
{
    size_t  i;

    const struct {
        const char *name; EVP_PKEY *pkey; at_alg_e alg; const char *more;
    } cases[] = {
        { "RSA", rsa, AT_RS256, "" }, { "RSA for PS512", rsa, AT_PS512, "" },
        { "P-256", p256, AT_ES256, "" }, { "P-384", p384, AT_ES384, "" },
        { "P-521", p521, AT_ES512, "" }, { "Ed25519", ed, AT_EDDSA, "" },
        { "Ed25519 for Ed25519", ed, AT_ED25519, "" },
        { "Ed25519, alg EdDSA, for Ed25519", ed, AT_ED25519,
          ",'alg':'EdDSA'" },
        { "Ed25519, alg Ed25519, for EdDSA", ed, AT_EDDSA,
          ",'alg':'Ed25519'" },
        { "P-521, alg ES512", p521, AT_ES512, ",'alg':'ES512'" },
        { "use sig", rsa, AT_RS256, ",'use':'sig'" },
        { "key_ops verify", rsa, AT_RS256, ",'key_ops':['verify']" },
        { "key_ops sign, verify", rsa, AT_RS256,
          ",'key_ops':['sign','verify']" },
        { "alg RS256", rsa, AT_RS256, ",'alg':'RS256'" },
        { "unknown members", rsa, AT_RS256,
          ",'nbf':1,'cloud':'x','x5t':'AA','x5u':'http://x/','z':'\\u0000'" },
        { "a key in the form of Entra", rsa, AT_RS256,
          format(",'use':'sig','x5t':'-KI3Q9nNR7bRofxmeZoXqbHZGew',"
                 "'x5c':['%s'],'issuer':'https://x/{tenantid}/v2.0'",
                 x5c(rsa)) },
        { "a key in the form of .NET", rsa, AT_RS256,
          ",'d':null,'dp':null,'dq':null,'k':null,'key_ops':[],'oth':null,"
          "'p':null,'q':null,'qi':null,'use':null,'x':null,'x5c':[],"
          "'x5t':null,'x5u':null,'y':null,'alg':null,'kid':null,'crv':null" },
        { "empty strings", rsa, AT_RS256,
          ",'d':'','use':'','alg':'','kid':'','x5c':'','key_ops':'',"
          "'issuer':'','crv':''" },
        { "empty arrays", rsa, AT_RS256,
          ",'oth':[],'use':[],'alg':[],'kid':[],'issuer':[]" },
        { "null members of an EC key", p256, AT_ES256,
          ",'d':null,'n':null,'e':'','x5c':null,'issuer':null" },
        { "x5c of the same key", rsa, AT_RS256,
          format(",'x5c':['%s']", x5c(rsa)) },
        { "x5c of the same EC key", p256, AT_ES256,
          format(",'x5c':['%s']", x5c(p256)) },
        { "x5c with a chain", rsa, AT_RS256,
          format(",'x5c':['%s','%s']", x5c(rsa), x5c(rsa2)) },
        { "x5c a string", rsa, AT_RS256, format(",'x5c':'%s'", x5c(rsa)) },
        { "x5c of null", rsa, AT_RS256, ",'x5c':[null]" },
        { "x5c of an empty string", rsa, AT_RS256, ",'x5c':['']" },
        { "x5c with line breaks", rsa, AT_RS256,
          format(",'x5c':['%.64s\\r\\n%s\\n']", x5c(rsa), x5c(rsa) + 64) },
        { "x5c without padding", rsa, AT_RS256,
          format(",'x5c':['%.*s']", (int) strcspn(x5c(rsa), "="),
                 x5c(rsa)) },
        { "x5c in the alphabet of base64url", p256, AT_ES256,
          format(",'x5c':['%s']", url_alphabet(x5c(p256))) },
    };

    for (i = 0; i < N(cases); i++) {
        is_key(cases[i].name, jwks(jwk(cases[i].pkey, cases[i].more)),
               cases[i].pkey, cases[i].alg);
    }
}


/* an unusable key beside a usable one is ignored */
static void
test_ignored(const char *name, const char *bad, unsigned warnings)
{
    at_keyset_t  *set;

    is_int(count(jwks(bad), ALL), 0, "%s: refused alone", name);
    is_int(warned.n, warnings, "%s: %u warning: %s", name, warnings,
           warned.text);

    set = parse(jwks(format("%s,%s,%s", bad, jwk(rsa, ",'kid':'good'"), bad)),
                ALL);

    if (ok(set != NULL && set->n == 1, "%s: the good key stays", name)) {
        is_bytes(set->keys[0].kid, at_str("good"), "%s: and it is that one",
                 name);
        is_int(warned.n, 2 * warnings, "%s: warned of each", name);
    }

    at_keyset_free(set);
}


/* spellings of the numbers of keys that are not those of RFC 7518 */
static void
test_jwk_numbers(void)
{
    size_t       i;
    char        *many = memset(sign_alloc(4000), 'A', 4000);

    EVP_PKEY    *short256 = key_with_short_x("P-256", 32);
    EVP_PKEY    *short521 = key_with_short_x("P-521", 66);
    const char  *n = jwk_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    const char  *x = jwk_number(p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char  *y = jwk_number(p256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char  *sx = jwk_number(short256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char  *sy = jwk_number(short256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char  *sx521 = jwk_number(short521, OSSL_PKEY_PARAM_EC_PUB_X, 66);
    const char  *sy521 = jwk_number(short521, OSSL_PKEY_PARAM_EC_PUB_Y, 66);
    const char  *ed_x = strstr(jwk(ed, ""), "\"x\":\"") + 5;

    const struct {
        const char *name, *key; EVP_PKEY *pkey; at_alg_e alg;
    } cases[] = {
        { "n with a leading zero byte", rsa_jwk(zeros_before(1, n), "AQAB"),
          rsa, AT_RS256 },
        { "n with two leading zero bytes",
          rsa_jwk(zeros_before(2, n), "AQAB"), rsa, AT_RS256 },
        { "n with three leading zero bytes",
          rsa_jwk(zeros_before(3, n), "AQAB"), rsa, AT_RS256 },
        { "n with 1,000 leading zero bytes",
          rsa_jwk(zeros_before(1000, n), "AQAB"), rsa, AT_RS256 },
        { "n with 3,000 leading zero bytes",
          rsa_jwk(format("%.4000s%s", many, n), "AQAB"), rsa, AT_RS256 },
        { "n with padding", rsa_jwk(format("%s==", n), "AQAB"), rsa,
          AT_RS256 },
        { "n with a leading zero byte and padding",
          rsa_jwk(format("%s=", zeros_before(1, n)), "AQAB"), rsa, AT_RS256 },
        { "e with a leading zero byte", rsa_jwk(n, "AAEAAQ"), rsa, AT_RS256 },
        { "e with a leading zero byte and padding", rsa_jwk(n, "AAEAAQ=="),
          rsa, AT_RS256 },
        { "e of 256 bytes", rsa_jwk(n, zeros_before(253, "AQAB")), rsa,
          AT_RS256 },
        { "n and e with padding that is not needed",
          rsa_jwk(format("%s====", n), "AQAB="), rsa, AT_PS256 },
        { "x and y with a leading zero byte",
          ec_jwk("P-256", zeros_before(1, x), zeros_before(1, y)), p256,
          AT_ES256 },
        { "x with many leading zero bytes",
          ec_jwk("P-256", zeros_before(100, x), y), p256, AT_ES256 },
        { "x and y with padding",
          ec_jwk("P-256", format("%s=", x), format("%s=", y)), p256,
          AT_ES256 },
        { "x without its leading zero byte",
          ec_jwk("P-256", without_zeros(sx), sy), short256, AT_ES256 },
        { "x of P-521 without its leading zero byte",
          ec_jwk("P-521", without_zeros(sx521), without_zeros(sy521)),
          short521, AT_ES512 },
        { "x of Ed25519 with padding",
          format("{'kty':'OKP','crv':'Ed25519','x':'%.43s='}", ed_x), ed,
          AT_EDDSA },
    };

    for (i = 0; i < N(cases); i++) {
        is_key(cases[i].name, jwks(cases[i].key), cases[i].pkey,
               cases[i].alg);
    }
}


static void
test_jwk_refused(void)
{
    size_t  i;

    const char  *n = jwk_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    const char  *x = jwk_number(p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char  *y = jwk_number(p256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char  *x384 = jwk_number(p384, OSSL_PKEY_PARAM_EC_PUB_X, 48);
    const char  *y384 = jwk_number(p384, OSSL_PKEY_PARAM_EC_PUB_Y, 48);
    const char  *zero = b64((at_str_t) { sign_alloc(32), 32 });

    /* beside the members of an RSA key */
    static const char  *members[] = {
        "'d':'AQAB'", "'d':0", "'d':{}", "'d':false", "'p':'AQAB'",
        "'q':'AQAB'", "'dp':'AQAB'", "'dq':'AQAB'", "'qi':'AQAB'",
        "'oth':[null]", "'oth':{}", "'k':'AQAB'", "'x5c':[{}]", "'x5c':{}",
        "'x5c':['AAAA']", "'x5c':[7]", "'x5c':'AAA*'", "'issuer':7",
        "'issuer':['https://x/']", "'issuer':{}", "'use':7", "'use':{}",
        "'use':'SIG'", "'use':['sig']", "'key_ops':['sign']",
        "'key_ops':['encrypt']", "'key_ops':[null]", "'key_ops':'verify'",
        "'key_ops':{}", "'key_ops':[1,null]", "'alg':'RS1'", "'alg':'none'",
        "'alg':'HS256'", "'alg':'RSA-OAEP'", "'alg':256", "'alg':'ES256'",
        "'alg':'ES512'", "'alg':'EdDSA'", "'alg':'Ed25519'", "'kid':7",
        "'kid':{}", "'kid':['a']", "'kid':'a\\u0000b'", "'alg':'RS256\\u0000'",
        "'use':'sig\\u0000'", "'d':'\\u0000'"
    };

    const struct { const char *name, *key; } cases[] = {
        { "no kty", "{'n':'AQAB','e':'AQAB'}" },
        { "kty of no kind", "{'kty':'XYZ'}" },
        { "kty in lower case", format("{'kty':'rsa','n':'%s','e':'AQAB'}",
                                      n) },
        { "kty a number", format("{'kty':1,'n':'%s','e':'AQAB'}", n) },
        { "an empty key", "{}" },
        { "RSA without n", "{'kty':'RSA','e':'AQAB'}" },
        { "RSA without e", format("{'kty':'RSA','n':'%s'}", n) },
        { "n empty", rsa_jwk("", "AQAB") }, { "e empty", rsa_jwk(n, "") },
        { "n a number", "{'kty':'RSA','n':65537,'e':'AQAB'}" },
        { "n null", "{'kty':'RSA','n':null,'e':'AQAB'}" },
        { "n with padding in the middle", rsa_jwk(format("AA==%s", n),
                                                  "AQAB") },
        { "n of padding", rsa_jwk("====", "AQAB") },
        { "n = 0", rsa_jwk("AAAAAAAA", "AQAB") },
        { "n with a newline", rsa_jwk(format("%s\\n", n), "AQAB") },
        { "n with a space", rsa_jwk(format(" %s", n), "AQAB") },
        { "n and e swapped", rsa_jwk("AQAB", n) },
        { "e = 1", rsa_jwk(n, "AQ") }, { "e = 2", rsa_jwk(n, "Ag") },
        { "e = 3", rsa_jwk(n, "Aw") }, { "e = 0", rsa_jwk(n, "AA") },
        { "e = 65536", rsa_jwk(n, "AQAA") },
        { "e = 2^32 + 1", rsa_jwk(n, "AQAAAAE") },
        { "n of 64 bits", rsa_jwk("__________8", "AQAB") },
        { "n of 16,384 bits",
          rsa_jwk(jwk_number(key_rsa_public(number_like_modulus(16384),
                                            number("010001")),
                             OSSL_PKEY_PARAM_RSA_N, 0), "AQAB") },
        { "n of 1,024 bits", jwk(key_rsa(1024), "") },
        { "n of 1,024 bits after 128 zero bytes",
          rsa_jwk(zeros_before(128, jwk_number(key_rsa(1024),
                                               OSSL_PKEY_PARAM_RSA_N, 0)),
                  "AQAB") },
        { "n of 2,040 bits after a zero byte",
          rsa_jwk(zeros_before(1, jwk_number(key_rsa(2040),
                                             OSSL_PKEY_PARAM_RSA_N, 0)),
                  "AQAB") },
        { "e = 1 after zero bytes", rsa_jwk(n, "AAAAAQ") },
        { "d of an EC key", jwk(p256, ",'d':'AQAB'") },
        { "d of an Ed25519 key", jwk(ed, ",'d':'AQAB'") },
        { "x5c of another key", jwk(rsa, format(",'x5c':['%s']", x5c(rsa2))) },
        { "x5c of another kind", jwk(rsa, format(",'x5c':['%s']",
                                                 x5c(p256))) },
        { "x5c of another key, a string",
          jwk(rsa, format(",'x5c':'%s'", x5c(rsa2))) },
        { "alg of another curve", jwk(p384, ",'alg':'ES256'") },
        { "oct", "{'kty':'oct','k':'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ'}" },
        { "oct for RS256", "{'kty':'oct','alg':'RS256','k':'AyM1'}" },
        { "no crv", format("{'kty':'EC','x':'%s','y':'%s'}", x, y) },
        { "crv unknown", ec_jwk("P-257", x, y) },
        { "crv in OpenSSL's words", ec_jwk("prime256v1", x, y) },
        { "crv secp256k1", ec_jwk("secp256k1", x, y) },
        { "crv of another point", ec_jwk("P-384", x, y) },
        { "crv too small for the point", ec_jwk("P-256", x384, y384) },
        { "a point off the curve", ec_jwk("P-256", x, other_point(y)) },
        { "a P-384 point off the curve",
          ec_jwk("P-384", other_point(x384), y384) },
        { "x and y swapped", ec_jwk("P-256", y, x) },
        { "the point 0, 0", ec_jwk("P-256", zero, zero) },
        { "x too short",
          ec_jwk("P-256", b64((at_str_t) { unb64(x).data, 31 }), y) },
        { "x with a byte behind it",
          ec_jwk("P-256", b64(join(unb64(x), at_str("\1"))), y) },
        { "x with a zero byte behind it",
          ec_jwk("P-256", b64(join(unb64(x), at_str("\0"))), y) },
        { "the points of P-521 as P-384",
          format("{'kty':'EC','crv':'P-384',%s", strstr(jwk(p521, ""),
                                                        "\"x\"")) },
        { "kty EC without numbers", "{'kty':'EC','crv':'P-521'}" },
        { "x far too long", ec_jwk("P-256", x384, x384) },
        { "no y", format("{'kty':'EC','crv':'P-256','x':'%s'}", x) },
        { "Ed448", jwk(key_named("ED448"), "") },
        { "X25519", jwk(key_named("X25519"), "") },
        { "X25519 as EC",
          format("{'kty':'EC','crv':'X25519','x':'%s'}", zero) },
        { "Ed25519 with a short x",
          "{'kty':'OKP','crv':'Ed25519','x':'AAAA'}" },
        { "Ed25519 with a long x",
          format("{'kty':'OKP','crv':'Ed25519','x':'%s'}",
                 zeros_before(1, zero)) },
        { "Ed25519 after zero bytes",
          format("{'kty':'OKP','crv':'Ed25519','x':'AAAA%s'}", zero) },
        { "Ed25519 of low order", jwk(ed25519_identity(), "") },
        { "Ed25519 of order 4",
          format("{'kty':'OKP','crv':'Ed25519','x':'%s'}", zero) },
        { "Ed25519 without x", "{'kty':'OKP','crv':'Ed25519'}" },
        { "kid of 1,025 bytes", jwk(rsa, format(",'kid':'%01025d'", 0)) },
        { "a number for a key", "7" }, { "null for a key", "null" },
        { "an array for a key", "[]" }, { "a string for a key", "'RSA'" },
    };

    for (i = 0; i < N(members); i++) {
        test_ignored(members[i], jwk(rsa, format(",%s", members[i])), 1);
    }

    for (i = 0; i < N(cases); i++) {
        test_ignored(cases[i].name, cases[i].key, 1);
    }

    test_ignored("use enc", jwk(rsa, ",'use':'enc'"), 0);
    test_ignored("use enc, alg RSA-OAEP",
                 jwk(rsa, ",'use':'enc','alg':'RSA-OAEP'"), 0);

    /* half of all moduli differ in the two alphabets */
    if (strcmp(standard_alphabet(n), n) != 0) {
        test_ignored("n in the standard alphabet",
                     rsa_jwk(standard_alphabet(n), "AQAB"), 1);
    } else {
        skip("this n is the same in both alphabets");
    }
}


static void
test_algs(void)
{
    at_keyset_t  *set;

    is_int(count(jwks(jwk(rsa, ",'alg':'RS512'")), RS256), 0,
           "alg RS512 if only RS256 is accepted");

    set = parse(jwks(jwk(rsa, ",'alg':'RS512'")), ALL);
    is_int(set ? at_key_algs(set->keys[0].key) : 0, at_alg_bit(AT_RS512),
           "a key with an alg is for this algorithm only");
    at_keyset_free(set);

    set = parse(jwks(jwk(rsa, "")), RS256 | at_alg_bit(AT_ES256));
    is_int(set ? at_key_algs(set->keys[0].key) : 0, RS256,
           "a key without alg is for all accepted algorithms of its kty");
    at_keyset_free(set);

    is_int(count(jwks(jwk(p256, "")), RS256), 0,
           "a key that fits no accepted algorithm");
}


static void
test_sets(void)
{
    size_t       i;
    const char  *good = jwk(rsa, ",'kid':'a'");

    const struct { const char *name, *text; size_t n; } cases[] = {
        { "{}", "{}", 0 }, { "no key", "{'keys':[]}", 0 },
        { "keys an object", "{'keys':{}}", 0 },
        { "keys null", "{'keys':null}", 0 },
        { "keys a string", "{'keys':'x'}", 0 },
        { "one key", format("{'keys':[%s]}", good), 1 },
        { "a bare key", good, 0 },
        { "an array of keys", format("[%s]", good), 0 },
        { "two keys of one kid",
          format("{'keys':[%s,%s]}", good, jwk(rsa2, ",'kid':'a'")), 2 },
        { "oct and RSA",
          format("{'keys':[{'kty':'oct','k':'AQAB'},%s]}", good), 1 },
        { "all kinds",
          format("{'keys':[%s,%s,%s,%s]}", good, jwk(p256, ""), jwk(p384, ""),
                 jwk(ed, "")), 4 },
        { "keys twice", format("{'keys':[%s],'keys':[%s]}", good, good), 0 },
        { "duplicate keys, escaped",
          format("{'keys':[],'k\\u0065ys':[%s]}", good), 0 },
        { "kty twice", format("{'keys':[{'kty':'oct',%s]}", good + 1), 0 },
        { "a byte order mark", format("\xef\xbb\xbf{'keys':[%s]}", good), 1 },
        { "a byte order mark and a line",
          format("\xef\xbb\xbf\r\n{'keys':[%s]}", good), 1 },
        { "two byte order marks",
          format("\xef\xbb\xbf\xef\xbb\xbf{'keys':[%s]}", good), 0 },
        { "a byte order mark after the set",
          format("{'keys':[%s]}\xef\xbb\xbf", good), 0 },
        { "half a byte order mark", format("\xef\xbb{'keys':[%s]}", good), 0 },
        { "trailing garbage", format("{'keys':[%s]}x", good), 0 },
        { "a set twice", format("{'keys':[%s]}{'keys':[]}", good), 0 },
        { "trailing newline", format("{'keys':[%s]}\r\n", good), 1 },
        { "spaces before", format(" \r\n\t{'keys':[%s]}", good), 1 },
        { "a trailing comma", format("{'keys':[%s,]}", good), 0 },
        { "cut", format("{'keys':[%s]", good), 0 },
        { "other members", format("{'x':1,'keys':[%s],'y':[]}", good), 1 },
        { "an integer beyond 64 bits",
          format("{'keys':[%s],'version':18446744073709551616}", good), 1 },
        { "a member of a key with an integer of 40 digits",
          format("{'keys':[{'exp':%040d,%s]}", 9, good + 1), 0 },
        { "a member of a key with a large integer",
          format("{'keys':[{'exp':9%039d,%s]}", 9, good + 1), 1 },
        { "HTML", "<!DOCTYPE html><html><body>404</body></html>", 0 },
        { "an error in JSON", "{'error':'not found'}", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(count(str(quoted(str(cases[i].text))), ALL), cases[i].n,
               "%s: %zu keys", cases[i].name, cases[i].n);
    }

    is_int(count(join(jwks(good), at_str("\0")), ALL), 0,
           "a trailing NUL byte");
    is_int(count(join(jwks(good), at_str("\0junk")), ALL), 0,
           "a NUL byte and trailing data");
}


static void
test_thousand_keys(void)
{
    size_t        len = 0, i;
    at_keyset_t  *set;
    const char   *key = jwk(p256, "");
    char         *text = sign_alloc(1000 * (strlen(key) + 32));

    for (i = 0; i < 1000; i++) {
        len += (size_t) sprintf(text + len, "%s%.*s,'kid':'k%zu'}",
                                i ? "," : "", (int) strlen(key) - 1, key, i);
    }

    set = parse(jwks(text), ALL);

    if (ok(set != NULL && set->n == 128, "1,000 keys: the first 128 count")) {
        is_bytes(set->keys[127].kid, at_str("k127"),
                 "1,000 keys: the first 128 in their order");
    }

    is_int(warned.n, 1, "1,000 keys: one warning");
    ok(strstr(warned.text, "872 further keys") != NULL,
       "1,000 keys: it has their number: %s", warned.text);
    at_keyset_free(set);

    /* entries count, not usable keys */
    set = parse(jwks(text), RS256);
    ok(set == NULL, "1,000 keys of another type");
    is_int(warned.n, 129, "1,000 keys of another type: 129 warnings");
    at_keyset_free(set);
}


/* the stored form of a fetched set */
static void
test_to_jwks(void)
{
    size_t        i;
    char         *text;
    at_str_t      list;
    at_keyset_t  *set, *again;

    list = jwks(format("%s,%s,%s,{'kty':'RSA','kid':'bad'},%s,%s",
                       jwk(rsa, format(",'kid':'h\xc3\xa9 1','x5c':['%s'],"
                                       "'issuer':'https://x/','z':[7]",
                                       x5c(rsa))),
                       jwk(rsa2, ",'use':'enc'"), jwk(p521, ",'d':null"),
                       jwk(ed, ",'alg':'Ed25519','kid':''"),
                       rsa_jwk(zeros_before(1, jwk_number(rsa2,
                               OSSL_PKEY_PARAM_RSA_N, 0)), "AQAB==")));
    set = parse(list, ALL);

    if (!ok(set != NULL && set->n == 4, "a set of four usable keys")) {
        return;
    }

    text = at_keyset_to_jwks(set);
    ok(text != NULL && strlen(text) < list.len / 2
       && strstr(text, "\"x5c\"") == NULL && strstr(text, "\"bad\"") == NULL,
       "the text has nothing but the usable keys");

    again = parse(str(text), ALL);
    is_int(warned.n, 0, "no key of the text is ignored");

    if (ok(again != NULL && again->n == set->n, "it has the same keys")) {
        for (i = 0; i < set->n; i++) {
            is_bytes(again->keys[i].kid, set->keys[i].kid, "the same kid");
            is_bytes(again->keys[i].issuer, set->keys[i].issuer,
                     "the same issuer");
            is_int(at_key_algs(again->keys[i].key),
                   at_key_algs(set->keys[i].key), "the same algorithms");
            ok(memcmp(at_key_digest(again->keys[i].key),
                      at_key_digest(set->keys[i].key), AT_SHA256_LEN) == 0,
               "the same key");
        }
    }

    free(text);
    at_keyset_free(set);
    at_keyset_free(again);
}


static void
test_warnings(void)
{
    size_t  i;

    static const struct { const char *key, *says; } cases[] = {
        { "{'kty':'RSA','kid':'a b'}", "key 2 is ignored, kid: \"a b\": " },
        { "{'kty':'RSA','kid':'h\xc3\xa9\\n\\\"'}",
          "kid: \"h\\xc3\\xa9\\x0a\\x22\": " },
        { "{'kty':'RSA'}", "key 2 is ignored: " },
        { "{'kty':'RSA','kid':7}", "key 2 is ignored: " },
        { "null", "key 2 is ignored: it is not a JSON object" },
    };

    for (i = 0; i < N(cases); i++) {
        at_keyset_free(parse(jwks(format("%s,%s", jwk(rsa, ""),
                                         cases[i].key)), ALL));
        ok(strstr(warned.text, cases[i].says) != NULL, "warning: %s",
           warned.text);
    }

    at_keyset_free(parse(jwks(format("%s,{'kid':'%01000d'}", jwk(rsa, ""),
                                     0)), ALL));
    ok(strlen(warned.text) < 300 && strstr(warned.text, "0...\": ") != NULL,
       "a long kid is truncated in a warning: %s", warned.text);

    at_keyset_free(parse(jwks(jwk(rsa, ",'kid':'k','x5c':['AAAA']")), ALL));
    is_str(warned.text, "key 1 is ignored, kid: \"k\": \"x5c\" is not a valid "
           "certificate", "the warning says what is wrong");
}


/* a JSON string without quotes inside, as jwks() replaces them */
static char *
json_text(at_str_t text)
{
    size_t   i, n = 1;
    char    *out = format("\"%*s", (int) (6 * text.len + 2), "");

    for (i = 0; i < text.len; i++) {
        n += (size_t) sprintf(out + n,
                              text.data[i] >= 0 && (text.data[i] < 0x20
                              || strchr("'\"\\", text.data[i]) != NULL)
                              ? "\\u%04x" : "%c", text.data[i]);
    }

    (void) strcpy(out + n, "\"");

    return out;
}


/* AddressSanitizer counts nothing here, and the test passes */
static size_t
allocated(void)
{
    struct mallinfo2  info = mallinfo2();

    return info.uordblks + info.hblkhd;
}


static void
test_large_document(void)
{
    size_t        before, len = 0;
    at_keyset_t  *set;
    char         *items = sign_alloc(1000000), *text;

    while (len < 900000) {
        len += (size_t) sprintf(items + len, "{},");
    }

    text = json("{'keys':[%s],'x':[%s1]}", jwk(p256, ",'kid':'a'"), items);
    before = allocated();
    set = parse(str(text), ALL);

    ok(set != NULL && allocated() < before + 100000,
       "a key set does not keep a document of 900 kB");
    at_keyset_free(set);
}


static void
test_kids(void)
{
    size_t        i, len;
    at_keyset_t  *set;

    static const at_str_t  valid[] = {
        at_str("a"), at_str("2026-11"), at_str("A.b_c-d~e"),
        at_str("bilbo.baggins@hobbiton.example"), at_str("a/b+c="),
        at_str("nOo3ZDrODXEK1jKWhXslHR_KXEg"), at_str("urn:x:1"), at_str("."),
        at_str(" "), at_str("a b"), at_str("a\n"), at_str("a\r\nb"),
        at_str("\x7f"), at_str("h\xc3\xa9"), at_str("\xe2\x82\xac"),
        at_str("\xf0\x9f\x94\x91"), at_str("a\"b"), at_str("a\\b"),
        at_str("' OR '1'='1"), at_str("<b>"), at_str("../../dev/null"),
        at_str("\x1b[31m")
    };
    static const at_str_t  invalid[] = {
        at_str(""), at_str("a\0b"), at_str("\0"), at_str("a\0"),
        at_str("\x80"), at_str("h\xc3"), at_str("\xc0\x80"),
        at_str("\xed\xa0\x80"), at_str("\xff")
    };

    for (i = 0; i < N(valid); i++) {
        ok(at_kid_is_valid(valid[i]), "valid kid %zu", i);

        set = parse(jwks(jwk(rsa, format(",\"kid\":%s",
                                         json_text(valid[i])))), ALL);
        ok(set != NULL && at_str_equal(set->keys[0].kid, valid[i]),
           "a key with valid kid %zu: %s", i, set ? "" : err.text);
        at_keyset_free(set);
    }

    for (i = 0; i < N(invalid); i++) {
        ok(!at_kid_is_valid(invalid[i]), "invalid kid %zu", i);
    }

    ok(!at_kid_is_valid((at_str_t) { NULL, 0 }),
       "the empty view is not a kid");

    for (len = 1023; len <= 1026; len++) {
        is_int(at_kid_is_valid((at_str_t) { memset(sign_alloc(len), 'k', len),
                                            len }),
               len <= AT_KID_LEN_MAX, "a kid of %zu bytes", len);
    }

    set = parse(jwks(jwk(rsa, format(",'kid':'%01024d'", 7))), ALL);
    ok(set != NULL && set->keys[0].kid.len == 1024,
       "a key with a kid of 1,024 bytes");
    at_keyset_free(set);
}


/* signatures of the RFCs are valid; keys with private members are refused */
static void
test_rfc(void)
{
    char         *text;
    size_t        i;
    json_t       *list, *entry, *key;
    const char   *name, *token, *dot;
    at_alg_e      alg;
    at_keyset_t  *set;

    list = data_json("t/data/rfc/tokens.json");

    json_array_foreach(list, i, entry) {
        name = json_string_value(json_object_get(entry, "name"));
        token = json_string_value(json_object_get(entry, "token"));
        key = json_object_get(entry, "jwk");
        alg = at_alg_find(str(json_string_value(json_object_get(entry,
                                                                "alg"))));

        if (key == NULL) {
            continue;
        }

        text = json_dumps(key, JSON_COMPACT);
        set = parse(jwks(text), ALL);
        free(text);

        if (strcmp(json_string_value(json_object_get(entry, "verdict")),
                   "bad_alg") == 0)
        {
            ok(set == NULL, "%s: a key of an unsupported algorithm", name);

        } else if (ok(set != NULL, "%s: the key", name)) {
            dot = strrchr(token, '.');
            is_int(at_key_verify(set->keys[0].key, alg,
                                 (at_str_t) { token, (size_t) (dot - token) },
                                 unb64(dot + 1)),
                   AT_SIGNATURE_VALID, "%s: the signature", name);
        }

        at_keyset_free(set);
    }

    json_decref(list);
}


static void
test_rfc_private(void)
{
    size_t     i;
    at_file_t  file;

    static const char  *names[] = {
        "rfc7515_A.2.jwk", "rfc7515_A.3.jwk", "rfc7520_3.2.jwk",
        "rfc7520_3.4.jwk", "rfc7520_3.5.jwk", "rfc7517_A.2.jwkset",
        "rfc7517_A.3.jwkset"
    };

    for (i = 0; i < N(names); i++) {
        file = data_read(format("t/data/jose-vectors/%s", names[i]));
        is_int(count(strstr(names[i], "set")
                     ? (at_str_t) { file.data, file.len } : jwks(file.data),
                     ALL),
               0, "%s holds private or secret keys", names[i]);
        at_file_free(&file);
    }

    file = data_read("t/data/jose-vectors/rfc7517_A.1.jwkset");
    is_int(count((at_str_t) { file.data, file.len }, ALL), 1,
           "RFC 7517 A.1: an encryption key is ignored");
    is_int(warned.n, 0, "RFC 7517 A.1: without a warning");
    at_file_free(&file);
}


int
main(void)
{
    rsa = key_rsa(2048);
    rsa2 = key_rsa(2048);
    p256 = key_ec("P-256");
    p384 = key_ec("P-384");
    p521 = key_ec("P-521");
    ed = key_named("ED25519");

    /* an encrypted key must not cause a prompt for a password */
    (void) alarm(120);

    test_pem_taken();
    test_pem_refused();
    test_pem_cut(rsa);
    test_pem_cut(p256);
    RUN(test_certificates, test_jwk_taken, test_thumbprints, test_jwk_numbers,
        test_jwk_refused, test_algs, test_sets, test_thousand_keys,
        test_large_document, test_to_jwks, test_warnings, test_kids, test_rfc,
        test_rfc_private);

    sign_end();

    return tap_done();
}
