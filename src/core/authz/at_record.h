/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The records of the store, in a compact form of one version that is read in
 * place: a decoded record is views of its bytes, and lives as long as they do.
 *
 * A record is one byte of version, one of kind, and the fields of its kind in
 * order: flags in a byte, texts behind their length, lists behind their count and
 * their length.  A number is seven bits a byte, the lowest first, in as few bytes as
 * it takes; all but its last byte have the eighth bit.  A range is a text: the bytes
 * of an address of its family (4 or 16), the bits of its prefix, and as many bytes
 * of the address as these take.
 */

#ifndef AT_RECORD_H
#define AT_RECORD_H

#include <stdint.h>

#include "core/authz/at_cidr.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_RECORD_VERSION  2

#define AT_NEVER               INT64_MAX  /* an expiry */
#define AT_TEXT_MAX            4096  /* bytes of one text */
#define AT_NAME_MAX            255  /* of an id, a user or role name */
#define AT_CLIENT_SECRETS_MAX  2  /* of a client during a rotation */


/* texts, or ranges, of a record; read with at_list_next() */
typedef struct {
    size_t       n;
    size_t       len;
    const char  *data;
} at_list_t;

typedef struct {
    at_str_t   id;
    at_str_t   description;
    at_str_t   user;            /* empty: nobody's rights are its ceiling */
    at_str_t   role;            /* empty: none */
    at_list_t  scopes;
    at_list_t  ranges;          /* none: any address */
    int64_t    expires;         /* milliseconds since the epoch, or AT_NEVER */
    int64_t    created;         /* milliseconds since the epoch */
    unsigned   enabled:1;
} at_token_record_t;

typedef struct {
    at_str_t   id;              /* as it was given; its key is lower-case */
    at_str_t   name;
    at_list_t  issuers;         /* none: of the only issuer that is configured */
    at_str_t   role;
    at_list_t  ranges;
    at_list_t  secrets;         /* hashes, crypt(5) */
    int64_t    created;
    unsigned   enabled:1;
} at_client_record_t;

typedef struct {
    at_str_t   username;
    at_str_t   id;
    at_str_t   password;        /* a hash, crypt(5), or empty: no login */
    at_list_t  issuers;
    at_list_t  scopes;
    int64_t    created;
    unsigned   enabled:1;
    unsigned   admin:1;
} at_user_record_t;

typedef struct {
    at_str_t   name;
    at_list_t  grant;           /* patterns of at_role.h */
    at_list_t  deny;
    at_list_t  blocked;         /* endpoints */
    int64_t    created;
} at_role_record_t;


/* The next text of a list; 1, or 0 at its end.  Start with a copy of the list. */
int at_list_next(at_list_t *rest, at_str_t *text);

/* The next range of a list of ranges. */
int at_list_next_range(at_list_t *rest, at_cidr_t *cidr);

/* whether a list of ranges holds addr; a list of none holds any */
int at_list_match_addr(at_list_t ranges, const at_addr_t *addr);

int at_list_has(at_list_t list, at_str_t text);


/*
 * Decoders check all lengths.  They return 0, or -1 for what is no record of
 * that kind and of this version.
 */
int at_token_decode(at_token_record_t *token, at_str_t bytes);
int at_client_decode(at_client_record_t *client, at_str_t bytes);
int at_user_decode(at_user_record_t *user, at_str_t bytes);
int at_role_decode(at_role_record_t *role, at_str_t bytes);


/* bytes that grow; zeroed, it is empty */
typedef struct {
    char    *data;
    size_t   len;
    size_t   size;
    int      failed;            /* memory: checked once, at the end */
} at_bytes_t;

void at_bytes_free(at_bytes_t *bytes);

/* room for so many bytes in all: 0, or -1 with failed set */
int at_bytes_reserve(at_bytes_t *bytes, size_t size);

/*
 * Lists are made with these, in a buffer of their own, which lives as long as
 * the list and tells by "failed" whether it is whole.
 */
void at_list_add(at_bytes_t *bytes, at_list_t *list, at_str_t text);
void at_list_add_range(at_bytes_t *bytes, at_list_t *list,
    const at_cidr_t *cidr);

/* appends the record to empty bytes; 0, or -1 where memory failed */
int at_token_encode(at_bytes_t *bytes, const at_token_record_t *token);
int at_client_encode(at_bytes_t *bytes, const at_client_record_t *client);
int at_user_encode(at_bytes_t *bytes, const at_user_record_t *user);
int at_role_encode(at_bytes_t *bytes, const at_role_record_t *role);


#endif
