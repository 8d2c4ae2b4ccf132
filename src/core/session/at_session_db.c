/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/session/at_session_user.h"
#include "core/session/at_stored_pair.h"


#define AT_EXPIRY_HEADER_LEN  offsetof(at_expiry_key_t, key)

/*
 * LMDB copies each page that it changes, and cannot use the old one in the
 * next transaction.  So cleaning removes one record for this many free pages:
 * a full database has room for a few records only, whose removal makes room.
 */
#define AT_CLEAN_PAGES  64

static const char *const  at_session_table_names[AT_SESSION_TABLES] = {
    "refresh_tokens", "sessions", "access_tokens", "expiries", "token_uses",
    "latest_pairs", "users"
};

static const at_lmdb_schema_t  at_session_schema = {
    .name = "session database",
    .tables = at_session_table_names,
    .n_tables = AT_SESSION_TABLES,
    .format = "4",
    .format_hint = "remove it (all users must log in again)",
    .map_size = (size_t) 4 << 30,
    .mode = 0600
};


/*
 * Workers open the database one after the other, so that only one of them
 * replaces it if it is damaged.  Returns a descriptor that holds the lock.
 * The path of lock.mdb, which is longer, fits into PATH_MAX.
 */
static int
at_session_db_lock(const char *path)
{
    int   fd;
    char  parent[PATH_MAX];

    (void) snprintf(parent, PATH_MAX, "%s/..", path);
    fd = open(parent, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    while (fd != -1 && flock(fd, LOCK_EX) == -1 && errno == EINTR) {
        /* void */
    }

    return fd;
}


/*
 * Users must be able to log in again without an operator.  Sets err to the
 * cause and the new name.
 */
static int
at_session_db_replace(const char *path, at_error_t *err)
{
    char        damaged[PATH_MAX], file[PATH_MAX];
    size_t      i;
    at_error_t  cause;

    static const char *const  files[] = { "data.mdb", "lock.mdb" };

    (void) snprintf(damaged, PATH_MAX, "%s.damaged", path);

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (at_lmdb_path(file, damaged, files[i], &cause) == 0) {
            (void) unlink(file);
        }
    }

    (void) rmdir(damaged);
    cause = *err;

    if (rename(path, damaged) != 0 || mkdir(path, 0700) != 0) {
        return at_error(err, "cannot rename \"%s\" to \"%s\": %m", path,
                        damaged);
    }

    (void) at_error(err, "%.300s; it was renamed to \"%.180s\"", cause.text,
                    damaged);

    return 0;
}


/* a writer may have committed and not yet extended the file: see at_lmdb.c */
static void
at_session_db_wait_for_writer(const char *path)
{
    int   fd;
    char  file[PATH_MAX];

    (void) snprintf(file, PATH_MAX, "%s/data.mdb", path);
    fd = open(file, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOFOLLOW);

    if (fd != -1) {
        (void) flock(fd, LOCK_SH);
        (void) close(fd);
    }
}


static at_lmdb_e
at_session_db_open_files(at_session_db_t *db, const char *path, int create,
    at_lmdb_verdict_t *verdict, at_error_t *err)
{
    at_lmdb_e  result;

    result = at_lmdb_inspect(path, create, err);

    if (result == AT_LMDB_DAMAGED) {
        at_session_db_wait_for_writer(path);
        result = at_lmdb_inspect(path, create, err);
    }

    return result < 0 ? result
           : at_lmdb_open(&db->lmdb, path, &at_session_schema,
                          create ? AT_LMDB_CREATE : AT_LMDB_READ, verdict,
                          err);
}


at_session_db_t *
at_session_db_open(const char *path, const at_state_key_t *key,
    at_lmdb_verdict_t *verdict, at_error_t *err)
{
    int               dir;
    char              lock[PATH_MAX];
    at_lmdb_e         result;
    at_error_t        replaced;
    at_session_db_t  *db;

    if (key != NULL && mkdir(path, 0700) != 0 && errno != EEXIST) {
        (void) at_error(err, "\"%s\": %s", path, strerror(errno));
        return NULL;
    }

    if (at_lmdb_path(lock, path, "lock.mdb", err) != 0) {
        return NULL;
    }

    /* LMDB would create a missing lock.mdb, owned by the user of a reader */
    if (key == NULL && access(lock, R_OK|W_OK) != 0) {
        (void) at_error(err, "\"%s\": %s", lock, strerror(errno));
        return NULL;
    }

    db = calloc(1, sizeof(at_session_db_t));

    if (db == NULL) {
        (void) at_error(err, "no memory for the session database");
        return NULL;
    }

    replaced.text[0] = '\0';
    dir = key != NULL ? at_session_db_lock(path) : -1;

    result = at_session_db_open_files(db, path, key != NULL, verdict, err);

    if (result == AT_LMDB_DAMAGED && dir != -1
        && at_session_db_replace(path, err) == 0)
    {
        replaced = *err;
        result = at_session_db_open_files(db, path, 1, verdict, err);
    }

    if (dir != -1) {
        (void) close(dir);
    }

    if (result != AT_LMDB_OK) {
        free(db);
        return NULL;
    }

    *err = replaced;

    if (key != NULL) {
        db->key = *key;
    }

    return db;
}


