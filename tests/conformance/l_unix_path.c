/*
 * l_unix_path.c: the file of a Unix socket: one path has one listener, its file is nobody else's, and a path means
 * what it meant when it was given. listen, lstat and unlink of this executable let a test act in between.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "l_net.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/un.h>

/* ---- acts in between ---- */

static void (*_Atomic before_listen)(void), (*_Atomic before_unlink)(void);

/* Each once: what it does may come here again. */
static void act(void (*_Atomic *what)(void))
{
	void (*run)(void) = atomic_exchange(what, NULL);

	if (run)
		run();
}

int listen(int fd, int backlog)
{
	int (*real)(int, int);

	*(void **)&real = dlsym(RTLD_NEXT, "listen");
	act(&before_listen);
	return real(fd, backlog);
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "rename");
	act(&before_unlink);
	return real(from, to);
}

static atomic_int unlink_error;

int unlink(const char *path)
{
	int (*real)(const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "unlink");
	act(&before_unlink);
	if (atomic_load(&unlink_error)) {
		errno = atomic_load(&unlink_error);
		return -1;
	}
	return real(path);
}

/* ---- a place for sockets, which is the working directory meanwhile ---- */

static char place[] = "/tmp/il-test-XXXXXX";
static int home = -1;

static void place_enter(void)
{
	strcpy(place, "/tmp/il-test-XXXXXX");
	CHECK(mkdtemp(place) != NULL);
	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(chdir(place), 0);
}

/* Nothing is left in it. */
static void place_leave(void)
{
	CHECK_EQ(fchdir(home), 0);
	close(home);
	CHECK_EQ(rmdir(place), 0);
}

static void check_answers(il_listener *listener, const char *path)
{
	il_stream *a = NULL, *b = NULL;

	CHECK_RC(il_stream_connect_unix(&a, path), 0);
	CHECK_RC(il_listener_accept(listener, &b), 0);
	il_stream_destroy(a);
	il_stream_destroy(b);
}

/* ---- one path, one listener ---- */

static int second_rc;
static mode_t mode_before_listen;

static void open_second(void)
{
	il_listener *second = NULL;
	struct stat st;

	CHECK_EQ(lstat("socket", &st), 0);
	mode_before_listen = st.st_mode & 07777;
	second_rc = il_listener_open_unix(&second, "socket", NULL);
	il_listener_destroy(second);
}

IL_TEST_REAL(L, n224_of_two_that_open_a_path_at_once_one_has_it)
{
	il_listener *listener = NULL;

	place_enter();
	atomic_store(&before_listen, open_second);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	CHECK_RC(second_rc, -EADDRINUSE);
	check_answers(listener, "socket");
	CHECK(!exists("socket.lock"));
	il_listener_destroy(listener);
	place_leave();
}

/* The library's lock is nothing to another program, whose socket is bound and about to listen. */
IL_TEST_REAL(L, n224_a_socket_that_is_about_to_listen_keeps_its_path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	il_listener *listener = NULL;

	place_enter();
	CHECK_EQ(bind(first, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), -EADDRINUSE);
	CHECK(exists("socket"));
	close(first);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	il_listener_destroy(listener);
	place_leave();
}

IL_TEST_REAL(L, n224_the_permissions_are_there_before_anybody_can_connect)
{
	const il_listen_options options = {.mode = 0622};
	il_listener *listener = NULL;

	place_enter();
	atomic_store(&before_listen, open_second);
	CHECK_RC(il_listener_open_unix(&listener, "socket", &options), 0);
	CHECK_EQ(mode_before_listen, 0622);
	il_listener_destroy(listener);
	place_leave();
}

