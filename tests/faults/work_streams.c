/*
 * work_streams.c: streams, descriptors that travel, files, the resolver.
 */
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 300000 };

static il_stream *ours, *theirs;

/* ---- streams ---- */

static int send_descriptor(void *arg)
{
	const int fd = STDERR_FILENO;

	(void)arg;
	return TRY(il_stream_send_fds(ours, "abcdef", 6, &fd, 1));
}

static int receive_descriptor(void *arg)
{
	char bytes[64];
	int fds[4], n = 4, rc = TRY(il_stream_receive_fds(theirs, bytes, sizeof bytes, fds, &n));

	(void)arg;
	if (rc > 0 && n != 1)
		work_odd("%d descriptors came", n);
	for (int i = 0; rc > 0 && i < n; i++)
		close(fds[i]);
	return 0;
}

static int send_much(void *arg)
{
	static const char bytes[BIG];
	int rc = TRY(il_stream_write_all(ours, bytes, sizeof bytes));

	(void)arg;
	TRY(il_stream_shutdown_write(ours));
	return rc;
}

static int receive_much(void *failed)
{
	static char bytes[4096];
	long got = 0;
	int rc;

	while ((rc = TRY(il_stream_read(theirs, bytes, sizeof bytes))) > 0)
		got += rc;
	if (rc == 0 && got != BIG && !*run_report->codes)
		work_odd("%ld bytes came of %d", got, BIG);
	il_stream_close(theirs); /* whoever still writes shall not wait */
	(void)failed;
	return 0;
}

static int receive_briefly(void *arg)
{
	(void)arg;
	return work_briefly(receive_descriptor, NULL);
}

static int receive_all_briefly(void *arg)
{
	(void)arg;
	work_briefly(receive_much, NULL);
	il_stream_close(theirs);
	return 0;
}

static void over_pair(il_fn *send, il_fn *receive)
{
	if (TRY(il_stream_pair(&ours, &theirs)) < 0)
		return;
	work_together((il_fn *[]){send, receive}, 2, NULL);
	il_stream_destroy(ours);
	il_stream_destroy(theirs);
}

static int wait_readable(void *fd)
{
	return TRY(il_wait_readable(*(int *)fd));
}

static void use_descriptor(void)
{
	int fds[2];
	il_stream *s;

	if (pipe(fds) < 0)
		return;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	TRY(il_move_on_after(IL_MSEC(3), wait_readable, &fds[0]));
	TRY(il_notify_closing(fds[0]));
	if (TRY(il_stream_open_fd(&s, fds[0])) < 0)
		close(fds[0]);
	else
		il_stream_destroy(s);
	close(fds[1]);
}

static int streams_main(void *arg)
{
	(void)arg;
	over_pair(send_descriptor, receive_briefly);
	over_pair(send_much, receive_all_briefly);
	use_descriptor();
	return 0;
}

void work_streams(void)
{
	work_in_loop(streams_main);
}

/* ---- files ---- */

static int send_file(void *file)
{
	int rc = TRY(il_stream_send_file(ours, il_file_fd(file), 0, 9));

	TRY(il_stream_shutdown_write(ours));
	return rc;
}

static int receive_file(void *file)
{
	char bytes[9];

	(void)file;
	if (TRY(il_stream_receive_exactly(theirs, bytes, sizeof bytes)) == 0 &&
	    memcmp(bytes, "some text", sizeof bytes) != 0)
		work_odd("a file's bytes were changed on the way");
	il_stream_close(theirs);
	return 0;
}

static int files_main(void *arg)
{
	char path[64], bytes[16];
	il_file *file;

	(void)arg;
	snprintf(path, sizeof path, "faults-file.%d", getpid());
	if (TRY(il_file_open(&file, path, O_RDWR | O_CREAT, 0600)) == 0) {
		bool whole = TRY(il_file_write(file, "some text", 9, 0)) == 9;
		TRY(il_file_sync(file));
		if (TRY(il_file_read(file, bytes, sizeof bytes, 0)) == 9 &&
		    memcmp(bytes, "some text", 9) != 0)
			work_odd("a file has other bytes than were written");
		if (whole && TRY(il_stream_pair(&ours, &theirs)) == 0) {
			work_together((il_fn *[]){send_file, receive_file}, 2, file);
			il_stream_destroy(ours);
			il_stream_destroy(theirs);
		}
		TRY(il_file_close(file));
		il_file_destroy(file);
	}
	unlink(path);
	return 0;
}

void work_files(void)
{
	work_in_loop(files_main);
}

/* ---- the resolver ---- */

static int resolver_main(void *arg)
{
	const il_connect_options options = {.timeout = IL_SEC(1), .attempt_delay = IL_MSEC(10)};
	il_address addresses[4];
	il_listener *listener;
	il_stream *s;
	char port[8];

	(void)arg;
	TRY(il_resolve("127.0.0.1", "80", 0, addresses, 4));
	TRY(il_resolve("localhost", "80", 0, addresses, 4));
	if (TRY(il_listener_open_tcp(&listener, "localhost", "0", NULL)) < 0)
		return 0;
	snprintf(port, sizeof port, "%u", il_listener_port(listener));
	if (TRY(il_stream_connect_tcp(&s, "localhost", port, &options)) == 0)
		il_stream_destroy(s);
	il_listener_destroy(listener);
	return 0;
}

void work_resolver(void)
{
	work_in_loop(resolver_main);
}
