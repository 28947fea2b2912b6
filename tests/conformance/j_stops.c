/*
 * j_stops.c: misuse for which no code can be returned stops the program with a sentence that names the function: above
 * all an object of a loop that another thread destroys.
 */
#define _GNU_SOURCE
#include "dies.h"

#include <fcntl.h>
#include <signal.h>

/* ---- in another thread ---- */

/* An object of the calling task's loop, and what another thread calls for it. */
struct theirs {
	const char *function;
	int (*make)(void **object);
	void (*destroy)(void *object);
};

static int make_stream(void **object)
{
	static il_stream *other;

	return il_stream_pair((il_stream **)object, &other);
}

static void destroy_stream(void *object)
{
	il_stream_destroy(object);
}

static int make_client(void **object)
{
	void *stream = NULL;
	int rc = make_stream(&stream);

	return rc < 0 ? rc
		      : il_client_open((il_client **)object, stream, il_protocol_lines(), NULL);
}

static void destroy_client(void *object)
{
	il_client_destroy(object);
}

static int make_listener(void **object)
{
	return il_listener_open_tcp((il_listener **)object, "127.0.0.1", "0", NULL);
}

static void destroy_listener(void *object)
{
	il_listener_destroy(object);
}

static int make_datagram(void **object)
{
	return il_datagram_open_udp((il_datagram **)object, "127.0.0.1", "0", NULL);
}

static void destroy_datagram(void *object)
{
	il_datagram_destroy(object);
}

static int make_file(void **object)
{
	return il_file_open((il_file **)object, "/dev/null", O_RDWR, 0);
}

static void destroy_file(void *object)
{
	il_file_destroy(object);
}

static int make_receiver(void **object)
{
	return il_signal_receiver_open((il_signal_receiver **)object, (const int[]){SIGUSR1}, 1);
}

static void destroy_receiver(void *object)
{
	il_signal_receiver_destroy(object);
}

static int make_process(void **object)
{
	char *argv[] = {"true", NULL};

	return il_process_spawn((il_process **)object, argv, NULL);
}

static void destroy_process(void *object)
{
	il_process_destroy(object);
}

static void on_time(void *arg)
{
	(void)arg;
}

static int make_timer(void **object)
{
	return il_timer_open((il_timer **)object, on_time, NULL);
}

static void destroy_timer(void *object)
{
	il_timer_close(object);
}

static void on_ready(void *arg, unsigned mask)
{
	(void)arg;
	(void)mask;
}

static int make_watch(void **object)
{
	int fd[2];

	return pipe(fd) < 0
		   ? -errno
		   : il_fd_watch_open((il_fd_watch **)object, fd[0], IL_READABLE, on_ready, NULL);
}

static void destroy_watch(void *object)
{
	il_fd_watch_close(object);
}

static int take_none(void *self, void *data, size_t max)
{
	(void)self, (void)data, (void)max;
	return -EAGAIN;
}

static int send_none(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	return -EAGAIN;
}

static int make_transport(void **object)
{
	static const struct il_transport t = {
	    .name = "idle", .receive = take_none, .send = send_none};

	return il_stream_open_transport((il_stream **)object, &t, NULL);
}

static void wake_transport(void *object)
{
	il_transport_ready(object, IL_READABLE);
}

struct elsewhere {
	const struct theirs *theirs;
	void *object;
};

static void *destroy_elsewhere(void *arg)
{
	struct elsewhere *e = arg;

	e->theirs->destroy(e->object);
	return NULL;
}

static int make_and_have_destroyed(void *theirs)
{
	struct elsewhere e = {.theirs = theirs};
	pthread_t thread;
	int rc = e.theirs->make(&e.object);

	if (rc < 0 || pthread_create(&thread, NULL, destroy_elsewhere, &e) != 0) {
		fprintf(stderr, "not made: %s", il_error_detail());
		return 1;
	}
	pthread_join(thread, NULL);
	return 0;
}

static int run_theirs(void *theirs)
{
	return il_run(il_test_backend(), make_and_have_destroyed, theirs);
}

