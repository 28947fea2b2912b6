/*
 * server.c: a pool's connection to one job server: calls go out, and what becomes of all of them when it is lost. The portal's
 * thread.
 */
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FRAME = 1024 }; /* of an answer beyond what it carries: handle, envelope, detail, build */

/* A server makes one job of calls with the same name and unique, and gives one result to all who sent them. */
static const char no_unique[] = "";

/* ---- sending ---- */

/* From here on it cannot be taken back, and the server may end it, even before it has come there. NULL: there is none. */
static struct il__remote_out *take_unsent(struct il__remote_server *s)
{
	struct il__remote_node *first;

	pthread_mutex_lock(&s->pool->lock);
	first = s->unsent.first;
	if (first) {
		struct il__remote_out *out = il__remote_out_at(first);
		il__remote_list_remove(first);
		il__remote_list_push(&s->sent, first);
		out->sent = true;
		s->statistics.sent++;
		s->statistics.resent += out->attempt > 0;
	}
	pthread_mutex_unlock(&s->pool->lock);
	return first ? il__remote_out_at(first) : NULL;
}

static int send_call(struct il__remote_server *s, struct il__remote_out *out)
{
	const struct iovec pieces[3] = {{(char *)(uintptr_t)out->name->text, out->name->size + 1},
					{(char *)(uintptr_t)no_unique, sizeof no_unique},
					{out->payload, out->size}};

	il__remote_address_out(s->pool, out);
	return il__remote_send_now(&s->connection, IL__GEARMAN_SUBMIT_JOB, pieces, 3);
}

static int send_calls(void *arg)
{
	struct il__remote_server *s = arg;

	for (;;) {
		int rc = il__remote_await_room(&s->connection);
		struct il__remote_out *out = rc < 0 ? NULL : take_unsent(s);
		if (rc == 0)
			rc = out ? send_call(s, out) : il_semaphore_acquire(s->work);
		if (rc < 0)
			return rc;
	}
}

/* ---- receiving ---- */

static int receive(void *arg)
{
	struct il__remote_server *s = arg;
	struct il__remote_packet p;

	for (;;) {
		int rc = il__remote_receive(&s->connection, &p);
		if (rc < 0)
			return rc;
		rc = il__remote_on_packet(s, &p);
		il__remote_free_packet(&p);
		if (rc < 0)
			return rc;
	}
}

/* ---- its life ---- */

static int write_out(void *arg)
{
	struct il__remote_server *s = arg;
	int rc;

	do {
		rc = il__remote_await_output(&s->connection);
		if (rc == 0)
			rc = il__remote_flush(&s->connection);
	} while (rc == 0);
	return rc;
}

static int beat(void *arg)
{
	struct il__remote_server *s = arg;

	return il__remote_beat(&s->connection);
}

static int talk(struct il__remote_server *s)
{
	il_fn *const fns[] = {write_out, send_calls,       receive,
			      beat,      il__remote_watch, il__remote_administer};
	il_group group;
	int rc = il_group_open(&group);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof fns / sizeof fns[0] && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, fns[i], s);
	if (rc == 0)
		rc = il__remote_send_options(s);
	return il_group_close(&group, rc);
}

static void set_connected(struct il__remote_server *s, bool connected, int error)
{
	struct il__remote_pool *pool = s->pool;

	pool->alone = 0;
	pool->looked = il_now();
	pthread_mutex_lock(&pool->lock);
	s->connected = connected;
	s->statistics.last_error = error;
	pthread_mutex_unlock(&pool->lock);
}

/* The last first: what is sent again comes before all others, and the first of it before the rest. What it has waited for a worker
 * counts elsewhere, too. */
static void lose(struct il__remote_list *list, const char *why)
{
	struct il__remote_node *n;

	while ((n = il__remote_list_last(list))) {
		struct il__remote_out *out = il__remote_out_at(n);
		struct il__remote_pool *pool = out->server->pool;
		il__remote_take_out(out);
		out->waited = il__remote_waited(out);
		il__remote_lost(pool, out, why);
	}
}

