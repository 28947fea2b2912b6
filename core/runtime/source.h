/*
 * source.h: a descriptor that the core itself watches. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_SOURCE_H
#define IL_CORE_RUNTIME_SOURCE_H

#include "../base/list.h"

#include <interloop/backend.h>

/* A descriptor that a task waits for, the loop's wake descriptor, its timer, a child's end. */
struct il__source {
	struct il_watch watch; /* first */
	struct il__list link;  /* loop->watched, while it is asked for something */
	bool copy; /* watch.fd is a duplicate, which is closed when nothing is asked any more */
	void (*ready)(struct il__source *source, il_loop *loop, unsigned mask);
};

int il__source_watch(il_loop *loop, struct il__source *source, unsigned mask);

#endif
