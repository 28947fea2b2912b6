/*
 * worker_link.c: a worker program's connection to one server: GRAB_JOB while jobs may be taken, PRE_SLEEP when the server has
 * none and every question has its reply, a question each beat all the same, signs of life. Nothing that takes abilities back,
 * which would make the server give running jobs to others; and never more questions than the last sleep and the jobs since then
 * have earned, which the server would keep in its memory.
 */
#include "worker.h"

#include <interloop/function.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The largest max_size of a pool, and what comes with it: handle, names, envelope. */
static const size_t packet_max = UINT32_MAX / 2 + 4096;

/* So long a call runs without a sign, which the server would pass on at the cost of an answer. */
static const il_time short_call = IL_MSEC(1);

static const il_time collected_within = IL_MSEC(1);

static const char drain_word[] = "drain";

/* ---- asking for jobs ---- */

static struct il__remote_link *next_to_ask(struct il__remote_worker *w)
{
	for (size_t i = 1; i <= w->server_count; i++) {
		size_t index = (w->asked + i) % w->server_count;
		struct il__remote_link *l = &w->links[index];
		if (l->up && !l->empty && !l->asleep && l->questions < l->window) {
			w->asked = index;
			return l;
		}
	}
	return NULL;
}

/* Never waits: one server that is slow to read holds up nobody who talks to another one. */
void il__remote_ask(struct il__remote_worker *w)
{
	struct il__remote_link *l;

	while (!w->draining && w->taken < w->options.slots + w->options.prefetch &&
	       (l = next_to_ask(w))) {
		l->questions++;
		w->taken++;
		if (il__remote_send_now(&l->connection, IL__GEARMAN_GRAB_JOB_UNIQ, NULL, 0) < 0)
			return;
	}
}

/* A drain asks no more, so it is not to be woken in another worker's place. The link's reader waits for room: of a server that does
 * not read, nothing more is read. */
static int on_no_job(struct il__remote_link *l)
{
	int rc;

	l->questions--;
	l->worker->taken--;
	l->empty = true;
	il__remote_ask(l->worker); /* another server */
	if (l->questions > 0 || l->worker->draining)
		return 0;
	rc = il__remote_send(&l->connection, IL__GEARMAN_PRE_SLEEP, NULL, 0);
	l->asleep = rc == 0;
	return rc;
}

static int on_assigned(struct il__remote_link *l, struct il__remote_packet *p)
{
	int rc;

	l->questions--;
	l->empty = false;
	if (l->window < l->worker->options.slots + l->worker->options.prefetch)
		l->window++;
	rc = il__remote_on_job(l, p);
	il__remote_ask(l->worker);
	return rc;
}

static void wake(struct il__remote_link *l)
{
	l->asleep = l->empty = false;
	l->window = 1;
	il__remote_ask(l->worker);
}

static int on_echo(struct il__remote_link *l, const struct il__remote_packet *p)
{
	if (strcmp(p->data, drain_word) == 0 && l->echoes > 0) {
		l->echoes--;
		il__remote_wake(l->worker);
	}
	return 0;
}

int il__remote_send_echo(struct il__remote_link *l)
{
	l->echoes++;
	return il__remote_send_text(&l->connection, IL__GEARMAN_ECHO_REQ, drain_word);
}

static int on_packet(struct il__remote_link *l, struct il__remote_packet *p)
{
	bool asked = l->questions > 0;

	switch (p->type) {
	case IL__GEARMAN_JOB_ASSIGN_UNIQ:
		return asked ? on_assigned(l, p)
			     : il_fail(-EPROTO, "the job server sent a job that nobody asked for");
	case IL__GEARMAN_NO_JOB:
		return asked ? on_no_job(l) : 0;
	case IL__GEARMAN_NOOP:
		wake(l);
		return 0;
	case IL__GEARMAN_ECHO_RES:
		return on_echo(l, p);
	default:
		return 0;
	}
}

/* ---- its tasks ---- */

static int receive(void *arg)
{
	struct il__remote_link *l = arg;

	for (;;) {
		struct il__remote_packet p;
		int rc = il__remote_receive(&l->connection, &p);
		if (rc < 0)
			return rc;
		rc = on_packet(l, &p);
		il__remote_free_packet(&p);
		if (rc < 0)
			return rc;
	}
}

/* Answers, and the questions for the next jobs. */
static bool may_collect(const struct il__remote_link *l)
{
	return l->worker->brief && l->worker->queue && l->connection.unwritten < l->window &&
	       !il__remote_is_full(&l->connection);
}

/* While calls are brief and jobs wait behind them, the answers of half of the jobs go out together: a packet for each costs the
 * server and the client more than these calls do. */
static int collect(struct il__remote_link *l)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc;

	if (!may_collect(l))
		return 0;
	rc = il_scope_enter(&scope, il_deadline(collected_within), 0);
	if (rc < 0) /* what there is goes out now */
		return rc == -ENOMEM ? 0 : rc;
	while (rc == 0 && may_collect(l))
		rc = il_semaphore_acquire(l->connection.work);
	return il_scope_exit(&scope, rc);
}

