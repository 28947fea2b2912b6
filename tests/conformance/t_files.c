/*
 * t_files.c: files, whose calls wait in worker threads; and a file sent down a stream, whole or with a code that
 * says why not. sendfile of this executable counts what is in vain.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "t_files.h"
#include "p_layers.h"

#include <dlfcn.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum { BIG = 3 << 20 };

/* ---- a file of the test's own ---- */

struct named {
	char path[32];
};

static struct named made(void)
{
	struct named n = {"/tmp/interloop-files-XXXXXX"};
	int fd = mkstemp(n.path);

	CHECK(fd >= 0);
	close(fd);
	return n;
}

static il_file *opened(const struct named *n, int flags)
{
	il_file *f = NULL;

	CHECK_RC(il_file_open(&f, n->path, flags, 0600), 0);
	return f;
}

/* ---- il_file ---- */

IL_TEST(T, a_file_is_written_and_read_where_it_stands_or_at_an_offset)
{
	struct named n = made();
	il_file *f = opened(&n, O_RDWR);
	char data[16];

	CHECK_RC(il_file_write(f, "hello world", 11, -1), 11);
	CHECK_RC(il_file_write(f, "W", 1, 6), 1);
	CHECK_RC(il_file_write(f, "!", 1, -1), 1); /* the offset did not move it */
	CHECK_RC(il_file_write(f, NULL, 0, -1), 0);
	CHECK_RC(il_file_sync(f), 0);
	CHECK_RC(il_file_read(f, data, sizeof data, 6), 6);
	CHECK(memcmp(data, "World!", 6) == 0);
	CHECK_RC(il_file_read(f, data, sizeof data, -1), 0);
	CHECK_RC(il_file_read(f, data, sizeof data, 100), 0);
	CHECK_RC(il_file_close(f), 0);
	il_file_destroy(f);
	f = opened(&n, O_RDONLY);
	CHECK_RC(il_file_read(f, data, 5, -1), 5);
	CHECK_RC(il_file_read(f, data + 5, 11, -1), 7);
	CHECK(memcmp(data, "hello World!", 12) == 0);
	CHECK(fcntl(il_file_fd(f), F_GETFD) & FD_CLOEXEC);
	il_file_destroy(f);
	unlink(n.path);
}

IL_TEST(T, what_is_wrong_with_a_file_is_said_with_its_name)
{
	struct named n = made();
	il_file *f = NULL;
	char byte;

	CHECK_RC(il_file_open(&f, "/tmp/no such file", O_RDONLY, 0), -ENOENT);
	CHECK_DETAIL("/tmp/no such file");
	CHECK(!f);
	CHECK_RC(il_file_open(&f, "/tmp", O_WRONLY, 0), -EISDIR);
	CHECK_RC(il_file_open(&f, NULL, O_RDONLY, 0), -EINVAL);
	CHECK_RC(il_file_open(NULL, n.path, O_RDONLY, 0), -EINVAL);
	f = opened(&n, O_RDONLY);
	CHECK_RC(il_file_write(f, "x", 1, 0), -EBADF);
	CHECK_DETAIL("il_file_write");
	CHECK_RC(il_file_read(f, &byte, 0, 0), -EINVAL);
	CHECK_RC(il_file_read(f, &byte, (size_t)-1, 0), -EINVAL);
	CHECK_RC(il_file_read(f, NULL, 1, 0), -EINVAL);
	CHECK_RC(il_file_read(f, &byte, 1, -2), -EINVAL);
	CHECK_RC(il_file_write(f, NULL, 1, 0), -EINVAL);
	CHECK_RC(il_file_read(NULL, &byte, 1, 0), -EINVAL);
	CHECK_RC(il_file_sync(NULL), -EINVAL);
	CHECK_RC(il_file_close(NULL), -EINVAL);
	CHECK_RC(il_file_close(f), 0);
	CHECK_RC(il_file_close(f), 0);
	CHECK_RC(il_file_read(f, &byte, 1, 0), -EBADF);
	CHECK_RC(il_file_fd(f), -EBADF);
	il_file_destroy(f);
	il_file_destroy(NULL);
	unlink(n.path);
}

IL_TEST(T, a_cancelled_task_reads_nothing_and_closes)
{
	struct named n = made();
	il_file *f = opened(&n, O_RDWR), *none = NULL;
	il_scope s = IL_SCOPE_INIT;
	char byte = 0;

	CHECK_RC(il_file_write(f, "x", 1, -1), 1);
	CHECK_RC(il_scope_enter(&s, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&s), 0);
	CHECK_RC(il_file_read(f, &byte, 1, 0), -ECANCELED);
	CHECK_RC(il_file_open(&none, n.path, O_RDONLY, 0), -ECANCELED);
	CHECK_EQ(byte, 0);
	CHECK_RC(il_file_close(f), 0);
	CHECK_RC(il_scope_exit(&s, -ECANCELED), 0);
	il_file_destroy(f);
	unlink(n.path);
}

