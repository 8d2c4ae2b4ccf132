/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _DEFAULT_SOURCE         /* explicit_bzero() */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/at_line.h"


at_str_t
at_line_next(at_str_t *text)
{
    at_str_t  line;

    line = at_str_cut(text, '\n');

    if (text->data != NULL && line.len && line.data[line.len - 1] == '\r') {
        line.len--;
    }

    return line;
}


int
at_lines_init(at_lines_t *lines, int fd, size_t size)
{
    memset(lines, 0, sizeof(at_lines_t));
    lines->fd = fd;
    lines->size = size;
    lines->buf = malloc(size);

    return lines->buf != NULL ? 0 : -1;
}


/* Returns the number of bytes read, 0 at the end, or -1 with errno set. */
static ssize_t
at_lines_fill(at_lines_t *lines)
{
    ssize_t  n;

    if (lines->start != 0) {
        memmove(lines->buf, lines->buf + lines->start,
                lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }

    if (lines->end == lines->size) {
        errno = EMSGSIZE;
        return -1;
    }

    do {
        n = read(lines->fd, lines->buf + lines->end, lines->size - lines->end);
    } while (n == -1 && errno == EINTR);

    if (n > 0) {
        lines->end += (size_t) n;
        lines->bytes += (size_t) n;
    }

    return n;
}


int
at_lines_next(at_lines_t *lines, at_str_t *line)
{
    char     *newline;
    size_t    searched;
    ssize_t   n;

    searched = 0;

    for ( ;; ) {
        line->data = lines->buf + lines->start;
        line->len = lines->end - lines->start;
        newline = line->len > searched
                  ? memchr(lines->buf + lines->start + searched, '\n',
                           line->len - searched)
                  : NULL;

        if (newline != NULL) {
            line->len = (size_t) (newline - line->data);
            lines->start += line->len + 1;
            lines->number++;
            return 1;
        }

        searched = line->len;
        n = at_lines_fill(lines);

        if (n == -1) {
            lines->number++;
            return -1;
        }

        if (n == 0) {
            line->data = lines->buf;
            lines->start = lines->end;
            lines->number += line->len != 0;
            return line->len != 0;
        }
    }
}


void
at_lines_free(at_lines_t *lines)
{
    if (lines->buf != NULL) {
        explicit_bzero(lines->buf, lines->size);
    }

    free(lines->buf);
    lines->buf = NULL;
}
