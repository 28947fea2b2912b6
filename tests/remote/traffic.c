/*
 * traffic.c: what is not sent, for a server passes each packet on at the cost of an answer: questions about a call that has just come,
 * and signs of one that waits in a worker program for a moment. And what is sent later: an answer, so that the next call begins first.
 */
#include "packets.h"

#include <time.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { BEAT = 400 };

/* ---- a pool ---- */

struct asked {
	double after; /* when the first question came */
};

static void *await_a_question(void *arg)
{
	char call[4096], data[4096], answer[128];
	struct asked *asked = arg;
	int fd = accept_one();
	size_t size;
	double begin;

	CHECK(await(fd, SUBMIT_JOB, call, sizeof call, &size));
	begin = seconds();
	send_text(fd, JOB_CREATED, "H:1");
	CHECK(await(fd, GET_STATUS, data, sizeof data, &size));
	asked->after = seconds() - begin;
	size = make_answer(answer, strchr(strchr(call, 0) + 1, 0) + 1, 0, 41, sizeof(struct sum));
	send_packet(fd, WORK_COMPLETE, answer, size);
	while (receive_packet(fd, data, sizeof data, &size)) /* until the caller leaves */
		;
	close(fd);
	return NULL;
}

static void ask_when_it_is_time(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct asked asked = {0};
	struct sum s = {1, 2, 0};
	pthread_t thread;
	il_executor *ex;

	o.heartbeat = IL_MSEC(BEAT);
	pthread_create(&thread, NULL, await_a_question, &asked);
	ex = pool_with(&o);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), 41);
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	CHECK(asked.after > BEAT / 3e3); /* it looks each quarter */
	printf("a question after half a beat\n");
}

static void *give_one_sign(void *arg)
{
	char data[4096];
	int fd = accept_one();
	size_t size;

	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	send_text(fd, JOB_CREATED, "H:1");
	*(double *)arg = seconds();
	send_packet(fd, WORK_STATUS, "H:1\0001\000100", 9); /* it runs; a beat is 100 ms */
	while (receive_packet(fd, data, sizeof data, &size))
		;
	close(fd);
	return NULL;
}

/* A worker's silence is measured by its own beat, however long that of the pool is: three of them, and a second. */
static void look_often_enough(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum s = {1, 2, 0};
	double sign = 0, took;
	pthread_t thread;
	il_executor *ex;

	o.heartbeat = IL_SEC(3600);
	pthread_create(&thread, NULL, give_one_sign, &sign);
	ex = pool_with(&o);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -EOWNERDEAD);
	took = seconds() - sign;
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	CHECK(took >= 0.3 && took < 0.3 + PATIENCE);
	printf("a silent worker with a short beat, after %.2f s\n", took);
}

/* ---- a worker program ---- */

/* Two calls at one slot: of the first it says that it runs, of the second once that it waits, and not before it has for a while. */
static void sign_late_that_one_waits(void)
{
	pid_t worker = worker_start(address, "slots=1 prefetch=1 beat=60000");
	const unsigned ms = 1000;
	int fd = accept_one(), runs = 0, waits = 0, ends = 0;
	char data[4096];
	size_t size;
	unsigned type;
	double begin;

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	size = make_call(data, "test.t.slow", sizeof ms);
	memcpy(data + size - sizeof ms, &ms, sizeof ms);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, size);
	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	begin = seconds();
	send_packet(fd, JOB_ASSIGN_UNIQ, data, make_call(data, "test.t.refuse", 0));
	while (ends < 2 && (type = receive_packet(fd, data, sizeof data, &size))) {
		bool one_waits = type == WORK_STATUS && strcmp(data + 4, "0") == 0;
		ends += type == WORK_COMPLETE;
		runs += type == WORK_STATUS && strcmp(data + 4, "1") == 0;
		waits += one_waits;
		CHECK(!one_waits || seconds() - begin >= 0.1);
	}
	CHECK_EQ(ends, 2);
	CHECK(runs >= 1);
	CHECK_EQ(waits, 1);
	worker_kill(worker);
	close(fd);
	printf("one sign of a call that waits\n");
}

