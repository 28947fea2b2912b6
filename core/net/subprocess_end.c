/*
 * subprocess_end.c: the end of a child process: waiting for it, hastening it, and giving back what it took.
 * The descriptor that tells it is watched only while somebody waits, so that a host's loop ends by
 * itself. Who waits lies in a list, each on its own stack; the first who looks reaps. Loop's thread only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "subprocess.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

struct waiter {
	struct il__list link;
	il_task *task;
	il_process *process;
};

static int check(const il_process *p, const char *function)
{
	if (!p)
		return il__refuse(-EINVAL, "%s: the process is NULL", function);
	if (!p->loop)
		return il__refuse(-ESHUTDOWN, "%s: the process's loop was closed", function);
	return il__loop_check_thread(p->loop, function);
}

/* ---- being told ---- */

static void reap(il_process *p)
{
	int status = 0, rc = il__os_child_reap(&p->child, &status);
	struct il__list *node;

	p->ended = true;
	p->result = rc < 0                ? rc
		    : WIFSIGNALED(status) ? IL_PROCESS_SIGNALED + WTERMSIG(status)
					  : WEXITSTATUS(status);
	if (p->loop)
		il__source_watch(p->loop, &p->source, 0);
	while ((node = il__list_pop(&p->waiters)))
		il__task_wake(il__container_of(node, struct waiter, link)->task, p->result);
}

static void on_ready(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)loop;
	(void)mask;
	reap(il__container_of(source, il_process, source));
}

/* The loop is closed: nobody waits any more. */
static void orphan(struct il__fd_owner *owner)
{
	il_process *p = il__container_of(owner, il_process, owner);

	p->loop = NULL;
}

int il__subprocess_watch(il_process *p, il_loop *loop)
{
	struct il__fd *table;
	int rc;

	il__fd_renew(loop, p->child.fd);
	rc = il__fd_get(loop, p->child.fd, &table);
	if (rc < 0)
		return rc;
	p->loop = loop;
	p->generation = il__generation;
	p->source.watch.fd = p->child.fd;
	p->source.ready = on_ready;
	p->owner.orphan = orphan;
	il__list_init(&p->waiters);
	il__fd_adopt(loop, &p->owner);
	return 0;
}

static bool has_ended(il_process *p)
{
	if (!p->ended && il__os_child_ended(&p->child, false))
		reap(p);
	return p->ended;
}

/* ---- waiting ---- */

static void leave(il_process *p, struct waiter *w)
{
	il__list_remove(&w->link);
	if (il__list_empty(&p->waiters))
		il__source_watch(p->loop, &p->source, 0);
}

static bool give_up(il_task *task, void *arg)
{
	struct waiter *w = arg;

	(void)task;
	leave(w->process, w);
	return true;
}

/* Once woken, p may be gone. */
static int wait_for_end(il_process *p, il_task *task, il__abort_fn *abort, const char *function)
{
	struct waiter w = {.task = task, .process = p};
	int rc = il__source_watch(p->loop, &p->source, IL_READABLE);

	if (rc < 0)
		return il__refuse(rc, "%s: the native loop refused to watch the child", function);
	il__list_push(&p->waiters, &w.link);
	task->loop->fd_waiters++;
	rc = il__task_park(task, abort, &w, function);
	task->loop->fd_waiters--;
	return rc;
}

int il_process_wait(il_process *process)
{
	int rc = check(process, "il_process_wait");
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__task_current("il_process_wait", &rc);
	if (!task)
		return has_ended(process) ? process->result : rc;
	rc = il__task_check(task);
	if (rc < 0)
		return rc;
	if (!has_ended(process))
		return wait_for_end(process, task, give_up, "il_process_wait");
	rc = process->result;
	il__task_yield(task);
	return rc;
}

int il_process_returncode(il_process *process)
{
	int rc = check(process, "il_process_returncode");

	if (rc < 0)
		return rc;
	return has_ended(process) ? process->result : -EAGAIN;
}

/* ---- signals ---- */

static int send_signal(il_process *p, int number)
{
	int rc;

	if (p->ended)
		return 0;
	rc = il__os_process_signal(p->child.handle, p->child.pid, number);
	return rc == -ESRCH ? 0 : rc; /* somebody else has reaped it */
}

static int check_and_send(il_process *p, int number, const char *function)
{
	int rc = check(p, function);

	if (rc < 0)
		return rc;
	rc = number < 1 ? -EINVAL : send_signal(p, number);
	return rc < 0 ? il__refuse(rc, "%s: signal %d: %s", function, number, il_strerror(rc)) : 0;
}

int il_process_send_signal(il_process *process, int number)
{
	return check_and_send(process, number, "il_process_send_signal");
}

int il_process_terminate(il_process *process)
{
	return check_and_send(process, SIGTERM, "il_process_terminate");
}

int il_process_kill(il_process *process)
{
	return check_and_send(process, SIGKILL, "il_process_kill");
}

/* ---- the end ---- */

/* In a task it lets others run meanwhile. Negative: it may not be killed. */
static int end(il_process *p, il_task *task)
{
	int rc = has_ended(p) ? 0 : send_signal(p, SIGKILL);

	if (rc < 0)
		return rc;
	if (!p->ended && task)
		wait_for_end(p, task, NULL, "il_process_close");
	if (!p->ended && il__os_child_ended(&p->child, true))
		reap(p);
	return 0;
}

int il_process_close(il_process *process)
{
	int rc = check(process, "il_process_close"), error;
	il_task *task;

	if (rc < 0)
		return rc;
	task = il__task_current("il_process_close", &rc);
	if (!task && !has_ended(process))
		return rc;
	il__subprocess_close_pipes(process);
	rc = il_process_wait(process);
	if (rc >= 0 || rc == -ECHILD)
		return rc;
	error = end(process, task);
	return error < 0 ? il__refuse(error, "il_process_close: process %d cannot be killed: %s",
				      (int)process->child.pid, il_strerror(error))
			 : rc;
}

/* Somebody else's by now, such as root's: it goes on without us. */
static void abandon(il_process *p, int rc)
{
	struct il__list *node;

	il__log(IL_LOG_WARNING, "il_process_destroy: process %d cannot be killed: %s",
		(int)p->child.pid, il_strerror(rc));
	if (p->loop)
		il__source_watch(p->loop, &p->source, 0);
	while ((node = il__list_pop(&p->waiters)))
		il__task_wake(il__container_of(node, struct waiter, link)->task, -EBADF);
}

/* The loop's task that destroys, if it is one. */
static il_task *check_destroy(const il_process *p)
{
	if (!p->loop)
		return NULL;
	if (il__loop_check_thread(p->loop, "il_process_destroy") < 0)
		il__fatal("il_process_destroy: called in another thread than its loop's");
	return il__self.no_wait ? NULL : p->loop->current;
}

void il_process_destroy(il_process *process)
{
	int rc;

	if (!process)
		return;
	if (il__inherited(process->generation)) {
		process->child.threaded = false; /* it is the parent's child, and thread */
	} else {
		il_task *task = check_destroy(process);
		il__subprocess_close_pipes(process);
		rc = end(process, task);
		if (rc < 0)
			abandon(process, rc);
	}
	if (process->loop)
		il__list_remove(&process->owner.link);
	for (int i = 0; i < 3; i++)
		il_stream_destroy(process->pipes[i]);
	il__os_child_close(&process->child);
	free(process);
}
