/*
 * client_receive.c: from a client's bytes to its packets. Packets are found in place in one buffer,
 * which is moved together or grows only when it is full and holds an incomplete packet; so each byte is
 * moved at most once while its packet comes, and memory is bounded by max_packet. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "client.h"
#include "protocol.h"

/* Bytes of empty buffers that a server keeps for the next requests, roughly. */
enum { KEPT_BUFFERS = 16 << 20 };

/* ---- parsing ---- */

/* Takes the zero byte back and lets go of the packet given last. */
static void release_packet(il_client *c)
{
	if (c->mark)
		*c->mark = c->marked;
	c->mark = NULL;
	c->begin += c->packet;
	c->packet = 0;
}

static void give_packet(il_client *c, il_packet *packet)
{
	const unsigned char *data = c->parse.packet.data;
	const unsigned char *end = data ? data + c->parse.packet.size : NULL;

	if (end && data >= c->buffer && end < c->buffer + c->capacity) {
		c->mark = c->buffer + (end - c->buffer);
		c->marked = *c->mark;
		*c->mark = 0;
	}
	*packet = c->parse.packet;
	c->packet = c->parse.consumed;
	c->has_sent_packet = true;
}

/* Nothing more can be received. */
static void client_receive_give_up(il_client *c)
{
	c->ended = true;
	c->begin = c->end = 0;
}

/* 1: given; 0: more bytes are needed; negative: an error for the handler. */
static int next_packet(il_client *c, il_packet *packet)
{
	while (c->begin < c->end) {
		int rc;
		c->parse.data = c->buffer + c->begin;
		c->parse.size = c->end - c->begin;
		c->parse.packet = (il_packet){.data = NULL};
		rc = il__protocol_find(&c->server->protocol, &c->parse);
		if (rc == 1) {
			give_packet(c, packet);
			return 1;
		}
		c->begin += c->parse.consumed;
		if (rc < 0 && !c->parse.consumed)
			client_receive_give_up(c);
		if (rc < 0 || !c->parse.consumed)
			return il__pass_on(rc);
	}
	return 0;
}

/* ---- room ---- */

static int client_receive_grow(il_client *c)
{
	size_t most = c->server->room;
	size_t capacity = c->capacity ? c->capacity : c->server->options.receive_buffer / 2;
	unsigned char *buffer;

	if (c->capacity == most) {
		client_receive_give_up(c);
		return il__refuse(-EMSGSIZE,
				  "il_client_receive: no packet in %zu bytes, the limit is %zu",
				  c->capacity - 1, c->parse.limit);
	}
	capacity = capacity > most / 2 ? most : capacity * 2;
	buffer = il__realloc(c->buffer, capacity);
	if (!buffer)
		return il__refuse(-ENOMEM, "il_client_receive: out of memory");
	c->buffer = buffer;
	c->server->buffered += capacity - c->capacity;
	c->capacity = capacity;
	return 0;
}

/* Nothing is in it. */
static void drop_buffer(il_client *c)
{
	il__free(c->buffer);
	c->buffer = NULL;
	c->server->buffered -= c->capacity;
	c->begin = c->end = c->capacity = 0;
}

/* One byte is kept for the zero after the last packet. */
static size_t room_left(const il_client *c)
{
	return c->capacity ? c->capacity - 1 - c->end : 0;
}

static int make_room(il_client *c)
{
	if (c->begin && (c->begin == c->end || room_left(c) < c->capacity / 2)) {
		memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
		c->end -= c->begin;
		c->begin = 0;
	}
	return room_left(c) ? 0 : client_receive_grow(c);
}

/* ---- receiving ---- */

struct wait {
	il_task *task; /* NULL: outside a task, and timeout is 0 */
	il_time timeout;
	bool begun;
	il_time since;
	il_time deadline, limit; /* of the caller, and of the server */
};

/* When the client is given up, if no packet comes. */
static il_time client_receive_limit(const il_client *c, il_time now)
{
	const il_server_options *o = &c->server->options;
	il_time idle = IL_FOREVER, first = IL_FOREVER, request = IL_FOREVER;

	if (o->idle_timeout != IL_FOREVER)
		idle = il__deadline_from(
		    now, o->idle_timeout > c->waited ? o->idle_timeout - c->waited : 0);
	if (!c->has_sent_packet)
		first = il__deadline_from(c->connected, o->first_request_timeout);
	if (c->asking)
		request = il__deadline_from(c->asked, o->request_timeout);
	idle = first < idle ? first : idle;
	return request < idle ? request : idle;
}

/* The clock is read only where it counts. */
static void begin_wait(const il_client *c, struct wait *w)
{
	const il_server_options *o = &c->server->options;

	w->begun = true;
	w->deadline = w->timeout;
	w->limit = IL_FOREVER;
	if (w->timeout == 0 ||
	    (w->timeout == IL_FOREVER && o->idle_timeout == IL_FOREVER && !c->asking &&
	     (c->has_sent_packet || o->first_request_timeout == IL_FOREVER)))
		return;
	w->since = il__loop_now(c->loop);
	w->deadline = il__deadline_from(w->since, w->timeout);
	w->limit = client_receive_limit(c, w->since);
}

static void begin_request(il_client *c)
{
	c->asking = true;
	c->asked = il__loop_now(c->loop);
}

/* The first bytes of a packet are there, and the wait for the others begins. */
static void note_request(il_client *c, struct wait *w)
{
	il_time most = c->server->options.request_timeout, until;

	if (c->asking || c->begin == c->end || most == IL_FOREVER || w->timeout == 0)
		return;
	begin_request(c);
	until = il__deadline_from(c->asked, most);
	w->limit = until < w->limit ? until : w->limit;
}

