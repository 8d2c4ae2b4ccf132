/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The terminal, where standard input is one: a line that nobody sees.
 */

#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stddef.h>

#include "cli/terminal/cli.h"


int cli_terminal_is_stdin(void);

/*
 * Asks for a line, which is not shown, and writes at most size bytes of it to
 * buf, without its end, and their number to *len: size is what is too long.
 * Returns 0, or -1 with the status set.
 *
 * A signal that ends or stops the process finds the terminal as it was, and buf
 * overwritten; after a stop the line is asked for again.
 */
int cli_terminal_prompt(cli_t *cli, const char *prompt, char *buf, size_t size,
    size_t *len);


#endif
