/*
 * watch.c: a descriptor that is watched for a callback. It is the descriptor's one callback (fd.h), for as long as
 * the descriptor is not known to be closed; while its mask is not 0 it is armed, and whatever happens may come
 * from there. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "callback.h"
#include "fd.h"

#include <interloop/watch.h>

struct il_fd_watch {
	struct il__callback callback;
	struct il__fd_callback entry;
	struct il__fd *fd; /* NULL: the descriptor was closed */
	unsigned mask;     /* not 0: armed */
	void (*ready)(void *arg, unsigned mask);
	void *arg;
};

/* ---- armed or not ---- */

static int watch_arm(il_fd_watch *w)
{
	int rc = il__callback_keep(w->callback.all);

	if (rc == 0)
		il__owe(&w->callback.loop->ledger, IL__OWED_EVENT);
	return rc;
}

static void watch_rest(il_fd_watch *w)
{
	w->mask = 0;
	il__paid(&w->callback.loop->ledger, IL__OWED_EVENT);
	il__callback_let_go(w->callback.all);
}

static int watch_change(il_fd_watch *w, unsigned mask)
{
	bool begins = mask && !w->mask;
	int rc = begins ? watch_arm(w) : 0;

	if (rc < 0)
		return rc;
	rc = il__fd_call(w->fd, mask);
	if (rc == 0 ? !mask && w->mask : begins)
		watch_rest(w);
	if (rc == 0)
		w->mask = mask;
	return rc;
}

/* Whatever the driver says to it, nobody is called any more. */
static void watch_disarm(struct il__callback *callback)
{
	il_fd_watch *w = il__container_of(callback, il_fd_watch, callback);
	struct il__fd *fd = w->fd;

	if (!fd)
		return;
	w->fd = NULL;
	fd->callback = NULL;
	fd->called = 0;
	fd->stays = false;
	il__fd_call(fd, 0);
	if (w->mask)
		watch_rest(w);
}

/* ---- what the descriptor tells ---- */

struct watch_call {
	void (*ready)(void *arg, unsigned mask);
	void *arg;
	unsigned mask;
};

static int watch_run(void *arg)
{
	const struct watch_call *call = arg;

	call->ready(call->arg, call->mask);
	return 0;
}

static void watch_on_ready(struct il__fd_callback *entry, unsigned mask)
{
	il_fd_watch *w = il__container_of(entry, il_fd_watch, entry);
	struct watch_call call = {.ready = w->ready, .arg = w->arg, .mask = mask};

	il__plain_call(watch_run, &call, w->callback.locals, w->callback.scope);
}

static void watch_on_lost(struct il__fd_callback *entry, int rc)
{
	il_fd_watch *w = il__container_of(entry, il_fd_watch, entry);

	if (rc != -EBADF && rc != -ECANCELED)
		il__log(IL_LOG_ERROR,
			"il_fd_watch: the native loop does not watch descriptor %d any more: %s",
			w->fd->number, il__system_words(rc));
	w->fd = NULL;
	if (w->mask)
		watch_rest(w);
}

/* ---- the public face ---- */

static int watch_check_mask(unsigned mask, const char *function)
{
	if (mask & ~(unsigned)(IL_READABLE | IL_WRITABLE))
		return il__refuse(-EINVAL,
				  "%s: the mask is %#x, it may have IL_READABLE and IL_WRITABLE",
				  function, mask);
	return 0;
}

/* The descriptor's callback becomes this one. */
static int watch_attach(il_fd_watch *w, int number, unsigned mask)
{
	struct il__fd *fd;
	int rc = il__fd_get(w->callback.loop, number, &fd);

	if (rc < 0)
		return rc;
	if (fd->owned || fd->callback)
		return il__refuse(-EBUSY,
				  "il_fd_watch_open: descriptor %d has a watch, or belongs to a "
				  "stream or another object",
				  number);
	fd->foreign = true;
	fd->callback = &w->entry;
	fd->stays = true;
	w->fd = fd;
	rc = watch_change(w, mask);
	if (rc < 0)
		watch_disarm(&w->callback);
	return rc;
}

int il_fd_watch_open(il_fd_watch **watch, int fd, unsigned mask,
		     void (*ready)(void *arg, unsigned mask), void *arg)
{
	static const char function[] = "il_fd_watch_open";
	il_fd_watch *w;
	int rc;

	if (!watch || !ready)
		return il__refuse(-EINVAL, "%s: %s", function,
				  watch ? "the callback is NULL"
					: "NULL where the watch is to be stored");
	rc = watch_check_mask(mask, function);
	if (rc == 0 && (rc = il__os_can_watch(fd)) < 0)
		il__refuse(rc, "%s: descriptor %d: %s", function, fd,
			   rc == -EPERM ? "a file that is always ready, which no loop can watch"
					: il__system_words(rc));
	if (rc < 0)
		return rc;
	w = il__calloc(1, sizeof *w);
	if (!w)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	w->entry = (struct il__fd_callback){.ready = watch_on_ready, .lost = watch_on_lost};
	w->ready = ready;
	w->arg = arg;
	rc = il__callback_open(&w->callback, watch_disarm, function);
	if (rc < 0) {
		il__free(w);
		return rc;
	}
	rc = watch_attach(w, fd, mask);
	if (rc < 0) {
		il_fd_watch_close(w);
		return rc;
	}
	*watch = w;
	return 0;
}

int il_fd_watch_set(il_fd_watch *watch, unsigned mask)
{
	static const char function[] = "il_fd_watch_set";
	int rc;

	if (!watch)
		return il__refuse(-EINVAL, "%s: the watch is NULL", function);
	rc = watch_check_mask(mask, function);
	if (rc == 0)
		rc = il__callback_check(&watch->callback, function);
	if (rc < 0)
		return rc;
	if (!watch->fd)
		return il__refuse(-EBADF, "%s: the descriptor was closed meanwhile", function);
	return mask == watch->mask ? 0 : watch_change(watch, mask);
}

void il_fd_watch_close(il_fd_watch *watch)
{
	if (!watch)
		return;
	il__callback_close(&watch->callback, "il_fd_watch_close");
	il__free(watch);
}
