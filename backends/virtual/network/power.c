/*
 * power.c: starting hosts, cutting their power, starting them again. Loop's thread only.
 */
#include "power.h"
#include "../../../core/base/error.h"
#include "../../../core/base/report.h"
#include "../../../core/runtime/future.h"
#include "../../../core/runtime/task.h"
#include "../../../core/sync/queue.h"
#include "ends.h"
#include "tcp.h"
#include "tcp_rest.h"

#include <string.h>
#include <strings.h>

enum { HOSTS_MOST = 0xffff };

/* Of one that can crash: it was started. */
static int host_find_started(const struct il_virtual_network *n, const char *name,
			     struct il__sim_host **host, const char *function)
{
	int rc = il__sim_find(n, name, host, function);

	if (rc == 0 && !(*host)->main)
		return il__refuse(-EINVAL,
				  "%s: \"\" is where tasks are that are no host's: it was not "
				  "started and cannot crash",
				  function);
	return rc;
}

/* ---- starting one ---- */

static void host_on_left(struct il__host *tasks)
{
	struct il__sim_host *host = il__container_of(tasks, struct il__sim_host, tasks);

	if (host->down)
		il__extensions_cut(&tasks->scope);
	il__queue_wake_all(&host->joiners, 0);
}

static int host_boot(struct il__sim_host *host, const char *function)
{
	il_future *result = NULL;
	const il_task_options with = {.name = "main"};
	const struct il__task_setup setup = {
	    .scope = &host->tasks.scope, .ended = il__host_task_left, .heard = true, .with = &with};
	int rc = il__future_task(host->network->loop, &result, host->main, host->arg, &setup);

	if (rc < 0)
		return il__refuse(rc, "%s: host %s: %s", function, host->name, il_strerror(rc));
	il__host_joined(&host->tasks.scope);
	il_future_unref(host->result);
	host->result = result;
	host->down = false;
	il__sim_trace(host->network, "%s starts", host->name);
	return 0;
}

static int host_check_name(const struct il_virtual_network *n, const char *name,
			   const char *function)
{
	if (!name || !*name || strlen(name) > IL__SIM_NAME ||
	    strcspn(name, " \t\r\n:>") < strlen(name) || name[strlen(name) - 1] == '.')
		return il__refuse(-EINVAL,
				  "%s: a host needs a name of 1 to %d characters without blanks, "
				  "\":\", \">\" and a final dot",
				  function, IL__SIM_NAME);
	if (strcasecmp(name, "localhost") == 0)
		return il__refuse(-EINVAL, "%s: localhost is what every host calls itself",
				  function);
	if (il__sim_named(n, name))
		return il__refuse(-EALREADY,
				  "%s: a host called %s was started already; after a crash "
				  "il_virtual_host_restart starts it again",
				  function, name);
	return n->count < HOSTS_MOST ? 0
				     : il__refuse(-ENOBUFS, "%s: a network has at most %d hosts",
						  function, HOSTS_MOST);
}

int il_virtual_host_start(il_virtual_network *n, const char *name, il_fn *main, void *arg)
{
	static const char function[] = "il_virtual_host_start";
	struct il__sim_host *host;
	int rc = il__sim_check(n, function);

	if (rc == 0)
		rc = host_check_name(n, name, function);
	if (rc < 0)
		return rc;
	if (!main)
		return il__refuse(-EINVAL, "%s: main is NULL", function);
	if (il__sim_host_add(n, name, &host) < 0)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	host->main = main;
	host->arg = arg;
	host->tasks.name = host->name;
	host->tasks.left = host_on_left;
	il__scope_init_root(&host->tasks.scope, n->loop, &n->loop->scope);
	host->tasks.scope.of_host = true;
	rc = host_boot(host, function);
	if (rc < 0) { /* nobody has met it */
		n->count--;
		il__sim_host_free(host);
	}
	return rc;
}

/* ---- power cuts ---- */

