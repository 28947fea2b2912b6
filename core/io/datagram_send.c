/*
 * datagram_send.c: sending datagrams. Any number of tasks may send; while one waits for room the others queue behind
 * it, each with its il__datagram_call for its waker, who makes it the next sender. Where the system says that there
 * is room and takes nothing all the same (an unconnected Unix socket and a full peer) the sender tries again from
 * time to time. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/os_datagram.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../sync/queue.h"
#include "datagram.h"
#include "fd.h"

#include <netinet/in.h>
#include <sys/uio.h>

#define FIRST_PAUSE IL_MSEC(1)
#define MOST_PAUSE  IL_MSEC(64)

/* ---- the sending side ---- */

static int datagram_send_gone(const struct il__datagram_call *c)
{
	return il__refuse(-EBADF, "%s: the socket was closed meanwhile", c->function);
}

static void datagram_send_release(il_datagram *d)
{
	struct il__list *next = il__list_pop(&d->senders);

	d->sender = NULL;
	if (next) {
		struct il__waiter *waiter = il__queued(next);
		d->sender = waiter->arg;
		il__waiter_wake(waiter, 0);
	}
}

static void datagram_send_tell(struct il__report *r, const il_task *task)
{
	(void)task;
	il__report(r, "room for a datagram");
}

/* Not inlined: gcc fears for the call, which the socket forgets at its end. */
static __attribute__((noinline)) int datagram_send_acquire(il_datagram *d,
							   struct il__datagram_call *c)
{
	struct il__wait wait;
	int rc;

	if (!d->sender) {
		d->sender = c;
		return 0;
	}
	wait = (struct il__wait){c->function, datagram_send_tell};
	rc = il__queue_wait(&d->senders, c->wait.task, c, &wait);
	c->parked = true;
	if (c->place.gone || rc == -EBADF)
		return datagram_send_gone(c);
	if (rc == 0 && il__task_cancelled(c->wait.task)) { /* since it was woken */
		datagram_send_release(d);
		return -ECANCELED;
	}
	return rc;
}

/* The descriptor; if the system says there is room and there is none, time. */
static int datagram_send_wait(il_datagram *d, struct il__datagram_call *c, il_time *pause)
{
	il_task *task = c->wait.task;
	int rc;

	if (c->parked && il__task_cancelled(task)) /* since it was woken */
		return -ECANCELED;
	if (!*pause || d->network->ready(d->fd, IL_WRITABLE) == 0) {
		rc = il__fd_wait(&c->wait, IL_FOREVER, c->function);
		*pause = FIRST_PAUSE;
	} else {
		const struct il__wait wait = {c->function, datagram_send_tell};
		rc = il__task_park_until(task, il__abort_freely, NULL, &wait,
					 il__deadline_from(il__loop_now(d->loop), *pause));
		*pause = *pause < MOST_PAUSE ? *pause * 2 : MOST_PAUSE;
	}
	c->parked = true;
	if (c->place.gone)
		return datagram_send_gone(c);
	return rc == -ETIMEDOUT ? 0 : rc;
}

int il__datagram_take_failure(il_datagram *d, const char *function)
{
	int rc = d->failure;

	d->failure = 0;
	return rc < 0 ? il__refuse(rc, "%s: %s", function, il__system_words(rc)) : 0;
}

/* Of a peer, not of a datagram or of this machine: the system tells of it once. */
static bool is_of_peer(int rc)
{
	return rc == -ECONNREFUSED || rc == -EHOSTUNREACH || rc == -ENETUNREACH;
}

/* One by one where the system tells of a peer that is not there: where some have gone, sendmmsg loses the error. */
static int datagram_send_now(il_datagram *d, struct il__os_message *messages, int count)
{
	int done = 0, rc = 1;

	if (!d->connected || d->family == AF_UNIX)
		return d->network->send(d->fd, messages, count);
	while (rc > 0 && done < count) {
		rc = d->network->send(d->fd, &messages[done], 1);
		done += rc > 0;
	}
	if (done && is_of_peer(rc)) {
		d->failure = rc;
		il__fd_fire(d->fd, IL_READABLE); /* the system would have woken whoever receives */
	}
	return done ? done : rc;
}

static int datagram_send_some(il_datagram *d, struct il__datagram_call *c,
			      struct il__os_message *messages, int count)
{
	il_time pause = 0;
	int rc = il__datagram_take_failure(d, c->function);

	if (rc < 0)
		return rc;
	for (;;) {
		rc = c->withdrawn ? -EBADF : datagram_send_now(d, messages, count);
		if (rc > 0)
			return rc;
		if (rc != -EAGAIN && rc != -ENOBUFS)
			return il__refuse(rc, "%s: %s", c->function, il__system_words(rc));
		rc = datagram_send_wait(d, c, &pause);
		if (rc < 0)
			return rc;
	}
}

int il__datagram_send(il_datagram *d, struct il__datagram_call *c, struct il__os_message *messages,
		      int count, bool yields)
{
	int rc;
	il_task *task = il__task_current(c->function, &rc);

	if (!task)
		return rc;
	if (!d->fd)
		return il__refuse(-EBADF, "%s: the socket is closed", c->function);
	if (d->loop != task->loop)
		return il__refuse(-EPERM, "%s: the socket belongs to another loop", c->function);
	c->place.called = true;
	c->wait = (struct il__fd_wait){.task = task, .fd = d->fd, .asked = IL_WRITABLE};
	rc = il__task_check(task);
	if (rc == 0)
		rc = datagram_send_acquire(d, c);
	if (rc < 0)
		return rc;
	rc = datagram_send_some(d, c, messages, count);
	if (!c->place.gone)
		datagram_send_release(d);
	if (yields && !c->parked)
		il__task_yield(task);
	return rc;
}

