/*
 * sanitizer.h: what AddressSanitizer and ThreadSanitizer are to be told, whether this library was built with
 * them or only the program was: by weak references, which are NULL where there is no such tool.
 */
#ifndef IL_CORE_BASE_SANITIZER_H
#define IL_CORE_BASE_SANITIZER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Stacks, and from which to which a thread goes. */
void __sanitizer_start_switch_fiber(void **fake, const void *low, size_t size)
    __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **low, size_t *size)
    __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *memory, size_t size) __attribute__((weak));
void *__tsan_get_current_fiber(void) __attribute__((weak));
void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
/* What one thread wrote before its release is seen by whoever acquires after it. */
void __tsan_acquire(void *at) __attribute__((weak));
void __tsan_release(void *at) __attribute__((weak));

static inline bool il__has_asan(void)
{
	return __sanitizer_start_switch_fiber && __sanitizer_finish_switch_fiber;
}

static inline bool il__has_tsan(void)
{
	return __tsan_get_current_fiber && __tsan_create_fiber && __tsan_switch_to_fiber &&
	       __tsan_destroy_fiber;
}

/* Reads what another thread may be writing, and makes do with what it finds. */
#define IL__RACY __attribute__((noinline, no_sanitize("thread", "address")))

/*
 * ThreadSanitizer sees the pthread calls of a library that was built without it, but not its atomics. So
 * beside each atomic that hands something over stands one of these: before the write that releases, after the
 * read that acquires. `at` is the atomic's address.
 */
static inline void il__released(const volatile void *at)
{
	if (__builtin_expect(__tsan_release != NULL, 0))
		__tsan_release((void *)(size_t)at);
}

static inline void il__acquired(const volatile void *at)
{
	if (__builtin_expect(__tsan_acquire != NULL, 0))
		__tsan_acquire((void *)(size_t)at);
}

/* One reference less. True: it was the last, and all that was done under the others is seen. */
static inline bool il__drop_reference(atomic_uint *references)
{
	il__released(references);
	if (atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) != 1)
		return false;
	il__acquired(references);
	return true;
}

#endif
