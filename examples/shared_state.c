/*
 * shared_state.c: what tasks share, and what each has for itself: a limiter, a condition, values that belong to a
 * request, memory that a worker process sees, too. And a time limit, a task's options, a log of the program's own.
 */
#include "example.h"

#include <stdio.h>
#include <string.h>

/* ---- how many do it at once ---- */

/* [limiter] */
struct database {
	il_limiter *connections;
	int under_way, most;
};

static int query(void *arg)
{
	struct database *d = arg;
	int rc = il_limiter_acquire(d->connections); /* in the order of asking */
	if (rc < 0)
		return rc;
	d->under_way++; /* no lock: no other task runs between two calls that wait */
	if (d->most < d->under_way)
		d->most = d->under_way;
	rc = il_sleep(IL_MSEC(5)); /* in place of a query */
	d->under_way--;
	il_limiter_release(d->connections);
	return rc;
}

static int query_often(void)
{
	struct database d = {.most = 0};
	int rc = il_limiter_create(&d.connections, 2);
	if (rc < 0)
		return rc;
	il_group group;
	rc = il_group_open(&group);
	if (rc == 0) {
		for (int i = 0; i < 5 && rc == 0; i++)
			rc = il_group_start_soon(&group, NULL, query, &d);
		rc = il_group_close(&group, rc);
	}
	printf("5 queries, at most %d at once\n", d.most);
	il_limiter_destroy(d.connections);
	return rc;
}
/* [limiter] */

/* ---- until something is so ---- */

/* [condition] */
struct store {
	il_condition *changed;
	int items;
};

static int has_three(void *arg) /* with the lock held: at once, and after each notification */
{
	return ((struct store *)arg)->items >= 3;
}

static int take_three(void *arg)
{
	struct store *s = arg;
	int rc = il_condition_acquire(s->changed);
	if (rc < 0)
		return rc;
	rc = il_condition_wait_for(s->changed, has_three, s); /* others have the lock meanwhile */
	if (rc > 0) {
		s->items -= 3;
		printf("took three\n");
	}
	il_condition_release(s->changed);
	return rc;
}

static int put(struct store *s)
{
	int rc = il_condition_acquire(s->changed);
	if (rc < 0)
		return rc;
	s->items++;
	rc = il_condition_notify_all(s->changed);
	il_condition_release(s->changed);
	return rc;
}
/* [condition] */

static int fill_store(void)
{
	struct store s = {.items = 0};
	int rc = il_condition_create(&s.changed, NULL);
	if (rc < 0)
		return rc;
	il_group group;
	rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, take_three, &s);
		for (int i = 0; i < 4 && rc >= 0; i++)
			rc = put(&s);
		rc = il_group_close(&group, rc);
	}
	printf("left: %d\n", s.items);
	il_condition_destroy(s.changed);
	return rc;
}

/* ---- values of a request ---- */

/* [local] */
static il_local request = {.name = "request"}; /* its address is the key */

static void say(const char *what) /* in any task, or thread, of a request */
{
	const char *id = il_local_get(&request);
	printf("%s: %s\n", id ? id : "no request", what);
}

static int work(void *arg)
{
	(void)arg;
	say("in a worker thread");
	return 0;
}

static int serve_request(void *id)
{
	int rc = il_local_set(&request, id); /* not copied: it must outlive the request */
	if (rc < 0)
		return rc;
	say("in its task");
	return il_run_in_thread(work, NULL); /* which inherits it, as a child task would */
}
/* [local] */

static int serve_requests(void)
{
	static char first[] = "request 1", second[] = "request 2";
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, serve_request, first);
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, serve_request, second);
	rc = il_group_close(&group, rc);
	say("after them");
	return rc;
}

/* ---- memory that a worker process sees, too ---- */

/* [shared] */
enum { PIXELS = 1 << 16 };

static int brighten(void *arg) /* in a worker process: args[0] to args[1] */
{
	il_shared *part = arg;
	unsigned char *pixels = part->data;
	for (uint64_t i = part->args[0]; i < part->args[1]; i++)
		pixels[i]++;
	part->args[2] = part->args[1] - part->args[0]; /* comes back */
	return 0;
}

static int brighten_in(il_executor *pool)
{
	il_shared picture;
	int rc = il_shared_create(&picture, PIXELS); /* zero at first */
	if (rc < 0)
		return rc;
	il_shared parts[] = {picture, picture}; /* the same memory */
	parts[0].args[1] = parts[1].args[0] = PIXELS / 2;
	parts[1].args[1] = PIXELS;
	rc = il_executor_map(pool, brighten, parts, 2, IL_SHARED, NULL, IL_FOREVER);
	if (rc == 0)
		printf("the last of %d pixels: %d\n", (int)(parts[0].args[2] + parts[1].args[2]),
		       ((unsigned char *)picture.data)[PIXELS - 1]);
	il_shared_destroy(&picture);
	return rc;
}
/* [shared] */

static int share_memory(void)
{
	il_executor *pool;
	int rc = il_process_pool_create(&pool, &(il_process_pool_options){.max_workers = 2});
	if (rc < 0)
		return rc;
	rc = brighten_in(pool);
	il_executor_destroy(pool);
	return rc;
}

/* ---- a time limit ---- */

/* [deadline] */
static int fetch(il_time limit)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(limit), IL_FAIL_AT_DEADLINE);
	if (rc < 0)
		return rc;
	rc = il_sleep(IL_MSEC(1)); /* in place of a connect */
	if (rc == 0)
		rc = il_sleep(IL_SEC(60)); /* in place of a receive */
	return il_scope_exit(&scope, rc);  /* -ETIMEDOUT: the time was up */
}
/* [deadline] */

/* ---- a task's options ---- */

/* [options] */
static int parse(void *arg)
{
	char table[256 * 1024]; /* does not fit into the usual 64 KiB */
	(void)arg;
	memset(table, 1, sizeof(table));
	printf("%s has a table of %zu KiB\n", il_task_name(), sizeof(table) / 1024);
	return table[1] == 1 ? 0 : -EIO;
}

static int parse_apart(void)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon_with(
	    &group, NULL, parse, NULL,
	    &(il_task_options){.name = "the parser", .stack_size = 1024 * 1024});
	return il_group_close(&group, rc);
}
/* [options] */

/* ---- the log ---- */

/* [log] */
static void write_log(int level, const char *message, void *file) /* in any thread */
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	if (level <= IL_LOG_WARNING) /* INFO: clients come and go, or are too slow */
		fprintf(file, "log, %s: %s\n", names[level], message);
}
/* [log] */

static int refresh(void *arg)
{
	(void)arg;
	return -EIO;
}

/* Nobody waits for this task, so its failure is logged. */
static int fail_unheard(void)
{
	int rc = il_loop_spawn_with(il_loop_current(), NULL, refresh, NULL,
				    &(il_task_options){.name = "refresh"});
	return rc < 0 ? rc : il_sleep(IL_MSEC(1));
}

static int run(void *arg)
{
	static int (*const parts[])(void) = {query_often,  fill_store,  serve_requests,
					     share_memory, parse_apart, fail_unheard};
	int rc = 0;
	(void)arg;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && rc >= 0; i++)
		rc = parts[i]();
	if (rc < 0)
		return rc;
	printf("the answer: %s\n", il_error_name(fetch(IL_MSEC(20))));
	return 0;
}

int main(int argc, char **argv)
{
	il_set_log(write_log, stdout);
	return example_main(argc, argv, run, NULL);
}