struct reading {
	il_file *file;
	int rc;
	bool begun;
};

static int read_one(void *arg)
{
	struct reading *r = arg;
	char byte;

	r->begun = true;
	r->rc = il_file_read(r->file, &byte, 1, -1);
	return 0;
}

/* A FIFO stands for a slow disk: reading it takes until there is a byte. */
IL_TEST_REAL(T, a_file_is_not_closed_under_a_call)
{
	struct named n = made();
	struct reading r = {.rc = 1};
	il_group g = IL_GROUP_INIT;
	il_file *writer;

	unlink(n.path);
	CHECK_EQ(mkfifo(n.path, 0600), 0);
	r.file = opened(&n, O_RDWR);
	writer = opened(&n, O_WRONLY);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, read_one, &r), 0);
	UNTIL(r.begun);
	CHECK_RC(il_file_close(r.file), -EBUSY);
	CHECK_RC(il_file_write(writer, "x", 1, -1), 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(r.rc, 1);
	CHECK_RC(il_file_close(r.file), 0);
	il_file_destroy(r.file);
	il_file_destroy(writer);
	unlink(n.path);
}

static int open_and_leave(void *arg)
{
	il_file **f = arg;

	return il_file_open(f, "/dev/null", O_RDONLY, 0);
}

IL_TEST_OWN(T, a_loop_that_ends_closes_its_files)
{
	il_file *f = NULL;

	CHECK_RC(il_run(il_test_backend(), open_and_leave, &f), 0);
	CHECK_RC(il_file_fd(f), -EBADF);
	il_file_destroy(f);
}

/* ---- il_stream_send_file ---- */

static atomic_int vain;

/* Under the system's name. */
ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
	ssize_t (*real)(int, int, off_t *, size_t), n;

	*(void **)&real = dlsym(RTLD_NEXT, "sendfile");
	n = real(out, in, offset, size);
	atomic_fetch_add(&vain, n < 0 && errno == EAGAIN);
	return n;
}

enum { PIPE = KINDS, ALL_KINDS };

/* A pipe, which is no socket, too. */
static struct ends any_ends(int kind)
{
	struct ends e = {NULL, NULL};
	int fds[2];

	if (kind != PIPE)
		return ends_of(kind);
	CHECK_EQ(pipe(fds), 0);
	CHECK_RC(il_stream_open_fd(&e.b, fds[0]), 0);
	CHECK_RC(il_stream_open_fd(&e.a, fds[1]), 0);
	return e;
}

IL_TEST_REAL(T, a_file_is_sent_whole_down_any_stream)
{
	int fd = filled(BIG);

	for (int kind = 0; kind < ALL_KINDS; kind++) {
		struct ends e = any_ends(kind);
		struct receiving r;
		CHECK_RC(sent(&e, &r, fd, 26, BIG - 26), 0);
		CHECK_EQ(r.size, BIG - 26);
		CHECK(r.right);
		drop(&e);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), BIG); /* where filled has left it */
	close(fd);
}

/* Both ends of a connection through one layer of this kind. */
static struct ends layered_ends(struct layer_maker *maker, enum layer_kind kind)
{
	struct ends e = ends_of(TCP);

	*maker = (struct layer_maker){.kind = kind};
	CHECK_RC(layer_open(&e.a, e.a, maker), 0);
	CHECK_RC(layer_open(&e.b, e.b, maker), 0);
	return e;
}

/* What the file lacks is said when all that there is has gone out, also from what a layer holds back. */
IL_TEST_REAL(T, a_file_goes_through_layers_of_any_kind)
{
	for (int kind = 0; kind < LAYER_KINDS; kind++) {
		const size_t size = kind == LAYER_AWKWARD ? 2000 : 200000;
		int fd = filled(size);
		for (int lacks = 0; lacks < 2; lacks++) {
			struct layer_maker maker;
			struct ends e = layered_ends(&maker, (enum layer_kind)kind);
			struct receiving r;
			CHECK_RC(sent(&e, &r, fd, 26, size - 26 + (size_t)lacks),
				 lacks ? -ENODATA : 0);
			CHECK_EQ(r.size, size - 26);
			CHECK_RC(r.rc, 0);
			CHECK(r.right);
			drop(&e);
			CHECK_EQ(maker.destroys, 2);
		}
		close(fd);
	}
}

IL_TEST_REAL(T, of_a_file_that_is_shorter_comes_what_there_is)
{
	int fd = filled(1000);

	for (int kind = 0; kind < ALL_KINDS; kind++) {
		struct ends e = any_ends(kind);
		struct receiving r;
		CHECK_RC(sent(&e, &r, fd, 0, 1001), -ENODATA);
		CHECK_DETAIL("lacks 1 bytes");
		CHECK_EQ(r.size, 1000);
		CHECK(r.right);
		drop(&e);
	}
	close(fd);
}

