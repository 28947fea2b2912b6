/*
 * o_clients_ends.c: both directions at once, limits of time, and the ends that a client makes itself: half-close,
 * a polite close, the last reference.
 */
#include "o_clients.h"
#include "scarce_backend.h"

#include <interloop/layer.h>
#include <interloop/select.h>
#include <limits.h>
#include <sys/uio.h>

/* ---- 273: both directions at once ---- */

enum { PACKETS = 200, SIZE = 65536 };

static const il_handler plain_echo_handler = {.handle = plain_echo};

static int send_packets(void *arg)
{
	struct side *s = arg;
	unsigned char *packet = malloc(SIZE);
	int rc = 0;

	for (int i = 0; i < PACKETS && rc == 0; i++) {
		memset(packet, i, SIZE);
		rc = il_client_send(s->object, packet, SIZE);
	}
	free(packet);
	return rc;
}

static bool is_filled(const il_packet *p, int with)
{
	const unsigned char *data = p->data;

	for (size_t i = 0; i < p->size; i++)
		if (data[i] != (unsigned char)with)
			return false;
	return p->size == SIZE;
}

static il_client *enter_sized(struct service *s)
{
	il_client *c = NULL;
	char port[8];

	service_start(s, &plain_echo_handler, NULL, il_protocol_length_prefixed(), NULL);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(il_server_port(s->server), port),
				       il_protocol_length_prefixed(), NULL),
		 0);
	return c;
}

