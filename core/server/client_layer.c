/*
 * client_layer.c: a layer on a client's stream: a server's or a connection's, before the first packet, or one that
 * both ends have agreed on in their dialogue (STARTTLS). Invariant: a client whose layer fails is closed, so that
 * nothing goes on in the clear; and what was received before a layer is never taken for a packet of it. Loop's
 * thread only, in a task.
 */
#include "../base/error.h"
#include "../io/layer.h"
#include "../runtime/task.h"
#include "client.h"

int il__client_check_layer(const struct il_layer *layer, bool accepts, const char *function)
{
	if (!layer)
		return il__refuse(-EINVAL, "%s: the layer is NULL", function);
	if (accepts ? !layer->accept : !layer->connect)
		return il__refuse(-EINVAL, "%s: the layer has no function %s", function,
				  accepts ? "accept" : "connect");
	return 0;
}

/* A layer may wait for anything, so a close of the client cancels it. */
static int layer_begin(il_client *c, const struct il_layer *layer, il_time deadline)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, deadline, IL_FAIL_AT_DEADLINE);

	if (rc < 0)
		return rc;
	c->layering = &scope;
	rc = il__task_check(il__task_here()); /* the layer may not wait */
	if (rc == 0)
		rc = c->accepted ? il__layer_accept(&c->stream, layer)
				 : il__layer_connect(&c->stream, layer, c->host, IL_FOREVER);
	c->layering = NULL;
	rc = il_scope_exit(&scope, rc);
	if (il_scope_caught(&scope))
		il__forget_refusal(); /* the caller says what has not begun in time */
	return rc;
}

int il__client_put_layer(il_client *c, const struct il_layer *layer, il_time deadline,
			 const char *function)
{
	int rc = layer_begin(c, layer, deadline);

	if (rc == -ETIMEDOUT && !il__has_refused(rc))
		rc =
		    il__refuse(rc, "%s: %s: the layer did not begin in time", function, c->address);
	if (c->closed && rc != -ECANCELED) /* whatever the layer has made of that */
		rc = il__refuse(-EBADF, "%s: the client was closed meanwhile", function);
	if (rc < 0)
		il__client_shut(c);
	return rc;
}

/* ---- in the middle of a dialogue ---- */

static int layer_may_start(const il_client *c, const struct il_layer *layer, const char *function)
{
	int rc = il__client_check_layer(layer, c->accepted, function);

	if (rc < 0)
		return rc;
	if (c->ops)
		return il__refuse(-EINVAL, "%s: a peer of a datagram server has no layers",
				  function);
	if (il__client_is_closed(c))
		return il__refuse(-EBADF, "%s: the client is closed", function);
	if (c->receiving || c->sending)
		return il__refuse(-EBUSY, "%s: another task %s this client", function,
				  c->receiving ? "receives from" : "sends to");
	return 0;
}

/* Whoever is between the two ends may have put them there: they are not the layer's, and no packet. */
static bool has_bytes_beyond(const il_client *c)
{
	return c->begin + c->packet < c->end ||
	       (c->has_sent_packet && il_stream_buffered(c->stream));
}

static void begin_anew(il_client *c)
{
	c->mark = NULL;
	c->begin = c->end = c->packet = 0;
	c->parse.scanned = 0;
	memset(c->parse.state, 0, sizeof c->parse.state);
	c->asking = c->ended = false;
	c->waited = 0;
}

int il_client_start_layer(il_client *client, const struct il_layer *layer)
{
	static const char function[] = "il_client_start_layer";
	int rc = il__client_enter(client, function);

	if (rc < 0)
		return rc;
	if (!il__task_current(function, &rc))
		return rc;
	rc = layer_may_start(client, layer, function);
	if (rc < 0)
		return rc;
	client->refs++;
	client->receiving = client->sending = true;
	if (has_bytes_beyond(client)) {
		il__client_shut(client);
		rc = il__refuse(-EPROTO,
				"%s: bytes of %s came before the layer, beyond the last packet",
				function, client->address);
	} else {
		rc = il__client_put_layer(client, layer, IL_FOREVER, function);
	}
	if (rc < 0 && rc != -ENOMEM)
		client->failure =
		    rc; /* the peer's doing: a handler that returns it is not logged */
	begin_anew(client);
	client->receiving = false;
	il__client_release(client);
	il_client_unref(client);
	return rc;
}
