/*
 * executor_map.c: il_executor_map. All of it is one allocation, which goes with the last of its calls or with the waiter.
 * `lock` orders the workers that end with the waiter: whoever ends last, or fails first, fires the waiter under it, and
 * the waiter takes it once more before it leaves. It leaves calls behind that have not begun and cannot be taken back.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../runtime/wakeup.h"
#include "call.h"
#include "executor.h"

struct item {
	il_call call;
	struct map *map;
	int rc;
	bool finished; /* under lock */
	bool begun;    /* by its worker, before its end; under lock where the map keeps_calls */
};

struct map {
	pthread_mutex_t lock;
	size_t left;               /* under lock: submitted and not finished */
	size_t running;            /* under lock, where it keeps_calls: begun and not finished */
	bool failed;               /* under lock */
	bool killed;               /* under lock: those that ran, too */
	bool over;                 /* under lock: the waiter has left */
	bool keeps_calls;          /* il__executor_keeps_calls */
	struct il__wakeup *waiter; /* under lock */
	atomic_bool stopped; /* set under lock, by the waiter or the first failure: run no more */
	struct il__caller caller;
	struct il__account account; /* of all its calls */
	size_t owed;                /* calls that the waiter has entered there */
	bool virtual_time; /* each end of a call wakes the waiter: one call less holds the clock */
	size_t submitted;
	struct item items[];
};

static void map_free(struct map *map)
{
	pthread_mutex_destroy(&map->lock);
	il__free(map);
}

/* Where the map keeps its calls none begins any more once it was stopped. */
static bool claim_item(il_call *call)
{
	struct item *item = il__container_of(call, struct item, call);
	struct map *map = item->map;
	bool runs;

	if (!map->keeps_calls)
		return item->begun = !atomic_load_explicit(&map->stopped, memory_order_relaxed);
	pthread_mutex_lock(&map->lock);
	runs = item->begun = !atomic_load_explicit(&map->stopped, memory_order_relaxed);
	map->running += runs;
	pthread_mutex_unlock(&map->lock);
	return runs;
}

/* Under the lock: the calls to wait for. Those that have not begun never will. */
static size_t map_owed(const struct map *map)
{
	return map->keeps_calls && map->stopped ? map->running : map->left;
}

static void finish_item(il_call *call, int rc)
{
	struct item *item = il__container_of(call, struct item, call);
	struct map *map = item->map;
	struct il__wakeup *waiter = NULL;
	bool last;

	pthread_mutex_lock(&map->lock);
	item->rc = rc;
	item->finished = true;
	map->running -= map->keeps_calls && item->begun;
	item->begun &= !(map->killed && rc == -ECANCELED);
	map->left--;
	if (rc < 0 && !map->failed) {
		map->failed = true;
		atomic_store_explicit(&map->stopped, true, memory_order_relaxed);
		waiter = map->waiter;
	}
	if (map->virtual_time || map_owed(map) == 0)
		waiter = map->waiter;
	if (waiter) {
		map->waiter = NULL;
		il__wakeup_fire(waiter);
	}
	last = map->left == 0 && map->over;
	pthread_mutex_unlock(&map->lock);
	if (last)
		map_free(map);
}

static const struct il__call_ops item_ops = {.claim = claim_item, .finish = finish_item};

/* Takes back what has not begun; with `kill` ends what has. */
static void map_stop(struct map *map, il_executor *ex, bool kill)
{
	pthread_mutex_lock(&map->lock);
	atomic_store_explicit(&map->stopped, true, memory_order_relaxed);
	pthread_mutex_unlock(&map->lock);
	for (size_t i = 0; (ex->ops->withdraw || kill) && i < map->submitted; i++) {
		struct item *item = &map->items[i];
		bool mine;
		pthread_mutex_lock(&map->lock);
		mine = !item->finished;
		map->killed |= kill;
		pthread_mutex_unlock(&map->lock);
		if (mine && il__executor_withdraw(ex, &item->call))
			il__call_finish(&item->call, -ECANCELED);
		else if (mine && kill)
			il__executor_kill(ex, &item->call);
	}
}

/* So many calls have not finished yet. */
static void set_owed(struct map *map, il_loop *loop, size_t left)
{
	if (left > map->owed)
		il__owe_calls(loop, &map->account, left - map->owed);
	else if (left < map->owed)
		il__paid_calls(loop, &map->account, map->owed - left);
	map->owed = left;
}

/* While its waiter sleeps. */
struct map_wait {
	struct il__wakeup wakeup;
	struct map *map;
};

