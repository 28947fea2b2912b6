/*
 * network.c: a loop on another network than sockets: streams, listeners, datagrams, servers of both kinds, clients,
 * selects and names go through the table of core/io/network.h, and not one descriptor is opened.
 */
#include "../../core/io/datagram.h"
#include "memory_network.h"

#include <interloop.h>
#include <interloop/virtual.h>

#include <dirent.h>

static size_t descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#define CHECK_RC(call, expected) CHECK((call) == (expected))

static int echo(il_client *client, void *data)
{
	il_packet packet;
	int rc = il_client_receive(client, &packet, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, packet.data, packet.size);
}

static const il_handler echoes = {.handle = echo};

static int serve(void *server)
{
	return il_server_serve(server);
}

/* ---- names ---- */

static void names(void)
{
	il_address address;
	char text[IL_ADDRESS_TEXT_MAX];

	CHECK_RC(il_resolve("server", "7", 0, &address, 1), 1);
	CHECK(il_address_text(&address, text, sizeof text) > 0);
	CHECK(strcmp(text, "10.0.0.1:7") == 0);
	CHECK_RC(il_resolve("elsewhere", "7", 0, &address, 1), -ENOENT);
	CHECK(strstr(il_error_detail(), "elsewhere"));
}

/* ---- TCP ---- */

static void ask(const char *port)
{
	il_client *client;
	il_address local, peer;
	il_packet packet;

	CHECK_RC(il_client_connect_tcp(&client, "server", port, il_protocol_lines(), NULL), 0);
	CHECK_RC(il_stream_fd(il_client_stream(client)), -ENOTSUP);
	CHECK_RC(il_stream_local_address(il_client_stream(client), &local), 0);
	CHECK_RC(il_stream_peer_address(il_client_stream(client), &peer), 0);
	CHECK(il_address_port(&local) >= FIRST_FREE_PORT && il_address_port(&peer) != 0);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_client_send(client, "hello", 5), 0);
		CHECK_RC(il_client_receive(client, &packet, IL_SEC(1)), 1);
		CHECK(packet.size == 5 && memcmp(packet.data, "hello", 5) == 0);
	}
	CHECK_RC(il_client_receive(client, &packet, IL_SEC(1)), -ETIMEDOUT);
	il_client_destroy(client);
}

static void tcp(void)
{
	il_server *server;
	il_stream *none = NULL;
	il_group group;
	char port[8];

	CHECK_RC(
	    il_tcp_server_open(&server, "server", "0", il_protocol_lines(), &echoes, NULL, NULL),
	    0);
	snprintf(port, sizeof port, "%u", il_server_port(server));
	CHECK_RC(il_server_fd(server, 0), -ENOTSUP);
	CHECK_RC(il_server_fd(server, 1), -ENOENT);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, serve, server), 0);
	ask(port);
	ask(port);
	il_server_shutdown(server);
	CHECK_RC(il_group_close(&group, 0), 0);
	il_server_destroy(server);
	CHECK_RC(il_stream_connect_tcp(&none, "server", port, NULL), -ECONNREFUSED);
	CHECK(!none && strstr(il_error_detail(), "10.0.0.1"));
}

/* ---- a listener alone: whoever waits learns of its end ---- */

static int accept_one(void *listener)
{
	il_stream *stream;

	return il_listener_accept(listener, &stream);
}

static int wait_for_listener(void *listener)
{
	il_case c = il_case_listener(listener);
	int rc = il_select(&c, 1, IL_FOREVER);

	return rc < 0 ? rc : c.rc;
}

static int connect_to(void *port)
{
	il_stream *stream = NULL;
	int rc = il_stream_connect_tcp(&stream, "server", port, NULL);

	il_stream_destroy(stream);
	return rc;
}

static void closed_under(il_fn *fn)
{
	il_listener *listener;
	il_future *future;
	il_group group;

	CHECK_RC(il_listener_open_tcp(&listener, NULL, "0", NULL), 0);
	CHECK_RC(il_listener_fd(listener, 0), -ENOTSUP);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, &future, fn, listener), 0);
	il_sleep(IL_MSEC(1));
	il_listener_destroy(listener);
	CHECK_RC(il_future_result(future, IL_FOREVER), -EBADF);
	il_future_unref(future);
	CHECK_RC(il_group_close(&group, -EBADF), -EBADF);
}

/* A select is told of a connection, and leaves it for the accept; a cancelled connect leaves nothing behind. */
static void listener(void)
{
	il_listener *l;
	il_stream *stream;
	il_group group;
	il_scope scope = IL_SCOPE_INIT;
	char port[8];

	closed_under(accept_one);
	closed_under(wait_for_listener);
	CHECK_RC(il_listener_open_tcp(&l, NULL, "0", NULL), 0);
	snprintf(port, sizeof port, "%u", il_listener_port(l));
	CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(20)), 0), 0);
	CHECK_RC(connect_to(port), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, connect_to, port), 0);
	CHECK_RC(wait_for_listener(l), 0);
	CHECK_RC(il_listener_accept(l, &stream), 0);
	il_stream_destroy(stream);
	CHECK_RC(il_group_close(&group, 0), 0);
	il_listener_destroy(l);
}

