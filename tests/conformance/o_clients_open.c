/*
 * o_clients_open.c: making a client: connections that fail and leave nothing, streams of one's own, and Unix
 * sockets.
 */
#include "aside.h"
#include "o_clients.h"
#include "p_layers.h"

#include <sys/un.h>

/* A value that no failed call may leave. */
static il_client *const nobody = (il_client *)(uintptr_t)16;

static uint16_t closed_port(void)
{
	il_listener *listener = listen_here();
	uint16_t port = il_listener_port(listener);

	il_listener_destroy(listener);
	return port;
}

/* ---- 269, 270: connections that fail ---- */

IL_TEST_REAL(O, n269_a_connection_that_fails_leaves_nothing)
{
	int before;
	il_client *c = nobody;
	char port[8];

	il_sleep(0); /* the loop's own descriptors are there */
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(closed_port(), port),
				       il_protocol_lines(), NULL),
		 -ECONNREFUSED);
	before = open_descriptors();
	c = nobody;
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(closed_port(), port),
				       il_protocol_lines(), NULL),
		 -ECONNREFUSED);
	CHECK(c == NULL);
	CHECK_DETAIL("127.0.0.1");
	c = nobody;
	CHECK_RC(
	    il_client_connect_tcp(&c, "127.0.0.1", "no-such-service", il_protocol_lines(), NULL),
	    -ENOENT);
	CHECK(c == NULL);
	c = nobody;
	CHECK_RC(il_client_connect_tcp(&c, "none.test", "1", il_protocol_lines(), NULL), -ENOENT);
	CHECK(c == NULL);
	CHECK_EQ(open_descriptors(), before);
}

/* Its backlog is full: the system lets connections wait. */
static int full_listener(uint16_t *port, int waiting[8])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	CHECK_EQ(listen(fd, 0), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	for (int i = 0; i < 8; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(waiting[i], (struct sockaddr *)&address, sizeof address);
	}
	return fd;
}

IL_TEST_REAL(O, n269_a_connect_has_a_timeout)
{
	const il_client_options o = {.connect = {.timeout = IL_MSEC(20)}};
	il_client *c = nobody;
	int waiting[8], before, fd;
	uint16_t port;
	char text[8];
	il_time start;

	fd = full_listener(&port, waiting);
	before = open_descriptors();
	start = il_now();
	CHECK_RC(
	    il_client_connect_tcp(&c, "127.0.0.1", port_text(port, text), il_protocol_lines(), &o),
	    -ETIMEDOUT);
	CHECK(il_now() - start >= IL_MSEC(20));
	CHECK(c == NULL);
	CHECK_EQ(open_descriptors(), before);
	for (int i = 0; i < 8; i++)
		close(waiting[i]);
	close(fd);
}

IL_TEST_REAL(O, n270_bad_arguments_are_refused_before_anything_is_done)
{
	const il_client_options bad[] = {
	    {.send_timeout = -1},         {.idle_timeout = -1},
	    {.connect = {.timeout = -1}}, {.connect = {.attempt_delay = -1}},
	    {.side = (enum il_side)7},
	};
	il_listener *listener = listen_here();
	il_client *c;
	il_protocol nothing = {.name = "without find"}, wide;
	char port[8];

	port_text(il_listener_port(listener), port);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		c = nobody;
		CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, il_protocol_lines(), &bad[i]),
			 -EINVAL);
		CHECK(c == NULL);
		CHECK_DETAIL("il_client_connect_tcp");
	}
	CHECK_RC(il_client_connect_tcp(NULL, "127.0.0.1", port, il_protocol_lines(), NULL),
		 -EINVAL);
	c = nobody;
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", NULL, il_protocol_lines(), NULL), -EINVAL);
	CHECK(c == NULL);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, NULL, NULL), -EINVAL);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, &nothing, NULL), -EINVAL);
	il_protocol_fixed_with(&wide, 100000);
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port, &wide, NULL), -EINVAL);
	CHECK_RC(il_client_connect_unix(&c, NULL, il_protocol_lines(), NULL), -EINVAL);
	CHECK_RC(il_client_open(&c, NULL, il_protocol_lines(), NULL), -EINVAL);
	CHECK(c == NULL);
	il_listener_destroy(listener);
}

