/*
 * l_adopt.c: foreign descriptors as streams: what others share of them is as it was, while the stream is open and
 * after; the standard ones stay there for children; the end of a pseudo-terminal is the end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "l_net.h"
#include "terminal.h"
#include "waits.h"

#include <sys/stat.h>

/* ---- pairs of descriptors ---- */

static void open_fifo(int fd[2])
{
	char directory[] = "/tmp/il-test-XXXXXX", path[48];

	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof path, "%s/fifo", directory);
	CHECK_EQ(mkfifo(path, 0600), 0);
	fd[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fd[1] = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_EQ(fcntl(fd[0], F_SETFL, 0), 0);
	unlink(path);
	rmdir(directory);
}

enum { PIPE, FIFO, SOCKETS, TERMINAL, FORMS };

static void open_form(int form, int fd[2])
{
	switch (form) {
	case PIPE:
		CHECK_EQ(pipe(fd), 0);
		break;
	case FIFO:
		open_fifo(fd);
		break;
	case SOCKETS:
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		break;
	default:
		open_terminal(fd);
	}
}

/* ---- what is shared ---- */

static bool nonblocking(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/* Where no description of our own can be had the flag is set meanwhile, and taken back. */
static void check_left_alone(int copy, bool own)
{
	CHECK_EQ(nonblocking(copy), !own);
	CHECK(!(fcntl(copy, F_GETFD) & FD_CLOEXEC));
}

IL_TEST_REAL(L, adopting_leaves_what_others_share_as_it_was)
{
	for (int form = 0; form < FORMS; form++) {
		const bool own = form == SOCKETS || !IL_TEST_PORTABLE;
		int fd[2], copy[2];
		il_stream *in = NULL, *out = NULL;
		struct side reader = {.size = 0};
		open_form(form, fd);
		for (int i = 0; i < 2; i++)
			copy[i] = fcntl(fd[i], F_DUPFD, 3);
		/* A terminal's controlling side can only be had as it is. */
		CHECK_RC(il_stream_open_fd(&in, fd[0]), 0);
		CHECK_RC(il_stream_open_fd(&out, fd[1]), 0);
		check_left_alone(copy[0], own && form != TERMINAL);
		check_left_alone(copy[1], own);
		CHECK_EQ(il_stream_fd(in), fd[0]);
		CHECK(fcntl(fd[0], F_GETFD) & FD_CLOEXEC);
		side_start(&reader, side_read, in); /* it waits, and blocks nobody */
		check_left_alone(copy[0], own && form != TERMINAL);
		say(out, "through");
		CHECK_RC(side_join(&reader), 7);
		CHECK_STR(reader.text, "through");
		il_stream_destroy(in);
		il_stream_destroy(out);
		for (int i = 0; i < 2; i++) {
			CHECK(!is_open(fd[i]));
			check_left_alone(copy[i], true);
			close(copy[i]);
		}
	}
}

/* Whichever of them is closed first. */
IL_TEST_REAL(L, two_streams_of_one_description_take_the_flag_back_with_the_last_one)
{
	for (int last = 0; last < 2; last++)
		for (int takes = 0; takes < 2; takes++) {
			il_stream *s[3] = {NULL, NULL, NULL};
			int fd[2], other[2], copy, given = -1;

			open_terminal(fd);
			open_terminal(other);
			copy = fcntl(fd[0], F_DUPFD, 3);
			CHECK_RC(il_stream_open_fd(&s[0], fd[0]), 0);
			CHECK_RC(il_stream_open_fd(&s[2], other[0]), 0); /* another description */
			CHECK_RC(il_stream_open_fd(&s[1], fcntl(fd[0], F_DUPFD, 3)), 0);
			if (takes)
				given = il_stream_take_fd(s[!last]);
			else
				CHECK_RC(il_stream_close(s[!last]), 0);
			CHECK(nonblocking(copy));
			CHECK_RC(il_fail_after(IL_MSEC(10), read_some, s[last]), -ETIMEDOUT);
			CHECK_RC(il_stream_close(s[2]), 0);
			CHECK(nonblocking(copy));
			CHECK_EQ(write(fd[1], "on", 2), 2);
			check_hears(s[last], "on");
			CHECK_RC(il_stream_close(s[last]), 0);
			CHECK(!nonblocking(copy));
			for (int i = 0; i < 3; i++)
				il_stream_destroy(s[i]);
			if (takes)
				close(given);
			close(copy);
			close(fd[1]);
			close(other[1]);
		}
}

static int open_two(void *arg)
{
	il_stream **s = arg;
	int fd[2];

	open_terminal(fd);
	close(fd[1]);
	CHECK_RC(il_stream_open_fd(&s[0], fd[0]), 0);
	CHECK_RC(il_stream_open_fd(&s[1], fcntl(fd[0], F_DUPFD, 3)), 0);
	return fcntl(fd[0], F_DUPFD, 3);
}

IL_TEST_OWN_REAL(L, the_end_of_the_loop_takes_the_flag_back)
{
	il_stream *s[2] = {NULL, NULL};
	int copy = il_run(il_test_backend(), open_two, s);

	CHECK(!nonblocking(copy));
	CHECK_RC(close(copy), 0);
	il_stream_destroy(s[0]);
	il_stream_destroy(s[1]);
}

IL_TEST_REAL(L, a_description_that_was_non_blocking_stays_so)
{
	int fd[2], copy;
	il_stream *s = NULL;

	CHECK_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	copy = dup(fd[0]);
	CHECK_RC(il_stream_open_fd(&s, fd[0]), 0);
	il_stream_destroy(s);
	CHECK(nonblocking(copy));
	close(copy);
	close(fd[1]);
}

/* ---- the standard descriptors ---- */

/* Descriptor 0 is this one for a while. */
static int standard_put(int fd)
{
	int saved = fcntl(0, F_DUPFD_CLOEXEC, 3);

	CHECK_EQ(dup2(fd, 0), 0);
	close(fd);
	return saved;
}

static void standard_restore(int saved)
{
	CHECK_EQ(dup2(saved, 0), 0);
	close(saved);
}

static int child_reads(const char *word)
{
	char script[64];
	char *const argv[] = {"sh", "-c", script, NULL};
	const il_process_options options = {.input = IL_STDIO_INHERIT};
	il_process *child = NULL;

	snprintf(script, sizeof script, "read word && test \"$word\" = %s", word);
	CHECK_RC(il_process_spawn(&child, argv, &options), 0);
	int rc = il_process_wait(child);
	il_process_destroy(child);
	return rc;
}

IL_TEST_REAL(L, an_adopted_standard_descriptor_is_still_there_for_children)
{
	for (int form = 0; form < FORMS; form++) {
		const bool own = form == SOCKETS || !IL_TEST_PORTABLE;
		int fd[2];
		il_stream *s = NULL, *again = NULL;
		open_form(form, fd);
		if (form == TERMINAL) { /* the program is at its terminal */
			int controlling = fd[0];
			fd[0] = fd[1];
			fd[1] = controlling;
		}
		int before = open_descriptors();
		int saved = standard_put(fd[0]);
		CHECK_RC(il_stream_open_fd(&s, 0), 0);
		check_left_alone(0, own);
		CHECK_EQ(il_stream_fd(s), 0);
		CHECK_RC(il_stream_open_fd(&again, 0), -EBUSY);
		CHECK_EQ(write(fd[1], "hello\n", 6), 6);
		CHECK_RC(child_reads("hello"), 0);
		CHECK_EQ(write(fd[1], "ours", 4), 4);
		check_hears(s, "ours");
		check_left_alone(0, own);
		il_stream_destroy(s);
		CHECK(!is_open(0));
		standard_restore(saved);
		CHECK_EQ(open_descriptors(), before - 1);
		close(fd[1]);
	}
}

IL_TEST_REAL(L, what_a_child_inherits_it_has_also_if_it_was_close_on_exec)
{
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], "hello\n", 6), 6);
	int saved = standard_put(fd[0]);
	CHECK_EQ(fcntl(0, F_SETFD, FD_CLOEXEC), 0);
	CHECK_RC(child_reads("hello"), 0);
	standard_restore(saved);
	close(fd[1]);
}

/* ---- the end of a pseudo-terminal ---- */

IL_TEST_REAL(L, the_end_of_a_pseudo_terminal_is_the_end)
{
	int fd[2];
	il_stream *s = NULL;
	char data[16];
	struct side reader = {.size = 0};

	open_terminal(fd);
	CHECK_RC(il_stream_open_fd(&s, fd[0]), 0);
	CHECK_EQ(write(fd[1], "last", 4), 4);
	check_hears(s, "last");
	side_start(&reader, side_read, s);
	close(fd[1]);
	CHECK_RC(side_join(&reader), 0);
	CHECK_RC(il_stream_read(s, data, sizeof data), 0);
	CHECK_RC(il_stream_receive_exactly(s, data, 2), -ENODATA);
	CHECK_RC(il_stream_receive_until(s, data, sizeof data, "\n", 1), -ENODATA);
	il_stream_destroy(s);
}
