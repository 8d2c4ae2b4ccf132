/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/request/ngx_at_refusal_log.h"

#include "core/jose/at_jwt.h"
#include "core/jose/at_key.h"

#include "http/base/ngx_at_main_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_header.h"


#define NGX_AT_LOG_VALUE_LEN  128
#define NGX_AT_LOG_FACT_LEN   (NGX_AT_LOG_VALUE_LEN + 48)  /* with name */


/* a text to which facts are appended: , name: "item item ..." */
typedef struct {
    u_char  *pos;
    u_char  *end;
    u_char  *last;      /* end of the present value; NULL: no room for more */
} ngx_at_log_text_t;


static void
ngx_at_log_fact(ngx_at_log_text_t *text, const char *name)
{
    text->last = NULL;

    if (text->end - text->pos >= NGX_AT_LOG_FACT_LEN) {
        text->pos = ngx_sprintf(text->pos, ", %s: \"\"", name);
        text->last = text->pos - 1 + NGX_AT_LOG_VALUE_LEN;
    }
}


static void
ngx_at_log_item(ngx_at_log_text_t *text, at_str_t item)
{
    u_char  *p;

    if (text->last == NULL) {
        return;
    }

    p = text->pos - 1;  /* before the closing quote */

    if (p[-1] != '"' && p < text->last) {
        *p++ = ' ';
    }

    p = ngx_at_escape(p, text->last, &item);

    if (item.len) {
        p = ngx_cpymem(p, "...", 3);
        text->last = NULL;
    }

    *p++ = '"';
    text->pos = p;
}


static void
ngx_at_log_items(ngx_at_log_text_t *text, const at_str_t *items, size_t n)
{
    size_t  i;

    for (i = 0; i < n && text->last; i++) {
        ngx_at_log_item(text, items[i]);
    }
}


static void
ngx_at_log_value(ngx_at_log_text_t *text, const char *name, at_str_t value)
{
    ngx_at_log_fact(text, name);
    ngx_at_log_item(text, value);
}


/* --- JWT ----------------------------------------------------------------- */


/* a string, a number or an array of strings; nothing for other types */

static void
ngx_at_log_member(ngx_at_log_text_t *text, const char *name,
    const at_claims_t *claims, const char *member)
{
    size_t                  n;
    at_str_t                string, key = { member, ngx_strlen(member) };
    const at_json_value_t  *value;

    value = at_json_member(at_claims_object(claims), key);

    if (value == NULL) {
        return;
    }

    n = 1;

    if (at_json_is(value, AT_JSON_ARRAY)) {
        n = value->n;
        value++;
    }

    ngx_at_log_fact(text, name);

    for ( /* void */ ; n && text->last; n--, value = at_json_next(value)) {

        if (at_json_is(value, AT_JSON_NUMBER)) {
            ngx_at_log_item(text, (at_str_t) { value->text, value->n });

        } else if (at_json_string(value, &string) == 0) {
            ngx_at_log_item(text, string);
        }
    }
}


static void
ngx_at_log_kids(ngx_at_log_text_t *text, const at_trusted_issuer_t *trusted)
{
    size_t              i, k;
    const at_keyset_t  *set;

    for (i = 0; i < trusted->n_sets; i++) {
        set = trusted->sets[i];

        for (k = 0; set && k < set->n && text->last; k++) {

            if (set->keys[k].kid.len) {
                ngx_at_log_item(text, set->keys[k].kid);
            }
        }
    }
}


/* what the issuer blocks require: all of them, or those with the iss */

