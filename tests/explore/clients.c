/*
 * clients.c: whom a server has, and by when it gets rid of them. A visit knows since when each limit of the server's options counts,
 * as server.h says it, and what ends later than that is noted. In the task of the client's handler.
 */
#include "explore.h"

struct visit {
	il_time connected;
	il_time waits; /* since when for the packet that has not come; IL_FOREVER: nobody does */
	il_time begun; /* since when a part of it is there; IL_FOREVER: nothing is */
	bool first;    /* it is the first one */
};

static il_local visiting = IL_LOCAL_INIT;

/* ---- its life ---- */

int explore_connected(il_client *client, void *data)
{
	struct explore_clients *clients = data;
	struct visit *v = malloc(sizeof *v);

	(void)client;
	if (!v)
		abort();
	*v = (struct visit){
	    .connected = il_now(), .waits = IL_FOREVER, .begun = IL_FOREVER, .first = true};
	MUST_DO(il_local_set(&visiting, v));
	clients->connected++;
	return 0;
}

void explore_disconnected(il_client *client, void *data)
{
	struct explore_clients *clients = data;

	(void)client;
	free(il_local_get(&visiting));
	clients->disconnected++;
}

int explore_check_clients(const struct explore_clients *clients)
{
	MUST(clients->connected == clients->disconnected);
	if (clients->late)
		return il_fail(-EBADMSG, "a wait for a client has ended later than %s says",
			       clients->late);
	return 0;
}

/* ---- the limits ---- */

void explore_note_late(struct explore_clients *clients, il_time since, il_time limit,
		       const char *name)
{
	if (limit && limit != IL_FOREVER && since != IL_FOREVER && il_now() > since + limit)
		clients->late = name;
}

static struct visit *begin_wait(void)
{
	struct visit *v = il_local_get(&visiting);

	if (v->waits == IL_FOREVER)
		v->waits = il_now();
	return v;
}

static void end_wait(struct explore_clients *clients, const struct visit *v)
{
	static const il_server_options none = {0};
	const il_server_options *o = clients->limits ? clients->limits : &none;

	explore_note_late(clients, v->first ? v->connected : IL_FOREVER, o->first_request_timeout,
			  "first_request_timeout");
	explore_note_late(clients, v->waits, o->idle_timeout, "idle_timeout");
	explore_note_late(clients, v->begun, o->request_timeout, "request_timeout");
}

static int find_line(const il_protocol *protocol, il_parse *parse)
{
	struct visit *v = il_local_get(&visiting);
	int rc = il_protocol_lines()->find(protocol, parse);

	if (rc != 0)
		v->begun = IL_FOREVER;
	else if (v->begun == IL_FOREVER)
		v->begun = il_now();
	return rc;
}

il_protocol explore_lines(void)
{
	il_protocol lines = *il_protocol_lines();

	lines.find = find_line;
	return lines;
}

/* ---- waiting ---- */

int explore_select(il_client *client, void *data, il_time timeout)
{
	struct visit *v = begin_wait();
	il_case c = il_case_client(client);
	const il_time since = il_now();
	int rc = il_select(&c, 1, timeout);

	end_wait(data, v);
	explore_note_late(data, since, timeout, "the timeout of il_select");
	return rc;
}

int explore_receive(il_client *client, void *data, il_packet *packet, il_time timeout)
{
	struct visit *v = begin_wait();
	const il_time since = il_now();
	int rc = il_client_receive(client, packet, timeout);

	end_wait(data, v);
	explore_note_late(data, since, timeout, "the timeout of il_client_receive");
	if (rc == 1) {
		v->waits = IL_FOREVER;
		v->first = false;
	}
	return rc;
}

int explore_send(il_client *client, void *data, const void *bytes, size_t size)
{
	const struct explore_clients *clients = data;
	const il_time since = il_now();
	int rc = il_client_send(client, bytes, size);

	if (clients->limits)
		explore_note_late(data, since, clients->limits->send_timeout, "send_timeout");
	return rc;
}