IL_TEST_OWN_REAL(J, an_object_that_another_thread_destroys_stops_the_program)
{
	static const struct theirs all[] = {
	    {"il_stream_destroy: called in another thread", make_stream, destroy_stream},
	    {"il_client_destroy: called in another thread", make_client, destroy_client},
	    {"il_listener_destroy: called in another thread", make_listener, destroy_listener},
	    {"il_datagram_destroy: called in another thread", make_datagram, destroy_datagram},
	    {"il_file_destroy: called in another thread", make_file, destroy_file},
	    {"il_signal_receiver_destroy: called in another", make_receiver, destroy_receiver},
	    {"il_process_destroy: called in another thread", make_process, destroy_process},
	    {"il_timer_close: called in another thread", make_timer, destroy_timer},
	    {"il_fd_watch_close: called in another thread", make_watch, destroy_watch},
	    {"il_transport_ready: called in another thread", make_transport, wake_transport},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		il_test_dies(run_theirs, (void *)(uintptr_t)&all[i], all[i].function);
}

/* ---- while it is in use ---- */

static int hold_lock(void *lock)
{
	int rc = il_lock_acquire(lock);

	return rc < 0 ? rc : il_sleep_forever();
}

static int destroy_a_held_lock(void *unused)
{
	il_lock *lock;
	int rc = il_lock_create(&lock);

	(void)unused;
	if (rc == 0)
		rc = il_loop_spawn(il_loop_current(), NULL, hold_lock, lock);
	if (rc == 0)
		rc = il_yield();
	il_lock_destroy(lock);
	return rc;
}

static int destroy_a_lock_before_its_condition(void *unused)
{
	il_condition *condition;
	il_lock *lock;
	int rc = il_lock_create(&lock);

	(void)unused;
	if (rc == 0)
		rc = il_condition_create(&condition, lock);
	il_lock_destroy(lock);
	return rc;
}

static int leave_a_scope_open(void *unused)
{
	static il_scope scope;

	(void)unused;
	return il_scope_enter(&scope, IL_FOREVER, 0);
}

static int leave_a_group_open(void *unused)
{
	static il_group group;

	(void)unused;
	return il_group_open(&group);
}

static int destroy_the_loop_it_runs_in(void *unused)
{
	(void)unused;
	il_loop_destroy(il_loop_current());
	return 0;
}

static int run_fatal(void *fn)
{
	il_fn *const *main = fn;

	return il_run(il_test_backend(), *main, NULL);
}

IL_TEST_OWN(J, what_is_still_in_use_stops_the_program)
{
	static const struct {
		il_fn *fn;
		const char *said;
	} all[] = {
	    {destroy_a_held_lock, "il_lock_destroy: another task"},
	    {destroy_a_lock_before_its_condition, "il_lock_destroy: a condition still uses it"},
	    {leave_a_scope_open, "a task that runs "},
	    {leave_a_scope_open, "ended inside a scope or group that it had entered"},
	    {leave_a_group_open, "ended inside a scope or group that it had entered"},
	    {destroy_the_loop_it_runs_in, "il_loop_destroy: "},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		il_test_dies(run_fatal, (void *)(uintptr_t)&all[i].fn, all[i].said);
}

/* ---- servers ---- */

static int serve(void *server)
{
	return il_server_serve(server);
}

static int receive_nothing(il_client *client, void *destroyed)
{
	il_packet p;

	if (destroyed)
		il_client_destroy(client);
	return il_client_receive(client, &p, IL_FOREVER) < 0 ? -EIO : 0;
}

static const il_handler handler = {.handle = receive_nothing};

static int destroy_a_server_that_serves(void *unused)
{
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &handler, NULL,
				    NULL);

	(void)unused;
	if (rc == 0)
		rc = il_loop_spawn(il_loop_current(), NULL, serve, server);
	while (rc == 0 && !il_server_is_serving(server))
		rc = il_yield();
	il_server_destroy(server);
	return rc;
}

static int destroy_a_servers_client(void *unused)
{
	il_stream *stream;
	il_server *server;
	char port[8];
	int rc =
	    il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &handler, "", NULL);

	(void)unused;
	if (rc < 0 || (rc = il_loop_spawn(il_loop_current(), NULL, serve, server)) < 0)
		return rc;
	snprintf(port, sizeof port, "%u", (unsigned)il_server_port(server));
	rc = il_stream_connect_tcp(&stream, "127.0.0.1", port, NULL);
	if (rc == 0)
		rc = il_stream_write_all(stream, "x\n", 2);
	return rc < 0 ? rc : il_sleep_forever();
}

static int leave_a_scope_in_service_init(il_exit_stack *stack, il_server *server, void *unused)
{
	(void)server;
	(void)stack;
	return leave_a_scope_open(unused);
}

static int serve_with_an_open_scope(void *unused)
{
	const il_handler h = {.handle = receive_nothing,
			      .service_init = leave_a_scope_in_service_init};
	il_server *server;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, NULL, NULL);

	(void)unused;
	if (rc == 0)
		rc = il_loop_spawn(il_loop_current(), NULL, serve, server);
	while (rc == 0 && !il_server_is_serving(server))
		rc = il_yield();
	return rc < 0 ? rc : il_server_shutdown(server);
}

IL_TEST_OWN_REAL(J, a_server_in_use_stops_the_program)
{
	static const struct {
		il_fn *fn;
		const char *said;
	} all[] = {
	    {destroy_a_server_that_serves, "il_server_destroy: il_server_serve still runs"},
	    {destroy_a_servers_client, "is its server's; end it with il_client_close"},
	    {serve_with_an_open_scope, "service_init left a scope or group open"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		il_test_dies(run_fatal, (void *)(uintptr_t)&all[i].fn, all[i].said);
}
