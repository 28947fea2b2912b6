/*
 * virtual.c: a remote pool, and a worker, in virtual time: what is promised by a certain time has happened by then. The library is
 * inside, so that its tasks run on the loop of the test; the server is one of the test.
 */
#include "gearman.h"

#include "../../core/remote/envelope.h"
#include "../../core/remote/pool.h"

#include <interloop/function.h>
#include <interloop/layer.h>
#include <interloop/virtual.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(c) ((c) ? (void)0 : check_failed(__LINE__, #c))

static void check_failed(int line, const char *what)
{
	printf("virtual.c:%d: %s (%s)\n", line, what, il_error_detail());
	failures++;
}

static int function(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- the server's machine ---- */

enum { ROOM = 65536, HEADER = 12 };

struct peer {
	il_stream *stream;
	size_t in_size, out_size;
	char in[ROOM + 1], out[ROOM];
};

static void put_packet(struct peer *p, unsigned type, const void *data, size_t size)
{
	char *to = p->out + p->out_size;

	CHECK(p->out_size + HEADER + size <= ROOM && size < 256);
	memcpy(to, "\0RES\0\0\0\0\0\0\0", HEADER);
	to[7] = (char)type;
	to[11] = (char)size;
	memcpy(to + HEADER, data, size);
	p->out_size += HEADER + size;
}

/* The size of the packet at the place; 0: it is not all there. */
static size_t packet_at(const struct peer *p, size_t at)
{
	const unsigned char *h = (const unsigned char *)p->in + at;
	size_t size;

	if (p->in_size - at < HEADER)
		return 0;
	size = HEADER + ((size_t)h[10] << 8 | h[11]);
	return size <= p->in_size - at ? size : 0;
}

/* What has come is served, and what that gives written at once. */
static int serve_some(struct peer *p,
		      void (*serve)(struct peer *p, unsigned type, char *data, size_t size))
{
	int n = il_stream_read(p->stream, p->in + p->in_size, ROOM - p->in_size);
	size_t at = 0, size;

	if (n <= 0)
		return n < 0 ? n : -ENODATA;
	p->in_size += (size_t)n;
	while ((size = packet_at(p, at)) > 0 && p->out_size < ROOM / 2) {
		serve(p, (unsigned char)p->in[at + 7], p->in + at + HEADER, size - HEADER);
		at += size;
	}
	p->in_size -= at;
	memmove(p->in, p->in + at, p->in_size);
	size = p->out_size;
	p->out_size = 0;
	return il_stream_write_all(p->stream, p->out, size);
}

static int serve_one(void (*serve)(struct peer *p, unsigned type, char *data, size_t size))
{
	static struct peer p;
	il_listener *l;
	int rc = il_listener_open_tcp(&l, NULL, "4730", NULL);

	CHECK(rc == 0);
	p.in_size = p.out_size = 0;
	rc = il_listener_accept(l, &p.stream);
	while (rc >= 0)
		rc = serve_some(&p, serve);
	il_stream_destroy(p.stream);
	il_listener_destroy(l);
	return rc;
}

/* ---- all machines ---- */

static struct test {
	il_virtual_network *network;
	il_fn *serve, *call; /* the server's machine, and what is called on the client's */
	il_fn *client;       /* that one; NULL: it has a pool, for what is called */
	il_remote_pool_options options;
	struct il__remote_pool *pool;
} * now;

static int use(void *arg)
{
	static const char *const servers[] = {"server:4730"};
	struct test *t = arg;
	il_portal *portal;
	il_group group;

	t->options.servers = servers;
	t->options.server_count = 1;
	t->options.insecure = true;
	CHECK(il_loop_create_threads_portal(il_loop_current(), &portal) == 0);
	CHECK(il__remote_pool_make(&t->pool, &t->options, portal) == 0);
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, il__remote_run_pool, t->pool) == 0);
	CHECK(t->call(t) == 0);
	il_scope_cancel(il_group_scope(&group));
	CHECK(il_group_close(&group, 0) == 0);
	il_executor_unref(t->pool->executor);
	il_portal_close(portal);
	return 0;
}

