/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether the time of a comparison depends on a secret: a program of its own,
 * written after the method of O. Reparaz, J. Balasch and I. Verbauwhede,
 * "Dude, is my code constant time?" (DATE 2017).  No code of their tool is
 * used.
 *
 * Guesses of two classes alternate at random: "near" ones equal the secret but
 * for the last four bytes, "far" ones are random.  Welch's t-test compares the
 * times of the classes, for all measurements and for those below each of 100
 * percentiles, because interrupts and other processes add large times.  The
 * classes differ if the largest |t| is 4.5 or more.
 *
 * usage: dudect [MEASUREMENTS]     of each comparison; by default 1,000,000
 */

#include <crypt.h>
#include <math.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "core/authz/at_cache.h"
#include "core/base/at_crypto.h"
#include "core/session/at_password.h"
#include "core/session/at_session_token.h"
#include "core/store/at_store.h"
#include "core/store/at_store_files.h"
#include "dir.h"
#include "tap.h"


#define NOW          1700000000000
#define DAY          86400000LL

#define LIMIT        4.5
#define BATCH        2000       /* measurements; the first batch is not used */
#define PERCENTILES  100
#define ENOUGH       1000       /* measurements of a class for a test */
#define TAIL         4
#define TEXT_LEN     80
#define MEMCMP_LEN   1024
#define GUESS_MAX    MEMCMP_LEN

#define PASSWORD_HASH                                                         \
    "$6$saltsaltsaltsalt$"                                                    \
    "0123456789012345678901234567890123456789012"                             \
    "0123456789012345678901234567890123456789012"


typedef struct {
    const char     *name;
    size_t          len;                    /* of a guess */
    size_t          random_from;            /* of a far guess */
    int             text;                   /* letters and digits only */
    int           (*compare)(const unsigned char *guess);  /* 1: right */
    int             depends;                /* on the secret: a control */
    const void     *secret;
} comparison_t;

typedef struct {
    double  n[2];
    double  mean[2];
    double  m2[2];              /* sum of squares of differences to the mean */
} welch_t;


/* --- random numbers ------------------------------------------------------ */


static uint64_t  state;         /* xorshift64, seeded by at_random() */


static uint64_t
next_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return state;
}


static void
fill(const comparison_t *c, unsigned char *bytes)
{
    size_t             i;
    static const char  letters[] = "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    for (i = c->random_from; i < c->len; i++) {
        bytes[i] = c->text ? (unsigned char) letters[(next_number() >> 8) % 62]
                           : (unsigned char) (next_number() >> 8);
    }
}


/*
 * Writes a guess.  Both classes take the same steps, so that memory and branch
 * prediction are in the same state.
 */
static void
guess(const comparison_t *c, unsigned char *bytes, unsigned class)
{
    size_t                i;
    unsigned char         mask;
    const unsigned char  *secret = c->secret;

    memcpy(bytes, secret, c->len);
    fill(c, bytes);

    mask = class ? 0xff : 0;

    for (i = 0; i < c->len - TAIL; i++) {
        bytes[i] = (bytes[i] & mask) | (secret[i] & (unsigned char) ~mask);
    }

    bytes[i] ^= bytes[i] == secret[i];       /* never the secret */
    bytes[c->len] = '\0';
}


/* --- Welch's t-test ------------------------------------------------------ */


static void
add(welch_t *t, unsigned class, double x)
{
    double  delta = x - t->mean[class];

    t->n[class]++;
    t->mean[class] += delta / t->n[class];
    t->m2[class] += delta * (x - t->mean[class]);
}


static double
result(const welch_t *t)
{
    double  variance;

    if (t->n[0] < ENOUGH || t->n[1] < ENOUGH) {
        return 0;
    }

    variance = t->m2[0] / (t->n[0] - 1) / t->n[0]
               + t->m2[1] / (t->n[1] - 1) / t->n[1];

    return variance > 0 ? fabs(t->mean[0] - t->mean[1]) / sqrt(variance) : 0;
}


/* --- measurement --------------------------------------------------------- */


static double
ticks(void)
{
#if defined(__x86_64__)
    unsigned  core;

    _mm_lfence();

    return (double) __rdtscp(&core);
#else
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
#endif
}


static int
compare_doubles(const void *one, const void *two)
{
    double  a, b;

    memcpy(&a, one, sizeof(a));
    memcpy(&b, two, sizeof(b));

    return (a > b) - (a < b);
}


