/*
 * worker_job.c: a job of a worker program: taken, waiting for a slot, run in the executor, answered. What was taken is run and
 * answered, whatever becomes of the connection; an answer that does not reach the server is the server's to see.
 */
#include "worker.h"

#include <interloop/function.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- to the server ---- */

static bool is_of_connection(const struct il__remote_job *j)
{
	return j->link->up && j->link->life == j->life;
}

/* The server is told, or is not to be. */
static void drop_news(struct il__remote_job *j)
{
	if (j->news.list)
		il__remote_list_remove(&j->news);
}

/* Numerator: whether it runs; denominator: the beat in ms. It waits for no answer to be sent: the caller counts the beats. */
int il__remote_send_sign(struct il__remote_job *j)
{
	il_time ms = j->link->worker->options.heartbeat / IL_MSEC(1);
	char runs[2] = {j->runs ? '1' : '0'}, beat[24];
	const struct iovec pieces[3] = {
	    {(char *)(uintptr_t)j->handle, strlen(j->handle) + 1},
	    {runs, 2},
	    {beat, (size_t)snprintf(beat, sizeof beat, "%lld", (long long)(ms ? ms : 1))}};

	if (!is_of_connection(j))
		return -EOWNERDEAD;
	drop_news(j);
	return il__remote_send_now(&j->link->connection, IL__GEARMAN_WORK_STATUS, pieces, 3);
}

/* As long as the connection lives: other answers may be long on their way. When the drain's time is up, not longer than a server may
 * be silent. */
static int await_room(const struct il__remote_job *j)
{
	struct il__remote_connection *c = &j->link->connection;
	il_scope scope = IL_SCOPE_INIT;
	int rc = il__remote_await_room(c);

	if (rc != -ECANCELED)
		return rc;
	rc = il_scope_enter(&scope, il_deadline(3 * c->heartbeat), IL_SHIELD | IL_FAIL_AT_DEADLINE);
	return rc < 0 ? rc : il_scope_exit(&scope, il__remote_await_room(c));
}

/* Before the answer is sent, for whose turn it may wait for long: whoever waits begins first. */
static void leave_slot(struct il__remote_job *j)
{
	if (!j->in_slot)
		return;
	j->in_slot = false;
	j->link->worker->running--;
	il__remote_start_queued(j->link->worker);
}

static int send_last(struct il__remote_job *j, uint32_t type, const struct iovec *pieces, int count)
{
	int rc;

	leave_slot(j);
	if (!is_of_connection(j))
		return -EOWNERDEAD;
	rc = await_room(j);
	return rc < 0 ? rc : il__remote_send_now(&j->link->connection, type, pieces, count);
}

static int answer(struct il__remote_job *j, const struct il__remote_answer *a)
{
	char envelope[IL__REMOTE_ENVELOPE];
	const struct iovec pieces[5] = {{(char *)(uintptr_t)j->handle, strlen(j->handle) + 1},
					{envelope, sizeof envelope},
					{(char *)(uintptr_t)a->detail, a->detail_size},
					{(char *)(uintptr_t)a->build, a->build_size},
					{(char *)(uintptr_t)a->out, a->out_size}};

	il__remote_write_answer(envelope, a);
	return send_last(j, IL__GEARMAN_WORK_COMPLETE, pieces, 5);
}

static int refuse(struct il__remote_job *j, int rc, const char *detail)
{
	return answer(j, &(struct il__remote_answer){.kind = IL__REMOTE_REFUSED,
						     .rc = rc,
						     .id = j->call.id,
						     .detail = detail,
						     .detail_size = strlen(detail),
						     .build = ""});
}

/* Not for an envelope of ours: a client of another version understands the exception. One that writes none may wait for an
 * exception in vain, which servers leave out by default; a failure it always sees. */
static int send_refusal(struct il__remote_job *j)
{
	bool fails = j->refused == -EBADMSG;
	const struct iovec pieces[2] = {{(char *)(uintptr_t)j->handle, strlen(j->handle) + !fails},
					{(char *)(uintptr_t)j->words, strlen(j->words)}};

	return send_last(j, fails ? IL__GEARMAN_WORK_FAIL : IL__GEARMAN_WORK_EXCEPTION, pieces,
			 fails ? 1 : 2);
}

