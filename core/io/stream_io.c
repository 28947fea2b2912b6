/*
 * stream_io.c: receiving. The system call comes first and the task parks when it would block; but a direction that is
 * known to be drained (a short transfer, -EAGAIN) parks at once, for the registration is level-triggered: a request
 * costs one recv and one send. Sockets go straight through; what is none (pipes, terminals, transports) leaves at
 * the first branch. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "stream.h"
#include "transport.h"

#include <limits.h>

int il__stream_receive_once(il_stream *s, void *data, size_t max)
{
	switch ((enum il__stream_kind)s->kind) {
	case IL__STREAM_TRANSPORT:
		return il__transport_receive(s, data, max);
	case IL__STREAM_FILE:
		return (int)il__os_read(s->number, data, max);
	default:
		return (int)il__os_receive(s->number, data, max);
	}
}

/* A transport is drained when it says so. */
static __attribute__((noinline)) int op_receive_other(il_stream *s, struct il__op *op, void *data,
						      size_t max)
{
	for (;;) {
		int n, rc = il__op_wait_fair(s, op);

		if (rc < 0)
			return rc;
		n = il__stream_receive_once(s, data, max);
		if (op->gone)
			return il__op_gone(op);
		if (n == -EAGAIN) {
			il__stream_drained(s, IL_READABLE);
			continue;
		}
		if (n > 0 && (size_t)n < max && s->kind == IL__STREAM_FILE)
			il__stream_drained(s, IL_READABLE);
		op->moved += n > 0 ? (size_t)n : 0;
		return n < 0 ? il__op_failed(op, n) : n;
	}
}

int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max)
{
	if (il__unlikely(s->kind >= IL__STREAM_FILE))
		return op_receive_other(s, op, data, max);
	for (;;) {
		ssize_t n;
		int rc = il__op_wait(s, op);

		if (rc < 0)
			return rc;
		n = il__os_receive(s->number, data, max);
		if (n != -EAGAIN) {
			if (n > 0 && (size_t)n < max)
				il__stream_drained(s, IL_READABLE);
			return n < 0 ? il__op_failed(op, (int)n) : (int)n;
		}
		il__stream_drained(s, IL_READABLE);
	}
}

int il__stream_read(il_stream *s, void *data, size_t max, il_time deadline, const char *function)
{
	struct il__op op;
	int rc;

	if (!il__is_room(data, max))
		return il__refuse(-EINVAL, "%s: there must be room for at least one byte",
				  function);
	if (max > INT_MAX)
		max = INT_MAX;
	rc = il__op_begin(s, &op, IL_READABLE, deadline, function);
	if (rc < 0)
		return rc;
	rc = il__stream_has_kept(s) ? il__stream_take_kept(s, data, max, NULL, NULL)
				    : il__op_receive(s, &op, data, max);
	return il__op_end(s, &op, rc);
}

int il_stream_read(il_stream *stream, void *data, size_t max)
{
	return il__stream_read(stream, data, max, IL_FOREVER, "il_stream_read");
}
