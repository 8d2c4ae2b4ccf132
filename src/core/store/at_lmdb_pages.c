/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/at_lmdb_pages.h"


/* flags of a tree; all except AT_LMDB_INTEGER_KEY are of duplicate keys */
#define AT_LMDB_TREE_FLAGS   0x7e
#define AT_LMDB_INTEGER_KEY  0x08


typedef struct {
    int              fd;
    unsigned         page_size;
    uint64_t         last_page;
    unsigned char   *used;          /* a bit for each page */
    uint64_t         page;          /* that is being checked */
    const char      *problem;       /* of the page */
    int              error;         /* errno if it cannot be read */
} at_verify_t;

typedef enum {
    AT_TREE_FREE_PAGES = 0,
    AT_TREE_MAIN,
    AT_TREE_TABLE
} at_tree_kind_e;

typedef struct {
    at_tree_kind_e   kind;
    unsigned         depth;         /* of its leaves */
    at_lmdb_tree_t   found;         /* pages and entries, counted */
    unsigned char    key[AT_LMDB_KEY_MAX];  /* the last one */
    size_t           key_len;       /* 0: none yet */
    int              key_is_separator;
} at_walk_t;


static int  at_verify_tree(at_verify_t *v, const at_lmdb_tree_t *tree,
    at_tree_kind_e kind);


static int
at_verify_fail(at_verify_t *v, const char *problem)
{
    v->problem = problem;

    return -1;
}


/* --- pages --------------------------------------------------------------- */


static int
at_verify_read(at_verify_t *v, void *buf, size_t len, uint64_t page)
{
    ssize_t  n;

    n = pread(v->fd, buf, len, (off_t) (page * v->page_size));

    if (n == (ssize_t) len) {
        return 0;
    }

    v->error = n == -1 ? errno : 0;

    return at_verify_fail(v, "it is beyond the end of the file");
}


/* each page has one use, in one tree or as a free page: trees have no loops */
static int
at_verify_use(at_verify_t *v, uint64_t page, uint64_t n)
{
    for ( /* void */ ; n != 0; n--, page++) {
        if (page < 2 || page > v->last_page) {
            return at_verify_fail(v, "a page number is out of range");
        }

        if (v->used[page / 8] & 1u << page % 8) {
            return at_verify_fail(v, "a page is used twice");
        }

        v->used[page / 8] |= (unsigned char) (1u << page % 8);
    }

    return 0;
}


/* --- nodes --------------------------------------------------------------- */


/*
 * The key of a leaf, or of a branch: a separator, which is greater than all
 * keys before it and not greater than the next one.
 */
static int
at_verify_key(at_verify_t *v, at_walk_t *walk, const unsigned char *key,
    size_t len, int is_separator)
{
    int       rc;
    uint64_t  txnid;

    if (walk->kind == AT_TREE_FREE_PAGES) {
        if (len != sizeof(txnid)) {
            return at_verify_fail(v, "a key has a wrong length");
        }

        memcpy(&txnid, key, sizeof(txnid));
        txnid = htobe64(txnid);
        key = (const unsigned char *) &txnid;
    }

    if (len == 0 || len > AT_LMDB_KEY_MAX) {
        return at_verify_fail(v, "a key has a wrong length");
    }

    rc = memcmp(key, walk->key, len < walk->key_len ? len : walk->key_len);

    if (rc == 0) {
        rc = (len > walk->key_len) - (len < walk->key_len);
    }

    if (rc < 0 || (rc == 0 && !walk->key_is_separator)) {
        return at_verify_fail(v, "the keys are not in order");
    }

    memcpy(walk->key, key, len);
    walk->key_len = len;
    walk->key_is_separator = is_separator;

    return 0;
}


/*
 * A list of free pages: its length, then page numbers in descending order.
 * LMDB merges such lists, and takes adjacent pages from them for large values.
 */
static int
at_verify_free_pages(at_verify_t *v, const unsigned char *data, size_t len)
{
    uint64_t  n, page, last;

    if (len < sizeof(n)) {
        return at_verify_fail(v, "a list of free pages is too short");
    }

    memcpy(&n, data, sizeof(n));

    if (n > len / sizeof(n) - 1) {
        return at_verify_fail(v, "a list of free pages is too short");
    }

    for (last = UINT64_MAX; n != 0; n--, last = page) {
        data += sizeof(page);
        memcpy(&page, data, sizeof(page));

        if (page >= last) {
            return at_verify_fail(v, "a list of free pages is not in order");
        }

        if (at_verify_use(v, page, 1) != 0) {
            return -1;
        }
    }

    return 0;
}


