/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* strtod_l() */
#endif

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/at_crypto.h"
#include "core/base/at_hex.h"
#include "core/base/at_utf8.h"
#include "core/json/at_json.h"


#define AT_JSON_INITIAL_SIZE  64  /* values: enough for most tokens */

/* the names of larger objects are compared with a hash table */
#define AT_JSON_SMALL_OBJECT  16

/* integers of so many digits are exact as a double */
#define AT_JSON_EXACT_DIGITS  15


typedef struct {
    char                    *p;             /* the rest of the text */
    char                    *end;
    at_json_t               *json;
    size_t                   n;             /* values so far */
    unsigned                 max_depth;
    unsigned                 has_seed:1;
    uint64_t                 seed;          /* of the hash; random */
} at_json_parser_t;

/* ASCII that a string contains as it is: no control, no quote, no backslash */
static const unsigned char  at_json_plain[256] = {
    [' '] = 1, ['!'] = 1, ['#' ... '['] = 1, [']' ... 0x7f] = 1
};


static int at_json_parse_value(at_json_parser_t *parser, unsigned depth);


/* --- values -------------------------------------------------------------- */


void
at_json_free(at_json_t *json)
{
    free(json->items);
    memset(json, 0, sizeof(at_json_t));
}


/* appends a value without content */
static int
at_json_add(at_json_parser_t *parser, at_json_type_e type, const char *text,
    size_t n)
{
    size_t            size;
    at_json_t        *json;
    at_json_value_t  *value;

    json = parser->json;

    if (parser->n == json->size) {
        size = json->size ? 2 * json->size : AT_JSON_INITIAL_SIZE;
        value = realloc(json->items, size * sizeof(at_json_value_t));

        if (value == NULL) {
            return AT_JSON_NO_MEMORY;
        }

        json->items = value;
        json->size = size;
    }

    value = &json->items[parser->n++];
    value->type = type;
    value->span = 1;
    value->n = (uint32_t) n;
    value->text = text;

    return 0;
}


/* --- strings ------------------------------------------------------------- */


static void
at_json_skip_space(at_json_parser_t *parser)
{
    while (parser->p < parser->end
           && (*parser->p == ' ' || *parser->p == '\n' || *parser->p == '\r'
               || *parser->p == '\t'))
    {
        parser->p++;
    }
}


/* consumes c if it is the next character */
static int
at_json_accept(at_json_parser_t *parser, char c)
{
    if (parser->p == parser->end || *parser->p != c) {
        return 0;
    }

    parser->p++;

    return 1;
}


/* the four digits of \uXXXX, or -1 */
static int32_t
at_json_parse_hex4(at_json_parser_t *parser)
{
    int       digit;
    unsigned  i;
    int32_t   code;

    if (parser->end - parser->p < 4) {
        return -1;
    }

    code = 0;

    for (i = 0; i < 4; i++) {
        digit = at_hex_digit(*parser->p++);

        if (digit == -1) {
            return -1;
        }

        code = code * 16 + digit;
    }

    return code;
}


/* after "\u"; two escapes form a surrogate pair; -1: invalid */
static int32_t
at_json_parse_code_point(at_json_parser_t *parser)
{
    int32_t  code, low;

    code = at_json_parse_hex4(parser);

    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return -1;
    }

    if (code < 0xd800 || code > 0xdbff) {
        return code;
    }

    if (!at_json_accept(parser, '\\') || !at_json_accept(parser, 'u')) {
        return -1;
    }

    low = at_json_parse_hex4(parser);

    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }

    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}


/*
 * After a backslash.  Writes the character, which is never longer than its
 * escape; returns the position after it, or NULL.
 */
