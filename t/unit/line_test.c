/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of texts and of descriptors.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/at_line.h"
#include "tap.h"


static void
test_text(void)
{
    at_str_t  text = at_str("one\n\ntwo\r\nthree");

    is_bytes(at_line_next(&text), at_str("one"), "a line ends before \\n");
    is_bytes(at_line_next(&text), at_str(""), "an empty line is returned");
    is_bytes(at_line_next(&text), at_str("two"), "a line ends before \\r\\n");
    is_bytes(at_line_next(&text), at_str("three"),
             "the last line may lack \\n");
    is_int(text.len, 0, "nothing is left after the last line");
    is_bytes(at_line_next(&text), at_str(""),
             "an empty text has an empty line");
}


/* the reading end of a pipe that holds the text */
static int
pipe_with(at_str_t text)
{
    int  fd[2];

    if (pipe(fd) != 0
        || write(fd[1], text.data, text.len) != (ssize_t) text.len
        || close(fd[1]) != 0)
    {
        puts("Bail out! cannot make a pipe");
        exit(1);
    }

    return fd[0];
}


static void
test_descriptor(void)
{
    at_str_t    line;
    at_lines_t  lines;
    int         fd = pipe_with(at_str("abcdefg\nh\n\nij\nklm"));

    is_int(at_lines_init(&lines, fd, 8), 0, "a reader is made");

    is_int(at_lines_next(&lines, &line), 1, "a line may fill the buffer");
    is_bytes(line, at_str("abcdefg"), "the first line");
    is_int(at_lines_next(&lines, &line), 1, "a line may span two reads");
    is_bytes(line, at_str("h"), "the second line");
    is_int(at_lines_next(&lines, &line), 1, "a line may be empty");
    is_bytes(line, at_str(""), "the third line");
    is_int(at_lines_next(&lines, &line), 1, "the fourth line");
    is_int(at_lines_next(&lines, &line), 1, "the last line may lack \\n");
    is_bytes(line, at_str("klm"), "the fifth line");
    is_int(lines.number, 5, "lines are counted from 1");
    is_int(lines.bytes, 17, "bytes are counted");
    is_int(at_lines_next(&lines, &line), 0, "the input has ended");
    at_lines_free(&lines);
    (void) close(fd);

    fd = pipe_with(at_str("a\nbcdefghi\n"));
    is_int(at_lines_init(&lines, fd, 8), 0, "another reader is made");
    is_int(at_lines_next(&lines, &line), 1, "a short line is returned");
    is_int(at_lines_next(&lines, &line), -1, "a longer line is an error");
    is_int(errno, EMSGSIZE, "the error is EMSGSIZE");
    is_int(lines.number, 2, "the number is that of the line");
    at_lines_free(&lines);
    (void) close(fd);

    is_int(at_lines_init(&lines, -1, 8), 0, "a reader of a closed file");
    is_int(at_lines_next(&lines, &line), -1, "a failed read is an error");
    is_int(errno, EBADF, "the error is that of read()");
    at_lines_free(&lines);
}


int
main(void)
{
    test_text();
    test_descriptor();

    return tap_done();
}
