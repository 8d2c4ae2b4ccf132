/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The decision of the module in steps.  Its verdict says which step failed;
 * the steps before it passed.  The values are the facts of the log line of a
 * refusal, see ngx_at_refusal_log.h.
 */

#include "http/explain/ngx_at_explain.h"

#include "core/jose/at_jwt.h"

#include "http/base/ngx_at_conf_record.h"
#include "http/base/ngx_at_str.h"
#include "http/keys/ngx_at_keys.h"
#include "http/request/ngx_at_credential.h"
#include "http/request/ngx_at_refusal_log.h"


#define NGX_AT_STEP_TEXT_LEN  1024

#define NGX_AT_KEYS           "key_file jwks_uri discovery signing_key"
#define NGX_AT_ACCEPT         "auth_token auth_token_accept"
#define NGX_AT_STORE          "auth_token_store"


/* in the order of the checks */
typedef enum {
    NGX_AT_CREDENTIAL = 0,
    NGX_AT_ISSUER,
    NGX_AT_KEY,
    NGX_AT_CLAIMS,
    NGX_AT_CLIENT,
    NGX_AT_ORIGIN,
    NGX_AT_ADDRESS,
    NGX_AT_ROLE,
    NGX_AT_SCOPE,
    NGX_AT_ENDPOINT,
    NGX_AT_STEPS
} ngx_at_step_e;

/*
 * directives: names, separated by spaces, of a location, of "http" or of an
 * issuer block; change: what would allow the request
 */
typedef struct {
    ngx_at_step_e           step;
    const char             *requirement;
    const char             *directives;
    const char             *change;
} ngx_at_failure_t;

typedef struct {
    at_str_t                name;
    at_verdict_e            verdict;    /* that has the values of the step */
    const char             *requirement;
    const char             *directives;
} ngx_at_pass_t;

typedef struct {
    ngx_http_request_t     *request;
    const ngx_at_ctx_t     *ctx;
    ngx_at_step_e           failed;     /* NGX_AT_STEPS: none */
    const ngx_at_failure_t *failure;
    at_str_t                iss;        /* of a JWT, not verified */
    ngx_uint_t              iss_known;          /* an issuer has the iss */
    ngx_uint_t              keys_missing;       /* of such an issuer */
    ngx_uint_t              has_client;         /* the issuer requires one */
    at_bytes_t             *report;
} ngx_at_steps_t;


static const ngx_at_pass_t  ngx_at_passes[NGX_AT_STEPS] = {

    { at_str("credential"), AT_OK, "one credential of an accepted kind",
      NGX_AT_ACCEPT },

    { at_str("issuer"), AT_ISSUER_MISMATCH,
      "iss is that of a trusted issuer", "auth_token_trust issuer" },

    { at_str("key"), AT_UNKNOWN_KID,
      "a key of the issuer verifies the signature",
      NGX_AT_KEYS " algorithms typ" },

    { at_str("claims"), AT_AUDIENCE_MISMATCH,
      "an accepted audience, an access token, and a valid time",
      "audience token_kind cnf leeway max_age" },

    { at_str("client"), AT_DISABLED_CLIENT,
      "the record in the store is enabled",
      "client_claim delegated " NGX_AT_STORE },

    { at_str("origin"), AT_ORIGIN_NOT_ALLOWED,
      "the page of another origin has not made the request",
      "auth_token_cookie_origin auth_token_cors" },

    { at_str("address"), AT_ADDRESS_NOT_ALLOWED,
      "an address in the ranges of the location and of the record, if there "
      "are any", "auth_token_allow" },

    { at_str("role"), AT_NO_ROLE,
      "the record names a role that exists", "rights" },

    { at_str("scope"), AT_INSUFFICIENT_SCOPE,
      "the required scopes, if there are any", "auth_token_require_scope" },

    { at_str("endpoint"), AT_ENDPOINT_NOT_GRANTED,
      "the scope of the endpoint", "auth_token_endpoints" }
};


