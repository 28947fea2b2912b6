/*
 * dns_forwarder.c: a DNS forwarder with a cache. Questions come over UDP; each address that asks is a client of its
 * own, served by straight-line code: look into the cache, else ask the name server above and wait for its answer.
 * Strangers reach it, so everything has a bound: clients, their queues, the cache, and the wait. A forged answer has to
 * guess a port and an identifier, and a query gets what was answered to the same query, bit by bit, and to no other.
 *
 * An answer that was cut (TC) is passed on; whoever asks again over TCP is served by the same handler, which asks above
 * over TCP, too.
 *
 *     dns_forwarder --port 5300 --upstream 9.9.9.9 &      dig @127.0.0.1 -p 5300 debian.org
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	HEADER = 12,
	NAME_MAX_BYTES = 255,
	QUESTION_MAX = NAME_MAX_BYTES + 4,
	QUERY_MAX = 512,
	ANSWER_MAX = 16384,
	CACHE_PLACES = 4096,
	TTL_MOST = 3600, /* seconds */
	OPT = 41,        /* a record that is none: RFC 6891 */
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

static void put_number32(unsigned char *at, unsigned long n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(n >> (24 - 8 * i));
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

static bool is_answer(const unsigned char *m)
{
	return m[2] & 0x80;
}

/* Makes the records of an answer so many seconds older. Returns how long it may be kept, in seconds: the shortest of
 * its records' times. 0: not at all. */
static unsigned long make_older(unsigned char *m, size_t size, unsigned long age)
{
	size_t at = HEADER + question_size(m, size);
	unsigned records = number16(m + 6) + number16(m + 8) + number16(m + 10);
	unsigned long ttl = TTL_MOST;

	if (at == HEADER || !number16(m + 6) || m[3] & 0x0f || m[2] & 0x02) /* failed, or cut */
		return 0;
	for (; records; records--) {
		at = name_end(m, size, at);
		if (!at || at + 10 > size)
			return 0;
		if (number16(m + at) != OPT) { /* which has flags there */
			unsigned long left = number32(m + at + 4) - age;
			put_number32(m + at + 4, left);
			if (left < ttl)
				ttl = left;
		}
		at += 10 + number16(m + at + 8);
	}
	return ttl;
}

/* Names are the same in small and capital letters. */
static unsigned char small(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Whoever asks the same has the same bytes here. What differs in a flag or an option is another query: it may have
 * another answer. */
struct query {
	unsigned char bytes[QUERY_MAX]; /* without an identifier, the name in small letters */
	size_t size, question;
	bool by_tcp; /* its answer is not cut */
};

static bool take_query(struct query *q, const unsigned char *m, size_t size)
{
	*q = (struct query){.size = size, .question = question_size(m, size)};
	if (!q->question || size > QUERY_MAX || !is_query(m))
		return false;
	memcpy(q->bytes + 2, m + 2, size - 2);
	for (size_t i = HEADER; i < HEADER + q->question - 4; i++)
		q->bytes[i] = small(q->bytes[i]);
	return true;
}

static bool is_same(const struct query *a, const struct query *b)
{
	return a->by_tcp == b->by_tcp && a->size == b->size &&
	       memcmp(a->bytes + 2, b->bytes + 2, a->size - 2) == 0;
}

/* ---- the cache ---- */

struct kept {
	struct query query;
	il_time since, until;
	size_t size;
	unsigned char answer[];
};

struct place {                      /* of the queries with the same hash */
	struct kept *kept;          /* the newest answer, or NULL */
	struct exchange *under_way; /* a list */
};

struct forwarder {
	const char *upstream, *upstream_port;
	struct place cache[CACHE_PLACES];
	unsigned long hits, asked, failed;
};

static struct place *place_of(struct forwarder *f, const struct query *q)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < q->size; i++)
		hash = (hash ^ q->bytes[i]) * 16777619u;
	return &f->cache[hash % CACHE_PLACES];
}

/* The size of the answer; 0: there is none. */
static int cache_find(const struct place *p, const struct query *q, unsigned char *answer)
{
	const struct kept *k = p->kept;
	il_time now = il_now();

	if (!k || k->until <= now || !is_same(&k->query, q))
		return 0;
	memcpy(answer, k->answer, k->size);
	make_older(answer, k->size, (unsigned long)((now - k->since + IL_SEC(1) - 1) / IL_SEC(1)));
	return (int)k->size;
}

