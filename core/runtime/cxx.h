/*
 * cxx.h: the exceptions that a C++ program handles. Its runtime keeps them per thread and means them per stack,
 * so they go with the stack: a task may be parked in a `catch`. Loop's thread, but for il__cxx_find.
 */
#ifndef IL_CORE_RUNTIME_CXX_H
#define IL_CORE_RUNTIME_CXX_H

#include <stdbool.h>

/* What __cxa_get_globals gives: 2.2.2 of the Itanium C++ ABI, and for 32-bit Arm its EHABI. */
struct il__cxx_globals {
	void *caught;
	unsigned uncaught;
#if defined(__arm__) && defined(__ARM_EABI__)
	void *propagating;
#endif
};

typedef struct il__cxx_globals *il__cxx_get_globals(void);

/* The runtime that the program was linked with, and those that came later. */
enum { IL__CXX_RUNTIMES = 3 };

struct il__cxx_state {
	il__cxx_get_globals *get[IL__CXX_RUNTIMES]; /* NULL: there was none */
	struct il__cxx_globals saved[IL__CXX_RUNTIMES];
};

/* Looks for runtimes that have come since it was called last. Any thread. False: there is none. */
bool il__cxx_find(void);
/* Takes the running stack's exceptions off the thread, which then has none; and puts them back. */
void il__cxx_leave(struct il__cxx_state *state);
void il__cxx_arrive(const struct il__cxx_state *state);

#endif
