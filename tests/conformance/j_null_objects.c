/*
 * j_null_objects.c: no object is -EINVAL for whatever returns a code, and nothing for whatever returns a value.
 */
#include "harness.h"

#include <signal.h>
#include <sys/uio.h>

static int fn(void *arg)
{
	(void)arg;
	return 0;
}

static char memory[256];
static int number;

#define REFUSED(call) CHECK_RC(call, -EINVAL)

IL_TEST(J, primitives_refuse_to_be_null)
{
	const void *borrowers[1];

	REFUSED(il_event_set(NULL));
	REFUSED(il_lock_acquire_nowait(NULL));
	REFUSED(il_lock_release(NULL));
	REFUSED(il_condition_acquire(NULL));
	REFUSED(il_condition_acquire_nowait(NULL));
	REFUSED(il_condition_release(NULL));
	REFUSED(il_condition_notify(NULL, 1));
	REFUSED(il_condition_notify_all(NULL));
	REFUSED(il_semaphore_create_with(NULL, 1, 1, 0));
	REFUSED(il_semaphore_acquire_nowait(NULL));
	REFUSED(il_semaphore_release(NULL));
	REFUSED(il_limiter_acquire_nowait(NULL));
	REFUSED(il_limiter_acquire_on_behalf_of(NULL, memory));
	REFUSED(il_limiter_acquire_on_behalf_of_nowait(NULL, memory));
	REFUSED(il_limiter_release(NULL));
	REFUSED(il_limiter_release_on_behalf_of(NULL, memory));
	REFUSED(il_limiter_set_total(NULL, 1));
	REFUSED(il_sender_clone(NULL, NULL));
	REFUSED(il_receiver_clone(NULL, NULL));
	REFUSED(il_sender_close(NULL));
	REFUSED(il_receiver_close(NULL));
	REFUSED(il_channel_send_nowait(NULL, memory));
	REFUSED(il_channel_receive_nowait(NULL, memory));
	REFUSED(il_select(NULL, 1, 0));

	CHECK(!il_event_is_set(NULL) && !il_lock_locked(NULL) && !il_lock_held(NULL));
	CHECK(!il_lock_owner(NULL) && !il_condition_lock(NULL));
	CHECK_EQ(il_semaphore_value(NULL), 0);
	CHECK_EQ(il_limiter_total(NULL), 0);
	CHECK_EQ(il_limiter_borrowed(NULL), 0);
	CHECK_EQ(il_limiter_available(NULL), 0);
	CHECK_EQ(il_limiter_borrowers(NULL, borrowers, 1), 0);
	CHECK_EQ(il_lock_get_statistics(NULL).waiting, 0);
	CHECK_EQ(il_condition_get_statistics(NULL).waiting, 0);
	CHECK_EQ(il_semaphore_get_statistics(NULL).waiting, 0);
	CHECK_EQ(il_limiter_get_statistics(NULL).waiting, 0);
	CHECK_EQ(il_sender_get_statistics(NULL).buffered, 0);
	CHECK_EQ(il_receiver_get_statistics(NULL).buffered, 0);
}

IL_TEST(J, tasks_and_futures_refuse_to_be_null)
{
	REFUSED(il_future_set_running(NULL));
	REFUSED(il_future_set_result(NULL, 1));
	REFUSED(il_scope_exit(NULL, 0));
	REFUSED(il_scope_cancel(NULL));
	REFUSED(il_scope_cancel_because(NULL, "no reason"));
	REFUSED(il_scope_set_deadline(NULL, 0));
	REFUSED(il_scope_set_shield(NULL, true));
	REFUSED(il_move_on_after(1, NULL, NULL));
	REFUSED(il_group_start(NULL, &number, fn, NULL));
	REFUSED(il_group_start_soon_with(NULL, NULL, fn, NULL, NULL));
	REFUSED(il_loop_spawn_with(NULL, NULL, fn, NULL, NULL));
	REFUSED(il_loop_sleep(NULL, 1));
	REFUSED(il_local_set(NULL, memory));
	REFUSED(il_run_in_thread_with(NULL, NULL, NULL));
	REFUSED(il_exit_stack_open(NULL));
	REFUSED(il_exit_stack_push(NULL, fn, NULL));
	REFUSED(il_exit_stack_executor(NULL, NULL));
	REFUSED(il_exit_stack_portal(NULL, NULL));
	REFUSED(il_exit_stack_group(NULL, NULL));
	REFUSED(il_exit_stack_close(NULL, 0));
	REFUSED(il_function_register(NULL, fn));
	REFUSED(il_function_register("j_null", NULL));

	CHECK(!il_future_ref(NULL) && !il_future_done(NULL) && !il_future_running(NULL));
	CHECK(!il_future_cancelled(NULL) && !il_scope_cancelled(NULL) && !il_scope_caught(NULL));
	CHECK(!il_scope_expired(NULL) && !il_group_scope(NULL) && !il_local_get(NULL));
	CHECK(!il_function_find(NULL) && !il_function_name(NULL));
	CHECK_EQ(il_as_completed_pending(NULL), 0);
	CHECK_EQ(il_group_errors(NULL, &number, 1), 0);
}

