/*
 * t_watch_locals.c: a callback has values of its own, also where the task below it has others.
 */
#include "harness.h"

#include <interloop/watch.h>

#include <unistd.h>

static il_local place = IL_LOCAL_INIT;

struct nested {
	void *seen;
	bool called;
};

static void look_and_change(void *arg, unsigned mask)
{
	struct nested *n = arg;

	(void)mask;
	n->called = true;
	n->seen = il_local_get(&place);
	CHECK_RC(il_local_set(&place, "the callback's"), 0);
	il_native.stop(il_loop_native(il_loop_current()));
}

IL_TEST_REAL(T, a_callback_in_a_loop_that_a_task_runs_has_values_of_its_own)
{
	struct nested n = {.called = false};
	char *at_its_opening = "at its opening", *later = "later";
	il_fd_watch *w = NULL;
	int fd[2];

	if (strcmp(il_native.name, "libevent") == 0) {
		SKIP("a libevent whose loops run inside themselves");
		return;
	}
	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_RC(il_local_set(&place, at_its_opening), 0);
	CHECK_RC(il_fd_watch_open(&w, fd[0], IL_READABLE, look_and_change, &n), 0);
	CHECK_RC(il_local_set(&place, later), 0);
	while (!n.called)
		il_native.run(il_loop_native(il_loop_current()));
	il_fd_watch_close(w);
	CHECK(n.seen == at_its_opening);
	CHECK(il_local_get(&place) == later);
	CHECK_RC(il_local_set(&place, NULL), 0);
	close(fd[0]);
	close(fd[1]);
}
