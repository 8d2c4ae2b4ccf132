/*
 * Copyright (C) the nginx-auth-token authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sessions: exactly one refresh token of a session is valid, with concurrent
 * processes, killed processes and failed allocations.
 *
 * Requirements: refresh, refresh-after-change, session-persistence,
 *   refresh-reuse, refresh-expiry, logout, no-secrets-in-logs, refresh-race,
 *   refresh-crash, allocation-points, session-limits, session-group,
 *   removed-refresh-token, session-database-full.
 */

#define _GNU_SOURCE             /* pwritev(), RTLD_NEXT */

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "core/session/at_session_record.h"
#include "core/session/at_session_token.h"
#include "core/session/at_token_use.h"
#include "dir.h"
#include "fail_calls.h"
#include "tap.h"


#define POINTS     2000         /* limit of steps */

#define NOW        1700000000000
#define DAY        86400000LL
#define HALF_HOUR  1800000LL
#define GRACE      5000LL

#define PROCESSES  4
#define ROUNDS     200


#define OK         AT_SESSION_OK
#define UNKNOWN    AT_SESSION_UNKNOWN
#define EXPIRED    AT_SESSION_EXPIRED
#define REPEATED   AT_SESSION_REPEATED
#define USED       AT_SESSION_USED
#define REUSED     AT_SESSION_REUSED
#define REVOKED    AT_SESSION_REVOKED
#define LIMITED    AT_SESSION_LIMITED
#define FAILED     AT_SESSION_FAILED


static const at_state_key_t  key = { { 1, 2, 3, 4, 5 } };

static at_session_limits_t   limits = { GRACE, 1000000, 1000000 };
static at_session_db_t      *sessions;
static at_error_t            err;       /* of the last call that failed */
static at_lmdb_verdict_t     verdict;   /* of the next database */

static const char  *username = "jane";      /* of the next login */

static char    repeated[64];    /* "REFRESH ACCESS" of the last rotation */
static size_t  map_size;        /* of the next environment, or 0 */


int
mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    int  (*real)(MDB_env *, size_t);

    *(void **) &real = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");

    return real(env, map_size ? map_size : size);
}


/* --- kills at each step of a write --------------------------------------- */


static unsigned  steps, kill_at;


static void
step(void)
{
    if (++steps == kill_at) {
        (void) kill(getpid(), SIGKILL);
    }
}


static long
step_after(long rc)
{
    step();

    return rc;
}


/* these replace the functions that LMDB calls to write */

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
    step();

    return step_after(syscall(SYS_pwrite64, fd, data, len, offset));
}


ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    step();

    return step_after(syscall(SYS_pwritev, fd, iov, n, offset, 0));
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    step();

    return step_after(syscall(SYS_writev, fd, iov, n));
}


/* data that was written survives the process without a sync */
int
fdatasync(TAP_UNUSED int fd)
{
    step();

    return (int) step_after(0);
}


/* --- helpers ------------------------------------------------------------- */


static void
open_sessions(const char *name)
{
    sessions = at_session_db_open(in_dir(name), &key, &verdict, &err);
    must(sessions != NULL, err.text);
}


static at_session_token_pair_t
pair(const char *refresh, const char *access, int64_t now)
{
    return (at_session_token_pair_t) { str(refresh), now + DAY, str(access),
                                       now + HALF_HOUR };
}


static at_session_e
begin(const char *refresh, const char *access, int64_t now)
{
    at_session_t             session = { .user = str(username),
                                         .issuer = at_str("main"),
                                         .user_tag = "mark" };
    at_session_token_pair_t  first = pair(refresh, access, now);

    (void) at_session_set_id(&session);

    return at_session_create(sessions, &session, &first, &limits, now, &err);
}


static at_session_e
rotate(const char *refresh, const char *next, int64_t now)
{
    at_session_e             result;
    at_session_copy_t        copy;
    at_session_token_pair_t  successor = pair(next, "access", now);

    result = at_session_rotate(sessions, str(refresh), &successor, &limits,
                               &copy, now, &err);

    (void) snprintf(repeated, sizeof(repeated), "%s %s",
                    copy.refresh != NULL ? copy.refresh : "",
                    copy.access != NULL ? copy.access : "");
    at_secret_free(copy.refresh);
    at_secret_free(copy.access);

    return result;
}


static at_session_e
log_out(const char *refresh, const char *access, int64_t now)
{
    return at_session_revoke(sessions, str(refresh), str(access), now, &err);
}


/* "<prefix><n>"; the last two results are valid */
static const char *
numbered(const char *prefix, int n)
{
    static char      names[2][32];
    static unsigned  last;

    last = !last;
    (void) snprintf(names[last], sizeof(names[last]), "%s%d", prefix, n);

    return names[last];
}


/* runs a function in a child process; returns its id */
static pid_t
start_process(int (*run)(void *data), void *data)
{
    pid_t  pid;

    (void) fflush(stdout);
    pid = fork();

    if (pid == 0) {
        _exit(run(data));
    }

    return pid;
}


static at_session_e
find(const char *refresh, int64_t now)
{
    char          buf[AT_SESSION_BUF_SIZE];
    at_session_t  session;

    return at_session_find(sessions, &session, buf, str(refresh), &limits,
                           now, &err);
}


static int
clean_all(int64_t now)
{
    int  n, sum = 0;

    while ((n = at_session_db_clean(sessions, now, now, 3, &err)) > 0) {
        sum += n;
    }

    return n < 0 ? n : sum;
}


/* --- a session's life ---------------------------------------------------- */


static void
test_life(void)
{
    int            i, wrong = 0;
    char           buf[AT_SESSION_BUF_SIZE];
    unsigned char  mark[AT_SESSION_TAG_LEN], other[AT_SESSION_TAG_LEN];
    at_session_t   session;

    at_session_token_pair_t  first;
    at_user_record_t         user = { .password = at_str("$y$one") };

    open_sessions("life");
    is_int(begin("r0", "a0", NOW), OK, "login");
    is_int(at_session_find(sessions, &session, buf, at_str("r0"), &limits, NOW,
                           &err),
           OK, "a new refresh token is found");
    is_bytes(session.user, at_str("jane"), "the session names the user");
    is_bytes(session.issuer, at_str("main"), "the session names the issuer");
    ok(strcmp((char *) session.user_tag, "mark") == 0,
       "the session keeps the user tag");

    is_int(find("r", NOW), UNKNOWN, "an unknown refresh token is not found");
    is_int(find("", NOW), UNKNOWN, "an empty refresh token is not found");
    is_int(find("a0", NOW), UNKNOWN, "an access token is not a refresh token");
    is_int(rotate("a0", "x", NOW), UNKNOWN,
           "an access token cannot be rotated");
    is_int(find("x", NOW), UNKNOWN,
           "the successor of an unknown token is not stored");

    for (i = 1; i < 50; i++) {
        wrong += rotate(numbered("r", i - 1), numbered("r", i), NOW + i) != OK;
    }

    is_int(wrong, 0, "50 rotations return a new refresh token each");
    is_int(find("r49", NOW + 50), OK, "the last refresh token is valid");
    is_int(find("r0", NOW + 50), OK,
           "the first refresh token still leads to its session");

    is_int(rotate("r49", "r49", NOW + 50), FAILED,
           "a successor that was issued before is an error");
    is_int(rotate("r49", "r50", NOW + 50), OK,
           "a failed rotation does not use up the token");

    (void) at_session_user_tag(sessions, mark, &user);
    user.password = at_str("$y$two");
    (void) at_session_user_tag(sessions, other, &user);
    ok(memcmp(mark, other, AT_SESSION_TAG_LEN) != 0,
       "two passwords have two tags");
    user.session_epoch = 1;
    (void) at_session_user_tag(sessions, mark, &user);
    ok(memcmp(mark, other, AT_SESSION_TAG_LEN) != 0,
       "two session epochs have two tags");
    user.password = (at_str_t) { buf, AT_TEXT_MAX + 1 };
    is_int(at_session_user_tag(sessions, mark, &user), -1,
           "a password hash of an impossible length has no tag");

    session.user = (at_str_t) { buf, AT_SESSION_BUF_SIZE - 3 };
    first = pair("long", "a", NOW);
    is_int(at_session_create(sessions, &session, &first, &limits, NOW, &err),
           FAILED, "names that are too long are an error");
    ok(strstr(err.text, "more than") != NULL, "it is named: %s", err.text);
    session.user.len = AT_SESSION_BUF_SIZE + 1;
    is_int(at_session_create(sessions, &session, &first, &limits, NOW, &err),
           FAILED, "so is a username that is too long by itself");

    at_session_db_close(sessions);

    open_sessions("life");
    is_int(find("r50", NOW + 51), OK, "a session survives a restart");
    at_session_db_close(sessions);
}


