/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables of codes and verdicts.
 *
 * Requirements: error-codes, error-challenge, no-credential.
 */

#include "core/base/at_verdict.h"
#include "tap.h"


static int
is_word(at_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (!(text.data[i] >= 'a' && text.data[i] <= 'z')
            && text.data[i] != '_')
        {
            return 0;
        }
    }

    return text.len != 0;
}


/* needs no escaping in JSON strings and headers */
static int
is_plain(at_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e
            || strchr("\"\\<>&", text.data[i]) != NULL)
        {
            return 0;
        }
    }

    return 1;
}


#define CODE(name)  AT_##name, #name


static void
test_codes(void)
{
    unsigned               i;
    const at_code_info_t  *info;

    static const struct {
        at_code_e code; const char *name; unsigned status; const char *message;
    } rows[] = {
        { CODE(API_EXPIRED_API_TOKEN), 401, "Expired API Token" },
        { CODE(API_INVALID_API_TOKEN), 401, "Invalid API Token" },
        { CODE(API_CLIENT_DISABLED), 403, "API Client Unknown Or Disabled" },
        { CODE(API_EXPIRED_ACCESS_TOKEN), 401, "Expired JWT Access Token" },
        { CODE(API_INVALID_ACCESS_TOKEN), 401, "Invalid JWT Access Token" },
        { CODE(API_INSUFFICIENT_RIGHTS), 403, "Insufficient Rights" },
        { CODE(API_ENDPOINT_NOT_FOUND), 403, "Endpoint Not Found" },
        { CODE(API_IP_NOT_ALLOWED), 403, "Client IP Address Not Allowed" },
        { CODE(API_ORIGIN_NOT_ALLOWED), 403, "Origin Not Allowed" },
        { CODE(API_INVALID_REFRESH_TOKEN), 401, "Invalid Refresh Token" },
        { CODE(API_INVALID_CREDENTIALS), 401, "Invalid Credentials" },
        { CODE(API_BAD_REQUEST), 400, "Bad Request" },
        { CODE(API_TOO_MANY_REQUESTS), 429, "Too Many Requests" },
        { CODE(API_UNAVAILABLE), 503, "Authentication Unavailable" },
    };

    is_int(AT_CODES - 1,
           sizeof(rows) / sizeof(rows[0]), "every code is in the table");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        info = at_code_info(rows[i].code);

        is_bytes(info->name, str(rows[i].name), "%s", rows[i].name);
        is_int(info->status, rows[i].status, "%s: status", rows[i].name);
        is_bytes(info->message, str(rows[i].message), "%s: message",
                 rows[i].name);
        ok(info->text.len != 0 && is_plain(info->text), "%s: text",
           rows[i].name);
        is_int(at_code_find(str(rows[i].name)), rows[i].code,
               "%s is found by name", rows[i].name);
    }

    is_int(at_code_find(at_str("OK")), AT_CODE_NONE,
           "OK is not an error code");
    is_int(at_code_find(at_str("api_unavailable")), AT_CODE_NONE,
           "codes are compared with case");
    is_int(at_code_find(at_str("")),
           AT_CODE_NONE, "an empty name has no code");
    is_int(at_code_info(AT_CODES)->status, 503,
           "a code above the enumeration is 503");
    is_int(at_code_info((at_code_e) -1)->status, 503,
           "a code below the enumeration is 503");
}


static void
test_verdicts(void)
{
    unsigned                  i, j, twice;
    const at_verdict_info_t  *info;

    for (i = 0; i < AT_VERDICTS; i++) {
        info = at_verdict_info((at_verdict_e) i);

        ok(is_word(info->reason), "verdict %u has a reason", i);
        ok((info->code == AT_CODE_NONE) == (i == AT_OK),
           "verdict %u: only ok has no code", i);
        ok(is_plain(info->message),
           "verdict %u: the message needs no escaping", i);

        for (j = 0, twice = 0; j < i; j++) {
            twice += at_str_equal(info->reason,
                               at_verdict_info((at_verdict_e) j)->reason);
        }

        is_int(twice, 0, "verdict %u: the reason is unique", i);
    }

    is_int(AT_FAILED, 0, "a verdict that was not assigned is AT_FAILED");
    is_int(at_code_info(at_verdict_info(AT_FAILED)->code)->status, 503,
           "AT_FAILED is 503");
    is_int(at_verdict_info(AT_FAILED)->blame, AT_BLAME_SYSTEM,
           "AT_FAILED is blamed on the system");
    ok(at_verdict_info(AT_VERDICTS) == at_verdict_info(AT_FAILED),
       "a verdict above the enumeration is AT_FAILED");
    ok(at_verdict_info((at_verdict_e) -1) == at_verdict_info(AT_FAILED),
       "a verdict below the enumeration is AT_FAILED");
}


