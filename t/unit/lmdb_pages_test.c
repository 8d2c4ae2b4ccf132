/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Damaged LMDB files: each one is rejected, or LMDB can read and write it
 * without a crash.  Files that LMDB has written are accepted.
 *
 * Requirements: store-damaged.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/store/at_lmdb_file.h"
#include "dir.h"
#include "tap.h"


#define PAGE     4096
#define TABLES   6
#define ROUNDS   400            /* transactions of random changes */

/* random changes of a file; AT_DAMAGES for more */
#define DAMAGES  2000


static at_error_t         err;
static at_lmdb_verdict_t  verdict;
static unsigned           seed = 1;


static unsigned
any(unsigned n)
{
    return (unsigned) rand_r(&seed) % n;
}


/* --- an environment ------------------------------------------------------ */


static MDB_env  *env;
static MDB_dbi   tables[TABLES];


/* LMDB's assertions end the process with SIGABRT: a child's, not this one */
static int
open_env(const char *name)
{
    int       i, rc;
    char      table[16];
    MDB_txn  *txn;

    rc = mdb_env_create(&env);

    if (rc == 0 && (rc = mdb_env_set_maxdbs(env, 8)) == 0
        && (rc = mdb_env_set_mapsize(env, 1 << 28)) == 0
        && (rc = mdb_env_open(env, in_dir(name), MDB_NOSYNC, 0600)) == 0)
    {
        rc = mdb_txn_begin(env, NULL, 0, &txn);
    }

    for (i = 0; rc == 0 && i < TABLES; i++) {
        (void) snprintf(table, sizeof(table), "t%d", i);
        rc = mdb_dbi_open(txn, table, MDB_CREATE, &tables[i]);
    }

    return rc == 0 ? mdb_txn_commit(txn) : rc;
}


/* puts or deletes some records: short ones, long ones, and large ones */
static int
change(unsigned n, unsigned keys)
{
    int           rc;
    char          key[40];
    MDB_txn      *txn;
    MDB_val       k, v;

    static char   value[20000];

    rc = mdb_txn_begin(env, NULL, 0, &txn);

    for ( /* void */ ; rc == 0 && n != 0; n--) {
        k.mv_data = key;
        k.mv_size = (size_t) snprintf(key, sizeof(key), "key %0*u",
                                      1 + (int) any(20), any(keys));
        v.mv_data = value;
        v.mv_size = any(30) == 0 ? any(sizeof(value)) : any(300);

        rc = any(2) == 0 ? mdb_del(txn, tables[any(TABLES)], &k, NULL)
                         : mdb_put(txn, tables[any(TABLES)], &k, &v, 0);

        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }

    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }

    return mdb_txn_commit(txn);
}


static at_lmdb_e
verify(const char *name)
{
    int             fd;
    char            path[512];
    at_lmdb_e       result;
    at_lmdb_meta_t  meta;

    (void) snprintf(path, sizeof(path), "%s/data.mdb", in_dir(name));
    fd = open(path, O_RDONLY|O_CLOEXEC);
    must(fd != -1, path);

    result = at_lmdb_read_meta(&meta, fd, 0) == 0
             ? at_lmdb_verify(fd, path, &meta, &verdict, &err)
             : AT_LMDB_DAMAGED;

    (void) close(fd);

    return result;
}


static void
test_sound(void)
{
    int       i, rejected;
    MDB_txn  *reader;

    must(mkdir(in_dir("s"), 0700) == 0 && open_env("s") == 0, "environment");
    is_int(verify("s"), AT_LMDB_OK, "an environment without records");

    rejected = 0;
    reader = NULL;

    for (i = 0; i < ROUNDS; i++) {

        /* a reader that stays for a while makes the list of free pages long */
        if (i % 50 == 0) {
            mdb_txn_abort(reader);
            must(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader) == 0, "reader");
        }

        must(change(1 + any(i % 10 == 0 ? 300 : 20), 30) == 0, "change");

        if (verify("s") != AT_LMDB_OK && rejected++ == 0) {
            printf("# round %d: %s\n", i, err.text);
        }
    }

    mdb_txn_abort(reader);
    is_int(rejected, 0, "%d transactions of random changes", ROUNDS);

    (void) mkdir(in_dir("copy"), 0700);
    is_int(mdb_env_copy2(env, in_dir("copy"), MDB_CP_COMPACT), 0, "a copy");
    is_int(verify("copy"), AT_LMDB_OK, "a compact copy");
}


/* --- damages ------------------------------------------------------------- */


typedef struct {
    unsigned char  *bytes;
    size_t          len;
    size_t          pages;
} content_t;


static content_t
content_of(const char *path)
{
    int          fd;
    content_t    c;
    struct stat  st;

    fd = open(path, O_RDONLY);
    must(fd != -1 && fstat(fd, &st) == 0, path);

    c.len = (size_t) st.st_size;
    c.pages = c.len / PAGE;
    c.bytes = malloc(c.len);
    must(c.bytes && read(fd, c.bytes, c.len) == (ssize_t) c.len, path);
    (void) close(fd);

    return c;
}


/* --- one damage for each check ------------------------------------------- */


