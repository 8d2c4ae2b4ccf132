/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Requirements: signature-valid, header-alg, alg-mix-up, token-empty,
 *   token-parts, token-empty-part, token-json-serialization, base64-padding,
 *   base64-foreign-bytes, base64-standard-alphabet, base64-spare-bits,
 *   header-json, json-duplicates, json-nul, json-utf8, json-depth, header-typ,
 *   header-crit, header-zip-enc, header-embedded-key, json-members,
 *   token-kinds, token-binding, token-length, payload-json,
 *   signature-bit-flip, signature-shape, signature-of-another-token, alg-none,
 *   alg-hmac-with-public-key, ecdsa-shape, header-kid, issuer-selection,
 *   key-selection, key-limit, token-without-kid, early-fetch, jwk-set,
 *   jwk-purpose, fetch-failures, token-timing, exp-boundary, exp-small,
 *   exp-type, exp-range, expired-and-forged, nbf-iat, audience, issuer,
 *   claim-types, scope-claim, rfc-vectors, naughty-strings, http-versions,
 *   store-faults, store-decisions.
 */

#include <jansson.h>

#include "core/json/at_document.h"
#include "core/jose/at_jwt.h"
#include "data.h"
#include "sign.h"
#include "tap.h"


#define ALL       ((1u << AT_ALGS) - 1)

#define NOW       1700000000
#define RS256     "{'alg':'RS256'}"

/* members of a valid payload, without exp, and a valid payload */
#define ISSUER    "'iss':'https://issuer.example'"
#define WHO       ISSUER ",'aud':'api'"
#define EXP       "'exp':1700000600"
#define VALID     WHO "," EXP
#define HEADER(members)   at_str("{'alg':'RS256'," members "}")
#define PAYLOAD(members)  at_str("{" VALID "," members "}")
#define GOOD      "{" VALID ",'sub':'alice'}"

#define NO_SET    ((at_keyset_t *) 8)   /* any use is an error */


static EVP_PKEY     *rsa, *rsa2, *p256, *p384, *p521, *ed, *ed2, *ed3;

static at_keyset_t  *keysets[200];
static size_t        n_keysets;

static const at_str_t  issuers[] = { at_str("https://issuer.example") };
static const at_str_t  audiences[] = { at_str("api") };
static const at_str_t  typs[] = {
    at_str("JWT"), at_str("at+jwt"), at_str("application/at+jwt")
};


/* an issuer and its key sources, of which the second may be missing */
typedef struct {
    at_issuer_t   issuer;
    at_keyset_t  *sets[3];      /* the third must not be used */
    int           no_sources;
} block_t;

static at_claim_path_t  username, scope, is_admin;

/* the only client in the store; "?": the store cannot be read */
static const char  *known_client;
static unsigned     lookups;
static size_t       n_deferred;         /* signatures */

/* the identity of the last token */
static struct {
    const at_issuer_t  *issuer;
    char                user[64];
    char                subject[64];
    int                 admin;
    int64_t             expires;
    size_t              scopes;
} last;


static at_claim_path_t
path(const char *name)
{
    at_claim_path_t  p;
    char            *copy = format("%s", name);

    must(at_claim_path_parse(&p, copy, strlen(copy)) == 0, "no path");

    return p;
}


static void
warn(void *data, const char *text)
{
    (void) data;
    printf("# %s\n", text);
}


/* freed at the end of the test */
static at_keyset_t *
keys(at_str_t text)
{
    at_error_t    err;
    at_keyset_t  *set = at_keyset_parse(text, ALL, warn, NULL, &err);

    must(set != NULL, err.text);
    must(n_keysets < N(keysets), "more key sets than expected");

    keysets[n_keysets++] = set;

    return set;
}


static at_keyset_t *
jwks(const char *list)
{
    return keys(str(json("{'keys':[%s]}", list)));
}


/* the issuer of most tests */
static block_t
block(at_keyset_t *set)
{
    return (block_t) {
        .issuer = {
            .name = at_str("test"),
            .issuers = issuers,
            .n_issuers = N(issuers),
            .audiences = audiences,
            .n_audiences = N(audiences),
            .typs = typs,
            .n_typs = N(typs),
            .typ_absent = 1,
            .algs = at_alg_bit(AT_RS256),
            .max_age = AT_NO_MAX_AGE,
            .user_claim = username,
            .scope_claim = scope,
            .admin_claim = is_admin,
        },
        .sets = { set, NULL, NO_SET },
    };
}


static void
save_identity(const at_identity_t *id)
{
    last.issuer = id->issuer;
    last.admin = id->rights.admin;
    last.expires = id->expires;
    last.scopes = id->rights.scopes.n;

    (void) snprintf(last.user, sizeof(last.user), "%.*s", (int) id->user.len,
                    id->user.data ? id->user.data : "");
    (void) snprintf(last.subject, sizeof(last.subject), "%.*s",
                    (int) id->subject.len,
                    id->subject.data ? id->subject.data : "");
}


static int
is_anonymous(const at_identity_t *id)
{
    return id->issuer == NULL && id->user.len == 0 && id->subject.len == 0
           && !id->rights.admin && id->expires == 0 && id->rights.scopes.n == 0
           && id->rights.scopes.items == NULL && id->claims == NULL;
}


/* used for all tokens of this file: its cache must not change a verdict */
static at_verifier_t  *shared;


static int
is_same_scopes(const at_scopes_t *one, const at_scopes_t *two)
{
    size_t  i;

    for (i = 0; i < one->n && one->n == two->n; i++) {
        if (!at_str_equal(one->items[i], two->items[i])) {
            return 0;
        }
    }

    return one->n == two->n;
}


/* compares all claims */
static int
is_same_claims(const at_claims_t *one, const at_claims_t *two)
{
    char    first[65536], second[65536];
    size_t  len;

    if (one == NULL || two == NULL) {
        return one == two;
    }

    len = at_claim_to_json(at_claims_object(one), first, sizeof(first));

    return at_claim_to_json(at_claims_object(two), second, sizeof(second))
           == len && len <= sizeof(first) && memcmp(first, second, len) == 0;
}


static int
is_same_identity(const at_identity_t *one, const at_identity_t *two)
{
    return one->issuer == two->issuer && at_str_equal(one->user, two->user)
           && at_str_equal(one->subject, two->subject)
           && one->expires == two->expires
           && one->rights.admin == two->rights.admin
           && is_same_scopes(&one->rights.scopes, &two->rights.scopes)
           && is_same_claims(one->claims, two->claims);
}


/* a verifier that was used for other tokens returns the same */
static void
check_shared(const at_identity_t *id, const at_jwt_query_t *query,
    at_verdict_e expected)
{
    at_identity_t  other = { 0 };
    at_verdict_e   verdict = at_jwt_verify(shared, &other, query);

    if (verdict != expected || !is_same_identity(id, &other)) {
        ok(0, "a used verifier returns %s, a new one %s",
           at_verdict_info(verdict)->reason.data,
           at_verdict_info(expected)->reason.data);
    }

    at_identity_release(&other);
}


/* slow signatures that are verified by the caller give the same result */
static void
check_deferred(const at_identity_t *id, const at_jwt_query_t *query,
    at_verdict_e expected)
{
    size_t         runs = 0;
    unsigned       saved = lookups;
    at_verdict_e   verdict;
    at_deferred_t  deferred = { 0 };
    at_identity_t  other = { 0 };

    while ((verdict = at_jwt_verify_deferred(shared, &other, query, &deferred))
           == AT_PENDING)
    {
        must(++runs <= AT_DEFERRED_RESULTS_MAX, "no end");
        at_deferred_run(&deferred);
    }

    if (verdict != expected || !is_same_identity(id, &other)) {
        ok(0, "with deferred signatures %s, else %s",
           at_verdict_info(verdict)->reason.data,
           at_verdict_info(expected)->reason.data);
    }

    n_deferred += runs;
    lookups = saved;
    at_deferred_free(&deferred);
    at_identity_release(&other);
}


static int
is_client(void *data, at_str_t id)
{
    (*(unsigned *) data)++;

    return known_client == NULL ? 0
           : strcmp(known_client, "?") == 0 ? -1
           : at_str_equal(str(known_client), id);
}


static at_trusted_issuer_t
trust(const block_t *b)
{
    return (at_trusted_issuer_t) {
        &b->issuer, b->sets, b->no_sources ? 0 : 1 + (b->sets[1] != NULL), 0
    };
}


/*
 * Verifies with n issuers.  Each call also checks the properties that hold for
 * all tokens.
 */
static at_verdict_e
verify_by(const block_t *b, size_t n, at_str_t text, size_t max_len,
    int64_t now)
{
    char                 *copy = exact_copy(text);
    size_t                i;
    at_verdict_e          verdict;
    at_claims_t          *claims;
    at_identity_t         id = { 0 };
    at_verifier_t        *verifier = at_verifier_create();
    at_trusted_issuer_t   trusted[12];
    at_jwt_query_t        query = { { copy, text.len }, max_len, trusted, n,
                                    now, is_client, &lookups };

    for (i = 0; i < n; i++) {
        trusted[i] = trust(&b[i]);
    }

    ERR_clear_error();
    verdict = at_jwt_verify(verifier, &id, &query);
    at_verifier_free(verifier);

    check_shared(&id, &query, verdict);
    check_deferred(&id, &query, verdict);

    if (verdict == AT_OK) {
        claims = at_jwt_decode_claims(query.token);

        if (claims == NULL || !is_same_claims(claims, id.claims)) {
            ok(0, "the claims of a verified token are decoded again");
        }

        at_claims_free(claims);
    }

    free(copy);

    if (ERR_peek_error() != 0) {
        ok(0, "the error queue is empty");
    }

    switch (verdict) {

    case AT_OK:
    case AT_EXPIRED:
    case AT_TOO_OLD:
    case AT_NOT_YET_VALID:
        if (id.issuer == NULL || id.claims == NULL) {
            ok(0, "the identity is filled after the verdict %d", verdict);
        }
        break;

    default:
        if (!is_anonymous(&id)) {
            ok(0, "the identity is anonymous after the verdict %d", verdict);
        }
    }

    save_identity(&id);
    at_identity_release(&id);
    at_identity_release(&id);

    if (!is_anonymous(&id)) {
        ok(0, "a released identity is anonymous");
    }

    return verdict;
}


static at_verdict_e
verify(const block_t *b, const char *text)
{
    return verify_by(b, 1, str(text), AT_JWT_LEN_DEFAULT, NOW);
}


TAP_FORMAT(3) static int
is_verdict(at_verdict_e got, at_verdict_e expected, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) tap_line(got == expected, fmt, args);
    va_end(args);

    if (got != expected) {
        printf("#      got: %s\n# expected: %s\n",
               at_verdict_info(got)->reason.data,
               at_verdict_info(expected)->reason.data);
    }

    return got == expected;
}


#define is_token(b, text, expected, ...)                                      \
    is_verdict(verify(b, text), expected, __VA_ARGS__)

#define is_long_token(b, text, expected, ...)                                 \
    is_verdict(verify_by(b, 1, str(text), AT_JWT_LEN_MAX, NOW), expected,     \
               __VA_ARGS__)

/* with n issuers */
#define is_token_by(b, n, text, expected, ...)                                \
    is_verdict(verify_by(b, n, str(text), AT_JWT_LEN_DEFAULT, NOW), expected, \
               __VA_ARGS__)


static char *
signed_payload(const char *payload)
{
    return token(RS256, payload, rsa, AT_RS256);
}


/* a valid token with more members */
static char *
with_claims(const char *members)
{
    return signed_payload(format("{" VALID ",%s}", members));
}


static char *
signed_header(const char *header)
{
    return token(header, GOOD, rsa, AT_RS256);
}


/* texts with one verdict; the list ends with NULL */
typedef struct {
    at_verdict_e   verdict;
    const char    *texts[32];
} group_t;


/* tokens with the given values of a claim beside the other members */
static void
test_values(const block_t *b, const char *others, const char *claim,
    const char *note, const group_t *groups, size_t n)
{
    const group_t      *group;
    const char *const  *text;

    for (group = groups; group < groups + n; group++) {
        for (text = group->texts; *text; text++) {
            is_token(b, signed_payload(format("{%s,'%s':%s}", others, claim,
                                              *text)),
                     group->verdict, "%s %s%s", claim, *text, note);
        }
    }
}


/* --- accepted tokens ------------------------------------------------ */

static void
test_good(void)
{
    unsigned   bits;
    block_t    b = block(keys(pem_public(rsa)));
    EVP_PKEY  *pkey;

    is_token(&b, signed_payload(GOOD), AT_OK, "RS256, 2048 bits");
    ok(last.issuer == &b.issuer, "the identity has the issuer");
    is_str(last.subject, "alice", "the subject");
    is_int(last.expires, 1700000600000, "the expiry");

    for (bits = 3072; bits <= 4096; bits += 1024) {
        pkey = key_rsa(bits);
        b = block(keys(pem_public(pkey)));
        is_token(&b, token(RS256, GOOD, pkey, AT_RS256), AT_OK,
                 "RS256, %u bits", bits);
    }
}


