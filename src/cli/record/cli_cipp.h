/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Rows of the Azure tables of CIPP (CyberDrain Improved Partner Portal), as in
 * CIPP's own backup or from "az storage entity query".  ApiClients becomes
 * clients, CustomRoles becomes roles; rows of other tables are skipped.
 */

#ifndef CLI_CIPP_H
#define CLI_CIPP_H

#include "cli/record/cli_record.h"


/*
 * Parses a row, from which other columns are removed; columns that CIPP has
 * split are joined.  Returns 1; 0 for a row of another table or with an empty
 * RowKey; -1 with err set.
 *
 * Defaults are those of CIPP: a client without a role has "cipp-api", and only
 * a client marked as enabled is enabled.
 *
 * rec->bad_ranges has the entries of IPRange that are not address ranges: the
 * record must not be used if there are any.
 *
 * warnings is an object: a member, whose name is the text, is added for an
 * unknown column, for an empty RowKey, and for a role that CIPP limits to some
 * tenants, which the module does not enforce.
 */
int cli_cipp_parse(cli_record_t *rec, json_t *row, json_t *warnings,
    at_error_t *err);


#endif