static int connect_in_vain(void *arg)
{
	struct side *s = arg;
	il_client *c = nobody;
	int rc = il_client_connect_tcp(&c, "127.0.0.1", s->bytes, il_protocol_lines(), NULL);

	CHECK(c == NULL);
	return rc;
}

IL_TEST_REAL(O, n270_a_cancelled_connect_leaves_nothing)
{
	struct side s = {.call = NULL};
	int waiting[8], before, fd;
	uint16_t port;
	char text[8];

	fd = full_listener(&port, waiting);
	before = open_descriptors();
	s.bytes = port_text(port, text);
	side_start(&s, connect_in_vain, NULL);
	il_scope_cancel(&s.scope);
	CHECK_RC(side_join(&s), -ECANCELED);
	CHECK_EQ(open_descriptors(), before);
	for (int i = 0; i < 8; i++)
		close(waiting[i]);
	close(fd);
}

/* ---- 268: what is lost by no failure ---- */

IL_TEST_REAL(O, n268_a_cancelled_receive_keeps_what_came)
{
	for (int way = 0; way < WAYS; way++) {
		struct line l = line_of(way);
		struct side s = {.call = NULL};

		side_start(&s, side_receive, l.client);
		say(l.peer, "half");
		UNTIL(unread(l.client) == 0);
		il_scope_cancel(&s.scope);
		CHECK_RC(side_join(&s), -ECANCELED);
		say(l.peer, " and half\n");
		CHECK_RECEIVES(l.client, "half and half");
		drop(&l);
	}
}

IL_TEST_REAL(O, n268_a_packet_that_is_none_or_too_large_costs_itself)
{
	const il_client_options o = {.max_packet = 8};
	struct line l = line_with(OVER_TCP, il_protocol_lines(), &o);

	say(l.peer, "far too long for it\nok\n");
	CHECK_RECEIVES(l.client, "EMSGSIZE");
	CHECK_RECEIVES(l.client, "ok");
	drop(&l);
	l = line_with(OVER_TCP, il_protocol_netstring(), NULL);
	say(l.peer, "no netstring");
	CHECK_RECEIVES(l.client, "EBADMSG");
	CHECK_RECEIVES(l.client, "0");
	drop(&l);
}

/* ---- 271, 272: over a stream ---- */

IL_TEST_REAL(O, n271_an_opened_client_has_its_stream)
{
	il_stream *mine, *peer;
	il_client *c;
	char byte;

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), 0);
	CHECK(il_client_stream(c) == mine);
	CHECK(il_client_server(c) == NULL);
	CHECK_RC(il_client_send(c, "ping", 4), 0);
	CHECK_HEARS(peer, "ping");
	say(peer, "pong\n");
	CHECK_RECEIVES(c, "pong");
	il_client_destroy(c);
	CHECK_EQ(il_stream_read(peer, &byte, 1), 0);
	il_stream_destroy(peer);
}

IL_TEST_REAL(O, what_a_client_is_told_names_its_peer_which_may_be_a_server)
{
	il_stream *mine, *peer;
	il_client *c;
	il_packet p;

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), 0);
	CHECK_RC(il_client_receive(c, &p, 0), -ETIMEDOUT);
	CHECK_DETAIL("no packet has come from peer unnamed in time");
	say(peer, "half");
	il_stream_destroy(peer);
	CHECK_RC(il_client_receive(c, &p, il_test_patience()), -ENODATA);
	CHECK_DETAIL("peer unnamed left in the middle of a packet");
	il_client_destroy(c);
}

