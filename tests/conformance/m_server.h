/*
 * m_server.h: what the tests of servers share: a server that runs in a task of its own, and its clients,
 * which are streams of the test's task on the same loop, or plain sockets where the loop must not move.
 */
#ifndef IL_TESTS_M_SERVER_H
#define IL_TESTS_M_SERVER_H

#include "peers.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- what a server saw ---- */

/* `data` of the handlers below, and of those that a test makes of them. */
struct visits {
	int connected, handled, disconnected;
	int last;          /* what the last receive returned */
	il_client *client; /* who came last; only while it is there */
};

static inline int visit_begin(il_client *client, void *data)
{
	struct visits *v = data;

	v->connected++;
	v->client = client;
	return 0;
}

static inline void visit_end(il_client *client, void *data)
{
	struct visits *v = data;

	CHECK(il_client_is_closing(client));
	v->disconnected++;
}

/* Receives a packet and counts it. */
static inline int visit_receive(il_client *client, struct visits *v, il_packet *p, il_time timeout)
{
	v->last = il_client_receive(client, p, timeout);
	v->handled += v->last == 1;
	return v->last;
}

static inline int visit_echo(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

/* Echoes, whatever data is. */
static inline int plain_echo(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, p.data, p.size);
}

/* Answers each packet with who has sent it. */
static inline int tell_address(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_printf(client, "%s", il_client_address(client));
}

static const il_handler echo_handler = {
    .on_connection = visit_begin, .handle = visit_echo, .on_disconnection = visit_end};

/* The echo server with another function to handle. */
static inline il_handler handler_with(int (*handle)(il_client *client, void *data))
{
	il_handler h = echo_handler;

	h.handle = handle;
	return h;
}

static inline int reply(il_client *client, const char *text)
{
	return il_client_send(client, text, strlen(text));
}

static inline bool packet_is(const il_packet *p, const char *text)
{
	return p->size == strlen(text) && memcmp(p->data, text, p->size) == 0;
}

/* ---- a server ---- */

struct service {
	il_server *server;
	il_future *serving;
	struct visits visits; /* for whoever wants one here */
};

static inline int serve(void *server)
{
	return il_server_serve(server);
}

static inline int shut_down(void *server)
{
	return il_server_shutdown(server);
}

static inline int stop_accepting(void *server)
{
	return il_server_close(server);
}

/* Has an open server serve, and waits until it is up. */
static inline void service_run(struct service *s)
{
	CHECK_RC(il_loop_spawn(il_loop_current(), &s->serving, serve, s->server), 0);
	UNTIL(il_server_is_serving(s->server) || il_future_done(s->serving));
	CHECK(il_server_is_serving(s->server));
}

static inline void service_start(struct service *s, const il_handler *handler, void *data,
				 const il_protocol *protocol, const il_server_options *options)
{
	CHECK_RC(il_tcp_server_open(&s->server, "127.0.0.1", "0", protocol, handler, data, options),
		 0);
	CHECK(il_server_port(s->server) > 0);
	service_run(s);
}

static inline void service_lines(struct service *s, const il_handler *handler, void *data)
{
	service_start(s, handler, data, il_protocol_lines(), NULL);
}

/* What il_server_serve returns; it has ended, or is about to. */
static inline int service_result(struct service *s)
{
	int rc = il_future_result(s->serving, il_test_patience());

	CHECK(il_future_done(s->serving));
	CHECK_EQ(il_server_clients(s->server), 0);
	CHECK(!il_server_is_serving(s->server));
	il_future_unref(s->serving);
	s->serving = NULL;
	return rc;
}

static inline void service_end(struct service *s)
{
	CHECK_RC(il_server_shutdown(s->server), 0);
	CHECK_RC(service_result(s), 0);
	il_server_destroy(s->server);
}

/* ---- clients: tasks ---- */

static inline il_stream *dial_port(uint16_t port)
{
	il_stream *s = NULL;
	char text[8];

	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", port_text(port, text), NULL), 0);
	return s;
}

static inline il_stream *dial(const struct service *s)
{
	return dial_port(il_server_port(s->server));
}

/* Connecting is refused: nobody listens. */
static inline void check_refused(uint16_t port)
{
	il_stream *s = NULL;
	char text[8];

	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", port_text(port, text), NULL),
		 -ECONNREFUSED);
}

/* The next line that the server sends, cut at 255 bytes; or the error's name. */
static inline const char *hear(il_stream *s, char line[256])
{
	int n = il_stream_receive_until(s, line, 255, "\n", 1);

	if (n < 0)
		return il_error_name(n);
	line[n] = '\0';
	return line;
}
#define CHECK_HEARS(stream, expected)                          \
	do {                                                   \
		char il_line_[256];                            \
		CHECK_STR(hear((stream), il_line_), expected); \
	} while (0)

/* Asks a line, hears a line. */
#define CHECK_ASK(stream, question, reply)    \
	do {                                  \
		say((stream), question "\n"); \
		CHECK_HEARS(stream, reply);   \
	} while (0)

/* The server sends nothing more: it has closed. Drops the stream. */
static inline void check_gone(il_stream *s)
{
	char byte;
	int n = il_stream_read(s, &byte, 1);

	CHECK(n == 0 || n == -ECONNRESET);
	il_stream_destroy(s);
}

/* Ends a connection with RST. */
static inline void reset(il_stream *s)
{
	make_rst(il_stream_fd(s));
	il_stream_destroy(s);
}

/* "127.0.0.1:4711", as the server knows this client. */
static inline const char *name_of(const il_stream *s, char text[IL_ADDRESS_TEXT_MAX])
{
	il_address address;

	CHECK_RC(il_stream_local_address(s, &address), 0);
	il_address_text(&address, text, IL_ADDRESS_TEXT_MAX);
	return text;
}

/* How many bytes the system holds for that client's handler. */
static inline int unread(const il_client *c)
{
	int n = 0;

	CHECK_EQ(ioctl(il_stream_fd(il_client_stream(c)), FIONREAD, &n), 0);
	return n;
}

/* ---- clients: plain sockets, which block the thread ---- */

static inline void plain_connect_with(int fd, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static inline int plain_connect(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	plain_connect_with(fd, port);
	return fd;
}

/* From a plain thread: a line there and a line back. */
static inline void plain_ask(int fd, const char *question, const char *reply)
{
	char line[64];
	size_t n = 0;

	CHECK_EQ(send(fd, question, strlen(question), MSG_NOSIGNAL), (ssize_t)strlen(question));
	while (n + 1 < sizeof line && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	CHECK_STR(line, reply);
}

#endif
