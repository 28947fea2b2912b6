/*
 * turn.c: one visit of the native loop: take what other threads sent, run ready tasks first in first
 * out, then go back to poll. Loop's thread only.
 *
 * A turn is bounded, so that a task that is always ready starves no I/O: it ends after about 50 us of
 * full batches, and a batch grows and shrinks with what its tasks cost; while messages or very many due
 * timers bring more, after a few such rounds. When work is left, the wake descriptor is left readable,
 * which brings the next turn after one poll.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "../base/os.h"
#include "../base/patience.h"
#include "../base/probe.h"
#include "../base/trace.h"
#include "context.h"
#include "errand.h"
#include "inbox.h"
#include "ledger.h"
#include "local.h"
#include "loop.h"
#include "slow_task.h"
#include "stack.h"
#include "task.h"
#include "thread_state.h"
#include "timer.h"
#include "wake_timer.h"

enum { BATCH_MAX = 256, MESSAGES_MAX = 1024, ROUNDS_MAX = 16 };

/* ---- the ready queue ---- */

void il__loop_ready(il_loop *loop, il_task *task)
{
	task->waiter.state = IL__TASK_READY;
	il__list_push(&loop->ready, &task->waiter.link);
	if (il__unlikely(!loop->turning))
		il__loop_kick(loop);
}

/* Virtual time with a seed: any ready task may be next (xorshift64*). */
static struct il__list *turn_pick(il_loop *loop)
{
	struct il__list *node = loop->ready.next;
	size_t count = il__list_length(&loop->ready);

	loop->random ^= loop->random >> 12;
	loop->random ^= loop->random << 25;
	loop->random ^= loop->random >> 27;
	for (uint64_t n = (loop->random * UINT64_C(2685821657736338717) >> 33) % count; n > 0; n--)
		node = node->next;
	return node;
}

/* With many tasks each visit is a miss in every cache: fetch the stack of the task after this one,
 * and the task after that. */
il__always_inline void prefetch(il_loop *loop, const struct il__list *node)
{
	const struct il__list *after = node->next;

	if (after == &loop->ready)
		return;
	__builtin_prefetch(after->next);
	il__task_prefetch(il__container_of(after, const il_task, waiter.link));
}

/* The next one of a loop that was given a seed, a step_limit or a slow_task. One that yields and goes on at once leaves
 * no context. */
static __attribute__((noinline)) struct il__list *turn_next_scripted(il_loop *loop)
{
	struct il__list *node;
	il_task *task;

	if (loop->options.step_limit)
		il__loop_step(loop);
	node = loop->random ? turn_pick(loop) : loop->ready.next;
	task = il__container_of(node, il_task, waiter.link);
	if (loop->options.slow_task && task == loop->current)
		il__slow_task_look(loop, task);
	return node;
}

/* The next task to run, or NULL: none, or this batch is over. */
il__always_inline il_task *turn_take(il_loop *loop)
{
	struct il__list *node = loop->ready.next;

	if (loop->budget == 0 || node == &loop->ready)
		return NULL;
	loop->budget--;
	if (il__unlikely(loop->scripted))
		node = turn_next_scripted(loop);
	prefetch(loop, node);
	il__list_remove(node);
	il_task *task = il__container_of(node, il_task, waiter.link);
	task->waiter.state = IL__TASK_RUNNING;
	IL__PROBE(task_run, task, loop);
	return task;
}

/* ---- switches ---- */

static __attribute__((noinline)) void bury(il_loop *loop, il_task *dead)
{
	loop->dead = NULL;
	il__context_free(&dead->context);
	il__stack_put(il__stack_pool(&loop->stacks, &dead->stack), &dead->stack);
}

void il__loop_arrived(il_loop *loop)
{
	if (loop->dead)
		bury(loop, loop->dead);
}

/* Who leaves takes its words along, so that no other changes them meanwhile. */
static __attribute__((noinline, cold)) void switch_with_words(struct il__context *from,
							      struct il__context *to, bool ending)
{
	char words[sizeof il__refusal.words];
	const size_t size = strlen(il__refusal.words) + 1;
	const int rc = il__refusal.rc;

	memcpy(words, il__refusal.words, size);
	il__clear_refusal();
	il__context_switch(from, to, ending);
	memcpy(il__refusal.words, words, size);
	il__refusal.rc = rc;
	il__refusal.own = true;
}

static inline void switch_to(struct il__context *from, struct il__context *to, bool ending)
{
	if (il__unlikely(il__refusal.own))
		switch_with_words(from, to, ending);
	else
		il__context_switch(from, to, ending);
}

static inline void leave(il_loop *loop, il_task *self, il_task *next, bool ending)
{
	loop->current = next;
	switch_to(&self->context, next ? &next->context : &loop->own_context, ending);
}

void il__loop_switch_from(il_loop *loop, il_task *self)
{
	il_task *next = turn_take(loop);

	if (next == self)
		return;
	leave(loop, self, next, false);
	il__loop_arrived(loop);
}

void il__loop_leave_for_good(il_loop *loop, il_task *self)
{
	loop->dead = self;
	leave(loop, self, turn_take(loop), true);
}

