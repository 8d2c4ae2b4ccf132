/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_record.h"


#define AT_NUMBER_SIZE       10  /* bytes of the largest number */
#define AT_RANGE_HEADER_LEN  2  /* address length, prefix length */

#define AT_FLAG_ENABLED   0x01
#define AT_FLAG_ADMIN     0x02
#define AT_FLAG_EXPIRES   0x04
#define AT_FLAG_EPOCH     0x08


/* --- reading ------------------------------------------------------------- */


/* the bytes that are not decoded yet; after a failure nothing is decoded */
typedef struct {
    const char  *p;
    const char  *end;
    int          failed;
} at_reader_t;


static inline const char *
at_read_bytes(at_reader_t *r, size_t len)
{
    const char  *p;

    if (r->failed || (size_t) (r->end - r->p) < len) {
        r->failed = 1;
        return NULL;
    }

    p = r->p;
    r->p += len;

    return p;
}


static inline unsigned
at_read_byte(at_reader_t *r)
{
    const char  *p;

    p = at_read_bytes(r, 1);

    return p ? (unsigned char) *p : 0;
}


/* rejects unnecessary bytes, so that a number has one encoding */
static uint64_t
at_read_number(at_reader_t *r)
{
    uint64_t  n;
    unsigned  byte, shift;

    n = 0;

    for (shift = 0; shift < 64; shift += 7) {
        byte = at_read_byte(r);

        if ((byte == 0 && shift) || (shift == 63 && byte > 1)) {
            break;
        }

        n |= (uint64_t) (byte & 0x7f) << shift;

        if (byte < 0x80) {
            return n;
        }
    }

    r->failed = 1;

    return 0;
}


static inline at_str_t
at_read_text(at_reader_t *r)
{
    at_str_t  text;

    text.len = at_read_number(r);
    text.data = at_read_bytes(r, text.len);

    if (text.data == NULL) {
        text.len = 0;
    }

    return text;
}


/* checks all items, so that at_list_next() cannot fail later */
static at_list_t
at_read_list(at_reader_t *r)
{
    size_t       i;
    at_list_t    list;
    at_reader_t  items;

    list.n = at_read_number(r);
    list.len = at_read_number(r);
    list.data = at_read_bytes(r, list.len);

    if (list.data == NULL) {
        return (at_list_t) { 0, 0, NULL };
    }

    items = (at_reader_t) { list.data, list.data + list.len, 0 };

    for (i = 0; i < list.n && !items.failed; i++) {
        (void) at_read_text(&items);
    }

    if (items.failed || items.p != items.end) {
        r->failed = 1;
    }

    return list;
}


static size_t
at_range_size(const at_cidr_t *cidr)
{
    return AT_RANGE_HEADER_LEN + (cidr->bits + 7) / 8;
}


static at_list_t
at_read_ranges(at_reader_t *r)
{
    size_t     i;
    at_cidr_t  cidr;
    at_list_t  list, rest;

    list = at_read_list(r);
    rest = list;

    for (i = 0; !r->failed && i < list.n; i++) {
        if (!at_list_next_range(&rest, &cidr)) {
            r->failed = 1;
        }
    }

    return list;
}


static at_reader_t
at_read_header(at_str_t bytes, char kind)
{
    at_reader_t  r;

    if (bytes.len == 0) {
        return (at_reader_t) { NULL, NULL, 1 };
    }

    r = (at_reader_t) { bytes.data, bytes.data + bytes.len, 0 };

    if (at_read_byte(&r) != AT_RECORD_VERSION
        || at_read_byte(&r) != (unsigned char) kind)
    {
        r.failed = 1;
    }

    return r;
}


/* rejects unknown flags: one may be a restriction */
static unsigned
at_read_flags(at_reader_t *r, unsigned known)
{
    unsigned  flags;

    flags = at_read_byte(r);

    if (flags & ~known) {
        r->failed = 1;
    }

    return flags;
}


static int
at_read_end(const at_reader_t *r)
{
    return r->failed || r->p != r->end ? -1 : 0;
}


int
at_token_decode(at_token_record_t *token, at_str_t bytes)
{
    unsigned     flags;
    at_reader_t  r;

    r = at_read_header(bytes, 't');

    flags = at_read_flags(&r, AT_FLAG_ENABLED|AT_FLAG_EXPIRES);
    token->enabled = (flags & AT_FLAG_ENABLED) != 0;
    token->expires = flags & AT_FLAG_EXPIRES ? (int64_t) at_read_number(&r)
                                             : AT_NEVER;

    if (flags & AT_FLAG_EXPIRES && token->expires == AT_NEVER) {
        r.failed = 1;           /* a second encoding */
    }

    token->created = (int64_t) at_read_number(&r);
    token->id = at_read_text(&r);
    token->description = at_read_text(&r);
    token->user = at_read_text(&r);
    token->role = at_read_text(&r);
    token->scopes = at_read_list(&r);
    token->ranges = at_read_ranges(&r);

    return at_read_end(&r);
}


