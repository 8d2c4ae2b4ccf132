/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser of the command line.  getopt_long() is not used, because it
 * accepts abbreviated options: a new option could change the meaning of one in
 * a script.
 */

#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_options.h"
#include "cli/terminal/cli_suggest.h"


const cli_option_t  cli_global_options[] = {
    { "store", "lmdb:PATH", 0, "directory of the store; default: the "
      "environment variable AUTH_TOKEN_STORE, or lmdb:/var/lib/auth-token",
      NULL, NULL },
    { "json", NULL, 0, "print one JSON object", NULL, NULL },
    { "help", NULL, 0, "print this help", NULL, NULL },
    { NULL, NULL, 0, NULL, NULL, NULL }
};


typedef struct {
    cli_t         *cli;
    char         **next;            /* argument */
    const char    *noun;
    cli_action_e   action;
    int            operands_only;   /* after "--" */
    int            done;            /* --help ends the command line */
} cli_parser_t;


/* "COMMAND" or "NOUN VERB", in buf */
#define CLI_NAME_SIZE  160

static const char *
cli_name(char buf[CLI_NAME_SIZE], const char *noun, const char *verb)
{
    (void) snprintf(buf, CLI_NAME_SIZE, "%s%s%s", noun != NULL ? noun : "",
                    noun != NULL && verb != NULL && *verb != '\0' ? " " : "",
                    verb != NULL ? verb : "");

    return buf;
}


/* The first word is the noun; the second is the verb, if there are verbs. */
static int
cli_parse_word(cli_parser_t *parser, const char *word)
{
    char                  name[CLI_NAME_SIZE], known[CLI_NAME_SIZE];
    cli_t                *cli;
    cli_suggest_t         suggest;
    const cli_command_t  *command;

    cli = parser->cli;
    memset(&suggest, 0, sizeof(suggest));
    suggest.word = cli_str(word);

    for (command = cli->commands; command->noun != NULL; command++) {
        if (parser->noun == NULL) {
            if (strcmp(command->noun, word) == 0) {
                parser->noun = command->noun;
                cli->command = *command->verb == '\0' ? command : NULL;
                return 0;
            }

            cli_suggest_offer(&suggest, cli_str(command->noun));

        } else if (strcmp(command->noun, parser->noun) == 0) {
            if (strcmp(command->verb, word) == 0) {
                cli->command = command;
                return 0;
            }

            cli_suggest_offer(&suggest, cli_str(command->verb));
        }
    }

    if (cli_arg_is_secret(word) || strlen(word) > CLI_SUGGEST_MAX) {
        return cli_usage(cli, "unknown command, see \"auth-token help\"");
    }

    if (suggest.best[0] == '\0') {
        return cli_usage(cli, "unknown command \"%s\", see \"auth-token %s\"",
                         cli_name(name, parser->noun, word),
                         cli_name(known, "help", parser->noun));
    }

    return cli_usage(cli, "unknown command \"%s\": did you mean \"%s\"?",
                     cli_name(name, parser->noun, word),
                     cli_name(known, parser->noun, suggest.best));
}


/* an unexpected argument may be a password: it is not shown */
static int
cli_parse_operand(cli_t *cli, const char *arg)
{
    char                  name[CLI_NAME_SIZE];
    const cli_command_t  *command;

    command = cli->command;

    if (command->operand == NULL || cli->operand != NULL) {
        return cli_usage(cli, "too many arguments: use \"auth-token %s%s%s "
                         "[OPTION...]\"", cli_name(name, command->noun,
                                                    command->verb),
                         command->operand ? " " : "",
                         command->operand ? command->operand : "");
    }

    cli->operand = arg;

    return 0;
}


/* Finds an option by its name, and offers the others as suggestions. */
static const cli_option_t *
cli_option_find(const cli_option_t *options, const char *name, size_t len,
    cli_suggest_t *suggest)
{
    const cli_option_t  *option;

    for (option = options; option->name != NULL; option++) {
        if (strlen(option->name) == len
            && memcmp(option->name, name, len) == 0)
        {
            return option;
        }

        cli_suggest_offer(suggest, cli_str(option->name));
    }

    return NULL;
}


/* the text after "=", or all of a short option, may be a secret */
static int
cli_option_unknown(cli_t *cli, const char *name, size_t len,
    const cli_suggest_t *suggest)
{
    char  command[CLI_NAME_SIZE], help[CLI_NAME_SIZE];

    command[0] = '\0';

    if (cli->command != NULL) {
        (void) cli_name(command, cli->command->noun, cli->command->verb);
    }

    if (suggest->best[0] != '\0') {
        return cli_usage(cli, "unknown option \"--%.*s\": did you mean "
                         "\"--%s\"?", (int) len, name, suggest->best);
    }

    return cli_usage(cli, "unknown option \"--%.*s\", see \"auth-token %s\"",
                     (int) len, name,
                     cli_name(help, "help", command));
}


