/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_verdict.h"


#define AT_CODE(code, status, message, text)                                  \
    [AT_API_##code] = { at_str("API_" #code), status, at_str(message),        \
                        at_str(text) }

#define AT_CIPP_UNAUTHORIZED                                                  \
    "You do not have permission to view this directory or page."

#define AT_CIPP_FORBIDDEN(caller)                                             \
    "Access to this CIPP API endpoint is not allowed, " caller                \
    " does not have the required permission"


static const at_code_info_t  at_codes[AT_CODES] = {
    [AT_CODE_NONE] = { at_str("OK"), 0, { NULL, 0 }, { NULL, 0 } },

    AT_CODE(EXPIRED_API_TOKEN, 401, "Expired API Token",
            AT_CIPP_UNAUTHORIZED),
    AT_CODE(INVALID_API_TOKEN, 401, "Invalid API Token",
            AT_CIPP_UNAUTHORIZED),
    AT_CODE(EXPIRED_ACCESS_TOKEN, 401, "Expired JWT Access Token",
            AT_CIPP_UNAUTHORIZED),
    AT_CODE(INVALID_ACCESS_TOKEN, 401, "Invalid JWT Access Token",
            AT_CIPP_UNAUTHORIZED),
    AT_CODE(INVALID_REFRESH_TOKEN, 401, "Invalid Refresh Token",
            AT_CIPP_UNAUTHORIZED),
    AT_CODE(INVALID_CREDENTIALS, 401, "Invalid Credentials",
            AT_CIPP_UNAUTHORIZED),

    AT_CODE(INSUFFICIENT_RIGHTS, 403, "Insufficient Rights",
            AT_CIPP_FORBIDDEN("the user")),
    AT_CODE(ENDPOINT_NOT_FOUND, 403, "Endpoint Not Found",
            "Endpoint not found"),
    AT_CODE(IP_NOT_ALLOWED, 403, "Client IP Address Not Allowed",
            AT_CIPP_FORBIDDEN("the API Client")),
    AT_CODE(CLIENT_DISABLED, 403, "API Client Unknown Or Disabled",
            AT_CIPP_FORBIDDEN("the API Client")),
    AT_CODE(ORIGIN_NOT_ALLOWED, 403, "Origin Not Allowed",
            "Origin Not Allowed"),

    AT_CODE(BAD_REQUEST, 400, "Bad Request", "Bad Request"),
    AT_CODE(TOO_MANY_REQUESTS, 429, "Too Many Requests", "Too Many Requests"),
    AT_CODE(UNAVAILABLE, 503, "Authentication Unavailable",
            "Authentication Unavailable")
};


