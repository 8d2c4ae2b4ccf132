/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Checks the pages of an LMDB file.  LMDB trusts them: a damaged page makes it
 * abort the process, or access memory outside of the page.  The checks read
 * with pread(), so that a file that is truncated meanwhile is an error and not
 * SIGBUS.
 */

#ifndef AT_LMDB_PAGES_H
#define AT_LMDB_PAGES_H

#include "core/store/at_lmdb_format.h"


typedef struct {
    uint64_t     page;
    const char  *problem;
    int          error;         /* errno if the file cannot be read, else 0 */
} at_lmdb_fault_t;

/*
 * Checks that all pages of the trees are sound, that their keys are in order,
 * and that no page is used twice or is both used and free.  The values are not
 * checked.  A reader slot must protect the transaction of meta: otherwise a
 * page that a later transaction has overwritten looks damaged.  The file must
 * have the last page of meta.  Returns 0, or -1 with *fault set.
 */
int at_lmdb_check_pages(int fd, const at_lmdb_meta_t *meta,
    at_lmdb_fault_t *fault);


#endif
