/*
 * server_run.c: a round of serving, from il_server_serve to its return. One task, main, sets up, waits, and
 * takes everything down in reverse order; others only change the server's state and poke it.
 * Invariant: when the round is over no task, descriptor or scope of it is left. Loop's thread only.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/report.h"
#include "../runtime/context.h"
#include "../runtime/loop.h"
#include "../runtime/scope.h"
#include "../runtime/task.h"
#include "../sync/event.h"
#include "../sync/queue.h"
#include "client.h"
#include "endpoint.h"
#include "exit_stack.h"
#include "server.h"
#include "server_tasks.h"
#include "stop_signals.h"
#include "udp.h"

#include <interloop/fd.h>

/* ---- the clients' part of a round ---- */

static bool is_over(const il_server *s)
{
	return s->stopping || (s->closed && !s->client_count && !s->accepting);
}

/* Clients in the middle of something may finish it; who is idle, or comes to be, is closed. */
static int grant_grace(il_server *s)
{
	il_time deadline = il__deadline_from(il__loop_now(s->loop), s->options.grace_period);
	int rc = 0;

	s->rules.ending = true;
	il__list_each (node, &s->clients) {
		il_client *c = il__container_of(node, il_client, link);
		if (c->idle)
			il__client_shut(c);
	}
	while (rc == 0 && s->served.count && !s->hurried)
		rc = il__server_wait(s, false, deadline);
	return rc == -ETIMEDOUT ? 0 : rc;
}

static int serve_clients(il_server *s)
{
	int rc;

	il__server_tasks_open(&s->served, s, s->main->scope);
	s->phase = IL__SERVER_UP;
	rc = il__endpoints_accept(s);
	if (rc == 0 && s->udp)
		rc = il__udp_start(s->udp);
	if (rc == 0 && s->options.is_up)
		rc = il_event_set(s->options.is_up);
	if (rc == 0 && s->on_up)
		s->on_up(s->on_up_arg);
	while (rc == 0 && !is_over(s))
		rc = il__server_wait(s, false, IL_FOREVER);
	il__endpoints_rest(s);
	if (rc == 0 && s->stopping && s->options.grace_period)
		rc = grant_grace(s);
	if (rc < 0)
		il__server_stop(s);
	il__server_tasks_close(&s->served);
	s->phase = IL__SERVER_ENDING;
	if (rc >= 0)
		return il__refuse_again(s->accept_rc, s->accept_why);
	il__free(s->accept_why);
	return rc;
}

/* ---- a round ---- */

static int open_endpoints(il_server *s)
{
	il__list_each (node, &s->endpoints) {
		int rc = il__endpoint_open(il__container_of(node, struct il__endpoint, link));
		if (rc < 0)
			return rc;
	}
	return s->udp ? il__udp_open(s->udp) : 0;
}

static int server_set_up(il_server *s, il_exit_stack *stack)
{
	int rc = open_endpoints(s);

	if (rc >= 0 && s->handler.service_init && !s->closed && !s->stopping)
		IL__GUARDED(rc = s->handler.service_init(stack, s, s->data));
	if (s->closed && (rc >= 0 || rc == -ECANCELED))
		return il__refuse(-EBADF,
				  "il_server_serve: the server was closed while it was set up");
	return rc;
}

/* Waits for nothing. */
static void end_what_runs(il_server *s)
{
	il__server_stop(s);
	if (s->phase != IL__SERVER_UP)
		il_scope_cancel_because(&s->scope, "the server was shut down");
}

/* The handlers of the signals are there, so a server that does not wait for them could only be killed: it tries again. */
static int wait_for_signal(int fd)
{
	bool told = false;
	int rc = il_wait_readable(fd);

	while (rc < 0 && rc != -ECANCELED) {
		if (!told)
			il__log(IL_LOG_WARNING,
				"il_server_serve: stop_at_signals: %s; trying again each 0.1 s",
				il__system_words(rc));
		told = true;
		rc = il__server_pause();
		if (rc == 0)
			rc = il_wait_readable(fd);
	}
	return rc;
}

static int stop_at_signals(void *server)
{
	il_server *s = server;
	int rc;

	il_task_set_name("stop_at_signals");
	rc = wait_for_signal(s->stop_signals.first);

	if (rc < 0)
		return rc;
	il__stop_signals_heed();
	end_what_runs(s);
	rc = wait_for_signal(s->stop_signals.second);
	if (rc == 0) {
		s->hurried = true;
		il__server_poke(s);
	}
	return rc;
}

static void on_task_ended(il_task *task, int rc)
{
	(void)rc;
	il__server_tasks_left(task->base->owner);
}

