/*
 * runtime.h: the floor of loops and tasks. What the floors above build on: the current task, park and
 * wake, timers, scopes, the inbox by which other threads reach a loop, futures.
 *
 * Everything in a loop and in its tasks, scopes and timers is touched by the loop's thread only. What
 * other threads touch is named so: the inbox, futures, signals, locals' reference counts.
 */
#ifndef IL_CORE_RUNTIME_H
#define IL_CORE_RUNTIME_H

#include "../base/base.h"

#include <interloop/backend.h>
#include <interloop/future.h>
#include <interloop/group.h>
#include <interloop/loop.h>
#include <interloop/scope.h>
#include <interloop/task.h>

/* ================= timers (timer.c): one heap a loop, by (deadline, order of asking) ============ */

struct il__timer {
	size_t index; /* 1 + its slot; 0: not armed */
	void (*fire)(struct il__timer *timer);
};

struct il__timer_entry {
	il_time deadline;
	uint32_t order; /* of asking; compared by difference, for it wraps */
	uint32_t slot;
};

/* The arrays are of the same capacity; the first `used` slots are in use or free. */
struct il__timers {
	struct il__timer_entry *heap; /* heap[1] begins a line of the cache, as do all children */
	uint32_t *places;             /* by slot: in the heap; of a free one: the next free one */
	struct il__timer **slots;     /* NULL: free, or given up when it was about to fire */
	size_t count, capacity, used;
	uint32_t spare; /* the first free slot, or `used` */
	uint32_t order;
	il_time expired; /* when it was last looked what is due */
	bool late;       /* and not all of it was fired */
};

int il__timer_arm(il_loop *loop, struct il__timer *timer, il_time deadline); /* 0 or -ENOMEM */
void il__timer_disarm(il_loop *loop, struct il__timer *timer);               /* also if not armed */
il_time il__timers_next(const struct il__timers *timers);                    /* IL_FOREVER: none */
/* Fires what is due by the loop's clock, but of very many only some: true, more may be due. */
bool il__timers_expire(il_loop *loop);
void il__timers_fini(struct il__timers *timers);

/* ================= scopes (scope.c) ============================================================= */

enum { IL__SCOPE_NEW = 0, IL__SCOPE_ENTERED, IL__SCOPE_LEFT };

struct il__scope {
	unsigned char state;
	bool shield, cancelled, caught, expired;
	bool effective; /* cancelled, or not shielded and the parent is effective */
	bool has_deadline;
	bool of_group; /* entered and left by its group only */
	il_task *task; /* who entered it; NULL: a root of the loop or a portal */
	il_loop *loop;
	struct il__scope *parent;
	struct il__list sibling, children; /* scopes */
	struct il__list tasks;             /* tasks whose innermost scope this is */
	struct il__timer timer;
	il_time deadline;
	il_time until; /* the effective deadline: min(deadline, parent's unless shielded) */
	const char *reason;
};

static inline struct il__scope *il__scope_of(il_scope *s)
{
	return (struct il__scope *)(void *)s;
}

/* A root without a task (the loop's, a portal's), or a task's own. */
void il__scope_init_root(struct il__scope *s, il_loop *loop, struct il__scope *parent);
int il__scope_enter_for(il_task *task, struct il__scope *s, il_time deadline, unsigned flags);
int il__scope_exit_for(il_task *task, struct il__scope *s, int rc);
void il__scope_cancel(struct il__scope *s, const char *reason);
const char *il__scope_reason(
    const struct il__scope *s); /* why a cancelled scope is so; may be NULL */
/* Unlinks a root. Nothing may be left inside. */
void il__scope_fini_root(struct il__scope *s);

/* ================= stacks and switches (stack.c, switch*.{S,c}) ================================= */

struct il__stack {
	char *low, *top; /* usable bytes; the guard is below low */
	struct il__stack *next;
	unsigned valgrind_id;
	unsigned colour;
	bool given_back; /* its pages */
};

