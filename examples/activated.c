/*
 * activated.c: a server whose socket somebody else has made: a service manager (systemd's socket activation), or this
 * very program before it was started anew. Without one it makes its own.
 *
 *     activated [--backend NAME] [--port NUMBER]
 *     systemd-socket-activate -l 4711 activated
 *
 * SIGHUP starts it anew, from a new file if it was replaced: the next process gets the socket, and this one finishes its
 * clients. No connect is lost.
 */
#define _GNU_SOURCE /* pipe2 */

#include "example.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char **program;

static int restart_on_hangup(void *server);

/* [init] */
static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack;
	(void)data;
	return il_server_start_soon(server, NULL, restart_on_hangup, server);
}
/* [init] */

static int handle(il_client *client, void *data)
{
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	(void)data;
	return rc <= 0 ? rc
		       : il_client_printf(client, "%d says: %.*s", (int)getpid(), (int)line.size,
					  (const char *)line.data);
}

/* [open] */
/* The sockets that were handed over, or else one of our own. */
static int open_server(il_server **server, const char *port)
{
	const il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {.limits = IL_LIMITS_PUBLIC}; /* nobody stays forever */
	int fds[8], count = il_listen_fds(fds, 8, true);
	if (count == 0)
		return il_tcp_server_open(server, "127.0.0.1", port, il_protocol_lines(), &handler,
					  NULL, &options);
	int rc = il_server_open(server, il_protocol_lines(), &handler, NULL, &options);
	if (rc < 0)
		return rc;
	for (int i = 0; i < count && i < 8 && rc == 0; i++)
		rc = il_server_add_fd(*server, fds[i]);
	if (rc < 0)
		il_server_destroy(*server);
	return rc;
}
/* [open] */

/* [restart] */
/* In the child: it becomes the next process, with the socket as its number 3; or `failed` gets the error. */
static void become_next(int socket, int failed)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	failed = fcntl(failed, F_DUPFD_CLOEXEC, 4); /* which is not 3 */
	if (dup2(socket, 3) == 3 && fcntl(3, F_SETFD, 0) == 0)
		execvp(program[0], program);
	(void)!write(failed, &errno, sizeof(errno));
	_exit(127);
}

/* 0: the next process runs the program. That closes its end of the pipe. */
static int start_next(int socket)
{
	int failed[2], error;
	if (pipe2(failed, O_CLOEXEC) < 0)
		return -errno;
	pid_t next = fork();
	if (next == 0)
		become_next(socket, failed[1]);
	int rc = next < 0 ? -errno : 0;
	close(failed[1]);
	if (rc == 0)
		rc = il_wait_readable(failed[0]);
	if (rc == 0 && read(failed[0], &error, sizeof(error)) > 0)
		rc = -error;
	close(failed[0]);
	return rc;
}

/* The next process comes up with the socket; this one stops accepting, and ends with its last client. */
static int restart_on_hangup(void *server)
{
	il_signal_receiver *signals;
	int rc = il_signal_receiver_open(&signals, (const int[]){SIGHUP}, 1);
	if (rc < 0)
		return rc;
	while ((rc = il_signal_receiver_next(signals, IL_FOREVER)) >= 0) {
		rc = start_next(il_server_fd(server, 0));
		if (rc == 0)
			break;
		fprintf(stderr, "the next process does not start: %s\n", il_error_name(rc));
	}
	il_signal_receiver_destroy(signals);
	return rc < 0 ? rc : il_server_close(server);
}
/* [restart] */

static int serve(void *port)
{
	il_server *server;
	int rc = open_server(&server, port);
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	program = argv;
	example_options(argc, argv, "[--backend NAME] [--port NUMBER]");
	return example_main(argc, argv, serve, (char *)example_option(argc, argv, "--port", "0"));
}
