/*
 * slow.c: a job server that takes its time: it says late that it is full, or reads nothing for a while. Whoever waits for others is not
 * held up by that.
 */
#include "packets.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>

/* ---- it is full ---- */

enum { REFUSALS = 10 };

static sem_t cancelled;

/* Each time that it is sent, once its caller has cancelled; then it leaves, lest a caller waits forever. */
static void *refuse_late(void *arg)
{
	char data[4096];
	int fd = accept_one();
	size_t size;

	(void)arg;
	for (int i = 0; i < REFUSALS && await(fd, SUBMIT_JOB, data, sizeof data, &size); i++) {
		while (i == 0 && sem_wait(&cancelled) < 0)
			;
		send_packet(fd, ERROR, "QUEUE_ERROR\0it is full", 22);
	}
	close(fd);
	return NULL;
}

static int run_add(void *ex)
{
	struct sum s = {1, 2, 0};

	return il_executor_run(ex, add, &s, sizeof s);
}

static int run_limited(void *ex)
{
	return il_fail_after(IL_MSEC(100), run_add, ex);
}

static int note_cancelled(void *arg)
{
	(void)arg;
	CHECK_EQ(il_sleep(IL_MSEC(101)), 0);
	return sem_post(&cancelled);
}

/* Timers of a loop come in their order. */
static int run_and_note(void *ex)
{
	il_group g;
	int rc = il_group_open(&g);

	if (rc == 0)
		rc = il_group_start_soon(&g, NULL, note_cancelled, NULL);
	if (rc == 0)
		CHECK_EQ(run_limited(ex), -ETIMEDOUT);
	return il_group_close(&g, rc);
}

static void *run_in_thread(void *ex)
{
	CHECK_EQ(run_add(ex), -ECANCELED);
	return NULL;
}

/* Its caller's time is up, or the pool is shut down, while the server has not said yet that it does not take the call: it is not sent
 * again. */
static void cancel_before_a_refusal(bool by_shutdown)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	pthread_t server, caller;

	pthread_create(&server, NULL, refuse_late, NULL);
	UNTIL(statistics_of(ex, 0).connected);
	if (by_shutdown) {
		pthread_create(&caller, NULL, run_in_thread, ex);
		UNTIL(statistics_of(ex, 0).sent == 1);
		CHECK_EQ(il_executor_shutdown(ex, IL_CANCEL_FUTURES | IL_NOWAIT), 0);
		sem_post(&cancelled);
		pthread_join(caller, NULL);
	} else {
		CHECK_EQ(il_run(il_backend_find(NULL), run_and_note, ex), 0);
	}
	CHECK_EQ((long)statistics_of(ex, 0).sent, 1);
	il_executor_destroy(ex);
	pthread_join(server, NULL);
	printf("cancelled before a refusal\n");
}

/* ---- it was full ---- */

enum { PUT_OFF = 3, IN_ORDER = 8 };

static const char full[] = "QUEUE_ERROR\0it is full";

struct numbered {
	il_executor *ex;
	int number, rc;
	pthread_t thread;
};

static void *run_numbered(void *arg)
{
	struct numbered *n = arg;
	struct sum s = {n->number, 0, 0};

	n->rc = il_executor_run(n->ex, add, &s, sizeof s);
	return NULL;
}

static void start_numbered(struct numbered *n, il_executor *ex, int number)
{
	n->ex = ex;
	n->number = number;
	pthread_create(&n->thread, NULL, run_numbered, n);
}

/* All of them; those from `lost` on are lost with the server. */
static void join_numbered(struct numbered *calls, int count, int lost)
{
	for (int i = 0; i < count; i++) {
		pthread_join(calls[i].thread, NULL);
		CHECK_EQ(calls[i].rc, i < lost ? 0 : -EOWNERDEAD);
	}
}

static char call[4096]; /* the last that came */

/* The number of the next call. */
static int await_numbered(int fd)
{
	struct sum s = {-1, 0, 0};
	size_t size;

	CHECK(await(fd, SUBMIT_JOB, call, sizeof call, &size));
	memcpy(&s, call + size - sizeof s, sizeof s);
	return s.a;
}

