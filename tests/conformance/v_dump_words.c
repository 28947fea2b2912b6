/*
 * v_dump_words.c: a dump says why a call waits where the name of the call and its descriptor do not: files, signals, layers,
 * full backlogs, children whose output nobody reads.
 */
#define _GNU_SOURCE
#include "r_server.h"
#include "v_dump.h"
#include "waits.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A path that nobody has. */
struct place {
	char path[40];
};

static struct place place_of(const char *what)
{
	struct place p;

	snprintf(p.path, sizeof p.path, "/tmp/il-%s-%d", what, (int)getpid());
	unlink(p.path);
	return p;
}

/* ---- files ---- */

static int read_file(void *file)
{
	char byte;

	return il_file_read(file, &byte, 1, -1);
}

/* A FIFO stands for a slow disk. */
IL_TEST_REAL(V, a_call_of_a_file_says_which_file)
{
	struct place fifo = place_of("fifo");
	il_file *f = NULL;
	struct child c;
	char *text = NULL;

	CHECK_EQ(mkfifo(fifo.path, 0600), 0);
	CHECK_RC(il_file_open(&f, fifo.path, O_RDWR, 0), 0);
	child_start(&c, "child", read_file, f);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_all();
	} while (!DUMP_HAS(text, "thread il-thread", "runs il_file_read for "));
	CHECK_DUMPED(text, "child: ", "il_file_read of descriptor ", fifo.path,
		     "in a worker thread, which runs it");
	free(text);
	CHECK_EQ(write(il_file_fd(f), "x", 1), 1);
	CHECK_RC(il_group_close(&c.group, 0), 0);
	il_future_unref(c.future);
	il_file_destroy(f);
	unlink(fifo.path);
}

static int open_file(void *path)
{
	il_file *f = NULL;
	int rc = il_file_open(&f, path, O_RDONLY, 0);

	il_file_destroy(f);
	return rc;
}

IL_TEST_REAL(V, an_open_says_which_path)
{
	struct place fifo = place_of("fifo");
	struct child c;
	char *text = NULL;
	int writer;

	CHECK_EQ(mkfifo(fifo.path, 0600), 0);
	child_start(&c, "child", open_file, fifo.path);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_loop();
	} while (!DUMP_HAS(text, "child: ", "il_file_open of ", fifo.path, "which runs it"));
	free(text);
	writer = open(fifo.path, O_WRONLY | O_CLOEXEC);
	CHECK(writer >= 0);
	CHECK_RC(il_group_close(&c.group, 0), 0);
	il_future_unref(c.future);
	close(writer);
	unlink(fifo.path);
}

/* ---- signals ---- */

static int select_signal(void *receiver)
{
	il_case c = il_case_signal(receiver, NULL);

	return il_select(&c, 1, IL_FOREVER);
}

IL_TEST_REAL(V, who_waits_for_signals_says_for_which)
{
	il_signal_receiver *one = NULL, *two = NULL;
	char words[32];

	CHECK_RC(il_signal_receiver_open(&one, (const int[]){SIGUSR2}, 1), 0);
	snprintf(words, sizeof words, "signal %d", SIGUSR2);
	CHECK_WAITS(next_signal, one, "il_signal_receiver_next", words);
	CHECK_WAITS(select_signal, one, "il_select", words);
	CHECK_RC(il_signal_receiver_open(&two, (const int[]){SIGHUP, SIGTERM}, 2), 0);
	snprintf(words, sizeof words, "one of 2 signals: %d, %d", SIGHUP, SIGTERM);
	CHECK_WAITS(next_signal, two, "il_signal_receiver_next", words);
	CHECK_WAITS(select_signal, two, "il_select", words);
	il_signal_receiver_destroy(one);
	il_signal_receiver_destroy(two);
}

/* ---- layers ---- */

static int wait_below(void *self, void *data, size_t max)
{
	return il_stream_read_now(self, data, max);
}

static int write_below(void *self, const struct iovec *pieces, int count)
{
	return il_stream_write_now(self, pieces, count);
}

static void destroy_below(void *self)
{
	il_stream_destroy(self);
}

static il_stream *under(void *self)
{
	return self;
}

static const struct il_transport veil = {.name = "veil",
					 .receive = wait_below,
					 .send = write_below,
					 .destroy = destroy_below,
					 .under = under};

