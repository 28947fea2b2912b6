/*
 * caller.h: the task that waits for a call, as the worker sees it, and what a thread works at.
 */
#ifndef IL_CORE_EXECUTOR_CALLER_H
#define IL_CORE_EXECUTOR_CALLER_H

#include "../base/base.h"

struct il__inbox;
struct il__cancel_scope;

/* Lives as long as the call: on the waiting task's stack, in an abandonable call, or in a call that may be left behind: that
 * one never runs then, and what is named here may be gone. */
struct il__caller {
	struct il__inbox
	    *inbox; /* the waiting task keeps it; an abandonable call has a reference */
	struct il__cancel_scope
	    *scope;            /* of the waiting task; loop's thread only; NULL: not under it */
	il_loop *loop;         /* loop's thread only */
	atomic_bool cancelled; /* by the loop's thread, read by the worker; a hint, relaxed */
};

struct il__working {
	const void *pool; /* that it works for; compared only */
	struct il__caller
	    *caller; /* of the call that it runs; NULL: no task waits, or it runs none */
};

extern IL__THREAD_LOCAL struct il__working il__working;

#endif
