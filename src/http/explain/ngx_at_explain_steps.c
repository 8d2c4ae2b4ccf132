/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The decision of the module in steps.  The verdict says which step failed;
 * the steps before it passed.
 */

#include "http/explain/ngx_at_explain.h"

#include "core/jose/at_jwt.h"

#include "http/access/ngx_at_access.h"
#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_str.h"
#include "http/request/ngx_at_credential.h"
#include "http/worker/ngx_at_worker.h"


#define NGX_AT_STEP_TEXT_LEN  1024

#define NGX_AT_KEY_SOURCES    "key_file jwks_uri discovery signing_key"


/* in the order of the checks */
typedef enum {
    NGX_AT_STEP_CREDENTIAL = 0,
    NGX_AT_STEP_ISSUER,
    NGX_AT_STEP_KEY,
    NGX_AT_STEP_CLAIMS,
    NGX_AT_STEP_CLIENT,
    NGX_AT_STEP_ORIGIN,
    NGX_AT_STEP_ADDRESS,
    NGX_AT_STEP_ROLE,
    NGX_AT_STEP_SCOPE,
    NGX_AT_STEP_ENDPOINT,
    NGX_AT_STEPS
} ngx_at_step_e;

/*
 * directives: names, separated by spaces, of a location, of "http" or of an
 * issuer block
 */
typedef struct {
    ngx_at_step_e  step;
    const char    *requirement;
    const char    *directives;
    const char    *change;      /* that would allow the request */
} ngx_at_step_text_t;

typedef struct {
    ngx_http_request_t        *request;
    const ngx_at_ctx_t        *ctx;
    const ngx_at_issuer_t     *issuer;          /* of the JWT, or NULL */
    at_bytes_t                *report;
} ngx_at_steps_t;

/* what is known of the JWT: the issuer that got furthest */
static struct {
    ngx_uint_t                 known;
    at_verdict_e               verdict;
    const at_issuer_t         *issuer;          /* NULL: none has the iss */
    u_char                     iss[NGX_AT_STEP_TEXT_LEN];
    size_t                     iss_len;
    u_char                     header[NGX_AT_STEP_TEXT_LEN];
    size_t                     header_len;
    u_char                     claims[NGX_AT_STEP_TEXT_LEN];
    size_t                     claims_len;
} ngx_at_jwt_facts;


/* the steps that pass */
static const ngx_at_step_text_t  ngx_at_steps[NGX_AT_STEPS] = {

    { NGX_AT_STEP_CREDENTIAL, NULL, "auth_token auth_token_accept", NULL },

    { NGX_AT_STEP_ISSUER, "the claim iss is that of a trusted issuer",
      "auth_token_trust issuer", NULL },

    { NGX_AT_STEP_KEY, "a key of the issuer verifies the signature",
      NGX_AT_KEY_SOURCES " algorithms typ", NULL },

    { NGX_AT_STEP_CLAIMS, "an accepted audience, the right kind of token, and "
      "a valid time", "audience token_kind cnf leeway max_age", NULL },

    { NGX_AT_STEP_CLIENT, "the record in the store exists and is enabled",
      "client_claim delegated auth_token_store", NULL },

    { NGX_AT_STEP_ORIGIN, "the request is not made by a page of another "
      "origin", "auth_token_cookie_origin auth_token_cors", NULL },

    { NGX_AT_STEP_ADDRESS, "the address of the client is in the ranges of the "
      "location and of the record, if there are any", "auth_token_allow",
      NULL },

    { NGX_AT_STEP_ROLE, "the record names a role that exists",
      "rights", NULL },

    { NGX_AT_STEP_SCOPE, "the required scopes", "auth_token_require_scope",
      NULL },

    { NGX_AT_STEP_ENDPOINT, "the scope of the endpoint",
      "auth_token_endpoints", NULL }
};


