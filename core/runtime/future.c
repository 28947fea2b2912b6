/*
 * future.c: one future. Thread-safe. `state` and `result` are written under the lock; state is stored
 * with release after result, so that a reader who acquires DONE may read result without it.
 * Watchers fire under the lock, so that who takes the lock and finds itself unlinked knows it was
 * fired; callbacks run after it, in the completing thread, which holds a reference meanwhile.
 */
#include "future.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../base/trace.h"
#include "ledger.h"
#include "task.h"
#include "thread_state.h"
#include "wakeup.h"

static unsigned state_of(const il_future *f)
{
	unsigned state = atomic_load_explicit(&f->state, memory_order_acquire);

	if (state >= IL__FUTURE_DONE)
		il__acquired(&f->state);
	return state;
}

void il__future_init(il_future *f, const struct il__future_ops *ops, void *self)
{
	il__watch_fork();
	atomic_init(&f->refs, 1);
	atomic_init(&f->state, IL__FUTURE_PENDING);
	f->result = 0;
	f->traced = 0;
	f->why = NULL;
	f->generation = il__generation;
	pthread_mutex_init(&f->lock, NULL);
	il__list_init(&f->watchers);
	f->callbacks = NULL;
	f->callbacks_end = &f->callbacks;
	atomic_init(&f->put_off, 0);
	f->ops = ops;
	f->self = self;
}

static const struct il__future_ops user_ops = {0};

int il_future_create(il_future **future)
{
	il_future *f;

	if (!future)
		return il__refuse(-EINVAL, "il_future_create: future is NULL");
	f = il__malloc(sizeof *f);
	if (!f)
		return il__refuse(-ENOMEM, "il_future_create: out of memory");
	il__future_init(f, &user_ops, NULL);
	*future = f;
	return 0;
}

/* ---- completion ---- */

/* Under the lock on entry, not on return. The result is in place; the caller holds a reference. */
static void future_complete(il_future *f, unsigned state)
{
	struct il__callback *callbacks = f->callbacks;
	struct il__list *node;

	f->callbacks = NULL;
	il__released(&f->state);
	atomic_store_explicit(&f->state, state, memory_order_release);
	while ((node = il__list_pop(&f->watchers))) {
		struct il__watcher *w = il__container_of(node, struct il__watcher, link);
		w->fire(w, f);
	}
	pthread_mutex_unlock(&f->lock);
	il__callbacks_run(f, callbacks);
}

bool il__future_begin(il_future *f)
{
	unsigned pending = IL__FUTURE_PENDING;

	/* Competes with il_future_cancel, which changes state under the lock but by exchange too. */
	return atomic_compare_exchange_strong_explicit(&f->state, &pending, IL__FUTURE_RUNNING,
						       memory_order_acq_rel, memory_order_acquire);
}

bool il__future_accept(il_future *f)
{
	bool counts;

	pthread_mutex_lock(&f->lock);
	counts = state_of(f) == IL__FUTURE_RUNNING;
	if (counts)
		atomic_store_explicit(&f->state, IL__FUTURE_ENDING, memory_order_release);
	pthread_mutex_unlock(&f->lock);
	return counts;
}

bool il__future_finish(il_future *f, int result, bool cancelled, char *why)
{
	bool heard = true;

	pthread_mutex_lock(&f->lock);
	if (state_of(f) == IL__FUTURE_CANCELLING)
		cancelled = true;
	f->result = cancelled ? -ECANCELED : result;
	f->why = why;
	if (f->result != result) { /* these are another code's */
		il__free(why);
		f->why = NULL;
		heard = result >= 0;
	}
	future_complete(f, cancelled ? IL__FUTURE_CANCELLED : IL__FUTURE_DONE);
	return heard;
}