int
at_client_decode(at_client_record_t *client, at_str_t bytes)
{
    unsigned     flags;
    at_reader_t  r;

    r = at_read_header(bytes, 'c');

    flags = at_read_flags(&r, AT_FLAG_ENABLED);
    client->enabled = (flags & AT_FLAG_ENABLED) != 0;
    client->created = (int64_t) at_read_number(&r);
    client->id = at_read_text(&r);
    client->name = at_read_text(&r);
    client->issuers = at_read_list(&r);
    client->role = at_read_text(&r);
    client->ranges = at_read_ranges(&r);
    client->secrets = at_read_list(&r);

    return at_read_end(&r);
}


int
at_user_decode(at_user_record_t *user, at_str_t bytes)
{
    unsigned     flags;
    at_reader_t  r;

    r = at_read_header(bytes, 'u');

    flags = at_read_flags(&r, AT_FLAG_ENABLED|AT_FLAG_ADMIN|AT_FLAG_EPOCH);
    user->enabled = (flags & AT_FLAG_ENABLED) != 0;
    user->admin = (flags & AT_FLAG_ADMIN) != 0;
    user->session_epoch = flags & AT_FLAG_EPOCH ? (int64_t) at_read_number(&r)
                                                : 0;

    if (flags & AT_FLAG_EPOCH && user->session_epoch == 0) {
        r.failed = 1;
    }

    user->created = (int64_t) at_read_number(&r);
    user->username = at_read_text(&r);
    user->id = at_read_text(&r);
    user->password = at_read_text(&r);
    user->issuers = at_read_list(&r);
    user->scopes = at_read_list(&r);

    return at_read_end(&r);
}


int
at_role_decode(at_role_record_t *role, at_str_t bytes)
{
    at_reader_t  r;

    r = at_read_header(bytes, 'r');

    role->created = (int64_t) at_read_number(&r);
    role->name = at_read_text(&r);
    role->grant = at_read_list(&r);
    role->deny = at_read_list(&r);
    role->blocked = at_read_list(&r);

    return at_read_end(&r);
}


/* --- lists --------------------------------------------------------------- */


int
at_list_next(at_list_t *rest, at_str_t *text)
{
    at_reader_t  r;

    if (rest->n == 0) {
        return 0;
    }

    r = (at_reader_t) { rest->data, rest->data + rest->len, 0 };
    *text = at_read_text(&r);

    if (r.failed) {
        return 0;
    }

    rest->n--;
    rest->len = (size_t) (r.end - r.p);
    rest->data = r.p;

    return 1;
}


/* rejects host bits that are set */
int
at_list_next_range(at_list_t *rest, at_cidr_t *cidr)
{
    at_str_t  item;
    unsigned  host;

    if (!at_list_next(rest, &item) || item.len < AT_RANGE_HEADER_LEN) {
        return 0;
    }

    memset(cidr, 0, sizeof(at_cidr_t));
    cidr->addr.len = (unsigned char) item.data[0];
    cidr->bits = (unsigned char) item.data[1];

    if ((cidr->addr.len != 4 && cidr->addr.len != 16)
        || cidr->bits > 8 * cidr->addr.len
        || item.len != at_range_size(cidr))
    {
        return 0;
    }

    memcpy(cidr->addr.bytes, item.data + AT_RANGE_HEADER_LEN,
           item.len - AT_RANGE_HEADER_LEN);

    host = 0xff >> cidr->bits % 8;

    return host == 0xff || (cidr->addr.bytes[cidr->bits / 8] & host) == 0;
}


int
at_list_match_addr(at_list_t ranges, const at_addr_t *addr)
{
    at_cidr_t  cidr;

    if (ranges.n == 0) {
        return 1;
    }

    while (at_list_next_range(&ranges, &cidr)) {
        if (at_cidr_match(&cidr, addr)) {
            return 1;
        }
    }

    return 0;
}


int
at_list_has(at_list_t list, at_str_t text)
{
    at_str_t  item;

    while (at_list_next(&list, &item)) {
        if (at_str_equal(item, text)) {
            return 1;
        }
    }

    return 0;
}


