/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * To be preloaded: LMDB maps $AT_MAP_SIZE bytes, so that a database is full
 * after a few records.
 */

#define _GNU_SOURCE             /* RTLD_NEXT */

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#include <lmdb.h>


static size_t  limit;


/* nginx clears the environment */
__attribute__((constructor)) static void
read_limit(void)
{
    const char  *text = getenv("AT_MAP_SIZE");

    limit = text != NULL ? strtoull(text, NULL, 10) : 0;
}


int
mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int  (*real)(MDB_env *, size_t);

    *(void **) &real = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");

    return real(env, limit != 0 && size != 0 ? limit : size);
}
