/*
 * fd.h: descriptors, and whatever else has two directions that are waited for. Loop's thread only.
 *
 * A descriptor is found by its number in one table a loop; a direction of it has one waiter at most, which lies
 * on the waiting task's stack. Streams and listeners own their descriptors: those stay registered with the
 * native loop across waits, so that a request costs no epoll_ctl. Beside the tasks any number of shares wait: of
 * the streams above, whose readers and writers may all want the same direction. The directions of a transport
 * are waited for in the same way; instead of the driver the transport is asked (transport.c). And a descriptor may
 * be watched for a callback (watch.c), whose directions no task has; it stays registered, too.
 */
#ifndef IL_CORE_IO_FD_H
#define IL_CORE_IO_FD_H

#include "../base/list.h"
#include "../runtime/loop.h"

#include <interloop/fd.h>

struct il__fd;
struct il__fd_wait;
struct il__report;
struct il__wait;

struct il__fd_asks {
	/* 0: a wait may begin; 1: it is worth trying at once; negative: why there can be no wait. */
	int (*ask)(struct il__fd *fd, unsigned directions);
	/* In words, for dumps; NULL: there are none. */
	void (*tell)(struct il__report *r, const struct il__fd *fd, unsigned asked);
};

struct il__fd {
	/* What is looked at each time it is ready, in one line of the cache. */
	struct il__fd_wait *waiter[2]; /* by direction; both may be the same */
	unsigned char woken;  /* directions whose waiter was woken and did not run yet: not stray */
	unsigned char ready;  /* owned: directions worth a system call; without it, wait first */
	unsigned char shared; /* what the shares ask for, all together */
	unsigned char called; /* directions in which the callback is called */
	bool owned;
	bool stays;    /* registered between waits: nobody closes it without a word */
	bool foreign;  /* somebody else's: the host may watch it, too */
	bool blocking; /* owned: the file has no O_NONBLOCK, and others share it */
	int number;    /* the watch's, but for a duplicate's; -1: no descriptor */
	struct il__source source;
	struct il__list link;        /* *registered while the driver watches it */
	struct il__list *registered; /* the table's */
	struct il__fd_share *shares; /* the newest first */
	union {
		const struct il__fd_asks
		    *asks; /* no descriptor: what is asked instead of the driver */
		struct il__fd_callback *callback; /* of a descriptor; NULL: none */
	};
};

/* Whether it is no descriptor, but a transport's. */
static inline bool il__fd_is_asked(const struct il__fd *fd)
{
	return fd->number < 0;
}

/* Who is called instead of a task being woken; both functions may free it. */
struct il__fd_callback {
	void (*ready)(struct il__fd_callback *callback, unsigned mask);
	/* It is the descriptor's no more: this is closed (-EBADF, -ECANCELED), or else the driver cannot
	 * watch it. */
	void (*lost)(struct il__fd_callback *callback, int rc);
};

/* On the waiter's stack; unlinked when its task is woken, whatever the reason. */
struct il__fd_wait {
	il_task *task;
	struct il__fd *fd;
	unsigned asked, got;
};

/* "descriptor 9 (127.0.0.1:7000), readable" (fd_tell.c). */
void il__fd_tell(struct il__report *r, const struct il__fd *fd, unsigned asked);
void il__fd_tell_number(struct il__report *r, int number, unsigned asked);
const char *il__fd_directions(unsigned asked);
/* Of an address, if it has a text. */
void il__fd_tell_peer(struct il__report *r, int number);

/* Who waits beside the tasks. */
struct il__fd_share {
	struct il__fd_share *next, **link; /* link NULL: waits for nothing */
	struct il__fd *fd;
	unsigned char asked, got; /* masks */
	int rc; /* once it has fired: 0, got is what it is worth trying; or why nobody can wait any more */
	/* Once, when it is unlinked already. It may be an upcall: nothing of the user's may run there. */
	void (*fire)(struct il__fd_share *share);
};

/* Who owns descriptors, to close them when the loop does. */
struct il__fd_owner {
	struct il__list link;
	void (*orphan)(struct il__fd_owner *owner);
};

