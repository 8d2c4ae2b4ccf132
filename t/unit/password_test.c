/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: login-timing, allocation-points, allocation-failures.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <crypt.h>
#include <errno.h>
#include <stdint.h>
#include <time.h>

#include "core/session/at_password.h"
#include "fail_calls.h"
#include "tap.h"


static at_str_t
hash_of(const char *password, const char *prefix, unsigned long count)
{
    static char  hash[AT_PASSWORD_HASH_LEN];

    (void) snprintf(hash, sizeof(hash), "%s",
                    crypt(password, crypt_gensalt(prefix, count, NULL, 0)));

    return str(hash);
}


static const char *
repeat(char c, size_t n)
{
    static char  text[AT_PASSWORD_MAX + 16];

    memset(text, c, n);
    text[n] = '\0';

    return text;
}


static void
test_hash(void)
{
    char        first[AT_PASSWORD_HASH_LEN], second[AT_PASSWORD_HASH_LEN];
    at_error_t  err;

    is_int(at_password_hash(first, at_str("open sesame"), &err), 0,
           "a password is hashed");
    ok(strncmp(first, "$y$", 3) == 0, "the hash is yescrypt");
    ok(at_password_hash_is_valid(str(first)),
       "the hash is valid for a record");

    (void) at_password_hash(second, at_str("open sesame"), &err);
    ok(strcmp(first, second) != 0, "the next hash has another salt");

    is_int(at_password_verify(str(first), at_str("open sesame")),
           AT_PASSWORD_RIGHT, "the password matches its hash");
    is_int(at_password_verify(str(first), at_str("open sesam")),
           AT_PASSWORD_WRONG, "a part of the password does not match");
    is_int(at_password_verify(str(first), at_str("open sesame ")),
           AT_PASSWORD_WRONG, "a longer password does not match");
    is_int(at_password_verify(str(first), at_str("open sesame\0")),
           AT_PASSWORD_WRONG, "a password with a NUL does not match");
    is_int(at_password_verify(str(second), at_str("open sesame")),
           AT_PASSWORD_RIGHT, "the password matches the other hash");
}


static void
test_lengths(void)
{
    char        hash[AT_PASSWORD_HASH_LEN];
    at_error_t  err;
    at_str_t    text = str(repeat('p', AT_PASSWORD_MAX));

    is_int(at_password_hash(hash, text, &err), 0,
           "the longest password is hashed");
    is_int(at_password_verify(str(hash), text), AT_PASSWORD_RIGHT,
           "the longest password matches");

    text.len--;
    is_int(at_password_verify(str(hash), text), AT_PASSWORD_WRONG,
           "the longest password without its last byte does not match");

    text = str(repeat('p', AT_PASSWORD_MAX + 1));
    is_int(at_password_hash(hash, text, &err), -1,
           "a longer password is rejected");
    is_str(hash, "", "its hash is empty");
    ok(strstr(err.text, "511") != NULL && strstr(err.text, "ppp") == NULL,
       "the error has the limit and not the password");

    is_int(at_password_hash(hash, at_str(""), &err), -1, "empty");
    is_int(at_password_hash(hash, at_str("a\0b"), &err), -1, "with a NUL");

    is_int(at_password_verify(hash_of("", "$6$", 0), at_str("")),
           AT_PASSWORD_WRONG, "an empty password does not match any hash");
    is_int(at_password_verify(hash_of(repeat('p', AT_PASSWORD_MAX), "$6$", 0),
                              str(repeat('p', AT_PASSWORD_MAX + 1))),
           AT_PASSWORD_WRONG, "a password that is too long does not match");
    is_int(at_password_verify(hash_of("a", "$6$", 0), at_str("a")),
           AT_PASSWORD_RIGHT, "a password of one character matches");
    is_int(at_password_verify(hash_of("a", "$6$", 0), at_str("a\0b")),
           AT_PASSWORD_WRONG, "a password with a NUL does not match any hash");
    is_int(at_password_verify(hash_of("grüße €", "$6$", 0), str("grüße €")),
           AT_PASSWORD_RIGHT, "a password of other than ASCII bytes matches");
    ok(at_password_hash_is_valid(str(crypt("a", "$6$s$"))),
       "a salt may have one character");
    ok(!at_password_hash_is_valid(str(crypt("a", "$6$s$") + 1)),
       "a hash without its first byte is invalid");
}


