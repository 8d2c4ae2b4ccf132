/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * To be preloaded: a path that contains $AT_NETWORK_PATH is on a file system
 * of the type $AT_NETWORK_TYPE, a hexadecimal number as in statfs(2).
 */

#define _GNU_SOURCE             /* RTLD_NEXT, statfs64 */

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>


static char  *network_path, *network_type;


/* nginx clears the environment of its processes later */
__attribute__((constructor)) static void
network_fs_init(void)
{
    if (getenv("AT_NETWORK_PATH") && getenv("AT_NETWORK_TYPE")) {
        network_path = strdup(getenv("AT_NETWORK_PATH"));
        network_type = strdup(getenv("AT_NETWORK_TYPE"));
    }
}


int
statfs(const char *path, struct statfs *fs)
{
    int  rc, (*real)(const char *, struct statfs *);

    *(void **) &real = dlsym(RTLD_NEXT, "statfs");
    rc = real(path, fs);

    if (rc == 0 && network_path && strstr(path, network_path)) {
        fs->f_type = (__typeof__(fs->f_type)) strtoul(network_type, NULL, 16);
    }

    return rc;
}


int
statfs64(const char *path, struct statfs64 *fs)
{
    return statfs(path, (struct statfs *) fs);
}
