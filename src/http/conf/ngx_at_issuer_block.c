/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The block "auth_token_issuer": its directives, defaults and checks.
 */

#include "http/conf/ngx_at_conf.h"

#include "core/jose/at_key.h"

#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/keys/ngx_at_signing_key.h"


#define NGX_AT_ISSUER_NAME_MAX  64
#define NGX_AT_ARGS_UNLIMITED   ((ngx_uint_t) -1)

#define ngx_at_claim_name(name)  ((at_claim_path_t) { 1, { at_str(name) } })


typedef struct {
    ngx_str_t     name;
    ngx_uint_t    min;                          /* arguments with the name */
    ngx_uint_t    max;

    /* one of three; value: the arguments, value[0] is the name */
    char        *(*set)(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
                        ngx_str_t *value, void *field);
    const ngx_at_conf_parameter_t  *parameters; /* of the issuer */
    const ngx_conf_enum_t          *words;      /* the field is unsigned */

    size_t        offset;                       /* of field in the issuer */
    ngx_uint_t    repeated;                     /* may occur more than once */
} ngx_at_issuer_command_t;


static const at_claim_path_t  ngx_at_entra_client_claims[] = {
    { 1, { at_str("azp") } }, { 1, { at_str("appid") } }
};


/* --- directives of the block --------------------------------------------- */


/* NULL: an argument is empty, or no memory */

static at_str_t *
ngx_at_copy_arguments(ngx_conf_t *cf)
{
    at_str_t    *views;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    views = ngx_palloc(cf->pool, cf->args->nelts * sizeof(at_str_t));
    if (views == NULL) {
        return NULL;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (value[i].len == 0) {
            (void) ngx_at_conf_invalid_value(cf, &value[i],
                                             "use a value that is not empty");
            return NULL;
        }

        views[i - 1] = ngx_at_view(value[i]);
    }

    return views;
}


