/*
 * fd.c: waiting for descriptors, on top of the driver's watch. One il__fd a number, kept in a table
 * that grows and lives as long as the loop, so that waiting allocates nothing. A foreign descriptor
 * is registered only while somebody waits for it, because its owner may close it without a word
 * (how: fd_watch.c). An owned one stays registered; a direction is dropped when it fires with
 * nobody there. Loop's thread only.
 */
#include "fd.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/extension.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"

#include <poll.h>

struct il__fd_table {
	struct il__extension extension;
	struct il__list registered; /* il__fd with a mask */
	struct il__list owners;
	struct il__fd **fds; /* by number; NULL: never waited for */
	size_t capacity;
};

/* ---- registration ---- */

static unsigned bit_of(int direction)
{
	return direction ? IL_WRITABLE : IL_READABLE;
}

static unsigned fd_wanted(const struct il__fd *fd)
{
	return (fd->waiter[0] ? IL_READABLE : 0u) | (fd->waiter[1] ? IL_WRITABLE : 0u);
}

static void unlink_wait(il_loop *loop, struct il__fd *fd, const struct il__fd_wait *w)
{
	for (int d = 0; d < 2; d++)
		if (fd->waiter[d] == w)
			fd->waiter[d] = NULL;
	il__paid(&loop->ledger, IL__OWED_EVENT);
}

/* Wakes every waiter; 0: it may go and see. */
static void fd_wake(struct il__fd *fd, int rc)
{
	for (int d = 0; d < 2; d++) {
		struct il__fd_wait *w = fd->waiter[d];
		if (w) {
			unlink_wait(fd->loop, fd, w);
			w->got = w->asked;
			il__task_wake(w->task, rc);
		}
	}
}

static int fd_set_mask(struct il__fd *fd, unsigned mask)
{
	struct il__fd_table *table = fd->table;
	bool before = fd->source.watch.mask != 0, after;
	int rc = il__fd_watch(fd, mask);

	if (rc < 0) { /* what the driver watches now nobody knows: nothing, then */
		il__fd_watch(fd, 0);
		fd_wake(fd, 0);
	}
	after = fd->source.watch.mask != 0;
	if (after && !before)
		il__list_push(&table->registered, &fd->link);
	else if (before && !after)
		il__list_remove(&fd->link);
	return rc;
}

static bool fd_linked(const struct il__fd_wait *w)
{
	return w->fd && (w->fd->waiter[0] == w || w->fd->waiter[1] == w);
}

/* With many connections its stack is cold: fetch what lies around, all at once. */
il__always_inline void prefetch_waiter(const struct il__fd_wait *w)
{
	for (int i = -5; w && i < 3; i++)
		__builtin_prefetch((const char *)w + IL__LINE * i);
}

/* An upcall. What the descriptor is ready for the waiter learns from the system call. */
static void fd_on_ready(struct il__source *source, il_loop *loop, unsigned mask)
{
	struct il__fd *fd = il__container_of(source, struct il__fd, source);
	unsigned waited = fd_wanted(fd) & mask;
	unsigned stray = mask & source->watch.mask & ~waited & ~(unsigned)fd->woken;

	fd->ready |= (unsigned char)mask;
	prefetch_waiter(fd->waiter[0]);
	for (int d = 0; d < 2; d++) {
		struct il__fd_wait *w = fd->waiter[d];
		if (!(waited & bit_of(d)) || !w)
			continue;
		w->got = fd->waiter[!d] == w ? waited : bit_of(d);
		fd->woken |= (unsigned char)bit_of(d);
		unlink_wait(loop, fd, w);
		il__task_prefetch(w->task);
		il__task_wake(w->task, 0);
	}
	if (!fd->owned)
		fd_set_mask(fd, fd_wanted(fd));
	else if (il__unlikely(stray))
		fd_set_mask(fd, source->watch.mask & ~stray);
}

/* ---- the table ---- */

/* Nothing lives on the loop: what is still registered would keep a host's loop from ending. */
static void on_idle(struct il__extension *extension, il_loop *loop)
{
	struct il__fd_table *table = il__container_of(extension, struct il__fd_table, extension);

	(void)loop;
	il__list_each_safe (node, &table->registered)
		fd_set_mask(il__container_of(node, struct il__fd, link), 0);
}