/* the step that fails, by verdict; AT_OK and those of token endpoints: none */
static const ngx_at_step_text_t  ngx_at_failures[AT_VERDICTS] = {

    [AT_MISCONFIGURED] =
        { NGX_AT_STEP_CREDENTIAL, "the location can accept a credential",
          "auth_token auth_token_accept auth_token_trust",
          "add \"auth_token_trust\" to the location" },

    [AT_NO_CREDENTIAL] =
        { NGX_AT_STEP_CREDENTIAL, NULL, "auth_token auth_token_accept",
          "send a credential of an accepted kind, or accept the kind that is "
          "sent" },

    [AT_SEVERAL_CREDENTIALS] =
        { NGX_AT_STEP_CREDENTIAL, "only one credential", "auth_token_accept",
          "send one credential" },

    [AT_NO_API_TOKEN] =
        { NGX_AT_STEP_CREDENTIAL, "an API token", "auth_token_accept",
          "send an API token, or accept the kind that is sent" },

    [AT_SEVERAL_API_TOKENS] =
        { NGX_AT_STEP_CREDENTIAL, "only one API token", "auth_token_accept",
          "send one API token" },

    [AT_UNKNOWN_API_TOKEN] =
        { NGX_AT_STEP_CREDENTIAL, "an API token that is in the store",
          "auth_token_store",
          "create an API token in this store with \"auth-token token "
          "create\", and send it" },

    [AT_EXPIRED_API_TOKEN] =
        { NGX_AT_STEP_CREDENTIAL, "an API token that has not expired",
          "auth_token_store",
          "change its expiry with \"auth-token token update ID --expires "
          "WHEN\", or create another one" },

    [AT_TOO_LONG] =
        { NGX_AT_STEP_CREDENTIAL, "a token that is not too long",
          "auth_token_max_length",
          "increase \"auth_token_max_length\", or use a token with fewer "
          "claims" },

    [AT_MALFORMED] =
        { NGX_AT_STEP_CREDENTIAL, "a JWT: three parts of canonical base64url",
          NULL, "send the whole JWT, unchanged; opaque tokens are not "
          "accepted" },

    [AT_BAD_HEADER] =
        { NGX_AT_STEP_CREDENTIAL, "a header that is an unambiguous JSON "
          "object", NULL, "use a token that is encoded correctly" },

    [AT_BAD_CRIT] =
        { NGX_AT_STEP_CREDENTIAL, "a header without crit, b64, zip and enc",
          NULL, "let the issuer sign tokens without these header parameters" },

    [AT_BAD_KID] =
        { NGX_AT_STEP_CREDENTIAL, "a kid that is a string of 1 to 1,024 bytes",
          NULL, "let the issuer sign tokens with another kid" },

    [AT_TOO_COMPLEX] =
        { NGX_AT_STEP_CREDENTIAL, "JSON with at most 512 nested levels", NULL,
          "let the issuer sign tokens with simpler claims" },

    [AT_BAD_PAYLOAD] =
        { NGX_AT_STEP_CREDENTIAL, "a payload that is an unambiguous JSON "
          "object", NULL, "use a token that is encoded correctly" },

    [AT_ISSUER_MISMATCH] =
        { NGX_AT_STEP_ISSUER, "the claim iss is that of a trusted issuer",
          "auth_token_trust issuer",
          "use a token of a trusted issuer, or let the location trust an "
          "\"auth_token_issuer\" block with this value of \"issuer\"" },

    [AT_BAD_TYP] =
        { NGX_AT_STEP_KEY, "an accepted typ; default: JWT, at+jwt or none",
          "typ", "use an access token, or add its typ to \"typ\"" },

    [AT_BAD_ALG] =
        { NGX_AT_STEP_KEY, "an accepted alg; default: RS256", "algorithms",
          "add the alg to \"algorithms\", or let the issuer sign with an "
          "accepted one; HS256 and none are never accepted" },

    [AT_UNKNOWN_KID] =
        { NGX_AT_STEP_KEY, NULL, NGX_AT_KEY_SOURCES,
          "add the public key with this kid to the keys of the issuer, or use "
          "a token that is signed with a current key" },

    [AT_NO_KEY] =
        { NGX_AT_STEP_KEY, "a key that fits the alg of the token",
          NGX_AT_KEY_SOURCES " algorithms",
          "add the public key that fits this alg to the keys of the issuer" },

    [AT_BAD_SIGNATURE] =
        { NGX_AT_STEP_KEY, "a key of the issuer verifies the signature",
          NGX_AT_KEY_SOURCES,
          "replace the key of the issuer by the one that signs its tokens, or "
          "send the token unchanged" },

    [AT_TOO_MANY_KEYS] =
        { NGX_AT_STEP_KEY, "at most 8 keys that fit the token",
          NGX_AT_KEY_SOURCES,
          "give each key a kid, and let the issuer sign tokens with it" },

    [AT_KEY_ISSUER_MISMATCH] =
        { NGX_AT_STEP_KEY, "the key belongs to the iss of the token",
          NGX_AT_KEY_SOURCES, "use the keys of the tenant of the token" },

    [AT_UNAVAILABLE] =
        { NGX_AT_STEP_CLIENT, "a store that can be read", "auth_token_store",
          "repair or replace the store, see the error log" },

    [AT_BAD_CLAIM] =
        { NGX_AT_STEP_CLAIMS, "exp is present; times are numbers, aud and "
          "scopes are strings or arrays of strings, required claims are "
          "present", "max_age user_claim scope_claim admin_claim client_claim",
          "let the issuer sign tokens with valid claims, or name other claims "
          "in the issuer block" },

    [AT_AUDIENCE_MISMATCH] =
        { NGX_AT_STEP_CLAIMS, "the claim aud has an accepted audience",
          "audience",
          "request a token for an accepted audience, or add its aud to "
          "\"audience\"" },

    [AT_WRONG_KIND] =
        { NGX_AT_STEP_CLAIMS, "an access token", "token_kind",
          "send the access token in place of the ID token, or use "
          "\"token_kind any\"" },

    [AT_UNPROVEN] =
        { NGX_AT_STEP_CLAIMS, "a token that is not bound to a key (cnf)",
          "cnf", "request a bearer token, or use \"cnf ignore\"" },

    [AT_NOT_YET_VALID] =
        { NGX_AT_STEP_CLAIMS, "nbf, and iat with \"max_age\", is not in the "
          "future", "leeway max_age",
          "correct the clock of this host or of the issuer, or increase "
          "\"leeway\"" },

    [AT_TOO_OLD] =
        { NGX_AT_STEP_CLAIMS, "iat is not older than \"max_age\"",
          "max_age leeway", "request a new token, or increase \"max_age\"" },

    [AT_EXPIRED] =
        { NGX_AT_STEP_CLAIMS, "exp is in the future", "leeway",
          "request a new token; if it is new, correct the clock of this host "
          "or of the issuer" },

    [AT_DELEGATED] =
        { NGX_AT_STEP_CLIENT, "a token that a client has got for itself",
          "delegated", "use client credentials, or \"delegated on\"" },

    [AT_UNKNOWN_CLIENT] =
        { NGX_AT_STEP_CLIENT, "the client of the token is in the store",
          "client_claim auth_token_store",
          "add it with \"auth-token client create ID\"" },

    [AT_CLIENT_ISSUER_MISMATCH] =
        { NGX_AT_STEP_CLIENT, "the record of the client names the issuer of "
          "the token", "client_claim auth_token_store",
          "add the name of the issuer block with \"auth-token client update "
          "ID --issuer NAME\"" },

    [AT_DISABLED_CLIENT] =
        { NGX_AT_STEP_CLIENT, "the API token or client is enabled",
          "auth_token_store",
          "enable it with \"auth-token token enable ID\" or \"auth-token "
          "client enable ID\"" },

    [AT_DISABLED_USER] =
        { NGX_AT_STEP_CLIENT, "the owner of the API token exists and is "
          "enabled", "auth_token_store",
          "enable the user with \"auth-token user enable USER\", or create "
          "it" },

    [AT_LOGIN_DISABLED] =
        { NGX_AT_STEP_CLIENT, "users of the store are accepted",
          "auth_token_local", "use \"auth_token_local on\"" },

    [AT_BAD_BASIC] =
        { NGX_AT_STEP_CREDENTIAL, "\"USER:PASSWORD\" in base64",
          "auth_token_accept", "send Basic as in RFC 7617" },

    [AT_UNKNOWN_USER] =
        { NGX_AT_STEP_CLIENT, "the user is in the store", "auth_token_store",
          "add the user with \"auth-token user create USER\"" },

    [AT_USER_ISSUER_MISMATCH] =
        { NGX_AT_STEP_CLIENT, "the record of the user names the issuer",
          "password auth_token_trust auth_token_store",
          "add the name of the issuer block with \"auth-token user update "
          "USER --issuer NAME\"" },

    [AT_LOCKED_USER] =
        { NGX_AT_STEP_CLIENT, "the user is enabled and has a password",
          "auth_token_store",
          "use \"auth-token user enable USER\", and \"auth-token user passwd "
          "USER\" if there is no password" },

    [AT_WRONG_PASSWORD] =
        { NGX_AT_STEP_CLIENT, "the password of the user", "auth_token_store",
          "send the right password" },

    [AT_NO_SCOPES] =
        { NGX_AT_STEP_CLIENT, "the user has scopes", "auth_token_store",
          "add scopes with \"auth-token user update USER --scope SCOPE\"" },

    [AT_THROTTLED] =
        { NGX_AT_STEP_CLIENT, "not too many wrong passwords", "password",
          "wait, or increase the limits of \"password\"" },

    [AT_ORIGIN_NOT_ALLOWED] =
        { NGX_AT_STEP_ORIGIN, "with a cookie or Basic, a request that changes "
          "data comes from a page of this origin or a listed one",
          "auth_token_cookie_origin auth_token_cors",
          "add the origin to \"auth_token_cookie_origin\" or "
          "\"auth_token_cors\"" },

    [AT_ADDRESS_NOT_ALLOWED] =
        { NGX_AT_STEP_ADDRESS, NULL, "auth_token_allow",
          "add the address to the ranges; if it is that of a load balancer, "
          "set the address of the client with \"set_real_ip_from\" and "
          "\"real_ip_header\"" },

    [AT_NO_ROLE] =
        { NGX_AT_STEP_ROLE, "the record names a role that exists", "rights",
          "create the role with \"auth-token role set\", and name it in the "
          "record with \"--role\"" },

    [AT_INSUFFICIENT_SCOPE] =
        { NGX_AT_STEP_SCOPE, NULL, "auth_token_require_scope",
          "grant a required scope in the token or record, or require another "
          "one" },

    [AT_UNKNOWN_ENDPOINT] =
        { NGX_AT_STEP_ENDPOINT, "method and path are in the endpoint list, "
          "and the path is unambiguous", "auth_token_endpoints",
          "add the endpoint to the file, or request a listed one" },

    [AT_ENDPOINT_NOT_GRANTED] =
        { NGX_AT_STEP_ENDPOINT, NULL, "auth_token_endpoints",
          "grant the scope of the endpoint in the token, record or role" },

    [AT_BLOCKED_ENDPOINT] =
        { NGX_AT_STEP_ENDPOINT, "the role does not block the endpoint",
          "auth_token_endpoints",
          "remove the endpoint from the blocked ones of the role" }
};


