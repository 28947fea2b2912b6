/*
 * u_ends.c: the ends of connections on the simulated network, as on a real stack; what a socket's options do; and that
 * what every task waits for in vain is told.
 */
#include "u_network.h"

/* ---- closing ---- */

IL_TEST_VIRTUAL(U, n408_a_close_is_an_end_then_sends_break)
{
	struct pair *p = pair_open(NULL);

	say(p->far, "bye");
	CHECK_RC(il_stream_close(p->far), 0);
	CHECK_RC(read_some(p->near), 3);
	CHECK_RC(read_some(p->near), 0);
	CHECK_RC(read_some(p->near), 0);
	say(p->near, "x"); /* this one is told */
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_stream_write_all(p->near, "y", 1), -EPIPE);
	CHECK_RC(il_stream_write_all(p->near, "y", 1), -EPIPE);
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n408_each_direction_ends_by_itself)
{
	struct pair *p = pair_open(NULL);

	say(p->near, "ask");
	CHECK_RC(il_stream_shutdown_write(p->near), 0);
	CHECK_RC(il_stream_write_all(p->near, "x", 1), -EPIPE);
	CHECK_RC(read_some(p->far), 3);
	CHECK_RC(read_some(p->far), 0);
	say(p->far, "reply");
	CHECK_RC(il_stream_shutdown_write(p->far), 0);
	CHECK_RC(read_some(p->near), 5);
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n408_a_close_with_unread_bytes_is_a_reset)
{
	struct pair *p = pair_open(NULL);

	say(p->near, "unread");
	say(p->far, "read");
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_stream_close(p->far), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(read_some(p->near), 4); /* what came before */
	CHECK_RC(read_some(p->near), -ECONNRESET);
	CHECK_RC(read_some(p->near), 0);
	CHECK_RC(il_stream_write_all(p->near, "x", 1), -EPIPE);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n408_a_packet_client_tells_a_reset_from_an_end)
{
	struct pair *p = pair_open(NULL);
	il_client *client;
	il_packet packet;

	CHECK_RC(il_client_open(&client, p->near, il_protocol_lines(), NULL), 0);
	p->near = NULL;
	CHECK_RC(il_client_send(client, "half", 4), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_stream_close(p->far), 0);
	CHECK_RC(il_client_receive(client, &packet, IL_FOREVER), -ECONNRESET);
	CHECK_RC(il_client_receive(client, &packet, IL_FOREVER), 0);
	il_client_destroy(client);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n408_what_was_written_before_a_close_arrives)
{
	struct pair *p = pair_open(&(il_virtual_network_options){.latency_min = IL_MSEC(20)});
	static const char data[100000];
	char got[1000];
	size_t n = 0;
	int rc;

	CHECK_RC(il_stream_write(p->near, data, sizeof data), 65537);
	CHECK_RC(il_stream_close(p->near), 0);
	while ((rc = il_stream_read(p->far, got, sizeof got)) > 0)
		n += (size_t)rc;
	CHECK_RC(rc, 0);
	CHECK_EQ(n, 65537);
	pair_close(p);
}

/* ---- listeners ---- */

static int connect_and_read(void *arg)
{
	il_stream *s;
	int rc = stream_to(&s, arg);

	if (rc < 0)
		return rc;
	rc = read_some(s);
	il_stream_destroy(s);
	return rc;
}

IL_TEST_VIRTUAL(U, n408_a_closed_listener_resets_whom_it_has_not_accepted)
{
	il_virtual_network *n = network_with(NULL);
	il_listener *l;
	il_stream *accepted;
	char data[1];

	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", NULL), 0);
	host(n, "first", connect_and_read, "10.0.0.1");
	CHECK_RC(il_listener_accept(l, &accepted), 0);
	host(n, "second", connect_and_read, "10.0.0.1");
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	il_listener_destroy(l);
	CHECK_RC(ended(n, "second"), -ECONNRESET);
	host(n, "third", connect_and_read, "10.0.0.1");
	CHECK_RC(ended(n, "third"), -ECONNREFUSED);
	say(accepted, "alive");
	CHECK_RC(ended(n, "first"), 5);
	CHECK_RC(il_stream_read(accepted, data, 1), 0);
	il_stream_destroy(accepted);
	CHECK_RC(il_virtual_network_close(n), 0);
}

