/*
 * stream.h: streams: one receiving and one sending call at a time over an owned descriptor. Loop's thread only.
 */
#ifndef IL_CORE_IO_STREAM_H
#define IL_CORE_IO_STREAM_H

#include "../base/os.h"
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
	bool lack;   /* receiving ahead: descriptors found no room */
};

struct il_stream {
	il_loop *loop;
	struct il__fd *fd;
	int number;                  /* -1: closed */
	unsigned char kind;          /* enum il__stream_kind */
	bool shut;                   /* for writing */
	bool restore;                /* O_NONBLOCK was not there, and is to be taken back */
	struct il__op *op[2];        /* the reader's and the writer's */
	size_t kept_begin, kept_end; /* of received bytes in kept that no call took yet */
	char *kept;
	size_t kept_capacity;
	struct il__kept_fds *kept_fds; /* what came with kept bytes of a Unix stream */
	struct il__fd_owner owner;
	il_address peer;       /* length 0: ask the system */
	struct il__fd *beside; /* the standard descriptor that was adopted; NULL: `number` was */
};

/* Takes fd over (non-blocking and close-on-exec already); on failure it is closed. */
int il__stream_create(il_stream **stream, il_loop *loop, int fd, enum il__stream_kind kind,
		      const il_address *peer);

/* adopt.c: makes an adopted descriptor ready to be read and written; after a failure it is as before. */
int il__stream_prepare(il_stream *s);
/* Closes it, or its copy in a forked child, where nothing that the parent shares may be touched. */
void il__stream_let_go(il_stream *s, bool inherited);

/* Begins a call: the checks in common, then the direction is this op's. */
int il__op_begin(il_stream *s, struct il__op *op, unsigned direction, il_time deadline,
		 const char *function);
/* Ends it and gives rc back; an immediate success yields. The stream may be gone afterwards. */
int il__op_end(il_stream *s, struct il__op *op, int rc);
/* The system refused it: rc, with words. */
int il__op_failed(const struct il__op *op, int rc);
/* Between two system calls. 0: try now. After a failure the stream may be gone (op->gone). */
int il__op_wait(il_stream *s, struct il__op *op);
/* Receives 1 to max bytes from the system: bytes, 0 at the end, or the error. */
int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max);
/* Likewise, of bytes that may be kept: `first` of them are in front. Keeps descriptors that come with them; those
 * that found no room set op->lack, which is the answer once the bytes are kept. */
int il__op_receive_ahead(il_stream *s, struct il__op *op, void *data, size_t max, size_t first);
/* Takes kept bytes, and up to *count descriptors that came with them; fds and count may be NULL. */
int il__op_take_kept(il_stream *s, void *data, size_t max, int *fds, int *count);
/* Sends all of the pieces. */
int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count);

/* Makes room for `more` bytes behind the kept ones. */
int il__stream_reserve(il_stream *s, size_t more, const char *function);
/* Puts bytes that were received in front of those to come; all that were kept are taken. */
int il__stream_keep(il_stream *s, const void *data, size_t size, const char *function);
/* -EMFILE with its words, for op->lack. */
int il__op_lacks_room(const struct il__op *op);
/* Keeps the descriptors that came with one of `size` bytes, from number `first` of the kept ones on; on
 * failure they are closed. */
int il__kept_fds_add(il_stream *s, size_t first, size_t size, const struct il__os_fds *got,
		     const char *function);
/* How many of max kept bytes may be taken at a time: not those of two lots. */
size_t il__kept_fds_bound(const il_stream *s, size_t max);
/* `size` kept bytes are taken: hands out up to `room` descriptors that came with them, closes the others. */
int il__kept_fds_take(il_stream *s, size_t size, int *fds, int room);

/* il_stream_read and il_stream_writev_all up to a deadline: -ETIMEDOUT. One that passed already
 * still takes what is there at once. */
int il__stream_read(il_stream *s, void *data, size_t max, il_time deadline, const char *function);
/* Whether there may be something to read, as far as is known; and that from now on it is not known. */
static inline bool il__stream_may_have_more(const il_stream *s)
{
	return s->fd->ready & IL_READABLE;
}
static inline void il__stream_expect_nothing(il_stream *s)
{
	s->fd->ready &= (unsigned char)~IL_READABLE;
}
static inline bool il__stream_is_closed(const il_stream *s)
{
	return s->number < 0;
}
static inline bool il__stream_is_shut(const il_stream *s) /* for writing */
{
	return s->shut;
}
/* Until there may be something to read. 0; the same errors. */
int il__stream_wait(il_stream *s, il_time deadline, const char *function);
int il__stream_write(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
		     const char *function);

/* Closes without a look at the thread. */
void il__stream_shut(il_stream *s);

#endif
