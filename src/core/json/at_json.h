/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON of requests (RFC 8259): JOSE headers, claims, request bodies.  The
 * parser changes the text in place and makes one pass over it; the values are
 * an array that is reused for the next text.
 *
 * Every text has one meaning or is invalid (RFC 8725 section 2.4).  Invalid
 * are: duplicate members, however their names are escaped; text that is not
 * UTF-8; NUL, escaped or not; integers beyond 64 bits and infinite numbers;
 * anything but white space around the object; anything beyond the limits.
 */

#ifndef AT_JSON_H
#define AT_JSON_H

#include <stdint.h>

#include "core/base/at_str.h"


typedef struct {
    unsigned  depth;            /* nested objects and arrays, 1: no nesting */
    unsigned  members;          /* of all objects together */
    size_t    string;           /* bytes of one string or name, unescaped */
} at_json_limits_t;

typedef enum {
    AT_JSON_NULL = 0,
    AT_JSON_FALSE,
    AT_JSON_TRUE,
    AT_JSON_INTEGER,
    AT_JSON_REAL,
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
    uint32_t         n;         /* bytes of a string, items, members */
    union {
        const char  *text;      /* of a string, not terminated */
        int64_t      integer;
        double       real;
    };
} at_json_value_t;

/* Memory for the values of one text; all zero before the first use. */
typedef struct {
    at_json_value_t  *items;
    size_t            size;     /* values that items has room for */
} at_json_t;


#define AT_JSON_TEXT_MAX  ((1u << 28) - 1)  /* bytes; bounds the span */

/*
 * Parses text, which must be one object.  The object is json->items[0], valid
 * until the next call; its strings are views of text.  Returns 0; -1 if text
 * is invalid; -2 if allocation fails.
 */
int at_json_parse(at_json_t *json, char *text, size_t len,
    const at_json_limits_t *limits);
void at_json_free(at_json_t *json);

/* The member with exactly this name; NULL if missing, or not an object. */
const at_json_value_t *at_json_member(const at_json_value_t *object,
    at_str_t name);

/* The view of a string.  Returns 0, or -1 for other types and for NULL. */
int at_json_string(const at_json_value_t *value, at_str_t *text);

/* An integer or a real number.  Returns 0, or -1 for other types and NULL. */
int at_json_number(const at_json_value_t *value, double *number);

/*
 * A string member.  Returns 1; 0 if there is no such member; -1 if it is of
 * another type.
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