static int run(void *arg)
{
	const il_virtual_network_options options = {.latency_min = IL_MSEC(1), .buffer = 1 << 20};
	il_virtual_network *n;

	now = arg;
	CHECK(il_virtual_network_open(&n, &options) == 0);
	now->network = n;
	CHECK(il_virtual_host_start(n, "server", now->serve, now) == 0);
	CHECK(il_virtual_host_start(n, "client", now->client ? now->client : use, now) == 0);
	CHECK(il_virtual_host_wait(n, "client", IL_SEC(600)) == 0);
	return il_virtual_network_close(n);
}

static void run_test(struct test t, const char *name)
{
	CHECK(il_run(il_virtual(), run, &t) == 0);
	printf("%s\n", name);
}

/* ---- a worker that is cut off ---- */

enum { LONG = 100000 }; /* calls in the server's queue: more than are asked about in three beats */

static long created, taken;
static il_time taken_at;

/* A worker takes the oldest call when the pool has just asked about it, and is cut off. */
static void queue_call(struct peer *p, unsigned type, char *data, size_t size)
{
	char handle[32];

	if (type == IL__GEARMAN_ECHO_REQ) {
		put_packet(p, IL__GEARMAN_ECHO_RES, data, size);
	} else if (type == IL__GEARMAN_SUBMIT_JOB) {
		size = (size_t)snprintf(handle, sizeof handle, "H:%ld", created++);
		put_packet(p, IL__GEARMAN_JOB_CREATED, handle, size);
	} else if (type == IL__GEARMAN_GET_STATUS) {
		bool oldest = size == 3 && memcmp(data, "H:0", 3) == 0;
		memcpy(handle, data, size);
		memcpy(handle + size, "\0001\0000\0000\0000", 8);
		if (oldest && taken)
			handle[size + 3] = '1';
		put_packet(p, IL__GEARMAN_STATUS_RES, handle, size + 8);
		if (oldest && created == LONG && !taken++)
			taken_at = il_now();
	}
}

static int serve_queue(void *arg)
{
	(void)arg;
	return serve_one(queue_call);
}

static int lose_the_oldest(void *arg)
{
	const struct test *t = arg;
	static il_future *f[LONG];

	for (int i = 0; i < LONG; i++)
		CHECK(il_executor_submit(t->pool->executor, &f[i], function, NULL, 0) == 0);
	CHECK(il_future_result(f[0], IL_FOREVER) == -EOWNERDEAD);
	CHECK(taken && il_now() - taken_at <= 3 * t->options.heartbeat + IL_SEC(1));
	CHECK(!il_future_done(f[1]) && !il_future_done(f[LONG - 1]));
	CHECK(il_executor_shutdown(t->pool->executor, IL_NOWAIT) == 0);
	for (int i = 0; i < LONG; i++)
		il_future_unref(f[i]);
	return 0;
}

/* ---- a link that is cut ---- */

static const struct cut {
	const char *from, *to, *name; /* from: NULL: both ways */
} cuts[] = {{NULL, NULL, "a link that is cut"},
	    {"client", "server", "a link that is cut on the way there"},
	    {"server", "client", "a link that is cut on the way back"}};

static const struct cut *cut;
static il_time cut_after; /* the call has begun */
static il_stream *runs_at;

static void run_call(struct peer *p, unsigned type, char *data, size_t size)
{
	if (type == IL__GEARMAN_ECHO_REQ) {
		put_packet(p, IL__GEARMAN_ECHO_RES, data, size);
	} else if (type == IL__GEARMAN_SUBMIT_JOB) {
		put_packet(p, IL__GEARMAN_JOB_CREATED, "H:0", 3);
		runs_at = p->stream;
	}
}

/* Of its worker, each second: they also come where nothing arrives any more that the pool sends. */
static int give_signs(void *arg)
{
	static char sign[] = "\0RES\0\0\0\14\0\0\0\12H:0\0001\0005000";
	const struct iovec all = {sign, sizeof sign - 1};

	(void)arg;
	while (il_sleep(IL_SEC(1)) == 0)
		if (runs_at)
			CHECK(il_stream_write_now(runs_at, &all, 1) > 0);
	return 0;
}

