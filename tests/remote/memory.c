/*
 * memory.c: a worker program that has no memory for an answer: its server learns at once that the call is lost, and gets others
 * answered.
 */
#define _GNU_SOURCE
#include "packets.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { MIB = 1 << 20, SMALL = 1, LARGE = 48, LEFT = 80 }; /* MiB: LARGE fits once */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

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

/* Of address space, from now on. */
static void leave_little(pid_t pid)
{
	struct rlimit limit;
	unsigned long pages = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max =
	    pages * (unsigned long)sysconf(_SC_PAGESIZE) + LEFT * (unsigned long)MIB;
	CHECK_EQ(prlimit(pid, RLIMIT_AS, &limit, NULL), 0);
}

static void lose_an_answer(void)
{
	const struct timeval limit = {5, 0};
	pid_t worker = worker_start(address, "slots=1 beat=60000 threads=1 all=1");
	int fd = accept_one();
	double begin;

	CHECK(ask_for(fd, SMALL));
	leave_little(worker);
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

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
#ifdef SANITIZED
	(void)lose_an_answer;
	printf("not tested: a sanitizer ends a program that has no memory\n");
#else
	lose_an_answer();
#endif
	listen_no_more();
}
