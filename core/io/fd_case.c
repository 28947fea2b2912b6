/*
 * fd_case.c: waiting for any descriptor in a select. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "fd.h"

struct fd_case {
	struct il__case base;
	struct il__fd_share share;
};

il__case_fits(struct fd_case);

static struct fd_case *fd_case_of(il_case *c)
{
	return (struct fd_case *)(void *)il__case_inside(c);
}

/* NULL: nobody has waited for it yet. */
static const struct il__fd *fd_case_find(const il_case *c)
{
	return il__self.loop ? il__fd_find(il__self.loop, c->fd) : NULL;
}

static int fd_case_check(il_case *c, il_task *task)
{
	const struct il__fd *fd = fd_case_find(c);

	(void)task;
	if (!c->mask || c->mask & ~(unsigned)(IL_READABLE | IL_WRITABLE))
		return il__refuse(-EINVAL,
				  "il_select: the mask of descriptor %d is %#x, it must be "
				  "IL_READABLE, IL_WRITABLE or both",
				  c->fd, c->mask);
	if (fd && il__fd_asked(fd) & c->mask)
		return il__refuse(
		    -EBUSY,
		    "il_select: another task waits for descriptor %d, or it is watched "
		    "for a callback: one a direction",
		    c->fd);
	return 0;
}

/* One that nobody has waited for yet has its number in the place of an address, made odd. */
static int fd_case_occupy(il_case *c, struct il__select *s)
{
	const struct il__fd *fd = fd_case_find(c);

	return il__select_occupy(s, &il__case_places(c)->own,
				 fd ? (uintptr_t)fd : (uintptr_t)c->fd * 2 + 1, c->mask);
}

static int fd_case_take(il_case *c, il_task *task)
{
	int rc = il__fd_poll(c->fd, c->mask);

	(void)task;
	c->rc = rc;
	return rc > 0 || rc == -EBADF ? 1 : rc;
}

/* Announced to be closed it is closed. */
static void fd_case_fire(struct il__fd_share *share)
{
	struct fd_case *w = il__container_of(share, struct fd_case, share);

	il__case_happened(&w->base, share->rc < 0 ? -EBADF : share->got);
}

static int fd_case_enqueue(il_case *c, il_task *task)
{
	struct fd_case *w = fd_case_of(c);
	int rc;

	w->share = (struct il__fd_share){.asked = (unsigned char)c->mask, .fire = fd_case_fire};
	rc = il__fd_get(task->loop, c->fd, &w->share.fd);
	if (rc < 0)
		return rc;
	w->share.fd->foreign = !w->share.fd->owned;
	return il__fd_share(&w->share);
}

static void fd_case_dequeue(il_case *c, il_task *task)
{
	(void)task;
	il__fd_unshare(&fd_case_of(c)->share);
}

static void fd_case_tell(struct il__report *r, il_case *c)
{
	il__fd_tell_number(r, c->fd, c->mask);
}

static const struct il__case_ops fd_case = {
    .tell = fd_case_tell,
    .check = fd_case_check,
    .occupy = fd_case_occupy,
    .take = fd_case_take,
    .enqueue = fd_case_enqueue,
    .dequeue = fd_case_dequeue,
};

il_case il_case_fd(int fd, unsigned mask)
{
	il_case c = il__case(&fd_case, NULL);

	c.fd = fd;
	c.mask = mask;
	return c;
}
