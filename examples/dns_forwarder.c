/*
 * dns_forwarder.c: a DNS forwarder with a cache. Questions come over UDP; each address that asks is a client of its
 * own, served by straight-line code: look into the cache, else ask the name server above and wait for its answer.
 * Strangers reach it, so everything has a bound: clients, their queues, the cache, and the wait.
 *
 *     dns_forwarder --port 5300 --upstream 9.9.9.9 &      dig @127.0.0.1 -p 5300 debian.org
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 12,
	NAME_MAX_BYTES = 255,
	QUESTION_MAX = NAME_MAX_BYTES + 4,
	ANSWER_MAX = 4096,
	CACHE_PLACES = 4096,
	TTL_MOST = 3600, /* seconds */
	TRIES = 2
};

#define TRY_FOR IL_SEC(2)

/* ---- messages ---- */

static unsigned number16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static unsigned long number32(const unsigned char *at)
{
	return (unsigned long)number16(at) << 16 | number16(at + 2);
}

/* Where a name ends, or 0: it is broken. In a question it is not compressed. */
static size_t name_end(const unsigned char *m, size_t size, size_t at)
{
	while (at < size && m[at] && m[at] < 64)
		at += (size_t)m[at] + 1;
	if (at < size && m[at] >= 192) /* the rest is elsewhere */
		return at + 2 <= size ? at + 2 : 0;
	return at < size && !m[at] ? at + 1 : 0;
}

/* How many bytes the only question has, which follows the header; 0: it is no query that we forward. */
static size_t question_size(const unsigned char *m, size_t size)
{
	size_t end = size > HEADER ? name_end(m, size, HEADER) : 0;

	if (!end || end + 4 > size || end + 4 - HEADER > QUESTION_MAX || number16(m + 4) != 1)
		return 0;
	return end + 4 - HEADER;
}

static bool is_query(const unsigned char *m)
{
	return !(m[2] & 0xf8); /* neither an answer nor another operation */
}

/* How long an answer may be kept, in seconds: the shortest of its records'. 0: not at all. */
static unsigned long answer_ttl(const unsigned char *m, size_t size)
{
	size_t at = HEADER + question_size(m, size);
	unsigned records = number16(m + 6) + number16(m + 8);
	unsigned long ttl = TTL_MOST;

	if (at == HEADER || !number16(m + 6) || m[3] & 0x0f || m[2] & 0x02) /* failed, or cut */
		return 0;
	for (; records; records--) {
		at = name_end(m, size, at);
		if (!at || at + 10 > size)
			return 0;
		if (number32(m + at + 4) < ttl)
			ttl = number32(m + at + 4);
		at += 10 + number16(m + at + 8);
	}
	return ttl;
}

/* ---- the cache ---- */

struct place { /* one answer, by the hash of its question; a newer one takes its place */
	il_time until;
	size_t size;
	unsigned char *answer;
};

struct forwarder {
	const char *upstream, *upstream_port;
	struct place cache[CACHE_PLACES];
	unsigned long hits, asked, failed;
};

/* Names are the same in small and capital letters. */
static unsigned char small(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static struct place *place_of(struct forwarder *f, const unsigned char *question, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ small(question[i])) * 16777619u;
	return &f->cache[hash % CACHE_PLACES];
}

static bool is_same_question(const unsigned char *a, const unsigned char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (small(a[i]) != small(b[i]))
			return false;
	return true;
}

/* The size of the answer, which has the identifier and spelling of this query; 0: there is none. */
static size_t cache_find(struct forwarder *f, const unsigned char *query, size_t question,
			 unsigned char *answer)
{
	const struct place *p = place_of(f, query + HEADER, question);

	if (p->until <= il_now() || question_size(p->answer, p->size) != question ||
	    !is_same_question(p->answer + HEADER, query + HEADER, question))
		return 0;
	memcpy(answer, p->answer, p->size);
	memcpy(answer, query, 2);
	memcpy(answer + HEADER, query + HEADER, question);
	return p->size;
}

static void cache_keep(struct forwarder *f, const unsigned char *answer, size_t size)
{
	unsigned long ttl = answer_ttl(answer, size);
	struct place *p = place_of(f, answer + HEADER, question_size(answer, size));
	unsigned char *copy = ttl ? realloc(p->answer, size) : NULL;

	if (!copy)
		return;
	p->answer = memcpy(copy, answer, size);
	p->size = size;
	p->until = il_deadline(IL_SEC((il_time)ttl));
}

/* ---- the name server above ---- */

/* [exchange] */
struct exchange {
	il_datagram *upstream;
	const unsigned char *query;
	size_t size, question;
	unsigned char *answer;
};

