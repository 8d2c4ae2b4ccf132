/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token jwt verify
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwt.h"
#include "cli/commands/cli_commands.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_options.h"


/* the options as an auth_token_issuer block */
typedef struct {
    at_issuer_t    issuer;
    char          *paths[3];    /* of claims */
    at_keyset_t  **sets;
    size_t         n_sets;
    json_t        *warnings;
    const char    *path;        /* of the key file, for warnings */
    int64_t        at;
    int64_t        max_len;
} cli_verify_t;


static int
cli_verify_algorithms(cli_t *cli, unsigned *algs)
{
    size_t       len;
    at_alg_e     alg;
    const char  *names;

    names = cli_text(cli, "algorithms");

    if (names == NULL) {
        *algs = at_alg_bit(AT_RS256);
        return 0;
    }

    for ( ;; ) {
        len = strcspn(names, ",");
        alg = at_alg_find((at_str_t) { names, len });

        if (alg == AT_ALGS) {
            return cli_invalid(cli, "algorithms", "use RS256, RS384, RS512, "
                               "PS256, PS384, PS512, ES256, ES384, ES512, "
                               "EdDSA and Ed25519, separated by commas");
        }

        *algs |= at_alg_bit(alg);

        if (names[len] == '\0') {
            return 0;
        }

        names += len + 1;
    }
}


/* moves the values other than "absent" to the front of the list */
static void
cli_verify_typs(const cli_list_t *typs, at_issuer_t *issuer)
{
    size_t  i;

    if (typs->n == 0) {
        issuer->typs = at_default_typs;
        issuer->n_typs = AT_DEFAULT_TYPS;
        issuer->typ_absent = 1;
        return;
    }

    issuer->typs = typs->items;

    for (i = 0; i < typs->n; i++) {
        if (at_str_equal(typs->items[i], at_str("absent"))) {
            issuer->typ_absent = 1;

        } else {
            typs->items[issuer->n_typs++] = typs->items[i];
        }
    }
}


/* *copy is what the path refers to */
static int
cli_verify_path(cli_t *cli, const char *option, const char *fallback,
    char **copy, at_claim_path_t *path)
{
    *copy = strdup(cli_given(cli, option) ? cli_text(cli, option) : fallback);

    if (*copy == NULL) {
        return cli_no_memory(cli);
    }

    return at_claim_path_parse(path, *copy, strlen(*copy)) == 0
           ? 0 : cli_invalid(cli, option, "use the path of a claim such as "
                             "realm_access.roles");
}


static int
cli_verify_issuer(cli_t *cli, cli_verify_t *verify)
{
    const char   *admin;
    at_issuer_t  *issuer;

    issuer = &verify->issuer;

    if (!cli_given(cli, "audience") && !cli_given(cli, "any-audience")) {
        return cli_usage(cli, "missing option \"--audience\" or "
                         "\"--any-audience\"");
    }

    issuer->name = at_str("command");
    issuer->issuers = cli_list(cli, "issuer")->items;
    issuer->n_issuers = cli_list(cli, "issuer")->n;
    issuer->audiences = cli_list(cli, "audience")->items;
    issuer->n_audiences = cli_list(cli, "audience")->n;
    issuer->any_audience = cli_given(cli, "any-audience");
    issuer->max_age = AT_NO_MAX_AGE;
    issuer->any_kind = cli_given(cli, "any-kind");
    issuer->ignore_cnf = cli_given(cli, "ignore-cnf");
    issuer->user_required = cli_given(cli, "require-user");
    verify->at = cli->now;
    verify->max_len = AT_JWT_LEN_DEFAULT;
    admin = cli_text(cli, "admin-claim");
    cli_verify_typs(cli_list(cli, "typ"), issuer);

    return cli_exclusive(cli, "audience", "any-audience") == 0
           && cli_verify_algorithms(cli, &issuer->algs) == 0
           && cli_verify_path(cli, "user-claim", "username",
                              &verify->paths[0], &issuer->user_claim) == 0
           && cli_verify_path(cli, "scope-claim", "scope",
                              &verify->paths[1], &issuer->scope_claim) == 0
           && ((admin != NULL && strcmp(admin, "off") == 0)
               || cli_verify_path(cli, "admin-claim", "isAdmin",
                                  &verify->paths[2], &issuer->admin_claim)
                  == 0)
           && cli_duration(cli, "leeway", &issuer->leeway) == 0
           && cli_duration(cli, "max-age", &issuer->max_age) == 0
           && cli_time(cli, "at", &verify->at) == 0
           && cli_number(cli, "max-length", AT_JWT_LEN_MAX, &verify->max_len)
              == 0
           ? 0 : -1;
}


static void
cli_verify_warn(void *data, const char *text)
{
    cli_verify_t  *verify = data;

    (void) json_array_append_new(verify->warnings,
                                 json_sprintf("%s: %s", verify->path, text));
}


static int
cli_verify_keys(cli_t *cli, cli_verify_t *verify)
{
    size_t             i, n;
    json_t            *warning;
    at_file_t          file;
    at_error_t         err;
    at_keyset_t       *set;
    const cli_list_t  *keys;

    keys = cli_list(cli, "key");
    verify->sets = calloc(keys->n, sizeof(at_keyset_t *));
    verify->warnings = json_array();

    if (verify->sets == NULL || verify->warnings == NULL) {
        return cli_no_memory(cli);
    }

    for (i = 0; i < keys->n; i++) {
        verify->path = keys->items[i].data;

        if (cli_file_read(cli, &file, verify->path, CLI_KEY_FILE_MAX) != 0) {
            return -1;
        }

        set = at_keyset_parse((at_str_t) { file.data, file.len },
                              verify->issuer.algs, cli_verify_warn, verify,
                              &err);
        at_file_free(&file);

        if (set == NULL) {
            json_array_foreach(verify->warnings, n, warning) {
                cli_error("%s", json_string_value(warning));
            }

            return cli_failure(cli, "key \"%s\": %s", verify->path, err.text);
        }

        verify->sets[verify->n_sets++] = set;
    }

    return 0;
}


