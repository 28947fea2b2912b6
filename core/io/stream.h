/*
 * stream.h: streams: one receiving and one sending call at a time over an owned descriptor. Loop's thread only.
 */
#ifndef IL_CORE_IO_STREAM_H
#define IL_CORE_IO_STREAM_H

#include "../base/error.h"
#include "../base/os.h"
#include "fd.h"

#include <interloop/layer.h>
#include <interloop/stream.h>

/* From the third on it is no socket. */
enum il__stream_kind { IL__STREAM_INET, IL__STREAM_UNIX, IL__STREAM_FILE, IL__STREAM_TRANSPORT };

/* One receiving or sending call, on its task's stack: the stream may be closed and freed under it. */
struct il__op {
	struct il__fd_wait wait;
	const char *function;
	il_time deadline;
	unsigned direction;
	size_t moved; /* bytes of a transport's, since it let others run */
	bool gone;    /* closed meanwhile: touch the stream no more */
	bool parked;  /* it has let others run */
	bool begun;   /* sending: some bytes are gone */
	bool more;    /* sending: others follow, so this is not the end of the write */
	bool lack;    /* receiving ahead: descriptors found no room */
};

struct il_stream {
	il_loop *loop;
	struct il__fd *fd;           /* a transport's: its directions */
	int number;                  /* -1: closed; a transport's: above all descriptors */
	unsigned char kind;          /* enum il__stream_kind */
	bool shut;                   /* for writing */
	bool restore;                /* O_NONBLOCK was not there, and is to be taken back */
	bool shared;                 /* of a description that is not its own */
	bool inheritable;            /* close-on-exec was not set, and is to be taken back */
	struct il__op *op[2];        /* the reader's and the writer's */
	unsigned char selected;      /* directions that a select waits for */
	size_t kept_begin, kept_end; /* of received bytes in kept that no call took yet */
	char *kept;
	size_t kept_capacity;
	struct il__kept_fds *kept_fds; /* what came with kept bytes of a Unix stream */
	struct il__fd_owner owner;
	il_address peer;       /* length 0: ask the system */
	struct il__fd *beside; /* the standard descriptor that was adopted; NULL: `number` was */
	struct il__layer_ref *layers; /* through which it came, the last one first */
};

struct il__layer_ref {
	struct il__layer_ref *next;
	struct il_layer layer;
};

/* Takes fd over (non-blocking and close-on-exec already); on failure it is closed. */
int il__stream_create(il_stream **stream, il_loop *loop, int fd, enum il__stream_kind kind,
		      const il_address *peer);

/* What is left of a closed stream. */
void il__stream_free(il_stream *s);

/* adopt.c: makes an adopted descriptor ready to be read and written; after a failure it is as before. */
int il__stream_prepare(il_stream *s);
/* Closes its descriptor, or the copy in a forked child, where nothing that the parent shares may be touched. */
void il__stream_let_go(il_stream *s, int number, bool inherited);

/* The checks in common, with words. */
int il__op_check(const il_stream *s, unsigned direction, const char *function);
/* Begins a call: the direction is this op's then. */
static inline int il__op_begin(il_stream *s, struct il__op *op, unsigned direction,
			       il_time deadline, const char *function)
{
	il_loop *loop = il__self.loop;
	int rc = 0;

	if (il__unlikely(!s || !loop || !loop->current || il__self.no_wait || s->number < 0 ||
			 s->loop != loop || s->op[il__fd_direction(direction)] ||
			 s->fd->shared & direction))
		rc = il__op_check(s, direction, function);
	if (rc == 0)
		rc = il__task_check(loop->current);
	if (il__unlikely(rc < 0))
		return rc;
	*op = (struct il__op){
	    .wait = {.task = loop->current, .fd = s->fd, .asked = direction},
	    .function = function,
	    .deadline = deadline,
	    .direction = direction,
	};
	s->op[il__fd_direction(direction)] = op;
	return 0;
}
/* Ends it and gives rc back; an immediate success yields. The stream may be gone afterwards. */
static inline int il__op_end(il_stream *s, struct il__op *op, int rc)
{
	if (il__likely(!op->gone))
		s->op[il__fd_direction(op->direction)] = NULL;
	if (!op->parked)
		il__task_yield(op->wait.task);
	return rc;
}
/* Whether rc, of an operation just now, has words of the stream's own transport. */
static inline bool il__stream_has_words(const il_stream *s, int rc)
{
	return s->kind == IL__STREAM_TRANSPORT && il__has_refused(rc);
}
/* It was refused: rc, with words. */
int il__op_failed(const struct il__op *op, int rc);
/* Somebody has closed the stream meanwhile: -EBADF, with words. */
int il__op_gone(const struct il__op *op);
/* Between two tries. 0: try now. After a failure the stream may be gone (op->gone). */
int il__op_wait_long(il_stream *s, struct il__op *op);
static inline int il__op_wait(il_stream *s, struct il__op *op)
{
	return il__likely(s->fd->ready & op->direction) ? 0 : il__op_wait_long(s, op);
}
/* Likewise, of what is not drained by a try: who has moved much lets others run before, and looks whether it is
 * cancelled or late. */
