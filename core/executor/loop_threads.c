/*
 * loop_threads.c: a loop's worker threads: a pool without a bound, which limiters bound, and how many calls it
 * runs. Loop's thread only.
 */
#include "loop_threads.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../runtime/extension.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "thread_pool.h"

#include <interloop/thread.h>

#include <limits.h>

static void drop_left(struct il__threads *threads)
{
	struct il__list *node;

	while ((node = il__list_pop(&threads->left))) {
		struct il__left_call *call = il__container_of(node, struct il__left_call, link);
		call->drop(call);
	}
}

static int close_threads(struct il__extension *x, il_loop *loop)
{
	struct il__threads *threads = il__container_of(x, struct il__threads, extension);
	il_time timeout = loop->options.shutdown_timeout;
	int rc = 0;

	/* Idle workers end at once; only abandoned calls can make us wait. */
	if (threads->active == 0)
		il__thread_pool_finish(threads->pool, IL_FOREVER);
	else if (!il__thread_pool_finish(threads->pool, il__deadline_from(il__os_now(), timeout)) &&
		 timeout)
		rc = il__refuse(-ETIMEDOUT,
				"il_loop_close: %zu abandoned threads still run after "
				"shutdown_timeout; they end by themselves",
				threads->active);
	drop_left(threads);
	il_executor_unref(threads->pool);
	il_limiter_destroy(threads->limiter);
	il__free(threads);
	return rc;
}

static const struct il__extension_ops threads_ops = {.closing = close_threads};

/* NULL: none has been needed yet. */
static struct il__threads *find_threads(const il_loop *loop)
{
	struct il__extension *x = il__loop_extension(loop, &threads_ops);

	return x ? il__container_of(x, struct il__threads, extension) : NULL;
}

int il__threads_get(il_loop *loop, struct il__threads **out)
{
	il_thread_pool_options options = {
	    .max_workers = INT_MAX, .queue_limit = SIZE_MAX, .name = "il-thread"};
	struct il__threads *threads = find_threads(loop);
	int rc;

	*out = threads;
	if (threads)
		return 0;
	threads = il__calloc(1, sizeof *threads);
	if (!threads)
		return il__refuse(-ENOMEM, "il_run_in_thread: out of memory");
	rc = il_limiter_create(&threads->limiter, loop->options.thread_limit);
	if (rc == 0)
		rc = il_thread_pool_create(&threads->pool, &options);
	if (rc < 0) {
		il_limiter_destroy(threads->limiter);
		il__free(threads);
		return rc;
	}
	il__list_init(&threads->left);
	il__list_init(&threads->waiters);
	il__loop_extend(loop, &threads->extension, &threads_ops);
	*out = threads;
	return 0;
}

static bool is_waited_for(const struct il__threads *threads)
{
	return !il__list_empty(&threads->waiters);
}

void il__threads_leave(struct il__threads *threads, il_loop *loop, struct il__left_call *call)
{
	il__list_push(&threads->left, &call->link);
	il__owe(&loop->ledger, IL__OWED_EVENT);
	if (is_waited_for(threads))
		il__owe_calls(loop, call->account, 1);
}

void il__threads_come_back(struct il__threads *threads, il_loop *loop, struct il__left_call *call)
{
	il__list_remove(&call->link);
	il__paid(&loop->ledger, IL__OWED_EVENT);
	if (is_waited_for(threads))
		il__paid_calls(loop, call->account, 1);
	call->drop(call);
}

/* The first begins to wait for all that run, or the last gives up. */
static void for_each_left(struct il__threads *threads, il_loop *loop,
			  void (*verb)(il_loop *loop, struct il__account *account, size_t calls))
{
	il__list_each (node, &threads->left)
		verb(loop, il__container_of(node, struct il__left_call, link)->account, 1);
}

void il__threads_count_out(struct il__threads *threads)
{
	if (--threads->active == 0)
		il__queue_wake_all(&threads->waiters, 0);
}

il_limiter *il_thread_limiter(void)
{
	struct il__threads *threads;

	return il__self.loop && il__threads_get(il__self.loop, &threads) == 0 ? threads->limiter
									      : NULL;
}

size_t il_threads_active(void)
{
	struct il__threads *threads = il__self.loop ? find_threads(il__self.loop) : NULL;

	return threads ? threads->active : 0;
}

static bool unlink_waiter(il_task *task, void *arg)
{
	struct il__threads *threads = arg;

	il__list_remove(&task->waiter.link);
	if (!is_waited_for(threads))
		for_each_left(threads, task->loop, il__paid_calls);
	return true;
}

static void threads_tell(struct il__report *r, const il_task *task)
{
	const struct il__threads *threads = task->waiter.arg;

	il__report(r, "%zu calls in worker threads", threads->active);
}

static const struct il__wait threads_wait = {"il_threads_wait", threads_tell};

int il_threads_wait(void)
{
	struct il__threads *threads;
	int rc;
	il_task *task;

	if (!il__task_here() && il_loop_current() && il_threads_active() == 0)
		return 0;
	task = il__task_current("il_threads_wait", &rc);
	if (!task || (rc = il__task_check(task)) < 0 ||
	    (rc = il__threads_get(task->loop, &threads)) < 0)
		return rc;
	if (threads->active == 0) {
		il__task_yield(task);
		return 0;
	}
	if (!is_waited_for(threads))
		for_each_left(threads, task->loop, il__owe_calls);
	il__list_push(&threads->waiters, &task->waiter.link);
	return il__task_park(task, unlink_waiter, threads, &threads_wait);
}
