/*
 * call.c: one submitted call: copying its argument, running it in a worker, finishing it. A call belongs
 * to its executor from submit until it has finished.
 */
#include "call.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/probe.h"
#include "../base/report.h"
#include "../base/trace.h"
#include "../runtime/local.h"
#include "../runtime/loop.h"
#include "../runtime/thread_state.h"
#include "executor.h"

#include <interloop/shared.h>

/* ---- the argument ---- */

il_call_form il__form_of(size_t size)
{
	return size == IL_BYTES ? IL_CALL_BYTES : size == IL_SHARED ? IL_CALL_SHARED : IL_CALL_FLAT;
}

size_t il__form_stride(size_t size)
{
	switch (il__form_of(size)) {
	case IL_CALL_BYTES:
		return sizeof(il_bytes);
	case IL_CALL_SHARED:
		return sizeof(il_shared);
	default:
		return size;
	}
}

static int check_arg(const il_call *call, const il_executor *ex)
{
	const il_bytes *bytes = call->arg;
	const il_shared *shared = call->arg;
	size_t size = call->form == IL_CALL_BYTES && bytes ? bytes->in_size : call->size;

	if (call->form == IL_CALL_BYTES && !bytes)
		return il__refuse(-EINVAL, "IL_BYTES: arg is NULL");
	if (call->form == IL_CALL_BYTES && !il__is_data(bytes->in, bytes->in_size))
		return il__refuse_items("IL_BYTES", "in", bytes->in, "in_size", bytes->in_size);
	if (call->form == IL_CALL_FLAT && il__was_negative(size))
		return il__refuse(-EINVAL, "the size of an argument is %td", (ptrdiff_t)size);
	if (call->form == IL_CALL_SHARED && (!shared || !shared->data || shared->size == 0))
		return il__refuse(-EINVAL, "IL_SHARED: arg is nothing il_shared_create made");
	if (ex->copies && call->arg && call->size == 0)
		return il__refuse(-EINVAL, "this executor copies arguments: give the size of the "
					   "struct behind arg");
	if (ex->max_size && call->arg && size > ex->max_size)
		return il__refuse(-EMSGSIZE,
				  "an argument of %zu bytes; the executor's max_size is %zu", size,
				  ex->max_size);
	return 0;
}

/* `in` is only read, and the caller keeps it until the call has ended: it needs no copy. */
static int copy_arg(il_call *call)
{
	void *copy = il__malloc(call->size);

	if (!copy)
		return il__refuse(-ENOMEM, "no memory to copy an argument of %zu bytes",
				  call->size);
	il__os_memory_is_large(copy, call->size);
	memcpy(copy, call->arg, call->size);
	if (call->form == IL_CALL_BYTES) {
		const il_bytes *from = call->arg;
		*(il_bytes *)copy = (il_bytes){.in = from->in, .in_size = from->in_size};
	}
	call->original = call->arg;
	call->arg = copy;
	return 0;
}

void il__call_copy_back(il_call *call)
{
	if (!call->original)
		return;
	if (call->form == IL_CALL_BYTES) {
		il_bytes *from = call->arg, *to = call->original;
		il_bytes_free(to);
		to->out = from->out;
		to->out_size = from->out_size;
		to->room = from->room;
		from->out = NULL;
	} else if (call->form == IL_CALL_SHARED) {
		il_shared *from = call->arg, *to = call->original;
		memcpy(to->args, from->args, sizeof to->args);
	} else {
		memcpy(call->original, call->arg, call->size);
	}
}

struct il__account il__executor_account(const il_executor *ex, size_t calls)
{
	return (struct il__account){
	    .pool = ex->self, .workers = ex->workers, .calls = calls, .in_loop = ex->in_loop};
}

/* ---- what this thread works at ---- */

IL__THREAD_LOCAL struct il__working il__working;

static void forget_work(void)
{
	il__working = (struct il__working){.pool = NULL};
	il__self.account = NULL;
}

IL__AT_FORK(NULL, forget_work);

/* ---- a call's life ---- */

int il__call_init(il_call *call, il_executor *ex, il_fn *fn, void *arg, size_t size)
{
	int rc;

	*call = (il_call){.fn = fn,
			  .arg = arg,
			  .size = il__form_stride(size),
			  .form = il__form_of(size),
			  .executor_type = ex->ops,
			  .executor_self = ex->self,
			  .own_account = il__executor_account(ex, 1)};
	call->account = &call->own_account;
	il__list_init(&call->link);
	if ((rc = check_arg(call, ex)) < 0 || (ex->copies && arg && (rc = copy_arg(call)) < 0))
		return rc;
	if (ex->locals)
		call->locals = il__locals_ref(il__locals_current());
	IL__PROBE(call_submit, call, fn);
	if (il__trace_on())
		call->traced = il__trace_send();
	return 0;
}

