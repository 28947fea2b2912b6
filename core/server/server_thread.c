/*
 * server_thread.c: a server with a loop and a thread of its own, by way of a blocking portal. The server
 * is touched by that thread only; others read what was written before the server was up. Any thread, but
 * one at a time may stop it.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../runtime/thread_state.h"
#include "server.h"

#include <interloop/future.h>

struct il_server_thread {
	il_portal *portal;
	il_future *serving;
	int (*open)(il_server **server, void *arg);
	void *arg;
	il_server *server; /* its thread's; NULL once it has ended */
	uint16_t port;     /* written before it is up */
	unsigned generation;
};

static void on_up(void *arg)
{
	il_server_thread *t = arg;

	t->port = il_server_port(t->server);
	il_task_started(0);
}

static int server_thread_serve(void *arg)
{
	il_server_thread *t = arg;
	int rc = t->open(&t->server, t->arg);

	if (rc >= 0 && !t->server)
		return il__refuse(-EINVAL, "il_server_thread_start: open has stored no server");
	if (rc >= 0) {
		t->server->on_up = on_up;
		t->server->on_up_arg = t;
		rc = il_server_serve(t->server);
	}
	il_server_destroy(t->server);
	t->server = NULL;
	return rc;
}

int il_server_thread_start(il_server_thread **thread, const il_backend *backend,
			   const il_blocking_portal_options *options,
			   int (*open)(il_server **server, void *arg), void *arg)
{
	il_server_thread *t;
	int rc;

	if (!thread || !open)
		return il__refuse(-EINVAL, "il_server_thread_start: %s is NULL",
				  open ? "thread" : "open");
	t = il__calloc(1, sizeof *t);
	if (!t)
		return il__refuse(-ENOMEM, "il_server_thread_start: out of memory");
	t->open = open;
	t->arg = arg;
	t->generation = il__generation;
	rc = il_blocking_portal_start(&t->portal, backend, options);
	if (rc < 0) {
		il__free(t);
		return rc;
	}
	rc = il_portal_start_task(t->portal, &t->serving, NULL, server_thread_serve, t);
	if (rc < 0) {
		il_blocking_portal_stop(t->portal);
		il__free(t);
		return rc;
	}
	*thread = t;
	return 0;
}

uint16_t il_server_thread_port(const il_server_thread *thread)
{
	return thread ? thread->port : 0;
}

il_portal *il_server_thread_portal(const il_server_thread *thread)
{
	return thread ? thread->portal : NULL;
}

int il_server_thread_wait(il_server_thread *thread, il_time timeout)
{
	il_future *serving;
	int rc;

	if (!thread)
		return il__refuse(-EINVAL, "il_server_thread_wait: NULL");
	serving = il_future_ref(thread->serving); /* somebody may stop the thread meanwhile */
	rc = il_future_result(serving, timeout);
	il_future_unref(serving);
	return rc;
}

static int server_thread_shut_down(void *arg)
{
	il_server_thread *t = arg;

	return t->server ? il_server_shutdown(t->server) : 0;
}

static int server_thread_stop(void *arg)
{
	il_server_thread *t = arg;
	const bool inherited = il__inherited(t->generation);
	int rc = il_portal_run_coroutine(t->portal, server_thread_shut_down, t);

	if (rc == -EDEADLK || rc == -EPERM)
		return rc;
	if (rc < 0) /* it was not told, for want of memory */
		il_future_cancel(t->serving);
	rc = il_future_join(t->serving);
	il_blocking_portal_stop(t->portal);
	il__free(t);
	return inherited
		   ? il__refuse(-ESHUTDOWN, "il_server_thread_stop: it was inherited across fork")
		   : rc;
}

int il_server_thread_stop(il_server_thread *thread)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	if (!thread)
		return il__refuse(-EINVAL, "il_server_thread_stop: NULL");
	if (!il__self.loop || !il__self.loop->current)
		return server_thread_stop(thread);
	rc = il_scope_enter(&scope, IL_FOREVER, IL_SHIELD);
	return rc < 0 ? rc : il_scope_exit(&scope, server_thread_stop(thread));
}
