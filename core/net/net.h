/*
 * net.h: the floor of descriptors, streams and listeners, internally. A descriptor is found by its
 * number in one table a loop (fd.c); a direction of it has one waiter at most, which lies on the
 * waiting task's stack. Streams and listeners own their descriptors: those stay registered with the
 * native loop across waits, so that a request costs no epoll_ctl. Loop's thread only.
 */
#ifndef IL_CORE_NET_H
#define IL_CORE_NET_H

#include "../runtime/runtime.h"

#include <interloop/fd.h>
#include <interloop/stream.h>

/* ================= descriptors (fd.c) =========================================================== */

struct il__fd_wait;

struct il__fd {
	struct il__source source; /* first */
	il_loop *loop;
	struct il__fd_wait *waiter[2]; /* by direction; both may be the same */
	unsigned char woken; /* directions whose waiter was woken and did not run yet: not stray */
	unsigned char ready; /* owned: directions worth a system call; without it, wait first */
	bool owned;
	struct il__list link; /* table->registered while the driver watches it */
};

/* On the waiter's stack; unlinked when its task is woken, whatever the reason. */
struct il__fd_wait {
	il_task *task;
	struct il__fd *fd;
	unsigned asked, got;
};

/* Who owns descriptors, to close them when the loop does. */
struct il__fd_owner {
	struct il__list link;
	void (*orphan)(struct il__fd_owner *owner);
};

/* The entry of a number; it lives as long as the loop. */
int il__fd_get(il_loop *loop, int number, struct il__fd **fd);
/* A number that the system has just given us: who waits under it waits for a closed one. */
void il__fd_renew(il_loop *loop, int number);
/* Makes fd known and owned by owner's loop. -EBUSY: it is waited for or owned already. */
int il__fd_own(il_loop *loop, int number, struct il__fd **fd);
/* The opposite, before close(): wakes waiters with rc and makes the native loop forget it. */
void il__fd_disown(struct il__fd *fd, int rc);
/* Links an owner; there is an il__fd_own before. */
void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner);

/* Links w (task, fd, asked) and watches. -EBUSY: taken. Then park; to give up, il__fd_end. */
int il__fd_begin(struct il__fd_wait *w);
/* Unlinks w if it still is linked. */
void il__fd_end(struct il__fd_wait *w);
/* All of it for one descriptor: 0 once ready, or why the wait ended. */
int il__fd_wait(struct il__fd_wait *w, il_time deadline, const char *function);

static inline int il__fd_direction(unsigned bit)
{
	return bit == IL_WRITABLE;
}

/* ================= streams (stream.c, stream_io.c, ...) ========================================= */

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
int il__stream_write(il_stream *s, const struct iovec *pieces, int count, il_time deadline,
		     const char *function);

/* Closes without a look at the thread. */
void il__stream_shut(il_stream *s);

/* Takes the sockets over, and the path of a Unix one; on failure closes and removes them. */
int il__listener_create(il_listener **listener, il_loop *loop, const int *fds, int count,
			enum il__stream_kind kind, const char *path);

/* ================= sockets by address (address.c, resolver.c) =================================== */

/* Like il_resolve; *list is malloc'ed, the number of addresses is the result. */
int il__resolve(il_address **list, const char *host, const char *port, unsigned flags,
		il_time deadline, const char *function);
/* Fills in a Unix address; -EINVAL or -ENAMETOOLONG. */
int il__address_unix(il_address *address, const char *path, const char *function);
bool il__address_equal(const il_address *a, const il_address *b);
void il__address_set_port(il_address *address, uint16_t port);

#endif
