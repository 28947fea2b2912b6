/*
 * context.h: switching from one stack to another, as the tools that watch stacks want it told (context.c, switch*).
 */
#ifndef IL_CORE_CONTEXT_H
#define IL_CORE_CONTEXT_H

#include "../base/base.h"

/* A saved context is a stack pointer. */
struct il__context {
	void *sp;
#ifdef IL__TSAN
	void *tsan; /* the fiber */
#endif
#ifdef IL__ASAN
	void *asan_fake; /* the fake stack while away */
	const void *asan_low;
	size_t asan_size;
#endif
};

/* Begins by entry(arg), at `top` of the stack whose lowest usable byte is `low`. */
void il__context_make(struct il__context *c, char *low, char *top, void (*entry)(void *arg),
		      void *arg);
/* `ending`: from is never resumed. */
void il__context_switch(struct il__context *from, struct il__context *to, bool ending);
void il__context_entered(struct il__context *self); /* first thing on a new stack */
void il__context_free(struct il__context *c);

#endif
