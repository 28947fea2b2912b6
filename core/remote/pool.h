/*
 * pool.h: the calls of a remote pool, and who may touch what. A call is in one place at a time: `pending`, or a server's
 * `unsent` or its name's `put_off`, or with those that are about to fail unsent, from where it can be taken back; then that server's `sent`,
 * `waiting` or `running`, until it ends or is lost.
 *
 *   pool.c         the executor's side: submit, take back, shut down, release                  any thread, under the lock
 *   call.c         a call on its way: made, sent once more, ended                              any thread; ends in the portal's
 *   pool_create.c  options, making, starting, ending
 *   dispatch.c     which server gets which call                                                the portal's thread
 *   server.c       a connection to one job server: its life, sending                           the portal's thread
 *   replies.c      what the server sends                                                       the portal's thread
 *   watch.c        calls whose worker is silent, or whose name no worker has                   the portal's thread
 *   admin.c        a server is told to forget a call, and asked which names are served         the portal's thread
 *   statistics.c   the pools, and what they tell of their servers                              any thread
 *   handles.c, names.c  calls by handle, names
 *
 * The tasks know no thread, clock or chance of their own: they run on any loop, and in virtual time.
 */
#ifndef IL_CORE_REMOTE_POOL_H
#define IL_CORE_REMOTE_POOL_H

#include "gearman.h"
#include "list.h"

#include <interloop/remote.h>

#include <pthread.h>
#include <stddef.h>

/* A function's, with the pool's prefix; as long as the pool. */
struct il__remote_name {
	struct il__remote_name *next;
	const char *text;
	size_t size;
	struct il__remote_at {
		/* by its connection's clock: when a worker was seen to have it; the portal's thread */
		il_time served;
		/* under the lock: those that the server had no room for, and those that have come since, in the order of
		 * their numbers; a server may be full for one name only */
		struct il__remote_list put_off;
		size_t retries; /* likewise: calls that were put off and are tried again */
	} at[];                 /* by server */
};

struct il__remote_server;

/* A call on its way. */
struct il__remote_out {
	struct il__remote_node place;
	struct il__remote_node cancel; /* in its server's `cancels` */
	il_call *call; /* NULL: its caller has left, and it keeps a place in `sent` */
	struct il__remote_name *name;
	uint64_t id;
	il_time deadline; /* of who waits; IL_FOREVER: none */
	bool attended, waits;
	/* under the lock */
	struct il__remote_server *server; /* NULL: none has it; never if it is `sent` and linked */
	int attempt;
	bool sent, begun, retried; /* retried: one of its name's `retries` */
	/* it ends with this, unless its result comes and that is not -ECANCELED; 0: none. -ENOENT is taken back if a worker
	 * has it all the same */
	int verdict;
	/* by its connection's clock: since when it is in `cancels`, or in `sent` with -ECANCELED; 0: the portal's thread has not seen it
	 * there */
	il_time given_up;
	/* the portal's thread */
	struct il__remote_out *same; /* of the bucket of handles */
	/* by its connection's clock: when it was created there, or before that began to wait for room, less what it had waited at other
	 * servers, which is in `waited` until then (0: not yet); when it was last known to be in good hands; when a worker was
	 * first seen to have it and say nothing */
	il_time created, waited, heard, assigned;
	il_time beat; /* its worker's; 0: no sign of one yet */
	/* it has been silent for a beat, and the server is asked whether a worker has it still; a worker that had it has died, and the
	 * server has put it back */
	bool doubted, put_back;
	/* The server was told to drop it, or has said that it did, and its own WORK_FAIL may come. */
	enum { IL__REMOTE_KEPT, IL__REMOTE_TOLD, IL__REMOTE_DONE } cancelling;
	bool dropped; /* that has come, or a worker's, at `heard`; who has it is asked */
	char *parts;  /* of a result that comes in several packets */
	size_t parts_size;
	char handle[IL__REMOTE_HANDLE_MAX + 1]; /* of the server; empty: it has none yet */
	size_t in_size, size;                   /* of the argument, of the payload */
	char payload[];
};

struct il__remote_handles {
	struct il__remote_out **buckets;
	size_t count, room; /* room: a power of two, or 0 */
};

struct il__remote_pool;

