/*
 * interloop.c: a server that answers each line, a number, with how many primes there are up to it.
 * The others in this folder are the same program without interloop.
 */
#include "primes.h"

#include <interloop.h>

#include <stdio.h>
#include <stdlib.h>

static int count(void *arg) /* blocks: it runs in a worker thread */
{
	int *number = arg;
	*number = count_primes(*number);
	return 0;
}

/* [handler] */
static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc <= 0)
		return rc; /* 0: the client is gone */
	int number = atoi(line.data);
	rc = il_run_in_thread(count, &number); /* other clients are served meanwhile */
	return rc < 0 ? rc : il_client_printf(client, "%d", number);
}
/* [handler] */

static int serve(void *port)
{
	const il_handler handler = {.handle = handle};
	il_server *server;
	int rc = il_tcp_server_open(
	    &server, "127.0.0.1", port, il_protocol_lines(), &handler, NULL,
	    &(il_server_options){.limits = IL_LIMITS_PUBLIC, .stop_at_signals = true});
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	fflush(stdout);
	rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = il_run(il_backend_find(NULL), serve, argc > 1 ? argv[1] : "0");
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
