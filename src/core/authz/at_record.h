/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The records of the store in binary form.  Records are decoded in place: a
 * decoded record refers to the encoded bytes and is valid as long as they are.
 *
 * A record has a version byte, a kind byte, and the fields of its kind:
 * flags are one byte; a text follows its length; a list follows the number of
 * its items and its length; an item of a list is a text.  A number has seven
 * bits per byte, the lowest first, in as few bytes as possible; the eighth bit
 * is set in all bytes but the last.  An address range is a text of the address
 * length (4 or 16), the prefix length, and the bytes that the prefix covers.
 */

#ifndef AT_RECORD_H
#define AT_RECORD_H

#include <stdint.h>

#include "core/authz/at_cidr.h"
#include "core/base/at_bytes.h"
#include "core/base/at_error.h"
#include "core/base/at_str.h"


#define AT_RECORD_VERSION      2

#define AT_NEVER               INT64_MAX  /* an expiry */
#define AT_TEXT_MAX            4096  /* bytes of a text */
#define AT_NAME_MAX            255  /* bytes of an id or of a name */
#define AT_CLIENT_SECRETS_MAX  2  /* two during a rotation */


/* texts or address ranges, encoded; see at_list_next() */
typedef struct {
    size_t       n;
    size_t       len;
    const char  *data;
} at_list_t;

/* All times are in milliseconds since the epoch. */
typedef struct {
    at_str_t   id;
    at_str_t   description;
    at_str_t   user;            /* owner, limits the rights; empty: none */
    at_str_t   role;            /* empty: none */
    at_list_t  scopes;
    at_list_t  ranges;          /* empty: any address */
    int64_t    expires;         /* or AT_NEVER */
    int64_t    created;
    int        enabled;
} at_token_record_t;

typedef struct {
    at_str_t   id;              /* as entered; its key is in lower case */
    at_str_t   name;
    at_list_t  issuers;         /* empty: the only configured issuer */
    at_str_t   role;
    at_list_t  ranges;
    at_list_t  secrets;         /* hashes, crypt(5) */
    int64_t    created;
    int        enabled;
} at_client_record_t;

typedef struct {
    at_str_t   username;
    at_str_t   id;
    at_str_t   password;        /* hash, crypt(5); empty: login is disabled */
    at_list_t  issuers;
    at_list_t  scopes;
    int64_t    created;
    int64_t    session_epoch;   /* changes when all sessions of the user end */
    int        enabled;
    int        admin;
} at_user_record_t;

typedef struct {
    at_str_t   name;
    at_list_t  grant;           /* patterns, see at_role.h */
    at_list_t  deny;
    at_list_t  blocked;         /* endpoints */
    int64_t    created;
} at_role_record_t;


/* Cuts the next item off rest, a copy of a list.  Returns 0 at the end. */
int at_list_next(at_list_t *rest, at_str_t *text);
int at_list_next_range(at_list_t *rest, at_cidr_t *cidr);

/* Whether a list of ranges contains addr.  An empty list contains any. */
int at_list_match_addr(at_list_t ranges, const at_addr_t *addr);

int at_list_has(at_list_t list, at_str_t text);

/*
 * Append an item to a list.  The list needs a separate buffer; it is valid as
 * long as the buffer, and only if bytes->failed is 0.
 */
void at_list_add(at_bytes_t *bytes, at_list_t *list, at_str_t text);
void at_list_add_range(at_bytes_t *bytes, at_list_t *list,
    const at_cidr_t *cidr);

/*
 * Return 0, or -1 if bytes are not exactly one well-formed record of that kind
 * and of AT_RECORD_VERSION.
 */
int at_token_decode(at_token_record_t *token, at_str_t bytes);
int at_client_decode(at_client_record_t *client, at_str_t bytes);
int at_user_decode(at_user_record_t *user, at_str_t bytes);
int at_role_decode(at_role_record_t *role, at_str_t bytes);

/* bytes must be empty.  Return 0, or -1 if memory allocation failed. */
int at_token_encode(at_bytes_t *bytes, const at_token_record_t *token);
int at_client_encode(at_bytes_t *bytes, const at_client_record_t *client);
int at_user_encode(at_bytes_t *bytes, const at_user_record_t *user);
int at_role_encode(at_bytes_t *bytes, const at_role_record_t *role);


#endif
