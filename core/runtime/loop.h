/*
 * loop.h: a loop, its turns, its end. Loop's thread only, but for what is the inbox's.
 */
#ifndef IL_CORE_RUNTIME_LOOP_H
#define IL_CORE_RUNTIME_LOOP_H

#include "../base/error.h"
#include "../base/list.h"
#include "../base/patience.h"
#include "../base/ticks.h"
#include "backend.h"
#include "errand.h"
#include "inbox.h"
#include "ledger.h"
#include "loops.h"
#include "sigint.h"
#include "source.h"
#include "task.h"
#include "thread_state.h"
#include "wake_timer.h"

#include <interloop/backend.h>
#include <interloop/loop.h>

enum { IL__LOOP_MET = 64 };

/* Part of a loop: its turns so far, by ticks, for a look at the clock in each would be felt. */
struct il__turns {
	/* When this one began; 0: between turns. Written by the loop's thread, read by any that finds the
	 * loop stuck. Relaxed: it orders nothing. */
	_Atomic il__ticks began;
	/* Since when a task waits that parks in it: likewise, or where the loop has a clock of its own, by that. */
	uint64_t since;
	il__ticks longest;
	uint64_t count;
};

/* Part of a loop with options.slow_task. */
struct il__slow {
	il_time since;  /* when the task that runs began to hold the loop, by the real clock */
	uint64_t count; /* tasks that held it for too long */
};

struct il_loop {
	const il_backend *backend;
	void *driver;
	struct il_loop_options options;
	unsigned generation;
	pthread_t thread;
	bool own, running, turning, stopping, shut, closed;
	bool closing;          /* il_loop_close or il_loop_detach is on the stack */
	bool own_clock;        /* virtual time: the backend has a clock of its own */
	bool reports_overflow; /* il__overflow_end is owed */
	bool draining;         /* il_loop_close runs the loop until nothing is left */
	bool watches_once;     /* the native loop takes one watcher a descriptor: native.c */
	size_t room;           /* numbers below it have been tried for the native loop: native.c */

	il_task *current;
	struct il__context own_context;
	il_task *dead; /* ended, its stack not given back yet */
	struct il__list ready;
	size_t polled; /* upcalls since the last turn */
	struct il__turns turns;
	size_t tasks; /* that live */
	size_t budget, batch;
	struct il__patience patience; /* before it goes back to poll */
	struct il__errands errands;
	uint64_t random, steps;
	bool scripted;   /* there is a seed, a step_limit or a slow_task */
	uint64_t ending; /* times step_limit that tasks have to end, once all were cancelled */
	struct il__slow slow;

	struct il__timers timers;
	struct il__wake_timer wake_timer;
	struct il__source wake;
	struct il__list watched; /* il__source */
	bool wake_signalled;     /* we wrote to the wake descriptor, and have not drained it */
	/* It was readable when it was polled: a turn may have drained it before its upcall came. */
	bool wake_seen;
	bool watching;
	bool awake;   /* the inbox's `asleep` was cleared by us */
	bool guarded; /* it was told that we look again after a moment */

	struct il__inbox *inbox;
	struct il__message *backlog, **backlog_end; /* taken from the inbox, not handled yet */

	struct il__cancel_scope scope; /* of all tasks */
	struct il__stale_scopes stale_scopes;
	struct il__ledger ledger;
	struct il__stacks stacks;
	struct il__list extensions;
	struct il__loop_entry entry;       /* among all loops */
	const struct il__network *network; /* of the floor io; NULL: sockets */
	void *network_self;                /* its own */
	size_t held; /* messages that it holds back until a task releases them */

	void (*on_empty)(il_loop *loop, void *arg);
	void *on_empty_arg;
	struct il__main *main; /* of the il_loop_run on the stack */
	il_fn *met[IL__LOOP_MET], *last_met;
	const struct il_gdb_layout *for_gdb; /* nobody reads it here: but so the linker keeps it */
};

struct il__main {
	il_task *task; /* NULL: it has ended */
	int result;
	char *why;                    /* its words */
	bool interrupted;             /* SIGINT cancelled it */
	int failure;                  /* virtual time gave up: -EDEADLK or -ETIMEDOUT */
	char report[IL__DETAIL - 13]; /* and why: what goes behind "il_loop_run: " */
};

