/*
 * datagram_receive.c: receiving datagrams, one or several by one system call. Only a call that finds nothing, or
 * fewer than it has room for, knows that the socket is drained. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../base/os_datagram.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "address.h"
#include "datagram.h"
#include "fd.h"

#include <limits.h>
#include <sys/uio.h>
#include <sys/un.h>

/* ---- the call ---- */

/* Not inlined: gcc fears for the call, which the socket forgets at its end. */
static __attribute__((noinline)) int datagram_receive_begin(il_datagram *d,
							    struct il__datagram_call *c,
							    const char *function)
{
	int rc;
	il_task *task = il__task_current(function, &rc);

	if (!task)
		return rc;
	if (!d->fd)
		return il__refuse(-EBADF, "%s: the socket is closed", function);
	if (d->loop != task->loop)
		return il__refuse(-EPERM, "%s: the socket belongs to another loop", function);
	if (d->receiver)
		return il__refuse(-EBUSY, "%s: another task receives; one at a time", function);
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	*c = (struct il__datagram_call){.place = {.called = true},
					.wait = {.task = task, .fd = d->fd, .asked = IL_READABLE},
					.function = function};
	d->receiver = &c->place;
	return 0;
}

static int datagram_receive_wait(struct il__datagram_call *c)
{
	int rc;

	if (c->parked && il__task_cancelled(c->wait.task)) /* since it was woken */
		return -ECANCELED;
	rc = il__fd_wait(&c->wait, IL_FOREVER, c->function);
	c->parked = true;
	if (c->place.gone)
		return il__refuse(-EBADF, "%s: the socket was closed meanwhile", c->function);
	return rc;
}

static int datagram_receive_some(il_datagram *d, struct il__datagram_call *c,
				 struct il__os_message *messages, int count)
{
	for (;;) {
		int rc = il__datagram_take_failure(d, c->function);
		if (rc < 0)
			return rc;
		rc = d->fd->ready & IL_READABLE ? 0 : datagram_receive_wait(c);
		if (rc < 0)
			return rc;
		rc = d->network->receive(d->fd, messages, count);
		if (rc < count && (rc == -EAGAIN || rc > 0))
			d->fd->ready &= (unsigned char)~IL_READABLE;
		if (rc != -EAGAIN)
			return rc < 0 ? il__refuse(rc, "%s: %s", c->function, il__system_words(rc))
				      : rc;
	}
}

void il__datagram_unmap(const il_datagram *d, il_address *address)
{
	if (d->family == AF_UNIX && address->length <= offsetof(struct sockaddr_un, sun_path))
		address->length = 0; /* nameless */
	else if (d->dual)
		il__address_unmap(address);
}

static void datagram_receive_tell(const il_datagram *d, const struct il__os_message *from,
				  il_datagram_message *m)
{
	const bool cut = from->header.msg_flags & MSG_TRUNC;

	m->size = cut ? 0 : from->size;
	m->rc = cut ? -EMSGSIZE : 0;
	m->address.length = from->header.msg_namelen;
	il__datagram_unmap(d, &m->address);
}

int il__datagram_receive(il_datagram *d, struct il__os_message *messages, int count,
			 il_datagram_message *told, const char *function)
{
	struct il__datagram_call c;
	int rc = datagram_receive_begin(d, &c, function);

	if (rc < 0)
		return rc;
	rc = datagram_receive_some(d, &c, messages, count);
	for (int i = 0; told && i < rc; i++)
		datagram_receive_tell(d, &messages[i], &told[i]);
	if (!c.place.gone)
		d->receiver = NULL;
	if (!c.parked)
		il__task_yield(c.wait.task);
	return rc;
}

/* ---- the public face ---- */

static void datagram_receive_prepare(struct il__os_message *to, struct iovec *piece,
				     il_datagram_message *m)
{
	*piece = (struct iovec){m->data, m->max < INT_MAX ? m->max : INT_MAX};
	*to = (struct il__os_message){.header = {.msg_name = &m->address.storage,
						 .msg_namelen = sizeof m->address.storage,
						 .msg_iov = piece,
						 .msg_iovlen = 1}};
}

static int datagram_receive_check(const il_datagram *d, const il_datagram_message *messages,
				  size_t count, const char *function)
{
	if (!d)
		return il__refuse(-EINVAL, "%s: the socket is NULL", function);
	if (!count)
		return il__refuse(-EINVAL, "%s: there are no messages", function);
	if (!il__is_items(messages, count))
		return il__refuse_items(function, "messages", messages, "count", count);
	for (size_t i = 0; i < count && i < IL__DATAGRAM_BATCH; i++)
		if (!il__is_room(messages[i].data, messages[i].max))
			return il__refuse(-EINVAL, "%s: there must be room for at least one byte",
					  function);
	return 0;
}

int il_datagram_receive_many(il_datagram *d, il_datagram_message *messages, size_t count)
{
	static const char function[] = "il_datagram_receive_many";
	struct il__os_message list[IL__DATAGRAM_BATCH];
	struct iovec pieces[IL__DATAGRAM_BATCH];
	const int most = count < IL__DATAGRAM_BATCH ? (int)count : IL__DATAGRAM_BATCH;
	int n = datagram_receive_check(d, messages, count, function);

	if (n < 0)
		return n;
	for (int i = 0; i < most; i++)
		datagram_receive_prepare(&list[i], &pieces[i], &messages[i]);
	return il__datagram_receive(d, list, most, messages, function);
}

int il_datagram_receive(il_datagram *d, void *data, size_t max, il_address *from)
{
	static const char function[] = "il_datagram_receive";
	il_datagram_message m = {.data = data, .max = max};
	struct il__os_message one;
	struct iovec piece;
	int rc = datagram_receive_check(d, &m, 1, function);

	if (rc < 0)
		return rc;
	datagram_receive_prepare(&one, &piece, &m);
	rc = il__datagram_receive(d, &one, 1, &m, function);
	if (rc < 0)
		return rc;
	if (from)
		*from = m.address;
	if (m.rc < 0)
		return il__refuse(m.rc, "%s: the datagram was larger than %zu bytes, and is gone",
				  function, max);
	return (int)m.size;
}
