/*
 * resolver.c: host and port to addresses. Numbers are converted in place; names go to getaddrinfo in a pool of
 * the loop's own, so that slow name servers hold up nobody else. A lookup is shared by the waiting task
 * and the worker: whoever is last frees it, so a cancelled task leaves at once. The lock guards `state`
 * and whether the wakeup may still be fired; the worker writes the results before it, under it.
 *
 * Each lookup has a thread of its own. A few places bound those that somebody waits for; one that was given
 * up leaves its place at once, and counts against lookup_limit until the system lets its thread go.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "resolver.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../base/sanitizer.h"
#include "../executor/thread_pool.h"
#include "../runtime/extension.h"
#include "../runtime/ledger.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/wakeup.h"
#include "../sync/queue.h"
#include "address.h"

#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>

enum { PLACES = 4 };

struct resolver {
	struct il__extension extension;
	il_executor *pool;
	size_t places, taken;    /* of lookups that a task waits for; the loop's thread's */
	struct il__list waiting; /* tasks that wait for a place, first come, first served */
	atomic_uint owners; /* the loop, and each abandoned lookup until its worker is through */
};

static void resolver_unref(struct resolver *r)
{
	if (il__drop_reference(&r->owners))
		il__free(r);
}

/* ---- getaddrinfo ---- */

struct query {
	const char *host, *port;
	struct addrinfo hints;
};

static int map_error(int error, int saved_errno)
{
	switch (error) {
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_SYSTEM:
		return saved_errno ? -saved_errno : -EIO;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_FAMILY:
		return -EAFNOSUPPORT;
	case EAI_BADFLAGS:
	case EAI_SOCKTYPE:
		return -EINVAL;
	case EAI_FAIL:
		return -EIO;
	default: /* EAI_NONAME, EAI_SERVICE, EAI_NODATA, EAI_ADDRFAMILY: nothing of that name */
		return -ENOENT;
	}
}

/* Copies the list, each address once. The number of them. */
static int copy_list(il_address **out, const struct addrinfo *info)
{
	size_t count = 0, kept = 0;
	il_address *list;

	for (const struct addrinfo *i = info; i; i = i->ai_next)
		count++;
	list = il__calloc(count ? count : 1, sizeof *list);
	if (!list)
		return -ENOMEM;
	for (const struct addrinfo *i = info; i; i = i->ai_next) {
		il_address *a = &list[kept];
		bool known = i->ai_addrlen > sizeof a->storage;
		if (known)
			continue;
		memset(a, 0, sizeof *a);
		memcpy(&a->storage, i->ai_addr, i->ai_addrlen);
		a->length = i->ai_addrlen;
		for (size_t k = 0; k < kept && !known; k++)
			known = il__address_equal(&list[k], a);
		kept += !known;
	}
	*out = list;
	return (int)kept;
}

/* Blocks, unless the hints ask for numbers only. *error: getaddrinfo's own code. */
static int lookup_ask(const struct query *q, int more_flags, il_address **list, int *error)
{
	struct addrinfo hints = q->hints, *info = NULL;
	int rc;

	hints.ai_flags |= more_flags;
	errno = 0;
	*error = getaddrinfo(q->host, q->port, &hints, &info);
	if (*error)
		return map_error(*error, errno);
	rc = copy_list(list, info);
	freeaddrinfo(info);
	return rc ? rc : -ENOENT;
}

/* As lookup_ask, of whoever knows names. Without descriptors getaddrinfo can open neither its files nor a socket, and
 * says that there is no such name: what is lacking before or after it counts as lacking in between. */
static int ask_others(const struct query *q, il_address **list, int *error)
{
	int lack = il__os_descriptor_lack();
	int rc = lookup_ask(q, 0, list, error);

	if (rc >= 0)
		return rc;
	if (!lack)
		lack = il__os_descriptor_lack();
	if (lack)
		*error = 0;
	return lack ? lack : rc;
}

static int lookup_refuse(const char *function, const struct query *q, int rc, int error)
{
	if (error == EAI_SERVICE)
		return il__refuse(rc,
				  "%s: port \"%s\": no %s service of that name is known here (see "
				  "/etc/services); give its number",
				  function, q->port,
				  q->hints.ai_socktype == SOCK_DGRAM ? "UDP" : "TCP");
	return il__refuse(
	    rc, "%s: host %s, port %s: %s", function, q->host ? q->host : "(none)", q->port,
	    error && error != EAI_SYSTEM ? gai_strerror(error) : il__system_words(rc));
}

/* ---- a lookup in a worker ---- */

enum state { WAITING, RESOLVED, ABANDONED };

