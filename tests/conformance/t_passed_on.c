/*
 * t_passed_on.c: a listening socket that is sent to somebody else over a Unix stream, as a
 * supervisor does: whoever receives it serves it, also after the sender has closed its own.
 */
#include "m_server.h"

/* Sends a descriptor and returns the receiver's own. */
static int passed_on(int fd)
{
	il_stream *from, *to;
	int got = -1, count = 1;
	char byte;

	CHECK_RC(il_stream_pair(&from, &to), 0);
	CHECK_RC(il_stream_send_fds(from, "x", 1, &fd, 1), 0);
	CHECK_RC(il_stream_receive_fds(to, &byte, 1, &got, &count), 1);
	CHECK_EQ(count, 1);
	CHECK(got >= 0 && got != fd);
	il_stream_destroy(from);
	il_stream_destroy(to);
	return got;
}

IL_TEST_REAL(T, n390_a_listening_socket_that_was_sent_is_served_by_whoever_receives_it)
{
	il_listener *first = listen_here();
	uint16_t port = il_listener_port(first);
	struct service s = {.server = NULL};
	il_stream *early, *late;

	early = dial_port(port); /* it waits in the socket, which both share */
	CHECK_RC(il_server_open(&s.server, il_protocol_lines(), &echo_handler, &s.visits, NULL), 0);
	CHECK_RC(il_server_add_fd(s.server, passed_on(il_listener_fd(first, 0))), 0);
	il_listener_destroy(first);
	CHECK_EQ(il_server_port(s.server), port);
	service_run(&s);
	CHECK_ASK(early, "early", "early");
	late = dial_port(port);
	CHECK_ASK(late, "late", "late");
	il_stream_destroy(early);
	il_stream_destroy(late);
	service_end(&s);
	check_refused(port);
}

IL_TEST_REAL(T, n390_of_a_server_that_serves_too)
{
	struct service mine = {.server = NULL}, theirs = mine;
	il_stream *c;
	uint16_t port;

	service_lines(&mine, &echo_handler, &mine.visits);
	port = il_server_port(mine.server);
	CHECK_RC(il_server_open(&theirs.server, il_protocol_lines(), &echo_handler, &theirs.visits,
				NULL),
		 0);
	CHECK_RC(il_server_add_fd(theirs.server, passed_on(il_server_fd(mine.server, 0))), 0);
	service_run(&theirs);
	service_end(&mine);
	c = dial_port(port);
	CHECK_ASK(c, "who?", "who?");
	CHECK_EQ(mine.visits.connected, 0);
	CHECK_EQ(theirs.visits.connected, 1);
	il_stream_destroy(c);
	service_end(&theirs);
}
