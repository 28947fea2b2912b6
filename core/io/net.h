/*
 * net.h: the floor of descriptors, streams, listeners and servers, internally. A descriptor is found by
 * its number in one table a loop (fd.c); a direction of it has one waiter at most, which lies on the
 * waiting task's stack. Streams and listeners own their descriptors: those stay registered with the
 * native loop across waits, so that a request costs no epoll_ctl. A server's tasks live in two scopes
 * of its own, of which il_server_serve's task makes sure that nothing outlives them: the clients (and
 * who accepts them), and what il_server_start_soon started. Loop's thread only.
 */
#ifndef IL_CORE_NET_H
#define IL_CORE_NET_H

#include "../sync/sync.h"

#include <interloop/fd.h>
#include <interloop/server.h>
#include <interloop/stream.h>

/* The calling task, if it may wait here; NULL: outside a task, or inside a plain call. */
static inline il_task *il__task_here(void)
{
	return il__self.loop && !il__self.no_wait ? il__self.loop->current : NULL;
}

/* ================= descriptors (fd.c) =========================================================== */

struct il__fd_wait;

struct il__fd {
	struct il__source source; /* first */
	il_loop *loop;
	struct il__fd_wait *waiter[2]; /* by direction; both may be the same */
	unsigned char woken; /* directions whose waiter was woken and did not run yet: not stray */
	unsigned char ready; /* owned: directions worth a system call; without it, wait first */
	bool owned;
	struct il__list link; /* table->registered while the driver watches it */
};

/* On the waiter's stack; unlinked when its task is woken, whatever the reason. */
struct il__fd_wait {
	il_task *task;
	struct il__fd *fd;
	unsigned asked, got;
};

/* Who owns descriptors, to close them when the loop does. */
struct il__fd_owner {
	struct il__list link;
	void (*orphan)(struct il__fd_owner *owner);
};

/* The entry of a number; it lives as long as the loop. */
int il__fd_get(il_loop *loop, int number, struct il__fd **fd);
/* A number that the system has just given us: who waits under it waits for a closed one. */
void il__fd_renew(il_loop *loop, int number);
/* Makes fd known and owned by owner's loop. -EBUSY: it is waited for or owned already. */
int il__fd_own(il_loop *loop, int number, struct il__fd **fd);
/* The opposite, before close(): wakes waiters with rc and makes the native loop forget it. */
void il__fd_disown(struct il__fd *fd, int rc);
/* Links an owner; there is an il__fd_own before. */
void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner);

/* Links w (task, fd, asked) and watches. -EBUSY: taken. Then park; to give up, il__fd_end. */
int il__fd_begin(struct il__fd_wait *w);
/* Unlinks w if it still is linked. */
void il__fd_end(struct il__fd_wait *w);
/* All of it for one descriptor: 0 once ready, or why the wait ended. */
int il__fd_wait(struct il__fd_wait *w, il_time deadline, const char *function);

static inline int il__fd_direction(unsigned bit)
{
	return bit == IL_WRITABLE;
}

/* ================= streams (stream.c, stream_io.c, ...) ========================================= */

enum il__stream_kind { IL__STREAM_INET, IL__STREAM_UNIX, IL__STREAM_FILE };

/* One receiving or sending call, on its task's stack: the stream may be closed and freed under it. */
struct il__op {
	struct il__fd_wait wait;
	const char *function;
	il_time deadline;
	unsigned direction;
	bool gone;   /* closed meanwhile: touch the stream no more */
	bool parked; /* it has let others run */
	bool begun;  /* sending: some bytes are gone */
};

struct il_stream {
	il_loop *loop;
	struct il__fd *fd;
	int number;                  /* -1: closed */
	unsigned char kind;          /* enum il__stream_kind */
	bool shut;                   /* for writing */
	struct il__op *op[2];        /* the reader's and the writer's */
	size_t kept_begin, kept_end; /* of received bytes in kept that no call took yet */
	char *kept;
	size_t kept_capacity;
	struct il__fd_owner owner;
	il_address peer; /* length 0: ask the system */
};

/* Takes fd over (non-blocking and close-on-exec already); on failure it is closed. */
int il__stream_create(il_stream **stream, il_loop *loop, int fd, enum il__stream_kind kind,
		      const il_address *peer);

/* Begins a call: the checks in common, then the direction is this op's. */
int il__op_begin(il_stream *s, struct il__op *op, unsigned direction, il_time deadline,
		 const char *function);
/* Ends it and gives rc back; an immediate success yields. The stream may be gone afterwards. */
int il__op_end(il_stream *s, struct il__op *op, int rc);
/* Between two system calls. 0: try now. After a failure the stream may be gone (op->gone). */
int il__op_wait(il_stream *s, struct il__op *op);
/* Receives 1 to max bytes from the system: bytes, 0 at the end, or the error. */
int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max);
int il__op_take_kept(il_stream *s, void *data, size_t max);
/* Sends all of the pieces. */
int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count);

/* il_stream_read and il_stream_writev_all up to a deadline: -ETIMEDOUT. One that passed already
 * still takes what is there at once. */
int il__stream_read(il_stream *s, void *data, size_t max, il_time deadline, const char *function);
/* Until there may be something to read. 0; the same errors. */
int il__stream_wait(il_stream *s, il_time deadline, const char *function);
int il__stream_write(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
		     const char *function);

/* Closes without a look at the thread. */
void il__stream_shut(il_stream *s);

/* Takes the sockets over, and the path of a Unix one; on failure closes and removes them. */
int il__listener_create(il_listener **listener, il_loop *loop, const int *fds, int count,
			enum il__stream_kind kind, const char *path);

/* ================= sockets by address (address.c, resolver.c) =================================== */

/* Like il_resolve; *list is malloc'ed, the number of addresses is the result. */
int il__resolve(il_address **list, const char *host, const char *port, unsigned flags,
		il_time deadline, const char *function);
/* Fills in a Unix address; -EINVAL or -ENAMETOOLONG. */
int il__address_unix(il_address *address, const char *path, const char *function);
bool il__address_equal(const il_address *a, const il_address *b);
void il__address_set_port(il_address *address, uint16_t port);

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

/* ================= servers (server.c, server_run.c, endpoint.c) ====================================== */

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
	size_t buffered;           /* bytes of all clients' buffers */

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
	struct il__list want_room; /* acceptors while there are max_clients */
	struct il__list shutdowns; /* who waits for the end of the round */
	void (*on_up)(void *arg);  /* the server thread's; may be NULL */
	void *on_up_arg;
	il_time logged_since; /* the second in which `logged` lines about clients were asked for */
	unsigned logged;
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
void il__server_tell_left_out(il_server *s);
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

/* ================= clients (client*.c) ========================================================== */

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
	bool told;       /* il_client_receive has said so, or nobody asks: it is being finished */
	bool broken;     /* sending found the peer gone, or it reset the connection */
	bool idle;       /* receives, and has nothing of a packet: may be closed on shutdown */
	bool sending;    /* somebody owns the sending side */
	bool welcome;    /* a whole packet has come */
	unsigned streak; /* packets received and sent since its task has let others run */
	struct il__list senders;   /* who wait for the sending side */
	il_time connected, waited; /* when; how long for the packet that has not come yet */

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
/* Waits for the sending side, in order of asking. 0: it is the caller's, to release. */
int il__client_acquire(il_client *c);
void il__client_release(il_client *c);
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
