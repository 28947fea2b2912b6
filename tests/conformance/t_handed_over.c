/*
 * t_handed_over.c: listening sockets that somebody else has made: adopted as listeners and by servers, kept
 * between two rounds, handed on to the next process; and sockets without a file, or for both families.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "aside.h"
#include "in_child.h"
#include "m_server.h"
#include "waits.h"

#include <fcntl.h>
#include <sys/un.h>

/* ---- sockets of the test's own ---- */

/* A loopback address with a free port, or an abstract name of ours. */
static il_address address_in(int family, const char *name)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	il_address a = {.length = 0};

	if (family == AF_INET) {
		memcpy(&a.storage, &ipv4, a.length = sizeof ipv4);
	} else if (family == AF_INET6) {
		memcpy(&a.storage, &ipv6, a.length = sizeof ipv6);
	} else {
		snprintf(local.sun_path, sizeof local.sun_path, "%s", name);
		if (*name == '@')
			local.sun_path[0] = '\0';
		memcpy(&a.storage, &local, sizeof local);
		a.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) +
				       (*name != '@'));
	}
	return a;
}

static int bound_socket(int family, int type, const char *name)
{
	il_address a = address_in(family, name);
	int fd = socket(family, type, 0);

	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a.storage, a.length), 0);
	return fd;
}

static int listening_socket(int family, const char *name)
{
	int fd = bound_socket(family, SOCK_STREAM, name);

	CHECK_EQ(listen(fd, SOMAXCONN), 0);
	return fd;
}

/* A name that no other process uses. */
static const char *own_name(char name[40])
{
	snprintf(name, 40, "@il-test-%d-%llx", (int)getpid(), (unsigned long long)il_now());
	return name;
}

/* Portable builds are without what only Linux has, and say so. */
static bool has_abstract(void)
{
	il_listener *l = NULL;
	char name[40];
	int rc = il_listener_open_unix(&l, own_name(name), NULL);

	CHECK_RC(rc, IL_TEST_PORTABLE ? -ENOTSUP : 0);
	il_listener_destroy(l);
	return rc == 0;
}

static bool has_ipv6(void)
{
	il_address a = address_in(AF_INET6, "");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&a.storage, a.length) == 0;

	if (fd >= 0)
		close(fd);
	if (!has)
		SKIP("IPv6");
	return has;
}

/* ---- 384: adopting one ---- */

static il_stream *connect_back(il_listener *l)
{
	char text[IL_ADDRESS_TEXT_MAX], port[8];
	il_stream *s = NULL;
	il_address a;

	CHECK_RC(il_listener_address(l, 0, &a), 0);
	if (a.storage.ss_family == AF_UNIX) {
		il_address_text(&a, text, sizeof text);
		CHECK_RC(il_stream_connect_unix(&s, text), 0);
	} else {
		snprintf(port, sizeof port, "%u", (unsigned)il_listener_port(l));
		CHECK_RC(il_stream_connect_tcp(
			     &s, a.storage.ss_family == AF_INET6 ? "::1" : "127.0.0.1", port, NULL),
			 0);
	}
	return s;
}

static void check_accepts(il_listener *l)
{
	il_stream *a = connect_back(l), *b = NULL;
	char byte = 0;

	CHECK_RC(il_listener_accept(l, &b), 0);
	CHECK_RC(il_stream_write_all(a, "x", 1), 0);
	CHECK_RC(il_stream_read(b, &byte, 1), 1);
	CHECK_EQ(byte, 'x');
	il_stream_destroy(a);
	il_stream_destroy(b);
}

