/*
 * r_udp_server_sends.c: replies of a UDP server that do not go: what that says of the client, and what it does not.
 */
#include "r_server.h"

/* ---- 359: a way that is not there for a while ---- */

/* The server's own socket, which nobody is told. */
static int server_socket(const il_server *server)
{
	for (int fd = 3; fd < 1000; fd++) {
		struct sockaddr_in name = {.sin_family = AF_UNSPEC};
		socklen_t length = sizeof name, size = sizeof(int);
		int type = 0;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM &&
		    getsockname(fd, (struct sockaddr *)&name, &length) == 0 &&
		    name.sin_family == AF_INET && ntohs(name.sin_port) == il_server_port(server))
			return fd;
	}
	return -1;
}

/* Replies while a socket that reaches nobody stands in for the server's. */
static int reply_nowhere(il_client *client)
{
	int fd = server_socket(il_client_server(client)), rc;
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), kept = dup(fd);

	CHECK(fd >= 0 && other >= 0 && kept >= 0);
	CHECK_EQ(dup2(other, fd), fd);
	rc = reply(client, "lost");
	CHECK_EQ(dup2(kept, fd), fd);
	close(kept);
	close(other);
	return rc;
}

static int lose_the_first(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(reply_nowhere(client), -EPIPE);
	CHECK(!il_client_is_closing(client));
	return reply(client, "heard");
}

IL_TEST_REAL(R, n359_a_client_whose_way_was_gone_for_a_while_is_not_closing)
{
	const il_handler h = handler_with(lose_the_first);
	struct visits v = {.connected = 0};
	struct service s;
	il_datagram *d = udp_start_with_peer(&s, &h, &v, il_protocol_bytes(), NULL);

	for (int i = 0; i < 2; i++)
		UDP_ASK(d, "hello", "heard");
	CHECK_EQ(v.connected, 1);
	udp_end_with_peer(&s, d);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* Its handler may give it up for that; the log does not tell of each. */
static int give_up(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	return rc <= 0 ? rc : reply_nowhere(client);
}

IL_TEST_REAL(R, n359_a_handler_that_gives_such_a_client_up_is_not_reported)
{
	const il_handler h = handler_with(give_up);
	struct visits v = {.connected = 0};
	struct service s;
	il_datagram *d = udp_start_with_peer(&s, &h, &v, il_protocol_bytes(), NULL);

	udp_say(d, "hello");
	UNTIL(v.disconnected == 1);
	udp_end_with_peer(&s, d);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* ---- 359: outside a task ---- */

static il_client *kept;
static int sent = 1;

static int send_as_a_call(void *arg)
{
	(void)arg;
	sent = il_client_send(kept, "x", 1);
	return 0;
}

static int keep_the_client(il_client *client, void *data)
{
	il_portal *portal = NULL;
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	kept = client;
	sent = 1;
	CHECK_RC(il_loop_create_threads_portal(il_client_loop(client), &portal), 0);
	CHECK_RC(il_portal_run_sync_soon(portal, NULL, send_as_a_call, NULL), 0);
	UNTIL(sent != 1);
	CHECK_RC(il_portal_close(portal), 0);
	CHECK_RC(sent, -EPERM);
	CHECK(!il_client_is_closing(client));
	return reply(client, "heard");
}

IL_TEST_REAL(R, n359_a_reply_outside_a_task_is_refused_and_harms_nobody)
{
	const il_handler h = handler_with(keep_the_client);
	struct visits v = {.connected = 0};
	struct service s;
	il_datagram *d = udp_start_with_peer(&s, &h, &v, il_protocol_bytes(), NULL);

	UDP_ASK(d, "hello", "heard");
	udp_end_with_peer(&s, d);
}
