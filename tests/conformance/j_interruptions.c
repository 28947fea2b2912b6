/*
 * j_interruptions.c: what the user's code may do where it is called while a scope interrupts its tasks. A driver's watch
 * stands for all such code.
 */
#include "harness.h"

#include <unistd.h>

static struct {
	bool armed, came;
} inside;

/* Under a cancellation that is still being carried down, so that this one is put off. */
static int watch_and_cancel_a_scope(void *self, struct il_watch *w, unsigned mask)
{
	if (inside.armed && !mask) {
		il_scope scope = IL_SCOPE_INIT;
		inside.armed = false;
		CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
		CHECK_RC(il_scope_cancel(&scope), 0);
		CHECK_RC(il_scope_exit(&scope, 0), 0);
		memset(&scope, 0xff, sizeof scope);
		inside.came = true;
	}
	return il_test_backend()->driver.watch(self, w, mask);
}

static int read_nothing(void *fd)
{
	return il_wait_readable(*(int *)fd);
}

static int cancel_a_wait(void *arg)
{
	int fd[2];
	il_group group;

	(void)arg;
	CHECK_RC(pipe(fd), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, read_nothing, &fd[0]), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	inside.armed = true;
	CHECK_RC(il_scope_cancel(il_group_scope(&group)), 0);
	inside.armed = false;
	CHECK_RC(il_group_close(&group, 0), 0);
	close(fd[0]);
	close(fd[1]);
	return 0;
}

IL_TEST_OWN(J, a_scope_that_is_cancelled_and_left_inside_an_interruption_is_not_touched_any_more)
{
	il_backend backend = *il_test_backend();

	backend.driver.watch = watch_and_cancel_a_scope;
	inside.armed = inside.came = false;
	CHECK_RC(il_run(&backend, cancel_a_wait, NULL), 0);
	CHECK(inside.came);
}
