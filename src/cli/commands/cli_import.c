/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token import
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "core/json/at_json.h"
#include "cli/record/cli_batch.h"
#include "cli/record/cli_cipp.h"
#include "cli/terminal/cli_options.h"
#include "cli/terminal/cli_progress.h"
#include "cli/record/cli_scan.h"
#include "cli/record/cli_seen.h"
#include "cli/record/cli_store.h"


#define CLI_IMPORT_BUFFER_SIZE  (64 * 1024)


typedef struct {
    uint64_t  added;
    uint64_t  changed;
    uint64_t  unchanged;
    uint64_t  removed;
    uint64_t  unrestricted;
} cli_counts_t;

typedef struct {
    cli_t             *cli;
    at_store_t        *store;
    const char        *path;
    int                fd;
    int                replace;
    int                cipp;                    /* rows of CIPP's tables */
    const cli_list_t  *issuers;                 /* of clients among them */
    uint64_t           ignored;                 /* rows of other tables */
    json_t            *warnings;

    const cli_kind_t  *kind;                    /* of the array that is read */
    uint64_t           n;                       /* records of it so far */
    uint64_t           records;                 /* of all */
    unsigned           arrays;                  /* that were there, as bits */
    int                version;

    cli_record_t       rec;
    cli_record_t       old;
    cli_counts_t       counts[CLI_KINDS];
    cli_seen_t         seen[CLI_KINDS];         /* keys of their tables */
    cli_seen_t         ids;                     /* of tokens */
    cli_batch_t        batch;                   /* of tokens, to be put */
    cli_progress_t     progress;
} cli_import_t;


static size_t
cli_import_index(const cli_import_t *import)
{
    return (size_t) (import->kind - cli_kinds);
}


__attribute__((format(printf, 2, 3)))
static int
cli_import_fail(cli_import_t *import, const char *fmt, ...)
{
    va_list     args;
    at_error_t  err;

    va_start(args, fmt);
    (void) vsnprintf(err.text, sizeof(err.text), fmt, args);
    va_end(args);

    cli_progress_end(&import->progress);

    if (import->kind == NULL) {
        return cli_failure(import->cli, "%s: %s; nothing was changed",
                           import->path, err.text);
    }

    return cli_failure(import->cli, "%s: %s record %llu: %s; nothing was "
                       "changed", import->path, import->kind->plural,
                       (unsigned long long) import->n, err.text);
}


static int
cli_import_fail_store(cli_import_t *import)
{
    return cli_import_fail(import, "the store: %s",
                           at_store_error(import->store));
}


/* --- a record ------------------------------------------------------------ */


static int
cli_import_check_key(cli_import_t *import, cli_seen_t *seen, at_str_t key,
    const char *what)
{
    switch (cli_seen_add(seen, key)) {

    case 1:
        return 0;

    case 0:
        return cli_import_fail(import, "%s is there twice", what);

    default:
        return cli_import_fail(import, "no memory");
    }
}


static int
cli_import_check_duplicate(cli_import_t *import)
{
    if (import->kind->table == AT_TABLE_TOKENS) {
        if (cli_import_check_key(import, &import->ids,
                                 cli_record_name(&import->rec), "its id") != 0)
        {
            return -1;
        }

        return cli_import_check_key(import, &import->seen[cli_import_index(import)],
                                    cli_record_key(&import->rec), "its token");
    }

    return cli_import_check_key(import, &import->seen[cli_import_index(import)],
                                cli_record_key(&import->rec), "its name");
}


/*
 * What was there decides on the time of creation, where the file is silent,
 * and on whether there is anything to do.
 */
static int
cli_import_compare(cli_import_t *import, at_str_t key, at_str_t bytes)
{
    int64_t  *created;

    created = cli_record_created(&import->rec);

    if (*created == -1) {
        *created = cli_record_decode(&import->old, import->kind, key, bytes)
                   == 0 ? *cli_record_created(&import->old)
                        : import->cli->now * 1000;
    }

    if (cli_record_encode(&import->rec) != 0) {
        return cli_import_fail(import, "no memory");
    }

    return at_str_equal(bytes, (at_str_t) { import->rec.bytes.data,
                                            import->rec.bytes.len });
}


