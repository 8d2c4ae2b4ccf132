/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token jwt sign
 */

#include <stdio.h>
#include <stdlib.h>

#include "core/jose/at_jwk.h"
#include "core/jose/at_key.h"
#include "core/json/at_document.h"
#include "core/jose/at_jwt.h"
#include "core/jose/at_mint.h"
#include "cli/terminal/cli_options.h"


#define CLI_EXPIRES_DEFAULT  (30 * 60)


typedef struct {
    char        *key;
    char        *kid;
    char        *alg;
    char        *expires;
    int          no_expires;
    char        *not_before;
    char        *issued_at;
    char        *claims;
    cli_list_t   strings;       /* NAME=STRING */
    cli_list_t   jsons;         /* NAME=JSON */
} cli_sign_options_t;


/* value is a new reference that is taken, or NULL for what is no value */
static int
cli_claim_add(cli_t *cli, json_t *claims, const char *name, json_t *value)
{
    if (json_object_get(claims, name) != NULL) {
        json_decref(value);
        return cli_usage(cli, "the claim \"%s\" is given twice", name);
    }

    if (value == NULL || json_object_set_new(claims, name, value) != 0) {
        return cli_usage(cli, "the claim \"%s\" is not well-formed", name);
    }

    return 0;
}


static json_t *
cli_claim_string(const char *text)
{
    return json_string(text);
}


static json_t *
cli_claim_json(const char *text)
{
    return json_loadb(text, strlen(text),
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);
}


static int
cli_claims_add_list(cli_t *cli, json_t *claims, const char *option,
    const cli_list_t *list, json_t *(*parse)(const char *text))
{
    int     rc;
    char   *name, *text;
    size_t  i;

    for (i = 0; i < list->n; i++) {
        text = strchr(list->items[i], '=');

        if (text == NULL || text == list->items[i]) {
            return cli_usage(cli, "--%s is not of the form NAME=VALUE",
                             option);
        }

        name = strndup(list->items[i], (size_t) (text - list->items[i]));

        if (name == NULL) {
            return cli_no_memory(cli);
        }

        rc = cli_claim_add(cli, claims, name, parse(text + 1));
        free(name);

        if (rc != 0) {
            return -1;
        }
    }

    return 0;
}


static int
cli_claims_add_exp(cli_t *cli, json_t *claims, const cli_sign_options_t *sign,
    int64_t expires)
{
    int  given;

    given = json_object_get(claims, "exp") != NULL;

    if (sign->no_expires) {
        return given ? cli_usage(cli, "--no-expires, but the claims have exp")
                     : 0;
    }

    if (given && sign->expires == NULL) {
        return 0;
    }

    return cli_claim_add(cli, claims, "exp", json_integer(expires));
}


/* the claims that a token has unless the others say otherwise */
static int
cli_claims_add_times(cli_t *cli, json_t *claims, const cli_sign_options_t *sign)
{
    int64_t  issued_at, not_before, expires;

    issued_at = cli->now;
    expires = CLI_EXPIRES_DEFAULT;

    if (cli_time(cli, "issued-at", sign->issued_at, &issued_at) != 0
        || cli_time(cli, "not-before", sign->not_before, &not_before) != 0
        || cli_duration(cli, "expires", sign->expires, &expires) != 0)
    {
        return -1;
    }

    if (expires > CLI_TIME_MAX - cli->now) {
        return cli_usage(cli, "--expires is beyond the year 9999");
    }

    if (sign->not_before != NULL
        && cli_claim_add(cli, claims, "nbf", json_integer(not_before)) != 0)
    {
        return -1;
    }

    if ((sign->issued_at != NULL || json_object_get(claims, "iat") == NULL)
        && cli_claim_add(cli, claims, "iat", json_integer(issued_at)) != 0)
    {
        return -1;
    }

    return cli_claims_add_exp(cli, claims, sign, cli->now + expires);
}


/* the object to start from: that of --claims, or an empty one */
static json_t *
cli_claims_read(cli_t *cli, const char *path)
{
    json_t     *claims;
    at_file_t   file;

    if (path == NULL) {
        claims = json_object();

        if (claims == NULL) {
            (void) cli_no_memory(cli);
        }

        return claims;
    }

    if (cli_file_read(cli, &file, path, AT_JWT_LEN_MAX) != 0) {
        return NULL;
    }

    claims = at_document_parse((at_str_t) { file.data, file.len },
                               AT_JWT_LEN_MAX);

    if (!json_is_object(claims)) {
        json_decref(claims);
        claims = NULL;
        (void) cli_failure(cli, "--claims %s is not one JSON object, without "
                           "duplicate members and no larger than a token's",
                           path);
    }

    at_file_free(&file);

    return claims;
}


