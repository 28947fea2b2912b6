/*
 * signal_receiver.c: signals, received in a task. A slot a signal says who receives it. The handler may run
 * in any thread and enters only the slot, by atomics, and the receiver's wake descriptor. Everything else is
 * the loop's thread's only; loops compete for a slot by its owner.
 *
 * A signal is in the slot's `arrived`, is taken by its receiver, or goes to what was there before, whoever
 * comes first: closing puts that back, waits for handlers that had begun, and only then gives up
 * the slot; a handler that begins later finds nobody, and hands the signal on itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/load.h"
#include "../io/fd.h"
#include "../runtime/loop.h"
#include "../runtime/sigint.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"

#include <interloop/signal.h>

#include <sched.h>
#include <unistd.h>

#if ATOMIC_LONG_LOCK_FREE != 2 || ATOMIC_INT_LOCK_FREE != 2
#error "a signal handler needs atomics that take no lock"
#endif

#ifndef NSIG
#define NSIG _NSIG
#endif

/* All of it in the one order of seq_cst: `handling` and `wake` each say to the other who came first. */
struct slot {
	atomic_int owner;          /* the process that receives, not its children; 0: nobody */
	atomic_int wake;           /* where to write; -1: nobody receives any more */
	atomic_int handling;       /* handlers that have begun */
	atomic_ulong arrived;      /* 0, or its place in the order of arrival */
	struct sigaction previous; /* the owner's; written before the handler is installed */
};

static struct slot slots[NSIG];
static atomic_ulong arrivals;

/* On the waiting task's stack: the receiver may be freed under it. */
struct wait {
	struct il__fd_wait fd;
	bool gone;
};

struct il_signal_receiver {
	il_loop *loop;
	bool open;
	int wake[2];
	struct il__fd *fd;
	struct il__fd_owner owner;
	struct wait *waiter;
	size_t count;
	int signals[]; /* each once */
};

/* ---- the handler: any thread, at any moment ---- */

static void hand_on(int number, const struct slot *slot)
{
	/* Somebody has put our handler back, out of order: nobody would see this signal. */
	sigaction(number, &slot->previous, NULL);
	raise(number);
}

static void on_signal(int number)
{
	struct slot *slot = &slots[number];
	unsigned long none = 0;
	int wake, saved = errno;

	atomic_fetch_add(&slot->handling, 1);
	wake = atomic_load(&slot->wake);
	if (wake >= 0 && atomic_load(&slot->owner) == getpid()) {
		atomic_compare_exchange_strong(&slot->arrived, &none,
					       atomic_fetch_add(&arrivals, 1) + 1);
		il__os_wake_write(wake);
	} else {
		hand_on(number, slot);
	}
	atomic_fetch_sub(&slot->handling, 1);
	errno = saved;
}

/* ---- slots ---- */

static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

static bool is_ours(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_signal;
}

static int install(int number, struct slot *slot)
{
	struct sigaction before, action;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART | SA_ONSTACK;
	sigemptyset(&action.sa_mask);
	if (sigaction(number, NULL, &before) < 0)
		return -errno;
	if (!is_ours(&before)) /* somebody may have put it back, out of order */
		slot->previous = before;
	if (sigaction(number, &action, NULL) < 0)
		return -errno;
	if (number == SIGINT)
		il__sigint_cover(&slot->previous);
	return 0;
}

/* Unless somebody has taken our place since. */
static void put_back(int number, const struct slot *slot)
{
	struct sigaction now;

	if (sigaction(number, NULL, &now) == 0 && is_ours(&now))
		sigaction(number, &slot->previous, NULL);
	if (number == SIGINT)
		il__sigint_cover(NULL);
}

/* What begins later sees what was stored before. */
static void wait_for_handlers(struct slot *slot)
{
	while (atomic_load(&slot->handling) > 0)
		sched_yield();
}