struct il__remote_server {
	struct il__remote_pool *pool;
	char *name;
	size_t index;
	il_semaphore *work, *admin_work; /* at most one permit: there may be something to do */
	struct il__remote_connection connection;
	/* under the lock; written by the portal's thread only, but for the lists and `calls` */
	bool connected;
	size_t calls; /* given to it */
	struct il__remote_list unsent, cancels;
	il_remote_server_statistics statistics;
	/* the portal's thread */
	struct il__remote_list sent;    /* not created there yet, in the order of sending */
	struct il__remote_list waiting; /* no worker has given a sign, in the order of creation */
	struct il__remote_list running;
	struct il__remote_node *asked; /* where the next questions begin in `waiting` */
	struct il__remote_handles handles;
	bool wants_names; /* the watch waits for `status` */
	/* by its connection's clock: what has waited since then, and no worker had its name, waits in vain */
	il_time unserved;
	bool options_done; /* it has replied to them, one way or the other */
	il_time replied;   /* to a cancellation, by its connection's clock; 0: never */
	size_t failing;    /* calls that it has dropped, which have ended before its WORK_FAIL */
	size_t left;       /* under the lock: places in `sent` without a call */
};

struct il__remote_pool {
	il_executor *executor;
	il_portal *portal, *held; /* held: stopped it stays until the pool goes */
	bool
	    has_thread; /* the portal's is its own; else its tasks are run by whoever has made it */
	il_remote_pool_options options;
	struct il_layer layer; /* options.layer's copy, which holds a reference */
	char *prefix;
	struct il__remote_pool *next; /* of all, under a lock of its own: statistics.c */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct il__remote_list pending;
	struct il__remote_name *names;
	size_t places;    /* taken, of queue_limit */
	size_t calls;     /* without an answer, and */
	size_t answering; /* of these: who waits may have it already */
	bool posted;      /* the portal's thread is about to look */
	int unreachable;  /* why no server is there, while calls fail for that; else 0 */
	bool shut, released, cancels_all;
	bool stopping, stopped; /* a thread stops the tasks; they have stopped */
	uint64_t ids;
	/* for so long no server has been there, and when that was looked at; the portal's thread */
	il_time alone, looked;
	size_t server_count;
	struct il__remote_server servers[];
};

static inline struct il__remote_out *il__remote_out_at(struct il__remote_node *place)
{
	return (struct il__remote_out *)(void *)place; /* its first member */
}

static inline struct il__remote_out *il__remote_cancelled_at(struct il__remote_node *cancel)
{
	return (struct il__remote_out *)(void *)((char *)cancel -
						 offsetof(struct il__remote_out, cancel));
}

/* Never fails: without memory chains get longer. */
void il__remote_handles_add(struct il__remote_handles *handles, struct il__remote_out *out);
struct il__remote_out *il__remote_handles_find(const struct il__remote_handles *handles,
					       const char *handle);
void il__remote_handles_remove(struct il__remote_handles *handles, struct il__remote_out *out);

/* Under the lock; made if it is new. NULL: no memory. */
struct il__remote_name *il__remote_name_of(struct il__remote_pool *pool, const char *function);
/* A line of an administrator's status; the portal's thread. */
void il__remote_name_seen(struct il__remote_pool *pool, size_t server, const char *line);

/* A call that goes out; NULL: no memory. */
struct il__remote_out *il__remote_make_out(struct il__remote_pool *pool, il_call *call,
					   const il_call_info *info);
void il__remote_free_out(struct il__remote_out *out);
/* One without a call, before it in `sent`, where replies come in the order of what was sent. False: no memory,
 * or the server owes queue_limit such replies. */
bool il__remote_leave_place(struct il__remote_out *out);
/* Just before it is sent: its attempt and the time that is left. */
void il__remote_address_out(struct il__remote_pool *pool, struct il__remote_out *out);
/* The call's answer; out is gone. In no list of the portal's, not under the lock. */
void il__remote_answer(struct il__remote_pool *pool, struct il__remote_out *out, int rc,
		       const void *data, size_t size, const char *detail);
/* Likewise, with a code that says that it has not run; sent before, it may have. */
void il__remote_answer_not_run(struct il__remote_pool *pool, struct il__remote_out *out, int rc,
			       const char *detail);
/* The portal's thread: it waits for a worker from now on, if it has not before; for how long it does already, since a worker had it or
 * its name; and whether that is as long as a call may. */
