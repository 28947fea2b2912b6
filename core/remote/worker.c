/*
 * worker.c: a worker program's side: its options, the tasks of all servers, and the drain. One connection a server. The tasks of
 * one loop.
 */
#include "worker.h"

#include <interloop/function.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char function[] = "il_remote_worker_serve";

/* ---- options ---- */

static int check_name(const char *name)
{
	if (!name || !il_function_find(name))
		return il_fail(-EINVAL, "%s: no function is registered as \"%s\"", function,
			       name ? name : "NULL");
	if (!il__remote_fits_line(name))
		return il_fail(-EINVAL, "%s: a tab or the end of a line is in the name \"%s\"",
			       function, name);
	return 0;
}

static int check_names(const il_remote_worker_options *o)
{
	const char *name = NULL;
	int rc = 0;

	if (!o->names && !il_function_next(NULL))
		return il_fail(-EINVAL, "%s: no function is registered", function);
	for (size_t i = 0; o->names && i < o->name_count && rc == 0; i++)
		rc = check_name(o->names[i]);
	while (!o->names && rc == 0 && (name = il_function_next(name)))
		rc = check_name(name);
	return rc;
}

static int check_ranges(const il_remote_worker_options *o)
{
	enum { MOST = 100000 };

	if (o->names ? !o->name_count || o->name_count > PTRDIFF_MAX / sizeof *o->names
		     : o->name_count)
		return il_fail(-EINVAL, "%s: names is %s and name_count is %td", function,
			       o->names ? "given" : "NULL", (ptrdiff_t)o->name_count);
	if (o->slots < 0 || o->slots > MOST || o->prefetch < 0 || o->prefetch > MOST)
		return il_fail(-EINVAL, "%s: slots is %d, prefetch %d; both must be 0 to %d",
			       function, o->slots, o->prefetch, MOST);
	if (o->drain_timeout < 0)
		return il_fail(-EINVAL, "%s: drain_timeout is negative", function);
	return il__remote_check_heartbeat(function, o->heartbeat);
}

static int check_options(il_remote_worker_options *to, const il_remote_worker_options *from)
{
	int rc;

	if (!from)
		return il_fail(-EINVAL, "%s: options are NULL; servers are needed", function);
	*to = *from;
	rc = check_ranges(to);
	if (rc == 0)
		rc = il__remote_check_prefix(function, to->prefix);
	if (rc == 0)
		rc = check_names(to);
	if (rc < 0)
		return rc;
	if (!to->heartbeat)
		to->heartbeat = IL_SEC(5);
	if (!to->slots)
		to->slots = il_processor_count();
	return il__remote_check_servers(function, to->servers, to->server_count, to->layer,
					to->insecure);
}

/* ---- where the functions run ---- */

/* Processes that die with a call, after which there is a new pool; and those that start in vain, which break one. */
enum { DEATHS = 8, STARTS = 16 };

static int create_executor(struct il__remote_worker *w)
{
	const il_process_pool_options options = {
	    .max_workers = w->options.slots,
	    .kill_on_cancel = true,
	    .restart_budget = w->options.slots + DEATHS + STARTS,
	    .max_size = UINT32_MAX}; /* what counts is the caller's */

	return il_process_pool_create(&w->options.executor, &options);
}

/* What runs in the old one ends there. One that is broken has had more deaths; else the code is the function's own. */
void il__remote_judge_executor(struct il__remote_worker *w, int rc)
{
	il_executor *old = w->options.executor;
	il_executor_statistics s;

	if (!w->owns_executor || (rc != -EOWNERDEAD && rc != -ENOTRECOVERABLE))
		return;
	if (il_executor_get_statistics(old, &s) == 0 && s.worker_deaths >= DEATHS &&
	    create_executor(w) == 0)
		il_executor_unref(old);
}

/* ---- the drain ---- */

void il__remote_wake(struct il__remote_worker *w)
{
	il__remote_ring(w->changed);
}

/* A task outside of the shield: it learns that the caller is cancelled. */
static int await_end(void *arg)
{
	struct il__remote_worker *w = arg;
	int rc = il_sleep_forever();

	w->draining = true;
	il__remote_wake(w);
	return rc;
}

static bool is_draining(const struct il__remote_worker *w)
{
	return w->draining;
}