static void
test_kinds(void)
{
    size_t    i;
    at_str_t  hash;

    static const struct {
        const char *prefix; unsigned long count;
    } kinds[] = {
        { "$y$", 1 }, { "$y$", 5 }, { "$2a$", 4 }, { "$2b$", 4 },
        { "$2b$", 10 }, { "$2y$", 4 }, { "$6$", 0 }, { "$6$", 1000 }
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        hash = hash_of("open sesame", kinds[i].prefix, kinds[i].count);

        ok(at_password_hash_is_valid(hash), "%s is valid", hash.data);
        is_int(at_password_verify(hash, at_str("open sesame")),
               AT_PASSWORD_RIGHT, "%s matches its password", kinds[i].prefix);
        is_int(at_password_verify(hash, at_str("Open sesame")),
               AT_PASSWORD_WRONG,
               "%s does not match another password", kinds[i].prefix);

        hash.len--;
        ok(!at_password_hash_is_valid(hash),
           "a truncated %s is not valid", kinds[i].prefix);
        is_int(at_password_verify(hash, at_str("open sesame")),
               AT_PASSWORD_WRONG,
               "a truncated %s does not match", kinds[i].prefix);
    }
}


static void
test_costs(void)
{
    size_t  i;
    char    text[256];

#define SALT      "$abcdefghijklmnop$"
#define DIGITS43  "uaRxmZGeJx63uN5Oy98m6HnTQsNWaTOTXgyXtkCG834"
#define BCRYPT    "$......................u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRy"

    static const struct { const char *head, *tail; int bearable; } costs[] = {
        { "$y$j75", SALT DIGITS43, 1 }, { "$y$jFT", SALT DIGITS43, 1 },
        { "$y$jGT", SALT DIGITS43, 0 }, { "$y$jzT", SALT DIGITS43, 0 },
        { "$y$jFU", SALT DIGITS43, 0 }, { "$y$j9T/", SALT DIGITS43, 0 },
        { "$y$z9T", SALT DIGITS43, 0 }, { "$y$j9", SALT DIGITS43, 0 },
        { "$y$j=T", SALT DIGITS43, 0 }, { "$y$j$=", SALT DIGITS43, 0 },
        { "$2b$04", BCRYPT, 1 }, { "$2b$16", BCRYPT, 1 },
        { "$2b$17", BCRYPT, 0 }, { "$2b$31", BCRYPT, 0 },
        { "$6", SALT DIGITS43 DIGITS43, 1 },
        { "$6$rounds=9999999", SALT DIGITS43 DIGITS43, 1 },
        { "$6$rounds=10000000", SALT DIGITS43 DIGITS43, 0 }
    };

    for (i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
        (void) snprintf(text, sizeof(text), "%s%s", costs[i].head,
                        costs[i].tail);
        is_int(at_password_hash_is_valid(str(text)), costs[i].bearable,
               "the cost of %s", costs[i].head);
    }
}


