/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/access/ngx_at_variables.h"

#include "core/authz/at_cache.h"
#include "core/authz/at_endpoint_list.h"
#include "core/authz/at_identity.h"
#include "core/base/at_crypto.h"
#include "core/base/at_header.h"
#include "core/base/at_verdict.h"
#include "core/json/at_claim.h"

#include "http/access/ngx_at_access.h"
#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_fetch.h"
#include "http/request/ngx_at_credential.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_CLAIM_PREFIX  "auth_token_claim_"

/* data of ngx_at_decision_variable() and ngx_at_identity_variable() */
#define NGX_AT_VAR_STATUS    0
#define NGX_AT_VAR_REASON    1

#define NGX_AT_VAR_METHOD    0
#define NGX_AT_VAR_ISSUER    1
#define NGX_AT_VAR_USER      2
#define NGX_AT_VAR_CLIENT    3
#define NGX_AT_VAR_ROLE      4
#define NGX_AT_VAR_ENDPOINT  5
#define NGX_AT_VAR_SUBJECT   6  /* for logs, also of refused requests */


/* --- visibility ---------------------------------------------------------- */


/* whether no access handler follows in this pass through the phases */

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
 * Authenticates if the access phase is still to come.  A subrequest has no
 * access phase and uses the context of the main request.
 */

static ngx_at_ctx_t *
ngx_at_authenticated_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t             *ctx;
    const at_endpoint_t      *endpoint;
    const ngx_at_loc_conf_t  *atcf;

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
        (void) ngx_at_authenticate(r, atcf, ctx, 0);
    }

    return ctx;
}


/*
 * The context if its identity may be shown: this module has granted the
 * request, or the access phase is still to come and will not refuse the caller
 * by origin, address or role.  Else NULL: a stolen token that is sent from
 * elsewhere must not use up the rate limit of its owner.
 */

static ngx_at_ctx_t *
ngx_at_granted_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_authenticated_ctx(r);

    if (ctx == NULL || ctx->phase == NGX_AT_GRANTED) {
        return ctx;
    }

    return ctx->phase == NGX_AT_UNDECIDED && ctx->authenticated == AT_OK
           && !ngx_at_access_is_over(r->main)
           && ngx_at_check_caller(r->main, ctx) == AT_OK ? ctx : NULL;
}


/* for logs: also of a refused request */

static ngx_at_ctx_t *
ngx_at_logged_ctx(ngx_http_request_t *r)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_authenticated_ctx(r);

    return ctx && ctx->phase == NGX_AT_UNDECIDED
           && !ngx_at_access_is_over(r->main) ? ngx_at_granted_ctx(r) : ctx;
}


/* --- values -------------------------------------------------------------- */


static ngx_int_t
ngx_at_variable_not_found(ngx_http_variable_value_t *v)
{
    v->not_found = 1;

    return NGX_OK;
}


static void
ngx_at_variable_set_text(ngx_http_variable_value_t *v, at_str_t value)
{
    v->data = (u_char *) value.data;
    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}


/*
 * Values must be safe in a header.  A control character would end it; a space
 * at either end would be lost, so that two users could become one.
 */

static ngx_int_t
ngx_at_variable_set(ngx_http_variable_value_t *v, at_str_t value)
{
    if (!at_header_can_carry(value)) {
        return ngx_at_variable_not_found(v);
    }

    ngx_at_variable_set_text(v, value);

    return NGX_OK;
}


static ngx_int_t
ngx_at_variable_set_claim(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    const at_json_value_t *claim)
{
    ngx_str_t  s;

    if (claim == NULL) {
        return ngx_at_variable_not_found(v);
    }

    s.len = at_claim_to_text(claim, NULL, 0);
    s.data = ngx_pnalloc(r->pool, s.len + 1);

    if (s.data == NULL) {
        return NGX_ERROR;
    }

    (void) at_claim_to_text(claim, (char *) s.data, s.len);

    return ngx_at_variable_set(v, ngx_at_view(s));
}


/* --- the decision, once the access phase has run ------------------------- */


