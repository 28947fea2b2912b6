/*
 * o_clients.c: a client that has connected: its packets in and out, and the ends of its connection.
 */
#include "o_clients.h"

/* ---- 261: to an echo server ---- */

static const il_handler plain_echo_handler = {.handle = plain_echo};

IL_TEST_REAL(O, n261_a_connected_client_sends_and_receives)
{
	struct service s;
	il_address address;
	char text[IL_ADDRESS_TEXT_MAX];
	il_client *c;

	service_lines(&s, &plain_echo_handler, NULL);
	c = enter(&s);
	CHECK_RC(il_client_send(c, "Test", 4), 0);
	CHECK_RECEIVES(c, "Test");
	CHECK(il_client_server(c) == NULL);
	CHECK(il_client_loop(c) == il_loop_current());
	CHECK_RC(il_stream_peer_address(il_client_stream(c), &address), 0);
	CHECK_EQ(il_address_port(&address), il_server_port(s.server));
	il_address_text(&address, text, sizeof text);
	CHECK_STR(il_client_address(c), text);
	CHECK_RC(il_stream_local_address(il_client_stream(c), &address), 0);
	CHECK(il_address_port(&address) > 0);
	il_client_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(O, n261_local_host_and_port_are_bound)
{
	const il_client_options o = {.connect = {.local_host = "127.0.0.2", .local_port = "0"}};
	struct line l = line_with(OVER_TCP, il_protocol_lines(), &o);
	il_address address;
	char text[IL_ADDRESS_TEXT_MAX];

	CHECK_RC(il_stream_local_address(il_client_stream(l.client), &address), 0);
	il_address_text(&address, text, sizeof text);
	CHECK_EQ(strncmp(text, "127.0.0.2:", 10), 0);
	drop(&l);
}

/* ---- 262: packets and pieces ---- */

IL_TEST_REAL(O, n262_a_packet_may_come_in_pieces)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct side s = {.call = NULL};

		side_start(&s, side_receive, l.client);
		say(l.peer, "ABC");
		il_sleep(IL_MSEC(20));
		CHECK(!s.ended);
		say(l.peer, "DEF\n");
		CHECK_RC(side_join(&s), 1);
		CHECK_STR(s.text, "ABCDEF");
		drop(&l);
	}
}

IL_TEST_REAL(O, n262_packets_that_are_there_need_no_waiting)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);

		say(l.peer, "A\nB\nC\nD\n");
		CHECK_RECEIVES(l.client, "A");
		CHECK_RECEIVES_IN(l.client, 0, "B");
		CHECK_RECEIVES_IN(l.client, 0, "C");
		CHECK_RECEIVES_IN(l.client, 0, "D");
		say(l.peer, "E\nF\nG\nH\nI");
		CHECK_RECEIVES(l.client, "E");
		CHECK_RECEIVES_IN(l.client, 0, "F");
		CHECK_RECEIVES_IN(l.client, 0, "G");
		CHECK_RECEIVES_IN(l.client, 0, "H");
		CHECK_RECEIVES_IN(l.client, 0, "ETIMEDOUT");
		say(l.peer, "J\n");
		CHECK_RECEIVES(l.client, "IJ");
		drop(&l);
	}
}

/* ---- 263: timeouts ---- */

IL_TEST_REAL(O, n263_a_receive_without_time_takes_what_is_there)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);

		CHECK_RECEIVES_IN(l.client, 0, "ETIMEDOUT");
		say(l.peer, "half");
		UNTIL(unread(l.client) == 4);
		CHECK_RECEIVES_IN(l.client, 0, "ETIMEDOUT");
		say(l.peer, " and half\n");
		CHECK_RECEIVES(l.client, "half and half");
		CHECK_RC(il_client_receive(l.client, &(il_packet){.size = 0}, -1), -EINVAL);
		CHECK_RC(il_client_send(l.client, "x", (size_t)-1), -EINVAL);
		drop(&l);
	}
}