static void
test_every_alg(void)
{
    char         *header;
    unsigned      alg, asked;
    block_t       b;
    EVP_PKEY     *pkey;
    const char   *name;

    b = block(jwks(format("%s,%s,%s,%s,%s", jwk(rsa, ""), jwk(p256, ""),
                          jwk(p384, ""), jwk(p521, ""), jwk(ed, ""))));

    for (asked = 0; asked < AT_ALGS; asked++) {
        name = at_alg_name((at_alg_e) asked).data;
        header = format("{'alg':'%s'}", name);

        for (alg = 0; alg < AT_ALGS; alg++) {
            pkey = alg <= AT_PS512 ? rsa : alg == AT_ES256 ? p256
                   : alg == AT_ES384 ? p384 : alg == AT_ES512 ? p521 : ed;

            b.issuer.algs = ALL;
            is_token(&b, token(header, GOOD, pkey, (at_alg_e) alg),
                     alg == asked || (pkey == ed && asked >= AT_EDDSA)
                     ? AT_OK : AT_BAD_SIGNATURE,
                     "a %s signature under %s",
                     at_alg_name((at_alg_e) alg).data, name);

            b.issuer.algs = ALL & ~at_alg_bit(asked);
            is_token(&b, token(header, GOOD, pkey, (at_alg_e) alg), AT_BAD_ALG,
                     "a %s signature under %s if only others are accepted",
                     at_alg_name((at_alg_e) alg).data, name);
        }
    }
}


/* --- the text of the token ----------------------------------------------- */

static void
test_shape(void)
{
    size_t       i, j;
    char        *good, *dots;
    block_t      b = block(keys(pem_public(rsa)));
    const char  *header, *payload, *signature;

    good = signed_payload(GOOD);
    header = b64(str(json(RS256)));
    payload = b64(str(json(GOOD)));
    signature = strrchr(good, '.') + 1;
    dots = sign_alloc(8001);
    memset(dots, '.', 8000);

    const struct { const char *name, *text; } malformed[] = {
        { "nothing", "" }, { "one part", header },
        { "two parts", format("%s.%s", header, payload) },
        { "two parts and a dot", format("%s.%s.", header, payload) },
        { "four parts", format("%s.AAAA", good) },
        { "a dot at the end", format("%s.", good) },
        { "two dots at the end", format("%s..", good) },
        { "a dot at the start", format(".%s", good) },
        { "the signature cut by a dot",
          format("%s.%s.%.10s.%s", header, payload, signature,
                 signature + 10) },
        { "two dots between", format("%s..%s.%s", header, payload,
                                     signature) },
        { "a JWE", format("%s.AAAA.AAAA.AAAA.AAAA", header) },
        { "a dot", "." }, { "two dots", ".." }, { "four dots", "...." },
        { "8,000 dots", dots },
        { "no header", format(".%s.%s", payload, signature) },
        { "no payload", format("%s..%s", header, signature) },
        { "flattened JSON",
          json("{'payload':'%s','protected':'%s','signature':'%s'}",
               payload, header, signature) },
        { "general JSON",
          json("{'payload':'%s','signatures':[{'protected':'%s',"
               "'signature':'%s'}]}", payload, header, signature) },
    };

    for (i = 0; i < N(malformed); i++) {
        is_token(&b, malformed[i].text, AT_MALFORMED, "%s", malformed[i].name);
    }

    is_token(&b, good, AT_OK, "the token itself");

    /* other encodings of the same bytes, in each of the three parts */
    static const char  *added[] = {
        "=", "==", "====", " ", "\t", "\n", "\r\n", "\x01", "\x7f", "\x80",
        "\xff", "+", "/", "!", ",", "%3d"
    };

    for (i = 0; i < N(added); i++) {
        for (j = 0; j < 6; j++) {
            is_token(&b, format("%s%s%s.%s%s%s.%s%s%s",
                                j == 0 ? added[i] : "", header,
                                j == 1 ? added[i] : "",
                                j == 2 ? added[i] : "", payload,
                                j == 3 ? added[i] : "",
                                j == 4 ? added[i] : "", signature,
                                j == 5 ? added[i] : ""),
                     AT_MALFORMED, "'%s' %s part %zu", added[i],
                     j % 2 ? "after" : "before", j / 2 + 1);
        }
    }
}


/* every last character that a lax decoder would decode to the same bytes */
static void
test_spare_bits(void)
{
    char      *text, *start, *end, good;
    size_t     i, pad, spare, len;
    unsigned   tried = 0, wrong = 0;
    block_t    b = block(keys(pem_public(rsa)));

    static const char  alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /* lengths of header and payload with all remainders modulo 3 */
    for (pad = 0; pad < 3; pad++) {
        text = token(format(RS256 "%.*s", (int) pad, "  "),
                     format(GOOD "%.*s", (int) pad, "  "), rsa, AT_RS256);

        for (start = text; *start; start = end + (*end == '.')) {
            end = start + strcspn(start, ".");
            len = (size_t) (end - start);
            spare = len % 4 == 2 ? 16 : len % 4 == 3 ? 4 : 1;
            good = end[-1];

            for (i = 1; i < spare; i++) {
                end[-1] = strchr(alphabet, good)[i];
                wrong += verify(&b, text) != AT_MALFORMED;
                tried++;
            }

            end[-1] = good;
        }

        wrong += verify(&b, text) != AT_OK;
    }

    ok(tried > 40, "%u other last characters", tried);
    is_int(wrong, 0, "unused bits that are set make a token malformed");
}


static void
test_header_json(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const struct { at_verdict_e verdict; at_str_t headers[24]; }
    groups[] = {
        { AT_OK, { at_str(" \r\n\t{ 'alg' : 'RS256' }\n"),
          at_str("{'\\u0061lg':'RS256'}"), at_str("{'alg':'\\u0052S256'}"),
          HEADER("'x':[[[[[[[]]]]]]]"), HEADER("'typ':'JWT'"),
          HEADER("'typ':'jwt'"), HEADER("'typ':'at+jwt'"),
          HEADER("'typ':'AT+JWT'"), HEADER("'typ':'application/at+jwt'"),
          HEADER("'cty':'JWT'"), HEADER("'cty':7"),
          HEADER("'jku':'https://evil.example/','x5t':'AA',"
                 "'x5u':'https://evil.example/','x5c':['AA']") } },
        { AT_BAD_HEADER, { at_str("[]"), at_str("[{'alg':'RS256'}]"),
          at_str("'RS256'"), at_str("{'alg':'RS256'"), at_str(RS256 "x"),
          at_str("\xef\xbb\xbf" RS256), at_str(RS256 "\0"),
          at_str("{'alg':'none','alg':'RS256'}"), HEADER("'alg':'HS256'"),
          HEADER("'\\u0061lg':'RS256'"), HEADER("'kid':'a','kid':'a'"),
          HEADER("'x':'\\ud800'"), HEADER("'x':'\xff'") } },
        { AT_BAD_ALG, { at_str("{}"), at_str("{'alg':'RS256\\u0000'}"),
          at_str("{'typ':'JWT'}"),
          at_str("{'alg':null}"), at_str("{'alg':256}"),
          at_str("{'alg':true}"), at_str("{'alg':['RS256']}"),
          at_str("{'alg':{'RS256':1}}"), at_str("{'alg':''}"),
          at_str("{'alg':' RS256'}"), at_str("{'alg':'RS256 '}"),
          at_str("{'alg':'rs256'}"), at_str("{'alg':'Rs256'}"),
          at_str("{'alg':'HS256'}"), at_str("{'alg':'RS384'}"),
          at_str("{'alg':'EdDSA'}"), at_str("{'ALG':'RS256'}") } },
        { AT_BAD_TYP, { HEADER("'typ':'JWE'"), HEADER("'typ':'JOSE'"),
          HEADER("'typ':'id+jwt'"), HEADER("'typ':''"),
          HEADER("'typ':'JOSE+JSON'"), HEADER("'typ':'application/jwt'"),
          HEADER("'typ':'secevent+jwt'"), HEADER("'typ':'dpop+jwt'"),
          HEADER("'typ':{}"), HEADER("'typ':true"), HEADER("'typ':123"),
          HEADER("'typ':null"), HEADER("'typ':['JWT']"),
          HEADER("'typ':'JWT '") } },
        { AT_BAD_CRIT, { HEADER("'crit':['exp']"),
          HEADER("'crit':['x'],'x':1"), HEADER("'crit':[]"),
          HEADER("'crit':'exp'"), HEADER("'crit':null"),
          HEADER("'b64':false,'crit':['b64']"), HEADER("'cr\\u0069t':[]"),
          HEADER("'b64':true"), HEADER("'b64':false"), HEADER("'b64':null"),
          HEADER("'zip':'DEF'"), HEADER("'zip':null"),
          HEADER("'enc':'A256GCM'"), HEADER("'enc':null") } },
    };

    for (i = 0; i < N(groups); i++) {
        const at_str_t  *header = groups[i].headers;

        for ( ; header->len; header++) {
            is_token(&b, token_of(*header, at_str(GOOD), rsa, AT_RS256),
                     groups[i].verdict, "header: %.*s", (int) header->len,
                     header->data);
        }
    }

    is_token(&b, signed_header(format("{'alg':'%05000d'}", 1)), AT_BAD_ALG,
             "an alg of 5 KB");

    /* RFC 7797: the payload as it is */
    is_token(&b, format("%s.payload.%s",
                        b64(str(json("{'alg':'RS256','b64':false,"
                                     "'crit':['b64']}"))),
                        b64(sign_alg(rsa, AT_RS256, at_str("x")))),
             AT_MALFORMED, "a raw payload that is not base64url");
}


static char *
with_members(const char *head, unsigned n)
{
    unsigned   i;
    char      *text = sign_alloc(strlen(head) + 16 * (size_t) n + 16);
    size_t     len = (size_t) sprintf(text, "%s", head);

    for (i = 0; i < n; i++) {
        len += (size_t) sprintf(text + len, ",'m%u':1", i);
    }

    (void) sprintf(text + len, "}");

    return text;
}


static char *
with_depth(const char *head, unsigned n)
{
    char    *text = sign_alloc(strlen(head) + 2 * (size_t) n + 16);
    size_t   len = (size_t) sprintf(text, "%s,'x':", head);

    memset(text + len, '[', n);
    memset(text + len + n, ']', n);
    (void) sprintf(text + len + 2 * n, "}");

    return text;
}


static void
test_limits(void)
{
    char        *unclosed;
    size_t       i;
    block_t      b = block(keys(pem_public(rsa)));
    const char  *head = "{" VALID;

    const struct {
        const char *name, *payload; at_verdict_e verdict;
    } cases[] = {
        { "512 deep", with_depth(head, 511), AT_OK },
        { "513 deep", with_depth(head, 512), AT_TOO_COMPLEX },
        { "20,000 deep", with_depth(head, 20000), AT_TOO_COMPLEX },
        { "2,000 members", with_members(head, 2000), AT_OK },
        { "a string of 20 KiB", format("%s,'x':'%020480d'}", head, 0), AT_OK },
        { "a name of 20 KiB", format("%s,'%020480d':1}", head, 0), AT_OK },
        { "a number of 20 KiB", format("%s,'x':1%020480d}", head, 0), AT_OK },
    };

    for (i = 0; i < N(cases); i++) {
        is_long_token(&b, signed_payload(cases[i].payload), cases[i].verdict,
                      "%s", cases[i].name);
    }

    is_token(&b, signed_header(with_members("{'alg':'RS256'", 200)), AT_OK,
             "a header of 201 members");
    is_long_token(&b, signed_header(with_depth("{'alg':'RS256'", 20000)),
                  AT_TOO_COMPLEX, "a header 20,000 deep");

    unclosed = sign_alloc(8001);
    memset(unclosed, '[', 8000);
    is_long_token(&b, signed_payload(unclosed), AT_BAD_PAYLOAD,
                  "8,000 unclosed arrays signed");
    is_long_token(&b, signed_header(unclosed), AT_BAD_HEADER,
                  "8,000 unclosed arrays as the header");
}