static void
test_reuse(void)
{
    open_sessions("reuse");
    (void) begin("r0", "a0", NOW);
    (void) begin("other", "a1", NOW);

    is_int(rotate("r0", "r1", NOW), OK,
           "the first use of a refresh token rotates it");
    is_int(rotate("r0", "x", NOW), REPEATED,
           "a concurrent use gets REPEATED");
    is_str(repeated, "r1 access", "it gets the pair of the first use");
    is_int(rotate("r0", "x", NOW - 100), REPEATED,
           "a use gets REPEATED if the clock went backwards");
    is_int(rotate("r0", "x", NOW + GRACE - 1), REPEATED,
           "a use within the grace period gets REPEATED");
    is_str(repeated, "r1 access", "it gets the pair of the first use, too");
    is_int(find("x", NOW), UNKNOWN,
           "the successors of concurrent uses are not stored");
    is_int(rotate("r1", "r2", NOW + GRACE - 1), OK,
           "uses within the grace period do not revoke the session");
    is_int(rotate("r0", "x", NOW + GRACE - 1), USED,
           "after the first use of the successor the pair is not repeated");
    is_str(repeated, " ", "no pair is returned");
    is_int(rotate("r1", "x", NOW + GRACE), REPEATED,
           "the latest pair is repeated");
    is_str(repeated, "r2 access", "it is the pair of the latest use");

    is_int(rotate("r0", "x", NOW + GRACE), REUSED,
           "a use after the grace period gets REUSED");
    is_int(rotate("r2", "r3", NOW + GRACE), REVOKED,
           "reuse revokes the latest token of the session too");
    is_int(rotate("r0", "x", NOW + GRACE), REVOKED,
           "a second reuse gets REVOKED");
    is_int(rotate("r1", "x", NOW + GRACE), REVOKED,
           "no pair of a revoked session is repeated");
    is_int(find("r2", NOW + GRACE), REVOKED,
           "a lookup in the revoked session gets REVOKED");
    is_int(rotate("other", "other2", NOW + GRACE), OK,
           "another session of the same user is not revoked");

    at_session_db_close(sessions);
}


static void
test_expiry(void)
{
    open_sessions("expiry");
    (void) begin("r0", "a0", NOW);

    is_int(find("r0", NOW + DAY - 1), OK,
           "a refresh token is valid until a millisecond before its expiry");
    is_int(find("r0", NOW + DAY), EXPIRED,
           "a refresh token is expired at its expiry");
    is_int(rotate("r0", "r1", NOW + DAY), EXPIRED,
           "an expired refresh token cannot be rotated");
    is_int(find("r1", NOW + DAY), UNKNOWN,
           "the successor of an expired token is not stored");

    is_int(rotate("r0", "r1", NOW + DAY - 1), OK,
           "a refresh token can be rotated a millisecond before its expiry");
    is_int(find("r1", NOW + 2 * DAY - 2), OK,
           "the successor has its own lifetime");
    is_int(rotate("r0", "x", NOW + DAY), EXPIRED,
           "reuse of an expired token does not revoke the session");

    at_session_db_close(sessions);
}


static void
test_logout(void)
{
    char          buf[AT_SESSION_BUF_SIZE];
    int64_t       expires;
    at_session_t  session;

    open_sessions("logout");
    (void) begin("r0", "a0", NOW);
    (void) rotate("r0", "r1", NOW);
    (void) begin("s0", "same", NOW);
    (void) begin("t0", "same", NOW + 1);
    (void) begin("u0", "a2", NOW);

    is_int(at_session_find_by_access(sessions, &session, buf, &expires,
                                     at_str("same"), NOW, &err), OK,
           "an access token of two sessions");
    is_int(expires, NOW + 1 + DAY, "leads to the session that expires last");

    is_int(log_out("", "", NOW), UNKNOWN,
           "logout without tokens revokes nothing");
    is_int(log_out("x", "x", NOW), UNKNOWN,
           "logout with unknown tokens revokes nothing");
    is_int(log_out("a2", "u0", NOW), UNKNOWN,
           "swapped access and refresh tokens revoke nothing");
    is_int(find("u0", NOW), OK, "their session remains valid");

    is_int(log_out("", "a0", NOW), OK, "logout by the access token");
    is_int(rotate("r1", "r2", NOW), REVOKED,
           "the refresh token of that session is revoked");
    is_int(log_out("r1", "a0", NOW), UNKNOWN,
           "a second logout revokes nothing");

    is_int(log_out("", "same", NOW + HALF_HOUR), OK,
           "an expired access token of two sessions revokes both");
    is_int(find("s0", NOW), REVOKED, "the first of them is revoked");
    is_int(find("t0", NOW), REVOKED, "the second of them is revoked");

    (void) rotate("u0", "u1", NOW);
    is_int(log_out("u0", "", NOW), OK, "logout by a used refresh token");
    is_int(find("u1", NOW), REVOKED, "its successor is revoked");
    is_int(rotate("u0", "x", NOW), REVOKED,
           "a parallel use after the logout does not get the pair");

    at_session_db_close(sessions);
}


/* the clock of one process may be some milliseconds behind */
static void
test_no_grace(void)
{
    limits.grace = 0;
    open_sessions("no-grace");
    (void) begin("r0", "a0", NOW);

    is_int(rotate("r0", "r1", NOW), OK, "without a grace: the first use");
    is_int(rotate("r0", "r1", NOW - 1), USED,
           "without a grace: a use of a process whose clock is behind");
    is_str(repeated, " ", "it gets no pair");
    is_int(find("r1", NOW), OK, "the session remains");
    is_int(rotate("r0", "r1", NOW), REUSED, "without a grace: a second use");

    limits.grace = GRACE;
    at_session_db_close(sessions);
}


/* access tokens that expired before a refresh */
static void
test_expired_access(void)
{
    int64_t                  when;
    at_session_copy_t        copy;
    at_session_token_pair_t  next;

    open_sessions("expired access");
    (void) begin("r0", "a0", NOW);
    next = pair("r1", "a1", NOW + 1);
    (void) at_session_rotate(sessions, at_str("r0"), &next, &limits, &copy,
                             NOW + 1, &err);
    when = NOW + HALF_HOUR + 1;
    next = pair("r2", "a2", when);
    is_int(at_session_rotate(sessions, at_str("r1"), &next, &limits, &copy,
                             when, &err), OK,
           "a refresh after the expiry of the access tokens");

    is_int(log_out("", "a0", when), UNKNOWN,
           "the first of three access tokens is removed");
    is_int(log_out("", "a1", when), OK, "the second one is not");
    is_int(clean_all(when), 1, "cleaning finds the used refresh token only");

    at_session_db_close(sessions);
}


