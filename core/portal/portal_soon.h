/*
 * portal_soon.h: calls that are posted to a portal, and who waits for the first word of one.
 */
#ifndef IL_CORE_PORTAL_PORTAL_SOON_H
#define IL_CORE_PORTAL_PORTAL_SOON_H

#include "../base/base.h"
#include "../runtime/future.h"
#include "../runtime/inbox.h"
#include "../runtime/ledger.h"
#include "../runtime/timer.h"
#include "../runtime/wakeup.h"

#include <interloop/portal.h>

struct il__locals;
struct il__soon_block;

/* One posted call, in memory of its own, gone when its function has ended (portal_soon.c). Without a
 * future it fits a line of the cache: a burst of them is a walk over cold memory. */
struct il__soon {
	struct il__message message;
	il_portal *portal;
	il_fn *fn;
	void *arg;
	struct il__locals *locals;    /* a reference */
	struct il__soon_block *block; /* its memory's, if it has neither task nor future */
	bool as_task, reserved;
	bool has_future; /* a plain call, part of a struct il__soon_future */
	uint32_t traced; /* its number in the trace, where soon_on_traced_message handles it */
};

/* as_task */
struct il__soon_task {
	struct il__soon soon;
	struct il__timer retry;      /* no stack could be had: ask again */
	struct il__future_task *ft;  /* with a future */
	struct il__starter *starter; /* who waits for il_task_started; cleared by the call of it */
	il_portal_context *context;  /* whose il_portal_hold it will call */
};

struct il__soon_future {
	struct il__soon soon;
	il_future future; /* the memory is the future's */
};

static inline struct il__soon_task *il__soon_task_of(struct il__soon *soon)
{
	return il__container_of(soon, struct il__soon_task, soon);
}

int il__soon_make(struct il__soon **soon, il_portal *p, il_future **f, il_fn *fn, void *arg,
		  bool as_task, bool reserve, const char *function);
void il__soon_post(struct il__soon *soon);
/* A waiting call in a task of another loop. */
int il__portal_run_from_task(il_portal *p, il_fn *fn, void *arg, bool as_task,
			     const char *function);

/* Waits for il_task_started or il_portal_hold (portal_start.c); on the caller's stack. */
struct il__starter {
	struct il__wakeup wakeup;
	int rc, value;
	struct il__account lender; /* of the call that its thread runs; name 0: none */
	il_fn *fn;                 /* for people */
};

void il__starter_finish(struct il__starter *starter, int rc, int value); /* loop's thread */
int il__portal_start(il_portal *p, const char *function, il_future **f, int *value, il_fn *fn,
		     void *arg, il_portal_context *context);

#endif
