/*
 * executor_submit.c: a call that is handed over, with a future or without. Any thread.
 *
 * A call with a future is one allocation, which goes with the last reference: the executor has one until it
 * has finished it.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/future.h"
#include "call.h"
#include "executor.h"

/* ---- with a future ---- */

struct future_call {
	il_call call;
	il_future future;
	bool finished; /* under the future's lock: the executor may be gone */
};

static bool claim_future(il_call *call)
{
	return il__future_begin(&il__container_of(call, struct future_call, call)->future);
}

static void finish_future(il_call *call, int rc)
{
	struct future_call *fc = il__container_of(call, struct future_call, call);
	il_future *f = &fc->future;
	char *why = call->detail;

	call->detail = NULL;
	pthread_mutex_lock(&f->lock);
	fc->finished = true;
	pthread_mutex_unlock(&f->lock);
	/* It runs, or failed before it began. */
	if (il_future_running(f) || (rc != -ECANCELED && il__future_begin(f)))
		il__future_finish(f, rc, false, why);
	else
		il__future_cancelled_early(f, why);
	il_future_unref(f);
}

static bool accept_future(il_call *call)
{
	return il__future_accept(&il__container_of(call, struct future_call, call)->future);
}

/* But for a callback that is added while it finishes. */
static bool future_calls_back(il_call *call)
{
	il_future *f = &il__container_of(call, struct future_call, call)->future;
	bool yes;

	pthread_mutex_lock(&f->lock);
	yes = f->callbacks != NULL;
	pthread_mutex_unlock(&f->lock);
	return yes;
}

static const struct il__call_ops future_call_ops = {.claim = claim_future,
						    .finish = finish_future,
						    .accept = accept_future,
						    .calls_back = future_calls_back};

static void free_future_call(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);

	il__free(fc);
}

static bool future_call_waits_for_itself(il_future *f)
{
	il_call *call = &il__container_of(f, struct future_call, future)->call;

	return !il_future_running(f) && call->executor_type->only_worker(call->executor_self);
}

static struct il__account *account_of(il_future *f)
{
	return il__container_of(f, struct future_call, future)->call.account;
}

/* Cancelled before it began: its place in the queue is free at once. The lock keeps it from finishing
 * meanwhile, and so its executor from being gone. */
static void future_call_leave_queue(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);
	il_call *call = &fc->call;
	bool mine;

	if (!call->executor_type->withdraw)
		return;
	pthread_mutex_lock(&f->lock);
	mine = !fc->finished && call->executor_type->withdraw(call->executor_self, call);
	pthread_mutex_unlock(&f->lock);
	if (mine)
		il__call_finish(call, -ECANCELED);
}

static void future_call_tell(struct il__report *r, il_future *f)
{
	il__report(r, " of ");
	il__call_tell(r, &il__container_of(f, struct future_call, future)->call,
		      il_future_running(f));
}

static const struct il__future_ops future_ops = {.tell = future_call_tell,
						 .dropped = future_call_leave_queue,
						 .free = free_future_call,
						 .deadlock = future_call_waits_for_itself,
						 .account = account_of};

/* Whether the user may be asked for the call now, and if so it must be. */
static bool future_call_visit(struct future_call *fc)
{
	il_call *call = &fc->call;
	bool allowed;

	pthread_mutex_lock(&fc->future.lock);
	allowed = !fc->finished && call->executor_type->visit(call->executor_self, call);
	pthread_mutex_unlock(&fc->future.lock);
	return allowed;
}

/* As future_call_leave_queue, of a user's executor: the future ends with the call, when the user gives it up or ends it. */
static void future_call_ask_back(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);
	il_call *call = &fc->call;

	if (future_call_visit(fc) && call->executor_type->withdraw(call->executor_self, call))
		il__call_finish(call, -ECANCELED);
}

static void kill_future(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);
	il_call *call = &fc->call;

	pthread_mutex_lock(&f->lock);
	if (!fc->finished)
		call->executor_type->kill(call->executor_self, call);
	pthread_mutex_unlock(&f->lock);
}

