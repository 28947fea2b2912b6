/*
 * errand.h: what a turn has put off to its end, and looks after until it is done: workers to be woken for calls.
 * Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_ERRAND_H
#define IL_CORE_RUNTIME_ERRAND_H

#include "../base/base.h"

enum { IL__ERRANDS_MAX = 4 };

enum il__look {
	IL__LOOK_FED, /* at the end of a turn that several descriptors brought: the next may bring more of the same */
	IL__LOOK,      /* it may be long before the next one */
	IL__LOOK_LAST, /* the loop will not look again soon */
};

enum il__looked {
	IL__LOOK_DONE, /* arg is forgotten; it must be at the last look */
	IL__LOOK_KEEP, /* others work for it, and it is looked at again */
	IL__LOOK_HELD, /* nobody works for it before the next look; only where that is IL__LOOK_FED */
};

typedef enum il__looked il__look_fn(void *arg, enum il__look when);

/* Part of a loop. */
struct il__errands {
	struct {
		il__look_fn *look;
		void *arg;
	} at[IL__ERRANDS_MAX];
	size_t count;
	il_time since; /* the first was put off, or what was kept was looked at; 0: there is none */
	il_time distrusted,
	    pause; /* nothing is put off until then, for as long: the loop looked too late */
	/* While it sleeps with errands it looks again by then; IL_FOREVER: it does not. */
	il_time guard;
	bool heard; /* messages came since the guard was set */
	bool held; /* something, at the last look: nobody else will send the loop anything for it */
};

/* Puts it off to the end of this turn, if it is not already. False: do it yourself, now. */
bool il__errand_put_off(il_loop *loop, il__look_fn *look, void *arg, bool *added);
/* In a turn: looks at all that were put off too long ago. */
void il__errands_check(il_loop *loop, il_time now);
/* At its end. */
void il__errands_look(il_loop *loop, enum il__look when);
/* What most turns find. */
static inline bool il__errands_none(const struct il__errands *e)
{
	return !(e->count | (uint64_t)e->since);
}
/* Before the loop polls with errands: whether it will look again after a moment, whatever comes. */
bool il__errands_guard(il_loop *loop);

#endif
