/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/json/at_document.h"
#include "cli/record/cli_jsonl.h"
#include "cli/record/cli_type.h"


#define CLI_JSONL_FORMAT   "auth-token"
#define CLI_JSONL_VERSION  1


/* NULL with err set; the text of a line may hold a secret and is not shown */
static json_t *
cli_jsonl_parse(at_str_t line, at_error_t *err)
{
    json_t  *object;

    object = at_document_parse(line, CLI_JSONL_LINE_MAX);

    if (!json_is_object(object)) {
        json_decref(object);
        object = NULL;
        (void) at_error(err, "not a JSON object in UTF-8 without duplicate "
                        "members");
    }

    return object;
}


int
cli_jsonl_parse_header(at_str_t line, int64_t *records, at_error_t *err)
{
    int      rc;
    json_t  *object, *format, *version, *number;

    object = cli_jsonl_parse(line, err);

    if (object == NULL) {
        return -1;
    }

    format = json_object_get(object, "format");
    version = json_object_get(object, "version");
    number = json_object_get(object, "records");
    *records = number != NULL ? json_integer_value(number) : -1;

    if (!json_is_string(format)
        || strcmp(json_string_value(format), CLI_JSONL_FORMAT) != 0)
    {
        rc = at_error(err, "\"format\" is not \"" CLI_JSONL_FORMAT "\"");

    } else if (!json_is_integer(version)
               || json_integer_value(version) != CLI_JSONL_VERSION)
    {
        rc = at_error(err, "\"version\" is not %d", CLI_JSONL_VERSION);

    } else if (number != NULL && (!json_is_integer(number) || *records < 0)) {
        rc = at_error(err, "\"records\" is not a number of records");

    } else if (json_object_size(object) != (number != NULL ? 3 : 2)) {
        rc = at_error(err, "the header has a member other than \"format\", "
                      "\"version\" and \"records\"");

    } else {
        rc = 0;
    }

    json_decref(object);

    return rc;
}


int
cli_jsonl_parse_record(at_str_t line, cli_record_t *rec, json_t **object,
    at_error_t *err)
{
    json_t            *type;
    const cli_kind_t  *kind;

    *object = cli_jsonl_parse(line, err);

    if (*object == NULL) {
        return -1;
    }

    type = json_object_get(*object, "type");

    if (!json_is_string(type)) {
        return at_error(err, "\"type\" is missing or not a string");
    }

    kind = cli_kind_find(cli_json_str(type));

    if (kind == NULL) {
        return at_error(err, "invalid value \"%.64s\" in \"type\": use role, "
                        "user, client or token", json_string_value(type));
    }

    (void) json_object_del(*object, "type");

    return cli_record_parse(rec, kind, kind->fields, *object, err);
}


/* takes the reference */
static int
cli_jsonl_write(FILE *out, json_t *object)
{
    char  *text;

    text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);

    if (text == NULL) {
        return -1;
    }

    (void) fprintf(out, "%s\n", text);
    free(text);

    return 0;
}


int
cli_jsonl_write_header(FILE *out, int64_t records)
{
    return cli_jsonl_write(out, json_pack("{s:s, s:i, s:I}",
                           "format", CLI_JSONL_FORMAT,
                           "version", CLI_JSONL_VERSION,
                           "records", (json_int_t) records));
}


int
cli_jsonl_write_record(FILE *out, const cli_record_t *rec)
{
    json_t  *object, *first;

    object = cli_record_json(rec, 1);
    first = json_pack("{s:s}", "type", rec->kind->noun);

    if (object == NULL || json_object_update(first, object) != 0) {
        json_decref(first);
        first = NULL;
    }

    json_decref(object);

    return cli_jsonl_write(out, first);
}
