/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A line of an import, as a header, a record and a row of CIPP.  An accepted
 * record survives the way into the store, into an export and back unchanged.
 */

#include <jansson.h>

#include "cli/record/cli_cipp.c"
#include "cli/record/cli_jsonl.c"
#include "cli/record/cli_record.c"
#include "cli/record/cli_type.c"
#include "cli/terminal/cli.c"
#include "fuzz.h"


static at_str_t
fuzz_bytes(cli_record_t *rec)
{
    if (*cli_record_created(rec) == -1) {
        *cli_record_created(rec) = 0;
    }

    fuzz_assert(cli_record_encode(rec) == 0);

    return fuzz_copy(rec->bytes.data, rec->bytes.len);
}


static void
fuzz_round_trip(cli_record_t *rec)
{
    char          *line;
    FILE          *out;
    size_t         len;
    json_t        *object;
    at_str_t       bytes, again;
    at_error_t     err;
    cli_record_t   stored, parsed;

    memset(&stored, 0, sizeof(stored));
    memset(&parsed, 0, sizeof(parsed));
    bytes = fuzz_bytes(rec);

    fuzz_assert(cli_record_decode(&stored, rec->kind, cli_record_key(rec),
                                  bytes) == 0);

    out = open_memstream(&line, &len);
    fuzz_assert(out != NULL && cli_jsonl_write_record(out, &stored) == 0);
    fuzz_assert(fclose(out) == 0 && line[len - 1] == '\n');
    fuzz_assert(memchr(line, '\n', len) == line + len - 1);

    fuzz_assert(cli_jsonl_parse_record((at_str_t) { line, len }, &parsed,
                                       &object, &err) == 0);
    again = fuzz_bytes(&parsed);
    fuzz_assert(at_str_equal(bytes, again));
    fuzz_assert(at_str_equal(cli_record_key(rec), cli_record_key(&parsed)));

    json_decref(object);
    free(line);
    cli_record_free(&stored);
    cli_record_free(&parsed);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t        *object, *warnings;
    int64_t        records;
    at_str_t       line = fuzz_copy(data, size);
    at_error_t     err;
    cli_record_t   rec = { 0 };

    if (cli_jsonl_parse_header(line, &records, &err) == 0) {
        fuzz_assert(records >= -1);
    }

    if (cli_jsonl_parse_record(line, &rec, &object, &err) == 0) {
        fuzz_round_trip(&rec);
    }

    json_decref(object);

    object = fuzz_json(line);
    warnings = json_object();

    if (json_is_object(object)
        && cli_cipp_parse(&rec, object, warnings, &err) == 1)
    {
        fuzz_round_trip(&rec);
    }

    json_decref(warnings);
    json_decref(object);
    cli_record_free(&rec);

    return fuzz_end();
}
