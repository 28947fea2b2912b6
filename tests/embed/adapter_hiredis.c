/*
 * adapter_hiredis.c BACKEND: a program of two files that both have the adapter: one connects, the other asks, through
 * the same connection as the first. A reply is the asking task's, whichever file that is in.
 */
#include "../../examples/adapters/hiredis.h"
#include "../core/check.h"

#include <unistd.h>

int connect_elsewhere(il_redis **redis, const char *port);
int ask_elsewhere(il_redis *redis, redisReply **reply);

#ifdef ELSEWHERE

int connect_elsewhere(il_redis **redis, const char *port)
{
	return il_redis_connect(redis, "127.0.0.1", port);
}

int ask_elsewhere(il_redis *redis, redisReply **reply)
{
	return il_redis_command(redis, reply, "GET it");
}

#else

/* One command comes at a time. */
static int serve(void *listener)
{
	static const char reply[] = "+a reply that says something\r\n";
	il_stream *s = NULL;
	char command[256];

	CHECK(il_listener_accept(listener, &s) == 0);
	while (il_stream_read(s, command, sizeof(command)) > 0)
		CHECK(il_stream_write_all(s, reply, sizeof(reply) - 1) == 0);
	il_stream_destroy(s);
	return 0;
}

static void check_reply(int rc, redisReply *const *got)
{
	CHECK(rc == 0);
	CHECK(strcmp((*got)->str, "a reply that says something") == 0);
	freeReplyObject(*got);
}

static int talk(void *arg)
{
	il_listener *listener = NULL;
	il_redis *redis = NULL;
	redisReply *reply = NULL;
	char port[8];

	(void)arg;
	CHECK(il_listener_open_tcp(&listener, "127.0.0.1", "0", NULL) == 0);
	CHECK(il_loop_spawn(il_loop_current(), NULL, serve, listener) == 0);
	snprintf(port, sizeof(port), "%u", (unsigned)il_listener_port(listener));
	CHECK(connect_elsewhere(&redis, port) == 0);
	for (int i = 0; i < 3; i++) {
		check_reply(il_redis_command(redis, &reply, "GET it"), &reply);
		check_reply(ask_elsewhere(redis, &reply), &reply);
	}
	il_redis_close(redis);
	il_listener_destroy(listener);
	return 0;
}

int main(int argc, char **argv)
{
	const il_backend *backend = argc > 1 ? il_backend_find(argv[1]) : NULL;

	CHECK(backend);
	alarm(100);
	return il_run(backend, talk, NULL) == 0 ? 0 : 1;
}

#endif
