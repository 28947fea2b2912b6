/*
 * call_user.c: a call in an executor of the user's own: given to the user, begun, answered, withdrawn, killed. Any thread.
 *
 * Invariant: while the user's `withdraw` or `kill` has a call, an answer to it is only noted; whoever called them finishes
 * the call when they return. Neither is called once there is an answer.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "call.h"
#include "user.h"

#include <interloop/function.h>
#include <interloop/shared.h>

static struct il__user *user_of(const il_call *call)
{
	return call->executor_self;
}

/* ---- to the user, and what it is told ---- */

static void call_describe(il_call *call)
{
	struct il__user_call *own = &call->user;

	own->in = call->arg;
	own->in_size = call->arg ? call->size : 0;
	if (call->form == IL_CALL_BYTES) {
		own->in = ((const il_bytes *)call->arg)->in;
		own->in_size = ((const il_bytes *)call->arg)->in_size;
	} else if (call->form == IL_CALL_SHARED) {
		own->in = ((const il_shared *)call->arg)->args;
		own->in_size = sizeof((const il_shared *)call->arg)->args;
	}
}

int il__user_offer(struct il__user *user, il_call *call, bool waits)
{
	bool own;
	int rc;

	call_describe(call);
	call->user.waits = waits;
	atomic_fetch_add_explicit(&user->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&user->submitted, 1, memory_order_relaxed);
	own = il__disown_refusal();
	IL__GUARDED(rc = user->ops.submit(user->self, call));
	rc = il__after_refusal(rc, own);
	if (rc < 0) {
		atomic_fetch_sub_explicit(&user->submitted, 1, memory_order_relaxed);
		il__user_unref(user);
	}
	return rc;
}

void il_call_get_info(const il_call *call, il_call_info *info)
{
	if (!info)
		return;
	*info = (il_call_info){0};
	if (!call)
		return;
	info->fn = call->fn;
	info->name = il_function_name(call->fn);
	info->form = call->form;
	info->in = call->user.in;
	info->in_size = call->user.in_size;
	info->attended = !call->ops->unattended;
	info->waits = call->user.waits;
}

il_time il_call_deadline(const il_call *call)
{
	return call ? call->user.deadline : IL_FOREVER;
}

void **il_call_link(il_call *call)
{
	return call ? &call->user.link : NULL;
}

/* ---- its beginning, and its answer ---- */

bool il_call_begin(il_call *call)
{
	struct il__user *user;
	bool begun;

	if (!call)
		return false;
	user = user_of(call);
	pthread_mutex_lock(&user->lock);
	if (call->user.begin == IL__BEGIN_OPEN) {
		call->user.begin = call->ops->claim(call) ? IL__BEGUN : IL__NOT_BEGUN;
		user->running += call->user.begin == IL__BEGUN;
	}
	begun = call->user.begin == IL__BEGUN;
	pthread_mutex_unlock(&user->lock);
	return begun;
}

/* Under the lock, before the result is known. */
static void count_answer(struct il__user *user, const il_call *call, int rc)
{
	il__call_count(&user->counts, rc);
	user->running -= call->user.begin == IL__BEGUN;
}

/* The call is gone then. */
static void call_end(il_call *call, int rc)
{
	struct il__user *user = user_of(call);

	il__call_finish(call, rc);
	il__user_unref(user);
}

static void call_answer(il_call *call, int rc)
{
	struct il__user *user = user_of(call);
	bool later;

	pthread_mutex_lock(&user->lock);
	if (call->user.begin == IL__NOT_BEGUN)
		rc = -ECANCELED;
	call->user.answered = true;
	call->user.rc = rc;
	later = call->user.visited;
	if (!later)
		count_answer(user, call, rc);
	pthread_mutex_unlock(&user->lock);
	if (!later)
		call_end(call, rc);
}

static void call_on_lost(void *call)
{
	call_answer(call, il__call_lose(call));
}

void il_call_run(il_call *call)
{
	int rc = -ECANCELED;

	if (!call)
		return;
	if (il_call_begin(call)) {
		if (il__call_is_in_task()) {
			rc = il__call_execute_claimed(call);
		} else {
			pthread_cleanup_push(call_on_lost, call);
			rc = il__call_execute_claimed(call);
			pthread_cleanup_pop(0);
		}
	}
	call_answer(call, rc);
}

/* Nobody waits for it, and it is not run here: that is all that is ever heard of it. */
static void call_log_failure(const il_call *call, int rc, const char *detail)
{
	const char *name = il_function_name(call->fn);

	il__log(IL_LOG_WARNING, "%s: a call of %s without a future failed: %s%s%s",
		user_of(call)->ops.name ? user_of(call)->ops.name : "an executor",
		name ? name : "a function without a name", il_strerror(rc), detail ? ": " : "",
		detail ? detail : "");
}