struct il__stacks {
	struct il__stack *free; /* last in, first out: the warm one first */
	struct il__slab *slabs;
	size_t size; /* of a stack, guard excluded, whole pages */
	size_t made;
	size_t free_count, low; /* now, and the least since `turns` was 0 */
	unsigned turns;
	struct il__stack *cold; /* the next whose pages are given back */
};

int il__stacks_init(struct il__stacks *pool, size_t stack_size);
void il__stacks_fini(struct il__stacks *pool);
struct il__stack *il__stack_get(
    struct il__stacks *pool); /* NULL: il_error_detail() names the limit */
void il__stack_put(struct il__stacks *pool, struct il__stack *stack);
/* Once a turn: gives the pages of stacks that a crowd has left back to the system, a few at a time. */
void il__stacks_rest(struct il__stacks *pool);

/* A saved context is a stack pointer. */
struct il__context {
	void *sp;
#ifdef IL__TSAN
	void *tsan; /* the fiber */
#endif
#ifdef IL__ASAN
	void *asan_fake; /* the fake stack while away */
	const void *asan_low;
	size_t asan_size;
#endif
};

void il__context_make(struct il__context *c, struct il__stack *stack, char *top,
		      void (*entry)(void *arg), void *arg);
/* `ending`: from is never resumed. */
void il__context_switch(struct il__context *from, struct il__context *to, bool ending);
void il__context_entered(struct il__context *self); /* first thing on a new stack */
void il__context_free(struct il__context *c);

/* ================= task-locals (local.c) ======================================================== */

struct il__locals; /* immutable while shared; any thread may hold a reference */

struct il__locals *il__locals_ref(struct il__locals *locals); /* NULL is "none" */
void il__locals_unref(struct il__locals *locals);
/* The calling task's, worker call's or thread's; borrowed. */
struct il__locals *il__locals_current(void);

/* ================= tasks (task.c) =============================================================== */

enum il__task_state { IL__TASK_READY, IL__TASK_RUNNING, IL__TASK_PARKED, IL__TASK_ENDED };

/*
 * Gives up a wait because of cancellation: unlink whatever would wake the task, and return true (the
 * task is then woken with -ECANCELED), or false if it cannot be given up now (it will be woken when it
 * is over; called once).
 */
typedef bool il__abort_fn(il_task *task, void *arg);

struct il_task {
	/* One line of the cache: all that waking and resuming touch here. */
	struct il__list link;   /* the ready queue; while parked a waiter's list may use it */
	struct il__timer alarm; /* of il__task_park_until */
	enum il__task_state state;
	int wake_rc;
	il__abort_fn *abort; /* NULL: this wait cannot be given up */
	void *abort_arg;
	struct il__context context;

	/* One more: with it all that ending touches. */
	il_loop *loop;
	struct il__stack *stack;
	struct il__scope *scope; /* innermost; never NULL while the task lives */
	struct il__scope *parent_scope;
	struct il__list scope_link;
	/* Runs last on the task's own stack, as a plain call: no task is current. */
	void (*ended)(il_task *task, int rc);
	void *owner; /* for `ended` */

	struct il__locals *locals;
	struct il__list owned; /* of struct il__owned */
	bool has_own;
	bool begun;
	const char *waits_for; /* a constant, for the report of a deadlock in virtual time */
	il_fn *fn;
	void *arg;
	int (*started)(il_task *task, int value); /* il_task_started; NULL: nobody asked */
	void *starter;
	void *hold; /* il_portal_hold; NULL: not in a context */
	char name[32];
	struct il__scope own; /* used when has_own: the task can be cancelled by itself */
};

/* Something that a task must give back before it ends; `abandoned` is called if it did not. */
struct il__owned {
	struct il__list link;
	void (*abandoned)(struct il__owned *owned, il_task *task);
};

struct il__task_options {
	struct il__scope *scope; /* its parent scope */
	bool own_scope;          /* give it a scope of its own: task->own */
	void (*ended)(il_task *task, int rc);
	void *owner;
	struct il__locals *locals; /* a reference is taken */
};

