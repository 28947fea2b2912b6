/*
 * deadlines.c: the time that is left to whoever waits goes with the call, also where that has waited for room, and where a map has a
 * limit of its own. The server is one of the test, which looks.
 */
#include "packets.h"

#include <semaphore.h>

enum { TIMES = 20 };
enum { FIRST, LIMITED, SECOND, MAPPED, EXACT, VIRTUAL = EXACT + TIMES, CALLS };

static il_executor *ex;
static sem_t go; /* the call that takes the only place may end */
static int64_t left[CALLS];
static double came[CALLS], began[TIMES];

/* ---- the server ---- */

static int64_t time_left(const char *payload)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)(unsigned char)payload[24 + i] << 8 * i;
	return (int64_t)value;
}

static void *look(void *arg)
{
	char data[4096], answer[128];
	size_t size;
	int fd = accept_one();

	(void)arg;
	for (int i = 0; i < CALLS && await(fd, SUBMIT_JOB, data, sizeof data, &size); i++) {
		const char *payload = strchr(strchr(data, 0) + 1, 0) + 1;
		left[i] = time_left(payload);
		came[i] = seconds();
		send_text(fd, JOB_CREATED, "H:1");
		while ((i == FIRST || i == SECOND) && sem_wait(&go) < 0)
			;
		size = make_answer(answer, payload, 0, 41, sizeof(struct sum));
		send_packet(fd, WORK_COMPLETE, answer, size);
	}
	while (receive_packet(fd, data, sizeof data, &size)) /* until the caller leaves */
		;
	close(fd);
	return NULL;
}

/* ---- callers ---- */

static int run_add(void *arg)
{
	(void)arg;
	return il_executor_run(ex, add, &(struct sum){1, 2, 0}, sizeof(struct sum));
}

static int run_limited(void *arg)
{
	CHECK_EQ(il_fail_after(IL_SEC(60), run_add, arg), 41);
	return 0;
}

static int map_limited(void *arg)
{
	struct sum s = {1, 2, 0};
	int result = 0;

	(void)arg;
	CHECK_EQ(il_executor_map(ex, add, &s, 1, sizeof s, &result, IL_SEC(60)), 0);
	CHECK_EQ(result, 41);
	return 0;
}

/* While the only place is taken. */
static int wait_for_room(il_fn *caller)
{
	struct sum s = {1, 2, 0};
	il_future *f = NULL;
	il_group g;

	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	CHECK_EQ(il_group_open(&g), 0);
	CHECK_EQ(il_group_start_soon(&g, NULL, caller, NULL), 0);
	CHECK_EQ(il_yield(), 0);
	sem_post(&go);
	CHECK_EQ(il_future_result(f, IL_FOREVER), 41);
	il_future_unref(f);
	return il_group_close(&g, 0);
}

static int wait_twice(void *arg)
{
	(void)arg;
	CHECK_EQ(wait_for_room(run_limited), 0);
	return wait_for_room(map_limited);
}

static int run_often(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		began[i] = (double)il_now() / 1e9;
		CHECK_EQ(run_limited(arg), 0);
	}
	return 0;
}

/* A clock of its own, which stands while the call is out: its deadline says nothing elsewhere. */
static bool call_in_virtual_time(void)
{
	const il_backend *virtual_time = il_backend_find("virtual");

	if (!virtual_time) {
		test_skipped("no virtual time here");
		return false;
	}
	CHECK_EQ(il_run(virtual_time, run_limited, NULL), 0);
	return true;
}

void test_all(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	pthread_t thread;
	bool was_virtual;

	sem_init(&go, 0, 0);
	listen_here();
	pthread_create(&thread, NULL, look, NULL);
	o.queue_limit = 1;
	ex = pool_with(&o);
	CHECK_EQ(il_run(il_backend_find(NULL), wait_twice, NULL), 0);
	CHECK_EQ(il_run(il_backend_find(NULL), run_often, NULL), 0);
	was_virtual = call_in_virtual_time();
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	listen_no_more();
	CHECK_EQ((long)left[FIRST], -1);
	CHECK_EQ((long)left[SECOND], -1);
	CHECK(left[LIMITED] > 0 && left[LIMITED] <= 60001);
	CHECK(left[MAPPED] > 0 && left[MAPPED] <= 60001);
	for (int i = 0; i < TIMES; i++) /* a worker does not give up before its caller */
		CHECK(came[EXACT + i] + (double)left[EXACT + i] / 1e3 >= began[i] + 60);
	CHECK(!was_virtual || left[VIRTUAL] == -1);
	printf("the time that is left\n");
}