IL_TEST(J, loops_executors_and_portals_refuse_to_be_null)
{
	il_loop_statistics of_loop;
	il_executor_statistics of_executor;

	REFUSED(il_run(il_test_backend(), NULL, NULL));
	REFUSED(il_loop_run(NULL, fn, NULL));
	REFUSED(il_loop_close(NULL));
	REFUSED(il_loop_shutdown(NULL, NULL, NULL));
	REFUSED(il_loop_detach(NULL));
	REFUSED(il_loop_attach(NULL, il_test_backend(), memory, NULL));
	REFUSED(il_backend_register(NULL));
	REFUSED(il_loop_get_statistics(NULL, &of_loop));
	REFUSED(il_loop_get_statistics(il_loop_current(), NULL));
	REFUSED(il_executor_get_statistics(NULL, &of_executor));
	REFUSED(il_loop_dump(NULL, 1));
	REFUSED(il_from_thread_run(NULL, NULL));
	REFUSED(il_from_thread_run_sync(NULL, NULL));
	REFUSED(il_portal_stop(NULL, false));
	REFUSED(il_portal_close(NULL));
	REFUSED(il_portal_run_coroutine_soon(NULL, NULL, fn, NULL));
	REFUSED(il_blocking_portal_stop(NULL));
	REFUSED(il_portal_provider_acquire(NULL, NULL));
	REFUSED(il_portal_provider_release(NULL));

	CHECK(!il_loop_backend(NULL) && !il_loop_native(NULL) && !il_backend_name(NULL));
	CHECK(!il_executor_ref(NULL) && !il_portal_ref(NULL));
	il_executor_room(NULL);
	CHECK(!il_call_begin(NULL));
	il_call_finish(NULL, 0, NULL, 0, NULL);
}

IL_TEST(J, streams_and_listeners_refuse_to_be_null)
{
	struct iovec piece = {memory, 1};
	il_address address;
	int count = 1;

	REFUSED(il_stream_receive_exactly(NULL, memory, 1));
	REFUSED(il_stream_receive_until(NULL, memory, 1, "x", 1));
	REFUSED(il_stream_writev_all(NULL, &piece, 1));
	REFUSED(il_stream_write(NULL, memory, 1));
	REFUSED(il_stream_read_now(NULL, memory, 1));
	REFUSED(il_stream_write_now(NULL, &piece, 1));
	REFUSED(il_stream_send_fds(NULL, memory, 1, &number, 1));
	REFUSED(il_stream_receive_fds(NULL, memory, 1, &number, &count));
	REFUSED(il_stream_send_file(NULL, 0, 0, 1));
	REFUSED(il_stream_take_fd(NULL));
	REFUSED(il_stream_shutdown_write(NULL));
	REFUSED(il_stream_local_address(NULL, &address));
	REFUSED(il_stream_peer_address(NULL, &address));
	REFUSED(il_stream_set_peer_address(NULL, &address));
	REFUSED(il_stream_set_nodelay(NULL, true));
	REFUSED(il_stream_set_keepalive(NULL, true));
	REFUSED(il_stream_set_keepalive_times(NULL, IL_SEC(1), IL_SEC(1), 1, 0));
	REFUSED(il_stream_fd(NULL));
	REFUSED(il_stream_close(NULL));
	REFUSED(il_stream_open_transport(NULL, NULL, NULL));
	REFUSED(il_listener_open_fd(NULL, 0));
	REFUSED(il_listener_address(NULL, 0, &address));
	REFUSED(il_listener_fd(NULL, 0));
	REFUSED(il_listener_close(NULL));
	REFUSED(il_address_text(NULL, memory, sizeof memory));

	CHECK_EQ(il_stream_buffered(NULL), 0);
	CHECK_EQ(il_listener_port(NULL), 0);
	CHECK_EQ(il_address_port(NULL), 0);
	CHECK(!il_transport_find(NULL, NULL));
	il_transport_ready(NULL, IL_READABLE);
	il_transport_drained(NULL);
}

