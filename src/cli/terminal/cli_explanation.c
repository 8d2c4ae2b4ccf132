/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "cli/terminal/cli_explanation.h"


static at_str_t
cli_member(const json_t *object, const char *name)
{
    const json_t  *value;

    value = json_object_get(object, name);

    return (at_str_t) { json_string_value(value),
                        json_string_length(value) };
}


/* nothing if the object has no such member */
static void
cli_print_member(const char *label, const json_t *object, const char *name)
{
    if (json_object_get(object, name) != NULL) {
        (void) printf("%-14s", label);
        cli_print(cli_member(object, name));
        (void) putchar('\n');
    }
}


/* the texts of an array with their positions */
static void
cli_print_positions(const char *label, const json_t *array)
{
    size_t   i;
    json_t  *item;

    json_array_foreach(array, i, item) {
        (void) printf("%-14s", i == 0 ? label : "");
        cli_print(cli_member(item, "text"));
        (void) fputs("  (", stdout);
        cli_print(cli_member(item, "position"));
        (void) fputs(")\n", stdout);
    }
}


static void
cli_print_step(const json_t *step)
{
    (void) printf("\n%-14s", json_string_value(json_object_get(step, "step")));
    cli_print(cli_member(step, "result"));
    (void) putchar('\n');

    cli_print_member("  requires", step, "requirement");
    cli_print_positions("  stated by", json_object_get(step, "directives"));
    cli_print_member("  actual", step, "actual");
    cli_print_member("  to allow it", step, "change");
}


static void
cli_print_explanation(const json_t *report)
{
    size_t   i;
    json_t  *module, *step;

    module = json_object_get(report, "auth_token");

    if (json_object_get(report, "uri") != NULL) {
        (void) printf("%-14s", "request");
        cli_print(cli_member(report, "method"));
        (void) putchar(' ');
        cli_print(cli_member(report, "uri"));
        (void) fputs(" from ", stdout);
        cli_print(cli_member(report, "client"));
        (void) fputs(", ", stdout);
        cli_print(cli_member(report, "scheme"));
        (void) fputs(", listener ", stdout);
        cli_print(cli_member(report, "listener"));
        (void) putchar('\n');
    }

    cli_print_member("server", report, "server");
    cli_print_positions("location", json_object_get(report, "blocks"));
    cli_print_positions("stated by", json_object_get(module, "directives"));

    json_array_foreach(json_object_get(module, "steps"), i, step) {
        cli_print_step(step);
    }

    (void) printf("\n%-14s", "outcome");
    cli_print(cli_member(report, "outcome"));

    if (json_object_get(report, "status") != NULL) {
        (void) printf(" with %d", (int) json_integer_value(
                                  json_object_get(report, "status")));
    }

    if (json_object_get(module, "code") != NULL) {
        (void) fputs(", ", stdout);
        cli_print(cli_member(module, "code"));
    }

    (void) putchar('\n');

    if (!at_str_equal(cli_member(module, "reason"), at_str("ok"))) {
        cli_print_member("reason", module, "reason");
    }

    cli_print_member("note", report, "note");
    cli_print_member("nginx", report, "log");
}


int
cli_explanation_print(cli_t *cli, json_t *report)
{
    int       rc, granted, refused, unknown;
    at_str_t  outcome;

    outcome = cli_member(report, "outcome");
    granted = at_str_equal(outcome, at_str("granted"));
    refused = at_str_equal(outcome, at_str("refused"));
    unknown = at_str_equal(outcome, at_str("unknown"));

    if (at_str_equal(outcome, at_str("failed"))) {
        rc = cli_failure(cli, "%s", json_string_value(
                                    json_object_get(report, "note")));
        json_decref(report);
        return rc;
    }

    if (cli->json) {
        rc = cli_print_json(cli, json_incref(report));

    } else {
        cli_print_explanation(report);
        rc = 0;
    }

    json_decref(report);

    if (rc != 0 || cli_flush(cli) != 0) {
        return -1;
    }

    if (granted) {
        return 0;
    }

    return unknown ? cli_failure(cli, "the outcome is not known")
                   : cli_fail(cli, CLI_REFUSED, refused
                              ? "the request is refused"
                              : "nginx answers before the decision");
}
