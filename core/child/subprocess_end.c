/*
 * subprocess_end.c: the end of a child process: waiting for it, hastening it, and giving back what it took.
 * The descriptor that tells it is watched only while somebody waits, so that a host's loop ends by
 * itself. Who waits is in a queue; the first who looks reaps. Loop's thread only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os_process.h"
#include "../base/report.h"
#include "../io/fd.h"
#include "../io/stream.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/signal_handler.h"
#include "../runtime/source.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/case.h"
#include "../sync/queue.h"
#include "subprocess.h"

#include <sys/ioctl.h>

struct waiter {
	il_task *task;
	il_process *process;
	int hastened; /* by a cancelled close: -ECANCELED: killed; else why it could not be */
	struct il__wait wait;
};

static int process_check(const il_process *p, const char *function)
{
	if (!p)
		return il__refuse(-EINVAL, "%s: the process is NULL", function);
	if (!p->loop)
		return il__refuse(-ESHUTDOWN, "%s: the process's loop was closed", function);
	return il__loop_check_thread(p->loop, function);
}

static void close_streams(il_process *p)
{
	for (int i = 0; i < IL__SUBPROCESS_STREAMS; i++)
		if (p->streams[i])
			il_stream_close(p->streams[i]);
}

/* ---- being told ---- */

static void process_reap(il_process *p)
{
	siginfo_t info = {0};
	int rc = p->kill_group ? il__os_child_look(&p->child, &info) : -ECHILD;

	p->held = rc == 0;
	if (!p->held)
		rc = il__os_child_reap(&p->child, &info);
	p->ended = true;
	p->result = rc < 0                       ? rc
		    : info.si_code == CLD_EXITED ? info.si_status & 0xff
						 : IL_PROCESS_SIGNALED + info.si_status;
	if (p->loop)
		il__source_watch(p->loop, &p->source, 0);
	il__queue_wake_all(&p->waiters, p->result);
}

static void process_on_ready(struct il__source *source, il_loop *loop, unsigned mask)
{
	(void)loop;
	(void)mask;
	process_reap(il__container_of(source, il_process, source));
}

/* The loop is closed: nobody waits any more. */
static void process_orphan(struct il__fd_owner *owner)
{
	il_process *p = il__container_of(owner, il_process, owner);

	p->loop = NULL;
}

void il__subprocess_watch(il_process *p, il_loop *loop)
{
	il__fd_renew(loop, p->child.fd);
	p->loop = loop;
	p->generation = il__generation;
	p->source.watch.fd = p->child.fd;
	p->source.ready = process_on_ready;
	p->owner.orphan = process_orphan;
	il__list_init(&p->waiters);
	il__fd_adopt(loop, &p->owner);
}

static bool has_ended(il_process *p)
{
	if (!p->ended && il__os_child_ended(&p->child, false))
		process_reap(p);
	return p->ended;
}

/* Says why the status is lost. Not of the process: who has waited may find it freed. */
static int process_status(int result, const char *function)
{
	return result == -ECHILD
		   ? il__refuse(result,
				"%s: the child has ended, but its status is lost: somebody else "
				"has reaped it, or SIGCHLD is ignored",
				function)
		   : result;
}

/* ---- waiting ---- */

static void process_leave_queue(il_process *p, struct il__waiter *w)
{
	il__list_remove(&w->link);
	if (il__list_empty(&p->waiters))
		il__source_watch(p->loop, &p->source, 0);
}

static bool process_give_up(il_task *task, void *arg)
{
	const struct waiter *w = arg;

	process_leave_queue(w->process, &task->waiter);
	return true;
}

/* To be told of the end. */
static int process_watch(il_process *p, const char *function)
{
	int rc = il__source_watch(p->loop, &p->source, IL_READABLE);

	if (rc < 0)
		il__refuse(rc, "%s: the native loop refused to watch the child: %s", function,
			   il__system_words(rc));
	return rc;
}

/* What may keep it from ending. */
static void process_tell_streams(struct il__report *r, const il_process *p)
{
	static const char *const names[] = {"stdin", "stdout", "stderr", "terminal"};

	for (int i = 0; i < IL__SUBPROCESS_STREAMS; i++) {
		const il_stream *s = p->streams[i];
		int unread = 0;

		if (!s || il__stream_is_closed(s))
			continue;
		if (i == 0)
			il__report(r, "; its stdin is open");
		else if (ioctl(il_stream_fd(s), FIONREAD, &unread) == 0 && unread > 0)
			il__report(r, "; %d bytes of its %s are not read", unread, names[i]);
	}
}