void il__datagram_withdraw(struct il__datagram_call *c)
{
	c->withdrawn = true;
	il__task_interrupt(c->wait.task, -EBADF);
}

/* ---- addresses ---- */

const void *il__datagram_map(const il_datagram *d, const il_address *to,
			     struct sockaddr_in6 *mapped, socklen_t *length)
{
	struct sockaddr_in ipv4;

	*length = to->length;
	if (!d->dual || to->storage.ss_family != AF_INET)
		return &to->storage;
	memcpy(&ipv4, &to->storage, sizeof ipv4);
	*mapped = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = ipv4.sin_port};
	mapped->sin6_addr.s6_addr[10] = mapped->sin6_addr.s6_addr[11] = 0xff;
	memcpy(&mapped->sin6_addr.s6_addr[12], &ipv4.sin_addr, sizeof ipv4.sin_addr);
	*length = sizeof *mapped;
	return mapped;
}

static int datagram_send_check_address(const il_datagram *d, const il_address *to,
				       const char *function)
{
	if (d->connected)
		return to ? il__refuse(-EISCONN,
				       "%s: the socket is connected: it sends to its peer only, "
				       "without an address",
				       function)
			  : 0;
	if (!to)
		return il__refuse(-EDESTADDRREQ,
				  "%s: the socket is not connected, so each datagram needs an "
				  "address",
				  function);
	if (!to->length || to->length > sizeof to->storage)
		return il__refuse(-EINVAL, "%s: the address %s", function,
				  to->length ? "is longer than any"
					     : "is empty, as that of a nameless sender");
	if (to->storage.ss_family != d->family && !(d->dual && to->storage.ss_family == AF_INET))
		return il__refuse(-EAFNOSUPPORT,
				  "%s: the address is of family %d, the socket of family %d",
				  function, to->storage.ss_family, d->family);
	return 0;
}

/* ---- the public face ---- */

/* What the system is told besides. */
struct outgoing {
	struct iovec piece;
	struct sockaddr_in6 mapped;
};

static int datagram_send_prepare(const il_datagram *d, struct il__os_message *message,
				 struct outgoing *out, const il_datagram_message *m,
				 const il_address *to, const char *function)
{
	int rc = datagram_send_check_address(d, to, function);

	if (rc < 0)
		return rc;
	if (!il__is_data(m->data, m->size))
		return il__refuse_data(function);
	out->piece = (struct iovec){m->data, m->size};
	*message = (struct il__os_message){.header = {.msg_iov = &out->piece, .msg_iovlen = 1}};
	if (to)
		message->header.msg_name = (void *)(uintptr_t)il__datagram_map(
		    d, to, &out->mapped, &message->header.msg_namelen);
	return 0;
}

int il_datagram_send(il_datagram *d, const void *data, size_t size, const il_address *to)
{
	static const char function[] = "il_datagram_send";
	const il_datagram_message m = {.data = (void *)(uintptr_t)data, .size = size};
	struct il__datagram_call call = {.function = function};
	struct il__os_message message;
	struct outgoing out;
	int rc;

	if (!d)
		return il__refuse(-EINVAL, "%s: the socket is NULL", function);
	if (!d->fd) /* nothing that is asked of it matters: it refuses */
		return il__datagram_send(d, &call, NULL, 0, true);
	rc = datagram_send_prepare(d, &message, &out, &m, to, function);
	if (rc == 0)
		rc = il__datagram_send(d, &call, &message, 1, true);
	return rc < 0 ? rc : 0;
}

/* How many of them, from the first on, can be sent; or why the first cannot. */
static int datagram_send_prepare_all(const il_datagram *d, struct il__os_message *list,
				     struct outgoing *out, il_datagram_message *messages, int most,
				     const char *function)
{
	for (int i = 0; i < most; i++) {
		il_datagram_message *m = &messages[i];
		int rc = datagram_send_prepare(d, &list[i], &out[i], m,
					       m->address.length ? &m->address : NULL, function);
		if (rc < 0)
			return i ? i : rc;
	}
	return most;
}

int il_datagram_send_many(il_datagram *d, il_datagram_message *messages, size_t count)
{
	static const char function[] = "il_datagram_send_many";
	struct il__datagram_call call = {.function = function};
	struct il__os_message list[IL__DATAGRAM_BATCH];
	struct outgoing out[IL__DATAGRAM_BATCH];
	int n = count < IL__DATAGRAM_BATCH ? (int)count : IL__DATAGRAM_BATCH;

	if (!d || !count)
		return il__refuse(-EINVAL, "%s: %s", function,
				  d ? "there are no messages" : "the socket is NULL");
	if (!il__is_items(messages, count))
		return il__refuse_items(function, "messages", messages, "count", count);
	if (!d->fd)
		return il__datagram_send(d, &call, NULL, 0, true);
	n = datagram_send_prepare_all(d, list, out, messages, n, function);
	if (n > 0)
		n = il__datagram_send(d, &call, list, n, true);
	for (int i = 0; i < n; i++)
		messages[i].rc = 0;
	return n;
}