IL_TEST_REAL(O, n273_one_task_receives_while_another_sends)
{
	struct service s;
	struct side sender = {.call = NULL};
	il_client *c = enter_sized(&s);

	side_start(&sender, send_packets, c);
	for (int i = 0; i < PACKETS; i++) {
		il_packet p;
		CHECK_RC(il_client_receive(c, &p, il_test_patience()), 1);
		CHECK(is_filled(&p, i));
	}
	CHECK_RC(side_join(&sender), 0);
	il_client_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(O, n273_two_senders_send_whole_packets)
{
	struct service s;
	struct side sender[2] = {{.call = NULL}, {.call = NULL}};
	il_client *c = enter_sized(&s);
	int next[256] = {0}, total = 0;

	for (int i = 0; i < 2; i++)
		side_start(&sender[i], send_packets, c);
	for (int i = 0; i < 2 * PACKETS; i++) {
		il_packet p;
		int fill;
		CHECK_RC(il_client_receive(c, &p, il_test_patience()), 1);
		fill = *(const unsigned char *)p.data;
		CHECK(is_filled(&p, fill));
		next[fill]++;
	}
	for (int i = 0; i < 256; i++)
		total += next[i] == (i < PACKETS ? 2 : 0);
	CHECK_EQ(total, 256);
	for (int i = 0; i < 2; i++)
		CHECK_RC(side_join(&sender[i]), 0);
	il_client_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(O, n273_a_second_receiver_is_EBUSY_for_itself)
{
	struct line l = line_of(OVER_PAIR);
	struct side s = {.call = NULL};

	side_start(&s, side_receive, l.client);
	CHECK_RECEIVES(l.client, "EBUSY");
	CHECK_RC(il_client_finish(l.client, 0), -EBUSY);
	say(l.peer, "whole\n");
	CHECK_RC(side_join(&s), 1);
	CHECK_STR(s.text, "whole");
	drop(&l);
}

/* ---- 274: limits of time ---- */

IL_TEST_REAL(O, n274_a_silent_peer_is_given_up_after_idle_timeout)
{
	for (int way = 0; way < WAYS; way++) {
		const il_client_options o = {.idle_timeout = IL_MSEC(20)};
		struct line l = line_with(way, il_protocol_lines(), &o);
		il_time start = il_now();

		CHECK_RECEIVES_IN(l.client, IL_MSEC(5), "ETIMEDOUT");
		CHECK_RECEIVES(l.client, "0");
		CHECK(il_now() - start >= IL_MSEC(20));
		CHECK(il_client_is_closing(l.client));
		CHECK_LOGGED(IL_LOG_INFO, "", 0);
		drop(&l);
	}
}

IL_TEST_REAL(O, n274_a_peer_that_does_not_read_is_given_up_after_send_timeout)
{
	for (int way = 0; way < WAYS; way++) {
		const il_client_options o = {.send_timeout = IL_MSEC(20)};
		struct line l = line_with(way, il_protocol_lines(), &o);
		struct side s = {.call = NULL};

		side_send_much(&s, l.client);
		CHECK_RC(side_join(&s), -EPIPE);
		CHECK(il_client_is_closing(l.client));
		CHECK_RECEIVES(l.client, "EBADF");
		drop(&l);
	}
}

IL_TEST_REAL(O, n274_a_cancelled_send_in_mid_packet_closes_the_client)
{
	struct line l = line_of(OVER_TCP);
	struct side s = {.call = NULL};

	side_send_in_vain(&s, l.client);
	il_scope_cancel(&s.scope);
	CHECK_RC(side_join(&s), -ECANCELED);
	CHECK(il_client_is_closing(l.client));
	CHECK_RC(il_client_send(l.client, "x", 1), -EBADF);
	drop(&l);
}

static int frame_and_cancel(const il_protocol *p, il_frame *frame)
{
	(void)frame;
	return il_scope_cancel(p->state.pointer);
}

IL_TEST_REAL(O, n274_a_protocol_may_cancel_a_send_that_has_no_room)
{
	static char much[1 << 20];
	const struct iovec piece = {.iov_base = much, .iov_len = sizeof much};
	il_scope scope = IL_SCOPE_INIT;
	const il_protocol canceller = {
	    .find = il_protocol_lines()->find, .frame = frame_and_cancel, .state.pointer = &scope};
	struct line l = line_with(OVER_PAIR, &canceller, NULL);
	il_stream *s = il_client_stream(l.client);

	while (il_stream_write_now(s, &piece, 1) > 0)
		;
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_client_send(l.client, "x", 1), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK(!il_client_is_closing(l.client)); /* nothing of the packet has gone */
	drop(&l);
}

static int nothing_comes(void *self, void *data, size_t max)
{
	(void)self, (void)data, (void)max;
	return -EAGAIN;
}

static int send_while_open(void *self, const struct iovec *pieces, int count)
{
	CHECK(!*(bool *)self);
	return count ? (int)pieces[0].iov_len : 0;
}

static void note_closed(void *self)
{
	*(bool *)self = true;
}

static int frame_and_close(const il_protocol *p, il_frame *frame)
{
	(void)frame;
	return il_client_close(*(il_client **)p->state.pointer);
}

IL_TEST(O, n274_a_protocol_may_close_the_client_that_sends)
{
	const struct il_transport open = {
	    .receive = nothing_comes, .send = send_while_open, .close = note_closed};
	il_client *client = NULL;
	const il_protocol closer = {
	    .find = il_protocol_lines()->find, .frame = frame_and_close, .state.pointer = &client};
	il_stream *s = NULL;
	bool closed = false;

	CHECK_RC(il_stream_open_transport(&s, &open, &closed), 0);
	CHECK_RC(il_client_open(&client, s, &closer, NULL), 0);
	CHECK_RC(il_client_send(client, "x", 1), -EBADF);
	CHECK(closed);
	il_client_destroy(client);
}

static int send_without_memory_to_wait(void *unused)
{
	static char packet[1 << 20];
	struct line l = line_of(OVER_PAIR);

	(void)unused;
	scarce.next = 1; /* it waits for room, after a part is gone */
	CHECK_RC(il_client_send(l.client, packet, sizeof packet), -ENOMEM);
	CHECK_EQ(scarce.next, 0);
	CHECK(il_client_is_closing(l.client));
	CHECK_RC(il_client_send(l.client, "x", 1), -EBADF);
	drop(&l);
	return 0;
}

IL_TEST_OWN_REAL(O, n274_a_send_that_lacks_memory_in_mid_packet_closes_the_client)
{
	const il_backend backend = scarce_backend();

	CHECK_RC(il_run(&backend, send_without_memory_to_wait, NULL), 0);
}

/* A peer that is always ahead, in the middle of a line. */
static int receive_endlessly(void *self, void *data, size_t max)
{
	(void)self;
	memset(data, 'x', max);
	return max < INT_MAX ? (int)max : INT_MAX;
}

static int send_never(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	(void)count;
	return -EAGAIN;
}

/* That the line is too long was said. */
static il_client *flooded_client(il_time idle_timeout)
{
	const struct il_transport flood = {
	    .name = "flood", .receive = receive_endlessly, .send = send_never};
	const il_client_options o = {.max_packet = 1000, .idle_timeout = idle_timeout};
	il_stream *s = NULL;
	il_client *c = NULL;

	CHECK_RC(il_stream_open_transport(&s, &flood, NULL), 0);
	CHECK_RC(il_client_open(&c, s, il_protocol_lines(), &o), 0);
	CHECK_RECEIVES(c, "EMSGSIZE");
	return c;
}

IL_TEST_REAL(O, n274_a_peer_that_sends_no_packet_without_end_is_given_up_in_time)
{
	il_client *c = flooded_client(IL_MSEC(20));

	CHECK_RECEIVES_IN(c, IL_MSEC(5), "ETIMEDOUT");
	CHECK_RECEIVES_IN(c, 0, "ETIMEDOUT");
	CHECK(!il_client_is_closing(c));
	CHECK_RECEIVES(c, "0");
	il_client_destroy(c);
}

static int side_select(void *arg)
{
	const struct side *s = arg;
	il_case one = il_case_client(s->object);

	return il_select(&one, 1, IL_FOREVER);
}

IL_TEST_REAL(O, n274_a_select_of_such_a_peer_lets_others_run_and_ends_in_time)
{
	il_client *c = flooded_client(IL_FOREVER);
	il_case one = il_case_client(c);
	struct side s = {.size = 0};

	CHECK_RC(il_select(&one, 1, IL_MSEC(5)), -ETIMEDOUT);
	CHECK_RC(il_select(&one, 1, 0), -ETIMEDOUT);
	side_start(&s, side_select, c);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(side_join(&s), -ECANCELED);
	il_client_destroy(c);
	c = flooded_client(IL_MSEC(20));
	one = il_case_client(c);
	CHECK_RC(il_select(&one, 1, IL_FOREVER), 0);
	CHECK_RECEIVES(c, "0");
	il_client_destroy(c);
}

/* ---- 275: half-close ---- */

IL_TEST_REAL(O, n275_after_the_end_of_sending_receiving_goes_on)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		char byte;

		CHECK_RC(il_client_shutdown_write(l.client), 0);
		CHECK_EQ(il_stream_read(l.peer, &byte, 1), 0);
		CHECK_RC(il_client_send(l.client, "x", 1), -EPIPE);
		CHECK_RC(il_client_printf(l.client, "x"), -EPIPE);
		CHECK(!il_client_is_closing(l.client));
		say(l.peer, "ABCDEF\n");
		CHECK_RECEIVES(l.client, "ABCDEF");
		CHECK_RC(il_client_shutdown_write(l.client), 0);
		CHECK_RC(il_client_close(l.client), 0);
		CHECK_RC(il_client_shutdown_write(l.client), 0);
		drop(&l);
	}
}

