/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <crypt.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "core/session/at_password.h"


_Static_assert(AT_PASSWORD_MAX < CRYPT_MAX_PASSPHRASE_SIZE,
               "crypt() rejects longer passwords");
_Static_assert(AT_PASSWORD_HASH_LEN >= CRYPT_OUTPUT_SIZE, "a hash fits");


/* a hash: the prefix, fields that end with "$", digits */
typedef struct {
    at_str_t  prefix;
    size_t    fields;           /* minimum */
    size_t    digits;
} at_password_kind_t;

/* memory of one hash, cleansed afterwards */
typedef struct {
    struct crypt_data  crypt;
    char               password[AT_PASSWORD_MAX + 1];
    char               setting[AT_PASSWORD_HASH_LEN];
} at_password_work_t;


static const at_password_kind_t  at_password_kinds[] = {
    { at_str("$y$"), 2, 43 },
    { at_str("$6$"), 1, 86 },
    { at_str("$2a$"), 1, 53 },      /* the salt is a part of the digits */
    { at_str("$2b$"), 1, 53 },
    { at_str("$2y$"), 1, 53 }
};

#define AT_PASSWORD_KINDS                                                     \
    (sizeof(at_password_kinds) / sizeof(at_password_kinds[0]))

/* prefix, two digits of cost, "$", digits */
#define AT_BCRYPT_LEN  60

/*
 * The largest cost of a hash: it takes some seconds, and other logins wait for
 * it.  For yescrypt it is the largest cost that crypt_gensalt() generates.
 */
#define AT_BCRYPT_COST_MAX           16
#define AT_SHA512_ROUNDS_DIGITS_MAX  7
#define AT_YESCRYPT_PARAMS_MAX       "$y$jFT$"

/* a hash of 24 discarded random bytes, with the default cost */
static const at_str_t  at_password_dummy_hash = at_str(
    "$y$j9T$CcaXr95Bnjv5BifjAZHHl/"
    "$9C4/iuSYEtNolDNxr6eUZSMDM.e8bbj979Y6NG./Op9");


/* --- format of a hash ---------------------------------------------------- */


static int
at_password_is_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '.' && c <= '9');
}


/* no field may be empty */
static int
at_password_hash_is_kind(at_str_t hash, const at_password_kind_t *kind)
{
    char      c;
    size_t    i, head, fields;
    at_str_t  rest;

    rest = hash;

    if (!at_str_cut_prefix(&rest, kind->prefix) || rest.len < kind->digits + 2)
    {
        return 0;
    }

    head = hash.len - kind->digits;
    fields = 0;

    if (hash.data[head - 1] != '$') {
        return 0;
    }

    for (i = kind->prefix.len; i < hash.len; i++) {
        c = hash.data[i];

        if (!at_password_is_digit(c)
            && (i >= head
                || (c != '=' && (c != '$' || hash.data[i - 1] == '$'))))
        {
            return 0;
        }

        fields += c == '$';
    }

    return fields >= kind->fields;
}


/* hash has passed at_password_hash_is_kind() */
static int
at_password_cost_is_allowed(at_str_t hash)
{
    const char  *p, *end;
    at_str_t     rest;

    p = hash.data;
    rest = hash;

    if (p[1] == '2') {
        return hash.len == AT_BCRYPT_LEN
               && p[4] >= '0' && p[4] <= '1' && p[5] >= '0' && p[5] <= '9'
               && (p[4] == '0' || p[5] <= AT_BCRYPT_COST_MAX % 10 + '0');
    }

    if (at_str_cut_prefix(&rest, at_str("$6$rounds="))) {
        end = memchr(rest.data, '$', rest.len);
        return end - rest.data <= AT_SHA512_ROUNDS_DIGITS_MAX;
    }

    /* up to these parameters, the alphabet of yescrypt is in ASCII order */
    return p[1] != 'y'
           || (p[3] == AT_YESCRYPT_PARAMS_MAX[3]
               && at_password_is_digit(p[4])
               && at_password_is_digit(p[5])
               && p[4] <= AT_YESCRYPT_PARAMS_MAX[4]
               && p[5] <= AT_YESCRYPT_PARAMS_MAX[5] && p[6] == '$');
}


int
at_password_hash_is_valid(at_str_t hash)
{
    size_t  i;

    if (hash.len >= AT_PASSWORD_HASH_LEN) {
        return 0;
    }

    for (i = 0; i < AT_PASSWORD_KINDS; i++) {
        if (at_password_hash_is_kind(hash, &at_password_kinds[i])) {
            return at_password_cost_is_allowed(hash);
        }
    }

    return 0;
}


/* --- hashes -------------------------------------------------------------- */


static int
at_password_is_valid(at_str_t password)
{
    return password.len != 0 && password.len <= AT_PASSWORD_MAX
           && memchr(password.data, '\0', password.len) == NULL;
}


/* allocates work and copies the password; NULL without memory */
static at_password_work_t *
at_password_work_create(at_str_t password)
{
    at_password_work_t  *work;

    work = calloc(1, sizeof(at_password_work_t));

    if (work != NULL && password.len != 0) {
        memcpy(work->password, password.data, password.len);
    }

    return work;
}


static void
at_password_work_free(at_password_work_t *work)
{
    at_crypto_cleanse(work, sizeof(at_password_work_t));
    free(work);
}


/* returns the hash, a part of work, or NULL with errno set */
static const char *
at_password_crypt(at_password_work_t *work)
{
    return crypt_rn(work->password, work->setting, &work->crypt,
                    (int) sizeof(struct crypt_data));
}


int
at_password_hash(char hash[AT_PASSWORD_HASH_LEN], at_str_t password,
    at_error_t *err)
{
    const char          *text;
    at_password_work_t  *work;

    hash[0] = '\0';

    if (!at_password_is_valid(password)) {
        return at_error(err, "a password has 1 to %d bytes, without NUL",
                        AT_PASSWORD_MAX);
    }

    work = at_password_work_create(password);

    if (work == NULL) {
        return at_error(err, "no memory for a hash");
    }

    text = NULL;

    if (crypt_gensalt_rn("$y$", 0, NULL, 0, work->setting,
                         (int) sizeof(work->setting))
        != NULL)
    {
        text = at_password_crypt(work);
    }

    if (text != NULL) {
        memcpy(hash, text, strlen(text) + 1);

    } else {
        (void) at_error(err, "cannot hash: %s", strerror(errno));
    }

    at_password_work_free(work);

    return hash[0] != '\0' ? 0 : -1;
}


at_password_e
at_password_verify(at_str_t hash, at_str_t password)
{
    int                  known;
    const char          *text;
    at_password_e        rc;
    at_password_work_t  *work;

    known = at_password_is_valid(password) && at_password_hash_is_valid(hash);

    if (!known) {
        hash = at_password_dummy_hash;
        password = at_str("");
    }

    work = at_password_work_create(password);

    if (work == NULL) {
        return AT_PASSWORD_FAILED;
    }

    memcpy(work->setting, hash.data, hash.len);
    work->setting[hash.len] = '\0';

    text = at_password_crypt(work);

    /* the hash is valid: yescrypt returns EINVAL if memory is missing */
    if (text == NULL) {
        rc = AT_PASSWORD_FAILED;

    } else {
        rc = strlen(text) == hash.len
             && at_crypto_equal(text, hash.data, hash.len) && known
             ? AT_PASSWORD_RIGHT : AT_PASSWORD_WRONG;
    }

    at_password_work_free(work);

    return rc;
}