static int
cli_import_put(cli_import_t *import, at_table_e table, at_str_t key,
    at_str_t value)
{
    return at_store_put(import->store, table, key, value) == AT_STORE_OK
           ? 0 : cli_import_fail_store(import);
}


static int
cli_import_get(cli_import_t *import, at_table_e table, at_str_t key,
    at_str_t *value)
{
    *value = (at_str_t) { NULL, 0 };

    return at_store_get(import->store, table, key, value) == AT_STORE_FAILED
           ? cli_import_fail_store(import) : 0;
}


/* the record of that token was one of another id, unless it is this one's */
static int
cli_import_remove_old_id(cli_import_t *import, at_str_t key, at_str_t bytes)
{
    char      buf[AT_KEY_MAX];
    at_str_t  id;

    if (bytes.data == NULL
        || cli_record_decode(&import->old, import->kind, key, bytes) != 0)
    {
        return 0;
    }

    id = cli_record_name(&import->old);

    if (at_str_equal(id, cli_record_name(&import->rec))) {
        return 0;
    }

    if (!import->replace) {
        return cli_import_fail(import, "its token is that of \"%.*s\"",
                               (int) id.len, id.data);
    }

    if (id.len > AT_KEY_MAX) {
        return 0;
    }

    memcpy(buf, id.data, id.len);
    id.data = buf;

    return at_store_delete(import->store, AT_TABLE_TOKEN_IDS, id)
           == AT_STORE_FAILED ? cli_import_fail_store(import) : 0;
}


/* the id was that of another token, whose record is then the old one */
static int
cli_import_remove_old_token(cli_import_t *import, at_str_t digest)
{
    char      buf[AT_SHA256_LEN];
    at_str_t  bytes;

    if (digest.data == NULL || digest.len != AT_SHA256_LEN) {
        return 0;
    }

    memcpy(buf, digest.data, AT_SHA256_LEN);
    digest.data = buf;

    if (cli_import_get(import, AT_TABLE_TOKENS, digest, &bytes) != 0
        || (bytes.data != NULL
            && cli_import_compare(import, digest, bytes) == -1))
    {
        return -1;
    }

    return at_store_delete(import->store, AT_TABLE_TOKENS, digest)
           == AT_STORE_FAILED ? cli_import_fail_store(import) : 0;
}


static int
cli_import_put_token_id(cli_import_t *import, at_str_t key, int *existed)
{
    at_str_t  bytes, digest, id;

    id = cli_record_name(&import->rec);

    if (cli_import_get(import, AT_TABLE_TOKENS, key, &bytes) != 0
        || cli_import_remove_old_id(import, key, bytes) != 0
        || cli_import_get(import, AT_TABLE_TOKEN_IDS, id, &digest) != 0)
    {
        return -1;
    }

    *existed = digest.data != NULL;

    if (at_str_equal(digest, key)) {
        return 0;
    }

    return cli_import_remove_old_token(import, digest) == 0
           ? cli_import_put(import, AT_TABLE_TOKEN_IDS, id, key) : -1;
}


/* the tokens that were to be written so far */
static int
cli_import_flush(cli_import_t *import)
{
    size_t            n;
    at_store_e        rc;
    at_store_item_t  *items;

    items = cli_batch_sort(&import->batch, &n);

    if (items == NULL) {
        return cli_import_fail(import, "no memory");
    }

    rc = at_store_put_tokens(import->store, items, n);

    free(items);
    cli_batch_free(&import->batch);

    if (rc != AT_STORE_OK) {
        import->kind = NULL;            /* it may be any of them */
        return cli_import_fail_store(import);
    }

    return 0;
}


/*
 * A token is put with many others.  None of them is looked for before that: no
 * token, and no id of one, is twice in a file.
 */
static int
cli_import_put_record(cli_import_t *import, at_str_t key)
{
    at_str_t  value;

    value = (at_str_t) { import->rec.bytes.data, import->rec.bytes.len };

    if (import->kind->table != AT_TABLE_TOKENS) {
        return cli_import_put(import, import->kind->table, key, value);
    }

    if (cli_batch_add(&import->batch, key, value) != 0) {
        return cli_import_fail(import, "no memory");
    }

    return cli_batch_is_full(&import->batch) ? cli_import_flush(import) : 0;
}