static int occupy(int number, int wake)
{
	struct slot *slot = &slots[number];
	int rc, nobody = 0;

	if (!atomic_compare_exchange_strong(&slot->owner, &nobody, getpid()))
		return -EBUSY;
	atomic_store(&slot->arrived, 0);
	atomic_store(&slot->wake, wake);
	wait_for_handlers(slot); /* one that found nobody may be about to hand on */
	il__sigint_hold();
	rc = install(number, slot);
	il__sigint_release();
	if (rc < 0) {
		atomic_store(&slot->wake, -1);
		atomic_store(&slot->owner, 0);
	}
	return rc;
}

static void vacate(int number)
{
	struct slot *slot = &slots[number];

	il__sigint_hold();
	put_back(number, slot);
	il__sigint_release();
	atomic_store(&slot->wake, -1);
	wait_for_handlers(slot);
}

/* In a forked child: receivers, and handlers that had begun, stayed with the parent. */
static void empty_slots(void)
{
	for (int number = 1; number < NSIG; number++) {
		struct slot *slot = &slots[number];
		atomic_store(&slot->handling, 0);
		if (!atomic_load(&slot->owner))
			continue;
		put_back(number, slot);
		atomic_store(&slot->wake, -1);
		atomic_store(&slot->owner, 0);
	}
}

static struct il__fork_hook fork_hook = {.run = empty_slots};

static void add_fork_hook(void)
{
	il__on_fork_child(&fork_hook);
}
IL__AT_LOAD(add_fork_hook, IL__LOADED);

/* ---- the receiver's signals ---- */

/* The one that came first, 0: none. */
static int take(il_signal_receiver *r)
{
	unsigned long first = 0;
	int found = 0;

	for (size_t i = 0; i < r->count; i++) {
		unsigned long place = atomic_load(&slots[r->signals[i]].arrived);
		if (place && (!first || place < first)) {
			first = place;
			found = r->signals[i];
		}
	}
	if (found)
		atomic_store(&slots[found].arrived, 0);
	return found;
}

/* As it came: to the process, but here and at once where this thread takes it. */
static void raise_again(int number)
{
	sigset_t blocked;

	if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, number))
		kill(getpid(), number);
	else
		raise(number);
}

static void stop_receiving(il_signal_receiver *r)
{
	int unread;

	for (size_t i = 0; i < r->count; i++)
		vacate(r->signals[i]);
	while ((unread = take(r)))
		raise_again(unread);
	while (r->count)
		atomic_store(&slots[r->signals[--r->count]].owner, 0);
}

static bool has(const il_signal_receiver *r, int number)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->signals[i] == number)
			return true;
	return false;
}

static int start_receiving(il_signal_receiver *r, const int *signals, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = signals[i], rc = -EINVAL;

		if (has(r, number))
			continue;
		if (number > 0 && number < NSIG && !is_fault(number))
			rc = occupy(number, r->wake[1]);
		if (rc < 0) {
			stop_receiving(r);
			return il__refuse(rc, "il_signal_receiver_open: signal %d %s", number,
					  rc == -EBUSY ? "has another receiver; one at a time"
						       : "cannot be received");
		}
		r->signals[r->count++] = number;
	}
	return 0;
}

/* ---- open and close ---- */

static void shut(il_signal_receiver *r)
{
	if (!r->open)
		return;
	r->open = false;
	stop_receiving(r);
	if (r->waiter)
		r->waiter->gone = true;
	r->waiter = NULL;
	il__list_remove(&r->owner.link);
	il__fd_disown(r->fd, -EBADF);
	il__os_wake_close(r->wake);
}

static void orphan(struct il__fd_owner *owner)
{
	il_signal_receiver *r = il__container_of(owner, il_signal_receiver, owner);

	shut(r);
}

