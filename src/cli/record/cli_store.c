/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>

#include "cli/record/cli_store.h"
#include "cli/terminal/cli_suggest.h"
#include "core/base/at_crypto.h"


const char *
cli_store_path(cli_t *cli)
{
    const char  *store;

    store = cli->store != NULL ? cli->store : getenv("AUTH_TOKEN_STORE");

    if (store == NULL) {
        store = CLI_STORE_DEFAULT;
    }

    if (strncmp(store, "lmdb:", 5) != 0 || store[5] == '\0') {
        (void) cli_usage(cli, "invalid value \"%s\" in \"%s\": use lmdb:PATH",
                         store, cli->store != NULL ? "--store"
                                                   : "AUTH_TOKEN_STORE");
        return NULL;
    }

    return store + 5;
}


int
cli_store_fail(cli_t *cli, const at_store_t *store)
{
    return cli_failure(cli, "store error: %s", at_store_error(store));
}


int
cli_store_run(cli_t *cli, at_store_mode_e mode, cli_store_pt handler,
    void *data)
{
    int          rc;
    at_error_t   err;
    at_store_t  *store;
    const char  *path;

    path = cli_store_path(cli);

    if (path == NULL) {
        return -1;
    }

    store = at_store_open(path, mode, NULL, &err);

    if (store == NULL) {
        return cli_failure(cli, "%s", err.text);
    }

    if (at_store_begin(store, mode, &err) != 0) {
        rc = cli_failure(cli, "%s", err.text);

    } else if (handler(cli, store, data) != 0) {
        __fpurge(stdout);
        rc = -1;

    } else if (at_store_commit(store, &err) != 0) {
        __fpurge(stdout);
        rc = cli_failure(cli, "%s; nothing was changed", err.text);

    } else {
        cli->changed = mode == AT_STORE_WRITE;
        rc = 0;
    }

    at_store_close(store);

    return rc;
}


static int
cli_store_fail_damaged(cli_t *cli, const cli_kind_t *kind, at_str_t name)
{
    return cli_failure(cli, "the record of %s \"%.*s\" is damaged: run "
                       "\"auth-token check\"", kind->noun, (int) name.len,
                       name.data);
}


/* Decodes a record.  Returns 1, 0 if it is missing, or -1. */
static int
cli_store_find(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec)
{
    char        buf[AT_KEY_MAX];
    at_str_t    key, bytes;
    at_store_e  rc;

    rc = AT_STORE_OK;

    /* the key of a token is its SHA-256, found by the id */
    if (kind->table == AT_TABLE_TOKENS) {
        rc = at_store_get(store, AT_TABLE_TOKEN_IDS, name, &key);

    } else {
        key = cli_kind_key(kind, name, buf);
    }

    if (rc == AT_STORE_OK) {
        rc = at_store_get(store, kind->table, key, &bytes);

        if (rc == AT_STORE_NOT_FOUND && kind->table == AT_TABLE_TOKENS) {
            return cli_store_fail_damaged(cli, kind, name);
        }
    }

    switch (rc) {

    case AT_STORE_OK:
        return cli_record_decode(rec, kind, key, bytes) == 0
               ? 1 : cli_store_fail_damaged(cli, kind, name);

    case AT_STORE_NOT_FOUND:
        return 0;

    default:
        return cli_store_fail(cli, store);
    }
}


static int
cli_store_suggest(void *data, at_str_t key, at_str_t value)
{
    (void) value;
    cli_suggest_offer(data, key);

    return 0;
}


int
cli_store_get(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec)
{
    int            rc;
    size_t         i;
    cli_suggest_t  suggest;

    static const at_str_t  roles[] = {
        at_str("readonly"), at_str("editor"), at_str("admin"),
        at_str("superadmin")
    };

    rc = cli_store_find(cli, store, kind, name, rec);

    if (rc != 0) {
        return rc == 1 ? 0 : -1;
    }

    memset(&suggest, 0, sizeof(suggest));
    suggest.word = name;

    (void) at_store_foreach(store, kind->names, cli_store_suggest, &suggest);

    for (i = 0; kind->table == AT_TABLE_ROLES && i < 4; i++) {
        cli_suggest_offer(&suggest, roles[i]);
    }

    if (suggest.best[0] == '\0') {
        return cli_failure(cli, "no such %s \"%.*s\"", kind->noun,
                           (int) name.len, name.data);
    }

    return cli_failure(cli, "no such %s \"%.*s\": did you mean \"%s\"?",
                       kind->noun, (int) name.len, name.data, suggest.best);
}


