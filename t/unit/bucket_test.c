/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Buckets: held against a plain list, and bytes that are none.
 *
 * Requirements: import-atomic.
 */

#include <stdint.h>
#include <stdlib.h>

#include "core/store/at_bucket.h"
#include "tap.h"


typedef struct {
    char      key[AT_BUCKET_KEY];
    char      text[64];
    at_str_t  value;
    int       there;
} entry_t;

static entry_t  list[512];


static unsigned
numbers(unsigned *state)
{
    *state = *state * 1103515245 + 12345;

    return *state >> 8;
}


/* of one bucket; alike: in all but the last two bytes */
static void
make_list(int alike)
{
    unsigned  i, k, state;

    state = 1;
    memset(list, 0, sizeof(list));

    for (i = 0; i < 512; i++) {
        for (k = AT_BUCKET_PREFIX; k < AT_BUCKET_KEY; k++) {
            list[i].key[k] = (char) (alike ? 0x5a : numbers(&state));
        }

        list[i].key[AT_BUCKET_KEY - 2] = (char) (i >> 8);
        list[i].key[AT_BUCKET_KEY - 1] = (char) i;
    }
}


/* exactly its bytes, on the heap: one too many is seen */
static at_str_t
exact(at_str_t bytes)
{
    char  *copy;

    copy = malloc(bytes.len + !bytes.len);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, bytes.data, bytes.len);

    return (at_str_t) { copy, bytes.len };
}


static void
drop(at_str_t bytes)
{
    free((void *) (uintptr_t) bytes.data);
}


/* the bucket is as the list has it */
static int
agrees(at_str_t bucket)
{
    char               key[AT_BUCKET_KEY], before[AT_BUCKET_KEY];
    size_t             i, n;
    at_str_t           value;
    at_bucket_info_t   info;

    n = 0;
    memset(key, 0, sizeof(key));
    memset(before, 0, sizeof(before));

    for (i = 0; i < 512; i++) {
        n += list[i].there != 0;

        if (at_bucket_find(bucket, list[i].key, &value) != list[i].there
            || (list[i].there && !at_str_equal(value, list[i].value)))
        {
            return 0;
        }
    }

    if (at_bucket_info(&info, bucket) != 0 || info.n != n) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if (at_bucket_at(bucket, i, key, &value) != 0
            || (i && memcmp(before, key, AT_BUCKET_KEY) >= 0))
        {
            return 0;
        }

        memcpy(before, key, AT_BUCKET_KEY);
    }

    return at_bucket_at(bucket, n, key, &value) == -1;
}


static void
test_model(const char *name, int alike)
{
    int           rc;
    entry_t      *e;
    unsigned      i, n, state, wrong;
    at_str_t      bucket;
    at_bytes_t    copy = { 0 };

    make_list(alike);
    bucket = exact((at_str_t) { "", 0 });
    state = 3;
    wrong = 0;
    n = 0;

    for (i = 0; i < 4000; i++) {
        e = &list[numbers(&state) % 512];

        /* it grows at first, and shrinks in the end */
        if (numbers(&state) % 4000 > i || numbers(&state) % 3 == 0) {
            (void) snprintf(e->text, sizeof(e->text), "%.*s",
                            (int) (numbers(&state) % 60),
                            "a value of some length, of which there is a part, or all");
            e->value = str(e->text);
            rc = at_bucket_set(&copy, bucket, e->key, &e->value);

            if (!e->there && n == AT_BUCKET_FULL) {
                wrong += rc != -1;
                continue;
            }

            n += !e->there;
            e->there = 1;

        } else {
            rc = at_bucket_set(&copy, bucket, e->key, NULL);
            n -= e->there != 0;
            e->there = 0;
        }

        wrong += rc != 0 || copy.failed;

        drop(bucket);
        bucket = exact((at_str_t) { copy.data, copy.len });

        if (i % 16 == 0) {
            wrong += !agrees(bucket);
        }
    }

    ok(agrees(bucket), "%s: in the end it is as the list is", name);
    is_int(wrong, 0, "%s: and was all the time", name);

    drop(bucket);
    at_bytes_free(&copy);
}


