/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The block "auth_token_issuer": defaults and checks.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/jose/at_key.h"

#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/keys/ngx_at_signing_key.h"


#define NGX_AT_ISSUER_NAME_MAX  64

#define ngx_at_claim_name(name)  ((at_claim_path_t) { 1, { at_str(name) } })


static ngx_at_issuer_t *
ngx_at_issuer_create(ngx_conf_t *cf, ngx_str_t *name)
{
    at_issuer_t      *requirements;
    ngx_at_issuer_t  *issuer;

    issuer = ngx_pcalloc(cf->pool, sizeof(ngx_at_issuer_t));
    if (issuer == NULL) {
        return NULL;
    }

    issuer->name = *name;

    requirements = &issuer->requirements;
    requirements->name = ngx_at_view(*name);
    requirements->algs = at_alg_bit(AT_RS256);
    requirements->max_age = AT_NO_MAX_AGE;
    requirements->typs = at_default_typs;
    requirements->n_typs = AT_DEFAULT_TYPS;
    requirements->typ_absent = 1;

    requirements->user_claim = ngx_at_claim_name("username");
    requirements->scope_claim = ngx_at_claim_name("scope");

    ngx_str_set(&issuer->access_cookie, "accessToken");
    ngx_str_set(&issuer->access_scope.path, "/");
    ngx_str_set(&issuer->access_scope.same_site, "Strict");
    issuer->access_expires = 30 * 60;

    ngx_str_set(&issuer->refresh_cookie, "refreshToken");
    ngx_str_set(&issuer->refresh_scope.path, "/api/auth/token");
    ngx_str_set(&issuer->refresh_scope.same_site, "Strict");
    issuer->refresh_expires = 24 * 60 * 60;
    issuer->refresh_length = 80;
    issuer->refresh_grace = 5000;
    issuer->refreshes_per_minute = 60;
    issuer->sessions_per_user = 100;
    issuer->address_failures = 240;

    issuer->password_cache_time = 60;
    issuer->max_failures = 10;
    issuer->failures_interval = 60;

    return issuer;
}


/* defaults that depend on other directives of the block */

static void
ngx_at_issuer_apply_defaults(const ngx_at_issuer_parser_t *parser)
{
    at_issuer_t  *requirements;

    requirements = &parser->issuer->requirements;

    if (ngx_at_issuer_position(parser, "password")) {
        parser->issuer->has_users = 1;
    }

    /* a provider whose keys are fetched must not appoint administrators */

    if (!ngx_at_issuer_position(parser, "admin_claim")
        && !requirements->entra && parser->issuer->sources.nelts == 0)
    {
        requirements->admin_claim = ngx_at_claim_name("isAdmin");
    }

    if (requirements->n_client_claims) {
        parser->issuer->client_claim_position =
                               *ngx_at_issuer_position(parser, "client_claim");

        /* programs have no user */

        if (!ngx_at_issuer_position(parser, "user_claim")) {
            requirements->user_optional = 1;
        }
    }

    if (!requirements->entra) {
        return;
    }

    /* the rules of CIPP */

    if (!ngx_at_issuer_position(parser, "rights")) {
        requirements->client_rights = AT_CLIENT_RIGHTS_ROLE;
    }

    if (!ngx_at_issuer_position(parser, "delegated")) {
        requirements->no_users = 1;
    }

    /* Entra never reuses the object id of a user or an application */

    if (!ngx_at_issuer_position(parser, "user_claim")) {
        requirements->user_claim = ngx_at_claim_name("oid");
    }
}


/* the directive that the block lacks, or NULL */

static char *
ngx_at_issuer_find_missing(const ngx_at_issuer_t *issuer)
{
    const at_issuer_t  *requirements;

    requirements = &issuer->requirements;

    if (requirements->n_issuers == 0) {
        return "issuer";
    }

    if (requirements->n_audiences == 0 && !requirements->token_client_audience
        && (!requirements->any_audience || issuer->signing_keys.nelts))
    {
        return requirements->any_audience ? "audience VALUE" : "audience";
    }

    if (issuer->key_files.nelts == 0 && issuer->sources.nelts == 0
        && issuer->signing_keys.nelts == 0)
    {
        return "key_file\", \"jwks_uri\", \"discovery\" or \"signing_key";
    }

    return NULL;
}


