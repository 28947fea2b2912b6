/*
 * native.c: what the core does for native libraries, beside the six primitives of their drivers: it keeps 0 to 2 from
 * their descriptors. Loop's thread only.
 */
#include "../base/base.h"
#include "loop.h"

int il__native_open(il_loop *loop, void *native)
{
	int rc = il__os_stdio_hold();

	if (rc < 0)
		return il__refuse(rc, "il_loop: no descriptor: %s", il__system_words(rc));
	il__forget_refusal();
	rc = loop->backend->driver.open(&loop->driver, native, loop);
	il__os_stdio_release();
	if (rc < 0 && !il__has_refused(rc))
		return il__refuse(rc, "il_loop: %s cannot be opened: %s", loop->backend->name,
				  il__system_words(rc));
	return rc;
}
