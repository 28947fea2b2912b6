/*
 * portal.h: a portal: its gate, its scope, its end.
 */
#ifndef IL_CORE_PORTAL_PORTAL_H
#define IL_CORE_PORTAL_PORTAL_H

#include "../base/list.h"
#include "../runtime/inbox.h"
#include "../runtime/scope.h"

#include <interloop/portal.h>

struct il__blocking;

struct il_portal {
	/* Calls accepted and not ended, times 2, plus 1 once closed to new ones. Any thread adds while it
	 * is open; the loop's thread subtracts. */
	atomic_size_t gate;
	atomic_uint refs;
	unsigned generation;
	struct il__inbox *inbox;
	struct il__message stop;  /* carries il_portal_stop to the loop, with a reference */
	atomic_bool stop_queued;  /* it is under way */
	atomic_bool stop_cancels; /* and asks to cancel what runs */

	pthread_t thread; /* the loop's, compared only */

	/* the loop's thread only */
	il_loop *loop;
	struct il__cancel_scope scope; /* of its tasks */
	struct il__list link;          /* the loop's portals */
	struct il__list sleepers;
	struct il__list closers;
	unsigned leaving; /* calls that have ended and are still counted by the gate */
	bool stopping;    /* the loop's thread knows that the gate is closed */
	bool finished;    /* closed, and nothing is left: the loop is not held any more */

	struct il__blocking *blocking; /* a loop in a thread of its own; NULL else */
	atomic_bool joined;            /* il_blocking_portal_stop was called */
};

/* For il__portal_result. NULL: there is none, or it has ended, and another may lie where it did. */
static inline const struct il__blocking *il__portal_blocking(const il_portal *p)
{
	return p && !atomic_load_explicit(&p->joined, memory_order_relaxed) ? p->blocking : NULL;
}

int il__portal_enter_gate(il_portal *p, const char *function);
void il__portal_leave_gate(il_portal *p);   /* loop's thread */
void il__portal_abandon_gate(il_portal *p); /* any thread: an accepted call that will not be made */
bool il__portal_is_own_loop(const il_portal *p);
/* Whether a wait here for what lives in the loop could not end: only this thread runs it, now or later. */
bool il__portal_is_own_thread(const il_portal *p);
/* Checks of a call that waits. 0; *task is the waiting task of another loop, NULL: a plain thread. */
int il__portal_may_wait(il_portal *p, il_fn *fn, const char *function, il_task **task);

#endif
