/*
 * m_server_limits.c: what a server does when something runs out (descriptors, places for clients, time),
 * with several addresses, and with peers that are slow or flood it. To try what accept(2) may return,
 * this file stands between the library and the system's accept.
 */
#include "workers.h"

#include "m_server.h"

#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- the system's accept, and what it is made to say ---- */

static atomic_int accept_error; /* of the next call; 0: none */
static atomic_int accepts;

int il_test_accept4(int fd, void *address, void *length, int flags) __asm__("accept4");
int il_test_accept(int fd, void *address, void *length) __asm__("accept");

__attribute__((visibility("default"))) int il_test_accept4(int fd, void *address, void *length,
							   int flags)
{
	int error = atomic_exchange(&accept_error, 0);

	atomic_fetch_add(&accepts, 1);
	if (!error)
		return (int)syscall(SYS_accept4, fd, address, length, flags);
	errno = error;
	return -1;
}

__attribute__((visibility("default"))) int il_test_accept(int fd, void *address, void *length)
{
	return il_test_accept4(fd, address, length, 0);
}

/* ---- 252: errors of accept ---- */

/* From now on the system gives no descriptor. */
static void use_up_descriptors(struct rlimit *saved)
{
	struct rlimit limit;
	int next = dup(0);

	CHECK(next >= 0);
	close(next);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, saved), 0);
	limit = *saved;
	limit.rlim_cur = (rlim_t)next;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	next = dup(0);
	if (next >= 0)
		close(next);
	CHECK(next < 0);
}

IL_TEST_REAL(M, n252_without_descriptors_accepting_is_retried_until_there_are_some)
{
	struct visits v = {0};
	struct service s;
	struct rlimit saved;
	il_stream *before, *c = NULL;
	int fd, tries;
	il_time start, cpu;

	if (il_test_valgrind())
		return; /* it keeps the limit itself, and closes the connections that it refuses */
	service_lines(&s, &echo_handler, &v);
	before = dial(&s);
	CHECK_ASK(before, "before", "before");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	use_up_descriptors(&saved);
	tries = atomic_load(&accepts);
	start = il_now();
	cpu = il_test_cpu();
	plain_connect_with(fd, il_server_port(s.server));
	UNTIL(atomic_load(&accepts) >= tries + 3);
	CHECK(il_now() - start >= IL_MSEC(200)); /* at once, and twice 0.1 s later */
	CHECK(il_test_cpu() - cpu < (il_now() - start) / 2);
	CHECK_LOGGED(IL_LOG_WARNING, "il_listener_accept", 1);
	CHECK_ASK(before, "meanwhile", "meanwhile");
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
	CHECK_RC(il_stream_open_fd(&c, fd), 0);
	CHECK_ASK(c, "after", "after");
	il_stream_destroy(c);
	il_stream_destroy(before);
	service_end(&s);
}

/* A client whose accept fails once is served all the same. */
static void check_served_after(const struct service *s, int error)
{
	il_stream *c;

	atomic_store(&accept_error, error);
	c = dial(s);
	CHECK_ASK(c, "served", "served");
	CHECK_EQ(atomic_load(&accept_error), 0);
	il_stream_destroy(c);
}

IL_TEST_REAL(M, n252_out_of_anything_accepting_is_logged_and_retried)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	for (int i = 0; i < 4; i++) {
		il_time start = il_now();
		check_served_after(&s, errors[i]);
		CHECK(il_now() - start >= IL_MSEC(100));
		CHECK_LOGGED(IL_LOG_WARNING, "il_listener_accept", i + 1);
	}
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

IL_TEST_REAL(M, n252_connections_that_died_before_they_were_accepted_are_skipped)
{
	static const int errors[] = {ECONNABORTED, EPERM, EPROTO, EHOSTUNREACH, EINTR};
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	for (int i = 0; i < 5; i++)
		check_served_after(&s, errors[i]);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
}

