/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_error_text.h"
#include "core/authz/at_path.h"


#define AT_FORBIDDEN  "Access to this CIPP API endpoint is not allowed, "


typedef struct {
    char    *buf;
    size_t   size;
    size_t   len;               /* of the whole text; may exceed size */
} at_text_buffer_t;


static void
at_text_buffer_add(at_text_buffer_t *out, at_str_t text)
{
    char    c;
    size_t  i;

    for (i = 0; i < text.len; i++, out->len++) {
        c = text.data[i];

        if (out->len < out->size) {
            out->buf[out->len] = (unsigned char) c < ' ' || c == 0x7f ? '?'
                                                                      : c;
        }
    }
}


size_t
at_error_text(char *buf, size_t size, at_verdict_e verdict,
    const at_identity_t *identity, const at_endpoint_t *endpoint)
{
    at_str_t                  name;
    at_text_buffer_t          out = { buf, size, 0 };
    const at_verdict_info_t  *info;

    if (verdict == AT_ENDPOINT_NOT_GRANTED && endpoint != NULL) {

        /* in other modes the missing right may be a scope */

        if (identity->rights.from == AT_RIGHTS_ROLE
            && at_role_builtin(identity->role) != NULL)
        {
            at_text_buffer_add(&out, at_str(AT_FORBIDDEN "the '"));
            at_text_buffer_add(&out, identity->role);
            at_text_buffer_add(&out, at_str("' base role does not have"));

        } else {
            at_text_buffer_add(&out, at_str(AT_FORBIDDEN "you do not have"));
        }

        at_text_buffer_add(&out, at_str(" the required permission: "));
        at_text_buffer_add(&out, endpoint->scope);

    } else if (verdict == AT_BLOCKED_ENDPOINT && endpoint != NULL) {
        at_text_buffer_add(&out, at_str(AT_FORBIDDEN "the custom role '"));
        at_text_buffer_add(&out, identity->role);
        at_text_buffer_add(&out, at_str("' has blocked this endpoint: "));

        /* CIPP names an endpoint by the last segment of its path */
        name = at_path_last_segment(endpoint->text);
        at_text_buffer_add(&out, name.len ? name : endpoint->text);

    } else {
        info = at_verdict_info(verdict);
        at_text_buffer_add(&out, info->text.len ? info->text
                                 : at_code_info(info->code)->text);
    }

    return out.len;
}