IL_TEST_REAL(O, n275_the_end_of_sending_cuts_no_packet)
{
	struct line l = line_of(OVER_TCP);
	struct side s = {.call = NULL};

	side_send_in_vain(&s, l.client);
	CHECK_RC(il_client_shutdown_write(l.client), -EBUSY);
	CHECK_RC(il_client_close(l.client), 0);
	CHECK_RC(side_join(&s), -EBADF);
	CHECK_RC(il_client_shutdown_write(NULL), -EINVAL);
	drop(&l);
}

static int half_close(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;

	v->last = il_client_receive(client, &p, IL_FOREVER);
	if (v->last <= 0)
		return v->last;
	v->handled++;
	CHECK_RC(il_client_printf(client, "got %.*s", (int)p.size, (const char *)p.data), 0);
	return il_client_shutdown_write(client);
}

IL_TEST_REAL(O, n275_a_server_may_end_sending_too)
{
	const il_handler h = handler_with(half_close);
	struct visits v = {0};
	struct service s;
	il_client *c;

	service_lines(&s, &h, &v);
	c = enter(&s);
	CHECK_RC(il_client_send(c, "one", 3), 0);
	CHECK_RECEIVES(c, "got one");
	CHECK_RECEIVES(c, "0");
	il_client_destroy(c);
	UNTIL(v.disconnected == 1);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* ---- 276: a polite close ---- */

static int finish(void *arg)
{
	struct side *s = arg;

	return il_client_finish(s->object, s->timeout);
}

IL_TEST_REAL(O, n276_finishing_sends_all_and_waits_for_the_peer)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct side s = {.timeout = IL_FOREVER};
		char byte;

		CHECK_RC(il_client_send(l.client, "last", 4), 0);
		side_start(&s, finish, l.client);
		CHECK_HEARS(l.peer, "last");
		CHECK_EQ(il_stream_read(l.peer, &byte, 1), 0);
		say(l.peer, "late\n");
		CHECK(!s.ended);
		CHECK_RC(il_stream_close(l.peer), 0);
		CHECK_RC(side_join(&s), 0);
		CHECK_RECEIVES(l.client, "EBADF");
		drop(&l);
	}
}

