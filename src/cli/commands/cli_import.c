/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token import: the file is read and checked as a whole, then written in
 * one transaction.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_line.h"
#include "core/json/at_document.h"
#include "cli/commands/cli_commands.h"
#include "cli/record/cli_cipp.h"
#include "cli/record/cli_import_set.h"
#include "cli/record/cli_jsonl.h"
#include "cli/record/cli_store.h"
#include "cli/record/cli_type.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_options.h"
#include "cli/terminal/cli_progress.h"


#define CLI_CIPP_FILE_MAX  (64 * 1024 * 1024)


typedef struct {
    cli_t               *cli;
    const char          *path;
    int                  replace;
    int                  cipp;
    const cli_list_t    *issuers;           /* of the clients of CIPP */

    cli_import_set_t     set;
    uint64_t             ignored;           /* rows of other CIPP tables */
    json_t              *warnings;          /* see cli_cipp.h */
    uint64_t             unrestricted[CLI_KINDS];
    uint64_t             counts[CLI_KINDS][CLI_EFFECTS];
    cli_progress_t       progress;
} cli_import_t;


/* position is a line, a row, or 0 */
__attribute__((format(printf, 3, 4)))
static int
cli_import_fail(cli_import_t *import, unsigned long long position,
    const char *fmt, ...)
{
    va_list     args;
    at_error_t  err;

    va_start(args, fmt);
    (void) vsnprintf(err.text, sizeof(err.text), fmt, args);
    va_end(args);

    cli_progress_end(&import->progress);

    if (position == 0) {
        return cli_failure(import->cli, "%s: %s; nothing was changed",
                           import->path, err.text);
    }

    return cli_failure(import->cli, "%s: %s %llu: %s; nothing was changed",
                       import->path, import->cipp ? "row" : "line", position,
                       err.text);
}


static int
cli_import_add(cli_import_t *import, cli_record_t *rec,
    unsigned long long position)
{
    int                rc;
    size_t             i;
    at_bytes_t        *bytes;
    const cli_list_t  *issuers;

    rc = 0;
    issuers = import->issuers;

    /* a row of CIPP does not name the issuer of its client: --issuer does */
    if (issuers->n != 0 && rec->kind->table == AT_TABLE_CLIENTS) {
        bytes = &rec->lists[rec->n_lists++];
        bytes->len = 0;

        for (i = 0; i < issuers->n; i++) {
            at_list_add(bytes, &rec->u.client.issuers, issuers->items[i]);
        }

        rc = bytes->failed ? -1 : 0;
    }

    import->unrestricted[rec->kind - cli_kinds] +=
        cli_record_is_unrestricted(rec);

    return rc == 0 && cli_import_set_add(&import->set, rec, position) == 0
           ? 0 : cli_import_fail(import, position, "memory allocation failed");
}


static int
cli_import_read_line(cli_import_t *import, const at_lines_t *lines,
    at_str_t line, int64_t *records)
{
    int           rc;
    json_t       *object;
    at_error_t    err;
    cli_record_t  rec = { .kind = NULL };

    if (lines->number == 1) {
        return cli_jsonl_parse_header(line, records, &err) == 0
               ? 0 : cli_import_fail(import, 1, "%s", err.text);
    }

    if (line.len == 0) {
        return 0;
    }

    rc = cli_jsonl_parse_record(line, &rec, &object, &err) == 0
         ? cli_import_add(import, &rec, lines->number)
         : cli_import_fail(import, lines->number, "%s", err.text);

    cli_record_free(&rec);
    json_decref(object);

    return rc;
}


static int
cli_import_read_lines(cli_import_t *import, int fd)
{
    int          rc;
    int64_t      records;
    at_str_t     line;
    at_lines_t   lines;
    struct stat  st;

    if (at_lines_init(&lines, fd, CLI_JSONL_LINE_MAX) != 0) {
        return cli_no_memory(import->cli);
    }

    cli_progress_start(&import->progress,
                       fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                       ? (int64_t) st.st_size : 0);
    records = -1;

    while ((rc = at_lines_next(&lines, &line)) == 1) {
        if (cli_import_read_line(import, &lines, line, &records) != 0) {
            rc = -1;
            break;
        }

        cli_progress_show(&import->progress, (int64_t) lines.bytes,
                          import->set.n);
    }

    /* an error of a line was reported, and only the first report counts */
    if (rc == -1) {
        rc = errno == EMSGSIZE
             ? cli_import_fail(import, lines.number, "longer than 1 MiB")
             : cli_import_fail(import, 0, "cannot read: %s", strerror(errno));

    } else if (lines.number == 0) {
        rc = cli_import_fail(import, 0, "the file is empty");

    } else if (records != -1 && (uint64_t) records != import->set.n) {
        rc = cli_import_fail(import, 0, "the header announces %lld records, "
                             "but there are %zu: the file is incomplete",
                             (long long) records, import->set.n);
    }

    cli_progress_end(&import->progress);
    at_lines_free(&lines);

    return rc;
}


