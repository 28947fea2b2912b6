/*
 * pool.h: a process pool, by who may touch what.
 *
 *   pool.c               the executor's side                             any thread, under the pool's lock
 *   dispatch.c           which call goes to which worker                 any thread, under the pool's lock
 *   pump.c               who talks to busy workers: the loop that submitted the call, or
 *   attendant.c          one attendant thread, for plain threads and for loops that do not run
 *   watch.c              how a loop waits for its workers                the loop's thread
 *   frames.c             what is said to one worker                      its pump's thread alone
 *   end.c                its stderr, its death                           its pump's thread alone
 *
 * So a loop needs no helper thread, and finishes its calls itself. A call is its pump's from submit to
 * its end; a worker is a pump's while it is busy or ending, the pool's while it is idle.
 */
#ifndef IL_CORE_PROCESS_POOL_H
#define IL_CORE_PROCESS_POOL_H

#include "../base/list.h"
#include "../base/os.h"
#include "../executor/call.h"
#include "../executor/executor.h"
#include "../runtime/extension.h"
#include "../runtime/loop.h"
#include "../runtime/thread_state.h"
#include "wire.h"

#include <interloop/process.h>

#include <sys/types.h>

/* ---- what they are started with (program.c) ---- */

enum { IL__PROGRAM_WORDS = 32 };

struct il__program {
	char file[IL__WIRE_PATH_MAX];
	/* What stands before the arguments, if it is not just a name: a loader that was called by
	 * its name, its options, and the path of the program. */
	char *const *word;
	size_t words;
	char **environment;
	int directory; /* -1: whatever it is then */
	unsigned umask;
	int *cpus; /* NULL: those of the program */
	size_t cpu_count;
};

/* Takes it from the process, in a thread of the user's. What it has taken so far is freed in any case. */
int il__program_take(struct il__program *program);
/* preload.c: a variable of the workers' environment, to be freed, if they would not find
 * the library. */
int il__preload_take(char **variable);
/* Any thread: 0, or -ENOENT: it has gone. */
int il__program_check(const struct il__program *program);
/* cpus is copied, and tried. */
int il__program_pin(struct il__program *program, const int *cpus, size_t count);
/* None is started any more. */
void il__program_close(struct il__program *program);
void il__program_free(struct il__program *program);

/* ---- starting one (spawn.c) ---- */

struct il__child {
	struct il__list link; /* of all, for a forked child */
	pid_t pid;
	int process;        /* a pidfd; -1: the system has none */
	int stream, errors; /* our ends, non-blocking: the socket, and what it writes to stderr */
	int life;           /* our end: open as long as we are */
};

int il__process_spawn(const struct il__program *program, const char *name, struct il__child *child);
void il__process_kill(const struct il__child *child);
/* It is reaped. */
void il__process_close(struct il__child *child);

/* ---- workers ---- */

/* A loop's watch of a worker's stream. It stays while the worker is idle, for to register a descriptor and to take it away costs
 * up to six system calls; so another thread may take the worker before this loop knows of it: then the watch is left, and
 * goes when the loop comes to it. Until then the descriptor stays open. */
struct il__stream_watch {
	struct il__source source; /* its loop's thread */
	bool rests;               /* likewise: the worker has no call of this loop */
	struct il__list link;     /* under lock: its pump's */
	struct il__pump *pump;    /* whose loop it is */
	struct il__process_worker
	    *worker; /* which has another watch, or none, when this one is left */
};

enum { IL__STDERR_KEPT = 160, IL__LAST_WORDS = 320, IL__STDERR_CHUNK = 4096 };

/* Of one visit to a worker by its pump. */
enum il__outcome {
	IL__WAITS,
	IL__REPLIED, /* the function's result is there */
	IL__REFUSED, /* the call was not run: it was cancelled, or has no name, or we lack something */
	IL__FAILED, /* the initializer said no */
	IL__DIED    /* it is reaped */
};

struct il__process_worker {
	struct il__list
	    link; /* under lock: the pool's idle or unwanted, the pump's handed or busy */
	struct il__process_pool *pool;
	struct il__child child;
	int index;          /* in its name */
	bool killed;        /* under lock: by us */
	bool reaped;        /* under lock: it is, or is about to be; its number may be another's */
	bool committed;     /* under lock: to its call, which cannot be taken back any more */
	bool buried;        /* under lock: freed with the last watch that was left */
	size_t left;        /* under lock: watches that were */
	il_time idle_since; /* under lock */
	il__ticks given;    /* under lock: when it got its call */