static int fd_on_closing(struct il__extension *extension, il_loop *loop)
{
	struct il__fd_table *table = il__container_of(extension, struct il__fd_table, extension);

	while (!il__list_empty(&table->owners)) {
		struct il__fd_owner *owner =
		    il__container_of(il__list_pop(&table->owners), struct il__fd_owner, link);
		owner->orphan(owner);
	}
	on_idle(extension, loop);
	for (size_t i = 0; i < table->capacity; i++)
		il__free_lines(table->fds[i]);
	il__free(table->fds);
	il__free(table);
	return 0;
}

static const struct il__extension_ops table_ops = {.idle = on_idle, .closing = fd_on_closing};

/* NULL: there is none yet. */
static struct il__fd_table *find_table(const il_loop *loop)
{
	struct il__extension *x = il__loop_extension(loop, &table_ops);

	return x ? il__container_of(x, struct il__fd_table, extension) : NULL;
}

static struct il__fd_table *table_of(il_loop *loop)
{
	struct il__fd_table *table = find_table(loop);

	if (il__likely(table != NULL))
		return table;
	table = il__calloc(1, sizeof *table);
	if (!table)
		return NULL;
	il__list_init(&table->registered);
	il__list_init(&table->owners);
	il__loop_extend(loop, &table->extension, &table_ops);
	return table;
}

static struct il__fd *fd_look_up(il_loop *loop, int number)
{
	const struct il__fd_table *table = find_table(loop);

	return table && number >= 0 && (size_t)number < table->capacity ? table->fds[number] : NULL;
}

static struct il__fd *fd_add(struct il__fd_table *table, il_loop *loop, int number)
{
	size_t n = (size_t)number;
	struct il__fd *fd;

	if (n >= table->capacity) {
		size_t capacity = table->capacity ? table->capacity : 64;
		struct il__fd **fds;
		while (capacity <= n)
			capacity *= 2;
		fds = il__realloc(table->fds, capacity * sizeof(struct il__fd *));
		if (!fds)
			return NULL;
		memset(fds + table->capacity, 0,
		       (capacity - table->capacity) * sizeof(struct il__fd *));
		table->fds = fds;
		table->capacity = capacity;
	}
	fd = il__alloc_lines(sizeof *fd);
	if (!fd)
		return NULL;
	fd->source.watch.fd = fd->number = number;
	fd->source.ready = fd_on_ready;
	fd->loop = loop;
	fd->table = table;
	il__list_init(&fd->link);
	return table->fds[n] = fd;
}

int il__fd_get(il_loop *loop, int number, struct il__fd **fd)
{
	struct il__fd_table *table;

	*fd = fd_look_up(loop, number);
	if (!*fd) {
		table = table_of(loop);
		*fd = table ? fd_add(table, loop, number) : NULL;
	}
	if (!*fd)
		return il__refuse(-ENOMEM, "out of memory for the table of descriptors");
	(*fd)->foreign = false;
	return 0;
}

/* ---- owners ---- */

int il__fd_prepare(il_loop *loop)
{
	return table_of(loop) ? 0
			      : il__refuse(-ENOMEM, "out of memory for the table of descriptors");
}

int il__fd_own(il_loop *loop, int number, struct il__fd **fd)
{
	int rc = il__fd_get(loop, number, fd);

	if (rc < 0)
		return rc;
	if ((*fd)->owned || fd_wanted(*fd))
		return il__refuse(-EBUSY,
				  "descriptor %d is waited for, or belongs to a stream that is not "
				  "closed: one owner at a time",
				  number);
	(*fd)->owned = true;
	(*fd)->blocking = false;
	(*fd)->ready = IL_READABLE | IL_WRITABLE;
	return 0;
}

static void fd_forget(struct il__fd *fd, int rc)
{
	fd_wake(fd, rc);
	fd->woken = 0;
	fd_set_mask(fd, 0);
}

void il__fd_renew(il_loop *loop, int number)
{
	struct il__fd *fd = fd_look_up(loop, number);

	if (fd && !fd->owned && (fd_wanted(fd) || fd->source.watch.mask))
		fd_forget(fd, -EBADF);
}

void il__fd_disown(struct il__fd *fd, int rc)
{
	fd_forget(fd, rc);
	fd->owned = false;
}

void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner)
{
	il__list_push(&find_table(loop)->owners, &owner->link);
}

/* ---- waiting ---- */

