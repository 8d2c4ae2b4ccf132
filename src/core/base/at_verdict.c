/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/base/at_verdict.h"


#define AT_CIPP_UNAUTHORIZED                                                  \
    at_str("You do not have permission to view this directory or page.")

#define AT_CIPP_FORBIDDEN  "Access to this CIPP API endpoint is not allowed, "


static const at_code_info_t  at_codes[AT_CODES] = {

    [AT_CODE_NONE] =
        { at_str("OK"), 0, { NULL, 0 }, { NULL, 0 } },

    [AT_API_EXPIRED_API_TOKEN] =
        { at_str("API_EXPIRED_API_TOKEN"), 401,
          at_str("Expired API Token"), AT_CIPP_UNAUTHORIZED },

    [AT_API_INVALID_API_TOKEN] =
        { at_str("API_INVALID_API_TOKEN"), 401,
          at_str("Invalid API Token"), AT_CIPP_UNAUTHORIZED },

    [AT_API_EXPIRED_ACCESS_TOKEN] =
        { at_str("API_EXPIRED_ACCESS_TOKEN"), 401,
          at_str("Expired JWT Access Token"), AT_CIPP_UNAUTHORIZED },

    [AT_API_INVALID_ACCESS_TOKEN] =
        { at_str("API_INVALID_ACCESS_TOKEN"), 401,
          at_str("Invalid JWT Access Token"), AT_CIPP_UNAUTHORIZED },

    [AT_API_INVALID_REFRESH_TOKEN] =
        { at_str("API_INVALID_REFRESH_TOKEN"), 401,
          at_str("Invalid Refresh Token"), AT_CIPP_UNAUTHORIZED },

    [AT_API_INVALID_CREDENTIALS] =
        { at_str("API_INVALID_CREDENTIALS"), 401,
          at_str("Invalid Credentials"), AT_CIPP_UNAUTHORIZED },

    [AT_API_INSUFFICIENT_RIGHTS] =
        { at_str("API_INSUFFICIENT_RIGHTS"), 403,
          at_str("Insufficient Rights"),
          at_str(AT_CIPP_FORBIDDEN
                 "the user does not have the required permission") },

    [AT_API_IP_NOT_ALLOWED] =
        { at_str("API_IP_NOT_ALLOWED"), 403,
          at_str("Client IP Address Not Allowed"),
          at_str(AT_CIPP_FORBIDDEN
                 "the API Client does not have the required permission") },

    [AT_API_CLIENT_DISABLED] =
        { at_str("API_CLIENT_DISABLED"), 403,
          at_str("API Client Unknown Or Disabled"),
          at_str(AT_CIPP_FORBIDDEN
                 "the API Client does not have the required permission") },

    [AT_API_ORIGIN_NOT_ALLOWED] =
        { at_str("API_ORIGIN_NOT_ALLOWED"), 403,
          at_str("Origin Not Allowed"), at_str("Origin Not Allowed") },

    [AT_API_BAD_REQUEST] =
        { at_str("API_BAD_REQUEST"), 400,
          at_str("Bad Request"), at_str("Bad Request") },

    [AT_API_TOO_MANY_REQUESTS] =
        { at_str("API_TOO_MANY_REQUESTS"), 429,
          at_str("Too Many Requests"), at_str("Too Many Requests") },

    [AT_API_UNAVAILABLE] =
        { at_str("API_UNAVAILABLE"), 503,
          at_str("Authentication Unavailable"),
          at_str("Authentication Unavailable") }
};


