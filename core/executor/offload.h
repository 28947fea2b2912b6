/*
 * offload.h: the floor of calls that run elsewhere: in worker threads and processes, and from there or from
 * any thread back in a loop.
 */
#ifndef IL_CORE_OFFLOAD_H
#define IL_CORE_OFFLOAD_H

#include "../runtime/runtime.h"

#include <interloop/bytes.h>
#include <interloop/executor.h>
#include <interloop/portal.h>
#include <interloop/shared.h>
#include <interloop/thread.h>

/* ================= the waiting task, as a worker sees it (from_thread.c) ======================== */

/* Lives as long as the call: on the waiting task's stack, or in an abandonable call. */
struct il__host {
	struct il__inbox
	    *inbox; /* the waiting task keeps it; an abandonable call has a reference */
	struct il__scope *scope; /* of the waiting task; loop's thread only; NULL: not under it */
	il_loop *loop;           /* loop's thread only */
	atomic_bool cancelled;   /* by the loop's thread, read by the worker; a hint, relaxed */
};

/* ================= what this thread works at (call.c) =========================================== */

struct il__working {
	const void *pool; /* that it works for; compared only */
	struct il__host
	    *caller; /* of the call that it runs; NULL: no task waits, or it runs none */
	struct il__account *account; /* of that call; NULL: it runs none */
};

extern IL__THREAD_LOCAL struct il__working il__working;

/* ================= calls (call.c) =============================================================== */

/* What the argument is. Where it goes to another process: */
/* [form] */
enum il__form {
	IL__FLAT,  /* the struct goes there, and comes back as the function left it */
	IL__BYTES, /* il_bytes: `in` goes there, `out` comes back */
	IL__SHARED /* il_shared: the memory is in both, args go there and come back */
};
/* [form] */

/* By the size that was given for it, and the bytes of its struct. */
enum il__form il__form_of(size_t size);
size_t il__form_stride(size_t size);

/*
 * One submitted call. `claim` decides between running and cancellation: true once, for the worker that
 * will run it. `answer` comes exactly once after that, from any thread; the call is gone then.
 */
struct il_call {
	struct il__list link; /* the thread pool's */
	void *user_link;
	il_fn *fn;
	void *arg;      /* what fn gets: the submitter's, or a copy of it */
	void *original; /* copies: where it goes back to; NULL: nowhere */
	size_t size;    /* of the struct */
	enum il__form form;
	struct il__locals *locals;
	struct il__host *host;                    /* NULL: no task waits */
	struct il__account own_account, *account; /* who owes the answer; a map's calls share one */
	/* Whose call it is: compared with this thread's only, they may be gone. */
	const struct il__executor_ops *executor_ops;
	void *executor_self;
	const char *thread_name;
	const struct il__call_ops *ops;
	/* a process pool's, under its lock */
	struct il__pump *pump;
	struct il__process_worker *worker; /* who has it */
	int dropped;                       /* it will be answered so, without a worker */
	bool claimed;                      /* by `claim`, which is not asked again */
	/* a thread pool's: who wait for what this call holds, and which of them its worker took */
	struct il__list *line;
	il_call *heir;
	/* Why it failed, for il_error_detail(): set before `answer`, from then on whoever waits frees it. */
	char *detail;
};

struct il__call_ops {
	bool (*claim)(il_call *call);
	void (*answer)(il_call *call, int rc);
	bool unattended; /* nobody waits: fn must run, whatever happens */
	/* The result is there. False: it does not count, so nothing is to be copied back. NULL: it does. */
	bool (*settle)(il_call *call);
};

/* The function has ended: an empty result is none, as in another process (bytes.c). */
void il__bytes_end(il_bytes *bytes);

/* Prepares a call; with copies it copies arg. 0, -EINVAL, -ENOMEM. */
int il__call_init(il_call *call, il_executor *ex, il_fn *fn, void *arg, size_t size);
/* Copies back what fn left in the copy, if it is one. */
void il__call_give_back(il_call *call);
void il__call_fini(il_call *call); /* of one that was never submitted, or was withdrawn */
/* Runs it in this thread if it can be claimed, and gives what to answer. */
int il__call_execute(il_call *call);
void il__call_answer(il_call *call, int rc);

