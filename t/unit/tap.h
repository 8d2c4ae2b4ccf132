/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Checks with output in TAP format: each check prints one line and returns 1
 * if it passed; tap_done() prints the plan and returns the exit status.
 */

#ifndef TAP_H
#define TAP_H

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/at_str.h"


#define N(array)       (sizeof(array) / sizeof((array)[0]))

#define TAP_FORMAT(n)  __attribute__((unused, format(printf, n, n + 1)))
#define TAP_UNUSED     __attribute__((unused))


static struct {
    unsigned  run;
    unsigned  failed;
} tap;


/* escapes a name that would end the line or be read as a directive */
TAP_UNUSED static void
tap_print(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] == '#' || text[i] == '\\') {
            printf("\\%c", text[i]);

        } else if (isprint((unsigned char) text[i])) {
            putchar(text[i]);

        } else {
            printf("<%02x>", (unsigned char) text[i]);
        }
    }
}


TAP_UNUSED static int
tap_line(int passed, const char *fmt, va_list args)
{
    char  name[512];

    (void) vsnprintf(name, sizeof(name), fmt, args);

    printf("%sok %u - ", passed ? "" : "not ", ++tap.run);
    tap_print(name, strlen(name));
    printf("\n");

    tap.failed += !passed;

    return passed;
}


TAP_FORMAT(2) static int
ok(int passed, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) tap_line(passed, fmt, args);
    va_end(args);

    return passed;
}


TAP_FORMAT(3) static int
is_int(long long got, long long expected, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) tap_line(got == expected, fmt, args);
    va_end(args);

    if (got != expected) {
        printf("#      got: %lld\n# expected: %lld\n", got, expected);
    }

    return got == expected;
}


TAP_FORMAT(3) static int
is_bytes(at_str_t got, at_str_t expected, const char *fmt, ...)
{
    int      passed = at_str_equal(got, expected);
    va_list  args;

    va_start(args, fmt);
    (void) tap_line(passed, fmt, args);
    va_end(args);

    if (!passed) {
        printf("#      got: ");
        tap_print(got.data, got.len);
        printf("\n# expected: ");
        tap_print(expected.data, expected.len);
        printf("\n");
    }

    return passed;
}


/* ends the test after an error of its set-up */
__attribute__((noreturn)) TAP_UNUSED static void
bail(const char *why)
{
    printf("Bail out! %s\n", why);
    exit(1);
}


TAP_UNUSED static void
must(int succeeded, const char *why)
{
    if (!succeeded) {
        bail(why);
    }
}


TAP_UNUSED static at_str_t
str(const char *text)
{
    at_str_t  view;

    view.data = text;
    view.len = strlen(text);

    return view;
}


/* replaces ' by ": tests write JSON with single quotes */
TAP_UNUSED static char *
quote(char *text)
{
    char  *p;

    for (p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    return text;
}


#define is_str(got, expected, ...)                                            \
    is_bytes(str(got), str(expected), __VA_ARGS__)


TAP_FORMAT(1) static void
skip(const char *fmt, ...)
{
    va_list  args;

    printf("ok %u # SKIP ", ++tap.run);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
}


/* a copy of exactly its size, to be freed: a sanitizer sees overruns */
TAP_UNUSED static char *
exact_copy(at_str_t text)
{
    char  *copy = malloc(text.len + !text.len);

    must(copy != NULL, "no memory");

    return text.len ? memcpy(copy, text.data, text.len) : copy;
}


/* the next of a series of numbers, the same in each run */
TAP_UNUSED static unsigned
numbers(unsigned *state)
{
    *state = *state * 1103515245 + 12345;

    return *state >> 8;
}


/* processor time of the process in milliseconds */
TAP_UNUSED static double
cpu_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}


typedef void (*tap_test_pt)(void);

/* runs functions without parameters, in order */
#define RUN(...)                                                              \
    tap_run((tap_test_pt[]) { __VA_ARGS__, NULL })

TAP_UNUSED static void
tap_run(const tap_test_pt *test)
{
    for ( /* void */ ; *test; test++) {
        (*test)();
    }
}


TAP_UNUSED static int
tap_done(void)
{
    printf("1..%u\n", tap.run);

    return tap.failed != 0;
}


#endif
