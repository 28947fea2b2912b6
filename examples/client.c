/*
 * client.c: many real TCP clients at once, on plain sockets and poll(2): drives the servers among
 * the examples and knows nothing of interloop.
 *
 *     client PORT CLIENTS ROUNDS REQUEST...
 *
 * Every client connects before the first one asks. Each sends the requests ROUNDS times, one
 * after the other; `%` in a request stands for the client's number. At the end the answers of the
 * last round are printed in the order of the clients; those of earlier rounds must have been the
 * same, but for the order of their words. Three rude clients come along: one sends a line without
 * end, one resets the connection inside a line, one leaves inside a line.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1000, REQUESTS_MAX = 8, LINE_MAX_SIZE = 512, SILENCE_MS = 30000 };

struct client {
	char in[LINE_MAX_SIZE];
	size_t have;
	int asked; /* requests so far, of rounds * requests */
	char answers[REQUESTS_MAX][LINE_MAX_SIZE];
};

static struct client clients[CLIENTS_MAX];
static struct pollfd fds[CLIENTS_MAX];
static int client_count, rounds, request_count;
static char **requests;

static void die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connect_to(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
		if (n < 0)
			die("send");
		data += n;
		size -= (size_t)n;
	}
}

static void ask(int i)
{
	struct client *c = &clients[i];
	char line[LINE_MAX_SIZE];
	size_t size = 0;
	for (const char *p = requests[c->asked % request_count]; *p; p++) {
		if (*p == '%')
			size += (size_t)snprintf(line + size, sizeof(line) - size, "%d", i);
		else
			line[size++] = *p;
		if (size > sizeof(line) - 16)
			break;
	}
	line[size++] = '\n';
	c->asked++;
	send_all(fds[i].fd, line, size);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Brings the words of a line into an order of their own, for comparison. */
static void normalise(const char *line, char *out)
{
	char copy[LINE_MAX_SIZE], *words[LINE_MAX_SIZE], *rest = copy;
	size_t count = 0;
	strcpy(copy, line);
	for (char *word; (word = strsep(&rest, " "));)
		words[count++] = word;
	qsort(words, count, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < count; i++)
		out += sprintf(out, "%s ", words[i]);
}

static void take_answer(struct client *c, const char *line)
{
	int which = (c->asked - 1) % request_count;
	if (c->asked > request_count) {
		char before[LINE_MAX_SIZE + 1], now[LINE_MAX_SIZE + 1];
		normalise(c->answers[which], before);
		normalise(line, now);
		if (strcmp(before, now) != 0) {
			fprintf(stderr, "client: answered \"%s\", then \"%s\"\n", c->answers[which],
				line);
			exit(1);
		}
	}
	strcpy(c->answers[which], line);
}

/* Gives false when the client has all its answers. */
static bool read_answers(int i)
{
	struct client *c = &clients[i];
	ssize_t n = recv(fds[i].fd, c->in + c->have, sizeof(c->in) - 1 - c->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		fprintf(stderr, "client %d: %s after request %d\n", i,
			n < 0 ? strerror(errno) : "the server closed", c->asked);
		exit(1);
	}
	c->have += (size_t)n;
	c->in[c->have] = '\0';
	char *end = strchr(c->in, '\n');
	if (!end)
		return true;
	*end = '\0';
	if (end + 1 != c->in + c->have) {
		fprintf(stderr, "client %d: more than one answer to \"%s\"\n", i, c->in);
		exit(1);
	}
	c->have = 0;
	take_answer(c, c->in);
	if (c->asked == rounds * request_count)
		return false;
	ask(i);
	return true;
}

/* None of them may cost the others, or the server, anything. */
static int be_rude(int port)
{
	static char endless[1 << 20];
	int fd = connect_to(port);
	send_all(fd, "pool 1", 6);
	close(fd);
	fd = connect_to(port);
	send_all(fd, "pool 1", 6);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
		   sizeof(struct linger));
	close(fd);
	fd = connect_to(port);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	memset(endless, 'x', sizeof(endless));
	(void)!send(fd, endless, sizeof(endless), MSG_NOSIGNAL);
	return fd;
}

static void talk(void)
{
	for (int i = 0; i < client_count; i++)
		ask(i);
	for (int left = client_count; left > 0;) {
		int ready = poll(fds, (nfds_t)client_count, SILENCE_MS);
		if (ready < 0 && errno != EINTR)
			die("poll");
		if (ready == 0) {
			fprintf(stderr, "client: %d clients wait for an answer\n", left);
			exit(1);
		}
		for (int i = 0; i < client_count; i++) {
			if (fds[i].fd < 0 || !fds[i].revents || read_answers(i))
				continue;
			close(fds[i].fd);
			fds[i].fd = -1;
			left--;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("usage: client PORT CLIENTS ROUNDS REQUEST...\n");
		return 0;
	}
	if (argc < 5 || argc - 4 > REQUESTS_MAX || atoi(argv[2]) > CLIENTS_MAX) {
		fprintf(stderr, "usage: client PORT CLIENTS ROUNDS REQUEST...\n");
		return 2;
	}
	int port = atoi(argv[1]);
	client_count = atoi(argv[2]);
	rounds = atoi(argv[3]);
	requests = argv + 4;
	request_count = argc - 4;
	struct timespec begin, end;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < client_count; i++)
		fds[i] = (struct pollfd){connect_to(port), POLLIN, 0};
	int rude = be_rude(port);
	talk();
	close(rude);
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (int i = 0; i < client_count; i++)
		for (int r = 0; r < request_count; r++)
			printf("%d: %s\n", i, clients[i].answers[r]);
	fprintf(stderr, "%d clients, %d requests, %.2f s\n", client_count,
		client_count * rounds * request_count,
		(double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