struct lookup {
	pthread_mutex_t lock;
	enum state state;
	struct il__wakeup *wakeup; /* the task's; only while WAITING */
	struct resolver *resolver;
	struct query query; /* with copies of the names */
	il_address *list;
	int result, error;
};

static void free_lookup(struct lookup *l)
{
	pthread_mutex_lock(&l->lock); /* whoever let us come here has left it then */
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_destroy(&l->lock);
	il__free(l->list);
	il__free((char *)(uintptr_t)l->query.host);
	il__free((char *)(uintptr_t)l->query.port);
	il__free(l);
}

/* Sets the state and gives the one before; the second to come frees. */
static enum state lookup_decide(struct lookup *l, enum state state)
{
	enum state before;

	pthread_mutex_lock(&l->lock);
	before = l->state;
	if (before == WAITING) {
		l->state = state;
		if (state == RESOLVED)
			il__wakeup_fire(l->wakeup);
	}
	pthread_mutex_unlock(&l->lock);
	return before;
}

/* In a worker. Called exactly once, whatever becomes of the pool. */
static int lookup_work(void *arg)
{
	struct lookup *l = arg;
	bool abandoned;

	pthread_mutex_lock(&l->lock);
	abandoned = l->state == ABANDONED;
	pthread_mutex_unlock(&l->lock);
	if (!abandoned)
		l->result = ask_others(&l->query, &l->list, &l->error);
	if (lookup_decide(l, RESOLVED) == ABANDONED) {
		resolver_unref(l->resolver);
		free_lookup(l);
	}
	return 0;
}

static struct lookup *make_lookup(const struct query *q, struct resolver *r,
				  struct il__wakeup *wakeup)
{
	struct lookup *l = il__calloc(1, sizeof *l);

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->wakeup = wakeup;
	l->resolver = r;
	l->query = *q;
	l->query.host = q->host ? il__strdup(q->host) : NULL;
	l->query.port = q->port ? il__strdup(q->port) : NULL;
	if ((q->host && !l->query.host) || (q->port && !l->query.port)) {
		free_lookup(l);
		return NULL;
	}
	return l;
}

/* ---- the pool ---- */

/* Idle workers end at once. Only a lookup that was abandoned could hold us up: it ends by itself. */
static int lookup_on_closing(struct il__extension *extension, il_loop *loop)
{
	struct resolver *r = il__container_of(extension, struct resolver, extension);
	il_time patience = loop->options.shutdown_timeout;

	il__thread_pool_finish(r->pool, atomic_load(&r->owners) == 1
					    ? IL_FOREVER
					    : il__deadline_from(il__os_now(), patience));
	il_executor_unref(r->pool);
	resolver_unref(r);
	return 0;
}

static const struct il__extension_ops resolver_ops = {.closing = lookup_on_closing};

static struct resolver *resolver_of(il_loop *loop)
{
	static struct il__report_name name = {.fn = lookup_work, .name = "a lookup"};
	/* Without a bound of its own it gives each call a thread, or refuses it. */
	const il_thread_pool_options options = {
	    .max_workers = INT_MAX, .name = "il-resolver", .without_locals = true};
	size_t limit = loop->options.lookup_limit;
	struct il__extension *x = il__loop_extension(loop, &resolver_ops);
	struct resolver *r;

	if (x)
		return il__container_of(x, struct resolver, extension);
	r = il__calloc(1, sizeof *r);
	if (!r || il_thread_pool_create(&r->pool, &options) < 0) {
		il__free(r);
		return NULL;
	}
	r->places = limit < PLACES ? limit : PLACES;
	il__list_init(&r->waiting);
	il__report_know(&name, 1);
	atomic_init(&r->owners, 1);
	il__loop_extend(loop, &r->extension, &resolver_ops);
	return r;
}

/* The task leaves. False: too late, it ends this very moment. */
static bool lookup_abandon(struct lookup *l)
{
	struct resolver *r = l->resolver;

	atomic_fetch_add(&r->owners, 1); /* the worker's, which may drop it at once */
	if (lookup_decide(l, ABANDONED) == WAITING)
		return true;
	resolver_unref(r);
	return false;
}

/* ---- places ---- */

static bool stop_waiting(il_task *task, void *arg)
{
	(void)arg;
	il__list_remove(&task->waiter.link);
	return true;
}

/* To the one who waits longest, if there is one. */
static void leave_place(struct resolver *r)
{
	if (!il__queue_wake(&r->waiting, 0))
		r->taken--;
}

static void place_tell(struct il__report *r, const il_task *task)
{
	const struct resolver *resolver = task->waiter.arg;

	il__report(r, "a thread for the lookup: all %zu are taken", resolver->places);
}

