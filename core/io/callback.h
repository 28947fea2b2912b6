/*
 * callback.h: what the two kinds of callbacks for other libraries have in common: descriptors that are watched
 * (watch.c) and timers (callback_timer.c). Loop's thread only.
 */
#ifndef IL_CORE_IO_CALLBACK_H
#define IL_CORE_IO_CALLBACK_H

#include "../base/list.h"
#include "../runtime/loop.h"

struct il__locals;
struct il__callbacks; /* all of a loop; lives as long as the loop */

struct il__callback {
	struct il__list link; /* of those that are open */
	il_loop *loop;        /* NULL: of it, or of its host, nothing but callbacks was left */
	struct il__callbacks *all;
	struct il__locals *locals;                     /* of whoever has opened it */
	struct il__cancel_scope *scope;                /* of its host, or the loop's */
	void (*disarm)(struct il__callback *callback); /* it is not called any more */
};

/* Makes it one of the calling thread's loop. */
int il__callback_open(struct il__callback *callback, void (*disarm)(struct il__callback *callback),
		      const char *function);
/* Whether a call about it may be made. */
int il__callback_check(const struct il__callback *callback, const char *function);
/* Its end; in a forked child nothing but its memory is touched. */
void il__callback_close(struct il__callback *callback, const char *function);

/* While one is armed, or is being called, it keeps the loop: once for all of them. -ENOMEM and the like. */
int il__callback_keep(struct il__callbacks *all);
void il__callback_let_go(struct il__callbacks *all);

#endif
