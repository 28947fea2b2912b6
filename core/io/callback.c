/*
 * callback.c: the life of callbacks for other libraries. While one is armed it keeps the loop, as a task does,
 * until the loop is shut down: who has armed it may never disarm it, and would not let the loop end. From then on
 * they are called while there are tasks, which may need them to end, and are disarmed after the last. Likewise those
 * of a host whose power is cut. Loop's thread only.
 */
#include "callback.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../runtime/extension.h"
#include "../runtime/host.h"
#include "../runtime/ledger.h"
#include "../runtime/local.h"
#include "../runtime/thread_state.h"
#include "../runtime/wake_timer.h"

struct il__callbacks {
	struct il__extension extension;
	il_loop *loop;
	struct il__list open;
	size_t armed; /* and those that are being called */
	bool weak;    /* they keep nothing any more */
};

/* ---- what they keep ---- */

int il__callback_keep(struct il__callbacks *all)
{
	int rc = all->armed || all->weak ? 0 : il__owe(&all->loop->ledger, IL__OWED_CALLBACK);

	if (rc == 0)
		all->armed++;
	return rc;
}

void il__callback_let_go(struct il__callbacks *all)
{
	if (--all->armed == 0 && !all->weak)
		il__paid(&all->loop->ledger, IL__OWED_CALLBACK);
}

static void callbacks_on_shutdown(struct il__extension *x, il_loop *loop)
{
	struct il__callbacks *all = il__container_of(x, struct il__callbacks, extension);

	if (all->armed)
		il__paid(&loop->ledger, IL__OWED_CALLBACK);
	all->weak = true;
}

static void callback_end(struct il__callback *callback)
{
	il__list_remove(&callback->link);
	callback->disarm(callback);
	callback->loop = NULL;
}

static void callbacks_on_idle(struct il__extension *x, il_loop *loop)
{
	struct il__callbacks *all = il__container_of(x, struct il__callbacks, extension);

	if (!loop->shut)
		return;
	while (!il__list_empty(&all->open))
		callback_end(il__container_of(all->open.next, struct il__callback, link));
	il__wake_timer_set(loop); /* or the driver's own would keep a host's loop */
}

static void callbacks_on_cut(struct il__extension *x, const struct il__cancel_scope *host)
{
	struct il__callbacks *all = il__container_of(x, struct il__callbacks, extension);

	if (il__host_of(host)->roots)
		return;
	il__list_each_safe (node, &all->open) {
		struct il__callback *callback = il__container_of(node, struct il__callback, link);
		if (callback->scope == host)
			callback_end(callback);
	}
}

static int callbacks_on_closing(struct il__extension *x, il_loop *loop)
{
	struct il__callbacks *all = il__container_of(x, struct il__callbacks, extension);

	(void)loop;
	while (!il__list_empty(&all->open))
		il__container_of(il__list_pop(&all->open), struct il__callback, link)->loop = NULL;
	il__free(all);
	return 0;
}

static const struct il__extension_ops callbacks_ops = {
    .shutdown = callbacks_on_shutdown,
    .idle = callbacks_on_idle,
    .cut = callbacks_on_cut,
    .closing = callbacks_on_closing,
};

static struct il__callbacks *callbacks_of(il_loop *loop)
{
	struct il__extension *x = il__loop_extension(loop, &callbacks_ops);
	struct il__callbacks *all;

	if (x)
		return il__container_of(x, struct il__callbacks, extension);
	all = il__calloc(1, sizeof *all);
	if (!all)
		return NULL;
	all->loop = loop;
	il__list_init(&all->open);
	il__loop_extend(loop, &all->extension, &callbacks_ops);
	return all;
}

/* ---- one ---- */

int il__callback_open(struct il__callback *callback, void (*disarm)(struct il__callback *callback),
		      const char *function)
{
	struct il__cancel_scope *scope;
	il_loop *loop;
	int rc;

	rc = il__loop_here(&loop, function);
	if (rc < 0)
		return rc;
	scope = il__host_scope(loop);
	if (loop->shut || scope->cancelled)
		return il__refuse(-ESHUTDOWN, "%s: %s", function,
				  loop->shut ? "the loop is being closed" : "the host has crashed");
	callback->all = callbacks_of(loop);
	if (!callback->all)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	callback->loop = loop;
	callback->disarm = disarm;
	callback->scope = scope;
	callback->locals = il__locals_ref(il__locals_current());
	il__list_push(&callback->all->open, &callback->link);
	return 0;
}

int il__callback_check(const struct il__callback *callback, const char *function)
{
	if (!callback->loop)
		return il__refuse(-ESHUTDOWN, "%s: its loop was closed, or its host has crashed",
				  function);
	return il__loop_check_thread(callback->loop, function);
}

void il__callback_close(struct il__callback *callback, const char *function)
{
	il_loop *loop = callback->loop;

	if (loop && !il__inherited(loop->generation)) {
		if (il__loop_check_thread(loop, function) < 0)
			il__fatal("%s: called in another thread than its loop's", function);
		callback->disarm(callback);
		il__list_remove(&callback->link);
	}
	il__locals_unref(callback->locals);
}
