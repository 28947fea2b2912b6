/*
 * extension.h: what floors above keep with a loop, and are told of its life. Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_EXTENSION_H
#define IL_CORE_RUNTIME_EXTENSION_H

#include "../base/list.h"

struct il__cancel_scope;
struct il__report;

struct il__extension {
	struct il__list link; /* loop->extensions */
	const struct il__extension_ops *ops;
};

/* All but `closing` may be NULL. */
struct il__extension_ops {
	void (*shutdown)(struct il__extension *x, il_loop *loop); /* refuse new work */
	void (*idle)(struct il__extension *x, il_loop *loop);     /* nothing lives any more */
	/* The power of a host is cut, whose scope this is: ends what began in it. And once more when it was cut, and nothing
	 * of it is left. */
	void (*cut)(struct il__extension *x, const struct il__cancel_scope *host);
	/* An own loop begins to run, and has ended to. */
	void (*resumed)(struct il__extension *x, il_loop *loop);
	void (*paused)(struct il__extension *x, il_loop *loop);
	/* What it keeps, for a dump. */
	void (*tell)(struct il__extension *x, struct il__report *r);
	/* Last: free it, which is unlinked already. 0 or a warning code. */
	int (*closing)(struct il__extension *x, il_loop *loop);
};

void il__loop_extend(il_loop *loop, struct il__extension *x, const struct il__extension_ops *ops);
/* The first with these operations; NULL: there is none. */
struct il__extension *il__loop_extension(const il_loop *loop, const struct il__extension_ops *ops);
/* Tells all of them so. */
void il__extensions_cut(const struct il__cancel_scope *host);

#endif
