/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include "core/json/at_json.h"


typedef struct {
    const at_json_limits_t  *limits;
    unsigned                 members;
} at_json_walk_t;


static int at_json_is_within_limits(at_json_walk_t *walk, json_t *value, unsigned depth);


static int
at_json_object_is_within_limits(at_json_walk_t *walk, json_t *object, unsigned depth)
{
    void  *iter;

    for (iter = json_object_iter(object);
         iter != NULL;
         iter = json_object_iter_next(object, iter))
    {
        if (++walk->members > walk->limits->members
            || strlen(json_object_iter_key(iter)) > walk->limits->string
            || !at_json_is_within_limits(walk, json_object_iter_value(iter), depth + 1))
        {
            return 0;
        }
    }

    return 1;
}


static int
at_json_array_is_within_limits(at_json_walk_t *walk, json_t *array, unsigned depth)
{
    size_t  i;

    for (i = 0; i < json_array_size(array); i++) {
        if (!at_json_is_within_limits(walk, json_array_get(array, i), depth + 1)) {
            return 0;
        }
    }

    return 1;
}


/* jansson itself stops at 2048 levels, so that the recursion has an end */
static int
at_json_is_within_limits(at_json_walk_t *walk, json_t *value, unsigned depth)
{
    switch (json_typeof(value)) {

    case JSON_OBJECT:
        return depth <= walk->limits->depth
               && at_json_object_is_within_limits(walk, value, depth);

    case JSON_ARRAY:
        return depth <= walk->limits->depth
               && at_json_array_is_within_limits(walk, value, depth);

    case JSON_STRING:
        return json_string_length(value) <= walk->limits->string;

    default:
        return 1;
    }
}


/*
 * jansson 2.14 has no word for a lack of memory, and its lexer does not look
 * whether its buffer could grow: a byte is lost then, and where that is a quote
 * or backslash it reads and writes on behind the string.  So from the first
 * allocation that fails all fail, until the parser has given up; what it
 * returns all the same is not to be trusted.
 */
typedef enum {
    AT_JSON_IDLE = 0,
    AT_JSON_PARSING,
    AT_JSON_OUT_OF_MEMORY
} at_json_state_e;

/*
 * In a module these would be allocated at the first use in a thread, and glibc
 * ends the process where that fails.
 */
#define AT_JSON_TLS  __attribute__((tls_model("initial-exec"))) _Thread_local

static AT_JSON_TLS at_json_state_e  at_json_state;

/* where a lack of memory leads while at_json_run_guarded() runs */
static AT_JSON_TLS jmp_buf         *at_json_jmp_env;

/* jansson's own, or another user's of it; changed under the lock alone */
static json_malloc_t    at_json_next_malloc = malloc;
static pthread_mutex_t  at_json_lock = PTHREAD_MUTEX_INITIALIZER;


static void *
at_json_malloc(size_t size)
{
    void  *p;

    p = at_json_state == AT_JSON_OUT_OF_MEMORY ? NULL : at_json_next_malloc(size);

    if (p == NULL && at_json_state == AT_JSON_PARSING) {
        at_json_state = AT_JSON_OUT_OF_MEMORY;
    }

    if (p == NULL && at_json_jmp_env != NULL) {
        longjmp(*at_json_jmp_env, 1);
    }

    return p;
}


/* once it is there it stays: another thread may be inside jansson */
static void
at_json_install_malloc(void)
{
    json_free_t    free_func = NULL;
    json_malloc_t  malloc_func = NULL;

    (void) pthread_mutex_lock(&at_json_lock);

    json_get_alloc_funcs(&malloc_func, &free_func);

    if (malloc_func != at_json_malloc) {
        at_json_next_malloc = malloc_func;
        json_set_alloc_funcs(at_json_malloc, free_func);
    }

    (void) pthread_mutex_unlock(&at_json_lock);
}


int
at_json_run_guarded(void (*run)(void *data), void *data)
{
    jmp_buf  escape;

    at_json_install_malloc();

    if (setjmp(escape) != 0) {
        at_json_jmp_env = NULL;
        return -1;
    }

    at_json_jmp_env = &escape;
    run(data);
    at_json_jmp_env = NULL;

    return 0;
}


static at_json_e
at_json_load(json_t **json, at_str_t text)
{
    int  starved;

    at_json_install_malloc();

    at_json_state = AT_JSON_PARSING;
    *json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    starved = at_json_state == AT_JSON_OUT_OF_MEMORY;
    at_json_state = AT_JSON_IDLE;

    if (starved) {
        json_decref(*json);
        *json = NULL;
    }

    return *json != NULL ? AT_JSON_OK
           : starved ? AT_JSON_NO_MEMORY : AT_JSON_INVALID;
}


at_json_e
at_json_parse(json_t **object, at_str_t text, const at_json_limits_t *limits)
{
    json_t          *json;
    at_json_e        rc;
    at_json_walk_t   walk = { limits, 0 };

    *object = NULL;

    /* jansson takes a NUL byte behind the document for its end */
    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL) {
        return AT_JSON_INVALID;
    }

    rc = at_json_load(&json, text);

    if (rc != AT_JSON_OK) {
        return rc;
    }

    if (!json_is_object(json) || !at_json_is_within_limits(&walk, json, 1)) {
        json_decref(json);
        return AT_JSON_INVALID;
    }

    *object = json;

    return AT_JSON_OK;
}


int
at_json_member_string(const json_t *object, const char *name, at_str_t *value)
{
    const json_t  *member;

    member = json_object_get(object, name);

    if (member == NULL) {
        return 0;
    }

    if (!json_is_string(member)) {
        return -1;
    }

    value->data = json_string_value(member);
    value->len = json_string_length(member);

    return 1;
}


static json_t *
at_json_array_from_value(const at_value_t *value)
{
    uint32_t           n;
    json_t            *array;
    const at_value_t  *item;

    array = json_array();
    item = value + 1;

    for (n = value->n; array != NULL && n; n--) {

        if (json_array_append_new(array, at_json_from_value(item)) != 0) {
            json_decref(array);
            return NULL;
        }

        item = at_value_next(item);
    }

    return array;
}


static json_t *
at_json_object_from_value(const at_value_t *value)
{
    uint32_t           n;
    json_t            *object;
    const at_value_t  *name;

    object = json_object();
    name = value + 1;

    for (n = value->n; object != NULL && n; n--) {

        if (json_object_setn_new_nocheck(object, name->text, name->n,
                                         at_json_from_value(name + 1))
            != 0)
        {
            json_decref(object);
            return NULL;
        }

        name = at_value_next(name + 1);
    }

    return object;
}


/* as deep as the limits that it was read with let it be */
json_t *
at_json_from_value(const at_value_t *value)
{
    switch ((at_value_e) value->type) {

    case AT_VALUE_NULL:
        return json_null();

    case AT_VALUE_FALSE:
        return json_false();

    case AT_VALUE_TRUE:
        return json_true();

    case AT_VALUE_INTEGER:
        return json_integer(value->integer);

    case AT_VALUE_REAL:
        return json_real(value->real);

    case AT_VALUE_STRING:
        return json_stringn_nocheck(value->text, value->n);

    case AT_VALUE_ARRAY:
        return at_json_array_from_value(value);

    case AT_VALUE_OBJECT:
        return at_json_object_from_value(value);
    }

    return NULL;
}


void
at_json_init(void)
{
    at_json_install_malloc();
    json_object_seed(0);
}
