/*
 * instructions.c: bench-instructions WORK N: does a work N times and nothing else, for instructions.sh, which
 * counts what it takes. In virtual time, so that no loop's library is counted.
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t n;

/* Fewer in a row than make the core look at the clock, by which it sizes its batches. */
static int yield_often(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		if (i % 6 < 5)
			il_yield();
		else
			il_sleep(IL_USEC(1));
	return 0;
}

/* Two tasks, by turns. */
static int yields(void *arg)
{
	il_group group;

	il_group_open(&group);
	il_group_start_soon(&group, NULL, yield_often, arg);
	n -= n / 2;
	yield_often(NULL);
	return il_group_close(&group, 0);
}

/* The making of both events of a round trip is counted too. */
static il_event **there, **back;

static int answer(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		il_event_wait(there[i]);
		il_event_set(back[i]);
	}
	return 0;
}

static int events(void *arg)
{
	il_group group;

	there = calloc(n, sizeof(il_event *));
	back = calloc(n, sizeof(il_event *));
	for (size_t i = 0; i < n; i++)
		if (il_event_create(&there[i]) < 0 || il_event_create(&back[i]) < 0)
			return -ENOMEM;
	il_group_open(&group);
	il_group_start_soon(&group, NULL, answer, arg);
	for (size_t i = 0; i < n; i++) {
		il_event_set(there[i]);
		il_event_wait(back[i]);
	}
	return il_group_close(&group, 0);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int spawn(size_t rounds, size_t children)
{
	int rc = 0;

	for (size_t r = 0; r < rounds && rc == 0; r++) {
		il_group group;
		il_group_open(&group);
		for (size_t i = 0; i < children; i++)
			il_group_start_soon(&group, NULL, nothing, NULL);
		rc = il_group_close(&group, 0);
	}
	return rc;
}

static int spawn_one(void *arg)
{
	(void)arg;
	return spawn(n, 1);
}

static int spawn_hundred(void *arg)
{
	(void)arg;
	return spawn(n / 100, 100);
}

static const struct work {
	const char *name;
	il_fn *run;
} works[] = {{"yield", yields},
	     {"event_round_trip", events},
	     {"start_and_join_one", spawn_one},
	     {"start_and_join_of_hundred", spawn_hundred}};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		if (argc == 3 && strcmp(argv[1], works[i].name) == 0) {
			n = strtoul(argv[2], NULL, 10);
			return il_run(il_virtual(), works[i].run, NULL) < 0;
		}
	fprintf(stderr, "usage: bench-instructions WORK N\n");
	return 2;
}
