/*
 * context.h: switching from one stack to another, with what a thread keeps that belongs to its stack: errno, the
 * exceptions of C++ (cxx.h), and what sanitizers know about it (context_sanitized.c).
 */
#ifndef IL_CORE_RUNTIME_CONTEXT_H
#define IL_CORE_RUNTIME_CONTEXT_H

#include "../base/base.h"
#include "switch.h"

/* A saved context: a stack pointer. In a program with sanitizers: a record on that stack. */
struct il__context {
	void *sp;
};

/*
 * What a switch has to do beside the plain one; 0: nothing. It is found out when the first loop opens, so that what a program
 * does not need costs it nothing. It may change later: any thread adds to it, and only the trace is taken away again.
 * A context that was left with one set of needs may be resumed with another.
 */
enum {
	IL__CONTEXT_SANITIZED = 1,
	IL__CONTEXT_CXX = 2,
	IL__CONTEXT_SLOW = 4,  /* a loop was opened with il_loop_options.slow_task */
	IL__CONTEXT_TRACED = 8 /* set and cleared under the lock of the trace */
};
extern IL__HIDDEN atomic_uint il__context_needs;
/* The program has ASan or TSan; the same from its start to its end. */
extern IL__HIDDEN bool il__sanitized;

/* From now on, and for all loops. Any thread. */
void il__context_need(unsigned needs);
/* Any thread; before the first context is made, and when functions come that may have brought a C++ runtime. */
void il__context_choose(void);

/* Before a switch. context_traced.c: records who leaves for whom; context_slow.c: looks how long who leaves has held the loop. */
void il__context_leave_traced(const struct il__context *from, bool ending);
void il__context_leave_slow(struct il__context *from);

/* context_sanitized.c */
void il__context_make_sanitized(struct il__context *c, char *low, char *top,
				void (*entry)(void *arg), void *arg);
void il__context_change_sanitized(struct il__context *from, struct il__context *to, bool ending);
void il__context_entered_sanitized(void);
void il__context_free_sanitized(struct il__context *c);

/* -ENOTSUP: no switch can be made in this thread. */
int il__context_check(void);
/* Begins by entry(arg), at `top` of the stack whose lowest usable byte is `low`. */
void il__context_make(struct il__context *c, char *low, char *top, void (*entry)(void *arg),
		      void *arg);
/* First thing on a new stack. */
static inline void il__context_entered(void)
{
	if (il__unlikely(il__sanitized))
		il__context_entered_sanitized();
}

static inline void il__context_free(struct il__context *c)
{
	if (il__unlikely(il__sanitized))
		il__context_free_sanitized(c);
}

/* Where the calling thread's errno is: asking the C library costs a call in each switch. */
extern IL__HIDDEN IL__THREAD_LOCAL int *il__errno_place;

/* Where more is needed, or for the first time in this thread. */
void il__context_switch_otherwise(struct il__context *from, struct il__context *to, bool ending);

/* `ending`: from is never resumed. */
static inline void il__context_switch(struct il__context *from, struct il__context *to, bool ending)
{
	int *place = il__errno_place, saved;

	if (il__unlikely(!place ||
			 atomic_load_explicit(&il__context_needs, memory_order_relaxed))) {
		il__context_switch_otherwise(from, to, ending);
		return;
	}
	saved = *place;
	il__switch(&from->sp, to->sp);
	*place = saved;
}

#endif
