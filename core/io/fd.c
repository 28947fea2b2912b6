/*
 * fd.c: waiting for descriptors, on top of the driver's watch. Waiting allocates nothing. A foreign descriptor is
 * registered only while somebody waits for it, because its owner may close it without a word (how: fd_watch.c).
 * An owned or watched one stays registered; a direction is dropped when it fires with nobody there. Loop's thread only.
 */
#include "fd.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"

static unsigned bit_of(int direction)
{
	return direction ? IL_WRITABLE : IL_READABLE;
}

/* By tasks. */
static unsigned fd_wanted(const struct il__fd *fd)
{
	return (fd->waiter[0] ? IL_READABLE : 0u) | (fd->waiter[1] ? IL_WRITABLE : 0u);
}

unsigned il__fd_asked(const struct il__fd *fd)
{
	return fd_wanted(fd) | fd->shared | fd->called;
}

static inline void fd_unlink_wait(struct il__fd *fd, const struct il__fd_wait *w)
{
	for (int d = 0; d < 2; d++)
		if (fd->waiter[d] == w)
			fd->waiter[d] = NULL;
}

/* What only the transport knows of comes from inside: the loop is owed nothing. */
static void fd_owe(const struct il__fd *fd)
{
	if (!il__fd_is_asked(fd))
		il__owe(&fd->source.watch.loop->ledger, IL__OWED_EVENT);
}

static void fd_paid(const struct il__fd *fd)
{
	if (!il__fd_is_asked(fd))
		il__paid(&fd->source.watch.loop->ledger, IL__OWED_EVENT);
}

/* ---- shares ---- */

static void fd_share_link(struct il__fd_share **list, struct il__fd_share *share)
{
	share->next = *list;
	share->link = list;
	if (share->next)
		share->next->link = &share->next;
	*list = share;
}

static void fd_share_unlink(struct il__fd_share *share)
{
	*share->link = share->next;
	if (share->next)
		share->next->link = share->link;
	share->link = NULL;
}

static void fd_count_shares(struct il__fd *fd)
{
	fd->shared = 0;
	for (const struct il__fd_share *s = fd->shares; s; s = s->next)
		fd->shared |= s->asked;
}

/* Then its descriptor's are to be counted. */
static void fd_share_leave(struct il__fd_share *share)
{
	fd_share_unlink(share);
	fd_paid(share->fd);
	share->fd = NULL;
}

/* In the order of asking. */
static void fd_fire_shares(struct il__fd *fd, unsigned mask, int rc)
{
	struct il__fd_share *fired = NULL, *next;

	if (!(fd->shared & mask))
		return;
	for (struct il__fd_share *s = fd->shares; s; s = next) {
		next = s->next;
		if (s->asked & mask) {
			fd_share_leave(s);
			s->got = s->asked & (unsigned char)mask;
			s->rc = rc;
			fd_share_link(&fired, s); /* the list turns round */
		}
	}
	fd_count_shares(fd);
	while ((next = fired)) {
		fd_share_unlink(next);
		next->fire(next);
	}
}

/* ---- registration ---- */

static void fd_wake_mask(struct il__fd *fd, unsigned mask, int rc)
{
	for (int d = 0; d < 2; d++) {
		struct il__fd_wait *w = fd->waiter[d];
		if (!w || !(mask & bit_of(d)))
			continue;
		fd_unlink_wait(fd, w);
		fd_paid(fd);
		w->got = w->asked & mask;
		il__task_wake(w->task, rc);
	}
	fd_fire_shares(fd, mask, rc);
}

void il__fd_wake(struct il__fd *fd, int rc)
{
	fd_wake_mask(fd, IL_READABLE | IL_WRITABLE, rc);
}

void il__fd_fire(struct il__fd *fd, unsigned directions)
{
	fd->ready |= (unsigned char)directions;
	fd_wake_mask(fd, directions, 0);
}

