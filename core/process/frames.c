/*
 * frames.c: the frames of one busy worker, without ever waiting, and no more of them in one visit than
 * leaves the loop its other work. Its pump's thread alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/os.h"
#include "../base/trace.h"
#include "../executor/call.h"
#include "pool.h"
#include "wire.h"

#include <interloop/shared.h>

#include <stdio.h>
#include <sys/uio.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)0)
#endif

enum {
	VISIT_MAX = 1 << 20, /* bytes each way */
	LACKS_MAX = 50       /* looks at what the system lacks, 10 ms apart */
};

/* ---- what goes out ---- */

static void begin_frame(struct il__process_worker *w, uint32_t type, const void *payload,
			size_t size)
{
	w->out = (struct il__wire_header){.version = IL__WIRE_VERSION,
					  .words = sizeof w->why - 1,
					  .type = type,
					  .path = (uint32_t)strlen(w->function->path),
					  .name = (uint32_t)strlen(w->function->name),
					  .size = size,
					  .id = ++w->ids,
					  .offset = w->function->offset,
					  .build = w->function->build,
					  .limit = w->pool->options.max_size};
	w->payload = payload;
	(void)VALGRIND_MAKE_MEM_DEFINED(payload, size); /* what lies between the fields goes too */
	w->sent = w->got = 0;
	w->stalled = false;
	w->why[0] = 0;
}

static void begin_call(struct il__process_worker *w)
{
	const il_call *call = w->call;
	const il_bytes *bytes = call->arg;
	const il_shared *shared = call->arg;

	if (call->form == IL_CALL_BYTES)
		begin_frame(w, IL__WIRE_CALL, bytes->in, bytes->in_size);
	else if (call->form == IL_CALL_SHARED)
		begin_frame(w, IL__WIRE_CALL, shared->args, sizeof shared->args);
	else
		begin_frame(w, IL__WIRE_CALL, call->arg, call->arg ? call->size : 0);
	w->out.form = call->form;
	w->out.rc = w->at_once || w->shares;
	w->out.memory = call->form == IL_CALL_SHARED ? shared->size : 0;
	if (il__unlikely(call->traced)) {
		w->traced_since = il__trace_now();
		il__trace_point(call->traced, IL__TRACE_RUN, w->child.pid);
	}
}

/* It has replied, or died. */
static void trace_end(struct il__process_worker *w)
{
	if (w->call) {
		il__trace_point(w->call->traced, IL__TRACE_DONE, w->child.pid);
		il__trace_span(w->traced_since, "call", w->call->fn, w->child.pid);
	}
	w->traced_since = 0;
}

/* From here on the call is not taken back. False: it was, or nobody wants it any more. */
static bool frames_commit(struct il__process_worker *w)
{
	struct il__process_pool *pool = w->pool;
	il_call *call;

	pthread_mutex_lock(&pool->lock);
	call = w->call;
	if (call && !call->claimed)
		call->claimed = call->ops->claim(call);
	w->committed = call && call->claimed;
	w->shares = pool->busy > 1;
	pthread_mutex_unlock(&pool->lock);
	return w->committed;
}

/* The next thing to ask of it: the initializer, or the call, which is claimed not before it can begin. 0, or
 * why the call cannot be run. */
static int frames_begin(struct il__process_worker *w)
{
	struct il__process_pool *pool = w->pool;
	int rc;

	if (!w->initialized) {
		w->function = &pool->initializer;
		begin_frame(w, IL__WIRE_INIT, pool->initializer_arg,
			    pool->options.initializer_size);
		return 0;
	}
	if (!frames_commit(w))
		return -ECANCELED;
	rc = il__wire_name(w->call->fn, &w->name);
	if (rc < 0)
		return rc;
	w->function = &w->name;
	begin_call(w);
	return 0;
}

/* Of the parts what has not been sent yet. */
static size_t rest_of(const struct iovec *parts, size_t count, size_t skip, struct iovec *rest)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		size_t gone = skip < parts[i].iov_len ? skip : parts[i].iov_len;
		skip -= gone;
		if (gone == parts[i].iov_len) /* or it is empty, and its base NULL */
			continue;
		rest[left].iov_base = (char *)parts[i].iov_base + gone;
		rest[left++].iov_len = parts[i].iov_len - gone;
	}
	return left;
}

union descriptor {
	struct cmsghdr aligned;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void frames_attach(struct msghdr *message, union descriptor *room, int fd)
{
	struct cmsghdr *c;

