/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
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
        if (!(text.data[i] >= 'a' && text.data[i] <= 'z') && text.data[i] != '_') {
            return 0;
        }
    }

    return text.len != 0;
}


/* safe inside a JSON string and a header without being escaped */
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


static void
test_codes(void)
{
    unsigned               i;
    const at_code_info_t  *info;

    static const struct {
        at_code_e    code;
        const char  *name;
        unsigned     status;
        const char  *message;
    } rows[] = {
        { AT_API_EXPIRED_API_TOKEN, "API_EXPIRED_API_TOKEN", 401,
          "Expired API Token" },
        { AT_API_INVALID_API_TOKEN, "API_INVALID_API_TOKEN", 401,
          "Invalid API Token" },
        { AT_API_CLIENT_DISABLED, "API_CLIENT_DISABLED", 403,
          "API Client Unknown Or Disabled" },
        { AT_API_EXPIRED_ACCESS_TOKEN, "API_EXPIRED_ACCESS_TOKEN", 401,
          "Expired JWT Access Token" },
        { AT_API_INVALID_ACCESS_TOKEN, "API_INVALID_ACCESS_TOKEN", 401,
          "Invalid JWT Access Token" },
        { AT_API_INSUFFICIENT_RIGHTS, "API_INSUFFICIENT_RIGHTS", 403,
          "Insufficient Rights" },
        { AT_API_IP_NOT_ALLOWED, "API_IP_NOT_ALLOWED", 403,
          "Client IP Address Not Allowed" },
        { AT_API_ORIGIN_NOT_ALLOWED, "API_ORIGIN_NOT_ALLOWED", 403,
          "Origin Not Allowed" },
        { AT_API_INVALID_REFRESH_TOKEN, "API_INVALID_REFRESH_TOKEN", 401,
          "Invalid Refresh Token" },
        { AT_API_INVALID_CREDENTIALS, "API_INVALID_CREDENTIALS", 401,
          "Invalid Credentials" },
        { AT_API_BAD_REQUEST, "API_BAD_REQUEST", 400, "Bad Request" },
        { AT_API_TOO_MANY_REQUESTS, "API_TOO_MANY_REQUESTS", 429,
          "Too Many Requests" },
        { AT_API_UNAVAILABLE, "API_UNAVAILABLE", 503,
          "Authentication Unavailable" },
    };

    is_int(AT_CODES - 1, sizeof(rows) / sizeof(rows[0]), "a row for each code");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        info = at_code_info(rows[i].code);

        is_bytes(info->name, str(rows[i].name), "%s", rows[i].name);
        is_int(info->status, rows[i].status, "%s: status", rows[i].name);
        is_bytes(info->message, str(rows[i].message), "%s: message",
                 rows[i].name);
        ok(info->text.len != 0 && is_plain(info->text), "%s: text",
           rows[i].name);
        is_int(at_code_find(str(rows[i].name)), rows[i].code,
               "%s: found by its name", rows[i].name);
    }

    is_int(at_code_find(at_str("OK")), AT_CODE_NONE, "OK is no code of an error");
    is_int(at_code_find(at_str("api_unavailable")), AT_CODE_NONE, "in its own case only");
    is_int(at_code_find(at_str("")), AT_CODE_NONE, "no name, no code");
    is_int(at_code_info(AT_CODES)->status, 503, "beyond the codes: unavailable");
    is_int(at_code_info((at_code_e) -1)->status, 503, "below the codes: unavailable");
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
           "verdict %u: no code goes with ok alone", i);
        ok(is_plain(info->message), "verdict %u: its message is plain", i);

        for (j = 0, twice = 0; j < i; j++) {
            twice += at_str_equal(info->reason,
                               at_verdict_info((at_verdict_e) j)->reason);
        }

        is_int(twice, 0, "verdict %u: no other has its reason", i);
    }

    is_int(AT_FAILED, 0, "what nobody assigned is a failure");
    is_int(at_code_info(at_verdict_info(AT_FAILED)->code)->status, 503,
           "a failure is 503");
    is_int(at_verdict_info(AT_FAILED)->blame, AT_BLAME_SYSTEM,
           "and not the client's fault");
    ok(at_verdict_info(AT_VERDICTS) == at_verdict_info(AT_FAILED),
       "beyond the verdicts: failed");
    ok(at_verdict_info((at_verdict_e) -1) == at_verdict_info(AT_FAILED),
       "below the verdicts: failed");
}


