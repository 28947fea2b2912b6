/*
 * context_sanitized.c: a context switch as sanitizers must be told of it: stacks and fake stacks for ASan, fibers
 * for TSan. Loop's thread only. Invariant: sp of a context that is away points to a struct place on its own
 * stack; who arrives has `left` point to the place of whom it comes from.
 */
#include "../base/base.h"
#include "../base/load.h"
#include "../base/sanitizer.h"
#include "context.h"
#include "cxx.h"
#include "switch.h"

/* Frames of this file are where ASan may not move them to: a fake stack ends before its place is read. */
#define ON_THE_STACK __attribute__((no_sanitize("address")))

/* The bounds of a stack. */
struct bounds {
	const void *low;
	size_t size;
};

struct place {
	void *sp;
	void *fake;  /* ASan's stack of what is used after a return */
	void *fiber; /* TSan's */
	struct bounds bounds;
};

static IL__THREAD_LOCAL struct place *left;
static IL__THREAD_LOCAL struct bounds here; /* of the running stack; empty: not known yet */

bool il__sanitized;

static void look_for_sanitizers(void)
{
	il__sanitized = il__has_asan() || il__has_tsan();
}
IL__AT_LOAD(look_for_sanitizers, IL__LOADED);

void il__context_make_sanitized(struct il__context *c, char *low, char *top,
				void (*entry)(void *arg), void *arg)
{
	struct place *place = (struct place *)(((uintptr_t)top - sizeof *place) & ~(uintptr_t)15);

	*place = (struct place){.bounds = {low, (size_t)(top - low)}};
	if (il__has_tsan())
		place->fiber = __tsan_create_fiber(0);
	place->sp = il__switch_prepare((char *)place, entry, arg);
	c->sp = place;
}

/* Of the thread's own stack ASan knows the bounds, and tells them when it was left. */
static void sanitized_arrive(void *fake)
{
	if (il__has_asan())
		__sanitizer_finish_switch_fiber(fake, &left->bounds.low, &left->bounds.size);
}

ON_THE_STACK void il__context_change_sanitized(struct il__context *from, struct il__context *to,
					       bool ending)
{
	struct place mine = {.bounds = here}, *theirs = to->sp;
	struct il__cxx_state state;
	int saved = errno;

	il__cxx_leave(&state);
	from->sp = left = &mine;
	here = theirs->bounds;
	if (il__has_asan())
		__sanitizer_start_switch_fiber(ending ? NULL : &mine.fake, theirs->bounds.low,
					       theirs->bounds.size);
	if (il__has_tsan()) {
		mine.fiber = __tsan_get_current_fiber();
		__tsan_switch_to_fiber(theirs->fiber, 0);
	}
	il__switch(&mine.sp, theirs->sp);
	sanitized_arrive(mine.fake);
	il__cxx_arrive(&state);
	errno = saved;
}

void il__context_entered_sanitized(void)
{
	sanitized_arrive(NULL);
}

void il__context_free_sanitized(struct il__context *c)
{
	struct place *place = c->sp;

	if (il__has_tsan())
		__tsan_destroy_fiber(place->fiber);
	/* Its frames were left all at once. */
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(place->bounds.low, place->bounds.size);
}