typedef struct {
    cli_t              *cli;
    at_store_t         *store;
    const cli_kind_t   *kind;
    cli_store_each_pt   handler;
    void               *data;
    cli_record_t        rec;
} cli_walk_t;


/* tokens are listed by id: their table is sorted by SHA-256 */
static int
cli_walk_record(void *data, at_str_t key, at_str_t value)
{
    int          rc;
    cli_walk_t  *walk = data;

    if (walk->kind->table == AT_TABLE_TOKENS) {
        rc = cli_store_get(walk->cli, walk->store, walk->kind, key,
                           &walk->rec);

    } else {
        rc = cli_record_decode(&walk->rec, walk->kind, key, value) == 0
             ? 0 : cli_store_fail_damaged(walk->cli, walk->kind, key);
    }

    return rc == 0 && walk->handler(walk->cli, &walk->rec, walk->data) == 0
           ? 0 : 1;
}


int
cli_store_each(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    cli_store_each_pt handler, void *data)
{
    int         rc;
    cli_walk_t  walk = { cli, store, kind, handler, data, { .kind = NULL } };

    rc = at_store_foreach(store, kind->names, cli_walk_record, &walk);
    cli_record_free(&walk.rec);

    if (rc == -1) {
        return cli_store_fail(cli, store);
    }

    return rc == 0 ? 0 : -1;
}


static int
cli_store_error(at_store_t *store, at_error_t *err)
{
    return at_error(err, "store error: %s", at_store_error(store));
}


/* The value, or an empty view.  Returns 0, or -1 with err set. */
static int
cli_store_value(at_store_t *store, at_table_e table, at_str_t key,
    at_str_t *value, at_error_t *err)
{
    *value = (at_str_t) { NULL, 0 };

    return at_store_get(store, table, key, value) == AT_STORE_FAILED
           ? cli_store_error(store, err) : 0;
}


/* Returns 1; 0 if the record is missing or damaged; -1 with err set. */
static int
cli_store_decode(at_store_t *store, const cli_kind_t *kind, at_str_t key,
    cli_record_t *rec, at_error_t *err)
{
    at_str_t  bytes;

    if (cli_store_value(store, kind->table, key, &bytes, err) != 0) {
        return -1;
    }

    return bytes.data != NULL && cli_record_decode(rec, kind, key, bytes) == 0;
}


/* removes an id, unless it has been given to another token */
static int
cli_store_remove_id(at_store_t *store, at_str_t id, at_str_t digest,
    at_error_t *err)
{
    char      buf[AT_KEY_MAX];
    at_str_t  value;

    if (id.len > AT_KEY_MAX) {
        return 0;
    }

    if (cli_store_value(store, AT_TABLE_TOKEN_IDS, id, &value, err) != 0) {
        return -1;
    }

    if (!at_str_equal(value, digest)) {
        return 0;
    }

    /* the view is not valid after the change */
    memcpy(buf, id.data, id.len);
    id.data = buf;

    return at_store_delete(store, AT_TABLE_TOKEN_IDS, id) == AT_STORE_FAILED
           ? cli_store_error(store, err) : 0;
}


int
cli_store_remove(at_store_t *store, const cli_kind_t *kind, at_str_t key,
    at_error_t *err)
{
    int           rc;
    cli_record_t  rec = { .kind = NULL };

    if (kind->table == AT_TABLE_TOKENS) {
        rc = cli_store_decode(store, kind, key, &rec, err);

        if (rc == 1) {
            rc = cli_store_remove_id(store, rec.u.token.id, key, err);
        }

        if (rc != 0) {
            return -1;
        }
    }

    return at_store_delete(store, kind->table, key) == AT_STORE_FAILED
           ? cli_store_error(store, err) : 0;
}


/* Removes the token of this digest, whose id the record takes over. */
static int
cli_store_replace_token(at_store_t *store, cli_record_t *rec, at_str_t digest,
    at_error_t *err)
{
    int           rc;
    char          buf[AT_SHA256_LEN];
    cli_record_t  old = { .kind = NULL };

    memcpy(buf, digest.data, AT_SHA256_LEN);
    digest.data = buf;
    rc = cli_store_decode(store, rec->kind, digest, &old, err);

    if (rc != 1 || !at_str_equal(old.u.token.id, rec->u.token.id)) {
        return rc == -1 ? -1 : 0;
    }

    if (rec->u.token.created == -1) {
        rec->u.token.created = old.u.token.created;
    }

    return at_store_delete(store, AT_TABLE_TOKENS, digest) == AT_STORE_FAILED
           ? cli_store_error(store, err) : 0;
}


/*
 * Assigns the id to the SHA-256 of the token, and removes an old id of the
 * token and an old token of the id.  *existed tells whether the id existed.
 */