static int serve_and_give_signs(void *arg)
{
	il_group group;

	(void)arg;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, give_signs, NULL) == 0);
	serve_one(run_call);
	il_scope_cancel(il_group_scope(&group));
	return il_group_close(&group, 0);
}

/* Noticed after three beats, whenever in a beat it was. */
static int cut_the_link(void *arg)
{
	const struct test *t = arg;
	il_time begin, took;
	il_future *f;

	CHECK(il_executor_submit(t->pool->executor, &f, function, NULL, 0) == 0);
	CHECK(il_sleep(IL_SEC(1) + cut_after) == 0);
	CHECK(runs_at != NULL);
	if (cut->from)
		CHECK(il_virtual_partition_oneway(t->network, cut->from, cut->to) == 0);
	else
		CHECK(il_virtual_partition(t->network, "client", "server") == 0);
	begin = il_now();
	CHECK(il_future_result(f, IL_FOREVER) == -EOWNERDEAD);
	took = il_now() - begin;
	CHECK(took >= t->options.heartbeat && took <= 3 * t->options.heartbeat + IL_SEC(1));
	il_future_unref(f);
	return 0;
}

static void cut_links(struct test t)
{
	t.serve = serve_and_give_signs;
	t.call = cut_the_link;
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		cut = &cuts[i];
		for (cut_after = 0; cut_after < t.options.heartbeat; cut_after += IL_MSEC(450)) {
			runs_at = NULL;
			CHECK(il_run(il_virtual(), run, &t) == 0);
		}
		printf("%s\n", cut->name);
	}
}

/* ---- a worker that gives its first sign ---- */

enum { FIRST_SIGN = 100, WORKERS_BEAT = 5000 }; /* ms */

static void take_it(struct peer *p, unsigned type, char *data, size_t size)
{
	if (type == IL__GEARMAN_GET_STATUS)
		put_packet(p, IL__GEARMAN_STATUS_RES, "H:0\0001\0001\0000\0000", 11);
	else
		run_call(p, type, data, size);
}

/* Of a call that waits in its program. */
static int give_first_sign(void *arg)
{
	static char sign[] = "\0RES\0\0\0\14\0\0\0\12H:0\0000\0005000";
	const struct iovec all = {sign, sizeof sign - 1};

	(void)arg;
	while (!runs_at)
		CHECK(il_sleep(IL_USEC(100)) == 0);
	CHECK(il_sleep(IL_MSEC(FIRST_SIGN)) == 0);
	CHECK(il_stream_write_now(runs_at, &all, 1) > 0);
	return 0;
}

static int serve_and_give_first_sign(void *arg)
{
	il_group group;

	(void)arg;
	runs_at = NULL;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, give_first_sign, NULL) == 0);
	serve_one(take_it);
	return il_group_close(&group, 0);
}

/* Until then the pool does not know the worker's beat, and its own may be far shorter. */
static int await_the_first_sign(void *arg)
{
	const struct test *t = arg;
	il_time begin = il_now(), took;
	il_future *f;

	CHECK(il_executor_submit(t->pool->executor, &f, function, NULL, 0) == 0);
	CHECK(il_future_result(f, IL_FOREVER) == -EOWNERDEAD);
	took = il_now() - begin;
	CHECK(took >= IL_MSEC(FIRST_SIGN + 3 * WORKERS_BEAT));
	CHECK(took <= IL_MSEC(FIRST_SIGN + 3 * WORKERS_BEAT) + IL_SEC(1));
	il_future_unref(f);
	return 0;
}

/* ---- a layer that holds back ---- */

/* Until it is flushed, or full. */
struct holder {
	il_stream *under;
	size_t size;
	char held[ROOM];
};

static int holder_receive(void *self, void *to, size_t max)
{
	const struct holder *h = self;

	return il_stream_read_now(h->under, to, max);
}