/* a value of len bytes in overflow pages */
static int
at_verify_large(at_verify_t *v, at_walk_t *walk, uint64_t number, size_t len)
{
    int              rc;
    uint32_t         n;
    unsigned char   *data;
    at_lmdb_page_t   page;

    v->page = number;

    if (at_verify_use(v, number, 1) != 0
        || at_verify_read(v, &page, sizeof(page), number) != 0)
    {
        return -1;
    }

    n = page.lower | (uint32_t) page.upper << 16;

    if (page.number != number || page.flags != AT_LMDB_OVERFLOW || n == 0
        || (uint64_t) n * v->page_size < len + sizeof(page))
    {
        return at_verify_fail(v, "its header is damaged");
    }

    walk->found.overflow_pages += n;

    if (at_verify_use(v, number + 1, n - 1) != 0) {
        return -1;
    }

    if (walk->kind != AT_TREE_FREE_PAGES) {
        return 0;
    }

    data = malloc(len + sizeof(page));

    if (data == NULL) {
        v->error = ENOMEM;
        return -1;
    }

    rc = at_verify_read(v, data, len + sizeof(page), number);

    if (rc == 0) {
        rc = at_verify_free_pages(v, data + sizeof(page), len);
    }

    free(data);

    return rc;
}


static int
at_verify_value(at_verify_t *v, at_walk_t *walk, const at_lmdb_node_t *node,
    const unsigned char *value)
{
    size_t          len;
    uint64_t        number;
    at_lmdb_tree_t  tree;

    len = node->low | (size_t) node->high << 16;

    switch (node->flags) {

    case AT_LMDB_NODE_LARGE:
        memcpy(&number, value, sizeof(number));
        return at_verify_large(v, walk, number, len);

    case AT_LMDB_NODE_TREE:
        if (walk->kind != AT_TREE_MAIN || len != sizeof(tree)) {
            return at_verify_fail(v, "a value is a table");
        }

        memcpy(&tree, value, sizeof(tree));
        return at_verify_tree(v, &tree, AT_TREE_TABLE);

    default:
        return walk->kind == AT_TREE_FREE_PAGES
               ? at_verify_free_pages(v, value, len) : 0;
    }
}


/* --- trees --------------------------------------------------------------- */


static int  at_verify_page(at_verify_t *v, at_walk_t *walk, uint64_t number,
    unsigned depth);


/* node i of a page, whose nodes begin at page->upper */
static int
at_verify_node(at_verify_t *v, at_walk_t *walk, const unsigned char *bytes,
    unsigned i, unsigned depth, size_t *total)
{
    int              is_leaf, rc;
    size_t           size;
    uint16_t         offset;
    uint64_t         number;
    at_lmdb_node_t   node;
    at_lmdb_page_t   page;

    memcpy(&page, bytes, sizeof(page));
    memcpy(&offset, bytes + sizeof(page) + i * sizeof(offset), sizeof(offset));

    if (offset < page.upper || offset % 2 != 0
        || offset + sizeof(node) > v->page_size)
    {
        return at_verify_fail(v, "the offset of a node is out of range");
    }

    is_leaf = page.flags == AT_LMDB_LEAF;
    memcpy(&node, bytes + offset, sizeof(node));
    size = sizeof(node) + node.key_len;

    if (is_leaf) {
        if (node.flags > AT_LMDB_NODE_TREE) {
            return at_verify_fail(v, "a node has unknown flags");
        }

        size += node.flags == AT_LMDB_NODE_LARGE
                ? sizeof(number) : node.low | (size_t) node.high << 16;
    }

    /* LMDB stores at least two nodes in a page */
    if (size > (v->page_size - sizeof(page)) / 2
        || offset + size > v->page_size)
    {
        return at_verify_fail(v, "a node is too large");
    }

    *total += (size + 1) & ~(size_t) 1;
    bytes += offset + sizeof(node);

    /* the first key of a branch is not used */
    rc = is_leaf || i != 0
         ? at_verify_key(v, walk, bytes, node.key_len, !is_leaf) : 0;

    if (rc != 0) {
        return -1;
    }

    if (is_leaf) {
        walk->found.entries++;
        return at_verify_value(v, walk, &node, bytes + node.key_len);
    }

    number = node.low | (uint64_t) node.high << 16
             | (uint64_t) node.flags << 32;

    return at_verify_page(v, walk, number, depth + 1);
}