/* Makes a task and puts it at the end of the ready queue. NULL: no stack or no memory, detail set. */
il_task *il__task_spawn(il_loop *loop, il_fn *fn, void *arg,
			const struct il__task_options *options);
/* A task that has not begun and never will: `ended` is not called. */
void il__task_discard(il_task *task);

/*
 * Parks the current task until il__task_wake; gives the rc of the wake. The caller has checked
 * il__task_check() and linked itself to whoever wakes it.
 */
int il__task_park(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for);
/* Parks until woken or the deadline: -ETIMEDOUT. abort also serves to give up at the deadline; when it
 * answers false the wait goes on until woken. */
int il__task_park_until(il_task *self, il__abort_fn *abort, void *arg, const char *waits_for,
			il_time deadline);
/* Loop's thread. The first wake counts, others and those for a task that is not parked are ignored
 * (false). */
bool il__task_wake(il_task *task, int rc);
/* Called by scope.c: the task is inside a cancelled scope; gives up its wait if it can. */
void il__task_interrupt(il_task *task);
/* In `ended`: whether rc says no more than that the task was cancelled. */
bool il__task_was_cancelled(const il_task *task, int rc);
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

static inline int il__task_check(il_task *self)
{
	if (il__likely(!self->scope->effective && self->scope->until == IL_FOREVER))
		return 0;
	return il__task_check_closely(self);
}

/* ================= the thread's own state (thread_state.c) ====================================== */

struct il__thread {
	il_loop *loop; /* the loop whose thread this is */
	struct il__locals
	    *locals;      /* outside a task: a worker call's, a portal call's, or the thread's */
	void *call;       /* offload: whose call this worker runs, if a task waits for it */
	void *worker_of;  /* offload: the pool that this thread works for */
	unsigned no_wait; /* inside a plain call or callback that may not wait */
	bool in_call;     /* offload: it runs the call of somebody */
	bool orphaned;    /* a forked child of a loop's thread */
	struct il__patience patience; /* of its waits for other threads */
};

extern IL__THREAD_LOCAL struct il__thread il__self;

void il__backends_after_fork(void);                      /* backend.c: in the child */
const char *il__backend_flaw(const il_backend *backend); /* why it cannot be used; NULL: it can */
const char *il__backend_not_found(
    void); /* why this thread's last il_backend_find gave NULL; or "" */

/* The current task, or NULL with *rc = -EPERM or -ESHUTDOWN and a detail naming `function`. */
static inline il_task *il__task_current(const char *function, int *rc);
int il__refuse_place(const char *function); /* there is none */
/* Whether the caller may wait at all. 0: yes, *task is the task or NULL for a plain thread. */
int il__may_wait(const char *function, il_task **task);
/* For an object of `loop`: 0 in the loop's thread, else -EPERM (-ESHUTDOWN when inherited). */
int il__loop_check_thread(il_loop *loop, const char *function);

/* ================= the inbox (inbox.c): how other threads reach a loop ========================== */

/* One message, memory of the sender's. Handled in the loop's thread, on the hub, in order of posting. */
struct il__message {
	struct il__message *next;
	void (*handle)(struct il__message *m, il_loop *loop);
};

/* Outlives its loop: reference-counted, any thread. */
struct il__inbox;

struct il__inbox *il__inbox_ref(struct il__inbox *inbox);
void il__inbox_unref(struct il__inbox *inbox);
/* -ESHUTDOWN once the loop is closed: the message was not taken. Until it is in, somebody holds a
 * reference. */
int il__inbox_post(struct il__inbox *inbox, struct il__message *m);
/* A place among options.queue_limit; -EAGAIN: full. Given back by the handler. */
int il__inbox_reserve(struct il__inbox *inbox);
void il__inbox_unreserve(struct il__inbox *inbox); /* any thread: it was not posted */
void il__inbox_handled(struct il__inbox *inbox);   /* the loop's thread: it begins now */

/* ================= signals (signal.c): one wait of a task or a plain thread, once =============== */