static int write_out(void *arg)
{
	struct il__remote_link *l = arg;
	int rc;

	do {
		rc = il__remote_await_output(&l->connection);
		if (rc == 0)
			rc = collect(l);
		if (rc == 0)
			rc = il__remote_flush(&l->connection);
	} while (rc == 0);
	return rc;
}

static int beat(void *arg)
{
	struct il__remote_link *l = arg;

	return il__remote_beat(&l->connection);
}

/* Of all jobs of this connection. None of them goes meanwhile, for no sign waits. */
static int sign_all(struct il__remote_link *l)
{
	int rc = 0;

	for (struct il__remote_job *j = l->jobs; j && rc == 0; j = j->next)
		if (j->life == l->life)
			rc = il__remote_send_sign(j);
	return rc;
}

static struct il__remote_job *job_of(struct il__remote_node *news)
{
	return (struct il__remote_job *)(void *)news; /* its first member */
}

static il_time news_due(const struct il__remote_job *j)
{
	return j->since + (j->runs ? short_call : IL__REMOTE_SHORT_WAIT);
}

/* The one of which the server is to be told first; NULL: of all it was. */
static struct il__remote_job *next_news(const struct il__remote_link *l)
{
	struct il__remote_job *waits = job_of(l->waiting.first), *runs = job_of(l->begun.first);

	if (!waits || !runs)
		return waits ? waits : runs;
	return news_due(runs) < news_due(waits) ? runs : waits;
}

static int await_news(struct il__remote_link *l, il_time until)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, until, 0);

	return rc < 0 ? rc : il_scope_exit(&scope, il_semaphore_acquire(l->news));
}

/* That a job runs; or that it is here, for its caller does not know the beat of this program before. Those that run are looked at
 * together, a short call after the other. */
static int give_news(void *arg)
{
	struct il__remote_link *l = arg;
	int rc;

	do {
		struct il__remote_job *j = next_news(l);
		il_time due = j ? news_due(j) : IL_FOREVER;
		if (due <= il_now())
			rc = il__remote_send_sign(j);
		else if (j && j->runs)
			rc = il_sleep(short_call);
		else
			rc = await_news(l, due);
	} while (rc == 0);
	return rc;
}

/* And whoever sleeps asks all the same: a server wakes a few for a job, and those may be stopped, cut off, drained, or full with
 * the jobs of other servers. */
static int give_signs(void *arg)
{
	struct il__remote_link *l = arg;

	for (;;) {
		int rc = il_sleep(l->worker->options.heartbeat);
		if (rc < 0)
			return rc;
		if (l->asleep)
			wake(l);
		il__remote_start_queued(l->worker);
		rc = sign_all(l);
		if (rc < 0)
			return rc;
	}
}

static int offer(struct il__remote_link *l, const char *name)
{
	const char *prefix = l->worker->options.prefix;
	char text[IL__REMOTE_PREFIX_MAX + IL_FUNCTION_NAME_MAX + 1];

	snprintf(text, sizeof text, "%s%s", prefix ? prefix : "", name);
	return il__remote_send_text(&l->connection, IL__GEARMAN_CAN_DO, text);
}

static int offer_names(struct il__remote_link *l)
{
	const il_remote_worker_options *o = &l->worker->options;
	const char *name = NULL;
	int rc = 0;

	for (size_t i = 0; o->names && i < o->name_count && rc == 0; i++)
		rc = offer(l, o->names[i]);
	while (!o->names && rc == 0 && (name = il_function_next(name)))
		rc = offer(l, name);
	return rc;
}

/* ---- its life ---- */

static int talk(struct il__remote_link *l)
{
	il_fn *const fns[] = {write_out, receive, beat, give_news, give_signs};
	il_group group;
	int rc = il_group_open(&group);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof fns / sizeof fns[0] && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, fns[i], l);
	if (rc == 0)
		rc = offer_names(l);
	if (rc == 0) {
		l->up = true;
		il__remote_ask(l->worker);
	}
	return il_group_close(&group, rc);
}

/* The next connection is not told of the jobs of this one. */
static void drop_all_news(struct il__remote_list *news)
{
	while (news->first)
		il__remote_list_remove(news->first);
}

static int serve_once(struct il__remote_link *l)
{
	const il_remote_worker_options *o = &l->worker->options;
	const struct il__remote_endpoint to = {l->server, o->layer, IL_SEC(30), o->heartbeat};
	int rc = il__remote_connect(&l->connection, &to, packet_max);

	if (rc < 0)
		return rc;
	l->life++;
	l->window = 1;
	l->questions = 0;
	l->echoes = 0;
	l->empty = l->asleep = false;
	rc = talk(l);
	l->up = false;
	drop_all_news(&l->waiting);
	drop_all_news(&l->begun);
	l->worker->taken -= l->questions;
	il__remote_close(&l->connection);
	il__remote_wake(l->worker);
	il__remote_ask(l->worker);
	return rc;
}

int il__remote_serve_link(void *arg)
{
	struct il__remote_link *l = arg;

	while (!l->worker->draining) {
		int rc = serve_once(l);
		if (rc != -ECANCELED)
			rc = il_sleep(IL_MSEC(100));
		if (rc < 0)
			return rc;
	}
	return 0;
}