IL_TEST_REAL(M, n252_any_other_error_ends_that_listener_and_the_last_one_the_server)
{
	struct service s = {0};
	char path[] = "/tmp/il-test-XXXXXX", socket_path[64];
	il_stream *served, *c = NULL;
	int fd;

	CHECK(mkdtemp(path) != NULL);
	snprintf(socket_path, sizeof socket_path, "%s/s", path);
	CHECK_RC(il_tcp_server_open(&s.server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    &s.visits, NULL),
		 0);
	CHECK_RC(il_server_add_unix(s.server, socket_path), 0);
	service_run(&s);
	served = dial(&s);
	CHECK_ASK(served, "before", "before");
	atomic_store(&accept_error, EINVAL);
	fd = plain_connect(il_server_port(s.server));
	UNTIL(il_test_logged(IL_LOG_ERROR, "EINVAL") == 1);
	check_refused(il_server_port(s.server));
	close(fd);
	CHECK(il_server_is_serving(s.server));
	CHECK_RC(il_stream_connect_unix(&c, socket_path), 0);
	CHECK_ASK(c, "the other", "the other");
	CHECK_ASK(served, "still", "still");
	il_stream_destroy(c);
	atomic_store(&accept_error, EFAULT);
	CHECK_RC(il_stream_connect_unix(&c, socket_path), 0);
	CHECK_RC(service_result(&s), -EFAULT);
	check_gone(c);
	check_gone(served);
	service_run(&s); /* and may serve again */
	CHECK_RC(il_stream_connect_unix(&c, socket_path), 0);
	CHECK_ASK(c, "again", "again");
	il_stream_destroy(c);
	service_end(&s);
	CHECK_EQ(rmdir(path), 0);
}

/* ---- places for clients ---- */

static int begin_within_two(il_client *client, void *data)
{
	CHECK(il_server_clients(il_client_server(client)) <= 2);
	return visit_begin(client, data);
}

static void start_for_two(struct service *s)
{
	const il_handler h = {
	    .on_connection = begin_within_two, .handle = visit_echo, .on_disconnection = visit_end};

	s->visits = (struct visits){0};
	service_start(s, &h, &s->visits, il_protocol_lines(),
		      &(il_server_options){.max_clients = 2});
}

IL_TEST_REAL(M, with_max_clients_the_next_one_waits_until_one_leaves)
{
	struct service s;
	il_stream *c[4];

	start_for_two(&s);
	for (int i = 0; i < 4; i++)
		c[i] = dial(&s);
	CHECK_ASK(c[0], "first", "first");
	CHECK_ASK(c[1], "second", "second");
	say(c[2], "third\n");
	CHECK_ASK(c[0], "first", "first");
	CHECK_EQ(s.visits.connected, 2);
	il_stream_destroy(c[1]);
	CHECK_HEARS(c[2], "third");
	il_stream_destroy(c[0]);
	CHECK_ASK(c[3], "fourth", "fourth");
	CHECK_LOGGED(IL_LOG_WARNING, "there are max_clients, 2", 1);
	il_stream_destroy(c[2]);
	il_stream_destroy(c[3]);
	service_end(&s);
}

IL_TEST_REAL(M, a_server_ends_while_a_client_waits_for_a_place)
{
	struct service s;
	il_stream *c[3];

	start_for_two(&s);
	for (int i = 0; i < 3; i++)
		c[i] = dial(&s);
	CHECK_ASK(c[0], "first", "first");
	service_end(&s);
	for (int i = 0; i < 3; i++)
		check_gone(c[i]);
	start_for_two(&s);
	for (int i = 0; i < 3; i++)
		c[i] = dial(&s);
	CHECK_ASK(c[0], "first", "first");
	CHECK_RC(il_server_close(s.server), 0);
	for (int i = 0; i < 3; i++)
		il_stream_destroy(c[i]);
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
}

