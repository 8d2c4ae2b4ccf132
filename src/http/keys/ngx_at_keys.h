/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Key files.  The master process reads them with the configuration; a worker
 * process checks twice a second for changes.  A changed file is parsed first
 * and then replaces the key set as a whole; if that fails, the previous keys
 * stay in use.  A request never waits for a file.
 */

#ifndef NGX_AT_KEYS_H
#define NGX_AT_KEYS_H

#include "http/base/ngx_at_main_conf.h"


/* the directive "key_file"; the file is read by ngx_at_keys_load() */
char *ngx_at_issuer_set_key_file(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    void *field);

/* creates the key sets of an issuer block once all of it is parsed */
char *ngx_at_keys_load(ngx_conf_t *cf, ngx_at_issuer_t *issuer);

ngx_int_t ngx_at_keys_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);

/* in a worker: frees the set at index i of the issuer, and takes over set */
void ngx_at_keys_replace(const ngx_at_issuer_t *issuer, ngx_uint_t i,
    at_keyset_t *set);


#endif
