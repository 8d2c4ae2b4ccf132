/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The commands.
 */

#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/terminal/cli_command.h"


/* ends with a NULL noun */
extern const cli_command_t  cli_commands[];

int cli_check(cli_t *cli);
int cli_export(cli_t *cli);
int cli_import(cli_t *cli);
int cli_init(cli_t *cli);
int cli_explain(cli_t *cli);

int cli_key_generate(cli_t *cli);
int cli_jwt_sign(cli_t *cli);
int cli_jwt_verify(cli_t *cli);

int cli_token_create(cli_t *cli);
int cli_client_create(cli_t *cli);
int cli_client_rotate_secret(cli_t *cli);
int cli_user_create(cli_t *cli);
int cli_user_passwd(cli_t *cli);
int cli_user_disable(cli_t *cli);
int cli_user_delete(cli_t *cli);
int cli_role_set(cli_t *cli);

/* for the kind of record that the noun names */
int cli_generic_list(cli_t *cli);
int cli_generic_show(cli_t *cli);
int cli_generic_update(cli_t *cli);
int cli_generic_enable(cli_t *cli);     /* or disable, by the verb */
int cli_generic_delete(cli_t *cli);


#endif
