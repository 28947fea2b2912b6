/*
 * handlers.h: what the tests of signals share: plain handlers, and who handles what.
 */
#ifndef IL_TESTS_HANDLERS_H
#define IL_TESTS_HANDLERS_H

#include "harness.h"

#include <signal.h>
#include <unistd.h>

static atomic_int signals_seen; /* by the two below, since the last set_handler */

__attribute__((unused)) static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signals_seen, 1);
}

__attribute__((unused)) static void trace_signal(int number)
{
	atomic_fetch_add(&signals_seen, 1);
	TRACE(number == SIGUSR1 ? "USR1" : number == SIGUSR2 ? "USR2" : "?");
}

static inline bool handles(int number, void (*handler)(int))
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == handler;
}

static inline void set_handler(int number, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	CHECK_EQ(sigaction(number, &action, NULL), 0);
	atomic_store(&signals_seen, 0);
}

#endif
