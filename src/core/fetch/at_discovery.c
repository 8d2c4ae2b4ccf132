/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/fetch/at_discovery.h"
#include "core/fetch/at_url.h"
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
        (void) at_error(err, "has no \"issuer\"");
        return NULL;
    }

    if (!at_str_equal(value, issuer)) {

        /* only a valid URL is safe to log */

        if (!at_url_is_valid(value)) {
            value.len = 0;
        }

        (void) at_error(err, "is of another issuer%s%.*s",
                        value.len ? ": " : "", (int) value.len, value.data);
        return NULL;
    }

    /* a remote issuer must not direct requests to http, which is loopback */

    if (at_document_string(document, "jwks_uri", &value) != 1
        || !at_url_is_valid(value)
        || (!at_url_is_https(value)
            && (!at_url_is_valid(issuer) || at_url_is_https(issuer))))
    {
        (void) at_error(err, "has no \"jwks_uri\" that is an https URL");
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

    object = at_document_parse(document, AT_DOCUMENT_MAX);

    if (!json_is_object(object)) {
        (void) at_error(err, "is not a JSON object");
        json_decref(object);
        return NULL;
    }

    uri = at_discovery_jwks_uri(object, issuer, err);
    json_decref(object);

    return uri;
}
