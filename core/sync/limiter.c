/*
 * limiter.c: capacity limiters. Each borrower has one place in the set from the moment it asks
 * until it gives its token back, so memory runs out before anything is taken, and nobody asks
 * twice. A token that comes back goes to the first waiter: while somebody waits none is free.
 * Loop's thread only; one made outside a loop is anybody's until a task waits.
 */
#include "limiter.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "borrowers.h"
#include "home.h"
#include "queue.h"

struct il_limiter {
	struct il__home home;
	size_t total, borrowed;
	size_t handed; /* tasks that have a token and have not returned with it yet */
	bool gone;     /* destroyed meanwhile: the last of those frees it */
	struct il__borrowers borrowers;
	struct il__list queue;         /* of waiters */
	struct il__list *frontier;     /* those before it are offered; &queue: all are */
	struct il__list waiting_calls; /* of those that are offered; under the pool's lock */
};

static struct il__limiter_waiter *waiter_of(struct il__list *node)
{
	return il__container_of(node, struct il__limiter_waiter, link);
}

int il_limiter_create(il_limiter **limiter, size_t total)
{
	il_limiter *l;
	int rc;

	if (!limiter)
		return il__refuse(-EINVAL, "il_limiter_create: limiter is NULL");
	rc = il__check_limit("il_limiter_create", "the total", total);
	if (rc < 0)
		return rc;
	l = il__calloc(1, sizeof *l);
	if (!l)
		return il__refuse(-ENOMEM, "il_limiter_create: no memory");
	il__home_init(&l->home, il__self.loop);
	l->total = total;
	il__list_init(&l->queue);
	il__list_init(&l->waiting_calls);
	l->frontier = &l->queue;
	*limiter = l;
	return 0;
}

static void limiter_free(il_limiter *l)
{
	il__free(l->borrowers.places);
	il__free(l);
}

void il_limiter_destroy(il_limiter *limiter)
{
	if (!limiter)
		return;
	if (!il__home_is_inherited(&limiter->home)) {
		il__queue_check_empty(&limiter->queue, "il_limiter_destroy");
		limiter->gone = limiter->handed > 0;
		if (limiter->gone)
			return;
	}
	limiter_free(limiter);
}

/* ---- the queue ---- */

static void join_queue(il_limiter *l, struct il__limiter_waiter *a)
{
	il__list_push(&l->queue, &a->link);
	if (l->frontier == &l->queue)
		l->frontier = &a->link;
}

static void limiter_leave_queue(il_limiter *l, struct il__limiter_waiter *a)
{
	if (l->frontier == &a->link)
		l->frontier = a->link.next;
	il__list_remove(&a->link);
}

/* False: it was offered, and somebody has taken it. */
static bool limiter_retract(struct il__limiter_waiter *a)
{
	if (a->offered && !a->ops->retract(a))
		return false;
	a->offered = false;
	return true;
}

/* Tokens are passed on as long as there are not too many of them. */
static void limiter_offer(il_limiter *l)
{
	if (l->borrowed > l->total)
		return;
	while (l->frontier != &l->queue && waiter_of(l->frontier)->ops) {
		struct il__limiter_waiter *a = waiter_of(l->frontier);
		l->frontier = l->frontier->next;
		a->offered = true;
		a->ops->offer(a);
	}
}

static void retract_all(il_limiter *l)
{
	for (struct il__list *next, *node = l->queue.next; node != l->frontier; node = next) {
		next = node->next;
		if (!limiter_retract(waiter_of(node)))
			limiter_leave_queue(l, waiter_of(node));
	}
	l->frontier = l->queue.next;
}

/* ---- tokens ---- */

static bool limiter_has_room(const il_limiter *l)
{
	return l->borrowed < l->total;
}

static bool take_token(il_limiter *l, struct il__limiter_waiter *a)
{
	if (a->ops && !a->ops->admit(a))
		return false;
	il__borrowers_find(&l->borrowers, a->borrower)->holds = true;
	l->borrowed++;
	if (a->ops)
		return true;
	l->handed += il__waiter_looks_back(a->waiter);
	il__waiter_wake(a->waiter, 0);
	return true;
}

/* Hands what is free to the first in the queue. One that has been taken gets its token from whoever took it. */
static void limiter_admit(il_limiter *l)
{
	while (limiter_has_room(l) && !il__list_empty(&l->queue)) {
		struct il__limiter_waiter *a = waiter_of(l->queue.next);
		const void *borrower = a->borrower;
		bool free = limiter_retract(a);
		limiter_leave_queue(l, a);
		if (!free)
			continue;
		if (!take_token(l, a))
			il__borrowers_remove(&l->borrowers,
					     il__borrowers_find(&l->borrowers, borrower));
	}
	limiter_offer(l);
}

static void limiter_give_back(il_limiter *l, struct il__borrower *place)
{
	il__borrowers_remove(&l->borrowers, place);
	l->borrowed--;
	limiter_admit(l);
}