static void
ngx_at_log_requirements(ngx_at_log_text_t *text, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx, const at_claims_t *claims)
{
    at_alg_e                       alg;
    at_str_t                       iss = { NULL, 0 };
    ngx_uint_t                     i, n;
    at_verdict_e                   verdict;
    const at_issuer_t             *issuer;
    at_trusted_issuer_t           *trusted;
    const ngx_at_issuer_t *const  *blocks;

    blocks = ctx->conf->trusted;
    n = ctx->conf->ntrusted;

    if (ctx->endpoint_request) {
        blocks = &ctx->conf->token_endpoint_issuer;
        n = 1;
    }

    trusted = ngx_at_trusted_issuers(r, blocks, n);
    if (trusted == NULL) {
        return;
    }

    verdict = ctx->verdict;
    (void) at_json_member_string(at_claims_object(claims), at_str("iss"),
                                 &iss);

    for (i = 0; i < n; i++) {
        issuer = trusted[i].issuer;

        if (verdict == AT_ISSUER_MISMATCH) {
            ngx_at_log_items(text, issuer->issuers, issuer->n_issuers);
            continue;
        }

        if (!at_str_is_one_of(iss, issuer->issuers, issuer->n_issuers)) {
            continue;
        }

        switch (verdict) {

        case AT_BAD_TYP:
            if (issuer->typ_absent) {
                ngx_at_log_item(text, at_str("absent"));
            }

            ngx_at_log_items(text, issuer->typs, issuer->n_typs);
            break;

        case AT_BAD_ALG:
            for (alg = 0; alg < AT_ALGS; alg++) {
                if (issuer->algs & at_alg_bit(alg)) {
                    ngx_at_log_item(text, at_alg_name(alg));
                }
            }
            break;

        case AT_UNKNOWN_KID:
            ngx_at_log_kids(text, &trusted[i]);
            break;

        default: /* AT_AUDIENCE_MISMATCH */
            ngx_at_log_items(text, issuer->audiences, issuer->n_audiences);

            if (issuer->token_client_audience) {
                ngx_at_log_item(text, issuer->any_client_audience
                                      ? at_str("clients any")
                                      : at_str("clients"));
            }
        }
    }
}


/*
 * The verdicts from AT_AUDIENCE_MISMATCH on belong to a token whose signature
 * is valid.
 */

static void
ngx_at_log_token(ngx_at_log_text_t *text, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    u_char        now[NGX_TIME_T_LEN];
    at_claims_t  *header, *claims;

    header = at_jwt_decode_header(ngx_at_view(ctx->credential));
    claims = at_jwt_decode_claims(ngx_at_view(ctx->credential));

    ngx_at_log_member(text, "issuer", claims, "iss");

    switch (ctx->verdict) {

    case AT_ISSUER_MISMATCH:
        ngx_at_log_fact(text, "expected issuer");
        ngx_at_log_requirements(text, r, ctx, claims);
        break;

    case AT_BAD_TYP:
        ngx_at_log_fact(text, "expected typ");
        ngx_at_log_requirements(text, r, ctx, claims);
        break;

    case AT_BAD_ALG:
        ngx_at_log_member(text, "alg", header, "alg");
        ngx_at_log_fact(text, "expected alg");
        ngx_at_log_requirements(text, r, ctx, claims);
        break;

    case AT_UNKNOWN_KID:
        ngx_at_log_member(text, "kid", header, "kid");
        ngx_at_log_fact(text, "expected kid");
        ngx_at_log_requirements(text, r, ctx, claims);
        break;

    case AT_NO_KEY:
    case AT_BAD_SIGNATURE:
    case AT_TOO_MANY_KEYS:
    case AT_KEY_ISSUER_MISMATCH:
        ngx_at_log_member(text, "alg", header, "alg");
        ngx_at_log_member(text, "kid", header, "kid");
        break;

    case AT_AUDIENCE_MISMATCH:
        ngx_at_log_member(text, "audience", claims, "aud");
        ngx_at_log_fact(text, "expected audience");
        ngx_at_log_requirements(text, r, ctx, claims);
        break;

    case AT_NOT_YET_VALID:
    case AT_TOO_OLD:
    case AT_EXPIRED:
        ngx_at_log_member(text, "nbf", claims, "nbf");
        ngx_at_log_member(text, "iat", claims, "iat");
        ngx_at_log_member(text, "exp", claims, "exp");
        ngx_at_log_value(text, "now", (at_str_t) {
            (char *) now, ngx_sprintf(now, "%T", ngx_time()) - now });
        break;

    default:
        break;
    }

    at_claims_free(header);
    at_claims_free(claims);
}


/* --- authorization ------------------------------------------------------- */


static void
ngx_at_log_range(ngx_at_log_text_t *text, const at_cidr_t *cidr)
{
    char      buf[AT_CIDR_TEXT_LEN];
    at_str_t  range = { buf, at_cidr_format(buf, cidr) };

    ngx_at_log_item(text, range);
}


static void
ngx_at_log_range_set(ngx_at_log_text_t *text, const at_cidr_set_t *set)
{
    size_t  i;

    for (i = 0; i < set->n && text->last; i++) {
        ngx_at_log_range(text, &set->ranges[i]);
    }
}


