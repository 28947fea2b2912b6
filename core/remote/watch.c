/*
 * watch.c: calls of which nothing is heard. A server that has given a call to a worker whose link is cut never says so: a worker
 * of ours gives a sign each beat, and of calls without a sign the server is asked whether a worker has them. A server with retries
 * puts a call back into its queue when its worker dies, and does not say so. A call whose name no worker has lies in that queue. The
 * portal's thread.
 */
#include "envelope.h"
#include "pool.h"

#include <errno.h>
#include <string.h>

/* At once. A long queue is asked about in turns; but a worker takes the oldest call of its name, so those are asked about each time.
 */
enum { QUESTIONS = 4096, OLDEST = 256 };

static il_time shorter_of(const il_remote_pool_options *o)
{
	return o->heartbeat < o->unserved_timeout ? o->heartbeat : o->unserved_timeout;
}

/* A worker's beat may be far shorter than the pool's. */
il_time il__remote_tick(il_time time)
{
	il_time quarter = time / 4;

	if (quarter > IL_MSEC(500))
		return IL_MSEC(500);
	return quarter > IL_MSEC(1) ? quarter : IL_MSEC(1);
}

/* As if the server were lost: what it has waited for a worker there counts elsewhere, too. */
static void lose_out(struct il__remote_out *out, const char *why)
{
	struct il__remote_pool *pool = out->server->pool;

	il__remote_take_out(out);
	out->waited = il__remote_waited(out);
	il__remote_lost(pool, out, why);
	il__remote_dispatch(pool);
}

/* ---- those without a sign ---- */

/* It has come, or was asked about, a moment ago: there is nothing to be learnt of it yet. */
static bool is_fresh(const struct il__remote_out *out)
{
	struct il__remote_server *s = out->server;

	return !out->assigned && !out->dropped &&
	       il__remote_clock(&s->connection) - out->heard < shorter_of(&s->pool->options) / 2;
}

static int ask_about(struct il__remote_out *out)
{
	const struct iovec handle = {out->handle, strlen(out->handle)};

	return il__remote_send_now(&out->server->connection, IL__GEARMAN_GET_STATUS, &handle, 1);
}

/* From there on. Nothing while much is to be written: whoever watches does not wait for that, for nobody else would notice what is
 * silent. Returns where the next turn begins. */
static struct il__remote_node *ask_from(struct il__remote_server *s, struct il__remote_node *n,
					int count, int *rc)
{
	for (int i = 0; i < count && n && !il__remote_is_full(&s->connection) && *rc == 0; i++) {
		if (!is_fresh(il__remote_out_at(n)))
			*rc = ask_about(il__remote_out_at(n));
		n = n->next;
	}
	return n;
}

static int ask(struct il__remote_server *s)
{
	int rc = 0;
	struct il__remote_node *oldest = ask_from(s, s->waiting.first, OLDEST, &rc);

	s->asked = ask_from(s, s->asked ? s->asked : oldest, QUESTIONS, &rc);
	return rc;
}

/* Before they are lost, for their worker may have died and the server have put them back. */
static int ask_silent(struct il__remote_server *s)
{
	const il_time now = il__remote_clock(&s->connection);
	int rc = 0;

	for (struct il__remote_node *n = s->running.first; n && rc == 0; n = n->next) {
		struct il__remote_out *out = il__remote_out_at(n);
		if (now - out->heard < out->beat || out->dropped)
			continue;
		out->doubted = true;
		if (!il__remote_is_full(&s->connection))
			rc = ask_about(out);
	}
	return rc;
}

void il__remote_end_unserved(struct il__remote_out *out)
{
	il__remote_take_out(out);
	il__remote_answer_not_run(out->server->pool, out, -ENOENT,
				  "no worker program has a function of that name");
}

/* It has failed since it was given up: by the server, or by a worker, of which the server's reply to the cancellation tells. A caller
 * that has cancelled does not wait for it. True: no more is to be done about it now. */
