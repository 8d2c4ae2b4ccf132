/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include <openssl/bn.h>

#include "core/jose/at_ed25519.h"


/* RFC 8032 section 5.1: p = 2^255 - 19, and d of -x^2 + y^2 = 1 + d x^2 y^2 */
#define AT_ED25519_P                                                          \
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define AT_ED25519_D                                                          \
    "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"


/* y of the eight points whose order divides 8, least significant byte first */
static const unsigned char  at_ed25519_low_order[][AT_ED25519_LEN] = {

    { 0 },

    { 1 },

    { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,           /* p - 1 */
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },

    { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0,           /* order 8 */
      0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
      0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
      0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },

    { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f,           /* order 8 */
      0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
      0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
      0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a }
};


/*
 * y belongs to a point if x^2 = (y^2 - 1) / (d y^2 + 1) is a square modulo p,
 * which is the case if numerator times denominator is one.
 */
static int
at_ed25519_is_on_curve(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
    int      kronecker;
    BIGNUM  *d, *u, *v;

    BN_CTX_start(ctx);

    d = BN_CTX_get(ctx);
    u = BN_CTX_get(ctx);
    v = BN_CTX_get(ctx);
    kronecker = -2;

    if (v != NULL
        && BN_hex2bn(&d, AT_ED25519_D)
        && BN_mod_sqr(u, y, p, ctx)
        && BN_mod_mul(v, u, d, p, ctx)
        && BN_sub_word(u, 1)
        && BN_add_word(v, 1)
        && BN_mod_mul(u, u, v, p, ctx))
    {
        kronecker = BN_kronecker(u, p, ctx);
    }

    BN_CTX_end(ctx);

    return kronecker >= 0;
}


int
at_ed25519_check(const unsigned char *point, at_error_t *err)
{
    int             rc;
    size_t          i, n;
    BIGNUM         *y, *p;
    BN_CTX         *ctx;
    unsigned char   bytes[AT_ED25519_LEN];

    /* the highest bit is the sign of x */
    memcpy(bytes, point, AT_ED25519_LEN);
    bytes[AT_ED25519_LEN - 1] &= 0x7f;

    n = sizeof(at_ed25519_low_order) / AT_ED25519_LEN;

    for (i = 0; i < n; i++) {
        if (memcmp(bytes, at_ed25519_low_order[i], AT_ED25519_LEN) == 0) {
            return at_error(err, "Ed25519 key of low order: anyone can sign "
                            "for it");
        }
    }

    p = NULL;
    ctx = BN_CTX_new();
    y = BN_lebin2bn(bytes, AT_ED25519_LEN, NULL);

    if (ctx == NULL || y == NULL || !BN_hex2bn(&p, AT_ED25519_P)) {
        rc = at_error(err, "no memory");

    } else if (BN_cmp(y, p) >= 0) {
        rc = at_error(err, "Ed25519 key is not encoded canonically");

    } else if (!at_ed25519_is_on_curve(y, p, ctx)) {
        rc = at_error(err, "Ed25519 point is not on the curve");

    } else {
        rc = 0;
    }

    BN_free(y);
    BN_free(p);
    BN_CTX_free(ctx);

    return rc;
}
