/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/at_crypto.h"
#include "cli/terminal/cli_file.h"
#include "cli/terminal/cli_password.h"


#define CLI_PASSWORD_FILE_MAX  4096  /* bytes */

#define CLI_INTERRUPTED  1


typedef struct {
    size_t  len;
    char    text[AT_PASSWORD_MAX + 2];  /* one byte more than is accepted, and
                                           the line end */
} cli_password_input_t;


int
cli_password_hash(cli_t *cli, at_str_t password,
    char hash[AT_PASSWORD_HASH_LEN])
{
    at_error_t  err;

    return at_password_hash(hash, password, &err) == 0
           ? 0 : cli_failure(cli, "%s", err.text);
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


/*
 * Reads a line that is not echoed.  Input before the prompt, and the rest of a
 * line that is too long, are discarded.  Returns 0, or -1 with errno set; or
 * CLI_INTERRUPTED if a signal can be read from the descriptor.
 */
static int
cli_terminal_read(const char *prompt, int signals,
    cli_password_input_t *input)
{
    int             rc, error;
    ssize_t         n;
    struct pollfd   fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                               { .fd = signals, .events = POLLIN } };
    struct termios  mode, hidden;

    if (tcgetattr(STDIN_FILENO, &mode) != 0) {
        return -1;
    }

    hidden = mode;
    hidden.c_lflag &= ~(tcflag_t) (ECHO|ECHOE|ECHOK|ECHONL);
    hidden.c_lflag |= ICANON;

    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0) {
        return -1;
    }

    cli_terminal_write(prompt);

    do {
        rc = poll(fds, 2, -1);
    } while (rc == -1 && errno == EINTR);

    if (rc != -1 && fds[1].revents != 0) {
        rc = CLI_INTERRUPTED;

    } else {
        n = rc != -1 ? read(STDIN_FILENO, input->text, sizeof(input->text))
                     : -1;
        rc = n != -1 ? 0 : -1;
        input->len = n > 0 ? (size_t) n : 0;
        input->len -= n > 0 && input->text[n - 1] == '\n';
    }

    error = errno;
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode);
    cli_terminal_write("\n");
    errno = error;

    return rc;
}


/*
 * A signal that ends or stops the process takes effect after the terminal is
 * restored and the input is overwritten.  After a stop the prompt is repeated.
 * A signal that the parent process ignores or blocks has no effect.
 */
static int
cli_terminal_prompt(cli_t *cli, const char *prompt,
    cli_password_input_t *input)
{
    int               fd, rc, error;
    size_t            i;
    sigset_t          set, mask;
    struct sigaction  action;

    /* the signals by which users and shells end or stop a program */
    static const int  signals[] = {
        SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP
    };

    (void) sigemptyset(&set);
    (void) sigprocmask(SIG_BLOCK, NULL, &mask);

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void) sigaction(signals[i], NULL, &action);

        if (action.sa_handler != SIG_IGN && !sigismember(&mask, signals[i])) {
            (void) sigaddset(&set, signals[i]);
        }
    }

    do {
        (void) sigprocmask(SIG_BLOCK, &set, NULL);

        fd = signalfd(-1, &set, SFD_CLOEXEC);
        rc = fd != -1 ? cli_terminal_read(prompt, fd, input) : -1;
        error = errno;
        (void) close(fd);

        if (rc != 0) {
            at_crypto_cleanse(input, sizeof(cli_password_input_t));
        }

        /* a pending signal is delivered */
        (void) sigprocmask(SIG_SETMASK, &mask, NULL);

    } while (rc == CLI_INTERRUPTED);

    errno = error;

    return rc == 0 ? 0 : cli_failure(cli, "cannot read the terminal: %m");
}


static int
cli_password_prompt(cli_t *cli, char hash[AT_PASSWORD_HASH_LEN])
{
    int                   rc;
    at_str_t              text;
    cli_password_input_t  first, second;

    rc = cli_terminal_prompt(cli, "New password: ", &first);

    if (rc == 0) {
        rc = cli_terminal_prompt(cli, "Retype new password: ", &second);
    }

    if (rc == 0) {
        text = (at_str_t) { first.text, first.len };

        rc = at_str_equal(text, (at_str_t) { second.text, second.len })
             ? cli_password_hash(cli, text, hash)
             : cli_failure(cli, "the two passwords differ; nothing was "
                           "changed");
    }

    at_crypto_cleanse(&first, sizeof(first));
    at_crypto_cleanse(&second, sizeof(second));

    return rc;
}


int
cli_password_read(cli_t *cli, const char *path,
    char hash[AT_PASSWORD_HASH_LEN])
{
    int        rc;
    at_str_t   line;
    at_file_t  file;

    if (path == NULL) {
        path = "-";
    }

    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO)) {
        return cli_password_prompt(cli, hash);
    }

    if (cli_file_read(cli, &file, path, CLI_PASSWORD_FILE_MAX) != 0) {
        return -1;
    }

    line = cli_file_line(&file);

    /* two lines may be two passwords, or a file given by mistake */
    rc = line.len != 0 && memchr(line.data, '\n', line.len) != NULL
         ? cli_failure(cli, "a password is one line, but there are more")
         : cli_password_hash(cli, line, hash);

    at_file_free(&file);

    return rc;
}
