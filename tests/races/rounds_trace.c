/*
 * rounds_trace.c: a trace that begins and ends while other threads open loops, each of which chooses how tasks are switched.
 */
#include "races.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TRACES = 8, YIELDS = 10, MOST = 1 << 16 };

static void *open_loops(void *over)
{
	while (!atomic_load((atomic_bool *)over)) {
		il_loop *loop;
		if (il_loop_open(&loop, race_backend, NULL) < 0)
			race_broken("il_loop_open");
		il_loop_destroy(loop);
	}
	return NULL;
}

static size_t count_in(const char *text, const char *word)
{
	size_t n = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		n++;
	}
	return n;
}

/* Each switch ends a span of a task. */
static void trace_once(char *text)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	ssize_t n;

	if (il_trace_start(fd, NULL) < 0)
		race_broken("il_trace_start");
	for (int i = 0; i < YIELDS; i++)
		RACE(il_yield());
	if (il_trace_stop() < 0)
		race_broken("il_trace_stop");
	n = pread(fd, text, MOST - 1, 0);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	if (count_in(text, "\"running\",\"name\"") < YIELDS)
		race_broken("%d yields are not in the trace:\n%s", YIELDS, text);
}

static int trace_often(void *over)
{
	char *text = malloc(MOST);

	for (int i = 0; text && i < TRACES; i++)
		trace_once(text);
	free(text);
	atomic_store((atomic_bool *)over, true);
	return 0;
}

static int yield_until(void *over)
{
	while (!atomic_load((atomic_bool *)over))
		RACE(il_yield());
	return 0;
}

static int trace_two_tasks(void *over)
{
	il_group g;

	RACE(il_group_open(&g));
	RACE(il_group_start_soon(&g, NULL, yield_until, over));
	RACE(il_group_start_soon(&g, NULL, trace_often, over));
	return il_group_close(&g, 0);
}

void round_trace(void)
{
	atomic_bool over = false;
	struct race_threads *threads = race_threads_start(open_loops, &over);

	RACE(il_run(race_backend, trace_two_tasks, &over));
	race_threads_join(threads);
}