static int open_in(il_signal_receiver *r, il_loop *loop, const int *signals, size_t count)
{
	int rc = il__os_wake_open(r->wake);

	if (rc < 0)
		return il__refuse(rc, "il_signal_receiver_open: no descriptor for wake-ups: %s",
				  il__system_words(rc));
	il__fd_renew(loop, r->wake[0]);
	rc = il__fd_own(loop, r->wake[0], &r->fd);
	if (rc == 0) {
		rc = start_receiving(r, signals, count);
		if (rc < 0)
			il__fd_disown(r->fd, -EBADF);
	}
	if (rc < 0) {
		il__os_wake_close(r->wake);
		return rc;
	}
	r->loop = loop;
	r->open = true;
	r->owner.orphan = orphan;
	il__fd_adopt(loop, &r->owner);
	return 0;
}

int il_signal_receiver_open(il_signal_receiver **receiver, const int *signals, size_t count)
{
	il_loop *loop = il_loop_current();
	il_signal_receiver *r;
	int rc;

	if (!receiver || !signals || !count)
		return il__refuse(-EINVAL, "il_signal_receiver_open: NULL, or no signal is named");
	if (!loop)
		return il__refuse(-EPERM, "il_signal_receiver_open: call it in the thread of a "
					  "loop that runs");
	rc = il__loop_check_thread(loop, "il_signal_receiver_open");
	if (rc < 0)
		return rc;
	r = calloc(1, sizeof *r + count * sizeof r->signals[0]);
	if (!r)
		return il__refuse(-ENOMEM, "il_signal_receiver_open: out of memory");
	rc = open_in(r, loop, signals, count);
	if (rc < 0)
		free(r);
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
		shut(receiver);
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
	free(receiver);
}

/* ---- receiving ---- */

/* Drains first and looks then: what comes after the look leaves the descriptor readable. */
static int look(il_signal_receiver *r)
{
	il__os_wake_drain(r->wake[0]);
	return take(r);
}

static int wait_for_one(il_signal_receiver *r, il_task *task, il_time deadline)
{
	struct wait w = {.fd = {.task = task, .fd = r->fd, .asked = IL_READABLE}};
	int rc, number = 0;

	r->waiter = &w;
	do {
		rc = il__fd_wait(&w.fd, deadline, "il_signal_receiver_next");
		if (w.gone)
			return il__refuse(-EBADF,
					  "il_signal_receiver_next: the receiver was closed "
					  "meanwhile");
		if (rc == 0 || rc == -ETIMEDOUT)
			number = look(r);
		if (rc == 0 && number == 0 && il__task_cancelled(task))
			rc = -ECANCELED;
	} while (rc == 0 && number == 0);
	r->waiter = NULL;
	if (!number && rc == -ETIMEDOUT)
		return il__refuse(rc, "il_signal_receiver_next: none has come in time");
	return number ? number : rc;
}

static int check(il_signal_receiver *r, il_time timeout)
{
	int rc;

	if (!r || timeout < 0)
		return il__refuse(-EINVAL, "il_signal_receiver_next: %s",
				  r ? "the timeout is negative" : "the receiver is NULL");
	if (!r->open)
		return il__refuse(-EBADF, "il_signal_receiver_next: the receiver is closed");
	rc = il__loop_check_thread(r->loop, "il_signal_receiver_next");
	if (rc == 0 && r->waiter)
		return il__refuse(-EBUSY, "il_signal_receiver_next: another task waits; one at a "
					  "time");
	return rc;
}

int il_signal_receiver_next(il_signal_receiver *receiver, il_time timeout)
{
	int number, rc = check(receiver, timeout);
	il_task *task = NULL;

	if (rc < 0)
		return rc;
	if (timeout > 0 || (receiver->loop->current && !il__self.no_wait)) {
		task = il__task_current("il_signal_receiver_next", &rc);
		if (!task || (rc = il__task_check(task)) < 0)
			return rc;
	}
	number = look(receiver);
	if (!number && timeout > 0)
		return wait_for_one(receiver, task,
				    il__deadline_from(il__loop_now(receiver->loop), timeout));
	if (task)
		il__task_yield(task);
	return number ? number : il__refuse(-ETIMEDOUT, "il_signal_receiver_next: none has come");
}
