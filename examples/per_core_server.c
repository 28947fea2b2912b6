/*
 * per_core_server.c: a server that uses all cores: several loops, each in a thread of its own, with a
 * server and a listening socket on the same port; the system spreads the clients over them. A request
 * is a line, and the answer is the same line.
 *
 *     per_core_server --loops 4 --port 4711 &      printf 'hello\n' | nc -N 127.0.0.1 4711
 */
#include "example.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { LOOPS_MAX = 256 };

/* [core] */
struct core { /* what belongs to one loop, and so needs no lock */
	il_server_thread *thread;
	const char *port;
	size_t clients; /* for the main thread when the loop has ended */
};
/* [core] */

/* [handlers] */
static int on_connection(il_client *client, void *data)
{
	struct core *core = data;
	(void)client;
	core->clients++;
	return 0;
}

static int handle(il_client *client, void *data)
{
	(void)data;
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_send(client, "too long", 8);
	return rc <= 0 ? rc : il_client_send(client, line.data, line.size);
}
/* [handlers] */

/* [open] */
static int open_server(il_server **server, void *arg) /* in the thread of its loop */
{
	static const struct il_handler handler = {.on_connection = on_connection, .handle = handle};
	struct core *core = arg;
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC, .reuse_port = true, .grace_period = IL_SEC(1)};
	return il_tcp_server_open(server, "127.0.0.1", core->port, il_protocol_lines(), &handler,
				  core, &options);
}
/* [open] */

/* [run] */
static int run_until_signal(const il_backend *backend, struct core *cores, int count,
			    const char *port, const sigset_t *signals)
{
	char number[8];
	int started = 0, signal = 0, rc = 0;
	for (; started < count; started++) {
		struct core *core = &cores[started];
		core->port = port;
		rc = il_server_thread_start(&core->thread, backend, NULL, open_server, core);
		if (rc < 0)
			break;
		snprintf(number, sizeof(number), "%u", il_server_thread_port(core->thread));
		port = number; /* the first one may have chosen it */
	}
	if (rc == 0) {
		printf("listening on port %s\n", port);
		sigwait(signals, &signal);
		printf("stopped by %s\n", signal == SIGTERM ? "SIGTERM" : "SIGINT");
	}
	for (int i = 0; i < started; i++) {
		int ended = il_server_thread_stop(cores[i].thread);
		rc = rc < 0 ? rc : ended;
		printf("loop %d served %zu clients\n", i, cores[i].clients);
	}
	return rc;
}
/* [run] */

/* [main] */
int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER] [--loops COUNT]");
	const il_backend *backend = example_backend(argc, argv);
	long count = example_number(argc, argv, "--loops", 0, LOOPS_MAX); /* 0: one for each core */
	if (count == 0)
		count = il_processor_count();
	if (count > LOOPS_MAX)
		count = LOOPS_MAX;
	sigset_t signals; /* blocked before the first thread starts, so that sigwait has them */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	static struct core cores[LOOPS_MAX];
	return example_exit(run_until_signal(backend, cores, (int)count,
					     example_option(argc, argv, "--port", "0"), &signals));
}
/* [main] */