static int limiter_refuse_twice(const char *function)
{
	return il__refuse(-EALREADY, "%s: this borrower has a token already, or waits for one",
			  function);
}

/* Waits in the set of borrowers as one without a token, or takes one. */
static int limiter_enter(il_limiter *l, const void *borrower, bool holds, const char *function)
{
	int rc = il__borrowers_add(&l->borrowers, borrower, holds);

	if (rc == -EALREADY)
		limiter_refuse_twice(function);
	if (rc == 0 && holds)
		l->borrowed++;
	return rc;
}

bool il__limiter_withdraw(il_limiter *l, struct il__limiter_waiter *a)
{
	if (!limiter_retract(a))
		return false;
	limiter_leave_queue(l, a);
	il__borrowers_remove(&l->borrowers, il__borrowers_find(&l->borrowers, a->borrower));
	limiter_offer(l);
	return true;
}

struct waiter {
	struct il__limiter_waiter waiter;
	il_limiter *limiter;
	struct il__wait wait;
};

void il__limiter_tell(struct il__report *r, const il_limiter *l)
{
	il__report(r, "a token of limiter %p, of which %zu are borrowed", (const void *)l,
		   l->borrowed);
	il__queue_tell(r, &l->queue);
}

static void limiter_tell_wait(struct il__report *r, const il_task *task)
{
	il__limiter_tell(r, il__container_of(task->base->wait, struct waiter, wait)->limiter);
}

static bool limiter_give_up(il_task *task, void *arg)
{
	struct waiter *w = arg;

	(void)task;
	return il__limiter_withdraw(w->limiter, &w->waiter);
}

/* borrower NULL: the calling task. */
static int limiter_acquire(il_limiter *l, const void *borrower, const char *function)
{
	struct il__borrower *place;
	int rc;
	bool free;
	il_task *task = il__home_task(&l->home, function, &rc);

	if (!task)
		return rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (!borrower)
		borrower = il__task_identity(task);
	free = limiter_has_room(l);
	rc = limiter_enter(l, borrower, free, function);
	if (rc < 0)
		return rc;
	if (free) {
		l->handed++;
		il__task_yield(task);
	} else {
		struct waiter w = {.limiter = l,
				   .wait = {function, limiter_tell_wait},
				   .waiter = {.waiter = &task->waiter, .borrower = borrower}};
		join_queue(l, &w.waiter);
		rc = il__task_park(task, limiter_give_up, &w, &w.wait);
		if (rc < 0)
			return rc;
	}
	l->handed--;
	rc = il__task_cancelled(task) ? -ECANCELED : 0;
	place = rc < 0 ? il__borrowers_find(&l->borrowers, borrower) : NULL;
	if (l->gone && !l->handed)
		limiter_free(l);
	else if (place && place->holds) /* else somebody has given it back meanwhile */
		limiter_give_back(l, place);
	return rc;
}

int il__limiter_check(il_limiter *l, il_task *task, const char *function)
{
	int rc = 0;

	if (!task)
		return il__home_check(&l->home, function);
	return il__home_task(&l->home, function, &rc) ? 0 : rc;
}

int il__limiter_try(il_limiter *l, const void *borrower)
{
	int rc = il__borrowers_find(&l->borrowers, borrower) ? -EALREADY
		 : limiter_has_room(l)                       ? 0
							     : -EAGAIN;

	if (rc == 0)
		rc = il__borrowers_add(&l->borrowers, borrower, true);
	if (rc == 0)
		l->borrowed++;
	return rc;
}

static int acquire_nowait(il_limiter *l, const void *borrower, const char *function)
{
	int rc = il__home_check(&l->home, function);

	if (rc == 0)
		rc = il__limiter_try(l, borrower);
	if (rc == -EAGAIN)
		il__refuse(rc, "%s: %zu of %zu tokens are borrowed", function, l->borrowed,
			   l->total);
	return rc == -EALREADY ? limiter_refuse_twice(function) : rc;
}

static int limiter_release(il_limiter *l, const void *borrower, const char *function)
{
	int rc = il__home_check(&l->home, function);
	struct il__borrower *place;

	if (rc < 0)
		return rc;
	place = il__borrowers_find(&l->borrowers, borrower);
	if (!place || !place->holds)
		return il__refuse(-EALREADY, "%s: this borrower has no token", function);
	limiter_give_back(l, place);
	return 0;
}

/* ---- calls in worker threads ---- */

int il__limiter_ask(il_limiter *l, struct il__limiter_waiter *a, const char *function)
{
	bool holds;
	int rc;

	if (!il__home_task(&l->home, function, &rc))
		return rc;
	holds = limiter_has_room(l);
	rc = limiter_enter(l, a->borrower, holds, function);
	if (rc < 0 || holds)
		return rc < 0 ? rc : 1;
	join_queue(l, a);
	limiter_offer(l);
	return 0;
}