/* Neither the end of the server nor a client of another address waits for somebody to come here. */
IL_TEST_REAL(M, a_place_is_for_whoever_comes_first_at_any_address)
{
	const il_server_options options = {.max_clients = 1};
	char path[] = "/tmp/il-test-XXXXXX", socket_path[3][64];
	struct service s = {0};
	il_stream *c = NULL;

	CHECK(mkdtemp(path) != NULL);
	CHECK_RC(il_server_open(&s.server, il_protocol_lines(), &echo_handler, &s.visits, &options),
		 0);
	for (int i = 0; i < 3; i++) {
		snprintf(socket_path[i], sizeof socket_path[i], "%s/%d", path, i);
		CHECK_RC(il_server_add_unix(s.server, socket_path[i]), 0);
	}
	service_run(&s);
	for (int i = 0; i < 6; i++) {
		CHECK_RC(il_stream_connect_unix(&c, socket_path[i % 3]), 0);
		CHECK_ASK(c, "hello", "hello");
		if (i == 5)
			CHECK_RC(il_server_close(s.server), 0);
		il_stream_destroy(c);
	}
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(s.visits.connected, 6);
	il_server_destroy(s.server);
	CHECK_EQ(rmdir(path), 0);
}

/* ---- patience ---- */

IL_TEST_REAL(M, a_client_that_is_idle_for_too_long_is_given_up)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;
	il_time start;
	int rc;

	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.idle_timeout = IL_MSEC(40)});
	start = il_now();
	c = dial(&s);
	rc = il_stream_write_all(c, "no end of lin", 13); /* no packet; it may be late */
	CHECK(rc == 0 || rc == -EPIPE || rc == -ECONNRESET);
	check_gone(c);
	CHECK(il_now() - start >= IL_MSEC(40));
	UNTIL(v.disconnected == 1);
	CHECK_EQ(v.last, 0);
	CHECK_LOGGED(IL_LOG_INFO, "in time", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, a_client_without_a_first_request_is_given_up)
{
	struct visits v = {0};
	struct service s;
	il_stream *c = NULL;
	il_time start;
	int fd;

	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.first_request_timeout = IL_MSEC(40)});
	start = il_now();
	check_gone(dial(&s));
	CHECK(il_now() - start >= IL_MSEC(40));
	fd = plain_connect(il_server_port(s.server));
	CHECK_EQ(send(fd, "first\n", 6, MSG_NOSIGNAL), 6);
	CHECK_RC(il_stream_open_fd(&c, fd), 0);
	CHECK_HEARS(c, "first");
	CHECK_RC(il_sleep(IL_MSEC(60)), 0); /* the first request is all that has a limit */
	CHECK_ASK(c, "hello", "hello");
	il_stream_destroy(c);
	service_end(&s);
}

/* ---- sizes ---- */

IL_TEST_REAL(M, a_packet_may_be_as_large_as_the_limit)
{
	enum { MOST = 60000 };
	struct visits v = {0};
	struct service s;
	char *sent = malloc(MOST + 1), *got = malloc(MOST + 1);
	il_stream *c;

	memset(sent, 'x', MOST);
	sent[MOST] = '\n';
	service_start(&s, &echo_handler, &v, il_protocol_lines(),
		      &(il_server_options){.max_packet = MOST, .receive_buffer = 300});
	c = dial(&s);
	CHECK_RC(il_stream_write_all(c, sent, MOST + 1), 0);
	CHECK_RC(il_stream_receive_exactly(c, got, MOST + 1), 0);
	CHECK(memcmp(sent, got, MOST + 1) == 0);
	CHECK_RC(il_stream_write_all(c, sent, MOST), 0);
	CHECK_RC(il_stream_write_all(c, sent, MOST + 1), 0);
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, -EMSGSIZE);
	service_end(&s);
	free(sent);
	free(got);
}

static void check_bad_options(const il_server_options *options, const char *words)
{
	il_server *server = NULL;

	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    NULL, options),
		 -EINVAL);
	CHECK_DETAIL(words);
}

