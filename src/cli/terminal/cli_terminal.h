/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A prompt on the terminal for a line that is not echoed.
 */

#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stddef.h>

#include "cli/terminal/cli.h"


/*
 * Prompts for a line and writes it to buf without its end, and its length to
 * *len; a length of size means that the line is too long.  Returns 0, or -1
 * with the status set.
 *
 * A signal that ends or stops the process takes effect after the terminal is
 * restored and buf is overwritten.  After a stop the prompt is repeated.
 */
int cli_terminal_prompt(cli_t *cli, const char *prompt, char *buf, size_t size,
    size_t *len);


#endif