static const struct il__future_ops killable_ops = {.tell = future_call_tell,
						   .cancel = kill_future,
						   .dropped = future_call_leave_queue,
						   .free = free_future_call,
						   .deadlock = future_call_waits_for_itself,
						   .account = account_of};

/* Of a user's executor: no lock is held while it is killed. */
static void future_call_ask_to_end(il_future *f)
{
	struct future_call *fc = il__container_of(f, struct future_call, future);
	il_call *call = &fc->call;

	if (future_call_visit(fc))
		call->executor_type->kill(call->executor_self, call);
}

/* By whether the user has `withdraw`, and `kill`. */
#define USER_OPS(withdraw_, cancel_)                                                \
	{                                                                           \
		.cancel = cancel_, .withdraw = withdraw_, .free = free_future_call, \
		.deadlock = future_call_waits_for_itself, .account = account_of     \
	}
static const struct il__future_ops user_ops[2][2] = {
    {USER_OPS(NULL, NULL), USER_OPS(NULL, future_call_ask_to_end)},
    {USER_OPS(future_call_ask_back, NULL), USER_OPS(future_call_ask_back, future_call_ask_to_end)}};

static const struct il__future_ops *future_ops_for(const il_executor *ex)
{
	if (ex->ops->visit)
		return &user_ops[ex->ops->withdraw != NULL][ex->kills];
	return ex->kills ? &killable_ops : &future_ops;
}

static int submit_future(il_executor *ex, il_future **f, il_fn *fn, void *arg, size_t size)
{
	struct future_call *fc = il__malloc(sizeof *fc);
	il_future *before = *f;
	int rc;

	if (!fc)
		return il__refuse(-ENOMEM, "il_executor_submit: out of memory");
	/* It may be a part of arg: for fn to find, and not to be lost when a copy of arg comes back. */
	*f = &fc->future;
	rc = il__call_init(&fc->call, ex, fn, arg, size);
	if (rc < 0) {
		*f = before;
		il__free(fc);
		return rc;
	}
	fc->call.ops = &future_call_ops;
	fc->finished = false;
	il__future_init(&fc->future, future_ops_for(ex), NULL);
	fc->future.traced = fc->call.traced;
	il_future_ref(&fc->future); /* one for the executor, one for the caller */
	rc = ex->ops->submit(ex->self, &fc->call, false);
	if (rc < 0) {
		*f = before;
		il__call_fini(&fc->call);
		il_future_unref(&fc->future);
		il_future_unref(&fc->future);
		return rc;
	}
	return 0;
}

/* ---- without ---- */

static bool claim_always(il_call *call)
{
	(void)call;
	return true;
}

static void finish_unheard(il_call *call, int rc)
{
	(void)rc;
	il__free(call->detail);
	il__free(call);
}

static const struct il__call_ops unattended_ops = {
    .claim = claim_always, .finish = finish_unheard, .unattended = true};

int il_executor_submit(il_executor *ex, il_future **f, il_fn *fn, void *arg, size_t size)
{
	int rc = il__executor_check(ex, fn, "il_executor_submit");
	il_call *call;

	if (rc < 0)
		return rc;
	if (f)
		return submit_future(ex, f, fn, arg, size);
	if (il__form_of(size) != IL_CALL_FLAT)
		return il__refuse(-EINVAL, "il_executor_submit: IL_BYTES and IL_SHARED need a "
					   "future: nobody would know when the memory is free");
	call = il__malloc(sizeof *call);
	if (!call)
		return il__refuse(-ENOMEM, "il_executor_submit: out of memory");
	rc = il__call_init(call, ex, fn, arg, size);
	if (rc < 0) {
		il__free(call);
		return rc;
	}
	call->ops = &unattended_ops;
	rc = ex->ops->submit(ex->self, call, false);
	if (rc < 0) {
		il__call_fini(call);
		il__free(call);
	}
	return rc;
}