static bool judge_dropped(struct il__remote_out *out, bool taken)
{
	struct il__remote_pool *pool = out->server->pool;
	bool ends;

	pthread_mutex_lock(&pool->lock);
	if (taken)
		il__remote_is_served(out);
	ends = !out->cancel.list || out->verdict == -ECANCELED;
	pthread_mutex_unlock(&pool->lock);
	if (taken)
		return false;
	if (ends)
		il__remote_end_unserved(out);
	return true;
}

/* The server has put it back, behind all others of its name: it waits for a worker as one that has just been created. */
static void wait_again(struct il__remote_out *out, il_time now)
{
	il__remote_list_remove(&out->place);
	il__remote_list_push(&out->server->waiting, &out->place);
	out->created = out->heard = now;
	out->beat = out->assigned = 0;
	out->parts_size = 0;
	out->put_back = true;
}

/* Of a worker that is not ours no sign is expected, so it is enough that it has the call. */
static void on_asked_silent(struct il__remote_out *out, bool taken, il_time now)
{
	if (out->dropped || now - out->heard < out->beat)
		return;
	if (!taken)
		wait_again(out, now);
	else if (out->server->pool->options.raw)
		out->heard = now;
}

void il__remote_on_asked(struct il__remote_out *out, struct il__remote_packet *p)
{
	const char *first = il__remote_next(p), *second = il__remote_next(p);
	const bool known = first && strcmp(first, "1") == 0;
	const bool taken = second && strcmp(second, "1") == 0;
	const il_time now = il__remote_clock(&out->server->connection);

	if (!first || !second)
		return;
	if (out->beat) {
		if (known)
			on_asked_silent(out, taken, now);
		return;
	}
	if (out->dropped && judge_dropped(out, taken))
		return;
	if (!known) {
		lose_out(out, "the job server has forgotten the call");
	} else if (!taken || out->server->pool->options.raw) {
		out->assigned = 0;
		if (taken || out->cancelling != IL__REMOTE_DONE)
			out->heard = now;
		else if (now - out->heard >= 3 * out->server->pool->options.heartbeat)
			lose_out(out, "the job server has dropped the call, and does not say that "
				      "it has failed");
	} else if (!out->assigned) {
		out->assigned = now;
	}
}

/* ---- silence ---- */

static bool is_silent(const struct il__remote_out *out, il_time now, il_time heartbeat)
{
	if (out->beat)
		return now - out->heard >= 3 * out->beat;
	return out->assigned && now - out->assigned >= IL__REMOTE_SHORT_WAIT + 2 * heartbeat &&
	       now - out->heard >= 3 * heartbeat;
}

/* Of workers that are not ours nothing is expected, but after a failure that may be theirs. And a beat may be shorter than the time
 * from one look to the next, by which the server has replied. */
static bool may_be_lost(const struct il__remote_out *out)
{
	return out->dropped || (!out->server->pool->options.raw && (!out->beat || out->doubted));
}

static void lose_silent(struct il__remote_server *s, const struct il__remote_list *list)
{
	const il_time now = il__remote_clock(&s->connection);
	struct il__remote_node *next;

	for (struct il__remote_node *n = list->first; n; n = next) {
		next = n->next;
		if (may_be_lost(il__remote_out_at(n)) &&
		    is_silent(il__remote_out_at(n), now, s->pool->options.heartbeat))
			lose_out(il__remote_out_at(n),
				 "the worker program has been silent for 3 beats");
	}
}

/* ---- given up, without a reply ---- */

static struct il__remote_out *next_overdue(struct il__remote_server *s)
{
	const il_time since = il__remote_clock(&s->connection) - 3 * s->pool->options.heartbeat;
	struct il__remote_out *out = NULL;
	struct il__remote_node *first;

	pthread_mutex_lock(&s->pool->lock);
	il__remote_date_cancels(s);
	first = s->cancels.first;
	if (first && il__remote_cancelled_at(first)->given_up <= since && s->replied <= since)
		out = il__remote_cancelled_at(first);
	pthread_mutex_unlock(&s->pool->lock);
	return out;
}

