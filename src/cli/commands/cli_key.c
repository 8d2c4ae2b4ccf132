/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * auth-token key generate
 */

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


typedef struct {
    const char  *name;          /* in the report */
    const char  *suffix;
    mode_t       mode;
} cli_key_file_t;

/* the files: all of them are written, or none */
typedef struct {
    char        *path;
    const char  *text;
    int          fd;            /* -1 unless this process created it */
} cli_key_output_t;


static const cli_key_file_t  cli_key_files[CLI_KEY_FILES] = {
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

    } else {
        return cli_invalid(cli, "curve", "use P-256 or P-384");
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
                             : cli_default_alg(algs);

    if (spec->alg == AT_ALGS || !(algs & at_alg_bit(spec->alg))) {
        return cli_invalid(cli, "alg", "it does not fit the type of the key");
    }

    spec->bits = (unsigned) bits;
    spec->kid = cli_str(cli_text(cli, "kid"));

    if (cli_given(cli, "kid") && !at_kid_is_valid(spec->kid)) {
        return cli_invalid(cli, "kid", "use 1 to 256 printable characters "
                           "without spaces");
    }

    return 0;
}


static int
cli_key_paths(cli_t *cli, cli_key_output_t *outputs, const char *out)
{
    int     i;
    size_t  size;

    for (i = 0; i < CLI_KEY_FILES; i++) {
        size = strlen(out) + strlen(cli_key_files[i].suffix) + 1;
        outputs[i].path = malloc(size);

        if (outputs[i].path == NULL) {
            return cli_no_memory(cli);
        }

        (void) snprintf(outputs[i].path, size, "%s%s", out,
                        cli_key_files[i].suffix);
    }

    return 0;
}


static int
cli_key_create_files(cli_t *cli, cli_key_output_t *outputs)
{
    int     i;
    mode_t  mode;

    for (i = 0; i < CLI_KEY_FILES; i++) {
        mode = cli_key_files[i].mode;

        outputs[i].fd = open(outputs[i].path,
                             O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, mode);

        if (outputs[i].fd == -1) {
            return cli_failure(cli, "cannot create \"%s\": %m",
                               outputs[i].path);
        }

        if (fchmod(outputs[i].fd, mode) == -1) {
            return cli_failure(cli, "cannot set the mode of \"%s\": %m",
                               outputs[i].path);
        }
    }

    return 0;
}


static int
cli_key_write(int fd, const char *text)
{
    size_t   len;
    ssize_t  n;

    for (len = strlen(text); len != 0; len -= (size_t) n) {
        do {
            n = write(fd, text, len);
        } while (n == -1 && errno == EINTR);

        if (n == -1) {
            return -1;
        }

        text += n;
    }

    return fsync(fd);
}


static int
cli_key_write_files(cli_t *cli, const cli_key_output_t *outputs)
{
    int  i;

    for (i = 0; i < CLI_KEY_FILES; i++) {
        if (cli_key_write(outputs[i].fd, outputs[i].text) != 0) {
            return cli_failure(cli, "cannot write \"%s\": %m",
                               outputs[i].path);
        }
    }

    return 0;
}


static int
cli_key_save(cli_t *cli, const at_keypair_t *pair, cli_key_output_t *outputs)
{
    int  i, rc;

    outputs[0].text = pair->private_pem;
    outputs[1].text = pair->public_pem;
    outputs[2].text = pair->jwks;

    rc = -1;

    if (cli_key_create_files(cli, outputs) == 0
        && cli_key_write_files(cli, outputs) == 0
        && cli_print_report(cli, json_pack("{s:s, s:s, s:s, s:s}",
                            "kid", pair->kid,
                            cli_key_files[0].name, outputs[0].path,
                            cli_key_files[1].name, outputs[1].path,
                            cli_key_files[2].name, outputs[2].path)) == 0
        && cli_flush(cli) == 0)
    {
        rc = 0;
    }

    for (i = 0; i < CLI_KEY_FILES; i++) {
        if (outputs[i].fd == -1) {
            continue;
        }

        if (rc != 0) {
            (void) unlink(outputs[i].path);
        }

        (void) close(outputs[i].fd);
    }

    return rc;
}


static int
cli_key_make(cli_t *cli, cli_key_output_t *outputs)
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

    if (cli_key_spec(cli, &spec) != 0
        || cli_key_paths(cli, outputs, out) != 0)
    {
        return -1;
    }

    if (at_keypair_generate(&pair, &spec, &err) != 0) {
        return cli_failure(cli, "%s", err.text);
    }

    rc = cli_key_save(cli, &pair, outputs);
    at_keypair_release(&pair);

    return rc;
}


int
cli_key_generate(cli_t *cli)
{
    int               i, rc;
    cli_key_output_t  outputs[CLI_KEY_FILES] = {
        { .fd = -1 }, { .fd = -1 }, { .fd = -1 }
    };

    rc = cli_key_make(cli, outputs);

    for (i = 0; i < CLI_KEY_FILES; i++) {
        free(outputs[i].path);
    }

    return rc;
}