static int send_held(struct holder *h)
{
	while (h->size > 0) {
		const struct iovec all = {h->held, h->size};
		int n = il_stream_write_now(h->under, &all, 1);
		if (n < 0)
			return n;
		h->size -= (size_t)n;
		memmove(h->held, h->held + n, h->size);
	}
	return 0;
}

static int holder_send(void *self, const struct iovec *pieces, int count)
{
	struct holder *h = self;
	int rc = count == 0 || h->size == ROOM ? send_held(h) : 0;
	size_t n;

	if (rc < 0)
		return rc;
	if (count == 0)
		return il_stream_write_now(h->under, pieces, 0);
	n = pieces->iov_len < ROOM - h->size ? pieces->iov_len : ROOM - h->size;
	memcpy(h->held + h->size, pieces->iov_base, n);
	h->size += n;
	return (int)n;
}

static void holder_close(void *self)
{
	il_stream_close(((struct holder *)self)->under);
}

static void holder_destroy(void *self)
{
	il_stream_destroy(((struct holder *)self)->under);
	free(self);
}

static il_stream *holder_under(void *self)
{
	return ((struct holder *)self)->under;
}

static int hold_back(il_stream **s, il_stream *under, const char *host, void *self)
{
	static const struct il_transport holder = {.name = "holder",
						   .receive = holder_receive,
						   .send = holder_send,
						   .close = holder_close,
						   .destroy = holder_destroy,
						   .under = holder_under};
	struct holder *h = calloc(1, sizeof *h);

	(void)host;
	(void)self;
	CHECK(h != NULL);
	h->under = under;
	return il_stream_open_transport(s, &holder, h);
}

static il_time taken_last;

static void take_call(struct peer *p, unsigned type, char *data, size_t size)
{
	char handle[32];

	if (type == IL__GEARMAN_ECHO_REQ) {
		put_packet(p, IL__GEARMAN_ECHO_RES, data, size);
	} else if (type == IL__GEARMAN_SUBMIT_JOB) {
		taken_last = il_now();
		size = (size_t)snprintf(handle, sizeof handle, "H:%ld", taken++);
		put_packet(p, IL__GEARMAN_JOB_CREATED, handle, size);
	}
}

static int serve_calls(void *arg)
{
	(void)arg;
	return serve_one(take_call);
}

/* All of a call comes at once, not with whatever is sent next. */
static int call_through_it(void *arg)
{
	const struct test *t = arg;
	static char in[ROOM / 4];
	static il_bytes b[8];
	il_future *f;

	CHECK(il_sleep(IL_SEC(1)) == 0);
	taken = 0;
	for (int i = 0; i < 8; i++) {
		il_time begin = il_now();
		b[i] = (il_bytes){.in = in, .in_size = (size_t)i * sizeof in / 8};
		CHECK(il_executor_submit(t->pool->executor, &f, function, &b[i], IL_BYTES) == 0);
		CHECK(il_sleep(t->options.heartbeat * 2 / 3) == 0);
		CHECK(taken == i + 1 && taken_last - begin < IL_MSEC(100));
		il_future_unref(f);
	}
	return il_executor_shutdown(t->pool->executor, IL_NOWAIT);
}

/* ---- two servers that were full ---- */

enum { WAITING = 12, HALF = WAITING / 2 };

/* As if the server had refused it. */
static void wait_for_room(struct il__remote_server *s, struct il__remote_node *n)
{
	struct il__remote_out *out = il__remote_out_at(n);

	out->server = s;
	s->calls++;
	il__remote_list_remove(n);
	il__remote_list_push(il__remote_put_off_of(s, out->name), n);
}

/* What waited for room at one that is lost, with what was sent there, goes to the other one, where some wait that came in between and
 * later: all are served in the order in which they came. */
