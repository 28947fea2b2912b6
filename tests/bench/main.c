/*
 * main.c: bench-LOOP [--quick] [--only=CONDITIONS] [NAME...]: runs the works of these names, or all; of them only
 * the rows whose conditions, as they are printed, contain this, e.g. --only='connections=64'.
 *
 * Those on one core are run by a process of their own that was pinned before the library was loaded: its worker
 * threads go back to the processors that the program had then.
 */
#include "bench.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* For what the machine has no library of. */
static inline void left_out(void)
{
}
#ifndef IL_BENCH_TLS
#define bench_tls left_out
#endif
#ifndef IL_BENCH_REMOTE
#define bench_remote left_out
#endif
#ifndef IL_BENCH_HIREDIS
#define bench_hiredis left_out
#endif
#ifndef IL_BENCH_LIBPQ
#define bench_libpq left_out
#endif
#ifndef IL_BENCH_LIBCURL
#define bench_libcurl left_out
#endif
#ifndef IL_BENCH_C_ARES
#define bench_c_ares left_out
#endif

static const struct {
	const char *name;
	void (*run)(void);
} works[] = {
    {"floors", bench_floors},   {"P1", bench_offload},      {"P2", bench_inflight},
    {"P3", bench_portal},       {"P4", bench_post},         {"P5", bench_switches},
    {"P6", bench_spawn},        {"P7", bench_parked},       {"P8", bench_sleeps},
    {"P9", bench_lateness},     {"P10", bench_echo},        {"P11", bench_idle},
    {"P12", bench_growth},      {"P13", bench_http},        {"P14", bench_datagrams},
    {"P14", bench_tls},         {"P15", bench_select},      {"P15", bench_hiredis},
    {"P15", bench_libpq},       {"P15", bench_libcurl},     {"P15", bench_c_ares},
    {"P16", bench_remote},      {"P17", bench_trace},       {"P18", bench_simulated},
    {"P19", bench_slack},       {"process", bench_process}, {"scale", bench_scale},
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

/* This program once more, pinned. */
static int on_one_core(int argc, char **argv)
{
	char *again[argc + 2];
	int status = 1;
	pid_t pid;

	memcpy(again, argv, (size_t)argc * sizeof *argv);
	again[argc] = "--one-core";
	again[argc + 1] = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bench_pin(0);
		execv("/proc/self/exe", again);
		bench_die("the program cannot be started");
	}
	waitpid(pid, &status, 0);
	return status != 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--quick") == 0)
			bench_quick = true;
		else if (strncmp(argv[i], "--only=", 7) == 0)
			bench_only = argv[i] + 7;
		else if (strcmp(argv[i], "--one-core") == 0)
			bench_one_core = true;
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		if (is_asked(works[i].name, argc, argv))
			works[i].run();
	return bench_one_core ? 0 : on_one_core(argc, argv);
}
