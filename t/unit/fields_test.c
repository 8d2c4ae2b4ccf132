/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Fields of request bodies, and Basic credentials.
 *
 * Requirements: login-request, basic-syntax, bearer-scheme,
 *   authorization-syntax.
 */

#include "core/json/at_fields.h"
#include "core/base/at_header.h"
#include "tap.h"


static const at_str_t  names[] = { at_str("username"), at_str("password") };


static at_fields_e
from_json(at_str_t text, at_str_t values[2])
{
    static char  buf[8192];

    return at_fields_from_json(values, names, 2, text, buf);
}


static void
test_json(void)
{
    size_t    i;
    at_str_t  values[2];

    static const char *const  bad[] = {
        "", " ", "null", "true", "7", "\"x\"", "[]",
        "{\"username\":\"a\"}", "{\"password\":\"a\"}",
        "{\"username\":\"a\",\"password\":\"b\",\"c\":\"d\"}",
        "{\"username\":\"a\",\"username\":\"b\"}",
        "{\"username\":\"a\",\"password\":\"b\",\"password\":\"b\"}",
        "{\"username\":\"a\",\"\\u0070assword\":\"b\",\"password\":\"b\"}",
        "{\"username\":1,\"password\":\"b\"}",
        "{\"username\":[\"a\"],\"password\":\"b\"}",
        "{\"username\":{},\"password\":\"b\"}",
        "{\"username\":null,\"password\":\"b\"}",
        "{\"Username\":\"a\",\"password\":\"b\"}",
        "{\"username\":\"a\\u0000\",\"password\":\"b\"}",
        "{\"username\":\"\xff\",\"password\":\"b\"}",
        "{\"username\":\"a\",\"password\":\"b\"} x",
        "{\"username\":\"a\",\"password\":\"b\"}{}",
        "{\"username\":\"a\",\"password\":\"b\"",
        "{'username':'a','password':'b'}"
    };

    is_int(from_json(at_str("{\"username\":\"jane\",\"password\":\"x\"}"),
                     values), AT_FIELDS_OK, "two members");
    is_bytes(values[0], at_str("jane"), "the first value");
    is_bytes(values[1], at_str("x"), "the second value");

    is_int(from_json(at_str(" { \"password\" : \"\\u20ac\\\"\" , "
                            "\"username\":\"\"} "), values), AT_FIELDS_OK,
           "members in the other order, with white space");
    is_bytes(values[0], at_str(""), "an empty string");
    is_bytes(values[1], at_str("\xe2\x82\xac\""), "escapes");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(from_json(str(bad[i]), values), AT_FIELDS_INVALID, "%s",
               bad[i]);
    }

    is_int(from_json(at_str("{\"username\":\"a\",\"password\":\"b\"}\0"),
                     values), AT_FIELDS_INVALID, "a trailing NUL");
}


static void
test_form(void)
{
    char      buf[256];
    size_t    i;
    at_str_t  values[2];

    static const char *const  bad[] = {
        "username=a&username=b", "username=&username=", "username=%",
        "username=%4", "username=%4x", "username=%00", "username=%0a",
        "username=%7f", "username=a b", "username=\xc3\xa4", "%zz=x",
        "user%6eame=a&username=b", "username=a\n", "\x01=x"
    };

    is_int(at_fields_from_form(values, names, 2,
                               at_str("username=a+b%26%c3%a4&x=y"
                                      "&password=c=d"),
                               buf), AT_FIELDS_OK, "a form");
    is_bytes(values[0], at_str("a b&\xc3\xa4"), "a value is decoded");
    is_bytes(values[1], at_str("c=d"), "a value with an equals sign");

    is_int(at_fields_from_form(values, names, 2, at_str("user%6eame=a&&=&x"),
                               buf), AT_FIELDS_OK, "an encoded name");
    is_bytes(values[0], at_str("a"), "the value of an encoded name");
    ok(values[1].data == NULL && values[1].len == 0,
       "a missing name has no value");

    is_int(at_fields_from_form(values, names, 2, at_str(""), buf),
           AT_FIELDS_OK, "an empty form");
    ok(values[0].data == NULL, "an empty form has no values");

    is_int(at_fields_from_form(values, names, 2,
                               (at_str_t) { "username=%41", 11 }, buf),
           AT_FIELDS_INVALID, "an escape whose last digit is cut off");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(at_fields_from_form(values, names, 2, str(bad[i]), buf),
               AT_FIELDS_INVALID, "a bad form: %s", bad[i]);
    }
}


static int
basic(at_str_t value, at_str_t *credential)
{
    return at_header_credential(value, at_str("Basic"), credential);
}


static void
test_basic(void)
{
    char      buf[64];
    size_t    i;
    at_str_t  text, user, password;

    static const char *const  bad[] = {
        "", "=", "====", "dTpw=", "dTpw====", "dTp", "dTpwIA", "dTpwIA=",
        "dTpwIB==", "dT pw", "!!!!", "amFuZQ==", "Og==", "OnA=", "dToB",
        "dTp_", "dTo-", "dT==pw==", "AHU6cA=="
    };

    is_int(basic(at_str("Basic dTpw"), &text), 1, "Basic");
    is_bytes(text, at_str("dTpw"), "the credential of Basic");
    is_int(at_header_basic_decode(text, buf, &user, &password), 0, "dTpw");
    is_bytes(user, at_str("u"), "the user name");
    is_bytes(password, at_str("p"), "the password");

    is_int(at_header_basic_decode(at_str("dTpwOnE6"), buf, &user, &password),
           0, "colons");
    is_bytes(password, at_str("p:q:"),
             "further colons belong to the password");
    is_int(at_header_basic_decode(at_str("dTo="), buf, &user, &password), 0,
           "an empty password");
    is_int(password.len, 0, "the password is empty");

    is_int(basic(at_str("bAsIc  x"), &text), 1, "the scheme in any case");
    is_bytes(text, at_str("x"), "a credential after two spaces");
    is_int(basic(at_str("Basic"), &text), 1, "alone");
    is_int(text.len, 0, "a scheme without credential");
    is_int(basic(at_str("Basic\tdTpw"), &text), 1, "a tab instead of a space");
    is_int(text.len, 0, "after a tab the credential is empty");
    is_int(basic(at_str("Basicx dTpw"), &text), 0, "a longer scheme");
    is_int(basic(at_str("Bearer dTpw"), &text), 0, "another scheme");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(at_header_basic_decode(str(bad[i]), buf, &user, &password), -1,
               "bad: \"%s\"", bad[i]);
    }
}


int
main(void)
{
    RUN(test_json, test_form, test_basic);

    return tap_done();
}
