/*
 * p_transports.c: what a transport may rely on: how it is asked, told and closed. Its functions here are those of a ring,
 * or one end of a socket pair, with one thing changed.
 */
#include "l_net.h"
#include "p_rings.h"
#include "s_select.h"
#include "waiter.h"
#include "waits.h"

static int wait_flush(void *arg)
{
	return il_stream_write_all(arg, NULL, 0);
}

/* ---- closing from inside ---- */

/* Closes its own stream, or destroys it, or cancels a scope, in the function that is named; the others do nothing. */
struct closing {
	il_stream *s;
	const char *where;
	bool destroys;
	bool drained;      /* it has said so before */
	il_scope *cancels; /* NULL: it closes */
	int inside, closes, destroyed;
};

static int close_in(struct closing *c, const char *where, int rc)
{
	CHECK_EQ(c->closes, 0);
	c->inside++;
	if (strcmp(c->where, where) == 0) {
		if (c->cancels)
			CHECK_RC(il_scope_cancel(c->cancels), 0);
		else if (c->destroys)
			il_stream_destroy(c->s);
		else
			CHECK_RC(il_stream_close(c->s), 0);
		CHECK_EQ(c->closes, 0);
		CHECK_EQ(c->destroyed, 0);
	}
	c->inside--;
	return rc;
}

static int closing_receive(void *self, void *data, size_t max)
{
	const struct closing *c = self;

	(void)data;
	(void)max;
	if (c->drained)
		il_transport_drained(c->s);
	return close_in(self, "receive", -EAGAIN);
}

/* Takes what it is given, and never has sent all. */
static int closing_send(void *self, const struct iovec *pieces, int count)
{
	return close_in(self, "send", count ? (int)pieces[0].iov_len : -EAGAIN);
}

static int closing_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)direction;
	(void)fd;
	(void)mask;
	return close_in(self, "want", -ENOENT);
}

static void closing_idle(void *self, unsigned direction)
{
	(void)direction;
	close_in(self, "idle", 0);
}

static int closing_shutdown(void *self)
{
	return close_in(self, "shutdown", -EAGAIN);
}

static void closing_close(void *self)
{
	struct closing *c = self;

	CHECK_EQ(c->inside, 0);
	CHECK_EQ(c->closes++, 0);
	if (!c->destroys)
		CHECK_RC(il_stream_close(c->s), 0); /* once is enough */
}

static void closing_destroy(void *self)
{
	struct closing *c = self;

	CHECK_EQ(c->inside, 0);
	CHECK_EQ(c->closes, 1);
	CHECK_EQ(c->destroyed++, 0);
}

static const struct il_transport closing_transport = {
    .name = "closing",
    .receive = closing_receive,
    .send = closing_send,
    .want = closing_want,
    .idle = closing_idle,
    .shutdown_write = closing_shutdown,
    .close = closing_close,
    .destroy = closing_destroy,
};

static void check_closing(const char *where, bool destroys)
{
	struct closing c = {.where = where, .destroys = destroys};
	char byte;
	int rc;

	CHECK_RC(il_stream_open_transport(&c.s, &closing_transport, &c), 0);
	if (strcmp(where, "send") == 0) {
		CHECK_RC(il_stream_write_all(c.s, "x", 1), -EBADF);
	} else if (strcmp(where, "shutdown") == 0) {
		CHECK_RC(il_stream_shutdown_write(c.s), -EBADF);
	} else {
		il_scope scope = IL_SCOPE_INIT;
		CHECK_RC(il_scope_enter(&scope, il_deadline(IL_MSEC(5)), 0), 0);
		rc = il_stream_read(c.s, &byte, 1);
		CHECK_RC(rc, -EBADF);
		CHECK_RC(il_scope_exit(&scope, 0), 0);
	}
	CHECK_EQ(c.closes, 1);
	if (!destroys)
		il_stream_destroy(c.s);
	CHECK_EQ(c.destroyed, 1);
}

IL_TEST(P, n289_a_stream_closed_inside_its_transport_is_closed_when_that_has_returned)
{
	const char *const places[] = {"receive", "send", "want", "idle", "shutdown"};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		check_closing(places[i], false);
		check_closing(places[i], true);
	}
}

/* Asked for what the loop goes on with. */
static void check_closing_later(bool shuts, bool destroys)
{
	struct closing c = {.where = "want", .destroys = destroys};

	CHECK_RC(il_stream_open_transport(&c.s, &closing_transport, &c), 0);
	if (shuts)
		CHECK_RC(il_stream_shutdown_write(c.s), -EBADF);
	else
		CHECK_RC(il_stream_write(c.s, "x", 1), 1);
	CHECK_EQ(c.closes, 1);
	if (!destroys)
		il_stream_destroy(c.s);
	CHECK_EQ(c.destroyed, 1);
}