IL_TEST_REAL(T, n384_a_listening_socket_of_any_family_is_adopted)
{
	const int families[] = {AF_INET, AF_INET6, AF_UNIX};
	char name[40], text[IL_ADDRESS_TEXT_MAX];

	for (int i = 0; i < 3; i++) {
		il_listener *l = NULL;
		il_address a;
		int fd;
		if (families[i] == AF_INET6 ? !has_ipv6()
					    : families[i] == AF_UNIX && !has_abstract())
			continue;
		fd = listening_socket(families[i], own_name(name));
		CHECK_RC(il_listener_open_fd(&l, fd), 0);
		CHECK_EQ(il_listener_fd(l, 0), fd);
		CHECK_RC(il_listener_fd(l, 1), -ENOENT);
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CHECK_RC(il_listener_address(l, 0, &a), 0);
		CHECK_EQ(il_address_port(&a), il_listener_port(l));
		CHECK_EQ(il_listener_port(l) > 0, families[i] != AF_UNIX);
		il_address_text(&a, text, sizeof text);
		if (families[i] == AF_UNIX)
			CHECK_STR(text, name);
		for (int n = 0; n < 3; n++)
			check_accepts(l);
		il_listener_close(l);
		CHECK(!is_open(fd));
		CHECK_RC(il_listener_fd(l, 0), -EBADF);
		il_listener_destroy(l);
	}
}

struct listening {
	il_listener *listener;
	il_server *server;
};

static int ask_elsewhere(void *arg)
{
	const struct listening *l = arg;
	il_address a;

	CHECK_RC(il_listener_fd(l->listener, 0), -EPERM);
	CHECK_RC(il_listener_address(l->listener, 0, &a), -EPERM);
	CHECK_RC(il_server_fd(l->server, 0), -EPERM);
	return 0;
}

static int ask_inherited(void *arg)
{
	const struct listening *l = arg;
	il_address a;

	CHILD_CHECK(il_listener_fd(l->listener, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_listener_address(l->listener, 0, &a) == -ESHUTDOWN);
	CHILD_CHECK(il_server_fd(l->server, 0) == -ESHUTDOWN);
	return 0;
}

IL_TEST_REAL(T, n384_only_its_own_thread_and_process_are_told_of_a_listening_socket)
{
	struct listening l = {.listener = listen_here()};

	CHECK_RC(il_tcp_server_open(&l.server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    NULL, NULL),
		 0);
	CHECK_RC(il_test_aside(ask_elsewhere, &l), 0);
	CHECK_IN_CHILD(ask_inherited, &l);
	CHECK(il_listener_fd(l.listener, 0) >= 0);
	CHECK(il_server_fd(l.server, 0) >= 0);
	il_server_destroy(l.server);
	il_listener_destroy(l.listener);
}

/* Both wait for the same connection, as two processes do. */
IL_TEST_REAL(T, n384_who_finds_that_another_was_faster_goes_on_waiting)
{
	int fd = listening_socket(AF_INET, ""), copy = dup(fd);
	il_listener *both[2] = {NULL, NULL};
	il_future *waits[2];
	int done = 0;

	CHECK_RC(il_listener_open_fd(&both[0], fd), 0);
	CHECK_RC(il_listener_open_fd(&both[1], copy), 0);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_loop_spawn(il_loop_current(), &waits[i], accept_one, both[i]), 0);
	for (int n = 1; n <= 2; n++) {
		il_stream *s = connect_back(both[0]);
		do {
			il_test_pause();
			done = il_future_done(waits[0]) + il_future_done(waits[1]);
		} while (done < n);
		CHECK_EQ(done, n);
		il_stream_destroy(s);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_future_join(waits[i]), 0);
		il_listener_destroy(both[i]);
	}
}

/* ---- 385: what is refused ---- */

struct flags {
	int file, own;
};

static struct flags flags_of(int fd)
{
	return (struct flags){fcntl(fd, F_GETFL), fcntl(fd, F_GETFD)};
}

