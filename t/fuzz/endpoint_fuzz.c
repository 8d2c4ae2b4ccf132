/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Input: options, a method, a raw and a normalized path in a line each; then
 * an endpoint list.  Its endpoints must be the words of its lines, a match
 * must be that of a linear search, and paths are checked rule by rule.
 */

#include <ctype.h>
#include <regex.h>

#include <jansson.h>

#include "core/authz/at_endpoint_list.c"
#include "core/authz/at_path.h"
#include "../unit/linear.h"
#include "fuzz.h"


/* --- matching ------------------------------------------------------------ */

/* returns 1 if prefix and version were removed, 0 if not, -1 if unknown */
static int
fuzz_strip_version(at_str_t *path, int ignore_case)
{
    char        *text;
    regmatch_t   match;

    static int      compiled;
    static regex_t  re[2];      /* the second one ignores case */

    if (path->len && memchr(path->data, '\0', path->len)) {
        return -1;
    }

    if (!compiled) {
        compiled = 1;
        fuzz_assert(regcomp(&re[0], "^/api(/v[0-9]+(\\.[0-9]+)?)?/",
                            REG_EXTENDED) == 0
                    && regcomp(&re[1], "^/api(/v[0-9]+(\\.[0-9]+)?)?/",
                               REG_EXTENDED|REG_ICASE) == 0);
    }

    text = fuzz_alloc(path->len + 1);
    (void) snprintf(text, path->len + 1, "%.*s", (int) path->len, path->data);

    if (regexec(&re[ignore_case != 0], text, 1, &match, 0) != 0) {
        return 0;
    }

    path->data += match.rm_eo - 1;
    path->len -= (size_t) match.rm_eo - 1;

    return 1;
}


static int
fuzz_strip(at_str_t *path, const at_endpoint_list_options_t *options)
{
    at_str_t  prefix;

    prefix = options->prefix;

    if (at_str_equal(prefix, at_str("ipfabric"))) {
        return fuzz_strip_version(path, options->ignore_case);
    }

    if (path->len <= prefix.len
        || !linear_equal((at_str_t) { path->data, prefix.len }, prefix,
                       options->ignore_case) || path->data[prefix.len] != '/')
    {
        return 0;
    }

    path->data += prefix.len;
    path->len -= prefix.len;

    return 1;
}


static void
fuzz_check_match(const at_endpoint_list_t *list,
    const at_endpoint_list_options_t *options, at_str_t method, at_str_t path)
{
    int                   found;
    const at_endpoint_t  *match = at_endpoint_list_match(list, method, path);

    found = fuzz_strip(&path, options);

    if (found != -1) {
        fuzz_assert(match == (found ? linear_match(list, method, path,
                                                   options->ignore_case)
                                    : NULL));
    }
}


/* --- endpoints --------------------------------------------------------- */

/* cuts off a word; empty at the end of the line */
static at_str_t
fuzz_word(at_str_t *line)
{
    at_str_t  word;

    while (line->len && strchr(" \t", line->data[0])) {
        line->data++;
        line->len--;
    }

    word.data = line->data;
    word.len = 0;

    while (word.len < line->len && !strchr(" \t", word.data[word.len])) {
        word.len++;
    }

    line->data += word.len;
    line->len -= word.len;

    return (word.len && word.data[0] == '#') ? at_str("") : word;
}


static void
fuzz_check_row(const at_endpoint_t *endpoint, at_str_t line)
{
    at_str_t  scope;

    fuzz_assert(at_str_equal(fuzz_word(&line), linear_method(endpoint)));
    fuzz_assert(at_str_equal(fuzz_word(&line), linear_template(endpoint)));

    scope = fuzz_word(&line);
    fuzz_assert(at_str_equal(endpoint->scope,
                             scope.len ? scope : endpoint->id));
    fuzz_assert((endpoint->kind == AT_ENDPOINT_PUBLIC)
                == at_str_equal(scope, at_str("Public")));
    fuzz_assert((endpoint->kind == AT_ENDPOINT_AUTHENTICATED)
                == at_str_equal(scope, at_str("Authenticated")));
    fuzz_assert(endpoint->id.len == 40);
}


