/*
 * instructions.c: bench-instructions WORK N: does a work N times and nothing else, for instructions.sh, which
 * counts what it takes. In virtual time, so that no loop's library is counted.
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t n;

/* In the place of the C library's: a nanosecond passes from one question to the next. By the true clock the core sizes
 * its batches, and under callgrind the counts would tell how busy the machine is. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static long passed;

	(void)clock;
	*now = (struct timespec){.tv_sec = 1, .tv_nsec = ++passed};
	return 0;
}

static int yield_often(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		il_yield();
	return 0;
}

/* Two tasks, by turns. */
static int yields(void *arg)
{
	il_group group;

	if (il_group_open(&group) < 0 || il_group_start_soon(&group, NULL, yield_often, arg) < 0)
		return -ENOMEM;
	n -= n / 2;
	yield_often(NULL);
	return il_group_close(&group, 0);
}

/* The making of both events of a round trip is counted too, and once more by itself. */
static il_event **there, **back;

static int make_events(void *arg)
{
	(void)arg;
	there = calloc(n, sizeof(il_event *));
	back = calloc(n, sizeof(il_event *));
	for (size_t i = 0; i < n; i++)
		if (il_event_create(&there[i]) < 0 || il_event_create(&back[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int answer(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		il_event_wait(there[i]);
		il_event_set(back[i]);
	}
	return 0;
}

static int events(void *arg)
{
	il_group group;

	if (make_events(arg) < 0)
		return -ENOMEM;
	if (il_group_open(&group) < 0 || il_group_start_soon(&group, NULL, answer, arg) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		il_event_set(there[i]);
		il_event_wait(back[i]);
	}
	return il_group_close(&group, 0);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int spawn(size_t rounds, size_t children)
{
	int rc = 0;

	for (size_t r = 0; r < rounds && rc == 0; r++) {
		il_group group;
		rc = il_group_open(&group);
		for (size_t i = 0; i < children && rc == 0; i++)
			rc = il_group_start_soon(&group, NULL, nothing, NULL);
		rc = il_group_close(&group, rc);
	}
	return rc;
}

static int spawn_one(void *arg)
{
	(void)arg;
	return spawn(n, 1);
}

static int spawn_hundred(void *arg)
{
	(void)arg;
	return spawn(n / 100, 100);
}

/* A request and its answer over a pair of plain sockets: what the seam of transports and layers must not make dearer. */
static il_stream *near, *far;

static int echo(void *arg)
{
	char data[64];
	int rc;

	(void)arg;
	while ((rc = il_stream_read(far, data, sizeof data)) > 0)
		rc = il_stream_write_all(far, data, (size_t)rc);
	return rc;
}

static int streams(void *arg)
{
	char data[64] = {0};
	il_group group;
	int rc = il_stream_pair(&near, &far);

	if (rc < 0)
		return rc;
	if (il_group_open(&group) < 0 || il_group_start_soon(&group, NULL, echo, arg) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n && rc >= 0; i++) {
		rc = il_stream_write_all(near, data, sizeof data);
		if (rc == 0)
			rc = il_stream_receive_exactly(near, data, sizeof data);
	}
	il_stream_destroy(near);
	rc = il_group_close(&group, rc);
	il_stream_destroy(far);
	return rc;
}

/* A line and its answer between two clients over such a pair. */
static il_client *ends[2];

static int answer_lines(void *arg)
{
	il_packet line;
	int rc;

	(void)arg;
	while ((rc = il_client_receive(ends[1], &line, IL_FOREVER)) == 1)
		if ((rc = il_client_send(ends[1], line.data, line.size)) < 0)
			break;
	return rc;
}

static int open_ends(void)
{
	il_stream *streams[2];
	int rc = il_stream_pair(&streams[0], &streams[1]);

	for (int i = 0; i < 2 && rc == 0; i++)
		rc = il_client_open(&ends[i], streams[i], il_protocol_lines(), NULL);
	return rc;
}

static int clients(void *arg)
{
	static const char question[] =
	    "What is the capital of France, and how many people live there?";
	il_group group;
	il_packet line;
	int rc = open_ends();

	if (rc < 0 || (rc = il_group_open(&group)) < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, answer_lines, arg);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		rc = il_client_send(ends[0], question, sizeof question - 1);
		if (rc == 0)
			rc = il_client_receive(ends[0], &line, IL_FOREVER);
	}
	il_client_destroy(ends[0]);
	rc = il_group_close(&group, rc < 0 ? rc : 0);
	il_client_destroy(ends[1]);
	return rc;
}

/* An item that is there already, by the plain call and by a select of one case. */
static int take_items(bool selects)
{
	il_sender *out;
	il_receiver *in;
	int item = 0, rc = il_channel_create(&out, &in, sizeof item, 1);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc >= 0; i++) {
		rc = il_channel_send_nowait(out, &item);
		if (rc == 0 && selects) {
			il_case one = il_case_receive(in, &item);
			rc = il_select(&one, 1, IL_FOREVER);
		} else if (rc == 0) {
			rc = il_channel_receive(in, &item);
		}
	}
	il_sender_destroy(out);
	il_receiver_destroy(in);
	return rc < 0 ? rc : 0;
}

static int receives(void *arg)
{
	(void)arg;
	return take_items(false);
}

static int selects(void *arg)
{
	(void)arg;
	return take_items(true);
}

static int futures(void *arg)
{
	int rc = 0;

	(void)arg;
	for (size_t i = 0; i < n && rc == 0; i++) {
		il_future *f;
		rc = il_future_create(&f);
		if (rc < 0)
			break;
		il_future_set_result(f, 7);
		rc = il_future_result(f, IL_FOREVER) == 7 ? 0 : -EIO;
		il_future_unref(f);
	}
	return rc;
}

/* Calls into the loop from its own thread, in bursts: what posting one and running it takes. */
static int posts(void *arg)
{
	il_portal *portal;
	int rc = il_loop_create_threads_portal(il_loop_current(), &portal);

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = il_portal_run_sync_soon(portal, NULL, nothing, arg);
		if (i % 16 == 15)
			il_yield();
	}
	if (rc < 0)
		return rc;
	rc = il_portal_close(portal);
	il_portal_unref(portal);
	return rc;
}

/* An executor whose worker is a task: both sides of a call that is handed over, without the threads. */
static il_call *handed_over;

static int hand_over(void *self, il_call *call)
{
	(void)self;
	handed_over = call;
	return 0;
}

static int work(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		while (!handed_over)
			il_yield();
		il_call *call = handed_over;
		handed_over = NULL;
		il_call_run(call);
	}
	return 0;
}

