/*
 * raw.h: the native loops as their users write them, for the baselines: each loop in a file of its own,
 * because their headers do not go together. Nothing is ever freed: a side is a process.
 */
#ifndef IL_TESTS_BENCH_RAW_H
#define IL_TESTS_BENCH_RAW_H

#include "bench.h"

#include <stdatomic.h>

struct raw {
	const char *name;
	/* A loop that other threads can wake: woken(arg) then runs in it, once for many wakes. */
	void *(*open)(void (*woken)(void *arg), void *arg);
	void (*wake)(void *loop); /* any thread */
	void (*run)(void *loop);
	void (*stop)(void *loop); /* from a callback */
	/* One timer: fire(arg) after so many seconds; again only once it has fired. */
	void (*after)(void *loop, double seconds, void (*fire)(void *arg), void *arg);
	/* Starts one timer each; fired(i) in the loop. Runs until all have fired. */
	void (*timers)(size_t count, const double *delays, void (*fired)(size_t i));
	/* Echoes on every connection that this listening socket accepts; never returns. */
	void (*echo)(int listener);
	/* Has asked(fd) called when a request came on a connection that this socket accepts. */
	void (*requests)(void *loop, int listener, void (*asked)(int fd));
	/* Has ready(fd) called while the descriptor is readable; never returns. */
	void (*readable)(int fd, void (*ready)(int fd));
};

extern const struct raw raw_uv, raw_ev, raw_event;
const struct raw *bench_raw(void); /* the benchmarked loop, raw (loop_*.c) */

void raw_uv_queue_work_trips(const struct bench_case *c, double *values);
void raw_uv_queue_work_inflight(const struct bench_case *c, double *values);
void raw_bufferevent_echo(int listener); /* libevent's bufferevent; never returns */
void raw_bufferevent_tls_echo(int listener, void *ssl_ctx); /* the same over OpenSSL (raw_tls.c) */

/* raw_calls.c: what users write on any of them: p50, mean and processor time of a call */
void raw_pool_trips(const struct raw *raw, const struct bench_case *c, double *values);
void raw_pool_inflight(const struct raw *raw, const struct bench_case *c, double *values);
void raw_call_in(const struct raw *raw, const struct bench_case *c, double *values);
void raw_post(const struct raw *raw, const struct bench_case *c, double *values);
/* A server that sends this answer to each request, workers > 0: when one of as many threads has had it. Writes its
 * port; never returns. */
void raw_serve(const struct raw *raw, atomic_int *port, const char *answer, size_t workers);

#endif
