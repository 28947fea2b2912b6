/*
 * client_send.c: from packets to a client's bytes. The sending side has one owner at a time, others
 * queue, so packets leave whole and in order; a packet that was cut short closes the client, for what
 * followed could not be understood. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../sync/queue.h"
#include "client.h"

#include <sys/uio.h>

enum { SMALL = 1024 }; /* cheaper to copy than to hand over in pieces */

static int client_send_add(struct iovec *pieces, int count, const void *data, size_t size)
{
	if (!size)
		return count;
	pieces[count] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	return count + 1;
}

static int send_framed(il_client *c, struct il__op *op, const il_frame *f)
{
	char small[SMALL], *end = small;
	struct iovec pieces[3];
	int count = client_send_add(pieces, 0, f->head, f->head_size);

	count = client_send_add(pieces, count, f->data, f->size);
	count = client_send_add(pieces, count, f->tail, f->tail_size);
	if (count < 2 || f->size > SMALL || f->tail_size > SMALL ||
	    f->head_size + f->size + f->tail_size > SMALL)
		return il__op_send(c->stream, op, pieces, count);
	for (int i = 0; i < count; i++) {
		memcpy(end, pieces[i].iov_base, pieces[i].iov_len);
		end += pieces[i].iov_len;
	}
	return il__op_send(c->stream, op, pieces,
			   client_send_add(pieces, 0, small, (size_t)(end - small)));
}

/* The system must not keep what a peer does not take: so its end is a reset. */
static void client_send_give_up(il_client *c)
{
	const struct linger at_once = {.l_onoff = 1};

	il__log(c->server->options.quiet ? IL_LOG_DEBUG : IL_LOG_INFO,
		"client %s did not take a packet in time", c->address);
	setsockopt(il_stream_fd(c->stream), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	il_stream_close(c->stream);
}

/* What the system said, as il_client_send tells it. */
static int client_send_translate(il_client *c, const struct il__op *op, int rc)
{
	if (rc == -ETIMEDOUT && op->deadline != IL_FOREVER)
		client_send_give_up(c);
	switch (rc) {
	case 0:
	case -EBADF:
	case -ENOMEM:
		return rc;
	case -ECANCELED:
		if (op->begun)
			il_stream_close(c->stream);
		return rc;
	default:
		c->broken = true;
		return il__refuse(-EPIPE, "il_client_send: client %s is gone: %s", c->address,
				  il__system_words(rc));
	}
}

static int send_packet(il_client *c, struct il__op *op, const void *data, size_t size)
{
	const il_protocol *p = &c->server->protocol;
	il_frame frame;
	int rc;

	frame.data = data;
	frame.size = size;
	frame.head_size = frame.tail_size = 0;
	frame.tail = NULL;
	frame.release = NULL;
	frame.pointer = NULL;
	memset(frame.reserved, 0, sizeof frame.reserved);
	rc = p->frame ? p->frame(p, &frame) : 0;
	if (rc < 0)
		return rc;
	rc = client_send_translate(
	    c, op,
	    c->broken || il__stream_is_shut(c->stream) ? -EPIPE : send_framed(c, op, &frame));
	if (frame.release)
		frame.release(&frame);
	return rc;
}

int il__client_acquire(il_client *c)
{
	il_task *task;
	int rc;

	if (il__likely(!c->sending)) {
		c->sending = true;
		return 0;
	}
	task = il__task_current("il_client_send", &rc);
	if (!task)
		return rc;
	rc = il__task_check(task);
	return rc < 0 ? rc : il__queue_wait(&c->senders, task, NULL, "il_client_send");
}

void il__client_release(il_client *c)
{
	c->sending = il__queue_wake(&c->senders, 0);
}

static il_time client_send_end_of_patience(const il_client *c)
{
	il_time most = c->server->options.send_timeout;

	return most == IL_FOREVER ? IL_FOREVER : il__deadline_from(il__loop_now(c->loop), most);
}

int il_client_send(il_client *client, const void *data, size_t size)
{
	int rc = il__client_enter(client, "il_client_send");
	struct il__op op;

	if (rc < 0)
		return rc;
	if (!data && size)
		return il__refuse(-EINVAL, "il_client_send: the data is NULL");
	client->refs++;
	rc = il__client_acquire(client);
	if (rc == 0) {
		rc = il__op_begin(client->stream, &op, IL_WRITABLE, IL_FOREVER, "il_client_send");
		if (rc == 0) {
			op.deadline = client_send_end_of_patience(client);
			rc = send_packet(client, &op, data, size);
			op.parked |= !il__client_is_unfair(client);
			rc = il__op_end(client->stream, &op, rc);
		}
		il__client_release(client);
	}
	il_client_unref(client);
	return rc;
}
