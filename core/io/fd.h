/*
 * fd.h: descriptors that tasks wait for. Loop's thread only.
 *
 * A descriptor is found by its number in one table a loop; a direction of it has one waiter at most, which lies
 * on the waiting task's stack. Streams and listeners own their descriptors: those stay registered with the
 * native loop across waits, so that a request costs no epoll_ctl.
 */
#ifndef IL_CORE_IO_FD_H
#define IL_CORE_IO_FD_H

#include "../base/list.h"
#include "../runtime/loop.h"

#include <interloop/fd.h>

struct il__fd_wait;

struct il__fd {
	/* What is looked at each time it is ready, in one line of the cache. */
	struct il__fd_wait *waiter[2]; /* by direction; both may be the same */
	unsigned char woken; /* directions whose waiter was woken and did not run yet: not stray */
	unsigned char ready; /* owned: directions worth a system call; without it, wait first */
	bool owned;
	bool foreign;  /* somebody else's: the host may watch it, too */
	bool blocking; /* owned: the file has no O_NONBLOCK, and others share it */
	int number;    /* the watch's, but for a duplicate's */
	struct il__source source;
	il_loop *loop;
	struct il__list link; /* table->registered while the driver watches it */
	struct il__fd_table *table;
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
/* Makes the loop's table, so that adopting cannot fail. */
int il__fd_prepare(il_loop *loop);
/* Links an owner; there is an il__fd_own or il__fd_prepare before. */
void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner);

/* Has the driver watch it for mask, 0: no more (fd_watch.c). After a failure ask for 0. */
int il__fd_watch(struct il__fd *fd, unsigned mask);
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

#endif
