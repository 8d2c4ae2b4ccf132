/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/terminal/cli_progress.h"


#define CLI_PROGRESS_WIDTH     30
#define CLI_PROGRESS_INTERVAL  100  /* milliseconds */


static int64_t
cli_progress_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


void
cli_progress_start(cli_progress_t *progress, int64_t total)
{
    progress->shown = isatty(STDERR_FILENO);
    progress->total = total;
    progress->next = progress->shown
                     ? cli_progress_clock() + CLI_PROGRESS_INTERVAL : 0;
}


void
cli_progress_show(cli_progress_t *progress, int64_t done, uint64_t records)
{
    int      filled;
    char     bar[CLI_PROGRESS_WIDTH + 1];
    int64_t  now;

    if (!progress->shown) {
        return;
    }

    now = cli_progress_clock();

    if (now < progress->next) {
        return;
    }

    progress->next = now + CLI_PROGRESS_INTERVAL;

    if (progress->total == 0) {
        (void) fprintf(stderr, "\r%llu records", (unsigned long long) records);
        return;
    }

    if (done > progress->total) {
        done = progress->total;
    }

    filled = (int) (done * CLI_PROGRESS_WIDTH / progress->total);

    memset(bar, ' ', CLI_PROGRESS_WIDTH);
    memset(bar, '#', (size_t) filled);
    bar[CLI_PROGRESS_WIDTH] = '\0';

    (void) fprintf(stderr, "\r[%s] %3d%%  %llu records", bar,
                   (int) (done * 100 / progress->total),
                   (unsigned long long) records);
}


void
cli_progress_end(const cli_progress_t *progress)
{
    if (progress->shown) {
        (void) fputs("\r\033[K", stderr);
    }
}
