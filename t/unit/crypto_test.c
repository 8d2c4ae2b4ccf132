/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: header-alg, alg-none, signature-valid, alg-mix-up,
 *   ecdsa-shape, jwk-purpose, rsa-strength, ed25519-points,
 *   signature-bit-flip, signature-shape.
 */

#include "core/base/at_crypto.h"
#include "core/jose/at_key.h"
#include "sign.h"
#include "tap.h"


#define ALL       ((1u << AT_ALGS) - 1)
#define TEXT      at_str("header.payload")


static EVP_PKEY  *rsa, *p256, *p384, *p521, *ed;


static EVP_PKEY *
key_of(unsigned alg)
{
    return alg <= AT_PS512 ? rsa : alg == AT_ES256 ? p256
           : alg == AT_ES384 ? p384 : alg == AT_ES512 ? p521 : ed;
}


static at_key_t *
create(EVP_PKEY *pkey, unsigned algs)
{
    at_error_t   err;
    at_key_t    *key = at_key_create(pkey, algs, &err);

    must(key != NULL, err.text);

    return key;
}


/* whether a key is refused with a text that says why */
static int
is_refused(EVP_PKEY *pkey, unsigned algs, const char *says)
{
    int          refused;
    at_error_t   err = { { 0 } };
    at_key_t    *key = at_key_create(pkey, algs, &err);

    if (ERR_peek_error() != 0) {
        ok(0, "the error queue is empty");
    }

    refused = key == NULL && err.text[0] != '\0'
              && strstr(err.text, says) != NULL;
    at_key_free(key);

    return refused;
}


/* also checks that the error queue of OpenSSL is empty */
static at_signature_e
verify(at_key_t *key, at_alg_e alg, at_str_t text, at_str_t signature)
{
    char            *copy = exact_copy(signature);
    at_signature_e   result;

    ERR_clear_error();
    result = at_key_verify(key, alg, text, (at_str_t) { copy, signature.len });

    if (ERR_peek_error() != 0) {
        ok(0, "the error queue is empty");
        ERR_print_errors_fp(stdout);
    }

    free(copy);

    return result;
}


/* whether a signature of TEXT is invalid */
static int
is_invalid(at_key_t *key, at_alg_e alg, at_str_t signature)
{
    return verify(key, alg, TEXT, signature) == AT_SIGNATURE_INVALID;
}


static void
test_names(void)
{
    unsigned  alg;

    static const char  *names[] = {
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
        "ES512", "EdDSA", "Ed25519"
    };

    static const at_str_t  others[] = {
        at_str(""), at_str("none"), at_str("None"), at_str("nOnE"),
        at_str("NONE"), at_str("none "), at_str("HS256"), at_str("HS384"),
        at_str("HS512"), at_str("hs256"), at_str("rs256"), at_str("Rs256"),
        at_str(" RS256"), at_str("RS256 "), at_str("RS256\0"), at_str("RS25"),
        at_str("RS2566"), at_str("ES521"), at_str("ES256K"), at_str("EDDSA"),
        at_str("ed25519"), at_str("Ed448"), at_str("RSA-OAEP"), at_str("dir"),
        at_str("RS256,RS384"), { NULL, 0 },
    };

    is_int(N(names), AT_ALGS, "each algorithm has a name");

    for (alg = 0; alg < N(names); alg++) {
        is_int(at_alg_find(str(names[alg])), alg, "%s", names[alg]);
        is_bytes(at_alg_name((at_alg_e) alg), str(names[alg]),
                 "the name of the algorithm");
    }

    for (alg = 0; alg < N(others); alg++) {
        is_int(at_alg_find(others[alg]), AT_ALGS, "'%.*s' is not an algorithm",
               (int) others[alg].len,
               others[alg].data ? others[alg].data : "");
    }
}


/*
 * Each signature is valid for its key and algorithm only; EdDSA and Ed25519
 * are the same algorithm.
 */