IL_TEST_REAL(V, a_layer_says_its_name_and_what_it_waits_for_itself)
{
	il_stream *a = NULL, *b = NULL, *inner = NULL, *outer = NULL;
	char words[48];

	CHECK_RC(il_stream_pair(&a, &b), 0);
	snprintf(words, sizeof words, "which waits for descriptor %d, readable", il_stream_fd(a));
	CHECK_RC(il_stream_open_transport(&inner, &veil, a), 0);
	CHECK_RC(il_stream_open_transport(&outer, &veil, inner), 0);
	CHECK_WAITS(read_some, outer, "il_stream_read",
		    "transport veil, readable, which waits for ", "transport veil, readable, ",
		    words);
	il_stream_destroy(outer);
	il_stream_destroy(b);
}

/* ---- sockets ---- */

static int connect_there(void *path)
{
	il_stream *s[8] = {NULL};
	int rc = 0;

	for (int i = 0; i < 8 && rc == 0; i++)
		rc = il_stream_connect_unix(&s[i], path);
	for (int i = 0; i < 8; i++)
		il_stream_destroy(s[i]);
	return rc;
}

IL_TEST_REAL(V, a_connect_says_that_a_backlog_is_full)
{
	const il_listen_options o = {.backlog = 1};
	struct place socket = place_of("sock");
	il_listener *l = NULL;

	CHECK_RC(il_listener_open_unix(&l, socket.path, &o), 0);
	CHECK_WAITS(connect_there, socket.path, "il_stream_connect_unix", "room in the backlog of ",
		    socket.path);
	il_listener_destroy(l);
}

IL_TEST_REAL(V, an_accept_says_that_there_are_no_descriptors)
{
	il_listener *l = listen_here();
	int client = plain_connect(il_listener_port(l)), fd = dump_file(), last;
	struct rlimit before, none;
	struct child c;
	char *text;

	if (il_test_valgrind()) { /* it closes the connections that it refuses for the limit */
		close(fd);
		close(client);
		il_listener_destroy(l);
		return;
	}
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* whatever the loop opens is open */
	last = dup(client);
	close(last);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)last, before.rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	child_start(&c, "child", accept_one, l);
	CHECK_RC(il_loop_dump(il_loop_current(), fd), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	text = dump_text(fd);
	CHECK_DUMPED(text, "child: il_listener_accept", "the system has no descriptor or no memory",
		     "a connect to descriptor ");
	free(text);
	CHECK_RC(il_group_close(&c.group, 0), 0); /* it is accepted now */
	il_future_unref(c.future);
	close(client);
	il_listener_destroy(l);
}

IL_TEST_REAL(V, the_tasks_of_a_udp_servers_own_have_names)
{
	const il_server_options o = {.stop_at_signals = true};
	struct service s = {.server = NULL};
	char *text;

	udp_start(&s, &echo_handler, &s.visits, NULL, &o);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	text = dump_loop();
	CHECK_DUMPED(text, "stop_at_signals: ", "readable");
	CHECK_DUMPED(text, "receive_datagrams: il_server_serve", "readable");
	free(text);
	service_end(&s);
}

/* ---- children ---- */

IL_TEST_REAL(V, a_child_says_which_pipes_may_hold_it_up)
{
	char *writes[] = {"sh", "-c", "head -c 1000000 /dev/zero", NULL}, *reads[] = {"cat", NULL};
	const il_process_options output = {.output = IL_STDIO_PIPE},
				 input = {.input = IL_STDIO_PIPE};
	il_process *writer = NULL, *reader = NULL;
	struct child c;
	char *text = NULL;

	CHECK_RC(il_process_spawn(&reader, reads, &input), 0);
	CHECK_WAITS(wait_process, reader, "il_process_wait", "the end of child",
		    "its stdin is open");
	CHECK_RC(il_stream_close(il_process_stdin(reader)), 0);
	CHECK_RC(il_process_wait(reader), 0);
	il_process_destroy(reader);
	CHECK_RC(il_process_spawn(&writer, writes, &output), 0);
	child_start(&c, "child", wait_process, writer);
	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_loop();
	} while (!DUMP_HAS(text, "child: il_process_wait", "bytes of its stdout are not read"));
	CHECK(!strstr(text, "its stdin"));
	free(text);
	child_end(&c);
	il_process_destroy(writer);
}