/* Two hosts that crash each other would wait for one another: whose own host goes down does not wait on. */
static void stop_joining(const struct il__sim_host *host)
{
	const struct il_virtual_network *n = host->network;

	for (size_t i = 1; i < n->count; i++)
		il__list_each_safe (node, &n->hosts[i]->joiners) {
			il_task *task = il__container_of(node, il_task, waiter.link);
			if (il__host_of(task->scope) != &host->tasks)
				continue;
			il__list_remove(node);
			il__task_wake(task, -ECANCELED);
		}
}

void il__sim_host_cut(struct il__sim_host *host)
{
	host->down = true;
	if (host->main) { /* first, so that only who is shielded sees the ends below */
		il__scope_cancel(&host->tasks.scope, "its host has crashed");
		il__extensions_cut(&host->tasks.scope);
	}
	while (!il__list_empty(&host->connections))
		il__sim_tcp_cut(il__container_of(host->connections.next, struct il__sim_tcp, link));
	while (!il__list_empty(&host->ends))
		il__sim_end_cut(il__container_of(host->ends.next, struct il__sim_end, link));
	stop_joining(host);
}

struct host_join {
	struct il__wait wait;
	const struct il__sim_host *host;
};

static void join_tell(struct il__report *r, const il_task *task)
{
	const struct host_join *join =
	    il__container_of(task->base->wait, const struct host_join, wait);

	il__report(r, "the tasks of host %s", join->host->name);
}

int il__sim_host_join(struct il__sim_host *host)
{
	struct il_virtual_network *n = host->network;
	int rc;
	il_task *task = n->loop->current;
	const struct host_join join = {{"il_virtual_host_crash", join_tell}, host};

	if (host->tasks.roots == 0)
		return 0;
	if (il__sim_here(n)->down)
		return il__task_cancelled(task) ? -ECANCELED : 0;
	n->joining++;
	il__list_push(&host->joiners, &task->waiter.link);
	rc = il__task_park(task, NULL, NULL, &join.wait);
	n->joining--;
	return rc;
}

static void host_crash(struct il__sim_host *host)
{
	if (!host->down)
		il__sim_trace(host->network, "%s crashes", host->name);
	il__sim_host_cut(host);
	il__sim_changed(host->network);
}

int il_virtual_host_crash(il_virtual_network *n, const char *name)
{
	static const char function[] = "il_virtual_host_crash";
	struct il__sim_host *host;
	int rc = host_find_started(n, name, &host, function);

	if (rc < 0 || (host->down && host->tasks.roots == 0) || !il__task_current(function, &rc))
		return rc;
	host_crash(host);
	return il__sim_host_join(
	    host); /* its own task, whose host is down, cannot wait for its end */
}

int il_virtual_host_restart(il_virtual_network *n, const char *name)
{
	static const char function[] = "il_virtual_host_restart";
	struct il__sim_host *host;
	int rc = host_find_started(n, name, &host, function);

	if (rc < 0 || !il__task_current(function, &rc))
		return rc;
	if (il__sim_here(n) == host)
		return il__refuse(-EDEADLK,
				  "%s: called by a task of host %s, whose end it waits for",
				  function, name);
	host_crash(host);
	rc = il__sim_host_join(host);
	if (rc < 0)
		return rc;
	if (!host->down || host->tasks.roots || n->closing) /* somebody else was faster */
		return il__refuse(-EALREADY, "%s: host %s was started by another task meanwhile",
				  function, name);
	il__scope_restore(&host->tasks.scope);
	rc = host_boot(host, function);
	il__sim_changed(n);
	return rc;
}

int il_virtual_host_wait(il_virtual_network *n, const char *name, il_time timeout)
{
	static const char function[] = "il_virtual_host_wait";
	struct il__sim_host *host;
	il_future *result;
	int rc = host_find_started(n, name, &host, function);

	if (rc < 0)
		return rc;
	if (il__sim_here(n) == host)
		return il__refuse(-EDEADLK, "%s: called by a task of host %s itself", function,
				  name);
	result = il_future_ref(host->result);
	rc = il__future_result(result, timeout, function);
	il_future_unref(result);
	return rc;
}
