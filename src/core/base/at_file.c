/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/at_file.h"


#define AT_NFS_MAGIC   0x6969
#define AT_SMB_MAGIC   0x517b
#define AT_CIFS_MAGIC  0xff534d42u
#define AT_SMB2_MAGIC  0xfe534d42u


static void
at_file_stamp_from_stat(at_file_stamp_t *stamp, const struct stat *st)
{
    stamp->dev = st->st_dev;
    stamp->ino = st->st_ino;
    stamp->size = st->st_size;
    stamp->mtime = st->st_mtim;
    stamp->ctime = st->st_ctim;
}


/* reads until the end of the file or size bytes */
static int
at_file_fill(at_file_t *file, int fd, size_t size)
{
    ssize_t  n;

    while (file->len < size) {
        n = read(fd, file->data + file->len, size - file->len);

        if (n > 0) {
            file->len += (size_t) n;

        } else if (n == 0) {
            break;

        } else if (errno != EINTR) {
            return -1;
        }
    }

    return 0;
}


static int
at_file_read_fd(at_file_t *file, int fd, const char *path, size_t max,
    at_error_t *err)
{
    size_t       size;
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return at_error(err, "cannot stat \"%s\": %m", path);
    }

    if (!S_ISREG(st.st_mode)) {
        return at_error(err, "\"%s\" is not a regular file", path);
    }

    if ((uintmax_t) st.st_size > max) {
        return at_error(err, "\"%s\" is larger than %zu bytes", path, max);
    }

    at_file_stamp_from_stat(&file->stamp, &st);
    file->mode = st.st_mode;
    size = (size_t) st.st_size;

    /* the extra byte shows whether the file grew, and holds the terminator */

    file->data = malloc(size + 1);
    if (file->data == NULL) {
        return at_error(err, "no memory to read \"%s\"", path);
    }

    if (at_file_fill(file, fd, size + 1) != 0) {
        return at_error(err, "cannot read \"%s\": %m", path);
    }

    if (file->len != size) {
        return at_error(err, "\"%s\" changed while it was read", path);
    }

    file->data[file->len] = '\0';

    return 0;
}


int
at_file_read(at_file_t *file, const char *path, size_t max, at_error_t *err)
{
    int  fd, rc;

    memset(file, 0, sizeof(at_file_t));

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NONBLOCK|O_NOCTTY);
    if (fd == -1) {
        return at_error(err, "cannot open \"%s\": %m", path);
    }

    rc = at_file_read_fd(file, fd, path, max, err);

    if (rc != 0) {
        at_file_free(file);
    }

    (void) close(fd);

    return rc;
}


void
at_file_free(at_file_t *file)
{
    if (file->data) {
        explicit_bzero(file->data, file->len);
        free(file->data);
    }

    memset(file, 0, sizeof(at_file_t));
}


int
at_file_stamp_read(at_file_stamp_t *stamp, const char *path)
{
    struct stat  st;

    if (stat(path, &st) == -1) {
        return -1;
    }

    at_file_stamp_from_stat(stamp, &st);

    return 0;
}


int
at_file_stamp_equal(const at_file_stamp_t *a, const at_file_stamp_t *b)
{
    return a->dev == b->dev
           && a->ino == b->ino
           && a->size == b->size
           && a->mtime.tv_sec == b->mtime.tv_sec
           && a->mtime.tv_nsec == b->mtime.tv_nsec
           && a->ctime.tv_sec == b->ctime.tv_sec
           && a->ctime.tv_nsec == b->ctime.tv_nsec;
}


int
at_file_check_local(const char *path, at_error_t *err)
{
    uint32_t       type;
    struct statfs  fs;

    if (statfs(path, &fs) != 0) {
        return errno == ENOENT
               ? 0 : at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    type = (uint32_t) fs.f_type;

    if (type == AT_NFS_MAGIC || type == AT_SMB_MAGIC || type == AT_CIFS_MAGIC
        || type == AT_SMB2_MAGIC)
    {
        return at_error(err, "\"%s\" is on a network file system of type %s, "
                        "where the locks of LMDB do not work: use a local "
                        "file system", path,
                        type == AT_NFS_MAGIC ? "NFS" : "SMB");
    }

    return 0;
}