/* --- writing ------------------------------------------------------------- */


static void
at_write_byte(at_bytes_t *bytes, unsigned byte)
{
    at_bytes_append(bytes, &(char) { (char) byte }, 1);
}


static void
at_write_number(at_bytes_t *bytes, uint64_t n)
{
    size_t  len;
    char    buf[AT_NUMBER_SIZE];

    for (len = 0; n > 0x7f; n >>= 7) {
        buf[len++] = (char) (n | 0x80);
    }

    buf[len++] = (char) n;
    at_bytes_append(bytes, buf, len);
}


static void
at_write_text(at_bytes_t *bytes, at_str_t text)
{
    at_write_number(bytes, text.len);
    at_bytes_append(bytes, text.data, text.len);
}


static void
at_write_list(at_bytes_t *bytes, const at_list_t *list)
{
    at_write_number(bytes, list->n);
    at_write_number(bytes, list->len);
    at_bytes_append(bytes, list->data, list->len);
}


static void
at_write_header(at_bytes_t *bytes, char kind)
{
    at_bytes_append(bytes, (char []) { AT_RECORD_VERSION, kind }, 2);
}


void
at_list_add(at_bytes_t *bytes, at_list_t *list, at_str_t text)
{
    at_write_text(bytes, text);

    list->n++;
    list->len = bytes->len;
    list->data = bytes->data;
}


void
at_list_add_range(at_bytes_t *bytes, at_list_t *list, const at_cidr_t *cidr)
{
    size_t  size;
    char    item[AT_RANGE_HEADER_LEN + sizeof(cidr->addr.bytes)];

    size = at_range_size(cidr);

    item[0] = (char) cidr->addr.len;
    item[1] = (char) cidr->bits;
    memcpy(item + AT_RANGE_HEADER_LEN, cidr->addr.bytes,
           size - AT_RANGE_HEADER_LEN);

    at_list_add(bytes, list, (at_str_t) { item, size });
}


int
at_token_encode(at_bytes_t *bytes, const at_token_record_t *token)
{
    at_write_header(bytes, 't');
    at_write_byte(bytes, (token->enabled ? AT_FLAG_ENABLED : 0)
                         | (token->expires != AT_NEVER ? AT_FLAG_EXPIRES : 0));

    if (token->expires != AT_NEVER) {
        at_write_number(bytes, (uint64_t) token->expires);
    }

    at_write_number(bytes, (uint64_t) token->created);
    at_write_text(bytes, token->id);
    at_write_text(bytes, token->description);
    at_write_text(bytes, token->user);
    at_write_text(bytes, token->role);
    at_write_list(bytes, &token->scopes);
    at_write_list(bytes, &token->ranges);

    return bytes->failed ? -1 : 0;
}


int
at_client_encode(at_bytes_t *bytes, const at_client_record_t *client)
{
    at_write_header(bytes, 'c');
    at_write_byte(bytes, client->enabled ? AT_FLAG_ENABLED : 0);
    at_write_number(bytes, (uint64_t) client->created);
    at_write_text(bytes, client->id);
    at_write_text(bytes, client->name);
    at_write_list(bytes, &client->issuers);
    at_write_text(bytes, client->role);
    at_write_list(bytes, &client->ranges);
    at_write_list(bytes, &client->secrets);

    return bytes->failed ? -1 : 0;
}


int
at_user_encode(at_bytes_t *bytes, const at_user_record_t *user)
{
    at_write_header(bytes, 'u');
    at_write_byte(bytes, (user->enabled ? AT_FLAG_ENABLED : 0)
                         | (user->admin ? AT_FLAG_ADMIN : 0)
                         | (user->session_epoch ? AT_FLAG_EPOCH : 0));

    if (user->session_epoch != 0) {
        at_write_number(bytes, (uint64_t) user->session_epoch);
    }

    at_write_number(bytes, (uint64_t) user->created);
    at_write_text(bytes, user->username);
    at_write_text(bytes, user->id);
    at_write_text(bytes, user->password);
    at_write_list(bytes, &user->issuers);
    at_write_list(bytes, &user->scopes);

    return bytes->failed ? -1 : 0;
}


int
at_role_encode(at_bytes_t *bytes, const at_role_record_t *role)
{
    at_write_header(bytes, 'r');
    at_write_number(bytes, (uint64_t) role->created);
    at_write_text(bytes, role->name);
    at_write_list(bytes, &role->grant);
    at_write_list(bytes, &role->deny);
    at_write_list(bytes, &role->blocked);

    return bytes->failed ? -1 : 0;
}
