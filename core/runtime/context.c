/*
 * context.c: the ways to switch, and which of them the program needs. Loop's thread, but for the choice.
 * Invariant: every switch goes through il__context_switch, and everything that begins on a new stack calls
 * il__context_entered first.
 */
#include "context.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/trace.h"
#include "cxx.h"
#include "switch.h"

IL__THREAD_LOCAL int *il__errno_place;

static void change_with_cxx(struct il__context *from, struct il__context *to, bool ending)
{
	struct il__cxx_state state;
	int saved = errno;

	(void)ending;
	il__cxx_leave(&state);
	il__switch(&from->sp, to->sp);
	il__cxx_arrive(&state);
	errno = saved;
}

_Atomic(il__context_change *) il__context_way;

void il__context_switch_otherwise(struct il__context *from, struct il__context *to, bool ending)
{
	il__context_change *way = atomic_load_explicit(&il__context_way, memory_order_relaxed);

	il__errno_place = &errno;
	if (way)
		way(from, to, ending);
	else
		il__context_switch(from, to, ending);
}

static atomic_bool slow_watched;

void il__context_watch_slow(void)
{
	atomic_store_explicit(&slow_watched, true, memory_order_relaxed);
}

static void context_set_way(il__context_change *way)
{
	if (atomic_load_explicit(&slow_watched, memory_order_relaxed)) {
		atomic_store_explicit(&il__slow_way, way, memory_order_relaxed);
		way = il__context_change_slow;
	}
	if (il__trace_on()) {
		atomic_store_explicit(&il__traced_way, way, memory_order_relaxed);
		way = il__context_change_traced;
	}
	atomic_store_explicit(&il__context_way, way, memory_order_relaxed);
}

void il__context_choose(void)
{
	bool cxx = il__cxx_find();

	context_set_way(il__sanitized ? il__context_change_sanitized
			: cxx         ? change_with_cxx
				      : NULL);
}

/* Where in its shadow stack this thread is; 0: it has none, and the instruction does nothing. */
static uint64_t context_shadow(void)
{
	uint64_t place = 0;

#if defined(__x86_64__) && !defined(__ILP32__)
	__asm__ volatile("rdsspq %0" : "+r"(place));
#endif
	return place;
}

int il__context_check(void)
{
	if (context_shadow())
		return il__refuse(
		    -ENOTSUP, "il_loop: this thread has a shadow stack, and tasks have none: start "
			      "the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK");
	return 0;
}

void il__context_make(struct il__context *c, char *low, char *top, void (*entry)(void *arg),
		      void *arg)
{
	if (il__unlikely(il__sanitized))
		il__context_make_sanitized(c, low, top, entry, arg);
	else
		c->sp = il__switch_prepare(top, entry, arg);
}
