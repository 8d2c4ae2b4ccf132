/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The version of the module and of the command.  The Makefile reads it for
 * packages, the source archive and the manual page.
 */

#ifndef AT_VERSION_H
#define AT_VERSION_H

#define AT_VERSION  "0.1.0"

#endif