/* Its results are not read, so answers wait to be sent: the last call runs all the same, in the only slot. */
static void begin_before_an_answer(void)
{
	enum { LARGE = 4000000 };
	static char data[2 * LARGE + 4096];
	const char *const names[] = {"test.t.slow", "test.t.twice", "test.t.twice", "test.t.refuse",
				     "test.t.note"};
	const size_t sizes[] = {sizeof(unsigned), LARGE, LARGE, 0, sizeof(struct note)};
	const unsigned ms = 300;
	const struct note last = {9, 0};
	size_t size;
	pid_t worker;
	int fd;

	journal_open();
	worker = worker_start(address, "slots=1 prefetch=4 beat=60000");
	fd = accept_one();
	for (int i = 0; i < 5; i++) {
		char *envelope, *argument;
		CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
		size = make_call(data, names[i], sizes[i]);
		argument = data + size - sizes[i];
		envelope = argument - 32;
		envelope[5] = i == 1 || i == 2; /* of bytes */
		put(envelope + 16, UINT32_MAX, 4);
		if (i == 0)
			memcpy(argument, &ms, sizeof ms);
		if (i == 4)
			memcpy(argument, &last, sizeof last);
		send_packet(fd, JOB_ASSIGN_UNIQ, data, size);
	}
	UNTIL(journal_count(9) == 1);
	worker_kill(worker);
	close(fd);
	printf("the next call before an answer\n");
}

/* ---- very many jobs ---- */

enum { MANY = 40000, TWICE = 2 };

/* Behind a handle of its own; the first one keeps the only slot. */
static void assign(int fd, int job)
{
	const unsigned ms = 1000000;
	char call[256], data[256];
	size_t skip = strlen("H:1") + 1, size, n;

	size =
	    make_call(call, job == 0 ? "test.t.slow" : "test.t.refuse", job == 0 ? sizeof ms : 0);
	if (job == 0)
		memcpy(call + size - sizeof ms, &ms, sizeof ms);
	n = (size_t)sprintf(data, "H:%d", job) + 1;
	memcpy(data + n, call + skip, size - skip);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, n + size - skip);
}

/* Of a program's processors. */
static double seconds_of(pid_t pid)
{
	struct timespec t = {0, 0};
	clockid_t clock;

	CHECK_EQ(clock_getcpuclockid(pid, &clock), 0);
	CHECK_EQ(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Ten times what it takes, and more. */
static double enough(void)
{
#ifdef SANITIZED
	return PATIENCE;
#else
	return RUNNING_ON_VALGRIND ? PATIENCE : 1;
#endif
}

/* A worker program looks at each of its jobs once to say that it waits, and once a beat, and not at all of them for each sign: for
 * that it would take some seconds of either. */
static void sign_of_very_many(void)
{
	pid_t worker = worker_start(address, "slots=1 prefetch=40000 beat=2000");
	int fd = accept_one(), assigned = 0, twice_signed = 0;
	int *signs = calloc(MANY + 1, sizeof *signs);
	char data[4096];
	size_t size;
	unsigned type;
	double took;

	while (twice_signed <= MANY && (type = receive_packet(fd, data, sizeof data, &size))) {
		if (type == ECHO_REQ)
			send_packet(fd, ECHO_RES, data, size);
		else if (type == GRAB_JOB_UNIQ)
			assign(fd, assigned++);
		else if (type == WORK_STATUS)
			twice_signed += ++signs[atoi(data + strlen("H:"))] == TWICE;
	}
	CHECK_EQ(assigned, MANY + 1);
	CHECK_EQ(twice_signed, MANY + 1);
	took = seconds_of(worker);
	CHECK(took < enough());
	worker_kill(worker);
	close(fd);
	free(signs);
	printf("signs of very many, in %.2f s\n", took);
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
	ask_when_it_is_time();
	look_often_enough();
	sign_late_that_one_waits();
	begin_before_an_answer();
	sign_of_very_many();
	listen_no_more();
}