/* A packet, or what was none, has come to its end. */
static void end_packet(il_client *c)
{
	if (!c->server->endless)
		c->asking = false;
	else if (!c->asking && c->server->options.request_timeout != IL_FOREVER)
		begin_request(c);
}

/* However often a handler asks anew, the server's limit is for the packet. */
static void end_wait(il_client *c, const struct wait *w, int rc)
{
	if (rc == 1)
		c->waited = 0;
	else if (w->begun && w->limit != IL_FOREVER)
		c->waited += il__loop_now(c->loop) - w->since;
}

static il_time end_of(const struct wait *w)
{
	return w->deadline < w->limit ? w->deadline : w->limit;
}

static int no_request(void)
{
	return il__refuse(-ETIMEDOUT, "il_client_receive: no request has come in time");
}

static int on_timeout(il_client *c, const struct wait *w)
{
	if (w->deadline <= w->limit)
		return no_request();
	il__log(c->server->options.quiet ? IL_LOG_DEBUG : IL_LOG_INFO,
		"client %s sent no request in time", c->address);
	client_receive_give_up(c);
	return 0;
}

/* What it means that no bytes came. 0: the end; the caller looks again. */
static int on_failure(il_client *c, const struct wait *w, int rc)
{
	il_time until = end_of(w);

	if (rc == -EAGAIN || rc == -EWOULDBLOCK)
		return no_request();
	if (rc == -ETIMEDOUT && until != IL_FOREVER && until <= il__loop_now(c->loop))
		return on_timeout(c, w);
	if (rc == -ECANCELED || rc == -EBADF || rc == -EBUSY || rc == -ENOMEM || rc == -EPERM)
		return rc;
	c->ended = true;
	c->broken |= rc < 0;
	return 0;
}

/* Who has sent nothing waits without a buffer, when those of the others are enough to keep. */
static int client_receive_rest(il_client *c, const struct wait *w)
{
	int rc;

	if (!w->task || c->begin < c->end || c->server->buffered <= KEPT_BUFFERS ||
	    (c->buffer && il__stream_may_have_more(c->stream)))
		return 0;
	if (!c->buffer)
		il__stream_expect_nothing(c->stream);
	drop_buffer(c);
	rc = il__stream_wait(c->stream, end_of(w), "il_client_receive");
	return rc < 0 ? on_failure(c, w, rc) : 0;
}

/* 0: bytes came, or the end; the caller looks again. */
static int client_receive_fill(il_client *c, const struct wait *w)
{
	unsigned char *to;
	size_t room;
	int n = make_room(c);

	if (n < 0)
		return n;
	to = c->buffer + c->end;
	room = room_left(c);
	n = w->task ? il__stream_read(c->stream, to, room, end_of(w), "il_client_receive")
		    : (int)il__os_receive(il_stream_fd(c->stream), to, room);
	if (n <= 0)
		return on_failure(c, w, n);
	c->end += (size_t)n;
	c->packets_since_yield = 0;
	return 0;
}

static int at_end(il_client *c)
{
	bool partial = c->begin < c->end;

	client_receive_give_up(c);
	c->end_reported = true;
	if (!partial)
		return 0;
	return il__refuse(-ENODATA, "il_client_receive: the client left in the middle of a packet");
}

static int client_receive_receive(il_client *c, il_packet *packet, struct wait *w, bool first)
{
	for (;;) {
		int rc;
		if (il__client_is_closed(c))
			return il__refuse(-EBADF, "il_client_receive: the client is closed");
		rc = next_packet(c, packet);
		if (rc) {
			end_packet(c);
			return rc;
		}
		if (c->ended)
			return at_end(c);
		if (!w->begun)
			begin_wait(c, w);
		note_request(c, w);
		c->idle = first && c->begin == c->end;
		rc = client_receive_rest(c, w);
		if (rc == 0 && !c->ended)
			rc = client_receive_fill(c, w);
		c->idle = false;
		if (rc < 0)
			return rc;
	}
}

/* The calling task; NULL: outside a task, where only timeout 0 is possible. */
static int find_task(struct wait *w)
{
	int rc = 0;

	w->task = il__task_here();
	if (!w->task && w->timeout)
		il__task_current("il_client_receive", &rc);
	return rc;
}

static int take_turns(il_client *c, il_task *task)
{
	int rc = il__task_check(task);

	if (rc == 0 && il__client_is_unfair(c))
		il__task_yield(task);
	return rc;
}

int il_client_receive(il_client *client, il_packet *packet, il_time timeout)
{
	int rc = il__client_enter(client, "il_client_receive");
	struct wait w = {.timeout = timeout};
	bool first;

	if (rc < 0)
		return rc;
	if (!packet || timeout < 0)
		return il__refuse(-EINVAL, "il_client_receive: %s",
				  packet ? "the timeout is negative"
					 : "NULL where the packet is to be stored");
	rc = find_task(&w);
	if (rc < 0)
		return rc;
	if (client->receiving)
		return il__refuse(-EBUSY,
				  "il_client_receive: another task receives from this client");
	first = !client->received;
	client->received = true;
	client->refs++;
	client->receiving = true;
	release_packet(client);
	rc = w.task ? take_turns(client, w.task) : 0;
	if (rc == 0)
		rc = client_receive_receive(client, packet, &w, first);
	end_wait(client, &w, rc);
	client->receiving = false;
	il_client_unref(client);
	return rc;
}
