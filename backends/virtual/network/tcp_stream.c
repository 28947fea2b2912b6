/*
 * tcp_stream.c: a connection as the transport of a stream: what a socket says and does. Loop's thread only.
 */
#include "../../../core/io/network.h"
#include "../../../core/io/transport.h"
#include "tcp.h"
#include "tcp_rest.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>

/* ---- bytes ---- */

int il__sim_tcp_error(struct il__sim_tcp *t)
{
	const int error = t->cut ? -ENETDOWN : t->error;

	t->error = 0;
	return error;
}

/* The peer that met a closed window learns that it has opened. */
static void tcp_tell_window(struct il__sim_tcp *t)
{
	const size_t left = (size_t)(t->told - t->received),
		     room = t->in_most - (size_t)(t->received - t->read);

	if (room < 2 * left || (room < IL__SIM_SEGMENT && room < t->in_most / 2))
		return;
	il__sim_tcp_send(t, IL__SIM_DATA);
	if (t->peer)
		il__sim_rest_end(t->peer);
}

static int tcp_receive(void *self, void *data, size_t max)
{
	struct il__sim_tcp *t = self;
	size_t n = (size_t)(t->received - t->read);

	if (t->cut)
		return il__sim_tcp_error(t);
	if (!n)
		return t->error && t->error != -EPIPE     ? il__sim_tcp_error(t)
		       : il__sim_tcp_ended(t) || !t->host ? 0
							  : -EAGAIN;
	n = n < max ? n : max;
	n = n < INT_MAX ? n : INT_MAX;
	il__sim_ring_get(&t->in, t->read, data, n);
	t->read += n;
	if (t->host)
		tcp_tell_window(t);
	return (int)n;
}

/* One byte more than is promised, so that whoever has filled it need not wait until some are gone. */
static size_t tcp_out_room(const struct il__sim_tcp *t)
{
	const size_t kept = (size_t)(t->written - t->acknowledged);

	return kept <= t->out_most ? t->out_most + 1 - kept : 0;
}

static int tcp_write(struct il__sim_tcp *t, const struct iovec *pieces, int count, size_t room)
{
	size_t taken = 0;

	if (il__sim_ring_reserve(&t->out, t->acknowledged, t->written, room) < 0)
		return -ENOBUFS;
	for (int i = 0; i < count && taken < room; i++) {
		const size_t left = room - taken,
			     n = pieces[i].iov_len < left ? pieces[i].iov_len : left;
		if (n)
			il__sim_ring_put(&t->out, t->written, pieces[i].iov_base, n);
		t->written += n;
		taken += n;
	}
	il__sim_tcp_push(t);
	return (int)taken;
}

static int tcp_send(void *self, const struct iovec *pieces, int count)
{
	struct il__sim_tcp *t = self;
	size_t room = tcp_out_room(t), total = 0;

	if (!t->host)
		return count == 0 ? 0 : t->cut || t->error ? il__sim_tcp_error(t) : -EPIPE;
	if (t->ends)
		return count == 0 ? 0 : -EPIPE;
	if (!count || !room)
		return room ? 0 : -EAGAIN;
	for (int i = 0; i < count; i++)
		total += pieces[i].iov_len;
	return tcp_write(t, pieces, count, total < room ? total : room);
}

static int tcp_shutdown_write(void *self)
{
	struct il__sim_tcp *t = self;

	if (t->host && !t->ends) {
		t->ends = true;
		il__sim_tcp_push(t);
	}
	return 0;
}

/* Or whatever else a receive would not wait for. */
static size_t tcp_pending(void *self)
{
	const struct il__sim_tcp *t = self;
	const size_t n = (size_t)(t->received - t->read);

	return n ? n : !t->host || il__sim_tcp_ended(t);
}

/* ---- its end ---- */

/* What is left then is the network's. */
static void tcp_close(void *self)
{
	struct il__sim_tcp *t = self;

	il__sim_tcp_ref(t); /* `destroy` gives it back */
	il__sim_tcp_close(t);
}

static void tcp_destroy(void *self)
{
	il__sim_tcp_unref(self);
}

static const struct il_transport tcp_transport = {
    .name = "TCP",
    .receive = tcp_receive,
    .send = tcp_send,
    .shutdown_write = tcp_shutdown_write,
    .pending = tcp_pending,
    .close = tcp_close,
    .destroy = tcp_destroy,
};

int il__sim_tcp_stream(struct il__sim_tcp *t, il_stream **stream)
{
	il_address local, remote;
	int rc = il_stream_open_transport(stream, &tcp_transport, t);

	t->end = NULL;
	if (rc < 0) {
		il__sim_tcp_close(t);
		return rc;
	}
	t->stream = *stream;
	il__sim_address(t->local, &local);
	il__sim_address(t->remote, &remote);
	il__transport_set_network(*stream, il__network_of(il_loop_current()), &local);
	(*stream)->peer = remote;
	return 0;
}

/* ---- options ---- */

static int option_linger(struct il__sim_tcp *t, const void *value, size_t size)
{
	struct linger linger;

	if (size < sizeof linger)
		return -EINVAL;
	memcpy(&linger, value, sizeof linger);
	t->resets = linger.l_onoff && !linger.l_linger;
	return 0;
}

static int option_socket(struct il__sim_tcp *t, int name, int number)
{
	if (name == SO_SNDBUF)
		t->out_most = number > IL__SIM_SEGMENT ? (size_t)number : IL__SIM_SEGMENT;
	else if (name == SO_KEEPALIVE)
		t->keepalive = number;
	else
		return -ENOPROTOOPT;
	return 0;
}

static int option_tcp(struct il__sim_tcp *t, int name, int number)
{
	switch (name) {
	case TCP_NODELAY:
		return 0; /* small segments are never delayed */
#ifdef TCP_USER_TIMEOUT
	case TCP_KEEPIDLE:
		t->keepalive_idle = IL_SEC(number);
		return 0;
	case TCP_KEEPINTVL:
		t->keepalive_interval = IL_SEC(number);
		return 0;
	case TCP_KEEPCNT:
		t->keepalive_probes = (unsigned)number;
		return 0;
	case TCP_USER_TIMEOUT:
		t->give_up = IL_MSEC(number);
		return 0;
#endif
	default:
		return -ENOPROTOOPT;
	}
}

int il__sim_option(void *self, int level, int name, const void *value, size_t size)
{
	struct il__sim_tcp *t = self;
	int number = 0, rc;

	if (!t->host)
		return 0;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return option_linger(t, value, size);
	if (size != sizeof number)
		return -EINVAL;
	memcpy(&number, value, sizeof number);
	rc = level == SOL_SOCKET ? option_socket(t, name, number) : option_tcp(t, name, number);
	if (rc == 0)
		il__sim_keepalive_set(t);
	return rc;
}
