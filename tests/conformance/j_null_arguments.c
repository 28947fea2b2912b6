/*
 * j_null_arguments.c: NULL is -EINVAL where a code can be returned; where none can, it is nothing. The same for numbers
 * that make the size of an array wrap round.
 */
#include "harness.h"

static int fn(void *arg)
{
	(void)arg;
	return 0;
}

static int callback(il_future *f, void *arg)
{
	(void)f;
	(void)arg;
	return 0;
}

static char memory[256];

#define REFUSED(call) CHECK_RC(call, -EINVAL)

IL_TEST_CORE(J, null_is_refused_by_bytes)
{
	il_bytes bytes = {.in = ""};

	REFUSED(il_bytes_append(NULL, memory, 1));
	REFUSED(il_bytes_append(&bytes, NULL, 1));
	CHECK_RC(il_bytes_append(&bytes, NULL, 0), 0);
	CHECK(!il_bytes_resize(NULL, 1));
	CHECK_RC(il_bytes_append(&bytes, memory, SIZE_MAX), -ENOMEM);
	CHECK_RC(il_bytes_append(&bytes, memory, 2), 0);
	CHECK_RC(il_bytes_append(&bytes, memory, SIZE_MAX - 1), -ENOMEM);
	CHECK(!il_bytes_resize(&bytes, SIZE_MAX) && bytes.out_size == 2);
	il_bytes_free(&bytes);
	il_bytes_free(NULL);
}

IL_TEST(J, null_is_refused_where_objects_are_made)
{
	il_event *event = NULL;
	il_future *f = NULL;

	REFUSED(il_event_create(NULL));
	REFUSED(il_loop_create_event(NULL, &event));
	REFUSED(il_loop_create_event(il_loop_current(), NULL));
	REFUSED(il_lock_create(NULL));
	REFUSED(il_lock_create_with(NULL, 0));
	REFUSED(il_condition_create(NULL, NULL));
	REFUSED(il_semaphore_create(NULL, 1, 1));
	REFUSED(il_limiter_create(NULL, 1));
	REFUSED(il_channel_create(NULL, NULL, 1, 1));
	REFUSED(il_future_create(NULL));
	REFUSED(il_shared_create(NULL, 1));
	REFUSED(il_thread_pool_create(NULL, NULL));
	REFUSED(il_process_pool_create(NULL, NULL));
	REFUSED(il_executor_create(NULL, NULL, NULL));
	REFUSED(il_loop_create_threads_portal(NULL, NULL));
	REFUSED(il_loop_create_threads_portal(il_loop_current(), NULL));
	REFUSED(il_blocking_portal_start(NULL, il_test_backend(), NULL));
	REFUSED(il_portal_provider_create(NULL, il_test_backend(), NULL));
	REFUSED(il_loop_open(NULL, il_test_backend(), NULL));
	REFUSED(il_stream_pair(NULL, NULL));
	REFUSED(il_stream_open_fd(NULL, 0));
	REFUSED(il_stream_connect_tcp(NULL, "localhost", "1", NULL));
	REFUSED(il_stream_connect_unix(NULL, "nowhere"));
	REFUSED(il_listener_open_tcp(NULL, NULL, "0", NULL));
	REFUSED(il_listener_open_unix(NULL, "nowhere", NULL));
	REFUSED(il_signal_receiver_open(NULL, NULL, 1));
	REFUSED(il_process_spawn(NULL, NULL, NULL));
	REFUSED(il_loop_spawn(NULL, &f, fn, NULL));
	REFUSED(il_loop_spawn(il_loop_current(), &f, NULL, NULL));
	REFUSED(il_as_completed_open(NULL, &f, 0, 0));
	CHECK(!event && !f);
}

