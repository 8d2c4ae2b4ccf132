/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The lock of a state directory: PATH/lock, mode 0600, with the process id and
 * the host name of the server that uses the directory.  The lock is that of
 * flock(): it ends with the processes that have the descriptor.
 */

#ifndef AT_STATE_LOCK_H
#define AT_STATE_LOCK_H

#include <sys/types.h>

#include "core/base/at_error.h"


typedef enum {
    AT_STATE_LOCKED = 0,
    AT_STATE_IN_USE,            /* by another server, which err names */
    AT_STATE_LOCK_FAILED
} at_state_lock_e;

/*
 * Creates a missing file and locks it, without waiting; at_state_open() has
 * checked the directory.  Unless it fails, the caller closes *fd, which is
 * inherited by programs that the process executes.  Sets err unless it returns
 * AT_STATE_LOCKED.
 */
at_state_lock_e at_state_lock(int *fd, const char *path, at_error_t *err);

/* writes the process id and the name of this host to the file */
void at_state_lock_sign(int fd, pid_t pid);


#endif
