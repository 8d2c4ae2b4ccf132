/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: key-file, store-files, store-removed.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_file.h"
#include "dir.h"
#include "tap.h"


static void
write_file(const char *path, const char *data, size_t len)
{
    FILE  *f = fopen(path, "w");

    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0) {
        bail("cannot write a file");
    }
}


static void
test_read(void)
{
    at_file_t    file;
    at_error_t   err;
    const char  *path = in_dir("a");

    write_file(path, "ab\0cd", 5);

    is_int(at_file_read(&file, path, 5, &err), 0,
           "a file of the maximal size is read");
    is_bytes((at_str_t) { file.data, file.len }, at_str("ab\0cd"),
             "the content is read");
    is_int(file.data[5], 0, "the content is terminated");
    at_file_free(&file);
    ok(file.data == NULL && file.len == 0, "free clears the structure");
    at_file_free(&file);

    is_int(at_file_read(&file, path, 4, &err), -1,
           "a file above the maximal size is rejected");
    ok(strstr(err.text, path) != NULL, "the error names the file");
    ok(file.data == NULL, "a failed read leaves nothing to free");

    write_file(path, "", 0);
    is_int(at_file_read(&file, path, 0, &err), 0, "an empty file is read");
    is_int(file.len, 0, "its length is 0");
    ok(file.data != NULL && file.data[0] == '\0', "it is terminated");
    at_file_free(&file);
}


static void
test_not_a_file(void)
{
    at_file_t    file;
    at_error_t   err;
    const char  *path;

    is_int(at_file_read(&file, in_dir("none"), 100, &err), -1, "missing");
    ok(strstr(err.text, "No such file") != NULL,
       "the error says that the file is missing");

    is_int(at_file_read(&file, dir_path, 100, &err), -1, "a directory");
    ok(strstr(err.text, dir_path) != NULL, "the error names the directory");

    path = in_dir("fifo");
    is_int(mkfifo(path, 0600), 0, "a FIFO is created");
    (void) alarm(10);
    is_int(at_file_read(&file, path, 100, &err), -1,
           "a FIFO is rejected without blocking");
    is_int(at_file_read(&file, "/dev/zero", 100, &err), -1, "/dev/zero");
    is_int(at_file_read(&file, "/dev/tty", 100, &err), -1, "a terminal");
    (void) alarm(0);
    (void) unlink(path);

    is_int(at_file_read(&file, "", 100, &err), -1, "an empty path");

    path = in_dir("b");
    write_file(path, "x", 1);
    (void) chmod(path, 0);

    if (geteuid() == 0) {
        skip("root may read all files");
    } else {
        is_int(at_file_read(&file, path, 100, &err), -1, "unreadable");
    }

    (void) unlink(path);
}


static void
test_link(void)
{
    char        target[256];
    at_file_t   file;
    at_error_t  err;

    (void) snprintf(target, sizeof(target), "%s", in_dir("a"));
    write_file(target, "ab", 2);
    is_int(symlink(target, in_dir("link")), 0, "a symbolic link is created");

    is_int(at_file_read(&file, in_dir("link"), 100, &err), 0,
           "a symbolic link");
    is_int(file.len, 2, "the content of its target is read");
    at_file_free(&file);
    (void) unlink(in_dir("link"));

    is_int(symlink("loop", in_dir("loop")), 0, "a loop of links is created");
    is_int(at_file_read(&file, in_dir("loop"), 100, &err), -1,
           "a link to itself");
    (void) unlink(in_dir("loop"));
}


/* the size that a file says is not the size that it has: refused, not cut */
static void
test_lies(void)
{
    at_file_t        file;
    at_error_t       err;
    at_file_stamp_t  stamp;

    if (at_file_stamp_read(&stamp, "/proc/self/status") != 0) {
        skip("no /proc");
        return;
    }

    is_int(at_file_read(&file, "/proc/self/status", 100000, &err), -1,
           "a file longer than its size is rejected");
    ok(file.data == NULL, "nothing is left to free");
}


static void
test_stamp(void)
{
    char             path[256];
    at_file_t        file;
    at_error_t       err;
    at_file_stamp_t  before, after;

    (void) snprintf(path, sizeof(path), "%s", in_dir("a"));
    write_file(path, "ab", 2);

    is_int(at_file_stamp_read(&before, path), 0, "stamp");
    is_int(at_file_stamp_read(&after, path), 0, "and again");
    ok(at_file_stamp_equal(&before, &after),
       "an unchanged file has the same stamp");

    is_int(at_file_read(&file, path, 100, &err), 0, "read");
    ok(at_file_stamp_equal(&before, &file.stamp),
       "the stamp is that of the content");
    at_file_free(&file);

    write_file(path, "abc", 3);
    (void) at_file_stamp_read(&after, path);
    ok(!at_file_stamp_equal(&before, &after),
       "another size changes the stamp");

    write_file(in_dir("c"), "ab", 2);
    (void) rename(in_dir("c"), path);
    (void) at_file_stamp_read(&after, path);
    ok(!at_file_stamp_equal(&before, &after),
       "a rename over the file changes the stamp");

    (void) at_file_stamp_read(&before, path);
    (void) usleep(20000);
    write_file(path, "cd", 2);
    (void) at_file_stamp_read(&after, path);
    ok(!at_file_stamp_equal(&before, &after),
       "a write of the same size changes the stamp");

    (void) unlink(path);
    is_int(at_file_stamp_read(&after, path), -1, "removed");
}


int
main(void)
{
    RUN(test_read, test_not_a_file, test_link, test_lies, test_stamp);

    return tap_done();
}