int il__fd_begin(struct il__fd_wait *w)
{
	struct il__fd *fd = w->fd;
	int rc;

	if (fd_wanted(fd) & w->asked)
		return il__refuse(-EBUSY, "another task waits for descriptor %d: one a direction",
				  fd->number);
	if (w->asked & ~fd->source.watch.mask) {
		rc = fd_set_mask(fd, fd->source.watch.mask | w->asked);
		if (rc < 0)
			return il__pass_on(rc); /* the driver may have words for it */
	}
	for (int d = 0; d < 2; d++)
		if (w->asked & bit_of(d))
			fd->waiter[d] = w;
	il__owe(&w->task->loop->ledger, IL__OWED_EVENT);
	w->got = 0;
	return 0;
}

void il__fd_end(struct il__fd_wait *w)
{
	if (!fd_linked(w))
		return;
	unlink_wait(w->fd->loop, w->fd, w);
	if (!w->fd->owned)
		fd_set_mask(w->fd, fd_wanted(w->fd));
}

static bool fd_give_up(il_task *task, void *arg)
{
	(void)task;
	il__fd_end(arg);
	return true;
}

int il__fd_wait(struct il__fd_wait *w, il_time deadline, const char *function)
{
	int rc = il__fd_begin(w);

	if (rc < 0)
		return rc;
	rc = il__task_park_until(w->task, fd_give_up, w, function, deadline);
	if (rc == 0)
		w->fd->woken &= (unsigned char)~w->asked;
	return rc;
}

/* ---- the public face: any descriptor ---- */

/* What poll(2) says now: files that are always ready never reach a driver, which could not watch
 * them; numbers that are no descriptor are told alike on every loop. */
static int poll_now(int fd, unsigned mask)
{
	struct pollfd p = {.fd = fd};
	int n;

	p.events = (short)((mask & IL_READABLE ? POLLIN : 0) | (mask & IL_WRITABLE ? POLLOUT : 0));
	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return il__no_words(-errno);
	if (p.revents & POLLNVAL)
		return -EBADF;
	if (p.revents & (POLLERR | POLLHUP))
		return (int)mask;
	return (int)((p.revents & POLLIN ? IL_READABLE : 0u) |
		     (p.revents & POLLOUT ? IL_WRITABLE : 0u));
}

static int wait_fd(int number, unsigned mask, const char *function)
{
	int rc;
	struct il__fd_wait w = {.task = il__task_current(function, &rc), .asked = mask};

	if (!w.task)
		return rc;
	if (!mask || mask & ~(unsigned)(IL_READABLE | IL_WRITABLE))
		return il__refuse(
		    -EINVAL, "%s: the mask is %#x, it must be IL_READABLE, IL_WRITABLE or both",
		    function, mask);
	rc = il__task_check(w.task);
	if (rc < 0)
		return rc;
	w.fd = fd_look_up(w.task->loop, number);
	if (w.fd && fd_wanted(w.fd) & mask)
		return il__refuse(-EBUSY,
				  "%s: another task waits for descriptor %d: one a direction",
				  function, number);
	rc = number < 0 ? -EBADF : poll_now(number, mask);
	if (rc == -EBADF)
		return il__refuse(rc, "%s: %d is not an open descriptor", function, number);
	if (rc > 0)
		il__task_yield(w.task);
	if (rc == 0)
		rc = il__fd_get(w.task->loop, number, &w.fd);
	if (rc)
		return rc;
	w.fd->foreign = !w.fd->owned;
	rc = il__fd_wait(&w, IL_FOREVER, function);
	return rc < 0 ? rc : (int)w.got;
}

int il_wait_readable(int fd)
{
	int rc = wait_fd(fd, IL_READABLE, "il_wait_readable");
	return rc < 0 ? rc : 0;
}

int il_wait_writable(int fd)
{
	int rc = wait_fd(fd, IL_WRITABLE, "il_wait_writable");
	return rc < 0 ? rc : 0;
}

int il_wait_fd(int fd, unsigned mask)
{
	return wait_fd(fd, mask, "il_wait_fd");
}

int il_notify_closing(int fd)
{
	il_loop *loop = il_loop_current();
	struct il__fd *known;

	if (!loop)
		return il__refuse(-EPERM,
				  "il_notify_closing: call it in the thread of the loop that waits "
				  "for descriptor %d",
				  fd);
	known = fd_look_up(loop, fd);
	if (known)
		fd_forget(known, -ECANCELED);
	return 0;
}