#define AT_INFO_WITH(reason, code, message, blame, challenge, text, status)   \
    { at_str(reason), AT_API_##code, message, AT_BLAME_##blame,               \
      AT_CHALLENGE_##challenge, text, status }

#define AT_NONE  { NULL, 0 }

#define AT_INFO(reason, code, blame, challenge)                               \
    AT_INFO_WITH(reason, code, AT_NONE, blame, challenge, AT_NONE, 0)

#define AT_INVALID_API_TOKEN(reason)                                          \
    AT_INFO(reason, INVALID_API_TOKEN, CLIENT, PLAIN)

#define AT_INVALID_TOKEN(reason)                                              \
    AT_INFO(reason, INVALID_ACCESS_TOKEN, CLIENT, INVALID_TOKEN)

#define AT_EXPIRED_TOKEN(reason)                                              \
    AT_INFO(reason, EXPIRED_ACCESS_TOKEN, CLIENT, INVALID_TOKEN)

#define AT_CLIENT_REFUSED(reason)                                             \
    AT_INFO(reason, CLIENT_DISABLED, CLIENT, NONE)

#define AT_NO_RIGHTS(reason)                                                  \
    AT_INFO(reason, INSUFFICIENT_RIGHTS, CLIENT, INSUFFICIENT_SCOPE)

#define AT_NO_RIGHTS_TEXT(reason, text)                                       \
    AT_INFO_WITH(reason, INSUFFICIENT_RIGHTS, AT_NONE, CLIENT,                \
                 INSUFFICIENT_SCOPE, at_str(text), 0)

#define AT_BAD_CREDENTIALS(reason)                                            \
    AT_INFO(reason, INVALID_CREDENTIALS, CLIENT, PLAIN)

#define AT_BAD_REFRESH_TOKEN(reason)                                          \
    AT_INFO(reason, INVALID_REFRESH_TOKEN, CLIENT, PLAIN)

#define AT_BAD_REQUEST(reason, status, message)                               \
    AT_INFO_WITH(reason, BAD_REQUEST, at_str(message), CLIENT, NONE,          \
                 at_str(message), status)


static const at_verdict_info_t  at_verdicts[AT_VERDICTS] = {

    [AT_FAILED] = AT_INFO("failed", UNAVAILABLE, SYSTEM, NONE),

    [AT_OK] = { at_str("ok"), AT_CODE_NONE, AT_NONE, AT_BLAME_CLIENT,
                AT_CHALLENGE_NONE, AT_NONE, 0 },

    [AT_NO_CREDENTIAL] =
        AT_INFO_WITH("no_credential", INVALID_ACCESS_TOKEN,
                     at_str("Missing Access Token"), CLIENT, PLAIN, AT_NONE,
                     0),

    [AT_SEVERAL_CREDENTIALS] = AT_INVALID_TOKEN("several_credentials"),

    [AT_NO_API_TOKEN] =
        AT_INFO_WITH("no_api_token", INVALID_API_TOKEN,
                     at_str("Missing API Token"), CLIENT, PLAIN, AT_NONE, 0),

    [AT_SEVERAL_API_TOKENS] = AT_INVALID_API_TOKEN("several_api_tokens"),
    [AT_UNKNOWN_API_TOKEN] = AT_INVALID_API_TOKEN("unknown_api_token"),
    [AT_EXPIRED_API_TOKEN] =
        AT_INFO("expired_api_token", EXPIRED_API_TOKEN, CLIENT, PLAIN),

    [AT_TOO_LONG] = AT_INVALID_TOKEN("too_long"),
    [AT_MALFORMED] = AT_INVALID_TOKEN("malformed"),
    [AT_BAD_HEADER] = AT_INVALID_TOKEN("bad_header"),
    [AT_BAD_CRIT] = AT_INVALID_TOKEN("bad_crit"),
    [AT_BAD_TYP] = AT_INVALID_TOKEN("bad_typ"),
    [AT_BAD_ALG] = AT_INVALID_TOKEN("bad_alg"),
    [AT_BAD_KID] = AT_INVALID_TOKEN("bad_kid"),
    [AT_UNKNOWN_KID] = AT_INVALID_TOKEN("unknown_kid"),
    [AT_NO_KEY] = AT_INVALID_TOKEN("no_key"),
    [AT_BAD_SIGNATURE] = AT_INVALID_TOKEN("bad_signature"),
    [AT_TOO_MANY_KEYS] = AT_INVALID_TOKEN("too_many_keys"),
    [AT_UNAVAILABLE] = AT_INFO("unavailable", UNAVAILABLE, OPERATOR, NONE),
    [AT_TOO_COMPLEX] = AT_INVALID_TOKEN("too_complex"),
    [AT_BAD_PAYLOAD] = AT_INVALID_TOKEN("bad_payload"),
    [AT_BAD_CLAIM] = AT_INVALID_TOKEN("bad_claim"),
    [AT_ISSUER_MISMATCH] = AT_INVALID_TOKEN("issuer_mismatch"),
    [AT_KEY_ISSUER_MISMATCH] = AT_INVALID_TOKEN("key_issuer_mismatch"),
    [AT_AUDIENCE_MISMATCH] = AT_INVALID_TOKEN("audience_mismatch"),
    [AT_WRONG_KIND] = AT_INVALID_TOKEN("wrong_kind"),
    [AT_UNPROVEN] = AT_INVALID_TOKEN("unproven"),
    [AT_NOT_YET_VALID] = AT_INVALID_TOKEN("not_yet_valid"),
    [AT_TOO_OLD] = AT_EXPIRED_TOKEN("too_old"),
    [AT_EXPIRED] = AT_EXPIRED_TOKEN("expired"),

    /* the response of CIPP to a user without a role */
    [AT_DELEGATED] =
        AT_NO_RIGHTS_TEXT("delegated",
                          "Access denied: unable to resolve roles for the "
                          "authenticated principal"),

    [AT_UNKNOWN_CLIENT] = AT_CLIENT_REFUSED("unknown_client"),
    [AT_CLIENT_ISSUER_MISMATCH] =
        AT_CLIENT_REFUSED("client_issuer_mismatch"),
    [AT_DISABLED_CLIENT] = AT_CLIENT_REFUSED("disabled_client"),
    [AT_DISABLED_USER] = AT_CLIENT_REFUSED("disabled_user"),

    [AT_ORIGIN_NOT_ALLOWED] =
        AT_INFO("origin_not_allowed", ORIGIN_NOT_ALLOWED, CLIENT, NONE),
    [AT_ADDRESS_NOT_ALLOWED] =
        AT_INFO("address_not_allowed", IP_NOT_ALLOWED, CLIENT, NONE),

    [AT_NO_ROLE] = AT_NO_RIGHTS("no_role"),
    [AT_INSUFFICIENT_SCOPE] = AT_NO_RIGHTS("insufficient_scope"),
    [AT_UNKNOWN_ENDPOINT] =
        AT_INFO("unknown_endpoint", ENDPOINT_NOT_FOUND, CLIENT, NONE),
    [AT_ENDPOINT_NOT_GRANTED] = AT_NO_RIGHTS("endpoint_not_granted"),
    [AT_BLOCKED_ENDPOINT] = AT_NO_RIGHTS("blocked_endpoint"),

    [AT_PENDING] = AT_BAD_CREDENTIALS("pending"),
    [AT_BAD_BASIC] = AT_BAD_CREDENTIALS("bad_basic"),
    [AT_UNKNOWN_USER] = AT_BAD_CREDENTIALS("unknown_user"),
    [AT_USER_ISSUER_MISMATCH] = AT_BAD_CREDENTIALS("user_issuer_mismatch"),
    [AT_LOCKED_USER] = AT_BAD_CREDENTIALS("locked_user"),
    [AT_WRONG_PASSWORD] = AT_BAD_CREDENTIALS("wrong_password"),
    [AT_LOGIN_DISABLED] = AT_BAD_CREDENTIALS("login_disabled"),
    [AT_NO_SCOPES] = AT_NO_RIGHTS("no_scopes"),
    [AT_THROTTLED] = AT_INFO("throttled", TOO_MANY_REQUESTS, CLIENT, NONE),
    [AT_BUSY] = AT_INFO("busy", TOO_MANY_REQUESTS, CLIENT, NONE),
    [AT_TOO_MANY_REFRESHES] =
        AT_INFO("too_many_refreshes", TOO_MANY_REQUESTS, CLIENT, NONE),

    [AT_NO_REFRESH_TOKEN] = AT_BAD_REFRESH_TOKEN("no_refresh_token"),
    [AT_SEVERAL_REFRESH_TOKENS] =
        AT_BAD_REFRESH_TOKEN("several_refresh_tokens"),
    [AT_UNKNOWN_REFRESH_TOKEN] =
        AT_BAD_REFRESH_TOKEN("unknown_refresh_token"),
    [AT_REFRESH_TOKEN_ISSUER_MISMATCH] =
        AT_BAD_REFRESH_TOKEN("refresh_token_issuer_mismatch"),
    [AT_EXPIRED_REFRESH_TOKEN] =
        AT_BAD_REFRESH_TOKEN("expired_refresh_token"),
    [AT_ROTATED_REFRESH_TOKEN] =
        AT_BAD_REFRESH_TOKEN("rotated_refresh_token"),
    [AT_REUSED_REFRESH_TOKEN] = AT_BAD_REFRESH_TOKEN("reused_refresh_token"),
    [AT_REVOKED_SESSION] = AT_BAD_REFRESH_TOKEN("revoked_session"),
    [AT_REFRESH_DISABLED] = AT_BAD_REFRESH_TOKEN("refresh_disabled"),
    [AT_CHANGED_USER] = AT_BAD_REFRESH_TOKEN("changed_user"),

    [AT_BAD_BODY] = AT_BAD_REQUEST("bad_body", 400, "Bad Request"),
    [AT_BAD_METHOD] = AT_BAD_REQUEST("bad_method", 405, "Method Not Allowed"),
    [AT_LARGE_BODY] = AT_BAD_REQUEST("large_body", 413, "Content Too Large"),
    [AT_BAD_CONTENT_TYPE] =
        AT_BAD_REQUEST("bad_content_type", 415, "Unsupported Media Type"),

    [AT_MISCONFIGURED] = AT_INFO("misconfigured", UNAVAILABLE, OPERATOR, NONE)
};


const at_verdict_info_t *
at_verdict_info(at_verdict_e verdict)
{
    if ((unsigned) verdict >= AT_VERDICTS) {
        verdict = AT_FAILED;
    }

    return &at_verdicts[verdict];
}


const at_code_info_t *
at_code_info(at_code_e code)
{
    if ((unsigned) code >= AT_CODES) {
        code = AT_API_UNAVAILABLE;
    }

    return &at_codes[code];
}


at_code_e
at_code_find(at_str_t name)
{
    unsigned  code;

    for (code = AT_CODE_NONE + 1; code < AT_CODES; code++) {
        if (at_str_equal(at_codes[code].name, name)) {
            return code;
        }
    }

    return AT_CODE_NONE;
}