IL_TEST(P, n289_a_stream_may_be_closed_where_its_transport_is_asked_for_the_loop)
{
	for (int way = 0; way < 4; way++)
		check_closing_later(way & 1, way & 2);
}

/* Asked by a select, which has waited for it (`waits`) or is about to. */
static void check_closing_selected(struct closing c, unsigned mask, bool waits, int index)
{
	const char *where = c.where;
	struct chooser chooser;
	il_group g;

	c.where = waits ? "nowhere" : where;
	CHECK_RC(il_stream_open_transport(&c.s, &closing_transport, &c), 0);
	chooser.cases[0] = il_case_stream(c.s, mask);
	CHECK_RC(il_group_open(&g), 0);
	if (waits) {
		start_choosing(&g, &chooser, 1);
		c.where = where;
		il_transport_ready(c.s, mask);
		CHECK_RC(il_group_close(&g, 0), 0);
	} else {
		chooser = (struct chooser){.cases = {chooser.cases[0]}, .count = 1, .timeout = 1};
		CHECK_RC(choose(&chooser), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
	}
	CHECK_RC(chooser.rc, index);
	if (index >= 0)
		CHECK_RC(chooser.cases[0].rc, -EBADF);
	CHECK_EQ(c.closes, 1);
	if (!c.destroys)
		il_stream_destroy(c.s);
	CHECK_EQ(c.destroyed, 1);
}

IL_TEST(P, n375_a_stream_may_be_destroyed_by_its_transport_in_a_select)
{
	for (int destroys = 0; destroys < 2; destroys++)
		for (int waits = 0; waits < 2; waits++) {
			struct closing c = {.destroys = destroys};
			c.where = "receive";
			check_closing_selected(c, IL_READABLE, waits, 0);
			c.where = "send";
			check_closing_selected(c, IL_WRITABLE, waits, 0);
			c.where = "want";
			check_closing_selected(c, IL_READABLE, waits, -EBADF);
			check_closing_selected(c, IL_READABLE | IL_WRITABLE, waits, -EBADF);
			c.drained = true;
			check_closing_selected(c, IL_READABLE, waits, -EBADF);
		}
}

/* What it waits for goes with it. */
static int above_receive(void *self, void *data, size_t max)
{
	return il_stream_read_now(self, data, max);
}

static int above_send(void *self, const struct iovec *pieces, int count)
{
	return il_stream_write_now(self, pieces, count);
}

static il_stream *above_under(void *self)
{
	return self;
}

static const struct il_transport above_transport = {
    .name = "above",
    .receive = above_receive,
    .send = above_send,
    .under = above_under,
};

IL_TEST(P, n289_a_stream_may_be_destroyed_where_the_one_below_is_asked)
{
	struct closing c = {.where = "nowhere", .destroys = true};
	il_stream *below;
	il_case one;
	char byte;

	for (int selects = 0; selects < 2; selects++) {
		CHECK_RC(il_stream_open_transport(&below, &closing_transport, &c), 0);
		CHECK_RC(il_stream_open_transport(&c.s, &above_transport, below), 0);
		one = il_case_stream(c.s, IL_READABLE);
		c.where = "want";
		if (selects)
			CHECK_RC(il_select(&one, 1, IL_SEC(1)), -EBADF);
		else
			CHECK_RC(il_stream_read(c.s, &byte, 1), -EBADF);
		c.where = "nowhere";
		il_stream_destroy(below);
		CHECK_EQ(c.destroyed, 1);
		c.closes = c.destroyed = 0;
	}
}

static void check_cancelling(const char *where)
{
	il_scope scope = IL_SCOPE_INIT;
	struct closing c = {.where = where, .cancels = &scope};

	CHECK_RC(il_stream_open_transport(&c.s, &closing_transport, &c), 0);
	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	if (strcmp(where, "send") == 0)
		CHECK_RC(il_stream_write_all(c.s, "x", 1), -ECANCELED);
	else
		CHECK_RC(read_some(c.s), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	il_stream_destroy(c.s);
}

IL_TEST(P, n286_a_transport_may_cancel_the_wait_for_it)
{
	check_cancelling("receive");
	check_cancelling("send");
	check_cancelling("want");
}

/* ---- the loop's end ---- */

static struct ring_end *left[2];
static il_stream *left_streams[2];

static int leave_open(void *arg)
{
	(void)arg;
	make_rings(left, left_streams);
	return 0;
}

IL_TEST_OWN(P, n289_the_loop_closes_what_is_open_and_the_user_destroys_it)
{
	il_loop *loop;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, leave_open, NULL), 0);
	CHECK_EQ(left[0]->closes, 0);
	CHECK_RC(il_loop_close(loop), 0);
	CHECK_EQ(left[0]->closes, 1);
	CHECK_EQ(left[1]->closes, 1);
	il_stream_destroy(left_streams[0]);
	il_stream_destroy(left_streams[1]);
	il_loop_destroy(loop);
}

