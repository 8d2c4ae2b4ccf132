/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/json/at_json.h"
#include "cli/record/cli_cipp.h"


static const struct {
    at_str_t     partition;
    const char  *noun;
} cli_cipp_tables[] = {
    { at_str("ApiClients"), "client" },
    { at_str("CustomRoles"), "role" }
};


const cli_kind_t *
cli_cipp_kind(json_t *row)
{
    size_t       i;
    at_str_t     partition;
    const char  *noun;

    if (at_json_member_string(row, "PartitionKey", &partition) != 1) {
        return NULL;
    }

    for (i = 0; i < sizeof(cli_cipp_tables) / sizeof(cli_cipp_tables[0]); i++) {
        noun = cli_cipp_tables[i].noun;

        if (at_str_equal(partition, cli_cipp_tables[i].partition)) {
            return cli_kind_find((at_str_t) { noun, strlen(noun) });
        }
    }

    return NULL;
}


/* the name of the table, a tag of the row, types and links of OData */
static int
cli_cipp_is_metadata(const char *name)
{
    return strcmp(name, "table") == 0
           || strcmp(name, "etag") == 0
           || strncmp(name, "odata.", 6) == 0
           || strstr(name, "@odata.") != NULL;
}


void
cli_cipp_strip_metadata(json_t *row)
{
    void        *next;
    json_t      *value;
    const char  *name;

    json_object_foreach_safe(row, next, name, value) {
        if (cli_cipp_is_metadata(name)) {
            (void) json_object_del(row, name);
        }
    }
}
