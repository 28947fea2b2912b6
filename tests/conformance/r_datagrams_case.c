/*
 * r_datagrams_case.c: a datagram socket as a case of a select: it tells that a receive would not wait, and takes nothing.
 */
#include "r_net.h"

IL_TEST_REAL(R, n330_a_select_tells_of_a_datagram_and_takes_none)
{
	il_datagram *d = bound("127.0.0.1"), *quiet = bound("127.0.0.1");
	const il_address at = address_of(d);
	il_case cases[] = {il_case_datagram(quiet), il_case_datagram(d), il_case_datagram(NULL)};

	CHECK_RC(il_select(cases, 3, 0), -ETIMEDOUT);
	CHECK_RC(il_select(cases, 3, IL_MSEC(2)), -ETIMEDOUT);
	slip_text(d, "one", &at);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_select(cases, 3, IL_FOREVER), 1);
		CHECK_RC(cases[1].rc, 0);
	}
	check_text(d, "one", &at);
	CHECK_RC(il_select(cases, 3, 0), -ETIMEDOUT);
	il_datagram_destroy(d);
	il_datagram_destroy(quiet);
}

struct choice {
	il_datagram *d;
	il_case c;
	int rc;
	bool ended;
};

static int choose(void *arg)
{
	struct choice *x = arg;

	x->c = il_case_datagram(x->d);
	x->rc = il_select(&x->c, 1, IL_FOREVER);
	x->ended = true;
	return 0;
}

static il_future *choose_beside(struct choice *x)
{
	il_future *f;

	CHECK_RC(il_loop_spawn(il_loop_current(), &f, choose, x), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	CHECK(!x->ended);
	return f;
}

IL_TEST_REAL(R, n338_a_select_is_the_receiver_while_it_waits)
{
	struct choice x = {.d = bound("127.0.0.1")};
	const il_address at = address_of(x.d);
	il_future *f = choose_beside(&x);
	il_case c = il_case_datagram(x.d);
	char byte;

	CHECK_RC(il_datagram_receive(x.d, &byte, 1, NULL), -EBUSY);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), -EBUSY);
	send_text(x.d, "now", &at);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(x.rc, 0);
	CHECK_RC(x.c.rc, 0);
	check_text(x.d, "now", &at);
	il_datagram_destroy(x.d);
}

IL_TEST_REAL(R, n338_a_close_ends_a_select)
{
	struct choice x = {.d = bound("127.0.0.1")};
	il_future *f = choose_beside(&x);
	il_case c = il_case_datagram(x.d);

	CHECK_RC(il_datagram_close(x.d), 0);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(x.rc, 0);
	CHECK_RC(x.c.rc, -EBADF);
	CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
	CHECK_RC(c.rc, -EBADF);
	il_datagram_destroy(x.d);
}

IL_TEST_REAL(R, n336_a_refusal_is_something_to_receive)
{
	il_datagram *gone = bound("127.0.0.1"), *d = connected_to(il_datagram_port(gone));
	struct choice x = {.d = d};
	il_future *f;
	char byte;

	il_datagram_destroy(gone);
	f = choose_beside(&x);
	send_text(d, "anybody?", NULL);
	CHECK_RC(il_future_join(f), 0);
	CHECK_RC(x.c.rc, 0);
	CHECK_RC(il_datagram_receive(d, &byte, 1, NULL), -ECONNREFUSED);
	il_datagram_destroy(d);
}
