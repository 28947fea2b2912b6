/*
 * o_client_rules.c: where a packet client may be used: what does not wait works outside a task, nothing works in a forked
 * child, and a transport is found through the layers above it.
 */
#include "aside.h"
#include "in_child.h"
#include "o_clients.h"

#include <interloop/layer.h>
#include <sys/uio.h>

/* ---- outside a task ---- */

static int use_in_a_plain_call(void *arg)
{
	struct line *l = arg;
	il_stream *a = NULL, *b = NULL;
	il_client *c = NULL;
	il_packet p;

	CHECK_RC(il_client_receive(l->client, &p, 0), 1);
	CHECK(packet_is(&p, "there"));
	CHECK_RC(il_client_receive(l->client, &p, 0), -ETIMEDOUT);
	CHECK_RC(il_client_receive(l->client, &p, 1), -EPERM);
	CHECK_RC(il_client_send(l->client, "x", 1), -EPERM);
	CHECK_RC(il_client_printf(l->client, "%d", 1), -EPERM);
	CHECK_RC(il_client_finish(l->client, IL_SEC(1)), -EPERM);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", "9", il_protocol_lines(), NULL), -EPERM);
	CHECK_RC(il_client_connect_unix(&c, "nowhere", il_protocol_lines(), NULL), -EPERM);
	CHECK(c == NULL);
	CHECK_RC(il_stream_pair(&a, &b), 0);
	CHECK_RC(il_client_open(&c, a, il_protocol_lines(), NULL), 0);
	il_client_destroy(c);
	il_stream_destroy(b);
	CHECK_RC(il_client_shutdown_write(l->client), 0);
	CHECK(!il_client_is_closing(l->client));
	CHECK_RC(il_client_close(l->client), 0);
	return 0;
}

IL_TEST_REAL(O, n280_outside_a_task_only_what_does_not_wait_works)
{
	il_portal *portal = il_test_portal();

	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		il_case c = il_case_client(l.client);
		il_future *f = NULL;
		say(l.peer, "there\n");
		CHECK_RC(il_select(&c, 1, IL_FOREVER), 0);
		CHECK_RC(il_portal_run_sync_soon(portal, &f, use_in_a_plain_call, &l), 0);
		CHECK_RC(il_future_join(f), 0);
		drop(&l);
	}
	CHECK_RC(il_portal_close(portal), 0);
}

/* ---- a forked child ---- */

static int use_inherited(void *arg)
{
	struct line *l = arg;
	il_packet p;

	CHILD_CHECK(il_client_receive(l->client, &p, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_client_send(l->client, "x", 1) == -ESHUTDOWN);
	CHILD_CHECK(il_client_shutdown_write(l->client) == -ESHUTDOWN);
	CHILD_CHECK(il_client_finish(l->client, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_client_close(l->client) == -ESHUTDOWN);
	drop(l);
	return 0;
}

IL_TEST_REAL(O, n280_a_forked_child_drops_its_copy_and_the_connection_goes_on)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		il_packet p;
		CHECK_IN_CHILD(use_inherited, &l);
		say(l.peer, "still\n");
		CHECK_RC(il_client_receive(l.client, &p, IL_FOREVER), 1);
		CHECK(packet_is(&p, "still"));
		CHECK_RC(il_client_send(l.client, "here", 4), 0);
		CHECK_HEARS(l.peer, "here");
		drop(&l);
	}
}

/* ---- a transport below others ---- */

struct pane {
	il_stream *under;
};

static int pane_receive(void *self, void *data, size_t max)
{
	return il_stream_read_now(((struct pane *)self)->under, data, max);
}

/* Another one by this function. */
static int tinted_receive(void *self, void *data, size_t max)
{
	return pane_receive(self, data, max);
}

static int pane_send(void *self, const struct iovec *pieces, int count)
{
	return il_stream_write_now(((struct pane *)self)->under, pieces, count);
}

static void pane_destroy(void *self)
{
	il_stream_destroy(((struct pane *)self)->under);
}

static il_stream *pane_under(void *self)
{
	return ((struct pane *)self)->under;
}

static const struct il_transport clear = {.name = "clear",
					  .receive = pane_receive,
					  .send = pane_send,
					  .destroy = pane_destroy,
					  .under = pane_under},
				 tinted = {.name = "tinted",
					   .receive = tinted_receive,
					   .send = pane_send,
					   .destroy = pane_destroy,
					   .under = pane_under};

IL_TEST_REAL(P, a_transport_is_found_through_those_above_it)
{
	struct pane inner, outer;
	il_stream *a = NULL, *b = NULL, *middle = NULL, *top = NULL;

	CHECK_RC(il_stream_pair(&a, &b), 0);
	inner.under = a;
	CHECK_RC(il_stream_open_transport(&middle, &clear, &inner), 0);
	outer.under = middle;
	CHECK_RC(il_stream_open_transport(&top, &tinted, &outer), 0);
	CHECK(il_transport_find(top, &tinted) == &outer);
	CHECK(il_transport_find(top, &clear) == &inner);
	CHECK(il_transport_find(middle, &clear) == &inner);
	CHECK(il_transport_find(middle, &tinted) == NULL);
	CHECK(il_transport_find(a, &clear) == NULL);
	CHECK(il_transport_find(top, NULL) == NULL);
	CHECK_RC(il_stream_close(middle), 0);
	CHECK(il_transport_find(top, &clear) == NULL);
	CHECK(il_transport_find(top, &tinted) == &outer);
	CHECK_RC(il_stream_close(top), 0);
	CHECK(il_transport_find(top, &tinted) == NULL);
	il_stream_destroy(top);
	il_stream_destroy(b);
}