static void
test_length(void)
{
    char                 *text, *huge;
    size_t                len;
    double                start, us;
    unsigned              i;
    at_identity_t         id = { 0 };
    at_verifier_t        *verifier;
    block_t               b = block(keys(pem_public(rsa)));
    at_trusted_issuer_t   trusted = trust(&b);

    text = signed_payload(GOOD);
    len = strlen(text);

    is_verdict(verify_by(&b, 1, str(text), len, NOW), AT_OK,
               "a token of the maximum length");
    is_verdict(verify_by(&b, 1, str(text), len - 1, NOW), AT_TOO_LONG,
               "a token of one byte more");
    is_verdict(verify_by(&b, 1, str(text), 0, NOW), AT_TOO_LONG,
               "a maximum length of 0");

    huge = sign_alloc(1 << 20);
    memset(huge, 'A', 1 << 20);

    is_verdict(verify_by(&b, 1, (at_str_t) { huge, AT_JWT_LEN_MAX + 1 },
                         SIZE_MAX, NOW), AT_TOO_LONG,
               "64 KiB is the limit for every configured maximum");
    is_verdict(verify_by(&b, 1, (at_str_t) { huge, AT_JWT_LEN_MAX },
                         AT_JWT_LEN_MAX, NOW), AT_MALFORMED,
               "64 KiB without a dot");
    is_verdict(verify_by(&b, 1, (at_str_t) { NULL, 0 }, AT_JWT_LEN_DEFAULT,
                         NOW), AT_MALFORMED, "an empty token");

    text = with_claims(format("'a':'%05000d'", 0));
    is_token(&b, text, AT_OK, "a token of %zu bytes", strlen(text));

    verifier = at_verifier_create();
    start = cpu_time();

    for (i = 0; i < 100; i++) {
        (void) at_jwt_verify(verifier, &id, &(at_jwt_query_t)
                             { { huge, 1 << 20 }, AT_JWT_LEN_DEFAULT,
                               &trusted, 1, NOW, NULL, NULL });
    }

    us = (cpu_time() - start) * 10;
    at_verifier_free(verifier);
    ok(us < 50, "a token of 1 MB is refused in %.3f us", us);
}


static void
test_payload_json(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    /* json_test.c has more texts */
    static const struct { at_str_t payload; at_verdict_e verdict; } cases[] = {
        { at_str("[]"), AT_BAD_PAYLOAD },
        { at_str("[" GOOD "]"), AT_BAD_PAYLOAD },
        { at_str(GOOD "x"), AT_BAD_PAYLOAD },
        { at_str(GOOD "\0"), AT_BAD_PAYLOAD },
        { at_str("\xef\xbb\xbf" GOOD), AT_BAD_PAYLOAD },
        { at_str(" \r\n\t" GOOD "\n"), AT_OK },
        { at_str("{}"), AT_ISSUER_MISMATCH },
        { at_str("{" WHO ",'exp':1," EXP "}"), AT_BAD_PAYLOAD },
        { at_str("{" WHO ",'exp':1,'\\u0065xp':1700000600}"), AT_BAD_PAYLOAD },
        { PAYLOAD("'iss':'x'"), AT_BAD_PAYLOAD },
        { PAYLOAD("'aud':'x'"), AT_BAD_PAYLOAD },
        { PAYLOAD("'scope':[],'scope':[]"), AT_BAD_PAYLOAD },
        { PAYLOAD("'x':[{'a':1,'a':2}]"), AT_BAD_PAYLOAD },
        { PAYLOAD("'x':'\\u0000'"), AT_OK },
        { PAYLOAD("'x\\u0000':[1e999,18446744073709551615]"), AT_OK },
        { PAYLOAD("'x':'\\ud800'"), AT_BAD_PAYLOAD },
        { PAYLOAD("'x':'\xff'"), AT_BAD_PAYLOAD },
    };

    for (i = 0; i < N(cases); i++) {
        const at_str_t  *payload = &cases[i].payload;

        is_token(&b, token_of(at_str(RS256), *payload, rsa, AT_RS256),
                 cases[i].verdict, "payload: %.*s", (int) payload->len,
                 payload->data);

        /* no key is tried for a payload that is invalid or has no iss */
        if (cases[i].verdict != AT_OK) {
            is_token(&b, token_of(at_str(RS256), *payload, rsa2, AT_RS256),
                     cases[i].verdict, "payload: %.*s, badly signed",
                     (int) payload->len, payload->data);
        }
    }
}


/* --- signatures ---------------------------------------------------------- */

static void
test_every_bit(const char *name, const block_t *b, const char *good)
{
    char      *text = format("%s", good);
    size_t     i, len = strlen(good);
    unsigned   wrong = 0;

    for (i = 0; i < 8 * len; i++) {
        text[i / 8] ^= (char) (1 << i % 8);
        wrong += verify_by(b, 1, (at_str_t) { text, len }, AT_JWT_LEN_DEFAULT,
                           NOW) == AT_OK;
        text[i / 8] = good[i / 8];
    }

    is_int(wrong, 0,
           "%s: a token with one bit changed is refused, %zu characters", name,
           len);
    is_token(b, text, AT_OK, "%s: the unchanged token is valid", name);
}


static void
test_every_bit_of(void)
{
    block_t  b;

    b = block(jwks(format("%s,%s,%s", jwk(rsa, ""), jwk(p256, ""),
                          jwk(ed, ""))));
    b.issuer.algs = ALL;

    test_every_bit("RS256", &b, signed_payload(GOOD));
    test_every_bit("ES256", &b,
                   token("{'alg':'ES256'}", GOOD, p256, AT_ES256));
    test_every_bit("EdDSA", &b, token("{'alg':'EdDSA'}", GOOD, ed, AT_EDDSA));
}


static at_str_t
sign_ecdsa(EVP_PKEY *pkey, const char *md, at_str_t text)
{
    return sign_der_to_pair(pkey, sign_with(pkey, md, -1, text));
}


/* crypto_test.c has signatures of other lengths and numbers */
static void
test_signatures(void)
{
    char     *text, *other;
    block_t   b = block(jwks(format("%s,%s", jwk(rsa, ""), jwk(p256, ""))));

    b.issuer.algs = ALL;
    text = token_text(at_str(RS256), at_str(GOOD));
    other = token_text(at_str(RS256), at_str("{" VALID "}"));

    is_token(&b, token_with(text, sign_alg(rsa, AT_RS256, str(other))),
             AT_BAD_SIGNATURE, "of another token");
    is_token(&b, token_with(text, sign_alg(rsa2, AT_RS256, str(text))),
             AT_BAD_SIGNATURE, "of another key");
    is_token(&b, token_with(text, (at_str_t) { sign_alloc(4000), 4000 }),
             AT_BAD_SIGNATURE, "4,000 bytes");
    is_token(&b, token_with(text, sign_alg(rsa, AT_RS256, str(text))), AT_OK,
             "the signature itself");

    text = token_text(at_str("{'alg':'ES256'}"), at_str(GOOD));
    is_token(&b, token_with(text, sign_ecdsa(p384, "SHA256", str(text))),
             AT_BAD_SIGNATURE, "ES256: of P-384 by SHA-256");
    is_token(&b, token_with(text, sign_ecdsa(key_ec("P-521"), "SHA256",
                                             str(text))),
             AT_BAD_SIGNATURE, "ES256: of P-521");
    is_token(&b, token_with(text, sign_ecdsa(key_ec("secp256k1"), "SHA256",
                                             str(text))),
             AT_BAD_SIGNATURE, "ES256: of secp256k1");
    is_token(&b, token_with(text, sign_alg(p256, AT_ES256, str(text))), AT_OK,
             "ES256: the signature of the key");

    text = token_text(at_str("{'alg':'ES512'}"), at_str(GOOD));
    is_token(&b, token_with(text, sign_ecdsa(p256, "SHA512", str(text))),
             AT_NO_KEY, "ES512 by a P-256 key");

    text = token_text(at_str("{'alg':'ES384'}"), at_str(GOOD));
    is_token(&b, token_with(text, sign_ecdsa(p256, "SHA384", str(text))),
             AT_NO_KEY, "ES384 by a P-256 key");
}


static void
test_none(void)
{
    size_t    i;
    char     *text;
    block_t   b = block(keys(pem_public(rsa)));
    at_str_t  old;

    static const char  *names[] = { "none", "None", "nOnE", "NONE", "none ",
                                    "" };

    b.issuer.algs = ALL;
    old = sign_alg(rsa, AT_RS256,
                   str(token_text(at_str(RS256), at_str(GOOD))));

    for (i = 0; i < N(names); i++) {
        text = token_text(str(format("{'alg':'%s'}", names[i])), at_str(GOOD));

        is_token(&b, format("%s.", text), AT_MALFORMED,
                 "alg '%s', no signature", names[i]);
        is_token(&b, text, AT_MALFORMED, "alg '%s', two parts", names[i]);
        is_token(&b, token_with(text, old), AT_BAD_ALG,
                 "alg '%s', an old signature", names[i]);
        is_token(&b, format("%s.AA", text), AT_BAD_ALG, "alg '%s', AA",
                 names[i]);
        is_token(&b, token_with(text, sign_alg(rsa, AT_RS256, str(text))),
                 AT_BAD_ALG, "alg '%s', signed", names[i]);
    }
}


static void
test_hmac(void)
{
    size_t     i, j;
    char      *text, *crlf;
    at_str_t   pem = pem_public(rsa);
    block_t    b = block(keys(pem));

    b.issuer.algs = ALL;
    crlf = format("%.*s", (int) pem.len, pem.data);

    for (i = 0; crlf[i]; i++) {
        crlf[i] = crlf[i] == '\n' ? '\r' : crlf[i];
    }

    /* the last one is accepted by the issuer */
    const struct { const char *name; const EVP_MD *md; } algs[] = {
        { "HS256", EVP_sha256() }, { "HS384", EVP_sha384() },
        { "HS512", EVP_sha512() }, { "hs256", EVP_sha256() },
        { "RS256", EVP_sha256() },
    };

    const struct { const char *name; at_str_t secret; } secrets[] = {
        { "the PEM file", pem },
        { "the PEM file without its last newline", { pem.data, pem.len - 1 } },
        { "the PEM file with other newlines", str(crlf) },
        { "the DER", der_public(rsa) }, { "the JWK", str(jwk(rsa, "")) },
        { "n", str(jwk_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0)) },
        { "nothing", at_str("") },
        { "the name of the issuer", at_str("https://issuer.example") },
    };

    for (i = 0; i < N(algs); i++) {
        text = token_text(str(format("{'alg':'%s'}", algs[i].name)),
                          at_str(GOOD));

        for (j = 0; j < N(secrets); j++) {
            is_token(&b, token_with(text, sign_hmac(secrets[j].secret,
                                                    algs[i].md, str(text))),
                     i < N(algs) - 1 ? AT_BAD_ALG : AT_BAD_SIGNATURE,
                     "an HMAC named %s, keyed with %s", algs[i].name,
                     secrets[j].name);
        }
    }
}


static void
test_embedded_keys(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    const char  *headers[] = {
        format("{'alg':'RS256','jwk':%s}", jwk(rsa2, "")),
        format("{'alg':'RS256','x5c':['%s']}", x5c(rsa2)),
        "{'alg':'RS256','jku':'http://127.0.0.1:1/jwks'}",
        "{'alg':'RS256','x5u':'http://127.0.0.1:1/x','x5t':'AA',"
        "'x5t#S256':'AA'}"
    };

    for (i = 0; i < N(headers); i++) {
        is_token(&b, token(headers[i], GOOD, rsa2, AT_RS256), AT_BAD_SIGNATURE,
                 "a key in header %zu is not used", i);
        is_token(&b, signed_header(headers[i]), AT_OK,
                 "header %zu with a signature of the configured key is valid",
                 i);
    }
}


/* --- keys and kids ------------------------------------------------------- */

static char *
kid_token(const char *kid, EVP_PKEY *pkey)
{
    return token(format("{'alg':'RS256','kid':%s}", kid), GOOD, pkey,
                 AT_RS256);
}


static void
test_kid(void)
{
    size_t   i;
    block_t  b;

    const group_t  groups[] = {
        { AT_OK, { "'one'", "'on\\u0065'" } },
        { AT_BAD_SIGNATURE, { "'two'" } },
        { AT_UNKNOWN_KID, { "'ec'", "'three'", "'ONE'", "'on'", "'onee'",
          "'/etc/passwd'", "'file:///etc/passwd'", "'k|id'", "'%2e%2e'",
          "'one '", "' '", "'one\\r\\ntwo'", "'../../../../dev/null'",
          "'h\xc3\xa9'", "'\\u0027 OR \\u00271\\u0027=\\u00271'",
          format("'%01024d'", 0) } },
        { AT_BAD_KID, { "''", "7", "null", "{}", "['one']",
          format("'%01025d'", 0), format("'%05000d'", 0),
          "'one\\u0000'" } },
    };

    /* "one" and "two" are known; "ec" is the kid of a key of another kind */
    b = block(jwks(format("%s,%s,%s", jwk(rsa, ",'kid':'one'"),
                          jwk(rsa2, ",'kid':'two'"),
                          jwk(p256, ",'kid':'ec'"))));

    for (i = 0; i < N(groups); i++) {
        const char *const  *kid = groups[i].texts;

        for ( ; *kid; kid++) {
            is_token(&b, kid_token(*kid, rsa), groups[i].verdict, "kid %.40s",
                     *kid);
        }
    }

    is_token(&b, signed_payload(GOOD), AT_OK,
             "without kid the first of two keys is tried");
    is_token(&b, token(RS256, GOOD, rsa2, AT_RS256), AT_OK,
             "without kid the second key is tried");

    b = block(jwks(format("%s,%s", jwk(rsa2, ",'kid':'a'"),
                          jwk(rsa, ",'kid':'a'"))));
    is_token(&b, kid_token("'a'", rsa), AT_OK,
             "two keys with the same kid are both tried");
    is_token(&b, kid_token("'b'", rsa), AT_UNKNOWN_KID,
             "no key is tried for an unknown kid");

    b = block(jwks(format("%s,%s", jwk(rsa2, ",'kid':'a'"), jwk(rsa, ""))));
    is_token(&b, kid_token("'a'", rsa), AT_OK,
             "a key without kid is tried after those with the kid");
    is_token(&b, kid_token("'b'", rsa), AT_OK,
             "a key without kid is tried for every kid");
    is_token(&b, kid_token("'b'", rsa2), AT_BAD_SIGNATURE,
             "a key with another kid is not tried");

    b = block(jwks(jwk(rsa, ",'kid':'h\xc3\xa9 \\n'")));
    is_token(&b, kid_token("'h\\u00e9\\u0020\\u000a'", rsa), AT_OK,
             "a kid with other than printable ASCII characters");

    b = block(jwks(jwk(rsa, ",'alg':'RS512','kid':'a'")));
    b.issuer.algs = ALL;
    is_token(&b, kid_token("'a'", rsa), AT_UNKNOWN_KID,
             "a key for RS512 is not tried for RS256");
    is_token(&b, signed_payload(GOOD), AT_NO_KEY,
             "a key for RS512 is not tried for RS256 without kid");

    b = block(jwks(jwk(p256, "")));
    is_token(&b, signed_payload(GOOD), AT_NO_KEY,
             "an EC key is not tried for RS256");
}