static void
test_answers(void)
{
    unsigned  i;

    static const struct {
        at_verdict_e    verdict;
        at_code_e       code;
        at_challenge_e  challenge;
    } rows[] = {
        { AT_NO_API_TOKEN, AT_API_INVALID_API_TOKEN, AT_CHALLENGE_PLAIN },
        { AT_SEVERAL_API_TOKENS, AT_API_INVALID_API_TOKEN, AT_CHALLENGE_PLAIN },
        { AT_UNKNOWN_API_TOKEN, AT_API_INVALID_API_TOKEN, AT_CHALLENGE_PLAIN },
        { AT_EXPIRED_API_TOKEN, AT_API_EXPIRED_API_TOKEN, AT_CHALLENGE_PLAIN },
        { AT_DELEGATED, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_UNKNOWN_CLIENT, AT_API_CLIENT_DISABLED, AT_CHALLENGE_NONE },
        { AT_CLIENT_ISSUER_MISMATCH, AT_API_CLIENT_DISABLED, AT_CHALLENGE_NONE },
        { AT_DISABLED_CLIENT, AT_API_CLIENT_DISABLED, AT_CHALLENGE_NONE },
        { AT_DISABLED_USER, AT_API_CLIENT_DISABLED, AT_CHALLENGE_NONE },
        { AT_NO_ROLE, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_UNKNOWN_ENDPOINT, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_ENDPOINT_NOT_GRANTED, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_BLOCKED_ENDPOINT, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_NO_CREDENTIAL, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_PLAIN },
        { AT_SEVERAL_CREDENTIALS, AT_API_INVALID_ACCESS_TOKEN,
          AT_CHALLENGE_INVALID_TOKEN },
        { AT_TOO_LONG, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_MALFORMED, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_HEADER, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_CRIT, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_TYP, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_ALG, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_KID, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_UNKNOWN_KID, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_NO_KEY, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_SIGNATURE, AT_API_INVALID_ACCESS_TOKEN,
          AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_PAYLOAD, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_BAD_CLAIM, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_ISSUER_MISMATCH, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_KEY_ISSUER_MISMATCH, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_AUDIENCE_MISMATCH, AT_API_INVALID_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_NOT_YET_VALID, AT_API_INVALID_ACCESS_TOKEN,
          AT_CHALLENGE_INVALID_TOKEN },
        { AT_TOO_OLD, AT_API_EXPIRED_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_EXPIRED, AT_API_EXPIRED_ACCESS_TOKEN, AT_CHALLENGE_INVALID_TOKEN },
        { AT_UNAVAILABLE, AT_API_UNAVAILABLE, AT_CHALLENGE_NONE },
        { AT_FAILED, AT_API_UNAVAILABLE, AT_CHALLENGE_NONE },
        { AT_MISCONFIGURED, AT_API_UNAVAILABLE, AT_CHALLENGE_NONE },
        { AT_ORIGIN_NOT_ALLOWED, AT_API_ORIGIN_NOT_ALLOWED, AT_CHALLENGE_NONE },
        { AT_ADDRESS_NOT_ALLOWED, AT_API_IP_NOT_ALLOWED, AT_CHALLENGE_NONE },
        { AT_INSUFFICIENT_SCOPE, AT_API_INSUFFICIENT_RIGHTS, AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_PENDING, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_BAD_BASIC, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_UNKNOWN_USER, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_USER_ISSUER_MISMATCH, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_LOCKED_USER, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_WRONG_PASSWORD, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_LOGIN_DISABLED, AT_API_INVALID_CREDENTIALS, AT_CHALLENGE_PLAIN },
        { AT_NO_SCOPES, AT_API_INSUFFICIENT_RIGHTS,
          AT_CHALLENGE_INSUFFICIENT_SCOPE },
        { AT_THROTTLED, AT_API_TOO_MANY_REQUESTS, AT_CHALLENGE_NONE },
        { AT_BUSY, AT_API_TOO_MANY_REQUESTS, AT_CHALLENGE_NONE },
        { AT_NO_REFRESH_TOKEN, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_SEVERAL_REFRESH_TOKENS, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_UNKNOWN_REFRESH_TOKEN, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_REFRESH_TOKEN_ISSUER_MISMATCH, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_EXPIRED_REFRESH_TOKEN, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_ROTATED_REFRESH_TOKEN, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_REUSED_REFRESH_TOKEN, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_REVOKED_SESSION, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_REFRESH_DISABLED, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_CHANGED_USER, AT_API_INVALID_REFRESH_TOKEN,
          AT_CHALLENGE_PLAIN },
        { AT_BAD_BODY, AT_API_BAD_REQUEST, AT_CHALLENGE_NONE },
        { AT_BAD_METHOD, AT_API_BAD_REQUEST, AT_CHALLENGE_NONE },
        { AT_LARGE_BODY, AT_API_BAD_REQUEST, AT_CHALLENGE_NONE },
        { AT_BAD_CONTENT_TYPE, AT_API_BAD_REQUEST, AT_CHALLENGE_NONE },
    };

    is_int(sizeof(rows) / sizeof(rows[0]), AT_VERDICTS - 1,
           "every refusal is listed here");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const at_verdict_info_t  *info = at_verdict_info(rows[i].verdict);

        is_int(info->code, rows[i].code, "%.*s: code",
               (int) info->reason.len, info->reason.data);
        is_int(info->challenge, rows[i].challenge, "%.*s: challenge",
               (int) info->reason.len, info->reason.data);
    }

    is_bytes(at_verdict_info(AT_NO_CREDENTIAL)->message,
             at_str("Missing Access Token"), "no credential has its own message");
}


int
main(void)
{
    test_codes();
    test_verdicts();
    test_answers();

    return tap_done();
}