static void process_tell(struct il__report *r, const il_process *p)
{
	char name[16] = "";

	if (!p->ended)
		il__os_process_name(p->child.pid, name);
	il__report(r, "the end of child %ld%s%s%s", (long)p->child.pid, *name ? " (" : "", name,
		   *name ? ")" : "");
	if (!p->ended)
		process_tell_streams(r, p);
}

static void process_tell_wait(struct il__report *r, const il_task *task)
{
	process_tell(r, il__container_of(task->base->wait, const struct waiter, wait)->process);
}

/* Once woken, the process may be gone. */
static int wait_for_end(struct waiter *w, il__abort_fn *abort, const char *function)
{
	il_process *p = w->process;
	int rc = process_watch(p, function);

	if (rc < 0)
		return rc;
	il__list_push(&p->waiters, &w->task->waiter.link);
	il__owe(&w->task->loop->ledger, IL__OWED_EVENT);
	w->wait = (struct il__wait){function, process_tell_wait};
	rc = il__task_park(w->task, abort, w, &w->wait);
	il__paid(&w->task->loop->ledger, IL__OWED_EVENT);
	if (rc == -EBADF)
		return il__refuse(rc,
				  "%s: the process was destroyed meanwhile, and could not be "
				  "killed: how it ends stays unknown",
				  function);
	return rc;
}

int il_process_wait(il_process *process)
{
	struct waiter w = {.process = process};
	int rc = process_check(process, "il_process_wait");

	if (rc < 0)
		return rc;
	w.task = il__task_current("il_process_wait", &rc);
	if (!w.task)
		return has_ended(process) ? process_status(process->result, "il_process_wait") : rc;
	rc = il__task_check(w.task);
	if (rc < 0)
		return rc;
	if (!has_ended(process)) {
		rc = wait_for_end(&w, process_give_up, "il_process_wait");
	} else {
		rc = process->result;
		il__task_yield(w.task);
	}
	return process_status(rc, "il_process_wait");
}

