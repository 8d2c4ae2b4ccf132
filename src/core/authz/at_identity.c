/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "core/authz/at_identity.h"


/* with fewer scopes a linear search is as fast */
#define AT_IDENTITY_SORT_MIN  8


void
at_identity_release(at_identity_t *identity)
{
    size_t  i;

    at_scopes_free(&identity->rights.scopes);
    at_scopes_free(&identity->rights.owner_scopes);
    at_claims_free(identity->claims);

    free((void *) (uintptr_t) identity->role_storage.grant);
    free((void *) (uintptr_t) identity->role_storage.deny);
    free((void *) (uintptr_t) identity->role_storage.blocked);

    for (i = 0; i < identity->n_copies; i++) {
        free(identity->copies[i]);
    }

    memset(identity, 0, sizeof(at_identity_t));
}


at_str_t
at_identity_dup(at_identity_t *identity, at_str_t bytes)
{
    void  *copy;

    copy = identity->n_copies < AT_IDENTITY_COPIES ? malloc(bytes.len) : NULL;

    if (copy == NULL) {
        return (at_str_t) { NULL, 0 };
    }

    memcpy(copy, bytes.data, bytes.len);
    identity->copies[identity->n_copies++] = copy;

    return (at_str_t) { copy, bytes.len };
}


int
at_identity_has_ranges(const at_identity_t *identity)
{
    return identity->ranges.n != 0 || identity->range_set != NULL;
}


int
at_identity_allows_address(const at_identity_t *identity,
    const at_addr_t *addr)
{
    return identity->range_set != NULL
           ? at_cidr_set_match(identity->range_set, addr)
           : at_list_match_addr(identity->ranges, addr);
}


/*
 * A block has the identity and arrays at its beginning, and strings at its
 * end.  The same functions compute the size and fill the block, so that the
 * two cannot differ.
 */
typedef struct {
    char    *array;             /* the next array; NULL: compute the size */
    char    *bytes;             /* the string that was added last */
    size_t   size;
} at_block_t;


static void
at_identity_pack_text(at_block_t *block, at_str_t *text)
{
    block->size += text->len;

    if (text->len == 0) {
        text->data = NULL;
        return;
    }

    if (block->array != NULL) {
        block->bytes -= text->len;
        memcpy(block->bytes, text->data, text->len);
        text->data = block->bytes;
    }
}


static void *
at_identity_pack_array(at_block_t *block, size_t size)
{
    void  *array;

    size = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    block->size += size;

    array = block->array;

    if (block->array != NULL) {
        block->array += size;
    }

    return array;
}


static void
at_identity_pack_texts(at_block_t *block, const at_str_t **texts, size_t n)
{
    size_t     i;
    at_str_t   text, *array;

    array = at_identity_pack_array(block, n * sizeof(at_str_t));

    for (i = 0; i < n; i++) {
        text = (*texts)[i];
        at_identity_pack_text(block, &text);

        if (array != NULL) {
            array[i] = text;
        }
    }

    *texts = n ? array : NULL;
}


static void
at_identity_pack_scopes(at_block_t *block, at_scopes_t *scopes)
{
    at_str_t  *sorted;

    at_identity_pack_texts(block, &scopes->items, scopes->n);
    sorted = NULL;

    if (scopes->n > AT_IDENTITY_SORT_MIN) {
        sorted = at_identity_pack_array(block, scopes->n * sizeof(at_str_t));
    }

    scopes->sorted = sorted;

    if (sorted != NULL) {
        memcpy(sorted, scopes->items, scopes->n * sizeof(at_str_t));
        at_scopes_sort(sorted, scopes->n);
    }
}


/* the subject often is a view of the user or of the client */
static void
at_identity_pack_names(at_block_t *block, at_identity_t *copy)
{
    at_str_t  user, client;

    user = copy->user;
    client = copy->client;

    at_identity_pack_text(block, &copy->user);
    at_identity_pack_text(block, &copy->client);
    at_identity_pack_text(block, &copy->role);

    if (copy->subject.data == client.data && copy->subject.len == client.len) {
        copy->subject = copy->client;

    } else if (copy->subject.data == user.data
               && copy->subject.len == user.len)
    {
        copy->subject = copy->user;

    } else {
        at_identity_pack_text(block, &copy->subject);
    }
}


static void
at_identity_pack_ranges(at_block_t *block, at_identity_t *copy)
{
    at_list_t       list;
    at_cidr_set_t  *set;

    list = copy->ranges;
    copy->ranges = (at_list_t) { 0 };

    if (list.n == 0) {
        return;
    }

    set = at_identity_pack_array(block, at_cidr_set_size(list.n));

    if (set == NULL) {
        return;
    }

    set->n = 0;

    while (at_list_next_range(&list, &set->ranges[set->n])) {
        set->n++;
    }

    at_cidr_set_sort(set);
    copy->range_set = set;
}


/* makes all pointers of copy refer to the block */
static void
at_identity_pack(at_block_t *block, at_identity_t *copy)
{
    at_role_t  *role;

    role = &copy->role_storage;

    at_identity_pack_scopes(block, &copy->rights.scopes);
    at_identity_pack_scopes(block, &copy->rights.owner_scopes);
    at_identity_pack_texts(block, &role->grant, role->n_grant);
    at_identity_pack_texts(block, &role->deny, role->n_deny);
    at_identity_pack_texts(block, &role->blocked, role->n_blocked);
    at_identity_pack_ranges(block, copy);
    at_identity_pack_names(block, copy);
}


size_t
at_identity_size(const at_identity_t *identity)
{
    at_block_t     block = { 0 };
    at_identity_t  copy;

    copy = *identity;
    at_identity_pack(&block, &copy);

    return sizeof(at_identity_t) + block.size;
}


at_identity_t *
at_identity_copy(void *memory, size_t size, const at_identity_t *identity)
{
    at_block_t      block;
    at_identity_t  *copy;

    /* a packed copy has a range_set in place of the list of ranges */
    if (identity->range_set != NULL) {
        return NULL;
    }

    copy = memory;
    *copy = *identity;

    block.array = (char *) memory + sizeof(at_identity_t);
    block.bytes = (char *) memory + size;
    block.size = 0;

    at_identity_pack(&block, copy);

    if (identity->rights.role == &identity->role_storage) {
        copy->rights.role = &copy->role_storage;
    }

    copy->claims = NULL;
    copy->n_copies = 0;
    memset(copy->copies, 0, sizeof(copy->copies));

    return copy;
}
