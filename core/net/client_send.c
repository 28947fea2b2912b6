/*
 * client_send.c: from packets to a client's bytes. The sending side has one owner at a time, others
 * queue, so packets leave whole and in order; a packet that was cut short closes the client, for what
 * followed could not be understood. Loop's thread only, in a task.
 */
#include "server.h"

#include <string.h>

enum { SMALL = 1024 }; /* cheaper to copy than to hand over in pieces */

static struct iovec piece(const void *data, size_t size)
{
	return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
}

static int send_framed(il_client *c, const il_frame *f)
{
	char small[SMALL];
	struct iovec pieces[3] = {
	    piece(f->head, f->head_size),
	    piece(f->data, f->size),
	    piece(f->tail, f->tail_size),
	};
	size_t total = 0;

	if (f->head_size + f->tail_size == 0)
		return il__stream_write(c->stream, &pieces[1], 1, IL_FOREVER, "il_client_send");
	if (f->size > SMALL || f->tail_size > SMALL ||
	    f->head_size + f->size + f->tail_size > SMALL)
		return il__stream_write(c->stream, pieces, 3, IL_FOREVER, "il_client_send");
	for (int i = 0; i < 3; i++) {
		if (pieces[i].iov_len)
			memcpy(small + total, pieces[i].iov_base, pieces[i].iov_len);
		total += pieces[i].iov_len;
	}
	pieces[0] = piece(small, total);
	return il__stream_write(c->stream, pieces, 1, IL_FOREVER, "il_client_send");
}

static int send_packet(il_client *c, const void *data, size_t size)
{
	il_frame frame = {.data = data, .size = size};
	const il_protocol *p = &c->server->protocol;
	int rc = p->frame(p, &frame);

	if (rc >= 0)
		rc = send_framed(c, &frame);
	else
		return rc;
	if (frame.release)
		frame.release(&frame);
	switch (rc) {
	case 0:
	case -EBADF:
	case -EBUSY:
	case -ENOMEM:
		return rc;
	case -ECANCELED:
		il_stream_close(c->stream);
		return rc;
	default:
		c->broken = true;
		return il__refuse(-EPIPE, "il_client_send: client %s is gone: %s", c->address,
				  il_strerror(rc));
	}
}

/* 0: the sending side is the caller's, and the client can be sent to. */
static int acquire(il_client *c, il_task *task)
{
	struct il__waiter w = {.task = task};
	int rc = 0;

	if (c->sending)
		rc = il__queue_wait(&c->senders, &w, "il_client_send");
	if (rc == 0)
		c->sending = true;
	return rc;
}

static int check_open(const il_client *c)
{
	if (il__client_is_closed(c))
		return il__refuse(-EBADF, "il_client_send: the client is closed");
	if (c->broken)
		return il__refuse(-EPIPE, "il_client_send: client %s is gone", c->address);
	return 0;
}

int il_client_send(il_client *client, const void *data, size_t size)
{
	int rc = il__client_check(client, "il_client_send");
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__task_current("il_client_send", &rc);
	if (!task)
		return rc;
	if (!data && size)
		return il__refuse(-EINVAL, "il_client_send: the data is NULL");
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	client->refs++;
	rc = acquire(client, task);
	if (rc == 0) {
		rc = il__task_check(task);
		if (rc == 0)
			rc = check_open(client);
		if (rc == 0)
			rc = send_packet(client, data, size);
		client->sending = il__queue_wake(&client->senders, 0);
	}
	il_client_unref(client);
	return rc;
}
