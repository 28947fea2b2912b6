/*
 * peer.c: peers as plain blocking sockets. They come from many addresses of 127.0.0.0/8, so that no pair of
 * addresses runs out of ports.
 */
#include "abuse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static void set(int fd, int level, int name, int value)
{
	CHECK(setsockopt(fd, level, name, &value, sizeof value) == 0);
}

int dial(const struct subject *s)
{
	static unsigned next;
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	const struct timeval patience = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	from.sin_addr.s_addr = htonl(0x7f000100u + next++ % 50000);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atomic_load(&s->state->port));
	set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	CHECK(bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	return fd;
}

void say(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
		CHECK(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

void say_text(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

void hear(int fd, const char *line)
{
	size_t size = strlen(line) + 1, got = 0;
	char *buffer = malloc(size);

	CHECK(buffer != NULL);
	while (got < size) {
		ssize_t n = recv(fd, buffer + got, size - got, 0);
		CHECK(n > 0);
		got += (size_t)n;
	}
	buffer[size - 1] = buffer[size - 1] == '\n' ? '\0' : '!';
	if (strcmp(buffer, line) != 0)
		failed(__FILE__, __LINE__, buffer);
	free(buffer);
}

void ask(int fd, const char *line)
{
	say_text(fd, line);
	say_text(fd, "\n");
	hear(fd, line);
}

bool is_answered(int fd)
{
	char line[6];

	if (send(fd, "hello\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, line, 6, MSG_WAITALL) == 6) {
		CHECK(memcmp(line, "hello\n", 6) == 0);
		return true;
	}
	CHECK(errno == 0 || errno == ECONNRESET || errno == EPIPE);
	return false;
}

void be_answered(const struct subject *s)
{
	bool answered;

	do {
		int fd = dial(s);
		answered = is_answered(fd);
		hang_up(fd);
	} while (!answered);
}

void check_end(int fd)
{
	char scrap[4096];
	ssize_t n;

	while ((n = recv(fd, scrap, sizeof scrap, 0)) > 0)
		;
	CHECK(n == 0 || errno == ECONNRESET);
}

void hang_up(int fd)
{
	CHECK(close(fd) == 0);
}

void reset(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
	hang_up(fd);
}

/* ---- crowds ---- */

/* The subject's backlog stays short, so that no connect has to be tried twice. */
void crowd_dial(struct crowd *c, const struct subject *s, int count)
{
	long before = atomic_load(&s->state->connected);

	c->fds = malloc((size_t)count * sizeof c->fds[0]);
	CHECK(c->fds != NULL);
	for (c->count = 0; c->count < count; c->count++) {
		if (c->count % 256 == 0)
			UNTIL(atomic_load(&s->state->connected) >= before + c->count);
		c->fds[c->count] = dial(s);
	}
	UNTIL(atomic_load(&s->state->connected) == before + count);
}

void crowd_say(const struct crowd *c, const char *text)
{
	for (int i = 0; i < c->count; i++)
		say_text(c->fds[i], text);
}

void crowd_hear(const struct crowd *c, const char *line)
{
	for (int i = 0; i < c->count; i++)
		hear(c->fds[i], line);
}

static void leave(struct crowd *c)
{
	free(c->fds);
	*c = (struct crowd){.count = 0};
}

void crowd_check_end(struct crowd *c)
{
	for (int i = 0; i < c->count; i++) {
		check_end(c->fds[i]);
		hang_up(c->fds[i]);
	}
	leave(c);
}

void crowd_hang_up(struct crowd *c)
{
	for (int i = 0; i < c->count; i++)
		hang_up(c->fds[i]);
	leave(c);
}
