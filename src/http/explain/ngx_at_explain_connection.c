/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The connection of the described request: which listener gets it, and how it
 * looks to nginx.
 */

#include "http/explain/ngx_at_explain.h"

#include <nginx.h>

#include "http/base/ngx_at_directive.h"


typedef struct {
    ngx_addr_t           from;          /* socklen 0: a unix socket */
    ngx_str_t            to;            /* see NGX_AT_EXPLAIN_TO */
    ngx_listening_t     *listening;
} ngx_at_explain_addr_t;


/* whether text ends with the port of "to", for example ":8080" */

static ngx_uint_t
ngx_at_explain_has_port(const ngx_str_t *text, const ngx_str_t *to)
{
    u_char  *p, *last;

    last = to->data + to->len;

    for (p = last; p > to->data && *p != ':'; p--) { /* void */ }

    return text->len > (size_t) (last - p)
           && ngx_strncmp(text->data + text->len - (last - p), p, last - p)
              == 0;
}


/*
 * 2: a listener that such a client would connect to; 1: the same with its IPv4
 * address as an IPv6 address; 0: another one
 */

static ngx_uint_t
ngx_at_explain_fits(const ngx_at_explain_addr_t *addr, ngx_listening_t *ls)
{
    int               family;
    const ngx_str_t  *to;

    family = ls->sockaddr->sa_family;
    to = &addr->to;

    if (ls->handler != ngx_http_init_connection || ls->type != SOCK_STREAM
        || (family == AF_UNIX) != (addr->from.socklen == 0))
    {
        return 0;
    }

    if (to->len && !ngx_at_str_equal(to, &ls->addr_text)
        && (family == AF_UNIX || !ngx_at_explain_has_port(&ls->addr_text, to)
            || (to->data[0] != ':' && !ngx_inet_wildcard(ls->sockaddr))))
    {
        return 0;
    }

    if (family == AF_UNIX || family == addr->from.sockaddr->sa_family) {
        return 2;
    }

#if (NGX_HAVE_INET6)
    return family == AF_INET6 && !ls->ipv6only;
#else
    return 0;
#endif
}


/* the address of the client as the kernel would report it */

static ngx_int_t
ngx_at_explain_set_client(ngx_connection_t *c,
    const ngx_at_explain_addr_t *addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    c->sockaddr = ngx_pcalloc(c->pool, sizeof(ngx_sockaddr_t));
    c->addr_text.data = ngx_pnalloc(c->pool, NGX_SOCKADDR_STRLEN);

    if (c->sockaddr == NULL || c->addr_text.data == NULL) {
        return NGX_ERROR;
    }

    if (addr->from.socklen == 0) {
        c->sockaddr->sa_family = AF_UNIX;
        c->socklen = sizeof(sa_family_t);

    } else if (addr->from.sockaddr->sa_family
               == addr->listening->sockaddr->sa_family)
    {
        c->socklen = addr->from.socklen;
        ngx_memcpy(c->sockaddr, addr->from.sockaddr, c->socklen);

#if (NGX_HAVE_INET6)
    } else {
        sin = (struct sockaddr_in *) addr->from.sockaddr;
        sin6 = (struct sockaddr_in6 *) c->sockaddr;
        sin6->sin6_family = AF_INET6;
        sin6->sin6_addr.s6_addr[10] = 0xff;
        sin6->sin6_addr.s6_addr[11] = 0xff;
        ngx_memcpy(&sin6->sin6_addr.s6_addr[12], &sin->sin_addr, 4);
        c->socklen = sizeof(struct sockaddr_in6);
#endif
    }

    c->addr_text.len = ngx_sock_ntop(c->sockaddr, c->socklen,
                                     c->addr_text.data, NGX_SOCKADDR_STRLEN,
                                     0);
    return NGX_OK;
}


/*
 * Of a wildcard listener nginx would ask the kernel for the local address,
 * which is that of the socket of the command: use --to, or loopback.
 */

