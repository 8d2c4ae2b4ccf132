/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_hex.h"
#include "core/jose/at_entra.h"
#include "core/json/at_claim.h"


#define AT_GUID_LEN  36


/* 1; 0: missing; -1: empty or not a string */
static int
at_entra_string(const at_json_value_t *claims, at_str_t name, at_str_t *value)
{
    int  rc;

    *value = (at_str_t) { NULL, 0 };
    rc = at_json_member_string(claims, name, value);

    return rc == 1 && value->len == 0 ? -1 : rc;
}


static at_str_t
at_entra_client_id(const at_json_value_t *claims)
{
    int       has_ver, has_appid, has_azp;
    at_str_t  ver, appid, azp;

    has_ver = at_entra_string(claims, at_str("ver"), &ver);
    has_appid = at_entra_string(claims, at_str("appid"), &appid);
    has_azp = at_entra_string(claims, at_str("azp"), &azp);

    if (has_ver < 0 || has_appid < 0 || has_azp < 0
        || (has_appid && has_azp && !at_str_equal_nocase(appid, azp)))
    {
        return (at_str_t) { NULL, 0 };
    }

    if (!has_ver) {
        return has_azp ? azp : appid;
    }

    if (at_str_equal(ver, at_str("1.0"))) {
        return appid;
    }

    return at_str_equal(ver, at_str("2.0")) ? azp : (at_str_t) { NULL, 0 };
}


at_str_t
at_client_id(const at_issuer_t *issuer, const at_json_value_t *claims)
{
    size_t                  i;
    at_str_t                id;
    const at_json_value_t  *claim;

    if (issuer->entra) {
        return at_entra_client_id(claims);
    }

    id = (at_str_t) { NULL, 0 };
    claim = NULL;

    for (i = 0; claim == NULL && i < issuer->n_client_claims; i++) {
        claim = at_claim_find(claims, &issuer->client_claims[i]);
    }

    (void) at_json_string(claim, &id);

    return id;
}


static int
at_entra_is_guid(at_str_t text)
{
    size_t  i;

    if (text.len != AT_GUID_LEN) {
        return 0;
    }

    for (i = 0; i < AT_GUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.data[i] != '-') {
                return 0;
            }

        } else if (at_hex_digit(text.data[i]) == -1) {
            return 0;
        }
    }

    return 1;
}


/* separates the parts of a URL that can be a tenant */
static int
at_entra_is_separator(char c)
{
    return c == '/' || c == '.' || c == ':';
}


int
at_entra_tenant_matches_issuer(const at_json_value_t *claims)
{
    int       rc;
    size_t    i, end;
    at_str_t  tid, iss;

    rc = at_entra_string(claims, at_str("tid"), &tid);

    if (rc != 1) {
        return rc == 0;
    }

    if (!at_entra_is_guid(tid)
        || at_entra_string(claims, at_str("iss"), &iss) != 1)
    {
        return 0;
    }

    for (i = 0; i + tid.len <= iss.len; i++) {
        end = i + tid.len;

        if ((i == 0 || at_entra_is_separator(iss.data[i - 1]))
            && (end == iss.len || at_entra_is_separator(iss.data[end]))
            && at_str_equal_nocase((at_str_t) { iss.data + i, tid.len }, tid))
        {
            return 1;
        }
    }

    return 0;
}


int
at_entra_issuer_matches(const at_json_value_t *claims, at_str_t issuer)
{
    at_str_t  iss, tid;

    if (at_entra_string(claims, at_str("iss"), &iss) != 1) {
        return 0;
    }

    if (at_entra_string(claims, at_str("tid"), &tid) != 1
        || !at_entra_is_guid(tid))
    {
        tid = (at_str_t) { NULL, 0 };
    }

    while (issuer.len != 0) {

        if (at_str_cut_prefix(&issuer, at_str(AT_ENTRA_TENANT_PLACEHOLDER))) {

            if (tid.len == 0 || iss.len < tid.len
                || !at_str_equal_nocase((at_str_t) { iss.data, tid.len }, tid))
            {
                return 0;
            }

            iss.data += tid.len;
            iss.len -= tid.len;

        } else if (iss.len == 0 || *issuer.data != *iss.data) {
            return 0;

        } else {
            issuer.data++, issuer.len--;
            iss.data++, iss.len--;
        }
    }

    return iss.len == 0;
}


int
at_entra_is_delegated(const at_json_value_t *claims)
{
    int       rc;
    at_str_t  type;

    if (at_json_member(claims, at_str("scp")) != NULL) {
        return 1;
    }

    rc = at_entra_string(claims, at_str("idtyp"), &type);

    return rc != 0 && !at_str_equal(type, at_str("app"));
}