/* ---- errors and the end ---- */

IL_TEST(P, n286_an_error_and_the_end_are_final)
{
	struct ring_end *e[2];
	il_stream *s[2];
	char byte;

	make_rings(e, s);
	e[0]->receive_rc = -EPROTO;
	CHECK_RC(il_stream_read(s[0], &byte, 1), -EPROTO);
	CHECK_DETAIL("ring");
	e[0]->receive_rc = 0;
	CHECK_RC(il_stream_read(s[0], &byte, 1), -EPROTO);
	CHECK_DETAIL("ring");
	CHECK_RC(il_stream_read_now(s[0], &byte, 1), -EPROTO);
	say(s[0], "x"); /* the other direction goes on */
	check_hears(s[1], "x");
	e[0]->send_rc = -ECONNRESET;
	CHECK_RC(il_stream_write_all(s[0], "x", 1), -ECONNRESET);
	e[0]->send_rc = 0;
	CHECK_RC(il_stream_write_all(s[0], "x", 1), -ECONNRESET);
	CHECK_RC(il_stream_shutdown_write(s[0]), 0);
	CHECK_RC(il_stream_read(s[1], &byte, 1), 0);
	e[1]->shut = false;
	CHECK_RC(il_stream_read(s[1], &byte, 1), 0);
	il_stream_destroy(s[0]);
	il_stream_destroy(s[1]);
}

static int wait_in_operation(void *self, void *data, size_t max)
{
	(void)self;
	(void)data;
	(void)max;
	return il_sleep(IL_MSEC(1));
}

IL_TEST(P, n286_an_operation_may_not_wait)
{
	struct il_transport waits = ring_transport;
	struct ring_end *e = calloc(1, sizeof *e);
	il_stream *s;
	char byte;

	waits.receive = wait_in_operation;
	CHECK_RC(il_stream_open_transport(&s, &waits, e), 0);
	CHECK_RC(il_stream_read(s, &byte, 1), -EPERM);
	il_stream_destroy(s);
}

/* ---- a descriptor below ---- */

/* Receiving gives a byte once the descriptor can be read, sending takes one then, too: both wait for the same. */
struct same {
	int fd;
	unsigned mask; /* what receiving wants */
	int bytes;
};

static int same_receive(void *self, void *data, size_t max)
{
	struct same *e = self;

	(void)max;
	if (!e->bytes)
		return -EAGAIN;
	*(char *)data = 'x';
	return 1;
}

static int same_send(void *self, const struct iovec *pieces, int count)
{
	struct same *e = self;

	(void)pieces;
	return e->bytes ? count : -EAGAIN;
}

static int same_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	struct same *e = self;

	(void)direction;
	*fd = e->fd;
	*mask = e->mask;
	return 0;
}

static const struct il_transport same_transport = {
    .receive = same_receive, .send = same_send, .want = same_want};