static void run_batch(il_loop *loop)
{
	il_task *next;

	loop->budget = loop->batch;
	while ((next = turn_take(loop))) {
		loop->current = next;
		switch_to(&loop->own_context, &next->context, false);
		loop->current = NULL;
		il__loop_arrived(loop);
	}
}

/* All that were polled together run, however long it takes, and once more, for many only yield before they wait again,
 * and what they wait for shall not be polled in vain. Where the clock is the loop's own nothing depends on how long
 * something takes: so many tasks, and then a look at the timers that are due. */
static void run_ready(il_loop *loop)
{
	il_time start = 0, last = 0, now;
	size_t polled = 2 * loop->polled;

	loop->polled = 0;
	for (;;) {
		size_t batch = loop->batch;
		run_batch(loop);
		if (il__list_empty(&loop->ready))
			return;
		now = il__os_now();
		il__errands_check(loop, now);
		if (il__unlikely(loop->own_clock))
			return;
		polled -= polled < batch ? polled : batch;
		if (start == 0) {
			start = now;
		} else {
			if (now - last > IL_USEC(25) && loop->batch > 1)
				loop->batch /= 2;
			else if (now - last < IL_USEC(10) && loop->batch < BATCH_MAX)
				loop->batch *= 2;
			if (now - start > IL_USEC(50) && !polled)
				return;
		}
		last = now;
	}
}

/* ---- messages ---- */

static void turn_deliver(il_loop *loop)
{
	struct il__message *m, **end;
	bool last = false;

	il__inbox_take(loop->inbox, &loop->backlog_end);
	end = loop->backlog_end; /* what is put off goes behind it */
	for (int n = 0; n < MESSAGES_MAX && !last && (m = il__loop_next_message(loop)); n++) {
		loop->errands.heard = true;
		last = &m->next == end;
		m->handle(m, loop);
	}
}

void il__loop_handle_later(il_loop *loop, struct il__message *m)
{
	m->next = NULL;
	*loop->backlog_end = m;
	loop->backlog_end = &m->next;
}

int il__plain_call(il_fn *fn, void *arg, struct il__locals *locals, struct il__cancel_scope *scope)
{
	struct il__locals *saved = il__self.locals;
	struct il__cancel_scope *outer = il__self.scope;
	const unsigned before = il__self.no_wait; /* in a child that it forks it is 0 */
	int rc;

	il__self.locals = il__locals_ref(locals);
	il__self.scope = scope;
	il__self.no_wait += IL__PLAIN_CALL;
	if (il__unlikely(il__refusal.rc)) /* what it is refused is told with its code */
		il__clear_refusal();
	rc = il__guarded_fn(fn, arg);
	il__self.no_wait = before;
	il__locals_unref(il__self.locals);
	il__self.locals = saved;
	il__self.scope = outer;
	return rc;
}

/* ---- the turn ---- */

/* From here to `rest` who posts finds the loop awake, and spares the wake-up. A turn for a descriptor or
 * a timer that expects nothing from other threads leaves that be, and with it two atomic writes. */
static void stay_awake(il_loop *loop)
{
	if (loop->awake)
		return;
	loop->awake = true;
	il__inbox_awake(loop->inbox);
}

/* Another thread may be about to send something: stay awake for it a little. */
static bool turn_linger(il_loop *loop)
{
	if (loop->errands.held || !il__ledger_expects_mail(&loop->ledger))
		return false;
	stay_awake(loop);
	return il__patience_wait(&loop->patience, il__inbox_has_mail, loop->inbox);
}

static void keep_going(il_loop *loop)
{
	if (loop->wake_signalled)
		return;
	il__inbox_signal(loop->inbox);
	loop->wake_signalled = true;
}

/* False: it was refused; the next turn has to look itself whether a timer is due. */
static bool turn_set_timer(il_loop *loop)
{
	if (il__likely(il__wake_timer_set(loop)))
		return true;
	loop->timers.late = true;
	return false;
}

/* Back to poll. False: more came in meanwhile. */
static bool turn_rest(il_loop *loop)
{
	bool guarded;

	if (loop->wake_signalled || loop->wake_seen) {
		/* It may be a poster's signal, who does not give another: so look once more below. */
		stay_awake(loop);
		il__inbox_drain_fd(loop->inbox);
		loop->wake_signalled = loop->wake_seen = false;
		/* What was drained may have been the signal handler's. */
		if (il__unlikely(il__loop_interrupt(loop)))
			return false;
	}
	il__stacks_rest(&loop->stacks);
	if (il__unlikely(loop->stacks.special) && loop->stacks.turns == 0)
		il__special_stacks_rest(&loop->stacks);
	guarded = il__unlikely(loop->errands.count) && il__errands_guard(loop);
	if (guarded != loop->guarded)
		stay_awake(loop); /* it is told below */
	if (il__unlikely(!turn_set_timer(loop))) {
		keep_going(loop);
		return true;
	}
	if (loop->awake) {
		loop->awake = !il__inbox_asleep(loop->inbox, guarded);
		loop->guarded = guarded && !loop->awake;
	}
	return !loop->awake;
}

