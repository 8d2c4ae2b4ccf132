/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Every outcome of a request, once: a verdict is one exact reason; a code is
 * what the client is told.  Many reasons share a code, so that an answer tells
 * an attacker less than the log tells the operator.  Body, status, challenge,
 * log level and variables are all read from the two tables in at_verdict.c.
 */

#ifndef AT_VERDICT_H
#define AT_VERDICT_H

#include "core/base/at_str.h"


/*
 * AT_FAILED is 0: a result that nobody assigned refuses, and never as the
 * client's fault.
 *
 * The verdicts from AT_TOO_LONG to AT_EXPIRED stand in the order in which a
 * token is examined: of two refusals the greater is the one that came further.
 * at_jwt.c compares them so when several issuers look at one token.
 */
typedef enum {
    AT_FAILED = 0,
    AT_OK,

    AT_NO_CREDENTIAL,
    AT_SEVERAL_CREDENTIALS,

    AT_NO_API_TOKEN,            /* where nothing else is accepted */
    AT_SEVERAL_API_TOKENS,
    AT_UNKNOWN_API_TOKEN,       /* revoked, malformed, or never there */
    AT_EXPIRED_API_TOKEN,

    AT_TOO_LONG,                /* W1 */
    AT_MALFORMED,               /* W2: not three canonical base64url parts */
    AT_BAD_HEADER,              /* W3: not the JSON object it must be */
    AT_BAD_CRIT,                /* W5: crit, b64, zip or enc present */
    AT_BAD_TYP,                 /* W5 */
    AT_BAD_ALG,                 /* W4 */
    AT_BAD_KID,                 /* W5: not a short printable string */
    AT_UNKNOWN_KID,             /* W6 */
    AT_NO_KEY,                  /* W6: no key fits, and the token names none */
    AT_BAD_SIGNATURE,           /* W7 */
    AT_UNAVAILABLE,             /* no signature held, and an issuer has no keys yet */
    AT_BAD_PAYLOAD,             /* W8 */
    AT_BAD_CLAIM,               /* W9: a claim of the wrong type or range */
    AT_ISSUER_MISMATCH,
    AT_KEY_ISSUER_MISMATCH,              /* the key is of another issuer than the token */
    AT_AUDIENCE_MISMATCH,
    AT_NOT_YET_VALID,           /* nbf; iat where max_age is set */
    AT_TOO_OLD,                 /* max_age */
    AT_EXPIRED,

    AT_DELEGATED,               /* a user's token, where clients' own count */
    AT_UNKNOWN_CLIENT,
    AT_CLIENT_ISSUER_MISMATCH,          /* its record names other issuers */
    AT_DISABLED_CLIENT,         /* a client, or an API token */
    AT_DISABLED_USER,           /* the owner of an API token, or gone */

    AT_ORIGIN_NOT_ALLOWED,
    AT_ADDRESS_NOT_ALLOWED,
    AT_NO_ROLE,                 /* a client without a role, or of an unknown one */
    AT_INSUFFICIENT_SCOPE,
    AT_UNKNOWN_ENDPOINT,             /* a path or spelling in no line of the catalogue */
    AT_ENDPOINT_NOT_GRANTED,                /* one that is not granted */
    AT_BLOCKED_ENDPOINT,

    AT_PENDING,                 /* a password that is still to be hashed */
    AT_BAD_BASIC,               /* not "user:password" in base64 */
    AT_UNKNOWN_USER,
    AT_USER_ISSUER_MISMATCH,            /* its record names other issuers */
    AT_LOCKED_USER,             /* disabled, or without a password */
    AT_WRONG_PASSWORD,
    AT_LOCAL_OFF,               /* auth_token_local */
    AT_NO_SCOPES,               /* a user who may nothing at all */
    AT_THROTTLED,               /* too many failures of this pair */
    AT_BUSY,                    /* too many hashes are waiting */

    AT_NO_REFRESH_TOKEN,
    AT_SEVERAL_REFRESH_TOKENS,
    AT_UNKNOWN_REFRESH_TOKEN,   /* malformed, or never there, or forgotten */
    AT_REFRESH_TOKEN_ISSUER_MISMATCH,   /* of another issuer */
    AT_EXPIRED_REFRESH_TOKEN,
    AT_ROTATED_REFRESH_TOKEN,      /* within the grace */
    AT_REUSED_REFRESH_TOKEN,    /* after it */
    AT_REVOKED_SESSION,
    AT_REFRESH_OFF,             /* auth_token_local */
    AT_CHANGED_USER,            /* gone, disabled, or of another password */

    AT_BAD_BODY,
    AT_BAD_METHOD,
    AT_LARGE_BODY,
    AT_BAD_CONTENT_TYPE,

    AT_MISCONFIGURED,           /* nothing that could be accepted here */

    AT_VERDICTS                 /* how many there are */
} at_verdict_e;


/* the rows of the error table; AT_CODE_NONE goes with AT_OK alone */
typedef enum {
    AT_CODE_NONE = 0,
    AT_API_EXPIRED_API_TOKEN,
    AT_API_INVALID_API_TOKEN,
    AT_API_EXPIRED_ACCESS_TOKEN,
    AT_API_INVALID_ACCESS_TOKEN,
    AT_API_INVALID_REFRESH_TOKEN,
    AT_API_INVALID_CREDENTIALS,
    AT_API_INSUFFICIENT_RIGHTS,
    AT_API_IP_NOT_ALLOWED,
    AT_API_CLIENT_DISABLED,
    AT_API_ORIGIN_NOT_ALLOWED,
    AT_API_BAD_REQUEST,
    AT_API_TOO_MANY_REQUESTS,
    AT_API_UNAVAILABLE,

    AT_CODES                    /* how many there are */
} at_code_e;


typedef struct {
    at_str_t      name;         /* "API_EXPIRED_ACCESS_TOKEN" */
    unsigned      status;       /* HTTP */
    at_str_t      message;      /* "Expired JWT Access Token" */
    at_str_t      text;         /* as message, for the format "text": CIPP's
                                   sentence; at_error_text.h has the rest */
} at_code_info_t;


/* whose fault it is: this sets the level of the log line */
typedef enum {
    AT_BLAME_SYSTEM = 0,        /* out of memory, a bug */
    AT_BLAME_OPERATOR,          /* keys, configuration */
    AT_BLAME_CLIENT
} at_blame_e;


/* the error= of RFC 6750 section 3.1 */
typedef enum {
    AT_CHALLENGE_NONE = 0,
    AT_CHALLENGE_PLAIN,         /* no credential was sent: realm alone */
    AT_CHALLENGE_INVALID_TOKEN,
    AT_CHALLENGE_INSUFFICIENT_SCOPE
} at_challenge_e;


typedef struct {
    at_str_t        reason;     /* "bad_signature": log, $auth_token_reason */
    at_code_e       code;
    at_str_t        message;    /* in place of the code's own, or empty */
    at_blame_e      blame;
    at_challenge_e  challenge;
    at_str_t        text;       /* in place of the code's own, or empty */
    unsigned        status;     /* the same, or 0 */
} at_verdict_info_t;


/* A value outside the enum is answered with the row of AT_FAILED. */
const at_verdict_info_t *at_verdict_info(at_verdict_e verdict);

const at_code_info_t *at_code_info(at_code_e code);

/* by its exact name; AT_CODE_NONE if there is no such code */
at_code_e at_code_find(at_str_t name);


#endif
