/*
 * main.c: abuse BACKEND [SCENARIO [COUNT]]. Runs every scenario, or one; COUNT is the connections of
 * churn (50,000). Prints a line for each. The exit status is 0 if all went well.
 */
#include "abuse.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const struct scenario {
	const char *name;
	void (*run)(void);
} scenarios[] = {
    {"an_idle_crowd", an_idle_crowd},
    {"a_crowd_out_of_time", a_crowd_out_of_time},
    {"a_crowd_without_places", a_crowd_without_places},
    {"packets_without_end", packets_without_end},
    {"rude_peers", rude_peers},
    {"peers_that_never_read", peers_that_never_read},
    {"peers_that_log", peers_that_log},
    {"descriptors_used_up", descriptors_used_up},
    {"memory_refused", memory_refused},
    {"stacks_refused", stacks_refused},
    {"threads_refused", threads_refused},
    {"churn", churn},
};

const il_backend *backend;
static const struct scenario *current;
static char notes[512];

void note(const char *format, ...)
{
	size_t used = strlen(notes);
	va_list args;

	va_start(args, format);
	vsnprintf(notes + used, sizeof notes - used, format, args);
	va_end(args);
}

void failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s %s: %s:%d: %s (errno: %s)%s%s\n", il_backend_name(backend),
		current->name, file, line, what, strerror(errno),
		refusing && refusing->last_line[0] ? "; the subject said last: " : "",
		refusing ? refusing->last_line : "");
	exit(1);
}

/* A minute is for machines that do many other things. */
void wait_a_little(const char *file, int line, const char *what, long waits)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};

	if (waits > 60000)
		failed(file, line, what);
	nanosleep(&millisecond, NULL);
}

long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

long lines_since(long long start)
{
	return 101 * ((long)((now_ns() - start) / 1000000000) + 2);
}

int crowd_size(int n)
{
	return TOOL ? n / 10 : n;
}

static void run(const struct scenario *s)
{
	long long start = now_ns();

	current = s;
	notes[0] = 0;
	s->run();
	printf("%-9s %-24s %6.2f s  %s\n", il_backend_name(backend), s->name,
	       (double)(now_ns() - start) / 1e9, notes);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	bool known = false;

	backend = argc > 1 ? il_backend_find(argv[1]) : NULL;
	if (!backend) {
		fprintf(stderr, "abuse BACKEND [SCENARIO [COUNT]]: %s\n", il_error_detail());
		return 2;
	}
	if (argc > 3)
		churn_count = strtol(argv[3], NULL, 10);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		if (argc < 3 || strcmp(argv[2], scenarios[i].name) == 0) {
			known = true;
			run(&scenarios[i]);
		}
	if (!known)
		fprintf(stderr, "no scenario is called %s\n", argv[2]);
	return known ? 0 : 2;
}
