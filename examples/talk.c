/*
 * talk.c: one function on both sides of a connection. A server's handler calls it, and so does a
 * task that has connected: an il_client is the same thing at both ends.
 */
#include "example.h"

#include <stdio.h>

/* [talk] */
/* Both say who they are and hear who the other one is; then who has nothing more to say leaves. */
static int talk(il_client *client)
{
	const char *me = il_client_data(client);
	il_packet line;
	int rc = il_client_printf(client, "I am %s", me);
	if (rc == 0)
		rc = il_client_shutdown_write(client);
	while (rc >= 0 && (rc = il_client_receive(client, &line, IL_SEC(10))) == 1)
		printf("%s hears: %.*s\n", me, (int)line.size, (const char *)line.data);
	return rc;
}
/* [talk] */

/* [sides] */
static int handle(il_client *client, void *data)
{
	il_client_set_data(client, data);
	return talk(client);
}

static int visit(void *arg)
{
	il_server *server = arg;
	il_client *client;
	char port[8];
	snprintf(port, sizeof(port), "%u", il_server_port(server));
	int rc = il_client_connect_tcp(&client, "127.0.0.1", port, il_protocol_lines(), NULL);
	if (rc == 0) {
		il_client_set_data(client, "the guest");
		rc = talk(client);
		il_client_destroy(client);
	}
	il_server_close(server); /* it serves whoever is still there */
	return rc;
}
/* [sides] */

static int serve_one(void *arg)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	(void)arg;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &handler,
				    "the host", NULL);
	return rc < 0 ? rc : example_serve_beside(server, visit);
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, serve_one, NULL);
}
