/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "at_header.h"


#define AT_PORT_DIGITS  5


static at_str_t
at_skip(at_str_t text, size_t n)
{
    return (at_str_t) { text.data + n, text.len - n };
}


static int
at_is_blank(char c)
{
    return c == ' ' || c == '\t';
}


static at_str_t
at_trim(at_str_t text)
{
    while (text.len && at_is_blank(text.data[0])) {
        text = at_skip(text, 1);
    }

    while (text.len && at_is_blank(text.data[text.len - 1])) {
        text.len--;
    }

    return text;
}


/* cuts prefix off text, in any ASCII case */
static int
at_cut_prefix(at_str_t *text, at_str_t prefix)
{
    at_str_t  head;

    if (text->len < prefix.len) {
        return 0;
    }

    head = (at_str_t) { text->data, prefix.len };

    if (!at_str_equal_nocase(head, prefix)) {
        return 0;
    }

    *text = at_skip(*text, prefix.len);

    return 1;
}


int
at_header_bearer(at_str_t value, at_str_t *token)
{
    int       spoiled;
    at_str_t  rest;

    rest = value;
    spoiled = 0;

    while (rest.len && rest.data[0] == '\t') {
        rest = at_skip(rest, 1);
        spoiled = 1;
    }

    if (!at_cut_prefix(&rest, at_str("Bearer"))
        || (rest.len && !at_is_blank(rest.data[0])))
    {
        return 0;
    }

    while (rest.len && rest.data[0] == ' ') {
        rest = at_skip(rest, 1);
    }

    if (spoiled || (rest.len && rest.data[0] == '\t')) {
        rest.len = 0;
    }

    *token = rest;

    return 1;
}


size_t
at_header_cookie(at_str_t value, at_str_t name, at_str_t *cookie)
{
    size_t       n;
    at_str_t     pair;
    const char  *end;

    n = 0;

    while (value.len) {
        end = memchr(value.data, ';', value.len);
        pair = (at_str_t) { value.data,
                            end ? (size_t) (end - value.data) : value.len };

        value = at_skip(value, pair.len + (end != NULL));
        pair = at_trim(pair);

        if (pair.len > name.len && pair.data[name.len] == '='
            && memcmp(pair.data, name.data, name.len) == 0)
        {
            *cookie = at_trim(at_skip(pair, name.len + 1));
            n++;
        }
    }

    return n;
}


/* a decimal of 1 to 65535; 0 for anything else */
static unsigned
at_port(at_str_t digits)
{
    size_t    i;
    unsigned  port;

    if (digits.len == 0 || digits.len > AT_PORT_DIGITS) {
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


/* of "name", "name:port", "[v6]", "[v6]:port"; the scheme's where none is said */
static unsigned
at_host_port(at_str_t host, unsigned scheme_port)
{
    size_t  i;

    for (i = host.len; i > 0 && host.data[i - 1] != ':'; i--) {
        if (host.data[i - 1] == ']') {
            return scheme_port;
        }
    }

    /* RFC 3986 section 3.2.3: an empty port is none */
    return i && i < host.len ? at_port(at_skip(host, i)) : scheme_port;
}


int
at_header_same_origin(at_str_t origin, int secure, at_str_t server,
    at_str_t host)
{
    unsigned  port, scheme_port;

    scheme_port = secure ? 443 : 80;

    if (server.len == 0
        || !at_cut_prefix(&origin, secure ? at_str("https://")
                                          : at_str("http://"))
        || !at_cut_prefix(&origin, server))
    {
        return 0;
    }

    port = scheme_port;

    if (origin.len) {
        if (origin.data[0] != ':') {
            return 0;
        }

        port = at_port(at_skip(origin, 1));
    }

    return port != 0 && port == at_host_port(host, scheme_port);
}