	/* its pump's */
	struct il__pump *pump;
	il_call *call; /* under lock until it is committed; NULL: it is idle, ends, or was left */
	int calls;     /* completed so far */
	bool ready;    /* it has greeted, and so takes frames */
	bool initialized; /* and calls: the initializer has run, if there is one */
	bool begun;       /* a frame of its call, or the initializer's */
	bool ending;      /* it has no call any more, and will have none */
	bool asked;       /* to end by itself */
	il_time due;      /* when it is killed, unless it takes calls, or has ended, by then */
	bool late;        /* so it was killed, before it took calls */
	int lacks;        /* how often in turn the system lacked something: look again soon */
	bool ended;       /* so its pidfd says: what the stream holds is all there will be */
	bool known;       /* the worker ran the function */
	bool spoilt;      /* a reply of it was not read to its end */
	bool unread;      /* it died before it read the call */
	bool idle;        /* it was idle when it was given the call, and did not stand still */
	uint64_t ids;
	struct il__wire_header out, in;
	struct il__wire_function name;            /* of the call's function */
	const struct il__wire_function *function; /* what goes out: that, or the initializer's, */
	const void *payload;                      /* and what follows */
	char *reply;                              /* where what comes back goes */
	size_t sent, got;                         /* bytes of the frames so far */
	bool at_once;                             /* the last reply was there when all was sent */
	bool shares;                              /* other workers are busy, too */
	bool stalled;                             /* it did not go out at once */
	unsigned wants;                           /* IL_READABLE | IL_WRITABLE of the stream */
	int rc;                                   /* of the call */
	il_time traced_since;                     /* when it began, in a trace; 0: it is in none */
	char why[IL__WIRE_WHY_MAX];               /* it was refused */
	bool choked;                /* our own stderr takes no more: try again later */
	bool errors_over;           /* nobody can write to its stderr any more */
	bool lasts;                 /* its call has lasted a while, so a loop watches all of it */
	char last[IL__STDERR_KEPT]; /* of its stderr */
	size_t last_size;
	char chunk[IL__STDERR_CHUNK]; /* of its stderr, too: what ours has not taken yet */
	size_t unsent;                /* bytes of it */
	char last_words[IL__LAST_WORDS];

	/* in a loop */
	struct il__stream_watch *watch; /* under lock, unless it is busy; NULL: none */
	struct il__source errors, process;
	struct il__timer timer; /* when to look, or to watch all of it, or its `due` */
};

/* frames.c. Talks to it without ever waiting. */
enum il__outcome il__process_visit(struct il__process_worker *w);
/* Instead, before anything of the call was sent: it cannot be waited for. */
enum il__outcome il__process_refuse(struct il__process_worker *w, int rc);
/* Whether this thread's loop has a clock of its own, by which no worker process goes. */
static inline bool il__process_clock_is_own(void)
{
	return il__self.loop && il__self.loop->own_clock;
}
/* Whether its time is up: then a visit kills it. A loop with a clock of its own gives it any time. */
static inline bool il__process_is_due(const struct il__process_worker *w)
{
	return w->due != IL_FOREVER && !il__process_clock_is_own() && il__os_now() >= w->due;
}
/* Whether nothing tells when there is more to do with it. */
static inline bool il__process_is_polled(const struct il__process_worker *w)
{
	return w->choked || w->lacks || (w->ending && w->child.process < 0);
}
/* end.c. Passes on what it wrote to stderr, and keeps the last of it. */
void il__process_relay(struct il__process_worker *w);
/* Where nothing has told: relays, and finds out whether it has ended. */
void il__process_look(struct il__process_worker *w);
/* Its stream ends, so it runs what exit() runs; it is killed if it takes long. */
void il__process_ask_to_end(struct il__process_worker *w);
/* Under the pool's lock, by whoever is not its pump: it may be being reaped. */
void il__process_kill_worker(const struct il__process_worker *w);
/* Not under the lock. After a kill, or a death. False: it is not dead yet, and !wait. Leaves the last words. */
bool il__process_reap(struct il__process_worker *w, bool wait);
/* Of one that was reaped. */
void il__process_free(struct il__process_worker *w);

/* ---- pumps ---- */

struct il__pump {
	struct il__list link; /* under lock: the pool's */
	struct il__process_pool *pool;
	il_loop *loop; /* NULL: the pool's own pump, for plain threads */

	/* under the pool's lock */
	struct il__list handed;  /* workers to begin with */
	struct il__list dropped; /* calls to finish with their `dropped` */
	struct il__list busy;    /* changed by whoever attends */
	size_t outstanding;      /* calls not finished, and workers that end without one */
	bool attended;           /* by the attendant thread */
	bool wanted;             /* back by its loop, which runs again */
	bool posted;             /* the message is under way */
	struct il__list watches; /* of the loop; their driver's part is its thread's */
	size_t left;             /* of those */