static ngx_int_t
ngx_at_issuer_check(ngx_conf_t *cf, const ngx_at_issuer_parser_t *parser)
{
    char                   *missing, *name, *value;
    const at_issuer_t      *requirements;
    const ngx_at_issuer_t  *issuer;

    issuer = parser->issuer;
    requirements = &issuer->requirements;
    missing = ngx_at_issuer_find_missing(issuer);

    if (missing) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"%s\" in \"auth_token_issuer %V\"",
                           missing, &issuer->name);
        return NGX_ERROR;
    }

    /* the directive that has an effect with "client_claim" only */

    name = requirements->token_client_audience ? "audience"
           : requirements->no_users ? "delegated"
           : ngx_at_issuer_position(parser, "rights") ? "rights" : NULL;
    value = requirements->token_client_audience ? " clients"
            : requirements->no_users ? " off" : "";

    if (name && requirements->n_client_claims == 0) {
        return ngx_at_conf_error_at(cf, ngx_at_issuer_position(parser, name),
                   "\"%s%s\" requires \"client_claim\" in "
                   "\"auth_token_issuer %V\"", name, value, &issuer->name);
    }

    if (requirements->entra && ngx_at_issuer_position(parser, "scope_claim")
        && !ngx_at_issuer_position(parser, "rights"))
    {
        ngx_at_conf_warn_at(cf, ngx_at_issuer_position(parser, "scope_claim"),
            "\"scope_claim\" of \"auth_token_issuer %V\" grants nothing with "
            "\"client_claim entra\": use \"rights both\" or \"rights role\"",
            &issuer->name);
    }

    return ngx_at_check_cookies(cf, issuer);
}


ngx_at_issuer_t *
ngx_at_issuer_find(const ngx_at_main_conf_t *atmcf, const ngx_str_t *name)
{
    ngx_uint_t         i;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        if (ngx_at_str_equal(&issuers[i]->name, name)) {
            return issuers[i];
        }
    }

    return NULL;
}


char *
ngx_at_issuer_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t               *name;
    ngx_at_issuer_t         *issuer, **p;
    ngx_at_issuer_parser_t   parser;

    name = (ngx_str_t *) cf->args->elts + 1;

    if (name->len == 0 || name->len > NGX_AT_ISSUER_NAME_MAX
        || !at_str_has_only(ngx_at_view(*name), at_str(AT_ALPHANUMERIC "_-.")))
    {
        return ngx_at_conf_invalid_value(cf, name,
                   "use 1 to 64 of the characters a-z, A-Z, 0-9, \"_\", "
                   "\"-\" and \".\"");
    }

    if (ngx_at_issuer_find(atmcf, name)) {
        return ngx_at_conf_duplicate_value(cf, name);
    }

    issuer = ngx_at_issuer_create(cf, name);
    p = ngx_at_conf_push(cf, &atmcf->issuers, sizeof(ngx_at_issuer_t *));

    if (issuer == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = issuer;

    ngx_memzero(&parser, sizeof(ngx_at_issuer_parser_t));
    parser.issuer = issuer;

    if (ngx_at_issuer_parse(cf, &parser) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_at_issuer_apply_defaults(&parser);

    if (ngx_at_issuer_check(cf, &parser) != NGX_OK
        || ngx_at_key_sources_resolve(cf, issuer) != NGX_CONF_OK
        || ngx_at_signing_keys_load(cf, issuer) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_at_keys_load(cf, atmcf, issuer);
}


ngx_int_t
ngx_at_check_issuers(ngx_conf_t *cf, const ngx_at_main_conf_t *atmcf)
{
    ngx_uint_t         i;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        if (issuers[i]->requirements.n_client_claims
            && atmcf->store_path.data == NULL)
        {
            return ngx_at_conf_error_at(cf, &issuers[i]->client_claim_position,
                       "\"client_claim\" of \"auth_token_issuer %V\" requires "
                       "\"auth_token_store\"", &issuers[i]->name);
        }
    }

    return NGX_OK;
}
