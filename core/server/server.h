/*
 * server.h: a server, and what its files ask of it. Its tasks live in two scopes of its own, of which
 * il_server_serve's task makes sure that nothing outlives them: the clients (and who accepts them), and what
 * il_server_start_soon started. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_SERVER_H
#define IL_CORE_SERVER_SERVER_H

#include "../base/list.h"
#include "../runtime/extension.h"
#include "../runtime/loop.h"
#include "client.h"
#include "server_tasks.h"
#include "stop_signals.h"

#include <interloop/server.h>

struct il__udp;

enum il__server_phase {
	IL__SERVER_IDLE,
	IL__SERVER_SETTING_UP, /* the listeners and service_init */
	IL__SERVER_UP,
	IL__SERVER_ENDING /* the clients have left; the exit stack */
};

struct il_server {
	il_loop *loop;
	unsigned generation;            /* the loop may be gone before us */
	struct il__extension extension; /* the loop's, until that is closed: for its dump */
	il_handler handler;
	void *data;
	il_server_options options;     /* defaults filled in */
	struct il__client_rules rules; /* of its clients: protocol and limits */
	struct il_layer layer;         /* of its clients; no `accept`: none */

	struct il__list endpoints;
	struct il__list adding;  /* those that are not open yet */
	struct il__udp *udp;     /* a UDP server's only address; NULL: others */
	struct il__list clients; /* whose task has not ended */
	size_t client_count;
	uint64_t clients_total; /* since it was made */
	uint64_t failed_layers; /* likewise */
	uint64_t serial;        /* of Unix clients, which have no address */

	enum il__server_phase phase;
	bool closed;    /* il_server_close: for good */
	bool stopping;  /* il_server_shutdown, or the last listener failed: this round ends */
	il_event *stop; /* il_server_stopping: that this round ends, or that nobody new comes */
	il_task *main;  /* who is in il_server_serve */
	bool waits;     /* main is parked in il__server_wait, and may be woken */
	il_scope scope; /* around a round: service_init and the exit stack see it */
	struct il__server_tasks served; /* clients and acceptors, while UP */
	struct il__server_tasks own;    /* of il_server_start_soon, while own_open */
	bool own_open;
	struct il__stop_signals stop_signals; /* with stop_at_signals, while it serves */
	struct il__server_tasks watching;     /* who waits for them, to the round's end */
	bool hurried;                         /* the second one has come: no more grace */
	size_t accepting;                     /* acceptors that live */
	int accept_rc;                        /* why the last listener failed, or 0 */
	char *accept_why;                     /* and its words */
	struct il__list want_room;            /* acceptors while there are max_clients */
	struct il__list shutdowns;            /* who waits for the end of the round */
	void (*on_up)(void *arg);             /* the server thread's; may be NULL */
	void *on_up_arg;
	il_time logged_since; /* the second in which `logged` lines about clients were asked for */
	unsigned logged;
	il_time full_until; /* that there are max_clients was logged */
};

/* 0 where a call about the server may be made. */
int il__server_check(const il_server *s, const char *function);
/* In main: parks until poked. Shielded, the deadline must be IL_FOREVER. */
int il__server_wait(il_server *s, bool shielded, il_time deadline);
/* Makes main look at the server's state again. */
void il__server_poke(il_server *s);
/* Whether one more line about what a client did may be logged: peers must not fill the log. */
bool il__server_may_log(il_server *s);
/* Logs how many might not. */
void il__server_log_left_out(il_server *s);
/* In a task: before what failed for want of something, as memory, is tried again. 0 or -ECANCELED. */
int il__server_pause(void);
/* This round ends: whoever waits for that is told, and main, if it is UP. */
void il__server_stop(il_server *s);

#endif
