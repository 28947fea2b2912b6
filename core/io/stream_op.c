/*
 * stream_op.c: one receiving or sending call. It owns its direction from il__op_begin to il__op_end, and lies on its
 * task's stack, so that the stream may be closed and freed under it. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "fd.h"
#include "stream.h"
#include "transport.h"

unsigned il__stream_asked(const il_stream *s)
{
	return s->kind == IL__STREAM_TRANSPORT ? il__transport_asked(il__transport_of(s))
					       : il__fd_asked(s->fd);
}

int il__op_check(const il_stream *s, unsigned direction, const char *function)
{
	int rc;
	const il_task *task;

	if (!s)
		return il__refuse(-EINVAL, "%s: the stream is NULL", function);
	task = il__task_current(function, &rc);
	if (!task)
		return rc;
	if (s->number < 0)
		return il__refuse(-EBADF, "%s: the stream is closed", function);
	if (s->loop != task->loop)
		return il__refuse(-EPERM, "%s: the stream belongs to another loop", function);
	if (s->op[il__fd_direction(direction)] || il__stream_asked(s) & direction)
		return il__refuse(-EBUSY, "%s: another task is %s this stream; one at a time",
				  function,
				  direction == IL_READABLE ? "reading from" : "writing to");
	return 0;
}

int il__op_failed(const struct il__op *op, int rc)
{
	if (il__fd_is_asked(op->wait.fd) && il__has_refused(rc)) /* a transport's own words */
		return rc;
	return il__refuse(rc, "%s: %s", op->function, il__system_words(rc));
}

int il__op_gone(const struct il__op *op)
{
	return il__refuse(-EBADF, "%s: the stream was closed meanwhile", op->function);
}

/* The deadline has passed: the system is asked once, whatever is known of the direction. */
static int last_try(il_stream *s, struct il__op *op)
{
	if (op->deadline == INT64_MIN)
		return il__refuse(-ETIMEDOUT, "%s: the time is up", op->function);
	op->deadline = INT64_MIN;
	s->fd->ready |= (unsigned char)op->direction;
	return 0;
}

/* Of a write that has begun the transport hears that it is cut. Else what a call that never waits had it take before was
 * no part of this one: a flush says so first. Whoever waits no more keeps the words for why. */
static void op_give_up(il_stream *s, const struct il__op *op)
{
	const struct il__refusal why = il__refusal;

	if (op->begun) {
		il__transport_cut(s);
		if (!op->gone)
			il__transport_go_on(s);
	} else {
		if (op->direction == IL_WRITABLE)
			il__transport_flush_later(s);
		if (!op->gone)
			il__transport_rest(s->fd, op->direction);
	}
	il__refusal = why;
}

/* The wait ended without the direction being ready; it may be gone afterwards. A transport that has heard that nobody
 * waits for it to send may send no more: then there is no last try. */
static __attribute__((noinline, cold)) int op_wait_failed(il_stream *s, struct il__op *op, int rc)
{
	if (s->kind == IL__STREAM_TRANSPORT) {
		s->fd->ready |= (unsigned char)op->direction; /* the next call tries first */
		op_give_up(s, op);
		if (op->gone)
			return il__op_gone(op);
		if (op->direction == IL_WRITABLE && rc == -ETIMEDOUT)
			op->deadline = INT64_MIN;
	}
	return rc == -ETIMEDOUT ? last_try(s, op) : rc;
}

static bool op_is_late(const il_stream *s, const struct il__op *op)
{
	return op->deadline != IL_FOREVER && op->deadline <= il__loop_now(s->loop);
}

/* Where a stream keeps up nothing is waited for: this is the call's cancellation point then. */
int il__op_wait_fair(il_stream *s, struct il__op *op)
{
	enum { MUCH = 256 << 10 };

	if (op->moved < MUCH)
		return il__op_wait(s, op);
	op->moved = 0;
	op->parked = true;
	il__task_yield(op->wait.task);
	if (op->gone)
		return il__op_gone(op);
	if (il__task_cancelled(op->wait.task))
		return op_wait_failed(s, op, -ECANCELED);
	return op_is_late(s, op) ? op_wait_failed(s, op, -ETIMEDOUT) : il__op_wait(s, op);
}

int il__op_wait_long(il_stream *s, struct il__op *op)
{
	int rc;

	if (op_is_late(s, op))
		return last_try(s, op);
	if (op->parked && il__task_cancelled(op->wait.task)) /* since it was woken */
		return op_wait_failed(s, op, -ECANCELED);
	rc = il__fd_wait(&op->wait, op->deadline, op->function);
	op->parked = true;
	if (op->gone)
		return il__op_gone(op);
	return il__unlikely(rc) ? op_wait_failed(s, op, rc) : 0;
}
