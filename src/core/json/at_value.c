/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* strtod_l(): a number is read as JSON has it, whatever the locale */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "core/json/at_value.h"


#define AT_VALUES_INITIAL  64  /* room for what most tokens have */

/* whatever the limits, the recursion has an end, and where jansson's has it */
#define AT_VALUE_DEPTH_MAX  2048


/* what is left of a text, and what was found in it */
typedef struct {
    char                    *p;
    char                    *end;
    at_values_t             *values;
    size_t                   n;         /* of the values */
    unsigned                 members;
    const at_json_limits_t  *limits;
} at_value_parser_t;

/* a byte that needs no second look in a string: ASCII but for " and \ */
static const unsigned char  at_value_plain[256] = {
    [' '] = 1, ['!'] = 1, ['#' ... '['] = 1, [']' ... 0x7f] = 1
};


static int at_value_parse(at_value_parser_t *r, unsigned depth);


/* --- the array ----------------------------------------------------------- */


static int
at_values_grow(at_values_t *values)
{
    size_t       size;
    at_value_t  *items;

    size = values->size ? 2 * values->size : AT_VALUES_INITIAL;
    items = malloc(size * sizeof(at_value_t));

    if (items == NULL) {
        return -1;
    }

    if (values->size) {
        memcpy(items, values->items, values->size * sizeof(at_value_t));
    }

    free(values->items);
    values->items = items;
    values->size = size;

    return 0;
}


void
at_values_free(at_values_t *values)
{
    free(values->items);
    memset(values, 0, sizeof(at_values_t));
}


/* the place of the next one, which takes one place so far; NULL: no memory */
static at_value_t *
at_value_add(at_value_parser_t *r, at_value_e type)
{
    at_value_t  *value;

    if (r->n == r->values->size && at_values_grow(r->values) != 0) {
        return NULL;
    }

    value = &r->values->items[r->n++];
    value->type = type;
    value->span = 1;
    value->n = 0;

    return value;
}


/* --- text ---------------------------------------------------------------- */


static void
at_value_skip_space(at_value_parser_t *r)
{
    while (r->p < r->end
           && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r'
               || *r->p == '\t'))
    {
        r->p++;
    }
}


/* 1 if c is next, which is taken then */
static int
at_value_accept(at_value_parser_t *r, char c)
{
    if (r->p == r->end || *r->p != c) {
        return 0;
    }

    r->p++;

    return 1;
}


static int
at_value_is_in_range(unsigned char c, unsigned char first, unsigned char last)
{
    return c >= first && c <= last;
}


/* how many bytes the character of UTF-8 at p has that is not ASCII; 0: none is */
static size_t
at_value_utf8_len(const char *text, const char *end)
{
    size_t                i, len;
    unsigned char         low, high;
    const unsigned char  *p;

    p = (const unsigned char *) text;

    if (at_value_is_in_range(*p, 0xc2, 0xdf)) {
        len = 2;

    } else if (at_value_is_in_range(*p, 0xe0, 0xef)) {
        len = 3;

    } else if (at_value_is_in_range(*p, 0xf0, 0xf4)) {
        len = 4;

    } else {
        return 0;
    }

    if ((size_t) (end - text) < len) {
        return 0;
    }

    /* RFC 3629 section 4: no longer form, no surrogate, nothing above 10FFFF */
    low = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
    high = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;

    if (!at_value_is_in_range(p[1], low, high)) {
        return 0;
    }

    for (i = 2; i < len; i++) {
        if (!at_value_is_in_range(p[i], 0x80, 0xbf)) {
            return 0;
        }
    }

    return len;
}


/* the four hex digits of \uXXXX, or -1 */
static int32_t
at_value_parse_hex4(at_value_parser_t *r)
{
    char      c;
    unsigned  i;
    int32_t   code;

    if (r->end - r->p < 4) {
        return -1;
    }

    code = 0;

    for (i = 0; i < 4; i++) {
        c = at_lower(*r->p++);

        if (c >= '0' && c <= '9') {
            code = code * 16 + (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            code = code * 16 + (c - 'a' + 10);

        } else {
            return -1;
        }
    }

    return code;
}


/* the character that \u begins, by two of them where it takes two; -1: none */
static int32_t
at_value_parse_code_point(at_value_parser_t *r)
{
    int32_t  code, low;

    code = at_value_parse_hex4(r);

    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return -1;
    }

    if (code < 0xd800 || code > 0xdbff) {
        return code;
    }

    if (!at_value_accept(r, '\\') || !at_value_accept(r, 'u')) {
        return -1;
    }

    low = at_value_parse_hex4(r);

    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }

    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}