static ngx_int_t
ngx_at_decision_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_at_ctx_t             *ctx;
    const at_verdict_info_t  *info;

    ctx = ngx_at_find_ctx(r->main);

    if (ctx == NULL || ctx->phase == NGX_AT_UNDECIDED) {
        return ngx_at_variable_not_found(v);
    }

    info = at_verdict_info(ctx->verdict);

    return ngx_at_variable_set(v, data == NGX_AT_VAR_STATUS
                                  ? at_code_info(info->code)->name
                                  : info->reason);
}


/* --- the identity, unless the request is refused ------------------------- */


static ngx_int_t
ngx_at_identity_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t             name;
    ngx_at_ctx_t         *ctx;
    const at_identity_t  *identity;

    ctx = data == NGX_AT_VAR_SUBJECT ? ngx_at_logged_ctx(r)
                                     : ngx_at_granted_ctx(r);
    if (ctx == NULL) {
        return ngx_at_variable_not_found(v);
    }

    identity = ctx->identity;

    switch (data) {

    case NGX_AT_VAR_METHOD:
        name = ngx_at_kind_name(ctx->kind);
        return ngx_at_variable_set(v, ngx_at_view(name));

    case NGX_AT_VAR_USER:
        return ngx_at_variable_set(v, identity->user);

    case NGX_AT_VAR_CLIENT:
        return ngx_at_variable_set(v, identity->client);

    case NGX_AT_VAR_SUBJECT:
        return ngx_at_variable_set(v, identity->subject);

    case NGX_AT_VAR_ROLE:
        return ngx_at_variable_set(v, identity->role);

    case NGX_AT_VAR_ISSUER:
        return identity->issuer
               ? ngx_at_variable_set(v, identity->issuer->name)
               : ngx_at_variable_not_found(v);

    default: /* NGX_AT_VAR_ENDPOINT */
        return ctx->endpoint ? ngx_at_variable_set(v, ctx->endpoint->text)
                             : ngx_at_variable_not_found(v);
    }
}


/*
 * The user name of Basic before its password is verified.  Not found after the
 * access phase: "satisfy any" may have granted the request of anyone.
 */

static ngx_int_t
ngx_at_claimed_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    char          *buf;
    at_str_t       user, password;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_authenticated_ctx(r);

    if (ctx == NULL || ctx->phase != NGX_AT_UNDECIDED
        || ctx->kind != NGX_AT_BASIC || ngx_at_access_is_over(r->main))
    {
        return ngx_at_variable_not_found(v);
    }

    buf = ngx_pnalloc(r->pool, ctx->credential.len + 1);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (at_header_basic_decode(ngx_at_view(ctx->credential), buf, &user,
                               &password)
        != 0)
    {
        return ngx_at_variable_not_found(v);
    }

    at_crypto_cleanse((void *) (uintptr_t) password.data, password.len);

    /* also with a space at an end: no name may be without a limit */

    ngx_at_variable_set_text(v, user);

    return NGX_OK;
}


/* separated by spaces (RFC 6749 section 3.3) */

static ngx_int_t
ngx_at_scope_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char             *p;
    size_t              i, len;
    ngx_str_t           s;
    ngx_at_ctx_t       *ctx;
    const at_scopes_t  *scopes;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL || ctx->identity->rights.scopes.n == 0) {
        return ngx_at_variable_not_found(v);
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
        p = ngx_cpymem(p, scopes->items[i].data, scopes->items[i].len);
        *p++ = ' ';
    }

    s.len = p - s.data - 1;

    return ngx_at_variable_set(v, ngx_at_view(s));
}


/* $VARIABLE of "auth_token_claim" */

ngx_int_t
ngx_at_claim_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_at_claim_t *claim = (ngx_at_claim_t *) data;

    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL || ctx->identity->issuer == NULL
        || (claim->issuer.len
            && !at_str_equal(ctx->identity->issuer->name,
                             ngx_at_view(claim->issuer))))
    {
        return ngx_at_variable_not_found(v);
    }

    return ngx_at_variable_set_claim(r, v,
                          at_claim_find(ngx_at_claims(ctx), &claim->path));
}


