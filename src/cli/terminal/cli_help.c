/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>

#include "cli/terminal/cli_command.h"


#define CLI_WIDTH         79
#define CLI_OPTION_WIDTH  23


/*
 * Prints text from column indent on, and wraps it at CLI_WIDTH.  In mdoc(7)
 * each sentence begins a new line.
 */
static void
cli_help_wrap(const char *text, int indent, int mdoc)
{
    int  column, len, sentence;

    sentence = 0;

    for (column = indent; *text != '\0'; text += strspn(text, " ")) {
        len = (int) strcspn(text, " ");

        if (column != indent && (sentence || column + 1 + len > CLI_WIDTH)) {
            (void) printf("\n%*s", indent, "");
            column = indent;
        }

        if (mdoc && column == 0 && (*text == '.' || *text == '\'')) {
            (void) fputs("\\&", stdout);
        }

        column += printf("%s%.*s", column != indent ? " " : "", len, text);
        sentence = mdoc && text[len - 1] == '.';
        text += len;
    }

    (void) putchar('\n');
}


static void
cli_help_option(const cli_option_t *option)
{
    int  column;

    column = printf("  --%s%s%s", option->name, option->value ? " " : "",
                    option->value ? option->value : "");

    if (column >= CLI_OPTION_WIDTH) {
        (void) putchar('\n');
        column = 0;
    }

    (void) printf("%*s", CLI_OPTION_WIDTH - column, "");
    cli_help_wrap(option->help, CLI_OPTION_WIDTH, 0);
}


static void
cli_help_command(const cli_command_t *command)
{
    const cli_option_t  *option;

    (void) printf("usage: auth-token %s%s%s%s%s [OPTION...]\n\n",
                  command->noun, *command->verb ? " " : "", command->verb,
                  command->operand ? " " : "",
                  command->operand ? command->operand : "");

    cli_help_wrap(command->text, 0, 0);
    (void) putchar('\n');

    for (option = command->options; option->name != NULL; option++) {
        cli_help_option(option);
    }

    for (option = cli_global_options; option->name != NULL; option++) {
        if (cli_option_applies(option, command)) {
            cli_help_option(option);
        }
    }
}


void
cli_help_print(const cli_t *cli, const char *noun)
{
    const cli_option_t   *option;
    const cli_command_t  *command;

    if (cli->command != NULL) {
        cli_help_command(cli->command);
        return;
    }

    (void) printf("usage: auth-token %s %s[OPTION...]\n\ncommands:\n",
                  noun ? noun : "COMMAND", noun ? "COMMAND " : "");

    for (command = cli->commands; command->noun != NULL; command++) {
        if (noun == NULL || strcmp(command->noun, noun) == 0) {
            (void) printf("  %-7s%-15s %s\n", command->noun, command->verb,
                          command->summary);
        }
    }

    (void) puts("\noptions:");

    for (option = cli_global_options; option->name != NULL; option++) {
        cli_help_option(option);
    }

    (void) puts("  --version            print the version\n\n"
                "\"auth-token help COMMAND\" describes a command.");
}


static void
cli_man_option(const cli_option_t *option)
{
    char  text[512];

    (void) printf(".It Fl -%s%s%s\n", option->name,
                  option->value ? " Ar " : "",
                  option->value ? option->value : "");

    /* the help has neither the first capital letter nor the last period */
    (void) snprintf(text, sizeof(text), "%s.", option->help);

    if (text[0] >= 'a' && text[0] <= 'z') {
        text[0] = (char) (text[0] - 'a' + 'A');
    }

    cli_help_wrap(text, 0, 1);
}


void
cli_help_print_man(const cli_t *cli)
{
    const cli_option_t   *option;
    const cli_command_t  *command;

    for (command = cli->commands; command->noun != NULL; command++) {
        (void) printf(".Ss %s%s%s\n.Nm\n.Cm %s%s%s\n",
                      command->noun, *command->verb ? " " : "", command->verb,
                      command->noun, *command->verb ? " " : "", command->verb);

        if (command->operand != NULL) {
            (void) printf(".Ar %s\n", command->operand);
        }

        (void) puts(".Op Ar OPTION ...\n.Pp");
        cli_help_wrap(command->text, 0, 1);

        if (command->options[0].name != NULL) {
            (void) puts(".Bl -tag -width Ds");

            for (option = command->options; option->name != NULL; option++) {
                cli_man_option(option);
            }

            (void) puts(".El");
        }
    }
}


static void
cli_bash_options(const cli_option_t *options, const cli_command_t *command)
{
    const cli_option_t  *option;

    for (option = options; option->name != NULL; option++) {
        if (cli_option_applies(option, command)) {
            (void) printf(" --%s%s%s", option->name, option->value ? "=" : "",
                          option->value ? option->value : "");
        }
    }
}


void
cli_help_print_bash(const cli_t *cli)
{
    const cli_command_t  *command;

    (void) puts("_auth_token_commands=(");

    for (command = cli->commands; command->noun != NULL; command++) {
        (void) printf("    '%s%s%s:%s", command->noun,
                      *command->verb ? " " : "", command->verb,
                      command->operand ? command->operand : "");
        cli_bash_options(command->options, command);
        cli_bash_options(cli_global_options, command);
        (void) puts("'");
    }

    (void) puts(")");
}