static uint16_t *
word(unsigned char *page, size_t offset)
{
    return (uint16_t *) (void *) (page + offset);
}


/* the page, or the first leaf below it; *branch: the last branch before it */
static unsigned char *
leaf_of(content_t *c, uint64_t number, unsigned char **branch)
{
    uint16_t       *node;
    unsigned char  *page;

    for ( ;; ) {
        page = c->bytes + number * PAGE;

        if (*word(page, 10) != AT_LMDB_BRANCH) {
            return page;
        }

        *branch = page;
        node = word(page, *word(page, 16));
        number = node[0] | (uint64_t) node[1] << 16;
    }
}


typedef struct {
    at_lmdb_meta_t  *meta;
    unsigned char   *leaf;      /* of a table */
    unsigned char   *branch;
    uint64_t        *free;      /* a list of free pages */
} parts_t;


static parts_t
parts_of(content_t *c)
{
    parts_t          p;
    uint16_t        *node;
    at_lmdb_tree_t   table;
    unsigned char   *branch;
    at_lmdb_meta_t  *other;

    p.branch = NULL;
    p.meta = (void *) c->bytes;
    other = (void *) (c->bytes + PAGE);
    p.meta = other->txnid > p.meta->txnid ? other : p.meta;

    p.leaf = leaf_of(c, p.meta->main.root, &p.branch);
    node = word(p.leaf, *word(p.leaf, 16));
    memcpy(&table, (unsigned char *) (node + 4) + node[3], sizeof(table));
    p.leaf = leaf_of(c, table.root, &p.branch);

    node = word(leaf_of(c, p.meta->free_pages.root, &branch), 0);
    node += node[8] / 2;
    p.free = (void *) (node + 4 + node[3] / 2);

    if (node[2] == AT_LMDB_NODE_LARGE) {
        p.free = (void *) (c->bytes + *p.free * PAGE + 16);
    }

    must(p.free[0] > 1 && p.branch != NULL, "free pages and a branch");

    return p;
}


static void
last_page(parts_t *p)
{
    p->meta->last_page = (uint64_t) 1 << 53;
}


static void
depth(parts_t *p)
{
    p->meta->main.depth = 33;
}


static void
entries(parts_t *p)
{
    p->meta->main.entries++;
}


static void
key_order(parts_t *p)
{
    uint16_t  first = *word(p->leaf, 16);

    *word(p->leaf, 16) = *word(p->leaf, 18);
    *word(p->leaf, 18) = first;
}


static void
odd_offset(parts_t *p)
{
    *word(p->leaf, 16) ^= 1;
}


static void
gap(parts_t *p)
{
    *word(p->leaf, 14) -= 2;
}


static void
long_node(parts_t *p)
{
    *word(p->leaf, 12) = 18;
    *word(p->leaf, 14) = *word(p->leaf, 16) = PAGE - 3012;
    memcpy(p->leaf + PAGE - 3012, "\xb8\x0b\0\0\0\0\x04\0", 8);
}


static void
single_child(parts_t *p)
{
    *word(p->branch, 12) = 18;
}


static void
free_order(parts_t *p)
{
    uint64_t  first = p->free[1];

    p->free[1] = p->free[2];
    p->free[2] = first;
}


static void
free_used(parts_t *p)
{
    p->free[1] = *(uint64_t *) (void *) p->leaf;
    p->free[0] = 1;
}


static const struct {
    void       (*damage)(parts_t *p);
    const char  *problem;
} problems[] = {
    { last_page, "is truncated" },
    { depth, "the root of a tree is damaged" },
    { entries, "a tree is incomplete" },
    { key_order, "the keys are not in order" },
    { odd_offset, "the offset of a node is out of range" },
    { gap, "the size of its nodes is wrong" },
    { long_node, "a node is too large" },
    { single_child, "its header is damaged" },
    { free_order, "a list of free pages is not in order" },
    { free_used, "a page is used twice" }
};


static void
put_file(const content_t *c)
{
    int  fd;

    (void) unlink(in_dir("d/lock.mdb"));
    fd = open(in_dir("d/data.mdb"), O_CREAT|O_TRUNC|O_WRONLY, 0600);
    must(fd != -1 && write(fd, c->bytes, c->len) == (ssize_t) c->len, "write");
    (void) close(fd);
}


static void
test_problems(void)
{
    size_t     i;
    parts_t    p;
    content_t  sound, c;

    (void) mkdir(in_dir("d"), 0700);
    sound = content_of(in_dir("s/data.mdb"));
    c = sound;
    c.bytes = malloc(sound.len);
    must(c.bytes != NULL, "memory");

    for (i = 0; i < N(problems); i++) {
        memcpy(c.bytes, sound.bytes, sound.len);
        p = parts_of(&c);
        problems[i].damage(&p);
        put_file(&c);

        ok(verify("d") == AT_LMDB_DAMAGED
           && strstr(err.text, problems[i].problem) != NULL,
           "a damage is found: %s", problems[i].problem);
    }

    free(c.bytes);
    free(sound.bytes);
}


/* --- random damages ------------------------------------------------------ */


