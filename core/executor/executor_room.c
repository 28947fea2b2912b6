/*
 * executor_room.c: calls whose callers wait until an executor of the user's own has room, first come, first served. Nobody
 * asks again meanwhile: the user says il_executor_room, and that thread gives them to the user. Any thread.
 *
 * Invariants, under the executor's lock: one thread at a time gives a waiting call to the user; a call whose caller gives up
 * is taken out, or, while it is being given, awaited.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "executor.h"
#include "user.h"

#include <interloop/scope.h>

/* On the waiter's stack. */
struct room_waiter {
	struct il__list link;
	struct il__wakeup wakeup;
	il_call *call;
	il_fn *fn; /* for dumps: once it was taken the call may be gone before its waiter runs */
	/* under the executor's lock */
	bool leaves; /* its caller gives up */
	/* before the wakeup: what came of it */
	int rc;
	char *why;
};

/* Under the lock: the waiter may be gone then. */
static void room_answer(struct room_waiter *w, int rc, char *why)
{
	w->rc = rc;
	w->why = why;
	il__wakeup_fire(&w->wakeup);
}

static int refuse_shut(void)
{
	return il__refuse(-ESHUTDOWN, "the executor is shut down");
}

/* Under the lock, but not while the user has the call. Gives the first to the user; false: there is no room. */
static bool room_offer(struct il__user *user, struct room_waiter *w)
{
	unsigned told = user->told;
	char *why;
	int rc;

	pthread_mutex_unlock(&user->lock);
	rc = il__user_offer(user, w->call, true);
	why = rc < 0 ? il__keep_refusal(rc) : NULL;
	pthread_mutex_lock(&user->lock);
	if (rc == -EAGAIN && !w->leaves) {
		il__free(why);
		if (!user->shut) {
			il__list_push_front(&user->room_waiters, &w->link);
			return told != user->told;
		}
		rc = refuse_shut();
		why = il__keep_refusal(rc);
	}
	room_answer(w, rc, why);
	return true;
}

void il_executor_room(il_executor *ex)
{
	struct il__user *user;
	struct il__list *first;

	if (!ex || !ex->ops->visit)
		return;
	user = ex->self;
	pthread_mutex_lock(&user->lock);
	user->told++;
	if (user->offering || il__list_empty(&user->room_waiters)) {
		pthread_mutex_unlock(&user->lock);
		return;
	}
	il__user_enter(user);
	user->offering = true;
	while ((first = il__list_pop(&user->room_waiters)) &&
	       room_offer(user, il__container_of(first, struct room_waiter, link)))
		;
	user->offering = false;
	pthread_mutex_unlock(&user->lock);
	il__user_leave(user);
}

void il__room_shut(struct il__user *user)
{
	struct il__list *node;

	pthread_mutex_lock(&user->lock);
	user->shut = true;
	while ((node = il__list_pop(&user->room_waiters))) {
		int rc = refuse_shut();
		room_answer(il__container_of(node, struct room_waiter, link), rc,
			    il__keep_refusal(rc));
	}
	pthread_mutex_unlock(&user->lock);
}

/* ---- those who wait ---- */

/* Under the lock: 0, -EAGAIN: others wait, -ESHUTDOWN. */
static int room_check(const struct il__user *user)
{
	if (user->shut)
		return refuse_shut();
	if (user->offering || !il__list_empty(&user->room_waiters))
		return il__refuse(-EAGAIN, "the executor is full: calls wait for room");
	return 0;
}

/* By its scopes, or by a map's time. Virtual time stands until the call ends, but for one that ends in this loop. */
static il_time deadline_here(const struct il__user *user, il_time deadline)
{
	il_time until = il_effective_deadline();

	if (il__self.loop && il__self.loop->own_clock && !user->ops.in_loop)
		return IL_FOREVER;
	return until < deadline ? until : deadline;
}

/* Under the lock on entry only. The call may run, and drop the last reference, before the user's submit returns. */
static int room_give(struct il__user *user, il_call *call, bool waits)
{
	int rc;

	il__user_enter(user);
	pthread_mutex_unlock(&user->lock);
	rc = il__user_offer(user, call, waits);
	il__user_leave(user);
	return rc;
}

int il__room_submit_now(struct il__user *user, il_call *call)
{
	int rc;

	call->user.deadline = IL_FOREVER;
	pthread_mutex_lock(&user->lock);
	rc = room_check(user);
	if (rc < 0) {
		pthread_mutex_unlock(&user->lock);
		return rc;
	}
	return room_give(user, call, false);
}

/* Under the lock on entry, and where -EAGAIN is returned: nobody said meanwhile that there is room. */
static int room_try(struct il__user *user, il_call *call)
{
	unsigned told;
	int rc;

	do {
		rc = room_check(user);
		if (rc == -EAGAIN)
			return rc;
		told = user->told;
		if (rc < 0) {
			pthread_mutex_unlock(&user->lock);
			return rc;
		}
		rc = room_give(user, call, true);
		if (rc != -EAGAIN)
			return rc;
		pthread_mutex_lock(&user->lock);
	} while (told != user->told);
	return rc;
}

/* The end of the call may wake the task before the news that the call was taken. */
static int room_sleep(struct room_waiter *w, il_time deadline)
{
	int rc;

	do
		rc = il__wakeup_wait(&w->wakeup, deadline);
	while (rc == 0 && w->wakeup.task && !w->wakeup.fired);
	return rc;
}

static void room_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);

	il__report(r, "room in the executor for ");
	il__report_function(r, il__container_of(s, const struct room_waiter, wakeup)->fn);
}

/* Linked. What came of it; -EAGAIN never. */
static int room_await(struct il__user *user, struct room_waiter *w, il_time deadline)
{
	int rc = room_sleep(w, deadline);
	bool waiting;

	if (rc == 0)
		return w->rc;
	pthread_mutex_lock(&user->lock);
	waiting = !il__list_empty(&w->link);
	il__list_remove(&w->link);
	w->leaves = true;
	pthread_mutex_unlock(&user->lock);
	if (waiting)
		return rc;
	il__wakeup_wait_shielded(&w->wakeup);
	return w->rc == -EAGAIN ? rc : w->rc;
}

/* Under the lock on entry only: there is no room. */
static int room_wait(struct il__user *user, il_call *call, il_time deadline)
{
	struct room_waiter w = {.call = call, .fn = call->fn};
	int rc = user->shut ? refuse_shut() : il__wakeup_init(&w.wakeup, "il_executor_room");

	if (rc < 0) {
		pthread_mutex_unlock(&user->lock);
		return rc;
	}
	w.wakeup.wait.tell = room_tell;
	il__list_push(&user->room_waiters, &w.link);
	pthread_mutex_unlock(&user->lock);
	rc = room_await(user, &w, deadline);
	if (rc == 0)
		return w.wakeup.task && il__task_cancelled(w.wakeup.task);
	il__refuse_again(rc, w.why);
	if (rc == -ECANCELED && w.wakeup.task)
		il__task_cancelled(w.wakeup.task); /* the reason */
	return rc;
}

int il__room_submit(struct il__user *user, il_call *call, il_time deadline)
{
	int rc;

	call->user.deadline = deadline_here(user, deadline);
	pthread_mutex_lock(&user->lock);
	rc = room_try(user, call);
	return rc == -EAGAIN ? room_wait(user, call, deadline) : rc;
}