IL_TEST_REAL(M, what_cannot_be_is_refused)
{
	const il_handler none = {.on_connection = visit_begin};
	il_server *server = NULL;
	il_packet p;

	check_bad_options(&(il_server_options){.idle_timeout = -1}, "idle_timeout");
	check_bad_options(&(il_server_options){.first_request_timeout = -1},
			  "first_request_timeout");
	check_bad_options(&(il_server_options){.request_timeout = -1}, "request_timeout");
	check_bad_options(&(il_server_options){.limits = (enum il_limits)7}, "limits");
	check_bad_options(&(il_server_options){.grace_period = -1}, "grace_period");
	check_bad_options(&(il_server_options){.backlog = -1}, "backlog");
	check_bad_options(&(il_server_options){.unix_mode = 010000}, "unix_mode");
	CHECK_RC(
	    il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &none, NULL, NULL),
	    -EINVAL);
	CHECK_RC(il_tcp_server_open(NULL, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    NULL, NULL),
		 -EINVAL);
	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "99999", il_protocol_lines(),
				    &echo_handler, NULL, NULL),
		 -EINVAL);
	CHECK_RC(il_server_serve(NULL), -EINVAL);
	CHECK_RC(il_server_shutdown(NULL), -EINVAL);
	CHECK_RC(il_server_close(NULL), -EINVAL);
	CHECK_RC(il_client_receive(NULL, &p, 0), -EINVAL);
	CHECK_RC(il_client_send(NULL, "", 0), -EINVAL);
	CHECK_RC(il_client_close(NULL), -EINVAL);
	il_server_destroy(NULL);
	il_client_unref(NULL);
}

static int call_from_outside(void *arg)
{
	struct service *s = arg;
	il_packet p;

	CHECK_RC(il_server_shutdown(s->server), -EPERM);
	CHECK_RC(il_server_close(s->server), -EPERM);
	CHECK_RC(il_server_serve(s->server), -EPERM);
	CHECK_RC(il_server_start_soon(s->server, NULL, serve, NULL), -EPERM);
	CHECK_RC(il_client_receive(s->visits.client, &p, 0), -EPERM);
	CHECK_RC(il_client_send(s->visits.client, "", 0), -EPERM);
	CHECK_RC(il_client_close(s->visits.client), -EPERM);
	return 0;
}

IL_TEST_REAL(M, another_thread_is_refused)
{
	struct service s = {0};
	struct il_test_thread t;
	il_stream *c;

	service_lines(&s, &echo_handler, &s.visits);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	il_test_thread_start(&t, call_from_outside, &s);
	CHECK_RC(il_test_thread_join(&t), 0);
	CHECK_ASK(c, "hello", "hello");
	il_stream_destroy(c);
	service_end(&s);
}

/* ---- several addresses ---- */

IL_TEST_REAL(M, a_server_listens_on_several_addresses_in_each_round)
{
	struct service s = {0};
	char path[] = "/tmp/il-test-XXXXXX", socket_path[64], name[80];
	il_stream *c = NULL;

	CHECK(mkdtemp(path) != NULL);
	snprintf(socket_path, sizeof socket_path, "%s/s", path);
	CHECK_RC(il_unix_server_open(&s.server, socket_path, il_protocol_lines(), &echo_handler,
				     &s.visits, &(il_server_options){.unix_mode = 0600}),
		 0);
	CHECK_EQ(il_server_port(s.server), 0);
	CHECK_RC(il_server_add_tcp(s.server, "127.0.0.1", "0"), 0);
	CHECK_RC(il_server_add_tcp(s.server, "127.0.0.2", "0"), 0);
	CHECK_RC(il_server_add_unix(s.server, "/nonexistent/socket"), -ENOENT);
	for (int round = 0; round < 2; round++) {
		service_run(&s);
		CHECK_RC(il_server_add_tcp(s.server, "127.0.0.1", "0"), -EBUSY);
		CHECK_RC(il_stream_connect_unix(&c, socket_path), 0);
		CHECK_ASK(c, "unix", "unix");
		snprintf(name, sizeof name, "%s#", socket_path);
		CHECK(strncmp(il_client_address(s.visits.client), name, strlen(name)) == 0);
		il_stream_destroy(c);
		c = dial(&s);
		CHECK_ASK(c, "tcp", "tcp");
		il_stream_destroy(c);
		CHECK_RC(il_server_shutdown(s.server), 0);
		CHECK_RC(service_result(&s), 0);
		CHECK(access(socket_path, F_OK) < 0);
	}
	il_server_destroy(s.server);
	CHECK_EQ(rmdir(path), 0);
}

