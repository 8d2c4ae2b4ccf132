/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files, read whole.
 */

#ifndef AT_FILE_H
#define AT_FILE_H

#include <sys/stat.h>
#include <time.h>

#include "core/base/at_error.h"
#include "core/base/at_str.h"


/* which state of a file it is: equal stamps, equal content, once it has settled */
typedef struct {
    dev_t            dev;
    ino_t            ino;
    off_t            size;
    struct timespec  mtime;
    struct timespec  ctime;
} at_file_stamp_t;

typedef struct {
    char             *data;     /* malloc()ed, terminated beyond len */
    size_t            len;
    mode_t            mode;
    at_file_stamp_t   stamp;    /* before the first byte was read */
} at_file_t;


/*
 * Reads a regular file of at most max bytes; never waits for a FIFO or a
 * terminal.  Returns 0 and the caller frees it with at_file_free(), or -1 with
 * err set, which names the path.
 */
int at_file_read(at_file_t *file, const char *path, size_t max,
    at_error_t *err);

/* overwrites the content before it frees it: it may have been a private key */
void at_file_free(at_file_t *file);

/* Returns 0, or -1 with errno set. */
int at_file_stamp_read(at_file_stamp_t *stamp, const char *path);

int at_file_stamp_equal(const at_file_stamp_t *a, const at_file_stamp_t *b);


#endif