static void cache_keep(struct place *p, const struct query *q, unsigned char *answer, size_t size)
{
	unsigned long ttl = make_older(answer, size, 0);
	struct kept *k = ttl ? realloc(p->kept, sizeof(*k) + size) : NULL;

	if (!k)
		return;
	p->kept = k;
	*k = (struct kept){.query = *q, .since = il_now(), .size = size};
	k->until = k->since + IL_SEC((il_time)ttl);
	memcpy(k->answer, answer, size);
}

/* ---- the name server above ---- */

/* [exchange] */
struct exchange { /* of all who ask the same meanwhile: the last one frees it */
	struct exchange *next;
	const struct forwarder *forwarder;
	struct query query; /* with an identifier of its own */
	il_datagram *upstream;
	unsigned char answer[ANSWER_MAX];
	int rc; /* the answer's size, or what went wrong */
	il_event *over;
	int users;
};

/* Others are not for us. */
static bool is_answer_to(const struct query *q, const unsigned char *m, size_t size)
{
	return size > HEADER && is_answer(m) && memcmp(m, q->bytes, 2) == 0 &&
	       question_size(m, size) == q->question &&
	       memcmp(m + HEADER, q->bytes + HEADER, q->question) == 0;
}

/* Sends the query and waits for the answer to it. */
static int exchange(void *arg)
{
	struct exchange *x = arg;
	const struct query *q = &x->query;
	int n = il_datagram_send(x->upstream, q->bytes, q->size, NULL);
	while (n >= 0) {
		n = il_datagram_receive(x->upstream, x->answer, ANSWER_MAX, NULL);
		if (n >= 0 && is_answer_to(q, x->answer, (size_t)n))
			return n;
	}
	return n;
}

/* Two bytes of length before each message. */
static int exchange_by_tcp(void *arg)
{
	struct exchange *x = arg;
	const il_client_options options = {.max_packet = ANSWER_MAX};
	il_client *upstream;
	il_protocol protocol;
	il_packet packet;
	il_protocol_length_prefixed_with(&protocol, 2, IL_BIG_ENDIAN);
	int rc = il_client_connect_tcp(&upstream, x->forwarder->upstream,
				       x->forwarder->upstream_port, &protocol, &options);
	if (rc < 0)
		return rc;
	rc = il_client_send(upstream, x->query.bytes, x->query.size);
	if (rc == 0)
		rc = il_client_receive(upstream, &packet, IL_FOREVER);
	if (rc == 1 && is_answer_to(&x->query, packet.data, packet.size)) {
		memcpy(x->answer, packet.data, packet.size);
		rc = (int)packet.size;
	} else if (rc >= 0) {
		rc = -EBADMSG;
	}
	il_client_destroy(upstream);
	return rc;
}

/* Each exchange has a socket, so a port, and an identifier that nobody knows, not even who asks. */
static int ask_upstream(const struct forwarder *f, struct exchange *x)
{
	x->forwarder = f;
	if (getrandom(x->query.bytes, 2, 0) != 2)
		return -errno;
	if (x->query.by_tcp)
		return il_fail_after(TRY_FOR, exchange_by_tcp, x);
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

static struct exchange *begin_exchange(struct place *p, const struct query *q)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x || il_event_create(&x->over) < 0) {
		free(x);
		return NULL;
	}
	x->query = *q;
	x->next = p->under_way;
	p->under_way = x;
	return x;
}

static void end_exchange(struct place *p, struct exchange *x, int rc)
{
	struct exchange **link = &p->under_way;

	while (*link != x)
		link = &(*link)->next;
	*link = x->next;
	x->rc = rc;
	il_event_set(x->over);
}

static void leave_exchange(struct exchange *x)
{
	if (--x->users > 0)
		return;
	il_event_destroy(x->over);
	free(x);
}

