/*
 * packets.c: see packets.h.
 */
#define _GNU_SOURCE
#include "packets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

char address[64];
static int listener = -1;

void listen_here(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 8) == 0);
	getsockname(listener, (struct sockaddr *)&a, &size);
	snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(a.sin_port));
}

void send_all(int fd, const void *data, size_t size)
{
	CHECK_EQ(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

bool try_packet(int fd, unsigned type, const char *data, size_t size)
{
	unsigned char header[12] = {0, 'R', 'E', 'S'};

	for (int i = 0; i < 4; i++) {
		header[4 + i] = (unsigned char)(type >> (24 - 8 * i));
		header[8 + i] = (unsigned char)(size >> (24 - 8 * i));
	}
	return send(fd, header, sizeof header, MSG_NOSIGNAL) == sizeof header &&
	       send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

void send_packet(int fd, unsigned type, const char *data, size_t size)
{
	CHECK(try_packet(fd, type, data, size));
}

void send_text(int fd, unsigned type, const char *text)
{
	send_packet(fd, type, text, strlen(text));
}

static bool receive_all(int fd, void *data, size_t size)
{
	return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

unsigned receive_packet(int fd, char *data, size_t room, size_t *size)
{
	unsigned char h[12];

	if (!receive_all(fd, h, sizeof h))
		return 0;
	*size = (size_t)h[8] << 24 | (size_t)h[9] << 16 | (size_t)h[10] << 8 | h[11];
	CHECK(*size < room);
	if (*size && !receive_all(fd, data, *size))
		return 0;
	data[*size] = 0;
	return (unsigned)h[4] << 24 | (unsigned)h[5] << 16 | (unsigned)h[6] << 8 | h[7];
}

bool await(int fd, unsigned type, char *data, size_t room, size_t *size)
{
	unsigned got;

	while ((got = receive_packet(fd, data, room, size)) && got != type)
		if (got == ECHO_REQ && !try_packet(fd, ECHO_RES, data, *size))
			return false;
	return got == type;
}

void listen_no_more(void)
{
	close(listener);
}

int accept_one(void)
{
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

void put(char *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char)(unsigned char)(value >> 8 * i);
}

size_t make_answer(char *to, const char *payload, int kind, int rc, size_t out)
{
	memset(to, 0, 40);
	memcpy(to, "H:1", 4);
	memcpy(to + 4, "ILRA\1", 5);
	to[9] = (char)kind;
	put(to + 12, (uint32_t)rc, 4);
	memcpy(to + 20, payload + 8, 8);
	put(to + 28, out, 8);
	memset(to + 36, 0, out);
	return 36 + out;
}

size_t make_call(char *to, const char *name, size_t argument)
{
	size_t n = (size_t)sprintf(to, "H:1%c%s%cu1", 0, name, 0) + 1;

	memset(to + n, 0, 64 + argument);
	memcpy(to + n, "ILRC\1", 5);
	put(to + n + 16, 1 << 20, 4);
	put(to + n + 24, UINT64_MAX, 8);
	return n + 32 + argument;
}
