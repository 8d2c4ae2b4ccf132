/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/session/at_session_table.h"
#include "core/session/at_token_use.h"


typedef struct {
    uint64_t  count;
    int64_t   last;
} at_use_record_t;


int
at_token_use_add(at_session_db_t *db, const at_token_use_t *uses, size_t n,
    at_error_t *err)
{
    int              rc;
    size_t           i;
    MDB_val          key;
    MDB_txn         *txn;
    at_use_record_t  sum;

    if (at_session_begin_write(db, &txn, err) != 0) {
        return -1;
    }

    rc = 0;

    for (i = 0; rc == 0 && i < n; i++) {
        key = at_session_val(uses[i].digest, AT_SHA256_LEN);
        sum = (at_use_record_t) { 0, 0 };

        rc = at_session_get(db, txn, AT_SESSION_USES, key, &sum, sizeof(sum));

        if (rc != 0 && rc != MDB_NOTFOUND) {
            break;
        }

        sum.count += uses[i].count;

        if (sum.last < uses[i].last) {
            sum.last = uses[i].last;
        }

        rc = at_session_put(db, txn, AT_SESSION_USES, key, &sum, sizeof(sum),
                            0);
    }

    return at_session_end_write(db, txn, rc, err);
}


int
at_token_use_get(at_session_db_t *db, at_token_use_t *use)
{
    int              rc;
    at_use_record_t  sum;

    if (at_lmdb_begin(&db->lmdb, MDB_RDONLY, &db->reader) != 0) {
        return -1;
    }

    rc = at_session_get(db, db->reader, AT_SESSION_USES,
                        at_session_val(use->digest, AT_SHA256_LEN), &sum,
                        sizeof(sum));

    mdb_txn_reset(db->reader);

    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : -1;
    }

    use->count = sum.count;
    use->last = sum.last;

    return 1;
}