/* Prints each entry of IPRange that is not a range; returns whether any is. */
static int
cli_import_show_bad_ranges(cli_import_t *import, const cli_record_t *rec,
    size_t row)
{
    char    *text;
    size_t   i;
    json_t  *range;

    json_array_foreach(rec->bad_ranges, i, range) {
        text = json_dumps(range, JSON_ENCODE_ANY|JSON_COMPACT);
        cli_error("%s: row %zu: invalid value %.80s in \"IPRange\"",
                  import->path, row, text != NULL ? text : "");
        free(text);
    }

    return json_array_size(rec->bad_ranges) != 0;
}


static int
cli_import_read_rows(cli_import_t *import, json_t *rows)
{
    int           rc, parsed, bad_ranges;
    size_t        i;
    json_t       *row;
    at_error_t    err;
    cli_record_t  rec = { .kind = NULL };

    if (!json_is_array(rows)) {
        return cli_import_fail(import, 0, "not a JSON array in UTF-8 without "
                               "duplicate members");
    }

    rc = 0;
    bad_ranges = 0;

    json_array_foreach(rows, i, row) {
        parsed = json_is_object(row)
                 ? cli_cipp_parse(&rec, row, import->warnings, &err)
                 : at_error(&err, "not a JSON object");
        import->ignored += parsed == 0;

        if (parsed == 1) {
            bad_ranges |= cli_import_show_bad_ranges(import, &rec, i + 1);
            rc = cli_import_add(import, &rec, i + 1);

        } else if (parsed == -1) {
            rc = cli_import_fail(import, i + 1, "%s", err.text);
        }

        if (rc != 0) {
            break;
        }
    }

    cli_record_free(&rec);

    if (rc == 0 && bad_ranges) {
        return cli_import_fail(import, 0, "invalid values in \"IPRange\": use "
                               "addresses, or ranges such as 192.0.2.0/24");
    }

    if (rc == 0 && import->set.n == 0) {
        return cli_import_fail(import, 0, "no row of ApiClients or "
                               "CustomRoles");
    }

    return rc;
}


static int
cli_import_read_cipp(cli_import_t *import)
{
    int         rc;
    json_t     *rows;
    at_file_t   file;

    if (cli_file_read(import->cli, &file, import->path, CLI_CIPP_FILE_MAX)
        != 0)
    {
        return -1;
    }

    rows = at_document_parse((at_str_t) { file.data, file.len },
                             CLI_CIPP_FILE_MAX);
    at_file_free(&file);

    rc = cli_import_read_rows(import, rows);
    json_decref(rows);

    return rc;
}


static int
cli_import_read(cli_import_t *import)
{
    int                       fd, rc;
    const cli_import_item_t  *first, *second;

    if (import->cipp) {
        rc = cli_import_read_cipp(import);

    } else {
        fd = cli_file_open(import->cli, import->path);

        if (fd == -1) {
            return -1;
        }

        rc = cli_import_read_lines(import, fd);
        (void) close(fd);
    }

    if (rc != 0 || cli_import_set_sort(&import->set, &first, &second) == 0) {
        return rc;
    }

    if (!at_str_equal(first->name, second->name)
        && second->kind->table == AT_TABLE_TOKENS)
    {
        return cli_import_fail(import, second->position, "the token is the "
                               "same as that of \"%.*s\"",
                               (int) first->name.len, first->name.data);
    }

    return cli_import_fail(import, second->position, "duplicate %s \"%.*s\"",
                           second->kind->noun, (int) second->name.len,
                           second->name.data);
}


typedef struct {
    const cli_import_set_t  *set;
    const cli_kind_t        *kind;
    at_bytes_t               bytes;
    at_list_t                keys;          /* to be removed */
} cli_prune_t;


static int
cli_import_collect(void *data, at_str_t key, at_str_t value)
{
    cli_prune_t  *prune = data;

    (void) value;

    if (!cli_import_set_has(prune->set, prune->kind, key)) {
        at_list_add(&prune->bytes, &prune->keys, key);
    }

    return prune->bytes.failed;
}


/* removes the records of one kind that are not in the file */
static int
cli_import_prune(cli_import_t *import, at_store_t *store, size_t index)
{
    int          rc;
    at_str_t     key;
    at_error_t   err;
    cli_prune_t  prune;

    memset(&prune, 0, sizeof(prune));
    prune.set = &import->set;
    prune.kind = &cli_kinds[index];

    rc = at_store_foreach(store, prune.kind->table, cli_import_collect,
                          &prune);

    if (rc != 0) {
        (void) at_error(&err, "%s", rc == -1 ? at_store_error(store)
                                             : "memory allocation failed");
    }

    while (rc == 0 && at_list_next(&prune.keys, &key)) {
        rc = cli_store_remove(store, prune.kind, key, &err);
        import->counts[index][CLI_REMOVED]++;
    }

    at_bytes_free(&prune.bytes);

    return rc == 0 ? 0 : cli_import_fail(import, 0, "%s", err.text);
}