static int join_those_that_wait(void *arg)
{
	static il_future *f[WAITING];
	struct il__remote_pool *pool = ((const struct test *)arg)->pool;
	struct il__remote_server *s = &pool->servers[0];
	struct il__remote_node *n, *next;
	uint64_t id = 0, in_order = 0;

	for (int i = 0; i < WAITING; i++)
		CHECK(il_executor_submit(pool->executor, &f[i], function, NULL, 0) == 0);
	n = pool->pending.first;
	for (int i = 0; n; n = next, i++) {
		next = n->next;
		il__remote_out_at(n)->attempt = 1;
		if (i == 2 || i >= HALF)
			wait_for_room(s, n);
	}
	s->connected = true;
	il__remote_dispatch(pool);
	CHECK(!pool->pending.first && !s->unsent.first);
	for (n = il__remote_put_off_of(s, pool->names)->first; n; n = n->next) {
		in_order += il__remote_out_at(n)->id > id;
		id = il__remote_out_at(n)->id;
	}
	CHECK(in_order == WAITING);
	s->connected = false;
	CHECK(il_executor_shutdown(pool->executor, IL_NOWAIT) == 0);
	for (int i = 0; i < WAITING; i++)
		il_future_unref(f[i]);
	return 0;
}

/* ---- a server that only accepts ---- */

static int accept_only(void *arg)
{
	il_listener *l;

	(void)arg;
	CHECK(il_listener_open_tcp(&l, NULL, "4730", NULL) == 0);
	CHECK(il_sleep_forever() < 0);
	il_listener_destroy(l);
	return 0;
}

/* By then, though an attempt to connect is under way that has begun late. */
static int reach_nobody(void *arg)
{
	const struct test *t = arg;
	il_time begin = il_now(), took;

	CHECK(il_executor_run(t->pool->executor, function, NULL, 0) == -EHOSTUNREACH);
	took = il_now() - begin;
	CHECK(took >= t->options.connect_timeout);
	CHECK(took <= t->options.connect_timeout + IL_SEC(1));
	return 0;
}

/* Most of them wait for room: by then all the same. */
static int reach_nobody_together(void *arg)
{
	il_group group;

	CHECK(il_group_open(&group) == 0);
	for (int i = 0; i < WAITING; i++)
		CHECK(il_group_start_soon(&group, NULL, reach_nobody, arg) == 0);
	return il_group_close(&group, 0);
}

/* The time begins when the last one is lost, whenever that is between two looks. */
static int reach_nobody_any_more(void *arg)
{
	const struct test *t = arg;
	il_time lost;

	CHECK(il_sleep(IL_MSEC(1300)) == 0);
	CHECK(il_virtual_reset(t->network, "client", "server") == 0);
	lost = il_now();
	CHECK(il_sleep(IL_MSEC(1)) == 0);
	CHECK(il_executor_run(t->pool->executor, function, NULL, 0) == -EHOSTUNREACH);
	CHECK(il_now() - lost == t->options.connect_timeout);
	return 0;
}

/* ---- a name that no worker has ---- */

enum { HALF_TIME = 6 }; /* s, after which that changes which the test is of */

static struct vain {
	bool room, lost; /* the server takes calls; it is lost in between */
	bool mute;       /* it does not say whether it has dropped one */
	int resubmits, code;
	const char *name;
} * vain;

static void take_or_refuse(struct peer *p, unsigned type, char *data, size_t size)
{
	static const char full[] = "QUEUE_ERROR\0full";

	if (type == IL__GEARMAN_SUBMIT_JOB && !vain->room)
		put_packet(p, IL__GEARMAN_ERROR, full, sizeof full - 1);
	else
		queue_call(p, type, data, size);
}

/* It knows of no worker, and takes nothing back. */
static int administer(struct peer *p)
{
	int rc;

	while ((rc = il_stream_receive_until(p->stream, p->in + p->in_size, ROOM - p->in_size, "\n",
					     1)) >= 0) {
		if (p->in[0] != 'c')
			rc = il_stream_write_all(p->stream, ".\n", 2);
		else if (!vain->mute)
			rc = il_stream_write_all(p->stream, "ERR UNKNOWN_COMMAND\n", 20);
		p->in_size = 0;
	}
	return rc;
}

