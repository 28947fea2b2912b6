/*
 * limiter_case.c: waiting for a limiter's token in a select. The borrower is the select's task. Loop's thread only.
 */
#include "../base/list.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "case.h"
#include "limiter.h"

struct limiter_case {
	struct il__case base;
	struct il__limiter_waiter waiter;
};

il__case_fits(struct limiter_case);

static struct limiter_case *limiter_case_of(il_case *c)
{
	return (struct limiter_case *)(void *)il__case_inside(c);
}

static int limiter_case_check(il_case *c, il_task *task)
{
	int rc = task ? 0 : il__refuse_place("il_select of a limiter");

	return rc < 0 ? rc : il__limiter_check(c->object, task, "il_select");
}

static int limiter_case_take(il_case *c, il_task *task)
{
	int rc = il__limiter_try(c->object, il__task_identity(task));

	c->rc = rc;
	if (rc == 0 || rc == -EALREADY)
		return 1;
	return rc == -EAGAIN ? 0 : rc;
}

/* Where another case of the select waits already, that one comes first, and this need not. A token that is free only
 * now is taken at once. */
static int limiter_case_enqueue(il_case *c, il_task *task)
{
	struct limiter_case *w = limiter_case_of(c);
	int rc;

	w->waiter = (struct il__limiter_waiter){.borrower = il__task_identity(task),
						.waiter = &w->base.waiter};
	il__list_init(&w->waiter.link);
	rc = il__limiter_ask(c->object, &w->waiter, "il_select");
	if (rc == 1)
		il__case_happened(&w->base, 0);
	return rc < 0 && rc != -EALREADY ? rc : 0;
}

static void limiter_case_dequeue(il_case *c, il_task *task)
{
	struct limiter_case *w = limiter_case_of(c);

	(void)task;
	if (!il__list_empty(&w->waiter.link))
		il__limiter_withdraw(c->object, &w->waiter);
}

static void limiter_case_tell(struct il__report *r, il_case *c)
{
	il__limiter_tell(r, c->object);
}

static const struct il__case_ops limiter_case = {
    .tell = limiter_case_tell,
    .check = limiter_case_check,
    .take = limiter_case_take,
    .enqueue = limiter_case_enqueue,
    .dequeue = limiter_case_dequeue,
};

il_case il_case_limiter(il_limiter *limiter)
{
	return il__case(&limiter_case, limiter);
}
