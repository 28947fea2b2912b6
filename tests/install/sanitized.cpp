/*
 * sanitized.cpp: a program built with a sanitizer, with the library as it is installed. It throws in tasks, waits
 * while it handles what it caught, and hands plain memory from thread to thread through the library. run.sh
 * builds it with each sanitizer; none has anything to say.
 */
#include <interloop.h>
#include CONSUMER_HEADER

#include <pthread.h>
#include <stdexcept>
#include <stdio.h>
#include <string>

namespace
{

int thrown(int depth)
{
	char frame[256];

	snprintf(frame, sizeof frame, "depth %d", depth);
	if (depth == 0)
		throw std::runtime_error(frame);
	return thrown(depth - 1) + frame[0];
}

/* ASan forgets a stack's frames when an exception leaves them: it must know which stack. */
int throw_and_catch(void *arg)
{
	for (int i = 0; i < 10; i++) {
		try {
			thrown(20);
			return -EPROTO;
		} catch (const std::exception &e) {
			const std::string before = e.what();
			il_yield();
			if (before != e.what())
				return -EPROTO;
		}
	}
	return arg ? 0 : -EINVAL;
}

/* Plain memory that one thread writes and another reads, one after the other. */
struct baton {
	int steps;
	il_portal *portal;
	il_executor *pool;
};

int step(void *arg)
{
	return ++static_cast<baton *>(arg)->steps;
}

int step_back_in_the_loop(void *arg)
{
	int rc = il_from_thread_run_sync(step, arg);

	return rc < 0 ? rc : il_from_thread_run(step, arg);
}

void *step_through_the_portal(void *arg)
{
	baton *b = static_cast<baton *>(arg);
	il_future *f;

	il_portal_run_sync(b->portal, step, b);
	il_portal_run_coroutine(b->portal, step, b);
	if (il_portal_run_sync_soon(b->portal, &f, step, b) == 0)
		il_future_join(f);
	if (il_executor_submit(b->pool, &f, step, b, sizeof *b) == 0)
		il_future_join(f);
	if (il_portal_run_sync_soon(b->portal, nullptr, step, b) < 0)
		b->steps = -1;
	il_portal_stop(b->portal, false);
	return nullptr;
}

int main_task(void *arg)
{
	baton *b = static_cast<baton *>(arg);
	il_group group;
	pthread_t thread;
	il_future *f;
	int rc;

	rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 5 && rc == 0; i++)
		rc = il_group_start_soon(&group, nullptr, throw_and_catch, arg);
	rc = il_group_close(&group, rc);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 100; i++) {
		il_run_in_thread(step, b);
		il_run_in_thread(step_back_in_the_loop, b);
		step(b);
		il_executor_run(b->pool, step, b, sizeof *b);
		if (il_executor_submit(b->pool, &f, step, b, sizeof *b) == 0)
			il_future_join(f);
	}
	rc = il_loop_create_threads_portal(il_loop_current(), &b->portal);
	if (rc < 0)
		return rc;
	if (pthread_create(&thread, nullptr, step_through_the_portal, b) != 0)
		return -EAGAIN;
	il_portal_sleep_until_stopped(b->portal);
	il_portal_close(b->portal);
	pthread_join(thread, nullptr);
	return b->steps == 605 ? 0 : -EPROTO;
}

} // namespace

int main()
{
	il_thread_pool_options options = {};
	baton b = {};
	int rc;

	options.max_workers = 2;
	if (il_thread_pool_create(&b.pool, &options) < 0)
		return 1;
	rc = il_run(CONSUMER_ACCESSOR(), main_task, &b);
	il_executor_destroy(b.pool);
	if (rc < 0)
		fprintf(stderr, "%s after %d steps: %s\n", il_error_name(rc), b.steps,
			il_error_detail());
	return rc < 0;
}
