/*
 * s_select_ends.c: another task selects on a server's client, whose own task ends meanwhile.
 */
#include "p_xor.h"
#include "s_select.h"

#define LIMIT IL_MSEC(200)

enum { CROWD = 1000 }; /* more tasks than one turn of the loop runs, for they work a little */

struct handling {
	il_event *go;
	il_client *client;
};

/* Does not receive: the other task does. Once it goes on it ends at once. */
static int wait_and_leave(il_client *client, void *data)
{
	struct handling *h = data;

	h->client = il_client_ref(client);
	CHECK_RC(il_event_wait(h->go), 0);
	return il_client_close(client);
}

static int wait_and_work(void *event)
{
	int rc = il_event_wait(event);

	usleep(1);
	return rc;
}

/* The select has news, but before it looks its client's task ends, and then the server's limit passes: it takes a
 * turn of many tasks for that. */
IL_TEST_REAL(S, n375_the_limit_of_a_client_whose_task_has_ended_says_nothing)
{
	const il_handler handler = {.handle = wait_and_leave};
	struct handling h = {.go = new_event()};
	struct chooser c = {.count = 0};
	struct xor_layer x;
	struct service s;
	il_stream *peer;
	il_group crowd, choosing;

	xor_init(&x);
	service_start(&s, &handler, &h, il_protocol_lines(),
		      &(il_server_options){.layer = &x.layer, .idle_timeout = LIMIT});
	peer = dial(&s);
	say(peer, "client\n");
	UNTIL(h.client != NULL);
	CHECK_RC(il_group_open(&crowd), 0);
	for (int i = 0; i < CROWD; i++)
		CHECK_RC(il_group_start_soon(&crowd, NULL, wait_and_work, h.go), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_group_open(&choosing), 0);
	c.cases[0] = il_case_client(h.client);
	start_choosing(&choosing, &c, 1);
	CHECK_RC(il_event_set(h.go), 0);
	il_transport_ready(il_client_stream(h.client), IL_READABLE);
	usleep((useconds_t)(LIMIT / 1000)); /* the loop stands */
	CHECK_RC(il_group_close(&choosing, 0), 0);
	CHECK_RC(il_group_close(&crowd, 0), 0);
	CHECK(c.returned);
	CHECK_RC(c.rc, 0); /* as closed; or by its limit, on a machine that stood as well */
	CHECK(il_client_is_closing(h.client));
	il_client_unref(h.client);
	il_stream_destroy(peer);
	service_end(&s);
	il_event_destroy(h.go);
	xor_check_gone(&x);
}