/* --- the token ----------------------------------------------------------- */


/* appends ", NAME: VALUE" */

static u_char *
ngx_at_append_claim(u_char *p, u_char *last, const at_json_value_t *claims,
    at_str_t name)
{
    size_t                  len;
    const at_json_value_t  *value;

    value = at_json_member(claims, name);

    if (value == NULL) {
        return p;
    }

    p = ngx_slprintf(p, last, ", %*s: ", name.len, name.data);
    len = at_claim_to_json(value, (char *) p, last - p);

    return p + ngx_min(len, (size_t) (last - p));
}


static void
ngx_at_jwt_report(void *data, const at_jwt_trial_t *trial)
{
    u_char      *p, *last;
    ngx_uint_t   i;

    static const at_str_t  names[] = {
        at_str("aud"), at_str("exp"), at_str("nbf"), at_str("iat"),
        at_str("typ"), at_str("token_use"), at_str("cnf")
    };

    if (ngx_at_jwt_facts.known && trial->verdict != AT_OK
        && trial->verdict != AT_FAILED
        && trial->verdict <= ngx_at_jwt_facts.verdict)
    {
        return;
    }

    ngx_at_jwt_facts.known = 1;
    ngx_at_jwt_facts.verdict = trial->verdict;
    ngx_at_jwt_facts.issuer = trial->issuer;

    p = ngx_at_jwt_facts.iss;
    last = p + NGX_AT_STEP_TEXT_LEN;
    ngx_at_jwt_facts.iss_len = ngx_at_append_claim(p, last, trial->claims,
                                                   at_str("iss"))
                               - p;

    p = ngx_at_jwt_facts.header;
    ngx_at_jwt_facts.header_len =
        ngx_snprintf(p, NGX_AT_STEP_TEXT_LEN,
                     ", alg: %*s, kid: \"%*s\", typ: \"%*s\"", trial->alg.len,
                     trial->alg.data, trial->kid.len, trial->kid.data,
                     trial->typ.len, trial->typ.data)
        - p;

    p = ngx_at_jwt_facts.claims;
    last = p + NGX_AT_STEP_TEXT_LEN;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        p = ngx_at_append_claim(p, last, trial->claims, names[i]);
    }

    p = ngx_slprintf(p, last, ", now: %T", ngx_time());
    ngx_at_jwt_facts.claims_len = p - ngx_at_jwt_facts.claims;
}


