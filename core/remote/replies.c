/*
 * replies.c: what a job server sends: calls created, begun, ended, refused. It may send anything: a packet that fits no call of its
 * is dropped, one that fits none of the protocol costs it the connection. The portal's thread.
 */
#include "envelope.h"
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void il__remote_take_out(struct il__remote_out *out)
{
	struct il__remote_server *s = out->server;

	if (out->handle[0])
		il__remote_handles_remove(&s->handles, out);
	if (s->asked == &out->place)
		s->asked = out->place.next;
	il__remote_list_remove(&out->place);
}

static void end(struct il__remote_out *out, int rc, const void *data, size_t size,
		const char *detail)
{
	struct il__remote_server *s = out->server;
	struct il__remote_name *name = out->name;

	il__remote_take_out(out);
	il__remote_answer(s->pool, out, rc, data, size, detail);
	il__remote_retry(s, name);
}

/* ---- options ---- */

/* With the words of failures, of which some servers know nothing: they say ERROR, as to a call that they do not take. Replies come in
 * order, so what comes before the echo is none to a call. */
static const char after_options[] = "options";

int il__remote_send_options(struct il__remote_server *s)
{
	int rc = il__remote_send_text(&s->connection, IL__GEARMAN_OPTION_REQ, "exceptions");

	s->options_done = false;
	return rc < 0 ? rc
		      : il__remote_send_text(&s->connection, IL__GEARMAN_ECHO_REQ, after_options);
}

static void on_echo(struct il__remote_server *s, const struct il__remote_packet *p)
{
	s->options_done |= strcmp(p->data, after_options) == 0;
}

/* ---- created, or not ---- */

static int on_created(struct il__remote_server *s, struct il__remote_packet *p)
{
	struct il__remote_node *first = s->sent.first;
	const char *handle = il__remote_next(p);
	struct il__remote_out *out;
	bool others;

	if (!first || !handle || !handle[0] || strlen(handle) > IL__REMOTE_HANDLE_MAX ||
	    il__remote_handles_find(&s->handles, handle))
		return il_fail(-EBADMSG, "the job server has created a job that nobody asked for");
	out = il__remote_out_at(first);
	il__remote_list_remove(first);
	il__remote_list_push(&s->waiting, first);
	out->heard = il__remote_clock(&s->connection);
	pthread_mutex_lock(&s->pool->lock);
	strcpy(out->handle, handle);
	il__remote_begin_wait(s, out);
	if (!out->verdict && il__remote_is_unserved(out))
		out->verdict = -ENOENT;
	if (out->verdict && il__remote_give_up(out, out->verdict))
		il__remote_ring(s->admin_work);
	il__remote_date_cancels(s);
	il__remote_end_retry(out);
	others = il__remote_put_off_of(s, out->name)->first != NULL;
	pthread_mutex_unlock(&s->pool->lock);
	il__remote_handles_add(&s->handles, out);
	if (others)
		il__remote_retry(s, out->name);
	return 0;
}

/* Cancelled, or of a name that no worker has; so may the next one be. */
static void end_unwanted(struct il__remote_out *out)
{
	struct il__remote_server *s = out->server;
	struct il__remote_name *name = out->name;

	il__remote_end_unserved(out);
	il__remote_retry(s, name);
}

/* It took none of the first that was sent. Full, it is asked again as long as the caller waits, or if a server had taken it once. */
static int on_error(struct il__remote_server *s, struct il__remote_packet *p)
{
	const char *code = il__remote_next(p), *text = il__remote_next(p);
	struct il__remote_node *first = s->sent.first;
	struct il__remote_out *out;
	char detail[240];

	if (!s->options_done)
		return 0;
	if (!first)
		return il_fail(-EPROTO, "the job server says %s", code ? code : "ERROR");
	out = il__remote_out_at(first);
	snprintf(detail, sizeof detail, "the job server %s says: %s", s->name,
		 text   ? text
		 : code ? code
			: "ERROR");
	if (!code || strcmp(code, "QUEUE_ERROR") != 0)
		end(out, -EPROTO, NULL, 0, detail);
	else if (!out->waits && out->attempt == 0)
		end(out, -EAGAIN, NULL, 0, detail);
	else if (!il__remote_put_off(out))
		end_unwanted(out);
	return 0;
}

/* ---- begun ---- */