static void
test_every_alg(void)
{
    unsigned     made, asked, algs, same;
    at_key_t    *key;
    at_str_t     signature;
    const char  *name;

    for (made = 0; made < AT_ALGS; made++) {
        name = at_alg_name((at_alg_e) made).data;
        key = create(key_of(made), ALL);
        signature = sign_alg(key_of(made), (at_alg_e) made, TEXT);

        algs = made <= AT_PS512 ? AT_ALGS_RSA
               : made >= AT_EDDSA ? AT_ALGS_ED25519 : at_alg_bit(made);
        same = made >= AT_EDDSA ? AT_ALGS_ED25519 : at_alg_bit(made);

        is_int(at_key_algs(key), algs, "the algorithms of a key for %s", name);

        for (asked = 0; asked <= AT_ALGS; asked++) {
            is_int(is_invalid(key, (at_alg_e) asked, signature),
                   !(same & at_alg_bit(asked)),
                   "signed by %s, verified by %s", name,
                   asked < AT_ALGS ? at_alg_name((at_alg_e) asked).data
                   : "nothing");
        }

        at_key_free(key);
    }
}


static void
test_restricted(void)
{
    at_key_t  *key = create(rsa, at_alg_bit(AT_RS256) | at_alg_bit(AT_ES256));

    is_int(at_key_algs(key), at_alg_bit(AT_RS256),
           "algorithms that do not fit the key are dropped");
    ok(is_invalid(key, AT_RS512, sign_alg(rsa, AT_RS512, TEXT)),
       "RS512 if only RS256 is accepted");
    ok(is_invalid(key, AT_PS256, sign_alg(rsa, AT_PS256, TEXT)),
       "PS256 if only RS256 is accepted");
    at_key_free(key);

    ok(is_refused(rsa, at_alg_bit(AT_ES256), ""),
       "an RSA key if only ES256 is accepted");
    ok(is_refused(rsa, 0, ""), "a key without accepted algorithms");
    ok(is_refused(p256, at_alg_bit(AT_ES384), ""),
       "a P-256 key if only ES384 is accepted");
    ok(is_refused(p384, at_alg_bit(AT_ES256), ""),
       "a P-384 key if only ES256 is accepted");

    at_key_free(NULL);
}


static void
test_other_types(void)
{
    size_t  i;

    static const char  *curves[] = {
        "secp256k1", "P-224", "brainpoolP256r1", "brainpoolP512r1"
    };

    for (i = 0; i < N(curves); i++) {
        ok(is_refused(key_ec(curves[i]), ALL, ""), "%s is refused", curves[i]);
    }

    ok(is_refused(key_named("ED448"), ALL, ""), "Ed448 is refused");
    ok(is_refused(key_named("X25519"), ALL, ""), "X25519 is refused");
}


/* the curve point of a hexadecimal encoding, least significant byte first */
static EVP_PKEY *
ed25519_key(const char *hex)
{
    EVP_PKEY       *pkey;
    unsigned char   raw[32];
    size_t          len;

    must(OPENSSL_hexstr2buf_ex(raw, sizeof(raw), &len, hex, '\0') == 1
         && len == sizeof(raw), "an encoding has 32 bytes");

    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, len);
    must(pkey != NULL, "no key");
    sign_keep(NULL, pkey);

    return pkey;
}


/*
 * The small-order encodings of "Taming the many EdDSAs", section 5, table 1,
 * and of libsodium: all encodings of the eight points.
 */