static void check_not_taken(int fd, int code)
{
	struct flags before = flags_of(fd), after;
	il_listener *l = NULL;
	il_server *s = NULL;

	CHECK_RC(il_listener_open_fd(&l, fd), code);
	CHECK(l == NULL);
	CHECK_RC(il_server_open(&s, il_protocol_lines(), &echo_handler, NULL, NULL), 0);
	CHECK_RC(il_server_add_fd(s, fd), code);
	CHECK_RC(il_server_fd(s, 0), -ENOENT);
	il_server_destroy(s);
	after = flags_of(fd);
	CHECK_EQ(after.file, before.file);
	CHECK_EQ(after.own, before.own);
}

IL_TEST_REAL(T, n385_what_does_not_listen_is_refused_and_left_as_it_was)
{
	int fd[2], kept;
	il_listener *l = NULL, *again = NULL;

	check_not_taken(-1, -EBADF);
	check_not_taken(987654, -EBADF);
	fd[0] = open("/dev/null", O_RDWR);
	check_not_taken(fd[0], -ENOTSUP);
	close(fd[0]);
	CHECK_EQ(pipe(fd), 0);
	check_not_taken(fd[0], -ENOTSUP);
	close(fd[0]);
	close(fd[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	check_not_taken(fd[0], -ENOTSUP);
	close(fd[0]);
	close(fd[1]);
	fd[0] = bound_socket(AF_INET, SOCK_STREAM, "");
	check_not_taken(fd[0], -ENOTSUP);
	close(fd[0]);
	fd[0] = bound_socket(AF_INET, SOCK_DGRAM, "");
	check_not_taken(fd[0], -ENOTSUP);
	close(fd[0]);
	kept = listening_socket(AF_INET, "");
	CHECK_RC(il_listener_open_fd(&l, kept), 0);
	check_not_taken(kept, -EBUSY);
	CHECK_RC(il_listener_open_fd(&again, kept), -EBUSY);
	CHECK_RC(il_listener_open_fd(NULL, kept), -EINVAL);
	check_accepts(l);
	il_listener_destroy(l);
}

/* ---- 386: closing closes that descriptor ---- */

IL_TEST_REAL(T, n386_a_copy_goes_on_listening)
{
	int fd = listening_socket(AF_INET, ""), copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	il_listener *l = NULL;

	CHECK_RC(il_listener_open_fd(&l, fd), 0);
	il_listener_destroy(l);
	CHECK(!is_open(fd));
	CHECK(is_open(copy));
	CHECK_RC(il_listener_open_fd(&l, copy), 0);
	check_accepts(l);
	il_listener_destroy(l);
}

IL_TEST_REAL(T, n386_the_path_of_an_adopted_socket_is_left_alone)
{
	char directory[] = "/tmp/il-test-XXXXXX", path[48];
	il_listener *l = NULL;
	int fd;

	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof path, "%s/s", directory);
	fd = listening_socket(AF_UNIX, path);
	CHECK_RC(il_listener_open_fd(&l, fd), 0);
	check_accepts(l);
	il_listener_destroy(l);
	CHECK_EQ(access(path, F_OK), 0);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(directory), 0);
}

/* ---- 387, 388: servers ---- */

static uint16_t port_of(int fd)
{
	il_address a = {.length = sizeof a.storage};

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&a.storage, &a.length), 0);
	return il_address_port(&a);
}

IL_TEST_REAL(T, n387_a_server_serves_what_it_was_handed_beside_its_own)
{
	int fd = listening_socket(AF_INET, ""), other = listening_socket(AF_INET, "");
	uint16_t port = port_of(fd);
	struct service s;
	il_stream *c[2];

	memset(&s, 0, sizeof s);
	CHECK_RC(il_tcp_server_open(&s.server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    &s.visits, NULL),
		 0);
	CHECK_RC(il_server_add_fd(s.server, fd), 0);
	CHECK(il_server_port(s.server) != port); /* the first one's */
	CHECK_EQ(il_server_fd(s.server, 1), fd);
	CHECK_RC(il_server_fd(s.server, 2), -ENOENT);
	service_run(&s);
	CHECK_RC(il_server_add_fd(s.server, other), -EBUSY);
	c[0] = dial(&s);
	c[1] = dial_port(port);
	CHECK_ASK(c[0], "own", "own");
	CHECK_ASK(c[1], "handed", "handed");
	CHECK_EQ(s.visits.connected, 2);
	for (int i = 0; i < 2; i++)
		il_stream_destroy(c[i]);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK(!is_open(fd));
	CHECK_RC(il_server_add_fd(s.server, other), -EBADF);
	CHECK_RC(il_server_fd(s.server, 0), -EBADF);
	CHECK(is_open(other));
	close(other);
	il_server_destroy(s.server);
}