static void
ngx_at_log_address(ngx_at_log_text_t *text, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    at_cidr_t             cidr;
    at_list_t             ranges;
    const at_identity_t  *identity;

    identity = ctx->identity;

    ngx_at_log_value(text, "address", ngx_at_view(r->connection->addr_text));

    if (ctx->conf->allow) {
        ngx_at_log_fact(text, "allowed by location");
        ngx_at_log_range_set(text, ctx->conf->allow);
    }

    if (at_identity_has_ranges(identity)) {
        ngx_at_log_fact(text, "allowed by record");

        if (identity->range_set) {
            ngx_at_log_range_set(text, identity->range_set);
        }

        ranges = identity->ranges;

        while (text->last && at_list_next_range(&ranges, &cidr)) {
            ngx_at_log_range(text, &cidr);
        }
    }
}


static void
ngx_at_log_scopes(ngx_at_log_text_t *text, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    at_str_t                   rest, scope;
    ngx_str_t                  required;
    ngx_uint_t                 i;
    const ngx_array_t         *scopes;
    const at_rights_t         *rights;
    ngx_http_complex_value_t  *cv;

    rights = &ctx->identity->rights;

    if (rights->from != AT_RIGHTS_ROLE) {
        ngx_at_log_fact(text, "scope");
        ngx_at_log_items(text, rights->scopes.items, rights->scopes.n);
    }

    if (rights->owned) {
        ngx_at_log_fact(text, "scope of owner");
        ngx_at_log_items(text, rights->owner_scopes.items,
                         rights->owner_scopes.n);
    }

    if (ctx->verdict == AT_ENDPOINT_NOT_GRANTED) {
        ngx_at_log_value(text, "required scope", ctx->endpoint->scope);
        return;
    }

    scopes = ctx->conf->scopes;

    if (scopes == NULL) {
        return;
    }

    cv = scopes->elts;

    ngx_at_log_fact(text, ctx->conf->scope_mode == AT_SCOPE_ANY
                          ? "required scope (any)" : "required scope");

    for (i = 0; i < scopes->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &required) != NGX_OK) {
            return;
        }

        rest = ngx_at_view(required);

        while (at_scope_next(&scope, &rest)) {
            ngx_at_log_item(text, scope);
        }
    }
}


u_char *
ngx_at_refusal_facts(u_char *pos, u_char *end, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    ngx_str_t            *origin;
    at_verdict_e          verdict;
    ngx_at_log_text_t     text = { pos, end, NULL };
    const at_identity_t  *identity;

    verdict = ctx->verdict;
    identity = ctx->identity;

    if ((ctx->kind & NGX_AT_JWT) && verdict >= AT_BAD_HEADER
        && verdict <= AT_EXPIRED)
    {
        ngx_at_log_token(&text, r, ctx);
        return text.pos;
    }

    /* its subject is its owner, if it has one */

    if (ctx->kind == NGX_AT_API_TOKEN
        && !at_str_equal(identity->client, identity->subject))
    {
        ngx_at_log_value(&text, "API token", identity->client);
    }

    switch (verdict) {

    case AT_CLIENT_ISSUER_MISMATCH:
        if (identity->issuer) {
            ngx_at_log_value(&text, "issuer block", identity->issuer->name);
        }
        break;

    case AT_ORIGIN_NOT_ALLOWED:
        origin = ngx_at_find_header(r, "origin");

        if (origin) {
            ngx_at_log_value(&text, "origin", ngx_at_view(*origin));
        }
        break;

    case AT_ADDRESS_NOT_ALLOWED:
        ngx_at_log_address(&text, r, ctx);
        break;

    case AT_NO_ROLE:
    case AT_INSUFFICIENT_SCOPE:
    case AT_ENDPOINT_NOT_GRANTED:
    case AT_BLOCKED_ENDPOINT:
        if (ctx->endpoint) {
            ngx_at_log_value(&text, "endpoint", ctx->endpoint->text);
        }

        if (identity->role.len) {
            ngx_at_log_value(&text, "role", identity->role);
        }

        if (verdict == AT_INSUFFICIENT_SCOPE
            || verdict == AT_ENDPOINT_NOT_GRANTED)
        {
            ngx_at_log_scopes(&text, r, ctx);
        }
        break;

    default:
        break;
    }

    return text.pos;
}
