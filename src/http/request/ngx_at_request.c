/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All that is read of a request.  Headers are walked as a list: nginx's own
 * pointers show but the first of several, and differ between its versions.
 */

#include "http/request/ngx_at_request.h"

#include "core/authz/at_cache.h"
#include "core/authz/at_cidr_set.h"
#include "core/authz/at_endpoint.h"
#include "core/authz/at_identity.h"
#include "core/base/at_header.h"
#include "core/base/at_str.h"
#include "core/base/at_verdict.h"
#include "core/jose/at_jwt.h"
#include "core/base/at_crypto.h"
#include "core/json/at_claim.h"
#include "core/json/at_value.h"
#include "core/store/at_store_digest.h"

#include "http/base/ngx_at_loc_conf.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_ctx.h"


void
ngx_at_ctx_clear_identity(ngx_at_ctx_t *ctx)
{
    if (ctx->recalled) {
        at_cache_release(ctx->identity);
        ctx->recalled = 0;
    }

    at_identity_release(&ctx->own);
    ctx->identity = &ctx->own;
}


static void
ngx_at_ctx_cleanup(void *data)
{
    ngx_at_ctx_clear_identity(data);
}


ngx_at_ctx_t *
ngx_at_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_at_ctx_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_at_ctx_t *
ngx_at_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_at_ctx_t        *ctx;

    ctx = ngx_at_find_ctx(r);
    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_at_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_at_ctx_t));
    ctx->identity = &ctx->own;

    cln->handler = ngx_at_ctx_cleanup;

    return ctx;
}


/* an identity of the cache comes without them */

const at_value_t *
ngx_at_claims(ngx_at_ctx_t *ctx)
{
    if (ctx->recalled && ctx->identity->issuer && ctx->own.claims == NULL) {
        ctx->own.claims = at_jwt_decode_claims(ngx_at_view(ctx->credential));
    }

    return at_claims_object(ctx->own.claims);
}


/* the next header of that lower-case name behind h, which NULL starts */

typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_at_headers_t;


static ngx_table_elt_t *
ngx_at_next_header(ngx_at_headers_t *it, const char *name, size_t len)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (it->i >= it->part->nelts) {
            if (it->part->next == NULL) {
                return NULL;
            }

            it->part = it->part->next;
            it->i = 0;
            continue;
        }

        h = (ngx_table_elt_t *) it->part->elts + it->i++;

        if (h->key.len == len && ngx_strncmp(h->lowcase_key, name, len) == 0) {
            return h;
        }
    }
}


#define ngx_at_headers(r)  { &(r)->headers_in.headers.part, 0 }

#define ngx_at_header(it, name)                                               \
    ngx_at_next_header(it, name, sizeof(name) - 1)


ngx_str_t *
ngx_at_find_header(ngx_http_request_t *r, const char *name)
{
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);

    h = ngx_at_next_header(&it, name, ngx_strlen(name));

    return h ? &h->value : NULL;
}