IL_TEST(J, datagrams_files_and_signals_refuse_to_be_null)
{
	il_datagram_message message = {.data = memory, .size = 1};
	const int signals[] = {SIGUSR1};
	il_address address;

	REFUSED(il_datagram_open_udp(NULL, "127.0.0.1", "0", NULL));
	REFUSED(il_datagram_connect_udp(NULL, "127.0.0.1", "1", NULL));
	REFUSED(il_datagram_open_unix(NULL, "nowhere", NULL));
	REFUSED(il_datagram_connect_unix(NULL, "nowhere", NULL, NULL));
	REFUSED(il_datagram_open_fd(NULL, 0));
	REFUSED(il_datagram_receive(NULL, memory, 1, NULL));
	REFUSED(il_datagram_send(NULL, memory, 1, NULL));
	REFUSED(il_datagram_receive_many(NULL, &message, 1));
	REFUSED(il_datagram_send_many(NULL, &message, 1));
	REFUSED(il_datagram_local_address(NULL, &address));
	REFUSED(il_datagram_peer_address(NULL, &address));
	REFUSED(il_datagram_fd(NULL));
	REFUSED(il_datagram_close(NULL));
	REFUSED(il_file_open(NULL, "nowhere", 0, 0));
	REFUSED(il_file_read(NULL, memory, 1, 0));
	REFUSED(il_file_write(NULL, memory, 1, 0));
	REFUSED(il_file_sync(NULL));
	REFUSED(il_file_fd(NULL));
	REFUSED(il_file_close(NULL));
	REFUSED(il_signal_receiver_open_with(NULL, signals, 1, NULL));
	REFUSED(il_signal_receiver_close(NULL));

	CHECK_EQ(il_datagram_port(NULL), 0);
	il_datagram_destroy(NULL);
	il_file_destroy(NULL);
}

IL_TEST(J, children_and_callbacks_refuse_to_be_null)
{
	REFUSED(il_process_returncode(NULL));
	REFUSED(il_process_send_signal(NULL, SIGTERM));
	REFUSED(il_process_terminate(NULL));
	REFUSED(il_process_kill(NULL));
	REFUSED(il_process_pid(NULL));
	REFUSED(il_process_close(NULL));
	REFUSED(il_process_run(NULL, NULL, NULL, 0, NULL));
	REFUSED(il_fd_watch_set(NULL, IL_READABLE));
	REFUSED(il_timer_set(NULL, 0));

	CHECK(!il_process_stdin(NULL) && !il_process_stdout(NULL) && !il_process_stderr(NULL));
	CHECK(!il_process_terminal(NULL));
	il_fd_watch_close(NULL);
	il_timer_close(NULL);
}

IL_TEST(J, servers_and_clients_refuse_to_be_null)
{
	il_server_statistics statistics;

	REFUSED(il_client_connect_tcp(NULL, "localhost", "1", il_protocol_lines(), NULL));
	REFUSED(il_client_connect_unix(NULL, "nowhere", il_protocol_lines(), NULL));
	REFUSED(il_client_open(NULL, NULL, il_protocol_lines(), NULL));
	REFUSED(il_client_printf(NULL, "%d", 1));
	REFUSED(il_client_start_layer(NULL, NULL));
	REFUSED(il_client_shutdown_write(NULL));
	REFUSED(il_client_close(NULL));
	REFUSED(il_client_finish(NULL, 0));
	REFUSED(il_tcp_server_open(NULL, NULL, "0", il_protocol_lines(), NULL, NULL, NULL));
	REFUSED(il_udp_server_open(NULL, NULL, "0", il_protocol_bytes(), NULL, NULL, NULL));
	REFUSED(il_unix_server_open(NULL, "nowhere", il_protocol_lines(), NULL, NULL, NULL));
	REFUSED(il_server_open(NULL, il_protocol_lines(), NULL, NULL, NULL));
	REFUSED(il_server_add_tcp(NULL, NULL, "0"));
	REFUSED(il_server_add_unix(NULL, "nowhere"));
	REFUSED(il_server_add_fd(NULL, 0));
	REFUSED(il_server_start_soon(NULL, NULL, fn, NULL));
	REFUSED(il_server_fd(NULL, 0));
	REFUSED(il_server_shutdown(NULL));
	REFUSED(il_server_close(NULL));
	REFUSED(il_server_get_statistics(NULL, &statistics));
	REFUSED(il_server_thread_start(NULL, il_test_backend(), NULL, NULL, NULL));
	REFUSED(il_server_thread_wait(NULL, 0));
	REFUSED(il_server_thread_stop(NULL));

	CHECK(!il_client_loop(NULL) && !il_client_server(NULL) && !*il_client_address(NULL));
	CHECK(!il_client_stream(NULL) && !il_client_ref(NULL) && !il_client_data(NULL));
	CHECK(il_client_is_closing(NULL));
	il_client_set_data(NULL, memory);
	il_client_destroy(NULL);
	CHECK(!il_server_loop(NULL) && !il_server_is_serving(NULL) && !il_server_stopping(NULL));
	CHECK_EQ(il_server_port(NULL), 0);
	CHECK_EQ(il_server_clients(NULL), 0);
	CHECK_EQ(il_server_thread_port(NULL), 0);
	CHECK(!il_server_thread_portal(NULL));
}