/* an issuer with n other keys before the signing key */
static block_t
with_decoys(unsigned n, EVP_PKEY *pkey, const char *more)
{
    char     *text = format("%s", "");
    block_t   b;

    while (n--) {
        text = format("%s%s,", text, jwk(key_ec("P-256"), more));
    }

    b = block(jwks(format("%s%s", text, jwk(pkey, more))));
    b.issuer.algs = ALL;

    return b;
}


static void
test_key_limits(void)
{
    char        *text = token("{'alg':'ES256'}", GOOD, p256, AT_ES256);
    unsigned     i;
    block_t      b, others[3], many[6];
    const char  *list;

    for (i = 7; i <= 9; i++) {
        b = with_decoys(i, p256, "");
        is_token(&b, text, i < 8 ? AT_OK : AT_TOO_MANY_KEYS,
                 "key %u of its issuer", i + 1);

        b = with_decoys(i, p256, ",'kid':'a'");
        is_token(&b, token("{'alg':'ES256','kid':'a'}", GOOD, p256, AT_ES256),
                 i < 8 ? AT_OK : AT_TOO_MANY_KEYS,
                 "key %u of its issuer with the same kid", i + 1);
    }

    b = with_decoys(7, key_ec("P-256"), "");
    is_token(&b, text, AT_BAD_SIGNATURE, "none of 8 keys");
    b = with_decoys(8, key_ec("P-256"), "");
    is_token(&b, text, AT_TOO_MANY_KEYS, "none of 9 keys");
    is_int(at_issuer_keys_without_kid(&(at_trusted_issuer_t)
                                      { &b.issuer, b.sets, 1, 0 }), 9,
           "9 keys without kid");
    b = with_decoys(8, p256, ",'kid':'a'");
    is_int(at_issuer_keys_without_kid(&(at_trusted_issuer_t)
                                      { &b.issuer, b.sets, 1, 0 }), 0,
           "keys with kid are not counted");

    /* the keys of both sources of an issuer are counted together */
    b = with_decoys(3, key_ec("P-256"), "");
    b.sets[1] = with_decoys(3, p256, "").sets[0];
    is_token(&b, text, AT_OK, "key 8 of two sources");
    b.sets[1] = with_decoys(4, p256, "").sets[0];
    is_token(&b, text, AT_TOO_MANY_KEYS, "key 9 of two sources is not tried");

    /* a key that occurs again is not tried again */
    list = jwk(rsa2, "");

    for (i = 0; i < 9; i++) {
        list = format("%s,%s", list, jwk(rsa2, ""));
    }

    b = block(jwks(format("%s,%s", list, jwk(rsa, ""))));
    is_token(&b, signed_payload(GOOD), AT_OK, "equal keys are counted once");

    b = block(jwks(format("%s,%s,%s,%s,%s", jwk(rsa, ""), jwk(rsa2, ""),
                          jwk(p384, ""), jwk(ed, ""), jwk(p256, ""))));
    b.issuer.algs = ALL;
    is_token(&b, text, AT_OK, "keys of other types are not counted");
    is_int(at_issuer_keys_without_kid(&(at_trusted_issuer_t)
                                      { &b.issuer, b.sets, 1, 0 }), 2,
           "keys without kid are counted for each algorithm");

    /* each issuer with this iss has a limit of its own */
    others[0] = with_decoys(7, key_ec("P-256"), "");
    others[1] = with_decoys(7, p256, "");
    is_token_by(others, 2, text, AT_OK, "key 16 of two issuers is tried");
    ok(last.issuer == &others[1].issuer, "key 16: the issuer of the key");

    others[1] = others[0];
    others[2] = with_decoys(0, p256, "");
    is_token_by(others, 3, text, AT_OK,
                "the keys of an issuer do not count for another");
    others[2] = with_decoys(8, key_ec("P-256"), "");
    is_token_by(others, 3, text, AT_TOO_MANY_KEYS,
                "one of three issuers has too many keys");

    for (i = 0; i < N(many) - 1; i++) {
        many[i] = with_decoys(7, key_ec("P-256"), "");
    }

    many[i] = with_decoys(7, p256, "");
    is_token_by(many, N(many), text, AT_OK, "key 48 of six issuers is tried");
}


/* partners, each with one key and its own iss; tokens without kid */
static void
test_partners(void)
{
    char      *payload;
    size_t     i, n, place;
    block_t    b[12];
    at_str_t   names[12];
    EVP_PKEY  *partners[12];

    for (i = 0; i < N(b); i++) {
        partners[i] = key_ec("P-256");
        names[i] = str(format("https://partner%zu.example", i));
        b[i] = block(keys(pem_public(partners[i])));
        b[i].issuer.algs = ALL;
        b[i].issuer.issuers = &names[i];
    }

    for (i = 0; i < N(b); i++) {
        payload = format("{'iss':'%s','aud':'api'," EXP "}", names[i].data);
        is_token_by(b, N(b), token("{'alg':'ES256'}", payload, partners[i],
                                   AT_ES256),
                    AT_OK, "a token of partner %zu", i);
        ok(last.issuer == &b[i].issuer, "partner %zu is the issuer", i);
        is_token_by(b, N(b), token("{'alg':'ES256'}", payload,
                                   partners[(i + 1) % N(b)], AT_ES256),
                    AT_BAD_SIGNATURE, "partner %zu, the key of the next", i);
    }

    /* many keys of other issuers before or after: the order does not matter */
    for (place = 0; place < 3; place++) {
        for (n = 0; n < 3; n++) {
            b[n] = block(n == place ? keys(pem_public(p256))
                                    : with_decoys(9, rsa, "").sets[0]);
            b[n].issuer.algs = ALL;
            b[n].issuer.issuers = n == place ? issuers : &names[n];
        }

        is_token_by(b, 3, token("{'alg':'ES256'}", GOOD, p256, AT_ES256),
                    AT_OK, "issuer %zu of three, without kid", place + 1);
    }

    /* the same iss in all blocks */
    for (i = 0; i < N(b); i++) {
        b[i] = block(keys(pem_public(partners[i])));
        b[i].issuer.algs = ALL;
    }

    is_token_by(b, N(b), token("{'alg':'ES256'}", GOOD, partners[11],
                               AT_ES256),
                AT_OK, "the last of 12 issuers with the same iss");
    ok(last.issuer == &b[11].issuer, "the last one is the issuer");
}


/* the base64url of the hash of a certificate as it is in x5c */
static char *
thumbprint(const char *certificate, const EVP_MD *md)
{
    int             len;
    unsigned        n;
    unsigned char   der[4096], hash[EVP_MAX_MD_SIZE];

    len = EVP_DecodeBlock(der, (const unsigned char *) certificate,
                          (int) strlen(certificate));

    while (certificate[strlen(certificate) - 1] == '=' && len > 0) {
        len--;
        certificate = format("%.*s", (int) strlen(certificate) - 1,
                             certificate);
    }

    must(EVP_Digest(der, (size_t) len, hash, &n, md, NULL) == 1, "no hash");

    return b64((at_str_t) { (char *) hash, n });
}


static char *
thumb_token(const char *members, EVP_PKEY *pkey)
{
    return token(format("{'alg':'RS256',%s}", members), GOOD, pkey, AT_RS256);
}


static void
test_thumbprints(void)
{
    size_t       i;
    block_t      b;
    const char  *list, *cert, *sha1, *sha256, *other;

    cert = x5c(rsa);
    sha1 = thumbprint(cert, EVP_sha1());
    sha256 = thumbprint(cert, EVP_sha256());
    other = b64(at_str("12345678901234567890123456789012"));

    const struct { const char *name, *members; } certified[] = {
        { "x5c", format(",'x5c':['%s']", cert) },
        { "x5t", format(",'x5t':'%s','x5t#S256':'%s'", sha1, sha256) },
        { "a wrong x5t beside x5c",
          format(",'x5c':['%s'],'x5t#S256':'%s'", cert, other) },
    };

    for (i = 0; i < N(certified); i++) {
        b = block(jwks(format("%s,%s", jwk(rsa2, ",'kid':'a'"),
                              jwk(rsa, format(",'kid':'b'%s",
                                              certified[i].members)))));

        is_token(&b, thumb_token(format("'kid':'x','x5t#S256':'%s'", sha256),
                                 rsa),
                 AT_OK, "%s: an unknown kid, x5t#S256", certified[i].name);
        is_token(&b, thumb_token(format("'kid':'x','x5t':'%s'", sha1), rsa),
                 AT_OK, "%s: an unknown kid, x5t", certified[i].name);
        is_token(&b, thumb_token(format("'x5t':'%s'", sha1), rsa), AT_OK,
                 "%s: x5t without kid", certified[i].name);
        is_token(&b, thumb_token(format("'kid':'x','x5t':'%s'", sha1), rsa2),
                 AT_BAD_SIGNATURE, "%s: a signature of another key",
                 certified[i].name);
        is_token(&b, thumb_token(format("'kid':'a','x5t':'%s'", sha1), rsa),
                 AT_OK, "%s: the kid of another key", certified[i].name);
        is_token(&b, thumb_token(format("'kid':'x','x5t#S256':'%s'", other),
                                 rsa),
                 AT_UNKNOWN_KID, "%s: another x5t#S256", certified[i].name);
        is_token(&b, thumb_token("'x5t':'AA'", rsa), AT_OK,
                 "%s: another x5t and no kid", certified[i].name);
        is_token(&b, thumb_token("'x5t':7,'x5t#S256':{}", rsa), AT_OK,
                 "%s: values that are not strings", certified[i].name);
        is_token(&b, thumb_token(format("'kid':'x','x5t':'%s=='", sha1), rsa),
                 AT_UNKNOWN_KID, "%s: x5t with padding", certified[i].name);
    }

    /* thumbprints find a key that is beyond the limit otherwise */
    list = jwk(key_rsa(2048), "");

    for (i = 0; i < 8; i++) {
        list = format("%s,%s", list, jwk(rsa2, ""));
    }

    b = with_decoys(9, p256, "");
    b.sets[1] = jwks(jwk(rsa, format(",'x5c':['%s']", cert)));
    is_token(&b, thumb_token(format("'x5t':'%s'", sha1), rsa), AT_OK,
             "x5t among many keys without kid");

    b = block(jwks(jwk(rsa, ",'kid':'b','x5t':'AA','x5t#S256':''")));
    is_token(&b, thumb_token("'kid':'x','x5t':'AA','x5t#S256':''", rsa),
             AT_UNKNOWN_KID, "an invalid thumbprint selects no key");
}


static void
test_lacks_key(void)
{
    size_t                i, k;
    block_t               b[3];
    at_identity_t         id = { 0 };
    at_trusted_issuer_t   trusted[3];

    static const at_str_t  second[] = { at_str("https://second.example") };

    static const char  other[] =
        "{'iss':'https://second.example','aud':'api'," EXP "}";

    const struct { const char *name, *text; int lacks[3]; } cases[] = {
        { "a valid token", signed_payload(GOOD), { 0, 0, 0 } },
        { "a forged token", token(RS256, GOOD, rsa2, AT_RS256), { 1, 1, 0 } },
        { "an unknown kid", kid_token("'x'", rsa2), { 1, 1, 0 } },
        { "a forged token of the other issuer", signed_payload(other),
          { 0, 0, 1 } },
        { "an expired token", signed_payload("{" WHO ",'exp':1}"),
          { 0, 0, 0 } },
        { "an unknown issuer", signed_payload("{'iss':'x','aud':'api'}"),
          { 0, 0, 0 } },
        { "another algorithm", signed_header("{'alg':'PS256'}"),
          { 0, 0, 0 } },
        { "a malformed token", "x", { 0, 0, 0 } },
    };

    b[0] = block(keys(pem_public(p256)));
    b[0].issuer.algs = ALL & ~at_alg_bit(AT_PS256);
    b[1] = block(keys(pem_public(rsa)));
    b[2] = block(keys(pem_public(rsa2)));
    b[2].issuer.issuers = second;

    for (k = 0; k < N(cases); k++) {
        for (i = 0; i < 3; i++) {
            trusted[i] = trust(&b[i]);
            trusted[i].lacks_key = 1;
        }

        (void) at_jwt_verify(shared, &id, &(at_jwt_query_t)
                             { str(cases[k].text), AT_JWT_LEN_DEFAULT, trusted,
                               3, NOW, NULL, NULL });
        at_identity_release(&id);

        for (i = 0; i < 3; i++) {
            is_int(trusted[i].lacks_key, cases[k].lacks[i],
                   "%s: issuer %zu %s", cases[k].name, i,
                   cases[k].lacks[i] ? "lacks a key" : "lacks no key");
        }
    }
}


