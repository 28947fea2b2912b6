/*
 * moments.c: a call is cancelled in each moment of its life in turn: whenever a thread of the pool has given the pool's lock back.
 * It ends once, and nothing is used that is gone. And there is no memory for a thread, or for a result. The server is one of the
 * test.
 */
#define MOMENTS_ITSELF
#include "moments.h"

#include "packets.h"

#include <dirent.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* ---- the moments ---- */

enum { MOMENTS = 100 }; /* more than a call here has */

static atomic_int left; /* until its moment; 0 and less: there is none */
static atomic_bool over;
static bool cancelled;
static il_future *future;

int moments_unlock(pthread_mutex_t *lock)
{
	static _Thread_local bool inside;
	int rc = pthread_mutex_unlock(lock);

	if (inside || atomic_fetch_sub(&left, 1) != 1)
		return rc;
	inside = true;
	cancelled = il_future_cancel(future);
	inside = false;
	atomic_store(&over, true);
	return rc;
}

/* ---- no memory ---- */

enum { LARGE = 1 << 20 };

static atomic_int refusals; /* threads that are not made */
static atomic_bool full;    /* there is no memory for anything large */

int moments_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return atomic_fetch_sub(&refusals, 1) > 0 ? EAGAIN : pthread_create(thread, attr, fn, arg);
}

void *moments_realloc(void *memory, size_t size)
{
	return size >= LARGE && atomic_load(&full) ? NULL : realloc(memory, size);
}

/* ---- the server ---- */

struct scene {
	const char *name;
	/* To the call, on the first connection or a later one. */
	void (*reply)(int fd, const char *payload, bool again);
	int resubmits, code; /* code: what the caller gets if it is not cancelled */
};

static const struct scene *scene;
static sem_t go; /* the moments have begun */
static atomic_int submits;

/* Cancelled in some moment before, the pool may have left by now: so all but the first packet of a scene is only tried. */
static void answer(int fd, const char *payload)
{
	char a[128];
	size_t size = make_answer(a, payload, 0, 41, sizeof(struct sum));

	try_packet(fd, WORK_COMPLETE, a, size);
}

static void leave(int fd, const char *payload, bool again)
{
	send_text(fd, JOB_CREATED, "H:1");
	if (again)
		answer(fd, payload);
	else
		shutdown(fd, SHUT_RDWR);
}

static void say_that_it_runs_and_leave(int fd, const char *payload, bool again)
{
	(void)payload;
	(void)again;
	send_text(fd, JOB_CREATED, "H:1");
	try_packet(fd, WORK_STATUS, "H:1\0001\00060000", 11);
	shutdown(fd, SHUT_RDWR);
}

static void fail(int fd, const char *payload, bool again)
{
	send_text(fd, JOB_CREATED, "H:1");
	if (again)
		answer(fd, payload);
	else
		try_packet(fd, WORK_FAIL, "H:1", 3);
}

static void be_full(int fd, const char *payload, bool again)
{
	(void)payload;
	(void)again;
	send_packet(fd, ERROR, "QUEUE_ERROR\0it is full", 22);
}

static void be_ill(int fd, const char *payload, bool again)
{
	(void)payload;
	(void)again;
	send_packet(fd, ERROR, "ODD\0the server is not well", 26);
}

static void complete(int fd, const char *payload, bool again)
{
	(void)again;
	send_text(fd, JOB_CREATED, "H:1");
	try_packet(fd, WORK_STATUS, "H:1\0000\00060000", 11);
	answer(fd, payload);
}

/* In pieces, as no worker of ours does. */
static void complete_by_pieces(int fd, const char *payload, bool again)
{
	static const char data[LARGE / 2 + 4] = "H:1";

	(void)payload;
	(void)again;
	send_text(fd, JOB_CREATED, "H:1");
	try_packet(fd, WORK_DATA, data, sizeof data);
	try_packet(fd, WORK_DATA, data, sizeof data);
	try_packet(fd, WORK_COMPLETE, "H:1", 3);
}

