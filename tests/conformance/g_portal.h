/*
 * g_portal.h: what the tests of blocking portals share: functions to run in one, and a task that sleeps there.
 */
#ifndef IL_TESTS_G_PORTAL_H
#define IL_TESTS_G_PORTAL_H

#include "harness.h"

#include <sys/syscall.h>
#include <unistd.h>

static inline int give(void *arg)
{
	return *(int *)arg;
}

static inline int note_run(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
	return 4;
}

static inline long thread_id(void)
{
	return syscall(SYS_gettid);
}

struct sleeper {
	atomic_bool begun, cancelled, ended;
	atomic_bool wake; /* of sleep_until_told, which ends when this is set */
	int result;       /* 0: 0, or -ECANCELED when cancelled */
};

static inline int sleep_for_ever(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->begun, true);
	if (il_sleep_forever() == -ECANCELED)
		atomic_store(&s->cancelled, true);
	atomic_store(&s->ended, true);
	return s->result ? s->result : -ECANCELED;
}

static inline il_portal *started(void)
{
	il_portal *p = NULL;

	CHECK_RC(il_blocking_portal_start(&p, il_test_backend(), NULL), 0);
	return p;
}

#endif
