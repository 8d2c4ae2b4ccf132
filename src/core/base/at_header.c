/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_base64url.h"
#include "core/base/at_crypto.h"
#include "core/base/at_header.h"
#include "core/base/at_url.h"


static at_str_t
at_header_skip(at_str_t text, size_t n)
{
    return (at_str_t) { text.data + n, text.len - n };
}


/* removes prefix, in any ASCII case, from text */
static int
at_header_cut_prefix(at_str_t *text, at_str_t prefix)
{
    if (text->len < prefix.len
        || !at_str_equal_nocase((at_str_t) { text->data, prefix.len }, prefix))
    {
        return 0;
    }

    *text = at_header_skip(*text, prefix.len);

    return 1;
}


int
at_header_can_carry(at_str_t value)
{
    return value.len && value.data[0] != ' '
           && value.data[value.len - 1] != ' ' && at_str_is_printable(value);
}


int
at_header_credential(at_str_t value, at_str_t scheme, at_str_t *credential)
{
    int  has_tab;

    has_tab = 0;

    while (value.len && value.data[0] == '\t') {
        value = at_header_skip(value, 1);
        has_tab = 1;
    }

    if (!at_header_cut_prefix(&value, scheme)
        || (value.len && value.data[0] != ' ' && value.data[0] != '\t'))
    {
        return 0;
    }

    while (value.len && value.data[0] == ' ') {
        value = at_header_skip(value, 1);
    }

    if (has_tab || (value.len && value.data[0] == '\t')) {
        value.len = 0;
    }

    *credential = value;

    return 1;
}


/* converts base64 with padding to base64url */
static int
at_header_base64_to_url(char *dst, size_t *len, at_str_t text)
{
    char    c;
    size_t  i;

    if (text.len == 0 || text.len % 4 != 0) {
        return -1;
    }

    text.len -= text.data[text.len - 1] == '=';
    text.len -= text.data[text.len - 1] == '=';

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '-' || c == '_') {
            return -1;
        }

        dst[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }

    *len = text.len;

    return 0;
}


int
at_header_basic_decode(at_str_t credential, char *buf, at_str_t *user,
    at_str_t *password)
{
    int     rc;
    char    url[AT_HEADER_BASIC_MAX];
    size_t  len = 0;

    rc = credential.len <= sizeof(url)
         ? at_header_base64_to_url(url, &len, credential) : -1;

    if (rc == 0) {
        rc = at_base64url_decode((unsigned char *) buf, &len,
                                 (at_str_t) { url, len });
    }

    at_crypto_cleanse(url, sizeof(url));

    if (rc != 0 || !at_str_is_printable((at_str_t) { buf, len })) {
        return -1;
    }

    *password = (at_str_t) { buf, len };
    *user = at_str_cut(password, ':');

    return password->data != NULL && user->len != 0 ? 0 : -1;
}


size_t
at_header_cookie_find(at_str_t value, at_str_t name, at_str_t *cookie)
{
    size_t    n;
    at_str_t  pair;

    n = 0;

    while (value.len) {
        pair = at_str_trim(at_str_cut(&value, ';'));

        if (at_str_equal(at_str_cut(&pair, '='), name) && pair.data != NULL) {
            *cookie = at_str_trim(pair);
            n++;
        }
    }

    return n;
}


int
at_header_is_same_origin(at_str_t origin, int secure, at_str_t server,
    at_str_t host)
{
    at_str_t  name, digits;
    unsigned  port, scheme_port;

    scheme_port = secure ? 443 : 80;
    port = scheme_port;

    if (server.len == 0
        || !at_header_cut_prefix(&origin, secure ? at_str("https://")
                                                 : at_str("http://"))
        || !at_header_cut_prefix(&origin, server))
    {
        return 0;
    }

    if (origin.len) {
        if (origin.data[0] != ':') {
            return 0;
        }

        port = at_port_parse(at_header_skip(origin, 1));
    }

    /* an empty port is the port of the scheme: RFC 3986 section 3.2.3 */

    at_host_split(host, &name, &digits);

    return port != 0
           && port == (digits.len ? at_port_parse(digits) : scheme_port);
}
