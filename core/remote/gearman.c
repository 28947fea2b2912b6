/*
 * gearman.c: packets on a connection. Header: magic 4, type 4, size 4, big-endian; then arguments with NULs between them.
 */
#include "gearman.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 12,
	MUCH = 1 << 20, /* to be written */
	KEPT = 256      /* of a packet that is too large: no more than `max` of any connection */
};

/* ---- out ---- */

static void put(unsigned char *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> (24 - 8 * i));
}

bool il__remote_is_full(const struct il__remote_connection *c)
{
	return c->out_size > MUCH;
}

int il__remote_await_room(struct il__remote_connection *c)
{
	int rc = 0;

	c->users++;
	while (rc == 0 && !c->closed && il__remote_is_full(c))
		rc = il_semaphore_acquire(c->room);
	c->users--;
	return c->closed ? il_fail(-EBADF, "the connection to the job server is closed") : rc;
}

/* Twice as large, or for something large by just as much. */
static int grow_out(struct il__remote_connection *c, size_t more)
{
	size_t room = c->out_room ? c->out_room : 4096;
	char *out;

	if (room - c->out_size < more)
		room *= 2;
	if (room - c->out_size < more)
		room = c->out_size + more;
	out = room == c->out_room ? c->out : realloc(c->out, room);
	if (!out) {
		c->failed = true;
		il__remote_ring(c->work);
		return il_fail(-ENOMEM, "no memory for a packet of %zu bytes", more);
	}
	c->out = out;
	c->out_room = room;
	return 0;
}

static void append(struct il__remote_connection *c, const void *data, size_t size)
{
	if (size)
		memcpy(c->out + c->out_size, data, size);
	c->out_size += size;
}

int il__remote_send_now(struct il__remote_connection *c, uint32_t type, const struct iovec *pieces,
			int count)
{
	unsigned char header[HEADER] = "\0REQ";
	size_t size = 0;
	int rc;

	for (int i = 0; i < count; i++)
		size += pieces[i].iov_len;
	if (size > UINT32_MAX)
		return il_fail(-EMSGSIZE, "a packet of %zu bytes; it takes %u", size, UINT32_MAX);
	rc = grow_out(c, HEADER + size);
	if (rc < 0)
		return rc;
	put(header + 4, type);
	put(header + 8, (uint32_t)size);
	append(c, header, HEADER);
	c->unwritten++;
	for (int i = 0; i < count; i++)
		append(c, pieces[i].iov_base, pieces[i].iov_len);
	il__remote_ring(c->work);
	return 0;
}

int il__remote_send(struct il__remote_connection *c, uint32_t type, const struct iovec *pieces,
		    int count)
{
	int rc = il__remote_await_room(c);

	return rc < 0 ? rc : il__remote_send_now(c, type, pieces, count);
}

/* What had no room takes more when the other side has got some of it: a sign of life, for a reply may be long on its way behind
 * something large. Last comes what a layer holds back until it is flushed. */
static int write_all(struct il__remote_connection *c, char *from, size_t size)
{
	while (size > 0) {
		const struct iovec all = {from, size};
		int n = il_stream_write_now(c->stream, &all, 1);
		if (n == -EAGAIN) {
			n = il_stream_write(c->stream, from, size);
			c->heard = n > 0 ? il__remote_clock(c) : c->heard;
		}
		if (n < 0)
			return n;
		from += n;
		size -= (size_t)n;
	}
	return il_stream_write_all(c->stream, NULL, 0);
}

int il__remote_flush(struct il__remote_connection *c)
{
	char *out = c->out;
	size_t size = c->out_size;
	int rc;

	c->out = NULL;
	c->out_size = c->out_room = 0;
	c->unwritten = 0;
	for (int i = 0; i < c->users; i++)
		il_semaphore_release(c->room);
	rc = write_all(c, out, size);
	free(out);
	return rc;
}

int il__remote_await_output(struct il__remote_connection *c)
{
	int rc = 0;

	while (rc == 0 && !c->failed && !c->out_size)
		rc = il_semaphore_acquire(c->work);
	return rc < 0 || !c->failed ? rc
				    : il_fail(-ENOMEM, "no memory for what goes to the job server");
}

int il__remote_send_text(struct il__remote_connection *c, uint32_t type, const char *argument)
{
	struct iovec piece = {(char *)(uintptr_t)argument, argument ? strlen(argument) : 0};

	return il__remote_send(c, type, &piece, argument != NULL);
}