static int name_to_peer(il_client *client, void *data)
{
	const char *name = il_client_address(client);
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, name, strlen(name));
}

IL_TEST_REAL(T, n388_a_handed_over_socket_is_kept_between_two_rounds)
{
	const il_handler handler = {.handle = name_to_peer};
	char name[IL_ADDRESS_TEXT_MAX];
	int fd = listening_socket(AF_INET, "");
	uint16_t port = port_of(fd);
	struct service s;

	memset(&s, 0, sizeof s);
	CHECK_RC(il_server_open(&s.server, il_protocol_lines(), &handler, NULL, NULL), 0);
	CHECK_EQ(il_server_port(s.server), 0);
	CHECK_RC(il_server_add_fd(s.server, fd), 0);
	CHECK_EQ(il_server_port(s.server), port);
	for (int round = 0; round < 3; round++) {
		il_stream *early =
		    dial_port(port); /* it waits in the socket until the server is up */
		service_run(&s);
		CHECK_ASK(early, "who am I?", name_of(early, name));
		CHECK_RC(il_server_shutdown(s.server), 0);
		CHECK_RC(service_result(&s), 0);
		check_gone(early);
		CHECK(is_open(fd));
		CHECK_EQ(il_server_fd(s.server, 0), fd);
		CHECK_EQ(il_server_port(s.server), port);
	}
	il_server_destroy(s.server);
	CHECK(!is_open(fd));
	check_refused(port);
}

/* Who has connected while handlers still work is not lost: nobody has accepted it. */
IL_TEST_REAL(T, n388_nobody_is_accepted_during_the_grace_period)
{
	const il_server_options options = {.grace_period = IL_SEC(3600)};
	int fd = listening_socket(AF_INET, "");
	uint16_t port = port_of(fd);
	struct service s;
	il_stream *c, *late;
	il_future *end;

	memset(&s, 0, sizeof s);
	CHECK_RC(il_server_open(&s.server, il_protocol_lines(), &echo_handler, &s.visits, &options),
		 0);
	CHECK_RC(il_server_add_fd(s.server, fd), 0);
	service_run(&s);
	c = dial_port(port);
	say(c, "half a ");
	UNTIL(s.visits.connected == 1 && unread(s.visits.client) == 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &end, shut_down, s.server), 0);
	UNTIL(!il_server_is_serving(s.server));
	late = dial_port(port);
	for (int i = 0; i < 20; i++)
		il_test_pause();
	CHECK_EQ(s.visits.connected, 1);
	CHECK_ASK(c, "line", "half a line");
	il_stream_destroy(c);
	CHECK_RC(il_future_join(end), 0);
	CHECK_RC(service_result(&s), 0);
	service_run(&s);
	CHECK_ASK(late, "now", "now");
	il_stream_destroy(late);
	service_end(&s);
}