/* three access tokens of a session, the last two of one second */
static void
test_old_access(void)
{
    char                     buf[AT_SESSION_BUF_SIZE];
    int64_t                  when, expires;
    at_session_t             session;
    at_session_copy_t        copy;
    at_session_token_pair_t  next;

    open_sessions("access");

    for (when = NOW; when <= NOW + HALF_HOUR; when += HALF_HOUR) {
        (void) begin("r0", "a0", when);
        next = pair("r1", "a1", when);
        (void) at_session_rotate(sessions, at_str("r0"), &next, &limits,
                                 &copy, when, &err);
        next = pair("r2", "a2", when + 1);
        (void) at_session_rotate(sessions, at_str("r1"), &next, &limits,
                                 &copy, when + 1, &err);
        next = pair("r3", "a2", when + 2);
        (void) at_session_rotate(sessions, at_str("r2"), &next, &limits,
                                 &copy, when + 2, &err);

        is_int(at_session_find_by_access(sessions, &session, buf, &expires,
                                         at_str("a0"), when, &err), OK,
               "an access token leads to its session");
        ok(at_str_equal(session.user, at_str("jane")),
           "the session has its user");
        ok(expires == when + 2 + DAY, "the session expires with its last "
           "refresh token");
        is_int(clean_all(when + DAY - 1) > 0, 1,
               "expired records are removed");

        is_int(log_out("", "a0", when + DAY - 1), UNKNOWN,
               "an expired access token before the two latest revokes "
               "nothing");
        is_int(find("r3", when + DAY - 1), OK, "the session remains");
        is_int(log_out("", when == NOW ? "a1" : "a2", when + DAY - 1), OK,
               "one of the two latest revokes the session");
        is_int(find("r3", when + DAY - 1), REVOKED, "the session is revoked");
        is_int(at_session_find_by_access(sessions, &session, buf, &expires,
                                         at_str("a2"), when, &err), UNKNOWN,
               "a revoked session is not found by its access token");

        at_session_db_close(sessions);
        drop("access");
        open_sessions("access");
    }

    at_session_db_close(sessions);
}


/* records in all tables; the format of the database is one of them */
static size_t
count_records(const char *name)
{
    char         text[64];
    size_t       n = 0;
    MDB_env     *env;
    MDB_txn     *txn;
    MDB_dbi      main, dbi;
    MDB_val      table, value;
    MDB_stat     st;
    MDB_cursor  *cursor;

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 16) != 0
        || mdb_env_set_mapsize(env, (size_t) 4 << 30) != 0
        || mdb_env_open(env, in_dir(name), MDB_RDONLY, 0600) != 0
        || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0
        || mdb_dbi_open(txn, NULL, 0, &main) != 0
        || mdb_cursor_open(txn, main, &cursor) != 0)
    {
        bail(name);
    }

    while (mdb_cursor_get(cursor, &table, &value, MDB_NEXT) == 0) {
        (void) snprintf(text, sizeof(text), "%.*s", (int) table.mv_size,
                        (char *) table.mv_data);
        must(mdb_dbi_open(txn, text, 0, &dbi) == 0
             && mdb_stat(txn, dbi, &st) == 0, text);
        n += st.ms_entries;
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);

    return n;
}


/* logins within one second have the same access token */
static void
test_same_access(void)
{
    int                      i;
    char                     buf[AT_SESSION_BUF_SIZE];
    int64_t                  expires;
    at_session_t             session;
    at_session_token_pair_t  tokens;

    /* in the order of the ids, the earlier or the later one expires first */
    for (i = 0; i < 2; i++) {
        open_sessions("same");
        session = (at_session_t) { .user = at_str("jane"),
                                   .issuer = at_str("main"), .id = "A" };
        tokens = pair("r0", "a0", NOW + i);
        (void) at_session_create(sessions, &session, &tokens, &limits, NOW,
                                 &err);
        session.id[0] = 'B';
        tokens = pair("s0", "a0", NOW + 1 - i);
        (void) at_session_create(sessions, &session, &tokens, &limits, NOW,
                                 &err);

        is_int(at_session_find_by_access(sessions, &session, buf, &expires,
                                         at_str("a0"), NOW, &err), OK,
               "an access token of two sessions is found");
        is_int(expires, NOW + 1 + DAY,
               "it leads to the session that expires last");
        is_int(log_out("", "a0", NOW), OK, "logout by the access token");
        ok(find("r0", NOW) == REVOKED && find("s0", NOW) == REVOKED,
           "both sessions are revoked");

        at_session_db_close(sessions);
        drop("same");
    }
}


static void
test_clean(void)
{
    int          i, wrong = 0;
    const char  *name;
    struct stat  st;

    open_sessions("clean");
    (void) begin("r0", "a0", NOW);
    (void) rotate("r0", "r1", NOW + DAY / 2);
    (void) begin("s0", "a0", NOW + DAY / 2);

    is_int(clean_all(NOW), 0, "cleaning removes nothing that is valid");
    is_int(clean_all(NOW + HALF_HOUR), 0,
           "cleaning keeps the two latest access tokens");
    is_int(rotate("r0", "x", NOW + DAY / 2), REPEATED,
           "cleaning keeps a pair until the end of the grace period");
    is_int(at_session_db_clean(sessions, NOW + DAY / 2 + GRACE, NOW, 9, &err),
           1, "cleaning removes it then, with the used token");
    is_int(clean_all(NOW + DAY), 1,
           "cleaning visits the session, which a refresh has extended");
    is_int(find("r0", NOW), UNKNOWN, "a removed refresh token is not found");
    is_int(rotate("r1", "r2", NOW + DAY), OK,
           "the session remains as long as its last token");
    is_int(find("s0", NOW + DAY), OK, "another session remains");

    is_int(at_session_db_clean(sessions, NOW + 10 * DAY, NOW + DAY, 9, &err),
           1, "cleaning removes a used token, but no session before its time");
    is_int(clean_all(NOW + 10 * DAY), 2,
           "cleaning removes all expired sessions");
    is_int(clean_all(NOW + 1000 * DAY), 0, "a second run finds nothing");
    is_int(rotate("r2", "r3", NOW + DAY), UNKNOWN, "the session is removed");

    for (i = 0; i < 600; i++) {
        name = numbered("n", i);
        wrong += begin(name, name, NOW + i * DAY) != OK;
        wrong += at_session_db_clean(sessions, NOW + i * DAY, NOW + i * DAY,
                                     100, &err) < 0;
    }

    is_int(wrong, 0, "600 logins in 600 days with cleaning succeed");
    is_int(stat(in_dir("clean/data.mdb"), &st) == 0 && st.st_blocks *
           512 < 512 * 1024, 1, "the file stays below 512 KiB");

    (void) clean_all(NOW + 2000 * DAY);
    at_session_db_close(sessions);
    is_int(count_records("clean"), 1,
           "all expired sessions are removed with all of their records");
}


/* the map is full, not the disk */
static void
test_full(void)
{
    int          i, n, rounds;
    const char  *name;

    map_size = 4 * 1024 * 1024;
    open_sessions("full");
    map_size = 0;

    for (i = 0; i < 10000; i++) {
        name = numbered("", i);

        if (begin(name, name, NOW) != OK) {
            break;
        }
    }

    is_int(i > 100 && i < 10000, 1, "the database is full after %d logins", i);
    is_int(find("100", NOW), OK, "sessions in a full database remain valid");
    is_int(at_session_db_reduced_map(sessions), 0,
           "address space is not limited");
    is_int(at_session_db_usage(sessions), AT_SESSION_DB_FULL,
           "the usage says that it is full");
    is_int(rotate("100", "next", NOW), FAILED, "a refresh fails");
    is_int(rotate("100", "next", NOW), FAILED, "it uses up no token");
    is_int(log_out("100", "", NOW), OK, "a logout succeeds");

    for (rounds = 0, n = 1; n > 0 && rounds < 3000; rounds++) {
        n = at_session_db_clean(sessions, NOW + DAY, NOW + DAY, 500, &err);
    }

    is_int(n, 0,
           "cleaning makes room in a full database, in %d rounds", rounds);
    is_int(begin("new", "new", NOW + DAY), OK, "the next login succeeds");

    at_session_db_close(sessions);
}


/* --- tokens with the text that the server issues ------------------------- */


/* the session of the tokens of next_token() */
static at_session_t  session_of_tokens;

static char *
next_token(void)
{
    char  *token;

    token = at_session_create_token(sessions, &session_of_tokens, 80);
    must(token != NULL, "a refresh token");

    return token;
}


