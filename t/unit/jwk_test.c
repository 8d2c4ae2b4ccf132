/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: key-file, import-atomic, jwk-members, jwk-set, jwk-purpose,
 *   header-kid, rfc-vectors.
 */

#include <malloc.h>
#include <unistd.h>

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_key.h"
#include "data.h"
#include "sign.h"
#include "tap.h"


#define ALL       ((1u << AT_ALGS) - 1)
#define RS256     at_alg_bit(AT_RS256)

#define TEXT      at_str("eyJhbGciOiJ4In0.e30")


static EVP_PKEY  *rsa, *rsa2, *p256, *p384, *ed;

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
        ok(0, "a set has 1 to 64 keys");
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
        { "a certificate of an EC key", pem_certificate(p384), p384,
          AT_ES384 },
        { "an Ed25519 key", pem_public(ed), ed, AT_EDDSA },
        { "a certificate of Ed25519", pem_certificate(ed), ed, AT_EDDSA },
        { "CR LF", crlf(pem), rsa, AT_RS256 },
        { "comments before", join(at_str("# the key of 2026\n\n"), pem), rsa,
          AT_RS256 },
        { "comments behind", join(pem, at_str("# that was it\n")), rsa,
          AT_RS256 },
        { "spaces before", join(at_str(" \r\n\t\n"), pem), rsa, AT_RS256 },
        { "no newline at the end", { pem.data, pem.len - 1 }, rsa, AT_RS256 },
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
        { "words", at_str("no key\n"), "" },
        { "a NUL byte", at_str("\0"), "" },
        { "two PEMs", join(public, pem_public(rsa2)), "more than one" },
        { "the same PEM twice", join(public, public), "more than one" },
        { "two certificates", join(pem_certificate(rsa),
                                   pem_certificate(rsa2)), "more than one" },
        { "public and private", join(public, pem_private(rsa, NULL)), "" },
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
        { "P-521", pem_public(key_ec("P-521")), "" },
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


