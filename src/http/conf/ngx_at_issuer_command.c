/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The directives of the block "auth_token_issuer".
 */

#include "http/conf/ngx_at_conf.h"

#include "core/jose/at_key.h"

#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/keys/ngx_at_signing_key.h"


#define NGX_AT_ARGS_UNLIMITED  ((ngx_uint_t) -1)


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


/* NULL: no such directive */

static const ngx_at_issuer_command_t *
ngx_at_issuer_find_command(const ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_AT_ISSUER_COMMANDS; i++) {
        if (ngx_at_str_equal(&ngx_at_issuer_commands[i].name, name)) {
            return &ngx_at_issuer_commands[i];
        }
    }

    return NULL;
}


static char *
ngx_at_issuer_run_command(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    const ngx_at_issuer_command_t *command)
{
    void        *field;
    ngx_str_t   *value;
    ngx_uint_t   word;

    value = cf->args->elts;
    field = (u_char *) issuer + command->offset;

    if (command->parameters) {
        return ngx_at_conf_parse_parameters(cf, 1, command->parameters,
                                            issuer);
    }

    if (command->set) {
        return command->set(cf, issuer, value, field);
    }

    if (ngx_at_conf_parse_word(cf, &value[1], command->words, &word)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    *(unsigned *) field = word;

    return NGX_CONF_OK;
}


/* called by ngx_conf_parse() for each directive of the block */

static char *
ngx_at_issuer_run_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_at_issuer_parser_t *parser = conf;

    char                           *rc;
    ngx_str_t                      *name;
    ngx_uint_t                      n;
    ngx_at_conf_position_t         *position;
    const ngx_at_issuer_command_t  *command;

    name = cf->args->elts;
    n = cf->args->nelts;
    command = ngx_at_issuer_find_command(name);

    if (command == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in \"auth_token_issuer\"",
                           name);
        return NGX_CONF_ERROR;
    }

    if (n < command->min || n > command->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           name);
        return NGX_CONF_ERROR;
    }

    if (ngx_at_issuer_position(parser, (char *) name->data)
        && !command->repeated)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" directive is duplicate", name);
        return NGX_CONF_ERROR;
    }

    position = ngx_at_conf_push(cf, &parser->positions,
                                sizeof(ngx_at_conf_position_t));
    if (position == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_at_conf_note_position(cf, position);

    if (ngx_at_conf_record(cf, parser->issuer) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_at_issuer_run_command(cf, parser->issuer, command);

    if (rc == NGX_CONF_OK || rc == NGX_CONF_ERROR) {
        return rc;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s", name, rc);

    return NGX_CONF_ERROR;
}


char *
ngx_at_issuer_parse(ngx_conf_t *cf, ngx_at_issuer_parser_t *parser)
{
    char        *rc;
    ngx_conf_t   save;

    save = *cf;
    cf->handler = ngx_at_issuer_run_directive;
    cf->handler_conf = (void *) parser;

    rc = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rc;
}


const ngx_at_conf_position_t *
ngx_at_issuer_position(const ngx_at_issuer_parser_t *parser, const char *name)
{
    ngx_uint_t               i;
    ngx_at_conf_position_t  *position;

    position = parser->positions.elts;

    for (i = 0; i < parser->positions.nelts; i++) {
        if (ngx_strcmp(position[i].directive.data, name) == 0) {
            return &position[i];
        }
    }

    return NULL;
}
