/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON values (RFC 8259) with one reading only (RFC 8725 section 2.4), as tokens
 * bring them, a thousand times a second: one pass over the text, which is
 * changed in place, into an array that is used anew for the next.
 *
 * What is taken, and how it is read, is what at_json.h takes of documents; a
 * fuzz target holds the two against each other.  That is UTF-8 without NUL, no
 * member twice however it is spelled, integers of 64 bits, no real number that
 * is infinite, nothing before or behind but white space, and the limits.
 */

#ifndef AT_VALUE_H
#define AT_VALUE_H

#include <stdint.h>

#include "core/base/at_str.h"


typedef struct {
    unsigned  depth;            /* nested objects and arrays, the outermost is 1 */
    unsigned  members;          /* of all objects together */
    size_t    string;           /* bytes of one string or name */
} at_json_limits_t;

typedef enum {
    AT_VALUE_NULL = 0,
    AT_VALUE_FALSE,
    AT_VALUE_TRUE,
    AT_VALUE_INTEGER,
    AT_VALUE_REAL,
    AT_VALUE_STRING,
    AT_VALUE_ARRAY,
    AT_VALUE_OBJECT
} at_value_e;

/*
 * What is within a value lies behind it: the items of an array one after the
 * other, the members of an object each as a string, its name, and a value.
 */
typedef struct {
    uint32_t         type:4;    /* at_value_e */
    uint32_t         span:28;   /* how many values it takes, with all within */
    uint32_t         n;         /* bytes of a string, items, members */
    union {
        const char  *text;      /* of a string: a view, and no terminator */
        int64_t      integer;
        double       real;
    };
} at_value_t;

/* Where they are kept; zeroed, there are none.  It grows, and is used again. */
typedef struct {
    at_value_t      *items;
    size_t           size;
} at_values_t;


#define AT_VALUE_TEXT_MAX  ((1u << 28) - 1)     /* bytes: no text has more values */

/*
 * Reads exactly text, whose top level must be an object: it is values->items,
 * until the next call.  Its strings are views of text.  Returns 0; -1 for what
 * is no such document; -2 where memory failed.
 */
int at_values_parse(at_values_t *values, char *text, size_t len,
    const at_json_limits_t *limits);
void at_values_free(at_values_t *values);

/* A member of that exact name; NULL if there is none, or for no object. */
const at_value_t *at_value_member(const at_value_t *object, at_str_t name);

/* a string, as a view; 0, or -1 for anything else, NULL included */
int at_value_string(const at_value_t *value, at_str_t *text);

/* the number of either kind; 0, or -1 for anything else */
int at_value_number(const at_value_t *value, double *number);

/*
 * A member that is a string: 1; 0 if there is no such member, -1 if it is of
 * another type.
 */
int at_value_member_string(const at_value_t *object, at_str_t name,
    at_str_t *text);


/* the one that lies behind value and all that is within it */
static inline const at_value_t *
at_value_next(const at_value_t *value)
{
    return value + value->span;
}


static inline int
at_value_is(const at_value_t *value, at_value_e type)
{
    return value != NULL && value->type == (uint32_t) type;
}


#endif
