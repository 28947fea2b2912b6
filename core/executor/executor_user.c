/*
 * executor_user.c: executors of the user's own behind the same table of operations. Any thread.
 */
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "loop_threads.h"
#include "user.h"

#include <interloop/scope.h>
#include <interloop/task.h>

#include <stddef.h>
#include <string.h>

/* Programs that were compiled before it had these fields pass zeros there. */
_Static_assert(sizeof(il_executor_ops) == 12 * sizeof(void *), "a public size");
_Static_assert(offsetof(il_executor_ops, withdraw) == 4 * sizeof(void *), "a public offset");
_Static_assert(offsetof(il_executor_ops, reserved) == 8 * sizeof(void *), "a public offset");

static int user_submit(void *self, il_call *call, bool waits)
{
	(void)waits; /* user_submit_waiting */
	return il__room_submit_now(self, call);
}

static int user_submit_waiting(void *self, il_call *call, il_time deadline)
{
	return il__room_submit(self, call, deadline);
}

static void user_statistics(void *self, il_executor_statistics *statistics)
{
	struct il__user *user = self;
	struct il__call_counts counts;

	pthread_mutex_lock(&user->lock);
	counts = user->counts;
	counts.submitted = atomic_load_explicit(&user->submitted, memory_order_relaxed);
	statistics->queued = il__calls_left(&counts) - user->running;
	pthread_mutex_unlock(&user->lock);
	il__call_counts_tell(&counts, statistics);
}

struct shutdown {
	struct il__user *user;
	unsigned flags;
	bool ran;
};

static int user_call_shutdown(struct il__user *user, unsigned flags)
{
	int rc = 0;

	if (user->ops.shutdown)
		IL__GUARDED(rc = user->ops.shutdown(user->self, flags));
	return rc;
}

static int run_shutdown(void *arg)
{
	struct shutdown *s = arg;
	const bool own = il__disown_refusal();

	s->ran = true;
	return il__after_refusal(user_call_shutdown(s->user, s->flags), own);
}

/* It may block: in a task it runs in a worker thread, which owes its result; with calls out, what the executor's end does: they may
 * need the clock. */
static int shut_down_in_thread(struct shutdown *s, il_task *task)
{
	struct il__user *user = s->user;
	struct il__account account = il__executor_account(user->executor, 0);
	const bool out = atomic_load_explicit(&user->refs, memory_order_relaxed) > 1;
	int rc;

	il__owe(&task->loop->ledger, IL__OWED_EVENT);
	rc = il__run_in_thread(task, out ? &account : NULL, run_shutdown, s);
	il__paid(&task->loop->ledger, IL__OWED_EVENT);
	return rc;
}

/* There is nothing to make a thread of: it must not block then, and its calls are waited for here. */
static int shut_down_without_thread(struct shutdown *s)
{
	int rc;

	s->flags |= IL_NOWAIT;
	rc = run_shutdown(s);
	while (atomic_load_explicit(&s->user->refs, memory_order_acquire) > 1)
		if (il_sleep(IL_MSEC(1)) < 0)
			il_yield_shielded();
	return rc;
}

static int shut_down_in_task(struct shutdown *s, il_task *task)
{
	int rc = shut_down_in_thread(s, task);

	return s->ran ? rc : shut_down_without_thread(s);
}

static int user_shut_down(void *self, unsigned flags, il_task *task, int may_wait)
{
	struct il__user *user = self;
	struct shutdown s = {.user = user, .flags = flags};
	il_scope shield = IL_SCOPE_INIT;
	int rc;

	if (may_wait == -EPERM && user->ops.shutdown)
		return may_wait;
	il__room_shut(user);
	if (!task || (flags & IL_NOWAIT) || !user->ops.shutdown)
		rc = run_shutdown(&s);
	else if ((rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD)) == 0)
		rc = il_scope_exit(&shield, shut_down_in_task(&s, task));
	return may_wait == -ECANCELED ? may_wait : rc;
}

static void user_destroy(void *self)
{
	struct il__user *user = self;

	user_call_shutdown(user, IL_NOWAIT);
	il__user_release(user);
}

static const char *user_name(void *self)
{
	return ((struct il__user *)self)->name;
}

static bool user_no(void *self)
{
	(void)self;
	return false;
}

/* By whether the user has `withdraw`, and `kill`. A call may look here when the executor is gone. */
#define USER_TYPE(withdraw_, kill_)                                                          \
	{                                                                                    \
		.runs_in = "an executor of the program's own", .name = user_name,            \
		.submit = user_submit, .submit_waiting = user_submit_waiting,                \
		.visit = il__user_visit, .withdraw = withdraw_, .kill = kill_,               \
		.shut_down_in_place = user_shut_down, .destroy = user_destroy,               \
		.statistics = user_statistics, .keeps_executor = true, .is_worker = user_no, \
		.only_worker = user_no                                                       \
	}
static const struct il__executor_type types[2][2] = {
    {USER_TYPE(NULL, NULL), USER_TYPE(NULL, il__user_kill)},
    {USER_TYPE(il__user_withdraw, NULL), USER_TYPE(il__user_withdraw, il__user_kill)}};

static void init_user(struct il__user *user, const il_executor_ops *ops, void *self)
{
	user->ops = *ops;
	user->self = self;
	atomic_init(&user->refs, 1);
	pthread_mutex_init(&user->lock, NULL);
	il__list_init(&user->room_waiters);
}

int il_executor_create(il_executor **ex, const il_executor_ops *ops, void *self)
{
	struct il__user *user;
	const char *name;
	int rc;

	if (!ex || !ops || !ops->submit)
		return il__refuse(-EINVAL, "il_executor_create: ex, ops or its submit is NULL");
	rc = il__check_limit("il_executor_create", "max_size", ops->max_size);
	if (rc < 0)
		return rc;
	name = ops->name ? ops->name : "";
	user = il__calloc(1, sizeof *user + strlen(name) + 1);
	if (!user)
		return il__refuse(-ENOMEM, "il_executor_create: out of memory");
	init_user(user, ops, self);
	strcpy(user->name, name);
	rc = il__executor_make(ex, &types[ops->withdraw != NULL][ops->kill != NULL], user,
			       ops->copies, true);
	if (rc < 0) {
		il__user_unref(user);
		return rc;
	}
	user->executor = *ex;
	(*ex)->kills = ops->kill != NULL;
	(*ex)->max_size = ops->max_size;
	(*ex)->in_loop = ops->in_loop;
	return 0;
}
