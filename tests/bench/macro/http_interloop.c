/*
 * http_interloop.c BACKEND PORT: answers every HTTP request with six bytes, as the others of this folder do. What comes is
 * looked through for ends of heads, and nothing else.
 */
#define _GNU_SOURCE /* memmem */
#include <interloop.h>

#include <string.h>

static const char reply[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";

static int handle(il_client *client, void *data)
{
	il_packet bytes;
	int rc = il_client_receive(client, &bytes, IL_FOREVER);
	(void)data;
	if (rc <= 0)
		return rc;
	for (const char *at = bytes.data, *end = at + bytes.size; rc == 0 || rc == 1; at += 4) {
		at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		if (!at)
			return 0;
		rc = il_client_send(client, reply, sizeof(reply) - 1);
	}
	return rc;
}

static int serve(void *port)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", port, il_protocol_bytes(), &handler, NULL,
				    &(il_server_options){.quiet = true});
	if (rc < 0)
		return rc;
	rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

int main(int argc, char **argv)
{
	return argc == 3 ? il_run(il_backend_find(argv[1]), serve, argv[2]) < 0 : 2;
}
