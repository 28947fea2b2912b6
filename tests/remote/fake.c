/*
 * fake.c: a job server that lies: packets in any order, of no sense, for calls that there are not, twice. A call ends with a defined
 * error or goes on by the next connection, and neither a pool nor a worker is hurt.
 */
#define _GNU_SOURCE
#include "packets.h"

#include <sys/socket.h>
#include <sys/wait.h>

/* ---- to a pool ---- */

struct script {
	void (*reply)(int fd, const char *payload, size_t size); /* to the call that has come */
	int code;                                                /* what the caller gets */
	const char *words;
};

static void say_nothing_of_sense(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_all(fd, "HTTP/1.1 400 Bad Request\r\n", 26);
}

static void create_twice(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_text(fd, JOB_CREATED, "H:1");
	send_text(fd, JOB_CREATED, "H:1");
}

static void create_without_end(int fd, const char *payload, size_t size)
{
	char handle[200];

	(void)payload;
	(void)size;
	memset(handle, 'x', sizeof handle);
	send_packet(fd, JOB_CREATED, handle, sizeof handle);
}

static void half_a_frame(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_text(fd, JOB_CREATED, "H:1");
	send_all(fd, "\0RES\0\0\0\15\0\0", 10);
	close(fd);
}

static void garbage(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, "H:1\0not an envelope at all, but forty bytes", 44);
}

static void another_version(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 0, 1, sizeof(struct sum));

	(void)size;
	a[8] = 9;
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, a, n);
}

static void lengths_that_lie(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 0, 1, sizeof(struct sum));

	(void)size;
	put(a + 10, 60000, 2);
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, a, n);
}

static void another_call(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 0, 1, sizeof(struct sum));

	(void)size;
	a[20] ^= 1;
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, a, n);
}

static void another_size(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 0, 1, 5);

	(void)size;
	memcpy(a + n - 5, "other", 5); /* the name of its build, and nothing comes out */
	put(a + 4 + 12, 5, 2);
	put(a + 4 + 24, 0, 8);
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, a, n);
}

static void refused_with_success(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 1, 3, 0);

	(void)size;
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, a, n);
}

static void exception(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_EXCEPTION, "H:1\0no such thing", 17);
}

static void error(int fd, const char *payload, size_t size)
{
	(void)payload;
	(void)size;
	send_packet(fd, ERROR, "ODD\0the server is not well", 26);
}

/* Of calls that there are not, and a good one at last; then once more. */
static void right_after_wrong(int fd, const char *payload, size_t size)
{
	char a[128];
	size_t n = make_answer(a, payload, 0, 41, sizeof(struct sum));

	(void)size;
	send_packet(fd, WORK_COMPLETE, a, n); /* before it is created */
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_COMPLETE, "H:2\0nobody's", 12);
	send_text(fd, WORK_FAIL, "H:3");
	send_packet(fd, WORK_STATUS, "H:1", 3);
	send_packet(fd, WORK_STATUS, "H:1\0nonsense\0-5", 15);
	send_packet(fd, 4711, "what is this", 12);
	send_packet(fd, WORK_COMPLETE, "", 0);
	send_packet(fd, WORK_COMPLETE, a, n);
	send_packet(fd, WORK_COMPLETE, a, n);
	send_text(fd, WORK_FAIL, "H:1");
}

static const struct script scripts[] = {
    {say_nothing_of_sense, -EOWNERDEAD, "not known"},
    {create_twice, -EOWNERDEAD, "not known"},
    {create_without_end, -EOWNERDEAD, "not known"},
    {half_a_frame, -EOWNERDEAD, "not known"},
    {garbage, -EBADMSG, "no envelope of interloop"},
    {another_version, -EPROTO, "version 9; this program speaks version 1"},
    {lengths_that_lie, -EBADMSG, "lengths do not match"},
    {another_call, -EBADMSG, "another call"},
    {another_size, -EPROTO, "the caller's build is remote-fake-"},
    {another_size, -EPROTO, ", the worker's other"},
    {refused_with_success, -EBADMSG, "refusal"},
    {exception, -EPROTO, "no such thing"},
    {error, -EPROTO, "not well"},
    {right_after_wrong, 41, NULL},
};

