/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Variables.  An identity is shown while it is verified and the access phase
 * has not run, and afterwards if this module has granted; never else.  Each is
 * safe to put in a header.
 */

#include "http/access/ngx_at_variables.h"

#include "core/authz/at_cache.h"
#include "core/authz/at_endpoint.h"
#include "core/authz/at_identity.h"
#include "core/authz/at_scope.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/json/at_claim.h"
#include "core/json/at_value.h"

#include "http/access/ngx_at_access.h"
#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/request/ngx_at_credential.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_CLAIM_PREFIX  "auth_token_claim_"


/* "auth_token_claim" */
typedef struct {
    ngx_str_t        issuer;    /* of this one's tokens only, or empty */
    at_claim_path_t  path;
} ngx_at_claim_t;


static ngx_int_t ngx_at_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_reason_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_issuer_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_endpoint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_scope_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_subject_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_fingerprint_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_keys_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_named_claim_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_cache_status_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_cache_counter_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_at_verify_time_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_at_variables[] = {

    { ngx_string("auth_token_status"), NULL,
      ngx_at_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_reason"), NULL,
      ngx_at_reason_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_method"), NULL,
      ngx_at_method_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_issuer"), NULL,
      ngx_at_issuer_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_user"), NULL,
      ngx_at_identity_variable, offsetof(at_identity_t, user),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_client"), NULL,
      ngx_at_identity_variable, offsetof(at_identity_t, client),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_role"), NULL,
      ngx_at_identity_variable, offsetof(at_identity_t, role),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_endpoint"), NULL,
      ngx_at_endpoint_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_scope"), NULL,
      ngx_at_scope_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_subject"), NULL,
      ngx_at_subject_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_fingerprint"), NULL,
      ngx_at_fingerprint_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_status"), NULL,
      ngx_at_cache_status_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_hits"), NULL,
      ngx_at_cache_counter_variable,
      offsetof(at_cache_stats_t, hits), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_misses"), NULL,
      ngx_at_cache_counter_variable,
      offsetof(at_cache_stats_t, misses), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_evictions"), NULL,
      ngx_at_cache_counter_variable,
      offsetof(at_cache_stats_t, evictions), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_entries"), NULL,
      ngx_at_cache_counter_variable,
      offsetof(at_cache_stats_t, entries), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_cache_bytes"), NULL,
      ngx_at_cache_counter_variable,
      offsetof(at_cache_stats_t, bytes), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_verify_time"), NULL,
      ngx_at_verify_time_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("auth_token_keys"), NULL,
      ngx_at_keys_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string(NGX_AT_CLAIM_PREFIX), NULL,
      ngx_at_named_claim_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


/* --- what may be shown --------------------------------------------------- */


/* no handler of the access phase is to come for this run of the phases */

static ngx_uint_t
ngx_at_access_is_over(ngx_http_request_t *r)
{
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    if (r->header_sent) {
        return 1;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (ph += r->phase_handler; ph->checker; ph++) {
        if (ph->checker == ngx_http_core_post_access_phase) {
            return 0;
        }
    }

    return 1;
}


/*
 * A subrequest sees what is known of the main request: the access phase does
 * not run for it.
 */

static ngx_at_ctx_t *
ngx_at_variable_ctx(ngx_http_request_t *r)
{
    const at_endpoint_t  *endpoint;
    ngx_at_ctx_t         *ctx;
    const ngx_at_loc_conf_t    *atcf;

    r = r->main;

    ctx = ngx_at_find_ctx(r);
    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (!atcf->enable
        || (ctx && ctx->conf == atcf && !ctx->anonymous)
        || ngx_at_access_is_over(r))
    {
        return ctx;
    }

    if (ngx_at_request_is_public(r, atcf, &endpoint)) {
        return NULL;
    }

    ctx = ngx_at_get_ctx(r);

    if (ctx) {
        (void) ngx_at_authenticate(r, atcf, ctx);
    }

    return ctx;
}


/* NULL where nobody may be shown */

static ngx_at_ctx_t *
ngx_at_granted_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_variable_ctx(r);

    if (ctx == NULL) {
        return NULL;
    }

    if (ctx->phase == NGX_AT_GRANTED) {
        return ctx;
    }

    return ctx->phase == NGX_AT_UNDECIDED && ctx->authenticated == AT_OK
           && !ngx_at_access_is_over(r->main) ? ctx : NULL;
}


/*
 * Control characters would end a header; a space at an end is lost on the way,
 * so that two users would become one.
 */

static ngx_uint_t
ngx_at_is_header_safe(ngx_str_t *s)
{
    if (s->len && (s->data[0] == ' ' || s->data[s->len - 1] == ' ')) {
        return 0;
    }

    return ngx_at_is_printable(s);
}


static ngx_int_t
ngx_at_variable_set_value(ngx_http_variable_value_t *v, ngx_str_t s)
{
    if (s.len == 0 || !ngx_at_is_header_safe(&s)) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_at_variable_set_view(ngx_http_variable_value_t *v, at_str_t view)
{
    return ngx_at_variable_set_value(v, ngx_at_from_view(view));
}


static ngx_int_t
ngx_at_variable_set_not_found(ngx_http_variable_value_t *v)
{
    v->not_found = 1;

    return NGX_OK;
}


/* --- the decision -------------------------------------------------------- */


/* empty until the access phase has run here */

static ngx_at_ctx_t *
ngx_at_decided_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_find_ctx(r->main);

    return ctx && ctx->phase != NGX_AT_UNDECIDED ? ctx : NULL;
}


static ngx_int_t
ngx_at_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_decided_ctx(r);

    return ctx ? ngx_at_variable_set_view(v,
                     at_code_info(at_verdict_info(ctx->verdict)->code)->name)
               : ngx_at_variable_set_not_found(v);
}


static ngx_int_t
ngx_at_reason_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_decided_ctx(r);

    return ctx ? ngx_at_variable_set_view(v,
                                        at_verdict_info(ctx->verdict)->reason)
               : ngx_at_variable_set_not_found(v);
}


