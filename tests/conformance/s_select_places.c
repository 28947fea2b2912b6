/*
 * s_select_places.c: where only one may wait, two cases of one select may not either, nor one case beside another
 * task: the whole select is refused, whatever else is ready, before anything is asked or taken.
 */
#include "l_net.h"
#include "r_net.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

#include <interloop/layer.h>
#include <interloop/server.h>

#include <signal.h>
#include <unistd.h>

/* Also where a case before them is ready. */
static void check_busy(il_case *cases, size_t count)
{
	struct both_ends c = new_channel(1);
	il_case all[4];
	int item = 0;

	CHECK(count < 4);
	all[0] = il_case_receive(c.in, &item);
	memcpy(&all[1], cases, count * sizeof *cases);
	for (int ready = 0; ready < 2; ready++) {
		CHECK_RC(il_select(all, count + 1, 0), -EBUSY);
		CHECK_DETAIL("il_select");
		CHECK_RC(il_select(all, count + 1, il_test_patience()), -EBUSY);
		if (!ready)
			send_now(&c, 1);
	}
	check_next(&c, 1);
	CHECK_EQ(item, 0);
	destroy_channel(&c);
}

/* Each of them alone may wait, both together may not, in either order. */
static void check_one_waiter(il_case a, il_case b)
{
	il_case both[] = {a, b}, reverse[] = {b, a};

	check_busy(both, 2);
	check_busy(reverse, 2);
	CHECK(poll_case(a) != -EBUSY);
	CHECK(poll_case(b) != -EBUSY);
}

/* While another task waits there, none of them may wait. */
static void check_waits_alone(il_fn *wait, void *object, il_case a, il_case b)
{
	struct waiter w = {.rc = 1};
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &w, wait, object);
	check_busy(&a, 1);
	check_busy(&b, 1);
	CHECK_RC(il_scope_cancel(&w.scope), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_waited(&w, -ECANCELED);
	CHECK(poll_case(a) != -EBUSY);
}

/* ---- descriptors ---- */