/* whether there is a token of this length, and it is authentic */
static int
creates_token(size_t len)
{
    int    authentic;
    char  *token;

    token = at_session_create_token(sessions, &session_of_tokens, len);
    authentic = token != NULL && strlen(token) == len
                && at_session_token_is_authentic(sessions, str(token));
    free(token);

    return authentic;
}


static void
test_removed_token(void)
{
    char  *first, *second, *third, *unsent, changed[128];

    open_sessions("removed");

    session_of_tokens = (at_session_t) { .user = at_str("jane"),
                                         .issuer = at_str("main") };
    (void) at_session_set_id(&session_of_tokens);
    first = next_token();
    second = next_token();
    third = next_token();
    unsent = next_token();

    is_int(strlen(first), 80, "a token has the length");
    is_int(strspn(first, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                  "0123456789"), 80, "it has letters and digits only");
    ok(strcmp(first, second) != 0, "two tokens differ");
    is_int(at_session_token_is_authentic(sessions, str(first)), 1,
           "a token is authentic");
    is_int(creates_token(AT_REFRESH_TOKEN_MIN)
           && creates_token(AT_REFRESH_TOKEN_MAX), 1,
           "tokens of the smallest and of the largest length");
    is_int(creates_token(AT_REFRESH_TOKEN_MIN - 1)
           || creates_token(AT_REFRESH_TOKEN_MAX + 1), 0,
           "no token is shorter or longer");

    is_int(find(first, NOW), UNKNOWN, "the token of no session is unknown");

    at_session_token_pair_t  tokens = pair(first, "a0", NOW);

    (void) at_session_create(sessions, &session_of_tokens, &tokens, &limits,
                             NOW, &err);
    is_int(rotate(first, second, NOW), OK, "a token is used");
    is_int(rotate(second, third, NOW + GRACE), OK, "so is its successor");
    is_int(at_session_db_clean(sessions, NOW + 2 * GRACE, NOW, 9, &err), 2,
           "both are removed when the grace period ends");

    (void) snprintf(changed, sizeof(changed), "%s", first);
    changed[30] = changed[30] == 'x' ? 'y' : 'x';
    is_int(rotate(changed, "x", NOW + DAY / 2), UNKNOWN,
           "a token with another character is unknown");
    (void) snprintf(changed, sizeof(changed), "%.79s", first);
    is_int(rotate(changed, "x", NOW + DAY / 2), UNKNOWN,
           "so is one without its last character");
    (void) snprintf(changed, sizeof(changed), "%s%s", first, "x");
    is_int(rotate(changed, "x", NOW + DAY / 2), UNKNOWN,
           "and one with another character at its end");
    is_int(find(third, NOW + DAY / 2), OK, "they do not revoke the session");

    is_int(find(first, NOW + GRACE + DAY - 1), OK,
           "a removed token leads to its session until that expires");
    is_int(find(first, NOW + GRACE + DAY), EXPIRED, "and not any longer");

    is_int(rotate(first, "x", NOW + DAY / 2), REUSED,
           "a removed token is recognized");
    is_int(find(third, NOW + DAY / 2), REVOKED, "its session is revoked");
    is_int(rotate(second, "x", NOW + DAY / 2), REVOKED,
           "another removed token gets REVOKED");
    is_int(find(unsent, NOW + DAY / 2), REVOKED,
           "so does a token that was never stored");

    free(first);
    free(second);
    free(third);
    free(unsent);
    at_session_db_close(sessions);
}


static void
test_logout_by_removed_token(void)
{
    char                     *first;
    at_session_token_pair_t   tokens;

    open_sessions("removed logout");

    (void) at_session_set_id(&session_of_tokens);
    first = next_token();
    tokens = pair(first, "a0", NOW);
    (void) at_session_create(sessions, &session_of_tokens, &tokens, &limits,
                             NOW, &err);
    (void) rotate(first, "r1", NOW);
    (void) at_session_db_clean(sessions, NOW + GRACE, NOW, 9, &err);

    is_int(at_session_is_active(sessions, str(first), str(""), NOW + GRACE,
                                &err), OK,
           "the session of a removed token is active");
    is_int(log_out(first, "", NOW + GRACE), OK, "logout by a removed token");
    is_int(find("r1", NOW + GRACE), REVOKED, "the session is revoked");
    is_int(at_session_is_active(sessions, str(first), str(""), NOW + GRACE,
                                &err), UNKNOWN, "it is not active any more");
    is_int(at_session_is_active(sessions, str(""), str("a0"), NOW + GRACE,
                                &err), UNKNOWN, "by its access token neither");

    free(first);
    at_session_db_close(sessions);
}


/* --- limits -------------------------------------------------------------- */


static int64_t
used_space(const char *path)
{
    struct stat  st;

    must(stat(in_dir(path), &st) == 0, path);

    return (int64_t) st.st_blocks * 512;
}


static void
test_refresh_loop(void)
{
    int      i, wrong = 0;
    int64_t  when, before = 0;

    open_sessions("loop");
    (void) begin("r0", "a", NOW);

    for (i = 0; i < 6000; i++) {
        when = NOW + i * 1000LL;
        wrong += rotate(numbered("r", i), numbered("r", i + 1), when) != OK;

        if (i % 30 == 0) {
            wrong += at_session_db_clean(sessions, when, when, 500, &err) < 0;
        }

        if (i == 1000) {
            before = used_space("loop/data.mdb");
        }
    }

    is_int(wrong, 0, "6000 refreshes of a session");
    ok(used_space("loop/data.mdb") <= before + 32 * 1024,
       "the file does not grow after the first 1000");

    at_session_db_close(sessions);
}


static void
test_per_minute(void)
{
    int  i, wrong = 0;

    limits.per_minute = 3;
    open_sessions("minute");
    (void) begin("r0", "a", NOW);

    for (i = 0; i < 3; i++) {
        wrong += rotate(numbered("r", i), numbered("r", i + 1), NOW + i) != OK;
    }

    is_int(wrong, 0, "three refreshes within a minute");
    is_int(find("r3", NOW + AT_SESSION_MINUTE - 1), LIMITED,
           "the fourth gets LIMITED");
    is_int(rotate("r3", "r4", NOW + AT_SESSION_MINUTE - 1), LIMITED,
           "it is not written");
    is_int(rotate("r2", "x", NOW + 3), REPEATED,
           "a repeated use is not limited");
    is_int(rotate("r0", "x", NOW + 2 * GRACE), REUSED,
           "a reuse is detected within the minute, too");

    (void) begin("s0", "b", NOW);

    for (i = 0; i < 3; i++) {
        (void) rotate(numbered("s", i), numbered("s", i + 1), NOW + i);
    }

    is_int(rotate("s3", "s4", NOW + AT_SESSION_MINUTE), OK,
           "the next minute begins");
    is_int(rotate("s4", "s5", NOW), OK,
           "a clock that is set back does not extend the minute");

    limits.per_minute = 1000000;
    at_session_db_close(sessions);
}


