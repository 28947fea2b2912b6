/*
 * executor_user.c: executors of the user's own behind the same table of operations. Any thread.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "executor.h"

#include <interloop/scope.h>
#include <interloop/thread.h>

struct user {
	il_executor_ops ops;
	void *self;
	atomic_bool shut;
};

static int user_submit(void *self, il_call *call, bool waits)
{
	struct user *user = self;

	(void)waits;
	if (atomic_load(&user->shut))
		return il__refuse(-ESHUTDOWN, "the executor is shut down");
	return user->ops.submit(user->self, call);
}

struct shutdown {
	struct user *user;
	unsigned flags;
};

static int run_shutdown(void *arg)
{
	struct shutdown *s = arg;

	return s->user->ops.shutdown ? s->user->ops.shutdown(s->user->self, s->flags) : 0;
}

/* It may block: in a task it runs in a worker thread, shielded. */
static int user_shut_down(void *self, unsigned flags, il_task *task, int may_wait)
{
	struct user *user = self;
	struct shutdown s = {user, flags};
	il_scope shield = IL_SCOPE_INIT;
	int rc;

	if (may_wait == -EPERM && user->ops.shutdown)
		return may_wait;
	atomic_store(&user->shut, true);
	if (!task || (flags & IL_NOWAIT) || !user->ops.shutdown)
		rc = run_shutdown(&s);
	else if ((rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD)) == 0)
		rc = il_scope_exit(&shield, il_run_in_thread(run_shutdown, &s));
	return may_wait == -ECANCELED ? may_wait : rc;
}

static void user_destroy(void *self)
{
	struct user *user = self;

	if (user->ops.shutdown)
		user->ops.shutdown(user->self, IL_NOWAIT);
	if (user->ops.destroy)
		user->ops.destroy(user->self);
	il__free(user);
}

static bool user_no(void *self)
{
	(void)self;
	return false;
}

static const struct il__executor_type ops = {.submit = user_submit,
					     .shut_down_in_place = user_shut_down,
					     .destroy = user_destroy,
					     .is_worker = user_no,
					     .only_worker = user_no};

int il_executor_create(il_executor **ex, const il_executor_ops *user_ops, void *self)
{
	struct user *user;
	int rc;

	if (!ex || !user_ops || !user_ops->submit)
		return il__refuse(-EINVAL, "il_executor_create: ex, ops or its submit is NULL");
	user = il__malloc(sizeof *user);
	if (!user)
		return il__refuse(-ENOMEM, "il_executor_create: out of memory");
	user->ops = *user_ops;
	user->self = self;
	atomic_init(&user->shut, false);
	rc = il__executor_make(ex, &ops, user, false, true);
	if (rc < 0)
		il__free(user);
	return rc;
}
