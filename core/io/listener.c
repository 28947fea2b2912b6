/*
 * listener.c: accepting connections, and the life of a listener. It owns its sockets, one an address, and
 * the path of its Unix socket as long as that is still this socket. One task accepts, and waits for all the
 * sockets at once; it learns of a close through its op, which lies on its stack. Loop's thread only.
 */
#include "listener.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "fd.h"
#include "network.h"
#include "unix_path.h"

#define RETRY_DELAY IL_MSEC(100)

/* ---- life ---- */

static void listener_shut(il_listener *l)
{
	int count = l->count;

	if (l->accepting) {
		l->accepting->gone = true;
		il__waiter_wake(l->accepting->waiter, -EBADF);
		l->accepting = NULL;
	}
	l->count = 0;
	il__socket_file_remove(&l->file, "il_listener_close");
	for (int i = 0; i < count; i++)
		l->network->close(l->sockets[i].fd, false);
	il__list_remove(&l->owner.link);
}

static void listener_orphan(struct il__fd_owner *owner)
{
	il_listener *l = il__container_of(owner, il_listener, owner);

	listener_shut(l);
	l->loop = NULL;
}

int il__listener_create(il_listener **listener, il_loop *loop, const struct il__network *network,
			struct il__fd *const *ends, int count, struct il__socket_file *file)
{
	il_listener *l = il__calloc(1, sizeof *l + (size_t)count * sizeof l->sockets[0]);
	il_address address;

	if (!l || il__fd_prepare(loop) < 0) {
		il__free(l);
		return il__refuse(-ENOMEM, "out of memory for a listener");
	}
	for (int i = 0; i < count; i++)
		l->sockets[i].fd = ends[i];
	if (file)
		l->file = *file;
	l->owner.orphan = listener_orphan;
	il__fd_adopt(loop, &l->owner);
	l->loop = loop;
	l->network = network;
	l->count = count;
	if (il_listener_address(l, 0, &address) == 0)
		l->port = il_address_port(&address);
	*listener = l;
	return 0;
}

int il_listener_close(il_listener *listener)
{
	int rc;

	if (!listener)
		return il__refuse(-EINVAL, "il_listener_close: the listener is NULL");
	if (!listener->count)
		return 0;
	rc = il__loop_check_thread(listener->loop, "il_listener_close");
	if (rc == 0)
		listener_shut(listener);
	return rc;
}

void il_listener_destroy(il_listener *listener)
{
	if (!listener)
		return;
	if (listener->count && il__inherited(listener->loop->generation)) {
		/* the native loop and the path are the parent's, and so are our lists: leave them
		 * alone */
		for (int i = 0; i < listener->count; i++)
			listener->network->close(listener->sockets[i].fd, true);
		il__free(listener->file.path);
	} else if (il_listener_close(listener) < 0) {
		il__fatal("il_listener_destroy: called in another thread than its loop's");
	}
	il__free(listener);
}

uint16_t il_listener_port(const il_listener *listener)
{
	return listener && listener->count ? listener->port : 0;
}

static int listener_check(const il_listener *l, size_t index, const char *function)
{
	int rc;

	if (!l->count)
		return il__refuse(-EBADF, "%s: the listener is closed", function);
	rc = il__loop_check_thread(l->loop, function);
	if (rc < 0)
		return rc;
	if (index >= (size_t)l->count)
		return il__refuse(-ENOENT, "%s: it has %d addresses, not %zu", function, l->count,
				  index + 1);
	return 0;
}

int il_listener_address(const il_listener *listener, size_t index, il_address *address)
{
	int rc;

	if (!listener || !address)
		return il__refuse(-EINVAL,
				  "il_listener_address: the listener or the address is NULL");
	rc = listener_check(listener, index, "il_listener_address");
	if (rc < 0)
		return rc;
	return il__no_words(
	    listener->network->address(listener->sockets[index].fd, false, address));
}

int il_listener_fd(const il_listener *listener, size_t index)
{
	int rc;

	if (!listener)
		return il__refuse(-EINVAL, "il_listener_fd: the listener is NULL");
	rc = listener_check(listener, index, "il_listener_fd");
	if (rc == 0 && il__fd_is_asked(listener->sockets[index].fd))
		rc = il__refuse(-ENOTSUP, "il_listener_fd: behind this listener is no descriptor");
	return rc < 0 ? rc : listener->sockets[index].fd->number;
}

/* ---- accepting ---- */

static void end_waits(il_listener *l)
{
	for (int i = 0; i < l->count; i++)
		il__fd_end(&l->sockets[i].wait);
}

void il__listener_stop(il_listener *l)
{
	if (!l->accepting)
		return;
	end_waits(l);
	for (int i = 0; i < l->count; i++)
		l->sockets[i].fd->woken = 0;
	l->accepting->gone = true;
	il__waiter_wake(l->accepting->waiter, -EBADF);
	l->accepting = NULL;
}

static bool listener_give_up(il_task *task, void *arg)
{
	(void)task;
	end_waits(arg);
	return true;
}

static int listener_refuse_gone(void)
{
	return il__refuse(-EBADF, "il_listener_accept: the listener was closed meanwhile");
}