static void
fuzz_check_rows(const at_endpoint_list_t *list, at_str_t text)
{
    size_t    n = 0;
    unsigned  number;
    at_str_t  line, first;

    for (number = 1; text.len; number++) {
        line = linear_part(&text, '\n');

        if (line.len && line.data[line.len - 1] == '\r') {
            line.len--;
        }

        first = line;

        if (fuzz_word(&first).len) {
            fuzz_assert(n < list->n_endpoints);
            fuzz_assert(list->endpoints[n].line == number);
            fuzz_check_row(&list->endpoints[n++], line);
        }
    }

    fuzz_assert(n == list->n_endpoints && n > 0);
}


/* --- paths ----------------------------------------------------------- */

static int
fuzz_segment_is_plain(at_str_t segment)
{
    return segment.data[0] != ' ' && segment.data[segment.len - 1] != ' '
           && segment.data[segment.len - 1] != '.';
}


static int
fuzz_is_utf8(at_str_t text)
{
    size_t   i;
    json_t  *string = json_stringn(text.data, text.len);

    json_decref(string);

    for (i = 1; string && i < text.len; i++) {
        if (text.data[i - 1] == '\xc2'
            && (unsigned char) text.data[i] < 0xa0)
        {
            return 0;
        }
    }

    return string != NULL;
}


static int
fuzz_is_plain(at_str_t path)
{
    size_t    i;
    at_str_t  segment, next;

    if (path.len == 0 || path.data[0] != '/' || !fuzz_is_utf8(path)) {
        return 0;
    }

    for (i = 0; i < path.len; i++) {
        if (iscntrl((unsigned char) path.data[i])
            || memchr(";\\%?#", path.data[i], 5))
        {
            return 0;
        }
    }

    for (i = 0; linear_segment(path, i, &segment); i++) {
        if (segment.len ? !fuzz_segment_is_plain(segment)
                        : linear_segment(path, i + 1, &next))
        {
            return 0;
        }
    }

    return 1;
}


static int
fuzz_raw_is_plain(at_str_t raw)
{
    char    *decoded = fuzz_alloc(raw.len), digits[3] = "";
    size_t   i, len = 0;

    for (i = 0; i < raw.len; i++) {
        if (raw.data[i] != '%') {
            decoded[len++] = raw.data[i];
            continue;
        }

        if (raw.len - i < 3 || !isxdigit((unsigned char) raw.data[i + 1])
            || !isxdigit((unsigned char) raw.data[i + 2]))
        {
            return 0;
        }

        memcpy(digits, raw.data + i + 1, 2);
        decoded[len] = (char) strtol(digits, NULL, 16);

        if (isalnum((unsigned char) decoded[len])
            || memchr("-._~/", decoded[len], 5))
        {
            return 0;
        }

        len++;
        i += 2;
    }

    return fuzz_is_plain((at_str_t) { decoded, len });
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t                    flags, method, raw, path, text;
    at_error_t                  err;
    at_endpoint_list_t         *list;
    at_endpoint_list_options_t  options;

    options.prefix = fuzz_line(&data, &size);
    flags = linear_part(&options.prefix, ' ');
    options.ignore_case = flags.len == 1 && flags.data[0] == 'i';

    method = fuzz_line(&data, &size);
    raw = fuzz_line(&data, &size);
    path = fuzz_line(&data, &size);
    text = fuzz_copy(data, size);

    fuzz_assert(at_path_is_ambiguous(raw, path)
                == !(fuzz_is_plain(path) && fuzz_raw_is_plain(raw)));

    err.text[0] = '\0';
    list = at_endpoint_list_parse(text, &options, &err);
    fuzz_assert((list == NULL) == (err.text[0] != '\0'));

    if (list) {
        fuzz_check_rows(list, text);
        fuzz_check_match(list, &options, method, path);
    }

    at_endpoint_list_free(list);

    return fuzz_end();
}