/* ---- run ---- */

static const il_time brief_call = IL_USEC(200);

/* What the caller takes, in a packet whose size has 32 bits. */
static size_t result_limit(const struct il__remote_job *j)
{
	enum { FRAME = 4096 }; /* more than handle, envelope, detail and build */

	return j->call.limit < UINT32_MAX - FRAME ? j->call.limit : UINT32_MAX - FRAME;
}

static int answer_result(struct il__remote_job *j, il_fn *fn, int rc, const void *out, size_t size)
{
	bool ran = rc != -EOWNERDEAD && rc != -ECANCELED && rc != -ENOTRECOVERABLE;
	char build[IL__REMOTE_BUILD_MAX + 1], detail[240] = "";
	struct il__remote_answer a = {.kind = ran ? IL__REMOTE_RESULT : IL__REMOTE_REFUSED,
				      .rc = rc,
				      .id = j->call.id,
				      .detail = detail,
				      .build = build,
				      .out = out,
				      .out_size = ran ? size : 0};

	if (a.out_size > result_limit(j)) {
		snprintf(detail, sizeof detail, "a result of %zu bytes; the caller takes %zu",
			 a.out_size, result_limit(j));
		return refuse(j, -EMSGSIZE, detail);
	}
	if (rc < 0)
		snprintf(detail, sizeof detail, "%s", il_error_detail());
	a.detail_size = strlen(detail);
	il__remote_name_build(build, fn);
	a.build_size = strlen(build);
	il__remote_judge_executor(j->link->worker, rc);
	j->link->worker->brief = il_now() - j->since < brief_call;
	return answer(j, &a);
}

static int run_flat(struct il__remote_job *j, il_fn *fn)
{
	size_t size = j->call.in_size;
	void *arg = size ? malloc(size) : NULL;
	int rc;

	if (size && !arg)
		return refuse(j, -ENOMEM, "the worker has no memory for the argument");
	if (size)
		memcpy(arg, j->call.in, size);
	rc = il_executor_run(j->link->worker->options.executor, fn, arg, size);
	rc = answer_result(j, fn, rc, arg, size);
	free(arg);
	return rc;
}

static int run_bytes(struct il__remote_job *j, il_fn *fn)
{
	il_bytes bytes = {.in = j->call.in, .in_size = j->call.in_size};
	int rc = il_executor_run(j->link->worker->options.executor, fn, &bytes, IL_BYTES);

	rc = answer_result(j, fn, rc, bytes.out, bytes.out_size);
	il_bytes_free(&bytes);
	return rc;
}

static int refuse_name(struct il__remote_job *j)
{
	char build[IL__REMOTE_BUILD_MAX + 1], detail[400];

	il__remote_name_build(build, NULL);
	snprintf(
	    detail, sizeof detail,
	    "the worker program has no function of that name: its build is %s, the caller's %.*s",
	    build, (int)j->call.build_size, j->call.build);
	return refuse(j, -ENOENT, detail);
}

static bool is_served(const il_remote_worker_options *o, const char *name)
{
	for (size_t i = 0; o->names && i < o->name_count; i++)
		if (strcmp(o->names[i], name) == 0)
			return true;
	return !o->names;
}

/* A server may ask for what it was never offered. */
static il_fn *find_function(const struct il__remote_job *j)
{
	const il_remote_worker_options *o = &j->link->worker->options;
	size_t skip = o->prefix ? strlen(o->prefix) : 0;
	const char *name = j->name + skip;

	if (skip && strncmp(j->name, o->prefix, skip) != 0)
		return NULL;
	return is_served(o, name) ? il_function_find(name) : NULL;
}

static int run_job(struct il__remote_job *j)
{
	il_fn *fn = find_function(j);

	if (j->refused < 0)
		return send_refusal(j);
	if (!fn)
		return refuse_name(j);
	if (il_now() >= j->too_old)
		return refuse(j, -ECANCELED, "the time of the call was up before it began");
	if (!is_of_connection(j))
		return -EOWNERDEAD; /* nobody waits for it here any more, and it has not begun */
	j->runs = true;
	j->since = il_now();
	drop_news(j);
	il__remote_list_push(&j->link->begun, &j->news);
	il__remote_ring(j->link->news);
	return j->call.form == IL_CALL_BYTES ? run_bytes(j, fn) : run_flat(j, fn);
}