/*
 * On the waiter's stack. Prepared by the waiter, fired at most once by any thread, waited for by the
 * waiter only. The waiter must not leave before it was fired, or before it made sure (under the lock
 * of whoever fires) that it never will be.
 */
struct il__signal {
	struct il__message message;
	il_task *task;           /* NULL: a plain thread, which waits on parker */
	struct il__inbox *inbox; /* the task's loop; borrowed: the task keeps the loop alive */
	struct il__parker parker;
	bool fired; /* tasks: loop's thread only */
	bool local; /* only a task of the same loop can fire it: for the report of a deadlock */
	/* A future that a worker owes, so that virtual time stands meanwhile; borrowed; NULL: none. */
	il_future *owed;
};

/* 0, or why this place may not wait. */
int il__signal_init(struct il__signal *s, const char *function);
void il__signal_fire(struct il__signal *s);
/*
 * 0: fired. -ETIMEDOUT, -ECANCELED: that came first. It may be fired all the same, then or later: the
 * caller must withdraw from whoever fires it, or call il__signal_wait_shielded if that is too late.
 */
int il__signal_wait(struct il__signal *s, il_time deadline, const char *waits_for);
void il__signal_wait_shielded(struct il__signal *s, const char *waits_for);

/* ================= futures (future.c, futures.c) ================================================ */

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
	unsigned generation;
	pthread_mutex_t lock;
	struct il__list watchers;                        /* under lock */
	struct il__callback *callbacks, **callbacks_end; /* under lock */
	const struct il__future_ops *ops;
	void *self; /* for ops */
};

struct il__future_ops {
	/* Cancels the call while it runs: any thread, no lock held, the caller has a reference; called
	 * at most once. NULL: it cannot be stopped, il_future_cancel answers false. */
	void (*cancel)(il_future *f);
	/* Called when cancelled before it began, after f is done. May be NULL. */
	void (*dropped)(il_future *f);
	/* Frees the memory that f is part of. NULL: free(f). */
	void (*free)(il_future *f);
	/* Whether waiting for ever in this thread could never end. May be NULL. */
	bool (*deadlock)(il_future *f);
	/* Whether only a task of the calling thread's loop can complete it. May be NULL. */
	bool (*local)(il_future *f);
	/* A task of the calling thread's loop waits for a worker's result (+1, then -1), so that virtual
	 * time stands. NULL: no worker owes it. */
	void (*owed)(il_future *f, il_loop *loop, int one);
	/* Sets il_error_detail() for a negative result. May be NULL. */
	void (*explain)(il_future *f);
};

void il__future_init(il_future *f, const struct il__future_ops *ops,
		     void *self); /* one reference */
/* The producer's side of the library's own futures. True: run it. */
bool il__future_begin(il_future *f);
/* Before one that runs is completed: whether its result counts. If so nobody cancels it any more. */
bool il__future_settle(il_future *f);
/* Completes f; `cancelled`: the call ended because it was cancelled. Not twice. */
void il__future_finish(il_future *f, int result, bool cancelled);
void il__future_cancelled_early(il_future *f); /* completes one that never began: -ECANCELED */

/* A task with a future in one allocation. A portal makes it in any thread; the rest is the loop's. */
struct il__future_task;
int il__future_task_make(struct il__future_task **ft, struct il__inbox *inbox, il_loop *loop,
			 il_fn *fn, void *arg);
il_future *il__future_task_future(
    struct il__future_task *ft); /* borrowed; the task has the reference */
/* NULL: no stack, nothing changed. Cancelled before it begins, the task skips fn. */
il_task *il__future_task_start(struct il__future_task *ft, il_loop *loop,
			       const struct il__task_options *options);
void il__future_task_fail(struct il__future_task *ft,
			  int rc); /* instead of start: the outcome is rc */
/* All in one; used by groups and il_loop_spawn. */
int il__future_task(il_loop *loop, il_future **f, il_fn *fn, void *arg,
		    const struct il__task_options *options);

/* ================= loops (loop.c, turn.c) ======================================================= */

