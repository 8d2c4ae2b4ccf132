/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _GNU_SOURCE             /* ppoll() */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "cli/terminal/cli_terminal.h"


#define CLI_INTERRUPTED  1


/* the signals by which users and shells end or stop a program */
static const int  cli_signals[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP
};

#define CLI_SIGNALS  (sizeof(cli_signals) / sizeof(cli_signals[0]))


/* the state to restore */
typedef struct {
    struct termios    mode;
    sigset_t          mask;
    struct sigaction  actions[CLI_SIGNALS];
} cli_terminal_saved_t;


static volatile sig_atomic_t  cli_signal_caught;


static void
cli_terminal_on_signal(int signo)
{
    cli_signal_caught = signo;
}


/* writes to the terminal, because standard error may be a file */
static void
cli_terminal_write(const char *text)
{
    int  fd;

    fd = open("/dev/tty", O_WRONLY|O_CLOEXEC|O_NOCTTY);

    (void) !write(fd != -1 ? fd : STDERR_FILENO, text, strlen(text));

    if (fd != -1) {
        (void) close(fd);
    }
}


/* blocked signals are delivered in cli_terminal_wait() only */
static void
cli_terminal_signals_block(cli_terminal_saved_t *terminal)
{
    size_t            i;
    sigset_t          set;
    struct sigaction  action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = cli_terminal_on_signal;

    (void) sigemptyset(&set);

    for (i = 0; i < CLI_SIGNALS; i++) {
        (void) sigaddset(&set, cli_signals[i]);
    }

    cli_signal_caught = 0;
    (void) sigprocmask(SIG_BLOCK, &set, &terminal->mask);

    for (i = 0; i < CLI_SIGNALS; i++) {
        (void) sigaction(cli_signals[i], NULL, &terminal->actions[i]);

        if (terminal->actions[i].sa_handler != SIG_IGN) {
            (void) sigaction(cli_signals[i], &action, NULL);
        }
    }
}


/* a caught signal is raised again, for its default action */
static void
cli_terminal_signals_restore(const cli_terminal_saved_t *terminal)
{
    size_t  i;

    for (i = 0; i < CLI_SIGNALS; i++) {
        (void) sigaction(cli_signals[i], &terminal->actions[i], NULL);
    }

    if (cli_signal_caught != 0) {
        (void) raise(cli_signal_caught);
    }

    (void) sigprocmask(SIG_SETMASK, &terminal->mask, NULL);
}


/* input typed before the prompt is discarded */
static int
cli_terminal_echo_off(cli_terminal_saved_t *terminal)
{
    struct termios  mode;

    if (tcgetattr(STDIN_FILENO, &terminal->mode) != 0) {
        return -1;
    }

    mode = terminal->mode;
    mode.c_lflag &= ~(tcflag_t) (ECHO|ECHOE|ECHOK|ECHONL);
    mode.c_lflag |= ICANON;

    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode);
}


/* Reads a line.  Returns 0, CLI_INTERRUPTED, or -1. */
static int
cli_terminal_read(const cli_terminal_saved_t *terminal, char *buf, size_t size,
    size_t *len)
{
    int            rc;
    ssize_t        n;
    struct pollfd  fd = { .fd = STDIN_FILENO, .events = POLLIN };

    do {
        rc = ppoll(&fd, 1, NULL, &terminal->mask);
    } while (rc == -1 && errno == EINTR && cli_signal_caught == 0);

    if (cli_signal_caught != 0) {
        return CLI_INTERRUPTED;
    }

    n = rc != -1 ? read(STDIN_FILENO, buf, size) : -1;

    if (n == -1) {
        return -1;
    }

    *len = (size_t) n;

    if (n != 0 && buf[n - 1] == '\n') {
        (*len)--;
    }

    return 0;
}


/* the rest of a line that is too long is discarded */
static int
cli_terminal_prompt_once(cli_t *cli, const char *prompt, char *buf,
    size_t size, size_t *len)
{
    int                   rc, error;
    cli_terminal_saved_t  terminal;

    cli_terminal_signals_block(&terminal);
    rc = cli_terminal_echo_off(&terminal);
    error = errno;

    if (rc == 0) {
        cli_terminal_write(prompt);
        rc = cli_terminal_read(&terminal, buf, size, len);
        error = errno;
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal.mode);
        cli_terminal_write("\n");
    }

    if (rc != 0) {
        at_crypto_cleanse(buf, size);
    }

    cli_terminal_signals_restore(&terminal);
    errno = error;

    return rc != -1 ? rc : cli_failure(cli, "cannot read the terminal: %m");
}


int
cli_terminal_prompt(cli_t *cli, const char *prompt, char *buf, size_t size,
    size_t *len)
{
    int  rc;

    do {
        rc = cli_terminal_prompt_once(cli, prompt, buf, size, len);
    } while (rc == CLI_INTERRUPTED);

    return rc;
}
