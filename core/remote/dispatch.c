/*
 * dispatch.c: which server gets which call: the one with the fewest out, of those that are there. So one whose link is cut, where
 * calls stay, gets fewer and fewer until its loss is noticed. The portal's thread, but il__remote_fail_unsent.
 */
#include "pool.h"

#include <errno.h>

/* Under the lock. NULL: no server is there. */
static struct il__remote_server *least_loaded(struct il__remote_pool *pool)
{
	struct il__remote_server *least = NULL;

	for (size_t i = 0; i < pool->server_count; i++) {
		struct il__remote_server *s = &pool->servers[i];
		if (s->connected && (!least || s->calls < least->calls))
			least = s;
	}
	return least;
}

/* Under the lock: a bit for each server with something in its list. */
static void find_work(struct il__remote_pool *pool, uint64_t *unsent, uint64_t *cancels)
{
	*unsent = *cancels = 0;
	for (size_t i = 0; i < pool->server_count; i++) {
		*unsent |= (uint64_t)(pool->servers[i].unsent.first != NULL) << i;
		*cancels |= (uint64_t)(pool->servers[i].cancels.first != NULL) << i;
		il__remote_date_cancels(&pool->servers[i]);
	}
}

/* From where on its place is: behind the last one, or the one that was put in last, for mostly they come in order. */
static struct il__remote_node *search_from(const struct il__remote_list *list, uint64_t id)
{
	struct il__remote_node *last = il__remote_list_last(list);

	if (!last || il__remote_out_at(last)->id < id)
		return NULL;
	return list->put && il__remote_out_at(list->put)->id < id ? list->put->next : list->first;
}

/* Before that one; NULL: last. */
static void insert_before(struct il__remote_list *list, struct il__remote_node *n,
			  struct il__remote_out *out)
{
	if (n)
		il__remote_list_insert(n, &out->place);
	else
		il__remote_list_push(list, &out->place);
}

/* Under the lock. Those that were sent again come before others that never were. */
static void insert(struct il__remote_list *list, struct il__remote_out *out)
{
	struct il__remote_node *n = search_from(list, out->id);

	while (n && il__remote_out_at(n)->id < out->id)
		n = n->next;
	insert_before(list, n, out);
}

/* Under the lock. Among those of its name that wait for room. */
static void hold_back(struct il__remote_server *s, struct il__remote_out *out)
{
	il__remote_begin_wait(s, out);
	insert(il__remote_put_off_of(s, out->name), out);
}

/* Under the lock. Before all others that are not sent, but behind those that are tried again before it. */
static void insert_retry(struct il__remote_server *s, struct il__remote_out *out)
{
	struct il__remote_node *n = s->unsent.first;

	while (n && il__remote_out_at(n)->retried && il__remote_out_at(n)->id < out->id)
		n = n->next;
	insert_before(&s->unsent, n, out);
	out->retried = true;
	out->name->at[s->index].retries++;
}

void il__remote_end_retry(struct il__remote_out *out)
{
	if (out->retried)
		out->name->at[out->server->index].retries--;
	out->retried = false;
}

/* Under the lock. First come, first served: whoever waits for room goes among those of its name that do, in their order; also while
 * the last of them is tried again. */
static void give(struct il__remote_server *s, struct il__remote_out *out)
{
	bool others =
	    il__remote_put_off_of(s, out->name)->first || out->name->at[s->index].retries > 0;

	il__remote_list_remove(&out->place);
	if (others && (out->waits || out->attempt > 0))
		hold_back(s, out);
	else
		il__remote_list_push(&s->unsent, &out->place);
	out->server = s;
	s->calls++;
}

void il__remote_dispatch(struct il__remote_pool *pool)
{
	uint64_t unsent, cancels;
	struct il__remote_server *s;
	struct il__remote_node *first;

	pthread_mutex_lock(&pool->lock);
	while ((first = pool->pending.first) && (s = least_loaded(pool)))
		give(s, il__remote_out_at(first));
	find_work(pool, &unsent, &cancels);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->server_count; i++) {
		if (unsent >> i & 1)
			il__remote_ring(pool->servers[i].work);
		if (cancels >> i & 1)
			il__remote_ring(pool->servers[i].admin_work);
	}
}

bool il__remote_put_off(struct il__remote_out *out)
{
	struct il__remote_pool *pool = out->server->pool;
	bool wanted;

	pthread_mutex_lock(&pool->lock);
	wanted = out->verdict != -ECANCELED && !il__remote_is_unserved(out);
	if (wanted) {
		il__remote_end_retry(out);
		il__remote_list_remove(&out->place);
		hold_back(out->server, out);
		out->sent = false;
	}
	pthread_mutex_unlock(&pool->lock);
	return wanted;
}

