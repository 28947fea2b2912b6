/*
 * server_tasks.c: tasks that belong to a server, not to the task that started them. They live in a scope
 * that nobody has entered, so they may be cancelled by themselves, and are counted, so that
 * il_server_serve can wait for the last one. Loop's thread only.
 */
#include "server_tasks.h"
#include "../runtime/future.h"
#include "../runtime/local.h"
#include "../runtime/scope.h"
#include "../runtime/task.h"
#include "server.h"

void il__server_tasks_open(struct il__server_tasks *tasks, il_server *server,
			   struct il__cancel_scope *parent)
{
	tasks->count = 0;
	tasks->server = server;
	il__scope_init_root(&tasks->scope, server->loop, parent);
}

int il__server_tasks_start(struct il__server_tasks *tasks, il_future **f, il_fn *fn, void *arg,
			   void (*ended)(il_task *task, int rc), void *owner)
{
	const il_server *s = tasks->server;
	const struct il__task_setup options = {
	    .scope = &tasks->scope,
	    .ended = ended,
	    .owner = owner,
	    /* A client's are main's, whoever starts it: it may be where no task runs. */
	    .locals = tasks == &s->served ? s->main->base->locals : il__locals_current(),
	};
	il_loop *loop = s->loop;
	int rc = 0;

	if (f)
		rc = il__future_task(loop, f, fn, arg, &options);
	else if (!il__task_spawn(loop, fn, arg, &options))
		rc = -ENOMEM;
	if (rc == 0)
		tasks->count++;
	return rc;
}

void il__server_tasks_left(struct il__server_tasks *tasks)
{
	tasks->count--;
	il__server_poke(tasks->server);
}

void il__server_tasks_close(struct il__server_tasks *tasks)
{
	il__scope_cancel(&tasks->scope, "the server ended");
	while (tasks->count)
		il__server_wait(tasks->server, true, IL_FOREVER);
	il__scope_fini_root(&tasks->scope);
}