/* Told to drop a call, it says that it cannot: then the pool waits no longer for that. */
static void refuse_to_cancel(int fd)
{
	char line[64];

	while (recv(fd, line, sizeof line, 0) > 0)
		if (send(fd, "ERR\r\n", 5, MSG_NOSIGNAL) < 0)
			return;
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[4096], first;
	size_t size;

	if (recv(fd, &first, 1, MSG_PEEK) == 1 && first != 0)
		refuse_to_cancel(fd);
	while (await(fd, SUBMIT_JOB, data, sizeof data, &size)) {
		bool again = atomic_fetch_add(&submits, 1) > 0;
		while (!again && sem_wait(&go) < 0)
			;
		scene->reply(fd, strchr(strchr(data, 0) + 1, 0) + 1, again);
	}
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	pthread_t thread;
	int fd;

	(void)arg;
	while ((fd = accept_one()) >= 0) {
		CHECK_EQ(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
		pthread_detach(thread);
	}
	return NULL;
}

/* ---- the caller ---- */

/* Whether the moment came. */
static bool cancel_in(int moment)
{
	static struct sum s = {1, 2, 0};
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex;
	bool came;
	int rc;

	o.resubmits = scene->resubmits;
	ex = pool_with(&o);
	UNTIL(statistics_of(ex, 0).connected);
	atomic_store(&submits, 0);
	atomic_store(&over, false);
	cancelled = false;
	CHECK_EQ(il_executor_submit(ex, &future, add, &s, sizeof s), 0);
	UNTIL(atomic_load(&submits) == 1);
	atomic_store(&left, moment);
	sem_post(&go);
	rc = il_future_result(future, IL_SEC(20));
	came = atomic_exchange(&left, 0) <= 0;
	if (came)
		UNTIL(atomic_load(&over));
	if (rc != (cancelled ? -ECANCELED : scene->code))
		printf("%s, moment %d\n", scene->name, moment);
	CHECK_EQ(rc, cancelled ? -ECANCELED : scene->code);
	il_future_unref(future);
	il_executor_destroy(ex);
	return came;
}

static const struct scene scenes[] = {
    {"its server is lost", leave, 0, -EOWNERDEAD},
    {"its server is lost, and takes it again", leave, 1, 41},
    {"its server is lost while it runs", say_that_it_runs_and_leave, 0, -EOWNERDEAD},
    {"it fails", fail, 0, -EOWNERDEAD},
    {"it fails, and is sent again", fail, 1, 41},
    {"its server is full", be_full, 0, -EAGAIN},
    {"its server refuses it", be_ill, 0, -EPROTO},
    {"it is answered", complete, 0, 41},
};

static void lack_memory(void)
{
	static const struct scene pieces = {"pieces", complete_by_pieces, 0, -ENOMEM};
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_bytes b = {.in = "", .in_size = 1};
	il_executor *ex;

	scene = &pieces;
	o.raw = true;
	ex = pool_with(&o);
	atomic_store(&submits, 0);
	atomic_store(&full, true);
	sem_post(&go);
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), -ENOMEM);
	CHECK(strstr(il_error_detail(), "no memory for a result of") != NULL);
	atomic_store(&full, false);
	il_bytes_free(&b);
	il_executor_destroy(ex);
	printf("no memory for a result\n");
}

/* Of pools. */
static int count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;
	int count = 0;

	CHECK(d != NULL);
	while ((e = readdir(d))) {
		char path[300], name[16] = "";
		FILE *f;
		snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		count += f && fgets(name, sizeof name, f) && strncmp(name, "il-remote", 9) == 0;
		if (f)
			fclose(f);
	}
	closedir(d);
	return count;
}

/* Neither who shuts a pool down, nor who gives it back, gets a thread that stops it: it stops all the same. */
static void lack_threads(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex;

	o.connect_timeout = IL_SEC(1);
	ex = pool_with(&o);
	UNTIL(statistics_of(ex, 0).connected);
	UNTIL(count_threads() == 1); /* others may still be going */
	atomic_store(&refusals, 4);
	il_executor_destroy(ex);
	UNTIL(atomic_load(&refusals) < 0);
	UNTIL(count_threads() == 0);
	printf("no thread to stop a pool\n");
}

void test_all(void)
{
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	sem_init(&go, 0, 0);
	listen_here();
	pthread_create(&thread, NULL, serve, NULL);
	for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
		int moment = 1;
		scene = &scenes[i];
		while (moment < MOMENTS && cancel_in(moment))
			moment++;
		CHECK(moment > 1 && moment < MOMENTS);
		printf("%s: cancelled in %d moments\n", scene->name, moment - 1);
	}
	lack_memory();
	lack_threads();
}