/* Those that it had no room for, and those that have come since, go in their order once it has. */
static void keep_the_order(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct numbered calls[IN_ORDER];
	int fd = accept_one();

	for (int i = 0; i < PUT_OFF; i++) {
		start_numbered(&calls[i], ex, i);
		CHECK_EQ(await_numbered(fd), i);
	}
	for (int i = 0; i < PUT_OFF; i++)
		send_packet(fd, ERROR, full, sizeof full - 1);
	CHECK_EQ(await_numbered(fd), 0); /* once more in vain */
	send_packet(fd, ERROR, full, sizeof full - 1);
	for (int i = PUT_OFF; i < IN_ORDER; i++) {
		start_numbered(&calls[i], ex, i);
		UNTIL(statistics_of(ex, 0).calls == (size_t)i + 1);
	}
	for (int i = 0; i < IN_ORDER; i++) {
		char handle[8];
		CHECK_EQ(await_numbered(fd), i);
		snprintf(handle, sizeof handle, "H:%d", i);
		send_text(fd, JOB_CREATED, handle);
	}
	close(fd);
	join_numbered(calls, IN_ORDER, 0);
	il_executor_destroy(ex);
	printf("first come, first served\n");
}

static size_t add_packet(char *to, unsigned type, const void *payload, size_t size)
{
	memcpy(to, "\0RES\0\0\0\0\0\0\0", 12);
	to[7] = (char)type;
	to[11] = (char)size;
	memcpy(to + 12, payload, size);
	return 12 + size;
}

/* It has room for two of six calls, and then for the next two; all of that comes at once. */
static void keep_the_order_of_a_batch(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct numbered calls[6];
	char batch[1024], answers[2][128];
	size_t size = 0, n = 0;
	int fd = accept_one();

	for (int i = 0; i < 6; i++) {
		start_numbered(&calls[i], ex, i);
		CHECK_EQ(await_numbered(fd), i);
		if (i < 2)
			n = make_answer(answers[i], strchr(strchr(call, 0) + 1, 0) + 1, 0, 0,
					sizeof(struct sum));
	}
	for (int i = 0; i < 2; i++) {
		answers[i][2] = (char)('0' + i);
		size += add_packet(batch + size, JOB_CREATED, answers[i], 3);
	}
	for (int i = 2; i < 6; i++)
		size += add_packet(batch + size, ERROR, full, sizeof full - 1);
	for (int i = 0; i < 2; i++)
		size += add_packet(batch + size, WORK_COMPLETE, answers[i], n);
	send_all(fd, batch, size);
	for (int i = 2; i < 6; i++) {
		CHECK_EQ(await_numbered(fd), i);
		if (i == 3) {
			send_text(fd, JOB_CREATED, "H:2");
			send_text(fd, JOB_CREATED, "H:3");
		}
	}
	close(fd);
	join_numbered(calls, 6, 2);
	il_executor_destroy(ex);
	printf("a batch in order\n");
}

/* The only call that it had no room for is on its way again: one that comes now does not overtake it. */
static void wait_behind_a_retry(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct numbered calls[2];
	int fd = accept_one();

	start_numbered(&calls[0], ex, 0);
	CHECK_EQ(await_numbered(fd), 0);
	send_packet(fd, ERROR, full, sizeof full - 1);
	CHECK_EQ(await_numbered(fd), 0);
	start_numbered(&calls[1], ex, 1);
	UNTIL(statistics_of(ex, 0).calls == 2);
	send_packet(fd, ERROR, full, sizeof full - 1);
	CHECK_EQ(await_numbered(fd), 0);
	send_text(fd, JOB_CREATED, "H:0");
	CHECK_EQ(await_numbered(fd), 1);
	close(fd);
	join_numbered(calls, 2, 0);
	il_executor_destroy(ex);
	printf("behind one that is tried again\n");
}