static char *
at_json_parse_escape(at_json_parser_t *parser, char *out)
{
    char        c;
    int32_t     code;
    const char *found;

    static const char  escapes[] = "\"\\/bfnrt";
    static const char  characters[] = "\"\\/\b\f\n\r\t";

    if (parser->p == parser->end) {
        return NULL;
    }

    c = *parser->p++;

    if (c == 'u') {
        code = at_json_parse_code_point(parser);
        return code >= 0 ? at_utf8_encode(out, (uint32_t) code) : NULL;
    }

    found = memchr(escapes, c, sizeof(escapes) - 1);

    if (found == NULL) {
        return NULL;
    }

    *out++ = characters[found - escapes];

    return out;
}


/*
 * Unescapes the rest of a string in place and consumes its closing quote.
 * Returns the end of the string, or NULL.
 */
static char *
at_json_unescape(at_json_parser_t *parser)
{
    char           *out;
    at_utf8_t       utf8 = { 0, 0, 0 };
    unsigned char   c;

    out = parser->p;

    while (parser->p < parser->end) {
        c = (unsigned char) *parser->p++;

        if (utf8.pending || c >= 0x80) {
            if (at_utf8_decode(&utf8, c) != 0) {
                return NULL;
            }

            *out++ = (char) c;

        } else if (at_json_plain[c]) {
            *out++ = (char) c;

        } else if (c == '"') {
            return out;

        } else if (c == '\\') {
            out = at_json_parse_escape(parser, out);

            if (out == NULL) {
                return NULL;
            }

        } else {
            return NULL;
        }
    }

    return NULL;
}


/* after the opening quote */
static int
at_json_parse_string(at_json_parser_t *parser)
{
    char  *text, *end;

    text = parser->p;

    while (parser->p < parser->end
           && at_json_plain[(unsigned char) *parser->p])
    {
        parser->p++;
    }

    end = parser->p;

    if (!at_json_accept(parser, '"')) {
        end = at_json_unescape(parser);
    }

    return end != NULL ? at_json_add(parser, AT_JSON_STRING, text,
                                     (size_t) (end - text))
                       : AT_JSON_INVALID;
}


/* --- numbers ------------------------------------------------------------- */


/* returns the number of digits */
static size_t
at_json_skip_digits(at_json_parser_t *parser)
{
    char  *start;

    start = parser->p;

    while (parser->p < parser->end && *parser->p >= '0' && *parser->p <= '9') {
        parser->p++;
    }

    return (size_t) (parser->p - start);
}


static int
at_json_parse_number(at_json_parser_t *parser)
{
    char  *text;

    text = parser->p;

    (void) at_json_accept(parser, '-');

    /* no leading zeros */
    if (!at_json_accept(parser, '0') && at_json_skip_digits(parser) == 0) {
        return AT_JSON_INVALID;
    }

    if (at_json_accept(parser, '.') && at_json_skip_digits(parser) == 0) {
        return AT_JSON_INVALID;
    }

    if (at_json_accept(parser, 'e') || at_json_accept(parser, 'E')) {

        if (!at_json_accept(parser, '+')) {
            (void) at_json_accept(parser, '-');
        }

        if (at_json_skip_digits(parser) == 0) {
            return AT_JSON_INVALID;
        }
    }

    return at_json_add(parser, AT_JSON_NUMBER, text,
                       (size_t) (parser->p - text));
}


/* --- arrays and objects -------------------------------------------------- */


/* finds one of n members by name; first is the name of the first member */
static const at_json_value_t *
at_json_find(const at_json_value_t *first, uint32_t n, at_str_t name)
{
    for ( /* void */ ; n; n--) {

        if (at_str_equal((at_str_t) { first->text, first->n }, name)) {
            return first;
        }

        first = at_json_next(first + 1);
    }

    return NULL;
}


/*
 * Compares the names of an object with n members by a hash table with open
 * addressing, which holds the positions of the names.  The seed is random: the
 * sender cannot choose names that collide.
 */