static int connect_in_time(void *arg)
{
	il_stream *s = NULL;
	int rc = il_stream_connect_tcp(&s, arg, "7", &(il_connect_options){.timeout = IL_SEC(10)});

	if (rc == 0)
		rc = il_sleep(IL_SEC(1000));
	il_stream_destroy(s);
	return rc;
}

IL_TEST_VIRTUAL(U, n409_a_full_backlog_lets_others_wait)
{
	il_virtual_network *n = network_with(NULL);
	char names[5][2] = {"a", "b", "c", "d", "e"};
	il_listener *l;
	il_stream *accepted;
	int late = 0;

	CHECK_RC(il_listener_open_tcp(&l, NULL, "7", &(il_listen_options){.backlog = 2}), 0);
	for (int i = 0; i < 5; i++)
		host(n, names[i], connect_in_time, "10.0.0.1");
	CHECK_RC(il_sleep(IL_SEC(30)), 0);
	for (int i = 0; i < 5; i++)
		late += il_virtual_host_wait(n, names[i], 0) == -ETIMEDOUT &&
			strstr(il_error_detail(), "no connection");
	CHECK_EQ(late, 2);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_listener_accept(l, &accepted), 0);
		il_stream_destroy(accepted);
	}
	il_listener_destroy(l);
	CHECK_RC(il_virtual_network_close(n), 0);
}

/* ---- options ---- */

IL_TEST_VIRTUAL(U, n410_keepalive_finds_a_dead_peer)
{
	struct pair *p = pair_open(NULL);
	il_time start = il_now();

	CHECK_RC(il_stream_set_nodelay(p->near, false), 0);
	CHECK_RC(il_stream_set_keepalive(p->near, true), 0);
	CHECK_RC(il_stream_set_keepalive_times(p->near, IL_SEC(10), IL_SEC(5), 3, 0), 0);
	CHECK_RC(il_stream_set_keepalive_times(p->near, -1, IL_SEC(5), 3, 0), -EINVAL);
	CHECK_RC(il_fail_after(IL_SEC(1000), read_some, p->near), -ETIMEDOUT);
	CHECK(!strstr(il_error_detail(), "Connection timed out"));
	CHECK_RC(il_virtual_host_crash(p->n, "far"), 0);
	start = il_now();
	CHECK_RC(read_some(p->near), -ETIMEDOUT);
	CHECK_DETAIL("il_stream_read");
	CHECK(il_now() - start <= IL_SEC(10 + 3 * 5));
	CHECK_RC(read_some(p->near), 0);
	pair_close(p);
}

IL_TEST_VIRTUAL(U, n410_a_time_limit_for_what_is_sent_holds)
{
	struct pair *p = pair_open(NULL);
	il_time start;

	CHECK_RC(il_stream_set_keepalive_times(p->near, 0, 0, 0, IL_SEC(30)), 0);
	CHECK_RC(il_virtual_partition(p->n, "near", "far"), 0);
	say(p->near, "x");
	start = il_now();
	CHECK_RC(read_some(p->near), -ETIMEDOUT);
	CHECK_EQ(il_now() - start, IL_SEC(30));
	pair_close(p);
}

/* ---- every task waits ---- */

static int deadlock_main(void *arg)
{
	il_virtual_network *n;
	int rc;

	(void)arg;
	CHECK_RC(il_virtual_network_open(&n, NULL), 0);
	host(n, "server", echo_server, NULL);
	rc = il_virtual_host_wait(n, "server", IL_FOREVER);
	CHECK_RC(il_virtual_network_close(n), 0);
	return rc;
}

