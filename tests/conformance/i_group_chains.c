/*
 * i_group_chains.c: a task waits in il_group_start for one that does the same, and so on: however many they are, they are
 * cancelled on the stack of whoever cancels the first.
 */
#include "harness.h"

struct chain {
	size_t left; /* links to be started */
	size_t cancelled;
};

static int start_next(void *arg)
{
	struct chain *chain = arg;
	il_group g;
	int rc;

	CHECK_RC(il_group_open(&g), 0);
	rc = chain->left-- > 1 ? il_group_start(&g, NULL, start_next, chain) : il_sleep_forever();
	chain->cancelled += rc == -ECANCELED;
	return il_group_close(&g, rc);
}

enum { LINKS = 2000 };

IL_TEST_FIFO(I, a_long_chain_of_starts_is_cancelled_by_another_task)
{
	struct chain chain = {.left = il_test_rounds(LINKS)};
	const size_t links = chain.left;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_next, &chain), 0);
	UNTIL(chain.left == 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(chain.cancelled, links);
}

/* It is the first to notice. */
IL_TEST_REAL(I, a_long_chain_of_starts_is_cancelled_by_who_asks_for_its_cancellation)
{
	struct chain chain = {.left = il_test_rounds(LINKS)};
	const size_t links = chain.left;
	il_scope limit = IL_SCOPE_INIT;
	il_group g;

	CHECK_RC(il_scope_enter(&limit, IL_FOREVER, 0), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, start_next, &chain), 0);
	UNTIL(chain.left == 0);
	CHECK_RC(il_scope_set_deadline(&limit, il_now() + IL_MSEC(1)), 0);
	while (il_check_cancelled() == 0)
		;
	CHECK_RC(il_group_close(&g, -ECANCELED), -ECANCELED);
	CHECK_RC(il_scope_exit(&limit, -ECANCELED), 0);
	CHECK_EQ(chain.cancelled, links);
}

/* ---- portals ---- */

struct portals {
	size_t left, closed;
};

/* Its portal runs one that does the same. */
static int close_next(void *arg)
{
	struct portals *p = arg;
	il_portal *portal;
	il_future *f;

	if (p->left-- == 1)
		return il_sleep_forever();
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &portal), 0);
	CHECK_RC(il_portal_run_coroutine_soon(portal, &f, close_next, p), 0);
	CHECK_RC(il_portal_close(portal), 0);
	p->closed++;
	CHECK_RC(il_future_join(f), -ECANCELED);
	return il_check_cancelled();
}

IL_TEST_FIFO(I, a_long_chain_of_portals_is_cancelled_by_another_task)
{
	struct portals p = {.left = il_test_rounds(LINKS)};
	const size_t links = p.left;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, close_next, &p), 0);
	UNTIL(p.left == 0);
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(p.closed, links - 1);
}