static void *serve_scripts(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		char data[4096];
		size_t size;
		int fd = accept_one();
		if (!await(fd, SUBMIT_JOB, data, sizeof data, &size))
			continue;
		const char *unique = data + strlen(data) + 1,
			   *payload = unique + strlen(unique) + 1;
		CHECK_EQ((long)strlen(unique), 0); /* or a server may make one job of two calls */
		scripts[i].reply(fd, payload, (size_t)(data + size - payload));
		if (scripts[i].reply == half_a_frame)
			continue;
		while (receive_packet(fd, data, sizeof data, &size)) /* until the caller leaves */
			;
		close(fd);
	}
	return NULL;
}

/* A pool a script: what the server has said before is not to matter. */
static void lie_to_pools(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum s = {1, 2, 0};
	pthread_t thread;

	o.connect_timeout = IL_SEC(5);
	pthread_create(&thread, NULL, serve_scripts, NULL);
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		il_executor *ex = pool_with(&o);
		int rc = il_executor_run(ex, add, &s, sizeof s);
		if (rc != scripts[i].code)
			printf("script %zu\n", i);
		CHECK_EQ(rc, scripts[i].code);
		CHECK(!scripts[i].words || strstr(il_error_detail(), scripts[i].words));
		if (scripts[i].reply == right_after_wrong)
			UNTIL(statistics_of(ex, 0).late == 6);
		il_executor_destroy(ex);
	}
	pthread_join(thread, NULL);
	printf("lies to pools\n");
}

/* ---- to a worker ---- */

/* Registered, and not served. */
static void __attribute__((constructor)) register_hidden(void)
{
	if (il_function_register("t.hidden", nameless) < 0)
		abort();
}

/* A job that is to be answered so; what follows the words. */
static const char *assign(int fd, const char *data, size_t size, unsigned type, const char *words)
{
	static char got[4096];
	char *answer;
	size_t n = 0;

	send_packet(fd, JOB_ASSIGN_UNIQ, data, size);
	CHECK(await(fd, type, got, sizeof got, &n));
	answer = memmem(got, n, words, strlen(words));
	CHECK(answer != NULL);
	return answer ? answer + strlen(words) : "";
}

static void lie_to_a_worker(void)
{
	pid_t worker = worker_start(address, "slots=1 beat=60000");
	char data[4096];
	size_t size;
	int fd = accept_one();

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	assign(fd, "H:1\0test.t.add\0u1\0garbage", 25, WORK_FAIL, "");
	CHECK_EQ((long)strspn(assign(fd, data, make_call(data, "test.t.nobody", 0), WORK_COMPLETE,
				     "its build is remote-fake-"),
			      "0123456789abcdef"),
		 16);
	size = make_call(data, "test.t.nobody", 6);
	memcpy(data + size - 6, "theirs", 6); /* the name of the caller's build, and no argument */
	put(data + size - 6 - 32 + 20, 6, 2);
	assign(fd, data, size, WORK_COMPLETE, ", the caller's theirs");
	assign(fd, data, make_call(data, "x", 0), WORK_COMPLETE, "no function of that name");
	assign(fd, data, make_call(data, "best.t.refuse", 0), WORK_COMPLETE, "no function of that");
	assign(fd, data, make_call(data, "test.t.hidden", 0), WORK_COMPLETE, "no function of that");
	size = make_call(data, "test.t.refuse", 0);
	assign(fd, data, size, WORK_COMPLETE, "no such number");
	put(data + size - 8, 0, 8); /* no time is left */
	assign(fd, data, size, WORK_COMPLETE, "time of the call was up");
	data[size - 32 + 4] = 7;
	assign(fd, data, size, WORK_EXCEPTION, "version 7");
	send_packet(fd, JOB_ASSIGN_UNIQ, "H:1", 3); /* no name: of no use, as is the connection */
	while (receive_packet(fd, data, sizeof data, &size))
		;
	close(fd);
	fd = accept_one();
	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	for (int i = 0; i < 100; i++)
		send_packet(fd, NOOP, "", 0); /* a worker that is awake asks no more for that */
	send_packet(fd, NO_JOB, "", 0);
	CHECK_EQ(receive_packet(fd, data, sizeof data, &size), PRE_SLEEP);
	send_packet(fd, NO_JOB, "", 0);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, make_call(data, "test.t.refuse", 0)); /* unasked */
	while (receive_packet(fd, data, sizeof data, &size))
		;
	close(fd);
	CHECK_EQ(worker_stop(worker), 0);
	printf("lies to a worker\n");
}

