/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * "return" is run before the access phase, so it answers without a check.
 */

#include "http/conf/ngx_at_conf.h"


/* the first member of the private configuration of ngx_http_rewrite_module */
typedef struct {
    ngx_array_t  *codes;                        /* NULL: no directives */
} ngx_at_rewrite_conf_t;


static ngx_array_t *
ngx_at_rewrite_codes(ngx_conf_t *cf)
{
    ngx_uint_t              i;
    ngx_module_t           *module;
    ngx_http_conf_ctx_t    *ctx;
    ngx_at_rewrite_conf_t  *rlcf;

    ctx = cf->ctx;

    /* nginx may have been built without the module */

    for (i = 0; (module = cf->cycle->modules[i]) != NULL; i++) {

        if (ngx_strcmp(module->name, "ngx_http_rewrite_module") == 0) {
            rlcf = ctx->loc_conf[module->ctx_index];
            return rlcf->codes;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_at_find_return(ngx_conf_t *cf)
{
    u_char                         *p, *last;
    ngx_array_t                    *codes;
    ngx_http_script_code_pt         code;
    ngx_http_script_return_code_t  *ret;

    codes = ngx_at_rewrite_codes(cf);

    if (codes == NULL) {
        return 0;
    }

    p = codes->elts;
    last = p + codes->nelts;

    /* the elements differ in size; each is aligned, begins with a function */

    while (p + sizeof(ngx_http_script_return_code_t) <= last) {

        code = *(ngx_http_script_code_pt *) p;

        if (code == ngx_http_script_if_code) {
            p += ((ngx_http_script_if_code_t *) p)->next;
            continue;
        }

        if (code == ngx_http_script_break_code) {
            return 0;
        }

        if (code == ngx_http_script_return_code) {
            ret = (ngx_http_script_return_code_t *) p;

            return ret->status >= NGX_HTTP_OK
                   && ret->status < NGX_HTTP_SPECIAL_RESPONSE
                   ? ret->status : 0;
        }

        p += sizeof(uintptr_t);
    }

    return 0;
}