static int serve_anybody(void *stream)
{
	struct peer *p = calloc(1, sizeof *p);
	int rc;

	CHECK(p != NULL);
	p->stream = stream;
	rc = il_stream_read(p->stream, p->in, 1);
	p->in_size = 1;
	if (rc > 0 && p->in[0])
		rc = administer(p);
	while (rc >= 0)
		rc = serve_some(p, take_or_refuse);
	il_stream_destroy(p->stream);
	free(p);
	return 0;
}

static int serve_in_vain(void *arg)
{
	il_stream *stream;
	il_listener *l;
	il_group group;

	(void)arg;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_listener_open_tcp(&l, NULL, "4730", NULL) == 0);
	while (il_listener_accept(l, &stream) >= 0)
		CHECK(il_group_start_soon(&group, NULL, serve_anybody, stream) == 0);
	il_listener_destroy(l);
	return il_group_close(&group, -ECANCELED);
}

static int run_in_vain(void *arg)
{
	const struct test *t = arg;
	const il_time silence = vain->mute ? 3 * t->options.heartbeat : 0;
	il_time begin = il_now(), took;

	CHECK(il_executor_run(t->pool->executor, function, NULL, 0) == vain->code);
	took = il_now() - begin - (1 + vain->resubmits) * silence;
	CHECK(took >= t->options.unserved_timeout);
	CHECK(took <= t->options.unserved_timeout + silence + IL_SEC(2));
	return 0;
}

/* It waits for room, and then for a worker, or once more, and no longer than others do for a worker. */
static int wait_in_vain(void *arg)
{
	const struct test *t = arg;
	il_group group;

	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, run_in_vain, arg) == 0);
	CHECK(il_sleep(IL_SEC(HALF_TIME)) == 0);
	if (vain->lost)
		CHECK(il_virtual_reset(t->network, "client", "server") == 0);
	else
		vain->room = true;
	return il_group_close(&group, 0);
}

static void wait_for_a_worker(struct test t)
{
	struct vain all[] = {
	    {false, false, false, 0, -ENOENT, "a server without room, and a worker"},
	    {false, true, false, 0, -ENOENT, "a server without room that is lost"},
	    {true, true, false, 1, -EOWNERDEAD, "a server without a worker that is lost"},
	    {true, false, true, 1, -EOWNERDEAD, "a server without a worker that drops nothing"}};

	t.serve = serve_in_vain;
	t.call = wait_in_vain;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		vain = &all[i];
		t.options.unserved_timeout = vain->mute ? IL_SEC(60) : IL_SEC(10);
		t.options.resubmits = vain->resubmits;
		run_test(t, vain->name);
	}
}

/* ---- answers that go out together ---- */

enum { JOBS = 60, STUCK = 34, SLOTS = 2, PREFETCH = 6 };

static struct work {
	il_time took; /* by a call; those with STUCK are long, one in each slot */
	int given, ended, begun;
	il_time end[JOBS];            /* of a call in the worker */
	il_time answered[JOBS], last; /* by the server's clock, which is the worker's */
	int writes;                   /* with answers: what comes at one time was written at once */
} work;

static void give_job(struct peer *p)
{
	struct il__remote_call call = {.form = IL_CALL_FLAT, .left = -1, .id = 1, .build = ""};
	char job[128];
	int n = snprintf(job, sizeof job, "H:%d%cfunction%c", work.given++, 0, 0) + 1;

	il__remote_write_call(job + n, &call);
	put_packet(p, IL__GEARMAN_JOB_ASSIGN_UNIQ, job, (size_t)n + IL__REMOTE_ENVELOPE);
}

static void note_answer(int job)
{
	if (il_now() > work.last)
		work.writes++;
	work.last = work.answered[job] = il_now();
	work.ended++;
}

static void give_jobs(struct peer *p, unsigned type, char *data, size_t size)
{
	if (type == IL__GEARMAN_ECHO_REQ)
		put_packet(p, IL__GEARMAN_ECHO_RES, data, size);
	else if (type == IL__GEARMAN_GRAB_JOB_UNIQ && work.given < JOBS)
		give_job(p);
	else if (type == IL__GEARMAN_GRAB_JOB_UNIQ)
		put_packet(p, IL__GEARMAN_NO_JOB, "", 0);
	else if (type == IL__GEARMAN_WORK_COMPLETE)
		note_answer(atoi(data + 2));
}