IL_TEST_REAL(O, n271_a_refused_stream_is_still_the_callers)
{
	il_protocol nothing = {.name = "without find"}, wide;
	il_stream *mine, *peer;
	il_client *c = nobody;

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	il_protocol_fixed_with(&wide, 100);
	CHECK_RC(il_client_open(&c, mine, &nothing, NULL), -EINVAL);
	CHECK(c == NULL);
	CHECK_RC(il_client_open(&c, mine, &wide, &(il_client_options){.max_packet = 99}), -EINVAL);
	say(mine, "still\n");
	CHECK_HEARS(peer, "still");
	CHECK_RC(il_client_open(&c, mine, &wide, &(il_client_options){.max_packet = 100}), 0);
	il_client_destroy(c);
	il_stream_destroy(peer);
}

IL_TEST_REAL(O, n272_kept_bytes_are_the_first_of_the_first_packet)
{
	for (int outside = 0; outside < 2; outside++) {
		il_stream *mine, *peer;
		il_client *c;
		char line[256];

		CHECK_RC(il_stream_pair(&mine, &peer), 0);
		say(peer, "hello\nfirst\nsec");
		CHECK_STR(hear(mine, line), "hello");
		CHECK_EQ(il_stream_buffered(mine), strlen("first\nsec"));
		CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), 0);
		CHECK_RECEIVES_IN(c, outside ? 0 : IL_FOREVER, "first");
		CHECK_RECEIVES_IN(c, 0, "ETIMEDOUT");
		say(peer, "ond\n");
		CHECK_RECEIVES(c, "second");
		il_client_destroy(c);
		il_stream_destroy(peer);
	}
}

static int read_stream(void *arg)
{
	struct side *s = arg;
	char byte;

	return il_stream_read((il_stream *)(uintptr_t)s->bytes, &byte, 1);
}

static int select_stream(void *arg)
{
	const struct side *s = arg;
	il_case c = il_case_stream((il_stream *)(uintptr_t)s->bytes, IL_READABLE);

	return il_select(&c, 1, IL_FOREVER);
}

IL_TEST_REAL(O, n272_a_stream_in_use_or_closed_is_refused)
{
	struct side s = {.call = NULL};
	il_stream *mine, *peer;
	il_client *c = nobody;

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	s.bytes = mine;
	side_start(&s, read_stream, NULL);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), -EBUSY);
	CHECK(c == NULL);
	say(peer, "x");
	CHECK_RC(side_join(&s), 1);

	s = (struct side){.bytes = mine};
	side_start(&s, select_stream, NULL);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), -EBUSY);
	CHECK(c == NULL);
	say(peer, "x");
	CHECK_RC(side_join(&s), 0);
	CHECK_RC(il_stream_close(mine), 0);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), NULL), -EBADF);
	il_stream_destroy(mine);
	il_stream_destroy(peer);
}

/* ---- through a layer ---- */

IL_TEST_REAL(O, n271_a_layer_that_does_not_begin_in_time_is_named_as_the_reason)
{
	struct layer_maker maker = {.hang = true};
	const struct il_layer layer = layer_of(&maker);
	const il_client_options o = {.connect = {.timeout = IL_MSEC(20), .layer = &layer}};
	il_listener *listener = listen_here();
	il_stream *mine, *peer;
	il_client *c = nobody;
	char port[8];

	CHECK_RC(il_stream_pair(&mine, &peer), 0);
	CHECK_RC(il_client_open(&c, mine, il_protocol_lines(), &o), -ETIMEDOUT);
	CHECK_DETAIL("il_client_open: unnamed: the layer did not begin in time");
	CHECK_RC(il_client_connect_tcp(&c, "127.0.0.1", port_text(il_listener_port(listener), port),
				       il_protocol_lines(), &o),
		 -ETIMEDOUT);
	CHECK_DETAIL("il_client_connect_tcp: 127.0.0.1:");
	CHECK_DETAIL("the layer did not begin in time");
	CHECK(c == NULL);
	il_stream_destroy(mine);
	il_stream_destroy(peer);
	il_listener_destroy(listener);
}

struct layering {
	il_stream *stream;
	il_client_options options;
};

