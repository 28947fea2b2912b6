/*
 * remote.c: a remote pool, job servers and worker programs, each on a machine of its own, while machines lose power, come again
 * and are drained, and links fail. Every call ends once, with the right result or a code that says what happened; it runs at most as
 * often as the options allow; afterwards calls succeed again, and of all that were made nothing is left. A call that no server or no
 * worker program takes ends when its time is up, not before; and where nothing fails, it is known by when every one that is cancelled
 * has ended.
 */
#include "job_server.h"

#include "../../core/remote/pool.h"

#include <interloop/function.h>

enum {
	SERVERS = 2,
	WORKERS = 2,
	CALLERS = 6,
	ROUNDS = 4,
	LAST = 8, /* more than a worker takes at once */
	CALLS = CALLERS * ROUNDS + LAST
};

#define HEARTBEAT IL_SEC(2)       /* of all */
#define WATCH     (HEARTBEAT / 4) /* so often the pool looks at what waits */
#define CONNECT   IL_SEC(4)
#define UNSERVED  IL_SEC(3)
#define LATENCY   IL_MSEC(30) /* one way, at most, where nothing fails */
#define REPAIRED  IL_MSEC(1)  /* one way, once nothing fails any more */
#define BEGIN     IL_MSEC(20) /* that a call takes to begin, at most */

struct number {
	int id;
	unsigned ms; /* which the function takes */
	int square;
};

struct machines;

struct worker {
	struct machines *m;
	int slots, prefetch;
};

struct caller {
	struct machines *m;
	int first; /* of its calls */
};

static struct machines {
	il_virtual_network *n;
	unsigned server_count, worker_count;
	int resubmits;
	struct job_server servers[SERVERS];
	struct worker workers[WORKERS];
	const char *addresses[SERVERS];
	struct il__remote_pool *pool;
	int runs[CALLS]; /* of each call */
	int busy;        /* calls that executors of worker programs have */
	il_time met;     /* when the pool was seen to have a server last */
	bool stuck;      /* a call was seen to wait for one for too long */
	bool quiet;      /* nothing fails: nothing may be lost */
	bool drains;     /* workers end and start again */
	bool well;       /* nothing fails any more */
} * now;

/* ---- what runs in the worker programs ---- */

static int square(void *arg)
{
	struct number *n = arg;
	int rc;

	now->runs[n->id]++;
	rc = il_sleep(IL_MSEC(n->ms));
	n->square = n->id * n->id;
	return rc < 0 ? rc : n->id;
}

/* No worker has it. */
static int nowhere(void *arg)
{
	now->runs[((struct number *)arg)->id]++;
	return 0;
}

static void register_functions(void)
{
	if (il_function_register("square", square) < 0 ||
	    il_function_register("nowhere", nowhere) < 0)
		abort();
}

/* A call takes its time to begin. */
static int run_call(void *call)
{
	int rc = il_sleep(draw_time(now->n, BEGIN / IL_MSEC(1)));

	if (rc < 0)
		il_call_fail(call, rc);
	else
		il_call_run(call);
	now->busy--;
	return 0;
}

static int submit(void *self, il_call *call)
{
	int rc = il_loop_spawn(il_loop_current(), NULL, run_call, call);

	(void)self;
	now->busy += rc == 0;
	return rc;
}

static int serve(void *options)
{
	return il_remote_worker_serve(options);
}

/* It may be drained, as by SIGTERM, and start again. */
static int work(void *arg)
{
	static const char *const names[] = {"square"};
	const il_executor_ops ops = {.submit = submit, .copies = true, .in_loop = true};
	struct worker *w = arg;
	il_remote_worker_options o = {.servers = w->m->addresses,
				      .server_count = w->m->server_count,
				      .prefix = "x.",
				      .names = names,
				      .name_count = 1,
				      .slots = w->slots,
				      .prefetch = w->prefetch,
				      .heartbeat = HEARTBEAT,
				      .insecure = true};
	int rc;

	MUST_DO(il_executor_create(&o.executor, &ops, NULL));
	for (;;) {
		rc = il_fail_after(w->m->drains ? draw_time(w->m->n, 8000) : IL_FOREVER, serve, &o);
		if (rc == -ETIMEDOUT && !w->m->quiet)
			rc = il_sleep(draw_time(w->m->n, 4000));
		if (rc < 0 && rc != -ETIMEDOUT)
			break;
	}
	il_executor_destroy(o.executor);
	return rc;
}