void
ngx_at_explain_watch_jwt(void)
{
    static const at_jwt_trace_t  trace = { ngx_at_jwt_report, NULL };

    ngx_at_worker.jwt_trace = &trace;
}


/* --- actual values ------------------------------------------------------- */


static u_char *
ngx_at_append_scopes(u_char *p, u_char *last, const char *name,
    const at_scopes_t *scopes)
{
    size_t  i;

    p = ngx_slprintf(p, last, "%s:", name);

    for (i = 0; i < scopes->n; i++) {
        p = ngx_slprintf(p, last, " %*s", scopes->items[i].len,
                         scopes->items[i].data);
    }

    return scopes->n ? p : ngx_slprintf(p, last, " none");
}


static u_char *
ngx_at_append_rights(u_char *p, u_char *last, const at_identity_t *identity)
{
    const at_rights_t  *rights;

    rights = &identity->rights;

    if (rights->admin) {
        p = ngx_slprintf(p, last, "administrator; ");
    }

    p = ngx_at_append_scopes(p, last, "scopes", &rights->scopes);

    if (identity->role.len) {
        p = ngx_slprintf(p, last, "; role: %*s", identity->role.len,
                         identity->role.data);
    }

    if (rights->owned) {
        p = ngx_at_append_scopes(p, last, rights->owner_admin
                                          ? "; owner is an administrator with "
                                            "scopes"
                                          : "; scopes of the owner",
                                 &rights->owner_scopes);
    }

    return p;
}


