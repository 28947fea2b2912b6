/*
 * executor_hold.c: the loop is held while a task waits for an executor, and so is a virtual clock: it
 * stands while a worker owes an answer. A call behind busy workers owes nothing yet, for these may wait
 * for the clock themselves (il_from_thread_run). So of a loop's calls into one pool no more count than
 * it has workers. Loop's thread only.
 */
#include "offload.h"

#include <stdlib.h>

/* The calls of one loop into one pool; lives while there are any. */
struct crowd {
	struct il__list link;
	const void *pool; /* compared only */
	size_t workers, calls;
};

static struct crowd *find(const void *pool, il_loop *loop)
{
	il__list_each (node, &loop->crowds) {
		struct crowd *c = il__container_of(node, struct crowd, link);
		if (c->pool == pool)
			return c;
	}
	return NULL;
}

/* NULL: this call counts by itself, which at worst makes the clock stand for too long. */
static struct crowd *find_or_make(const void *pool, size_t workers, il_loop *loop)
{
	struct crowd *c;

	if (!loop->backend->driver.now || !workers)
		return NULL;
	c = find(pool, loop);
	if (c || !(c = malloc(sizeof *c)))
		return c;
	*c = (struct crowd){.pool = pool, .workers = workers};
	il__list_push(&loop->crowds, &c->link);
	return c;
}

void il__pool_owes(const void *pool, size_t workers, il_loop *loop)
{
	struct crowd *c = find_or_make(pool, workers, loop);

	if (!c || ++c->calls <= c->workers)
		loop->inflight++;
}

void il__pool_paid(const void *pool, il_loop *loop)
{
	struct crowd *c = find(pool, loop);

	if (!c || c->calls-- <= c->workers)
		loop->inflight--;
	if (c && !c->calls) {
		il__list_remove(&c->link);
		free(c);
	}
}

void il__executor_hold(il_executor *ex, il_loop *loop)
{
	il__loop_hold(loop); /* a task calls: it cannot be refused */
	il__pool_owes(ex->self, ex->workers, loop);
}

void il__executor_release(il_executor *ex, il_loop *loop)
{
	il__pool_paid(ex->self, loop);
	il__loop_release(loop);
}