/* A descriptor of the core's own: fd readiness, the wake descriptor, the timer. */
struct il__source {
	struct il_watch watch; /* first */
	void (*ready)(struct il__source *source, il_loop *loop, unsigned mask);
};
int il__source_watch(il_loop *loop, struct il__source *source, unsigned mask);

/* Something of an upper floor that lives with the loop. Loop's thread. */
struct il__extension {
	struct il__list link;
	void (*shutdown)(struct il__extension *x, il_loop *loop); /* refuse new work; may be NULL */
	void (*idle)(struct il__extension *x,
		     il_loop *loop); /* nothing lives any more; may be NULL */
	/* An own loop begins to run, and has ended to. May be NULL. */
	void (*resumed)(struct il__extension *x, il_loop *loop);
	void (*paused)(struct il__extension *x, il_loop *loop);
	int (*closing)(struct il__extension *x,
		       il_loop *loop); /* last: free it. 0 or a warning code */
};

enum { IL__EXT_FD, IL__EXT_THREADS, IL__EXT_RESOLVER, IL__EXT_PORTALS, IL__EXT_COUNT };

struct il_loop {
	const il_backend *backend;
	void *driver;
	struct il_loop_options options;
	unsigned generation;
	pthread_t thread;
	bool own, running, turning, stopping, shut, closed;
	bool draining; /* il_loop_close runs the loop until nothing is left */

	il_task *current;
	struct il__context hub;
	il_task *dead; /* ended, its stack not given back yet */
	struct il__list ready;
	size_t tasks; /* that live */
	size_t budget, batch;
	struct il__patience patience; /* before it goes back to poll */
	uint64_t random, steps;

	struct il__timers timers;
	il_time armed;
	/* The core's own timer was set `lead` ahead of `aim` (IL_FOREVER: it was not), or may be set anew;
	 * `lead` was adjusted last when lead_aim came. */
	il_time aim, lead, lead_aim;
	struct il__source wake, timer; /* timer.watch.fd < 0: the driver's timer is used */
	bool wake_signalled, watching;
	bool awake;       /* the inbox's `asleep` was cleared by us */
	bool timer_fired; /* its descriptor is readable until it is set */

	struct il__inbox *inbox;
	struct il__message *backlog, **backlog_end; /* taken from the inbox, not handled yet */

	struct il__scope scope; /* of all tasks */
	size_t alive;           /* tasks, open portals, offloaded calls: keep the watch */
	long
	    inflight; /* calls that threads owe us, less tasks that threads wait for: above 0 virtual time
			* stands */
	size_t portals;  /* open ones */
	long fd_waiters; /* tasks that wait for a descriptor or another thread: no deadlock */
	struct il__stacks stacks;
	struct il__list extensions;
	void *slots[IL__EXT_COUNT]; /* the extensions by kind */
	struct il__list crowds;     /* offload: calls into pools that a virtual clock counts */

	void (*on_empty)(il_loop *loop, void *arg);
	void *on_empty_arg;
	struct il__main *main; /* of the il_loop_run on the stack */
};

struct il__main {
	il_task *task; /* NULL: it has ended */
	int result;
	bool interrupted; /* SIGINT cancelled it */
	int failure;      /* virtual time gave up: -EDEADLK or -ETIMEDOUT */
	char report[200]; /* and why */
};

il_time il__loop_now(il_loop *loop);
/* One more (or less) reason to keep the loop's descriptors watched. The first may be refused; one of a
 * task cannot be, for the task holds the loop already. */
int il__loop_hold(il_loop *loop);
void il__loop_release(il_loop *loop);
/* A call that another thread or process answers: holds the loop and the virtual clock. */
int il__loop_hold_call(il_loop *loop);
void il__loop_release_call(il_loop *loop);
/* After something was made ready outside an upcall: makes the loop visit us soon. */
void il__loop_kick(il_loop *loop);
void il__loop_extend(il_loop *loop, struct il__extension *x);
/* Watches the core's own descriptors now, or only while something is alive. */
int il__loop_watch_own(il_loop *loop, unsigned mask);
int il__loop_update_watch(il_loop *loop);