/* Whoever has another copy of the socket may have a place for it. */
IL_TEST_REAL(T, n388_nobody_is_accepted_for_whom_there_is_no_place)
{
	const il_server_options options = {.max_clients = 1};
	int fd = listening_socket(AF_INET, ""), copy = dup(fd);
	uint16_t port = port_of(fd);
	struct service full, other;
	il_stream *c[2];

	memset(&full, 0, sizeof full);
	memset(&other, 0, sizeof other);
	CHECK_RC(il_server_open(&full.server, il_protocol_lines(), &echo_handler, &full.visits,
				&options),
		 0);
	CHECK_RC(il_server_add_fd(full.server, fd), 0);
	service_run(&full);
	c[0] = dial_port(port);
	CHECK_ASK(c[0], "first", "first");
	c[1] = dial_port(port);
	for (int i = 0; i < 20; i++)
		il_test_pause();
	CHECK_RC(
	    il_server_open(&other.server, il_protocol_lines(), &echo_handler, &other.visits, NULL),
	    0);
	CHECK_RC(il_server_add_fd(other.server, copy), 0);
	service_run(&other);
	CHECK_ASK(c[1], "second", "second");
	CHECK_EQ(other.visits.connected, 1);
	il_stream_destroy(c[0]);
	il_stream_destroy(c[1]);
	service_end(&full);
	service_end(&other);
}

/* ---- 389: hot restart ---- */

enum { CONNECTS = 1000 };

/* Each says who has served it. */
static int say_who(il_client *client, void *data)
{
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	return rc <= 0 ? rc : reply(client, data);
}

static const il_handler who_handler = {.handle = say_who};

struct restart {
	int socket;          /* of the next process */
	int begin[2], up[2]; /* pipes: the next process may begin, and is up */
	uint16_t port;
	atomic_int connects, by_parent, by_child;
};

/* In the next process: until the test closes its end of the pipe. */
static int next_process(void *arg)
{
	struct restart *r = arg;
	il_server *s = NULL;
	il_future *serving = NULL;

	CHILD_CHECK(il_wait_readable(r->begin[0]) == 0);
	CHILD_CHECK(read(r->begin[0], &(char){0}, 1) == 1);
	CHILD_CHECK(il_server_open(&s, il_protocol_lines(), &who_handler,
				   (void *)(uintptr_t) "child",
				   &(il_server_options){.quiet = true}) == 0);
	CHILD_CHECK(il_server_add_fd(s, r->socket) == 0);
	CHILD_CHECK(il_loop_spawn(il_loop_current(), &serving, serve, s) == 0);
	while (!il_server_is_serving(s))
		CHILD_CHECK(il_sleep(IL_USEC(100)) == 0);
	CHILD_CHECK(write(r->up[1], "x", 1) == 1);
	CHILD_CHECK(il_wait_readable(r->begin[0]) == 0);
	CHILD_CHECK(il_server_shutdown(s) == 0);
	CHILD_CHECK(il_future_join(serving) == 0);
	il_server_destroy(s);
	return 0;
}

static pid_t fork_next(struct restart *r)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(90);
		close(r->begin[1]);
		close(r->up[0]);
		_exit(il_run(il_test_backend(), next_process, r) != 0);
	}
	CHECK(child > 0);
	close(r->begin[0]);
	close(r->up[1]);
	close(r->socket);
	return child;
}