IL_TEST_REAL(T, no_worker_is_sent_to_a_socket_that_is_full)
{
	const int before = atomic_load(&vain);
	struct ends e = ends_of(PAIR);
	struct receiving r;
	int fd = filled(BIG);

	CHECK_RC(sent(&e, &r, fd, 0, BIG), 0);
	CHECK_EQ(r.size, BIG);
	CHECK_EQ(atomic_load(&vain) - before, 0);
	close(fd);
	drop(&e);
}

struct cutting {
	struct ends *ends;
	int fd, rc;
};

static int send_big(void *arg)
{
	struct cutting *c = arg;

	c->rc = il_stream_send_file(c->ends->a, c->fd, 0, (size_t)64 << 20);
	il_stream_close(c->ends->a);
	return 0;
}

/* Sparse: more than any socket takes before its peer reads. */
IL_TEST_REAL(T, a_file_that_is_cut_while_it_is_sent_is_short)
{
	struct ends e = ends_of(TCP);
	struct cutting c = {.ends = &e, .fd = filled(1), .rc = 1};
	il_group g = IL_GROUP_INIT;
	char data[16384];
	size_t size = 0;
	int n;

	CHECK_EQ(ftruncate(c.fd, (off_t)64 << 20), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, send_big, &c), 0);
	while (size < sizeof data && (n = il_stream_read(e.b, data, sizeof data)) > 0)
		size += (size_t)n;
	CHECK_RC(il_stream_write_all(e.a, "x", 1), -EBUSY);
	CHECK_EQ(ftruncate(c.fd, 1), 0);
	while ((n = il_stream_read(e.b, data, sizeof data)) > 0)
		size += (size_t)n;
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(c.rc, -ENODATA);
	CHECK(size < (size_t)64 << 20);
	drop(&e);
	close(c.fd);
}

IL_TEST_REAL(T, sending_a_file_ends_with_a_cancellation_or_the_streams_close)
{
	for (int closes = 0; closes < 2; closes++) {
		struct ends e = ends_of(TCP);
		struct cutting c = {.ends = &e, .fd = filled(1), .rc = 1};
		il_group g = IL_GROUP_INIT;
		char byte;
		CHECK_EQ(ftruncate(c.fd, (off_t)64 << 20), 0);
		CHECK_RC(il_group_open(&g), 0);
		CHECK_RC(il_group_start_soon(&g, NULL, send_big, &c), 0);
		CHECK_RC(il_stream_read(e.b, &byte, 1), 1); /* it has begun */
		if (closes)
			CHECK_RC(il_stream_close(e.a), 0);
		else
			CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
		CHECK_RC(il_group_close(&g, 0), 0);
		CHECK_RC(c.rc, closes ? -EBADF : -ECANCELED);
		drop(&e);
		close(c.fd);
	}
}

IL_TEST_REAL(T, a_file_for_a_peer_that_is_gone_is_an_error_and_no_signal)
{
	struct ends e = ends_of(TCP);
	int rc = 0, fd = filled(1000);

	make_rst(il_stream_fd(e.b));
	CHECK_RC(il_stream_close(e.b), 0);
	for (int i = 0; i < 100 && rc == 0; i++)
		rc = il_stream_send_file(e.a, fd, 0, 1000);
	CHECK(rc == -EPIPE || rc == -ECONNRESET);
	close(fd);
	drop(&e);
}

IL_TEST_REAL(T, bad_arguments_of_a_file_to_send_are_refused)
{
	struct ends e = ends_of(PAIR);
	int fd = filled(10), pipes[2];

	CHECK_EQ(pipe(pipes), 0);
	CHECK_RC(il_stream_send_file(NULL, fd, 0, 1), -EINVAL);
	CHECK_RC(il_stream_send_file(e.a, -1, 0, 1), -EBADF);
	CHECK_RC(il_stream_send_file(e.a, fd, -1, 1), -EINVAL);
	CHECK_RC(il_stream_send_file(e.a, fd, INT64_MAX, 1), -EINVAL);
	CHECK_RC(il_stream_send_file(e.a, fd, 0, 0), 0);
	CHECK_RC(il_stream_send_file(e.a, pipes[0], 0, 1), -ESPIPE);
	CHECK_RC(il_stream_shutdown_write(e.a), 0);
	CHECK_RC(il_stream_send_file(e.a, fd, 0, 1), -EPIPE);
	CHECK_RC(il_stream_close(e.a), 0);
	CHECK_RC(il_stream_send_file(e.a, fd, 0, 1), -EBADF);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	drop(&e);
}

/* What the call opens for itself gets the lowest number that is free. */
IL_TEST_REAL(T, a_file_that_is_not_open_is_not_sent)
{
	struct ends e = ends_of(PAIR);
	int fd = filled(10), lowest;

	CHECK_RC(il_stream_send_file(e.a, fd, 0, 1), 0); /* the loop has its thread */
	lowest = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(lowest);
	CHECK_RC(il_stream_send_file(e.a, lowest, 0, 1), -EBADF);
	close(fd);
	drop(&e);
}
