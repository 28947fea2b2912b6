/*
 * client_receive.c: from a client's bytes to its packets, which are found in place in one buffer. Loop's thread only.
 */
#include "client_receive.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "client.h"
#include "protocol.h"

/* Bytes of empty buffers that a server keeps for the next requests, roughly. */
enum { KEPT_BUFFERS = 16 << 20 };

/* ---- parsing ---- */

void il__client_release_packet(il_client *c)
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

int il__client_find_packet(il_client *c)
{
	while (!c->found && c->begin < c->end) {
		c->parse.data = c->buffer + c->begin;
		c->parse.size = c->end - c->begin;
		c->parse.packet = (il_packet){.data = NULL};
		c->found = il__protocol_find(&c->rules->protocol, &c->parse);
		if (c->found)
			break;
		c->begin += c->parse.consumed;
		if (!c->parse.consumed)
			return 0;
	}
	return c->found;
}

/* The words are the protocol's, if it has any. */
int il__client_refuse_packet(const struct il__client_rules *rules, int rc)
{
	const char *name = rules->protocol.name ? rules->protocol.name : "without a name";

	if (il__refusal.rc != rc && rc == -EMSGSIZE)
		return il__refuse(rc,
				  "il_client_receive: protocol %s: a packet was larger than "
				  "max_packet, %zu bytes",
				  name, rules->max_packet);
	if (il__refusal.rc != rc && rc == -EBADMSG)
		return il__refuse(
		    rc, "il_client_receive: protocol %s: what the peer sent is not a packet", name);
	return il__pass_on(rc);
}

/* 1: given; 0: more bytes are needed; negative: an error for the handler. */
static int next_packet(il_client *c, il_packet *packet)
{
	const bool looked = c->found;
	char *why = c->found_why;
	int rc = il__client_find_packet(c);

	c->found = 0;
	c->found_why = NULL;
	if (rc == 1)
		give_packet(c, packet);
	if (rc >= 0)
		return rc;
	c->begin += c->parse.consumed;
	if (!c->parse.consumed)
		il__client_receive_no_more(c);
	return looked ? il__refuse_again(rc, why) : il__client_refuse_packet(c->rules, rc);
}

/* ---- receiving ---- */

struct wait {
	il_task *task; /* NULL: outside a task, and timeout is 0 */
	il_time timeout;
	bool begun;
	il_time since;
	il_time deadline, limit; /* of the caller, and of the rules */
	size_t taken;            /* bytes that came */
};

/* When the client is given up, if no packet comes. */
il_time il__client_limit(const il_client *c, il_time now)
{
	const struct il__client_rules *r = c->rules;
	il_time idle = IL_FOREVER, first = IL_FOREVER, request = IL_FOREVER;

	if (r->idle_timeout != IL_FOREVER)
		idle = il__deadline_from(
		    now, r->idle_timeout > c->waited ? r->idle_timeout - c->waited : 0);
	if (!c->has_sent_packet)
		first = il__deadline_from(c->connected, r->first_request_timeout);
	if (c->asking)
		request = il__deadline_from(c->asked, r->request_timeout);
	idle = first < idle ? first : idle;
	return request < idle ? request : idle;
}

/* The clock is read only where it counts. */
static void begin_wait(const il_client *c, struct wait *w)
{
	const struct il__client_rules *r = c->rules;

	w->begun = true;
	w->deadline = w->timeout;
	w->limit = IL_FOREVER;
	if (w->timeout == 0 ||
	    (w->timeout == IL_FOREVER && r->idle_timeout == IL_FOREVER && !c->asking &&
	     (c->has_sent_packet || r->first_request_timeout == IL_FOREVER)))
		return;
	w->since = il__loop_now(c->loop);
	w->deadline = il__deadline_from(w->since, w->timeout);
	w->limit = il__client_limit(c, w->since);
}

/* The first bytes of a packet are there, and the wait for the others begins. */
static void note_request(il_client *c, struct wait *w)
{
	il_time most = c->rules->request_timeout, until;

	if (c->asking || c->begin == c->end || most == IL_FOREVER || w->timeout == 0)
		return;
	il__client_begin_request(c);
	until = il__deadline_from(c->asked, most);
	w->limit = until < w->limit ? until : w->limit;
}

/* A packet, or what was none, has come to its end. */
static void end_packet(il_client *c)
{
	if (!c->rules->endless)
		c->asking = false;
	else if (!c->asking && c->rules->request_timeout != IL_FOREVER)
		il__client_begin_request(c);
}

/* However often a handler asks anew, the server's limit is for the packet. */
static void end_wait(il_client *c, const struct wait *w, int rc)
{
	if (rc == 1) {
		c->waited = 0;
		c->rules->received.packets++;
	} else if (w->begun && w->limit != IL_FOREVER) {
		c->waited += il__loop_now(c->loop) - w->since;
	}
}

static il_time end_of(const struct wait *w)
{
	return w->deadline < w->limit ? w->deadline : w->limit;
}

static int no_packet(const il_client *c)
{
	return il__refuse(-ETIMEDOUT, "il_client_receive: no packet has come from peer %s in time",
			  c->address);
}

void il__client_expire(il_client *c)
{
	il__log(c->rules->quiet ? IL_LOG_DEBUG : IL_LOG_INFO, "client %s sent no packet in time",
		c->address);
	il__client_receive_no_more(c);
}

/* A request of bytes may have come in time and have waited for its handler: that has as long again. */
bool il__client_is_overdue(const il_client *c)
{
	const il_time most = c->rules->request_timeout;

	return c->rules->endless && c->asking && most != IL_FOREVER &&
	       il__deadline_from(il__deadline_from(c->asked, most), most) <= il__loop_now(c->loop);
}

