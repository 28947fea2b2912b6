/*
 * raw.c: with those who know nothing of interloop: workers of `gearman -w` and libgearman under a raw pool, and a worker of ours
 * under a client of libgearman, which writes the envelope itself.
 */
#define _GNU_SOURCE
#include "support.h"

#include <interloop/function.h>

#include <libgearman/gearman.h>

static struct server server;

/* Functions of others: here they have names only. */
static int their_cat(void *arg)
{
	(void)arg;
	return -ENOSYS;
}

static int their_odd(void *arg)
{
	(void)arg;
	return -ENOSYS;
}

static il_executor *raw_pool(size_t max_size)
{
	const char *servers[] = {server.address};
	il_remote_pool_options o = {.servers = servers,
				    .server_count = 1,
				    .prefix = "raw.",
				    .raw = true,
				    .heartbeat = IL_MSEC(100),
				    .max_size = max_size};

	return pool_with(&o);
}

/* ---- gearman -w ---- */

static pid_t start_cat(void)
{
	char port[24];
	char *argv[] = {"gearman", "-w", "-h", "127.0.0.1",      "-p", port, "-f", "raw.cat",
			"--",      "sh", "-c", "sleep 0.5; cat", NULL};

	snprintf(port, sizeof port, "%s", server.port);
	return program_spawn(argv);
}

static void call_the_tool(void)
{
	il_executor *ex = raw_pool(0);
	pid_t worker = start_cat();
	il_bytes b = {.in = "a\0b", .in_size = 3};
	int number = 3;

	CHECK_EQ(il_executor_run(ex, their_cat, &b, IL_BYTES), 0); /* five beats without a sign */
	CHECK(b.out_size == 3 && memcmp(b.out, "a\0b", 3) == 0);
	il_bytes_free(&b);
	CHECK_EQ(il_executor_run(ex, their_cat, &number, sizeof number), -ENOTSUP);
	il_executor_destroy(ex);
	worker_kill(worker);
	printf("gearman -w\n");
}

/* ---- a worker of libgearman ---- */

/* By its argument: pieces and an end, an exception, a failure, zeros. */
static gearman_return_t odd(gearman_job_st *job, void *context)
{
	const char *workload = gearman_job_workload(job);
	static char zeros[9000];

	(void)context;
	switch (gearman_job_workload_size(job) ? workload[0] : 0) {
	case 'p':
		gearman_job_send_data(job, "one ", 4);
		gearman_job_send_status(job, 1, 2);
		gearman_job_send_data(job, "two ", 4);
		gearman_job_send_complete(job, "three", 5);
		return GEARMAN_SUCCESS;
	case 'e':
		gearman_job_send_exception(job, "it went wrong", 13);
		return GEARMAN_SUCCESS;
	case 'z':
		gearman_job_send_complete(job, zeros, sizeof zeros);
		return GEARMAN_SUCCESS;
	default:
		return GEARMAN_FATAL;
	}
}

static bool over;

static void *work(void *arg)
{
	gearman_worker_st *w = gearman_worker_create(NULL);

	(void)arg;
	gearman_worker_add_server(w, "127.0.0.1", (in_port_t)atoi(server.port));
	gearman_worker_set_timeout(w, 50);
	gearman_worker_define_function(w, "raw.odd", 7, gearman_function_create(odd), 0, NULL);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		gearman_worker_work(w);
	gearman_worker_free(w);
	return NULL;
}

static void call_odd(const char *in, int code, const char *out)
{
	il_executor *ex = raw_pool(4096);
	il_bytes b = {.in = in, .in_size = strlen(in)};

	CHECK_EQ(il_executor_run(ex, their_odd, &b, IL_BYTES), code);
	if (code == 0)
		CHECK(b.out_size == strlen(out) && memcmp(b.out, out, b.out_size) == 0);
	else
		CHECK(strstr(il_error_detail(), out) != NULL);
	il_bytes_free(&b);
	il_executor_destroy(ex);
}

static void call_the_library(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, work, NULL);
	call_odd("pieces", 0, "one two three");
	call_odd("exception", -EREMOTEIO, "it went wrong");
	call_odd("fail", -EOWNERDEAD, "failed the call");
	call_odd("zeros", -EMSGSIZE, "9000 bytes");
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	printf("a worker of libgearman\n");
}

/* ---- a client of libgearman ---- */

static void be_called(void)
{
	pid_t worker = worker_start(server.address, "slots=1");
	gearman_client_st *c = gearman_client_create(NULL);
	unsigned char call[32 + 12] = "ILRC\1"; /* then form, attempt, id, limit, build, left */
	struct sum s = {20, 22, 0};
	gearman_return_t rc;
	size_t size;
	char *answer;

	call[8] = 77;
	call[18] = 1; /* 65,536 bytes of a result at most */
	memset(call + 24, 0xff, 8);
	memcpy(call + 32, &s, sizeof s);
	gearman_client_add_server(c, "127.0.0.1", (in_port_t)atoi(server.port));
	answer = gearman_client_do(c, "test.t.add", NULL, call, sizeof call, &size, &rc);
	CHECK_EQ(rc, GEARMAN_SUCCESS);
	CHECK(size > 44 && memcmp(answer, "ILRA\1", 6) == 0 && answer[8] == 42 && answer[16] == 77);
	memcpy(&s, answer + size - sizeof s, sizeof s);
	CHECK_EQ(s.sum, 42);
	free(answer);
	answer = gearman_client_do(c, "test.t.add", NULL, "garbage", 7, &size, &rc);
	CHECK(rc != GEARMAN_SUCCESS);
	free(answer);
	gearman_client_free(c);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a client of libgearman\n");
}

void test_all(void)
{
	CHECK_EQ(il_function_register("cat", their_cat), 0);
	CHECK_EQ(il_function_register("odd", their_odd), 0);
	server_start(&server, 1);
	call_the_tool();
	call_the_library();
	be_called();
	server_stop(&server);
}