/* Which of two has a call; the other has none. */
static int await_either(const int fds[2])
{
	char packet[4096];
	size_t size;
	unsigned type = 0;
	int which = 0;

	do {
		struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
		CHECK(poll(p, 2, 10000) > 0);
		which = p[0].revents ? 0 : 1;
		type = receive_packet(fds[which], packet, sizeof packet, &size);
		if (type == ECHO_REQ)
			send_packet(fds[which], ECHO_RES, packet, size);
	} while (type != SUBMIT_JOB && type != 0);
	CHECK_EQ(type, SUBMIT_JOB);
	return which;
}

/* One that has no room keeps no call for which another one may have. */
static void ask_the_other_one(void)
{
	const char *servers[] = {address, address};
	il_remote_pool_options o = pool_options(servers, 2);
	struct numbered only;
	int fds[2], which;
	il_executor *ex;

	o.heartbeat = IL_SEC(60);
	ex = pool_with(&o);
	for (int i = 0; i < 2; i++) {
		char packet[64];
		size_t size;
		fds[i] = accept_one();
		CHECK_EQ(receive_packet(fds[i], packet, sizeof packet, &size), ECHO_REQ);
		send_packet(fds[i], ECHO_RES, packet, size);
	}
	UNTIL(statistics_of(ex, 0).connected && statistics_of(ex, 1).connected);
	start_numbered(&only, ex, 0);
	which = await_either(fds);
	send_packet(fds[which], ERROR, full, sizeof full - 1);
	CHECK_EQ(await_either(fds), 1 - which);
	close(fds[0]);
	close(fds[1]);
	join_numbered(&only, 1, 0);
	il_executor_destroy(ex);
	printf("the other one is asked\n");
}

/* ---- it does not create ---- */

enum { BEAT = 500 };
enum late { NEVER, REFUSED, CREATED };

static void drop_late(const char *handle)
{
	char line[64] = "", expected[64];
	int admin = accept_one();

	snprintf(expected, sizeof expected, "cancel job %s\n", handle);
	CHECK_EQ(recv(admin, line, strlen(expected), MSG_WAITALL), (ssize_t)strlen(expected));
	CHECK(strcmp(line, expected) == 0);
	CHECK_EQ(send(admin, "OK\r\n", 4, MSG_NOSIGNAL), 4);
	close(admin);
}

/* The first call it replies to when the second is there, whose reply comes behind that. */
static void *create_late(void *arg)
{
	const enum late late = *(const enum late *)arg;
	char data[4096], answer[128];
	size_t size;
	int fd = accept_one();

	CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
	if (await(fd, SUBMIT_JOB, data, sizeof data, &size)) {
		if (late == REFUSED)
			send_packet(fd, ERROR, full, sizeof full - 1);
		else
			send_text(fd, JOB_CREATED, "H:2");
		send_text(fd, JOB_CREATED, "H:1");
		size = make_answer(answer, strchr(strchr(data, 0) + 1, 0) + 1, 0, 41,
				   sizeof(struct sum));
		send_packet(fd, WORK_COMPLETE, answer, size);
	}
	if (late == CREATED)
		drop_late("H:2");
	while (receive_packet(fd, data, sizeof data, &size)) /* until the caller leaves */
		;
	close(fd);
	return NULL;
}

/* Whoever has cancelled a call that the server has got, and says nothing of, waits no longer for that than a cut link is. What the
 * server says of it in the end is no other call's: created it is to be dropped. */
static void leave_before_it_is_created(enum late late)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	double begin, took;
	il_executor *ex;
	pthread_t server;

	o.heartbeat = IL_MSEC(BEAT);
	ex = pool_with(&o);
	pthread_create(&server, NULL, create_late, &late);
	UNTIL(statistics_of(ex, 0).connected);
	begin = seconds();
	CHECK_EQ(il_run(il_backend_find(NULL), run_limited, ex), -ETIMEDOUT);
	took = seconds() - begin;
	CHECK(took >= 0.1 + 3 * BEAT / 1e3 && took < 0.1 + 3 * BEAT / 1e3 + PATIENCE);
	if (late != NEVER)
		CHECK_EQ(run_add(ex), 41);
	CHECK_EQ((long)statistics_of(ex, 0).sent, late == NEVER ? 1 : 2);
	CHECK_EQ((long)statistics_of(ex, 0).lost, 1);
	if (late == CREATED)
		UNTIL(statistics_of(ex, 0).calls == 0);
	il_executor_destroy(ex);
	pthread_join(server, NULL);
	printf("left before it was created, after %.2f s\n", took);
}