static void
test_sources(void)
{
    block_t      b[2] = { block(NULL), block(NULL) };
    const char  *text = signed_payload(GOOD);

    is_token(b, text, AT_UNAVAILABLE, "an issuer without keys");
    is_token(b, "x.y.z", AT_MALFORMED,
             "an issuer without keys, a malformed token");
    is_token(b, signed_header("{'alg':'none'}"), AT_BAD_ALG,
             "an issuer without keys, alg none");

    b[1].sets[1] = keys(pem_public(rsa));
    is_token(&b[1], text, AT_OK, "one of two sources has keys");
    is_token_by(b, 2, text, AT_OK, "one of two issuers has keys");
    ok(last.issuer == &b[1].issuer, "the identity has the issuer with keys");
    is_token_by(b, 0, text, AT_FAILED, "without issuers verification fails");

    is_token_by(b, 2, token(RS256, GOOD, rsa2, AT_RS256), AT_UNAVAILABLE,
                "an invalid signature, and an issuer without keys");
    is_token_by(b, 2, signed_payload("{}"), AT_ISSUER_MISMATCH,
                "a valid signature, and an issuer without keys");
    is_token_by(b, 2, signed_payload("{" WHO ",'exp':1}"), AT_EXPIRED,
                "expired for one issuer, no keys of the other");
    is_token_by(b, 2, signed_header("{'alg':'PS256'}"), AT_BAD_ALG,
                "an algorithm that no issuer accepts");

    b[0].no_sources = 1;
    is_token(b, text, AT_UNAVAILABLE, "an issuer without a source");
}


/* two issuer blocks for two APIs with the same keys and the same iss */
static void
test_shared_keys(void)
{
    size_t    i, j;
    char     *text;
    block_t   b[2], pair[2];

    static const at_str_t  second[] = { at_str("second") };

    static const struct {
        const char *aud; at_verdict_e verdict; int issuer;
    } cases[] = {
        { "'api'", AT_OK, 0 }, { "'second'", AT_OK, 1 },
        { "['x','second']", AT_OK, 1 },
        { "'third'", AT_AUDIENCE_MISMATCH, -1 },
        { "[]", AT_AUDIENCE_MISMATCH, -1 }, { "7", AT_BAD_CLAIM, -1 },
    };

    b[0] = block(keys(pem_public(rsa)));
    b[1] = block(keys(pem_public(rsa)));
    b[1].issuer.audiences = second;

    for (j = 0; j < 2; j++) {
        pair[j] = b[0];
        pair[!j] = b[1];

        for (i = 0; i < N(cases); i++) {
            text = format("{" ISSUER "," EXP ",'aud':%s}", cases[i].aud);

            is_token_by(pair, 2, signed_payload(text), cases[i].verdict,
                        "two issuers with the same key, aud %s", cases[i].aud);

            if (cases[i].issuer != -1) {
                ok(last.issuer == &pair[cases[i].issuer ^ (int) j].issuer,
                   "the issuer with this audience, aud %s", cases[i].aud);
            }
        }
    }

    /* the latest check counts: expired, not audience mismatch */
    is_token_by(pair, 2, signed_payload("{" WHO ",'exp':1}"), AT_EXPIRED,
                "two issuers: expired is reported");
    ok(last.issuer == &pair[1].issuer,
       "expired: the issuer with this audience");

    b[1].issuer.n_audiences = 0;
    b[1].issuer.any_audience = 1;
    is_token_by(b, 2, signed_payload(GOOD), AT_OK,
                "both issuers accept the token");
    ok(last.issuer == &b[0].issuer, "the first issuer is used");
}


/* the key of an issuer is valid for its iss only */
static void
test_other_issuer(void)
{
    block_t  b[2];

    static const at_str_t  second[] = { at_str("https://second.example") };
    static const char      payload[] =
        "{'iss':'https://second.example','aud':'api'," EXP "}";

    b[0] = block(keys(pem_public(rsa)));
    b[1] = block(keys(pem_public(rsa2)));
    b[1].issuer.issuers = second;

    is_token_by(b, 2, token(RS256, GOOD, rsa2, AT_RS256), AT_BAD_SIGNATURE,
                "the second issuer's key, the first one's iss");
    is_token_by(b, 2, signed_payload(payload), AT_BAD_SIGNATURE,
                "the first issuer's key, the second one's iss");
    is_token_by(b, 2, token(RS256, payload, rsa2, AT_RS256), AT_OK,
                "key and iss of the second issuer");
    ok(last.issuer == &b[1].issuer, "the identity has the second issuer");

    b[1].issuer.algs = at_alg_bit(AT_PS256);
    is_token_by(b, 2, token(RS256, payload, rsa2, AT_RS256), AT_BAD_ALG,
                "only the other issuer accepts the algorithm");
}


/* a property of a token, and the issuer blocks that accept it, as bits */
typedef struct {
    const char  *text;
    unsigned     blocks;
} option_t;


/* a token with one option of each property, by the number n */
static char *
combine(size_t n, unsigned *blocks)
{
    size_t           i;
    const option_t  *chosen[6];

    EVP_PKEY *const  pkeys[] = { ed, ed2, ed3 };

    enum { A = 1, B = 2, C = 4, ALL_BLOCKS = 7 };

    static const struct { option_t options[4]; size_t n; } properties[] = {
        { { { "https://issuer.example", A|B }, { "second", C }, { "x", 0 } },
          3 },
        { { { "0", A|C }, { "1", B }, { "2", 0 } }, 3 },        /* signer */
        { { { "", ALL_BLOCKS }, { ",'kid':'a'", A|B },
            { ",'kid':'c'", B|C }, { ",'kid':'x'", B } }, 4 },
        { { { "api", A|C }, { "second", B } }, 2 },
        { { { "", ALL_BLOCKS }, { ",'at_hash':'h'", B },
            { ",'cnf':{}", B|C } }, 3 },
        { { { "1700000600", ALL_BLOCKS }, { "1", 0 } }, 2 },
    };

    *blocks = ALL_BLOCKS;

    for (i = 0; i < N(properties); i++) {
        chosen[i] = &properties[i].options[n % properties[i].n];
        *blocks &= chosen[i]->blocks;
        n /= properties[i].n;
    }

    return n != 0 ? NULL
           : token(format("{'alg':'EdDSA'%s}", chosen[2]->text),
                   format("{'iss':'%s','aud':'%s'%s,'exp':%s}",
                          chosen[0]->text, chosen[3]->text, chosen[4]->text,
                          chosen[5]->text),
                   pkeys[chosen[1]->text[0] - '0'], AT_EDDSA);
}


/*
 * A token is granted by the one block that accepts all its properties, and
 * refused otherwise, with the same reason in each order of the blocks.
 */
static void
test_combinations(void)
{
    char          *text;
    size_t         n, i, k;
    block_t        b[3], ordered[3];
    unsigned       blocks, wrong = 0, unsteady = 0, granted = 0;
    at_verdict_e   verdict, first;

    static const at_str_t  second[] = { at_str("second") };
    static const size_t    orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 },
                                           { 1, 0, 2 }, { 1, 2, 0 },
                                           { 2, 0, 1 }, { 2, 1, 0 } };

    b[0] = block(jwks(jwk(ed, ",'kid':'a'")));
    b[1] = block(jwks(jwk(ed2, "")));
    b[1].issuer.audiences = second;
    b[1].issuer.any_kind = 1;
    b[1].issuer.ignore_cnf = 1;
    b[2] = block(jwks(jwk(ed, ",'kid':'c'")));
    b[2].issuer.issuers = second;
    b[2].issuer.ignore_cnf = 1;

    for (k = 0; k < 3; k++) {
        b[k].issuer.algs = at_alg_bit(AT_EDDSA);
    }

    for (n = 0; (text = combine(n, &blocks)) != NULL; n++) {
        first = AT_FAILED;

        for (i = 0; i < N(orders); i++) {
            for (k = 0; k < 3; k++) {
                ordered[k] = b[orders[i][k]];
            }

            verdict = verify_by(ordered, 3, str(text), AT_JWT_LEN_DEFAULT,
                                NOW);
            first = i == 0 ? verdict : first;
            unsteady += verdict != first;

            for (k = 0; k < 3; k++) {
                wrong += (last.issuer == &ordered[k].issuer
                          && verdict == AT_OK)
                         != (blocks == 1u << orders[i][k]);
            }
        }

        granted += verdict == AT_OK;
    }

    is_int(n, 432, "all combinations of properties are tried");
    is_int(wrong, 0, "a token is granted by the one block that accepts it");
    is_int(unsteady, 0, "the order of the blocks changes no verdict");
    is_int(granted, 18, "the number of combinations that a block accepts");
}


static void
test_typ_lists(void)
{
    block_t  b = block(keys(pem_public(rsa)));

    static const at_str_t  only[] = { at_str("at+jwt") };

    b.issuer.typs = only;
    b.issuer.n_typs = 1;
    b.issuer.typ_absent = 0;

    is_token(&b, signed_header("{'alg':'RS256','typ':'at+jwt'}"), AT_OK,
             "at+jwt only: at+jwt");
    is_token(&b, signed_header("{'alg':'RS256','typ':'JWT'}"), AT_BAD_TYP,
             "at+jwt only: JWT");
    is_token(&b, signed_header(RS256), AT_BAD_TYP, "at+jwt only: absent");
}


/* --- claims -------------------------------------------------------------- */

static void
test_exp(void)
{
    block_t   b = block(keys(pem_public(rsa)));
    at_str_t  text;

    static const group_t  no_leeway[] = {
        { AT_OK, { "1700000001", "1700000000.5", "1.700000001e9",
          "4102444800.5", "4.1e9", "253402300799" } },
        { AT_EXPIRED, { "1700000000", "1699999999", "0", "1", "-1", "-0",
          "-0.0", "1e-400", "-1e308", "-9223372036854775808",
          "-9223372036854775809" } },
        { AT_BAD_CLAIM, { "null", "true", "false", "'4102444800'", "'never'",
          "''", "[]", "{}", "[4102444800]", "253402300800", "253402300799.5",
          "4102444800000", "9007199254740993", "9223372036854775807",
          "1e308", "9223372036854775808", "18446744073709551616", "1e999",
          "-1e999" } },
        { AT_BAD_PAYLOAD, { "-Infinity", "5.", "4102444800L", "1e",
          "4_102_444_800", "--1", "NaN", "Infinity", "0123", "+1", ".5",
          "0x7f" } },
    };
    static const group_t  leeway_5[] = {
        { AT_OK, { "1699999999", "1699999996" } },
        { AT_EXPIRED, { "1699999995", "1699999994" } },
    };
    static const group_t  largest[] = {
        { AT_OK, { "253402300799", "1" } },
        { AT_BAD_CLAIM, { "9223372036854775807" } },
    };

    test_values(&b, WHO, "exp", "", no_leeway, N(no_leeway));
    b.issuer.leeway = 5;
    test_values(&b, WHO, "exp", ", leeway 5", leeway_5, N(leeway_5));
    b.issuer.leeway = INT64_MAX;
    test_values(&b, WHO, "exp", ", the largest leeway", largest, N(largest));
    is_token(&b, signed_payload(GOOD), AT_OK, "the largest leeway");
    is_int(last.expires, INT64_MAX, "the expiry is the last possible time");
    b.issuer.leeway = 0;

    is_token(&b, signed_payload("{" WHO "}"), AT_BAD_CLAIM, "no exp");
    is_token(&b, signed_payload("{" WHO ",'EXP':1700000600}"), AT_BAD_CLAIM,
             "the claim EXP is not exp");

    is_token(&b, signed_payload("{" WHO ",'exp':1700000000.5}"), AT_OK,
             "an exp with a fraction");
    is_int(last.expires, 1700000001000, "a fraction of exp is rounded up");
    is_token(&b, signed_payload("{" WHO ",'exp':253402300799}"), AT_OK,
             "exp at the end of the year 9999");
    is_int(last.expires, 253402300799000,
           "exp at the end of the year 9999 is kept exactly");

    text = str(signed_payload(GOOD));
    is_verdict(verify_by(&b, 1, text, 8192, 1700000599), AT_OK,
               "one second before exp");
    is_verdict(verify_by(&b, 1, text, 8192, 1700000600), AT_EXPIRED,
               "the second of exp");
    is_verdict(verify_by(&b, 1, text, 8192, 0), AT_OK, "a clock at 0");
    is_verdict(verify_by(&b, 1, text, 8192, INT64_MIN), AT_OK,
               "a clock at the minimum");
    is_verdict(verify_by(&b, 1, text, 8192, INT64_MAX), AT_EXPIRED,
               "a clock at the maximum");
}