static void
test_ed25519_points(void)
{
    size_t  i;

    static const char  *low[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
    };

    /* y = p to 2^255 - 1, with both signs */
    static const char  *not_canonical[] = {
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    };

    /* the base point, RFC 8032 section 7.1 test 1, y = 3 */
    static const char  *good[] = {
        "5866666666666666666666666666666666666666666666666666666666666666",
        "58666666666666666666666666666666666666666666666666666666666666e6",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "0300000000000000000000000000000000000000000000000000000000000000"
    };

    for (i = 0; i < N(low); i++) {
        ok(is_refused(ed25519_key(low[i]), ALL, "low order"),
           "Ed25519 key of low order: %s", low[i]);
    }

    for (i = 0; i < N(not_canonical); i++) {
        ok(is_refused(ed25519_key(not_canonical[i]), ALL, "canonical"),
           "Ed25519 key that is not canonical: %s", not_canonical[i]);
    }

    for (i = 0; i < N(good); i++) {
        at_key_free(create(ed25519_key(good[i]), ALL));
        ok(1, "Ed25519 key: %s", good[i]);
    }

    ok(is_refused(ed25519_key("02000000000000000000000000000000000000000000000"
                              "00000000000000000"), ALL, "not on the curve"),
       "Ed25519 key that is not on the curve");
}