static int
cli_import_write(cli_import_t *import)
{
    int            same, existed;
    at_str_t       key, bytes;
    cli_counts_t  *counts;

    counts = &import->counts[cli_import_index(import)];
    key = cli_record_key(&import->rec);
    existed = 0;

    if (import->kind->table == AT_TABLE_TOKENS
        && cli_import_put_token_id(import, key, &existed) != 0)
    {
        return -1;
    }

    if (cli_import_get(import, import->kind->table, key, &bytes) != 0) {
        return -1;
    }

    same = cli_import_compare(import, key, bytes);

    if (same != 0) {
        counts->unchanged += same == 1;
        return same == 1 ? 0 : -1;
    }

    if (bytes.data != NULL || existed) {
        counts->changed++;

    } else {
        counts->added++;
    }

    return cli_import_put_record(import, key);
}


/* what CIPP would hold a role to, and nobody here */
static int
cli_import_warn_tenants(cli_import_t *import)
{
    int       rc;
    json_t   *warning;
    at_str_t  name;

    if (!import->rec.tenants[0] && !import->rec.tenants[1]) {
        return 0;
    }

    name = cli_record_name(&import->rec);
    warning = json_sprintf("role \"%.*s\": CIPP limits it to some tenants; that "
                           "is not enforced here, and must be behind it",
                           (int) name.len, name.data);
    rc = json_array_append_new(import->warnings, warning);

    return rc == 0 ? 0 : cli_import_fail(import, "no memory");
}


static int
cli_import_record(cli_import_t *import, json_t *object)
{
    at_error_t  err;

    if (cli_record_parse(&import->rec, import->kind, object, &err) != 0) {
        return cli_import_fail(import, "%s", err.text);
    }

    if (cli_import_check_duplicate(import) != 0
        || cli_import_write(import) != 0
        || cli_import_warn_tenants(import) != 0)
    {
        return -1;
    }

    import->counts[cli_import_index(import)].unrestricted +=
        cli_record_is_unrestricted(&import->rec);
    import->records++;

    return 0;
}


/* a row does not say which issuer its client is of */
static int
cli_import_set_issuers(cli_import_t *import, json_t *row)
{
    size_t   i;
    json_t  *issuers;

    if (import->issuers->n == 0 || import->kind->table != AT_TABLE_CLIENTS) {
        return 0;
    }

    issuers = json_array();

    for (i = 0; i < import->issuers->n; i++) {
        if (json_array_append_new(issuers,
                                  json_string(import->issuers->items[i]))
            != 0)
        {
            json_decref(issuers);
            return cli_import_fail(import, "no memory, or --issuer is not "
                                   "UTF-8");
        }
    }

    return json_object_set_new(row, "issuers", issuers) == 0
           ? 0 : cli_import_fail(import, "no memory");
}


static int
cli_import_cipp_row(cli_import_t *import, json_t *row)
{
    import->kind = cli_cipp_kind(row);

    if (import->kind == NULL) {
        import->ignored++;
        return 0;
    }

    cli_cipp_strip_metadata(row);

    return cli_import_set_issuers(import, row) == 0
           ? cli_import_record(import, row) : -1;
}


/* --- the file ------------------------------------------------------------ */


static int
cli_import_array(void *data, at_str_t name, at_str_t text)
{
    size_t         i;
    cli_import_t  *import = data;

    (void) text;

    import->kind = NULL;
    import->n = 0;

    if (import->cipp) {
        return 0;
    }

    for (i = 0; i < CLI_KINDS; i++) {
        if (at_str_equal(name, (at_str_t) { cli_kinds[i].plural,
                                            strlen(cli_kinds[i].plural) }))
        {
            break;
        }
    }

    if (i == CLI_KINDS) {
        return cli_import_fail(import, "unknown member \"%.*s\"",
                               (int) name.len, name.data);
    }

    if (import->arrays & (1u << i)) {
        return cli_import_fail(import, "\"%s\" is there twice",
                               cli_kinds[i].plural);
    }

    import->arrays |= 1u << i;
    import->kind = &cli_kinds[i];

    return 0;
}


