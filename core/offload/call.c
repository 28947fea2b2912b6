/*
 * call.c: one submitted call: copying its argument, running it in a worker, answering. A call belongs to
 * its executor from submit until it is answered.
 */
#include "offload.h"

#include <stdlib.h>
#include <string.h>

int il__call_init(il_call *call, il_executor *ex, il_fn *fn, void *arg, size_t size)
{
	il__list_init(&call->link);
	call->user_link = NULL;
	call->fn = fn;
	call->arg = arg;
	call->original = NULL;
	call->size = size;
	call->locals = NULL;
	call->host = NULL;
	call->executor_ops = ex->ops;
	call->executor_self = ex->self;
	call->thread_name = NULL;
	call->pump = NULL;
	call->worker = NULL;
	call->dropped = 0;
	call->claimed = false;
	call->detail = NULL;
	if (ex->max_size && arg && size > ex->max_size)
		return il__refuse(-EMSGSIZE,
				  "an argument of %zu bytes; the executor's max_size is %zu", size,
				  ex->max_size);
	if (ex->copies && arg) {
		if (size == 0)
			return il__refuse(
			    -EINVAL, "this executor copies arguments: give the size of the struct "
				     "behind arg");
		call->arg = malloc(size);
		if (!call->arg)
			return il__refuse(-ENOMEM, "no memory to copy an argument of %zu bytes",
					  size);
		memcpy(call->arg, arg, size);
		call->original = arg;
	}
	if (ex->locals)
		call->locals = il__locals_ref(il__locals_current());
	return 0;
}

void il__call_fini(il_call *call)
{
	il__locals_unref(call->locals);
	if (call->original)
		free(call->arg);
}

int il__call_execute(il_call *call)
{
	struct il__locals *locals = il__self.locals;
	void *host = il__self.call;
	char saved_name[16];
	int rc;

	if (!call->ops->claim(call))
		return -ECANCELED;
	il__self.locals = il__locals_ref(call->locals);
	il__self.call = call->host;
	if (call->thread_name)
		il__os_thread_name(call->thread_name, saved_name);
	rc = call->fn(call->arg);
	if (call->thread_name)
		il__os_thread_name(saved_name, NULL);
	il__self.call = host;
	il__locals_unref(il__self.locals);
	il__self.locals = locals;
	if (call->original && !call->ops->unattended)
		memcpy(call->original, call->arg, call->size);
	return rc;
}

void il__call_answer(il_call *call, int rc)
{
	const struct il__call_ops *ops = call->ops;

	il__call_fini(call);
	ops->answer(call, rc);
}

void il_call_run(il_call *call)
{
	il__call_answer(call, il__call_execute(call));
}

void il_call_fail(il_call *call, int rc)
{
	if (call->ops->unattended)
		il_call_run(call);
	else
		il__call_answer(call, rc < 0 ? rc : -ECANCELED);
}

void **il_call_link(il_call *call)
{
	return &call->user_link;
}
