/*
 * client_open.c: clients that are not a server's: packets over a stream of one's own, or over a connection made
 * here. Such a client has its own rules and no task: whoever has it receives and sends. Invariant: after a
 * failure there is no client, and no stream that was not the caller's. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../io/stream.h"
#include "../runtime/loop.h"
#include "client.h"

/* A client in the making. */
struct opening {
	const char *function, *host;
	bool connects;
	il_client_options options;
	il_time deadline; /* of the layer, too */
	struct il__client_rules *rules;
};

static int client_check_options(const il_client_options *o, const char *function)
{
	if (o->send_timeout < 0 || o->idle_timeout < 0 || o->connect.timeout < 0 ||
	    o->connect.attempt_delay < 0)
		return il__refuse(-EINVAL, "%s: a time of the options is negative", function);
	if (o->side != IL_SIDE_CLIENT && o->side != IL_SIDE_SERVER)
		return il__refuse(-EINVAL,
				  "%s: side is %d, expected IL_SIDE_CLIENT or IL_SIDE_SERVER",
				  function, (int)o->side);
	return 0;
}

/* What may be wrong is found before anything is done. */
static int client_open_begin(struct opening *o, il_client **client, const il_protocol *protocol,
			     const il_client_options *options)
{
	struct il__client_rules rules;
	int rc;

	if (!client)
		return il__refuse(-EINVAL, "%s: NULL where the client is to be stored",
				  o->function);
	*client = NULL;
	o->options = options ? *options : (il_client_options){.max_packet = 0};
	rc = client_check_options(&o->options, o->function);
	if (o->connects)
		o->options.side = IL_SIDE_CLIENT;
	if (rc == 0 && o->options.connect.layer)
		rc = il__client_check_layer(o->options.connect.layer,
					    o->options.side == IL_SIDE_SERVER, o->function);
	if (rc == 0)
		rc = il__client_rules_init(&rules, protocol, o->options.max_packet,
					   o->options.receive_buffer, o->function);
	if (rc < 0)
		return rc;
	rules.quiet = true;
	if (o->options.idle_timeout)
		rules.idle_timeout = o->options.idle_timeout;
	if (o->options.send_timeout)
		rules.send_timeout = o->options.send_timeout;
	o->rules = il__malloc(sizeof rules);
	if (!o->rules)
		return il__refuse(-ENOMEM, "%s: out of memory", o->function);
	*o->rules = rules;
	o->deadline =
	    il_deadline(o->options.connect.timeout ? o->options.connect.timeout : IL_FOREVER);
	if (o->options.host)
		o->host = o->options.host;
	return 0;
}

/* The stream is the client's, or, after a failure, still the caller's. */
static int client_open_end(struct opening *o, il_client **client, il_stream *stream)
{
	char address[IL_ADDRESS_TEXT_MAX] = "";
	const struct il_layer *layer = o->options.connect.layer;
	il_address peer;
	il_client *c;
	int rc = 0;

	if (il_stream_peer_address(stream, &peer) == 0)
		il_address_text(&peer, address, sizeof address);
	c = il__client_create(il_loop_current(), o->rules, stream, address[0] ? address : "unnamed",
			      o->host);
	if (!c)
		return il__refuse(-ENOMEM, "%s: out of memory", o->function);
	c->accepted = o->options.side == IL_SIDE_SERVER;
	if (layer)
		rc = il__client_put_layer(c, layer, o->deadline, o->function);
	if (rc < 0) {
		il__client_discard(c);
		return rc;
	}
	c->connected_here = true;
	*client = c;
	return 0;
}

int il_client_open(il_client **client, il_stream *stream, const il_protocol *protocol,
		   const il_client_options *options)
{
	struct opening o = {.function = "il_client_open"};
	int rc = client_open_begin(&o, client, protocol, options);

	if (rc < 0)
		return rc;
	rc = il__stream_check_free(stream, o.function);
	if (rc == 0 && o.options.connect.layer)
		il__task_current(o.function, &rc); /* it waits */
	if (rc == 0)
		rc = client_open_end(&o, client, stream);
	if (rc < 0)
		il__free(o.rules);
	return rc;
}

/* The stream is ours until it is a client's. */
static int client_connected(struct opening *o, il_client **client, il_stream *stream, int rc)
{
	if (rc == 0) {
		rc = client_open_end(o, client, stream);
		if (rc < 0)
			il_stream_destroy(stream);
	}
	if (rc < 0)
		il__free(o->rules);
	return rc;
}

int il_client_connect_tcp(il_client **client, const char *host, const char *port,
			  const il_protocol *protocol, const il_client_options *options)
{
	struct opening o = {.function = "il_client_connect_tcp",
			    .host = host ? host : "localhost",
			    .connects = true};
	il_connect_options connect;
	il_stream *stream = NULL;
	int rc = client_open_begin(&o, client, protocol, options);

	if (rc < 0)
		return rc;
	connect = o.options.connect;
	connect.layer = NULL; /* `host` may be another one */
	rc = il_stream_connect_tcp(&stream, host, port, &connect);
	return client_connected(&o, client, stream, rc);
}

/* ---- Unix sockets ---- */

struct dialing {
	il_stream **stream;
	const char *path;
};

static int client_dial(void *arg)
{
	const struct dialing *d = arg;

	return il_stream_connect_unix(d->stream, d->path);
}

static int client_dial_in_time(struct dialing *d, il_time timeout)
{
	int rc = il_fail_after(timeout, client_dial, d);

	if (rc == -ETIMEDOUT)
		il__refuse(rc,
			   "il_client_connect_unix: %s: no connection in time; its backlog is full",
			   d->path);
	return rc;
}

int il_client_connect_unix(il_client **client, const char *path, const il_protocol *protocol,
			   const il_client_options *options)
{
	struct opening o = {.function = "il_client_connect_unix", .connects = true};
	il_stream *stream = NULL;
	struct dialing dialing = {.stream = &stream, .path = path};
	int rc = client_open_begin(&o, client, protocol, options);

	if (rc < 0)
		return rc;
	rc = o.options.connect.timeout ? client_dial_in_time(&dialing, o.options.connect.timeout)
				       : client_dial(&dialing);
	return client_connected(&o, client, stream, rc);
}
