/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The records of an import, in memory: sorted by their keys, so that
 * duplicates are neighbours, and so that the store is written in the order of
 * its pages.
 */

#ifndef CLI_IMPORT_SET_H
#define CLI_IMPORT_SET_H

#include "core/base/at_error.h"
#include "cli/record/cli_record.h"


typedef struct {
    const cli_kind_t    *kind;
    at_str_t             key;           /* in the table of the kind */
    at_str_t             name;
    at_str_t             bytes;         /* the encoded record */
    unsigned long long   position;      /* line or row in the file */
    int                  has_created;   /* the file has a time of creation */
} cli_import_item_t;

/* zeroed, it is empty */
typedef struct {
    size_t               n;
    size_t               size;
    cli_import_item_t   *items;
} cli_import_set_t;

/* Adds a copy of the record.  Returns 0, or -1 if memory allocation failed. */
int cli_import_set_add(cli_import_set_t *set, cli_record_t *rec,
    unsigned long long position);

/*
 * Sorts the set.  Returns 0; or -1 if two records have the same name or the
 * same API token: then *first and *second are set, in the order of the file.
 */
int cli_import_set_sort(cli_import_set_t *set,
    const cli_import_item_t **first, const cli_import_item_t **second);

/* whether a sorted set has a record with this key */
int cli_import_set_has(const cli_import_set_t *set, const cli_kind_t *kind,
    at_str_t key);

void cli_import_set_free(cli_import_set_t *set);


#endif