static json_t *
cli_claims_make(cli_t *cli, const cli_sign_options_t *sign)
{
    json_t  *claims;

    claims = cli_claims_read(cli, sign->claims);

    if (claims == NULL) {
        return NULL;
    }

    if (cli_claims_add_list(cli, claims, "claim", &sign->strings,
                            cli_claim_string) != 0
        || cli_claims_add_list(cli, claims, "claim-json", &sign->jsons,
                               cli_claim_json) != 0
        || cli_claims_add_times(cli, claims, sign) != 0)
    {
        json_decref(claims);
        return NULL;
    }

    return claims;
}


static int
cli_sign_check(cli_t *cli, const cli_sign_options_t *sign)
{
    if (sign->key == NULL) {
        return cli_usage(cli, "--key is missing");
    }

    if (sign->no_expires && sign->expires != NULL) {
        return cli_usage(cli, "--expires and --no-expires exclude each other");
    }

    if (sign->kid != NULL && !at_kid_is_valid(cli_str(sign->kid))) {
        return cli_usage(cli, "--kid is not one that the module accepts");
    }

    return 0;
}


static int
cli_sign_alg(cli_t *cli, const char *name, const at_mint_t *mint,
    at_alg_e *alg)
{
    if (name != NULL) {
        *alg = at_alg_find(cli_str(name));

        return *alg < AT_ALGS
               ? 0 : cli_usage(cli, "--alg is none of RS256, RS384, RS512, "
                               "ES256, ES384");
    }

    *alg = cli_default_alg(at_mint_algs(mint));

    return 0;
}


static int
cli_sign_print(cli_t *cli, const cli_sign_options_t *sign, at_alg_e used,
    json_t *claims, const char *token)
{
    at_str_t  alg;
    json_t   *report;

    if (!cli->json) {
        (void) puts(token);
        return cli_flush(cli);
    }

    alg = at_alg_name(used);

    report = json_pack("{s:s, s:s%, s:s?, s:O}",
                       "token", token,
                       "alg", alg.data, alg.len,
                       "kid", sign->kid,
                       "claims", claims);

    if (cli_print_json(cli, report) != 0) {
        return -1;
    }

    return cli_flush(cli);
}


static int
cli_sign_token(cli_t *cli, const cli_sign_options_t *sign, const at_mint_t *mint,
    json_t *claims)
{
    int          rc;
    char        *text, *token;
    at_alg_e     alg;
    at_error_t   err;

    if (cli_sign_alg(cli, sign->alg, mint, &alg) != 0) {
        return -1;
    }

    text = json_dumps(claims, JSON_COMPACT);

    if (text == NULL) {
        return cli_no_memory(cli);
    }

    token = at_mint_sign(mint, alg, cli_str(sign->kid), cli_str(text), &err);
    free(text);

    if (token == NULL) {
        return cli_failure(cli, "cannot sign with \"%s\": %s", sign->key,
                           err.text);
    }

    rc = cli_sign_print(cli, sign, alg, claims, token);
    at_mint_text_free(token);

    return rc;
}


static at_mint_t *
cli_sign_key(cli_t *cli, const char *path)
{
    at_file_t    file;
    at_mint_t   *mint;
    at_error_t   err;

    if (cli_file_read(cli, &file, path, CLI_KEY_FILE_MAX) != 0) {
        return NULL;
    }

    mint = at_mint_create((at_str_t) { file.data, file.len }, &err);
    at_file_free(&file);

    if (mint == NULL) {
        (void) cli_failure(cli, "--key %s: %s", path, err.text);
    }

    return mint;
}


static int
cli_sign_run(cli_t *cli, const cli_sign_options_t *sign)
{
    int         rc;
    json_t     *claims;
    at_mint_t  *mint;

    if (cli_sign_check(cli, sign) != 0) {
        return -1;
    }

    claims = cli_claims_make(cli, sign);

    if (claims == NULL) {
        return -1;
    }

    rc = -1;
    mint = cli_sign_key(cli, sign->key);

    if (mint != NULL) {
        rc = cli_sign_token(cli, sign, mint, claims);
    }

    at_mint_free(mint);
    json_decref(claims);

    return rc;
}


int
cli_jwt_sign(cli_t *cli, int argc, char **argv)
{
    int                 rc;
    cli_sign_options_t  sign = { 0 };

    const cli_option_t  table[] = {
        { "key",        CLI_TEXT, &sign.key },
        { "kid",        CLI_TEXT, &sign.kid },
        { "alg",        CLI_TEXT, &sign.alg },
        { "expires",    CLI_TEXT, &sign.expires },
        { "no-expires", CLI_FLAG, &sign.no_expires },
        { "not-before", CLI_TEXT, &sign.not_before },
        { "issued-at",  CLI_TEXT, &sign.issued_at },
        { "claims",     CLI_TEXT, &sign.claims },
        { "claim",      CLI_LIST, &sign.strings },
        { "claim-json", CLI_LIST, &sign.jsons },
        { NULL,         CLI_FLAG, NULL }
    };

    rc = cli_options(cli, argc, argv, table, NULL);

    if (rc == 0) {
        rc = cli_sign_run(cli, &sign);
    }

    free(sign.strings.items);
    free(sign.jsons.items);

    return rc;
}
