/*
 * greeter.c: the handler that the attach examples add to their application's loop. It knows no
 * loop.
 */
#include "greeter.h"

#include <interloop.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* [handler] */
static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet name;
	char text[128];
	int rc = il_client_receive(client, &name, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_send(client, "too long", 8); /* and the next line, please */
	if (rc <= 0)
		return rc;
	rc = il_sleep(IL_MSEC(1)); /* on the application's loop: it goes on meanwhile */
	if (rc < 0)
		return rc;
	size_t size = name.size < 100 ? name.size : 100;
	memcpy(text, "hello ", 6);
	memcpy(text + 6, name.data, size);
	return il_client_send(client, text, 6 + size);
}

int greeter_serve(void *arg)
{
	const struct il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_lines(), &handler, NULL,
				    &(il_server_options){.limits = IL_LIMITS_PUBLIC});
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	rc = il_server_serve(server);
	printf("the server has ended: %s\n", il_error_name(rc));
	il_server_destroy(server);
	return rc;
}
/* [handler] */
