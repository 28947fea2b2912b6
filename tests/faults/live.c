/*
 * live.c: libfault.so knows the blocks that the library has allocated and not freed. A table under a lock that spins, for
 * what stands here may not allocate.
 */
#include "shim.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = 1 << 17 };

static struct {
	const void *block, *caller;
} slots[SLOTS];
static long count;
static atomic_bool watched;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		sched_yield();
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

static size_t first_slot(const void *block)
{
	return (size_t)(((uintptr_t)block >> 4) * 2654435761u) % SLOTS;
}

void fault_live_watch(bool on)
{
	watched = on;
}

void fault_live_add(const void *block, const void *caller)
{
	size_t i = first_slot(block);

	if (!block || !watched || !fault_is_ours(caller))
		return;
	lock();
	while (slots[i].block)
		i = (i + 1) % SLOTS;
	slots[i].block = block;
	slots[i].caller = caller;
	count++;
	unlock();
}

/* Those behind it that would have stood there move up, so that no search ends before them, however long all this goes on. */
static void slot_clear(size_t hole)
{
	for (size_t i = (hole + 1) % SLOTS; slots[i].block; i = (i + 1) % SLOTS)
		if ((i - first_slot(slots[i].block)) % SLOTS >= (i - hole) % SLOTS) {
			slots[hole] = slots[i];
			hole = i;
		}
	slots[hole].block = NULL;
}

void fault_live_remove(const void *block)
{
	size_t i = first_slot(block);

	if (!block || !watched)
		return;
	lock();
	while (slots[i].block && slots[i].block != block)
		i = (i + 1) % SLOTS;
	if (slots[i].block) {
		slot_clear(i);
		count--;
	}
	unlock();
}

long fault_live_count(void)
{
	return count;
}

void fault_print_live(void)
{
	char line[300];

	watched = false;
	for (size_t i = 0; i < SLOTS; i++) {
		Dl_info info;
		int n;
		if (!slots[i].block || !dladdr(slots[i].caller, &info))
			continue;
		n = snprintf(
		    line, sizeof line, "live: %p of %s+%#zx\n", slots[i].block, info.dli_fname,
		    (size_t)((const char *)slots[i].caller - (const char *)info.dli_fbase));
		(void)!syscall(SYS_write, STDERR_FILENO, line, (size_t)n);
	}
}