/* From PENDING, under the lock; the result and its words are there before the state. */
static bool cancel_pending(il_future *f, unsigned to, char *why)
{
	unsigned pending = IL__FUTURE_PENDING;

	if (state_of(f) != IL__FUTURE_PENDING)
		return false;
	f->result = -ECANCELED;
	f->why = why;
	if (atomic_compare_exchange_strong_explicit(&f->state, &pending, to, memory_order_acq_rel,
						    memory_order_acquire))
		return true;
	f->why = NULL; /* it has begun */
	return false;
}

void il__future_cancelled_early(il_future *f, char *why)
{
	pthread_mutex_lock(&f->lock);
	if (cancel_pending(f, IL__FUTURE_CANCELLED, why)) {
		future_complete(f, IL__FUTURE_CANCELLED);
	} else if (state_of(f) == IL__FUTURE_CANCELLING) {
		f->why = why;
		future_complete(f, IL__FUTURE_CANCELLED);
	} else {
		pthread_mutex_unlock(&f->lock);
		il__free(why);
	}
}

bool il_future_cancel(il_future *f)
{
	unsigned state;
	bool cancelled;

	if (!f || il__inherited(f->generation))
		return f && il_future_cancelled(f);
	pthread_mutex_lock(&f->lock);
	if (f->ops->withdraw && cancel_pending(f, IL__FUTURE_CANCELLING, NULL)) {
		il_future_ref(f);
		pthread_mutex_unlock(&f->lock);
		f->ops->withdraw(f);
		il_future_unref(f);
		return true;
	}
	if (cancel_pending(f, IL__FUTURE_CANCELLED, NULL)) {
		il_future_ref(f);
		future_complete(f, IL__FUTURE_CANCELLED);
		if (f->ops->dropped)
			f->ops->dropped(f);
		il_future_unref(f);
		return true;
	}
	state = state_of(f);
	if (state == IL__FUTURE_RUNNING && f->ops->cancel) {
		il_future_ref(f);
		atomic_store_explicit(&f->state, IL__FUTURE_CANCELLING, memory_order_release);
		pthread_mutex_unlock(&f->lock);
		f->ops->cancel(f);
		il_future_unref(f);
		return true;
	}
	cancelled = state == IL__FUTURE_CANCELLING || state == IL__FUTURE_CANCELLED;
	pthread_mutex_unlock(&f->lock);
	return cancelled;
}

/* ---- the producer's side, for others ---- */

static int check_producer(il_future *f, const char *function)
{
	if (!f)
		return il__refuse(-EINVAL, "%s: f is NULL", function);
	if (f->ops != &user_ops)
		return il__refuse(-EPERM, "%s: the library completes this future itself", function);
	if (il__inherited(f->generation))
		return il__refuse(-ESHUTDOWN, "%s: the future was inherited across fork", function);
	return 0;
}

int il_future_set_running(il_future *f)
{
	int rc = check_producer(f, "il_future_set_running");

	if (rc < 0)
		return rc;
	if (il__future_begin(f))
		return 1;
	if (state_of(f) == IL__FUTURE_CANCELLED)
		return 0;
	return il__refuse(-EALREADY, "il_future_set_running: it runs, or is done");
}

int il_future_set_result(il_future *f, int result)
{
	int rc = check_producer(f, "il_future_set_result");
	unsigned state;
	char *why;

	if (rc < 0)
		return rc;
	why = il__keep_refusal(result);
	pthread_mutex_lock(&f->lock);
	state = state_of(f);
	if (state == IL__FUTURE_DONE || state == IL__FUTURE_CANCELLED) {
		pthread_mutex_unlock(&f->lock);
		il__free(why);
		return il__refuse(-EALREADY, "il_future_set_result: the future is %s",
				  state == IL__FUTURE_DONE ? "done" : "cancelled");
	}
	f->result = result;
	f->why = why;
	il_future_ref(f);
	future_complete(f, IL__FUTURE_DONE);
	il_future_unref(f);
	return 0;
}

/* ---- asking ---- */

