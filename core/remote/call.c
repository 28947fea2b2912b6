/*
 * call.c: a call on its way: made, sent once more, given up, ended. No function of the core is called under the lock.
 */
#include "envelope.h"
#include "pool.h"

#include <interloop/function.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- made ---- */

static struct il__remote_out *alloc_out(size_t before, const il_call_info *info)
{
	struct il__remote_out *out = calloc(1, sizeof *out + before + info->in_size + 1);

	if (!out)
		return NULL;
	out->in_size = info->in_size;
	out->size = before + info->in_size;
	if (info->in_size)
		memcpy(out->payload + before, info->in, info->in_size);
	return out;
}

static struct il__remote_out *make_enveloped(struct il__remote_pool *pool, const il_call_info *info)
{
	char build[IL__REMOTE_BUILD_MAX + 1];
	struct il__remote_call call = {.form = info->form,
				       .limit = (uint32_t)pool->options.max_size,
				       .left = -1,
				       .build = build};
	struct il__remote_out *out;

	il__remote_name_build(build, info->fn);
	call.build_size = strlen(build);
	out = alloc_out(IL__REMOTE_ENVELOPE + call.build_size, info);
	if (!out)
		return NULL;
	il__remote_write_call(out->payload, &call);
	memcpy(out->payload + IL__REMOTE_ENVELOPE, build, call.build_size);
	return out;
}

struct il__remote_out *il__remote_make_out(struct il__remote_pool *pool, il_call *call,
					   const il_call_info *info)
{
	struct il__remote_out *out =
	    pool->options.raw ? alloc_out(0, info) : make_enveloped(pool, info);

	if (!out)
		return NULL;
	out->call = call;
	out->attended = info->attended;
	out->waits = info->waits;
	out->deadline = il_call_deadline(call);
	return out;
}

void il__remote_free_out(struct il__remote_out *out)
{
	free(out->parts);
	free(out);
}

bool il__remote_leave_place(struct il__remote_out *out)
{
	struct il__remote_server *s = out->server;
	struct il__remote_out *left =
	    s->left < s->pool->options.queue_limit ? calloc(1, sizeof *left) : NULL;

	if (!left)
		return false;
	left->name = out->name;
	left->verdict = -ECANCELED;
	left->sent = true;
	pthread_mutex_lock(&s->pool->lock);
	left->server = s;
	s->left++;
	s->calls++;
	il__remote_list_insert(&out->place, &left->place);
	pthread_mutex_unlock(&s->pool->lock);
	return true;
}

void il__remote_address_out(struct il__remote_pool *pool, struct il__remote_out *out)
{
	il_time left = -1;

	if (out->deadline != IL_FOREVER) {
		left = out->deadline - il_now();
		left = left > 0 ? left / IL_MSEC(1) + 1 : 0; /* not less than there is */
	}
	if (!pool->options.raw)
		il__remote_address_call(out->payload, out->id, (uint16_t)out->attempt, left);
}

/* ---- its wait for a worker ---- */

void il__remote_begin_wait(struct il__remote_server *s, struct il__remote_out *out)
{
	if (out->created)
		return;
	out->created = il__remote_clock(&s->connection) - out->waited;
	out->waited = 0;
}

il_time il__remote_waited(const struct il__remote_out *out)
{
	struct il__remote_server *s = out->server;
	il_time served = out->name->at[s->index].served;
	il_time since = served > out->created ? served : out->created;

	if (!out->created)
		return out->waited;
	return out->beat || out->assigned ? 0 : il__remote_clock(&s->connection) - since;
}

bool il__remote_is_unserved(const struct il__remote_out *out)
{
	const struct il__remote_server *s = out->server;

	return out->created && out->created <= s->unserved &&
	       out->name->at[s->index].served <= s->unserved;
}

/* ---- ended ---- */

void il__remote_free_place(struct il__remote_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->places--;
	pthread_mutex_unlock(&pool->lock);
	il_executor_room(pool->executor);
}

void il__remote_leave_server(struct il__remote_out *out)
{
	if (!out->server)
		return;
	il__remote_end_retry(out);
	out->server->calls--;
	if (out->cancel.list)
		il__remote_list_remove(&out->cancel);
	out->server = NULL;
	out->created = 0;
}