/* ---- calls ---- */

/* Attempts of the pool, each with as many workers as the server gives it. */
static int most_runs(const struct machines *m)
{
	return (1 + m->resubmits) * m->servers[0].retries;
}

static int check(const struct machines *m, const struct number *n, int rc, bool cancels)
{
	MUST_DO(rc == -EBADMSG ? rc : 0);
	MUST(m->runs[n->id] <= most_runs(m));
	if (rc >= 0) {
		MUST(rc == n->id && n->square == n->id * n->id);
		MUST(m->runs[n->id] >= 1);
		return 0;
	}
	MUST(!m->quiet || cancels);
	MUST(rc == -EOWNERDEAD || rc == -EHOSTUNREACH || rc == -ENOENT ||
	     (cancels && (rc == -ECANCELED || rc == -ETIMEDOUT)));
	/* A server that gives a call to another worker does not say that the first one had it. */
	MUST(rc == -EOWNERDEAD || cancels || m->runs[n->id] == 0 || m->servers[0].retries > 1);
	return 0;
}

static int run_call_of(il_fn *fn, struct number *n)
{
	int rc = il_executor_run(now->pool->executor, fn, n, sizeof *n);

	MUST(rc != -EHOSTUNREACH || il_now() >= now->met + CONNECT);
	return rc;
}

static int run_square(void *arg)
{
	return run_call_of(square, arg);
}

static int call_and_wait(struct machines *m, struct number *n)
{
	return check(m, n, run_square(n), false);
}

/* One that has not begun is created and taken back, for which there may be no connection yet; of another the result is waited for. */
static il_time latest_end(const struct number *n, il_time cancelled, int rc)
{
	return cancelled + (rc < 0 ? 6 * LATENCY : BEGIN + IL_MSEC(n->ms) + 2 * LATENCY);
}

static int call_with_deadline(struct machines *m, struct number *n)
{
	const il_time most = draw_time(m->n, 3000), deadline = il_deadline(most);
	int rc = il_fail_after(most, run_square, n);

	MUST(!m->quiet || il_now() <= latest_end(n, deadline, rc));
	return check(m, n, rc, true);
}

/* One look finds that no worker has its name, so the server is told to drop it; the next one asks what became of it. In between there
 * are some ways there and back, also such as others need first. */
static int call_unserved(struct machines *m, struct number *n)
{
	const il_time begun = il_now();
	int rc = run_call_of(nowhere, n);

	MUST(rc < 0 && m->runs[n->id] == 0);
	MUST(rc != -ENOENT || il_now() >= begun + UNSERVED);
	MUST(!m->quiet || rc == -ENOENT);
	MUST(!m->quiet || il_now() <= begun + UNSERVED + 2 * WATCH + 20 * LATENCY);
	return check(m, n, rc, true);
}

static int count_end(il_future *f, void *ends)
{
	(void)f;
	++*(int *)ends;
	return 0;
}

static int cancel_soon(struct machines *m, struct number *n, il_fn *fn)
{
	il_future *f;
	int ends = 0, rc;
	bool cancelled;
	il_time when;

	MUST_DO(il_executor_submit(m->pool->executor, &f, fn, n, sizeof *n));
	MUST_DO(il_future_on_done(f, count_end, &ends));
	MUST_DO(il_sleep(draw_time(m->n, 600)));
	when = il_now();
	cancelled = il_future_cancel(f);
	rc = il_future_result(f, IL_FOREVER);
	MUST(!m->quiet || il_now() <= latest_end(n, when, rc));
	MUST(cancelled == (rc == -ECANCELED));
	il_future_unref(f);
	MUST_DO(il_sleep(IL_SEC(1)));
	MUST(ends == 1);
	return check(m, n, rc, true);
}

static int call_and_cancel(struct machines *m, struct number *n)
{
	return cancel_soon(m, n, square);
}

static int cancel_unserved(struct machines *m, struct number *n)
{
	return cancel_soon(m, n, nowhere);
}

/* It is copied; what becomes of it is a line of the log. */
static int call_unattended(struct machines *m, struct number *n)
{
	return il_executor_submit(m->pool->executor, NULL, square, n, sizeof *n);
}

