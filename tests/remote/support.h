/*
 * support.h: what the tests of remote pools share: job servers and worker programs as children of the test, the functions that
 * both programs have, a journal of what has run, checks. Every test program run as `PROGRAM worker SERVERS OPTION=VALUE...` is a
 * worker program, and as `PROGRAM client SERVER OPTION=VALUE...` a program that has calls out.
 */
#ifndef IL_TESTS_REMOTE_SUPPORT_H
#define IL_TESTS_REMOTE_SUPPORT_H

#include <interloop/remote.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define CHECK(c)       ((c) ? (void)0 : check_failed(__FILE__, __LINE__, #c, 0, 1))
#define CHECK_EQ(a, b) check_eq(__FILE__, __LINE__, #a, (a), (b))
/* Waits for it, ten seconds at most. */
#define UNTIL(c)                                 \
	do {                                     \
		int turns_ = 0;                  \
		while (!(c) && turns_++ < 10000) \
			usleep(1000);            \
		CHECK(c);                        \
	} while (0)

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/* By so many seconds a busy machine may be late. */
#define PATIENCE 10

void check_failed(const char *file, int line, const char *what, long value, long expected);
void check_eq(const char *file, int line, const char *what, long value, long expected);

/* ---- the functions, in both programs ---- */

struct sum {
	int a, b, sum;
};

/* Notes its number in the journal, sleeps, returns the number. */
struct note {
	int id;
	unsigned ms; /* UNTIL_OPENED: until the gate is open, and then for a moment */
};
#define UNTIL_OPENED UINT_MAX

il_fn add, twice, refuse, crash, slow, program, note;
/* Without a name. */
il_fn nameless;

/* ---- the journal ---- */

/* A new one, empty; its path goes to children by the environment. */
void journal_open(void);
/* How often the call of that number has run; all calls with -1. */
int journal_count(int id);
/* For all calls that wait for it; the next journal shuts it. */
void gate_open(void);
/* Of the numbers 0 to count - 1: how many have run twice or more. */
int journal_twice(int count);

/* ---- programs ---- */

struct server {
	char host[32], port[16], address[64];
	char *space; /* the network namespace that it runs in; NULL: this one */
	pid_t pid;
};

/* Listens when this returns. The port stays the same when it is started again. */
void server_start(struct server *s, int retries);
void server_start_at(struct server *s, const char *host, int retries);
void server_again(struct server *s, int retries);
/* A bare connection; negative: nobody listens. */
int server_connect(const struct server *s);
/* What it says of a name, which has the prefix of all workers here: how many jobs there are, how many of them workers have, and how
 * many workers have the name. */
struct status {
	int jobs, taken, workers;
};
struct status server_status(const struct server *s, const char *name);
bool has_jobs(const struct server *s, const char *name, int jobs, int taken);
void server_kill(struct server *s);
void server_stop(struct server *s);

/* Ready when this returns. Options as in "slots=2 prefetch=8 beat=100": of support.c's worker_main. Servers with commas between them. */
pid_t worker_start(const char *servers, const char *options);
/* Likewise, not ready yet. */
pid_t worker_spawn(const char *servers, const char *options);
/* A program with a pool and calls of `note`, numbered from 0: "calls=3 ms=100 beat=200 resubmits=1". */
pid_t client_start(const char *server, const char *options);
/* Any program. */
pid_t program_spawn(char *const argv[]);
/* One that takes SIGTERM; ready when this returns. */
pid_t program_start(char *const argv[]);
/* Of a shell's command: its exit status, and what it writes. */
int program_output(const char *command, char *text, size_t size);
/* By SIGTERM; returns its exit status. */
int worker_stop(pid_t pid);
void worker_kill(pid_t pid);

/* A pool of one server with the prefix of all workers here. */
il_remote_pool_options pool_options(const char *const *servers, size_t count);
il_executor *pool_with(const il_remote_pool_options *options);
int until_done(il_future *f);
il_remote_server_statistics statistics_of(il_executor *ex, size_t server);

/* On the monotonic clock. */
double seconds(void);

/* After which SIGALRM ends the program; and how many calls or cuts there are, by the only word of the command line: 0: there is none. */
extern char *test_self; /* this program */
extern unsigned test_seconds;
extern long test_count;

/* Something is not tested, for this machine lacks what it needs: says so, and CTest counts the program as skipped. */
void test_skipped(const char *why);
/* The tests of a program, in order. */
void test_all(void);

#endif
