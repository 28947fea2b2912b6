/*
 * context.h: switching from one stack to another, with what a thread keeps that belongs to its stack: errno, the
 * exceptions of C++ (cxx.h), and what sanitizers know about it (context_sanitized.c).
 */
#ifndef IL_CORE_CONTEXT_H
#define IL_CORE_CONTEXT_H

#include "../base/base.h"
#include "switch.h"

/* A saved context: a stack pointer. In a program with sanitizers: a record on that stack. */
struct il__context {
	void *sp;
};

typedef void il__context_change(struct il__context *from, struct il__context *to, bool ending);

/*
 * How contexts are switched; NULL: in the plain way. It is chosen when the first loop opens, so that what a program does
 * not need costs it nothing. It may change later, by any thread: from the plain way to that for C++, to
 * that of slow tasks, and to that of a trace and back. A context that was left in one of these ways may be resumed in another.
 */
extern IL__HIDDEN _Atomic(il__context_change *) il__context_way;
/* The program has ASan or TSan; the same from its start to its end. */
extern IL__HIDDEN bool il__sanitized;

/* Any thread; before the first context is made, and when functions come that may have brought a C++ runtime. */
void il__context_choose(void);

/* context_traced.c: as another way, and records who leaves for whom. */
extern IL__HIDDEN _Atomic(il__context_change *) il__traced_way;
void il__context_change_traced(struct il__context *from, struct il__context *to, bool ending);

/* context_slow.c: as another way, and looks how long who leaves has held the loop. */
extern IL__HIDDEN _Atomic(il__context_change *) il__slow_way;
void il__context_change_slow(struct il__context *from, struct il__context *to, bool ending);
/* From now on, and for all loops: one was opened that wants it. Before il__context_choose. */
void il__context_watch_slow(void);

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

/* In another way than the plain one, or for the first time in this thread. */
void il__context_switch_otherwise(struct il__context *from, struct il__context *to, bool ending);

/* `ending`: from is never resumed. */
static inline void il__context_switch(struct il__context *from, struct il__context *to, bool ending)
{
	int *place = il__errno_place, saved;

	if (il__unlikely(!place || atomic_load_explicit(&il__context_way, memory_order_relaxed))) {
		il__context_switch_otherwise(from, to, ending);
		return;
	}
	saved = *place;
	il__switch(&from->sp, to->sp);
	*place = saved;
}

#endif