#define AT_VERDICT_INIT_TEXT(reason, code, blame, challenge, ...)             \
    { at_str(reason), AT_API_##code, { NULL, 0 }, AT_BLAME_##blame,           \
      AT_CHALLENGE_##challenge, __VA_ARGS__, 0 }

#define AT_VERDICT_INIT(reason, code, blame, challenge)                       \
    AT_VERDICT_INIT_TEXT(reason, code, blame, challenge, { NULL, 0 })

#define AT_INVALID_TOKEN(reason)                                              \
    AT_VERDICT_INIT(reason, INVALID_ACCESS_TOKEN, CLIENT, INVALID_TOKEN)

#define AT_EXPIRED_TOKEN(reason)                                              \
    AT_VERDICT_INIT(reason, EXPIRED_ACCESS_TOKEN, CLIENT, INVALID_TOKEN)

#define AT_BAD_CREDENTIALS(reason)                                            \
    AT_VERDICT_INIT(reason, INVALID_CREDENTIALS, CLIENT, PLAIN)

#define AT_BAD_REFRESH_TOKEN(reason)                                          \
    AT_VERDICT_INIT(reason, INVALID_REFRESH_TOKEN, CLIENT, PLAIN)

#define AT_BAD_REQUEST(reason, status, message)                               \
    { at_str(reason), AT_API_BAD_REQUEST, at_str(message), AT_BLAME_CLIENT,   \
      AT_CHALLENGE_NONE, { NULL, 0 }, status }


static const at_verdict_info_t  at_verdicts[AT_VERDICTS] = {

    [AT_FAILED]        = AT_VERDICT_INIT("failed", UNAVAILABLE, SYSTEM, NONE),
    [AT_OK]            = { at_str("ok"), AT_CODE_NONE, { NULL, 0 },
                           AT_BLAME_CLIENT, AT_CHALLENGE_NONE, { NULL, 0 }, 0 },

    [AT_NO_CREDENTIAL] = { at_str("no_credential"),
                           AT_API_INVALID_ACCESS_TOKEN,
                           at_str("Missing Access Token"),
                           AT_BLAME_CLIENT, AT_CHALLENGE_PLAIN, { NULL, 0 },
                           0 },

    [AT_SEVERAL_CREDENTIALS] = AT_INVALID_TOKEN("several_credentials"),

    /* X-API-Token is no scheme of HTTP: its refusal says nothing of Bearer's */
    [AT_NO_API_TOKEN]  = { at_str("no_api_token"),
                           AT_API_INVALID_API_TOKEN,
                           at_str("Missing API Token"),
                           AT_BLAME_CLIENT, AT_CHALLENGE_PLAIN, { NULL, 0 },
                           0 },

    [AT_SEVERAL_API_TOKENS] = AT_VERDICT_INIT("several_api_tokens", INVALID_API_TOKEN,
                                              CLIENT, PLAIN),
    [AT_UNKNOWN_API_TOKEN]  = AT_VERDICT_INIT("unknown_api_token", INVALID_API_TOKEN,
                                              CLIENT, PLAIN),
    [AT_EXPIRED_API_TOKEN]  = AT_VERDICT_INIT("expired_api_token", EXPIRED_API_TOKEN,
                                              CLIENT, PLAIN),

    [AT_TOO_LONG]      = AT_INVALID_TOKEN("too_long"),
    [AT_MALFORMED]     = AT_INVALID_TOKEN("malformed"),
    [AT_BAD_HEADER]    = AT_INVALID_TOKEN("bad_header"),
    [AT_BAD_CRIT]      = AT_INVALID_TOKEN("bad_crit"),
    [AT_BAD_TYP]       = AT_INVALID_TOKEN("bad_typ"),
    [AT_BAD_ALG]       = AT_INVALID_TOKEN("bad_alg"),
    [AT_BAD_KID]       = AT_INVALID_TOKEN("bad_kid"),
    [AT_UNKNOWN_KID]   = AT_INVALID_TOKEN("unknown_kid"),
    [AT_NO_KEY]        = AT_INVALID_TOKEN("no_key"),
    [AT_BAD_SIGNATURE] = AT_INVALID_TOKEN("bad_signature"),
    [AT_UNAVAILABLE]   = AT_VERDICT_INIT("unavailable", UNAVAILABLE, OPERATOR, NONE),
    [AT_BAD_PAYLOAD]   = AT_INVALID_TOKEN("bad_payload"),
    [AT_BAD_CLAIM]     = AT_INVALID_TOKEN("bad_claim"),
    [AT_ISSUER_MISMATCH]        = AT_INVALID_TOKEN("issuer"),
    [AT_KEY_ISSUER_MISMATCH]    = AT_INVALID_TOKEN("key_issuer_mismatch"),
    [AT_AUDIENCE_MISMATCH]      = AT_INVALID_TOKEN("audience"),
    [AT_NOT_YET_VALID] = AT_INVALID_TOKEN("not_yet_valid"),
    [AT_TOO_OLD]       = AT_EXPIRED_TOKEN("too_old"),
    [AT_EXPIRED]       = AT_EXPIRED_TOKEN("expired"),

    /* what CIPP says to a user of whom it knows no role */
    [AT_DELEGATED]       = AT_VERDICT_INIT_TEXT("delegated", INSUFFICIENT_RIGHTS,
                                                CLIENT, INSUFFICIENT_SCOPE,
                                                at_str("Access denied: unable to "
                                                       "resolve roles for the "
                                                       "authenticated principal")),
    [AT_UNKNOWN_CLIENT]  = AT_VERDICT_INIT("unknown_client", CLIENT_DISABLED, CLIENT,
                                           NONE),
    [AT_CLIENT_ISSUER_MISMATCH]  = AT_VERDICT_INIT("client_issuer_mismatch", CLIENT_DISABLED, CLIENT,
                                                   NONE),
    [AT_DISABLED_CLIENT] = AT_VERDICT_INIT("disabled_client", CLIENT_DISABLED, CLIENT,
                                           NONE),
    [AT_DISABLED_USER]   = AT_VERDICT_INIT("disabled_user", CLIENT_DISABLED, CLIENT,
                                           NONE),

    [AT_ORIGIN_NOT_ALLOWED]  = AT_VERDICT_INIT("origin", ORIGIN_NOT_ALLOWED, CLIENT, NONE),
    [AT_ADDRESS_NOT_ALLOWED] = AT_VERDICT_INIT("address", IP_NOT_ALLOWED, CLIENT, NONE),
    [AT_INSUFFICIENT_SCOPE]   = AT_VERDICT_INIT("scope", INSUFFICIENT_RIGHTS, CLIENT,
                                                INSUFFICIENT_SCOPE),

    [AT_NO_ROLE]          = AT_VERDICT_INIT("no_role", INSUFFICIENT_RIGHTS, CLIENT,
                                            INSUFFICIENT_SCOPE),
    [AT_UNKNOWN_ENDPOINT]      = AT_VERDICT_INIT_TEXT("unknown_endpoint", INSUFFICIENT_RIGHTS,
                                                      CLIENT, INSUFFICIENT_SCOPE,
                                                      at_str("Endpoint not found")),
    [AT_ENDPOINT_NOT_GRANTED]         = AT_VERDICT_INIT("endpoint", INSUFFICIENT_RIGHTS, CLIENT,
                                                        INSUFFICIENT_SCOPE),
    [AT_BLOCKED_ENDPOINT] = AT_VERDICT_INIT("blocked_endpoint", INSUFFICIENT_RIGHTS,
                                            CLIENT, INSUFFICIENT_SCOPE),

    [AT_PENDING]        = AT_BAD_CREDENTIALS("pending"),
    [AT_BAD_BASIC]      = AT_BAD_CREDENTIALS("bad_basic"),
    [AT_UNKNOWN_USER]   = AT_BAD_CREDENTIALS("unknown_user"),
    [AT_USER_ISSUER_MISMATCH]   = AT_BAD_CREDENTIALS("user_issuer_mismatch"),
    [AT_LOCKED_USER]    = AT_BAD_CREDENTIALS("locked_user"),
    [AT_WRONG_PASSWORD] = AT_BAD_CREDENTIALS("wrong_password"),
    [AT_LOCAL_OFF]      = AT_BAD_CREDENTIALS("local_off"),
    [AT_NO_SCOPES]      = AT_VERDICT_INIT("no_scopes", INSUFFICIENT_RIGHTS, CLIENT,
                                          INSUFFICIENT_SCOPE),
    [AT_THROTTLED]      = AT_VERDICT_INIT("throttled", TOO_MANY_REQUESTS, CLIENT, NONE),
    [AT_BUSY]           = AT_VERDICT_INIT("busy", TOO_MANY_REQUESTS, CLIENT, NONE),

    [AT_NO_REFRESH_TOKEN]       = AT_BAD_REFRESH_TOKEN("no_refresh_token"),
    [AT_SEVERAL_REFRESH_TOKENS] = AT_BAD_REFRESH_TOKEN("several_refresh_tokens"),
    [AT_UNKNOWN_REFRESH_TOKEN]  = AT_BAD_REFRESH_TOKEN("unknown_refresh_token"),
    [AT_REFRESH_TOKEN_ISSUER_MISMATCH]  = AT_BAD_REFRESH_TOKEN("refresh_token_issuer_mismatch"),
    [AT_EXPIRED_REFRESH_TOKEN]  = AT_BAD_REFRESH_TOKEN("expired_refresh_token"),
    [AT_ROTATED_REFRESH_TOKEN]     = AT_BAD_REFRESH_TOKEN("rotated_refresh_token"),
    [AT_REUSED_REFRESH_TOKEN]   = AT_BAD_REFRESH_TOKEN("reused_refresh_token"),
    [AT_REVOKED_SESSION]          = AT_BAD_REFRESH_TOKEN("revoked_session"),
    [AT_REFRESH_OFF]            = AT_BAD_REFRESH_TOKEN("refresh_off"),
    [AT_CHANGED_USER]           = AT_BAD_REFRESH_TOKEN("changed_user"),

    [AT_BAD_BODY]   = AT_BAD_REQUEST("bad_body", 400, "Bad Request"),
    [AT_BAD_METHOD] = AT_BAD_REQUEST("bad_method", 405, "Method Not Allowed"),
    [AT_LARGE_BODY] = AT_BAD_REQUEST("large_body", 413, "Content Too Large"),
    [AT_BAD_CONTENT_TYPE]   = AT_BAD_REQUEST("bad_content_type", 415,
                                             "Unsupported Media Type"),

    [AT_MISCONFIGURED] = AT_VERDICT_INIT("misconfigured", UNAVAILABLE, OPERATOR, NONE)
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