/* ================= by number, and who owns one (fd_table.c) ====================================== */

/* The entry of a number; it lives as long as the loop. */
int il__fd_get(il_loop *loop, int number, struct il__fd **fd);
/* NULL: nobody has waited for it yet. */
struct il__fd *il__fd_find(il_loop *loop, int number);
/* A number that the system has just given us: who waits under it waits for a closed one. */
void il__fd_renew(il_loop *loop, int number);
/* Makes fd known and owned by owner's loop. -EBUSY: it is waited for or owned already. */
int il__fd_own(il_loop *loop, int number, struct il__fd **fd);
/* The opposite, before close(): wakes waiters with rc and makes the native loop forget it. */
void il__fd_disown(struct il__fd *fd, int rc);
/* Wakes waiters with rc, and makes the native loop forget it; a callback is lost. */
void il__fd_forget(struct il__fd *fd, int rc);
/* Makes the loop's table, so that adopting cannot fail. */
int il__fd_prepare(il_loop *loop);
/* Links an owner; there is an il__fd_own or il__fd_prepare before. */
void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner);
/* Likewise, one that uses what others own: it is closed before them. */
void il__fd_adopt_first(il_loop *loop, struct il__fd_owner *owner);
/* All of them; there is one. */
struct il__list *il__fd_owners(il_loop *loop);
/* One that is nobody's, for a woken wait whose own goes before its task runs. */
struct il__fd *il__fd_nobody(il_loop *loop);

/* ================= waiting (fd.c) ================================================================= */

/* Has the driver watch it for mask, 0: no more (fd_watch.c). After a failure ask for 0. */
int il__fd_watch(struct il__fd *fd, unsigned mask);
/* The same, and the table knows. After a failure it is watched for nothing, and everybody is woken. */
int il__fd_set_mask(struct il__fd *fd, unsigned mask);
/* Upcalls. */
void il__fd_on_ready(struct il__source *source, il_loop *loop, unsigned mask);
/* What anybody waits for. */
unsigned il__fd_asked(const struct il__fd *fd);
/* Links w (task, fd, asked) and watches. -EBUSY: taken. Then park; to give up, il__fd_end. Of a transport,
 * with nothing linked, 1: it is worth trying at once; -ECANCELED: the task was cancelled, maybe by it. */
int il__fd_begin(struct il__fd_wait *w);
/* Unlinks w if it still is linked. */
void il__fd_end(struct il__fd_wait *w);
/* All of it for one descriptor: 0 once ready, or why the wait ended. */
int il__fd_wait(struct il__fd_wait *w, il_time deadline, const char *function);
/* Likewise with words of the caller's for what it waits for. */
int il__fd_wait_told(struct il__fd_wait *w, il_time deadline, const struct il__wait *wait);
/* Likewise for a share (fd, asked, fire), whoever else waits there. 0; 1: as above; or why not. */
int il__fd_share(struct il__fd_share *share);
/* For fire, with rc 0: it waits on for fd, of which nothing is asked: so that it learns of its end. */
void il__fd_share_on(struct il__fd_share *share, struct il__fd *fd);
/* False: it was not linked, or has fired. */
bool il__fd_unshare(struct il__fd_share *share);
/* Has fd->callback called for mask from now on. -EBUSY: a task waits; after an error as before, unless it is
 * lost. */
int il__fd_call(struct il__fd *fd, unsigned mask);
/* It is the descriptor's no more. */
void il__fd_lose(struct il__fd *fd, int rc);
/* Wakes everybody with rc; shares fire. */
void il__fd_wake(struct il__fd *fd, int rc);
/* These directions are worth trying, of which the driver has told nothing. */
void il__fd_fire(struct il__fd *fd, unsigned directions);
/* For a mask with IL_PRIORITY: the ready directions (fd_urgent.c). */
int il__fd_wait_urgent(il_task *task, struct il__fd *fd, unsigned mask, const char *function);
/* What poll(2) says now of a descriptor: a mask, 0: nothing, or -EBADF. */
int il__fd_poll(int number, unsigned mask);

static inline int il__fd_direction(unsigned bit)
{
	return bit == IL_WRITABLE;
}

#endif
