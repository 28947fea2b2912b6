/*
 * attendant.c: the thread that talks to busy workers for plain threads, which may be blocked, and
 * for loops that do not run at the moment. It is started by the first such call and ends when it has had
 * nothing to do for a while, or the pool is shut.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../executor/caller.h"
#include "pool.h"

#include <poll.h>
#include <time.h>

#define LINGER (10 * 1000) /* ms */

/* The wake descriptor, and three of each worker. */
struct polled {
	struct pollfd *fds;
	struct il__process_worker **workers;
	size_t count, capacity;
	bool whole; /* there was room for all */
	bool choked, outstanding;
	il_time due; /* of the workers, the first */
};

/* ---- what is to be done at once ---- */

/* Under the lock: gives pumps back to the loops that run again. */
static void attendant_give_back(struct il__process_pool *pool)
{
	il__list_each (node, &pool->pumps) {
		struct il__pump *pump = il__container_of(node, struct il__pump, link);
		if (!pump->wanted)
			continue;
		pump->wanted = pump->attended = false;
		il__list_splice(&pump->handed, &pump->busy);
		il__pump_kick(pump);
	}
}

static void attendant_visit(struct il__process_worker *w)
{
	enum il__outcome outcome;

	if (w->pool->attendant.blind)
		il__process_look(w);
	outcome = il__process_visit(w);
	if (outcome != IL__WAITS)
		il__process_finished(w, outcome);
}

/* False: nothing is. */
static bool do_next(struct il__process_pool *pool)
{
	struct il__process_worker *w = NULL;
	il_call *call = NULL;
	bool found = false;

	pthread_mutex_lock(&pool->lock);
	attendant_give_back(pool);
	il__list_each (node, &pool->pumps) {
		struct il__pump *pump = il__container_of(node, struct il__pump, link);
		found = pump->attended && il__pump_next(pump, &call, &w);
		if (found)
			break;
	}
	pthread_mutex_unlock(&pool->lock);
	if (call)
		il__pump_finish_dropped(call);
	else if (w)
		attendant_visit(w);
	return found;
}

/* ---- waiting for more ---- */

/* For so many more: all or none. */
static bool attendant_has_room(struct polled *p, size_t more)
{
	size_t capacity = p->capacity ? 2 * p->capacity : 64;
	struct il__process_worker **workers;
	struct pollfd *fds;

	if (p->count + more <= p->capacity)
		return true;
	fds = il__realloc(p->fds, capacity * sizeof *fds);
	if (!fds)
		return false;
	p->fds = fds;
	workers = il__realloc(p->workers, capacity * sizeof *workers);
	if (!workers)
		return false;
	p->workers = workers;
	p->capacity = capacity;
	return true;
}

static void attendant_add(struct polled *p, int fd, short events, struct il__process_worker *w)
{
	p->fds[p->count] = (struct pollfd){.fd = fd, .events = events};
	p->workers[p->count++] = w;
}

static void add_worker(struct polled *p, struct il__process_worker *w)
{
	short events =
	    (short)((w->wants & IL_READABLE ? POLLIN : 0) | (w->wants & IL_WRITABLE ? POLLOUT : 0));

	p->whole = p->whole && attendant_has_room(p, 3);
	if (!p->whole)
		return;
	/* A descriptor that is asked for nothing still reports its end. */
	attendant_add(p, events ? w->child.stream : -1, events, w);
	attendant_add(p, w->errors_over || w->choked ? -1 : w->child.errors, POLLIN, w);
	attendant_add(p, w->child.process, POLLIN, w);
	p->choked |= il__process_is_polled(w);
	p->due = w->due < p->due ? w->due : p->due;
}

static void list_polled(struct il__process_pool *pool, struct polled *p)
{
	p->count = 0;
	p->choked = p->outstanding = false;
	p->due = IL_FOREVER;
	p->whole = attendant_has_room(p, 1);
	if (p->whole)
		attendant_add(p, pool->attendant.wake[0], POLLIN, NULL);
	pthread_mutex_lock(&pool->lock);
	il__list_each (each, &pool->pumps) {
		struct il__pump *pump = il__container_of(each, struct il__pump, link);
		if (!pump->attended)
			continue;
		p->outstanding |= pump->outstanding > 0;
		il__list_each (node, &pump->busy)
			add_worker(p, il__container_of(node, struct il__process_worker, link));
	}
	pthread_mutex_unlock(&pool->lock);
}

/* In ms. */
static int timeout_of(const struct polled *p)
{
	int timeout = p->choked ? 10 : p->outstanding ? -1 : LINGER;
	il_time now = p->due == IL_FOREVER ? 0 : il__os_now(), rest;

	if (p->due == IL_FOREVER)
		return timeout;
	rest = p->due > now ? (p->due - now - 1) / IL_MSEC(1) + 1 : 0;
	return timeout < 0 || rest < timeout ? (int)(rest < LINGER ? rest : LINGER) : timeout;
}

