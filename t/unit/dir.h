/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A temporary directory of the test, which is removed when the test exits.
 */

#ifndef DIR_H
#define DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"


static char   dir_path[256];
static pid_t  dir_owner;


static void
dir_remove(void)
{
    char  command[300];

    if (getpid() == dir_owner) {
        (void) snprintf(command, sizeof(command), "rm -rf %s", dir_path);
        (void) !system(command);
    }
}


/* a path in the directory; the last four results are valid */
__attribute__((unused)) static const char *
in_dir(const char *name)
{
    static char      paths[4][512];
    static unsigned  n;
    const char      *tmp = getenv("TMPDIR");

    if (dir_owner == 0) {
        (void) snprintf(dir_path, sizeof(dir_path), "%s/at-unit-XXXXXX",
                        tmp ? tmp : "/tmp");
        must(mkdtemp(dir_path) != NULL, "no temporary directory");

        dir_owner = getpid();
        (void) chmod(dir_path, 0755);
        (void) atexit(dir_remove);
    }

    n = (n + 1) % 4;
    (void) snprintf(paths[n], sizeof(paths[n]), "%s/%s", dir_path, name);

    return paths[n];
}


/* removes a file or a directory in the directory */
__attribute__((unused)) static void
drop(const char *name)
{
    char  command[600];

    (void) snprintf(command, sizeof(command), "rm -rf %s", in_dir(name));
    (void) !system(command);
}


__attribute__((unused)) static int
mode_of(const char *path)
{
    struct stat  st;

    return stat(path, &st) == 0 ? (int) (st.st_mode & 07777) : -1;
}


#endif
