/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Damaged and forged records of the session database.  Input: commands of four
 * bytes, which change a record or call a function.  A record that was changed
 * without the state key can end a session; it never gives a token the session
 * or the user of another token.
 */

#include <dirent.h>
#include <unistd.h>

#include "core/session/at_session_record.h"
#include "core/session/at_session_token.h"
#include "core/session/at_token_use.h"
#include "fuzz.h"


#define SESSIONS   2
#define COMMANDS   16           /* executed of an input */
#define RECORDS    64
#define NOW        1700000000000
#define GRACE      5000
#define EXPIRY     (NOW + 1800000)

/* a session with a used and an unused refresh token */
typedef struct {
    const char  *user;
    at_str_t     used;
    at_str_t     refresh;
    at_str_t     access;
} fuzz_session_t;

typedef struct {
    at_session_table_e  table;
    size_t              key_len;
    size_t              len;
    unsigned char       bytes[1500];    /* key and value */
} fuzz_record_t;

static char                  dir[] = "/tmp/at-fuzz-XXXXXX";
static at_session_db_t      *db;
static fuzz_session_t        sessions[SESSIONS] = {
    { "jane", { NULL, 0 }, { NULL, 0 }, at_str("access token of jane") },
    { "joe", { NULL, 0 }, { NULL, 0 }, at_str("access token of joe") }
};
static fuzz_record_t         records[RECORDS];     /* of these sessions */
static size_t                n_records;

static const at_state_key_t       key = { { 1, 2, 3 } };
static const at_session_limits_t  limits = { GRACE, 100, 100 };


/* --- the database -------------------------------------------------------- */


static void
fuzz_remove_dir(const char *path)
{
    char            name[400];
    DIR            *d = opendir(path);
    struct dirent  *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        (void) unlink(name);
    }

    if (d != NULL) {
        (void) closedir(d);
    }

    (void) rmdir(path);
}


static void
fuzz_remove(void)
{
    char  path[64];

    (void) snprintf(path, sizeof(path), "%s/sessions", dir);
    fuzz_remove_dir(path);
    fuzz_remove_dir(dir);
}


static MDB_txn *
fuzz_begin(void)
{
    MDB_txn  *txn;

    fuzz_assert(mdb_txn_begin(db->lmdb.env, NULL, 0, &txn) == 0);

    return txn;
}


static at_session_token_pair_t
fuzz_pair(at_str_t refresh, at_str_t access)
{
    return (at_session_token_pair_t) { refresh, EXPIRY, access, EXPIRY };
}


static void
fuzz_create(fuzz_session_t *s)
{
    char                    *used, *refresh;
    at_error_t               err;
    at_session_t             session = { 0 };
    at_session_copy_t        copy;
    at_session_token_pair_t  pair;

    session.user = (at_str_t) { s->user, strlen(s->user) };
    session.issuer = at_str("main");
    fuzz_assert(at_session_set_id(&session) == 0);

    used = at_session_create_token(db, &session, 64);
    refresh = at_session_create_token(db, &session, 64);
    fuzz_assert(used != NULL && refresh != NULL);
    s->used = (at_str_t) { used, 64 };
    s->refresh = (at_str_t) { refresh, 64 };

    pair = fuzz_pair(s->used, at_str("first access token"));
    fuzz_assert(at_session_create(db, &session, &pair, &limits, NOW, &err)
                == AT_SESSION_OK);

    pair = fuzz_pair(s->refresh, s->access);
    fuzz_assert(at_session_rotate(db, s->used, &pair, &limits, &copy, NOW,
                                  &err) == AT_SESSION_OK);
}


/* keeps a copy of all records */
static void
fuzz_save(void)
{
    MDB_txn             *txn = fuzz_begin();
    MDB_val              k, v;
    MDB_cursor          *cursor;
    fuzz_record_t       *r;
    at_session_table_e   table;

    for (table = 0; table < AT_SESSION_TABLES; table++) {
        fuzz_assert(mdb_cursor_open(txn, db->lmdb.tables[table], &cursor)
                    == 0);

        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
            fuzz_assert(n_records < RECORDS);
            r = &records[n_records++];
            fuzz_assert(k.mv_size + v.mv_size <= sizeof(r->bytes));

            r->table = table;
            r->key_len = k.mv_size;
            r->len = v.mv_size;
            memcpy(r->bytes, k.mv_data, k.mv_size);
            memcpy(r->bytes + k.mv_size, v.mv_data, v.mv_size);
        }

        mdb_cursor_close(cursor);
    }

    mdb_txn_abort(txn);
}


static void
fuzz_put(MDB_txn *txn, const fuzz_record_t *r)
{
    MDB_val  k = { r->key_len, (void *) (uintptr_t) r->bytes };
    MDB_val  v = { r->len, (void *) (uintptr_t) (r->bytes + r->key_len) };

    fuzz_assert(mdb_put(txn, db->lmdb.tables[r->table], &k, &v, 0) == 0);
}


/* the records of the two sessions, and no others */
static void
fuzz_restore(void)
{
    size_t    i;
    MDB_txn  *txn = fuzz_begin();

    for (i = 0; i < AT_SESSION_TABLES; i++) {
        fuzz_assert(mdb_drop(txn, db->lmdb.tables[i], 0) == 0);
    }

    for (i = 0; i < n_records; i++) {
        fuzz_put(txn, &records[i]);
    }

    fuzz_assert(mdb_txn_commit(txn) == 0);
}


