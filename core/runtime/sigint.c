/*
 * sigint.c: SIGINT cancels the main task of at most one loop, and only where it was asked for. The handler
 * stores a flag and writes the loop's wake descriptor; it resets itself, so that a second SIGINT
 * ends a program whose clean-up hangs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime.h"

#include <signal.h>
#include <string.h>

static _Atomic(il_loop *) owner; /* who installed it; any thread, by exchange */
static atomic_int wake_fd;       /* written before the handler is installed */
static atomic_bool arrived;      /* set by the handler, taken by the owner's thread */
static struct sigaction previous;

static void on_sigint(int number)
{
	(void)number;
	atomic_store(&arrived, true);
	il__os_wake_write(atomic_load(&wake_fd));
}

bool il__sigint_is_default(void)
{
	struct sigaction now;

	return sigaction(SIGINT, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
	       now.sa_handler == SIG_DFL;
}

bool il__sigint_install(il_loop *loop)
{
	il_loop *nobody = NULL;
	struct sigaction action;

	if (!atomic_compare_exchange_strong(&owner, &nobody, loop))
		return false;
	atomic_store(&wake_fd, il__inbox_wake_fd(loop->inbox));
	atomic_store(&arrived, false);
	memset(&action, 0, sizeof action);
	action.sa_handler = on_sigint;
	action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, &action, &previous) == 0)
		return true;
	atomic_store(&owner, NULL);
	return false;
}

void il__sigint_restore(il_loop *loop)
{
	if (atomic_load(&owner) != loop)
		return;
	sigaction(SIGINT, &previous, NULL);
	atomic_store(&owner, NULL);
}

bool il__sigint_taken(il_loop *loop)
{
	return atomic_load_explicit(&arrived, memory_order_relaxed) &&
	       atomic_load(&owner) == loop && atomic_exchange(&arrived, false);
}
