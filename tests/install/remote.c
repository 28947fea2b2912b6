/*
 * remote.c: with MODULE what the installed interloop-worker loads; without it a program that calls a function there:
 *
 *     remote          prints a port that is free
 *     remote SERVER   the result must be right
 */
#include <interloop/function.h>
#include <interloop/remote.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int square(void *arg)
{
	int *n = arg;

	*n *= *n;
	return 7;
}

static void __attribute__((constructor)) register_functions(void)
{
	if (il_function_register("install.square", square) < 0)
		abort();
}

#ifndef MODULE
/* Below those that the system gives to connections: none of these takes it before the server does. */
static int print_port(void)
{
	enum { FIRST = 10000, COUNT = 20000 };
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < COUNT; i++) {
		const int port = FIRST + (getpid() * 16 + i) % COUNT;
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		a.sin_port = htons((unsigned short)port);
		if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0) {
			printf("%d\n", port);
			return 0;
		}
		close(fd);
	}
	return 1;
}

int main(int argc, char **argv)
{
	const char *servers[1];
	il_remote_pool_options o = {.servers = servers, .server_count = 1};
	il_executor *ex;
	int n = 12, rc;

	if (argc < 2)
		return print_port();
	servers[0] = argv[1];
	rc = il_remote_pool_create(&ex, &o);
	if (rc == 0) {
		rc = il_executor_run(ex, square, &n, sizeof n);
		il_executor_destroy(ex);
	}
	if (rc == 7 && n == 144)
		return 0;
	fprintf(stderr, "%s: %s; %d\n", il_error_name(rc), il_error_detail(), n);
	return 1;
}
#endif
