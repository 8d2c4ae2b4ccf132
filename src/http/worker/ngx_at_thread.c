/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/worker/ngx_at_thread.h"

#include "http/base/ngx_at_directive.h"


#if !(NGX_THREADS)
#error "auth_token needs nginx with threads (--with-threads)"
#endif


extern ngx_module_t  ngx_thread_pool_module;


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
        return ngx_at_conf_invalid_value(cf, &value[1],
                                         "use the name of a thread pool");
    }

    atmcf->thread_pool_name = value[1];

    /* add it now, so that nginx reports an unknown pool with this line */

    return ngx_thread_pool_add(cf, &atmcf->thread_pool_name) ? NGX_CONF_OK
                                                             : NGX_CONF_ERROR;
}


/*
 * nginx has no function for a pool with a given number of threads: call the
 * handler of its "thread_pool" directive.
 */

static ngx_int_t
ngx_at_add_hash_pool(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    char           *rv;
    ngx_str_t       name = ngx_string("auth_token_hash");
    ngx_str_t       args[] = { ngx_string("thread_pool"),
                               ngx_string("auth_token_hash"),
                               ngx_string("threads=1") };
    ngx_array_t    *saved, array;
    ngx_command_t  *cmd;

    ngx_memzero(&array, sizeof(ngx_array_t));
    array.elts = args;
    array.nelts = 3;

    cmd = ngx_thread_pool_module.commands;

    saved = cf->args;
    cf->args = &array;
    rv = cmd->set(cf, cmd, NULL);
    cf->args = saved;

    if (rv != NGX_CONF_OK) {
        return NGX_ERROR;
    }

    atmcf->hash_pool = ngx_thread_pool_add(cf, &name);

    return atmcf->hash_pool ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_at_resolve_thread_pools(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf)
{
    if (atmcf->needs_thread_pool) {
        atmcf->thread_pool = ngx_thread_pool_add(cf,
                                 atmcf->thread_pool_name.data
                                 ? &atmcf->thread_pool_name : NULL);
        if (atmcf->thread_pool == NULL) {
            return NGX_ERROR;
        }
    }

    return atmcf->needs_throttle ? ngx_at_add_hash_pool(cf, atmcf) : NGX_OK;
}