/* Of its worker, with its beat in ms. Of a raw one any sign is its beginning. */
static void note_sign(struct il__remote_server *s, struct il__remote_out *out, bool runs, long ms)
{
	bool begins;

	if (!out->beat) {
		if (s->asked == &out->place)
			s->asked = out->place.next;
		il__remote_list_remove(&out->place);
		il__remote_list_push(&s->running, &out->place);
	}
	out->heard = il__remote_clock(&s->connection);
	out->doubted = false;
	out->beat = !s->pool->options.raw && ms > 0 && ms <= 86400000 ? IL_MSEC(ms)
								      : s->pool->options.heartbeat;
	pthread_mutex_lock(&s->pool->lock);
	il__remote_is_served(out);
	begins = !out->verdict && (s->pool->options.raw || runs);
	out->begun |= begins;
	pthread_mutex_unlock(&s->pool->lock);
	if (begins)
		il_call_begin(out->call);
}

/* Numerator: whether it runs; denominator: the worker's beat. */
static void on_status(struct il__remote_server *s, struct il__remote_out *out,
		      struct il__remote_packet *p)
{
	const char *runs = il__remote_next(p), *beat = il__remote_next(p);

	note_sign(s, out, runs && strcmp(runs, "1") == 0, beat ? strtol(beat, NULL, 10) : 0);
}

/* ---- ended ---- */

/* A struct comes back with its size, or it is another build's. */
static int check_size(const struct il__remote_out *out, const struct il__remote_answer *a,
		      char *detail, size_t size)
{
	struct il__remote_call call;

	if (a->kind != IL__REMOTE_RESULT ||
	    il__remote_read_call(&call, out->payload, out->size) < 0 || call.form != IL_CALL_FLAT ||
	    a->out_size == out->in_size)
		return 0;
	snprintf(detail, size,
		 "a struct of %zu bytes came back with %zu: the caller's build is %.*s, "
		 "the worker's %.*s",
		 out->in_size, a->out_size, (int)call.build_size, call.build, (int)a->build_size,
		 a->build);
	return -EPROTO;
}

static void end_enveloped(struct il__remote_out *out, const char *data, size_t size)
{
	struct il__remote_answer a;
	char detail[400] = "";
	int rc = il__remote_read_answer(&a, data, size);

	if (rc == 0 && a.id != out->id)
		rc = il_fail(-EBADMSG, "an answer to another call");
	if (rc < 0) {
		end(out, rc, NULL, 0, il_error_detail());
		return;
	}
	rc = check_size(out, &a, detail, sizeof detail);
	if (rc < 0) {
		end(out, rc, NULL, 0, detail);
		return;
	}
	snprintf(detail, sizeof detail, "%.*s", (int)a.detail_size, a.detail);
	end(out, a.rc, a.kind == IL__REMOTE_RESULT ? a.out : NULL, a.out_size,
	    detail[0] ? detail : NULL);
}

/* By -EMSGSIZE or -ENOMEM. */
static void end_without(struct il__remote_out *out, int rc, size_t size)
{
	char detail[160];

	if (rc == -ENOMEM)
		snprintf(detail, sizeof detail, "no memory for a result of %zu bytes or more",
			 size);
	else
		snprintf(detail, sizeof detail,
			 "a result of %zu bytes or more; the caller takes %zu", size,
			 out->server->pool->options.max_size);
	end(out, rc, NULL, 0, detail);
}

/* Pieces of a result. 0; -EMSGSIZE; -ENOMEM. */
static int add_part(struct il__remote_out *out, const char *data, size_t size)
{
	char *parts;

	if (size > out->server->pool->options.max_size - out->parts_size)
		return -EMSGSIZE;
	parts = realloc(out->parts, out->parts_size + size + 1);
	if (!parts)
		return -ENOMEM;
	memcpy(parts + out->parts_size, data, size);
	out->parts = parts;
	out->parts_size += size;
	return 0;
}

static void end_raw(struct il__remote_out *out, const char *data, size_t size)
{
	int rc;

	if (!out->parts_size && size <= out->server->pool->options.max_size) {
		end(out, 0, data, size, NULL);
		return;
	}
	rc = add_part(out, data, size);
	if (rc == 0)
		end(out, 0, out->parts, out->parts_size, NULL);
	else
		end_without(out, rc, out->parts_size + size);
}

static void on_complete(struct il__remote_out *out, struct il__remote_packet *p)
{
	size_t size;
	const char *data = il__remote_rest(p, &size);

	if (p->cut)
		end_without(out, p->no_memory ? -ENOMEM : -EMSGSIZE, size + p->cut);
	else if (out->server->pool->options.raw)
		end_raw(out, data, size);
	else
		end_enveloped(out, data, size);
}