/* ---- UDP ---- */

static int receive_one(void *datagram)
{
	char data[8];

	return il_datagram_receive(datagram, data, sizeof data, NULL);
}

static int wait_for_datagram(void *datagram)
{
	il_case c = il_case_datagram(datagram);
	int rc = il_select(&c, 1, IL_FOREVER);

	return rc < 0 ? rc : c.rc;
}

/* Closed, and its memory given back, after the task was woken and before it runs. */
static void datagram_closed_under(il_fn *fn)
{
	il_datagram *d, *to;
	il_future *future;
	il_group group;
	char port[8];

	CHECK_RC(il_datagram_open_udp(&d, NULL, "0", NULL), 0);
	CHECK_RC(il_datagram_fd(d), -ENOTSUP);
	snprintf(port, sizeof port, "%u", il_datagram_port(d));
	CHECK_RC(il_datagram_connect_udp(&to, "server", port, NULL), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, &future, fn, d), 0);
	il_sleep(IL_MSEC(1));
	memory_post(memory_end(to->fd), &(struct msghdr){.msg_iovlen = 0});
	il_datagram_destroy(d);
	il_datagram_destroy(to);
	CHECK(il_future_result(future, IL_FOREVER) <= 0);
	il_future_unref(future);
	il_group_close(&group, 0);
}

static void udp(void)
{
	il_server *server;
	il_datagram *d;
	il_group group;
	il_case c;
	char port[8], data[8];

	datagram_closed_under(receive_one);
	datagram_closed_under(wait_for_datagram);
	CHECK_RC(il_udp_server_open(&server, NULL, "0", NULL, &echoes, NULL, NULL), 0);
	snprintf(port, sizeof port, "%u", il_server_port(server));
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, serve, server), 0);
	CHECK_RC(il_datagram_connect_udp(&d, "server", port, NULL), 0);
	c = il_case_datagram(d);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_datagram_send(d, "ping", 4, NULL), 0);
		CHECK_RC(il_select(&c, 1, IL_SEC(1)), 0);
		CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 4);
	}
	CHECK_RC(il_select(&c, 1, IL_SEC(1)), -ETIMEDOUT);
	il_datagram_destroy(d);
	il_server_shutdown(server);
	CHECK_RC(il_group_close(&group, 0), 0);
	il_server_destroy(server);
}

/* ---- a select asks again for what came before a transport of the user's, whose functions may do anything ---- */

static int nothing_received(void *self, void *data, size_t max)
{
	(void)self;
	(void)data;
	(void)max;
	return -EAGAIN;
}

static int nothing_sent(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	(void)pieces;
	(void)count;
	return -EAGAIN;
}

/* How often a select that waits in vain asks for the one datagram socket among its cases. */
static unsigned asks(il_case first, il_case second)
{
	il_case cases[] = {first, second};

	asked = 0;
	CHECK_RC(il_select(cases, 2, IL_MSEC(1)), -ETIMEDOUT);
	return asked;
}

static void selects(void)
{
	const struct il_transport transport = {.receive = nothing_received, .send = nothing_sent};
	const il_address any = {.storage.ss_family = AF_INET, .length = sizeof(struct sockaddr_in)};
	struct pipe_end *pipe = calloc(1, sizeof *pipe);
	il_stream *theirs, *simulated;
	il_datagram *d;
	il_case datagram, stream;

	CHECK(pipe);
	opened++;
	CHECK_RC(pipe_stream(pipe, &any, &any, &simulated), 0);
	CHECK_RC(il_stream_open_transport(&theirs, &transport, NULL), 0);
	CHECK_RC(il_datagram_open_udp(&d, NULL, "0", NULL), 0);
	datagram = il_case_datagram(d);
	stream = il_case_stream(theirs, IL_READABLE);
	CHECK(asks(datagram, stream) == 2);
	CHECK(asks(stream, datagram) == 1);
	stream = il_case_stream(simulated, IL_READABLE);
	CHECK(asks(datagram, stream) == 1);
	CHECK(asks(stream, datagram) == 1);
	il_datagram_destroy(d);
	il_stream_destroy(theirs);
	il_stream_destroy(simulated);
}

static int all(void *arg)
{
	const size_t before = descriptors();
	il_stream *a, *b;

	(void)arg;
	il_loop_current()->network = &memory_network;
	names();
	tcp();
	listener();
	udp();
	selects();
	CHECK(opened == 0);
	CHECK(descriptors() == before);
	/* What is the system's stays so beside it. */
	CHECK_RC(il_stream_pair(&a, &b), 0);
	il_stream_destroy(a);
	il_stream_destroy(b);
	return 0;
}

int main(void)
{
	CHECK_RC(il_run(il_virtual(), all, NULL), 0);
	return 0;
}