static u_char *
ngx_at_append_credential(u_char *p, u_char *last, const ngx_at_ctx_t *ctx)
{
    u_char     hex[NGX_AT_FINGERPRINT_LEN];
    ngx_str_t  kind, fingerprint;

    if (ctx->anonymous) {
        return ngx_slprintf(p, last, "not needed: a public endpoint or a "
                            "preflight request");
    }

    if (ctx->kind == 0) {
        return ngx_slprintf(p, last, ctx->conf->accept == NGX_AT_NONE
                                     ? "not needed" : "none, or several");
    }

    kind = ngx_at_kind_name(ctx->kind);
    fingerprint = ngx_at_fingerprint(ctx, hex);

    return ngx_slprintf(p, last, "%V %V", &kind, &fingerprint);
}


/* without the first ", " */

static u_char *
ngx_at_append_facts(u_char *p, const u_char *facts, size_t len)
{
    return len > 2 ? ngx_cpymem(p, facts + 2, len - 2)
                   : ngx_cpymem(p, "none", 4);
}


/* --- steps --------------------------------------------------------------- */


static void
ngx_at_report_actual(const ngx_at_steps_t *steps, ngx_at_step_e step)
{
    u_char               *p, *last, buf[NGX_AT_STEP_TEXT_LEN];
    const ngx_at_ctx_t   *ctx;
    const at_identity_t  *identity;

    p = buf;
    last = buf + NGX_AT_STEP_TEXT_LEN;
    ctx = steps->ctx;
    identity = ctx->identity;

    switch (step) {

    case NGX_AT_STEP_CREDENTIAL:
        p = ngx_at_append_credential(p, last, ctx);
        break;

    case NGX_AT_STEP_ISSUER:
        p = ngx_at_append_facts(p, ngx_at_jwt_facts.iss,
                                ngx_at_jwt_facts.iss_len);
        break;

    case NGX_AT_STEP_KEY:
        p = ngx_at_append_facts(p, ngx_at_jwt_facts.header,
                                ngx_at_jwt_facts.header_len);
        break;

    case NGX_AT_STEP_CLAIMS:
        p = ngx_at_append_facts(p, ngx_at_jwt_facts.claims,
                                ngx_at_jwt_facts.claims_len);
        break;

    case NGX_AT_STEP_CLIENT:
        p = ngx_slprintf(p, last, "client: \"%*s\", user: \"%*s\"",
                         identity->client.len, identity->client.data,
                         identity->user.len, identity->user.data);
        break;

    case NGX_AT_STEP_ADDRESS:
        p = ngx_slprintf(p, last, "%V",
                         &steps->request->connection->addr_text);
        break;

    case NGX_AT_STEP_ROLE:
        p = ngx_slprintf(p, last, "role: \"%*s\"%s", identity->role.len,
                         identity->role.data,
                         identity->rights.role ? "" : ", which does not "
                                                      "exist");
        break;

    case NGX_AT_STEP_SCOPE:
    case NGX_AT_STEP_ENDPOINT:
        p = ngx_at_append_rights(p, last, identity);
        break;

    default:
        return;
    }

    ngx_at_report_text(steps->report, "actual",
                       (at_str_t) { (char *) buf, p - buf });
}


