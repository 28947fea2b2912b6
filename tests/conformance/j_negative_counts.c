/*
 * j_negative_counts.c: a length, or a limit, that was a negative number is refused; nothing is read there, and nothing begins.
 * The largest number is no limit.
 */
#include "harness.h"

#include <signal.h>

static const size_t counts[] = {(size_t)-EINVAL, (size_t)PTRDIFF_MIN, (size_t)PTRDIFF_MAX};

#define REFUSED(call) CHECK_RC(call, -EINVAL)

static int fn(void *arg)
{
	(void)arg;
	return 0;
}

/* ---- arrays ---- */

static void check_pools(size_t count)
{
	static const int cpus[] = {0};
	il_executor *ex = NULL;

	REFUSED(il_thread_pool_create(&ex,
				      &(il_thread_pool_options){.cpus = cpus, .cpu_count = count}));
	REFUSED(il_process_pool_create(
	    &ex, &(il_process_pool_options){.cpus = cpus, .cpu_count = count}));
	CHECK(!ex);
}

IL_TEST_CORE(J, an_array_of_futures_whose_length_was_negative_is_refused)
{
	il_as_completed *it = NULL;
	il_future *f = NULL;

	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		REFUSED(il_futures_wait(&f, counts[i], IL_FIRST_COMPLETED, 0));
		REFUSED(il_as_completed_open(&it, &f, counts[i], 0));
		check_pools(counts[i]);
	}
	REFUSED(il_futures_wait(NULL, 1, IL_FIRST_COMPLETED, 0));
	CHECK(!it);
	il_future_unref(f);
}

IL_TEST_REAL(J, an_array_whose_length_was_negative_is_refused)
{
	static const int signals[] = {SIGUSR1};
	const char *const groups[] = {"239.255.0.1"};
	il_signal_receiver *receiver = NULL;
	il_datagram *d = NULL;
	char byte = 0;
	il_datagram_message m = {.data = &byte, .size = 1, .max = 1};

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		il_datagram *joined = NULL;
		REFUSED(il_signal_receiver_open(&receiver, signals, counts[i]));
		REFUSED(il_datagram_send_many(d, &m, counts[i]));
		REFUSED(il_datagram_receive_many(d, &m, counts[i]));
		REFUSED(il_datagram_open_udp(
		    &joined, "127.0.0.1", "0",
		    &(il_datagram_options){.join = groups, .join_count = counts[i]}));
	}
	il_datagram_destroy(d);
}

IL_TEST_REAL(J, what_is_to_be_filled_in_is_no_array_of_negative_length)
{
	il_address address = {.length = 0};
	char text[64];
	int fd;

	for (size_t i = 0; i < sizeof counts / sizeof *counts - 1; i++) {
		REFUSED(il_resolve("127.0.0.1", "1", IL_RESOLVE_NUMERIC, &address, counts[i]));
		REFUSED(il_listen_fds(&fd, counts[i], false));
		REFUSED(il_address_text(&address, text, counts[i]));
	}
	REFUSED(il_resolve("127.0.0.1", "1", IL_RESOLVE_NUMERIC, NULL, 1));
	CHECK_RC(il_resolve("127.0.0.1", "1", IL_RESOLVE_NUMERIC, NULL, 0), 1);
}

static int fails(void *arg)
{
	(void)arg;
	return -EPROTO;
}

IL_TEST(J, a_list_that_is_not_given_is_not_filled)
{
	il_group group;
	int code = 0;

	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, fails, NULL), 0);
	CHECK_RC(il_group_close(&group, 0), -EPROTO);
	CHECK_EQ(il_group_errors(&group, NULL, 1), 1);
	CHECK_EQ(il_group_errors(&group, &code, (size_t)-2), 1);
	CHECK_EQ(code, 0);
	CHECK_RC(il_limiter_acquire(il_thread_limiter()), 0);
	CHECK_EQ(il_limiter_borrowers(il_thread_limiter(), NULL, 1), 1);
	CHECK_RC(il_limiter_release(il_thread_limiter()), 0);
}

/* ---- arguments of calls ---- */

static int submit_nothing(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return 0;
}

IL_TEST_CORE(J, an_argument_whose_size_was_negative_is_refused)
{
	const il_executor_ops ops = {.submit = submit_nothing, .max_size = (size_t)-2};
	il_bytes bytes = {.in = "", .in_size = (size_t)-2};
	il_executor *ex = NULL;
	char arg = 0;

	REFUSED(il_executor_create(&ex, &ops, NULL));
	CHECK_RC(il_thread_pool_create(&ex, &(il_thread_pool_options){.copy_args = true}), 0);
	REFUSED(il_executor_run(ex, fn, &bytes, IL_BYTES));
	REFUSED(il_executor_run(ex, fn, &arg, (size_t)-EPIPE));
	il_executor_destroy(ex);
}

