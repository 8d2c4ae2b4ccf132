/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The outcomes of a request.  A verdict is one exact reason, for the log.  The
 * client gets a code, which many reasons share: a response reveals less than
 * the log.  Status, body, challenge, log level and variables are
 * read from the two tables in at_verdict.c.  at_code.h has their types.
 */

#ifndef AT_VERDICT_H
#define AT_VERDICT_H

#include "core/base/at_code.h"


/*
 * AT_FAILED is 0: a result that was never assigned denies the request, and is
 * reported as an internal error.
 *
 * The verdicts from AT_TOO_LONG to AT_EXPIRED are in the order of the checks
 * of a JWT.  If several issuers refuse a token, at_jwt.c reports the greatest
 * of their verdicts, which belongs to the last check.
 */
typedef enum {
    AT_FAILED = 0,              /* internal error */
    AT_OK,

    AT_NO_CREDENTIAL,
    AT_SEVERAL_CREDENTIALS,

    AT_NO_API_TOKEN,            /* only API tokens are accepted */
    AT_SEVERAL_API_TOKENS,
    AT_UNKNOWN_API_TOKEN,       /* revoked, malformed or never created */
    AT_EXPIRED_API_TOKEN,

    AT_TOO_LONG,                /* auth_token_max_length */
    AT_MALFORMED,               /* not three canonical base64url parts */
    AT_BAD_HEADER,              /* not an unambiguous JSON object */
    AT_BAD_CRIT,                /* crit, b64, zip or enc is present */
    AT_BAD_KID,                 /* not a string of 1 to 1,024 bytes */
    AT_TOO_COMPLEX,             /* header or payload: nested too deeply */
    AT_BAD_PAYLOAD,             /* not an unambiguous JSON object */
    AT_ISSUER_MISMATCH,         /* no trusted issuer has this iss */
    AT_BAD_TYP,
    AT_BAD_ALG,
    AT_UNKNOWN_KID,
    AT_NO_KEY,                  /* no kid, and no key of the algorithm */
    AT_BAD_SIGNATURE,
    AT_TOO_MANY_KEYS,           /* not all keys that fit were tried */
    AT_UNAVAILABLE,             /* an issuer has no keys yet */
    AT_BAD_CLAIM,               /* a claim of the wrong type or range */
    AT_KEY_ISSUER_MISMATCH,     /* the key belongs to another issuer */
    AT_AUDIENCE_MISMATCH,
    AT_WRONG_KIND,              /* an ID token or another that is not an access
                                   token */
    AT_UNPROVEN,                /* bound to a key (cnf) */
    AT_NOT_YET_VALID,           /* nbf; iat if max_age is set */
    AT_TOO_OLD,                 /* max_age */
    AT_EXPIRED,

    AT_DELEGATED,               /* a token on behalf of a user */
    AT_UNKNOWN_CLIENT,
    AT_CLIENT_ISSUER_MISMATCH,  /* its record names other issuers */
    AT_DISABLED_CLIENT,         /* a client, or an API token */
    AT_DISABLED_USER,           /* the owner of an API token, or deleted */

    AT_ORIGIN_NOT_ALLOWED,
    AT_ADDRESS_NOT_ALLOWED,
    AT_NO_ROLE,                 /* the client has none, or an unknown one */
    AT_INSUFFICIENT_SCOPE,
    AT_UNKNOWN_ENDPOINT,        /* not in the endpoint list, or ambiguous */
    AT_ENDPOINT_NOT_GRANTED,
    AT_BLOCKED_ENDPOINT,

    AT_PENDING,                 /* a job or a request body is awaited */
    AT_BAD_BASIC,               /* not "user:password" in base64 */
    AT_UNKNOWN_USER,
    AT_USER_ISSUER_MISMATCH,    /* its record names other issuers */
    AT_LOCKED_USER,             /* disabled, or without a password */
    AT_WRONG_PASSWORD,
    AT_LOGIN_DISABLED,          /* auth_token_local off */
    AT_NO_SCOPES,               /* the user has no scopes */
    AT_THROTTLED,               /* too many failures of user and address */
    AT_BUSY,                    /* too many of its kind of work wait */
    AT_TOO_MANY_REFRESHES,      /* of a session within a minute */

    AT_NO_REFRESH_TOKEN,
    AT_SEVERAL_REFRESH_TOKENS,
    AT_UNKNOWN_REFRESH_TOKEN,   /* malformed, never issued, or removed */
    AT_REFRESH_TOKEN_ISSUER_MISMATCH,
    AT_EXPIRED_REFRESH_TOKEN,
    AT_ROTATED_REFRESH_TOKEN,   /* used before, within the grace period */
    AT_REUSED_REFRESH_TOKEN,    /* used before, after the grace period */
    AT_REVOKED_SESSION,
    AT_REFRESH_DISABLED,        /* auth_token_local off */
    AT_CHANGED_USER,            /* deleted, disabled, or another password */

    AT_BAD_BODY,
    AT_BAD_METHOD,
    AT_LARGE_BODY,
    AT_BAD_CONTENT_TYPE,

    AT_MISCONFIGURED,           /* no credential can be accepted */

    AT_VERDICTS                 /* the number of verdicts */
} at_verdict_e;


/* Returns the row of AT_FAILED for a value outside of the enumeration. */
const at_verdict_info_t *at_verdict_info(at_verdict_e verdict);


#endif