int il__limiter_pass(il_limiter *l, const void *borrower, struct il__limiter_waiter *to)
{
	struct il__borrower *from = il__borrowers_find(&l->borrowers, borrower);
	bool held = from && from->holds;

	limiter_leave_queue(l, to);
	if (held)
		il__borrowers_remove(&l->borrowers, from);
	else if (++l->borrowed > l->total)
		retract_all(l);
	il__borrowers_find(&l->borrowers, to->borrower)->holds = true;
	return held ? 0 : -EALREADY;
}

struct il__list *il__limiter_waiting_calls(il_limiter *l)
{
	return &l->waiting_calls;
}

/* ---- the public side ---- */

/* 0, or -EINVAL with the reason. */
static int limiter_check_arguments(const il_limiter *l, const void *borrower, const char *function)
{
	if (l && borrower)
		return 0;
	return il__refuse(-EINVAL, "%s: %s is NULL", function, l ? "borrower" : "limiter");
}

int il_limiter_acquire(il_limiter *limiter)
{
	int rc = limiter_check_arguments(limiter, limiter, "il_limiter_acquire");

	return rc < 0 ? rc : limiter_acquire(limiter, NULL, "il_limiter_acquire");
}

int il_limiter_acquire_on_behalf_of(il_limiter *limiter, const void *borrower)
{
	int rc = limiter_check_arguments(limiter, borrower, "il_limiter_acquire_on_behalf_of");

	return rc < 0 ? rc : limiter_acquire(limiter, borrower, "il_limiter_acquire_on_behalf_of");
}

int il_limiter_acquire_on_behalf_of_nowait(il_limiter *limiter, const void *borrower)
{
	int rc =
	    limiter_check_arguments(limiter, borrower, "il_limiter_acquire_on_behalf_of_nowait");

	return rc < 0 ? rc
		      : acquire_nowait(limiter, borrower, "il_limiter_acquire_on_behalf_of_nowait");
}

int il_limiter_release_on_behalf_of(il_limiter *limiter, const void *borrower)
{
	int rc = limiter_check_arguments(limiter, borrower, "il_limiter_release_on_behalf_of");

	return rc < 0 ? rc : limiter_release(limiter, borrower, "il_limiter_release_on_behalf_of");
}

int il_limiter_acquire_nowait(il_limiter *limiter)
{
	int rc = limiter_check_arguments(limiter, limiter, "il_limiter_acquire_nowait");
	il_task *task =
	    rc < 0 ? NULL : il__home_task(&limiter->home, "il_limiter_acquire_nowait", &rc);

	return task ? acquire_nowait(limiter, il__task_identity(task), "il_limiter_acquire_nowait")
		    : rc;
}

int il_limiter_release(il_limiter *limiter)
{
	int rc = limiter_check_arguments(limiter, limiter, "il_limiter_release");
	il_task *task = rc < 0 ? NULL : il__home_task(&limiter->home, "il_limiter_release", &rc);

	return task ? limiter_release(limiter, il__task_identity(task), "il_limiter_release") : rc;
}

int il_limiter_set_total(il_limiter *limiter, size_t total)
{
	int rc = limiter_check_arguments(limiter, limiter, "il_limiter_set_total");

	if (rc == 0)
		rc = il__check_limit("il_limiter_set_total", "the total", total);
	if (rc == 0)
		rc = il__home_check(&limiter->home, "il_limiter_set_total");
	if (rc < 0)
		return rc;
	limiter->total = total;
	if (limiter->borrowed > total)
		retract_all(limiter);
	limiter_admit(limiter);
	return 0;
}

/* ---- looking at it ---- */

size_t il_limiter_total(const il_limiter *limiter)
{
	return limiter ? limiter->total : 0;
}

size_t il_limiter_borrowed(const il_limiter *limiter)
{
	return limiter ? limiter->borrowed : 0;
}

size_t il_limiter_available(const il_limiter *limiter)
{
	if (!limiter || !limiter_has_room(limiter))
		return 0;
	return limiter->total == SIZE_MAX ? SIZE_MAX : limiter->total - limiter->borrowed;
}

size_t il_limiter_borrowers(const il_limiter *limiter, const void **borrowers, size_t n)
{
	size_t found = 0;

	if (!il__is_items(borrowers, n))
		n = 0;
	for (size_t i = 0; limiter && i < limiter->borrowers.capacity && found < n; i++)
		if (limiter->borrowers.places[i].who && limiter->borrowers.places[i].holds)
			borrowers[found++] = limiter->borrowers.places[i].who;
	return il_limiter_borrowed(limiter);
}

il_limiter_statistics il_limiter_get_statistics(const il_limiter *limiter)
{
	il_limiter_statistics s = {0};

	if (!limiter)
		return s;
	s.total = limiter->total;
	s.borrowed = limiter->borrowed;
	s.waiting = il__list_length(&limiter->queue);
	return s;
}