static char *
at_value_put_utf8(char *out, int32_t code)
{
    if (code < 0x80) {
        *out++ = (char) code;
        return out;
    }

    if (code < 0x800) {
        *out++ = (char) (0xc0 | code >> 6);

    } else if (code < 0x10000) {
        *out++ = (char) (0xe0 | code >> 12);
        *out++ = (char) (0x80 | (code >> 6 & 0x3f));

    } else {
        *out++ = (char) (0xf0 | code >> 18);
        *out++ = (char) (0x80 | (code >> 12 & 0x3f));
        *out++ = (char) (0x80 | (code >> 6 & 0x3f));
    }

    *out++ = (char) (0x80 | (code & 0x3f));

    return out;
}


/* what stands behind a backslash; it is never longer than its spelling */
static char *
at_value_parse_escape(at_value_parser_t *r, char *out)
{
    char     c;
    int32_t  code;

    if (r->p == r->end) {
        return NULL;
    }

    c = *r->p++;

    switch (c) {

    case '"':
    case '\\':
    case '/':
        *out++ = c;
        return out;

    case 'b':
        *out++ = '\b';
        return out;

    case 'f':
        *out++ = '\f';
        return out;

    case 'n':
        *out++ = '\n';
        return out;

    case 'r':
        *out++ = '\r';
        return out;

    case 't':
        *out++ = '\t';
        return out;

    case 'u':
        code = at_value_parse_code_point(r);
        return code > 0 ? at_value_put_utf8(out, code) : NULL;

    default:
        return NULL;
    }
}


/* from the first byte on that is not plain, to the quote; the end, or NULL */
static char *
at_value_unescape(at_value_parser_t *r)
{
    char    *out;
    size_t   len;

    out = r->p;

    while (r->p < r->end) {

        if (at_value_plain[(unsigned char) *r->p]) {
            *out++ = *r->p++;

        } else if (*r->p == '"') {
            r->p++;
            return out;

        } else if (*r->p == '\\') {
            r->p++;
            out = at_value_parse_escape(r, out);

            if (out == NULL) {
                return NULL;
            }

        } else {
            len = at_value_utf8_len(r->p, r->end);

            if (len == 0) {
                return NULL;
            }

            memmove(out, r->p, len);
            out += len;
            r->p += len;
        }
    }

    return NULL;
}


/* behind its first quote */
static int
at_value_parse_string(at_value_parser_t *r)
{
    char        *text, *end;
    at_value_t  *value;

    text = r->p;

    while (r->p < r->end && at_value_plain[(unsigned char) *r->p]) {
        r->p++;
    }

    end = r->p;

    if (!at_value_accept(r, '"')) {
        end = at_value_unescape(r);
    }

    if (end == NULL || (size_t) (end - text) > r->limits->string) {
        return -1;
    }

    value = at_value_add(r, AT_VALUE_STRING);

    if (value == NULL) {
        return -2;
    }

    value->text = text;
    value->n = (uint32_t) (end - text);

    return 0;
}


/* --- numbers ------------------------------------------------------------- */


/* how many there were */
static size_t
at_value_skip_digits(at_value_parser_t *r)
{
    char  *start;

    start = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }

    return (size_t) (r->p - start);
}


/* a fraction, an exponent, or both: 1; 0 for an integer, -1 for none of these */
static int
at_value_skip_fraction(at_value_parser_t *r)
{
    int  real;

    real = 0;

    if (at_value_accept(r, '.')) {
        real = 1;

        if (at_value_skip_digits(r) == 0) {
            return -1;
        }
    }

    if (at_value_accept(r, 'e') || at_value_accept(r, 'E')) {
        real = 1;

        if (!at_value_accept(r, '+')) {
            (void) at_value_accept(r, '-');
        }

        if (at_value_skip_digits(r) == 0) {
            return -1;
        }
    }

    return real;
}