static int open_with_layer(void *arg)
{
	struct layering *l = arg;
	il_client *c = nobody;

	CHECK_RC(il_client_open(&c, l->stream, il_protocol_lines(), &l->options), -EPERM);
	CHECK_DETAIL("il_client_open");
	CHECK(c == NULL);
	return 0;
}

IL_TEST_REAL(O, n271_where_nothing_may_wait_a_layer_leaves_the_stream_as_it_was)
{
	struct layer_maker maker = {.kind = LAYER_XOR};
	const struct il_layer layer = layer_of(&maker);
	struct layering l = {.options = {.connect = {.layer = &layer}}};
	il_portal *p = il_test_portal();
	il_future *done = NULL;
	il_stream *peer;

	CHECK_RC(il_stream_pair(&l.stream, &peer), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &done, open_with_layer, &l), 0);
	CHECK_RC(il_future_join(done), 0);
	CHECK_EQ(maker.connects, 0);
	CHECK_EQ(maker.refs, 0);
	say(l.stream, "still\n");
	CHECK_HEARS(peer, "still");
	CHECK_RC(il_portal_close(p), 0);
	il_stream_destroy(l.stream);
	il_stream_destroy(peer);
}

/* ---- 278: Unix sockets ---- */

static void unix_path(char path[108], const char *name)
{
	snprintf(path, 108, "/tmp/il-o-%d-%s", (int)getpid(), name);
}

IL_TEST_REAL(O, n278_a_unix_path_that_nobody_listens_on_is_refused)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	il_client *c = nobody;
	char path[108], longest[256];
	int fd;

	unix_path(path, "gone");
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), NULL), -ENOENT);
	CHECK(c == NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	c = nobody;
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), NULL), -ECONNREFUSED);
	CHECK(c == NULL);
	close(fd);
	unlink(path);
	memset(longest, 'x', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	CHECK_RC(il_client_connect_unix(&c, longest, il_protocol_lines(), NULL), -ENAMETOOLONG);
	CHECK(c == NULL);
}

static const il_handler plain_echo_handler = {.handle = plain_echo};

IL_TEST_REAL(O, n278_over_a_unix_socket_as_over_tcp)
{
	struct service s;
	il_client *c;
	char path[108];

	unix_path(path, "echo");
	CHECK_RC(il_unix_server_open(&s.server, path, il_protocol_lines(), &plain_echo_handler,
				     NULL, NULL),
		 0);
	service_run(&s);
	CHECK_RC(il_client_connect_unix(&c, path, il_protocol_lines(), NULL), 0);
	CHECK_STR(il_client_address(c), path);
	CHECK_RC(il_client_printf(c, "%s %d", "number", 7), 0);
	CHECK_RECEIVES(c, "number 7");
	il_client_destroy(c);
	service_end(&s);
}

static int connect_path(void *arg)
{
	struct side *s = arg;
	const il_client_options o = {.connect = {.timeout = s->timeout}};
	il_client *c;
	int rc = il_client_connect_unix(&c, s->bytes, il_protocol_lines(), &o);

	if (rc == -ETIMEDOUT)
		CHECK_DETAIL(s->bytes);
	s->object = c;
	return rc;
}

IL_TEST_REAL(O, n278_a_full_backlog_is_waited_for_within_the_timeout)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct side s = {.timeout = IL_MSEC(20)};
	char path[108];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), first, accepted;

	unix_path(path, "full");
	memcpy(address.sun_path, path, strlen(path) + 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	CHECK_EQ(listen(fd, 0), 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(first, (struct sockaddr *)&address, sizeof address), 0);
	s.bytes = path;
	side_start(&s, connect_path, NULL);
	CHECK_RC(side_join(&s), -ETIMEDOUT);
	CHECK(s.object == NULL);
	s.timeout = 0;
	side_start(&s, connect_path, NULL);
	CHECK(!s.ended);
	accepted = accept(fd, NULL, NULL);
	CHECK_RC(side_join(&s), 0);
	il_client_destroy(s.object);
	close(accepted);
	close(first);
	close(fd);
	unlink(path);
}
