/*
 * libev.c: the server of interloop.c in callbacks of libev. libev has watchers only: sockets, buffers, the thread and
 * the way back are the program's own.
 */
#include "primes.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* [handler] */
struct client {
	ev_io readable;
	ev_async worked; /* sent by the thread */
	int fd, number, primes;
	char line[64];
	size_t size;
};

static void free_client(struct ev_loop *loop, struct client *c)
{
	ev_io_stop(loop, &c->readable);
	ev_async_stop(loop, &c->worked);
	close(c->fd);
	free(c);
}

struct job {
	struct ev_loop *loop;
	struct client *client;
};

static void *in_thread(void *arg)
{
	struct job job = *(struct job *)arg;
	free(arg);
	job.client->primes = count_primes(job.client->number);
	ev_async_send(job.loop, &job.client->worked);
	return NULL;
}

static int start_thread(struct ev_loop *loop, struct client *c)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;
	if (!job)
		return -1;
	*job = (struct job){.loop = loop, .client = c};
	if (pthread_create(&thread, NULL, in_thread, job) != 0) {
		free(job);
		return -1;
	}
	return pthread_detach(thread);
}

/* The next whole line goes to a thread; without one, read on. */
static void next_line(struct ev_loop *loop, struct client *c)
{
	char *end = memchr(c->line, '\n', c->size);
	if (!end && c->size == sizeof(c->line)) {
		free_client(loop, c);
	} else if (!end) {
		ev_io_start(loop, &c->readable);
	} else {
		ev_io_stop(loop, &c->readable); /* while the thread works the client must not go */
		*end++ = '\0';
		c->number = atoi(c->line);
		c->size -= (size_t)(end - c->line);
		memmove(c->line, end, c->size);
		if (start_thread(loop, c) != 0)
			free_client(loop, c);
	}
}

static void on_worked(struct ev_loop *loop, ev_async *worked, int events)
{
	struct client *c = worked->data;
	char reply[16];
	int n = snprintf(reply, sizeof(reply), "%d\n", c->primes);
	(void)events;
	/* a reader that is too slow is given up: to wait for it takes a second watcher */
	if (send(c->fd, reply, (size_t)n, MSG_NOSIGNAL) != n)
		free_client(loop, c);
	else
		next_line(loop, c);
}

static void on_readable(struct ev_loop *loop, ev_io *readable, int events)
{
	struct client *c = readable->data;
	ssize_t n = recv(c->fd, c->line + c->size, sizeof(c->line) - c->size, 0);
	(void)events;
	if (n > 0) {
		c->size += (size_t)n;
		next_line(loop, c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		free_client(loop, c);
	}
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
	int fd = accept(listener->fd, NULL, NULL);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	(void)events;
	if (!c) {
		if (fd >= 0)
			close(fd);
		return;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	c->fd = fd;
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_async_init(&c->worked, on_worked);
	c->readable.data = c->worked.data = c;
	ev_async_start(loop, &c->worked);
	next_line(loop, c);
}
/* [handler] */

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
	socklen_t size = sizeof(address);
	struct ev_loop *loop = ev_default_loop(0);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ev_io accepting;
	if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 128) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
		perror("libev");
		return 1;
	}
	ev_io_init(&accepting, on_connection, listener, EV_READ);
	ev_io_start(loop, &accepting);
	printf("listening on port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	ev_run(loop, 0);
	return 0;
}
