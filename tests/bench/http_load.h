/*
 * http_load.h: a server's process under the load of wrk (http_load.c), for http.c.
 */
#ifndef IL_TESTS_BENCH_HTTP_LOAD_H
#define IL_TESTS_BENCH_HTTP_LOAD_H

#include "bench.h"

#include <stdatomic.h>

#define HTTP_ANSWER \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"

enum { HTTP_WORKERS = 4 };

/* What a server's process does: it writes its port there, and serves until it is killed. */
typedef void http_serve_fn(atomic_int *port);

/* For a second: the server's processor time and the wall time of a request, the median and the 99th percentile
 * of what a request took, in ns. c->cores: where the server may run; the load is always on the second core. */
void http_time(const struct bench_case *c, double *values, http_serve_fn *serve);
/* Likewise what the server did for a request: futex, write, sched_yield and poll calls, context switches. */
void http_count(const struct bench_case *c, double *values, http_serve_fn *serve);
bool http_can_load(void);  /* is there wrk? If not, says so */
bool http_can_count(void); /* has the system counters? If not, says so */
#endif