void il__call_fini(il_call *call)
{
	il__locals_unref(call->locals);
	if (!call->original)
		return;
	if (call->form == IL_CALL_BYTES)
		il_bytes_free(call->arg);
	il__free(call->arg);
}

/* A task is no worker, and what a thread works at is the thread's: tasks that took turns at it, or at what the
 * thread does when it ends, would leave them to each other. */
bool il__call_is_in_task(void)
{
	return il__self.loop && il__self.loop->current;
}

/* Below another call in this thread each waits while the other does. Of those that share an account each has another outer one. */
static struct il__account *call_account(il_call *call)
{
	struct il__account *own = &call->own_account;

	if (!il__self.account || own->outer)
		return call->account;
	if (call->account != own)
		*own = il__account_named(call->account);
	own->outer = il__self.account;
	return own;
}

static void call_enter(il_call *call)
{
	if (il__call_is_in_task())
		return;
	call->outside = (struct il__outside){il__self.locals, il__working, il__self.account};
	il__self.locals = call->locals; /* with the call's reference */
	call->locals = NULL;
	il__working.caller = call->caller;
	il__self.account = call_account(call);
}

static void call_leave(il_call *call)
{
	if (il__call_is_in_task())
		return;
	il__locals_unref(il__self.locals);
	il__self.locals = call->outside.locals;
	il__working = call->outside.working;
	il__self.account = call->outside.account;
}

static int call_function(const il_call *call)
{
	return il__guarded_fn(call->fn, call->arg);
}

/* fn, in a trace. */
static __attribute__((noinline)) int call_run_traced(const il_call *call)
{
	il_time begin = il__trace_now();
	int rc;

	il__trace_point(call->traced, IL__TRACE_RUN, IL__TRACE_HERE);
	rc = call_function(call);
	il__trace_point(call->traced, IL__TRACE_DONE, IL__TRACE_HERE);
	il__trace_span(begin, "call", call->fn, IL__TRACE_HERE);
	return rc;
}

int il__call_execute_claimed(il_call *call)
{
	char saved_name[16];
	int rc;

	IL__PROBE(call_run, call, call->fn);
	if (call->form == IL_CALL_BYTES)
		il_bytes_free(call->arg);
	call_enter(call);
	if (call->thread_name)
		il__os_thread_name(call->thread_name, saved_name);
	il__clear_refusal();
	rc = il__unlikely(call->traced) ? call_run_traced(call) : call_function(call);
	if (!call->ops->unattended)
		call->detail = il__keep_refusal(rc);
	if (call->form == IL_CALL_BYTES)
		il__bytes_end(call->arg);
	if (call->thread_name)
		il__os_thread_name(saved_name, NULL);
	call_leave(call);
	if (!call->ops->unattended)
		il__call_copy_back(call);
	return rc;
}

int il__call_execute(il_call *call)
{
	return call->ops->claim(call) ? il__call_execute_claimed(call) : -ECANCELED;
}

void il__call_tell(struct il__report *r, const il_call *call, bool begun)
{
	il__report_call(r, call->fn, call->arg);
	il__report(r, " in %s, %s", call->executor_type->runs_in,
		   begun ? "which runs it" : "queued");
}

void il__call_finish(il_call *call, int rc)
{
	const struct il__call_ops *ops = call->ops;

	IL__PROBE(call_answer, call, rc);
	il__call_fini(call);
	ops->finish(call, rc);
}

/* Nothing is copied back, as when a worker process dies. */
int il__call_lose(il_call *call)
{
	static const char why[] =
	    "the function ended its thread (pthread_exit) instead of returning";

	call_leave(call);
	if (call->form == IL_CALL_BYTES)
		il_bytes_free(call->arg);
	if (call->ops->unattended)
		il__log(IL_LOG_WARNING, "a call without a future failed: %s", why);
	else
		call->detail = il__strdup(why);
	return -EOWNERDEAD;
}

void il__call_lost(il_call *call)
{
	il__call_finish(call, il__call_lose(call));
}

static void call_on_lost(void *call)
{
	il__call_lost(call);
}

static void call_run_in_thread(il_call *call)
{
	int rc;

	pthread_cleanup_push(call_on_lost, call);
	rc = il__call_execute(call);
	pthread_cleanup_pop(0);
	il__call_finish(call, rc);
}

void il__call_fail(il_call *call, int rc)
{
	if (!call->ops->unattended)
		il__call_finish(call, rc);
	else if (il__call_is_in_task())
		il__call_finish(call, il__call_execute(call));
	else
		call_run_in_thread(call);
}
