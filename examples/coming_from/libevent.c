/*
 * libevent.c: the server of interloop.c in callbacks of libevent, with a thread for the work. (libevent has no pool: a
 * thread for each line is the short form.)
 */
#include "primes.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* [handler] */
enum { MOST = 64 }; /* bytes of a line */

struct client {
	struct bufferevent *stream;
	struct event *worked; /* activated by the thread */
	int number, primes;
	int working, ended, gone;
};

static void free_client(struct client *c)
{
	c->gone = 1;
	if (c->working)
		return; /* its thread still uses it */
	event_free(c->worked);
	bufferevent_free(c->stream);
	free(c);
}

static void *in_thread(void *arg)
{
	struct client *c = arg;
	c->primes = count_primes(c->number);
	event_active(c->worked, 0, 0); /* needs evthread_use_pthreads() */
	return NULL;
}

/* The next whole line goes to a thread. */
static void on_read(struct bufferevent *stream, void *arg)
{
	struct client *c = arg;
	struct evbuffer *input = bufferevent_get_input(stream);
	pthread_t thread;
	if (c->working)
		return;
	char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
	if (!line) {
		if (evbuffer_get_length(input) >= MOST) /* it would be too long */
			free_client(c);
		return;
	}
	c->number = atoi(line);
	free(line);
	c->working = pthread_create(&thread, NULL, in_thread, c) == 0;
	if (c->working)
		pthread_detach(thread);
	else
		free_client(c);
}

/* A client that has ended gets the answers that it waits for; what is no whole line by then is none. */
static void on_written(struct bufferevent *stream, void *arg)
{
	struct client *c = arg;
	if (c->ended && !c->working && evbuffer_get_length(bufferevent_get_output(stream)) == 0)
		free_client(c);
}

static void on_worked(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	(void)fd, (void)what;
	c->working = 0;
	if (c->gone) {
		free_client(c);
		return;
	}
	evbuffer_add_printf(bufferevent_get_output(c->stream), "%d\n", c->primes);
	on_read(c->stream, c); /* perhaps the next line is here already */
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct client *c = arg;
	if (what & BEV_EVENT_ERROR) {
		free_client(c);
		return;
	}
	c->ended = 1;
	on_written(stream, c);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
			  struct sockaddr *address, int size, void *arg)
{
	struct event_base *base = evconnlistener_get_base(listener);
	struct client *c = calloc(1, sizeof(*c));
	(void)address, (void)size, (void)arg;
	if (!c) {
		evutil_closesocket(fd);
		return;
	}
	c->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->worked = event_new(base, -1, 0, on_worked, c);
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, MOST);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}
/* [handler] */

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
	socklen_t size = sizeof(address);
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	struct event_base *base = event_base_new();
	struct evconnlistener *listener =
	    evconnlistener_new_bind(base, on_connection, NULL, LEV_OPT_CLOSE_ON_FREE, 128,
				    (struct sockaddr *)&address, (int)size);
	if (!listener ||
	    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size) != 0) {
		perror("libevent");
		return 1;
	}
	printf("listening on port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return event_base_dispatch(base);
}
