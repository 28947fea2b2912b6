/*
 * limiter.h: a limiter from inside: for calls in worker threads.
 */
#ifndef IL_CORE_SYNC_LIMITER_H
#define IL_CORE_SYNC_LIMITER_H

#include "../base/list.h"
#include "../runtime/task.h"

#include <interloop/sync.h>

/*
 * Who waits for a token: a task or a case of a select, or a call, which has `ops`. The calls that no task comes before are offered:
 * a worker that is through with a call of this limiter may give its token to the first of them, and run
 * it, without the loop; which learns it from the result, and tells the limiter by il__limiter_pass.
 */
struct il__limiter_waiter {
	struct il__list link;
	const void *borrower;
	const struct il__limiter_waiter_ops *ops; /* NULL: `waiter` is to be woken */
	struct il__waiter *waiter;
	bool offered;
};

struct il__limiter_waiter_ops {
	void (*offer)(struct il__limiter_waiter *a);
	bool (*retract)(struct il__limiter_waiter *a); /* false: it has been taken */
	bool (*admit)(
	    struct il__limiter_waiter *a); /* it has a token; false: it needs none any more */
};

struct il__report;
/* What somebody waits for who waits for a token. */
void il__limiter_tell(struct il__report *r, const il_limiter *limiter);
/* Whether the calling task (or, if it is NULL, this thread) may use the limiter. */
int il__limiter_check(il_limiter *limiter, il_task *task, const char *function);
/* Takes a token if one is free: 0; -EAGAIN: none is; -EALREADY: the borrower has one, or waits; -ENOMEM. */
int il__limiter_try(il_limiter *limiter, const void *borrower);
/* For a->borrower, in a task of the limiter's loop. 1: has a token; 0: waits; or why it may not. */
int il__limiter_ask(il_limiter *limiter, struct il__limiter_waiter *a, const char *function);
/* One that waits does not any more. False: it has been taken. */
bool il__limiter_withdraw(il_limiter *limiter, struct il__limiter_waiter *a);
/* `to` was taken by a worker, with this borrower's token. -EALREADY: it had none. */
int il__limiter_pass(il_limiter *limiter, const void *borrower, struct il__limiter_waiter *to);
/* Those that were offered, in order: kept by the pool that has the workers, under its lock. */
struct il__list *il__limiter_waiting_calls(il_limiter *limiter);

#endif