static void on_data(struct il__remote_server *s, struct il__remote_out *out,
		    struct il__remote_packet *p)
{
	size_t size;
	const char *data = il__remote_rest(p, &size);
	int rc;

	if (!s->pool->options.raw)
		return;
	note_sign(s, out, true, 0);
	rc = p->no_memory ? -ENOMEM : p->cut ? -EMSGSIZE : add_part(out, data, size);
	if (rc < 0)
		end_without(out, rc, out->parts_size + size + p->cut);
}

static void on_exception(struct il__remote_out *out, struct il__remote_packet *p)
{
	size_t size;
	const char *text = il__remote_rest(p, &size);
	char detail[240];

	snprintf(detail, sizeof detail, "%.*s", (int)size, text);
	end(out, out->server->pool->options.raw ? -EREMOTEIO : -EPROTO, NULL, 0, detail);
}

void il__remote_lose_failed(struct il__remote_out *out)
{
	struct il__remote_pool *pool = out->server->pool;

	il__remote_take_out(out);
	il__remote_lost(pool, out, "the worker program has failed the call, or was lost");
	il__remote_dispatch(pool);
}

void il__remote_end_cancelled(struct il__remote_out *out)
{
	if (out->cancelling == IL__REMOTE_DONE)
		out->server->failing++;
	end(out, -ECANCELED, NULL, 0, NULL);
}

/* Given up, the server confirms it; a worker may have taken it just before, and even have begun it, so it is asked about once more,
 * or its signs are awaited; and one that fails twice has been taken. Else its worker is lost; or one that is not ours says so. */
static void on_fail(struct il__remote_out *out)
{
	struct il__remote_pool *pool = out->server->pool;
	int verdict;

	pthread_mutex_lock(&pool->lock);
	verdict = out->verdict;
	pthread_mutex_unlock(&pool->lock);
	if (verdict == -ECANCELED) {
		end(out, verdict, NULL, 0, NULL);
	} else if (out->cancelling && !out->dropped) {
		out->dropped = verdict || out->cancelling != IL__REMOTE_DONE;
		out->cancelling = IL__REMOTE_KEPT;
		out->heard = il__remote_clock(&out->server->connection);
	} else {
		il__remote_lose_failed(out);
	}
}

/* ---- by kind ---- */

/* Of no call, or of an attempt that is lost. */
static void count_late(struct il__remote_server *s, uint32_t type)
{
	if (type == IL__GEARMAN_STATUS_RES || type == IL__GEARMAN_WORK_STATUS)
		return;
	if (type == IL__GEARMAN_WORK_FAIL && s->failing > 0) {
		s->failing--;
		return;
	}
	pthread_mutex_lock(&s->pool->lock);
	s->statistics.late++;
	pthread_mutex_unlock(&s->pool->lock);
}

static void on_work(struct il__remote_server *s, struct il__remote_packet *p)
{
	struct il__remote_out *out = il__remote_handles_find(&s->handles, il__remote_next(p));

	if (!out)
		count_late(s, p->type);
	else if (p->type == IL__GEARMAN_WORK_STATUS)
		on_status(s, out, p);
	else if (p->type == IL__GEARMAN_STATUS_RES)
		il__remote_on_asked(out, p);
	else if (p->type == IL__GEARMAN_WORK_COMPLETE)
		on_complete(out, p);
	else if (p->type == IL__GEARMAN_WORK_DATA)
		on_data(s, out, p);
	else if (p->type == IL__GEARMAN_WORK_EXCEPTION)
		on_exception(out, p);
	else
		on_fail(out);
}

int il__remote_on_packet(struct il__remote_server *s, struct il__remote_packet *p)
{
	switch (p->type) {
	case IL__GEARMAN_JOB_CREATED:
		return on_created(s, p);
	case IL__GEARMAN_ERROR:
		return on_error(s, p);
	case IL__GEARMAN_ECHO_RES:
		on_echo(s, p);
		return 0;
	case IL__GEARMAN_WORK_STATUS:
	case IL__GEARMAN_STATUS_RES:
	case IL__GEARMAN_WORK_COMPLETE:
	case IL__GEARMAN_WORK_DATA:
	case IL__GEARMAN_WORK_EXCEPTION:
	case IL__GEARMAN_WORK_FAIL:
		on_work(s, p);
		return 0;
	default:
		return 0;
	}
}
