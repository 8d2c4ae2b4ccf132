/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Rows of CIPP's tables, as CIPP's own backup has them, or az storage entity
 * query.
 */

#ifndef CLI_CIPP_H
#define CLI_CIPP_H

#include "cli/record/cli_record.h"


/* by its PartitionKey; NULL for a row of a table that means nothing here */
const cli_kind_t *cli_cipp_kind(json_t *row);

/* Takes out what storage and backup have added to the row. */
void cli_cipp_strip_metadata(json_t *row);


#endif