/* Bytes that are there are taken, though the time be up; but not without end from a peer who sends faster than they are
 * taken or skipped: no packet has more than there is room for. */
static bool takes_too_long(const il_client *c, const struct wait *w)
{
	const il_time until = end_of(w);

	return (w->taken >= c->rules->room && until != IL_FOREVER &&
		until <= il__loop_now(c->loop)) ||
	       (w->timeout > 0 && il__client_is_overdue(c));
}

static int on_timeout(il_client *c, const struct wait *w)
{
	if (w->deadline <= w->limit)
		return no_packet(c);
	il__client_expire(c);
	return 0;
}

void il__client_has_ended(il_client *c, int rc)
{
	c->ended = true;
	c->broken |= rc < 0;
	if (rc < 0)
		il__client_fails(c, rc);
}

/* What it means that no bytes came. 0: the end; the caller looks again. */
static int on_failure(il_client *c, const struct wait *w, int rc)
{
	il_time until = end_of(w);

	if (rc == -EAGAIN)
		return no_packet(c);
	if (rc == -ETIMEDOUT && until != IL_FOREVER && until <= il__loop_now(c->loop))
		return on_timeout(c, w);
	if (rc == -ECANCELED || rc == -EBADF || rc == -EBUSY || rc == -ENOMEM || rc == -EPERM)
		return rc;
	il__client_has_ended(c, rc);
	return 0;
}

static int refuse_closed(void)
{
	return il__refuse(-EBADF, "il_client_receive: the client is closed");
}

/* Who has sent nothing waits without a buffer, when those of the others are enough to keep. */
static int client_receive_rest(il_client *c, const struct wait *w)
{
	int rc;

	if (!w->task || c->begin < c->end || c->rules->buffered <= KEPT_BUFFERS ||
	    (c->buffer && il__stream_may_have_more(c->stream)))
		return 0;
	if (!c->buffer)
		il__stream_expect_nothing(c->stream);
	il__client_drop_buffer(c);
	rc = il__stream_wait(c->stream, end_of(w), "il_client_receive");
	if (il__client_is_closed(c))
		return refuse_closed();
	return rc < 0 ? on_failure(c, w, rc) : 0;
}

/* 0: bytes came, or the end; the caller looks again. The stream may have let others run, who have closed the client:
 * with its task its server's rules have gone. */
static int client_receive_fill(il_client *c, struct wait *w)
{
	unsigned char *to;
	size_t room;
	int n = il__client_make_room(c);

	if (n < 0)
		return n;
	if (takes_too_long(c, w))
		return on_timeout(c, w);
	to = c->buffer + c->end;
	room = il__client_room_left(c);
	n = w->task ? il__stream_read(c->stream, to, room, end_of(w), "il_client_receive")
		    : il_stream_read_now(c->stream, to, room);
	if (il__client_is_closed(c))
		return refuse_closed();
	if (n <= 0)
		return on_failure(c, w, n);
	c->end += (size_t)n;
	w->taken += (size_t)n;
	c->rules->received.bytes += (size_t)n;
	c->packets_since_yield = 0;
	return 0;
}

/* It is idle and its server ends: what is there is received, but nothing is waited for. */
static int client_receive_last(il_client *c)
{
	struct wait now = {.timeout = 0};
	int rc = client_receive_fill(c, &now);

	if (rc != -ETIMEDOUT)
		return rc;
	il__client_shut(c);
	return refuse_closed();
}

/* As client_receive_fill; it may be at its end. */
static int client_receive_more(il_client *c, struct wait *w)
{
	int rc;

	if (c->idle && c->rules->ending && w->timeout)
		return client_receive_last(c);
	rc = client_receive_rest(c, w);
	return rc == 0 && !c->ended ? client_receive_fill(c, w) : rc;
}

/* A connection that failed must not pass for one that ended, nor part of a packet for all. */
static int at_end(il_client *c)
{
	bool partial = c->begin < c->end, told = c->end_reported;

	il__client_receive_no_more(c);
	c->end_reported = true;
	if (told)
		return 0;
	if (c->why) {
		char *why = c->why;
		c->why = NULL;
		return il__refuse_again(c->failure, why);
	}
	if (c->failure)
		return il__refuse(c->failure, "il_client_receive: peer %s: %s", c->address,
				  il__system_words(c->failure));
	if (!partial)
		return 0;
	return il__refuse(-ENODATA, "il_client_receive: peer %s left in the middle of a packet",
			  c->address);
}

/* Where packets come whole. */
static int client_receive_message(il_client *c, il_packet *packet, struct wait *w, bool first)
{
	int rc;

	if (il__client_is_closed(c))
		return refuse_closed();
	if (c->ended) { /* by a limit that passed in a select */
		c->end_reported = true;
		return 0;
	}
	begin_wait(c, w);
	c->idle = first;
	rc = c->ops->receive(c, packet, w->task, end_of(w));
	c->idle = false;
	c->has_sent_packet |= rc == 1;
	if (rc == -ETIMEDOUT)
		rc = on_timeout(c, w);
	if (rc == 0)
		c->ended = c->end_reported = true;
	return rc;
}

static int client_receive_receive(il_client *c, il_packet *packet, struct wait *w, bool first)
{
	if (il__unlikely(c->ops))
		return client_receive_message(c, packet, w, first);
	for (;;) {
		int rc;
		if (il__client_is_closed(c))
			return refuse_closed();
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
		rc = client_receive_more(c, w);
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
	il__client_release_packet(client);
	rc = w.task ? take_turns(client, w.task) : 0;
	if (rc == 0)
		rc = client_receive_receive(client, packet, &w, first);
	end_wait(client, &w, rc);
	client->receiving = false;
	il_client_unref(client);
	return rc;
}