static int
at_json_check_names(at_json_parser_t *parser, const at_json_value_t *object,
    uint32_t n)
{
    int                     rc;
    size_t                  size, slot;
    uint32_t               *table;
    const at_json_value_t  *name, *other;

    if (!parser->has_seed) {
        if (at_random(&parser->seed, sizeof(parser->seed)) != 0) {
            return AT_JSON_NO_MEMORY;
        }

        parser->has_seed = 1;
    }

    for (size = 4 * AT_JSON_SMALL_OBJECT; size < 2 * (size_t) n; size *= 2) {
        /* void */
    }

    table = calloc(size, sizeof(uint32_t));

    if (table == NULL) {
        return AT_JSON_NO_MEMORY;
    }

    rc = 0;

    for (name = object + 1; rc == 0 && n; n--) {
        slot = XXH3_64bits_withSeed(name->text, name->n, parser->seed);

        for (slot &= size - 1; table[slot]; slot = (slot + 1) & (size - 1)) {
            other = object + table[slot];

            if (at_str_equal((at_str_t) { other->text, other->n },
                             (at_str_t) { name->text, name->n }))
            {
                rc = AT_JSON_INVALID;
                break;
            }
        }

        table[slot] = (uint32_t) (name - object);
        name = at_json_next(name + 1);
    }

    free(table);

    return rc;
}


/* parses a member of the object at index, which has n members so far */
static int
at_json_parse_member(at_json_parser_t *parser, unsigned depth, size_t index,
    uint32_t n)
{
    int                     rc;
    const at_json_value_t  *name;

    at_json_skip_space(parser);

    if (!at_json_accept(parser, '"')) {
        return AT_JSON_INVALID;
    }

    rc = at_json_parse_string(parser);

    if (rc != 0) {
        return rc;
    }

    name = &parser->json->items[parser->n - 1];

    /* the names of a larger object are compared at its end */
    if (n < AT_JSON_SMALL_OBJECT
        && at_json_find(&parser->json->items[index + 1], n,
                        (at_str_t) { name->text, name->n })
           != NULL)
    {
        return AT_JSON_INVALID;
    }

    at_json_skip_space(parser);

    return at_json_accept(parser, ':') ? at_json_parse_value(parser, depth + 1)
                                       : AT_JSON_INVALID;
}


/* after the opening bracket or brace */
static int
at_json_parse_container(at_json_parser_t *parser, at_json_type_e type,
    unsigned depth)
{
    int               rc;
    char              close;
    size_t            index;
    uint32_t          n;
    at_json_value_t  *value;

    index = parser->n;
    n = 0;
    close = type == AT_JSON_ARRAY ? ']' : '}';

    if (depth > parser->max_depth) {
        return AT_JSON_TOO_COMPLEX;
    }

    if (at_json_add(parser, type, NULL, 0) != 0) {
        return AT_JSON_NO_MEMORY;
    }

    at_json_skip_space(parser);

    if (!at_json_accept(parser, close)) {
        do {
            rc = type == AT_JSON_ARRAY
                 ? at_json_parse_value(parser, depth + 1)
                 : at_json_parse_member(parser, depth, index, n);

            if (rc != 0) {
                return rc;
            }

            n++;

        } while (at_json_accept(parser, ','));

        if (!at_json_accept(parser, close)) {
            return AT_JSON_INVALID;
        }
    }

    /* the array of values may have moved meanwhile */
    value = &parser->json->items[index];
    value->n = n;
    value->span = (uint32_t) (parser->n - index);

    return type == AT_JSON_OBJECT && n > AT_JSON_SMALL_OBJECT
           ? at_json_check_names(parser, value, n) : 0;
}


static int
at_json_parse_literal(at_json_parser_t *parser, at_str_t word,
    at_json_type_e type)
{
    char  *text;

    text = parser->p;

    if ((size_t) (parser->end - text) < word.len
        || memcmp(text, word.data, word.len) != 0)
    {
        return AT_JSON_INVALID;
    }

    parser->p += word.len;

    return at_json_add(parser, type, text, word.len);
}


