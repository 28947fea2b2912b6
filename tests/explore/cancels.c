/*
 * cancels.c: a call that waits in a job server's queue is cancelled while the server hangs or cannot take it back, or while a link
 * hangs in one direction or both, so that nobody says that it was dropped. It ends all the same, within the three beats in which a cut
 * link is noticed, and it never runs. Another call of the same client runs all the while, and its worker's signs of it keep coming, until
 * that one is cut off, too. The clock is virtual and latencies are bounded, so it is known by when each of these ends.
 */
#include "job_server.h"

#include "../../core/remote/pool.h"

#include <interloop/function.h>

#define BEAT        IL_SEC(2) /* of the worker */
#define CLIENT_BEAT IL_SEC(1)
#define WATCH       (CLIENT_BEAT / 4) /* so often the client looks for what is silent */
#define LATENCY     IL_MSEC(30)       /* one way, at most */

enum { RUNS, WAITS, CALLS };

enum fault { NOTHING, MUTE, UNABLE, DEAF, NOTHING_ARRIVES, NOTHING_COMES, HELD, CUT, FAULTS };

static struct machines {
	il_virtual_network *n;
	struct job_server server;
	struct il__remote_pool *pool;
	enum fault fault;
	bool by_future;    /* that is cancelled; else the scope of il_executor_run */
	il_scope scope;    /* of the call that waits */
	il_time failed;    /* when the fault began */
	il_time ended;     /* 0: not yet */
	int begun[CALLS];  /* how often */
	int ids[CALLS];    /* their arguments */
	il_future *future; /* of the call that runs */
} * now;

static const char address[] = "server:4730";

/* ---- the machine with the worker program ---- */

static int stay(void *arg)
{
	now->begun[*(int *)arg]++;
	return il_sleep(IL_SEC(600));
}

static int run_call(void *call)
{
	il_call_run(call);
	return 0;
}

static int submit(void *self, il_call *call)
{
	(void)self;
	return il_loop_spawn(il_loop_current(), NULL, run_call, call);
}

static int work(void *arg)
{
	static const char *const names[] = {"stay"}, *const servers[] = {address};
	const il_executor_ops ops = {.submit = submit, .copies = true, .in_loop = true};
	il_remote_worker_options o = {.servers = servers,
				      .server_count = 1,
				      .names = names,
				      .name_count = 1,
				      .slots = 1,
				      .heartbeat = BEAT,
				      .insecure = true};
	int rc;

	(void)arg;
	MUST_DO(il_executor_create(&o.executor, &ops, NULL));
	rc = il_remote_worker_serve(&o);
	il_executor_destroy(o.executor);
	return rc;
}

/* ---- the machine with the pool ---- */

static int begin_one(struct machines *m)
{
	MUST_DO(il_executor_submit(m->pool->executor, &m->future, stay, &m->ids[RUNS],
				   sizeof m->ids[RUNS]));
	while (!il_future_running(m->future))
		MUST_DO(il_sleep(IL_MSEC(10)));
	return 0;
}

static int note_end(il_future *f, void *arg)
{
	(void)f;
	((struct machines *)arg)->ended = il_now();
	return 0;
}

static int run_waiting(void *arg)
{
	struct machines *m = arg;
	int rc = il_scope_enter(&m->scope, IL_FOREVER, 0);

	if (rc == 0)
		rc = il_executor_run(m->pool->executor, stay, &m->ids[WAITS], sizeof m->ids[WAITS]);
	m->ended = il_now();
	MUST(rc == -ECANCELED);
	return il_scope_exit(&m->scope, rc);
}

/* Until the server has it in its queue; a deaf one never will. */
static int queue_one(struct machines *m, il_group *group, il_future **f)
{
	const struct il__remote_server *s = &m->pool->servers[0];

	m->server.deaf = m->fault == DEAF;
	m->failed = il_now();
	if (m->by_future) {
		MUST_DO(il_executor_submit(m->pool->executor, f, stay, &m->ids[WAITS],
					   sizeof m->ids[WAITS]));
		MUST_DO(il_future_on_done(*f, note_end, m));
	} else {
		MUST_DO(il_group_start_soon(group, NULL, run_waiting, m));
	}
	while (!(m->fault == DEAF ? s->sent : s->waiting).first)
		MUST_DO(il_sleep(IL_MSEC(10)));
	return il_sleep(draw_time(m->n, m->fault == DEAF ? 500 : 3000));
}