void il__remote_begin_wait(struct il__remote_server *s, struct il__remote_out *out);
il_time il__remote_waited(const struct il__remote_out *out);
bool il__remote_is_unserved(const struct il__remote_out *out);
/* Under the lock: no server has it any more. */
void il__remote_leave_server(struct il__remote_out *out);
/* Its server or its worker is lost: once more, or -EOWNERDEAD. As il__remote_answer. */
void il__remote_lost(struct il__remote_pool *pool, struct il__remote_out *out, const char *why);
/* Room for another call; one of them is done. */
void il__remote_free_place(struct il__remote_pool *pool);
void il__remote_uncount(struct il__remote_pool *pool, bool answered);
/* Its tasks stop, if they are not needed any more. */
void il__remote_stop_if_done(struct il__remote_pool *pool);
/* Its server is asked to drop the call, which ends with `verdict`. Under the lock; true: wake the portal's thread. */
bool il__remote_give_up(struct il__remote_out *out, int verdict);
/* Those that were given up since it was called last, by any thread, are so from now on. Under the lock; the portal's thread. */
void il__remote_date_cancels(struct il__remote_server *s);

/* The portal's thread. */
void il__remote_dispatch(struct il__remote_pool *pool);
/* Calls that no server has now; the attended ones only, or all. */
void il__remote_fail_unsent(struct il__remote_pool *pool, int rc, bool all, const char *detail);
/* -EHOSTUNREACH; its words. */
int il__remote_refuse_unreachable(int error);
/* What a shutdown wants cancelled. */
void il__remote_cancel_all(struct il__remote_pool *pool);
/* Out of its server's lists. */
void il__remote_take_out(struct il__remote_out *out);
/* The server has no room for it now; false: it was cancelled, or no worker has its name, and nobody else ends it. And the first of
 * those is tried again, or the first of each name of which none is. */
bool il__remote_put_off(struct il__remote_out *out);
void il__remote_retry(struct il__remote_server *s, struct il__remote_name *name);
void il__remote_retry_all(struct il__remote_server *s);
/* Under the lock: it is such a one no more, if it was. */
void il__remote_end_retry(struct il__remote_out *out);
/* Under the lock. */
static inline struct il__remote_list *il__remote_put_off_of(const struct il__remote_server *s,
							    struct il__remote_name *name)
{
	return &name->at[s->index].put_off;
}
/* Under the lock: a worker has it, so its name is served. */
void il__remote_is_served(struct il__remote_out *out);
/* How often one looks what is not to take longer than this time. */
il_time il__remote_tick(il_time time);
/* A reply to GET_STATUS. */
void il__remote_on_asked(struct il__remote_out *out, struct il__remote_packet *p);
void il__remote_end_unserved(struct il__remote_out *out);
/* Its caller has cancelled it, and the server has dropped it. */
void il__remote_end_cancelled(struct il__remote_out *out);
/* A worker had it. */
void il__remote_lose_failed(struct il__remote_out *out);
/* Which names are served is known as of now. */
void il__remote_judge_names(struct il__remote_server *s);
int il__remote_on_packet(struct il__remote_server *s, struct il__remote_packet *p);
/* What this connection is to do besides, before any call is sent there. */
int il__remote_send_options(struct il__remote_server *s);
/* Tasks, until they are cancelled, or for a server's until it is lost. */
int il__remote_watch(void *server);
int il__remote_administer(void *server);
int il__remote_serve_server(void *server);
int il__remote_watch_pool(void *pool);
int il__remote_run_pool(void *pool);

/* A pool without a thread, for a loop that the caller has: il__remote_run_pool is to be run there, as long as there are calls. As
 * il_remote_pool_create. */
int il__remote_pool_make(struct il__remote_pool **pool, const il_remote_pool_options *options,
			 il_portal *portal);
/* The executor's table, for the options that are in the pool. */
il_executor_ops il__remote_pool_ops(const struct il__remote_pool *pool);
void il__remote_pool_list(struct il__remote_pool *pool, bool listed);
/* Its tasks, and the portal's thread with them; not in that thread. */
void il__remote_pool_stop(struct il__remote_pool *pool);
void il__remote_pool_free(struct il__remote_pool *pool);

#endif
