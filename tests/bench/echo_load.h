/*
 * echo_load.h: a client of echo servers: so many connections, each with one request of 64 bytes under way;
 * and a server's process, measured under that load (echo.c).
 */
#ifndef IL_TESTS_BENCH_ECHO_LOAD_H
#define IL_TESTS_BENCH_ECHO_LOAD_H

#include "bench.h"

#include <stdatomic.h>

enum { ECHO_BYTES = 64 };

struct echo_load {
	int epoll;
	int *fds;
	size_t count;
	void *more; /* of another kind of load */
};

/* How a load is made: over plain sockets, or as a benchmark has its own. */
struct echo_kind {
	void (*open)(struct echo_load *load, uint16_t port, const struct bench_case *c);
	/* Sends requests until so many were answered, and returns when all are. */
	void (*run)(struct echo_load *load, size_t requests);
};
extern const struct echo_kind echo_over_tcp, echo_over_udp;

/* A blocking socket that is connected to that port. type: SOCK_STREAM or SOCK_DGRAM. */
int echo_connect(uint16_t port, int type);
/* Descriptor number i of the load, which has been opened. */
void echo_load_add(struct echo_load *load, size_t i, int fd);
/* A listening socket on 127.0.0.1, non-blocking. */
int echo_listen(uint16_t *port);

/* What a server's process does: it writes its port there, and serves until it is killed. */
typedef void echo_serve_fn(atomic_int *port);
/* Of c->n requests over c->connections: the server's processor time and the wall time of one, in ns;
 * the server's memory for a connection, in bytes. apart: server and load on a core each. */
void echo_time(const struct bench_case *c, double *values, echo_serve_fn *serve, bool apart,
	       const struct echo_kind *kind);
/* Our server with a handler: as a process, and for a loop of one's own; with a call in that pool for each request,
 * unless it is NULL. */
void echo_serve(atomic_int *port);
int echo_open_server(il_server **server, const char *port, bool reuse_port, il_executor *pool);

#endif