/* by verdict */
static const ngx_at_failure_t  ngx_at_failures[AT_VERDICTS] = {

    [AT_FAILED] = { NGX_AT_CREDENTIAL, "no internal error", NULL,
        "see the error log of nginx" },

    [AT_MISCONFIGURED] = { NGX_AT_CREDENTIAL,
        "the location can accept a credential",
        NGX_AT_ACCEPT " auth_token_trust",
        "add \"auth_token_trust\" to the location" },

    [AT_NO_CREDENTIAL] = { NGX_AT_CREDENTIAL,
        "a credential of an accepted kind", NGX_AT_ACCEPT,
        "send a credential of an accepted kind, or accept the kind that is "
        "sent" },

    [AT_SEVERAL_CREDENTIALS] = { NGX_AT_CREDENTIAL,
        "only one credential", NGX_AT_ACCEPT, "send one credential" },

    [AT_NO_API_TOKEN] = { NGX_AT_CREDENTIAL, "an API token", NGX_AT_ACCEPT,
        "send an API token, or accept the kind that is sent" },

    [AT_SEVERAL_API_TOKENS] = { NGX_AT_CREDENTIAL,
        "only one API token", NGX_AT_ACCEPT, "send one API token" },

    [AT_UNKNOWN_API_TOKEN] = { NGX_AT_CREDENTIAL,
        "an API token that is in the store", NGX_AT_STORE,
        "create it with \"auth-token token create\" in this store" },

    [AT_EXPIRED_API_TOKEN] = { NGX_AT_CREDENTIAL,
        "an API token that has not expired", NGX_AT_STORE,
        "use \"auth-token token update ID --expires WHEN\"" },

    [AT_BAD_BASIC] = { NGX_AT_CREDENTIAL, "\"USER:PASSWORD\" in base64",
        NGX_AT_ACCEPT, "send Basic as in RFC 7617" },

    [AT_TOO_LONG] = { NGX_AT_CREDENTIAL,
        "a token of at most 16k bytes, or the configured number",
        "auth_token_max_length", "increase \"auth_token_max_length\"" },

    [AT_MALFORMED] = { NGX_AT_CREDENTIAL,
        "a JWT: three parts in canonical base64url", NULL,
        "send the whole JWT; opaque tokens are not accepted" },

    [AT_BAD_HEADER] = { NGX_AT_CREDENTIAL,
        "a header that is an unambiguous JSON object", NULL,
        "use a token that is encoded correctly" },

    [AT_BAD_CRIT] = { NGX_AT_CREDENTIAL,
        "a header without crit, b64, zip and enc", NULL,
        "let the issuer sign tokens without these header parameters" },

    [AT_BAD_KID] = { NGX_AT_CREDENTIAL,
        "a kid that is a string of 1 to 1,024 bytes", NULL,
        "let the issuer sign tokens with another kid" },

    [AT_TOO_COMPLEX] = { NGX_AT_CREDENTIAL,
        "JSON with at most 512 nested levels", NULL,
        "let the issuer sign tokens with simpler claims" },

    [AT_BAD_PAYLOAD] = { NGX_AT_CREDENTIAL,
        "a payload that is an unambiguous JSON object", NULL,
        "use a token that is encoded correctly" },

    [AT_ISSUER_MISMATCH] = { NGX_AT_ISSUER,
        "iss is that of a trusted issuer", "auth_token_trust issuer",
        "use a token of a trusted issuer, or trust an \"auth_token_issuer\" "
        "block with this \"issuer\"" },

    [AT_BAD_TYP] = { NGX_AT_KEY, "an accepted typ", "typ",
        "use an access token, or add its typ to \"typ\"" },

    [AT_BAD_ALG] = { NGX_AT_KEY, "an accepted alg", "algorithms",
        "add the alg to \"algorithms\", or let the issuer sign with an "
        "accepted one; HS256 and none are never accepted" },

    [AT_UNKNOWN_KID] = { NGX_AT_KEY, "a key with the kid of the token",
        NGX_AT_KEYS,
        "add the public key with this kid, or use a token that is signed "
        "with a current key" },

    [AT_NO_KEY] = { NGX_AT_KEY, "a key that fits the alg of the token",
        NGX_AT_KEYS " algorithms", "add the public key that fits this alg" },

    [AT_BAD_SIGNATURE] = { NGX_AT_KEY,
        "a key of the issuer verifies the signature", NGX_AT_KEYS,
        "replace the key by the key that signs the tokens, or send the token "
        "unchanged" },

    [AT_TOO_MANY_KEYS] = { NGX_AT_KEY,
        "at most 8 keys that fit the token", NGX_AT_KEYS,
        "give each key a kid, and let the issuer sign tokens with it" },

    [AT_KEY_ISSUER_MISMATCH] = { NGX_AT_KEY,
        "the key belongs to the iss of the token", NGX_AT_KEYS,
        "use the keys of the tenant of the token" },

    [AT_BAD_CLAIM] = { NGX_AT_CLAIMS,
        "exp is present, required claims are present, and all have the right "
        "type",
        "max_age user_claim scope_claim admin_claim client_claim",
        "let the issuer sign tokens with valid claims, or name other claims" },

    [AT_AUDIENCE_MISMATCH] = { NGX_AT_CLAIMS,
        "aud has an accepted audience", "audience",
        "request a token for an accepted audience, or add its aud to "
        "\"audience\"" },

    [AT_WRONG_KIND] = { NGX_AT_CLAIMS, "an access token", "token_kind",
        "send the access token in place of the ID token, or use "
        "\"token_kind any\"" },

    [AT_UNPROVEN] = { NGX_AT_CLAIMS,
        "a token that is not bound to a key (cnf)", "cnf",
        "request a bearer token, or use \"cnf ignore\"" },

    [AT_NOT_YET_VALID] = { NGX_AT_CLAIMS,
        "nbf, and iat with \"max_age\", is not in the future",
        "leeway max_age",
        "correct the clock of this host or of the issuer, or increase "
        "\"leeway\"" },

    [AT_TOO_OLD] = { NGX_AT_CLAIMS, "iat is not older than \"max_age\"",
        "max_age leeway", "request a new token, or increase \"max_age\"" },

    [AT_EXPIRED] = { NGX_AT_CLAIMS, "exp is in the future", "leeway",
        "request a new token; if it is new, correct the clock of this host "
        "or of the issuer" },

    [AT_UNAVAILABLE] = { NGX_AT_CLIENT, "the store can be read",
        NGX_AT_STORE, "repair the store, see the error log of nginx" },

    [AT_DELEGATED] = { NGX_AT_CLIENT,
        "a token that a client has got for itself", "delegated",
        "use client credentials, or \"delegated on\"" },

    [AT_UNKNOWN_CLIENT] = { NGX_AT_CLIENT,
        "the client of the token is in the store",
        "client_claim " NGX_AT_STORE,
        "use \"auth-token client create ID\"" },

    [AT_CLIENT_ISSUER_MISMATCH] = { NGX_AT_CLIENT,
        "the record of the client names the issuer block",
        "client_claim " NGX_AT_STORE,
        "use \"auth-token client update ID --issuer NAME\"" },

    [AT_DISABLED_CLIENT] = { NGX_AT_CLIENT,
        "the API token or client is enabled", NGX_AT_STORE,
        "use \"auth-token token enable ID\" or \"auth-token client enable "
        "ID\"" },

    [AT_DISABLED_USER] = { NGX_AT_CLIENT,
        "the owner of the API token exists and is enabled", NGX_AT_STORE,
        "use \"auth-token user enable USER\", or create the user" },

    [AT_LOGIN_DISABLED] = { NGX_AT_CLIENT,
        "users of the store are accepted", "auth_token_local",
        "use \"auth_token_local on\"" },

    [AT_UNKNOWN_USER] = { NGX_AT_CLIENT, "the user is in the store",
        NGX_AT_STORE, "use \"auth-token user create USER\"" },

    [AT_USER_ISSUER_MISMATCH] = { NGX_AT_CLIENT,
        "the record of the user names the issuer block",
        "password auth_token_trust " NGX_AT_STORE,
        "use \"auth-token user update USER --issuer NAME\"" },

    [AT_LOCKED_USER] = { NGX_AT_CLIENT,
        "the user is enabled and has a password", NGX_AT_STORE,
        "use \"auth-token user enable USER\", and \"auth-token user passwd "
        "USER\" if the password is missing" },

    [AT_WRONG_PASSWORD] = { NGX_AT_CLIENT, "the password of the user",
        NGX_AT_STORE, "send the right password" },

    [AT_NO_SCOPES] = { NGX_AT_CLIENT, "the user has scopes", NGX_AT_STORE,
        "use \"auth-token user update USER --scope SCOPE\"" },

    [AT_ORIGIN_NOT_ALLOWED] = { NGX_AT_ORIGIN,
        "with a cookie or Basic, a request that changes data is made by a "
        "page of this or a listed origin",
        "auth_token_cookie_origin auth_token_cors",
        "add the origin to \"auth_token_cookie_origin\" or "
        "\"auth_token_cors\"" },

    [AT_ADDRESS_NOT_ALLOWED] = { NGX_AT_ADDRESS,
        "an address in the ranges of the location and of the record",
        "auth_token_allow",
        "add the address to the ranges; if it is that of a load balancer, "
        "use \"set_real_ip_from\" and \"real_ip_header\"" },

    [AT_NO_ROLE] = { NGX_AT_ROLE, "the record names a role that exists",
        "rights",
        "create the role with \"auth-token role set\", and name it in the "
        "record with \"--role\"" },

    [AT_INSUFFICIENT_SCOPE] = { NGX_AT_SCOPE, "the required scopes",
        "auth_token_require_scope",
        "grant the required scope in the token or record; an empty value is "
        "never granted" },

    [AT_UNKNOWN_ENDPOINT] = { NGX_AT_ENDPOINT,
        "method and path are in the endpoint list, and the path is "
        "unambiguous", "auth_token_endpoints",
        "add the endpoint to the file, or request a listed one" },

    [AT_ENDPOINT_NOT_GRANTED] = { NGX_AT_ENDPOINT,
        "the scope of the endpoint", "auth_token_endpoints",
        "grant the scope in the token, record or role" },

    [AT_BLOCKED_ENDPOINT] = { NGX_AT_ENDPOINT,
        "the role does not block the endpoint", "auth_token_endpoints",
        "remove the endpoint from the blocked endpoints of the role" }
};


