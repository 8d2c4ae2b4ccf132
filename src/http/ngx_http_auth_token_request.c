/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All that is read of a request.  Headers are walked as a list: nginx's own
 * pointers show but the first of several, and differ between its versions.
 */

#include "ngx_http_auth_token.h"

#include "at_header.h"


void
ngx_http_auth_token_forget(ngx_http_auth_token_ctx_t *ctx)
{
    if (ctx->recalled) {
        at_cache_release(ctx->identity);
        ctx->recalled = 0;
    }

    at_identity_release(&ctx->own);
    ctx->identity = &ctx->own;
}


static void
ngx_http_auth_token_ctx_cleanup(void *data)
{
    ngx_http_auth_token_forget(data);
}


ngx_http_auth_token_ctx_t *
ngx_http_auth_token_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_auth_token_ctx_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_auth_token_ctx_t *
ngx_http_auth_token_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_auth_token_ctx_t  *ctx;

    ctx = ngx_http_auth_token_find_ctx(r);
    if (ctx) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_auth_token_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_auth_token_ctx_t));
    ctx->identity = &ctx->own;

    cln->handler = ngx_http_auth_token_ctx_cleanup;

    return ctx;
}


/* an identity of the cache comes without them */

const at_value_t *
ngx_http_auth_token_claims(ngx_http_auth_token_ctx_t *ctx)
{
    if (ctx->recalled && ctx->identity->issuer && ctx->own.claims == NULL) {
        ctx->own.claims = at_jwt_claims(
                                   ngx_http_auth_token_view(ctx->credential));
    }

    return at_claims_object(ctx->own.claims);
}


/* the next header of that lower-case name behind h, which NULL starts */

typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_http_auth_token_headers_t;


static ngx_table_elt_t *
ngx_http_auth_token_next_header(ngx_http_auth_token_headers_t *it,
    const char *name, size_t len)
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


#define ngx_http_auth_token_headers(r)  { &(r)->headers_in.headers.part, 0 }

#define ngx_http_auth_token_header(it, name)                                  \
    ngx_http_auth_token_next_header(it, name, sizeof(name) - 1)


ngx_str_t *
ngx_http_auth_token_find_header(ngx_http_request_t *r, const char *name)
{
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);

    h = ngx_http_auth_token_next_header(&it, name, ngx_strlen(name));

    return h ? &h->value : NULL;
}


