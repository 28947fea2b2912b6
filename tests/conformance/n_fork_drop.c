/*
 * n_fork_drop.c: in a forked child whatever is inherited may be dropped, however it is used in the
 * parent, where nobody notices.
 */
#include "children.h"
#include "g_portal.h"
#include "in_child.h"
#include "m_server.h"
#include "waits.h"
#include "workers.h"

/* ---- what tasks wait for ---- */

struct waited_for {
	il_event *event;
	il_lock *lock;
	il_condition *condition;
	il_semaphore *semaphore;
	il_limiter *limiter;
	il_sender *sender;
	il_receiver *receiver;
};

static int receive_item(void *arg)
{
	int item;

	return il_channel_receive(arg, &item) == 1 ? 0 : -EIO;
}

static int drop_waited_for(void *arg)
{
	struct waited_for *w = arg;

	il_event_destroy(w->event);
	il_condition_destroy(w->condition);
	il_lock_destroy(w->lock);
	il_semaphore_destroy(w->semaphore);
	il_limiter_destroy(w->limiter);
	il_sender_destroy(w->sender);
	il_receiver_destroy(w->receiver);
	return 0;
}

IL_TEST_REAL(N, what_tasks_wait_for_may_be_dropped_in_a_child)
{
	struct waited_for w;
	struct waiter waiters[6] = {{.name = NULL}};
	il_group g;

	CHECK_RC(il_event_create(&w.event), 0);
	CHECK_RC(il_lock_create(&w.lock), 0);
	CHECK_RC(il_condition_create(&w.condition, NULL), 0);
	CHECK_RC(il_semaphore_create(&w.semaphore, 0, 1), 0);
	CHECK_RC(il_limiter_create(&w.limiter, 1), 0);
	CHECK_RC(il_channel_create(&w.sender, &w.receiver, sizeof(int), 0), 0);
	CHECK_RC(il_lock_acquire(w.lock), 0);
	CHECK_RC(il_limiter_acquire(w.limiter), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &waiters[0], wait_event, w.event);
	start_waiting(&g, &waiters[1], lock_and_release, w.lock);
	start_waiting(&g, &waiters[2], await_condition, w.condition);
	start_waiting(&g, &waiters[3], take_permit, w.semaphore);
	start_waiting(&g, &waiters[4], borrow_and_return, w.limiter);
	start_waiting(&g, &waiters[5], receive_item, w.receiver);

	CHECK_IN_CHILD(drop_waited_for, &w);

	CHECK_RC(il_event_set(w.event), 0);
	CHECK_RC(il_lock_release(w.lock), 0);
	CHECK_RC(il_condition_acquire(w.condition), 0);
	CHECK_RC(il_condition_notify_all(w.condition), 0);
	CHECK_RC(il_condition_release(w.condition), 0);
	CHECK_RC(il_semaphore_release(w.semaphore), 0);
	CHECK_RC(il_limiter_release(w.limiter), 0);
	CHECK_RC(il_channel_send(w.sender, &(int){1}), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (size_t i = 0; i < 6; i++)
		CHECK_RC(waiters[i].rc, 0);
	drop_waited_for(&w);
}

/* ---- what owns descriptors ---- */

struct owners {
	il_stream *a, *b;
	il_listener *listener;
	il_signal_receiver *signals;
	il_process *process;
};

static int read_byte(void *arg)
{
	char byte;

	return il_stream_read(arg, &byte, 1) == 1 ? 0 : -EIO;
}

static int await_signal(void *arg)
{
	return next_signal(arg) == SIGUSR1 ? 0 : -EIO;
}

static int drop_owners(void *arg)
{
	struct owners *o = arg;

	CHILD_CHECK(il_stream_close(o->a) == -ESHUTDOWN);
	CHILD_CHECK(il_listener_close(o->listener) == -ESHUTDOWN);
	CHILD_CHECK(il_signal_receiver_close(o->signals) == -ESHUTDOWN);
	CHILD_CHECK(il_process_close(o->process) == -ESHUTDOWN);
	il_stream_destroy(o->a);
	il_stream_destroy(o->b);
	il_listener_destroy(o->listener);
	il_signal_receiver_destroy(o->signals);
	il_process_destroy(o->process);
	return 0;
}

IL_TEST_REAL(N, what_owns_descriptors_may_be_dropped_in_a_child)
{
	struct owners o;
	struct waiter waiters[4] = {{.name = NULL}};
	il_stream *client = NULL;
	char path[60];
	il_group g;

	snprintf(path, sizeof path, "/tmp/il-drop-%d", (int)getpid());
	CHECK_RC(il_stream_pair(&o.a, &o.b), 0);
	CHECK_RC(il_listener_open_unix(&o.listener, path, NULL), 0);
	CHECK_RC(il_signal_receiver_open(&o.signals, &(const int){SIGUSR1}, 1), 0);
	o.process = spawned(SH("read line"), &piped);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &waiters[0], read_byte, o.a);
	start_waiting(&g, &waiters[1], accept_one, o.listener);
	start_waiting(&g, &waiters[2], await_signal, o.signals);
	start_waiting(&g, &waiters[3], wait_process, o.process);

	CHECK_IN_CHILD(drop_owners, &o);

	CHECK_RC(il_stream_write_all(o.b, "x", 1), 0);
	CHECK_RC(il_stream_connect_unix(&client, path), 0);
	kill(getpid(), SIGUSR1);
	CHECK_RC(il_stream_write_all(il_process_stdin(o.process), "\n", 1), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK_RC(waiters[i].rc, 0);
	il_stream_destroy(client);
	il_stream_destroy(o.a);
	il_stream_destroy(o.b);
	il_listener_destroy(o.listener);
	il_signal_receiver_destroy(o.signals);
	il_process_destroy(o.process);
}

/* ---- servers ---- */

struct served {
	il_server *server;
	il_client *client;
};

static int drop_server(void *arg)
{
	struct served *s = arg;

	CHILD_CHECK(il_client_close(s->client) == -ESHUTDOWN);
	CHILD_CHECK(il_server_shutdown(s->server) == -ESHUTDOWN);
	CHILD_CHECK(il_server_close(s->server) == -ESHUTDOWN);
	il_client_unref(s->client);
	il_server_destroy(s->server);
	return 0;
}

IL_TEST_REAL(N, a_server_that_serves_may_be_dropped_in_a_child)
{
	struct service s = {.server = NULL};
	struct served served;
	il_stream *client;

	service_lines(&s, &echo_handler, &s.visits);
	client = dial(&s);
	CHECK_ASK(client, "before", "before");
	served = (struct served){.server = s.server, .client = il_client_ref(s.visits.client)};

	CHECK_IN_CHILD(drop_server, &served);

	CHECK_ASK(client, "after", "after");
	il_stream_destroy(client);
	il_client_unref(served.client);
	client = dial(&s);
	CHECK_ASK(client, "anew", "anew");
	il_stream_destroy(client);
	service_end(&s);
}

/* ---- what threads share ---- */

struct shared {
	il_future *future, *call;
	il_as_completed *iterator;
	il_executor *pool;
	il_portal *portal, *blocking, *provided;
	il_portal_context *context;
	il_portal_provider *provider;
	il_server_thread *thread;
	il_shared memory;
	struct gate gate;
};

static int hold(void *arg)
{
	(void)arg;
	return il_portal_hold(0);
}

static il_server *opened; /* the last one; its thread's */

static int open_server(il_server **server, void *arg)
{
	int rc = il_tcp_server_open(server, "127.0.0.1", "0", il_protocol_lines(), arg, NULL, NULL);

	opened = *server;
	return rc;
}

static int drop_shared(void *arg)
{
	struct shared *s = arg;
	il_future *f;

	CHILD_CHECK(il_as_completed_next(s->iterator, &f) == -ESHUTDOWN);
	il_as_completed_close(s->iterator);
	CHILD_CHECK(il_portal_exit(s->context, 0) == -ESHUTDOWN);
	il_future_unref(s->future);
	il_future_unref(s->call);
	CHILD_CHECK(il_executor_shutdown(s->pool, 0) == -ESHUTDOWN);
	il_executor_destroy(s->pool);
	CHILD_CHECK(il_portal_stop(s->portal, true) == -ESHUTDOWN);
	CHILD_CHECK(il_portal_close(s->portal) == -ESHUTDOWN);
	il_portal_unref(s->portal);
	CHILD_CHECK(il_blocking_portal_stop(s->blocking) == -ESHUTDOWN);
	il_portal_unref(s->blocking);
	CHILD_CHECK(il_portal_provider_release(s->provider) == -ESHUTDOWN);
	il_portal_provider_destroy(s->provider);
	CHILD_CHECK(il_server_thread_stop(s->thread) == -ESHUTDOWN);
	il_shared_destroy(&s->memory);
	return 0;
}

IL_TEST_REAL(N, what_threads_share_may_be_dropped_in_a_child)
{
	il_handler echo = {.handle = plain_echo};
	struct shared s = {.gate = {.result = 7}};
	il_future *both[2], *f;
	il_stream *client;
	int five = 5;

	s.pool = new_pool(1);
	s.call = occupy(s.pool, &s.gate);
	CHECK_RC(il_future_create(&s.future), 0);
	both[0] = s.future;
	both[1] = s.call;
	CHECK_RC(il_as_completed_open(&s.iterator, both, 2, IL_FOREVER), 0);
	CHECK_RC(il_loop_create_threads_portal(il_loop_current(), &s.portal), 0);
	CHECK_RC(il_blocking_portal_start(&s.blocking, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_enter(s.blocking, &s.context, hold, NULL), 0);
	CHECK_RC(il_portal_provider_create(&s.provider, il_test_backend(), NULL), 0);
	CHECK_RC(il_portal_provider_acquire(s.provider, &s.provided), 0);
	CHECK_RC(il_server_thread_start(&s.thread, il_test_backend(), NULL, open_server, &echo), 0);
	CHECK_RC(il_shared_create(&s.memory, 100), 0);

	CHECK_IN_CHILD(drop_shared, &s);

	memset(s.memory.data, 1, 100);
	client = dial_port(il_server_thread_port(s.thread));
	CHECK_ASK(client, "still", "still");
	il_stream_destroy(client);
	CHECK_RC(il_server_thread_stop(s.thread), 0);
	CHECK_RC(il_portal_run_coroutine(s.provided, give, &five), 5);
	CHECK_RC(il_portal_provider_release(s.provider), 0);
	il_portal_provider_destroy(s.provider);
	CHECK_RC(il_portal_exit(s.context, 3), 3);
	CHECK_RC(il_portal_run_coroutine(s.blocking, give, &five), 5);
	CHECK_RC(il_blocking_portal_stop(s.blocking), 0);
	CHECK_RC(il_future_set_result(s.future, 0), 0);
	atomic_store(&s.gate.open, true);
	CHECK_RC(il_as_completed_next(s.iterator, &f), 1);
	CHECK_RC(il_as_completed_next(s.iterator, &f), 1);
	CHECK_RC(il_as_completed_next(s.iterator, &f), 0);
	il_as_completed_close(s.iterator);
	CHECK_RC(finished(s.future), 0);
	CHECK_RC(finished(s.call), 7);
	il_executor_destroy(s.pool);
	CHECK_RC(il_portal_close(s.portal), 0);
	il_shared_destroy(&s.memory);
}

static int shut_down_opened(void *unused)
{
	(void)unused;
	return il_server_shutdown(opened);
}

static int drop_ended(void *thread)
{
	CHILD_CHECK(il_server_thread_stop(thread) == -ESHUTDOWN);
	return 0;
}

IL_TEST_REAL(N, a_servers_thread_is_dropped_in_a_child_also_when_the_server_has_ended)
{
	il_handler echo = {.handle = plain_echo};
	il_server_thread *thread;

	CHECK_RC(il_server_thread_start(&thread, il_test_backend(), NULL, open_server, &echo), 0);
	CHECK_RC(il_portal_run_coroutine(il_server_thread_portal(thread), shut_down_opened, NULL),
		 0);
	CHECK_RC(il_server_thread_wait(thread, IL_FOREVER), 0);
	CHECK_IN_CHILD(drop_ended, thread);
	CHECK_RC(il_server_thread_stop(thread), 0);
}

/* ---- fork in a callback ---- */

static int sleep_once(void *arg)
{
	(void)arg;
	return il_sleep(1);
}

static int fork_here(il_future *f, void *child)
{
	(void)f;
	*(pid_t *)child = fork();
	return 0;
}

IL_TEST_OWN(N, the_child_of_a_callback_that_forks_may_wait)
{
	const il_backend *backend = il_test_backend();
	pid_t child = -1;
	int status = 0;
	il_future *f;

	if (IL_TEST_TSAN) /* it forbids threads in the child of a process with threads */
		return;
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, fork_here, &child), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	if (child == 0) {
		alarm(5);
		_exit(il_run(backend, sleep_once, NULL) == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	il_future_unref(f);
}
