/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The report of "auth-token explain".
 */

#ifndef CLI_EXPLANATION_H
#define CLI_EXPLANATION_H

#include "cli/terminal/cli.h"


/*
 * Prints the report and takes the reference.  Returns 0 if the request is
 * granted; else -1 with the status CLI_REFUSED, or CLI_FAILURE if nginx could
 * not decide.
 */
int cli_explanation_print(cli_t *cli, json_t *report);


#endif
