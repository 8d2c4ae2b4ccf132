/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/store/at_lmdb.h"


/* of the file, behind its last page: see at_lmdb_extend_file() */
#define AT_LMDB_SLACK  (1 << 20)

#define AT_NFS_MAGIC   0x6969
#define AT_CIFS_MAGIC  0xff534d42u
#define AT_SMB2_MAGIC  0xfe534d42u


int
at_lmdb_path(char buf[PATH_MAX], const char *path, const char *file,
    at_error_t *err)
{
    int  n;

    n = snprintf(buf, PATH_MAX, "%s/%s", path, file);

    return n > 0 && n < PATH_MAX ? 0 : at_error(err, "the path is too long");
}


/* the meta page of LMDB 0.9, as far as it is looked at here */
typedef struct {
    uint64_t  page_header[2];
    uint32_t  magic;
    uint32_t  version;
    uint64_t  address;
    uint64_t  map_size;
    uint32_t  page_size;        /* md_pad of the free list's table */
    uint32_t  free_rest;
    uint64_t  free_numbers[5];
    uint64_t  main_table[6];
    uint64_t  last_page;
    uint64_t  txnid;
} at_meta_t;

#define AT_META_MAGIC    0xbeefc0deu
#define AT_META_VERSION  1


static int
at_meta_read(at_meta_t *meta, int fd, off_t offset)
{
    return pread(fd, meta, sizeof(at_meta_t), offset)
           == (ssize_t) sizeof(at_meta_t)
           && meta->magic == AT_META_MAGIC && meta->version == AT_META_VERSION
           && meta->page_size >= 512 && meta->page_size <= 65536 ? 0 : -1;
}


/* the newer of the two meta pages says how long the file must be */
int
at_lmdb_check_content(int fd, const char *path, at_error_t *err)
{
    off_t        needed;
    at_meta_t    first, second;
    struct stat  st;

    if (at_meta_read(&first, fd, 0) != 0
        || at_meta_read(&second, fd, first.page_size) != 0)
    {
        return at_error(err, "\"%s\" is no store, or is of another version "
                        "of LMDB", path);
    }

    if (second.txnid > first.txnid) {
        first = second;
    }

    needed = (off_t) (first.last_page + 1) * first.page_size;

    if (fstat(fd, &st) != 0 || st.st_size < needed) {
        return at_error(err, "\"%s\" was cut: it has %lld bytes of %lld; "
                        "restore it from a copy", path,
                        (long long) st.st_size, (long long) needed);
    }

    return 0;
}


int
at_lmdb_check_file_system(int fd, const char *path, at_error_t *err)
{
    unsigned long  type;
    struct statfs  fs;

    if (fstatfs(fd, &fs) != 0) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    type = (unsigned long) fs.f_type & 0xffffffffu;

    if (type == AT_NFS_MAGIC || type == AT_CIFS_MAGIC || type == AT_SMB2_MAGIC)
    {
        return at_error(err, "\"%s\" is on a network file system, where "
                        "LMDB's locks do not hold; move the store to a local "
                        "one", path);
    }

    return 0;
}


int
at_lmdb_metas_map(at_lmdb_metas_t *metas, int fd, size_t page_size)
{
    void  *map;

    map = mmap(NULL, 2 * page_size, PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        return errno;
    }

    *metas = (at_lmdb_metas_t) { map, page_size };

    return 0;
}


void
at_lmdb_metas_unmap(at_lmdb_metas_t *metas)
{
    if (metas->map != NULL) {
        (void) munmap(metas->map, 2 * metas->page_size);
        metas->map = NULL;
    }
}


static uint64_t
at_lmdb_meta_txnid(const void *page)
{
    return __atomic_load_n(&((const at_meta_t *) page)->txnid,
                           __ATOMIC_ACQUIRE);
}


uint64_t
at_lmdb_last_txnid(const at_lmdb_metas_t *metas)
{
    uint64_t  first, second;

    first = at_lmdb_meta_txnid(metas->map);
    second = at_lmdb_meta_txnid((const char *) metas->map + metas->page_size);

    return first > second ? first : second;
}


off_t
at_lmdb_min_file_size(MDB_env *env, unsigned page_size)
{
    MDB_envinfo  info;

    return mdb_env_info(env, &info) == 0
           ? (off_t) (info.me_last_pgno + 1) * page_size : INT64_MAX;
}


void
at_lmdb_extend_file(MDB_env *env, unsigned page_size)
{
    int          fd;
    off_t        needed;
    struct stat  st;

    needed = at_lmdb_min_file_size(env, page_size);

    if (needed != INT64_MAX
        && mdb_env_get_fd(env, &fd) == 0
        && fstat(fd, &st) == 0
        && st.st_size < needed + AT_LMDB_SLACK / 2)
    {
        (void) !ftruncate(fd, needed + AT_LMDB_SLACK);
    }
}