/* the required scopes, with the values of their variables */

static u_char *
ngx_at_append_required(u_char *p, u_char *last, const ngx_at_steps_t *steps)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    const ngx_array_t         *scopes;
    ngx_http_complex_value_t  *cv;

    scopes = steps->ctx->conf->scopes;

    if (scopes == NULL || scopes->nelts == 0) {
        return ngx_slprintf(p, last, "no scope");
    }

    p = ngx_slprintf(p, last, "%s of the scopes",
                     steps->ctx->conf->scope_mode == AT_SCOPE_ANY ? "any"
                                                                  : "all");
    cv = scopes->elts;

    for (i = 0; i < scopes->nelts; i++) {
        if (ngx_http_complex_value(steps->request, &cv[i], &value) == NGX_OK) {
            p = ngx_slprintf(p, last, value.len ? " %V"
                                                : " (an empty value, which no "
                                                  "request satisfies)",
                             &value);
        }
    }

    return p;
}


static u_char *
ngx_at_append_kinds(u_char *p, u_char *last, const ngx_at_loc_conf_t *atcf)
{
    ngx_str_t   name;
    ngx_uint_t  kind;

    if (atcf->accept == NGX_AT_NONE) {
        return ngx_slprintf(p, last, "no credential");
    }

    p = ngx_slprintf(p, last, "one credential:");

    for (kind = NGX_AT_BEARER; kind <= NGX_AT_BASIC; kind <<= 1) {
        if (atcf->accept & kind) {
            name = ngx_at_kind_name(kind);
            p = ngx_slprintf(p, last, " %V", &name);
        }
    }

    return p;
}


static u_char *
ngx_at_append_kids(u_char *p, u_char *last, const ngx_at_issuer_t *issuer)
{
    size_t              k;
    ngx_uint_t          i;
    const at_keyset_t  *set;

    p = ngx_slprintf(p, last, "a key with the kid of the token; keys:");

    for (i = 0; i < issuer->nsets; i++) {
        set = ngx_at_worker.key_sets[issuer->first_set + i];

        for (k = 0; set && k < set->n; k++) {
            p = ngx_slprintf(p, last, " \"%*s\"", set->keys[k].kid.len,
                             set->keys[k].kid.data);
        }
    }

    return p;
}


static u_char *
ngx_at_append_endpoint(u_char *p, u_char *last, const ngx_at_ctx_t *ctx)
{
    const at_endpoint_t  *endpoint;

    endpoint = ctx->endpoint;

    if (endpoint == NULL) {
        return ngx_slprintf(p, last, "%s", ctx->conf->endpoints
                                           ? "a listed endpoint"
                                           : "no endpoint");
    }

    p = ngx_slprintf(p, last, "%*s, line %ud of the file: ",
                     endpoint->text.len, endpoint->text.data, endpoint->line);

    return endpoint->kind == AT_ENDPOINT_SCOPE
           ? ngx_slprintf(p, last, "scope %*s", endpoint->scope.len,
                          endpoint->scope.data)
           : ngx_slprintf(p, last, "%s",
                          endpoint->kind == AT_ENDPOINT_PUBLIC
                          ? "no credential" : "a valid identity");
}


static u_char *
ngx_at_append_ranges(u_char *p, u_char *last, const ngx_at_steps_t *steps)
{
    ngx_uint_t            by_record;
    const ngx_at_ctx_t   *ctx;
    const at_identity_t  *identity;

    ctx = steps->ctx;
    identity = ctx->identity;
    by_record = at_identity_has_ranges(identity);

    if (ctx->conf->allow == NULL && !by_record) {
        return ngx_slprintf(p, last, "any address");
    }

    return ngx_slprintf(p, last, "an address in the ranges of %s%s%s%*s%s",
                        ctx->conf->allow ? "the location" : "",
                        ctx->conf->allow && by_record ? " and of " : "",
                        by_record ? "the record \"" : "",
                        by_record ? identity->client.len : 0,
                        identity->client.data, by_record ? "\"" : "");
}