static int
cli_import_value(void *data, at_str_t name, at_str_t text)
{
    cli_import_t  *import = data;

    import->kind = NULL;

    if (!at_str_equal(name, at_str("version"))) {
        return cli_import_fail(import, "unknown member \"%.*s\", or it is no "
                               "list", (int) name.len, name.data);
    }

    if (import->version || !at_str_equal(text, at_str("1"))) {
        return cli_import_fail(import, "\"version\" is not 1, once");
    }

    import->version = 1;

    return 0;
}


static int
cli_import_element(void *data, at_str_t name, at_str_t text)
{
    int            rc;
    json_t        *object;
    cli_import_t  *import = data;

    /* a cell of CIPP's other tables may be anything */
    const at_json_limits_t  limits = {
        import->cipp ? 32 : 3, UINT16_MAX, CLI_SCAN_ELEMENT
    };

    (void) name;

    import->n++;

    switch (at_json_parse(&object, text, &limits)) {

    case AT_JSON_OK:
        break;

    case AT_JSON_INVALID:
        return cli_import_fail(import, "no JSON object, or one with a member "
                               "twice, invalid UTF-8 or a NUL");

    default:
        return cli_import_fail(import, "no memory");
    }

    rc = import->cipp ? cli_import_cipp_row(import, object)
                      : cli_import_record(import, object);
    json_decref(object);

    return rc;
}


static int
cli_import_fail_scan(cli_import_t *import, const cli_scan_t *scan,
    cli_scan_e rc)
{
    switch (rc) {

    case CLI_SCAN_STOPPED:      /* it was said why */
        return -1;

    case CLI_SCAN_NO_MEMORY:
        return cli_import_fail(import, "no memory");

    case CLI_SCAN_TOO_LONG:
        import->kind = NULL;
        return cli_import_fail(import, "line %llu: a name, a value or a record "
                               "is too long", scan->line + 1);

    default:
        import->kind = NULL;
        return cli_import_fail(import, "line %llu: no JSON %s", scan->line + 1,
                               import->cipp ? "list of rows" : "of an export");
    }
}


static int
cli_import_feed(cli_import_t *import, cli_scan_t *scan, char *buf)
{
    int64_t     done;
    ssize_t     n;
    cli_scan_e  rc;

    done = 0;

    for ( ;; ) {
        do {
            n = read(import->fd, buf, CLI_IMPORT_BUFFER_SIZE);
        } while (n == -1 && errno == EINTR);

        if (n == -1) {
            import->kind = NULL;
            return cli_import_fail(import, "cannot read: %s", strerror(errno));
        }

        rc = n == 0 ? cli_scan_end(scan)
                    : cli_scan_feed(scan, buf, (size_t) n);

        if (rc != CLI_SCAN_OK) {
            return cli_import_fail_scan(import, scan, rc);
        }

        if (n == 0) {
            return 0;
        }

        done += n;
        cli_progress_show(&import->progress, done, import->records);
    }
}


static int
cli_import_read(cli_import_t *import)
{
    int          rc;
    char        *buf;
    cli_scan_t   scan;

    const cli_scan_handlers_t  handlers = {
        cli_import_value, cli_import_array, cli_import_element, import
    };

    buf = malloc(CLI_IMPORT_BUFFER_SIZE);

    if (buf == NULL) {
        return cli_no_memory(import->cli);
    }

    memset(&scan, 0, sizeof(scan));
    scan.handlers = &handlers;
    scan.bare = import->cipp;

    rc = cli_import_feed(import, &scan, buf);
    import->kind = NULL;

    if (rc == 0 && !import->cipp && !import->version) {
        rc = cli_import_fail(import, "\"version\" is missing");
    }

    if (rc == 0 && import->cipp && import->records == 0) {
        rc = cli_import_fail(import, "no row of ApiClients or CustomRoles");
    }

    if (rc == 0) {
        rc = cli_import_flush(import);
    }

    cli_scan_free(&scan);
    at_crypto_cleanse(buf, CLI_IMPORT_BUFFER_SIZE);
    free(buf);

    return rc;
}


/* --- what the file does not have ----------------------------------------- */


