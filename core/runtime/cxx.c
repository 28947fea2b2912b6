/*
 * cxx.c: the C++ runtimes of the process, which the library does not link: one that the program has by a weak
 * reference, others by name once they are loaded. Each is found for good: a slot is written once, by any
 * thread, always with the same value, and what was found is never unloaded.
 */
#include "cxx.h"
#include "../base/os.h"

il__cxx_get_globals __cxa_get_globals __attribute__((weak));

static _Atomic(il__cxx_get_globals *) runtimes[IL__CXX_RUNTIMES];
static atomic_ulong looked; /* how many objects had been loaded then */

/* GNU's, and LLVM's; a program may have both, in different objects. */
static const char *const objects[IL__CXX_RUNTIMES - 1] = {"libstdc++.so.6", "libc++abi.so.1"};
/* Not asked for again: that may wait for a dlopen. One of them may be the program's own, and have no slot here. */
static atomic_bool found_object[IL__CXX_RUNTIMES - 1];

static bool is_known(il__cxx_get_globals *get)
{
	for (int i = 0; i < IL__CXX_RUNTIMES; i++)
		if (atomic_load_explicit(&runtimes[i], memory_order_relaxed) == get)
			return true;
	return false;
}

static void cxx_look(void)
{
	for (int i = 0; i < IL__CXX_RUNTIMES - 1; i++) {
		union {
			void *symbol;
			il__cxx_get_globals *get;
		} found;
		if (atomic_load_explicit(&found_object[i], memory_order_relaxed))
			continue;
		found.symbol = il__os_loaded_symbol(objects[i], "__cxa_get_globals");
		if (!found.symbol)
			continue;
		if (!is_known(found.get))
			atomic_store_explicit(&runtimes[1 + i], found.get, memory_order_relaxed);
		atomic_store_explicit(&found_object[i], true, memory_order_relaxed);
	}
}

bool il__cxx_find(void)
{
	unsigned long loaded = il__os_loaded_count();

	if (__cxa_get_globals)
		atomic_store_explicit(&runtimes[0], __cxa_get_globals, memory_order_relaxed);
	if (atomic_load_explicit(&looked, memory_order_relaxed) != loaded) {
		cxx_look();
		atomic_store_explicit(&looked, loaded, memory_order_relaxed);
	}
	for (int i = 0; i < IL__CXX_RUNTIMES; i++)
		if (atomic_load_explicit(&runtimes[i], memory_order_relaxed))
			return true;
	return false;
}

void il__cxx_leave(struct il__cxx_state *state)
{
	for (int i = 0; i < IL__CXX_RUNTIMES; i++) {
		struct il__cxx_globals *now;
		state->get[i] = atomic_load_explicit(&runtimes[i], memory_order_relaxed);
		if (!state->get[i])
			continue;
		now = state->get[i]();
		state->saved[i] = *now;
		*now = (struct il__cxx_globals){.caught = NULL};
	}
}

/* The last first: should two of them be the same after all, the first has what was there. */
void il__cxx_arrive(const struct il__cxx_state *state)
{
	for (int i = IL__CXX_RUNTIMES; i-- > 0;)
		if (state->get[i])
			*state->get[i]() = state->saved[i];
}