static void
test_per_user(void)
{
    int   i;
    char  name[64];

    limits.per_user = 3;
    open_sessions("user");

    is_int(at_session_db_largest_user(sessions, name, sizeof(name), &err), 0,
           "an empty database has no largest user");
    is_int(at_session_db_count_live(sessions, NOW, &err), 0,
           "and no sessions");

    for (i = 0; i < 3; i++) {
        (void) begin(numbered("r", i), numbered("a", i), NOW + i);
    }

    is_int(find("r0", NOW + 3), OK, "three sessions of a user");
    (void) rotate("r0", "r9", NOW + 3);
    is_int(begin("r3", "a3", NOW + 4), OK, "the fourth login");
    is_int(find("r9", NOW + 4), UNKNOWN, "the oldest session has ended");
    is_int(log_out("", "a0", NOW + 4), UNKNOWN, "with its access token");
    is_int(at_session_db_count_live(sessions, NOW + 4, &err), 3,
           "three sessions are live");
    is_int(at_session_db_count_live(sessions, NOW + 10 * DAY, &err), 0,
           "expired sessions are not live");
    is_int(find("r1", NOW + 4), OK, "the second one has not");

    for (i = 0; i < 8; i++) {
        username = numbered("other", i);
        (void) begin(numbered("o", i), numbered("b", i), NOW + 4);
    }

    username = "jane";
    (void) log_out("r2", "", NOW + 5);
    is_int(at_session_db_count_live(sessions, NOW + 5, &err), 2 + 8,
           "a revoked session is not live");
    is_int(begin("r4", "a4", NOW + 6), OK, "a login after a logout");
    is_int(find("r1", NOW + 6), OK, "a revoked session is removed first");
    is_int(find("r2", NOW + 6), UNKNOWN, "it is unknown then");

    is_int(at_session_db_largest_user(sessions, name, 3, &err), 3,
           "the largest user has three sessions");
    ok(strcmp(name, "ja") == 0, "a long name is truncated");
    (void) at_session_db_largest_user(sessions, name, sizeof(name), &err);
    ok(strcmp(name, "jane") == 0, "eight other users have one session each");

    limits.per_user = 1;
    (void) begin("r5", "a5", NOW + 7);
    is_int(find("r5", NOW + 7), OK, "a login with a lower limit");
    is_int(find("r4", NOW + 7), UNKNOWN, "all other sessions have ended");
    is_int(clean_all(NOW + 10 * DAY), 2 + 8,
           "cleaning removes all sessions and the used token");
    is_int(at_session_db_largest_user(sessions, name, sizeof(name), &err), 0,
           "then no user has sessions");

    limits.per_user = 1000000;
    at_session_db_close(sessions);
}


static void
test_group(void)
{
    open_sessions("group");
    (void) begin("r0", "a", NOW);
    (void) begin("s0", "b", NOW);
    (void) begin("t0", "c", NOW);

    is_int(at_session_db_begin_group(sessions, &err), 0, "a group begins");
    is_int(rotate("r0", "r1", NOW), OK, "the first write");
    is_int(rotate("r0", "x", NOW), REPEATED,
           "a write sees what precedes it in the group");
    is_str(repeated, "r1 access", "it gets the same pair");
    is_int(log_out("s0", "", NOW), OK, "the second write");
    is_int(begin("u0", "d", NOW), OK, "the third write");
    is_int(find("r1", NOW), UNKNOWN, "nothing is visible before the commit");
    is_int(at_session_db_end_group(sessions, &err), 0, "the group ends");
    is_int(find("r1", NOW), OK, "then the first write is visible");
    is_int(find("s0", NOW), REVOKED, "the second one, too");
    is_int(find("u0", NOW), OK, "and the third one");

    (void) at_session_db_begin_group(sessions, &err);
    is_int(rotate("t0", "t1", NOW), OK, "a write in a second group");
    is_int(rotate("r1", "r1", NOW), FAILED, "another write that fails");
    is_int(at_session_db_end_group(sessions, &err), -1, "the group fails");
    is_int(find("t1", NOW), UNKNOWN, "no write of it was stored");
    is_int(rotate("t0", "t1", NOW), OK, "each can be repeated");

    at_session_db_close(sessions);
}


static void
test_uses(void)
{
    char            path[PATH_MAX - 5];
    at_token_use_t  use[2], got;

    open_sessions("uses");

    memset(use, 0, sizeof(use));
    use[0].digest[0] = 1;
    use[0].count = 3;
    use[0].last = NOW;
    use[1].digest[31] = 1;
    use[1].count = 1;
    use[1].last = NOW;

    got = use[0];
    is_int(at_token_use_get(sessions, &got), 0,
           "an unused API token has no counter");
    is_int(at_token_use_add(sessions, use, 2, &err), 0,
           "uses of two API tokens are stored");
    is_int(at_token_use_get(sessions, &got), 1,
           "a used API token has a counter");
    is_int(got.count, 3, "the counter has the number of uses");
    is_int(got.last, NOW, "the counter has the time of the last use");

    use[0].count = 1ull << 40;
    use[0].last = NOW - 1;
    (void) at_token_use_add(sessions, use, 1, &err);
    (void) at_token_use_get(sessions, &got);
    is_int(got.count, (1ll << 40) + 3, "counters add up");
    is_int(got.last, NOW, "the latest time is kept");

    at_session_db_close(sessions);

    ok(at_session_db_open(in_dir("nowhere"), NULL, &verdict, &err) == NULL,
       "a reader does not create the database");
    is_int(access(in_dir("nowhere"), F_OK), -1,
           "a reader does not create the directory");

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    ok(at_session_db_open(path, NULL, &verdict, &err) == NULL
       && strstr(err.text, "too long") != NULL, "a path that is too long");

    sessions = at_session_db_open(in_dir("uses"), NULL, &verdict, &err);
    ok(sessions != NULL, "a reader opens the database without the key");
    is_int(at_token_use_get(sessions, &got), 1, "a reader gets counters");
    is_int(at_token_use_add(sessions, use, 1, &err), -1,
           "a reader cannot add uses");
    is_int(begin("r", "a", NOW), FAILED,
           "a reader cannot create sessions");
    is_int(at_session_db_clean(sessions, NOW, NOW, 10, &err), -1,
           "a reader cannot clean");
    at_session_db_close(sessions);
}


static void
test_other_key(void)
{
    static const at_state_key_t  other = { { 9 } };

    open_sessions("key");
    (void) begin("r0", "a0", NOW);
    at_session_db_close(sessions);

    sessions = at_session_db_open(in_dir("key"), &other, &verdict, &err);
    is_int(find("r0", NOW), UNKNOWN,
           "with another key, a refresh token is not found");
    at_session_db_close(sessions);
}


/* --- another process of the same user ------------------------------------ */


typedef enum {
    SWAP_SESSIONS,              /* swaps the records of two sessions */
    SWAP_TOKENS,                /* swaps two refresh tokens */
    RENAME,                     /* changes a byte of the user */
    LENGTHEN,                   /* makes the user too long */
    SHORTEN                     /* of a record, keeps a few bytes */
} forge_e;


static void
open_table(MDB_env **env, MDB_txn **txn, MDB_dbi *dbi, const char *table)
{
    if (mdb_env_create(env) != 0 || mdb_env_set_maxdbs(*env, 8) != 0
        || mdb_env_set_mapsize(*env, (size_t) 4 << 30) != 0
        || mdb_env_open(*env, in_dir("forge"), 0, 0600) != 0
        || mdb_txn_begin(*env, NULL, 0, txn) != 0
        || mdb_dbi_open(*txn, table, 0, dbi) != 0)
    {
        bail(table);
    }
}


/* changes the first two records of a table */
static void
forge(const char *table, forge_e how)
{
    int          i;
    char         copy[2][3000];
    uint32_t     len;
    MDB_env     *env;
    MDB_txn     *txn;
    MDB_dbi      dbi;
    MDB_val      keys[2], value[2];
    MDB_cursor  *cursor;

    open_table(&env, &txn, &dbi, table);
    must(mdb_cursor_open(txn, dbi, &cursor) == 0, table);

    for (i = 0; i < 2; i++) {
        (void) mdb_cursor_get(cursor, &keys[i], &value[i],
                              i ? MDB_NEXT : MDB_FIRST);
        memcpy(copy[i], value[i].mv_data, value[i].mv_size);

        if (how == RENAME) {
            /* the user precedes the issuer, "main" */
            copy[i][value[i].mv_size - sizeof("main")] ^= 1;

        } else if (how == LENGTHEN) {
            len = sizeof(copy[i]) - sizeof(at_session_record_t)
                  - strlen("main");
            memcpy(copy[i] + offsetof(at_session_record_t, user_len), &len,
                   sizeof(len));
            value[i].mv_size = sizeof(copy[i]);

        } else if (how == SHORTEN) {
            value[i].mv_size = 8;
        }
    }

    mdb_cursor_close(cursor);

    for (i = 0; i < 2; i++) {
        value[i].mv_data = copy[how >= RENAME ? i : 1 - i];
        (void) mdb_put(txn, dbi, &keys[i], &value[i], 0);
    }

    (void) mdb_txn_commit(txn);
    mdb_env_close(env);
}