/* ---- taken ---- */

static void free_job(struct il__remote_job *j)
{
	il__remote_free_packet(&j->packet);
	free(j);
}

static int work(void *arg)
{
	struct il__remote_job *j = arg;
	struct il__remote_worker *w = j->link->worker;

	run_job(j);
	leave_slot(j);
	drop_news(j);
	*j->at = j->next;
	if (j->next)
		j->next->at = j->at;
	free_job(j);
	w->taken--;
	w->jobs--;
	il__remote_wake(w);
	il__remote_ask(w);
	return 0;
}

static void push_front(struct il__remote_worker *w, struct il__remote_job *j)
{
	j->queued = w->queue;
	if (!w->queue)
		w->queue_end = &j->queued;
	w->queue = j;
}

void il__remote_start_queued(struct il__remote_worker *w)
{
	while (w->queue && w->running < w->options.slots) {
		struct il__remote_job *j = w->queue;
		int rc;
		w->queue = j->queued;
		if (!w->queue)
			w->queue_end = &w->queue;
		w->running++;
		j->in_slot = true;
		rc = il_group_start_soon(&w->jobs_group, NULL, work, j);
		if (rc < 0) { /* no memory: the next job that ends tries again, or the next beat */
			w->running--;
			j->in_slot = false;
			push_front(w, j);
			return;
		}
	}
}

static void note_refusal(struct il__remote_job *j, int rc)
{
	j->refused = rc;
	snprintf(j->words, sizeof j->words, "%s: %s", il_error_name(rc), il_error_detail());
}

/* 0; -EBADMSG: it has not even a name. */
static int read_job(struct il__remote_job *j)
{
	const char *data;
	size_t size;
	int rc;

	j->handle = il__remote_next(&j->packet);
	j->name = il__remote_next(&j->packet);
	if (!j->handle || !j->name || !il__remote_next(&j->packet) ||
	    strlen(j->handle) > IL__REMOTE_HANDLE_MAX)
		return il_fail(-EBADMSG, "the job server has sent a job without a name");
	data = il__remote_rest(&j->packet, &size);
	rc = il__remote_read_call(&j->call, data, size);
	if (j->packet.no_memory)
		rc = il_fail(-ENOMEM, "the worker has no memory for a call of %zu bytes",
			     size + j->packet.cut);
	else if (j->packet.cut)
		rc = il_fail(-EMSGSIZE, "a call of %zu bytes is too large", size + j->packet.cut);
	if (rc < 0)
		note_refusal(j, rc);
	j->too_old = rc < 0 || j->call.left < 0 || j->call.left > INT64_MAX / IL_MSEC(1)
			 ? IL_FOREVER
			 : il_deadline(j->call.left * IL_MSEC(1));
	return 0;
}

static void enqueue(struct il__remote_job *j)
{
	struct il__remote_link *l = j->link;

	j->at = &l->jobs;
	j->next = l->jobs;
	if (j->next)
		j->next->at = &j->next;
	l->jobs = j;
	il__remote_list_push(&l->waiting, &j->news);
	*l->worker->queue_end = j;
	l->worker->queue_end = &j->queued;
	l->worker->jobs++;
}

int il__remote_on_job(struct il__remote_link *l, struct il__remote_packet *p)
{
	struct il__remote_job *j = calloc(1, sizeof *j);
	int rc;

	if (!j) {
		l->worker->taken--;
		return il_fail(-ENOMEM, "no memory for a job");
	}
	j->link = l;
	j->life = l->life;
	j->packet = *p;
	p->data = NULL;
	rc = read_job(j);
	if (rc < 0) {
		free_job(j);
		l->worker->taken--;
		return rc;
	}
	j->since = il_now();
	enqueue(j);
	il__remote_start_queued(l->worker);
	if (!j->in_slot)
		il__remote_ring(l->news);
	return 0;
}

void il__remote_drop_jobs(struct il__remote_link *l)
{
	struct il__remote_job *next;

	for (struct il__remote_job *j = l->jobs; j; j = next) {
		next = j->next;
		free_job(j);
	}
}
