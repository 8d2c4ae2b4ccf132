/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of a text in memory, and of a descriptor.
 */

#ifndef AT_LINE_H
#define AT_LINE_H

#include "core/base/at_str.h"


/* Removes the first line from text.  Returns it without "\n" or "\r\n". */
at_str_t at_line_next(at_str_t *text);


/* a reader that reads ahead at most one buffer */
typedef struct {
    int                  fd;        /* the caller's: not closed */
    char                *buf;
    size_t               size;      /* the longest line, with its end */
    size_t               start;     /* of the bytes not yet returned */
    size_t               end;
    unsigned long long   number;    /* of the line returned last, from 1 */
    unsigned long long   bytes;     /* read so far */
} at_lines_t;

/* Returns 0, or -1 if memory allocation failed. */
int at_lines_init(at_lines_t *lines, int fd, size_t size);

/*
 * The next line, without its "\n"; the last one may lack it.  The view is
 * valid until the next call.  Returns 1; 0 at the end of the input; -1 with
 * errno set, which is EMSGSIZE for a line that does not fit into the buffer.
 */
int at_lines_next(at_lines_t *lines, at_str_t *line);

/* overwrites the buffer before freeing it: a line may hold a secret */
void at_lines_free(at_lines_t *lines);


#endif
