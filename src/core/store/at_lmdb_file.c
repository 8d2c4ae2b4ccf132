/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/at_file.h"
#include "core/store/at_lmdb_file.h"
#include "core/store/at_lmdb_pages.h"


int
at_lmdb_read_meta(at_lmdb_meta_t *meta, int fd, uint64_t txnid)
{
    int             i;
    off_t           offset;
    at_lmdb_meta_t  found[2];

    for (i = 0, offset = 0; i < 2; i++, offset = found[0].free_pages.pad) {
        if (pread(fd, &found[i], sizeof(found[i]), offset)
            != (ssize_t) sizeof(found[i])
            || found[i].magic != AT_LMDB_MAGIC
            || found[i].version != AT_LMDB_VERSION
            || found[i].free_pages.pad < 512
            || found[i].free_pages.pad > 32768
            || found[i].free_pages.pad != found[0].free_pages.pad)
        {
            return -1;
        }
    }

    i = txnid == 0 ? found[1].txnid > found[0].txnid
                   : found[1].txnid == txnid;

    *meta = found[i];

    return txnid == 0 || meta->txnid == txnid ? 0 : -1;
}


int
at_lmdb_path(char buf[PATH_MAX], const char *path, const char *file,
    at_error_t *err)
{
    int  n;

    n = snprintf(buf, PATH_MAX, "%s/%s", path, file);

    return n > 0 && n < PATH_MAX ? 0 : at_error(err, "the path is too long");
}


static int
at_lmdb_check_size(const at_lmdb_meta_t *meta, const char *file, off_t size,
    at_error_t *err)
{
    if (meta->last_page < (uint64_t) size / meta->free_pages.pad) {
        return 0;
    }

    return at_error(err, "\"%s\" is truncated to %lld of %llu bytes", file,
                    (long long) size, (unsigned long long)
                    ((meta->last_page + 1) * meta->free_pages.pad));
}


static at_lmdb_e
at_lmdb_check_content(int fd, const char *file, off_t size, at_error_t *err)
{
    at_lmdb_meta_t  meta;

    if (at_lmdb_read_meta(&meta, fd, 0) != 0) {
        (void) at_error(err, "\"%s\" is not a database of this version of "
                        "LMDB", file);
        return AT_LMDB_DAMAGED;
    }

    return at_lmdb_check_size(&meta, file, size, err) == 0 ? AT_LMDB_OK
                                                           : AT_LMDB_DAMAGED;
}


at_lmdb_e
at_lmdb_inspect(const char *path, int may_be_empty, at_error_t *err)
{
    int          fd;
    char         file[PATH_MAX];
    at_lmdb_e    result;
    struct stat  st;

    if (at_lmdb_path(file, path, "data.mdb", err) != 0) {
        return AT_LMDB_FAILED;
    }

    /* a FIFO or a terminal must not block the process */
    fd = open(file, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY);

    if (fd == -1 && errno != ENOENT) {
        (void) at_error(err, "\"%s\": %s", file, strerror(errno));
        return AT_LMDB_FAILED;
    }

    result = at_file_check_local(fd == -1 ? path : file, err) == 0
             ? AT_LMDB_OK : AT_LMDB_FAILED;

    if (fd == -1) {
        return result == AT_LMDB_OK ? AT_LMDB_MISSING : AT_LMDB_FAILED;
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void) at_error(err, "\"%s\" is not a regular file", file);
        result = AT_LMDB_FAILED;

    } else if (result == AT_LMDB_OK && !(may_be_empty && st.st_size == 0)) {
        result = at_lmdb_check_content(fd, file, st.st_size, err);
    }

    (void) close(fd);

    return result;
}


/* --- verdicts ------------------------------------------------------------ */


int
at_lmdb_fd_is_verified(const at_lmdb_verdict_t *verdict, int fd,
    at_error_t *err)
{
    struct stat  st;

    if (fstat(fd, &st) != 0 || st.st_dev != verdict->dev
        || st.st_ino != verdict->ino)
    {
        return 0;
    }

    if (verdict->result == AT_LMDB_OK) {
        return 1;
    }

    *err = verdict->err;

    return st.st_ctim.tv_sec == verdict->changed.tv_sec
           && st.st_ctim.tv_nsec == verdict->changed.tv_nsec;
}


int
at_lmdb_is_verified(const at_lmdb_verdict_t *verdict, const char *path,
    at_error_t *err)
{
    int   fd, rc;
    char  file[PATH_MAX];

    if (at_lmdb_path(file, path, "data.mdb", err) != 0) {
        return 0;
    }

    fd = open(file, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY);

    if (fd == -1) {
        return 0;
    }

    rc = at_lmdb_fd_is_verified(verdict, fd, err);

    (void) close(fd);

    return rc;
}


at_lmdb_e
at_lmdb_verify(int fd, const char *file, const at_lmdb_meta_t *meta,
    at_lmdb_verdict_t *verdict, at_error_t *err)
{
    int              rc;
    struct stat      st;
    at_lmdb_fault_t  fault;

    memset(verdict, 0, sizeof(at_lmdb_verdict_t));

    if (fstat(fd, &st) != 0) {
        (void) at_error(err, "cannot check \"%s\": %s", file, strerror(errno));
        return AT_LMDB_FAILED;
    }

    rc = at_lmdb_check_size(meta, file, st.st_size, err);

    if (rc == 0 && at_lmdb_check_pages(fd, meta, &fault) != 0) {

        if (fault.error != 0) {
            (void) at_error(err, "cannot check \"%s\": %s", file,
                            strerror(fault.error));
            return AT_LMDB_FAILED;
        }

        rc = at_error(err, "\"%s\" is damaged, page %llu: %s", file,
                      (unsigned long long) fault.page, fault.problem);
    }

    verdict->dev = st.st_dev;
    verdict->ino = st.st_ino;
    verdict->changed = st.st_ctim;

    if (rc == 0) {
        return AT_LMDB_OK;
    }

    verdict->result = AT_LMDB_DAMAGED;
    verdict->err = *err;

    return AT_LMDB_DAMAGED;
}


void
at_lmdb_verify_path(at_lmdb_verdict_t *verdict, const char *path)
{
    int             fd, tries;
    char            file[PATH_MAX];
    at_error_t      err;
    struct stat     st;
    at_lmdb_e       result;
    at_lmdb_meta_t  meta, last;

    memset(verdict, 0, sizeof(at_lmdb_verdict_t));

    if (at_lmdb_path(file, path, "data.mdb", &err) != 0) {
        return;
    }

    fd = open(file, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY|O_NOFOLLOW);

    if (fd == -1) {
        return;
    }

    for (tries = 0; tries < 3; tries++) {

        if (at_lmdb_read_meta(&meta, fd, 0) != 0 || fstat(fd, &st) != 0
            || at_lmdb_check_size(&meta, file, st.st_size, &err) != 0)
        {
            break;
        }

        result = at_lmdb_verify(fd, file, &meta, verdict, &err);

        if (result != AT_LMDB_DAMAGED) {
            break;
        }

        if (at_lmdb_read_meta(&last, fd, 0) == 0 && last.txnid == meta.txnid) {
            break;
        }

        memset(verdict, 0, sizeof(at_lmdb_verdict_t));
    }

    (void) close(fd);
}
