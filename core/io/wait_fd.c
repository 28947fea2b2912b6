/*
 * wait_fd.c: waiting for any descriptor that a foreign library gives. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "fd.h"

static int wait_registered(struct il__fd_wait *w, const char *function)
{
	int rc = il__fd_wait(w, IL_FOREVER, function);

	return rc < 0 ? rc : (int)w->got;
}

static int wait_fd(int number, unsigned mask, const char *function)
{
	int rc;
	struct il__fd_wait w = {.task = il__task_current(function, &rc), .asked = mask};

	if (!w.task)
		return rc;
	if (!mask || mask & ~(unsigned)(IL_READABLE | IL_WRITABLE | IL_PRIORITY))
		return il__refuse(-EINVAL,
				  "%s: the mask is %#x, it must be IL_READABLE, IL_WRITABLE, "
				  "IL_PRIORITY or several of them",
				  function, mask);
	rc = il__task_check(w.task);
	if (rc < 0)
		return rc;
	w.fd = il__fd_find(w.task->loop, number);
	if (w.fd && il__fd_asked(w.fd) & mask)
		return il__refuse(
		    -EBUSY,
		    "%s: another task waits for descriptor %d, or it is watched for a "
		    "callback: one a direction",
		    function, number);
	if (w.fd && w.fd->stays && !w.fd->owned && !(mask & ~w.fd->source.watch.mask))
		return wait_registered(&w, function);
	rc = number < 0 ? -EBADF : il__fd_poll(number, mask);
	if (rc == -EBADF)
		return il__refuse(rc, "%s: %d is not an open descriptor", function, number);
	if (rc > 0)
		il__task_yield(w.task);
	if (rc == 0)
		rc = il__fd_get(w.task->loop, number, &w.fd);
	if (rc)
		return rc;
	w.fd->foreign = !w.fd->owned;
	if (mask & IL_PRIORITY)
		return il__fd_wait_urgent(w.task, w.fd, mask, function);
	return wait_registered(&w, function);
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
	struct il__fd *known;
	il_loop *loop;
	int rc = il__loop_here(&loop, "il_notify_closing");

	if (rc < 0)
		return rc;
	known = il__fd_find(loop, fd);
	if (known)
		il__fd_forget(known, -ECANCELED);
	return 0;
}
