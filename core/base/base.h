/*
 * base.h: the ground floor, for every file of the core: what the language lacks.
 */
#ifndef IL_CORE_BASE_BASE_H
#define IL_CORE_BASE_BASE_H

#include <interloop/base.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/types.h>

/* The model keeps a thread-local access at one instruction; the block is a few hundred bytes. */
#define IL__THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/* For variables that hot paths read: one instruction, where the linker is left no other. */
#define IL__HIDDEN __attribute__((visibility("hidden")))

#define il__container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define il__likely(x)                       __builtin_expect(!!(x), 1)
#define il__unlikely(x)                     __builtin_expect(!!(x), 0)
/* For functions that only prefetch: gcc sees no effect in such a one, and drops its calls. */
#define il__always_inline static inline __attribute__((always_inline))

/* What only Linux has is called in os*.c, and has a fallback there. */
#if defined(__linux__) && !defined(IL_PORTABLE)
#define IL__LINUX 1
#else
#define IL__LINUX 0
#endif

/* Whatever would have to wait is -EAGAIN, also where a system call's own name for it is the other one. */
_Static_assert(EWOULDBLOCK == EAGAIN, "one code has both names");

/* A size_t that was a negative number before the call. */
static inline bool il__was_negative(size_t n)
{
	return n > PTRDIFF_MAX;
}

/* Whether a byte can be put there. */
static inline bool il__is_room(const void *data, size_t max)
{
	return data && max && !il__was_negative(max);
}

/* Whether bytes can be read there. */
static inline bool il__is_data(const void *data, size_t size)
{
	return data ? !il__was_negative(size) : !size;
}

/* Whether there can be an array of so many elements. */
static inline bool il__is_array(size_t count, size_t size)
{
	return !size || count <= PTRDIFF_MAX / size;
}

/* Whether so many elements can be read at `items`. */
#define il__is_items(items, count) ((items) ? il__is_array(count, sizeof *(items)) : !(count))

static inline il_time il__deadline_from(il_time now, il_time delay)
{
	return delay > 0 && now > IL_FOREVER - delay ? IL_FOREVER : now + delay;
}

#endif
