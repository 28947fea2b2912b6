/*
 * made_up.c: what a server on the Internet has to live with: datagrams from ever new addresses, which nobody will use
 * again. Here they are addresses of this machine, of which Linux has 16 million; each asks one question of a DNS
 * server and does not wait for the answer.
 *
 *     made_up --port 5300 --count 20000
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>

struct flood {
	const char *port;
	long count;
};

/* "x.test", type A: a question that is not in any cache. */
static size_t make_question(unsigned char question[64], long i)
{
	static const unsigned char header[12] = {0x12, 0x34, 1, 0, 0, 1};
	int n = snprintf((char *)question + 13, 24, "made-up-%08ld", i % 100000000);
	size_t at = 13 + (size_t)n;

	for (size_t k = 0; k < sizeof header; k++)
		question[k] = header[k];
	question[12] = (unsigned char)n;
	for (const char *c = "\004test"; *c; c++)
		question[at++] = (unsigned char)*c;
	question[at++] = 0;
	for (int k = 0; k < 4; k++)
		question[at++] = (unsigned char)(k % 2); /* an address, of the Internet */
	return at;
}

static int run(void *arg)
{
	const struct flood *f = arg;
	unsigned char question[64];
	char host[80];
	il_address server;
	int rc = il_resolve("127.0.0.1", f->port, IL_RESOLVE_DATAGRAM, &server, 1);

	for (long i = 0; rc >= 0 && i < f->count; i++) {
		il_datagram *d = NULL;
		snprintf(host, sizeof host, "127.%ld.%ld.%ld", 1 + i / 64516 % 254, i / 254 % 254,
			 1 + i % 254);
		rc = il_datagram_open_udp(&d, host, "0", NULL);
		if (rc == 0)
			rc = il_datagram_send(d, question, make_question(question, i), &server);
		il_datagram_destroy(d);
	}
	if (rc >= 0)
		printf("sent %ld\n", f->count);
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct flood f;

	example_options(argc, argv, "[--backend NAME] [--port NUMBER] [--count NUMBER]");
	f.port = example_option(argc, argv, "--port", "53");
	f.count = example_number(argc, argv, "--count", 20000, 10000000);
	return example_main(argc, argv, run, &f);
}