void il_call_fail(il_call *call, int rc)
{
	const il_executor_ops *ops;

	if (!call)
		return;
	ops = &user_of(call)->ops;
	if (call->ops->unattended && !ops->withdraw && !ops->kill) {
		il_call_run(call);
		return;
	}
	if (call->ops->unattended)
		call_log_failure(call, rc, NULL);
	call_answer(call, rc);
}

/* ---- a result from elsewhere ---- */

static int bring_bytes(il_bytes *to, const void *out, size_t size)
{
	void *copy = size ? il__malloc(size) : NULL;

	if (size && !copy)
		return il__refuse(-ENOMEM, "no memory for a result of %zu bytes", size);
	if (size)
		memcpy(copy, out, size);
	il_bytes_free(to);
	to->out = copy;
	to->out_size = to->room = size;
	return 0;
}

/* Where the function would have left it. 0, -EPROTO, -ENOMEM. */
static int call_bring(const il_call *call, const void *out, size_t size)
{
	void *to = call->original ? call->original : call->arg;

	if (call->form == IL_CALL_BYTES)
		return bring_bytes(to, out, size);
	if (size != call->user.in_size)
		return il__refuse(-EPROTO,
				  "a result of %zu bytes for an argument of %zu: another build of "
				  "the function",
				  size, call->user.in_size);
	if (call->form == IL_CALL_SHARED)
		memcpy(((il_shared *)to)->args, out, size);
	else if (size)
		memcpy(to, out, size);
	return 0;
}

/* What the function made goes to whoever waits, unless that was cancelled. */
static int call_accept(il_call *call, int rc, const void *out, size_t size)
{
	int brought;

	if (call->ops->accept && !call->ops->accept(call))
		return rc;
	brought = call_bring(call, out, size);
	if (brought == 0)
		return rc;
	il__free(call->detail);
	call->detail = il__keep_refusal(brought);
	return brought;
}

void il_call_finish(il_call *call, int rc, const void *out, size_t size, const char *detail)
{
	if (!call)
		return;
	if (call->ops->unattended) {
		if (rc < 0)
			call_log_failure(call, rc, detail);
	} else if (il_call_begin(call)) {
		if (rc < 0 && detail)
			call->detail = il__strdup(detail);
		if (out || (rc >= 0 && call->form == IL_CALL_BYTES))
			rc = call_accept(call, rc, out, out ? size : 0);
	}
	call_answer(call, rc);
}

/* ---- cancelled ---- */

bool il__user_visit(void *self, il_call *call)
{
	struct il__user *user = self;
	bool allowed;

	pthread_mutex_lock(&user->lock);
	allowed = !call->user.answered && !user->released;
	if (allowed) {
		call->user.visited = true;
		il__user_enter(user);
	}
	pthread_mutex_unlock(&user->lock);
	return allowed;
}

static bool call_runs(il_call *call)
{
	bool runs;

	pthread_mutex_lock(&user_of(call)->lock);
	runs = call->user.begin == IL__BEGUN;
	pthread_mutex_unlock(&user_of(call)->lock);
	return runs;
}

/* Whether the user has given it up, and nothing was noted meanwhile. */
static bool end_visit(struct il__user *user, il_call *call, bool given_up)
{
	bool answered;
	int rc;

	pthread_mutex_lock(&user->lock);
	call->user.visited = false;
	answered = call->user.answered;
	rc = answered ? call->user.rc : -ECANCELED;
	if (answered || given_up)
		count_answer(user, call, rc);
	pthread_mutex_unlock(&user->lock);
	if (answered)
		call_end(call, rc);
	else if (given_up)
		il__user_unref(user);
	il__user_leave(user);
	return given_up && !answered;
}

/* Whether it has not begun; it never will then, and whatever its answer is, it was cancelled. */
static bool call_stop(il_call *call)
{
	struct il__user *user = user_of(call);
	bool open;

	pthread_mutex_lock(&user->lock);
	open = call->user.begin == IL__BEGIN_OPEN;
	if (open)
		call->user.begin = IL__NOT_BEGUN;
	pthread_mutex_unlock(&user->lock);
	return open;
}

bool il__user_withdraw(void *self, il_call *call)
{
	struct il__user *user = self;
	bool given_up = call_stop(call);

	if (given_up)
		IL__GUARDED(given_up = user->ops.withdraw(user->self, call));
	return end_visit(user, call, given_up);
}

void il__user_kill(void *self, il_call *call)
{
	struct il__user *user = self;

	if (call_runs(call))
		IL__GUARDED(user->ops.kill(user->self, call));
	end_visit(user, call, false);
}