static int drip(void *arg)
{
	struct side *s = arg;
	int rc = 0;

	while (rc == 0) {
		rc = il_stream_write_all((il_stream *)(uintptr_t)s->bytes, "x", 1);
		if (rc == 0)
			rc = il_sleep(IL_MSEC(8));
	}
	return rc;
}

IL_TEST_REAL(O, n263_a_timeout_counts_the_whole_wait)
{
	struct line l = line_of(OVER_TCP);
	struct side s = {.bytes = l.peer};
	il_time start = il_now();
	il_packet p;

	side_start(&s, drip, l.client);
	CHECK_RECEIVES_IN(l.client, IL_MSEC(20), "ETIMEDOUT");
	CHECK(il_now() - start >= IL_MSEC(20));
	il_scope_cancel(&s.scope);
	CHECK_RC(side_join(&s), -ECANCELED);
	say(l.peer, "\n");
	CHECK_RC(il_client_receive(l.client, &p, il_test_patience()), 1);
	CHECK(p.size > 0);
	drop(&l);
}

/* ---- 264, 265: the peer's end ---- */

IL_TEST_REAL(O, n264_after_the_peers_half_close_sending_works)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);

		CHECK_RC(il_stream_shutdown_write(l.peer), 0);
		CHECK_RECEIVES(l.client, "0");
		CHECK_RECEIVES(l.client, "0");
		CHECK(il_client_is_closing(l.client));
		CHECK_RC(il_client_send(l.client, "still", 5), 0);
		CHECK_HEARS(l.peer, "still");
		drop(&l);
	}
}

IL_TEST_REAL(O, n264_sending_to_a_closed_peer_is_EPIPE_in_the_end)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		int rc;

		il_stream_destroy(l.peer);
		CHECK_RECEIVES(l.client, "0");
		do
			rc = il_client_send(l.client, "lost", 4);
		while (rc == 0);
		CHECK_RC(rc, -EPIPE);
		CHECK_RC(il_client_send(l.client, "lost", 4), -EPIPE);
		CHECK_RECEIVES(l.client, "0");
		il_client_destroy(l.client);
	}
}

IL_TEST_REAL(O, n265_a_cut_packet_is_told_once_before_the_end)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		const char *const expected[] = {"A", "B", "C", "D", "E", "ENODATA", "0", "0"};

		say(l.peer, "A\nB\nC\nD\nE\nF");
		CHECK_RC(il_stream_close(l.peer), 0);
		for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
			CHECK_RECEIVES(l.client, expected[i]);
		drop(&l);
	}
}

/* ---- 266: a reset is not an end ---- */

IL_TEST_REAL(O, n266_a_reset_is_ECONNRESET_once_then_the_end)
{
	static const char *const before[] = {"", "part", "whole\n"};

	for (int i = 0; i < 3; i++) {
		struct line l = line_of(OVER_TCP);

		say(l.peer, before[i]);
		UNTIL(unread(l.client) == (int)strlen(before[i]));
		reset(l.peer);
		if (i == 2)
			CHECK_RECEIVES(l.client, "whole");
		CHECK_RECEIVES(l.client, "ECONNRESET");
		CHECK(il_client_is_closing(l.client));
		CHECK_RECEIVES(l.client, "0");
		CHECK_RECEIVES(l.client, "0");
		il_client_destroy(l.client);
	}
}

IL_TEST_REAL(O, n266_a_reset_is_told_under_the_bytes_protocol_and_to_who_waits)
{
	struct line l = line_with(OVER_TCP, il_protocol_bytes(), NULL);
	struct side s = {.call = NULL};

	say(l.peer, "some");
	CHECK_RECEIVES(l.client, "some");
	side_start(&s, side_receive, l.client);
	reset(l.peer);
	CHECK_RC(side_join(&s), -ECONNRESET);
	CHECK_RECEIVES(l.client, "0");
	il_client_destroy(l.client);
}

IL_TEST_REAL(O, n266_a_reset_that_a_sender_has_met_is_told_to_the_receiver)
{
	struct line l = line_of(OVER_TCP);
	int rc;

	reset(l.peer);
	do
		rc = il_client_send(l.client, "lost", 4);
	while (rc == 0);
	CHECK_RC(rc, -EPIPE);
	CHECK_RECEIVES(l.client, "ECONNRESET");
	CHECK_RECEIVES(l.client, "0");
	il_client_destroy(l.client);
}

