/*
 * future.h: futures, and tasks with one.
 */
#ifndef IL_CORE_RUNTIME_FUTURE_H
#define IL_CORE_RUNTIME_FUTURE_H

#include "../base/list.h"
#include "inbox.h"
#include "task.h"

#include <interloop/future.h>

struct il__callback {
	struct il__callback *next;
	il_future *future; /* a reference; once it is put off */
	int (*fn)(il_future *f, void *arg);
	void *arg;
};

/* Somebody who waits for a future: called under its lock, once, then forgotten. */
struct il__watcher {
	struct il__list link;
	void (*fire)(struct il__watcher *w, il_future *f);
};

enum il__future_state {
	IL__FUTURE_PENDING,
	IL__FUTURE_RUNNING,
	IL__FUTURE_CANCELLING, /* running, the outcome is fixed: -ECANCELED */
	IL__FUTURE_ENDING,     /* the result is there and counts: it is not cancelled any more */
	IL__FUTURE_DONE,
	IL__FUTURE_CANCELLED
};

struct il_future {
	atomic_uint refs;
	atomic_uint state; /* written under lock, read by anyone: release, acquire */
	int result;        /* written before state becomes DONE */
	uint32_t traced;   /* its call's number in the trace, set before others have it; 0: none */
	char *why;         /* il_error_detail() of a negative one, likewise; NULL: it has none */
	unsigned generation;
	pthread_mutex_t lock;
	struct il__list watchers;                        /* under lock */
	struct il__callback *callbacks, **callbacks_end; /* under lock */
	atomic_size_t put_off; /* of its callbacks, by all threads: each looks for its own */
	const struct il__future_ops *ops;
	void *self; /* for ops */
};

struct il__account;
struct il__wakeup;

struct il__future_ops {
	/* Cancels the call while it runs: any thread, no lock held, the caller has a reference; called
	 * at most once. NULL: it cannot be stopped, il_future_cancel returns false. */
	void (*cancel)(il_future *f);
	/* Called when cancelled before it began, after f is done. May be NULL. */
	void (*dropped)(il_future *f);
	/* Called instead, no lock held, and f is done only when it is finished: by this, or by whoever
	 * has the call. NULL: it is done at once. */
	void (*withdraw)(il_future *f);
	/* Frees the memory that f is part of. NULL: free(f). */
	void (*free)(il_future *f);
	/* Whether waiting forever in this thread could never end. May be NULL. */
	bool (*deadlock)(il_future *f);
	/* Whether only a task of the calling thread's loop can complete it. May be NULL. */
	bool (*local)(il_future *f);
	/* Of the loop whose task completes it. NULL: none does. */
	struct il__inbox *(*inbox)(il_future *f);
	/* Which worker owes the result to a task that waits for it. NULL: none. */
	struct il__account *(*account)(il_future *f);
	/* Who completes it, for people: in a task's loop. NULL: nobody knows. */
	void (*tell)(struct il__report *r, il_future *f);
};

/* il_future_result for a function that is called otherwise. */
int il__future_result(il_future *f, il_time timeout, const char *function);
/* What somebody waits for who waits for f. */
void il__future_tell(struct il__report *r, il_future *f);

void il__future_init(il_future *f, const struct il__future_ops *ops,
		     void *self); /* one reference */
/* It is told when f is done; false: it is already, and f forgets the watcher. */
bool il__future_watch(il_future *f, struct il__watcher *w);
/* It is not told any more. False: it was. */
bool il__future_unwatch(il_future *f, struct il__watcher *w);
/* As il__wakeup.local, of a task (NULL: a plain thread) that waits for f. */
bool il__future_is_local(il_future *f, const il_task *task);
/* While a task (NULL: a plain thread) waits for f: its worker owes the result. */
void il__future_owe(il_future *f, il_task *task);
void il__future_paid(il_future *f, il_task *task);
/* Before a wait for f: where the caller is a worker, and a task of another loop completes f, its call owes nothing to
 * that loop meanwhile. */
void il__future_lend(il_future *f, struct il__wakeup *wakeup);
/* The producer's side of the library's own futures. True: run it. */
bool il__future_begin(il_future *f);
/* Before one that runs is completed: whether its result counts. If so nobody cancels it any more. */
bool il__future_accept(il_future *f);
/* Completes f; `cancelled`: the call ended because it was cancelled. Not twice. Takes why over: what
 * il__keep_refusal gave where the result was made. False: a failure that nobody gets by f, because it was
 * cancelled before. */
bool il__future_finish(il_future *f, int result, bool cancelled, char *why);
/* Completes one that never began: -ECANCELED. Takes why over. */
void il__future_cancelled_early(il_future *f, char *why);

/* Calls and frees them, in their order; f is done, and the caller holds a reference. No lock is held. */
void il__callbacks_run(il_future *f, struct il__callback *callbacks);

/* A task with a future in one allocation. A portal makes it in any thread; the rest is the loop's. */
struct il__future_task;
int il__future_task_make(struct il__future_task **ft, struct il__inbox *inbox, il_loop *loop,
			 il_fn *fn, void *arg);
il_future *il__future_task_future(
    struct il__future_task *ft); /* borrowed; the task has the reference */
/* NULL: no stack, nothing changed. Cancelled before it begins, the task skips fn. */
il_task *il__future_task_start(struct il__future_task *ft, il_loop *loop,
			       const struct il__task_setup *options);
void il__future_task_fail(struct il__future_task *ft,
			  int rc); /* instead of start: the outcome is rc */
/* All in one; used by groups and il_loop_spawn. */
int il__future_task(il_loop *loop, il_future **f, il_fn *fn, void *arg,
		    const struct il__task_setup *options);

#endif