static int call(void *arg)
{
	static int (*const kinds[])(struct machines *, struct number *) = {
	    call_and_wait,   call_and_wait,   call_and_wait,   call_with_deadline,
	    call_and_cancel, cancel_unserved, call_unattended, call_unserved};
	struct caller *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct number n = {.id = c->first + i,
				   .ms = draw(c->m->n, draw(c->m->n, 4) ? 100 : 3000)};
		MUST_DO(il_sleep(draw_time(c->m->n, 1000)));
		MUST_DO(kinds[draw(c->m->n, 8)](c->m, &n));
	}
	return 0;
}

/* ---- the machine with the pool ---- */

static int call_all(struct machines *m)
{
	struct caller callers[CALLERS];

	for (int i = 0; i < CALLERS; i++)
		callers[i] = (struct caller){m, i * ROUNDS};
	return il_gather(call, callers, CALLERS, sizeof callers[0], NULL);
}

/* Of those without a server the oldest is the first. */
static int watch_pending(void *arg)
{
	struct machines *m = arg;
	uint64_t id = 0;
	il_time since = 0;
	int rc = 0;

	m->met = il_now();
	while (rc == 0) {
		struct il__remote_node *first = m->pool->pending.first;
		const uint64_t oldest = first ? il__remote_out_at(first)->id : 0;
		bool alone = true;
		for (size_t i = 0; i < m->pool->server_count; i++)
			alone = alone && !m->pool->servers[i].connected;
		if (!alone)
			m->met = il_now();
		if (!alone || oldest != id)
			since = il_now();
		id = oldest;
		m->stuck |= id && il_now() > since + CONNECT;
		rc = il_sleep(IL_MSEC(20));
	}
	return rc;
}

/* Where nothing else is to be done: no server has a job, not even one whose worker it does not know to be lost, and no worker has one that
 * its server does not know of. A worker that is told of the call only as it falls asleep (3 ways), and waits for what another server
 * replies (2), asks and gets the call (2), whose answer goes by way of the server (2). And a server may wake what was a worker before
 * a power cut, until another one asks by itself. */
static il_time latest_answer(const struct machines *m, const struct number *n)
{
	bool idle = !m->pool->calls && !m->busy;

	for (unsigned i = 0; i < m->server_count; i++)
		idle = idle && !m->servers[i].first;
	if (!idle)
		return IL_FOREVER;
	return il_deadline(BEGIN + IL_MSEC(n->ms) +
			   (m->quiet ? 9 * LATENCY : HEARTBEAT + 9 * REPAIRED));
}

/* What failed is noticed by then, and everybody is connected again. */
static int call_once_more(struct machines *m)
{
	while (!m->well)
		MUST_DO(il_sleep(IL_MSEC(100)));
	m->drains = false;
	MUST_DO(il_sleep(IL_SEC(14)));
	for (int i = CALLS - LAST; i < CALLS; i++) {
		struct number n = {.id = i, .ms = 5};
		const il_time latest = latest_answer(m, &n);
		MUST(run_square(&n) == i && n.square == i * i);
		MUST(il_now() <= latest);
	}
	return 0;
}

static int check_empty(const struct il__remote_pool *pool)
{
	MUST(pool->calls == 0 && pool->places == 0 && !pool->pending.first);
	for (size_t i = 0; i < pool->server_count; i++) {
		const struct il__remote_server *s = &pool->servers[i];
		MUST(s->calls == 0 && s->handles.count == 0);
		MUST(!s->unsent.first && !s->cancels.first);
		MUST(!s->sent.first && !s->waiting.first && !s->running.first);
		for (struct il__remote_name *n = pool->names; n; n = n->next)
			MUST(!n->at[i].put_off.first);
		MUST(!now->quiet || s->statistics.lost == 0);
	}
	return 0;
}

static int use_pool(struct machines *m)
{
	il_group group;
	int rc;

	MUST_DO(il_group_open(&group));
	MUST_DO(il_group_start_soon(&group, NULL, il__remote_run_pool, m->pool));
	MUST_DO(il_group_start_soon(&group, NULL, watch_pending, m));
	rc = call_all(m);
	if (rc == 0)
		rc = call_once_more(m);
	if (rc == 0)
		rc = check_empty(m->pool);
	il_scope_cancel(il_group_scope(&group));
	MUST_END_IN(0, rc = il_group_close(&group, rc));
	return rc;
}

