/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Paths that an upstream may read otherwise than nginx.
 *
 * Requirements: path-spellings, path-ambiguous, path-merge-slashes.
 */

#include <ctype.h>

#include "core/authz/at_path.h"
#include "tap.h"


static void
test_ambiguous(void)
{
    size_t       i;
    const char  *normalized;

    /* normalized is NULL: the same as raw */
    static const struct {
        const char *raw, *normalized; int ambiguous;
    } cases[] = {
        { "/", NULL, 0 }, { "/admin", NULL, 0 }, { "/ADMIN", NULL, 0 },
        { "/admin/", NULL, 0 }, { "/a/b-c_d~e.f/0", NULL, 0 },
        { "/.well-known/..x/.y", NULL, 0 }, { "/a..b/v1.0", NULL, 0 },
        { "/!$&'()*+,=:@", NULL, 0 }, { "/\"<>[]^`{|}", NULL, 0 },
        { "/\xc3\xa9", NULL, 0 }, { "/a%20b", "/a b", 0 },
        { "/a%40b%3ac%3Ad%2C", "/a@b:c:d,", 0 },
        { "/%C3%A9%c3%a9", "/\xc3\xa9\xc3\xa9", 0 },
        { "/%f0%9f%94%91", "/\xf0\x9f\x94\x91", 0 },
        { "/%28%5b%7B%22%3c%7c%5E", "/([{\"<|^", 0 },

        /* nginx normalizes these */
        { "//admin", "/admin", 1 }, { "/x/../admin", "/admin", 1 },
        { "/x/%2e%2e/admin", "/admin", 1 }, { "/x/..%2fadmin", "/admin", 1 },
        { "/x%2f..%2fadmin", "/admin", 1 }, { "/%61dmin", "/admin", 1 },
        { "/./admin", "/admin", 1 }, { "/%2fadmin", "/admin", 1 },
        { "/x/.%2e/admin", "/admin", 1 }, { "/x/%2E./admin", "/admin", 1 },
        { "/admin/%2e", "/admin/", 1 }, { "/%2e/admin", "/admin", 1 },
        { "/admin/x/..", "/admin/", 1 }, { "/admin#f", "/admin", 1 },
        { "/admin?x", "/admin", 1 }, { "/admin/.", "/admin/", 1 },
        { "/admin/..", "/", 1 }, { "http://other/admin", "/admin", 1 },

        /* nginx keeps these, and upstreams differ */
        { "/x/..;/admin", NULL, 1 }, { "/admin;x=1", NULL, 1 },
        { "/admin;", NULL, 1 }, { "/;/admin", NULL, 1 },
        { "/%5cadmin", "/\\admin", 1 }, { "/%252fadmin", "/%2fadmin", 1 },
        { "/admin%2e", "/admin.", 1 }, { "/admin..", NULL, 1 },
        { "/admin%01", "/admin\x01", 1 }, { "/admin%0d%0a", "/admin\r\n", 1 },
        { "/admin%e0%80%80", "/admin\xe0\x80\x80", 1 },
        { "/admin%3bx", "/admin;x", 1 }, { "/x\\..\\admin", NULL, 1 },
        { "/admin%5c..", "/admin\\..", 1 },
        { "/x/%252e%252e/admin", "/x/%2e%2e/admin", 1 },
        { "/%c0%ae%c0%ae/admin", "/\xc0\xae\xc0\xae/admin", 1 },
        { "/admin%20", "/admin ", 1 }, { "/admin.", NULL, 1 },
        { "/admin...", NULL, 1 }, { "/admin./x", NULL, 1 },
        { "/.../x", NULL, 1 }, { "/admin%ff", "/admin\xff", 1 },
        { "/admin%2500", "/admin%00", 1 }, { "/exact%0a", "/exact\n", 1 },
        { "/admin%09", "/admin\t", 1 }, { "/admin%7f", "/admin\x7f", 1 },
        { "/admin%3fx", "/admin?x", 1 }, { "/admin%23x", "/admin#x", 1 },
        { "/a%20/b", "/a /b", 1 }, { "/a/%20b", "/a/ b", 1 },
        { "/%20", "/ ", 1 }, { "/a/%20/b", "/a/ /b", 1 },

        /* merge_slashes off */
        { "//admin", NULL, 1 }, { "/admin//", NULL, 1 }, { "/a//b", NULL, 1 },
        { "//", NULL, 1 },

        /* invalid or unnecessary percent-encodings */
        { "/%", NULL, 1 }, { "/%4", NULL, 1 }, { "/a%4", "/a", 1 },
        { "/%4g", "/x", 1 }, { "/%g4", "/x", 1 }, { "/%/0", "/x", 1 },
        { "/%:0", "/x", 1 }, { "/%0/", "/x", 1 }, { "/%+4", "/x", 1 },
        { "/%%34", "/x", 1 }, { "/%u0041", "/A", 1 }, { "/%2D", "/-", 1 },
        { "/%5f", "/_", 1 }, { "/%7E", "/~", 1 }, { "/%30", "/0", 1 },
        { "/%5A", "/Z", 1 }, { "/%2F", "/", 1 }, { "/%25", "/%", 1 },

        /* RFC 3629 */
        { "/\x80", NULL, 1 }, { "/\xbf", NULL, 1 }, { "/\xc2", NULL, 1 },
        { "/\xc2/", NULL, 1 }, { "/\xc2x", NULL, 1 }, { "/\xc2\x80", NULL, 1 },
        { "/\xc2\x9f", NULL, 1 }, { "/\xc2\xa0", NULL, 0 },
        { "/\xc2\xc2", NULL, 1 }, { "/\xc1\xbf", NULL, 1 },
        { "/\xdf\xbf", NULL, 0 }, { "/\xe0\x9f\xbf", NULL, 1 },
        { "/\xe0\xa0\x80", NULL, 0 }, { "/\xe0\xa0", NULL, 1 },
        { "/\xed\x9f\xbf", NULL, 0 }, { "/\xed\xa0\x80", NULL, 1 },
        { "/\xed\xbf\xbf", NULL, 1 }, { "/\xee\x80\x80", NULL, 0 },
        { "/\xef\xbf\xbf", NULL, 0 }, { "/\xf0\x8f\xbf\xbf", NULL, 1 },
        { "/\xf0\x90\x80\x80", NULL, 0 }, { "/\xf4\x8f\xbf\xbf", NULL, 0 },
        { "/\xf4\x90\x80\x80", NULL, 1 }, { "/\xf7\xbf\xbf\xbf", NULL, 1 },
        { "/\xf8\x88\x80\x80\x80", NULL, 1 }, { "/\xf8\x90\x80\x80", NULL, 1 },
        { "/\xfb\x90\x80\x80", NULL, 1 }, { "/\xbf\xbf", NULL, 1 },
        { "/\x82\xa0", NULL, 1 }, { "/\xff", NULL, 1 },
        { "/%c3\xa9", "/\xc3\xa9", 0 }, { "/%c3x", "/\xc3x", 1 },
        { "/\xc3/\xa9", NULL, 1 },

        /* a rewritten path must be plain, too */
        { "/v2/users", "/users", 0 }, { "/v2/a%20b", "/x/a b", 0 },
        { "/v2//users", "/users", 1 }, { "/users", "/v2//users", 1 },
        { "/users", "/../users", 1 }, { "/users", "/a%20b", 1 },
        { "/users", "", 1 }, { "/users", "users", 1 }, { "", "/users", 1 },
        { "", "", 1 }, { "*", "*", 1 }, { "users", "/users", 1 },
    };

    for (i = 0; i < N(cases); i++) {
        normalized = cases[i].normalized ? cases[i].normalized : cases[i].raw;

        is_int(at_path_is_ambiguous(str(cases[i].raw), str(normalized)),
               cases[i].ambiguous, "'%s' is %s", cases[i].raw,
               cases[i].ambiguous ? "ambiguous" : "plain");
    }

    ok(at_path_is_ambiguous((at_str_t) { NULL, 0 }, (at_str_t) { NULL, 0 }),
       "an empty path is ambiguous");
    ok(at_path_is_ambiguous((at_str_t) { "/a%00", 5 },
                            (at_str_t) { "/a\0", 3 })
       && at_path_is_ambiguous((at_str_t) { "/a\0b", 4 },
                               (at_str_t) { "/a\0b", 4 }),
       "a NUL byte is ambiguous");
}