/* the largest |t| of n measurements */
static double
measure(const comparison_t *c, unsigned long n)
{
    double                 begin, t, largest;
    unsigned               i, k, right;
    unsigned long          done;
    static double          times[BATCH], sorted[BATCH], limits[PERCENTILES];
    static welch_t         tests[PERCENTILES + 1];
    static unsigned        classes[BATCH];
    static unsigned char   guesses[BATCH][GUESS_MAX + 1];

    memset(tests, 0, sizeof(tests));
    right = 0;

    for (done = 0; done < n + BATCH; done += BATCH) {

        for (i = 0; i < BATCH; i++) {
            classes[i] = next_number() >> 17 & 1;
            guess(c, guesses[i], classes[i]);
        }

        for (i = 0; i < BATCH; i++) {
            begin = ticks();
            right += (unsigned) c->compare(guesses[i]);
            times[i] = ticks() - begin;
        }

        if (done == 0) {
            memcpy(sorted, times, sizeof(times));
            qsort(sorted, BATCH, sizeof(double), compare_doubles);

            for (k = 0; k < PERCENTILES; k++) {
                limits[k] = sorted[(size_t) (BATCH
                                     * (1 - pow(0.5, 0.1 * (k + 1))))];
            }

            continue;
        }

        for (i = 0; i < BATCH; i++) {
            add(&tests[PERCENTILES], classes[i], times[i]);

            for (k = 0; k < PERCENTILES; k++) {
                if (times[i] < limits[k]) {
                    add(&tests[k], classes[i], times[i]);
                }
            }
        }
    }

    must(right == 0, "a wrong guess was accepted");

    largest = 0;

    for (k = 0; k <= PERCENTILES; k++) {
        t = result(&tests[k]);
        largest = t > largest ? t : largest;
    }

    return largest;
}


/* --- comparisons --------------------------------------------------------- */


static unsigned char    mac[AT_SHA256_LEN];
static unsigned char    memory[MEMCMP_LEN];
static char             refresh[TEXT_LEN + 1];
static char             access_token[TEXT_LEN + 1];
static char             api_token[TEXT_LEN + 1];
static unsigned char    sealed[64 + AT_SEAL_OVERHEAD];

static at_store_t      *store;
static at_cache_t      *cache;
static at_session_db_t *sessions;

static const at_state_key_t       key = { { 1, 2, 3 } };
static const at_session_limits_t  limits = { 0, 1000, 1000 };
static const at_cache_epoch_t     epoch = { 1, 1 };

static const char *crypt_result;


static at_str_t
text_of(const unsigned char *guess)
{
    return (at_str_t) { (const char *) guess, TEXT_LEN };
}


static int
compare_mac(const unsigned char *guess)
{
    return at_crypto_equal(mac, guess, sizeof(mac));
}


static int
compare_tag(const unsigned char *guess)
{
    return at_crypto_equal(mac, guess, AT_SESSION_TAG_LEN);
}


static int
compare_memory(const unsigned char *guess)
{
    return memcmp(memory, guess, sizeof(memory)) == 0;
}


static int
compare_sealed(const unsigned char *guess)
{
    char      plain[64];
    at_str_t  text = { (const char *) guess, sizeof(sealed) };

    return at_unseal(plain, key.bytes, at_str("context"), text) == 0;
}


static int
compare_refresh_mac(const unsigned char *guess)
{
    return at_session_token_is_authentic(sessions, text_of(guess)) != 0;
}


static int
compare_refresh(const unsigned char *guess)
{
    char          buf[AT_SESSION_BUF_SIZE];
    at_error_t    err;
    at_session_t  session;

    return at_session_find(sessions, &session, buf, text_of(guess), &limits,
                           NOW, &err)
           != AT_SESSION_UNKNOWN;
}


static int
compare_access(const unsigned char *guess)
{
    char          buf[AT_SESSION_BUF_SIZE];
    int64_t       expires;
    at_error_t    err;
    at_session_t  session;

    return at_session_find_by_access(sessions, &session, buf, &expires,
                                     text_of(guess), NOW, &err)
           != AT_SESSION_UNKNOWN;
}


static int
compare_api_token(const unsigned char *guess)
{
    at_str_t       value;
    unsigned char  digest[AT_SHA256_LEN];

    return at_store_token_key(store, digest, text_of(guess)) != 0
           || at_store_get(store, AT_TABLE_TOKENS,
                           (at_str_t) { (char *) digest, sizeof(digest) },
                           &value)
              != AT_STORE_NOT_FOUND;
}


static int
compare_cached(const unsigned char *guess)
{
    at_cache_key_t  cached = { text_of(guess), 1, NULL };

    return at_cache_get(cache, &cached, &epoch, NOW) != NULL;
}


/* replaces the hash function: its time would hide that of the comparison */
char *
crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    (void) phrase;
    (void) setting;
    (void) data;
    (void) size;

    return (char *) (uintptr_t) crypt_result;
}


static int
compare_password(const unsigned char *guess)
{
    crypt_result = (const char *) guess;

    return at_password_verify(at_str(PASSWORD_HASH), at_str("password"))
           == AT_PASSWORD_RIGHT;
}


/* --- set-up -------------------------------------------------------------- */


static void
random_text(char text[TEXT_LEN + 1])
{
    comparison_t  c = { .len = TEXT_LEN, .text = 1 };

    fill(&c, (unsigned char *) text);
    text[TEXT_LEN] = '\0';
}


