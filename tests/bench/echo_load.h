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
};

void echo_load_open(struct echo_load *load, uint16_t port, size_t connections);
/* Sends requests until so many were answered, and returns when all are. */
void echo_load_run(struct echo_load *load, size_t requests);
/* A listening socket on 127.0.0.1, non-blocking. */
int echo_listen(uint16_t *port);

/* What a server's process does: it writes its port there, and serves until it is killed. */
typedef void echo_serve_fn(atomic_int *port);
/* Of c->n requests over c->connections: the server's processor time and the wall time of one, in ns;
 * the server's memory for a connection, in bytes. apart: server and load on a core each. */
void echo_time(const struct bench_case *c, double *values, echo_serve_fn *serve, bool apart);
/* Our server with a handler: as a process, and for a loop of one's own. */
void echo_serve(atomic_int *port);
int echo_open_server(il_server **server, const char *port, bool reuse_port);

#endif
