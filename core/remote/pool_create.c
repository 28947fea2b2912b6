/*
 * pool_create.c: a remote pool's options, its making, the tasks of its servers, and its end.
 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char function[] = "il_remote_pool_create";

/* ---- options ---- */

static int check_ranges(const il_remote_pool_options *o)
{
	if (o->resubmits < 0 || o->resubmits > UINT16_MAX)
		return il_fail(-EINVAL, "%s: resubmits is %d; it must be 0 to %d", function,
			       o->resubmits, UINT16_MAX);
	if (o->connect_timeout < 0 || o->unserved_timeout < 0)
		return il_fail(-EINVAL, "%s: a timeout is negative", function);
	if (o->max_size > UINT32_MAX / 2)
		return il_fail(-EINVAL, "%s: max_size is %zu; it must be at most %u", function,
			       o->max_size, UINT32_MAX / 2);
	if (o->queue_limit > PTRDIFF_MAX && o->queue_limit != SIZE_MAX)
		return il_fail(-EINVAL, "%s: queue_limit is %td; SIZE_MAX is for no limit",
			       function, (ptrdiff_t)o->queue_limit);
	return il__remote_check_heartbeat(function, o->heartbeat);
}

static int check_options(il_remote_pool_options *to, const il_remote_pool_options *from)
{
	int rc;

	if (!from)
		return il_fail(-EINVAL, "%s: options are NULL; servers are needed", function);
	*to = *from;
	rc = check_ranges(to);
	if (rc == 0)
		rc = il__remote_check_prefix(function, to->prefix);
	if (rc < 0)
		return rc;
	if (!to->unserved_timeout)
		to->unserved_timeout = IL_SEC(10);
	if (!to->heartbeat)
		to->heartbeat = IL_SEC(5);
	if (!to->connect_timeout)
		to->connect_timeout = IL_SEC(30);
	if (!to->queue_limit)
		to->queue_limit = 65536;
	if (!to->max_size)
		to->max_size = (size_t)64 << 20;
	return il__remote_check_servers(function, to->servers, to->server_count, to->layer,
					to->insecure);
}

/* ---- made ---- */

static void free_server(struct il__remote_server *s)
{
	free(s->handles.buckets);
	free(s->name);
}

void il__remote_pool_free(struct il__remote_pool *pool)
{
	struct il__remote_name *next;

	il_portal_unref(pool->held);
	for (size_t i = 0; i < pool->server_count; i++)
		free_server(&pool->servers[i]);
	for (struct il__remote_name *n = pool->names; n; n = next) {
		next = n->next;
		free(n);
	}
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	if (pool->layer.unref)
		pool->layer.unref(pool->layer.self);
	free(pool->prefix);
	free(pool);
}

/* False: no memory. */
static bool init_server(struct il__remote_pool *pool, size_t index, const char *name)
{
	struct il__remote_server *s = &pool->servers[index];

	s->pool = pool;
	s->index = index;
	s->name = strdup(name);
	il__remote_list_init(&s->unsent);
	il__remote_list_init(&s->cancels);
	il__remote_list_init(&s->sent);
	il__remote_list_init(&s->waiting);
	il__remote_list_init(&s->running);
	s->handles.room = 64;
	s->handles.buckets = calloc(s->handles.room, sizeof s->handles.buckets[0]);
	return s->name && s->handles.buckets;
}

static void hold_layer(struct il__remote_pool *pool)
{
	pool->layer = *pool->options.layer;
	pool->options.layer = &pool->layer;
	if (pool->layer.ref)
		pool->layer.ref(pool->layer.self);
}

static bool init_pool(struct il__remote_pool *pool)
{
	const il_remote_pool_options *o = &pool->options;
	bool made = true;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	il__remote_list_init(&pool->pending);
	if (o->layer)
		hold_layer(pool);
	pool->server_count = o->server_count;
	for (size_t i = 0; i < pool->server_count; i++)
		made = init_server(pool, i, o->servers[i]) && made;
	pool->prefix = o->prefix ? strdup(o->prefix) : NULL;
	return made && (!o->prefix || pool->prefix);
}