bool il_future_done(const il_future *f)
{
	return f && state_of(f) >= IL__FUTURE_DONE;
}

bool il_future_running(const il_future *f)
{
	unsigned state = f ? state_of(f) : IL__FUTURE_PENDING;

	return state > IL__FUTURE_PENDING && state < IL__FUTURE_DONE;
}

bool il_future_cancelled(const il_future *f)
{
	unsigned state = f ? state_of(f) : IL__FUTURE_PENDING;

	return state == IL__FUTURE_CANCELLED || state == IL__FUTURE_CANCELLING;
}

int il_future_on_done(il_future *f, int (*fn)(il_future *f, void *arg), void *arg)
{
	struct il__callback *callback;

	if (!f || !fn)
		return il__refuse(-EINVAL, "il_future_on_done: f or callback is NULL");
	if (il__inherited(f->generation) && !il_future_done(f))
		return il__refuse(-ESHUTDOWN,
				  "il_future_on_done: the future was inherited across fork");
	callback = il__malloc(sizeof *callback);
	if (!callback)
		return il__refuse(-ENOMEM, "il_future_on_done: out of memory");
	*callback = (struct il__callback){.fn = fn, .arg = arg};
	if (!il_future_done(f)) {
		pthread_mutex_lock(&f->lock);
		if (!il_future_done(f)) {
			if (!f->callbacks)
				f->callbacks_end = &f->callbacks;
			*f->callbacks_end = callback;
			f->callbacks_end = &callback->next;
			callback = NULL;
		}
		pthread_mutex_unlock(&f->lock);
	}
	il__callbacks_run(f, callback);
	return 0;
}

/* ---- waiting ---- */

struct waiter {
	struct il__watcher watcher;
	struct il__wakeup wakeup;
	il_future *future;
};

static void fire_waiter(struct il__watcher *w, il_future *f)
{
	(void)f;
	il__wakeup_fire(&il__container_of(w, struct waiter, watcher)->wakeup);
}

bool il__future_is_local(il_future *f, const il_task *task)
{
	if (f->ops->local && f->ops->local(f))
		return true;
	return task && f->ops->account && il__is_in_books(task->loop, f->ops->account(f));
}

void il__future_owe(il_future *f, il_task *task)
{
	if (task && f->ops->account)
		il__owe_calls(task->loop, f->ops->account(f), 1);
}

void il__future_paid(il_future *f, il_task *task)
{
	if (task && f->ops->account)
		il__paid_calls(task->loop, f->ops->account(f), 1);
}

void il__future_lend(il_future *f, struct il__wakeup *wakeup)
{
	if (!il__self.account)
		return;
	if (!f->ops->inbox || f->ops->local(f) || !il__loan_add(&wakeup->loans, f->ops->inbox(f)))
		wakeup->others = true;
}

bool il__future_watch(il_future *f, struct il__watcher *w)
{
	bool pending;

	il__list_init(&w->link);
	pthread_mutex_lock(&f->lock);
	pending = !il_future_done(f);
	if (pending)
		il__list_push(&f->watchers, &w->link);
	pthread_mutex_unlock(&f->lock);
	return pending;
}

bool il__future_unwatch(il_future *f, struct il__watcher *w)
{
	bool linked;

	pthread_mutex_lock(&f->lock);
	linked = !il__list_empty(&w->link);
	il__list_remove(&w->link);
	pthread_mutex_unlock(&f->lock);
	return linked;
}

void il__future_tell(struct il__report *r, il_future *f)
{
	il__report(r, "a future");
	if (f->ops->tell)
		f->ops->tell(r, f);
	else
		il__report(r, " that is %s", il_future_running(f) ? "running" : "pending");
}

static void future_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__future_tell(r, il__container_of(s, const struct waiter, wakeup)->future);
}