/* the kinds of damages; each changes a copy of the file */

static void
change_header(content_t *c)
{
    unsigned char  *page = c->bytes + any((unsigned) c->pages) * PAGE;

    page[any(16)] ^= (unsigned char) (1 + any(255));
    page[any(16)] ^= (unsigned char) (1 + any(255));
}


static void
change_offsets(content_t *c)
{
    unsigned char  *page = c->bytes + any((unsigned) c->pages) * PAGE;

    page[16 + any(60)] = (unsigned char) any(256);
    page[16 + any(60)] ^= (unsigned char) (1u << any(8));
}


static void
change_any(content_t *c)
{
    unsigned char  *page = c->bytes + any((unsigned) c->pages) * PAGE;

    page[any(PAGE)] = (unsigned char) any(256);
    page[any(PAGE)] ^= (unsigned char) (1u << any(8));
}


static void
change_bit(content_t *c)
{
    c->bytes[any((unsigned) c->len)] ^= (unsigned char) (1u << any(8));
}


static void
change_meta(content_t *c)
{
    c->bytes[any(2) * PAGE + any(152)] = (unsigned char) any(256);
    c->bytes[any(2) * PAGE + any(152)] ^= (unsigned char) (1u << any(8));
}


static void
clear_page(content_t *c)
{
    memset(c->bytes + any((unsigned) c->pages) * PAGE, any(3) ? 0 : 255, PAGE);
}


static void
clear_sector(content_t *c)
{
    memset(c->bytes + any((unsigned) (c->len / 512)) * 512, 0, 512);
}


static void
swap_pages(content_t *c)
{
    unsigned char   page[PAGE];
    unsigned char  *a = c->bytes + any((unsigned) c->pages) * PAGE;
    unsigned char  *b = c->bytes + any((unsigned) c->pages) * PAGE;

    memcpy(page, a, PAGE);
    memmove(a, b, PAGE);
    memcpy(b, page, PAGE);
}


static void
truncate_file(content_t *c)
{
    c->len = any((unsigned) c->len);
}


static const struct {
    void       (*damage)(content_t *c);
    const char  *name;
} kinds[] = {
    { change_header, "two bytes of a page header" },
    { change_offsets, "two bytes of the node offsets of a page" },
    { change_any, "two bytes of a page" },
    { change_bit, "one bit" },
    { change_meta, "two bytes of the meta pages" },
    { clear_page, "a page of zeros or ones" },
    { clear_sector, "a sector of zeros" },
    { swap_pages, "two swapped pages" },
    { truncate_file, "a truncated file" }
};


/* in a child: reads all records, and changes some */
static int
use(void)
{
    int          i, rc;
    MDB_val      k, v;
    MDB_txn     *txn;
    MDB_cursor  *cursor;
    unsigned     sum = 0;

    if (open_env("d") != 0) {
        return 0;
    }

    for (i = 0; i < TABLES; i++) {
        if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0
            || mdb_cursor_open(txn, tables[i], &cursor) != 0)
        {
            return 0;
        }

        while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
            sum += v.mv_size ? ((unsigned char *) v.mv_data)[v.mv_size - 1]
                             : 0;
        }

        mdb_cursor_close(cursor);
        mdb_txn_abort(txn);
    }

    for (i = 0; i < 40; i++) {
        if (change(1 + any(60), 30) != 0) {
            break;
        }
    }

    return sum == 12345;
}


static void
test_damages(void)
{
    int          status;
    pid_t        pid;
    unsigned     i, n, k, accepted, crashed;
    content_t    sound, c;
    const char  *more;

    /* a small file whose pages are in use, and some free ones */
    mdb_env_close(env);
    must(open_env("copy") == 0 && change(20, 30) == 0 && change(20, 30) == 0,
         "the copy is changed");
    mdb_env_close(env);
    sound = content_of(in_dir("copy/data.mdb"));

    more = getenv("AT_DAMAGES");
    n = more != NULL ? (unsigned) atoi(more) : DAMAGES;

    c = sound;
    c.bytes = malloc(sound.len);
    must(c.bytes != NULL, "memory");

    for (k = 0; k < N(kinds); k++) {
        accepted = crashed = 0;

        for (i = 0; i < n / N(kinds); i++) {
            memcpy(c.bytes, sound.bytes, sound.len);
            c.len = sound.len;
            kinds[k].damage(&c);

            put_file(&c);

            if (verify("d") != AT_LMDB_OK) {
                continue;
            }

            accepted++;
            (void) fflush(stdout);
            pid = fork();

            if (pid == 0) {
                (void) close(STDERR_FILENO);   /* LMDB explains */
                _exit(use());
            }

            must(waitpid(pid, &status, 0) == pid, "wait");

            if (WIFSIGNALED(status) && crashed++ == 0) {
                printf("# damage %u: signal %d\n", i, WTERMSIG(status));
            }
        }

        is_int(crashed, 0, "%s: %u of %u accepted, without a crash",
               kinds[k].name, accepted, i);
    }

    free(c.bytes);
    free(sound.bytes);
}


int
main(void)
{
    test_sound();
    test_problems();
    test_damages();

    return tap_done();
}
