/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>

#include "core/base/at_url.h"


#define AT_HOST_LEN_MAX  255


typedef enum {
    AT_HOST_INVALID = 0,
    AT_HOST_REMOTE,
    AT_HOST_LOOPBACK
} at_host_kind_e;


void
at_host_split(at_str_t text, at_str_t *host, at_str_t *port)
{
    size_t  i;

    *host = text;
    *port = (at_str_t) { NULL, 0 };

    for (i = text.len; i > 0 && text.data[i - 1] != ']'; i--) {

        if (text.data[i - 1] == ':') {
            host->len = i - 1;
            *port = (at_str_t) { text.data + i, text.len - i };
            return;
        }
    }
}


unsigned
at_port_parse(at_str_t digits)
{
    size_t    i;
    unsigned  port;

    if (digits.len == 0 || digits.len > 5) {
        return 0;
    }

    port = 0;

    for (i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return 0;
        }

        port = port * 10 + (unsigned) (digits.data[i] - '0');
    }

    return port <= 65535 ? port : 0;
}


/* the characters of RFC 3986, without "#", which begins a fragment */
static int
at_url_has_valid_chars(at_str_t url)
{
    return url.len <= AT_URL_LEN_MAX
           && at_str_is_visible(url, "\"#<>\\^`{|}");
}


static int
at_host_parse_addr(at_str_t host, int family, unsigned char addr[16])
{
    char  text[INET6_ADDRSTRLEN];

    if (host.len >= sizeof(text)) {
        return 0;
    }

    memcpy(text, host.data, host.len);
    text[host.len] = '\0';

    return inet_pton(family, text, addr) == 1;
}


/* of "host" or "host:port" */
static at_host_kind_e
at_host_kind(at_str_t authority)
{
    at_str_t                    host, port;
    unsigned char               addr[16];
    static const unsigned char  loopback[16] = { [15] = 1 };

    at_host_split(authority, &host, &port);

    if (port.data != NULL && at_port_parse(port) == 0) {
        return AT_HOST_INVALID;
    }

    if (host.len > 2
        && host.data[0] == '[' && host.data[host.len - 1] == ']')
    {
        host = (at_str_t) { host.data + 1, host.len - 2 };

        if (!at_host_parse_addr(host, AF_INET6, addr)) {
            return AT_HOST_INVALID;
        }

        return memcmp(addr, loopback, 16) == 0 ? AT_HOST_LOOPBACK
                                               : AT_HOST_REMOTE;
    }

    if (at_host_parse_addr(host, AF_INET, addr)) {
        return addr[0] == 127 ? AT_HOST_LOOPBACK : AT_HOST_REMOTE;
    }

    return host.len > 0 && host.len <= AT_HOST_LEN_MAX && host.data[0] != '.'
           && at_str_has_only(host, at_str(AT_ALPHANUMERIC "-._"))
           ? AT_HOST_REMOTE : AT_HOST_INVALID;
}


int
at_url_is_valid(at_str_t url)
{
    size_t    i;
    int       https;
    at_str_t  authority;

    if (!at_url_has_valid_chars(url)) {
        return 0;
    }

    https = at_str_cut_prefix(&url, at_str("https://"));

    if (!https && !at_str_cut_prefix(&url, at_str("http://"))) {
        return 0;
    }

    for (i = 0; i < url.len; i++) {
        if (url.data[i] == '/' || url.data[i] == '?') {
            break;
        }
    }

    authority = (at_str_t) { url.data, i };

    return https ? at_host_kind(authority) != AT_HOST_INVALID
                 : at_host_kind(authority) == AT_HOST_LOOPBACK;
}


int
at_url_is_origin(at_str_t url)
{
    return at_url_has_valid_chars(url)
           && (at_str_cut_prefix(&url, at_str("https://"))
               || at_str_cut_prefix(&url, at_str("http://")))
           && at_host_kind(url) != AT_HOST_INVALID;
}


at_str_t
at_url_cut_default_port(at_str_t origin)
{
    at_str_t  host, port;

    at_host_split(origin, &host, &port);

    return at_port_parse(port) == (at_url_is_https(origin) ? 443 : 80)
           ? host : origin;
}


int
at_url_is_https(at_str_t url)
{
    return at_str_cut_prefix(&url, at_str("https://"));
}