/* ---- in ---- */

static uint32_t get(const unsigned char *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static int is_closed(void)
{
	return il_fail(-ENODATA, "the job server has closed the connection");
}

/* To its place at once. As long as some of it comes, the other side is there. */
static int receive_large(struct il__remote_connection *c, char *to, size_t size)
{
	while (size > 0) {
		int rc = il_stream_read(c->stream, to, size);
		if (rc <= 0)
			return rc < 0 ? rc : is_closed();
		to += rc;
		size -= (size_t)rc;
		c->heard = il__remote_clock(c);
	}
	return 0;
}

/* By way of what was read ahead, but for what is large. */
static int receive_bytes(struct il__remote_connection *c, void *to, size_t size)
{
	char *at = to;

	for (;;) {
		size_t have = c->in_end - c->in_begin, n = have < size ? have : size;
		int rc;
		memcpy(at, c->in + c->in_begin, n);
		c->in_begin += n;
		at += n;
		size -= n;
		if (size == 0)
			return 0;
		if (size >= sizeof c->in)
			return receive_large(c, at, size);
		rc = il_stream_read(c->stream, c->in, sizeof c->in);
		if (rc <= 0)
			return rc < 0 ? rc : is_closed();
		c->in_begin = 0;
		c->in_end = (size_t)rc;
	}
}

/* Of a packet that is cut the start is kept, which says whose it is. */
static int receive_rest(struct il__remote_connection *c, struct il__remote_packet *p)
{
	char dropped[4096];
	size_t left = p->cut;
	int rc = receive_bytes(c, p->data, p->size);

	while (rc == 0 && left > 0) {
		size_t n = left < sizeof dropped ? left : sizeof dropped;
		rc = receive_bytes(c, dropped, n);
		left -= n;
		c->heard = il__remote_clock(c);
	}
	return rc;
}

/* What comes of something that we have sent. The signs and answers of workers come also where nothing of ours arrives any more. */
static bool is_reply(uint32_t type)
{
	return type == IL__GEARMAN_ECHO_RES || type == IL__GEARMAN_JOB_CREATED ||
	       type == IL__GEARMAN_STATUS_RES || type == IL__GEARMAN_ERROR ||
	       type == IL__GEARMAN_JOB_ASSIGN_UNIQ || type == IL__GEARMAN_NO_JOB;
}

static void cut(struct il__remote_packet *p)
{
	p->cut = p->size - KEPT;
	p->size = KEPT;
}

/* One that finds no memory is as one that is too large: it costs its call, not the connection and all calls. */
static int make_room(struct il__remote_packet *p, size_t max)
{
	if (p->size > max)
		cut(p);
	p->data = malloc(p->size + 1);
	if (!p->data && p->size > KEPT) {
		p->no_memory = true;
		cut(p);
		p->data = malloc(p->size + 1);
	}
	return p->data ? 0 : il_fail(-ENOMEM, "no memory for a packet of %zu bytes", p->size);
}

int il__remote_receive(struct il__remote_connection *c, struct il__remote_packet *p)
{
	unsigned char header[HEADER];
	int rc = receive_bytes(c, header, HEADER);

	*p = (struct il__remote_packet){.data = NULL};
	if (rc < 0)
		return rc;
	if (memcmp(header, "\0RES", 4) != 0)
		return il_fail(-EBADMSG, "the job server sent what is no packet of Gearman");
	p->type = get(header + 4);
	p->size = get(header + 8);
	rc = make_room(p, c->max);
	if (rc == 0)
		rc = receive_rest(c, p);
	if (rc < 0) {
		il__remote_free_packet(p);
		return rc;
	}
	p->data[p->size] = 0;
	if (is_reply(p->type))
		c->heard = il__remote_clock(c);
	return 1;
}

void il__remote_free_packet(struct il__remote_packet *p)
{
	free(p->data);
	p->data = NULL;
}

const char *il__remote_next(struct il__remote_packet *p)
{
	const char *argument = p->data + p->at;

	if (p->at > p->size)
		return NULL;
	p->at += strlen(argument) + 1;
	return argument;
}

const char *il__remote_rest(struct il__remote_packet *p, size_t *size)
{
	*size = p->at > p->size ? 0 : p->size - p->at;
	return p->data + p->size - *size;
}
