/*
 * blocking_portal.c: a loop in a thread of its own, with a portal into it; and the provider, which shares
 * one among its users. The thread is joined by il_blocking_portal_stop only.
 */
#include "offload.h"

#include <stdio.h>
#include <stdlib.h>

struct il__blocking {
	const il_backend *backend;
	il_loop_options options;
	char name[16];
	pthread_t thread;
	il_future *up;     /* the loop runs, or could not */
	il_future *down;   /* the loop is closed; the thread ends at once */
	il_portal *portal; /* by the thread, before `up` */
	char why[200];     /* the thread's il_error_detail, before `up` */
};

/* ---- the thread ---- */

static int serve(void *arg)
{
	struct il__blocking *b = arg;
	il_portal *p;
	int rc = il_loop_create_threads_portal(il_loop_current(), &p);

	if (rc < 0)
		return rc;
	p->blocking = b;
	b->portal = il_portal_ref(p);
	il_future_set_result(b->up, 0);
	il_portal_sleep_until_stopped(p);
	return il_portal_close(p);
}

static void *thread_main(void *arg)
{
	struct il__blocking *b = arg;
	il_loop *loop;
	int rc;

	il__os_thread_name(b->name, NULL);
	rc = il_loop_open(&loop, b->backend, &b->options);
	if (rc == 0) {
		rc = il_loop_run(loop, serve, b);
		if (!il_future_done(b->up))
			snprintf(b->why, sizeof b->why, "%s", il_error_detail());
		il_loop_destroy(loop);
	} else {
		snprintf(b->why, sizeof b->why, "%s", il_error_detail());
	}
	if (!il_future_done(b->up))
		il_future_set_result(b->up, rc < 0 ? rc : -ESHUTDOWN);
	il_future_set_result(b->down, 0);
	return NULL;
}

static void free_blocking(struct il__blocking *b)
{
	il_future_unref(b->up);
	il_future_unref(b->down);
	free(b);
}

/* Waits for the thread's end, parking a task; its last instructions are waited for in place. */
static void join(struct il__blocking *b)
{
	il_future_join(il_future_ref(b->down));
	pthread_join(b->thread, NULL);
	free_blocking(b);
}

/* ---- start and stop ---- */

