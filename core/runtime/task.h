/*
 * task.h: tasks: spawn, park, wake, end. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_TASK_H
#define IL_CORE_RUNTIME_TASK_H

#include "../base/list.h"
#include "../base/memory.h"
#include "context.h"
#include "local.h"
#include "scope.h"
#include "stack.h"
#include "wait.h"

#include <interloop/task.h>

enum il__task_state {
	IL__TASK_READY,
	IL__TASK_RUNNING,
	IL__TASK_PARKED,
	IL__TASK_ENDED,
	IL__TASK_STAND_IN /* not a task: see il__waiter */
};

/*
 * Gives up a wait because of cancellation: unlink whatever would wake the task, and return true (the
 * task is then woken with -ECANCELED), or false if it cannot be given up now (it will be woken when it
 * is over; called once).
 */
typedef bool il__abort_fn(il_task *task, void *arg);
bool il__abort_freely(il_task *task, void *arg); /* nothing is to be unlinked */

/*
 * Who waits in a queue: a task, whose head this is, or a stand-in for one (a case of a select). Whoever has
 * what is waited for takes the first out of the queue and wakes it, without asking which of the two it is.
 */
struct il__waiter {
	struct il__list link; /* the ready queue's, or while it waits, of whom it waits for */
	enum il__task_state state;
	int wake_rc;
	union {
		il__abort_fn *abort; /* NULL: this wait cannot be given up */
		void (*woken)(struct il__waiter *w, int rc); /* a stand-in's */
	};
	void *arg; /* for `abort`, or for who wakes */
};

/*
 * What others touch of a task. Tasks lie side by side, not each in a page of its own, so that waking,
 * queueing and unlinking one of very many waits for no such page, its own or a neighbour's.
 */
struct il_task {
	/* One line of the cache: all that waking and resuming touch here. */
	_Alignas(IL__LINE) struct il__waiter waiter;
	struct il__timer alarm; /* of il__task_park_until */
	struct il__context context;

	/* One more: with it all that beginning and ending touch. */
	il_loop *loop;
	struct il__cancel_scope *scope; /* innermost; never NULL while the task lives */
	struct il__list scope_link;
	struct il__stack stack;
	struct il__task_base *base;
};

/* What only the task itself touches, as a rule: at the base of its stack, next to what it is about
 * to return through. */
struct il__task_base {
	/* One line of the cache: all that parking and ending touch here. */
	_Alignas(IL__LINE) struct il__cancel_scope *parent_scope;
	/* Runs last on the task's own stack, as a plain call: no task is current. */
	void (*ended)(il_task *task, int rc);
	void *owner;           /* for `ended` */
	struct il__list owned; /* of struct il__owned */
	bool has_own;
	bool begun;
	bool is_main;                /* of il_loop_run */
	unsigned traced;             /* the trace knows it by its name: il__trace_task */
	const struct il__wait *wait; /* valid while it is parked, */
	uint64_t since;              /* since this turn: loop->turns.since */

	struct il__locals *locals;
	il_fn *fn;
	void *arg;
	il_time slack;                            /* of its time limits: how late they may be */
	int (*started)(il_task *task, int value); /* il_task_started; NULL: nobody asked */
	void *starter;
	void *hold; /* il_portal_hold, whose word `started` is then; NULL: not in a context */
	char name[32];
	const void *identity; /* il__task_identity; NULL: nobody asked */
	il_time slow_logged;  /* slow_task.c: when it was said last, by the real clock; 0: never */
	struct il__cancel_scope own; /* used when has_own: the task can be cancelled by itself */
};

/* Something that a task must give back before it ends; `abandoned` is called if it did not. */
struct il__owned {
	struct il__list link;
	void (*abandoned)(struct il__owned *owned, il_task *task);
};

struct il__task_setup {
	struct il__cancel_scope *scope; /* its parent scope */
	bool own_scope;                 /* give it a scope of its own: base->own */
	void (*ended)(il_task *task, int rc);
	void *owner;
	bool
	    heard; /* whoever `ended` is gets every failure, also of one whose future was cancelled */
	const il_task_options *with; /* NULL: the defaults */
	struct il__locals *locals;   /* a reference is taken */
};

/* 0, or -EINVAL with words: a public function's options. */
int il__task_check_options(const il_task_options *options, const char *function);
/* Makes a task and puts it at the end of the ready queue. NULL: no stack or no memory, detail set. */
il_task *il__task_spawn(il_loop *loop, il_fn *fn, void *arg, const struct il__task_setup *options);
/* A task that has not begun and never will: `ended` is not called. */
void il__task_discard(il_task *task);

/*
 * Parks the current task until il__task_wake; gives the rc of the wake. The caller has checked
 * il__task_check() and linked itself to whoever wakes it.
 */
int il__task_park(il_task *self, il__abort_fn *abort, void *arg, const struct il__wait *wait);
/* Parks until woken or the deadline: -ETIMEDOUT. abort also serves to give up at the deadline; when it
 * returns false the wait goes on until woken. */
int il__task_park_until(il_task *self, il__abort_fn *abort, void *arg, const struct il__wait *wait,
			il_time deadline);
/* Loop's thread. The first wake counts, others and those for a task that is not parked are ignored
 * (false). */
bool il__waiter_wake(struct il__waiter *w, int rc);
static inline bool il__task_wake(il_task *task, int rc)
{
	return il__waiter_wake(&task->waiter, rc);
}
/* Gives up the task's wait, which returns rc, if it waits and that can be given up. */
void il__task_interrupt(il_task *task, int rc);
/* In `ended`: whether rc says no more than that the task was cancelled. */
bool il__task_was_cancelled(const il_task *task, int rc);
void il__task_set_name(il_task *task,
		       const char *name); /* cut between characters, if it is too long */
/* For people: its name; "main", or "task N", where it has none, which is written to `room`. */
enum { IL__TASK_TITLE = 32 };
const char *il__task_title(const il_task *task, char room[IL__TASK_TITLE]);
/* For who is remembered beyond its end, when another may lie at its address: nobody else of the program ever has it. It
 * serves among addresses: from the middle of the address space up, where a program has no memory if pointers have 64
 * bits. Any thread. */
const void *il__identity_new(void);
const void *il__task_identity(il_task *task);
/* Cancels the task's own scope (has_own). */
void il__task_cancel(il_task *task);
/* To the end of the ready queue and back; does not look at cancellation. */
void il__task_yield(il_task *self);
/*
 * What every waiting call does first: 0, or -ECANCELED after a yield, so that a task that does not heed
 * its cancellation starves nobody. Notices a deadline that has passed.
 */
int il__task_check_closely(il_task *self);
bool il__task_cancelled(il_task *self); /* likewise, but never yields */

/* False for sure, without a look at the clock. */
static inline bool il__task_may_be_cancelled(const il_task *self)
{
	return self->scope->effective || self->scope->until != IL_FOREVER;
}

static inline int il__task_check(il_task *self)
{
	return il__likely(!il__task_may_be_cancelled(self)) ? 0 : il__task_check_closely(self);
}

/* Fetches the lines of its stack that a resumed task returns through, ahead of time, and what it
 * parks or ends with. */
il__always_inline void il__task_prefetch(const il_task *task)
{
	const char *sp = task->context.sp;

	for (int i = 0; i < 5; i++)
		__builtin_prefetch(sp + IL__LINE * i);
	__builtin_prefetch(&task->loop);
	__builtin_prefetch(task->base);
	__builtin_prefetch(&task->base->locals);
}

#endif