IL_TEST_OWN_VIRTUAL(U, n411_when_every_task_waits_host_task_and_call_are_told)
{
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, deadlock_main, NULL), -EDEADLK);
	CHECK_DETAIL("main waits in il_virtual_host_wait");
	CHECK_DETAIL("server/main waits in il_server_serve");
	il_loop_destroy(loop);
}

static int wait_for_datagram(void *arg)
{
	char data[8];
	il_datagram *d;
	int rc;

	(void)arg;
	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	rc = il_datagram_receive(d, data, sizeof data, NULL);
	il_datagram_destroy(d);
	return rc;
}

static int held_main(void *arg)
{
	il_virtual_network *n;
	il_datagram *d;
	int rc;

	(void)arg;
	CHECK_RC(il_virtual_network_open(&n, NULL), 0);
	host(n, "receiver", wait_for_datagram, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_virtual_hold(n, "", "receiver"), 0);
	CHECK_RC(il_datagram_connect_udp(&d, "receiver", "9", NULL), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	rc = il_virtual_host_wait(n, "receiver", IL_FOREVER);
	il_datagram_destroy(d);
	CHECK_RC(il_virtual_network_close(n), 0);
	return rc;
}

IL_TEST_OWN_VIRTUAL(U, n411_what_is_held_is_told_too)
{
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, held_main, NULL), -EDEADLK);
	CHECK_DETAIL("1 messages are held");
	CHECK_DETAIL("receiver/main waits in il_datagram_receive");
	il_loop_destroy(loop);
}

/* Both have filled the other's buffer, and read nothing. */
static int write_forever(void *stream)
{
	static const char zeros[4096];
	int rc;

	while ((rc = il_stream_write_all(stream, zeros, sizeof zeros)) == 0)
		;
	return rc;
}

static int stuck_main(void *arg)
{
	struct pair *p = pair_open(NULL);
	il_group group;
	int rc;

	(void)arg;
	CHECK_RC(il_stream_set_keepalive(p->near, true), 0);
	CHECK_RC(il_group_open(&group), 0);
	CHECK_RC(il_group_start_soon(&group, NULL, write_forever, p->near), 0);
	rc = il_group_close(&group, write_forever(p->far));
	pair_close(p);
	return rc;
}

IL_TEST_OWN_VIRTUAL(U, n411_closed_windows_and_keepalive_are_no_life)
{
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, stuck_main, NULL), -EDEADLK);
	CHECK_DETAIL("waits in il_stream_write_all");
	il_loop_destroy(loop);
}

static int crowd_main(void *arg)
{
	il_virtual_network *n;
	char name[64];
	int rc;

	CHECK_RC(il_virtual_network_open(&n, NULL), 0);
	for (int i = 0; i < *(const int *)arg; i++) {
		snprintf(name, sizeof name, "a-host-of-which-there-are-many-%d", i);
		host(n, name, sleep_forever, NULL);
	}
	rc = il_sleep_forever();
	CHECK_RC(il_virtual_network_close(n), 0);
	return rc;
}

/* Each is named, or counted; none in part. */
IL_TEST_OWN_VIRTUAL(U, of_more_tasks_than_fit_it_is_told_how_many_there_are)
{
	for (int hosts = 0; hosts < 12; hosts++) {
		const char *told, *more;
		int named = 0;
		il_loop *loop;

		CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
		CHECK_RC(il_loop_run(loop, crowd_main, &hosts), -EDEADLK);
		told = il_error_detail();
		CHECK_EQ(strncmp(told, "il_loop_run: every task is asleep forever: main ", 48), 0);
		for (const char *at = told; (at = strstr(at, "waits in il_sleep_forever")); at++)
			named++;
		more = strstr(told, ", and ");
		CHECK_EQ(named + (more ? atoi(more + 6) : 0), hosts + 1);
		CHECK_STR(told + strlen(told) - (more ? 5 : 14), more ? " more" : "_sleep_forever");
		CHECK(more || hosts < 4);
		il_loop_destroy(loop);
	}
}