static void
test_order(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const struct { const char *payload; at_verdict_e verdict; }
    cases[] = {
        { "{" WHO ",'exp':1}", AT_EXPIRED },
        { "{" ISSUER ",'aud':'x','exp':1}", AT_AUDIENCE_MISMATCH },
        { "{'iss':'x','aud':'api','exp':1}", AT_ISSUER_MISMATCH },
        { "{" WHO ",'exp':1,'nbf':1800000000}", AT_NOT_YET_VALID },
        { "{" WHO ",'exp':1,'scope':7}", AT_BAD_CLAIM },
        { "{" WHO ",'exp':1,'iat':'x'}", AT_BAD_CLAIM },
        { "{" WHO ",'exp':1,'nbf':null}", AT_BAD_CLAIM },
        { "{" WHO ",'exp':1,'sub':'\\u0000'}", AT_BAD_CLAIM },
        { "{" ISSUER ",'aud':'x'}", AT_AUDIENCE_MISMATCH },
        { "{" ISSUER ",'aud':'x','at_hash':'h'}", AT_AUDIENCE_MISMATCH },
        { "{" WHO ",'at_hash':'h','cnf':{},'exp':1}", AT_WRONG_KIND },
        { "{" WHO ",'cnf':{},'sub':7,'exp':1}", AT_UNPROVEN },
    };

    for (i = 0; i < N(cases); i++) {
        is_token(&b, signed_payload(cases[i].payload), cases[i].verdict, "%s",
                 cases[i].payload);
        is_token(&b, token(RS256, cases[i].payload, rsa2, AT_RS256),
                 cases[i].verdict == AT_ISSUER_MISMATCH ? AT_ISSUER_MISMATCH
                                                        : AT_BAD_SIGNATURE,
                 "%s, badly signed", cases[i].payload);
    }

    is_token(&b, signed_payload("{" WHO ",'exp':1,'sub':'bob'}"), AT_EXPIRED,
             "an expired token");
    is_str(last.subject, "bob", "an expired token has a subject for the log");
    is_token(&b, with_claims("'nbf':1800000000,'sub':'bob'"),
             AT_NOT_YET_VALID, "a token that is not yet valid");
    is_str(last.subject, "bob",
           "a token that is not yet valid has a subject for the log");
}


static void
test_nbf_iat(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const struct {
        const char *claim; int64_t leeway, max_age; group_t groups[3];
    } cases[] = {
        { "nbf", 0, -1, {
            { AT_OK, { "1700000000", "1700000000.5", "0", "-1e308" } },
            { AT_NOT_YET_VALID, { "1700000001" } },
            { AT_BAD_CLAIM, { "'0'", "null", "[]", "1e300" } } } },
        { "nbf", 5, -1, {
            { AT_OK, { "1700000005" } },
            { AT_NOT_YET_VALID, { "1700000006" } } } },
        { "nbf", INT64_MAX, -1, {
            { AT_BAD_CLAIM, { "9223372036854775807" } } } },
        { "iat", 0, -1, {
            { AT_OK, { "1700000000", "1800000000", "1" } },
            { AT_BAD_CLAIM, { "'1'", "null", "true", "[]",
              "253402300800" } } } },
        { "iat", 0, 300, {
            { AT_OK, { "1699999700" } },
            { AT_TOO_OLD, { "1699999699", "-1e308" } },
            { AT_NOT_YET_VALID, { "1700000001" } } } },
        { "iat", 5, 300, {
            { AT_OK, { "1699999695", "1700000005" } },
            { AT_TOO_OLD, { "1699999694" } },
            { AT_NOT_YET_VALID, { "1700000006" } } } },
        { "iat", 0, 0, {
            { AT_OK, { "1700000000" } }, { AT_TOO_OLD, { "1699999999" } } } },
        { "iat", 0, INT64_MAX, { { AT_OK, { "1" } } } },
        { "x", 0, 300, { { AT_BAD_CLAIM, { "1" } } } },
    };

    for (i = 0; i < N(cases); i++) {
        b.issuer.leeway = cases[i].leeway;
        b.issuer.max_age = cases[i].max_age;

        test_values(&b, VALID, cases[i].claim,
                    format(", leeway %lld, max_age %lld",
                           (long long) cases[i].leeway,
                           (long long) cases[i].max_age),
                    cases[i].groups, N(cases[i].groups));
    }
}


static void
test_aud(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const at_str_t  two[] = { at_str("x"), at_str("api") };

    static const group_t  groups[] = {
        { AT_OK, { "'api'", "['api']", "['x','api']", "['api','x']",
          "['api','api']" } },
        { AT_AUDIENCE_MISMATCH, { "[]", "''", "['']", "['','x']", "'API'",
          "'api '", "' api'", "'ap'", "'apix'", "'api,x'", "'api x'",
          "'[\\'api\\']'", "'*'" } },
        { AT_BAD_CLAIM, { "['api',7]", "[7,'api']", "[['api']]",
          "['api',null]", "{'api':1}", "null", "7", "true" } },
    };

    for (i = 0; i < N(groups); i++) {
        group_t  group = groups[i];

        b.issuer.audiences = audiences;
        b.issuer.n_audiences = 1;
        b.issuer.any_audience = 0;
        test_values(&b, ISSUER "," EXP, "aud", "", &group, 1);

        b.issuer.audiences = NULL;
        b.issuer.n_audiences = 0;
        group.verdict = group.verdict == AT_OK ? AT_AUDIENCE_MISMATCH
                                               : group.verdict;
        test_values(&b, ISSUER "," EXP, "aud", ", no audience is accepted",
                    &group, 1);

        b.issuer.any_audience = 1;
        group.verdict = group.verdict == AT_AUDIENCE_MISMATCH ? AT_OK
                                                              : group.verdict;
        test_values(&b, ISSUER "," EXP, "aud", ", any audience is accepted",
                    &group, 1);
    }

    is_token(&b, signed_payload("{" ISSUER "," EXP "}"), AT_OK,
             "no aud, any audience is accepted");

    b.issuer.any_audience = 0;
    b.issuer.audiences = two;
    b.issuer.n_audiences = 2;
    is_token(&b, signed_payload("{" ISSUER "," EXP "}"), AT_AUDIENCE_MISMATCH,
             "no aud");
    is_token(&b, signed_payload(GOOD), AT_OK, "the second accepted audience");
}


static void
test_iss(void)
{
    block_t  b = block(keys(pem_public(rsa)));

    static const at_str_t  two[] = {
        at_str("https://issuer.example"), at_str("https://other.example/v2.0")
    };

    static const group_t  groups[] = {
        { AT_OK, { "'https://issuer.example'", "'https://other.example/v2.0'",
          "'https:\\/\\/issuer.example'" } },
        { AT_ISSUER_MISMATCH, { "'https://issuer.example/'",
          "'https://ISSUER.example'", "'https://issuer.exampl'",
          "'https://issuer.example.evil'", "'http://issuer.example'",
          "'issuer.example'", "' https://issuer.example'",
          "'https://issuer.example '", "'HTTPS://issuer.example'",
          "'https://issuer.example\\u002f'", "''", "'*'" } },
        { AT_ISSUER_MISMATCH, { "true", "['https://issuer.example']",
          "{'https://issuer.example':1}", "null", "7" } },
    };

    b.issuer.issuers = two;
    b.issuer.n_issuers = 2;
    test_values(&b, "'aud':'api'," EXP, "iss", "", groups, N(groups));
    is_token(&b, signed_payload("{'aud':'api'," EXP "}"), AT_ISSUER_MISMATCH,
             "no iss");

    b.issuer.n_issuers = 0;
    is_token(&b, signed_payload(GOOD), AT_ISSUER_MISMATCH,
             "no issuer name is accepted");
}


/* RFC 8725 section 3.12 */
static void
test_kinds(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const char  jwt[] = "{'alg':'RS256','typ':'JWT'}";
    static const char  at[] = "{'alg':'RS256','typ':'at+jwt'}";
    static const char  application[] =
        "{'alg':'RS256','typ':'application/at+jwt'}";

    static const struct { int access; const char *name, *header, *members; }
    cases[] = {
        { 0, "typ ID", jwt, "'typ':'ID'" },
        { 0, "typ ID beside scope", jwt, "'typ':'ID','scope':'openid'" },
        { 0, "typ Refresh", jwt, "'typ':'Refresh','nonce':'n'" },
        { 0, "typ Offline", jwt, "'typ':'Offline','scope':'openid'" },
        { 0, "typ Logout", jwt, "'typ':'Logout'" },
        { 1, "token_use access", jwt, "'token_use':'access'" },
        { 0, "token_use id", jwt, "'token_use':'id','scope':'read'" },
        { 0, "token_use in upper case", jwt, "'token_use':'ACCESS'" },
        { 0, "token_use that is not a string", jwt, "'token_use':1" },
        { 0, "token_use that is null", jwt, "'token_use':null" },
        { 1, "nonce, typ Bearer", jwt, "'nonce':'n','typ':'Bearer'" },
        { 0, "a logout token", "{'alg':'RS256'}", "'events':{}" },
        { 1, "events that is not an object", jwt, "'events':['login']" },
        { 0, "at_hash beside scope", jwt, "'at_hash':'h','scope':'read'" },
        { 0, "c_hash beside typ Bearer", jwt,
          "'c_hash':'h','typ':'Bearer'" },
        { 0, "at_hash with an escaped name", jwt, "'at_\\u0068ash':'h'" },
        { 0, "events beside header typ at+jwt", at, "'events':{}" },
        { 0, "typ ID beside header typ at+jwt", at, "'typ':'ID'" },
        { 0, "nonce", jwt, "'nonce':'n'" },
        { 0, "nonce without header typ", "{'alg':'RS256'}", "'nonce':'n'" },
        { 0, "nonce, another typ", jwt, "'nonce':'n','typ':'other'" },
        { 0, "nonce, typ in lower case", jwt, "'nonce':'n','typ':'bearer'" },
        { 0, "nonce that is null", jwt, "'nonce':null" },
        { 0, "nonce, scp that is null", jwt, "'nonce':'n','scp':null" },
        { 0, "at_hash that is null", jwt, "'at_hash':null" },
        { 0, "c_hash that is empty", jwt, "'c_hash':''" },
        { 0, "typ in lower case: id", jwt, "'typ':'id','scope':'a'" },
        { 0, "typ in upper case: REFRESH", jwt, "'typ':'REFRESH'" },
        { 0, "typ with an escape", jwt, "'typ':'Off\\u006cine'" },
        { 1, "typ that only begins like ID", jwt, "'typ':'IDs'" },
        { 1, "typ that is a list", jwt, "'typ':['ID']" },
        { 1, "typ that is null", jwt, "'typ':null" },
        { 1, "names in another case", jwt, "'NONCE':'n','At_Hash':'h'" },
        { 0, "nonce, typ is not a string", jwt, "'nonce':'n','typ':1" },
        { 1, "nonce, scope", jwt, "'nonce':'n','scope':''" },
        { 1, "nonce, scp", jwt, "'nonce':'n','scp':['read']" },
        { 1, "nonce, typ DPoP", jwt, "'nonce':'n','typ':'DPoP'" },
        { 1, "nonce, header typ at+jwt", at, "'nonce':'n'" },
        { 1, "nonce, header typ application/at+jwt", application,
          "'nonce':'n'" },
        { 1, "members in nested objects", jwt,
          "'x':{'at_hash':'h','nonce':'n','events':{},'typ':'ID'}" },
    };

    for (i = 0; i < N(cases); i++) {
        const char  *payload = format("{" VALID ",%s}", cases[i].members);

        b.issuer.any_kind = 0;
        is_token(&b, token(cases[i].header, payload, rsa, AT_RS256),
                 cases[i].access ? AT_OK : AT_WRONG_KIND, "%s",
                 cases[i].name);
        b.issuer.any_kind = 1;
        is_token(&b, token(cases[i].header, payload, rsa, AT_RS256), AT_OK,
                 "token_kind any: %s", cases[i].name);
    }

    b.issuer.any_kind = 0;
    is_token(&b, token(RS256, "{" VALID ",'nonce':'n'}", rsa2, AT_RS256),
             AT_BAD_SIGNATURE, "a forged ID token");
    is_token(&b, signed_payload("{" ISSUER ",'aud':'x'," EXP
                                ",'nonce':'n'}"),
             AT_AUDIENCE_MISMATCH, "an ID token for another audience");
    is_token(&b, signed_payload("{" WHO ",'exp':1,'nonce':'n'}"),
             AT_WRONG_KIND, "an expired ID token");
}