static void
test_rsa_sizes(void)
{
    size_t     i;
    EVP_PKEY  *pkey;

    static const struct { int bits; const char *e; int taken; } cases[] = {
        { 512, "010001", 0 }, { 1024, "010001", 0 }, { 1536, "010001", 0 },
        { 2047, "010001", 0 }, { 2048, "010001", 1 }, { 2049, "010001", 1 },
        { 3072, "010001", 1 }, { 4096, "010001", 1 }, { 8192, "010001", 1 },
        { 8193, "010001", 0 }, { 16384, "010001", 0 },
        { 2048, "00", 0 }, { 2048, "01", 0 }, { 2048, "02", 0 },
        { 2048, "03", 0 }, { 2048, "11", 0 }, { 2048, "FFFF", 0 },
        { 2048, "010000", 0 }, { 2048, "010002", 0 }, { 2048, "010003", 1 },
        { 2048, "FFFFFFFF", 1 }, { 2048, "FFFFFFFE", 0 },
        { 2048, "0100000000", 0 }, { 2048, "0100000001", 0 },
        { 2048, "010000000000000001", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        pkey = key_rsa_public(number_like_modulus(cases[i].bits),
                              number(cases[i].e));
        is_int(is_refused(pkey, ALL, ""), !cases[i].taken,
               "RSA of %d bits, e = 0x%s", cases[i].bits, cases[i].e);
    }
}


static void
test_rsa_odd(void)
{
    BIGNUM  *n = number_like_modulus(2047);

    (void) BN_lshift1(n, n);
    ok(is_refused(key_rsa_public(n, number("010001")), ALL, ""),
       "an even modulus");

    n = number_like_modulus(2040);
    (void) BN_mul_word(n, 251);
    ok(is_refused(key_rsa_public(n, number("010001")), ALL, ""),
       "a modulus with the factor 251");

    /* OpenSSL looks for factors up to 751 */
    n = number_like_modulus(2040);
    (void) BN_mul_word(n, 757);
    ok(is_refused(key_rsa_public(n, number("010001")), ALL, "modulus"),
       "a modulus with the factor 757");

    /* e > n: more than 32 bits */
    ok(is_refused(key_rsa_public(number_like_modulus(2048),
                                 number_like_modulus(2100)), ALL, ""),
       "e > n");

    /*
     * With e = 1 the signature is the padded hash, which needs no key to
     * write.  OpenSSL accepts it, so that the key must be refused.
     */
    ok(is_refused(key_rsa_public(number_like_modulus(2048), number("01")),
                  at_alg_bit(AT_RS256), "exponent"),
       "e = 1 is refused, and the error message names the exponent");
}


/* keys whose signatures a thread verifies */
static void
test_slow_keys(void)
{
    size_t     i;
    at_str_t   signature = { NULL, 0 };
    at_key_t  *key;

    const struct { EVP_PKEY *pkey; size_t len; int slow; } cases[] = {
        { key_rsa_public(number_like_modulus(4096), number("10001")), 512, 0 },
        { key_rsa_public(number_like_modulus(4097), number("10001")), 513, 1 },
        { p256, 64, 0 }, { p384, 96, 1 }
    };

    for (i = 0; i < N(cases); i++) {
        key = create(cases[i].pkey, ALL);
        signature.len = cases[i].len;
        is_int(at_key_is_slow(key, signature), cases[i].slow,
               "a key with signatures of %zu bytes", cases[i].len);
        signature.len++;
        is_int(at_key_is_slow(key, signature), 0,
               "a signature of another length is not verified");
        at_key_free(key);
    }
}


/* a modulus of a vulnerable key: powers of 65537 */
static void
test_roca(void)
{
    BIGNUM    *m = BN_new(), *n = BN_new(), *k = BN_new();
    BN_CTX    *ctx = BN_CTX_new();
    unsigned   p, d;

    (void) BN_one(m);

    for (p = 2; p <= 701; p++) {
        for (d = 2; d * d <= p && p % d != 0; d++) { /* void */ }

        if (d * d > p) {
            (void) BN_mul_word(m, p);
        }
    }

    /* k * M + (65537^a mod M), for any a */
    (void) BN_set_word(n, 65537);
    (void) BN_set_word(k, 123457);
    (void) BN_mod_exp(n, n, k, m, ctx);
    (void) BN_rand(k, 2048 - BN_num_bits(m) + 1, BN_RAND_TOP_TWO,
                   BN_RAND_BOTTOM_ANY);
    (void) BN_mul(k, k, m, ctx);
    (void) BN_add(n, n, k);

    is_int(BN_is_odd(n), 1, "the modulus of a vulnerable key is odd");
    ok(BN_num_bits(n) >= 2048, "and of %d bits", BN_num_bits(n));
    ok(is_refused(key_rsa_public(n, number("010001")), ALL, ""),
       "a modulus with the fingerprint of ROCA");

    BN_free(m);
    BN_free(k);
    BN_CTX_free(ctx);
}


/* with one bit changed */
static at_str_t
changed(at_str_t text, size_t bit)
{
    char  *copy = (char *) (uintptr_t) bytes(text.data, text.len).data;

    copy[bit / 8] ^= (char) (1 << bit % 8);

    return (at_str_t) { copy, text.len };
}


static void
test_every_bit(at_alg_e alg)
{
    size_t       i;
    unsigned     wrong = 0;
    EVP_PKEY    *pkey = key_of(alg);
    at_key_t    *key = create(pkey, ALL);
    at_str_t     text = TEXT, signature = sign_alg(pkey, alg, text);
    const char  *name = at_alg_name(alg).data;

    for (i = 0; i < signature.len * 8; i++) {
        wrong += !is_invalid(key, alg, changed(signature, i));
    }

    is_int(wrong, 0,
           "%s: a signature with one changed bit is invalid, %zu bits", name,
           signature.len * 8);

    wrong = 0;

    for (i = 0; i < text.len * 8; i++) {
        wrong += verify(key, alg, changed(text, i), signature)
                 != AT_SIGNATURE_INVALID;
    }

    is_int(wrong, 0, "%s: each bit of the text changed", name);
    is_int(verify(key, alg, text, signature), AT_SIGNATURE_VALID,
           "%s: unchanged", name);

    at_key_free(key);
}


/* truncated, and with leading and trailing zeros */
static void
test_every_length(at_alg_e alg)
{
    char      *longer;
    size_t     i, len;
    unsigned   wrong = 0;
    EVP_PKEY  *pkey = key_of(alg);
    at_key_t  *key = create(pkey, ALL);
    at_str_t   signature = sign_alg(pkey, alg, TEXT);

    len = signature.len;

    for (i = 0; i < len; i++) {
        wrong += !is_invalid(key, alg, (at_str_t) { signature.data, i });
        wrong += is_invalid(key, alg, (at_str_t) { signature.data + i,
                                                   len - i }) != (i != 0);
    }

    longer = sign_alloc(len + 20);
    memcpy(longer + 10, signature.data, len);

    for (i = 1; i <= 10; i++) {
        wrong += !is_invalid(key, alg, (at_str_t) { longer + 10 - i, len + i })
                 || !is_invalid(key, alg, (at_str_t) { longer + 10, len + i });
    }

    is_int(wrong, 0, "%s: every other length", at_alg_name(alg).data);

    for (i = 0; i < 256; i += 255) {
        memset(longer, (int) i, len);
        ok(is_invalid(key, alg, (at_str_t) { longer, len }),
           "%s: all bytes 0x%02zx", at_alg_name(alg).data, i);
    }

    at_key_free(key);
}


static at_str_t
padded(const BIGNUM *n, size_t len)
{
    unsigned char  *out = sign_alloc(len);

    must(BN_bn2binpad(n, out, (int) len) >= 0, "a number that is too long");

    return (at_str_t) { (char *) out, len };
}


/* other encodings of the signature, equal modulo n */
static void
test_rsa_numbers(void)
{
    BIGNUM    *n = NULL, *s, *x = BN_new();
    at_key_t  *key = create(rsa, ALL);
    at_str_t   signature = sign_alg(rsa, AT_RS256, TEXT);
    size_t     len = signature.len;

    (void) EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n);
    s = BN_bin2bn((const unsigned char *) signature.data, (int) len, NULL);

    (void) BN_add(x, s, n);
    ok(is_invalid(key, AT_RS256, padded(x, len + 1)), "s + n in 257 bytes");

    if (BN_num_bytes(x) <= (int) len) {
        ok(is_invalid(key, AT_RS256, padded(x, len)), "s + n in 256 bytes");
    }

    (void) BN_sub(x, n, s);
    ok(is_invalid(key, AT_RS256, padded(x, len)), "n - s");
    ok(is_invalid(key, AT_RS256, padded(n, len)), "the modulus itself");
    (void) BN_one(x);
    ok(is_invalid(key, AT_RS256, padded(x, len)), "1");
    (void) BN_sub_word(n, 1);
    ok(is_invalid(key, AT_RS256, padded(n, len)), "n - 1");
    BN_zero(x);
    ok(is_invalid(key, AT_RS256, padded(x, len)), "0");
    is_int(verify(key, AT_RS256, TEXT, signature), AT_SIGNATURE_VALID,
           "the signature s");

    BN_free(n);
    BN_free(s);
    BN_free(x);
    at_key_free(key);
}


