/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A bar on standard error, where that is a terminal, for what takes its time.
 */

#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>


typedef struct {
    int       shown;            /* whether there is a terminal */
    int64_t   total;            /* 0: not known */
    int64_t   next;             /* milliseconds: not drawn before */
} cli_progress_t;

void cli_progress_start(cli_progress_t *progress, int64_t total);

/* done of total, which are so many records */
void cli_progress_show(cli_progress_t *progress, int64_t done,
    uint64_t records);

/* removes the bar */
void cli_progress_end(const cli_progress_t *progress);


#endif