/* How many of a type come before the first of another; what tells of calls does not count. */
static int count_until(int fd, unsigned counted, unsigned last)
{
	char data[4096];
	size_t size;
	unsigned type;
	int count = 0;

	while ((type = receive_packet(fd, data, sizeof data, &size)) && type != last)
		count += type == counted;
	CHECK_EQ(type, last);
	return count;
}

/* With each job one question more; none when there was no job, until all have their reply. */
static void count_questions(void)
{
	pid_t worker = worker_start(address, "slots=4 beat=60000");
	char data[4096];
	size_t size;
	int fd = accept_one();

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	send_packet(fd, JOB_ASSIGN_UNIQ, data, make_call(data, "test.t.refuse", 0));
	CHECK_EQ(count_until(fd, GRAB_JOB_UNIQ, WORK_COMPLETE), 2);
	send_packet(fd, NO_JOB, "", 0);
	send_packet(fd, NO_JOB, "", 0);
	CHECK_EQ(count_until(fd, GRAB_JOB_UNIQ, PRE_SLEEP), 0);
	worker_kill(worker);
	close(fd);
	printf("questions\n");
}

/* A job that was on its way when the drain began is run and answered before the worker goes. */
static void drain_late_job(void)
{
	pid_t worker = worker_start(address, "slots=1 beat=60000");
	char data[4096], echo[64];
	size_t size, echo_size;
	int fd = accept_one(), status;

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	kill(worker, SIGTERM);
	CHECK_EQ(receive_packet(fd, echo, sizeof echo, &echo_size), ECHO_REQ);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, make_call(data, "test.t.refuse", 0));
	send_packet(fd, ECHO_RES, echo, echo_size);
	CHECK(await(fd, WORK_COMPLETE, data, sizeof data, &size));
	CHECK_EQ(count_until(fd, GRAB_JOB_UNIQ, ECHO_REQ), 0);
	send_packet(fd, ECHO_RES, echo, echo_size);
	CHECK(waitpid(worker, &status, 0) == worker && WIFEXITED(status) &&
	      WEXITSTATUS(status) == 0);
	close(fd);
	printf("a late job of a drain\n");
}

static void *know_no_options(void *arg)
{
	char data[4096], answer[128];
	unsigned type;
	size_t size;
	int fd = accept_one();

	(void)arg;
	while ((type = receive_packet(fd, data, sizeof data, &size))) {
		if (type == OPTION_REQ)
			send_packet(fd, ERROR, "UNKNOWN_OPTION\0what is that", 27);
		if (type == ECHO_REQ)
			send_packet(fd, ECHO_RES, data, size);
		if (type != SUBMIT_JOB)
			continue;
		send_text(fd, JOB_CREATED, "H:1");
		size = make_answer(answer, strchr(strchr(data, 0) + 1, 0) + 1, 0, 41,
				   sizeof(struct sum));
		send_packet(fd, WORK_COMPLETE, answer, size);
	}
	close(fd);
	return NULL;
}

/* A server that does not take an option takes calls all the same, and no call is blamed for it. */
static void refuse_options(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct sum s = {1, 2, 0};
	pthread_t thread;
	il_future *f = NULL;

	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0); /* goes out with the option */
	pthread_create(&thread, NULL, know_no_options, NULL);
	CHECK_EQ(until_done(f), 41);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), 41);
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	printf("no options\n");
}

enum { RESENT = 9 };

/* Of three that were sent, none of which is created, three that were, and three that run. */
static void *lose_them_once(void *arg)
{
	char data[4096], handle[16];
	struct sum sum;
	size_t size;
	int fd = accept_one();

	(void)arg;
	for (int i = 0; i < RESENT; i++)
		CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	for (int i = 0; i < RESENT - 3; i++) {
		snprintf(handle, sizeof handle, "H:%d", i);
		send_text(fd, JOB_CREATED, handle);
	}
	for (int i = 0; i < 3; i++) {
		size = (size_t)snprintf(handle, sizeof handle, "H:%d%c1%c9000", i, 0, 0);
		send_packet(fd, WORK_STATUS, handle, size);
	}
	close(fd);
	fd = accept_one();
	for (int i = 0; i < RESENT; i++) {
		CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
		memcpy(&sum, data + size - sizeof sum, sizeof sum);
		CHECK_EQ(sum.a, i);
	}
	close(fd);
	return NULL;
}