/* $auth_token_claim_NAME: nginx has converted the name to lower case */

static ngx_int_t
ngx_at_named_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t *variable = (ngx_str_t *) data;

    at_str_t       name;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_granted_ctx(r);

    if (ctx == NULL) {
        return ngx_at_variable_not_found(v);
    }

    name = ngx_at_view(*variable);
    (void) at_str_cut_prefix(&name, at_str(NGX_AT_CLAIM_PREFIX));

    return ngx_at_variable_set_claim(r, v,
                               at_claim_find_nocase(ngx_at_claims(ctx), name));
}


/* --- for logs, also of refused requests ---------------------------------- */


static ngx_int_t
ngx_at_fingerprint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char        *p;
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_authenticated_ctx(r);

    if (ctx == NULL) {
        return ngx_at_variable_not_found(v);
    }

    p = ngx_pnalloc(r->pool, NGX_AT_FINGERPRINT_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_at_variable_set(v, ngx_at_view(ngx_at_fingerprint(ctx, p)));
}


/* not found: no credential, or no cache */

static ngx_int_t
ngx_at_cache_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_at_ctx_t  *ctx;

    ctx = ngx_at_find_ctx(r->main);

    if (ctx == NULL || ngx_at_worker.cache == NULL
        || ctx->endpoint_request || ctx->kind == 0)
    {
        return ngx_at_variable_not_found(v);
    }

    return ngx_at_variable_set(v, ngx_at_identity_is_cached(ctx)
                                  ? at_str("HIT") : at_str("MISS"));
}


/* of this worker; data is the offset of a 64-bit counter */

static ngx_int_t
ngx_at_cache_counter_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char     *stats;
    ngx_str_t   s;

    if (ngx_at_worker.cache == NULL) {
        return ngx_at_variable_not_found(v);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    stats = (u_char *) at_cache_stats(ngx_at_worker.cache);
    s.len = ngx_sprintf(s.data, "%uL", *(uint64_t *) (stats + data)) - s.data;

    return ngx_at_variable_set(v, ngx_at_view(s));
}


/*
 * Seconds with microseconds.  A module that looks the variable up by name only
 * at run time gets a value from its second request on.
 */

static ngx_int_t
ngx_at_verify_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t      s;
    ngx_at_ctx_t  *ctx;

    ngx_at_worker.measure_time = 1;

    ctx = ngx_at_find_ctx(r->main);

    if (ctx == NULL || ctx->verify_time == 0) {
        return ngx_at_variable_not_found(v);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000000"));
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%L.%06L", ctx->verify_time / 1000000000,
                        ctx->verify_time / 1000 % 1000000)
            - s.data;

    return ngx_at_variable_set(v, ngx_at_view(s));
}


static ngx_int_t
ngx_at_keys_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t                 state;
    const ngx_at_loc_conf_t  *atcf;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    if (ngx_at_fetch_status(r, atcf, &state) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_at_variable_set(v, ngx_at_view(state));
}


/* --- configuration ------------------------------------------------------- */


#define ngx_at_variable(name, handler, data)                                  \
    { ngx_string("auth_token_" name), NULL, handler, data,                    \
      NGX_HTTP_VAR_NOCACHEABLE, 0 }

#define ngx_at_cache_counter(name)                                            \
    ngx_at_variable("cache_" #name, ngx_at_cache_counter_variable,            \
                    offsetof(at_cache_stats_t, name))


