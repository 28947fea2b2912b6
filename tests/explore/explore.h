/*
 * explore.h: programs on a simulated network that check themselves, whatever fails: a run that ends in a negative result
 * has found a mistake. Each draws its faults from the network's chance, so that its seed gives them again.
 */
#ifndef IL_TESTS_EXPLORE_H
#define IL_TESTS_EXPLORE_H

#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The main functions, one a file. */
il_fn explore_shutdown, explore_timeouts, explore_starttls, explore_udp, explore_connects,
    explore_remote, explore_cancels;

/* In a function that returns a code. A MUST that has failed further down has told where. */
#define MUST(condition)                                                                        \
	do {                                                                                   \
		if (!(condition))                                                              \
			return il_fail(-EBADMSG, "%s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)
#define MUST_DO(call)                                                                             \
	do {                                                                                      \
		int must_rc_ = (call);                                                            \
		if (must_rc_ == -EBADMSG)                                                         \
			return must_rc_;                                                          \
		if (must_rc_ < 0)                                                                 \
			return il_fail(must_rc_, "%s:%d: %s: %s (%s)", __FILE__, __LINE__, #call, \
				       il_error_name(must_rc_), il_error_detail());               \
	} while (0)

/* In virtual time nothing is late: whatever the statement does ends by then, to the nanosecond. */
#define MUST_END_IN(time, statement)                         \
	do {                                                 \
		const il_time must_end_ = il_deadline(time); \
		statement;                                   \
		MUST(il_now() <= must_end_);                 \
	} while (0)

/* 0 to most - 1. */
static inline unsigned draw(il_virtual_network *n, unsigned most)
{
	return (unsigned)(il_virtual_random(n) % most);
}

/* Up to so many milliseconds, to the microsecond. */
static inline il_time draw_time(il_virtual_network *n, unsigned most)
{
	return IL_USEC(il_virtual_random(n) % (most * 1000u));
}

/* ---- clients.c: whom a server has, and by when it gets rid of them ---- */

/*
 * The first member of a handler's data. A handler that waits for its client by the functions below finds out whether the server's
 * limits end that in time: there is no network between the two, so they do so at one moment.
 */
struct explore_clients {
	const il_server_options *limits; /* NULL, or a time of 0: none */
	int connected, disconnected;
	const char *late; /* a limit that has ended a wait too late; NULL: none */
};

/* The handler's. */
int explore_connected(il_client *client, void *data);
void explore_disconnected(il_client *client, void *data);
/* il_protocol_lines(), which sees when a line begins. */
il_protocol explore_lines(void);
/* As il_select with nothing but the client, il_client_receive and il_client_send. `data` is the handler's. */
int explore_select(il_client *client, void *data, il_time timeout);
int explore_receive(il_client *client, void *data, il_packet *packet, il_time timeout);
int explore_send(il_client *client, void *data, const void *bytes, size_t size);
/* What began then has ended now: was it in time? 0, or IL_FOREVER: it has no limit, or has not begun. */
void explore_note_late(struct explore_clients *clients, il_time since, il_time limit,
		       const char *name);
/* When all have left: -EBADMSG, or 0. */
int explore_check_clients(const struct explore_clients *clients);

/* ---- explore.c ---- */

/* A network with some latency and some loss. */
int explore_open(il_virtual_network **n, bool ipv6);
/* For up to ten seconds: partitions, holds, resets and slow links between these hosts, then all is well again. */
int explore_break_links(il_virtual_network *n, const char *const *hosts, unsigned count);
/* What a client may meet where machines fail. */
bool explore_is_failure(int rc);

#endif