/* A connect that is refused, or reset before it is served, fails the test. */
static int connect_on(void *arg)
{
	struct restart *r = arg;

	for (int i = 0; i < CONNECTS; i++) {
		int fd = plain_connect(r->port);
		char line[8] = "";
		size_t n = 0;
		CHECK_EQ(send(fd, "who\n", 4, MSG_NOSIGNAL), 4);
		while (n + 1 < sizeof line && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
			n++;
		line[n] = '\0';
		atomic_fetch_add(&r->by_parent, strcmp(line, "parent") == 0);
		atomic_fetch_add(&r->by_child, strcmp(line, "child") == 0);
		atomic_fetch_add(&r->connects, 1);
		close(fd);
	}
	return 0;
}

IL_TEST_REAL(T, n389_a_hot_restart_loses_no_connect)
{
	struct restart r = {.socket = -1};
	struct il_test_thread clients;
	struct service s;
	int status = 0;
	pid_t child;

	service_start(&s, &who_handler, (void *)(uintptr_t) "parent", il_protocol_lines(),
		      &(il_server_options){.quiet = true});
	r.port = il_server_port(s.server);
	r.socket = dup(il_server_fd(s.server, 0));
	CHECK(r.socket >= 0);
	CHECK_EQ(pipe(r.begin), 0);
	CHECK_EQ(pipe(r.up), 0);
	child = fork_next(&r);
	il_test_thread_start(&clients, connect_on, &r);
	UNTIL(atomic_load(&r.connects) >= CONNECTS / 4);
	CHECK_EQ(write(r.begin[1], "x", 1), 1);
	CHECK_RC(il_wait_readable(r.up[0]), 0);
	CHECK_EQ(read(r.up[0], &(char){0}, 1), 1);
	UNTIL(atomic_load(&r.connects) >= CONNECTS / 2);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
	CHECK_EQ(il_test_thread_join(&clients), 0);
	CHECK_EQ(atomic_load(&r.by_parent) + atomic_load(&r.by_child), CONNECTS);
	CHECK(atomic_load(&r.by_parent) >= CONNECTS / 4);
	CHECK(atomic_load(&r.by_child) > 0);
	close(r.begin[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(r.up[0]);
}

/* ---- 391: what a service manager hands over ---- */

static void offer(const char *pid, const char *count)
{
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

static int look_at_listen_fds(void *arg)
{
	const char *rubbish[] = {"", "x", "-1", "2x", " 2", "0", "99999999999999999999"};
	char ours[16], others[16];
	int fds[4] = {-1, -1, -1, -1};

	(void)arg;
	for (int fd = 3; fd <= 4; fd++)
		CHILD_CHECK(dup2(STDERR_FILENO, fd) == fd);
	snprintf(ours, sizeof ours, "%d", (int)getpid());
	snprintf(others, sizeof others, "%d", (int)getppid());
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	CHILD_CHECK(il_listen_fds(fds, 4, false) == 0);
	for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
		offer(ours, rubbish[i]);
		CHILD_CHECK(il_listen_fds(fds, 4, false) == 0);
		offer(rubbish[i], "2");
		CHILD_CHECK(il_listen_fds(fds, 4, false) == 0);
	}
	offer(others, "2");
	CHILD_CHECK(il_listen_fds(fds, 4, false) == 0);
	CHILD_CHECK(fds[0] == -1 && !(fcntl(3, F_GETFD) & FD_CLOEXEC));
	offer(ours, "2");
	CHILD_CHECK(il_listen_fds(NULL, 0, false) == 2);
	CHILD_CHECK(il_listen_fds(NULL, 1, false) == -EINVAL);
	CHILD_CHECK(il_listen_fds(fds, 1, false) == 2);
	CHILD_CHECK(fds[0] == 3 && fds[1] == -1);
	CHILD_CHECK(il_listen_fds(fds, 4, true) == 2);
	CHILD_CHECK(fds[0] == 3 && fds[1] == 4 && fds[2] == -1);
	CHILD_CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) && (fcntl(4, F_GETFD) & FD_CLOEXEC));
	CHILD_CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
	CHILD_CHECK(il_listen_fds(fds, 4, true) == 0);
	return 0;
}

IL_TEST_REAL(T, n391_listen_fds_are_found_if_they_are_for_us)
{
	CHECK_IN_CHILD(look_at_listen_fds, NULL);
}

/* ---- sockets without a file ---- */

IL_TEST_REAL(T, an_abstract_socket_listens_and_is_connected_to)
{
	char name[40], text[IL_ADDRESS_TEXT_MAX];
	il_listener *l = NULL, *second = NULL;
	il_stream *s = NULL;
	il_address a;

	if (!has_abstract())
		return;
	own_name(name);
	CHECK_RC(il_stream_connect_unix(&s, name), -ECONNREFUSED);
	CHECK_RC(il_listener_open_unix(&l, name, &(il_listen_options){.mode = 0600}), 0);
	CHECK_EQ(access(name, F_OK), -1);
	CHECK_RC(il_listener_address(l, 0, &a), 0);
	il_address_text(&a, text, sizeof text);
	CHECK_STR(text, name);
	check_accepts(l);
	CHECK_RC(il_listener_open_unix(&second, name, NULL), -EADDRINUSE);
	il_listener_destroy(l);
	CHECK_RC(il_stream_connect_unix(&s, name), -ECONNREFUSED);
	CHECK_RC(il_listener_open_unix(&l, name, NULL), 0); /* free at once */
	il_listener_destroy(l);
	CHECK_RC(il_listener_open_unix(&l, "@", NULL), -EINVAL);
	CHECK_RC(il_stream_connect_unix(&s, "@"), -EINVAL);
}

IL_TEST_REAL(T, a_server_serves_on_an_abstract_socket_again_and_again)
{
	char name[40], line[256];
	struct service s;

	if (!has_abstract())
		return;
	memset(&s, 0, sizeof s);
	CHECK_RC(il_unix_server_open(&s.server, own_name(name), il_protocol_lines(), &echo_handler,
				     &s.visits, NULL),
		 0);
	for (int round = 0; round < 2; round++) {
		il_stream *c = NULL;
		service_run(&s);
		CHECK_RC(il_stream_connect_unix(&c, name), 0);
		say(c, "hello\n");
		CHECK_STR(hear(c, line), "hello");
		snprintf(line, sizeof line, "%s#%d", name, round + 1);
		CHECK_STR(il_client_address(s.visits.client), line);
		CHECK_RC(il_server_shutdown(s.server), 0);
		CHECK_RC(service_result(&s), 0);
		check_gone(c);
	}
	il_server_destroy(s.server);
}

/* ---- both families on one socket ---- */

static void check_family(il_listener *l, const char *host, int family)
{
	char port[8];
	il_stream *a = NULL, *b = NULL;
	il_address here, there;

	snprintf(port, sizeof port, "%u", (unsigned)il_listener_port(l));
	CHECK_RC(il_stream_connect_tcp(&a, host, port, NULL), 0);
	CHECK_RC(il_listener_accept(l, &b), 0);
	CHECK_RC(il_stream_local_address(a, &here), 0);
	CHECK_RC(il_stream_peer_address(b, &there), 0);
	CHECK_EQ(there.storage.ss_family, family);
	CHECK_EQ(there.length, here.length);
	CHECK_EQ(memcmp(&there.storage, &here.storage, here.length), 0);
	CHECK_RC(il_stream_peer_address(a, &there), 0);
	CHECK_RC(il_stream_local_address(b, &here), 0);
	CHECK_EQ(here.length, there.length);
	CHECK_EQ(memcmp(&there.storage, &here.storage, here.length), 0);
	il_stream_destroy(a);
	il_stream_destroy(b);
}

IL_TEST_REAL(T, a_dual_stack_listener_has_one_socket_for_both_families)
{
	const il_listen_options dual = {.dual_stack = true};
	const char *hosts[] = {NULL, "::"};

	for (int i = 0; has_ipv6() && i < 2; i++) {
		il_listener *l = NULL;
		CHECK_RC(il_listener_open_tcp(&l, hosts[i], "0", &dual), 0);
		CHECK(il_listener_fd(l, 0) >= 0);
		CHECK_RC(il_listener_fd(l, 1), -ENOENT);
		check_family(l, "127.0.0.1", AF_INET);
		check_family(l, "::1", AF_INET6);
		il_listener_destroy(l);
	}
}

IL_TEST_REAL(T, dual_stack_changes_nothing_about_other_addresses)
{
	const il_listen_options dual = {.dual_stack = true};
	il_listener *l = NULL;

	CHECK_RC(il_listener_open_tcp(&l, "127.0.0.1", "0", &dual), 0);
	check_family(l, "127.0.0.1", AF_INET);
	il_listener_destroy(l);
}