static const ngx_http_variable_t  ngx_at_variables[] = {

    ngx_at_variable("status", ngx_at_decision_variable, NGX_AT_VAR_STATUS),
    ngx_at_variable("reason", ngx_at_decision_variable, NGX_AT_VAR_REASON),

    ngx_at_variable("method", ngx_at_identity_variable, NGX_AT_VAR_METHOD),
    ngx_at_variable("issuer", ngx_at_identity_variable, NGX_AT_VAR_ISSUER),
    ngx_at_variable("user", ngx_at_identity_variable, NGX_AT_VAR_USER),
    ngx_at_variable("client", ngx_at_identity_variable, NGX_AT_VAR_CLIENT),
    ngx_at_variable("role", ngx_at_identity_variable, NGX_AT_VAR_ROLE),
    ngx_at_variable("endpoint", ngx_at_identity_variable, NGX_AT_VAR_ENDPOINT),
    ngx_at_variable("scope", ngx_at_scope_variable, 0),
    ngx_at_variable("claimed_user", ngx_at_claimed_user_variable, 0),

    ngx_at_variable("subject", ngx_at_identity_variable, NGX_AT_VAR_SUBJECT),
    ngx_at_variable("fingerprint", ngx_at_fingerprint_variable, 0),

    ngx_at_variable("cache_status", ngx_at_cache_status_variable, 0),
    ngx_at_cache_counter(hits),
    ngx_at_cache_counter(misses),
    ngx_at_cache_counter(evictions),
    ngx_at_cache_counter(entries),
    ngx_at_cache_counter(bytes),

    ngx_at_variable("verify_time", ngx_at_verify_time_variable, 0),
    ngx_at_variable("keys", ngx_at_keys_variable, 0),

    { ngx_string(NGX_AT_CLAIM_PREFIX), NULL,
      ngx_at_named_claim_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


/* the name is in lower case; NULL: the module has no such variable */

static const ngx_http_variable_t *
ngx_at_find_variable(const ngx_str_t *name)
{
    const ngx_http_variable_t  *v;

    for (v = ngx_at_variables; v->name.len; v++) {

        if ((v->flags & NGX_HTTP_VAR_PREFIX)
            ? (name->len > v->name.len
               && ngx_memcmp(name->data, v->name.data, v->name.len) == 0)
            : ngx_at_str_equal(name, &v->name))
        {
            return v;
        }
    }

    return NULL;
}


/* data is the name that is used */

static ngx_int_t
ngx_at_prefix_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    const ngx_http_variable_t  *variable;

    variable = ngx_at_find_variable((ngx_str_t *) data);

    if (variable == NULL) {
        return ngx_at_variable_not_found(v);
    }

    return variable->get_handler(r, v, variable->flags & NGX_HTTP_VAR_PREFIX
                                       ? data : variable->data);
}


/*
 * One variable, because more of them would fill nginx's hash of variables: it
 * would warn about "variables_hash_max_size" beside some other modules.
 */

ngx_int_t
ngx_at_add_variables(ngx_conf_t *cf)
{
    ngx_str_t             name = ngx_string("auth_token_");
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE
                                           |NGX_HTTP_VAR_PREFIX);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_at_prefix_variable;

    return NGX_OK;
}


ngx_uint_t
ngx_at_is_variable(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_str_t                   lower;
    const ngx_http_variable_t  *v;

    lower.len = name->len;
    lower.data = ngx_pnalloc(cf->pool, name->len + 1);

    if (lower.data == NULL) {
        return 1;
    }

    ngx_strlow(lower.data, name->data, name->len);
    v = ngx_at_find_variable(&lower);

    return v && !(v->flags & NGX_HTTP_VAR_PREFIX);
}


ngx_int_t
ngx_at_check_variables(ngx_conf_t *cf)
{
    at_str_t                    name;
    ngx_uint_t                  i, k;
    ngx_hash_key_t             *defined;
    ngx_http_variable_t        *used;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    defined = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        if (ngx_at_is_variable(cf, &defined[i].key)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "the duplicate \"%V\" variable", &defined[i].key);
            return NGX_ERROR;
        }
    }

    used = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        name = ngx_at_view(used[i].name);

        if (!at_str_cut_prefix(&name, at_str("auth_token_"))
            || ngx_at_find_variable(&used[i].name))
        {
            continue;
        }

        for (k = 0; k < cmcf->variables_keys->keys.nelts; k++) {
            if (ngx_at_str_equal(&defined[k].key, &used[i].name)) {
                break;
            }
        }

        if (k == cmcf->variables_keys->keys.nelts) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown \"%V\" variable", &used[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_at_uses_verify_time(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *variables;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    variables = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (ngx_at_str_is(&variables[i].name, "auth_token_verify_time")) {
            return 1;
        }
    }

    return 0;
}