/* From there on, of those that were sent and not created: the server knows no handle yet by which it could drop them. */
static struct il__remote_node *next_uncreated(struct il__remote_server *s,
					      struct il__remote_node *n)
{
	const il_time now = il__remote_clock(&s->connection);
	const il_time since = now - 3 * s->pool->options.heartbeat;

	pthread_mutex_lock(&s->pool->lock);
	for (; n; n = n->next) {
		struct il__remote_out *out = il__remote_out_at(n);
		if (!out->call || out->verdict != -ECANCELED)
			continue;
		if (!out->given_up)
			out->given_up = now;
		if (out->given_up <= since)
			break;
	}
	pthread_mutex_unlock(&s->pool->lock);
	return n;
}

static void lose_uncreated(struct il__remote_server *s, const char *why)
{
	struct il__remote_node *n = s->sent.first, *next;

	while ((n = next_uncreated(s, n)) && il__remote_leave_place(il__remote_out_at(n))) {
		next = n->next;
		lose_out(il__remote_out_at(n), why);
		n = next;
	}
}

/* The server that is to drop them may hang where an administrator asks, take nothing back, or not have come to them: who gives a call
 * up waits no longer for that than a cut link is. */
static void lose_overdue(struct il__remote_server *s)
{
	static const char why[] = "the job server does not say whether it has dropped the call";
	struct il__remote_out *out;

	while ((out = next_overdue(s)))
		lose_out(out, why);
	lose_uncreated(s, why);
}

/* ---- names that no worker has ---- */

/* Some have waited elsewhere, or for room, before they were created. Those that the server has no room for are judged when it refuses
 * them the next time. */
void il__remote_judge_names(struct il__remote_server *s)
{
	const il_time since = il__remote_clock(&s->connection) - s->pool->options.unserved_timeout;
	bool any = false;

	s->unserved = since;
	pthread_mutex_lock(&s->pool->lock);
	for (struct il__remote_node *n = s->waiting.first; n; n = n->next) {
		struct il__remote_out *out = il__remote_out_at(n);
		if (!out->assigned && !out->verdict && il__remote_is_unserved(out))
			any |= il__remote_give_up(out, -ENOENT);
	}
	il__remote_date_cancels(s);
	pthread_mutex_unlock(&s->pool->lock);
	if (any)
		il__remote_ring(s->admin_work);
}

static bool are_in_doubt(struct il__remote_server *s)
{
	const il_time half = s->pool->options.unserved_timeout / 2;
	const il_time since = il__remote_clock(&s->connection) - half;
	struct il__remote_node *n = s->waiting.first, *first;
	bool doubt;

	while (n && il__remote_out_at(n)->created > since)
		n = n->next;
	doubt = n != NULL;
	pthread_mutex_lock(&s->pool->lock);
	for (struct il__remote_name *name = s->pool->names; name && !doubt; name = name->next) {
		first = il__remote_put_off_of(s, name)->first;
		doubt = first && il__remote_out_at(first)->created <= since;
	}
	pthread_mutex_unlock(&s->pool->lock);
	return doubt;
}

/* Of calls that wait for a worker, or for room. */
static void doubt_names(struct il__remote_server *s)
{
	if (s->pool->options.unserved_timeout == IL_FOREVER || !are_in_doubt(s))
		return;
	s->wants_names = true;
	il__remote_ring(s->admin_work);
}

/* ---- */

int il__remote_watch(void *arg)
{
	struct il__remote_server *s = arg;

	for (;;) {
		int rc = il_sleep(il__remote_tick(shorter_of(&s->pool->options)));
		if (rc < 0)
			return rc;
		lose_silent(s, &s->running);
		lose_silent(s, &s->waiting);
		rc = ask_silent(s);
		if (rc == 0)
			rc = ask(s);
		if (rc < 0)
			return rc;
		lose_overdue(s);
		doubt_names(s);
		il__remote_retry_all(s);
		il__remote_cancel_all(s->pool);
		il__remote_dispatch(s->pool);
	}
}
