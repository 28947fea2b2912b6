/*
 * p_misbehaved.c: a transport or layer that breaks its promises costs its own stream only, and is named.
 */
#include "harness.h"

#include <interloop/layer.h>
#include <sys/uio.h>

/* ---- transports ---- */

static int receive_too_much(void *self, void *data, size_t max)
{
	(void)self;
	(void)data;
	return (int)max + 1;
}

static int send_too_much(void *self, const struct iovec *pieces, int count)
{
	(void)self;
	return count ? (int)pieces[0].iov_len + 1 : 0;
}

static int want_itself(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self;
	(void)direction;
	(void)fd;
	(void)mask;
	return -EAGAIN;
}

static int receive_nothing_yet(void *self, void *data, size_t max)
{
	(void)self;
	(void)data;
	(void)max;
	return -EAGAIN;
}

static il_stream *stream_of(const struct il_transport *transport)
{
	il_stream *s = NULL;

	CHECK_RC(il_stream_open_transport(&s, transport, NULL), 0);
	return s;
}

IL_TEST(P, a_transport_that_moves_more_than_it_was_given_is_a_protocol_error)
{
	const struct il_transport boastful = {
	    .name = "boastful", .receive = receive_too_much, .send = send_too_much};
	il_stream *s = stream_of(&boastful);
	char data[8];

	CHECK_RC(il_stream_read(s, data, sizeof data), -EPROTO);
	CHECK(strstr(il_error_detail(), "transport boastful: receive returned 9"));
	CHECK_RC(il_stream_write_all(s, data, sizeof data), -EPROTO);
	CHECK(strstr(il_error_detail(), "transport boastful: send returned 9 for 8 bytes"));
	CHECK_RC(il_stream_read(s, data, sizeof data), -EPROTO); /* final */
	il_stream_destroy(s);
}

IL_TEST(P, a_transport_without_a_function_says_that_it_cannot_do_it)
{
	const struct il_transport plain = {
	    .name = "plain", .receive = receive_nothing_yet, .send = send_too_much};
	il_stream *s = stream_of(&plain);

	CHECK_RC(il_stream_shutdown_write(s), -ENOTSUP);
	CHECK(strstr(il_error_detail(), "transport plain cannot do it"));
	il_stream_destroy(s);
}

IL_TEST(P, a_transport_without_a_stream_below_cannot_wait_for_it)
{
	const struct il_transport lost = {.name = "lost",
					  .receive = receive_nothing_yet,
					  .send = send_too_much,
					  .want = want_itself};
	il_stream *s = stream_of(&lost);
	char byte;

	CHECK_RC(il_stream_read(s, &byte, 1), -EINVAL);
	CHECK(strstr(il_error_detail(), "transport lost: want returned -EAGAIN, but there is no"));
	il_stream_destroy(s);
}

/* ---- layers ---- */

static int connect_nothing(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)s;
	(void)under;
	(void)host;
	(void)self;
	return 0;
}

static int accept_nothing(il_stream **s, il_stream *under, void *self)
{
	return connect_nothing(s, under, NULL, self);
}

/* A client whose other end is dropped: what begins with the layer comes to nothing. */
static int begin_layer(const struct il_layer *layer)
{
	il_stream *ours = NULL, *theirs = NULL;
	il_client *client = NULL;
	int rc;

	CHECK_RC(il_stream_pair(&ours, &theirs), 0);
	CHECK_RC(il_client_open(&client, ours, il_protocol_lines(), NULL), 0);
	rc = il_client_start_layer(client, layer);
	il_client_destroy(client);
	il_stream_destroy(theirs);
	return rc;
}

IL_TEST(P, a_layer_that_makes_no_stream_is_refused)
{
	const struct il_layer empty = {.connect = connect_nothing};
	const struct il_layer for_servers = {.accept = accept_nothing};

	CHECK_RC(begin_layer(&empty), -EINVAL);
	CHECK(strstr(il_error_detail(), "but no stream"));
	CHECK_RC(begin_layer(&for_servers), -EINVAL);
	CHECK(strstr(il_error_detail(), "connect"));
}