static int calls(void *arg)
{
	const il_executor_ops ops = {.name = "a task", .submit = hand_over};
	il_executor *executor;
	il_group group;
	int rc = il_executor_create(&executor, &ops, NULL);

	if (rc < 0 || (rc = il_group_open(&group)) < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, work, arg);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = il_executor_run(executor, nothing, NULL, 0);
	rc = il_group_close(&group, rc);
	il_executor_destroy(executor);
	return rc;
}

static const struct work {
	const char *name;
	il_fn *run;
} works[] = {{"yield", yields},
	     {"event_round_trip", events},
	     {"making_two_events", make_events},
	     {"start_and_join_one", spawn_one},
	     {"start_and_join_of_hundred", spawn_hundred},
	     {"stream_round_trip", streams},
	     {"client_round_trip", clients},
	     {"channel_receive", receives},
	     {"select_one_ready", selects},
	     {"future", futures},
	     {"portal_post", posts},
	     {"handed_over_call", calls}};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof works / sizeof *works; i++)
		if (argc == 3 && strcmp(argv[1], works[i].name) == 0) {
			n = strtoul(argv[2], NULL, 10);
			return il_run(il_virtual(), works[i].run, NULL) < 0;
		}
	fprintf(stderr, "usage: bench-instructions WORK N\n");
	return 2;
}
