/*
 * native.c: what the core does for native libraries, beside the six primitives of their drivers: it
 * tries beforehand what they would end the program over, keeps 0 to 2 from their descriptors, and
 * knows how many watchers of one descriptor they take. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/os.h"
#include "loop.h"

int il_driver_probe(int descriptors)
{
	int rc = il__os_probe_descriptors(descriptors);

	return rc < 0 ? il__refuse(rc, "the native loop needs %d descriptors: %s", descriptors,
				   il__lack_words(rc))
		      : 0;
}

static int refuse_memory(size_t size)
{
	return il__refuse(-ENOMEM, "the native loop may need %zu bytes, and there are none", size);
}

/* Some abort where the table that they keep by descriptor cannot grow. It is tried for numbers
 * twice as high, so seldom. */
int il__native_room(il_loop *loop, int fd)
{
	size_t room = ((size_t)fd + 1) * 2, size = room * 128;

	if (il__likely((size_t)fd < loop->room))
		return 0;
	if (il__os_probe_memory(size) < 0)
		return refuse_memory(size);
	loop->room = room;
	return 0;
}

void il_driver_watches_once(il_loop *loop)
{
	loop->watches_once = true;
}

int il__native_renew(il_loop *loop)
{
	int rc = il__os_stdio_hold();

	if (rc < 0)
		return rc;
	rc = loop->backend->driver.renew(loop->driver);
	il__os_stdio_release();
	return rc;
}

int il__native_open(il_loop *loop, void *native)
{
	const size_t size = native ? 0 : (size_t)256 << 10;
	int rc;

	if (size && il__os_probe_memory(size) < 0)
		return refuse_memory(size);
	rc = il__os_stdio_hold();
	if (rc < 0)
		return il__refuse(rc, "il_loop: no descriptor: %s", il__lack_words(rc));
	il__clear_refusal();
	rc = loop->backend->driver.open(&loop->driver, native, loop);
	il__os_stdio_release();
	if (rc < 0 && !il__has_refused(rc))
		return il__refuse(rc, "il_loop: %s cannot be opened: %s", loop->backend->name,
				  il__lack_words(rc));
	return rc;
}
