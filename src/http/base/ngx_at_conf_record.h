/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the blocks of the configuration and the directives of the module are.
 * Only a process of "auth-token explain" records them.
 */

#ifndef NGX_AT_CONF_RECORD_H
#define NGX_AT_CONF_RECORD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    const void  *block;         /* a configuration of a location, the main one,
                                   or an ngx_at_issuer_t */
    const void  *parent;        /* which the block inherits from, or NULL */
    ngx_str_t    name;          /* of the directive */
    ngx_str_t    text;          /* the same, with its arguments */
    ngx_str_t    file;
    ngx_uint_t   line;
    unsigned     opens:1;       /* the directive opens the block; else it is
                                   a directive in the block */
} ngx_at_conf_record_t;


/* of ngx_at_conf_record_t; NULL: nothing is recorded */
extern ngx_array_t  *ngx_at_conf_records;

/*
 * Starts to record.  From then on the setters of the module's directives
 * record their directive, too.
 */
ngx_int_t ngx_at_conf_record_start(ngx_pool_t *pool);

/* record the directive that is being parsed, unless nothing is recorded */
ngx_int_t ngx_at_conf_record(ngx_conf_t *cf, const void *block);
ngx_int_t ngx_at_conf_record_block(ngx_conf_t *cf, const void *block);

void ngx_at_conf_record_parent(const void *block, const void *parent);

/* the directive that opens the block; NULL: not recorded */
const ngx_at_conf_record_t *ngx_at_conf_find_block(const void *block);

/*
 * The next directive of this name after previous (NULL: the first one) in the
 * block, or in the nearest one that has it and that the block inherits from.
 */
const ngx_at_conf_record_t *ngx_at_conf_find_directive(const void *block,
    const char *name, const ngx_at_conf_record_t *previous);


#endif
