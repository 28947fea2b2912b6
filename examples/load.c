/*
 * load.c: many TCP clients at once: drives the servers among the examples, and measures them.
 *
 *     load PORT CLIENTS ROUNDS REQUEST...
 *
 * Each client is a task. All of them connect before the first one asks. Each sends the requests
 * ROUNDS times, one after the other; `%` in a request stands for the client's number. At the end
 * the answers of the last round are printed in the order of the clients; those of earlier rounds
 * must have been the same, but for the order of their words. Three rude clients come along: one
 * sends a line without end, one resets the connection inside a line, one leaves inside a line.
 */
#include <interloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 1000, REQUESTS_MAX = 8, LINE_SIZE = 512 };

#define SILENCE IL_SEC(30)

struct load {
	const char *port;
	int clients, rounds, requests;
	char **request;
	int connected;
	il_event *go;  /* all are connected */
	il_time *took; /* by all requests */
	size_t answered;
};

struct user {
	struct load *load;
	int number;
	char answers[REQUESTS_MAX][LINE_SIZE];
};

/* ---- what is asked, and whether the answer is right ---- */

static void fill_in(const char *request, int number, char line[LINE_SIZE])
{
	size_t size = 0;
	for (const char *p = request; *p && size < LINE_SIZE - 16; p++) {
		if (*p == '%')
			size += (size_t)snprintf(line + size, LINE_SIZE - size, "%d", number);
		else
			line[size++] = *p;
	}
	line[size] = '\0';
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Brings the words of a line into an order of their own, for comparison. */
static void normalise(const char *line, char *out)
{
	char copy[LINE_SIZE], *words[LINE_SIZE], *rest = copy;
	size_t count = 0;
	strcpy(copy, line);
	for (char *word; (word = strsep(&rest, " "));)
		words[count++] = word;
	qsort(words, count, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < count; i++)
		out += sprintf(out, "%s ", words[i]);
}

static int keep_answer(char *kept, const il_packet *answer, bool is_first)
{
	char line[LINE_SIZE], before[LINE_SIZE + 1], now[LINE_SIZE + 1];
	snprintf(line, sizeof(line), "%.*s", (int)answer->size, (const char *)answer->data);
	if (!is_first) {
		normalise(kept, before);
		normalise(line, now);
		if (strcmp(before, now) != 0)
			return il_fail(-EBADMSG, "answered \"%s\", then \"%s\"", kept, line);
	}
	strcpy(kept, line);
	return 0;
}

/* ---- a client ---- */

/* [converse] */
static int converse(il_client *client, struct user *user)
{
	struct load *load = user->load;
	int rc = 0;
	for (int i = 0; rc >= 0 && i < load->rounds * load->requests; i++) {
		int which = i % load->requests;
		char line[LINE_SIZE];
		il_packet answer;
		il_time begin = il_now();
		fill_in(load->request[which], user->number, line);
		rc = il_client_send(client, line, strlen(line));
		if (rc == 0)
			rc = il_client_receive(client, &answer, SILENCE);
		if (rc == 0)
			rc = il_fail(-ENODATA, "the server closed after request %d", i + 1);
		if (rc == 1) {
			load->took[load->answered++] = il_now() - begin;
			rc = keep_answer(user->answers[which], &answer, i < load->requests);
		}
	}
	return rc;
}

static int use_server(void *arg)
{
	struct user *user = arg;
	struct load *load = user->load;
	const il_client_options options = {.max_packet = LINE_SIZE - 1};
	il_client *client;
	int rc =
	    il_client_connect_tcp(&client, "127.0.0.1", load->port, il_protocol_lines(), &options);
	if (rc < 0)
		return rc;
	if (++load->connected == load->clients)
		il_event_set(load->go);
	rc = il_event_wait(load->go);
	if (rc == 0)
		rc = converse(client, user);
	if (rc < 0 && rc != -ECANCELED)
		fprintf(stderr, "client %d: %s %s\n", user->number, il_error_name(rc),
			il_error_detail());
	il_client_destroy(client);
	return rc;
}
/* [converse] */

/* ---- clients that are rude: none of them may cost the others, or the server, anything ---- */

static int be_rude(void *arg)
{
	static char endless[1 << 20];
	const struct load *load = arg;
	const struct linger at_once = {.l_onoff = 1};
	il_stream *stream;
	int rc = 0;
	for (int resets = 0; rc == 0 && resets < 2; resets++) {
		rc = il_stream_connect_tcp(&stream, "127.0.0.1", load->port, NULL);
		if (rc < 0)
			return rc;
		rc = il_stream_write_all(stream, "pool 1", 6);
		if (resets)
			setsockopt(il_stream_fd(stream), SOL_SOCKET, SO_LINGER, &at_once,
				   sizeof(at_once));
		il_stream_destroy(stream);
	}
	if (rc == 0)
		rc = il_stream_connect_tcp(&stream, "127.0.0.1", load->port, NULL);
	if (rc < 0)
		return rc;
	memset(endless, 'x', sizeof(endless));
	rc = il_stream_write_all(stream, endless, sizeof(endless));
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET) /* the server may have enough of it */
		rc = il_sleep_forever();                  /* until the others are done */
	il_stream_destroy(stream);
	return rc;
}