/* A lock that a program which was killed has left is nobody's. */
IL_TEST_REAL(L, n224_a_lock_that_nobody_holds_is_no_obstacle)
{
	il_listener *listener = NULL;

	place_enter();
	close(open("socket.lock", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	CHECK(!exists("socket.lock"));
	il_listener_destroy(listener);
	place_leave();
}

/* Nor is a file of the program's own that is called so, which stays. */
IL_TEST_REAL(L, n224_a_file_that_is_no_lock_of_ours_stays)
{
	il_listener *listener = NULL;
	int fd;

	place_enter();
	fd = open("socket.lock", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(write(fd, "4711", 4), 4);
	close(fd);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	CHECK(exists("socket.lock"));
	il_listener_destroy(listener);
	CHECK_EQ(remove("socket.lock"), 0);
	place_leave();
}

/* Another program's listener on that path, which it has made free by itself. */
static int other = -1;

static void other_takes_the_path(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};

	remove("socket");
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(other, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(listen(other, 4), 0);
}

static void check_other_has_it(void)
{
	il_stream *s = NULL;

	CHECK(exists("socket"));
	CHECK_RC(il_stream_connect_unix(&s, "socket"), 0);
	il_stream_destroy(s);
	close(other);
	CHECK_EQ(remove("socket"), 0);
}

IL_TEST_REAL(L, n224_closing_takes_no_file_away_that_came_in_between)
{
	il_listener *listener = NULL;

	place_enter();
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	atomic_store(&before_unlink, other_takes_the_path);
	il_listener_destroy(listener);
	check_other_has_it();
	place_leave();
}

IL_TEST_REAL(L, n224_opening_takes_no_file_away_that_came_in_between)
{
	il_listener *listener = NULL;

	if (IL_TEST_PORTABLE) /* the new file may get the number of the old one */
		return;
	place_enter();
	other_takes_the_path();
	close(other); /* stale */
	atomic_store(&before_unlink, other_takes_the_path);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), -EADDRINUSE);
	CHECK(listener == NULL);
	check_other_has_it();
	place_leave();
}

/* ---- what cannot be removed ---- */

IL_TEST_REAL(L, a_socket_file_that_cannot_be_removed_is_logged_once)
{
	il_listener *listener = NULL;

	place_enter();
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	atomic_store(&unlink_error, EPERM);
	CHECK_RC(il_listener_close(listener), 0);
	il_listener_destroy(listener);
	atomic_store(&unlink_error, 0);
	CHECK_LOGGED(IL_LOG_WARNING, place, 1);
	CHECK_LOGGED(IL_LOG_WARNING, "cannot be removed", 1);
	CHECK(exists("socket"));
	CHECK_EQ(unlink("socket"), 0);
	place_leave();
}

/* ---- relative paths ---- */

IL_TEST_REAL(L, a_relative_path_is_removed_where_it_was_made)
{
	il_listener *listener = NULL;

	place_enter();
	CHECK_EQ(mkdir("elsewhere", 0700), 0);
	CHECK_RC(il_listener_open_unix(&listener, "socket", NULL), 0);
	CHECK_EQ(chdir("elsewhere"), 0);
	il_listener_destroy(listener);
	CHECK(!exists("../socket"));
	CHECK_EQ(chdir(".."), 0);
	CHECK_EQ(rmdir("elsewhere"), 0);
	place_leave();
}

static int end_client(il_client *client, void *data)
{
	(void)client;
	(void)data;
	return 0;
}

static int serve(void *server)
{
	return il_server_serve(server);
}

IL_TEST_REAL(L, a_server_serves_again_where_it_was_told_to)
{
	const il_handler handler = {.handle = end_client};
	il_server *server = NULL;
	il_future *serving;
	il_stream *s = NULL;

	place_enter();
	CHECK_EQ(mkdir("elsewhere", 0700), 0);
	CHECK_RC(il_unix_server_open(&server, "socket", il_protocol_lines(), &handler, NULL, NULL),
		 0);
	for (int round = 0; round < 2; round++) {
		CHECK_RC(il_loop_spawn(il_loop_current(), &serving, serve, server), 0);
		UNTIL(il_server_is_serving(server));
		CHECK_RC(il_stream_connect_unix(&s, round ? "../socket" : "socket"), 0);
		il_stream_destroy(s);
		CHECK_EQ(chdir("elsewhere"), round ? -1 : 0);
		CHECK_RC(il_server_shutdown(server), 0);
		CHECK_RC(il_future_join(serving), 0);
		CHECK(!exists("socket") && !exists("../socket"));
	}
	il_server_destroy(server);
	CHECK_EQ(chdir(".."), 0);
	CHECK_EQ(rmdir("elsewhere"), 0);
	place_leave();
}

static int side_dial(void *arg)
{
	struct side *s = arg;

	return il_stream_connect_unix(s->object, "socket");
}

IL_TEST_REAL(L, a_connection_that_waits_goes_where_it_was_called_to)
{
	const il_listen_options short_queue = {.backlog = 1};
	il_listener *listener = NULL;
	il_stream *streams[4] = {NULL}, *accepted = NULL;
	struct side dials[4] = {{.size = 0}};

	place_enter();
	CHECK_EQ(mkdir("elsewhere", 0700), 0);
	CHECK_RC(il_listener_open_unix(&listener, "socket", &short_queue), 0);
	for (int i = 0; i < 4; i++)
		side_start(&dials[i], side_dial, &streams[i]);
	CHECK(!dials[3].ended);
	CHECK_EQ(chdir("elsewhere"), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_RC(il_listener_accept(listener, &accepted), 0);
		il_stream_destroy(accepted);
	}
	for (int i = 0; i < 4; i++) {
		CHECK_RC(side_join(&dials[i]), 0);
		il_stream_destroy(streams[i]);
	}
	il_listener_destroy(listener);
	CHECK_EQ(chdir(".."), 0);
	CHECK_EQ(rmdir("elsewhere"), 0);
	place_leave();
}

#if defined(__linux__) && !IL_TEST_PORTABLE
/* All that the system has room for: its name has no zero byte at its end. */
IL_TEST_REAL(L, the_longest_abstract_name_is_the_systems)
{
	char name[110], text[IL_ADDRESS_TEXT_MAX];
	il_listener *l = NULL;
	il_stream *a = NULL, *b = NULL;
	il_address address;

	memset(name, 'n', sizeof name);
	snprintf(name, 32, "@interloop-%ld", (long)getpid());
	name[strlen(name)] = '-';
	name[108] = 0;
	CHECK_RC(il_listener_open_unix(&l, name, NULL), 0);
	CHECK_RC(il_stream_connect_unix(&a, name), 0);
	CHECK_RC(il_listener_accept(l, &b), 0);
	CHECK_RC(il_stream_peer_address(a, &address), 0);
	CHECK_RC(il_address_text(&address, text, sizeof text), 108);
	CHECK_STR(text, name);
	il_stream_destroy(a);
	il_stream_destroy(b);
	il_listener_destroy(l);
	name[108] = 'n';
	name[109] = 0;
	CHECK_RC(il_listener_open_unix(&l, name, NULL), -ENAMETOOLONG);
}
#endif