void
at_session_db_close(at_session_db_t *db)
{
    if (db == NULL) {
        return;
    }

    mdb_txn_abort(db->reader);
    at_lmdb_close(&db->lmdb);
    at_crypto_cleanse(&db->key, sizeof(at_state_key_t));
    free(db);
}


size_t
at_session_db_reduced_map(const at_session_db_t *db)
{
    return db->lmdb.map_size < at_session_schema.map_size
           ? db->lmdb.map_size : 0;
}


int
at_session_db_is_current(const at_session_db_t *db)
{
    return at_lmdb_files_are_current(&db->lmdb) != 0;
}


int
at_session_db_is_damaged(const at_session_db_t *db)
{
    return __atomic_load_n(&db->lmdb.damaged, __ATOMIC_RELAXED);
}


/* --- transactions and records -------------------------------------------- */


int
at_session_begin_write(at_session_db_t *db, MDB_txn **txn, at_error_t *err)
{
    *txn = db->group;

    return *txn != NULL ? 0 : at_lmdb_begin_write(&db->lmdb, txn, err);
}


/* a write of a group that fails may have changed records: none is committed */
int
at_session_end_write(at_session_db_t *db, MDB_txn *txn, int rc,
    at_error_t *err)
{
    if (db->group == NULL) {
        return at_lmdb_end_write(&db->lmdb, txn, rc, err);
    }

    if (rc == 0) {
        return 0;
    }

    db->group_failed = rc;

    return at_lmdb_fail(&db->lmdb, rc, err);
}


int
at_session_db_begin_group(at_session_db_t *db, at_error_t *err)
{
    db->group_failed = 0;

    return at_lmdb_begin_write(&db->lmdb, &db->group, err);
}


int
at_session_db_end_group(at_session_db_t *db, at_error_t *err)
{
    MDB_txn  *txn;

    txn = db->group;
    db->group = NULL;

    return at_lmdb_end_write(&db->lmdb, txn, db->group_failed, err);
}


int
at_session_get(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, void *record, size_t len)
{
    int      rc;
    MDB_val  value;

    rc = mdb_get(txn, db->lmdb.tables[table], &key, &value);

    if (rc != 0) {
        return rc;
    }

    if (value.mv_size != len) {
        return AT_LMDB_BAD_RECORD;
    }

    memcpy(record, value.mv_data, len);

    return 0;
}


int
at_session_put(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key, const void *record, size_t len, unsigned flags)
{
    MDB_val  value;

    value = at_session_val(record, len);

    return mdb_put(txn, db->lmdb.tables[table], &key, &value, flags);
}