/* ---- two tasks and one client ---- */

struct shared {
	struct visits v;
	il_client *client;
	int other_rc;
};

static int meddle(void *arg)
{
	struct shared *x = arg;
	il_packet p;

	x->other_rc = il_client_receive(x->client, &p, IL_FOREVER);
	return il_client_close(x->client);
}

static int share(il_client *client, void *data)
{
	struct shared *x = data;
	il_packet p;

	x->client = il_client_ref(client);
	CHECK_RC(il_server_start_soon(il_client_server(client), NULL, meddle, x), 0);
	return visit_receive(client, &x->v, &p, IL_FOREVER);
}

IL_TEST_REAL(M, one_task_receives_and_another_may_close)
{
	const il_handler h = handler_with(share);
	struct shared x = {.client = NULL};
	struct service s;
	il_packet p;

	service_lines(&s, &h, &x);
	check_gone(dial(&s));
	UNTIL(x.v.disconnected == 1 && il_server_clients(s.server) == 0);
	CHECK_RC(x.other_rc, -EBUSY);
	CHECK_RC(x.v.last, -EBADF);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK(il_client_server(x.client) == NULL);
	CHECK(il_client_is_closing(x.client));
	CHECK_RC(il_client_receive(x.client, &p, 0), -EBADF);
	CHECK_RC(il_client_send(x.client, "late", 4), -EBADF);
	CHECK_RC(il_client_close(x.client), 0);
	service_end(&s);
	il_client_unref(x.client);
}

/* ---- slow peers ---- */

enum { PART = 100000, PARTS = 10 };

static int send_parts(il_client *client, char fill)
{
	char *part = malloc(PART);
	int rc = 0;

	CHECK(part != NULL);
	memset(part, fill, PART);
	for (int i = 0; i < PARTS && rc == 0; i++)
		rc = il_client_send(client, part, PART);
	free(part);
	return rc;
}

static int send_beside(void *client)
{
	return send_parts(client, 'b');
}

static int send_from_two(il_client *client, void *data)
{
	il_group g;
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, send_beside, client), 0);
	return il_group_close(&g, send_parts(client, 'a'));
}

IL_TEST_REAL(M, packets_of_two_tasks_reach_a_slow_peer_whole)
{
	const il_handler h = handler_with(send_from_two);
	struct visits v = {0};
	struct service s;
	char *part = malloc(4 + PART);
	il_stream *c;
	int seen[256] = {0};

	service_start(&s, &h, &v, il_protocol_length_prefixed(), NULL);
	c = dial(&s);
	CHECK_RC(il_stream_write_all(c, "\0\0\0\1x", 5), 0);
	for (int i = 0; i < 2 * PARTS; i++) {
		CHECK_RC(il_stream_receive_exactly(c, part, 4 + PART), 0);
		CHECK(memcmp(part, "\0\1\206\240", 4) == 0);
		CHECK(memcmp(part + 4, part + 5, PART - 1) == 0);
		seen[(unsigned char)part[4]]++;
	}
	CHECK_EQ(seen['a'], PARTS);
	CHECK_EQ(seen['b'], PARTS);
	il_stream_destroy(c);
	service_end(&s);
	free(part);
}

struct sending {
	struct visits v;
	size_t size; /* of a packet */
	int sent;
	bool cancelled;
	il_scope scope;
};

