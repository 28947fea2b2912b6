/*
 * tutorial_test.c: a test of the service of docs/tutorial.md in virtual time: a minute of silence
 * passes at once.
 */
#include "tutorial_service.h"
#include "usage.h"

#include <interloop/virtual.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* [check] */
#define CHECK(condition)                                                       \
	do {                                                                   \
		if (!(condition)) {                                            \
			printf("line %d: not so: %s\n", __LINE__, #condition); \
			exit(1);                                               \
		}                                                              \
	} while (0)
/* [check] */

/* [client] */
static void ask(const char *path)
{
	il_stream *stream;
	char answer[64];
	CHECK(il_stream_connect_unix(&stream, path) == 0);
	CHECK(il_stream_write_all(stream, "100\n", 4) == 0);
	int size = il_stream_receive_until(stream, answer, sizeof(answer), "\n", 1);
	CHECK(size == 19 && memcmp(answer, "25 primes up to 100", 19) == 0);
	printf("an answer: ok\n");

	il_time start = il_now();
	CHECK(il_stream_read(stream, answer, sizeof(answer)) == 0); /* the server gives us up */
	CHECK(il_now() - start == IL_SEC(60));
	printf("a silent client is let go after 60 s: ok\n");
	il_stream_destroy(stream);
}
/* [client] */

/* [test] */
struct test {
	struct service service;
	il_server *server;
};

static int serve(void *arg)
{
	struct test *test = arg;
	return service_serve(&test->service, test->server);
}

static int run(void *arg)
{
	struct test test = {.service = {.log = tmpfile()}};
	il_group group;
	const char *path = arg;
	char text[64] = "";
	CHECK(il_unix_server_open(&test.server, path, il_protocol_lines(), &service_handler,
				  &test.service, NULL) == 0);
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, serve, &test) == 0);
	ask(path);
	il_scope_cancel(il_group_scope(&group)); /* what SIGINT does to the server */
	CHECK(il_group_close(&group, 0) == 0);
	il_server_destroy(test.server);

	rewind(test.service.log);
	CHECK(fgets(text, sizeof(text), test.service.log));
	CHECK(strcmp(text, "asked for 100\n") == 0);
	fclose(test.service.log);
	printf("the log is complete: ok\n");
	return 0;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	char path[64];
	snprintf(path, sizeof(path), "/tmp/tutorial_test.%d", (int)getpid());
	return il_run(il_virtual(), run, path) != 0;
}
/* [test] */
