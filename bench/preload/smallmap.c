/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Preloaded when instructions are counted: the store maps 64 GiB of address space,
 * which is more than valgrind has.  This maps only the size of the file.
 */

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include <lmdb.h>


#define SMALLMAP_SIZE  ((size_t) 4 << 30)


int
mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int    (*set)(MDB_env *, size_t);
    void   *symbol;

    symbol = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
    (void) memcpy(&set, &symbol, sizeof(set));

    return set(env, size > SMALLMAP_SIZE ? SMALLMAP_SIZE : size);
}