static void
test_pss_salt(void)
{
    int        salt;
    at_key_t  *key = create(rsa, ALL);

    for (salt = 0; salt <= 64; salt++) {
        is_int(is_invalid(key, AT_PS256, sign_with(rsa, "SHA256", salt, TEXT)),
               salt != 32, "PS256 with a salt of %d bytes", salt);
    }

    ok(is_invalid(key, AT_PS256, sign_with(rsa, "SHA384", 32, TEXT)),
       "PS256 with another hash");

    at_key_free(key);
}


static void
test_ecdsa_numbers(EVP_PKEY *pkey, at_alg_e alg, const char *order)
{
    size_t       i, len;
    BIGNUM      *n = number(order), *zero = number("0"), *one = number("1"),
                *top = BN_dup(n), *r, *s, *other = BN_new(), *sum = BN_new();
    at_key_t    *key = create(pkey, ALL);
    at_str_t     signature = sign_alg(pkey, alg, TEXT);
    const char  *name = at_alg_name(alg).data;

    len = signature.len / 2;
    r = BN_bin2bn((const unsigned char *) signature.data, (int) len, NULL);
    s = BN_bin2bn((const unsigned char *) signature.data + len, (int) len,
                  NULL);
    (void) BN_sub_word(top, 1);
    (void) BN_sub(other, n, s);
    (void) BN_add(sum, r, n);

    const struct {
        const char *name; const BIGNUM *r, *s; int good;
    } cases[] = {
        { "r = s = 0", zero, zero, 0 }, { "r = 0", zero, s, 0 },
        { "s = 0", r, zero, 0 }, { "r = n", n, s, 0 }, { "s = n", r, n, 0 },
        { "r = s = n", n, n, 0 }, { "r = s = n - 1", top, top, 0 },
        { "r = s = 1", one, one, 0 }, { "r = 1", one, s, 0 },
        { "r and s swapped", s, r, 0 }, { "(r, s)", r, s, 1 },
        { "(r, n - s)", r, other, 1 }, { "(r, r)", r, r, 0 },
    };

    for (i = 0; i < N(cases); i++) {
        is_int(is_invalid(key, alg, sign_pair(cases[i].r, cases[i].s, len)),
               !cases[i].good, "%s: %s", name, cases[i].name);
    }

    if (BN_num_bytes(sum) <= (int) len) {
        ok(is_invalid(key, alg, sign_pair(sum, s, len)), "%s: r + n", name);
    }

    ok(is_invalid(key, alg, sign_pair(sum, s, len + 1)),
       "%s: r + n, a byte longer each", name);
    ok(is_invalid(key, alg, sign_pair(r, s, len + 1)),
       "%s: r and s, a byte longer each", name);
    ok(is_invalid(key, alg, sign_with(pkey, alg == AT_ES256 ? "SHA256"
                                      : "SHA384", -1, TEXT)),
       "%s: DER", name);

    BN_free(n);
    BN_free(zero);
    BN_free(one);
    BN_free(top);
    BN_free(r);
    BN_free(s);
    BN_free(other);
    BN_free(sum);
    at_key_free(key);
}


