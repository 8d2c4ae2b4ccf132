/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token jwt sign
 */

#include <stdio.h>
#include <stdlib.h>

#include "core/base/at_crypto.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwt.h"
#include "core/jose/at_mint.h"
#include "cli/commands/cli_commands.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_options.h"


#define CLI_EXPIRES_DEFAULT  (30 * 60)


/* takes the reference, which is NULL for an invalid value */
static int
cli_claim_add(cli_t *cli, json_t *claims, const char *name, json_t *value)
{
    if (json_object_get(claims, name) != NULL) {
        json_decref(value);
        return cli_usage(cli, "claim \"%s\" is duplicate", name);
    }

    if (value == NULL || json_object_set_new(claims, name, value) != 0) {
        return cli_usage(cli, "invalid value of claim \"%s\"", name);
    }

    return 0;
}


static json_t *
cli_claim_json(const char *text)
{
    return json_loadb(text, strlen(text),
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);
}


/* NAME=VALUE of --claim or --claim-json */
static int
cli_claims_add_list(cli_t *cli, json_t *claims, const char *option,
    json_t *(*parse)(const char *text))
{
    int                rc;
    char              *name;
    size_t             i;
    const char        *item, *equals;
    const cli_list_t  *list;

    list = cli_list(cli, option);

    for (i = 0; i < list->n; i++) {
        item = list->items[i].data;
        equals = strchr(item, '=');

        if (equals == NULL || equals == item) {
            return cli_usage(cli, "invalid value in \"--%s\": use NAME=VALUE",
                             option);
        }

        name = strndup(item, (size_t) (equals - item));

        if (name == NULL) {
            return cli_no_memory(cli);
        }

        rc = cli_claim_add(cli, claims, name, parse(equals + 1));
        free(name);

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


/* iat, nbf and exp, unless the other claims have them */
static int
cli_claims_add_times(cli_t *cli, json_t *claims)
{
    int      has_exp;
    int64_t  issued_at, not_before, expires;

    issued_at = cli->now;
    expires = CLI_EXPIRES_DEFAULT;

    if (cli_exclusive(cli, "expires", "no-expires") != 0
        || cli_time(cli, "issued-at", &issued_at) != 0
        || cli_time(cli, "not-before", &not_before) != 0
        || cli_duration(cli, "expires", &expires) != 0)
    {
        return -1;
    }

    if (expires > CLI_TIME_MAX - cli->now) {
        return cli_invalid(cli, "expires", "the year 9999 is the last one");
    }

    if (cli_given(cli, "not-before")
        && cli_claim_add(cli, claims, "nbf", json_integer(not_before)) != 0)
    {
        return -1;
    }

    if ((cli_given(cli, "issued-at") || json_object_get(claims, "iat") == NULL)
        && cli_claim_add(cli, claims, "iat", json_integer(issued_at)) != 0)
    {
        return -1;
    }

    has_exp = json_object_get(claims, "exp") != NULL;

    if (cli_given(cli, "no-expires")) {
        return has_exp ? cli_usage(cli, "\"--no-expires\" is given, but the "
                                   "claims have \"exp\"") : 0;
    }

    return has_exp && !cli_given(cli, "expires")
           ? 0 : cli_claim_add(cli, claims, "exp",
                               json_integer(cli->now + expires));
}


static json_t *
cli_claims_read(cli_t *cli, const char *path)
{
    json_t     *claims;
    at_file_t   file;

    if (cli_file_read(cli, &file, path, AT_JWT_LEN_MAX) != 0) {
        return NULL;
    }

    claims = at_document_parse((at_str_t) { file.data, file.len },
                               AT_JWT_LEN_MAX);
    at_file_free(&file);

    if (!json_is_object(claims)) {
        json_decref(claims);
        claims = NULL;
        (void) cli_failure(cli, "\"%s\" is not a JSON object without "
                           "duplicate members", path);
    }

    return claims;
}


static at_mint_t *
cli_sign_key(cli_t *cli)
{
    at_file_t    file;
    at_mint_t   *mint;
    at_error_t   err;
    const char  *path;

    path = cli_text(cli, "key");

    if (cli_file_read(cli, &file, path, CLI_KEY_FILE_MAX) != 0) {
        return NULL;
    }

    mint = at_mint_create((at_str_t) { file.data, file.len }, &err);
    at_file_free(&file);

    if (mint == NULL) {
        (void) cli_failure(cli, "key \"%s\": %s", path, err.text);
    }

    return mint;
}


static int
cli_sign_token(cli_t *cli, const at_mint_t *mint, json_t *claims)
{
    int          rc;
    char        *text, *token;
    at_str_t     kid, name;
    at_alg_e     alg;
    at_error_t   err;

    kid = cli_str(cli_text(cli, "kid"));

    if (cli_given(cli, "kid") && !at_kid_is_valid(kid)) {
        return cli_invalid(cli, "kid", "use 1 to 1024 bytes of UTF-8");
    }

    alg = cli_given(cli, "alg") ? at_alg_find(cli_str(cli_text(cli, "alg")))
                                : at_alg_first(at_mint_algs(mint));

    if (alg == AT_ALGS) {
        return cli_invalid(cli, "alg", "use RS256, RS384, RS512, ES256, "
                           "ES384 or ES512");
    }

    text = json_dumps(claims, JSON_COMPACT);

    if (text == NULL) {
        return cli_no_memory(cli);
    }

    token = at_mint_sign(mint, alg, kid, cli_str(text), &err);
    free(text);

    if (token == NULL) {
        return cli_failure(cli, "cannot sign with \"%s\": %s",
                           cli_text(cli, "key"), err.text);
    }

    if (!cli->json) {
        (void) puts(token);
        rc = 0;

    } else {
        name = at_alg_name(alg);
        rc = cli_print_json(cli, json_pack("{s:s, s:s%, s:s?, s:O}",
                            "token", token, "alg", name.data, name.len,
                            "kid", kid.data, "claims", claims));
    }

    at_secret_free(token);

    return rc;
}


int
cli_jwt_sign(cli_t *cli)
{
    int          rc;
    json_t      *claims;
    at_mint_t   *mint;
    const char  *path;

    rc = -1;
    mint = NULL;
    path = cli_text(cli, "claims");
    claims = path != NULL ? cli_claims_read(cli, path) : json_object();

    if (claims == NULL) {
        return cli_no_memory(cli);      /* unless an error was reported */
    }

    if (cli_claims_add_list(cli, claims, "claim", json_string) == 0
        && cli_claims_add_list(cli, claims, "claim-json", cli_claim_json) == 0
        && cli_claims_add_times(cli, claims) == 0)
    {
        mint = cli_sign_key(cli);
        rc = mint != NULL ? cli_sign_token(cli, mint, claims) : -1;
    }

    at_mint_free(mint);
    json_decref(claims);

    return rc;
}
