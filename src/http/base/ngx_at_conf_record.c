/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "http/base/ngx_at_conf_record.h"

#include "http/base/ngx_at_main_conf.h"


#define NGX_AT_COMMANDS_MAX  64


typedef char *(*ngx_at_setter_pt)(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


ngx_array_t  *ngx_at_conf_records;

static ngx_at_setter_pt  ngx_at_setters[NGX_AT_COMMANDS_MAX];


static char *
ngx_at_record_and_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    if (ngx_at_conf_record(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_at_setters[cmd - ngx_http_auth_token_module.commands](cf, cmd,
                                                                     conf);
}


ngx_int_t
ngx_at_conf_record_start(ngx_pool_t *pool)
{
    ngx_uint_t      i;
    ngx_command_t  *commands;

    commands = ngx_http_auth_token_module.commands;

    for (i = 0; commands[i].name.len; i++) {

        if (i == NGX_AT_COMMANDS_MAX) {
            return NGX_ERROR;
        }

        ngx_at_setters[i] = commands[i].set;
        commands[i].set = ngx_at_record_and_set;
    }

    ngx_at_conf_records = ngx_array_create(pool, 64,
                                           sizeof(ngx_at_conf_record_t));

    return ngx_at_conf_records ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_at_conf_record(ngx_conf_t *cf, const void *block)
{
    u_char                *p;
    size_t                 len;
    ngx_str_t             *args;
    ngx_uint_t             i;
    ngx_at_conf_record_t  *record;

    if (ngx_at_conf_records == NULL) {
        return NGX_OK;
    }

    args = cf->args->elts;
    len = 0;

    for (i = 0; i < cf->args->nelts; i++) {
        len += args[i].len + 1;
    }

    record = ngx_array_push(ngx_at_conf_records);
    p = ngx_pnalloc(cf->pool, len);

    if (record == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(record, sizeof(ngx_at_conf_record_t));

    record->block = block;
    record->file = cf->conf_file->file.name;
    record->line = cf->conf_file->line;

    record->name.len = args[0].len;
    record->name.data = p;
    record->text.len = len - 1;
    record->text.data = p;

    /* setters may change the arguments */

    for (i = 0; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, args[i].data, args[i].len);
        *p++ = ' ';
    }

    return NGX_OK;
}


ngx_int_t
ngx_at_conf_record_block(ngx_conf_t *cf, const void *block)
{
    ngx_at_conf_record_t  *records;

    if (ngx_at_conf_records == NULL) {
        return NGX_OK;
    }

    if (ngx_at_conf_record(cf, block) != NGX_OK) {
        return NGX_ERROR;
    }

    records = ngx_at_conf_records->elts;
    records[ngx_at_conf_records->nelts - 1].opens = 1;

    return NGX_OK;
}


static ngx_at_conf_record_t *
ngx_at_conf_lookup_block(const void *block)
{
    ngx_uint_t             i;
    ngx_at_conf_record_t  *records;

    if (ngx_at_conf_records == NULL) {
        return NULL;
    }

    records = ngx_at_conf_records->elts;

    for (i = 0; i < ngx_at_conf_records->nelts; i++) {
        if (records[i].opens && records[i].block == block) {
            return &records[i];
        }
    }

    return NULL;
}


void
ngx_at_conf_record_parent(const void *block, const void *parent)
{
    ngx_at_conf_record_t  *record;

    record = ngx_at_conf_lookup_block(block);

    if (record) {
        record->parent = parent;
    }
}


const ngx_at_conf_record_t *
ngx_at_conf_find_block(const void *block)
{
    return ngx_at_conf_lookup_block(block);
}


const ngx_at_conf_record_t *
ngx_at_conf_find_directive(const void *block, const char *name,
    const ngx_at_conf_record_t *previous)
{
    size_t                       len;
    const ngx_at_conf_record_t  *record, *last;

    len = ngx_strlen(name);
    record = ngx_at_conf_records->elts;
    last = record + ngx_at_conf_records->nelts;

    if (previous) {
        block = previous->block;
        record = previous + 1;
    }

    for ( /* void */ ; record < last; record++) {
        if (!record->opens && record->block == block
            && record->name.len == len
            && ngx_strncmp(record->name.data, name, len) == 0)
        {
            return record;
        }
    }

    record = previous ? NULL : ngx_at_conf_lookup_block(block);

    return record && record->parent
           ? ngx_at_conf_find_directive(record->parent, name, NULL) : NULL;
}
