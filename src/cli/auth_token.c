/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/at_crypto.h"
#include "cli/terminal/cli.h"
#include "cli/record/cli_store.h"


static const cli_command_t  cli_commands[] = {

    { "init", "", cli_init,
      "make an empty store",

      "[OPTION...]\n"
      "\n"
      "Makes the directory of the store, mode 2750, and its files.  What is there\n"
      "already is left alone.\n"
      "\n"
      "  --owner USER         of the files; default: who runs this\n"
      "  --group GROUP        that of nginx's worker processes, who read\n"
      "                       the store; default: the group of who runs this\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "token", "create", cli_token_create,
      "make an API token",

      "[OPTION...]\n"
      "\n"
      "Prints a new token, once: the store has its SHA-256 alone.\n"
      "\n"
      "  --id ID              by which it is managed; default: a GUID\n"
      "  --description TEXT   what it is for\n"
      "  --user USER          whose rights are its ceiling; default: nobody's\n"
      "  --role ROLE          a role of the store, or a built-in one\n"
      "  --scope SCOPE        what it may do; may be repeated\n"
      "  --allow RANGE        an address or a range in CIDR notation from\n"
      "                       which calls may come; may be repeated; any is\n"
      "                       no restriction, and the default\n"
      "  --expires WHEN       TIME, DURATION from now, or never, the default\n"
      "  --disabled           refused until it is enabled\n"
      "  --token-file FILE    takes a token of 32 characters or more in place\n"
      "                       of a new one; - is standard input\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n"
      "\n"
      "TIME is 2030-12-31, 2030-12-31T23:59:59Z (UTC), seconds since the epoch, or\n"
      "now-DURATION; DURATION has units as nginx's (90s, 30d, 1h30m).\n",

      NULL, 1 },

    { "token", "list", cli_generic_list,
      "list all tokens",

      "[OPTION...]\n"
      "\n"
      "Lists all tokens.\n"
      "\n"
      "  --state PATH         of auth_token_state_path: with use_count and\n"
      "                       last_used\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "token", "show", cli_generic_show,
      "show one",

      "ID [OPTION...]\n"
      "\n"
      "Shows what the store has of the token; never a hash.\n"
      "\n"
      "  --state PATH         of auth_token_state_path: with use_count and\n"
      "                       last_used\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "token", "update", cli_token_update,
      "change what one may do",

      "ID OPTION...\n"
      "\n"
      "Changes what is given, and nothing else.\n"
      "\n"
      "  --description TEXT   what it is for\n"
      "  --user USER          whose rights are its ceiling\n"
      "  --no-user            nobody's\n"
      "  --role ROLE          a role of the store, or a built-in one\n"
      "  --no-role            none\n"
      "  --scope SCOPE        what it may do; all are replaced\n"
      "  --no-scope           nothing\n"
      "  --allow RANGE        as for create; all are replaced\n"
      "  --expires WHEN       as for create\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n"
      "\n"
      "TIME is 2030-12-31, 2030-12-31T23:59:59Z (UTC), seconds since the epoch, or\n"
      "now-DURATION; DURATION has units as nginx's (90s, 30d, 1h30m).\n",

      "id", 1 },

    { "token", "disable", cli_generic_disable,
      "refuse it from now on",

      "ID [OPTION...]\n"
      "\n"
      "The next call with the token is refused, as disabled.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "token", "enable", cli_generic_enable,
      "accept it again",

      "ID [OPTION...]\n"
      "\n"
      "Undoes what disable does.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "token", "revoke", cli_generic_delete,
      "remove one for good",

      "ID [OPTION...]\n"
      "\n"
      "Removes the token: the next call with it is refused, as unknown.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "create", cli_client_create,
      "admit a client of an issuer",

      "ID | --generate [OPTION...]\n"
      "\n"
      "The id is a GUID, or any printable name; its case means nothing.\n"
      "\n"
      "  --generate           makes a GUID\n"
      "  --name TEXT          for people\n"
      "  --issuer NAME        the block auth_token_issuer that it belongs to;\n"
      "                       may be repeated; default: the only one\n"
      "  --role ROLE          a role of the store, or a built-in one\n"
      "  --allow RANGE        an address or a range in CIDR notation from\n"
      "                       which calls may come; may be repeated; any is\n"
      "                       no restriction, and the default\n"
      "  --secret             makes a secret and prints it, once\n"
      "  --disabled           refused until it is enabled\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "list", cli_generic_list,
      "list all clients",

      "[OPTION...]\n"
      "\n"
      "Lists all clients.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "client", "show", cli_generic_show,
      "show one",

      "ID [OPTION...]\n"
      "\n"
      "Shows what the store has of the client; never a hash.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "update", cli_client_update,
      "change one",

      "ID OPTION...\n"
      "\n"
      "Changes what is given, and nothing else.\n"
      "\n"
      "  --name TEXT          for people\n"
      "  --issuer NAME        as for create; all are replaced\n"
      "  --no-issuer          the only one\n"
      "  --role ROLE          a role of the store, or a built-in one\n"
      "  --no-role            none\n"
      "  --allow RANGE        as for create; all are replaced\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "rotate-secret", cli_client_rotate_secret,
      "give one a new secret",

      "ID [OPTION...]\n"
      "\n"
      "Makes a secret and prints it, once.  The latest of the old ones stays good\n"
      "beside it, until the next rotation.\n"
      "\n"
      "  --drop-old           no old one stays good\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "disable", cli_generic_disable,
      "refuse it from now on",

      "ID [OPTION...]\n"
      "\n"
      "The next call of the client is refused, whatever its token says.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "enable", cli_generic_enable,
      "accept it again",

      "ID [OPTION...]\n"
      "\n"
      "Undoes what disable does.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "client", "delete", cli_generic_delete,
      "remove one for good",

      "ID [OPTION...]\n"
      "\n"
      "Removes the client: its next call is refused.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "id", 1 },

    { "user", "create", cli_user_create,
      "add a user",

      "USERNAME [OPTION...]\n"
      "\n"
      "A user logs in with a password, and owns API tokens, which are refused what\n"
      "the user may not do.  The password is asked for twice at a terminal, and is\n"
      "else the line on standard input; the store keeps a yescrypt hash of it.\n"
      "\n"
      "  --password-file FILE takes the line in FILE in place of that; - is\n"
      "                       standard input\n"
      "  --no-password        no login: an owner of API tokens\n"
      "  --id ID              the user's id in tokens; default: a GUID\n"
      "  --issuer NAME        the block auth_token_issuer that the user belongs\n"
      "                       to; may be repeated; default: the only one\n"
      "  --scope SCOPE        what the user may do; may be repeated\n"
      "  --admin              passes every scope\n"
      "  --disabled           refused until enabled\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "passwd", cli_user_passwd,
      "give one another password",

      "USERNAME [OPTION...]\n"
      "\n"
      "The password is asked for as by create.  The next login needs it; sessions\n"
      "of the user end at their next refresh.\n"
      "\n"
      "  --password-file FILE takes the line in FILE; - is standard input\n"
      "  --no-password        takes the password away: no login\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "list", cli_generic_list,
      "list all users",

      "[OPTION...]\n"
      "\n"
      "Lists all users.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "user", "show", cli_generic_show,
      "show one",

      "USERNAME [OPTION...]\n"
      "\n"
      "Shows what the store has of the user; never a hash.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "update", cli_user_update,
      "change one",

      "USERNAME OPTION...\n"
      "\n"
      "Changes what is given, and nothing else.  It counts for the next call with\n"
      "an API token of the user, and for sessions from their next refresh.\n"
      "\n"
      "  --id ID              the user's id in tokens\n"
      "  --issuer NAME        as for create; all are replaced\n"
      "  --no-issuer          the only one\n"
      "  --scope SCOPE        as for create; all are replaced\n"
      "  --no-scope           nothing\n"
      "  --admin              passes every scope\n"
      "  --no-admin           does not\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "disable", cli_user_disable,
      "refuse one from now on",

      "USERNAME [OPTION...]\n"
      "\n"
      "The next call with an API token of the user is refused, and so is a login.\n"
      "Sessions end at their next refresh, access tokens when they expire.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "enable", cli_generic_enable,
      "accept one again",

      "USERNAME [OPTION...]\n"
      "\n"
      "Undoes what disable does.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "user", "delete", cli_user_delete,
      "remove one for good",

      "USERNAME [OPTION...]\n"
      "\n"
      "Removes the user.  API tokens of the user stay in the store, and are refused\n"
      "from now on; sessions end at their next refresh, access tokens when they\n"
      "expire.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "username", 1 },

    { "role", "set", cli_role_set,
      "make or replace a role",

      "NAME [OPTION...]\n"
      "\n"
      "Patterns are over scopes, as Identity.*.Read; * stands for any characters,\n"
      "case means nothing, and a deny wins.  The case of the name means nothing\n"
      "either.  readonly, editor, admin and superadmin are built in.\n"
      "\n"
      "  --grant PATTERN      what it may do; may be repeated\n"
      "  --deny PATTERN       what it may not, all the same; may be repeated\n"
      "  --block ENDPOINT     an endpoint that it may not call; may be repeated\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "name", 1 },

    { "role", "list", cli_generic_list,
      "list all roles",

      "[OPTION...]\n"
      "\n"
      "Lists all roles.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "role", "show", cli_generic_show,
      "show one",

      "NAME [OPTION...]\n"
      "\n"
      "Shows what the store has of the role; never a hash.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "name", 1 },

    { "role", "delete", cli_generic_delete,
      "remove one for good",

      "NAME [OPTION...]\n"
      "\n"
      "Removes the role: whoever has it may do nothing.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "name", 1 },

    { "import", "", cli_import,
      "read records from JSON",

      "FILE [OPTION...]\n"
      "\n"
      "Writes all records of FILE, or of standard input for -, in one transaction:\n"
      "all of them, or none where one is wrong.  It is what export prints, or made\n"
      "by hand: a token may have \"token\" in place of \"sha256\".\n"
      "\n"
      "  --replace            and removes what FILE does not have\n"
      "  --cipp               FILE is a list of rows of CIPP's tables, of which\n"
      "                       ApiClients and CustomRoles are taken\n"
      "  --issuer NAME        the block auth_token_issuer that these clients\n"
      "                       belong to; may be repeated; default: the only one\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      "file", 1 },

    { "export", "", cli_export,
      "print all records as JSON",

      "[OPTION...]\n"
      "\n"
      "Prints the whole store, hashes included.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "check", "", cli_check,
      "look for damage",

      "[OPTION...]\n"
      "\n"
      "Reads every record, and warns of names that lead nowhere.  Exit code 0 means\n"
      "that the store is sound.\n"
      "\n"
      "  --store lmdb:PATH    in place of AUTH_TOKEN_STORE\n"
      "  --json               print one JSON object\n",

      NULL, 1 },

    { "key", "generate", cli_key_generate,
      "make a key pair: private PEM, public PEM, JWK Set",

      "[OPTION...] --out PATH\n"
      "\n"
      "Writes the private key to PATH (mode 0600), the public key to PATH.pub\n"
      "and the public JWK Set to PATH.jwks; never overwrites a file.\n"
      "\n"
      "  --out PATH        where the key goes\n"
      "  --type TYPE       rsa (default), ec or ed25519\n"
      "  --bits N          of rsa: 2048 (default), 3072 or 4096\n"
      "  --curve CURVE     of ec: P-256 (default) or P-384\n"
      "  --alg ALG         for the set; default RS256, ES256, ES384, EdDSA\n"
      "  --kid ID          default: the thumbprint of RFC 7638\n"
      "  --json            print one JSON object\n",

      NULL, 0 },

    { "jwt", "sign", cli_jwt_sign,
      "sign a token",

      "--key FILE [OPTION...]\n"
      "\n"
      "Prints a token.  Unless told otherwise, iat is now, exp in 30 minutes.\n"
      "\n"
      "  --key FILE             private key in PEM; - is standard input\n"
      "  --alg ALG              default: RS256, ES256 or ES384, as the key is\n"
      "  --kid ID               named in the header; default none\n"
      "  --expires DURATION     from now; default 30m\n"
      "  --no-expires           no exp at all\n"
      "  --not-before TIME      nbf; default none\n"
      "  --issued-at TIME       iat; default now\n"
      "  --claim NAME=STRING    a claim that is a string; may be repeated\n"
      "  --claim-json NAME=JSON a claim of any type; may be repeated\n"
      "  --claims FILE          claims, as a JSON object; - is standard input\n"
      "  --json                 print one JSON object\n"
      "\n"
      "DURATION is as nginx has it (90, 30m, 1h30m); TIME is in seconds since\n"
      "the epoch, now, now+DURATION or now-DURATION.\n",

      NULL, 0 },

    { "jwt", "verify", cli_jwt_verify,
      "verify a token as the module does",

      "--key FILE... --issuer ISS... --audience AUD... [OPTION...] [FILE]\n"
      "\n"
      "Verifies the token in FILE, or on standard input.  Exit code 0 means\n"
      "that it is good, 1 that it is refused or that nothing is known.\n"
      "\n"
      "  --key FILE             public key or certificate in PEM, or JWK Set;\n"
      "                         may be repeated\n"
      "  --issuer ISS           accepted iss; may be repeated\n"
      "  --audience AUD         accepted aud; may be repeated\n"
      "  --any-audience         in place of --audience\n"
      "  --algorithms ALG,ALG   accepted algorithms; default RS256\n"
      "  --typ TYPE             accepted typ, or absent; may be repeated;\n"
      "                         default absent, JWT, at+jwt and\n"
      "                         application/at+jwt\n"
      "  --leeway DURATION      how far clocks may differ; default 0\n"
      "  --max-age DURATION     since iat; default any\n"
      "  --at TIME              in place of now\n"
      "  --user-claim PATH      default username\n"
      "  --scope-claim PATH     default scope\n"
      "  --admin-claim PATH     default isAdmin; off: no admins\n"
      "  --json                 print one JSON object\n",

      "file", 0 },
};

#define CLI_COMMANDS  (sizeof(cli_commands) / sizeof(cli_commands[0]))


/* a noun alone is a command too, where the table has it without a verb */
static const cli_command_t *
cli_command_find(const char *noun, const char *verb)
{
    size_t                i;
    const cli_command_t  *command;

    for (i = 0; i < CLI_COMMANDS; i++) {
        command = &cli_commands[i];

        if (strcmp(command->noun, noun) == 0
            && (*command->verb == '\0'
                || (verb != NULL && strcmp(command->verb, verb) == 0)))
        {
            return command;
        }
    }

    return NULL;
}


static int
cli_print_help(cli_t *cli)
{
    size_t  i;

    (void) puts("usage: auth-token [--store lmdb:PATH] [--json] COMMAND "
                "[OPTION...]\n"
                "       auth-token --help | --version\n"
                "\n"
                "commands:");

    for (i = 0; i < CLI_COMMANDS; i++) {
        (void) printf("  %-7s %-13s  %s\n", cli_commands[i].noun,
                      cli_commands[i].verb, cli_commands[i].summary);
    }

    (void) puts("\n\"auth-token COMMAND --help\" lists the options of a "
                "command.  The store is that\nof --store, of the variable "
                "AUTH_TOKEN_STORE, or " CLI_STORE_DEFAULT ".");

    return cli_flush(cli);
}


static int
cli_print_version(cli_t *cli)
{
    (void) puts("auth-token " CLI_VERSION);

    return cli_flush(cli);
}


static int cli_run(cli_t *cli, int argc, char **argv);


static int
cli_run_store_option(cli_t *cli, int argc, char **argv)
{
    if (argv[0][strlen("--store")] == '=') {
        cli->store = argv[0] + strlen("--store=");
        return cli_run(cli, argc - 1, argv + 1);
    }

    if (argc < 2) {
        return cli_usage(cli, "--store needs a value");
    }

    cli->store = argv[1];

    return cli_run(cli, argc - 2, argv + 2);
}


static int
cli_run(cli_t *cli, int argc, char **argv)
{
    if (argc < 1) {
        return cli_usage(cli, "no command is given, see auth-token --help");
    }

    if (strcmp(argv[0], "--json") == 0) {
        cli->json = 1;
        return cli_run(cli, argc - 1, argv + 1);
    }

    if (strcmp(argv[0], "--store") == 0
        || strncmp(argv[0], "--store=", strlen("--store=")) == 0)
    {
        return cli_run_store_option(cli, argc, argv);
    }

    if (strcmp(argv[0], "--help") == 0) {
        return cli_print_help(cli);
    }

    if (strcmp(argv[0], "--version") == 0) {
        return cli_print_version(cli);
    }

    cli->command = cli_command_find(argv[0], argc > 1 ? argv[1] : NULL);

    if (cli->command == NULL) {
        return cli_usage(cli, "unknown command, see auth-token --help");
    }

    if (*cli->command->verb == '\0') {
        return cli->command->run(cli, argc, argv);
    }

    return cli->command->run(cli, argc - 1, argv + 1);
}


/*
 * A file that is opened while one of the first three descriptors is free would
 * get what is printed: what was closed fails instead.
 */
static int
cli_stdio_reserve(void)
{
    int  fd;

    for (fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1
            && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
        {
            return -1;
        }
    }

    return 0;
}


/* JSON may hold a secret, and so may what is printed */
static void
cli_json_free(void *data)
{
    if (data != NULL) {
        at_crypto_cleanse(data, malloc_usable_size(data));
    }

    free(data);
}


int
main(int argc, char **argv)
{
    int    rc;
    cli_t  cli = { .status = CLI_FAILURE };

    static char  out[8192];

    if (cli_stdio_reserve() != 0) {
        return CLI_FAILURE;
    }

    /* a closed pipe and a full file are errors of writing, which are told */
    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGXFSZ, SIG_IGN);

    json_set_alloc_funcs(malloc, cli_json_free);
    (void) setvbuf(stdout, out, _IOFBF, sizeof(out));

    cli.now = (int64_t) time(NULL);

    rc = cli_run(&cli, argc - 1, argv + 1);

    (void) fflush(stdout);
    at_crypto_cleanse(out, sizeof(out));

    return rc == 0 ? CLI_OK : cli.status;
}
