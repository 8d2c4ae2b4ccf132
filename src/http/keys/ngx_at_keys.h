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
    ngx_str_t *value, void *field);

/* creates the key sets of an issuer block once all of it is parsed */
char *ngx_at_keys_load(ngx_conf_t *cf, ngx_at_main_conf_t *atmcf,
    ngx_at_issuer_t *issuer);

/*
 * In a worker: uses the key sets of the configuration until they are replaced,
 * and checks key files for changes.
 */
ngx_int_t ngx_at_keys_watch(ngx_cycle_t *cycle,
    const ngx_at_main_conf_t *atmcf);

/*
 * Takes over set, which may be NULL, in place of the one at index i of the
 * issuer, and frees that one.  Call it between two events of requests.
 */
void ngx_at_keys_replace(const ngx_at_issuer_t *issuer, ngx_uint_t i,
    at_keyset_t *set);

/*
 * The n issuers with their key sets in use, valid until the event ends; NULL:
 * no memory.
 */
at_trusted_issuer_t *ngx_at_trusted_issuers(ngx_http_request_t *r,
    const ngx_at_issuer_t *const *issuers, ngx_uint_t n);


#endif
