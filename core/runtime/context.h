/*
 * context.h: switching from one stack to another, with what a thread keeps that belongs to its stack: errno, the
 * exceptions of C++ (cxx.h), and what sanitizers know about it (context_sanitized.c).
 */
#ifndef IL_CORE_CONTEXT_H
#define IL_CORE_CONTEXT_H

#include "../base/base.h"

/* A saved context: a stack pointer. In a program with sanitizers: a record on that stack. */
struct il__context {
	void *sp;
};

typedef void il__context_change(struct il__context *from, struct il__context *to, bool ending);

/*
 * How contexts are switched. It is chosen when the first loop opens, so that what a program does not need costs
 * it nothing. Only from the plain way to that for C++ it may change later, by any thread: a context that was
 * left in one way may be resumed in the other.
 */
extern IL__HIDDEN _Atomic(il__context_change *) il__context_way;
/* The program has ASan or TSan; the same from its start to its end. */
extern IL__HIDDEN bool il__sanitized;

/* Any thread; before the first context is made, and when functions come that may have brought a C++ runtime. */
void il__context_choose(void);

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

/* `ending`: from is never resumed. */
static inline void il__context_switch(struct il__context *from, struct il__context *to, bool ending)
{
	atomic_load_explicit(&il__context_way, memory_order_relaxed)(from, to, ending);
}

#endif