static const ngx_at_failure_t  ngx_at_no_keys = {
    NGX_AT_KEY, "the keys of the issuer are known", NGX_AT_KEYS,
    "run the command as root, so that it can read the keys that nginx has "
    "stored; if nginx has fetched none, see its error log"
};


static void
ngx_at_report_literal(at_bytes_t *report, const char *name, const char *text)
{
    ngx_at_report_text(report, name, (at_str_t) { text, ngx_strlen(text) });
}


/* --- the request --------------------------------------------------------- */


static ngx_uint_t
ngx_at_issuer_has_iss(const ngx_at_steps_t *steps,
    const ngx_at_issuer_t *issuer)
{
    return at_str_is_one_of(steps->iss, issuer->requirements.issuers,
                            issuer->requirements.n_issuers);
}


static void
ngx_at_steps_read_jwt(ngx_at_steps_t *steps, const at_claims_t *claims)
{
    size_t                i;
    ngx_uint_t            k;
    at_trusted_issuer_t  *trusted;
    const ngx_at_ctx_t   *ctx;

    ctx = steps->ctx;
    (void) at_json_member_string(at_claims_object(claims), at_str("iss"),
                                 &steps->iss);
    trusted = ngx_at_trusted_issuers(steps->request, ctx->conf->trusted,
                                     ctx->conf->ntrusted);

    for (k = 0; trusted && k < ctx->conf->ntrusted; k++) {

        if (!ngx_at_issuer_has_iss(steps, ctx->conf->trusted[k])) {
            continue;
        }

        steps->iss_known = 1;
        steps->has_client |= trusted[k].issuer->n_client_claims != 0;

        for (i = 0; i < trusted[k].n_sets; i++) {
            steps->keys_missing |= trusted[k].sets[i] == NULL;
        }
    }
}


