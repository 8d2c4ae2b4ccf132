/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdlib.h>

#include "core/authz/at_role.h"
#include "cli/commands/cli_edit.h"
#include "cli/record/cli_show.h"


typedef struct {
    const cli_edit_t  *edit;
    const cli_kind_t  *kind;
    json_t            *object;
    cli_record_t       rec;

    cli_edit_hook_pt   hook;
    void              *data;

    const char        *name;    /* of the secret */
    const char        *secret;
} cli_change_t;


void
cli_edit_free(cli_edit_t *edit)
{
    free(edit->scopes.items);
    free(edit->ranges.items);
    free(edit->issuers.items);
    free(edit->grant.items);
    free(edit->deny.items);
    free(edit->blocked.items);
}


/* --- options to members -------------------------------------------------- */


/*
 * What jansson does not make of a text is not UTF-8, which is the command line's
 * fault, or has no memory: errno tells, where it was 0.
 */
static int
cli_edit_fail(cli_t *cli, const char *dashes, const char *name,
    const char *what)
{
    return errno == ENOMEM ? cli_no_memory(cli)
                           : cli_usage(cli, "%s%s is %s", dashes, name, what);
}


static int
cli_edit_put(cli_t *cli, json_t *object, const char *member, json_t *value)
{
    return json_object_set_new(object, member, value) == 0
           ? 1 : cli_edit_fail(cli, "", member, "not UTF-8");
}


int
cli_edit_set(cli_t *cli, json_t *object, const char *member, const char *text)
{
    errno = 0;

    return cli_edit_put(cli, object, member, json_string(text)) == 1 ? 0 : -1;
}


/* "" is more often an unset variable than what is wanted */
static int
cli_edit_text(cli_t *cli, json_t *object, const char *option,
    const char *member, const char *text)
{
    if (text == NULL) {
        return 0;
    }

    if (*text == '\0') {
        return cli_usage(cli, "--%s is empty", option);
    }

    return cli_edit_put(cli, object, member, json_string(text));
}


/* a description and a display name may be empty */
static int
cli_edit_label(cli_t *cli, json_t *object, const char *member,
    const char *text)
{
    return text == NULL ? 0 : cli_edit_put(cli, object, member,
                                           json_string(text));
}


static int
cli_edit_list(cli_t *cli, json_t *object, const char *option,
    const char *member, const cli_list_t *list)
{
    size_t   i;
    json_t  *array;

    if (list->n == 0) {
        return 0;
    }

    array = json_array();

    for (i = 0; array != NULL && i < list->n; i++) {
        if (*list->items[i] == '\0'
            || json_array_append_new(array, json_string(list->items[i])) != 0)
        {
            json_decref(array);
            return cli_edit_fail(cli, "--", option, "empty or not UTF-8");
        }
    }

    return cli_edit_put(cli, object, member, array);
}


static int
cli_edit_clear(cli_t *cli, json_t *object, const char *option, int none,
    int given, const char *member, json_t *value)
{
    if (!none) {
        json_decref(value);
        return 0;
    }

    if (given) {
        json_decref(value);
        return cli_usage(cli, "--%s and --no-%s exclude each other", option,
                         option);
    }

    return cli_edit_put(cli, object, member, value);
}


static int
cli_edit_expires(cli_t *cli, json_t *object, const char *text)
{
    int64_t  expires;

    if (text == NULL) {
        return 0;
    }

    if (cli_expires(cli, "expires", text, &expires) != 0) {
        return -1;
    }

    return cli_edit_put(cli, object, "expires",
                        expires == AT_NEVER ? json_null()
                                            : json_integer(expires));
}


static int
cli_edit_flags(cli_t *cli, const cli_edit_t *edit, json_t *object)
{
    if (edit->admin
        && cli_edit_put(cli, object, "is_admin", json_true()) == -1)
    {
        return -1;
    }

    if (edit->disabled
        && cli_edit_put(cli, object, "enabled", json_false()) == -1)
    {
        return -1;
    }

    return edit->admin + edit->disabled;
}


static int
cli_edit_members(cli_t *cli, const cli_edit_t *e, json_t *o)
{
    int     n;
    size_t  i;

    int  set[] = {
        cli_edit_text(cli, o, "id", "id", e->id),
        cli_edit_label(cli, o, "description", e->description),
        cli_edit_label(cli, o, "name", e->name),
        cli_edit_text(cli, o, "user", "user", e->user),
        cli_edit_text(cli, o, "role", "role", e->role),
        cli_edit_list(cli, o, "scope", "scope", &e->scopes),
        cli_edit_list(cli, o, "allow", "ip_ranges", &e->ranges),
        cli_edit_list(cli, o, "issuer", "issuers", &e->issuers),
        cli_edit_list(cli, o, "grant", "grant", &e->grant),
        cli_edit_list(cli, o, "deny", "deny", &e->deny),
        cli_edit_list(cli, o, "block", "blocked_endpoints", &e->blocked),
        cli_edit_expires(cli, o, e->expires),
        cli_edit_flags(cli, e, o),
        cli_edit_clear(cli, o, "user", e->no_user, e->user != NULL, "user",
                       json_null()),
        cli_edit_clear(cli, o, "role", e->no_role, e->role != NULL, "role",
                       json_null()),
        cli_edit_clear(cli, o, "scope", e->no_scope, e->scopes.n != 0, "scope",
                       json_array()),
        cli_edit_clear(cli, o, "issuer", e->no_issuer, e->issuers.n != 0,
                       "issuers", json_array()),
        cli_edit_clear(cli, o, "admin", e->no_admin, e->admin, "is_admin",
                       json_false())
    };

    n = 0;

    for (i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        if (set[i] == -1) {
            return -1;
        }

        n += set[i];
    }

    return n;
}