/* Under the lock: which server takes the first of them: the one that had no room, or one that has less to do and has refused none of
 * them. */
static struct il__remote_server *who_has_room(struct il__remote_server *s,
					      struct il__remote_name *name)
{
	struct il__remote_server *least = least_loaded(s->pool);

	return least && !il__remote_put_off_of(least, name)->first ? least : s;
}

/* Under the lock. */
static void move(struct il__remote_server *from, struct il__remote_server *to,
		 struct il__remote_out *out)
{
	out->waited = il__remote_waited(out);
	out->created = 0;
	from->calls--;
	to->calls++;
	out->server = to;
	il__remote_begin_wait(to, out);
}

/* Alone: not while another one is tried there. */
static void retry(struct il__remote_server *s, struct il__remote_name *name, bool alone)
{
	struct il__remote_server *to = NULL;
	struct il__remote_node *first;

	pthread_mutex_lock(&s->pool->lock);
	first = il__remote_put_off_of(s, name)->first;
	if (first)
		to = who_has_room(s, name);
	if (to && alone && name->at[to->index].retries > 0)
		to = NULL;
	if (to) {
		il__remote_list_remove(first);
		move(s, to, il__remote_out_at(first));
		insert_retry(to, il__remote_out_at(first));
	}
	pthread_mutex_unlock(&s->pool->lock);
	if (to)
		il__remote_ring(to->work);
}

void il__remote_retry(struct il__remote_server *s, struct il__remote_name *name)
{
	retry(s, name, false);
}

void il__remote_retry_all(struct il__remote_server *s)
{
	struct il__remote_name *n;

	pthread_mutex_lock(&s->pool->lock);
	n = s->pool->names;
	pthread_mutex_unlock(&s->pool->lock);
	for (; n; n = n->next)
		retry(s, n, true);
}

/* Under the lock. */
static void take_from(struct il__remote_list *list, bool all, struct il__remote_list *taken)
{
	struct il__remote_node *next;

	for (struct il__remote_node *n = list->first; n; n = next) {
		next = n->next;
		if (!all && !il__remote_out_at(n)->attended)
			continue;
		il__remote_list_remove(n);
		il__remote_list_push(taken, n);
	}
}

/* Under the lock. Whoever cancels one of them can still take it back. */
static void take_unsent(struct il__remote_pool *pool, bool all, struct il__remote_list *taken)
{
	take_from(&pool->pending, all, taken);
	for (size_t i = 0; i < pool->server_count; i++) {
		struct il__remote_server *s = &pool->servers[i];
		for (struct il__remote_name *n = pool->names; n; n = n->next)
			take_from(il__remote_put_off_of(s, n), all, taken);
		take_from(&s->unsent, all, taken);
	}
}

/* Not those that come meanwhile: whoever is told of the failure may submit the call again at once, each time anew. */
void il__remote_fail_unsent(struct il__remote_pool *pool, int rc, bool all, const char *detail)
{
	struct il__remote_list taken;

	il__remote_list_init(&taken);
	pthread_mutex_lock(&pool->lock);
	take_unsent(pool, all, &taken);
	while (taken.first) {
		struct il__remote_out *out = il__remote_out_at(taken.first);
		il__remote_list_remove(&out->place);
		*il_call_link(out->call) = NULL;
		pthread_mutex_unlock(&pool->lock);
		il__remote_answer_not_run(pool, out, rc, detail);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. */
static void give_up_list(struct il__remote_list *list)
{
	for (struct il__remote_node *n = list->first; n; n = n->next) {
		struct il__remote_out *out = il__remote_out_at(n);
		if (out->attended && !out->begun)
			il__remote_give_up(out, -ECANCELED);
	}
}

void il__remote_cancel_all(struct il__remote_pool *pool)
{
	bool wanted;

	pthread_mutex_lock(&pool->lock);
	wanted = pool->cancels_all;
	pool->cancels_all = false;
	for (size_t i = 0; i < pool->server_count && wanted; i++) {
		give_up_list(&pool->servers[i].sent);
		give_up_list(&pool->servers[i].waiting);
		give_up_list(&pool->servers[i].running); /* where one may still wait for a slot */
	}
	pthread_mutex_unlock(&pool->lock);
	if (wanted) /* a server may have refused some since the shutdown looked */
		il__remote_fail_unsent(pool, -ECANCELED, false, NULL);
}