/* ---- what is real ---- */

IL_TEST_VIRTUAL(U, n412_descriptors_stay_real_and_streams_have_none)
{
	struct pair *p = pair_open(NULL);
	il_stream *a, *b;
	il_server *server;
	char data[8];
	int fd = 0;
	int count = 1;

	CHECK_RC(il_stream_fd(p->near), -ENOTSUP);
	CHECK_RC(il_stream_take_fd(p->near), -ENOTSUP);
	CHECK_RC(il_stream_send_fds(p->near, "x", 1, &fd, 1), -ENOTSUP);
	CHECK_RC(il_stream_receive_fds(p->near, data, sizeof data, &fd, &count), -ENOTSUP);
	CHECK_RC(il_stream_pair(&a, &b), 0);
	CHECK(il_stream_fd(a) >= 0);
	CHECK_RC(il_wait_fd(il_stream_fd(a), IL_WRITABLE), IL_WRITABLE);
	say(a, "real");
	CHECK_RC(read_some(b), 4);
	il_stream_destroy(a);
	il_stream_destroy(b);
	CHECK_RC(
	    il_tcp_server_open(&server, NULL, "0", il_protocol_lines(), &echo_handler, NULL, NULL),
	    0);
	CHECK(il_server_port(server) != 0);
	CHECK_RC(il_server_fd(server, 0), -ENOTSUP);
	CHECK_RC(il_server_fd(server, 1), -ENOENT);
	il_server_destroy(server);
	pair_close(p);
}

IL_TEST(U, n412_real_loops_have_no_simulated_network)
{
	il_virtual_network *n = NULL;

	if (il_test_virtual()) {
		CHECK_RC(il_virtual_network_open(&n, NULL), 0);
		CHECK_RC(il_virtual_network_open(&n, NULL), -EBUSY);
		CHECK_RC(il_virtual_network_close(n), 0);
		CHECK_RC(il_virtual_network_open(&n, NULL), 0);
		CHECK_RC(il_virtual_network_close(n), 0);
		CHECK_RC(il_virtual_network_open(NULL, NULL), -EINVAL);
		CHECK_RC(il_virtual_network_open(&n, &(il_virtual_network_options){.buffer = 1}),
			 -EINVAL);
	} else {
		CHECK_RC(il_virtual_network_open(&n, NULL), -ENOTSUP);
		CHECK_DETAIL("il_virtual()");
		CHECK(!n);
	}
}

/* ---- a full server ---- */

static il_server_options for_one = {.max_clients = 1};

/* Two clients: the server has room for the first. */
static void fill(il_stream *c[2])
{
	for (int i = 0; i < 2; i++)
		CHECK_RC(stream_to(&c[i], "server"), 0);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
}

IL_TEST_VIRTUAL(U, a_full_server_is_logged_once_until_it_has_had_room_for_ten_seconds)
{
	il_virtual_network *n = network_with(NULL);
	il_stream *c[2];

	host(n, "server", echo_server, &for_one);
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	fill(c);
	for (int i = 0; i < 4; i++) { /* however long each of them stays */
		CHECK_RC(il_sleep(IL_SEC(20)), 0);
		il_stream_destroy(c[0]);
		c[0] = c[1];
		CHECK_RC(stream_to(&c[1], "server"), 0);
		CHECK_RC(il_sleep(IL_SEC(1)), 0);
	}
	CHECK_LOGGED(IL_LOG_WARNING, "there are max_clients, 1", 1);
	il_stream_destroy(c[0]);
	il_stream_destroy(c[1]);
	CHECK_RC(il_sleep(IL_SEC(20)), 0);
	fill(c);
	CHECK_LOGGED(IL_LOG_WARNING, "there are max_clients, 1", 2);
	il_stream_destroy(c[0]);
	il_stream_destroy(c[1]);
	CHECK_RC(il_virtual_network_close(n), 0);
}
