/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON of requests (RFC 8259): JOSE headers, claims, request bodies.  The
 * parser changes the text in place and makes one pass over it; the values are
 * an array that is reused for the next text.
 *
 * Every text has one meaning or is invalid (RFC 8725 section 2.4): duplicate
 * members, however their names are escaped, and text that is not UTF-8,
 * unpaired surrogates included, are invalid.  All other JSON is valid.
 * Numbers are not converted before they are used, so their size does not
 * matter; U+0000 is an error only in a string that is used.
 *
 * A text of n bytes has at most n / 2 values.  They take up to 16 * n bytes of
 * memory, and 8 * n for a moment while names are compared.  The time is
 * proportional to n; the stack is bounded by the depth.
 */

#ifndef AT_JSON_H
#define AT_JSON_H

#include <stdint.h>

#include "core/base/at_str.h"


typedef enum {
    AT_JSON_NULL = 0,
    AT_JSON_FALSE,
    AT_JSON_TRUE,
    AT_JSON_NUMBER,
    AT_JSON_STRING,
    AT_JSON_ARRAY,
    AT_JSON_OBJECT
} at_json_type_e;

/*
 * The content of an array or object follows it in memory: the items of the
 * array; for each member of the object a string, its name, and its value.
 */
typedef struct {
    uint32_t         type:4;    /* at_json_type_e */
    uint32_t         span:28;   /* values it takes up, with its content */
    uint32_t         n;         /* bytes of the text, items, members */
    const char      *text;      /* not terminated; a string is unescaped;
                                   NULL for arrays and objects */
} at_json_value_t;

/* Memory for the values of one text; all zero before the first use. */
typedef struct {
    at_json_value_t  *items;
    size_t            size;     /* values that items has room for */
} at_json_t;


#define AT_JSON_TEXT_MAX   ((1u << 28) - 1)  /* bytes; bounds the span */
#define AT_JSON_DEPTH_MAX  512               /* nested objects and arrays */

/* results of at_json_parse() */
#define AT_JSON_INVALID      (-1)
#define AT_JSON_NO_MEMORY    (-2)
#define AT_JSON_TOO_COMPLEX  (-3)   /* more nested levels than depth */

/*
 * Parses text, which must be one object.  The object is json->items[0], valid
 * until the next call; its strings and numbers are views of text.  depth is
 * the number of nested objects and arrays, at most AT_JSON_DEPTH_MAX; 1 means
 * no nesting.  Returns 0 or a result above.
 */
int at_json_parse(at_json_t *json, char *text, size_t len, unsigned depth);
void at_json_free(at_json_t *json);

/* The member with exactly this name; NULL if missing, or not an object. */
const at_json_value_t *at_json_member(const at_json_value_t *object,
    at_str_t name);

/*
 * The view of a string.  Returns 0, or -1 for other types, for NULL and for a
 * string that contains U+0000.
 */
int at_json_string(const at_json_value_t *value, at_str_t *text);

/*
 * The value of a number that was parsed.  Returns 0, or -1 for other types,
 * for NULL, and if the number is too large for a double.
 */
int at_json_number(const at_json_value_t *value, double *number);

/* Whether a string or a name in the value, at any depth, contains U+0000. */
int at_json_has_nul(const at_json_value_t *value);

/*
 * A string member.  Returns 1; 0 if there is no such member; -1 if it is of
 * another type or contains U+0000.
 */
int at_json_member_string(const at_json_value_t *object, at_str_t name,
    at_str_t *text);


/* The value after this one and its content. */
static inline const at_json_value_t *
at_json_next(const at_json_value_t *value)
{
    return value + value->span;
}


static inline int
at_json_is(const at_json_value_t *value, at_json_type_e type)
{
    return value != NULL && value->type == (uint32_t) type;
}


#endif
