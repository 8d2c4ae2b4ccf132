/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * main() of the command auth-token
 */

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/at_crypto.h"
#include "core/base/at_version.h"
#include "cli/commands/cli_commands.h"
#include "cli/terminal/cli_options.h"


static int
cli_run(cli_t *cli, char **args)
{
    const char  *noun;

    switch (cli_parse(cli, args, &noun)) {

    case CLI_RUN:
        if (cli->command->run(cli) != 0) {
            return -1;
        }

        break;

    case CLI_HELP:
        cli_help_print(cli, noun);
        break;

    case CLI_MAN:
        cli_help_print_man(cli);
        break;

    case CLI_BASH:
        cli_help_print_bash(cli);
        break;

    case CLI_PRINT_VERSION:
        (void) puts("auth-token " AT_VERSION);
        break;

    default:
        return -1;
    }

    return cli_flush(cli);
}


/*
 * A file that is opened while one of the first three descriptors is closed
 * would receive the output.  Such a descriptor is opened for the wrong
 * direction, so that its use fails.
 */
static int
cli_stdio_reserve(void)
{
    int  fd;

    for (fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1
            && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
        {
            return -1;
        }
    }

    return 0;
}


/* JSON may hold a secret, and so may the output */
static void
cli_json_free(void *data)
{
    if (data != NULL) {
        at_crypto_cleanse(data, malloc_usable_size(data));
    }

    free(data);
}


int
main(int argc, char **argv)
{
    int     rc;
    size_t  i;
    cli_t   cli = { .commands = cli_commands, .status = CLI_FAILURE };

    static char  out[8192];

    if (cli_stdio_reserve() != 0) {
        return CLI_FAILURE;
    }

    /* a closed pipe and a full file are reported as write errors */
    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGXFSZ, SIG_IGN);

    json_set_alloc_funcs(malloc, cli_json_free);
    (void) setvbuf(stdout, out, _IOFBF, sizeof(out));

    cli.now = (int64_t) time(NULL);

    rc = cli_run(&cli, argc != 0 ? argv + 1 : argv);

    json_decref(cli.object);

    for (i = 0; i < CLI_OPTIONS_MAX; i++) {
        free(cli.values[i].items);
    }

    (void) fflush(stdout);
    at_crypto_cleanse(out, sizeof(out));

    return rc == 0 ? CLI_OK : cli.status;
}
