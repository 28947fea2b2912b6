/*
 * o_clients_elsewhere.c: clients that come and go, and clients of threads that have no loop:
 * through a portal they are used as by a task, and without one refused.
 */
#include "aside.h"
#include "o_clients.h"

#include <fcntl.h>

static const il_handler plain_echo_handler = {.handle = plain_echo};

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

IL_TEST_REAL(O, n280_clients_come_and_go_and_leave_nothing)
{
	struct service s;
	il_client *c;
	int before = 0;

	service_lines(&s, &plain_echo_handler, NULL);
	for (int i = 0; i < 50; i++) {
		c = enter(&s);
		CHECK_RC(il_client_printf(c, "%d", i), 0);
		CHECK_RC(il_client_finish(c, il_test_patience()), 0);
		il_client_destroy(c);
		UNTIL(il_server_clients(s.server) == 0);
		if (i == 0)
			before = descriptors();
	}
	CHECK_EQ(descriptors(), before);
	service_end(&s);
}

/* ---- a plain thread ---- */

struct elsewhere {
	il_portal *portal;
	il_client *client;
	char text[256];
};

static int ask(void *arg)
{
	struct elsewhere *x = arg;

	CHECK_RC(il_client_printf(x->client, "from a thread"), 0);
	packet_text(x->client, il_test_patience(), x->text);
	return 0;
}

static int ask_through_the_portal(void *arg)
{
	struct elsewhere *x = arg;

	return il_portal_run_coroutine(x->portal, ask, x);
}

IL_TEST_REAL(O, n280_a_plain_thread_uses_a_client_through_a_portal)
{
	struct elsewhere x = {.portal = il_test_portal()};
	struct service s;

	service_lines(&s, &plain_echo_handler, NULL);
	x.client = enter(&s);
	CHECK_RC(il_test_aside(ask_through_the_portal, &x), 0);
	CHECK_STR(x.text, "from a thread");
	CHECK_RC(il_portal_close(x.portal), 0);
	il_client_destroy(x.client);
	service_end(&s);
}

static int use_directly(void *arg)
{
	il_client *c = arg;
	il_packet p;

	CHECK_RC(il_client_receive(c, &p, 0), -EPERM);
	CHECK_RC(il_client_send(c, "x", 1), -EPERM);
	CHECK_RC(il_client_shutdown_write(c), -EPERM);
	CHECK_RC(il_client_finish(c, 0), -EPERM);
	CHECK_RC(il_client_close(c), -EPERM);
	return 0;
}

IL_TEST_REAL(O, n280_another_thread_is_refused_and_has_changed_nothing)
{
	struct service s;
	il_client *c;

	service_lines(&s, &plain_echo_handler, NULL);
	c = enter(&s);
	CHECK_RC(il_test_aside(use_directly, c), 0);
	CHECK(!il_client_is_closing(c));
	CHECK_RC(il_client_printf(c, "still"), 0);
	CHECK_RECEIVES(c, "still");
	il_client_destroy(c);
	service_end(&s);
}