/* RFC 7800: possession of a key is not verified */
static void
test_cnf(void)
{
    block_t  b = block(keys(pem_public(rsa)));

    static const group_t  refused[] = {
        { AT_OK, { "null" } },
        { AT_UNPROVEN, { "{'jkt':'x'}", "{'x5t#S256':'x'}", "{'jwk':{}}",
          "{}", "'x'", "''", "0", "false", "[]" } },
    };
    static const group_t  ignored[] = {
        { AT_OK, { "null", "{'jkt':'x'}", "{'x5t#S256':'x'}", "{}", "7" } },
    };

    test_values(&b, VALID, "cnf", "", refused, N(refused));
    b.issuer.ignore_cnf = 1;
    test_values(&b, VALID, "cnf", ", ignored", ignored, N(ignored));
    is_token(&b, with_claims("'cnf':{},'nonce':'n'"), AT_WRONG_KIND,
             "an ID token with cnf, ignored");
}


static void
test_identity(void)
{
    size_t   i;
    block_t  b = block(keys(pem_public(rsa)));

    static const struct {
        const char *claims, *user, *subject; int admin; size_t scopes;
    } cases[] = {
        { "'x':1", "", "", 0, 0 }, { "'sub':'s'", "", "s", 0, 0 },
        { "'username':'u'", "u", "u", 0, 0 },
        { "'username':'u','sub':'s'", "u", "u", 0, 0 },
        { "'username':'','sub':'s'", "", "s", 0, 0 },
        { "'sub':7", "", "7", 0, 0 }, { "'sub':-1e400", "", "-1e400", 0, 0 },
        { "'sub':null", "", "", 0, 0 }, { "'sub':['s']", "", "", 0, 0 },
        { "'username':7,'sub':'s'", "7", "7", 0, 0 },
        { "'username':1.50,'sub':'s'", "1.50", "1.50", 0, 0 },
        { "'username':18446744073709551615", "18446744073709551615",
          "18446744073709551615", 0, 0 },
        { "'username':true,'sub':'s'", "", "s", 0, 0 },
        { "'isAdmin':true", "", "", 1, 0 },
        { "'isAdmin':false", "", "", 0, 0 },
        { "'isAdmin':'true'", "", "", 0, 0 },
        { "'isAdmin':1", "", "", 0, 0 },
        { "'isAdmin':[true]", "", "", 0, 0 },
        { "'isAdmin':null", "", "", 0, 0 },
        { "'isadmin':true", "", "", 0, 0 },
        { "'x':{'isAdmin':true}", "", "", 0, 0 },
        { "'scope':['readonly','write']", "", "", 0, 2 },
        { "'scope':'read write'", "", "", 0, 2 },
    };

    for (i = 0; i < N(cases); i++) {
        is_token(&b, with_claims(cases[i].claims), AT_OK, "%s",
                 cases[i].claims);
        is_str(last.user, cases[i].user, "the user name");
        is_str(last.subject, cases[i].subject, "the subject");
        is_int(last.admin, cases[i].admin, "the administrator flag");
        is_int(last.scopes, cases[i].scopes, "the number of scopes");
    }

    is_token(&b, with_claims("'sub':'a\\u0000'"), AT_BAD_CLAIM,
             "U+0000 in sub");
    is_token(&b, with_claims("'scope':['read',7]"), AT_BAD_CLAIM,
             "a scope that is a number");

    b.issuer.admin_claim.n = 0;
    is_token(&b, with_claims("'isAdmin':true"), AT_OK,
             "isAdmin without an admin claim configured");
    is_int(last.admin, 0, "the user is not an administrator");

    b.issuer.admin_claim = path("roles.admin");
    b.issuer.user_claim = path("user.name");
    is_token(&b, with_claims("'roles':{'admin':true},'user':{'name':'n'}"),
             AT_OK, "claims in nested objects");
    is_int(last.admin, 1, "the nested admin claim");
    is_str(last.user, "n", "the nested user claim");
}


/* --- tokens and data of other projects ----------------------------------- */

static at_signature_e
signature_of(const block_t *b, const char *text)
{
    json_t          *header;
    at_str_t         bytes;
    const char      *dot = strrchr(text, '.');
    at_signature_e   result;

    bytes = unb64(format("%.*s", (int) strcspn(text, "."), text));
    header = json_loadb(bytes.data, bytes.len, 0, NULL);
    must(header != NULL, "no header");

    result = at_key_verify(b->sets[0]->keys[0].key,
                           at_alg_find(str(json_string_value(
                               json_object_get(header, "alg")))),
                           (at_str_t) { text, (size_t) (dot - text) },
                           unb64(dot + 1));
    json_decref(header);

    return result;
}


static void
test_rfc(void)
{
    char          *text, *place;
    size_t         i;
    json_t        *list, *entry, *key;
    block_t        b;
    const char    *name, *verdict, *text_of;
    at_verdict_e   got;

    static const at_str_t  joe[] = { at_str("joe") };

    list = data_json("t/data/rfc/tokens.json");

    json_array_foreach(list, i, entry) {
        name = json_string_value(json_object_get(entry, "name"));
        text_of = json_string_value(json_object_get(entry, "token"));
        verdict = json_string_value(json_object_get(entry, "verdict"));
        key = json_object_get(entry, "jwk");

        /* for an unsupported algorithm the key of the RFC is replaced */
        if (key && strcmp(verdict, "bad_alg") != 0) {
            text = json_dumps(key, JSON_COMPACT);
            b = block(jwks(text));
            free(text);

        } else {
            b = block(jwks(jwk(rsa, "")));
        }

        b.issuer.algs = ALL;
        b.issuer.issuers = joe;
        b.issuer.any_audience = 1;

        got = verify_by(&b, 1, str(text_of), 8192, 1300819379);
        is_bytes(at_verdict_info(got)->reason, str(verdict), "%s", name);

        if (got == AT_OK) {
            is_int(last.expires, 1300819380000, "%s: its expiry", name);
            is_verdict(verify_by(&b, 1, str(text_of), 8192, 1300819380),
                       AT_EXPIRED, "%s: one second later", name);
            b.issuer.issuers = issuers;
            is_verdict(verify_by(&b, 1, str(text_of), 8192, 1300819379),
                       AT_ISSUER_MISMATCH, "%s: another issuer", name);
        }

        /* most payloads are texts: verify the signatures without claims */
        if (got == AT_OK || got == AT_BAD_PAYLOAD) {
            text = format("%s", text_of);
            is_int(signature_of(&b, text), AT_SIGNATURE_VALID,
                   "%s: the signature", name);
            place = strchr(text, '.') + 6;
            *place = *place == 'A' ? 'B' : 'A';
            is_int(signature_of(&b, text), AT_SIGNATURE_INVALID,
                   "%s: the signature of another payload", name);
        }
    }

    json_decref(list);
}


static void
test_naughty(void)
{
    char      *text;
    size_t     i;
    json_t    *list, *entry, *claims;
    unsigned   wrong = 0;
    block_t    b = block(jwks(jwk(ed, "")));

    b.issuer.algs = ALL;
    list = data_json("t/data/naughty-strings/blns.json");

    json_array_foreach(list, i, entry) {
        claims = json_pack("{s:s, s:s, s:i, s:O}", "iss",
                           "https://issuer.example", "aud", "api", "exp",
                           NOW + 600, "sub", entry);
        text = json_dumps(claims, 0);
        wrong += verify(&b, token_raw("{'alg':'EdDSA'}", str(text), ed,
                                      AT_EDDSA)) != AT_OK;
        wrong += strncmp(last.subject, json_string_value(entry), 63) != 0;
        free(text);
        json_decref(claims);
    }

    is_int(wrong, 0, "%zu naughty strings as sub", json_array_size(list));

    json_decref(list);
}


/* --- cached headers ------------------------------------------------------ */

/* other requirements, the same keys */
static void
change_requirements(block_t *b, unsigned n)
{
    b->issuer.algs = n % 3 ? ALL : at_alg_bit(AT_ES256);
    b->issuer.typ_absent = n / 3 % 2;
    b->issuer.n_typs = n / 6 % 2 ? N(typs) : 1;
}


/* more headers than are cached, with and without a changed byte */
static void
test_headers(void)
{
    char         *text;
    size_t        i, len;
    unsigned      n, state, granted, wrong;
    block_t       b;

    const struct {
        const char  *header;
        EVP_PKEY    *pkey;
        at_alg_e     alg;
    } cases[] = {
        { "{'alg':'EdDSA'}", ed, AT_EDDSA },
        { "{'alg':'ES256'}", p256, AT_ES256 },
        { "{'alg':'EdDSA','kid':'e'}", ed, AT_EDDSA },
        { "{'alg':'ES256','kid':'p'}", p256, AT_ES256 },
        { "{'alg':'ES256','kid':'e'}", p256, AT_ES256 },
        { "{'alg':'EdDSA','kid':'p'}", ed, AT_EDDSA },
        { "{'alg':'EdDSA','typ':'JWT'}", ed, AT_EDDSA },
        { "{'alg':'ES256','typ':'at+jwt'}", p256, AT_ES256 },
        { "{'alg':'EdDSA','typ':'jwt','kid':'e'}", ed, AT_EDDSA },
        { "{'alg':'ES256','typ':'Other'}", p256, AT_ES256 },
        { "{'alg':'EdDSA','typ':''}", ed, AT_EDDSA },
        { "{'alg':'ES256','crit':[]}", p256, AT_ES256 },
        { "{ 'alg':'EdDSA'}", ed, AT_EDDSA },
        { "{'alg':'EdDSA' }", ed, AT_EDDSA },
        { format("{'alg':'EdDSA','x':'%0600d'}", 1), ed, AT_EDDSA },
        { format("{'alg':'EdDSA','kid':'e','x':'%0350d'}", 1), ed,
          AT_EDDSA },
        { "{'alg':'ES256'}", ed, AT_EDDSA },
        { "{'alg':'none'}", ed, AT_EDDSA },
    };

    b = block(jwks(format("%s,%s", jwk(ed, ",'kid':'e'"),
                          jwk(p256, ",'kid':'p'"))));
    state = 1;
    granted = 0;
    wrong = 0;

    for (n = 0; n < 4000; n++) {
        i = numbers(&state) % N(cases);
        text = token(cases[i].header, GOOD, cases[i].pkey, cases[i].alg);
        len = strlen(text);
        change_requirements(&b, numbers(&state));

        granted += verify(&b, text) == AT_OK;

        text[numbers(&state) % len] = "A.{0_-="[numbers(&state) % 7];
        (void) verify(&b, text);

        /* a cached header with a payload that was not signed */
        text = token_with(token_text(str(cases[i].header), at_str("{}")),
                          at_str("0123456789012345678901234567890123456789"
                                 "012345678901234567890123"));
        wrong += verify(&b, text) == AT_OK;
    }

    ok(granted > 500 && granted < 3500,
       "4,000 tokens with 18 headers for 12 issuers: %u are valid", granted);
    is_int(wrong, 0, "none with the signature of another token");
}


static void
test_decode_invalid(void)
{
    size_t   i;

    static const char  *texts[] = {
        "", ".", "..", "a.b", "a.b.c", "a.e30.c.d", "e30.e30", "e30.e.e30",
        "e30.W10.e30", "e30.e31.e30", "e30.e30=.e30"
    };

    for (i = 0; i < N(texts); i++) {
        ok(at_jwt_decode_claims(str(texts[i])) == NULL, "no claims in '%s'",
           texts[i]);
    }
}


static void
test_decode_header(void)
{
    size_t        i;
    at_str_t      alg;
    at_claims_t  *header;

    static const char  *texts[] = {
        "", "..", "e30.e30", "W10.e30.e30", "e31.e30.e30", "e30=.e30.e30"
    };

    /* {"alg":"x"}; the payload is not parsed */
    header = at_jwt_decode_header(at_str("eyJhbGciOiJ4In0.-.-"));

    ok(at_json_member_string(at_claims_object(header), at_str("alg"), &alg)
       == 1 && at_str_equal(alg, at_str("x")),
       "the header of a token that is not verified is parsed");

    at_claims_free(header);

    for (i = 0; i < N(texts); i++) {
        ok(at_jwt_decode_header(str(texts[i])) == NULL, "no header in '%s'",
           texts[i]);
    }
}


/* --- audiences of clients, keys of one issuer ---------------------------- */

#define TENANT  "d6f3a1b2-5c4e-4f80-9a7b-1e2d3c4b5a69"
#define V1      "https://sts.windows.net/" TENANT "/"
#define V2      "https://login.microsoftonline.com/" TENANT "/v2.0"

static const at_str_t  tenant[] = { at_str(V1), at_str(V2) };


static block_t
entra_block(at_keyset_t *set)
{
    block_t                 b;
    static at_claim_path_t  claims[2];

    claims[0] = path("azp");
    claims[1] = path("appid");

    b = block(set);
    b.issuer.issuers = tenant;
    b.issuer.n_issuers = 2;
    b.issuer.n_audiences = 0;
    b.issuer.token_client_audience = 1;
    b.issuer.client_claims = claims;
    b.issuer.n_client_claims = 2;
    b.issuer.entra = 1;

    return b;
}