/* ---- all of them ---- */

static int compare_times(const void *a, const void *b)
{
	il_time x = *(const il_time *)a, y = *(const il_time *)b;
	return (x > y) - (x < y);
}

static void report(struct load *load, il_time took)
{
	size_t n = load->answered;
	qsort(load->took, n, sizeof(load->took[0]), compare_times);
	fprintf(stderr, "%d clients, %zu requests, %.0f requests/s, p50 %.2f ms, p99 %.2f ms\n",
		load->clients, n, (double)n * 1e9 / (double)took, (double)load->took[n / 2] / 1e6,
		(double)load->took[n - 1 - n / 100] / 1e6);
}

static int run_users(struct load *load, struct user *users)
{
	int rc = il_event_create(&load->go);
	if (rc < 0)
		return rc;
	rc = il_gather(use_server, users, (size_t)load->clients, sizeof(users[0]), NULL);
	il_event_destroy(load->go);
	return rc;
}

static int run(void *arg)
{
	struct load *load = arg;
	struct user *users = calloc((size_t)load->clients, sizeof(users[0]));
	il_group rude;
	load->took = calloc((size_t)load->clients * (size_t)(load->rounds * load->requests),
			    sizeof(load->took[0]));
	int rc = users && load->took ? il_group_open(&rude) : -ENOMEM;
	if (rc == 0) {
		il_time begin = il_now();
		for (int i = 0; i < load->clients; i++)
			users[i] = (struct user){.load = load, .number = i};
		rc = il_group_start_soon(&rude, NULL, be_rude, load);
		if (rc == 0)
			rc = run_users(load, users);
		il_scope_cancel(il_group_scope(&rude));
		rc = il_group_close(&rude, rc);
		if (rc >= 0)
			report(load, il_now() - begin);
	}
	for (int i = 0; rc >= 0 && i < load->clients; i++)
		for (int r = 0; r < load->requests; r++)
			printf("%d: %s\n", i, users[i].answers[r]);
	free(load->took);
	free(users);
	return rc;
}

int main(int argc, char **argv)
{
	static const char usage[] = "usage: load PORT CLIENTS ROUNDS REQUEST...\n";
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 5 || argc - 4 > REQUESTS_MAX || atoi(argv[2]) < 1 ||
	    atoi(argv[2]) > CLIENTS_MAX || atoi(argv[3]) < 1) {
		fputs(usage, stderr);
		return 2;
	}
	struct load load = {.port = argv[1],
			    .clients = atoi(argv[2]),
			    .rounds = atoi(argv[3]),
			    .requests = argc - 4,
			    .request = argv + 4};
	const il_backend *backend = il_backend_find(NULL); /* $INTERLOOP_BACKEND */
	int rc = backend ? il_run(backend, run, &load) : -ENOENT;
	if (rc < 0)
		fprintf(stderr, "load: %s %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