/* adds bytes to each key and each value of a table, or removes them */
static void
resize(const char *table, int key_change, int value_change)
{
    int          i, n;
    char         copy[8][2][2048];
    MDB_env     *env;
    MDB_txn     *txn;
    MDB_val      keys[8], values[8];
    MDB_dbi      dbi;
    MDB_cursor  *cursor;

    open_table(&env, &txn, &dbi, table);
    must(mdb_cursor_open(txn, dbi, &cursor) == 0, table);
    memset(copy, 'x', sizeof(copy));

    for (n = 0; n < 8; n++) {
        if (mdb_cursor_get(cursor, &keys[n], &values[n], MDB_NEXT) != 0) {
            break;
        }

        memcpy(copy[n][0], keys[n].mv_data, keys[n].mv_size);
        memcpy(copy[n][1], values[n].mv_data, values[n].mv_size);
        keys[n].mv_data = copy[n][0];
        values[n].mv_data = copy[n][1];
    }

    mdb_cursor_close(cursor);

    for (i = 0; i < n; i++) {
        (void) mdb_del(txn, dbi, &keys[i], NULL);
        keys[i].mv_size += (size_t) key_change;
        values[i].mv_size += (size_t) value_change;
        must(mdb_put(txn, dbi, &keys[i], &values[i], 0) == 0, table);
    }

    (void) mdb_txn_commit(txn);
    mdb_env_close(env);
}


static void
forged(const char *table, forge_e how, const char *name)
{
    open_sessions("forge");
    (void) begin("r0", "a0", NOW);
    (void) begin("s0", "b0", NOW);
    is_int(find("r0", NOW), OK, "before the change, the token is valid");
    at_session_db_close(sessions);

    forge(table, how);

    open_sessions("forge");
    is_int(find("r0", NOW), FAILED, "%s: lookup fails", name);
    err.text[0] = '\0';
    is_int(rotate("r0", "r1", NOW), FAILED, "%s: rotation fails", name);
    ok(strstr(err.text, "record is damaged or was not written by this server")
       != NULL, "%s: the error of the rotation names the cause", name);
    is_int(rotate("s0", "s1", NOW), FAILED,
           "%s: rotation of the other token fails", name);

    if (how != SWAP_TOKENS) {
        is_int(log_out("", "a0", NOW), FAILED,
               "%s: logout by the access token fails", name);
        is_int(clean_all(NOW + 2 * DAY), 2, "%s: cleaning removes both", name);
    }

    at_session_db_close(sessions);

    drop("forge");
}


static void
test_forged(void)
{
    forged("sessions", SWAP_SESSIONS, "a session under another id");
    forged("sessions", RENAME, "a session of another user");
    forged("sessions", LENGTHEN, "a session of a user with a long name");
    forged("refresh_tokens", SWAP_TOKENS,
           "a refresh token of another session");

    open_sessions("forge");
    (void) begin("r0", "a0", NOW);
    (void) begin("s0", "b0", NOW);
    (void) rotate("r0", "r1", NOW);
    (void) rotate("s0", "s1", NOW);
    at_session_db_close(sessions);

    forge("latest_pairs", SHORTEN);

    open_sessions("forge");
    is_int(clean_all(NOW + GRACE), 2,
           "a pair that is too short does not prevent the cleaning");
    at_session_db_close(sessions);
}


static void
test_truncated(void)
{
    open_sessions("cut");
    (void) begin("r0", "a0", NOW);
    must(truncate(in_dir("cut/data.mdb"), 8192) == 0, "truncate");

    is_int(find("r0", NOW), FAILED, "a truncated database fails a lookup");
    err.text[0] = '\0';
    ok(clean_all(NOW) == -1 && strstr(err.text, "is truncated") != NULL,
       "cleaning names the cause");
    err.text[0] = '\0';
    ok(begin("s0", "b0", NOW) == FAILED
       && strstr(err.text, "is truncated") != NULL, "so does a login");
    at_session_db_close(sessions);
}


static void
test_gone(void)
{
    open_sessions("gone");
    is_int(at_session_db_is_current(sessions), 1, "an open database");
    drop("gone");
    is_int(at_session_db_is_current(sessions), 0, "a removed database");
    (void) close(open(in_dir("gone"), O_WRONLY|O_CREAT, 0600));
    is_int(at_session_db_is_current(sessions), 0,
           "a file in place of its directory");
    at_session_db_close(sessions);
}


/* a database of another version is not a damaged one */
static void
test_other_format(void)
{
    MDB_env  *env;
    MDB_txn  *txn;
    MDB_dbi   dbi;
    MDB_val   format = { 6, (void *) (uintptr_t) "format" };
    MDB_val   version = { 2, (void *) (uintptr_t) "99" };

    open_sessions("new");
    at_session_db_close(sessions);

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 8) != 0
        || mdb_env_set_mapsize(env, (size_t) 4 << 30) != 0
        || mdb_env_open(env, in_dir("new"), 0, 0600) != 0
        || mdb_txn_begin(env, NULL, 0, &txn) != 0
        || mdb_dbi_open(txn, "meta", 0, &dbi) != 0
        || mdb_put(txn, dbi, &format, &version, 0) != 0
        || mdb_txn_commit(txn) != 0)
    {
        bail("cannot change the format");
    }

    mdb_env_close(env);
    memset(&verdict, 0, sizeof(verdict));

    ok(at_session_db_open(in_dir("new"), &key, &verdict, &err) == NULL
       && strstr(err.text, "of another format") != NULL,
       "a database of another format is not opened");
    ok(access(in_dir("new.damaged"), F_OK) == -1, "nor is it replaced");
}


/* --- each operation ------------------------------------------------------ */


/*
 * Each operation of the database, in a session whose first refresh token is
 * used.  Returns 1 if it succeeds, 0 if it fails, -1 for a wrong result.
 */
typedef int (*operation_pt)(void);

static int
outcome(at_session_e result, at_session_e right)
{
    return result == right ? 1 : result == FAILED ? 0 : -1;
}


static int
op_find(void)
{
    return outcome(find("r1", NOW), OK);
}


static int
op_rotate(void)
{
    return outcome(rotate("r1", "r2", NOW), OK);
}


static int
op_repeat(void)
{
    at_session_e  result = rotate("r0", "x", NOW);

    return strcmp(repeated, result == REPEATED ? "r1 access" : " ") == 0
           ? outcome(result, REPEATED) : -1;
}


static int
op_reuse(void)
{
    return outcome(rotate("r0", "x", NOW + 2 * GRACE), REUSED);
}


static int
op_logout(void)
{
    return outcome(log_out("r1", "access", NOW), OK);
}


static int
op_logout_by_access(void)
{
    return outcome(log_out("", "access", NOW), OK);
}


static int
op_active(void)
{
    return outcome(at_session_is_active(sessions, at_str(""), at_str("access"),
                                        NOW, &err), OK);
}


static int
op_by_access(void)
{
    char          buf[AT_SESSION_BUF_SIZE];
    int64_t       expires;
    at_session_t  session;

    return outcome(at_session_find_by_access(sessions, &session, buf, &expires,
                                             at_str("access"), NOW, &err), OK);
}


/* removes the other session of the user */
static int
op_login(void)
{
    at_session_e  result;

    limits.per_user = 1;
    result = begin("s0", "access", NOW);
    limits.per_user = 1000000;

    return outcome(result, OK);
}


static int
op_clean(void)
{
    int  n = at_session_db_clean(sessions, NOW + 2 * GRACE, NOW + 10 * DAY, 9,
                                 &err);

    return n < 0 ? 0 : n > 0 ? 1 : -1;
}