/* The system resets a Unix connection that is closed on unread bytes. */
IL_TEST_REAL(O, n266_a_unix_peer_that_closes_on_unread_bytes_resets)
{
	struct line l = line_of(OVER_PAIR);

	CHECK_RC(il_client_send(l.client, "unread", 6), 0);
	il_stream_destroy(l.peer);
	CHECK_RECEIVES(l.client, "ECONNRESET");
	CHECK_RECEIVES(l.client, "0");
	il_client_destroy(l.client);
}

static int meet_reset(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;

	v->last = il_client_receive(client, &p, IL_FOREVER);
	v->handled++;
	return v->last;
}

IL_TEST_REAL(O, n266_a_handler_that_returns_a_reset_is_not_logged)
{
	const il_handler h = handler_with(meet_reset);
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &v);
	c = dial(&s);
	say(c, "part");
	UNTIL(v.connected == 1);
	reset(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, -ECONNRESET);
	CHECK_EQ(v.handled, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	service_end(&s);
}

/* ---- 267: closing ---- */

IL_TEST_REAL(O, n267_closing_wakes_the_receiver_and_the_sender)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct side receiver = {.call = NULL}, sender = {.call = NULL};

		side_start(&receiver, side_receive, l.client);
		side_send_in_vain(&sender, l.client);
		CHECK_RC(il_client_close(l.client), 0);
		CHECK_RC(side_join(&receiver), -EBADF);
		CHECK_RC(side_join(&sender), -EBADF);
		CHECK_RC(il_client_close(l.client), 0);
		CHECK(il_client_is_closing(l.client));
		CHECK_RECEIVES(l.client, "EBADF");
		CHECK_RC(il_client_send(l.client, "x", 1), -EBADF);
		drop(&l);
	}
}

static int receive_line(void *client)
{
	il_packet p;

	return il_client_receive(client, &p, IL_FOREVER);
}

static int send_word(void *client)
{
	return il_client_send(client, "word", 4);
}

/* The first of them to fail cancels the others, which have their answers by then. */
IL_TEST_REAL(O, n267_closing_wakes_all_who_send_at_once)
{
	struct line l = line_of(OVER_PAIR);
	struct side first = {.call = NULL};
	il_fn *calls[] = {receive_line, send_word, send_word};
	il_future *futures[3];
	il_group g;

	side_send_in_vain(&first, l.client);
	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 3; i++)
		CHECK_RC(il_group_start_soon(&g, &futures[i], calls[i], l.client), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_client_close(l.client), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_future_join(futures[i]), -EBADF);
		CHECK_DETAIL("closed");
	}
	CHECK_RC(il_group_close(&g, 0), -EBADF);
	CHECK_RC(side_join(&first), -EBADF);
	drop(&l);
}

/* Longer than the room on the stack that most texts are made in. */
IL_TEST_REAL(O, a_text_of_any_length_is_one_packet)
{
	il_stream *ours = NULL, *theirs = NULL;
	il_client *client = NULL, *peer = NULL;
	char text[5000];
	il_packet p;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	CHECK_RC(il_stream_pair(&ours, &theirs), 0);
	CHECK_RC(il_client_open(&client, ours, il_protocol_lines(), NULL), 0);
	CHECK_RC(il_client_open(&peer, theirs, il_protocol_lines(), NULL), 0);
	CHECK_RC(il_client_printf(client, "%s, %d", text, 7), 0);
	CHECK_RC(il_client_receive(peer, &p, IL_FOREVER), 1);
	CHECK_EQ(p.size, sizeof text - 1 + 3);
	CHECK(memcmp(p.data, text, sizeof text - 1) == 0);
	CHECK(memcmp((const char *)p.data + sizeof text - 1, ", 7", 3) == 0);
	il_client_destroy(client);
	il_client_destroy(peer);
}