static void
test_bytes(void)
{
    char      encoded[16], raw[4];
    unsigned  c, ambiguous, wrong = 0;

    for (c = 0; c < 256; c++) {
        raw[0] = '/';
        raw[1] = 'a';
        raw[2] = (char) c;
        raw[3] = 'b';

        ambiguous = c < 32 || c >= 127 || memchr(";\\%?#", (int) c, 5) != NULL;
        wrong += (unsigned) at_path_is_ambiguous((at_str_t) { raw, 4 },
                                                 (at_str_t) { raw, 4
                                                              }) != ambiguous;

        ambiguous |= isalnum((int) c) || memchr("-._~/", (int) c, 5) != NULL;

        (void) snprintf(encoded, sizeof(encoded), "/a%%%02xb", c);
        wrong += (unsigned) at_path_is_ambiguous(str(encoded),
                                                 (at_str_t) { raw, 4 })
                 != ambiguous;

        (void) snprintf(encoded, sizeof(encoded), "/a%%%02Xb", c);
        wrong += (unsigned) at_path_is_ambiguous(str(encoded),
                                                 (at_str_t) { raw, 4 })
                 != ambiguous;
    }

    is_int(wrong, 0, "256 bytes, literal and encoded in both cases of digits");
}


int
main(void)
{
    test_ambiguous();
    test_bytes();

    return tap_done();
}
