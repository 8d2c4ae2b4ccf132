/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files, read as a whole.
 */

#ifndef AT_FILE_H
#define AT_FILE_H

#include <sys/stat.h>
#include <time.h>

#include "core/base/at_error.h"
#include "core/base/at_str.h"


/*
 * Version of a file: equal stamps mean equal content, unless it was written
 * within the resolution of its times.
 */
typedef struct {
    dev_t            dev;
    ino_t            ino;
    off_t            size;
    struct timespec  mtime;
    struct timespec  ctime;
} at_file_stamp_t;

typedef struct {
    char             *data;     /* terminated after len bytes */
    size_t            len;
    mode_t            mode;
    at_file_stamp_t   stamp;    /* taken before the content was read */
} at_file_t;


/*
 * Reads a regular file of at most max bytes; a FIFO or a terminal is an error
 * and does not block.  Returns 0 and the caller calls at_file_free(), or -1
 * with err set, which names the path.
 */
int at_file_read(at_file_t *file, const char *path, size_t max,
    at_error_t *err);

/* cleanses the content, which may be a private key */
void at_file_free(at_file_t *file);

/* 0, or -1 with errno set */
int at_file_stamp_read(at_file_stamp_t *stamp, const char *path);

int at_file_stamp_equal(const at_file_stamp_t *a, const at_file_stamp_t *b);

/*
 * Returns -1 with err set if path is on a network file system.  Only NFS and
 * SMB are recognized.  Returns 0 if it does not exist.
 */
int at_file_check_local(const char *path, at_error_t *err);


#endif
