/*
 * echo_load.c: the load of the echo benchmark, on epoll. It must cost less than any server: no
 * allocation, no copy, one call of epoll_wait for all that was answered.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "echo_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int echo_listen(uint16_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(fd, 4096) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		bench_die("no listening socket");
	*port = ntohs(address.sin_port);
	return fd;
}

int echo_connect(uint16_t port, int type)
{
	struct sockaddr_in address = loopback(port);
	const int one = 1;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		bench_die("no connection to the echo server");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

void echo_load_add(struct echo_load *load, size_t i, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

	load->fds[i] = fd;
	epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void load_open(struct echo_load *load, uint16_t port, size_t connections, int type)
{
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->count = connections;
	load->fds = calloc(connections, sizeof *load->fds);
	for (size_t i = 0; i < connections; i++)
		echo_load_add(load, i, echo_connect(port, type));
}

static void load_open_tcp(struct echo_load *load, uint16_t port, const struct bench_case *c)
{
	load_open(load, port, c->connections, SOCK_STREAM);
}

static void load_open_udp(struct echo_load *load, uint16_t port, const struct bench_case *c)
{
	load_open(load, port, c->connections, SOCK_DGRAM);
}

static void ask(int fd)
{
	static const char request[ECHO_BYTES] = "sixty-four bytes";

	if (send(fd, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request)
		bench_die("the echo server is gone");
}

static void load_run(struct echo_load *load, size_t requests)
{
	struct epoll_event events[256];
	size_t asked = 0, answered = 0;

	for (; asked < load->count && asked < requests; asked++)
		ask(load->fds[asked]);
	while (answered < requests) {
		int n = epoll_wait(load->epoll, events, 256, 10000);
		if (n <= 0)
			bench_die("the echo server does not answer");
		for (int i = 0; i < n; i++) {
			char answer[ECHO_BYTES];
			const int fd = load->fds[events[i].data.u64];
			if (recv(fd, answer, sizeof answer, 0) != (ssize_t)sizeof answer)
				bench_die("the echo server answered something else");
			answered++;
			if (asked < requests) {
				asked++;
				ask(fd);
			}
		}
	}
}

const struct echo_kind echo_over_tcp = {load_open_tcp, load_run};
const struct echo_kind echo_over_udp = {load_open_udp, load_run};