/* parses a value and the white space around it, at this nesting depth */
static int
at_json_parse_value(at_json_parser_t *parser, unsigned depth)
{
    int  rc;

    at_json_skip_space(parser);

    if (parser->p == parser->end) {
        return AT_JSON_INVALID;
    }

    if (at_json_accept(parser, '"')) {
        rc = at_json_parse_string(parser);

    } else if (at_json_accept(parser, '{')) {
        rc = at_json_parse_container(parser, AT_JSON_OBJECT, depth);

    } else if (at_json_accept(parser, '[')) {
        rc = at_json_parse_container(parser, AT_JSON_ARRAY, depth);

    } else if (*parser->p == 't') {
        rc = at_json_parse_literal(parser, at_str("true"), AT_JSON_TRUE);

    } else if (*parser->p == 'f') {
        rc = at_json_parse_literal(parser, at_str("false"), AT_JSON_FALSE);

    } else if (*parser->p == 'n') {
        rc = at_json_parse_literal(parser, at_str("null"), AT_JSON_NULL);

    } else {
        rc = at_json_parse_number(parser);
    }

    at_json_skip_space(parser);

    return rc;
}


int
at_json_parse(at_json_t *json, char *text, size_t len, unsigned depth)
{
    int               rc;
    at_json_parser_t  parser = { text, text + len, json, 0, depth, 0, 0 };

    if (depth > AT_JSON_DEPTH_MAX) {
        parser.max_depth = AT_JSON_DEPTH_MAX;
    }

    at_json_skip_space(&parser);

    if (len > AT_JSON_TEXT_MAX || parser.p == parser.end || *parser.p != '{') {
        return AT_JSON_INVALID;
    }

    rc = at_json_parse_value(&parser, 1);

    return rc == 0 && parser.p != parser.end ? AT_JSON_INVALID : rc;
}


/* --- access -------------------------------------------------------------- */


const at_json_value_t *
at_json_member(const at_json_value_t *object, at_str_t name)
{
    const at_json_value_t  *member;

    if (!at_json_is(object, AT_JSON_OBJECT)) {
        return NULL;
    }

    member = at_json_find(object + 1, object->n, name);

    return member != NULL ? member + 1 : NULL;
}


static int
at_json_contains_nul(const at_json_value_t *string)
{
    return string->n != 0 && memchr(string->text, '\0', string->n) != NULL;
}


int
at_json_has_nul(const at_json_value_t *value)
{
    const at_json_value_t  *end;

    for (end = at_json_next(value); value < end; value++) {
        if (value->type == AT_JSON_STRING && at_json_contains_nul(value)) {
            return 1;
        }
    }

    return 0;
}


int
at_json_string(const at_json_value_t *value, at_str_t *text)
{
    if (!at_json_is(value, AT_JSON_STRING) || at_json_contains_nul(value)) {
        return -1;
    }

    *text = (at_str_t) { value->text, value->n };

    return 0;
}


/*
 * The text is part of an object: strtod_l() ends at the byte after the number,
 * which is a comma, a bracket or white space.
 */
int
at_json_number(const at_json_value_t *value, double *number)
{
    int64_t   integer;
    uint32_t  i;
    locale_t  c;

    if (!at_json_is(value, AT_JSON_NUMBER)) {
        return -1;
    }

    integer = 0;

    for (i = 0; i < value->n && i < AT_JSON_EXACT_DIGITS; i++) {
        if (value->text[i] < '0' || value->text[i] > '9') {
            break;
        }

        integer = integer * 10 + (value->text[i] - '0');
    }

    if (i == value->n) {
        *number = (double) integer;
        return 0;
    }

    /* the decimal separator depends on the locale of the process otherwise */
    c = newlocale(LC_ALL_MASK, "C", NULL);

    if (c == NULL) {
        return -1;
    }

    *number = strtod_l(value->text, NULL, c);
    freelocale(c);

    return isfinite(*number) ? 0 : -1;
}


int
at_json_member_string(const at_json_value_t *object, at_str_t name,
    at_str_t *text)
{
    const at_json_value_t  *member;

    member = at_json_member(object, name);

    if (member == NULL) {
        return 0;
    }

    return at_json_string(member, text) == 0 ? 1 : -1;
}