static int make_fault(struct machines *m)
{
	if (m->fault != DEAF)
		m->failed = il_now();
	switch (m->fault) {
	case MUTE:
		m->server.mute = true;
		return 0;
	case UNABLE:
		m->server.unable = true;
		return 0;
	case NOTHING_ARRIVES:
		return il_virtual_partition_oneway(m->n, "client", "server");
	case NOTHING_COMES:
		return il_virtual_partition_oneway(m->n, "server", "client");
	case HELD:
		return il_virtual_hold(m->n, "client", "server");
	case CUT:
		return il_virtual_partition(m->n, "client", "server");
	default:
		return 0;
	}
}

/* A server that replies is connected to first, and then told. The last reply of one that hangs, or is cut off, may be under way when that
 * begins. */
static il_time latest_end(const struct machines *m, il_time begin)
{
	switch (m->fault) {
	case NOTHING:
	case UNABLE:
		return begin + 4 * LATENCY;
	case MUTE:
		return begin + 3 * CLIENT_BEAT + WATCH;
	default:
		return m->failed + LATENCY + 3 * CLIENT_BEAT;
	}
}

static int cancel_one(struct machines *m, il_future *f)
{
	il_time begin;

	MUST_DO(make_fault(m));
	MUST_DO(il_sleep(draw_time(m->n, 500)));
	begin = il_now();
	if (f)
		MUST(il_future_cancel(f));
	else
		MUST_DO(il_scope_cancel(&m->scope));
	while (!m->ended && il_now() < begin + IL_SEC(120))
		MUST_DO(il_sleep(IL_MSEC(100)));
	MUST(m->ended);
	MUST(m->ended <= latest_end(m, begin));
	MUST(!f || il_future_result(f, 0) == -ECANCELED);
	return 0;
}

/* A server that is lost takes it along. Else its worker is cut off, whose last sign may be on its way then. */
static int lose_running(struct machines *m)
{
	int rc;

	if (m->fault > UNABLE) {
		MUST(il_future_result(m->future, 0) == -EOWNERDEAD);
		return 0;
	}
	MUST_DO(il_virtual_partition(m->n, "worker", "server"));
	MUST_END_IN(LATENCY + 3 * BEAT + WATCH, rc = il_future_result(m->future, IL_FOREVER));
	MUST(rc == -EOWNERDEAD);
	return 0;
}

static int use_pool(struct machines *m)
{
	il_future *f = NULL;
	il_group group;
	int rc;

	MUST_DO(il_group_open(&group));
	MUST_DO(il_group_start_soon(&group, NULL, il__remote_run_pool, m->pool));
	rc = begin_one(m);
	if (rc == 0)
		rc = queue_one(m, &group, &f);
	if (rc == 0)
		rc = cancel_one(m, f);
	if (rc == 0)
		rc = lose_running(m);
	il_future_unref(f);
	il_future_unref(m->future);
	il_scope_cancel(il_group_scope(&group));
	MUST_END_IN(0, rc = il_group_close(&group, rc));
	return rc;
}

static int use(void *arg)
{
	static const char *const servers[] = {address};
	const il_remote_pool_options o = {
	    .servers = servers, .server_count = 1, .heartbeat = CLIENT_BEAT, .insecure = true};
	struct machines *m = arg;
	il_portal *portal;
	int rc;

	MUST_DO(il_loop_create_threads_portal(il_loop_current(), &portal));
	MUST_DO(il__remote_pool_make(&m->pool, &o, portal));
	rc = use_pool(m);
	il_executor_unref(m->pool->executor);
	il_portal_close(portal);
	return rc;
}

/* ---- all of them ---- */

static int run(struct machines *m)
{
	const il_virtual_link_options well = {.latency_min = IL_MSEC(1), .latency_max = LATENCY};

	m->fault = (enum fault)draw(m->n, FAULTS);
	m->by_future = draw(m->n, 2);
	MUST_DO(il_virtual_link(m->n, NULL, NULL, &well));
	MUST_DO(il_virtual_host_start(m->n, "server", job_server_run, &m->server));
	MUST_DO(il_virtual_host_start(m->n, "worker", work, m));
	MUST_DO(il_virtual_host_start(m->n, "client", use, m));
	MUST_DO(il_virtual_host_wait(m->n, "client", IL_SEC(600)));
	MUST(m->begun[RUNS] == 1 && m->begun[WAITS] == 0);
	return 0;
}

int explore_cancels(void *arg)
{
	struct machines m = {.server.retries = 1, .scope = IL_SCOPE_INIT, .ids = {RUNS, WAITS}};
	int rc;

	(void)arg;
	if (il_function_register("stay", stay) < 0)
		abort();
	now = &m;
	rc = explore_open(&m.n, false);
	if (rc < 0)
		return rc;
	rc = run(&m);
	il_virtual_network_close(m.n);
	return rc;
}
