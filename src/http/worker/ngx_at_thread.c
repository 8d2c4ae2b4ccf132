/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * nginx's thread pool, for what takes longer than a request may wait.
 */

#include "http/worker/ngx_at_thread.h"

#include "http/base/ngx_at_directive.h"
#include "http/base/ngx_at_main_conf.h"


char *
ngx_at_set_thread_pool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_at_main_conf_t *atmcf = conf;

    ngx_str_t  *value;

    if (atmcf->thread_pool_name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_at_conf_invalid_value(cf, &value[1], "it is empty");
    }

    atmcf->thread_pool_name = value[1];

#if (NGX_THREADS)

    /* here, so that nginx names this line where there is no such pool */
    if (ngx_thread_pool_add(cf, &atmcf->thread_pool_name) == NULL) {
        return NGX_CONF_ERROR;
    }

#endif

    return NGX_CONF_OK;
}


void
ngx_at_require_thread_pool(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->thread_pool_position.line == 0) {
        ngx_at_conf_note_position(cf, &atmcf->thread_pool_position);
    }
}


ngx_int_t
ngx_at_resolve_thread_pool(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->thread_pool_position.line == 0) {
        return NGX_OK;
    }

#if (NGX_THREADS)

    atmcf->thread_pool = ngx_thread_pool_add(cf, atmcf->thread_pool_name.data
                                                 ? &atmcf->thread_pool_name
                                                 : NULL);

    return atmcf->thread_pool ? NGX_OK : NGX_ERROR;

#else

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "nginx was built without threads (--with-threads), which "
                  "are needed in %V:%ui", &atmcf->thread_pool_position.file,
                  atmcf->thread_pool_position.line);
    return NGX_ERROR;

#endif
}
