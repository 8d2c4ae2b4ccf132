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

#include "cli/terminal/cli_options.h"
#include "cli/record/cli_store.h"
#include "core/store/at_store_files.h"


/* without a name they stay as they are */
static int
cli_init_owner(cli_t *cli, const char *name, uid_t *uid)
{
    int64_t               number = 0;
    const struct passwd  *pw;

    if (name == NULL) {
        return 0;
    }

    pw = getpwnam(name);

    if (pw != NULL) {
        *uid = pw->pw_uid;
        return 0;
    }

    if (*name < '0' || *name > '9') {
        return cli_failure(cli, "no such user \"%s\"", name);
    }

    if (cli_number(cli, "owner", name, UINT32_MAX - 1, &number) != 0) {
        return -1;
    }

    *uid = (uid_t) number;

    return 0;
}


static int
cli_init_group(cli_t *cli, const char *name, gid_t *gid)
{
    int64_t              number = 0;
    const struct group  *gr;

    if (name == NULL) {
        return 0;
    }

    gr = getgrnam(name);

    if (gr != NULL) {
        *gid = gr->gr_gid;
        return 0;
    }

    if (*name < '0' || *name > '9') {
        return cli_failure(cli, "no such group \"%s\"", name);
    }

    if (cli_number(cli, "group", name, UINT32_MAX - 1, &number) != 0) {
        return -1;
    }

    *gid = (gid_t) number;

    return 0;
}


static int
cli_init_print(cli_t *cli, const char *path, const char *owner,
    const char *group, int is_default)
{
    if (cli->json) {
        return cli_print_json(cli, json_pack("{s:s, s:s, s:s}",
                              "path", path, "owner", owner, "group", group));
    }

    (void) printf("path   %s (mode 2750)\n"
                  "files  data.mdb (0640), lock.mdb (0660)\n"
                  "owner  %s\n"
                  "group  %s\n", path, owner, group);

    if (is_default) {
        (void) puts("\nWorker processes of nginx must be of this group; "
                    "--group names another.");
    }

    return 0;
}


static int
cli_init_report(cli_t *cli, const char *path, uid_t uid, gid_t gid,
    int is_default)
{
    char                  owner[32], group[32];
    const struct group   *gr;
    const struct passwd  *pw;

    pw = getpwuid(uid);
    gr = getgrgid(gid);

    (void) snprintf(owner, sizeof(owner), "%lu", (unsigned long) uid);
    (void) snprintf(group, sizeof(group), "%lu", (unsigned long) gid);

    return cli_init_print(cli, path, pw != NULL ? pw->pw_name : owner,
                          gr != NULL ? gr->gr_name : group, is_default);
}


static int
cli_init_run(cli_t *cli, const char *owner, const char *group)
{
    uid_t        uid;
    gid_t        gid;
    at_error_t   err;
    const char  *path;

    uid = geteuid();
    gid = getegid();
    path = cli_store_path(cli);

    if (path == NULL
        || cli_init_owner(cli, owner, &uid) != 0
        || cli_init_group(cli, group, &gid) != 0)
    {
        return -1;
    }

    if (at_store_init(path, uid, gid, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    cli->changed = 1;

    return cli_init_report(cli, path, uid, gid, group == NULL) == 0
           ? cli_flush(cli) : -1;
}


int
cli_init(cli_t *cli, int argc, char **argv)
{
    char  *owner, *group;

    const cli_option_t  table[] = {
        { "owner", CLI_TEXT, &owner },
        { "group", CLI_TEXT, &group },
        { NULL,    CLI_FLAG, NULL }
    };

    owner = NULL;
    group = NULL;

    return cli_options(cli, argc, argv, table, NULL) == 0
           ? cli_init_run(cli, owner, group) : -1;
}