static void
test_jwk_taken(void)
{
    size_t  i;

    const struct {
        const char *name; EVP_PKEY *pkey; at_alg_e alg; const char *more;
    } cases[] = {
        { "RSA", rsa, AT_RS256, "" }, { "RSA for PS512", rsa, AT_PS512, "" },
        { "P-256", p256, AT_ES256, "" }, { "P-384", p384, AT_ES384, "" },
        { "Ed25519", ed, AT_EDDSA, "" },
        { "use sig", rsa, AT_RS256, ",'use':'sig'" },
        { "key_ops verify", rsa, AT_RS256, ",'key_ops':['verify']" },
        { "key_ops sign, verify", rsa, AT_RS256,
          ",'key_ops':['sign','verify']" },
        { "alg RS256", rsa, AT_RS256, ",'alg':'RS256'" },
        { "unknown members", rsa, AT_RS256,
          ",'nbf':1,'cloud':'x','x5t':'AA','x5u':'http://x/'" },
        { "a key in the form of Entra", rsa, AT_RS256,
          format(",'use':'sig','x5t':'-KI3Q9nNR7bRofxmeZoXqbHZGew',"
                 "'x5c':['%s'],'issuer':'https://x/{tenantid}/v2.0'",
                 x5c(rsa)) },
        { "x5c of the same key", rsa, AT_RS256,
          format(",'x5c':['%s']", x5c(rsa)) },
        { "x5c of the same EC key", p256, AT_ES256,
          format(",'x5c':['%s']", x5c(p256)) },
        { "x5c with a chain", rsa, AT_RS256,
          format(",'x5c':['%s','%s']", x5c(rsa), x5c(rsa2)) },
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
leading_zero(const char *text)
{
    return b64(join(at_str("\0"), unb64(text)));
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


/* the largest of the members that share a bit is changed */
static char *
other_point(const char *text)
{
    at_str_t  raw = unb64(text);

    ((char *) (uintptr_t) raw.data)[raw.len - 1] ^= 1;

    return b64(raw);
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
        "'d':'AQAB'", "'d':null", "'p':'AQAB'", "'q':'AQAB'", "'dp':'AQAB'",
        "'dq':'AQAB'", "'qi':'AQAB'", "'oth':[]", "'k':'AQAB'", "'x5c':[]",
        "'x5c':['AAAA']", "'x5c':[7]", "'issuer':7", "'issuer':null",
        "'issuer':['https://x/']", "'issuer':'','kid':'a'", "'use':7",
        "'use':'SIG'", "'use':''", "'key_ops':['sign']",
        "'key_ops':['encrypt']", "'key_ops':[]", "'key_ops':'verify'",
        "'key_ops':[1,null]", "'alg':'RS1'", "'alg':'none'", "'alg':'HS256'",
        "'alg':'RSA-OAEP'", "'alg':256", "'alg':null", "'alg':'ES256'",
        "'alg':'EdDSA'", "'kid':7", "'kid':null", "'kid':''", "'kid':'a\\nb'"
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
        { "n with a leading zero byte", rsa_jwk(leading_zero(n), "AQAB") },
        { "e with a leading zero byte", rsa_jwk(n, "AAEAAQ") },
        { "n with padding", rsa_jwk(format("%s==", n), "AQAB") },
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
        { "d of an EC key", jwk(p256, ",'d':'AQAB'") },
        { "d of an Ed25519 key", jwk(ed, ",'d':'AQAB'") },
        { "x5c of another key", jwk(rsa, format(",'x5c':['%s']", x5c(rsa2))) },
        { "x5c of another kind", jwk(rsa, format(",'x5c':['%s']",
                                                 x5c(p256))) },
        { "x5c a string", jwk(rsa, format(",'x5c':'%s'", x5c(rsa))) },
        { "alg of another curve", jwk(p384, ",'alg':'ES256'") },
        { "oct", "{'kty':'oct','k':'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ'}" },
        { "oct for RS256", "{'kty':'oct','alg':'RS256','k':'AyM1'}" },
        { "no crv", format("{'kty':'EC','x':'%s','y':'%s'}", x, y) },
        { "crv unknown", ec_jwk("P-257", x, y) },
        { "crv in OpenSSL's words", ec_jwk("prime256v1", x, y) },
        { "crv secp256k1", ec_jwk("secp256k1", x, y) },
        { "P-521", jwk(key_ec("P-521"), "") },
        { "crv of another point", ec_jwk("P-384", x, y) },
        { "crv too small for the point", ec_jwk("P-256", x384, y384) },
        { "a point off the curve", ec_jwk("P-256", x, other_point(y)) },
        { "a P-384 point off the curve",
          ec_jwk("P-384", other_point(x384), y384) },
        { "x and y swapped", ec_jwk("P-256", y, x) },
        { "the point 0, 0", ec_jwk("P-256", zero, zero) },
        { "x too short",
          ec_jwk("P-256", b64((at_str_t) { unb64(x).data, 31 }), y) },
        { "x too long", ec_jwk("P-256", leading_zero(x), y) },
        { "y too long", ec_jwk("P-256", x, leading_zero(y)) },
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
                 leading_zero(zero)) },
        { "Ed25519 without x", "{'kty':'OKP','crv':'Ed25519'}" },
        { "kid of 257 bytes", jwk(rsa, format(",'kid':'%0257d'", 0)) },
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
        { "a BOM", format("\xef\xbb\xbf{'keys':[%s]}", good), 0 },
        { "trailing garbage", format("{'keys':[%s]}x", good), 0 },
        { "a set twice", format("{'keys':[%s]}{'keys':[]}", good), 0 },
        { "trailing newline", format("{'keys':[%s]}\r\n", good), 1 },
        { "spaces before", format(" \r\n\t{'keys':[%s]}", good), 1 },
        { "a trailing comma", format("{'keys':[%s,]}", good), 0 },
        { "cut", format("{'keys':[%s]", good), 0 },
        { "other members", format("{'x':1,'keys':[%s],'y':[]}", good), 1 },
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

    if (ok(set != NULL && set->n == 64, "1,000 keys: the first 64 count")) {
        is_bytes(set->keys[63].kid, at_str("k63"),
                 "1,000 keys: the first 64 in their order");
    }

    is_int(warned.n, 1, "1,000 keys: one warning");
    at_keyset_free(set);
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
        at_str("nOo3ZDrODXEK1jKWhXslHR_KXEg"), at_str("urn:x:1"), at_str(".")
    };
    static const at_str_t  invalid[] = {
        at_str(""), at_str(" "), at_str("a b"), at_str("a\n"),
        at_str("a\r\nb"), at_str("a\0b"), at_str("\0"), at_str("a\tb"),
        at_str("\x7f"), at_str("\x80"), at_str("h\xc3\xa9"), at_str("a\"b"),
        at_str("' OR '1'='1"), at_str("'"), at_str("a\\b"), at_str("<b>"),
        at_str("../../../../dev/null"), at_str("a..b"), at_str(".."),
        at_str("`id`"), at_str("\x1b[31m")
    };

    for (i = 0; i < N(valid); i++) {
        ok(at_kid_is_valid(valid[i]), "valid kid '%s'", valid[i].data);
    }

    for (i = 0; i < N(invalid); i++) {
        ok(!at_kid_is_valid(invalid[i]), "invalid kid '%.*s'",
           (int) invalid[i].len, invalid[i].data);
    }

    ok(!at_kid_is_valid((at_str_t) { NULL, 0 }), "the empty view is not a kid");

    for (len = 255; len <= 258; len++) {
        is_int(at_kid_is_valid((at_str_t) { memset(sign_alloc(len), 'k', len),
                                            len }),
               len <= AT_KID_LEN_MAX, "a kid of %zu bytes", len);
    }

    set = parse(jwks(jwk(rsa, format(",'kid':'%0256d'", 7))), ALL);
    ok(set != NULL && set->keys[0].kid.len == 256,
       "a key with a kid of 256 bytes");
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
    ed = key_named("ED25519");

    /* an encrypted key must not cause a prompt for a password */
    (void) alarm(120);

    test_pem_taken();
    test_pem_refused();
    test_pem_cut(rsa);
    test_pem_cut(p256);
    RUN(test_jwk_taken, test_jwk_refused, test_algs, test_sets,
        test_thousand_keys, test_large_document, test_kids, test_rfc,
        test_rfc_private);

    sign_end();

    return tap_done();
}
