/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON documents of operators and identity providers: JWK Sets, discovery
 * documents, imported files.  They are parsed by jansson, which must not be
 * given request data: at_json.h is for that.
 *
 * jansson does not distinguish a lack of memory from an invalid document.
 */

#ifndef AT_DOCUMENT_H
#define AT_DOCUMENT_H

#include <jansson.h>

#include "core/base/at_str.h"


#define AT_DOCUMENT_MAX  (1024 * 1024)  /* bytes of a fetched document */


/*
 * text without a byte order mark of UTF-8, which editors of Windows write, and
 * without white space at its beginning.
 */
at_str_t at_document_trim(at_str_t text);

/*
 * Parses text, which must be one object or array of at most max bytes and
 * nothing else but what at_document_trim() removes.  Duplicate members, NUL
 * bytes and invalid UTF-8 are errors, and so are more than 2048 nested levels.
 * Returns a new reference, or NULL.
 */
json_t *at_document_parse(at_str_t text, size_t max);

/*
 * The same for a document of an identity provider: the escape \u0000 is valid
 * in strings, which must therefore not be read as terminated strings, and
 * integers may be beyond 64 bits.
 */
json_t *at_document_parse_lenient(at_str_t text, size_t max);

/*
 * A string member, as a view valid as long as the object.  Returns 1; 0 if
 * there is no such member; -1 if it is of another type.
 */
int at_document_string(const json_t *object, const char *name,
    at_str_t *value);


#endif
