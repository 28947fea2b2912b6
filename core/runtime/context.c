/*
 * context.c: a context switch as the tools must see it: ASan's fake stacks, TSan's fibers; errno. Loop's
 * thread only. Invariant: every switch goes through il__context_switch, and everything that begins on
 * a new stack calls il__context_entered first.
 */
#include "context.h"
#include "../base/base.h"
#include "switch.h"

#ifdef IL__ASAN
#include <sanitizer/common_interface_defs.h>

/* Whom the running switch left: its bounds become known on the other side. */
static IL__THREAD_LOCAL struct il__context *asan_left;

static void leave(struct il__context *from, struct il__context *to, bool ending)
{
	asan_left = from;
	__sanitizer_start_switch_fiber(ending ? NULL : &from->asan_fake, to->asan_low,
				       to->asan_size);
}

static void arrive(struct il__context *self)
{
	__sanitizer_finish_switch_fiber(self->asan_fake, &asan_left->asan_low,
					&asan_left->asan_size);
}
#else
static void leave(struct il__context *from, struct il__context *to, bool ending)
{
	(void)from;
	(void)to;
	(void)ending;
}

static void arrive(struct il__context *self)
{
	(void)self;
}
#endif

#ifdef IL__TSAN
#include <sanitizer/tsan_interface.h>
#endif

void il__context_make(struct il__context *c, char *low, char *top, void (*entry)(void *arg),
		      void *arg)
{
	(void)low;
	c->sp = il__switch_prepare(top, entry, arg);
#ifdef IL__ASAN
	c->asan_fake = NULL;
	c->asan_low = low;
	c->asan_size = (size_t)(top - low);
#endif
#ifdef IL__TSAN
	c->tsan = __tsan_create_fiber(0);
#endif
}

void il__context_free(struct il__context *c)
{
	(void)c;
#ifdef IL__TSAN
	__tsan_destroy_fiber(c->tsan);
	c->tsan = NULL;
#endif
}

void il__context_switch(struct il__context *from, struct il__context *to, bool ending)
{
	int saved = errno;

#ifdef IL__TSAN
	if (!from->tsan)
		from->tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	leave(from, to, ending);
	il__switch(&from->sp, to->sp);
	arrive(from);
	errno = saved;
}

void il__context_entered(struct il__context *self)
{
	arrive(self);
}