typedef struct {
    cli_import_t  *import;
    size_t         index;
    at_bytes_t     bytes;
    at_list_t      keys;        /* to be removed */
} cli_prune_t;


static int
cli_prune_collect(void *data, at_str_t key, at_str_t value)
{
    int           rc;
    cli_prune_t  *rest = data;

    (void) value;

    rc = cli_seen_has(&rest->import->seen[rest->index], key);

    if (rc == 0) {
        at_list_add(&rest->bytes, &rest->keys, key);
    }

    return rc == -1 || rest->bytes.failed;
}


static int
cli_prune_delete_id(cli_import_t *import, at_str_t key)
{
    char      buf[AT_KEY_MAX];
    at_str_t  bytes, id;

    if (cli_import_get(import, AT_TABLE_TOKENS, key, &bytes) != 0) {
        return -1;
    }

    if (cli_record_decode(&import->old, import->kind, key, bytes) != 0) {
        return 0;
    }

    id = cli_record_name(&import->old);

    if (id.len > AT_KEY_MAX
        || cli_import_get(import, AT_TABLE_TOKEN_IDS, id, &bytes) != 0
        || !at_str_equal(bytes, key))
    {
        return 0;
    }

    memcpy(buf, id.data, id.len);
    id.data = buf;

    return at_store_delete(import->store, AT_TABLE_TOKEN_IDS, id)
           == AT_STORE_FAILED ? cli_import_fail_store(import) : 0;
}


static int
cli_prune_delete(cli_import_t *import, cli_prune_t *rest)
{
    at_str_t  key;

    while (at_list_next(&rest->keys, &key)) {
        if (import->kind->table == AT_TABLE_TOKENS
            && cli_prune_delete_id(import, key) != 0)
        {
            return -1;
        }

        if (at_store_delete(import->store, import->kind->table, key)
            == AT_STORE_FAILED)
        {
            return cli_import_fail_store(import);
        }

        import->counts[rest->index].removed++;
    }

    return 0;
}


static int
cli_import_prune_kind(cli_import_t *import, size_t index)
{
    int          rc;
    cli_prune_t  rest;

    memset(&rest, 0, sizeof(rest));
    rest.import = import;
    rest.index = index;
    import->kind = &cli_kinds[index];

    switch (at_store_foreach(import->store, import->kind->table, cli_prune_collect,
                             &rest))
    {

    case 0:
        rc = cli_prune_delete(import, &rest);
        break;

    case -1:
        rc = cli_import_fail_store(import);
        break;

    default:
        rc = cli_import_fail(import, "no memory");
    }

    at_bytes_free(&rest.bytes);

    return rc;
}


static int
cli_import_prune(cli_import_t *import)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {

        /* CIPP knows neither API tokens nor who owns them */
        if (import->cipp
            && (cli_kinds[i].table == AT_TABLE_TOKENS
                || cli_kinds[i].table == AT_TABLE_USERS))
        {
            continue;
        }

        if (cli_import_prune_kind(import, i) != 0) {
            return -1;
        }
    }

    return 0;
}


/* --- the command --------------------------------------------------------- */


static int
cli_import_run(cli_t *cli, at_store_t *store, void *data)
{
    cli_import_t  *import = data;

    (void) cli;

    import->store = store;

    if (cli_import_read(import) != 0) {
        return -1;
    }

    return import->replace ? cli_import_prune(import) : 0;
}


static json_t *
cli_counts_json(const cli_kind_t *kind, const cli_counts_t *counts)
{
    json_t  *object;

    object = json_pack("{s:I, s:I, s:I, s:I}",
                       "added", (json_int_t) counts->added,
                       "changed", (json_int_t) counts->changed,
                       "unchanged", (json_int_t) counts->unchanged,
                       "removed", (json_int_t) counts->removed);

    if (object != NULL
        && (kind->table == AT_TABLE_TOKENS || kind->table == AT_TABLE_CLIENTS))
    {
        (void) json_object_set_new(object, "unrestricted", json_integer(
                                   (json_int_t) counts->unrestricted));
    }

    return object;
}


