/*
 * stubborn.c: TCP clients that try to hold their place in a server: one says nothing, one sends a
 * piece of a request each half second, one sends requests and never reads. Says of each whether
 * the server has let go of it. Drives the servers among the examples, and knows nothing of
 * interloop.
 *
 *     stubborn PORT REQUEST PIECE...        "": no client that does not read
 *
 * In REQUEST and PIECE `|` stands for CR LF.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 8, TURN_MS = 500, TURNS = 200, TEXT_MAX = 256, WINDOW = 4096 };

struct client {
	const char *what; /* it sends */
	bool reads;
	char text[TEXT_MAX];
	size_t size, sent; /* of text */
};

static struct client clients[CLIENTS_MAX];
static struct pollfd fds[CLIENTS_MAX];
static int count;

static void die(const char *what)
{
	fprintf(stderr, "stubborn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void add(int port, const char *what, bool reads)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct client *c = &clients[count];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), window = WINDOW;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    (!reads && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)) < 0) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	c->what = what;
	c->reads = reads;
	for (const char *p = what; *p && c->size < TEXT_MAX - 2; p++)
		if (*p == '|') {
			c->text[c->size++] = '\r';
			c->text[c->size++] = '\n';
		} else {
			c->text[c->size++] = *p;
		}
	fds[count++] = (struct pollfd){fd, POLLRDHUP | (reads ? POLLIN : POLLOUT), 0};
}

/* Gives false when the server has closed. */
static bool read_all(int fd)
{
	char scrap[4096];
	ssize_t n;
	while ((n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT)) > 0)
		;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Sends requests for as long as the system takes them. */
static bool send_on(int fd, struct client *c)
{
	for (int i = 0; i < 1000; i++) {
		ssize_t n =
		    send(fd, c->text + c->sent, c->size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent = (c->sent + (size_t)n) % c->size;
	}
	return true;
}

static bool trickle(int fd, const struct client *c)
{
	return c->size == 0 || send(fd, c->text, c->size, MSG_NOSIGNAL) > 0;
}

static bool let_go(int i)
{
	struct client *c = &clients[i];
	short events = fds[i].revents;
	if (events & (POLLHUP | POLLERR))
		return true;
	if (c->reads)
		return events & (POLLIN | POLLRDHUP) && !read_all(fds[i].fd);
	return events & POLLRDHUP || (events & POLLOUT && !send_on(fds[i].fd, c));
}

static void drop(int i)
{
	close(fds[i].fd);
	fds[i].fd = -1;
}

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Until then; gives how many were let go. */
static int watch(long long until)
{
	int gone = 0;
	for (long long left; (left = until - now_ms()) > 0;) {
		if (poll(fds, (nfds_t)count, (int)left) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < count; i++)
			if (fds[i].fd >= 0 && let_go(i)) {
				drop(i);
				gone++;
			}
	}
	return gone;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc - 1 > CLIENTS_MAX || atoi(argv[1]) <= 0) {
		bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
		fprintf(help ? stdout : stderr, "usage: stubborn PORT REQUEST PIECE...\n");
		return help ? 0 : 2;
	}
	int port = atoi(argv[1]);
	add(port, "", true);
	if (argv[2][0])
		add(port, argv[2], false);
	for (int i = 3; i < argc; i++)
		add(port, argv[i], true);
	int left = count;
	for (int turn = 0; turn < TURNS && left > 0; turn++) {
		for (int i = 0; i < count; i++)
			if (fds[i].fd >= 0 && clients[i].reads &&
			    !trickle(fds[i].fd, &clients[i])) {
				drop(i);
				left--;
			}
		left -= watch(now_ms() + TURN_MS);
	}
	for (int i = 0; i < count; i++)
		printf("%s \"%s\": %s\n", clients[i].reads ? "sends" : "does not read",
		       clients[i].what, fds[i].fd < 0 ? "let go" : "holds its place");
	return 0;
}
