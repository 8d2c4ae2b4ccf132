/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The known word that is closest to a mistyped one.
 */

#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include "core/base/at_str.h"


#define CLI_SUGGEST_MAX  64     /* longer words are ignored */

/* set word and zero the rest */
typedef struct {
    at_str_t  word;
    unsigned  distance;                 /* of the best word so far */
    char      best[CLI_SUGGEST_MAX + 1];    /* empty if none is close */
} cli_suggest_t;

/*
 * Offers a known word.  It is close if it begins with the mistyped word, or if
 * a few letters were inserted, removed, changed or swapped; case does not
 * count.
 */
void cli_suggest_offer(cli_suggest_t *suggest, at_str_t known);


#endif