IL_TEST_REAL(P, n286_reader_and_writer_may_wait_for_the_same_direction)
{
	struct waiter reader = {.name = "reader"}, writer = {.name = "writer"};
	struct same e = {.mask = IL_READABLE};
	il_stream *s;
	il_group g;
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	e.fd = fd[0];
	CHECK_RC(il_stream_open_transport(&s, &same_transport, &e), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, s);
	start_waiting(&g, &writer, wait_flush, s);
	e.bytes = 1;
	CHECK_EQ(write(fd[1], "x", 1), 1);
	UNTIL(reader.returned && writer.returned);
	check_waited(&reader, 1);
	check_waited(&writer, 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_stream_destroy(s);
	close(fd[0]);
	close(fd[1]);
}

IL_TEST_REAL(P, n286_receiving_may_wait_for_writability)
{
	struct waiter reader = {.name = "reader"};
	struct same e = {.mask = IL_WRITABLE};
	char much[4096] = {0}, byte;
	il_stream *s;
	il_group g;
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	while (write(fd[0], much, sizeof much) > 0)
		;
	e.fd = fd[0];
	CHECK_RC(il_stream_open_transport(&s, &same_transport, &e), 0);
	CHECK_RC(il_group_open(&g), 0);
	start_waiting(&g, &reader, read_some, s);
	e.bytes = 1;
	while (read(fd[1], much, sizeof much) > 0)
		;
	UNTIL(reader.returned);
	check_waited(&reader, 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	il_stream_destroy(s);
	e = (struct same){.fd = 1023, .mask = IL_READABLE};
	CHECK_RC(il_stream_open_transport(&s, &same_transport, &e), 0);
	CHECK_RC(il_stream_read(s, &byte, 1), -EBADF);
	CHECK_DETAIL("1023");
	il_stream_destroy(s);
	close(fd[0]);
	close(fd[1]);
}

/* ---- ready while it is asked ---- */

/* A byte comes just when it is asked what is to be waited for. */
struct prompt {
	il_stream *s;
	unsigned when; /* the direction that it is asked for */
	int fd;        /* never ready; -1: it only tells */
	bool byte;
};

static int prompt_receive(void *self, void *data, size_t max)
{
	struct prompt *p = self;

	(void)max;
	if (!p->byte)
		return -EAGAIN;
	*(char *)data = 'x';
	p->byte = false;
	return 1;
}

static int prompt_send(void *self, const struct iovec *pieces, int count)
{
	(void)self, (void)pieces, (void)count;
	return -EAGAIN;
}

static int prompt_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	struct prompt *p = self;

	if (direction == p->when) {
		p->byte = true;
		il_transport_ready(p->s, IL_READABLE);
	}
	*fd = p->fd;
	*mask = IL_READABLE;
	return p->fd < 0 ? -ENOENT : 0;
}

static const struct il_transport prompt_transport = {
    .name = "prompt", .receive = prompt_receive, .send = prompt_send, .want = prompt_want};

IL_TEST_REAL(P, n290_what_a_transport_says_while_it_is_asked_is_heard)
{
	int fd[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	for (int way = 0; way < 2; way++) {
		struct prompt p = {.when = IL_READABLE, .fd = way ? fd[0] : -1};
		il_case both;

		CHECK_RC(il_stream_open_transport(&p.s, &prompt_transport, &p), 0);
		CHECK_RC(il_fail_after(il_test_patience(), read_some, p.s), 1);
		p.when = IL_WRITABLE;
		both = il_case_stream(p.s, IL_READABLE | IL_WRITABLE);
		CHECK_RC(il_select(&both, 1, il_test_patience()), 0);
		CHECK_RC(both.rc, IL_READABLE);
		il_stream_destroy(p.s);
	}
	close(fd[0]);
	close(fd[1]);
}

/* ---- without a wait ---- */

enum { FULL = 1 << 16 };

IL_TEST_REAL(P, read_now_and_write_now_do_what_they_can)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		char data[16];
		struct iovec piece = {data, 2};
		struct side reader = {.rc = 0};

		CHECK_RC(il_stream_read_now(e.b, data, sizeof data), -EAGAIN);
		CHECK_RC(il_stream_read_now(e.b, data, 0), -EINVAL);
		CHECK_RC(il_stream_write_now(e.a, &piece, -1), -EINVAL);
		CHECK_RC(il_stream_write_now(e.a, NULL, 0), 0);
		memcpy(data, "ab", 2);
		CHECK_RC(il_stream_write_now(e.a, &piece, 1), 2);
		UNTIL(il_stream_read_now(e.b, data, sizeof data) == 2);
		CHECK(memcmp(data, "ab", 2) == 0);
		say(e.a, "x\nkept");
		CHECK_RC(il_stream_receive_until(e.b, data, sizeof data, "\n", 1), 1);
		CHECK_RC(il_stream_take_fd(e.b), il_stream_buffered(e.b) ? -EBUSY : -ENOTSUP);
		CHECK_RC(il_stream_read_now(e.b, data, 3), 3);
		CHECK_RC(il_stream_read_now(e.b, data, 3), 1);
		side_start(&reader, side_read, e.b);
		UNTIL(il_stream_read_now(e.b, data, 1) == -EBUSY);
		CHECK_RC(il_stream_take_fd(e.b), -EBUSY);
		say(e.a, "y");
		CHECK_RC(side_join(&reader), 1);
		CHECK_RC(il_stream_shutdown_write(e.a), 0);
		CHECK_RC(il_stream_write_now(e.a, &piece, 1), -EPIPE);
		CHECK_RC(il_stream_read(e.b, data, 1), 0);
		CHECK_RC(il_stream_read_now(e.b, data, 1), 0);
		drop(&e);
	}
}

