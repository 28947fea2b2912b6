/*
 * tutorial_server.c: the service of docs/tutorial.md on a TCP port.
 *
 *     server [PORT] &        printf '100\n' | nc -N 127.0.0.1 4711
 */
#include "tutorial_service.h"
#include "usage.h"

/* [main] */
static int run(void *arg)
{
	struct service service = {.log = stderr};
	il_server *server;
	int rc =
	    il_tcp_server_open(&server, "127.0.0.1", arg, il_protocol_lines(), &service_handler,
			       &service, &(il_server_options){.limits = IL_LIMITS_PUBLIC});
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	fflush(stdout);
	rc = service_serve(&service, server);
	il_server_destroy(server);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "[PORT]");
	int rc = il_run(il_backend_find(NULL), run, argc > 1 ? argv[1] : "4711");
	if (rc == -EINTR) {
		printf("stopped by SIGINT\n");
		return 0;
	}
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
/* [main] */