static void
fuzz_init(void)
{
    char               path[64];
    size_t             i;
    at_error_t         err;
    at_token_use_t     use = { { 7 }, 3, NOW };
    at_lmdb_verdict_t  verdict = { 0 };

    fuzz_assert(mkdtemp(dir) != NULL);
    (void) atexit(fuzz_remove);
    (void) snprintf(path, sizeof(path), "%s/sessions", dir);

    db = at_session_db_open(path, &key, &verdict, &err);
    fuzz_assert(db != NULL);
    (void) mdb_env_set_flags(db->lmdb.env, MDB_NOSYNC, 1);

    for (i = 0; i < SESSIONS; i++) {
        fuzz_create(&sessions[i]);
    }

    fuzz_assert(at_token_use_add(db, &use, 1, &err) == 0);
    fuzz_save();
}


/* --- commands ------------------------------------------------------------ */


/*
 * Changes a byte of a record or the length of its value, or stores the value
 * under the key of another record.  The old record remains or is removed.
 */
static void
fuzz_damage(const uint8_t command[4])
{
    size_t                len;
    MDB_val               k;
    MDB_txn              *txn = fuzz_begin();
    fuzz_record_t         r;
    const fuzz_record_t  *old = &records[command[1] % n_records];
    const fuzz_record_t  *other = &records[command[2] % n_records];

    r = *old;

    switch (command[0] % 4) {

    case 0:
        r.bytes[command[2] % (r.key_len + r.len)] ^= command[3];
        break;

    case 1:
        r.bytes[(command[2] + 256) % (r.key_len + r.len)] ^= command[3];
        break;

    case 2:
        len = command[2] | (size_t) (command[3] & 3) << 8;
        r.len = r.key_len + len <= sizeof(r.bytes) ? len : 0;
        break;

    case 3:
        r = *other;
        r.len = r.key_len + old->len <= sizeof(r.bytes) ? old->len : 0;
        memcpy(r.bytes + r.key_len, old->bytes + old->key_len, r.len);
        break;
    }

    if (command[3] & 1) {
        k = (MDB_val) { old->key_len, (void *) (uintptr_t) old->bytes };
        (void) mdb_del(txn, db->lmdb.tables[old->table], &k, NULL);
    }

    fuzz_put(txn, &r);
    fuzz_assert(mdb_txn_commit(txn) == 0);
}


static void
fuzz_check_user(const at_session_t *session, const fuzz_session_t *s)
{
    fuzz_assert(fuzz_is_text(session->user, s->user));
    fuzz_assert(fuzz_is_text(session->issuer, "main"));
}


static void
fuzz_call(const uint8_t command[4])
{
    char                     buf[AT_SESSION_BUF_SIZE], name[64];
    int64_t                  expires, now = NOW + command[3] * 100;
    at_str_t                 refresh, none = { NULL, 0 };
    at_error_t               err;
    at_session_e             result;
    at_session_t             session = { 0 };
    at_token_use_t           use = { { 7 }, 1, NOW };
    at_session_copy_t        copy = { NULL, NULL };
    at_session_token_pair_t  pair;
    const fuzz_session_t    *s = &sessions[command[1] % SESSIONS];

    refresh = command[2] & 1 ? s->used : s->refresh;

    switch (command[0] % 8) {

    case 0:
        result = at_session_find(db, &session, buf, refresh, &limits, now,
                                 &err);
        if (result == AT_SESSION_OK || result == AT_SESSION_USED
            || result == AT_SESSION_REPEATED)
        {
            fuzz_check_user(&session, s);
        }
        break;

    case 1:
        if (at_session_find_by_access(db, &session, buf, &expires, s->access,
                                      now, &err) == AT_SESSION_OK)
        {
            fuzz_check_user(&session, s);
        }
        break;

    case 2:
        pair = fuzz_pair(at_str("the next refresh token of this session"),
                         at_str("the next access token"));
        result = at_session_rotate(db, refresh, &pair, &limits, &copy, now,
                                   &err);

        /* the pair that replaced the used token */
        if (result == AT_SESSION_REPEATED && command[2] & 1) {
            fuzz_assert(fuzz_is_text(s->refresh, copy.refresh)
                        && fuzz_is_text(s->access, copy.access));
        }

        at_secret_free(copy.refresh);
        at_secret_free(copy.access);
        break;

    case 3:
        (void) at_session_revoke(db, refresh, command[2] & 2 ? s->access
                                                             : none,
                                 now, &err);
        break;

    case 4:
        (void) at_session_is_active(db, refresh, s->access, now, &err);
        break;

    case 5:
        (void) at_session_db_clean(db, now, command[2] & 1 ? EXPIRY + 1 : now,
                                   command[2], &err);
        break;

    case 6:
        (void) at_session_db_largest_user(db, name, sizeof(name), &err);
        (void) at_session_db_usage(db);
        break;

    case 7:
        (void) at_token_use_get(db, &use);
        (void) at_token_use_add(db, &use, 1, &err);
        break;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t  i, n = size / 4;

    if (db == NULL) {
        fuzz_init();
    }

    for (i = 0; i < n && i < COMMANDS; i++, data += 4) {
        if (data[0] & 0x80) {
            fuzz_damage(data);
        } else {
            fuzz_call(data);
        }
    }

    if (n) {
        fuzz_restore();
    }

    return 0;
}