static ngx_int_t
ngx_at_explain_set_server(ngx_connection_t *c,
    const ngx_at_explain_addr_t *addr)
{
    ngx_str_t         text;
    ngx_addr_t        local;
    struct sockaddr  *sa;

    sa = addr->listening->sockaddr;
    c->local_sockaddr = sa;
    c->local_socklen = addr->listening->socklen;

    if (sa->sa_family == AF_UNIX || !ngx_inet_wildcard(sa)) {
        return NGX_OK;
    }

    text = addr->to;

    if (text.len == 0 || text.data[0] == ':'
        || ngx_at_str_equal(&text, &addr->listening->addr_text))
    {
        text.data = (u_char *) (sa->sa_family == AF_INET ? "127.0.0.1"
                                                         : "::1");
        text.len = ngx_strlen(text.data);
    }

    if (ngx_parse_addr_port(c->pool, &local, text.data, text.len) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_inet_set_port(local.sockaddr, ngx_inet_get_port(sa));
    c->local_sockaddr = local.sockaddr;
    c->local_socklen = local.socklen;

    return NGX_OK;
}


#if (NGX_HTTP_V2 && nginx_version < 1025001)

/* before 1.25.1 a listener with "http2" and without "ssl" reads HTTP/2 only */

static void
ngx_at_explain_use_http1(ngx_listening_t *ls)
{
    ngx_uint_t            i;
    ngx_http_port_t      *port;
    ngx_http_in_addr_t   *addr;
#if (NGX_HAVE_INET6)
    ngx_http_in6_addr_t  *addr6;
#endif

    port = ls->servers;

    for (i = 0; i < port->naddrs; i++) {

#if (NGX_HAVE_INET6)
        if (ls->sockaddr->sa_family == AF_INET6) {
            addr6 = port->addrs;
            addr6[i].conf.http2 = 0;
            continue;
        }
#endif

        addr = port->addrs;
        addr[i].conf.http2 = 0;
    }
}

#endif


#if (NGX_HTTP_SSL)

/*
 * nginx reads a plain request from a TLS listener, too, and then asks for the
 * state of TLS: that of a connection before the handshake will do.
 */

static ngx_int_t
ngx_at_explain_add_tls(ngx_connection_t *c)
{
    ngx_http_connection_t    *hc;
    ngx_http_ssl_srv_conf_t  *sscf;

    hc = c->data;

    if (!hc->ssl) {
        return NGX_OK;
    }

    sscf = ngx_http_get_module_srv_conf(hc->conf_ctx, ngx_http_ssl_module);

    return sscf->ssl.ctx ? ngx_ssl_create_connection(&sscf->ssl, c, 0)
                         : NGX_ERROR;
}

#endif


ngx_connection_t *
ngx_at_explain_accept(ngx_cycle_t *cycle, ngx_socket_t fd,
    const ngx_array_t *listening, ngx_log_t *log, const char **error)
{
    char                   *from, *to;
    ngx_uint_t              i, fits, best;
    ngx_listening_t        *ls;
    ngx_connection_t       *c;
    ngx_at_explain_addr_t   addr;

    ngx_memzero(&addr, sizeof(ngx_at_explain_addr_t));

    from = getenv(NGX_AT_EXPLAIN_FROM);
    to = getenv(NGX_AT_EXPLAIN_TO);

    if (from && ngx_strcmp(from, "unix:") != 0
        && ngx_parse_addr(cycle->pool, &addr.from, (u_char *) from,
                          ngx_strlen(from))
           != NGX_OK)
    {
        *error = "the address of the client is invalid";
        return NULL;
    }

    addr.to.data = (u_char *) to;
    addr.to.len = to ? ngx_strlen(to) : 0;

    ls = listening->elts;
    best = 0;

    for (i = 0; i < listening->nelts; i++) {
        fits = ngx_at_explain_fits(&addr, &ls[i]);

        if (fits > best) {
            best = fits;
            addr.listening = &ls[i];
        }
    }

    if (best == 0) {
        *error = "no such listener for this client address: use \"--to\" "
                 "and \"--from\"";
        return NULL;
    }

    *error = "the connection could not be created";

#if (NGX_HTTP_V2 && nginx_version < 1025001)
    ngx_at_explain_use_http1(addr.listening);
#endif

    c = ngx_get_connection(fd, log);

    if (c == NULL || ngx_nonblocking(fd) == -1) {
        return NULL;
    }

    c->pool = ngx_create_pool(addr.listening->pool_size, log);
    if (c->pool == NULL) {
        return NULL;
    }

    c->log = ngx_palloc(c->pool, sizeof(ngx_log_t));

    if (c->log == NULL || ngx_at_explain_set_client(c, &addr) != NGX_OK
        || ngx_at_explain_set_server(c, &addr) != NGX_OK)
    {
        return NULL;
    }

    *c->log = *log;
    c->pool->log = c->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->write->ready = 1;

    c->type = SOCK_STREAM;
    c->listening = addr.listening;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->number = 1;

    ngx_http_init_connection(c);

#if (NGX_HTTP_SSL)
    if (ngx_at_explain_add_tls(c) != NGX_OK) {
        *error = "the server of this listener has no certificate";
        return NULL;
    }
#endif

    return c;
}
