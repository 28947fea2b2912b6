/*
 * ares_client.c: fifty tasks look names up with c-ares, in straight lines.
 *
 *     ares_client [--backend NAME] --servers 127.0.0.1:5353
 */
#include "adapters/c-ares.h"
#include "example.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

enum { TASKS = 50 };

struct lookup {
	il_ares *ares;
	int number;
	char line[96];
};

/* [look up] */
static int look_up(void *arg)
{
	struct lookup *l = arg;
	struct ares_addrinfo *found;
	char host[32], number[INET_ADDRSTRLEN] = "";
	snprintf(host, sizeof(host), "host%d.test", l->number);
	int rc = il_ares_getaddrinfo(l->ares, &found, host, NULL, AF_INET);
	if (rc < 0)
		return rc;
	const struct sockaddr_in *address = (const void *)found->nodes->ai_addr;
	inet_ntop(AF_INET, &address->sin_addr, number, sizeof(number));
	snprintf(l->line, sizeof(l->line), "%s is %s", host, number);
	ares_freeaddrinfo(found);
	return 0;
}
/* [look up] */

static int look_up_all(il_ares *ares)
{
	static struct lookup lookups[TASKS];
	for (int i = 0; i < TASKS; i++)
		lookups[i] = (struct lookup){.ares = ares, .number = i};
	int rc = il_gather(look_up, lookups, TASKS, sizeof(*lookups), NULL); /* a task each */
	for (int i = 0; i < TASKS && rc == 0; i++)
		puts(lookups[i].line);
	return rc;
}

static int print_text(il_ares *ares)
{
	unsigned char *answer;
	struct ares_txt_reply *texts;
	int size = il_ares_search(ares, &answer, "text.test", 16 /* TXT */);
	if (size < 0)
		return size;
	if (ares_parse_txt_reply(answer, size, &texts) == ARES_SUCCESS) {
		printf("text.test says: %.*s\n", (int)texts->length, (const char *)texts->txt);
		ares_free_data(texts);
	}
	free(answer);
	return 0;
}

/* A server that listens and never replies. */
static int run_out_of_time(void)
{
	il_ares *ares;
	struct ares_addrinfo *found;
	il_datagram *silent;
	il_scope scope = IL_SCOPE_INIT;
	char server[32];
	int rc = il_datagram_open_udp(&silent, "127.0.0.1", "0", NULL);
	if (rc < 0)
		return rc;
	snprintf(server, sizeof(server), "127.0.0.1:%u", il_datagram_port(silent));
	rc = il_ares_open(&ares, server, 0);
	if (rc < 0)
		goto end;
	rc = il_scope_enter(&scope, il_deadline(IL_MSEC(50)), IL_FAIL_AT_DEADLINE);
	if (rc == 0) {
		rc = il_ares_getaddrinfo(ares, &found, "host1.test", NULL, AF_INET);
		rc = il_scope_exit(&scope, rc);
	}
	printf("a silent server: %s\n", il_error_name(rc));
	il_ares_close(ares);
	rc = 0;
end:
	il_datagram_destroy(silent);
	return rc;
}

static int ask(void *servers)
{
	il_ares *ares;
	struct ares_addrinfo *found;
	int rc = il_ares_open(&ares, servers, 0);
	if (rc < 0)
		return rc;
	rc = look_up_all(ares);
	if (rc == 0)
		rc = print_text(ares);
	if (rc == 0) {
		rc = il_ares_getaddrinfo(ares, &found, "nobody.test", NULL, AF_INET);
		printf("nobody.test: %s\n", il_error_name(rc));
		rc = run_out_of_time();
	}
	il_ares_close(ares);
	return rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--servers LIST]");
	ares_library_init(ARES_LIB_INIT_ALL);
	int rc =
	    example_main(argc, argv, ask, (char *)example_option(argc, argv, "--servers", NULL));
	ares_library_cleanup();
	return rc;
}
