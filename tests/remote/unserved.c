/*
 * unserved.c: a call whose name no worker has is taken back from its server, while a worker comes that has it: -ENOENT only if it
 * does not run, and its answer is the caller's. The server is one of the test, for the moments are short.
 */
#include "packets.h"

#include <sys/socket.h>

/* What the server replies to `cancel job`, and then to the question whether a worker has it; and the answer, if there is one. */
struct course {
	const char *reply;
	bool fails, taken, ends;
	int code; /* what the caller gets */
};

static const struct course courses[] = {
    {"OK\r\n", true, false, false, -ENOENT},         /* it was in the queue */
    {"OK\r\n", true, true, true, 41},                /* a worker has just taken it */
    {"ERR UNKNOWN_JOB\r\n", false, false, true, 41}, /* it has just ended */
    {"ERR UNKNOWN_COMMAND cancel\r\n", false, false, false, -ENOENT}, /* it cannot be taken back */
};

static void say(int fd, const char *line)
{
	send_all(fd, line, strlen(line));
}

/* An administrator's lines, up to the one that is to be replied to. */
static int await_cancel(void)
{
	char line[64] = "";
	size_t n = 0;
	int fd = accept_one();

	while (strcmp(line, "cancel job H:1\n") != 0 && recv(fd, line + n, 1, 0) == 1) {
		n++;
		if (line[n - 1] != '\n')
			continue;
		line[n] = 0;
		if (strcmp(line, "status\n") == 0)
			say(fd, ".\n");
		n = 0;
	}
	CHECK(strcmp(line, "cancel job H:1\n") == 0);
	return fd;
}

static void tell_whether_taken(int fd, bool taken)
{
	char data[4096];
	size_t size;

	for (unsigned type = 0; type != GET_STATUS;) {
		type = receive_packet(fd, data, sizeof data, &size);
		CHECK(type != 0);
	}
	send_packet(fd, STATUS_RES, taken ? "H:1\0001\0001\0000\0000" : "H:1\0001\0000\0000\0000",
		    11);
}

static void *serve_courses(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
		char data[4096], answer[128];
		size_t size;
		int fd = accept_one(), admin;
		CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
		size = make_answer(answer, strchr(strchr(data, 0) + 1, 0) + 1, 0, 41,
				   sizeof(struct sum));
		send_text(fd, JOB_CREATED, "H:1");
		admin = await_cancel();
		if (courses[i].fails)
			send_text(fd, WORK_FAIL, "H:1");
		say(admin, courses[i].reply);
		if (courses[i].fails)
			tell_whether_taken(fd, courses[i].taken);
		usleep(50000); /* in which a pool that is in a hurry would end the call */
		if (courses[i].ends)
			send_packet(fd, WORK_COMPLETE, answer, size);
		while (receive_packet(fd, data, sizeof data, &size)) /* until the caller leaves */
			;
		close(admin);
		close(fd);
	}
	return NULL;
}

void test_all(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	pthread_t thread;

	listen_here();
	o.unserved_timeout = IL_MSEC(100);
	pthread_create(&thread, NULL, serve_courses, NULL);
	for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
		il_executor *ex = pool_with(&o);
		struct sum s = {1, 2, 0};
		int rc = il_executor_run(ex, add, &s, sizeof s);
		if (rc != courses[i].code)
			printf("course %zu\n", i);
		CHECK_EQ(rc, courses[i].code);
		il_executor_destroy(ex);
	}
	pthread_join(thread, NULL);
	printf("taken back\n");
}