/* whether the module makes this check for such a request */

static ngx_uint_t
ngx_at_step_applies(const ngx_at_steps_t *steps, ngx_at_step_e step)
{
    const ngx_at_ctx_t  *ctx;

    ctx = steps->ctx;

    switch (step) {

    case NGX_AT_CREDENTIAL:
    case NGX_AT_ADDRESS:
        return 1;

    case NGX_AT_ISSUER:
    case NGX_AT_KEY:
    case NGX_AT_CLAIMS:
        return (ctx->kind & NGX_AT_JWT) != 0;

    case NGX_AT_CLIENT:
        return ctx->kind & NGX_AT_JWT ? steps->has_client : ctx->kind != 0;

    case NGX_AT_ORIGIN:
        return (ctx->kind & (NGX_AT_COOKIE|NGX_AT_BASIC)) != 0;

    case NGX_AT_ROLE:
        return ctx->identity->needs_role;

    case NGX_AT_SCOPE:
        return ctx->kind != 0;

    default:
        return ctx->kind && ctx->conf->endpoints;
    }
}


/* --- the report ---------------------------------------------------------- */


/* the value of the request, and what the configuration or record expects */

static void
ngx_at_report_actual(const ngx_at_steps_t *steps, ngx_at_step_e step)
{
    u_char         *p, *last, buf[NGX_AT_STEP_TEXT_LEN];
    u_char          hex[NGX_AT_FINGERPRINT_LEN];
    u_char          name[NGX_AT_ESCAPED_NAME_LEN];
    ngx_str_t       kind, text;
    ngx_at_ctx_t    ctx;

    ctx = *steps->ctx;
    p = buf;
    last = buf + NGX_AT_STEP_TEXT_LEN;

    if (step == NGX_AT_CREDENTIAL) {
        kind = ngx_at_kind_name(ctx.kind);
        text = ngx_at_fingerprint(&ctx, hex);
        p = ngx_slprintf(p, last, ctx.kind ? ", %V %V"
                                  : ctx.verdict == AT_OK ? ", none is needed"
                                  : ", none, or several", &kind, &text);

    } else if (step == NGX_AT_CLIENT) {
        text = ngx_at_escape_name(name, ctx.identity->subject);
        p = ngx_slprintf(p, last, ", subject: \"%V\"", &text);
    }

    if (step != steps->failed) {
        ctx.verdict = ngx_at_passes[step].verdict;
    }

    p = ngx_at_refusal_facts(p, last, steps->request, &ctx);

    /* without the first comma */

    if (p - buf > 2) {
        ngx_at_report_text(steps->report, "actual",
                           (at_str_t) { (char *) buf + 2, p - buf - 2 });
    }
}


