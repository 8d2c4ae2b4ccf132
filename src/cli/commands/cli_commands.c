/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of commands, see cli_command.h.
 */

#include "cli/commands/cli_commands.h"


#define CLI_END  { NULL, NULL, 0, NULL, NULL, NULL }

/* options that are shared by create and update, or by several kinds */

#define CLI_ROLE                                                              \
    { "role", "ROLE", 0, "role of the store, or one of the built-in roles "   \
      "readonly, editor, admin and superadmin", "role", NULL }

#define CLI_NO_ROLE                                                           \
    { "no-role", NULL, 0, "remove the role", "role", "null" }

#define CLI_ALLOW                                                             \
    { "allow", "RANGE", CLI_MANY, "address, or range in CIDR notation, that " \
      "requests may come from; repeatable; \"any\" removes the restriction",  \
      "ip_ranges", NULL }

#define CLI_ISSUER                                                            \
    { "issuer", "NAME", CLI_MANY, "name of the auth_token_issuer block that " \
      "the record belongs to; repeatable; not needed if there is only one "   \
      "block", "issuers", NULL }

#define CLI_NO_ISSUER                                                         \
    { "no-issuer", NULL, 0, "remove the issuers: the record belongs to the "  \
      "only auth_token_issuer block", "issuers", "[]" }

#define CLI_SCOPE                                                             \
    { "scope", "SCOPE", CLI_MANY, "granted scope, or an endpoint such as "    \
      "\"GET /devices\"; repeatable", "scope", NULL }

#define CLI_NO_SCOPE                                                          \
    { "no-scope", NULL, 0, "remove all scopes", "scope", "[]" }

#define CLI_DISABLED                                                          \
    { "disabled", NULL, 0, "create it disabled", "enabled", "false" }

#define CLI_TOKEN_OPTIONS                                                     \
    { "description", "TEXT", CLI_EMPTY, "description", "description", NULL }, \
    { "user", "USER", 0, "owner: the token never grants more than the "       \
      "rights of this user", "user", NULL },                                  \
    CLI_ROLE,                                                                 \
    CLI_SCOPE,                                                                \
    CLI_ALLOW,                                                                \
    { "expires", "WHEN", CLI_WHEN, "duration from now (90d, 1h30m), time "    \
      "(2030-12-31, 2030-12-31T23:59:59Z, or seconds since the epoch) or "    \
      "never; default: never", "expires", NULL }

#define CLI_CLIENT_OPTIONS                                                    \
    { "name", "TEXT", CLI_EMPTY, "display name", "name", NULL },              \
    CLI_ISSUER,                                                               \
    CLI_ROLE,                                                                 \
    CLI_ALLOW

#define CLI_USER_OPTIONS                                                      \
    { "id", "ID", 0, "id of the user in issued tokens; default: a random "    \
      "GUID", "id", NULL },                                                   \
    CLI_ISSUER,                                                               \
    CLI_SCOPE,                                                                \
    { "admin", NULL, 0, "administrator: passes every scope check",            \
      "is_admin", "true" }

#define CLI_PASSWORD_OPTIONS                                                  \
    { "password-file", "FILE", 0, "read the password from FILE, which has "   \
      "one line; - is standard input", NULL, NULL },                          \
    { "no-password", NULL, 0, "no password: the user cannot log in", NULL,    \
      NULL }

#define CLI_REPLACES                                                          \
    "Changes only what the options name; a repeated option replaces the "     \
    "whole list."

static const cli_option_t  cli_no_options[] = { CLI_END };