/* Runs the driver until il__loop_settle stops it. */
int il__loop_drive(il_loop *loop);
void il__loop_free(il_loop *loop);
/* Takes a SIGINT that has come, and cancels the main task of the il_loop_run on the stack. False: none has,
 * or nobody is there to be cancelled. */
bool il__loop_interrupt(il_loop *loop);
/* After each turn: watches, stop, shut down; the loop may be gone after it. */
void il__loop_settle(il_loop *loop);
/* Refuses new work, cancels every task, tells the extensions. */
void il__loop_refuse(il_loop *loop);

/* virtual_time.c: what only a loop with a clock of its own can know */
void il__loop_step(il_loop *loop);           /* counts towards options.step_limit */
void il__loop_check_deadlock(il_loop *loop); /* every task asleep for ever? */

struct sigaction;

/* sigint.c: one owner at a time handles SIGINT; it is compared, never followed */
bool il__sigint_is_default(void);
bool il__sigint_install(const void *owner); /* false: it is somebody else's */
void il__sigint_aim(il_loop *loop); /* by its owner, in the loop's thread: whose main it cancels */
bool il__sigint_taken(il_loop *loop);    /* true once after each */
bool il__sigint_tell(const void *owner); /* one came, and the caller will tell the user */
/* Puts back what was there before. True: one came, and nobody has told. */
bool il__sigint_restore(const void *owner);
void il__sigint_after_fork(void); /* in the child: it handles none */
/* Whoever receives SIGINT lies above the owner, whichever comes first: while it holds what handles it, it
 * says what it will put back, and the owner changes that instead; NULL: it has put it back. */
void il__sigint_hold(void);
void il__sigint_cover(struct sigaction *below); /* also in a fork child, where nothing is held */
void il__sigint_release(void);

/* Fetches the lines of its stack that a resumed task returns through, ahead of time, and those of its
 * header that it may end with. */
static inline void il__task_prefetch(const il_task *task)
{
	const char *sp = task->context.sp;

	for (int i = 0; i < 5; i++)
		__builtin_prefetch(sp + IL__LINE * i);
	__builtin_prefetch(&task->loop);
	__builtin_prefetch(&task->locals);
}

static inline il_task *il__task_current(const char *function, int *rc)
{
	il_loop *loop = il__self.loop;

	if (il__likely(loop && loop->current && !il__self.no_wait))
		return loop->current;
	*rc = il__refuse_place(function);
	return NULL;
}

/* turn.c */
void il__loop_ready(il_loop *loop, il_task *task);
void il__loop_switch_from(il_loop *loop, il_task *self); /* self is parked, ready again, or ended */
void il__loop_arrived(il_loop *loop);                    /* first thing after each switch */
void il__loop_turn(il_loop *loop);
void il__loop_adjust_lead(il_loop *loop, il_time woken);          /* by the core's own timer */
void il__loop_handle_later(il_loop *loop, struct il__message *m); /* in the next turn */
/* Runs a function as a plain call on the hub: it may not wait, and sees these locals. */
int il__plain_call(il_fn *fn, void *arg, struct il__locals *locals);

/* inbox.c, for turn.c */
int il__inbox_create(struct il__inbox **inbox, size_t limit);
int il__inbox_fd(const struct il__inbox *inbox);
int il__inbox_wake_fd(const struct il__inbox *inbox);
void il__inbox_drain_fd(struct il__inbox *inbox);
void il__inbox_signal(struct il__inbox *inbox); /* makes the descriptor readable */
bool il__inbox_has_mail(void *inbox);
/* Appends what has come, oldest first, at *end, which moves on. */
void il__inbox_take(struct il__inbox *inbox, struct il__message ***end);
void il__inbox_awake(struct il__inbox *inbox);
bool il__inbox_asleep(struct il__inbox *inbox); /* false: messages came in, stay awake */
/* Likewise, and refuses from now on. */
void il__inbox_close(struct il__inbox *inbox, struct il__message ***end);

#endif