/* Sets *value, which is the next argument unless it follows "=". */
static int
cli_option_value(cli_parser_t *parser, const cli_option_t *option,
    const char *equals, const char **value)
{
    if (option->value == NULL) {
        *value = "";
        return equals == NULL
               ? 0 : cli_usage(parser->cli, "option \"--%s\" takes no value",
                               option->name);
    }

    if (equals != NULL) {
        *value = equals + 1;
        return 0;
    }

    *value = *parser->next++;

    return *value != NULL
           ? 0 : cli_usage(parser->cli, "option \"--%s\" requires a value",
                           option->name);
}


static int
cli_option_add(cli_t *cli, const cli_option_t *option, const char *value)
{
    at_str_t    *items;
    cli_list_t  *list;

    list = &cli->values[option - cli->command->options];

    if (list->n != 0 && option->value != NULL && !(option->flags & CLI_MANY)) {
        return cli_usage(cli, "option \"--%s\" is duplicate", option->name);
    }

    items = realloc(list->items, (list->n + 1) * sizeof(at_str_t));

    if (items == NULL) {
        return cli_no_memory(cli);
    }

    list->items = items;
    list->items[list->n++] = cli_str(value);

    return 0;
}


static int
cli_parse_global_option(cli_parser_t *parser, const cli_option_t *option,
    const char *equals)
{
    const char  *value;

    if (cli_option_value(parser, option, equals, &value) != 0) {
        return -1;
    }

    if (option->value != NULL) {
        parser->cli->store = value;

    } else if (strcmp(option->name, "json") == 0) {
        parser->cli->json = 1;

    } else {
        parser->action = CLI_HELP;
        parser->done = 1;
    }

    return 0;
}


static int
cli_parse_option(cli_parser_t *parser, const char *arg)
{
    size_t               len;
    cli_t               *cli;
    const char          *name, *equals, *value;
    cli_suggest_t        suggest;
    const cli_option_t  *option;

    cli = parser->cli;

    if (arg[1] != '-') {
        return cli_usage(cli, "unknown option \"%.2s\": options are spelled "
                         "out and begin with two dashes", arg);
    }

    name = arg + 2;
    len = strcspn(name, "=");
    equals = strchr(name, '=');
    memset(&suggest, 0, sizeof(suggest));
    suggest.word = (at_str_t) { name, len };

    option = cli->command != NULL
             ? cli_option_find(cli->command->options, name, len, &suggest)
             : NULL;

    if (option != NULL) {
        return cli_option_value(parser, option, equals, &value) == 0
               ? cli_option_add(cli, option, value) : -1;
    }

    option = cli_option_find(cli_global_options, name, len, &suggest);

    if (option != NULL) {
        return cli_parse_global_option(parser, option, equals);
    }

    if (strcmp(name, "version") == 0) {
        parser->action = CLI_PRINT_VERSION;

    } else if (parser->action != CLI_RUN && strcmp(name, "man") == 0) {
        parser->action = CLI_MAN;

    } else if (parser->action != CLI_RUN && strcmp(name, "bash") == 0) {
        parser->action = CLI_BASH;

    } else {
        return cli_option_unknown(cli, name, len, &suggest);
    }

    parser->done = 1;

    return 0;
}


/* Checks that required arguments and options are given. */
static int
cli_parse_check(cli_t *cli, const char *noun)
{
    char                  name[CLI_NAME_SIZE];
    size_t                i;
    const cli_command_t  *command;

    command = cli->command;

    if (noun == NULL) {
        return cli_usage(cli, "missing command, see \"auth-token help\"");
    }

    if (command == NULL) {
        return cli_usage(cli, "incomplete command \"%s\", see \"auth-token "
                         "help %s\"", noun, noun);
    }

    if (command->operand != NULL && *command->operand != '['
        && cli->operand == NULL)
    {
        return cli_usage(cli, "missing argument: use \"auth-token %s %s "
                         "[OPTION...]\"", cli_name(name, command->noun,
                                                    command->verb),
                         command->operand);
    }

    for (i = 0; command->options[i].name != NULL; i++) {
        if ((command->options[i].flags & CLI_REQUIRED)
            && cli->values[i].n == 0)
        {
            return cli_usage(cli, "missing option \"--%s\"",
                             command->options[i].name);
        }
    }

    return 0;
}


int
cli_parse(cli_t *cli, char **args, const char **noun)
{
    int           rc;
    const char   *arg;
    cli_parser_t  parser = { .cli = cli, .next = args };

    rc = 0;

    while (rc == 0 && !parser.done && *parser.next != NULL) {
        arg = *parser.next++;

        if (!parser.operands_only && strcmp(arg, "--") == 0) {
            parser.operands_only = 1;

        } else if (!parser.operands_only && arg[0] == '-' && arg[1] != '\0') {
            rc = cli_parse_option(&parser, arg);

        } else if (cli->command != NULL) {
            rc = cli_parse_operand(cli, arg);

        } else if (parser.noun == NULL && parser.action == CLI_RUN
                   && strcmp(arg, "help") == 0)
        {
            parser.action = CLI_HELP;

        } else {
            rc = cli_parse_word(&parser, arg);
        }
    }

    *noun = parser.noun;

    if (rc != 0
        || (parser.action == CLI_RUN && cli_parse_check(cli, *noun) != 0))
    {
        return -1;
    }

    return (int) parser.action;
}