IL_TEST_REAL(P, write_sends_what_is_taken_now)
{
	struct ends e = ends_of(PAIR);
	char *much = calloc(1, 4 << 20);
	struct side writer;
	int n = il_stream_write(e.a, much, 4 << 20);

	CHECK(n > 0 && n < 4 << 20);
	CHECK_RC(il_stream_write(e.a, NULL, 0), 0);
	CHECK_RC(il_stream_write(e.a, NULL, 1), -EINVAL);
	writer = (struct side){.bytes = much, .size = 1};
	side_start(&writer, side_write, e.a); /* it waits for room */
	CHECK_RC(il_stream_write(e.a, "x", 1), -EBUSY);
	CHECK_RC(il_stream_receive_exactly(e.b, much, (size_t)n + 1), 0);
	CHECK_RC(side_join(&writer), 0);
	free(much);
	drop(&e);
}

IL_TEST_REAL(P, write_now_tells_that_a_full_socket_has_room_again)
{
	struct ends e = ends_of(PAIR);
	char *data = calloc(1, FULL);
	struct iovec piece = {data, FULL};
	size_t sent = 0;
	int n;

	while ((n = il_stream_write_now(e.a, &piece, 1)) > 0)
		sent += (size_t)n;
	CHECK_RC(n, -EAGAIN);
	CHECK_RC(il_stream_write_now(e.a, NULL, 0), -EAGAIN);
	for (; sent > 0; sent -= (size_t)n) {
		n = il_stream_read(e.b, data, FULL);
		CHECK(n > 0);
	}
	piece.iov_len = 2;
	CHECK_RC(il_stream_write_now(e.a, &piece, 1), 2);
	CHECK_RC(il_stream_write_now(e.a, NULL, 0), 0);
	drop(&e);
	free(data);
}

IL_TEST_REAL(P, take_fd_gives_the_descriptor_back)
{
	struct ends e = ends_of(PAIR);
	int fd = il_stream_fd(e.a);

	CHECK_RC(il_stream_take_fd(NULL), -EINVAL);
	CHECK_RC(il_stream_take_fd(e.a), fd);
	CHECK_RC(il_stream_take_fd(e.a), -EBADF);
	CHECK_EQ(write(fd, "x", 1), 1);
	check_hears(e.b, "x");
	drop(&e);
	CHECK(is_open(fd));
	close(fd);
}

/* Whether a program that is started has it, too; 0 to 2 it has anyway. */
IL_TEST_REAL(P, take_fd_gives_close_on_exec_back_as_it_was)
{
	for (int i = 0; i < 4; i++) {
		const int flags = i % 2 ? FD_CLOEXEC : 0;
		il_stream *s = NULL;
		int fd[2];

		CHECK_EQ(i < 2 ? pipe(fd) : socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		CHECK_EQ(fcntl(fd[0], F_SETFD, flags), 0);
		CHECK_RC(il_stream_open_fd(&s, fd[0]), 0);
		CHECK_EQ(fcntl(fd[0], F_GETFD), FD_CLOEXEC);
		CHECK_RC(il_stream_take_fd(s), fd[0]);
		CHECK_EQ(fcntl(fd[0], F_GETFD), flags);
		il_stream_destroy(s);
		close(fd[0]);
		close(fd[1]);
	}
}

/* Whoever goes on with it reads and writes as before. */
IL_TEST_REAL(P, take_fd_gives_a_pipe_back_as_blocking_as_it_was)
{
	for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
		il_stream *s[2] = {NULL, NULL};
		int fd[2];

		CHECK_EQ(pipe(fd), 0);
		for (int i = 0; i < 2; i++) {
			if (nonblocking)
				CHECK_EQ(fcntl(fd[i], F_SETFL, O_NONBLOCK), 0);
			CHECK_RC(il_stream_open_fd(&s[i], fd[i]), 0);
		}
		say(s[1], "x");
		check_hears(s[0], "x");
		for (int i = 0; i < 2; i++) {
			CHECK_RC(il_stream_take_fd(s[i]), fd[i]);
			CHECK_EQ((fcntl(fd[i], F_GETFL) & O_NONBLOCK) != 0, nonblocking);
			il_stream_destroy(s[i]);
			close(fd[i]);
		}
	}
}
