/*
 * guard.h: calls of the user's functions that no exception leaves. The frames below such a call are in the middle of
 * something, so no handler further up may have them unwound: where one is looked for, the search ends here, as at the
 * end of a task's stack, and the C++ runtime ends the program. Costs no instruction. Any thread.
 */
#ifndef IL_CORE_BASE_GUARD_H
#define IL_CORE_BASE_GUARD_H

#include <interloop/base.h>

/* Behind a call, whose frame is left only by its return then: who is asked when an exception comes by (guard.c). */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && (defined(__x86_64__) || defined(__aarch64__))
#define IL__NONE_PASSES() __asm__ volatile(".cfi_personality 0x1b, il__exception_ends")
#else
#define IL__NONE_PASSES() ((void)0)
#endif

#define IL__GUARDED(...)           \
	do {                       \
		__VA_ARGS__;       \
		IL__NONE_PASSES(); \
	} while (0)

static inline int il__guarded_fn(il_fn *fn, void *arg)
{
	int rc;

	IL__GUARDED(rc = fn(arg));
	return rc;
}

#endif
