/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token key generate
 */

#define _GNU_SOURCE             /* asprintf() */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jose/at_jwk.h"
#include "core/jose/at_key.h"
#include "core/jose/at_keypair.h"
#include "cli/commands/cli_commands.h"
#include "cli/terminal/cli_options.h"


#define CLI_KEY_FILES  3


static const struct {
    const char  *name;          /* in the report */
    const char  *suffix;
    mode_t       mode;
} cli_key_files[CLI_KEY_FILES] = {
    { "private_key", "",      0600 },
    { "public_key",  ".pub",  0644 },
    { "jwks",        ".jwks", 0644 }
};


static int
cli_key_type(cli_t *cli, at_keypair_e *type)
{
    const char  *name, *curve;

    name = cli_text(cli, "type");
    curve = cli_text(cli, "curve");

    if (name == NULL) {
        name = "rsa";
    }

    if (cli_given(cli, "bits") && strcmp(name, "rsa") != 0) {
        return cli_usage(cli, "\"--bits\" requires \"--type rsa\"");
    }

    if (curve != NULL && strcmp(name, "ec") != 0) {
        return cli_usage(cli, "\"--curve\" requires \"--type ec\"");
    }

    if (strcmp(name, "rsa") == 0) {
        *type = AT_KEYPAIR_RSA;

    } else if (strcmp(name, "ed25519") == 0) {
        *type = AT_KEYPAIR_ED25519;

    } else if (strcmp(name, "ec") != 0) {
        return cli_invalid(cli, "type", "use rsa, ec or ed25519");

    } else if (curve == NULL || strcmp(curve, "P-256") == 0) {
        *type = AT_KEYPAIR_P256;

    } else if (strcmp(curve, "P-384") == 0) {
        *type = AT_KEYPAIR_P384;

    } else if (strcmp(curve, "P-521") == 0) {
        *type = AT_KEYPAIR_P521;

    } else {
        return cli_invalid(cli, "curve", "use P-256, P-384 or P-521");
    }

    return 0;
}


static int
cli_key_spec(cli_t *cli, at_keypair_spec_t *spec)
{
    int64_t      bits;
    unsigned     algs;
    const char  *name;

    bits = AT_KEYPAIR_BITS_DEFAULT;

    if (cli_key_type(cli, &spec->type) != 0
        || cli_number(cli, "bits", INT16_MAX, &bits) != 0)
    {
        return -1;
    }

    if (bits != 2048 && bits != 3072 && bits != 4096) {
        return cli_invalid(cli, "bits", "use 2048, 3072 or 4096");
    }

    name = cli_text(cli, "alg");
    algs = at_keypair_algs(spec->type);
    spec->alg = name != NULL ? at_alg_find(cli_str(name))
                             : at_alg_first(algs);

    if (spec->alg == AT_ALGS || !(algs & at_alg_bit(spec->alg))) {
        return cli_invalid(cli, "alg", "it does not fit the type of the key");
    }

    spec->bits = (unsigned) bits;
    spec->kid = cli_str(cli_text(cli, "kid"));

    if (cli_given(cli, "kid") && !at_kid_is_valid(spec->kid)) {
        return cli_invalid(cli, "kid", "use 1 to 1024 bytes of UTF-8");
    }

    return 0;
}


/* Creates a file, independent of the umask.  Sets *created if it is new. */
static int
cli_key_write(cli_t *cli, const char *path, mode_t mode, const char *text,
    int *created)
{
    int      fd, rc;
    ssize_t  n;
    size_t   len;

    fd = open(path, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, mode);

    if (fd == -1 && errno == ENOENT && strrchr(path, '/') != NULL) {
        return cli_failure(cli, "cannot create \"%s\": no such directory; "
                           "create it with: install -d \"%.*s\"", path,
                           (int) (strrchr(path, '/') - path), path);
    }

    if (fd == -1) {
        return cli_failure(cli, "cannot create \"%s\": %m", path);
    }

    *created = 1;

    n = fchmod(fd, mode);

    for (len = strlen(text); n != -1 && len != 0; len -= (size_t) n) {
        n = write(fd, text, len);

        if (n == -1) {
            break;
        }

        text += n;
    }

    rc = n != -1 && fsync(fd) == 0
         ? 0 : cli_failure(cli, "cannot write \"%s\": %m", path);

    (void) close(fd);

    return rc;
}


/* removes the new files again if one of them cannot be written */
static int
cli_key_save(cli_t *cli, const at_keypair_t *pair, const char *out)
{
    int          i, rc, created[CLI_KEY_FILES] = { 0 };
    char        *paths[CLI_KEY_FILES] = { NULL };
    json_t      *report;
    const char  *texts[CLI_KEY_FILES] = {
        pair->private_pem, pair->public_pem, pair->jwks
    };

    rc = 0;
    report = json_pack("{s:s}", "kid", pair->kid);

    for (i = 0; rc == 0 && i < CLI_KEY_FILES; i++) {
        if (asprintf(&paths[i], "%s%s", out, cli_key_files[i].suffix) == -1) {
            paths[i] = NULL;
            rc = cli_no_memory(cli);
            break;
        }

        rc = json_object_set_new(report, cli_key_files[i].name,
                                 json_string(paths[i])) == 0
             ? cli_key_write(cli, paths[i], cli_key_files[i].mode, texts[i],
                             &created[i])
             : cli_invalid(cli, "out", "use a path in UTF-8");
    }

    if (rc == 0) {
        rc = cli_print_report(cli, report) == 0 ? cli_flush(cli) : -1;

    } else {
        json_decref(report);
    }

    for (i = 0; i < CLI_KEY_FILES; i++) {
        if (rc != 0 && created[i]) {
            (void) unlink(paths[i]);
        }

        free(paths[i]);
    }

    return rc;
}


int
cli_key_generate(cli_t *cli)
{
    int                rc;
    at_error_t         err;
    const char        *out;
    at_keypair_t       pair;
    at_keypair_spec_t  spec = { .alg = AT_ALGS };

    out = cli_text(cli, "out");

    if (*out == '\0') {
        return cli_invalid(cli, "out", "use the path of a new file");
    }

    if (cli_key_spec(cli, &spec) != 0) {
        return -1;
    }

    if (at_keypair_generate(&pair, &spec, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    rc = cli_key_save(cli, &pair, out);
    at_keypair_release(&pair);

    return rc;
}
