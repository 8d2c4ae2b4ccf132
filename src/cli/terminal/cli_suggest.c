/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cli/terminal/cli_suggest.h"


static unsigned
cli_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}


/* optimal string alignment: Levenshtein distance with adjacent swaps */
static unsigned
cli_distance(at_str_t a, at_str_t b)
{
    char       x, y;
    size_t     i, j;
    unsigned   rows[3][CLI_SUGGEST_MAX + 1];
    unsigned  *row, *above, *above2;

    for (j = 0; j <= b.len; j++) {
        rows[0][j] = (unsigned) j;
    }

    for (i = 1; i <= a.len; i++) {
        row = rows[i % 3];
        above = rows[(i + 2) % 3];
        above2 = rows[(i + 1) % 3];
        row[0] = (unsigned) i;

        for (j = 1; j <= b.len; j++) {
            x = at_lower(a.data[i - 1]);
            y = at_lower(b.data[j - 1]);

            row[j] = cli_min(cli_min(above[j], row[j - 1]) + 1,
                             above[j - 1] + (x != y));

            if (i > 1 && j > 1 && x == at_lower(b.data[j - 2])
                && y == at_lower(a.data[i - 2]))
            {
                row[j] = cli_min(row[j], above2[j - 2] + 1);
            }
        }
    }

    return rows[a.len % 3][b.len];
}


void
cli_suggest_offer(cli_suggest_t *suggest, at_str_t known)
{
    at_str_t  word;
    unsigned  distance, limit;

    word = suggest->word;

    if (word.len < 2 || word.len > CLI_SUGGEST_MAX || known.len == 0
        || known.len > CLI_SUGGEST_MAX)
    {
        return;
    }

    /* an abbreviation */
    if (known.len > word.len
        && at_str_equal_nocase(word, (at_str_t) { known.data, word.len }))
    {
        distance = 1;

    } else {
        limit = (unsigned) (word.len < 9 ? word.len / 3 : 3);
        distance = known.len > word.len + limit || word.len > known.len + limit
                   ? limit + 1 : cli_distance(word, known);

        if (distance > limit) {
            return;
        }
    }

    if (suggest->best[0] == '\0' || distance < suggest->distance) {
        memcpy(suggest->best, known.data, known.len);
        suggest->best[known.len] = '\0';
        suggest->distance = distance;
    }
}
