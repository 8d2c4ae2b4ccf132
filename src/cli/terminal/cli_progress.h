/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A progress bar on standard error, shown only on a terminal.
 */

#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>


typedef struct {
    int       shown;            /* standard error is a terminal */
    int64_t   total;            /* 0 if unknown */
    int64_t   next;             /* monotonic time of the next update, in ms */
} cli_progress_t;

void cli_progress_start(cli_progress_t *progress, int64_t total);

/* done has the unit of total, bytes or records; records is shown as it is */
void cli_progress_show(cli_progress_t *progress, int64_t done,
    uint64_t records);

/* removes the bar */
void cli_progress_end(const cli_progress_t *progress);


#endif