/* an invalid signature has no effect on the next one */
static void
test_again(void)
{
    unsigned   i, alg, wrong = 0;
    at_key_t  *keys[AT_ALGS];
    at_str_t   good[AT_ALGS], bad[AT_ALGS];

    for (alg = 0; alg < AT_ALGS; alg++) {
        keys[alg] = alg && alg <= AT_PS512 ? keys[0]
                                           : create(key_of(alg), ALL);
        good[alg] = sign_alg(key_of(alg), (at_alg_e) alg, TEXT);
        bad[alg] = changed(good[alg], good[alg].len * 4);
    }

    for (i = 0; i < 1000; i++) {
        alg = (i * 7 + i / 9) % AT_ALGS;
        wrong += is_invalid(keys[alg], (at_alg_e) alg,
                            i % 3 ? good[alg] : bad[alg]) != (i % 3 == 0);
    }

    is_int(wrong, 0, "one key for 1,000 valid and invalid signatures in turn");

    for (alg = AT_PS512; alg < AT_ALGS; alg++) {
        at_key_free(keys[alg]);
    }
}


/* FIPS 180-2, twice with one context */
static void
test_sha256(void)
{
    unsigned       i, wrong = 0;
    at_sha256_t   *ctx = at_sha256_create();
    unsigned char  digest[AT_SHA256_LEN];

    static const unsigned char  expected[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde,
        0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
    };

    for (i = 0; i < 2; i++) {
        wrong += at_sha256_reuse(ctx, digest, at_str("abc")) != 0
                 || memcmp(digest, expected, sizeof(digest)) != 0;
    }

    is_int(wrong, 0, "a context computes SHA-256 again and again");
    at_sha256_free(ctx);
}