static void
open_sessions(void)
{
    char                     *token;
    at_error_t                err;
    at_session_t              session = { .user = at_str("jane"),
                                          .issuer = at_str("main") };
    at_lmdb_verdict_t         verdict = { 0 };
    at_session_token_pair_t   pair;

    sessions = at_session_db_open(in_dir("sessions"), &key, &verdict, &err);
    must(sessions != NULL, err.text);

    must(at_session_set_id(&session) == 0, "no random bytes");
    token = at_session_create_token(sessions, &session, TEXT_LEN);
    must(token != NULL, "no token");
    memcpy(refresh, token, sizeof(refresh));
    at_secret_free(token);

    random_text(access_token);
    pair = (at_session_token_pair_t) { str(refresh), NOW + DAY,
                                       str(access_token), NOW + DAY };
    must(at_session_create(sessions, &session, &pair, &limits, NOW, &err)
         == AT_SESSION_OK, err.text);
}


static void
open_store(void)
{
    char           text[TEXT_LEN + 1];
    unsigned       i;
    at_error_t     err;
    unsigned char  digest[AT_SHA256_LEN];

    must(at_store_init(in_dir("store"), (uid_t) -1, (gid_t) -1, &err) == 0,
         err.text);
    store = at_store_open(in_dir("store"), AT_STORE_WRITE, NULL, &err);
    must(store != NULL, err.text);
    must(at_store_begin(store, AT_STORE_WRITE, &err) == 0, err.text);

    random_text(api_token);

    for (i = 0; i < 1000; i++) {
        random_text(text);
        must(at_store_token_key(store, digest, str(i ? text : api_token)) == 0
             && at_store_put(store, AT_TABLE_TOKENS,
                             (at_str_t) { (char *) digest, sizeof(digest) },
                             at_str("record"))
                == AT_STORE_OK, "no record");
    }

    must(at_store_commit(store, &err) == 0, err.text);
    must(at_store_begin(store, AT_STORE_READ, &err) == 0, err.text);
}


static void
open_cache(void)
{
    at_cache_key_t        cached = { str(api_token), 1, NULL };
    at_identity_t         identity = { .expires = NOW + DAY };
    const at_identity_t  *found;

    cache = at_cache_create(AT_CACHE_SIZE_MIN);
    must(cache != NULL, "no memory");

    at_cache_put(cache, &cached, &identity, &epoch, NOW);
    found = at_cache_get(cache, &cached, &epoch, NOW);
    must(found != NULL, "the cache has no entry");
    at_cache_release(found);
}


int
main(int argc, char **argv)
{
    double         t;
    size_t         i;
    unsigned long  n;

    static const comparison_t  comparisons[] = {
        { "HMAC-SHA256", sizeof(mac), 0, 0, compare_mac, 0, mac },
        { "user tag of a session", AT_SESSION_TAG_LEN, 0, 0, compare_tag, 0,
          mac },
        { "sealed token pair (AES-GCM tag)", sizeof(sealed),
          sizeof(sealed) - 16, 0, compare_sealed, 0, sealed },
        { "MAC in a refresh token", TEXT_LEN, AT_SESSION_ID_LEN, 1,
          compare_refresh_mac, 0, refresh },
        { "session of a refresh token", TEXT_LEN, 0, 1, compare_refresh, 0,
          refresh },
        { "session of an access token", TEXT_LEN, 0, 1, compare_access, 0,
          access_token },
        { "digest of an API token", TEXT_LEN, 0, 1, compare_api_token, 0,
          api_token },
        { "verification cache", TEXT_LEN, 0, 1, compare_cached, 0,
          api_token },
        { "hash of a password", sizeof(PASSWORD_HASH) - 1,
          sizeof("$6$saltsaltsaltsalt$") - 1, 1, compare_password, 0,
          PASSWORD_HASH },
        { "control: memcmp()", MEMCMP_LEN, 0, 0, compare_memory, 1, memory },
    };

    n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;

    must(at_random(&state, sizeof(state)) == 0
         && at_random(mac, sizeof(mac)) == 0
         && at_random(memory, sizeof(memory)) == 0
         && at_seal(sealed, key.bytes, at_str("context"),
                    (at_str_t) { (char *) memory, 64 }) == 0,
         "no random bytes");
    state |= 1;
    open_sessions();
    open_store();
    open_cache();

    for (i = 0; i < N(comparisons); i++) {
        must(comparisons[i].compare(comparisons[i].secret) == 1,
             "the right guess was refused");

        t = measure(&comparisons[i], n);
        ok((t < LIMIT) != comparisons[i].depends, "%s: |t| is %s 4.5",
           comparisons[i].name, comparisons[i].depends ? "at least" : "below");
        printf("# result: dudect %s: t = %.2f after %lu measurements\n",
               comparisons[i].name, t, n);
    }

    at_cache_free(cache);
    at_store_end(store);
    at_store_close(store);
    at_session_db_close(sessions);

    return tap_done();
}
