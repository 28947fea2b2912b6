/*
 * unserved.c: a call whose name no worker has is taken back from its server, while a worker comes that has it: -ENOENT only if it
 * does not run; its answer or its failure is the caller's. The server is one of the test, for the moments are short.
 */
#include "packets.h"

#include <semaphore.h>
#include <sys/socket.h>

/* What the server does after `cancel job`, a letter each: its reply (O: done, U: unknown, X: it cannot), F: WORK_FAIL, S: a sign that it runs, A: the answer, a
 * reply to the question whether a worker has it (0: none, 1: one, -: it has ended), w: a while, in which a pool in a hurry would end
 * the call; and c: the caller cancels it. A course that begins with r is one of a raw pool. */
struct course {
	const char *steps;
	int code; /* what the caller gets */
};

static const struct course courses[] = {
    {"FO0", -ENOENT},         /* it was in the queue */
    {"FO1wA", 41},            /* a worker has just taken it */
    {"UwA", 41},              /* it has just ended */
    {"SFOwA", 41},            /* a worker has just begun it */
    {"FSOwA", 41},            /* likewise */
    {"SOwFwA", 41},           /* likewise, and the administrator was faster */
    {"SFwOwFw", -EOWNERDEAD}, /* likewise, and the worker fails it */
    {"SFwU", -EOWNERDEAD},    /* a worker has begun it, and failed */
    {"SFwX", -EOWNERDEAD},    /* likewise */
    {"SF", -EOWNERDEAD},      /* likewise, or it runs: it is not told, and there is no other sign */
    {"rSOFwA", 0},
    {"rSFOwA", 0},
    {"rSFwU", -EOWNERDEAD},
    {"rSF", -EOWNERDEAD},
    {"0X", -ENOENT},        /* it cannot be taken back */
    {"UwF", -EOWNERDEAD},   /* a worker has just failed it */
    {"FwU", -EOWNERDEAD},   /* likewise */
    {"F-wU", -EOWNERDEAD},  /* likewise, and the pool has asked meanwhile */
    {"FOwF", -EOWNERDEAD},  /* it was taken back from a worker, which fails it */
    {"FO1wF", -EOWNERDEAD}, /* likewise, and the pool has asked meanwhile */
    {"FwX", -EOWNERDEAD},   /* a worker has failed it, for it cannot be taken back */
    {"F", -EOWNERDEAD},     /* who has failed it is never told */
    {"F-wc", -ECANCELED},   /* likewise, and its caller waits no more */
    {"0", -EOWNERDEAD},     /* whether it was dropped is never told */
    {"O0", -EOWNERDEAD},    /* it was, and it lies there all the same */
};

static sem_t cancels;

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

/* To which the caller may have left. */
static void reply_to_question(int fd, char step)
{
	char packet[] = "\0RES\0\0\0\24\0\0\0\13H:1\0001\0000\0000\0000";

	packet[16] = step == '-' ? '0' : '1';
	packet[18] = step == '1' ? '1' : '0';
	send(fd, packet, sizeof packet - 1, MSG_NOSIGNAL);
}

static void await_question(int fd)
{
	char data[4096];
	size_t size;
	unsigned type;

	do
		type = receive_packet(fd, data, sizeof data, &size);
	while (type != GET_STATUS && type != 0);
	CHECK(type != 0);
}

static void take_step(int fd, int admin, char step, const char *payload)
{
	char answer[128];

	if (step == 'O') {
		say(admin, "OK\r\n");
	} else if (step == 'U') {
		say(admin, "ERR UNKNOWN_JOB\r\n");
	} else if (step == 'X') {
		say(admin, "ERR UNKNOWN_COMMAND cancel\r\n");
	} else if (step == 'F') {
		send_text(fd, WORK_FAIL, "H:1");
	} else if (step == 'S') {
		send_packet(fd, WORK_STATUS, "H:1\0001\0001000", 10);
	} else if (step == 'A') {
		size_t size = make_answer(answer, payload, 0, 41, sizeof(struct sum));
		send_packet(fd, WORK_COMPLETE, answer, size);
	} else if (step == 'w') {
		usleep(50000);
	} else if (step == 'r') {
		return;
	} else if (step == 'c') {
		sem_post(&cancels);
	} else {
		await_question(fd);
		reply_to_question(fd, step);
	}
}

/* Until the caller leaves. A question that came before the reply to `cancel job` is asked again. */
static void reply_from_now_on(int fd, const char *steps)
{
	const char *last = strpbrk(steps, "01-");
	char data[4096];
	size_t size;
	unsigned type;

	while ((type = receive_packet(fd, data, sizeof data, &size)) != 0)
		if (type == GET_STATUS)
			reply_to_question(fd, last ? *last : '-');
}

static void *serve_course(void *arg)
{
	const struct course *c = arg;
	char data[4096];
	size_t size;
	int fd = accept_one(), admin;

	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	send_text(fd, JOB_CREATED, "H:1");
	admin = await_cancel();
	for (const char *step = c->steps; *step; step++)
		take_step(fd, admin, *step, strchr(strchr(data, 0) + 1, 0) + 1);
	reply_from_now_on(fd, c->steps);
	close(admin);
	close(fd);
	return NULL;
}

/* The result is -ETIMEDOUT if the call hangs. */
static int call_once(il_executor *ex, const struct course *c)
{
	static struct sum s = {1, 2, 0};
	il_bytes b = {.in = "", .in_size = 1};
	il_future *f = NULL;
	int rc;

	if (c->steps[0] == 'r')
		CHECK_EQ(il_executor_submit(ex, &f, twice, &b, IL_BYTES), 0);
	else
		CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	if (strchr(c->steps, 'c')) {
		while (sem_wait(&cancels) < 0)
			;
		CHECK(il_future_cancel(f));
	}
	rc = until_done(f);
	il_bytes_free(&b);
	return rc;
}

/* Without a reply to the cancellation, or a failure that follows it, the pool waits for some beats, but not once its caller has
 * cancelled. */
static il_time beat_of(const struct course *c)
{
	if (strpbrk(c->steps, "OUX") && strpbrk(c->steps, "FAX"))
		return 0; /* its own */
	return strchr(c->steps, 'c') ? IL_SEC(3600) : IL_SEC(1);
}

/* On a port of its own: an administrator without a reply comes again. */
static void run_course(const struct course *c)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	pthread_t thread;
	il_executor *ex;
	int rc;

	listen_here();
	pthread_create(&thread, NULL, serve_course, (void *)(uintptr_t)c);
	o.unserved_timeout = IL_MSEC(100);
	o.heartbeat = beat_of(c);
	o.raw = c->steps[0] == 'r';
	ex = pool_with(&o);
	rc = call_once(ex, c);
	if (rc != c->code)
		printf("course %s\n", c->steps);
	CHECK_EQ(rc, c->code);
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	listen_no_more();
}

void test_all(void)
{
	sem_init(&cancels, 0, 0);
	for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++)
		run_course(&courses[i]);
	printf("taken back\n");
}
