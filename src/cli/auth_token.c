/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"


static const cli_command_t  cli_commands[] = {

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
      "  --json            print one JSON object\n" },

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
      "the epoch, now, now+DURATION or now-DURATION.\n" },

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
      "  --json                 print one JSON object\n" },
};

#define CLI_COMMANDS  (sizeof(cli_commands) / sizeof(cli_commands[0]))


static const cli_command_t *
cli_command_find(const char *noun, const char *verb)
{
    size_t  i;

    for (i = 0; i < CLI_COMMANDS; i++) {
        if (strcmp(cli_commands[i].noun, noun) == 0
            && strcmp(cli_commands[i].verb, verb) == 0)
        {
            return &cli_commands[i];
        }
    }

    return NULL;
}


static int
cli_print_help(cli_t *cli)
{
    size_t  i;

    (void) puts("usage: auth-token [--json] COMMAND [OPTION...]\n"
                "       auth-token --help | --version\n"
                "\n"
                "commands:");

    for (i = 0; i < CLI_COMMANDS; i++) {
        (void) printf("  %-7s %-10s %s\n", cli_commands[i].noun,
                      cli_commands[i].verb, cli_commands[i].summary);
    }

    (void) puts("\n\"auth-token COMMAND --help\" lists the options of a "
                "command.");

    return cli_flush(cli);
}


static int
cli_print_version(cli_t *cli)
{
    (void) puts("auth-token " CLI_VERSION);

    return cli_flush(cli);
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

    if (strcmp(argv[0], "--help") == 0) {
        return cli_print_help(cli);
    }

    if (strcmp(argv[0], "--version") == 0) {
        return cli_print_version(cli);
    }

    cli->command = argc > 1 ? cli_command_find(argv[0], argv[1]) : NULL;

    if (cli->command == NULL) {
        return cli_usage(cli, "unknown command, see auth-token --help");
    }

    return cli->command->run(cli, argc - 1, argv + 1);
}


/*
 * A file that is opened while one of the first three descriptors is free would
 * get what is printed: what was closed fails instead.
 */
static int
cli_open_standard(void)
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


int
main(int argc, char **argv)
{
    cli_t  cli = { .status = CLI_FAILURE };

    if (cli_open_standard() != 0) {
        return CLI_FAILURE;
    }

    /* a closed pipe is an error of writing, which is told */
    (void) signal(SIGPIPE, SIG_IGN);

    cli.now = (int64_t) time(NULL);

    return cli_run(&cli, argc - 1, argv + 1) == 0 ? CLI_OK : cli.status;
}
