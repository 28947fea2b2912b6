/*
 * hello.c: the first handler. A server that greets whoever sends a name, a line each.
 *
 *     hello --backend libuv --port 4711 &        printf 'world\n' | nc -N 127.0.0.1 4711
 */
#include "example.h"

#include <stdio.h>

/* [handler] */
static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet name;
	int rc = il_client_receive(client, &name, IL_SEC(60)); /* parks this task, not the loop */
	if (rc <= 0)
		return rc; /* 0: the client is gone */
	char text[128];
	int size =
	    snprintf(text, sizeof(text), "hello %.*s", (int)name.size, (const char *)name.data);
	if (size >= (int)sizeof(text))
		size = (int)sizeof(text) - 1;
	return il_client_send(client, text, (size_t)size);
}
/* [handler] */

/* [serve] */
static int serve(void *arg)
{
	const struct il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_lines(), &handler, NULL,
				    NULL);
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	rc = il_server_serve(server); /* one task a client, until Ctrl-C */
	il_server_destroy(server);
	return rc;
}
/* [serve] */

/* [main] */
int main(int argc, char **argv)
{
	const il_backend *backend = example_backend(argc, argv); /* il_backend_find("libuv"), ... */
	char *port = (char *)example_option(argc, argv, "--port", "0");
	return example_exit(il_run(backend, serve, port));
}
/* [main] */