/* A clock of the loop's own goes on for its timers only, which have been looked at then. */
static inline void turn_begin(il_loop *loop)
{
	il__ticks now = il__ticks_now();

	loop->turning = true;
	loop->turns.count++;
	atomic_store_explicit(&loop->turns.began, now, memory_order_relaxed);
	loop->turns.since = il__unlikely(loop->own_clock) ? (uint64_t)loop->timers.expired : now;
	IL__PROBE(turn, loop, loop->backend);
}

static inline void turn_end(il_loop *loop)
{
	il__ticks lasted =
	    il__ticks_now() - atomic_load_explicit(&loop->turns.began, memory_order_relaxed);

	if (il__unlikely(lasted > loop->turns.longest))
		loop->turns.longest = lasted;
	atomic_store_explicit(&loop->turns.began, 0, memory_order_relaxed);
	loop->turning = false;
}

static void turn_run(il_loop *loop)
{
	turn_begin(loop);
	if (loop->wake_signalled || loop->wake_seen || il__ledger_expects_mail(&loop->ledger))
		stay_awake(loop);
	for (int round = 0;; round++) {
		/* Not only other threads' signal and the wake timer. */
		const bool fed = loop->polled > 2 && loop->own;
		turn_deliver(loop);
		run_ready(loop);
		if (loop->stopping)
			break;
		if (il__unlikely(!il__errands_none(&loop->errands)))
			il__errands_look(loop, fed ? IL__LOOK_FED : IL__LOOK);
		if (loop->timers.late && round < ROUNDS_MAX) {
			il__timers_expire(loop);
			if (loop->stopping)
				break;
			continue;
		}
		if (loop->backlog || !il__list_empty(&loop->ready) || round == ROUNDS_MAX) {
			turn_set_timer(loop);
			keep_going(loop);
			break;
		}
		if (!turn_linger(loop) && turn_rest(loop))
			break;
	}
	turn_end(loop);
	il__loop_end_turn(loop);
}

/* The loop may be gone after it. */
static __attribute__((noinline, cold)) void turn_run_traced(il_loop *loop)
{
	const char *backend = loop->backend->name;

	il__trace_turn(true, backend);
	turn_run(loop);
	if (il__trace_on())
		il__trace_turn(false, backend);
}

void il__loop_turn(il_loop *loop)
{
	if (loop->turning) /* the native loop runs inside a task or a plain call of ours */
		return;
	if (il__trace_on())
		turn_run_traced(loop);
	else
		turn_run(loop);
}

/* Who runs the native loop: the thread whose loop this is, and nobody else. Polling on in a forked child would
 * take the parent's wake-ups away. */
static void check_place(const il_loop *loop)
{
	if (il__likely(il__self.loop == loop))
		return;
	if (il__inherited(loop->generation))
		il__fatal("a native loop with tasks on it was run in a forked child; the tasks "
			  "stayed with the parent: after fork take them off it with "
			  "il_loop_detach, make a new loop, or exec");
	if (!pthread_equal(loop->thread, pthread_self()))
		il__fatal("a native loop with tasks on it was run in another thread than the one "
			  "that %s it: its tasks belong to that thread; attach a loop in the "
			  "thread that runs it",
			  loop->own ? "opened" : "attached");
	il__fatal("the native loop of il_loop_open was run by hand; il_loop_run runs it");
}

/* An upcall only queues; the turn that follows runs. Inside a turn (the native loop was run by a task, or
 * by a plain call) the outer turn will see to it. */
void il_driver_on_timer(il_loop *loop)
{
	bool nested;

	check_place(loop);
	nested = loop->turning;
	il__wake_timer_spent(loop);
	if (loop->stopping)
		return;
	loop->turning = true;
	il__timers_expire(loop);
	loop->turning = nested;
	if (loop->stopping)
		return;
	il__wake_timer_set(loop); /* the native loop may be run by what the turn runs */
	il__loop_turn(loop);
}

/* One turn for all that was polled together, where the driver can tell when that is. */
static void turn_soon(il_loop *loop)
{
	int (*soon)(void *) = loop->backend->driver.soon;

	loop->polled++;
	if (!soon || soon(loop->driver) < 0)
		il__loop_turn(loop);
}

void il_driver_on_ready(il_loop *loop, struct il_watch *w, unsigned mask)
{
	struct il__source *source = il__container_of(w, struct il__source, watch);
	bool nested;

	check_place(loop);
	nested = loop->turning;
	if (loop->stopping)
		return;
	loop->turning = true;
	source->ready(source, loop, mask);
	loop->turning = nested;
	if (il__unlikely(loop->stopping)) /* a forked child has taken it off its loop */
		return;
	if (il__unlikely(nested)) {
		il__wake_timer_set(loop); /* the turn that would is still to come */
		return;
	}
	turn_soon(loop);
}

void il_driver_on_soon(il_loop *loop)
{
	check_place(loop);
	if (!loop->stopping)
		il__loop_turn(loop);
}
