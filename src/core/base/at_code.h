/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The codes (API_...) of error responses, and the properties of a refusal.
 */

#ifndef AT_CODE_H
#define AT_CODE_H

#include "core/base/at_str.h"


/* AT_CODE_NONE is the code of AT_OK only */
typedef enum {
    AT_CODE_NONE = 0,
    AT_API_EXPIRED_API_TOKEN,
    AT_API_INVALID_API_TOKEN,
    AT_API_EXPIRED_ACCESS_TOKEN,
    AT_API_INVALID_ACCESS_TOKEN,
    AT_API_INVALID_REFRESH_TOKEN,
    AT_API_INVALID_CREDENTIALS,
    AT_API_INSUFFICIENT_RIGHTS,
    AT_API_ENDPOINT_NOT_FOUND,
    AT_API_IP_NOT_ALLOWED,
    AT_API_CLIENT_DISABLED,
    AT_API_ORIGIN_NOT_ALLOWED,
    AT_API_BAD_REQUEST,
    AT_API_TOO_MANY_REQUESTS,
    AT_API_UNAVAILABLE,

    AT_CODES                    /* the number of codes */
} at_code_e;


typedef struct {
    at_str_t      name;         /* "API_EXPIRED_ACCESS_TOKEN" */
    unsigned      status;       /* HTTP */
    at_str_t      message;      /* "Expired JWT Access Token" */
    at_str_t      text;         /* the message of CIPP, for the format "text";
                                   see at_error_text.h */
} at_code_info_t;


/* the party at fault; determines the log level */
typedef enum {
    AT_BLAME_SYSTEM = 0,        /* no memory, or a bug */
    AT_BLAME_OPERATOR,          /* keys, configuration */
    AT_BLAME_CLIENT
} at_blame_e;


/* the error attribute of a challenge: RFC 6750 section 3.1 */
typedef enum {
    AT_CHALLENGE_NONE = 0,
    AT_CHALLENGE_PLAIN,         /* realm only: no credential was sent */
    AT_CHALLENGE_INVALID_TOKEN,
    AT_CHALLENGE_INSUFFICIENT_SCOPE
} at_challenge_e;


typedef struct {
    at_str_t        reason;     /* "bad_signature": log, $auth_token_reason */
    at_code_e       code;
    at_str_t        message;    /* replaces that of the code, or empty */
    at_blame_e      blame;
    at_challenge_e  challenge;
    at_str_t        text;       /* replaces that of the code, or empty */
    unsigned        status;     /* replaces that of the code, or 0 */
} at_verdict_info_t;


const at_code_info_t *at_code_info(at_code_e code);

/* AT_CODE_NONE if no code has that name */
at_code_e at_code_find(at_str_t name);


#endif