ngx_uint_t
ngx_http_auth_token_read_bearer(ngx_http_request_t *r, ngx_str_t *credential)
{
    at_str_t                        token;
    ngx_uint_t                      n;
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);

    n = 0;

    while ((h = ngx_http_auth_token_header(&it, "authorization")) != NULL) {
        if (at_header_bearer(ngx_http_auth_token_view(h->value), &token)) {
            *credential = ngx_http_auth_token_from_view(token);
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_http_auth_token_read_basic(ngx_http_request_t *r, ngx_str_t *credential)
{
    at_str_t                        text;
    ngx_uint_t                      n;
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);

    n = 0;

    while ((h = ngx_http_auth_token_header(&it, "authorization")) != NULL) {
        if (at_header_basic(ngx_http_auth_token_view(h->value), &text)) {
            *credential = ngx_http_auth_token_from_view(text);
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_http_auth_token_read_cookie(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *credential)
{
    at_str_t                        cookie = { NULL, 0 };
    ngx_uint_t                      n;
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);

    n = 0;

    while ((h = ngx_http_auth_token_header(&it, "cookie")) != NULL) {
        n += at_header_cookie(ngx_http_auth_token_view(h->value),
                              ngx_http_auth_token_view(*name), &cookie);
    }

    *credential = ngx_http_auth_token_from_view(cookie);

    return n;
}


static ngx_uint_t
ngx_http_auth_token_read_api_token(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *credential)
{
    ngx_uint_t                      n;
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);

    n = 0;

    while ((h = ngx_http_auth_token_next_header(&it, (char *) name->data,
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
ngx_http_auth_token_read_other(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential)
{
    ngx_uint_t  n;

    n = 0;

    if (atcf->accept & NGX_HTTP_AUTH_TOKEN_BEARER) {
        *kind = NGX_HTTP_AUTH_TOKEN_BEARER;
        n = ngx_http_auth_token_read_bearer(r, credential);
    }

    if (n == 0 && (atcf->accept & NGX_HTTP_AUTH_TOKEN_BASIC)) {
        *kind = NGX_HTTP_AUTH_TOKEN_BASIC;
        n = ngx_http_auth_token_read_basic(r, credential);
    }

    if (n == 0 && (atcf->accept & NGX_HTTP_AUTH_TOKEN_COOKIE)) {
        *kind = NGX_HTTP_AUTH_TOKEN_COOKIE;
        n = ngx_http_auth_token_read_cookie(r, &atcf->cookie, credential);
    }

    return n;
}


at_verdict_e
ngx_http_auth_token_read_credential(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf, ngx_uint_t *kind,
    ngx_str_t *credential)
{
    ngx_str_t   token;
    ngx_uint_t  n, others;

    n = 0;
    ngx_str_null(&token);

    if (atcf->accept & NGX_HTTP_AUTH_TOKEN_API) {
        n = ngx_http_auth_token_read_api_token(r, &atcf->api_header, &token);
    }

    others = ngx_http_auth_token_read_other(r, atcf, kind, credential);

    /* beside a header that is accepted a cookie is ignored */
    if (n && *kind == NGX_HTTP_AUTH_TOKEN_COOKIE) {
        others = 0;
    }

    if (n == 1 && others == 0) {
        *kind = NGX_HTTP_AUTH_TOKEN_API;
        *credential = token;
        return AT_OK;
    }

    if (n == 0 && others == 1) {
        return AT_OK;
    }

    *kind = 0;
    ngx_str_null(credential);

    if (n + others == 0) {
        return atcf->accept == NGX_HTTP_AUTH_TOKEN_API ? AT_NO_API_TOKEN
                                                       : AT_NO_CREDENTIAL;
    }

    return others ? AT_SEVERAL_CREDENTIALS : AT_SEVERAL_API_TOKENS;
}


const at_endpoint_t *
ngx_http_auth_token_find_endpoint(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf)
{
    u_char    *query;
    at_str_t   raw, uri;

    raw = ngx_http_auth_token_view(r->unparsed_uri);
    uri = ngx_http_auth_token_view(r->uri);

    query = ngx_strlchr(r->unparsed_uri.data,
                        r->unparsed_uri.data + r->unparsed_uri.len, '?');
    if (query) {
        raw.len = query - r->unparsed_uri.data;
    }

    if (at_path_is_odd(raw, uri)) {
        return NULL;
    }

    return at_catalogue_match(atcf->catalogue,
                              ngx_http_auth_token_view(r->method_name), uri);
}


/* a peer on a unix socket has no address, and so is in no list */

ngx_uint_t
ngx_http_auth_token_address_allowed(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf,
    const at_identity_t *identity)
{
    at_addr_t             addr;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    if (atcf->allow == NULL && !at_identity_is_restricted(identity)) {
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
           && at_identity_admits(identity, &addr);
}


static ngx_uint_t
ngx_http_auth_token_is_same_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    int       secure;
    at_str_t  host;

    host = (at_str_t) { NULL, 0 };

    if (r->headers_in.host) {
        host = ngx_http_auth_token_view(r->headers_in.host->value);

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
           && at_header_same_origin(ngx_http_auth_token_view(*origin), secure,
                           ngx_http_auth_token_view(r->headers_in.server),
                           host);
}


static ngx_uint_t
ngx_http_auth_token_is_listed_origin(const ngx_array_t *origins,
    ngx_str_t *origin)
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
ngx_http_auth_token_origin_allowed(ngx_http_request_t *r,
    const ngx_http_auth_token_loc_conf_t *atcf)
{
    ngx_uint_t                      listed;
    ngx_table_elt_t                *h;
    ngx_http_auth_token_headers_t   it = ngx_http_auth_token_headers(r);
    ngx_http_auth_token_headers_t   sites = ngx_http_auth_token_headers(r);
    ngx_http_auth_token_headers_t   upgrade = ngx_http_auth_token_headers(r);

    /* a WebSocket's handshake is a GET, and may do anything afterwards */

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        && ngx_http_auth_token_header(&upgrade, "upgrade") == NULL)
    {
        return 1;
    }

    listed = 0;

    while ((h = ngx_http_auth_token_header(&it, "origin")) != NULL) {

        if (ngx_http_auth_token_is_listed_origin(atcf->origins, &h->value)) {
            listed = 1;

        } else if (!ngx_http_auth_token_is_same_origin(r, &h->value)) {
            return 0;
        }
    }

    if (listed) {
        return 1;
    }

    while ((h = ngx_http_auth_token_header(&sites, "sec-fetch-site")) != NULL) {

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
ngx_http_auth_token_is_preflight(ngx_http_request_t *r)
{
    ngx_http_auth_token_headers_t  origin = ngx_http_auth_token_headers(r);
    ngx_http_auth_token_headers_t  method = ngx_http_auth_token_headers(r);

    return r->method == NGX_HTTP_OPTIONS
           && ngx_http_auth_token_header(&origin, "origin") != NULL
           && ngx_http_auth_token_header(&method,
                                         "access-control-request-method")
              != NULL;
}


ngx_str_t
ngx_http_auth_token_fingerprint(const ngx_http_auth_token_ctx_t *ctx,
    u_char buf[NGX_HTTP_AUTH_TOKEN_FINGERPRINT_LEN])
{
    ngx_str_t      hex = ngx_null_string;
    unsigned char  digest[AT_SHA256_LEN];

    /* of a password's digest the password can be guessed */

    if (ctx->credential.len == 0 || ctx->kind == NGX_HTTP_AUTH_TOKEN_BASIC
        || at_sha256(digest, ngx_http_auth_token_view(ctx->credential)) != 0)
    {
        return hex;
    }

    hex.data = buf;
    hex.len = ngx_hex_dump(buf, digest, NGX_HTTP_AUTH_TOKEN_FINGERPRINT_LEN / 2)
              - buf;

    return hex;
}


ngx_str_t
ngx_http_auth_token_kind_name(ngx_uint_t kind)
{
    ngx_str_t  api_token = ngx_string("api_token");
    ngx_str_t  bearer = ngx_string("bearer");
    ngx_str_t  cookie = ngx_string("cookie");
    ngx_str_t  basic = ngx_string("basic");
    ngx_str_t  refresh = ngx_string("refresh_token");
    ngx_str_t  none = ngx_null_string;

    switch (kind) {

    case NGX_HTTP_AUTH_TOKEN_API:
        return api_token;

    case NGX_HTTP_AUTH_TOKEN_BEARER:
        return bearer;

    case NGX_HTTP_AUTH_TOKEN_COOKIE:
        return cookie;

    case NGX_HTTP_AUTH_TOKEN_BASIC:
        return basic;

    case NGX_HTTP_AUTH_TOKEN_REFRESH:
        return refresh;

    default:
        return none;
    }
}
