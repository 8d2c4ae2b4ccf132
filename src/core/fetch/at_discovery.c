/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/fetch/at_discovery.h"
#include "core/base/at_url.h"
#include "core/json/at_document.h"


#define AT_DISCOVERY_PATH  "/.well-known/openid-configuration"


char *
at_discovery_url(at_str_t issuer, at_error_t *err)
{
    char  *url;

    if (!at_url_is_valid(issuer)
        || memchr(issuer.data, '?', issuer.len) != NULL)
    {
        (void) at_error(err, "discovery requires an issuer that is an https "
                        "URL without a query");
        return NULL;
    }

    if (issuer.data[issuer.len - 1] == '/') {
        issuer.len--;
    }

    url = malloc(issuer.len + sizeof(AT_DISCOVERY_PATH));

    if (url == NULL) {
        (void) at_error(err, "no memory");
        return NULL;
    }

    memcpy(url, issuer.data, issuer.len);
    memcpy(url + issuer.len, AT_DISCOVERY_PATH, sizeof(AT_DISCOVERY_PATH));

    return url;
}


static char *
at_discovery_jwks_uri(const json_t *document, at_str_t issuer, at_error_t *err)
{
    char      *uri;
    at_str_t   value;

    if (at_document_string(document, "issuer", &value) != 1) {
        (void) at_error(err, "\"issuer\" is missing or not a string");
        return NULL;
    }

    if (!at_str_equal(value, issuer)) {

        /* only a valid URL is safe to log */
        if (!at_url_is_valid(value)) {
            value = at_str("not a URL");
        }

        (void) at_error(err, "metadata of another issuer: %.*s",
                        (int) value.len, value.data);
        return NULL;
    }

    /* a remote issuer must not direct requests to http, which is loopback */
    if (at_document_string(document, "jwks_uri", &value) != 1
        || !at_url_is_valid(value)
        || (!at_url_is_https(value)
            && (!at_url_is_valid(issuer) || at_url_is_https(issuer))))
    {
        (void) at_error(err, "\"jwks_uri\" is not an https URL");
        return NULL;
    }

    uri = strndup(value.data, value.len);

    if (uri == NULL) {
        (void) at_error(err, "no memory");
    }

    return uri;
}


char *
at_discovery_parse(at_str_t document, at_str_t issuer, at_error_t *err)
{
    char    *uri;
    json_t  *object;

    object = at_document_parse_lenient(document, AT_DOCUMENT_MAX);
    uri = NULL;

    if (json_is_object(object)) {
        uri = at_discovery_jwks_uri(object, issuer, err);

    } else {
        (void) at_error(err, "the metadata is not a JSON object");
    }

    json_decref(object);

    return uri;
}
