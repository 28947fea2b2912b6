/*
 * abuse.h: what the scenarios share. The subject is a server in a process of its own, which tells of
 * itself in shared memory; peers are plain sockets of the scenario's process, which owes the library
 * nothing. A scenario waits for conditions (UNTIL), never for time to pass; the first CHECK that fails
 * ends the program, and the subject with it.
 */
#ifndef IL_TESTS_ABUSE_H
#define IL_TESTS_ABUSE_H

#include <interloop.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TOOL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TOOL 1
#endif
#endif
#ifndef TOOL
#define TOOL 0 /* 1: a sanitizer, whose memory is its own, and which is slow */
#endif

/* ---- checks ---- */

#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
#define UNTIL(condition)                                                      \
	do {                                                                  \
		for (long waits = 0; !(condition); waits++)                   \
			wait_a_little(__FILE__, __LINE__, #condition, waits); \
	} while (0)

_Noreturn void failed(const char *file, int line, const char *what);
void wait_a_little(const char *file, int line, const char *what, long waits);
/* What the scenario's line of the report says: numbers that people want to see. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the subject (subject.c, refuse.c) ---- */

enum refusal { REFUSE_MEMORY = 1, REFUSE_STACKS = 2, REFUSE_THREADS = 4, REFUSE_ALL = 8 };

/* Shared; written by the subject unless said otherwise. */
struct state {
	atomic_int port;
	atomic_long connected, disconnected; /* on_connection, on_disconnection */
	atomic_long most;                    /* clients at once, ever */
	atomic_long packets, too_large, bad; /* what receiving returned */
	atomic_long logged[4];               /* lines a level */
	char last_line[256];                 /* of a warning or an error */
	atomic_long accepts_failed;
	atomic_llong first_failure, last_failure; /* when accept(2) did: CLOCK_MONOTONIC, ns */
	atomic_int refuse;                        /* the scenario's: bits of enum refusal */
	atomic_long refused;
};

struct subject_options {
	il_protocol protocol; /* zero: lines */
	il_server_options server;
	il_time patience; /* of each receive; 0: forever. The handler just goes on after it */
	bool strict;      /* a handler fails when receiving does, instead of telling the peer */
};

struct subject {
	pid_t pid;
	int control; /* closed: it ends */
	struct state *state;
	long rss; /* bytes, when it was just up */
	int fds;
};

/* Starts one on the backend under test, and waits until it is up. */
void subject_start(struct subject *s, const struct subject_options *options);
/* Has it shut down; checks that it ended well and that no client was forgotten. */
void subject_end(struct subject *s);
/* Ends a scenario's round: every peer has left, and the subject holds no more than at first. */
void subject_is_empty(const struct subject *s);
long subject_rss(const struct subject *s);
int subject_fds(const struct subject *s);
long subject_clients(const struct subject *s);
/* Where to count what the process's own system calls are made to return. */
extern struct state *refusing;
void refuse_begin(void);
long long now_ns(void);
/* Since start: how many lines about peers may have been logged at one level. */
long lines_since(long long start);

/* ---- peers (peer.c) ---- */

int dial(const struct subject *s);
void say(int fd, const void *data, size_t size);
void say_text(int fd, const char *text);
void hear(int fd, const char *line); /* and its LF */
void ask(int fd, const char *line);  /* says it, and hears the same */
bool is_answered(int fd);            /* says hello; false: the subject hung up */
void be_answered(
    const struct subject *s); /* by a peer of its own, however impatient the subject is */
void check_end(int fd);       /* waits for the end or a reset; whatever comes before is dropped */
void hang_up(int fd);
void reset(int fd);

/* Many of them. */
struct crowd {
	int *fds;
	int count;
};
void crowd_dial(struct crowd *c, const struct subject *s, int count);
void crowd_say(const struct crowd *c, const char *text);
void crowd_hear(const struct crowd *c, const char *line);
void crowd_check_end(struct crowd *c); /* and hangs up */
void crowd_hang_up(struct crowd *c);

/* ---- scenarios ---- */

/* How many make a crowd here: n, or less where a tool makes everything slow. */
int crowd_size(int n);

void an_idle_crowd(void);
void a_crowd_out_of_time(void);
void a_crowd_without_places(void);
void packets_without_end(void);
void rude_peers(void);
void peers_that_never_read(void);
void peers_that_log(void);
void descriptors_used_up(void);
void memory_refused(void);
void stacks_refused(void);
void threads_refused(void);
void churn(void);
extern long churn_count;

#endif