int
cli_edit_apply(cli_t *cli, const cli_edit_t *edit, json_t *object)
{
    errno = 0;

    return cli_edit_members(cli, edit, object);
}


/* --- the change ---------------------------------------------------------- */


/* a name that was mistyped would refuse every call */
static int
cli_change_check_references(cli_t *cli, at_store_t *store,
    const cli_edit_t *edit)
{
    int           rc;
    cli_record_t  other;

    memset(&other, 0, sizeof(other));
    rc = 0;

    if (edit->user != NULL) {
        rc = cli_store_get(cli, store, cli_kind_find(at_str("user")),
                           cli_str(edit->user), &other);
    }

    if (rc == 0 && edit->role != NULL
        && at_role_builtin(cli_str(edit->role)) == NULL)
    {
        rc = cli_store_get(cli, store, cli_kind_find(at_str("role")),
                           cli_str(edit->role), &other);
    }

    cli_record_free(&other);

    return rc;
}


/* what options made of it is wrong is the command line's fault */
static int
cli_change_parse(cli_t *cli, cli_change_t *change)
{
    at_error_t  err;

    errno = 0;

    if (cli_record_parse(&change->rec, change->kind, change->kind->fields,
                         change->object, &err)
        != 0)
    {
        return errno == ENOMEM ? cli_no_memory(cli)
                               : cli_usage(cli, "%s", err.text);
    }

    return 0;
}


int
cli_edit_check(cli_t *cli, const cli_edit_t *edit, const cli_kind_t *kind,
    json_t *object)
{
    int           rc;
    cli_change_t  change = { .edit = edit, .kind = kind, .object = object };

    rc = cli_edit_apply(cli, edit, object) == -1
         || cli_change_parse(cli, &change) != 0 ? -1 : 0;

    cli_record_free(&change.rec);

    return rc;
}


/* a secret that cannot be shown must not be in force: it is written out first */
static int
cli_change_print(cli_t *cli, cli_change_t *change)
{
    if (cli_show(cli, &change->rec, change->name, change->secret) != 0) {
        return -1;
    }

    return change->secret != NULL ? cli_flush(cli) : 0;
}


static int
cli_change_put(cli_t *cli, at_store_t *store, cli_change_t *change)
{
    int           rc;
    cli_record_t  old;

    if (!change->edit->replace) {
        return cli_store_add(cli, store, &change->rec);
    }

    memset(&old, 0, sizeof(old));
    rc = cli_store_find(cli, store, change->kind,
                        cli_record_name(&change->rec), &old);

    if (rc == 1) {
        *cli_record_created(&change->rec) = *cli_record_created(&old);
    }

    cli_record_free(&old);

    return rc != -1 ? cli_store_replace(cli, store, &change->rec) : -1;
}


static int
cli_change_create(cli_t *cli, at_store_t *store, void *data)
{
    cli_change_t  *change = data;

    *cli_record_created(&change->rec) = cli->now * 1000;

    if (cli_change_check_references(cli, store, change->edit) != 0
        || cli_change_put(cli, store, change) != 0)
    {
        return -1;
    }

    return cli_change_print(cli, change);
}


int
cli_edit_create(cli_t *cli, const cli_edit_t *edit, const cli_kind_t *kind,
    json_t *object, const char *name, const char *secret)
{
    int           rc;
    cli_change_t  change = {
        .edit = edit, .kind = kind, .object = object,
        .name = name, .secret = secret
    };

    rc = cli_edit_apply(cli, edit, object) == -1
         || cli_change_parse(cli, &change) != 0
         || cli_store_run(cli, AT_STORE_WRITE, cli_change_create, &change) != 0
         ? -1 : 0;

    cli_record_free(&change.rec);

    return rc == 0 ? cli_flush(cli) : -1;
}


static int
cli_change_update(cli_t *cli, at_store_t *store, void *data)
{
    int            n;
    cli_change_t  *change = data;

    if (cli_store_get(cli, store, change->kind, cli_str(change->edit->operand),
                      &change->rec) != 0)
    {
        return -1;
    }

    change->object = cli_record_json(&change->rec, 1);

    if (change->object == NULL) {
        return cli_no_memory(cli);
    }

    n = cli_edit_apply(cli, change->edit, change->object);

    if (n == 0 && change->hook == NULL) {
        return cli_usage(cli, "there is nothing to change");
    }

    if (n == -1
        || (change->hook != NULL
            && change->hook(cli, change->object, change->data) != 0)
        || cli_change_parse(cli, change) != 0
        || cli_change_check_references(cli, store, change->edit) != 0
        || cli_store_replace(cli, store, &change->rec) != 0)
    {
        return -1;
    }

    return cli_change_print(cli, change);
}


int
cli_edit_update(cli_t *cli, const cli_edit_t *edit, const cli_kind_t *kind,
    cli_edit_hook_pt hook, void *data, const char *name, const char *secret)
{
    int           rc;
    cli_change_t  change = {
        .edit = edit, .kind = kind, .hook = hook, .data = data,
        .name = name, .secret = secret
    };

    if (edit->operand == NULL) {
        return cli_usage(cli, "the %s is missing", cli->command->operand);
    }

    rc = cli_store_run(cli, AT_STORE_WRITE, cli_change_update, &change);

    json_decref(change.object);
    cli_record_free(&change.rec);

    return rc == 0 ? cli_flush(cli) : -1;
}
