/*
 * context.c: how to switch, and what of it the program needs. Loop's thread, but for the choice.
 * Invariant: every switch goes through il__context_switch, and everything that begins on a new stack calls
 * il__context_entered first.
 */
#include "context.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/load.h"
#include "../base/trace.h"
#include "cxx.h"
#include "switch.h"

IL__THREAD_LOCAL int *il__errno_place;

atomic_uint il__context_needs;

static void change_with_cxx(struct il__context *from, struct il__context *to)
{
	struct il__cxx_state state;

	il__cxx_leave(&state);
	il__switch(&from->sp, to->sp);
	il__cxx_arrive(&state);
}

void il__context_switch_otherwise(struct il__context *from, struct il__context *to, bool ending)
{
	unsigned needs = atomic_load_explicit(&il__context_needs, memory_order_relaxed);
	int saved = errno;

	il__errno_place = &errno;
	if (needs & IL__CONTEXT_TRACED)
		il__context_leave_traced(from, ending);
	if (needs & IL__CONTEXT_SLOW)
		il__context_leave_slow(from);
	if (needs & IL__CONTEXT_SANITIZED)
		il__context_change_sanitized(from, to, ending);
	else if (needs & IL__CONTEXT_CXX)
		change_with_cxx(from, to);
	else
		il__switch(&from->sp, to->sp);
	errno = saved;
}

/* By bits, so that no thread that is late undoes what another has added. Relaxed: it orders nothing. */
void il__context_need(unsigned needs)
{
	if (needs & ~atomic_load_explicit(&il__context_needs, memory_order_relaxed))
		atomic_fetch_or_explicit(&il__context_needs, needs, memory_order_relaxed);
}

void il__context_choose(void)
{
	il__context_need((il__sanitized ? IL__CONTEXT_SANITIZED : 0) |
			 (il__cxx_find() ? IL__CONTEXT_CXX : 0));
}

static void context_turn_trace(bool on)
{
	if (on)
		il__context_need(IL__CONTEXT_TRACED);
	else
		atomic_fetch_and_explicit(&il__context_needs, ~(unsigned)IL__CONTEXT_TRACED,
					  memory_order_relaxed);
}

static void context_hear_of_traces(void)
{
	il__trace_on_turn(context_turn_trace);
}
IL__AT_LOAD(context_hear_of_traces, IL__LOADED);

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