static int serve_jobs(void *arg)
{
	(void)arg;
	return serve_one(give_jobs);
}

static int run_call_slowly(void *call)
{
	int i = work.begun++;

	CHECK(il_sleep(i / SLOTS == STUCK / SLOTS ? IL_MSEC(50) : work.took) == 0);
	work.end[i] = il_now();
	il_call_run(call);
	return 0;
}

static int submit_slowly(void *self, il_call *call)
{
	(void)self;
	return il_loop_spawn(il_loop_current(), NULL, run_call_slowly, call);
}

static int serve_as_worker(void *options)
{
	return il_remote_worker_serve(options);
}

static int be_a_worker(void *arg)
{
	static const char *const servers[] = {"server:4730"};
	const il_executor_ops ops = {.submit = submit_slowly, .copies = true, .in_loop = true};
	il_remote_worker_options o = {.servers = servers,
				      .server_count = 1,
				      .slots = SLOTS,
				      .prefetch = PREFETCH,
				      .insecure = true};

	(void)arg;
	CHECK(il_executor_create(&o.executor, &ops, NULL) == 0);
	CHECK(il_fail_after(IL_SEC(2), serve_as_worker, &o) == -ETIMEDOUT);
	il_executor_unref(o.executor);
	return 0;
}

/* Nobody's answer is held up by more than that, also where the next call is long all of a sudden. */
static void check_answers(il_time at_most)
{
	const il_time latency = IL_MSEC(1);

	CHECK(work.ended == JOBS);
	for (int i = 0; i < JOBS; i++) {
		il_time late = work.answered[i] - work.end[i] - latency;
		CHECK(late >= 0 && late <= at_most);
	}
}

static void answer_together(struct test t)
{
	t.serve = serve_jobs;
	t.client = be_a_worker;
	work = (struct work){.took = IL_USEC(20)};
	run_test(t, "answers of brief calls go out together");
	CHECK(work.writes <= JOBS / 2);
	check_answers(IL_USEC(1050));
	work = (struct work){.took = IL_MSEC(3)};
	run_test(t, "those of others do not wait");
	check_answers(IL_USEC(50));
}

int main(void)
{
	const il_remote_pool_options o = {.heartbeat = IL_SEC(5), .queue_limit = LONG};
	const struct il_layer layer = {.connect = hold_back};
	struct test t = {.options = o};

	if (il_function_register("function", function) < 0)
		return 1;
	t.options.unserved_timeout = IL_FOREVER;
	t.serve = serve_queue;
	t.call = lose_the_oldest;
	run_test(t, "a worker that has the oldest of many calls");
	cut_links(t);
	t.options.heartbeat = IL_MSEC(20);
	t.serve = serve_and_give_first_sign;
	t.call = await_the_first_sign;
	run_test(t, "a worker that gives its first sign");
	t.options.heartbeat = o.heartbeat;
	t.serve = serve_calls;
	t.call = call_through_it;
	t.options.layer = &layer;
	run_test(t, "a layer that holds back");
	t.options.layer = NULL;
	t.options.heartbeat = IL_SEC(3);
	t.options.connect_timeout = IL_SEC(10);
	t.serve = accept_only;
	t.call = reach_nobody;
	run_test(t, "nobody is reached");
	t.call = reach_nobody_together;
	t.options.queue_limit = 1;
	run_test(t, "nobody is reached by those that wait for room");
	t.options.queue_limit = o.queue_limit;
	t.call = join_those_that_wait;
	run_test(t, "those that wait for room keep their order");
	t.serve = serve_calls;
	t.call = reach_nobody_any_more;
	run_test(t, "nobody is reached any more");
	wait_for_a_worker(t);
	answer_together(t);
	printf("%d failures\n", failures);
	return failures != 0;
}
