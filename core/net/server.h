/*
 * server.h: servers and their clients, internally. A server's tasks live in two scopes of its own, of
 * which il_server_serve's task makes sure that nothing outlives them: the clients (and who accepts
 * them), and what il_server_start_soon started. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_H
#define IL_CORE_SERVER_H

#include "../sync/sync.h"
#include "net.h"

#include <interloop/server.h>

/* ================= protocols (protocol.c) ======================================================= */

bool il__protocol_is_valid(const il_protocol *p);
/* How many bytes one packet with its framing may have. */
size_t il__protocol_room(const il_protocol *p, size_t max_packet);
/* p->find, its answer checked; parse->scanned is kept right. */
int il__protocol_find(const il_protocol *p, il_parse *parse);

/* ================= exit stacks (exit_stack.c) =================================================== */

struct il__exit {
	il_fn *run;
	void *arg;
	bool shielded; /* else it has to see the scopes as they are */
};

struct il_exit_stack {
	il_loop *loop;
	struct il__exit *exits;
	size_t count, capacity;
	bool closing;
	struct il__exit first[8];
};

void il__exit_stack_init(il_exit_stack *stack, il_loop *loop);
/* Runs all, last in first out, in the task that ran service_init. rc, or if that is no failure the
 * first error; what is not answered is logged. */
int il__exit_stack_close(il_exit_stack *stack, int rc);

/* ================= tasks that a server waits for (server_tasks.c) =============================== */

struct il__server_tasks {
	struct il__scope scope; /* theirs; entered by nobody */
	size_t count;
	il_server *server;
};

void il__server_tasks_open(struct il__server_tasks *tasks, il_server *server,
			   struct il__scope *parent);
/* Starts a task in the scope. `ended` must call il__server_tasks_left. */
int il__server_tasks_start(struct il__server_tasks *tasks, il_future **f, il_fn *fn, void *arg,
			   void (*ended)(il_task *task, int rc), void *owner);
void il__server_tasks_left(struct il__server_tasks *tasks);
/* Cancels and joins them, in the server's main task. */
void il__server_tasks_close(struct il__server_tasks *tasks);

/* ================= servers (server.c, serve.c, endpoint.c) ====================================== */

/* One place to listen on; keeps its port when it is opened again. */
struct il__endpoint {
	struct il__list link;
	il_server *server;
	il_listener *listener; /* NULL: not listening now */
	char *host, *port;     /* of TCP; a Unix socket has its path in host and no port */
	uint16_t bound;        /* the TCP port that it got; 0: none yet */
};

enum il__server_phase {
	IL__SERVER_IDLE,
	IL__SERVER_SETTING_UP, /* the listeners and service_init */
	IL__SERVER_UP,
	IL__SERVER_ENDING /* the clients have left; the exit stack */
};

struct il_server {
	il_loop *loop;
	il_protocol protocol;
	il_handler handler;
	void *data;
	il_server_options options; /* defaults filled in */
	size_t room;               /* most bytes of a client's buffer */

	struct il__list endpoints;
	struct il__list clients; /* whose task has not ended */
	size_t client_count;
	uint64_t serial; /* of Unix clients, which have no address */

	enum il__server_phase phase;
	bool closed;    /* il_server_close: for good */
	bool stopping;  /* il_server_shutdown, or the last listener failed: this round ends */
	il_task *main;  /* who is in il_server_serve */
	bool waits;     /* main is parked in il__server_wait, and may be woken */
	il_scope scope; /* around a round: service_init and the exit stack see it */
	struct il__server_tasks served; /* clients and acceptors, while UP */
	struct il__server_tasks own;    /* of il_server_start_soon, while own_open */
	bool own_open;
	size_t accepting;          /* acceptors that live */
	int accept_rc;             /* why the last listener failed, or 0 */
	struct il__list want_room; /* il__waiter: acceptors while there are max_clients */
	struct il__list shutdowns; /* il__waiter: who waits for the end of the round */
	void (*on_up)(void *arg);  /* the server thread's; may be NULL */
	void *on_up_arg;
};

/* 0 where a call about the server may be made. */
int il__server_check(const il_server *s, const char *function);
/* In main: parks until poked. Shielded, the deadline must be IL_FOREVER. */
int il__server_wait(il_server *s, bool shielded, il_time deadline);
/* Makes main look at the server's state again. */
void il__server_poke(il_server *s);
/* Ends the round that is UP. */
void il__server_stop(il_server *s);

/* An address, not listening and not linked yet; port NULL: a Unix path. */
int il__endpoint_make(il_server *s, const char *host, const char *port, struct il__endpoint **made);
/* Listens if it does not yet. May wait. */
int il__endpoint_open(struct il__endpoint *e);
void il__endpoint_free(struct il__endpoint *e);
void il__endpoints_close(il_server *s);
/* Starts a task for each that accepts clients. */
int il__endpoints_accept(il_server *s);

/* ================= clients (client.c, client_receive.c, client_send.c) ========================== */

struct il_client {
	struct il__list link; /* server->clients */
	unsigned refs;
	il_server *server; /* NULL once its task has ended */
	il_loop *loop;
	il_stream *stream; /* lives as long as the client; closed: so is the client */
	void *data;

	bool received;   /* il_client_receive was called in this activation of the handler */
	bool receiving;  /* a call is in it */
	bool ended;      /* nothing more comes: the peer's end, or lost synchronisation */
	bool told;       /* il_client_receive has said so */
	bool broken;     /* sending found the peer gone, or it reset the connection */
	bool idle;       /* receives, and has nothing of a packet: may be closed on shutdown */
	bool sending;    /* somebody owns the sending side */
	bool welcome;    /* a whole packet has come */
	unsigned streak; /* packets received and sent since its task has let others run */
	struct il__list senders; /* il__waiter: who wait for the sending side */
	il_time connected;

	/* [begin, begin + packet) belongs to the packet given last, [.., end) is to be parsed. */
	unsigned char *buffer; /* capacity bytes, the last for the zero; NULL: none yet */
	size_t begin, end, capacity, packet;
	unsigned char *mark; /* where a zero byte stands in for `marked`; NULL: nowhere */
	unsigned char marked;
	il_parse parse;
	char address[]; /* for people */
};

/* Makes a client of an accepted stream, which it takes over also on failure, and starts its task. */
int il__client_start(il_server *s, const struct il__endpoint *e, il_stream *stream);
/* 0 where a call about the client may be made. */
int il__client_check(const il_client *c, const char *function);

static inline int il__client_enter(const il_client *c, const char *function)
{
	return il__likely(c && il__self.loop == c->loop) ? 0 : il__client_check(c, function);
}

/* Asked once a packet: true when it is time to let others run, however much there is to do. */
static inline bool il__client_is_unfair(il_client *c)
{
	const unsigned most = 64;

	if (il__likely(++c->streak < most))
		return false;
	c->streak = 0;
	return true;
}

static inline bool il__client_is_closed(const il_client *c)
{
	return c->stream->number < 0;
}

#endif