int il_process_returncode(il_process *process)
{
	int rc = process_check(process, "il_process_returncode");

	if (rc < 0)
		return rc;
	if (!has_ended(process))
		return il__refuse(-EAGAIN, "il_process_returncode: the child runs");
	return process_status(process->result, "il_process_returncode");
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

/* With kill_group to all of its group, which may live longer; the number is the group's while the child is not
 * reaped. */
static int send_to_all(il_process *p, int number)
{
	if (!p->kill_group)
		return send_signal(p, number);
	if (has_ended(p) && !p->held)
		return 0;
	return kill(-p->child.pid, number) < 0 && errno != ESRCH ? -errno : 0;
}

static int check_and_send(il_process *p, int number, int (*send)(il_process *p, int number),
			  const char *function)
{
	int rc = process_check(p, function);

	if (rc < 0)
		return rc;
	rc = number < 1 || number >= NSIG ? -EINVAL : send(p, number);
	return rc < 0 ? il__refuse(rc, "%s: signal %d: %s", function, number, il__system_words(rc))
		      : 0;
}

int il_process_send_signal(il_process *process, int number)
{
	return check_and_send(process, number, send_signal, "il_process_send_signal");
}

int il_process_terminate(il_process *process)
{
	return check_and_send(process, SIGTERM, send_to_all, "il_process_terminate");
}

int il_process_kill(il_process *process)
{
	return check_and_send(process, SIGKILL, send_to_all, "il_process_kill");
}

/* ---- the end ---- */

/* In a task it lets others run meanwhile, and then p may be gone. Negative: it may not be killed. */
static int process_end(il_process *p, il_task *task)
{
	struct waiter w = {.task = task, .process = p};
	int rc = has_ended(p) ? 0 : send_to_all(p, SIGKILL);

	if (rc < 0 || p->ended)
		return p->ended ? 0 : rc;
	if (task && il__source_watch(p->loop, &p->source, IL_READABLE) == 0)
		wait_for_end(&w, NULL, "il_process_close");
	else if (il__os_child_ended(&p->child, true))
		process_reap(p);
	return 0;
}

/* Of a close. It goes on waiting for what it has killed: who destroys that may run before it does. Nor does it leave
 * the queue if the child has ended, for then it has been woken: what may not be killed is the rest of the group. */
static bool process_hasten(il_task *task, void *arg)
{
	struct waiter *w = arg;
	int rc = send_to_all(w->process, SIGKILL);

	w->hastened = rc < 0 && !w->process->ended ? rc : -ECANCELED;
	return w->hastened != -ECANCELED && process_give_up(task, w);
}

int il_process_close(il_process *process)
{
	struct waiter w = {.process = process};
	int rc = process_check(process, "il_process_close"), pid;

	if (rc < 0)
		return rc;
	w.task = il__task_current("il_process_close", &rc);
	if (!w.task && !has_ended(process))
		return rc;
	close_streams(process);
	if (process->kill_group && w.task && il__task_cancelled(w.task))
		send_to_all(process, SIGKILL);
	if (has_ended(process))
		return process_status(il_process_wait(process), "il_process_close");
	pid = (int)process->child.pid;
	if (!il__task_cancelled(w.task))
		rc = wait_for_end(&w, process_hasten, "il_process_close");
	else if ((w.hastened = process_end(process, w.task)) == 0)
		w.hastened = -ECANCELED;
	if (w.hastened == 0)
		return process_status(rc, "il_process_close");
	if (w.hastened != -ECANCELED)
		return il__refuse(w.hastened, "il_process_close: process %d cannot be killed: %s",
				  pid, il__system_words(w.hastened));
	il__task_cancelled(w.task); /* it tells why */
	return -ECANCELED;
}

/* Somebody else's by now, such as root's: it goes on without us. */
static void process_abandon(il_process *p, int rc)
{
	il__log(IL_LOG_WARNING,
		"il_process_destroy: process %d cannot be killed: %s; it goes on, and will be a "
		"zombie when it ends",
		(int)p->child.pid, il__system_words(rc));
	if (p->loop)
		il__source_watch(p->loop, &p->source, 0);
	il__queue_wake_all(&p->waiters, -EBADF);
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
		close_streams(process);
		rc = process_end(process, task);
		if (rc < 0)
			process_abandon(process, rc);
		if (process->held)
			il__os_child_reap(&process->child, &(siginfo_t){0});
		if (process->loop)
			il__list_remove(&process->owner.link);
	}
	for (int i = 0; i < IL__SUBPROCESS_STREAMS; i++)
		il_stream_destroy(process->streams[i]);
	il__os_child_close(&process->child);
	if (process->source.watch.mask) /* in a child: of a host's loop, until that is detached */
		return;
	il__free(process);
}

/* ---- in a select ---- */

struct process_case {
	struct il__case base;
	bool owed;
};

il__case_fits(struct process_case);

static struct process_case *process_case_of(il_case *c)
{
	return (struct process_case *)(void *)il__case_inside(c);
}

static int process_case_check(il_case *c, il_task *task)
{
	(void)task;
	return process_check(c->object, "il_select");
}

static int process_case_take(il_case *c, il_task *task)
{
	il_process *p = c->object;

	(void)task;
	if (!has_ended(p))
		return 0;
	c->rc = p->result;
	return 1;
}

static int process_case_enqueue(il_case *c, il_task *task)
{
	il_process *p = c->object;
	struct process_case *w = process_case_of(c);
	int rc = process_watch(p, "il_select");

	w->owed = rc == 0;
	if (rc < 0)
		return rc;
	il__case_join(c, &p->waiters, NULL);
	il__owe(&task->loop->ledger, IL__OWED_EVENT);
	return 0;
}

static void process_case_dequeue(il_case *c, il_task *task)
{
	struct process_case *w = process_case_of(c);

	if (!w->owed)
		return;
	w->owed = false;
	process_leave_queue(c->object, &w->base.waiter);
	il__paid(&task->loop->ledger, IL__OWED_EVENT);
}

static void process_case_tell(struct il__report *r, il_case *c)
{
	process_tell(r, c->object);
}

static const struct il__case_ops process_case = {
    .tell = process_case_tell,
    .check = process_case_check,
    .take = process_case_take,
    .enqueue = process_case_enqueue,
    .dequeue = process_case_dequeue,
};

il_case il_case_process(il_process *process)
{
	return il__case(&process_case, process);
}