/* [join] */
/* Those who ask the same meanwhile share one exchange. If each had its own, a forged answer could hit any of them. */
static int ask(struct forwarder *f, struct place *p, const struct query *q, unsigned char *answer)
{
	struct exchange *x = p->under_way;
	int rc = 0;
	while (x && !is_same(&x->query, q))
		x = x->next;
	if (x) {
		x->users++;
		rc = il_event_wait(x->over);
	} else {
		x = begin_exchange(p, q);
		if (!x)
			return -ENOMEM;
		x->users++;
		f->asked++;
		end_exchange(p, x, ask_upstream(f, x));
		if (x->rc > 0)
			cache_keep(p, q, x->answer, (size_t)x->rc);
	}
	if (rc == 0)
		rc = x->rc;
	if (rc > 0)
		memcpy(answer, x->answer, (size_t)rc);
	leave_exchange(x);
	return rc;
}
/* [join] */

/* ---- the handler ---- */

/* The query itself as an answer that says "server failure". */
static int make_failure(const unsigned char *query, size_t size, unsigned char *answer)
{
	memcpy(answer, query, size);
	answer[2] |= 0x80;
	answer[3] = (unsigned char)((answer[3] & 0x70) | 2);
	memset(answer + 6, 0, 6);
	return (int)size;
}

/* [handle] */
static int handle(il_client *client, void *data)
{
	struct forwarder *f = data;
	unsigned char answer[ANSWER_MAX];
	struct query query;
	il_packet packet; /* valid until the next receive, so across the wait below */
	int rc = il_client_receive(client, &packet, IL_FOREVER);
	if (rc <= 0)
		return rc == -EMSGSIZE ? 0 : rc;
	if (!take_query(&query, packet.data, packet.size))
		return 0; /* no query: no answer */
	query.by_tcp = il_client_stream(client) != NULL;
	struct place *place = place_of(f, &query);
	rc = cache_find(place, &query, answer);
	if (rc > 0)
		f->hits++;
	else
		rc = ask(f, place, &query, answer);
	if (il_check_cancelled() < 0)
		return -ECANCELED;
	f->failed += rc <= 0;
	if (rc <= 0)
		rc = make_failure(packet.data, HEADER + query.question, answer);
	memcpy(answer, packet.data, 2); /* as this client has written it */
	memcpy(answer + HEADER, (const char *)packet.data + HEADER, query.question);
	return il_client_send(client, answer, (size_t)rc);
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
static int open_on_same_port(il_server *servers[2], struct program *program)
{
	static const il_handler handler = {.handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC,
	    .max_packet = QUERY_MAX,
	    .max_clients = (size_t)program->most_clients,
	    .idle_timeout = IL_SEC(5), /* a resolver asks from another port each time */
	    .grace_period = IL_SEC(1),
	    .stop_at_signals = true};
	il_protocol protocol;
	char port[8];
	int rc = il_udp_server_open(&servers[0], "127.0.0.1", program->port, NULL, &handler,
				    &program->forwarder, &options);
	if (rc < 0)
		return rc;
	snprintf(port, sizeof port, "%u", il_server_port(servers[0]));
	il_protocol_length_prefixed_with(&protocol, 2, IL_BIG_ENDIAN);
	rc = il_tcp_server_open(&servers[1], "127.0.0.1", port, &protocol, &handler,
				&program->forwarder, &options);
	if (rc < 0) {
		il_server_destroy(servers[0]);
		servers[0] = NULL;
	}
	return rc;
}

/* A port that is free for UDP may be taken for TCP: of "any port" there are others. */
static int open_both(il_server *servers[2], struct program *program)
{
	int rc;

	do
		rc = open_on_same_port(servers, program);
	while (rc == -EADDRINUSE && strcmp(program->port, "0") == 0);
	return rc;
}

static int serve(void *server)
{
	return il_server_serve(server);
}

static int serve_both(il_server *servers[2])
{
	il_group group;
	int rc = il_group_open(&group);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, serve, servers[i]);
	return il_group_close(&group, rc);
}

static int run(void *arg)
{
	struct program *program = arg;
	il_server *servers[2] = {NULL};
	int rc = open_both(servers, program);
	if (rc == 0) {
		printf("listening on port %u\n", il_server_port(servers[0]));
		rc = serve_both(servers);
		tell(servers[0], &program->forwarder);
	}
	il_server_destroy(servers[1]);
	il_server_destroy(servers[0]);
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
		free(program->forwarder.cache[i].kept);
	free(program);
	return rc;
}
