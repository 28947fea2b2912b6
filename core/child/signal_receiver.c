/*
 * signal_receiver.c: signals, received in a task. The handler may run in any thread (signal_handler.c); it
 * enters only what the receiver has of its signal, by atomics, and the receiver's wake descriptor. Everything
 * else is the loop's thread's only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "signal_receiver.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../io/fd.h"
#include "../runtime/loop.h"
#include "../runtime/signal_handler.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"

#include <unistd.h>

/* Nobody else was called for it; it has arrived, whatever its place; the step from place to place, which wrap. */
enum { UNHEARD = 1, HERE = 2, PLACE = 4 };

static atomic_ulong arrivals;

/* The handler: any thread, at any moment. */
static void on_arrived(struct il__signal_use *use, int number, bool heard)
{
	struct il__signal *s = il__container_of(use, struct il__signal, use);
	unsigned long place = atomic_fetch_add(&arrivals, PLACE) | HERE;
	unsigned long unheard = heard ? 0 : UNHEARD, now = atomic_load(&s->arrived);

	(void)number;
	while (!atomic_compare_exchange_weak(&s->arrived, &now, (now ? now : place) | unheard))
		;
	il__os_wake_write(s->wake);
}

/* ---- the receiver's signals ---- */

/* The one that came first, 0: none. */
static int signal_take(il_signal_receiver *r, bool *unheard)
{
	unsigned long first = 0;
	struct il__signal *found = NULL;

	for (size_t i = 0; i < r->count; i++) {
		unsigned long place = atomic_load(&r->signals[i].arrived);
		if (place && (!first || (long)(place - first) < 0)) {
			first = place;
			found = &r->signals[i];
		}
	}
	if (!found)
		return 0;
	*unheard = (atomic_exchange(&found->arrived, 0) & UNHEARD) != 0;
	return found->number;
}

/* What nobody took is raised again, unless the handler that was there before was called for it. */
static void stop_receiving(il_signal_receiver *r)
{
	bool unheard;
	int unread;

	for (size_t i = 0; i < r->count; i++)
		il__signal_end(IL__SIGNAL_RECEIVER, r->signals[i].number);
	while ((unread = signal_take(r, &unheard)))
		if (unheard)
			il__signal_raise(unread);
	r->count = 0;
}

static bool signal_has(const il_signal_receiver *r, int number)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->signals[i].number == number)
			return true;
	return false;
}

static int signal_refuse(int rc, int number)
{
	if (rc == -EBUSY)
		return il__refuse(rc,
				  "il_signal_receiver_open: signal %d has another receiver; one at "
				  "a time",
				  number);
	return il__refuse(rc, "il_signal_receiver_open: signal %d cannot be received: %s", number,
			  number > 0 && number < NSIG && il__signal_is_fault(number)
			      ? "it is a fault, which ends or repeats what was being done"
			      : "the system has no such signal, or lets nobody catch it");
}

static int start_one(il_signal_receiver *r, int number, bool takes)
{
	struct il__signal *s = &r->signals[r->count];
	int rc = -EINVAL;

	s->number = number;
	s->wake = r->wake[1];
	s->use.arrived = on_arrived;
	s->use.calls_on = !takes || number == SIGCHLD;
	if (number > 0 && number < NSIG && !il__signal_is_fault(number))
		rc = il__signal_begin(IL__SIGNAL_RECEIVER, number, &s->use);
	if (rc < 0)
		return rc;
	r->count++;
	return 0;
}

static int start_receiving(il_signal_receiver *r, const int *signals, size_t count, bool takes)
{
	for (size_t i = 0; i < count; i++) {
		int rc = signal_has(r, signals[i]) ? 0 : start_one(r, signals[i], takes);
		if (rc < 0) {
			stop_receiving(r);
			return signal_refuse(rc, signals[i]);
		}
	}
	return 0;
}

/* ---- open and close ---- */

static void signal_shut(il_signal_receiver *r)
{
	if (!r->open)
		return;
	r->open = false;
	stop_receiving(r);
	if (r->gone)
		*r->gone = true;
	r->gone = NULL;
	il__list_remove(&r->owner.link);
	il__fd_disown(r->fd, -EBADF);
	il__os_wake_close(r->wake);
}

static void signal_orphan(struct il__fd_owner *owner)
{
	il_signal_receiver *r = il__container_of(owner, il_signal_receiver, owner);

	signal_shut(r);
}

static int open_in(il_signal_receiver *r, il_loop *loop, const int *signals, size_t count,
		   bool takes)
{
	int rc = il__os_wake_open(r->wake);

	if (rc < 0)
		return il__refuse(rc, "il_signal_receiver_open: no descriptor for wake-ups: %s",
				  il__system_words(rc));
	il__fd_renew(loop, r->wake[0]);
	rc = il__fd_own(loop, r->wake[0], &r->fd);
	if (rc == 0) {
		rc = start_receiving(r, signals, count, takes);
		if (rc < 0)
			il__fd_disown(r->fd, -EBADF);
	}
	if (rc < 0) {
		il__os_wake_close(r->wake);
		return rc;
	}
	r->loop = loop;
	r->open = true;
	r->owner.orphan = signal_orphan;
	il__fd_adopt(loop, &r->owner);
	return 0;
}

