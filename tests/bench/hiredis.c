/*
 * hiredis.c: P15: tasks that ask Redis through examples/adapters/hiredis.h, each over a connection of its own, against
 * hiredis's own adapter on the same loop.
 */
#include "../../examples/adapters/hiredis.h"
#include "clients.h"
#include "native.h"

#if defined(BENCH_ON_libuv)
#include <hiredis/adapters/libuv.h>
#elif defined(BENCH_ON_libev)
#include <hiredis/adapters/libev.h>
#else
#include <hiredis/adapters/libevent.h>
#endif
#include <signal.h>

static const char serve[] =
    "exec redis-server --port $PORT --bind 127.0.0.1 --save '' --appendonly no";

static bool is_up(void)
{
	redisContext *c = redisConnect("127.0.0.1", atoi(clients_port));
	bool up = c && !c->err;

	if (up)
		freeReplyObject(redisCommand(c, "SET key value"));
	if (c)
		redisFree(c);
	return up;
}

/* ---- tasks ---- */

static il_redis *ours[CLIENTS_MAX];

static void open_all(size_t clients)
{
	for (size_t i = 0; i < clients; i++)
		bench_must(il_redis_connect(&ours[i], "127.0.0.1", clients_port));
}

static void ask(size_t client)
{
	redisReply *reply = NULL;

	bench_must(il_redis_command(ours[client], &reply, "GET key"));
	freeReplyObject(reply);
}

/* ---- callbacks ---- */

static redisAsyncContext *own[CLIENTS_MAX];

static void on_reply(redisAsyncContext *c, void *reply, void *client)
{
	(void)c;
	if (!reply)
		bench_die("redis-server does not answer");
	clients_answered((size_t)(uintptr_t)client);
}

static int attach(redisAsyncContext *c)
{
#if defined(BENCH_ON_libuv)
	return redisLibuvAttach(c, native_loop);
#elif defined(BENCH_ON_libev)
	return redisLibevAttach(native_loop, c);
#else
	return redisLibeventAttach(c, native_loop);
#endif
}

static void own_ask(size_t client)
{
	redisAsyncContext *c = own[client];

	if (!c) {
		own[client] = c = redisAsyncConnect("127.0.0.1", atoi(clients_port));
		if (c->err || attach(c) != REDIS_OK)
			bench_die("no connection to redis-server");
	}
	redisAsyncCommand(c, on_reply, (void *)(uintptr_t)client, "GET key");
}

void bench_hiredis(void)
{
	clients_compare(&(struct client_library){.name = "hiredis",
						 .base = "own_adapter",
						 .server = serve,
						 .stop = SIGKILL,
						 .is_up = is_up,
						 .n = 5000,
						 .limit = 1.1,
						 .open = open_all,
						 .ask = ask,
						 .own_ask = own_ask});
}
