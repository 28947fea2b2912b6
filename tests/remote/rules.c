/*
 * rules.c: the rules of all executors, held against a remote pool: through a real job server ($IL_TEST_GEARMAND), to a worker in
 * this process, whose threads run the calls. A function begins when the caller knows that it has: what is cancelled before that
 * may run elsewhere, of which the rules for one machine say nothing.
 */
#define BY_POINTER_ITSELF
#include "by_pointer.h"

#include <interloop/function.h>
#include <interloop/remote.h>

#include "../conformance/workers.h"

#include <stdio.h>
#include <unistd.h>

/* ---- calls by pointer ---- */

enum { SENT, BEGUN, ENDED };

struct pointer {
	struct pointer *next;
	il_call *call;
	il_fn *fn;
	void *arg;
	int state;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct pointer *pointers; /* under the lock; the newest first */
static _Thread_local struct pointer *sent;

static int run_by_pointer(void *arg)
{
	struct pointer *p = *(struct pointer **)arg;
	bool begun;

	pthread_mutex_lock(&lock);
	while (p->state == SENT)
		pthread_cond_wait(&changed, &lock);
	begun = p->state == BEGUN;
	pthread_mutex_unlock(&lock);
	return begun ? p->fn(p->arg) : -ECANCELED;
}

void by_pointer_get_info(const il_call *call, il_call_info *info)
{
	il_call_get_info(call, info);
	sent = calloc(1, sizeof *sent);
	CHECK(sent != NULL);
	*sent = (struct pointer){NULL, (il_call *)(uintptr_t)call, info->fn,
				 (void *)(uintptr_t)info->in, SENT};
	pthread_mutex_lock(&lock);
	sent->next = pointers;
	pointers = sent;
	pthread_mutex_unlock(&lock);
	info->fn = run_by_pointer;
	info->name = "by.pointer";
	info->form = IL_CALL_FLAT;
	info->in = &sent;
	info->in_size = sizeof sent;
}

/* The newest: the memory of a call may have been another's before. */
static void set_state(const il_call *call, int state)
{
	struct pointer *p;

	pthread_mutex_lock(&lock);
	for (p = pointers; p->call != call;)
		p = p->next;
	p->state = state;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

bool by_pointer_begin(il_call *call)
{
	bool begun = il_call_begin(call);

	set_state(call, begun ? BEGUN : ENDED);
	return begun;
}

void by_pointer_fail(il_call *call, int rc)
{
	set_state(call, ENDED);
	il_call_fail(call, rc);
}

void by_pointer_finish(il_call *call, int rc, const void *out, size_t size, const char *detail)
{
	(void)out;
	(void)size;
	set_state(call, ENDED);
	il_call_finish(call, rc, NULL, 0, detail);
}

/* ---- a worker for each pool, as long as it ---- */

struct worker {
	struct worker *next;
	il_portal *portal, *of_pool;
	il_executor *threads;
	char prefix[32];
	const char *server;
	il_remote_worker_options options;
};

static struct worker *workers; /* under the lock */
static _Thread_local struct worker *made;

static int serve(void *arg)
{
	return il_remote_worker_serve(arg);
}

int by_pointer_portal_start(il_portal **p, const il_backend *backend,
			    const il_blocking_portal_options *options)
{
	struct worker *w = made;
	int rc = il_blocking_portal_start(p, backend, options);

	pthread_mutex_lock(&lock);
	w->of_pool = *p;
	pthread_mutex_unlock(&lock);
	return rc;
}

static struct worker *take_worker(const il_portal *of_pool)
{
	struct worker **at = &workers, *w;

	pthread_mutex_lock(&lock);
	while ((*at)->of_pool != of_pool)
		at = &(*at)->next;
	w = *at;
	*at = w->next;
	pthread_mutex_unlock(&lock);
	return w;
}

int by_pointer_portal_stop(il_portal *p)
{
	struct worker *w = take_worker(p);
	int rc = il_blocking_portal_stop(p);

	il_portal_stop(w->portal, true);
	il_blocking_portal_stop(w->portal);
	il_executor_destroy(w->threads);
	free(w);
	return rc;
}

static const il_backend *backend(void)
{
	return il_test_backend() ? il_test_backend() : il_backend_find(NULL);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* What a loop's library keeps from its first loop on is no leak of a test's. */
static void __attribute__((constructor)) open_first_loop(void)
{
	CHECK_RC(il_run(backend(), nothing, NULL), 0);
}

static struct worker *start_worker(int slots)
{
	static atomic_int count;
	struct worker *w = calloc(1, sizeof *w);

	CHECK(w != NULL);
	w->server = getenv("IL_TEST_GEARMAND");
	CHECK(w->server != NULL);
	snprintf(w->prefix, sizeof w->prefix, "%d.%d.", (int)getpid(), atomic_fetch_add(&count, 1));
	CHECK_RC(il_function_register("by.pointer", run_by_pointer), 0);
	CHECK_RC(
	    il_thread_pool_create(&w->threads, &(il_thread_pool_options){.max_workers = slots}), 0);
	w->options = (il_remote_worker_options){.servers = &w->server,
						.server_count = 1,
						.prefix = w->prefix,
						.executor = w->threads,
						.slots = slots};
	CHECK_RC(il_blocking_portal_start(&w->portal, backend(), NULL), 0);
	CHECK_RC(il_portal_run_coroutine_soon(w->portal, NULL, serve, &w->options), 0);
	pthread_mutex_lock(&lock);
	w->next = workers;
	workers = w;
	pthread_mutex_unlock(&lock);
	return w;
}

static il_executor *new_remote_pool(int slots)
{
	struct worker *w = start_worker(slots);
	il_remote_pool_options o = {
	    .servers = &w->server, .server_count = 1, .prefix = w->prefix, .backend = backend()};
	il_executor *ex = NULL;

	made = w;
	CHECK_RC(il_remote_pool_create(&ex, &o), 0);
	return ex;
}

#define new_pool             new_remote_pool
#define EXECUTOR_GROUP       B
#define CANCELLED_IS_DONE(f) UNTIL_THREAD(il_future_done(f))
#include "../conformance/executor_ends.h"
#include "../conformance/executor_rules.h"