static int
at_value_parse_integer(int64_t *integer, const char *text, const char *end)
{
    int      negative, digit;
    int64_t  n;

    negative = *text == '-';
    n = 0;

    for (text += negative; text < end; text++) {
        digit = *text - '0';

        if (__builtin_mul_overflow(n, 10, &n)
            || __builtin_add_overflow(n, negative ? -digit : digit, &n))
        {
            return -1;
        }
    }

    *integer = n;

    return 0;
}


/* end is inside of the text, as an object has a last bracket */
static int
at_value_parse_real(double *real, const char *text, char *end)
{
    char      behind;
    locale_t  c;

    c = newlocale(LC_ALL_MASK, "C", NULL);

    if (c == NULL) {
        return -2;
    }

    behind = *end;
    *end = '\0';
    *real = strtod_l(text, NULL, c);
    *end = behind;

    freelocale(c);

    return isfinite(*real) ? 0 : -1;
}


static int
at_value_parse_number(at_value_parser_t *r)
{
    int          real;
    char        *text;
    at_value_t  *value;

    text = r->p;
    (void) at_value_accept(r, '-');

    /* a zero is alone before the point */
    if (!at_value_accept(r, '0') && at_value_skip_digits(r) == 0) {
        return -1;
    }

    real = at_value_skip_fraction(r);

    if (real < 0 || r->p == r->end) {
        return -1;
    }

    value = at_value_add(r, real ? AT_VALUE_REAL : AT_VALUE_INTEGER);

    if (value == NULL) {
        return -2;
    }

    return real ? at_value_parse_real(&value->real, text, r->p)
                : at_value_parse_integer(&value->integer, text, r->p);
}


/* --- arrays and objects -------------------------------------------------- */


/* the values have grown, and may have moved, since it was added */
static void
at_value_close(at_value_parser_t *r, size_t self, uint32_t n)
{
    at_value_t  *value;

    value = &r->values->items[self];
    value->n = n;
    value->span = (uint32_t) (r->n - self);
}


/* behind its bracket */
static int
at_value_parse_array(at_value_parser_t *r, unsigned depth)
{
    int       rc;
    size_t    self;
    uint32_t  n;

    self = r->n;
    n = 0;

    if (at_value_add(r, AT_VALUE_ARRAY) == NULL) {
        return -2;
    }

    at_value_skip_space(r);

    if (!at_value_accept(r, ']')) {
        do {
            rc = at_value_parse(r, depth + 1);

            if (rc != 0) {
                return rc;
            }

            n++;

        } while (at_value_accept(r, ','));

        if (!at_value_accept(r, ']')) {
            return -1;
        }
    }

    at_value_close(r, self, n);

    return 0;
}


/* of n members, the first of which is at name, the name that is wanted, or NULL */
static const at_value_t *
at_value_find(const at_value_t *name, uint32_t n, at_str_t wanted)
{
    for ( /* void */ ; n; n--) {

        if (at_str_equal((at_str_t) { name->text, name->n }, wanted)) {
            return name;
        }

        name = at_value_next(name + 1);
    }

    return NULL;
}


/* whether one of the n members before has the name of the one at place */
static int
at_value_is_duplicate(const at_value_parser_t *r, size_t self, uint32_t n,
    size_t place)
{
    const at_value_t  *items, *name;

    items = r->values->items;
    name = &items[place];

    return at_value_find(&items[self + 1], n,
                         (at_str_t) { name->text, name->n })
           != NULL;
}


/* n members are there already of the object at self */
static int
at_value_parse_member(at_value_parser_t *r, unsigned depth, size_t self,
    uint32_t n)
{
    int     rc;
    size_t  place;

    at_value_skip_space(r);

    if (!at_value_accept(r, '"') || ++r->members > r->limits->members) {
        return -1;
    }

    place = r->n;
    rc = at_value_parse_string(r);

    if (rc != 0) {
        return rc;
    }

    at_value_skip_space(r);

    if (at_value_is_duplicate(r, self, n, place) || !at_value_accept(r, ':')) {
        return -1;
    }

    return at_value_parse(r, depth + 1);
}