void il__fd_lose(struct il__fd *fd, int rc)
{
	struct il__fd_callback *callback = il__fd_is_asked(fd) ? NULL : fd->callback;

	if (!callback)
		return;
	fd->callback = NULL;
	fd->called = 0;
	fd->stays = fd->owned;
	callback->lost(callback, rc);
}

int il__fd_set_mask(struct il__fd *fd, unsigned mask)
{
	bool before = fd->source.watch.mask != 0, after;
	int rc = il__fd_watch(fd, mask);

	if (rc < 0) { /* what the driver watches now nobody knows: nothing, then */
		il__fd_watch(fd, 0);
		il__fd_wake(fd, 0);
		if (fd->called && il__fd_watch(fd, fd->called) < 0) {
			il__fd_watch(fd, 0);
			il__fd_lose(fd, rc);
		}
	}
	after = fd->source.watch.mask != 0;
	if (after && !before)
		il__list_push(fd->registered, &fd->link);
	else if (before && !after)
		il__list_remove(&fd->link);
	return rc;
}

/* With many connections its stack is cold: fetch what lies around, all at once. */
il__always_inline void prefetch_waiter(const struct il__fd_wait *w)
{
	for (int i = -5; w && i < 3; i++)
		__builtin_prefetch((const char *)w + IL__LINE * i);
}

/* What the descriptor is ready for the waiter learns from the system call. `served`: directions for which shares
 * have fired; `shared`: what others of them wait for. */
il__always_inline void fd_serve(struct il__fd *fd, il_loop *loop, unsigned mask, unsigned served,
				unsigned shared)
{
	const unsigned watched = fd->source.watch.mask;
	unsigned waited = fd_wanted(fd) & mask;
	unsigned stray = mask & watched & ~(waited | served) & ~(unsigned)fd->woken;

	fd->ready |= (unsigned char)mask;
	prefetch_waiter(fd->waiter[0]);
	for (int d = 0; d < 2; d++) {
		struct il__fd_wait *w = fd->waiter[d];
		if (!(waited & bit_of(d)) || !w)
			continue;
		w->got = fd->waiter[!d] == w ? waited : bit_of(d);
		fd->woken |= (unsigned char)bit_of(d);
		fd_unlink_wait(fd, w);
		il__paid(&loop->ledger, IL__OWED_EVENT);
		il__task_prefetch(w->task);
		il__task_wake(w->task, 0);
	}
	if (!fd->stays) {
		unsigned left = fd_wanted(fd) | shared;
		if (left != watched)
			il__fd_set_mask(fd, left);
	} else if (il__unlikely(stray)) {
		il__fd_set_mask(fd, watched & ~stray);
	}
}

void il__fd_on_ready(struct il__source *source, il_loop *loop, unsigned mask)
{
	fd_serve(il__container_of(source, struct il__fd, source), loop, mask, 0, 0);
}

/* In its place while there are shares or a callback, so that who has none pays nothing for them. */
static void fd_on_ready_shared(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__fd *fd = il__container_of(source, struct il__fd, source);
	const unsigned served = (fd->shared | fd->called) & mask;

	fd_fire_shares(fd, mask, 0);
	if (!fd->shares && !fd->called)
		source->ready = il__fd_on_ready;
	fd_serve(fd, loop, mask, served, fd->shared | fd->called);
	if (fd->called & mask) /* last: it may do anything */
		fd->callback->ready(fd->callback, fd->called & mask);
}

/* ---- waiting ---- */

static void fd_link_wait(struct il__fd_wait *w)
{
	for (int d = 0; d < 2; d++)
		if (w->asked & bit_of(d))
			w->fd->waiter[d] = w;
	w->got = 0;
}

/* The transport's functions, to which this is the last call before the wait, may have cancelled the task. */
static int fd_begin_asking(struct il__fd_wait *w)
{
	int rc = w->fd->asks->ask(w->fd, w->asked);

	if (rc == 0)
		rc = il__task_check(w->task);
	if (rc == 0)
		fd_link_wait(w);
	return rc;
}