static int future_await(il_future *f, struct waiter *w, il_time deadline, bool shielded,
			const char *function)
{
	bool linked;
	int rc = 0;

	if (!shielded) {
		rc = il__wakeup_wait(&w->wakeup, deadline);
		if (rc == 0)
			return 0;
		linked = il__future_unwatch(f, &w->watcher);
		if (rc == -ETIMEDOUT)
			il__refuse(rc, "%s: the future is not done, and the time is up", function);
		if (linked)
			return rc;
	}
	/* Fired: its message must not be left behind. What reached the task first is its result. */
	il__wakeup_wait_shielded(&w->wakeup);
	return rc;
}

/* Waits until f is done; shielded or not. */
static int wait_done(il_future *f, il_time deadline, bool shielded, const char *function)
{
	struct waiter w = {.watcher = {.fire = fire_waiter}, .future = f};
	int rc = il__wakeup_init(&w.wakeup, function);

	if (rc < 0)
		return rc;
	if (f->ops->deadlock && deadline == IL_FOREVER && f->ops->deadlock(f))
		return il__refuse(
		    -EDEADLK,
		    "%s: it would wait for itself: the call is the calling task, or is queued "
		    "behind the caller, its pool's only worker; give it a timeout, or the pool "
		    "more workers",
		    function);
	if (w.wakeup.task && !shielded && (rc = il__task_check(w.wakeup.task)) < 0)
		return rc;
	w.wakeup.wait.tell = future_tell_wait;
	w.wakeup.local = il__future_is_local(f, w.wakeup.task);
	il__future_lend(f, &w.wakeup);
	if (il__future_watch(f, &w.watcher)) {
		il__future_owe(f, w.wakeup.task);
		rc = future_await(f, &w, deadline, shielded, function);
		il__future_paid(f, w.wakeup.task);
	}
	il__wakeup_leave(&w.wakeup);
	return rc;
}

/* 0: done. 1: it must be waited for, up to *deadline. */
static int future_look(il_future *f, il_time timeout, il_time *deadline, const char *function)
{
	if (!f || timeout < 0)
		return il__refuse(-EINVAL, "%s: %s", function,
				  f ? "the timeout is negative" : "f is NULL");
	if (il_future_done(f))
		return 0;
	if (il__inherited(f->generation))
		return il__refuse(-ESHUTDOWN, "%s: the future was inherited across fork", function);
	if (timeout == 0)
		return il__refuse(-ETIMEDOUT, "%s: the future is not done", function);
	*deadline = timeout == IL_FOREVER ? IL_FOREVER : il_deadline(timeout);
	return 1;
}

int il_future_wait(il_future *f, il_time timeout)
{
	il_time deadline = IL_FOREVER;
	int rc = future_look(f, timeout, &deadline, "il_future_wait");

	return rc > 0 ? wait_done(f, deadline, false, "il_future_wait") : rc;
}

static int result_of(il_future *f)
{
	if (il__unlikely(f->traced))
		il__trace_point(f->traced, IL__TRACE_ANSWERED, IL__TRACE_HERE);
	return f->why ? il__refuse(f->result, "%s", f->why) : il__no_words(f->result);
}

int il__future_result(il_future *f, il_time timeout, const char *function)
{
	il_time deadline = IL_FOREVER;
	int rc = future_look(f, timeout, &deadline, function);

	if (rc > 0)
		rc = wait_done(f, deadline, false, function);
	return rc < 0 ? rc : result_of(f);
}

int il_future_result(il_future *f, il_time timeout)
{
	return il__future_result(f, timeout, "il_future_result");
}

int il_future_join(il_future *f)
{
	il_time deadline = IL_FOREVER;
	int rc = future_look(f, IL_FOREVER, &deadline, "il_future_join");

	if (rc > 0)
		rc = wait_done(f, IL_FOREVER, true, "il_future_join");
	if (rc < 0)
		return rc;
	rc = result_of(f);
	il_future_unref(f);
	return rc;
}