static void
test_responses(void)
{
    unsigned                  i, n;
    const at_verdict_e       *v;
    const at_verdict_info_t  *info;

    static const struct {
        at_code_e       code;
        at_challenge_e  challenge;
        at_verdict_e    verdicts[24];       /* ends with AT_OK */
    } rows[] = {
        { AT_API_INVALID_API_TOKEN, AT_CHALLENGE_PLAIN,
          { AT_NO_API_TOKEN, AT_SEVERAL_API_TOKENS, AT_UNKNOWN_API_TOKEN,
            AT_OK } },
        { AT_API_EXPIRED_API_TOKEN, AT_CHALLENGE_PLAIN,
          { AT_EXPIRED_API_TOKEN, AT_OK } },
        { AT_API_INSUFFICIENT_RIGHTS, AT_CHALLENGE_INSUFFICIENT_SCOPE,
          { AT_DELEGATED, AT_NO_ROLE, AT_ENDPOINT_NOT_GRANTED,
            AT_BLOCKED_ENDPOINT, AT_INSUFFICIENT_SCOPE, AT_NO_SCOPES,
            AT_OK } },
        { AT_API_ENDPOINT_NOT_FOUND, AT_CHALLENGE_NONE,
          { AT_UNKNOWN_ENDPOINT, AT_OK } },
        { AT_API_CLIENT_DISABLED, AT_CHALLENGE_NONE,
          { AT_UNKNOWN_CLIENT, AT_CLIENT_ISSUER_MISMATCH, AT_DISABLED_CLIENT,
            AT_DISABLED_USER, AT_OK } },
        { AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_PLAIN,
          { AT_NO_CREDENTIAL, AT_OK } },
        { AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN,
          { AT_SEVERAL_CREDENTIALS, AT_TOO_LONG, AT_MALFORMED, AT_BAD_HEADER,
            AT_BAD_CRIT, AT_BAD_TYP, AT_BAD_ALG, AT_BAD_KID, AT_UNKNOWN_KID,
            AT_NO_KEY, AT_BAD_SIGNATURE, AT_TOO_MANY_KEYS, AT_TOO_COMPLEX,
            AT_BAD_PAYLOAD, AT_BAD_CLAIM, AT_ISSUER_MISMATCH,
            AT_KEY_ISSUER_MISMATCH, AT_AUDIENCE_MISMATCH, AT_WRONG_KIND,
            AT_UNPROVEN, AT_NOT_YET_VALID, AT_OK } },
        { AT_API_EXPIRED_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN,
          { AT_TOO_OLD, AT_EXPIRED, AT_OK } },
        { AT_API_UNAVAILABLE, AT_CHALLENGE_NONE,
          { AT_UNAVAILABLE, AT_FAILED, AT_MISCONFIGURED, AT_OK } },
        { AT_API_ORIGIN_NOT_ALLOWED, AT_CHALLENGE_NONE,
          { AT_ORIGIN_NOT_ALLOWED, AT_OK } },
        { AT_API_IP_NOT_ALLOWED, AT_CHALLENGE_NONE,
          { AT_ADDRESS_NOT_ALLOWED, AT_OK } },
        { AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN,
          { AT_PENDING, AT_BAD_BASIC, AT_UNKNOWN_USER, AT_USER_ISSUER_MISMATCH,
            AT_LOCKED_USER, AT_WRONG_PASSWORD, AT_LOGIN_DISABLED, AT_OK } },
        { AT_API_TOO_MANY_REQUESTS, AT_CHALLENGE_NONE,
          { AT_THROTTLED, AT_BUSY, AT_TOO_MANY_REFRESHES, AT_OK } },
        { AT_API_INVALID_REFRESH_TOKEN, AT_CHALLENGE_PLAIN,
          { AT_NO_REFRESH_TOKEN, AT_SEVERAL_REFRESH_TOKENS,
            AT_UNKNOWN_REFRESH_TOKEN, AT_REFRESH_TOKEN_ISSUER_MISMATCH,
            AT_EXPIRED_REFRESH_TOKEN, AT_ROTATED_REFRESH_TOKEN,
            AT_REUSED_REFRESH_TOKEN, AT_REVOKED_SESSION, AT_REFRESH_DISABLED,
            AT_CHANGED_USER, AT_OK } },
        { AT_API_BAD_REQUEST, AT_CHALLENGE_NONE,
          { AT_BAD_BODY, AT_BAD_METHOD, AT_LARGE_BODY, AT_BAD_CONTENT_TYPE,
            AT_OK } },
    };

    n = 0;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        for (v = rows[i].verdicts; *v != AT_OK; v++, n++) {
            info = at_verdict_info(*v);

            is_int(info->code, rows[i].code, "%.*s: code",
                   (int) info->reason.len, info->reason.data);
            is_int(info->challenge, rows[i].challenge, "%.*s: challenge",
                   (int) info->reason.len, info->reason.data);
        }
    }

    is_int(n, AT_VERDICTS - 1, "every verdict but ok is in the table");
    is_bytes(at_verdict_info(AT_NO_CREDENTIAL)->message,
             at_str("Missing Access Token"),
             "a missing credential has another message");
}


int
main(void)
{
    RUN(test_codes, test_verdicts, test_responses);

    return tap_done();
}
