/*
 * sigint.c: SIGINT cancels the main task of at most one loop, and only where it was asked for. Whoever
 * installs the handler owns it: a loop that runs, or a blocking portal from before its loop is there.
 * The handler stores a flag and writes the loop's wake descriptor; it resets itself, so that a second
 * SIGINT ends a program whose clean-up hangs. It may run in any thread, so it reads nothing that can go.
 *
 * A receiver of SIGINT is never below: installing and restoring change what it will put back. Where somebody
 * puts our handler back when nobody owns it, it hands on, and that once only: what was there before may be
 * a receiver's handler that somebody has put back too, and does the same.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sigint.h"
#include "../base/base.h"
#include "../base/load.h"
#include "inbox.h"
#include "loop.h"

#include <sched.h>

enum { NOT_YET, ARRIVED, TAKEN };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction
    *covered; /* under lock: what a receiver will put back; NULL: there is none */

static struct il__fork_lock fork_lock = {.lock = &lock};

static void add_fork_lock(void)
{
	il__hold_at_fork(&fork_lock);
}
IL__AT_LOAD(add_fork_lock, IL__LOADED);

/* Of seq_cst: `handling` and `owner` each say to the other who came first. */
static _Atomic(const void *) owner; /* compared only; changed under lock */
static atomic_int handling;         /* handlers that have begun */
static atomic_bool handed_on;
static struct sigaction previous; /* the owner's; read by handlers that find none */

static _Atomic(il_loop *) target; /* whose main task is cancelled; compared only */
static atomic_int wake_fd = -1;   /* the target's, -1 while there is none */
static atomic_int state;          /* ARRIVED by the handler, TAKEN by the target's thread */
static atomic_bool told;          /* somebody answered -EINTR for it */

/* ---- the handler: any thread, at any moment ---- */

/* Whatever its flags: the reset leaves them. */
static bool is_default(const struct sigaction *action)
{
	return action->sa_handler == SIG_DFL;
}

static void hand_on(int number)
{
	struct sigaction now;

	if (!atomic_exchange(&handed_on, true) && sigaction(number, NULL, &now) == 0 &&
	    is_default(&now))
		sigaction(number, &previous, NULL);
	raise(number);
}

static void on_sigint(int number)
{
	int fd, saved = errno;

	atomic_fetch_add(&handling, 1);
	if (atomic_load(&owner)) {
		atomic_store(&state, ARRIVED);
		fd = atomic_load(&wake_fd);
		if (fd >= 0)
			il__os_wake_write(fd);
	} else {
		hand_on(number);
	}
	atomic_fetch_sub(&handling, 1);
	errno = saved;
}

/* What begins later sees what was stored before. */
static void wait_for_handlers(void)
{
	while (atomic_load(&handling) > 0)
		sched_yield();
}

/* ---- what handles SIGINT, but for a receiver ---- */

void il__sigint_hold(void)
{
	pthread_mutex_lock(&lock);
}

void il__sigint_cover(struct sigaction *below)
{
	covered = below;
}

void il__sigint_release(void)
{
	pthread_mutex_unlock(&lock);
}

static int get(struct sigaction *now)
{
	if (!covered)
		return sigaction(SIGINT, NULL, now);
	*now = *covered;
	return 0;
}

static int set(const struct sigaction *action)
{
	if (!covered)
		return sigaction(SIGINT, action, NULL);
	*covered = *action;
	return 0;
}

static bool is_ours(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_sigint;
}

static bool put_ours(void)
{
	struct sigaction now, action;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_sigint;
	action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	if (get(&now) < 0)
		return false;
	if (!is_ours(&now))
		previous = now;
	return set(&action) == 0;
}

/* Unless somebody has taken our place since. */
static void put_back(void)
{
	struct sigaction now;

	if (get(&now) == 0 && (is_ours(&now) || is_default(&now)))
		set(&previous);
}

bool il__sigint_is_default(void)
{
	struct sigaction now;
	bool yes;

	il__sigint_hold();
	yes = get(&now) == 0 && is_default(&now);
	il__sigint_release();
	return yes;
}

/* ---- its owner ---- */

bool il__sigint_install(const void *who)
{
	bool installed = false;

	il__sigint_hold();
	if (!atomic_load(&owner)) {
		atomic_store(&state, NOT_YET);
		atomic_store(&told, false);
		atomic_store(&handed_on, false);
		atomic_store(&owner, who);
		wait_for_handlers(); /* one that found none may be about to hand on */
		installed = put_ours();
		if (!installed)
			atomic_store(&owner, NULL);
	}
	il__sigint_release();
	return installed;
}

void il__sigint_aim(il_loop *loop)
{
	atomic_store(&target, loop);
	atomic_store(&wake_fd, il__inbox_wake_fd(loop->inbox));
	if (atomic_load(&state) == ARRIVED)
		il__inbox_signal(loop->inbox);
}

bool il__sigint_taken(il_loop *loop)
{
	int arrived = ARRIVED;

	if (atomic_load_explicit(&state, memory_order_relaxed) != ARRIVED ||
	    atomic_load(&target) != loop ||
	    !atomic_compare_exchange_strong(&state, &arrived, TAKEN))
		return false;
	il__sigint_tell(loop); /* a portal's owner tells itself */
	return true;
}

bool il__sigint_tell(const void *who)
{
	if (atomic_load(&owner) != who || atomic_load(&state) == NOT_YET)
		return false;
	atomic_store(&told, true);
	return true;
}

static void disown(void)
{
	put_back();
	atomic_store(&owner, NULL);
	wait_for_handlers();
	atomic_store(&wake_fd, -1);
	atomic_store(&target, NULL);
}

bool il__sigint_restore(const void *who)
{
	bool untold;

	if (atomic_load(&owner) != who)
		return false;
	il__sigint_hold();
	disown();
	untold = atomic_load(&state) != NOT_YET && !atomic_load(&told);
	il__sigint_release();
	return untold;
}

void il__sigint_after_fork(void)
{
	atomic_store(&handling, 0);
	if (atomic_load(&owner))
		disown();
}