static void make_pair(int fd[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static void close_pair(const int fd[2])
{
	CHECK_RC(il_notify_closing(fd[0]), 0);
	close(fd[0]);
	close(fd[1]);
}

static void check_descriptor(int fd)
{
	const unsigned both = IL_READABLE | IL_WRITABLE;

	check_one_waiter(il_case_fd(fd, IL_READABLE), il_case_fd(fd, IL_READABLE));
	check_one_waiter(il_case_fd(fd, IL_WRITABLE), il_case_fd(fd, both));
	CHECK_RC(poll_case(il_case_fd(fd, both)), IL_WRITABLE);
}

IL_TEST(S, n374_one_direction_of_a_descriptor_is_not_in_two_cases)
{
	int fd[2];

	make_pair(fd);
	for (int known = 0; known < 2; known++) {
		struct chooser c = {.cases = {il_case_fd(fd[0], IL_READABLE)}};
		il_group g;

		check_descriptor(fd[0]);
		CHECK_RC(il_group_open(&g), 0);
		start_choosing(&g, &c, 1);
		CHECK_RC(il_scope_cancel(&c.scope), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
	}
	close_pair(fd);
}

IL_TEST_CORE(S, n374_nor_is_it_where_there_is_no_loop)
{
	int fd[2];
	il_case twice[2];

	make_pair(fd);
	for (int i = 0; i < 2; i++)
		twice[i] = il_case_fd(fd[0], IL_WRITABLE);
	CHECK_RC(il_select(twice, 2, 0), -EBUSY);
	twice[0] = il_case_fd(fd[0], IL_READABLE);
	CHECK_RC(il_select(twice, 2, 0), 1);
	close(fd[0]);
	close(fd[1]);
}

enum { MANY = 200 };

/* However many there are; and each direction of each once is not too much. */
IL_TEST(S, n374_one_of_very_many_that_is_there_twice_is_found)
{
	il_case *cases = malloc(2 * MANY * sizeof *cases);
	int fd[2], copy[MANY];

	CHECK(cases != NULL);
	make_pair(fd);
	for (int i = 0; i < MANY; i++) {
		copy[i] = dup(fd[0]);
		CHECK(copy[i] >= 0);
		cases[i] = il_case_fd(copy[i], IL_READABLE);
		cases[MANY + i] = il_case_fd(copy[i], IL_WRITABLE);
	}
	CHECK_RC(il_select(cases, MANY, 0), -ETIMEDOUT);
	CHECK_RC(il_select(cases, 2 * MANY, 0), MANY);
	for (int i = 1; i < 2 * MANY; i += 7) {
		const il_case one = cases[i];
		cases[i] = cases[i < MANY ? 0 : MANY];
		if (i != MANY)
			CHECK_RC(il_select(cases, 2 * MANY, 0), -EBUSY);
		cases[i] = one;
	}
	cases[MANY - 1] = cases[0];
	cases[0].fd = -1;
	CHECK_RC(il_select(cases, 2 * MANY, 0), MANY); /* one that is off is nowhere */
	for (int i = 0; i < MANY; i++)
		close(copy[i]);
	close_pair(fd);
	free(cases);
}

/* ---- streams and clients ---- */

IL_TEST_REAL(S, n375_one_direction_of_a_stream_is_not_in_two_cases)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		const il_case readable = il_case_stream(e.a, IL_READABLE);

		check_one_waiter(readable, readable);
		check_one_waiter(il_case_stream(e.a, IL_READABLE | IL_WRITABLE),
				 il_case_stream(e.a, IL_WRITABLE));
		check_one_waiter(readable, il_case_fd(il_stream_fd(e.a), IL_READABLE));
		check_waits_alone(read_some, e.a, readable,
				  il_case_fd(il_stream_fd(e.a), IL_READABLE));
		drop(&e);
	}
}

IL_TEST_REAL(S, n375_a_client_is_not_in_two_cases_nor_beside_its_stream)
{
	struct ends e = ends_of(PAIR);
	il_client *client = NULL;
	il_case cases[2];

	CHECK_RC(il_client_open(&client, e.a, il_protocol_lines(), NULL), 0);
	cases[0] = il_case_client(client);
	check_one_waiter(cases[0], cases[0]);
	check_one_waiter(cases[0], il_case_stream(e.a, IL_READABLE));
	check_one_waiter(cases[0], il_case_fd(il_stream_fd(e.a), IL_READABLE));
	cases[1] = il_case_stream(e.a, IL_WRITABLE);
	CHECK_RC(il_select(cases, 2, 0), 1);
	CHECK_RC(il_client_close(client), 0);
	cases[1] = cases[0];
	CHECK_RC(il_select(cases, 2, 0), 0); /* nobody waits for a closed one */
	CHECK_RC(cases[0].rc, -EBADF);
	il_client_destroy(client);
	il_stream_destroy(e.b);
}

/* ---- a transport's ---- */

static int asked; /* how often, of all */

static int counted_receive(void *self, void *data, size_t max)
{
	(void)self, (void)data, (void)max;
	asked++;
	return -EAGAIN;
}

static int counted_send(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	asked++;
	return -EAGAIN;
}

IL_TEST(S, n375_a_transport_in_two_cases_is_not_even_asked)
{
	const struct il_transport transport = {.receive = counted_receive, .send = counted_send};
	il_stream *s = NULL, *other = NULL;
	il_client *client = NULL;
	il_case two[2];

	CHECK_RC(il_stream_open_transport(&s, &transport, NULL), 0);
	CHECK_RC(il_stream_open_transport(&other, &transport, NULL), 0);
	two[0] = il_case_stream(s, IL_READABLE);
	two[1] = il_case_stream(s, IL_READABLE | IL_WRITABLE);
	asked = 0;
	check_busy(two, 2);
	CHECK_EQ(asked, 0);
	two[1] = il_case_stream(s, IL_WRITABLE);
	CHECK_RC(il_select(two, 2, IL_MSEC(1)), -ETIMEDOUT);
	two[1] = il_case_stream(other, IL_READABLE);
	CHECK_RC(il_select(two, 2, IL_MSEC(1)), -ETIMEDOUT);
	CHECK_RC(il_client_open(&client, s, il_protocol_lines(), NULL), 0);
	two[1] = il_case_client(client);
	asked = 0;
	check_busy(two, 2);
	two[0] = two[1];
	check_busy(two, 2);
	CHECK_EQ(asked, 0);
	il_client_destroy(client);
	il_stream_destroy(other);
}

/* ---- the others ---- */

IL_TEST_REAL(S, n374_a_datagram_socket_has_one_receiver)
{
	il_datagram *d = bound("127.0.0.1");
	int fd = il_datagram_fd(d);

	check_one_waiter(il_case_datagram(d), il_case_datagram(d));
	check_one_waiter(il_case_datagram(d), il_case_fd(fd, IL_READABLE));
	check_waits_alone(wait_readable, &fd, il_case_datagram(d), il_case_fd(fd, IL_READABLE));
	il_datagram_destroy(d);
}

IL_TEST_REAL(S, n374_a_listener_has_one_that_accepts)
{
	il_listener *listener = listen_here();
	int fd = il_listener_fd(listener, 0);

	check_one_waiter(il_case_listener(listener), il_case_listener(listener));
	check_one_waiter(il_case_listener(listener), il_case_fd(fd, IL_READABLE));
	check_waits_alone(wait_readable, &fd, il_case_listener(listener),
			  il_case_fd(fd, IL_READABLE));
	check_waits_alone(accept_one, listener, il_case_listener(listener),
			  il_case_fd(fd, IL_READABLE));
	il_listener_destroy(listener);
}

IL_TEST_REAL(S, n374_nor_is_any_socket_of_a_listener_in_another_case)
{
	il_listener *listener = NULL;
	size_t count = 0;
	int fd;

	CHECK_RC(il_listener_open_tcp(&listener, NULL, "0", NULL), 0); /* one for each family */
	for (; (fd = il_listener_fd(listener, count)) >= 0; count++)
		check_one_waiter(il_case_listener(listener), il_case_fd(fd, IL_READABLE));
	CHECK(count > 0);
	CHECK_RC(fd, -ENOENT);
	il_listener_destroy(listener);
}

IL_TEST_REAL(S, n376_a_signal_receiver_has_one_that_receives)
{
	il_signal_receiver *r = NULL;
	int first = 0, second = 0;
	il_case twice[2];

	CHECK_RC(il_signal_receiver_open(&r, (const int[]){SIGUSR1}, 1), 0);
	twice[0] = il_case_signal(r, &first);
	twice[1] = il_case_signal(r, &second);
	CHECK_EQ(raise(SIGUSR1), 0);
	check_busy(twice, 2);
	CHECK_EQ(first + second, 0);
	CHECK_RC(poll_case(twice[1]), SIGUSR1);
	CHECK_EQ(second, SIGUSR1);
	check_waits_alone(next_signal, r, twice[0], twice[1]);
	il_signal_receiver_destroy(r);
}

/* ---- where any number may wait ---- */

IL_TEST(S, n369_of_an_object_that_many_may_wait_for_the_first_case_happens)
{
	il_event *event = new_event();
	il_semaphore *semaphore = new_semaphore(0, 1);
	il_lock *lock = new_lock();
	il_limiter *limiter = new_limiter(1);
	il_future *future = new_future();
	il_case kinds[] = {il_case_event(event), il_case_semaphore(semaphore), il_case_lock(lock),
			   il_case_limiter(limiter), il_case_future(future)};

	CHECK_RC(il_event_set(event), 0);
	CHECK_RC(il_semaphore_release(semaphore), 0);
	CHECK_RC(il_future_set_result(future, 0), 0);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		il_case twice[] = {kinds[i], kinds[i]};
		CHECK_RC(il_select(twice, 2, 0), 0);
	}
	CHECK_EQ(il_semaphore_value(semaphore), 0);
	CHECK_RC(il_limiter_release(limiter), 0);
	CHECK_RC(il_lock_release(lock), 0);
	il_future_unref(future);
	il_limiter_destroy(limiter);
	il_lock_destroy(lock);
	il_semaphore_destroy(semaphore);
	il_event_destroy(event);
}