static int
at_value_parse_object(at_value_parser_t *r, unsigned depth)
{
    int       rc;
    size_t    self;
    uint32_t  n;

    self = r->n;
    n = 0;

    if (at_value_add(r, AT_VALUE_OBJECT) == NULL) {
        return -2;
    }

    at_value_skip_space(r);

    if (!at_value_accept(r, '}')) {
        do {
            rc = at_value_parse_member(r, depth, self, n);

            if (rc != 0) {
                return rc;
            }

            n++;

        } while (at_value_accept(r, ','));

        if (!at_value_accept(r, '}')) {
            return -1;
        }
    }

    at_value_close(r, self, n);

    return 0;
}


static int
at_value_parse_literal(at_value_parser_t *r, at_str_t word, at_value_e type)
{
    if ((size_t) (r->end - r->p) < word.len
        || memcmp(r->p, word.data, word.len) != 0)
    {
        return -1;
    }

    r->p += word.len;

    return at_value_add(r, type) != NULL ? 0 : -2;
}


static int
at_value_parse_any(at_value_parser_t *r, unsigned depth)
{
    switch (*r->p) {

    case '"':
        r->p++;
        return at_value_parse_string(r);

    case '{':
        r->p++;
        return depth <= r->limits->depth ? at_value_parse_object(r, depth) : -1;

    case '[':
        r->p++;
        return depth <= r->limits->depth ? at_value_parse_array(r, depth) : -1;

    case 't':
        return at_value_parse_literal(r, at_str("true"), AT_VALUE_TRUE);

    case 'f':
        return at_value_parse_literal(r, at_str("false"), AT_VALUE_FALSE);

    case 'n':
        return at_value_parse_literal(r, at_str("null"), AT_VALUE_NULL);

    default:
        return at_value_parse_number(r);
    }
}


/* with the white space around it; depth is that of an object or array here */
static int
at_value_parse(at_value_parser_t *r, unsigned depth)
{
    int  rc;

    at_value_skip_space(r);

    if (r->p == r->end || depth > AT_VALUE_DEPTH_MAX) {
        return -1;
    }

    rc = at_value_parse_any(r, depth);
    at_value_skip_space(r);

    return rc;
}


int
at_values_parse(at_values_t *values, char *text, size_t len,
    const at_json_limits_t *limits)
{
    int                rc;
    at_value_parser_t  r = { text, text + len, values, 0, 0, limits };

    at_value_skip_space(&r);

    if (len > AT_VALUE_TEXT_MAX || r.p == r.end || *r.p != '{') {
        return -1;
    }

    rc = at_value_parse(&r, 1);

    return rc == 0 && r.p != r.end ? -1 : rc;
}


/* --- looking ------------------------------------------------------------- */


const at_value_t *
at_value_member(const at_value_t *object, at_str_t name)
{
    const at_value_t  *member;

    if (!at_value_is(object, AT_VALUE_OBJECT)) {
        return NULL;
    }

    member = at_value_find(object + 1, object->n, name);

    return member != NULL ? member + 1 : NULL;
}


int
at_value_string(const at_value_t *value, at_str_t *text)
{
    if (!at_value_is(value, AT_VALUE_STRING)) {
        return -1;
    }

    *text = (at_str_t) { value->text, value->n };

    return 0;
}


int
at_value_number(const at_value_t *value, double *number)
{
    if (at_value_is(value, AT_VALUE_INTEGER)) {
        *number = (double) value->integer;
        return 0;
    }

    if (at_value_is(value, AT_VALUE_REAL)) {
        *number = value->real;
        return 0;
    }

    return -1;
}


int
at_value_member_string(const at_value_t *object, at_str_t name, at_str_t *text)
{
    const at_value_t  *member;

    member = at_value_member(object, name);

    if (member == NULL) {
        return 0;
    }

    return at_value_string(member, text) == 0 ? 1 : -1;
}
