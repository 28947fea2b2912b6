/*
 * dump.h: put before each source of a build that counts what is run (preset `coverage`).
 *
 * A process that ends by _exit or abort loses the counters of gcov, and one that ends before main, as a worker
 * process does, those of libraries. Here these write the counters first, of all libraries that the process has
 * loaded: each has its own __gcov_dump. What a signal kills is lost.
 *
 * It also takes __builtin_expect away: gcc counts what is inside it twice.
 */
#ifndef IL_TESTS_COVERAGE_DUMP_H
#define IL_TESTS_COVERAGE_DUMP_H

#define __builtin_expect(value, expected) (value)
#define IL__LOADED_LAST \
	".init_array.00101" /* a worker process is taken over when all counters are known */

enum { IL_COVERAGE_DUMPS = 32 };

extern void __gcov_dump(void);
extern int il_coverage_at_exit(void (*fn)(void)) __asm__("atexit");
extern void il_coverage_real_exit(int status) __asm__("_exit") __attribute__((noreturn));
extern void il_coverage_real_abort(void) __asm__("abort") __attribute__((noreturn));

/* One for all libraries of the process. */
__attribute__((weak, visibility("default"))) void (*il_coverage_dumps[IL_COVERAGE_DUMPS])(void);

static void il_coverage_write(void)
{
	for (int i = 0; i < IL_COVERAGE_DUMPS; i++)
		if (il_coverage_dumps[i])
			il_coverage_dumps[i]();
}

__attribute__((constructor(101))) static void il_coverage_register(void)
{
	int free = -1;

	for (int i = 0; i < IL_COVERAGE_DUMPS; i++) {
		if (il_coverage_dumps[i] == __gcov_dump)
			return;
		if (!il_coverage_dumps[i] && free < 0)
			free = i;
	}
	if (free >= 0)
		il_coverage_dumps[free] = __gcov_dump;
	il_coverage_at_exit(il_coverage_write);
}

/* A library that is unloaded. */
__attribute__((destructor(101))) static void il_coverage_unregister(void)
{
	for (int i = 0; i < IL_COVERAGE_DUMPS; i++)
		if (il_coverage_dumps[i] == __gcov_dump)
			il_coverage_dumps[i] = 0;
}

__attribute__((unused, noreturn)) static void il_coverage_exit(int status)
{
	il_coverage_write();
	il_coverage_real_exit(status);
}

__attribute__((unused, noreturn)) static void il_coverage_abort(void)
{
	il_coverage_write();
	il_coverage_real_abort();
}

/* The system's headers declare these two again, which is allowed. A parameter may have the name, too. */
#pragma GCC diagnostic ignored "-Wshadow"
#define _exit il_coverage_exit
#define abort il_coverage_abort

#endif
