/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token init
 */

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "core/store/at_store_files.h"
#include "cli/commands/cli_commands.h"
#include "cli/record/cli_store.h"
#include "cli/terminal/cli_options.h"


/* parses the id of a user or group that has no entry of this name */
static int
cli_init_number(cli_t *cli, const char *option, const char *noun, unsigned *id)
{
    int64_t      number = 0;
    const char  *name;

    name = cli_text(cli, option);

    if (*name < '0' || *name > '9') {
        return cli_failure(cli, "no such %s \"%s\"", noun, name);
    }

    if (cli_number(cli, option, UINT32_MAX - 1, &number) != 0) {
        return -1;
    }

    *id = (unsigned) number;

    return 0;
}


static int
cli_init_user(cli_t *cli, uid_t *uid)
{
    const char           *name;
    const struct passwd  *pw;

    name = cli_text(cli, "owner");
    pw = name != NULL ? getpwnam(name) : NULL;

    if (pw != NULL) {
        *uid = pw->pw_uid;
        return 0;
    }

    return name == NULL ? 0 : cli_init_number(cli, "owner", "user", uid);
}


static int
cli_init_group(cli_t *cli, gid_t *gid)
{
    const char          *name;
    const struct group  *gr;

    name = cli_text(cli, "group");
    gr = name != NULL ? getgrnam(name) : NULL;

    if (gr != NULL) {
        *gid = gr->gr_gid;
        return 0;
    }

    return name == NULL ? 0 : cli_init_number(cli, "group", "group", gid);
}


int
cli_init(cli_t *cli)
{
    uid_t                 uid;
    gid_t                 gid;
    at_error_t            err;
    char                  uid_text[16], gid_text[16];
    const char           *path;
    const struct group   *gr;
    const struct passwd  *pw;

    path = cli_store_path(cli);
    uid = geteuid();
    gid = getegid();

    if (path == NULL || cli_init_user(cli, &uid) != 0
        || cli_init_group(cli, &gid) != 0)
    {
        return -1;
    }

    if (at_store_init(path, uid, gid, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    cli->changed = 1;

    pw = getpwuid(uid);
    gr = getgrgid(gid);
    (void) snprintf(uid_text, sizeof(uid_text), "%u", (unsigned) uid);
    (void) snprintf(gid_text, sizeof(gid_text), "%u", (unsigned) gid);

    if (cli_print_report(cli, json_pack("{s:s, s:s, s:s}",
                         "path", path,
                         "owner", pw != NULL ? pw->pw_name : uid_text,
                         "group", gr != NULL ? gr->gr_name : gid_text)) != 0)
    {
        return -1;
    }

    if (cli_text(cli, "group") == NULL && !cli->json) {
        (void) puts("\nnginx's worker processes must belong to this group; "
                    "--group sets another one.");
    }

    return 0;
}