/* Its caller has its answer. */
static void forget(struct il__remote_pool *pool, struct il__remote_out *out)
{
	pthread_mutex_lock(&pool->lock);
	out->server->left--;
	il__remote_leave_server(out);
	pthread_mutex_unlock(&pool->lock);
	il__remote_free_out(out);
}

void il__remote_answer(struct il__remote_pool *pool, struct il__remote_out *out, int rc,
		       const void *data, size_t size, const char *detail)
{
	il_call *call = out->call;

	if (!call) {
		forget(pool, out);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	*il_call_link(call) = NULL; /* whoever cancels it finds it no more */
	il__remote_leave_server(out);
	if (out->verdict == -ECANCELED)
		rc = -ECANCELED;
	pool->places--;
	pool->answering++;
	pthread_mutex_unlock(&pool->lock);
	il_executor_room(pool->executor);
	if (rc == -ECANCELED && !out->begun)
		il_call_fail(call, rc);
	else
		il_call_finish(call, rc, data, size, detail);
	il__remote_free_out(out);
	il__remote_uncount(pool, true);
}

static void answer_unknown(struct il__remote_pool *pool, struct il__remote_out *out, int rc,
			   const char *why)
{
	char detail[320];

	snprintf(detail, sizeof detail, "%s; whether the call ran is not known", why);
	il__remote_answer(pool, out, rc, NULL, 0, detail);
}

void il__remote_answer_not_run(struct il__remote_pool *pool, struct il__remote_out *out, int rc,
			       const char *detail)
{
	if ((out->attempt > 0 || out->put_back) && rc != -ECANCELED)
		answer_unknown(pool, out, -EOWNERDEAD, detail);
	else
		il__remote_answer(pool, out, rc, NULL, 0, detail);
}

/* ---- lost, or given up ---- */

/* Under the lock: whether it is sent again. */
static bool send_again(struct il__remote_pool *pool, struct il__remote_out *out)
{
	il__remote_leave_server(out);
	if (out->verdict == -ECANCELED || out->attempt == pool->options.resubmits)
		return false;
	il__remote_is_served(out); /* or so it may be elsewhere */
	out->attempt++;
	out->sent = out->begun = false;
	out->cancelling = IL__REMOTE_KEPT;
	out->beat = out->assigned = out->given_up = 0;
	out->handle[0] = 0;
	out->parts_size = 0;
	il__remote_list_push_front(&pool->pending, &out->place);
	return true;
}

void il__remote_lost(struct il__remote_pool *pool, struct il__remote_out *out, const char *why)
{
	bool again;
	int rc;

	if (!out->call) {
		forget(pool, out);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	out->server->statistics.lost++;
	rc = out->verdict == -ECANCELED ? -ECANCELED : -EOWNERDEAD;
	again = send_again(pool, out);
	if (!again)
		*il_call_link(out->call) = NULL; /* of no server, it is not for a canceller */
	pthread_mutex_unlock(&pool->lock);
	if (!again)
		answer_unknown(pool, out, rc, why);
}

void il__remote_is_served(struct il__remote_out *out)
{
	out->dropped = false;
	if (out->verdict != -ENOENT)
		return;
	out->verdict = 0;
	if (out->cancel.list)
		il__remote_list_remove(&out->cancel);
}

bool il__remote_give_up(struct il__remote_out *out, int verdict)
{
	if (!out->verdict || verdict == -ECANCELED)
		out->verdict = verdict;
	if (!out->handle[0] || out->cancel.list)
		return false; /* it is asked for when it has one */
	out->given_up = 0;    /* this may be any thread, and the clock is the portal's */
	il__remote_list_push(&out->server->cancels, &out->cancel);
	return true;
}

void il__remote_date_cancels(struct il__remote_server *s)
{
	struct il__remote_node *n = il__remote_list_last(&s->cancels);
	il_time now;

	if (!n || il__remote_cancelled_at(n)->given_up)
		return;
	now = il__remote_clock(&s->connection);
	for (; n && !il__remote_cancelled_at(n)->given_up; n = il__remote_list_before(n))
		il__remote_cancelled_at(n)->given_up = now;
}
