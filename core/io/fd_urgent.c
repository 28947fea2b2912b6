/*
 * fd_urgent.c: a task that waits for urgent data (POLLPRI), and perhaps for other directions too. Native loops know
 * nothing of it, so a descriptor of our own is made that is readable when there is some. While the task waits it is
 * the descriptor's callback, which is never called: so there is one such task, and it learns of a close. Loop's
 * thread only.
 */
#include "../base/error.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../runtime/task.h"
#include "fd.h"

#include <unistd.h>

static bool urgent_give_up(il_task *task, void *arg)
{
	struct il__fd_wait *waits = arg;

	(void)task;
	il__fd_end(&waits[0]);
	il__fd_end(&waits[1]);
	return true;
}

struct urgent {
	struct il__fd_callback
	    callback; /* of the descriptor: so it has one who waits for urgent data */
	struct il__fd_wait waits[2]; /* for urgent data, and for the other directions */
	struct il__fd *fd;
	int lost; /* why it is the descriptor's callback no more; 0: it is */
};

/* Nobody is called: `called` stays 0. */
static void urgent_lost(struct il__fd_callback *callback, int rc)
{
	struct urgent *u = il__container_of(callback, struct urgent, callback);

	u->lost = rc;
	urgent_give_up(NULL, u->waits);
	il__task_wake(u->waits[0].task, rc);
}

static void urgent_tell(struct il__report *r, const il_task *task)
{
	const struct il__fd_wait *w = task->waiter.arg;
	const struct urgent *u = il__container_of(w, const struct urgent, waits[0]);

	il__report(r, "urgent data of ");
	il__fd_tell(r, u->fd, w[1].asked | IL_READABLE);
}

static int urgent_park(struct urgent *u, unsigned mask, const char *function)
{
	il_task *task = u->waits[0].task;
	int rc = il__fd_begin(&u->waits[0]);

	u->waits[1] = (struct il__fd_wait){
	    .task = task, .fd = u->fd, .asked = mask & (IL_READABLE | IL_WRITABLE)};
	if (rc == 0 && u->waits[1].asked)
		rc = il__fd_begin(&u->waits[1]);
	if (rc == 0) {
		const struct il__wait wait = {function, urgent_tell};
		rc = il__task_park(task, urgent_give_up, u->waits, &wait);
	}
	urgent_give_up(NULL, u->waits);
	for (int i = 0; i < 2; i++)
		if (u->waits[i].fd)
			u->waits[i].fd->woken &= (unsigned char)~u->waits[i].asked;
	return rc;
}

/* What is ready is asked anew, for only one of the two may have told. */
static int urgent_wait(il_task *task, struct il__fd *fd, int private, unsigned mask,
		       const char *function)
{
	struct urgent u = {.callback = {.lost = urgent_lost}, .fd = fd};
	int rc, number = fd->number;

	if (fd->callback)
		return il__refuse(
		    -EBUSY,
		    "%s: another task waits for urgent data of descriptor %d, or it is "
		    "watched for a callback",
		    function, number);
	u.waits[0] = (struct il__fd_wait){.task = task, .asked = IL_READABLE};
	il__fd_renew(task->loop, private);
	rc = il__fd_get(task->loop, private, &u.waits[0].fd);
	if (rc < 0)
		return rc;
	fd->callback = &u.callback;
	do {
		rc = urgent_park(&u, mask, function);
		if (rc == 0)
			rc = u.lost ? il__no_words(u.lost) : il__fd_poll(number, mask);
		if (rc == 0 && il__task_cancelled(task)) /* since it was woken */
			rc = -ECANCELED;
	} while (rc == 0);
	if (!u.lost)
		fd->callback = NULL;
	return rc;
}

int il__fd_wait_urgent(il_task *task, struct il__fd *fd, unsigned mask, const char *function)
{
	int private = il__os_urgent_open(fd->number), rc;

	if (private < 0)
		return il__refuse(private, "%s: IL_PRIORITY of descriptor %d: %s", function,
				  fd->number, il__system_words(private));
	rc = urgent_wait(task, fd, private, mask, function);
	close(private);
	return rc;
}