/* ================= executors (executor.c) ======================================================= */

struct il__watcher_of_end;

struct il__executor_ops {
	/* `waits`: the caller waits for the call, so the queue's bound does not apply. */
	int (*submit)(void *self, il_call *call, bool waits);
	bool (*withdraw)(void *self,
			 il_call *call); /* true: it never runs, and is the caller's again */
	/* Ends what runs it, so that -ECANCELED is answered soon; the caller makes sure that it is not
	 * answered meanwhile, or knows that its memory stays. NULL: it cannot be ended. */
	void (*kill)(void *self, il_call *call);
	/* end: NULL with IL_NOWAIT; else fired once all have ended. False: they have already. With
	 * IL__UNLESS_IT_WAITS true means that nothing was done. */
	bool (*shutdown)(void *self, unsigned flags, struct il__watcher_of_end *end);
	void (*ended)(void *self); /* after a waiting shutdown: reap */
	void (*destroy)(void *self);
	bool (*is_worker)(void *self);   /* whether this thread works for it */
	bool (*only_worker)(void *self); /* and is its only one */
	/* In place of `shutdown` and `ended`: all of it, and gives what il_executor_shutdown returns. May
	 * block, if a wait is allowed here: then `may_wait` is 0, and task the waiting one, or NULL. */
	int (*shut_down_in_place)(void *self, unsigned flags, il_task *task, int may_wait);
};

/* A flag beside those of il_executor_shutdown. */
enum { IL__UNLESS_IT_WAITS = 1 << 8 };

/* Somebody who waits for an executor's end; under the executor's lock. */
struct il__watcher_of_end {
	struct il__list link;
	struct il__wakeup wakeup;
};

struct il_executor {
	atomic_uint refs;
	unsigned generation;
	const struct il__executor_ops *ops;
	void *self;
	bool copies, locals;
	bool kills;      /* cancelling a running call kills its worker */
	size_t max_size; /* of an argument; 0: any */
	size_t workers;  /* threads, at most; 0: they never wait for a task */
};

int il__executor_make(il_executor **ex, const struct il__executor_ops *ops, void *self, bool copies,
		      bool locals);
/* Waits in this thread whatever it is; the loop's own threads at its end. False: time is up. */
bool il__thread_pool_finish(il_executor *ex, il_time deadline);
/* A call that waits for what others hold: a worker that is through with a call of the same `line` runs the
 * first of that line next. Any thread. */
void il__thread_pool_line_up(il_executor *ex, il_call *call);
bool il__thread_pool_step_out(il_executor *ex, il_call *call); /* false: a worker has it */
/* One that runs shall have no heir. False: it has run, and has one. */
bool il__thread_pool_leave_line(il_executor *ex, il_call *call);
int il__executor_check(il_executor *ex, il_fn *fn, const char *function);
/* Takes the call to the executor, waiting for room where that is the only way. -ETIMEDOUT. */
int il__executor_submit_waiting(il_executor *ex, il_call *call, il_task *task, il_time deadline);
/* What calls into ex owe a loop, so many at most. */
struct il__account il__executor_account(const il_executor *ex, size_t calls);

/* ================= remote calls (portal_run.c): run a function in a loop, from a thread ============= */

/* A plain thread that waits; on its stack. */
struct il__remote {
	struct il__message message;
	il_fn *fn;
	void *arg;
	struct il__locals *locals; /* borrowed */
	struct il__wakeup wakeup;
	int rc;
	char *why; /* the function's il_error_detail() */
	bool as_task;
	struct il__host *host;     /* from_thread: whose scope; NULL: the portal's */
	struct il__account lender; /* of the call that the thread runs; name 0: it runs none */
	il_portal *portal;
};

/* Posts it and waits for its end; gives the function's result. */
int il__remote_run(struct il__remote *r, struct il__inbox *inbox, const char *function);

/* ================= portals (portal.c) =========================================================== */

struct il__blocking;

