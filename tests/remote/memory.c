/*
 * memory.c: a worker program that has no memory for an answer: its server learns at once that the call is lost, and gets others
 * answered. A call or a result for which there is no memory costs nothing but itself.
 */
#define _GNU_SOURCE
#include "packets.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { MIB = 1 << 20, SMALL = 1, LARGE = 48, VAST = 96 };
enum { ONCE = 80, TWICE = 108, NEVER = 24 }; /* MiB: LARGE fits so often */

/* So many MiB. */
static int swell(void *arg)
{
	il_bytes *b = arg;
	size_t size = (size_t)((const char *)b->in)[0] * MIB;
	void *out = il_bytes_resize(b, size);

	if (!out)
		return -ENOMEM;
	memset(out, 0, size);
	return 0;
}

static void __attribute__((constructor)) register_swell(void)
{
	if (il_function_register("t.swell", swell) < 0)
		abort();
}

static char data[2 * MIB];

/* Whether its result comes. */
static bool ask_for(int fd, char mib)
{
	size_t size;

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	size = make_call(data, "test.t.swell", 1);
	data[size - 1] = mib;
	data[size - 33 + 5] = 1; /* of bytes */
	put(data + size - 33 + 16, UINT32_MAX, 4);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, size);
	return await(fd, WORK_COMPLETE, data, sizeof data, &size);
}

/* Likewise, which is more than `data` takes. */
static bool ask_for_large(int fd)
{
	char packet[4096];
	size_t left = LARGE * (size_t)MIB;
	ssize_t n = 1;

	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &left));
	left = make_call(data, "test.t.swell", 1);
	data[left - 1] = LARGE;
	data[left - 33 + 5] = 1; /* of bytes */
	put(data + left - 33 + 16, UINT32_MAX, 4);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, left);
	for (left = LARGE * (size_t)MIB; left > 0 && n > 0; left -= n > 0 ? (size_t)n : 0)
		n = recv(fd, packet, left < sizeof packet ? left : sizeof packet, 0);
	return left == 0;
}

/* Of address space, from now on. */
static void leave_little(pid_t pid, unsigned long mib)
{
	struct rlimit limit;
	unsigned long pages = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	CHECK_EQ(prlimit(pid, RLIMIT_AS, NULL, &limit), 0);
	limit.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + mib * MIB;
	CHECK_EQ(prlimit(pid, RLIMIT_AS, &limit, NULL), 0);
}

static void lose_an_answer(void)
{
	const struct timeval limit = {5, 0};
	pid_t worker = worker_start(address, "slots=1 beat=60000 threads=1 all=1");
	int fd = accept_one();
	double begin;

	CHECK(ask_for(fd, SMALL));
	leave_little(worker, ONCE);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	begin = seconds();
	CHECK(!ask_for(fd, LARGE));
	if (seconds() - begin >= (double)limit.tv_sec) {
		check_failed(__FILE__, __LINE__, "the server still waits for the answer", 1, 0);
		worker_kill(worker);
		return;
	}
	close(fd);
	fd = accept_one();
	CHECK(ask_for(fd, SMALL));
	worker_kill(worker);
	close(fd);
	printf("no memory for an answer\n");
}

/* It goes out from one buffer that is not much larger. */
static void send_an_answer(void)
{
	pid_t worker = worker_start(address, "slots=1 beat=60000 threads=1 all=1");
	int fd = accept_one();

	CHECK(ask_for(fd, SMALL));
	leave_little(worker, TWICE);
	CHECK(ask_for_large(fd));
	worker_kill(worker);
	close(fd);
	printf("memory for one answer\n");
}

/* With so many MiB of nothing at its end. */
static void send_large(int fd, unsigned type, const char *begin, size_t size, unsigned mib)
{
	static char nothing[MIB];
	char header[12] = "\0RES";

	for (int i = 0; i < 4; i++) {
		header[4 + i] = (char)(type >> (24 - 8 * i));
		header[8 + i] = (char)((size + (size_t)mib * MIB) >> (24 - 8 * i));
	}
	send_all(fd, header, sizeof header);
	send_all(fd, begin, size);
	for (unsigned i = 0; i < mib; i++)
		send_all(fd, nothing, MIB);
}

static void refuse_a_call(void)
{
	pid_t worker = worker_start(address, "slots=1 beat=60000 threads=1 all=1");
	int fd = accept_one();
	size_t size;

	CHECK(ask_for(fd, SMALL));
	leave_little(worker, NEVER);
	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	send_large(fd, JOB_ASSIGN_UNIQ, data, make_call(data, "test.t.swell", 0), VAST);
	CHECK(await(fd, WORK_EXCEPTION, data, sizeof data, &size));
	CHECK(memmem(data, size, "ENOMEM", 6) != NULL);
	CHECK(ask_for(fd, SMALL));
	worker_kill(worker);
	close(fd);
	printf("no memory for a call\n");
}

/* The second result is a small one. */
static void *answer_two(void *arg)
{
	int fd = accept_one();
	char answer[128];
	size_t size;

	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	send_text(fd, JOB_CREATED, "H:0");
	send_large(fd, WORK_COMPLETE, "H:0", 4, VAST);
	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	send_text(fd, JOB_CREATED, "H:1");
	size = make_answer(answer, strchr(strchr(data, 0) + 1, 0) + 1, 0, 41, sizeof(struct sum));
	send_packet(fd, WORK_COMPLETE, answer, size);
	while (receive_packet(fd, data, sizeof data, &size))
		;
	close(fd);
	return arg;
}

static void end_a_call(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum s = {1, 2, 0};
	struct rlimit before;
	pthread_t thread;
	il_executor *ex;

	o.max_size = 2 * VAST * (size_t)MIB;
	pthread_create(&thread, NULL, answer_two, NULL);
	ex = pool_with(&o);
	UNTIL(statistics_of(ex, 0).connected);
	CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
	leave_little(getpid(), NEVER);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), 41);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	printf("no memory for a result\n");
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
#ifdef SANITIZED
	(void)lose_an_answer;
	(void)send_an_answer;
	(void)refuse_a_call;
	(void)end_a_call;
	test_skipped("a sanitizer ends a program that has no memory");
#else
	lose_an_answer();
	send_an_answer();
	refuse_a_call();
	end_a_call();
#endif
	listen_no_more();
}