/* Outside of the round's scope, which the end cancels before the exit stack is closed: that may take long, too. */
static int watch_signals(il_server *s)
{
	int rc;

	il__server_tasks_open(&s->watching, s, il__scope_of(&s->scope)->parent);
	if (!s->options.stop_at_signals)
		return 0;
	rc = il__stop_signals_join(&s->stop_signals);
	return rc < 0 ? rc
		      : il__server_tasks_start(&s->watching, NULL, stop_at_signals, s,
					       on_task_ended, &s->watching);
}

static int run_round(il_server *s)
{
	il_exit_stack stack;
	int rc;

	il__exit_stack_init(&stack, s->loop);
	il__server_tasks_open(&s->own, s, il__scope_of(&s->scope));
	s->own_open = true;
	rc = watch_signals(s);
	if (rc >= 0)
		rc = server_set_up(s, &stack);
	if (rc >= 0 && !s->stopping)
		rc = serve_clients(s);
	s->phase = IL__SERVER_ENDING;
	il__endpoints_rest(s);
	if (s->udp)
		il__udp_close(s->udp);
	s->own_open = false;
	il__server_tasks_close(&s->own);
	if (rc < 0 || s->stopping)
		il__scope_cancel(il__scope_of(&s->scope), "the server ended");
	rc = il__exit_stack_close(&stack, rc);
	il__server_tasks_close(&s->watching);
	il__stop_signals_leave(&s->stop_signals);
	return rc;
}

static void end_round(il_server *s)
{
	il__server_log_left_out(s);
	s->phase = IL__SERVER_IDLE;
	s->main = NULL;
	il__queue_wake_all(&s->shutdowns, 0);
}

int il_server_serve(il_server *server)
{
	int rc = il__server_check(server, "il_server_serve");
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__task_current("il_server_serve", &rc);
	if (!task)
		return rc;
	if (server->phase != IL__SERVER_IDLE)
		return il__refuse(-EBUSY, "il_server_serve: the server serves already");
	if (server->closed)
		return il__refuse(-EBADF, "il_server_serve: the server is closed");
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	il__context_choose(); /* the handler's functions may have been loaded since */
	server->scope = (il_scope)IL_SCOPE_INIT;
	rc = il_scope_enter(&server->scope, IL_FOREVER, 0);
	if (rc < 0)
		return rc;
	server->main = task;
	server->phase = IL__SERVER_SETTING_UP;
	server->stopping = server->hurried = server->rules.ending = false;
	il__event_clear(server->stop);
	server->accept_rc = 0;
	server->accept_why = NULL;
	rc = run_round(server);
	if (il_scope_exit(&server->scope, 0) == -EALREADY)
		il__fatal(
		    "il_server_serve: service_init left a scope or group open; hand groups to "
		    "il_exit_stack_group");
	if (rc > 0 || (rc == -ECANCELED && server->stopping && !il__task_cancelled(task)))
		rc = 0;
	end_round(server);
	return rc;
}

/* ---- from outside ---- */

/* One of the server's own tasks cannot wait for the server's end. */
static bool is_inside(const il_server *s, const il_task *task)
{
	for (const struct il__cancel_scope *scope = task->scope; scope; scope = scope->parent)
		if ((const void *)scope == (const void *)&s->scope)
			return true;
	return false;
}

static void shutdown_tell(struct il__report *r, const il_task *task)
{
	const il_server *s = task->waiter.arg;

	il__report(r, "the round's end; %zu clients", s->client_count);
}

static const struct il__wait shutdown_wait = {"il_server_shutdown", shutdown_tell};

int il_server_shutdown(il_server *server)
{
	int rc = il__server_check(server, "il_server_shutdown");
	il_task *task;

	if (rc < 0 || server->phase == IL__SERVER_IDLE)
		return rc;
	end_what_runs(server);
	task = il__task_here();
	if (!task || is_inside(server, task))
		return 0;
	rc = il__task_check(task);
	return rc < 0 ? rc : il__queue_wait(&server->shutdowns, task, server, &shutdown_wait);
}

/* ---- tasks of the server ---- */

static void on_unwatched_ended(il_task *task, int rc)
{
	if (rc < 0 && !il__task_was_cancelled(task, rc))
		il__log(IL_LOG_ERROR, "a task of il_server_start_soon%s%s failed: %s (%s)",
			task->base->name[0] ? ", " : "", task->base->name, il_error_name(rc),
			il_strerror(rc));
	il__server_tasks_left(task->base->owner);
}

int il_server_start_soon(il_server *server, il_future **f, il_fn *fn, void *arg)
{
	int rc = il__server_check(server, "il_server_start_soon");

	if (rc < 0)
		return rc;
	if (!fn)
		return il__refuse(-EINVAL, "il_server_start_soon: fn is NULL");
	if (!server->own_open)
		return il__refuse(-ESHUTDOWN, "il_server_start_soon: the server does not serve");
	return il__server_tasks_start(&server->own, f, fn, arg,
				      f ? on_task_ended : on_unwatched_ended, &server->own);
}