int il_signal_receiver_open(il_signal_receiver **receiver, const int *signals, size_t count)
{
	return il_signal_receiver_open_with(receiver, signals, count, NULL);
}

int il_signal_receiver_open_with(il_signal_receiver **receiver, const int *signals, size_t count,
				 const il_signal_receiver_options *options)
{
	il_signal_receiver *r;
	il_loop *loop;
	int rc;

	if (!receiver || !count)
		return il__refuse(-EINVAL, "il_signal_receiver_open: NULL, or no signal is named");
	if (!il__is_items(signals, count))
		return il__refuse_items("il_signal_receiver_open", "signals", signals, "count",
					count);
	rc = il__loop_here(&loop, "il_signal_receiver_open");
	if (rc < 0)
		return rc;
	r = il__calloc(1, sizeof *r + count * sizeof r->signals[0]);
	if (!r)
		return il__refuse(-ENOMEM, "il_signal_receiver_open: out of memory");
	rc = open_in(r, loop, signals, count, options && options->take);
	if (rc < 0)
		il__free(r);
	else
		*receiver = r;
	return rc;
}

int il_signal_receiver_close(il_signal_receiver *receiver)
{
	int rc;

	if (!receiver)
		return il__refuse(-EINVAL, "il_signal_receiver_close: the receiver is NULL");
	if (!receiver->open)
		return 0;
	rc = il__loop_check_thread(receiver->loop, "il_signal_receiver_close");
	if (rc == 0)
		signal_shut(receiver);
	return rc;
}

void il_signal_receiver_destroy(il_signal_receiver *receiver)
{
	if (!receiver)
		return;
	if (receiver->open && il__inherited(receiver->loop->generation)) {
		/* the native loop is the parent's, and so are our lists: leave them alone */
		il__os_wake_close(receiver->wake);
	} else if (il_signal_receiver_close(receiver) < 0) {
		il__fatal("il_signal_receiver_destroy: called in another thread than its loop's");
	}
	il__free(receiver);
}

/* ---- receiving ---- */

/* Drains first and looks then: what comes after the look leaves the descriptor readable. */
int il__signal_look(il_signal_receiver *r)
{
	bool unheard;

	il__os_wake_drain(r->wake[0]);
	return signal_take(r, &unheard);
}

void il__signal_receiver_tell(struct il__report *r, const il_signal_receiver *receiver)
{
	if (receiver->count > 1)
		il__report(r, "one of %zu signals:", receiver->count);
	else
		il__report(r, "signal");
	for (size_t i = 0; i < receiver->count; i++)
		il__report(r, "%s %d", i ? "," : "", receiver->signals[i].number);
}

struct signal_wait {
	struct il__wait wait;
	const il_signal_receiver *receiver;
	struct il__fd_wait fd;
};

static void signal_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__wait *wait = task->base->wait;

	il__signal_receiver_tell(r,
				 il__container_of(wait, const struct signal_wait, wait)->receiver);
}

static int wait_for_one(il_signal_receiver *r, il_task *task, il_time deadline)
{
	struct signal_wait w = {.wait = {"il_signal_receiver_next", signal_tell_wait},
				.receiver = r,
				.fd = {.task = task, .fd = r->fd, .asked = IL_READABLE}};
	bool gone = false; /* and the receiver may be freed */
	int rc, number = 0;

	r->gone = &gone;
	do {
		rc = il__fd_wait_told(&w.fd, deadline, &w.wait);
		if (gone)
			return il__refuse(-EBADF,
					  "il_signal_receiver_next: the receiver was closed "
					  "meanwhile");
		if (rc == 0 || rc == -ETIMEDOUT)
			number = il__signal_look(r);
		if (rc == 0 && number == 0 && il__task_cancelled(task))
			rc = -ECANCELED;
	} while (rc == 0 && number == 0);
	r->gone = NULL;
	if (!number && rc == -ETIMEDOUT)
		return il__refuse(rc, "il_signal_receiver_next: none has come in time");
	return number ? number : rc;
}

static int signal_check(il_signal_receiver *r, il_time timeout)
{
	int rc;

	if (!r || timeout < 0)
		return il__refuse(-EINVAL, "il_signal_receiver_next: %s",
				  r ? "the timeout is negative" : "the receiver is NULL");
	if (!r->open)
		return il__refuse(-EBADF, "il_signal_receiver_next: the receiver is closed");
	rc = il__loop_check_thread(r->loop, "il_signal_receiver_next");
	if (rc == 0 && r->gone)
		return il__refuse(-EBUSY, "il_signal_receiver_next: another task waits; one at a "
					  "time");
	return rc;
}

int il_signal_receiver_next(il_signal_receiver *receiver, il_time timeout)
{
	int number, rc = signal_check(receiver, timeout);
	il_task *task = NULL;

	if (rc < 0)
		return rc;
	if (timeout > 0 || (receiver->loop->current && !il__self.no_wait)) {
		task = il__task_current("il_signal_receiver_next", &rc);
		if (!task || (rc = il__task_check(task)) < 0)
			return rc;
	}
	number = il__signal_look(receiver);
	if (!number && timeout > 0)
		return wait_for_one(receiver, task,
				    il__deadline_from(il__loop_now(receiver->loop), timeout));
	if (task)
		il__task_yield(task);
	return number ? number : il__refuse(-ETIMEDOUT, "il_signal_receiver_next: none has come");
}