/* What is sent again is so in the order in which it was sent first. */
static void send_again_in_order(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum sums[RESENT];
	il_future *f[RESENT];
	pthread_t thread;
	il_executor *ex;

	pthread_create(&thread, NULL, lose_them_once, NULL);
	o.resubmits = 1;
	ex = pool_with(&o);
	for (int i = 0; i < RESENT; i++) {
		sums[i] = (struct sum){i, 1, 0};
		CHECK_EQ(il_executor_submit(ex, &f[i], add, &sums[i], sizeof sums[i]), 0);
	}
	for (int i = 0; i < RESENT; i++)
		CHECK_EQ(until_done(f[i]), -EOWNERDEAD);
	pthread_join(thread, NULL);
	il_executor_destroy(ex);
	printf("sent again in order\n");
}

/* A part of the result says that the call has begun: it is not cancelled any more, and all of the result comes. */
static void begin_by_data(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_bytes b = {.in = "", .in_size = 1};
	il_future *f = NULL;
	char data[4096];
	il_executor *ex;
	size_t size;
	int fd;

	o.raw = true;
	ex = pool_with(&o);
	fd = accept_one();
	CHECK_EQ(il_executor_submit(ex, &f, twice, &b, IL_BYTES), 0);
	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	send_text(fd, JOB_CREATED, "H:1");
	send_packet(fd, WORK_DATA, "H:1\0one ", 8);
	UNTIL(il_future_running(f));
	CHECK(!il_future_cancel(f));
	send_packet(fd, WORK_COMPLETE, "H:1\0two", 7);
	CHECK_EQ(until_done(f), 0);
	CHECK(b.out_size == 7 && memcmp(b.out, "one two", 7) == 0);
	il_bytes_free(&b);
	il_executor_destroy(ex);
	close(fd);
	printf("begun by data\n");
}

enum { LARGE = 400000, MANY = 60 };

static void *read_nothing(void *arg)
{
	char data[64];
	size_t size;
	int fd = accept_one();

	CHECK_EQ(receive_packet(fd, data, sizeof data, &size), ECHO_REQ);
	send_packet(fd, ECHO_RES, data, size);
	while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE))
		usleep(1000);
	close(fd);
	return NULL;
}

/* What had no way to the server that is lost goes by the other one; what had is lost. */
static void move_unsent(void)
{
	struct server real;
	server_start(&real, 1);
	const char *servers[] = {address, real.address};
	il_remote_pool_options o = pool_options(servers, 2);
	il_bytes b[MANY];
	il_future *f[MANY];
	char *in = calloc(1, LARGE);
	il_executor *ex = pool_with(&o);
	pthread_t thread;
	bool over = false;
	pid_t worker;
	int lost = 0;

	pthread_create(&thread, NULL, read_nothing, &over);
	UNTIL(statistics_of(ex, 0).connected && statistics_of(ex, 1).connected);
	for (int i = 0; i < MANY; i++) {
		b[i] = (il_bytes){.in = in, .in_size = LARGE};
		CHECK_EQ(il_executor_submit(ex, &f[i], twice, &b[i], IL_BYTES), 0);
	}
	worker = worker_start(real.address, "slots=2"); /* now, for each server has half of them */
	UNTIL(statistics_of(ex, 1).calls == 0);
	CHECK(statistics_of(ex, 0).calls > statistics_of(ex, 0).sent);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	listen_no_more();
	for (int i = 0; i < MANY; i++) {
		int rc = until_done(f[i]);
		CHECK(rc == 0 || rc == -EOWNERDEAD);
		lost += rc < 0;
		il_bytes_free(&b[i]);
	}
	CHECK_EQ(lost, (long)statistics_of(ex, 0).sent);
	CHECK(lost > 0);
	free(in);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	server_stop(&real);
	printf("unsent calls move\n");
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
	lie_to_pools();
	refuse_options();
	begin_by_data();
	send_again_in_order();
	lie_to_a_worker();
	count_questions();
	drain_late_job();
	move_unsent(); /* which closes the listener */
}
