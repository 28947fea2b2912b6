/*
 * client_send.c: from packets to a client's bytes. The sending side has one owner at a time, others
 * queue, so packets leave whole and in order; a packet that was cut short closes the client, for what
 * followed could not be understood. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../sync/queue.h"
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
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

	il__log(c->rules->quiet ? IL_LOG_DEBUG : IL_LOG_INFO,
		"client %s did not take a packet in time", c->address);
	il__stream_set_option(c->stream, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	il_stream_close(c->stream);
}

/* Whoever receives must know of it, too, for the system tells of it once: but of the peer's end by itself. */
static int client_send_broken(il_client *c, int rc)
{
	char *why = il__stream_has_words(c->stream, rc) ? il__keep_refusal(rc) : NULL;

	c->broken = true;
	if (rc != -EPIPE && !c->ended && !il__client_is_closed(c))
		il__client_fails(c, rc);
	rc = il__refuse(-EPIPE, "il_client_send: peer %s is gone: %s", c->address,
			why ? why : il__system_words(rc));
	il__free(why);
	return rc;
}

/* What the system said, as il_client_send tells it. */
static int client_send_translate(il_client *c, const struct il__op *op, int rc)
{
	if (rc == -ETIMEDOUT && op->deadline != IL_FOREVER)
		client_send_give_up(c);
	switch (rc) {
	case 0:
	case -EBADF:
		return rc;
	case -ECANCELED:
	case -ENOMEM: /* to wait for room with */
		if (op->begun)
			il_stream_close(c->stream);
		return rc;
	default:
		return client_send_broken(c, rc);
	}
}

static int client_send_frame(const il_client *c, il_frame *frame, const void *data, size_t size)
{
	const il_protocol *p = &c->rules->protocol;
	int rc = 0;

	frame->data = data;
	frame->size = size;
	frame->head_size = frame->tail_size = 0;
	frame->tail = NULL;
	frame->release = NULL;
	frame->pointer = NULL;
	memset(frame->reserved, 0, sizeof frame->reserved);
	if (p->frame) {
		const bool own = il__disown_refusal();
		IL__GUARDED(rc = p->frame(p, frame));
		rc = il__after_refusal(rc, own);
	}
	return rc;
}

static void client_send_release(il_frame *frame)
{
	if (frame->release)
		IL__GUARDED(frame->release(frame));
}

/* `frame` may have closed it. */
static int client_send_check_open(const il_client *c)
{
	if (il__client_is_closed(c))
		return il__refuse(-EBADF, "il_client_send: the client was closed meanwhile");
	return 0;
}

/* What stands against sending: 0 if nothing does. */
static int client_send_check(const il_client *c)
{
	int rc = client_send_check_open(c);

	if (rc < 0)
		return rc;
	if (c->broken)
		return il__refuse(-EPIPE, "il_client_send: peer %s is gone: %s", c->address,
				  c->why ? c->why
					 : il__system_words(c->failure ? c->failure : -EPIPE));
	if (il__stream_is_shut(c->stream))
		return il__refuse(-EPIPE, "il_client_send: peer %s: this side has ended sending",
				  c->address);
	return 0;
}

/* It has gone, whole. Its server may not count it any more. */
static void client_send_count(il_client *c, const il_frame *frame)
{
	if (!c->rules)
		return;
	c->rules->sent.packets++;
	c->rules->sent.bytes += frame->head_size + frame->size + frame->tail_size;
}

static int send_packet(il_client *c, struct il__op *op, const void *data, size_t size)
{
	il_frame frame;
	int rc = client_send_frame(c, &frame, data, size);

	if (rc < 0)
		return rc;
	rc = client_send_check(c);
	if (rc == 0 && il__task_cancelled(op->wait.task)) /* by `frame` */
		rc = -ECANCELED;
	if (rc == 0)
		rc = client_send_translate(c, op, send_framed(c, op, &frame));
	if (rc == 0)
		client_send_count(c, &frame);
	client_send_release(&frame);
	return rc;
}

static void senders_tell(struct il__report *r, const il_task *task)
{
	const il_client *c = task->waiter.arg;

	il__report(r, "another task to end its packet to client %s", c->address);
}

static const struct il__wait send_wait = {"il_client_send", senders_tell};

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
	if (rc == 0)
		rc = il__queue_wait(&c->senders, task, c, &send_wait);
	return rc == -EBADF ? il__refuse(rc, "il_client_send: the client was closed meanwhile")
			    : rc;
}

void il__client_release(il_client *c)
{
	c->sending = il__queue_wake(&c->senders, 0);
}

il_time il__client_end_of_patience(const il_client *c)
{
	il_time most = c->rules->send_timeout;

	return most == IL_FOREVER ? IL_FOREVER : il__deadline_from(il__loop_now(c->loop), most);
}

static int client_send_by_stream(il_client *c, const void *data, size_t size)
{
	struct il__op op;
	int rc = il__op_begin(c->stream, &op, IL_WRITABLE, IL_FOREVER, "il_client_send");

	if (rc < 0)
		return rc;
	op.deadline = il__client_end_of_patience(c);
	rc = send_packet(c, &op, data, size);
	op.parked |= !il__client_is_unfair(c);
	return il__op_end(c->stream, &op, rc);
}

static int client_send_message(il_client *c, const void *data, size_t size)
{
	il_frame frame;
	int rc;

	if (c->closed)
		return il__refuse(-EBADF, "il_client_send: the client is closed");
	rc = client_send_frame(c, &frame, data, size);
	if (rc < 0)
		return rc;
	rc = client_send_check_open(c);
	if (rc == 0)
		rc = c->ops->send(c, &frame, il__client_end_of_patience(c));
	if (rc == 0)
		client_send_count(c, &frame);
	client_send_release(&frame);
	return rc;
}

int il_client_send(il_client *client, const void *data, size_t size)
{
	int rc = il__client_enter(client, "il_client_send");

	if (rc < 0)
		return rc;
	if (!il__is_data(data, size))
		return il__refuse_data("il_client_send");
	client->refs++;
	rc = il__client_acquire(client);
	if (rc == 0) {
		rc = il__unlikely(client->ops) ? client_send_message(client, data, size)
					       : client_send_by_stream(client, data, size);
		il__client_release(client);
	}
	il_client_unref(client);
	return rc;
}

int il_client_printf(il_client *client, const char *format, ...)
{
	char small[SMALL], *text = small;
	va_list args, again;
	int rc, size;

	if (!format)
		return il__refuse(-EINVAL, "il_client_printf: the format is NULL");
	va_start(args, format);
	va_copy(again, args);
	size = vsnprintf(small, sizeof small, format, args);
	if (size >= (int)sizeof small) {
		text = il__malloc((size_t)size + 1);
		if (text)
			vsnprintf(text, (size_t)size + 1, format, again);
	}
	va_end(again);
	va_end(args);
	if (size < 0)
		return il__refuse(-EINVAL, "il_client_printf: the text cannot be formatted");
	if (!text)
		return il__refuse(-ENOMEM, "il_client_printf: out of memory");
	rc = il_client_send(client, text, (size_t)size);
	if (text != small)
		il__free(text);
	return rc;
}
