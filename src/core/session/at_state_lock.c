/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/session/at_state_lock.h"


#define AT_STATE_OWNER_SIZE  300    /* "PID HOST\n" */


static void
at_state_fail_in_use(int fd, const char *path, at_error_t *err)
{
    int      n;
    long     pid;
    char     text[AT_STATE_OWNER_SIZE], host[AT_STATE_OWNER_SIZE], *p;
    ssize_t  len;

    len = pread(fd, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';

    n = sscanf(text, "%ld %299s", &pid, host);

    for (p = host; n == 2 && *p != '\0'; p++) {
        n = isgraph((unsigned char) *p) ? 2 : 0;
    }

    if (n == 2) {
        (void) at_error(err, "\"%s\" is in use by another server, process %ld "
                        "on host \"%s\": use a directory for each server",
                        path, pid, host);

    } else {
        (void) at_error(err, "\"%s\" is in use by another server: use a "
                        "directory for each server", path);
    }
}


at_state_lock_e
at_state_lock(int *fd, const char *path, at_error_t *err)
{
    int   rc;
    char  file[PATH_MAX];

    if (snprintf(file, PATH_MAX, "%s/lock", path) >= PATH_MAX) {
        (void) at_error(err, "the path is too long");
        return AT_STATE_LOCK_FAILED;
    }

    *fd = open(file, O_RDWR|O_CREAT|O_NOFOLLOW|O_NONBLOCK|O_NOCTTY, 0600);

    if (*fd == -1) {
        (void) at_error(err, "cannot open \"%s\": %m", file);
        return AT_STATE_LOCK_FAILED;
    }

    do {
        rc = flock(*fd, LOCK_EX|LOCK_NB);
    } while (rc == -1 && errno == EINTR);

    if (rc == 0) {
        at_state_lock_sign(*fd, getpid());
        return AT_STATE_LOCKED;
    }

    if (errno == EWOULDBLOCK) {
        at_state_fail_in_use(*fd, path, err);
        return AT_STATE_IN_USE;
    }

    (void) at_error(err, "cannot lock \"%s\": %m", file);
    (void) close(*fd);

    return AT_STATE_LOCK_FAILED;
}


void
at_state_lock_sign(int fd, pid_t pid)
{
    int             len;
    char            text[AT_STATE_OWNER_SIZE];
    struct utsname  host;

    (void) uname(&host);
    len = snprintf(text, sizeof(text), "%ld %s\n", (long) pid, host.nodename);

    /* only for the error message of another server: ignore a full disk */
    if (ftruncate(fd, 0) == 0) {
        (void) !pwrite(fd, text, (size_t) len, 0);
    }
}
