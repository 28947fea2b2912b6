/*
 * server_tasks.h: tasks that a server waits for. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_SERVER_TASKS_H
#define IL_CORE_SERVER_SERVER_TASKS_H

#include "../runtime/scope.h"
#include "../runtime/task.h"

#include <interloop/server.h>

struct il__server_tasks {
	struct il__cancel_scope scope; /* theirs; entered by nobody */
	size_t count;
	il_server *server;
};

void il__server_tasks_open(struct il__server_tasks *tasks, il_server *server,
			   struct il__cancel_scope *parent);
/* Starts a task in the scope. `ended` must call il__server_tasks_left. */
int il__server_tasks_start(struct il__server_tasks *tasks, il_future **f, il_fn *fn, void *arg,
			   void (*ended)(il_task *task, int rc), void *owner);
void il__server_tasks_left(struct il__server_tasks *tasks);
/* Cancels and joins them, in the server's main task. */
void il__server_tasks_close(struct il__server_tasks *tasks);

#endif