/* Sends the query and waits for the answer to it: others are not for us. */
static int exchange(void *arg)
{
	struct exchange *x = arg;
	int n = il_datagram_send(x->upstream, x->query, x->size, NULL);
	while (n >= 0) {
		n = il_datagram_receive(x->upstream, x->answer, ANSWER_MAX, NULL);
		if (n > HEADER && memcmp(x->answer, x->query, 2) == 0 &&
		    question_size(x->answer, (size_t)n) == x->question &&
		    is_same_question(x->answer + HEADER, x->query + HEADER, x->question))
			return n;
	}
	return n;
}

/* A socket for each query, so each has a port of its own, which nobody can guess. */
static int ask_upstream(struct forwarder *f, struct exchange *x)
{
	int rc = il_datagram_connect_udp(&x->upstream, f->upstream, f->upstream_port, NULL);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TRIES; i++) {
		rc = il_fail_after(TRY_FOR, exchange, x);
		if (rc >= 0 || rc == -ECANCELED)
			break;
	}
	il_datagram_destroy(x->upstream);
	return rc;
}
/* [exchange] */

/* ---- the handler ---- */

/* The query itself as an answer that says "server failure". */
static size_t make_failure(const unsigned char *query, size_t size, unsigned char *answer)
{
	memcpy(answer, query, size);
	answer[2] |= 0x80;
	answer[3] = (unsigned char)((answer[3] & 0x70) | 2);
	memset(answer + 6, 0, 6);
	return size;
}

/* [handle] */
static int handle(il_client *client, void *data)
{
	struct forwarder *f = data;
	unsigned char answer[ANSWER_MAX];
	il_packet query; /* valid until the next receive, so across the wait below */
	int rc = il_client_receive(client, &query, IL_FOREVER);
	if (rc <= 0)
		return rc == -EMSGSIZE ? 0 : rc;
	size_t question = question_size(query.data, query.size), size;
	if (!question || !is_query(query.data))
		return 0; /* no query: no answer */
	size = cache_find(f, query.data, question, answer);
	if (size) {
		f->hits++;
		return il_client_send(client, answer, size);
	}
	struct exchange x = {
	    .query = query.data, .size = query.size, .question = question, .answer = answer};
	f->asked++;
	rc = ask_upstream(f, &x);
	if (rc == -ECANCELED)
		return rc;
	if (rc > 0)
		cache_keep(f, answer, (size_t)rc);
	else
		f->failed++;
	size = rc > 0 ? (size_t)rc : make_failure(query.data, HEADER + question, answer);
	return il_client_send(client, answer, size);
}
/* [handle] */

/* ---- the server ---- */

/* The most memory that the program has had, in KiB; 0: this system does not tell. */
static long most_memory(void)
{
	char line[128];
	long most = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "VmHWM: %ld", &most) == 1)
			break;
	if (status)
		fclose(status);
	return most;
}

struct program {
	struct forwarder forwarder;
	const char *port;
	long most_clients;
};

static void tell(il_server *server, const struct forwarder *f)
{
	il_server_statistics s;

	if (il_server_get_statistics(server, &s) < 0)
		return;
	printf("clients %llu, of which %llu made room for others; datagrams dropped: %llu\n",
	       (unsigned long long)s.clients_total, (unsigned long long)s.dropped_peers,
	       (unsigned long long)s.dropped_datagrams);
	printf("questions passed on %lu, from the cache %lu, failed %lu\n", f->asked, f->hits,
	       f->failed);
	printf("most memory %ld KiB\n", most_memory());
}

/* [open] */
static int run(void *arg)
{
	struct program *program = arg;
	static const il_handler handler = {.handle = handle};
	const il_server_options options = {
	    .max_packet = 512, /* of a query */
	    .max_clients = (size_t)program->most_clients,
	    .idle_timeout = IL_SEC(5), /* a resolver asks from another port each time */
	    .grace_period = IL_SEC(1),
	    .stop_at_signals = true};
	il_server *server;
	int rc = il_udp_server_open(&server, "127.0.0.1", program->port, NULL, &handler,
				    &program->forwarder, &options);
	if (rc < 0)
		return rc;
	printf("listening on port %u\n", il_server_port(server));
	rc = il_server_serve(server);
	tell(server, &program->forwarder);
	il_server_destroy(server);
	return rc;
}
/* [open] */

int main(int argc, char **argv)
{
	struct program *program = calloc(1, sizeof *program);
	int rc;

	example_options(argc, argv,
			"[--backend NAME] [--port NUMBER] [--upstream HOST] "
			"[--upstream-port NUMBER] [--clients NUMBER]");
	if (!program)
		return 1;
	program->port = example_option(argc, argv, "--port", "0");
	program->forwarder.upstream = example_option(argc, argv, "--upstream", "127.0.0.1");
	program->forwarder.upstream_port = example_option(argc, argv, "--upstream-port", "53");
	program->most_clients = example_number(argc, argv, "--clients", 1000, 100000);
	rc = example_main(argc, argv, run, program);
	for (int i = 0; i < CACHE_PLACES; i++)
		free(program->forwarder.cache[i].answer);
	free(program);
	return rc;
}