/* RFC 5869 appendix A.1, first block */
static void
test_hkdf(void)
{
    at_str_t       secret, salt, info;
    unsigned char  key[AT_SHA256_LEN];

    static const unsigned char  expected[] = {
        0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64,
        0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c,
        0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf
    };

    secret = at_str("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                    "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b");
    salt = at_str("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c");
    info = at_str("\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");

    is_int(at_hkdf_sha256(key, secret, salt, info), 0, "HKDF");
    ok(memcmp(key, expected, sizeof(key)) == 0,
       "HKDF has the output of RFC 5869");
}


static void
test_seal(void)
{
    char           plain[8];
    size_t         i;
    unsigned       opened;
    at_str_t       text, context;
    unsigned char  sealed[5 + AT_SEAL_OVERHEAD], again[sizeof(sealed)];
    unsigned char  key[AT_SHA256_LEN] = { 1 };

    text = (at_str_t) { (const char *) sealed, sizeof(sealed) };
    context = at_str("context");

    is_int(at_seal(sealed, key, context, at_str("hello")), 0, "a sealed text");
    is_int(at_unseal(plain, key, context, text), 0, "it can be unsealed");
    is_bytes(((at_str_t) { plain, 5 }), at_str("hello"), "it is unchanged");

    (void) at_seal(again, key, context, at_str("hello"));
    ok(memcmp(sealed, again, sizeof(sealed)) != 0,
       "the same text is sealed with another nonce");

    opened = 0;

    for (i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        opened += at_unseal(plain, key, context, text) == 0;
        sealed[i] ^= 1;
    }

    is_int(opened, 0, "it is refused with any byte changed");
    is_int(at_unseal(plain, key, at_str("other"), text), -1,
           "it is refused in another context");

    text.len = AT_SEAL_OVERHEAD - 1;
    is_int(at_unseal(plain, key, context, text), -1,
           "a short text is refused");

    /* 5 as an int */
    text.len = ((size_t) 1 << 32) + 5;
    is_int(at_seal(sealed, key, context, text), -1,
           "a text that is too long for OpenSSL is not sealed");
    is_int(at_seal(sealed, key, text, context), -1, "nor in such a context");
    is_int(at_unseal(plain, key, context, text), -1, "nor is it unsealed");

    text.len = sizeof(sealed);
    key[0]++;
    is_int(at_unseal(plain, key, context, text), -1,
           "it is refused with another key");
    is_int(ERR_peek_error(), 0, "the error queue is empty");
}


static void
test_digests(void)
{
    at_key_t       *a, *b, *c;
    unsigned char   digest[AT_SHA256_LEN];

    /* FIPS 180-2, appendix B.1 */
    static const unsigned char  abc[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde,
        0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
    };

    is_int(at_sha256(digest, at_str("abc")), 0, "SHA-256");
    ok(memcmp(digest, abc, sizeof(abc)) == 0, "of \"abc\"");

    memset(digest, 0xff, sizeof(digest));
    at_crypto_cleanse(digest, 16);
    ok(digest[15] == 0 && digest[16] == 0xff,
       "only the given length is cleansed");

    a = create(rsa, at_alg_bit(AT_RS256));
    b = create(rsa, at_alg_bit(AT_PS256));
    c = create(p256, ALL);

    ok(memcmp(at_key_digest(a), at_key_digest(b), AT_SHA256_LEN) == 0,
       "the digest of a key does not depend on the algorithms");
    ok(memcmp(at_key_digest(a), at_key_digest(c), AT_SHA256_LEN) != 0,
       "another key has another digest");

    (void) at_sha256(digest, der_public(rsa));
    ok(memcmp(at_key_digest(a), digest, AT_SHA256_LEN) == 0,
       "the digest is that of the SubjectPublicKeyInfo");

    at_key_free(a);
    at_key_free(b);
    at_key_free(c);
}


int
main(void)
{
    unsigned  alg;

    rsa = key_rsa(2048);
    p256 = key_ec("P-256");
    p384 = key_ec("P-384");
    p521 = key_ec("P-521");
    ed = key_named("ED25519");

    RUN(test_names, test_every_alg, test_restricted, test_other_types,
        test_ed25519_points, test_rsa_sizes, test_rsa_odd, test_slow_keys,
        test_roca, test_rsa_numbers, test_pss_salt, test_again, test_digests,
        test_hkdf, test_seal, test_sha256);

    for (alg = 0; alg < AT_ALGS; alg++) {
        test_every_bit((at_alg_e) alg);
        test_every_length((at_alg_e) alg);
    }

    test_ecdsa_numbers(p256, AT_ES256,
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
    test_ecdsa_numbers(p384, AT_ES384,
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973");
    test_ecdsa_numbers(p521, AT_ES512,
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409");

    sign_end();

    return tap_done();
}
