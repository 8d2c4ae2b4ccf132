/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token export
 */

#define _GNU_SOURCE             /* asprintf(), mkostemp() */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/cli_commands.h"
#include "cli/record/cli_jsonl.h"
#include "cli/record/cli_store.h"
#include "cli/terminal/cli_options.h"


static int
cli_export_count(void *data, at_str_t key, at_str_t value)
{
    int64_t  *n = data;

    (void) key;
    (void) value;

    (*n)++;

    return 0;
}


static int
cli_export_record(cli_t *cli, cli_record_t *rec, void *data)
{
    FILE  *out = data;

    if (cli_jsonl_write_record(out, rec) != 0) {
        return cli_no_memory(cli);
    }

    if (!ferror(out)) {
        return 0;
    }

    return out == stdout ? cli_flush(cli)
                         : cli_failure(cli, "cannot write the export: %m");
}


static int
cli_export_run(cli_t *cli, at_store_t *store, void *data)
{
    size_t   i;
    int64_t  n;

    n = 0;

    for (i = 0; i < CLI_KINDS; i++) {
        if (at_store_foreach(store, cli_kinds[i].names, cli_export_count, &n)
            != 0)
        {
            return cli_store_fail(cli, store);
        }
    }

    if (cli_jsonl_write_header(data, n) != 0) {
        return cli_no_memory(cli);
    }

    for (i = 0; i < CLI_KINDS; i++) {
        if (cli_store_each(cli, store, &cli_kinds[i], cli_export_record, data)
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* writes the file temp, which is open as fd and then becomes path */
static int
cli_export_to_fd(cli_t *cli, int fd, const char *temp, const char *path)
{
    int    rc;
    FILE  *out;

    out = fdopen(fd, "w");

    if (out == NULL) {
        (void) close(fd);
        return cli_no_memory(cli);
    }

    rc = cli_store_run(cli, AT_STORE_READ, cli_export_run, out);

    if (rc == 0 && (fflush(out) != 0 || fsync(fd) != 0
                    || rename(temp, path) != 0))
    {
        rc = cli_failure(cli, "cannot write \"%s\": %m", path);
    }

    (void) fclose(out);

    return rc;
}


/* writes a temporary file, so that a failure keeps the existing one */
static int
cli_export_to_file(cli_t *cli, const char *path)
{
    int          fd, rc;
    char        *temp;
    struct stat  st;

    if (*path == '\0') {
        return cli_invalid(cli, "out", "use the path of a file");
    }

    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return cli_failure(cli, "\"%s\" is not a regular file", path);
    }

    if (asprintf(&temp, "%s.XXXXXX", path) == -1) {
        return cli_no_memory(cli);
    }

    /* the mode is 0600 */
    fd = mkostemp(temp, O_CLOEXEC);

    if (fd == -1) {
        rc = cli_failure(cli, "cannot create \"%s\": %m", path);

    } else {
        rc = cli_export_to_fd(cli, fd, temp, path);

        if (rc != 0) {
            (void) unlink(temp);
        }
    }

    free(temp);

    return rc;
}


int
cli_export(cli_t *cli)
{
    const char  *out;

    out = cli_text(cli, "out");

    return out != NULL && strcmp(out, "-") != 0
           ? cli_export_to_file(cli, out)
           : cli_store_run(cli, AT_STORE_READ, cli_export_run, stdout);
}
