/*
 * sigint.c: SIGINT cancels the main task of at most one loop, and only where it was asked for. Whoever
 * installs the handler owns it: a loop that runs, or a blocking portal from before its loop is there.
 * The handler stores a flag and writes the loop's wake descriptor; it resets itself, so that a second
 * SIGINT ends a program whose clean-up hangs. It may run in any thread, so it reads nothing that can go.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sigint.h"
#include "../base/os.h"
#include "inbox.h"
#include "loop.h"
#include "signal_handler.h"

enum { NOT_YET, ARRIVED, TAKEN };

static _Atomic(const void *) owner; /* compared only */
static _Atomic(il_loop *) target;   /* whose main task is cancelled; compared only */
static atomic_int wake_fd = -1;     /* the target's, -1 while there is none */
static atomic_int state;            /* ARRIVED by the handler, TAKEN by the target's thread */
static atomic_bool reported;        /* a call returned -EINTR for it */

/* The handler: any thread, at any moment. */
static void on_sigint(struct il__signal_use *ours, int number, bool heard)
{
	int fd;

	(void)ours;
	(void)number;
	(void)heard;
	atomic_store(&state, ARRIVED);
	fd = atomic_load(&wake_fd);
	if (fd >= 0)
		il__os_wake_write(fd);
}

static struct il__signal_use use = {.arrived = on_sigint, .once = true};

bool il__sigint_is_default(void)
{
	return il__signal_is_default(SIGINT);
}

bool il__sigint_install(const void *who)
{
	const void *nobody = NULL;

	if (!atomic_compare_exchange_strong(&owner, &nobody, who))
		return false;
	atomic_store(&state, NOT_YET);
	atomic_store(&reported, false);
	if (il__signal_begin(IL__SIGNAL_LOOP, SIGINT, &use) == 0)
		return true;
	atomic_store(&owner, NULL);
	return false;
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
	il__sigint_report(loop); /* a portal's owner tells itself */
	return true;
}

bool il__sigint_report(const void *who)
{
	if (atomic_load(&owner) != who || atomic_load(&state) == NOT_YET)
		return false;
	atomic_store(&reported, true);
	return true;
}

static void sigint_disown(void)
{
	atomic_store(&wake_fd, -1);
	atomic_store(&target, NULL);
	atomic_store(&owner, NULL);
}

bool il__sigint_restore(const void *who)
{
	bool unreported;

	if (atomic_load(&owner) != who)
		return false;
	il__signal_end(IL__SIGNAL_LOOP, SIGINT);
	unreported = atomic_load(&state) != NOT_YET && !atomic_load(&reported);
	sigint_disown();
	return unreported;
}

void il__sigint_after_fork(void)
{
	sigint_disown();
}