void il__listener_tell(struct il__report *r, const il_listener *l)
{
	if (l->starved)
		il__report(r, "the system has no descriptor or no memory for another one; ");
	il__report(r, "a connect");
	for (int i = 0; i < l->count; i++) {
		il__report(r, "%s", i ? ", " : " to ");
		il__fd_tell(r, l->sockets[i].fd, IL_READABLE);
	}
}

static void listener_tell_wait(struct il__report *r, const il_task *task)
{
	il__listener_tell(r, task->waiter.arg);
}

static const struct il__wait accept_wait = {"il_listener_accept", listener_tell_wait};

/* Parks until a socket is ready, or until it is time for another try. */
static int listener_park(il_listener *l, struct il__accepting *a)
{
	il_time until = a->retry;
	int rc = 0;

	if (a->parked && il__task_cancelled(a->task)) /* since it was woken */
		return -ECANCELED;
	a->retry = IL_FOREVER;
	for (int i = 0; until == IL_FOREVER && rc == 0 && i < l->count; i++) {
		struct il__listening *s = &l->sockets[i];
		s->wait = (struct il__fd_wait){.task = a->task, .fd = s->fd, .asked = IL_READABLE};
		rc = il__fd_begin(&s->wait);
	}
	if (rc == 0) {
		a->parked = true;
		rc = il__task_park_until(a->task, listener_give_up, l, &accept_wait, until);
	}
	if (a->gone)
		return listener_refuse_gone();
	end_waits(l);
	for (int i = 0; i < l->count; i++)
		l->sockets[i].fd->woken = 0;
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* A connection that died before it was accepted, or one that a firewall forbids (accept(2)). */
static bool listener_ignorable(int rc)
{
	switch (rc) {
	case -ECONNABORTED:
	case -EPERM:
	case -EPROTO:
	case -ENOPROTOOPT:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -EOPNOTSUPP:
	case -ECONNRESET:
	case -ETIMEDOUT:
#ifdef ENONET
	case -ENONET:
#endif
		return true;
	default:
		return false;
	}
}

static bool out_of_room(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

/* One try on one socket: 0 with a stream, -EAGAIN: nobody is there. */
static int accept_from(il_listener *l, struct il__listening *s, il_stream **stream)
{
	int rc = l->network->accept(s->fd, stream);

	if (rc == -EAGAIN)
		s->fd->ready = 0;
	return rc;
}

/* One try on every socket that may have somebody. */
static int accept_any(il_listener *l, il_stream **stream)
{
	for (int i = 0; i < l->count; i++) {
		struct il__listening *s = &l->sockets[(l->next + i) % l->count];
		int rc = s->fd->ready & IL_READABLE ? accept_from(l, s, stream) : -EAGAIN;
		if (rc != -EAGAIN) {
			l->next = (l->next + i + 1) % l->count;
			return rc;
		}
	}
	return -EAGAIN;
}

/* 0: go on; otherwise the error that ends the call. */
static int after_error(il_listener *l, struct il__accepting *a, int rc)
{
	if (rc == -EAGAIN) {
		l->starved &= a->starved;
		return 0;
	}
	if (listener_ignorable(rc)) {
		a->retry = INT64_MIN; /* lets others run */
		return 0;
	}
	if (!out_of_room(rc))
		return il__refuse(rc, "il_listener_accept: %s", il__system_words(rc));
	if (!l->starved)
		il__log(IL_LOG_WARNING, "il_listener_accept: %s; trying again each 0.1 s",
			il__lack_words(rc));
	l->starved = a->starved = true;
	a->retry = il__deadline_from(il__loop_now(l->loop), RETRY_DELAY);
	return 0;
}

/* Without memory even for a timer, the next try is when others have run. */
static int wait_on(il_listener *l, struct il__accepting *a)
{
	int rc = listener_park(l, a);

	if (!out_of_room(rc))
		return rc;
	il__task_yield(a->task);
	a->parked = true;
	return a->gone ? listener_refuse_gone() : 0;
}

static int accept_one(il_listener *l, struct il__accepting *a, il_stream **stream)
{
	for (;;) {
		int rc = accept_any(l, stream);

		if (rc == 0)
			return 0;
		rc = after_error(l, a, rc);
		if (rc == 0)
			rc = wait_on(l, a);
		if (rc < 0)
			return rc;
	}
}

int il_listener_accept(il_listener *listener, il_stream **stream)
{
	static const char function[] = "il_listener_accept";
	struct il__accepting a = {.retry = IL_FOREVER};
	int rc;

	if (!listener || !stream)
		return il__refuse(-EINVAL, "%s: the listener or the stream is NULL", function);
	a.task = il__task_current(function, &rc);
	if (!a.task)
		return rc;
	a.waiter = &a.task->waiter;
	if (!listener->count)
		return il__refuse(-EBADF, "%s: the listener is closed", function);
	if (listener->loop != a.task->loop)
		return il__refuse(-EPERM, "%s: the listener belongs to another loop", function);
	if (listener->accepting)
		return il__refuse(-EBUSY, "%s: another task is accepting; one at a time", function);
	rc = il__task_check(a.task);
	if (rc < 0)
		return rc;
	listener->accepting = &a;
	rc = accept_one(listener, &a, stream);
	if (!a.gone)
		listener->accepting = NULL;
	if (!a.parked)
		il__task_yield(a.task);
	return rc;
}