IL_TEST_REAL(O, n276_finishing_ends_with_its_time)
{
	struct line l = line_of(OVER_TCP);
	il_time start = il_now();

	CHECK_RC(il_client_finish(l.client, IL_MSEC(20)), 0);
	CHECK(il_now() - start >= IL_MSEC(20));
	CHECK(il_client_is_closing(l.client));
	CHECK_RC(il_client_send(l.client, "x", 1), -EBADF);
	CHECK_RC(il_client_finish(l.client, IL_SEC(5)), 0);
	drop(&l);
}

/* ---- 277: references ---- */

IL_TEST_REAL(O, n277_a_reference_outlives_the_destroyed_client)
{
	struct line l = line_of(OVER_PAIR);
	struct side s = {.call = NULL};
	int here;

	il_client_set_data(l.client, &here);
	CHECK(il_client_ref(l.client) == l.client);
	side_start(&s, side_receive, l.client);
	il_client_destroy(l.client);
	CHECK_RC(side_join(&s), -EBADF);
	CHECK(il_client_data(l.client) == &here);
	CHECK(il_client_is_closing(l.client));
	CHECK_RC(il_client_send(l.client, "x", 1), -EBADF);
	CHECK_STR(il_client_address(l.client), "unnamed");
	il_client_unref(l.client);
	il_client_destroy(NULL);
	il_stream_destroy(l.peer);
}

IL_TEST_REAL(O, n277_the_last_reference_closes)
{
	struct line l = line_of(OVER_TCP);
	char byte;

	CHECK_RC(il_client_send(l.client, "bye", 3), 0);
	say(l.peer, "unread\n");
	UNTIL(unread(l.client) > 0);
	il_client_unref(l.client);
	CHECK_HEARS(l.peer, "bye"); /* what was unread does not reset the connection */
	CHECK_EQ(il_stream_read(l.peer, &byte, 1), 0);
	il_stream_destroy(l.peer);
}

IL_TEST_REAL(O, n277_a_task_that_sends_may_be_the_last_to_hold_it)
{
	struct line l = line_of(OVER_TCP);
	struct side s = {.call = NULL};

	side_send_in_vain(&s, l.client);
	il_client_unref(l.client);
	CHECK(!s.ended);
	il_stream_destroy(l.peer);
	CHECK_RC(side_join(&s), -EPIPE);
}

/* ---- 279: one function on both sides ---- */

struct talk {
	char transcript[256];
};

/* Counts down to nothing, whoever begins. */
static int talk(il_client *client)
{
	struct talk *t = il_client_data(client);
	il_packet p;
	int rc;

	while ((rc = il_client_receive(client, &p, IL_SEC(5))) == 1) {
		int n = atoi(p.data);
		size_t used = strlen(t->transcript);
		snprintf(t->transcript + used, sizeof t->transcript - used, "%d ", n);
		if (n == 0)
			return il_client_finish(client, IL_SEC(5));
		rc = il_client_printf(client, "%d", n - 1);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int talk_handler(il_client *client, void *data)
{
	il_client_set_data(client, data);
	return talk(client);
}

IL_TEST_REAL(O, n279_one_function_talks_on_both_sides)
{
	const il_handler h = {.handle = talk_handler};
	struct talk mine = {""}, theirs = {""};
	struct service s;
	il_client *c;

	service_lines(&s, &h, &theirs);
	c = enter(&s);
	il_client_set_data(c, &mine);
	CHECK_RC(il_client_printf(c, "%d", 5), 0);
	CHECK_RC(talk(c), 0);
	il_client_destroy(c);
	CHECK_STR(mine.transcript, "4 2 0 ");
	service_end(&s);
	CHECK_STR(theirs.transcript, "5 3 1 ");
}