static at_str_t
make_bucket(unsigned n, at_bytes_t *copy)
{
    unsigned  i;
    at_str_t  bucket, next;

    make_list(0);
    bucket = exact((at_str_t) { "", 0 });

    for (i = 0; i < n; i++) {
        (void) snprintf(list[i].text, sizeof(list[i].text), "value %u", i);
        list[i].value = str(list[i].text);
        list[i].there = 1;

        (void) at_bucket_set(copy, bucket, list[i].key, &list[i].value);
        next = exact((at_str_t) { copy->data, copy->len });
        drop(bucket);
        bucket = next;
    }

    return bucket;
}


static void
test_full(void)
{
    at_str_t           bucket, value;
    at_bytes_t         copy = { 0 };
    at_bucket_info_t   info;

    bucket = make_bucket(AT_BUCKET_FULL, &copy);
    ok(agrees(bucket), "as many as there may be");

    is_int(at_bucket_set(&copy, bucket, list[AT_BUCKET_FULL].key, &list[0].value),
           -1, "and not one more");
    is_int(at_bucket_set(&copy, bucket, list[7].key, &list[0].value), 0,
           "one can be replaced");

    is_int(at_bucket_set_more(&copy, bucket), 0, "there are more");
    drop(bucket);
    bucket = exact((at_str_t) { copy.data, copy.len });
    ok(agrees(bucket), "and those that were there are");
    is_int(at_bucket_info(&info, bucket), 0, "it says of itself");
    is_int(info.more, 1, "that there are more");

    is_int(at_bucket_set(&copy, bucket, list[7].key, NULL), 0, "without one of them");
    (void) at_bucket_info(&info, (at_str_t) { copy.data, copy.len });
    is_int(info.more, 1, "it says so still");
    is_int((long long) info.n, AT_BUCKET_FULL - 1, "and is not full");

    is_int(at_bucket_set_more(&copy, (at_str_t) { NULL, 0 }), 0, "an empty one says so, too");
    is_int(at_bucket_find((at_str_t) { copy.data, copy.len }, list[0].key, &value), 0,
           "and has nobody");

    drop(bucket);
    at_bytes_free(&copy);
}


/* whatever the bytes are: what is found lies within them */
static int
is_safe(at_str_t bucket, unsigned i)
{
    int                rc;
    char               key[AT_BUCKET_KEY];
    at_str_t           value;
    at_bytes_t         copy = { 0 };
    at_bucket_info_t   info;

    rc = at_bucket_find(bucket, list[i].key, &value);

    if (rc == 1 && (value.data < bucket.data
                    || value.data + value.len > bucket.data + bucket.len))
    {
        return 0;
    }

    (void) at_bucket_set(&copy, bucket, list[i].key, &list[i].value);
    (void) at_bucket_set_more(&copy, bucket);

    if (at_bucket_info(&info, bucket) == 0) {
        for (i = 0; i < info.n; i++) {
            (void) at_bucket_at(bucket, i, key, &value);
        }
    }

    at_bytes_free(&copy);

    return 1;
}


static void
test_broken(void)
{
    char        *p;
    size_t       i;
    unsigned     bit, cut, wrong;
    at_str_t     bucket, part, value;
    at_bytes_t   copy = { 0 };

    bucket = make_bucket(12, &copy);
    p = (char *) (uintptr_t) bucket.data;
    cut = 0;
    wrong = 0;

    for (i = 1; i < bucket.len; i++) {
        part = exact((at_str_t) { bucket.data, i });
        cut += at_bucket_find(part, list[3].key, &value) == -1;
        wrong += !is_safe(part, (unsigned) i % 12);
        drop(part);
    }

    is_int(cut, (long long) bucket.len - 1, "cut at any byte it is no bucket");

    for (i = 0; i < bucket.len * 8; i++) {
        bit = 1u << i % 8;
        p[i / 8] = (char) (p[i / 8] ^ (int) bit);
        wrong += !is_safe(bucket, (unsigned) i % 12);
        p[i / 8] = (char) (p[i / 8] ^ (int) bit);
    }

    is_int(wrong, 0, "with any bit the other way nothing is read that is not in it");
    ok(agrees(bucket), "and so it was before");

    drop(bucket);
    at_bytes_free(&copy);
}


int
main(void)
{
    test_model("any keys", 0);
    test_model("keys that are alike", 1);
    test_full();
    test_broken();

    return tap_done();
}