/* the value of "exp", without the leeway */
static json_t *
cli_verify_expires(const cli_t *cli, const at_identity_t *id)
{
    char    text[CLI_TIME_SIZE];
    double  expires;

    expires = 0;
    (void) at_json_number(at_json_member(at_claims_object(id->claims),
                                         at_str("exp")),
                          &expires);
    expires = ceil(expires);

    if (cli->json || expires > CLI_TIME_MAX) {
        return json_integer((json_int_t) expires);
    }

    cli_time_format(text, (int64_t) expires * 1000);

    return json_string(text);
}


/*
 * jansson has no numbers beyond 64 bits or the range of a double, and no
 * U+0000 in a name: the claims are shown as one text then.
 */
static json_t *
cli_verify_claims(const at_json_value_t *claims)
{
    char    *text;
    size_t   len;
    json_t  *json;

    len = at_claim_to_json(claims, NULL, 0);
    text = malloc(len);

    if (text == NULL) {
        return NULL;
    }

    (void) at_claim_to_json(claims, text, len);

    json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);

    if (json == NULL) {
        json = json_stringn(text, len);
    }

    free(text);

    return json;
}


static json_t *
cli_verify_report_ok(const cli_t *cli, const cli_verify_t *verify,
    const at_identity_t *id)
{
    size_t           i;
    json_t          *array;
    const at_str_t  *scope;

    array = json_array();

    for (i = 0; i < id->rights.scopes.n; i++) {
        scope = &id->rights.scopes.items[i];
        (void) json_array_append_new(array, json_stringn(scope->data,
                                                         scope->len));
    }

    return json_pack("{s:s, s:s, s:s%, s:s%, s:b, s:o, s:o, s:o, s:O}",
                     "verdict", "ok",
                     "reason", "ok",
                     "user", id->user.len ? id->user.data : "", id->user.len,
                     "subject", id->subject.len ? id->subject.data : "",
                     id->subject.len,
                     "admin", id->rights.admin,
                     "scopes", array,
                     "expires", cli_verify_expires(cli, id),
                     "claims",
                     cli_verify_claims(at_claims_object(id->claims)),
                     "warnings", verify->warnings);
}


static int
cli_verify_print(cli_t *cli, const cli_verify_t *verify,
    const at_identity_t *id, at_verdict_e verdict)
{
    json_t                   *report;
    const at_code_info_t     *code;
    const at_verdict_info_t  *info;

    info = at_verdict_info(verdict);
    code = at_code_info(info->code);

    if (verdict == AT_OK) {
        report = cli_verify_report_ok(cli, verify, id);

    } else {
        /* the subject, if it is known, but not the claims */
        report = json_pack("{s:s, s:s%, s:s%, s:i, s:s%, s:O}",
                           "verdict", "refused",
                           "reason", info->reason.data, info->reason.len,
                           "code", code->name.data, code->name.len,
                           "status", (int) code->status,
                           "subject", id->subject.len ? id->subject.data : "",
                           id->subject.len,
                           "warnings", verify->warnings);
    }

    if (cli_print_report(cli, report) != 0 || cli_flush(cli) != 0) {
        return -1;
    }

    return verdict == AT_OK
           ? 0 : cli_failure(cli, "refused: %s (%s)", info->reason.data,
                             code->name.data);
}


static int
cli_verify_token(cli_t *cli, const cli_verify_t *verify)
{
    int                  rc;
    at_file_t            file;
    at_trusted_issuer_t  trusted;
    at_verdict_e         verdict;
    at_identity_t        id = { 0 };
    at_verifier_t       *verifier;
    at_jwt_query_t       query;

    if (cli_file_read(cli, &file, cli->operand != NULL ? cli->operand : "-",
                      CLI_TOKEN_FILE_MAX) != 0)
    {
        return -1;
    }

    trusted.issuer = &verify->issuer;
    trusted.sets = verify->sets;
    trusted.n_sets = verify->n_sets;

    query = (at_jwt_query_t) { cli_file_line(&file), (size_t) verify->max_len,
                               &trusted, 1, verify->at, NULL, NULL };

    verifier = at_verifier_create();
    verdict = verifier ? at_jwt_verify(verifier, &id, &query) : AT_FAILED;
    at_verifier_free(verifier);
    at_file_free(&file);

    rc = cli_verify_print(cli, verify, &id, verdict);
    at_identity_release(&id);

    return rc;
}


int
cli_jwt_verify(cli_t *cli)
{
    int           rc;
    size_t        i;
    cli_verify_t  verify = { .n_sets = 0 };

    rc = cli_verify_issuer(cli, &verify) == 0
         && cli_verify_keys(cli, &verify) == 0
         ? cli_verify_token(cli, &verify) : -1;

    for (i = 0; i < verify.n_sets; i++) {
        at_keyset_free(verify.sets[i]);
    }

    for (i = 0; i < sizeof(verify.paths) / sizeof(verify.paths[0]); i++) {
        free(verify.paths[i]);
    }

    free(verify.sets);
    json_decref(verify.warnings);

    return rc;
}
