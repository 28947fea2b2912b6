/*
 * ticks.h: the processor's own clock, which costs a few instructions: for what is measured all the time and looked at
 * seldom. It is turned into times when somebody looks, by how far the system's clock went on meanwhile. Any thread.
 */
#ifndef IL_CORE_BASE_TICKS_H
#define IL_CORE_BASE_TICKS_H

#include "os.h"

typedef uint64_t il__ticks;

static inline il__ticks il__ticks_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	il__ticks ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return (il__ticks)il__os_now();
#endif
}

/* How long so many ticks are. */
il_time il__ticks_time(il__ticks ticks);
/* How long ago that was, 0 for what is to come. */
il_time il__ticks_ago(il__ticks since);

#endif