/* Sends until the system takes no more; then the send is cancelled. */
static int send_until_cancelled(il_client *client, void *data)
{
	struct sending *x = data;
	il_packet p;
	char *packet;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	packet = calloc(1, x->size);
	CHECK(packet != NULL);
	x->scope = (il_scope)IL_SCOPE_INIT;
	CHECK_RC(il_scope_enter(&x->scope, IL_FOREVER, 0), 0);
	while ((rc = il_client_send(client, packet, x->size)) == 0)
		x->sent++;
	CHECK_RC(il_scope_exit(&x->scope, rc), 0);
	CHECK_RC(rc, -ECANCELED);
	x->cancelled = true;
	free(packet);
	return il_client_is_closing(client) ? 0 : reply(client, "go on");
}

/* The peer takes nothing until the sender is stuck, and is given up. */
static il_stream *get_stuck(const struct service *s, struct sending *x, const char *path)
{
	il_stream *c = NULL;
	int before;

	CHECK_RC(path ? il_stream_connect_unix(&c, path) : 0, 0);
	if (!path)
		c = dial(s);
	say(c, "go\n");
	UNTIL(x->v.handled == 1);
	do {
		before = x->sent;
		CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	} while (before != x->sent);
	CHECK_RC(il_scope_cancel(&x->scope), 0);
	UNTIL(x->cancelled);
	return c;
}

IL_TEST_REAL(M, a_send_cancelled_in_mid_packet_closes_the_client)
{
	const il_handler h = handler_with(send_until_cancelled);
	struct sending x = {.size = (size_t)32 << 20};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &x);
	c = get_stuck(&s, &x, NULL);
	UNTIL(x.v.disconnected == 1);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_stream_destroy(c);
	service_end(&s);
}

/* On a Unix socket a small packet is taken whole or not at all. */
IL_TEST_REAL(M, a_send_cancelled_before_its_first_byte_leaves_the_client_be)
{
	const il_handler h = handler_with(send_until_cancelled);
	struct sending x = {.size = 1000};
	struct service s = {0};
	char path[] = "/tmp/il-test-XXXXXX", socket_path[64], packet[1001];
	il_stream *c;

	CHECK(mkdtemp(path) != NULL);
	snprintf(socket_path, sizeof socket_path, "%s/s", path);
	CHECK_RC(il_unix_server_open(&s.server, socket_path, il_protocol_lines(), &h, &x, NULL), 0);
	service_run(&s);
	c = get_stuck(&s, &x, socket_path);
	CHECK_EQ(x.v.disconnected, 0);
	for (int i = 0; i < x.sent; i++)
		CHECK_RC(il_stream_receive_exactly(c, packet, 1001), 0);
	CHECK_HEARS(c, "go on");
	il_stream_destroy(c);
	service_end(&s);
	CHECK_EQ(rmdir(path), 0);
}

/* ---- floods ---- */

enum { LINES = 20000 };

static int flood(void *stream)
{
	char *all = malloc(6 * LINES);
	int rc;

	CHECK(all != NULL);
	for (int i = 0; i < LINES; i++)
		memcpy(all + (ptrdiff_t)6 * i, "flood\n", 6);
	rc = il_stream_write_all(stream, all, (size_t)6 * LINES);
	free(all);
	return rc;
}

IL_TEST_REAL(M, a_flood_of_requests_is_answered_and_others_are_heard_meanwhile)
{
	struct visits v = {0};
	struct service s;
	il_group g;
	char *got = malloc(6 * LINES);
	il_stream *c, *other;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	other = dial(&s);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, flood, c), 0);
	UNTIL(v.handled > 0);
	CHECK_ASK(other, "hello", "hello");
	CHECK(v.handled < LINES);
	CHECK_RC(il_stream_receive_exactly(c, got, (size_t)6 * LINES), 0);
	for (int i = 0; i < LINES; i++)
		CHECK(memcmp(got + (ptrdiff_t)6 * i, "flood\n", 6) == 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_stream_destroy(c);
	il_stream_destroy(other);
	service_end(&s);
	free(got);
}
