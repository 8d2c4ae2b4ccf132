/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of the "http" block.
 */

#include "http/base/ngx_at_main_conf.h"


ngx_at_issuer_t *
ngx_at_issuer_find(const ngx_at_main_conf_t *atmcf, const ngx_str_t *name)
{
    ngx_uint_t         i;
    ngx_at_issuer_t  **issuers;

    issuers = atmcf->issuers.elts;

    for (i = 0; i < atmcf->issuers.nelts; i++) {
        if (ngx_at_str_equal(&issuers[i]->name, name)) {
            return issuers[i];
        }
    }

    return NULL;
}
