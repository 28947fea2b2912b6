/*
 * stopped.c: a program that is stopped for a while, as by SIGSTOP or a debugger, blames nobody for the time in which it did not
 * look. One that pauses again and again, as on a busy machine, still notices what is overdue. The server is one of the test; the library is inside, so that its threads can be held.
 */
#define MOMENTS_ITSELF
#include "moments.h"

#include "packets.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { BEAT = 2000, LIMIT = 3 * BEAT, STOP = LIMIT + 500, POOLS = 3, SHORT_BEAT = 400 }; /* ms */

/* ---- the stop ---- */

static atomic_bool stopping;
static atomic_int stopped; /* pools that have been */
static _Thread_local bool goes_on;
static atomic_bool pausing;

/* For longer than a beat, each few beats. */
static void pause_at_times(void)
{
	static _Thread_local double next;

	if (seconds() < next)
		return;
	if (next > 0)
		usleep(SHORT_BEAT * 1500);
	next = seconds() + SHORT_BEAT * 2.5 / 1e3;
}

int moments_unlock(pthread_mutex_t *lock)
{
	int rc = pthread_mutex_unlock(lock);

	if (!goes_on && atomic_load(&pausing))
		pause_at_times();
	if (goes_on || !atomic_load(&stopping))
		return rc;
	goes_on = true;
	usleep(STOP * 1000);
	atomic_fetch_add(&stopped, 1);
	return rc;
}

int moments_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return pthread_create(thread, attr, fn, arg);
}

void *moments_realloc(void *memory, size_t size)
{
	return realloc(memory, size);
}

/* ---- the server ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int cancelled = -1, unserved = -1; /* their connections; under the lock */
static char payload[4096];                /* of the unserved one; likewise */
static atomic_int doubts;                 /* whether it is served */
static sem_t asked, reply;                /* to drop the cancelled one */

static void *obey(int fd)
{
	char line[64];
	ssize_t n;

	while ((n = recv(fd, line, sizeof line - 1, 0)) > 0) {
		line[n] = 0;
		if (strcmp(line, "status\n") == 0) {
			send(fd, ".\n", 2, MSG_NOSIGNAL);
		} else if (strcmp(line, "cancel job H:1\n") == 0) {
			atomic_fetch_add(&doubts, 1);
		} else {
			CHECK(strcmp(line, "cancel job H:2\n") == 0);
			sem_post(&asked);
			while (sem_wait(&reply) < 0)
				;
			pthread_mutex_lock(&lock);
			try_packet(cancelled, WORK_FAIL, "H:2", 3); /* if its pool is there yet */
			pthread_mutex_unlock(&lock);
			send(fd, "OK\r\n", 4, MSG_NOSIGNAL);
		}
	}
	close(fd);
	return NULL;
}

static void answer(int fd, const char *to)
{
	char a[128];
	size_t size = make_answer(a, to, 0, 41, sizeof(struct sum));

	send_packet(fd, WORK_COMPLETE, a, size);
}

static void take_call(int fd, char *data, size_t size)
{
	const char *to = strchr(strchr(data, 0) + 1, 0) + 1;

	send_text(fd, JOB_CREATED, strcmp(data, "cancelled.t.add") == 0 ? "H:2" : "H:1");
	if (strcmp(data, "cancelled.t.add") == 0) {
		cancelled = fd;
	} else if (strcmp(data, "unserved.t.add") == 0) {
		memcpy(payload, to, (size_t)(data + size - to));
		unserved = fd;
	} else {
		answer(fd, to);
	}
}

static void take(int fd, unsigned type, char *data, size_t size)
{
	pthread_mutex_lock(&lock);
	if (type == ECHO_REQ) {
		try_packet(fd, ECHO_RES, data, size);
	} else if (type == GET_STATUS) {
		memcpy(data + size, "\0001\0000\0000\0000", 8);
		try_packet(fd, STATUS_RES, data, size + 8);
	} else if (type == SUBMIT_JOB) {
		take_call(fd, data, size);
	}
	pthread_mutex_unlock(&lock);
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[4096], first;
	unsigned type;
	size_t size;

	if (recv(fd, &first, 1, MSG_PEEK) == 1 && first != 0)
		return obey(fd);
	while ((type = receive_packet(fd, data, sizeof data, &size)))
		take(fd, type, data, size);
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;
	pthread_t thread;

	while ((fd = listener < 0 ? accept_one() : accept(listener, NULL, NULL)) >= 0) {
		CHECK_EQ(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
		pthread_detach(thread);
	}
	return NULL;
}

/* Where nobody listens yet. */
static int bind_one(char text[64])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
	getsockname(fd, (struct sockaddr *)&a, &size);
	snprintf(text, 64, "127.0.0.1:%d", ntohs(a.sin_port));
	return fd;
}