static void map_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);
	struct map *map = il__container_of(s, const struct map_wait, wakeup)->map;
	size_t left;

	pthread_mutex_lock(&map->lock);
	left = map->left;
	pthread_mutex_unlock(&map->lock);
	il__report(r, "%zu of %zu calls have not ended", left, map->submitted);
}

/* Until every submitted call has finished; stops early on failure, time-out or cancellation. */
static int map_await(struct map *map, il_executor *ex, il_time deadline)
{
	struct map_wait wait = {.map = map};
	struct il__wakeup *wakeup = &wait.wakeup;
	bool stopped = false, killed = !ex->ops->kill, cancelled = false;
	int outcome = 0;

	for (;;) {
		bool failed, over, kill;
		size_t left;
		int rc;
		il__wakeup_init(wakeup, "il_executor_map");
		wakeup->wait.tell = map_tell;
		wakeup->local = wakeup->task && il__is_in_books(wakeup->task->loop, &map->account);
		pthread_mutex_lock(&map->lock);
		left = map_owed(map);
		over = left == 0;
		failed = map->failed;
		map->waiter = over || (failed && !stopped) ? NULL : wakeup;
		pthread_mutex_unlock(&map->lock);
		if (wakeup->task)
			set_owed(map, wakeup->task->loop, left);
		if (over)
			return outcome;
		if (failed && !stopped) {
			map_stop(map, ex, false);
			stopped = true;
			continue;
		}
		/* Maybe since it was woken: then no wait tells it. */
		if (!cancelled && wakeup->task && il__task_cancelled(wakeup->task))
			rc = -ECANCELED;
		else
			rc = il__wakeup_wait(wakeup, stopped && killed ? IL_FOREVER : deadline);
		if (rc == 0)
			continue;
		pthread_mutex_lock(&map->lock);
		bool withdrawn = map->waiter == wakeup;
		map->waiter = NULL;
		pthread_mutex_unlock(&map->lock);
		if (!withdrawn)
			il__wakeup_wait_shielded(wakeup);
		if (rc == -ECANCELED) { /* it goes on waiting, and the workers can ask for it */
			atomic_store_explicit(&map->caller.cancelled, true, memory_order_relaxed);
			cancelled = true;
		}
		if (rc == -ENOMEM) /* for the time limit */
			deadline = IL_FOREVER;
		kill = !killed && (rc == -ETIMEDOUT || (rc == -ECANCELED && ex->kills));
		if (!stopped)
			outcome = rc;
		if (!stopped || kill)
			map_stop(map, ex, kill);
		stopped = true;
		killed |= kill;
	}
}

/* It is the failure, as if it had run. */
static void refuse_item(struct item *item, int rc)
{
	struct map *map = item->map;

	pthread_mutex_lock(&map->lock);
	item->rc = rc;
	item->call.detail = il__keep_refusal(rc);
	map->failed = true;
	pthread_mutex_unlock(&map->lock);
}

/* 1: the call is there, but the task was cancelled meanwhile. */
static int submit_item(struct item *item, il_executor *ex, il_fn *fn, void *arg, size_t size,
		       il_time deadline)
{
	struct map *map = item->map;
	int rc = il__call_init(&item->call, ex, fn, arg, size);

	if (rc < 0)
		return rc;
	item->call.ops = &item_ops;
	item->call.caller = map->caller.loop ? &map->caller : NULL;
	item->call.account = &map->account;
	pthread_mutex_lock(&map->lock);
	map->left++;
	pthread_mutex_unlock(&map->lock);
	rc = il__executor_submit_waiting(ex, &item->call, deadline);
	if (rc >= 0) {
		map->submitted++;
		return rc;
	}
	il__call_fini(&item->call);
	pthread_mutex_lock(&map->lock);
	map->left--;
	pthread_mutex_unlock(&map->lock);
	return rc;
}

/* 0; -ETIMEDOUT, -ECANCELED: that came meanwhile. */
static int submit_all(struct map *map, il_executor *ex, il_fn *fn, char *items, size_t count,
		      size_t size, il_time deadline)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		if (atomic_load_explicit(&map->stopped, memory_order_relaxed))
			break;
		rc = submit_item(&map->items[i], ex, fn, items + i * il__form_stride(size), size,
				 deadline);
		if (rc > 0)
			rc = -ECANCELED;
		if (rc == 0 || rc == -ECANCELED || rc == -ETIMEDOUT)
			continue;
		refuse_item(&map->items[i], rc);
		return 0;
	}
	return rc;
}