/* What the system does not let us wait for, or we have no memory to ask for, is looked at each 10 ms. */
static void look_at_all_soon(struct il__process_pool *pool)
{
	nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
	il__os_wake_drain(pool->attendant.wake[0]);
	pthread_mutex_lock(&pool->lock);
	il__list_each (node, &pool->pumps) {
		struct il__pump *pump = il__container_of(node, struct il__pump, link);
		if (pump->attended)
			il__list_splice(&pump->handed, &pump->busy);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* False: nothing has come for a while. */
static bool wait_for_more(struct il__process_pool *pool, struct polled *p)
{
	int ready = p->whole ? poll(p->fds, (nfds_t)p->count, timeout_of(p)) : -1;

	pool->attendant.blind = ready < 0;
	if (ready < 0) {
		look_at_all_soon(pool);
		return p->outstanding;
	}
	if (p->fds[0].revents)
		il__os_wake_drain(pool->attendant.wake[0]);
	for (size_t i = 1; i < p->count; i += 3) {
		struct il__process_worker *w = p->workers[i];
		if (p->fds[i + 1].revents || w->choked)
			il__process_relay(w);
		w->ended |= p->fds[i + 2].revents != 0;
		if (p->fds[i].revents || p->fds[i + 1].revents || p->fds[i + 2].revents ||
		    il__process_is_due(w) || il__process_is_polled(w))
			attendant_visit(w);
	}
	return ready != 0 || p->choked || p->outstanding;
}

/* ---- the thread ---- */

/* Under the lock. */
static bool has_outstanding(struct il__process_pool *pool)
{
	bool some = false;

	il__list_each (node, &pool->pumps) {
		struct il__pump *pump = il__container_of(node, struct il__pump, link);
		some |= pump->attended && pump->outstanding > 0;
	}
	return some;
}

static void attendant_on_exit(void *pool)
{
	il__fatal("process pool %s: a callback of a future ended the pool's thread with "
		  "pthread_exit; return from it instead",
		  ((const struct il__process_pool *)pool)->name);
}

static __attribute__((noinline)) void attend(struct il__process_pool *pool)
{
	struct polled p = {.count = 0};
	bool more = true, ends;

	il__working.pool = pool;
	il__os_thread_name("il-attendant", NULL);
	do {
		while (do_next(pool))
			;
		pthread_mutex_lock(&pool->lock);
		ends = (pool->shut || !more) && !has_outstanding(pool);
		pool->attendant.running = !ends;
		pthread_mutex_unlock(&pool->lock);
		if (!ends) {
			list_polled(pool, &p);
			more = wait_for_more(pool, &p);
		}
	} while (!ends);
	il__free(p.fds);
	il__free(p.workers);
}

static void *attendant_main(void *pool)
{
	pthread_cleanup_push(attendant_on_exit, pool);
	attend(pool);
	pthread_cleanup_pop(0);
	il__process_pool_unref(pool);
	return NULL;
}

int il__attendant_start(struct il__process_pool *pool)
{
	struct il__attendant *a = &pool->attendant;
	int rc;

	if (a->running)
		return 0;
	if (a->wake[0] < 0 && (rc = il__os_wake_open(a->wake)) < 0)
		return il__refuse(rc, "process pool %s: no descriptor for wake-ups: %s", pool->name,
				  il__system_words(rc));
	if (a->joinable)
		pthread_join(a->thread, NULL);
	atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
	rc = il__os_thread_start(&a->thread, 0, attendant_main, pool);
	a->running = rc == 0;
	a->joinable = rc == 0 && !a->released;
	if (rc < 0)
		atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_relaxed);
	else if (a->released)
		pthread_detach(a->thread);
	return rc;
}

void il__attendant_wake(struct il__process_pool *pool)
{
	/* The thread itself looks at its lists before it polls. */
	if (pool->attendant.running && il__working.pool != pool)
		il__os_wake_write(pool->attendant.wake[1]);
}

static bool take_thread(struct il__process_pool *pool, pthread_t *thread, bool release)
{
	bool joinable;

	pthread_mutex_lock(&pool->lock);
	pool->attendant.released |= release;
	joinable = pool->attendant.joinable;
	*thread = pool->attendant.thread;
	pool->attendant.joinable = false;
	pthread_mutex_unlock(&pool->lock);
	return joinable;
}

void il__attendant_join(struct il__process_pool *pool)
{
	pthread_t thread;

	if (take_thread(pool, &thread, false))
		pthread_join(thread, NULL);
}

void il__attendant_detach(struct il__process_pool *pool)
{
	pthread_t thread;

	if (take_thread(pool, &thread, true))
		pthread_detach(thread);
}