/* the session is not expired */
static int
op_clean_extended(void)
{
    return at_session_db_clean(sessions, NOW, NOW + DAY, 9, &err) >= 0;
}


static int
op_largest(void)
{
    char     name[64];
    int64_t  n = at_session_db_largest_user(sessions, name, sizeof(name),
                                            &err);

    return n < 0 ? 0 : n == 1 && strcmp(name, "jane") == 0 ? 1 : -1;
}


static int
op_usage(void)
{
    return at_session_db_usage(sessions) >= 0;
}


static int
op_count_use(void)
{
    at_token_use_t  use = { .count = 1, .last = NOW };

    return at_token_use_add(sessions, &use, 1, &err) == 0;
}


static int
op_get_uses(void)
{
    at_token_use_t  use = { .count = 0 };

    return at_token_use_get(sessions, &use) > 0;
}


static const struct {
    const char    *name;
    operation_pt   run;
    int            silent;          /* reports no error */
} operations[] = {
    { "find", op_find, 0 }, { "rotate", op_rotate, 0 },
    { "repeat", op_repeat, 0 }, { "reuse", op_reuse, 0 },
    { "logout", op_logout, 0 }, { "logout-by-access", op_logout_by_access, 0 },
    { "active", op_active, 0 }, { "by-access", op_by_access, 0 },
    { "login", op_login, 0 }, { "clean", op_clean, 0 },
    { "clean-extended", op_clean_extended, 0 }, { "largest", op_largest, 0 },
    { "usage", op_usage, 1 }, { "count-use", op_count_use, 0 },
    { "get-uses", op_get_uses, 1 },
};


/* the session of the operations, in place of all others */
static void
make_session(void)
{
    must(clean_all(NOW + 1000 * DAY) >= 0, err.text);

    if (begin("r0", "access", NOW) != OK || rotate("r0", "r1", NOW + 1) != OK
        || op_count_use() != 1)
    {
        bail(err.text);
    }
}


/* a record with another size: the operations that need it fail */
static void
test_record_sizes(void)
{
    size_t  i, k;
    int     got, wrong;
    char    failed[512];

    static const struct {
        const char  *table;
        int          key, value;
        const char  *fails;
    } cases[] = {
        { "sessions", 0, -1,
          "find rotate repeat reuse logout logout-by-access active "
          "by-access largest " },
        { "sessions", 0, -100,
          "find rotate repeat reuse logout logout-by-access active "
          "by-access largest " },
        { "sessions", 0, 1,
          "find rotate repeat reuse logout logout-by-access active "
          "by-access largest " },
        { "refresh_tokens", 0, -1, "find rotate repeat reuse logout " },
        { "access_tokens", 0, -1,
          "logout logout-by-access active by-access " },
        { "access_tokens", -1, 0,
          "logout logout-by-access active by-access " },
        { "latest_pairs", 0, -40, "repeat " },
        { "latest_pairs", 0, -1, "repeat " },
        { "expiries", -1, 0, "" },
        { "expiries", 40, 0, "clean clean-extended " },
        { "users", -1, 0, "login largest " },
        { "token_uses", 0, 1, "count-use get-uses " },
    };

    for (i = 0; i < N(cases); i++) {
        failed[0] = '\0';
        wrong = 0;

        for (k = 0; k < N(operations); k++) {
            drop("forge");
            open_sessions("forge");
            make_session();
            at_session_db_close(sessions);

            resize(cases[i].table, cases[i].key, cases[i].value);
            open_sessions("forge");
            got = operations[k].run();
            wrong += got < 0;

            if (got == 0) {
                (void) snprintf(failed + strlen(failed),
                                sizeof(failed) - strlen(failed), "%s ",
                                operations[k].name);
            }

            at_session_db_close(sessions);
        }

        is_str(failed, cases[i].fails, "%s, %d bytes in the key and %d in the "
               "value: these operations fail", cases[i].table, cases[i].key,
               cases[i].value);
        is_int(wrong, 0, "the others have the right result");
    }

    drop("forge");
}


/* a damaged database is replaced, but not by a process that only reads */
static void
is_replaced(const char *says, const char *name)
{
    struct stat  st;

    memset(&verdict, 0, sizeof(verdict));
    ok(at_session_db_open(in_dir("files"), NULL, &verdict, &err) == NULL
       && strstr(err.text, says) != NULL, "%s is rejected by a reader", name);

    sessions = at_session_db_open(in_dir("files"), &key, &verdict, &err);
    ok(sessions != NULL && strstr(err.text, says) != NULL
       && strstr(err.text, "/files.damaged\"") != NULL,
       "%s is replaced, with the cause", name);
    is_int(stat(in_dir("files.damaged/data.mdb"), &st), 0, "%s is kept", name);

    is_int(begin("r", "a", NOW), OK, "%s: sessions are stored", name);
    at_session_db_close(sessions);

    sessions = at_session_db_open(in_dir("files"), &key, &verdict, &err);
    ok(sessions != NULL && err.text[0] == '\0', "%s: the new database is kept",
       name);
    at_session_db_close(sessions);
}


static void
test_files(void)
{
    int          fd, page;
    char         text[4096], data[65536];
    ssize_t      n;
    struct stat  st;

    open_sessions("files");
    (void) begin("secret refresh token", "secret access token", NOW);
    at_session_db_close(sessions);

    is_int(stat(in_dir("files"), &st) == 0 && (st.st_mode & 07777) == 0700, 1,
           "the directory has mode 0700");
    is_int(stat(in_dir("files/data.mdb"), &st) == 0
           && (st.st_mode & 07777) == 0600, 1, "data.mdb has mode 0600");

    fd = open(in_dir("files/data.mdb"), O_RDONLY|O_CLOEXEC);
    n = pread(fd, data, sizeof(data), 0);
    ok(n > 0 && memmem(data, (size_t) n, "secret", 6) == NULL,
       "data.mdb contains no token");
    (void) close(fd);

    (void) !truncate(in_dir("files/data.mdb"), 8192);
    is_replaced("is truncated", "a truncated data.mdb");

    memset(text, 'x', sizeof(text));
    fd = open(in_dir("files/data.mdb"), O_WRONLY|O_CLOEXEC|O_TRUNC);
    (void) !write(fd, text, sizeof(text));
    (void) close(fd);
    is_replaced("is not a database", "another file as data.mdb");

    /* the header of the root of the sessions */
    fd = open(in_dir("files/data.mdb"), O_WRONLY|O_CLOEXEC);
    for (page = 2; page < 20; page++) {
        (void) !pwrite(fd, "garbage", 7, page * 4096 + 9);
    }
    (void) close(fd);
    is_replaced("is damaged, page", "a data.mdb with damaged pages");

    (void) !truncate(in_dir("files/data.mdb"), 0);
    open_sessions("files");
    is_int(begin("r", "a", NOW), OK, "an empty data.mdb is initialized");
    at_session_db_close(sessions);
}


/* --- processes ----------------------------------------------------------- */


typedef struct {
    pthread_barrier_t  barrier;
    unsigned           winner;          /* of the last round */
    unsigned           results[ROUNDS][AT_SESSION_REVOKED + 1];
} race_t;

static unsigned  number;                /* of this process */


/* in each round all processes use the token that the last winner got */
static int
race(void *data)
{
    char          was[32], next[32];
    race_t       *shared = data;
    unsigned      i;
    at_session_e  result;

    open_sessions("race");

    if (number == 0) {
        (void) begin("r0-0", "a", NOW);
    }

    for (i = 0; i < ROUNDS; i++) {
        (void) pthread_barrier_wait(&shared->barrier);

        (void) snprintf(was, sizeof(was), "r%u-%u", i, shared->winner);
        (void) snprintf(next, sizeof(next), "r%u-%u", i + 1, number);

        (void) pthread_barrier_wait(&shared->barrier);

        result = rotate(was, next, NOW + i);

        (void) __atomic_add_fetch(&shared->results[i][result], 1,
                                  __ATOMIC_SEQ_CST);

        if (result == OK) {
            shared->winner = number;
        }
    }

    at_session_db_close(sessions);

    return 0;
}