/* ---- the callers ---- */

static struct sum sums[POOLS];

static il_executor *call_one(const char *prefix, const char *server, il_future **f)
{
	static int calls;
	il_remote_pool_options o = pool_options(&server, 1);
	il_executor *ex;

	o.prefix = prefix;
	o.heartbeat = IL_MSEC(BEAT);
	o.connect_timeout = IL_MSEC(LIMIT);
	o.unserved_timeout = strcmp(prefix, "unserved.") == 0 ? IL_MSEC(LIMIT) : IL_FOREVER;
	ex = pool_with(&o);
	CHECK_EQ(il_executor_submit(ex, f, add, &sums[calls], sizeof sums[calls]), 0);
	calls++;
	return ex;
}

static bool are_created(void)
{
	bool are;

	pthread_mutex_lock(&lock);
	are = cancelled >= 0 && unserved >= 0;
	pthread_mutex_unlock(&lock);
	return are;
}

static void stop_all(void)
{
	atomic_store(&stopping, true);
	usleep(STOP * 1000);
	UNTIL(atomic_load(&stopped) == POOLS);
	atomic_store(&stopping, false);
	usleep(1000000); /* whoever blames others has done so by then */
}

/* Nobody has the name, and the server never says whether it has dropped the call. */
static void pause_again_and_again(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum s = {1, 2, 0};
	il_executor *ex;
	il_future *f;

	o.prefix = "unserved.";
	o.heartbeat = IL_MSEC(SHORT_BEAT);
	o.unserved_timeout = 4 * o.heartbeat;
	ex = pool_with(&o);
	UNTIL(statistics_of(ex, 0).connected);
	atomic_store(&pausing, true);
	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	UNTIL(atomic_load(&doubts) > 0);
	CHECK_EQ(until_done(f), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "whether it has dropped") != NULL);
	atomic_store(&pausing, false);
	il_executor_destroy(ex);
	printf("pauses hide nothing\n");
}

static void stop_once(void)
{
	char nowhere[64];
	int late = bind_one(nowhere);
	il_executor *ex[POOLS];
	il_future *f[POOLS];
	pthread_t thread;

	ex[0] = call_one("cancelled.", address, &f[0]);
	ex[1] = call_one("unserved.", address, &f[1]);
	ex[2] = call_one("unsent.", nowhere, &f[2]);
	UNTIL(are_created());
	CHECK(il_future_cancel(f[0]));
	while (sem_wait(&asked) < 0)
		;
	stop_all();
	CHECK_EQ(atomic_load(&doubts), 0);
	CHECK(!il_future_done(f[2]));
	for (int i = 0; i < 4; i++) /* the administrator may have come again */
		sem_post(&reply);
	pthread_mutex_lock(&lock);
	answer(unserved, payload);
	pthread_mutex_unlock(&lock);
	CHECK(listen(late, 8) == 0);
	pthread_create(&thread, NULL, serve, (void *)(intptr_t)late);
	CHECK_EQ(until_done(f[0]), -ECANCELED);
	CHECK_EQ((long)statistics_of(ex[0], 0).lost, 0);
	CHECK_EQ(until_done(f[1]), 41);
	CHECK_EQ(until_done(f[2]), 41);
	for (int i = 0; i < POOLS; i++)
		il_executor_destroy(ex[i]);
	printf("nobody is blamed\n");
}

void test_all(void)
{
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	goes_on = true;
	sem_init(&asked, 0, 0);
	sem_init(&reply, 0, 0);
	listen_here();
	pthread_create(&thread, NULL, serve, (void *)(intptr_t)-1);
	stop_once();
	pause_again_and_again();
}
