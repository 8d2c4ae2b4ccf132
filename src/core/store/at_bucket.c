/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <stdint.h>

#include "core/store/at_bucket.h"


#define AT_BUCKET_HEAD   8              /* bytes: the count, the length */
#define AT_BUCKET_MORE   0x80000000u    /* in the count */

#define AT_BUCKET_TAG    4              /* bytes of the key, in the index */
#define AT_BUCKET_INDEX  (AT_BUCKET_TAG + 4)
#define AT_BUCKET_LINE   64             /* of the processor's cache */

#define AT_BUCKET_REST   (AT_BUCKET_KEY - AT_BUCKET_PREFIX - AT_BUCKET_TAG)


/* one whose index is within it */
typedef struct {
    size_t       n;
    unsigned     more;
    const char  *index;
    const char  *body;
    size_t       size;          /* of the body */
} at_bucket_t;

/* what a copy is made of */
typedef struct {
    const char  *tag;
    at_str_t     rest;          /* of the key */
    at_str_t     value;
} at_bucket_entry_t;


/* --- reading ------------------------------------------------------------- */


static uint32_t
at_bucket_number(const char *p)
{
    uint32_t  n;

    memcpy(&n, p, 4);

    return le32toh(n);
}


static int
at_bucket_open(at_bucket_t *bucket, at_str_t bytes)
{
    size_t    index;
    uint32_t  count;

    memset(bucket, 0, sizeof(at_bucket_t));

    if (bytes.len == 0) {
        return 0;
    }

    if (bytes.len < AT_BUCKET_HEAD
        || at_bucket_number(bytes.data + 4) != bytes.len)
    {
        return -1;
    }

    count = at_bucket_number(bytes.data);

    bucket->n = count & ~AT_BUCKET_MORE;
    bucket->more = (count & AT_BUCKET_MORE) != 0;

    if (bucket->n > AT_BUCKET_FULL) {
        return -1;
    }

    index = bucket->n * AT_BUCKET_INDEX;

    if (bytes.len - AT_BUCKET_HEAD < index) {
        return -1;
    }

    bucket->index = bytes.data + AT_BUCKET_HEAD;
    bucket->body = bucket->index + index;
    bucket->size = bytes.len - AT_BUCKET_HEAD - index;

    return 0;
}


static size_t
at_bucket_end(const at_bucket_t *bucket, size_t i)
{
    return at_bucket_number(bucket->index + i * AT_BUCKET_INDEX
                            + AT_BUCKET_TAG);
}


static int
at_bucket_entry(const at_bucket_t *bucket, size_t i, at_bucket_entry_t *entry)
{
    size_t  begin, end;

    begin = i ? at_bucket_end(bucket, i - 1) : 0;
    end = at_bucket_end(bucket, i);

    if (end > bucket->size || begin > end || end - begin < AT_BUCKET_REST) {
        return -1;
    }

    entry->tag = bucket->index + i * AT_BUCKET_INDEX;
    entry->rest = (at_str_t) { bucket->body + begin, AT_BUCKET_REST };
    entry->value = (at_str_t) { bucket->body + begin + AT_BUCKET_REST,
                                end - begin - AT_BUCKET_REST };
    return 0;
}


/*
 * 1 with the key's entry and its place; 0 with the place where it would be.  The
 * rest of keys is looked at where what is in the index is the same.
 */
static int
at_bucket_search(const at_bucket_t *bucket, const char *key, size_t *place,
    at_bucket_entry_t *entry)
{
    int     order;
    size_t  from, to, middle;

    key += AT_BUCKET_PREFIX;
    from = 0;
    to = bucket->n;

    while (from < to) {
        middle = from + (to - from) / 2;
        order = memcmp(key, bucket->index + middle * AT_BUCKET_INDEX,
                       AT_BUCKET_TAG);

        if (order == 0) {
            if (at_bucket_entry(bucket, middle, entry) != 0) {
                return -1;
            }

            /* it is this one, most likely, and its value will be read next */
            __builtin_prefetch(entry->value.data + AT_BUCKET_LINE);

            order = memcmp(key + AT_BUCKET_TAG, entry->rest.data,
                           AT_BUCKET_REST);
        }

        if (order == 0) {
            *place = middle;
            return 1;
        }

        if (order < 0) {
            to = middle;

        } else {
            from = middle + 1;
        }
    }

    *place = from;

    return 0;
}


int
at_bucket_info(at_bucket_info_t *info, at_str_t bytes)
{
    at_bucket_t  bucket;

    if (at_bucket_open(&bucket, bytes) != 0) {
        return -1;
    }

    info->n = bucket.n;
    info->more = bucket.more != 0;

    return 0;
}