ngx_uint_t
ngx_at_read_bearer(ngx_http_request_t *r, ngx_str_t *credential)
{
    at_str_t          token;
    ngx_uint_t        n;
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);

    n = 0;

    while ((h = ngx_at_header(&it, "authorization")) != NULL) {
        if (at_header_bearer_parse(ngx_at_view(h->value), &token)) {
            *credential = ngx_at_from_view(token);
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_at_read_basic(ngx_http_request_t *r, ngx_str_t *credential)
{
    at_str_t          text;
    ngx_uint_t        n;
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);

    n = 0;

    while ((h = ngx_at_header(&it, "authorization")) != NULL) {
        if (at_header_basic_parse(ngx_at_view(h->value), &text)) {
            *credential = ngx_at_from_view(text);
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_at_read_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *credential)
{
    at_str_t          cookie = { NULL, 0 };
    ngx_uint_t        n;
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);

    n = 0;

    while ((h = ngx_at_header(&it, "cookie")) != NULL) {
        n += at_header_cookie_find(ngx_at_view(h->value),
                                   ngx_at_view(*name), &cookie);
    }

    *credential = ngx_at_from_view(cookie);

    return n;
}


static ngx_uint_t
ngx_at_read_api_token(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *credential)
{
    ngx_uint_t        n;
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);

    n = 0;

    while ((h = ngx_at_next_header(&it, (char *) name->data,
                                   name->len))
           != NULL)
    {
        *credential = h->value;
        n++;
    }

    return n;
}


/*
 * How many credentials there are in Authorization, or as a cookie, which counts
 * beside no other.  nginx lets one Authorization header through at most.
 */

static ngx_uint_t
ngx_at_read_authorization_or_cookie(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential)
{
    ngx_uint_t  n;

    n = 0;

    if (atcf->accept & NGX_AT_BEARER) {
        *kind = NGX_AT_BEARER;
        n = ngx_at_read_bearer(r, credential);
    }

    if (n == 0 && (atcf->accept & NGX_AT_BASIC)) {
        *kind = NGX_AT_BASIC;
        n = ngx_at_read_basic(r, credential);
    }

    if (n == 0 && (atcf->accept & NGX_AT_COOKIE)) {
        *kind = NGX_AT_COOKIE;
        n = ngx_at_read_cookie(r, &atcf->cookie, credential);
    }

    return n;
}


at_verdict_e
ngx_at_read_credential(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential)
{
    ngx_str_t   token;
    ngx_uint_t  n, others;

    n = 0;
    ngx_str_null(&token);

    if (atcf->accept & NGX_AT_API_TOKEN) {
        n = ngx_at_read_api_token(r, &atcf->api_header, &token);
    }

    others = ngx_at_read_authorization_or_cookie(r, atcf, kind, credential);

    /* beside a header that is accepted a cookie is ignored */
    if (n && *kind == NGX_AT_COOKIE) {
        others = 0;
    }

    if (n == 1 && others == 0) {
        *kind = NGX_AT_API_TOKEN;
        *credential = token;
        return AT_OK;
    }

    if (n == 0 && others == 1) {
        return AT_OK;
    }

    *kind = 0;
    ngx_str_null(credential);

    if (n + others == 0) {
        return atcf->accept == NGX_AT_API_TOKEN ? AT_NO_API_TOKEN
                                                : AT_NO_CREDENTIAL;
    }

    return others ? AT_SEVERAL_CREDENTIALS : AT_SEVERAL_API_TOKENS;
}


const at_endpoint_t *
ngx_at_find_endpoint(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    u_char    *query;
    at_str_t   raw, uri;

    raw = ngx_at_view(r->unparsed_uri);
    uri = ngx_at_view(r->uri);

    query = ngx_strlchr(r->unparsed_uri.data,
                        r->unparsed_uri.data + r->unparsed_uri.len, '?');
    if (query) {
        raw.len = query - r->unparsed_uri.data;
    }

    if (at_path_is_ambiguous(raw, uri)) {
        return NULL;
    }

    return at_endpoint_list_match(atcf->endpoints,
                                  ngx_at_view(r->method_name), uri);
}


/* a peer on a unix socket has no address, and so is in no list */

ngx_uint_t
ngx_at_address_allowed(ngx_http_request_t *r,
    const ngx_at_loc_conf_t *atcf,
    const at_identity_t *identity)
{
    at_addr_t             addr;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    if (atcf->allow == NULL && !at_identity_has_ranges(identity)) {
        return 1;
    }

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        at_addr_set(&addr, &sin->sin_addr, 4);
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        at_addr_set(&addr, &sin6->sin6_addr, 16);
        break;
#endif

    default:
        return 0;
    }

    return (atcf->allow == NULL || at_cidr_set_match(atcf->allow, &addr))
           && at_identity_allows_address(identity, &addr);
}


static ngx_uint_t
ngx_at_is_same_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    int       secure;
    at_str_t  host;

    host = (at_str_t) { NULL, 0 };

    if (r->headers_in.host) {
        host = ngx_at_view(r->headers_in.host->value);

    } else if (r->host_start) {             /* :authority of HTTP/3 */
        host.data = (char *) r->host_start;
        host.len = r->host_end - r->host_start;
    }

