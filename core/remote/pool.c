/*
 * pool.c: the executor's side of a remote pool. Any thread; no function of the core is called under the lock.
 */
#include "pool.h"

#include <errno.h>
#include <signal.h>

/* ---- the portal's thread is told ---- */

static int look(void *arg)
{
	struct il__remote_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	pool->posted = false;
	pthread_mutex_unlock(&pool->lock);
	il__remote_cancel_all(pool);
	il__remote_dispatch(pool);
	return 0;
}

/* Under the lock: whether it has to be told. */
static bool begin_tell(struct il__remote_pool *pool)
{
	bool first = !pool->posted;

	pool->posted = true;
	return first;
}

static void tell(struct il__remote_pool *pool)
{
	if (il_portal_run_sync_soon(pool->portal, NULL, look, pool) == 0)
		return;
	pthread_mutex_lock(&pool->lock); /* it looks now and then all the same */
	pool->posted = false;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- submitted ---- */

static int check_call(const struct il__remote_pool *pool, const il_call_info *info)
{
	if (info->form == IL_CALL_SHARED)
		return il_fail(-ENOTSUP,
			       "IL_SHARED: there is no memory that another machine shares");
	if (pool->options.raw && info->form != IL_CALL_BYTES)
		return il_fail(-ENOTSUP, "a raw remote pool takes calls of the form IL_BYTES only");
	if (info->form == IL_CALL_FLAT && info->in && !info->in_size)
		return il_fail(-EINVAL, "a remote pool sends the argument: give the size of the "
					"struct behind arg");
	if (!info->name)
		return il_fail(-ENOENT,
			       "the function has no name: il_function_register it here and "
			       "in the worker program");
	if (!il__remote_fits_line(info->name))
		return il_fail(-EINVAL, "a tab or the end of a line is in the name \"%s\"",
			       info->name);
	return 0;
}

/* Under the lock: 0, or why not. */
static int accept_out(struct il__remote_pool *pool, struct il__remote_out *out, const char *name)
{
	if (pool->shut)
		return il_fail(-ESHUTDOWN, "the remote pool is shut down");
	if (pool->unreachable && out->waits) /* it may have waited for room all the time */
		return il__remote_refuse_unreachable(pool->unreachable);
	if (pool->places == pool->options.queue_limit)
		return il_fail(-EAGAIN, "the remote pool is full: %zu calls are out", pool->places);
	out->name = il__remote_name_of(pool, name);
	if (!out->name)
		return il_fail(-ENOMEM, "no memory for the name of a function");
	out->id = ++pool->ids;
	*il_call_link(out->call) = out;
	pool->places++;
	pool->calls++;
	il__remote_list_push(&pool->pending, &out->place);
	return 0;
}

static int pool_submit(void *self, il_call *call)
{
	struct il__remote_pool *pool = self;
	struct il__remote_out *out;
	il_call_info info;
	bool first = false;
	int rc;

	il_call_get_info(call, &info);
	rc = check_call(pool, &info);
	if (rc < 0)
		return rc;
	out = il__remote_make_out(pool, call, &info);
	if (!out)
		return il_fail(-ENOMEM, "no memory for a call of %zu bytes", info.in_size);
	pthread_mutex_lock(&pool->lock);
	rc = accept_out(pool, out, info.name);
	if (rc == 0)
		first = begin_tell(pool);
	pthread_mutex_unlock(&pool->lock);
	if (rc < 0)
		il__remote_free_out(out);
	if (first)
		tell(pool);
	return rc;
}

/* ---- cancelled ---- */

/* Under the lock: it goes, and was nowhere else. */
static bool take_back(struct il__remote_out *out)
{
	if (out->sent)
		return false;
	il__remote_list_remove(&out->place);
	il__remote_leave_server(out);
	return true;
}

static bool pool_withdraw(void *self, il_call *call)
{
	struct il__remote_pool *pool = self;
	struct il__remote_out *out;
	bool taken = false, first = false;

	pthread_mutex_lock(&pool->lock);
	out = *il_call_link(call);
	if (out) {
		taken = take_back(out);
		if (!taken && il__remote_give_up(out, -ECANCELED))
			first = begin_tell(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	if (first)
		tell(pool);
	if (!taken)
		return false;
	il__remote_free_out(out);
	il__remote_free_place(pool);
	il__remote_uncount(pool, false);
	return true;
}

/* ---- its end ---- */

static void *stop_pool(void *arg)
{
	struct il__remote_pool *pool = arg;
	bool last;

	il__remote_pool_stop(pool);
	pthread_mutex_lock(&pool->lock);
	pool->stopped = true;
	last = pool->released;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	if (last)
		il__remote_pool_free(pool);
	return NULL;
}

/* As in every thread of the library, the signals that others may send are blocked in it: they are for the program's threads. */
static int create_thread(pthread_t *thread, void *(*main)(void *), void *arg)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t others, outside;
	int error;

	sigfillset(&others);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		sigdelset(&others, own[i]);
	pthread_sigmask(SIG_SETMASK, &others, &outside);
	error = pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &outside, NULL);
	return error;
}

/* Under the lock. Without memory for a thread it is tried again: by whoever comes next, or the pool's watch. */
static void start_stop(struct il__remote_pool *pool)
{
	pthread_t thread;

	if (create_thread(&thread, stop_pool, pool) != 0)
		return;
	pool->stopping = true;
	pthread_detach(thread);
}

/* Under the lock. Shut down and without calls, its tasks stop: that waits, and whoever sees it may be one of them, so it has a thread of
 * its own. */
static void stop_if_done(struct il__remote_pool *pool)
{
	if (!pool->shut || pool->calls > 0 || pool->stopping)
		return;
	if (pool->has_thread)
		start_stop(pool);
	else
		pool->stopping = pool->stopped = true;
}

void il__remote_stop_if_done(struct il__remote_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	stop_if_done(pool);
	pthread_mutex_unlock(&pool->lock);
}

/* Whoever waits for the last call waits for the stop, too. */
void il__remote_uncount(struct il__remote_pool *pool, bool answered)
{
	pthread_mutex_lock(&pool->lock);
	pool->calls--;
	pool->answering -= answered;
	stop_if_done(pool);
	if (pool->shut) /* nobody waits before */
		pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. */
static void await_stop(struct il__remote_pool *pool)
{
	while (pool->calls > 0 || (pool->stopping && !pool->stopped))
		pthread_cond_wait(&pool->changed, &pool->lock);
}

static int pool_shut_down(void *self, unsigned flags)
{
	struct il__remote_pool *pool = self;
	bool first;

	pthread_mutex_lock(&pool->lock);
	pool->shut = true;
	pool->cancels_all |= (flags & IL_CANCEL_FUTURES) != 0;
	first = pool->cancels_all && begin_tell(pool);
	pthread_mutex_unlock(&pool->lock);
	if (flags & IL_CANCEL_FUTURES)
		il__remote_fail_unsent(pool, -ECANCELED, false, NULL);
	if (first)
		tell(pool);
	pthread_mutex_lock(&pool->lock);
	stop_if_done(pool);
	if (!(flags & IL_NOWAIT))
		await_stop(pool);
	pthread_mutex_unlock(&pool->lock);
	return 0;
}

/* It is shut down already. */
static void pool_destroy(void *self)
{
	struct il__remote_pool *pool = self;
	bool last;

	il__remote_pool_list(pool, false);
	pthread_mutex_lock(&pool->lock);
	stop_if_done(pool);
	pool->released = true;
	last = pool->stopped;
	pthread_mutex_unlock(&pool->lock);
	if (last)
		il__remote_pool_free(pool);
}

il_executor_ops il__remote_pool_ops(const struct il__remote_pool *pool)
{
	return (il_executor_ops){.name = "remote pool",
				 .submit = pool_submit,
				 .withdraw = pool_withdraw,
				 .shutdown = pool_shut_down,
				 .destroy = pool_destroy,
				 .max_size = pool->options.max_size,
				 .in_loop = !pool->has_thread};
}
