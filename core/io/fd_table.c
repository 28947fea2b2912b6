/*
 * fd_table.c: the descriptors of a loop by number, one il__fd each, in a table that grows and lives as long as the
 * loop; and who owns which, to close them when the loop does. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/extension.h"
#include "../runtime/loop.h"
#include "fd.h"

/* ---- the table ---- */

struct il__fd_table {
	struct il__extension extension;
	struct il__list registered; /* il__fd with a mask */
	struct il__list owners;
	struct il__fd nobody;
	struct il__fd **fds; /* by number; NULL: never waited for */
	size_t capacity;
};

/* Nothing lives on the loop: what is still registered would keep a host's loop from ending. */
static void on_idle(struct il__extension *extension, il_loop *loop)
{
	struct il__fd_table *table = il__container_of(extension, struct il__fd_table, extension);

	(void)loop;
	il__list_each_safe (node, &table->registered) {
		struct il__fd *fd = il__container_of(node, struct il__fd, link);
		il__fd_wake(fd, 0); /* shares only: no task is left */
		il__fd_set_mask(fd, 0);
	}
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

struct il__fd *il__fd_find(il_loop *loop, int number)
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
	fd->source.watch.loop = loop;
	fd->source.ready = il__fd_on_ready;
	fd->registered = &table->registered;
	il__list_init(&fd->link);
	return table->fds[n] = fd;
}

int il__fd_get(il_loop *loop, int number, struct il__fd **fd)
{
	struct il__fd_table *table;

	*fd = il__fd_find(loop, number);
	if (!*fd) {
		table = table_of(loop);
		*fd = table ? fd_add(table, loop, number) : NULL;
	}
	if (!*fd)
		return il__refuse(-ENOMEM, "out of memory for the table of descriptors");
	(*fd)->foreign = (*fd)->stays && !(*fd)->owned;
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
	if ((*fd)->owned || il__fd_asked(*fd) || (*fd)->callback)
		return il__refuse(-EBUSY,
				  "descriptor %d is waited for or watched, or belongs to a stream "
				  "that is not closed: one owner at a time",
				  number);
	(*fd)->owned = (*fd)->stays = true;
	(*fd)->blocking = false;
	(*fd)->woken = 0; /* a race of connects, say, has ended its waits by itself */
	(*fd)->ready = IL_READABLE | IL_WRITABLE;
	return 0;
}

void il__fd_forget(struct il__fd *fd, int rc)
{
	il__fd_wake(fd, rc);
	fd->woken = 0;
	il__fd_set_mask(fd, 0);
	il__fd_lose(fd, rc);
}

void il__fd_renew(il_loop *loop, int number)
{
	struct il__fd *fd = il__fd_find(loop, number);

	if (fd && !fd->owned && (il__fd_asked(fd) || fd->callback || fd->source.watch.mask))
		il__fd_forget(fd, -EBADF);
}

void il__fd_disown(struct il__fd *fd, int rc)
{
	il__fd_forget(fd, rc);
	fd->owned = fd->stays = false;
}

void il__fd_adopt(il_loop *loop, struct il__fd_owner *owner)
{
	il__list_push(&find_table(loop)->owners, &owner->link);
}

void il__fd_adopt_first(il_loop *loop, struct il__fd_owner *owner)
{
	il__list_push_front(&find_table(loop)->owners, &owner->link);
}

struct il__list *il__fd_owners(il_loop *loop)
{
	return &find_table(loop)->owners;
}

struct il__fd *il__fd_nobody(il_loop *loop)
{
	return &find_table(loop)->nobody;
}