int il__fd_begin(struct il__fd_wait *w)
{
	struct il__fd *fd = w->fd;
	int rc;

	if ((fd_wanted(fd) | fd->called) & w->asked)
		return il__refuse(-EBUSY,
				  "another task waits for descriptor %d, or it is watched for a "
				  "callback: one a direction",
				  fd->number);
	if (w->asked & ~fd->source.watch.mask) {
		if (il__fd_is_asked(fd))
			return fd_begin_asking(w);
		rc = il__fd_set_mask(fd, fd->source.watch.mask | w->asked);
		if (rc < 0)
			return il__pass_on(rc); /* the driver may have words for it */
	}
	fd_link_wait(w);
	il__owe(&w->task->loop->ledger, IL__OWED_EVENT);
	return 0;
}

static bool fd_linked(const struct il__fd_wait *w)
{
	return w->fd && (w->fd->waiter[0] == w || w->fd->waiter[1] == w);
}

void il__fd_end(struct il__fd_wait *w)
{
	if (!fd_linked(w))
		return;
	fd_unlink_wait(w->fd, w);
	fd_paid(w->fd);
	if (!w->fd->stays)
		il__fd_set_mask(w->fd, il__fd_asked(w->fd));
}

static bool fd_give_up(il_task *task, void *arg)
{
	(void)task;
	il__fd_end(arg);
	return true;
}

static void fd_tell_wait(struct il__report *r, const il_task *task)
{
	const struct il__fd_wait *w = task->waiter.arg;

	il__fd_tell(r, w->fd, w->asked);
}

int il__fd_wait(struct il__fd_wait *w, il_time deadline, const char *function)
{
	const struct il__wait wait = {function, fd_tell_wait};

	return il__fd_wait_told(w, deadline, &wait);
}

int il__fd_wait_told(struct il__fd_wait *w, il_time deadline, const struct il__wait *wait)
{
	int rc = il__fd_begin(w);

	if (il__unlikely(rc)) {
		if (rc > 0) /* worth trying at once */
			il__task_yield(w->task);
		return rc < 0 ? rc : 0;
	}
	rc = il__task_park_until(w->task, fd_give_up, w, wait, deadline);
	if (rc == 0)
		w->fd->woken &= (unsigned char)~w->asked;
	return rc;
}

void il__fd_share_on(struct il__fd_share *share, struct il__fd *fd)
{
	share->fd = fd;
	fd_share_link(&fd->shares, share);
	fd->shared |= share->asked;
	fd_owe(fd);
	fd->source.ready = fd_on_ready_shared;
}

int il__fd_share(struct il__fd_share *share)
{
	struct il__fd *fd = share->fd;
	int rc = 0;

	share->link = NULL;
	if (il__fd_is_asked(fd))
		rc = fd->asks->ask(fd, share->asked);
	else if (share->asked & ~fd->source.watch.mask)
		rc = il__fd_set_mask(fd, fd->source.watch.mask | share->asked);
	if (rc)
		return il__pass_on(rc);
	il__fd_share_on(share, fd);
	return 0;
}

bool il__fd_unshare(struct il__fd_share *share)
{
	struct il__fd *fd = share->fd;

	if (!share->link)
		return false;
	if (!fd) { /* it is about to be fired */
		fd_share_unlink(share);
		return false;
	}
	fd_share_leave(share);
	fd_count_shares(fd);
	if (!fd->stays)
		il__fd_set_mask(fd, il__fd_asked(fd));
	return true;
}

int il__fd_call(struct il__fd *fd, unsigned mask)
{
	unsigned others = fd_wanted(fd) | fd->shared;
	int rc = 0;

	if (others & mask)
		return il__refuse(-EBUSY, "a task waits for descriptor %d: one a direction",
				  fd->number);
	if ((others | mask) != fd->source.watch.mask)
		rc = il__fd_set_mask(fd, others | mask);
	if (rc < 0)
		return il__pass_on(rc);
	fd->called = (unsigned char)mask;
	if (mask)
		fd->source.ready = fd_on_ready_shared;
	return 0;
}