static void
test_race(void)
{
    int                    status, failed;
    char                   last[32];
    pid_t                  pids[PROCESSES];
    race_t                *shared;
    unsigned               i, one, others;
    pthread_barrierattr_t  attr;

    /* all processes create the database at once; the first one logs in */
    shared = mmap(NULL, sizeof(race_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    (void) pthread_barrierattr_init(&attr);
    (void) pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void) pthread_barrier_init(&shared->barrier, &attr, PROCESSES);

    for (i = 0; i < PROCESSES; i++) {
        number = i;
        pids[i] = start_process(race, shared);
    }

    failed = 0;

    for (i = 0; i < PROCESSES; i++) {
        (void) waitpid(pids[i], &status, 0);
        failed += status != 0;
    }

    one = 0;
    others = 0;

    for (i = 0; i < ROUNDS; i++) {
        one += shared->results[i][OK] == 1;
        others += shared->results[i][REPEATED];
    }

    is_int(failed, 0, "all processes exit normally");
    is_int(one, ROUNDS, "one process wins each of %d rounds of %d processes",
           ROUNDS, PROCESSES);
    is_int(others, ROUNDS * (PROCESSES - 1), "all others get REPEATED");

    open_sessions("race");
    (void) snprintf(last, sizeof(last), "r%d-%u", ROUNDS, shared->winner);
    is_int(find(last, NOW), OK, "the last successor is valid");
    at_session_db_close(sessions);

    (void) munmap(shared, sizeof(race_t));
}


static int
rotate_until_killed(void *data)
{
    open_sessions("kill");
    steps = 0;
    kill_at = *(unsigned *) data;

    return rotate("r0", "r1", NOW) != OK;
}


static void
test_kill(void)
{
    int       status, killed = 1;
    unsigned  n, good, wrong = 0, before = 0, after = 0;

    for (n = 1; killed && n < POINTS; n++) {
        drop("kill");

        open_sessions("kill");
        (void) begin("r0", "a0", NOW);
        at_session_db_close(sessions);

        (void) waitpid(start_process(rotate_until_killed, &n), &status, 0);
        killed = WIFSIGNALED(status);

        open_sessions("kill");

        if (find("r1", NOW) == OK) {
            after += killed;

        } else {
            before += killed;
        }

        good = rotate("r0", "y", NOW) == OK;
        good += rotate("r1", "z", NOW) == OK;
        wrong += good != 1;

        at_session_db_close(sessions);
    }

    ok(n > 4 && n < POINTS, "killed at %u steps of a rotation", n - 2);
    ok(before > 0 && after > 0,
       "some kills come before the commit, some after it");
    is_int(wrong, 0, "either the old or the new token is valid, at each step");
}


/* --- threads ------------------------------------------------------------- */


static void *
write_in_thread(TAP_UNUSED void *data)
{
    int              i;
    static unsigned  failed;

    for (i = 0; i < ROUNDS; i++) {
        failed += rotate(numbered("r", i), numbered("r", i + 1), NOW + i)
                  != OK;
        failed += at_session_db_clean(sessions, NOW, NOW, 10, &err) != 0;
    }

    return &failed;
}


static void
test_threads(void)
{
    void      *failed;
    unsigned   wrong = 0, n;
    pthread_t  thread;

    open_sessions("threads");
    (void) begin("r0", "a", NOW);

    (void) pthread_create(&thread, NULL, write_in_thread, NULL);

    for (n = 0; n < 20000; n++) {
        wrong += find("r0", NOW) != OK;
    }

    (void) pthread_join(thread, &failed);

    is_int(*(unsigned *) failed, 0, "a thread writes without an error");
    is_int(wrong, 0, "another thread reads without an error");

    at_session_db_close(sessions);
}


/* --- failing allocations and calls --------------------------------------- */


/* as the server does: opens the database again if LMDB or a file failed */
static void
reopen(void)
{
    (void) fail_end();

    if (!at_session_db_is_current(sessions)) {
        at_session_db_close(sessions);
        open_sessions("forge");
    }
}


/* an operation that fails has no effect: the next attempt succeeds */
static int
fail_operation(void *data, FAIL_UNUSED unsigned n)
{
    int     got, told;
    size_t  i = *(size_t *) data;

    failing.paused = 1;
    make_session();
    err.text[0] = '\0';
    failing.paused = 0;

    got = operations[i].run();
    told = operations[i].silent || err.text[0] != '\0';
    reopen();

    return got > 0 || (got == 0 && told && operations[i].run() > 0);
}


/* LMDB reports damaged pages: the server must open the database again */
static int
fail_damaged(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int  found = op_find(), damaged = at_session_db_is_damaged(sessions),
         told = strstr(err.text, "MDB_CORRUPTED") != NULL;

    reopen();
    err.text[0] = '\0';

    return found >= 0 && damaged == told && op_find() > 0;
}


static int
fail_token(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int             right = 1;
    char           *token;
    unsigned char   tag[AT_SESSION_TAG_LEN];
    at_session_t    session;

    at_user_record_t  user = { .password = at_str("$y$one") };

    (void) at_session_user_tag(sessions, tag, &user);
    token = at_session_set_id(&session) == 0
            ? at_session_create_token(sessions, &session, 80) : NULL;

    if (token != NULL) {
        right = at_session_token_is_authentic(sessions, str(token)) != 0;
        (void) fail_end();
        right &= at_session_token_is_authentic(sessions, str(token)) == 1;
    }

    (void) fail_end();
    at_secret_free(token);

    return right;
}


/* a damaged database is replaced, if this succeeds */
static int
fail_open(void *data, FAIL_UNUSED unsigned n)
{
    int               right;
    at_session_db_t  *other;

    if (data != NULL) {
        (void) !truncate(in_dir("fail_open/data.mdb"), 5000);
    }

    err.text[0] = '\0';
    memset(&verdict, 0, sizeof(verdict));

    other = at_session_db_open(in_dir("fail_open"), &key, &verdict, &err);
    (void) fail_end();

    right = other != NULL || err.text[0] != '\0';
    at_session_db_close(other);

    other = at_session_db_open(in_dir("fail_open"), &key, &verdict, &err);
    at_session_db_close(other);

    return right && other != NULL;
}


static int
fail_tag(FAIL_UNUSED void *data, FAIL_UNUSED unsigned n)
{
    int               rc;
    unsigned char     got[AT_SESSION_TAG_LEN], expected[AT_SESSION_TAG_LEN];
    at_user_record_t  user = { .password = at_str("$y$one") };

    rc = at_session_user_tag(sessions, got, &user);
    (void) fail_end();
    must(at_session_user_tag(sessions, expected, &user) == 0, "no tag");

    return rc == -1 || memcmp(got, expected, sizeof(got)) == 0;
}


static void
test_failures(void)
{
    size_t  i;

    drop("forge");
    open_sessions("forge");

    for (i = 0; i < N(operations); i++) {
        fail_each(operations[i].name, fail_operation, &i);
    }

    make_session();
    err.text[0] = '\0';
    fail_errno = MDB_CORRUPTED;
    fail_each("a damaged database", fail_damaged, NULL);
    fail_errno = EIO;

    fail_each("the tag of a user", fail_tag, NULL);
    fail_each("a refresh token", fail_token, NULL);
    at_session_db_close(sessions);

    fail_each("opening", fail_open, NULL);
    fail_each("opening a damaged database", fail_open, &i);
}


int
main(void)
{
    RUN(test_life, test_reuse, test_expiry, test_logout, test_no_grace,
        test_expired_access, test_old_access, test_same_access, test_clean,
        test_full, test_removed_token, test_logout_by_removed_token,
        test_refresh_loop, test_per_minute, test_per_user, test_group,
        test_uses, test_other_key, test_forged, test_truncated, test_gone,
        test_record_sizes, test_other_format, test_files, test_race, test_kill,
        test_threads, test_failures);

    return tap_done();
}