	*room = (union descriptor){.bytes = {0}};
	message->msg_control = room->bytes;
	message->msg_controllen = sizeof room->bytes;
	c = CMSG_FIRSTHDR(message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

/* 1: all is sent. 0: not yet. */
static int send_frame(struct il__process_worker *w)
{
	const struct il__wire_function *f = w->function;
	const struct iovec parts[] = {{&w->out, sizeof w->out},
				      {(void *)(uintptr_t)f->path, w->out.path},
				      {(void *)(uintptr_t)f->name, w->out.name},
				      {(void *)(uintptr_t)w->payload, (size_t)w->out.size}};
	size_t all = sizeof w->out + w->out.path + w->out.name + (size_t)w->out.size;
	size_t start = w->sent;

	while (w->sent < all && w->sent - start < VISIT_MAX) {
		struct iovec rest[4];
		struct msghdr message = {.msg_iov = rest};
		union descriptor room;
		ssize_t n;
		size_t count = rest_of(parts, 4, w->sent, rest);
		message.msg_iovlen = (__typeof__(message.msg_iovlen))count; /* musl's is an int */
		if (w->sent == 0 && w->out.memory)
			frames_attach(&message, &room, ((const il_shared *)w->call->arg)->fd);
		n = il__os_sendmsg(w->child.stream, &message);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		w->sent += (size_t)n;
	}
	return w->sent == all;
}

/* ---- what comes back ---- */

/* Whether that is the reply to what went out. */
static bool frames_is_ours(const struct il__process_worker *w)
{
	const struct il__wire_header *in = &w->in, *out = &w->out;

	if (in->version != IL__WIRE_VERSION || in->id != out->id)
		return false;
	if (!w->ready || in->type == IL__WIRE_READY)
		return !w->ready && in->type == IL__WIRE_READY && in->size == 0;
	if (in->type == IL__WIRE_REFUSED)
		return in->rc < 0 && in->size < sizeof w->why;
	if (in->type != IL__WIRE_REPLY || in->words >= sizeof w->why ||
	    (in->words && in->rc >= 0) || !il__wire_fits(in->size))
		return false;
	if (out->type == IL__WIRE_INIT)
		return in->size == 0;
	return out->form == IL_CALL_BYTES ? in->size <= out->limit : in->size == out->size;
}

/* Where the reply's bytes go. NULL: nowhere, there is no memory. */
static char *frames_place(struct il__process_worker *w)
{
	il_call *call = w->call;

	if (w->in.type == IL__WIRE_REFUSED)
		return w->why;
	if (call->form == IL_CALL_BYTES)
		return il_bytes_resize(call->arg, (size_t)w->in.size);
	return call->form == IL_CALL_SHARED ? (char *)((il_shared *)call->arg)->args : call->arg;
}

static ssize_t receive_header(struct il__process_worker *w)
{
	ssize_t n = il__os_receive(w->child.stream, (char *)&w->in + w->got, sizeof w->in - w->got);

	if (n <= 0)
		return n;
	w->got += (size_t)n;
	if (w->got < sizeof w->in)
		return n;
	if (!frames_is_ours(w))
		return -EPIPE; /* not a worker of ours any more */
	w->reply = w->in.size ? frames_place(w) : NULL;
	return n;
}

static size_t words_of(const struct il__process_worker *w)
{
	return w->in.type == IL__WIRE_REPLY ? w->in.words : 0;
}

static ssize_t receive_reply(struct il__process_worker *w)
{
	size_t at = w->got - sizeof w->in, words = words_of(w);
	size_t left = (at < words ? words : words + (size_t)w->in.size) - at;
	char scrap[4096];
	ssize_t n;

	if (at < words)
		n = il__os_receive(w->child.stream, w->why + at, left);
	else if (w->reply)
		n = il__os_receive(w->child.stream, w->reply + (at - words), left);
	else /* so that the next reply comes after it */
		n = il__os_receive(w->child.stream, scrap,
				   left < sizeof scrap ? left : sizeof scrap);
	if (n > 0)
		w->got += (size_t)n;
	return n;
}

/* 1: all is there. 0: not yet. -EPIPE, -ECONNRESET: it died, the second before it read all of ours. */
static int receive_frame(struct il__process_worker *w)
{
	size_t start = w->got;

	while (w->got - start < VISIT_MAX) {
		ssize_t n = w->got < sizeof w->in ? receive_header(w) : receive_reply(w);
		if (n <= 0)
			return n == -EAGAIN ? 0 : n < 0 ? (int)n : -EPIPE;
		if (w->got >= sizeof w->in &&
		    w->got == sizeof w->in + words_of(w) + (size_t)w->in.size)
			return 1;
	}
	return 0;
}

/* ---- a visit ---- */

/* One frame out and one back. 1: done, 0: not yet. -EPIPE, -ECONNRESET: it died. Else: the system does not
 * take what goes out, or give what comes back. */
static int frames_exchange(struct il__process_worker *w)
{
	int sent = send_frame(w), got;

	/* It may have died with its reply on the way: what there is counts. */
	got = receive_frame(w);
	if (got < 0) /* who has begun to reply has run it */
		w->unread =
		    !w->stalled && !w->got && (got == -ECONNRESET || (sent < 0 && w->sent == 0));
	else if (got > 0 && sent <= 0)
		got = -EPIPE; /* it replies to what it has not read */
	w->stalled |= sent == 0;
	w->wants = sent == 0 ? IL_READABLE | IL_WRITABLE : IL_READABLE;
	return sent < 0 && got == 0 ? sent : got;
}

static enum il__outcome frames_refuse(struct il__process_worker *w, int rc, const char *why)
{
	w->rc = rc;
	w->why[0] = 0;
	if (why)
		snprintf(w->why, sizeof w->why, "process pool %s: %s: %s", w->pool->name, why,
			 il_strerror(rc));
	return IL__REFUSED;
}

enum il__outcome il__process_refuse(struct il__process_worker *w, int rc)
{
	return frames_refuse(w, rc, "the loop could not watch the worker");
}

/* As frames_exchange: its greeting, to nothing that went out. */
static int await_greeting(struct il__process_worker *w)
{
	w->wants = IL_READABLE;
	return receive_frame(w);
}

static void take_calls(struct il__process_worker *w)
{
	w->initialized = true;
	w->due = IL_FOREVER;
}

/* A frame has come. IL__WAITS: and the next is to go out. */
static enum il__outcome take_reply(struct il__process_worker *w)
{
	bool called = w->initialized;

	if (!w->ready) {
		w->ready = true;
		if (!w->pool->options.initializer)
			take_calls(w);
		return IL__WAITS;
	}
	w->begun = false;
	w->rc = (int)w->in.rc;
	w->known = w->in.type == IL__WIRE_REPLY;
	w->why[w->known ? w->in.words : w->in.size] = 0;
	if (called && w->in.size && !w->reply)
		return frames_refuse(w, -ENOMEM, "the result has no room here");
	if (called)
		return IL__REPLIED;
	if (w->rc < 0)
		return IL__FAILED;
	take_calls(w);
	return IL__WAITS;
}

/* Its call was taken back: it goes on getting ready when it has another. */
static bool was_left(struct il__process_worker *w)
{
	bool left;

	if (w->committed)
		return false;
	pthread_mutex_lock(&w->pool->lock);
	left = !w->call;
	pthread_mutex_unlock(&w->pool->lock);
	return left;
}

/* The system did not send, or receive, for a reason that is not the worker's. It may pass; a call of which
 * nothing has gone need not wait for that. */
static enum il__outcome meet_lack(struct il__process_worker *w, int rc)
{
	bool lacks = rc == -ENOMEM || rc == -ENOBUFS, gone = w->sent > 0 || !w->begun;

	w->wants = 0;
	if (lacks && gone && ++w->lacks < LACKS_MAX)
		return IL__WAITS;
	w->lacks = 0;
	w->spoilt = w->begun && w->sent > 0;
	w->begun = w->spoilt;
	return frames_refuse(w, lacks ? -ENOMEM : rc,
			     "the call could not be sent, or its result received");
}

static enum il__outcome frames_talk(struct il__process_worker *w)
{
	enum il__outcome outcome;

	if (was_left(w))
		return frames_refuse(w, -ECANCELED, NULL);
	do {
		bool begins = w->ready && !w->begun;
		int rc = begins ? frames_begin(w) : 0;
		if (rc < 0) {
			frames_refuse(w, rc, NULL);
			if (rc != -ECANCELED)
				snprintf(w->why, sizeof w->why, "%s", il_error_detail());
			return IL__REFUSED;
		}
		w->begun = w->ready;
		rc = w->ready ? frames_exchange(w) : await_greeting(w);
		if (rc == -EPIPE || rc == -ECONNRESET)
			return IL__DIED;
		if (rc < 0)
			return meet_lack(w, rc);
		w->lacks = 0;
		w->at_once = begins && rc > 0;
		if (rc == 0)
			return IL__WAITS;
		outcome = take_reply(w);
	} while (outcome == IL__WAITS);
	return outcome;
}

/* It has not replied. A child of it may keep the stream open for as long as it likes. */
static bool will_not_reply(const struct il__process_worker *w)
{
	char byte;

	return w->ended && recv(w->child.stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

enum il__outcome il__process_visit(struct il__process_worker *w)
{
	enum il__outcome outcome = w->ending ? IL__DIED : frames_talk(w);

	if (outcome == IL__WAITS && ((w->late = il__process_is_due(w)) || will_not_reply(w)))
		outcome = IL__DIED;
	if (outcome == IL__WAITS)
		return outcome;
	if (il__unlikely(w->traced_since))
		trace_end(w);
	il__process_relay(w);
	if (outcome != IL__DIED)
		return outcome;
	w->ending = true;
	w->wants = 0;
	if (w->asked && !il__process_is_due(w))
		return il__process_reap(w, false) ? IL__DIED : IL__WAITS;
	il__process_kill(&w->child); /* what has left the stream is of no use */
	w->due = IL_FOREVER;         /* its end is told: until then nobody looks again */
	return il__process_reap(w, w->child.process < 0) ? IL__DIED : IL__WAITS;
}
