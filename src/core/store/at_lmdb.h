/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The LMDB environments of the store and of the session database, and checks
 * that LMDB does not make: reading truncated files and damaged pages kills the
 * process, and LMDB does not notice that a file was replaced.
 *
 * A process opens a path once, and after its last fork: LMDB's locks survive
 * neither a second environment of the same files nor a fork.
 */

#ifndef AT_LMDB_H
#define AT_LMDB_H

#include <stdint.h>
#include <sys/types.h>

#include <lmdb.h>

#include "core/store/at_lmdb_file.h"


#define AT_LMDB_MAX_TABLES  8

/* beside LMDB's codes: a record that this program cannot have written */
#define AT_LMDB_BAD_RECORD  (MDB_KEYEXIST - 1)

/* the content of an environment; table names and format are in the file */
typedef struct at_lmdb_schema_s {
    const char        *name;            /* for error texts */
    const char *const *tables;
    unsigned           n_tables;
    const char        *format;          /* version of the records */
    const char        *format_hint;     /* how to fix another version */
    size_t             map_size;        /* address space, not memory */
    mode_t             mode;            /* of new files */
} at_lmdb_schema_t;

typedef enum {
    AT_LMDB_READ = 0,
    AT_LMDB_WRITE,
    AT_LMDB_CREATE              /* write, and create missing files */
} at_lmdb_mode_e;

typedef struct {
    char   path[PATH_MAX];
    dev_t  dev;
    ino_t  ino;
} at_lmdb_file_t;

typedef struct {
    MDB_env                 *env;
    MDB_dbi                  tables[AT_LMDB_MAX_TABLES];
    const at_lmdb_schema_t  *schema;
    at_lmdb_file_t           data;      /* as it was opened */
    at_lmdb_file_t           lock;
    int                      fd;        /* of data.mdb */
    off_t                    size;      /* of data.mdb; it only grows */
    int                      truncated; /* data.mdb was; not usable */
    int                      damaged;   /* a damaged page, or MDB_PANIC */
    void                    *metas;     /* second map of the meta pages */
    size_t                   map_size;  /* that of the schema, or smaller */
    int                      outgrown;  /* the file outgrew the map */
    int                      pinned;    /* a thread reads: keep the map */
    unsigned                 page_size;
    uint64_t                 uncounted; /* see at_lmdb_txnid_is_current() */
} at_lmdb_t;

/*
 * Checks the pages unless verdict, which is updated, is that of the file, or
 * NULL; opens it.  If it does not return AT_LMDB_OK, err is set.
 */
at_lmdb_e at_lmdb_open(at_lmdb_t *lmdb, const char *path,
    const at_lmdb_schema_t *schema, at_lmdb_mode_e mode,
    at_lmdb_verdict_t *verdict, at_error_t *err);
void at_lmdb_close(at_lmdb_t *lmdb);

/*
 * 1 if the path still has the files that were opened, complete, not found
 * damaged, and not larger than the map; else 0, or -1 if that is not known.
 */
int at_lmdb_files_are_current(const at_lmdb_t *lmdb);

/* LMDB would read beyond the end of a truncated file: call this before */
int at_lmdb_is_truncated(at_lmdb_t *lmdb);

/*
 * LMDB takes the number of the last transaction from lock.mdb.  If data.mdb
 * was replaced before it was opened, that number belongs to the old file until
 * all processes have closed the old file: a reader may get an old state, and a
 * writer would overwrite the last one.  Returns 0 in this case, 1 otherwise,
 * -1 without memory.  A commit is in data.mdb before it is in lock.mdb, so a
 * difference of one is reported only if the next call finds it again.  Do not
 * call it inside a transaction.
 */
int at_lmdb_txnid_is_current(at_lmdb_t *lmdb);

/* the number of the last committed transaction, of any process */
uint64_t at_lmdb_last_txnid(const at_lmdb_t *lmdb);

/* renews *txn, or creates it if it is NULL; 0 or LMDB's code */
int at_lmdb_begin(at_lmdb_t *lmdb, unsigned flags, MDB_txn **txn);

/* Waits for other writers.  Returns 0, or -1 with err set. */
int at_lmdb_begin_write(at_lmdb_t *lmdb, MDB_txn **txn, at_error_t *err);

/* commits if rc is 0, else aborts and sets err to its text; 0, or -1 */
int at_lmdb_end_write(at_lmdb_t *lmdb, MDB_txn *txn, int rc, at_error_t *err);
void at_lmdb_abort_write(const at_lmdb_t *lmdb, MDB_txn *txn);

/* notes that rc, a code of LMDB, tells of a damaged file */
void at_lmdb_note_damage(at_lmdb_t *lmdb, int rc);

/* the text of LMDB's code; at_lmdb_fail() notes it, sets err, returns -1 */
const char *at_lmdb_strerror(const at_lmdb_t *lmdb, int rc);
int at_lmdb_fail(at_lmdb_t *lmdb, int rc, at_error_t *err);


#endif