static void
test_no_hashes(void)
{
    size_t  i;

    /* DES settings, errors of crypt(), and formats that are not supported */
    static const char *const  texts[] = {
        "", "*0", "*1", "!", "x", "garbage", "abJnggxhB/yWI", "$1$salt$",
        "$5$saltsalt$", "$7$CU..../....", "$y$", "$y$$", "$y$j9T", "$y$j9T$",
        "$y$j9T$9C4/iuSYEtNolDNxr6eUZSMDM.e8bbj979Y6NG./Op9", "$6$", "$6$$",
        "$6$saltsalt$", "$6$saltsalt$short", "$2b$05$",
        "$2x$04$......................u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRy",
        "$2b$4a$......................u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRyi",
        "$2b$04$......................u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRy:",
        "$2b$04$......................u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRyii",
        "$6$salt salt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8"
        "wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
        "$sha1$1$x$y", "{SSHA}abc", "plaintext password"
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ok(!at_password_hash_is_valid(str(texts[i])), "no hash: \"%s\"",
           texts[i]);
    }

    ok(!at_password_hash_is_valid(str(repeat('$', AT_PASSWORD_HASH_LEN))),
       "no hash: a text that is too long");

    is_int(at_password_verify(at_str("abJnggxhB/yWI"), at_str("password")),
           AT_PASSWORD_WRONG, "a DES hash does not match");
    is_int(at_password_verify(at_str("*0"), at_str("*0")), AT_PASSWORD_WRONG,
           "the failure text of crypt() does not match");
    is_int(at_password_verify(at_str(""), at_str("x")), AT_PASSWORD_WRONG,
           "an empty hash does not match");

    /* the form is right, and libxcrypt refuses the cost */
    is_int(at_password_verify( at_str("$2b$39$......................"
                                      "u7Y3dsLYs5N2E9fBYQ6sUh1gc5kNdRy"),
                              at_str("x")),
           AT_PASSWORD_WRONG, "a cost that does not exist is rejected");
}


static double
time_of(at_str_t hash, at_str_t password)
{
    double  t = cpu_time();

    (void) at_password_verify(hash, password);

    return cpu_time() - t;
}


/* the fastest of several runs: other processes slow down single ones */
static void
is_as_long(at_str_t hash, at_str_t password, at_str_t other,
    at_str_t other_password, const char *name)
{
    int     i;
    double  t, a, b;

    a = 1e9;
    b = 1e9;

    for (i = 0; i < 30; i++) {
        t = time_of(hash, password);
        a = t < a ? t : a;
        t = time_of(other, other_password);
        b = t < b ? t : b;

        if (i > 8 && a > b * 0.9 && a < b * 1.1) {
            break;
        }
    }

    if (!ok(a > b * 0.9 && a < b * 1.1, "%s", name)) {
        printf("# %.2f ms and %.2f ms\n", a, b);
    }
}


/* the dummy hash has the cost of a new hash */
static void
test_time(void)
{
    char        hash[AT_PASSWORD_HASH_LEN];
    at_error_t  err;

    (void) at_password_hash(hash, at_str("open sesame"), &err);

    is_as_long(str(hash), at_str("wrong"), at_str(""), at_str("wrong"),
               "an unknown user takes as long as a wrong password");
    is_as_long(str(hash), at_str("wrong"), str(hash),
               str(repeat('p', AT_PASSWORD_MAX + 1)),
               "an impossible password takes as long as a wrong one");
}


static char  tried[AT_PASSWORD_HASH_LEN];


/* verifies the right or a wrong password */
static int
fail_verify(void *password, unsigned n)
{
    at_password_e  rc = at_password_verify(str(tried), str(password));

    (void) n;

    return strcmp(password, "open sesame") != 0 ? rc != AT_PASSWORD_RIGHT
           : rc == AT_PASSWORD_RIGHT
             || (rc == AT_PASSWORD_FAILED && fail_end() != 0);
}


static int
fail_hash(void *password, unsigned n)
{
    char        made[AT_PASSWORD_HASH_LEN];
    at_error_t  err;

    (void) n;

    return at_password_hash(made, str(password), &err) == 0
           || made[0] == '\0';
}


static void
test_failures(void)
{
    static char  right[] = "open sesame", wrong[] = "wrong";
    at_error_t   err;

    (void) at_password_hash(tried, str(right), &err);

    fail_errno = ENOMEM;
    fail_each("a right password", fail_verify, right);
    fail_each("a wrong password", fail_verify, wrong);
    fail_each("hashing", fail_hash, right);

    is_int(at_password_verify(str(tried), str(right)), AT_PASSWORD_RIGHT,
           "the next password is verified");
}


int
main(void)
{
    RUN(test_hash, test_lengths, test_kinds, test_costs, test_no_hashes,
        test_time, test_failures);

    return tap_done();
}
