/*
 * remote.c: a remote pool and a worker in virtual time, each with a job server whose packets are the input: any types, any handles,
 * envelopes that are right, wrong or lie. Every call ends once, with a defined result; the worker drains.
 *
 * Input: what the server sends, packet by packet: who gets it, its type, how its body is made, and then bytes of the body; between
 * two of them the other side has its turn.
 */
#include "fuzz.h"

#include "../../core/remote/envelope.h"
#include "../../core/remote/pool.h"

#include <interloop/function.h>

enum { CALLS = 3 };

/* Instead of a connection to the network: one to the server of this file. */
static int connect_here(il_stream **stream, const char *path);
#define il_stream_connect_unix connect_here
#include "../../core/remote/connect.c"
#undef il_stream_connect_unix

enum body { IS_RAW, IS_HANDLE, IS_ANSWER, IS_JOB, BODIES };

static struct {
	struct input in;
	il_stream *pool_side, *worker_side; /* the server's ends */
	int ended;
} now;

/* What comes may be any number of bytes, which a function of a struct cannot see. */
static int count_up(void *arg)
{
	static int count;

	(void)arg;
	return ++count & 0xff;
}

/* ---- the server ---- */

static int connect_here(il_stream **stream, const char *path)
{
	il_stream **server = strcmp(path, "pool") == 0 ? &now.pool_side : &now.worker_side;

	il_stream_destroy(*server);
	*server = NULL;
	return il_stream_pair(stream, server);
}

static void put32(char *to, size_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(unsigned char)(value >> (24 - 8 * i));
}

static size_t make_body(char *to, enum body kind, const uint8_t *bytes, size_t size)
{
	size_t n = 0;

	if (kind == IS_RAW) {
		memcpy(to, bytes, size);
		return size;
	}
	n = (size_t)sprintf(to, "H:%u", size ? bytes[0] % 4u : 0) + 1;
	if (kind == IS_JOB) {
		memcpy(to + n, "f.add\0u", 8);
		n += 8;
		il__remote_write_call(to + n, &(struct il__remote_call){
						  .form = IL_CALL_FLAT, .limit = 1000, .left = -1});
		n += IL__REMOTE_ENVELOPE;
	} else if (kind == IS_ANSWER) {
		il__remote_write_answer(
		    to + n, &(struct il__remote_answer){
				.rc = 1, .id = size ? bytes[0] % 4u : 0, .out_size = sizeof(int)});
		n += IL__REMOTE_ENVELOPE;
	}
	for (size_t i = 1; i < size; i++) /* bytes that differ, at places that they name */
		if (i % 2 == 0)
			to[bytes[i - 1] % n] ^= (char)bytes[i];
	memset(to + n, 0, 8);
	return kind == IS_HANDLE ? n : n + size % 8;
}

/* A whole packet, or with the type 0 bytes as they are. */
static void send_one(il_stream *to)
{
	char packet[12 + 400] = "\0RES";
	unsigned type = take_byte(&now.in), kind = take_byte(&now.in);
	size_t size = take_byte(&now.in) % 64;
	const uint8_t *bytes = take_bytes(&now.in, &size);

	if (!to)
		return;
	size = make_body(packet + 12, kind % BODIES, bytes, size);
	put32(packet + 4, type);
	put32(packet + 8, size + (kind >= 250)); /* one may say that there is more */
	if (type)
		(void)!il_stream_write_all(to, packet, 12 + size);
	else
		(void)!il_stream_write_all(to, packet + 12, size);
}

static void forget_sent(il_stream *from)
{
	char bytes[512];

	while (from && il_stream_read_now(from, bytes, sizeof bytes) > 0)
		;
}

static int serve(void *arg)
{
	(void)arg;
	while (now.in.size > 0) {
		send_one(take_byte(&now.in) % 2 ? now.pool_side : now.worker_side);
		forget_sent(now.pool_side);
		forget_sent(now.worker_side);
		CHECK(il_sleep(IL_MSEC(take_byte(&now.in))) == 0);
	}
	return 0;
}

/* ---- the two sides ---- */

static int call(void *ex)
{
	int n = 1, rc = il_executor_run(ex, count_up, &n, sizeof n);

	CHECK(rc < 0 || rc <= 0xff);
	now.ended++;
	return 0;
}

static int work(void *arg)
{
	static const char *const servers[] = {"unix:worker"};
	il_remote_worker_options o = {
	    .servers = servers, .server_count = 1, .executor = arg, .slots = 2, .prefetch = 1};

	CHECK(il_remote_worker_serve(&o) == -ECANCELED);
	return 0;
}

/* Runs what it is given at once. */
static int submit_at_once(void *self, il_call *c)
{
	*(il_call **)self = c;
	il_call_run(c);
	return 0;
}

static int run_both(void *arg)
{
	static const char *const servers[] = {"unix:pool"};
	static il_call *given;
	il_remote_pool_options o = {.servers = servers,
				    .server_count = 1,
				    .connect_timeout = IL_SEC(1),
				    .resubmits = 1,
				    .max_size = 300};
	const il_executor_ops at_once = {.submit = submit_at_once, .in_loop = true};
	struct il__remote_pool *pool;
	il_executor *plain;
	il_portal *portal;
	il_group group, calls;

	(void)arg;
	CHECK(il_loop_create_threads_portal(il_loop_current(), &portal) == 0);
	CHECK(il_executor_create(&plain, &at_once, &given) == 0);
	CHECK(il__remote_pool_make(&pool, &o, portal) == 0);
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, il__remote_run_pool, pool) == 0);
	CHECK(il_group_start_soon(&group, NULL, work, plain) == 0);
	CHECK(il_group_open(&calls) == 0);
	for (int i = 0; i < CALLS; i++)
		CHECK(il_group_start_soon(&calls, NULL, call, pool->executor) == 0);
	CHECK(il_group_start_soon(&calls, NULL, serve, NULL) == 0);
	CHECK(il_group_close(&calls, 0) == 0);
	CHECK(now.ended == CALLS);
	CHECK(il_executor_shutdown(pool->executor, IL_NOWAIT) == 0);
	il_scope_cancel(il_group_scope(&group));
	CHECK(il_group_close(&group, 0) == 0);
	il_executor_unref(pool->executor);
	il_executor_destroy(plain);
	il_portal_close(portal);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	now.in = (struct input){data, size};
	now.ended = 0;
	CHECK(il_function_register("f.add", count_up) == 0);
	CHECK(il_run(il_virtual(), run_both, NULL) == 0);
	il_stream_destroy(now.pool_side);
	il_stream_destroy(now.worker_side);
	now.pool_side = now.worker_side = NULL;
	return 0;
}