static int take_place(struct resolver *r, il_task *task, il_time deadline, const char *function)
{
	const size_t limit = task->loop->options.lookup_limit;
	size_t given_up;
	int rc;

	if (r->taken < r->places) {
		r->taken++;
	} else {
		const struct il__wait wait = {function, place_tell};
		il__list_push(&r->waiting, &task->waiter.link);
		rc = il__task_park_until(task, stop_waiting, r, &wait, deadline);
		if (rc < 0)
			return rc;
		if (il__task_cancelled(task)) { /* since the place was handed over */
			leave_place(r);
			return -ECANCELED;
		}
	}
	given_up = (size_t)atomic_load(&r->owners) - 1;
	if (r->taken + given_up <= limit)
		return 0;
	leave_place(r);
	return il__refuse(-EAGAIN,
			  "%s: %zu lookups that were given up still occupy their threads, and "
			  "il_loop_options.lookup_limit is %zu; try again later, or raise it",
			  function, given_up, limit);
}

/* ---- the lookup of a task ---- */

static int lookup_out_of_time(const char *function, const struct query *q)
{
	return il__refuse(-ETIMEDOUT,
			  "%s: host %s, port %s: the name was not looked up in time; the name "
			  "servers do not reply",
			  function, q->host ? q->host : "(none)", q->port);
}

struct lookup_wait {
	struct il__wakeup wakeup;
	const struct query *query;
};

static void lookup_tell(struct il__report *r, const il_task *task)
{
	const struct il__wakeup *s = il__wakeup_of(task->base->wait);
	const struct query *q = il__container_of(s, const struct lookup_wait, wakeup)->query;

	il__report(r, "the addresses of %s, port %s", q->host ? q->host : "(none)", q->port);
}

/* In a place of its own. */
static int run_lookup(struct resolver *r, il_loop *loop, const struct query *q, il_address **list,
		      il_time deadline, const char *function)
{
	struct lookup_wait wait = {.query = q};
	struct lookup *l;
	int rc = il__wakeup_init(&wait.wakeup, function);

	if (rc < 0)
		return rc;
	l = make_lookup(q, r, &wait.wakeup);
	if (!l)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	rc = il_executor_submit(r->pool, NULL, lookup_work, l, 0);
	if (rc < 0) {
		free_lookup(l);
		return rc;
	}
	il__owe(&loop->ledger, IL__OWED_RESULT);
	wait.wakeup.wait.tell = lookup_tell;
	rc = il__wakeup_wait(&wait.wakeup, deadline);
	il__paid(&loop->ledger, IL__OWED_RESULT);
	if (rc < 0) {
		if (lookup_abandon(l))
			return rc;
		il__wakeup_wait_shielded(&wait.wakeup);
	}
	rc = l->result;
	if (rc < 0)
		lookup_refuse(function, q, rc, l->error);
	*list = l->list;
	l->list = NULL;
	free_lookup(l);
	return rc;
}

static int lookup_look_up(il_task *task, const struct query *q, il_address **list, il_time deadline,
			  const char *function)
{
	struct resolver *r = resolver_of(task->loop);
	int rc;

	if (!r)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	rc = take_place(r, task, deadline, function);
	if (rc == 0) {
		rc = run_lookup(r, task->loop, q, list, deadline, function);
		leave_place(r);
	}
	return rc == -ETIMEDOUT ? lookup_out_of_time(function, q) : rc;
}

/* ---- the network's ---- */

static void query_set_hints(struct query *q, unsigned flags)
{
	const bool datagram = flags & IL_RESOLVE_DATAGRAM;

	q->hints.ai_socktype = datagram ? SOCK_DGRAM : SOCK_STREAM;
	q->hints.ai_protocol = datagram ? IPPROTO_UDP : IPPROTO_TCP;
	q->hints.ai_flags = flags & IL_RESOLVE_PASSIVE ? AI_PASSIVE : 0;
	if ((flags & IL_RESOLVE_IPV4) && !(flags & IL_RESOLVE_IPV6))
		q->hints.ai_family = AF_INET;
	if ((flags & IL_RESOLVE_IPV6) && !(flags & IL_RESOLVE_IPV4))
		q->hints.ai_family = AF_INET6;
}

int il__lookup(il_address **list, const char *host, const char *port, unsigned flags,
	       il_time deadline, const char *function)
{
	struct query q = {.host = host, .port = port};
	il_task *task = il__self.loop->current;
	int rc, error;

	query_set_hints(&q, flags);
	rc = lookup_ask(&q, AI_NUMERICHOST | AI_NUMERICSERV, list, &error);
	if (rc > 0)
		il__task_yield(task);
	else if (error != EAI_NONAME || flags & IL_RESOLVE_NUMERIC)
		lookup_refuse(function, &q, rc, error);
	else
		rc = lookup_look_up(task, &q, list, deadline, function);
	return rc;
}
