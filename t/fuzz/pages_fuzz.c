/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Damaged LMDB files.  Input: changes of a sound file, each a page (1 byte),
 * an offset in the page and a new word (2 bytes each).  LMDB can read and
 * write each file that is accepted: it does not abort, and does not access
 * memory outside of its map.
 */

#define _GNU_SOURCE             /* memfd_create() */

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/store/at_lmdb_pages.h"
#include "core/store/at_lmdb_file.h"
#include "fuzz.h"


#define PAGE      4096
#define TABLES    3
#define CHANGE    5             /* bytes of the input */

static int             file;
static unsigned char  *sound;
static size_t          sound_len;

static MDB_env        *env;


/* --- LMDB ---------------------------------------------------------------- */


/* puts and deletes short and long values, until LMDB reports an error */
static int
fuzz_write(MDB_txn *txn, MDB_dbi table, int n)
{
    int      i, rc;
    char     key[16];
    MDB_val  k, v;

    static char  value[3 * PAGE];

    for (i = 0, rc = 0; i < n && rc == 0; i++) {
        k.mv_data = key;
        k.mv_size = (size_t) snprintf(key, sizeof(key), "key %d", i * 7 % n);
        v.mv_data = value;
        v.mv_size = i % 9 == 0 ? sizeof(value) : (size_t) (i * 97 % 300);

        rc = i % 3 == 2 ? mdb_del(txn, table, &k, NULL)
                        : mdb_put(txn, table, &k, &v, 0);
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }

    return rc;
}


/* reads all values */
static unsigned
fuzz_read(MDB_txn *txn, MDB_dbi table)
{
    unsigned     sum = 0;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    if (mdb_cursor_open(txn, table, &cursor) != 0) {
        return 0;
    }

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        sum += v.mv_size ? ((unsigned char *) v.mv_data)[v.mv_size - 1] : 0;
    }

    mdb_cursor_close(cursor);

    return sum;
}


/* reads all tables, and writes n values to each of them */
static int
fuzz_use(int n)
{
    int       i, opened, rc;
    char      name[] = "t0";
    MDB_dbi   tables[TABLES];
    MDB_txn  *txn;

    rc = mdb_txn_begin(env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }

    for (opened = 0; rc == 0 && opened < TABLES; opened++) {
        name[1] = (char) ('0' + opened);
        rc = mdb_dbi_open(txn, name, MDB_CREATE, &tables[opened]);
    }

    for (i = 0; rc == 0 && i < TABLES; i++) {
        (void) fuzz_read(txn, tables[i]);
        rc = fuzz_write(txn, tables[i], n + n * i);
    }

    if (rc != 0) {
        mdb_txn_abort(txn);     /* closes the tables as well */
        return rc;
    }

    rc = mdb_txn_commit(txn);

    for (i = 0; rc == 0 && i < TABLES; i++) {
        mdb_dbi_close(env, tables[i]);
    }

    return rc;
}


/*
 * A file with branches, large values and free pages.  The environment stays
 * open, as opening it takes most of the time: each transaction reads the meta
 * pages and the roots of the tables again.
 */
static void
fuzz_init(void)
{
    int   i;
    char  path[64];

    file = memfd_create("pages", MFD_CLOEXEC);
    fuzz_assert(file != -1);
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", file);

    fuzz_assert(mdb_env_create(&env) == 0
                && mdb_env_set_maxdbs(env, TABLES) == 0
                && mdb_env_set_mapsize(env, 1 << 20) == 0
                && mdb_env_open(env, path,
                                MDB_NOSUBDIR|MDB_NOLOCK|MDB_NOSYNC, 0600)
                   == 0);

    for (i = 0; i < 4; i++) {
        fuzz_assert(fuzz_use(15) == 0);
    }

    sound_len = (size_t) lseek(file, 0, SEEK_END);
    sound = malloc(sound_len);
    fuzz_assert(sound && pread(file, sound, sound_len, 0)
                         == (ssize_t) sound_len);
}


/* --- the check ----------------------------------------------------------- */


static int
fuzz_is_accepted(void)
{
    at_lmdb_meta_t   meta;
    at_lmdb_fault_t  fault;

    if (at_lmdb_read_meta(&meta, file, 0) != 0
        || meta.last_page >= sound_len / meta.free_pages.pad)
    {
        return 0;
    }

    if (at_lmdb_check_pages(file, &meta, &fault) != 0) {
        fuzz_assert(fault.problem != NULL || fault.error != 0);
        return 0;
    }

    return 1;
}


/* the place of change i in the file */
static size_t
fuzz_place(const uint8_t *data, size_t i)
{
    const uint8_t  *change = data + i * CHANGE;

    return change[0] % (sound_len / PAGE) * PAGE
           + (change[1] | (size_t) change[2] << 8) % (PAGE - 1);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t  i, place, n = size / CHANGE;

    if (sound == NULL) {
        fuzz_init();
        fuzz_assert(fuzz_is_accepted());
    }

    for (i = 0; i < n; i++) {
        fuzz_assert(pwrite(file, data + i * CHANGE + 3, 2,
                           (off_t) fuzz_place(data, i)) == 2);
    }

    if (fuzz_is_accepted()) {
        (void) fuzz_use(4);
        fuzz_assert(ftruncate(file, (off_t) sound_len) == 0
                    && pwrite(file, sound, sound_len, 0)
                       == (ssize_t) sound_len);
    }

    for (i = 0; i < n; i++) {
        place = fuzz_place(data, i);
        fuzz_assert(pwrite(file, sound + place, 2, (off_t) place) == 2);
    }

    return 0;
}
