/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef AT_ALIGN_H
#define AT_ALIGN_H

#include <stddef.h>
#include <stdint.h>


/* the first address from p on that is a multiple of to */
static inline void *
at_align(void *p, size_t to)
{
    return (char *) p + (to - (uintptr_t) p % to) % to;
}


#endif
