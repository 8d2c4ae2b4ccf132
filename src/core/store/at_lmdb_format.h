/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The file format of LMDB 0.9 on 64-bit machines, in host byte order: two meta
 * pages, then the pages of B+ trees, overflow pages of large values, and free
 * pages.  The newer meta page has the roots of the list of free pages and of
 * the main tree, whose values are the roots of the tables.
 */

#ifndef AT_LMDB_FORMAT_H
#define AT_LMDB_FORMAT_H

#include <stdint.h>


#define AT_LMDB_MAGIC         0xbeefc0deu
#define AT_LMDB_VERSION       1

/* at_lmdb_page_t.flags; a page has exactly one of them */
#define AT_LMDB_BRANCH        0x01
#define AT_LMDB_LEAF          0x02
#define AT_LMDB_OVERFLOW      0x04
#define AT_LMDB_META          0x08

/* at_lmdb_node_t.flags of a leaf: the value is a page number, or a tree */
#define AT_LMDB_NODE_LARGE    0x01
#define AT_LMDB_NODE_TREE     0x02

#define AT_LMDB_NO_PAGE       UINT64_MAX
#define AT_LMDB_KEY_MAX       511
#define AT_LMDB_DEPTH_MAX     32


typedef struct {
    uint64_t  number;
    uint16_t  pad;
    uint16_t  flags;
    uint16_t  lower;            /* end of the array of node offsets */
    uint16_t  upper;            /* start of the nodes */
} at_lmdb_page_t;

/* key and value follow; in a branch, low, high and flags are a page number */
typedef struct {
    uint16_t  low;              /* length of the value */
    uint16_t  high;
    uint16_t  flags;
    uint16_t  key_len;
} at_lmdb_node_t;

typedef struct {
    uint32_t  pad;              /* of the list of free pages: page size */
    uint16_t  flags;
    uint16_t  depth;
    uint64_t  branch_pages;
    uint64_t  leaf_pages;
    uint64_t  overflow_pages;
    uint64_t  entries;
    uint64_t  root;
} at_lmdb_tree_t;

typedef struct {
    at_lmdb_page_t  page;
    uint32_t        magic;
    uint32_t        version;
    uint64_t        address;
    uint64_t        map_size;
    at_lmdb_tree_t  free_pages;
    at_lmdb_tree_t  main;
    uint64_t        last_page;
    uint64_t        txnid;
} at_lmdb_meta_t;


#endif
