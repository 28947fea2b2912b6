/*
 * bare_switch.c: the library's switch and nothing else: two stacks, back and forth. It is linked into the
 * benchmark once more, because the library does not export it.
 */
#include "bench.h"

#include "../../core/runtime/switch.h"

enum { ROUNDS = 200000, STACK = 65536 };

static void *home, *away;

static void bounce(void *arg)
{
	(void)arg;
	for (;;)
		il__switch(&away, home);
}

static double once(void)
{
	double begin = bench_ns();

	for (int i = 0; i < ROUNDS; i++)
		il__switch(&home, away);
	return (bench_ns() - begin) / (2 * ROUNDS);
}

double bench_bare_switch(void)
{
	static char *stack;
	double at[5];

	if (!stack) {
		stack = malloc(STACK);
		if (!stack)
			bench_die("no memory");
		away = il__switch_prepare(stack + STACK, bounce, NULL);
	}
	once();
	for (int i = 0; i < 5; i++)
		at[i] = once();
	return bench_median(at, 5);
}
