/*
 * admin.c: what a pool asks of a job server as an administrator: many calls to be forgotten, on a connection that takes its time, on
 * one that has died, and behind a list of names. The server is one of the test. It puts all calls into its queue, where they stay.
 */
#include "packets.h"

#include <sys/socket.h>

enum { CALLS = 5000 };

static int client; /* the connection with the calls */
static int created;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void tell_client(unsigned type, int number)
{
	char handle[16];

	snprintf(handle, sizeof handle, "H:%d", number);
	pthread_mutex_lock(&lock);
	send_text(client, type, handle);
	pthread_mutex_unlock(&lock);
}

static void *serve_calls(void *arg)
{
	char data[4096];
	size_t size;
	unsigned type;

	while ((type = receive_packet(client, data, sizeof data, &size))) {
		if (type == ECHO_REQ) {
			pthread_mutex_lock(&lock);
			send_packet(client, ECHO_RES, data, size);
			pthread_mutex_unlock(&lock);
		} else if (type == SUBMIT_JOB) {
			tell_client(JOB_CREATED, created + 1);
			__atomic_add_fetch(&created, 1, __ATOMIC_RELEASE);
		}
	}
	return arg;
}

/* ---- its administrator ---- */

static void say(int fd, const char *line)
{
	send_all(fd, line, strlen(line));
}

/* The lines that are there by now; false: none will come. */
static bool receive_lines(int fd, char *lines, size_t room)
{
	ssize_t n = recv(fd, lines, room - 1, 0);

	while (n > 0 && lines[n - 1] != '\n') {
		ssize_t more = recv(fd, lines + n, room - 1 - (size_t)n, 0);
		n = more > 0 ? n + more : 0;
	}
	lines[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* The number of the call that a line is to cancel. */
static int cancelled_by(const char *line)
{
	int number = 0;

	CHECK_EQ(sscanf(line, "cancel job H:%d\n", &number), 1);
	return number;
}

static void drop(int fd, const char *line)
{
	tell_client(WORK_FAIL, cancelled_by(line));
	say(fd, "OK\r\n");
}

static int await_cancel(int fd)
{
	char line[64];

	CHECK(receive_lines(fd, line, sizeof line));
	return cancelled_by(line);
}

/* ---- */

static il_executor *open_pool(pthread_t *thread, il_time heartbeat, il_time unserved_timeout)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex;

	o.heartbeat = heartbeat;
	o.unserved_timeout = unserved_timeout;
	created = 0;
	ex = pool_with(&o);
	client = accept_one();
	pthread_create(thread, NULL, serve_calls, NULL);
	return ex;
}

static void close_pool(il_executor *ex, pthread_t thread)
{
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	il_executor_destroy(ex);
	pthread_join(thread, NULL);
	close(client);
}

static il_future *submit_one(il_executor *ex)
{
	static struct sum s = {1, 2, 0};
	int before = created;
	il_future *f = NULL;

	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	UNTIL(__atomic_load_n(&created, __ATOMIC_ACQUIRE) == before + 1);
	return f;
}

/* To each line, a while after it has come. */
static void *reply_late(void *arg)
{
	static char lines[1 << 20];
	int fd = accept_one();

	while (receive_lines(fd, lines, sizeof lines)) {
		usleep(1000);
		for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"))
			drop(fd, line);
	}
	close(fd);
	return arg;
}

/* So many that a way there and back for each would take longer than a server may be silent. */
static void cancel_many(void)
{
	static struct sum s = {1, 2, 0};
	static il_future *f[CALLS];
	pthread_t calls, lines;
	il_executor *ex = open_pool(&calls, IL_SEC(1), IL_FOREVER);

	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], add, &s, sizeof s), 0);
	UNTIL(__atomic_load_n(&created, __ATOMIC_ACQUIRE) == CALLS);
	pthread_create(&lines, NULL, reply_late, NULL);
	for (int i = 0; i < CALLS; i++)
		CHECK(il_future_cancel(f[i]));
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(until_done(f[i]), -ECANCELED);
	close_pool(ex, calls);
	pthread_join(lines, NULL);
	printf("many are cancelled\n");
}

/* The connection that has served for the first one has died since: the next one comes by another, a beat or more before it is overdue. */
static void cancel_after_a_death(void)
{
	enum { BEAT = 2 };
	pthread_t calls;
	il_executor *ex = open_pool(&calls, IL_SEC(BEAT), IL_FOREVER);
	il_future *first = submit_one(ex), *second = submit_one(ex);
	int dead, next;

	CHECK(il_future_cancel(first));
	dead = accept_one();
	CHECK_EQ(await_cancel(dead), 1);
	drop(dead, "cancel job H:1\n");
	CHECK_EQ(until_done(first), -ECANCELED);
	CHECK(il_future_cancel(second));
	CHECK_EQ(await_cancel(dead), 2);
	next = accept_one();
	CHECK_EQ(await_cancel(next), 2);
	sleep(BEAT);
	drop(next, "cancel job H:2\n");
	CHECK_EQ(until_done(second), -ECANCELED);
	close_pool(ex, calls);
	close(dead);
	close(next);
	printf("cancelled after a death\n");
}

/* Whoever has cancelled waits for that reply, and for no more. The word to the other connection is no late answer when it comes. */
static void confirm_first(void)
{
	pthread_t calls;
	il_executor *ex = open_pool(&calls, IL_SEC(3600), IL_FOREVER);
	il_future *first = submit_one(ex), *second;
	int fd;

	CHECK(il_future_cancel(first));
	fd = accept_one();
	CHECK_EQ(await_cancel(fd), 1);
	say(fd, "OK\r\n");
	CHECK_EQ(until_done(first), -ECANCELED);
	tell_client(WORK_FAIL, 1);
	second = submit_one(ex); /* of which the pool hears behind that */
	CHECK(il_future_cancel(second));
	CHECK_EQ(await_cancel(fd), 2);
	CHECK_EQ((long)statistics_of(ex, 0).late, 0);
	say(fd, "OK\r\n");
	CHECK_EQ(until_done(second), -ECANCELED);
	close_pool(ex, calls);
	close(fd);
	printf("confirmed to the administrator first\n");
}

/* A name that begins with a dot does not end the list: the names behind it are served, and the next reply is another question's. */
static void read_a_dot(void)
{
	const char names[] = ".x\t1\t0\t1\n..\t0\t0\t0\ntest.t.add\t1\t0\t1\n.\n";
	pthread_t calls;
	il_executor *ex = open_pool(&calls, IL_SEC(1), IL_MSEC(100));
	il_future *f = submit_one(ex);
	char line[64];
	int fd = accept_one();

	for (int i = 0; i < 5; i++) {
		CHECK(receive_lines(fd, line, sizeof line));
		CHECK(strcmp(line, "status\n") == 0);
		say(fd, names);
	}
	CHECK(il_future_cancel(f));
	while (receive_lines(fd, line, sizeof line) && strcmp(line, "status\n") == 0)
		say(fd, names);
	drop(fd, line);
	CHECK_EQ(until_done(f), -ECANCELED);
	close_pool(ex, calls);
	close(fd);
	printf("a name with a dot\n");
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
	cancel_many();
	cancel_after_a_death();
	confirm_first();
	read_a_dot();
	listen_no_more();
}