static int
at_verify_page(at_verify_t *v, at_walk_t *walk, uint64_t number,
    unsigned depth)
{
    int              rc, is_leaf;
    size_t           total;
    unsigned         i, n;
    unsigned char   *bytes;
    at_lmdb_page_t   page;

    n = 0;
    page = (at_lmdb_page_t) { 0 };
    v->page = number;
    bytes = malloc(v->page_size);

    if (bytes == NULL) {
        v->error = ENOMEM;
        return -1;
    }

    rc = at_verify_use(v, number, 1);

    if (rc == 0) {
        rc = at_verify_read(v, bytes, v->page_size, number);
    }

    if (rc == 0) {
        memcpy(&page, bytes, sizeof(page));

        is_leaf = depth == walk->depth;
        n = (page.lower - (unsigned) sizeof(page)) / 2;

        walk->found.leaf_pages += is_leaf;
        walk->found.branch_pages += !is_leaf;

        if (page.number != number
            || page.flags != (is_leaf ? AT_LMDB_LEAF : AT_LMDB_BRANCH)
            || page.lower % 2 != 0 || page.lower <= sizeof(page)
            || page.lower > page.upper || page.upper > v->page_size
            /* LMDB asserts this */
            || (!is_leaf && n == 1 && walk->kind != AT_TREE_FREE_PAGES))
        {
            rc = at_verify_fail(v, "its header is damaged");
        }
    }

    for (i = 0, total = 0; rc == 0 && i < n; i++) {
        v->page = number;
        rc = at_verify_node(v, walk, bytes, i, depth, &total);
    }

    /* otherwise nodes overlap, and LMDB changes both */
    if (rc == 0 && total != v->page_size - page.upper) {
        v->page = number;
        rc = at_verify_fail(v, "the size of its nodes is wrong");
    }

    free(bytes);

    return rc;
}


static int
at_verify_tree(at_verify_t *v, const at_lmdb_tree_t *tree, at_tree_kind_e kind)
{
    uint64_t   page;
    at_walk_t  walk;

    memset(&walk, 0, sizeof(walk));
    walk.kind = kind;
    walk.depth = tree->depth;

    page = v->page;

    if ((tree->flags & AT_LMDB_TREE_FLAGS)
        != (kind == AT_TREE_FREE_PAGES ? AT_LMDB_INTEGER_KEY : 0)
        || tree->depth > AT_LMDB_DEPTH_MAX
        || (tree->depth == 0) != (tree->root == AT_LMDB_NO_PAGE))
    {
        return at_verify_fail(v, "the root of a tree is damaged");
    }

    if (tree->depth != 0 && at_verify_page(v, &walk, tree->root, 1) != 0) {
        return -1;
    }

    v->page = page;

    /* a page of an earlier transaction is sound, but has other records */
    return walk.found.branch_pages == tree->branch_pages
           && walk.found.leaf_pages == tree->leaf_pages
           && walk.found.overflow_pages == tree->overflow_pages
           && walk.found.entries == tree->entries
           ? 0 : at_verify_fail(v, "a tree is incomplete");
}


static int
at_verify_meta_headers(at_verify_t *v)
{
    at_lmdb_page_t  page;

    for (v->page = 0; v->page < 2; v->page++) {
        if (at_verify_read(v, &page, sizeof(page), v->page) != 0) {
            return -1;
        }

        if (page.number != v->page || page.flags != AT_LMDB_META) {
            return at_verify_fail(v, "its header is damaged");
        }
    }

    return 0;
}


int
at_lmdb_check_pages(int fd, const at_lmdb_meta_t *meta,
    at_lmdb_fault_t *fault)
{
    int          rc;
    at_verify_t  v;

    memset(&v, 0, sizeof(v));
    v.fd = fd;
    v.page_size = meta->free_pages.pad;
    v.last_page = meta->last_page;
    v.used = calloc(1, v.last_page / 8 + 1);

    if (v.used == NULL) {
        *fault = (at_lmdb_fault_t) { 0, NULL, ENOMEM };
        return -1;
    }

    /* the order of the trees is not that of the file */
    (void) posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);

    rc = at_verify_meta_headers(&v);
    v.page = rc == 0 ? meta->txnid % 2 : v.page;

    if (rc == 0) {
        rc = at_verify_tree(&v, &meta->free_pages, AT_TREE_FREE_PAGES);
    }

    if (rc == 0) {
        rc = at_verify_tree(&v, &meta->main, AT_TREE_MAIN);
    }

    free(v.used);
    *fault = (at_lmdb_fault_t) { v.page, v.problem, v.error };

    return rc;
}