static int
cli_store_put_id(at_store_t *store, cli_record_t *rec, int replace,
    int *existed, at_error_t *err)
{
    int           rc;
    at_str_t      id, key, digest, old_id;
    cli_record_t  old = { .kind = NULL };

    id = rec->u.token.id;
    key = cli_record_key(rec);
    rc = cli_store_decode(store, rec->kind, key, &old, err);
    old_id = old.u.token.id;

    if (rc == 1 && !at_str_equal(old_id, id)) {
        rc = replace ? cli_store_remove_id(store, old_id, key, err)
                     : at_error(err, "this token already exists with the id "
                                "\"%.*s\"", (int) old_id.len, old_id.data);
    }

    if (rc == -1
        || cli_store_value(store, AT_TABLE_TOKEN_IDS, id, &digest, err) != 0)
    {
        return -1;
    }

    *existed = digest.data != NULL;

    if (at_str_equal(digest, key)) {
        return 0;
    }

    if (rc == 1 && !replace) {
        return at_error(err, "the store is damaged: the id \"%.*s\" refers to "
                        "another token or to none", (int) id.len, id.data);
    }

    if (digest.len == AT_SHA256_LEN
        && cli_store_replace_token(store, rec, digest, err) != 0)
    {
        return -1;
    }

    return at_store_put(store, AT_TABLE_TOKEN_IDS, id, key) == AT_STORE_OK
           ? 0 : cli_store_error(store, err);
}


/*
 * Ends the sessions of a user who is disabled or gets another password, for
 * good: the epoch never takes an earlier value again.  It begins at random, as
 * a deleted user of that name may have had sessions.
 */
static int
cli_store_set_epoch(at_user_record_t *user, const at_user_record_t *old)
{
    uint32_t  random;

    if (old == NULL) {
        if (at_random(&random, sizeof(random)) != 0) {
            return -1;
        }

        user->session_epoch = (int64_t) random << 16 | 1;
        return 0;
    }

    user->session_epoch = old->session_epoch;

    if ((old->enabled && !user->enabled)
        || !at_str_equal(old->password, user->password))
    {
        user->session_epoch++;
    }

    return 0;
}


cli_effect_e
cli_store_put(at_store_t *store, cli_record_t *rec, int64_t now, int replace,
    at_error_t *err)
{
    int           existed, replaced;
    int64_t      *created;
    at_str_t      key, bytes, encoded;
    cli_record_t  old = { .kind = NULL };

    existed = 0;
    key = cli_record_key(rec);
    created = cli_record_created(rec);

    if ((rec->kind->table == AT_TABLE_TOKENS
         && cli_store_put_id(store, rec, replace, &existed, err) != 0)
        || cli_store_value(store, rec->kind->table, key, &bytes, err) != 0)
    {
        return CLI_FAILED;
    }

    replaced = bytes.data != NULL
               && cli_record_decode(&old, rec->kind, key, bytes) == 0;

    if (*created == -1) {
        *created = replaced ? *cli_record_created(&old) : now;
    }

    if (rec->kind->table == AT_TABLE_USERS
        && cli_store_set_epoch(&rec->u.user, replaced ? &old.u.user : NULL)
           != 0)
    {
        (void) at_error(err, "no random bytes");
        return CLI_FAILED;
    }

    if (cli_record_encode(rec) != 0) {
        (void) at_error(err, "memory allocation failed");
        return CLI_FAILED;
    }

    encoded = (at_str_t) { rec->bytes.data, rec->bytes.len };

    if (at_str_equal(bytes, encoded)) {
        return CLI_UNCHANGED;
    }

    if (at_store_put(store, rec->kind->table, key, encoded) != AT_STORE_OK) {
        (void) cli_store_error(store, err);
        return CLI_FAILED;
    }

    return bytes.data != NULL || existed ? CLI_CHANGED : CLI_ADDED;
}


int
cli_store_write(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    at_error_t  err;

    return cli_store_put(store, rec, cli->now * 1000, 0, &err) != CLI_FAILED
           ? 0 : cli_failure(cli, "%s", err.text);
}


int
cli_store_check_new(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name)
{
    int           rc;
    cli_record_t  rec = { .kind = NULL };

    rc = cli_store_find(cli, store, kind, name, &rec);

    return rc != 1 ? rc : cli_failure(cli, "%s \"%.*s\" already exists",
                                      kind->noun, (int) name.len, name.data);
}


int
cli_store_add(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    return cli_store_check_new(cli, store, rec->kind, cli_record_name(rec))
           == 0 ? cli_store_write(cli, store, rec) : -1;
}