/* ---- it does not read ---- */

enum { LARGE = 4000000 };
static const int little = 65536; /* of what comes the system keeps no more */

static char data[2 * LARGE + 65536];

/* So that it has not been silent. */
static void show_life(int fd)
{
	send_text(fd, ECHO_RES, "beat");
}

/* Its result is twice as large. */
static void assign_one(int fd, size_t argument)
{
	size_t size = make_call(data, "test.t.twice", argument);
	char *envelope = data + size - argument - 32;

	envelope[5] = 1; /* of bytes */
	put(envelope + 16, UINT32_MAX, 4);
	send_packet(fd, JOB_ASSIGN_UNIQ, data, size);
}

static void assign_large(int fd)
{
	assign_one(fd, LARGE);
}

/* No job for each question, until the worker sleeps. */
static bool falls_asleep(int fd)
{
	double begin = seconds();
	unsigned type;
	size_t size;

	while (seconds() - begin < 10 && (type = receive_packet(fd, data, sizeof data, &size))) {
		if (type == PRE_SLEEP)
			return true;
		if (type == GRAB_JOB_UNIQ)
			send_packet(fd, NO_JOB, "", 0);
		if (type == ECHO_REQ)
			send_packet(fd, ECHO_RES, data, size);
	}
	return false;
}

/* Large results lie before the questions to one server when the other has no job, and is lost then: no question is forgotten that the
 * first is to reply to before the worker sleeps. */
static void lose_the_other_one(void)
{
	const struct linger at_once = {1, 0};
	char both[160], options[64];
	int other, slow, again;
	pid_t worker;
	size_t size;

	snprintf(both, sizeof both, "%s,%s", address, address);
	snprintf(options, sizeof options, "slots=3 beat=%d", BEAT);
	worker = worker_start(both, options);
	other = accept_one();
	CHECK(await(other, GRAB_JOB_UNIQ, data, sizeof data, &size));
	slow = accept_one();
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	for (int i = 0; i < 2; i++) {
		CHECK(await(slow, GRAB_JOB_UNIQ, data, sizeof data, &size));
		assign_large(slow);
	}
	for (int i = 0; i < 10; i++) { /* both are done by then */
		show_life(slow);
		show_life(other);
		usleep(BEAT * 100);
	}
	send_packet(other, NO_JOB, "", 0);
	CHECK(await(other, PRE_SLEEP, data, sizeof data, &size));
	setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(other);
	show_life(slow);
	again = accept_one(); /* it has noticed that */
	show_life(slow);
	CHECK(falls_asleep(slow));
	worker_kill(worker);
	close(slow);
	close(again);
	printf("the other one is lost\n");
}

/* ---- it reads slowly ---- */

enum { RESULTS = 9, RESULT = 4000000, ONE = 16000000, STEP_MS = 20 };

/* What a worker has written, as far as it is read: its packets begin at `next`. */
static struct {
	char bytes[RESULTS * RESULT + 65536];
	size_t size, next;
} written;

/* The type of the next one; 0: it has not come whole. */
static unsigned next_written(void)
{
	const unsigned char *h = (unsigned char *)written.bytes + written.next;
	size_t size = 12;

	if (written.next + size <= written.size)
		size += (size_t)h[8] << 24 | (size_t)h[9] << 16 | (size_t)h[10] << 8 | h[11];
	if (written.next + size > written.size)
		return 0;
	written.next += size;
	return h[7];
}

