/*
 * hello.c: the first handler. A server that greets whoever sends a name, a line each.
 *
 *     hello 4711 &        printf 'world\n' | nc -N 127.0.0.1 4711
 */
#include <interloop.h>
#include <stdio.h>

static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet name;
	int rc = il_client_receive(client, &name, IL_FOREVER); /* parks this task, not the loop */
	if (rc <= 0)
		return rc; /* 0: the client is gone */
	char text[80];
	int size = snprintf(text, sizeof(text), "hello %.64s", (const char *)name.data);
	return il_client_send(client, text, (size_t)size);
}

static int serve(void *port)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", port, il_protocol_lines(), &handler, NULL,
				    NULL);
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	fflush(stdout);
	rc = il_server_serve(server); /* one task a client, until Ctrl-C */
	il_server_destroy(server);
	return rc;
}

int main(int argc, char **argv)
{
	/* NULL: the loop that $INTERLOOP_BACKEND names, or the first one that is on the machine. */
	const il_backend *backend = il_backend_find(NULL); /* or "libuv", "libev", "libevent" */
	int rc = il_run(backend, serve, argc > 1 ? argv[1] : "4711");
	if (rc == -EINTR) {
		printf("stopped by SIGINT\n");
		return 0;
	}
	fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return 1;
}