static char *
entra_token(const char *members, const char *exp)
{
    return signed_payload(format("{'iss':'" V1 "','ver':'1.0','appid':'Own',"
                                 "'exp':%s,%s}", exp, members));
}


static void
test_client_audience(void)
{
    char               *claim;
    size_t              i, j;
    block_t             b = entra_block(keys(pem_public(rsa)));
    at_verdict_e        verdict;
    const char *const  *aud;

    static const struct {
        const char  *name;
        unsigned     own:1;         /* the client of the token is accepted */
        unsigned     any:1;         /* any client; the store has "other" */
        const char  *client;        /* in the store */
    } modes[] = {
        { "clients", 1, 0, "other" }, { "clients any", 1, 1, "other" },
        { "clients any, no store", 1, 1, "?" }, { "no clients", 0, 0, NULL },
    };

    static const struct {
        at_verdict_e   verdicts[3]; /* of the first modes */
        const char    *auds[6];
    } cases[] = {
        { { AT_OK, AT_OK, AT_OK },
          { "'api://Own'", "'Own'", "'api://OWN'", "['x','own']",
            "['own','x']" } },
        { { AT_AUDIENCE_MISMATCH, AT_OK, AT_UNAVAILABLE },
          { "'api://other'", "'other'", "['x','api://other']" } },
        { { AT_AUDIENCE_MISMATCH, AT_AUDIENCE_MISMATCH, AT_UNAVAILABLE },
          { "'api://third'", "'https://other'", "'api://own/'",
            "'api://owner'" } },
        { { AT_AUDIENCE_MISMATCH, AT_AUDIENCE_MISMATCH, AT_AUDIENCE_MISMATCH },
          { "''", "[]" } },
        { { AT_BAD_CLAIM, AT_BAD_CLAIM, AT_BAD_CLAIM },
          { "['own',7]", "null" } },
    };

    for (i = 0; i < N(cases); i++) {
        for (j = 0; j < N(modes); j++) {
            known_client = modes[j].client;
            b.issuer.token_client_audience = modes[j].own;
            b.issuer.any_client_audience = modes[j].any;
            verdict = j < 3 ? cases[i].verdicts[j]
                      : cases[i].verdicts[0] == AT_BAD_CLAIM
                      ? AT_BAD_CLAIM : AT_AUDIENCE_MISMATCH;

            for (aud = cases[i].auds; *aud; aud++) {
                claim = format("'aud':%s", *aud);
                is_token(&b, entra_token(claim, "1700000600"), verdict,
                         "%s, %s", modes[j].name, claim);

                if (j != 2) {
                    is_token(&b, entra_token(claim, "1"),
                             verdict == AT_OK ? AT_EXPIRED : verdict,
                             "%s, expired, %s", modes[j].name, claim);
                }
            }
        }
    }

    /* configured audiences are accepted without a lookup */
    b.issuer.token_client_audience = 1;
    b.issuer.audiences = audiences;
    b.issuer.n_audiences = 1;
    b.issuer.any_client_audience = 1;
    known_client = "?";
    lookups = 0;
    is_token(&b, entra_token("'aud':'api'", "1700000600"), AT_OK,
             "a configured audience beside client audiences");
    is_token(&b, entra_token("'aud':['api','x']", "1700000600"), AT_OK,
             "a configured audience and another one");
    is_int(lookups, 0, "the store was not read");

    is_token(&b, token(RS256, "{'iss':'" V1 "','appid':'a','aud':'b'," EXP "}",
                       rsa2, AT_RS256), AT_BAD_SIGNATURE, "a forged token");
    is_int(lookups, 0, "a forged token causes no lookup");
    known_client = NULL;
}


/* a refusal is not final if the store could not be read for an issuer */
static void
test_store_failure(void)
{
    size_t       i;
    block_t      b[2], pair[2];
    const char  *text, *old, *good;

    b[0] = entra_block(keys(pem_public(rsa)));
    b[0].issuer.any_client_audience = 1;
    b[1] = block(keys(pem_public(rsa)));
    b[1].issuer.issuers = tenant;
    b[1].issuer.n_issuers = 2;

    text = entra_token("'aud':'x'", "1700000600");
    old = entra_token("'aud':'api'", "1");
    good = entra_token("'aud':'api'", "1700000600");
    known_client = "?";

    for (i = 0; i < 2; i++) {
        pair[i] = b[0];
        pair[!i] = b[1];

        is_token_by(pair, 2, text, AT_UNAVAILABLE,
                    "two issuers, the store cannot be read");
        is_token_by(pair, 2, old, AT_UNAVAILABLE,
                    "two issuers, expired for the other");
        is_token_by(pair, 2, good, AT_OK, "two issuers, valid for the other");
        ok(last.issuer == &pair[!i].issuer,
           "the identity has the issuer that accepts");
    }

    known_client = NULL;
}


/* entra_test.c has more clients and tenants */
static void
test_entra(void)
{
    size_t       i;
    block_t      b = entra_block(keys(pem_public(rsa)));
    const char  *claims;

    static const struct { const char *claims; at_verdict_e verdict; } cases[] =
    {
        { "'iss':'" V1 "','ver':'1.0','appid':'own'", AT_OK },
        { "'iss':'" V2 "','ver':'2.0','azp':'own'", AT_OK },
        { "'iss':'" V2 "','ver':'2.0','azp':'own','tid':'" TENANT "'", AT_OK },
        { "'iss':'" V1 "','ver':'1.0','azp':'own'", AT_BAD_CLAIM },
        { "'iss':'" V2 "','ver':'2.0','azp':'own',"
          "'tid':'11111111-2222-3333-4444-555555555555'", AT_BAD_CLAIM },
        { "'iss':'https://other.example','ver':'1.0'", AT_ISSUER_MISMATCH },
    };

    for (i = 0; i < N(cases); i++) {
        claims = format("{%s,'aud':'api://own'", cases[i].claims);

        is_token(&b, signed_payload(format("%s," EXP "}", claims)),
                 cases[i].verdict, "entra: %s", cases[i].claims);
        is_token(&b, signed_payload(format("%s,'exp':1}", claims)),
                 cases[i].verdict == AT_OK ? AT_EXPIRED : cases[i].verdict,
                 "entra, expired: %s", cases[i].claims);
    }
}


/* a set of one key, restricted to issuer unless that is NULL */
static at_keyset_t *
keys_of(EVP_PKEY *pkey, const char *kid, const char *issuer)
{
    return jwks(jwk(pkey, format(issuer ? ",'kid':'%s','issuer':'%s'"
                                        : ",'kid':'%s'", kid, issuer)));
}


static void
test_key_issuers(void)
{
    size_t    i;
    block_t   b;
    char     *v1, *v2, *nameless;

#define REST  "'tid':'" TENANT "','aud':'api'," EXP "}"

    static const char  template[] =
        "https://login.microsoftonline.com/{tenantid}/v2.0";

    const struct {
        const char    *name;
        at_keyset_t   *first;
        at_keyset_t   *second;
        at_verdict_e   v1;
        at_verdict_e   v2;
        at_verdict_e   nameless;    /* a token of v2 without a kid */
    } cases[] = {
        { "free", keys_of(rsa, "a", NULL), NULL, AT_OK, AT_OK, AT_OK },
        { "of the template", keys_of(rsa, "a", template), NULL,
          AT_KEY_ISSUER_MISMATCH, AT_OK, AT_OK },
        { "of the tenant", keys_of(rsa, "a", V2), NULL,
          AT_KEY_ISSUER_MISMATCH, AT_OK, AT_OK },
        { "of v1", keys_of(rsa, "a", V1), NULL,
          AT_OK, AT_KEY_ISSUER_MISMATCH, AT_KEY_ISSUER_MISMATCH },
        { "of another", keys_of(rsa, "a", "https://other.example/"), NULL,
          AT_KEY_ISSUER_MISMATCH, AT_KEY_ISSUER_MISMATCH,
          AT_KEY_ISSUER_MISMATCH },
        { "of another, and free", keys_of(rsa, "a", "https://other.example/"),
          keys_of(rsa, "a", NULL), AT_OK, AT_OK, AT_OK },
        { "free, and of another", keys_of(rsa, "a", NULL),
          keys_of(rsa, "a", "https://other.example/"), AT_OK, AT_OK, AT_OK },
        { "of v1, and the template", keys_of(rsa, "a", V1),
          keys_of(rsa, "a", template), AT_OK, AT_OK, AT_OK },
        { "of the template, and free under another kid",
          keys_of(rsa, "a", template), keys_of(rsa, "b", NULL),
          AT_KEY_ISSUER_MISMATCH, AT_OK, AT_OK },
        { "of the template, and free without a kid",
          keys_of(rsa, "a", template), keys(pem_public(rsa)),
          AT_OK, AT_OK, AT_OK },
        { "of the template, and another key that is free",
          keys_of(rsa, "a", template), keys_of(rsa2, "a", NULL),
          AT_KEY_ISSUER_MISMATCH, AT_OK, AT_OK },
        { "another key that is free, and of the template",
          keys_of(rsa2, "a", NULL), keys_of(rsa, "a", template),
          AT_KEY_ISSUER_MISMATCH, AT_OK, AT_OK },
    };

    v1 = token("{'alg':'RS256','kid':'a','x5t':'a'}", "{'iss':'" V1 "'," REST,
               rsa, AT_RS256);
    v2 = token("{'alg':'RS256','kid':'a'}", "{'iss':'" V2 "'," REST, rsa,
               AT_RS256);
    nameless = signed_payload("{'iss':'" V2 "'," REST);

    for (i = 0; i < N(cases); i++) {
        b = block(cases[i].first);
        b.sets[1] = cases[i].second;
        b.issuer.issuers = tenant;
        b.issuer.n_issuers = 2;

        is_token(&b, v1, cases[i].v1, "a key %s: v1", cases[i].name);
        is_token(&b, v2, cases[i].v2, "a key %s: v2", cases[i].name);
        is_token(&b, nameless, cases[i].nameless, "a key %s: no kid",
                 cases[i].name);
    }
}


/* the same key in two issuers, with different restrictions */
static void
test_key_issuers_shared(void)
{
    block_t      b[2];
    const char  *text = signed_payload(GOOD);

    b[0] = block(keys_of(rsa, "a", "https://other.example/"));
    b[1] = block(keys_of(rsa, "a", "https://issuer.example"));

    is_token_by(b, 1, text, AT_KEY_ISSUER_MISMATCH,
                "the first issuer: the key is restricted to another iss");
    is_token_by(b, 2, text, AT_OK,
                "the second issuer: the key is restricted to this iss");
    ok(last.issuer == &b[1].issuer, "the identity has the second issuer");
}


/* check_deferred() has compared the results of all tokens above */
static void
test_deferred(void)
{
    char      *text = token("{'alg':'ES384'}", GOOD, p384, AT_ES384);
    size_t     before = n_deferred;
    block_t    b;
    EVP_PKEY  *other = key_ec("P-384"), *third = key_ec("P-384");

    ok(before > 0, "slow signatures were deferred");

    b = block(jwks(format("%s,%s,%s", jwk(other, ""), jwk(third, ""),
                          jwk(p384, ""))));
    b.issuer.algs = ALL;

    is_token(&b, text, AT_OK, "three slow keys without kid, the last one");
    is_int(n_deferred - before, 3, "each key is tried once");

    before = n_deferred;
    is_token(&b, format("%.*s.AAAA", (int) (strrchr(text, '.') - text), text),
             AT_BAD_SIGNATURE, "slow keys, a short signature");
    is_int(n_deferred - before, 0, "a short signature is not deferred");

    is_token(&b, token("{'alg':'ES256'}", GOOD, p256, AT_ES256), AT_NO_KEY,
             "slow keys, a fast algorithm");
    is_int(n_deferred - before, 0, "no key fits, nothing is deferred");
}


int
main(void)
{
    shared = at_verifier_create();
    rsa = key_rsa(2048);
    rsa2 = key_rsa(2048);
    p256 = key_ec("P-256");
    p384 = key_ec("P-384");
    p521 = key_ec("P-521");
    ed = key_named("ED25519");
    ed2 = key_named("ED25519");
    ed3 = key_named("ED25519");

    username = path("username");
    scope = path("scope");
    is_admin = path("isAdmin");

    RUN(test_good, test_every_alg, test_shape, test_spare_bits,
        test_header_json, test_limits, test_length, test_payload_json,
        test_every_bit_of, test_signatures, test_none, test_hmac,
        test_embedded_keys, test_kid, test_key_limits, test_partners,
        test_thumbprints, test_lacks_key, test_kinds, test_cnf, test_sources,
        test_shared_keys, test_other_issuer, test_combinations,
        test_typ_lists, test_exp, test_order, test_nbf_iat, test_aud,
        test_iss, test_identity, test_rfc, test_naughty, test_headers,
        test_decode_invalid, test_decode_header, test_client_audience,
        test_store_failure, test_entra, test_key_issuers,
        test_key_issuers_shared, test_deferred);

    at_verifier_free(shared);

    while (n_keysets > 0) {
        at_keyset_free(keysets[--n_keysets]);
    }

    sign_end();

    return tap_done();
}
