/*
 * limiter.h: a limiter from inside: for calls in worker threads.
 */
#ifndef IL_CORE_SYNC_LIMITER_H
#define IL_CORE_SYNC_LIMITER_H

#include "../base/list.h"

#include <interloop/sync.h>

/*
 * Who waits for a token: a task, or a call, which has `ops`. The calls that no task comes before are offered:
 * a worker that is through with a call of this limiter may give its token to the first of them, and run
 * it, without the loop; which learns it from the result, and tells the limiter by il__limiter_pass.
 */
struct il__limiter_waiter {
	struct il__list link;
	const void *borrower;
	const struct il__limiter_waiter_ops *ops; /* NULL: a task */
	il_task *task;
	bool offered;
};

struct il__limiter_waiter_ops {
	void (*offer)(struct il__limiter_waiter *a);
	bool (*retract)(struct il__limiter_waiter *a); /* false: it has been taken */
	bool (*admit)(
	    struct il__limiter_waiter *a); /* it has a token; false: it needs none any more */
};

/* For a->borrower, in a task of the limiter's loop. 1: has a token; 0: waits; or why it may not. */
int il__limiter_ask(il_limiter *limiter, struct il__limiter_waiter *a, const char *function);
/* One that waits does not any more. False: it has been taken. */
bool il__limiter_withdraw(il_limiter *limiter, struct il__limiter_waiter *a);
/* `to` was taken by a worker, with this borrower's token. -EALREADY: it had none. */
int il__limiter_pass(il_limiter *limiter, const void *borrower, struct il__limiter_waiter *to);
/* Those that were offered, in order: kept by the pool that has the workers, under its lock. */
struct il__list *il__limiter_waiting_calls(il_limiter *limiter);

#endif
