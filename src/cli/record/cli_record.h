/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A record of the store in its two forms: the bytes that the store holds, and
 * a JSON object.  Import, create and update all build a JSON object and parse
 * it here, so every written record passes the same checks.
 */

#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/authz/at_record.h"
#include "core/store/at_store.h"


#define CLI_RECORD_LISTS_MAX  4  /* lists in one record */
#define CLI_KINDS             4

typedef struct cli_record_s  cli_record_t;
typedef struct cli_type_s    cli_type_t;

/* a member of the JSON object */
typedef struct {
    const char        *name;        /* NULL ends a table of fields */
    const cli_type_t  *type;
    size_t             offset;      /* in cli_record_t */
    int                internal;    /* written by export only: hashes */
} cli_field_t;

typedef struct {
    const char         *noun;
    const char         *plural;
    at_table_e          table;
    at_table_e          names;      /* whose keys are the names */
    const cli_field_t  *fields;     /* the first one is the record's name */
    size_t              created;    /* offsets in cli_record_t */
    size_t              enabled;    /* 0 if it cannot be disabled */
    size_t              ranges;     /* 0 if it has no address ranges */
} cli_kind_t;

/* in the order of an export: a record follows the records it refers to */
extern const cli_kind_t  cli_kinds[CLI_KINDS];

/* by noun; NULL for another word */
const cli_kind_t *cli_kind_find(at_str_t noun);


/*
 * A zeroed record is empty.  The strings of a parsed record are views of the
 * JSON object, those of a decoded record are views of its bytes; the record
 * owns the rest.
 */
struct cli_record_s {
    const cli_kind_t  *kind;

    union {
        at_token_record_t   token;
        at_client_record_t  client;
        at_user_record_t    user;
        at_role_record_t    role;
    } u;

    int            tenant_limited;          /* row of CIPP: by its columns */
    json_t        *bad_ranges;              /* the same; an array, or NULL */
    int            has_digest;
    unsigned char  digest[AT_SHA256_LEN];   /* of an API token */

    size_t         n_lists;
    at_bytes_t     lists[CLI_RECORD_LISTS_MAX];
    at_bytes_t     bytes;                   /* set by cli_record_encode() */
    char           key[AT_KEY_MAX];
};

void cli_record_free(cli_record_t *rec);

/*
 * Parses an object by a table of fields, kind->fields or the columns of CIPP.
 * The object must outlive the record.  An absent member gets its default.
 * Returns 0, or -1 with err set.
 */
int cli_record_parse(cli_record_t *rec, const cli_kind_t *kind,
    const cli_field_t *fields, json_t *object, at_error_t *err);

/* Returns 0, or -1 if bytes are not a record of the kind. */
int cli_record_decode(cli_record_t *rec, const cli_kind_t *kind, at_str_t key,
    at_str_t bytes);

/* Sets rec->bytes.  Returns 0, or -1 if memory allocation failed. */
int cli_record_encode(cli_record_t *rec);

/* A new reference, or NULL; with hashes only if internal is set. */
json_t *cli_record_json(const cli_record_t *rec, int internal);

/* the id of a token or client, the username, or the name of a role */
at_str_t cli_record_name(const cli_record_t *rec);

/* the key in the table; valid as long as the record */
at_str_t cli_record_key(cli_record_t *rec);

/* milliseconds since the epoch; -1 in a parsed record without "created" */
int64_t *cli_record_created(cli_record_t *rec);

/* NULL for a kind that cannot be disabled, or without address ranges */
int *cli_record_enabled(cli_record_t *rec);
const at_list_t *cli_record_ranges(const cli_record_t *rec);

/* whether it could have address ranges, but has none */
int cli_record_is_unrestricted(const cli_record_t *rec);

/* the key of a name in the table of the kind; empty if the name is too long */
at_str_t cli_kind_key(const cli_kind_t *kind, at_str_t name,
    char buf[AT_KEY_MAX]);


#endif