static int make(struct il__blocking **out, const il_backend *backend,
		const il_blocking_portal_options *options)
{
	struct il__blocking *b = calloc(1, sizeof *b);

	if (!b)
		return il__refuse(-ENOMEM, "il_blocking_portal_start: out of memory");
	b->backend = backend;
	if (options)
		b->options = options->loop;
	b->options.handle_sigint = false;
	snprintf(b->name, sizeof b->name, "%s",
		 options && options->name ? options->name : "interloop");
	if (il_future_create(&b->up) < 0 || il_future_create(&b->down) < 0) {
		free_blocking(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

int il_blocking_portal_start(il_portal **p, const il_backend *backend,
			     const il_blocking_portal_options *options)
{
	struct il__blocking *b = NULL;
	il_task *task;
	int rc = il__may_wait("il_blocking_portal_start", &task);

	if (rc < 0)
		return rc;
	if (!p || !backend)
		return il__refuse(p ? -ENOENT : -EINVAL, "il_blocking_portal_start: %s is NULL",
				  p ? "backend" : "p");
	if (task && (rc = il__task_check(task)) < 0)
		return rc;
	if ((rc = make(&b, backend, options)) < 0)
		return rc;
	rc = il__os_thread_start(&b->thread, 0, thread_main, b);
	if (rc < 0) {
		free_blocking(b);
		return rc;
	}
	rc = il_future_wait(b->up, IL_FOREVER);
	if (rc <
	    0) { /* cancelled meanwhile: the thread must come up before it can be told to end */
		if (il_future_join(il_future_ref(b->up)) == 0) {
			il_portal_stop(b->portal, true);
			il_portal_unref(b->portal);
		}
		join(b);
		return rc;
	}
	rc = il_future_result(b->up, 0);
	if (rc < 0) {
		il__refuse(rc, "%s", b->why);
		join(b);
		return rc;
	}
	*p = b->portal;
	return 0;
}

int il_blocking_portal_stop(il_portal *p)
{
	il_task *task;
	int rc;

	if (!p || !p->blocking)
		return il__refuse(-EINVAL, "il_blocking_portal_stop: not a blocking portal");
	if (il__inherited(p->generation))
		return il__refuse(-ESHUTDOWN,
				  "il_blocking_portal_stop: the portal was inherited across fork");
	if (il__portal_is_own_loop(p))
		return il__refuse(-EDEADLK,
				  "il_blocking_portal_stop: called in the portal's own thread; use "
				  "il_portal_stop there");
	rc = il__may_wait("il_blocking_portal_stop", &task);
	if (rc < 0)
		return rc;
	il_portal_stop(p, false);
	join(p->blocking);
	il_portal_unref(p);
	return 0;
}

/* ---- the provider ---- */

struct il_portal_provider {
	const il_backend *backend;
	il_blocking_portal_options options;
	pthread_mutex_t lock;
	size_t users;        /* under lock */
	il_portal *portal;   /* under lock; NULL while starting */
	il_future *starting; /* under lock; NULL but while the first user starts it */
};

int il_portal_provider_create(il_portal_provider **out, const il_backend *backend,
			      const il_blocking_portal_options *options)
{
	il_portal_provider *provider;

	if (!out || !backend)
		return il__refuse(out ? -ENOENT : -EINVAL, "il_portal_provider_create: %s is NULL",
				  out ? "backend" : "provider");
	provider = calloc(1, sizeof *provider);
	if (!provider)
		return il__refuse(-ENOMEM, "il_portal_provider_create: out of memory");
	provider->backend = backend;
	if (options)
		provider->options = *options;
	pthread_mutex_init(&provider->lock, NULL);
	*out = provider;
	return 0;
}

/* The first user: starts it, and tells those who came meanwhile. */
static int start_shared(il_portal_provider *provider, il_future *starting, il_portal **p)
{
	int rc = il_blocking_portal_start(p, provider->backend, &provider->options);

	pthread_mutex_lock(&provider->lock);
	provider->starting = NULL;
	provider->portal = rc == 0 ? *p : NULL;
	provider->users += rc == 0;
	pthread_mutex_unlock(&provider->lock);
	il_future_set_result(starting, rc);
	il_future_unref(starting);
	return rc;
}

int il_portal_provider_acquire(il_portal_provider *provider, il_portal **p)
{
	il_future *starting;
	il_task *task;
	bool first;
	int rc = il__may_wait("il_portal_provider_acquire", &task);

	if (rc < 0 || !provider || !p)
		return rc < 0
			   ? rc
			   : il__refuse(-EINVAL, "il_portal_provider_acquire: an argument is NULL");
	for (;;) {
		pthread_mutex_lock(&provider->lock);
		if (provider->portal) {
			*p = provider->portal;
			provider->users++;
			pthread_mutex_unlock(&provider->lock);
			return 0;
		}
		first = !provider->starting;
		if (first && (rc = il_future_create(&provider->starting)) < 0)
			provider->starting = NULL;
		starting = il_future_ref(provider->starting);
		pthread_mutex_unlock(&provider->lock);
		if (rc < 0)
			return rc;
		if (first) {
			il_future_unref(starting);
			return start_shared(provider, starting, p);
		}
		rc = il_future_result(starting, IL_FOREVER);
		il_future_unref(starting);
		if (rc < 0)
			return rc;
	}
}

int il_portal_provider_release(il_portal_provider *provider)
{
	il_portal *last = NULL;
	bool held;

	if (!provider)
		return il__refuse(-EINVAL, "il_portal_provider_release: provider is NULL");
	pthread_mutex_lock(&provider->lock);
	held = provider->users > 0;
	if (held && --provider->users == 0) {
		last = provider->portal;
		provider->portal = NULL;
	}
	pthread_mutex_unlock(&provider->lock);
	if (!held)
		return il__refuse(-EALREADY, "il_portal_provider_release: nobody holds it");
	return last ? il_blocking_portal_stop(last) : 0;
}

void il_portal_provider_destroy(il_portal_provider *provider)
{
	if (!provider)
		return;
	if (provider->users || provider->starting)
		il__fatal("il_portal_provider_destroy: %zu users still hold the portal",
			  provider->users);
	pthread_mutex_destroy(&provider->lock);
	free(provider);
}