/* --- the identity -------------------------------------------------------- */


static ngx_int_t
ngx_at_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    return ctx ? ngx_at_variable_set_value(v,
                                           ngx_at_kind_name(ctx->kind))
               : ngx_at_variable_set_not_found(v);
}


static ngx_int_t
ngx_at_issuer_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    return ctx && ctx->identity->issuer
           ? ngx_at_variable_set_view(v, ctx->identity->issuer->name)
           : ngx_at_variable_set_not_found(v);
}


/* data is the offset of a view in the identity */

static ngx_int_t
ngx_at_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    return ctx ? ngx_at_variable_set_view(v,
                           *(at_str_t *) ((u_char *) ctx->identity + data))
               : ngx_at_variable_set_not_found(v);
}


/* the row of the catalogue that access was granted by */

static ngx_int_t
ngx_at_endpoint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    return ctx && ctx->endpoint
           ? ngx_at_variable_set_view(v, ctx->endpoint->text)
           : ngx_at_variable_set_not_found(v);
}


/* RFC 6749 section 3.3: separated by spaces */

static ngx_int_t
ngx_at_scope_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char             *p;
    size_t              i, len;
    ngx_str_t           s;
    const at_scopes_t  *scopes;
    ngx_at_ctx_t       *ctx;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL || ctx->identity->rights.scopes.n == 0) {
        return ngx_at_variable_set_not_found(v);
    }

    scopes = &ctx->identity->rights.scopes;
    len = 0;

    for (i = 0; i < scopes->n; i++) {
        len += scopes->items[i].len + 1;
    }

    s.data = ngx_pnalloc(r->pool, len);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    p = s.data;

    for (i = 0; i < scopes->n; i++) {
        if (i) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, scopes->items[i].data, scopes->items[i].len);
    }

    s.len = p - s.data;

    return ngx_at_variable_set_value(v, s);
}


static ngx_int_t
ngx_at_variable_set_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const at_value_t *claim)
{
    ssize_t    len;
    ngx_str_t  s;

    if (claim == NULL) {
        return ngx_at_variable_set_not_found(v);
    }

    len = at_claim_to_text(claim, NULL, 0);
    if (len < 0) {
        return NGX_ERROR;
    }

    s.len = len;
    s.data = ngx_pnalloc(r->pool, s.len + 1);

    if (s.data == NULL
        || at_claim_to_text(claim, (char *) s.data, s.len) != len)
    {
        return NGX_ERROR;
    }

    return ngx_at_variable_set_value(v, s);
}


static ngx_int_t
ngx_at_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_claim_t *claim = (ngx_at_claim_t *) data;

    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL || ctx->identity->issuer == NULL
        || (claim->issuer.len
            && !at_str_equal(ctx->identity->issuer->name,
                             ngx_at_view(claim->issuer))))
    {
        return ngx_at_variable_set_not_found(v);
    }

    return ngx_at_variable_set_claim(r, v,
                          at_claim_find(ngx_at_claims(ctx), &claim->path));
}


/* $auth_token_claim_NAME, of which nginx has made a lower-case name */