static char *
ngx_at_issuer_set_issuer(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    issuer->requirements.issuers = ngx_at_copy_arguments(cf);
    issuer->requirements.n_issuers = cf->args->nelts - 1;

    return issuer->requirements.issuers ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* "any", or ["clients" ["any"]] [VALUE ...] */

static char *
ngx_at_issuer_set_audience(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    at_str_t     *audiences;
    ngx_uint_t    i;
    at_issuer_t  *requirements;

    requirements = &issuer->requirements;
    i = 1;

    if (ngx_at_str_is(&value[1], "clients")) {
        requirements->token_client_audience = 1;
        i++;

        if (cf->args->nelts > 2 && ngx_at_str_is(&value[2], "any")) {
            requirements->any_client_audience = 1;
            i++;
        }

    } else if (ngx_at_str_is(&value[1], "any") && cf->args->nelts == 2) {
        requirements->any_audience = 1;
        return NGX_CONF_OK;
    }

    audiences = ngx_at_copy_arguments(cf);
    if (audiences == NULL) {
        return NGX_CONF_ERROR;
    }

    requirements->audiences = audiences + i - 1;
    requirements->n_audiences = cf->args->nelts - i;

    for ( /* void */ ; i < cf->args->nelts; i++) {
        if (ngx_at_str_is(&value[i], "any")) {
            return "cannot combine \"any\" with other values";
        }

        if (ngx_at_str_is(&value[i], "clients")) {
            return "must have \"clients\" before other values";
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_algorithms(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    at_alg_e    alg;
    ngx_uint_t  i;

    issuer->requirements.algs = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        alg = at_alg_find(ngx_at_view(value[i]));

        if (alg == AT_ALGS) {
            return ngx_at_conf_invalid_value(cf, &value[i],
                       "use \"RS256\", \"RS384\", \"RS512\", \"PS256\", "
                       "\"PS384\", \"PS512\", \"ES256\", \"ES384\", "
                       "\"ES512\", \"EdDSA\" or \"Ed25519\"");
        }

        issuer->requirements.algs |= at_alg_bit(alg);
    }

    return NGX_CONF_OK;
}


/* "absent" allows a header without typ */

static char *
ngx_at_issuer_set_typ(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    at_str_t    *typs;
    ngx_uint_t   i, n;

    typs = ngx_at_copy_arguments(cf);
    if (typs == NULL) {
        return NGX_CONF_ERROR;
    }

    issuer->requirements.typ_absent = 0;
    n = 0;

    for (i = 0; i < cf->args->nelts - 1; i++) {
        if (at_str_equal(typs[i], at_str("absent"))) {
            issuer->requirements.typ_absent = 1;

        } else {
            typs[n++] = typs[i];
        }
    }

    issuer->requirements.typs = typs;
    issuer->requirements.n_typs = n;

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_time(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    int64_t *seconds = field;

    ngx_int_t  time;

    time = ngx_parse_time(&value[1], 1);

    if (time == NGX_ERROR) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "use a time, for example \"30s\"");
    }

    *seconds = time;

    return NGX_CONF_OK;
}


static char *
ngx_at_issuer_set_user_claim(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    if (cf->args->nelts == 3) {

        if (ngx_at_str_is(&value[2], "required")) {
            issuer->requirements.user_required = 1;

        } else if (ngx_at_str_is(&value[2], "optional")) {
            issuer->requirements.user_optional = 1;

        } else {
            return ngx_at_conf_invalid_value(cf, &value[2],
                                      "use \"required\" or \"optional\"");
        }
    }

    return ngx_at_conf_parse_claim_path(cf, &value[1], field);
}


static char *
ngx_at_issuer_set_scope_claim(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    return ngx_at_conf_parse_claim_path(cf, &value[1], field);
}


static char *
ngx_at_issuer_set_admin_claim(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    if (ngx_at_str_is(&value[1], "off")) {
        issuer->requirements.admin_claim.n = 0;
        return NGX_CONF_OK;
    }

    return ngx_at_conf_parse_claim_path(cf, &value[1], field);
}


static char *
ngx_at_issuer_include(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    return ngx_conf_include(cf, NULL, NULL);
}


/* the first claim of the list that a token has identifies the client */

static char *
ngx_at_issuer_set_client_claim(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    ngx_uint_t        i, n;
    at_issuer_t      *requirements;
    at_claim_path_t  *paths;

    requirements = &issuer->requirements;
    n = cf->args->nelts - 1;

    paths = ngx_pcalloc(cf->pool, n * sizeof(at_claim_path_t));
    if (paths == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (ngx_at_str_is(&value[i + 1], "entra")) {

            if (n != 1) {
                return "cannot combine \"entra\" with other values";
            }

            requirements->entra = 1;
            requirements->client_claims = ngx_at_entra_client_claims;
            requirements->n_client_claims = 2;
            return NGX_CONF_OK;
        }

        if (ngx_at_conf_parse_claim_path(cf, &value[i + 1], &paths[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    requirements->client_claims = paths;
    requirements->n_client_claims = n;

    return NGX_CONF_OK;
}


#define ngx_at_requirement(member)                                            \
    offsetof(ngx_at_issuer_t, requirements.member)

static const ngx_conf_enum_t  ngx_at_rights_words[] = {
    { ngx_string("role"), AT_CLIENT_RIGHTS_ROLE },
    { ngx_string("token"), AT_CLIENT_RIGHTS_TOKEN },
    { ngx_string("both"), AT_CLIENT_RIGHTS_BOTH },
    { ngx_null_string, 0 }
};

/* the values of no_users, any_kind and ignore_cnf */

static const ngx_conf_enum_t  ngx_at_delegated_words[] = {
    { ngx_string("on"), 0 }, { ngx_string("off"), 1 }, { ngx_null_string, 0 }
};

static const ngx_conf_enum_t  ngx_at_token_kind_words[] = {
    { ngx_string("access"), 0 }, { ngx_string("any"), 1 },
    { ngx_null_string, 0 }
};

static const ngx_conf_enum_t  ngx_at_cnf_words[] = {
    { ngx_string("refuse"), 0 }, { ngx_string("ignore"), 1 },
    { ngx_null_string, 0 }
};


static const ngx_at_issuer_command_t  ngx_at_issuer_commands[] = {

    { ngx_string("issuer"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_issuer },

    { ngx_string("audience"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_audience },

    { ngx_string("algorithms"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_algorithms },

    { ngx_string("typ"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_typ },

    { ngx_string("key_file"), 2, 2,
      .set = ngx_at_issuer_set_key_file, .repeated = 1 },

    { ngx_string("jwks_uri"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_jwks_uri, .repeated = 1 },

    { ngx_string("discovery"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_discovery },

    { ngx_string("leeway"), 2, 2,
      .set = ngx_at_issuer_set_time, .offset = ngx_at_requirement(leeway) },

    { ngx_string("max_age"), 2, 2,
      .set = ngx_at_issuer_set_time, .offset = ngx_at_requirement(max_age) },

    { ngx_string("user_claim"), 2, 3,
      .set = ngx_at_issuer_set_user_claim,
      .offset = ngx_at_requirement(user_claim) },

    { ngx_string("scope_claim"), 2, 2,
      .set = ngx_at_issuer_set_scope_claim,
      .offset = ngx_at_requirement(scope_claim) },

    { ngx_string("admin_claim"), 2, 2,
      .set = ngx_at_issuer_set_admin_claim,
      .offset = ngx_at_requirement(admin_claim) },

    { ngx_string("client_claim"), 2, NGX_AT_ARGS_UNLIMITED,
      .set = ngx_at_issuer_set_client_claim },

    { ngx_string("rights"), 2, 2,
      .words = ngx_at_rights_words,
      .offset = ngx_at_requirement(client_rights) },

    { ngx_string("delegated"), 2, 2,
      .words = ngx_at_delegated_words,
      .offset = ngx_at_requirement(no_users) },

    { ngx_string("token_kind"), 2, 2,
      .words = ngx_at_token_kind_words,
      .offset = ngx_at_requirement(any_kind) },

    { ngx_string("cnf"), 2, 2,
      .words = ngx_at_cnf_words, .offset = ngx_at_requirement(ignore_cnf) },

    { ngx_string("signing_key"), 2, 3,
      .set = ngx_at_issuer_set_signing_key, .repeated = 1 },

    { ngx_string("access_token"), 2, NGX_AT_ARGS_UNLIMITED,
      .parameters = ngx_at_access_token_parameters },

    { ngx_string("refresh_token"), 2, NGX_AT_ARGS_UNLIMITED,
      .parameters = ngx_at_refresh_token_parameters },

    { ngx_string("password"), 2, NGX_AT_ARGS_UNLIMITED,
      .parameters = ngx_at_password_parameters },

    { ngx_string("include"), 2, 2,
      .set = ngx_at_issuer_include, .repeated = 1 },
};

#define NGX_AT_ISSUER_COMMANDS                                                \
    (sizeof(ngx_at_issuer_commands) / sizeof(ngx_at_issuer_command_t))

typedef struct {
    ngx_at_issuer_t         *issuer;

    /* of each command, the last one; line 0: not configured */
    ngx_at_conf_position_t   positions[NGX_AT_ISSUER_COMMANDS];
} ngx_at_issuer_parser_t;


/* --- the block ----------------------------------------------------------- */


/* NGX_AT_ISSUER_COMMANDS: no such directive */

static ngx_uint_t
ngx_at_issuer_find_command(const ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_AT_ISSUER_COMMANDS; i++) {
        if (ngx_at_str_equal(&ngx_at_issuer_commands[i].name, name)) {
            break;
        }
    }

    return i;
}


/* called by ngx_conf_parse() for each directive of the block */

static char *
ngx_at_issuer_run_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_at_issuer_parser_t *parser = conf;

    char                           *rc;
    void                           *field;
    ngx_str_t                      *name;
    ngx_uint_t                      i, n, word;
    const ngx_at_issuer_command_t  *command;

    name = cf->args->elts;
    n = cf->args->nelts;
    i = ngx_at_issuer_find_command(name);

    if (i == NGX_AT_ISSUER_COMMANDS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in \"auth_token_issuer\"",
                           name);
        return NGX_CONF_ERROR;
    }

    command = &ngx_at_issuer_commands[i];

    if (n < command->min || n > command->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           name);
        return NGX_CONF_ERROR;
    }

    field = (u_char *) parser->issuer + command->offset;

    if (parser->positions[i].line && !command->repeated) {
        rc = "is duplicate";

    } else if (command->parameters) {
        rc = ngx_at_conf_parse_parameters(cf, 1, command->parameters,
                                          parser->issuer);

    } else if (command->words) {
        rc = ngx_at_conf_parse_word(cf, &name[1], command->words, &word);

        if (rc == NGX_CONF_OK) {
            *(unsigned *) field = word;
        }

    } else {
        rc = command->set(cf, parser->issuer, name, field);
    }

    ngx_at_conf_note_position(cf, &parser->positions[i]);

    if (rc == NGX_CONF_OK || rc == NGX_CONF_ERROR) {
        return rc;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s", name, rc);
    return NGX_CONF_ERROR;
}


static const ngx_at_conf_position_t *
ngx_at_issuer_position(const ngx_at_issuer_parser_t *parser, const char *name)
{
    ngx_str_t  directive;

    directive.data = (u_char *) name;
    directive.len = ngx_strlen(name);

    return &parser->positions[ngx_at_issuer_find_command(&directive)];
}


static ngx_uint_t
ngx_at_issuer_has(const ngx_at_issuer_parser_t *parser, const char *name)
{
    return ngx_at_issuer_position(parser, name)->line != 0;
}


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

    if (ngx_at_issuer_has(parser, "password")) {
        parser->issuer->has_users = 1;
    }

    /* a provider whose keys are fetched must not appoint administrators */

    if (!ngx_at_issuer_has(parser, "admin_claim")
        && !requirements->entra && parser->issuer->sources.nelts == 0)
    {
        requirements->admin_claim = ngx_at_claim_name("isAdmin");
    }

    /* programs have no user */

    if (!ngx_at_issuer_has(parser, "user_claim")
        && requirements->n_client_claims)
    {
        requirements->user_optional = 1;
    }

    if (!requirements->entra) {
        return;
    }

    /* the rules of CIPP */

    if (!ngx_at_issuer_has(parser, "rights")) {
        requirements->client_rights = AT_CLIENT_RIGHTS_ROLE;
    }

    if (!ngx_at_issuer_has(parser, "delegated")) {
        requirements->no_users = 1;
    }

    /* Entra never reuses the object id of a user or an application */

    if (!ngx_at_issuer_has(parser, "user_claim")) {
        requirements->user_claim = ngx_at_claim_name("oid");
    }
}


static ngx_uint_t
ngx_at_is_issuer_name(const ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            && !(c >= '0' && c <= '9')
            && c != '_' && c != '-' && c != '.')
        {
            return 0;
        }
    }

    return name->len != 0 && name->len <= NGX_AT_ISSUER_NAME_MAX;
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
           : ngx_at_issuer_has(parser, "rights") ? "rights" : NULL;
    value = requirements->token_client_audience ? " clients"
            : requirements->no_users ? " off" : "";

    if (name && requirements->n_client_claims == 0) {
        return ngx_at_conf_error_at(cf, ngx_at_issuer_position(parser, name),
                   "\"%s%s\" requires \"client_claim\" in "
                   "\"auth_token_issuer %V\"", name, value, &issuer->name);
    }

    if (requirements->entra && ngx_at_issuer_has(parser, "scope_claim")
        && !ngx_at_issuer_has(parser, "rights"))
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

    char                    *rc;
    ngx_str_t               *name;
    ngx_conf_t               save;
    ngx_at_issuer_t         *issuer, **p;
    ngx_at_issuer_parser_t   parser;

    name = (ngx_str_t *) cf->args->elts + 1;

    if (!ngx_at_is_issuer_name(name)) {
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

    save = *cf;
    cf->handler = ngx_at_issuer_run_directive;
    cf->handler_conf = (void *) &parser;

    rc = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rc != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    issuer->client_claim_position = *ngx_at_issuer_position(&parser,
                                                            "client_claim");
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
