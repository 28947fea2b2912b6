/*
 * executor_map.c: il_executor_map. The items and their calls are one allocation. `lock` orders the workers that
 * end with the waiter: whoever ends last, or fails first, fires the waiter under it, and the
 * waiter takes it once more before it leaves.
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

#include <signal.h>

struct item {
	il_call call;
	struct map *map;
	int rc;
	bool finished; /* under lock */
	bool begun;    /* by its worker, before its end */
};

struct map {
	pthread_mutex_t lock;
	size_t left;               /* under lock: submitted and not finished */
	bool failed;               /* under lock */
	bool killed;               /* under lock: those that ran, too */
	struct il__wakeup *waiter; /* under lock */
	atomic_bool stopped;       /* set by the waiter, or by the first failure: run no more */
	struct il__caller caller;
	struct il__account account; /* of all its calls */
	size_t owed;                /* calls that the waiter has entered there */
	bool virtual_time; /* each end of a call wakes the waiter: one call less holds the clock */
	struct item *items;
	size_t submitted;
};

static bool claim_item(il_call *call)
{
	struct item *item = il__container_of(call, struct item, call);

	item->begun = !atomic_load_explicit(&item->map->stopped, memory_order_relaxed);
	return item->begun;
}

static void finish_item(il_call *call, int rc)
{
	struct item *item = il__container_of(call, struct item, call);
	struct map *map = item->map;
	struct il__wakeup *waiter = NULL;

	pthread_mutex_lock(&map->lock);
	item->rc = rc;
	item->finished = true;
	item->begun &= !(map->killed && rc == -ECANCELED);
	map->left--;
	if (rc < 0 && !map->failed) {
		map->failed = true;
		atomic_store_explicit(&map->stopped, true, memory_order_relaxed);
		waiter = map->waiter;
	}
	if (map->left == 0 || map->virtual_time)
		waiter = map->waiter;
	if (waiter) {
		map->waiter = NULL;
		il__wakeup_fire(waiter);
	}
	pthread_mutex_unlock(&map->lock);
}

static const struct il__call_ops item_ops = {.claim = claim_item, .finish = finish_item};

/* Takes back what has not begun; with `kill` ends what has. */
static void map_stop(struct map *map, il_executor *ex, bool kill)
{
	atomic_store_explicit(&map->stopped, true, memory_order_relaxed);
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
		pthread_mutex_lock(&map->lock);
		left = map->left;
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
		kill = !killed && (rc == -ETIMEDOUT || ex->kills);
		if (!stopped)
			outcome = rc;
		if (!stopped || kill)
			map_stop(map, ex, kill);
		stopped = true;
		killed |= kill;
	}
}

static int submit_all(struct map *map, il_executor *ex, il_fn *fn, char *items, size_t count,
		      size_t size, il_time deadline, il_task *task)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct item *item = &map->items[i];
		if (atomic_load_explicit(&map->stopped, memory_order_relaxed))
			break;
		rc = il__call_init(&item->call, ex, fn, items + i * il__form_stride(size), size);
		if (rc < 0)
			break;
		item->call.ops = &item_ops;
		item->call.caller = task ? &map->caller : NULL;
		item->call.account = &map->account;
		pthread_mutex_lock(&map->lock);
		map->left++;
		pthread_mutex_unlock(&map->lock);
		rc = il__executor_submit_waiting(ex, &item->call, deadline);
		if (rc < 0) {
			il__call_fini(&item->call);
			pthread_mutex_lock(&map->lock);
			map->left--;
			pthread_mutex_unlock(&map->lock);
		} else {
			map->submitted++;
			rc = rc > 0 ? -ECANCELED : 0;
		}
	}
	return rc;
}

static int map_run(struct map *map, il_executor *ex, il_fn *fn, void *items, size_t count,
		   size_t size, il_time deadline, il_task *task)
{
	int rc, refused;

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
	refused = submit_all(map, ex, fn, items, count, size, deadline, task);
	if (refused == -ECANCELED)
		atomic_store_explicit(&map->caller.cancelled, true, memory_order_relaxed);
	if (refused < 0)
		map_stop(map, ex, false);
	rc = map_await(map, ex, deadline);
	return refused < 0 ? refused : rc;
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
	if (ex->ops->only_worker(ex->self))
		return il__refuse(
		    -EDEADLK, "il_executor_map: called by the pool's only worker, which would wait "
			      "for itself; give the pool more workers");
	return 0;
}

int il_executor_map(il_executor *ex, il_fn *fn, void *items, size_t count, size_t size,
		    int *results, il_time timeout)
{
	il_time deadline = timeout == IL_FOREVER ? IL_FOREVER : il_deadline(timeout);
	struct map map = {.left = 0};
	bool waits = count > 0 && timeout > 0;
	il_task *task = NULL;
	int rc = map_check(ex, fn, items, count, size, timeout);

	if (rc < 0 || (waits && (rc = il__may_wait("il_executor_map", &task)) < 0))
		return rc;
	map.items = waits ? il__calloc(count, sizeof *map.items) : NULL;
	if (waits && !map.items)
		return il__refuse(-ENOMEM, "il_executor_map: no memory for %zu calls", count);
	for (size_t i = 0; results && i < count; i++)
		results[i] = -ECANCELED;
	if (!waits)
		return count ? il__refuse(-ETIMEDOUT, "il_executor_map: the timeout is 0") : 0;
	if (task && (rc = il__task_check(task)) < 0) {
		il__free(map.items);
		return rc;
	}
	pthread_mutex_init(&map.lock, NULL);
	il_executor_ref(ex); /* another task may drop the last one while this one waits */
	rc = map_run(&map, ex, fn, items, count, size, deadline, task);
	il_executor_unref(ex);
	if (rc == -ECANCELED && all_begun(&map, count))
		rc = 0; /* it came too late to stop anything: the results are whole */
	if (rc == -ETIMEDOUT)
		il__refuse(rc, "il_executor_map: not all of %zu calls ended in time", count);
	rc = map_collect(&map, count, results, rc);
	if (rc == 0 && !all_begun(&map, count))
		rc = -ECANCELED; /* somebody shut the executor down with IL_CANCEL_FUTURES */
	pthread_mutex_destroy(&map.lock);
	il__free(map.items);
	return rc;
}
