/*
 * m_protocol_bytes.c: no framing: each receive gives what has come, and what is sent goes as it is; also for
 * a protocol of one's own that has no `frame`.
 */
#include "m_server.h"

IL_TEST_CORE(M, bytes_are_found_as_they_come_and_no_more_than_the_limit)
{
	const il_protocol *p = il_protocol_bytes();
	unsigned char data[] = "a\n\0b";
	il_parse parse = {.data = data, .size = 4, .limit = 3};

	CHECK(p->frame == NULL);
	CHECK_EQ(p->find(p, &parse), 1);
	CHECK(parse.packet.data == data);
	CHECK_EQ(parse.packet.size, 3);
	CHECK_EQ(parse.consumed, 3);
	parse = (il_parse){.data = data + 3, .size = 1, .limit = 3};
	CHECK_EQ(p->find(p, &parse), 1);
	CHECK_EQ(parse.packet.size, 1);
}

/* What a server of bytes received. */
struct heard {
	struct visits v;
	char text[64];
	size_t size, largest;
};

static int listen_to(il_client *client, void *data)
{
	struct heard *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK(p.size > 0 && x->size + p.size <= sizeof x->text);
	CHECK_EQ(((const char *)p.data)[p.size], 0);
	memcpy(x->text + x->size, p.data, p.size);
	x->size += p.size;
	x->largest = p.size > x->largest ? p.size : x->largest;
	return il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, a_server_of_bytes_receives_what_is_there_and_sends_it_as_it_is)
{
	static const char all[] = "GET\r\n\r\n\0half a li";
	const il_handler h = handler_with(listen_to);
	char echo[sizeof all - 1];
	struct heard x = {.size = 0};
	struct service s;
	il_stream *c;

	service_start(&s, &h, &x, il_protocol_bytes(), NULL);
	c = dial(&s);
	for (size_t at = 0; at < sizeof echo; at += 6) { /* none waits for the next */
		size_t size = sizeof echo - at < 6 ? sizeof echo - at : 6;
		CHECK_RC(il_stream_write_all(c, all + at, size), 0);
		CHECK_RC(il_stream_receive_exactly(c, echo + at, size), 0);
	}
	CHECK_RC(il_stream_shutdown_write(c), 0);
	check_gone(c);
	UNTIL(x.v.disconnected == 1);
	CHECK_RC(x.v.last, 0); /* the end is no packet cut short */
	CHECK_EQ(x.v.handled, 3);
	CHECK_EQ(x.size, sizeof echo);
	CHECK(memcmp(x.text, all, sizeof echo) == 0);
	CHECK(memcmp(echo, all, sizeof echo) == 0);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

IL_TEST_REAL(M, a_server_of_bytes_receives_no_more_than_max_packet_at_once)
{
	const il_handler h = handler_with(listen_to);
	struct heard x = {.size = 0};
	struct service s;
	char echo[26];
	il_stream *c;

	service_start(&s, &h, &x, il_protocol_bytes(), &(il_server_options){.max_packet = 4});
	c = dial(&s);
	say(c, "abcdefghijklmnopqrstuvwxyz");
	CHECK_RC(il_stream_receive_exactly(c, echo, sizeof echo), 0);
	CHECK(memcmp(echo, "abcdefghijklmnopqrstuvwxyz", sizeof echo) == 0);
	CHECK_EQ(x.largest, 4);
	il_stream_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(M, a_protocol_without_frame_sends_packets_as_they_are)
{
	il_protocol p = *il_protocol_lines();
	struct visits v = {0};
	struct service s;
	char echo[3];
	il_stream *c;

	p.frame = NULL;
	service_start(&s, &echo_handler, &v, &p, NULL);
	c = dial(&s);
	say(c, "a\nbc\n");
	CHECK_RC(il_stream_receive_exactly(c, echo, 3), 0);
	CHECK(memcmp(echo, "abc", 3) == 0);
	il_stream_destroy(c);
	service_end(&s);
}