static int
cli_import_print_json(cli_import_t *import)
{
    size_t   i;
    json_t  *object;

    object = json_object();

    for (i = 0; object != NULL && i < CLI_KINDS; i++) {
        if (json_object_set_new(object, cli_kinds[i].plural,
                                cli_counts_json(&cli_kinds[i],
                                                &import->counts[i]))
            != 0)
        {
            json_decref(object);
            object = NULL;
        }
    }

    if (object != NULL && json_array_size(import->warnings) != 0) {
        (void) json_object_set(object, "warnings", import->warnings);
    }

    if (object != NULL && import->cipp) {
        (void) json_object_set_new(object, "ignored",
                                   json_integer((json_int_t) import->ignored));
    }

    return cli_print_json(import->cli, object);
}


static void
cli_import_print_warnings(const cli_import_t *import)
{
    size_t   i;
    json_t  *warning;

    json_array_foreach(import->warnings, i, warning) {
        (void) fputs("warning  ", stdout);
        cli_print((at_str_t) { json_string_value(warning),
                               json_string_length(warning) });
        (void) putchar('\n');
    }
}


static int
cli_import_print(cli_import_t *import)
{
    size_t               i;
    const cli_counts_t  *counts;

    if (import->cli->json) {
        return cli_import_print_json(import);
    }

    for (i = 0; i < CLI_KINDS; i++) {
        counts = &import->counts[i];

        (void) printf("%-8s %llu added, %llu changed, %llu unchanged, %llu "
                      "removed", cli_kinds[i].plural,
                      (unsigned long long) counts->added,
                      (unsigned long long) counts->changed,
                      (unsigned long long) counts->unchanged,
                      (unsigned long long) counts->removed);

        if (counts->unrestricted != 0) {
            (void) printf("; %llu unrestricted",
                          (unsigned long long) counts->unrestricted);
        }

        (void) putchar('\n');
    }

    if (import->cipp) {
        (void) printf("ignored  %llu rows of other tables\n",
                      (unsigned long long) import->ignored);
    }

    cli_import_print_warnings(import);

    return 0;
}


static void
cli_import_free(cli_import_t *import)
{
    size_t  i;

    for (i = 0; i < CLI_KINDS; i++) {
        cli_seen_free(&import->seen[i]);
    }

    cli_seen_free(&import->ids);
    cli_batch_free(&import->batch);
    cli_record_free(&import->rec);
    cli_record_free(&import->old);
    json_decref(import->warnings);
    (void) close(import->fd);
}


static int
cli_import_file(cli_import_t *import)
{
    int          rc;
    cli_t       *cli;
    struct stat  st;

    cli = import->cli;
    import->fd = cli_file_open(cli, import->path);

    if (import->fd == -1) {
        return -1;
    }

    import->warnings = json_array();
    cli_progress_start(&import->progress,
                       fstat(import->fd, &st) == 0 && S_ISREG(st.st_mode)
                       ? (int64_t) st.st_size : 0);

    rc = cli_store_run(cli, AT_STORE_WRITE, cli_import_run, import);

    if (rc == 0) {
        cli_progress_end(&import->progress);
        rc = cli_import_print(import) == 0 ? cli_flush(cli) : -1;
    }

    cli_import_free(import);

    return rc;
}


static int
cli_import_start(cli_import_t *import)
{
    if (import->path == NULL) {
        return cli_usage(import->cli, "the file is missing; - is standard "
                         "input");
    }

    if (import->issuers->n != 0 && !import->cipp) {
        return cli_usage(import->cli, "--issuer goes with --cipp");
    }

    return cli_import_file(import);
}


int
cli_import(cli_t *cli, int argc, char **argv)
{
    int           rc;
    char         *path;
    cli_list_t    issuers = { 0, NULL };
    cli_import_t  import = { .cli = cli, .issuers = &issuers };

    const cli_option_t  table[] = {
        { "replace", CLI_FLAG, &import.replace },
        { "cipp",    CLI_FLAG, &import.cipp },
        { "issuer",  CLI_LIST, &issuers },
        { NULL,      CLI_FLAG, NULL }
    };

    path = NULL;
    rc = cli_options(cli, argc, argv, table, &path);
    import.path = path;

    if (rc == 0) {
        rc = cli_import_start(&import);
    }

    free(issuers.items);

    return rc;
}
