/*
 * portal_provider.c: a blocking portal that its users share. Thread-safe: the first user starts it, others
 * that come meanwhile wait for a future, the last one stops it.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../runtime/backend.h"
#include "../runtime/thread_state.h"
#include "portal.h"

#include <interloop/future.h>

#include <stdio.h>

struct il_portal_provider {
	const il_backend *backend;
	il_blocking_portal_options options;
	char name[16]; /* the caller's may be gone */
	unsigned generation;
	pthread_mutex_t lock;
	size_t users;        /* under lock */
	il_portal *portal;   /* under lock; NULL while starting */
	il_future *starting; /* under lock; NULL but while the first user starts it */
};

int il_portal_provider_create(il_portal_provider **out, const il_backend *backend,
			      const il_blocking_portal_options *options)
{
	il_portal_provider *provider;

	if (!out)
		return il__refuse(-EINVAL, "il_portal_provider_create: provider is NULL");
	if (!backend)
		return il__refuse_no_backend("il_portal_provider_create");
	provider = il__calloc(1, sizeof *provider);
	if (!provider)
		return il__refuse(-ENOMEM, "il_portal_provider_create: out of memory");
	il__watch_fork();
	provider->generation = il__generation;
	provider->backend = backend;
	if (options)
		provider->options = *options;
	if (provider->options.name) {
		snprintf(provider->name, sizeof provider->name, "%s", provider->options.name);
		provider->options.name = provider->name;
	}
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

/* What to do: 1 start it, 0 wait for *starting or, if that is NULL, have *p; or why neither is possible
 * here. Under the lock. */
static int provider_look(il_portal_provider *provider, il_future **starting, il_portal **p)
{
	il_task *task;
	bool first = !provider->starting;
	int rc;

	*starting = NULL;
	if (provider->portal) {
		*p = provider->portal;
		provider->users++;
		return 0;
	}
	rc = il__may_wait("il_portal_provider_acquire", &task);
	if (rc == 0 && first)
		rc = il_future_create(&provider->starting);
	if (rc < 0)
		return rc;
	*starting = first ? provider->starting : il_future_ref(provider->starting);
	return first;
}

static int provider_check(const il_portal_provider *provider, const char *function)
{
	if (!provider)
		return il__refuse(-EINVAL, "%s: provider is NULL", function);
	if (il__inherited(provider->generation))
		return il__refuse(-ESHUTDOWN, "%s: the provider was inherited across fork",
				  function);
	return 0;
}

int il_portal_provider_acquire(il_portal_provider *provider, il_portal **p)
{
	il_future *starting;
	int rc = provider_check(provider, "il_portal_provider_acquire");

	if (rc == 0 && !p)
		rc = il__refuse(-EINVAL, "il_portal_provider_acquire: p is NULL");
	while (rc == 0) {
		pthread_mutex_lock(&provider->lock);
		rc = provider_look(provider, &starting, p);
		pthread_mutex_unlock(&provider->lock);
		if (rc > 0)
			return start_shared(provider, starting, p);
		if (rc < 0 || !starting)
			return rc;
		rc = il_future_wait(starting, IL_FOREVER);
		/* A first user that was cancelled, or interrupted, says nothing about the others. */
		if (rc == 0 && (rc = il_future_result(starting, 0)) < 0 &&
		    (rc == -ECANCELED || rc == -EINTR))
			rc = 0;
		il_future_unref(starting);
	}
	return rc;
}

/* Whether the caller, who is the last user, may stop it here. */
static int may_stop(il_portal *p)
{
	il_task *task;

	if (il__portal_is_own_loop(p))
		return il__refuse(-EDEADLK,
				  "il_portal_provider_release: called by the last user in the "
				  "portal's own thread");
	return il__may_wait("il_portal_provider_release", &task);
}

int il_portal_provider_release(il_portal_provider *provider)
{
	il_portal *last = NULL;
	int rc = provider_check(provider, "il_portal_provider_release");

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&provider->lock);
	if (provider->users == 0)
		rc = il__refuse(-EALREADY, "il_portal_provider_release: nobody holds it");
	else if (provider->users == 1)
		rc = may_stop(provider->portal);
	if (rc == 0 && --provider->users == 0) {
		last = provider->portal;
		provider->portal = NULL;
	}
	pthread_mutex_unlock(&provider->lock);
	return last ? il_blocking_portal_stop(last) : rc;
}

void il_portal_provider_destroy(il_portal_provider *provider)
{
	if (!provider)
		return;
	if (il__inherited(provider->generation)) {
		il__free(provider); /* its users stayed with the parent */
		return;
	}
	if (provider->users || provider->starting)
		il__fatal("il_portal_provider_destroy: %zu users still hold the portal",
			  provider->users);
	pthread_mutex_destroy(&provider->lock);
	il__free(provider);
}
