/*
 * echo_load.h: a client of echo servers: so many connections, each with one request of 64 bytes under way.
 */
#ifndef IL_TESTS_BENCH_ECHO_LOAD_H
#define IL_TESTS_BENCH_ECHO_LOAD_H

#include <stddef.h>
#include <stdint.h>

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

#endif