static const cli_option_t  cli_init_options[] = {
    { "owner", "USER", 0, "owner of the files; default: the current user",
      NULL, NULL },
    { "group", "GROUP", 0, "group of the files, which must be the group of "
      "nginx's worker processes; default: the current group", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_import_options[] = {
    { "replace", NULL, 0, "remove the records that are not in FILE; with "
      "--cipp, only clients and roles", NULL, NULL },
    { "cipp", NULL, 0, "FILE is a JSON array of rows of CIPP's tables, from "
      "CIPP's own backup or from \"az storage entity query --query items\"; "
      "rows of ApiClients and CustomRoles are imported, others are counted",
      NULL, NULL },
    { "issuer", "NAME", CLI_MANY, "with --cipp: name of the "
      "auth_token_issuer block that the clients belong to; repeatable; not "
      "needed if there is only one block", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_state_options[] = {
    { "state", "PATH", 0, "the directory of auth_token_state_path: adds "
      "use_count and last_used, which may be some seconds old", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_token_create_options[] = {
    { "id", "ID", 0, "id for other commands; default: a random GUID", "id",
      NULL },
    CLI_TOKEN_OPTIONS,
    CLI_DISABLED,
    { "token-file", "FILE", 0, "use the token in FILE, of 32 printable "
      "characters or more, instead of a random one; - is standard input",
      NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_token_update_options[] = {
    CLI_TOKEN_OPTIONS,
    { "no-user", NULL, 0, "remove the owner", "user", "null" },
    CLI_NO_ROLE,
    CLI_NO_SCOPE,
    CLI_END
};

static const cli_option_t  cli_client_create_options[] = {
    { "generate", NULL, 0, "use a random GUID as ID", NULL, NULL },
    CLI_CLIENT_OPTIONS,
    { "secret", NULL, 0, "generate a client secret and print it once", NULL,
      NULL },
    CLI_DISABLED,
    CLI_END
};

static const cli_option_t  cli_client_update_options[] = {
    CLI_CLIENT_OPTIONS,
    CLI_NO_ISSUER,
    CLI_NO_ROLE,
    CLI_END
};

static const cli_option_t  cli_client_rotate_options[] = {
    { "drop-old", NULL, 0, "the old secrets expire immediately", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_user_create_options[] = {
    CLI_PASSWORD_OPTIONS,
    CLI_USER_OPTIONS,
    CLI_DISABLED,
    CLI_END
};

static const cli_option_t  cli_user_passwd_options[] = {
    CLI_PASSWORD_OPTIONS,
    CLI_END
};

static const cli_option_t  cli_user_update_options[] = {
    CLI_USER_OPTIONS,
    CLI_NO_ISSUER,
    CLI_NO_SCOPE,
    { "no-admin", NULL, 0, "remove the administrator rights", "is_admin",
      "false" },
    CLI_END
};

static const cli_option_t  cli_role_set_options[] = {
    { "grant", "PATTERN", CLI_MANY, "pattern of granted scopes; repeatable",
      "grant", NULL },
    { "deny", "PATTERN", CLI_MANY, "pattern of scopes that are denied even "
      "if granted; repeatable", "deny", NULL },
    { "block", "ENDPOINT", CLI_MANY, "endpoint that is denied; repeatable",
      "blocked_endpoints", NULL },
    CLI_END
};

static const cli_option_t  cli_export_options[] = {
    { "out", "FILE", 0, "write to FILE instead of standard output", NULL,
      NULL },
    CLI_END
};

static const cli_option_t  cli_key_options[] = {
    { "out", "PATH", CLI_REQUIRED, "path of the private key; required", NULL,
      NULL },
    { "type", "rsa|ec|ed25519", 0, "key type; default: rsa", NULL, NULL },
    { "bits", "2048|3072|4096", 0, "length of an RSA key; default: 2048",
      NULL, NULL },
    { "curve", "P-256|P-384|P-521", 0, "curve of an EC key; default: P-256",
      NULL, NULL },
    { "alg", "ALG", 0, "\"alg\" in the JWK Set; default: RS256, ES256, ES384, "
      "ES512 or EdDSA, by the key; PS256, PS384, PS512, RS384 and RS512 also "
      "fit an RSA key, Ed25519 an Ed25519 key", NULL, NULL },
    { "kid", "ID", 0, "key id of 1 to 1024 bytes of UTF-8; default: the "
      "thumbprint of the key (RFC 7638)", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_sign_options[] = {
    { "key", "FILE", CLI_REQUIRED, "private key in PEM, not encrypted; - is "
      "standard input; required", NULL, NULL },
    { "alg", "RS256|RS384|RS512|ES256|ES384|ES512", 0, "algorithm; default: "
      "the first that fits the key", NULL, NULL },
    { "kid", "ID", 0, "\"kid\" in the header; default: none", NULL, NULL },
    { "expires", "DURATION", 0, "\"exp\", from now on; default: 30m", NULL,
      NULL },
    { "no-expires", NULL, 0, "no \"exp\"; the module refuses such a token",
      NULL, NULL },
    { "not-before", "TIME", 0, "\"nbf\"; default: none", NULL, NULL },
    { "issued-at", "TIME", 0, "\"iat\"; default: now", NULL, NULL },
    { "claim", "NAME=STRING", CLI_MANY, "add a claim that is a string; "
      "repeatable", NULL, NULL },
    { "claim-json", "NAME=JSON", CLI_MANY, "add a claim of any type; "
      "repeatable", NULL, NULL },
    { "claims", "FILE", 0, "add the claims of a JSON object; - is standard "
      "input", NULL, NULL },
    CLI_END
};

static const cli_option_t  cli_verify_options[] = {
    { "key", "FILE", CLI_MANY|CLI_REQUIRED, "public key or certificate in "
      "PEM, or a JWK Set; required, repeatable", NULL, NULL },
    { "issuer", "ISS", CLI_MANY|CLI_REQUIRED, "accepted \"iss\"; required, "
      "repeatable", NULL, NULL },
    { "audience", "AUD", CLI_MANY, "accepted \"aud\"; repeatable; required "
      "without --any-audience", NULL, NULL },
    { "any-audience", NULL, 0, "accept any \"aud\"", NULL, NULL },
    { "algorithms", "ALG,ALG", 0, "accepted algorithms, separated by commas: "
      "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, "
      "EdDSA, Ed25519; default: RS256", NULL, NULL },
    { "typ", "TYPE", CLI_MANY, "accepted \"typ\", or \"absent\"; repeatable; "
      "default: absent, JWT, at+jwt and application/at+jwt", NULL, NULL },
    { "any-kind", NULL, 0, "accept ID tokens and others that are not access "
      "tokens, as \"token_kind any\" does", NULL, NULL },
    { "ignore-cnf", NULL, 0, "accept a token that is bound to a key of the "
      "client, as \"cnf ignore\" does", NULL, NULL },
    { "max-length", "BYTES", 0, "greatest length of the token, up to "
      "65536; default: 16384", NULL, NULL },
    { "leeway", "DURATION", 0, "accepted difference between clocks; default: "
      "0", NULL, NULL },
    { "max-age", "DURATION", 0, "greatest age since \"iat\"; default: any",
      NULL, NULL },
    { "at", "TIME", 0, "verify as of this time; default: now", NULL, NULL },
    { "user-claim", "PATH", 0, "claim with the user; default: username; "
      "members of an object are separated by dots: realm_access.roles", NULL,
      NULL },
    { "require-user", NULL, 0, "refuse a token without a user, as "
      "\"user_claim PATH required\" does", NULL, NULL },
    { "scope-claim", "PATH", 0, "claim with the scopes; default: scope", NULL,
      NULL },
    { "admin-claim", "PATH", 0, "claim that marks an administrator, or off; "
      "default: isAdmin", NULL, NULL },
    CLI_END
};


static const cli_option_t  cli_explain_options[] = {
    { "url", "URL", CLI_REQUIRED, "path with an optional query, or an http or "
      "https URL, whose host and port select the server; required", NULL,
      NULL },
    { "method", "METHOD", 0, "default: GET", NULL, NULL },
    { "from", "ADDRESS", 0, "address of the client, or unix: for a client of "
      "a unix socket; default: 127.0.0.1", NULL, NULL },
    { "bearer", "FILE", 0, "send the token in FILE in the field "
      "Authorization; - is standard input", NULL, NULL },
    { "api-token", "FILE", 0, "send the API token in FILE in the field "
      "X-API-Token; - is standard input", NULL, NULL },
    { "user", "NAME", 0, "send the name of a user by Basic, as if the "
      "password were correct", NULL, NULL },
    { "header", "NAME:VALUE", CLI_MANY, "send a field that is no credential, "
      "such as Host, Origin or X-Forwarded-For; repeatable", NULL, NULL },
    { "secret-header", "NAME:FILE", CLI_MANY, "send a field whose value is in "
      "FILE, such as Cookie; - is standard input; repeatable", NULL, NULL },
    { "to", "ADDRESS", 0, "listener as ADDRESS:PORT, :PORT or unix:PATH; "
      "default: that of an http or https URL, else the first one", NULL,
      NULL },
    { "proxy-protocol", "ADDRESS", 0, "address of the client in the header "
      "of the PROXY protocol, for a listener with \"proxy_protocol\"", NULL,
      NULL },
    { "conf", "FILE", 0, "configuration; default: that of nginx", NULL,
      NULL },
    { "prefix", "DIR", 0, "prefix, as option -p of nginx", NULL, NULL },
    { "nginx", "PROGRAM", 0, "nginx to run; default: nginx, or "
      "/usr/sbin/nginx", NULL, NULL },
    CLI_END
};


const cli_command_t  cli_commands[] = {

    { "init", "", cli_init, NULL, 1, "create an empty store", cli_init_options,
      "Creates the directory of the store (mode 2750) with data.mdb (0640) "
      "and lock.mdb (0660). An existing store is not changed." },

    { "token", "create", cli_token_create, NULL, 1, "create an API token",
      cli_token_create_options,
      "Prints a random token once: the store has only its SHA-256." },

    { "token", "list", cli_generic_list, NULL, 1, "list all API tokens",
      cli_state_options,
      "Prints one line for each token, or a JSON array." },

    { "token", "show", cli_generic_show, "ID", 1, "show an API token",
      cli_state_options,
      "Prints the record of a token, without its hash." },

    { "token", "update", cli_generic_update, "ID", 1, "change an API token",
      cli_token_update_options, CLI_REPLACES },

    { "token", "disable", cli_generic_enable, "ID", 1, "disable an API token",
      cli_no_options,
      "Requests with the token are refused as disabled, from the next one "
      "on." },

    { "token", "enable", cli_generic_enable, "ID", 1, "enable an API token",
      cli_no_options,
      "Reverses \"token disable\"." },

    { "token", "revoke", cli_generic_delete, "ID", 1, "delete an API token",
      cli_no_options,
      "Requests with the token are refused as unknown, from the next one "
      "on." },

    { "client", "create", cli_client_create, "[ID]", 1, "create a client",
      cli_client_create_options,
      "A client is an application that the tokens of an issuer name. ID is "
      "its client id, usually a GUID; it does not depend on case." },

    { "client", "list", cli_generic_list, NULL, 1, "list all clients",
      cli_no_options,
      "Prints one line for each client, or a JSON array." },

    { "client", "show", cli_generic_show, "ID", 1, "show a client",
      cli_no_options,
      "Prints the record of a client, without its hashes." },

    { "client", "update", cli_generic_update, "ID", 1, "change a client",
      cli_client_update_options, CLI_REPLACES },

    { "client", "rotate-secret", cli_client_rotate_secret, "ID", 1,
      "replace a client's secret", cli_client_rotate_options,
      "Generates a secret and prints it once. The previous secret remains "
      "valid until the next rotation." },

    { "client", "disable", cli_generic_enable, "ID", 1, "disable a client",
      cli_no_options,
      "Requests of the client are refused from the next one on, even with a "
      "valid token." },

    { "client", "enable", cli_generic_enable, "ID", 1, "enable a client",
      cli_no_options,
      "Reverses \"client disable\"." },

    { "client", "delete", cli_generic_delete, "ID", 1, "delete a client",
      cli_no_options,
      "Requests of the client are refused from the next one on." },

    { "user", "create", cli_user_create, "USERNAME", 1, "create a user",
      cli_user_create_options,
      "A user logs in with a password and may own API tokens. The password is "
      "prompted for twice on a terminal; otherwise it is the line on standard "
      "input. It has 1 to 511 bytes; the store has its yescrypt hash." },

    { "user", "passwd", cli_user_passwd, "USERNAME", 1,
      "set a user's password", cli_user_passwd_options,
      "Reads the password as \"user create\" does. The next login requires "
      "it, and sessions of the user end at their next refresh." },

    { "user", "list", cli_generic_list, NULL, 1, "list all users",
      cli_no_options,
      "Prints one line for each user, or a JSON array." },

    { "user", "show", cli_generic_show, "USERNAME", 1, "show a user",
      cli_no_options,
      "Prints the record of a user, without the password hash." },

    { "user", "update", cli_generic_update, "USERNAME", 1, "change a user",
      cli_user_update_options,
      CLI_REPLACES " The change applies to the next request with an API token "
      "of the user, and to sessions from their next refresh on." },

    { "user", "disable", cli_user_disable, "USERNAME", 1, "disable a user",
      cli_no_options,
      "Refuses API tokens and logins of the user from the next request on. "
      "Sessions end at their next refresh, access tokens when they expire." },

    { "user", "enable", cli_generic_enable, "USERNAME", 1, "enable a user",
      cli_no_options,
      "Reverses \"user disable\"." },

    { "user", "delete", cli_user_delete, "USERNAME", 1, "delete a user",
      cli_no_options,
      "Deletes the user. API tokens of the user stay in the store but are "
      "refused; sessions end at their next refresh, access tokens when they "
      "expire." },

    { "role", "set", cli_role_set, "NAME", 1, "create or replace a role",
      cli_role_set_options,
      "A pattern is compared with the required scope: * stands for any "
      "characters, as in Identity.*.Read, and case is ignored, as in NAME. A "
      "denied pattern wins over a granted one. The roles readonly, editor, "
      "admin and superadmin are built in." },

    { "role", "list", cli_generic_list, NULL, 1, "list all roles",
      cli_no_options,
      "Prints one line for each role, or a JSON array." },

    { "role", "show", cli_generic_show, "NAME", 1, "show a role",
      cli_no_options,
      "Prints the record of a role." },

    { "role", "delete", cli_generic_delete, "NAME", 1, "delete a role",
      cli_no_options,
      "Deletes the role: API tokens and clients with this role have no rights "
      "from the next request on." },

    { "import", "", cli_import, "FILE", 1, "import records",
      cli_import_options,
      "Reads records in the format of export, from standard input if FILE is "
      "-, and writes them in one transaction: all of them, or none if there "
      "is an error. An existing record is replaced as a whole. Prints how "
      "many records were added, changed, unchanged and removed, and how many "
      "have no address ranges." },

    { "export", "", cli_export, NULL, 1, "export all records",
      cli_export_options,
      "Prints the whole store, including hashes, as JSON Lines: a header "
      "line, then one record on each line. The file of --out gets the mode "
      "0600 and replaces an existing file when it is complete." },

    { "check", "", cli_check, NULL, 1, "check the store for damage",
      cli_no_options,
      "Reads every record. Warns of users and roles that a record names but "
      "that do not exist, and of clients without a role. The exit code is 0 "
      "if the store is sound, 1 if it is damaged or cannot be read." },

    { "explain", "", cli_explain, NULL, 0,
      "explain why nginx grants or refuses a request", cli_explain_options,
      "Prints the selected location, and each step of the decision: the "
      "requirement, the line of the configuration that states it, the actual "
      "value, and the change that would allow the request. A private nginx "
      "process parses the configuration and runs the phases up to the access "
      "phase. It listens on no port, writes nothing, and runs no content "
      "handler; limits and failed logins of the running nginx are not known "
      "to it. Run the command as root, or as a user that can read the "
      "configuration, its keys and the store. The exit code is 0 if the "
      "request is granted, 3 if it is refused or answered by nginx before the "
      "decision, 1 if the outcome is not known, and 2 for wrong options." },

    { "key", "generate", cli_key_generate, NULL, 0, "generate a key pair",
      cli_key_options,
      "Writes the private key to PATH (PKCS#8 in PEM, not encrypted, mode "
      "0600), the public key to PATH.pub (PEM), and the public JWK Set to "
      "PATH.jwks. Existing files are never overwritten: if one of the three "
      "cannot be created, none is." },

    { "jwt", "sign", cli_jwt_sign, NULL, 0, "sign a JWT", cli_sign_options,
      "Prints a token with the claims \"iat\" (now), \"exp\" (in 30 minutes) "
      "and the claims of the options. A duplicate claim is an error. DURATION "
      "is written as in nginx (90, 30m, 1h30m); TIME is a number of seconds "
      "since the epoch, now, now+DURATION or now-DURATION." },

    { "jwt", "verify", cli_jwt_verify, "[FILE]", 0,
      "verify a JWT as the module does", cli_verify_options,
      "Verifies the token in FILE or on standard input and prints the "
      "verdict; the claims are printed only if it is accepted. The options "
      "are the directives of an auth_token_issuer block, with the same "
      "defaults. The exit code is 0 for an accepted token, 1 for a refused "
      "one." },

    { NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL }
};