/* A step of so many bytes at most; false: the worker has gone. */
static bool read_some(int fd, size_t most)
{
	ssize_t n = recv(fd, written.bytes + written.size, most, MSG_DONTWAIT);

	usleep(STEP_MS * 1000);
	written.size += n > 0 ? (size_t)n : 0;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* With so many calls of the same size. */
static int start_slow(pid_t *worker, const char *options, int calls, size_t result)
{
	size_t size;
	int fd;

	memset(&written, 0, sizeof written);
	*worker = worker_start(address, options);
	fd = accept_one();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	for (int i = 0; i < calls; i++) {
		CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
		assign_one(fd, result / 2);
	}
	return fd;
}

/* Results that wait for others to be sent, longer than a server may be silent, are sent all the same; and meanwhile the server is told
 * that they are not lost. */
static void read_results_slowly(void)
{
	pid_t worker;
	int fd = start_slow(&worker, "slots=9 beat=1000", RESULTS, RESULT), results = 0, signs = 0;
	double shown = 0;
	bool there = true;
	unsigned type;

	while (there && results < RESULTS) {
		if (seconds() - shown > 0.2) {
			show_life(fd);
			shown = seconds();
		}
		there = read_some(fd, RESULT / (600 / STEP_MS));
		while ((type = next_written())) {
			results += type == WORK_COMPLETE;
			signs += type == WORK_STATUS && results > 0 && results < RESULTS;
		}
	}
	CHECK_EQ(results, RESULTS);
	CHECK(signs > 0);
	worker_kill(worker);
	close(fd);
	printf("results that wait for others\n");
}

/* A result that takes longer than a server may be silent, and which all replies come behind. */
static void read_one_slowly(void)
{
	pid_t worker;
	int fd = start_slow(&worker, "slots=1 beat=1000", 1, ONE);
	bool there = true, came = false;
	unsigned type;

	while (there && !came) {
		there = read_some(fd, ONE / (6000 / STEP_MS));
		while ((type = next_written()))
			came |= type == WORK_COMPLETE;
	}
	CHECK(came);
	worker_kill(worker);
	close(fd);
	printf("a result that takes long\n");
}

enum { PAIRS = 1000, MOST = 64 << 20 };

/* It has no job, and then there is one, without end, and it reads none of the questions: a worker keeps no more of them than of its
 * answers, and so hears no more of it, and loses it. */
static void read_nothing(void)
{
	const char pair[] = {0, 'R', 'E', 'S', 0, 0, 0, NO_JOB, 0, 0, 0, 0,
			     0, 'R', 'E', 'S', 0, 0, 0, NOOP,   0, 0, 0, 0};
	pid_t worker = worker_start(address, "slots=1 beat=500");
	int fd = accept_one();
	ssize_t n = 1;
	size_t size;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	for (size_t i = 0; i < PAIRS; i++)
		memcpy(data + i * sizeof pair, pair, sizeof pair);
	for (size_t sent = 0; n > 0 && sent < MOST; sent += PAIRS * sizeof pair)
		n = send(fd, data, PAIRS * sizeof pair, MSG_NOSIGNAL);
	CHECK(n < 0);
	close(fd);
	fd = accept_one();
	CHECK(await(fd, GRAB_JOB_UNIQ, data, sizeof data, &size));
	worker_kill(worker);
	close(fd);
	printf("read nothing\n");
}

enum { CALLS = 80, ARGUMENT = 400000 }; /* in all more than the system keeps of what is sent */

/* So many are sent as the connection takes. */
static size_t sent_at_last(il_executor *ex)
{
	size_t sent = 0;

	UNTIL(statistics_of(ex, 0).sent > 0);
	for (int still = 0; still < 30; still++) {
		size_t now = (size_t)statistics_of(ex, 0).sent;
		if (now != sent)
			still = 0;
		sent = now;
		usleep(10000);
	}
	return sent;
}

/* It refuses calls before it has read them, and as many as are sent: the others are as they were, and come when it reads. */
static void refuse_unread(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_bytes b[CALLS];
	il_future *f[CALLS];
	char *in = malloc(ARGUMENT);
	il_executor *ex = pool_with(&o);
	size_t sent, size;
	int fd = accept_one();

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	memset(in, 'x', ARGUMENT);
	CHECK_EQ(receive_packet(fd, data, sizeof data, &size), ECHO_REQ);
	send_packet(fd, ECHO_RES, data, size);
	CHECK_EQ(receive_packet(fd, data, sizeof data, &size), OPTION_REQ);
	send_packet(fd, OPTION_RES, data, size);
	CHECK_EQ(receive_packet(fd, data, sizeof data, &size), ECHO_REQ);
	send_packet(fd, ECHO_RES, data, size);
	UNTIL(statistics_of(ex, 0).connected);
	for (int i = 0; i < CALLS; i++) {
		b[i] = (il_bytes){.in = in, .in_size = ARGUMENT};
		CHECK_EQ(il_executor_submit(ex, &f[i], twice, &b[i], IL_BYTES), 0);
	}
	sent = sent_at_last(ex);
	CHECK(sent > 0 && sent < CALLS);
	for (size_t i = 0; i < sent; i++)
		send_packet(fd, ERROR, "ODD\0not well", 12);
	for (size_t i = 0; i < sent; i++)
		CHECK_EQ(until_done(f[i]), -EPROTO);
	for (int i = 0; i < CALLS; i++) {
		CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
		CHECK(size > ARGUMENT && memcmp(data + size - ARGUMENT, in, ARGUMENT) == 0);
	}
	close(fd);
	for (size_t i = sent; i < CALLS; i++)
		CHECK_EQ(until_done(f[i]), -EOWNERDEAD);
	il_executor_destroy(ex);
	free(in);
	printf("refused unread\n");
}

/* Large arguments lie before the questions about a call that nobody has begun; another one, whose worker falls silent, is given up
 * all the same. */
static void notice_silence(void)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct sum sums[2] = {{1, 2, 0}, {3, 4, 0}};
	il_bytes b[2];
	il_future *f[4];
	char *in = calloc(1, LARGE);
	il_executor *ex;
	size_t size;
	int fd;

	o.heartbeat = IL_MSEC(BEAT);
	ex = pool_with(&o);
	fd = accept_one();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(il_executor_submit(ex, &f[i], add, &sums[i], sizeof sums[i]), 0);
		CHECK(await(fd, SUBMIT_JOB, data, sizeof data, &size));
		send_text(fd, JOB_CREATED, i ? "H:2" : "H:1");
	}
	for (int i = 0; i < 2; i++) {
		b[i] = (il_bytes){.in = in, .in_size = LARGE};
		CHECK_EQ(il_executor_submit(ex, &f[2 + i], twice, &b[i], IL_BYTES), 0);
	}
	for (int i = 0; i < 40; i++) { /* by then the pool would like to ask about the other one */
		show_life(fd);
		send_packet(fd, WORK_STATUS, "H:1\0001\000500", 9);
		usleep(BEAT * 100);
	}
	CHECK(!il_future_done(f[0]));
	for (int i = 0; i < 100 && !il_future_done(f[0]); i++) {
		show_life(fd);
		usleep(BEAT * 200);
	}
	CHECK(il_future_done(f[0]));
	CHECK(!il_future_done(f[1]));
	close(fd);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(until_done(f[i]), -EOWNERDEAD);
	il_executor_destroy(ex);
	free(in);
	printf("silence behind large arguments\n");
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	sem_init(&cancelled, 0, 0);
	listen_here();
	cancel_before_a_refusal(false);
	cancel_before_a_refusal(true);
	lose_the_other_one();
	read_results_slowly();
	read_one_slowly();
	read_nothing();
	refuse_unread();
	listen_no_more();
	listen_here(); /* on ports of their own: lost, a pool may come again */
	notice_silence();
	listen_no_more();
	listen_here();
	keep_the_order();
	listen_no_more();
	listen_here();
	keep_the_order_of_a_batch();
	listen_no_more();
	listen_here();
	wait_behind_a_retry();
	listen_no_more();
	listen_here();
	ask_the_other_one();
	listen_no_more();
	for (enum late late = NEVER; late <= CREATED; late++) {
		listen_here();
		leave_before_it_is_created(late);
		listen_no_more();
	}
}