static void
ngx_at_report_directives(const ngx_at_steps_t *steps, const char *names)
{
    u_char                     name[64];
    at_str_t                   rest, word;
    ngx_uint_t                 i;
    const ngx_at_loc_conf_t   *atcf;
    const ngx_at_main_conf_t  *atmcf;

    atcf = steps->ctx->conf;
    atmcf = ngx_http_get_module_main_conf(steps->request,
                                          ngx_http_auth_token_module);
    rest = (at_str_t) { names, names ? ngx_strlen(names) : 0 };

    ngx_at_report_open(steps->report, "directives", "[");

    while (rest.len) {
        word = at_str_cut(&rest, ' ');
        ngx_cpystrn(name, (u_char *) word.data,
                    ngx_min(word.len + 1, sizeof(name)));

        if (ngx_strncmp(name, "auth_token", 10) == 0) {
            ngx_at_report_directive(steps->report, atcf, (char *) name);
            ngx_at_report_directive(steps->report, atmcf, (char *) name);
            continue;
        }

        for (i = 0; i < atcf->ntrusted; i++) {
            if (steps->failed <= NGX_AT_ISSUER
                || ngx_at_issuer_has_iss(steps, atcf->trusted[i]))
            {
                ngx_at_report_directive(steps->report, atcf->trusted[i],
                                        (char *) name);
            }
        }
    }

    ngx_at_report_close(steps->report, "]");
}


