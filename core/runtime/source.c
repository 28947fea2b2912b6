/*
 * source.c: descriptors that the core itself watches. Loop's thread only.
 */
#include "source.h"
#include "../base/list.h"
#include "loop.h"

#include <unistd.h>

static void source_set_mask(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il_watch *w = &source->watch;

	if (!w->mask && mask)
		il__list_push(&loop->watched, &source->link);
	else if (w->mask && !mask)
		il__list_remove(&source->link);
	w->mask = mask;
	if (!mask && source->copy) {
		close(w->fd);
		source->copy = false;
	}
}

int il__source_watch(il_loop *loop, struct il__source *source, unsigned mask)
{
	int rc;

	if (source->watch.mask == mask && !source->copy)
		return 0;
	source->watch.loop = loop;
	rc = mask ? il__native_room(loop, source->watch.fd) : 0;
	if (rc == 0)
		rc = loop->backend->driver.watch(loop->driver, &source->watch, mask);
	if (rc == 0)
		source_set_mask(source, loop, mask);
	return rc;
}
