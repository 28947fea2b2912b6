/*
 * main.c: bench-LOOP [--quick] [NAME...]: runs the works of these names, or all.
 */
#include "bench.h"

#include <string.h>

static const struct {
	const char *name;
	void (*run)(void);
} works[] = {
    {"floors", bench_floors},   {"P1", bench_offload},      {"P2", bench_inflight},
    {"P3", bench_portal},       {"P4", bench_post},         {"P5", bench_switches},
    {"P6", bench_spawn},        {"P7", bench_parked},       {"P8", bench_sleeps},
    {"P9", bench_lateness},     {"P10", bench_echo},        {"P11", bench_idle},
    {"P12", bench_growth},      {"process", bench_process}, {"scale", bench_scale},
    {"percore", bench_percore},
};

static bool is_asked(const char *name, int argc, char **argv)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		any = true;
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return !any;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--quick") == 0)
			bench_quick = true;
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		if (is_asked(works[i].name, argc, argv))
			works[i].run();
	return 0;
}