static void
ngx_at_report_step(const ngx_at_steps_t *steps, ngx_at_step_e step)
{
    ngx_uint_t            fails;
    const at_endpoint_t  *endpoint;
    const ngx_at_pass_t  *pass;

    fails = step == steps->failed;
    pass = &ngx_at_passes[step];
    endpoint = steps->ctx->endpoint;

    ngx_at_report_open(steps->report, NULL, "{");
    ngx_at_report_text(steps->report, "step", pass->name);
    ngx_at_report_literal(steps->report, "result",
                          fails ? "failed"
                          : step < steps->failed ? "passed" : "not reached");

    if (step == NGX_AT_ENDPOINT && endpoint) {
        ngx_at_report_format(steps->report, "requirement",
                             "the scope of \"%*s\", line %ud of the endpoint "
                             "list", endpoint->text.len, endpoint->text.data,
                             endpoint->line);

    } else {
        ngx_at_report_literal(steps->report, "requirement",
                              fails ? steps->failure->requirement
                                    : pass->requirement);
    }

    ngx_at_report_directives(steps, fails ? steps->failure->directives
                                          : pass->directives);

    if (step <= steps->failed) {
        ngx_at_report_actual(steps, step);
    }

    if (fails && steps->failure->change) {
        ngx_at_report_literal(steps->report, "change", steps->failure->change);
    }

    ngx_at_report_close(steps->report, "}");
}


/* the module has made no decision: it is off, or answers a preflight */

static void
ngx_at_report_no_decision(at_bytes_t *report, const ngx_at_loc_conf_t *atcf)
{
    ngx_at_report_literal(report, "reason", atcf->enable ? "preflight"
                                                         : "off");
    ngx_at_report_open(report, "directives", "[");
    ngx_at_report_directive(report, atcf, atcf->enable ? "auth_token_cors"
                                                       : "auth_token");
    ngx_at_report_close(report, "]");
    ngx_at_report_close(report, "}");
}


ngx_uint_t
ngx_at_explain_steps(at_bytes_t *report, ngx_http_request_t *r,
    const ngx_at_ctx_t *ctx)
{
    at_claims_t              *claims;
    ngx_at_step_e             step;
    ngx_at_steps_t            steps;
    const ngx_at_loc_conf_t  *atcf;
    const at_verdict_info_t  *info;

    atcf = ngx_http_get_module_loc_conf(r, ngx_http_auth_token_module);

    ngx_at_report_open(report, NULL, "{");

    if (ctx == NULL || !atcf->enable) {
        ngx_at_report_no_decision(report, atcf);
        return 0;
    }

    ngx_memzero(&steps, sizeof(ngx_at_steps_t));
    steps.request = r;
    steps.ctx = ctx;
    steps.report = report;
    steps.failed = NGX_AT_STEPS;

    claims = ctx->kind & NGX_AT_JWT
             ? at_jwt_decode_claims(ngx_at_view(ctx->credential)) : NULL;
    ngx_at_steps_read_jwt(&steps, claims);

    if (ctx->verdict != AT_OK) {
        steps.failure = ctx->verdict == AT_UNAVAILABLE && steps.keys_missing
                        ? &ngx_at_no_keys : &ngx_at_failures[ctx->verdict];
        steps.failed = steps.failure->step;
    }

    /* an alg that does not exist is refused before the iss */

    if (steps.failed == NGX_AT_KEY && !steps.iss_known) {
        steps.failed = NGX_AT_CREDENTIAL;
    }

    info = at_verdict_info(ctx->verdict);
    ngx_at_report_text(report, "reason", info->reason);

    if (ctx->verdict != AT_OK) {
        ngx_at_report_text(report, "code", at_code_info(info->code)->name);
    }

    ngx_at_report_open(report, "steps", "[");

    for (step = 0; step < NGX_AT_STEPS; step++) {
        if (step == steps.failed || ngx_at_step_applies(&steps, step)) {
            ngx_at_report_step(&steps, step);
        }
    }

    ngx_at_report_close(report, "]");
    ngx_at_report_close(report, "}");

    at_claims_free(claims);

    return steps.failure == &ngx_at_no_keys;
}