IL_TEST(J, null_is_refused_by_what_waits)
{
	il_packet packet;

	REFUSED(il_event_wait(NULL));
	REFUSED(il_lock_acquire(NULL));
	REFUSED(il_condition_wait(NULL));
	REFUSED(il_condition_wait_for(NULL, fn, NULL));
	REFUSED(il_semaphore_acquire(NULL));
	REFUSED(il_limiter_acquire(NULL));
	REFUSED(il_channel_send(NULL, memory));
	REFUSED(il_channel_receive(NULL, memory));
	REFUSED(il_future_wait(NULL, 0));
	REFUSED(il_future_result(NULL, 0));
	REFUSED(il_future_join(NULL));
	REFUSED(il_future_on_done(NULL, callback, NULL));
	REFUSED(il_futures_wait(NULL, 1, IL_ALL_COMPLETED, 0));
	REFUSED(il_as_completed_next(NULL, NULL));
	REFUSED(il_executor_run(NULL, fn, NULL, 0));
	REFUSED(il_executor_submit(NULL, NULL, fn, NULL, 0));
	REFUSED(il_executor_map(NULL, fn, memory, 1, 1, NULL, IL_FOREVER));
	REFUSED(il_executor_shutdown(NULL, 0));
	REFUSED(il_run_in_thread(NULL, NULL));
	REFUSED(il_loop_run_in_thread(NULL, fn, NULL));
	REFUSED(il_portal_run_sync(NULL, fn, NULL));
	REFUSED(il_portal_run_coroutine(NULL, fn, NULL));
	REFUSED(il_portal_run_sync_soon(NULL, NULL, fn, NULL));
	REFUSED(il_portal_start_task(NULL, NULL, NULL, fn, NULL));
	REFUSED(il_portal_enter(NULL, NULL, fn, NULL));
	REFUSED(il_portal_exit(NULL, 0));
	REFUSED(il_portal_sleep_until_stopped(NULL));
	REFUSED(il_group_open(NULL));
	REFUSED(il_group_start_soon(NULL, NULL, fn, NULL));
	REFUSED(il_group_close(NULL, 0));
	REFUSED(il_scope_enter(NULL, IL_FOREVER, 0));
	REFUSED(il_fail_after(1, NULL, NULL));
	REFUSED(il_stream_read(NULL, memory, 1));
	REFUSED(il_stream_write_all(NULL, memory, 1));
	REFUSED(il_listener_accept(NULL, NULL));
	REFUSED(il_client_receive(NULL, &packet, 0));
	REFUSED(il_client_send(NULL, memory, 1));
	REFUSED(il_server_serve(NULL));
	REFUSED(il_process_wait(NULL));
	REFUSED(il_signal_receiver_next(NULL, 0));
}

/* What returns nothing that could be an error. */
IL_TEST(J, null_is_nothing_where_nothing_is_returned)
{
	il_call_run(NULL);
	il_call_fail(NULL, -EIO);
	CHECK(!il_call_link(NULL));
	CHECK_EQ(il_call_deadline(NULL), IL_FOREVER);
	il_executor_unref(NULL);
	il_executor_destroy(NULL);
	il_future_unref(NULL);
	il_portal_unref(NULL);
	il_event_destroy(NULL);
	il_lock_destroy(NULL);
	il_condition_destroy(NULL);
	il_semaphore_destroy(NULL);
	il_limiter_destroy(NULL);
	il_sender_destroy(NULL);
	il_receiver_destroy(NULL);
	il_stream_destroy(NULL);
	il_listener_destroy(NULL);
	il_server_destroy(NULL);
	il_client_unref(NULL);
	il_process_destroy(NULL);
	il_process_result_clear(NULL);
	il_shared_destroy(NULL);
	il_signal_receiver_destroy(NULL);
	il_as_completed_close(NULL);
	il_loop_destroy(NULL);
	il_portal_provider_destroy(NULL);
	CHECK(!il_future_cancel(NULL) && !il_driver_needs_timer(NULL));
}

IL_TEST(J, an_array_that_no_memory_holds_is_refused)
{
	const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 3, SIZE_MAX / 8 + 1,
				 PTRDIFF_MAX / sizeof(int) + 1};
	int result = 7;
	il_executor *pool;

	CHECK_RC(il_thread_pool_create(&pool, NULL), 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		REFUSED(il_gather(fn, memory, counts[i], 1, &result));
		REFUSED(il_gather(fn, memory, counts[i], 0, NULL));
		REFUSED(il_executor_map(pool, fn, memory, counts[i], 1, &result, IL_FOREVER));
		REFUSED(il_executor_map(pool, fn, memory, counts[i], 0, NULL, 0));
	}
	REFUSED(il_gather(fn, memory, 2, SIZE_MAX, &result));
	CHECK_EQ(result, 7); /* a refused call has written nothing */
	il_executor_destroy(pool);
}
