/*
 * stream.h: streams: one receiving and one sending call at a time over an owned descriptor. Loop's thread only.
 */
#ifndef IL_CORE_IO_STREAM_H
#define IL_CORE_IO_STREAM_H

#include "fd.h"

#include <interloop/stream.h>

enum il__stream_kind { IL__STREAM_INET, IL__STREAM_UNIX, IL__STREAM_FILE };

/* One receiving or sending call, on its task's stack: the stream may be closed and freed under it. */
struct il__op {
	struct il__fd_wait wait;
	const char *function;
	il_time deadline;
	unsigned direction;
	bool gone;   /* closed meanwhile: touch the stream no more */
	bool parked; /* it has let others run */
	bool begun;  /* sending: some bytes are gone */
};

struct il_stream {
	il_loop *loop;
	struct il__fd *fd;
	int number;                  /* -1: closed */
	unsigned char kind;          /* enum il__stream_kind */
	bool shut;                   /* for writing */
	struct il__op *op[2];        /* the reader's and the writer's */
	size_t kept_begin, kept_end; /* of received bytes in kept that no call took yet */
	char *kept;
	size_t kept_capacity;
	struct il__fd_owner owner;
	il_address peer; /* length 0: ask the system */
};

/* Takes fd over (non-blocking and close-on-exec already); on failure it is closed. */
int il__stream_create(il_stream **stream, il_loop *loop, int fd, enum il__stream_kind kind,
		      const il_address *peer);

/* Begins a call: the checks in common, then the direction is this op's. */
int il__op_begin(il_stream *s, struct il__op *op, unsigned direction, il_time deadline,
		 const char *function);
/* Ends it and gives rc back; an immediate success yields. The stream may be gone afterwards. */
int il__op_end(il_stream *s, struct il__op *op, int rc);
/* Between two system calls. 0: try now. After a failure the stream may be gone (op->gone). */
int il__op_wait(il_stream *s, struct il__op *op);
/* Receives 1 to max bytes from the system: bytes, 0 at the end, or the error. */
int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max);
int il__op_take_kept(il_stream *s, void *data, size_t max);
/* Sends all of the pieces. */
int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count);

/* il_stream_read and il_stream_writev_all up to a deadline: -ETIMEDOUT. One that passed already
 * still takes what is there at once. */
int il__stream_read(il_stream *s, void *data, size_t max, il_time deadline, const char *function);
/* Until there may be something to read. 0; the same errors. */
int il__stream_wait(il_stream *s, il_time deadline, const char *function);
int il__stream_write(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
		     const char *function);

/* Closes without a look at the thread. */
void il__stream_shut(il_stream *s);

#endif
