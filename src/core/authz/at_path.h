/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Paths of requests: plain and ambiguous paths, segments.
 */

#ifndef AT_PATH_H
#define AT_PATH_H

#include "core/base/at_str.h"


/*
 * Whether path is plain, so that every HTTP server reads it in the same way:
 * it starts with a slash; it is valid UTF-8 (RFC 3629) without control
 * characters and without ; \ % ? #; only its last segment may be empty; no
 * segment starts with a space or ends with a space or a dot, as "." and ".."
 * do.
 */
int at_path_is_plain(at_str_t path);

/*
 * Whether an upstream may interpret the path of a request differently from
 * this module.  Such a request must match no endpoint, not even a public one.
 *
 * raw is the path of the request line without the query, normalized is the URI
 * that is matched.  normalized must be plain.  raw must be plain, too, but may
 * have percent-encodings (RFC 3986 section 2.1) of plain characters that are
 * neither unreserved (section 2.3) nor a slash.  The two may differ otherwise:
 * the operator may rewrite the URI.
 */
int at_path_is_ambiguous(at_str_t raw, at_str_t normalized);

/*
 * Cuts off the first segment with the slash before it and returns the segment
 * without that slash.  path must start with a slash.
 */
at_str_t at_path_next_segment(at_str_t *path);

/* the text after the last slash, or all of it */
at_str_t at_path_last_segment(at_str_t path);


#endif