int il__op_wait_fair(il_stream *s, struct il__op *op);
/* Receives 1 to max bytes from the system: bytes, 0 at the end, or the error. */
int il__op_receive(il_stream *s, struct il__op *op, void *data, size_t max);
/* Likewise, of bytes that may be kept: `first` of them are in front. Keeps descriptors that come with them; those
 * that found no room set op->lack, which is the result once the bytes are kept. */
int il__op_receive_ahead(il_stream *s, struct il__op *op, void *data, size_t max, size_t first);
/* Sends all of the pieces; a transport's hold nothing back then, unless there are more. */
int il__op_send(il_stream *s, struct il__op *op, const struct iovec *pieces, int count);

/* One try, without a wait: bytes (0: the end), -EAGAIN, or the error, of which only a transport's has words. What
 * is sent has up to INT_MAX bytes of the first 16 pieces, 0 pieces flush a transport; *whole: all that was offered was
 * taken. A transport may be gone afterwards. */
int il__stream_receive_once(il_stream *s, void *data, size_t max);
int il__stream_send_once(il_stream *s, const struct iovec *pieces, int count, bool *whole);
/* Takes kept bytes, and up to *count descriptors that came with them; fds and count may be NULL. */
int il__stream_take_kept(il_stream *s, void *data, size_t max, int *fds, int *count);
/* These directions are a select's: what comes is for it, and not for a call that does not wait. */
static inline void il__stream_select(il_stream *s, unsigned directions)
{
	s->selected |= (unsigned char)directions;
}
static inline void il__stream_unselect(il_stream *s, unsigned directions)
{
	s->selected &= (unsigned char)~directions;
}
/* A try has told that the direction has to be waited for. */
static inline void il__stream_drained(il_stream *s, unsigned direction)
{
	s->fd->ready &= (unsigned char)~direction;
}
static inline bool il__stream_has_kept(const il_stream *s)
{
	return s->kept_end > s->kept_begin;
}

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
int il__stream_write_all(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
			 const char *function);
/* 0, or -EINVAL: pieces that cannot be read. */
int il__stream_check_pieces(const struct iovec *pieces, int count, const char *function);
/* In a task: until a transport holds nothing back; others hold nothing. -ETIMEDOUT at the deadline. */
int il__stream_flush(il_stream *s, il_time deadline, const char *function);
/* Whether there may be something to read, as far as is known; and that from now on it is not known. */
bool il__stream_may_have_more(const il_stream *s);
void il__stream_expect_nothing(il_stream *s);
static inline bool il__stream_is_closed(const il_stream *s)
{
	return s->number < 0;
}
/* Where whoever waits for it does; NULL: it is closed. */
static inline const struct il__fd *il__stream_place(const il_stream *s)
{
	return il__stream_is_closed(s) ? NULL : s->fd;
}
/* Whether to ask it, or to wait for it, calls functions of the user's (stream_ready.c). */
bool il__stream_calls_out(const il_stream *s);
/* Whether a task receives from it, or a select watches it for that. */
static inline bool il__stream_is_read(const il_stream *s)
{
	return s->op[0] || il__fd_asked(s->fd) & IL_READABLE;
}
static inline bool il__stream_is_shut(const il_stream *s) /* for writing */
{
	return s->shut;
}
/* Until there may be something to read. 0; the same errors. */
int il__stream_wait(il_stream *s, il_time deadline, const char *function);
/*
 * For who waits for several things at once (il_select). Which of mask a call would not have to wait for, errors and the
 * end included; negative: it cannot be known, or the stream was closed (and a transport may be gone). Nothing is
 * taken: what a transport had to be asked for is kept. Whether another task uses that direction (s->op) is for the
 * caller to look at. Then, if nothing is ready, watch in the same breath: `share` (asked and fire filled in) fires once
 * when it is worth asking again; il__stream_watch returns 1 when that is now. A closed stream fires, too. What has
 * not fired is unwatched, in a task and not while it is being cancelled: transports learn that nobody waits.
 */
int il__stream_is_ready(il_stream *s, unsigned mask, const char *function);
/* Which directions somebody waits for; what a transport still has to send by itself is nobody. */
unsigned il__stream_asked(const il_stream *s);
int il__stream_watch(il_stream *s, struct il__fd_share *share);
void il__stream_unwatch(struct il__fd_share *share);

/* 0 if it is open and this its loop's thread, else with words. */
int il__stream_check(const il_stream *s, const char *function);
/* Takes and drops what has come, before a close that would otherwise be a reset; also while a task reads. */
void il__stream_drop_received(il_stream *s);
/* setsockopt of the socket at the bottom; -ENOTSUP: there is none. */
int il__stream_set_option(const il_stream *s, int level, int name, const void *value, size_t size);

/* 0: it is open, of the calling thread's loop, and nobody reads or writes. */
int il__stream_check_free(const il_stream *s, const char *function);

/* Closes without a look at the thread. */
void il__stream_shut(il_stream *s);

#endif
