/*
 * switch_ucontext.c: from one stack to another where there is no assembly switch. A context is the
 * address of a ucontext_t that lies on the stack it describes.
 */
#include "switch.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

struct start {
	ucontext_t context;
	void (*fn)(void *arg);
	void *arg;
};

void il__switch(void **save, void *to)
{
	ucontext_t here, *there = to;

	*save = &here;
	pthread_sigmask(SIG_SETMASK, NULL,
			&there->uc_sigmask); /* it is the thread's, not a task's */
	swapcontext(&here, there);
}

/* makecontext passes ints: the address comes in halves. */
static void switch_ucontext_enter(unsigned high, unsigned low)
{
	struct start *start = (struct start *)(((uintptr_t)high << 16 << 16) | (uintptr_t)low);

	start->fn(start->arg);
}

void *il__switch_prepare(char *top, void (*fn)(void *arg), void *arg)
{
	struct start *start =
	    (struct start *)(((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63);

	getcontext(&start->context);
	start->fn = fn;
	start->arg = arg;
	start->context.uc_link = NULL;
	/* The true low end is the pool's business; makecontext only needs the top. */
	start->context.uc_stack.ss_size = 8192;
	start->context.uc_stack.ss_sp = (char *)start - start->context.uc_stack.ss_size;
	makecontext(&start->context, (void (*)(void))switch_ucontext_enter, 2,
		    (unsigned)((uintptr_t)start >> 16 >> 16), (unsigned)(uintptr_t)start);
	return &start->context;
}
