/*
 * source.c: descriptors that the core itself watches. Loop's thread only.
 */
#include "source.h"
#include "loop.h"

int il__source_watch(il_loop *loop, struct il__source *source, unsigned mask)
{
	int rc;

	if (source->watch.mask == mask)
		return 0;
	source->watch.loop = loop;
	rc = mask ? il__native_room(loop, source->watch.fd) : 0;
	if (rc == 0)
		rc = loop->backend->driver.watch(loop->driver, &source->watch, mask);
	if (rc == 0)
		source->watch.mask = mask;
	return rc;
}