static bool have_replied(const struct il__remote_worker *w)
{
	for (size_t i = 0; i < w->server_count; i++)
		if (w->links[i].up && w->links[i].echoes > 0)
			return false;
	return true;
}

static bool have_ended(const struct il__remote_worker *w)
{
	return w->jobs == 0;
}

static int wait_until(struct il__remote_worker *w, bool (*done)(const struct il__remote_worker *w))
{
	int rc = 0;

	while (rc == 0 && !done(w))
		rc = il_semaphore_acquire(w->changed);
	return rc;
}

/* Until each server has read all that was sent to it. One that is lost has nothing to say. */
static int await_servers(struct il__remote_worker *w)
{
	for (size_t i = 0; i < w->server_count; i++)
		if (w->links[i].up)
			il__remote_send_echo(&w->links[i]); /* its reader notices a failure */
	return wait_until(w, have_replied);
}

/* What the servers have given before the last question's reply is taken, run, and answered. */
static int take_and_finish(struct il__remote_worker *w)
{
	int rc = wait_until(w, is_draining);

	if (rc == 0 && w->options.drain_timeout)
		rc = il_scope_set_deadline(il_group_scope(&w->jobs_group),
					   il_deadline(w->options.drain_timeout));
	if (rc == 0)
		rc = await_servers(w);
	return rc < 0 ? rc : wait_until(w, have_ended);
}

/* ---- all of it ---- */

static int run_jobs(struct il__remote_worker *w)
{
	int rc = il_group_open(&w->jobs_group);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < w->server_count && rc == 0; i++)
		rc =
		    il_group_start_soon(&w->links_group, NULL, il__remote_serve_link, &w->links[i]);
	if (rc == 0)
		rc = take_and_finish(w);
	rc = il_group_close(&w->jobs_group, rc);
	return rc < 0 ? rc : await_servers(w);
}

static int run_links(struct il__remote_worker *w)
{
	int rc = il_group_open(&w->links_group);

	if (rc < 0)
		return rc;
	il_scope_set_shield(il_group_scope(&w->links_group), true);
	rc = run_jobs(w);
	il_scope_cancel(il_group_scope(&w->links_group));
	return il_group_close(&w->links_group, rc);
}

static int serve(struct il__remote_worker *w)
{
	il_group outer;
	int rc = il_group_open(&outer);

	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&outer, NULL, await_end, w);
	if (rc == 0)
		rc = run_links(w);
	return il_group_close(&outer, rc);
}

static struct il__remote_worker *make_worker(const il_remote_worker_options *options)
{
	size_t links = options->server_count * sizeof(struct il__remote_link);
	struct il__remote_worker *w = calloc(1, sizeof *w + links);

	if (!w)
		return NULL;
	w->options = *options;
	w->owns_executor = !options->executor;
	w->queue_end = &w->queue;
	w->server_count = options->server_count;
	for (size_t i = 0; i < w->server_count; i++) {
		w->links[i] = (struct il__remote_link){.worker = w, .server = options->servers[i]};
		il__remote_list_init(&w->links[i].waiting);
		il__remote_list_init(&w->links[i].begun);
	}
	return w;
}

static int serve_in(struct il__remote_worker *w)
{
	int rc = il_semaphore_create(&w->changed, 0, 1);

	for (size_t i = 0; rc == 0 && i < w->server_count; i++)
		rc = il_semaphore_create(&w->links[i].news, 0, 1);
	if (rc == 0)
		rc = serve(w);
	for (size_t i = 0; i < w->server_count; i++) {
		il__remote_drop_jobs(&w->links[i]);
		il_semaphore_destroy(w->links[i].news);
	}
	il_semaphore_destroy(w->changed);
	return rc;
}

int il_remote_worker_serve(const il_remote_worker_options *options)
{
	il_remote_worker_options checked;
	struct il__remote_worker *w;
	int rc = check_options(&checked, options);

	if (rc < 0)
		return rc;
	w = make_worker(&checked);
	if (!w)
		return il_fail(-ENOMEM, "%s: out of memory", function);
	if (w->owns_executor)
		rc = create_executor(w);
	if (rc == 0)
		rc = serve_in(w);
	if (w->owns_executor)
		il_executor_destroy(w->options.executor);
	free(w);
	return rc;
}
