/*
 * client_finish.c: a polite close. The client sees that nothing more comes, and what it still sends is
 * taken and dropped until it closes too. Invariant: once begun it ends in a close, whatever happens. The
 * buffer is left alone, so the packet given last stays valid. Loop's thread only, in a task.
 */
#include "../base/error.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "client.h"

static int take_leave(void *arg)
{
	il_client *c = arg;
	char scrap[2048];
	int rc = il__client_acquire(c);

	if (rc == 0) {
		rc = il_stream_shutdown_write(c->stream);
		il__client_release(c);
	}
	if (rc == 0)
		do
			rc = il__stream_read(c->stream, scrap, sizeof scrap, IL_FOREVER,
					     "il_client_finish");
		while (rc > 0);
	return rc == -ECANCELED ? rc : 0; /* anything else: it is gone */
}

int il_client_finish(il_client *client, il_time timeout)
{
	int rc = il__client_enter(client, "il_client_finish");
	il_task *task;

	if (rc < 0)
		return rc;
	if (timeout < 0)
		return il__refuse(-EINVAL, "il_client_finish: the timeout is negative");
	task = il__task_current("il_client_finish", &rc);
	if (!task)
		return rc;
	if (client->receiving)
		return il__refuse(-EBUSY,
				  "il_client_finish: another task receives from this client");
	client->refs++;
	client->receiving = client->end_reported = true;
	rc = il__task_check(task);
	if (rc == 0 && !il__client_is_closed(client))
		rc = il_move_on_after(timeout, take_leave, client);
	client->receiving = false;
	il_client_close(client);
	il_client_unref(client);
	return rc;
}
