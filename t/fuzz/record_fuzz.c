/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An accepted record is encoded again to the same bytes.
 */

#include "core/authz/at_record.h"
#include "fuzz.h"


static void
fuzz_check_list(at_list_t list, at_str_t bytes)
{
    at_str_t  text;

    while (at_list_next(&list, &text)) {
        fuzz_assert(fuzz_is_within(text, bytes));
    }

    fuzz_assert(list.n == 0 && list.len == 0);
}


static void
fuzz_check_ranges(at_list_t list)
{
    size_t     n, all;
    at_addr_t  addr = { 0 };
    at_cidr_t  cidr;
    at_list_t  rest;

    all = list.n;
    rest = list;
    addr.len = 4;
    (void) at_list_match_addr(list, &addr);
    addr.len = 16;
    (void) at_list_match_addr(list, &addr);

    for (n = 0; at_list_next_range(&rest, &cidr); n++) {
        fuzz_assert(cidr.addr.len == 4 || cidr.addr.len == 16);
        fuzz_assert(cidr.bits <= 8 * cidr.addr.len);
    }

    fuzz_assert(n == all);
}


static void
fuzz_same(at_bytes_t *again, int rc, at_str_t bytes)
{
    fuzz_assert(rc == 0 && again->len == bytes.len
                && memcmp(again->data, bytes.data, bytes.len) == 0);
    at_bytes_free(again);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at_str_t            bytes = fuzz_copy(data, size);
    at_bytes_t          again = { 0 };
    at_user_record_t    user;
    at_role_record_t    role;
    at_token_record_t   token;
    at_client_record_t  client;

    if (at_token_decode(&token, bytes) == 0) {
        fuzz_check_list(token.scopes, bytes);
        fuzz_check_ranges(token.ranges);
        fuzz_same(&again, at_token_encode(&again, &token), bytes);
    }

    if (at_client_decode(&client, bytes) == 0) {
        fuzz_check_list(client.issuers, bytes);
        fuzz_check_list(client.secrets, bytes);
        fuzz_check_ranges(client.ranges);
        fuzz_same(&again, at_client_encode(&again, &client), bytes);
    }

    if (at_user_decode(&user, bytes) == 0) {
        fuzz_check_list(user.scopes, bytes);
        fuzz_check_list(user.issuers, bytes);
        fuzz_same(&again, at_user_encode(&again, &user), bytes);
    }

    if (at_role_decode(&role, bytes) == 0) {
        fuzz_check_list(role.grant, bytes);
        fuzz_check_list(role.deny, bytes);
        fuzz_check_list(role.blocked, bytes);
        fuzz_same(&again, at_role_encode(&again, &role), bytes);
    }

    return fuzz_end();
}
