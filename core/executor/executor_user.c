/*
 * executor_user.c: executors of the user's own behind the same interface. Any thread.
 */
#include "offload.h"

static int user_submit(void *self, il_call *call, bool waits)
{
	il_executor *ex = self;

	(void)waits;
	if (atomic_load(&ex->user_shut))
		return il__refuse(-ESHUTDOWN, "the executor is shut down");
	return ex->user.submit(ex->user_self, call);
}

static int user_shutdown(void *self, unsigned flags)
{
	il_executor *ex = self;

	return ex->user.shutdown ? ex->user.shutdown(ex->user_self, flags) : 0;
}

static void user_destroy(void *self)
{
	il_executor *ex = self;

	if (ex->user.shutdown)
		ex->user.shutdown(ex->user_self, IL_NOWAIT);
	if (ex->user.destroy)
		ex->user.destroy(ex->user_self);
}

static bool user_no(void *self)
{
	(void)self;
	return false;
}

static const struct il__executor_ops user_ops = {.submit = user_submit,
						 .user_shutdown = user_shutdown,
						 .destroy = user_destroy,
						 .is_worker = user_no,
						 .only_worker = user_no};

int il_executor_create(il_executor **ex, const il_executor_ops *ops, void *self)
{
	int rc;

	if (!ex || !ops || !ops->submit)
		return il__refuse(-EINVAL, "il_executor_create: ex, ops or its submit is NULL");
	rc = il__executor_make(ex, &user_ops, NULL, false, true);
	if (rc < 0)
		return rc;
	(*ex)->self = *ex;
	(*ex)->user = *ops;
	(*ex)->user_self = self;
	return 0;
}