static int
cli_import_write(cli_t *cli, at_store_t *store, void *data)
{
    size_t                    i;
    at_error_t                err;
    cli_import_t             *import = data;
    cli_record_t              rec = { .kind = NULL };
    cli_effect_e              effect;
    const cli_import_item_t  *item;

    for (i = 0; import->replace && i < CLI_KINDS; i++) {

        /* CIPP has clients and roles only */
        if ((!import->cipp || cli_kinds[i].table == AT_TABLE_CLIENTS
             || cli_kinds[i].table == AT_TABLE_ROLES)
            && cli_import_prune(import, store, i) != 0)
        {
            return -1;
        }
    }

    cli_progress_start(&import->progress, (int64_t) import->set.n);

    for (i = 0; i < import->set.n; i++) {
        item = &import->set.items[i];

        (void) cli_record_decode(&rec, item->kind, item->key, item->bytes);

        if (!item->has_created) {
            *cli_record_created(&rec) = -1;
        }

        effect = cli_store_put(store, &rec, cli->now * 1000, import->replace,
                               &err);

        if (effect == CLI_FAILED) {
            cli_record_free(&rec);
            return cli_import_fail(import, item->position, "%s", err.text);
        }

        import->counts[item->kind - cli_kinds][effect]++;
        cli_progress_show(&import->progress, (int64_t) i, i);
    }

    cli_record_free(&rec);
    cli_progress_end(&import->progress);

    return 0;
}


static json_t *
cli_import_counts(const cli_import_t *import, size_t index)
{
    char             unrestricted[48];
    json_t          *counts;
    const uint64_t  *n;

    n = import->counts[index];

    if (!import->cli->json) {
        (void) snprintf(unrestricted, sizeof(unrestricted),
                        "; %" PRIu64 " unrestricted",
                        import->unrestricted[index]);

        return json_sprintf("%" PRIu64 " added, %" PRIu64 " changed, %" PRIu64
                            " unchanged, %" PRIu64 " removed%s",
                            n[CLI_ADDED], n[CLI_CHANGED], n[CLI_UNCHANGED],
                            n[CLI_REMOVED], import->unrestricted[index] != 0
                                            ? unrestricted : "");
    }

    counts = json_pack("{s:I, s:I, s:I, s:I}",
                       "added", (json_int_t) n[CLI_ADDED],
                       "changed", (json_int_t) n[CLI_CHANGED],
                       "unchanged", (json_int_t) n[CLI_UNCHANGED],
                       "removed", (json_int_t) n[CLI_REMOVED]);

    if (cli_kinds[index].table == AT_TABLE_TOKENS
        || cli_kinds[index].table == AT_TABLE_CLIENTS)
    {
        (void) json_object_set_new(counts, "unrestricted", json_integer(
                                   (json_int_t) import->unrestricted[index]));
    }

    return counts;
}


static int
cli_import_report(cli_import_t *import)
{
    size_t       i;
    json_t      *report, *warnings, *value;
    const char  *text;

    report = json_object();

    for (i = 0; i < CLI_KINDS; i++) {
        (void) json_object_set_new(report, cli_kinds[i].plural,
                                   cli_import_counts(import, i));
    }

    if (import->cipp) {
        (void) json_object_set_new(report, "ignored",
                                   json_integer((json_int_t) import->ignored));
    }

    if (json_object_size(import->warnings) != 0) {
        warnings = json_array();

        json_object_foreach(import->warnings, text, value) {
            (void) json_array_append_new(warnings, json_string(text));
        }

        (void) json_object_set_new(report, "warnings", warnings);
    }

    return cli_print_report(import->cli, report);
}


static int
cli_import_check(cli_import_t *import)
{
    size_t   i;
    json_t  *issuer;

    if (import->issuers->n != 0 && !import->cipp) {
        return cli_usage(import->cli, "\"--issuer\" requires \"--cipp\"");
    }

    for (i = 0; i < import->issuers->n; i++) {
        issuer = json_string(import->issuers->items[i].data);

        if (json_string_length(issuer) == 0) {
            json_decref(issuer);
            return cli_usage(import->cli, "the value of \"--issuer\" is empty "
                             "or not UTF-8");
        }

        json_decref(issuer);
    }

    return 0;
}


int
cli_import(cli_t *cli)
{
    int           rc;
    cli_import_t  import = {
        .cli = cli, .path = cli->operand, .issuers = cli_list(cli, "issuer"),
        .replace = cli_given(cli, "replace"), .cipp = cli_given(cli, "cipp"),
        .warnings = json_object()
    };

    if (import.warnings == NULL) {
        return cli_no_memory(cli);
    }

    rc = cli_import_check(&import) == 0
         && cli_import_read(&import) == 0
         && cli_store_run(cli, AT_STORE_WRITE, cli_import_write, &import) == 0
         ? cli_import_report(&import) : -1;

    cli_import_set_free(&import.set);
    json_decref(import.warnings);

    return rc;
}