/* Before all others, the last first: they have waited longest. */
static void return_list(struct il__remote_pool *pool, struct il__remote_list *list)
{
	struct il__remote_node *n;

	pthread_mutex_lock(&pool->lock);
	while ((n = il__remote_list_last(list))) {
		struct il__remote_out *out = il__remote_out_at(n);
		il__remote_list_remove(n);
		il__remote_list_push_front(&pool->pending, n);
		out->waited = il__remote_waited(out);
		il__remote_leave_server(out);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void return_put_off(struct il__remote_server *s)
{
	struct il__remote_name *n;

	pthread_mutex_lock(&s->pool->lock);
	n = s->pool->names;
	pthread_mutex_unlock(&s->pool->lock);
	for (; n; n = n->next)
		return_list(s->pool, il__remote_put_off_of(s, n));
}

static void lose_all(struct il__remote_server *s, int rc)
{
	char why[240];

	snprintf(why, sizeof why, "the job server %s is lost: %s", s->name, il_strerror(rc));
	return_put_off(s); /* behind those of them that are tried again */
	return_list(s->pool, &s->unsent);
	lose(&s->sent, why);
	lose(&s->waiting, why);
	lose(&s->running, why);
	s->failing = 0;
	s->unserved = 0;
}

static int serve_once(struct il__remote_server *s)
{
	const il_remote_pool_options *o = &s->pool->options;
	const struct il__remote_endpoint to = {s->name, o->layer, o->connect_timeout, o->heartbeat};
	int rc = il__remote_connect(&s->connection, &to, o->max_size + FRAME);

	if (rc < 0) {
		pthread_mutex_lock(&s->pool->lock);
		s->statistics.last_error = rc;
		pthread_mutex_unlock(&s->pool->lock);
		return rc;
	}
	set_connected(s, true, 0);
	il__remote_dispatch(s->pool);
	rc = talk(s);
	set_connected(s, false, rc);
	lose_all(s, rc); /* by the connection's clock */
	il__remote_close(&s->connection);
	il__remote_dispatch(s->pool);
	return rc;
}

int il__remote_serve_server(void *arg)
{
	struct il__remote_server *s = arg;

	for (;;) {
		int rc = serve_once(s);
		if (rc == -ECANCELED)
			return rc;
		rc = il_sleep(IL_MSEC(50));
		if (rc < 0)
			return rc;
	}
}

/* ---- no server is there ---- */

static bool is_alone(const struct il__remote_pool *pool)
{
	for (size_t i = 0; i < pool->server_count; i++)
		if (pool->servers[i].connected)
			return false;
	return true;
}

/* Of the first attempt there may be no word yet. */
static int last_error(const struct il__remote_pool *pool)
{
	for (size_t i = 0; i < pool->server_count; i++)
		if (pool->servers[i].statistics.last_error < 0)
			return pool->servers[i].statistics.last_error;
	return -ETIMEDOUT;
}

/* As the library's own words of a lack of descriptors. */
static const char *advice(int error)
{
	return error == -EMFILE   ? "; raise RLIMIT_NOFILE"
	       : error == -ENFILE ? "; raise fs.file-max"
				  : "";
}

int il__remote_refuse_unreachable(int error)
{
	return il_fail(-EHOSTUNREACH, "no job server could be reached: %s%s", il_strerror(error),
		       advice(error));
}

static void set_unreachable(struct il__remote_pool *pool, int error)
{
	pthread_mutex_lock(&pool->lock);
	pool->unreachable = error;
	pthread_mutex_unlock(&pool->lock);
}

/* Calls that wait for room get it as the others leave, and fail at once. */
static void fail_alone(struct il__remote_pool *pool)
{
	char detail[240];
	int error = last_error(pool), rc = il__remote_refuse_unreachable(error);

	snprintf(detail, sizeof detail, "%s", il_error_detail());
	set_unreachable(pool, error);
	il__remote_fail_unsent(pool, rc, true, detail);
	set_unreachable(pool, 0);
}

/* Beside the attempts to connect, which may take as long as calls wait for one. While this program is stopped no server is away: the
 * time goes on by two ticks at most from one look to the next. The last look is when the time is up. */
int il__remote_watch_pool(void *arg)
{
	struct il__remote_pool *pool = arg;
	const il_time limit = pool->options.connect_timeout, tick = il__remote_tick(limit);
	il_time left = limit;
	int rc;

	pool->looked = il_now();
	while ((rc = il_sleep(left > 0 && left < tick ? left : tick)) == 0) {
		il_time now = il_now(), passed = now - pool->looked;
		pool->looked = now;
		pool->alone += passed < 2 * tick ? passed : 2 * tick;
		if (!is_alone(pool))
			pool->alone = 0;
		else if (pool->alone >= limit)
			fail_alone(pool);
		left = limit - pool->alone;
		il__remote_stop_if_done(pool);
	}
	return rc;
}
