/*
 * portal_run.h: a plain thread that waits for a function in a loop.
 */
#ifndef IL_CORE_PORTAL_PORTAL_RUN_H
#define IL_CORE_PORTAL_PORTAL_RUN_H

#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/wakeup.h"

#include <interloop/portal.h>

struct il__blocking;
struct il__caller;
struct il__locals;

/* A plain thread that waits; on its stack. */
struct il__portal_run {
	struct il__message message;
	il_fn *fn;
	void *arg;
	struct il__locals *locals; /* borrowed */
	struct il__wakeup wakeup;
	int rc;
	char *why; /* the function's il_error_detail() */
	bool as_task;
	il_task *task;             /* as_task, from its start to its end; the loop's thread's */
	struct il__caller *caller; /* from_thread: whose scope; NULL: the portal's */
	struct il__account lender; /* of the call that the thread runs; name 0: it runs none */
	il_portal *portal;
	uint32_t traced; /* its number in the trace; 0: it is in none */
};

/* Posts it and waits for its end; gives the function's result. */
int il__portal_run_wait(struct il__portal_run *r, struct il__inbox *inbox, const char *function);

/* What a waiting call returns: rc, or -EINTR where SIGINT stopped the blocking portal and rc says no more
 * than that. `blocking` may be gone: it is compared only. */
int il__portal_result(const struct il__blocking *blocking, int rc);

#endif
