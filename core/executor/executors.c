/*
 * executors.c: every executor of the process, for il_dump, and what each has done. Any thread, under one lock, which comes before those of the
 * pools.
 */
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/load.h"
#include "../base/report.h"
#include "../runtime/loops.h"
#include "executor.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct il__list executors = {&executors, &executors};

void il__executors_add(il_executor *ex)
{
	pthread_mutex_lock(&lock);
	il__list_push(&executors, &ex->link);
	pthread_mutex_unlock(&lock);
}

void il__executors_remove(il_executor *ex)
{
	pthread_mutex_lock(&lock);
	il__list_remove(&ex->link);
	pthread_mutex_unlock(&lock);
}

size_t il__calls_left(const struct il__call_counts *counts)
{
	return (size_t)(counts->submitted - counts->completed - counts->failed - counts->cancelled);
}

void il__call_counts_tell(const struct il__call_counts *counts, il_executor_statistics *s)
{
	s->submitted = counts->submitted;
	s->completed = counts->completed;
	s->failed = counts->failed;
	s->cancelled = counts->cancelled;
	s->worker_deaths = counts->deaths;
	s->longest_wait = il__ticks_time(counts->longest_wait);
	s->running = il__calls_left(counts) - s->queued;
}

int il_executor_get_statistics(il_executor *ex, il_executor_statistics *statistics)
{
	if (!ex || !statistics)
		return il__refuse(-EINVAL, "il_executor_get_statistics: %s is NULL",
				  ex ? "statistics" : "the executor");
	if (il__inherited(ex->generation))
		return il__refuse(
		    -ESHUTDOWN,
		    "il_executor_get_statistics: the executor was inherited across fork");
	*statistics = (il_executor_statistics){.workers = 0};
	ex->ops->statistics(ex->self, statistics);
	return 0;
}

static void tell_counts(struct il__report *r, const il_executor_statistics *s)
{
	il__report(r, "%zu calls running, %zu queued; %llu submitted, ", s->running, s->queued,
		   (unsigned long long)s->submitted);
	il__report(r, "%llu completed, %llu failed, %llu cancelled",
		   (unsigned long long)s->completed, (unsigned long long)s->failed,
		   (unsigned long long)s->cancelled);
}

static void tell_executor(struct il__report *r, il_executor *ex)
{
	const char *name = ex->ops->name ? ex->ops->name(ex->self) : "";
	il_executor_statistics s;

	if (il_executor_get_statistics(ex, &s) < 0)
		return;
	il__report(r, "executor %s%s(%s): ", name, name[0] ? " " : "", ex->ops->runs_in);
	if (!ex->ops->name)
		il__report(r, "%zu workers, %zu idle; ", s.workers, s.idle);
	tell_counts(r, &s);
	il__report_line_end(r);
	if (ex->ops->tell)
		ex->ops->tell(ex->self, r);
}

/* A pool that is just being made has not told its executor yet, but that is not needed here. */
static void tell_executors(struct il__report *r)
{
	pthread_mutex_lock(&lock);
	il__list_each (node, &executors)
		tell_executor(r, il__container_of(node, il_executor, link));
	pthread_mutex_unlock(&lock);
}

static struct il__report_part part = {.tell = tell_executors};

/* In a forked child: they stayed with the parent. */
static void executors_forget(void)
{
	il__list_init(&executors);
}

IL__AT_FORK(&lock, executors_forget);

static void executors_begin(void)
{
	il__report_add_part(&part);
}
IL__AT_LOAD(executors_begin, IL__LOADED);