	/* a loop's, its thread only */
	struct il__message message; /* look at your lists */
	struct il__extension extension;
	bool held;    /* the loop is, as long as something is outstanding */
	bool turning; /* this thread will look at the lists before it goes on */
	bool again; /* under lock: the busy ones are to be visited, for nothing will tell of them */
};

/* Whether the end of the loop that submitted it ends it, too. From then on the loop submits no other. */
static inline bool il__process_goes_with_loop(const il_call *call)
{
	return !call->caller && !call->ops->unattended;
}

/* Under the lock: the submitting thread's pump, ready to take calls; made when it is not there. NULL with
 * *rc: no memory, no thread. */
struct il__pump *il__pump_here(struct il__process_pool *pool, int *rc);
/* Under the lock: the pump that can take what this thread wants done without waiting; NULL: it may wait. */
struct il__pump *il__pump_of_thread(struct il__process_pool *pool);
void il__pump_hand(struct il__pump *pump, struct il__process_worker *w);
/* Before it goes to that one, or to none, NULL: a loop that still watches it is to come to that. */
void il__worker_leave(struct il__process_worker *w, const struct il__pump *to);
/* Its pump finishes it with rc, without a worker. */
void il__pump_drop(il_call *call, int rc);
/* Likewise, of one in the queue. */
void il__pump_drop_queued(il_call *call, int rc);
void il__pump_kick(struct il__pump *pump);
/* Not under it, in the pump's thread or the call's own: one less is outstanding. */
void il__pump_done(struct il__pump *pump);
/* One thing to do, for whoever attends: a call to finish, or a worker to visit. False: nothing. */
bool il__pump_next(struct il__pump *pump, il_call **call, struct il__process_worker **w);
/* A loop's thread, not under the lock: does what there is to do. True: nothing is outstanding. */
bool il__pump_run(struct il__pump *pump);
void il__pump_finish_dropped(il_call *call);

/* watch.c, a loop's thread, not under the lock. Talks to the worker, and waits for more or finishes. */
void il__worker_visit(struct il__process_worker *w, il_loop *loop);
/* Under it. */
void il__worker_unwatch(struct il__process_worker *w, il_loop *loop);
/* Under it: the worker has no call of this loop any more. */
void il__worker_rest(struct il__process_worker *w, il_loop *loop);
/* Under it: the loop's watches, all, or those that were left. */
void il__pump_unwatch(struct il__pump *pump, bool all);

/* attendant.c, under the lock */
int il__attendant_start(struct il__process_pool *pool);
void il__attendant_wake(struct il__process_pool *pool);
/* Not under it. */
void il__attendant_join(struct il__process_pool *pool);
void il__attendant_detach(struct il__process_pool *pool);

/* ---- the pool ---- */

struct il__process_pool {
	pthread_mutex_t lock;
	atomic_uint refs; /* the executor's, the attendant's, and one of each loop's pump */
	struct il__list queue, idle, pumps, ends;
	struct il__list unwanted; /* to be reaped by il__process_bury */
	size_t queued, busy, live, max, outstanding;
	struct il__call_counts counts;
	bool shut, broken;
	int deaths;       /* without a reply between */
	uint64_t indexes; /* the lowest 64 in use: names are reused */
	struct il__pump own;
	struct il__attendant {
		pthread_t thread;
		bool running, joinable;
		bool released; /* nobody will join it */
		bool blind;    /* its own: it cannot wait for what it attends to, and looks */
		int wake[2];   /* -1: not made yet */
	} attendant;

	il_process_pool_options options;
	void *initializer_arg;
	struct il__wire_function initializer;
	struct il__program program;
	char name[16];
	char why[IL__LAST_WORDS]; /* it is broken */
};

void il__process_pool_unref(struct il__process_pool *pool);

/* dispatch.c. Under the lock: gives calls to workers while there are both. */
void il__process_dispatch(struct il__process_pool *pool);
void il__process_fail_queue(struct il__process_pool *pool, int rc);
/* Under the lock: takes a call back from the worker that has not begun it. The worker stays with its pump, which
 * finds it without one, and is outstanding in the call's place. False: no worker has it, or it has begun. */
bool il__process_leave(il_call *call);
/* Likewise, and the call is outstanding beside the worker: it has still to finish. */
bool il__process_take_back(il_call *call);
void il__process_prune(struct il__process_pool *pool);
/* Under the lock: tells who waits for the end of a pool that is shut. */
void il__process_fire_ends(struct il__process_pool *pool);
/* Not under it: reaps what a plain thread discarded. */
void il__process_bury(struct il__process_pool *pool);
/* Not under it, the pump's thread: what a visit came to. The worker is the pool's again, or gone. */
void il__process_finished(struct il__process_worker *w, enum il__outcome outcome);

#endif
