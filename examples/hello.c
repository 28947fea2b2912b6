/*
 * hello.c: the first handler. A server that greets whoever sends a name, a line each.
 *
 *     hello 4711 &        printf 'world\n' | nc -N 127.0.0.1 4711
 */
#include <interloop.h>
#include <stdio.h>
#include <string.h>

static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet name;
	int rc = il_client_receive(client, &name, IL_FOREVER); /* parks this task, not the loop */
	if (rc <= 0)
		return rc; /* 0: the client is gone */
	char text[80] = "hello ";
	size_t size = name.size < 64 ? name.size : 64;
	memcpy(text + 6, name.data, size);
	return il_client_send(client, text, 6 + size);
}

static int serve(void *port)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", port, il_protocol_lines(), &handler, NULL,
				    &(il_server_options){.limits = IL_LIMITS_PUBLIC});
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
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		printf("usage: hello [PORT]\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	/* NULL: the loop that $INTERLOOP_BACKEND names, or the first one that is on the machine. */
	const il_backend *backend = il_backend_find(NULL); /* or "libuv", "libev", "libevent" */
	int rc = il_run(backend, serve, argc > 1 ? argv[1] : "4711");
	if (rc == -EINTR) {
		printf("stopped by SIGINT\n");
		return 0;
	}
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
