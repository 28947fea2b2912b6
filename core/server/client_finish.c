/*
 * client_finish.c: the end of sending, and a polite close: the peer sees that nothing more comes, and what it
 * still sends is taken and dropped until it closes too. Invariant: a finish ends in a close, whatever happens.
 * The buffer is left alone, so the packet given last stays valid. Loop's thread only.
 */
#include "../base/error.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "client.h"

/* The end of sending is not to be in the clear either. */
static int shut_after_layer(il_client *c)
{
	int rc;

	c->refs++;
	rc = il__client_acquire(c);
	if (rc == 0) {
		if (!il__client_is_closed(c))
			rc = il_stream_shutdown_write(c->stream);
		il__client_release(c);
	}
	il_client_unref(c);
	return rc == -EBADF ? 0 : rc;
}

int il_client_shutdown_write(il_client *client)
{
	static const char function[] = "il_client_shutdown_write";
	int rc = il__client_enter(client, function);

	if (rc < 0 || il__client_is_closed(client))
		return rc;
	if (client->ops)
		return il__refuse(-ENOTSUP, "%s: datagrams have no end", function);
	if (client->layering)
		return shut_after_layer(client);
	if (il__stream_is_shut(client->stream))
		return 0;
	if (client->sending)
		return il__refuse(-EBUSY, "%s: another task sends to this client; let it end",
				  function);
	return il_stream_shutdown_write(client->stream);
}

static int take_leave(void *arg)
{
	il_client *c = arg;
	char scrap[2048];
	int rc = il__client_acquire(c);

	if (rc == 0) {
		rc = il__stream_flush(c->stream, IL_FOREVER, "il_client_finish");
		if (rc == 0)
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
	if (client->receiving)
		return il__refuse(-EBUSY,
				  "il_client_finish: another task receives from this client");
	if (!il__task_here() && (timeout == 0 || client->ops || il__client_is_closed(client)))
		return il_client_close(client);
	task = il__task_current("il_client_finish", &rc);
	if (!task)
		return rc;
	client->refs++;
	client->receiving = client->end_reported = true;
	rc = il__task_check(task);
	if (rc == 0 && !client->ops && !il__client_is_closed(client))
		rc = il_move_on_after(timeout, take_leave, client);
	client->receiving = false;
	il_client_close(client);
	il_client_unref(client);
	return rc;
}
