/*
 * process_io.c: the frames of one busy worker, without ever waiting, and no more of them in one visit than
 * leaves the loop its other work. Its pump's thread alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "process_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)0)
#endif

enum { VISIT_MAX = 1 << 20 }; /* bytes each way */

/* ---- what goes out ---- */

static void begin_frame(struct il__process_worker *w, uint32_t type, const void *arg, size_t size)
{
	w->out = (struct il__wire_header){.version = IL__WIRE_VERSION,
					  .type = type,
					  .id = ++w->ids,
					  .offset = w->function->offset,
					  .build = w->function->build,
					  .path = strlen(w->function->path),
					  .size = size};
	w->arg = arg;
	(void)VALGRIND_MAKE_MEM_DEFINED(arg, size); /* what lies between the fields goes too */
	w->sent = w->got = 0;
	w->stalled = false;
}

/* The next thing to ask of it. 0, or why the call cannot be run. */
static int begin(struct il__process_worker *w)
{
	struct il__process_pool *pool = w->pool;
	int rc;

	if (!w->initialized) {
		w->function = &pool->initializer;
		begin_frame(w, IL__WIRE_INIT, pool->initializer_arg,
			    pool->options.initializer_size);
		return 0;
	}
	rc = il__wire_name(w->call->fn, &w->name);
	if (rc < 0)
		return rc;
	w->function = &w->name;
	begin_frame(w, IL__WIRE_CALL, w->call->arg, w->call->arg ? w->call->size : 0);
	return 0;
}

/* 1: all is sent. 0: not yet. */
static int send_frame(struct il__process_worker *w)
{
	const struct iovec parts[3] = {{&w->out, sizeof w->out},
				       {(void *)(uintptr_t)w->function->path, w->out.path},
				       {(void *)(uintptr_t)w->arg, w->out.size}};
	size_t all = sizeof w->out + w->out.path + w->out.size, start = w->sent;

	while (w->sent < all && w->sent - start < VISIT_MAX) {
		struct iovec rest[3];
		struct msghdr message = {.msg_iov = rest};
		size_t skip = w->sent;
		ssize_t n;
		for (int i = 0; i < 3; i++) {
			size_t gone = skip < parts[i].iov_len ? skip : parts[i].iov_len;
			skip -= gone;
			if (gone == parts[i].iov_len) /* or it is empty, and its base NULL */
				continue;
			rest[message.msg_iovlen].iov_base = (char *)parts[i].iov_base + gone;
			rest[message.msg_iovlen++].iov_len = parts[i].iov_len - gone;
		}
		n = il__os_sendmsg(w->child.stream, &message);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		w->sent += (size_t)n;
	}
	return w->sent == all;
}

/* ---- what comes back ---- */

/* Whether that is the answer to what went out. */
static bool is_ours(const struct il__process_worker *w)
{
	size_t size = w->out.type == IL__WIRE_INIT ? 0 : w->out.size;

	return w->in.version == IL__WIRE_VERSION && w->in.id == w->out.id && w->in.size == size &&
	       (w->in.type == IL__WIRE_REPLY || w->in.type == IL__WIRE_UNKNOWN);
}

/* 1: all is there. 0: not yet. -EPIPE, -ECONNRESET: it died, the second before it read all of ours. */
static int receive_frame(struct il__process_worker *w)
{
	size_t start = w->got;

	while (w->got - start < VISIT_MAX) {
		bool header = w->got < sizeof w->in;
		char *place = header ? (char *)&w->in + w->got
				     : (char *)w->call->arg + (w->got - sizeof w->in);
		size_t wanted = sizeof w->in + (header ? 0 : w->in.size) - w->got;
		ssize_t n = il__os_receive(w->child.stream, place, wanted);
		if (n <= 0)
			return n == -EAGAIN ? 0 : n < 0 ? (int)n : -EPIPE;
		w->got += (size_t)n;
		if (header && w->got == sizeof w->in && !is_ours(w))
			return -EPIPE; /* not a worker of ours any more */
		if (w->got >= sizeof w->in && w->got == sizeof w->in + w->in.size)
			return 1;
	}
	return 0;
}

/* ---- a visit ---- */

/* One frame out and one back. 1: done, 0: not yet, negative: it died. */
static int exchange(struct il__process_worker *w)
{
	int sent = send_frame(w), got;

	/* It may have died with its reply on the way: what there is counts. */
	got = receive_frame(w);
	if (got < 0)
		w->unread = !w->stalled && (got == -ECONNRESET || (sent < 0 && w->sent == 0));
	w->stalled |= sent == 0;
	w->wants = sent == 0 ? IL_READABLE | IL_WRITABLE : IL_READABLE;
	return got;
}

static enum il__outcome refuse(struct il__process_worker *w, int rc)
{
	w->rc = rc;
	return IL__REFUSED;
}

static enum il__outcome talk(struct il__process_worker *w)
{
	int rc;

	if (!w->begun) {
		if (!w->call->claimed && !w->call->ops->claim(w->call))
			return refuse(w, -ECANCELED);
		w->call->claimed = true;
		if ((rc = begin(w)) < 0)
			return refuse(w, rc);
		w->begun = true;
	}
	for (;;) {
		rc = exchange(w);
		if (rc <= 0)
			return rc < 0 ? IL__DIED : IL__WAITS;
		w->rc = (int)w->in.rc;
		w->known = w->in.type == IL__WIRE_REPLY;
		if (w->initialized)
			return IL__ANSWERED;
		if (w->rc < 0)
			return IL__FAILED;
		w->initialized = true;
		if ((rc = begin(w)) < 0)
			return refuse(w, rc);
	}
}

enum il__outcome il__process_visit(struct il__process_worker *w)
{
	enum il__outcome outcome = w->ending ? IL__DIED : talk(w);

	if (outcome == IL__WAITS)
		return outcome;
	il__process_relay(w);
	if (outcome != IL__DIED)
		return outcome;
	w->ending = true;
	w->wants = 0;
	il__process_kill(&w->child); /* what has left the stream is of no use */
	return il__process_reap(w, w->child.process < 0) ? IL__DIED : IL__WAITS;
}
