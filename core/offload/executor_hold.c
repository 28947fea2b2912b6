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
	il_executor *ex;
	size_t calls;
};

static struct crowd *find(const il_executor *ex, il_loop *loop)
{
	il__list_each (node, &loop->crowds) {
		struct crowd *c = il__container_of(node, struct crowd, link);
		if (c->ex == ex)
			return c;
	}
	return NULL;
}

/* NULL: this call counts by itself, which at worst makes the clock stand for too long. */
static struct crowd *find_or_make(il_executor *ex, il_loop *loop)
{
	struct crowd *c;

	if (!loop->backend->driver.now || !ex->workers)
		return NULL;
	c = find(ex, loop);
	if (c || !(c = malloc(sizeof *c)))
		return c;
	c->ex = ex;
	c->calls = 0;
	il__list_push(&loop->crowds, &c->link);
	return c;
}

void il__executor_hold(il_executor *ex, il_loop *loop)
{
	struct crowd *c = find_or_make(ex, loop);

	il__loop_hold(loop); /* a task calls: it cannot be refused */
	if (!c || ++c->calls <= ex->workers)
		loop->inflight++;
}

void il__executor_release(il_executor *ex, il_loop *loop)
{
	struct crowd *c = find(ex, loop);

	if (!c || c->calls-- <= ex->workers)
		loop->inflight--;
	if (c && !c->calls) {
		il__list_remove(&c->link);
		free(c);
	}
	il__loop_release(loop);
}
