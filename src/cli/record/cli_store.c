/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>

#include "cli/record/cli_store.h"
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
        (void) cli_usage(cli, "%s is not of the form lmdb:PATH",
                         cli->store != NULL ? "--store" : "AUTH_TOKEN_STORE");
        return NULL;
    }

    return store + 5;
}


int
cli_store_fail(cli_t *cli, const at_store_t *store)
{
    return cli_failure(cli, "the store: %s", at_store_error(store));
}


/* what was printed of it is taken back, if the transaction comes to nothing */
static int
cli_store_transact(cli_t *cli, at_store_t *store, at_store_mode_e mode,
    cli_store_pt handler, void *data)
{
    at_error_t  err;

    if (at_store_begin(store, mode, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    if (handler(cli, store, data) != 0) {
        at_store_end(store);
        __fpurge(stdout);
        return -1;
    }

    if (at_store_commit(store, &err) != 0) {
        __fpurge(stdout);
        return cli_failure(cli, "%s; nothing was changed", err.text);
    }

    cli->changed = mode == AT_STORE_WRITE;

    return 0;
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

    store = at_store_open(path, mode, &err);

    if (store == NULL) {
        return cli_failure(cli, "%s", err.text);
    }

    rc = cli_store_transact(cli, store, mode, handler, data);
    at_store_close(store);

    return rc;
}


/* --- reading ------------------------------------------------------------- */


static int
cli_store_fail_damaged(cli_t *cli, const cli_kind_t *kind, at_str_t name)
{
    return cli_failure(cli, "the record of the %s \"%.*s\" is damaged; "
                       "auth-token check tells more", kind->noun,
                       (int) name.len, name.data);
}


/* the digest that stands for an id is a key of the other table */
static at_store_e
cli_store_key(at_store_t *store, const cli_kind_t *kind, at_str_t name,
    char buf[AT_KEY_MAX], at_str_t *key)
{
    if (kind->table == AT_TABLE_TOKENS) {
        return at_store_get(store, AT_TABLE_TOKEN_IDS, name, key);
    }

    *key = cli_kind_key(kind, name, buf);

    return AT_STORE_OK;
}


int
cli_store_find(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec)
{
    char        buf[AT_KEY_MAX];
    at_str_t    key, bytes;
    at_store_e  rc;

    rc = cli_store_key(store, kind, name, buf, &key);

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


int
cli_store_get(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    at_str_t name, cli_record_t *rec)
{
    int  rc;

    rc = cli_store_find(cli, store, kind, name, rec);

    if (rc == 0) {
        return cli_failure(cli, "there is no %s \"%.*s\"", kind->noun,
                           (int) name.len, name.data);
    }

    return rc == 1 ? 0 : -1;
}


typedef struct {
    cli_t              *cli;
    at_store_t         *store;
    const cli_kind_t   *kind;
    cli_store_each_pt   handler;
    void               *data;
    cli_record_t        rec;
} cli_walk_t;


static int
cli_walk_token(cli_walk_t *walk, at_str_t id)
{
    int  rc;

    rc = cli_store_get(walk->cli, walk->store, walk->kind, id, &walk->rec);

    return rc == 0 ? walk->handler(walk->cli, &walk->rec, walk->data) : -1;
}


static int
cli_walk_record(void *data, at_str_t key, at_str_t value)
{
    int          rc;
    cli_walk_t  *walk = data;

    if (walk->kind->table == AT_TABLE_TOKENS) {
        rc = cli_walk_token(walk, key);

    } else if (cli_record_decode(&walk->rec, walk->kind, key, value) != 0) {
        rc = cli_store_fail_damaged(walk->cli, walk->kind, key);

    } else {
        rc = walk->handler(walk->cli, &walk->rec, walk->data);
    }

    return rc == 0 ? 0 : 1;
}


int
cli_store_each(cli_t *cli, at_store_t *store, const cli_kind_t *kind,
    cli_store_each_pt handler, void *data)
{
    int         rc;
    at_table_e  table;
    cli_walk_t  walk = { cli, store, kind, handler, data, { .kind = NULL } };

    table = kind->table == AT_TABLE_TOKENS ? AT_TABLE_TOKEN_IDS : kind->table;
    rc = at_store_foreach(store, table, cli_walk_record, &walk);
    cli_record_free(&walk.rec);

    if (rc == -1) {
        return cli_store_fail(cli, store);
    }

    return rc == 0 ? 0 : -1;
}


/* --- writing ------------------------------------------------------------- */


static at_str_t
cli_record_digest(const cli_record_t *rec)
{
    return (at_str_t) { (const char *) rec->digest, AT_SHA256_LEN };
}


static at_str_t
cli_record_bytes(const cli_record_t *rec)
{
    return (at_str_t) { rec->bytes.data, rec->bytes.len };
}


static int
cli_store_fail_exists(cli_t *cli, const cli_record_t *rec)
{
    at_str_t  name;

    name = cli_record_name(rec);

    return cli_failure(cli, "there is a %s \"%.*s\" already",
                       rec->kind->noun, (int) name.len, name.data);
}


int
cli_store_add(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    at_store_e  rc;

    if (cli_record_encode(rec) != 0) {
        return cli_no_memory(cli);
    }

    if (rec->kind->table == AT_TABLE_TOKENS) {
        rc = at_store_add(store, AT_TABLE_TOKEN_IDS, cli_record_name(rec),
                          cli_record_digest(rec));
        if (rc == AT_STORE_EXISTS) {
            return cli_store_fail_exists(cli, rec);
        }

        if (rc != AT_STORE_OK) {
            return cli_store_fail(cli, store);
        }
    }

    rc = at_store_add(store, rec->kind->table, cli_record_key(rec),
                      cli_record_bytes(rec));

    if (rc == AT_STORE_EXISTS) {
        return rec->kind->table == AT_TABLE_TOKENS
               ? cli_failure(cli, "the token is there already, by another id")
               : cli_store_fail_exists(cli, rec);
    }

    return rc == AT_STORE_OK ? 0 : cli_store_fail(cli, store);
}


int
cli_store_replace(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    if (cli_record_encode(rec) != 0) {
        return cli_no_memory(cli);
    }

    return at_store_put(store, rec->kind->table, cli_record_key(rec),
                        cli_record_bytes(rec))
           == AT_STORE_OK ? 0 : cli_store_fail(cli, store);
}


int
cli_store_delete(cli_t *cli, at_store_t *store, cli_record_t *rec)
{
    char      id[AT_KEY_MAX];
    at_str_t  name;

    if (rec->kind->table == AT_TABLE_TOKENS) {
        name = cli_record_name(rec);
        memcpy(id, name.data, name.len);
        name.data = id;

        if (at_store_delete(store, AT_TABLE_TOKEN_IDS, name)
            == AT_STORE_FAILED)
        {
            return cli_store_fail(cli, store);
        }
    }

    return at_store_delete(store, rec->kind->table, cli_record_key(rec))
           == AT_STORE_OK ? 0 : cli_store_fail(cli, store);
}