#if (NGX_HTTP_SSL)
    secure = r->connection->ssl != NULL;
#else
    secure = 0;
#endif

    return host.len
           && at_header_is_same_origin(ngx_at_view(*origin), secure,
                                       ngx_at_view(r->headers_in.server),
                                       host);
}


static ngx_uint_t
ngx_at_is_listed_origin(const ngx_array_t *origins, ngx_str_t *origin)
{
    ngx_str_t   *o;
    ngx_uint_t   i;

    if (origins == NULL) {
        return 0;
    }

    o = origins->elts;

    for (i = 0; i < origins->nelts; i++) {
        if (o[i].len == origin->len
            && ngx_strncasecmp(o[i].data, origin->data, origin->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * A cookie goes along with requests that another site makes: SameSite=Strict
 * does not stop sibling domains.  What a browser says of where a request comes
 * from must be this origin or a listed one; silence is no browser.
 */

ngx_uint_t
ngx_at_origin_allowed(ngx_http_request_t *r, const ngx_at_loc_conf_t *atcf)
{
    ngx_uint_t        listed;
    ngx_table_elt_t  *h;
    ngx_at_headers_t  it = ngx_at_headers(r);
    ngx_at_headers_t  sites = ngx_at_headers(r);
    ngx_at_headers_t  upgrade = ngx_at_headers(r);

    /* a WebSocket's handshake is a GET, and may do anything afterwards */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        && ngx_at_header(&upgrade, "upgrade") == NULL)
    {
        return 1;
    }

    listed = 0;

    while ((h = ngx_at_header(&it, "origin")) != NULL) {

        if (ngx_at_is_listed_origin(atcf->origins, &h->value)) {
            listed = 1;

        } else if (!ngx_at_is_same_origin(r, &h->value)) {
            return 0;
        }
    }

    if (listed) {
        return 1;
    }

    while ((h = ngx_at_header(&sites, "sec-fetch-site")) != NULL) {

        if (h->value.len != sizeof("same-origin") - 1
            || ngx_strncmp(h->value.data, "same-origin", h->value.len) != 0)
        {
            return 0;
        }
    }

    return 1;
}


/* Fetch standard, section 3.2.2: a CORS-preflight request */

ngx_uint_t
ngx_at_is_preflight(ngx_http_request_t *r)
{
    ngx_at_headers_t  origin = ngx_at_headers(r);
    ngx_at_headers_t  method = ngx_at_headers(r);

    return r->method == NGX_HTTP_OPTIONS
           && ngx_at_header(&origin, "origin") != NULL
           && ngx_at_header(&method,
                            "access-control-request-method")
              != NULL;
}


ngx_str_t
ngx_at_fingerprint(const ngx_at_ctx_t *ctx, u_char buf[NGX_AT_FINGERPRINT_LEN])
{
    ngx_str_t      hex = ngx_null_string;
    unsigned char  digest[AT_SHA256_LEN];

    /* of a password's digest the password can be guessed */

    if (ctx->credential.len == 0 || ctx->kind == NGX_AT_BASIC
        || at_sha256(digest, ngx_at_view(ctx->credential)) != 0)
    {
        return hex;
    }

    hex.data = buf;
    hex.len = ngx_hex_dump(buf, digest, NGX_AT_FINGERPRINT_LEN / 2)
              - buf;

    return hex;
}


ngx_str_t
ngx_at_kind_name(ngx_uint_t kind)
{
    ngx_str_t  api_token = ngx_string("api_token");
    ngx_str_t  bearer = ngx_string("bearer");
    ngx_str_t  cookie = ngx_string("cookie");
    ngx_str_t  basic = ngx_string("basic");
    ngx_str_t  refresh = ngx_string("refresh_token");
    ngx_str_t  none = ngx_null_string;

    switch (kind) {

    case NGX_AT_API_TOKEN:
        return api_token;

    case NGX_AT_BEARER:
        return bearer;

    case NGX_AT_COOKIE:
        return cookie;

    case NGX_AT_BASIC:
        return basic;

    case NGX_AT_REFRESH:
        return refresh;

    default:
        return none;
    }
}