int
at_session_delete(at_session_db_t *db, MDB_txn *txn, at_session_table_e table,
    MDB_val key)
{
    int  rc;

    rc = mdb_del(txn, db->lmdb.tables[table], &key, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


/* returns the length of the entry */
static size_t
at_expiry_key(at_expiry_key_t *entry, at_session_table_e table, MDB_val key,
    int64_t when)
{
    uint64_t  big_endian;

    big_endian = htobe64((uint64_t) when);
    entry->table = (unsigned char) table;
    memcpy(entry->when, &big_endian, sizeof(entry->when));
    memcpy(entry->key, key.mv_data, key.mv_size);

    return AT_EXPIRY_HEADER_LEN + key.mv_size;
}


int
at_session_put_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when)
{
    size_t           len;
    at_expiry_key_t  entry;

    len = at_expiry_key(&entry, table, key, when);

    return at_session_put(db, txn, AT_SESSION_EXPIRIES,
                          at_session_val(&entry, len), "", 0, 0);
}


int
at_session_delete_expiry(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, MDB_val key, int64_t when)
{
    size_t           len;
    at_expiry_key_t  entry;

    len = at_expiry_key(&entry, table, key, when);

    return at_session_delete(db, txn, AT_SESSION_EXPIRIES,
                             at_session_val(&entry, len));
}


/* --- usage --------------------------------------------------------------- */


/* 0 and 1 are LMDB's tables: free pages, and names */
int
at_session_count_pages(at_session_db_t *db, MDB_txn *txn, size_t *used,
    size_t *total)
{
    int          rc;
    MDB_dbi      table;
    MDB_stat     st;
    MDB_envinfo  info;

    *used = 0;
    *total = 0;
    rc = mdb_env_info(db->lmdb.env, &info);

    if (rc == 0) {
        *total = info.me_mapsize / db->lmdb.page_size;
    }

    for (table = 0; rc == 0 && table < AT_SESSION_TABLES + 2; table++) {
        rc = mdb_stat(txn, table < 2 ? table : db->lmdb.tables[table - 2],
                      &st);
        *used += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }

    return rc;
}


int
at_session_db_usage(at_session_db_t *db)
{
    int     rc;
    size_t  used, total;

    if (at_lmdb_begin(&db->lmdb, MDB_RDONLY, &db->reader) != 0) {
        return -1;
    }

    rc = at_session_count_pages(db, db->reader, &used, &total);
    mdb_txn_reset(db->reader);

    return rc == 0 ? (int) (used * 100 / total) : -1;
}


/* --- expired records ----------------------------------------------------- */


static int
at_session_clean_session(at_session_db_t *db, MDB_txn *txn, MDB_val key,
    int64_t expired)
{
    int                  rc;
    at_stored_session_t  session;

    if (key.mv_size != AT_SESSION_ID_LEN) {
        return 0;
    }

    memcpy(session.id, key.mv_data, AT_SESSION_ID_LEN);
    rc = at_session_load(db, txn, &session);

    /* a damaged session is of no use, and must not prevent the cleaning */
    if (rc == MDB_NOTFOUND || rc == AT_LMDB_BAD_RECORD) {
        return at_session_delete(db, txn, AT_SESSION_SESSIONS, key);
    }

    if (rc != 0) {
        return rc;
    }

    if (session.record.expires <= expired) {
        return at_session_remove(db, txn, &session);
    }

    /* a refresh has extended the session */
    session.record.removal = session.record.expires;
    rc = at_session_save(db, txn, &session);

    return rc != 0 ? rc : at_session_put_expiry(db, txn, AT_SESSION_SESSIONS,
                                                key, session.record.removal);
}


/* a used refresh token, and the pair that replaced it */
static int
at_session_clean_token(at_session_db_t *db, MDB_txn *txn, MDB_val key)
{
    int                  rc;
    at_refresh_record_t  token;

    if (key.mv_size != AT_SHA256_LEN) {
        return 0;
    }

    rc = at_session_get(db, txn, AT_SESSION_REFRESH, key, &token,
                        sizeof(token));

    if (rc == 0) {
        rc = at_stored_pair_clean(db, txn, token.session, key.mv_data);
    }

    /* so is a damaged token, or a damaged pair, which its session removes */
    return rc == 0 || rc == MDB_NOTFOUND || rc == AT_LMDB_BAD_RECORD
           ? at_session_delete(db, txn, AT_SESSION_REFRESH, key) : rc;
}


/* adds the number of removed entries to *n, until it is max */
static int
at_session_clean_table(at_session_db_t *db, MDB_txn *txn,
    at_session_table_e table, int64_t until, int max, int *n)
{
    int              rc;
    uint64_t         when;
    MDB_val          key, value;
    MDB_cursor      *cursor;
    at_expiry_key_t  entry;

    rc = mdb_cursor_open(txn, db->lmdb.tables[AT_SESSION_EXPIRIES], &cursor);

    if (rc != 0) {
        return rc;
    }

    while (rc == 0 && *n < max) {
        memset(&entry, 0, sizeof(entry));
        entry.table = (unsigned char) table;
        key = at_session_val(&entry, AT_EXPIRY_HEADER_LEN);

        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

        if (rc == 0 && (key.mv_size <= AT_EXPIRY_HEADER_LEN
                        || key.mv_size > sizeof(at_expiry_key_t)))
        {
            rc = AT_LMDB_BAD_RECORD;
        }

        if (rc != 0) {
            break;
        }

        memcpy(&entry, key.mv_data, key.mv_size);
        memcpy(&when, entry.when, sizeof(when));

        if (entry.table != table || (int64_t) be64toh(when) > until) {
            break;
        }

        key = at_session_val(entry.key, key.mv_size - AT_EXPIRY_HEADER_LEN);
        rc = mdb_cursor_del(cursor, 0);

        if (rc == 0) {
            rc = table == AT_SESSION_SESSIONS
                 ? at_session_clean_session(db, txn, key, until)
                 : table == AT_SESSION_REFRESH
                 ? at_session_clean_token(db, txn, key)
                 : at_session_delete(db, txn, table, key);
        }

        (*n)++;
    }

    mdb_cursor_close(cursor);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


/* returns LMDB's code */
static int
at_session_clean_tables(at_session_db_t *db, MDB_txn *txn, int64_t now,
    int64_t expired, int max, int *n)
{
    int     rc;
    size_t  used, total, room;

    *n = 0;
    rc = at_session_count_pages(db, txn, &used, &total);
    room = (total - used) / AT_CLEAN_PAGES;

    if (room < (size_t) max) {
        max = room != 0 ? (int) room : 1;
    }

    if (rc == 0) {
        rc = at_session_clean_table(db, txn, AT_SESSION_REFRESH, now, max, n);
    }

    if (rc == 0) {
        rc = at_session_clean_table(db, txn, AT_SESSION_SESSIONS, expired, max,
                                    n);
    }

    return rc != 0 ? rc : at_session_clean_table(db, txn, AT_SESSION_ACCESS,
                                                 expired, max, n);
}


int
at_session_db_clean(at_session_db_t *db, int64_t now, int64_t expired, int max,
    at_error_t *err)
{
    int       rc, n;
    MDB_txn  *txn;

    if (at_session_begin_write(db, &txn, err) != 0) {
        return -1;
    }

    rc = at_session_clean_tables(db, txn, now, expired, max, &n);

    return at_session_end_write(db, txn, rc, err) == 0 ? n : -1;
}
