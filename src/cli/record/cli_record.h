/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A record of the store between its two forms: bytes, and a JSON object.  All
 * that is written comes through the same strict reading of the object, be it
 * an import's or one that options made.
 */

#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <jansson.h>

#include "core/base/at_crypto.h"
#include "core/authz/at_record.h"
#include "core/store/at_store.h"


#define CLI_RECORD_LISTS_MAX  4  /* of one record at most */


typedef struct cli_record_s  cli_record_t;
typedef struct cli_type_s    cli_type_t;

/* a member of the JSON object */
typedef struct {
    const char        *name;
    const cli_type_t  *type;
    size_t             offset;  /* in cli_record_t */
    unsigned           flags;
} cli_field_t;

#define CLI_FIELD_INPUT     0x01  /* another name, which is read and not written */
#define CLI_FIELD_INTERNAL  0x02  /* of exports alone: hashes */
#define CLI_FIELD_CIPP      0x04  /* says that the record is CIPP's */

typedef struct {
    const char         *noun;
    const char         *plural; /* in exports */
    at_table_e          table;
    const cli_field_t  *fields; /* a NULL name ends them */
} cli_kind_t;

#define CLI_KINDS  4

/* in the order of exports: what is referred to comes first */
extern const cli_kind_t  cli_kinds[CLI_KINDS];

/* by noun or by plural; NULL if there is none */
const cli_kind_t *cli_kind_find(at_str_t name);


/*
 * Zeroed, it is empty.  The texts of a parsed record are views of the object,
 * those of a decoded one of its bytes; the rest is the record's own.
 */
struct cli_record_s {
    const cli_kind_t  *kind;

    union {
        at_token_record_t   token;
        at_client_record_t  client;
        at_user_record_t    user;
        at_role_record_t    role;
    } u;

    int            enabled;
    int            admin;
    int            is_cipp;
    int            tenants[2];              /* CIPP allows some, blocks some */
    int            has_digest;
    unsigned char  digest[AT_SHA256_LEN];       /* a token's */

    size_t         n_lists;
    at_bytes_t     lists[CLI_RECORD_LISTS_MAX];
    at_bytes_t     bytes;                       /* of cli_record_encode() */
    char           key[AT_KEY_MAX];
};

void cli_record_free(cli_record_t *rec);

/*
 * Reads an object, which lives as long as the record's texts are needed.  What
 * is absent gets its default.  0, or -1 with err set.
 */
int cli_record_parse(cli_record_t *rec, const cli_kind_t *kind,
    json_t *object, at_error_t *err);

/* key is that of the table.  0, or -1 for what is no record of the kind. */
int cli_record_decode(cli_record_t *rec, const cli_kind_t *kind, at_str_t key,
    at_str_t bytes);

/* fills bytes; 0, or -1 where memory failed */
int cli_record_encode(cli_record_t *rec);

/* a new reference, NULL where that failed; with internal, as exports have it */
json_t *cli_record_json(const cli_record_t *rec, int internal);

/* by what the record is called: an id, a username or a name */
at_str_t cli_record_name(const cli_record_t *rec);

/* its key in the table of its kind; lives as long as the record */
at_str_t cli_record_key(cli_record_t *rec);

/* milliseconds since the epoch; -1 in a parsed record that does not say */
int64_t *cli_record_created(cli_record_t *rec);

/* NULL for a kind without ranges */
const at_list_t *cli_record_ranges(const cli_record_t *rec);

#define cli_record_is_unrestricted(rec)                                       \
    (cli_record_ranges(rec) != NULL && cli_record_ranges(rec)->n == 0)


/* the name of a record as a key of its table; the empty view if it is none */
at_str_t cli_kind_key(const cli_kind_t *kind, at_str_t name,
    char buf[AT_KEY_MAX]);


#endif