static int use(void *arg)
{
	struct machines *m = arg;
	il_remote_pool_options o = {.servers = m->addresses,
				    .server_count = m->server_count,
				    .prefix = "x.",
				    .resubmits = m->resubmits,
				    .heartbeat = HEARTBEAT,
				    .connect_timeout = CONNECT,
				    .unserved_timeout = UNSERVED,
				    .insecure = true};
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

static const char *const server_names[SERVERS] = {"server1", "server2"};
static const char *const worker_names[WORKERS] = {"worker1", "worker2"};

static int break_machines(void *arg)
{
	struct machines *m = arg;
	const unsigned steps = draw(m->n, 5);

	for (unsigned i = 0; i < steps; i++) {
		const char *name = draw(m->n, 2) ? server_names[draw(m->n, m->server_count)]
						 : worker_names[draw(m->n, m->worker_count)];
		MUST_DO(il_sleep(draw_time(m->n, 2500)));
		MUST_DO(il_virtual_host_crash(m->n, name));
		MUST_DO(il_sleep(draw_time(m->n, 2000)));
		MUST_DO(il_virtual_host_restart(m->n, name));
	}
	return 0;
}

static int break_links(void *arg)
{
	struct machines *m = arg;
	const char *hosts[1 + SERVERS + WORKERS] = {"client"};
	unsigned count = 1;

	for (unsigned i = 0; i < m->server_count; i++)
		hosts[count++] = server_names[i];
	for (unsigned i = 0; i < m->worker_count; i++)
		hosts[count++] = worker_names[i];
	return explore_break_links(m->n, hosts, count);
}

static int break_all(struct machines *m)
{
	il_group group;

	if (m->quiet)
		return il_sleep(IL_SEC(8));
	MUST_DO(il_group_open(&group));
	MUST_DO(il_group_start_soon(&group, NULL, break_machines, m));
	MUST_DO(il_group_start_soon(&group, NULL, break_links, m));
	return il_group_close(&group, 0);
}

static void prepare(struct machines *m)
{
	static const char *const addresses[SERVERS] = {"server1:4730", "server2:4730"};
	const int retries = draw(m->n, 4) ? 1 : 2;

	m->quiet = draw(m->n, 6) == 0;
	m->drains = draw(m->n, 3) == 0;
	m->resubmits = draw(m->n, 2) ? 0 : (int)draw(m->n, 4);
	m->server_count = 1 + draw(m->n, SERVERS);
	m->worker_count = 1 + draw(m->n, WORKERS);
	for (int i = 0; i < SERVERS; i++) {
		m->servers[i].retries = retries;
		m->addresses[i] = addresses[i];
	}
	for (int i = 0; i < WORKERS; i++)
		m->workers[i] = (struct worker){m, 1 + (int)draw(m->n, 2), (int)draw(m->n, 3)};
}

static int run(struct machines *m)
{
	const il_virtual_link_options well = {.latency_min = IL_MSEC(1), .latency_max = LATENCY};

	prepare(m);
	if (m->quiet)
		MUST_DO(il_virtual_link(m->n, NULL, NULL, &well));
	for (unsigned i = 0; i < m->server_count; i++)
		MUST_DO(
		    il_virtual_host_start(m->n, server_names[i], job_server_run, &m->servers[i]));
	for (unsigned i = 0; i < m->worker_count; i++)
		MUST_DO(il_virtual_host_start(m->n, worker_names[i], work, &m->workers[i]));
	MUST_DO(il_virtual_host_start(m->n, "client", use, m));
	MUST_DO(break_all(m));
	m->well = true;
	MUST_DO(il_virtual_host_wait(m->n, "client", IL_SEC(600)));
	MUST(!m->stuck);
	MUST_DO(il_sleep(IL_SEC(1)));
	for (int i = 0; i < CALLS; i++)
		MUST(m->runs[i] <= most_runs(m));
	for (unsigned i = 0; i < m->server_count; i++)
		MUST(job_server_queued(&m->servers[i]) == 0);
	return 0;
}

int explore_remote(void *arg)
{
	struct machines m = {.well = false};
	int rc;

	(void)arg;
	register_functions();
	now = &m;
	rc = explore_open(&m.n, false);
	if (rc < 0)
		return rc;
	rc = run(&m);
	il_virtual_network_close(m.n);
	return rc;
}
