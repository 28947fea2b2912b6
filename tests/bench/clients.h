/*
 * clients.h: P15's adapters: tasks that use a library through examples/adapters/, against a callback program written
 * after the library's manual, on the same loop and against the same server, which runs on the other core. What is
 * measured is this process's processor time for one operation.
 */
#ifndef IL_TESTS_BENCH_CLIENTS_H
#define IL_TESTS_BENCH_CLIENTS_H

#include "bench.h"

enum { CLIENTS_MAX = 50 };

struct client_library {
	const char *name;
	const char *base;    /* the baseline's name */
	const char *server;  /* for sh, in an empty folder, without root's rights; it takes $PORT */
	int stop;            /* the signal that ends the server, with its children */
	bool (*is_up)(void); /* NULL: when it accepts a connection */
	size_t n;            /* operations of one client; 50 have four times as many */
	double limit;        /* the target; 0: none */
	/* Tasks; each client is one. */
	void (*open)(size_t clients);
	void (*ask)(size_t client); /* one operation */
	/* Callbacks: a client's first operation connects it. */
	void (*own_open)(void);         /* may be NULL */
	void (*own_ask)(size_t client); /* begins one, whose end calls clients_answered() */
};

extern char clients_port[8]; /* the server's */

/* Prints the rows of 1 and 50 clients, if the server can be started. */
void clients_compare(const struct client_library *library);
void clients_answered(size_t client);

#endif