static void
ngx_at_report_requirement(const ngx_at_steps_t *steps,
    const ngx_at_step_text_t *text)
{
    u_char     *p, *last, buf[NGX_AT_STEP_TEXT_LEN];
    at_str_t    requirement;

    p = buf;
    last = buf + NGX_AT_STEP_TEXT_LEN;

    if (text->requirement == NULL && text->step == NGX_AT_STEP_CREDENTIAL) {
        p = ngx_at_append_kinds(p, last, steps->ctx->conf);

    } else if (text->requirement == NULL && text->step == NGX_AT_STEP_KEY) {
        p = ngx_at_append_kids(p, last, steps->issuer);

    } else if (text->step == NGX_AT_STEP_SCOPE) {
        p = ngx_at_append_required(p, last, steps);

    } else if (text->step == NGX_AT_STEP_ADDRESS) {
        p = ngx_at_append_ranges(p, last, steps);

    } else if (text->step == NGX_AT_STEP_ENDPOINT && steps->ctx->endpoint) {
        p = ngx_at_append_endpoint(p, last, steps->ctx);

    } else {
        p = ngx_slprintf(p, last, "%s", text->requirement);
    }

    requirement = (at_str_t) { (char *) buf, p - buf };
    ngx_at_report_text(steps->report, "requirement", requirement);
}


/* of a location, of "http", or of the issuer; NULL: of all trusted ones */

static void
ngx_at_report_named_directives(const ngx_at_steps_t *steps, const char *names)
{
    char                      name[64];
    at_str_t                  rest, word;
    ngx_uint_t                i;
    const ngx_at_loc_conf_t  *atcf;

    atcf = steps->ctx->conf;
    rest = (at_str_t) { names, names ? ngx_strlen(names) : 0 };

    ngx_at_report_open(steps->report, "directives", "[");

    while (rest.len) {
        word = at_str_cut(&rest, ' ');
        ngx_cpystrn((u_char *) name, (u_char *) word.data,
                    ngx_min(word.len + 1, sizeof(name)));

        if (ngx_strncmp(name, "auth_token", 10) == 0) {
            ngx_at_report_directives(steps->report, atcf, name);
            ngx_at_report_directives(steps->report,
                ngx_http_get_module_main_conf(steps->request,
                                              ngx_http_auth_token_module),
                name);
            continue;
        }

        for (i = 0; i < atcf->ntrusted; i++) {
            if (steps->issuer == NULL || steps->issuer == atcf->trusted[i]) {
                ngx_at_report_directives(steps->report, atcf->trusted[i],
                                         name);
            }
        }
    }

    ngx_at_report_close(steps->report, "]");
}


static void
ngx_at_report_step(const ngx_at_steps_t *steps, ngx_at_step_e step,
    ngx_at_step_e failed, const ngx_at_step_text_t *failure)
{
    const ngx_at_step_text_t  *text;

    static const at_str_t  names[NGX_AT_STEPS] = {
        at_str("credential"), at_str("issuer"), at_str("key"),
        at_str("claims"), at_str("client"), at_str("origin"),
        at_str("address"), at_str("role"), at_str("scope"), at_str("endpoint")
    };

    text = &ngx_at_steps[step];

    if (step == failed && failure->step == step) {
        text = failure;
    }

    ngx_at_report_open(steps->report, NULL, "{");
    ngx_at_report_text(steps->report, "step", names[step]);
    ngx_at_report_text(steps->report, "result",
                       step < failed ? at_str("passed")
                       : step == failed ? at_str("failed")
                                        : at_str("not reached"));
    ngx_at_report_requirement(steps, text);
    ngx_at_report_named_directives(steps, text->directives);

    if (step <= failed) {
        ngx_at_report_actual(steps, step);
    }

    if (step == failed && failure->change) {
        ngx_at_report_text(steps->report, "change",
                           (at_str_t) { failure->change,
                                        ngx_strlen(failure->change) });
    }

    ngx_at_report_close(steps->report, "}");
}


/* whether the module makes this check for such a request */