struct il_portal {
	/* Calls accepted and not ended, times 2, plus 1 once closed to new ones. Any thread adds while it
	 * is open; the loop's thread subtracts. */
	atomic_size_t gate;
	atomic_uint refs;
	unsigned generation;
	struct il__inbox *inbox;
	struct il__message stop;  /* carries il_portal_stop to the loop, with a reference */
	atomic_bool stop_queued;  /* it is under way */
	atomic_bool stop_cancels; /* and asks to cancel what runs */

	pthread_t thread; /* the loop's, compared only */

	/* the loop's thread only */
	il_loop *loop;
	struct il__scope scope; /* of its tasks */
	struct il__list link;   /* the loop's portals */
	struct il__list sleepers;
	struct il__list closers;
	unsigned leaving; /* calls that have ended and are still counted by the gate */
	bool stopping;    /* the loop's thread knows that the gate is closed */
	bool finished;    /* closed, and nothing is left: the loop is not held any more */

	struct il__blocking *blocking; /* a loop in a thread of its own; NULL else */
	atomic_bool joined;            /* il_blocking_portal_stop was called */
};

int il__portal_enter_gate(il_portal *p, const char *function);
void il__portal_leave_gate(il_portal *p);   /* loop's thread */
void il__portal_abandon_gate(il_portal *p); /* any thread: an accepted call that will not be made */
bool il__portal_is_own_loop(const il_portal *p);
/* Whether a wait here could not end: only this thread runs the portal's loop, now or later. */
bool il__portal_is_own_thread(const il_portal *p);
/* Checks of a call that waits. 0; *task is the waiting task of another loop, NULL: a plain thread. */
int il__portal_may_wait(il_portal *p, il_fn *fn, const char *function, il_task **task);

/* What a waiting call answers: rc, or -EINTR where SIGINT stopped the blocking portal and rc says no more
 * than that. `blocking` may be gone: it is compared only. */
int il__portal_answer(const struct il__blocking *blocking, int rc);

/* One posted call, in memory of its own, gone when its function has ended (portal_soon.c). Without a
 * future it fits a line of the cache: a burst of them is a walk over cold memory. */
struct il__soon {
	struct il__message message;
	il_portal *portal;
	il_fn *fn;
	void *arg;
	struct il__locals *locals; /* a reference */
	struct il__sheet *sheet;   /* its memory's, if it has neither task nor future */
	bool as_task, reserved;
	bool has_future; /* a plain call, part of a struct il__soon_future */
};

/* as_task */
struct il__soon_task {
	struct il__soon soon;
	struct il__timer retry;     /* no stack could be had: ask again */
	struct il__future_task *ft; /* with a future */
	struct il__account
	    lender; /* of the call that posted it, and may wait for it; name 0: none */
	struct il__starter *starter; /* who waits for il_task_started; cleared by the answer */
	il_portal_context *context;  /* whose il_portal_hold it will call */
};

struct il__soon_future {
	struct il__soon soon;
	il_future future; /* the memory is the future's */
};

static inline struct il__soon_task *il__soon_task_of(struct il__soon *soon)
{
	return il__container_of(soon, struct il__soon_task, soon);
}

/* Memory of posted calls without a task or a future (soon_memory.c); any thread. */
struct il__soon *il__spare_take(void); /* as malloc */
void il__spare_give(struct il__soon *soon);
void il__spare_free(void); /* at a loop's end: the sheets that nobody uses */

int il__soon_make(struct il__soon **soon, il_portal *p, il_future **f, il_fn *fn, void *arg,
		  bool as_task, bool reserve, const char *function);
void il__soon_post(struct il__soon *soon);
/* A waiting call in a task of another loop. */
int il__portal_run_from_task(il_portal *p, il_fn *fn, void *arg, bool as_task,
			     const char *function);

/* Waits for il_task_started or il_portal_hold (portal_start.c); on the caller's stack. */
struct il__starter {
	struct il__wakeup wakeup;
	int rc, value;
};

void il__starter_answer(struct il__starter *starter, int rc, int value); /* loop's thread */
int il__portal_start(il_portal *p, const char *function, il_future **f, int *value, il_fn *fn,
		     void *arg, il_portal_context *context);

#endif