il_time il__loop_now(il_loop *loop);
/* How long a task has waited that parked `since`. */
il_time il__loop_waited(il_loop *loop, uint64_t since);
/* After something was made ready outside an upcall: makes the loop visit us soon. */
void il__loop_kick(il_loop *loop);
/* Watches the core's own descriptors, all or none, now; or only while something is alive. */
int il__loop_watch_own(il_loop *loop, unsigned mask);
int il__loop_update_watch(il_loop *loop);
/* Where the host may have closed all watches of its loop, ours too. On failure none is left. */
int il__loop_watch_again(il_loop *loop);
/* Before an own loop goes on that the application has stopped: it may have closed whatever the loop would wait for. */
void il__loop_resume(il_loop *loop);

/* Has the driver open, or adopt, its loop (native.c). */
int il__native_open(il_loop *loop, void *native);
/* In a forked child: makes it the child's own. */
int il__native_renew(il_loop *loop);
/* Before its watch: 0 or -ENOMEM. */
int il__native_room(il_loop *loop, int fd);

/* Runs the driver until il__loop_end_turn stops it. */
int il__loop_drive(il_loop *loop);
void il__loop_free(il_loop *loop);
/* Takes a SIGINT that has come, and cancels the main task of the il_loop_run on the stack. False: none has,
 * or nobody is there to be cancelled. */
bool il__loop_interrupt(il_loop *loop);
/* After each turn: watches, stop, shut down; the loop may be gone after it. */
void il__loop_end_turn(il_loop *loop);
/* Refuses new work, cancels every task, tells the extensions. */
void il__loop_refuse(il_loop *loop);

/* virtual_time.c: what only a loop with a clock of its own can know */
void il__loop_step(il_loop *loop);           /* counts towards options.step_limit */
void il__loop_check_deadlock(il_loop *loop); /* every task asleep forever? */

/* Of each function that is to run in tasks: one that was not met before may have been loaded since, and a
 * C++ runtime with it. */
void il__loop_meet_other(il_loop *loop, il_fn *fn);
static inline void il__loop_meet(il_loop *loop, il_fn *fn)
{
	if (il__unlikely(fn != loop->last_met))
		il__loop_meet_other(loop, fn);
}

/* The current task, or NULL with *rc from il__refuse_place. */
static inline il_task *il__task_current(const char *function, int *rc)
{
	il_loop *loop = il__self.loop;

	if (il__likely(loop && loop->current && !il__self.no_wait))
		return loop->current;
	*rc = il__refuse_place(function);
	return NULL;
}

/* The calling task, if it may wait here; NULL: outside a task, or inside a plain call. */
static inline il_task *il__task_here(void)
{
	return il__self.loop && !il__self.no_wait ? il__self.loop->current : NULL;
}

/* turn.c */
void il__loop_ready(il_loop *loop, il_task *task);
void il__loop_switch_from(il_loop *loop, il_task *self);    /* self is parked, or ready again */
void il__loop_leave_for_good(il_loop *loop, il_task *self); /* it has ended: does not return */
void il__loop_arrived(il_loop *loop);                       /* first thing after each switch */
void il__loop_turn(il_loop *loop);
/* Of those that were taken from the inbox, the first; NULL: there is none. */
static inline struct il__message *il__loop_next_message(il_loop *loop)
{
	struct il__message *m = loop->backlog;

	if (!m)
		return NULL;
	loop->backlog = m->next;
	if (loop->backlog)
		__builtin_prefetch(loop->backlog->next);
	else
		loop->backlog_end = &loop->backlog;
	return m;
}
/* After what has come: in this turn, if it looks once more, or in the next. */
void il__loop_handle_later(il_loop *loop, struct il__message *m);
/* Runs a function as a plain call on the loop's own context: it may not wait, and sees these locals. It is made for
 * whoever began in that scope; NULL: for nobody. */
int il__plain_call(il_fn *fn, void *arg, struct il__locals *locals, struct il__cancel_scope *scope);

#endif
