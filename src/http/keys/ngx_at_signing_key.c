/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Signing keys: reading the files, publishing the public keys.
 */

#include "http/keys/ngx_at_signing_key.h"

#include <sys/xattr.h>

#include "core/base/at_crypto.h"
#include "core/base/at_file.h"
#include "core/jose/at_jwk.h"
#include "core/jose/at_key.h"

#include "http/base/ngx_at_str.h"


#define NGX_AT_SIGNING_KEYS_MAX  2  /* the current one and its predecessor */
#define NGX_AT_PEM_SIZE          65536
#define NGX_AT_GROUPS_MAX        64


static const ngx_at_conf_parameter_t  ngx_at_signing_key_parameters[] = {

    { ngx_string("kid="), NULL, offsetof(ngx_at_signing_key_t, kid), 0, 0,
      "\"kid=ID\"", at_kid_is_valid },

    { ngx_null_string, NULL, 0, 0, 0, NULL, NULL }
};


char *
ngx_at_issuer_set_signing_key(ngx_conf_t *cf, ngx_at_issuer_t *issuer,
    ngx_str_t *value, void *field)
{
    ngx_str_t             *path;
    ngx_at_signing_key_t  *key;

    path = &value[1];

    if (path->len == 0) {
        return ngx_at_conf_invalid_value(cf, path, "use the path of a file");
    }

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (issuer->signing_keys.nelts == NGX_AT_SIGNING_KEYS_MAX) {
        return "is specified more than twice";
    }

    key = ngx_at_conf_push(cf, &issuer->signing_keys,
                           sizeof(ngx_at_signing_key_t));
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    key->path = *path;
    ngx_at_conf_note_position(cf, &key->position);
    issuer->signing_key_position = key->position;
    issuer->has_users = 1;

    return ngx_at_conf_parse_parameters(cf, 2, ngx_at_signing_key_parameters,
                                        key);
}


static void
ngx_at_signing_keys_free(void *data)
{
    ngx_at_issuer_t *issuer = data;

    ngx_uint_t             i;
    ngx_at_signing_key_t  *key;

    key = issuer->signing_keys.elts;

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        at_mint_free(key[i].mint);
        at_secret_free(key[i].jwk);
        at_secret_free(key[i].name);
        key[i].mint = NULL;
    }
}


static ngx_uint_t
ngx_at_process_has_group(gid_t gid)
{
    int    i, n;
    gid_t  gids[NGX_AT_GROUPS_MAX];

    if (gid == getegid()) {
        return 1;
    }

    n = getgroups(NGX_AT_GROUPS_MAX, gids);

    for (i = 0; i < n; i++) {
        if (gids[i] == gid) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_at_signing_key_is_private(const char *path, const struct stat *st)
{
    uid_t  user;

    user = geteuid();

    if (!(st->st_mode & 077)) {
        return st->st_uid == user;
    }

    /* read access of a group only, and no access control list for others */
    return !(st->st_mode & 037) && user != 0
           && (st->st_uid == user || st->st_uid == 0)
           && ngx_at_process_has_group(st->st_gid)
           && getxattr(path, "system.posix_acl_access", NULL, 0) <= 0;
}


static ngx_int_t
ngx_at_signing_key_read(ngx_at_signing_key_t *key, unsigned algs,
    at_error_t *err)
{
    char         *path;
    at_file_t     file;
    at_error_t    reason;
    struct stat   st;

    path = (char *) key->path.data;

    if (stat(path, &st) != 0) {
        return at_error(err, "\"%s\": %s", path, strerror(errno));
    }

    if (!ngx_at_signing_key_is_private(path, &st)) {
        return at_error(err, "\"%s\" must be readable only by the user that "
                        "starts nginx; fix with: chown %ld %s; chmod 600 %s",
                        path, (long) geteuid(), path, path);
    }

    if (at_file_read(&file, path, NGX_AT_PEM_SIZE, err) != 0) {
        return NGX_ERROR;
    }

    key->mint = at_mint_create((at_str_t) { file.data, file.len }, &reason);
    at_file_free(&file);

    if (key->mint == NULL) {
        return at_error(err, "\"%s\": %s", path, reason.text);
    }

    key->alg = at_alg_first(at_mint_algs(key->mint));

    /* an issuer accepts the tokens that it signs */

    if (!(algs & at_alg_bit(key->alg))) {
        return at_error(err, "\"%s\" requires %s in \"algorithms\"", path,
                        at_alg_name(key->alg).data);
    }

    if (at_mint_public_jwk(key->mint, key->alg, ngx_at_view(key->kid),
                           &key->jwk, &key->name, &reason)
        != 0)
    {
        return at_error(err, "\"%s\": %s", path, reason.text);
    }

    return NGX_OK;
}


/* a JWK Set (RFC 7517 section 5) of the public keys */

static char *
ngx_at_build_jwks(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    u_char                *p;
    size_t                 len;
    ngx_uint_t             i;
    ngx_at_signing_key_t  *key;

    key = issuer->signing_keys.elts;
    len = sizeof("{\"keys\":[]}");

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        len += ngx_strlen(key[i].jwk) + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    issuer->jwks.data = p;
    p = ngx_sprintf(p, "{\"keys\":[");

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        p = ngx_sprintf(p, "%s%s", i ? "," : "", key[i].jwk);
    }

    p = ngx_sprintf(p, "]}");
    issuer->jwks.len = p - issuer->jwks.data;

    return NGX_CONF_OK;
}


char *
ngx_at_signing_keys_load(ngx_conf_t *cf, ngx_at_issuer_t *issuer)
{
    at_error_t             err;
    ngx_uint_t             i;
    ngx_pool_cleanup_t    *cln;
    ngx_at_signing_key_t  *key;

    if (issuer->signing_keys.nelts == 0) {
        return NGX_CONF_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_at_signing_keys_free;
    cln->data = issuer;

    key = issuer->signing_keys.elts;

    for (i = 0; i < issuer->signing_keys.nelts; i++) {
        if (ngx_at_signing_key_read(&key[i], issuer->requirements.algs, &err)
            != NGX_OK)
        {
            ngx_at_conf_error_at(cf, &key[i].position,
                "\"signing_key\" of \"auth_token_issuer %V\": %s",
                &issuer->name, err.text);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_at_build_jwks(cf, issuer);
}