static int map_run(struct map *map, il_executor *ex, il_fn *fn, void *items, size_t count,
		   size_t size, il_time deadline, il_task *task)
{
	int rc, cut;

	for (size_t i = 0; i < count; i++) {
		map->items[i].map = map;
		map->items[i].rc = -ECANCELED;
	}
	if (task) {
		map->caller = (struct il__caller){
		    .inbox = task->loop->inbox, .scope = task->scope, .loop = task->loop};
		map->virtual_time = task->loop->own_clock;
	}
	map->account = il__executor_account(ex, SIZE_MAX);
	cut = submit_all(map, ex, fn, items, count, size, deadline);
	if (cut == -ECANCELED)
		atomic_store_explicit(&map->caller.cancelled, true, memory_order_relaxed);
	if (cut < 0)
		map_stop(map, ex, false);
	rc = map_await(map, ex, deadline);
	return cut < 0 ? cut : rc;
}

static bool all_begun(const struct map *map, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!map->items[i].begun)
			return false;
	return true;
}

/* Every result, and the failure that counts if there is none so far. */
static int map_collect(struct map *map, size_t count, int *results, int rc)
{
	for (size_t i = 0; i < count; i++) {
		struct item *item = &map->items[i];
		il__call_answered(&item->call);
		if (results)
			results[i] = item->rc;
		/* A call that was cancelled because another failed is not the failure. */
		if (rc == 0 && item->rc < 0 && (item->rc != -ECANCELED || item->begun)) {
			rc = il__refuse_again(item->rc, item->call.detail);
			continue;
		}
		il__free(item->call.detail);
	}
	return rc;
}

static int map_check(il_executor *ex, il_fn *fn, void *items, size_t count, size_t size,
		     il_time timeout)
{
	size_t stride = il__form_stride(size);

	if (!ex || !fn || (count && !items) || timeout < 0 || !il__is_array(count, stride) ||
	    !il__is_array(count, sizeof(int)))
		return il__refuse(
		    -EINVAL, "il_executor_map: the executor, fn or items is NULL, the timeout is "
			     "negative, or count * size overflows");
	if (il__inherited(ex->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_executor_map: the executor was inherited across fork");
	return 0;
}

/* What need not wait may be asked for anywhere. */
static int map_may_wait(il_executor *ex, il_task **task)
{
	if (ex->ops->only_worker(ex->self))
		return il__refuse(
		    -EDEADLK, "il_executor_map: called by the pool's only worker, which would wait "
			      "for itself; give the pool more workers");
	return il__may_wait("il_executor_map", task);
}

/* The map goes now, or with the last call that is left behind. */
static int map_end(struct map *map, size_t count, int *results, int rc, il_task *task)
{
	bool last;

	pthread_mutex_lock(&map->lock);
	if (rc == -ECANCELED && all_begun(map, count))
		rc = 0; /* it came too late to stop anything: the results are whole */
	if (rc == -ECANCELED && task)
		il__task_cancelled(task); /* the reason: others may have told more since */
	if (rc == -ETIMEDOUT)
		il__refuse(rc, "il_executor_map: not all of %zu calls ended in time", count);
	rc = map_collect(map, count, results, rc);
	if (rc == 0 && !all_begun(map, count))
		rc = il__no_words(-ECANCELED); /* the executor was shut down by IL_CANCEL_FUTURES */
	map->over = true;
	last = map->left == 0;
	pthread_mutex_unlock(&map->lock);
	if (last)
		map_free(map);
	return rc;
}

int il_executor_map(il_executor *ex, il_fn *fn, void *items, size_t count, size_t size,
		    int *results, il_time timeout)
{
	il_time deadline = timeout == IL_FOREVER ? IL_FOREVER : il_deadline(timeout);
	bool waits = count > 0 && timeout > 0;
	struct map *map;
	il_task *task = NULL;
	int rc = map_check(ex, fn, items, count, size, timeout);

	if (rc < 0 || (waits && (rc = map_may_wait(ex, &task)) < 0))
		return rc;
	for (size_t i = 0; results && i < count; i++)
		results[i] = -ECANCELED;
	if (!waits)
		return count ? il__refuse(-ETIMEDOUT, "il_executor_map: the timeout is 0") : 0;
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	map = il__is_array(count, 2 * sizeof(struct item))
		  ? il__calloc(1, sizeof *map + count * sizeof(struct item))
		  : NULL;
	if (!map)
		return il__refuse(-ENOMEM, "il_executor_map: no memory for %zu calls", count);
	pthread_mutex_init(&map->lock, NULL);
	map->keeps_calls = il__executor_keeps_calls(ex);
	il_executor_ref(ex); /* another task may drop the last one while this one waits */
	rc = map_run(map, ex, fn, items, count, size, deadline, task);
	il_executor_unref(ex);
	return map_end(map, count, results, rc, task);
}