IL_TEST(J, a_negative_number_of_waiters_is_not_notified)
{
	il_condition *condition = NULL;

	CHECK_RC(il_condition_create(&condition, NULL), 0);
	CHECK_RC(il_condition_acquire(condition), 0);
	REFUSED(il_condition_notify(condition, (size_t)-2));
	CHECK_RC(il_condition_notify(condition, SIZE_MAX), 0);
	CHECK_RC(il_condition_release(condition), 0);
	il_condition_destroy(condition);
}

/* ---- limits ---- */

IL_TEST_CORE(J, a_limit_of_a_pool_that_was_negative_is_refused)
{
	const size_t negative = (size_t)-2;
	il_executor *ex = NULL;

	REFUSED(il_thread_pool_create(&ex, &(il_thread_pool_options){.queue_limit = negative}));
	REFUSED(il_process_pool_create(&ex, &(il_process_pool_options){.queue_limit = negative}));
	REFUSED(il_process_pool_create(&ex, &(il_process_pool_options){.max_size = negative}));
	REFUSED(il_process_pool_create(
	    &ex, &(il_process_pool_options){
		     .initializer = fn, .initializer_arg = &ex, .initializer_size = negative}));
	CHECK_RC(il_thread_pool_create(&ex, &(il_thread_pool_options){.queue_limit = SIZE_MAX}), 0);
	CHECK_RC(il_executor_run(ex, fn, NULL, 0), 0);
	il_executor_destroy(ex);
}

static int open_loop(const il_loop_options *options)
{
	il_loop *loop = NULL;
	int rc = il_loop_open(&loop, il_test_backend(), options);

	if (rc == 0)
		il_loop_destroy(loop);
	return rc;
}

IL_TEST_OWN(J, a_limit_of_a_loop_that_was_negative_is_refused)
{
	REFUSED(open_loop(&(il_loop_options){.queue_limit = (size_t)-2}));
	CHECK_DETAIL("il_loop_options: queue_limit is -2; SIZE_MAX is for no limit");
	REFUSED(open_loop(&(il_loop_options){.thread_limit = (size_t)-2}));
	REFUSED(open_loop(&(il_loop_options){.lookup_limit = (size_t)-2}));
	CHECK_RC(open_loop(&(il_loop_options){
		     .queue_limit = SIZE_MAX, .thread_limit = SIZE_MAX, .lookup_limit = SIZE_MAX}),
		 0);
}

static int handle(il_client *client, void *data)
{
	(void)client;
	(void)data;
	return 0;
}

static int open_server_of(const il_protocol *protocol, const il_server_options *options)
{
	const il_handler handler = {.handle = handle};
	il_server *server = NULL;
	int rc = il_server_open(&server, protocol, &handler, NULL, options);

	il_server_destroy(server);
	return rc;
}

static int open_server(const il_server_options *options)
{
	return open_server_of(il_protocol_lines(), options);
}

IL_TEST(J, a_limit_of_a_server_that_was_negative_is_refused)
{
	const size_t negative = (size_t)-2;
	il_protocol protocol = *il_protocol_lines();

	protocol.overhead = negative;
	REFUSED(open_server_of(&protocol, NULL));
	REFUSED(open_server(&(il_server_options){.max_packet = negative}));
	REFUSED(open_server(&(il_server_options){.max_clients = negative}));
	REFUSED(open_server(&(il_server_options){.receive_buffer = negative}));
	REFUSED(open_server(&(il_server_options){.send_buffer = negative}));
	REFUSED(open_server(&(il_server_options){.peer_queue = negative}));
	CHECK_RC(open_server(&(il_server_options){.max_packet = SIZE_MAX,
						  .max_clients = SIZE_MAX,
						  .receive_buffer = SIZE_MAX,
						  .send_buffer = SIZE_MAX,
						  .peer_queue = SIZE_MAX}),
		 0);
}

IL_TEST_REAL(J, a_limit_of_a_client_or_a_program_that_was_negative_is_refused)
{
	char *const argv[] = {(char[]){"/nowhere"}, NULL};
	const size_t negative = (size_t)-2;
	il_process_result result;
	il_client *c = NULL;

	REFUSED(il_client_connect_tcp(&c, "127.0.0.1", "1", il_protocol_lines(),
				      &(il_client_options){.max_packet = negative}));
	REFUSED(il_client_connect_tcp(&c, "127.0.0.1", "1", il_protocol_lines(),
				      &(il_client_options){.receive_buffer = negative}));
	REFUSED(il_process_run(&result, argv, NULL, 0,
			       &(il_process_options){.output_limit = negative}));
	CHECK(!c);
}