at_str_t
at_bucket_whole(const char *data)
{
    return (at_str_t) { data, at_bucket_number(data + 4) };
}


int
at_bucket_find(at_str_t bytes, const char *key, at_str_t *value)
{
    int                 rc;
    size_t              place;
    at_bucket_t         bucket;
    at_bucket_entry_t   entry;

    if (at_bucket_open(&bucket, bytes) != 0) {
        return -1;
    }

    rc = at_bucket_search(&bucket, key, &place, &entry);

    if (rc == 1) {
        *value = entry.value;
    }

    return rc;
}


int
at_bucket_at(at_str_t bytes, size_t i, char key[AT_BUCKET_KEY],
    at_str_t *value)
{
    char               *p;
    at_bucket_t         bucket;
    at_bucket_entry_t   entry;

    if (at_bucket_open(&bucket, bytes) != 0 || i >= bucket.n
        || at_bucket_entry(&bucket, i, &entry) != 0)
    {
        return -1;
    }

    p = key + AT_BUCKET_PREFIX;
    memcpy(p, entry.tag, AT_BUCKET_TAG);
    memcpy(p + AT_BUCKET_TAG, entry.rest.data, AT_BUCKET_REST);

    *value = entry.value;

    return 0;
}


/* --- writing ------------------------------------------------------------- */


static void
at_bucket_put(char *p, size_t n)
{
    unsigned  i;

    for (i = 0; i < 4; i++) {
        p[i] = (char) (n >> (8 * i));
    }
}


/* what is at p of the index, and ends at *end of the body */
static void
at_bucket_append(char *p, char *body, size_t *end,
    const at_bucket_entry_t *entry)
{
    char  *out;

    out = body + *end;
    memcpy(out, entry->rest.data, entry->rest.len);
    memcpy(out + entry->rest.len, entry->value.data, entry->value.len);

    *end += entry->rest.len + entry->value.len;

    memcpy(p, entry->tag, AT_BUCKET_TAG);
    at_bucket_put(p + AT_BUCKET_TAG, *end);
}


/* without the entry at place if it is there, with added at that place */
static int
at_bucket_copy(at_bytes_t *copy, const at_bucket_t *bucket, size_t place,
    unsigned there, const at_bucket_entry_t *added)
{
    char               *p, *body;
    size_t              i, n, end, size;
    at_bucket_entry_t   entry;

    n = bucket->n - there + (added != NULL);
    size = bucket->size + (added ? AT_BUCKET_REST + added->value.len : 0);

    if (at_bytes_reserve(copy, AT_BUCKET_HEAD + n * AT_BUCKET_INDEX + size)
        != 0)
    {
        return 0;
    }

    p = copy->data + AT_BUCKET_HEAD;
    body = p + n * AT_BUCKET_INDEX;
    end = 0;

    for (i = 0; i <= bucket->n; i++) {

        if (i == place && added != NULL) {
            at_bucket_append(p, body, &end, added);
            p += AT_BUCKET_INDEX;
        }

        if (i == bucket->n || (i == place && there)) {
            continue;
        }

        if (at_bucket_entry(bucket, i, &entry) != 0) {
            return -1;
        }

        at_bucket_append(p, body, &end, &entry);
        p += AT_BUCKET_INDEX;
    }

    copy->len = (size_t) (body - copy->data) + end;

    at_bucket_put(copy->data, n | (bucket->more ? AT_BUCKET_MORE : 0));
    at_bucket_put(copy->data + 4, copy->len);

    return 0;
}


int
at_bucket_set(at_bytes_t *copy, at_str_t bytes, const char *key,
    const at_str_t *value)
{
    int                 there;
    size_t              place;
    at_bucket_t         bucket;
    at_bucket_entry_t   old, added;

    if (at_bucket_open(&bucket, bytes) != 0) {
        return -1;
    }

    there = at_bucket_search(&bucket, key, &place, &old);

    if (there < 0) {
        return -1;
    }

    if (value == NULL) {
        return at_bucket_copy(copy, &bucket, place, (unsigned) there, NULL);
    }

    if (!there && bucket.n == AT_BUCKET_FULL) {
        return -1;
    }

    added.tag = key + AT_BUCKET_PREFIX;
    added.rest = (at_str_t) { added.tag + AT_BUCKET_TAG, AT_BUCKET_REST };
    added.value = *value;

    return at_bucket_copy(copy, &bucket, place, (unsigned) there, &added);
}


int
at_bucket_set_more(at_bytes_t *copy, at_str_t bytes)
{
    at_bucket_t  bucket;

    if (at_bucket_open(&bucket, bytes) != 0) {
        return -1;
    }

    bucket.more = 1;

    return at_bucket_copy(copy, &bucket, bucket.n, 0, NULL);
}