static struct il__remote_pool *make_pool(const il_remote_pool_options *options)
{
	struct il__remote_pool *pool =
	    calloc(1, sizeof *pool + options->server_count * sizeof pool->servers[0]);

	if (!pool)
		return NULL;
	pool->options = *options;
	if (init_pool(pool))
		return pool;
	il__remote_pool_free(pool);
	return NULL;
}

/* ---- run ---- */

static int run_servers(struct il__remote_pool *pool)
{
	il_group group;
	int rc = il_group_open(&group);

	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, il__remote_watch_pool, pool);
	for (size_t i = 0; i < pool->server_count && rc == 0; i++)
		rc = il_group_start_soon(&group, NULL, il__remote_serve_server, &pool->servers[i]);
	if (rc == 0)
		il_task_started(0);
	return il_group_close(&group, rc);
}

/* What the servers need is there when it says that it has started. */
int il__remote_run_pool(void *arg)
{
	struct il__remote_pool *pool = arg;
	int rc = 0;

	for (size_t i = 0; i < pool->server_count && rc == 0; i++) {
		rc = il_semaphore_create(&pool->servers[i].work, 0, 1);
		if (rc == 0)
			rc = il_semaphore_create(&pool->servers[i].admin_work, 0, 1);
	}
	if (rc == 0)
		rc = run_servers(pool);
	for (size_t i = 0; i < pool->server_count; i++) {
		il_semaphore_destroy(pool->servers[i].work);
		il_semaphore_destroy(pool->servers[i].admin_work);
	}
	return rc;
}

static int start_pool(struct il__remote_pool *pool)
{
	const il_blocking_portal_options options = {.name = "il-remote"};
	const il_backend *backend = pool->options.backend;
	int value, rc;

	if (!backend)
		backend = il_backend_find(NULL);
	rc = il_blocking_portal_start(&pool->portal, backend, &options);
	if (rc < 0)
		return rc;
	pool->held = il_portal_ref(pool->portal);
	pool->has_thread = true;
	return il_portal_start_task(pool->portal, NULL, &value, il__remote_run_pool, pool);
}

void il__remote_pool_stop(struct il__remote_pool *pool)
{
	if (!pool->has_thread)
		return;
	il_portal_stop(pool->portal, true);
	il_blocking_portal_stop(pool->portal);
}

static int make_executor(struct il__remote_pool *pool)
{
	il_executor_ops ops = il__remote_pool_ops(pool);
	int rc = il_executor_create(&pool->executor, &ops, pool);

	if (rc == 0)
		il__remote_pool_list(pool, true);
	return rc;
}

/* From the options on; without the executor. */
static int make_checked(struct il__remote_pool **pool, const il_remote_pool_options *options)
{
	il_remote_pool_options checked;
	int rc = check_options(&checked, options);

	if (rc < 0)
		return rc;
	*pool = make_pool(&checked);
	return *pool ? 0 : il_fail(-ENOMEM, "%s: out of memory", function);
}

int il__remote_pool_make(struct il__remote_pool **pool, const il_remote_pool_options *options,
			 il_portal *portal)
{
	int rc = make_checked(pool, options);

	if (rc < 0)
		return rc;
	(*pool)->portal = portal;
	(*pool)->held = il_portal_ref(portal);
	rc = make_executor(*pool);
	if (rc < 0)
		il__remote_pool_free(*pool);
	return rc;
}

int il_remote_pool_create(il_executor **ex, const il_remote_pool_options *options)
{
	struct il__remote_pool *pool;
	int rc = make_checked(&pool, options);

	if (rc < 0)
		return rc;
	rc = ex ? start_pool(pool) : il_fail(-EINVAL, "%s: ex is NULL", function);
	if (rc == 0)
		rc = make_executor(pool);
	if (rc < 0) {
		il__remote_pool_stop(pool);
		il__remote_pool_free(pool);
		return rc;
	}
	*ex = pool->executor;
	return 0;
}
