/*
 * pthreads.c: the server of interloop.c with a thread for each client.
 */
#include "primes.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* [handler] */
static void *handle(void *arg)
{
	FILE *client = arg;
	char line[64];
	while (fgets(line, sizeof(line), client)) { /* no time limit: a silent client stays */
		if (dprintf(fileno(client), "%d\n", count_primes(atoi(line))) < 0)
			break;
	}
	fclose(client);
	return NULL;
}

static void serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		FILE *client = fdopen(fd, "r");
		pthread_t thread;
		if (!client || pthread_create(&thread, NULL, handle, client) != 0) {
			close(fd);
			continue;
		}
		pthread_detach(thread); /* nobody knows when it ends: no clean stop */
	}
}
/* [handler] */

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 128) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
		perror("pthreads");
		return 1;
	}
	printf("listening on port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	serve(listener);
}
