/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "core/authz/at_error_text.h"


#define AT_ERROR_TEXT_FORBIDDEN  "Access to this CIPP API endpoint is not allowed, "


/* what is written and what there would be room for */
typedef struct {
    char    *buf;
    size_t   size;
    size_t   len;
} at_text_buffer_t;


static void
at_text_buffer_add(at_text_buffer_t *line, at_str_t text)
{
    char    c;
    size_t  i;

    for (i = 0; i < text.len; i++, line->len++) {
        c = text.data[i];

        if (line->len < line->size) {
            line->buf[line->len] = (unsigned char) c < ' ' || c == 0x7f ? '?'
                                                                        : c;
        }
    }
}


/* CIPP calls an endpoint by what stands behind the last slash */
static at_str_t
at_error_text_endpoint_name(const at_endpoint_t *endpoint)
{
    at_str_t  name;

    name.data = endpoint->text.data + endpoint->text.len;
    name.len = 0;

    while (name.len < endpoint->text.len && name.data[-1] != '/') {
        name.data--;
        name.len++;
    }

    return name.len ? name : endpoint->text;
}


/* with scopes as a second condition it may be these that do not allow it */
static int
at_error_text_names_base_role(const at_identity_t *identity)
{
    return identity->rights.from == AT_RIGHTS_ROLE
           && at_role_builtin(identity->role) != NULL;
}


size_t
at_error_text(char *buf, size_t size, at_verdict_e verdict,
    const at_identity_t *identity, const at_endpoint_t *endpoint)
{
    at_text_buffer_t          line = { buf, size, 0 };
    const at_verdict_info_t  *info;

    if (verdict == AT_ENDPOINT_NOT_GRANTED && endpoint != NULL) {

        if (at_error_text_names_base_role(identity)) {
            at_text_buffer_add(&line, at_str(AT_ERROR_TEXT_FORBIDDEN "the '"));
            at_text_buffer_add(&line, identity->role);
            at_text_buffer_add(&line, at_str("' base role does not have"));

        } else {
            at_text_buffer_add(&line, at_str(AT_ERROR_TEXT_FORBIDDEN "you do not have"));
        }

        at_text_buffer_add(&line, at_str(" the required permission: "));
        at_text_buffer_add(&line, endpoint->scope);

    } else if (verdict == AT_BLOCKED_ENDPOINT && endpoint != NULL) {
        at_text_buffer_add(&line, at_str(AT_ERROR_TEXT_FORBIDDEN "the custom role '"));
        at_text_buffer_add(&line, identity->role);
        at_text_buffer_add(&line, at_str("' has blocked this endpoint: "));
        at_text_buffer_add(&line, at_error_text_endpoint_name(endpoint));

    } else {
        info = at_verdict_info(verdict);
        at_text_buffer_add(&line, info->text.len ? info->text
                                                 : at_code_info(info->code)->text);
    }

    return line.len;
}
