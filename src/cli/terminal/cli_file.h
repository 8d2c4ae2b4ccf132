/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input files of a command.  The path "-" is standard input, which can be read
 * once.  A path that looks like a token or a key is refused and not shown.
 */

#ifndef CLI_FILE_H
#define CLI_FILE_H

#include "core/base/at_file.h"
#include "cli/terminal/cli.h"


/* size limits in bytes */
#define CLI_KEY_FILE_MAX    (1024 * 1024)
#define CLI_TOKEN_FILE_MAX  (128 * 1024)


/*
 * Reads a regular file or standard input, of at most max bytes.  Returns 0,
 * and the caller frees it with at_file_free(); or -1 with the status set.
 */
int cli_file_read(cli_t *cli, at_file_t *file, const char *path, size_t max);

/* a view of the content without its last line end */
at_str_t cli_file_line(const at_file_t *file);

/*
 * Opens a file of any kind and size.  Returns the descriptor, which the caller
 * closes; or -1 with the status set.
 */
int cli_file_open(cli_t *cli, const char *path);

/* whether an argument looks like a token, a key or JSON */
int cli_arg_is_secret(const char *arg);


#endif