static ngx_uint_t
ngx_at_step_applies(const ngx_at_steps_t *steps, ngx_at_step_e step)
{
    const ngx_at_ctx_t  *ctx;

    ctx = steps->ctx;

    switch (step) {

    case NGX_AT_STEP_CREDENTIAL:
    case NGX_AT_STEP_ADDRESS:
        return 1;

    case NGX_AT_STEP_ISSUER:
    case NGX_AT_STEP_KEY:
    case NGX_AT_STEP_CLAIMS:
        return (ctx->kind & NGX_AT_JWT) != 0;

    case NGX_AT_STEP_CLIENT:
        return ctx->kind & NGX_AT_JWT
               ? steps->issuer && steps->issuer->requirements.n_client_claims
               : ctx->kind != 0;

    case NGX_AT_STEP_ORIGIN:
        return (ctx->kind & (NGX_AT_COOKIE|NGX_AT_BASIC)) != 0;

    case NGX_AT_STEP_ROLE:
        return ctx->identity->needs_role;

    case NGX_AT_STEP_SCOPE:
        return ctx->kind != 0;

    default:
        return ctx->kind && ctx->conf->endpoints;
    }
}


/* the step that failed; NGX_AT_STEPS: none */

static ngx_at_step_e
ngx_at_failed_step(const ngx_at_ctx_t *ctx)
{
    ngx_at_step_e  step;

    if (ctx->verdict == AT_OK) {
        return NGX_AT_STEPS;
    }

    step = ngx_at_failures[ctx->verdict].step;

    if (!(ctx->kind & NGX_AT_JWT)) {
        return step;
    }

    /* no issuer was tried: the header is wrong */

    if (!ngx_at_jwt_facts.known && step == NGX_AT_STEP_KEY) {
        return NGX_AT_STEP_CREDENTIAL;
    }

    return ngx_at_jwt_facts.known
           && ngx_at_jwt_facts.verdict == AT_UNAVAILABLE
           ? NGX_AT_STEP_KEY : step;
}


ngx_uint_t
ngx_at_explain_steps(at_bytes_t *report, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    ngx_uint_t                 i;
    ngx_at_step_e              step, failed;
    ngx_at_steps_t             steps;
    const ngx_at_loc_conf_t   *atcf;
    const at_verdict_info_t   *info;
    const ngx_at_step_text_t  *failure;

    static const ngx_at_step_text_t  no_keys = {
        NGX_AT_STEP_KEY, "the keys of the issuer are known",
        NGX_AT_KEY_SOURCES,
        "run the command as root, so that it can read the keys that nginx has "
        "stored; if there are none, see the error log of nginx"
    };

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    ngx_at_report_open(report, NULL, "{");

    if (ctx == NULL || !atcf->enable) {
        ngx_at_report_text(report, "reason", atcf->enable
                                             ? at_str("preflight")
                                             : at_str("off"));
        ngx_at_report_open(report, "directives", "[");
        ngx_at_report_directives(report, atcf, atcf->enable
                                               ? "auth_token_cors"
                                               : "auth_token");
        ngx_at_report_close(report, "]");
        ngx_at_report_close(report, "}");
        return 0;
    }

    info = at_verdict_info(ctx->verdict);
    failed = ngx_at_failed_step(ctx);
    failure = failed == NGX_AT_STEP_KEY && ctx->verdict == AT_UNAVAILABLE
              ? &no_keys : &ngx_at_failures[ctx->verdict];

    ngx_memzero(&steps, sizeof(ngx_at_steps_t));
    steps.request = r;
    steps.ctx = ctx;
    steps.report = report;

    for (i = 0; i < atcf->ntrusted; i++) {
        if (ngx_at_jwt_facts.known && ngx_at_jwt_facts.issuer
            == &atcf->trusted[i]->requirements)
        {
            steps.issuer = atcf->trusted[i];
        }
    }

    ngx_at_report_text(report, "reason", info->reason);

    if (ctx->verdict != AT_OK) {
        ngx_at_report_text(report, "code", at_code_info(info->code)->name);
    }

    ngx_at_report_open(report, "steps", "[");

    for (step = 0; step < NGX_AT_STEPS; step++) {
        if (step == failed || ngx_at_step_applies(&steps, step)) {
            ngx_at_report_step(&steps, step, failed, failure);
        }
    }

    ngx_at_report_close(report, "]");
    ngx_at_report_close(report, "}");

    return failure == &no_keys && steps.issuer
           && steps.issuer->sources.nelts != 0;
}