static ngx_int_t
ngx_at_named_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *variable = (ngx_str_t *) data;

    ngx_str_t      name;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL) {
        return ngx_at_variable_set_not_found(v);
    }

    name.data = variable->data + sizeof(NGX_AT_CLAIM_PREFIX) - 1;
    name.len = variable->len - (sizeof(NGX_AT_CLAIM_PREFIX) - 1);

    return ngx_at_variable_set_claim(r, v,
                                     at_claim_find_nocase(ngx_at_claims(ctx),
                                                          ngx_at_view(name)));
}


/* --- what verification costs --------------------------------------------- */


/* of this request; empty where no credential was looked for in the cache */

static ngx_int_t
ngx_at_cache_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t      hit = ngx_string("HIT");
    ngx_str_t      miss = ngx_string("MISS");
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_find_ctx(r->main);

    if (ctx == NULL || ngx_at_worker()->cache == NULL
        || ctx->endpoint_request || ctx->kind == 0)
    {
        return ngx_at_variable_set_not_found(v);
    }

    return ngx_at_variable_set_value(v, ngx_at_identity_is_cached(ctx) ? hit : miss);
}


/* of the worker, since it began; data is the offset of a 64-bit number */

static ngx_int_t
ngx_at_cache_counter_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                s;
    const at_cache_stats_t  *stats;

    if (ngx_at_worker()->cache == NULL) {
        return ngx_at_variable_set_not_found(v);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    stats = at_cache_stats(ngx_at_worker()->cache);
    s.len = ngx_sprintf(s.data, "%uL",
                        *(uint64_t *) ((u_char *) stats + data))
            - s.data;

    return ngx_at_variable_set_value(v, s);
}


/* whether the configuration names the variable of the time */

ngx_uint_t
ngx_at_uses_verify_time(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *variables;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    variables = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (variables[i].get_handler == ngx_at_verify_time_variable) {
            return 1;
        }
    }

    return 0;
}


/*
 * Seconds with microseconds, as $request_time has milliseconds.  What finds it by
 * name while requests run has it from the next one on.
 */

static ngx_int_t
ngx_at_verify_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t      s;
    ngx_at_ctx_t  *ctx;

    ngx_at_worker()->measure_time = 1;

    ctx = ngx_at_find_ctx(r->main);

    if (ctx == NULL || ctx->verify_time == 0) {
        return ngx_at_variable_set_not_found(v);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%L.%06L", ctx->verify_time / 1000000000,
                        ctx->verify_time / 1000 % 1000000)
            - s.data;

    return ngx_at_variable_set_value(v, s);
}


/* --- of a refused request too -------------------------------------------- */


static ngx_int_t
ngx_at_subject_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_variable_ctx(r);

    return ctx ? ngx_at_variable_set_view(v, ctx->identity->subject)
               : ngx_at_variable_set_not_found(v);
}


static ngx_int_t
ngx_at_fingerprint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char        *p;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_variable_ctx(r);

    if (ctx == NULL) {
        return ngx_at_variable_set_not_found(v);
    }

    p = ngx_pnalloc(r->pool, NGX_AT_FINGERPRINT_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_at_variable_set_value(v, ngx_at_fingerprint(ctx, p));
}


/* nobody's: for logs and metrics, wherever it stands */

static ngx_int_t
ngx_at_keys_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t           state;
    const ngx_at_loc_conf_t  *atcf;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (ngx_at_fetch_status(r, atcf, &state) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_at_variable_set_value(v, state);
}


/* --- configuration ------------------------------------------------------- */


ngx_int_t
ngx_at_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_at_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* "auth_token_claim $VARIABLE [ISSUER] PATH" */

char *
ngx_at_set_claim(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t            *value, *path;
    ngx_http_variable_t  *var;
    ngx_at_claim_t       *claim;

    value = cf->args->elts;
    path = &value[cf->args->nelts - 1];

    if (value[1].len < 2 || value[1].data[0] != '$') {
        return ngx_at_conf_invalid_value(cf, &value[1], "it is no variable");
    }

    claim = ngx_pcalloc(cf->pool, sizeof(ngx_at_claim_t));
    if (claim == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 4) {
        claim->issuer = value[2];

        if (ngx_at_issuer_find(atmcf, &value[2]) == NULL) {
            return ngx_at_conf_invalid_value(cf, &value[2],
                       "there is no such \"auth_token_issuer\" above");
        }
    }

    if (ngx_at_parse_claim_path(cf, path, &claim->path) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    value[1].data++;
    value[1].len--;

    var = ngx_http_add_variable(cf, &value[1], NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    /* of two definitions nginx would silently take the second */
    if (var->get_handler) {
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "there is such a variable already");
    }

    var->get_handler = ngx_at_claim_variable;
    var->data = (uintptr_t) claim;

    return NGX_CONF_OK;
}
